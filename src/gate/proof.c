#include "gate/proof.h"

#include <stdio.h>

#include "crypto/hash.h"
#include "gate/handlers.h"
#include "gate/peer.h"
#include "gate/seen.h"
#include "os/clock.h"

static uint32_t now_s(void)
{
    return (uint32_t) (clock_boot_ms() / 1000);
}

void proof_nonce(struct lane *l, const char *jkt, char out[DPOP_NONCE_LEN + 1])
{
    dpop_nonce_make(l->gate->nonce_key, l->gate->nonce_node, now_s(), jkt, out);
}

static bool app_origin(const void *ctx, struct span origin)
{
    return credential_origin_ok(ctx, origin);
}

struct proof_want proof_want_of(const struct call *c, const uint8_t *ath, const char *jkt)
{
    const struct http_head *h = exchange_head(c->ex);

    return (struct proof_want){ http_method_name(h->method), h->path, app_origin, c, ath, jkt };
}

/* One header, of a size that makes sense. */
static enum dpop_verdict find(const struct http_head *h, struct span *ret)
{
    size_t n = http_head_count(h, "dpop");
    struct span key;

    if (n == 0)
        return DPOP_MISSING;
    if (n > 1)
        return DPOP_TWO;
    (void) http_head_get(h, "dpop", ret);
    (void) http_head_get(h, "authorization", &key);
    return ret->n + key.n > DPOP_BOTH_MAX ? DPOP_TOO_LONG : DPOP_OK;
}

/* A proof is its client key and its jti: nobody can use up another one's. */
static enum dpop_verdict remember(struct gate *g, const struct dpop_parts *p, const struct dpop_claims *c, uint32_t now)
{
    char name[KEY_JKT_LEN + 1 + DPOP_JTI_MAX + 1];
    int n = snprintf(name, sizeof(name), "%s.%s", p->jkt, c->jti);

    switch (seen_add(g->seen, siphash24(g->seen_secret, span_of(name, (size_t) n)), now)) {
    case SEEN_NEW: return DPOP_OK;
    case SEEN_BEFORE: return DPOP_REPLAYED;
    case SEEN_FULL: break;
    }
    return DPOP_FULL;
}

static enum dpop_verdict check(struct lane *l, struct span text, const struct proof_want *want, struct proof *ret,
                               bool *ret_renew)
{
    struct gate *g = l->gate;
    const struct dpop_want w = { want->method, want->path, want->origin_ok, want->origin_ctx, want->ath, want->jkt,
                                 g->nonce_key, g->nonce_node, now_s() };
    const struct es256_verifier *verifier;
    struct dpop_parts parts;
    struct dpop_claims claims;
    enum dpop_verdict v = dpop_begin(text, &parts);

    if (v != DPOP_OK)
        return v;
    verifier = proof_keys_find(l->proof_keys, parts.pub);
    if (verifier == NULL)
        return DPOP_JWK;
    v = dpop_finish(&parts, verifier, &w, &claims, ret_renew);
    if (v == DPOP_SIGNATURE)
        return v;
    proof_keys_keep(l->proof_keys, PROOF_KEYS_MAX / gate_settings(g)->threads);
    ret->authentic = true;
    ret->bare = v != DPOP_CLAIMS && claims.nonce[0] == '\0';
    memcpy(ret->jkt, parts.jkt, sizeof(ret->jkt));
    memcpy(ret->pub, parts.pub, sizeof(ret->pub));
    return v == DPOP_OK ? remember(g, &parts, &claims, w.now_s) : v;
}

void proof_check(struct lane *l, const struct http_head *h, const struct proof_want *want, struct proof *ret)
{
    struct span text = SPAN_EMPTY;
    bool renew = false;

    *ret = (struct proof){ .verdict = find(h, &text) };
    if (ret->verdict != DPOP_OK)
        return;
    sha256(text, ret->sha256);
    ret->verdict = check(l, text, want, ret, &renew);
    if (ret->verdict == DPOP_NONCE || (ret->verdict == DPOP_OK && renew))
        proof_nonce(l, ret->jkt, ret->nonce);
}

void proof_check_from(struct call *c, const struct proof_want *want, struct proof *ret)
{
    if (peer_proof(c))
        proof_check(c->lane, exchange_head(c->ex), want, ret);
    else
        *ret = (struct proof){ .verdict = DPOP_FULL };
}

void proof_refuse(struct call *c, const struct proof *p, bool replay)
{
    struct problem problem = { .code = SPAN("key-binding"), .detail = dpop_verdict_text(p->verdict), .replay = replay };
    struct http_header h = { SPAN("www-authenticate"), SPAN(PROOF_CHALLENGE) };
    char detail[700], members[600];

    if (p->verdict == DPOP_FULL) {
        problem = (struct problem){ SPAN("rate-limited"), problem.detail, SPAN_EMPTY, NULL, replay, 1 };
        h = (struct http_header){ SPAN("retry-after"), SPAN("1") };
    } else if (p->verdict == DPOP_NONCE) {
        h.value = SPAN("DPoP realm=\"keyhole\", error=\"use_dpop_nonce\", error_description=\"key-binding\", "
                       "algs=\"ES256\"");
    } else if (p->verdict == DPOP_HTU) { /* behind a proxy people get this wrong: say what is expected */
        (void) snprintf(detail, sizeof(detail), "%s htu has to begin with %s (public_url).", problem.detail,
                        gate_settings(c->lane->gate)->public_url);
        problem.detail = detail;
        (void) snprintf(members, sizeof(members), "{\"public_url\":\"%s\"}", gate_settings(c->lane->gate)->public_url);
        problem.members = span_str(members);
    }
    memcpy(c->nonce, p->nonce, sizeof(c->nonce));
    call_problem_full(c, &problem, &h, 1);
}
