#include "keeper/freeze.h"

#include "keeper/life.h"
#include "keeper/trail.h"

static enum err record(struct job *c, enum leaf_type type, struct span project, struct span reason, struct span other,
                       struct err_info *reterr)
{
    bool all = span_eq_str(project, FREEZE_ALL);
    struct leaf leaf = trail_leaf(c, type, all ? SPAN_EMPTY : project);
    const struct people *people = job_people(c, reterr);
    const struct who *second;

    if (people == NULL)
        return ERR_NOMEM;
    if (!all)
        leaf.obj = project;
    trail_mark(c, &leaf);
    trail_fact(c, &leaf, "reason", reason, who_person(c->me));
    second = people_by_id(people, other);
    if (second != NULL) /* who asked for it first */
        trail_fact(c, &leaf, "other", second->id, who_person(second));
    return trail_write(c, &leaf, NULL, reterr);
}

static bool covers(struct span freeze, struct span project)
{
    return span_eq_str(freeze, FREEZE_ALL) || span_eq(freeze, project);
}

enum err freeze_set(struct job *c, struct span project, struct span reason, struct err_info *reterr)
{
    const struct grant_actor system = { .system = true, .cause = GRANT_CAUSE_FROZEN };
    const struct life_by by = { .actor = c->me->id, .comment = reason };
    struct meta_freeze row = { .project = project, .reason = reason, .by_account = c->me->id, .at_ms = c->now.real };
    struct meta_freeze there;
    struct meta_grant_list rows;
    enum err e = meta_freeze_get(c->v, project, c->mem, &there, reterr);

    if (e != ERR_NOTFOUND)
        return e;
    TRY(meta_freeze_add(c->m, &row, reterr));
    TRY(record(c, LEAF_FREEZE_SET, project, reason, SPAN_EMPTY, reterr));
    TRY(meta_grants_in_state(c->v, SPAN("ACTIVE"), c->mem, &rows, reterr));
    for (size_t i = 0; i < rows.n; i++) {
        struct grant_step s;
        struct life l;

        if (!covers(project, rows.rows[i].project))
            continue;
        TRY(life_of_grant(c, rows.rows[i].id, &l, reterr));
        s = grant_suspend(&l.st, &c->now, &system);
        if (s.verdict == GRANT_OK) /* else its time is over, and it is about to be ended */
            TRY(life_apply(c, &l, &s, &by, reterr));
    }
    return ERR_OK;
}

/* One that a freeze had suspended goes on, unless it is one of the two people's own or still covered. */
static enum err let_go(struct job *c, struct span gid, struct span other, const struct life_by *by,
                       struct err_info *reterr)
{
    const struct grant_actor system = { .system = true };
    const struct people *people = job_people(c, reterr);
    const struct who *holder, *second;
    struct grant_step s;
    struct life l;
    bool frozen;

    if (people == NULL)
        return ERR_NOMEM;
    TRY(life_of_grant(c, gid, &l, reterr));
    TRY(life_touch(c, &l, reterr));
    TRY(meta_frozen(c->v, l.q.project, &frozen, reterr));
    holder = people_by_id(people, l.g.holder);
    second = people_by_id(people, other);
    if (l.st.cause != GRANT_CAUSE_FROZEN || holder == NULL || who_same_person(holder, c->me) ||
        (second != NULL && who_same_person(holder, second)))
        return ERR_OK;
    s = grant_resume(&l.st, &c->now, &system, frozen);
    return s.verdict == GRANT_OK ? life_apply(c, &l, &s, by, reterr) : ERR_OK;
}

enum err freeze_lift(struct job *c, struct span project, struct span reason, struct span other, struct err_info *reterr)
{
    const struct life_by by = { .actor = c->me->id, .comment = reason };
    struct meta_grant_list rows;

    TRY(meta_freeze_remove(c->m, project, reterr));
    TRY(record(c, LEAF_FREEZE_LIFTED, project, reason, other, reterr));
    TRY(meta_grants_in_state(c->v, SPAN("SUSPENDED"), c->mem, &rows, reterr));
    for (size_t i = 0; i < rows.n; i++) {
        if (covers(project, rows.rows[i].project))
            TRY(let_go(c, rows.rows[i].id, other, &by, reterr));
    }
    return ERR_OK;
}
