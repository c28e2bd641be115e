#include "gate/call.h"

#include <stdio.h>
#include <stdlib.h>

#include "codec/url.h"
#include "format/key.h"
#include "gate/cors.h"

#define SPREAD_MAX_S 5

struct call *call_ref(struct call *c)
{
    c->refs++;
    return c;
}

void call_unref(struct call *c)
{
    if (--c->refs > 0)
        return;
    if (c->ops != NULL && c->ops->on_free != NULL)
        c->ops->on_free(c);
    arena_deinit(&c->memory);
    free(c);
}

struct span call_prefix(const struct call *c)
{
    return span_of(c->prefix, c->prefix_len);
}

size_t call_headers(struct call *c, struct http_header *to, const char *mime, bool content)
{
    static const struct http_header always[] = {
        { SPAN("x-content-type-options"), SPAN("nosniff") },
        { SPAN("referrer-policy"), SPAN("no-referrer") },
    };
    static const struct http_header of_content[] = {
        { SPAN("x-accel-buffering"), SPAN("no") }, /* STANDARDS 1.8 rule 7 */
        { SPAN("vary"), SPAN("authorization, accept-encoding") },
        { SPAN("cross-origin-resource-policy"), SPAN("same-origin") },
    };
    const struct gate_settings *s = gate_settings(c->lane->gate);
    size_t n = 0;

    if (mime != NULL)
        to[n++] = (struct http_header){ SPAN("content-type"), span_str(mime) };
    to[n++] = (struct http_header){ SPAN("cache-control"), content ? SPAN("no-store, no-transform") : SPAN("no-store") };
    for (size_t i = 0; content && i < sizeof(of_content) / sizeof(of_content[0]); i++)
        to[n++] = of_content[i];
    for (size_t i = 0; i < sizeof(always) / sizeof(always[0]); i++)
        to[n++] = always[i];
    to[n++] = (struct http_header){ SPAN("trace-id"), span_of(c->trace, CALL_TRACE_LEN) };
    if (c->nonce[0] != '\0')
        to[n++] = (struct http_header){ SPAN("dpop-nonce"), span_str(c->nonce) };
    n += cors_headers(c, to + n);
    if (s->https)
        to[n++] = (struct http_header){ SPAN("strict-transport-security"), SPAN("max-age=31536000") };
    return n;
}

/* The handler's Cache-Control takes the place of ours. */
static size_t put_header(struct http_header *to, size_t n, const struct http_header *h)
{
    for (size_t i = 0; i < n && span_eq_str(h->name, "cache-control"); i++) {
        if (span_eq(to[i].name, h->name)) {
            to[i] = *h;
            return n;
        }
    }
    to[n] = *h;
    return n + 1;
}

void call_respond(struct call *c, int status, const char *mime, const struct http_header *more, size_t n_more,
                  struct span body)
{
    struct http_header headers[CALL_HEADERS_MAX * 2];
    size_t n = call_headers(c, headers, mime, false);

    if (c->ex == NULL || c->answered)
        return;
    c->answered = true;
    for (size_t i = 0; i < n_more && n < CALL_HEADERS_MAX * 2; i++)
        n = put_header(headers, n, &more[i]);
    if (exchange_respond(c->ex, status, headers, n, body) != ERR_OK)
        exchange_abort(c->ex); /* memory, or a header of ours that breaks the rules: nothing half is sent */
}

bool call_begin(struct call *c, const char *mime, const struct http_header *more, size_t n_more)
{
    struct http_header headers[CALL_HEADERS_MAX * 2];
    size_t n = call_headers(c, headers, mime, true);

    if (c->ex == NULL || c->answered)
        return false;
    c->answered = true;
    for (size_t i = 0; i < n_more && n < CALL_HEADERS_MAX * 2; i++)
        headers[n++] = more[i];
    if (exchange_begin(c->ex, 200, headers, n, -1) == ERR_OK)
        return true;
    exchange_abort(c->ex);
    return false;
}

void call_no_content(struct call *c)
{
    call_respond(c, 204, NULL, NULL, 0, SPAN_EMPTY);
}

/* Who was refused at the same moment must not come back at the same moment: up to 5 s more than is needed. */
static int spread_s(const struct call *c, int after_s)
{
    const int most = after_s + 2 < SPREAD_MAX_S ? after_s + 2 : SPREAD_MAX_S;

    return after_s + (int) (siphash24(c->lane->gate->hash_secret, span_of(c->trace, CALL_TRACE_LEN)) % (uint64_t) (most + 1));
}

/* The headers with their Retry-After spread; 'text' holds its new value. */
static const struct http_header *spread_header(const struct call *c, const struct http_header *more, size_t n,
                                               struct http_header *all, char text[16])
{
    for (size_t i = 0; i < n; i++) {
        char was[16];

        all[i] = more[i];
        if (!span_eq_nocase(more[i].name, "retry-after") || !span_to_str(more[i].value, was, sizeof(was)))
            continue;
        (void) snprintf(text, 16, "%d", spread_s(c, atoi(was)));
        all[i].value = span_str(text);
    }
    return all;
}

void call_problem_full(struct call *c, const struct problem *said, const struct http_header *more, size_t n_more)
{
    const struct gate_settings *s = gate_settings(c->lane->gate);
    struct http_header all[CALL_HEADERS_MAX];
    struct problem spread = *said, *p = &spread;
    char retry[16];
    struct buf b = BUF_INIT(1 << 20);
    int status;

    if (p->retry_after_s > 0)
        p->retry_after_s = spread_s(c, p->retry_after_s);
    n_more = n_more < CALL_HEADERS_MAX ? n_more : CALL_HEADERS_MAX;
    more = spread_header(c, more, n_more, all, retry);
    status = problem_write(p, s->public_url, c->trace, &b);
    if (b.failed) { /* the keeper's members are too long: the problem itself still goes out */
        const struct problem bare = { .code = p->code, .detail = p->detail, .replay = p->replay };

        buf_reset(&b);
        status = problem_write(&bare, s->public_url, c->trace, &b);
    }
    call_respond(c, status, "application/problem+json", more, n_more, buf_span(&b));
    buf_deinit(&b);
}

void call_problem(struct call *c, const char *code, const char *detail)
{
    const struct problem_kind *k = problem_find(span_str(code));
    const int status = k == NULL ? 500 : k->status;
    const bool later = status == 503 || status == 429;
    const struct problem p = { .code = span_str(code), .detail = detail, .retry_after_s = later ? 2 : 0 };
    const struct http_header retry = { SPAN("retry-after"), SPAN("2") };
    const struct http_header challenge = { SPAN("www-authenticate"), SPAN("Bearer realm=\"keyhole\"") };

    /* RFC 9110 11.6.1: a 401 always says how to authenticate */
    call_problem_full(c, &p, later ? &retry : &challenge, later || status == 401 ? 1 : 0);
}

enum err call_query(struct call *c, struct buf *out, struct err_info *reterr)
{
    return url_query_parse(exchange_head(c->ex)->query, out, reterr);
}
