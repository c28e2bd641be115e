#include "keeper/api/people.h"

#include <stdio.h>

static void bad_item(struct job *c, const char *name, size_t i, enum field_code code)
{
    char at[96];

    (void) snprintf(at, sizeof(at), "/%s/%zu", name, i);
    body_bad(&c->body, at, "", code);
}

static bool list_of(struct job *c, struct tree args, const char *name, size_t max, struct tree *ret, size_t *ret_n)
{
    if (!body_arr(&c->body, "", args, name, BODY_OPTIONAL, 0, max, ret))
        return false;
    *ret_n = tree_count(*ret);
    return true;
}

void people_read_texts(struct job *c, struct tree args, const char *name, size_t max, struct span **ret, size_t *ret_n,
                       bool *ret_there)
{
    struct tree list, child;
    size_t n, i = 0;

    *ret_n = 0;
    *ret_there = list_of(c, args, name, max, &list, &n);
    if (!*ret_there)
        return;
    *ret = arena_alloc(c->mem, (n + 1) * sizeof(**ret));
    for (struct span at = list.payload; *ret != NULL && tree_next(&at, &child); i++) {
        if (child.tag != TREE_STR || child.payload.n == 0 || child.payload.n > 800)
            bad_item(c, name, i, child.tag == TREE_STR ? FIELD_TOO_LONG : FIELD_TYPE);
        else
            (*ret)[(*ret_n)++] = child.payload;
    }
}

enum err people_read_groups(struct job *c, struct tree args, const char *name, struct span **ret, size_t *ret_n,
                            bool *ret_there, struct err_info *reterr)
{
    people_read_texts(c, args, name, 100, ret, ret_n, ret_there);
    for (size_t i = 0; i < *ret_n; i++) {
        struct meta_team t;
        enum err e = meta_team_by_name(c->v, (*ret)[i], c->mem, &t, reterr);

        if (e != ERR_OK && e != ERR_NOTFOUND)
            return e;
        if (e == ERR_NOTFOUND)
            bad_item(c, name, i, FIELD_NOT_FOUND);
        else
            (*ret)[i] = t.id;
    }
    return ERR_OK;
}

enum err people_read_accounts(struct job *c, struct tree args, const char *name, struct span **ret, size_t *ret_n,
                              bool *ret_there, struct err_info *reterr)
{
    const struct people *people = job_people(c, reterr);

    if (people == NULL)
        return ERR_NOMEM;
    people_read_texts(c, args, name, 1000, ret, ret_n, ret_there);
    for (size_t i = 0; i < *ret_n; i++) {
        const struct who *w = people_by_id_or_name(people, (*ret)[i]);

        if (w == NULL)
            bad_item(c, name, i, FIELD_NOT_FOUND);
        else
            (*ret)[i] = w->id;
    }
    return ERR_OK;
}

static enum err read_role(struct job *c, const char *name, size_t i, struct tree item, struct accounts_role *ret,
                          struct err_info *reterr)
{
    struct span role = SPAN_EMPTY, project = SPAN(ROLE_ANY_PROJECT);
    struct meta_project p;
    enum role which;
    enum err e;

    (void) tree_get_str(item, "project", &project);
    if (!tree_get_str(item, "role", &role) || !role_parse(role, &which)) {
        bad_item(c, name, i, FIELD_NOT_ONE_OF);
        return ERR_OK;
    }
    *ret = (struct accounts_role){ .role = role, .project = project };
    if (span_eq_str(project, ROLE_ANY_PROJECT) || span_eq_str(project, ROLE_SYSTEM))
        return ERR_OK;
    if (which == ROLE_ADMIN) { /* system-wide only */
        bad_item(c, name, i, FIELD_CONFLICT);
        return ERR_OK;
    }
    e = accounts_project(c, project, &p, reterr);
    if (e == ERR_NOTFOUND) {
        bad_item(c, name, i, FIELD_NOT_FOUND);
        return ERR_OK;
    }
    ret->project = p.id;
    return e;
}

enum err people_read_roles(struct job *c, struct tree args, const char *name, struct accounts_role **ret, size_t *ret_n,
                           bool *ret_there, struct err_info *reterr)
{
    struct tree list, child;
    size_t n;

    *ret_n = 0;
    *ret_there = list_of(c, args, name, 200, &list, &n);
    if (!*ret_there)
        return ERR_OK;
    *ret = arena_alloc(c->mem, (n + 1) * sizeof(**ret));
    if (*ret == NULL)
        return ERR_RAISE(reterr, ERR_NOMEM, "roles");
    for (struct span at = list.payload; tree_next(&at, &child); (*ret_n)++)
        TRY(read_role(c, name, *ret_n, child, &(*ret)[*ret_n], reterr));
    return ERR_OK;
}

static bool listed(const struct accounts_role *roles, size_t n, const struct meta_role *r)
{
    for (size_t i = 0; i < n; i++) {
        if (span_eq(roles[i].role, r->role) && span_eq(roles[i].project, r->project))
            return true;
    }
    return false;
}

enum err people_set_roles(struct job *c, struct span who, const struct accounts_role *roles, size_t n,
                          struct err_info *reterr)
{
    struct meta_role_list now;

    TRY(meta_roles_given(c->v, who, c->mem, &now, reterr));
    for (size_t i = 0; i < now.n; i++) {
        if (!listed(roles, n, &now.rows[i]))
            TRY(accounts_take(c, who, now.rows[i].role, now.rows[i].project, reterr));
    }
    for (size_t i = 0; i < n; i++)
        TRY(accounts_give(c, who, roles[i].role, roles[i].project, reterr));
    return ERR_OK;
}

enum err people_roles_touch(struct job *c, struct span who, const struct accounts_role *roles, size_t n,
                            unsigned *io_touches, struct err_info *reterr)
{
    struct meta_role_list now = { 0 };

    if (who.n > 0)
        TRY(meta_roles_given(c->v, who, c->mem, &now, reterr));
    for (size_t i = 0; i < now.n; i++) {
        if (!listed(roles, n, &now.rows[i]))
            TRY(guard_role(c, now.rows[i].role, io_touches, reterr));
    }
    for (size_t i = 0; i < n; i++) {
        bool has = false;

        for (size_t k = 0; k < now.n; k++)
            has |= span_eq(now.rows[k].role, roles[i].role) && span_eq(now.rows[k].project, roles[i].project);
        if (!has)
            TRY(guard_role(c, roles[i].role, io_touches, reterr));
    }
    return ERR_OK;
}

bool people_other_admin(const struct people *people, struct span but)
{
    for (size_t i = 0; i < people->n; i++) {
        const struct who *w = &people->all[i];

        if (!w->disabled && !span_eq(w->id, but) &&
            (role_in(w->roles, w->n_roles, SPAN(ROLE_SYSTEM), 0) & ROLE_BIT(ROLE_ADMIN)) != 0)
            return true;
    }
    return false;
}
