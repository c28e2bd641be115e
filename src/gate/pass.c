#include "gate/pass.h"

#include "crypto/hash.h"
#include "gate/peer.h"
#include "os/clock.h"

/* ---- steps 1 to 3 ---- */

/* RFC 6750 2: a key in the address is refused, whatever else was sent. */
static bool key_in_query(struct tree query)
{
    struct tree any;

    return tree_get(query, "access_token", &any);
}

enum key_verdict pass_find(const struct http_head *h, struct tree query, struct pass *ret)
{
    struct span value, scheme, proof;

    *ret = (struct pass){ .known = false };
    if (key_in_query(query) || http_head_count(h, "authorization") > 1)
        return KEY_INVALID_REQUEST;
    if (!http_head_get(h, "authorization", &value))
        return KEY_MISSING;
    (void) http_head_get(h, "dpop", &proof);
    if (value.n + proof.n > DPOP_BOTH_MAX || !span_cut(value, ' ', &scheme, &ret->token))
        return KEY_MALFORMED;
    ret->token = span_trim(ret->token);
    ret->scheme = span_eq_nocase(scheme, "DPoP") ? PASS_DPOP : PASS_BEARER;
    if (ret->scheme == PASS_BEARER && !span_eq_nocase(scheme, "Bearer"))
        return KEY_MISSING;
    return ret->token.n > KEY_LEN_MAX ? KEY_MALFORMED : KEY_OK;
}

/* ---- step 4: what was let in last on this connection ---- */

void pass_keep(struct call *c, const struct pass *p)
{
    peer_keep(c, p->token, p->digest);
}

/* ---- steps 5 to 9 ---- */

/* Steps 8 and 9, for bytes that this loop has verified before: the signature holds as long as the key that made it is known. */
static enum key_verdict check_seen(const struct call *c, const struct viewer *seen, struct pass *ret)
{
    struct gate *g = c->lane->gate;
    enum key_verdict v;
    bool kept;

    ret->claims = *viewer_claims(seen);
    memcpy(ret->kid, viewer_kid(seen), sizeof(ret->kid));
    ret->known = true;
    pthread_rwlock_rdlock(&g->keys_lock);
    kept = key_ring_find(&g->ring, span_str(ret->kid)) != NULL;
    pthread_rwlock_unlock(&g->keys_lock);
    if (!kept)
        return KEY_FORGED;
    v = key_check_audience(&ret->claims, &gate_settings(g)->key_audience, NULL);
    return v == KEY_OK ? key_check_time(&ret->claims, clock_wall_ms(), NULL) : v;
}

/* Steps 5 to 9, for a key that this loop has not seen. */
static enum key_verdict check_new(struct call *c, struct pass *ret)
{
    struct gate *g = c->lane->gate;
    const struct key_ring_entry *by = NULL;
    enum key_verdict v;

    pthread_rwlock_rdlock(&g->keys_lock);
    v = key_check(ret->token, &g->ring, &gate_settings(g)->key_audience, clock_wall_ms(), &ret->claims, &by, NULL);
    if (by != NULL) { /* the claims are authentic, whatever the verdict: they go into the record, and say where to renew */
        memcpy(ret->kid, by->kid, sizeof(ret->kid));
        ret->known = true;
    }
    pthread_rwlock_unlock(&g->keys_lock);
    return v;
}

enum key_verdict pass_check(struct call *c, struct pass *p)
{
    struct viewer *seen;

    if (!peer_knows(c, p->token, p->digest))
        sha256(p->token, p->digest);
    seen = viewer_find(c->lane, p->digest);
    p->seen = seen;
    return seen != NULL ? check_seen(c, seen, p) : check_new(c, p);
}

/* ---- step 12 ---- */

static bool in_place(struct call *c, const struct pass *p, struct span prefix)
{
    struct gate *g = c->lane->gate;
    const struct key_ring_entry *e;
    bool same;

    pthread_rwlock_rdlock(&g->keys_lock);
    e = key_ring_find(&g->ring, span_str(p->kid));
    same = e != NULL && e->k_ctx != NULL && key_ctx_equal(&p->claims, e->k_ctx, prefix);
    pthread_rwlock_unlock(&g->keys_lock);
    return same;
}

/*
 * A bound key is worth something only with a proof by its client key; at another place it costs a renewal. A bearer key is bound
 * to the place, hard.
 */
enum key_verdict pass_bind(struct call *c, const struct proof_want *want, struct span prefix, struct pass *p)
{
    const bool bound = p->claims.cnf_jkt[0] != '\0';
    struct proof_want whole = *want;

    if (bound != (p->scheme == PASS_DPOP))
        return KEY_BINDING; /* a bound key under Bearer (RFC 9449 7.1), or the reverse */
    if (bound) {
        whole.ath = p->digest;
        whole.jkt = p->claims.cnf_jkt;
        proof_check_from(c, &whole, &p->proof);
        memcpy(c->nonce, p->proof.nonce, sizeof(c->nonce));
        if (p->proof.verdict == DPOP_FULL)
            return KEY_RATE_LIMITED;
        if (p->proof.verdict != DPOP_OK)
            return KEY_BINDING;
    }
    if (prefix.n == 0 || (p->seen != NULL && viewer_was_at(p->seen, prefix)) || in_place(c, p, prefix))
        return KEY_OK;
    p->moved = bound;
    return KEY_BINDING;
}
