#include "keeper/api/ask.h"

#include "keeper/view.h"

#define ADMINS_SHOWN 20

static enum err refuse_parse(struct job *c, enum request_verdict v)
{
    if (v == REQUEST_INVALID)
        return job_invalid(c);
    return job_refuse(c, 422, request_code(v), "This part of a request is not built yet.");
}

/* A recording that one may not see is one that does not exist. */
static enum err load_recordings(struct job *c, struct ask *a, bool *ret_ok, struct err_info *reterr)
{
    *ret_ok = false;
    for (size_t i = 0; i < a->req.n_recordings; i++) {
        struct meta_recording *r = &a->recs[i];
        enum err e = meta_recording_get(c->v, a->req.recordings[i], c->mem, r, reterr);

        if (e != ERR_OK && e != ERR_NOTFOUND)
            return e;
        if (e == ERR_NOTFOUND || span_eq_str(r->state, "importing") || !job_may(c, r->project, PERM_LIST)) {
            c->refused_id = a->req.recordings[i];
            c->log = e == ERR_OK ? r->project : SPAN_EMPTY;
            return job_not_found(c);
        }
        if (span_eq_str(r->state, "erased"))
            return job_refuse(c, 410, "erased", "The recording was erased.");
        TRY(item_of(c, r, &a->items[i], reterr));
    }
    *ret_ok = true;
    return ERR_OK;
}

enum err ask_load(struct job *c, enum request_purpose what, struct ask *ret, bool *ret_ok, struct err_info *reterr)
{
    enum request_verdict v = request_parse(c->args, what, c->me->id, c->now.real, c->mem, &ret->req, &c->body.errors);

    *ret_ok = false;
    if (v != REQUEST_OK)
        return refuse_parse(c, v);
    ret->recs = arena_alloc(c->mem, ret->req.n_recordings * sizeof(*ret->recs));
    ret->items = arena_alloc(c->mem, ret->req.n_recordings * sizeof(*ret->items));
    if (ret->recs == NULL || ret->items == NULL)
        return ERR_RAISE(reterr, ERR_NOMEM, "request");
    TRY(load_recordings(c, ret, ret_ok, reterr));
    if (!*ret_ok)
        return ERR_OK;
    ret->project = ret->recs[0].project;
    ret->env = ret->recs[0].env;
    c->log = ret->project;
    ret->rules = job_rules(c, reterr);
    ret->people = job_people(c, reterr);
    return ret->rules == NULL || ret->people == NULL ? ERR_NOMEM : ERR_OK;
}

struct policy_answer ask_decide(struct job *c, struct ask *a, struct span purpose)
{
    item_facts(c, a->people, c->me, a->project, purpose, &a->facts);
    return policy_check(a->rules->policy, &a->facts, a->items, a->req.n_recordings, a->req.actions);
}

struct vote_plan ask_plan(struct job *c, const struct ask *a, const struct policy_rule *rule)
{
    struct span *subjects = arena_alloc(c->mem, (a->req.n_recordings + 1) * sizeof(*subjects));
    struct vote_case vc = { .requester = { c->me->id, who_person(c->me) }, .project = a->project, .subjects = subjects,
                            .created_at = c->now.real + 1 };

    for (size_t i = 0; subjects != NULL && i < a->req.n_recordings; i++) {
        if (a->recs[i].subject.n > 0)
            subjects[vc.n_subjects++] = a->recs[i].subject;
    }
    return vote_plan(&rule->terms.ask, &vc, a->people->all, a->people->n);
}

enum err ask_conflict(struct job *c, const struct ask *a, struct span *ret, struct err_info *reterr)
{
    const struct span states[] = { SPAN("PENDING"), SPAN("SCHEDULED"), SPAN("ACTIVE"), SPAN("SUSPENDED") };
    const struct meta_access_filter f = { .person = c->me->id, .states = states, .n_states = 4,
                                          .recording = a->req.recordings[0] };
    const struct meta_page page = { .limit = 100 };
    struct meta_request_list rows;
    struct meta_pos next;

    *ret = SPAN_EMPTY;
    TRY(meta_requests(c->v, &f, &page, c->mem, &rows, &next, reterr));
    for (size_t i = 0; i < rows.n && ret->n == 0; i++) {
        struct life l;
        bool same;

        TRY(life_of_request(c, rows.rows[i].id, &l, reterr));
        TRY(life_touch(c, &l, reterr));
        same = !grant_ended(l.st.state) && l.actions == a->req.actions && l.n_rids == a->req.n_recordings;
        for (size_t k = 0; k < l.n_rids && same; k++)
            same = span_eq(l.rids[k], a->req.recordings[k]);
        if (same)
            *ret = l.q.id;
    }
    return ERR_OK;
}

void ask_write_admins(struct job *c, const struct people *people)
{
    size_t n = 0;

    jsonw_karr(&c->w, "who_can_change");
    for (size_t i = 0; i < people->n && n < ADMINS_SHOWN; i++) {
        const struct who *w = &people->all[i];

        if (w->disabled || !role_may(role_in(w->roles, w->n_roles, SPAN(ROLE_SYSTEM), 0), PERM_MANAGE_USERS))
            continue;
        view_person(c, NULL, w->id);
        n++;
    }
    jsonw_arr_end(&c->w);
}
