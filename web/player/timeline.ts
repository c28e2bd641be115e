/* What a terminal has to show up to a time. Pure: no clock, no drawing. */
import type { Block, Screen } from "./protocol";

export interface Act {
  time: number; // ms
  kind: "output" | "resize";
  data: string; // output
  cols: number; // resize
  rows: number;
}

export const COLS_MAX = 720;
export const ROWS_MAX = 200;

export function clampSize(cols: number, rows: number): { cols: number; rows: number } {
  const bound = (n: number, max: number, otherwise: number) => (Number.isInteger(n) && n > 0 ? Math.min(n, max) : otherwise);
  return { cols: bound(cols, COLS_MAX, 80), rows: bound(rows, ROWS_MAX, 24) };
}

/* Output and resizes; markers, input, exit and unknown codes draw nothing. */
export function actsOf(b: Block): Act[] {
  const out: Act[] = [];
  b.events.forEach((e, i) => {
    if (!Array.isArray(e)) return;
    const time = b.times[i] ?? 0;
    const data: unknown = e[2];
    if (typeof data !== "string") return;
    if (e[1] === "o") out.push({ time, kind: "output", data, cols: 0, rows: 0 });
    else if (e[1] === "r") {
      const m = /^(\d{1,5})x(\d{1,5})$/.exec(data);
      if (m !== null && Number(m[1]) > 0 && Number(m[2]) > 0) out.push({ time, kind: "resize", data: "", ...clampSize(Number(m[1]), Number(m[2])) });
    }
  });
  return out;
}

export interface Timeline {
  screen: Screen | null; // before the first act
  acts: Act[];
}

/* Index of the first act later than `at`. */
export function after(acts: Act[], at: number): number {
  let lo = 0;
  let hi = acts.length;
  while (lo < hi) {
    const mid = (lo + hi) >> 1;
    if ((acts[mid]?.time ?? 0) <= at) lo = mid + 1;
    else hi = mid;
  }
  return lo;
}
