// Records a customer on demo/shop in a real Chromium with @rrweb/record: writes demo/recordings/checkout.json, an rrweb event array.
//
//   node demo/record-shop.mjs        (after the web build, whose packages it uses; Chromium as /usr/bin/chromium or $CHROMIUM)
//
// The cursor and the keys are real input events, moved by a fixed random seed, so another run tells the same story.
import { createServer } from "node:http";
import { readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { extname } from "node:path";

const here = new URL(".", import.meta.url);
const need = createRequire(new URL("../web/package.json", here));
const { chromium } = need("playwright-core");
const recorder = readFileSync(new URL("../web/node_modules/@rrweb/record/dist/record.umd.min.cjs", here), "utf8");

const types = { ".html": "text/html; charset=utf-8", ".css": "text/css", ".js": "text/javascript" };
const server = createServer((q, r) => {
  const path = q.url === "/cart" ? "/index.html" : q.url;
  try {
    const body = readFileSync(new URL("shop" + path, here));
    r.writeHead(200, { "Content-Type": types[extname(path)] ?? "text/plain" }).end(body);
  } catch {
    r.writeHead(404).end();
  }
});
await new Promise((ok) => server.listen(Number(process.env.PORT ?? 0), "127.0.0.1", ok));
const address = `http://127.0.0.1:${server.address().port}/cart`;

const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: ["--no-sandbox"] });
const page = await browser.newPage({ viewport: { width: 1180, height: 760 } });
const events = [];
await page.exposeFunction("kept", (e) => { events.push(e); });
// Only in the page itself: the recorder makes frames of its own.
await page.addInitScript(`if (self === top) { ${recorder}
  addEventListener("DOMContentLoaded", () => {
    rrwebRecord.record({ emit: (e) => kept(e), maskInputOptions: { password: true }, sampling: { mousemove: 60, scroll: 120 } });
    setInterval(() => rrwebRecord.record.takeFullSnapshot(true), 15000); // where seeking can start
  }); }`);
await page.goto(address);
await page.waitForTimeout(1200);

let seed = 20261121;
const random = () => (seed = (seed * 1103515245 + 12345) & 0x7fffffff) / 0x7fffffff;
const rest = (ms) => page.waitForTimeout(ms * (0.8 + random() * 0.4));
let mouse = { x: 640, y: 420 };

async function moveTo(selector) {
  await page.locator(selector).scrollIntoViewIfNeeded();
  const box = await page.locator(selector).boundingBox();
  const to = { x: box.x + box.width * (0.35 + random() * 0.3), y: box.y + box.height * (0.35 + random() * 0.3) };
  const bend = { x: (mouse.x + to.x) / 2 + (random() - 0.5) * 120, y: (mouse.y + to.y) / 2 + (random() - 0.5) * 80 };
  for (let i = 1; i <= 24; i++) {
    const k = i / 24;
    const e = k * k * (3 - 2 * k); // slow, fast, slow
    const at = (a, b, c) => (1 - e) * (1 - e) * a + 2 * (1 - e) * e * b + e * e * c;
    await page.mouse.move(at(mouse.x, bend.x, to.x), at(mouse.y, bend.y, to.y));
    await page.waitForTimeout(22);
  }
  mouse = to;
}
async function click(selector) {
  await moveTo(selector);
  await rest(180);
  await page.mouse.down();
  await page.waitForTimeout(70);
  await page.mouse.up();
  await rest(600);
}
async function write(selector, text) {
  await click(selector);
  await page.keyboard.press("Control+a");
  for (const c of text) {
    await page.keyboard.type(c);
    await rest(85);
  }
  await rest(300);
}

await click("#add-tent");
await click("#add-pack");
await moveTo("#add-boots");
await rest(900);
await click("#add-map");
await click("#cart-link");
await rest(1200);
await write("#code", "AUTUM15");
await click("#apply");
await rest(1400);
await write("#code", "AUTUMN15");
await click("#apply");
await rest(1500);
await moveTo("#total");
await rest(900);
await click("#checkout");
await write("#name", "Sample Customer");
await write("#street", "12 Example Lane");
await write("#town", "Sampletown");
await write("#card", "4000000000000002");
await click("#place");
await page.waitForSelector("#banner:not([hidden])");
await rest(1500);
await moveTo("#banner code");
await rest(2200);
await click("#place");
await page.waitForTimeout(1800);
await moveTo("#banner");
await rest(1800);
await click("#cart-link");
await rest(1500);
await moveTo("#off");
await rest(2200);
await page.waitForTimeout(500);
await browser.close();
server.close();

// The address of this run is nobody's business: every recording says the same.
const text = JSON.stringify(events).replaceAll(new URL(address).origin, "https://shop.example");
const file = new URL("recordings/checkout.json", here);
writeFileSync(file, text + "\n");
const seconds = (events.at(-1).timestamp - events[0].timestamp) / 1000;
console.log(`${events.length} events, ${seconds.toFixed(1)} s, ${(text.length / 1024).toFixed(0)} KiB, ${events.filter((e) => e.type === 2).length} full snapshots`);
