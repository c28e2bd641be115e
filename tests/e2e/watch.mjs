// What the player knows of a recording without playing it: moments to jump to, idle time, activity; a link that opens at its second; the
// watermark; and an exported page that plays in rrweb's own replayer, with its mark in the picture.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { approve, ask, call, equal, eventually, keyhole, person, root, run, shot, suite } from "./_lib.mjs";

const BASE = 1_700_000_000_000;
const el = (id, tagName, childNodes = [], attributes = {}) => ({ type: 2, tagName, attributes, childNodes, id });
const text = (id, textContent) => ({ type: 3, textContent, id });

/* A shop: three pages, clicks in anger, a click that nothing answers, errors, failed requests, and two minutes in which nobody is there. */
function shop() {
  const out = [];
  const at = (ms, type, data) => out.push({ type, data, timestamp: BASE + ms });
  const page = (ms, href, title) => {
    at(ms, 4, { href, width: 1024, height: 640 });
    at(ms + 1, 2, { node: { type: 0, id: 1, childNodes: [el(2, "html", [el(3, "head"), el(4, "body", [el(5, "h1", [text(6, title)]), el(7, "button", [text(8, "Pay")]), el(9, "p", [text(10, "0")])])])] }, initialOffset: { top: 0, left: 0 } });
  };
  const click = (ms, id) => at(ms, 3, { source: 2, type: 2, id, x: 100, y: 120 });
  const tick = (ms, value) => at(ms, 3, { source: 0, texts: [{ id: 10, value }], attributes: [], removes: [], adds: [] });
  const log = (ms, level, message) => at(ms, 6, { plugin: "rrweb/console@1", payload: { level, trace: [], payload: [JSON.stringify(message)] } });
  page(0, "http://shop.example/basket", "Basket");
  for (let i = 1; i <= 8; i++) at(i * 500, 3, { source: 1, positions: [{ x: i, y: i, id: 4, timeOffset: 0 }] });
  for (let i = 0; i < 4; i++) click(5000 + i * 300, 9);
  log(6500, "error", "price is not a number");
  at(7000, 6, { plugin: "rrweb/network@1", payload: { requests: [{ method: "GET", url: "/api/price", status: 200 }, { method: "POST", url: "/api/pay", status: 502 }] } });
  page(8000, "http://shop.example/pay", "Pay");
  click(9000, 7);
  for (let i = 14; i < 130; i++) tick(i * 1000, String(i)); // a clock on the page: it changes by itself
  at(131_000, 3, { source: 1, positions: [{ x: 9, y: 9, id: 4, timeOffset: 0 }] });
  at(132_000, 5, { tag: "gave up", payload: { message: "left the shop" } });
  page(134_000, "http://shop.example/help", "Help");
  for (let i = 1; i < 20; i++) at(134_000 + i * 500, 3, { source: 3, id: 1, x: 0, y: i });
  return out;
}

async function upload(server, title, body) {
  const r = await call(server, "POST", "/v1/import", { token: server.admin, raw: body, headers: { "Keyhole-Title": `"${title}"`, "Content-Type": "application/octet-stream" } });
  if (r.status !== 201) throw new Error(`import: ${r.status} ${r.text}`);
  return r.json.id;
}

/* Asks by the command line, and two people say yes. */
async function agreed(server, browser, rid, purpose, action) {
  const top = mkdtempSync(join(tmpdir(), "keyhole-watch-"));
  const env = { KEYHOLE_URL: server.url, KEYHOLE_CONFIG_DIR: join(top, "conf") };
  writeFileSync(join(top, "password"), server.password("engineer") + "\n", { mode: 0o600 });
  const did = async (...args) => { const r = await run(keyhole, args, env); if (r.code !== 0) throw new Error(`${args.join(" ")}: ${r.err}`); return r.out.trim(); };
  await did("login", "--user", "engineer", "--password-file", join(top, "password"));
  await did("request", rid, "--purpose", purpose, "--reason", "A customer reports that this fails, see the ticket", "--for", "600s", "--action", action);
  for (const name of ["approver", "lead"]) await approve(await person(browser, server, name, []));
  return { top, did };
}

const position = (page) => page.locator("[data-at]").getAttribute("data-at").then(Number);
const near = (ms, by = 900) => (x) => x >= ms - 50 && x < ms + by;

const tests = {
  async "a page: moments are listed, drawn and jumped to; idle time is jumped over"({ server, browser }) {
    const complaints = [];
    const rid = await upload(server, "A shop", JSON.stringify(shop()));
    const engineer = await person(browser, server, "engineer", complaints);
    const approver = await person(browser, server, "approver", complaints);
    await ask(engineer, "A shop", 600);
    await approve(approver);
    await engineer.goto(`${server.host("engineer")}/r/${rid}?at=7.5`); // a link to a moment, as a ticket holds it
    await engineer.getByRole("link", { name: /^(Watch|Start watching)$/ }).click();
    await engineer.locator("[data-phase=on]").waitFor();
    await eventually("it opens at its second", () => position(engineer), near(7500, 3000));
    await engineer.getByRole("button", { name: "Pause", exact: true }).click();
    equal("moments", await engineer.locator(".moments ol button").evaluateAll((all) => all.map((b) => `${b.dataset.kind} ${b.querySelector(".what").textContent}`)), [
      "page http://shop.example/basket", "rage 4 clicks in a row", "error price is not a number", "request 502 POST /api/pay", "page http://shop.example/pay",
      "dead A click that nothing answered", "marker gave up: left the shop", "page http://shop.example/help",
    ]);
    equal("totals", await engineer.locator("[data-totals]").textContent(), "5 clicks · 1 errors · 2 requests, 1 failed");
    equal("marks on the strip", await engineer.locator(".strip .moment").count(), 8);
    await shot(engineer, "watch-page");
    await engineer.getByRole("button", { name: /price is not a number/ }).click();
    await eventually("the error's moment", () => position(engineer), near(6500));
    await engineer.locator(".times").first().click(); // away from the button: keys go to the page
    await engineer.keyboard.press("]");
    await eventually("the next moment", () => position(engineer), near(7000));
    await engineer.keyboard.press("[");
    await engineer.keyboard.press("[");
    await eventually("two back", () => position(engineer), near(5000, 1600));
    await engineer.getByRole("checkbox", { name: /Pages/ }).uncheck();
    equal("pages are left out", await engineer.locator("[data-moments]").getAttribute("data-moments"), "5");
    await engineer.keyboard.press("m");
    await eventually("the list is hidden", () => engineer.locator(".moments ol").isVisible(), (x) => !x);
    await engineer.keyboard.press("m");
    await engineer.getByRole("checkbox", { name: "Skip idle time" }).check();
    await engineer.locator(".moments ol button[data-kind=dead]").click();
    await engineer.keyboard.press("k");
    await eventually("over two minutes in which nobody was there", () => position(engineer), (x) => x > 130_000, 15_000);
    equal("nothing to complain about", complaints, []);
  },
  async "a terminal: markers, changes of size, and where nothing happens"({ server, browser }) {
    const complaints = [];
    const lines = [{ version: 2, width: 80, height: 24 }];
    for (let i = 0; i < 40; i++) lines.push([i / 4, "o", `line ${i}\r\n`]);
    lines.push([10, "m", "deploy"], [10.2, "r", "100x30"], [60, "o", "done\r\n"], [61, "o", "bye\r\n"]);
    const rid = await upload(server, "A deploy", lines.map((l) => JSON.stringify(l)).join("\n"));
    const { top } = await agreed(server, browser, rid, "security", "play"); // of this purpose the rule wants a watermark
    rmSync(top, { recursive: true, force: true });
    const engineer = await person(browser, server, "engineer", complaints);
    await engineer.goto(`${server.host("engineer")}/recordings/${rid}`);
    await engineer.getByRole("link", { name: /^(Watch|Start watching)$/ }).click();
    await engineer.locator("[data-phase=on]").waitFor();
    await engineer.getByRole("checkbox", { name: /Changes of size/ }).check();
    equal("moments", await engineer.locator(".moments ol button .what").allTextContents(), ["deploy", "Now 100 × 30"]);
    equal("one idle span is shaded", await engineer.locator(".strip .idle").count(), 1);
    equal("the watermark", /^engineer \d{4}-\d\d-\d\d \d\d:\d\d UTC$/.test(await engineer.locator(".watermark span").first().textContent()), true);
    await shot(engineer, "watch-terminal");
    await engineer.locator(".moments ol button").nth(1).click();
    await engineer.getByRole("checkbox", { name: "Skip idle time" }).check();
    await eventually("over fifty seconds of silence", () => position(engineer), (x) => x >= 59_000, 15_000);
    equal("nothing to complain about", complaints, []);
  },
  async "an exported page plays in rrweb's own replayer, and says who took it"({ server, browser }) {
    const rid = await upload(server, "A shop to take away", JSON.stringify(shop()));
    const { top, did } = await agreed(server, browser, rid, "support", "export");
    equal("events", await did("export", rid, "-o", join(top, "out.json")), `${shop().length} events`);
    const events = JSON.parse(readFileSync(join(top, "out.json"), "utf8"));
    const page = await browser.newPage();
    await page.setContent("<!doctype html><div id=at></div>");
    await page.addScriptTag({ path: join(root, "web/node_modules/@rrweb/replay/umd/replay.js") });
    const shown = await page.evaluate((list) => {
      const lib = window.rrwebReplay ?? window.rrweb ?? window;
      const player = new lib.Replayer(list, { root: document.getElementById("at"), showWarning: false });
      player.pause(8500);
      const picture = player.iframe.contentDocument;
      const mark = picture.querySelector("dialog:modal"); // above all that the page has
      return { text: picture.body.textContent, mark: mark?.getBoundingClientRect().height > 0 ? mark.textContent : "", length: player.getMetaData().totalTime };
    }, events);
    equal("the page and the mark are in the picture", [/Pay/.test(shown.text), /Exported from Keyhole by engineer, .* \(audit record \d+ of p_/.test(shown.mark)], [true, true]);
    equal("its length", shown.length, 143_500);
    rmSync(top, { recursive: true, force: true });
  },
};

await suite(tests);
