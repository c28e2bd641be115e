import { expect, it } from "vitest";
import { diffLines, folded } from "./diff";

const show = (a: string, b: string) => diffLines(a, b).map((l) => ({ same: " ", gone: "-", new: "+" })[l.what] + l.text).join("|");

it.each([
  ["a\nb\nc", "a\nb\nc", " a| b| c"],
  ["a\nb\nc", "a\nc", " a|-b| c"],
  ["a\nc", "a\nb\nc", " a|+b| c"],
  ["a\nb", "a\nx", " a|-b|+x"],
  ["", "a", "-|+a"],
  ["a\nb\na\nc", "b\na\nc\nd", "-a| b| a| c|+d"],
])("%j to %j", (a, b, want) => {
  expect(show(a, b)).toBe(want);
  const lines = diffLines(a, b);
  expect(lines.filter((l) => l.what !== "new").map((l) => l.text).join("\n")).toBe(a);
  expect(lines.filter((l) => l.what !== "gone").map((l) => l.text).join("\n")).toBe(b);
});
it("leaves out what is far from a change", () => {
  const a = ["1", "2", "3", "4", "5", "6", "7"];
  const lines = diffLines(a.join("\n"), a.map((x) => (x === "6" ? "six" : x)).join("\n"));
  expect(folded(lines, 1).map((l) => l?.text ?? "…")).toEqual(["…", "5", "6", "six", "7"]);
});
