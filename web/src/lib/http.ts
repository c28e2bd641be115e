/*
 * The one wrapper around fetch. A client speaks for one person: with the browser's cookie, or (the tour) with a token of its own.
 */
import type { Problem } from "../api/types";
import { actHeader, actOf } from "./act";
import { provedFetch, type Prover } from "./proof";

export class ApiError extends Error {
  constructor(readonly problem: Problem) {
    super(problem.code);
  }
}

export interface Client {
  get<T>(path: string, query?: Record<string, string | number | undefined>, signal?: AbortSignal): Promise<T>;
  /* An act is signed when the sign-in has a client key. */
  send<T>(method: "POST" | "PUT" | "PATCH" | "DELETE", path: string, body?: unknown, how?: { proved?: boolean }): Promise<T>;
  /* For streams; throws ApiError unless the answer is 2xx. */
  open(path: string, headers: Record<string, string>, signal: AbortSignal): Promise<Response>;
  /* Called once whenever an answer says that nobody is signed in. */
  onSignedOut: () => void;
  /* Who proves and signs, with what the server calls itself and its clock; null: this sign-in cannot. */
  signer: Signer | null;
}

export interface Signer { prover: Prover; publicUrl: string; now(): number }

export function networkProblem(code: "network" | "unknown", status = 0): Problem {
  return { type: "about:blank", title: "", status, detail: "", code, retryable: true, trace_id: "" };
}

export async function problemOf(r: Response): Promise<Problem> {
  try {
    const p = (await r.json()) as Problem;
    if (typeof p.code === "string") return p;
  } catch {
    // not a problem document: a proxy in between, or a cut answer
  }
  return networkProblem("unknown", r.status);
}

export function queryString(query?: Record<string, string | number | undefined>): string {
  const q = new URLSearchParams();
  for (const [k, v] of Object.entries(query ?? {})) if (v !== undefined && v !== "") q.set(k, String(v));
  const s = q.toString();
  return s === "" ? "" : "?" + s;
}

export function createClient(token: string | null): Client {
  const auth: Record<string, string> = token === null ? {} : { Authorization: "Bearer " + token };
  const base: RequestInit = { credentials: token === null ? "same-origin" : "omit", cache: "no-store", redirect: "error" };

  async function run(path: string, init: RequestInit, prover: Prover | null = null): Promise<Response> {
    let r: Response;
    const full = { ...base, ...init, headers: { ...auth, ...(init.headers as Record<string, string>) } };
    try {
      r = await (prover === null ? fetch(path, full) : provedFetch(prover, path, full));
    } catch (e) {
      if (init.signal?.aborted) throw e;
      throw new ApiError(networkProblem("network"));
    }
    if (r.ok) return r;
    const problem = await problemOf(r);
    if (problem.code === "login-needed") client.onSignedOut();
    throw new ApiError(problem);
  }

  async function json<T>(r: Response): Promise<T> {
    return r.status === 204 ? (undefined as T) : ((await r.json()) as T);
  }

  const client: Client = {
    onSignedOut: () => {},
    signer: null,
    async get<T>(path: string, query?: Record<string, string | number | undefined>, signal?: AbortSignal) {
      return json<T>(await run(path + queryString(query), { headers: { Accept: "application/json" }, signal: signal ?? null }));
    },
    async send<T>(method: string, path: string, body?: unknown, how?: { proved?: boolean }) {
      const headers: Record<string, string> = { Accept: "application/json", "Content-Type": "application/json" };
      const text = JSON.stringify(body ?? {});
      const signer = client.signer;
      if (signer !== null) {
        const act = await actOf(method, path, JSON.parse(text) as Record<string, unknown>);
        if (act !== null) headers["Keyhole-Act"] = await actHeader(signer.prover, act, signer.publicUrl + path, signer.now());
      }
      return json<T>(await run(path, { method, headers, body: text }, how?.proved === true ? (signer?.prover ?? null) : null));
    },
    open: (path, headers, signal) => run(path, { headers, signal }),
  };
  return client;
}

export function problemFrom(e: unknown): Problem {
  return e instanceof ApiError ? e.problem : networkProblem("unknown");
}
