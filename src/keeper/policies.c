#include "keeper/policies.h"

#include "keeper/guard.h"
#include "keeper/life.h"
#include "keeper/notice.h"
#include "keeper/trail.h"

enum err policies_compile(struct job *c, struct policies_new *n, const struct policy **ret_policy,
                          struct err_info *reterr)
{
    struct buf print = BUF_INIT(POLICY_PRINT_MAX);
    uint8_t hash[POLICY_HASH_LEN];

    if (!tree_check(n->tree))
        return ERR_RAISE(reterr, ERR_INVAL, "not a policy");
    TRY(policy_load(tree_root(n->tree), &rules_zones, c->mem, ret_policy, reterr));
    policy_print(*ret_policy, &print);
    n->print = arena_span(c->mem, buf_span(&print));
    buf_deinit(&print);
    TRY(policy_hash(*ret_policy, hash, reterr));
    n->hash = job_b64(c, SPAN_OF(hash));
    return n->print.n == 0 || n->hash.n == 0 ? ERR_RAISE(reterr, ERR_NOMEM, "policy") : ERR_OK;
}

/* ---- records ---- */

static enum err record(struct job *c, enum leaf_type type, struct span hash, const char *outcome, bool sole,
                       struct err_info *reterr)
{
    struct leaf l = trail_leaf(c, type, SPAN_EMPTY);

    l.policy = hash;
    l.outcome = span_str(outcome);
    if (c->act.is_unsigned)
        (void) leaf_add_number(&l, "unsigned", 1);
    if (sole)
        (void) leaf_add_number(&l, "sole_admin", 1);
    return trail_write(c, &l, NULL, reterr);
}

static void tell(struct job *c, struct span hash, const char *state)
{
    const struct notice n = { .type = NOTICE_POLICY, .id = hash, .state = state };

    notice_send(c, &n);
}

enum err policies_enact(struct job *c, struct span hash, struct span by, const char *outcome, struct err_info *reterr)
{
    TRY(meta_policy_enact(c->m, hash, by, c->now.real, reterr));
    TRY(record(c, LEAF_POLICY_APPROVED, hash, outcome, strcmp(outcome, "sole-admin") == 0, reterr));
    tell(c, hash, "current");
    return life_policy_changed(c, reterr);
}

/* A text that was in force or proposed before is the same row again. */
static enum err store(struct job *c, const struct policies_new *n, bool sole, const struct guard_day *day,
                      struct meta_policy *ret, struct err_info *reterr)
{
    enum err e = meta_policy_get(c->v, n->hash, c->mem, ret, reterr);
    bool known = e == ERR_OK;

    if (e != ERR_OK && e != ERR_NOTFOUND)
        return e;
    if (!known)
        *ret = (struct meta_policy){ .hash = n->hash, .text = n->print, .tree = n->tree };
    ret->source = n->source;
    ret->comment = n->comment;
    ret->state = SPAN("proposed");
    ret->proposed_by = c->me != NULL ? c->me->id : SPAN_EMPTY;
    ret->proposed_ms = c->now.real;
    ret->approved_by = SPAN_EMPTY;
    ret->enacted_ms = 0;
    ret->effective_ms = day->effective_ms;
    ret->boot_id = day->boot_id;
    ret->deadline_ms = day->deadline_ms;
    ret->marks = sole ? SPAN("sole-admin") : SPAN_EMPTY;
    return known ? meta_policy_put(c->m, ret, reterr) : meta_policy_add(c->m, ret, reterr);
}

enum err policies_propose(struct job *c, const struct policies_new *n, struct meta_policy *ret, struct err_info *reterr)
{
    struct guard_state state;
    struct guard_day day = { 0 };

    TRY(guard_look(c, c->me, &state, reterr));
    if (state.sole && state.at_once)
        day.effective_ms = c->now.real;
    else if (state.sole)
        TRY(guard_day_begin(c, &day, reterr));
    TRY(store(c, n, state.sole, &day, ret, reterr));
    TRY(record(c, LEAF_POLICY_PROPOSED, n->hash, "ok", state.sole, reterr));
    tell(c, n->hash, "proposed");
    if (!state.at_once)
        return ERR_OK;
    TRY(policies_enact(c, n->hash, SPAN_EMPTY, c->me == NULL ? "init" : "sole-admin", reterr));
    return meta_policy_get(c->v, n->hash, c->mem, ret, reterr);
}

enum err policies_stop(struct job *c, struct meta_policy *row, struct span comment, struct err_info *reterr)
{
    struct leaf l = trail_leaf(c, LEAF_POLICY_STOPPED, SPAN_EMPTY);

    row->state = SPAN("stopped");
    row->effective_ms = 0;
    TRY(meta_policy_put(c->m, row, reterr));
    l.policy = row->hash;
    trail_mark(c, &l);
    trail_fact(c, &l, "comment", comment, who_person(c->me));
    TRY(trail_write(c, &l, NULL, reterr));
    tell(c, row->hash, "stopped");
    return ERR_OK;
}

/* ---- rules that nobody could meet today ---- */

static bool names_project(const struct policy_rule *r, const struct meta_project *p)
{
    for (size_t i = 0; i < r->project.n; i++) {
        if (span_eq(r->project.p[i], p->id) || span_eq(r->project.p[i], p->name))
            return true;
    }
    return r->project.n == 0;
}

enum err policies_lacking(struct job *c, const struct policy *policy, size_t max,
                          void (*fn)(struct job *c, const struct policies_lack *lack), struct err_info *reterr)
{
    const struct people *people = job_people(c, reterr);
    struct meta_project_list projects;

    if (people == NULL)
        return ERR_NOMEM;
    TRY(meta_projects(c->v, c->mem, &projects, reterr));
    for (size_t k = 0; k < projects.n; k++) {
        const struct vote_case vc = { .project = projects.rows[k].id, .created_at = c->now.real + 1 };

        for (size_t i = 0; policy != NULL && i < policy->n_rules && max > 0; i++) {
            const struct policy_rule *r = &policy->rules[i];
            struct policies_lack lack = { .rule = r, .project = &projects.rows[k] };

            if (r->effect != POLICY_EFFECT_ASK || !names_project(r, &projects.rows[k]))
                continue;
            lack.plan = vote_plan(&r->terms.ask, &vc, people->all, people->n);
            if (lack.plan.possible)
                continue;
            fn(c, &lack);
            max--;
        }
    }
    return ERR_OK;
}

enum err policies_begin_anew(struct job *c, struct err_info *reterr)
{
    struct meta_page page = { .limit = 100 };
    struct meta_policy_list rows;
    struct meta_pos next;

    do {
        TRY(meta_policies(c->v, SPAN("proposed"), &page, c->mem, &rows, &next, reterr));
        for (size_t i = 0; i < rows.n; i++) {
            struct meta_policy *p = &rows.rows[i];
            struct guard_day day;

            if (p->effective_ms == 0)
                continue;
            TRY(guard_day_begin(c, &day, reterr));
            p->effective_ms = day.effective_ms;
            p->boot_id = day.boot_id;
            p->deadline_ms = day.deadline_ms;
            TRY(meta_policy_put(c->m, p, reterr));
            tell(c, p->hash, "proposed");
        }
        page.after = next;
    } while (next.seq != 0);
    return ERR_OK;
}

enum err policies_enact_due(struct job *c, struct err_info *reterr)
{
    const struct meta_page page = { .limit = 100 };
    struct meta_policy_list rows;
    struct meta_pos next;

    if (!c->now.trusted) /* a clock that was put forward does not make a day pass */
        return ERR_OK;
    TRY(meta_policies(c->v, SPAN("proposed"), &page, c->mem, &rows, &next, reterr));
    for (size_t i = rows.n; i-- > 0;) { /* oldest first, so that the newest stays in force */
        const struct meta_policy *p = &rows.rows[i];
        struct guard_state state = { .at_once = true };
        const struct people *people = job_people(c, reterr);
        const struct who *proposer = people == NULL ? NULL : people_by_id(people, p->proposed_by);
        const struct guard_day day = { p->effective_ms, p->boot_id, p->deadline_ms };

        if (p->effective_ms == 0 || !guard_day_over(c, &day))
            continue;
        if (proposer != NULL)
            TRY(guard_look(c, proposer, &state, reterr));
        if (state.watched || state.at_once) /* somebody who could have stopped it was there */
            TRY(policies_enact(c, rows.rows[i].hash, SPAN_EMPTY, "sole-admin", reterr));
    }
    return ERR_OK;
}
