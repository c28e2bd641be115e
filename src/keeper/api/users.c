/* People: list, make, change, disable. */
#include "keeper/api/people.h"
#include "keeper/pages.h"
#include "keeper/session.h"
#include "keeper/trail.h"
#include "keeper/view.h"

#define PASSWORD_MIN 8

enum err api_users_list(struct job *c, struct err_info *reterr)
{
    static const char *const states[] = { "active", "disabled" };
    struct span q = SPAN_EMPTY, state = SPAN_EMPTY;
    struct meta_account_list rows;
    struct meta_pos next;
    struct pages p;
    enum err e;

    if (!job_may(c, SPAN(ROLE_SYSTEM), PERM_MANAGE_USERS))
        return job_forbidden(c);
    PAGES_BEGIN(c, &p, "q", "state");
    (void) tree_get_str(c->query, "q", &q);
    (void) body_word(&c->body, "?", c->query, "state", BODY_OPTIONAL, states, 2);
    (void) tree_get_str(c->query, "state", &state);
    if (c->body.errors.n > 0) {
        pages_drop(&p);
        return job_invalid(c);
    }
    e = meta_accounts(c->v, q, state, &p.page, c->mem, &rows, &next, reterr);
    if (e != ERR_OK) {
        pages_drop(&p);
        return e;
    }
    (void) pages_items(c);
    for (size_t i = 0; i < rows.n && e == ERR_OK; i++)
        e = view_user(c, NULL, rows.rows[i].id, reterr);
    pages_end(c, &p, next);
    jsonw_obj_end(&c->w);
    return e;
}

static bool read_password(struct job *c, const char *name, size_t min, struct span *ret)
{
    if (!body_str(&c->body, "", c->args, name, BODY_OPTIONAL, min, PASSWORD_LEN_MAX, ret))
        return false;
    if (ret->n > PASSWORD_LEN_MAX)
        body_bad_limit(&c->body, "", name, FIELD_TOO_LONG, PASSWORD_LEN_MAX);
    return true;
}

/* An existing person, by id; or the person of another account, by its id or name. */
static enum err read_person(struct job *c, struct span *ret, struct err_info *reterr)
{
    const struct people *people = job_people(c, reterr);
    struct span s;
    const struct who *w;
    struct meta_person p;

    if (people == NULL)
        return ERR_NOMEM;
    if (!body_str(&c->body, "", c->args, "person", BODY_OPTIONAL, 1, 64, &s))
        return ERR_OK;
    w = people_by_id_or_name(people, s);
    if (w != NULL) {
        *ret = who_person(w);
        return ERR_OK;
    }
    if (id_check(s, ID_PERSON)) {
        enum err e = meta_person_get(c->v, s, c->mem, &p, reterr);

        if (e == ERR_OK)
            *ret = p.id;
        if (e != ERR_NOTFOUND)
            return e;
    }
    body_bad(&c->body, "", "person", FIELD_NOT_FOUND);
    return ERR_OK;
}

static enum err read_new(struct job *c, struct accounts_new *n, struct span *ret_password, struct err_info *reterr)
{
    static const struct accounts_role everywhere = { { (const uint8_t *) "viewer", 6 }, { (const uint8_t *) "*", 1 } };
    const struct rules *rules;
    struct accounts_role *roles;
    struct span *groups, *subjects;
    bool there;

    BODY_ONLY(&c->body, "", c->args, "name", "full_name", "password", "groups", "roles", "person", "subjects");
    (void) body_name(&c->body, "", c->args, "name", BODY_REQUIRED, &n->name);
    (void) body_str(&c->body, "", c->args, "full_name", BODY_OPTIONAL, 0, 200, &n->full_name);
    (void) read_password(c, "password", PASSWORD_MIN, ret_password);
    TRY(people_read_groups(c, c->args, "groups", &groups, &n->n_groups, &there, reterr));
    n->groups = groups;
    TRY(people_read_roles(c, c->args, "roles", &roles, &n->n_roles, &there, reterr));
    n->roles = roles;
    rules = job_rules(c, reterr);
    if (rules == NULL)
        return ERR_NOMEM;
    if (!there && (rules->policy == NULL || !rules->policy->new_user_none)) { /* left out: viewer of every project */
        n->roles = &everywhere;
        n->n_roles = 1;
    }
    people_read_texts(c, c->args, "subjects", 32, &subjects, &n->n_subjects, &there);
    n->subjects = subjects;
    return read_person(c, &n->person, reterr);
}

static enum err new_touches(struct job *c, const struct accounts_new *n, unsigned *ret, struct err_info *reterr)
{
    TRY(guard_new_user(c, n->name, ret, reterr));
    TRY(people_roles_touch(c, SPAN_EMPTY, n->roles, n->n_roles, ret, reterr));
    for (size_t i = 0; i < n->n_groups; i++)
        TRY(guard_team(c, n->groups[i], ret, reterr));
    *ret |= n->person.n > 0 ? GUARD_PERSON : 0U;
    *ret |= n->n_subjects > 0 ? GUARD_SUBJECTS : 0U;
    return ERR_OK;
}

enum err api_user_create(struct job *c, struct err_info *reterr)
{
    struct span password = SPAN_EMPTY, id;
    unsigned touches = 0;
    bool held;
    struct accounts_new n = { 0 };
    struct meta_account taken;
    enum err e;

    if (!job_may(c, SPAN(ROLE_SYSTEM), PERM_MANAGE_USERS))
        return job_forbidden(c);
    if (!job_fresh(c, true))
        return ERR_OK;
    TRY(read_new(c, &n, &password, reterr));
    if (c->body.errors.n > 0)
        return job_invalid(c);
    e = meta_account_by_name(c->v, n.name, c->mem, &taken, reterr);
    if (e == ERR_OK)
        return job_refuse(c, 409, "already-exists", "There is an account of this name.");
    if (e != ERR_NOTFOUND)
        return e;
    if (c->core->epoch == 0)
        return job_refuse(c, 503, "starting", "The vault is not there yet.");
    if (password.n > 0 && !c->cmd->password.done) {
        c->cmd->password.hash = true;
        c->cmd->password.new_password = password;
        c->step = CMD_STEP_PASSWORD;
        return ERR_OK;
    }
    if (c->cmd->password.failed)
        return job_refuse(c, 503, "overloaded", NULL);
    TRY(new_touches(c, &n, &touches, reterr));
    TRY(guard_hold(c, touches, SPAN_EMPTY, SPAN_EMPTY, &held, reterr));
    if (held)
        return ERR_OK;
    n.password = span_str(c->cmd->password.hashed);
    TRY(accounts_make(c, &n, &id, reterr));
    (void) job_json(c, 201);
    return view_user(c, NULL, id, reterr);
}

/* ---- changing ---- */

struct patch {
    struct meta_account a;
    struct span full_name, password, current, person;
    bool has_full_name, has_password, has_groups, has_roles, has_subjects, has_disabled, disabled;
    struct span *groups, *subjects;
    struct accounts_role *roles;
    size_t n_groups, n_roles, n_subjects;
};

static enum err read_patch(struct job *c, struct patch *p, struct err_info *reterr)
{
    BODY_ONLY(&c->body, "", c->args, "full_name", "disabled", "password", "current_password", "groups", "roles",
              "person", "subjects");
    p->has_full_name = body_str(&c->body, "", c->args, "full_name", BODY_OPTIONAL, 0, 200, &p->full_name);
    p->has_disabled = body_bool(&c->body, "", c->args, "disabled", &p->disabled);
    p->has_password = read_password(c, "password", PASSWORD_MIN, &p->password);
    (void) read_password(c, "current_password", 0, &p->current);
    TRY(people_read_groups(c, c->args, "groups", &p->groups, &p->n_groups, &p->has_groups, reterr));
    TRY(people_read_roles(c, c->args, "roles", &p->roles, &p->n_roles, &p->has_roles, reterr));
    people_read_texts(c, c->args, "subjects", 32, &p->subjects, &p->n_subjects, &p->has_subjects);
    return read_person(c, &p->person, reterr);
}

static enum err set_groups(struct job *c, const struct patch *p, struct err_info *reterr)
{
    struct meta_member_list now;

    TRY(meta_memberships(c->v, p->a.id, c->mem, &now, reterr));
    for (size_t i = 0; i < now.n; i++) {
        bool stays = false;

        for (size_t k = 0; k < p->n_groups; k++)
            stays |= span_eq(p->groups[k], now.rows[i].team);
        if (!stays)
            TRY(accounts_leave(c, now.rows[i].team, p->a.id, reterr));
    }
    for (size_t i = 0; i < p->n_groups; i++)
        TRY(accounts_join(c, p->groups[i], p->a.id, reterr));
    return ERR_OK;
}

static enum err changed_record(struct job *c, const struct patch *p, struct err_info *reterr)
{
    struct leaf l = trail_leaf(c, LEAF_USER_CHANGED, SPAN_EMPTY);

    l.obj = p->a.id;
    trail_mark(c, &l);
    if (p->has_password)
        (void) leaf_add_number(&l, "password", 1);
    if (p->has_subjects)
        (void) leaf_add_number(&l, "subjects", (int64_t) p->n_subjects);
    if (p->person.n > 0)
        (void) leaf_add_number(&l, "person", 1);
    trail_fact(c, &l, "full_name", p->full_name, p->a.person);
    return trail_write(c, &l, NULL, reterr);
}

static enum err apply(struct job *c, struct patch *p, struct err_info *reterr)
{
    bool was_disabled = span_eq_str(p->a.state, "disabled");

    if (p->has_full_name)
        p->a.full_name = p->full_name;
    if (p->person.n > 0)
        p->a.person = p->person;
    if (p->person.n > 0 || p->has_subjects)
        p->a.credential_changed_ms = c->now.real;
    if (p->has_password) {
        p->a.password = span_str(c->cmd->password.hashed);
        p->a.credential_changed_ms = c->now.real;
    }
    p->a.version++;
    if (p->has_subjects)
        TRY(meta_account_subjects_put(c->m, p->a.id, p->subjects, p->n_subjects, reterr));
    TRY(changed_record(c, p, reterr));
    if (p->has_disabled && p->disabled && !was_disabled)
        TRY(accounts_disable(c, &p->a, reterr));
    if (p->has_disabled && !p->disabled && was_disabled) {
        struct leaf l = trail_leaf(c, LEAF_USER_ENABLED, SPAN_EMPTY);

        l.obj = p->a.id;
        p->a.state = SPAN("active");
        p->a.disabled_ms = 0;
        TRY(guard_begin_anew(c, reterr));
        TRY(trail_write(c, &l, NULL, reterr));
    }
    TRY(meta_account_put(c->m, &p->a, reterr));
    if (p->has_groups)
        TRY(set_groups(c, p, reterr));
    if (p->has_roles)
        TRY(people_set_roles(c, p->a.id, p->roles, p->n_roles, reterr));
    /* Whoever knew the old password is out; the sign-in that changed it stays. */
    if (p->has_password)
        TRY(accounts_end_sign_ins(c, p->a.id, c->token.id, "password-changed", reterr));
    return people_raise(c->m, reterr);
}

static bool keeps_an_admin(struct job *c, const struct patch *p, const struct people *people)
{
    const struct who *w = people_by_id(people, p->a.id);
    bool admin = w != NULL && (role_in(w->roles, w->n_roles, SPAN(ROLE_SYSTEM), 0) & ROLE_BIT(ROLE_ADMIN)) != 0;

    if (!admin || !(p->disabled || p->has_groups || p->has_roles) || people_other_admin(people, p->a.id))
        return true;
    if (p->disabled)
        body_bad(&c->body, "", "disabled", FIELD_CONFLICT);
    else if (p->has_groups) {
        for (size_t i = 0; i < p->n_groups; i++) {
            struct meta_team t;

            if (meta_team_get(c->v, p->groups[i], c->mem, &t, NULL) == ERR_OK && span_eq_str(t.name, "admins"))
                return true;
        }
        body_bad(&c->body, "", "groups", FIELD_CONFLICT);
    }
    return c->body.errors.n == 0;
}

/* One's own password needs the present one; an administrator sets anybody's. False: a slow step or an answer is due. */
static bool password_done(struct job *c, const struct patch *p, bool own)
{
    struct cmd_password *w = &c->cmd->password;

    if (!p->has_password)
        return true;
    if (!w->done) {
        w->verify = own;
        w->nobody = own && !span_to_str(p->a.password, w->stored, sizeof(w->stored));
        w->password = p->current;
        w->hash = true;
        w->new_password = p->password;
        c->step = CMD_STEP_PASSWORD;
        return false;
    }
    if (!w->ok) {
        throttle_failed(c->core->throttle, THROTTLE_ACCOUNT, p->a.name, c->now.boot);
        (void) job_refuse(c, 401, "login-failed", "The present password is wrong.");
        return false;
    }
    if (w->failed)
        (void) job_refuse(c, 503, "overloaded", NULL);
    return !w->failed;
}

static bool same_subjects(const struct patch *p, const struct span *now, size_t n)
{
    for (size_t i = 0; i < p->n_subjects && p->n_subjects == n; i++) {
        bool there = false;

        for (size_t k = 0; k < n; k++)
            there |= span_eq(p->subjects[i], now[k]);
        if (!there)
            return false;
    }
    return p->n_subjects == n;
}

static enum err groups_touch(struct job *c, const struct patch *p, unsigned *ret, struct err_info *reterr)
{
    struct meta_member_list now;

    TRY(meta_memberships(c->v, p->a.id, c->mem, &now, reterr));
    for (size_t i = 0; i < now.n + p->n_groups; i++) {
        struct span team = i < now.n ? now.rows[i].team : p->groups[i - now.n];
        bool before = i < now.n, after = i >= now.n;

        for (size_t k = 0; k < p->n_groups; k++)
            after |= span_eq(p->groups[k], team);
        for (size_t k = 0; k < now.n; k++)
            before |= span_eq(now.rows[k].team, team);
        if (before != after)
            TRY(guard_team(c, team, ret, reterr));
    }
    return ERR_OK;
}

static enum err patch_touches(struct job *c, const struct patch *p, const struct who *w, bool own, unsigned *ret,
                              struct err_info *reterr)
{
    struct span *subjects;
    size_t n;
    bool rests;

    if (p->has_groups)
        TRY(groups_touch(c, p, ret, reterr));
    if (p->has_roles)
        TRY(people_roles_touch(c, w->id, p->roles, p->n_roles, ret, reterr));
    if (p->person.n > 0 && !span_eq(p->person, p->a.person))
        *ret |= GUARD_PERSON;
    TRY(meta_account_subjects(c->v, w->id, c->mem, &subjects, &n, reterr));
    if (p->has_subjects && !same_subjects(p, subjects, n))
        *ret |= GUARD_SUBJECTS;
    if (!p->has_password || own)
        return ERR_OK;
    TRY(guard_rests_on(c, w, &rests, reterr));
    *ret |= rests ? GUARD_CREDENTIALS : 0U;
    return ERR_OK;
}

/* The rest may have to wait; who is to be locked out is locked out now. */
static enum err disable_now(struct job *c, struct patch *p, struct err_info *reterr)
{
    if (!p->has_disabled || !p->disabled || span_eq_str(p->a.state, "disabled"))
        return ERR_OK;
    p->a.version++;
    TRY(accounts_disable(c, &p->a, reterr));
    return meta_account_put(c->m, &p->a, reterr);
}

enum err api_user_patch(struct job *c, struct err_info *reterr)
{
    const struct people *people = job_people(c, reterr);
    unsigned touches = 0;
    bool held;
    bool admin = job_may(c, SPAN(ROLE_SYSTEM), PERM_MANAGE_USERS), own;
    struct patch p = { 0 };
    const struct who *w;

    if (people == NULL)
        return ERR_NOMEM;
    w = people_by_id_or_name(people, c->in->id1);
    own = w != NULL && span_eq(w->id, c->me->id);
    if (!admin && !own)
        return job_not_found(c);
    if (w == NULL)
        return job_not_found(c);
    TRY(meta_account_get(c->v, w->id, c->mem, &p.a, reterr));
    TRY(read_patch(c, &p, reterr));
    if (c->body.errors.n > 0)
        return job_invalid(c);
    if (!admin && (p.has_disabled || p.has_groups || p.has_roles || p.has_subjects || p.person.n > 0))
        return job_forbidden(c);
    if (admin && (!own || p.has_disabled || p.has_groups || p.has_roles || p.has_subjects || p.person.n > 0) && !job_fresh(c, true))
        return ERR_OK;
    if (!keeps_an_admin(c, &p, people))
        return job_invalid(c);
    if (own && p.has_password && throttle_wait_ms(c->core->throttle, THROTTLE_ACCOUNT, p.a.name, c->now.boot) > 0)
        return job_refuse(c, 429, "login-throttled", NULL);
    if (!password_done(c, &p, own))
        return ERR_OK;
    TRY(patch_touches(c, &p, w, own, &touches, reterr));
    TRY(guard_hold(c, touches, p.a.id, SPAN_EMPTY, &held, reterr));
    if (held)
        return disable_now(c, &p, reterr);
    TRY(apply(c, &p, reterr));
    (void) job_json(c, 200);
    return view_user(c, NULL, p.a.id, reterr);
}
