/*
 * Where the player's blocks come from. A seek asks `events` for the span from the keyframe before it to the end of its chunk; playing on
 * takes whole chunks, one at a time and only when they are nearly needed, so that little is here that was not yet shown. What a recording
 * that is still being made has after its last chunk comes by `events`.
 */
import type { Block } from "../../player/protocol";
import type { From, Manifest } from "../api/types";
import { parseLines, seekTimes } from "./ndjson";

export interface Source {
  seek(at_ms: number): Promise<Block>;
  next(): Promise<Block | null>; // null: all was given
  stop(): void;
}

/* Fetches a replay path with the key; rejects when the server refuses. */
export type ReplayFetch = (path: string, signal: AbortSignal) => Promise<string>;

export class CutAnswer extends Error {}

export function chunkAt(m: Manifest, at_ms: number): number {
  let n = 0;
  while (n + 1 < m.chunks.length && (m.chunks[n + 1]?.from_ms ?? 0) <= at_ms) n++;
  return n;
}

export function createSource(m: Manifest, fetchReplay: ReplayFetch): Source {
  let abort = new AbortController();
  let nextSeq = 0;
  let now_ms = 0;

  async function events(from_ms: number, to_ms: number | null, signal: AbortSignal): Promise<{ from: From; list: unknown[] }> {
    const lines = parseLines(await fetchReplay(`events?from_ms=${from_ms}` + (to_ms === null ? "" : `&to_ms=${to_ms}`), signal));
    const first = lines.shift() as { from?: From } | undefined;
    const end = lines.pop() as { end?: unknown } | undefined;
    if (first?.from === undefined || end === undefined || typeof end !== "object" || end === null || !("end" in end)) throw new CutAnswer();
    return { from: first.from, list: lines };
  }

  const isLast = () => nextSeq > Math.max(m.chunks.at(-1)?.to_seq ?? -1, m.events - 1);

  /* Where the span ends that a seek asks for; null: with the recording. */
  function spanEnd(at: number): number | null {
    const n = chunkAt(m, at);
    const c = m.chunks[n];
    const unsealed = m.events - 1 > (m.chunks.at(-1)?.to_seq ?? -1);
    return c === undefined || (unsealed && n === m.chunks.length - 1 && at > c.to_ms) ? null : c.to_ms;
  }

  /* What is not in a chunk yet. */
  async function rest(signal: AbortSignal): Promise<Block> {
    const { from, list } = await events(Math.max(0, Math.floor(now_ms) - 1), null, signal);
    const times = seekTimes(m.kind, list, m.base_ms, from.at_ms);
    const skip = Math.max(0, nextSeq - from.seq);
    if (from.seq > nextSeq) throw new CutAnswer();
    now_ms = times.at(-1) ?? now_ms;
    nextSeq = Math.max(nextSeq, from.seq + list.length);
    return { reset: false, at_ms: 0, to_ms: Math.max(m.duration_ms, now_ms), last: true, times: times.slice(skip), events: list.slice(skip), screen: null };
  }

  return {
    async seek(at_ms) {
      abort.abort();
      const { signal } = (abort = new AbortController());
      const at = Math.max(0, Math.min(Math.round(at_ms), m.duration_ms));
      const end = spanEnd(at);
      const to = end ?? m.duration_ms;
      const { from, list } = await events(at, end, signal);
      const times = seekTimes(m.kind, list, m.base_ms, from.at_ms);
      nextSeq = from.seq + list.length;
      now_ms = times.at(-1) ?? from.at_ms;
      return { reset: true, at_ms: at, to_ms: isLast() ? m.duration_ms : to, last: isLast(), times, events: list, screen: from.screen ?? null };
    },
    async next() {
      if (isLast()) return null;
      const n = m.chunks.findIndex((c) => c.to_seq >= nextSeq);
      const c = m.chunks[n];
      const { signal } = abort;
      if (c === undefined) return rest(signal);
      const all = parseLines(await fetchReplay(`chunks/${n}`, signal));
      signal.throwIfAborted();
      if (all.length !== c.to_seq - c.from_seq + 1) throw new CutAnswer();
      const list = all.slice(nextSeq - c.from_seq);
      const times = seekTimes(m.kind, list, m.base_ms, now_ms);
      nextSeq = c.to_seq + 1;
      now_ms = times.at(-1) ?? now_ms;
      return { reset: false, at_ms: 0, to_ms: isLast() ? m.duration_ms : c.to_ms, last: isLast(), times, events: list, screen: null };
    },
    stop() {
      abort.abort();
      nextSeq = Number.MAX_SAFE_INTEGER;
    },
  };
}
