/*
 * HTTP/1.1 requests: the verdict and what was understood must not depend on how the bytes are cut, what is understood must hold the
 * header's promises, and an answer built from it cannot be split.
 */
#include <stdint.h>
#include <stdlib.h>

#include "net/http1.h"

struct seen {
    struct buf text;
    unsigned n_heads;
};

static void check(bool ok)
{
    if (!ok)
        abort();
}

static bool on_head(void *ctx, const struct http_head *h)
{
    struct seen *s = ctx;

    s->n_heads++;
    check(h->path.n > 0 && h->path.p[0] == '/' && memchr(h->path.p, '#', h->path.n) == NULL);
    check(h->minor == 0 || h->authority.n > 0);
    check(!(h->chunked && h->content_length >= 0));
    buf_addf(&s->text, "[%d " SPAN_FMT " " SPAN_FMT " %d %lld %d]", (int) h->method, SPAN_ARG(h->path), SPAN_ARG(h->query),
             h->chunked, (long long) h->content_length, h->keep_alive);
    for (size_t i = 0; i < h->n_headers; i++) {
        check(http_is_token(h->headers[i].name) && http_is_value(h->headers[i].value));
        buf_add_span(&s->text, h->headers[i].name);
        buf_add_span(&s->text, h->headers[i].value);
    }
    return true;
}

static bool on_body(void *ctx, struct span bytes)
{
    buf_add_span(&((struct seen *) ctx)->text, bytes);
    return true;
}

static const struct http1_ops ops = { on_head, on_body };

static enum http1_verdict run(struct span in, size_t step, struct seen *s)
{
    const struct http1_limits limits = { .line_bytes = 200, .header_bytes = 400, .headers = 8 };
    struct http1 *e = http1_new(&limits, &ops, s);
    enum http1_verdict v = HTTP1_MORE;

    check(e != NULL);
    buf_init(&s->text, 1u << 20);
    while (in.n > 0 && v <= HTTP1_PAUSED) {
        size_t used;

        v = http1_feed(e, span_sub(in, 0, step), &used);
        check(used <= in.n);
        in = span_sub(in, used, SIZE_MAX);
        if (v == HTTP1_DONE)
            http1_next(e);
    }
    if (v <= HTTP1_PAUSED)
        v = http1_eof(e);
    else
        check(http1_refusal(v)->status >= 400);
    (void) http1_free(e);
    return v;
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    struct seen whole = { 0 }, cut = { 0 };
    struct span in;
    size_t step;
    enum http1_verdict v, w;

    if (n < 1 || n > 8192)
        return 0;
    step = 1 + p[0] % 16;
    in = span_of(p + 1, n - 1);
    v = run(in, SIZE_MAX, &whole);
    w = run(in, step, &cut);
    check(v == w && whole.n_heads == cut.n_heads);
    /* A refused chunk may have shown a different part of its bytes. */
    check(v > HTTP1_PAUSED ? memcmp(whole.text.p == NULL ? p : whole.text.p, cut.text.p == NULL ? p : cut.text.p,
                                    whole.text.n < cut.text.n ? whole.text.n : cut.text.n) == 0
                           : span_eq(buf_span(&whole.text), buf_span(&cut.text)));
    buf_deinit(&whole.text);
    buf_deinit(&cut.text);
    return 0;
}
