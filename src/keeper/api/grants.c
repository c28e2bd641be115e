/* Lists of grants, one grant, revoke (T11), give back (T12). */
#include "keeper/api/api.h"
#include "keeper/api/states.h"
#include "keeper/view.h"

enum err api_grants_list(struct job *c, struct err_info *reterr)
{
    static const char *const boxes[] = { "mine", "all" };
    const struct span live[] = { SPAN("SCHEDULED"), SPAN("ACTIVE"), SPAN("SUSPENDED") };
    struct meta_grant_list rows;
    struct meta_pos next;
    struct states s;
    struct pages p;

    PAGES_BEGIN(c, &p, "state", "box", "recording");
    (void) body_word(&c->body, "?", c->query, "box", BODY_OPTIONAL, boxes, 2);
    TRY(states_read(c, &s, "live", live, 3, reterr));
    if (c->body.errors.n > 0) {
        pages_drop(&p);
        return job_invalid(c);
    }
    TRY(meta_grants(c->v, &s.filter, &p.page, c->mem, &rows, &next, reterr));
    (void) pages_items(c);
    for (size_t i = 0; i < rows.n; i++) {
        enum err e = view_grant(c, &rows.rows[i], reterr);

        if (e != ERR_OK) {
            pages_drop(&p);
            return e;
        }
    }
    pages_end(c, &p, next);
    jsonw_obj_end(&c->w);
    return ERR_OK;
}

static enum err find(struct job *c, struct life *ret, bool *ret_ok, struct err_info *reterr)
{
    enum err e = life_of_grant(c, c->in->id1, ret, reterr);

    *ret_ok = false;
    if (e == ERR_NOTFOUND)
        return job_not_found(c);
    TRY(e);
    c->log = ret->q.project;
    if (!life_visible(c, ret->q.project, ret->g.holder))
        return job_not_found(c);
    TRY(life_touch(c, ret, reterr));
    *ret_ok = true;
    return ERR_OK;
}

static enum err answer(struct job *c, const struct life *l, struct err_info *reterr)
{
    (void) job_json(c, 200);
    TRY(view_grant(c, &l->g, reterr));
    job_etag(c, l->st.version);
    return ERR_OK;
}

enum err api_grant_get(struct job *c, struct err_info *reterr)
{
    struct life l;
    bool ok;

    TRY(find(c, &l, &ok, reterr));
    return ok ? answer(c, &l, reterr) : ERR_OK;
}

static enum err end(struct job *c, bool own, struct err_info *reterr)
{
    struct life_by by = { .actor = c->me->id };
    struct grant_actor actor = { 0 };
    struct grant_step step;
    struct life l;
    bool ok;

    TRY(find(c, &l, &ok, reterr));
    if (!ok)
        return ERR_OK;
    BODY_ONLY(&c->body, "", c->args, "comment");
    (void) body_str(&c->body, "", c->args, "comment", BODY_OPTIONAL, 0, 2000, &by.comment);
    if (c->body.errors.n > 0)
        return job_invalid(c);
    if (!job_if_match_ok(c, l.st.version))
        return ERR_OK;
    actor.roles = job_roles(c, l.q.project);
    actor.requester = span_eq(l.g.holder, c->me->id);
    if (own) /* what has not opened yet is cancelled instead */
        step = l.st.state == GRANT_SCHEDULED ? grant_cancel(&l.st, &c->now, &actor)
                                             : grant_relinquish(&l.st, &c->now, &actor);
    else
        step = grant_revoke(&l.st, &c->now, &actor);
    if (step.verdict != GRANT_OK)
        return life_refuse(c, &l, &step);
    TRY(life_apply(c, &l, &step, &by, reterr));
    return answer(c, &l, reterr);
}

enum err api_grant_revoke(struct job *c, struct err_info *reterr)
{
    return end(c, false, reterr);
}

enum err api_grant_relinquish(struct job *c, struct err_info *reterr)
{
    return end(c, true, reterr);
}
