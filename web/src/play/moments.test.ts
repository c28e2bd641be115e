import { describe, expect, it } from "vitest";
import type { Manifest } from "../api/types";
import { columns, momentAt, momentsOf, overIdle } from "./moments";

const none = { clicks: 0, inputs: 0, rage_clicks: 0, dead_clicks: 0, pages: 0, errors: 0, resizes: 0, idle: 0, console: { log: 0, info: 0, warn: 0, error: 0, debug: 0 }, requests: { none: 0, "1xx": 0, "2xx": 0, "3xx": 0, "4xx": 0, "5xx": 0 } };

function manifest(notes: Partial<Manifest["notes"]>, markers: Manifest["markers"] = []): Manifest {
  return { markers, notes: { to_ms: 10_000, counts: none, activity: { bin_ms: 125, bins: [] }, pages: [], errors: [], clicks: [], resizes: [], idle: [], cut: false, ...notes } } as unknown as Manifest;
}

describe("moments", () => {
  const list = momentsOf(manifest({
    pages: [{ at_ms: 0, seq: 0, url: "/a", width: 1, height: 1 }, { at_ms: 500, seq: 9, url: "/b", width: 1, height: 1 }],
    errors: [{ at_ms: 500, seq: 8, kind: "error", text: "no" }, { at_ms: 400, seq: 7, kind: "request", text: "GET /x", status: 500 }],
    clicks: [{ at_ms: 450, seq: 6, kind: "rage", n: 4 }],
  }, [{ at_ms: 500, label: "mark" }]));
  it("are one list in the order of time", () => {
    expect(list.map((m) => [m.kind, m.at_ms, m.text, m.n])).toEqual([
      ["page", 0, "/a", 0], ["request", 400, "GET /x", 500], ["rage", 450, "", 4], ["marker", 500, "mark", 0], ["page", 500, "/b", 0], ["error", 500, "no", 0],
    ]);
  });
  it("say which one is now", () => {
    expect([-1, 0, 399, 400, 499, 500, 9999].map((t) => momentAt(list, t))).toEqual([-1, 0, 0, 1, 2, 5, 5]);
    expect(momentAt([], 5)).toBe(-1);
  });
});

describe("idle time", () => {
  const idle = [[1000, 10_000], [20_000, 40_000]];
  it("is jumped over to just before its end, when that is worth it", () => {
    expect([999, 1000, 5000, 8000, 8001, 15_000, 20_000, 39_000, 50_000].map((t) => overIdle(idle, t))).toEqual([null, 9500, 9500, 9500, null, null, 39_500, null, null]);
  });
});

describe("columns", () => {
  it("keep every count, and put it where it was", () => {
    const m = manifest({ activity: { bin_ms: 250, bins: [4, 0, 0, 8] } });
    const c = columns(m, 1000, [], 8);
    expect(c.reduce((a, b) => a + b)).toBeCloseTo(12);
    expect(c).toEqual([2, 2, 0, 0, 0, 0, 4, 4]);
    expect(columns(m, 1000, [], 2)).toEqual([4, 8]);
  });
  it("add what came after the notes, once", () => {
    const m = manifest({ to_ms: 500, activity: { bin_ms: 500, bins: [3] } });
    expect(columns(m, 1000, [400, 500, 600, 1000], 2)).toEqual([3, 2]);
  });
  it("are empty of nothing", () => {
    expect(columns(manifest({}), 0, [], 3)).toEqual([0, 0, 0]);
  });
});
