/* POST /v1/requests (T1, T4). */
#include "codec/base64.h"
#include "keeper/api/ask.h"
#include "keeper/notice.h"
#include "keeper/terms.h"
#include "keeper/trail.h"
#include "keeper/view.h"

static enum err refuse_policy(struct job *c, const struct policy_answer *p)
{
    struct jsonw *w = job_extra(c);

    jsonw_karr(w, "rules");
    if (p->verdict == POLICY_SPLIT) {
        for (size_t i = 0; i < p->n_split; i++)
            jsonw_str(w, p->split[i]);
    } else if (p->rule != NULL) {
        jsonw_str(w, p->rule->name);
    }
    jsonw_arr_end(w);
    if (p->verdict == POLICY_SPLIT || p->verdict == POLICY_TOO_MUCH)
        return job_refuse(c, 422, "split-request",
                           p->split_place ? "The recordings are of several projects or environments."
                                          : "Not all of it is decided by one rule; ask for less at once.");
    return job_refuse(c, 403, "policy-denied", "The policy does not allow this.");
}

static enum err refuse_no_approver(struct job *c, const struct ask *a, const struct policy_rule *rule,
                                   const struct vote_plan *plan)
{
    struct jsonw *w = job_extra(c);

    jsonw_karr(w, "groups");
    if (plan->lacking >= 0)
        jsonw_str(w, rule->terms.ask.groups[plan->lacking].name);
    for (size_t i = 0; plan->lacking < 0 && i < rule->terms.ask.n_from; i++)
        jsonw_str(w, rule->terms.ask.from[i]);
    jsonw_arr_end(w);
    ask_write_admins(c, a->people);
    return job_refuse(c, 409, "no-approver", "Nobody here could approve this.");
}

/* Sums of windows of this person (policy 'caps'). */
static enum err within_caps(struct job *c, const struct ask *a, bool *ret, struct err_info *reterr)
{
    const struct policy *p = a->rules->policy;
    int64_t day_s = 0, left;
    int64_t most_s = 0;

    *ret = true;
    if (p->cap_day_ms == 0 && p->cap_recording_ms == 0)
        return ERR_OK;
    TRY(meta_window_sum(c->v, c->me->id, SPAN_EMPTY, c->now.real - 24LL * 3600 * 1000, &day_s, reterr));
    for (size_t i = 0; i < a->req.n_recordings; i++) {
        int64_t s = 0;

        TRY(meta_window_sum(c->v, c->me->id, a->req.recordings[i], 1, &s, reterr));
        if (s > most_s)
            most_s = s;
    }
    *ret = policy_caps(p, most_s * 1000, day_s * 1000, a->req.duration_s * 1000, &left);
    if (!*ret)
        body_bad_limit(&c->body, "", "duration_s", FIELD_TOO_LARGE, left / 1000);
    return ERR_OK;
}

/* All guards of T1. *ret_ok false: refused, and answered. */
static enum err judge(struct job *c, struct ask *a, const struct policy_rule **ret_rule, bool *ret_auto, bool *ret_ok,
                      struct err_info *reterr)
{
    struct policy_answer p;
    struct span other;
    bool caps;

    *ret_ok = false;
    if (!job_may(c, a->project, PERM_ASK))
        return job_forbidden(c);
    if (!job_open_for_access(c, false))
        return ERR_OK;
    if (a->rules->policy == NULL)
        return job_refuse(c, 403, "policy-denied", "No policy is in force.");
    policy_check_terms(a->rules->policy, NULL, &a->req, false, &c->body.errors);
    if (c->body.errors.n > 0)
        return job_invalid(c);
    p = ask_decide(c, a, a->req.purpose);
    if (p.verdict != POLICY_ASK && p.verdict != POLICY_AUTO)
        return refuse_policy(c, &p);
    policy_check_terms(a->rules->policy, p.rule, &a->req, false, &c->body.errors);
    TRY(within_caps(c, a, &caps, reterr));
    if (c->body.errors.n > 0)
        return job_invalid(c);
    policy_fill(p.rule, &a->req);
    TRY(ask_conflict(c, a, &other, reterr));
    if (other.n > 0) {
        jsonw_kstr(job_extra(c), "request", other);
        return job_refuse(c, 409, "request-open", "You have asked for this already.");
    }
    if (p.verdict == POLICY_AUTO && !job_open_for_access(c, true))
        return ERR_OK;
    if (p.verdict == POLICY_ASK) {
        struct vote_plan plan = ask_plan(c, a, p.rule);

        if (!plan.possible)
            return refuse_no_approver(c, a, p.rule, &plan);
    }
    *ret_rule = p.rule;
    *ret_auto = p.verdict == POLICY_AUTO;
    *ret_ok = true;
    return ERR_OK;
}

/* The row, with its digest over exactly what voters will see. */
static enum err fill_row(struct job *c, const struct ask *a, const struct policy_rule *rule, struct life *l,
                         struct err_info *reterr)
{
    const struct request *r = &a->req;
    uint8_t *salt = arena_alloc(c->mem, REQUEST_SALT_LEN);
    char *digest = arena_alloc(c->mem, REQUEST_DIGEST_LEN + 1);
    struct buf terms = BUF_INIT(256U << 10);
    struct request_facts f;
    const struct grant_terms g = { .start = r->start, .duration_ms = r->duration_s * 1000,
                                   .start_by_ms = r->start_by_s * 1000, .start_at = r->start_at };

    if (salt == NULL || digest == NULL)
        return ERR_RAISE(reterr, ERR_NOMEM, "request");
    c->core->env.random(c->core->env.ctx, salt, REQUEST_SALT_LEN);
    terms_write(rule, &terms);
    l->st = grant_create(&g, &c->now);
    l->rids = r->recordings;
    l->n_rids = r->n_recordings;
    l->actions = r->actions;
    l->q = (struct meta_request){
        .id = job_new_id(c, ID_REQUEST), .project = a->project, .requester = c->me->id, .env = a->env,
        .purpose = r->purpose, .reason = r->reason, .ticket = r->ticket, .start = span_str(grant_start_name(r->start)),
        .start_ms = r->start_at, .start_by_s = r->start_by_s, .duration_s = r->duration_s,
        .policy = job_span(c, a->rules->hash), .salt = span_of(salt, REQUEST_SALT_LEN), .rule = rule->name,
        .terms = arena_span(c->mem, buf_span(&terms)), .state = span_str(grant_state_name(l->st.state)),
        .created_ms = l->st.created_at, .lapse_ms = l->st.lapse_at, .version = l->st.version,
    };
    buf_deinit(&terms);
    if (c->core->cfg.lapse_ms > 0 && l->q.created_ms + c->core->cfg.lapse_ms < l->q.lapse_ms) {
        l->q.lapse_ms = l->q.created_ms + c->core->cfg.lapse_ms;
        l->st.lapse_at = l->q.lapse_ms;
    }
    f = (struct request_facts){ .id = l->q.id, .salt = salt, .requester = l->q.requester, .project = a->project,
                                .env = a->env, .policy = l->q.policy, .request = r };
    TRY(request_digest(&f, digest, reterr));
    l->q.digest = span_str(digest);
    return ERR_OK;
}

static enum err write_created(struct job *c, const struct life *l, struct err_info *reterr)
{
    struct leaf leaf = trail_leaf(c, LEAF_REQUEST_CREATED, trail_log(c, l->q.project));

    leaf.q = l->q.id;
    leaf.policy = l->q.policy;
    leaf.digest = l->q.digest;
    (void) leaf_add_number(&leaf, "recordings", (int64_t) l->n_rids);
    (void) leaf_add_number(&leaf, "duration_s", l->q.duration_s);
    trail_fact(c, &leaf, "purpose", l->q.purpose, who_person(c->me));
    trail_fact(c, &leaf, "reason", l->q.reason, who_person(c->me));
    trail_fact(c, &leaf, "ticket", l->q.ticket, who_person(c->me));
    return trail_write(c, &leaf, NULL, reterr);
}

static enum err store(struct job *c, struct life *l, struct err_info *reterr)
{
    struct span actions[ACTION_N_];
    enum action sorted[ACTION_N_];
    struct meta_request_lists lists = { .recordings = l->rids, .n_recordings = l->n_rids, .actions = actions };
    const struct notice n = { .type = NOTICE_REQUEST, .id = l->q.id, .state = grant_state_name(l->st.state),
                              .project = l->q.project, .owner = l->q.requester, .recordings = l->rids,
                              .n_recordings = l->n_rids };

    lists.n_actions = action_sorted(l->actions, sorted);
    for (size_t i = 0; i < lists.n_actions; i++)
        actions[i] = span_str(action_name(sorted[i]));
    TRY(meta_request_add(c->m, &l->q, &lists, reterr));
    TRY(write_created(c, l, reterr));
    notice_send(c, &n);
    return ERR_OK;
}

/* T4: the rule itself approves. Refused before anything is written when the window could not open now. */
static enum err approve_by_rule(struct job *c, struct life *l, const struct policy_rule *rule, bool *ret_ok,
                                struct err_info *reterr)
{
    const struct grant_guards guards = { .requester_active = true, .votes_stand = true, .policy_allows = true,
                                         .policy_max_ms = rule->terms.max_ms };
    const struct life_by by = { 0 };
    struct grant_step step = grant_auto(&l->st, &c->now, &guards, GRANT_CAUSE_NONE);

    *ret_ok = step.verdict == GRANT_OK;
    if (!*ret_ok)
        return life_refuse(c, l, &step);
    TRY(store(c, l, reterr));
    return life_apply(c, l, &step, &by, reterr);
}

enum err api_request_create(struct job *c, struct err_info *reterr)
{
    const struct policy_rule *rule = NULL;
    struct life l = { 0 };
    struct ask a = { 0 };
    bool ok, automatic = false;

    TRY(ask_load(c, REQUEST_TO_CREATE, &a, &ok, reterr));
    if (!ok)
        return ERR_OK;
    TRY(judge(c, &a, &rule, &automatic, &ok, reterr));
    if (!ok)
        return ERR_OK;
    TRY(fill_row(c, &a, rule, &l, reterr));
    if (automatic)
        TRY(approve_by_rule(c, &l, rule, &ok, reterr));
    else
        TRY(store(c, &l, reterr));
    if (!ok)
        return ERR_OK;
    (void) job_json(c, 201);
    TRY(view_request(c, &l.q, reterr));
    job_etag(c, l.st.version);
    job_location(c, "/v1/requests", l.q.id);
    return ERR_OK;
}
