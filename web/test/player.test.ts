/*
 * The built player documents in Chromium under their real headers: other people's recordings play, hostile ones reach nothing. The page
 * that holds the frame speaks the protocol as the app does.
 */
import { createServer, type Server } from "node:net";
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { chromium, type Browser, type Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { parseLines, seekTimes } from "../src/play/ndjson";
import { page as made } from "../../tests/hostile/make.mjs";
import { startMock } from "./mock";

const executable = process.env["CHROMIUM"] ?? "/usr/bin/chromium";
const built = existsSync(join(__dirname, "../dist/player/dom.html"));
const shared = join(process.env["KEYHOLE_SHARED"] ?? join(__dirname, "../../../shared"), "data");

let mock: Awaited<ReturnType<typeof startMock>>;
let browser: Browser;
let page: Page;
let sink: Server;
let outside: string[] = []; // requests that left our two origins, dialogs, navigations
let errors: string[] = [];

interface Given { kind: "rrweb" | "terminal"; events: unknown[]; base_ms: number; cols?: number; rows?: number }
interface Seen { broken: string; at: number; text: string }

/* Opens a player, gives it everything, plays a little, jumps to the end; what it said and what it shows. */
async function play(g: Given, wait_ms = 350): Promise<Seen> {
  const times = seekTimes(g.kind, g.events, g.base_ms, 0);
  const seen = await page.evaluate(async ({ g: given, times: t, origin, wait }) => {
    document.body.replaceChildren();
    const frame = document.createElement("iframe");
    frame.setAttribute("sandbox", "allow-scripts allow-same-origin");
    let broken = "";
    let at = 0;
    const ready = new Promise<void>((ok, fail) => {
      setTimeout(() => fail(new Error("the player did not say ready")), 8000);
      window.onmessage = (e: MessageEvent<{ say: string; what?: string; at_ms?: number }>) => {
        if (e.origin !== origin || e.source !== frame.contentWindow) return;
        if (e.data.say === "ready") ok();
        if (e.data.say === "broken") broken = e.data.what ?? "?";
        if (e.data.say === "at") at = e.data.at_ms ?? 0;
      };
    });
    frame.src = origin + (given.kind === "rrweb" ? "/dom" : "/terminal");
    document.body.append(frame);
    await ready;
    const end = t.at(-1) ?? 0;
    const send = (m: object) => frame.contentWindow?.postMessage(m, origin);
    const block = (at_ms: number) => send({ say: "block", reset: true, at_ms, to_ms: end, last: true, times: t, events: given.events, screen: null });
    send({ say: "open", kind: given.kind, duration_ms: end, base_ms: given.base_ms, cols: given.cols ?? 80, rows: given.rows ?? 24, theme: null, speed: 8, skip_idle: false });
    block(0);
    send({ say: "play" });
    await new Promise((r) => setTimeout(r, wait));
    block(end);
    send({ say: "pause" });
    await new Promise((r) => setTimeout(r, wait));
    return { broken, at };
  }, { g, times, origin: mock.player(), wait: wait_ms });
  let text = "";
  for (let i = 0; text === "" && i < 10; i++) { // a frame that was just made may not be reachable yet
    const outer = page.frames().find((f) => /\/(dom|terminal)$/.test(f.url()) && !f.isDetached());
    const inner = g.kind === "rrweb" ? outer?.childFrames()[0] : outer;
    text = (await inner?.evaluate(() => document.documentElement?.outerHTML ?? "").catch(() => "")) ?? "";
    if (text === "") await page.waitForTimeout(100);
  }
  return { ...seen, text };
}

const outerFrame = () => page.frames().find((f) => /\/(dom|terminal)$/.test(f.url()) && !f.isDetached());

/* Asks the recorded document, from the player document outside: inside there is no script. */
async function inner<T>(ask: (d: Document) => T | Promise<T>): Promise<T> {
  return (await outerFrame()?.evaluate(`(${String(ask)})(document.querySelector(".replayer-wrapper iframe").contentDocument)`)) as T;
}

const later = (data: object) => ({ type: 3, timestamp: 1_760_000_000_200, data });

function files(dir: string, ends: RegExp): string[] {
  if (!existsSync(dir)) return [];
  return readdirSync(dir, { withFileTypes: true }).flatMap((e) => (e.isDirectory() ? files(join(dir, e.name), ends) : ends.test(e.name) ? [join(dir, e.name)] : []));
}

describe.skipIf(!existsSync(executable) || !built)("the player documents in Chromium", () => {
  beforeAll(async () => {
    mock = await startMock([]);
    // The name that every hostile recording uses leads to a sink, so that any connection is seen there. Requests that the policy stops never leave.
    sink = createServer((socket) => { outside.push("connection"); socket.once("data", (d) => outside.push(String(d).split("\r\n")[0] ?? "")); socket.on("error", () => {}); socket.setTimeout(500, () => socket.destroy()); });
    const port = await new Promise<number>((ok) => sink.listen(0, "127.0.0.1", () => ok((sink.address() as { port: number }).port)));
    browser = await chromium.launch({ executablePath: executable, args: ["--no-sandbox", `--host-resolver-rules=MAP sink.example 127.0.0.1:${port}`] });
    page = await browser.newPage({ viewport: { width: 1000, height: 700 } });
    page.on("dialog", (d) => { outside.push("dialog " + d.message()); void d.dismiss(); });
    page.on("popup", () => outside.push("popup"));
    page.on("framenavigated", (f) => { if (f.parentFrame()?.parentFrame() && f.url() !== "about:blank" && f.url() !== "about:srcdoc") outside.push("navigation " + f.url()); });
    page.on("pageerror", (e) => {
      // A recorded video that is paused before it began to play says so by a rejection that nobody waits for.
      if (!e.message.startsWith("The play() request was interrupted")) errors.push(e.message);
    });
    await page.goto(mock.url() + "/test/harness");
  }, 60_000);
  afterAll(async () => {
    await browser?.close();
    await mock?.stop();
    sink?.close();
  });

  const recordings = files(join(shared, "rrweb"), /\.json$/).filter((f) => statSync(f).size < 8e6);
  it.skipIf(recordings.length === 0)("plays other people's browser recordings", async () => {
    let played = 0;
    const bad: string[] = [];
    for (const file of recordings) {
      let value: unknown;
      try {
        value = JSON.parse(readFileSync(file, "utf8"));
      } catch {
        continue;
      }
      const list = Array.isArray(value) ? value : (value as { events?: unknown }).events;
      if (!Array.isArray(list)) continue;
      if (!list.some((e) => typeof e === "object" && e !== null && (e as { type?: number }).type === 2)) continue;
      outside = [];
      errors = [];
      const base = (list.find((e) => typeof (e as { timestamp?: number } | null)?.timestamp === "number") as { timestamp?: number } | undefined)?.timestamp ?? 0;
      const seen = await play({ kind: "rrweb", events: list as unknown[], base_ms: base }, 150);
      if (seen.broken !== "" || errors.length > 0 || outside.length > 0 || seen.text.length < 60) bad.push(`${file.slice(shared.length)}: ${seen.broken} ${errors[0] ?? ""} ${outside[0] ?? ""} (${seen.text.length} characters)`);
      played++;
    }
    expect(bad).toEqual([]);
    expect(played).toBeGreaterThan(20);
  }, 180_000);

  const casts = files(join(shared, "asciicast"), /\.cast$/).concat(files(join(shared, "copyleft/asciicast"), /\.cast$/)).filter((f) => statSync(f).size < 3e6);
  it.skipIf(casts.length === 0)("plays other people's terminals", async () => {
    let played = 0;
    const bad: string[] = [];
    for (const file of casts) {
      let lines: unknown[];
      try {
        lines = parseLines(readFileSync(file, "utf8"));
      } catch {
        continue; // not ours to read here: the server's importers have their own tests
      }
      const head = lines.shift() as { version?: number; width?: number; height?: number };
      if (head.version !== 2) continue;
      errors = [];
      outside = [];
      const seen = await play({ kind: "terminal", events: lines, base_ms: 0, cols: head.width ?? 80, rows: head.height ?? 24 }, 150);
      if (seen.broken !== "" || errors.length > 0 || outside.length > 0) bad.push(`${file.slice(shared.length)}: ${seen.broken} ${errors[0] ?? ""}`);
      played++;
    }
    expect(bad).toEqual([]);
    expect(played).toBeGreaterThan(5);
  }, 120_000);

  it("plays a page in quirks mode", async () => {
    outside = [];
    const seen = await play({ kind: "rrweb", base_ms: 1000, events: [...made([{ type: 2, tagName: "p", attributes: {}, childNodes: [{ type: 3, textContent: "an old page" }] }], [], { quirks: true }), later({ source: 1, positions: [{ x: 1, y: 1, id: 5, timeOffset: 0 }] })] });
    expect(seen.text).toContain("an old page");
    expect(seen.broken).toBe("");
    expect(await inner((d) => d.compatMode)).toBe("BackCompat");
  });

  it("paints canvases, which the frame itself does not draw", async () => {
    outside = [];
    const green = await page.evaluate(() => {
      const c = document.createElement("canvas");
      c.width = c.height = 20;
      const g = c.getContext("2d");
      if (g !== null) { g.fillStyle = "rgb(0,128,0)"; g.fillRect(0, 0, 20, 20); }
      return c.toDataURL("image/png");
    });
    const canvas = (id: number, more: object = {}) => ({ type: 2, id, tagName: "canvas", attributes: { width: "60", height: "40", ...more }, childNodes: [] });
    const seen = await play({ kind: "rrweb", base_ms: 1_760_000_000_000, events: [
      ...made([canvas(50, { rr_dataURL: green }), canvas(51), canvas(52)]),
      later({ source: 9, id: 51, type: 0, commands: [{ property: "clearRect", args: [0, 0, 60, 40] }, { property: "drawImage", args: [{ rr_type: "ImageBitmap", args: [{ rr_type: "Blob", data: [{ rr_type: "ArrayBuffer", base64: green.slice(green.indexOf(",") + 1) }], type: "image/png" }] }, 0, 0, 60, 40] }] }),
      later({ source: 9, id: 52, type: 0, commands: [{ property: "fillStyle", args: ["rgb(0,128,0)"], setter: true }, { property: "fillRect", args: [0, 0, 60, 40] }, { property: "constructor", args: ["x"] }, { property: "canvas", args: [1], setter: true }] }),
      later({ source: 1, positions: [{ x: 1, y: 1, id: 5, timeOffset: 0 }] }),
    ] }, 600);
    expect(seen.broken).toBe("");
    const sizes = () => inner(async (d) => Promise.all([...d.querySelectorAll("canvas")].map(async (c) => {
      const url = /^url\("(data:image\/png[^"]+)"\)$/.exec(getComputedStyle(c).content)?.[1] ?? "";
      const img = document.createElement("img");
      img.src = url;
      await img.decode();
      const box = c.getBoundingClientRect();
      return { size: [box.width, box.height], natural: [img.naturalWidth, img.naturalHeight] };
    })));
    await expect.poll(() => sizes().catch(() => "not painted"), { timeout: 15_000 }).toEqual(Array.from({ length: 3 }, () => ({ size: [60, 40], natural: [60, 40] })));
    const picture = (await outerFrame()?.locator(".replayer-wrapper iframe").screenshot()) ?? Buffer.alloc(0);
    const greens = await outerFrame()?.evaluate(async (b64) => {
      const img = new Image();
      img.src = "data:image/png;base64," + b64;
      await img.decode();
      const c = document.createElement("canvas");
      c.width = img.width;
      c.height = img.height;
      const g = c.getContext("2d");
      g?.drawImage(img, 0, 0);
      const d = g?.getImageData(0, 0, c.width, c.height).data ?? new Uint8ClampedArray();
      let n = 0;
      for (let i = 0; i < d.length; i += 4) if (d[i] === 0 && d[i + 1] === 128 && d[i + 2] === 0) n++;
      return n;
    }, picture.toString("base64"));
    expect(greens).toBeGreaterThan(250); // one of 20 by 20 and two of 60 by 40, at a quarter of their size
  }, 20_000);

  it("bounds what canvases a page can have: number, pixels, pictures", async () => {
    outside = [];
    const canvas = (id: number, side: number, more: object = {}) => ({ type: 2, id, tagName: "canvas", attributes: { width: String(side), height: String(side), ...more }, childNodes: [] });
    const fill = (id: number) => later({ source: 9, id, type: 0, commands: [{ property: "fillRect", args: [0, 0, 9, 9] }] });
    // A picture of 30,000 by 30,000 that is 100 bytes here: unpacked it would take 3.6 GB.
    const bomb = Buffer.from("89504e470d0a1a0a0000000d49484452000075300000753008060000003b5b1b0e", "hex").toString("base64");
    const events = [
      ...made([canvas(50, 40), ...Array.from({ length: 20 }, (_, i) => canvas(100 + i, 4096, { rr_dataURL: `data:image/png;base64,${bomb}` })), ...Array.from({ length: 300 }, (_, i) => canvas(200 + i, 20))]),
      ...Array.from({ length: 320 }, (_, i) => fill(i < 20 ? 100 + i : 180 + i)), ...Array.from({ length: 2000 }, (_, i) => fill(10_000 + i)), fill(50),
      later({ source: 9, id: 50, type: 0, commands: [{ property: "drawImage", args: [{ rr_type: "Blob", type: "image/png", data: [{ rr_type: "ArrayBuffer", base64: bomb }] }, 0, 0] }, ...Array.from({ length: 5000 }, () => ({ property: "save", args: [] }))] }),
      later({ source: 1, positions: [{ x: 1, y: 1, id: 5, timeOffset: 0 }] }),
    ];
    const seen = await play({ kind: "rrweb", base_ms: 1_760_000_000_000, events }, 1500);
    expect(seen.broken).toBe("");
    expect(outside).toEqual([]);
    const canvases = () => inner((d) => [...d.querySelectorAll("canvas")].map((c) => ({ side: Number(c.getAttribute("width")), picture: c.hasAttribute("rr_dataURL"), how: /^url\("data:image\/(png|svg)/.exec(getComputedStyle(c).content)?.[1] ?? "none" })));
    await expect.poll(async () => (await canvases())?.filter((c) => c.how !== "none").length, { timeout: 20_000 }).toBe(321); // a busy machine paints them late
    const shown = await canvases();
    const painted = (side: number) => shown.filter((c) => c.side === side && c.how === "png").length;
    expect([shown.length, painted(40), painted(4096)]).toEqual([321, 1, 1]); // 24 Mi pixels: one of 16 Mi and no second
    expect(painted(20)).toBe(62); // 64 in all
    expect(shown.filter((c) => c.how === "svg").length).toBe(321 - 64); // each of the rest says that it is not shown
    expect(shown.every((c) => !c.picture)).toBe(true);
  }, 30_000); // what an unbounded page would take

  it("paints canvases that come and go, and one that changes its size", async () => {
    const canvas = (id: number, side: number) => ({ type: 2, id, tagName: "canvas", attributes: { width: String(side), height: String(side) }, childNodes: [] });
    const fill = (id: number) => later({ source: 9, id, type: 0, commands: [{ property: "fillRect", args: [0, 0, 9, 9] }] });
    const change = (data: object) => later({ source: 0, texts: [], attributes: [], removes: [], adds: [], ...data });
    const events: object[] = [...made([canvas(50, 40)]), fill(50)];
    for (let i = 0; i < 100; i++) events.push(change({ adds: [{ parentId: 5, nextId: null, node: canvas(100 + i, 30) }] }), fill(100 + i), ...(i < 99 ? [change({ removes: [{ parentId: 5, id: 100 + i }] })] : []));
    events.push(change({ attributes: [{ id: 50, attributes: { width: "80" } }] }), later({ source: 1, positions: [{ x: 1, y: 1, id: 5, timeOffset: 0 }] }));
    const spread = events.map((e, i) => ({ ...e, timestamp: 1_760_000_000_000 + 10 * i })); // played one by one, then all at once
    const seen = await play({ kind: "rrweb", base_ms: 1_760_000_000_000, events: spread }, 1200);
    expect(seen.broken).toBe("");
    const sizes = () => inner(async (d) => Promise.all([...d.querySelectorAll("canvas")].map(async (c) => {
      const img = document.createElement("img");
      img.src = /^url\("(data:image\/png[^"]+)"\)$/.exec(getComputedStyle(c).content)?.[1] ?? "data:,";
      return img.decode().then(() => [img.naturalWidth, img.naturalHeight], () => "none");
    })));
    await expect.poll(sizes, { timeout: 15_000 }).toEqual([[80, 40], [30, 30]]);
  }, 30_000);

  it("does not let a page multiply itself", async () => {
    const level = (i: number): object => ({ type: 2, tagName: "g", isSVG: true, attributes: { id: `g${i}` }, childNodes: Array.from({ length: 10 }, () => (i === 0 ? { type: 2, tagName: "rect", isSVG: true, attributes: { width: "1", height: "1" }, childNodes: [] } : { type: 2, tagName: "use", isSVG: true, attributes: { href: `#g${i - 1}` }, childNodes: [] })) });
    const icon = { type: 2, tagName: "use", isSVG: true, attributes: { href: "#g0", class: "icon" }, childNodes: [] };
    const seen = await play({ kind: "rrweb", base_ms: 1_760_000_000_000, events: [...made([{ type: 2, tagName: "svg", isSVG: true, attributes: {}, childNodes: [...Array.from({ length: 8 }, (_, i) => level(i)), icon] }]), later({ source: 1, positions: [{ x: 1, y: 1, id: 5, timeOffset: 0 }] })] });
    expect(seen.broken).toBe("");
    expect(seen.text).toContain('<use href="#g0" class="icon">'); // a plain copy stays
    expect(seen.text).not.toContain('href="#g5"');
  }, 20_000);

  it("would see a request, if one were made", async () => {
    outside = [];
    await page.goto(mock.url() + "/test/open"); // the same picture on a page without a policy
    await page.waitForTimeout(500);
    expect(outside.some((u) => u.includes("GET /x"))).toBe(true);
  });
});
