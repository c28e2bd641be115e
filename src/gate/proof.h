#pragma once
/*
 * Proofs of possession at the door (STANDARDS 1.6): the check of format/dpop with what only a gate has: the nonce key that
 * this process made, the proofs it has seen, client keys it has checked before, the origins it is reached under.
 *
 * Time for nonces is the boot clock: setting the wall clock makes no proof older or younger.
 */
#include "format/dpop.h"
#include "gate/lane.h"

#define PROOF_KEYS_MAX 4096 /* key objects of all loops */

/* RFC 9449 7.1: what is said of a proof that is refused for another reason than its nonce. */
#define PROOF_CHALLENGE                                                                                                \
    "DPoP realm=\"keyhole\", error=\"invalid_dpop_proof\", error_description=\"key-binding\", algs=\"ES256\""

struct call;
struct http_head;

/* What came with one request. */
struct proof {
    enum dpop_verdict verdict;
    bool authentic;                   /* jkt and pub are the sender's: the signature holds */
    bool bare;                        /* authentic, and it had no nonce at all */
    char jkt[KEY_JKT_LEN + 1];
    uint8_t pub[ES256_PUB_LEN];
    uint8_t sha256[32];               /* of the proof as it came */
    char nonce[DPOP_NONCE_LEN + 1];   /* for DPoP-Nonce; "": none is due */
};

/* What the request was; see struct dpop_want. */
struct proof_want {
    const char *method;
    struct span path;
    dpop_origin_fn origin_ok;
    const void *origin_ctx;
    const uint8_t *ath; /* NULL: login and issue */
    const char *jkt;    /* NULL: anybody's */
};

/* The proof of this request as it is: its own method and path, under the app's origins. */
struct proof_want proof_want_of(const struct call *c, const uint8_t *ath, const char *jkt);

/* Checks the DPoP header(s) of the head. Whatever the verdict, *ret is filled; OK is given once for a proof. */
void proof_check(struct lane *l, const struct http_head *h, const struct proof_want *want, struct proof *ret);
/* The same for the client of this call, which may send PEER_PROOFS_MAX a second (then FULL, and nothing was checked). */
void proof_check_from(struct call *c, const struct proof_want *want, struct proof *ret);

/* A nonce for this client key, now. */
void proof_nonce(struct lane *l, const char *jkt, char out[DPOP_NONCE_LEN + 1]);

/*
 * The problem of a refused proof: 401 key-binding, a challenge (RFC 9449 7.1, 8) and, when it is due, DPoP-Nonce; 429 for a full
 * set. The audit is the caller's.
 */
void proof_refuse(struct call *c, const struct proof *p, bool replay);

/* Key objects of one loop. */
struct proof_keys;
struct proof_keys *proof_keys_new(const uint8_t secret[16]); /* NULL: no memory */
struct proof_keys *proof_keys_free(struct proof_keys *k);
/* The object of that point; borrowed until the next call. NULL: not a point, or no memory. */
const struct es256_verifier *proof_keys_find(struct proof_keys *k, const uint8_t pub[ES256_PUB_LEN]);
/* Something verified with the object found last: it is worth keeping, one of at most max, instead of that used longest ago. */
void proof_keys_keep(struct proof_keys *k, size_t max);
size_t proof_keys_count(const struct proof_keys *k);
