#pragma once
/*
 * Proofs of possession: DPoP (RFC 9449), the JWT of type dpop+jwt that a client signs anew for each request. What is taken and
 * what is not: docs/formats/proof.md (STANDARDS 1.4, 1.6). Pure: keys, random bytes and time are arguments, nothing is kept.
 *
 *   dpop_write    a client makes one
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
