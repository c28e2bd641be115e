import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { Problem } from "../api/types";
import { ApiError, type Client } from "../lib/http";
import { createKeys, createProver, memoryStore, type Prover } from "../lib/proof";
import { createPass } from "./pass";

let prover: Prover | null;
let issued: { path: string; proved: boolean }[];
let calls: { path: string; auth: string; proof: Record<string, unknown> | null }[];
let answers: (Response | Error)[];
let refuseIssue: Problem[];
let lives: { expires_in: number; renew_after: number };

const problem = (status: number, code: string, more: object = {}) =>
  ({ type: "", title: "", status, detail: "", code, retryable: false, trace_id: "", ...more }) as Problem;
const answer = (p: Problem, headers: Record<string, string> = {}) => new Response(JSON.stringify(p), { status: p.status, headers });

function client(): Client {
  return {
    signer: prover === null ? null : { prover, publicUrl: "http://localhost", now: Date.now },
    onSignedOut: () => {}, get: () => Promise.reject(new Error("get")), open: () => Promise.reject(new Error("open")),
    send<T>(_: string, path: string, __: unknown, how?: { proved?: boolean }) {
      const no = refuseIssue.shift();
      if (no !== undefined) return Promise.reject(new ApiError(no));
      issued.push({ path, proved: how?.proved === true });
      return Promise.resolve({ key: `k${issued.length}`, key_id: "j", token_type: prover === null ? "Bearer" : "DPoP", ...lives, window_ends: "", viewing: "v" } as T);
    },
  };
}
const said: unknown[] = [];
const says = { renewing: () => {}, waiting: (p: Problem | null, ms: number) => { said.push(p === null ? null : [p.code, ms]); }, failed: (e: unknown) => { said.push(e); } };
/* Signing runs in threads of its own, which no clock of ours moves. */
async function until(good: () => boolean): Promise<void> {
  for (let i = 0; i < 2000 && !good(); i++) await new Promise((ok) => setImmediate(ok));
}
const never = new AbortController().signal;

beforeEach(async () => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "Date"] });
  const kept = await createKeys(memoryStore()).forAccount("engineer");
  prover = kept === null ? null : createProver(kept, Date.now, () => "http://localhost");
  issued = [];
  calls = [];
  answers = [];
  refuseIssue = [];
  said.length = 0;
  lives = { expires_in: 120, renew_after: 90 };
  vi.stubGlobal("fetch", (path: string, init: RequestInit) => {
    const h = init.headers as Record<string, string>;
    calls.push({ path, auth: h["Authorization"] ?? "", proof: h["DPoP"] === undefined ? null : (JSON.parse(Buffer.from(h["DPoP"].split(".")[1] ?? "", "base64url").toString()) as Record<string, unknown>) });
    const a = answers.shift() ?? new Response("ok");
    return a instanceof Error ? Promise.reject(a) : Promise.resolve(a);
  });
});
afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

describe("a bound key", () => {
  it("goes with a proof on each call", async () => {
    const p = createPass(client(), "g_1", "r_1", says);
    await p.fetch("r_1", "chunks/0", never);
    await p.fetch("r_1", "events?from_ms=5", never);
    expect(issued).toEqual([{ path: "/v1/grants/g_1/keys", proved: true }]);
    expect(calls.map((c) => [c.path, c.auth, c.proof?.["htm"], c.proof?.["htu"]])).toEqual([
      ["/v1/replay/r_1/chunks/0", "DPoP k1", "GET", "http://localhost/v1/replay/r_1/chunks/0"],
      ["/v1/replay/r_1/events?from_ms=5", "DPoP k1", "GET", "http://localhost/v1/replay/r_1/events"],
    ]);
    expect(calls[0]?.proof?.["ath"]).toBe(calls[1]?.proof?.["ath"]);
    expect(calls[0]?.proof?.["jti"]).not.toBe(calls[1]?.proof?.["jti"]);
  });
  it("takes the server's nonce without a new key", async () => {
    answers = [answer(problem(401, "key-binding"), { "WWW-Authenticate": 'DPoP error="use_dpop_nonce"', "DPoP-Nonce": "n7" })];
    const p = createPass(client(), "g_1", "r_1", says);
    expect(await (await p.fetch("r_1", "chunks/0", never)).text()).toBe("ok");
    expect(calls.map((c) => c.proof?.["nonce"])).toEqual([undefined, "n7"]);
    expect(issued).toHaveLength(1);
  });
  it.each([
    ["another network", problem(401, "key-binding", { renew: "/v1/grants/g_1/keys" })],
    ["an expired one", problem(401, "key-expired")],
    ["keys that rolled in an emergency", problem(401, "key-forged")],
    ["a newer generation", problem(401, "key-revoked", { renew: "/v1/grants/g_1/keys" })],
    ["a share that is used up", problem(403, "quota", { renew: "/v1/grants/g_1/keys" })],
  ])("is renewed once, silently: %s", async (_, no) => {
    answers = [answer(no)];
    const p = createPass(client(), "g_1", "r_1", says);
    expect(await (await p.fetch("r_1", "chunks/0", never)).text()).toBe("ok");
    expect(calls.map((c) => c.auth)).toEqual(["DPoP k1", "DPoP k2"]);
    answers = [answer(no), answer(no)];
    await expect(p.fetch("r_1", "chunks/1", never)).rejects.toMatchObject({ problem: { code: no.code } });
    expect(issued).toHaveLength(3);
    expect(said).toEqual([]);
  });
  it("is not renewed where that cannot help", async () => {
    answers = [answer(problem(401, "key-binding"))];
    const p = createPass(client(), "g_1", "r_1", says);
    await expect(p.fetch("r_1", "chunks/0", never)).rejects.toMatchObject({ problem: { code: "key-binding" } });
    expect(issued).toHaveLength(1);
  });
  it("is renewed by one of several calls that hear the same", async () => {
    const no = problem(401, "key-expired");
    answers = [answer(no), answer(no), answer(no)];
    const p = createPass(client(), "g_1", "r_1", says);
    await p.open();
    await Promise.all([1, 2, 3].map((n) => p.fetch("r_1", `chunks/${n}`, never)));
    expect(issued).toHaveLength(2);
  });
  it("is renewed by the clock before it ends", async () => {
    const p = createPass(client(), "g_1", "r_1", says);
    await p.open();
    await vi.advanceTimersByTimeAsync(90_000);
    expect(issued).toHaveLength(2);
    p.stop();
    await vi.advanceTimersByTimeAsync(500_000);
    expect(issued).toHaveLength(2);
  });
  it("is asked for again while the server restarts, a little beyond its end, and then given up", async () => {
    const p = createPass(client(), "g_1", "r_1", says);
    await p.open();
    refuseIssue = Array.from({ length: 100 }, () => problem(503, "authority-stale", { retryable: true }));
    await vi.advanceTimersByTimeAsync(125_000);
    expect(said).toEqual([]);
    await vi.advanceTimersByTimeAsync(10_000);
    expect(said).toHaveLength(1);
    const left = refuseIssue.length;
    await vi.advanceTimersByTimeAsync(60_000);
    expect(refuseIssue).toHaveLength(left);
  });
  it("waits as long as the server says, and tells", async () => {
    answers = [answer(problem(429, "rate-limited", { retry_after_s: 3, left: { name: "key_requests", limit: 200, used: 200 } }))];
    const p = createPass(client(), "g_1", "r_1", says);
    const got = p.fetch("r_1", "chunks/0", never);
    await until(() => said.length > 0);
    await vi.advanceTimersByTimeAsync(2900);
    expect(calls).toHaveLength(1);
    await vi.advanceTimersByTimeAsync(200);
    expect(await (await got).text()).toBe("ok");
    expect(said).toEqual([["rate-limited", 3000], null]);
  });
  it("is waited for, too, when the server restarts", async () => {
    refuseIssue = [problem(503, "keeper-unavailable", { retry_after_s: 1 })];
    const p = createPass(client(), "g_1", "r_1", says);
    const got = p.fetch("r_1", "chunks/0", never);
    await vi.advanceTimersByTimeAsync(1100);
    expect(await (await got).text()).toBe("ok");
  });
  it("moves to another access, or stays", async () => {
    const p = createPass(client(), "g_1", "r_1", says);
    await p.open();
    await p.move("g_2");
    await p.fetch("r_1", "chunks/0", never);
    refuseIssue = [problem(403, "grant-ended")];
    await expect(p.move("g_3")).rejects.toMatchObject({ problem: { code: "grant-ended" } });
    await p.renew();
    expect(issued.map((i) => i.path)).toEqual(["/v1/grants/g_1/keys", "/v1/grants/g_2/keys", "/v1/grants/g_2/keys"]);
    expect(calls[0]?.auth).toBe("DPoP k2");
  });
});

it("without a pair, a bearer key is taken where the rules allow one", async () => {
  prover = null;
  const p = createPass(client(), "g_1", "r_1", says);
  await p.fetch("r_1", "chunks/0", never);
  expect(calls).toEqual([{ path: "/v1/replay/r_1/chunks/0", auth: "Bearer k1", proof: null }]);
});
