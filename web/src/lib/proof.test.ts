import { createHash, createPublicKey, verify, webcrypto } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, describe, expect, it, vi } from "vitest";
import { parse } from "yaml";
import { actHeader, actInput, actOf, ACTS } from "./act";
import { createKeys, createProver, memoryStore, provedFetch, wantsNonce, type Kept } from "./proof";

const ORIGIN = "http://engineer.localhost:8080";
const NOW = 1793000000123;
const unb64 = (s: string) => JSON.parse(Buffer.from(s, "base64url").toString()) as Record<string, unknown>;
const key = (k: Kept) => createPublicKey({ key: { ...k.jwk }, format: "jwk" });
const signed = (k: Kept, text: string, sig: string) => verify("sha256", Buffer.from(text), { key: key(k), dsaEncoding: "ieee-p1363" }, Buffer.from(sig, "base64url"));

async function person(): Promise<{ kept: Kept; prover: ReturnType<typeof createProver> }> {
  const kept = await createKeys(memoryStore()).forAccount("engineer");
  if (kept === null) throw new Error("no WebCrypto");
  return { kept, prover: createProver(kept, () => NOW, () => ORIGIN) };
}

afterEach(() => vi.unstubAllGlobals());

describe("the key pair", () => {
  it("is not extractable, and named by its thumbprint", async () => {
    const { kept } = await person();
    expect(kept.privateKey.extractable).toBe(false);
    expect(kept.privateKey.usages).toEqual(["sign"]);
    await expect(webcrypto.subtle.exportKey("jwk", kept.privateKey as webcrypto.CryptoKey)).rejects.toThrow();
    const { crv, kty, x, y } = kept.jwk;
    expect(kept.jkt).toBe(createHash("sha256").update(`{"crv":"${crv}","kty":"${kty}","x":"${x}","y":"${y}"}`).digest("base64url"));
  });
  it("is one for each account, and found by its thumbprint", async () => {
    const keys = createKeys(memoryStore());
    const a = await keys.forAccount("engineer");
    const b = await keys.forAccount("approver");
    expect((await keys.forAccount("engineer"))?.jkt).toBe(a?.jkt);
    expect(b?.jkt).not.toBe(a?.jkt);
    expect((await keys.find(b?.jkt ?? ""))?.account).toBe("approver");
    expect(await keys.find("x")).toBeNull();
  });
  it("is kept with the page where the browser keeps nothing", async () => {
    const keys = createKeys({ all: () => Promise.reject(new Error("private")), keep: () => Promise.reject(new Error("private")) });
    const a = await keys.forAccount("engineer");
    expect((await keys.forAccount("engineer"))?.jkt).toBe(a?.jkt);
    expect((await keys.find(a?.jkt ?? ""))?.jkt).toBe(a?.jkt);
  });
  it("is not there without WebCrypto", async () => {
    vi.stubGlobal("crypto", {});
    const keys = createKeys(memoryStore());
    expect(await keys.forAccount("engineer")).toBeNull();
    expect(await keys.find("x")).toBeNull();
  });
});

describe("a proof", () => {
  it("is for one call", async () => {
    const { kept, prover } = await person();
    const [h = "", p = "", sig = ""] = (await prover.proof("POST", "/v1/login?x=1#y")).split(".");
    expect(unb64(h)).toEqual({ typ: "dpop+jwt", alg: "ES256", jwk: kept.jwk });
    const body = unb64(p);
    expect(body).toEqual({ jti: expect.stringMatching(/^[\w-]{22}$/) as string, htm: "POST", htu: `${ORIGIN}/v1/login`, iat: 1793000000 });
    expect(signed(kept, `${h}.${p}`, sig)).toBe(true);
    expect(unb64((await prover.proof("POST", "/v1/login")).split(".")[1] ?? "")["jti"]).not.toBe(body["jti"]);
  });
  it("names the key it comes with and the server's newest nonce", async () => {
    const { prover } = await person();
    prover.hear(new Response(null, { headers: { "DPoP-Nonce": "n1" } }));
    prover.hear(new Response(null));
    const body = unb64((await prover.proof("GET", "/v1/replay/r_x/manifest", "eyJ.a.b")).split(".")[1] ?? "");
    expect(body["ath"]).toBe(createHash("sha256").update("eyJ.a.b").digest("base64url"));
    expect(body["nonce"]).toBe("n1");
  });
  it("fits the server's limits", async () => {
    const { prover } = await person();
    prover.hear(new Response(null, { headers: { "DPoP-Nonce": "n".repeat(22) } }));
    expect((await prover.proof("GET", `/v1/replay/r_${"x".repeat(16)}/events`, "k")).length).toBeLessThan(1024);
  });

  const refusal = (nonce: string | null, error = "use_dpop_nonce") =>
    new Response("{}", { status: 401, headers: { "WWW-Authenticate": `DPoP realm="keyhole", error="${error}"`, ...(nonce === null ? {} : { "DPoP-Nonce": nonce }) } });
  async function answers(...list: Response[]): Promise<{ nonces: unknown[]; status: number }> {
    const { prover } = await person();
    const nonces: unknown[] = [];
    vi.stubGlobal("fetch", (_: string, init: RequestInit) => {
      nonces.push(unb64(String((init.headers as Record<string, string>)["DPoP"]).split(".")[1] ?? "")["nonce"]);
      return Promise.resolve(list.shift());
    });
    return { status: (await provedFetch(prover, "/v1/login", { method: "POST" })).status, nonces };
  }
  it("is made again once when the server names a nonce", async () => {
    expect(await answers(refusal("n1"), new Response(null, { status: 204 }))).toEqual({ nonces: [undefined, "n1"], status: 204 });
  });
  it("is made again only once", async () => {
    expect(await answers(refusal("n1"), refusal("n2"), new Response(null))).toEqual({ nonces: [undefined, "n1"], status: 401 });
  });
  it.each([["no nonce came", refusal(null)], ["another error", refusal("n1", "invalid_token")]])("is not made again when %s", async (_, r) => {
    expect(wantsNonce(r)).toBe(false);
    expect((await answers(r)).nonces).toHaveLength(1);
  });
});

describe("an act", () => {
  it("is signed over what the server writes by itself", async () => {
    const { kept, prover } = await person();
    const act = { act: "request_approve", id: "q_1", digest: "D" };
    const [iat, sig = ""] = (await actHeader(prover, act, "http://localhost:8080/v1/requests/q_1/approve", NOW)).split(".");
    expect(iat).toBe("1793000000");
    const input = `{"alg":"ES256","typ":"act+jws","kid":"${kept.jkt}"}`;
    const payload = '{"act":"request_approve","digest":"D","htu":"http://localhost:8080/v1/requests/q_1/approve","iat":1793000000,"id":"q_1"}';
    const text = [input, payload].map((s) => Buffer.from(s).toString("base64url")).join(".");
    expect(actInput(act, kept.jkt, "http://localhost:8080/v1/requests/q_1/approve", 1793000000)).toBe(text);
    expect(signed(kept, text, sig)).toBe(true);
  });
  it("is the one of docs/formats/act.md", () => {
    const text = readFileSync(join(__dirname, "../../../docs/formats/act.md"), "utf8");
    const [, iat = "", sig = ""] = /^Keyhole-Act: (\d+)\.([\w-]{86})$/m.exec(text) ?? [];
    const { htu, ...act } = JSON.parse(/^\{"act".*\}$/m.exec(text)?.[0] ?? "{}") as { act: string; id: string; digest: string; htu: string };
    const jwk = { kty: "EC", crv: "P-256", x: "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU", y: "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0" }; // RFC 7515 A.3
    const input = actInput(act, "oKIywvGUpTVTyxMQ3bwIIeQUudfr_CkLMjCE19ECD-U", htu, Number(iat));
    expect(signed({ jwk } as Kept, input, sig)).toBe(true);
    expect(signed({ jwk } as Kept, input + "x", sig)).toBe(false);
  });
  const hash = (s: string) => createHash("sha256").update(s).digest("base64url");
  it.each<[string, string, Record<string, unknown>, unknown]>([
    ["POST", "/v1/requests/q_1/approve", { digest: "seen", comment: "x" }, { act: "request_approve", id: "q_1", digest: "seen" }],
    ["POST", "/v1/policies/H-a_sh/approve", {}, { act: "policy_approve", id: "H-a_sh", digest: "H-a_sh" }],
    ["POST", "/v1/users", { name: "b", groups: [], admin: true, full_name: null }, { act: "user_create", id: "", digest: hash('{"admin":true,"full_name":null,"groups":[],"name":"b"}') }],
    ["DELETE", "/v1/tokens/t_1", {}, { act: "token_revoke", id: "t_1", digest: hash("{}") }],
    ["POST", "/v1/requests", { break_glass: { incident: "I" } }, { act: "request_create", id: "", digest: hash('{"break_glass":{"incident":"I"}}') }],
    ["POST", "/v1/requests", { reason: "x" }, null],
    ["POST", "/v1/requests/q_1/cancel", {}, null],
    ["GET", "/v1/users", {}, null],
    ["POST", "/v1/login", {}, null],
  ])("%s %s", async (method, path, body, want) => {
    expect(await actOf(method, path, body)).toEqual(want);
  });
  it("is what the contract says is one", () => {
    type Op = { operationId?: string; parameters?: { $ref?: string }[] };
    const contract = parse(readFileSync(join(__dirname, "../../../docs/api/openapi.yaml"), "utf8"), { merge: true }) as { paths: Record<string, Record<string, Op>> };
    const ops = Object.entries(contract.paths).flatMap(([path, o]) => Object.entries(o).map(([m, op]) => ({ ...op, method: m.toUpperCase(), path })));
    const signs = ops.filter((o) => o.parameters?.some((p) => p.$ref === "#/components/parameters/Act"));
    expect(signs.length).toBeGreaterThan(15);
    for (const o of signs) expect([o.operationId, ACTS.some(([, , act]) => act === o.operationId)]).toEqual([o.operationId, true]);
    for (const [method, pattern, act] of ACTS) {
      const o = ops.find((x) => x.operationId === act);
      expect([act, o?.method]).toEqual([act, method]);
      expect(o?.path.replace(/\{\w+\}/g, "some-id")).toMatch(pattern);
    }
  });
});
