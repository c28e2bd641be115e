#pragma once
/*
 * A provisioning key that came with a request, steps 1 to 9 and 12 of STANDARDS 1.4. Route (10), liveness (11) and first sight (13)
 * are of whoever asks: replay.c for our own content, authz.c for a gateway's.
 *
 *   pass_find    1 to 3  one credential, in one place, of one of two schemes
 *   pass_check   4 to 9  bytes that this loop knows, or signature and claims
 *   pass_bind    12      the proof of a bound key; the place
 *   pass_keep            what was let in need not be hashed again on this connection
 */
#include "base/tree.h"
#include "gate/proof.h"
#include "gate/viewer.h"

enum pass_scheme { PASS_DPOP, PASS_BEARER };

struct pass {
    struct span token; /* of the head */
    enum pass_scheme scheme;
    uint8_t digest[32]; /* SHA-256 of the key's text: its ath */
    struct key_claims claims;
    char kid[KEY_KID_LEN + 1];
    bool known; /* claims are authentic: what is said of a refusal may name them */
    bool moved; /* all holds but the place: a fresh key helps */
    struct proof proof; /* verdict OK also when none was asked for */
    const struct viewer *seen; /* the viewer of these bytes on this loop, of this call */
};

/* query: a tree, or a null node. OK, INVALID_REQUEST, MISSING, MALFORMED. *ret is all zero but for what is known. */
enum key_verdict pass_find(const struct http_head *h, struct tree query, struct pass *ret);

/* OK, MALFORMED, FORGED, NOT_YET, EXPIRED, BINDING (iss, aud, env). */
enum key_verdict pass_check(struct call *c, struct pass *p);

/*
 * want: what the proof of a bound key has to be for; its ath and jkt are filled in here. prefix: where the client is, or empty:
 * the place is not looked at. OK, BINDING (p->proof.verdict says whether it was the proof), RATE_LIMITED (DPOP_FULL). A nonce
 * that is due goes out with the answer.
 */
enum key_verdict pass_bind(struct call *c, const struct proof_want *want, struct span prefix, struct pass *p);

void pass_keep(struct call *c, const struct pass *p);
