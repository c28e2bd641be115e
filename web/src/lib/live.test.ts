import { describe, expect, it } from "vitest";
import type { Client } from "./http";
import { createLive, type Heard } from "./live";

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

async function begun(client: Client): Promise<{ took: number; heard: Heard[]; stop(): void }> {
  const live = createLive(client);
  const heard: Heard[] = [];
  live.on((c) => heard.push(c));
  const began = Date.now();
  await live.start();
  return { took: Date.now() - began, heard, stop: () => live.stop() };
}

describe("the feed of changes", () => {
  it("is waited for, so that what is loaded afterwards misses nothing", async () => {
    const f = await begun(feed(80));
    expect(f.took).toBeGreaterThanOrEqual(75);
    expect(f.took).toBeLessThan(400);
    await new Promise((ok) => setTimeout(ok, 30));
    expect(f.heard).toEqual([]);
    f.stop();
  });
  it("is not waited for long; then what was loaded is loaded again", async () => {
    const f = await begun(feed(750));
    expect(f.took).toBeLessThan(720);
    expect(f.heard).toEqual([]);
    await new Promise((ok) => setTimeout(ok, 250));
    expect(f.heard).toEqual([{ type: "reset" }]);
    f.stop();
  });
  it("is not waited for when it cannot be opened", async () => {
    const f = await begun(feed(10, 1));
    expect(f.took).toBeLessThan(200);
    await new Promise((ok) => setTimeout(ok, 1600));
    expect(f.heard).toEqual([{ type: "reset" }]);
    f.stop();
  });
});
