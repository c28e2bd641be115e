/* The digest that a vote names: base64url(SHA-256("keyhole/request/v1\n" || JCS(o))). JCS = RFC 8785. */
import type { DigestObject, Request } from "../api/types";

/* `wide`: also true, false and null, which no request has but a body may. */
export function jcs(v: unknown, wide = false): string {
  if (typeof v === "string") return JSON.stringify(v); // the same escapes as RFC 8785 3.2.2.2
  if (wide && (typeof v === "boolean" || v === null)) return String(v);
  if (typeof v === "number") {
    if (!Number.isSafeInteger(v)) throw new Error("not an integer");
    return String(v);
  }
  if (Array.isArray(v)) return "[" + v.map((x) => jcs(x, wide)).join(",") + "]";
  if (typeof v === "object" && v !== null) {
    const o = v as Record<string, unknown>;
    return "{" + Object.keys(o).sort().map((k) => JSON.stringify(k) + ":" + jcs(o[k], wide)).join(",") + "}"; // by UTF-16 units, as JCS wants
  }
  throw new Error("not in a digest: " + typeof v);
}

export function base64url(bytes: Uint8Array): string {
  let s = "";
  for (const b of bytes) s += String.fromCharCode(b);
  return btoa(s).replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "");
}

export async function requestDigest(o: DigestObject): Promise<string> {
  const bytes = new TextEncoder().encode("keyhole/request/v1\n" + jcs(o));
  return base64url(new Uint8Array(await crypto.subtle.digest("SHA-256", bytes)));
}

/*
 * The object built from what the page shows (RequestFacts). The salt, which is random, comes from the server's own object; a part that no page
 * shows must be unused: null when it is not (the page could then hide something from the voter).
 */
export function shownObject(r: Request): DigestObject | null {
  const d = r.digest_object;
  if (d.parts.length > 0) return null;
  return {
    id: r.id,
    salt: d.salt,
    requester: r.requester.id,
    project: r.project,
    env: r.env,
    recordings: r.recordings.map((x) => x.id).sort(),
    actions: [...r.actions].sort(),
    purpose: r.purpose.code,
    reason: r.purpose.reason,
    ticket: r.purpose.ticket ?? "",
    start: r.start,
    start_by_s: r.start_by_s,
    duration_s: r.duration_s,
    viewers: (r.viewers ?? [r.requester]).map((x) => x.id).sort(),
    more: r.more ?? {},
    more_time: r.more_time ?? {},
    parts: [],
    extends: r.extends?.grant ?? "",
    policy: r.policy,
  };
}

/* The digest of what is shown, or null when that is not what the server holds. */
export async function checkedDigest(r: Request): Promise<string | null> {
  const o = shownObject(r);
  if (o === null) return null;
  const digest = await requestDigest(o);
  return digest === r.digest ? digest : null;
}
