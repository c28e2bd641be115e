#include "codec/json.h"

#include "base/arena.h"
#include "base/map.h"
#include "codec/json_lex.h"

#include <stdlib.h>

struct json_limits json_limits_control(const uint8_t secret[16])
{
    struct json_limits lim = {
        .bytes = 1 << 20, .depth = 32, .members = 10000, .string = 64 << 10, .refuse_nul = true,
    };

    memcpy(lim.secret, secret, sizeof(lim.secret));
    return lim;
}

struct json_limits json_limits_event(void)
{
    return (struct json_limits){
        .bytes = 16 << 20,
        .depth = 128,
        .members = UINT32_MAX,
        .string = 16 << 20,
        .allow_duplicates = true,
        .allow_lone_surrogates = true,
    };
}

enum err json_error_raise(const struct json_error *e, struct err_info *reterr)
{
    enum err code = e->cause >= JSON_E_DEPTH && e->cause <= JSON_E_EVENT_BYTES ? ERR_LIMIT
                    : e->cause == JSON_E_NOMEM                               ? ERR_NOMEM
                    : e->cause == JSON_E_STOPPED                             ? ERR_STATE
                                                                             : ERR_INVAL;

    if (e->limit != 0)
        return ERR_RAISE(reterr, code, "line %llu, column %llu: %s (limit %llu)", (unsigned long long) e->line,
                         (unsigned long long) e->column, e->text, (unsigned long long) e->limit);
    return ERR_RAISE(reterr, code, "line %llu, column %llu: %s", (unsigned long long) e->line,
                     (unsigned long long) e->column, e->text);
}

/* ---- whole documents */

static bool give_up(const struct json_lex *l, struct json_error *reterr)
{
    if (reterr != NULL)
        *reterr = l->err;
    return false;
}

/* UTF-16, UTF-32 and byte order marks, named before they become puzzling syntax errors. */
static bool other_encoding(struct span in)
{
    return (in.n >= 3 && memcmp(in.p, "\xef\xbb\xbf", 3) == 0) ||
           (in.n >= 2 && (memcmp(in.p, "\xff\xfe", 2) == 0 || memcmp(in.p, "\xfe\xff", 2) == 0)) ||
           (in.n >= 2 && (in.p[0] == 0 || in.p[1] == 0));
}

static bool run(struct span in, const struct json_limits *lim, struct buf *out, uint32_t *ret_members,
                struct json_error *reterr)
{
    struct json_lex l;
    size_t used = 0;

    json_lex_init(&l, lim);
    if (in.n > lim->bytes) {
        (void) json_lex_fail(&l, JSON_E_BYTES, lim->bytes, lim->bytes);
        return give_up(&l, reterr);
    }
    if (other_encoding(in)) {
        (void) json_lex_fail(&l, JSON_E_ENCODING, 0, 0);
        return give_up(&l, reterr);
    }
    if (json_lex_feed(&l, in, &used, out) == JSON_BAD || json_lex_end(&l) == JSON_BAD)
        return give_up(&l, reterr);
    in = span_sub(in, used, in.n);
    if (json_lex_space(&l, in) != in.n) {
        (void) json_lex_fail(&l, JSON_E_TRAILING, 0, 0);
        return give_up(&l, reterr);
    }
    *ret_members = l.members;
    return true;
}

/* ---- duplicates: one hash set of (object, decoded name) for the document */

struct dup_slot {
    struct span name;
    uint32_t object; /* number of the object in order of appearance, from 1; 0: empty slot */
};

struct dup_set {
    struct dup_slot *slots;
    size_t mask;
    struct arena decoded; /* names that had escapes */
    struct buf scratch;
    uint32_t objects;
    const uint8_t *secret;
};

/* False: no memory. *ret_seen: this object has the name already. */
static bool dup_note(struct dup_set *d, uint32_t object, struct span raw, bool *ret_seen)
{
    struct span name = raw;
    uint64_t h;
    size_t i;

    if (raw.n > 0 && memchr(raw.p, '\\', raw.n) != NULL) {
        buf_reset(&d->scratch);
        if (!json_string_decode(raw, &d->scratch))
            return false;
        name = arena_span(&d->decoded, buf_span(&d->scratch));
        if (name.p == NULL && d->scratch.n > 0)
            return false;
    }
    h = (siphash24(d->secret, name) + object) * 0x9e3779b97f4a7c15U;
    for (i = (size_t) (h >> 32) & d->mask; d->slots[i].object != 0; i = (i + 1) & d->mask) {
        if (d->slots[i].object == object && span_eq(d->slots[i].name, name)) {
            *ret_seen = true;
            return true;
        }
    }
    d->slots[i] = (struct dup_slot){ name, object };
    *ret_seen = false;
    return true;
}

/*
 * Walks valid text. open[] has the number of each open object, 0 for arrays. In an object a string that a colon follows
 * is a name.
 */
static bool dup_walk(struct dup_set *d, struct span in, const uint8_t **ret_second, bool *ret_nomem)
{
    uint32_t open[JSON_DEPTH_CAP + 1] = { 0 };
    size_t depth = 0, i = 0;

    for (; i < in.n; i++) {
        size_t end;
        bool seen = false;

        i = json_next_bracket(in, i);
        if (i >= in.n)
            break;
        if (in.p[i] == '{' || in.p[i] == '[') {
            open[++depth] = in.p[i] == '{' ? ++d->objects : 0;
            continue;
        }
        if (in.p[i] != '"') {
            depth--;
            continue;
        }
        end = json_string_end(in, i + 1);
        if (open[depth] != 0) {
            struct span rest = json_skip_space(span_sub(in, end + 1, in.n));

            if (rest.n > 0 && *rest.p == ':') {
                if (!dup_note(d, open[depth], span_sub(in, i + 1, end - i - 1), &seen)) {
                    *ret_nomem = true;
                    return false;
                }
                if (seen) {
                    *ret_second = in.p + i;
                    return false;
                }
            }
        }
        i = end;
    }
    return true;
}

/* Turns a pointer into the input into line and column. */
static struct json_error error_at(struct span in, const uint8_t *p, enum json_cause cause)
{
    struct json_error e = { cause, json_cause_text(cause), (uint64_t) (p - in.p), 1, 1, 0 };

    for (const uint8_t *q = in.p; q < p; q++) {
        e.column++;
        if (*q == '\n') {
            e.line++;
            e.column = 1;
        }
    }
    return e;
}

bool json_no_duplicates(struct span in, const struct json_limits *lim, uint32_t members, struct json_error *reterr)
{
    struct dup_set d = { .secret = lim->secret };
    const uint8_t *second = in.p;
    size_t cap = 16;
    bool nomem = false, ok;

    if (members < 2)
        return true;
    while (cap < (size_t) members * 2)
        cap *= 2;
    d.mask = cap - 1;
    d.slots = calloc(cap, sizeof(*d.slots));
    arena_init(&d.decoded, in.n + 65536 + (size_t) members * 16);
    buf_init(&d.scratch, in.n);
    nomem = d.slots == NULL;
    ok = !nomem && dup_walk(&d, in, &second, &nomem);
    free(d.slots);
    arena_deinit(&d.decoded);
    buf_deinit(&d.scratch);
    if (!ok && reterr != NULL)
        *reterr = error_at(in, second, nomem ? JSON_E_NOMEM : JSON_E_DUPLICATE);
    return ok;
}

static bool check(struct span in, const struct json_limits *lim, struct buf *out, bool duplicates_ok,
                  struct json_error *reterr)
{
    uint32_t members = 0;

    return run(in, lim, out, &members, reterr) && (duplicates_ok || json_no_duplicates(in, lim, members, reterr));
}

bool json_check(struct span in, const struct json_limits *lim, struct json_error *reterr)
{
    return check(in, lim, NULL, lim->allow_duplicates, reterr);
}

bool json_minify(struct span in, const struct json_limits *lim, struct buf *out, struct json_error *reterr)
{
    return check(in, lim, out, lim->allow_duplicates, reterr);
}

/* ---- trees */

struct build {
    struct buf *out;
    struct buf name, text; /* decoded */
    size_t mark[TREE_DEPTH_MAX];
    uint32_t objects; /* bit n: the container at depth n is an object */
    size_t depth;
    bool has_key;
    struct span key;
};

static struct span decoded(struct build *b, struct buf *room, struct span raw)
{
    if (raw.n == 0 || memchr(raw.p, '\\', raw.n) == NULL)
        return raw;
    buf_reset(room);
    if (!json_string_decode(raw, room))
        b->out->failed = true;
    return buf_span(room);
}

static void build_scalar(struct build *b, struct json_value v)
{
    int64_t i;

    switch (v.type) {
    case JSON_NULL: tree_add_null(b->out, b->key); break;
    case JSON_FALSE: tree_add_bool(b->out, b->key, false); break;
    case JSON_TRUE: tree_add_bool(b->out, b->key, true); break;
    case JSON_STRING: tree_add_str(b->out, b->key, decoded(b, &b->text, v.raw)); break;
    case JSON_NUMBER:
        if (json_int(v.raw, &i))
            tree_add_int(b->out, b->key, i);
        else
            tree_add_num(b->out, b->key, v.raw);
        break;
    case JSON_ARRAY:
    case JSON_OBJECT: break; /* handled by the caller */
    }
    b->key = SPAN_EMPTY;
    b->has_key = false;
}

static void build_open(struct build *b, bool object)
{
    /* NOLINTNEXTLINE(clang-analyzer-core.UndefinedBinaryOperatorResult): the lexer opens as often as it closes, 32 deep at most */
    b->objects = object ? b->objects | 1u << b->depth : b->objects & ~(1u << b->depth);
    b->mark[b->depth++] = tree_begin(b->out, b->key, object ? TREE_OBJ : TREE_ARR);
    b->key = SPAN_EMPTY;
    b->has_key = false;
}

/* One pass over text that is valid and no deeper than TREE_DEPTH_MAX. */
static void build_tree(struct build *b, struct span in)
{
    for (in = json_skip_space(in); in.n > 0 && !b->out->failed; in = json_skip_space(in)) {
        bool in_object = b->depth > 0 && (b->objects >> (b->depth - 1) & 1) != 0;

        switch (*in.p) {
        case '{':
        case '[': build_open(b, *in.p == '{'); break;
        case '}':
        case ']': tree_end(b->out, b->mark[--b->depth]); break;
        case ',':
        case ':': break;
        default: {
            struct json_value v = json_take_value(&in);

            if (in_object && !b->has_key) {
                b->key = decoded(b, &b->name, v.raw);
                b->has_key = true;
            } else {
                build_scalar(b, v);
            }
            continue;
        }
        }
        in = span_sub(in, 1, in.n);
    }
}

bool json_parse(struct span in, const struct json_limits *lim, struct buf *tree, struct json_error *reterr)
{
    struct json_limits own = *lim;
    struct build b = { .out = tree };
    size_t before = tree->n;
    bool failed_before = tree->failed;

    if (own.depth > TREE_DEPTH_MAX)
        own.depth = TREE_DEPTH_MAX;
    if (!check(in, &own, NULL, false, reterr))
        return false;
    buf_init(&b.name, in.n);
    buf_init(&b.text, in.n);
    build_tree(&b, in);
    buf_deinit(&b.name);
    buf_deinit(&b.text);
    if (!tree->failed)
        return true;
    tree->n = before;
    tree->failed = failed_before;
    if (reterr != NULL)
        *reterr = error_at(in, in.p, JSON_E_NOMEM);
    return false;
}

enum err json_parse_err(struct span in, const struct json_limits *lim, struct buf *tree, struct err_info *reterr)
{
    struct json_error e;

    return json_parse(in, lim, tree, &e) ? ERR_OK : json_error_raise(&e, reterr);
}
