#include "keeper/accounts.h"

#include "keeper/life.h"
#include "keeper/notice.h"
#include "keeper/persons.h"
#include "keeper/session.h"
#include "keeper/trail.h"

enum err accounts_project(struct job *c, struct span id_or_name, struct meta_project *ret, struct err_info *reterr)
{
    return id_check(id_or_name, ID_PROJECT) ? meta_project_get(c->v, id_or_name, c->mem, ret, reterr)
                                            : meta_project_by_name(c->v, id_or_name, c->mem, ret, reterr);
}

/* ---- records: ids in clear, names as facts ---- */

static struct leaf change(struct job *c, enum leaf_type type, struct span log, struct span obj)
{
    struct leaf l = trail_leaf(c, type, log);

    l.obj = obj;
    trail_mark(c, &l);
    return l;
}

/* A role for one project belongs into that project's log. */
static enum err role_record(struct job *c, enum leaf_type type, struct span who, struct span role, struct span project,
                            struct err_info *reterr)
{
    bool one = id_check(project, ID_PROJECT);
    struct leaf l = change(c, type, one ? trail_log(c, project) : SPAN_EMPTY, who);

    l.outcome = role;
    if (!one)
        (void) leaf_add_number(&l, span_eq_str(project, ROLE_SYSTEM) ? "system" : "all_projects", 1);
    return trail_write(c, &l, NULL, reterr);
}

static enum err member_record(struct job *c, enum leaf_type type, struct span group, struct span account,
                              struct err_info *reterr)
{
    struct leaf l = change(c, type, SPAN_EMPTY, account);
    struct meta_account a;
    struct meta_team t;

    TRY(meta_team_get(c->v, group, c->mem, &t, reterr));
    TRY(meta_account_get(c->v, account, c->mem, &a, reterr));
    trail_fact(c, &l, "group", t.name, a.person);
    return trail_write(c, &l, NULL, reterr);
}

/* ---- roles and groups ---- */

/* Who has just got or lost something does not count as settled (STANDARDS 2.6): the account, or each member of the group. */
static enum err changed(struct job *c, struct span who, struct err_info *reterr)
{
    struct meta_member_list members;
    struct meta_account a;

    if (!id_check(who, ID_USER)) {
        TRY(meta_members(c->v, who, c->mem, &members, reterr));
        for (size_t i = 0; i < members.n; i++)
            TRY(changed(c, members.rows[i].account, reterr));
        return ERR_OK;
    }
    TRY(meta_account_get(c->v, who, c->mem, &a, reterr));
    a.groups_changed_ms = c->now.real;
    return meta_account_put(c->m, &a, reterr);
}

enum err accounts_give(struct job *c, struct span who, struct span role, struct span project, struct err_info *reterr)
{
    struct meta_role row = { .who = who, .role = role, .project = project, .since_ms = c->now.real };
    enum err e = meta_role_give(c->m, &row, reterr);

    if (e == ERR_EXISTS)
        return ERR_OK;
    TRY(e);
    TRY(changed(c, who, reterr));
    TRY(role_record(c, LEAF_ROLE_GIVEN, who, role, project, reterr));
    return people_raise(c->m, reterr);
}

enum err accounts_take(struct job *c, struct span who, struct span role, struct span project, struct err_info *reterr)
{
    enum err e = meta_role_take(c->m, who, role, project, reterr);

    if (e == ERR_NOTFOUND)
        return ERR_OK;
    TRY(e);
    TRY(changed(c, who, reterr));
    TRY(role_record(c, LEAF_ROLE_TAKEN, who, role, project, reterr));
    return people_raise(c->m, reterr);
}

enum err accounts_join(struct job *c, struct span group, struct span account, struct err_info *reterr)
{
    struct meta_member row = { .team = group, .account = account, .since_ms = c->now.real };
    enum err e = meta_member_add(c->m, &row, reterr);

    if (e == ERR_EXISTS)
        return ERR_OK;
    TRY(e);
    TRY(member_record(c, LEAF_GROUP_JOINED, group, account, reterr));
    return people_raise(c->m, reterr);
}

enum err accounts_leave(struct job *c, struct span group, struct span account, struct err_info *reterr)
{
    enum err e = meta_member_remove(c->m, group, account, c->now.real, reterr);

    if (e == ERR_NOTFOUND)
        return ERR_OK;
    TRY(e);
    TRY(member_record(c, LEAF_GROUP_LEFT, group, account, reterr));
    return people_raise(c->m, reterr);
}

/* ---- making ---- */

enum err accounts_make_group(struct job *c, struct span name, bool builtin, struct span *ret_id,
                             struct err_info *reterr)
{
    struct meta_team t = { .id = job_new_id(c, ID_GROUP), .name = name, .builtin = builtin, .created_ms = c->now.real };
    struct leaf l = change(c, LEAF_GROUP_CREATED, SPAN_EMPTY, t.id);

    TRY(meta_team_add(c->m, &t, reterr));
    trail_fact(c, &l, "name", name, SPAN_EMPTY);
    TRY(trail_write(c, &l, NULL, reterr));
    *ret_id = t.id;
    return people_raise(c->m, reterr);
}

enum err accounts_make_project(struct job *c, struct span name, struct span env, struct span *ret_id,
                               struct err_info *reterr)
{
    uint8_t *key = arena_alloc(c->mem, 32);
    struct meta_project p = { .id = job_new_id(c, ID_PROJECT), .name = name, .env = env,
                              .subject_key = span_of(key, 32), .state = SPAN("active"), .log_generation = 1,
                              .created_ms = c->now.real, .version = 1 };
    struct leaf l = change(c, LEAF_PROJECT_CREATED, p.id, p.id);
    struct ipc_log_begin begin = { .log = p.id };
    struct buf origin = BUF_INIT(512);

    if (key == NULL)
        return ERR_RAISE(reterr, ERR_NOMEM, "project");
    c->core->env.random(c->core->env.ctx, key, 32);
    TRY(meta_project_add(c->m, &p, reterr));
    trail_fact(c, &l, "name", name, SPAN_EMPTY);
    TRY(audit_create_log(c->core->audit, &l, reterr));
    audit_origin(c->core->audit, p.id, &origin);
    begin.origin = buf_span(&origin);
    if (out_add(c->outs, OUT_VAULT_CALL, IPC_T_LOG_BEGIN, &begin) == NULL) {
        buf_deinit(&origin);
        return ERR_RAISE(reterr, ERR_NOMEM, "project");
    }
    buf_deinit(&origin);
    *ret_id = p.id;
    return ERR_OK;
}

static enum err created_record(struct job *c, const struct meta_account *a, const struct accounts_new *in,
                               struct err_info *reterr)
{
    struct leaf l = change(c, LEAF_USER_CREATED, SPAN_EMPTY, a->id);

    (void) leaf_add_number(&l, "password", a->password.n > 0);
    (void) leaf_add_number(&l, "subjects", (int64_t) in->n_subjects);
    trail_fact(c, &l, "name", a->name, a->person);
    trail_fact(c, &l, "full_name", a->full_name, a->person);
    return trail_write(c, &l, NULL, reterr);
}

enum err accounts_make(struct job *c, const struct accounts_new *in, struct span *ret_id, struct err_info *reterr)
{
    struct meta_account a = { .id = job_new_id(c, ID_USER), .name = in->name, .full_name = in->full_name,
                              .state = SPAN("active"), .password = in->password, .person = in->person,
                              .created_ms = c->now.real, .groups_changed_ms = c->now.real,
                              .credential_changed_ms = c->now.real, .version = 1 };

    if (a.person.n == 0)
        TRY(persons_make(c, &a.person, reterr));
    TRY(meta_account_add(c->m, &a, reterr));
    if (in->n_subjects > 0)
        TRY(meta_account_subjects_put(c->m, a.id, in->subjects, in->n_subjects, reterr));
    TRY(created_record(c, &a, in, reterr));
    for (size_t i = 0; i < in->n_groups; i++)
        TRY(accounts_join(c, in->groups[i], a.id, reterr));
    for (size_t i = 0; i < in->n_roles; i++)
        TRY(accounts_give(c, a.id, in->roles[i].role, in->roles[i].project, reterr));
    *ret_id = a.id;
    return people_raise(c->m, reterr);
}

/* ---- ending ---- */

enum err accounts_end_sign_ins(struct job *c, struct span account, struct span keep, const char *cause,
                               struct err_info *reterr)
{
    const struct meta_token_filter f = { .account = account, .state = SPAN("active") };
    struct meta_page page = { .limit = META_PAGE_MAX };
    struct meta_token_list rows;
    struct meta_pos next;

    do {
        TRY(meta_tokens(c->v, &f, &page, c->mem, &rows, &next, reterr));
        for (size_t i = 0; i < rows.n; i++) {
            if (!span_eq(rows.rows[i].id, keep))
                TRY(session_end(c, &rows.rows[i], cause, reterr));
        }
        page.after = next;
    } while (next.seq != 0);
    return ERR_OK;
}

enum err accounts_disable(struct job *c, struct meta_account *a, struct err_info *reterr)
{
    struct leaf l = change(c, LEAF_USER_DISABLED, SPAN_EMPTY, a->id);

    a->state = SPAN("disabled");
    a->disabled_ms = c->now.real;
    TRY(trail_write(c, &l, NULL, reterr));
    TRY(life_end_person(c, a->id, reterr));
    TRY(accounts_end_sign_ins(c, a->id, SPAN_EMPTY, "disabled", reterr));
    return people_raise(c->m, reterr);
}
