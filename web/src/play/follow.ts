/*
 * A recording that is still being made: one stream with follow=1, opened anew under each fresh key and after each cut, by Last-Event-ID, so
 * that nothing is lost or shown twice. What was there at the join comes as one block; then a block whenever something becomes durable.
 */
import type { Block } from "../../player/protocol";
import type { End, From } from "../api/types";
import { type SseEvent, readSse } from "../lib/sse";
import { seekTimes } from "./ndjson";

export interface FollowSays {
  block(b: Block): void;
  caughtUp(): void; // everything that is durable is shown
  behind(ms: number): void;
  ended(): void; // the recording is complete
  over(end: End | null, e: unknown): void; // it may not go on: the stream's final event, or what was thrown
}

export interface FollowNeeds {
  /* Opens replay's `path` with the key in force and rejects when the server refuses. */
  open(path: string, headers: Record<string, string>, signal: AbortSignal): Promise<Response>;
  renew(): Promise<unknown>;
  pause(ms: number): Promise<void>;
}

export interface Follow {
  run(): Promise<void>; // resolves when it is over, after `ended`, `over` or stop
  reopen(): void; // under the key that is in force now; what both streams bring is given once
  stop(): void;
}

const GATHER_MS = 40; // of events into one block
const REOPEN_MS = 1000;
const REOPENS = 5; // in a row without an event
const GOES_ON = new Set(["key.expired", "shutdown", "unavailable", "rate-limited"]);

export function createFollow(kind: "rrweb" | "terminal", base: number, needs: FollowNeeds, says: FollowSays): Follow {
  let base_ms = base;
  let lastSeq = -1; // of what was given
  let now_ms = 0;
  let joined = false;
  let caught = false;
  let list: unknown[] = [];
  let screen: Block["screen"] = null;
  let timer: ReturnType<typeof setTimeout> | undefined;
  let current = new AbortController(); // of the stream in use
  let done = false;

  function flush(): void {
    clearTimeout(timer);
    timer = undefined;
    if (list.length === 0 || done) return;
    const events = list;
    list = [];
    if (base_ms === 0 && kind === "rrweb") base_ms = Number((events[0] as { timestamp?: unknown }).timestamp) || 0;
    const times = seekTimes(kind, events, base_ms, now_ms);
    now_ms = times.at(-1) ?? now_ms;
    says.block({ reset: !joined, at_ms: now_ms, to_ms: now_ms, last: false, live: true, base_ms, times, events, screen: joined ? null : screen });
    joined = true;
  }

  function stop(): void {
    done = true;
    clearTimeout(timer);
    list = [];
    current.abort();
  }

  /* One stream. Resolves to its final event; null: it was cut. */
  async function once(mine: AbortController): Promise<{ name: string; end: End } | null> {
    let last: { name: string; end: End } | null = null;
    const headers: Record<string, string> = lastSeq < 0 ? {} : { "Last-Event-ID": String(lastSeq) };
    const r = await needs.open("stream?follow=1", headers, mine.signal);
    const hear = (e: SseEvent) => {
      if (mine.signal.aborted || done) return;
      switch (e.event) {
        case "message": {
          const seq = Number(e.id);
          if (seq <= lastSeq) return;
          lastSeq = seq;
          list.push(JSON.parse(e.data));
          if (caught) timer ??= setTimeout(flush, GATHER_MS);
          return;
        }
        case "from": {
          const from = JSON.parse(e.data) as From;
          if (joined) return;
          now_ms = from.at_ms;
          screen = from.screen ?? null;
          return;
        }
        case "live": caught = true; flush(); says.caughtUp(); return;
        case "behind": flush(); says.behind(Number((JSON.parse(e.data) as { behind_ms?: number }).behind_ms ?? 0)); return;
        case "key.expiring":
          // The next stream begins while this one still runs; what both bring is given once.
          void needs.renew().then(() => next(mine), () => {});
          return;
        case "window.ending": return;
        default: last = { name: e.event, end: JSON.parse(e.data) as End };
      }
    };
    await readSse(r, hear);
    return last;
  }

  function next(old: AbortController): void {
    if (done || current !== old) return;
    current = new AbortController();
    const mine = current;
    void go(mine).then(() => {}, () => {});
    setTimeout(() => old.abort(), GATHER_MS * 5);
  }

  let resolveRun: () => void = () => {};
  const running = new Promise<void>((ok) => { resolveRun = ok; });

  async function go(first: AbortController): Promise<void> {
    let mine = first;
    for (let tries = 0; !done && current === mine; ) {
      const before = lastSeq;
      let wait = REOPEN_MS;
      try {
        const final = await once(mine);
        if (done || current !== mine) return;
        flush();
        if (final !== null && final.name === "end") return finish(() => says.ended());
        if (final !== null && !GOES_ON.has(final.name)) return finish(() => says.over(final.end, null));
        if (final?.name === "key.expired") {
          wait = 0;
          await needs.renew();
        } else if (final !== null) wait = Math.max(REOPEN_MS, 1000 * (final.end.retry_after_s ?? 0));
      } catch (e) {
        if (done || current !== mine) return;
        if (!(e instanceof TypeError)) return finish(() => says.over(null, e)); // a TypeError is a cut connection
      }
      tries = lastSeq > before ? 0 : tries + 1;
      if (tries > REOPENS) return finish(() => says.over(null, null));
      await needs.pause(wait);
      if (done || current !== mine) return;
      current = mine = new AbortController();
    }
  }

  function finish(say: () => void): void {
    if (done) return;
    stop();
    say();
    resolveRun();
  }

  return {
    run() {
      void go(current);
      return running;
    },
    reopen() { next(current); },
    stop() {
      stop();
      resolveRun();
    },
  };
}
