/* Ends that come from elsewhere: a person is disabled, the policy is another one, a ticket is closed, a recording is gone. */
#include "keeper/life.h"

static const enum grant_state living[] = { GRANT_SCHEDULED, GRANT_ACTIVE, GRANT_SUSPENDED };
#define N_LIVING (sizeof(living) / sizeof(living[0]))

static bool is_pending(const struct life *l)
{
    return l->st.state == GRANT_PENDING;
}

/* Ends one that has not ended; a request that waits is cancelled. *ret_done (may be NULL). */
static enum err end_one(struct job *c, struct life *l, enum grant_cause cause, bool *ret_done, struct err_info *reterr)
{
    const struct grant_actor system = { .system = true, .cause = cause };
    const struct life_by by = { .actor = c->me != NULL ? c->me->id : SPAN_EMPTY };
    struct grant_step s;
    bool cancel;

    if (ret_done != NULL)
        *ret_done = false;
    TRY(life_touch(c, l, reterr));
    if (grant_ended(l->st.state))
        return ERR_OK;
    /* T5: of what was not used yet, a closed ticket cancels also what was approved. */
    cancel = is_pending(l) || (cause == GRANT_CAUSE_TICKET_CLOSED && l->st.state == GRANT_SCHEDULED);
    s = cancel ? grant_cancel(&l->st, &c->now, &system) : grant_revoke(&l->st, &c->now, &system);
    if (s.verdict != GRANT_OK)
        return ERR_OK;
    if (ret_done != NULL)
        *ret_done = true;
    return life_apply(c, l, &s, &by, reterr);
}

/* ---- a person ---- */

/* One page of what this person asked for and what this person holds. *ret_more: something ended, there may be more. */
static enum err end_page(struct job *c, struct span account, bool *ret_more, struct err_info *reterr)
{
    const struct span states[] = { SPAN("PENDING"), SPAN("SCHEDULED"), SPAN("ACTIVE"), SPAN("SUSPENDED") };
    const struct meta_access_filter f = { .person = account, .states = states, .n_states = 4 };
    const struct meta_page page = { .limit = META_PAGE_MAX };
    struct meta_request_list requests;
    struct meta_grant_list grants;
    struct meta_pos next;
    struct life l;
    bool done;

    *ret_more = false;
    TRY(meta_requests(c->v, &f, &page, c->mem, &requests, &next, reterr));
    TRY(meta_grants(c->v, &f, &page, c->mem, &grants, &next, reterr));
    for (size_t i = 0; i < requests.n; i++) {
        TRY(life_of_request(c, requests.rows[i].id, &l, reterr));
        TRY(end_one(c, &l, GRANT_CAUSE_DISABLED, &done, reterr));
        *ret_more |= done;
    }
    for (size_t i = 0; i < grants.n; i++) {
        TRY(life_of_grant(c, grants.rows[i].id, &l, reterr));
        TRY(end_one(c, &l, GRANT_CAUSE_DISABLED, &done, reterr));
        *ret_more |= done;
    }
    return ERR_OK;
}

enum err life_end_person(struct job *c, struct span account, struct err_info *reterr)
{
    for (bool more = true; more;)
        TRY(end_page(c, account, &more, reterr));
    return ERR_OK;
}

/* ---- the policy ---- */

static enum err policy_one(struct job *c, struct life *l, struct err_info *reterr)
{
    struct grant_guards guards;

    TRY(life_guards(c, l, &guards, reterr));
    return guards.policy_allows ? ERR_OK : end_one(c, l, GRANT_CAUSE_POLICY, NULL, reterr);
}

enum err life_policy_changed(struct job *c, struct err_info *reterr)
{
    const struct rules *rules = job_rules(c, reterr);

    if (rules == NULL)
        return ERR_NOMEM;
    if (rules->policy != NULL && rules->policy->on_change == POLICY_CHANGE_KEEP)
        return ERR_OK;
    for (size_t i = 0; i < N_LIVING; i++) {
        struct meta_grant_list rows;

        TRY(meta_grants_in_state(c->v, span_str(grant_state_name(living[i])), c->mem, &rows, reterr));
        for (size_t k = 0; k < rows.n; k++) {
            struct life l;

            TRY(life_of_grant(c, rows.rows[k].id, &l, reterr));
            TRY(policy_one(c, &l, reterr));
        }
    }
    return ERR_OK;
}

/* ---- a ticket ---- */

static enum err shorten(struct job *c, struct life *l, struct life_closed *ret, struct err_info *reterr)
{
    const struct life_by by = { 0 };
    struct grant_step s;

    TRY(life_touch(c, l, reterr));
    s = grant_shorten(&l->st, &c->now, GRANT_CAUSE_TICKET_CLOSED, GRANT_TICKET_MS);
    if (s.verdict != GRANT_OK) /* it ends before that anyway */
        return ERR_OK;
    ret->n_ending++;
    return life_apply(c, l, &s, &by, reterr);
}

enum err life_ticket_closed(struct job *c, struct span project, struct span ticket, struct life_closed *ret,
                            struct err_info *reterr)
{
    struct meta_request_list pending;
    bool done;

    *ret = (struct life_closed){ 0 };
    TRY(meta_requests_of_ticket(c->v, project, ticket, SPAN("PENDING"), c->mem, &pending, reterr));
    for (size_t i = 0; i < pending.n; i++) {
        struct life l;

        TRY(life_of_request(c, pending.rows[i].id, &l, reterr));
        TRY(end_one(c, &l, GRANT_CAUSE_TICKET_CLOSED, &done, reterr));
        ret->n_cancelled += done;
    }
    for (size_t i = 0; i < N_LIVING; i++) {
        struct meta_grant_list rows;

        TRY(meta_grants_of_ticket(c->v, project, ticket, span_str(grant_state_name(living[i])), c->mem, &rows, reterr));
        for (size_t k = 0; k < rows.n; k++) {
            struct life l;

            TRY(life_of_grant(c, rows.rows[k].id, &l, reterr));
            if (l.st.state == GRANT_SCHEDULED) {
                TRY(end_one(c, &l, GRANT_CAUSE_TICKET_CLOSED, &done, reterr));
                ret->n_cancelled += done;
            } else {
                TRY(shorten(c, &l, ret, reterr));
            }
        }
    }
    return ERR_OK;
}

/* ---- a recording ---- */

static enum err narrow(struct job *c, struct life *l, struct span rid, struct err_info *reterr)
{
    const struct life_by by = { .rid = rid };
    struct grant_step s;

    if (l->n_rids <= 1)
        return end_one(c, l, GRANT_CAUSE_GONE, NULL, reterr);
    TRY(meta_grant_narrow(c->m, l->g.id, rid, reterr));
    TRY(life_touch(c, l, reterr));
    s = grant_bump(&l->st, &c->now);
    if (s.verdict != GRANT_OK) /* not open yet: there is no key that has to die */
        return life_record(c, l, GRANT_EV_NARROW, &by, reterr);
    return life_apply(c, l, &s, &by, reterr);
}

enum err life_recording_gone(struct job *c, struct span rid, struct err_info *reterr)
{
    for (size_t i = 0; i < N_LIVING; i++) {
        struct meta_grant_list rows;

        TRY(meta_grants_in_state(c->v, span_str(grant_state_name(living[i])), c->mem, &rows, reterr));
        for (size_t k = 0; k < rows.n; k++) {
            struct life l;
            enum err e = meta_grant_covers(c->v, rows.rows[k].id, rid, reterr);

            if (e == ERR_NOTFOUND)
                continue;
            TRY(e);
            TRY(life_of_grant(c, rows.rows[k].id, &l, reterr));
            TRY(narrow(c, &l, rid, reterr));
        }
    }
    return ERR_OK;
}
