// What the browser tests share: a demo server of their own, people in a real Chromium, calls with curl's freedom, and counting.
import { spawn } from "node:child_process";
import { setDefaultResultOrder } from "node:dns";
import { appendFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

setDefaultResultOrder("ipv4first"); // Node 18 would try ::1 for localhost, where a demo does not listen

export const root = new URL("../..", import.meta.url).pathname;
const need = createRequire(join(root, "web/package.json"));
export const chromiumPath = process.env.CHROMIUM ?? "/usr/bin/chromium";
const build = process.env.KEYHOLE_BUILD ?? join(root, "build");
export const keyhole = join(build, "src/keyhole");
const shots = process.env.SHOTS; // a folder: pictures are kept there

async function freePort() {
  const s = createServer();
  await new Promise((ok) => s.listen(0, "127.0.0.1", ok));
  const { port } = s.address();
  await new Promise((ok) => s.close(ok));
  return port;
}

/* Runs a program to its end. */
export function run(program, args, env = {}) {
  return new Promise((ok) => {
    const p = spawn(program, args, { env: { ...process.env, ...env }, stdio: ["ignore", "pipe", "pipe"] });
    let out = "";
    let err = "";
    p.stdout.on("data", (d) => { out += d; });
    p.stderr.on("data", (d) => { err += d; });
    p.on("close", (code) => ok({ code, out, err }));
  });
}

/* `keyhole demo` in a directory of its own; ends with stop(). */
export async function startDemo({ config } = {}) {
  const top = mkdtempSync(join(tmpdir(), "keyhole-e2e-"));
  const dir = join(top, "demo");
  const port = Number(process.env.KEYHOLE_PORT ?? (await freePort()));
  if (config !== undefined) { // more configuration than the demo writes: made first, then run again
    const first = await startDemoAt(top, dir, port);
    await first.stop();
    appendFileSync(join(dir, "keyhole.conf"), config + "\n");
  }
  const d = await startDemoAt(top, dir, port);
  return { ...d, async stop() { await d.stop(); rmSync(top, { recursive: true, force: true }); } };
}

async function startDemoAt(top, dir, port) {
  const child = spawn(keyhole, ["demo", "--dir", dir, "--port", String(port)], { stdio: ["ignore", "pipe", "pipe"] });
  let said = "";
  child.stdout.on("data", (d) => { said += d; });
  child.stderr.on("data", (d) => { said += d; });
  const url = `http://localhost:${port}`;
  const until = Date.now() + 30_000;
  for (;;) {
    if (child.exitCode !== null || Date.now() > until) throw new Error("the demo server did not start:\n" + said);
    const ok = await fetch(url + "/readyz").then((r) => r.ok, () => false);
    if (ok && said.includes("Ctrl-C ends it")) break; // all of its recordings are there
    await sleep(100);
  }
  const { accounts } = await (await fetch(url + "/v1/demo")).json();
  const admin = readFileSync(join(dir, "admin.token"), "utf8").trim();
  return {
    url, dir, admin, accounts, pid: child.pid,
    host: (name) => `http://${name}.localhost:${port}`,
    password: (name) => accounts.find((a) => a.name === name).password,
    log: () => said,
    async stop() {
      const gone = new Promise((ok) => child.on("exit", ok));
      child.kill("SIGTERM");
      await Promise.race([gone, sleep(8000)]);
      if (child.exitCode === null && child.signalCode === null) child.kill("SIGKILL");
    },
  };
}

export const sleep = (ms) => new Promise((ok) => setTimeout(ok, ms));

/* One call; the body is parsed when it is JSON. */
export async function call(server, method, path, { token, body, headers = {}, raw } = {}) {
  const r = await fetch(server.url + path, {
    method, redirect: "manual",
    headers: { ...(token ? { Authorization: `Bearer ${token}` } : {}), ...(body === undefined ? {} : { "Content-Type": "application/json" }), ...headers },
    body: raw ?? (body === undefined ? undefined : JSON.stringify(body)),
  });
  const text = await r.text();
  let json = null;
  try { json = JSON.parse(text); } catch { /* NDJSON or text */ }
  return { status: r.status, headers: r.headers, text, json, code: json?.code };
}

export async function signIn(server, name) {
  const a = await call(server, "POST", "/v1/login", { body: { user: name, password: server.password(name), token: true } });
  if (a.status !== 200) throw new Error(`sign-in of ${name}: ${a.status} ${a.text}`);
  return a.json.token;
}

/*
 * A replay call as the page itself makes one: with a proof by the pair that this browser keeps for the account (which no script can read, only use).
 * `steal`: a pair of the caller's own instead.
 */
export function proved(page, account, path, key, { steal = false } = {}) {
  return page.evaluate(async ({ who, to, carried, own }) => {
    const b64 = (b) => btoa(String.fromCharCode(...new Uint8Array(b))).replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "");
    const text = (o) => b64(new TextEncoder().encode(JSON.stringify(o)));
    const open = indexedDB.open("keyhole", 1);
    const db = await new Promise((ok, fail) => { open.onsuccess = () => ok(open.result); open.onerror = fail; });
    const get = db.transaction("client").objectStore("client").get(who);
    let kept = await new Promise((ok, fail) => { get.onsuccess = () => ok(get.result); get.onerror = fail; });
    db.close();
    if (own) {
      const pair = await crypto.subtle.generateKey({ name: "ECDSA", namedCurve: "P-256" }, false, ["sign"]);
      const { kty, crv, x, y } = await crypto.subtle.exportKey("jwk", pair.publicKey);
      kept = { privateKey: pair.privateKey, jwk: { kty, crv, x, y } };
    }
    const ath = b64(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(carried)));
    for (let nonce, tries = 0; ; tries++) {
      const input = `${text({ typ: "dpop+jwt", alg: "ES256", jwk: kept.jwk })}.${text({ jti: b64(crypto.getRandomValues(new Uint8Array(16))), htm: "GET", htu: location.origin + to.replace(/\?.*/, ""), iat: Math.floor(Date.now() / 1000), ath, ...(nonce ? { nonce } : {}) })}`;
      const sig = b64(await crypto.subtle.sign({ name: "ECDSA", hash: "SHA-256" }, kept.privateKey, new TextEncoder().encode(input)));
      const r = await fetch(to, { headers: { Authorization: `DPoP ${carried}`, DPoP: `${input}.${sig}` }, credentials: "omit" });
      nonce = r.headers.get("DPoP-Nonce");
      if (tries === 0 && r.status === 401 && /use_dpop_nonce/.test(r.headers.get("WWW-Authenticate") ?? "")) continue;
      const body = await r.text();
      let code = null;
      try { code = JSON.parse(body).code ?? null; } catch { /* content */ }
      return { status: r.status, code, text: body };
    }
  }, { who: account, to: path, carried: key, own: steal });
}

export async function startBrowser() {
  const { chromium } = need("playwright-core");
  return chromium.launch({ executablePath: chromiumPath, args: ["--no-sandbox"] });
}

/* A person at their own address, signed in by hand; `complaints` collects what must not happen. */
export async function person(browser, server, name, complaints) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 860 } });
  const page = await context.newPage();
  page.on("pageerror", (e) => complaints.push(`${name}: ${e.message}`));
  page.on("console", (m) => { if (/Content Security|TrustedHTML|Refused to|violat/i.test(m.text())) complaints.push(`${name}: ${m.text()}`); });
  await page.goto(server.host(name));
  await page.getByRole("button", { name: `Sign in as ${name}` }).click();
  await page.getByRole("heading", { name: "Recordings" }).waitFor();
  return page;
}

export async function ask(page, title, seconds) {
  await page.getByRole("link", { name: "Recordings", exact: true }).click();
  await page.getByRole("link", { name: title }).click();
  await page.getByLabel("Reason").fill("A customer reports that this fails, see the ticket");
  await page.getByRole("combobox", { name: "For how long?" }).selectOption("s");
  await page.getByRole("spinbutton", { name: "For how long?" }).fill(String(seconds));
  await page.getByRole("button", { name: "Ask for access" }).click();
  await page.getByRole("heading", { name: "Waiting for approval" }).waitFor();
}

export async function approve(page) {
  await page.getByRole("link", { name: "Inbox" }).click();
  await page.getByText("What you see is exactly what you decide on").first().waitFor();
  await page.getByRole("button", { name: "Approve" }).first().click();
  await page.getByText("You approved this.").first().waitFor();
}

export const playerFrame = (page) => page.frames().find((f) => /\/(dom|terminal)$/.test(f.url()));

/* Waits until `get` gives something that `good` takes; the last value is in the message. */
export async function eventually(what, get, good, ms = 10_000) {
  const until = Date.now() + ms;
  let last;
  do {
    last = await Promise.resolve().then(get).catch((e) => e);
    if (!(last instanceof Error) && good(last)) return last;
    await sleep(120);
  } while (Date.now() < until);
  throw new Error(`${what}: still ${JSON.stringify(last instanceof Error ? last.message : last)?.slice(0, 300)}`);
}

export function equal(what, got, want) {
  if (JSON.stringify(got) !== JSON.stringify(want)) throw new Error(`${what}: ${JSON.stringify(got)?.slice(0, 400)}, not ${JSON.stringify(want)}`);
}

/* axe-core looks at what one sees; what it finds fails the suite. With SHOTS a picture is kept. */
const axe = existsSync(join(root, "web/node_modules/axe-core/axe.min.js")) ? readFileSync(join(root, "web/node_modules/axe-core/axe.min.js"), "utf8") : null;
const unfit = [];
export async function shot(page, name) {
  if (axe !== null && !name.startsWith("fail-")) {
    await page.evaluate(axe);
    const found = await page.evaluate(async () => (await window.axe.run({ runOnly: ["wcag2a", "wcag2aa", "wcag21aa"], iframes: false })).violations.map((v) => `${v.id}: ${v.nodes.map((n) => n.target).join(" ")}`));
    for (const f of found) unfit.push(`${name}: ${f}`);
  }
  if (!shots) return;
  mkdirSync(shots, { recursive: true });
  await page.screenshot({ path: join(shots, `${name}.png`) });
}

/* Runs named tests in order, prints each, and the count that tests/run reads. Without Chromium they are skipped. */
export async function suite(tests, { browser: wantsBrowser = true, config } = {}) {
  const list = Object.entries(tests).filter(([name]) => name.includes(process.env.ONLY ?? ""));
  if (wantsBrowser && !existsSync(chromiumPath)) {
    console.log(`no ${chromiumPath}\n0 passed, 0 failed, ${list.length} skipped`);
    return;
  }
  const server = await startDemo({ config });
  const browser = wantsBrowser ? await startBrowser() : null;
  let passed = 0;
  let failed = 0;
  for (const [name, test] of list) {
    const began = Date.now();
    try {
      await test({ server, browser });
      passed++;
      console.log(`ok   ${name} (${((Date.now() - began) / 1000).toFixed(1)} s)`);
    } catch (e) {
      failed++;
      console.log(`FAIL ${name}: ${e.stack}`);
      for (const [i, p] of (browser?.contexts() ?? []).flatMap((c) => c.pages()).entries()) await shot(p, `fail-${passed}-${i}`).catch(() => {});
    }
    for (const c of browser?.contexts() ?? []) await c.close();
  }
  if (failed) console.log(server.log().split("\n").slice(-40).join("\n"));
  await browser?.close();
  await server.stop();
  for (const u of unfit) console.log(`FAIL accessibility, ${u}`);
  failed += unfit.length;
  console.log(`${passed} passed, ${failed} failed`);
  process.exit(failed ? 1 : 0);
}
