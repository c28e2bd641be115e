/* Which lines went and which came. Pure. */

export interface Line { what: "same" | "gone" | "new"; text: string }

const MOST = 4_000_000; // cells of the table; beyond, the middle is shown as gone and new

export function diffLines(before: string, after: string): Line[] {
  const a = before.split("\n");
  const b = after.split("\n");
  let from = 0;
  while (from < a.length && from < b.length && a[from] === b[from]) from++;
  let end = 0;
  while (end < a.length - from && end < b.length - from && a[a.length - 1 - end] === b[b.length - 1 - end]) end++;
  const x = a.slice(from, a.length - end);
  const y = b.slice(from, b.length - end);
  const same = (list: string[]): Line[] => list.map((text) => ({ what: "same", text }));
  return [...same(a.slice(0, from)), ...middle(x, y), ...same(a.slice(a.length - end))];
}

function middle(x: string[], y: string[]): Line[] {
  const gone = (text: string): Line => ({ what: "gone", text });
  const came = (text: string): Line => ({ what: "new", text });
  if (x.length * y.length > MOST) return [...x.map(gone), ...y.map(came)];
  const w = y.length + 1;
  const most = new Uint32Array((x.length + 1) * w); // lines in common from (i, j) on
  const at = (i: number, j: number) => most[i * w + j] ?? 0;
  for (let i = x.length - 1; i >= 0; i--)
    for (let j = y.length - 1; j >= 0; j--) most[i * w + j] = x[i] === y[j] ? at(i + 1, j + 1) + 1 : Math.max(at(i + 1, j), at(i, j + 1));
  const out: Line[] = [];
  let i = 0;
  let j = 0;
  while (i < x.length && j < y.length) {
    if (x[i] === y[j]) {
      out.push({ what: "same", text: x[i] ?? "" });
      i++;
      j++;
    } else if (at(i + 1, j) >= at(i, j + 1)) out.push(gone(x[i++] ?? ""));
    else out.push(came(y[j++] ?? ""));
  }
  return [...out, ...x.slice(i).map(gone), ...y.slice(j).map(came)];
}

/* Runs of more than `keep` unchanged lines on each side of a change are left out: null stands for them. */
export function folded(lines: Line[], keep = 2): (Line | null)[] {
  const near = lines.map((_, i) => lines.slice(Math.max(0, i - keep), i + keep + 1).some((l) => l.what !== "same"));
  return lines.flatMap((l, i) => (near[i] ? [l] : i === 0 || near[i - 1] ? [null] : []));
}
