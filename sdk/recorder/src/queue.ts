/*
 * Events that wait, as JSON, oldest first. A checkout (a Meta event and what follows up to the next) is the unit that is thrown
 * away: what is left always begins where playing can begin. What went is said in its place by one event, keyhole/dropped.
 */
export interface Item {
  json: string;
  at: number; // of the event
  start: boolean; // a Meta event: playing can begin here
}

const META = /^\{"type":4,/;

export class Queue {
  private items: Item[] = [];
  private size = 0;
  private gone: { events: number; from: number; to: number; reason: string } | null = null;

  constructor(private cap: number) {}

  get bytes(): number { return this.size; }
  get length(): number { return this.items.length + (this.gone === null ? 0 : 1); }

  /** The oldest one, as it would go out. */
  get first(): string { return this.items[0]?.json ?? ""; }

  add(item: Item): void {
    this.items.push(item);
    this.size += item.json.length;
  }

  /** Over the cap: true, and the caller has a full snapshot taken if there is no second checkout (see `shrink`). */
  get full(): boolean { return this.size > this.cap; }

  /** Drops whole checkouts from the front until what is left fits. Returns how many events went; the last checkout stays. */
  shrink(reason: string): number {
    let n = 0;
    while (this.full) {
      const next = this.items.findIndex((i, at) => at > 0 && i.start);
      if (next < 0) break;
      n += this.drop(next, reason);
    }
    return n;
  }

  /** Keeps the newest checkouts that reach back `ms` from `now`. */
  keep(ms: number, now: number): void {
    for (;;) {
      const next = this.items.findIndex((i, at) => at > 0 && i.start);
      if (next < 0 || this.items[next]!.at > now - ms) return;
      this.forget(next);
    }
  }

  /** Everything before the newest checkout; without one, everything. */
  dropToNewest(reason: string): number {
    let last = this.items.length;
    for (let i = this.items.length - 1; i >= 0; i--) if (this.items[i]!.start) { last = i; break; }
    return this.drop(last, reason);
  }

  drop(n: number, reason: string): number {
    const went = this.items.slice(0, n);
    if (went.length > 0) this.note(went.length, went[0]!.at, went[went.length - 1]!.at, reason);
    this.forget(n);
    return went.length;
  }

  /** Events that are lost without ever having been here. */
  note(events: number, from: number, to: number, reason: string): void {
    this.gone = this.gone === null ? { events, from, to, reason } : { events: this.gone.events + events, from: Math.min(this.gone.from, from), to: Math.max(this.gone.to, to), reason };
  }

  clear(): void {
    this.items = [];
    this.size = 0;
    this.gone = null;
  }

  private forget(n: number): void {
    for (const i of this.items.splice(0, n)) this.size -= i.json.length;
  }

  /** The next batch: a JSON array of at most `max` characters, of one event at least. Null: nothing waits. */
  take(max: number, measure: (s: string) => number = (s) => s.length): { json: string; n: number; from: number; to: number } | null {
    const parts: string[] = [];
    let size = 2;
    let taken = 0;
    if (this.gone !== null) {
      const { from, ...payload } = this.gone;
      parts.push(JSON.stringify({ type: 5, data: { tag: "keyhole/dropped", payload: { ...payload, from } }, timestamp: this.items[0]?.at ?? from }));
      size += parts[0]!.length + 1;
    }
    for (const i of this.items) {
      const more = measure(i.json) + 1;
      if (parts.length > 0 && size + more > max) break;
      parts.push(i.json);
      size += more;
      taken++;
    }
    if (parts.length === 0) return null;
    const from = this.items[0]?.at ?? this.gone!.from;
    const to = this.items[taken - 1]?.at ?? from;
    this.gone = null;
    this.forget(taken);
    return { json: "[" + parts.join(",") + "]", n: parts.length, from, to };
  }

  /** What waits, for the next page of the tab: at most `max` characters, whole checkouts from the newest. */
  save(max: number): Item[] {
    let from = this.items.length;
    let size = 0;
    for (let i = this.items.length - 1; i >= 0; i--) {
      size += this.items[i]!.json.length + 40;
      if (size > max) break;
      from = i;
    }
    // without a beginning it goes on where what was sent ended: only all of it will do
    if (from > 0) { const start = this.items.findIndex((i, at) => at >= from && i.start); from = start < 0 ? this.items.length : start; }
    return this.items.slice(from);
  }

  restore(items: Item[]): void {
    this.items = [...items, ...this.items];
    for (const i of items) this.size += i.json.length;
  }
}

export const item = (json: string, at: number): Item => ({ json, at, start: META.test(json) });
