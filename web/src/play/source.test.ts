import { describe, expect, it } from "vitest";
import type { Manifest } from "../api/types";
import { parseLines, seekTimes } from "./ndjson";
import { chunkAt, createSource, CutAnswer } from "./source";

/* A stand-in for the replay routes of the contract: ten terminal events, one each second, four a chunk. */
const all = Array.from({ length: 10 }, (_, i) => [i, "o", `e${i}`]);
const manifest: Manifest = {
  id: "r_0123456789abcdef", kind: "terminal", head: { cols: 80, rows: 24 }, duration_ms: 9000, base_ms: 0, events: 10, live: false, sealed_to_seq: 9,
  chunks: [{ from_seq: 0, to_seq: 3, from_ms: 0, to_ms: 3000, bytes: 1 }, { from_seq: 4, to_seq: 7, from_ms: 4000, to_ms: 7000, bytes: 1 }, { from_seq: 8, to_seq: 9, from_ms: 8000, to_ms: 9000, bytes: 1 }],
  keyframes: [{ at_ms: 0, seq: 0 }], markers: [], max_speed: 16, watermark: null, window_ends: "2026-01-01T00:00:00.000Z",
};
const lines = (list: unknown[]) => list.map((e) => JSON.stringify(e)).join("\n") + "\n";

function server(asked: string[], change: (text: string) => string = (x) => x) {
  return (path: string): Promise<string> => {
    asked.push(path);
    const m = /^events\?from_ms=(\d+)&to_ms=(\d+)$/.exec(path);
    if (m) {
      const list = all.filter((e) => Number(e[0]) * 1000 <= Number(m[2]));
      return Promise.resolve(change(lines([{ from: { seq: 0, at_ms: 0 } }, ...list, { end: { code: 1000, reason: "end", last_seq: list.length - 1, at_ms: Number(m[2]) } }])));
    }
    const c = manifest.chunks[Number(path.slice("chunks/".length))]!;
    return Promise.resolve(change(lines(all.slice(c.from_seq, c.to_seq + 1))));
  };
}

describe("source", () => {
  it("gives every event once, in order, from a seek to the end", async () => {
    for (const at of [0, 500, 3000, 3999, 4000, 8500, 9000, 99_999]) {
      const asked: string[] = [];
      const s = createSource(manifest, server(asked));
      const first = await s.seek(at);
      const got = [...first.events];
      for (let b = await s.next(); b !== null; b = await s.next()) got.push(...b.events);
      expect(got).toEqual(all);
      expect(first.at_ms).toBe(Math.min(at, 9000));
      expect(asked.filter((p) => p.startsWith("events"))).toHaveLength(1);
    }
  });
  it("says what is buffered and what is last", async () => {
    const s = createSource(manifest, server([]));
    expect(await s.seek(0)).toMatchObject({ reset: true, to_ms: 3000, last: false });
    expect(await s.next()).toMatchObject({ reset: false, to_ms: 7000, last: false, times: [4000, 5000, 6000, 7000] });
    expect(await s.next()).toMatchObject({ to_ms: 9000, last: true });
    expect(await s.next()).toBeNull();
  });
  it("fetches nothing ahead by itself", async () => {
    const asked: string[] = [];
    await createSource(manifest, server(asked)).seek(0);
    expect(asked).toEqual(["events?from_ms=0&to_ms=3000"]);
  });
  it.each<[string, (t: string) => string]>([
    ["without its last line", (t) => t.split("\n").slice(0, -2).join("\n")],
    ["without its first line", (t) => t.split("\n").slice(1).join("\n")],
    ["empty", () => ""],
  ])("an answer %s was cut", async (_, change) => {
    await expect(createSource(manifest, server([], change)).seek(0)).rejects.toThrow(CutAnswer);
  });
  it("a chunk that is short was cut", async () => {
    let n = 0;
    const s = createSource(manifest, server([], (t) => (n++ === 0 ? t : t.split("\n").slice(1).join("\n"))));
    await s.seek(0);
    await expect(s.next()).rejects.toThrow(CutAnswer);
  });
  it("of a recording that is still being made, also what is in no chunk yet", async () => {
    const part: Manifest = { ...manifest, live: true, sealed_to_seq: 7, chunks: manifest.chunks.slice(0, 2) };
    const answer = (path: string): Promise<string> => {
      const m = /^events\?from_ms=(\d+)$/.exec(path);
      if (!m) return server([])(path);
      const first = Math.max(0, Math.floor(Number(m[1]) / 1000) - 1); // a keyframe before it
      return Promise.resolve(lines([{ from: { seq: first, at_ms: first * 1000 } }, ...all.slice(first), { end: { code: 1000, reason: "end", last_seq: 9, at_ms: 9000 } }]));
    };
    for (const at of [0, 3999, 6500, 7500, 9000]) {
      const s = createSource(part, answer);
      const first = await s.seek(at);
      const got = [...first.events];
      const times = [...first.times];
      for (let b = await s.next(); b !== null; b = await s.next()) {
        got.push(...b.events);
        times.push(...b.times);
      }
      expect(got.slice(-1)).toEqual([[9, "o", "e9"]]);
      expect(got).toEqual(all.slice(10 - got.length));
      expect(times).toEqual(got.map((e) => Number((e as [number])[0]) * 1000));
    }
  });
  it("gives nothing after stop", async () => {
    const s = createSource(manifest, server([]));
    await s.seek(0);
    s.stop();
    expect(await s.next()).toBeNull();
  });
  it("finds the chunk of a time", () => {
    expect([0, 3500, 4000, 7999, 8000, 10_000].map((t) => chunkAt(manifest, t))).toEqual([0, 0, 1, 1, 2, 2]);
  });
});

describe("seek times never fall", () => {
  it.each<["rrweb" | "terminal", unknown[], number[]]>([
    ["terminal", [[0.5], [0.4], [1.25]], [500, 500, 1250]],
    ["rrweb", [{ timestamp: 1000 }, { timestamp: 900 }, {}, { timestamp: 1500 }], [0, 0, 0, 500]],
    ["rrweb", [{ timestamp: 1000 }, "x\u009c", '{"timestamp":1200}'], [0, 0, 200]],
    ["terminal", [null, "x", [1]], [0, 0, 1000]],
  ])("%s %j", (kind, events, want) => {
    expect(seekTimes(kind, events, 1000, 0)).toEqual(kind === "terminal" ? want : want);
  });
});
it("lines", () => {
  expect(parseLines('{"a":1}\n\n[2]')).toEqual([{ a: 1 }, [2]]);
  expect(() => parseLines("{")).toThrow();
});
