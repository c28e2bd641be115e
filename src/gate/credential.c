/* Who calls: bearer token or cookie, never both, and the CSRF rule of STANDARDS 5.1 for the cookie. */
#include "gate/handlers.h"

#include "codec/base64.h"
#include "crypto/hash.h"
#include "crypto/secret.h"

#define TOKEN_MAX 256

const char *credential_cookie_name(const struct gate_settings *s)
{
    return s->https ? "__Host-keyhole" : "keyhole";
}

/* http://NAME.localhost:PORT beside http://localhost:PORT: a demo's accounts, each with a cookie of its own. */
static bool is_demo_origin(const struct gate_settings *s, struct span origin)
{
    struct span host = span_str(s->public_url), name, rest;

    if (!s->demo || !span_starts(origin, "http://") || !span_starts(host, "http://"))
        return false;
    origin = span_sub(origin, 7, origin.n);
    host = span_sub(host, 7, host.n);
    if (!span_cut(origin, '.', &name, &rest) || name.n == 0 || name.n > 32)
        return false;
    for (size_t i = 0; i < name.n; i++) {
        if (!((name.p[i] >= 'a' && name.p[i] <= 'z') || (name.p[i] >= '0' && name.p[i] <= '9') || name.p[i] == '-'))
            return false;
    }
    return span_eq(rest, host);
}

bool credential_origin_ok(const struct call *c, struct span origin)
{
    const struct gate_settings *s = gate_settings(c->lane->gate);

    return span_eq_str(origin, s->public_url) || is_demo_origin(s, origin);
}

static bool changes(const struct http_head *h)
{
    return h->method != HTTP_M_GET && h->method != HTTP_M_HEAD;
}

/* A cookie authenticates a change only when the browser says that our own page made it. */
static bool csrf_holds(const struct call *c, const struct http_head *h)
{
    struct span origin, site, type, host;

    if (!http_head_get(h, "origin", &origin) || !credential_origin_ok(c, origin))
        return false;
    host = span_sub(origin, span_starts(origin, "https://") ? 8 : 7, origin.n);
    if (!span_eq(host, h->authority))
        return false; /* one account's page must not use another's cookie */
    if (http_head_get(h, "sec-fetch-site", &site) && !span_eq_str(site, "same-origin"))
        return false;
    if (http_head_no_body(h))
        return true;
    return http_head_get(h, "content-type", &type) && http_is_json(type);
}

static bool find_cookie(const struct http_head *h, const char *name, struct span *ret, size_t *ret_n)
{
    *ret_n = 0;
    for (size_t i = 0; i < h->n_headers; i++) {
        struct span rest = h->headers[i].value, pair, key, value;
        bool more = true;

        if (!span_eq_str(h->headers[i].name, "cookie"))
            continue;
        while (more) {
            more = span_cut(rest, ';', &pair, &rest);
            (void) span_cut(span_trim(pair), '=', &key, &value);
            if (span_eq_str(key, name)) {
                *ret = value;
                (*ret_n)++;
            }
        }
    }
    return *ret_n > 0;
}

static enum credential_verdict take_token(struct span token, enum cred_kind kind, struct credential *ret)
{
    if (token.n == 0 || token.n > TOKEN_MAX)
        return CREDENTIAL_BAD;
    ret->kind = kind;
    ret->token = token;
    sha256(token, ret->sha256);
    return CREDENTIAL_OK;
}

/* RFC 7617, of asciinema: its install id, which is the password, is an ingest token. The name is nobody's. */
static enum credential_verdict take_password(struct call *c, struct span text, struct credential *ret)
{
    uint8_t plain[2 * TOKEN_MAX];
    struct span name, token, kept;
    size_t n;

    if (!base64_parse(text, plain, sizeof(plain), &n) || !span_cut(span_of(plain, n), ':', &name, &token))
        return CREDENTIAL_BAD;
    kept = arena_span(&c->memory, token);
    secret_wipe(plain, sizeof(plain));
    return take_token(kept, CRED_BEARER, ret);
}

enum credential_verdict credential_of(struct call *c, struct credential *ret)
{
    const struct http_head *h = exchange_head(c->ex);
    const struct gate_settings *s = gate_settings(c->lane->gate);
    struct span value, scheme, token;
    size_t cookies;

    *ret = (struct credential){ .kind = CRED_NONE };
    if (http_head_count(h, "authorization") > 1)
        return CREDENTIAL_TWO;
    if (http_head_get(h, "authorization", &value)) { /* then a cookie beside it authenticates nothing */
        if (!span_cut(value, ' ', &scheme, &token))
            return CREDENTIAL_BAD;
        if (c->route != NULL && import_field(c->route->id) != NULL && span_eq_nocase(scheme, "Basic"))
            return take_password(c, span_trim(token), ret);
        if (!span_eq_nocase(scheme, "Bearer"))
            return CREDENTIAL_BAD;
        return take_token(span_trim(token), CRED_BEARER, ret);
    }
    if (!find_cookie(h, credential_cookie_name(s), &token, &cookies))
        return CREDENTIAL_OK;
    if (cookies > 1)
        return CREDENTIAL_TWO;
    if (changes(h) && !csrf_holds(c, h))
        return CREDENTIAL_CSRF;
    if (take_token(token, CRED_COOKIE, ret) != CREDENTIAL_OK)
        *ret = (struct credential){ .kind = CRED_NONE };
    return CREDENTIAL_OK;
}
