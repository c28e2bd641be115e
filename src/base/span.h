#pragma once
/*
 * span: borrowed bytes. rd: a cursor over a span that remembers the first short read, so that decoders read like the
 * table in their format document and check once, at the end.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct span {
    const uint8_t *p;
    size_t n;
};

#define SPAN(literal)   ((struct span){ (const uint8_t *) (literal), sizeof(literal) - 1 })
#define SPAN_EMPTY      ((struct span){ NULL, 0 })
#define SPAN_OF(array)  ((struct span){ (const uint8_t *) (array), sizeof(array) })
#define SPAN_FMT        "%.*s"
#define SPAN_ARG(s)     (int) (s).n, (const char *) (s).p

static inline struct span span_of(const void *p, size_t n)
{
    return (struct span){ (const uint8_t *) p, n };
}

/* NULL gives an empty span. */
static inline struct span span_str(const char *s)
{
    return s == NULL ? SPAN_EMPTY : span_of(s, strlen(s));
}

/* Not constant time: never for secrets (crypto/secret.h has secret_equal). */
static inline bool span_eq(struct span a, struct span b)
{
    return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

static inline bool span_eq_str(struct span a, const char *s)
{
    return span_eq(a, span_str(s));
}

bool span_eq_nocase(struct span a, const char *s); /* ASCII */
bool span_starts(struct span a, const char *prefix);
int span_cmp(struct span a, struct span b); /* bytewise, shorter first */

/* Bytes [from, from+n) cut to what is there. */
static inline struct span span_sub(struct span a, size_t from, size_t n)
{
    if (a.p == NULL)
        return SPAN_EMPTY; /* no arithmetic on NULL */
    if (from > a.n)
        from = a.n;
    if (n > a.n - from)
        n = a.n - from;
    return span_of(a.p + from, n);
}

/* Splits at the first 'sep': *head is before it, *tail after it. False (and head = all) when there is none. */
bool span_cut(struct span a, char sep, struct span *head, struct span *tail);

/* Takes ASCII space and tab off both ends. */
struct span span_trim(struct span a);

/* Copies into a NUL-terminated array. False when it does not fit or holds a NUL byte; dst is then "". */
bool span_to_str(struct span a, char *dst, size_t cap);

/* A NUL-terminated copy for free(); never looks past the span, as strndup may. NULL: no memory. */
char *span_dup(struct span a);

struct rd {
    const uint8_t *p;
    size_t n;
    bool failed;
};

static inline struct rd rd_of(struct span s)
{
    return (struct rd){ s.p, s.n, false };
}

/* Each returns zero / empty after the first short read. Multi-byte integers are little-endian. */
uint8_t rd_u8(struct rd *r);
uint16_t rd_u16le(struct rd *r);
uint32_t rd_u32le(struct rd *r);
uint64_t rd_u64le(struct rd *r);
uint16_t rd_u16be(struct rd *r);
struct span rd_bytes(struct rd *r, size_t n);
struct span rd_lp(struct rd *r);  /* one length byte, then the bytes (STANDARDS lp(x)) */
struct span rd_lp4(struct rd *r); /* u32le length, then the bytes */

/* True when no read was short and nothing is left over. */
static inline bool rd_done(const struct rd *r)
{
    return !r->failed && r->n == 0;
}
