/*
 * Every hostile recording of tests/hostile in Chromium: no request, no dialog, no navigation, no pop-up, no title, no clipboard. Each layer is
 * proven by itself:
 *
 *   player    as uploaded, straight into the player document of a real server, under its real headers
 *   cleaned   through the server's sanitiser, into rrweb's bare Replayer on a page without any policy
 *   policy    as uploaded, into the bare Replayer, nothing cleaned, on a page with the player document's headers (nothing leaves; for frames
 *             Chromium opens connections ahead, which only cleaning prevents)
 *
 * (Hints like dns-prefetch and preconnect do nothing in a headless browser, here or anywhere: that they lose their address is a unit test.)
 * Each name under sink.example leads to a sink on loopback, which notes every connection; Chromium's own network log is read afterwards for
 * anything that was looked up or begun. Recordings play by the dozen in one page: whose a hit is, its host's name says.
 */
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer as createHttp } from "node:http";
import { createRequire } from "node:module";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { recordings, SINK } from "../hostile/make.mjs";
import { call, chromiumPath, root, sleep, suite } from "./_lib.mjs";

const need = createRequire(join(root, "web/package.json"));
const sanitize = join(process.env.KEYHOLE_BUILD ?? join(root, "build"), "tests/sanitize");
const PAGES = 3;
const AT_ONCE = 10; // replayers in a page; each plays one recording after another
const MARK = "what was in the clipboard before";

const listen = (server) => new Promise((ok) => server.listen(0, "127.0.0.1", () => ok(server.address().port)));

/* Takes every connection and notes the first line and the host. */
async function startSink(hits) {
  const server = createServer((socket) => {
    socket.once("data", (d) => hits.push(`sink: ${String(d).slice(0, 400).match(/^[^\r\n]*|^host: .*$/gim).join(" ").replace(/[^\x20-\x7e]/g, ".")}`));
    socket.on("error", () => {});
    socket.setTimeout(300, () => socket.destroy());
  });
  server.on("connection", () => hits.push("sink: connection"));
  return { port: await listen(server), stop: () => server.close() };
}

/* A browser of its own, whose network log is read when it has gone. */
async function startWatched(sinkPort) {
  const { chromium } = need("playwright-core");
  const dir = mkdtempSync(join(tmpdir(), "keyhole-hostile-"));
  const log = join(dir, "net.json");
  const browser = await chromium.launch({ executablePath: chromiumPath, args: ["--no-sandbox", `--host-resolver-rules=MAP *.${SINK} sink.localhost:${sinkPort}`, `--log-net-log=${log}`, "--mute-audio"] });
  return {
    browser,
    /* Each line of the log that names a recording's host. */
    async stop() {
      await browser.close();
      await sleep(200);
      const lines = existsSync(log) ? readFileSync(log, "utf8").split("\n").filter((l) => !l.includes('"command_line"') && new RegExp(`c\\d+\\.${SINK.replace(".", "\\.")}|sink\\.localhost`).test(l)) : ["no network log"];
      rmSync(dir, { recursive: true, force: true });
      return lines;
    },
  };
}

/* rrweb's Replayer as it is, on a page with the headers that are given, or none. */
async function startBare(policy) {
  const script = `
    const wait = (ms) => new Promise((ok) => setTimeout(ok, ms));
    async function one(events) {
      const root = document.body.appendChild(document.createElement("div"));
      let r = null;
      try {
        r = new rrwebReplay.Replayer(events, { root, speed: 8, showWarning: false, showDebug: false, mouseTail: false, triggerFocus: false, UNSAFE_replayCanvas: false });
        r.play(0);
        await wait(120);
        r.pause(1e7);
        await wait(80);
        r.destroy();
      } catch (e) { /* what cannot be played is not seen either */ }
      root.remove();
    }
    window.playAll = (list, n) => Promise.all(Array.from({ length: n }, async () => { for (let e; (e = list.pop()) !== undefined; ) await one(e); }));`;
  const replayer = readFileSync(join(root, "web/node_modules/@rrweb/replay/dist/replay.umd.min.cjs"));
  const server = createHttp((q, r) => {
    const path = new URL(q.url, "http://x").pathname;
    if (path === "/replay.js" || path === "/bare.js") r.writeHead(200, { ...policy, "Content-Type": "text/javascript" }).end(path === "/bare.js" ? script : replayer);
    else if (path === "/bare") r.writeHead(200, { ...policy, "Content-Type": "text/html" }).end(`<!doctype html><title>Harness</title><body><script src="/replay.js"></script><script src="/bare.js"></script>`);
    else r.writeHead(404, policy).end();
  });
  const port = await listen(server);
  return { url: `http://127.0.0.1:${port}`, stop: () => server.close() };
}

/* Notes everything that a page must not do. `own`: addresses that belong to the test. */
function watch(page, own, hits, { attempts }) {
  const ours = (url) => own.some((o) => url.startsWith(o)) || /^(data|blob|about):/.test(url);
  page.on("dialog", (d) => { hits.push(`dialog: ${d.message()}`); void d.dismiss().catch(() => {}); });
  page.on("popup", (p) => { hits.push(`popup: ${p.url()}`); void p.close().catch(() => {}); });
  page.on("download", (d) => hits.push(`download: ${d.url()}`));
  page.on("framenavigated", (f) => {
    const known = own.some((o) => f.url().startsWith(o)) || f.url() === "about:blank";
    // Without a cleaner a frame may be told to go somewhere; what stops it leaves an error page.
    if (!known && (attempts || !/^(chrome-error|about|data):/.test(f.url()))) hits.push(`navigation: ${f.url()}`);
    if (f === page.mainFrame() && !known) hits.push(`the page itself: ${f.url()}`);
  });
  if (attempts) page.on("request", (r) => { if (!ours(r.url())) hits.push(`request: ${r.url()}`); });
}

const named = (hit) => {
  const n = Number(/c(\d+)\.sink/.exec(hit)?.[1]);
  return `${recordings[n - 1] ? `[${recordings[n - 1].name}] ` : ""}${hit.slice(0, 200)}`;
};

function batches(list) {
  return Array.from({ length: PAGES }, (_, k) => list.filter((_, i) => i % PAGES === k)).filter((b) => b.length > 0);
}

/* Plays all of them by `play(page, batch)` on pages at `url`; what happened. */
async function attack(watched, url, list, own, hits, options, play) {
  const context = await watched.browser.newContext({ viewport: { width: 900, height: 700 } });
  await context.grantPermissions(["clipboard-read", "clipboard-write"]).catch(() => {});
  for (const batch of batches(list)) {
    const page = await context.newPage();
    await page.goto(url);
    await page.evaluate(() => { document.title = "Harness"; });
    watch(page, own, hits, options);
    const mark = options.attempts ? await page.evaluate((m) => navigator.clipboard.writeText(m).then(() => true, () => false), MARK) : false;
    await play(page, batch);
    if ((await page.title()) !== "Harness") hits.push(`title: ${await page.title()}`);
    const now = mark ? await page.evaluate(() => navigator.clipboard.readText().catch(() => null)) : null;
    if (now !== null && now !== MARK) hits.push(`the clipboard: ${now}`);
    const polluted = await page.evaluate(() => ({}).polluted !== undefined);
    if (polluted) hits.push("a prototype was changed");
    await page.close();
  }
  await sleep(200);
  await context.close();
}

/* Times as our players give them on: what comes later in a recording is never earlier in time. */
const inOrder = (events) => {
  let time = -Infinity;
  return events.map((e) => ({ ...e, timestamp: (time = Math.max(time, Math.min(events[0].timestamp + 1e6, Number(e.timestamp) || 0))) }));
};

async function bare(page, batch) {
  await page.evaluate(([list, n]) => window.playAll(list, n), [batch.map((r) => inOrder(r.events)), AT_ONCE]);
  await page.waitForTimeout(300);
}

/* Recordings in player documents, spoken to as the app does. */
function inPlayers(origin) {
  return async (page, batch) => {
    const ready = await page.evaluate(async ({ list, player, n }) => {
      const wait = (ms) => new Promise((ok) => setTimeout(ok, ms));
      const frames = Array.from({ length: n }, () => {
        const frame = document.createElement("iframe");
        frame.setAttribute("sandbox", "allow-scripts allow-same-origin");
        frame.style.cssText = "width:250px;height:180px";
        const said = new Promise((ok) => {
          setTimeout(() => ok(false), 30_000);
          addEventListener("message", (e) => { if (e.source === frame.contentWindow && e.origin === player && e.data.say === "ready") ok(true); });
        });
        frame.src = player + "/dom";
        document.body.append(frame);
        return { frame, said };
      });
      return Promise.all(frames.map(async ({ frame, said }) => {
        if (!(await said)) return false;
        const send = (m) => frame.contentWindow.postMessage(m, player);
        for (let events; (events = list.pop()) !== undefined; ) {
          const base = events[0].timestamp;
          let time = 0;
          const times = events.map((e) => (time = Math.max(time, Math.min(1e6, (Number(e.timestamp) || base) - base))));
          const block = (at_ms) => send({ say: "block", reset: true, at_ms, to_ms: time, last: true, base_ms: base, times, events, screen: null });
          send({ say: "open", kind: "rrweb", duration_ms: time, base_ms: base, cols: 80, rows: 24, theme: null, speed: 8, skip_idle: false });
          block(0);
          send({ say: "play" });
          await wait(120);
          block(time);
          send({ say: "pause" });
          await wait(80);
        }
        return true;
      }));
    }, { list: batch.map((r) => r.events), player: origin, n: AT_ONCE });
    if (ready.some((r) => !r)) throw new Error("a player document did not say ready");
    await page.waitForTimeout(300);
  };
}

/* What the server keeps of them. */
function cleaned(list) {
  const run = spawnSync(sanitize, { input: list.map((r) => r.events.map((e) => JSON.stringify(e) + "\n").join("")).join("\n"), encoding: "utf8", maxBuffer: 1 << 30 });
  if (run.status !== 0) throw new Error(`tests/sanitize: ${run.status} ${run.stderr}`);
  return run.stdout.split(/^\n/m).map((part, i) => ({ ...list[i], events: part.split("\n").filter(Boolean).map((l) => JSON.parse(l)).filter((e) => e.refused === undefined) }));
}

async function playerOf(server) {
  const me = await call(server, "GET", "/v1/me", { token: server.admin });
  const url = me.json.player_url;
  const dom = await fetch(url + "/dom");
  const headers = Object.fromEntries([...dom.headers].filter(([k]) => /^(content-security-policy|referrer-policy|x-content-type-options|x-dns-prefetch-control|cross-origin-.*|permissions-policy|origin-agent-cluster)$/.test(k)));
  if (Object.keys(headers).length < 8) throw new Error(`the player document's headers: ${Object.keys(headers)}`);
  return { url, headers };
}

const check = (what, hits, lines) => {
  const all = [...new Set(hits.filter((h) => h !== "sink: connection").map(named)), ...(hits.includes("sink: connection") ? ["a connection to the sink"] : []), ...lines.map((l) => `network log: ${named(l)}`)];
  if (all.length > 0) throw new Error(`${what}: ${all.length} hits\n  ${all.slice(0, 40).join("\n  ")}`);
};

/* A page that multiplies itself: harmless where the player tames it (web/player/uses.ts), which nothing else does. */
const BOMB = "uses that grow without end";
const untamed = recordings.filter((r) => r.name !== BOMB);

/* `sent`: whether bytes went out is looked at, no more (Chromium opens a connection ahead for a frame before it asks the policy). */
async function layer(what, { sent = false }, go) {
  const hits = [];
  const sink = await startSink(hits);
  const watched = await startWatched(sink.port);
  let lines = [];
  try {
    await go({ watched, hits });
  } finally {
    lines = await watched.stop();
    sink.stop();
  }
  check(what, sent ? hits.filter((h) => h !== "sink: connection") : hits, sent ? lines.filter((l) => /"method":|"headers":|"request_headers":/.test(l)) : lines);
}

await suite({
  "there are more than 300 of them, and nothing is seen where there is nothing to see"() {
    if (recordings.length < 300) throw new Error(`${recordings.length} recordings`);
  },
  async "without any layer the sink, the log and the page are hit: the test can fail"() {
    const some = recordings.filter((r) => /^(img src, recorded|css import: text of style|css url: insertRule|iframe src, added)$/.test(r.name));
    const hits = [];
    const sink = await startSink(hits);
    const watched = await startWatched(sink.port);
    const site = await startBare({});
    await attack(watched, site.url + "/bare", some, [site.url], hits, { attempts: true }, bare);
    const lines = await watched.stop();
    sink.stop();
    site.stop();
    for (const r of some) {
      const seen = [...hits, ...lines].some((h) => h.includes(`c${r.n}.${SINK}`));
      if (!seen) throw new Error(`${r.name}: nothing saw it`);
    }
    if (some.length !== 4 || !hits.some((h) => h.startsWith("sink: GET")) || !hits.some((h) => h.startsWith("request"))) throw new Error(`${some.length} ${hits.join("\n")}`);
  },
  async "the player document: no request is even tried"({ server }) {
    const player = await playerOf(server); // framed by a page of the app's origin that has no policy of its own
    await layer("player", {}, ({ watched, hits }) => attack(watched, `${server.url}/livez`, recordings, [server.url, player.url], hits, { attempts: true }, inPlayers(player.url)));
  },
  async "the server's sanitiser, alone, on a page without a policy"() {
    const site = await startBare({});
    try {
      await layer("cleaned", {}, ({ watched, hits }) => attack(watched, site.url + "/bare", cleaned(untamed), [site.url], hits, { attempts: true }, bare));
    } finally {
      site.stop();
    }
  },
  async "the policy, alone, with nothing cleaned"({ server }) {
    const { headers } = await playerOf(server);
    const site = await startBare(headers);
    try {
      await layer("policy", { sent: true }, ({ watched, hits }) => attack(watched, site.url + "/bare", untamed, [site.url], hits, { attempts: false }, bare));
    } finally {
      site.stop();
    }
  },
});
