/*
 * This browser's key pair for one account: made here, kept in IndexedDB (an origin has its own), never readable by any script. With it
 * come the proofs (DPoP, RFC 9449) that the one who signed in is the one who calls, and the signatures of acts (act.ts).
 *
 * WebCrypto exists only in secure contexts (https, and http on loopback): elsewhere `mayProve` is false and one signs in without.
 */
import { base64url, jcs } from "./digest";

export interface Prover {
  jkt: string; // RFC 7638 thumbprint of the public key
  /* A proof for one call. `key`: what Authorization carries, when it is a replay call. */
  proof(method: string, path: string, key?: string): Promise<string>;
  sign(text: string): Promise<string>; // ES256 over its UTF-8, base64url
  hear(r: Response): void; // remembers the server's newest nonce
}

export interface Jwk { kty: string; crv: string; x: string; y: string }
export interface Kept { account: string; jkt: string; jwk: Jwk; privateKey: CryptoKey }

/* Where pairs are kept. Values are cloned, so that a CryptoKey stays one that nobody can read. */
export interface KeyStore {
  all(): Promise<Kept[]>;
  /* The one that is there for this account already, else this one: two pages may sign in at once. */
  keep(k: Kept): Promise<Kept>;
}

const ES256 = { name: "ECDSA", namedCurve: "P-256" } as const;
const SIGN = { name: "ECDSA", hash: "SHA-256" } as const;
const utf8 = new TextEncoder();

export function mayProve(): boolean {
  return globalThis.crypto?.subtle !== undefined;
}

export async function sha256(text: string): Promise<string> {
  return base64url(new Uint8Array(await crypto.subtle.digest("SHA-256", utf8.encode(text))));
}

async function makeKey(account: string): Promise<Kept> {
  const pair = await crypto.subtle.generateKey(ES256, false, ["sign", "verify"]);
  const { kty = "", crv = "", x = "", y = "" } = await crypto.subtle.exportKey("jwk", pair.publicKey);
  const jwk = { kty, crv, x, y };
  return { account, jwk, jkt: await sha256(jcs({ crv, kty, x, y })), privateKey: pair.privateKey };
}

export function createProver(k: Kept, now: () => number, origin: () => string): Prover {
  let nonce: string | null = null;
  const digests = new Map<string, Promise<string>>(); // of the few keys in use
  const part = (o: object) => base64url(utf8.encode(JSON.stringify(o)));

  async function sign(text: string): Promise<string> {
    return base64url(new Uint8Array(await crypto.subtle.sign(SIGN, k.privateKey, utf8.encode(text))));
  }
  function digestOf(key: string): Promise<string> {
    let d = digests.get(key);
    if (d === undefined) {
      if (digests.size >= 8) digests.clear();
      digests.set(key, (d = sha256(key)));
    }
    return d;
  }

  return {
    jkt: k.jkt,
    sign,
    async proof(method, path, key) {
      const ath = key === undefined ? {} : { ath: await digestOf(key) };
      const head = part({ typ: "dpop+jwt", alg: "ES256", jwk: k.jwk });
      const body = part({
        jti: base64url(crypto.getRandomValues(new Uint8Array(16))), htm: method, htu: origin() + path.replace(/[?#].*$/, ""), iat: Math.floor(now() / 1000),
        ...ath, ...(nonce === null ? {} : { nonce }),
      });
      return `${head}.${body}.${await sign(`${head}.${body}`)}`;
    },
    hear(r) {
      nonce = r.headers.get("DPoP-Nonce") ?? nonce;
    },
  };
}

/* The server wants its nonce in the proof and has said which. */
export function wantsNonce(r: Response): boolean {
  return r.status === 401 && r.headers.has("DPoP-Nonce") && /error="use_dpop_nonce"/.test(r.headers.get("WWW-Authenticate") ?? "");
}

/* A call with a proof; once more when only the nonce was old. Rejects as fetch does. */
export async function provedFetch(p: Prover, path: string, init: RequestInit, key?: string): Promise<Response> {
  for (let first = true; ; first = false) {
    const headers = { ...(init.headers as Record<string, string>), DPoP: await p.proof(init.method ?? "GET", path, key) };
    const r = await fetch(path, { ...init, headers });
    p.hear(r);
    if (!first || !wantsNonce(r)) return r;
    await r.body?.cancel();
  }
}

/* ---- where they are kept ---- */

const DB = "keyhole";
const TABLE = "client";

const done = <T>(q: IDBRequest<T>) => new Promise<T>((ok, fail) => {
  q.onsuccess = () => ok(q.result);
  q.onerror = () => fail(q.error ?? new Error("IndexedDB"));
});

async function table(mode: IDBTransactionMode): Promise<{ rows: IDBObjectStore; close: () => void }> {
  const open = indexedDB.open(DB, 1);
  open.onupgradeneeded = () => { open.result.createObjectStore(TABLE, { keyPath: "account" }); };
  const db = await done(open);
  db.onversionchange = () => db.close();
  return { rows: db.transaction(TABLE, mode).objectStore(TABLE), close: () => db.close() };
}

export const browserStore: KeyStore = {
  async all() {
    const { rows, close } = await table("readonly");
    const all = await done(rows.getAll() as IDBRequest<Kept[]>);
    close();
    return all;
  },
  async keep(k) {
    const { rows, close } = await table("readwrite");
    const there = await done(rows.get(k.account) as IDBRequest<Kept | undefined>);
    if (there === undefined) await done(rows.put(k));
    close();
    return there ?? k;
  },
};

/* For a browser that keeps nothing (some private windows), and for tests: gone with the page. */
export function memoryStore(): KeyStore {
  const rows = new Map<string, Kept>();
  return {
    all: () => Promise.resolve([...rows.values()]),
    keep(k) {
      const there = rows.get(k.account);
      if (there === undefined) rows.set(k.account, k);
      return Promise.resolve(there ?? k);
    },
  };
}

export interface Keys {
  /* The pair with which one signs in to `account`; made when there is none. null: this browser cannot. */
  forAccount(account: string): Promise<Kept | null>;
  /* The pair of the sign-in that the server knows by this thumbprint; null: it is not in this browser (any more). */
  find(jkt: string): Promise<Kept | null>;
}

export function createKeys(stored: KeyStore): Keys {
  const fallback = memoryStore();
  async function all(): Promise<Kept[]> {
    const kept = await stored.all().catch(() => []);
    return [...kept, ...(await fallback.all())];
  }
  return {
    async forAccount(account) {
      if (!mayProve()) return null;
      const there = (await all()).find((k) => k.account === account);
      if (there !== undefined) return there;
      const made = await makeKey(account);
      return stored.keep(made).catch(() => fallback.keep(made));
    },
    async find(jkt) {
      return mayProve() ? ((await all()).find((k) => k.jkt === jkt) ?? null) : null;
    },
  };
}

export const browserKeys = createKeys(typeof indexedDB === "undefined" ? memoryStore() : browserStore);
