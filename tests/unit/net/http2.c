/*
 * The HTTP/2 engine, pure: frames written by hand go in, and what comes out is read back. The role here answers at once;
 * tests/unit/net/conn2.c has sockets, deadlines, cuts.
 */
#include "test.h"

#include <stdio.h>
#include <stdlib.h>

#include "net/http2.h"
#include "net/http2_guard.h"
#include "wire.h"

/* ---- a driver that remembers ---- */

#define SEEN_MAX 600

struct seen {
    struct http2_stream *s;
    struct peer *peer;
    struct http_head head;
    char path[64];
    const struct http_refusal *why;
    struct buf body;
    size_t to_send; /* of the answer */
    bool end, request, body_end, closed, by_peer, sent;
};

struct peer {
    struct http2 *e;
    struct seen seen[SEEN_MAX];
    size_t n;
    size_t answer; /* bytes of body that each request gets */
    bool silent;   /* no answers */
    bool hoard;    /* bodies are not given back */
    size_t held;
    struct reader r;
    struct buf out; /* for the engine */
    time_ms now;
    bool open;
};

static struct seen *remember(struct peer *p, struct http2_stream *s)
{
    struct seen *x = &p->seen[p->n++];

    assert_true(p->n <= SEEN_MAX);
    x->s = s;
    x->peer = p;
    x->head = s->head;
    buf_init(&x->body, 1u << 20);
    s->user = x;
    return x;
}

static void answer(struct seen *x, int status, size_t n)
{
    bool body = n > 0 && x->head.method != HTTP_M_HEAD;

    x->to_send = body ? n : 0;
    x->end = true;
    assert_ok(http2_answer(x->peer->e, x->s, status, NULL, 0, (int64_t) n, body, 0));
}

static void on_request(void *ctx, struct http2_stream *s)
{
    struct peer *p = ctx;
    struct seen *x = remember(p, s);

    x->request = true;
    (void) span_to_str(s->head.path, x->path, sizeof(x->path));
    if (!p->silent)
        answer(x, 200, p->answer);
}

static void on_refused(void *ctx, struct http2_stream *s, const struct http_refusal *why)
{
    struct seen *x = remember(ctx, s);

    x->why = why;
    answer(x, why->status, 0);
}

static void on_body(void *ctx, struct http2_stream *s, struct span bytes)
{
    struct peer *p = ctx;
    struct seen *x = s->user;

    buf_add_span(&x->body, bytes);
    if (p->hoard)
        p->held += bytes.n;
    http2_received(p->e, bytes.n, p->held);
    if (!p->hoard)
        http2_consumed(p->e, s, bytes.n);
}

static void on_body_end(void *ctx, struct http2_stream *s)
{
    (void) ctx;
    ((struct seen *) s->user)->body_end = true;
}

static void on_closed(void *ctx, struct http2_stream *s)
{
    struct seen *x = s->user;

    (void) ctx;
    assert_false(x->closed);
    x->closed = true;
    x->by_peer = s->by_peer;
}

static size_t on_ready(void *ctx, struct http2_stream *s, bool *ret_end)
{
    struct seen *x = s->user;

    (void) ctx;
    *ret_end = x->end;
    return x->to_send;
}

static void on_take(void *ctx, struct http2_stream *s, uint8_t *to, size_t n, size_t at)
{
    struct seen *x = s->user;

    (void) ctx;
    assert_true(n <= x->to_send && at <= HTTP2_BATCH);
    memset(to, 'x', n);
    x->to_send -= n;
}

static void on_end_sent(void *ctx, struct http2_stream *s, size_t at)
{
    (void) ctx;
    (void) at;
    assert_false(((struct seen *) s->user)->sent);
    ((struct seen *) s->user)->sent = true;
}

static const struct http2_ops ops = { on_request, on_refused, on_body, on_body_end, on_closed, on_ready, on_take, on_end_sent };

/* ---- both ends ---- */

static void pull(struct peer *p)
{
    static uint8_t batch[HTTP2_BATCH_CAP];
    size_t n;

    while ((n = http2_pull(p->e, batch, p->now)) > 0)
        r_feed(&p->r, span_of(batch, n));
}

/* Gives p->out to the engine in pieces of at most 'step', pulls after each. */
static bool push(struct peer *p, size_t step)
{
    for (size_t at = 0; at < p->out.n && p->open; at += step) {
        p->open = http2_feed(p->e, span_sub(buf_span(&p->out), at, step), p->now);
        pull(p);
        p->open = p->open && !http2_finished(p->e);
    }
    buf_reset(&p->out);
    return p->open;
}

static bool go(struct peer *p)
{
    return push(p, SIZE_MAX / 2);
}

static void start_with(struct peer *p, const struct http2_limits *limits)
{
    memset(p, 0, sizeof(*p));
    p->now = 1000000;
    p->open = true;
    buf_init(&p->out, 64u << 20);
    r_init(&p->r);
    p->e = http2_new(limits, &ops, p, p->now);
    assert_non_null(p->e);
    w_begin(&p->out);
    w_frame(&p->out, W_SETTINGS, W_ACK, 0, SPAN_EMPTY);
}

static void start(struct peer *p)
{
    start_with(p, NULL);
}

static void stop(struct peer *p)
{
    for (size_t i = 0; i < p->n; i++) {
        buf_deinit(&p->seen[i].body);
        http2_release(p->e, p->seen[i].s);
    }
    (void) http2_free(p->e);
    r_deinit(&p->r);
    buf_deinit(&p->out);
}

static struct peer peer; /* large */

/* ---- tests ---- */

static void requests_are_read_whatever_the_pieces(void **state)
{
    static const size_t steps[] = { 1, 2, 7, 9, 1000, 100000 };

    (void) state;
    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
        struct peer *p = &peer;
        struct span v;

        start(p);
        p->answer = 30000;
        w_request(&p->out, 1, "GET", "/a/b?c=d&e", "accept: text/plain\ncookie: a=1\nx-y: z\ncookie: b=2\ncookie: c=3", true);
        w_request(&p->out, 3, "POST", "/up", "content-length: 6", false);
        w_frame(&p->out, W_DATA, 0, 3, SPAN("abc"));
        w_frame(&p->out, W_DATA, W_END_STREAM, 3, SPAN("def"));
        w_request(&p->out, 5, "HEAD", "/", NULL, true);
        assert_true(push(p, steps[i]));
        assert_int_equal(p->n, 3);
        assert_span_str(p->seen[0].head.target, "/a/b?c=d&e");
        assert_span_str(p->seen[0].head.path, "/a/b");
        assert_span_str(p->seen[0].head.query, "c=d&e");
        assert_span_str(p->seen[0].head.authority, "a");
        assert_int_equal(p->seen[0].head.major, 2);
        assert_int_equal(p->seen[0].head.n_headers, 3); /* the cookies are one */
        assert_true(http_head_get(&p->seen[0].head, "cookie", &v));
        assert_span_str(v, "a=1; b=2; c=3");
        assert_true(p->seen[0].s->ended && p->seen[0].sent && p->seen[0].closed && !p->seen[0].by_peer);
        assert_int_equal(p->seen[1].head.content_length, 6);
        assert_int_equal(p->seen[1].head.method, HTTP_M_POST);
        assert_span_str(buf_span(&p->seen[1].body), "abcdef");
        assert_true(p->seen[1].body_end);
        assert_int_equal(r_stream(&p->r, 1)->status, 200);
        assert_int_equal(r_stream(&p->r, 1)->n_body, 30000);
        assert_non_null(strstr(r_stream(&p->r, 1)->head, "content-length: 30000\n"));
        assert_non_null(strstr(r_stream(&p->r, 1)->head, "date: "));
        assert_true(r_stream(&p->r, 1)->ended);
        assert_int_equal(r_stream(&p->r, 5)->n_body, 0);
        assert_non_null(strstr(r_stream(&p->r, 5)->head, "content-length: 30000\n"));
        assert_true(r_stream(&p->r, 5)->ended);
        assert_false(p->r.had_goaway);
        stop(p);
    }
}

/* What is not even a message is reset; the connection and its other streams go on. */
static void malformed_messages_are_reset(void **state)
{
    static const struct { const char *name, *headers; } cases[] = {
        { "upper case", ":method: GET\n:scheme: http\n:authority: a\n:path: /\nX-Y: 1" },
        { "space in a name", ":method: GET\n:scheme: http\n:authority: a\n:path: /\nx y: 1" },
        { "control byte in a value", ":method: GET\n:scheme: http\n:authority: a\n:path: /\nx: a\rb" },
        { "space before a value", ":method: GET\n:scheme: http\n:authority: a\n:path: /\nx:  a" },
        { "no method", ":scheme: http\n:authority: a\n:path: /" },
        { "no scheme", ":method: GET\n:authority: a\n:path: /" },
        { "no path", ":method: GET\n:scheme: http\n:authority: a" },
        { "empty path", ":method: GET\n:scheme: http\n:authority: a\n:path: " },
        { "no authority", ":method: GET\n:scheme: http\n:path: /" },
        { "two paths", ":method: GET\n:scheme: http\n:authority: a\n:path: /\n:path: /b" },
        { "unknown pseudo", ":method: GET\n:scheme: http\n:authority: a\n:path: /\n:x: b" },
        { "late pseudo", ":method: GET\n:scheme: http\n:authority: a\nx: y\n:path: /" },
        { "a status", ":method: GET\n:scheme: http\n:authority: a\n:path: /\n:status: 200" },
        { "connect", ":method: CONNECT\n:scheme: http\n:authority: a\n:path: /" },
        { "connection", ":method: GET\n:scheme: http\n:authority: a\n:path: /\nconnection: close" },
        { "keep-alive", ":method: GET\n:scheme: http\n:authority: a\n:path: /\nkeep-alive: 1" },
        { "transfer-encoding", ":method: GET\n:scheme: http\n:authority: a\n:path: /\ntransfer-encoding: chunked" },
        { "upgrade", ":method: GET\n:scheme: http\n:authority: a\n:path: /\nupgrade: h2c" },
        { "proxy-connection", ":method: GET\n:scheme: http\n:authority: a\n:path: /\nproxy-connection: x" },
        { "te", ":method: GET\n:scheme: http\n:authority: a\n:path: /\nte: gzip" },
        { "two lengths", ":method: GET\n:scheme: http\n:authority: a\n:path: /\ncontent-length: 0\ncontent-length: 0" },
        { "length no number", ":method: GET\n:scheme: http\n:authority: a\n:path: /\ncontent-length: +1" },
        { "length without body", ":method: GET\n:scheme: http\n:authority: a\n:path: /\ncontent-length: 1" },
        { "two hosts", ":method: GET\n:scheme: http\n:path: /\nhost: a\nhost: a" },
        { "path of a proxy", ":method: GET\n:scheme: http\n:authority: a\n:path: http://a/" },
        { "space in the path", ":method: GET\n:scheme: http\n:authority: a\n:path: /a b" },
        { "asterisk", ":method: GET\n:scheme: http\n:authority: a\n:path: *" },
    };
    struct peer *p = &peer;

    (void) state;
    start(p);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct buf block = BUF_INIT(4096);
        struct span line, rest = span_str(cases[i].headers), name, value;

        while (rest.n > 0) {
            (void) span_cut(rest, '\n', &line, &rest);
            (void) span_cut(span_sub(line, 1, SIZE_MAX), ':', &name, &value);
            buf_u8(&block, 0);
            w_string(&block, span_of(line.p, name.n + 1));
            w_string(&block, span_sub(value, 1, SIZE_MAX));
        }
        w_frame(&p->out, W_HEADERS, W_END_HEADERS | W_END_STREAM, (uint32_t) (4 * i + 1), buf_span(&block));
        w_get(&p->out, (uint32_t) (4 * i + 3), "/after");
        buf_deinit(&block);
        assert_true(go(p));
        if (!r_stream(&p->r, (uint32_t) (4 * i + 1))->was_reset || r_stream(&p->r, (uint32_t) (4 * i + 1))->rst != HTTP2_PROTOCOL_ERROR)
            fail_msg("%s was not reset", cases[i].name);
        assert_int_equal(r_stream(&p->r, (uint32_t) (4 * i + 3))->status, 200);
        assert_int_equal(p->n, i + 1);
    }
    stop(p);
}

/* What HTTP/1.1 answers with a status is answered here with the same. */
static void what_is_not_served_is_answered(void **state)
{
    char big[9000], path[9000];
    struct buf many = BUF_INIT(65536), large = BUF_INIT(65536);
    struct { const char *name, *method, *path, *more; int status; } cases[] = {
        { "unknown method", "BREW", "/", NULL, 501 },
        { "fragment", "GET", "/a#b", NULL, 400 },
        { "host differs", "GET", "/", "host: b", 400 },
        { "host agrees", "GET", "/", "host: A", 200 },
        { "two origins", "GET", "/", "origin: a\norigin: a", 400 },
        { "two types", "GET", "/", "content-type: a\ncontent-type: b", 400 },
        { "expectation", "GET", "/", "expect: 200-ok", 417 },
        { "trailers are taken", "GET", "/", "te: trailers", 200 },
        { "long path", "GET", path, NULL, 414 },
        { "long header", "GET", "/", NULL, 431 },
        { "many headers", "GET", "/", NULL, 431 },
    };
    struct peer *p = &peer;

    (void) state;
    memset(path, 'p', sizeof(path));
    path[0] = '/';
    path[sizeof(path) - 1] = '\0';
    memset(big, 'b', sizeof(big));
    big[sizeof(big) - 1] = '\0';
    buf_addf(&large, "x: %s\ny: %s", big, big);
    for (int i = 0; i < 101; i++)
        buf_addf(&many, "%sx: y", i > 0 ? "\n" : "");
    cases[9].more = buf_cstr(&large);
    cases[10].more = buf_cstr(&many);
    start(p);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const uint32_t id = (uint32_t) (2 * i + 1);

        if (cases[i].more == buf_cstr(&large)) { /* longer than a frame: the block is continued */
            struct buf one = BUF_INIT(65536);

            w_request(&one, id, "GET", "/", cases[i].more, true);
            w_frame(&p->out, W_HEADERS, W_END_STREAM, id, span_of(one.p + 9, 10000));
            w_frame(&p->out, W_CONT, W_END_HEADERS, id, span_of(one.p + 10009, one.n - 10009));
            buf_deinit(&one);
        } else {
            w_request(&p->out, id, cases[i].method, cases[i].path, cases[i].more, true);
        }
        assert_true(go(p));
        if (r_stream(&p->r, id)->status != cases[i].status)
            fail_msg("%s: %d", cases[i].name, r_stream(&p->r, id)->status);
    }
    stop(p);
    buf_deinit(&many);
    buf_deinit(&large);
}

static void bodies_must_be_as_long_as_they_say(void **state)
{
    struct peer *p = &peer;

    (void) state;
    start(p);
    p->silent = true;
    w_request(&p->out, 1, "POST", "/", "content-length: 4", false);
    w_frame(&p->out, W_DATA, W_END_STREAM, 1, SPAN("abc"));
    w_request(&p->out, 3, "POST", "/", "content-length: 4", false);
    w_frame(&p->out, W_DATA, 0, 3, SPAN("abcde"));
    w_request(&p->out, 5, "POST", "/", "content-length: 4", false); /* a trailer that is none */
    w_frame(&p->out, W_DATA, 0, 5, SPAN("abcd"));
    w_frame(&p->out, W_HEADERS, W_END_HEADERS | W_END_STREAM, 5, SPAN("\0\x04host\x01" "a"));
    w_request(&p->out, 7, "POST", "/", NULL, false); /* a pseudo header there */
    w_frame(&p->out, W_HEADERS, W_END_HEADERS | W_END_STREAM, 7, SPAN("\0\x05:path\x01/"));
    w_request(&p->out, 9, "POST", "/", NULL, false); /* trailers that do not end the stream */
    w_frame(&p->out, W_HEADERS, W_END_HEADERS, 9, SPAN("\0\x01x\x01y"));
    w_request(&p->out, 11, "POST", "/", NULL, false);
    w_frame(&p->out, W_DATA, 0, 11, SPAN("abcd"));
    w_frame(&p->out, W_HEADERS, W_END_HEADERS | W_END_STREAM, 11, SPAN("\0\x01x\x01y"));
    assert_true(go(p));
    for (uint32_t id = 1; id <= 9; id += 2) {
        assert_true(r_stream(&p->r, id)->was_reset);
        assert_int_equal(r_stream(&p->r, id)->rst, HTTP2_PROTOCOL_ERROR);
        assert_false(p->seen[id / 2].body_end);
        assert_true(p->seen[id / 2].closed && !p->seen[id / 2].by_peer);
    }
    assert_false(r_stream(&p->r, 11)->was_reset);
    assert_true(p->seen[5].body_end);
    assert_span_str(buf_span(&p->seen[5].body), "abcd");
    stop(p);
}

/* Connection errors end in GOAWAY with the code of RFC 9113. */
static void connection_errors_close(void **state)
{
    static const struct { const char *name; unsigned type, flags; uint32_t id; struct span payload; uint32_t code; } cases[] = {
        { "DATA on stream 0", W_DATA, 0, 0, { (const uint8_t *) "x", 1 }, 1 },
        { "DATA on an idle stream", W_DATA, 0, 9, { (const uint8_t *) "x", 1 }, 1 },
        { "even stream", W_HEADERS, 5, 2, { (const uint8_t *) "\x82", 1 }, 1 },
        { "bad HPACK", W_HEADERS, 5, 9, { (const uint8_t *) "\xff\xff\xff\xff\xff\xff", 6 }, 9 },
        { "PING of 7", W_PING, 0, 0, { (const uint8_t *) "1234567", 7 }, 6 },
        { "SETTINGS of 5", W_SETTINGS, 0, 0, { (const uint8_t *) "12345", 5 }, 6 },
        { "SETTINGS on a stream", W_SETTINGS, 0, 1, { NULL, 0 }, 1 },
        { "PUSH_PROMISE", W_PUSH, 4, 1, { (const uint8_t *) "\0\0\0\2\x82", 5 }, 1 },
        { "CONTINUATION alone", W_CONT, 4, 1, { (const uint8_t *) "\x82", 1 }, 1 },
        { "WINDOW_UPDATE 0", W_WINDOW, 0, 0, { (const uint8_t *) "\0\0\0\0", 4 }, 1 },
        { "window overflow", W_WINDOW, 0, 0, { (const uint8_t *) "\x7f\xff\xff\xff", 4 }, 3 },
        { "RST of an idle stream", W_RST, 0, 9, { (const uint8_t *) "\0\0\0\0", 4 }, 1 },
    };

    (void) state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct peer *p = &peer;

        start(p);
        w_get(&p->out, 1, "/");
        assert_true(go(p));
        w_frame(&p->out, cases[i].type, cases[i].flags, cases[i].id, cases[i].payload);
        if (go(p) || !p->r.had_goaway || p->r.goaway != cases[i].code)
            fail_msg("%s: goaway %d, code %u", cases[i].name, p->r.had_goaway, p->r.goaway);
        assert_true(http2_finished(p->e));
        stop(p);
    }
}

static void a_wrong_preface_closes(void **state)
{
    struct peer *p = &peer;

    (void) state;
    start(p);
    p->out.p[20] = 'X';
    assert_false(go(p));
    assert_true(p->r.had_goaway);
    stop(p);
    start(p);
    buf_reset(&p->out);
    buf_add_str(&p->out, HTTP2_PREFACE);
    w_frame(&p->out, W_PING, 0, 0, SPAN("12345678")); /* SETTINGS must be first */
    assert_false(go(p));
    assert_true(p->r.had_goaway);
    stop(p);
}

/* Each is allowed 'limit' times in ten seconds, and once more is too much. */
static void floods_are_counted(void **state)
{
    enum { PINGS, SETTINGS, PRIORITIES, RESETS, EMPTY_DATA, UNKNOWN, WINDOWS, MADE_RESETS, N_FLOODS };

    (void) state;
    for (int kind = 0; kind < N_FLOODS; kind++) {
        for (int over = 0; over < 2; over++) {
            const struct http2_limits limits = { .abuses = 100 };
            struct peer *p = &peer;
            int n = 100 + over;
            bool open;

            start_with(p, &limits);
            p->silent = true;
            w_request(&p->out, 1, "POST", "/", NULL, false);
            assert_true(go(p));
            if (kind == WINDOWS)
                n += 66; /* 64 at first and two for the stream are explained */
            for (int i = 0; i < n; i++) {
                const uint32_t id = (uint32_t) (3 + 2 * i);

                switch (kind) {
                case PINGS: w_frame(&p->out, W_PING, 0, 0, SPAN("12345678")); break;
                case SETTINGS: w_frame(&p->out, W_SETTINGS, 0, 0, SPAN_EMPTY); break;
                case PRIORITIES: w_frame(&p->out, W_PRIORITY, 0, 1, SPAN("\0\0\0\0\x10")); break;
                case EMPTY_DATA: w_frame(&p->out, W_DATA, 0, 1, SPAN_EMPTY); break;
                case UNKNOWN: w_frame(&p->out, 0x77, 0, 0, SPAN("?")); break;
                case WINDOWS: w_frame_u32(&p->out, W_WINDOW, 0, 0, 1); break;
                case RESETS:
                    w_get(&p->out, id, "/");
                    w_frame_u32(&p->out, W_RST, 0, id, 8);
                    break;
                default: /* MadeYouReset: a window that overflows, so that we have to reset */
                    w_get(&p->out, id, "/");
                    w_frame_u32(&p->out, W_WINDOW, 0, id, 0x7fffffff);
                    break;
                }
                if (i % 10 == 9)
                    (void) go(p);
            }
            open = go(p);
            pull(p);
            if (http2_stopped(p->e) != (over == 1) || p->r.had_goaway != (over == 1))
                fail_msg("flood %d, %d times: open %d, goaway %d", kind, n, open, p->r.had_goaway);
            if (over)
                assert_int_equal(p->r.goaway, HTTP2_ENHANCE_YOUR_CALM);
            stop(p);
        }
    }
}

static void the_count_forgets_after_ten_seconds(void **state)
{
    struct http2_guard g;
    time_ms now = 5000;

    (void) state;
    http2_guard_init(&g, 200);
    for (int i = 0; i < 200; i++)
        assert_true(http2_guard_count(&g, now));
    now += 8999;
    assert_false(http2_guard_count(&g, now));
    http2_guard_init(&g, 200);
    for (int i = 0; i < 2000; i++) { /* twenty a second for ever */
        assert_true(http2_guard_count(&g, now));
        now += 50;
    }
    now += 1000000;
    for (int i = 0; i < 200; i++)
        assert_true(http2_guard_count(&g, now));
    assert_false(http2_guard_count(&g, now));
}

static void window_updates_that_our_data_explain_are_fine(void **state)
{
    struct peer *p = &peer;

    (void) state;
    start(p);
    p->answer = 50u << 20;
    w_get(&p->out, 1, "/");
    for (int i = 0; i < 3000 && !p->r.streams[0].ended; i++) { /* a client that answers each DATA with two updates */
        assert_true(go(p));
        w_frame_u32(&p->out, W_WINDOW, 0, 0, 16384 * 4);
        w_frame_u32(&p->out, W_WINDOW, 0, 1, 16384 * 4);
    }
    assert_true(r_stream(&p->r, 1)->ended);
    assert_int_equal(r_stream(&p->r, 1)->n_body, 50u << 20);
    stop(p);
}

static void continuation_floods_close(void **state)
{
    struct peer *p = &peer;

    (void) state;
    start(p);
    w_frame(&p->out, W_HEADERS, W_END_STREAM, 1, SPAN("\x82"));
    for (int i = 0; i < HTTP2_CONTINUATIONS; i++)
        w_frame(&p->out, W_CONT, 0, 1, SPAN_EMPTY);
    assert_true(go(p));
    assert_int_equal(http2_block_since(p->e), p->now);
    w_frame(&p->out, W_CONT, 0, 1, SPAN_EMPTY);
    assert_false(go(p));
    assert_int_equal(p->r.goaway, HTTP2_ENHANCE_YOUR_CALM);
    stop(p);
}

/* A kilobyte in HPACK that unpacks to megabytes. */
static void hpack_bombs_close(void **state)
{
    struct peer *p = &peer;
    struct buf block = BUF_INIT(65536);
    char big[4001];

    (void) state;
    memset(big, 'b', sizeof(big));
    big[4000] = '\0';
    start(p);
    w_pseudo(&block, "GET", "/");
    buf_u8(&block, 0x40); /* into the dynamic table, which then has it at 62 */
    w_string(&block, SPAN("x"));
    w_string(&block, span_str(big));
    for (int i = 0; i < 4; i++)
        buf_u8(&block, 0x80 | 62);
    w_frame(&p->out, W_HEADERS, W_END_HEADERS | W_END_STREAM, 1, buf_span(&block));
    assert_true(go(p)); /* 5 x 4 KiB: over the limit, and only that */
    assert_int_equal(r_stream(&p->r, 1)->status, 431);
    for (int i = 0; i < 8000; i++)
        buf_u8(&block, 0x80 | 62);
    w_frame(&p->out, W_HEADERS, W_END_HEADERS | W_END_STREAM, 3, buf_span(&block));
    assert_false(go(p));
    assert_int_equal(p->r.goaway, HTTP2_ENHANCE_YOUR_CALM);
    assert_int_equal(p->n, 1);
    stop(p);
    buf_deinit(&block);
}

static void more_streams_than_allowed_are_refused(void **state)
{
    struct peer *p = &peer;

    (void) state;
    start(p);
    p->silent = true;
    for (uint32_t i = 0; i < 100; i++)
        w_get(&p->out, 2 * i + 1, "/");
    assert_true(go(p));
    assert_int_equal(p->n, 100);
    w_get(&p->out, 201, "/");
    assert_false(go(p)); /* the client has acknowledged the limit */
    assert_int_equal(p->r.goaway, HTTP2_PROTOCOL_ERROR);
    assert_int_equal(p->n, 100);
    stop(p);
}

static void streams_take_turns(void **state)
{
    struct peer *p = &peer;
    size_t least = SIZE_MAX, most = 0;

    (void) state;
    start(p);
    p->answer = 1u << 20;
    w_frame_u32(&p->out, W_WINDOW, 0, 0, 400000 - 65535); /* all together get 400 000 bytes */
    w_setting(&p->out, 4, 1u << 20);
    for (uint32_t i = 0; i < 10; i++)
        w_request(&p->out, 2 * i + 1, "GET", "/", i == 0 ? "priority: u=0" : "priority: u=7", true); /* not listened to */
    assert_true(go(p));
    for (uint32_t i = 0; i < 10; i++) {
        size_t n = r_stream(&p->r, 2 * i + 1)->n_body;

        least = n < least ? n : least;
        most = n > most ? n : most;
    }
    assert_true(most - least <= 2 * 16384);
    assert_true(least > 0);
    stop(p);
}

static void a_closed_window_holds_only_its_stream(void **state)
{
    struct peer *p = &peer;

    (void) state;
    start(p);
    p->answer = 65535 - 10000;
    w_setting(&p->out, 4, 0); /* no stream may get anything */
    w_get(&p->out, 1, "/");
    w_get(&p->out, 3, "/");
    assert_true(go(p));
    assert_int_equal(r_stream(&p->r, 1)->status, 200);
    assert_int_equal(r_stream(&p->r, 1)->n_body, 0);
    w_frame_u32(&p->out, W_WINDOW, 0, 3, 1 << 20);
    assert_true(go(p));
    assert_int_equal(r_stream(&p->r, 1)->n_body, 0);
    assert_true(r_stream(&p->r, 3)->ended);
    w_frame_u32(&p->out, W_WINDOW, 0, 1, 100);
    w_frame_u32(&p->out, W_WINDOW, 0, 0, 1 << 20);
    assert_true(go(p));
    assert_int_equal(r_stream(&p->r, 1)->n_body, 100);
    w_frame_u32(&p->out, W_RST, 0, 1, 8);
    assert_true(go(p));
    assert_true(p->seen[0].closed && p->seen[0].by_peer);
    assert_false(p->seen[0].sent);
    stop(p);
}

/* What the driver holds closes the connection's window, and what it uses opens it. */
static void held_bodies_push_back(void **state)
{
    static uint8_t part[16000];
    struct peer *p = &peer;
    uint32_t given;
    size_t sent = 0;

    (void) state;
    start(p);
    p->silent = p->hoard = true;
    assert_true(go(p));
    given = p->r.window + 65535;
    assert_int_equal(given, HTTP2_WINDOW_CONN);
    for (uint32_t i = 0; i < 90; i++)
        w_request(&p->out, 2 * i + 1, "POST", "/", NULL, false);
    for (uint32_t i = 0; i < 90; i++) {
        for (int k = 0; k < 4 && p->open; k++) {
            if (sent + sizeof(part) > p->r.window + 65535)
                break;
            w_frame(&p->out, W_DATA, 0, 2 * i + 1, SPAN_OF(part));
            sent += sizeof(part);
            assert_true(go(p));
        }
    }
    assert_true(http2_throttled(p->e));
    assert_true(sent > HTTP2_HELD_MAX && sent <= HTTP2_HELD_MAX + HTTP2_WINDOW_CONN);
    given = p->r.window;
    for (size_t i = 0; i < p->n; i++)
        http2_consumed(p->e, p->seen[i].s, p->seen[i].body.n);
    http2_received(p->e, 0, 0);
    pull(p);
    assert_false(http2_throttled(p->e));
    assert_true(p->r.window > given);
    stop(p);
}

static void more_body_than_the_window_is_an_error(void **state)
{
    static uint8_t part[16384];
    struct peer *p = &peer;

    (void) state;
    start(p);
    p->silent = p->hoard = true;
    w_request(&p->out, 1, "POST", "/", NULL, false);
    for (int i = 0; i < 4; i++)
        w_frame(&p->out, W_DATA, 0, 1, span_of(part, i < 3 ? 16384 : 16383));
    assert_true(go(p));
    assert_false(r_stream(&p->r, 1)->was_reset);
    w_frame(&p->out, W_DATA, 0, 1, SPAN("x"));
    (void) go(p);
    assert_true(r_stream(&p->r, 1)->was_reset || p->r.goaway == 3);
    stop(p);
}

static void interim_answers_and_resets(void **state)
{
    struct peer *p = &peer;
    const struct http_header split = { SPAN("x"), SPAN("a\r\nb") }, ours = { SPAN("Connection"), SPAN("close") },
                             fine = { SPAN("X-Mixed"), SPAN("Case") };

    (void) state;
    start(p);
    p->silent = true;
    w_request(&p->out, 1, "POST", "/", "expect: 100-continue\ncontent-length: 3", false);
    w_request(&p->out, 3, "POST", "/", NULL, false);
    assert_true(go(p));
    assert_true(p->seen[0].head.expect_continue);
    http2_continue(p->e, p->seen[0].s);
    pull(p);
    assert_int_equal(r_stream(&p->r, 1)->n_informational, 1);
    assert_err(http2_answer(p->e, p->seen[0].s, 200, &split, 1, 0, false, 0), ERR_INVAL);
    assert_err(http2_answer(p->e, p->seen[0].s, 200, &ours, 1, 0, false, 0), ERR_INVAL);
    assert_err(http2_answer(p->e, p->seen[0].s, 101, NULL, 0, 0, false, 0), ERR_INVAL);
    assert_ok(http2_answer(p->e, p->seen[0].s, 204, &fine, 1, -1, false, 0));
    http2_reset(p->e, p->seen[1].s, HTTP2_CANCEL, false);
    pull(p);
    assert_int_equal(r_stream(&p->r, 1)->status, 204);
    assert_null(strstr(r_stream(&p->r, 1)->head, "content-length"));
    assert_non_null(strstr(r_stream(&p->r, 1)->head, "x-mixed: Case\n"));
    assert_true(r_stream(&p->r, 1)->ended);
    assert_int_equal(r_stream(&p->r, 3)->rst, HTTP2_CANCEL);
    assert_true(p->seen[1].closed);
    stop(p);
}

static void draining_finishes_streams(void **state)
{
    struct peer *p = &peer;

    (void) state;
    start(p);
    p->silent = true;
    w_get(&p->out, 1, "/");
    assert_true(go(p));
    http2_drain(p->e);
    pull(p);
    assert_true(p->r.had_goaway);
    assert_int_equal(p->r.goaway, HTTP2_NO_ERROR);
    assert_int_equal(p->r.last_id, 1);
    w_get(&p->out, 3, "/"); /* was on its way: the client tries again elsewhere */
    assert_true(go(p));
    assert_int_equal(p->n, 1);
    assert_false(http2_finished(p->e));
    answer(&p->seen[0], 200, 10);
    pull(p);
    assert_true(r_stream(&p->r, 1)->ended);
    assert_true(http2_finished(p->e));
    stop(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(requests_are_read_whatever_the_pieces),
        cmocka_unit_test(malformed_messages_are_reset),
        cmocka_unit_test(what_is_not_served_is_answered),
        cmocka_unit_test(bodies_must_be_as_long_as_they_say),
        cmocka_unit_test(connection_errors_close),
        cmocka_unit_test(a_wrong_preface_closes),
        cmocka_unit_test(floods_are_counted),
        cmocka_unit_test(the_count_forgets_after_ten_seconds),
        cmocka_unit_test(window_updates_that_our_data_explain_are_fine),
        cmocka_unit_test(continuation_floods_close),
        cmocka_unit_test(hpack_bombs_close),
        cmocka_unit_test(more_streams_than_allowed_are_refused),
        cmocka_unit_test(streams_take_turns),
        cmocka_unit_test(a_closed_window_holds_only_its_stream),
        cmocka_unit_test(held_bodies_push_back),
        cmocka_unit_test(more_body_than_the_window_is_an_error),
        cmocka_unit_test(interim_answers_and_resets),
        cmocka_unit_test(draining_finishes_streams),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
