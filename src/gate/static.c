/* Files of the web app and of the player documents (STANDARDS 5.3), and the public documents of the server. */
#include "gate/handlers.h"

#include <stdio.h>

#include "gate/assets.h"
#include "gate/cors.h"
#include "gate/contract.h"
#include "os/clock.h"

#define CSP_MAX 2000

/* Every feature is off; the app alone may show a recording on the full screen. */
#define FEATURES_OFF \
    "accelerometer=(), autoplay=(), camera=(), clipboard-read=(), clipboard-write=(), display-capture=(), " \
    "encrypted-media=(), geolocation=(), gyroscope=(), hid=(), magnetometer=(), microphone=(), midi=(), " \
    "payment=(), picture-in-picture=(), publickey-credentials-get=(), screen-wake-lock=(), serial=(), usb=(), " \
    "web-share=(), xr-spatial-tracking=()"
static const char app_permissions[] = FEATURES_OFF ", fullscreen=(self)";
static const char player_permissions[] = FEATURES_OFF ", fullscreen=()";

/* Origins that may frame the player: the app's, in a demo its accounts' too. */
static void app_origins(const struct gate_settings *s, char out[600])
{
    if (s->demo && span_starts(span_str(s->public_url), "http://"))
        (void) snprintf(out, 600, "%s http://*.%s", s->public_url, s->public_url + 7);
    else
        (void) snprintf(out, 600, "%s", s->public_url);
}

/* A demo's tour shows its shop. */
static void app_csp(const struct gate_settings *s, char out[CSP_MAX])
{
    char shop[600] = "";

    if (s->demo && span_starts(span_str(s->public_url), "http://"))
        (void) snprintf(shop, sizeof(shop), " http://" SHOP_NAME ".%s", s->public_url + 7);
    (void) snprintf(out, CSP_MAX,
                    "default-src 'none'; script-src 'self'; connect-src 'self'; img-src 'self' blob:; style-src 'self'; "
                    "frame-src %s%s; frame-ancestors 'none'; base-uri 'none'; form-action 'none'; "
                    "require-trusted-types-for 'script'",
                    s->player_url, shop);
}

/* A page of somebody else's, which has the recorder in it. It may be shown in the tour. */
static void shop_csp(const struct gate_settings *s, char out[CSP_MAX])
{
    char origins[600];

    app_origins(s, origins);
    (void) snprintf(out, CSP_MAX,
                    "default-src 'none'; script-src 'self' %s; connect-src 'self' %s; img-src 'self' data:; style-src 'self'; "
                    "base-uri 'none'; form-action 'none'; frame-ancestors %s",
                    s->public_url, s->public_url, origins);
}

static void player_csp(const struct gate_settings *s, bool terminal, char out[CSP_MAX])
{
    char origins[600];

    app_origins(s, origins);
    (void) snprintf(out, CSP_MAX,
                    "default-src 'none'; script-src 'self'%s; style-src 'self' 'unsafe-inline'; img-src blob:%s; "
                    "font-src blob: data:; media-src blob: data:; connect-src 'none'; frame-src 'self'; "
                    "worker-src 'none'; object-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors %s; "
                    "sandbox allow-scripts allow-same-origin",
                    terminal ? " 'wasm-unsafe-eval'" : "", terminal ? "" : " data:", origins);
}

static size_t page_headers(const struct call *c, const struct asset *a, enum asset_site site, char csp[CSP_MAX],
                           struct http_header *to)
{
    const struct gate_settings *s = gate_settings(c->lane->gate);
    size_t n = 0;

    switch (site) {
    case ASSET_PLAYER: player_csp(s, span_eq_str(span_str(a->path), "/terminal"), csp); break;
    case ASSET_SHOP: shop_csp(s, csp); break;
    case ASSET_APP:
    case ASSET_SITE_N_: app_csp(s, csp); break;
    }
    to[n++] = (struct http_header){ SPAN("content-security-policy"), span_str(csp) };
    to[n++] = (struct http_header){ SPAN("permissions-policy"),
                                    span_str(site == ASSET_APP ? app_permissions : player_permissions) };
    to[n++] = (struct http_header){ SPAN("origin-agent-cluster"), SPAN("?1") };
    to[n++] = (struct http_header){ SPAN("x-dns-prefetch-control"), SPAN("off") };
    to[n++] = (struct http_header){ SPAN("cross-origin-opener-policy"), SPAN("same-origin") };
    if (site == ASSET_PLAYER)
        to[n++] = (struct http_header){ SPAN("cross-origin-embedder-policy"), SPAN("require-corp") };
    return n;
}

static bool accepts_gzip(const struct http_head *h)
{
    struct span v, one, rest;
    bool more = http_head_get(h, "accept-encoding", &v);

    while (more) {
        more = span_cut(v, ',', &one, &rest);
        v = rest;
        one = span_trim(one);
        if (span_eq_str(one, "gzip") || span_eq_str(one, "*"))
            return true;
        if (span_starts(one, "gzip;") && !span_starts(one, "gzip;q=0"))
            return true;
    }
    return false;
}

static void nothing(void *arg)
{
    (void) arg;
}

/* What pages of elsewhere load, to record themselves. */
static bool is_recorder(const struct asset *a)
{
    return span_eq_str(span_str(a->path), "/recorder.js") || span_starts(span_str(a->path), "/assets/keyhole-recorder-");
}

static void send_asset(struct call *c, const struct asset *a, enum asset_site site)
{
    const struct http_head *head = exchange_head(c->ex);
    struct http_header h[24];
    char csp[CSP_MAX];
    struct span match;
    const bool gz = a->gz.n > 0 && accepts_gzip(head), player = site == ASSET_PLAYER, shared = player || is_recorder(a);
    size_t n = 0;

    if (!player && shared)
        cors_script(c);

    h[n++] = (struct http_header){ SPAN("content-type"), span_str(a->mime) };
    h[n++] = (struct http_header){ SPAN("etag"), span_str(a->etag) };
    h[n++] = (struct http_header){ SPAN("vary"), c->ingest ? SPAN("accept-encoding, origin") : SPAN("accept-encoding") };
    if (c->cors_ok)
        h[n++] = (struct http_header){ SPAN("access-control-allow-origin"), c->origin };
    h[n++] = (struct http_header){ SPAN("cache-control"),
                                   a->immutable ? SPAN("public, max-age=31536000, immutable") : SPAN("no-cache") };
    h[n++] = (struct http_header){ SPAN("x-content-type-options"), SPAN("nosniff") };
    h[n++] = (struct http_header){ SPAN("referrer-policy"), SPAN("no-referrer") };
    h[n++] = (struct http_header){ SPAN("cross-origin-resource-policy"),
                                   shared ? SPAN("cross-origin") : SPAN("same-origin") };
    if (a->page)
        n += page_headers(c, a, site, csp, h + n);
    if (http_head_get(head, "if-none-match", &match) && span_eq_str(match, a->etag)) {
        if (exchange_respond(c->ex, 304, h, n, SPAN_EMPTY) != ERR_OK)
            exchange_abort(c->ex);
        return;
    }
    if (gz)
        h[n++] = (struct http_header){ SPAN("content-encoding"), SPAN("gzip") };
    if (exchange_respond_ref(c->ex, 200, h, n, gz ? a->gz : a->bytes, nothing, NULL) != ERR_OK)
        exchange_abort(c->ex);
}

void static_answer(struct call *c, enum asset_site site)
{
    const struct http_head *h = exchange_head(c->ex);
    const struct asset *a = asset_find(site, h->path);

    if (h->method != HTTP_M_GET && h->method != HTTP_M_HEAD)
        call_problem(c, "method-not-allowed", "Files are read with GET.");
    else if (a == NULL)
        call_problem(c, "not-found", "There is nothing at this address.");
    else
        send_asset(c, a, site);
}

/* ---- documents ---- */

static void send_jwks(struct call *c)
{
    struct gate *g = c->lane->gate;
    struct http_header h[4];
    struct span match;
    bool same;
    size_t n = 0;

    pthread_rwlock_rdlock(&g->keys_lock);
    same = http_head_get(exchange_head(c->ex), "if-none-match", &match) && span_eq_str(match, g->jwks_etag);
    h[n++] = (struct http_header){ SPAN("content-type"), SPAN("application/json") };
    h[n++] = (struct http_header){ SPAN("cache-control"), SPAN("public, max-age=300") };
    h[n++] = (struct http_header){ SPAN("etag"), span_str(g->jwks_etag) };
    if (g->jwks.n == 0)
        call_problem(c, "starting", "");
    else if (exchange_respond(c->ex, same ? 304 : 200, h, n, same ? SPAN_EMPTY : buf_span(&g->jwks)) != ERR_OK)
        exchange_abort(c->ex);
    pthread_rwlock_unlock(&g->keys_lock);
}

static void send_problem_page(struct call *c)
{
    const struct problem_kind *k = problem_find(c->params[0]);
    const struct http_header csp = { SPAN("content-security-policy"), SPAN("default-src 'none'; frame-ancestors 'none'") };
    struct buf b = BUF_INIT(8192);

    if (k == NULL) {
        call_problem(c, "not-found", "");
        return;
    }
    problem_page(k, &b);
    call_respond(c, 200, "text/html; charset=utf-8", &csp, 1, buf_span(&b));
    buf_deinit(&b);
}

static void send_ready(struct call *c)
{
    bool ready = lane_authority(c->lane) == KEY_OK && c->lane->keeper != NULL;

    call_respond(c, ready ? 200 : 503, "text/plain", NULL, 0, ready ? SPAN("ok\n") : SPAN("not ready\n"));
}

void documents_answer(struct call *c)
{
    switch ((int) c->route->id) {
    case ROUTE_livez: call_respond(c, 200, "text/plain", NULL, 0, SPAN("ok\n")); break;
    case ROUTE_readyz: send_ready(c); break;
    case ROUTE_jwks: send_jwks(c); break;
    case ROUTE_problem: send_problem_page(c); break;
    case ROUTE_openapi: call_respond(c, 200, "application/yaml", NULL, 0, contract_text()); break;
    default: call_problem(c, "not-found", "");
    }
}
