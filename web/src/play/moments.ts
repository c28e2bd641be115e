/*
 * What stands out in a recording, as one list to jump through, and how much happens when: from the manifest's notes. Pure.
 */
import type { Manifest } from "../api/types";

export type MomentKind = "marker" | "page" | "error" | "request" | "rage" | "dead" | "resize";

export interface Moment {
  kind: MomentKind;
  at_ms: number;
  text: string; // the marker's label, the page's address, the message; "" where the kind says all
  n: number; // rage: how many clicks; request: the status
}

export const KINDS: MomentKind[] = ["marker", "page", "error", "request", "rage", "dead", "resize"];

/* In the order of time; at one time in the order of KINDS. */
export function momentsOf(m: Manifest): Moment[] {
  const { pages, errors, clicks, resizes } = m.notes;
  const out: Moment[] = [
    ...m.markers.map((x): Moment => ({ kind: "marker", at_ms: x.at_ms, text: x.label, n: 0 })),
    ...pages.map((x): Moment => ({ kind: "page", at_ms: x.at_ms, text: x.url, n: 0 })),
    ...errors.map((x): Moment => ({ kind: x.kind, at_ms: x.at_ms, text: x.text, n: x.status ?? 0 })),
    ...clicks.map((x): Moment => ({ kind: x.kind, at_ms: x.at_ms, text: "", n: x.n ?? 0 })),
    ...resizes.map((x): Moment => ({ kind: "resize", at_ms: x.at_ms, text: `${x.width} × ${x.height}`, n: 0 })),
  ];
  return out.sort((a, b) => a.at_ms - b.at_ms || KINDS.indexOf(a.kind) - KINDS.indexOf(b.kind));
}

/* Index of the last one at or before the time; -1: none. */
export function momentAt(list: Moment[], at_ms: number): number {
  let lo = 0;
  let hi = list.length;
  while (lo < hi) {
    const mid = (lo + hi) >> 1;
    if ((list[mid]?.at_ms ?? 0) <= at_ms) lo = mid + 1;
    else hi = mid;
  }
  return lo - 1;
}

const LEAD_MS = 500; // of a pause is shown at its end
const WORTH_MS = 1500; // less is not worth a jump

/* Where to go on when nobody does anything at this time; null: play on. */
export function overIdle(idle: readonly (readonly number[])[], at_ms: number): number | null {
  for (const [from = 0, to = 0] of idle) {
    if (at_ms < from) return null;
    if (at_ms <= to - LEAD_MS - WORTH_MS) return to - LEAD_MS;
  }
  return null;
}

/*
 * Activity over the whole length in n columns: what the notes say, and what was fetched after them (`later`: times of events of a
 * recording that is still being made).
 */
export function columns(m: Manifest, length_ms: number, later: readonly number[], n: number): number[] {
  const out = Array.from({ length: n }, () => 0);
  if (length_ms <= 0) return out;
  const put = (at: number, count: number) => {
    const i = Math.min(n - 1, Math.floor((at / length_ms) * n));
    out[i] = (out[i] ?? 0) + count;
  };
  const { bin_ms, bins } = m.notes.activity;
  bins.forEach((count, i) => {
    if (count === 0) return;
    // a bin that covers several columns is spread over them
    const over = Math.max(1, Math.round((bin_ms / length_ms) * n));
    for (let k = 0; k < over; k++) put(Math.min((i + k / over) * bin_ms, length_ms), count / over);
  });
  for (const t of later) if (t > m.notes.to_ms) put(t, 1);
  return out;
}
