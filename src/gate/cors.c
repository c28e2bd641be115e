#include "gate/cors.h"

#include <stdio.h>

#include "crypto/hash.h"
#include "gate/uploader.h"
#include "os/clock.h"

#define PREFLIGHT_AGE "7200" /* what Chromium keeps at most */
#define MAY_SEND      "authorization, content-type, content-encoding, batch-seq, idempotency-key, traceparent"
#define MAY_READ      "retry-after, location, trace-id"

static bool is_ingest(const struct route *r)
{
    return r->auth == AUTH_INGEST || r->id == ROUTE_recording_links_put || r->id == ROUTE_recording_links_add;
}

static void take_origin(struct call *c, const struct http_head *head)
{
    struct span origin;

    c->ingest = true;
    if (http_head_count(head, "origin") != 1 || !http_head_get(head, "origin", &origin))
        return;
    c->origin = arena_span(&c->memory, origin);
    c->cors_ok = live_tokens_origin(&c->lane->gate->tokens, SPAN_EMPTY, c->origin);
}

bool cors_preflight(struct call *c, const struct http_head *head)
{
    struct span method, asked;
    struct route_match m;
    const struct http_header more[] = {
        { SPAN("access-control-allow-methods"), SPAN("POST, PUT") },
        { SPAN("access-control-allow-headers"), SPAN(MAY_SEND) },
        { SPAN("access-control-max-age"), SPAN(PREFLIGHT_AGE) },
    };

    if (head->method != HTTP_M_OPTIONS || !http_head_get(head, "access-control-request-method", &method) ||
        route_find(method, head->path, &m) != ROUTE_FOUND || !is_ingest(m.route) || !http_head_get(head, "origin", &asked))
        return false;
    take_origin(c, head);
    if (c->cors_ok)
        call_respond(c, 204, NULL, more, 3, SPAN_EMPTY);
    else
        call_problem(c, "origin-refused", "No project lists the origin of this page (keyhole project set --origin).");
    return true;
}

bool cors_token(struct call *c, const struct live_token *t)
{
    if (c->origin.n == 0)
        return true;
    c->cors_ok = live_tokens_origin(&c->lane->gate->tokens, span_str(t->pid), c->origin);
    if (c->cors_ok || !t->browser)
        return true;
    call_problem(c, "origin-refused", "The token's project does not list the origin of this page.");
    return false;
}

/* The token that the standard routes take, if it is an ingest token that we know. */
static bool find_token(struct call *c, struct live_token *ret)
{
    const struct http_head *h = exchange_head(c->ex);
    struct span value, scheme, token;
    uint8_t sum[SHA256_LEN];

    if (http_head_count(h, "authorization") > 0) {
        if (!http_head_get(h, "authorization", &value) || !span_cut(value, ' ', &scheme, &token) ||
            !span_eq_nocase(scheme, "Bearer"))
            return false;
        token = span_trim(token);
    } else if (!uploader_query(c, "token", &token) || !uploader_is_browser(token)) {
        return false;
    }
    sha256(token, sum);
    return live_tokens_find(&c->lane->gate->tokens, TOKEN_INGEST, sum, ret) == LIVE_TOKEN_OK;
}

bool cors_begin(struct call *c)
{
    struct live_token t;

    if (!is_ingest(c->route))
        return true;
    take_origin(c, exchange_head(c->ex));
    return c->origin.n == 0 || !find_token(c, &t) || cors_token(c, &t);
}

void cors_script(struct call *c)
{
    take_origin(c, exchange_head(c->ex));
}

size_t cors_headers(const struct call *c, struct http_header *to)
{
    size_t n = 0;

    if (!c->ingest)
        return 0;
    to[n++] = (struct http_header){ SPAN("vary"), SPAN("origin") };
    if (!c->cors_ok)
        return n;
    to[n++] = (struct http_header){ SPAN("access-control-allow-origin"), c->origin };
    to[n++] = (struct http_header){ SPAN("access-control-expose-headers"), SPAN(MAY_READ) };
    return n;
}

bool cors_may_begin(struct call *c, const struct live_token *t)
{
    struct problem p = { .code = SPAN("rate-limited"), .detail = "Too many recordings were begun with this token." };
    struct http_header retry = { SPAN("retry-after"), SPAN_EMPTY };
    char seconds[16];
    int64_t wait;

    if (!t->browser)
        return true;
    wait = new_rate_take(&c->lane->gate->new_rate, NEW_RATE_RECORDING, span_str(t->tid), call_prefix(c), clock_boot_ms());
    if (wait == 0)
        return true;
    p.retry_after_s = (int) ((wait + 999) / 1000);
    (void) snprintf(seconds, sizeof(seconds), "%d", p.retry_after_s);
    retry.value = span_str(seconds);
    call_problem_full(c, &p, &retry, 1);
    return false;
}
