/* POST /v1/requests/check: what would be needed; stores nothing. */
#include "keeper/api/ask.h"
#include "keeper/view.h"

#define APPROVERS_MAX 20
#define LESS_MAX      8

static const char *verdict_of(struct job *c, const struct ask *a, const struct policy_answer *p)
{
    switch (p->verdict) {
    case POLICY_AUTO: return "auto";
    case POLICY_ASK: return ask_plan(c, a, p->rule).possible ? "ask" : "no-approver";
    case POLICY_SPLIT:
    case POLICY_TOO_MUCH: return "split";
    case POLICY_DENIED:
    case POLICY_NO_RULE:
    case POLICY_VERDICT_N_: break;
    }
    return "deny";
}

static void write_people(struct job *c, const struct ask *a, const struct policy_rule *rule)
{
    struct vote_case vc;
    int64_t total = 0;

    ask_case(c, a, &vc);
    jsonw_karr(&c->w, "approvers");
    for (size_t i = 0; rule != NULL && rule->effect == POLICY_EFFECT_ASK && i < a->people->n; i++) {
        if (vote_eligible(&rule->terms.ask, &vc, &a->people->all[i]) != VOTE_OK)
            continue;
        if (total++ < APPROVERS_MAX)
            view_person(c, NULL, a->people->all[i].id);
    }
    jsonw_arr_end(&c->w);
    jsonw_kint(&c->w, "approvers_total", total);
}

static void write_starts(struct job *c, const struct policy_terms *t)
{
    jsonw_karr(&c->w, "start");
    for (int s = 0; t != NULL && s < GRANT_START_N_; s++) {
        if ((t->starts & (1U << s)) != 0)
            jsonw_str(&c->w, span_str(grant_start_name((enum grant_start) s)));
    }
    jsonw_arr_end(&c->w);
}

/* What may be decided beforehand. */
static void write_beforehand(struct job *c, const struct policy_terms *t)
{
    static const enum request_same all[] = { REQUEST_SAME_SESSION, REQUEST_SAME_SUBJECT, REQUEST_SAME_LINK };

    jsonw_kint(&c->w, "viewers", t == NULL ? 1 : t->viewers);
    if (t == NULL || t->more_max == 0) {
        jsonw_knull(&c->w, "more");
    } else {
        jsonw_kobj(&c->w, "more");
        jsonw_karr(&c->w, "same");
        for (size_t i = 0; i < 3; i++) {
            if ((t->more_same & all[i]) != 0)
                jsonw_str(&c->w, span_str(request_same_name(all[i])));
        }
        jsonw_arr_end(&c->w);
        jsonw_kint(&c->w, "max", t->more_max);
        jsonw_obj_end(&c->w);
    }
    if (t == NULL || t->more_times == 0) {
        jsonw_knull(&c->w, "more_time");
    } else {
        jsonw_kobj(&c->w, "more_time");
        jsonw_kint(&c->w, "times", t->more_times);
        jsonw_kint(&c->w, "each_s", t->more_each_ms / 1000);
        jsonw_obj_end(&c->w);
    }
}

/* One row of Terms: what one rule says about one purpose. */
static void write_terms(struct job *c, const struct ask *a, const struct policy_purpose *purpose,
                        const struct policy_answer *p)
{
    const struct policy_rule *rule = p->rule;
    const struct policy_terms *t = rule == NULL || p->verdict == POLICY_DENIED ? NULL : &rule->terms;
    bool automatic = p->verdict == POLICY_AUTO;

    jsonw_obj(&c->w);
    jsonw_kstr(&c->w, "purpose", purpose->code);
    jsonw_kcstr(&c->w, "verdict", verdict_of(c, a, p));
    view_text(c, "rule", rule == NULL ? SPAN_EMPTY : rule->name);
    jsonw_kint(&c->w, "reason_min", purpose->reason_min);
    jsonw_kcstr(&c->w, "ticket", purpose->ticket ? "required" : "optional");
    jsonw_kint(&c->w, "max_s", t == NULL ? 0 : t->max_ms / 1000);
    jsonw_kint(&c->w, "default_s", t == NULL ? 0 : t->default_ms / 1000);
    write_starts(c, t);
    jsonw_kint(&c->w, "start_by_s", t == NULL ? 0 : t->start_by_ms / 1000);
    jsonw_key(&c->w, "max_speed");
    jsonw_raw(&c->w, view_hundredths(c, t == NULL ? 0 : t->max_speed_x100));
    write_beforehand(c, t);
    jsonw_kint(&c->w, "need", t == NULL || automatic ? 0 : t->ask.need);
    jsonw_kint(&c->w, "deny", t == NULL || automatic ? 0 : t->ask.deny);
    view_words(c, "from", t == NULL ? NULL : t->ask.from, t == NULL ? 0 : t->ask.n_from);
    jsonw_karr(&c->w, "groups");
    for (size_t i = 0; t != NULL && i < t->ask.n_groups; i++) {
        jsonw_obj(&c->w);
        jsonw_kstr(&c->w, "name", t->ask.groups[i].name);
        jsonw_kint(&c->w, "min", t->ask.groups[i].min);
        jsonw_obj_end(&c->w);
    }
    jsonw_arr_end(&c->w);
    write_people(c, a, automatic ? NULL : t == NULL ? NULL : rule);
    jsonw_obj_end(&c->w);
}

/* A purpose that some rule would let the caller use for this, even if nobody can approve it today. */
static bool usable(const struct policy_answer *p)
{
    return p->verdict == POLICY_AUTO || p->verdict == POLICY_ASK;
}

static void write_less(struct job *c, struct ask *a, struct span purpose)
{
    struct policy_less less[LESS_MAX];
    size_t n = 0;

    item_facts(c, a->people, c->me, a->project, purpose, &a->facts);
    a->facts.ticket = a->ticket;
    n = policy_less(a->rules->policy, &a->facts, a->items, a->req.n_recordings, a->req.actions, less, LESS_MAX);
    jsonw_karr(&c->w, "less");
    for (size_t i = 0; i < n; i++) {
        enum action sorted[ACTION_N_];
        size_t n_actions = action_sorted(less[i].actions, sorted);

        jsonw_obj(&c->w);
        jsonw_kobj(&c->w, "change");
        if (less[i].actions != a->req.actions) {
            jsonw_karr(&c->w, "actions");
            for (size_t k = 0; k < n_actions; k++)
                jsonw_str(&c->w, span_str(action_name(sorted[k])));
            jsonw_arr_end(&c->w);
        }
        if (!span_eq(less[i].purpose, purpose))
            jsonw_kstr(&c->w, "purpose", less[i].purpose);
        if (less[i].n_items < a->req.n_recordings) {
            jsonw_karr(&c->w, "recordings");
            for (size_t k = 0; k < less[i].n_items; k++)
                jsonw_str(&c->w, a->req.recordings[less[i].items[k]]);
            jsonw_arr_end(&c->w);
        }
        jsonw_obj_end(&c->w);
        jsonw_kcstr(&c->w, "verdict", policy_verdict_name(less[i].verdict));
        jsonw_kint(&c->w, "need", less[i].verdict == POLICY_AUTO ? 0 : less[i].need);
        jsonw_obj_end(&c->w);
    }
    jsonw_arr_end(&c->w);
}

static void write_errors(struct job *c)
{
    jsonw_karr(&c->w, "errors");
    for (size_t i = 0; i < c->body.errors.n; i++) {
        const struct field_error *e = &c->body.errors.items[i];

        jsonw_obj(&c->w);
        jsonw_kcstr(&c->w, "at", e->at);
        jsonw_kcstr(&c->w, "code", field_code_name(e->code));
        if (e->limit != FIELD_NO_LIMIT)
            jsonw_kint(&c->w, "limit", e->limit);
        if (e->detail[0] != 0)
            jsonw_kcstr(&c->w, "detail", e->detail);
        jsonw_obj_end(&c->w);
    }
    jsonw_arr_end(&c->w);
}

static void write_rules(struct job *c, const struct policy_answer *p)
{
    jsonw_karr(&c->w, "rules");
    for (size_t i = 0; p->verdict == POLICY_SPLIT && i < p->n_split; i++)
        jsonw_str(&c->w, p->split[i]);
    jsonw_arr_end(&c->w);
}

/* The purpose of the body, else the first that is usable, else the first there is. NULL: the policy has none. */
static const struct policy_purpose *chosen_purpose(struct job *c, struct ask *a)
{
    const struct policy *p = a->rules->policy;
    const struct policy_purpose *said = policy_find_purpose(p, a->req.purpose);

    if (said != NULL || p->n_purposes == 0)
        return said;
    for (size_t i = 0; i < p->n_purposes; i++) {
        struct policy_answer answer = ask_decide(c, a, p->purposes[i].code);

        if (usable(&answer))
            return &p->purposes[i];
    }
    return &p->purposes[0];
}

static enum err write_check(struct job *c, struct ask *a, const struct policy_purpose *purpose, struct err_info *reterr)
{
    struct policy_answer chosen = ask_decide(c, a, purpose->code);
    const char *verdict = verdict_of(c, a, &chosen);
    struct span open;

    policy_check_terms(a->rules->policy, usable(&chosen) ? chosen.rule : NULL, &a->req, true, &c->body.errors);
    if (usable(&chosen) && !policy_ticket_allows(chosen.rule, a->ticket))
        body_bad(&c->body, "/purpose", "ticket", FIELD_CONFLICT);
    TRY(ask_conflict(c, a, &open, reterr));
    (void) job_json(c, 200);
    jsonw_obj(&c->w);
    jsonw_kcstr(&c->w, "verdict", c->body.errors.n > 0 && usable(&chosen) ? "invalid" : verdict);
    jsonw_key(&c->w, "terms");
    write_terms(c, a, purpose, &chosen);
    jsonw_karr(&c->w, "purposes");
    for (size_t i = 0; i < a->rules->policy->n_purposes; i++) {
        const struct policy_purpose *p = &a->rules->policy->purposes[i];
        struct policy_answer answer = ask_decide(c, a, p->code);

        if (usable(&answer))
            write_terms(c, a, p, &answer);
    }
    jsonw_arr_end(&c->w);
    jsonw_kcstr(&c->w, "policy", a->rules->hash);
    write_errors(c);
    write_rules(c, &chosen);
    view_text(c, "request", open);
    write_less(c, a, purpose->code);
    jsonw_obj_end(&c->w);
    return ERR_OK;
}

enum err api_requests_check(struct job *c, struct err_info *reterr)
{
    const struct policy_purpose *purpose;
    struct ask a = { 0 };
    bool ok;

    TRY(ask_load(c, REQUEST_TO_CHECK, &a, &ok, reterr));
    if (!ok)
        return ERR_OK;
    purpose = a.rules->policy == NULL || !job_may(c, a.project, PERM_ASK) ? NULL : chosen_purpose(c, &a);
    if (purpose != NULL)
        return write_check(c, &a, purpose, reterr);
    (void) job_json(c, 200);
    jsonw_obj(&c->w);
    jsonw_kcstr(&c->w, "verdict", "deny");
    jsonw_knull(&c->w, "terms");
    jsonw_karr(&c->w, "purposes");
    jsonw_arr_end(&c->w);
    jsonw_kcstr(&c->w, "policy", a.rules->hash);
    write_errors(c);
    jsonw_knull(&c->w, "request");
    jsonw_karr(&c->w, "less");
    jsonw_arr_end(&c->w);
    jsonw_obj_end(&c->w);
    return ERR_OK;
}
