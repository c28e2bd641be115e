/* Filing requests (T1, T4): the guards, rows and records; break-glass (T14); time granted beforehand (T13). */
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

/* Sums of windows of each who will watch (policy 'caps'). */
static enum err within_caps(struct job *c, const struct ask *a, struct err_info *reterr)
{
    for (size_t i = 0; i <= a->req.n_viewers; i++) {
        struct span who = i == 0 ? c->me->id : a->viewers[i - 1]->id;
        int64_t left;

        TRY(life_caps_left(c, who, a->req.recordings, a->req.n_recordings, &left, reterr));
        if (a->req.duration_s * 1000 <= left)
            continue;
        body_bad_limit(&c->body, "", i == 0 ? "duration_s" : "viewers", FIELD_TOO_LARGE, left / 1000);
        return ERR_OK;
    }
    return ERR_OK;
}

/* Each viewer needs the right to ask for the same, by the same rule. */
static enum err viewers_may(struct job *c, struct ask *a, const struct policy_rule *rule, struct err_info *reterr)
{
    (void) reterr;
    for (size_t i = 0; i < a->req.n_viewers; i++) {
        const struct who *w = a->viewers[i];
        struct policy_facts facts;
        struct policy_answer p;

        item_facts(c, a->people, w, a->project, a->req.purpose, &facts);
        facts.ticket = a->facts.ticket;
        p = policy_check(a->rules->policy, &facts, a->items, a->req.n_recordings, a->req.actions);
        if (role_may(role_in(w->roles, w->n_roles, a->project, 0), PERM_ASK) && p.rule == rule)
            continue;
        body_bad(&c->body, "", "viewers", FIELD_NOT_ONE_OF);
        return ERR_OK;
    }
    return ERR_OK;
}

/* All guards of T1. *ret_ok false: refused, and answered. */
static enum err judge(struct job *c, struct ask *a, const struct policy_rule **ret_rule, bool *ret_auto, bool *ret_ok,
                      struct err_info *reterr)
{
    struct policy_answer p;
    struct span other;

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
    if (!policy_ticket_allows(p.rule, a->ticket)) /* it is closed */
        body_bad(&c->body, "/purpose", "ticket", FIELD_CONFLICT);
    TRY(within_caps(c, a, reterr));
    TRY(viewers_may(c, a, p.rule, reterr));
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
    if (p.verdict == POLICY_AUTO) {
        TRY(ask_held(c, a, &other, reterr));
        if (other.n > 0) {
            jsonw_kstr(job_extra(c), "grant", other);
            return job_refuse(c, 409, "grant-state-conflict", "Somebody suspended your access to this: it goes on when they resume it.");
        }
    }
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
static enum err fill_from(struct job *c, const struct ask *a, struct span terms, struct span rule, struct span policy,
                          struct life *l, struct err_info *reterr)
{
    const struct request *r = &a->req;
    uint8_t *salt = arena_alloc(c->mem, REQUEST_SALT_LEN);
    char *digest = arena_alloc(c->mem, REQUEST_DIGEST_LEN + 1);
    struct request_facts f;
    const struct grant_terms g = { .start = r->start, .duration_ms = r->duration_s * 1000,
                                   .start_by_ms = r->start_by_s * 1000, .start_at = r->start_at };

    if (salt == NULL || digest == NULL)
        return ERR_RAISE(reterr, ERR_NOMEM, "request");
    c->core->env.random(c->core->env.ctx, salt, REQUEST_SALT_LEN);
    l->st = grant_create(&g, &c->now);
    l->rids = l->asked = r->recordings;
    l->n_rids = l->n_asked = r->n_recordings;
    l->viewers = r->viewers;
    l->n_viewers = r->n_viewers;
    l->actions = r->actions;
    l->q = (struct meta_request){
        .id = job_new_id(c, ID_REQUEST), .project = a->project, .requester = c->me->id, .env = a->env,
        .purpose = r->purpose, .reason = r->reason, .ticket = r->ticket, .start = span_str(grant_start_name(r->start)),
        .start_ms = r->start_at, .start_by_s = r->start_by_s, .duration_s = r->duration_s,
        .policy = policy, .salt = span_of(salt, REQUEST_SALT_LEN), .rule = rule, .terms = terms, .state = span_str(grant_state_name(l->st.state)),
        .more_same = span_str(request_same_name(r->more_same)), .more_max = r->more_max,
        .more_time_times = r->more_times, .more_time_each_s = r->more_each_s, .extends = r->extends,
        .link = span_str(life_link_name(a->link)), .break_glass = r->break_glass, .incident = r->incident,
        .urgent = r->urgent,
        .created_ms = l->st.created_at, .lapse_ms = l->st.lapse_at, .version = l->st.version,
    };
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

static enum err fill_row(struct job *c, const struct ask *a, const struct policy_rule *rule, struct life *l,
                         struct err_info *reterr)
{
    CLEANUP(buf_deinit) struct buf terms = BUF_INIT(256U << 10);

    terms_write(rule, &terms);
    TRY(buf_check(&terms, reterr));
    return fill_from(c, a, arena_span(c->mem, buf_span(&terms)), rule->name, job_span(c, a->rules->hash), l, reterr);
}

/* Under the decision on another request: its rule and policy, and nobody votes again. */
static enum err fill_row_of(struct job *c, const struct ask *a, const struct life *root, struct terms *t, struct life *l,
                            struct err_info *reterr)
{
    CLEANUP(buf_deinit) struct buf terms = BUF_INIT(256U << 10);

    t->need = t->deny = 0;
    terms_put(t, &terms);
    TRY(buf_check(&terms, reterr));
    return fill_from(c, a, arena_span(c->mem, buf_span(&terms)), root->q.rule, root->q.policy, l, reterr);
}

static enum err write_created(struct job *c, const struct life *l, struct err_info *reterr)
{
    struct leaf leaf = trail_leaf(c, LEAF_REQUEST_CREATED, trail_log(c, l->q.project));

    leaf.q = l->q.id;
    leaf.policy = l->q.policy;
    leaf.digest = l->q.digest;
    (void) leaf_add_number(&leaf, "recordings", (int64_t) l->n_rids);
    (void) leaf_add_number(&leaf, "duration_s", l->q.duration_s);
    (void) leaf_add_number(&leaf, "viewers", (int64_t) l->n_viewers + 1);
    if (l->q.extends.n > 0) { /* which grant it belongs to, and how */
        leaf.gid = l->q.extends;
        leaf.outcome = l->q.link;
    }
    trail_mark(c, &leaf);
    trail_fact(c, &leaf, "purpose", l->q.purpose, who_person(c->me));
    trail_fact(c, &leaf, "reason", l->q.reason, who_person(c->me));
    trail_fact(c, &leaf, "ticket", l->q.ticket, who_person(c->me));
    return trail_write(c, &leaf, NULL, reterr);
}

static enum err store(struct job *c, struct life *l, struct err_info *reterr)
{
    struct span actions[ACTION_N_];
    enum action sorted[ACTION_N_];
    struct meta_request_lists lists = { .recordings = l->asked, .n_recordings = l->n_asked, .actions = actions,
                                        .viewers = l->viewers, .n_viewers = l->n_viewers };
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

/* The rule itself approves (T4), or voters did beforehand (T13). Refused before anything is written when the window could
 * not open now. */
static enum err open_now(struct job *c, struct life *l, int64_t max_ms, enum grant_cause cause, bool *ret_ok,
                         struct err_info *reterr)
{
    struct grant_guards guards = { .requester_active = true, .votes_stand = true, .policy_allows = true,
                                   .policy_max_ms = max_ms };
    const struct life_by by = { 0 };
    struct grant_step step;

    TRY(meta_frozen(c->v, l->q.project, &guards.frozen, reterr));
    TRY(life_link_guards(c, l, &guards, reterr));
    step = grant_auto(&l->st, &c->now, &guards, cause);
    *ret_ok = step.verdict == GRANT_OK;
    if (!*ret_ok)
        return life_refuse(c, l, &step);
    TRY(store(c, l, reterr));
    return life_apply(c, l, &step, &by, reterr);
}

static enum err answer(struct job *c, const struct life *l, struct err_info *reterr)
{
    (void) job_json(c, 201);
    TRY(view_request(c, &l->q, reterr));
    job_etag(c, l->st.version);
    job_location(c, "/v1/requests", l->q.id);
    return ERR_OK;
}

/* ---- break-glass (T14) ---- */

static uint8_t ascii_lower(uint8_t c)
{
    return c >= 'A' && c <= 'Z' ? (uint8_t) (c + 32) : c;
}

/* INC-7 and inc-7 are one incident. */
static bool same_incident(struct span a, struct span b)
{
    bool same = a.n == b.n;

    for (size_t i = 0; i < a.n && same; i++)
        same = ascii_lower(a.p[i]) == ascii_lower(b.p[i]);
    return same;
}

/* What this human did with it before, under all accounts. *ret_failed_ms: when a review of theirs last failed. */
static enum err look_back(struct job *c, const struct ask *a, struct grant_break_facts *f, time_ms *ret_failed_ms,
                          struct err_info *reterr)
{
    time_ms since = c->now.real - (time_ms) a->rules->policy->bg_days * 24 * 3600 * 1000;

    *ret_failed_ms = 0;
    for (size_t i = 0; i < a->people->n; i++) {
        struct meta_request_list rows;

        if (!who_same_person(&a->people->all[i], c->me))
            continue;
        TRY(meta_requests_broken(c->v, a->people->all[i].id, 0, c->mem, &rows, reterr));
        for (size_t k = 0; k < rows.n; k++) {
            const struct meta_request *q = &rows.rows[k];
            struct life l;

            TRY(life_of_request(c, q->id, &l, reterr));
            if (span_eq_str(l.g.review_outcome, "failed") && l.g.review_ms > *ret_failed_ms)
                *ret_failed_ms = l.g.review_ms;
            if (q->created_ms < since)
                continue;
            f->unreviewed += l.st.review == GRANT_REVIEW_DUE || l.st.review == GRANT_REVIEW_OVERDUE;
            f->incident_used |= same_incident(q->incident, a->req.incident);
        }
    }
    return ERR_OK;
}

/* Holds the role in this project, and was given it after 'failed_ms'. */
static bool holds_since(const struct job *c, const struct ask *a, time_ms failed_ms)
{
    for (size_t i = 0; i < c->me->n_roles; i++) {
        const struct role_held *h = &c->me->roles[i];

        if (h->role == ROLE_BREAKGLASS && h->since > failed_ms &&
            (span_eq(h->project, a->project) || span_eq_str(h->project, ROLE_ANY_PROJECT)))
            return true;
    }
    return false;
}

static enum err break_facts(struct job *c, const struct ask *a, const struct policy_answer *p,
                            struct grant_break_facts *ret, struct err_info *reterr)
{
    time_ms failed_ms;

    *ret = (struct grant_break_facts){
        .holder = job_may(c, a->project, PERM_BREAKGLASS), .fresh = true, .denied = p->verdict == POLICY_DENIED,
        .audit_healthy = true, .unreviewed_max = a->rules->policy->bg_incidents, .max_ms = a->rules->policy->bg_max_ms,
    };
    TRY(meta_frozen(c->v, a->project, &ret->frozen, reterr));
    TRY(look_back(c, a, ret, &failed_ms, reterr));
    ret->review_failed = ret->holder && !holds_since(c, a, failed_ms);
    return ERR_OK;
}

/* What a window opened so may be like: as the rule says that would decide, at most as long, and marked. */
static struct policy_rule break_rule(const struct ask *a, const struct policy_answer *p)
{
    struct policy_rule r = {
        .name = SPAN("break-glass"),
        .terms = { .max_speed_x100 = 1600, .key_streams = 2, .grant_streams = 4, .person_streams = 6,
                   .key_requests = 200, .key_bytes = 1ULL << 30, .key_rate = 64ULL << 20, .binding = POLICY_BINDING_DPOP },
    };

    if (p->verdict == POLICY_ASK || p->verdict == POLICY_AUTO)
        r.terms = p->rule->terms;
    r.effect = POLICY_EFFECT_AUTO;
    r.terms.ask = (struct vote_rule){ 0 };
    r.terms.max_ms = a->rules->policy->bg_max_ms;
    r.terms.watermark = true;
    return r;
}

/*
 * The ordinary request that goes with it. None when nobody could approve it, when the policy has no rule for it, or when
 * one waits already: break-glass does not fail for that.
 */
static enum err file_ordinary_beside(struct job *c, const struct ask *a, const struct policy_answer *p,
                                     const struct life *opened, struct err_info *reterr)
{
    struct field_errors errs = { 0 };
    struct ask b = *a;
    struct life l = { 0 };
    struct span other;

    if (p->verdict != POLICY_ASK || !ask_plan(c, a, p->rule).possible)
        return ERR_OK;
    b.req.break_glass = false;
    b.req.incident = b.req.urgent = SPAN_EMPTY;
    TRY(ask_conflict(c, &b, &other, reterr));
    b.req.extends = opened->g.id;
    b.link = LINK_BREAK_GLASS;
    b.to = *opened;
    if (b.req.duration_s > p->rule->terms.max_ms / 1000)
        b.req.duration_s = p->rule->terms.max_ms / 1000;
    policy_check_terms(a->rules->policy, p->rule, &b.req, false, &errs);
    if (errs.n > 0 || (other.n > 0 && !span_eq(other, opened->q.id)))
        return ERR_OK;
    policy_fill(p->rule, &b.req);
    TRY(fill_row(c, &b, p->rule, &l, reterr));
    return store(c, &l, reterr);
}

static enum err file_break_glass(struct job *c, struct ask *a, struct err_info *reterr)
{
    const struct life_by by = { .actor = c->me->id, .is_unsigned = c->act.is_unsigned };
    struct grant_break_facts facts;
    struct policy_answer p;
    struct policy_rule rule;
    struct grant_step step;
    struct life l = { 0 };

    if (!job_may(c, a->project, PERM_BREAKGLASS))
        return job_forbidden(c);
    if (!job_open_for_access(c, true))
        return ERR_OK;
    if (a->rules->policy == NULL)
        return job_refuse(c, 403, "policy-denied", "No policy is in force.");
    policy_check_terms(a->rules->policy, NULL, &a->req, false, &c->body.errors);
    if (a->req.duration_s > a->rules->policy->bg_max_ms / 1000)
        body_bad_limit(&c->body, "", "duration_s", FIELD_TOO_LARGE, a->rules->policy->bg_max_ms / 1000);
    if (c->body.errors.n > 0)
        return job_invalid(c);
    if (!job_fresh(c, false))
        return ERR_OK;
    p = ask_decide(c, a, a->req.purpose);
    rule = break_rule(a, &p);
    TRY(break_facts(c, a, &p, &facts, reterr));
    TRY(fill_row(c, a, &rule, &l, reterr));
    step = grant_break(&l.st, &c->now, &facts);
    if (step.verdict != GRANT_OK)
        return life_refuse(c, &l, &step);
    TRY(store(c, &l, reterr));
    TRY(life_apply(c, &l, &step, &by, reterr));
    TRY(file_ordinary_beside(c, a, &p, &l, reterr));
    return answer(c, &l, reterr);
}

/* ---- filing ---- */

enum err ask_file(struct job *c, struct ask *a, struct err_info *reterr)
{
    const struct policy_rule *rule = NULL;
    bool ok, automatic = false;
    struct life l = { 0 };

    if (a->req.break_glass)
        return file_break_glass(c, a, reterr);
    TRY(judge(c, a, &rule, &automatic, &ok, reterr));
    if (!ok)
        return ERR_OK;
    TRY(fill_row(c, a, rule, &l, reterr));
    if (automatic)
        TRY(open_now(c, &l, rule->terms.max_ms, GRANT_CAUSE_NONE, &ok, reterr));
    else
        TRY(store(c, &l, reterr));
    return ok ? answer(c, &l, reterr) : ERR_OK;
}

enum err ask_file_beforehand(struct job *c, struct ask *a, const struct life *root, struct err_info *reterr)
{
    struct grant_guards guards;
    struct life l = { 0 };
    struct terms t;
    bool ok;

    if (!job_open_for_access(c, true))
        return ERR_OK;
    TRY(terms_read(root->q.terms, c->mem, &t, reterr));
    TRY(fill_row_of(c, a, root, &t, &l, reterr));
    TRY(life_guards(c, &l, &guards, reterr));
    if (!guards.requester_active)
        return job_forbidden(c);
    if (!guards.policy_allows || guards.policy_max_ms <= 0)
        return job_refuse(c, 403, "policy-denied", "The policy does not allow this any more.");
    TRY(open_now(c, &l, guards.policy_max_ms, GRANT_CAUSE_BEFOREHAND, &ok, reterr));
    return ok ? answer(c, &l, reterr) : ERR_OK;
}
