#include "net/http2_head.h"

#include <stdlib.h>

void http2_head_init(struct http2_head *h, const struct http1_limits *limits)
{
    *h = (struct http2_head){ .verdict = HTTP1_DONE };
    buf_init(&h->raw, 2 * limits->header_bytes + 64); /* twice: cookies are joined behind the rest */
}

void http2_head_deinit(struct http2_head *h)
{
    buf_deinit(&h->raw);
    free(h->fields);
    free(h->headers);
    h->fields = NULL;
    h->headers = NULL;
}

static struct span at(const struct http2_head *h, uint32_t from, uint32_t n)
{
    return n == 0 ? SPAN_EMPTY : span_sub(buf_span(&h->raw), from, n);
}

static struct span name_of(const struct http2_head *h, const struct http2_field *f)
{
    return at(h, f->name, f->n_name);
}

static struct span value_of(const struct http2_head *h, const struct http2_field *f)
{
    return at(h, f->value, f->n_value);
}

static struct http2_field *pseudo(struct http2_head *h, struct span name)
{
    return span_eq_str(name, ":method")      ? &h->method
           : span_eq_str(name, ":scheme")    ? &h->scheme
           : span_eq_str(name, ":authority") ? &h->authority
           : span_eq_str(name, ":path")      ? &h->path
                                             : NULL;
}

/* Where the next header goes; NULL: no memory. */
static struct http2_field *next_field(struct http2_head *h)
{
    if (h->n == h->cap) {
        size_t cap = h->cap == 0 ? 16 : h->cap * 2;
        struct http2_field *p = realloc(h->fields, cap * sizeof(*p));

        if (p == NULL)
            return NULL;
        h->fields = p;
        h->cap = cap;
    }
    return &h->fields[h->n++];
}

static enum http1_verdict keep(struct http2_head *h, struct span name, struct span value)
{
    struct http2_field *f = pseudo(h, name);

    if (f == NULL) {
        f = next_field(h);
        h->n_cookies += span_eq_str(name, "cookie");
    }
    if (f == NULL)
        return HTTP1_NOMEM;
    if (h->raw.n == 0)
        (void) buf_reserve(&h->raw, 512); /* most heads: one allocation; a failure shows below */
    *f = (struct http2_field){ (uint32_t) h->raw.n, (uint32_t) name.n, (uint32_t) (h->raw.n + name.n), (uint32_t) value.n };
    buf_add_span(&h->raw, name);
    buf_add_span(&h->raw, value);
    return h->raw.failed ? HTTP1_NOMEM : HTTP1_DONE;
}

bool http2_head_add(struct http2_head *h, const struct http1_limits *limits, struct span name, struct span value)
{
    h->bytes += name.n + value.n + 32;
    if (h->bytes > HTTP2_BOMB * limits->header_bytes)
        return false;
    if (h->verdict == HTTP1_DONE && h->bytes > limits->header_bytes)
        h->verdict = HTTP1_HEADERS_TOO_LARGE;
    if (h->verdict == HTTP1_DONE && h->n >= limits->headers && (name.n == 0 || name.p[0] != ':'))
        h->verdict = HTTP1_TOO_MANY_HEADERS;
    if (h->verdict == HTTP1_DONE)
        h->verdict = keep(h, name, value);
    return true;
}

/* RFC 9113 8.2.3: clients may send each cookie on its own; for the roles they are one header. */
static enum http1_verdict join_cookies(struct http2_head *h)
{
    struct http2_field joined = { 0 };
    size_t n = 0;

    if (h->n_cookies < 2)
        return HTTP1_DONE;
    if (buf_reserve(&h->raw, h->raw.n) == NULL) /* so that nothing moves while it is copied from itself */
        return HTTP1_NOMEM;
    for (size_t i = 0; i < h->n; i++) {
        const struct http2_field f = h->fields[i];

        if (!span_eq_str(name_of(h, &f), "cookie")) {
            h->fields[n++] = f;
            continue;
        }
        if (joined.n_name == 0)
            joined = (struct http2_field){ f.name, f.n_name, (uint32_t) h->raw.n, 0 };
        else
            buf_add_span(&h->raw, SPAN("; "));
        buf_add_span(&h->raw, value_of(h, &f));
    }
    joined.n_value = (uint32_t) h->raw.n - joined.value;
    h->fields[n++] = joined;
    h->n = n;
    return h->raw.failed ? HTTP1_NOMEM : HTTP1_DONE;
}

static enum http1_verdict index_fields(struct http2_head *h, struct http_head *ret)
{
    if (h->n > 0) {
        h->headers = calloc(h->n, sizeof(*h->headers));
        if (h->headers == NULL)
            return HTTP1_NOMEM;
    }
    for (size_t i = 0; i < h->n; i++) {
        h->headers[i] = (struct http_header){ name_of(h, &h->fields[i]), value_of(h, &h->fields[i]) };
        if (!http_is_value(h->headers[i].value))
            return HTTP1_BAD_HEADER;
    }
    ret->headers = h->headers;
    ret->n_headers = h->n;
    return HTTP1_DONE;
}

static enum http1_verdict read_target(const struct http2_head *h, const struct http1_limits *limits, struct http_head *ret)
{
    struct span scheme = value_of(h, &h->scheme);

    ret->target = value_of(h, &h->path);
    if (ret->target.n > limits->line_bytes)
        return HTTP1_LINE_TOO_LONG;
    if (!span_eq_nocase(scheme, "http") && !span_eq_nocase(scheme, "https"))
        return HTTP1_BAD_TARGET;
    if (!http_is_target(ret->target) || !span_starts(ret->target, "/"))
        return HTTP1_BAD_TARGET;
    http_split_target(ret->target, &ret->path, &ret->query);
    return HTTP1_DONE;
}

/* RFC 9113 8.3.1: :authority, or a Host that says the same. */
static enum http1_verdict read_authority(const struct http2_head *h, struct http_head *ret)
{
    struct span host, authority = value_of(h, &h->authority);
    bool has_host = http_head_get(ret, "host", &host), has_authority = h->authority.n_name > 0;

    if (http_head_count(ret, "host") > 1 || (!has_host && !has_authority) || (has_host && !http_is_authority(host)) ||
        (has_authority && !http_is_authority(authority)))
        return HTTP1_BAD_HOST;
    if (has_host && has_authority) {
        http_lower(host); /* in our own raw buffer */
        http_lower(authority);
        if (!span_eq(host, authority))
            return HTTP1_BAD_HOST;
    }
    ret->authority = has_host ? host : authority;
    return HTTP1_DONE;
}

static enum http1_verdict read_body(struct http_head *ret, bool end)
{
    struct span v;

    if (http_head_count(ret, "content-length") > 1)
        return HTTP1_BAD_LENGTH;
    if (http_head_get(ret, "content-length", &v) && !http_is_length(v, &ret->content_length))
        return HTTP1_BAD_LENGTH;
    if (http_head_doubled(ret))
        return HTTP1_DUPLICATE;
    ret->chunked = !end && ret->content_length < 0;
    if (http_head_get(ret, "expect", &v)) {
        if (!span_eq_nocase(v, "100-continue"))
            return HTTP1_BAD_EXPECT;
        ret->expect_continue = !http_head_no_body(ret);
    }
    return HTTP1_DONE;
}

enum http1_verdict http2_head_finish(struct http2_head *h, const struct http1_limits *limits, bool end,
                                     struct http_head *ret)
{
    enum http1_verdict v = h->verdict;
    bool known;

    *ret = (struct http_head){ .content_length = -1, .major = 2, .minor = 0, .keep_alive = true };
    known = http_method_of(value_of(h, &h->method), &ret->method); /* first: also a refusal to HEAD has no body */
    if (v == HTTP1_DONE)
        v = join_cookies(h);
    if (v == HTTP1_DONE)
        v = index_fields(h, ret);
    if (v == HTTP1_DONE && !known)
        v = HTTP1_BAD_METHOD;
    if (v == HTTP1_DONE)
        v = read_target(h, limits, ret);
    if (v == HTTP1_DONE)
        v = read_authority(h, ret);
    if (v == HTTP1_DONE)
        v = read_body(ret, end);
    return v;
}
