// The whole story in a real Chromium against the real server: closed, asked, approved, played, over by itself, in the audit log.
import { readFileSync } from "node:fs";
import { approve, ask, call, equal, eventually, keyhole, person, playerFrame, proved, run, shot, signIn, sleep, suite } from "./_lib.mjs";

const WINDOW_S = 20;
const ROUTES = ["manifest", "chunks/0", "events?from_ms=0", "stream?from_ms=0", "export"];

async function recordings(server, token) {
  return (await call(server, "GET", "/v1/recordings", { token })).json.items;
}

/* Each replay route refuses, with a code; `got` says which. */
async function refused(server, rid, token, codes) {
  for (const route of ROUTES) {
    const a = await call(server, "GET", `/v1/replay/${rid}/${route}`, { token });
    if (a.status < 400 || !codes.includes(a.code)) throw new Error(`${route}: ${a.status} ${a.code ?? a.text.slice(0, 80)}, not ${codes}`);
  }
}

/* The keys that a page sends, as they pass. */
function listen(page) {
  const keys = new Set();
  const outside = [];
  page.on("request", (r) => {
    const auth = r.headers().authorization;
    if (/\/v1\/replay\//.test(r.url())) keys.add(auth?.replace(/^DPoP /, "") ?? "none");
    else if (/ eyJ/.test(auth ?? "")) outside.push(r.url());
    if (/eyJ/.test(r.url())) outside.push(r.url());
  });
  return { keys, outside };
}

/* A key that somebody else got hold of opens nothing: as it is, with another browser's proof, with a proof by no matter whom. */
async function stolen(server, thief, rid, key, owner) {
  const path = `/v1/replay/${rid}/manifest`;
  equal("as bearer", (await call(server, "GET", path, { token: key })).code, "key-binding");
  equal("without a proof", (await call(server, "GET", path, { headers: { Authorization: `DPoP ${key}` } })).code, "key-binding");
  equal("with another account's proof", (await proved(thief, "approver", path, key)).code, "key-binding");
  equal("with a proof of one's own", (await proved(owner, "engineer", path, key, { steal: true })).code, "key-binding");
  equal("the pair cannot be read", await owner.evaluate(async () => {
    const open = indexedDB.open("keyhole", 1);
    const db = await new Promise((ok) => { open.onsuccess = () => ok(open.result); });
    const all = db.transaction("client").objectStore("client").getAll();
    const [k] = await new Promise((ok) => { all.onsuccess = () => ok(all.result); });
    db.close();
    return crypto.subtle.exportKey("jwk", k.privateKey).then(() => "it can", (e) => e.name);
  }), "InvalidAccessError");
}

async function wholeStory({ server, browser }, title, isKind, shows, later) {
  const complaints = [];
  const engineer = await person(browser, server, "engineer", complaints);
  const approver = await person(browser, server, "approver", complaints);
  const token = await signIn(server, "engineer");
  const r = (await recordings(server, token)).find((x) => x.title === title);
  equal("kind", r.kind, isKind);
  equal("access", r.access, "none");
  const heard = listen(engineer);

  // Closed: nothing works without a key, and there is none to be had.
  await refused(server, r.id, undefined, ["key-missing"]);
  await refused(server, r.id, token, ["key-malformed", "key-forged", "key-missing"]);
  await refused(server, r.id, server.admin, ["key-malformed", "key-forged", "key-missing"]);

  await ask(engineer, title, WINDOW_S);
  await shot(engineer, `${isKind}-1-wait`);
  equal("content requests before approval", [...heard.keys], []);
  await approve(approver);
  await engineer.getByRole("link", { name: "Start watching" }).click();
  const began = Date.now();
  await eventually("playing", () => shows(engineer), (x) => x === true);
  await eventually("time goes on", async () => Number(await engineer.locator("[data-at]").getAttribute("data-at")), (x) => x > 1000);
  await shot(engineer, `${isKind}-2-plays`);
  await approver.getByRole("link", { name: "Who is watching" }).click();
  await approver.getByRole("row", { name: new RegExp(`engineer.*${title}`) }).waitFor();
  await later(engineer);
  await shot(engineer, `${isKind}-3-later`);
  const during = [...heard.keys];
  if (during.length === 0 || !during.every((k) => k.startsWith("eyJ"))) throw new Error(`keys: ${during}`);
  const manifest = (id) => `/v1/replay/${id}/manifest`;
  equal("a key works while it lasts", (await proved(engineer, "engineer", manifest(r.id), during.at(-1))).status, 200);
  await stolen(server, approver, r.id, during.at(-1), engineer);
  const other = (await recordings(server, token)).find((x) => x.id !== r.id);
  equal("another recording", (await proved(engineer, "engineer", manifest(other.id), during.at(-1))).code, "recording-mismatch");

  await engineer.locator("[data-ended=window]").waitFor({ timeout: (WINDOW_S + 8) * 1000 });
  const took = (Date.now() - began) / 1000;
  if (took > WINDOW_S + 3) throw new Error(`it went on for ${took} s`);
  await shot(engineer, `${isKind}-4-over`);
  equal("frames after the end", await engineer.locator("iframe").count(), 0);
  for (const key of heard.keys) {
    const a = await proved(engineer, "engineer", manifest(r.id), key);
    equal("over", [a.status >= 400, ["grant-ended", "key-expired", "key-revoked"].includes(a.code)], [true, true]);
    await refused(server, r.id, key, ["grant-ended", "key-expired", "key-revoked", "key-binding"]);
  }
  equal("the key went nowhere else", heard.outside, []);
  await engineer.getByRole("link", { name: "Ask again" }).click();
  await engineer.getByText("Your last access has ended.").waitFor();
  equal("complaints of the browser", complaints, []);
  return r;
}

const inFrame = (page, f) => f(playerFrame(page));

await suite({
  async "a browser recording"(t) {
    const r = await wholeStory(t, "Checkout fails for a discounted cart", "rrweb",
      (page) => inFrame(page, async (f) => (await f.childFrames()[0].locator(".product:visible").count()) > 2),
      async (page) => {
        await page.keyboard.press("9");
        await eventually("the error id is seen", () => inFrame(page, (f) => f.childFrames()[0].locator("#banner").textContent()), (x) => x.includes("ERR-7F3A21"));
      });
    t.server.checkout = r.id;
  },

  async "a terminal"(t) {
    const r = await wholeStory(t, "Restart of the wrong unit", "terminal",
      (page) => inFrame(page, async (f) => (await f.locator(".ap-term").textContent()).includes("oncall@bastion")),
      async (page) => {
        await page.keyboard.press("8");
        await eventually("the wrong restart is seen", () => inFrame(page, (f) => f.locator(".ap-term").textContent()), (x) => x.includes("ERR-51C0DE") || x.includes("not the worker"));
      });
    t.server.restart = r.id;
  },

  async "a page in quirks mode"(t) {
    const node = (id, tagName, childNodes) => ({ type: 2, id, tagName, attributes: {}, childNodes });
    const events = [
      { type: 4, timestamp: 1000, data: { href: "http://old.example/", width: 800, height: 600 } },
      { type: 2, timestamp: 1001, data: { initialOffset: { top: 0, left: 0 }, node: { type: 0, id: 1, compatMode: "BackCompat", childNodes: [node(2, "html", [node(3, "head", []), node(4, "body", [node(5, "p", [{ type: 3, id: 6, textContent: "a page without a doctype" }])])])] } } },
      { type: 3, timestamp: 9000, data: { source: 2, type: 2, id: 4, x: 1, y: 1 } },
      { type: 3, timestamp: 31000, data: { source: 2, type: 2, id: 4, x: 2, y: 2 } },
    ];
    const a = await call(t.server, "POST", "/v1/import?project=shop", { token: t.server.admin, headers: { "Keyhole-Title": '"An old page"', "Content-Type": "application/json" }, raw: JSON.stringify(events) });
    equal("import", a.status, 201);
    await wholeStory(t, "An old page", "rrweb",
      (page) => inFrame(page, async (f) => (await f.childFrames()[0].locator("body").textContent()).includes("a page without a doctype")),
      async (page) => {
        equal("mode", await inFrame(page, (f) => f.childFrames()[0].evaluate(() => document.compatMode)), "BackCompat");
      });
  },

  async "the audit log tells it, and verifies"({ server, browser }) {
    const auditor = await signIn(server, "auditor");
    const project = (await call(server, "GET", "/v1/me", { token: auditor })).json.projects.find((p) => p.name === "shop").id;
    const all = [];
    for (let from = 0; ; ) {
      const a = await call(server, "GET", `/v1/audit/events?log=${project}&order=asc&limit=1000&from=${from}`, { token: auditor });
      equal("audit", a.status, 200);
      all.push(...a.json.items);
      from = all.length;
      if (a.json.items.length === 0 || from >= a.json.size) break;
    }
    equal("no gap", all.map((e) => e.index), all.map((_, i) => i));
    const leaves = all.map((e) => JSON.parse(e.raw));
    for (const rid of [server.checkout, server.restart]) {
      const about = leaves.filter((l) => l.rid === rid || leaves.some((x) => x.rid === rid && ((l.gid && x.gid === l.gid) || (l.q && x.q === l.q))));
      const types = new Set(about.map((l) => l.type));
      for (const want of ["recording.imported", "request.created", "request.voted", "grant.activated", "key.issued", "viewing.begun", "vault.released", "replay.leased", "replay.settled", "replay.refused", "grant.expired"])
        if (!types.has(want)) throw new Error(`${rid}: no ${want} among ${[...types]}`);
      const order = ["request.created", "request.voted", "key.issued", "replay.leased", "grant.expired"].map((x) => about.findIndex((l) => l.type === x));
      equal("order", order, [...order].sort((a, b) => a - b));
      const voted = about.find((l) => l.type === "request.voted");
      const created = about.find((l) => l.type === "request.created");
      if (voted.actor === created.actor) throw new Error("the requester voted");
      equal("the vote is for what was asked", voted.digest, created.digest);
    }
    for (const l of leaves) if (/customer reports|checkout fails/i.test(JSON.stringify(l))) throw new Error("a reason or title is in the clear: " + JSON.stringify(l));
    await sleep(2500); // a checkpoint is signed within 2 s
    const v = await run(keyhole, ["audit", "verify", server.url], { KEYHOLE_URL: server.url, KEYHOLE_TOKEN: auditor });
    if (v.code !== 0) throw new Error(`audit verify: ${v.code}\n${v.out}${v.err}`);

    const complaints = [];
    const page = await person(browser, server, "auditor", complaints);
    await page.getByRole("link", { name: "Audit" }).click();
    await page.getByRole("cell", { name: "asked for access" }).first().waitFor();
    await page.locator("table.audit").getByText("engineer").first().waitFor();
    await shot(page, "audit");
    await page.getByRole("link", { name: "Reports" }).click();
    await page.getByLabel("Recording").fill(server.checkout);
    await page.getByRole("button", { name: "Make the report" }).click();
    await page.locator("table.report").getByText("engineer").first().waitFor();
    await shot(page, "report");
    const file = page.waitForEvent("download");
    await page.getByRole("button", { name: "Save as CSV" }).click();
    const csv = readFileSync(await (await file).path(), "utf8");
    if (!csv.includes(server.checkout) || !csv.includes("engineer")) throw new Error("CSV: " + csv.slice(0, 200));
    await page.getByLabel("Report", { exact: true }).selectOption("subject");
    await page.getByLabel("Recorded person").fill("customer-4711");
    await page.getByRole("button", { name: "Make the report" }).click();
    await page.locator("table.report tbody tr").first().waitFor();
    equal("nobody of the staff is named", await page.locator("table.report").getByText("engineer").count(), 0);
    equal("complaints", complaints, []);
  },

  async "watch it happen"({ server, browser }) {
    const page = await (await browser.newContext({ viewport: { width: 1600, height: 1000 } })).newPage();
    const complaints = [];
    page.on("pageerror", (e) => complaints.push(e.message));
    await page.goto(server.url);
    await page.getByRole("button", { name: "Watch it happen" }).click();
    const began = Date.now();
    await page.getByRole("button", { name: "Start" }).click();
    await page.locator("[data-step='6']").waitFor({ timeout: 40_000 });
    await eventually("it plays", () => inFrame(page, async (f) => (await f.childFrames()[0].locator(".product:visible").count()) > 2), (x) => x === true);
    await shot(page, "tour-6");
    await page.locator("[data-step='8']").waitFor({ timeout: 40_000 });
    await page.getByRole("button", { name: "Once more" }).waitFor({ timeout: 15_000 });
    await shot(page, "tour-8");
    equal("trouble", await page.locator(".notice.bad").allTextContents(), []);
    equal("complaints", complaints, []);
    const took = (Date.now() - began) / 1000;
    if (took > 60) throw new Error(`it took ${took} s`);
  },

  async "a page that records itself is watched while it happens; what was typed into it never left it"({ server, browser }) {
    const context = await browser.newContext({ viewport: { width: 1600, height: 1000 } });
    const page = await context.newPage();
    const complaints = [];
    page.on("pageerror", (e) => complaints.push(e.message));
    page.on("console", (m) => { if (/Content Security|TrustedHTML|Refused to/i.test(m.text())) complaints.push(m.text()); });
    const sent = [];
    context.on("request", (r) => { if (/\/v1\/recordings/.test(r.url()) && r.method() === "POST") sent.push(r.allHeaders().then((h) => [new URL(r.url()).origin, h.origin, h.cookie ?? ""])); });
    await page.goto(`${server.url}/tour`);
    await page.getByRole("button", { name: "A page that records itself" }).click();
    const shop = page.frameLocator("iframe[title='What a visitor of the shop sees']");
    await shop.getByText("This page records itself while you use it.").waitFor({ timeout: 20_000 });
    await page.locator("[data-step='5']").waitFor({ timeout: 40_000 });
    const seen = () => eventually("watched", async () => page.frames().find((f) => /\/dom$/.test(f.url()))?.childFrames()[0]?.evaluate(() => ({ cart: document.querySelector("#cart-count")?.textContent, name: document.querySelector("#name")?.value, card: document.querySelector("#card")?.value, banner: document.querySelector("#banner code")?.textContent ?? "" })), (x) => x?.banner === "ERR-7F3A21", 45_000);
    equal("beside it", await seen(), { cart: "3", name: "****** ********", card: "****************", banner: "ERR-7F3A21" });
    // From here on nothing takes the cart back: whoever follows never sees the page as it was at its first snapshot again.
    const player = page.frames().find((f) => /\/dom$/.test(f.url()));
    await player.evaluate(() => {
      globalThis.carts = [];
      setInterval(() => { const now = document.querySelector(".replayer-wrapper iframe")?.contentDocument?.querySelector("#cart-count")?.textContent ?? "none"; if (now !== globalThis.carts.at(-1)) globalThis.carts.push(now); }, 5);
    });
    await page.locator("[data-step='6']").waitFor({ timeout: 20_000 });
    await page.locator("[data-running=false]").waitFor({ timeout: 40_000 });
    await shop.getByText("The recording has ended.").waitFor();
    await shot(page, "tour-page");
    equal("what was shown stayed", await player.evaluate(() => globalThis.carts), ["3"]);
    equal("trouble", await page.locator("main > .notice.bad").allTextContents(), []);
    equal("from an origin of its own, without anybody's sign-in", [...new Set((await Promise.all(sent)).map(String))], [`${server.url},${server.host("shop")},`]);
    const list = (await call(server, "GET", "/v1/recordings?link=error:ERR-7F3A21", { token: server.admin })).json.items;
    equal("found by its error", list.some((r) => r.title === "A visitor in the shop" && !r.live && r.links.some((l) => l.type === "error" && l.at_ms > 0)), true);
    equal("its address has no interface", await page.frames().find((f) => f.url().startsWith(server.host("shop"))).evaluate(() => Promise.all(["/v1/me", "/v1/recordings", "/v1/login"].map((p) => fetch(p, { method: p === "/v1/login" ? "POST" : "GET" }).then((r) => r.status)))), [404, 404, 404]);
    equal("complaints", complaints, []);
  },

  async "and each of the other chapters"({ server, browser }) {
    const page = await (await browser.newContext({ viewport: { width: 1600, height: 1000 } })).newPage();
    const complaints = [];
    page.on("pageerror", (e) => complaints.push(e.message));
    await page.goto(`${server.url}/tour`);
    for (const [name, steps] of [["Two people agree", 5], ["More time", 5], ["Watching along", 5], ["Ended by somebody", 4], ["An emergency", 5]]) {
      await page.getByRole("button", { name, exact: true }).click();
      await page.locator("[data-step='1'][data-running=true]").waitFor({ timeout: 15_000 });
      await page.locator("[data-running=false]").waitFor({ timeout: 90_000 });
      await shot(page, `tour-${name.replaceAll(" ", "-").toLowerCase()}`);
      equal(`trouble in ${name}`, await page.locator("main > .notice.bad").allTextContents(), []);
      equal(`steps of ${name}`, Number(await page.locator("[data-step]").getAttribute("data-step")), steps - 1);
    }
    equal("complaints", complaints, []);
  },
});
