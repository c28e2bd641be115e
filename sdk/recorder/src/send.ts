/*
 * Batches on their way. One at a time, in order, each under its number: what is not acknowledged is sent again with the same
 * number and the same bytes, so nothing is lost and nothing comes twice. The requests are "simple" (text/plain, the public token in the
 * query): no preflight, and a page that is left can still make them.
 *
 * Waiting: Retry-After when the server says so, else 1 s doubled up to 60 s, each with jitter; "online" ends a wait early.
 */
import type { Queue } from "./queue";
import type { Batch, Session } from "./session";
import type { Notice, Settings } from "./options";

export const BATCH_CHARS = 900_000;
export const EXIT_BYTES = 60_000; // browsers allow 64 KiB of keepalive bodies at once
const WAIT_MAX = 60_000;
const GZIP_FROM = 1024;

export interface World {
  fetch: typeof fetch;
  now: () => number;
  later: (fn: () => void, ms: number) => () => void;
  random: () => number;
  beacon?: (url: string, body: string) => boolean;
  gzip?: (text: string) => Promise<ArrayBuffer>;
}

export interface SenderOps {
  /** What the recording is, for POST /v1/recordings. */
  form: () => Record<string, unknown>;
  /** There is a gap: playing can go on only from a full snapshot. */
  snapshot: () => void;
  /** It will never be taken. */
  fatal: (why: string) => void;
  notice: (n: Notice) => void;
  created: (rid: string) => void;
}

type Answer = { status: number; body: any; after: number };

export class Sender {
  private flying: Batch[] = [];
  private busy = false;
  private stopWait: (() => void) | null = null;
  private tries = 0;
  private stopped = false;
  private told = false;
  private newAt = -Infinity; // when a recording was given up for another
  private idle: (() => void)[] = [];

  constructor(private set: Settings, private session: Session, private queue: Queue, private world: World, private ops: SenderOps) {
    this.resume();
  }

  /** Takes what the session has of an earlier page. */
  resume(): void {
    const d = this.session.data;
    this.flying = d.flying;
    this.queue.restore(d.waiting);
    d.flying = [];
    d.waiting = [];
  }

  get pending(): boolean { return this.flying.length > 0 || this.queue.length > 0; }
  get unacknowledged(): Batch[] { return this.flying; }

  /** Resolves when nothing waits any more, or sending has ended. */
  drained(): Promise<void> {
    if (this.stopped || (!this.busy && !this.pending)) return Promise.resolve();
    return new Promise((ok) => this.idle.push(ok));
  }

  stop(): void {
    this.stopped = true;
    this.stopWait?.();
    this.rest();
  }

  private rest(): void {
    for (const ok of this.idle.splice(0)) ok();
  }

  /** Sends what there is, unless it is waiting. */
  async pump(): Promise<void> {
    if (this.busy || this.stopped || this.stopWait !== null) return;
    this.busy = true;
    try {
      while (!this.stopped && this.stopWait === null) {
        if (this.session.data.rid === undefined && !(await this.create())) break;
        if (this.stopped || !this.next()) break;
        await this.sendOne(this.flying[0]!);
      }
    } finally {
      this.busy = false;
      if (!this.pending && this.stopWait === null) this.rest();
    }
  }

  /** Make the recording, even while nothing waits: a page that is left has no time for it. */
  open(): void {
    void this.pump();
  }

  hurry(): void {
    if (this.stopWait === null) return;
    this.stopWait();
    this.stopWait = null;
    this.later(this.world.random() * 2000);
  }

  private later(ms: number): void {
    this.stopWait = this.world.later(() => { this.stopWait = null; void this.pump(); }, ms);
  }

  private backOff(after: number, why: string): void {
    const wait = after > 0 ? after * 1000 + this.world.random() * 1000 : Math.min(WAIT_MAX, 1000 * 2 ** this.tries) * (0.5 + this.world.random() / 2);
    this.tries = Math.min(this.tries + 1, 10);
    if (!this.told) this.ops.notice({ type: "waiting", detail: why });
    this.told = true;
    this.later(wait);
  }

  /* The next batch gets its number and its bytes, which stay. False: nothing waits. */
  private next(max = BATCH_CHARS, measure?: (s: string) => number): boolean {
    if (this.flying.length > 0 && measure === undefined) return true;
    const b = this.queue.take(max, measure);
    if (b === null) return this.flying.length > 0;
    const d = this.session.data;
    d.first ??= b.from;
    this.flying.push({ seq: d.next++, ...b });
    return true;
  }

  private url(path: string, more: Record<string, string> = {}): string {
    return this.set.server + path + "?" + new URLSearchParams({ token: this.set.token, ...this.secret(), ...more });
  }

  private secret(): Record<string, string> {
    const { rid, secret } = this.session.data;
    return rid === undefined || secret === undefined ? {} : { secret };
  }

  private async ask(url: string, body: BodyInit, keepalive = false, init: RequestInit = {}): Promise<Answer> {
    try {
      const r = await this.world.fetch(url, {
        method: "POST", mode: "cors", credentials: "omit", cache: "no-store", referrerPolicy: "no-referrer", keepalive, body,
        headers: { "Content-Type": "text/plain" }, ...init,
      });
      let said: any = null;
      try { said = await r.json(); } catch { /* not ours: a proxy's */ }
      const after = Number(r.headers.get("Retry-After"));
      return { status: r.status, body: said, after: after > 0 && after < 3600 ? after : 0 };
    } catch (e) {
      return { status: 0, body: { detail: String(e) }, after: 0 };
    }
  }

  private async create(): Promise<boolean> {
    const a = await this.ask(this.url("/v1/recordings"), JSON.stringify(this.ops.form()));
    if (this.stopped) return false;
    if (a.status === 201 && typeof a.body?.id === "string") {
      const d = this.session.data;
      Object.assign(d, { rid: a.body.id, secret: typeof a.body.secret === "string" ? a.body.secret : undefined, next: 0, first: undefined });
      this.flying.forEach((b) => { b.seq = d.next++; d.first ??= b.from; });
      this.good();
      this.ops.created(d.rid!);
      return true;
    }
    this.bad(a, null);
    return false;
  }

  private good(): void {
    this.tries = 0;
    this.told = false;
  }

  private async sendOne(b: Batch): Promise<void> {
    const more: Record<string, string> = { batch_seq: String(b.seq) };
    let body: BodyInit = b.json;
    if (b.json.length >= GZIP_FROM && this.world.gzip !== undefined) {
      try {
        body = await this.world.gzip(b.json);
        more.encoding = "gzip";
      } catch { /* as it is, then */ }
    }
    if (this.stopped || this.flying[0] !== b) return; // the page was left meanwhile
    this.heard(await this.ask(this.url(`/v1/recordings/${this.session.data.rid}/events`, more), body), b);
  }

  private heard(a: Answer, b: Batch): void {
    if (this.stopped) return;
    if (a.status === 200) {
      const next = typeof a.body?.next_batch === "number" ? a.body.next_batch : b.seq + 1;
      this.flying = this.flying.filter((f) => f.seq >= next);
      this.good();
    } else if (this.flying.includes(b)) {
      this.bad(a, b);
    }
  }

  private bad(a: Answer, b: Batch | null): void {
    const code = String(a.body?.code ?? "");
    const why = a.status === 0 ? "the server cannot be reached" : `${a.status} ${code}`;
    if (a.status === 409 && code === "batch-gap" && typeof a.body?.next_batch === "number") this.renumber(a.body.next_batch);
    else if (b !== null && (a.status === 404 || a.status === 410 || code === "recording-ended")) this.anew(why);
    else if (a.status === 401 || a.status === 403 || a.status === 404) this.ops.fatal(why);
    else if (b !== null && [400, 413, 415, 422].includes(a.status)) this.reject(b, why);
    else if (b === null && a.status >= 400 && a.status < 500 && a.status !== 408 && a.status !== 429) this.ops.fatal(why);
    else this.backOff(a.after, why);
  }

  /* The server has fewer than we thought (a page was left before they arrived), or more. */
  private renumber(next: number): void {
    const d = this.session.data;
    const lost = this.flying.length > 0 && next < this.flying[0]!.seq;
    this.flying = this.flying.filter((f) => f.seq >= next);
    d.next = next;
    for (const f of this.flying) f.seq = d.next++;
    if (!lost) return;
    this.ops.notice({ type: "dropped", detail: "batches of an earlier page did not arrive" });
    this.ops.snapshot();
  }

  /* The recording is over: what can be played goes into another one. */
  private anew(why: string): void {
    const d = this.session.data;
    let events = 0;
    if (this.world.now() - this.newAt < 10_000) this.backOff(30, why); // a server that ends each at once is not flooded
    this.newAt = this.world.now();
    for (const f of this.flying) events += f.n;
    d.rid = d.secret = undefined;
    d.next = 0;
    this.flying = [];
    events += this.queue.dropToNewest(why);
    this.ops.snapshot();
    events += this.queue.dropToNewest(why);
    if (events > 0) this.ops.notice({ type: "dropped", detail: why, events });
  }

  /* One batch that will never be taken: it goes, the rest goes on behind a full snapshot. */
  private reject(b: Batch, why: string): void {
    this.flying = this.flying.filter((f) => f !== b);
    this.session.data.next = b.seq;
    for (const f of this.flying) f.seq = this.session.data.next++;
    this.queue.note(b.n, b.from, b.to, why);
    this.ops.notice({ type: "refused", detail: why, events: b.n });
    this.ops.snapshot();
  }

  /**
   * The page is being left, or may be (`hidden`): what fits goes out at once, under its number; nothing is waited for. What does not
   * fit stays, for the next page of this tab.
   */
  exit(left: boolean): void {
    const d = this.session.data;
    if (this.stopped || d.rid === undefined) return;
    const bytes = (s: string) => new Blob([s]).size;
    let room = EXIT_BYTES;
    for (const b of left ? this.flying : []) { // the answer of one under way may never be heard: again
      const size = bytes(b.json);
      if (size > room) return;
      room -= size;
      this.shoot(b);
    }
    const before = this.flying.length;
    if (this.queue.length === 0 || room < 1000 || (!left && before > 0) || !this.fits(room, bytes)) return;
    if (this.next(room, bytes) && this.flying.length > before) this.shoot(this.flying[before]!);
  }

  private fits(room: number, bytes: (s: string) => number): boolean {
    return bytes(this.queue.first) + 200 <= room;
  }

  private shoot(b: Batch): void {
    const url = this.url(`/v1/recordings/${this.session.data.rid}/events`, { batch_seq: String(b.seq) });
    this.ask(url, b.json, true).then((a) => {
      if (a.status === 0) this.world.beacon?.(url, b.json); // the answer stays unknown: it is sent again if this page lives
      else if (a.status === 200) this.heard(a, b);
      void this.pump();
    }, () => undefined);
  }

  /** PUTs and POSTs besides batches. */
  async other(path: string, body: unknown): Promise<number> {
    const a = await this.ask(`${this.set.server}${path}?${new URLSearchParams(this.secret())}`, JSON.stringify(body), false, {
      headers: { "Content-Type": "application/json", Authorization: `Bearer ${this.set.token}` },
    });
    return a.status;
  }

  /** What was not acknowledged by now is not waited for. */
  async end(): Promise<void> {
    const { rid, next } = this.session.data;
    if (rid !== undefined) await this.ask(this.url(`/v1/recordings/${rid}/end`), JSON.stringify(this.flying.length > 0 ? {} : { batches: next }), true);
  }
}
