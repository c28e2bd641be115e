#pragma once
/*
 * A signed act (STANDARDS 2.4): somebody's decision, signed with the client key of the sign-in, so that the gate, which
 * sees passwords and cookies pass through, cannot decide for those who send them (docs/formats/act.md).
 *
 * On the wire it is the header 'Keyhole-Act: <iat>.<b64u signature>'. What is signed is an ES256 JWS (RFC 7515) of
 * which each side writes the first two parts from values it has itself:
 *
 *   b64u({"alg":"ES256","typ":"act+jws","kid":"<jkt>"}) "." b64u(JCS({act, digest, htu, iat, id}))
 *
 * So the verifier parses a number and 86 characters, and a signature over anything else fails.
 * Pure: no clock, no state. Whether an act was taken before is the keeper's to know (act_once).
 */
#include "base/tree.h"
#include "crypto/es256.h"

#define ACT_IAT_LEEWAY_S 120      /* both ways */
#define ACT_HEADER_CAP   112      /* of the header's value with its NUL */
#define ACT_HASH_LEN     43       /* b64u SHA-256 */
#define ACT_HTU_MAX      2048     /* bytes */
#define ACT_ID_MAX       256

/* Values of an act; spans are borrowed. */
struct act {
    struct span jkt;    /* RFC 7638 thumbprint of the key, 43 characters */
    struct span act;    /* the route's operationId, "request_approve" */
    struct span digest; /* act_digest */
    struct span htu;    /* configured public URL and path, without query */
    int64_t iat;        /* seconds */
    struct span id;     /* first path parameter as it stands in the path, or "" */
};

/* The header's two parts. */
struct act_header {
    int64_t iat;
    uint8_t sig[ES256_SIG_LEN];
};

/* What the digest of an act is: of none, of the body, the body's member "digest" (votes), the id in the path (a policy's hash). */
enum act_kind { ACT_NONE, ACT_BODY, ACT_REQUEST, ACT_HASH };

/*
 * Is a call of this operation an act? 'body' decides for request_create: only with a break_glass member. The one table
 * that keeper and clients share.
 */
enum act_kind act_kind(const char *operation, struct tree body);

/*
 * The digest: 'id' for ACT_HASH; the body's member for ACT_REQUEST (a body without one, which no route takes, counts as
 * ACT_BODY); else base64url(SHA-256(JCS(body))), of "{}" when there is no body.
 * ERR_INVAL: a number that has no canonical form here (jcs.h), or ACT_NONE. ERR_LIMIT, ERR_NOMEM: a body beyond 1 MiB.
 */
NODISCARD enum err act_digest(enum act_kind kind, struct span id, struct tree body, struct buf *out,
                              struct err_info *reterr);

/* Exactly '<1 to 15 digits, no leading zero>.<86 characters of base64url>'. */
NODISCARD bool act_header_parse(struct span value, struct act_header *ret);

/* Appends what is signed. ERR_INVAL: jkt, id or htu out of form or limit. ERR_LIMIT. */
NODISCARD enum err act_input(const struct act *a, struct buf *out, struct err_info *reterr);

/* Signs; the header's value in 'header' (NUL-terminated). */
NODISCARD enum err act_sign(const struct act *a, const struct es256_signer *signer, char header[ACT_HEADER_CAP],
                            struct err_info *reterr);

enum act_verdict {
    ACT_OK,
    ACT_OLD,    /* iat more than 120 s behind 'now_s' */
    ACT_AHEAD,  /* … or ahead of it */
    ACT_FORGED, /* not signed by this key over these values */
};

/* a->iat must be the header's. */
enum act_verdict act_verify(const struct act *a, const struct act_header *h, const struct es256_verifier *key,
                            int64_t now_s);

/* base64url(SHA-256(the whole JWS, three parts)): what the leaf carries. Appends the JWS to 'jws' unless NULL. */
NODISCARD enum err act_hash(const struct act *a, const struct act_header *h, struct buf *jws,
                            char out[ACT_HASH_LEN + 1], struct err_info *reterr);

/*
 * By what an act is known to have been taken: SHA-256 over input and r. Not over s: whoever sees (r, s) can write
 * (r, n - s), which is as valid. Nobody but the key's holder makes another r.
 */
NODISCARD enum err act_once(const struct act *a, const struct act_header *h, uint8_t out[32], struct err_info *reterr);
