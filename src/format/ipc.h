#pragma once
/*
 * Messages between the roles (docs/formats/ipc.md). The names are the contract (DESIGN 3).
 *
 * A frame on a channel is u32le body length || u16le type || u16le flags || u64le call || body (loop/channel.h). A call
 * other than 0 expects exactly one answer with the same number. The body is the message's fields in the order below:
 *   U8 U16 U32 U64 I64: little-endian   SPAN: u32le length, bytes   LIST: u32le count, then each row's fields
 * Nothing is optional: what is absent is 0 or empty. Decoding checks every length and refuses what is left over; rows are
 * taken from the arena, spans borrow from the body.
 *
 * Units: _ms wall time or boot time in milliseconds as said, _us microseconds, _s seconds. Ids are their text form;
 * jti is its 22-character text; sha256, keys and tags are raw bytes.
 */
#include "base/arena.h"
#include "base/buf.h"

/* ---- rows ---- */

/* One live grant, as gate and vault hold it (STANDARDS 1.10). Ended grants are sent once, with their end code. */
#define IPC_ROW_GRANT(F, L)                                                                                            \
    F(SPAN, gid)                                                                                                       \
    F(SPAN, pid)                                                                                                       \
    F(SPAN, sub)            /* the holder */                                                                           \
    F(U8, state)            /* enum grant_state of access/grant.h */                                                   \
    F(U32, gen)             /* generation; grows at every suspend, resume, scope change, end */                        \
    F(I64, wend_ms)         /* wall time of the window's end */                                                        \
    F(I64, deadline_ms)     /* boot time of the window's end */                                                        \
    F(U16, end_code)        /* 4410, 4411, 4423 … when not ACTIVE (STANDARDS 5.2); 0 while ACTIVE */                   \
    F(SPAN, policy)         /* SHA-256 of the policy text */                                                           \
    F(U16, max_speed_x100)  /* 1600 = 16 times */                                                                      \
    F(U16, key_streams) F(U16, grant_streams) F(U16, person_streams)                                                   \
    F(U64, key_bytes) F(U64, key_rate) F(U32, key_requests) /* volume; bytes and requests per second */

#define IPC_ROW_DENY(F, L)                                                                                             \
    F(SPAN, jti)                                                                                                       \
    F(I64, exp_ms)                                                                                                     \
    F(U16, end_code)        /* what a running stream is told: 4411 revoked */

#define IPC_ROW_WRAP(F, L)                                                                                             \
    F(U16, kn) F(U8, track) F(U32, epoch)                                                                              \
    F(SPAN, wrap)           /* crypto_box_seal(P, pk_epoch), STANDARDS 4.2 */

#define IPC_ROW_PIECE(F, L)                                                                                            \
    F(U32, seg_no) F(U16, kn) F(U8, track) F(U8, kind) F(U8, codec)                                                    \
    F(U64, size)            /* stored bytes */                                                                         \
    F(SPAN, sha256)                                                                                                    \
    F(U64, first_seq) F(U64, n_events)                                                                                 \
    F(U32, first_chunk) F(U32, n_chunks) /* numbers of chunks/{n} are dense over the recording */                      \
    F(I64, t_first_us) F(I64, t_last_us) /* seek times */

#define IPC_ROW_RANGE(F, L) F(U64, from_seq) F(U64, to_seq) /* both inclusive */

#define IPC_ROW_TAG(F, L) F(SPAN, key) F(SPAN, value)

#define IPC_ROW_LINK(F, L) F(SPAN, type) F(SPAN, id) F(I64, at_ms) /* since the recording's start; -1: not known */

/* A public signing key. state: 0 next, 1 current, 2 old. k_ctx (32 B) goes to the gate only, else empty. */
#define IPC_ROW_SIGNING_KEY(F, L)                                                                                      \
    F(SPAN, kid) F(SPAN, x) F(SPAN, y) F(U8, state) F(I64, retire_ms) F(SPAN, k_ctx)

#define IPC_ROW_HASH(F, L) F(SPAN, hash)

#define IPC_ROW_TEXT(F, L) F(SPAN, text)

#define IPC_ROW_NUMBER(F, L) F(U32, n)

/* An ingest token as the gate holds it (STANDARDS 5.1). live 0: revoked or over, and its recordings take nothing more. */
#define IPC_ROW_INGEST_TOKEN(F, L)                                                                                     \
    F(SPAN, sha256) F(SPAN, tid) F(SPAN, pid) F(U8, live)                                                              \
    F(U8, kind)             /* enum machine_token */                                                                   \
    F(SPAN, url)            /* of a gateway token: what its proxy serves (STANDARDS 1.12) */                           \
    F(U8, browser)          /* of an ingest token: public, for pages of the project's origins */

/* Origins whose pages may record into a project, with spaces between them; empty: none any more. */
#define IPC_ROW_ORIGINS(F, L) F(SPAN, pid) F(SPAN, origins)

/* A hook of the configuration: who sends notices of closed tasks, and the secret that signs them. */
#define IPC_ROW_HOOK(F, L) F(SPAN, name) F(SPAN, project) F(SPAN, format) F(SPAN, secret)

/* What the keeper has of a recording of which a node's log has more. found 0: forget what the log has. */
#define IPC_ROW_RECOVER(F, L)                                                                                          \
    F(SPAN, rid) F(SPAN, pid) F(U8, found)                                                                             \
    F(U64, next_seq) F(U64, next_batch) F(I64, last_us) F(U32, next_seg) F(U32, next_chunk)

/* A batch of another recorder's client that is durable. last_segment -1: it counts none. */
#define IPC_ROW_SEEN(F, L) F(I64, last_segment) F(SPAN, hashes)

/* ---- gate -> keeper ---- */

/* A control-plane call. The keeper finds the person by 'cred' and checks every right itself. Answer: ANSWER. */
#define IPC_CONTROL(F, L)                                                                                              \
    F(U16, route)           /* enum route_id */                                                                        \
    F(SPAN, id1) F(SPAN, id2) /* path parameters in order, decoded; empty when the route has none */                   \
    F(SPAN, query)          /* tree: object of strings, or empty */                                                    \
    F(U8, cred_kind)        /* enum cred_kind */                                                                       \
    F(SPAN, cred)           /* SHA-256 of the token, or empty */                                                       \
    F(SPAN, body)           /* tree, or empty */                                                                       \
    F(SPAN, body_sha256)    /* of the raw body */                                                                      \
    F(SPAN, idem_key) F(SPAN, if_match)                                                                                \
    F(SPAN, prefix)         /* client address prefix, STANDARDS 1.7 */                                                 \
    F(SPAN, addr)           /* the whole client address, 4 or 16 bytes: network conditions of the policy */            \
    F(U8, browser)          /* 1: the call had an Origin header: login answers with a cookie */                        \
    F(SPAN, proof_jkt)      /* thumbprint (43 characters) of a DPoP proof that was checked; empty: none came */        \
    F(SPAN, proof_pub)      /* its public key, P-256, x || y */                                                        \
    F(SPAN, act)            /* Keyhole-Act as it came, unchecked (STANDARDS 2.4), or empty */                          \
    F(SPAN, raw) L(tag, headers) /* hooks only: the body as it came, the headers of its signature */                   \
    F(SPAN, client)         /* short text of the client for the sign-in list: "web", "cli", "api" */                   \
    F(SPAN, trace)          /* 32 lower hex digits */

/* Exactly one per CONTROL. code empty: success, body is JSON. Else a problem: the gate writes it (gate/problem.h). */
#define IPC_ANSWER(F, L)                                                                                               \
    F(U16, status)                                                                                                     \
    F(SPAN, code)           /* problem code, or empty */                                                               \
    F(SPAN, detail)         /* one sentence for people; never echoes input */                                          \
    F(SPAN, body)           /* JSON; for a problem: members to add, as a JSON object, or empty */                      \
    F(SPAN, content_type)   /* empty: application/json */                                                              \
    F(SPAN, etag) F(SPAN, location)                                                                                    \
    F(SPAN, cache)          /* Cache-Control; empty: no-store */                                                       \
    F(SPAN, set_token)      /* token text: the gate sets the sign-in cookie (browser = 1) */                           \
    F(U8, clear_token)      /* 1: the gate clears the cookie */                                                        \
    F(U32, retry_after_s)

/* /v1/events: the keeper registers 'sub' (unique per channel) and sends NOTIFY; ANSWER says whether it may. */
#define IPC_WATCH_OPEN(F, L)  F(U64, sub) F(U8, cred_kind) F(SPAN, cred) F(SPAN, trace)
#define IPC_WATCH_CLOSE(F, L) F(U64, sub)

/*
 * A new recording. Answer: INGEST_OPENED. live 0: an import, in no list until END. live 1: it is being made, listed at
 * once, and belongs to this gate until its channels close; only with an ingest token.
 */
#define IPC_INGEST_OPEN(F, L)                                                                                          \
    F(U8, cred_kind) F(SPAN, cred)                                                                                     \
    F(SPAN, project)        /* id or name; empty: the ingest token's, or the only one */                               \
    F(SPAN, kind)           /* "rrweb", "terminal" or empty = to be sniffed */                                         \
    F(SPAN, title) F(SPAN, subject) F(SPAN, session) F(SPAN, env) F(SPAN, klass)                                       \
    L(tag, tags) L(tag, links)                                                                                         \
    F(U8, live) F(I64, started_ms) /* started_ms: as stated, 0: not */                                                 \
    F(SPAN, idem_key) F(SPAN, body_sha256) /* live: Idempotency-Key, or empty; of the raw body */                      \
    F(SPAN, prefix) F(SPAN, trace)                                                                                     \
    F(SPAN, foreign)        /* live: the session of another recorder's client, by its own name; empty: ours. The open   \
                               recording of that name is answered with 'again' */

#define IPC_INGEST_OPENED(F, L)                                                                                        \
    F(U16, status) F(SPAN, code) F(SPAN, detail) /* as ANSWER; status 0: go on */                                      \
    F(SPAN, rid) F(SPAN, pid)                                                                                          \
    F(SPAN, tid)            /* the ingest token's id; empty: a person's */                                             \
    F(U8, again)            /* 1: this Idempotency-Key made it before: say so again, and make nothing */               \
    F(U32, epoch) F(SPAN, epoch_pk) /* X25519 key of the vault to seal the recording key to */                         \
    F(SPAN, secret)         /* live: what a public token needs to go on with it (keeper/append_secret.h) */

/*
 * A batch came of a recording that this gate has not open: it was restarted, or another one wrote it. From now on it
 * belongs to this gate, which writes under the next key number. cred: SHA-256 of a live ingest token of its project.
 * Answer: INGEST_STATE; status 404 not-found, 409 recording-ended (kind and counts are there), 401 as for any call.
 */
#define IPC_INGEST_RESUME(F, L) F(SPAN, rid) F(SPAN, cred) F(SPAN, prefix) F(SPAN, trace)

#define IPC_INGEST_STATE(F, L)                                                                                         \
    F(U16, status) F(SPAN, code) F(SPAN, detail) /* as ANSWER; status 0: go on */                                      \
    F(SPAN, pid) F(SPAN, tid) F(SPAN, kind)                                                                            \
    F(U64, next_batch) F(U64, next_seq) /* of what its pieces hold */                                                  \
    F(I64, last_us)         /* seek time of the last event; a lower bound after a recovery */                          \
    F(U64, bytes)           /* event bytes so far */                                                                   \
    F(U8, time_kind) F(I64, time_base_us) /* as PIECE_PUT said last; 0 0: it never did */                               \
    F(U32, next_seg) F(U32, next_chunk) F(U16, next_kn)                                                                \
    F(U32, epoch) F(SPAN, epoch_pk)                                                                                    \
    L(piece, pieces)                                                                                                   \
    F(SPAN, secret)         /* as in INGEST_OPENED */                                                                  \
    L(seen, seen)           /* of another recorder's client: FOREIGN_BATCH of those below next_batch, the newest first */

/* Ids that came with the events of a live recording, and when. Those that are there stay as they are. Answer: DONE. */
#define IPC_LINKS_ADD(F, L) F(SPAN, rid) L(link, links) F(SPAN, trace)

/*
 * Another recorder's batch is about to be written under this number: a repeat after the gate's restart is known by its hashes (8 bytes each,
 * of the batch, then of its lines; keyed with the recording's secret). Answer: DONE, which nobody waits for.
 */
#define IPC_FOREIGN_BATCH(F, L) F(SPAN, rid) F(U64, number) F(I64, last_segment) F(SPAN, hashes)

/* The wrap and each piece are durable when DONE comes back. */
#define IPC_WRAP_PUT(F, L)  F(SPAN, rid) L(wrap, wraps)
#define IPC_PIECE_PUT(F, L)                                                                                            \
    F(SPAN, rid) L(piece, pieces)                                                                                      \
    L(number, gone)         /* seg_no of pieces that these replace, in the same commit (STANDARDS 4.4, merging) */     \
    F(U64, next_batch)      /* live: the batch after the last one that is in a piece; import: 0 */                     \
    F(U64, bytes)           /* live: event bytes of the recording up to here */                                        \
    F(U8, time_kind) F(I64, time_base_us) /* live: how its times count (enum batch_times_kind), once known; 0: not */

/* A gate that starts finds logs of an earlier one. What does the keeper have of these? Answer: RECOVER_STATE. */
#define IPC_RECOVER_ASK(F, L)   L(text, rids)
#define IPC_RECOVER_STATE(F, L) L(recover, rows)

/*
 * What no piece had of a recording is a KHSPL1 file now (piece kind 2). The keeper adds the wraps it has not, the piece
 * and recording.recovered. A wrap of epoch 0 is of the present epoch. Repeating it is harmless. Answer: DONE; 409 conflict:
 * it has these events in another piece, 404: the recording is not there any more; remove the file for both. 422: it does not
 * fit, and the file is all there is of it: keep it.
 */
#define IPC_RECOVERED(F, L) F(SPAN, rid) L(wrap, wraps) L(piece, pieces) F(U64, next_batch)

/*
 * ok = 0: forget everything of it (the gate removes the files after DONE). live = 1: a recording that was being made;
 * counts come from its pieces. Answer: ANSWER (body of the API).
 */
#define IPC_END(F, L)                                                                                                  \
    F(SPAN, rid) F(U8, ok)                                                                                             \
    F(SPAN, kind) F(U64, events) F(I64, duration_us) F(U64, bytes) F(I64, started_ms)                                  \
    F(SPAN, root)           /* empty: the keeper computes it (STANDARDS 4.4) */                                         \
    F(U8, live) F(U8, vanished) /* vanished 1: the recorder went away without an end */                                \
    F(SPAN, trace)

/*
 * First sight of a jti (STANDARDS 1.4 step 13), or a grant the gate does not know (step 11). Answer: KEY_FACTS. lease = 1: what
 * every viewing begins with comes at once, the manifest's lease and a vault.released leaf of the first key number, as LEASE would
 * write them; then the answer is sent after COMMIT.
 */
#define IPC_KEY_FIRST(F, L)                                                                                            \
    F(SPAN, jti) F(SPAN, gid) F(U32, gen) F(SPAN, rid) F(SPAN, pid) F(SPAN, sub) F(SPAN, env) F(SPAN, prefix)          \
    F(SPAN, jkt)            /* the client key it is bound to; empty: bearer */                                         \
    F(U8, lease) F(SPAN, proof) /* proof as in LEASE */

#define IPC_KEY_FACTS(F, L)                                                                                            \
    F(U16, verdict)         /* enum key_verdict of format/key.h; the rest only for KEY_OK */                           \
    F(SPAN, vid)                                                                                                       \
    L(grant, grant)         /* its row as of now (0 or 1) */                                                           \
    F(SPAN, kind) F(U64, events) F(I64, duration_us) F(I64, started_ms) F(U32, n_chunks)                               \
    L(wrap, wraps) L(piece, pieces)                                                                                    \
    F(U64, volume)          /* bytes already leased under this key */                                                  \
    F(U8, live)             /* 1: it is still being made */                                                            \
    F(SPAN, who)            /* the holder's name: for marks in exports, and the watermark */                           \
    F(U8, watermark)        /* 1: the rule asks for one over the picture */                                            \
    F(U64, lease_idx)       /* of the manifest's lease; 0: none was written, LEASE asks (and says why not) */          \
    F(U64, release_idx) F(I64, release_t_ms) F(U16, release_kn) /* beside it, for OPEN */

/* Pieces and wraps of a key that was confirmed before, as of now: a live recording gets more. Answer: KEY_FACTS. */
#define IPC_KEY_AGAIN(F, L) F(SPAN, jti) F(SPAN, gid) F(SPAN, rid)

#define IPC_STREAM_OPEN(F, L)  F(SPAN, vid) F(SPAN, gid) F(SPAN, rid) F(SPAN, jti)
#define IPC_STREAM_CLOSE(F, L) F(SPAN, vid) F(SPAN, gid) F(SPAN, rid) F(SPAN, jti) F(U64, last_seq) F(U16, end_code)

/* Written before content leaves (STANDARDS 3.7). Answer: LEASED, after COMMIT. */
#define IPC_LEASE(F, L)                                                                                                \
    F(SPAN, jti) F(SPAN, gid) F(U32, gen) F(SPAN, vid) F(SPAN, rid) F(SPAN, pid) F(SPAN, sub)                          \
    F(U8, what)             /* enum lease_what */                                                                      \
    F(U64, from_seq) F(U64, to_seq) F(U64, from_ms) F(U64, to_ms) F(U64, bytes) /* LIVE: bytes is the most, no to_* */ \
    F(U32, live_s)          /* LIVE: what becomes durable within so many seconds from now; else 0 */                   \
    F(U64, first_lease)     /* index of the first lease of its series, which one settlement ends; 0: this is it */     \
    F(SPAN, proof)          /* SHA-256 of the DPoP proof that asked for it; empty under bearer */                      \
    F(U16, release_kn) F(U8, release_track) F(U8, release) /* release = 1: a vault.released leaf too, for OPEN */       \
    F(U8, reveal)           /* 1: with what masks took out, track 1 */

#define IPC_LEASED(F, L)                                                                                               \
    F(U16, verdict)         /* enum key_verdict; KEY_OK = durable */                                                   \
    F(U64, idx) F(I64, t_ms) F(U64, release_idx) F(I64, release_t_ms)

#define IPC_SETTLE(F, L)                                                                                               \
    F(SPAN, jti) F(SPAN, gid) F(U32, gen) F(SPAN, vid) F(SPAN, rid) F(SPAN, pid) F(SPAN, sub)                          \
    F(U64, first_lease) L(range, ranges) F(U8, more) F(U64, bytes)                                                     \
    F(U8, exported)         /* 1: an export that reached its end: export.done as well */

/* A gateway is about to serve its own content under this key (STANDARDS 1.12). Answer: LEASED, after COMMIT. */
#define IPC_GATEWAY_ALLOWED(F, L)                                                                                      \
    F(SPAN, jti) F(SPAN, gid) F(U32, gen) F(SPAN, rid) F(SPAN, pid) F(SPAN, sub)                                       \
    F(SPAN, tid)            /* the gateway token's id */                                                               \
    F(SPAN, proof) F(U32, seconds) /* from now on; proof as in LEASE */

/* Refusals, already counted as STANDARDS 3.2 'Floods' says. pid empty: the system log. No answer. */
#define IPC_REFUSED(F, L)                                                                                              \
    F(SPAN, code) F(SPAN, route) F(SPAN, jti) F(SPAN, gid) F(SPAN, rid) F(SPAN, pid) F(SPAN, sub) F(SPAN, prefix)      \
    F(U32, count)

/* ---- keeper -> gate, keeper -> vault ---- */

#define IPC_GRANTS(F, L)    F(U64, seq) F(U8, full) L(grant, rows) /* full: forget what is not in it */
#define IPC_DENY(F, L)      F(U64, seq) L(deny, rows)
#define IPC_INGEST_TOKENS(F, L)                                                                                        \
    F(U64, seq) F(U8, full) L(ingest_token, rows) /* full: forget what is not in it */                                 \
    L(origins, origins)
/*
 * The masking rules that count for a project from now on (gate/masks.h). Sent on a channel before each INGEST_OPENED and INGEST_STATE that
 * says "go on", and to the gate at each change. version grows with every change: what is older than the gate has does nothing.
 */
#define IPC_MASK_RULES(F, L)                                                                                           \
    F(SPAN, pid) F(U64, version) F(SPAN, rules) /* mask_rules_encode of codec/mask.h; empty: the default ones */
#define IPC_GONE(F, L)      F(SPAN, rid) F(SPAN, pid) /* wipe its keys and chunks, remove its files */
#define IPC_HEARTBEAT(F, L) F(U64, seq) F(I64, wall_ms) F(U8, audit_ok) F(U8, clock_ok) F(U8, vault_ok)
#define IPC_NOTIFY(F, L)    F(U64, sub) F(SPAN, json) F(U8, end) /* end: the sign-in is over, close the stream */

/* ---- keeper -> vault ---- */

/* The vault fills its template from these, signs, remembers (jti, gid, gen, rid, exp). Answer: SIGNED. */
#define IPC_SIGN_KEY(F, L)                                                                                             \
    F(SPAN, jti) F(SPAN, sub) F(SPAN, client_id) F(SPAN, scope) F(SPAN, pid) F(SPAN, env) F(SPAN, gid) F(U32, gen)     \
    F(SPAN, rid) F(I64, iat_s) F(I64, exp_s) F(I64, wend_s) F(SPAN, prefix) F(SPAN, cnf_jkt)                           \
    F(U8, renewed)          /* 1: its leaf is key.renewed, else key.issued */                                          \
    F(U8, moved)            /* 1: a renewal from another address prefix: its leaf says ctx */                          \
    F(SPAN, q) F(SPAN, vid) F(SPAN, policy) /* of the leaf alone; policy as b64u */                                    \
    F(SPAN, log) F(U64, leaf_idx) F(I64, leaf_t_ms)
#define IPC_SIGNED(F, L) F(U16, status) F(SPAN, code) F(SPAN, key) F(SPAN, kid)

/*
 * The tree that was signed last, as the roots of its perfect subtrees from left to right, and every leaf hash since: from
 * these the vault computes the new root itself, which proves consistency and inclusion at once. At most
 * IPC_CHECKPOINT_LEAVES_MAX leaves; a longer way goes in steps, each signed. Answer: CHECKPOINT; 409 old-size: it signed
 * 'size' leaves already; 409 audit-sealed: what it is shown is not what it signed ('size' leaves), or not what it waits for.
 */
#define IPC_SIGN_CHECKPOINT(F, L)                                                                                      \
    F(SPAN, log) F(SPAN, origin) F(U64, size) F(SPAN, root) F(U64, old_size) L(hash, frontier) L(hash, leaves)
#define IPC_CHECKPOINT(F, L) F(U16, status) F(SPAN, code) F(SPAN, log) F(U64, size) F(SPAN, note)

/* A new signing key takes over now. emergency 1: the one before is forgotten at once. Answer: DONE, after KEYS. */
#define IPC_ROTATE(F, L) F(U8, emergency)

#define IPC_LOG_BEGIN(F, L) F(SPAN, log) F(SPAN, origin) /* Answer: DONE */

/* ---- gate -> vault ---- */

/* STANDARDS 4.5. Answer: RELEASED; rk is 32 bytes when verdict is KEY_OK. */
#define IPC_OPEN(F, L)                                                                                                 \
    F(SPAN, jti) F(SPAN, gid) F(U32, gen) F(SPAN, rid) F(SPAN, pid) F(U16, kn) F(U8, track) F(U32, epoch)              \
    F(SPAN, wrap) F(U64, leaf_idx) F(I64, leaf_t_ms)
#define IPC_RELEASED(F, L) F(U16, verdict) F(SPAN, rk)

/* ---- vault -> gate, keeper: sent when a channel opens and at every change ---- */

#define IPC_KEYS(F, L)                                                                                                 \
    L(signing_key, signing) F(U32, epoch) F(SPAN, epoch_pk) F(SPAN, log_pk) /* Ed25519, signs checkpoints */

/* What happened to the vault's own keys, for the audit log (keeper only): word as the leaf type, kid, thumbprint. */
#define IPC_KEY_EVENT(F, L) F(SPAN, type) F(SPAN, kid) F(SPAN, thumbprint) F(I64, at_ms)

/* ---- supervisor <-> roles (the control channel, descriptor 3) ---- */

#define IPC_GATE_CONFIG(F, L)                                                                                          \
    F(SPAN, public_url) F(SPAN, player_url) L(text, origins) /* all app origins, public_url's first */                 \
    F(SPAN, dir) F(U8, demo) F(U8, plain) F(U8, tls) L(text, trusted) F(U8, proxy_header) L(text, envs)                \
    F(U32, threads) F(U32, streams) F(U64, cache_bytes) F(U32, connections) F(U32, per_source)                         \
    F(I64, header_time_ms) F(I64, idle_time_ms) F(I64, write_stall_ms) F(U32, body_min_rate)                           \
    F(U32, header_bytes) F(U64, body_bytes) F(U64, import_wire_bytes) F(U64, import_bytes) F(U32, zstd_level)          \
    F(U64, seal_bytes) F(I64, seal_after_ms) F(I64, vanish_ms) F(U32, max_open) F(U8, log_format)
#define IPC_KEEPER_CONFIG(F, L)                                                                                        \
    F(SPAN, public_url) F(SPAN, player_url) F(SPAN, dir) F(U8, demo) F(U8, plain) L(text, envs)                        \
    F(I64, key_life_s) F(I64, bearer_life_s) F(I64, lapse_ms) F(I64, idle_session_ms) F(I64, session_ms)               \
    F(I64, cli_session_ms) F(I64, fresh_ms) F(U8, require_sync) F(SPAN, config_sha256) F(U8, token_votes)              \
    F(I64, edge_skew_s) F(SPAN, demo_password) F(I64, vanish_ms) F(U8, log_format)                                     \
    F(I64, new_key_wait_ms) L(hook, hooks)
#define IPC_VAULT_CONFIG(F, L)                                                                                         \
    F(SPAN, issuer) F(SPAN, audience) F(SPAN, dir) F(I64, rotate_ms) F(I64, key_life_s) F(I64, bearer_life_s)          \
    F(U8, log_format)

/* A descriptor follows with the frame. role: enum role_id; index: loop number. The receiver replaces what it had. */
#define IPC_PEER(F, L)     F(U8, role) F(U32, index)
#define IPC_LISTENER(F, L) F(U8, kind) F(U32, index) /* enum listener_kind, with a descriptor */
#define IPC_TLS(F, L)      F(SPAN, certificate) F(SPAN, key) /* PEM; sent at start and after SIGHUP */
#define IPC_READY(F, L)    F(U8, ok) F(SPAN, text) /* role -> supervisor: serving, or why not */
#define IPC_SHUTDOWN(F, L) F(U32, grace_ms)

/* Plain acknowledgement of a call: status 0, or as ANSWER. */
#define IPC_DONE(F, L) F(U16, status) F(SPAN, code) F(SPAN, detail)

/* name, lower-case name, field list */
#define IPC_ROWS(X)                                                                                                    \
    X(GRANT, grant) X(DENY, deny) X(WRAP, wrap) X(PIECE, piece) X(RANGE, range) X(TAG, tag)                            \
    X(SIGNING_KEY, signing_key) X(HASH, hash) X(TEXT, text) X(NUMBER, number)                                          \
    X(INGEST_TOKEN, ingest_token) X(RECOVER, recover) X(HOOK, hook) X(LINK, link) X(ORIGINS, origins) X(SEEN, seen)

#define IPC_MESSAGES(X)                                                                                                \
    X(CONTROL, control) X(ANSWER, answer) X(WATCH_OPEN, watch_open) X(WATCH_CLOSE, watch_close)                        \
    X(INGEST_OPEN, ingest_open) X(INGEST_OPENED, ingest_opened) X(WRAP_PUT, wrap_put) X(PIECE_PUT, piece_put)          \
    X(INGEST_RESUME, ingest_resume) X(INGEST_STATE, ingest_state) X(RECOVER_ASK, recover_ask)                          \
    X(RECOVER_STATE, recover_state) X(RECOVERED, recovered) X(INGEST_TOKENS, ingest_tokens) X(KEY_AGAIN, key_again)    \
    X(END, end) X(KEY_FIRST, key_first) X(KEY_FACTS, key_facts) X(STREAM_OPEN, stream_open)                            \
    X(STREAM_CLOSE, stream_close) X(LEASE, lease) X(LEASED, leased) X(SETTLE, settle) X(REFUSED, refused)              \
    X(GRANTS, grants) X(DENY, deny) X(GONE, gone) X(HEARTBEAT, heartbeat) X(NOTIFY, notify)                            \
    X(SIGN_KEY, sign_key) X(SIGNED, signed) X(SIGN_CHECKPOINT, sign_checkpoint) X(CHECKPOINT, checkpoint)              \
    X(LOG_BEGIN, log_begin) X(OPEN, open) X(RELEASED, released)                                                        \
    X(KEYS, keys) X(KEY_EVENT, key_event) X(GATE_CONFIG, gate_config) X(KEEPER_CONFIG, keeper_config)                  \
    X(VAULT_CONFIG, vault_config) X(PEER, peer) X(LISTENER, listener) X(TLS, tls) X(READY, ready)                      \
    X(SHUTDOWN, shutdown) X(DONE, done) X(GATEWAY_ALLOWED, gateway_allowed) X(ROTATE, rotate)            \
    X(MASK_RULES, mask_rules) \
    X(LINKS_ADD, links_add) X(FOREIGN_BATCH, foreign_batch)

enum ipc_type {
    IPC_T_NONE_ = 0,
#define IPC_X(NAME, name) IPC_T_##NAME,
    IPC_MESSAGES(IPC_X)
#undef IPC_X
    IPC_T_N_
};

enum cred_kind { CRED_NONE, CRED_COOKIE, CRED_BEARER };
enum machine_token { TOKEN_INGEST, TOKEN_GATEWAY };
enum role_id { ROLE_SUPERVISOR, ROLE_GATE, ROLE_KEEPER, ROLE_VAULT };
enum listener_kind { LISTENER_APP, LISTENER_PLAYER };
enum lease_what { LEASE_STREAM, LEASE_CHUNK, LEASE_EVENTS, LEASE_EXPORT, LEASE_MANIFEST, LEASE_LIVE };

typedef uint8_t ipc_U8;
typedef uint16_t ipc_U16;
typedef uint32_t ipc_U32;
typedef uint64_t ipc_U64;
typedef int64_t ipc_I64;
typedef struct span ipc_SPAN;

/* struct ipc_row_grant …, then struct ipc_control …; a LIST member is { rows, n }. */
#define IPC_F(kind, name)       ipc_##kind name;
#define IPC_L(row, name)                                                                                               \
    struct {                                                                                                           \
        struct ipc_row_##row *rows;                                                                                    \
        uint32_t n;                                                                                                    \
    } name;
#define IPC_X(NAME, name)                                                                                              \
    struct ipc_row_##name {                                                                                            \
        IPC_ROW_##NAME(IPC_F, IPC_L)                                                                                   \
    };
IPC_ROWS(IPC_X)
#undef IPC_X
#define IPC_X(NAME, name)                                                                                              \
    struct ipc_##name {                                                                                                \
        IPC_##NAME(IPC_F, IPC_L)                                                                                       \
    };
IPC_MESSAGES(IPC_X)
#undef IPC_X

#define IPC_ROWS_MAX              200000
#define IPC_CHECKPOINT_LEAVES_MAX 32768 /* 1.2 MB of a frame's 2 MiB */

/* "control", for logs and tests; "?" for an unknown type. */
const char *ipc_name(enum ipc_type type);
size_t ipc_struct_size(enum ipc_type type);

/* The size that the field table implies: a test compares it with ipc_struct_size. */
size_t ipc_table_size(enum ipc_type type);

/* Appends the body of *msg (the struct of 'type'). Overflow shows in out->failed. */
void ipc_encode(enum ipc_type type, const void *msg, struct buf *out);

/* Fills *ret_msg (the struct of 'type'). ERR_CORRUPT: cut, left over, unknown type; ERR_NOMEM: the arena is full. */
NODISCARD enum err ipc_decode(enum ipc_type type, struct span body, struct arena *rows, void *ret_msg,
                              struct err_info *reterr);
