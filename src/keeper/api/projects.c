/* Projects: list, make, change name, environment, members, origins of pages that record. */
#include <stdio.h>

#include "keeper/api/people.h"
#include "keeper/origins.h"
#include "keeper/pages.h"
#include "keeper/trail.h"
#include "keeper/view.h"

enum err api_projects_list(struct job *c, struct err_info *reterr)
{
    struct meta_project_list rows;
    struct meta_pos next = { 0 };
    struct pages p;
    uint32_t shown = 0;
    int64_t last = 0;
    enum err e;

    pages_begin(c, &p, PAGES_LIMIT, PAGES_LIMIT_MAX, NULL, 0);
    if (c->body.errors.n > 0) {
        pages_drop(&p);
        return job_invalid(c);
    }
    e = meta_projects(c->v, c->mem, &rows, reterr);
    if (e != ERR_OK) {
        pages_drop(&p);
        return e;
    }
    (void) pages_items(c);
    for (size_t i = 0; i < rows.n && e == ERR_OK; i++) {
        if (p.page.after.seq != 0 && rows.rows[i].seq >= p.page.after.seq)
            continue;
        if (job_roles(c, rows.rows[i].id) == 0) /* admin is a role in every one */
            continue;
        if (shown == p.page.limit) {
            next.seq = last;
            break;
        }
        e = view_project(c, rows.rows[i].id, reterr);
        last = rows.rows[i].seq;
        shown++;
    }
    pages_end(c, &p, next);
    jsonw_obj_end(&c->w);
    return e;
}

/* ---- members: [{user | group, role}] ---- */

struct member {
    struct span who, role;
};

static enum err read_member(struct job *c, const char *at, struct tree item, struct member *ret, struct err_info *reterr)
{
    const struct people *people = job_people(c, reterr);
    struct span user = SPAN_EMPTY, group = SPAN_EMPTY;
    bool by_user = tree_get_str(item, "user", &user), by_group = tree_get_str(item, "group", &group);
    const struct who *w;
    struct meta_team t;
    enum role role;
    enum err e;

    if (people == NULL)
        return ERR_NOMEM;
    if (!tree_get_str(item, "role", &ret->role) || !role_parse(ret->role, &role) || role == ROLE_ADMIN)
        body_bad(&c->body, at, "role", FIELD_NOT_ONE_OF);
    if (by_user == by_group) {
        body_bad(&c->body, at, "user", by_user ? FIELD_CONFLICT : FIELD_MISSING);
        return ERR_OK;
    }
    if (by_user) {
        w = people_by_id_or_name(people, user);
        if (w == NULL)
            body_bad(&c->body, at, "user", FIELD_NOT_FOUND);
        else
            ret->who = w->id;
        return ERR_OK;
    }
    e = meta_team_by_name(c->v, group, c->mem, &t, reterr);
    if (e == ERR_NOTFOUND)
        body_bad(&c->body, at, "group", FIELD_NOT_FOUND);
    else if (e == ERR_OK)
        ret->who = t.id;
    return e == ERR_NOTFOUND ? ERR_OK : e;
}

static enum err read_members(struct job *c, const char *name, struct member **ret, size_t *ret_n, bool *ret_there,
                             struct err_info *reterr)
{
    char at[48];
    struct tree list, child;

    *ret_n = 0;
    *ret_there = body_arr(&c->body, "", c->args, name, BODY_OPTIONAL, 0, 1000, &list);
    if (!*ret_there)
        return ERR_OK;
    *ret = arena_alloc(c->mem, (tree_count(list) + 1) * sizeof(**ret));
    if (*ret == NULL)
        return ERR_RAISE(reterr, ERR_NOMEM, "members");
    for (struct span it = list.payload; tree_next(&it, &child); (*ret_n)++) {
        (void) snprintf(at, sizeof(at), "/%s/%zu", name, *ret_n);
        TRY(read_member(c, at, child, &(*ret)[*ret_n], reterr));
    }
    return ERR_OK;
}

static enum err take_all(struct job *c, struct span who, struct span project, const struct member *keep, size_t n,
                         struct err_info *reterr)
{
    struct meta_role_list roles;

    TRY(meta_roles_given(c->v, who, c->mem, &roles, reterr));
    for (size_t i = 0; i < roles.n; i++) {
        bool stays = !span_eq(roles.rows[i].project, project);

        for (size_t k = 0; k < n; k++)
            stays |= span_eq(keep[k].who, who) && span_eq(keep[k].role, roles.rows[i].role);
        if (!stays)
            TRY(accounts_take(c, who, roles.rows[i].role, project, reterr));
    }
    return ERR_OK;
}

static enum err replace_members(struct job *c, struct span project, const struct member *m, size_t n,
                                struct err_info *reterr)
{
    const struct people *people = job_people(c, reterr);
    struct meta_team_list teams;

    if (people == NULL)
        return ERR_NOMEM;
    TRY(meta_teams(c->v, c->mem, &teams, reterr));
    for (size_t i = 0; i < people->n; i++)
        TRY(take_all(c, people->all[i].id, project, m, n, reterr));
    for (size_t i = 0; i < teams.n; i++)
        TRY(take_all(c, teams.rows[i].id, project, m, n, reterr));
    for (size_t i = 0; i < n; i++)
        TRY(accounts_give(c, m[i].who, m[i].role, project, reterr));
    return ERR_OK;
}

static void check_env(struct job *c, struct span env)
{
    for (size_t i = 0; i < c->core->cfg.n_envs; i++) {
        if (span_eq_str(env, c->core->cfg.envs[i]))
            return;
    }
    body_bad(&c->body, "", "env", FIELD_NOT_ONE_OF);
}

static enum err name_taken(struct job *c, struct span name, struct span but, bool *ret, struct err_info *reterr)
{
    struct meta_project p;
    enum err e = meta_project_by_name(c->v, name, c->mem, &p, reterr);

    *ret = e == ERR_OK && !span_eq(p.id, but);
    return e == ERR_NOTFOUND ? ERR_OK : e;
}

static enum err members_touch(struct job *c, const struct member *m, size_t n, unsigned *io, struct err_info *reterr)
{
    for (size_t i = 0; i < n; i++)
        TRY(guard_role(c, m[i].role, io, reterr));
    return ERR_OK;
}

static enum err put_origins(struct job *c, struct span id, struct span origins, struct err_info *reterr)
{
    struct meta_project row;

    TRY(meta_project_get(c->v, id, c->mem, &row, reterr));
    row.origins = origins;
    TRY(meta_project_put(c->m, &row, reterr));
    return origins_push(c, id, origins, reterr);
}

enum err api_project_create(struct job *c, struct err_info *reterr)
{
    struct span name = SPAN_EMPTY, env = span_str(c->core->cfg.envs[0]), origins = SPAN_EMPTY, id;
    struct member *members;
    bool there, has_origins, taken, held;
    unsigned touches = 0;
    size_t n;

    if (!job_may(c, SPAN(ROLE_SYSTEM), PERM_MANAGE_PROJECTS))
        return job_forbidden(c);
    if (!job_fresh(c, true))
        return ERR_OK;
    BODY_ONLY(&c->body, "", c->args, "name", "env", "members", "origins");
    (void) body_name(&c->body, "", c->args, "name", BODY_REQUIRED, &name);
    if (body_str(&c->body, "", c->args, "env", BODY_OPTIONAL, 1, 64, &env))
        check_env(c, env);
    TRY(read_members(c, "members", &members, &n, &there, reterr));
    TRY(origins_read(c, &origins, &has_origins, reterr));
    if (c->body.errors.n > 0)
        return job_invalid(c);
    TRY(name_taken(c, name, SPAN_EMPTY, &taken, reterr));
    if (taken)
        return job_refuse(c, 409, "already-exists", "There is a project of this name.");
    TRY(members_touch(c, members, n, &touches, reterr));
    TRY(guard_project_name(c, name, &touches, reterr));
    TRY(guard_hold(c, touches, SPAN_EMPTY, SPAN_EMPTY, &held, reterr));
    if (held)
        return ERR_OK;
    TRY(accounts_make_project(c, name, env, &id, reterr));
    for (size_t i = 0; i < n; i++)
        TRY(accounts_give(c, members[i].who, members[i].role, id, reterr));
    if (origins.n > 0)
        TRY(put_origins(c, id, origins, reterr));
    (void) job_json(c, 201);
    return view_project(c, id, reterr);
}

struct project_in {
    struct span name, env, origins;
    struct member *members, *add, *remove;
    size_t n_members, n_add, n_remove;
    bool has_name, has_env, has_members, has_add, has_remove, has_origins;
};

static enum err read_patch(struct job *c, struct project_in *p, struct err_info *reterr)
{
    BODY_ONLY(&c->body, "", c->args, "name", "env", "members", "add", "remove", "origins");
    p->has_name = body_name(&c->body, "", c->args, "name", BODY_OPTIONAL, &p->name);
    p->has_env = body_str(&c->body, "", c->args, "env", BODY_OPTIONAL, 1, 64, &p->env);
    if (p->has_env)
        check_env(c, p->env);
    TRY(origins_read(c, &p->origins, &p->has_origins, reterr));
    TRY(read_members(c, "members", &p->members, &p->n_members, &p->has_members, reterr));
    TRY(read_members(c, "add", &p->add, &p->n_add, &p->has_add, reterr));
    return read_members(c, "remove", &p->remove, &p->n_remove, &p->has_remove, reterr);
}

static enum err apply(struct job *c, struct meta_project *row, const struct project_in *p, struct err_info *reterr)
{
    struct leaf l = trail_leaf(c, LEAF_PROJECT_CHANGED, trail_log(c, row->id));

    if (p->has_name)
        row->name = p->name;
    if (p->has_env)
        row->env = p->env;
    if (p->has_origins)
        row->origins = p->origins;
    row->version++;
    TRY(meta_project_put(c->m, row, reterr));
    l.obj = row->id;
    trail_mark(c, &l);
    trail_fact(c, &l, "name", p->name, SPAN_EMPTY);
    if (p->has_origins)
        trail_fact(c, &l, "origins", p->origins, SPAN_EMPTY);
    TRY(trail_write(c, &l, NULL, reterr));
    if (p->has_origins)
        TRY(origins_push(c, row->id, row->origins, reterr));
    if (p->has_members)
        TRY(replace_members(c, row->id, p->members, p->n_members, reterr));
    for (size_t i = 0; i < p->n_add; i++)
        TRY(accounts_give(c, p->add[i].who, p->add[i].role, row->id, reterr));
    for (size_t i = 0; i < p->n_remove; i++)
        TRY(accounts_take(c, p->remove[i].who, p->remove[i].role, row->id, reterr));
    return ERR_OK;
}

static enum err patch_touches(struct job *c, const struct meta_project *row, const struct project_in *p, unsigned *io,
                              struct err_info *reterr)
{
    TRY(members_touch(c, p->add, p->n_add, io, reterr));
    TRY(members_touch(c, p->remove, p->n_remove, io, reterr));
    if (p->has_members) {
        TRY(members_touch(c, p->members, p->n_members, io, reterr));
        *io |= GUARD_ROLES; /* whoever is not listed loses what he had */
    }
    if (!p->has_name || span_eq(p->name, row->name))
        return ERR_OK;
    TRY(guard_project_name(c, row->name, io, reterr));
    return guard_project_name(c, p->name, io, reterr);
}

enum err api_project_patch(struct job *c, struct err_info *reterr)
{
    struct project_in in = { 0 };
    struct meta_project row;
    bool taken = false, held;
    unsigned touches = 0;
    enum err e = accounts_project(c, c->in->id1, &row, reterr);

    if (e == ERR_NOTFOUND || (e == ERR_OK && job_roles(c, row.id) == 0))
        return job_not_found(c);
    TRY(e);
    c->log = row.id;
    if (!job_may(c, row.id, PERM_MANAGE_MEMBERS))
        return job_forbidden(c);
    if (!job_fresh(c, true))
        return ERR_OK;
    TRY(read_patch(c, &in, reterr));
    if (c->body.errors.n > 0)
        return job_invalid(c);
    if (in.has_name)
        TRY(name_taken(c, in.name, row.id, &taken, reterr));
    if (taken)
        return job_refuse(c, 409, "already-exists", "There is a project of this name.");
    TRY(patch_touches(c, &row, &in, &touches, reterr));
    TRY(guard_hold(c, touches, row.id, SPAN_EMPTY, &held, reterr));
    if (held)
        return ERR_OK;
    TRY(apply(c, &row, &in, reterr));
    (void) job_json(c, 200);
    return view_project(c, row.id, reterr);
}
