import { expect, it } from "vitest";
import { matchPath, splitPath } from "./nav";

it.each<[string, string, Record<string, string> | null]>([
  ["/", "/", {}],
  ["/recordings/{rid}", "/recordings/r_1", { rid: "r_1" }],
  ["/recordings/{rid}", "/recordings/", null],
  ["/recordings/{rid}", "/recordings/r_1/x", null],
  ["/recordings", "/recordings/r_1", null],
  ["/recordings/{rid}", "/recordings/%", null],
])("%s against %s", (pattern, path, want) => {
  expect(matchPath(pattern, path)).toEqual(want);
});
it("splits the query off", () => {
  expect(splitPath("/a?b=c&d").path).toBe("/a");
  expect(splitPath("/a?b=c&d").query.get("b")).toBe("c");
});
