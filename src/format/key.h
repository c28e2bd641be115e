#pragma once
/*
 * The provisioning key: an ES256 JWT of type at+jwt, exactly as docs/formats/key.md (STANDARDS 1.1 to 1.5) says. It is
 * the only JWT that is signed here. This file writes it by template and takes it apart; it keeps no state.
 *
 *   split          step 3   size, two dots, base64url
 *   parse_header   step 5   three members, kid in the ring, the ring's key decides the algorithm
 *   verify         step 6   signature over the received bytes, before the payload is looked at
 *   parse_payload  step 7   strict JSON, types and limits, required claims
 *   check_audience step 8   iss, aud, env
 *   check_time     step 9   nbf, iat, exp
 *   check          all of these in that order
 *
 * Whoever asks gets a verdict; a refusal is no error. *ret_cause (may be NULL) is a fixed text for the audit record and
 * for tests, never for the client. ECDSA signatures are malleable: a key's identity is its jti.
 *
 * Threads: no state of its own; a ring may be read by many threads while nobody changes it. Memory: a parse takes at
 * most 8 KiB of heap, for its duration.
 */
#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/times.h"
#include "crypto/es256.h"
#include "format/id.h"

#define KEY_LEN_MAX      1024
#define KEY_STRING_MAX   200 /* bytes of any string in the payload */
#define KEY_KID_LEN      11  /* base64url of the first 8 bytes of the RFC 7638 thumbprint */
#define KEY_CTX_LEN      22  /* base64url of 16 bytes */
#define KEY_JKT_LEN      43  /* base64url of 32 bytes */
#define KEY_CLIENT_MAX   8
#define KEY_LIFE_MAX_S   300 /* exp - iat */
#define KEY_BEARER_MAX_S 60  /* without cnf */
#define KEY_AHEAD_MS     5000 /* how far nbf and iat may lie ahead; exp has no leeway */
#define KEY_RING_CAP     8

/* Every answer to "may this request have bytes", with the API's code word beside it (STANDARDS 1.4). */
enum key_verdict {
    KEY_OK = 0,
    KEY_INVALID_REQUEST,   /* 400: two credentials, or one in a place where none may be */
    KEY_MISSING,           /* 401 from here */
    KEY_MALFORMED,
    KEY_FORGED,            /* unknown kid, foreign alg, signature; jti not in the ledger */
    KEY_NOT_YET,
    KEY_EXPIRED,
    KEY_REVOKED,
    KEY_BINDING,           /* iss, aud, env, scheme, proof, jkt, ctx */
    KEY_GRANT_ENDED,       /* 403 from here */
    KEY_GRANT_SUSPENDED,
    KEY_SCOPE,
    KEY_RECORDING_MISMATCH,
    KEY_QUOTA,
    KEY_RATE_LIMITED,      /* 429 */
    KEY_AUTHORITY_STALE,   /* 503 from here */
    KEY_KEEPER_UNAVAILABLE,
    KEY_AUDIT_UNAVAILABLE,
    KEY_AUDIT_SPACE,
    KEY_CLOCK_UNTRUSTED,
    KEY_N_
};

/* "key-expired"; "ok" for KEY_OK, "internal" for a number that is none. Never NULL. */
const char *key_verdict_code(enum key_verdict v);
/* HTTP status; 200 for KEY_OK, 500 for a number that is none. */
unsigned key_verdict_status(enum key_verdict v);
/* True for a number that is a verdict: what came over a channel is checked with it. */
bool key_verdict_valid(unsigned v);

/* What a key may do, as bits. */
enum key_scope {
    KEY_SCOPE_PLAY = 1 << 0,
    KEY_SCOPE_LIVE = 1 << 1,
    KEY_SCOPE_UNMASK = 1 << 2, /* only beside play or live */
    KEY_SCOPE_EXPORT = 1 << 3, /* stands alone */
    KEY_SCOPE_BG = 1 << 4,     /* under break-glass; beside something else */
};
#define KEY_SCOPE_TEXT_CAP 32

/* "play live": single spaces, each word once, any order. False: an unknown word, or a combination that may not be. */
bool key_scope_parse(struct span text, unsigned *ret_bits);
/* In the order of the bits. False (text is "") when the combination may not be. */
bool key_scope_text(unsigned bits, char text[KEY_SCOPE_TEXT_CAP]);

/* The payload. Texts are NUL-terminated; times are whole seconds since 1970. */
struct key_claims {
    char iss[KEY_STRING_MAX + 1];
    char aud[KEY_STRING_MAX + 1];
    char sub[ID_CAP];
    char client_id[KEY_CLIENT_MAX + 1]; /* web, cli, api */
    char jti[JTI_CAP];
    int64_t iat, nbf, exp;
    unsigned scope; /* enum key_scope bits */
    char pid[ID_CAP];
    char env[KEY_STRING_MAX + 1];
    char gid[ID_CAP];
    uint32_t gen;
    char rid[ID_CAP];
    int64_t wend;
    char ctx[KEY_CTX_LEN + 1];
    char cnf_jkt[KEY_JKT_LEN + 1]; /* "" without cnf: a bearer key */
};

/* ---- making ---- */

/*
 * Header, dot, payload: the bytes that are signed, appended to *out in the order of STANDARDS 1.3.
 * ERR_INVAL names the claim that breaks a rule: a text that JSON would have to escape, an id of another form, exp over
 * wend, a life over the cap, nbf after exp, a scope that may not be. ERR_LIMIT: the key would be over its 1,024 bytes.
 */
NODISCARD enum err key_write(const struct key_claims *c, const char *kid, struct buf *out, struct err_info *reterr);

/* The whole key: key_write, signed. Appends to *out. */
NODISCARD enum err key_sign(const struct key_claims *c, const char *kid, const struct es256_signer *signer,
                            struct buf *out, struct err_info *reterr);

/* ---- key ids ---- */

/* RFC 7638 thumbprint of a P-256 key. */
void key_thumbprint(const uint8_t pub[ES256_PUB_LEN], uint8_t out[32]);
void key_kid(const uint8_t pub[ES256_PUB_LEN], char kid[KEY_KID_LEN + 1]);
/* base64url of the whole thumbprint: a cnf.jkt. */
void key_jkt(const uint8_t pub[ES256_PUB_LEN], char jkt[KEY_JKT_LEN + 1]);

/* ---- the ring of public keys ---- */

enum key_alg { KEY_ALG_ES256 }; /* the table of algorithms has one row */

struct key_ring_entry {
    char kid[KEY_KID_LEN + 1];
    enum key_alg alg;
    struct es256_verifier *verifier; /* owned by the ring */
    struct secret *k_ctx;            /* owned; NULL where it is not known */
};

/* A fixed array: an unknown kid costs eight comparisons, fetches nothing. */
struct key_ring {
    struct key_ring_entry keys[KEY_RING_CAP];
    size_t n;
};

/* All zero is an empty ring. */
void key_ring_deinit(struct key_ring *ring);

/* Takes *k_ctx (may hold NULL) on success. The kid is computed. ERR_INVAL: not a point. ERR_LIMIT: full. ERR_EXISTS. */
NODISCARD enum err key_ring_add(struct key_ring *ring, const uint8_t pub[ES256_PUB_LEN], struct secret **k_ctx,
                                struct err_info *reterr);

/* NULL when it is not there. */
const struct key_ring_entry *key_ring_find(const struct key_ring *ring, struct span kid);

/* ---- checking ---- */

struct key_parts {
    struct span header, payload, signature; /* base64url text */
    struct span signed_part;                /* header, dot, payload: as received */
};

/* KEY_OK or KEY_MALFORMED. The parts borrow from token. Empty token: KEY_MISSING. */
enum key_verdict key_split(struct span token, struct key_parts *ret, const char **ret_cause);

/* KEY_OK, KEY_MALFORMED (form), KEY_FORGED (kid not in the ring, or alg not that key's). *ret borrows from the ring. */
enum key_verdict key_parse_header(const struct key_parts *parts, const struct key_ring *ring,
                                  const struct key_ring_entry **ret, const char **ret_cause);

/* KEY_OK or KEY_FORGED. */
enum key_verdict key_verify(const struct key_parts *parts, const struct key_ring_entry *key, const char **ret_cause);

/* KEY_OK or KEY_MALFORMED. *ret_n_unknown (may be NULL) counts claims that are ignored. */
enum key_verdict key_parse_payload(const struct key_parts *parts, struct key_claims *ret, unsigned *ret_n_unknown,
                                   const char **ret_cause);

struct key_audience {
    const char *iss; /* exact bytes */
    const char *aud;
    const char *const *envs; /* the configured ones */
    size_t n_envs;
};

/* KEY_OK or KEY_BINDING. */
enum key_verdict key_check_audience(const struct key_claims *c, const struct key_audience *want,
                                    const char **ret_cause);

/* KEY_OK, KEY_NOT_YET, KEY_EXPIRED. now = wall time, read once per request. */
enum key_verdict key_check_time(const struct key_claims *c, time_ms now, const char **ret_cause);

/*
 * Steps 3 and 5 to 9. *ret_key (may be NULL) is the entry that verified. Both are written when the claims are authentic:
 * for KEY_OK and for the verdicts of steps 8 and 9 (KEY_BINDING, KEY_NOT_YET, KEY_EXPIRED).
 */
enum key_verdict key_check(struct span token, const struct key_ring *ring, const struct key_audience *want, time_ms now,
                           struct key_claims *ret, const struct key_ring_entry **ret_key, const char **ret_cause);

/* ---- binding to the client's address (STANDARDS 1.7) ---- */

#define KEY_PREFIX_MAX 7

/*
 * addr: 4 or 16 bytes in network order. Writes byte 4 and three bytes (IPv4, also mapped into IPv6), or byte 6 and six.
 * Returns the length, 0 for another addr.n.
 */
size_t key_prefix(struct span addr, uint8_t out[KEY_PREFIX_MAX]);

/* ctx = base64url(HMAC-SHA256(K_ctx, prefix)[:16]). */
void key_ctx(const struct secret *k_ctx, struct span prefix, char out[KEY_CTX_LEN + 1]);

/* Constant time. */
bool key_ctx_equal(const struct key_claims *c, const struct secret *k_ctx, struct span prefix);
