#include "net/http1.h"

#include <stdlib.h>

#include <llhttp.h>

/*
 * Two readers look at every byte of framing, and both must agree. The guard (this file) splits lines itself, so that no bare
 * line end, folded line or control byte gets further, and makes the header array; llhttp reads the same bytes and keeps
 * the state of the body. Whole lines are judged when their line end has come, in order, so the verdict does not depend
 * on how the bytes were cut into reads.
 *
 * llhttp is stopped (HPE_PAUSED) after each chunk line, each chunk's data and each message: between two stops the bytes that
 * it took are all framing or all body, which is what the guard has to know.
 */
enum phase {
    P_HEAD,
    P_LENGTH,   /* body of known length; 'left' */
    P_LINE,     /* chunk size and extensions */
    P_DATA,     /* chunk data and its line end; 'left' counts the data */
    P_TRAILERS,
    P_DONE,
    P_FAILED,
};

struct http1 {
    llhttp_t parser;
    enum phase phase;
    struct http1_limits limits;
    const struct http1_ops *ops;
    void *ctx;
    struct buf raw;      /* the head, which stays until http1_next */
    struct buf trailers; /* until they are judged */
    size_t line;        /* where in raw the current line begins */
    size_t first_len;   /* request line with its end; 0 until it is complete */
    size_t n_lines;     /* header lines */
    unsigned n_empty;   /* before the request line */
    struct http_header *headers;
    size_t cap_headers;
    struct http_head head;
    uint64_t left;
    size_t n_line;      /* bytes of this chunk line; in P_DATA: of the line end after the data */
    bool line_ext, line_cr;
    size_t seen_fields; /* llhttp's count */
    size_t seen_body;   /* bytes that llhttp gave in this call */
    bool complete, stop, keep_alive;
};

static const struct http_refusal refusals[HTTP1_N_] = {
    [HTTP1_BAD_LINE] = { 400, "bad-request", "the request line is not METHOD SP target SP HTTP/1.1", NULL, 0 },
    [HTTP1_BAD_VERSION] = { 505, "http-version", "only HTTP/1.1 and HTTP/1.0 are spoken here", NULL, 0 },
    [HTTP1_BAD_METHOD] = { 501, "not-implemented", "this method is not known here", NULL, 0 },
    [HTTP1_BAD_TARGET] = { 400, "bad-request", "the request target must be a path, or an absolute http URL without user, in visible ASCII", NULL, 0 },
    [HTTP1_BARE_LINE_END] = { 400, "bad-request", "lines must end with CR LF, and neither may stand alone", NULL, 0 },
    [HTTP1_OBS_FOLD] = { 400, "bad-request", "header lines must not be folded", NULL, 0 },
    [HTTP1_BAD_HEADER] = { 400, "bad-request", "a header line is not name, colon, value without control bytes", NULL, 0 },
    [HTTP1_BAD_HOST] = { 400, "bad-request", "exactly one valid Host is needed, equal to the target's", NULL, 0 },
    [HTTP1_BAD_LENGTH] = { 400, "bad-request", "Content-Length must be there once and be digits only", NULL, 0 },
    [HTTP1_LENGTH_AND_CODING] = { 400, "bad-request", "Content-Length and Transfer-Encoding exclude each other", NULL, 0 },
    [HTTP1_BAD_CODING] = { 400, "bad-request", "Transfer-Encoding must be exactly one 'chunked', in HTTP/1.1", NULL, 0 },
    [HTTP1_CODING_UNSUPPORTED] = { 501, "not-implemented", "the only transfer coding here is 'chunked'", NULL, 0 },
    [HTTP1_DUPLICATE] = { 400, "bad-request", "a header that must be single came twice", NULL, 0 },
    [HTTP1_BAD_EXPECT] = { 417, "expectation-failed", "the only expectation met here is 100-continue", NULL, 0 },
    [HTTP1_LINE_TOO_LONG] = { 414, "uri-too-long", "the request line is over its limit", "limits.header_bytes", 0 },
    [HTTP1_HEADERS_TOO_LARGE] = { 431, "headers-too-large", "the headers are over their limit", "limits.header_bytes", 0 },
    [HTTP1_TOO_MANY_HEADERS] = { 431, "headers-too-large", "there are too many header lines", "limits.header_bytes", 0 },
    [HTTP1_BAD_CHUNK] = { 400, "bad-request", "the chunked body is malformed", NULL, 0 },
    [HTTP1_BAD_TRAILER] = { 400, "bad-request", "a trailer is malformed, too long, or not allowed there", NULL, 0 },
    [HTTP1_TRUNCATED] = { 400, "bad-request", "the request ended early", NULL, 0 },
    [HTTP1_NOMEM] = { 503, "overloaded", "no memory for this request", NULL, 5 },
};

static const char *const names[HTTP1_N_] = {
    "more", "done", "paused", "bad-line", "bad-version", "bad-method", "bad-target", "bare-line-end", "obs-fold",
    "bad-header", "bad-host", "bad-length", "length-and-coding", "bad-coding", "coding-unsupported", "duplicate",
    "bad-expect", "line-too-long", "headers-too-large", "too-many-headers", "bad-chunk", "bad-trailer", "truncated", "nomem",
};

const struct http_refusal *http1_refusal(enum http1_verdict v)
{
    return &refusals[v];
}

const char *http1_verdict_name(enum http1_verdict v)
{
    return v < HTTP1_N_ ? names[v] : "?";
}

/* ---- llhttp's callbacks ---- */

static int on_field_complete(llhttp_t *p)
{
    struct http1 *e = p->data;

    e->seen_fields++;
    return 0;
}

static int on_headers_complete(llhttp_t *p)
{
    struct http1 *e = p->data;

    e->keep_alive = llhttp_should_keep_alive(p) != 0;
    p->upgrade = 0; /* an Upgrade is not taken: the message goes on as HTTP/1.1 */
    return 0;
}

static int on_body(llhttp_t *p, const char *at, size_t n)
{
    struct http1 *e = p->data;

    e->seen_body += n;
    if (n > e->left)
        return -1;
    e->left -= n;
    if (!e->ops->on_body(e->ctx, span_of(at, n)))
        e->stop = true;
    return 0;
}

static int on_chunk_header(llhttp_t *p)
{
    struct http1 *e = p->data;

    e->left = p->content_length;
    e->complete = true;
    return HPE_PAUSED;
}

static int on_chunk_complete(llhttp_t *p)
{
    struct http1 *e = p->data;

    if (e->phase != P_DATA) /* the last chunk: goes on to the end of the message */
        return 0;
    e->complete = true;
    return HPE_PAUSED;
}

static int on_message_complete(llhttp_t *p)
{
    struct http1 *e = p->data;

    e->complete = true;
    return HPE_PAUSED;
}

static const llhttp_settings_t settings = {
    .on_header_field_complete = on_field_complete,
    .on_headers_complete = on_headers_complete,
    .on_body = on_body,
    .on_chunk_header = on_chunk_header,
    .on_chunk_complete = on_chunk_complete,
    .on_message_complete = on_message_complete,
};

/* Gives bytes to llhttp; *ret_used says how many it took before it stopped. False: it refuses them. */
static bool execute(struct http1 *e, const uint8_t *p, size_t n, size_t *ret_used)
{
    llhttp_errno_t r;

    e->complete = false;
    e->seen_body = 0;
    r = llhttp_execute(&e->parser, (const char *) p, n);
    *ret_used = n;
    if (r == HPE_PAUSED) {
        *ret_used = (size_t) ((const uint8_t *) llhttp_get_error_pos(&e->parser) - p);
        llhttp_resume(&e->parser);
        return true;
    }
    return r == HPE_OK;
}

/* ---- life ---- */

static void begin(struct http1 *e)
{
    llhttp_init(&e->parser, HTTP_REQUEST, &settings);
    e->parser.data = e;
    e->phase = P_HEAD;
    e->line = e->first_len = e->n_lines = e->seen_fields = e->n_line = 0;
    e->n_empty = 0;
    e->left = 0;
    e->complete = e->stop = e->keep_alive = false;
    e->head = (struct http_head){ .content_length = -1 };
}

void http1_limits_fill(struct http1_limits *l)
{
    if (l->line_bytes == 0)
        l->line_bytes = 8192;
    if (l->header_bytes == 0)
        l->header_bytes = 16384;
    if (l->headers == 0)
        l->headers = 100;
}

struct http1 *http1_new(const struct http1_limits *limits, const struct http1_ops *ops, void *ctx)
{
    struct http1 *e = calloc(1, sizeof(*e));

    if (e == NULL)
        return NULL;
    if (limits != NULL)
        e->limits = *limits;
    http1_limits_fill(&e->limits);
    e->ops = ops;
    e->ctx = ctx;
    buf_init(&e->raw, e->limits.line_bytes + e->limits.header_bytes + 16);
    buf_init(&e->trailers, HTTP1_TRAILERS);
    begin(e);
    return e;
}

struct http1 *http1_free(struct http1 *e)
{
    if (e != NULL) {
        buf_deinit(&e->raw);
        buf_deinit(&e->trailers);
        free(e->headers);
        free(e);
    }
    return NULL;
}

void http1_next(struct http1 *e)
{
    if (e->raw.cap > 4096)
        buf_deinit(&e->raw); /* an idle connection holds little */
    buf_reset(&e->raw);
    buf_reset(&e->trailers);
    begin(e);
}

bool http1_begun(const struct http1 *e)
{
    return e->phase != P_HEAD || e->raw.n > 0 || e->n_empty > 0;
}

enum http1_verdict http1_eof(const struct http1 *e)
{
    if (e->phase == P_DONE)
        return HTTP1_DONE;
    return e->phase == P_HEAD && e->raw.n == 0 ? HTTP1_MORE : HTTP1_TRUNCATED;
}

/* ---- the guard: lines ---- */

/* 'line' ends with LF. Gives it without its end. */
static enum http1_verdict line_body(struct span line, struct span *ret)
{
    if (line.n < 2 || line.p[line.n - 2] != '\r' || memchr(line.p, '\r', line.n - 2) != NULL)
        return HTTP1_BARE_LINE_END;
    *ret = span_sub(line, 0, line.n - 2);
    return HTTP1_MORE;
}

static enum http1_verdict check_version(struct span v, uint8_t *minor)
{
    bool formed = v.n == 8 && memcmp(v.p, "HTTP/", 5) == 0 && v.p[5] >= '0' && v.p[5] <= '9' && v.p[6] == '.' &&
                  v.p[7] >= '0' && v.p[7] <= '9';

    if (!formed)
        return HTTP1_BAD_LINE;
    if (v.p[5] != '1' || v.p[7] > '1')
        return HTTP1_BAD_VERSION;
    *minor = (uint8_t) (v.p[7] - '0');
    return HTTP1_MORE;
}

static enum http1_verdict check_request_line(struct http1 *e, struct span line)
{
    struct span method, target, version;
    enum http1_verdict v;
    uint8_t minor = 0;

    /* No second space: HTTP/0.9. A third: the version is then malformed. */
    if (!span_cut(line, ' ', &method, &target) || !span_cut(target, ' ', &target, &version) || !http_is_token(method) ||
        target.n == 0)
        return HTTP1_BAD_LINE;
    v = check_version(version, &minor);
    if (v != HTTP1_MORE)
        return v;
    if (!http_method_of(method, &e->head.method))
        return HTTP1_BAD_METHOD;
    if (!http_is_target(target))
        return HTTP1_BAD_TARGET;
    e->head.major = 1;
    e->head.minor = minor;
    return HTTP1_MORE;
}

static enum http1_verdict split_header(struct span line, struct http_header *ret)
{
    /* NOLINTNEXTLINE(clang-analyzer-core.NullDereference): an empty line ends the head and never comes here */
    if (line.p[0] == ' ' || line.p[0] == '\t')
        return HTTP1_OBS_FOLD;
    if (!span_cut(line, ':', &ret->name, &ret->value) || !http_is_token(ret->name))
        return HTTP1_BAD_HEADER;
    ret->value = span_trim(ret->value);
    return http_is_value(ret->value) ? HTTP1_MORE : HTTP1_BAD_HEADER;
}

/* ---- the guard: what the head says ---- */

/* "http://host/path" gives host and path; the authority must be the Host's. */
static enum http1_verdict absolute_target(struct http1 *e, struct span *rest, struct span *authority)
{
    struct span t = e->head.target;
    size_t skip = t.n >= 7 && span_eq_nocase(span_sub(t, 0, 7), "http://")    ? 7
                  : t.n >= 8 && span_eq_nocase(span_sub(t, 0, 8), "https://") ? 8
                                                                              : 0;
    size_t i = 0;

    if (skip == 0)
        return HTTP1_BAD_TARGET;
    t = span_sub(t, skip, SIZE_MAX);
    while (i < t.n && t.p[i] != '/' && t.p[i] != '?')
        i++;
    *authority = span_sub(t, 0, i);
    *rest = span_sub(t, i, SIZE_MAX);
    return http_is_authority(*authority) ? HTTP1_MORE : HTTP1_BAD_TARGET;
}

static enum http1_verdict read_target(struct http1 *e)
{
    struct http_head *h = &e->head;
    struct span host, authority = SPAN_EMPTY, rest = h->target;
    size_t n_host = http_head_count(h, "host");
    enum http1_verdict v;

    (void) http_head_get(h, "host", &host);
    if (n_host > 1 || (n_host == 0 && h->minor > 0) || (n_host == 1 && !http_is_authority(host)))
        return HTTP1_BAD_HOST;
    if (h->target.p[0] != '/') {
        v = absolute_target(e, &rest, &authority);
        if (v != HTTP1_MORE)
            return v;
        http_lower(authority);
        if (n_host == 1) {
            http_lower(host);
            if (!span_eq(host, authority))
                return HTTP1_BAD_HOST;
        }
    }
    h->authority = n_host == 1 ? host : authority;
    http_split_target(rest, &h->path, &h->query);
    return HTTP1_MORE;
}

static enum http1_verdict read_framing(struct http1 *e)
{
    struct http_head *h = &e->head;
    size_t n_len = http_head_count(h, "content-length"), n_te = http_head_count(h, "transfer-encoding");
    struct span v;

    if (n_te > 0 && n_len > 0)
        return HTTP1_LENGTH_AND_CODING;
    if (n_len > 1)
        return HTTP1_BAD_LENGTH;
    if (n_len == 1) {
        (void) http_head_get(h, "content-length", &v);
        if (!http_is_length(v, &h->content_length))
            return HTTP1_BAD_LENGTH;
    }
    if (n_te == 0)
        return HTTP1_MORE;
    (void) http_head_get(h, "transfer-encoding", &v);
    if (n_te > 1 || h->minor == 0)
        return HTTP1_BAD_CODING;
    if (span_eq_nocase(v, "gzip, chunked") || span_eq_nocase(v, "deflate, chunked") ||
        span_eq_nocase(v, "compress, chunked"))
        return HTTP1_CODING_UNSUPPORTED;
    if (!span_eq_nocase(v, "chunked"))
        return HTTP1_BAD_CODING;
    h->chunked = true;
    return HTTP1_MORE;
}

static enum http1_verdict read_rest(struct http1 *e)
{
    struct http_head *h = &e->head;
    struct span v;

    if (http_head_doubled(h))
        return HTTP1_DUPLICATE;
    if (h->minor > 0 && http_head_get(h, "expect", &v)) {
        if (!span_eq_nocase(v, "100-continue"))
            return HTTP1_BAD_EXPECT;
        h->expect_continue = h->chunked || h->content_length > 0;
    }
    return HTTP1_MORE;
}

/* Fills head.target and headers from the complete raw head, whose lines were checked. */
static enum http1_verdict index_head(struct http1 *e)
{
    struct span raw = buf_span(&e->raw), line, method;

    if (e->n_lines > e->cap_headers) {
        struct http_header *p = realloc(e->headers, e->n_lines * sizeof(*p));

        if (p == NULL)
            return HTTP1_NOMEM;
        e->headers = p;
        e->cap_headers = e->n_lines;
    }
    (void) span_cut(raw, '\n', &line, &raw);
    (void) span_cut(line, ' ', &method, &line);
    (void) span_cut(line, ' ', &e->head.target, &line);
    for (size_t i = 0; i < e->n_lines; i++) {
        (void) span_cut(raw, '\n', &line, &raw);
        (void) split_header(span_sub(line, 0, line.n - 1), &e->headers[i]);
        http_lower(e->headers[i].name); /* in our own raw buffer */
    }
    e->head.headers = e->headers;
    e->head.n_headers = e->n_lines;
    return HTTP1_MORE;
}

/* llhttp's opinion of a head that the guard has passed. */
static enum http1_verdict cross_check(struct http1 *e)
{
    const struct http_head *h = &e->head;
    size_t used;

    if (!execute(e, e->raw.p, e->raw.n, &used)) {
        switch ((int) llhttp_get_errno(&e->parser)) { /* an int: most of llhttp's codes are of no interest here */
        case HPE_INVALID_METHOD: return HTTP1_BAD_METHOD;
        case HPE_INVALID_URL: return HTTP1_BAD_TARGET;
        case HPE_INVALID_VERSION: return HTTP1_BAD_VERSION;
        case HPE_INVALID_CONTENT_LENGTH: return HTTP1_BAD_LENGTH;
        case HPE_UNEXPECTED_CONTENT_LENGTH: return HTTP1_BAD_LENGTH;
        case HPE_INVALID_TRANSFER_ENCODING: return HTTP1_BAD_CODING;
        default: return HTTP1_BAD_HEADER;
        }
    }
    if (used != e->raw.n || e->seen_fields != h->n_headers || ((e->parser.flags & F_CHUNKED) != 0) != h->chunked ||
        (h->content_length > 0 && e->parser.content_length != (uint64_t) h->content_length) ||
        e->complete != http_head_no_body(h))
        return HTTP1_BAD_HEADER; /* two opinions are one too many */
    return HTTP1_MORE;
}

static enum http1_verdict finish_head(struct http1 *e)
{
    enum http1_verdict v = index_head(e);

    if (v == HTTP1_MORE)
        v = read_framing(e);
    if (v == HTTP1_MORE)
        v = read_target(e);
    if (v == HTTP1_MORE)
        v = read_rest(e);
    if (v == HTTP1_MORE)
        v = cross_check(e);
    if (v != HTTP1_MORE)
        return v;
    e->head.keep_alive = e->keep_alive;
    if (http_head_no_body(&e->head)) {
        e->phase = P_DONE;
    } else if (e->head.chunked) {
        e->phase = P_LINE;
        e->n_line = 0;
        e->line_ext = e->line_cr = false;
    } else {
        e->phase = P_LENGTH;
        e->left = (uint64_t) e->head.content_length;
    }
    e->stop = !e->ops->on_head(e->ctx, &e->head);
    if (e->phase == P_DONE)
        return HTTP1_DONE;
    return e->stop ? HTTP1_PAUSED : HTTP1_MORE;
}

/* A complete line lies at the end of raw. */
static enum http1_verdict take_line(struct http1 *e)
{
    struct span body = SPAN_EMPTY;
    struct http_header header;
    enum http1_verdict v = line_body(span_sub(buf_span(&e->raw), e->line, SIZE_MAX), &body);

    if (v != HTTP1_MORE)
        return v;
    e->line = e->raw.n;
    if (e->first_len == 0) {
        if (body.n == 0) { /* RFC 9112 2.2: one empty line before the request is forgiven */
            buf_reset(&e->raw);
            e->line = 0;
            return e->n_empty++ == 0 ? HTTP1_MORE : HTTP1_BAD_LINE;
        }
        e->first_len = e->raw.n;
        return check_request_line(e, body);
    }
    if (body.n == 0)
        return finish_head(e);
    v = split_header(body, &header);
    if (v == HTTP1_MORE && ++e->n_lines > e->limits.headers)
        v = HTTP1_TOO_MANY_HEADERS;
    return v;
}

static enum http1_verdict feed_head(struct http1 *e, struct span in, size_t *ret_used)
{
    enum http1_verdict v = HTTP1_MORE;

    while (*ret_used < in.n && v == HTTP1_MORE && e->phase == P_HEAD) {
        struct span rest = span_sub(in, *ret_used, SIZE_MAX);
        const uint8_t *lf = memchr(rest.p, '\n', rest.n);
        size_t n = lf == NULL ? rest.n : (size_t) (lf - rest.p) + 1;

        if (e->raw.n == 0 && rest.p[0] != '\r' && !http_is_token(span_sub(rest, 0, 1)))
            return rest.p[0] == '\n' ? HTTP1_BARE_LINE_END : HTTP1_BAD_LINE; /* another protocol: why wait for a line */
        if (e->first_len == 0 && e->raw.n + n > e->limits.line_bytes)
            return HTTP1_LINE_TOO_LONG;
        if (e->first_len > 0 && e->raw.n + n - e->first_len > e->limits.header_bytes + 2)
            return HTTP1_HEADERS_TOO_LARGE;
        buf_add(&e->raw, rest.p, n);
        if (e->raw.failed)
            return HTTP1_NOMEM;
        *ret_used += n;
        if (lf != NULL)
            v = take_line(e);
    }
    return v;
}

/* ---- the guard: bodies ---- */

static enum http1_verdict feed_length(struct http1 *e, struct span in, size_t *ret_used)
{
    size_t used, n = in.n < e->left ? in.n : (size_t) e->left;

    if (!execute(e, in.p, n, &used) || used != n)
        return HTTP1_BAD_CHUNK; /* cannot be: llhttp counts the same bytes */
    *ret_used += n;
    if (e->left > 0)
        return HTTP1_MORE;
    e->phase = P_DONE;
    return HTTP1_DONE;
}

/* Size in hex, directly followed by CR LF or ';' and visible ASCII. */
static bool chunk_line_ok(struct http1 *e, struct span s)
{
    for (size_t i = 0; i < s.n; i++) {
        uint8_t c = s.p[i];
        bool hex = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');

        if (++e->n_line > HTTP1_CHUNK_LINE)
            return false;
        if (e->line_cr) {
            if (c != '\n' || i + 1 != s.n)
                return false;
        } else if (c == '\r') {
            if (e->n_line == 1)
                return false;
            e->line_cr = true;
        } else if (!e->line_ext && !hex) {
            if (c != ';' || e->n_line == 1)
                return false;
            e->line_ext = true;
        } else if (c != '\t' && (c < 0x20 || c > 0x7e)) {
            return false;
        }
    }
    return true;
}

static enum http1_verdict feed_line(struct http1 *e, struct span in, size_t *ret_used)
{
    size_t used;

    if (!execute(e, in.p, in.n, &used) || e->seen_body > 0 || !chunk_line_ok(e, span_sub(in, 0, used)))
        return HTTP1_BAD_CHUNK;
    *ret_used += used;
    if (!e->complete)
        return HTTP1_MORE;
    if (!e->line_cr || e->left > HTTP1_CHUNK_MAX)
        return HTTP1_BAD_CHUNK;
    e->n_line = 0;
    e->line_ext = e->line_cr = false;
    if (e->left > 0) {
        e->phase = P_DATA;
    } else {
        e->phase = P_TRAILERS;
    }
    return HTTP1_MORE;
}

static enum http1_verdict feed_data(struct http1 *e, struct span in, size_t *ret_used)
{
    static const char end[2] = "\r\n";
    size_t used;

    if (!execute(e, in.p, in.n, &used))
        return HTTP1_BAD_CHUNK;
    for (size_t i = e->seen_body; i < used; i++) {
        /* NOLINTNEXTLINE(clang-analyzer-core.NullDereference): used is at most in.n */
        if (e->n_line >= sizeof(end) || in.p[i] != end[e->n_line++])
            return HTTP1_BAD_CHUNK;
    }
    *ret_used += used;
    if (!e->complete)
        return HTTP1_MORE;
    if (e->n_line != sizeof(end) || e->left > 0)
        return HTTP1_BAD_CHUNK;
    e->phase = P_LINE;
    e->n_line = 0;
    return HTTP1_MORE;
}

static bool trailers_ok(struct span raw)
{
    while (raw.n > 0) {
        struct span line, body = SPAN_EMPTY, rest;
        struct http_header h;

        if (!span_cut(raw, '\n', &line, &rest) || line_body(span_of(raw.p, line.n + 1), &body) != HTTP1_MORE)
            return false;
        raw = rest;
        if (body.n == 0)
            return raw.n == 0;
        if (split_header(body, &h) != HTTP1_MORE || !http_is_trailer(h.name))
            return false;
    }
    return false;
}

static enum http1_verdict feed_trailers(struct http1 *e, struct span in, size_t *ret_used)
{
    size_t used;
    bool ok;

    if (!execute(e, in.p, in.n, &used))
        return HTTP1_BAD_TRAILER;
    buf_add(&e->trailers, in.p, used); /* failed: over the limit, which is the buffer's ceiling */
    if (e->trailers.failed)
        return HTTP1_BAD_TRAILER;
    *ret_used += used;
    if (!e->complete)
        return HTTP1_MORE;
    ok = trailers_ok(buf_span(&e->trailers));
    buf_deinit(&e->trailers);
    if (!ok)
        return HTTP1_BAD_TRAILER;
    e->phase = P_DONE;
    return HTTP1_DONE;
}

static enum http1_verdict feed_step(struct http1 *e, struct span in, size_t *ret_used)
{
    switch (e->phase) {
    case P_HEAD: return feed_head(e, in, ret_used);
    case P_LENGTH: return feed_length(e, in, ret_used);
    case P_LINE: return feed_line(e, in, ret_used);
    case P_DATA: return feed_data(e, in, ret_used);
    case P_TRAILERS: return feed_trailers(e, in, ret_used);
    case P_DONE: return HTTP1_DONE;
    case P_FAILED: return HTTP1_BAD_LINE;
    }
    return HTTP1_BAD_LINE;
}

enum http1_verdict http1_feed(struct http1 *e, struct span in, size_t *ret_used)
{
    enum http1_verdict v = HTTP1_MORE;

    *ret_used = 0;
    e->stop = false;
    while (v == HTTP1_MORE && *ret_used < in.n && !e->stop) {
        size_t used = 0;

        v = feed_step(e, span_sub(in, *ret_used, SIZE_MAX), &used);
        *ret_used += used;
    }
    if (v > HTTP1_PAUSED)
        e->phase = P_FAILED;
    return v == HTTP1_MORE && e->stop ? HTTP1_PAUSED : v;
}
