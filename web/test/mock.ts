/*
 * A stand-in for the server, for the app's browser tests only: the contract's shapes, the real headers of both origins, in memory. It decides
 * nothing well (one approver, no policy), and is never built into anything. tests/e2e runs the same story against the real server.
 */
import { createHash, createPublicKey, randomBytes, verify, type JsonWebKey } from "node:crypto";
import { readFileSync } from "node:fs";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { extname, join } from "node:path";
import { actInput, actOf } from "../src/lib/act";
import { jcs } from "../src/lib/digest";
import type { Change, DigestObject, Grant, Manifest, Me, Recording, Request } from "../src/api/types";

const DIST = join(__dirname, "../dist");
const id = (prefix: string) => prefix + "_" + randomBytes(12).toString("base64url");
const iso = (ms: number) => new Date(ms).toISOString();
const MIME: Record<string, string> = { ".html": "text/html; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".css": "text/css", ".svg": "image/svg+xml" };

export interface Kept { recording: Recording; events: unknown[]; base_ms: number; head: Record<string, unknown> }
export interface Hit { method: string; path: string; status: number; auth: string }

export function keep(kind: "rrweb" | "terminal", text: string, title: string): Kept {
  const lines: unknown[] = kind === "rrweb" ? (JSON.parse(text) as unknown[]) : text.trim().split("\n").map((l) => JSON.parse(l) as unknown);
  const head = kind === "terminal" ? (lines.shift() as Record<string, unknown>) : {};
  const base = kind === "rrweb" ? (lines[0] as { timestamp: number }).timestamp : 0;
  const last = lines.at(-1) as { timestamp: number } | [number];
  const duration = Math.round(kind === "rrweb" ? (last as { timestamp: number }).timestamp - base : (last as [number])[0] * 1000);
  return {
    events: lines, base_ms: base, head: kind === "terminal" ? { ...head, cols: head["width"], rows: head["height"] } : {},
    recording: {
      id: id("r"), kind, project: "p_AAAAAAAAAAAAAAAA", title, subject: "ab12cd34", subject_is_pseudonym: true, env: "prod", class: null, tags: { release: "2026.11.1" },
      links: [{ type: "error", id: "ERR-7F3A21" }], started_at: iso(1793000000000), created_at: iso(Date.now()), duration_ms: duration, events: lines.length, bytes: text.length, live: false, access: "none",
    },
  };
}

export async function startMock(recordings: Kept[]): Promise<{ url: (host?: string) => string; hits: Hit[]; end: (code: string) => void; player: () => string; stop: () => Promise<void> }> {
  const people = ["engineer", "approver", "lead", "auditor"].map((name) => ({ id: id("u"), name, password: `demo-${name}` }));
  const signIns = new Map<string, { user: (typeof people)[number]; fresh: boolean; jkt: string | null; jwk: JsonWebKey | null }>();
  const requests: Request[] = [];
  const grants: Grant[] = [];
  const keys = new Map<string, { grant: Grant; rid: string; exp: number; jkt: string | null }>();
  const proofs = new Set<string>(); // a proof's id counts once
  let nonce = randomBytes(16).toString("base64url");
  const ears = new Set<ServerResponse>();
  const audit: string[] = [];
  const hits: Hit[] = [];
  let refuse = ""; // what replay routes answer, when a test wants it
  let appPort = 0;
  let playerPort = 0;

  const times = (k: Kept) => {
    let now = 0;
    return k.events.map((e) => (now = Math.max(now, Math.round(k.recording.kind === "rrweb" ? (e as { timestamp: number }).timestamp - k.base_ms : (e as [number])[0] * 1000))));
  };
  const CHUNK = 60;
  /* Of a recording in which nothing stands out. */
  const noNotes = (to_ms: number): Manifest["notes"] => ({
    to_ms, activity: { bin_ms: 125, bins: [] }, pages: [], errors: [], clicks: [], resizes: [], idle: [], cut: false,
    counts: {
      clicks: 0, inputs: 0, rage_clicks: 0, dead_clicks: 0, pages: 0, errors: 0, resizes: 0, idle: 0, console: { log: 0, info: 0, warn: 0, error: 0, debug: 0 },
      requests: { none: 0, "1xx": 0, "2xx": 0, "3xx": 0, "4xx": 0, "5xx": 0 },
    },
  });
  function manifest(k: Kept, g: Grant): Manifest {
    const t = times(k);
    const chunks = [];
    for (let i = 0; i < k.events.length; i += CHUNK) {
      const to = Math.min(k.events.length, i + CHUNK) - 1;
      chunks.push({ from_seq: i, to_seq: to, from_ms: t[i] ?? 0, to_ms: t[to] ?? 0, bytes: 1 });
    }
    const keyframes = k.recording.kind === "terminal" ? [{ at_ms: 0, seq: 0 }] : k.events.flatMap((e, i) => ((e as { type: number }).type === 4 ? [{ at_ms: t[i] ?? 0, seq: i }] : []));
    return {
      id: k.recording.id, kind: k.recording.kind, head: k.head, duration_ms: k.recording.duration_ms, base_ms: k.base_ms, events: k.events.length, live: false,
      sealed_to_seq: k.events.length - 1, chunks, keyframes, markers: [], max_speed: 16, watermark: "engineer", window_ends: g.window?.end ?? iso(0),
      notes: noNotes(k.recording.duration_ms), unmasked: false,
    };
  }
  function tell(c: Change): void {
    audit.push(JSON.stringify({ v: 1, log: "system", i: audit.length, t: iso(Date.now()), type: `${c.type}.${c.state.toLowerCase()}`, q: c.id }));
    for (const r of ears) r.write(`id: ${audit.length}\ndata: ${JSON.stringify(c)}\n\n`);
  }
  function touch(): void {
    for (const g of grants)
      if (g.state === "ACTIVE" && g.window && Date.parse(g.window.end) <= Date.now()) move(g, "EXPIRED", "window");
  }
  function move(g: Grant, state: Grant["state"], cause?: string): void {
    g.state = state;
    g.gen++;
    g.version++;
    if (cause) g.ended = { at: iso(Date.now()), cause, comment: "" };
    const q = requests.find((x) => x.id === g.request);
    if (q) q.state = state;
    tell({ type: "grant", id: g.id, state });
  }
  function see(k: Kept, user: (typeof people)[number]): Recording {
    touch();
    const q = requests.filter((x) => x.requester.id === user.id && x.recordings.some((r) => r.id === k.recording.id)).at(-1);
    const g = q?.grant ? grants.find((x) => x.id === q.grant) : undefined;
    const access = q?.state === "PENDING" ? "asked" : g?.state === "SCHEDULED" ? "scheduled" : g?.state === "ACTIVE" ? "open" : "none";
    return { ...k.recording, access, access_request: q?.id ?? null, access_grant: g?.id ?? null, window_ends: g?.window?.end ?? null };
  }
  function shown(q: Request, user: (typeof people)[number]): Request {
    const votes = user.name === "approver" || user.name === "lead";
    const can: NonNullable<Request["can"]> = q.state !== "PENDING" ? [] : q.requester.id === user.id ? ["cancel"] : votes ? ["approve", "deny"] : [];
    return { ...q, can, why_not: q.requester.id === user.id ? "requester" : null };
  }

  async function body(q: IncomingMessage): Promise<Record<string, never>> {
    let s = "";
    for await (const c of q) s += String(c);
    return (s === "" ? {} : JSON.parse(s)) as Record<string, never>;
  }
  function problem(status: number, code: string, more: object = {}): [number, object] {
    return [status, { type: `http://x/problems/${code}`, title: code, status, detail: "", code, retryable: status === 503, trace_id: "0".repeat(32), ...more }];
  }

  const unb64 = (x: string) => JSON.parse(Buffer.from(x, "base64url").toString()) as Record<string, unknown>;
  const signed = (jwk: JsonWebKey, text: string, sig: string) => verify("sha256", Buffer.from(text), { key: createPublicKey({ key: jwk, format: "jwk" }), dsaEncoding: "ieee-p1363" }, Buffer.from(sig, "base64url"));
  /* The proof that came: whose, null when none did, or what is wrong. The nonce changes after each five proofs. */
  function proof(q: IncomingMessage, r: ServerResponse, path: string, key?: string): { jkt: string; jwk: JsonWebKey } | null | [number, object] {
    const text = q.headers["dpop"];
    if (typeof text !== "string") return null;
    const [h = "", b = "", sig = ""] = text.split(".");
    const head = unb64(h);
    const body = unb64(b);
    const jwk = head["jwk"] as JsonWebKey;
    const wrong = (why: string) => problem(401, "key-binding", { cause: why });
    if (Object.keys(head).join() !== "typ,alg,jwk" || head["typ"] !== "dpop+jwt" || head["alg"] !== "ES256") return wrong("header");
    if (Object.keys(jwk).sort().join() !== "crv,kty,x,y" || !signed(jwk, `${h}.${b}`, sig)) return wrong("signature");
    if (body["htm"] !== q.method || body["htu"] !== `http://${q.headers.host}${path}`) return wrong("htu");
    if (body["ath"] !== (key === undefined ? undefined : createHash("sha256").update(key).digest("base64url"))) return wrong("ath");
    if (body["nonce"] !== nonce) {
      r.setHeader("DPoP-Nonce", nonce);
      r.setHeader("WWW-Authenticate", 'DPoP realm="keyhole", error="use_dpop_nonce", algs="ES256"');
      return wrong("nonce");
    }
    if (proofs.has(String(body["jti"]))) return wrong("jti");
    proofs.add(String(body["jti"]));
    if (proofs.size % 5 === 0) nonce = randomBytes(16).toString("base64url");
    return { jwk, jkt: createHash("sha256").update(jcs({ crv: jwk["crv"], kty: jwk["kty"], x: jwk["x"], y: jwk["y"] })).digest("base64url") };
  }
  /* A sign-in with a client key signs its acts. */
  async function actRefused(q: IncomingMessage, s: { jkt: string | null; jwk: JsonWebKey | null }, path: string, body: Record<string, unknown>): Promise<[number, object] | null> {
    const act = s.jkt === null ? null : await actOf(q.method ?? "", path, body);
    if (act === null || s.jkt === null || s.jwk === null) return null;
    const [iat = "", sig = ""] = String(q.headers["keyhole-act"] ?? "").split(".");
    if (sig === "") return problem(403, "act-needed");
    return signed(s.jwk, actInput(act, s.jkt, `http://localhost:${appPort}${path}`, Number(iat)), sig) ? null : problem(401, "act-invalid");
  }

  async function api(q: IncomingMessage, r: ServerResponse, path: string, query: URLSearchParams): Promise<[number, object | string] | null> {
    const method = q.method ?? "GET";
    const cookie = /(?:^|; )keyhole=([^;]+)/.exec(q.headers.cookie ?? "")?.[1];
    const token = /^Bearer (.+)$/.exec(q.headers.authorization ?? "")?.[1];
    const replay = /^\/v1\/replay\/([^/]+)\/(.+)$/.exec(path);
    if (replay) {
      const key = /^(?:Bearer|DPoP) (.+)$/.exec(q.headers.authorization ?? "")?.[1];
      const from = proof(q, r, path, key);
      if (Array.isArray(from)) return from;
      if ((keys.get(key ?? "")?.jkt ?? null) !== (from?.jkt ?? null)) return problem(401, "key-binding");
      return replayRoute(replay[1] ?? "", replay[2] ?? "", query, key);
    }
    if (path === "/v1/demo") return [200, { shop: null, accounts: people.map((p) => ({ name: p.name, url: `http://${p.name}.localhost:${appPort}/`, password: p.password })) }];
    if (path === "/v1/login") {
      const from = proof(q, r, path);
      if (Array.isArray(from)) return from;
      const b = await body(q);
      const user = people.find((p) => p.name === b["user"] && p.password === b["password"]);
      if (!user) return problem(401, "login-failed");
      const secret = "kst_" + randomBytes(32).toString("base64url");
      signIns.set(secret, { user, fresh: true, jkt: from?.jkt ?? null, jwk: from?.jwk ?? null });
      if (!b["token"]) r.setHeader("Set-Cookie", `keyhole=${secret}; Path=/; HttpOnly; SameSite=Strict`);
      return [200, { ...(b["token"] ? { token: secret } : {}), user: { id: user.id, name: user.name }, expires_at: iso(Date.now() + 3.6e6), fresh_until: iso(Date.now() + 9e5) }];
    }
    const s = signIns.get(token ?? cookie ?? "");
    if (!s) return problem(401, "login-needed");
    const { user } = s;
    if (method !== "GET" && !token && q.headers.origin !== `http://${q.headers.host}`) return problem(403, "csrf");
    if (path === "/v1/me") {
      const role = { engineer: ["viewer"], approver: ["viewer", "approver"], lead: ["viewer", "approver"], auditor: ["viewer", "auditor"] }[user.name] ?? [];
      const me: Me = {
        user: { id: user.id, name: user.name }, roles: role.map((x) => ({ project: "*", role: x as "viewer" })), admin: false, projects: [{ id: "p_AAAAAAAAAAAAAAAA", name: "shop" }],
        auth: { kind: "cookie", expires_at: iso(Date.now() + 3.6e6), fresh_until: iso(Date.now()), client_key: s.jkt }, player_url: `http://127.0.0.1:${playerPort}`, public_url: `http://localhost:${appPort}`, version: "0", now: iso(Date.now()),
      };
      return [200, me];
    }
    if (path === "/v1/logout") { signIns.delete(token ?? cookie ?? ""); return [204, ""]; }
    if (path === "/v1/reauth") { const b = await body(q); if (b["password"] !== user.password) return problem(401, "login-failed"); s.fresh = true; return [200, { fresh_until: iso(Date.now() + 9e5) }]; }
    if (path === "/test/stale") { for (const x of signIns.values()) x.fresh = false; return [204, ""]; }
    if (path === "/v1/events") {
      r.writeHead(200, { "Content-Type": "text/event-stream", "Cache-Control": "no-store" });
      r.write("retry: 2000\nevent: hello\ndata: {}\n\n");
      ears.add(r);
      q.on("close", () => ears.delete(r));
      return null;
    }
    if (path === "/v1/recordings") {
      const want = query.get("access");
      return [200, { items: recordings.map((k) => see(k, user)).filter((x) => (!want || x.access === want) && (x.title ?? "").toLowerCase().includes((query.get("q") ?? "").toLowerCase())), cursor: null }];
    }
    const rec = /^\/v1\/recordings\/([^/]+)$/.exec(path);
    if (rec) { const k = recordings.find((x) => x.recording.id === rec[1]); return k ? [200, see(k, user)] : problem(404, "not-found"); }
    if (path === "/v1/requests/check") {
      const terms = (purpose: string, ticket: "optional" | "required") => ({ purpose, verdict: "ask" as const, rule: "viewers-ask", reason_min: 20, ticket, max_s: 3600, default_s: 1800, start: ["approval", "first-use"] as const, start_by_s: 28800, max_speed: 16, need: 1, deny: 1, from: ["role:approver"], groups: [], approvers: people.filter((p) => p.name === "approver" || p.name === "lead").map(({ id: i, name }) => ({ id: i, name })), approvers_total: 2 });
      const purposes = [terms("debugging", "optional"), terms("support", "required")];
      return [200, { verdict: "ask", policy: "P".repeat(43), terms: purposes[0], purposes, errors: [], less: [] }];
    }
    if (path === "/v1/requests" && method === "POST") {
      const b = (await body(q)) as unknown as { recordings: string[]; actions: Request["actions"]; purpose: Request["purpose"]; duration_s: number; start: string };
      const k = recordings.find((x) => x.recording.id === b.recordings[0]);
      if (!k) return problem(404, "not-found");
      const digest_object: DigestObject = {
        id: id("q"), salt: randomBytes(16).toString("base64url"), requester: user.id, project: k.recording.project, env: "prod", recordings: [...b.recordings].sort(), actions: [...b.actions].sort(), purpose: b.purpose.code,
        reason: b.purpose.reason, ticket: b.purpose.ticket ?? "", start: b.start, start_by_s: b.start === "first-use" ? 28800 : 0, duration_s: b.duration_s, viewers: [user.id], more: {}, more_time: {}, parts: [], extends: "", policy: "P".repeat(43),
      };
      const one: Request = {
        id: digest_object.id, state: "PENDING", version: 1, digest: createHash("sha256").update("keyhole/request/v1\n" + jcs(digest_object)).digest("base64url"), digest_object, requester: { id: user.id, name: user.name },
        project: k.recording.project, project_name: "shop", env: "prod", recordings: [{ ...k.recording }], actions: b.actions, purpose: b.purpose, duration_s: b.duration_s, start: b.start, start_by_s: digest_object.start_by_s,
        rule: "viewers-ask", policy: digest_object.policy, need: 1, deny: 1, votes: [], created_at: iso(Date.now()), lapses_at: iso(Date.now() + 1.4e7), grant: null,
      };
      requests.push(one);
      tell({ type: "request", id: one.id, state: "PENDING" });
      return [201, shown(one, user)];
    }
    if (path === "/v1/requests") {
      const box = query.get("box");
      const all = requests.map((x) => shown(x, user)).filter((x) => (box === "mine" ? x.requester.id === user.id : box === "inbox" ? x.can?.includes("approve") : true) && (!query.get("state") || x.state === query.get("state")));
      return [200, { items: all.reverse(), cursor: null }];
    }
    const vote = /^\/v1\/requests\/([^/]+)(?:\/(approve|deny|cancel))?$/.exec(path);
    if (vote) {
      const one = requests.find((x) => x.id === vote[1]);
      if (!one) return problem(404, "not-found");
      if (!vote[2]) return [200, shown(one, user)];
      const b = (await body(q)) as unknown as { digest?: string; comment?: string };
      const no = await actRefused(q, s, path, b as Record<string, unknown>);
      if (no) return no;
      if (vote[2] !== "cancel" && !s.fresh) return problem(401, "reauth-needed");
      if (vote[2] !== "cancel" && b.digest !== one.digest) return problem(409, "digest-mismatch");
      if (one.state !== "PENDING") return problem(409, "grant-state-conflict");
      if (vote[2] === "cancel") one.state = "CANCELLED";
      else {
        one.votes.push({ voter: { id: user.id, name: user.name }, vote: vote[2] as "approve", comment: b.comment ?? null, at: iso(Date.now()) });
        if (vote[2] === "deny") one.state = "DENIED";
        else {
          const now = Date.now();
          const g: Grant = {
            id: id("g"), state: one.start === "first-use" ? "SCHEDULED" : "ACTIVE", gen: 1, version: 1, request: one.id, holder: one.requester, project: one.project, env: one.env, recordings: one.recordings, actions: one.actions, purpose: one.purpose,
            duration_s: one.duration_s, start: one.start, opens_by: iso(now + 2.88e7), window: one.start === "first-use" ? null : { start: iso(now), end: iso(now + one.duration_s * 1000) }, review: "none", created_at: iso(now),
          };
          grants.push(g);
          one.grant = g.id;
          one.state = g.state;
          tell({ type: "grant", id: g.id, state: g.state });
        }
      }
      tell({ type: "request", id: one.id, state: one.state });
      return [200, shown(one, user)];
    }
    if (path === "/v1/grants") {
      touch();
      const mine = query.get("box") === "mine";
      return [200, { items: grants.filter((g) => (!mine || g.holder.id === user.id) && (query.get("state") !== "live" || g.state === "ACTIVE" || g.state === "SCHEDULED")).map((g) => ({ ...g, can: g.holder.id === user.id ? ["relinquish"] : user.name === "lead" ? ["revoke"] : [] })), cursor: null }];
    }
    const grant = /^\/v1\/grants\/([^/]+)(?:\/(keys|revoke|relinquish))?$/.exec(path);
    if (grant) {
      touch();
      const g = grants.find((x) => x.id === grant[1]);
      if (!g) return problem(404, "not-found");
      if (!grant[2]) return [200, g];
      const b = (await body(q)) as unknown as { recording?: string; comment?: string };
      if (grant[2] === "revoke" || grant[2] === "relinquish") {
        move(g, grant[2] === "revoke" ? "REVOKED" : "RELINQUISHED", grant[2]);
        if (g.ended) g.ended = { ...g.ended, comment: b.comment ?? "", by: { id: user.id, name: user.name } };
        return [200, g];
      }
      if (g.state === "SCHEDULED") {
        g.window = { start: iso(Date.now()), end: iso(Date.now() + g.duration_s * 1000) };
        const end = Date.parse(g.window.end) - Date.now();
        setTimeout(touch, end + 5).unref();
        move(g, "ACTIVE");
      }
      if (g.state !== "ACTIVE" || g.holder.id !== user.id) return problem(403, "grant-ended");
      const from = proof(q, r, path);
      if (Array.isArray(from)) return from;
      if ((from?.jkt ?? null) !== s.jkt) return problem(401, "key-binding");
      const key = "eyJ." + randomBytes(16).toString("base64url") + ".x";
      const life = Math.min(8, (Date.parse(g.window?.end ?? "") - Date.now()) / 1000);
      keys.set(key, { grant: g, rid: b.recording ?? "", exp: Date.now() + life * 1000, jkt: s.jkt });
      return [201, { key, key_id: randomBytes(16).toString("base64url"), token_type: s.jkt === null ? "Bearer" : "DPoP", expires_in: Math.ceil(life), renew_after: life < 8 ? 0 : 6, window_ends: g.window?.end, viewing: "v_AAAAAAAAAAAAAAAA", scope: ["play"] }];
    }
    if (path.startsWith("/v1/keys/")) return [204, ""];
    if (path === "/v1/viewings") return [200, { items: grants.filter((g) => g.state === "ACTIVE").map((g) => ({ id: "v_AAAAAAAAAAAAAAAA", state: "live", grant: g.id, recording: g.recordings[0], viewer: g.holder, client: "web", began_at: g.window?.start, window_ends: g.window?.end, can: user.name === "lead" ? ["stop"] : [] })), cursor: null }];
    if (path === "/v1/audit/events") return user.name === "auditor" ? [200, { log: "system", size: audit.length, items: audit.map((raw, index) => ({ log: "system", index, raw })).reverse(), cursor: null, names: {} }] : problem(403, "forbidden");
    return problem(404, "not-found");
  }

  function replayRoute(rid: string, rest: string, query: URLSearchParams, key: string | undefined): [number, object | string] {
    touch();
    const held = keys.get(key ?? "");
    if (!key) return problem(401, "key-missing");
    if (!held) return problem(401, "key-forged");
    if (refuse !== "") return problem(refuse.startsWith("key-") ? 401 : 403, refuse);
    if (held.grant.state !== "ACTIVE") return problem(403, "grant-ended", { stream_code: 4410 });
    if (held.exp <= Date.now()) return problem(401, "key-expired", { renew: `/v1/grants/${held.grant.id}/keys` });
    if (held.rid !== rid) return problem(403, "recording-mismatch");
    const k = recordings.find((x) => x.recording.id === rid);
    if (!k) return problem(404, "not-found");
    const m = manifest(k, held.grant);
    const lines = (list: unknown[]) => list.map((e) => JSON.stringify(e) + "\n").join("");
    if (rest === "manifest") return [200, m];
    if (rest === "events") {
      const t = times(k);
      const from = Number(query.get("from_ms") ?? 0);
      const to = Number(query.get("to_ms") ?? m.duration_ms);
      const frame = [...m.keyframes].reverse().find((x) => x.at_ms <= from) ?? { at_ms: 0, seq: 0 };
      const last = t.filter((x) => x <= to).length - 1;
      return [200, lines([{ from: { seq: frame.seq, at_ms: frame.at_ms } }, ...k.events.slice(frame.seq, last + 1), { end: { code: 1000, reason: "end", last_seq: last, at_ms: to } }])];
    }
    const c = m.chunks[Number(/^chunks\/(\d+)$/.exec(rest)?.[1] ?? -1)];
    return c ? [200, lines(k.events.slice(c.from_seq, c.to_seq + 1))] : problem(404, "not-found");
  }

  const appCsp = () => `default-src 'none'; script-src 'self'; connect-src 'self'; img-src 'self' blob:; style-src 'self'; frame-src http://127.0.0.1:${playerPort}; frame-ancestors 'none'; base-uri 'none'; form-action 'none'; require-trusted-types-for 'script'`;
  const playerCsp = (terminal: boolean) => {
    const above = ["localhost", ...people.map((p) => `${p.name}.localhost`)].map((h) => `http://${h}:${appPort}`).join(" ");
    return `default-src 'none'; script-src 'self'${terminal ? " 'wasm-unsafe-eval'" : ""}; style-src 'self' 'unsafe-inline'; img-src blob:${terminal ? "" : " data:"}; font-src blob: data:; media-src blob: data:; connect-src 'none'; frame-src 'self'; worker-src 'none'; object-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors ${above}; sandbox allow-scripts allow-same-origin`;
  };
  function file(r: ServerResponse, site: "app" | "player", path: string): number {
    const player = site === "player";
    const name = player && (path === "/dom" || path === "/terminal") ? `${path}.html` : path.startsWith("/assets/") ? path : player ? "" : "/index.html";
    try {
      const bytes = readFileSync(join(DIST, site, name));
      const headers: Record<string, string> = { "Content-Type": MIME[extname(name)] ?? "", "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer" };
      if (name.endsWith(".html")) headers["Content-Security-Policy"] = player ? playerCsp(path === "/terminal") : appCsp();
      if (player) Object.assign(headers, { "X-DNS-Prefetch-Control": "off", "Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Embedder-Policy": "require-corp", "Cross-Origin-Resource-Policy": "cross-origin", "Origin-Agent-Cluster": "?1" });
      r.writeHead(200, headers).end(bytes);
      return 200;
    } catch {
      r.writeHead(404).end();
      return 404;
    }
  }

  const app = createServer((q, r) => {
    const url = new URL(q.url ?? "/", "http://x");
    const hit: Hit = { method: q.method ?? "", path: url.pathname, status: 0, auth: q.headers.authorization ?? "" };
    hits.push(hit);
    if (url.pathname === "/test/open") { r.writeHead(200, { "Content-Type": "text/html" }).end("<!doctype html><img src=http://sink.example/x>"); return; }
    if (url.pathname === "/test/harness") { r.writeHead(200, { "Content-Type": "text/html", "Content-Security-Policy": appCsp() }).end("<!doctype html><title>harness</title><body></body>"); return; }
    if (!url.pathname.startsWith("/v1/") && !url.pathname.startsWith("/test/")) { hit.status = file(r, "app", url.pathname); return; }
    void api(q, r, url.pathname, url.searchParams).then((a) => {
      if (a === null) return;
      hit.status = a[0];
      r.writeHead(a[0], { "Content-Type": a[0] >= 400 ? "application/problem+json" : typeof a[1] === "string" ? "application/x-ndjson" : "application/json", "Cache-Control": "no-store" });
      r.end(a[0] === 204 ? undefined : typeof a[1] === "string" ? a[1] : JSON.stringify(a[1]));
    });
  });
  const player = createServer((q, r) => file(r, "player", new URL(q.url ?? "/", "http://x").pathname));
  const listen = (s: Server) => new Promise<number>((ok) => s.listen(0, "127.0.0.1", () => ok((s.address() as { port: number }).port)));
  appPort = await listen(app);
  playerPort = await listen(player);
  return {
    url: (host = "localhost") => `http://${host}:${appPort}`,
    player: () => `http://127.0.0.1:${playerPort}`,
    hits,
    end: (code) => { refuse = code; },
    stop: async () => {
      for (const s of [app, player]) {
        s.closeAllConnections();
        await new Promise((ok) => s.close(ok));
      }
    },
  };
}
