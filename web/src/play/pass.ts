/*
 * The key of one viewing: fetched, renewed before it ends, sent in a header and nowhere else. It stays in this frame.
 */
import type { Problem } from "../api/types";
import { ApiError, networkProblem, problemOf, type Client } from "../lib/http";

export interface Issued { key: string; key_id: string; renew_after: number; expires_in: number; window_ends: string; viewing: string }

export interface Pass {
  open(): Promise<Issued>;
  fetch(rid: string, path: string, signal: AbortSignal, headers?: Record<string, string>): Promise<Response>;
  renew(): Promise<Issued>; // a fresh key; the one under way, if there is one
  stop(): void;
}

const RETRY_MS = 1000;
const RETRIES = 4;

const pause = (ms: number, signal: AbortSignal) => new Promise<void>((done, fail) => {
  const timer = setTimeout(done, ms);
  signal.addEventListener("abort", () => { clearTimeout(timer); fail(signal.reason as Error); }, { once: true });
});

/* Codes after which a fresh key may help. */
const renewable = (p: Problem) => p.code === "key-expired" || ((p.code === "key-revoked" || p.code === "key-binding" || p.code === "key-not-yet") && p.renew !== undefined);

export function createPass(client: Client, grant: string, rid: string, onRenewing: (on: boolean) => void, onFail: (e: unknown) => void): Pass {
  let key: string | null = null;
  let timer: ReturnType<typeof setTimeout> | undefined;
  let running: Promise<Issued> | null = null;
  let stopped = false;
  let latest: Issued | null = null;

  async function issue(): Promise<Issued> {
    const k = await client.send<Issued>("POST", `/v1/grants/${grant}/keys`, { recording: rid });
    if (stopped) throw new ApiError(networkProblem("unknown"));
    key = k.key;
    clearTimeout(timer);
    if (k.renew_after > 0) timer = setTimeout(again, k.renew_after * 1000);
    latest = k;
    return k;
  }
  /* By the clock: tries until the key would be over, then says so. */
  function again(): void {
    const until = Date.now() + ((latest?.expires_in ?? 0) - (latest?.renew_after ?? 0)) * 1000;
    const attempt = () => {
      renew().catch((e: unknown) => {
        if (stopped) return;
        const p = e instanceof ApiError ? e.problem : null;
        if (p?.retryable && Date.now() + RETRY_MS < until) timer = setTimeout(attempt, RETRY_MS);
        else onFail(e);
      });
    };
    attempt();
  }
  function renew(): Promise<Issued> {
    if (running === null) {
      onRenewing(true);
      running = issue().finally(() => {
        running = null;
        onRenewing(false);
      });
    }
    return running;
  }

  return {
    open: renew,
    renew,
    async fetch(id, path, signal, headers = {}) {
      let renewed = false;
      for (let tries = 0; ; ) {
        signal.throwIfAborted();
        if (key === null) await renew();
        let problem: Problem;
        try {
          const r = await fetch(`/v1/replay/${id}/${path}`, { headers: { ...headers, Authorization: `Bearer ${key}` }, credentials: "omit", cache: "no-store", redirect: "error", signal });
          if (r.ok) return r;
          problem = await problemOf(r);
        } catch (e) {
          if (signal.aborted) throw e;
          problem = networkProblem("network");
        }
        if (renewable(problem) && !renewed) {
          renewed = true;
          await renew();
        } else if ((problem.status === 429 || problem.status === 503 || problem.code === "network") && tries < RETRIES) {
          tries++;
          await pause(Math.max(RETRY_MS, (problem.retry_after_s ?? 0) * 1000), signal);
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
