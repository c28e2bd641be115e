/* Lists of grants, one grant; what is done to it by others: revoke (T11), suspend (T8), resume (T9), review (T15); give back
 * (T12). What prolongs a grant, or is prolonged by it, is the same access to its holder, so T8, T9 and T11 reach all of it. */
#include "keeper/api/api.h"
#include "keeper/api/grant_find.h"
#include "keeper/api/states.h"
#include "keeper/view.h"

/* What has ended since its row was written is not among the live ones. */
static enum err is_asked_for(struct job *c, const struct meta_access_filter *f, struct span gid, bool *ret,
                             struct err_info *reterr)
{
    struct life l;

    *ret = f->n_states == 0;
    if (*ret)
        return ERR_OK;
    TRY(life_of_grant(c, gid, &l, reterr));
    TRY(life_touch(c, &l, reterr));
    for (size_t i = 0; i < f->n_states; i++)
        *ret |= span_eq_nocase(f->states[i], grant_state_name(l.st.state));
    return ERR_OK;
}

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
        bool shown = false;
        enum err e = is_asked_for(c, &s.filter, rows.rows[i].id, &shown, reterr);

        if (e == ERR_OK && shown)
            e = view_grant(c, &rows.rows[i], reterr);
        if (e != ERR_OK) {
            pages_drop(&p);
            return e;
        }
    }
    pages_end(c, &p, next);
    jsonw_obj_end(&c->w);
    return ERR_OK;
}

enum err grant_find(struct job *c, struct life *ret, bool *ret_ok, struct err_info *reterr)
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

enum err grant_answer(struct job *c, const struct life *l, struct err_info *reterr)
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

    TRY(grant_find(c, &l, &ok, reterr));
    return ok ? grant_answer(c, &l, reterr) : ERR_OK;
}

/* The optional comment of a body. *ret_ok false: refused, and answered. */
static enum err read_comment(struct job *c, const struct life *l, struct life_by *by, bool *ret_ok)
{
    *ret_ok = false;
    *by = (struct life_by){ .actor = c->me->id };
    BODY_ONLY(&c->body, "", c->args, "comment");
    (void) body_str(&c->body, "", c->args, "comment", BODY_OPTIONAL, 0, 2000, &by->comment);
    if (c->body.errors.n > 0)
        return job_invalid(c);
    *ret_ok = job_if_match_ok(c, l->st.version);
    return ERR_OK;
}

/* Who holds it, asked for it or watches beside it, under whichever account. */
static enum err is_own(struct job *c, const struct life *l, bool *ret, struct err_info *reterr)
{
    const struct people *people = job_people(c, reterr);
    struct span parties[2 + REQUEST_VIEWERS_MAX] = { l->g.holder, l->q.requester };
    size_t n = 2;

    *ret = false;
    if (people == NULL)
        return ERR_NOMEM;
    for (size_t i = 0; i < l->n_viewers && n < 2 + REQUEST_VIEWERS_MAX; i++)
        parties[n++] = l->viewers[i];
    for (size_t i = 0; i < n; i++) {
        const struct who *w = people_by_id(people, parties[i]);

        *ret |= span_eq(parties[i], c->me->id) || (w != NULL && who_same_person(w, c->me));
    }
    return ERR_OK;
}

static enum err actor_of(struct job *c, const struct life *l, struct grant_actor *ret, struct err_info *reterr)
{
    *ret = (struct grant_actor){ .roles = job_roles(c, l->q.project) };
    return is_own(c, l, &ret->requester, reterr);
}

enum err api_grant_relinquish(struct job *c, struct err_info *reterr)
{
    struct grant_actor actor = { 0 };
    struct grant_step step;
    struct life_by by;
    struct life l;
    bool ok;

    TRY(grant_find(c, &l, &ok, reterr));
    if (ok)
        TRY(read_comment(c, &l, &by, &ok));
    if (!ok)
        return ERR_OK;
    actor.requester = span_eq(l.g.holder, c->me->id);
    /* What has not opened yet is cancelled instead. */
    step = l.st.state == GRANT_SCHEDULED ? grant_cancel(&l.st, &c->now, &actor)
                                         : grant_relinquish(&l.st, &c->now, &actor);
    if (step.verdict != GRANT_OK)
        return life_refuse(c, &l, &step);
    TRY(life_apply(c, &l, &step, &by, reterr));
    return grant_answer(c, &l, reterr);
}

/* ---- what others do to it ---- */

typedef struct grant_step command_fn(const struct grant *g, const struct clock_reading *now,
                                     const struct grant_actor *a, bool frozen);

static struct grant_step revoke(const struct grant *g, const struct clock_reading *now, const struct grant_actor *a,
                                bool frozen)
{
    (void) frozen;
    return grant_revoke(g, now, a);
}

static struct grant_step suspend(const struct grant *g, const struct clock_reading *now, const struct grant_actor *a,
                                 bool frozen)
{
    (void) frozen;
    return grant_suspend(g, now, a);
}

/* The grant itself has to take the command; of its family, whoever can. */
static enum err on_family(struct job *c, command_fn *command, struct err_info *reterr)
{
    struct grant_actor actor;
    struct lives family;
    struct life_by by;
    struct life l;
    bool ok, frozen;

    TRY(grant_find(c, &l, &ok, reterr));
    if (ok)
        TRY(read_comment(c, &l, &by, &ok));
    if (!ok)
        return ERR_OK;
    TRY(actor_of(c, &l, &actor, reterr));
    TRY(meta_frozen(c->v, l.q.project, &frozen, reterr));
    TRY(life_family(c, &l, &family, reterr));
    for (size_t i = 0; i < family.n; i++) {
        struct life *one = &family.all[i];
        struct grant_step step;

        if (i > 0)
            TRY(life_touch(c, one, reterr));
        step = command(&one->st, &c->now, &actor, frozen);
        if (i == 0 && step.verdict != GRANT_OK)
            return life_refuse(c, one, &step);
        if (step.verdict == GRANT_OK)
            TRY(life_apply(c, one, &step, &by, reterr));
    }
    return grant_answer(c, &family.all[0], reterr);
}

enum err api_grant_revoke(struct job *c, struct err_info *reterr)
{
    return on_family(c, revoke, reterr);
}

enum err api_grant_suspend(struct job *c, struct err_info *reterr)
{
    return on_family(c, suspend, reterr);
}

enum err api_grant_resume(struct job *c, struct err_info *reterr)
{
    return on_family(c, grant_resume, reterr);
}

/* ---- review ---- */

/* Voted for the ordinary request that goes with it, under whichever account. */
static enum err approved_what_came(struct job *c, const struct life *l, bool *ret, struct err_info *reterr)
{
    struct meta_request_list linked;

    *ret = false;
    TRY(meta_requests_linked(c->v, l->g.id, c->mem, &linked, reterr));
    for (size_t i = 0; i < linked.n; i++) {
        struct meta_vote_list votes;

        TRY(meta_votes(c->v, linked.rows[i].id, c->mem, &votes, reterr));
        for (size_t k = 0; k < votes.n; k++)
            *ret |= span_eq_str(votes.rows[k].verdict, "approve") &&
                    (span_eq(votes.rows[k].voter, c->me->id) || span_eq(votes.rows[k].person, who_person(c->me)));
    }
    return ERR_OK;
}

enum err api_grant_review(struct job *c, struct err_info *reterr)
{
    static const char *const words[] = { "done", "failed" };
    struct life_by by = { .actor = c->me->id, .is_unsigned = c->act.is_unsigned };
    struct grant_actor actor;
    struct grant_step step;
    struct life l;
    int outcome;
    bool ok;

    TRY(grant_find(c, &l, &ok, reterr));
    if (!ok)
        return ERR_OK;
    BODY_ONLY(&c->body, "", c->args, "outcome", "comment");
    outcome = body_word(&c->body, "", c->args, "outcome", BODY_REQUIRED, words, 2);
    (void) body_str(&c->body, "", c->args, "comment", BODY_REQUIRED, 10, 2000, &by.comment);
    if (c->body.errors.n > 0)
        return job_invalid(c);
    if (!job_if_match_ok(c, l.st.version))
        return ERR_OK;
    TRY(actor_of(c, &l, &actor, reterr));
    TRY(approved_what_came(c, &l, &actor.approver, reterr));
    step = grant_review(&l.st, &c->now, &actor, outcome == 1);
    if (step.verdict != GRANT_OK)
        return life_refuse(c, &l, &step);
    if (!job_fresh(c, c->core->cfg.token_votes))
        return ERR_OK;
    l.g.review_outcome = span_str(words[outcome]);
    l.g.review_by = c->me->id;
    l.g.review_ms = c->now.real;
    l.g.review_comment = by.comment;
    TRY(life_apply(c, &l, &step, &by, reterr));
    return grant_answer(c, &l, reterr);
}
