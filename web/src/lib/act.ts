/*
 * Acts that are signed: votes, break-glass, changes of people and rules. The page signs what it sends, over values that the server
 * writes again by itself: header `Keyhole-Act: <iat>.<signature>` (docs/formats/act.md). Which calls are acts is in the table; the contract has the same list.
 */
import { base64url, jcs } from "./digest";
import { sha256, type Prover } from "./proof";

type Body = Record<string, unknown>;
type Row = [method: string, path: RegExp, act: string, digest?: (body: Body, id: string) => unknown, when?: (body: Body) => boolean];

const seen = (body: Body) => body["digest"]; // a vote names the digest of what its voter saw
const itself = (_: Body, id: string) => id; // a policy's id is its hash

export const ACTS: Row[] = [
  ["POST", /^\/v1\/requests\/([^/]+)\/approve$/, "request_approve", seen],
  ["POST", /^\/v1\/requests\/([^/]+)\/deny$/, "request_deny", seen],
  ["POST", /^\/v1\/requests$/, "request_create", undefined, (b) => (b["break_glass"] ?? null) !== null],
  ["POST", /^\/v1\/grants\/([^/]+)\/review$/, "grant_review"],
  ["POST", /^\/v1\/policies$/, "policy_propose"],
  ["POST", /^\/v1\/policies\/([^/]+)\/approve$/, "policy_approve", itself],
  ["POST", /^\/v1\/policies\/([^/]+)\/stop$/, "policy_stop"],
  ["POST", /^\/v1\/changes\/([^/]+)\/approve$/, "change_approve"],
  ["POST", /^\/v1\/changes\/([^/]+)\/stop$/, "change_stop"],
  ["POST", /^\/v1\/users$/, "user_create"],
  ["PATCH", /^\/v1\/users\/([^/]+)$/, "user_patch"],
  ["POST", /^\/v1\/groups$/, "group_create"],
  ["PATCH", /^\/v1\/groups\/([^/]+)$/, "group_patch"],
  ["POST", /^\/v1\/projects$/, "project_create"],
  ["PATCH", /^\/v1\/projects\/([^/]+)$/, "project_patch"],
  ["PUT", /^\/v1\/projects\/([^/]+)\/masks$/, "mask_put"],
  ["POST", /^\/v1\/tokens$/, "token_create"],
  ["DELETE", /^\/v1\/tokens\/([^/]+)$/, "token_revoke"],
  ["POST", /^\/v1\/freeze$/, "freeze_set"],
  ["POST", /^\/v1\/freeze\/lift$/, "freeze_lift"],
  ["POST", /^\/v1\/signing-keys\/rotate$/, "keys_rotate"],
  ["POST", /^\/v1\/audit\/([^/]+)\/unseal$/, "audit_unseal"],
  ["POST", /^\/v1\/clock\/trust$/, "clock_trust"],
];

export interface Act { act: string; id: string; digest: string }

/* What a call would sign; null: it is no act. */
export async function actOf(method: string, path: string, body: Body): Promise<Act | null> {
  for (const [m, pattern, act, digest, when] of ACTS) {
    const hit = m === method ? pattern.exec(path) : null;
    if (hit === null || (when !== undefined && !when(body))) continue;
    const id = hit[1] ?? ""; // as it stands in the path
    const named = digest?.(body, id);
    return { act, id, digest: typeof named === "string" ? named : await sha256(jcs(body, true)) };
  }
  return null;
}

/* The bytes that are signed (a JWS signing input). */
export function actInput(a: Act, jkt: string, htu: string, iat: number): string {
  const part = (s: string) => base64url(new TextEncoder().encode(s));
  return part(`{"alg":"ES256","typ":"act+jws","kid":"${jkt}"}`) + "." + part(jcs({ act: a.act, digest: a.digest, htu, iat, id: a.id }));
}

export async function actHeader(p: Prover, a: Act, htu: string, now: number): Promise<string> {
  const iat = Math.floor(now / 1000);
  return `${iat}.${await p.sign(actInput(a, p.jkt, htu, iat))}`;
}
