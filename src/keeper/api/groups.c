/* Groups (admin): list, make, change members and roles. */
#include "keeper/api/people.h"
#include "keeper/pages.h"
#include "keeper/trail.h"
#include "keeper/view.h"

/* There are few groups: pages are cut out of the whole list, newest first. */
enum err api_groups_list(struct job *c, struct err_info *reterr)
{
    struct meta_team_list rows;
    struct meta_pos next = { 0 };
    struct pages p;
    uint32_t shown = 0;
    enum err e;

    if (!job_may(c, SPAN(ROLE_SYSTEM), PERM_MANAGE_GROUPS))
        return job_forbidden(c);
    pages_begin(c, &p, PAGES_LIMIT, PAGES_LIMIT_MAX, NULL, 0);
    if (c->body.errors.n > 0) {
        pages_drop(&p);
        return job_invalid(c);
    }
    e = meta_teams(c->v, c->mem, &rows, reterr);
    if (e != ERR_OK) {
        pages_drop(&p);
        return e;
    }
    (void) pages_items(c);
    for (size_t i = 0; i < rows.n && e == ERR_OK; i++) {
        if (p.page.after.seq != 0 && rows.rows[i].seq >= p.page.after.seq)
            continue;
        if (shown == p.page.limit) {
            next.seq = rows.rows[i - 1].seq;
            break;
        }
        e = view_group(c, rows.rows[i].id, reterr);
        shown++;
    }
    pages_end(c, &p, next);
    jsonw_obj_end(&c->w);
    return e;
}

struct group_in {
    struct accounts_role *roles;
    struct span *members, *add, *remove;
    size_t n_roles, n_members, n_add, n_remove;
    bool has_roles, has_members, has_add, has_remove;
};

static enum err read_group(struct job *c, struct group_in *g, struct err_info *reterr)
{
    TRY(people_read_roles(c, c->args, "roles", &g->roles, &g->n_roles, &g->has_roles, reterr));
    TRY(people_read_accounts(c, c->args, "members", &g->members, &g->n_members, &g->has_members, reterr));
    TRY(people_read_accounts(c, c->args, "add", &g->add, &g->n_add, &g->has_add, reterr));
    return people_read_accounts(c, c->args, "remove", &g->remove, &g->n_remove, &g->has_remove, reterr);
}

static enum err apply_members(struct job *c, struct span team, const struct group_in *g, struct err_info *reterr)
{
    struct meta_member_list now;

    if (g->has_members) {
        TRY(meta_members(c->v, team, c->mem, &now, reterr));
        for (size_t i = 0; i < now.n; i++) {
            bool stays = false;

            for (size_t k = 0; k < g->n_members; k++)
                stays |= span_eq(g->members[k], now.rows[i].account);
            if (!stays)
                TRY(accounts_leave(c, team, now.rows[i].account, reterr));
        }
        for (size_t i = 0; i < g->n_members; i++)
            TRY(accounts_join(c, team, g->members[i], reterr));
    }
    for (size_t i = 0; i < g->n_add; i++)
        TRY(accounts_join(c, team, g->add[i], reterr));
    for (size_t i = 0; i < g->n_remove; i++)
        TRY(accounts_leave(c, team, g->remove[i], reterr));
    return ERR_OK;
}

enum err api_group_create(struct job *c, struct err_info *reterr)
{
    struct span name = SPAN_EMPTY, id;
    struct group_in g = { 0 };
    struct meta_team taken;
    unsigned touches = 0;
    enum err e;
    bool held;

    if (!job_may(c, SPAN(ROLE_SYSTEM), PERM_MANAGE_GROUPS))
        return job_forbidden(c);
    if (!job_fresh(c, true))
        return ERR_OK;
    BODY_ONLY(&c->body, "", c->args, "name", "roles", "members");
    (void) body_name(&c->body, "", c->args, "name", BODY_REQUIRED, &name);
    TRY(read_group(c, &g, reterr));
    if (c->body.errors.n > 0)
        return job_invalid(c);
    e = meta_team_by_name(c->v, name, c->mem, &taken, reterr);
    if (e == ERR_OK)
        return job_refuse(c, 409, "already-exists", "There is a group of this name.");
    if (e != ERR_NOTFOUND)
        return e;
    TRY(people_roles_touch(c, SPAN_EMPTY, g.roles, g.n_roles, &touches, reterr));
    TRY(guard_new_team(c, name, &touches, reterr));
    TRY(guard_hold(c, touches, SPAN_EMPTY, SPAN_EMPTY, &held, reterr));
    if (held)
        return ERR_OK;
    TRY(accounts_make_group(c, name, false, &id, reterr));
    TRY(people_set_roles(c, id, g.roles, g.n_roles, reterr));
    TRY(apply_members(c, id, &g, reterr));
    (void) job_json(c, 201);
    return view_group(c, id, reterr);
}

/* Nobody would be left to administer. */
static bool loses_last_admin(const struct meta_team *t, const struct group_in *g, const struct people *people)
{
    if (!span_eq_str(t->name, "admins") || !(g->has_members || g->has_remove))
        return false;
    for (size_t i = 0; i < people->n; i++) {
        const struct who *w = &people->all[i];
        bool member = who_in_group(w, t->name, 0), stays = g->has_members ? false : member;

        for (size_t k = 0; k < g->n_members; k++)
            stays |= span_eq(g->members[k], w->id);
        for (size_t k = 0; k < g->n_add; k++)
            stays |= span_eq(g->add[k], w->id);
        for (size_t k = 0; k < g->n_remove; k++)
            stays &= !span_eq(g->remove[k], w->id);
        if (stays && !w->disabled)
            return false;
    }
    return true;
}

enum err api_group_patch(struct job *c, struct err_info *reterr)
{
    const struct people *people = job_people(c, reterr);
    struct group_in g = { 0 };
    struct meta_team t;
    unsigned touches = 0;
    struct leaf l;
    enum err e;
    bool held;

    if (people == NULL)
        return ERR_NOMEM;
    if (!job_may(c, SPAN(ROLE_SYSTEM), PERM_MANAGE_GROUPS))
        return job_forbidden(c);
    if (!job_fresh(c, true))
        return ERR_OK;
    e = meta_team_by_name(c->v, c->in->id1, c->mem, &t, reterr);
    if (e == ERR_NOTFOUND)
        return job_not_found(c);
    TRY(e);
    BODY_ONLY(&c->body, "", c->args, "roles", "members", "add", "remove");
    TRY(read_group(c, &g, reterr));
    if (g.has_roles && t.builtin != 0)
        body_bad(&c->body, "", "roles", FIELD_CONFLICT);
    if (loses_last_admin(&t, &g, people))
        body_bad(&c->body, "", g.has_members ? "members" : "remove", FIELD_CONFLICT);
    if (c->body.errors.n > 0)
        return job_invalid(c);
    if (g.has_roles)
        TRY(people_roles_touch(c, t.id, g.roles, g.n_roles, &touches, reterr));
    if (g.has_members || g.n_add > 0 || g.n_remove > 0)
        TRY(guard_team(c, t.id, &touches, reterr));
    TRY(guard_hold(c, touches, t.id, SPAN_EMPTY, &held, reterr));
    if (held)
        return ERR_OK;
    l = trail_leaf(c, LEAF_GROUP_CHANGED, SPAN_EMPTY);
    l.obj = t.id;
    trail_mark(c, &l);
    TRY(trail_write(c, &l, NULL, reterr));
    if (g.has_roles)
        TRY(people_set_roles(c, t.id, g.roles, g.n_roles, reterr));
    TRY(apply_members(c, t.id, &g, reterr));
    (void) job_json(c, 200);
    return view_group(c, t.id, reterr);
}
