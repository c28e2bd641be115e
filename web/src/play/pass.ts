/*
 * The key of one viewing: fetched, renewed before it ends, sent in a header and nowhere else. It stays in this frame. It is bound to this
 * browser's key pair (each call carries a proof) unless the sign-in has none and the rules allow a bearer key.
 */
import type { Action, Problem } from "../api/types";
import { ApiError, networkProblem, problemOf, type Client } from "../lib/http";
import { provedFetch } from "../lib/proof";

export interface Issued { key: string; key_id: string; token_type: string; renew_after: number; expires_in: number; window_ends: string; viewing: string }

export interface Pass {
  open(): Promise<Issued>;
  fetch(rid: string, path: string, signal: AbortSignal, headers?: Record<string, string>): Promise<Response>;
  renew(): Promise<Issued>; // a fresh key; the one under way, if there is one
  /* Goes on under another access of the same person to the same recording: rejects when that gives none, and nothing has changed. */
  move(grant: string): Promise<Issued>;
  stop(): void;
}

export interface PassSays {
  renewing(on: boolean): void;
  /* Too fast, or the server restarts: it goes on after so long. null: it goes on. */
  waiting(problem: Problem | null, ms: number): void;
  failed(e: unknown): void;
}

const RETRY_MS = 1000;
const RETRIES = 4;
const GRACE_MS = 10_000; // after the key's end, for a server that restarts: nothing can be fetched meanwhile

const pause = (ms: number, signal: AbortSignal) => new Promise<void>((done, fail) => {
  const timer = setTimeout(done, ms);
  signal.addEventListener("abort", () => { clearTimeout(timer); fail(signal.reason as Error); }, { once: true });
});

/*
 * After which a fresh key may help: another network, a key that was retired, or one that used up its share. A key whose signing key was
 * rolled away in an emergency is "forged" to the server, which cannot know that it once was not.
 */
const renewable = (p: Problem) => p.code === "key-expired" || p.code === "key-forged" || p.renew !== undefined;

/* scope: what is asked of each key; left out: watching, as far as the access goes, without hidden values. */
export function createPass(client: Client, first: string, rid: string, says: PassSays, scope?: Action[]): Pass {
  let grant = first;
  let key: Issued | null = null;
  let timer: ReturnType<typeof setTimeout> | undefined;
  let running: Promise<Issued> | null = null;
  let stopped = false;
  let latest: Issued | null = null;

  async function issue(): Promise<Issued> {
    const from = grant;
    const k = await client.send<Issued>("POST", `/v1/grants/${from}/keys`, scope === undefined ? { recording: rid } : { recording: rid, scope }, { proved: true });
    if (stopped) throw new ApiError(networkProblem("unknown"));
    if (from !== grant) return k; // moved meanwhile
    key = k;
    clearTimeout(timer);
    if (k.renew_after > 0) timer = setTimeout(again, k.renew_after * 1000);
    latest = k;
    return k;
  }
  /* By the clock: tries until the key is over, and a little longer, then says so. */
  function again(): void {
    const until = Date.now() + ((latest?.expires_in ?? 0) - (latest?.renew_after ?? 0)) * 1000;
    const attempt = () => {
      renew().catch((e: unknown) => {
        if (stopped) return;
        const p = e instanceof ApiError ? e.problem : null;
        if (p?.retryable && Date.now() + RETRY_MS < until + GRACE_MS) timer = setTimeout(attempt, RETRY_MS);
        else says.failed(e);
      });
    };
    attempt();
  }
  function renew(): Promise<Issued> {
    if (running === null) {
      says.renewing(true);
      running = issue().finally(() => {
        running = null;
        says.renewing(false);
      });
    }
    return running;
  }

  function ask(k: Issued, path: string, signal: AbortSignal, headers: Record<string, string>): Promise<Response> {
    const init: RequestInit = { headers: { ...headers, Authorization: `${k.token_type} ${k.key}` }, credentials: "omit", cache: "no-store", redirect: "error", signal };
    const prover = client.signer?.prover;
    return k.token_type === "DPoP" && prover !== undefined ? provedFetch(prover, path, init, k.key) : fetch(path, init);
  }

  return {
    open: renew,
    renew,
    async move(to) {
      while (running !== null) await running.catch(() => {});
      const before = grant;
      grant = to;
      return renew().catch((e: unknown) => {
        grant = before;
        throw e;
      });
    },
    async fetch(id, path, signal, headers = {}) {
      let renewed = false;
      let waited = false;
      for (let tries = 0; ; ) {
        signal.throwIfAborted();
        let problem: Problem;
        let used: Issued | null = null;
        try {
          used = key ?? (await renew());
          const r = await ask(used, `/v1/replay/${id}/${path}`, signal, headers);
          if (waited) says.waiting(null, 0);
          if (r.ok) return r;
          problem = await problemOf(r);
        } catch (e) {
          if (signal.aborted) throw e;
          problem = e instanceof ApiError ? e.problem : networkProblem("network");
        }
        if (renewable(problem) && !renewed) {
          renewed = true;
          if (key === used) key = null; // else another call did it already
        } else if ((problem.status === 429 || problem.status === 503 || problem.code === "network") && tries < RETRIES) {
          tries++;
          waited = true;
          const ms = Math.max(RETRY_MS, (problem.retry_after_s ?? 0) * 1000);
          says.waiting(problem, ms);
          await pause(ms, signal);
        } else throw new ApiError(problem);
      }
    },
    stop() {
      stopped = true;
      clearTimeout(timer);
      key = null;
    },
  };
}
