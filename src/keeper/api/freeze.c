/* The brake: read, set by one person, lifted by two. */
#include "keeper/accounts.h"
#include "keeper/api/api.h"
#include "keeper/freeze.h"
#include "keeper/view.h"

#include <stdio.h>

#define REASON_MIN 10

static bool may_brake(struct job *c, struct span project)
{
    return span_eq_str(project, FREEZE_ALL) ? job_is_admin(c) : job_may(c, project, PERM_FREEZE);
}

static enum err view_freeze(struct job *c, const struct meta_freeze *f, struct err_info *reterr)
{
    bool all = span_eq_str(f->project, FREEZE_ALL);
    struct meta_project p = { 0 };

    if (!all)
        TRY(meta_project_get(c->v, f->project, c->mem, &p, reterr));
    jsonw_obj(&c->w);
    view_text(c, "project", all ? SPAN_EMPTY : f->project);
    view_text(c, "project_name", p.name);
    jsonw_kstr(&c->w, "reason", f->reason);
    view_person(c, "by", f->by_account);
    jsonw_ktime(&c->w, "at", f->at_ms);
    jsonw_karr(&c->w, "can");
    if (may_brake(c, f->project))
        jsonw_str(&c->w, SPAN("lift"));
    jsonw_arr_end(&c->w);
    jsonw_obj_end(&c->w);
    return ERR_OK;
}

/* What the caller may know of: everything's, and projects whose recordings they may list. */
static enum err answer(struct job *c, struct err_info *reterr)
{
    struct meta_freeze_list rows;

    TRY(meta_freezes(c->v, c->mem, &rows, reterr));
    jsonw_obj(job_json(c, 200));
    jsonw_karr(&c->w, "items");
    for (size_t i = 0; i < rows.n; i++) {
        const struct meta_freeze *f = &rows.rows[i];

        if (span_eq_str(f->project, FREEZE_ALL) || may_brake(c, f->project) || job_may(c, f->project, PERM_LIST))
            TRY(view_freeze(c, f, reterr));
    }
    jsonw_arr_end(&c->w);
    jsonw_obj_end(&c->w);
    return ERR_OK;
}

enum err api_freeze_get(struct job *c, struct err_info *reterr)
{
    return answer(c, reterr);
}

/* *ret_ok false: refused, and answered. */
static enum err read(struct job *c, struct span *ret_project, struct span *ret_reason, bool *ret_ok,
                     struct err_info *reterr)
{
    struct span project = SPAN_EMPTY;
    struct meta_project p;

    *ret_ok = false;
    BODY_ONLY(&c->body, "", c->args, "project", "reason");
    (void) body_str(&c->body, "", c->args, "project", BODY_OPTIONAL, 1, 64, &project);
    (void) body_str(&c->body, "", c->args, "reason", BODY_REQUIRED, REASON_MIN, 2000, ret_reason);
    if (c->body.errors.n > 0)
        return job_invalid(c);
    *ret_project = SPAN(FREEZE_ALL);
    if (project.n > 0) {
        enum err e = accounts_project(c, project, &p, reterr);

        if (e == ERR_NOTFOUND || (e == ERR_OK && !may_brake(c, p.id) && !job_may(c, p.id, PERM_LIST)))
            return job_not_found(c);
        TRY(e);
        *ret_project = p.id;
        c->log = p.id;
    }
    *ret_ok = may_brake(c, *ret_project);
    return *ret_ok ? ERR_OK : job_forbidden(c);
}

/* What two people have to ask for. */
static struct span lift_name(struct span project, char what[PAIR_WHAT_MAX])
{
    size_t n = (size_t) snprintf(what, PAIR_WHAT_MAX, "freeze-lift ");

    (void) span_to_str(project, what + n, PAIR_WHAT_MAX - n);
    return span_str(what);
}

enum err api_freeze_set(struct job *c, struct err_info *reterr)
{
    char what[PAIR_WHAT_MAX];
    struct span project, reason;
    bool ok;

    TRY(read(c, &project, &reason, &ok, reterr));
    if (!ok)
        return ERR_OK;
    pair_void(c, lift_name(project, what)); /* whoever pulls again has a reason that the first of two lifters did not know */
    TRY(freeze_set(c, project, reason, reterr));
    return answer(c, reterr);
}

/* Who asked first may have lost the right since: then it is not one of the two. */
static void forget_who_may_not(struct job *c, struct span project, struct span what, struct err_info *reterr)
{
    const struct pair_waiting *w = pairs_other(&c->core->pairs, what, who_person(c->me), c->now.boot);
    const struct people *people = job_people(c, reterr);
    const struct who *who = w == NULL || people == NULL ? NULL : people_by_id(people, span_str(w->account));
    struct span place = span_eq_str(project, FREEZE_ALL) ? SPAN(ROLE_SYSTEM) : project;

    if (w != NULL && (who == NULL || who->disabled || !role_may(role_in(who->roles, who->n_roles, place, 0), PERM_FREEZE)))
        pairs_end(&c->core->pairs, what);
}

enum err api_freeze_lift(struct job *c, struct err_info *reterr)
{
    struct span project, reason;
    char what[PAIR_WHAT_MAX];
    struct meta_freeze row;
    struct pair pair;
    enum err e;
    bool ok;

    TRY(read(c, &project, &reason, &ok, reterr));
    if (!ok)
        return ERR_OK;
    e = meta_freeze_get(c->v, project, c->mem, &row, reterr);
    if (e == ERR_NOTFOUND)
        return job_refuse(c, 409, "grant-state-conflict", "Nothing is frozen there.");
    TRY(e);
    if (!job_fresh(c, c->core->cfg.token_votes))
        return ERR_OK;
    forget_who_may_not(c, project, lift_name(project, what), reterr);
    pair = pair_try(c, span_str(what));
    if (pair.verdict == PAIR_WAITS)
        return pair_answer_waiting(c, &pair);
    TRY(freeze_lift(c, project, reason, pair.other, reterr));
    return answer(c, reterr);
}
