/* Changes that the guard holds: list, approve, stop (STANDARDS 2.6). */
#include "keeper/api/api.h"
#include "keeper/guard.h"
#include "keeper/pages.h"

enum err api_changes_list(struct job *c, struct err_info *reterr)
{
    static const char *const states[] = { "waiting", "done", "stopped", "failed" };
    struct span state = SPAN_EMPTY;
    struct meta_change_list rows;
    struct meta_pos next;
    struct pages p;
    enum err e;
    bool may;

    TRY(guard_may_stop(c, &may, reterr));
    if (!may)
        return job_forbidden(c);
    PAGES_BEGIN(c, &p, "state");
    (void) body_word(&c->body, "?", c->query, "state", BODY_OPTIONAL, states, 4);
    (void) tree_get_str(c->query, "state", &state);
    if (c->body.errors.n > 0) {
        pages_drop(&p);
        return job_invalid(c);
    }
    e = meta_changes(c->v, state, &p.page, c->mem, &rows, &next, reterr);
    if (e != ERR_OK) {
        pages_drop(&p);
        return e;
    }
    (void) pages_items(c);
    for (size_t i = 0; i < rows.n && e == ERR_OK; i++)
        e = guard_view(c, &rows.rows[i], SPAN_EMPTY, reterr);
    pages_end(c, &p, next);
    jsonw_obj_end(&c->w);
    return e;
}

/* The one that is meant, still waiting; the comment. *ret_ok false: refused. */
static enum err read_call(struct job *c, struct meta_change *row, struct span *ret_comment, bool *ret_ok,
                          struct err_info *reterr)
{
    enum err e;

    *ret_ok = false;
    BODY_ONLY(&c->body, "", c->args, "comment");
    (void) body_str(&c->body, "", c->args, "comment", BODY_OPTIONAL, 0, 2000, ret_comment);
    if (c->body.errors.n > 0)
        return job_invalid(c);
    e = id_check(c->in->id1, ID_CHANGE) ? meta_change_get(c->v, c->in->id1, c->mem, row, reterr) : ERR_NOTFOUND;
    if (e == ERR_NOTFOUND)
        return job_not_found(c);
    TRY(e);
    if (!span_eq_str(row->state, "waiting")) {
        jsonw_kstr(job_extra(c), "state", row->state);
        return job_refuse(c, 409, "grant-state-conflict", "This change waits no longer.");
    }
    *ret_ok = true;
    return ERR_OK;
}

enum err api_change_approve(struct job *c, struct err_info *reterr)
{
    const struct people *people = job_people(c, reterr);
    struct span comment = SPAN_EMPTY;
    const struct who *proposer;
    struct meta_change row;
    bool ok;

    if (people == NULL)
        return ERR_NOMEM;
    if (!job_is_admin(c))
        return job_forbidden(c);
    if (!job_fresh(c, false))
        return ERR_OK;
    TRY(read_call(c, &row, &comment, &ok, reterr));
    if (!ok)
        return ERR_OK;
    proposer = people_by_id(people, row.proposed_by);
    if (proposer != NULL && who_same_person(proposer, c->me)) {
        jsonw_kcstr(job_extra(c), "cause", "requester");
        return job_refuse(c, 403, "not-eligible", "Another administrator has to approve it.");
    }
    TRY(guard_do(c, &row, c->me, comment, reterr));
    (void) job_json(c, 200);
    return guard_view(c, &row, SPAN_EMPTY, reterr);
}

enum err api_change_stop(struct job *c, struct err_info *reterr)
{
    struct span comment = SPAN_EMPTY;
    struct meta_change row;
    bool ok, may;

    TRY(guard_may_stop(c, &may, reterr));
    if (!job_in_person(c)) /* no fresh sign-in: who can lock logins out could hold a stop up */
        return ERR_OK;
    TRY(read_call(c, &row, &comment, &ok, reterr));
    if (!ok)
        return ERR_OK;
    if (!may && !span_eq(row.proposed_by, c->me->id))
        return job_not_found(c);
    TRY(guard_stop(c, &row, comment, reterr));
    (void) job_json(c, 200);
    return guard_view(c, &row, SPAN_EMPTY, reterr);
}
