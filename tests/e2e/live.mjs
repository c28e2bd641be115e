// A shell recorded by `keyhole rec`, followed while it is typed: in a real Chromium over HTTP/2, by `keyhole play` over HTTP/1.1, at once.
// The approval comes in the middle; an end of the access cuts both; the recording is complete afterwards.
import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { Agent, request } from "node:https";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { chromiumPath, equal, eventually, keyhole, playerFrame, proved, run, shot, sleep, startBrowser } from "./_lib.mjs";

const TITLE = "Shell on the demo host";
const PASSWORDS = { engineer: "engineer has a long password", approver: "approver has a long password" };

async function freePorts(n) {
  const servers = await Promise.all(Array.from({ length: n }, () => new Promise((ok) => { const s = createServer(); s.listen(0, "127.0.0.1", () => ok(s)); })));
  const ports = servers.map((s) => s.address().port);
  await Promise.all(servers.map((s) => new Promise((ok) => s.close(ok))));
  return ports;
}

/* A server with TLS and two loops, people, and a token for a recorder. */
async function startTls() {
  const top = mkdtempSync(join(tmpdir(), "keyhole-live-"));
  const dir = join(top, "state");
  const [port, player] = await freePorts(2);
  const made = await run(keyhole, ["init", dir, "--listen", `127.0.0.1:${port}`, "--player-listen", `127.0.0.1:${player}`]);
  if (made.code !== 0) throw new Error(made.err);
  const conf = join(dir, "keyhole.conf");
  const text = readFileSync(conf, "utf8");
  const url = /^public_url\s*=\s*"([^"]+)"/m.exec(text)[1];
  writeFileSync(conf, text + "\ngate { threads = 2 }\n");
  const child = spawn(keyhole, ["serve", "-c", conf], { stdio: ["ignore", "pipe", "pipe"] });
  let said = "";
  child.stdout.on("data", (d) => { said += d; });
  child.stderr.on("data", (d) => { said += d; });
  const env = { KEYHOLE_URL: url, KEYHOLE_CA: join(dir, "tls.pem"), KEYHOLE_CONFIG_DIR: join(top, "admin"), KEYHOLE_TOKEN: readFileSync(join(dir, "admin.token"), "utf8").trim() };
  const server = { url, dir, top, env, log: () => said, ca: readFileSync(join(dir, "tls.pem")) };
  await eventually("the server is up", () => run(keyhole, ["whoami"], env), (r) => r.code === 0, 20_000);
  for (const [name, password] of Object.entries(PASSWORDS)) {
    const file = join(top, name);
    writeFileSync(file, password + "\n", { mode: 0o600 });
    const added = await run(keyhole, ["user", "add", name, "--password-file", file, ...(name === "approver" ? ["--group", "approvers"] : [])], env);
    if (added.code !== 0) throw new Error(added.err);
  }
  const token = await run(keyhole, ["token", "add", "--project", "default", "--ingest"], env);
  if (token.code !== 0) throw new Error(token.err);
  server.ingest = join(top, "ingest.token");
  writeFileSync(server.ingest, token.out.trim().split(/\s+/).at(-1) + "\n", { mode: 0o600 });
  server.stop = async () => {
    const gone = new Promise((ok) => child.on("exit", ok));
    child.kill("SIGTERM");
    await Promise.race([gone, sleep(8000)]);
    if (child.exitCode === null && child.signalCode === null) child.kill("SIGKILL");
    rmSync(top, { recursive: true, force: true });
  };
  return server;
}

/* A real shell on a real terminal (util-linux script gives one), recorded; `type` types. */
function recordShell(server) {
  const inner = `exec ${keyhole} rec --ingest-token-file ${server.ingest} --title '${TITLE}' -- bash --norc --noprofile -i`;
  const env = { ...process.env, ...server.env, PS1: "$ ", TERM: "xterm-256color", HISTFILE: "" };
  delete env.KEYHOLE_TOKEN;
  const p = spawn("script", ["-qefc", inner, "/dev/null"], { env, stdio: ["pipe", "pipe", "pipe"] });
  const r = { out: "", code: null, gone: null };
  p.stdout.on("data", (d) => { r.out += d; });
  p.stderr.on("data", (d) => { r.out += d; });
  r.gone = new Promise((ok) => p.on("exit", (code) => { r.code = code; ok(code); }));
  r.type = (line) => p.stdin.write(line + "\n");
  return r;
}

async function signIn(browser, server, name, complaints) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 860 }, ignoreHTTPSErrors: true });
  const page = await context.newPage();
  page.on("pageerror", (e) => complaints.push(`${name}: ${e.message}`));
  page.on("console", (m) => { if (/Content Security|TrustedHTML|Refused to|violat/i.test(m.text())) complaints.push(`${name}: ${m.text()}`); });
  await page.goto(server.url);
  await page.getByLabel("Name").fill(name);
  await page.getByLabel("Password").fill(PASSWORDS[name]);
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.getByRole("heading", { name: "Recordings" }).waitFor();
  return page;
}

/* What the terminal in the page shows now. */
const terminalText = async (page) => (await playerFrame(page)?.evaluate(() => document.body.innerText.replace(/\u00a0/g, " ").replace(/\s+\n/g, "\n"))) ?? "";

/* A call as another client makes it, over HTTP/1.1. */
function api(server, method, path, token, body) {
  return new Promise((ok, fail) => {
    const q = request(server.url + path, { method, ca: server.ca, agent: new Agent({ keepAlive: false }), headers: { ...(token ? { Authorization: `Bearer ${token}` } : {}), ...(body ? { "Content-Type": "application/json" } : {}) } }, (r) => {
      let text = "";
      r.on("data", (d) => { text += d; });
      r.on("end", () => { let json = null; try { json = JSON.parse(text); } catch { /* NDJSON */ } ok({ status: r.statusCode, text, json }); });
    });
    q.on("error", fail);
    q.end(body ? JSON.stringify(body) : undefined);
  });
}

const tests = {
  async "a shell is followed in the browser and in a terminal at once"({ server, browser }) {
    const complaints = [];
    const shell = recordShell(server);
    shell.type("echo before-$((40+2))-approval");
    const engineer = await signIn(browser, server, "engineer", complaints);
    const approver = await signIn(browser, server, "approver", complaints);

    await engineer.getByRole("link", { name: TITLE }).waitFor({ timeout: 10_000 });
    await engineer.getByText("Live now").first().waitFor();
    await shot(engineer, "live-list");
    await engineer.getByRole("link", { name: TITLE }).click();
    await engineer.getByLabel("Reason").fill("The service is failing right now, following the repair");
    await engineer.getByRole("button", { name: "Ask for access" }).click();
    await engineer.getByRole("heading", { name: "Waiting for approval" }).waitFor();
    shell.type("echo while-$((40+3))-waiting");

    await approver.getByRole("link", { name: "Inbox" }).click();
    await approver.getByText("What you see is exactly what you decide on").first().waitFor();
    await shot(approver, "live-inbox");
    await approver.getByRole("button", { name: "Approve" }).first().click();
    await approver.getByText("You approved this.").first().waitFor();

    // The browser joins: what was typed before is there, what is typed now comes.
    await engineer.getByRole("link", { name: "Start watching" }).click();
    await engineer.locator("[data-live=now]").waitFor({ timeout: 10_000 });
    await eventually("the past is there", () => terminalText(engineer), (x) => x.includes("before-42-approval") && x.includes("while-43-waiting"));
    const rid = /\/watch\/(r_[^/?]+)/.exec(engineer.url())[1];
    shell.type("echo seen-$((40+4))-live");
    await eventually("it comes as it is typed", () => terminalText(engineer), (x) => x.includes("seen-44-live"), 5000);
    const protocols = await engineer.evaluate(() => performance.getEntriesByType("resource").filter((e) => e.name.includes("/v1/")).map((e) => e.nextHopProtocol));
    equal("the browser's protocol", [...new Set(protocols.filter((x) => x !== ""))], ["h2"]);

    // The command line follows the same access.
    const mine = { ...server.env, KEYHOLE_CONFIG_DIR: join(server.top, "engineer-config"), KEYHOLE_TOKEN: "", KEYHOLE_HTTP: "1.1" };
    delete mine.KEYHOLE_TOKEN;
    const signed = await run(keyhole, ["login", "--user", "engineer", "--password-file", join(server.top, "engineer")], { ...mine, KEYHOLE_TOKEN: "" });
    equal("keyhole login", signed.code, 0);
    const play = spawn("script", ["-qefc", `stty cols 100 rows 40; exec ${keyhole} play ${rid} --follow`, "/dev/null"], { env: { ...process.env, ...mine, KEYHOLE_TOKEN: "", TERM: "xterm-256color" }, stdio: ["pipe", "pipe", "pipe"] });
    let seen = "";
    let played = null;
    play.stdout.on("data", (d) => { seen += d; });
    play.stderr.on("data", (d) => { seen += d; });
    const playGone = new Promise((ok) => play.on("exit", (code) => { played = code; ok(code); }));
    await eventually("keyhole play has the past", () => seen, (x) => x.includes("before-42-approval"), 8000);
    shell.type("echo both-$((40+5))-follow");
    await eventually("keyhole play follows", () => seen, (x) => x.includes("both-45-follow"), 5000);
    await eventually("the browser follows", () => terminalText(engineer), (x) => x.includes("both-45-follow"), 5000);

    // Back to what was, and to now again.
    await engineer.keyboard.press("0");
    await engineer.getByRole("button", { name: "Go to live" }).waitFor();
    await engineer.getByRole("button", { name: "Go to live" }).click();
    await engineer.locator("[data-live=now]").waitFor();
    shell.type("echo again-$((40+6))-now");
    await eventually("live again", () => terminalText(engineer), (x) => x.includes("again-46-now"), 5000);
    await shot(engineer, "live-watching");

    // Somebody ends it: both are cut, the shell goes on.
    await approver.getByRole("link", { name: "Who is watching" }).click();
    await approver.getByRole("listitem").filter({ hasText: TITLE }).getByRole("button", { name: "End access" }).click();
    await approver.getByLabel("Why? They will read it.").fill("that is enough");
    await approver.getByRole("dialog").getByRole("button", { name: "End access" }).click();
    await engineer.locator("[data-ended=revoked]").waitFor({ timeout: 4000 });
    await Promise.race([playGone, sleep(4000)]);
    equal("keyhole play ended as refused or over", [3, 4].includes(played), true);
    shell.type("echo after-$((40+7))-the-cut");
    await sleep(700);
    equal("nothing after the cut in the terminal", seen.includes("after-47"), false);
    equal("no frame is left", await engineer.locator("iframe").count(), 0);
    shell.type("exit 7");
    equal("the shell's exit status is the recorder's", await shell.gone, 7);

    // All of it is in the recording.
    const again = await api(server, "POST", "/v1/login", "", { user: "engineer", password: PASSWORDS.engineer, token: true });
    await eventually("it is complete", () => api(server, "GET", `/v1/recordings/${rid}`, again.json.token), (r) => r.json.live === false);
    let key = "";
    engineer.on("request", (r) => { key = /^DPoP (.+)$/.exec(r.headers().authorization ?? "")?.[1] ?? key; });
    await engineer.getByRole("link", { name: "Ask again" }).click();
    await engineer.getByRole("button", { name: "Ask for access" }).click();
    await approver.getByRole("link", { name: "Inbox" }).click();
    await approver.getByRole("button", { name: "Approve" }).first().click();
    await engineer.getByRole("link", { name: "Start watching" }).click();
    await eventually("it is let in again", () => key, (x) => x !== "");
    const lines = (await proved(engineer, "engineer", `/v1/replay/${rid}/events`, key)).text.trim().split("\n").map((l) => JSON.parse(l));
    equal("the answer is whole", [lines[0].from?.seq, typeof lines.at(-1).end], [0, "object"]);
    const all = lines.slice(1, -1);
    const output = all.filter((e) => e[1] === "o").map((e) => e[2]).join("");
    for (const word of ["before-42-approval", "while-43-waiting", "seen-44-live", "both-45-follow", "again-46-now", "after-47-the-cut"]) equal(word, output.includes(word), true);
    equal("the exit status is recorded", all.filter((e) => e[1] === "x").map((e) => String(e[2])), ["7"]);
    const verified = await run(keyhole, ["audit", "verify"], server.env);
    equal("the log verifies", verified.code, 0);
    equal("complaints", complaints, []);
  },
};

if (!existsSync(chromiumPath)) {
  console.log(`no ${chromiumPath}\n0 passed, 0 failed, ${Object.keys(tests).length} skipped`);
} else {
  const server = await startTls();
  const browser = await startBrowser();
  let failed = 0;
  for (const [name, test] of Object.entries(tests)) {
    try {
      await test({ server, browser });
      console.log(`ok   ${name}`);
    } catch (e) {
      failed++;
      console.log(`FAIL ${name}: ${e.stack}`);
      for (const c of browser.contexts()) for (const [i, p] of c.pages().entries()) await shot(p, `live-fail-${i}`).catch(() => {});
      console.log(server.log().split("\n").slice(-40).join("\n"));
    }
    for (const c of browser.contexts()) await c.close();
  }
  await browser.close();
  await server.stop();
  console.log(`${Object.keys(tests).length - failed} passed, ${failed} failed`);
  process.exit(failed ? 1 : 0);
}
