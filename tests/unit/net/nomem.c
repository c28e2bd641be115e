/*
 * The HTTP/2 engine when allocation n fails, for every n: nothing crashes, each stream that was given is closed or can still be
 * released, and the client gets whole frames. Sanitizers have allocators of their own, so there it is skipped.
 */
#include "test.h"

#include <stdlib.h>

#include "net/http2.h"
#include "wire.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || __has_feature(memory_sanitizer)
#define SANITIZED 1
#endif
#endif

#ifdef SANITIZED

static void every_allocation_may_fail(void **state)
{
    (void) state;
    skip();
}

#else

/* ---- the allocation that fails ---- */

static long until_failure = -1; /* -1: none fails */
static bool failed;

static bool fails(void)
{
    if (until_failure < 0 || until_failure-- > 0)
        return false;
    failed = true;
    return true;
}

void *__libc_malloc(size_t n);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *p, size_t n);

void *malloc(size_t n)
{
    return fails() ? NULL : __libc_malloc(n);
}

void *calloc(size_t n, size_t size)
{
    return fails() ? NULL : __libc_calloc(n, size);
}

void *realloc(void *p, size_t n)
{
    return fails() ? NULL : __libc_realloc(p, n);
}

/* ---- a driver without memory of its own ---- */

struct driver {
    struct http2 *e;
    struct http2_stream *streams[16];
    size_t n, n_closed, to_send;
};

static void begin(struct driver *d, struct http2_stream *s, int status)
{
    assert_true(d->n < 16);
    d->streams[d->n++] = s;
    s->user = d;
    if (http2_answer(d->e, s, status, NULL, 0, -1, true, 0) != ERR_OK)
        http2_reset(d->e, s, HTTP2_INTERNAL_ERROR, false);
    http2_widen(d->e, s);
}

static void on_request(void *ctx, struct http2_stream *s)
{
    assert_true(http_is_authority(s->head.authority) && s->head.path.n > 0);
    begin(ctx, s, 200);
}

static void on_refused(void *ctx, struct http2_stream *s, const struct http_refusal *why)
{
    begin(ctx, s, why->status);
}

static void on_body(void *ctx, struct http2_stream *s, struct span bytes)
{
    struct driver *d = ctx;

    http2_received(d->e, bytes.n, 0);
    http2_consumed(d->e, s, bytes.n);
}

static void on_body_end(void *ctx, struct http2_stream *s)
{
    http2_more(((struct driver *) ctx)->e, s);
}

static void on_closed(void *ctx, struct http2_stream *s)
{
    struct driver *d = ctx;

    assert_ptr_equal(s->user, d);
    d->n_closed++;
}

static size_t on_ready(void *ctx, struct http2_stream *s, bool *ret_end)
{
    (void) ctx;
    *ret_end = s->ended;
    return s->ended ? 1000 : 0;
}

static void on_take(void *ctx, struct http2_stream *s, uint8_t *to, size_t n, size_t at)
{
    (void) ctx;
    (void) s;
    (void) at;
    memset(to, 'x', n);
}

static void on_end_sent(void *ctx, struct http2_stream *s, size_t at)
{
    (void) ctx;
    (void) s;
    (void) at;
}

static const struct http2_ops ops = { on_request, on_refused, on_body, on_body_end, on_closed, on_ready, on_take, on_end_sent };

static void whole_frames(const uint8_t *p, size_t n)
{
    size_t at = 0;

    while (at < n)
        at += 9 + ((size_t) p[at] << 16 | (size_t) p[at + 1] << 8 | p[at + 2]);
    assert_int_equal(at, n);
}

static void play(struct span in)
{
    static uint8_t batch[HTTP2_BATCH_CAP];
    struct driver d = { 0 };
    size_t n;
    bool open = true;

    d.e = http2_new(NULL, &ops, &d, 0);
    if (d.e == NULL)
        return;
    while (in.n > 0 && open) {
        open = http2_feed(d.e, span_sub(in, 0, 300), 0);
        in = span_sub(in, 300, SIZE_MAX);
        while ((n = http2_pull(d.e, batch, 0)) > 0)
            whole_frames(batch, n);
    }
    http2_drain(d.e);
    while ((n = http2_pull(d.e, batch, 0)) > 0)
        whole_frames(batch, n);
    assert_true(open || http2_finished(d.e));
    assert_true(d.n_closed <= d.n);
    for (size_t i = 0; i < d.n; i++)
        http2_release(d.e, d.streams[i]);
    (void) http2_free(d.e);
}

static void every_allocation_may_fail(void **state)
{
    static uint8_t part[16000];
    struct buf b = BUF_INIT(1u << 20);
    long n = 0;

    (void) state;
    w_begin(&b);
    w_frame(&b, W_SETTINGS, W_ACK, 0, SPAN_EMPTY);
    w_request(&b, 1, "GET", "/a?b", "cookie: a=b\ncookie: c=d\nx: y", true);
    w_request(&b, 3, "POST", "/", NULL, false);
    for (int i = 0; i < 3; i++)
        w_frame(&b, W_DATA, 0, 3, SPAN_OF(part));
    w_frame(&b, W_PING, 0, 0, SPAN("12345678"));
    w_request(&b, 5, "GET", "/#", NULL, true);
    w_frame(&b, W_HEADERS, W_END_HEADERS | W_END_STREAM, 3, SPAN("\0\x01x\x01y"));
    w_request(&b, 7, "GET", "/", "connection: close", true);
    w_frame_u32(&b, W_RST, 0, 5, 8);
    do {
        failed = false;
        until_failure = n++;
        play(buf_span(&b));
        until_failure = -1;
    } while (failed);
    assert_true(n > 50);
    buf_deinit(&b);
}

#endif

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(every_allocation_may_fail) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
