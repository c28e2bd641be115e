/*
 * One straight loop over minified JSON. Errors and everything unusual are left to json_lex, which says what is wrong and where: so
 * this only has to be right about what it takes.
 */
#include "codec/json_tape.h"

#include "codec/json_lex.h"

#include <stdlib.h>

#define FIRST_CAP 256u
#define KEPT_CAP  4096u
#define CAP_MAX   (JSON_TAPE_MAX / (uint32_t) sizeof(struct json_token))

void json_tape_init(struct json_tape *t)
{
    *t = (struct json_tape){ .v = NULL };
}

void json_tape_deinit(struct json_tape *t)
{
    free(t->v);
    json_tape_init(t);
}

void json_tape_rest(struct json_tape *t)
{
    if (t->cap > KEPT_CAP)
        json_tape_deinit(t);
    t->n = 0;
}

static bool grow(struct json_tape *t)
{
    uint32_t cap = t->cap == 0 ? FIRST_CAP : t->cap < CAP_MAX / 2 ? t->cap * 2 : CAP_MAX;
    struct json_token *v = t->cap == CAP_MAX ? NULL : realloc(t->v, (size_t) cap * sizeof(*v));

    if (v == NULL)
        return false;
    t->v = v;
    t->cap = cap;
    return true;
}

/* ---- scalars: each gives the byte behind it, or NULL */

struct reading {
    struct json_tape *t;
    struct json_token *v; /* tokens so far, and room for more */
    uint32_t n, cap;
    const struct json_limits *lim;
    const uint8_t *base, *end;
    uint32_t top;     /* the container that is open; while it is, its n is the one around it */
    uint32_t depth;
    uint32_t members;
};

/* Bytes of the UTF-8 sequence at p (RFC 3629 section 4), or 0. */
static size_t utf8_len(const uint8_t *p, const uint8_t *end)
{
    uint8_t c = p[0], lo = 0x80, hi = 0xbf;
    size_t n = c >= 0xc2 && c <= 0xdf ? 2 : c >= 0xe0 && c <= 0xef ? 3 : c >= 0xf0 && c <= 0xf4 ? 4 : 0;

    if (n == 0 || (size_t) (end - p) < n)
        return 0;
    if (c == 0xe0)
        lo = 0xa0;
    else if (c == 0xed)
        hi = 0x9f;
    else if (c == 0xf0)
        lo = 0x90;
    else if (c == 0xf4)
        hi = 0x8f;
    if (p[1] < lo || p[1] > hi)
        return 0;
    for (size_t i = 2; i < n; i++)
        if ((p[i] & 0xc0) != 0x80)
            return 0;
    return n;
}

static int hex(uint8_t c)
{
    return c >= '0' && c <= '9' ? c - '0' : (c | 0x20) >= 'a' && (c | 0x20) <= 'f' ? (c | 0x20) - 'a' + 10 : -1;
}

static const uint8_t *escape(const struct reading *r, const uint8_t *p)
{
    uint32_t cp = 0;

    if (r->end - p < 2)
        return NULL;
    if (p[1] != 'u')
        return p[1] != '\0' && strchr("\"\\/bfnrt", p[1]) != NULL ? p + 2 : NULL;
    if (r->end - p < 6)
        return NULL;
    for (int i = 2; i < 6; i++) {
        if (hex(p[i]) < 0)
            return NULL;
        cp = cp << 4 | (uint32_t) hex(p[i]);
    }
    if ((cp == 0 && r->lim->refuse_nul) || (cp >= 0xd800 && cp <= 0xdfff && !r->lim->allow_lone_surrogates))
        return NULL;
    return p + 6;
}

/* p: the opening quote. */
static inline const uint8_t *string(const struct reading *r, const uint8_t *p, bool *ret_escaped)
{
    const uint8_t *begin = ++p;
    size_t n;

    for (;;) {
        p = json_plain_run(p, r->end);
        if (p == r->end)
            return NULL;
        if (*p == '"')
            break;
        if (*p == '\\') {
            p = escape(r, p);
            *ret_escaped = true;
            if (p == NULL)
                return NULL;
            continue;
        }
        n = *p < 0x20 ? 0 : utf8_len(p, r->end);
        if (n == 0)
            return NULL;
        p += n;
    }
    return (uint64_t) (p - begin) <= r->lim->string ? p + 1 : NULL;
}

static inline const uint8_t *digits(const uint8_t *p, const uint8_t *end)
{
    const uint8_t *begin = p;

    while (p < end && *p >= '0' && *p <= '9')
        p++;
    return p == begin ? NULL : p;
}

static inline const uint8_t *number(const struct reading *r, const uint8_t *p)
{
    const uint8_t *begin = p, *end = r->end;

    if (*p == '-')
        p++;
    if (p < end && *p == '0')
        p++;
    else
        p = digits(p, end);
    if (p != NULL && p < end && *p == '.')
        p = digits(p + 1, end);
    if (p != NULL && p < end && (*p | 0x20) == 'e') {
        p++;
        if (p < end && (*p == '+' || *p == '-'))
            p++;
        p = digits(p, end);
    }
    return p != NULL && p - begin <= JSON_NUMBER_MAX ? p : NULL;
}

static const uint8_t *literal(const struct reading *r, const uint8_t *p, const char *text, size_t n)
{
    return (size_t) (r->end - p) >= n && memcmp(p, text, n) == 0 ? p + n : NULL;
}

/* ---- the structure */

/* More room; tokens move. */
static bool more(struct reading *r)
{
    if (!grow(r->t))
        return false;
    r->v = r->t->v;
    r->cap = r->t->cap;
    return true;
}

/* A scalar from 'from' to p; p NULL: it is none. */
static inline const uint8_t *push(struct reading *r, const uint8_t *from, const uint8_t *p, enum json_type type)
{
    if (p == NULL || (r->n == r->cap && !more(r)))
        return NULL;
    r->v[r->n++] = (struct json_token){ (uint32_t) (from - r->base), (uint32_t) (p - r->base), 1, (uint8_t) type, false };
    return p;
}

static inline const uint8_t *push_string(struct reading *r, const uint8_t *from)
{
    bool escaped = false;
    const uint8_t *p = push(r, from, string(r, from, &escaped), JSON_STRING);

    if (p != NULL)
        r->v[r->n - 1].escaped = escaped;
    return p;
}

static inline const uint8_t *scalar(struct reading *r, const uint8_t *p)
{
    switch (*p) {
    case '"': return push_string(r, p);
    case 't': return push(r, p, literal(r, p, "true", 4), JSON_TRUE);
    case 'f': return push(r, p, literal(r, p, "false", 5), JSON_FALSE);
    case 'n': return push(r, p, literal(r, p, "null", 4), JSON_NULL);
    default: return push(r, p, number(r, p), JSON_NUMBER);
    }
}

/* Behind the name and its colon. */
static inline const uint8_t *name(struct reading *r, const uint8_t *p)
{
    if (p == r->end || *p != '"')
        return NULL;
    p = push_string(r, p);
    return p != NULL && p < r->end && *p == ':' ? p + 1 : NULL;
}

static inline bool open(struct reading *r, const uint8_t *p)
{
    if (r->depth == r->lim->depth || push(r, p, p, *p == '{' ? JSON_OBJECT : JSON_ARRAY) == NULL)
        return false;
    r->v[r->n - 1].n = r->top;
    r->top = r->n - 1;
    r->depth++;
    return true;
}

/* p: behind the bracket. */
static inline void close(struct reading *r, const uint8_t *p)
{
    struct json_token *k = &r->v[r->top];
    uint32_t around = k->n;

    k->to = (uint32_t) (p - r->base);
    k->n = r->n - r->top;
    r->top = around;
    r->depth--;
}

/* Behind a value: over closing brackets and one comma, to the next value. p == end with depth 0: all is over. */
static inline const uint8_t *next(struct reading *r, const uint8_t *p)
{
    while (r->depth > 0) {
        bool object = r->v[r->top].type == JSON_OBJECT;

        if (p == r->end)
            return NULL;
        if (*p == ',')
            return object ? name(r, p + 1) : p + 1;
        if (*p != (object ? '}' : ']'))
            return NULL;
        close(r, ++p);
    }
    return p;
}

static inline const uint8_t *container(struct reading *r, const uint8_t *p)
{
    bool object = *p == '{';

    if (!open(r, p) || ++p == r->end)
        return NULL;
    if (*p == (object ? '}' : ']')) {
        close(r, ++p);
        return next(r, p);
    }
    return object ? name(r, p) : p;
}

bool json_tape_read(struct json_tape *t, struct span in, const struct json_limits *lim, size_t *ret_used)
{
    struct reading r = { .t = t, .v = t->v, .cap = t->cap, .lim = lim, .base = in.p, .end = in.p + in.n };
    const uint8_t *p = in.p;

    t->n = 0;
    if (in.n < 2 || (*p != '{' && *p != '['))
        return false;
    if (in.n > lim->bytes || in.n > UINT32_MAX)
        r.end = in.p + (lim->bytes < UINT32_MAX ? lim->bytes : UINT32_MAX);
    for (;;) {
        if (*p == '{' || *p == '[') {
            p = container(&r, p);
        } else {
            p = scalar(&r, p);
            if (p != NULL)
                p = next(&r, p);
        }
        if (p == NULL || r.depth == 0)
            break;
        if (p == r.end || ++r.members > lim->members)
            return false;
    }
    if (p == NULL)
        return false;
    t->n = r.n;
    t->members = r.members;
    *ret_used = (size_t) (p - in.p);
    return true;
}

/* ---- what was read */

struct json_value json_tape_value(const struct json_token *tokens, struct span bytes)
{
    return tokens == NULL ? json_value(bytes) : (struct json_value){ (enum json_type) tokens->type, SPAN_EMPTY, bytes, tokens };
}

struct json_value json_tape_of(struct json_tape *t, struct span bytes)
{
    struct json_limits any = json_limits_event();
    size_t used;

    any.bytes = any.string = UINT32_MAX;
    any.depth = UINT32_MAX;
    return json_tape_value(json_tape_read(t, bytes, &any, &used) && used == bytes.n ? t->v : NULL, bytes);
}
