// How watching ends, each way, in a real Chromium; what happens when a role of the server dies while one watches; renewal.
import { createHmac } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { approve, ask, call, equal, eventually, person, playerFrame, proved, shot, signIn, sleep, suite } from "./_lib.mjs";

const SECRET = Buffer.from("a secret of the tests, for one hook").toString("base64");
const TERMINAL = "Restart of the wrong unit";
const CHECKOUT = "Checkout fails for a discounted cart";

/* Two people and a recording that plays. */
async function watching({ server, browser }, title = TERMINAL, seconds = 120) {
  const complaints = [];
  const engineer = await person(browser, server, "engineer", complaints);
  const lead = await person(browser, server, "lead", complaints);
  const keys = new Set();
  let rid = "";
  engineer.on("request", (r) => {
    const m = /\/v1\/replay\/(r_[^/]+)\//.exec(r.url());
    if (m) {
      rid = m[1];
      keys.add(r.headers().authorization.replace(/^DPoP /, ""));
    }
  });
  await ask(engineer, title, seconds);
  await approve(lead);
  await engineer.getByRole("link", { name: "Start watching" }).click();
  await playsOn(engineer);
  return { engineer, lead, keys, complaints, rid: () => rid };
}
const at = async (page) => Number(await page.locator("[data-at]").getAttribute("data-at"));
async function playsOn(page) {
  const from = await eventually("a position", () => at(page), (x) => Number.isFinite(x));
  await eventually("it plays", () => at(page), (x) => x > from + 700);
}
async function over(page, why, ms = 4000) {
  const began = Date.now();
  await page.locator(`[data-ended=${why}]`).waitFor({ timeout: ms });
  equal("frames", await page.locator("iframe").count(), 0);
  return Date.now() - began;
}
async function keysRefused(server, w, codes) {
  for (const key of w.keys) {
    const a = await proved(w.engineer, "engineer", `/v1/replay/${w.rid()}/manifest`, key);
    if (!codes.includes(a.code)) throw new Error(`${a.status} ${a.code}, not ${codes}`);
  }
}

/* The process of a role: a child of the server whose command line says so. */
function rolePid(server, role) {
  for (const pid of readdirSync("/proc").filter((x) => /^\d+$/.test(x))) {
    try {
      const parent = Number(/^PPid:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))[1]);
      const line = readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0");
      const grand = parent === server.pid ? server.pid : Number(/^PPid:\s+(\d+)/m.exec(readFileSync(`/proc/${parent}/status`, "utf8"))[1]);
      if ((parent === server.pid || grand === server.pid) && line.includes("role") && line.includes(role)) return Number(pid);
    } catch { /* it is gone */ }
  }
  throw new Error(`no ${role} below ${server.pid}`);
}

await suite({
  async "somebody ends the access"(t) {
    const w = await watching(t);
    await w.lead.getByRole("link", { name: "Who is watching" }).click();
    await w.lead.getByRole("listitem").filter({ hasText: TERMINAL }).getByRole("button", { name: "End access" }).click();
    await w.lead.getByLabel("Why? They will read it.").fill("enough for today");
    await w.lead.getByRole("dialog").getByRole("button", { name: "End access" }).click();
    await over(w.engineer, "revoked");
    await w.engineer.getByText("They said: enough for today").waitFor();
    await keysRefused(t.server, w, ["grant-ended", "key-revoked"]);
    await shot(w.engineer, "ends-revoked");
    await w.lead.getByText("Nobody has open access.").waitFor();
    equal("complaints", w.complaints, []);
  },

  async "one gives it back, and asks again with the same words"(t) {
    const w = await watching(t);
    await w.engineer.keyboard.press("5");
    await eventually("jumped", () => at(w.engineer), (x) => x > 30_000);
    await w.engineer.getByRole("button", { name: "Give it back" }).click();
    await over(w.engineer, "given-back");
    await keysRefused(t.server, w, ["grant-ended", "key-revoked"]);
    await w.engineer.getByRole("link", { name: "Ask again" }).click();
    await w.engineer.getByText("You gave your last access back.").waitFor();
    equal("reason", await w.engineer.getByLabel("Reason").inputValue(), "A customer reports that this fails, see the ticket");
    await w.engineer.getByRole("button", { name: "Ask for access" }).click();
    await w.engineer.getByRole("heading", { name: "Waiting for approval" }).waitFor();
    await approve(w.lead);
    await w.engineer.getByRole("link", { name: "Start watching" }).click();
    await eventually("it goes on where it stopped", () => at(w.engineer), (x) => x > 30_000);
    await w.engineer.getByRole("button", { name: "Give it back" }).click();
    await over(w.engineer, "given-back");
  },

  async "one viewing is stopped"(t) {
    const w = await watching(t, CHECKOUT);
    await w.lead.getByRole("link", { name: "Who is watching" }).click();
    await w.lead.getByRole("row").filter({ hasText: CHECKOUT }).getByRole("button", { name: "Stop" }).click();
    await over(w.engineer, "stopped");
    await keysRefused(t.server, w, ["key-revoked", "grant-ended"]);
    await w.engineer.getByRole("link", { name: "My access" }).click();
    await w.engineer.getByRole("button", { name: "Give it back" }).first().click();
    await w.engineer.getByText("You gave it back.").waitFor();
  },

  async "declined, and told why"({ server, browser }) {
    const complaints = [];
    const engineer = await person(browser, server, "engineer", complaints);
    const approver = await person(browser, server, "approver", complaints);
    await ask(engineer, CHECKOUT, 60);
    await approver.getByRole("link", { name: "Inbox" }).click();
    await approver.getByLabel("Comment").fill("please name the ticket");
    await approver.getByRole("button", { name: "Decline" }).click();
    await engineer.getByText("Your last request was declined.").waitFor();
    await engineer.getByText("approver said: please name the ticket").waitFor();
    equal("complaints", complaints, []);
  },

  async "nobody decides on their own request, and a stranger sees no inbox"({ server, browser }) {
    const complaints = [];
    const lead = await person(browser, server, "lead", complaints);
    await ask(lead, CHECKOUT, 60);
    const token = await signIn(server, "lead");
    const q = (await call(server, "GET", "/v1/requests?box=mine&state=PENDING", { token })).json.items[0];
    const a = await call(server, "POST", `/v1/requests/${q.id}/approve`, { token, body: { digest: q.digest } });
    equal("own vote", [a.status, a.code], [403, "not-eligible"]);
    await lead.goto(`${server.host("lead")}/requests/${q.id}`);
    await lead.getByText("You asked for this yourself, so somebody else decides.").waitFor();
    equal("buttons", await lead.getByRole("button", { name: "Approve" }).count(), 0);
    const engineer = await person(browser, server, "engineer", complaints);
    await engineer.goto(`${server.host("engineer")}/inbox`);
    await engineer.getByRole("heading", { name: "Not for you" }).waitFor();
    await engineer.goto(`${server.host("engineer")}/requests/${q.id}`);
    await engineer.getByRole("heading", { name: "Nothing here" }).waitFor();
    await engineer.goto(`${server.host("engineer")}/recordings/r_AAAAAAAAAAAAAAAA`);
    await engineer.getByRole("heading", { name: "Nothing here" }).waitFor();
    await engineer.goto(`${server.host("engineer")}/no/such/page`);
    await engineer.getByRole("heading", { name: "Nothing here" }).waitFor();
    await lead.goto(`${server.host("lead")}/recordings/${q.recordings[0].id}`);
    await lead.getByRole("button", { name: "Take the request back" }).click();
    await lead.getByText("You took your last request back.").waitFor();
  },

  async "signing out ends what plays elsewhere"(t) {
    const w = await watching(t, CHECKOUT);
    const other = await w.engineer.context().newPage();
    await other.goto(t.server.host("engineer"));
    await other.getByRole("button", { name: "Sign out" }).click();
    await other.getByRole("heading", { name: "Sign in" }).waitFor();
    await eventually("the player is gone", () => w.engineer.locator("iframe").count(), (n) => n === 0, 6000);
    await keysRefused(t.server, w, ["key-revoked", "grant-ended"]);
    const token = await signIn(t.server, "engineer"); // the access itself goes on, for another sign-in
    for (const g of (await call(t.server, "GET", "/v1/grants?box=mine&state=live", { token })).json.items)
      equal("given back", (await call(t.server, "POST", `/v1/grants/${g.id}/relinquish`, { token, body: {} })).status, 200);
  },

  async "roles of the server die while one watches"(t) {
    const w = await watching(t, TERMINAL, 170);
    for (const role of ["vault", "keeper", "gate"]) {
      const pid = rolePid(t.server, role);
      process.kill(pid, "SIGKILL");
      await eventually(`${role} is back`, () => rolePid(t.server, role), (x) => x !== pid, 4000);
      await eventually("the server is ready", () => fetch(t.server.url + "/readyz").then((r) => r.status), (x) => x === 200, 4000);
      await w.engineer.keyboard.press("3");
      await eventually(`it plays on after ${role}`, () => at(w.engineer), (x) => x > 18_500 && x < 40_000, 15_000);
      await playsOn(w.engineer);
      equal("phase", await w.engineer.locator("[data-phase]").getAttribute("data-phase"), "on");
      await eventually("the screen", () => playerFrame(w.engineer).locator(".ap-term").textContent(), (x) => x.includes("oncall@bastion"));
    }
    await w.engineer.getByRole("button", { name: "Give it back" }).click();
    await over(w.engineer, "given-back");
  },

  async "a window longer than a key plays through"(t) {
    const w = await watching(t, CHECKOUT, 60);
    await w.engineer.getByRole("combobox", { name: "Speed" }).selectOption("0.5");
    await sleep(46_000); // past the end of the first one, which lasts 45 s
    await w.engineer.keyboard.press("1"); // a seek fetches anew
    await eventually("a fresh one is used", () => w.keys.size, (n) => n >= 2);
    await playsOn(w.engineer);
    await sleep(500);
    equal("phase", await w.engineer.locator("[data-phase]").getAttribute("data-phase"), "on");
    await over(w.engineer, "window", 20_000);
    await keysRefused(t.server, w, ["grant-ended", "key-expired", "key-revoked"]);
    equal("complaints", w.complaints, []);
  },

  async "the server's seals roll while one watches, in an emergency, too"(t) {
    const w = await watching(t);
    for (const emergency of [false, true]) {
      const a = await call(t.server, "POST", "/v1/signing-keys/rotate", { token: t.server.admin, body: { emergency, reason: "a drill of rolling them" } });
      equal("rolled", a.status, 200);
      await sleep(1500);
      await w.engineer.keyboard.press(emergency ? "5" : "3"); // a seek fetches anew
      await eventually("it jumped", () => at(w.engineer), (x) => x > (emergency ? 30_000 : 18_000));
      await playsOn(w.engineer);
      equal("phase", await w.engineer.locator("[data-phase]").getAttribute("data-phase"), "on");
    }
    await w.engineer.getByRole("button", { name: "Give it back" }).click();
    await over(w.engineer, "given-back");
    equal("complaints", w.complaints, []);
  },

  async "the ticket was closed: what is left counts down"(t) {
    const complaints = [];
    const engineer = await person(t.browser, t.server, "engineer", complaints);
    const lead = await person(t.browser, t.server, "lead", complaints);
    await engineer.getByRole("link", { name: TERMINAL }).click();
    await engineer.getByLabel("Reason").fill("A customer reports that this fails, see the ticket");
    await engineer.getByLabel(/^Ticket/).fill("SUP-2001");
    await engineer.getByRole("combobox", { name: "For how long?" }).selectOption("min");
    await engineer.getByRole("spinbutton", { name: "For how long?" }).fill("30");
    await engineer.getByRole("button", { name: "Ask for access" }).click();
    await engineer.getByRole("heading", { name: "Waiting for approval" }).waitFor();
    await approve(lead);
    await engineer.getByRole("link", { name: "Start watching" }).click();
    await playsOn(engineer);
    const body = JSON.stringify({ ticket: "SUP-2001", state: "closed" });
    const id = `msg_${Date.now()}`;
    const stamp = String(Math.floor(Date.now() / 1000));
    const mac = createHmac("sha256", Buffer.from(SECRET, "base64")).update(`${id}.${stamp}.${body}`).digest("base64");
    const a = await call(t.server, "POST", "/v1/hooks/desk", { raw: body, headers: { "Content-Type": "application/json", "webhook-id": id, "webhook-timestamp": stamp, "webhook-signature": `v1,${mac}` } });
    equal("told", [a.status, a.json.ignored], [202, undefined]);
    await engineer.getByText("The ticket was closed, so this access ends.").waitFor({ timeout: 5000 });
    const left = (await engineer.getByRole("timer").first().textContent()).split(" ")[0].split(":").reduce((x, y) => x * 60 + Number(y), 0);
    equal("at most five minutes are left", left > 240 && left <= 300, true);
    await shot(engineer, "ends-ticket");
    await playsOn(engineer);
    await engineer.getByRole("button", { name: "Give it back" }).click();
    await over(engineer, "given-back");
    equal("complaints", complaints, []);
  },
}, { config: `key { life = 45s }\nhook "desk" { project = "shop"  format = standard  secret = "whsec_${SECRET}" }` });
