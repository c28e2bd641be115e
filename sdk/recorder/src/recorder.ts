/* The recorder of one page: consent, rrweb, masking, the queue, sending, and what the page may call. */
import { record } from "@rrweb/record";
import { captureConsole, captureErrors, captureNetwork } from "./capture";
import { Masker, type RrEvent } from "./mask";
import { settle, type Notice, type Options, type Settings } from "./options";
import { item, Queue } from "./queue";
import { Sender, BATCH_CHARS, type World } from "./send";
import { Session } from "./session";

const FLUSH_MS = 2000;
const RING_MS = 60_000;
const SAVE_CHARS = 1_000_000; // of sessionStorage, which the page needs too
const LINKS_MAX = 32;
const FULL = "the buffer is full";
const FORCE_MS = 5000; // between full snapshots that something asked for

export type State = "waiting-for-consent" | "off" | "buffering" | "recording" | "stopped";

export interface Keyhole {
  /** What it does now; `why` says why it is off or stopped. */
  readonly state: State;
  readonly why: string;
  /** The recording's id, once the server has made it. */
  readonly recording: string | null;
  /** The session: one visit, which may have several recordings. */
  readonly session: string | null;
  /** Address of a second of this recording ("now", or a time): null while there is none. It opens nothing without access. */
  link(o?: { at?: "now" | number | Date }): string | null;
  /** Ties the recording to something else (`find error:ID`), at this second. */
  addLink(type: string, id: string): void;
  /** A moment with a name of yours (no personal data, please: it is not masked here). */
  event(tag: string, payload?: unknown): void;
  /** on-error: what happened is worth keeping. */
  capture(): void;
  consent(given: boolean): void;
  /** Sends what waits; resolves when the server has it. */
  flush(): Promise<void>;
  /** Ends the recording. */
  stop(): Promise<void>;
}

/** Begins to record this page. Throws when server or token cannot be right; nothing that happens later reaches the page. */
export function start(options: Options): Keyhole {
  return new Recorder(settle(options, location.hostname));
}

const zip = typeof CompressionStream === "undefined" ? undefined
  : (text: string) => new Response(new Blob([text]).stream().pipeThrough(new CompressionStream("gzip"))).arrayBuffer();

class Recorder implements Keyhole {
  state: State = "off";
  why = "";
  private live: Live | null = null;

  constructor(private set: Settings) {
    this.safely(() => {
      if (set.gpc === "respect" && (navigator as any).globalPrivacyControl === true) this.why = "Global Privacy Control";
      else if (set.consent === "required" && !Session.exists(storage())) this.state = "waiting-for-consent";
      else this.begin(); // what an earlier page of this tab left was agreed to
    });
  }

  private safely<T>(fn: () => T): T | undefined {
    try {
      return fn();
    } catch (e) {
      this.notice({ type: "failed", detail: String(e) });
      return undefined;
    }
  }

  private notice(n: Notice): void {
    try {
      this.set.onNotice?.(n);
    } catch { /* the page's */ }
  }

  private begin(): void {
    this.live = new Live(this.set, (n) => this.notice(n), (state, why) => { this.state = state; this.why = why; });
    this.live.begin();
  }

  get recording(): string | null { return this.live?.session.data.rid ?? null; }
  get session(): string | null { return this.live?.session.data.session ?? null; }

  consent(given: boolean): void {
    this.safely(() => {
      if (given && this.state === "waiting-for-consent") {
        this.begin();
      } else if (!given) {
        const was = this.live;
        this.live = null;
        was?.withdraw();
        if (this.why !== "Global Privacy Control") { this.state = "waiting-for-consent"; this.why = "consent was withdrawn"; }
      }
    });
  }

  link(o: { at?: "now" | number | Date } = {}): string | null { return this.safely(() => this.live?.link(o.at ?? "now") ?? null) ?? null; }
  addLink(type: string, id: string): void { this.safely(() => this.live?.addLink(String(type), String(id))); }
  event(tag: string, payload?: unknown): void { this.safely(() => this.live?.custom(String(tag), payload)); }
  capture(): void { this.safely(() => this.live?.keepIt()); }
  async flush(): Promise<void> { await this.safely(() => this.live?.flush()); }
  async stop(): Promise<void> { await this.safely(() => this.live?.end()); }
}

function storage(): Storage | null {
  try {
    return window.sessionStorage;
  } catch {
    return null; // forbidden here: every page is a recording
  }
}

function random(): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(12)), (b) => b.toString(16).padStart(2, "0")).join("");
}

class Live {
  readonly session: Session;
  private queue: Queue;
  private sender: Sender;
  private masker: Masker;
  private undo: (() => void)[] = [];
  private over = false;
  private sending: boolean;
  private forcedAt = -Infinity;
  private checkedAt = 0;
  private links: { type: string; id: string; at: number }[] = []; // not yet sent; at: wall clock
  private asking = false;
  private blind = false; // what the next events change is not known to a player: from the next full snapshot on

  constructor(private set: Settings, private notice: (n: Notice) => void, private tell: (s: State, why: string) => void) {
    const now = Date.now();
    this.session = new Session(storage(), set.token, set, now, () => ({ session: random(), sampled: set.mode !== "sampled" || Math.random() < set.sample }));
    this.queue = new Queue(set.bufferBytes);
    const world: World = {
      fetch: window.fetch.bind(window), now: () => Date.now(), random: Math.random, gzip: zip,
      later: (fn, ms) => { const t = setTimeout(fn, ms); return () => clearTimeout(t); },
      beacon: navigator.sendBeacon ? (url, body) => navigator.sendBeacon(url, body) : undefined,
    };
    this.sender = new Sender(set, this.session, this.queue, world, {
      form: () => this.form(),
      snapshot: () => this.snapshot(),
      fatal: (why) => this.finish("stopped", why),
      notice,
      created: () => { this.session.hold(Date.now()); this.sendLinks(); },
    });
    this.masker = new Masker(set, { getNode: (id) => record.mirror.getNode(id) });
    this.sending = set.mode !== "on-error" || this.session.data.errored === true;
  }

  private form(): Record<string, unknown> {
    const s = this.set;
    return {
      kind: "rrweb", title: s.title, subject: s.subject, session: this.session.data.session, env: s.env, class: s.class,
      tags: Object.keys(s.tags).length > 0 ? s.tags : undefined, links: s.links.length > 0 ? s.links : undefined,
      started_at: new Date(this.session.data.first ?? Date.now()).toISOString(),
    };
  }

  begin(): void {
    if (!this.session.data.sampled) {
      this.tell("off", "not in the sample");
      return;
    }
    this.tell(this.sending ? "recording" : "buffering", "");
    const stop = record({
      emit: (e) => this.safely(() => this.take(e as unknown as RrEvent)),
      maskAllInputs: true,
      maskInputFn: (text, el) => this.masker.input(text, el),
      slimDOMOptions: { script: true, comment: true, headFavicon: true, headMetaSocial: true, headMetaRobots: true, headMetaHttpEquiv: true, headMetaVerification: true, headMetaAuthorship: true, headMetaDescKeywords: true },
      inlineStylesheet: true,
      collectFonts: false,
      recordCanvas: false,
      blockSelector: this.set.block || undefined,
      errorHandler: (e) => { this.notice({ type: "failed", detail: String(e) }); return true; },
    });
    if (stop !== undefined) this.undo.push(stop);
    const plugin = (name: string, payload: unknown) => this.safely(() => this.add({ type: 6, data: { plugin: name, payload }, timestamp: Date.now() }));
    if (this.set.console.length > 0) this.undo.push(captureConsole(window, this.set.console, plugin, Date.now, this.set.maskUrl));
    this.undo.push(captureErrors(window, plugin, () => this.keepIt(), this.set.console.includes("error"), Date.now, this.set.maskUrl));
    if (this.set.network) this.undo.push(captureNetwork(window, (u) => u.startsWith(this.set.server + "/"), (u) => this.masker.url(u), plugin));
    const every = setInterval(() => this.safely(() => this.tick()), FLUSH_MS);
    this.undo.push(() => clearInterval(every));
    this.on(document, "visibilitychange", () => { if (document.visibilityState === "hidden" && this.sending) this.sender.exit(false); });
    this.on(window, "pagehide", () => this.leave());
    this.on(window, "pageshow", (e) => { if ((e as PageTransitionEvent).persisted) this.back(); });
    this.on(window, "online", () => this.sender.hurry());
    if (this.sending) this.sender.open();
  }

  private on(target: EventTarget, name: string, fn: (e: Event) => void): void {
    const safe = (e: Event) => { this.safely(() => fn(e)); };
    target.addEventListener(name, safe);
    this.undo.push(() => target.removeEventListener(name, safe));
  }

  private safely(fn: () => void): void {
    try {
      fn();
    } catch (e) {
      this.notice({ type: "failed", detail: String(e) });
    }
  }

  /* ---- events ---- */

  private take(e: RrEvent): void {
    if (this.over) return;
    this.masker.event(e); // first of all: nothing unmasked is kept, not even for a moment
    this.add(e);
  }

  private add(e: RrEvent): void {
    if (this.over) return;
    const now = Date.now();
    if (e.type === 4) [this.checkedAt, this.blind] = [now, false];
    if (this.blind && e.type < 4) {
      this.queue.note(1, e.timestamp, e.timestamp, FULL);
      this.snapshot();
      return;
    }
    this.queue.add(item(JSON.stringify({ type: e.type, data: e.data, timestamp: e.timestamp, ...("delay" in e ? { delay: (e as any).delay } : {}) }), e.timestamp));
    if (!this.sending) {
      if (e.type === 4) this.queue.keep(RING_MS, now);
    } else if (this.queue.bytes >= BATCH_CHARS) {
      void this.sender.pump();
    }
    if (this.queue.full) this.overflow();
    if (now - this.checkedAt >= this.set.checkoutEveryNms && e.type === 3) this.snapshot();
  }

  /* Whole checkouts go, the oldest first; one that alone is too large goes for a new one. */
  private overflow(): void {
    let n = this.queue.shrink(FULL);
    if (this.queue.full && !this.asking) {
      if (this.snapshot()) n += this.queue.dropToNewest(FULL);
      if (this.queue.full) {
        n += this.queue.drop(Infinity, FULL);
        this.blind = true;
      }
    }
    if (n > 0) this.notice({ type: "dropped", detail: FULL, events: n });
  }

  /* False: one was taken only just. */
  private snapshot(): boolean {
    const now = Date.now();
    if (this.over || this.asking || now - this.forcedAt < FORCE_MS) {
      if (!this.over && !this.asking) this.checkedAt = Math.min(this.checkedAt, now - this.set.checkoutEveryNms + FORCE_MS); // soon, with what happens then
      return false;
    }
    this.forcedAt = now;
    this.asking = true;
    try {
      record.takeFullSnapshot(true);
    } finally {
      this.asking = false;
    }
    return true;
  }

  private tick(): void {
    this.session.data.touched = Date.now();
    if (this.blind) this.snapshot();
    if (this.sending) void this.sender.pump();
    this.sendLinks();
  }

  custom(tag: string, payload: unknown): void {
    if (!this.over) this.add({ type: 5, data: { tag, payload: payload ?? null }, timestamp: Date.now() });
  }

  /* ---- the page's calls ---- */

  keepIt(): void {
    if (this.sending || this.over) return;
    this.sending = true;
    this.session.data.errored = true;
    this.session.hold(Date.now());
    this.tell("recording", "");
    void this.sender.pump();
  }

  private at(at: "now" | number | Date): number {
    const t = at === "now" ? Date.now() : Number(at);
    return Math.max(0, t - (this.session.data.first ?? t));
  }

  link(at: "now" | number | Date): string | null {
    const { rid, first } = this.session.data;
    return rid === undefined || first === undefined ? null : `${this.set.server}/r/${rid}?at=${(this.at(at) / 1000).toFixed(3).replace(/\.?0+$/, "")}`;
  }

  addLink(type: string, id: string): void {
    if (this.over || type === "" || id === "" || type.length > 32 || id.length > 200 || this.links.length >= LINKS_MAX) return;
    this.custom("keyhole/link", { type, id });
    this.links.push({ type, id, at: Date.now() });
    this.sendLinks();
  }

  private sendLinks(): void {
    const { rid, first } = this.session.data;
    if (rid === undefined || first === undefined || this.links.length === 0) return;
    const links = this.links.map((l) => ({ type: l.type, id: l.id, at_ms: Math.round(this.at(l.at)) }));
    const sent = this.links;
    this.links = [];
    void this.sender.other(`/v1/recordings/${rid}/links`, { links }).then((status) => {
      if ((status === 0 || status === 429 || status >= 500) && !this.over) {
        this.links = [...sent, ...this.links].slice(0, LINKS_MAX);
      }
    });
  }

  flush(): Promise<void> {
    if (!this.sending) return Promise.resolve();
    void this.sender.pump();
    return this.sender.drained();
  }

  /* ---- leaving, coming back, ending ---- */

  private leave(): void {
    if (this.over) return;
    if (this.sending) this.sender.exit(true);
    this.session.leave(Date.now(), this.sender.unacknowledged, this.queue.save(SAVE_CHARS));
  }

  /* Out of the back-forward cache: the session may have gone on without this page. */
  private back(): void {
    if (this.over) return;
    const d = this.session.again();
    if (d === null || d.session !== this.session.data.session) {
      this.finish("stopped", "the session went on elsewhere");
      return;
    }
    this.queue.clear();
    Object.assign(this.session.data, d);
    this.sender.resume();
    this.session.hold(Date.now());
    this.forcedAt = -Infinity;
    this.snapshot();
    void this.sender.pump();
  }

  private finish(state: State, why: string): void {
    if (this.over) return;
    this.over = true;
    for (const u of this.undo.splice(0)) this.safely(u);
    this.sender.stop();
    this.queue.clear();
    this.session.forget();
    this.tell(state, why);
    if (why !== "") this.notice({ type: "refused", detail: why });
  }

  withdraw(): void {
    const ended = this.over ? Promise.resolve() : this.sender.end();
    this.finish("stopped", "");
    void ended;
  }

  async end(): Promise<void> {
    if (this.over) return;
    for (const u of this.undo.splice(0)) this.safely(u);
    await Promise.race([this.flush(), new Promise((ok) => setTimeout(ok, 5000))]);
    await this.sender.end();
    this.finish("stopped", "");
  }
}
