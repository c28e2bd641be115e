#include "keeper/people.h"

#include <stdlib.h>

#include "base/map.h"
#include "crypto/random.h"
#include "meta/people.h"

#define GENERATION    "people.generation"
#define PEOPLE_MEMORY (256U << 20)

struct people *people_free(struct people *p)
{
    while (p != NULL) {
        struct people *older = p->older;

        arena_deinit(&p->mem);
        free(p);
        p = older;
    }
    return NULL;
}

void people_trim(struct people *p)
{
    if (p != NULL)
        p->older = people_free(p->older);
}

enum err people_raise(struct meta *m, struct err_info *reterr)
{
    int64_t n = 0;
    enum err e = meta_setting_get(meta_view(m), GENERATION, NULL, &n, NULL, reterr);

    if (e != ERR_OK && e != ERR_NOTFOUND)
        return e;
    return meta_setting_put(m, GENERATION, n + 1, SPAN_EMPTY, reterr);
}

static time_ms since_of_team(const struct meta_member_list *teams, struct span team)
{
    for (size_t i = 0; i < teams->n; i++) {
        if (span_eq(teams->rows[i].team, team))
            return teams->rows[i].since_ms;
    }
    return 0;
}

static enum err load_roles(struct meta_view *v, struct people *p, const struct meta_member_list *teams, struct who *w,
                           struct err_info *reterr)
{
    struct meta_role_list roles;
    struct role_held *held;
    size_t n = 0;

    TRY(meta_roles_of(v, w->id, &p->mem, &roles, reterr));
    held = arena_alloc(&p->mem, (roles.n + 1) * sizeof(*held));
    if (held == NULL)
        return ERR_RAISE(reterr, ERR_NOMEM, "too many roles");
    for (size_t i = 0; i < roles.n; i++) {
        const struct meta_role *r = &roles.rows[i];
        time_ms joined = span_eq(r->who, w->id) ? 0 : since_of_team(teams, r->who);

        if (!role_parse(r->role, &held[n].role))
            continue;
        held[n].project = r->project;
        held[n].since = r->since_ms > joined ? r->since_ms : joined;
        n++;
    }
    w->roles = held;
    w->n_roles = n;
    return ERR_OK;
}

static enum err load_groups(struct meta_view *v, struct people *p, const struct meta_member_list *in, struct who *w,
                            struct err_info *reterr)
{
    struct who_group *groups = arena_alloc(&p->mem, (in->n + 1) * sizeof(*groups));

    if (groups == NULL)
        return ERR_RAISE(reterr, ERR_NOMEM, "too many groups");
    for (size_t i = 0; i < in->n; i++) {
        struct meta_team t;

        TRY(meta_team_get(v, in->rows[i].team, &p->mem, &t, reterr));
        groups[i] = (struct who_group){ .name = t.name, .since = in->rows[i].since_ms };
    }
    w->groups = groups;
    w->n_groups = in->n;
    return ERR_OK;
}

static enum err load_one(struct meta_view *v, struct people *p, const struct meta_account *row, struct who *w,
                         struct err_info *reterr)
{
    struct meta_member_list teams;
    struct span *subjects;

    *w = (struct who){ .id = row->id, .name = row->name, .person = row->person, .since = row->created_ms,
                       .disabled = !span_eq_str(row->state, "active") };
    w->changed = row->groups_changed_ms > row->credential_changed_ms ? row->groups_changed_ms : row->credential_changed_ms;
    TRY(meta_memberships(v, row->id, &p->mem, &teams, reterr));
    TRY(load_roles(v, p, &teams, w, reterr));
    TRY(load_groups(v, p, &teams, w, reterr));
    TRY(meta_account_subjects(v, row->id, &p->mem, &subjects, &w->n_subjects, reterr));
    w->subjects = subjects;
    return ERR_OK;
}

/* Accounts of one human share their subjects: a second account hides nothing. */
static enum err join_subjects(struct people *p, struct err_info *reterr)
{
    struct map by_person;
    uint8_t secret[16];
    enum err e = ERR_OK;

    random_fill(secret, sizeof(secret));
    map_init(&by_person, secret, p->n + 1);
    for (size_t i = 0; i < p->n && e == ERR_OK; i++) {
        struct who *first = map_get(&by_person, who_person(&p->all[i]));
        struct span *both;

        if (first == NULL) {
            if (!map_put(&by_person, who_person(&p->all[i]), &p->all[i], NULL))
                e = ERR_RAISE(reterr, ERR_NOMEM, "too many people");
            continue;
        }
        both = arena_alloc(&p->mem, (first->n_subjects + p->all[i].n_subjects + 1) * sizeof(*both));
        if (both == NULL) {
            e = ERR_RAISE(reterr, ERR_NOMEM, "too many subjects");
            break;
        }
        if (first->n_subjects > 0)
            memcpy(both, first->subjects, first->n_subjects * sizeof(*both));
        if (p->all[i].n_subjects > 0)
            memcpy(both + first->n_subjects, p->all[i].subjects, p->all[i].n_subjects * sizeof(*both));
        first->subjects = both;
        first->n_subjects += p->all[i].n_subjects;
    }
    for (size_t i = 0; i < p->n && e == ERR_OK; i++) {
        const struct who *first = map_get(&by_person, who_person(&p->all[i]));

        p->all[i].subjects = first->subjects;
        p->all[i].n_subjects = first->n_subjects;
    }
    map_deinit(&by_person);
    return e;
}

static enum err load(struct meta_view *v, int64_t generation, struct people *p, struct err_info *reterr)
{
    struct meta_account_list rows;
    struct span *names;

    TRY(meta_accounts_all(v, &p->mem, &rows, reterr));
    p->all = arena_alloc(&p->mem, (rows.n + 1) * sizeof(*p->all));
    names = arena_alloc(&p->mem, (rows.n + 1) * sizeof(*names));
    if (p->all == NULL || names == NULL)
        return ERR_RAISE(reterr, ERR_NOMEM, "too many people");
    for (size_t i = 0; i < rows.n; i++) {
        TRY(load_one(v, p, &rows.rows[i], &p->all[i], reterr));
        names[i] = rows.rows[i].full_name;
    }
    p->full_names = names;
    p->n = rows.n;
    p->generation = generation;
    return join_subjects(p, reterr);
}

enum err people_get(struct meta_view *v, struct people **io_people, struct err_info *reterr)
{
    int64_t generation = 0;
    enum err e = meta_setting_get(v, GENERATION, NULL, &generation, NULL, reterr);
    struct people *p;

    if (e != ERR_OK && e != ERR_NOTFOUND)
        return e;
    if (*io_people != NULL && (*io_people)->generation == generation)
        return ERR_OK;
    p = calloc(1, sizeof(*p));
    if (p == NULL)
        return ERR_RAISE(reterr, ERR_NOMEM, "people");
    arena_init(&p->mem, PEOPLE_MEMORY);
    e = load(v, generation, p, reterr);
    if (e != ERR_OK) {
        people_free(p);
        return e;
    }
    p->older = *io_people;
    *io_people = p;
    return ERR_OK;
}

const struct who *people_by_id(const struct people *p, struct span id)
{
    for (size_t i = 0; i < p->n; i++) {
        if (span_eq(p->all[i].id, id))
            return &p->all[i];
    }
    return NULL;
}

const struct who *people_by_name(const struct people *p, struct span name)
{
    for (size_t i = 0; i < p->n; i++) {
        if (span_eq(p->all[i].name, name))
            return &p->all[i];
    }
    return NULL;
}

const struct who *people_by_id_or_name(const struct people *p, struct span id_or_name)
{
    const struct who *w = people_by_id(p, id_or_name);

    return w != NULL ? w : people_by_name(p, id_or_name);
}

struct span people_full_name(const struct people *p, const struct who *w)
{
    return p->full_names[w - p->all];
}
