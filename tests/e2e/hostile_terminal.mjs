/*
 * The hostile recordings of tests/hostile/terminal.py in Chromium, in the terminal player's own document under its real headers, inside a page of
 * the app's origin that says what the app says. Nothing may be fetched, opened, asked, titled or copied, nothing is answered, and it draws on:
 * after each recording its last line stands there. Chromium's own network log is read afterwards for the one name that they would lead to.
 */
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer } from "node:http";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { call, chromiumPath, equal, root, sleep, suite } from "./_lib.mjs";

const need = createRequire(join(root, "web/package.json"));
const recordings = JSON.parse(spawnSync("python3", [join(root, "tests/hostile/terminal.py")], { encoding: "utf8", maxBuffer: 1 << 28 }).stdout);
const MARK = "what was in the clipboard before";
const A_FRAME = 24; // recordings in one player document, one after another
const SAID = new Set(["ready", "at", "title"]); // what a player document may say of itself

/* Runs in the page: one document, its recordings; each one's last line, and everything that was said. */
async function playIn({ list, player }) {
  const wait = (ms) => new Promise((ok) => setTimeout(ok, ms));
  const frame = document.createElement("iframe");
  frame.setAttribute("sandbox", "allow-scripts allow-same-origin");
  frame.style.cssText = "width:820px;height:500px";
  const said = [];
  let finished = -1;
  const ready = new Promise((ok) => {
    setTimeout(() => ok(false), 15000);
    addEventListener("message", (e) => {
      if (e.source !== frame.contentWindow || e.origin !== player) return;
      if (e.data.say === "ready") ok(true);
      if (e.data.say === "at") finished = e.data.at_ms;
      said.push(e.data.say === "title" ? { say: "title", title: e.data.title } : e.data.say === "broken" ? { say: "broken", what: e.data.what } : { say: e.data.say });
    });
  });
  frame.src = player + "/terminal";
  document.body.append(frame);
  if (!(await ready)) return { ready: false };
  const send = (m) => frame.contentWindow.postMessage(m, player);
  const first = list[0];
  send({ say: "open", kind: "terminal", duration_ms: 1000, base_ms: 0, cols: first.cols, rows: first.rows, theme: { fg: "url(https://sink.example/)", bg: "red;background:url(https://sink.example/)", palette: "x" }, speed: 16, skip_idle: false });
  const slow = [];
  window.next = async (i) => {
    const r = list[i];
    const times = r.events.map((e) => Math.round(e[0] * 1000));
    const to_ms = times[times.length - 1] + 1 + i; // another one each time, so that `at` tells
    finished = -1;
    const began = performance.now();
    send({ say: "block", reset: true, at_ms: to_ms, to_ms, last: true, times, events: r.events, screen: { cols: r.cols, rows: r.rows, init: "" } });
    while (finished !== to_ms && performance.now() - began < 15000) await wait(20);
    if (performance.now() - began > 5000) slow.push(`${r.name}: ${Math.round(performance.now() - began)} ms`);
    return finished === to_ms;
  };
  window.told = () => ({ said, slow });
  return { ready: true };
}

await suite({
  async "hostile terminal recordings in the player document"({ server }) {
    const { chromium } = need("playwright-core");
    const dir = mkdtempSync(join(tmpdir(), "keyhole-hostile-"));
    const log = join(dir, "net.json");
    const browser = await chromium.launch({ executablePath: chromiumPath, args: ["--no-sandbox", `--log-net-log=${log}`, "--host-resolver-rules=MAP sink.example 127.0.0.1:9"] });
    const player = (await call(server, "GET", "/v1/me", { token: server.admin })).json.player_url;
    const context = await browser.newContext({ viewport: { width: 900, height: 700 } });
    const hits = [];
    let drawn = 0;
    // The app's pages may not touch the clipboard at all: another origin's page looks at it.
    const aside = createServer((_, r) => r.writeHead(200, { "Content-Type": "text/html" }).end("<!doctype html><title>Aside</title>"));
    await new Promise((ok) => aside.listen(0, "127.0.0.1", ok));
    const beside = `http://127.0.0.1:${aside.address().port}`;
    await context.grantPermissions(["clipboard-read", "clipboard-write"], { origin: beside });
    const clipboard = await context.newPage();
    await clipboard.goto(beside);
    await clipboard.evaluate((m) => navigator.clipboard.writeText(m), MARK);
    for (let from = 0; from < recordings.length; from += A_FRAME) {
      const list = recordings.slice(from, from + A_FRAME);
      const page = await context.newPage();
      await page.goto(server.url);
      await page.waitForFunction(() => document.title.includes("·")); // the app has drawn; from here on it is only a frame
      await page.evaluate(() => { document.body.replaceChildren(); document.title = "Harness"; });
      page.on("popup", (p) => hits.push(`pop-up: ${p.url()}`));
      const own = [server.url + "/", player + "/"];
      page.on("request", (r) => { if (!own.some((o) => r.url().startsWith(o)) && !/^(data|blob|about):/.test(r.url())) hits.push(`request: ${r.url()}`); });
      page.on("dialog", (d) => { hits.push(`dialog: ${d.message()}`); void d.dismiss(); });
      page.on("download", (d) => hits.push(`download: ${d.url()}`));
      page.on("framenavigated", (f) => { if (!own.some((o) => f.url().startsWith(o)) && f.url() !== "about:blank") hits.push(`navigation: ${f.url()}`); });
      page.on("crash", () => hits.push("the page crashed"));
      equal("the player is ready", await page.evaluate(playIn, { list, player }), { ready: true });
      const frame = page.frames().find((f) => f.url() === player + "/terminal");
      const violations = [];
      await frame.evaluate(() => { window.broke = []; addEventListener("securitypolicyviolation", (e) => window.broke.push(`${e.violatedDirective} ${e.blockedURI}`)); });
      for (const [i, r] of list.entries()) {
        const reached = await page.evaluate((k) => window.next(k), i);
        let text = "";
        for (let tries = 0; tries < 40 && !new RegExp(`alive-${r.n}\\b`).test(text); tries++) {
          if (tries > 0) await sleep(50);
          text = await frame.evaluate(() => document.getElementById("stage").innerText);
        }
        if (!reached || !new RegExp(`alive-${r.n}\\b`).test(text)) hits.push(`${r.name}: it does not draw on (${reached}): ${JSON.stringify(text.trim().slice(0, 120))}`);
        else drawn++;
        if (/[\u202a-\u202e\u2066-\u2069]/.test(text)) hits.push(`${r.name}: a bidirectional control`);
      }
      violations.push(...(await frame.evaluate(() => window.broke)));
      const { said, slow } = await page.evaluate(() => window.told());
      for (const s of said) {
        if (!SAID.has(s.say)) hits.push(`the player says ${JSON.stringify(s)}`);
        if (s.say === "title" && /[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]/.test(s.title)) hits.push(`a title with controls: ${JSON.stringify(s.title)}`);
        if (s.say === "title" && s.title.length > 200) hits.push("a title without a limit");
      }
      for (const v of violations) hits.push(`policy: ${v}`);
      if (slow.length > 0) console.log(`  slow: ${slow.join("; ")}`);
      equal("title", await page.title(), "Harness");
      equal("links", await frame.evaluate(() => document.querySelectorAll("a[href], iframe, object, embed, form, img[src^=http]").length), 0);
      await page.close();
    }
    await clipboard.bringToFront();
    equal("clipboard", await clipboard.evaluate(() => navigator.clipboard.readText()), MARK);
    await browser.close();
    aside.close();
    await sleep(200);
    const looked = existsSync(log) ? readFileSync(log, "utf8").split("\n").filter((l) => l.includes("sink.example") && !l.includes('"command_line"') && !l.includes("host-resolver-rules")) : ["no network log"];
    rmSync(dir, { recursive: true, force: true });
    console.log(`  ${recordings.length} recordings, ${drawn} drawn to their end`);
    equal("what happened", [...hits, ...looked], []);
    if (recordings.length < 100) throw new Error("fewer than a hundred");
  },
}, { browser: false });
