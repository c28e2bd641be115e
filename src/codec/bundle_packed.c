#include "codec/bundle_int.h"

void packed_init(struct packed *s, size_t hold, const struct unpack_limits *limits)
{
    *s = (struct packed){ .limits = limits };
    buf_init(&s->held, hold);
    buf_init(&s->ready, SOURCE_READY + TIMING_LINE_MAX);
}

void packed_deinit(struct packed *s)
{
    buf_deinit(&s->held);
    buf_deinit(&s->ready);
    s->unpack = unpack_free(s->unpack);
}

void packed_rewind(struct packed *s)
{
    s->unpack = unpack_free(s->unpack);
    s->taken = 0;
    s->ready_at = 0;
    buf_reset(&s->ready);
    s->ended = s->cut = false;
    s->before = 0;
}

struct span packed_ready(const struct packed *s)
{
    return span_sub(buf_span(&s->ready), s->ready_at, s->ready.n);
}

void packed_take(struct packed *s, size_t n)
{
    s->ready_at += n;
    if (s->ready_at == s->ready.n) {
        buf_reset(&s->ready);
        s->ready_at = 0;
    }
}

/* gzip and zlib are what sudo and others write beside each other; zstd costs nothing. */
static enum err open_layer(struct packed *s, struct err_info *reterr)
{
    enum unpack_codec codec;

    TRY(unpack_sniff(buf_span(&s->held), &codec, reterr));
    s->unpack = unpack_new(codec, s->limits);
    return s->unpack != NULL ? ERR_OK : ERR_RAISE(reterr, ERR_NOMEM, "unpacker");
}

static void close_layer(struct packed *s)
{
    struct err_info e;

    s->ended = true;
    s->cut = s->held.n > 0 && unpack_finish(s->unpack, &e) != ERR_OK; /* its writer was killed */
}

enum err packed_fill(struct packed *s, struct err_info *reterr)
{
    struct span in;
    uint8_t *to;
    size_t got, room;

    if (s->unpack == NULL && (s->held.n >= UNPACK_SNIFF_MIN || s->complete))
        TRY(open_layer(s, reterr));
    if (s->unpack == NULL || s->ended)
        return ERR_OK;
    if (s->ready_at > 0) {
        buf_drop(&s->ready, s->ready_at);
        s->ready_at = 0;
    }
    while (s->ready.n < SOURCE_READY) {
        room = SOURCE_READY - s->ready.n;
        in = span_sub(buf_span(&s->held), s->taken, s->held.n);
        to = buf_reserve(&s->ready, room);
        if (to == NULL)
            return ERR_RAISE(reterr, ERR_NOMEM, "member");
        TRY(unpack_step(s->unpack, &in, to, room, &got, reterr));
        s->taken = s->held.n - in.n;
        s->ready.n += got;
        if (s->streamed) {
            buf_drop(&s->held, s->taken);
            s->taken = 0;
        }
        if (got == 0 && s->taken == s->held.n) {
            if (s->complete)
                close_layer(s);
            break;
        }
    }
    return ERR_OK;
}

enum err packed_line(struct packed *s, struct span *ret, bool *ret_there, struct err_info *reterr)
{
    struct span rest;

    *ret_there = false;
    for (int twice = 0; twice < 2; twice++) {
        struct span ready = packed_ready(s);

        if (span_cut(ready, '\n', ret, &rest)) {
            *ret_there = true;
            packed_take(s, ret->n + 1);
            return ERR_OK;
        }
        if (twice == 0)
            TRY(packed_fill(s, reterr));
    }
    if (!s->ended && packed_ready(s).n >= SOURCE_READY)
        return ERR_RAISE(reterr, ERR_INVAL, "a line of more than 64 KiB");
    if (s->ended && packed_ready(s).n > 0) { /* without a newline: the last one */
        *ret = packed_ready(s);
        *ret_there = true;
        s->ready_at = s->ready.n;
    }
    return ERR_OK;
}
