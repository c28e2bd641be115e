/*
 * One session of one tab, over its pages: which recording, which batch comes next, and what a page that was left could not send.
 * It lies in sessionStorage and ends with the tab. A tab that was duplicated has a copy of it: it sees the mark of the page that
 * holds the session, and begins a recording of its own in the same session.
 */
import type { Item } from "./queue";

export interface Batch {
  seq: number;
  json: string;
  n: number;
  from: number;
  to: number;
}

export interface Saved {
  v: 2;
  token: string;
  session: string;
  sampled: boolean;
  began: number; // the session, wall clock
  touched: number;
  rid?: string;
  secret?: string; // of the recording: who adds to it has it besides the token, which is public
  first?: number; // timestamp of the recording's first event
  next: number; // Batch-Seq
  flying: Batch[]; // sent or about to be, not acknowledged
  waiting: Item[];
  errored?: boolean; // on-error: it has happened
  held?: boolean; // a page has it
}

const KEY = "keyhole";

export class Session {
  data: Saved;
  /** Taken over from an earlier page of this tab. */
  resumed = false;

  constructor(private store: Storage | null, token: string, limits: { idleMs: number; sessionMs: number }, now: number, fresh: () => { session: string; sampled: boolean }) {
    const old = this.read();
    const good = old !== null && old.token === token && now - old.touched < limits.idleMs && now - old.began < limits.sessionMs && now >= old.began - 60_000;
    const begin = (session: string, sampled: boolean): Saved => ({ v: 2, token, session, sampled, began: now, touched: now, next: 0, flying: [], waiting: [] });
    if (good && old!.held) this.data = begin(old!.session, old!.sampled); // duplicated, or the page before crashed
    else if (good) { this.data = old!; this.resumed = true; }
    else { const f = fresh(); this.data = begin(f.session, f.sampled); }
    this.hold(now);
  }

  private read(): Saved | null {
    try {
      const d = JSON.parse(this.store?.getItem(KEY) ?? "null");
      return d?.v === 2 && Array.isArray(d.flying) && Array.isArray(d.waiting) && typeof d.next === "number" ? d : null;
    } catch {
      return null;
    }
  }

  /** Is there one that an earlier page left? */
  static exists(store: Storage | null): boolean {
    try {
      return store?.getItem(KEY) != null;
    } catch {
      return false;
    }
  }

  private write(d: Saved): boolean {
    try {
      this.store?.setItem(KEY, JSON.stringify(d));
      return true;
    } catch {
      return false; // full, or forbidden
    }
  }

  hold(now: number): void {
    this.data.touched = now;
    this.write({ ...this.data, held: true, flying: [], waiting: [] });
  }

  /** The page is left: everything that is not acknowledged, as much as there is room for. */
  leave(now: number, flying: Batch[], waiting: Item[]): void {
    const d: Saved = { ...this.data, touched: now, held: false, flying, waiting };
    if (!this.write(d) && !this.write({ ...d, waiting: [] }) && !this.write({ ...d, waiting: [], flying: [] })) this.forget();
  }

  /** Back from the back-forward cache: another page of the tab may have gone on. */
  again(): Saved | null {
    return this.read();
  }

  forget(): void {
    try {
      this.store?.removeItem(KEY);
    } catch { /* forbidden */ }
  }
}
