/*
 * HTTP/2 requests: what is understood holds the header's promises and does not depend on how the bytes are cut, each stream is
 * closed once, and what is sent back are whole frames of allowed size. The preface and an empty SETTINGS come first by themselves.
 */
#include <stdint.h>
#include <stdlib.h>

#include "net/http2.h"

#define STREAMS_MAX 4096

struct run {
    struct http2 *e;
    struct buf text;
    struct http2_stream *streams[STREAMS_MAX];
    size_t n, n_closed;
    bool answers, done;
    size_t to_send;
};

static void check(bool ok)
{
    if (!ok)
        abort();
}

static void remember(struct run *r, struct http2_stream *s)
{
    check(r->n < STREAMS_MAX);
    s->user = r;
    r->streams[r->n++] = s;
}

static void on_request(void *ctx, struct http2_stream *s)
{
    struct run *r = ctx;
    const struct http_head *h = &s->head;

    remember(r, s);
    check(h->path.n > 0 && h->path.p[0] == '/' && memchr(h->path.p, '#', h->path.n) == NULL);
    check(http_is_authority(h->authority) && h->major == 2);
    check(!(h->chunked && (h->content_length >= 0 || s->ended)));
    check(!(s->ended && h->content_length > 0));
    check(http_head_count(h, "cookie") <= 1);
    buf_addf(&r->text, "[%d " SPAN_FMT " " SPAN_FMT " %d %lld]", (int) h->method, SPAN_ARG(h->path), SPAN_ARG(h->query),
             h->chunked, (long long) h->content_length);
    for (size_t i = 0; i < h->n_headers; i++) {
        struct span name = h->headers[i].name;

        check(http_is_token(name) && http_is_value(h->headers[i].value) && name.p[0] != ':');
        check(!span_eq_str(name, "connection") && !span_eq_str(name, "transfer-encoding"));
        for (size_t k = 0; k < name.n; k++)
            check(name.p[k] < 'A' || name.p[k] > 'Z');
        buf_add_span(&r->text, name);
        buf_add_span(&r->text, h->headers[i].value);
    }
    if (r->answers)
        (void) http2_answer(r->e, s, 200, NULL, 0, -1, h->method != HTTP_M_HEAD, 0);
}

static void on_refused(void *ctx, struct http2_stream *s, const struct http_refusal *why)
{
    struct run *r = ctx;

    remember(r, s);
    check(why->status >= 400);
    buf_addf(&r->text, "[refused %d]", why->status);
    if (r->answers)
        (void) http2_answer(r->e, s, why->status, NULL, 0, 0, false, 0);
}

static void on_body(void *ctx, struct http2_stream *s, struct span bytes)
{
    struct run *r = ctx;

    /* Of a body that is too long a part may be seen before that is known: only heads and ends are compared. */
    http2_received(r->e, bytes.n, 0);
    http2_consumed(r->e, s, bytes.n);
}

static void on_body_end(void *ctx, struct http2_stream *s)
{
    check(s->ended);
    buf_add_str(&((struct run *) ctx)->text, "[end]");
}

static void on_closed(void *ctx, struct http2_stream *s)
{
    struct run *r = ctx;

    check(s->user == r);
    r->n_closed++;
    check(r->n_closed <= r->n);
}

static size_t on_ready(void *ctx, struct http2_stream *s, bool *ret_end)
{
    (void) s;
    *ret_end = true;
    return ((struct run *) ctx)->to_send;
}

static void on_take(void *ctx, struct http2_stream *s, uint8_t *to, size_t n, size_t at)
{
    struct run *r = ctx;

    (void) s;
    check(n <= r->to_send && at <= HTTP2_BATCH);
    memset(to, 'x', n);
    r->to_send -= n;
}

static void on_end_sent(void *ctx, struct http2_stream *s, size_t at)
{
    (void) ctx;
    (void) s;
    check(at <= HTTP2_BATCH_CAP);
}

static const struct http2_ops ops = { on_request, on_refused, on_body, on_body_end, on_closed, on_ready, on_take, on_end_sent };

/* Whole frames, none larger than a client has to take. */
static void pull(struct run *r)
{
    static uint8_t batch[HTTP2_BATCH_CAP];
    size_t n;

    for (int i = 0; i < 100 && (n = http2_pull(r->e, batch, 0)) > 0; i++) {
        size_t at = 0;

        check(n <= sizeof(batch));
        while (at < n) {
            size_t len = n - at < 9 ? SIZE_MAX : (size_t) batch[at] << 16 | (size_t) batch[at + 1] << 8 | batch[at + 2];

            check(len <= 16384);
            at += 9 + len;
        }
        check(at == n);
    }
}

static bool run(struct run *r, struct span in, size_t step, bool answers)
{
    static const char begin[] = HTTP2_PREFACE "\0\0\0\4\0\0\0\0\0\0\0\0\4\1\0\0\0\0";
    const struct http2_limits limits = { .head = { .line_bytes = 200, .header_bytes = 1000, .headers = 8 },
                                         .streams = answers ? 5u : 100000u, .abuses = answers ? 20u : 1000000000u };
    bool open = true;

    buf_init(&r->text, 4u << 20);
    r->answers = answers;
    r->to_send = 100000;
    r->e = http2_new(&limits, &ops, r, 0);
    check(r->e != NULL && http2_feed(r->e, span_of(begin, sizeof(begin) - 1), 0));
    pull(r);
    while (in.n > 0 && open) {
        open = http2_feed(r->e, span_sub(in, 0, step), 0);
        in = span_sub(in, step, SIZE_MAX);
        if (answers)
            pull(r);
    }
    pull(r);
    r->done = http2_finished(r->e);
    check(open || r->done);
    for (size_t i = 0; i < r->n; i++)
        http2_release(r->e, r->streams[i]);
    open = !http2_stopped(r->e);
    (void) http2_free(r->e);
    return open;
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    static struct run whole, cut, answered;
    struct span in;

    if (n < 1 || n > 65536)
        return 0;
    memset(&whole, 0, sizeof(whole));
    memset(&cut, 0, sizeof(cut));
    memset(&answered, 0, sizeof(answered));
    in = span_of(p + 1, n - 1);
    if (run(&whole, in, SIZE_MAX, false)) { /* the guard looks at a whole read before it is served: then order matters */
        (void) run(&cut, in, 1 + p[0] % 16, false);
        /* After a client's own GOAWAY nothing more is read: in pieces that is sooner. */
        check(cut.text.n == 0 || memcmp(whole.text.p, cut.text.p, cut.text.n) == 0);
        check(cut.done || (whole.text.n == cut.text.n && whole.n == cut.n));
        buf_deinit(&cut.text);
    }
    (void) run(&answered, in, 1 + p[0], true);
    buf_deinit(&whole.text);
    buf_deinit(&answered.text);
    return 0;
}
