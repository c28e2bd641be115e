/* Replay answers: one JSON value a line. Pure. */

/* The lines of a body; the last newline may be missing. Throws on a line that is not JSON. */
export function parseLines(text: string): unknown[] {
  const out: unknown[] = [];
  for (const line of text.split("\n")) if (line.trim() !== "") out.push(JSON.parse(line));
  return out;
}

/* Seek times: max(own, previous). A terminal event carries seconds, a browser event epoch milliseconds; one without keeps the last. */
export function seekTimes(kind: "rrweb" | "terminal", events: unknown[], base_ms: number, from_ms: number): number[] {
  let now = from_ms;
  return events.map((e) => {
    let own = Number.NaN;
    if (kind === "terminal") own = Array.isArray(e) ? Number(e[0]) * 1000 : Number.NaN;
    else if (typeof e === "object" && e !== null) own = Number((e as { timestamp?: unknown }).timestamp) - base_ms;
    else if (typeof e === "string") own = packedTime(e) - base_ms;
    if (Number.isFinite(own)) now = Math.max(now, own);
    return now;
  });
}

/* A packed event hides its time; some are plain JSON inside. */
function packedTime(e: string): number {
  if (!e.startsWith("{")) return Number.NaN;
  try {
    return Number((JSON.parse(e) as { timestamp?: unknown }).timestamp);
  } catch {
    return Number.NaN;
  }
}
