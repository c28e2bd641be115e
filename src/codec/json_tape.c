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

/* ---- scalars: each gives the byte behind it; or NULL, with 'cut' when more bytes could make it right */

struct reading {
    struct json_tape *t;
    struct json_token *v; /* tokens so far, and room for more */
    uint32_t n, cap;
    const struct json_limits *lim;
    const uint8_t *base, *end;
    const uint8_t *scan; /* of a string that is cut: looked at up to here */
    uint32_t top;     /* the container that is open; while it is, its n is the one around it */
    uint32_t depth;
    uint32_t members;
    bool cut;
};

/* Bytes of the UTF-8 sequence at p (RFC 3629 section 4), or 0. */
static size_t utf8_len(struct reading *r, const uint8_t *p)
{
    uint8_t c = p[0], lo = 0x80, hi = 0xbf;
    size_t n = c >= 0xc2 && c <= 0xdf ? 2 : c >= 0xe0 && c <= 0xef ? 3 : c >= 0xf0 && c <= 0xf4 ? 4 : 0;

    if (n == 0 || (size_t) (r->end - p) < n) {
        r->cut = n > 0;
        return 0;
    }
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

static const uint8_t *escape(struct reading *r, const uint8_t *p)
{
    uint32_t cp = 0;

    r->cut = r->end - p < 2 || (p[1] == 'u' && r->end - p < 6);
    if (r->cut)
        return NULL;
    if (p[1] != 'u')
        return p[1] != '\0' && strchr("\"\\/bfnrt", p[1]) != NULL ? p + 2 : NULL;
    for (int i = 2; i < 6; i++) {
        if (hex(p[i]) < 0)
            return NULL;
        cp = cp << 4 | (uint32_t) hex(p[i]);
    }
    if ((cp == 0 && r->lim->refuse_nul) || (cp >= 0xd800 && cp <= 0xdfff && !r->lim->allow_lone_surrogates))
        return NULL;
    return p + 6;
}

/* What is no plain ASCII in a string: an escape or a sequence. */
static const uint8_t *odd(struct reading *r, const uint8_t *p, bool *io_escaped)
{
    const uint8_t *next;
    size_t n;

    if (*p == '\\') {
        *io_escaped = true;
        next = escape(r, p);
    } else {
        n = *p < 0x20 ? 0 : utf8_len(r, p);
        next = n == 0 ? NULL : p + n;
    }
    if (r->cut)
        r->scan = p;
    return next;
}

/* From p on, which is no plain byte, to the closing quote. */
__attribute__((noinline)) static const uint8_t *odd_string(struct reading *r, const uint8_t *p, bool *io_escaped)
{
    while (p != NULL && (p == r->end || *p != '"')) {
        if (p == r->end) {
            r->cut = true;
            r->scan = p;
            return NULL;
        }
        p = odd(r, p, io_escaped);
        if (p != NULL)
            p = json_plain_run(p, r->end);
    }
    return p;
}

/* p: the opening quote; what lies before 'from' was looked at. */
static inline const uint8_t *string(struct reading *r, const uint8_t *p, const uint8_t *from, bool *io_escaped)
{
    const uint8_t *begin = p + 1;

    p = json_plain_run(from, r->end);
    if (p == r->end || *p != '"')
        p = odd_string(r, p, io_escaped);
    return p != NULL && (uint64_t) (p - begin) <= r->lim->string ? p + 1 : NULL;
}

static inline const uint8_t *digits(const uint8_t *p, const uint8_t *end)
{
    const uint8_t *begin = p;

    while (p < end && *p >= '0' && *p <= '9')
        p++;
    return p == begin ? NULL : p;
}

static inline const uint8_t *number_end(const uint8_t *p, const uint8_t *end)
{
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
    return p;
}

/* May it go on behind the end? */
static bool number_cut(const struct reading *r, const uint8_t *p)
{
    const uint8_t *begin = p;

    while (p < r->end && *p != '\0' && strchr("0123456789+-.eE", *p) != NULL)
        p++;
    return p == r->end && p - begin <= JSON_NUMBER_MAX;
}

static inline const uint8_t *number(struct reading *r, const uint8_t *p)
{
    const uint8_t *to = number_end(p, r->end);

    if (to == NULL || to == r->end) {
        r->cut = number_cut(r, p);
        return NULL;
    }
    return to - p <= JSON_NUMBER_MAX ? to : NULL;
}

static const uint8_t *literal(struct reading *r, const uint8_t *p, const char *text, size_t n)
{
    size_t left = (size_t) (r->end - p);

    if (left < n) {
        r->cut = memcmp(p, text, left) == 0;
        return NULL;
    }
    return memcmp(p, text, n) == 0 ? p + n : NULL;
}

/* ---- the structure */

/* Where a reading stands that is cut: at the first byte of what comes next. */
enum state { AT_VALUE, AT_FIRST, AT_AFTER, AT_NAME };

/* More room; tokens move. */
static struct json_token *more(struct reading *r, struct json_token *v)
{
    if (!grow(r->t))
        return v;
    r->cap = r->t->cap;
    return r->t->v;
}

/* Most numbers are a few digits: where they end when something of JSON follows, else NULL. */
static inline const uint8_t *plain_number(const uint8_t *p, const uint8_t *end)
{
    const uint8_t *begin = p + (*p == '-');

    for (p = begin; p < end && *p >= '0' && *p <= '9'; p++) {}
    return p != begin && p < end && (*begin != '0' || p - begin == 1) && p - begin < JSON_NUMBER_MAX && (*p == ',' || *p == '}' || *p == ']') ? p : NULL;
}

/*
 * Reads from *io_at on. *io_at: what is behind the value; of one that is cut, where to go on. Everything that each token needs is a variable of
 * its own here, so that it stays in a register.
 */
static enum json_tape_step read_on(struct reading *r, enum state *io_state, const uint8_t **io_at, bool *io_escaped)
{
    const uint8_t *p = *io_at, *to, *from = r->scan, *const base = r->base, *const end = r->end;
    struct json_token *v = r->v, *k;
    uint32_t n = r->n, top = r->top, depth = r->depth, members = r->members, most = r->lim->members;
    enum json_tape_step step = JSON_TAPE_NOT;
    enum state state = *io_state;
    enum json_type type;
    bool escaped = *io_escaped, object = depth > 0 && v[top].type == JSON_OBJECT;

#define TOKEN(first, behind, what, esc)                                                                                                    \
    do {                                                                                                                                   \
        if (n == r->cap && (v = more(r, v), n == r->cap))                                                                                  \
            goto out;                                                                                                                      \
        k = &v[n++];                                                                                                                       \
        k->from = (uint32_t) ((first) - base);                                                                                             \
        k->to = (uint32_t) ((behind) - base);                                                                                              \
        k->n = 1;                                                                                                                          \
        k->type = (uint8_t) (what);                                                                                                        \
        k->escaped = (esc);                                                                                                                \
    } while (0)
#define CLOSE()                                                                                                                            \
    do {                                                                                                                                   \
        uint32_t around = v[top].n;                                                                                                        \
                                                                                                                                           \
        v[top].to = (uint32_t) (++p - base);                                                                                               \
        v[top].n = n - top;                                                                                                                \
        top = around;                                                                                                                      \
        depth--;                                                                                                                           \
        object = depth > 0 && v[top].type == JSON_OBJECT;                                                                                  \
    } while (0)

    switch (state) {
    case AT_VALUE: if (from != NULL) goto value_string; else goto value;
    case AT_FIRST: goto first;
    case AT_AFTER: goto after;
    case AT_NAME: if (from != NULL) goto name_string; else goto name;
    }
value:
    state = AT_VALUE;
    if (p == end)
        goto cut;
    if (depth > 0 && members == most)
        goto out;
    escaped = false;
    switch (*p) {
    case '"':
        from = p + 1;
    value_string:
        to = string(r, p, from, &escaped);
        type = JSON_STRING;
        break;
    case '{':
    case '[':
        members += depth > 0;
        object = *p == '{';
        if (depth == r->lim->depth)
            goto out;
        TOKEN(p, p, object ? JSON_OBJECT : JSON_ARRAY, false);
        v[n - 1].n = top; /* while it is open: the one around it */
        top = n - 1;
        depth++;
        p++;
        goto first;
    case 't': to = literal(r, p, "true", 4), type = JSON_TRUE; break;
    case 'f': to = literal(r, p, "false", 5), type = JSON_FALSE; break;
    case 'n': to = literal(r, p, "null", 4), type = JSON_NULL; break;
    default:
        to = plain_number(p, end);
        if (to == NULL)
            to = number(r, p);
        type = JSON_NUMBER;
    }
    if (to == NULL)
        goto stop;
    members++;
    TOKEN(p, to, type, escaped);
    p = to;
after:
    state = AT_AFTER;
    for (;;) {
        if (depth == 0) {
            step = JSON_TAPE_WHOLE;
            goto out;
        }
        if (p == end)
            goto cut;
        if (*p == ',') {
            p++;
            if (object)
                goto name;
            goto value;
        }
        if (*p != (object ? '}' : ']'))
            goto out;
        CLOSE();
    }
first:
    state = AT_FIRST;
    if (p == end)
        goto cut;
    if (*p == (object ? '}' : ']')) {
        CLOSE();
        goto after;
    }
    if (!object)
        goto value;
name:
    state = AT_NAME;
    if (p == end)
        goto cut;
    if (*p != '"')
        goto out;
    from = p + 1;
    escaped = false;
name_string:
    to = string(r, p, from, &escaped);
    if (to == NULL)
        goto stop;
    if (to == end) {
        r->scan = to - 1; /* the quote again */
        goto cut;
    }
    if (*to != ':')
        goto out;
    TOKEN(p, to, JSON_STRING, escaped);
    p = to + 1;
    goto value;
cut:
    r->cut = true;
stop:
    step = r->cut ? JSON_TAPE_CUT : JSON_TAPE_NOT;
out:
    r->n = n;
    r->top = top;
    r->depth = depth;
    r->members = members;
    *io_state = state;
    *io_at = p;
    *io_escaped = escaped;
    return step;
#undef TOKEN
#undef CLOSE
}

enum json_tape_step json_tape_more(struct json_tape *t, struct span in, const struct json_limits *lim, size_t *ret_used)
{
    uint64_t most = lim->bytes < UINT32_MAX ? lim->bytes : UINT32_MAX;
    struct reading r = { .t = t, .v = t->v, .n = t->n, .cap = t->cap, .lim = lim, .base = in.p, .end = in.p + (in.n < most ? in.n : most),
                         .scan = t->scan > 0 ? in.p + t->scan : NULL, .top = t->top, .depth = t->depth, .members = t->members };
    enum state state = (enum state) t->state;
    const uint8_t *at = in.p + t->at;
    enum json_tape_step step = read_on(&r, &state, &at, &t->escaped);

    t->n = step == JSON_TAPE_NOT ? 0 : r.n;
    t->members = r.members;
    if (step == JSON_TAPE_CUT && in.n >= most)
        step = JSON_TAPE_NOT;
    t->at = (uint32_t) (at - in.p);
    t->scan = r.scan > at ? (uint32_t) (r.scan - in.p) : 0;
    t->top = r.top;
    t->depth = r.depth;
    t->state = (uint8_t) state;
    *ret_used = t->at;
    return step;
}

enum json_tape_step json_tape_begin(struct json_tape *t, struct span in, const struct json_limits *lim, size_t *ret_used)
{
    t->n = t->members = t->top = t->depth = t->at = t->scan = 0;
    t->state = AT_VALUE;
    t->escaped = false;
    if (in.n == 0 || (in.p[0] != '{' && in.p[0] != '['))
        return JSON_TAPE_NOT;
    return json_tape_more(t, in, lim, ret_used);
}

bool json_tape_read(struct json_tape *t, struct span in, const struct json_limits *lim, size_t *ret_used)
{
    bool whole = json_tape_begin(t, in, lim, ret_used) == JSON_TAPE_WHOLE;

    if (!whole)
        t->n = 0;
    return whole;
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

/* ---- after an edit */

#define NONE UINT32_MAX

struct editing {
    struct json_tape *t;
    const struct json_token *before;
    const struct json_edit *e, *end; /* to come */
    uint32_t moved;                  /* by the edits passed, modulo 2^32 */
    uint32_t top;                    /* the container that is open; while it is, its 'n' is the one around it, its 'to' the token that it was */
    uint32_t closes;                 /* before which token it does */
    struct span text;
};

/* Edits up to a place of the text before. */
static inline void pass_edits(struct editing *w, uint32_t to)
{
    for (; w->e != w->end && w->e->to <= to; w->e++)
        w->moved += w->e->len - (w->e->to - w->e->from);
}

static inline void edited_close(struct editing *w)
{
    struct json_token *k = &w->t->v[w->top];
    const struct json_token *was = &w->before[k->to];
    uint32_t around = k->n;

    pass_edits(w, was->to);
    k->to = was->to + w->moved;
    k->n = w->t->n - w->top;
    w->top = around;
    w->closes = around == NONE ? NONE : w->t->v[around].to + w->before[w->t->v[around].to].n;
}

/* What stands in the place of a whole value. */
static bool edited_value(struct editing *w, uint32_t from)
{
    struct span with = span_sub(w->text, from, w->e->len);
    struct json_value v = json_value(with);

    if (with.n == 0 || ((v.type == JSON_OBJECT || v.type == JSON_ARRAY) && with.n != 2))
        return false;
    w->t->v[w->t->n++] = (struct json_token){ from, from + w->e->len, 1, (uint8_t) v.type, v.type == JSON_STRING && memchr(with.p, '\\', with.n) != NULL };
    return true;
}

/* Token i, which the next edit touches; *ret_next: which one follows. */
static bool edited_token(struct editing *w, uint32_t i, uint32_t *ret_next)
{
    const struct json_token *k = &w->before[i];
    uint32_t from = k->from + w->moved;

    *ret_next = i + k->n;
    if (w->e->from <= k->from && w->e->to >= k->to)
        return w->e->len == 0 || (w->e->from == k->from && w->e->to == k->to && edited_value(w, from));
    if (w->e->from < k->from || w->e->to > k->to)
        return false;
    if (k->type == JSON_OBJECT || k->type == JSON_ARRAY) {
        w->t->v[w->t->n] = (struct json_token){ from, i, w->top, k->type, false };
        w->top = w->t->n++;
        w->closes = i + k->n;
        *ret_next = i + 1;
        return w->e->from > k->from;
    }
    pass_edits(w, k->to);
    w->t->v[w->t->n++] = (struct json_token){ from, k->to + w->moved, 1, k->type, memchr(w->text.p + from, '\\', k->to + w->moved - from) != NULL };
    return k->type == JSON_STRING;
}

bool json_tape_edit(struct json_tape *t, const struct json_token *before, const struct json_edit *edits, size_t n, struct span text)
{
    struct editing w = { .t = t, .before = before, .e = edits, .end = edits + n, .top = NONE, .closes = NONE, .text = text };

    t->n = 0;
    while (t->cap < before->n)
        if (!grow(t))
            return false;
    for (size_t k = 0; k < n; k++)
        if (edits[k].from == edits[k].to || (k > 0 && edits[k].from < edits[k - 1].to))
            return false;
    for (uint32_t i = 0; i <= before->n;) {
        const struct json_token *k = &before[i];

        while (i == w.closes)
            edited_close(&w);
        if (i == before->n)
            break;
        pass_edits(&w, k->from);
        if (w.e == w.end || w.e->from >= k->to) { /* all in it moves as it is */
            for (const struct json_token *end = k + k->n; k != end; k++)
                t->v[t->n++] = (struct json_token){ k->from + w.moved, k->to + w.moved, k->n, k->type, k->escaped };
            i += before[i].n;
        } else if (!edited_token(&w, i, &i)) {
            return false;
        }
    }
    return w.e == w.end || w.e->from >= before->to;
}
