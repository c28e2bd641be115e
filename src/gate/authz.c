/*
 * What other servers ask (STANDARDS 1.12): may this client have your own content of a recording (GET /v1/authz), is this key
 * live (POST /v1/introspect)? They come with a gateway token, which names a project and the address that they serve.
 *
 * authz answers without a body: 204, 401, 403; 429 and 503 when nothing can be said. What the client sent to the gateway is passed
 * on to us as it came; which recording it is about is the gateway's own word.
 */
#include <stdio.h>
#include <stdlib.h>

#include "codec/jsonw.h"
#include "codec/url.h"
#include "crypto/hash.h"
#include "gate/allow.h"
#include "gate/handlers.h"
#include "gate/pass.h"
#include "os/clock.h"

#define URI_MAX   4096
#define BODY_MAX  4096
#define ASKED_MAX 20 /* a second and loop, of grants that are not known here: STANDARDS 1.4 step 11 */

struct authz {
    struct live_token gateway;
    struct pass pass;
    struct buf path; /* of the token's address and the original request: what the proof is for */
    char method[17];
    char text[KEY_LEN_MAX + 1]; /* introspect: the key */
    struct buf body;
};

static void on_free(struct call *c)
{
    struct authz *a = c->state;

    if (a == NULL)
        return;
    secret_wipe(a->text, sizeof(a->text));
    if (a->body.p != NULL)
        secret_wipe(a->body.p, a->body.cap);
    buf_deinit(&a->body);
    buf_deinit(&a->path);
    free(a);
    c->state = NULL;
}

/* ---- who asks ---- */

static void no_gateway(struct call *c, int status)
{
    const struct http_header challenge = { SPAN("www-authenticate"), SPAN("Keyhole-Gateway realm=\"keyhole\"") };
    const struct http_header later = { SPAN("retry-after"), SPAN("1") };

    if (c->route->id == ROUTE_introspect)
        call_problem(c, status == 401 ? "login-needed" : "keeper-unavailable", "A gateway token belongs in Keyhole-Gateway.");
    else
        call_respond(c, status, NULL, status == 401 ? &challenge : &later, 1, SPAN_EMPTY);
}

/* False: answered. */
static bool find_gateway(struct call *c, struct live_token *ret)
{
    const struct http_head *h = exchange_head(c->ex);
    struct span token = SPAN_EMPTY;
    uint8_t digest[32];

    if (http_head_count(h, "keyhole-gateway") != 1 || !http_head_get(h, "keyhole-gateway", &token) ||
        !span_starts(token, "kgt_")) {
        no_gateway(c, 401);
        return false;
    }
    sha256(token, digest);
    switch (live_tokens_find(&c->lane->gate->tokens, TOKEN_GATEWAY, digest, ret)) {
    case LIVE_TOKEN_OK: return true;
    case LIVE_TOKEN_OVER:
    case LIVE_TOKEN_UNKNOWN: no_gateway(c, 401); return false;
    case LIVE_TOKEN_UNSURE: break;
    }
    no_gateway(c, 503);
    return false;
}

/* ---- answers of authz ---- */

static void tell_audit(struct call *c, const struct pass *p, enum key_verdict v)
{
    struct refusal r = { .code = key_verdict_code(v), .prefix = call_prefix(c), .route = c->route->name };

    if (p->known) {
        r.jti = p->claims.jti;
        r.gid = p->claims.gid;
        r.rid = p->claims.rid;
        r.pid = p->claims.pid;
        r.sub = p->claims.sub;
    }
    lane_refused(c->lane, &r);
}

/* RFC 9449 7.1, RFC 6750 3: the gateway hands it to its client, who then knows what to do. */
static struct span challenge_of(const struct pass *p, enum key_verdict v, char out[200])
{
    const bool bearer = p->known && p->claims.cnf_jkt[0] == '\0';
    const char *error = v == KEY_MISSING                                        ? ""
                        : v == KEY_SCOPE                                        ? ", error=\"insufficient_scope\""
                        : p->known && p->proof.verdict == DPOP_NONCE            ? ", error=\"use_dpop_nonce\""
                        : p->known && v == KEY_BINDING && p->proof.verdict != 0 ? ", error=\"invalid_dpop_proof\""
                                                                                : ", error=\"invalid_token\"";

    (void) snprintf(out, 200, "%s realm=\"keyhole\"%s%s%s%s%s", bearer ? "Bearer" : "DPoP", error,
                    v == KEY_MISSING ? "" : ", error_description=\"", v == KEY_MISSING ? "" : key_verdict_code(v),
                    v == KEY_MISSING ? "" : "\"", bearer ? "" : ", algs=\"ES256\"");
    return span_str(out);
}

static void refuse(struct call *c, const struct pass *p, enum key_verdict v)
{
    const unsigned status = key_verdict_status(v);
    char challenge[200];
    struct http_header h[1];
    size_t n = 0;

    tell_audit(c, p, v);
    if (status <= 401 || v == KEY_SCOPE)
        h[n++] = (struct http_header){ SPAN("www-authenticate"), challenge_of(p, v, challenge) };
    else if (status == 429 || status == 503)
        h[n++] = (struct http_header){ SPAN("retry-after"), SPAN("1") };
    call_respond(c, status <= 401 ? 401 : (int) status, NULL, h, n, SPAN_EMPTY);
}

/* ---- the check ---- */

static enum key_verdict of_live(enum live_verdict v)
{
    switch (v) {
    case LIVE_OK:
    case LIVE_UNKNOWN: return KEY_OK; /* the keeper is asked before anything is said */
    case LIVE_OLD_GEN:
    case LIVE_DENIED: return KEY_REVOKED;
    case LIVE_SUSPENDED: return KEY_GRANT_SUSPENDED;
    case LIVE_ENDED: break;
    }
    return KEY_GRANT_ENDED;
}

/* Steps 9 and 11, as they stand now. */
static enum key_verdict check_live(struct call *c, const struct key_claims *k, bool asked)
{
    enum key_verdict v = lane_authority(c->lane);
    enum live_verdict live;
    int code;

    if (v == KEY_OK)
        v = key_check_time(k, clock_wall_ms(), NULL);
    if (v != KEY_OK)
        return v;
    live = gate_probe(c->lane->gate, k, &code);
    if (live == LIVE_UNKNOWN && !asked && c->lane->asked++ >= ASKED_MAX)
        return KEY_AUTHORITY_STALE;
    return of_live(live);
}

/* Step 10: the location's recording, of the gateway's project, to be played. */
static enum key_verdict check_place(struct call *c, const struct authz *a)
{
    struct span rid = SPAN_EMPTY;

    if (http_head_count(exchange_head(c->ex), "x-keyhole-recording") != 1 ||
        !http_head_get(exchange_head(c->ex), "x-keyhole-recording", &rid) || !span_eq_str(rid, a->pass.claims.rid) ||
        strcmp(a->gateway.pid, a->pass.claims.pid) != 0)
        return KEY_RECORDING_MISMATCH;
    return (a->pass.claims.scope & KEY_SCOPE_PLAY) != 0 ? KEY_OK : KEY_SCOPE;
}

static struct span url_host(const char *url)
{
    const char *at = strstr(url, "://");

    return span_str(at == NULL ? "" : at + 3);
}

/* The address that the token names, without its path; in lower case and without a default port, as it was taken. */
static bool gateway_origin(const void *ctx, struct span origin)
{
    const struct authz *a = ctx;
    struct span host, path;
    size_t scheme;

    (void) span_cut(url_host(a->gateway.url), '/', &host, &path);
    scheme = (size_t) ((const char *) host.p - a->gateway.url);
    return span_eq(origin, span_of(a->gateway.url, scheme + host.n));
}

/* "/casts/x?y" at "https://casts.example.com/a": the path "/a/casts/x". False: not a path, or a key in the address. */
static bool read_original(struct call *c, struct authz *a)
{
    const struct http_head *h = exchange_head(c->ex);
    struct span uri = SPAN_EMPTY, method = SPAN_EMPTY, host, base = SPAN_EMPTY, path, query, one;
    bool more = true;

    /* Traefik says it in its own words; its recipe removes the first two from what clients send. */
    if (!http_head_get(h, "x-original-uri", &uri))
        (void) http_head_get(h, "x-forwarded-uri", &uri);
    if (!http_head_get(h, "x-original-method", &method))
        (void) http_head_get(h, "x-forwarded-method", &method);
    if (http_head_count(h, "x-original-uri") > 1 || http_head_count(h, "x-original-method") > 1 || uri.n == 0 ||
        uri.n > URI_MAX || uri.p[0] != '/' || method.n == 0 || !span_to_str(method, a->method, sizeof(a->method)))
        return false;
    if (!span_cut(uri, '?', &path, &query))
        query = SPAN_EMPTY;
    while (more) {
        more = span_cut(query, '&', &one, &query);
        if (span_starts(one, "access_token="))
            return false;
    }
    if (span_cut(url_host(a->gateway.url), '/', &host, &base))
        buf_add_c(&a->path, '/');
    buf_add_span(&a->path, base);
    buf_add_span(&a->path, path);
    return !a->path.failed;
}

/*
 * Where the client is: known when a listed proxy says so. A bearer key is of one place, hard: of a gateway that is not listed,
 * its own. The proof of a bound key says enough.
 */
static struct span place_of(const struct call *c, const struct pass *p)
{
    const bool bound = p->claims.cnf_jkt[0] != '\0';

    return bound && !exchange_client(c->ex)->via_proxy ? SPAN_EMPTY : call_prefix(c);
}

static enum key_verdict check(struct call *c, struct authz *a)
{
    const struct proof_want want = { a->method, buf_span(&a->path), gateway_origin, a, NULL, NULL };
    enum key_verdict v = pass_find(exchange_head(c->ex), (struct tree){ 0 }, &a->pass);

    if (v == KEY_OK)
        v = pass_check(c, &a->pass);
    if (v == KEY_OK)
        v = check_place(c, a);
    if (v == KEY_OK)
        v = check_live(c, &a->pass.claims, false);
    if (v == KEY_OK)
        v = pass_bind(c, &want, place_of(c, &a->pass), &a->pass);
    return v;
}

static void on_allowed(void *ctx, enum key_verdict v)
{
    struct call *c = ctx;
    struct authz *a = c->state;

    if (v == KEY_OK && c->ex != NULL)
        v = check_live(c, &a->pass.claims, true); /* what ended while the record was written */
    if (c->ex != NULL && v == KEY_OK)
        call_no_content(c);
    else if (c->ex != NULL)
        refuse(c, &a->pass, v);
    call_unref(c);
}

static void authz(struct call *c, struct authz *a)
{
    enum key_verdict v = read_original(c, a) ? check(c, a) : KEY_INVALID_REQUEST;

    if (v != KEY_OK) {
        refuse(c, &a->pass, v);
        return;
    }
    allow_content(c->lane, &a->pass.claims, a->gateway.tid,
                  a->pass.scheme == PASS_DPOP ? SPAN_OF(a->pass.proof.sha256) : SPAN_EMPTY, on_allowed, call_ref(c));
}

/* ---- introspection (RFC 7662) ---- */

static void write_claims(struct jsonw *w, const struct key_claims *k)
{
    char scope[KEY_SCOPE_TEXT_CAP];

    if (key_scope_text(k->scope, scope))
        jsonw_kcstr(w, "scope", scope);
    jsonw_kcstr(w, "client_id", k->client_id);
    jsonw_kcstr(w, "token_type", k->cnf_jkt[0] != '\0' ? "DPoP" : "Bearer");
    jsonw_kint(w, "exp", k->exp);
    jsonw_kint(w, "iat", k->iat);
    jsonw_kint(w, "nbf", k->nbf);
    jsonw_kcstr(w, "sub", k->sub);
    jsonw_kcstr(w, "aud", k->aud);
    jsonw_kcstr(w, "iss", k->iss);
    jsonw_kcstr(w, "jti", k->jti);
    jsonw_kcstr(w, "pid", k->pid);
    jsonw_kcstr(w, "env", k->env);
    jsonw_kcstr(w, "gid", k->gid);
    jsonw_kint(w, "gen", k->gen);
    jsonw_kcstr(w, "rid", k->rid);
    jsonw_kint(w, "wend", k->wend);
    if (k->cnf_jkt[0] != '\0') {
        jsonw_kobj(w, "cnf");
        jsonw_kcstr(w, "jkt", k->cnf_jkt);
        jsonw_obj_end(w);
    }
}

/* RFC 7662 2.2: of what is not active nothing more is said, not even why. */
static void say(struct call *c, enum key_verdict v)
{
    const struct authz *a = c->state;
    struct buf b = BUF_INIT(4096);
    struct jsonw w;

    if (key_verdict_status(v) == 503) {
        call_problem(c, key_verdict_code(v), "");
        return;
    }
    jsonw_init(&w, &b);
    jsonw_obj(&w);
    jsonw_kbool(&w, "active", v == KEY_OK);
    if (v == KEY_OK)
        write_claims(&w, &a->pass.claims);
    jsonw_obj_end(&w);
    call_respond(c, 200, "application/json", NULL, 0, buf_span(&b));
    buf_deinit(&b);
}

static void on_known(void *ctx, enum key_verdict v)
{
    struct call *c = ctx;
    struct authz *a = c->state;

    if (c->ex != NULL) {
        if (v == KEY_OK)
            v = check_live(c, &a->pass.claims, true);
        if (v != KEY_OK)
            tell_audit(c, &a->pass, v);
        say(c, v);
    }
    call_unref(c);
}

static bool read_token(struct authz *a)
{
    struct buf tree = BUF_INIT(16384);
    struct span token = SPAN_EMPTY;
    bool good = !a->body.failed && url_query_parse(buf_span(&a->body), &tree, NULL) == ERR_OK &&
                tree_get_str(tree_root(buf_span(&tree)), "token", &token) && token.n > 0;

    if (good && span_to_str(token, a->text, sizeof(a->text)))
        a->pass.token = span_str(a->text);
    if (tree.p != NULL)
        secret_wipe(tree.p, tree.cap);
    buf_deinit(&tree);
    return good;
}

static void on_body_end(struct call *c)
{
    struct authz *a = c->state;
    struct span type;
    enum key_verdict v = KEY_MALFORMED;

    if (c->answered)
        return;
    if (!http_head_get(exchange_head(c->ex), "content-type", &type) ||
        !span_starts(type, "application/x-www-form-urlencoded")) {
        call_problem(c, "unsupported-media-type", "");
        return;
    }
    if (!read_token(a)) {
        call_problem(c, "bad-request", "A form with the member token is expected (RFC 7662).");
        return;
    }
    if (a->pass.token.n > 0)
        v = pass_check(c, &a->pass);
    if (v == KEY_OK && strcmp(a->gateway.pid, a->pass.claims.pid) != 0)
        v = KEY_RECORDING_MISMATCH; /* another project's: it does not exist */
    if (v == KEY_OK)
        v = check_live(c, &a->pass.claims, false);
    if (v == KEY_OK) {
        allow_known(c->lane, &a->pass.claims, on_known, call_ref(c));
        return;
    }
    tell_audit(c, &a->pass, v);
    say(c, v);
}

static void on_body(struct call *c, struct span bytes)
{
    struct authz *a = c->state;

    if (!c->answered)
        buf_add_span(&a->body, bytes);
}

static const struct call_ops ops = { .on_body = on_body, .on_body_end = on_body_end, .on_free = on_free };

void authz_answer(struct call *c)
{
    struct authz *a;
    struct live_token gateway;

    if (!find_gateway(c, &gateway))
        return;
    a = calloc(1, sizeof(*a));
    if (a == NULL) {
        call_problem(c, "overloaded", "");
        return;
    }
    a->gateway = gateway;
    buf_init(&a->path, URI_MAX + LIVE_TOKEN_URL_CAP);
    buf_init(&a->body, BODY_MAX);
    c->state = a;
    c->ops = &ops;
    if (c->route->id == ROUTE_authz)
        authz(c, a);
    else if (exchange_accept_body(c->ex, BODY_MAX) != ERR_OK)
        call_problem(c, "too-large", "");
}
