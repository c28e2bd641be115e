/* From a request's head to the one that answers it. */
#include "gate/foreign.h"
#include "gate/handlers.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/hex.h"
#include "codec/url.h"
#include "gate/cors.h"

#define CALL_MEMORY_MAX (4u << 20)

static void on_body(void *user, struct exchange *ex, struct span bytes)
{
    struct call *c = user;

    (void) ex;
    if (c->ops != NULL && c->ops->on_body != NULL)
        c->ops->on_body(c, bytes);
}

static void on_body_end(void *user, struct exchange *ex)
{
    struct call *c = user;

    (void) ex;
    if (c->ops != NULL && c->ops->on_body_end != NULL)
        c->ops->on_body_end(c);
}

static void on_drained(void *user, struct exchange *ex)
{
    struct call *c = user;

    (void) ex;
    if (c->ops != NULL && c->ops->on_drained != NULL)
        c->ops->on_drained(c);
}

static void on_end(void *user, struct exchange *ex, enum exchange_end how)
{
    struct call *c = user;

    (void) ex;
    c->ex = NULL; /* first: whatever an ending leads to cannot answer any more */
    if (c->ops != NULL && c->ops->on_end != NULL)
        c->ops->on_end(c, how);
    call_unref(c);
}

static const struct exchange_ops exchange_ops = {
    .on_body = on_body,
    .on_body_end = on_body_end,
    .on_drained = on_drained,
    .on_end = on_end,
};

/* W3C traceparent: version 00, 32 and 16 lower-case hex digits, flags; anything else gets a trace of our own. */
static bool trace_from(const struct http_head *h, char out[CALL_TRACE_LEN + 1])
{
    struct span v;
    bool any = false;

    if (h == NULL || http_head_count(h, "traceparent") != 1 || !http_head_get(h, "traceparent", &v) || v.n != 55 ||
        !span_starts(v, "00-") || v.p[35] != '-' || v.p[52] != '-')
        return false;
    for (size_t i = 3; i < 55; i++) {
        bool hex = (v.p[i] >= '0' && v.p[i] <= '9') || (v.p[i] >= 'a' && v.p[i] <= 'f');

        if (i != 35 && i != 52 && !hex)
            return false;
        any = any || (i < 35 && v.p[i] != '0');
    }
    memcpy(out, v.p + 3, CALL_TRACE_LEN);
    out[CALL_TRACE_LEN] = '\0';
    return any;
}

/* Two numbers of this loop under the process's secret: unlike any other, and nothing to be guessed from the last one. */
static void trace_new(struct lane *l, char out[CALL_TRACE_LEN + 1])
{
    static const char digits[] = "0123456789abcdef";
    uint64_t seed[2] = { l->index, l->traces++ << 1 };

    for (size_t i = 0; i < 2; i++, seed[1]++) {
        uint64_t v = siphash24(l->gate->hash_secret, SPAN_OF(seed));

        for (size_t k = 0; k < 16; k++, v >>= 4)
            out[16 * i + k] = digits[v & 15];
    }
    out[CALL_TRACE_LEN] = '\0';
}

static struct call *call_new(struct lane *l, struct exchange *ex, const struct http_head *head)
{
    struct call *c = calloc(1, sizeof(*c));

    if (c == NULL) {
        exchange_abort(ex);
        return NULL;
    }
    c->lane = l;
    c->ex = ex;
    c->refs = 1;
    arena_init(&c->memory, CALL_MEMORY_MAX);
    c->prefix_len = net_addr_prefix(&exchange_client(ex)->client, c->prefix);
    if (!trace_from(head, c->trace))
        trace_new(l, c->trace);
    exchange_set(ex, &exchange_ops, c);
    return c;
}

/* Path parameters, percent-decoded. False: a bad escape. */
static bool decode_params(struct call *c, const struct route_match *m)
{
    for (size_t i = 0; i < ROUTE_PARAMS_MAX; i++) {
        struct buf b = BUF_INIT(256);
        bool good = m->params[i].n == 0 || url_decode_segment(m->params[i], &b, NULL) == ERR_OK;

        if (good && b.n > 0)
            c->params[i] = arena_span(&c->memory, buf_span(&b));
        buf_deinit(&b);
        if (!good)
            return false;
    }
    return true;
}

/* Addresses that other recorders' clients know (gate/foreign.h); none is one of the app's pages. */
static bool is_foreign(struct span path)
{
    static const char *const exact[] = { "/s/", "/e/", "/i/v0/e/", "/flags/", "/decide/" };

    for (size_t i = 0; i < sizeof(exact) / sizeof(exact[0]); i++) {
        if (span_eq_str(path, exact[i]))
            return true;
    }
    if (span_starts(path, "/recordings/")) /* the app has pages of these */
        return path.n > 7 && span_eq_str(span_sub(path, path.n - 7, 7), "/events");
    return span_starts(path, "/array/") || span_starts(path, "/api/");
}

static bool is_api(struct span path)
{
    return is_foreign(path) || span_starts(path, "/v1/") || span_eq_str(path, "/v1") || span_starts(path, "/.well-known/") ||
           span_starts(path, "/problems/") || span_eq_str(path, "/livez") || span_eq_str(path, "/readyz");
}

/* Does Host name us? Only what we were told to be: else pages of other names could use our cookies (DNS rebinding). */
static bool host_is_ours(const struct call *c, const struct http_head *h)
{
    const struct gate_settings *s = gate_settings(c->lane->gate);
    char origin[600];

    if (h->authority.n == 0)
        return true; /* HTTP/1.0: no cookie can hang on it */
    if (snprintf(origin, sizeof(origin), "%.*s://%.*s", (int) (strchr(s->public_url, ':') - s->public_url),
                 s->public_url, SPAN_ARG(h->authority)) >= (int) sizeof(origin))
        return false;
    return credential_origin_ok(c, span_str(origin));
}

/* The player's own host name on the app's port: one port is enough when the two have two names (docs/operations.md). */
static bool host_is_players(const struct call *c, const struct http_head *h)
{
    const char *host = strstr(gate_settings(c->lane->gate)->player_url, "://");

    return host != NULL && h->authority.n > 0 && span_eq_nocase(h->authority, host + 3);
}

/* A demo's page that records itself has a name of its own, too (keeper/demo_page.h). Of the API it asks where its token is, no more. */
static bool host_is_shop(const struct call *c, const struct http_head *h)
{
    const struct gate_settings *s = gate_settings(c->lane->gate);

    return s->demo && span_starts(h->authority, SHOP_NAME ".localhost");
}

static void not_found(struct call *c)
{
    call_problem(c, "not-found", "There is nothing at this address.");
}

static void to_route(struct call *c, const struct http_head *head)
{
    struct route_match m;

    switch (route_find(span_str(http_method_name(head->method)), head->path, &m)) {
    case ROUTE_NO_PATH: not_found(c); return;
    case ROUTE_NO_METHOD: {
        const struct http_header allow = { SPAN("allow"), span_str(m.allow) };
        const struct problem p = { .code = SPAN("method-not-allowed") };

        call_problem_full(c, &p, &allow, 1);
        return;
    }
    case ROUTE_FOUND: break;
    }
    c->route = m.route;
    if (!cors_begin(c))
        return;
    if (!decode_params(c, &m)) {
        call_problem(c, "bad-request", "The path has a bad percent escape.");
        return;
    }
    switch (m.route->by) {
    case BY_KEEPER: control_answer(c); return;
    case BY_REPLAY: replay_answer(c); return;
    case BY_GATE: break;
    }
    if (m.route->id == ROUTE_import)
        import_answer(c);
    else if (m.route->id == ROUTE_recording_create)
        live_create(c);
    else if (m.route->id == ROUTE_recording_events || m.route->id == ROUTE_recording_end)
        live_events(c);
    else if (import_field(m.route->id) != NULL)
        import_answer(c);
    else if (m.route->id == ROUTE_posthog_config)
        foreign_config(c);
    else if (m.route->auth == AUTH_INGEST) /* all others that take recordings */
        foreign_answer(c);
    else if (m.route->id == ROUTE_events)
        watch_answer(c);
    else if (m.route->id == ROUTE_authz || m.route->id == ROUTE_introspect)
        authz_answer(c);
    else
        documents_answer(c);
}

/* 127.0.0.1 instead of localhost: another origin with other cookies, so people are sent to the one that works. */
static bool redirect_loopback(struct call *c, const struct http_head *h)
{
    const struct gate_settings *s = gate_settings(c->lane->gate);
    char location[1200];
    struct http_header header = { SPAN("location"), SPAN_EMPTY };
    int n;

    if (!s->plain || h->method != HTTP_M_GET || is_api(h->path) || !span_starts(h->authority, "127.0.0.1"))
        return false;
    n = snprintf(location, sizeof(location), "%s%.*s%s%.*s", s->public_url, SPAN_ARG(h->path),
                 h->query.n > 0 ? "?" : "", SPAN_ARG(h->query));
    if (n < 0 || (size_t) n >= sizeof(location))
        return false;
    header.value = span_str(location);
    call_respond(c, 307, "text/plain", &header, 1, SPAN_EMPTY);
    return true;
}

void dispatch_app(void *ctx, struct exchange *ex, const struct http_head *head)
{
    struct call *c = call_new(ctx, ex, head);

    if (c == NULL)
        return;
    if (span_eq_str(head->path, "/livez") || span_eq_str(head->path, "/readyz")) {
        to_route(c, head); /* health checks come by address */
    } else if (host_is_players(c, head)) {
        static_answer(c, ASSET_PLAYER);
    } else if (!host_is_ours(c, head)) {
        if (!redirect_loopback(c, head))
            call_problem(c, "misdirected", "Use the address that the server was set up with (public_url).");
    } else if (is_api(head->path) && host_is_shop(c, head) && !span_eq_str(head->path, "/v1/demo")) {
        not_found(c);
    } else if (is_api(head->path)) {
        if (!cors_preflight(c, head))
            to_route(c, head);
    } else {
        static_answer(c, host_is_shop(c, head) ? ASSET_SHOP : ASSET_APP);
    }
}

void dispatch_player(void *ctx, struct exchange *ex, const struct http_head *head)
{
    struct call *c = call_new(ctx, ex, head);

    if (c != NULL)
        static_answer(c, ASSET_PLAYER);
}

void dispatch_refused(void *ctx, struct exchange *ex, const struct http_head *head, const struct http_refusal *why)
{
    /* A request that is being handled already (its body came too slowly …) has a call, which hears of the end. */
    struct call *c = exchange_user(ex) != NULL ? exchange_user(ex) : call_new(ctx, ex, head);
    struct problem p = { .code = span_str(why->code), .detail = why->detail, .retry_after_s = why->retry_after_s };
    char seconds[16];
    char members[160];

    if (c == NULL)
        return;
    (void) snprintf(seconds, sizeof(seconds), "%d", why->retry_after_s);
    if (why->limit != NULL) {
        (void) snprintf(members, sizeof(members), "{\"limit\":{\"name\":\"%s\",\"setting\":\"%s\"}}", why->limit,
                        why->limit);
        p.members = span_str(members);
    }
    call_problem_full(c, &p, &(struct http_header){ SPAN("retry-after"), span_str(seconds) },
                      why->retry_after_s > 0 ? 1 : 0);
}
