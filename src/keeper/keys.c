#include "keeper/keys.h"

#include "keeper/trail.h"

enum err keys_deny(struct job *c, const struct meta_key *k, const char *cause, struct err_info *reterr)
{
    struct ipc_row_deny row = { .jti = k->jti, .exp_ms = k->exp_s * 1000, .end_code = 4411 };
    const struct ipc_deny msg = { .rows = { &row, 1 } };
    struct leaf l = trail_leaf(c, LEAF_KEY_REVOKED, trail_log(c, k->project));
    enum err e;

    if (k->revoked_ms != 0 || k->exp_s * 1000 <= c->now.real)
        return ERR_OK;
    e = meta_key_revoke(c->m, k->jti, c->now.real, reterr);
    if (e == ERR_NOTFOUND)
        return ERR_OK;
    TRY(e);
    l.gid = k->gid;
    l.gen = (uint32_t) k->gen;
    l.vid = k->vid;
    l.rid = k->rid;
    l.jti = k->jti;
    l.outcome = span_str(cause);
    TRY(trail_write(c, &l, NULL, reterr));
    if (out_add(c->outs, OUT_GATE_VAULT, IPC_T_DENY, &msg) == NULL)
        return ERR_RAISE(reterr, ERR_NOMEM, "denial");
    return ERR_OK;
}

static enum err deny_all(struct job *c, const struct meta_key_list *keys, const char *cause, struct err_info *reterr)
{
    for (size_t i = 0; i < keys->n; i++)
        TRY(keys_deny(c, &keys->rows[i], cause, reterr));
    return ERR_OK;
}

enum err keys_deny_token(struct job *c, struct span token_id, struct err_info *reterr)
{
    struct meta_key_list keys;

    TRY(meta_keys_live_of_token(c->v, token_id, c->now.real / 1000, c->mem, &keys, reterr));
    return deny_all(c, &keys, "signed-out", reterr);
}

enum err keys_deny_viewing(struct job *c, const struct meta_viewing *v, struct err_info *reterr)
{
    struct meta_key_list keys;

    TRY(meta_keys_live_of_client(c->v, v->gid, v->rid, v->client_key, c->now.real / 1000, c->mem, &keys, reterr));
    return deny_all(c, &keys, "stopped", reterr);
}

static enum key_verdict judge_grant(const struct job *c, const struct keys_claim *claim, const struct meta_grant *g)
{
    if (!span_eq_str(g->state, "ACTIVE"))
        return span_eq_str(g->state, "SUSPENDED") ? KEY_GRANT_SUSPENDED : KEY_GRANT_ENDED;
    if (g->boot_id.n != CLOCK_BOOT_ID || memcmp(g->boot_id.p, c->now.boot_id, CLOCK_BOOT_ID) != 0)
        return KEY_CLOCK_UNTRUSTED; /* a boot whose deadline has not been set yet */
    if (c->now.real >= g->window_end_ms || c->now.boot >= g->deadline_ms)
        return KEY_GRANT_ENDED;
    return claim->gen == g->gen ? KEY_OK : KEY_REVOKED;
}

enum err keys_judge(struct job *c, const struct keys_claim *claim, enum key_verdict *ret, struct meta_key *ret_key,
                    struct meta_grant *ret_grant, struct err_info *reterr)
{
    struct meta_key k;
    struct meta_grant g;
    enum err e;

    *ret = KEY_FORGED;
    e = jti_check(claim->jti) ? meta_key_get(c->v, claim->jti, c->mem, &k, reterr) : ERR_NOTFOUND;
    if (e == ERR_NOTFOUND)
        return ERR_OK;
    TRY(e);
    /* The ledger says what was signed; anything else under this jti was not signed here. */
    if (!span_eq(k.gid, claim->gid) || !span_eq(k.rid, claim->rid) || !span_eq(k.project, claim->pid) ||
        !span_eq(k.sub, claim->sub) || (uint32_t) k.gen != claim->gen)
        return ERR_OK;
    if (claim->bound && !span_eq(k.jkt, claim->jkt))
        return ERR_OK;
    if (claim->env.n > 0 && !span_eq(k.env, claim->env)) {
        *ret = KEY_BINDING;
        return ERR_OK;
    }
    e = meta_grant_get(c->v, claim->gid, c->mem, &g, reterr);
    if (e == ERR_NOTFOUND) {
        *ret = KEY_GRANT_ENDED;
        return ERR_OK;
    }
    TRY(e);
    *ret = judge_grant(c, claim, &g);
    if (*ret == KEY_OK && k.revoked_ms != 0)
        *ret = KEY_REVOKED;
    if (*ret == KEY_OK && c->now.real >= k.exp_s * 1000)
        *ret = KEY_EXPIRED;
    *ret_key = k;
    *ret_grant = g;
    return ERR_OK;
}
