// Our recorder in pages of another origin, against a real server: what is masked never leaves the page, what was acknowledged is there and
// plays, nothing is lost over pages, refusals, outages and exits, consent and GPC hold, and the host page's policy is never broken.
// Between the two stands a proxy that reads every body and can refuse, delay or drop.
import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer, request as httpRequest } from "node:http";
import { createServer as createSocket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { chromiumPath, equal, eventually, keyhole, root, run, sleep, startBrowser } from "./_lib.mjs";

async function freePorts(n) {
  const list = await Promise.all(Array.from({ length: n }, () => new Promise((ok) => { const s = createSocket(); s.listen(0, "127.0.0.1", () => ok(s)); })));
  const ports = list.map((s) => s.address().port);
  await Promise.all(list.map((s) => new Promise((ok) => s.close(ok))));
  return ports;
}

async function startKeyhole(origins) {
  const top = mkdtempSync(join(tmpdir(), "keyhole-recorder-"));
  const dir = join(top, "state");
  const [port, player] = await freePorts(2);
  const made = await run(keyhole, ["init", dir, "--listen", `127.0.0.1:${port}`, "--player-listen", `127.0.0.1:${player}`, "--plain-loopback", "--preset", "solo"]);
  if (made.code !== 0) throw new Error(made.err);
  const child = spawn(keyhole, ["serve", "-c", join(dir, "keyhole.conf")], { stdio: ["ignore", "pipe", "pipe"] });
  let said = "";
  child.stdout.on("data", (d) => { said += d; });
  child.stderr.on("data", (d) => { said += d; });
  const url = `http://localhost:${port}`;
  const env = { KEYHOLE_URL: url, KEYHOLE_CONFIG_DIR: join(top, "admin"), KEYHOLE_TOKEN: readFileSync(join(dir, "admin.token"), "utf8").trim() };
  const k = async (...args) => { const r = await run(keyhole, args, env); if (r.code !== 0) throw new Error(`keyhole ${args.join(" ")}: ${r.err}`); return r.out.trim(); };
  await eventually("the server is up", () => run(keyhole, ["whoami"], env), (r) => r.code === 0, 20_000);
  await k("project", "set", "default", ...origins.flatMap((o) => ["--origin", o]));
  const token = (await k("token", "add", "--project", "default", "--ingest", "--browser")).split(/\s+/).at(-1);
  return {
    port, url, env, k, token, log: () => said,
    /* Every event of a recording, in order, under an access of its own. */
    async events(rid) {
      if (!(await k("grants", "--json")).includes(rid)) await k("request", rid, "--purpose", "debugging", "--reason", "to see what was recorded in the test", "--for", "10m");
      const lines = (await k("api", "GET", `/v1/replay/${rid}/events`)).split("\n").map((l) => JSON.parse(l));
      return lines.filter((e) => e.from === undefined && e.end === undefined);
    },
    async list() { return JSON.parse(await k("ls", "--json")).items; },
    async stop() {
      const gone = new Promise((ok) => child.on("exit", ok));
      child.kill("SIGTERM");
      await Promise.race([gone, sleep(8000)]);
      if (child.exitCode === null && child.signalCode === null) child.kill("SIGKILL");
      rmSync(top, { recursive: true, force: true });
    },
  };
}

/* In front of the server. seen: each request with its body as text; how: what happens to the next ones. */
function startProxy(port, to) {
  const p = { seen: [], how: null, acknowledged: [] };
  const server = createServer((q, r) => {
    const parts = [];
    q.on("data", (d) => parts.push(d));
    q.on("end", async () => {
      const bytes = Buffer.concat(parts);
      let text = bytes.toString("utf8");
      if (bytes[0] === 0x1f && bytes[1] === 0x8b) text = gunzipSync(bytes).toString("utf8");
      const one = { method: q.method, url: q.url, headers: q.headers, text, bytes: bytes.length, gzip: text !== bytes.toString("utf8"), status: 0 };
      p.seen.push(one);
      const how = q.method === "POST" && p.how !== null ? await p.how(one) : null;
      if (how === "drop") { one.status = -1; q.socket.destroy(); return; }
      if (how !== null && how !== undefined && how !== "lose") {
        one.status = how.status;
        r.writeHead(how.status, { "Access-Control-Allow-Origin": q.headers.origin ?? "*", "Access-Control-Expose-Headers": "retry-after", "Content-Type": "application/problem+json", ...how.headers });
        r.end(JSON.stringify({ code: how.code ?? "overloaded", ...how.body }));
        return;
      }
      const up = httpRequest({ host: "127.0.0.1", port: to, method: q.method, path: q.url, headers: { ...q.headers, host: `localhost:${to}` } }, (a) => {
        one.status = a.statusCode;
        const back = [];
        a.on("data", (d) => back.push(d));
        a.on("end", () => {
          if (a.statusCode === 200 && /\/events\?/.test(q.url)) p.acknowledged.push(text);
          if (how === "lose") { q.socket.destroy(); return; } // the server has it, the page never hears
          r.writeHead(a.statusCode, a.headers);
          r.end(Buffer.concat(back));
        });
      });
      up.on("error", () => q.socket.destroy());
      up.end(bytes);
    });
  });
  return new Promise((ok) => server.listen(port, "127.0.0.1", () => ok(Object.assign(p, { stop: () => new Promise((done) => { server.closeAllConnections(); server.close(done); }) }))));
}

/* The host pages: strict policies, no inline script, no eval. */
function startPages(port, rec, pages) {
  const server = createServer((q, r) => {
    const path = q.url.replace(/[?].*/, "");
    const page = pages[path];
    if (page === undefined) { r.writeHead(path === "/api/data" ? 200 : 404); r.end("answer-CANARY-body"); return; }
    const html = !path.endsWith(".js");
    r.writeHead(200, {
      "Content-Type": html ? "text/html; charset=utf-8" : "text/javascript",
      ...(html ? { "Content-Security-Policy": `default-src 'none'; script-src 'self' ${rec}; connect-src 'self' ${rec}; style-src 'self' 'unsafe-inline'; img-src 'self' data:; frame-src 'self'; base-uri 'none'; form-action 'none'` } : {}),
      ...(path === "/frame" ? { "Content-Security-Policy": "default-src 'none'" } : {}),
    });
    r.end(typeof page === "function" ? page() : page);
  });
  return new Promise((ok) => server.listen(port, "127.0.0.1", () => ok({ stop: () => new Promise((done) => { server.closeAllConnections(); server.close(done); }) })));
}

const kinds = (events) => events.map((e) => (e.type === 3 ? `3.${e.data.source}` : String(e.type)));
const tags = (events, tag) => events.filter((e) => e.type === 5 && e.data.tag === tag);
const batches = (proxy) => proxy.seen.filter((s) => /\/events\?/.test(s.url));
const seqs = (list) => list.map((s) => Number(new URL(s.url, "http://x").searchParams.get("batch_seq")));

/* A page of the host, with the recorder of these data-… attributes. */
async function visit(h, path, { gpc = false, context = null, init = null } = {}) {
  const c = context ?? (await h.browser.newContext({ viewport: { width: 1000, height: 700 } }));
  const page = await c.newPage();
  page.on("console", (m) => { if (/Content Security|Refused to|violat/i.test(m.text())) h.complaints.push(m.text()); });
  page.on("pageerror", (e) => { if (!/on purpose/.test(e.message)) h.complaints.push(`${path}: ${e.message}`); });
  if (gpc) await page.addInitScript(() => Object.defineProperty(Navigator.prototype, "globalPrivacyControl", { get: () => true }));
  if (init) await page.addInitScript(init);
  await page.goto(h.site + path);
  return page;
}

const state = (page) => page.evaluate(() => ({ state: keyhole.state, why: keyhole.why, recording: keyhole.recording, session: keyhole.session }));
const flush = (page) => page.evaluate(() => keyhole.flush());
const begun = async (page) => eventually("a recording began", () => state(page), (s) => s.recording !== null, 10_000);

const tests = {
  async "a page records, nothing it masks is on the wire, and it plays"(h) {
    const page = await visit(h, "/?name=CANARY-query#CANARY-fragment");
    const { recording } = await begun(page);
    await page.fill("#name", "CANARY-typed");
    await page.fill("#secret", "CANARY-password");
    await page.fill("#area", "CANARY-area");
    await page.selectOption("#choice", { index: 1 });
    await page.check("#radio");
    await page.fill("#shown-input", "visible-typed");
    await page.evaluate(() => act());
    await page.click("#button");
    await sleep(400);
    await flush(page);
    const wire = h.proxy.seen.map((s) => s.url + s.text).join("\n");
    equal("on the wire", [...wire.matchAll(/.{60}CANARY.{40}/gs)].map((m) => m[0]), []);
    equal("a visible text is", /visible-text/.test(wire) && /visible-typed/.test(wire) && /visible-title/.test(wire), true);
    equal("batches are compressed", batches(h.proxy).some((b) => b.gzip), true);
    equal("no request needed a preflight", h.proxy.seen.filter((s) => s.method === "OPTIONS").length, 0);
    const events = await h.kh.events(recording);
    equal("it begins", kinds(events).filter((k) => k === "4" || k === "2").slice(0, 2), ["4", "2"]);
    const text = JSON.stringify(events);
    equal("stored", /CANARY/.test(text), false);
    equal("has its kinds", ["3.0", "3.2", "3.5"].filter((k) => !kinds(events).includes(k)), []);
    const lines = events.filter((e) => e.type === 6 && e.data.plugin === "rrweb/console@1").map((e) => e.data.payload);
    equal("console", lines.map((l) => [l.level, JSON.parse(l.payload[0])]).filter(([l]) => l !== "debug"), [["warn", `look at ${h.site}/x?a=*`], ["error", "Uncaught Error: on purpose"]].map(([a, b]) => [a, lines.map((l) => JSON.parse(l.payload[0])).find((x) => x.startsWith(b)) ?? b]));
    const calls = events.filter((e) => e.type === 6 && e.data.plugin === "rrweb/network@1").flatMap((e) => e.data.payload.requests);
    equal("network", calls.map((c) => [c.initiatorType, c.method, c.name.replace(h.site, ""), c.status]).sort(), [["fetch", "POST", "/api/data?user=*", 200], ["xmlhttprequest", "GET", "/nothing?q=*", 404]]);
    // it plays: rebuilt by rrweb's own player, the text that may be seen is there, the rest is stars of the same width
    const player = await h.browser.newPage();
    await player.addScriptTag({ path: join(root, "web/node_modules/@rrweb/replay/umd/replay.min.js") });
    const shown = await player.evaluate(async (list) => {
      const lib = window.rrwebReplay ?? window.rrweb;
      const r = new lib.Replayer(list, { root: document.body, mouseTail: false, showWarning: false });
      r.pause(list.at(-1).timestamp - list[0].timestamp);
      await new Promise((ok) => setTimeout(ok, 500));
      const d = r.iframe.contentDocument;
      return { seen: d.querySelector("#shown").textContent, hidden: d.querySelector("#hidden").textContent, shadow: d.querySelector("#host").shadowRoot?.textContent, added: d.querySelector("#added")?.textContent, input: d.querySelector("#name").value };
    }, events);
    equal("shown", shown, { seen: "visible-text", hidden: "****** **** ************", shadow: "*************", added: "************", input: "***********" });
    await player.close();
    await page.close();
  },

  async "links name the second, and lead back from an error"(h) {
    const page = await visit(h, "/plain");
    const { recording } = await begun(page);
    await flush(page);
    await sleep(1200);
    const [link, at] = await page.evaluate(() => { keyhole.addLink("error", "ERR-LINKED"); return [keyhole.link({ at: "now" }), Date.now()]; });
    const second = Number(new RegExp(`^http://127\\.0\\.0\\.1:\\d+/r/${recording}\\?at=([0-9.]+)$`).exec(link)?.[1]);
    await flush(page);
    const events = await h.kh.events(recording);
    equal("the second", Math.abs(second * 1000 - (at - events[0].timestamp)) < 50, true);
    const found = await eventually("found", async () => JSON.parse(await h.kh.k("find", "error:ERR-LINKED", "--json")).items, (l) => l.length === 1, 8000);
    equal("it is this one", found[0].id, recording);
    const l = found[0].links.find((x) => x.id === "ERR-LINKED");
    equal("with its second", Math.abs(l.at_ms - second * 1000) < 100, true);
    await page.close();
  },

  async "one recording over the pages of a tab; what was under way as a page was left is not lost"(h) {
    const page = await visit(h, "/plain");
    const { recording, session } = await begun(page);
    for (let i = 0; i < 4; i++) {
      await page.evaluate((n) => { keyhole.event("mark", { n }); document.body.append(Object.assign(document.createElement("p"), { textContent: "x".repeat(50) })); }, i);
      if (i === 1) h.proxy.how = async () => "lose"; // the answer of what goes out now is not heard
      if (i === 2) h.proxy.how = async () => "drop"; // and this does not even arrive: the next page sends it
      await page.goto(`${h.site}/plain?${i}`);
      h.proxy.how = null;
    }
    await page.evaluate(() => keyhole.event("mark", { n: 4 }));
    await eventually("all is sent", () => flush(page).then(() => true), Boolean, 10_000);
    const s = await state(page);
    equal("the same", [s.recording, s.session], [recording, session]);
    const events = await h.kh.events(recording);
    equal("each mark once", tags(events, "mark").map((e) => e.data.payload.n), [0, 1, 2, 3, 4]);
    equal("a snapshot for each page", events.filter((e) => e.type === 2).length, 5);
    // a tab that was duplicated has a recording of its own, of the same session
    const saved = await page.evaluate(() => sessionStorage.getItem("keyhole"));
    const copy = await visit(h, "/other", { context: page.context(), init: `sessionStorage.setItem("keyhole", ${JSON.stringify(saved)})` });
    const c = await begun(copy);
    equal("a copy of the tab", [c.recording === recording, c.session], [false, session]);
    await copy.close();
    await page.close();
  },

  async "a tab that is closed at once loses nothing small, and acknowledged things are there"(h) {
    const page = await visit(h, "/plain");
    const { recording } = await begun(page);
    await flush(page);
    await page.evaluate(() => { for (let i = 0; i < 50; i++) keyhole.event("last", { i }); });
    await page.close({ runBeforeUnload: true });
    const events = await eventually("the last ones are there", () => h.kh.events(recording), (e) => tags(e, "last").length === 50, 8000);
    equal("in order", tags(events, "last").map((e) => e.data.payload.i), Array.from({ length: 50 }, (_, i) => i));
    equal("as one small request", batches(h.proxy).at(-1).bytes < 60_000, true);
  },

  async "429 and 503 are waited for, outages too; then everything arrives, once and in order"(h) {
    const page = await visit(h, "/plain");
    const { recording } = await begun(page);
    await flush(page);
    let refused = 0;
    const from = h.proxy.seen.length;
    h.proxy.how = async () => (refused++ === 0 ? { status: 429, headers: { "Retry-After": "2" }, code: "rate-limited" } : refused === 2 ? { status: 503, headers: { "Retry-After": "1" } } : refused < 5 ? "drop" : null);
    const began = Date.now();
    await page.evaluate(() => { for (let i = 0; i < 20; i++) keyhole.event("through", { i }); });
    await flush(page);
    equal("it was refused", refused >= 5, true);
    equal("Retry-After was kept", Date.now() - began >= 3000, true);
    h.proxy.how = null;
    const sent = batches({ seen: h.proxy.seen.slice(from) });
    equal("the same number and bytes again", new Set(sent.slice(0, 5).map((s) => s.url + s.text)).size, 1);
    equal("numbers", seqs(sent.slice(4)).every((n, i, a) => i === 0 || n === a[i - 1] + 1), true);
    equal("each once", tags(await h.kh.events(recording), "through").map((e) => e.data.payload.i), Array.from({ length: 20 }, (_, i) => i));
    await page.close();
  },

  async "offline for long: the oldest whole checkout goes, it is said, and the rest plays"(h) {
    const page = await visit(h, "/small-buffer");
    const { recording } = await begun(page);
    await flush(page);
    h.proxy.how = async () => "drop";
    for (let i = 0; i < 6; i++) {
      await page.evaluate((n) => { for (let k = 0; k < 20; k++) keyhole.event("fill", { n, k, text: "y".repeat(1000) }); document.body.append(document.createElement("hr")); }, i);
      await sleep(120);
    }
    await page.evaluate(() => keyhole.event("newest", {}));
    await eventually("the page hears of it", () => page.evaluate(() => notices), (n) => n.some((x) => x.type === "dropped") && n.some((x) => x.type === "waiting"), 8000);
    h.proxy.how = null;
    await page.evaluate(() => window.dispatchEvent(new Event("online")));
    await flush(page);
    const events = await eventually("a snapshot after it", () => flush(page).then(() => h.kh.events(recording)), (l) => l.findLastIndex((e) => e.type === 2) > l.findLastIndex((e) => e.type === 5 && e.data.tag === "keyhole/dropped"), 12_000);
    equal("the newest is there", tags(events, "newest").length, 1);
    const gone = tags(events, "keyhole/dropped");
    equal("it is said", gone.length > 0 && gone.every((e) => e.data.payload.events > 0 && e.data.payload.reason === "the buffer is full"), true);
    const after = events.slice(events.indexOf(gone.at(-1)) + 1);
    equal("it goes on with a snapshot", kinds(after).find((k) => !["5", "6"].includes(k)), "4");
    await page.close();
  },

  async "a recording that the server ended: another one goes on, from a snapshot"(h) {
    const page = await visit(h, "/plain");
    const { recording } = await begun(page);
    await flush(page);
    const end = (secret) => page.evaluate(async ({ rec, rid, token, more }) => (await fetch(`${rec}/v1/recordings/${rid}/end?token=${token}${more}`, { method: "POST", credentials: "omit" })).status,
      { rec: h.rec, rid: recording, token: h.kh.token, more: secret });
    equal("who said what it is", /stated by +a web page/.test(await h.kh.k("show", recording)), true);
    equal("its token is everybody's, and does not do", await end(""), 403);
    equal("with its secret", await end(`&secret=${await page.evaluate(() => JSON.parse(sessionStorage.getItem("keyhole")).secret)}`), 200);
    await page.evaluate(() => keyhole.event("after", {}));
    const s = await eventually("another one", () => flush(page).then(() => state(page)), (x) => x.recording !== null && x.recording !== recording, 15_000);
    await flush(page);
    const events = await h.kh.events(s.recording);
    equal("begins with a snapshot", kinds(events).filter((k) => k !== "5").slice(0, 2), ["4", "2"]);
    await page.close();
  },

  async "on-error: nothing leaves before an error, then what led to it does"(h) {
    const page = await visit(h, "/on-error");
    await page.evaluate(() => keyhole.event("before", {}));
    await sleep(2600);
    equal("nothing was sent", [h.proxy.seen.filter((s) => s.method === "POST").length, (await state(page)).state], [0, "buffering"]);
    await page.evaluate(() => setTimeout(() => { throw new Error("on purpose"); }));
    const { recording } = await begun(page);
    await flush(page);
    const events = await h.kh.events(recording);
    equal("from before", tags(events, "before").length, 1);
    equal("it begins with a snapshot", kinds(events).filter((k) => k === "4" || k === "2").slice(0, 2), ["4", "2"]);
    await page.goto(h.site + "/on-error");
    equal("the session stays so", (await state(page)).state, "recording");
    await page.close();
  },

  async "consent: nothing recorded, stored or sent before it; taken back, it ends"(h) {
    const page = await visit(h, "/consent");
    await page.evaluate(() => { document.body.append("something"); keyhole.event("too-early", {}); });
    await sleep(2300);
    equal("before", [await state(page), await page.evaluate(() => sessionStorage.length + localStorage.length + document.cookie.length), h.proxy.seen.filter((s) => s.method === "POST").length],
      [{ state: "waiting-for-consent", why: "", recording: null, session: null }, 0, 0]);
    await page.evaluate(() => keyhole.consent(true));
    const { recording } = await begun(page);
    await page.evaluate(() => keyhole.event("agreed", {}));
    await flush(page);
    await page.goto(h.site + "/consent?2"); // the next page of the tab goes on
    equal("goes on", (await begun(page)).recording, recording);
    await page.evaluate(() => { keyhole.consent(false); keyhole.event("too-late", {}); });
    await sleep(300);
    equal("after", [(await state(page)).state, await page.evaluate(() => sessionStorage.length)], ["waiting-for-consent", 0]);
    const n = h.proxy.seen.length;
    await sleep(2300);
    equal("silence", h.proxy.seen.length, n);
    const events = await h.kh.events(recording);
    equal("what was said", ["too-early", "agreed", "too-late"].map((t) => tags(events, t).length), [0, 1, 0]);
    equal("it has ended", (await h.kh.list()).find((r) => r.id === recording).live, false);
    await page.close();
  },

  async "Global Privacy Control, sampling, a mistaken token, a page of elsewhere"(h) {
    const gpc = await visit(h, "/plain", { gpc: true });
    const none = await visit(h, "/never");
    const all = await visit(h, "/always-sampled");
    await begun(all);
    equal("GPC", await state(gpc), { state: "off", why: "Global Privacy Control", recording: null, session: null });
    equal("sample 0", [(await state(none)).state, (await state(none)).why], ["off", "not in the sample"]);
    equal("nothing stored", await gpc.evaluate(() => sessionStorage.length), 0);
    const wrong = await visit(h, "/wrong-token");
    const stopped = await eventually("it gives up", () => state(wrong), (s) => s.state === "stopped", 8000);
    equal("and says why", stopped.why, "401 login-needed");
    const n = h.proxy.seen.length;
    await sleep(2500);
    equal("for good", h.proxy.seen.slice(n).filter((s) => s.url.includes("kib_AAAA")).length, 0);
    const elsewhere = await (await h.browser.newContext()).newPage();
    await elsewhere.goto(h.elsewhere + "/plain");
    const refused = await eventually("a page of elsewhere stops", () => state(elsewhere), (s) => s.state !== "recording" || h.proxy.seen.some((x) => x.headers.origin === h.elsewhere && x.status === 403), 8000);
    equal("no recording", refused.recording, null);
    for (const p of [gpc, none, all, wrong, elsewhere]) await p.close();
  },

  async "the host page sees nothing of it: its functions, its errors, its end"(h) {
    const page = await visit(h, "/plain");
    await begun(page);
    const r = await page.evaluate(async () => {
      const out = {};
      out.fetch = (await fetch("/api/data")).status;
      out.rejects = await fetch("http://:0/").then(() => "no", (e) => e instanceof TypeError);
      out.named = [fetch.name, fetch.length, console.warn.name];
      const circle = {}; circle.self = circle;
      console.error(circle, { get bad() { throw new Error("on purpose"); } }, Symbol("s"), null, undefined, 10n);
      keyhole.addLink("", ""); keyhole.event(Symbol.iterator.toString(), circle); keyhole.link({ at: "nonsense" }); keyhole.consent(true);
      await keyhole.stop();
      await keyhole.stop();
      out.state = keyhole.state;
      out.native = [String(fetch).includes("native code"), sessionStorage.length];
      keyhole.event("late", {}); keyhole.addLink("a", "b"); keyhole.capture(); keyhole.link();
      return out;
    });
    equal("as ever", r, { fetch: 200, rejects: true, named: ["fetch", 1, "warn"], state: "stopped", native: [true, 0] });
    await page.close();
  },

  async "one script tag that the command prints: its version, checked by its hash"(h) {
    const tag = await h.kh.k("recorder", "--token", h.kh.token);
    const m = /^<script src="(http:\/\/localhost:\d+)(\/assets\/keyhole-recorder-[0-9a-f]{8}\.js)" integrity="(sha256-[A-Za-z0-9+/=]+)" crossorigin="anonymous" data-token="(kib_[A-Za-z0-9]{43})"><\/script>$/.exec(tag);
    equal("the element", m !== null, true);
    const a = await fetch(h.kh.url + m[2], { headers: { Origin: h.site } });
    equal("cached for ever, for pages that may record", [a.headers.get("cache-control"), a.headers.get("access-control-allow-origin"), a.headers.get("cross-origin-resource-policy")], ["public, max-age=31536000, immutable", h.site, "cross-origin"]);
    h.pinned.src = m[2];
    h.pinned.integrity = m[3];
    const page = await visit(h, "/pinned");
    await begun(page);
    await page.close();
    h.pinned.integrity = "sha256-" + "A".repeat(43) + "=";
    const bad = await visit(h, "/pinned");
    equal("another hash does not run", await bad.evaluate(() => typeof window.keyhole), "undefined");
    await bad.close();
    h.complaints.length = 0; // the browser told of the hash
  },
};

async function main() {
  if (!existsSync(chromiumPath)) {
    console.log("recorder.mjs: no Chromium here");
    console.log(`0 passed, 0 failed, ${Object.keys(tests).length} skipped`);
    return;
  }
  const [proxyPort, sitePort, otherPort] = await freePorts(3);
  const site = `http://127.0.0.1:${sitePort}`, elsewhere = `http://127.0.0.1:${otherPort}`, rec = `http://127.0.0.1:${proxyPort}`;
  const kh = await startKeyhole([site]);
  const proxy = await startProxy(proxyPort, kh.port);
  const pinned = {};
  const tag = (data = "", token = kh.token) => `<script src="${rec}/recorder.js" data-token="${token}" data-unmask=".shown" ${data}></script>`;
  const plain = (t) => `<!doctype html><html><head><meta charset="utf-8"><title>A page</title>${t}</head><body><h1>Hello</h1></body></html>`;
  const pages = {
    "/": `<!doctype html><html><head><meta charset="utf-8"><title>CANARY title</title><meta name="description" content="CANARY-meta">${tag('data-console="all" data-title="The test page"')}</head><body>
<p id="shown" class="shown" title="visible-title">visible-text</p><p id="hidden" title="CANARY-title" data-customer="CANARY-data" aria-label="CANARY-label">CANARY text CANARY-more</p><!-- CANARY-comment -->
<img alt="CANARY-alt" src="/x.png?who=CANARY-src"><a href="/orders?id=CANARY-href#CANARY-hash">CANARY-anchor</a><a href="mailto:CANARY@example.org">CANARY-mail</a>
<input id="name" placeholder="CANARY-placeholder" value="CANARY-value"><input id="secret" type="password" class="shown"><input type="hidden" value="CANARY-hidden"><input type="button" id="button" value="CANARY-button">
<input id="shown-input" class="shown"><input type="radio" name="r" value="CANARY-radio1"><input type="radio" name="r" id="radio" value="CANARY-radio2"><input type="checkbox" value="CANARY-check">
<textarea id="area">CANARY-textarea</textarea><select id="choice"><option value="CANARY-o1" label="CANARY-l">CANARY-o1</option><option value="CANARY-o2">CANARY-o2</option></select>
<div contenteditable="true" id="edit">CANARY-edit</div><div id="host"></div><svg><title>CANARY-svg</title><text aria-label="CANARY-aria">CANARY-svgtext</text></svg><user-card user-name="CANARY-attr"></user-card>
<details><summary>CANARY-summary</summary>CANARY-details</details><iframe srcdoc="<p>CANARY-srcdoc</p>"></iframe><noscript>CANARY-noscript</noscript><table><caption>CANARY-caption</caption></table>
<script src="/act.js"></script></body></html>`,
    "/act.js": `
      document.getElementById("host").attachShadow({ mode: "open" }).append("CANARY-shadow");
      function act() {
        const p = Object.assign(document.createElement("p"), { id: "added", textContent: "CANARY-added" });
        p.setAttribute("data-x", "CANARY-later"); document.body.append(p);
        p.setAttribute("title", "CANARY-changed"); p.setAttribute("aria-description", "CANARY-changed2");
        setTimeout(() => { p.firstChild.data = "CANARY-datum"; document.getElementById("host").shadowRoot.append("CANARY-s2"); document.getElementById("host").shadowRoot.lastChild.remove();
          document.getElementById("hidden").firstChild.data = "CANARY text CANARY-again"; document.title = "CANARY-title2"; }, 30);
        document.getElementById("name").value = "CANARY-set!"; document.getElementById("edit").append("CANARY-edited");
        document.querySelector("a").href = "/other?x=CANARY-newhref";
        history.pushState({}, "", "/?page=CANARY-pushed#CANARY-frag");
        console.warn("look at " + location.origin + "/x?a=CANARY-console");
        fetch("/api/data?user=CANARY-fetch", { method: "POST", body: "CANARY-sent", headers: { "X-Who": "CANARY-header" } });
        const x = new XMLHttpRequest(); x.open("GET", "/nothing?q=CANARY-xhr"); x.send();
        setTimeout(() => { throw new Error("on purpose"); }, 60);
      }`,
    "/plain": () => plain(tag()),
    "/other": () => plain(tag()),
    "/small-buffer": () => plain(`<script src="/notices.js"></script>`),
    "/notices.js": () => `window.notices = []; const s = document.createElement("script"); s.src = ${JSON.stringify(rec + "/recorder.js")}; s.dataset.token = ${JSON.stringify(kh.token)}; s.dataset.buffer = "65536";
      document.head.append(s); addEventListener("keyhole", (e) => notices.push(e.detail));`,
    "/on-error": () => plain(tag('data-mode="on-error"')),
    "/consent": () => plain(tag('data-consent="required"')),
    "/never": () => plain(tag('data-mode="sampled" data-sample="0"')),
    "/always-sampled": () => plain(tag('data-mode="sampled" data-sample="1"')),
    "/wrong-token": () => plain(tag("", "kib_" + "A".repeat(43))),
    "/pinned": () => plain(`<script src="${rec}${pinned.src}" integrity="${pinned.integrity}" crossorigin="anonymous" data-token="${kh.token}"></script>`),
  };
  const sites = await Promise.all([startPages(sitePort, rec, pages), startPages(otherPort, rec, pages)]);
  const browser = await startBrowser();
  const h = { kh, proxy, browser, site, elsewhere, rec, pinned, complaints: [] };
  let passed = 0, failed = 0;
  for (const [name, test] of Object.entries(tests)) {
    if (process.env.ONLY && !name.includes(process.env.ONLY)) continue;
    try {
      proxy.how = null;
      await sleep(200); // what the last page sent as it was closed
      proxy.seen.length = 0;
      const began = Date.now();
      await test(h);
      if (process.env.TIMES) console.log(`${((Date.now() - began) / 1000).toFixed(1)} s ${name}`);
      equal("complaints", h.complaints.splice(0), []);
      passed++;
    } catch (e) {
      failed++;
      h.complaints.length = 0;
      console.log(`FAIL ${name}\n  ${e.stack ?? e}`);
    }
  }
  await browser.close();
  await Promise.all(sites.map((s) => s.stop()));
  await proxy.stop();
  if (failed > 0) console.log(kh.log().split("\n").slice(-20).join("\n"));
  await kh.stop();
  console.log(`${passed} passed, ${failed} failed`);
  process.exitCode = failed > 0 ? 1 : 0;
}

await main();
