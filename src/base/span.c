#include "base/span.h"

#include <stdlib.h>

static char lower(char c)
{
    return (c >= 'A' && c <= 'Z') ? (char) (c - 'A' + 'a') : c;
}

bool span_eq_nocase(struct span a, const char *s)
{
    size_t n = strlen(s);

    if (a.n != n)
        return false;
    for (size_t i = 0; i < n; i++) {
        if (lower((char) a.p[i]) != lower(s[i]))
            return false;
    }
    return true;
}

bool span_starts(struct span a, const char *prefix)
{
    size_t n = strlen(prefix);

    return a.n >= n && (n == 0 || memcmp(a.p, prefix, n) == 0);
}

int span_cmp(struct span a, struct span b)
{
    size_t n = a.n < b.n ? a.n : b.n;
    int c = n == 0 ? 0 : memcmp(a.p, b.p, n);

    if (c != 0)
        return c;
    return (a.n > b.n) - (a.n < b.n);
}

bool span_cut(struct span a, char sep, struct span *head, struct span *tail)
{
    const uint8_t *at = a.n == 0 ? NULL : memchr(a.p, sep, a.n);

    if (at == NULL) {
        *head = a;
        *tail = SPAN_EMPTY;
        return false;
    }
    *head = span_of(a.p, (size_t) (at - a.p));
    *tail = span_of(at + 1, a.n - head->n - 1);
    return true;
}

struct span span_trim(struct span a)
{
    while (a.n > 0 && (a.p[0] == ' ' || a.p[0] == '\t')) {
        a.p++;
        a.n--;
    }
    while (a.n > 0 && (a.p[a.n - 1] == ' ' || a.p[a.n - 1] == '\t'))
        a.n--;
    return a;
}

bool span_to_str(struct span a, char *dst, size_t cap)
{
    dst[0] = '\0';
    if (a.n >= cap || (a.n > 0 && memchr(a.p, '\0', a.n) != NULL))
        return false;
    if (a.n > 0)
        memcpy(dst, a.p, a.n);
    dst[a.n] = '\0';
    return true;
}

char *span_dup(struct span a)
{
    char *s = malloc(a.n + 1);

    if (s == NULL)
        return NULL;
    if (a.n > 0)
        memcpy(s, a.p, a.n);
    s[a.n] = '\0';
    return s;
}

struct span rd_bytes(struct rd *r, size_t n)
{
    struct span s;

    if (r->failed || n > r->n) {
        r->failed = true;
        return SPAN_EMPTY;
    }
    s = span_of(r->p, n);
    if (n > 0)
        r->p += n;
    r->n -= n;
    return s;
}

uint8_t rd_u8(struct rd *r)
{
    struct span s = rd_bytes(r, 1);

    return s.n == 0 ? 0 : s.p[0];
}

uint16_t rd_u16le(struct rd *r)
{
    struct span s = rd_bytes(r, 2);

    return s.n == 0 ? 0 : (uint16_t) (s.p[0] | s.p[1] << 8);
}

uint16_t rd_u16be(struct rd *r)
{
    struct span s = rd_bytes(r, 2);

    return s.n == 0 ? 0 : (uint16_t) (s.p[0] << 8 | s.p[1]);
}

uint32_t rd_u32le(struct rd *r)
{
    struct span s = rd_bytes(r, 4);

    if (s.n == 0)
        return 0;
    return (uint32_t) s.p[0] | (uint32_t) s.p[1] << 8 | (uint32_t) s.p[2] << 16 | (uint32_t) s.p[3] << 24;
}

uint64_t rd_u64le(struct rd *r)
{
    struct span s = rd_bytes(r, 8);
    struct rd lo = rd_of(span_sub(s, 0, 4));
    struct rd hi = rd_of(span_sub(s, 4, 4));

    if (s.n == 0)
        return 0;
    return (uint64_t) rd_u32le(&lo) | (uint64_t) rd_u32le(&hi) << 32;
}

struct span rd_lp(struct rd *r)
{
    return rd_bytes(r, rd_u8(r));
}

struct span rd_lp4(struct rd *r)
{
    return rd_bytes(r, rd_u32le(r));
}
