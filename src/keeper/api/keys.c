/* Keys: issue and renew (T7), list, revoke (STANDARDS 1.8). */
#include "access/issue.h"
#include "format/leaf_form.h"
#include "keeper/api/api.h"
#include "keeper/client_keys.h"
#include "keeper/keys.h"
#include "keeper/pages.h"
#include "keeper/terms.h"
#include "keeper/trail.h"
#include "keeper/view.h"
#include "keeper/viewings.h"

/* ---- what is asked for ---- */

struct wanted {
    struct span rid;
    action_mask scope; /* 0: left out */
    bool bearer;       /* bound to no client key */
    struct span client_key; /* thumbprint; of a bearer key the sign-in's id */
};

static void read_wanted(struct job *c, struct wanted *w)
{
    static const char *const types[] = { "DPoP", "Bearer" };
    struct tree scope, child;
    int type;

    BODY_ONLY(&c->body, "", c->args, "recording", "scope", "token_type");
    type = body_word(&c->body, "", c->args, "token_type", BODY_OPTIONAL, types, 2);
    w->bearer = type == 1 || (type < 0 && !client_keys_proven(c));
    w->client_key = w->bearer ? c->token.id : c->in->proof_jkt;
    if (body_str(&c->body, "", c->args, "recording", BODY_REQUIRED, 1, 64, &w->rid) && !id_check(w->rid, ID_RECORDING))
        body_bad(&c->body, "", "recording", FIELD_PATTERN);
    if (!body_arr(&c->body, "", c->args, "scope", BODY_OPTIONAL, 0, ACTION_N_, &scope))
        return;
    for (struct span at = scope.payload; tree_next(&at, &child);) {
        enum action a;

        if (child.tag == TREE_STR && action_parse(child.payload, &a))
            w->scope |= ACTION_BIT(a);
        else
            body_bad(&c->body, "", "scope", FIELD_NOT_ONE_OF);
    }
}

/*
 * The key that a proof came with has to be the sign-in's (STANDARDS 1.8 rule 2); an API token that has none gets it here,
 * at its first use. False: refused.
 */
static enum err bind_client(struct job *c, const struct wanted *w, bool *ret_ok, struct err_info *reterr)
{
    bool proven = client_keys_proven(c);

    *ret_ok = false;
    if (proven && c->token.jkt.n == 0 && span_eq_str(c->token.kind, "api")) {
        TRY(client_keys_register(c, &c->token, reterr));
        TRY(meta_token_put(c->m, &c->token, reterr));
    }
    if (proven && !span_eq(c->token.jkt, c->in->proof_jkt))
        return job_refuse(c, 401, "key-binding", "This proof is not by the client key of this sign-in.");
    if (!proven && !w->bearer)
        return job_refuse(c, 403, "proof-needed", "A bound key needs a DPoP proof by the client key of this sign-in.");
    *ret_ok = true;
    return ERR_OK;
}

/* ---- guards of T7 ---- */

static enum err judge(struct job *c, struct life *l, bool *ret_ok, struct err_info *reterr)
{
    struct grant_issue_facts facts = {
        .holder = span_eq(l->g.holder, c->me->id),
        .requester_active = job_may(c, l->q.project, l->q.break_glass != 0 ? PERM_BREAKGLASS : PERM_ASK),
        .policy_allows = true, .audit_healthy = true,
    };
    struct grant_step step;

    *ret_ok = false;
    if (!job_open_for_access(c, true))
        return ERR_OK;
    if (!facts.holder)
        return job_forbidden(c);
    TRY(meta_frozen(c->v, l->q.project, &facts.frozen, reterr));
    step = grant_issue(&l->st, &c->now, &facts);
    if (step.verdict == GRANT_START_FIRST) {
        TRY(life_start(c, l, true, &step, reterr));
        /* T6 may have revoked it instead of opening it. */
        if (step.verdict == GRANT_OK)
            step = grant_issue(&l->st, &c->now, &facts);
    }
    if (step.verdict != GRANT_OK)
        return life_refuse(c, l, &step);
    l->st = step.next;
    l->g.last_key_ms = step.next.last_key;
    TRY(meta_grant_put(c->m, &l->g, reterr));
    *ret_ok = true;
    return ERR_OK;
}

struct renewal {
    bool renewed; /* the viewing has a live key */
    bool moved;   /* … which was issued to another address prefix */
};

/* A third live key retires the oldest (STANDARDS 1.8 rule 3). */
static enum err retire_oldest(struct job *c, const struct life *l, const struct wanted *want, struct renewal *ret,
                              struct err_info *reterr)
{
    struct meta_key_list live;

    TRY(meta_keys_live_of_client(c->v, l->g.id, want->rid, want->client_key, c->now.real / 1000, c->mem, &live, reterr));
    ret->renewed = live.n > 0;
    ret->moved = live.n > 0 && !span_eq(live.rows[live.n - 1].prefix, c->in->prefix);
    for (size_t i = 0; i + KEYS_LIVE_MAX <= live.n; i++)
        TRY(keys_deny(c, &live.rows[i], "superseded", reterr));
    return ERR_OK;
}

/* ---- the record, the ledger, and what the vault is asked to sign ---- */

/* The vault writes the same leaf from the same message, and looks for it in the log (STANDARDS 1.9). */
static enum err write_issued(struct job *c, const struct life *l, struct meta_key *k, const struct renewal *renewal,
                             struct err_info *reterr)
{
    struct ipc_sign_key *s = arena_alloc(c->mem, sizeof(*s));
    struct leaf leaf;

    if (s == NULL)
        return ERR_RAISE(reterr, ERR_NOMEM, "key");
    *s = (struct ipc_sign_key){
        .jti = k->jti, .sub = k->sub, .client_id = k->client, .scope = k->scope, .pid = k->project, .env = k->env,
        .gid = k->gid, .gen = (uint32_t) k->gen, .rid = k->rid, .iat_s = k->iat_s, .exp_s = k->exp_s,
        .wend_s = k->wend_s, .prefix = k->prefix, .cnf_jkt = k->jkt, .renewed = renewal->renewed,
        .moved = renewal->moved, .q = l->q.id, .vid = k->vid, .policy = l->q.policy, .log = k->project,
        .leaf_t_ms = c->now.real,
    };
    leaf_form_key(s, &leaf);
    TRY(trail_write(c, &leaf, NULL, reterr));
    s->log = leaf.log; /* as they stand in the leaf */
    s->leaf_idx = leaf.i;
    s->leaf_t_ms = leaf.t;
    k->leaf_idx = (int64_t) leaf.i;
    c->sign = s;
    return ERR_OK;
}

static enum err make_key(struct job *c, const struct life *l, const struct wanted *want, const struct issue *is,
                         struct meta_viewing *v, struct meta_key *ret, struct err_info *reterr)
{
    uint8_t rnd[JTI_RANDOM_LEN];
    char jti[JTI_CAP], scope[KEY_SCOPE_TEXT_CAP];
    struct meta_recording r;

    TRY(meta_recording_get(c->v, want->rid, c->mem, &r, reterr));
    c->core->env.random(c->core->env.ctx, rnd, sizeof(rnd));
    jti_make(rnd, jti);
    if (!key_scope_text(is->scope, scope))
        return ERR_RAISE(reterr, ERR_STATE, "a scope that no key may have");
    *ret = (struct meta_key){
        .jti = job_span(c, jti), .gid = l->g.id, .gen = is->gen, .rid = want->rid, .vid = v->id, .sub = c->me->id,
        .project = l->q.project, .env = r.env, .client = span_str(job_client(c)), .token = c->token.id,
        .scope = job_span(c, scope), .jkt = want->bearer ? SPAN_EMPTY : want->client_key, .prefix = c->in->prefix, .iat_s = is->iat, .exp_s = is->exp, .wend_s = is->wend,
        .kid = span_str(c->core->kid),
    };
    return ERR_OK;
}

/* Everything of the answer but the key itself, which the vault's answer brings. */
static void write_answer(struct job *c, const struct life *l, const struct meta_key *k, const struct issue *is)
{
    struct jsonw *w = job_json(c, 201);

    jsonw_obj(w);
    jsonw_kstr(w, "key_id", k->jti);
    jsonw_kcstr(w, "token_type", k->jkt.n > 0 ? "DPoP" : "Bearer");
    jsonw_kint(w, "expires_in", is->expires_in);
    jsonw_kint(w, "renew_after", is->renew_after);
    jsonw_ktime(w, "expires_at", k->exp_s * 1000);
    jsonw_ktime(w, "window_ends", l->st.window_end);
    jsonw_kstr(w, "viewing", k->vid);
    view_scope(c, k->scope);
    jsonw_obj_end(w);
}

static enum err issue(struct job *c, struct life *l, const struct wanted *want, const struct issue *is,
                      struct err_info *reterr)
{
    struct meta_viewing v;
    struct meta_key k;
    struct renewal renewal;
    bool stopped;

    TRY(viewing_for_key(c, &l->g, want->rid, want->client_key, &v, &stopped, reterr));
    if (stopped)
        return job_refuse(c, 403, "grant-ended", "This viewing was stopped.");
    TRY(make_key(c, l, want, is, &v, &k, reterr));
    TRY(retire_oldest(c, l, want, &renewal, reterr));
    TRY(write_issued(c, l, &k, &renewal, reterr));
    TRY(meta_key_add(c->m, &k, reterr));
    viewing_key_issued(c, &v, k.exp_s * 1000);
    c->step = CMD_STEP_VAULT;
    write_answer(c, l, &k, is);
    return ERR_OK;
}

/* Which recording, which scope, how long: access/issue decides from the open grant. */
static enum err prepare(struct job *c, const struct life *l, const struct wanted *want, struct issue *ret,
                        enum key_verdict *ret_verdict, struct err_info *reterr)
{
    const struct core_config *cfg = &c->core->cfg;
    const struct issue_settings settings = { cfg->key_life_s, cfg->bearer_life_s, cfg->edge_skew_s };
    enum err covers = meta_grant_covers(c->v, l->g.id, want->rid, reterr);
    struct issue_ask ask = { .scope = want->scope, .granted = l->actions, .recording_in_grant = covers == ERR_OK,
                             .bearer = want->bearer, .break_glass = l->q.break_glass != 0 };
    struct terms t;

    if (covers != ERR_OK && covers != ERR_NOTFOUND)
        return covers;
    TRY(terms_read(l->q.terms, c->mem, &t, reterr));
    ask.bearer_allowed = t.bearer;
    *ret_verdict = issue_key(&l->st, &c->now, &ask, &settings, ret);
    return ERR_OK;
}

static enum err refuse_key(struct job *c, const struct life *l, const struct wanted *want, enum key_verdict v)
{
    if (v == KEY_BINDING) /* a bearer key where the rule wants a bound one */
        return job_refuse(c, 403, "proof-needed", "This access needs a DPoP proof by the client key of this sign-in.");
    if (v == KEY_RECORDING_MISMATCH)
        c->refused_id = want->rid;
    jsonw_kstr(job_extra(c), "grant", l->g.id);
    return job_refuse(c, (uint16_t) key_verdict_status(v), key_verdict_code(v), NULL);
}

/* Before a window is opened by its first use: would the key be refused anyway? */
static enum err would_refuse(struct job *c, const struct life *l, const struct wanted *want, enum key_verdict *ret,
                             struct err_info *reterr)
{
    struct life open = *l;
    struct issue is;

    *ret = KEY_OK;
    if (l->st.state != GRANT_SCHEDULED || l->st.start != GRANT_START_FIRST_USE)
        return ERR_OK;
    open.st.state = GRANT_ACTIVE;
    open.st.window_end = c->now.real + l->st.duration_ms;
    open.st.deadline = c->now.boot + l->st.duration_ms;
    memcpy(open.st.boot_id, c->now.boot_id, CLOCK_BOOT_ID);
    return prepare(c, &open, want, &is, ret, reterr);
}

enum err api_keys_issue(struct job *c, struct err_info *reterr)
{
    struct wanted want = { 0 };
    enum key_verdict verdict;
    struct issue is;
    struct life l;
    bool ok;
    enum err e = life_of_grant(c, c->in->id1, &l, reterr);

    if (e == ERR_NOTFOUND)
        return job_not_found(c);
    TRY(e);
    c->log = l.q.project;
    if (!life_visible(c, l.q.project, l.g.holder))
        return job_not_found(c);
    read_wanted(c, &want);
    if (c->body.errors.n > 0)
        return job_invalid(c);
    TRY(bind_client(c, &want, &ok, reterr));
    if (!ok)
        return ERR_OK;
    TRY(life_touch(c, &l, reterr));
    TRY(would_refuse(c, &l, &want, &verdict, reterr));
    if (verdict != KEY_OK)
        return span_eq(l.g.holder, c->me->id) ? refuse_key(c, &l, &want, verdict) : job_forbidden(c);
    TRY(judge(c, &l, &ok, reterr));
    if (!ok)
        return ERR_OK;
    TRY(prepare(c, &l, &want, &is, &verdict, reterr));
    return verdict == KEY_OK ? issue(c, &l, &want, &is, reterr) : refuse_key(c, &l, &want, verdict);
}

/* ---- list, revoke ---- */

enum err api_keys_list(struct job *c, struct err_info *reterr)
{
    struct span gid = SPAN_EMPTY;
    struct meta_key_list rows;
    struct meta_pos next;
    struct pages p;
    struct life l;
    enum err e;

    PAGES_BEGIN(c, &p, "grant");
    if (!tree_get_str(c->query, "grant", &gid) || gid.n == 0)
        body_bad(&c->body, "?", "grant", FIELD_MISSING);
    if (c->body.errors.n > 0) {
        pages_drop(&p);
        return job_invalid(c);
    }
    e = life_of_grant(c, gid, &l, reterr);
    if (e == ERR_NOTFOUND || (e == ERR_OK && !life_visible(c, l.q.project, l.g.holder))) {
        pages_drop(&p);
        return job_not_found(c);
    }
    if (e == ERR_OK)
        e = meta_keys(c->v, gid, &p.page, c->mem, &rows, &next, reterr);
    if (e != ERR_OK) {
        pages_drop(&p);
        return e;
    }
    (void) pages_items(c);
    for (size_t i = 0; i < rows.n && e == ERR_OK; i++)
        e = view_key(c, &rows.rows[i], reterr);
    pages_end(c, &p, next);
    jsonw_obj_end(&c->w);
    return e;
}

enum err api_key_revoke(struct job *c, struct err_info *reterr)
{
    struct meta_key k;
    enum err e = jti_check(c->in->id1) ? meta_key_get(c->v, c->in->id1, c->mem, &k, reterr) : ERR_NOTFOUND;

    if (e == ERR_NOTFOUND)
        return job_not_found(c);
    TRY(e);
    c->log = k.project;
    if (!span_eq(k.sub, c->me->id) && !job_may(c, k.project, PERM_STOP_VIEWING))
        return life_visible(c, k.project, k.sub) ? job_forbidden(c) : job_not_found(c);
    TRY(keys_deny(c, &k, span_eq(k.sub, c->me->id) ? "given-back" : "revoked", reterr));
    c->answer->status = 204;
    return ERR_OK;
}
