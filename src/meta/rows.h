#pragma once
/*
 * The objects of the metadata database: one field list each, from which struct and columns are made.
 *
 *   TEXT  struct span, UTF-8; empty = absent        BLOB  struct span, bytes; empty = absent
 *   INT   int64_t; times in ms since 1970 (_ms), lengths with their unit; 0 = absent unless said
 *
 * The first fields up to the number beside the name are the primary key. 'seq' orders lists: meta_*_add sets it when it
 * is 0. 'v' is the object's format version: add sets it when it is 0. Booleans are 0 and 1.
 */
#include "base/span.h"

#define META_V 1

#define META_PROJECT(F)                                                                                                \
    F(TEXT, id) F(INT, seq)                                                                                            \
    F(TEXT, name)           /* unique */                                                                               \
    F(TEXT, env)            /* of recordings that state none */                                                        \
    F(BLOB, subject_key)    /* 32 random bytes: HMAC of subjects for viewers */                                        \
    F(TEXT, state)          /* "active" | "locked" */                                                                  \
    F(INT, log_generation)  /* from 1 */                                                                               \
    F(TEXT, origins)        /* of pages that may record, with spaces between them */                                   \
    F(INT, created_ms) F(INT, version) F(INT, v)

/* A human: accounts name one, a recorded subject has one. The private key is sealed to the vault (STANDARDS 4.2, kind 2). */
#define META_PERSON(F)                                                                                                 \
    F(TEXT, id) F(INT, seq)                                                                                            \
    F(BLOB, pk)             /* X25519, in clear */                                                                     \
    F(INT, epoch) F(BLOB, wrap)                                                                                        \
    F(INT, created_ms) F(INT, erased_ms) F(INT, v)

#define META_ACCOUNT(F)                                                                                                \
    F(TEXT, id) F(INT, seq)                                                                                            \
    F(TEXT, name)           /* unique */                                                                               \
    F(TEXT, full_name)                                                                                                 \
    F(TEXT, state)          /* "active" | "disabled" */                                                                \
    F(TEXT, password)       /* argon2id string; empty: none */                                                         \
    F(INT, must_change)                                                                                                \
    F(TEXT, person)                                                                                                    \
    F(INT, created_ms)                                                                                                 \
    F(INT, groups_changed_ms) F(INT, credential_changed_ms) /* votes: older than the request? (T2), guard (2.6) */     \
    F(INT, last_login_ms) F(INT, fail_count) F(INT, fail_last_ms) F(INT, locked_until_ms)                              \
    F(INT, disabled_ms)                                                                                                \
    F(INT, version) F(INT, v)

#define META_TEAM(F) /* a group of accounts ("group" is a word of SQL) */                                              \
    F(TEXT, id) F(INT, seq)                                                                                            \
    F(TEXT, name)           /* unique */                                                                               \
    F(INT, builtin) F(INT, created_ms) F(INT, v)

#define META_MEMBER(F) F(TEXT, team) F(TEXT, account) F(INT, since_ms)

#define META_ROLE(F)                                                                                                   \
    F(TEXT, who)            /* u_… or n_… */                                                                           \
    F(TEXT, role)           /* the words of STANDARDS 2.6 */                                                           \
    F(TEXT, project)        /* id or "*" */                                                                            \
    F(INT, since_ms)

#define META_TOKEN(F)                                                                                                  \
    F(TEXT, id) F(INT, seq)                                                                                            \
    F(TEXT, kind)           /* "session" | "cli" | "api" | "ingest" | "gateway" */                                     \
    F(BLOB, sha256)         /* of the token's whole text; unique */                                                    \
    F(TEXT, account)        /* of session, cli, api */                                                                 \
    F(TEXT, project)        /* of ingest, gateway */                                                                   \
    F(TEXT, label) F(TEXT, url)                                                                                        \
    F(INT, browser)         /* 1: of ingest, public, for pages of the project's origins */                             \
    F(TEXT, states)         /* browser: what it may state of its recordings, blanks between (keeper/statements.h) */   \
    F(TEXT, client)         /* short text for the sign-in list */                                                      \
    F(BLOB, prefix)         /* client address prefix at sign-in */                                                     \
    F(TEXT, jkt) F(INT, jkt_since_ms) /* client key, once registered */                                                \
    F(TEXT, created_by)                                                                                                \
    F(INT, created_ms) F(INT, expires_ms)                                                                              \
    F(INT, idle_ms)         /* how long it may rest; 0: for ever */                                                    \
    F(INT, last_seen_ms)                                                                                               \
    F(INT, auth_ms)         /* last proof of the person (login, reauth) */                                             \
    F(TEXT, state)          /* "active" | "waiting" (for a guarded change) | "ended" */                                                                   \
    F(INT, ended_ms) F(INT, v)

/* A client key that an account registered at a sign-in (STANDARDS 5.1), once for each key. */
#define META_CLIENT_KEY(F)                                                                                             \
    F(TEXT, account) F(TEXT, jkt)                                                                                      \
    F(BLOB, pub)            /* P-256, x || y */                                                                        \
    F(TEXT, client)         /* "web" | "cli" | "api" */                                                                \
    F(TEXT, token)          /* the sign-in that brought it first */                                                    \
    F(INT, since_ms) F(INT, v)

/* A signed act that was taken (docs/formats/act.md). */
#define META_ACT(F)                                                                                                    \
    F(TEXT, hash)           /* b64u SHA-256 of the JWS: what leaves carry */                                           \
    F(INT, seq)                                                                                                        \
    F(BLOB, once)           /* act_once: unique */                                                                     \
    F(TEXT, account) F(TEXT, token) F(TEXT, jkt) F(TEXT, operation) F(TEXT, obj)                                       \
    F(TEXT, jws) F(INT, at_ms) F(INT, v)

/* A change of people that the guard covers (STANDARDS 2.6). */
#define META_CHANGE(F)                                                                                                 \
    F(TEXT, id) F(INT, seq)                                                                                            \
    F(TEXT, state)          /* "waiting" | "done" | "stopped" | "failed" */                                            \
    F(TEXT, operation)      /* the route that asked for it */                                                          \
    F(TEXT, target)         /* its path parameter; empty: none */                                                      \
    F(TEXT, obj)            /* id of the account, group, project it changes; empty: a new one */                       \
    F(BLOB, body)           /* tree, without passwords */                                                              \
    F(TEXT, password)       /* argon2id string of a new password; empty: none; wiped when it is decided */             \
    F(TEXT, token)          /* token_create: the token that waits for it */                                            \
    F(TEXT, touches)        /* words, blank between */                                                                 \
    F(TEXT, proposed_by) F(INT, proposed_ms)                                                                           \
    F(INT, effective_ms)    /* when it works by itself; 0: only by approval */                                         \
    F(BLOB, boot_id) F(INT, deadline_ms) /* the same on the boot clock, on that boot; empty: none */                   \
    F(TEXT, marks)          /* "sole-admin" */                                                                         \
    F(TEXT, act)            /* hash of the signed act; empty: unsigned */                                              \
    F(TEXT, decided_by) F(INT, decided_ms) F(TEXT, comment) F(TEXT, failure) F(INT, v)

#define META_EPOCH(F) F(INT, n) F(BLOB, pk) F(INT, begun_ms) F(INT, ended_ms)

#define META_RECORDING(F)                                                                                              \
    F(TEXT, id) F(INT, seq) F(TEXT, project)                                                                           \
    F(TEXT, kind)           /* "rrweb" | "terminal"; empty while not known */                                          \
    F(TEXT, state)          /* "importing" (in no list) | "open" | "complete" | "erased" */                            \
    F(TEXT, title) F(TEXT, subject) F(TEXT, session) F(TEXT, env) F(TEXT, class)                                       \
    F(INT, started_ms) F(INT, created_ms) F(INT, duration_us) F(INT, events) F(INT, bytes)                             \
    F(TEXT, importer)       /* u_… or t_… */                                                                           \
    F(BLOB, root)           /* RFC 6962 root over its pieces */                                                        \
    F(INT, next_batch)      /* live: the batch after the last one that is in a piece */                                \
    F(INT, touched_ms)      /* live: when its gate was last heard of */                                                \
    F(INT, time_kind) F(INT, time_base_us) /* live: how its times count (enum batch_times_kind) */                     \
    F(INT, public)          /* 1: what is said of it was said with a public token */                                   \
    F(INT, v)

#define META_PIECE(F)                                                                                                  \
    F(TEXT, rid) F(INT, seg_no)                                                                                        \
    F(INT, kn) F(INT, track) F(INT, kind) F(INT, codec) F(INT, size) F(BLOB, sha256)                                   \
    F(INT, first_seq) F(INT, n_events) F(INT, first_chunk) F(INT, n_chunks) F(INT, t_first_us) F(INT, t_last_us)       \
    F(INT, v)

#define META_WRAP(F) F(TEXT, rid) F(INT, kn) F(INT, track) F(INT, epoch) F(BLOB, wrap)

/* Everything of STANDARDS 2.1 and what became of it. Lists (recordings, actions, viewers) are meta_request_* calls. */
#define META_REQUEST(F)                                                                                                \
    F(TEXT, id) F(INT, seq) F(TEXT, project)                                                                           \
    F(TEXT, requester) F(TEXT, env) F(TEXT, purpose) F(TEXT, reason) F(TEXT, ticket)                                   \
    F(TEXT, start)          /* "approval" | "first-use" | "time" */                                                    \
    F(INT, start_ms) F(INT, start_by_s) F(INT, duration_s)                                                             \
    F(TEXT, more_same) F(INT, more_max) F(INT, more_time_times) F(INT, more_time_each_s)                               \
    F(BLOB, parts)          /* tree; empty: whole */                                                                   \
    F(TEXT, extends)                                                                                                   \
    F(TEXT, policy)         /* b64u SHA-256 */                                                                         \
    F(BLOB, salt)           /* 16 bytes; goes with the texts when a person is erased */                                \
    F(TEXT, digest)                                                                                                    \
    F(INT, break_glass) F(TEXT, incident)                                                                              \
    F(TEXT, state)          /* the words of access/grant.h */                                                          \
    F(TEXT, cause) F(TEXT, rule)                                                                                       \
    F(BLOB, terms)          /* tree: what the deciding rule allows and asks */                                         \
    F(TEXT, link)           /* "" | "extend" | "more-time" | "join" | "widen" | "break-glass": with extends */         \
    F(TEXT, urgent)         /* break-glass: why it could not wait */                                                   \
    F(INT, created_ms) F(INT, lapse_ms) F(INT, decided_ms) F(INT, version) F(INT, v)

#define META_VOTE(F)                                                                                                   \
    F(TEXT, request) F(TEXT, voter)                                                                                    \
    F(TEXT, person)         /* one vote a person: unique in the request */                                             \
    F(TEXT, verdict)        /* "approve" | "deny" */                                                                   \
    F(TEXT, digest) F(TEXT, comment)                                                                                   \
    F(INT, auth_ms) F(INT, opened_ms) F(INT, at_ms)                                                                    \
    F(INT, is_unsigned) F(BLOB, act) /* the signed act, or empty */                                                    \
    F(TEXT, marks)          /* words: "sole-person" … */                                                               \
    F(INT, v)

#define META_GRANT(F)                                                                                                  \
    F(TEXT, id) F(INT, seq)                                                                                            \
    F(TEXT, request) F(TEXT, holder) F(TEXT, project) F(TEXT, env)                                                     \
    F(TEXT, state) F(INT, gen)                                                                                         \
    F(INT, version)         /* its ETag */                                                                             \
    F(INT, duration_s) F(INT, approved_ms) F(INT, start_ms) F(INT, start_by_ms)                                        \
    F(INT, window_start_ms) F(INT, window_end_ms)                                                                      \
    F(BLOB, boot_id) F(INT, deadline_ms) /* boot clock, on that boot */                                                \
    F(INT, last_key_ms)     /* boot clock */                                                                           \
    F(TEXT, cause) F(INT, ended_ms)                                                                                    \
    F(TEXT, ended_by) F(TEXT, ended_comment) /* who ended it early, and what they said */                              \
    F(TEXT, review)         /* "none" | "due" | "done" | "overdue" */                                                  \
    F(TEXT, end_cause)      /* why the window ends before what was granted; "ticket-closed" */                         \
    F(TEXT, held_by) F(TEXT, held_comment) /* who suspended it last */                                                 \
    F(INT, review_due_ms) F(TEXT, review_outcome) /* "done" | "failed" */                                              \
    F(TEXT, review_by) F(INT, review_ms) F(TEXT, review_comment)                                                       \
    F(TEXT, policy) F(TEXT, rule) F(BLOB, terms)                                                                       \
    F(INT, created_ms) F(INT, v)

/* What is frozen. */
#define META_FREEZE(F)                                                                                                 \
    F(TEXT, project)        /* id, or "*" */                                                                           \
    F(TEXT, reason) F(TEXT, by_account) F(INT, at_ms) F(INT, v)

#define META_VIEWING(F)                                                                                                \
    F(TEXT, id) F(INT, seq)                                                                                            \
    F(TEXT, gid) F(TEXT, rid) F(TEXT, project) F(TEXT, holder)                                                         \
    F(TEXT, client_key)     /* jkt, or the sign-in's id under bearer */                                                \
    F(TEXT, client)         /* "web" | "cli" | "api" */                                                                \
    F(TEXT, state)          /* "new" (key issued, nothing served) | "live" | "ended" | "stopped" */                    \
    F(INT, begun_ms) F(INT, last_ms) F(INT, ended_ms) F(TEXT, cause) F(INT, v)

/* The issuance ledger: insert-only but for revoked_ms. */
#define META_KEY(F)                                                                                                    \
    F(TEXT, jti) F(INT, seq)                                                                                           \
    F(TEXT, gid) F(INT, gen) F(TEXT, rid) F(TEXT, vid) F(TEXT, sub) F(TEXT, project) F(TEXT, env)                      \
    F(TEXT, client) F(TEXT, token) /* the sign-in it was issued to */                                                  \
    F(TEXT, scope) F(TEXT, jkt) F(BLOB, prefix)                                                                        \
    F(INT, iat_s) F(INT, exp_s) F(INT, wend_s) F(TEXT, kid)                                                            \
    F(INT, leaf_idx)        /* of its key.issued leaf; from 0 */                                                       \
    F(INT, revoked_ms) F(INT, v)

#define META_POLICY(F)                                                                                                 \
    F(TEXT, hash)           /* b64u SHA-256 of text */                                                                 \
    F(INT, seq)                                                                                                        \
    F(TEXT, text)           /* canonical print: this is the policy */                                                  \
    F(BLOB, tree) F(TEXT, source) F(TEXT, comment)                                                                     \
    F(TEXT, state)          /* "proposed" | "enacted" | "stopped" | "past" */                                          \
    F(TEXT, proposed_by) F(INT, proposed_ms) F(TEXT, approved_by)                                                      \
    F(INT, effective_ms)    /* proposed by a sole administrator: when it takes force by itself */                      \
    F(BLOB, boot_id) F(INT, deadline_ms) /* the same on the boot clock, on that boot; empty: none */                   \
    F(INT, enacted_ms) F(TEXT, marks) F(INT, v)

#define META_CONFIG(F) F(INT, seq) F(TEXT, hash) F(INT, at_ms)

#define META_IDEMPOTENCY(F)                                                                                            \
    F(TEXT, actor) F(TEXT, route) F(TEXT, idem_key)                                                                    \
    F(BLOB, body_sha256) F(INT, status) F(TEXT, code)                                                                  \
    F(BLOB, answer)         /* opaque: what the caller needs to answer the same again */                               \
    F(INT, created_ms) F(INT, v)

#define META_LOG(F)                                                                                                    \
    F(TEXT, log) F(INT, seq) F(TEXT, origin)                                                                           \
    F(TEXT, state)          /* "open" | "sealed" | "past" */                                                           \
    F(INT, created_ms) F(INT, v)

#define META_OPENING(F)                                                                                                \
    F(TEXT, log) F(INT, idx) F(TEXT, field)                                                                            \
    F(TEXT, person) F(BLOB, sealed) /* crypto_box_seal of the disclosure */

#define META_CHECKPOINT(F) F(TEXT, log) F(INT, size) F(BLOB, root) F(BLOB, note) F(INT, at_ms)

/* What hooks have said of a ticket: name as hook_ticket_key makes it. */
#define META_TICKET(F)                                                                                                 \
    F(TEXT, project) F(TEXT, name)                                                                                     \
    F(TEXT, state)          /* "open" | "closed" */                                                                    \
    F(TEXT, hook) F(INT, said_ms) F(INT, changed_ms) F(INT, v)

/* Masking rules of a project (codec/mask.h). */
#define META_MASKS(F)                                                                                                  \
    F(TEXT, project)                                                                                                   \
    F(TEXT, text) F(BLOB, tree)                                                                                        \
    F(TEXT, hash)           /* b64u SHA-256 of the text */                                                             \
    F(BLOB, rules) F(TEXT, engine) /* compiled, by which program and library; another one makes them anew */           \
    F(TEXT, changed_by) F(INT, changed_ms) F(INT, version) F(INT, v)

/* name, NAME, SQL table, columns of the primary key */
#define META_ROWS(X)                                                                                                   \
    X(project, PROJECT, "project", 1) X(person, PERSON, "person", 1) X(account, ACCOUNT, "account", 1)                 \
    X(team, TEAM, "team", 1) X(member, MEMBER, "team_member", 2) X(role, ROLE, "role_given", 3)                        \
    X(token, TOKEN, "token", 1) X(client_key, CLIENT_KEY, "client_key", 2) X(act, ACT, "signed_act", 1)                \
    X(change, CHANGE, "guarded_change", 1) X(epoch, EPOCH, "epoch", 1) X(recording, RECORDING, "recording", 1)                    \
    X(piece, PIECE, "piece", 2) X(wrap, WRAP, "wrap", 3) X(request, REQUEST, "request", 1)                             \
    X(vote, VOTE, "vote", 2) X(grant, GRANT, "access_grant", 1) X(viewing, VIEWING, "viewing", 1)                      \
    X(key, KEY, "issued_key", 1) X(policy, POLICY, "policy", 1) X(config, CONFIG, "config_seen", 1)                    \
    X(idempotency, IDEMPOTENCY, "idempotency", 3) X(log, LOG, "audit_log", 1) X(opening, OPENING, "audit_opening", 3)  \
    X(checkpoint, CHECKPOINT, "checkpoint", 2) X(ticket, TICKET, "ticket", 2) X(freeze, FREEZE, "freeze", 1)    \
    X(masks, MASKS, "masks", 1)

typedef struct span meta_TEXT;
typedef struct span meta_BLOB;
typedef int64_t meta_INT;

/* struct meta_project …, and struct meta_project_list { rows, n }. */
#define META_F(kind, name) meta_##kind name;
#define META_X(name, NAME, table, n_key)                                                                               \
    struct meta_##name {                                                                                               \
        META_##NAME(META_F)                                                                                            \
    };                                                                                                                 \
    struct meta_##name##_list {                                                                                        \
        struct meta_##name *rows;                                                                                      \
        size_t n;                                                                                                      \
    };
META_ROWS(META_X)
#undef META_X
#undef META_F
