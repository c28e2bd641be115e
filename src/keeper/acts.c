#include "keeper/acts.h"

#include <stdio.h>

#include "crypto/hash.h"
#include "format/act.h"
#include "keeper/client_keys.h"
#include "keeper/terms.h"
#include "meta/acts.h"
#include "meta/requests.h"

static enum err invalid(struct job *c, const char *cause)
{
    jsonw_kcstr(job_extra(c), "cause", cause);
    return job_refuse(c, 401, "act-invalid", NULL);
}

/* ---- without a signature ---- */

static enum err vote_may(struct job *c, bool *ret, struct err_info *reterr)
{
    struct meta_request q;
    struct terms t;
    enum err e = id_check(c->in->id1, ID_REQUEST) ? meta_request_get(c->v, c->in->id1, c->mem, &q, reterr)
                                                  : ERR_NOTFOUND;

    *ret = true; /* the handler says 404 */
    if (e == ERR_NOTFOUND)
        return ERR_OK;
    TRY(e);
    TRY(terms_read(q.terms, c->mem, &t, reterr));
    *ret = t.bearer;
    return ERR_OK;
}

static enum err rules_may(struct job *c, bool *ret, struct err_info *reterr)
{
    const struct rules *rules = job_rules(c, reterr);

    if (rules == NULL)
        return ERR_NOMEM;
    *ret = rules->policy == NULL;
    for (size_t i = 0; rules->policy != NULL && i < rules->policy->n_rules; i++) {
        const struct policy_rule *r = &rules->policy->rules[i];

        *ret |= r->effect != POLICY_EFFECT_DENY && (r->terms.binding & POLICY_BINDING_BEARER) != 0;
    }
    return ERR_OK;
}

static enum err take_unsigned(struct job *c, enum act_kind kind, bool *ret_ok, struct err_info *reterr)
{
    bool may = span_eq_str(c->token.kind, "api") && c->core->cfg.token_votes;

    if (c->in->act.n > 0)
        return invalid(c, "no-client-key");
    if (!may)
        TRY(kind == ACT_REQUEST ? vote_may(c, &may, reterr) : rules_may(c, &may, reterr));
    if (!may)
        return job_refuse(c, 403, "act-needed", "This sign-in has no client key to sign with: sign in anew.");
    c->act.is_unsigned = true;
    *ret_ok = true;
    return ERR_OK;
}

/* ---- with one ---- */

/* The public address and the route's path with its first parameter. */
static struct span htu_of(struct job *c)
{
    const char *path = c->route->path, *open = strchr(path, '{');
    struct buf b = BUF_INIT(ACT_HTU_MAX);
    struct span s;

    buf_add_str(&b, c->core->cfg.public_url);
    if (open == NULL) {
        buf_add_str(&b, path);
    } else {
        buf_add(&b, path, (size_t) (open - path));
        buf_add_span(&b, c->in->id1);
        buf_add_str(&b, strchr(open, '}') + 1);
    }
    s = b.failed ? SPAN_EMPTY : arena_span(c->mem, buf_span(&b));
    buf_deinit(&b);
    return s;
}

/* The body as it was sent: beside a policy's or masking rules' text the gate puts what the text says, for it is the gate that reads it. */
static struct tree sent_body(struct job *c)
{
    struct buf b = BUF_INIT(1U << 20);
    struct tree all = c->args, child;
    struct span bytes;
    size_t mark;

    if ((c->route->id != ROUTE_policy_propose && c->route->id != ROUTE_mask_put) || all.tag != TREE_OBJ)
        return all;
    mark = tree_begin(&b, SPAN_EMPTY, TREE_OBJ);
    for (struct span at = all.payload; tree_next(&at, &child);) {
        if (child.tag == TREE_STR)
            tree_add_str(&b, child.key, child.payload);
    }
    tree_end(&b, mark);
    bytes = b.failed ? SPAN_EMPTY : arena_span(c->mem, buf_span(&b));
    buf_deinit(&b);
    return tree_root(bytes);
}

static enum err values(struct job *c, enum act_kind kind, const struct act_header *h, struct act *ret,
                       struct err_info *reterr)
{
    struct buf digest = BUF_INIT(256);
    enum err e = act_digest(kind, c->in->id1, sent_body(c), &digest, reterr);

    *ret = (struct act){ .jkt = c->token.jkt, .act = span_str(c->route->name), .htu = htu_of(c), .iat = h->iat,
                         .id = c->in->id1, .digest = arena_span(c->mem, buf_span(&digest)) };
    buf_deinit(&digest);
    return e;
}

static const char *judge(const struct act *a, const struct act_header *h, struct span pub, time_ms now)
{
    struct es256_verifier *key = NULL;
    enum act_verdict v = ACT_FORGED;

    if (pub.n == ES256_PUB_LEN && es256_verifier_new(pub.p, &key, NULL) == ERR_OK)
        v = act_verify(a, h, key, now / 1000);
    es256_verifier_free(key);
    switch (v) {
    case ACT_OK: return NULL;
    case ACT_OLD: return "old";
    case ACT_AHEAD: return "ahead";
    case ACT_FORGED: break;
    }
    return "signature";
}

/* What the rest of the call needs of an act that holds. */
static enum err note(struct job *c, const struct act *a, const struct act_header *h, struct err_info *reterr)
{
    uint8_t *once = arena_alloc(c->mem, SHA256_LEN);
    struct buf jws = BUF_INIT(16384);
    char hash[ACT_HASH_LEN + 1];
    enum err e;

    if (once == NULL)
        return ERR_RAISE(reterr, ERR_NOMEM, "act");
    TRY(act_once(a, h, once, reterr));
    e = act_hash(a, h, &jws, hash, reterr);
    if (e == ERR_OK) {
        c->act.hash = job_span(c, hash);
        c->act.jws = arena_span(c->mem, buf_span(&jws));
        c->act.once = span_of(once, SHA256_LEN);
    }
    buf_deinit(&jws);
    return e;
}

static enum err check_signed(struct job *c, enum act_kind kind, bool *ret_ok, struct err_info *reterr)
{
    struct meta_client_key key;
    struct act_header h;
    struct meta_act before;
    struct act a;
    const char *wrong;
    enum err e;

    if (!act_header_parse(c->in->act, &h))
        return invalid(c, "form");
    e = values(c, kind, &h, &a, NULL);
    if (e == ERR_INVAL || e == ERR_LIMIT) /* a body that has no canonical form was signed by nobody */
        return invalid(c, "signature");
    TRY(e);
    TRY(meta_client_key_get(c->v, c->me->id, c->token.jkt, c->mem, &key, reterr));
    wrong = judge(&a, &h, key.pub, c->now.real);
    if (wrong != NULL)
        return invalid(c, wrong);
    if (client_keys_acts_from(c->core, &c->token) > c->now.real)
        return invalid(c, "new-key");
    TRY(note(c, &a, &h, reterr));
    e = meta_act_by_once(c->v, c->act.once, c->mem, &before, reterr);
    if (e == ERR_OK) {
        c->act = (struct job_act){ 0 };
        return invalid(c, "repeated");
    }
    *ret_ok = e == ERR_NOTFOUND;
    return e == ERR_NOTFOUND ? ERR_OK : e;
}

enum err acts_check(struct job *c, bool *ret_ok, struct err_info *reterr)
{
    enum act_kind kind = c->me == NULL ? ACT_NONE : act_kind(c->route->name, c->args);

    *ret_ok = kind == ACT_NONE;
    if (kind == ACT_NONE)
        return ERR_OK;
    if (c->token.jkt.n == 0)
        return take_unsigned(c, kind, ret_ok, reterr);
    if (c->in->act.n == 0)
        return job_refuse(c, 403, "act-needed", NULL);
    return check_signed(c, kind, ret_ok, reterr);
}

enum err acts_keep(struct job *c, struct err_info *reterr)
{
    struct meta_act row = { .hash = c->act.hash, .once = c->act.once, .account = c->token.account, .token = c->token.id,
                            .jkt = c->token.jkt, .operation = span_str(c->route->name), .obj = c->in->id1,
                            .jws = c->act.jws, .at_ms = c->now.real };

    return c->act.hash.n == 0 ? ERR_OK : meta_act_add(c->m, &row, reterr);
}
