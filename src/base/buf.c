#include "base/buf.h"

#include <stdio.h>
#include <stdlib.h>

void buf_init(struct buf *b, size_t max)
{
    *b = BUF_INIT(max);
}

void buf_deinit(struct buf *b)
{
    size_t max = b->max;

    free(b->p);
    buf_init(b, max);
}

void buf_reset(struct buf *b)
{
    b->n = 0;
    b->failed = false;
}

uint8_t *buf_reserve(struct buf *b, size_t n)
{
    size_t want, cap;
    uint8_t *p;

    if (b->failed)
        return NULL;
    if (n > b->max || b->n > b->max - n) {
        b->failed = true;
        return NULL;
    }
    want = b->n + n;
    if (want <= b->cap && b->p != NULL)
        return b->p + b->n;
    cap = b->cap < 64 ? 64 : b->cap;
    while (cap < want)
        cap = cap > SIZE_MAX / 2 ? want : cap * 2;
    p = realloc(b->p, cap);
    if (p == NULL) {
        b->failed = true;
        return NULL;
    }
    b->p = p;
    b->cap = cap;
    return b->p + b->n;
}

void buf_add(struct buf *b, const void *p, size_t n)
{
    uint8_t *to;

    if (n == 0)
        return;
    to = buf_reserve(b, n);
    if (to == NULL)
        return;
    memcpy(to, p, n);
    b->n += n;
}

void buf_add_span(struct buf *b, struct span s)
{
    buf_add(b, s.p, s.n);
}

void buf_add_str(struct buf *b, const char *s)
{
    buf_add(b, s, strlen(s));
}

void buf_add_c(struct buf *b, char c)
{
    buf_add(b, &c, 1);
}

void buf_addf(struct buf *b, const char *fmt, ...)
{
    va_list ap;
    int n;
    uint8_t *to;

    va_start(ap, fmt);
    n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    if (n < 0) {
        b->failed = true;
        return;
    }
    to = buf_reserve(b, (size_t) n + 1);
    if (to == NULL)
        return;
    va_start(ap, fmt);
    (void) vsnprintf((char *) to, (size_t) n + 1, fmt, ap);
    va_end(ap);
    b->n += (size_t) n;
}

void buf_u8(struct buf *b, uint8_t v)
{
    buf_add(b, &v, 1);
}

void buf_u16le(struct buf *b, uint16_t v)
{
    uint8_t x[2] = { (uint8_t) v, (uint8_t) (v >> 8) };

    buf_add(b, x, sizeof(x));
}

void buf_u16be(struct buf *b, uint16_t v)
{
    uint8_t x[2] = { (uint8_t) (v >> 8), (uint8_t) v };

    buf_add(b, x, sizeof(x));
}

void buf_u32le(struct buf *b, uint32_t v)
{
    uint8_t x[4] = { (uint8_t) v, (uint8_t) (v >> 8), (uint8_t) (v >> 16), (uint8_t) (v >> 24) };

    buf_add(b, x, sizeof(x));
}

void buf_u64le(struct buf *b, uint64_t v)
{
    buf_u32le(b, (uint32_t) v);
    buf_u32le(b, (uint32_t) (v >> 32));
}

void buf_lp(struct buf *b, struct span s)
{
    if (s.n > 255) {
        b->failed = true;
        return;
    }
    buf_u8(b, (uint8_t) s.n);
    buf_add_span(b, s);
}

void buf_lp4(struct buf *b, struct span s)
{
    if (s.n > UINT32_MAX) {
        b->failed = true;
        return;
    }
    buf_u32le(b, (uint32_t) s.n);
    buf_add_span(b, s);
}

void buf_drop(struct buf *b, size_t n)
{
    if (n > b->n)
        n = b->n;
    if (n < b->n)
        memmove(b->p, b->p + n, b->n - n);
    b->n -= n;
}

const char *buf_cstr(struct buf *b)
{
    uint8_t *end;
    size_t max = b->max;

    if (b->failed)
        return "";
    b->max = max < SIZE_MAX ? max + 1 : max; /* the NUL is not content */
    end = buf_reserve(b, 1);
    b->max = max;
    if (end == NULL)
        return "";
    *end = '\0';
    return (const char *) b->p;
}

enum err buf_check(const struct buf *b, struct err_info *reterr)
{
    if (b->failed)
        return ERR_RAISE(reterr, ERR_LIMIT, "output is over its limit of %zu bytes", b->max);
    return ERR_OK;
}
