// The real clients of others (posthog-js, @sentry/browser with its replay, @rrweb/browser-client) on a page of another origin: somebody types, clicks, an
// error is thrown, goes to another page and closes it. What they send becomes recordings that play; what was typed is nowhere in them; the error leads to
// the recording and the second. And beside their own services, of which a sink stands here.
import { createServer } from "node:http";
import { createRequire } from "node:module";
import { join } from "node:path";
import { call, equal, eventually, person, playerFrame, root, shot, signIn, sleep, suite } from "./_lib.mjs";

const need = createRequire(join(root, "web/package.json"));
const TYPED = "tried-to-pay-4111-canary";
const MAIL = "jane.canary@example.com"; // in the page's text: the server's rules take it out
const CLIENTS = ["posthog", "sentry", "rrweb", "posthog-beside", "sentry-beside"];

const sources = {
  posthog: `import "posthog-js/dist/exception-autocapture";
    import posthog from "posthog-js/dist/module.full.no-external";
    window.begin = (o) => { posthog.init(o.token, { api_host: o.api, capture_pageview: false, autocapture: false, capture_exceptions: true, disable_surveys: true, opt_out_useragent_filter: true,
      ...(o.beside ? { api_host: o.beside, rewriteRequestPath: (url) => { if (url.pathname !== "/s/") return url; const to = new URL(o.api + "/s/" + url.search); to.searchParams.set("token", o.keyhole); return to; } } : {}) }); };
    window.names = () => ({ session: posthog.get_session_id() });`,
  sentry: `import * as Sentry from "@sentry/browser";
    window.begin = (o) => {
      Sentry.init({ dsn: o.dsn, replaysSessionSampleRate: 1, replaysOnErrorSampleRate: 1, integrations: [Sentry.replayIntegration({ maskAllText: false, blockAllMedia: false, minReplayDuration: 0 })],
        ...(o.beside ? { dsn: o.beside, transport: Sentry.makeMultiplexedTransport(Sentry.makeFetchTransport, () => [o.beside, o.dsn]) } : {}) });
    };
    window.names = () => ({ replay: Sentry.getReplay().getReplayId(), error: Sentry.lastEventId() });`,
  rrweb: `import { start, getRecordingId } from "@rrweb/browser-client";
    window.begin = (o) => start({ serverUrl: o.api + "/recordings/{recordingId}/events/ws", publicApiKey: o.token });
    window.names = () => ({ session: getRecordingId() });`,
};

const html = (n) => `<!doctype html><html lang="en"><head><title>Shop</title><style>body { font-family: sans-serif } .big { color: rgb(0, 90, 0) }</style></head><body>
  <h1>Page ${n} of the shop</h1><p class="big">Write to ${MAIL} when something fails.</p>
  <label>Card <input id="card"></label> <button id="pay" onclick="document.querySelector('#out').textContent = 'It was clicked'; setTimeout(() => { throw new Error('no payment today'); })">Pay</button>
  <p id="out"></p><script src="/sdk.js"></script><script>begin(JSON.parse(sessionStorage.options ?? "{}"))</script></body></html>`;

async function listen(answer) {
  const s = createServer(answer);
  await new Promise((ok) => s.listen(0, "127.0.0.1", ok));
  return { url: `http://127.0.0.1:${s.address().port}`, stop: () => { s.closeAllConnections(); s.close(); } };
}

/* The shop: its pages and one client's code, made from the real packages. */
async function startShop(client) {
  const out = await need("esbuild").build({ stdin: { contents: sources[client], resolveDir: join(root, "web"), loader: "js" }, bundle: true, write: false, format: "iife", target: "es2020", logLevel: "error", define: { "process.env.NODE_ENV": '"production"' } });
  const code = out.outputFiles[0].text;
  return listen((q, a) => {
    if (q.url === "/sdk.js") a.writeHead(200, { "Content-Type": "text/javascript" }).end(code);
    else if (q.url === "/blank") a.writeHead(200, { "Content-Type": "text/html" }).end("<!doctype html><title>nothing</title>");
    else if (/^\/\d$/.test(q.url)) a.writeHead(200, { "Content-Type": "text/html" }).end(html(q.url.slice(1)));
    else a.writeHead(404).end();
  });
}

/* What stands where the clients' own services are: it takes everything, and counts. */
async function startSink() {
  const got = { paths: [], replays: 0 };
  const s = await listen((q, a) => {
    const chunks = [];
    q.on("data", (d) => chunks.push(d));
    q.on("end", () => {
      const path = new URL(q.url, "http://x").pathname;
      if (q.method === "POST") got.paths.push(path);
      if (Buffer.concat(chunks).includes("replay_recording")) got.replays++;
      a.writeHead(200, { "Content-Type": "application/json", "Access-Control-Allow-Origin": "*", "Access-Control-Allow-Headers": "*" });
      a.end(path.startsWith("/array/") ? JSON.stringify({ sessionRecording: { endpoint: "/s/" }, supportedCompression: ["gzip-js"], hasFeatureFlags: false }) : "{}");
    });
  });
  return { ...s, got };
}

/* Somebody uses the shop, and leaves. What the client calls its session, and its error. */
async function use(browser, shop, options) {
  const context = await browser.newContext();
  const page = await context.newPage();
  await page.goto(shop.url + "/blank");
  await page.evaluate((o) => { sessionStorage.options = JSON.stringify(o); }, options);
  await page.goto(shop.url + "/1");
  await sleep(1500);
  await page.locator("#card").pressSequentially(TYPED, { delay: 15 });
  await sleep(300);
  await page.locator("#pay").click();
  const clicked = Date.now();
  await sleep(6500);
  const names = await page.evaluate(() => window.names());
  await page.goto(shop.url + "/2");
  await sleep(1500);
  await page.locator("#card").pressSequentially(TYPED, { delay: 15 });
  await sleep(6500);
  await page.locator("#out").evaluate((e) => { e.textContent = "Goodbye then"; });
  await sleep(200);
  await page.close({ runBeforeUnload: true });
  await sleep(700);
  await context.close();
  return { ...names, clicked };
}

async function startTokens(server, origins) {
  const project = (await call(server, "GET", "/v1/projects", { token: server.admin })).json.items.find((p) => p.name === "shop");
  equal("origins", (await call(server, "PATCH", `/v1/projects/${project.id}`, { token: server.admin, body: { origins } })).status, 200);
  const make = async (more) => (await call(server, "POST", "/v1/tokens", { token: server.admin, body: { kind: "ingest", project: project.id, name: "shop", ...more } })).json.token;
  return { page: await make({ browser: true }), ender: await make({}) };
}

const world = {};

await suite({
  async "five clients record at once"({ server, browser }) {
    const shops = {};
    for (const c of Object.keys(sources)) shops[c] = await startShop(c);
    const sink = await startSink();
    const { page, ender } = await startTokens(server, Object.values(shops).map((s) => s.url));
    const dsn = server.url.replace("://", `://${page}@`) + "/1";
    const options = {
      "posthog": { token: page, api: server.url },
      "sentry": { dsn },
      "rrweb": { token: page, api: server.url },
      "posthog-beside": { token: "phc_of_their_own", api: server.url, keyhole: page, beside: sink.url },
      "sentry-beside": { dsn, beside: sink.url.replace("://", "://abc@") + "/7" },
    };
    const names = await Promise.all(CLIENTS.map((c) => use(browser, shops[c.replace("-beside", "")], options[c])));
    world.names = Object.fromEntries(CLIENTS.map((c, i) => [c, names[i]]));
    world.token = await signIn(server, "engineer");
    world.ender = ender;
    for (const s of [...Object.values(shops), sink]) s.stop();
    world.sink = sink.got;
  },

  async "each is found by what its client calls it"({ server }) {
    world.found = {};
    for (const c of CLIENTS) {
      const [type, id] = Object.entries(world.names[c])[0];
      const items = await eventually(`${c}: ${type}:${id}`, async () => (await call(server, "GET", `/v1/recordings?link=${type}:${id}`, { token: world.token })).json.items, (x) => x.length === 1);
      world.found[c] = items[0];
      equal(`${c}: kind`, items[0].kind, "rrweb");
      equal(`${c}: it has begun at its start`, items[0].links.find((l) => l.type === type).at_ms < 1500, true);
    }
    equal("five recordings", new Set(Object.values(world.found).map((r) => r.id)).size, 5);
    for (const c of ["posthog", "sentry", "sentry-beside"]) {
      const { links, started_at } = world.found[c];
      const { error, clicked } = world.names[c];
      const link = links.find((l) => l.type === "error" && (error === undefined || l.id === error));
      equal(`${c}: its error has its second, ${link?.at_ms} of ${clicked - Date.parse(started_at)}`, Math.abs(link?.at_ms - (clicked - Date.parse(started_at))) < 1500, true);
    }
  },

  async "their own services hear of it, too"() {
    equal("Sentry's has replays", world.sink.replays > 0, true);
    equal("PostHog's has events", world.sink.paths.some((p) => p === "/e/" || p === "/i/v0/e/"), true);
    equal("but no snapshots", world.sink.paths.includes("/s/"), false);
  },

  async "they play; what was typed is nowhere"({ server, browser }) {
    const complaints = [];
    const engineer = await person(browser, server, "engineer", complaints);
    const rids = CLIENTS.map((c) => world.found[c].id);
    for (const rid of rids) equal("ended", (await call(server, "POST", `/v1/recordings/${rid}/end`, { token: world.ender })).status, 200);
    const q = await call(server, "POST", "/v1/requests", { token: world.token, body: { recordings: rids, actions: ["play"], duration_s: 600, purpose: { code: "debugging", reason: "The shop's payments fail, see the ticket" } } });
    equal("asked", q.status, 201);
    const approver = await signIn(server, "approver");
    const decided = await call(server, "POST", `/v1/requests/${q.json.id}/approve`, { token: approver, body: { digest: q.json.digest } });
    equal("approved", decided.status, 200);
    for (const c of CLIENTS) {
      const { id, links } = world.found[c];
      const key = await call(server, "POST", `/v1/grants/${decided.json.grant}/keys`, { token: world.token, body: { recording: id } });
      equal(`${c}: a key`, key.status, 201);
      const events = await call(server, "GET", `/v1/replay/${id}/events?from_ms=0`, { token: key.json.key });
      equal(`${c}: events`, events.status, 200);
      equal(`${c}: both pages are in it`, ["Page 1 of the shop", "Page 2 of the shop", "It was clicked"].map((t) => events.text.includes(t)), [true, true, true]);
      if (!c.startsWith("sentry")) equal(`${c}: what it sent when the page closed`, events.text.includes("Goodbye then"), true); // Sentry's own client gives that up
      equal(`${c}: nothing that was typed, no address`, [TYPED, MAIL].map((t) => events.text.includes(t)), [false, false]);
      const at = links.find((l) => l.type === "error")?.at_ms ?? 5000;
      await engineer.goto(`${server.host("engineer")}/watch/${id}?at=${(at / 1000 + 0.5).toFixed(2)}`);
      await eventually(`${c}: it plays`, async () => playerFrame(engineer).childFrames()[0].locator("h1").textContent(), (x) => x === "Page 1 of the shop" || x === "Page 2 of the shop", 20_000);
      await shot(engineer, `foreign-${c}`);
    }
    equal("complaints", complaints, []);
  },
});
