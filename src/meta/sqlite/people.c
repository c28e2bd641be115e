#include "meta/people.h"

#include "meta/sqlite/db.h"
#include "meta/sqlite/list.h"

/* ---- projects ---- */

enum err meta_project_add(struct meta *m, struct meta_project *row, struct err_info *reterr)
{
    return db_insert(m, &db_table_project, row, reterr);
}

enum err meta_project_put(struct meta *m, const struct meta_project *row, struct err_info *reterr)
{
    return db_update(m, &db_table_project, row, reterr);
}

enum err meta_project_get(struct meta_view *v, struct span id, struct arena *a, struct meta_project *ret,
                          struct err_info *reterr)
{
    return db_get(v, &db_table_project, a, ret, reterr, "WHERE id=?", "t", id);
}

enum err meta_project_by_name(struct meta_view *v, struct span name, struct arena *a, struct meta_project *ret,
                              struct err_info *reterr)
{
    return db_get(v, &db_table_project, a, ret, reterr, "WHERE name=?", "t", name);
}

enum err meta_projects(struct meta_view *v, struct arena *a, struct meta_project_list *ret, struct err_info *reterr)
{
    return db_all(v, &db_table_project, a, META_ALL_MAX, ret, reterr, "ORDER BY seq DESC", "");
}

/* ---- persons ---- */

enum err meta_person_add(struct meta *m, struct meta_person *row, struct err_info *reterr)
{
    return db_insert(m, &db_table_person, row, reterr);
}

enum err meta_person_get(struct meta_view *v, struct span id, struct arena *a, struct meta_person *ret,
                         struct err_info *reterr)
{
    return db_get(v, &db_table_person, a, ret, reterr, "WHERE id=?", "t", id);
}

enum err meta_subject_person_get(struct meta_view *v, struct span project, struct span subject, struct arena *a,
                                 struct meta_person *ret, struct err_info *reterr)
{
    enum err e = db_get(v, &db_table_person, a, ret, reterr,
                        "WHERE id=(SELECT c.person FROM account_subject s JOIN account c ON c.id=s.account"
                        " WHERE s.subject=? ORDER BY c.seq LIMIT 1)",
                        "t", subject);

    if (e != ERR_NOTFOUND)
        return e;
    return db_get(v, &db_table_person, a, ret, reterr,
                  "WHERE id=(SELECT person FROM subject_person WHERE project=? AND subject=?)", "tt", project, subject);
}

enum err meta_subject_person_put(struct meta *m, struct span project, struct span subject, struct span person,
                                 struct err_info *reterr)
{
    return db_run(m, NULL, reterr,
                  "INSERT INTO subject_person(project,subject,person) VALUES(?1,?2,?3)"
                  " ON CONFLICT(project,subject) DO UPDATE SET person=?3",
                  "ttt", project, subject, person);
}

/* ---- accounts ---- */

enum err meta_account_add(struct meta *m, struct meta_account *row, struct err_info *reterr)
{
    return db_insert(m, &db_table_account, row, reterr);
}

enum err meta_account_put(struct meta *m, const struct meta_account *row, struct err_info *reterr)
{
    return db_update(m, &db_table_account, row, reterr);
}

enum err meta_account_get(struct meta_view *v, struct span id, struct arena *a, struct meta_account *ret,
                          struct err_info *reterr)
{
    return db_get(v, &db_table_account, a, ret, reterr, "WHERE id=?", "t", id);
}

enum err meta_account_by_name(struct meta_view *v, struct span name, struct arena *a, struct meta_account *ret,
                              struct err_info *reterr)
{
    return db_get(v, &db_table_account, a, ret, reterr, "WHERE name=?", "t", name);
}

enum err meta_accounts(struct meta_view *v, struct span part, struct span state, const struct meta_page *page,
                       struct arena *a, struct meta_account_list *ret, struct meta_pos *ret_next,
                       struct err_info *reterr)
{
    struct list l;

    TRY(list_init(&l, &db_table_account, -1, page, a, reterr));
    TRY(list_add(&l, v, reterr,
                 "WHERE seq<? AND seq>? AND (?3='' OR instr(lower(name),lower(?3))>0) AND (?4='' OR state=?4)"
                 " ORDER BY seq DESC LIMIT ?5",
                 "iitti", list_before(&l), list_floor(&l), part, state, list_limit(&l)));
    list_finish(&l, ret, ret_next);
    return ERR_OK;
}

enum err meta_accounts_all(struct meta_view *v, struct arena *a, struct meta_account_list *ret, struct err_info *reterr)
{
    return db_all(v, &db_table_account, a, META_ALL_MAX, ret, reterr, "ORDER BY seq", "");
}

enum err meta_account_login_put(struct meta *m, const struct meta_account *row, struct err_info *reterr)
{
    int n;

    TRY(db_run(m, &n, reterr,
               "UPDATE account SET last_login_ms=?,fail_count=?,fail_last_ms=?,locked_until_ms=? WHERE id=?", "iiiit",
               row->last_login_ms, row->fail_count, row->fail_last_ms, row->locked_until_ms, row->id));
    return n == 1 ? ERR_OK : ERR_RAISE(reterr, ERR_NOTFOUND, "database: no such account");
}

enum err meta_account_subjects(struct meta_view *v, struct span account, struct arena *a, struct span **ret,
                               size_t *ret_n, struct err_info *reterr)
{
    return db_texts(v, a, META_ALL_MAX, ret, ret_n, reterr,
                    "SELECT subject FROM account_subject WHERE account=? ORDER BY subject", "t", account);
}

enum err meta_account_subjects_put(struct meta *m, struct span account, const struct span *subjects, size_t n,
                                   struct err_info *reterr)
{
    TRY(db_run(m, NULL, reterr, "DELETE FROM account_subject WHERE account=?", "t", account));
    for (size_t i = 0; i < n; i++)
        TRY(db_run(m, NULL, reterr, "INSERT INTO account_subject(account,subject) VALUES(?,?)", "tt", account,
                   subjects[i]));
    return ERR_OK;
}

enum err meta_accounts_of_subject(struct meta_view *v, struct span subject, struct arena *a,
                                  struct meta_account_list *ret, struct err_info *reterr)
{
    return db_all(v, &db_table_account, a, META_ALL_MAX, ret, reterr,
                  "JOIN account_subject s ON s.account=t.id WHERE s.subject=? ORDER BY seq", "t", subject);
}

/* ---- teams ---- */

enum err meta_team_add(struct meta *m, struct meta_team *row, struct err_info *reterr)
{
    return db_insert(m, &db_table_team, row, reterr);
}

enum err meta_team_get(struct meta_view *v, struct span id, struct arena *a, struct meta_team *ret,
                       struct err_info *reterr)
{
    return db_get(v, &db_table_team, a, ret, reterr, "WHERE id=?", "t", id);
}

enum err meta_team_by_name(struct meta_view *v, struct span name, struct arena *a, struct meta_team *ret,
                           struct err_info *reterr)
{
    return db_get(v, &db_table_team, a, ret, reterr, "WHERE name=?", "t", name);
}

enum err meta_teams(struct meta_view *v, struct arena *a, struct meta_team_list *ret, struct err_info *reterr)
{
    return db_all(v, &db_table_team, a, META_ALL_MAX, ret, reterr, "ORDER BY seq DESC", "");
}

enum err meta_team_remove(struct meta *m, struct span id, struct err_info *reterr)
{
    int n;

    TRY(db_run(m, NULL, reterr, "DELETE FROM team_member WHERE team=?", "t", id));
    TRY(db_run(m, NULL, reterr, "DELETE FROM role_given WHERE who=?", "t", id));
    TRY(db_run(m, &n, reterr, "DELETE FROM team WHERE id=?", "t", id));
    return n == 1 ? ERR_OK : ERR_RAISE(reterr, ERR_NOTFOUND, "database: no such group");
}

static enum err groups_changed(struct meta *m, struct span account, time_ms at, struct err_info *reterr)
{
    return db_run(m, NULL, reterr, "UPDATE account SET groups_changed_ms=? WHERE id=?", "it", at, account);
}

enum err meta_member_add(struct meta *m, struct meta_member *row, struct err_info *reterr)
{
    TRY(db_insert(m, &db_table_member, row, reterr));
    return groups_changed(m, row->account, row->since_ms, reterr);
}

enum err meta_member_remove(struct meta *m, struct span team, struct span account, time_ms now, struct err_info *reterr)
{
    int n;

    TRY(db_run(m, &n, reterr, "DELETE FROM team_member WHERE team=? AND account=?", "tt", team, account));
    if (n == 0)
        return ERR_RAISE(reterr, ERR_NOTFOUND, "database: no such member");
    return groups_changed(m, account, now, reterr);
}

enum err meta_members(struct meta_view *v, struct span team, struct arena *a, struct meta_member_list *ret,
                      struct err_info *reterr)
{
    return db_all(v, &db_table_member, a, META_ALL_MAX, ret, reterr, "WHERE team=? ORDER BY since_ms,account", "t",
                  team);
}

enum err meta_teams_of(struct meta_view *v, struct span account, struct arena *a, struct meta_team_list *ret,
                       struct err_info *reterr)
{
    return db_all(v, &db_table_team, a, META_ALL_MAX, ret, reterr,
                  "JOIN team_member x ON x.team=t.id WHERE x.account=? ORDER BY seq", "t", account);
}

enum err meta_memberships(struct meta_view *v, struct span account, struct arena *a, struct meta_member_list *ret,
                          struct err_info *reterr)
{
    return db_all(v, &db_table_member, a, META_ALL_MAX, ret, reterr, "WHERE account=? ORDER BY since_ms,team", "t",
                  account);
}

/* ---- roles ---- */

enum err meta_role_give(struct meta *m, struct meta_role *row, struct err_info *reterr)
{
    return db_insert(m, &db_table_role, row, reterr);
}

enum err meta_role_take(struct meta *m, struct span who, struct span role, struct span project, struct err_info *reterr)
{
    int n;

    TRY(db_run(m, &n, reterr, "DELETE FROM role_given WHERE who=? AND role=? AND project=?", "ttt", who, role, project));
    return n == 1 ? ERR_OK : ERR_RAISE(reterr, ERR_NOTFOUND, "database: no such role");
}

enum err meta_roles_given(struct meta_view *v, struct span who, struct arena *a, struct meta_role_list *ret,
                          struct err_info *reterr)
{
    return db_all(v, &db_table_role, a, META_ALL_MAX, ret, reterr, "WHERE who=? ORDER BY project,role", "t", who);
}

enum err meta_roles_of(struct meta_view *v, struct span account, struct arena *a, struct meta_role_list *ret,
                       struct err_info *reterr)
{
    return db_all(v, &db_table_role, a, META_ALL_MAX, ret, reterr,
                  "WHERE who=?1 OR who IN (SELECT team FROM team_member WHERE account=?1) ORDER BY project,role,who",
                  "t", account);
}

enum err meta_role_holders(struct meta_view *v, struct span role, struct span project, struct arena *a,
                           struct meta_account_list *ret, struct err_info *reterr)
{
    return db_all(v, &db_table_account, a, META_ALL_MAX, ret, reterr,
                  "WHERE t.state='active' AND t.id IN ("
                  "SELECT who FROM role_given WHERE role=?1 AND project IN (?2,'*')"
                  " UNION SELECT x.account FROM role_given g JOIN team_member x ON x.team=g.who"
                  " WHERE g.role=?1 AND g.project IN (?2,'*')) ORDER BY seq",
                  "tt", role, project);
}

/* Among the roles that were asked for? None asked for: any. */
static bool wanted(struct span role, const char *const *roles, size_t n_roles)
{
    for (size_t i = 0; i < n_roles; i++) {
        if (span_eq_str(role, roles[i]))
            return true;
    }
    return n_roles == 0;
}

enum err meta_projects_of(struct meta_view *v, struct span account, const char *const *roles, size_t n_roles,
                          struct arena *a, struct span **ret, size_t *ret_n, struct err_info *reterr)
{
    struct meta_role_list mine;
    struct meta_project_list all;
    bool everywhere = false;
    struct span *ids;
    size_t n = 0;

    TRY(meta_roles_of(v, account, a, &mine, reterr));
    for (size_t i = 0; i < mine.n; i++)
        everywhere |= wanted(mine.rows[i].role, roles, n_roles) && span_eq_str(mine.rows[i].project, "*");
    TRY(meta_projects(v, a, &all, reterr));
    ids = arena_alloc(a, (all.n + 1) * sizeof(*ids));
    if (ids == NULL)
        return ERR_RAISE(reterr, ERR_NOMEM, "database: the answer is larger than its arena");
    for (size_t i = 0; i < all.n; i++) {
        bool take = everywhere;

        for (size_t k = 0; k < mine.n && !take; k++)
            take = span_eq(mine.rows[k].project, all.rows[i].id) && wanted(mine.rows[k].role, roles, n_roles);
        if (take)
            ids[n++] = all.rows[i].id;
    }
    *ret = ids;
    *ret_n = n;
    return ERR_OK;
}

/* ---- tokens and sign-ins ---- */

enum err meta_token_add(struct meta *m, struct meta_token *row, struct err_info *reterr)
{
    return db_insert(m, &db_table_token, row, reterr);
}

enum err meta_token_put(struct meta *m, const struct meta_token *row, struct err_info *reterr)
{
    return db_update(m, &db_table_token, row, reterr);
}

enum err meta_token_get(struct meta_view *v, struct span id, struct arena *a, struct meta_token *ret,
                        struct err_info *reterr)
{
    return db_get(v, &db_table_token, a, ret, reterr, "WHERE id=?", "t", id);
}

enum err meta_token_by_sha256(struct meta_view *v, struct span sha256, struct arena *a, struct meta_token *ret,
                              struct err_info *reterr)
{
    return db_get(v, &db_table_token, a, ret, reterr, "WHERE sha256=?", "b", sha256);
}

enum err meta_token_seen(struct meta *m, struct span id, time_ms now, struct err_info *reterr)
{
    return db_run(m, NULL, reterr, "UPDATE token SET last_seen_ms=?1 WHERE id=?2 AND last_seen_ms<?1", "it", now, id);
}

enum err meta_tokens_end(struct meta *m, struct span account, struct span keep, time_ms now, int *ret_n,
                         struct err_info *reterr)
{
    return db_run(m, ret_n, reterr,
                  "UPDATE token SET state='ended',ended_ms=? WHERE account=? AND state='active' AND id<>?", "itt", now,
                  account, keep);
}

enum err meta_tokens(struct meta_view *v, const struct meta_token_filter *f, const struct meta_page *page,
                     struct arena *a, struct meta_token_list *ret, struct meta_pos *ret_next, struct err_info *reterr)
{
    struct list l;

    TRY(list_init(&l, &db_table_token, -1, page, a, reterr));
    TRY(list_add(&l, v, reterr,
                 "WHERE seq<? AND seq>? AND (?3='' OR kind=?3) AND (?4='' OR account=?4) AND (?5='' OR project=?5)"
                 " AND (?6='' OR state=?6) ORDER BY seq DESC LIMIT ?7",
                 "iitttti", list_before(&l), list_floor(&l), f->kind, f->account, f->project, f->state,
                 list_limit(&l)));
    list_finish(&l, ret, ret_next);
    return ERR_OK;
}

enum err meta_tokens_over(struct meta_view *v, struct span kind, time_ms now, size_t max, struct arena *a,
                          struct meta_token_list *ret, struct err_info *reterr)
{
    return db_all(v, &db_table_token, a, max, ret, reterr,
                  "WHERE kind=? AND state='active' AND expires_ms>0 AND expires_ms<=? ORDER BY expires_ms LIMIT ?", "tii",
                  kind, now, (int64_t) max);
}

enum err meta_tokens_of_kind(struct meta_view *v, struct span kind, struct arena *a, struct meta_token_list *ret,
                             struct err_info *reterr)
{
    return db_all(v, &db_table_token, a, META_ALL_MAX, ret, reterr, "WHERE kind=? AND state='active' ORDER BY seq", "t",
                  kind);
}
