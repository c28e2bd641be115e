#pragma once
/*
 * Proofs of possession: DPoP (RFC 9449), the JWT of type dpop+jwt that a client signs anew for each request. What is taken and
 * what is not: docs/formats/proof.md (STANDARDS 1.4, 1.6). Pure: keys, random bytes and time are arguments, nothing is kept.
 *
 *   dpop_write    a client makes one
 *   dpop_begin    the server takes it apart and learns whose it says to be: size, three parts, header, jwk
 *   dpop_finish   ... and what it is worth: signature over the received bytes, only then the payload, then the request
 *   dpop_nonce_*  the server's nonce, without a table (RFC 9449 8)
 *
 * Whether a proof was seen before is the gate's to remember: by thumbprint and jti, never by its bytes (ECDSA is malleable).
 * `iat` must be there and says nothing: how old a proof is, the nonce tells, whatever clock the client has (RFC 9449 4.3,
 * check 11).
 *
 * Threads: no state. Memory: at most 8 KiB of heap during a call.
 */
#include "format/key.h"

#define DPOP_LEN_MAX    1536
#define DPOP_BOTH_MAX   4096 /* Authorization and DPoP together */
#define DPOP_STRING_MAX 1024 /* bytes of any string in header or payload */
#define DPOP_JTI_MAX    128
#define DPOP_METHOD_MAX 16
#define DPOP_NONCE_LEN  22   /* base64url of 16 bytes */
#define DPOP_NONCE_S    120  /* accepted up to this age */
#define DPOP_RENEW_S    60   /* from this age on another one is sent */

/* ---- making ---- */

struct dpop_make {
    const char *method;  /* GET */
    const char *url;     /* of the request; query and fragment are left out of htu */
    struct span key;     /* the provisioning key of the request, for ath; empty: login and issue */
    struct span nonce;   /* the server's last DPoP-Nonce, or empty */
    int64_t iat;         /* seconds since 1970 */
    uint8_t jti[16];     /* random, never twice */
};

/*
 * Appends the proof. pub is the signer's public key. ERR_INVAL: a method or URL that is empty. ERR_LIMIT: it would be over
 * DPOP_LEN_MAX. ERR_CRYPTO.
 */
NODISCARD enum err dpop_write(const struct dpop_make *m, const struct es256_signer *signer,
                              const uint8_t pub[ES256_PUB_LEN], struct buf *out, struct err_info *reterr);

/* ---- checking ---- */

/* What is wrong with a proof. Everything but OK and FULL is 401 `key-binding` to the client. */
enum dpop_verdict {
    DPOP_OK = 0,
    DPOP_MISSING,   /* none was sent */
    DPOP_TWO,       /* more than one header */
    DPOP_TOO_LONG,
    DPOP_FORM,      /* not three parts of base64url; header not strict JSON of exactly typ, alg, jwk */
    DPOP_TYP,
    DPOP_ALG,
    DPOP_JWK,       /* not a public P-256 key and nothing else, or not a point of the curve */
    DPOP_SIGNATURE,
    DPOP_CLAIMS,    /* payload not strict JSON, or a claim is missing or of another form */
    DPOP_HTM,
    DPOP_HTU,
    DPOP_ATH,
    DPOP_JKT,       /* of another client key */
    DPOP_NONCE,     /* none, too old, or not made here for this client key: use_dpop_nonce */
    DPOP_REPLAYED,  /* seen before */
    DPOP_FULL,      /* what was seen cannot be remembered: 429, nothing is forgotten instead */
    DPOP_N_
};

/* One sentence for whoever wrote the client; names no input. Never NULL. */
const char *dpop_verdict_text(enum dpop_verdict v);
/* A fixed word: "nonce". Never NULL. */
const char *dpop_verdict_name(enum dpop_verdict v);

/* A proof taken apart. Spans borrow from its text. */
struct dpop_parts {
    struct span payload, signature; /* base64url text */
    struct span signed_part;        /* header, dot, payload: as received */
    uint8_t pub[ES256_PUB_LEN];     /* whose it says to be; not checked to be a point */
    char jkt[KEY_JKT_LEN + 1];
};

/* OK, MISSING (empty), TOO_LONG, FORM, TYP, ALG, JWK. */
enum dpop_verdict dpop_begin(struct span proof, struct dpop_parts *ret);

/* What a proof that verified says. Texts are NUL-terminated; "" where there was no such claim. */
struct dpop_claims {
    char jti[DPOP_JTI_MAX + 1];
    char htm[DPOP_METHOD_MAX + 1];
    char htu[DPOP_STRING_MAX + 1];
    char ath[KEY_JKT_LEN + 1];
    char nonce[DPOP_STRING_MAX + 1];
    int64_t iat;
};

/* Is this an origin under which the server is reached? scheme://host[:port] in lower case, without a default port. */
typedef bool (*dpop_origin_fn)(const void *ctx, struct span origin);

/* What the request was. */
struct dpop_want {
    const char *method;
    struct span path;         /* as received, without query */
    dpop_origin_fn origin_ok; /* from the configuration, never from Host */
    const void *origin_ctx;
    const uint8_t *ath;       /* SHA-256 of the key that came with it; NULL: login and issue, where there must be none */
    const char *jkt;          /* whose it has to be; NULL: anybody's */
    const struct secret *nonce_key;
    uint16_t node;
    uint32_t now_s;           /* of the clock that nonces are made by */
};

/*
 * verifier: made of parts->pub, by whoever keeps such objects. *ret is written when the signature holds and the payload can
 * be read, that is with OK and HTM and all that follow; *ret_renew (may be NULL): the nonce is good and old enough for
 * another one.
 */
enum dpop_verdict dpop_finish(const struct dpop_parts *parts, const struct es256_verifier *verifier,
                              const struct dpop_want *want, struct dpop_claims *ret, bool *ret_renew);

/* dpop_begin, a verifier of its own, dpop_finish. For those who check one. */
enum dpop_verdict dpop_check(struct span proof, const struct dpop_want *want, struct dpop_parts *ret_parts,
                             struct dpop_claims *ret, bool *ret_renew);

/*
 * htu against the path of a request, ignoring query and fragment, under RFC 3986 6.2.2 (case of scheme, host and escapes;
 * escapes of letters, digits and -._~) and 6.2.3 (default port, empty path).
 */
bool dpop_htu_is(struct span htu, struct span path, dpop_origin_fn origin_ok, const void *ctx);

/* ---- the nonce: b64u(ts4 || node2 || HMAC-SHA256(K_n, ts4 || node2 || jkt)[:10]), integers little-endian ---- */

void dpop_nonce_make(const struct secret *k_n, uint16_t node, uint32_t now_s, const char *jkt,
                     char out[DPOP_NONCE_LEN + 1]);

/* Made by this node with this key for this client key, and 0 to 120 s ago. *ret_age_s is written when true. */
bool dpop_nonce_check(const struct secret *k_n, uint16_t node, uint32_t now_s, const char *jkt, struct span nonce,
                      uint32_t *ret_age_s);
