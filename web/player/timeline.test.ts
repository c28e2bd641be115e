import { expect, it } from "vitest";
import type { Block } from "./protocol";
import { actsOf, after, clampSize } from "./timeline";

const block = (events: unknown[], times = events.map((_, i) => i * 100)): Block => ({ reset: true, at_ms: 0, to_ms: 1000, last: true, times, events, screen: null });

it("keeps output and resizes", () => {
  const acts = actsOf(block([[0, "o", "a"], [0.1, "i", "x"], [0.2, "r", "100x30"], [0.3, "m", ""], [0.4, "x", "0"], [0.5, "o", "b", "extra"]]));
  expect(acts.map((a) => [a.time, a.kind, a.data, a.cols, a.rows])).toEqual([[0, "output", "a", 0, 0], [200, "resize", "", 100, 30], [500, "output", "b", 0, 0]]);
});
it.each([[[0, "r", "-1x0"]], [[0, "r", "0x10"]], [[0, "r", "10"]], [[0, "o", 7]], ["text"], [null], [[0]]])("drops %j", (e) => {
  expect(actsOf(block([e]))).toEqual([]);
});
it("bounds sizes", () => {
  expect(actsOf(block([[0, "r", "99999x99999"]]))[0]).toMatchObject({ cols: 720, rows: 200 });
  expect(clampSize(0, Number.NaN)).toEqual({ cols: 80, rows: 24 });
});
it("finds the first act later than a time", () => {
  const acts = actsOf(block([[0, "o", "a"], [0, "o", "b"], [0, "o", "c"]], [0, 100, 100]));
  expect([-1, 0, 50, 100, 101].map((t) => after(acts, t))).toEqual([0, 1, 1, 3, 3]);
});
