#include "keeper/hooks.h"
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

/* Who else watches, by id or name. Nobody by that name is the same answer as nobody who may. */
static enum err load_viewers(struct job *c, struct ask *a, struct err_info *reterr)
{
    struct span *ids = arena_alloc(c->mem, (a->req.n_viewers + 1) * sizeof(*ids));
    size_t n = a->req.n_viewers;

    a->viewers = arena_alloc(c->mem, (n + 1) * sizeof(const struct who *));
    if (ids == NULL || a->viewers == NULL)
        return ERR_RAISE(reterr, ERR_NOMEM, "request");
    for (size_t i = 0; i < n; i++) {
        const struct who *w = people_by_id_or_name(a->people, a->req.viewers[i]);

        if (w == NULL || w->disabled) {
            body_bad(&c->body, "", "viewers", FIELD_NOT_FOUND);
            return ERR_OK;
        }
        ids[i] = w->id;
    }
    request_set_viewers(&a->req, c->me->id, ids, &c->body.errors);
    for (size_t i = 0; i < n; i++)
        a->viewers[i] = people_by_id(a->people, ids[i]);
    return ERR_OK;
}

static bool in_scope(const struct life *l, struct span rid)
{
    for (size_t i = 0; i < l->n_rids; i++) {
        if (span_eq(l->rids[i], rid))
            return true;
    }
    return false;
}

/* 'extends' of a body: a grant of the caller's that is open, and nothing beyond its scope. */
static enum err load_extends(struct job *c, struct ask *a, bool *ret_ok, struct err_info *reterr)
{
    enum err e = life_of_grant(c, a->req.extends, &a->to, reterr);

    *ret_ok = false;
    if (e == ERR_NOTFOUND || (e == ERR_OK && !span_eq(a->to.g.holder, c->me->id)))
        return job_not_found(c);
    TRY(e);
    a->link = LINK_EXTEND;
    for (size_t i = 0; i < a->req.n_recordings; i++) {
        if (!in_scope(&a->to, a->req.recordings[i])) {
            body_bad(&c->body, "", "recordings", FIELD_CONFLICT);
            return job_invalid(c);
        }
    }
    if ((a->req.actions & ~a->to.actions) != 0) {
        body_bad(&c->body, "", "actions", FIELD_CONFLICT);
        return job_invalid(c);
    }
    /* What was said once need not be said again. */
    if (a->req.reason.n == 0)
        a->req.reason = a->to.q.reason;
    if (a->req.ticket.n == 0 && span_eq(a->req.purpose, a->to.q.purpose))
        a->req.ticket = a->to.q.ticket;
    *ret_ok = true;
    return ERR_OK;
}

void ask_linked(const struct life *to, enum life_link link, struct ask *ret)
{
    *ret = (struct ask){
        .req = { .recordings = to->rids, .n_recordings = to->n_rids, .actions = to->actions, .purpose = to->q.purpose,
                 .reason = to->q.reason, .ticket = to->q.ticket, .duration_s = to->q.duration_s,
                 .start = GRANT_START_APPROVAL, .extends = to->g.id },
        .link = link,
        .to = *to,
    };
}

enum err ask_load(struct job *c, enum request_purpose what, struct ask *ret, bool *ret_ok, struct err_info *reterr)
{
    enum request_verdict v = request_parse(c->args, what, c->me->id, c->now.real, c->mem, &ret->req, &c->body.errors);

    *ret_ok = false;
    if (v != REQUEST_OK)
        return refuse_parse(c, v);
    if (ret->req.extends.n > 0) {
        TRY(load_extends(c, ret, ret_ok, reterr));
        if (!*ret_ok)
            return ERR_OK;
    }
    if (ret->req.break_glass && ret->req.reason.n == 0)
        ret->req.reason = ret->req.urgent;
    return ask_find(c, ret, ret_ok, reterr);
}

/* One access that has been prolonged and prolonged again: at some length it is another one. */
static enum err check_chain(struct job *c, const struct ask *a, struct err_info *reterr)
{
    struct lives family;

    if (a->link != LINK_EXTEND && a->link != LINK_MORE_TIME)
        return ERR_OK;
    TRY(life_family(c, &a->to, &family, reterr));
    if (family.n >= ASK_CHAIN_MAX)
        body_bad_limit(&c->body, "", "extends", FIELD_TOO_LONG, ASK_CHAIN_MAX);
    return ERR_OK;
}

enum err ask_find(struct job *c, struct ask *ret, bool *ret_ok, struct err_info *reterr)
{
    *ret_ok = false;
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
    TRY(hooks_ticket(c, ret->project, ret->req.ticket, &ret->ticket, reterr));
    if (ret->rules == NULL || ret->people == NULL)
        return ERR_NOMEM;
    TRY(load_viewers(c, ret, reterr));
    TRY(check_chain(c, ret, reterr));
    if (c->body.errors.n > 0) {
        *ret_ok = false;
        return job_invalid(c);
    }
    if (ret->link == LINK_NONE)
        return ERR_OK;
    TRY(life_touch(c, &ret->to, reterr));
    if (ret->to.st.state == GRANT_ACTIVE || ret->to.st.state == GRANT_SUSPENDED || ret->link == LINK_BREAK_GLASS)
        return ERR_OK;
    *ret_ok = false;
    view_state(c, "state", span_str(grant_state_name(ret->to.st.state)));
    return job_refuse(c, 409, "grant-state-conflict", "The access it belongs to is not open.");
}

struct policy_answer ask_decide(struct job *c, struct ask *a, struct span purpose)
{
    item_facts(c, a->people, c->me, a->project, purpose, &a->facts);
    a->facts.ticket = a->ticket;
    return policy_check(a->rules->policy, &a->facts, a->items, a->req.n_recordings, a->req.actions);
}

void ask_case(struct job *c, const struct ask *a, struct vote_case *ret)
{
    struct span *subjects = arena_alloc(c->mem, (a->req.n_recordings + 1) * sizeof(*subjects));
    struct vote_party *viewers = arena_alloc(c->mem, (a->req.n_viewers + 1) * sizeof(*viewers));
    struct vote_case vc = { .requester = { c->me->id, who_person(c->me) }, .project = a->project, .subjects = subjects,
                            .viewers = viewers, .created_at = c->now.real + 1 };

    for (size_t i = 0; subjects != NULL && i < a->req.n_recordings; i++) {
        if (a->recs[i].subject.n > 0)
            subjects[vc.n_subjects++] = a->recs[i].subject;
    }
    for (size_t i = 0; viewers != NULL && i < a->req.n_viewers; i++)
        viewers[vc.n_viewers++] = (struct vote_party){ a->viewers[i]->id, who_person(a->viewers[i]) };
    *ret = vc;
}

struct vote_plan ask_plan(struct job *c, const struct ask *a, const struct policy_rule *rule)
{
    struct vote_case vc;

    ask_case(c, a, &vc);
    return vote_plan(&rule->terms.ask, &vc, a->people->all, a->people->n);
}

/* Something linked is in conflict with what is linked to the same in the same way, and still waits. */
static enum err linked_conflict(struct job *c, const struct ask *a, struct span *ret, struct err_info *reterr)
{
    struct meta_request_list rows;

    TRY(meta_requests_linked(c->v, a->req.extends, c->mem, &rows, reterr));
    for (size_t i = 0; i < rows.n && ret->n == 0; i++) {
        bool same = span_eq(rows.rows[i].requester, c->me->id) && life_link_of(&rows.rows[i]) == a->link;
        struct life l;

        if (!same)
            continue;
        TRY(life_of_request(c, rows.rows[i].id, &l, reterr));
        TRY(life_touch(c, &l, reterr));
        if (l.st.state == GRANT_PENDING && (a->link != LINK_WIDEN || span_eq(l.asked[0], a->req.recordings[0])))
            *ret = l.q.id;
    }
    return ERR_OK;
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
    if (a->link != LINK_NONE)
        return linked_conflict(c, a, ret, reterr);
    TRY(meta_requests(c->v, &f, &page, c->mem, &rows, &next, reterr));
    for (size_t i = 0; i < rows.n && ret->n == 0; i++) {
        struct life l;
        bool same;

        TRY(life_of_request(c, rows.rows[i].id, &l, reterr));
        TRY(life_touch(c, &l, reterr));
        same = !grant_ended(l.st.state) && l.actions == a->req.actions && l.n_asked == a->req.n_recordings;
        for (size_t k = 0; k < l.n_asked && same; k++)
            same = span_eq(l.asked[k], a->req.recordings[k]);
        if (same)
            *ret = l.q.id;
    }
    return ERR_OK;
}

enum err ask_held(struct job *c, const struct ask *a, struct span *ret, struct err_info *reterr)
{
    const struct people *people = job_people(c, reterr);
    struct meta_grant_list rows;

    *ret = SPAN_EMPTY;
    if (people == NULL)
        return ERR_NOMEM;
    TRY(meta_grants_in_state(c->v, SPAN("SUSPENDED"), c->mem, &rows, reterr));
    for (size_t i = 0; i < rows.n && ret->n == 0; i++) {
        const struct who *holder = people_by_id(people, rows.rows[i].holder);
        struct life l;

        if (holder == NULL || !who_same_person(holder, c->me))
            continue;
        TRY(life_of_grant(c, rows.rows[i].id, &l, reterr));
        TRY(life_touch(c, &l, reterr));
        for (size_t k = 0; k < l.n_rids && l.st.state == GRANT_SUSPENDED; k++) {
            for (size_t n = 0; n < a->req.n_recordings; n++)
                *ret = span_eq(l.rids[k], a->req.recordings[n]) ? l.g.id : *ret;
        }
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
