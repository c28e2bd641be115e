import { describe, expect, it } from "vitest";
import type { Block } from "../../player/protocol";
import { ApiError, networkProblem } from "../lib/http";
import { createFollow } from "./follow";

const sse = (event: string, data: unknown, id?: number) => (event === "message" ? "" : `event: ${event}\n`) + (id === undefined ? "" : `id: ${id}\n`) + `data: ${JSON.stringify(data)}\n\n`;
const ev = (n: number) => sse("message", [n, "o", `e${n}`], n);
const from = (seq: number) => sse("from", { seq, at_ms: seq * 1000, screen: { cols: 80, rows: 24, init: "S" } });
const soon = (ms: number) => new Promise<void>((ok) => setTimeout(ok, ms));

/* Each opening takes the next script: its parts are sent one by one; a number waits. */
function server(scripts: (string | number)[][]) {
  const asked: (string | null)[] = [];
  return {
    asked,
    open(_: string, headers: Record<string, string>, signal: AbortSignal): Promise<Response> {
      const parts = scripts[asked.length];
      asked.push(headers["Last-Event-ID"] ?? null);
      if (parts === undefined) return Promise.reject(new ApiError(networkProblem("network")));
      return Promise.resolve(new Response(new ReadableStream({
        async start(c) {
          signal.addEventListener("abort", () => { try { c.error(signal.reason); } catch { /* closed */ } });
          for (const p of parts) {
            if (signal.aborted) return;
            if (typeof p === "number") await soon(p);
            else c.enqueue(new TextEncoder().encode(p));
          }
          if (!signal.aborted) c.close();
        },
      })));
    },
  };
}

function watch(scripts: (string | number)[][]) {
  const s = server(scripts);
  const blocks: Block[] = [];
  const said: string[] = [];
  let renewed = 0;
  const f = createFollow("terminal", 0, { open: s.open.bind(s), renew: () => { renewed++; return Promise.resolve(); }, pause: () => soon(1) }, {
    block: (b) => blocks.push(b),
    caughtUp: () => said.push("live"),
    behind: (ms) => said.push(`behind ${ms}`),
    ended: () => said.push("ended"),
    over: (end, e) => said.push(end !== null ? `over ${end.code}` : e instanceof ApiError ? `over ${e.problem.code}` : "over"),
  });
  const events = () => blocks.flatMap((b) => b.events.map((e) => (e as [number])[0]));
  return { f, s, blocks, said, events, renewed: () => renewed };
}

const FINAL = (name: string, code: number) => sse(name, { code, reason: name, last_seq: 0, at_ms: 0, retry_after_s: 0 });

describe("following a recording that is being made", () => {
  it("gives what was there as one block with its screen, then what comes", async () => {
    const w = watch([[from(2), ev(2), ev(3), sse("live", { last_seq: 3 }), 60, ev(4), 80, ev(5), FINAL("end", 1000)]]);
    await w.f.run();
    expect(w.blocks.map((b) => [b.reset, b.events.length, b.to_ms])).toEqual([[true, 2, 3000], [false, 1, 4000], [false, 1, 5000]]);
    expect(w.blocks[0]?.screen?.init).toBe("S");
    expect(w.blocks[1]?.screen).toBeNull();
    expect(w.said).toEqual(["live", "ended"]);
  });
  it("before the first event there is nothing, and the first one begins it", async () => {
    const w = watch([[from(0), sse("live", { last_seq: null }), 20, ev(0), 80, FINAL("end", 1000)]]);
    await w.f.run();
    expect(w.blocks.map((b) => [b.reset, b.to_ms])).toEqual([[true, 0]]);
  });
  it("a fresh key loses and repeats nothing", async () => {
    const w = watch([
      [from(0), ev(0), sse("live", {}), ev(1), sse("key.expiring", { exp: "", renew: "" }), 30, ev(2), 400, ev(99)],
      [from(2), ev(2), ev(3), sse("live", {}), 60, ev(4), FINAL("end", 1000)],
    ]);
    await w.f.run();
    expect(w.events()).toEqual([0, 1, 2, 3, 4]);
    expect(w.s.asked).toEqual([null, "1"]);
    expect(w.renewed()).toBe(1);
  });
  it("goes on after a cut, an expired key and a restart", async () => {
    const w = watch([
      [from(0), ev(0), sse("live", {}), ev(1)],
      [from(2), ev(2), FINAL("key.expired", 4401)],
      [from(3), ev(3), FINAL("shutdown", 1012)],
      [from(4), ev(4), FINAL("end", 1000)],
    ]);
    await w.f.run();
    expect(w.events()).toEqual([0, 1, 2, 3, 4]);
    expect(w.s.asked).toEqual([null, "1", "2", "3"]);
    expect(w.said.at(-1)).toBe("ended");
  });
  it.each([["revoked", 4411], ["window.ended", 4410], ["suspended", 4423], ["superseded", 4409]])("%s is the end", async (name, code) => {
    const w = watch([[from(0), ev(0), sse("live", {}), FINAL(name, code)], [from(0), ev(1)]]);
    await w.f.run();
    expect(w.said.at(-1)).toBe(`over ${code}`);
    expect(w.s.asked).toHaveLength(1);
  });
  it("a refusal is the end; so are too many cuts without anything new", async () => {
    const refused = watch([]);
    await refused.f.run();
    expect(refused.said).toEqual(["over network"]);
    const cut = watch(Array.from({ length: 20 }, () => [from(0)]));
    await cut.f.run();
    expect(cut.said).toEqual(["over"]);
    expect(cut.s.asked).toHaveLength(6);
  });
  it("says how far behind it is, and nothing after stop", async () => {
    const w = watch([[from(0), ev(0), sse("live", {}), sse("behind", { last_seq: 0, live_seq: 9, behind_ms: 4200 }), 50, ev(1), 500]]);
    const running = w.f.run();
    await soon(20);
    expect(w.said).toContain("behind 4200");
    w.f.stop();
    await running;
    await soon(100);
    expect(w.events()).toEqual([0]);
  });
});
