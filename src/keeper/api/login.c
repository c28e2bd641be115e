/* Signing in and out, fresh sign-in, who am I, the demo's accounts. */
#include <stdio.h>

#include "crypto/secret.h"
#include "keeper/api/api.h"
#include "keeper/client_keys.h"
#include "keeper/session.h"
#include "keeper/trail.h"
#include "keeper/view.h"

#define PASSWORD_CHARS_MAX 1024

/* Too many failures: 429 has been answered. */
static bool throttled(struct job *c, struct span account)
{
    int64_t wait = throttle_wait_ms(c->core->throttle, THROTTLE_ACCOUNT, account, c->now.boot);
    int64_t source = throttle_wait_ms(c->core->throttle, THROTTLE_SOURCE, c->in->prefix, c->now.boot);

    if (source > wait)
        wait = source;
    if (wait == 0)
        return false;
    c->answer->retry_after_s = (uint32_t) ((wait + 999) / 1000);
    (void) job_refuse(c, 429, "login-throttled", "Too many failed attempts.");
    return true;
}

static void work_verify(struct job *c, const struct meta_account *a, struct span password)
{
    struct cmd_password *p = &c->cmd->password;

    p->verify = true;
    p->nobody = a == NULL || a->password.n == 0 || !span_to_str(a->password, p->stored, sizeof(p->stored));
    p->password = password;
    c->step = CMD_STEP_PASSWORD;
}

static enum err failed(struct job *c, struct span name, const struct meta_account *a, struct err_info *reterr)
{
    struct leaf l = trail_leaf(c, LEAF_LOGIN_FAILED, SPAN_EMPTY);

    throttle_failed(c->core->throttle, THROTTLE_ACCOUNT, name, c->now.boot);
    throttle_failed(c->core->throttle, THROTTLE_SOURCE, c->in->prefix, c->now.boot);
    l.actor = a != NULL ? a->id : SPAN_EMPTY;
    l.outcome = SPAN("login-failed");
    TRY(trail_write(c, &l, NULL, reterr));
    c->recorded = true;
    return job_refuse(c, 401, "login-failed", "The name or the password is wrong.");
}

static enum err write_sign_in(struct job *c, const struct meta_token *t, const char *secret)
{
    struct jsonw *w = job_json(c, 200);

    jsonw_obj(w);
    if (secret != NULL)
        jsonw_kcstr(w, "token", secret);
    view_person(c, "user", t->account);
    jsonw_ktime(w, "expires_at", t->expires_ms);
    jsonw_ktime(w, "fresh_until", t->auth_ms + c->core->cfg.fresh_ms);
    view_text(c, "client_key", t->jkt);
    jsonw_obj_end(w);
    return ERR_OK;
}

static enum err signed_in(struct job *c, struct meta_account *a, bool as_token, bool web, struct err_info *reterr)
{
    const struct core_config *cfg = &c->core->cfg;
    char secret[SESSION_TOKEN_CAP];
    uint8_t hash[32];
    struct leaf l = trail_leaf(c, LEAF_LOGIN_OK, SPAN_EMPTY);
    struct meta_token t = {
        .id = job_new_id(c, ID_TOKEN), .kind = as_token ? SPAN("cli") : SPAN("session"), .account = a->id,
        .client = web ? SPAN("web") : SPAN("cli"), .prefix = c->in->prefix, .created_by = a->id,
        .created_ms = c->now.real, .expires_ms = c->now.real + (as_token ? cfg->cli_session_ms : cfg->session_ms),
        .idle_ms = as_token ? 0 : cfg->idle_session_ms, .last_seen_ms = c->now.real, .auth_ms = c->now.real,
        .state = SPAN("active"),
    };

    session_secret(c, "kst_", secret, hash);
    t.sha256 = SPAN_OF(hash);
    if (client_keys_proven(c))
        TRY(client_keys_register(c, &t, reterr));
    TRY(meta_token_add(c->m, &t, reterr));
    a->last_login_ms = c->now.real;
    TRY(meta_account_login_put(c->m, a, reterr));
    l.actor = a->id;
    l.obj = t.id;
    TRY(trail_write(c, &l, NULL, reterr));
    throttle_succeeded(c->core->throttle, a->name);
    if (!as_token)
        (void) snprintf(c->answer->set_token, sizeof(c->answer->set_token), "%s", secret);
    (void) write_sign_in(c, &t, as_token ? secret : NULL);
    secret_wipe(secret, sizeof(secret));
    return ERR_OK;
}

enum err api_login(struct job *c, struct err_info *reterr)
{
    static const char *const clients[] = { "web", "cli" };
    struct span user = SPAN_EMPTY, password = SPAN_EMPTY;
    struct meta_account account;
    bool as_token = c->in->browser == 0, known;
    int client;
    enum err e;

    BODY_ONLY(&c->body, "", c->args, "user", "password", "token", "client");
    (void) body_str(&c->body, "", c->args, "user", BODY_REQUIRED, 1, 64, &user);
    (void) body_str(&c->body, "", c->args, "password", BODY_REQUIRED, 1, PASSWORD_CHARS_MAX, &password);
    if (password.n > PASSWORD_LEN_MAX)
        body_bad_limit(&c->body, "", "password", FIELD_TOO_LONG, PASSWORD_LEN_MAX);
    (void) body_bool(&c->body, "", c->args, "token", &as_token);
    client = body_word(&c->body, "", c->args, "client", BODY_OPTIONAL, clients, 2);
    if (c->body.errors.n > 0)
        return job_invalid(c);
    as_token |= c->in->browser == 0; /* without an Origin no cookie is set */
    if (throttled(c, user))
        return ERR_OK;
    e = meta_account_by_name(c->v, user, c->mem, &account, reterr);
    if (e != ERR_OK && e != ERR_NOTFOUND)
        return e;
    known = e == ERR_OK && span_eq_str(account.state, "active");
    if (!c->cmd->password.done) {
        work_verify(c, known ? &account : NULL, password);
        return ERR_OK;
    }
    if (!known || !c->cmd->password.ok)
        return failed(c, user, e == ERR_OK ? &account : NULL, reterr);
    return signed_in(c, &account, as_token, client == 0 || (client < 0 && c->in->browser != 0), reterr);
}

enum err api_logout(struct job *c, struct err_info *reterr)
{
    TRY(session_end(c, &c->token, "signed-out", reterr));
    c->answer->status = 204;
    c->answer->clear_token = true;
    return ERR_OK;
}

enum err api_reauth(struct job *c, struct err_info *reterr)
{
    struct span password = SPAN_EMPTY;
    struct meta_account account;
    struct jsonw *w;
    struct leaf l;

    if (span_eq_str(c->token.kind, "api"))
        return job_refuse(c, 403, "token-not-fresh", "An API token is never a fresh sign-in.");
    BODY_ONLY(&c->body, "", c->args, "password");
    (void) body_str(&c->body, "", c->args, "password", BODY_REQUIRED, 1, PASSWORD_CHARS_MAX, &password);
    if (c->body.errors.n > 0)
        return job_invalid(c);
    if (throttled(c, c->me->name))
        return ERR_OK;
    TRY(meta_account_get(c->v, c->me->id, c->mem, &account, reterr));
    if (!c->cmd->password.done) {
        work_verify(c, &account, password);
        return ERR_OK;
    }
    if (!c->cmd->password.ok)
        return failed(c, account.name, &account, reterr);
    throttle_succeeded(c->core->throttle, account.name);
    c->token.auth_ms = c->now.real;
    c->token.last_seen_ms = c->now.real;
    TRY(meta_token_put(c->m, &c->token, reterr));
    l = trail_leaf(c, LEAF_LOGIN_OK, SPAN_EMPTY);
    l.obj = c->token.id;
    (void) leaf_add_number(&l, "reauth", 1);
    TRY(trail_write(c, &l, NULL, reterr));
    w = job_json(c, 200);
    jsonw_obj(w);
    jsonw_ktime(w, "fresh_until", c->token.auth_ms + c->core->cfg.fresh_ms);
    jsonw_obj_end(w);
    return ERR_OK;
}

/* An API token gets its client key at its first use, once (STANDARDS 5.1); a sign-in has the one it was made with. */
enum err api_client_key_register(struct job *c, struct err_info *reterr)
{
    struct jsonw *w;

    if (!client_keys_proven(c))
        return job_refuse(c, 403, "proof-needed", "This needs a DPoP proof.");
    if (!span_eq(c->token.jkt, c->in->proof_jkt)) {
        if (c->token.jkt.n > 0 || !span_eq_str(c->token.kind, "api"))
            return job_refuse(c, 409, "already-exists", "This sign-in cannot get another client key.");
        TRY(client_keys_register(c, &c->token, reterr));
        TRY(meta_token_put(c->m, &c->token, reterr));
    }
    w = job_json(c, 200);
    jsonw_obj(w);
    jsonw_kstr(w, "client_key", c->token.jkt);
    jsonw_obj_end(w);
    return ERR_OK;
}
