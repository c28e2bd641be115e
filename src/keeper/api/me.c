/* Who is signed in, what they may do, and what the app needs to know; the demo's accounts. */
#include <stdio.h>

#include "crypto/hash.h"
#include "keeper/api/api.h"
#include "keeper/client_keys.h"
#include "keeper/demo_page.h"
#include "keeper/inbox.h"
#include "keeper/view.h"

static const char *const demo_accounts[] = { "engineer", "second-engineer", "approver", "lead", "auditor" };

/* The page that records itself. A demo of an earlier version has none, nor one whose token was ended. */
static enum err write_shop(struct job *c, struct err_info *reterr)
{
    char url[256], token[SESSION_TOKEN_CAP];
    uint8_t sha[SHA256_LEN];
    struct meta_token row;
    enum err e;

    demo_page_token(c->core->cfg.demo_password, token, sha);
    e = meta_token_by_sha256(c->v, SPAN_OF(sha), c->mem, &row, reterr);
    if (e != ERR_OK && e != ERR_NOTFOUND)
        return e;
    if (e == ERR_NOTFOUND || !span_eq_str(row.state, "active")) {
        jsonw_knull(&c->w, "shop");
        return ERR_OK;
    }
    demo_address(c->core->cfg.public_url, DEMO_PAGE_HOST, url, sizeof(url));
    jsonw_kobj(&c->w, "shop");
    jsonw_kcstr(&c->w, "url", url);
    jsonw_kcstr(&c->w, "server", c->core->cfg.public_url);
    jsonw_kcstr(&c->w, "token", token);
    jsonw_obj_end(&c->w);
    return ERR_OK;
}

static enum err write_demo(struct job *c, const char *key, struct err_info *reterr)
{
    const struct core_config *cfg = &c->core->cfg;
    struct jsonw *w = &c->w;

    if (key != NULL)
        jsonw_key(w, key);
    jsonw_obj(w);
    jsonw_karr(w, "accounts");
    for (size_t i = 0; i < sizeof(demo_accounts) / sizeof(demo_accounts[0]); i++) {
        char origin[256], url[260];

        demo_address(cfg->public_url, demo_accounts[i], origin, sizeof(origin)); /* each has its own cookie (STANDARDS 5.1) */
        (void) snprintf(url, sizeof(url), "%s/", origin);
        jsonw_obj(w);
        jsonw_kcstr(w, "name", demo_accounts[i]);
        jsonw_kcstr(w, "url", url);
        jsonw_kcstr(w, "password", cfg->demo_password);
        jsonw_obj_end(w);
    }
    jsonw_arr_end(w);
    TRY(write_shop(c, reterr));
    jsonw_obj_end(w);
    return ERR_OK;
}

enum err api_demo(struct job *c, struct err_info *reterr)
{
    if (!c->core->cfg.demo)
        return job_not_found(c);
    (void) job_json(c, 200);
    return write_demo(c, NULL, reterr);
}

static void write_auth(struct job *c)
{
    const char *kind = span_eq_str(c->token.kind, "api") ? "api-token" : span_eq_str(c->token.kind, "cli") ? "sign-in" : "cookie";
    struct jsonw *w = &c->w;

    jsonw_kobj(w, "auth");
    jsonw_kcstr(w, "kind", kind);
    /* A token without an end is said to end when nobody reads this any more. */
    jsonw_ktime(w, "expires_at", c->token.expires_ms != 0 ? c->token.expires_ms : INT64_C(253402300799000));
    view_time(c, "fresh_until", span_eq_str(c->token.kind, "api") ? 0 : c->token.auth_ms + c->core->cfg.fresh_ms);
    view_text(c, "client_key", c->token.jkt);
    if (c->token.jkt.n > 0 && client_keys_acts_from(c->core, &c->token) > c->now.real)
        view_time(c, "acts_from", client_keys_acts_from(c->core, &c->token));
    jsonw_obj_end(w);
}

static enum err write_projects(struct job *c, struct err_info *reterr)
{
    struct meta_project_list all;
    struct jsonw *w = &c->w;

    TRY(meta_projects(c->v, c->mem, &all, reterr));
    jsonw_karr(w, "projects");
    for (size_t i = 0; i < all.n; i++) {
        if (job_roles(c, all.rows[i].id) == 0)
            continue;
        jsonw_obj(w);
        jsonw_kstr(w, "id", all.rows[i].id);
        jsonw_kstr(w, "name", all.rows[i].name);
        jsonw_obj_end(w);
    }
    jsonw_arr_end(w);
    return ERR_OK;
}

enum err api_me(struct job *c, struct err_info *reterr)
{
    const struct core_config *cfg = &c->core->cfg;
    struct jsonw *w = job_json(c, 200);
    int64_t inbox = 0;

    TRY(inbox_count(c, &inbox, reterr));
    jsonw_obj(w);
    view_person(c, "user", c->me->id);
    TRY(view_roles(c, "roles", c->me->id, reterr));
    jsonw_kbool(w, "admin", job_is_admin(c));
    jsonw_karr(w, "groups");
    for (size_t i = 0; i < c->me->n_groups; i++)
        jsonw_str(w, c->me->groups[i].name);
    jsonw_arr_end(w);
    TRY(write_projects(c, reterr));
    write_auth(c);
    TRY(client_keys_view_new(c, reterr));
    jsonw_kint(w, "inbox", inbox);
    jsonw_kcstr(w, "public_url", cfg->public_url);
    jsonw_kcstr(w, "player_url", cfg->player_url);
    jsonw_kcstr(w, "version", KEYHOLE_VERSION);
    jsonw_ktime(w, "now", c->now.real);
    if (cfg->demo)
        TRY(write_demo(c, "demo", reterr));
    jsonw_obj_end(w);
    return ERR_OK;
}
