#include "keeper/job.h"

#include <stdio.h>

#include "base/num.h"
#include "codec/base64.h"

/* ---- refusing ---- */

static enum err refuse(struct job *c, uint16_t status, const char *code, const char *detail)
{
    c->answer->status = status;
    c->answer->code = code;
    c->answer->detail = detail;
    if ((status == 429 || status == 503) && c->answer->retry_after_s == 0)
        c->answer->retry_after_s = 1;
    return ERR_OK;
}

enum err job_refuse(struct job *c, uint16_t status, const char *code, const char *detail)
{
    /* A body that is not a problem's members was begun before the refusal: drop it. */
    if (c->answer->code == NULL)
        buf_reset(&c->answer->body);
    else
        jsonw_obj_end(&c->w);
    return refuse(c, status, code, detail);
}

struct jsonw *job_extra(struct job *c)
{
    buf_reset(&c->answer->body);
    jsonw_init(&c->w, &c->answer->body);
    jsonw_obj(&c->w);
    c->answer->code = "internal"; /* until job_refuse says which */
    return &c->w;
}

enum err job_not_found(struct job *c)
{
    return job_refuse(c, 404, "not-found", NULL);
}

enum err job_forbidden(struct job *c)
{
    return job_refuse(c, 403, "forbidden", NULL);
}

enum err job_invalid(struct job *c)
{
    struct jsonw *w = job_extra(c);

    jsonw_karr(w, "errors");
    for (size_t i = 0; i < c->body.errors.n; i++) {
        const struct field_error *e = &c->body.errors.items[i];

        jsonw_obj(w);
        jsonw_kcstr(w, "at", e->at);
        jsonw_kcstr(w, "code", field_code_name(e->code));
        if (e->limit != FIELD_NO_LIMIT)
            jsonw_kint(w, "limit", e->limit);
        if (e->detail[0] != 0)
            jsonw_kcstr(w, "detail", e->detail);
        jsonw_obj_end(w);
    }
    jsonw_arr_end(w);
    return job_refuse(c, 422, "invalid", NULL);
}

/* ---- answering ---- */

struct jsonw *job_json(struct job *c, uint16_t status)
{
    buf_reset(&c->answer->body);
    c->answer->status = status;
    c->answer->code = NULL;
    jsonw_init(&c->w, &c->answer->body);
    return &c->w;
}

void job_etag(struct job *c, int64_t version)
{
    (void) snprintf(c->answer->etag, sizeof(c->answer->etag), "\"%lld\"", (long long) version);
}

void job_location(struct job *c, const char *prefix, struct span id)
{
    (void) snprintf(c->answer->location, sizeof(c->answer->location), "%s/" SPAN_FMT, prefix, SPAN_ARG(id));
}

bool job_if_match_ok(struct job *c, int64_t version)
{
    struct span s = c->in->if_match;
    char want[24];

    if (s.n == 0 || span_eq_str(s, "*"))
        return true;
    (void) snprintf(want, sizeof(want), "\"%lld\"", (long long) version);
    if (span_eq_str(s, want))
        return true;
    (void) job_refuse(c, 412, "stale", "It has changed since it was read.");
    return false;
}

/* ---- who ---- */

role_mask job_roles(const struct job *c, struct span project)
{
    return c->me == NULL ? 0 : role_in(c->me->roles, c->me->n_roles, project, 0);
}

bool job_may(const struct job *c, struct span project, enum permission p)
{
    return role_may(job_roles(c, project), p);
}

bool job_is_admin(const struct job *c)
{
    return (job_roles(c, SPAN(ROLE_SYSTEM)) & ROLE_BIT(ROLE_ADMIN)) != 0;
}

bool job_in_person(struct job *c)
{
    if (!span_eq_str(c->token.kind, "api"))
        return true;
    (void) job_refuse(c, 403, "token-not-fresh", "An API token is never a fresh sign-in.");
    return false;
}

bool job_fresh(struct job *c, bool token_may)
{
    if (span_eq_str(c->token.kind, "api"))
        return token_may || job_in_person(c);
    if (c->now.real - c->token.auth_ms <= c->core->cfg.fresh_ms && c->now.real >= c->token.auth_ms)
        return true;
    (void) job_refuse(c, 401, "reauth-needed", "This needs your password again.");
    return false;
}

const char *job_client(const struct job *c)
{
    if (span_eq_str(c->token.kind, "api"))
        return "api";
    return span_eq_str(c->token.client, "web") ? "web" : "cli";
}

/* ---- after the commit ---- */

void job_after(struct job *c, void (*fn)(struct core *core, void *arg), void *arg)
{
    struct after **at = &c->after;
    struct after *a = arena_alloc(c->mem, sizeof(*a));

    if (a == NULL) /* the arena of one command is far larger than what these need */
        return;
    *a = (struct after){ .fn = fn, .arg = arg };
    while (*at != NULL)
        at = &(*at)->next;
    *at = a;
}

/* ---- ids and texts ---- */

void job_id(struct job *c, enum id_kind kind, char out[ID_CAP])
{
    uint8_t rnd[ID_RANDOM_LEN];

    c->core->env.random(c->core->env.ctx, rnd, sizeof(rnd));
    id_make(kind, rnd, out);
}

struct span job_new_id(struct job *c, enum id_kind kind)
{
    char id[ID_CAP];

    job_id(c, kind, id);
    return job_span(c, id);
}

struct span job_span(struct job *c, const char *text)
{
    return arena_span(c->mem, span_str(text));
}

struct span job_b64(struct job *c, struct span bytes)
{
    size_t cap = base64url_len(bytes.n) + 1;
    char *s = arena_alloc(c->mem, cap);

    if (s == NULL || !base64url_str(bytes.p, bytes.n, s, cap))
        return SPAN_EMPTY;
    return span_str(s);
}

/* ---- what is derived ---- */

const struct people *job_people(struct job *c, struct err_info *reterr)
{
    return people_get(c->v, &c->seat->people, reterr) == ERR_OK ? c->seat->people : NULL;
}

const struct rules *job_rules(struct job *c, struct err_info *reterr)
{
    return rules_get(c->v, &c->seat->rules, reterr) == ERR_OK ? c->seat->rules : NULL;
}

/* ---- may anything be opened ---- */

bool job_open_for_access(struct job *c, bool needs_clock)
{
    if (atomic_load(&c->core->audit_space)) {
        (void) job_refuse(c, 503, "audit-space", "The audit log has no room.");
        return false;
    }
    if (atomic_load(&c->core->audit_sealed)) {
        (void) job_refuse(c, 503, "audit-unavailable", "The audit log does not hold together.");
        return false;
    }
    if (needs_clock && atomic_load(&c->core->clock_bad)) {
        (void) job_refuse(c, 503, "clock-untrusted", "The server's clock cannot be trusted now.");
        return false;
    }
    return true;
}
