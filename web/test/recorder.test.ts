/* The recorder for pages (sdk/recorder), its parts without a page: masking, the queue, the session, sending. The whole: tests/e2e/recorder.mjs. */
import { describe, expect, it } from "vitest";
import { Masker, maskUrl, maskUrlsIn, stars, type RrEvent } from "../../sdk/recorder/src/mask";
import { fromElement, settle } from "../../sdk/recorder/src/options";
import { item, Queue } from "../../sdk/recorder/src/queue";
import { Sender, type World } from "../../sdk/recorder/src/send";
import { Session, type Saved } from "../../sdk/recorder/src/session";

const TOKEN = "kib_" + "a".repeat(43);
const settings = settle({ server: "https://rec.example.org/anything", token: TOKEN }, "shop.example.org");

describe("masking", () => {
  it("takes values out of addresses and leaves the rest", () => {
    const cases: [string, string][] = [
      ["https://a.org/p", "https://a.org/p"],
      ["https://a.org/p?a=1&b=two&three", "https://a.org/p?a=*&b=*&*"],
      ["/p?", "/p?"],
      ["/p?=x", "/p?=*"],
      ["https://a.org/#token=1", "https://a.org/#*"],
      ["https://a.org/#/orders?id=5", "https://a.org/#/orders?id=*"],
      ["https://a.org/#!/orders", "https://a.org/#!/orders"],
      ["https://user:pass@a.org/", "https://a.org/"],
      ["//user@a.org/x", "//a.org/x"],
      ["mailto:jo@example.org?subject=x", "mailto:*"],
      ["TEL:+123", "tel:*"],
      [" javascript:alert('x')", "javascript:*"],
      ["data:image/png;base64,AAAA", "data:image/png;base64,AAAA"],
      ["/a?x=line\nbreak#y", "/a?x=*#*"],
      ["", ""],
    ];
    expect(cases.map(([from]) => maskUrl(from))).toEqual(cases.map(([, to]) => to));
    expect(maskUrl("/user/5", (u) => u.replace(/\d+/, "N"))).toBe("/user/N");
    expect(maskUrl("/user/5", () => { throw new Error("theirs"); })).toBe("*");
    expect(maskUrlsIn("GET https://a.org/x?k=v failed (http://b.org/?q=1)")).toBe("GET https://a.org/x?k=* failed (http://b.org/?q=*)");
    expect(stars("a b\n\tcé漢")).toBe("* *\n\t***");
  });

  it("reaches every place of an event that may hold text", () => {
    const m = new Masker({ unmask: "", keepAttributes: ["data-known"], maskUrl: undefined }, { getNode: () => null });
    const secret = "SECRET-text";
    const leaf = (id: number) => ({ type: 3, id, textContent: secret });
    const events: RrEvent[] = [
      { type: 4, timestamp: 1, data: { href: "https://a.org/?x=SECRET", width: 1, height: 1 } },
      { type: 2, timestamp: 1, data: { initialOffset: {}, node: { type: 0, id: 1, childNodes: [
        { type: 2, id: 2, tagName: "p", attributes: { class: "c", title: secret, "data-x": secret, "data-known": "open", "aria-label": secret, "aria-hidden": "true", style: "color:red", onclick: secret }, childNodes: [leaf(3)] },
        { type: 2, id: 4, tagName: "input", attributes: { type: "radio", name: "n", value: secret, placeholder: secret }, childNodes: [] },
        { type: 2, id: 5, tagName: "iframe", attributes: { srcdoc: secret, src: "/f?SECRET" }, childNodes: [] },
        { type: 2, id: 6, tagName: "img", attributes: { alt: secret, srcset: "/a?k=SECRET 1x, /b#SECRET 2x" }, childNodes: [] },
        { type: 2, id: 7, tagName: "meta", attributes: { name: "description", content: secret }, childNodes: [] },
        { type: 2, id: 8, tagName: "meta", attributes: { name: "viewport", content: "width=device-width" }, childNodes: [] },
        { type: 2, id: 9, tagName: "style", attributes: { _cssText: "a{}" }, childNodes: [{ type: 3, id: 10, textContent: "a{}" }] },
        { type: 2, id: 11, tagName: "svg", isSVG: true, attributes: { "stroke-width": "2", viewBox: "0 0 1 1", "aria-label": secret }, childNodes: [{ type: 2, id: 12, tagName: "title", isSVG: true, attributes: {}, childNodes: [leaf(13)] }] },
        { type: 2, id: 14, tagName: "x-card", attributes: { "user-name": secret }, childNodes: [] },
        { type: 5, id: 15, textContent: secret },
        { type: 2, id: 16, tagName: "title", attributes: {}, childNodes: [leaf(17)] },
      ] } } },
      { type: 3, timestamp: 1, data: { source: 0, removes: [], texts: [{ id: 3, value: secret }], attributes: [{ id: 2, attributes: { title: secret, class: "d", href: "/?SECRET", style: { color: "red" }, hidden: null } }], adds: [{ parentId: 1, nextId: null, node: leaf(20) }, { parentId: 1, nextId: null, node: { type: 2, id: 21, tagName: "option", attributes: { value: secret, label: secret }, childNodes: [leaf(22)] } }] } },
      { type: 3, timestamp: 1, data: { source: 5, id: 4, text: secret, isChecked: true } },
    ];
    for (const e of events) m.event(e);
    const text = JSON.stringify(events);
    expect(text).not.toContain("SECRET");
    for (const kept of ['"class":"c"', '"data-known":"open"', '"aria-hidden":"true"', "color:red", "a{}", '"stroke-width":"2"', "width=device-width", '"name":"n"', '"hidden":null'])
      expect(text).toContain(kept);
    expect(text).toContain('"text":"***********"');
  });

  it("does not end the stack on a deep page", () => {
    let node: any = { type: 3, id: 1, textContent: "x" };
    for (let i = 2; i < 30_000; i++) node = { type: 2, id: i, tagName: "div", attributes: {}, childNodes: [node] };
    const e = { type: 2, timestamp: 1, data: { node } };
    new Masker(settings, { getNode: () => null }).event(e);
    let n = node;
    while (n.childNodes) n = n.childNodes[0];
    expect(n.textContent).toBe("*");
  });
});

describe("options", () => {
  it("refuses what cannot be right, and nothing else", () => {
    for (const token of ["", "kit_" + "a".repeat(43), "kib_" + "a".repeat(42), "kib_" + "-".repeat(43)])
      expect(() => settle({ server: "https://a.org", token }, "h")).toThrow(/public token/);
    expect(() => settle({ server: "nonsense", token: TOKEN }, "h")).toThrow();
    expect(() => settle({ server: "https://a.org", token: TOKEN, mode: "never" as any }, "h")).toThrow(/mode/);
    expect(settings).toMatchObject({ server: "https://rec.example.org", title: "shop.example.org", mode: "always", consent: "given", gpc: "respect", network: true, console: ["warn", "error"], checkoutEveryNms: 300_000 });
    expect(settle({ server: "https://a.org", token: TOKEN, mode: "on-error", sample: 7 }, "h")).toMatchObject({ checkoutEveryNms: 30_000, sample: 1 });
  });

  it("reads an element", () => {
    const o = fromElement("https://rec.example.org/assets/x.js", { token: TOKEN, mode: "sampled", sample: "0.25", consent: "required", tags: "team=web, release=1=2", console: "off", keepAttributes: "data-a data-b", network: "off" });
    expect(settle(o, "h")).toMatchObject({ server: "https://rec.example.org", mode: "sampled", sample: 0.25, consent: "required", tags: { team: "web", release: "1=2" }, console: [], keepAttributes: ["data-a", "data-b"], network: false });
    expect(settle(fromElement("https://a.org/x.js", { token: TOKEN }), "h")).toMatchObject({ console: ["warn", "error"], network: true, consent: "given", sample: 1 });
  });
});

const meta = (at: number) => item(JSON.stringify({ type: 4, data: {}, timestamp: at }), at);
const inc = (at: number, pad = 0) => item(JSON.stringify({ type: 3, data: { source: 1, pad: "x".repeat(pad) }, timestamp: at }), at);
const types = (json: string) => JSON.parse(json).map((e: any) => (e.type === 5 ? e.data.tag : e.type));

describe("the queue", () => {
  it("cuts batches, one event at least", () => {
    const q = new Queue(1e6);
    for (const i of [meta(1), inc(2), inc(3, 500), inc(4)]) q.add(i);
    expect(types(q.take(120)!.json)).toEqual([4, 3]);
    expect(q.take(120)).toMatchObject({ n: 1, from: 3, to: 3 });
    expect(types(q.take(120)!.json)).toEqual([3]);
    expect([q.take(120), q.bytes, q.length]).toEqual([null, 0, 0]);
  });

  it("drops whole checkouts, the oldest first, and says so in their place", () => {
    const q = new Queue(2000);
    for (const i of [meta(1), inc(2, 900), meta(10), inc(11, 900), meta(20), inc(21, 100)]) q.add(i);
    expect([q.full, q.shrink("full"), q.full]).toEqual([true, 2, false]);
    const b = JSON.parse(q.take(1e6)!.json);
    expect(b.map((e: any) => e.type)).toEqual([5, 4, 3, 4, 3]);
    expect(b[0]).toEqual({ type: 5, data: { tag: "keyhole/dropped", payload: { events: 2, from: 1, to: 2, reason: "full" } }, timestamp: 10 });
    q.add(meta(30)); q.add(inc(31, 3000));
    expect([q.shrink("full"), q.full]).toEqual([0, true]); // the only one is the caller's to give up
    expect(q.drop(Infinity, "full")).toBe(2);
    expect(types(q.take(1e6)!.json)).toEqual(["keyhole/dropped"]);
  });

  it("keeps a minute of checkouts for on-error", () => {
    const q = new Queue(1e6);
    for (let t = 0; t <= 150_000; t += 30_000) { q.add(meta(t)); q.add(inc(t + 1)); q.keep(60_000, t); }
    expect(JSON.parse(q.take(1e6)!.json)[0].timestamp).toBe(90_000); // 150 s - 60 s
  });

  it("saves what fits, from a place where playing can begin", () => {
    const q = new Queue(1e6);
    for (const i of [meta(1), inc(2, 900), meta(10), inc(11, 100)]) q.add(i);
    expect(q.save(1e6).length).toBe(4);
    expect(q.save(600).map((i) => i.at)).toEqual([10, 11]);
    expect(q.save(100)).toEqual([]);
  });
});

class Store {
  kept = new Map<string, string>();
  full = false;
  getItem(k: string) { return this.kept.get(k) ?? null; }
  setItem(k: string, v: string) { if (this.full) throw new Error("QuotaExceededError"); this.kept.set(k, v); }
  removeItem(k: string) { this.kept.delete(k); }
}
const store = () => new Store() as unknown as Storage & Store;
const limits = { idleMs: 1000, sessionMs: 10_000 };
const fresh = () => ({ session: "s" + Math.random(), sampled: true });

describe("the session", () => {
  it("goes on over pages, until it is idle, old, another's or duplicated", () => {
    const kept = store();
    const a = new Session(kept, TOKEN, limits, 5000, fresh);
    a.data.rid = "r_1"; a.data.next = 4;
    const copied = new Session(kept, TOKEN, limits, 5100, fresh); // nobody left: a copy of the tab, or a crash
    expect([copied.data.session, copied.data.rid, copied.resumed]).toEqual([a.data.session, undefined, false]);
    a.leave(5200, [{ seq: 3, json: "[]", n: 0, from: 1, to: 1 }], [meta(1)]);
    const saved = kept.getItem("keyhole")!;
    const next = (now: number, token = TOKEN) => { kept.setItem("keyhole", saved); return new Session(kept, token, limits, now, fresh); };
    const b = next(6200 - 1);
    expect([b.resumed, b.data.rid, b.data.next, b.data.flying.length, b.data.waiting.length]).toEqual([true, "r_1", 4, 1, 1]);
    expect([next(6200).resumed, next(5900, TOKEN.replace("a", "b")).resumed, next(-60_000).resumed]).toEqual([false, false, false]);
    for (const broken of ["", "{", "null", "[]", '{"v":2}', '{"v":1,"flying":[]}']) {
      kept.setItem("keyhole", broken);
      expect(new Session(kept, TOKEN, limits, 1, fresh).resumed).toBe(false);
    }
    const old = new Session(store(), TOKEN, limits, 0, fresh);
    expect(old.data.began).toBe(0);
  });

  it("works where storage is full or forbidden", () => {
    const kept = store();
    kept.full = true;
    const s = new Session(kept, TOKEN, limits, 1, fresh);
    s.leave(2, [], [meta(1)]);
    expect([s.data.next, kept.kept.size]).toEqual([0, 0]);
    expect(new Session(null, TOKEN, limits, 1, fresh).resumed).toBe(false);
  });
});

/* A server that answers as it is told, and a clock that the test moves. */
function house(answers: (call: { url: URL; body: string; n: number }) => { status: number; body?: unknown; retry?: string } | "broken") {
  const calls: { url: URL; body: string; keepalive: boolean }[] = [];
  const waits: { ms: number; fn: () => void }[] = [];
  const told: string[] = [];
  const world: World = {
    now: () => 1e6, random: () => 0.5,
    later: (fn, ms) => { const w = { ms, fn }; waits.push(w); return () => { waits.splice(waits.indexOf(w), 1); }; },
    fetch: (async (url: string, init: RequestInit) => {
      const call = { url: new URL(url), body: String(init.body), keepalive: init.keepalive === true };
      calls.push(call);
      const a = answers({ ...call, n: calls.length });
      if (a === "broken") throw new TypeError("failed");
      return { status: a.status, headers: new Headers(a.retry ? { "Retry-After": a.retry } : {}), json: async () => a.body ?? {} };
    }) as unknown as typeof fetch,
  };
  const queue = new Queue(1e6);
  const session = new Session(null, TOKEN, limits, 1, fresh);
  const sender = new Sender(settings, session, queue, world, { form: () => ({ kind: "rrweb" }), snapshot: () => { told.push("snapshot"); }, fatal: (w) => { told.push("fatal " + w); sender.stop(); }, notice: (n) => { told.push(n.type); }, created: () => { told.push("created"); } });
  return { calls, waits, told, queue, session, sender, settle: async () => { for (let i = 0; i < 40; i++) await Promise.resolve(); } };
}
const good = ({ url }: { url: URL }) => (url.pathname.endsWith("/events") ? { status: 200, body: { next_batch: Number(url.searchParams.get("batch_seq")) + 1 } } : { status: 201, body: { id: "r_AAAAAAAAAAAAAAAA" } });

describe("sending", () => {
  it("makes the recording, then one batch after the other, with the token in the query and no header that asks for a preflight", async () => {
    const h = house(good);
    h.queue.add(meta(100)); h.queue.add(inc(101));
    void h.sender.pump();
    await h.sender.drained();
    expect(h.calls.map((c) => c.url.pathname + c.url.search)).toEqual([`/v1/recordings?token=${TOKEN}`, `/v1/recordings/r_AAAAAAAAAAAAAAAA/events?token=${TOKEN}&batch_seq=0`]);
    expect([h.session.data.next, h.session.data.first, h.sender.pending]).toEqual([1, 100, false]);
  });

  it("waits as long as it is told, else doubling with jitter, and sends the same again", async () => {
    let n = 0;
    const h = house((c) => (!c.url.pathname.endsWith("/events") ? good(c) : ++n === 1 ? { status: 429, retry: "7" } : n === 2 ? { status: 503 } : n === 3 ? "broken" : n === 4 ? { status: 502 } : good(c)));
    h.queue.add(meta(1));
    await h.sender.pump();
    const seen: number[] = [];
    for (let i = 0; i < 4; i++) { expect(h.waits.length).toBe(1); const w = h.waits.pop()!; seen.push(w.ms); h.queue.add(inc(2 + i)); w.fn(); await h.settle(); }
    expect(seen).toEqual([7500, 1500, 3000, 6000]);
    const sent = h.calls.slice(1);
    expect(new Set(sent.slice(0, 5).map((c) => c.url.search + c.body)).size).toBe(1);
    expect(JSON.parse(sent[5]!.body).length).toBe(4);
    expect(h.told.filter((t) => t === "waiting").length).toBe(1); // once an outage
  });

  it("stops for good where asking again is no use", async () => {
    for (const [status, code] of [[401, "login-needed"], [403, "origin-refused"]] as const) {
      const h = house(() => ({ status, body: { code } }));
      h.queue.add(meta(1));
      await h.sender.pump();
      expect([h.told, h.waits.length, h.calls.length]).toEqual([[`fatal ${status} ${code}`], 0, 1]);
    }
  });

  it("closes a gap with a snapshot, gives a bad batch up, and goes on in another recording when one has ended", async () => {
    let n = 0;
    const gap = house((c) => (c.url.pathname.endsWith("/events") && ++n === 1 ? { status: 409, body: { code: "batch-gap", next_batch: 2 } } : good(c)));
    gap.session.data.rid = "r_AAAAAAAAAAAAAAAA"; gap.session.data.next = 5;
    gap.queue.add(inc(1));
    await gap.sender.pump();
    expect([gap.calls.map((c) => c.url.searchParams.get("batch_seq")), gap.told, gap.session.data.next]).toEqual([["5", "2"], ["dropped", "snapshot"], 3]);

    n = 0;
    const bad = house((c) => (c.url.pathname.endsWith("/events") && ++n === 1 ? { status: 422, body: { code: "import-broken" } } : good(c)));
    bad.queue.add(meta(1)); bad.queue.add(inc(2));
    await bad.sender.pump();
    expect(types(bad.calls.at(-1)!.body)).toEqual(["keyhole/dropped"]);
    expect([bad.calls.at(-1)!.url.searchParams.get("batch_seq"), bad.told]).toEqual(["0", ["created", "refused", "snapshot"]]);

    n = 0;
    const over = house((c) => (c.url.pathname.endsWith("/events") && ++n === 1 ? { status: 409, body: { code: "recording-ended" } } : good(c)));
    over.session.data.rid = "r_OOOOOOOOOOOOOOOO"; over.session.data.next = 9;
    for (const i of [inc(1), meta(2), inc(3)]) over.queue.add(i);
    await over.sender.pump();
    expect(over.told).toContain("created");
    expect(over.session.data.rid).toBe("r_AAAAAAAAAAAAAAAA");
  });

  it("sends what fits as the page is left: what is under way again, then one more", async () => {
    let hold: (() => void) | null = null;
    const h = house(good);
    h.session.data.rid = "r_AAAAAAAAAAAAAAAA";
    h.queue.add(meta(1));
    void h.sender.pump(); // under way
    h.queue.add(inc(2, 40_000)); h.queue.add(inc(3, 40_000));
    h.sender.exit(true);
    const out = h.calls.filter((c) => c.keepalive);
    expect(out.map((c) => c.url.searchParams.get("batch_seq"))).toEqual(["0", "1"]);
    expect(out.reduce((s, c) => s + c.body.length, 0)).toBeLessThanOrEqual(60_000);
    expect([h.sender.unacknowledged.map((b) => b.seq), h.queue.save(1e6).map((i) => i.at)]).toEqual([[0, 1], [3]]);
    expect(hold).toBe(null);
    const none = house(good);
    none.queue.add(meta(1));
    none.sender.exit(true); // no recording yet: everything is kept for the next page
    expect([none.calls.length, none.queue.save(1e6).length]).toEqual([0, 1]);
  });

  it("takes over what an earlier page could not send", async () => {
    const h = house(good);
    const d: Saved = h.session.data;
    Object.assign(d, { rid: "r_AAAAAAAAAAAAAAAA", next: 3, first: 50, flying: [{ seq: 2, json: '["old"]', n: 1, from: 1, to: 1 }], waiting: [inc(60)] });
    h.sender.resume();
    h.queue.add(meta(70));
    await h.sender.pump();
    expect(h.calls.map((c) => [c.url.searchParams.get("batch_seq"), c.body.slice(0, 9)])).toEqual([["2", '["old"]'], ["3", '[{"type":']]);
    expect(types(h.calls[1]!.body)).toEqual([3, 4]);
  });
});
