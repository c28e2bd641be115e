#include "codec/bundle_int.h"

void packed_init(struct packed *s, struct packed_sum *sum)
{
    *s = (struct packed){ .sum = sum };
    buf_init(&s->held, sum->limits->hold + SOURCE_READY);
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
    s->unpack = unpack_new(codec, &s->sum->limits->unpack);
    s->compressed = codec != UNPACK_IDENTITY;
    return s->unpack != NULL ? ERR_OK : ERR_RAISE(reterr, ERR_NOMEM, "unpacker");
}

static enum err over(struct packed_sum *sum, const char *limit, uint64_t value, struct err_info *reterr)
{
    sum->hit = limit;
    sum->hit_value = value;
    return ERR_RAISE(reterr, ERR_LIMIT, "the files in the tar unpack to too much together");
}

/* The sum of all members, and what it is beside what was sent. */
static enum err count(struct packed *s, struct err_info *reterr)
{
    struct packed_sum *sum = s->sum;
    const struct unpack_limits *l = &sum->limits->unpack;
    uint64_t out = unpack_out(s->unpack);

    if (!s->compressed || out <= s->counted)
        return ERR_OK;
    sum->out += out - s->counted;
    s->counted = out;
    if (sum->out > l->out_max)
        return over(sum, "unpacked-size", l->out_max, reterr);
    if (sum->limits->wire != NULL && l->ratio_max != 0 && sum->out > l->ratio_free && sum->out / l->ratio_max > *sum->limits->wire)
        return over(sum, "ratio", l->ratio_max, reterr);
    return ERR_OK;
}

/* A member's own limit was met: under the name that it has for a whole file. */
static enum err own_limit(struct packed *s, enum err code)
{
    const struct unpack_limits *l = &s->sum->limits->unpack;

    if (code != ERR_LIMIT)
        return code;
    switch (unpack_hit(s->unpack)) {
    case UNPACK_HIT_NONE: break;
    case UNPACK_HIT_OUTPUT:
        s->sum->hit = "unpacked-size";
        s->sum->hit_value = l->out_max;
        break;
    case UNPACK_HIT_RATIO:
        s->sum->hit = "ratio";
        s->sum->hit_value = l->ratio_max;
        break;
    case UNPACK_HIT_WINDOW:
        s->sum->hit = "zstd-window";
        s->sum->hit_value = 1ull << l->zstd_window_log;
        break;
    }
    return code;
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
        TRY(own_limit(s, unpack_step(s->unpack, &in, to, room, &got, reterr)));
        s->taken = s->held.n - in.n;
        s->ready.n += got;
        TRY(count(s, reterr));
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
