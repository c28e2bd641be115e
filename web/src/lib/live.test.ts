import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { Client } from "./http";
import { createLive, type Heard } from "./live";

beforeEach(() => { vi.useFakeTimers(); });
afterEach(() => { vi.useRealTimers(); });

/* A feed that opens after `ms` and then says nothing; `fails`: how often it refuses first. */
function feed(ms: number, fails = 0): Client {
  let left = fails;
  return {
    async open(_: string, __: object, signal: AbortSignal) {
      await new Promise((ok) => setTimeout(ok, ms));
      if (left-- > 0) throw new Error("no");
      return new Response(new ReadableStream({ start(c) { signal.addEventListener("abort", () => c.close()); } }));
    },
  } as unknown as Client;
}

/* Begins to listen; `after(ms)` lets so much time pass and tells whether start() has come back, and what was heard. */
function begun(client: Client) {
  const live = createLive(client);
  const heard: Heard[] = [];
  let back = false;
  live.on((c) => heard.push(c));
  void live.start().then(() => { back = true; });
  const after = async (ms: number) => {
    await vi.advanceTimersByTimeAsync(ms);
    return { back, heard };
  };
  return { after, stop: () => live.stop() };
}

describe("the feed of changes", () => {
  it("is waited for, so that what is loaded afterwards misses nothing", async () => {
    const f = begun(feed(80));
    expect(await f.after(79)).toEqual({ back: false, heard: [] });
    expect(await f.after(1)).toEqual({ back: true, heard: [] });
    expect(await f.after(30)).toEqual({ back: true, heard: [] });
    f.stop();
  });
  it("is not waited for long; then what was loaded is loaded again", async () => {
    const f = begun(feed(750));
    expect(await f.after(599)).toEqual({ back: false, heard: [] });
    expect(await f.after(1)).toEqual({ back: true, heard: [] });
    expect(await f.after(150)).toEqual({ back: true, heard: [{ type: "reset" }] });
    f.stop();
  });
  it("is not waited for when it cannot be opened", async () => {
    const f = begun(feed(10, 1));
    expect(await f.after(10)).toEqual({ back: true, heard: [] });
    expect(await f.after(1600)).toEqual({ back: true, heard: [{ type: "reset" }] });
    f.stop();
  });
});
