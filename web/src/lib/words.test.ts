import { expect, it } from "vitest";
import { clock, reasonLength, span } from "./words";

it.each([["", 0], ["   ", 0], ["  abc  ", 3], ["é", 1], ["漢字", 4], ["한글", 4], ["ｆｕｌｌ", 8], ["😀", 1]])("%s counts %d", (s, n) => {
  expect(reasonLength(s)).toBe(n);
});
it.each([[0, "0:00"], [999, "0:00"], [73120, "1:13"], [3723000, "1:02:03"], [-5, "0:00"]])("clock %d", (ms, want) => {
  expect(clock(ms)).toBe(want);
});
it.each([[0, "0 s"], [20, "20 s"], [90, "1 min 30 s"], [1800, "30 min"], [5400, "1 h 30 min"], [28800, "8 h"]])("span %d", (s, want) => {
  expect(span(s)).toBe(want);
});
