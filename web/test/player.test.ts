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
    const seen = await play({ kind: "rrweb", base_ms: 1000, events: page_of([{ type: 2, id: 5, tagName: "p", attributes: {}, childNodes: [{ type: 3, id: 6, textContent: "an old page" }] }], [], false) });
    expect(seen.text).toContain("an old page");
    expect(seen.broken).toBe("");
  });

  it("hostile recordings make no request, dialog or navigation", async () => {
    const hostile = hostileNodes();
    expect(hostile.length).toBeGreaterThan(300);
    const bad: string[] = [];
    // Thirty at a time, as parts of the first snapshot and as later changes; a hit is then looked for one by one.
    const attack = async (some: Hostile[]): Promise<string[]> => {
      outside = [];
      await play({ kind: "rrweb", base_ms: 1000, events: page_of(some.map((h, i) => number(h.node, 1000 + i * 20)), some) }, 250);
      await page.waitForTimeout(100);
      return outside.slice();
    };
    for (let i = 0; i < hostile.length; i += 30) {
      const some = hostile.slice(i, i + 30);
      const hit = await attack(some);
      if (hit.length === 0) continue;
      for (const one of some) {
        const [first] = await attack([one]);
        if (first !== undefined) bad.push(`${one.what}: ${first}`);
      }
      if (bad.length === 0) bad.push(`together: ${hit[0]}`);
    }
    expect(bad).toEqual([]);
  }, 180_000);

  it("would see a request, if one were made", async () => {
    outside = [];
    await page.goto(mock.url() + "/test/open"); // the same picture on a page without a policy
    await page.waitForTimeout(500);
    expect(outside.some((u) => u.includes("GET /x"))).toBe(true);
  });
});

type Node = Record<string, unknown>;
interface Hostile { what: string; node: Node; css?: string }

/* A recording of one page: doctype (or not), head with sheets, body with nodes; then the same again as changes. */
function page_of(nodes: Node[], later: Hostile[] = [], doctype = true): unknown[] {
  const sheets = later.filter((h) => h.css).map((h, i) => ({ type: 2, id: 20_000 + i * 2, tagName: "style", attributes: {}, childNodes: [{ type: 3, id: 20_001 + i * 2, textContent: h.css }] }));
  const html = { type: 2, id: 2, tagName: "html", attributes: {}, childNodes: [{ type: 2, id: 3, tagName: "head", attributes: {}, childNodes: sheets }, { type: 2, id: 4, tagName: "body", attributes: {}, childNodes: nodes }] };
  const root = { type: 0, id: 1, ...(doctype ? {} : { compatMode: "BackCompat" }), childNodes: [...(doctype ? [{ type: 1, id: 9, name: "html", publicId: "", systemId: "" }] : []), html] };
  return [
    { type: 4, timestamp: 1000, data: { href: "http://sink.example/page", width: 800, height: 600 } },
    { type: 2, timestamp: 1001, data: { node: root, initialOffset: { top: 0, left: 0 } } },
    { type: 3, timestamp: 1010, data: { source: 0, texts: [], attributes: [], removes: [], adds: later.map((h, i) => ({ parentId: 4, nextId: null, node: number(structuredClone(h.node), 40_000 + i * 20) })) } },
    { type: 3, timestamp: 1011, data: { source: 0, texts: [], adds: [], removes: [], attributes: later.map((h, i) => ({ id: 40_000 + i * 20, attributes: (h.node["attributes"] as object) ?? {} })) } },
    { type: 3, timestamp: 1300, data: { source: 2, type: 2, id: 4, x: 1, y: 1 } },
  ];
}

function number(n: Node, from: number): Node {
  let next = from;
  const walk = (x: Node): void => {
    x["id"] = next++;
    for (const c of (x["childNodes"] as Node[] | undefined) ?? []) walk(c);
  };
  walk(n);
  return n;
}

function hostileNodes(): Hostile[] {
  const out: Hostile[] = [];
  const S = "http://sink.example/";
  const el = (tagName: string, attributes: Record<string, unknown> = {}, childNodes: Node[] = [], more: Node = {}): Node => ({ type: 2, tagName, attributes, childNodes, ...more });
  const text = (t: string): Node => ({ type: 3, textContent: t });
  const add = (what: string, node: Node, css?: string) => out.push({ what, node, ...(css ? { css } : {}) });
  const urls = [S + "u", "//sink.example/u", "javascript:alert(1)", "JaVaScRiPt:alert(1)", "java\tscript:alert(1)", " javascript:alert(1)", "vbscript:alert(1)", "data:text/html,<script>alert(1)</script>", "data:image/svg+xml,<svg onload=alert(1)>"];
  const places: [string, string][] = [
    ["a", "href"], ["a", "ping"], ["area", "href"], ["audio", "src"], ["base", "href"], ["body", "background"], ["blockquote", "cite"], ["button", "formaction"], ["embed", "src"], ["form", "action"], ["frame", "src"], ["iframe", "src"],
    ["img", "src"], ["img", "srcset"], ["img", "longdesc"], ["input", "src"], ["link", "href"], ["object", "data"], ["script", "src"], ["source", "src"], ["source", "srcset"], ["track", "src"], ["video", "src"], ["video", "poster"], ["use", "href"],
    ["use", "xlink:href"], ["image", "href"], ["feImage", "href"], ["portal", "src"], ["table", "background"], ["html", "manifest"], ["applet", "archive"],
  ];
  for (const [tag, name] of places) for (const u of urls) add(`${tag}[${name}=${u}]`, el(tag, { [name]: u, ...(tag === "link" ? { rel: "stylesheet" } : {}), ...(tag === "input" ? { type: "image" } : {}), ...(tag === "audio" || tag === "video" ? { autoplay: "" } : {}) }));
  for (const on of ["onload", "onerror", "onclick", "onfocus", "ontoggle", "onanimationstart", "onbegin", "onpointerrawupdate", "onwebkittransitionend"]) {
    for (const tag of ["img", "svg", "body", "details", "video", "input"]) add(`${tag}[${on}]`, el(tag, { [on]: "alert(1)", src: "x:x", autofocus: "", open: "" }));
  }
  for (const rel of ["prefetch", "preload", "dns-prefetch", "preconnect", "modulepreload", "prerender", "icon", "manifest", "import", "pingback"]) add(`link ${rel}`, el("link", { rel, href: S + rel, as: "script" }));
  add("meta refresh", el("meta", { "http-equiv": "refresh", content: `0;url=${S}` }));
  add("meta refresh, odd case", el("META", { "HTTP-EQUIV": "Refresh", content: `0;url=${S}` }));
  add("script text", el("script", {}, [text("alert(1)")]));
  add("script in svg", el("svg", {}, [el("script", {}, [text("alert(1)")], { isSVG: true })], { isSVG: true }));
  add("iframe srcdoc", el("iframe", { srcdoc: `<img src=${S}><script>alert(1)</script>` }));
  add("iframe rr_src", el("iframe", { rr_src: S }));
  add("foreignObject", el("svg", {}, [el("foreignObject", {}, [el("iframe", { src: S })], { isSVG: true })], { isSVG: true }));
  for (const tag of ["animate", "set", "animateTransform"]) add(`smil ${tag}`, el("svg", {}, [el("a", {}, [el(tag, { attributeName: "href", to: "javascript:alert(1)", values: S, begin: "0s", dur: "1s" }, [], { isSVG: true })], { isSVG: true })], { isSVG: true }));
  add("mXSS: noscript", el("noscript", {}, [text(`<img src=${S} onerror=alert(1)>`)]));
  add("mXSS: textarea", el("textarea", {}, [text(`</textarea><img src=${S}>`)]));
  add("mXSS: style in svg", el("svg", {}, [el("style", {}, [text(`</style><img src=${S}>`)], { isSVG: true })], { isSVG: true }));
  add("mXSS: title", el("title", {}, [text(`</title><script>alert(1)</script>`)]));
  add("template", el("template", {}, [el("img", { src: S })]));
  add("custom element", el("x-evil", { onclick: "alert(1)", is: "x-evil" }, [], { isCustom: true }));
  add("shadow root", el("div", {}, [el("img", { src: S, onerror: "alert(1)" }, [], { isShadow: true })], { isShadowHost: true }));
  const css = [
    `@import url(${S}a.css);`, `@import '${S}b.css';`, `@im\\70 ort url(${S});`, `@font-face{font-family:x;src:url(${S}f)} *{font-family:x}`, `body{background:url(${S}c)}`, `body{background:u\\72l(${S}d)}`, `input[value^="a"]{background:url(${S}e)}`,
    `div{background-image:image-set("${S}g" 1x)}`, `div{background-image:-webkit-image-set(url(${S}h) 1x)}`, `li{list-style:url(${S}i)}`, `p{cursor:url(${S}j),auto}`, `p::before{content:url(${S}k)}`, `p{border-image:url(${S}l)}`, `svg{mask:url(${S}m#x)}`, `p{filter:url(${S}n#x)}`,
    `p{clip-path:url(${S}o#x)}`, `p{shape-outside:url(${S}p)}`, `p{behavior:url(${S}q)}`, `p{-moz-binding:url(${S}r)}`, `p{width:expression(alert(1))}`, `@namespace url(${S}s);`, `p{offset-path:url(${S}t#x)}`, `@property --x{syntax:'<url>';inherits:true;initial-value:url(${S}u)}p{background:var(--x)}`,
    `p{background:src("${S}v")}`, `p{--y:url(${S}w);background:var(--y)}`,
  ];
  for (const c of css) {
    add(`css ${c}`, el("p", {}, [text("x")]), c);
    add(`style attribute ${c}`, el("p", { style: c.replace(/^[^{]*\{|\}.*$/g, "") }, [text("x")]));
    add(`_cssText ${c}`, el("link", { _cssText: c, rel: "stylesheet", href: S }));
    add(`style _cssText ${c}`, el("style", { _cssText: c }));
  }
  return out;
}
