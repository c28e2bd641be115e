#include "keeper/view.h"

#include <stdio.h>

#include "codec/base64.h"
#include "crypto/hash.h"
#include "keeper/origins.h"

void view_person(struct job *c, const char *key, struct span account)
{
    const struct people *people = job_people(c, NULL);
    const struct who *w = people == NULL || account.n == 0 ? NULL : people_by_id(people, account);

    if (key != NULL)
        jsonw_key(&c->w, key);
    if (account.n == 0) {
        jsonw_null(&c->w);
        return;
    }
    jsonw_obj(&c->w);
    jsonw_kstr(&c->w, "id", account);
    jsonw_kstr(&c->w, "name", w == NULL ? SPAN_EMPTY : w->name);
    if (w != NULL && people_full_name(people, w).n > 0)
        jsonw_kstr(&c->w, "full_name", people_full_name(people, w));
    else
        jsonw_knull(&c->w, "full_name");
    jsonw_obj_end(&c->w);
}

void view_time(struct job *c, const char *key, time_ms t)
{
    if (t == 0)
        jsonw_knull(&c->w, key);
    else
        jsonw_ktime(&c->w, key, t);
}

void view_text(struct job *c, const char *key, struct span s)
{
    if (s.n == 0)
        jsonw_knull(&c->w, key);
    else
        jsonw_kstr(&c->w, key, s);
}

void view_state(struct job *c, const char *key, struct span s)
{
    char up[32];
    size_t n = s.n < sizeof(up) ? s.n : sizeof(up);

    for (size_t i = 0; i < n; i++)
        up[i] = (char) (s.p[i] >= 'a' && s.p[i] <= 'z' ? s.p[i] - 32 : s.p[i]);
    jsonw_kstr(&c->w, key, span_of(up, n));
}

struct span view_hundredths(struct job *c, int64_t n)
{
    char s[32];

    if (n % 100 == 0)
        (void) snprintf(s, sizeof(s), "%lld", (long long) (n / 100));
    else
        (void) snprintf(s, sizeof(s), "%lld.%02lld", (long long) (n / 100), (long long) (n % 100));
    return job_span(c, s);
}

void view_words(struct job *c, const char *key, const struct span *words, size_t n)
{
    jsonw_karr(&c->w, key);
    for (size_t i = 0; i < n; i++)
        jsonw_str(&c->w, words[i]);
    jsonw_arr_end(&c->w);
}

/* The first 8 characters of an HMAC under the project's key: the same subject looks the same in one project only. */
struct span view_subject(struct job *c, const struct meta_recording *r, bool clear, bool *ret_pseudonym,
                         struct err_info *reterr)
{
    struct meta_project p;
    uint8_t mac[SHA256_LEN];

    if (ret_pseudonym != NULL)
        *ret_pseudonym = false;
    if (r->subject.n == 0 || clear)
        return r->subject;
    if (meta_project_get(c->v, r->project, c->mem, &p, reterr) != ERR_OK)
        return SPAN_EMPTY;
    hmac_sha256(p.subject_key, r->subject, mac);
    if (ret_pseudonym != NULL)
        *ret_pseudonym = true;
    return span_sub(job_b64(c, SPAN_OF(mac)), 0, 8);
}

/* ---- people ---- */

static enum err role_group(struct job *c, struct span who, struct span account, struct err_info *reterr)
{
    struct meta_team t;

    if (span_eq(who, account) || !id_check(who, ID_GROUP)) {
        jsonw_knull(&c->w, "group");
        return ERR_OK;
    }
    TRY(meta_team_get(c->v, who, c->mem, &t, reterr));
    jsonw_kstr(&c->w, "group", t.name);
    return ERR_OK;
}

enum err view_roles(struct job *c, const char *key, struct span who, struct err_info *reterr)
{
    struct meta_role_list roles;

    if (id_check(who, ID_GROUP))
        TRY(meta_roles_given(c->v, who, c->mem, &roles, reterr));
    else
        TRY(meta_roles_of(c->v, who, c->mem, &roles, reterr));
    jsonw_karr(&c->w, key);
    for (size_t i = 0; i < roles.n; i++) {
        jsonw_obj(&c->w);
        jsonw_kstr(&c->w, "project", roles.rows[i].project);
        jsonw_kstr(&c->w, "role", roles.rows[i].role);
        TRY(role_group(c, roles.rows[i].who, who, reterr));
        jsonw_obj_end(&c->w);
    }
    jsonw_arr_end(&c->w);
    return ERR_OK;
}

enum err view_user(struct job *c, const char *key, struct span account, struct err_info *reterr)
{
    const struct people *people = job_people(c, reterr);
    const struct who *w;
    struct meta_account a;
    struct span *subjects;
    size_t n;

    if (people == NULL)
        return ERR_NOMEM;
    w = people_by_id(people, account);
    TRY(meta_account_get(c->v, account, c->mem, &a, reterr));
    TRY(meta_account_subjects(c->v, account, c->mem, &subjects, &n, reterr));
    if (key != NULL)
        jsonw_key(&c->w, key);
    jsonw_obj(&c->w);
    jsonw_kstr(&c->w, "id", a.id);
    jsonw_kstr(&c->w, "name", a.name);
    view_text(c, "full_name", a.full_name);
    jsonw_kstr(&c->w, "state", a.state);
    jsonw_karr(&c->w, "groups");
    for (size_t i = 0; w != NULL && i < w->n_groups; i++)
        jsonw_str(&c->w, w->groups[i].name);
    jsonw_arr_end(&c->w);
    TRY(view_roles(c, "roles", a.id, reterr));
    jsonw_kstr(&c->w, "person", a.person);
    view_words(c, "subjects", subjects, n);
    jsonw_kbool(&c->w, "has_password", a.password.n > 0);
    jsonw_ktime(&c->w, "created_at", a.created_ms);
    view_time(c, "last_login_at", a.last_login_ms);
    jsonw_obj_end(&c->w);
    return ERR_OK;
}

enum err view_group(struct job *c, struct span team, struct err_info *reterr)
{
    struct meta_member_list members;
    struct meta_team t;

    TRY(meta_team_get(c->v, team, c->mem, &t, reterr));
    TRY(meta_members(c->v, team, c->mem, &members, reterr));
    jsonw_obj(&c->w);
    jsonw_kstr(&c->w, "name", t.name);
    jsonw_kbool(&c->w, "builtin", t.builtin != 0);
    TRY(view_roles(c, "roles", t.id, reterr));
    jsonw_karr(&c->w, "members");
    for (size_t i = 0; i < members.n; i++)
        view_person(c, NULL, members.rows[i].account);
    jsonw_arr_end(&c->w);
    jsonw_obj_end(&c->w);
    return ERR_OK;
}

/* Who holds a role in exactly this project, people and groups. */
static enum err project_members(struct job *c, struct span project, struct err_info *reterr)
{
    const struct people *people = job_people(c, reterr);
    struct meta_team_list teams;
    struct meta_role_list roles;

    if (people == NULL)
        return ERR_NOMEM;
    for (size_t i = 0; i < people->n; i++) {
        TRY(meta_roles_given(c->v, people->all[i].id, c->mem, &roles, reterr));
        for (size_t k = 0; k < roles.n; k++) {
            if (!span_eq(roles.rows[k].project, project))
                continue;
            jsonw_obj(&c->w);
            view_person(c, "user", people->all[i].id);
            jsonw_kstr(&c->w, "role", roles.rows[k].role);
            jsonw_obj_end(&c->w);
        }
    }
    TRY(meta_teams(c->v, c->mem, &teams, reterr));
    for (size_t i = 0; i < teams.n; i++) {
        TRY(meta_roles_given(c->v, teams.rows[i].id, c->mem, &roles, reterr));
        for (size_t k = 0; k < roles.n; k++) {
            if (!span_eq(roles.rows[k].project, project))
                continue;
            jsonw_obj(&c->w);
            jsonw_kstr(&c->w, "group", teams.rows[i].name);
            jsonw_kstr(&c->w, "role", roles.rows[k].role);
            jsonw_obj_end(&c->w);
        }
    }
    return ERR_OK;
}

enum err view_project(struct job *c, struct span project, struct err_info *reterr)
{
    struct meta_project p;

    TRY(meta_project_get(c->v, project, c->mem, &p, reterr));
    jsonw_obj(&c->w);
    jsonw_kstr(&c->w, "id", p.id);
    jsonw_kstr(&c->w, "name", p.name);
    jsonw_kstr(&c->w, "env", p.env);
    origins_view(c, p.origins);
    jsonw_karr(&c->w, "members");
    if (job_may(c, p.id, PERM_MANAGE_MEMBERS))
        TRY(project_members(c, p.id, reterr));
    jsonw_arr_end(&c->w);
    jsonw_ktime(&c->w, "created_at", p.created_ms);
    jsonw_obj_end(&c->w);
    return ERR_OK;
}

static void states(struct job *c, struct span words)
{
    struct span one, rest = words;
    bool more = words.n > 0;

    jsonw_karr(&c->w, "states");
    while (more) {
        more = span_cut(rest, ' ', &one, &rest);
        jsonw_str(&c->w, one);
    }
    jsonw_arr_end(&c->w);
}

enum err view_token(struct job *c, const struct meta_token *t, struct span secret, struct err_info *reterr)
{
    bool active = span_eq_str(t->state, "active"), waiting = span_eq_str(t->state, "waiting");
    bool expired = active && t->expires_ms != 0 && c->now.real >= t->expires_ms;

    (void) reterr;
    jsonw_obj(&c->w);
    jsonw_kstr(&c->w, "id", t->id);
    jsonw_kstr(&c->w, "kind", t->kind);
    view_text(c, "name", t->label);
    view_text(c, "project", t->project);
    if (t->url.n > 0)
        jsonw_kstr(&c->w, "url", t->url);
    if (span_eq_str(t->kind, "ingest"))
        jsonw_kbool(&c->w, "browser", t->browser != 0);
    if (t->browser != 0)
        states(c, t->states);
    view_person(c, "user", t->account);
    jsonw_kcstr(&c->w, "state", expired ? "expired" : active ? "active" : waiting ? "waiting" : "revoked");
    jsonw_ktime(&c->w, "created_at", t->created_ms);
    if (t->created_by.n > 0)
        view_person(c, "created_by", t->created_by);
    view_time(c, "expires_at", t->expires_ms);
    view_time(c, "last_used_at", t->last_seen_ms);
    if (secret.n > 0)
        jsonw_kstr(&c->w, "token", secret);
    jsonw_obj_end(&c->w);
    return ERR_OK;
}
