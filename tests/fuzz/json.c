/*
 * JSON: one input through every way in, and they must agree. Reading in place gets the raw input too, which may be
 * anything.
 */
#include "codec/jcs.h"
#include "codec/json_scan.h"
#include "codec/jsonw.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MUST(cond)                                                                                                     \
    do {                                                                                                               \
        if (!(cond))                                                                                                   \
            abort();                                                                                                   \
    } while (0)

struct got {
    struct buf text;
    uint64_t n;
};

static bool on_item(void *ctx, const struct json_item *item)
{
    struct got *g = ctx;

    buf_add_span(&g->text, item->bytes);
    buf_add_c(&g->text, '\n');
    g->n++;
    return true;
}

static bool on_outer(void *ctx, struct span bytes)
{
    return on_item(ctx, &(struct json_item){ .bytes = bytes });
}

static bool scan(struct span in, size_t step, enum json_shape shape, const struct json_limits *lim, struct got *g,
                 struct json_error *e)
{
    struct json_scan_opts o = {
        .shape = shape, .limits = *lim, .on_item = on_item, .on_outer = on_outer, .ctx = g, .hash_comments = true,
    };
    struct json_scan *s = json_scan_new(&o);
    bool ok = s != NULL;

    *g = (struct got){ .text = BUF_INIT(64 << 20) };
    for (size_t at = 0; ok && at < in.n; at += step)
        ok = json_scan_feed(s, span_sub(in, at, step), e);
    ok = ok && json_scan_finish(s, e);
    json_scan_free(s);
    return ok;
}

/* However the input is cut, the same comes out, errors and their places too. */
static void cuts_agree(struct span in, enum json_shape shape, const struct json_limits *lim)
{
    struct got whole, cut;
    struct json_error a = { 0 }, b = { 0 };
    size_t step = in.n > 0 ? 1 + in.p[0] % 7 : 1;

    MUST(scan(in, SIZE_MAX / 2, shape, lim, &whole, &a) == scan(in, step, shape, lim, &cut, &b));
    MUST(a.cause == b.cause && a.line == b.line && span_eq(buf_span(&whole.text), buf_span(&cut.text)));
    MUST(a.offset == b.offset && a.column == b.column && a.limit == b.limit);
    buf_deinit(&whole.text);
    buf_deinit(&cut.text);
}

static void walk(struct json_value v)
{
    struct json_iter it = json_iter(v);
    struct json_value child;
    struct buf b = BUF_INIT(1 << 20);
    size_t n = 0;
    int64_t i;

    while (json_next(&it, &child)) {
        MUST(n++ <= v.raw.n);
        buf_reset(&b);
        (void) !json_string_decode(child.raw, &b);
        (void) !json_scaled(child.raw, 6, &i);
        if (child.type == JSON_OBJECT)
            (void) json_find(child, "a", &child);
    }
    buf_deinit(&b);
}

/* With tokens and without: the same members all the way down. */
static void same_members(struct json_value a, struct json_value b)
{
    struct json_iter x = json_iter(a), y = json_iter(b);
    struct json_value v, w;

    MUST(a.type == b.type && span_eq(a.raw, b.raw) && span_eq(a.key, b.key));
    while (json_next(&x, &v)) {
        MUST(json_next(&y, &w));
        same_members(v, w);
    }
    MUST(!json_next(&y, &w));
}

/* What is taken in one pass is what the strict reader takes, whatever follows. */
static void tape_agrees(struct span in, struct span small, bool ok, const struct json_limits *lim)
{
    struct json_tape t;
    struct json_error e;
    size_t used;

    json_tape_init(&t);
    if (json_tape_read(&t, in, lim, &used))
        MUST(json_check(span_sub(in, 0, used), lim, &e) || e.cause == JSON_E_DUPLICATE);
    if (ok && small.n > 0 && (small.p[0] == '{' || small.p[0] == '[') && json_tape_read(&t, small, lim, &used)) {
        MUST(used == small.n);
        same_members(json_tape_value(t.v, small), json_value(small));
    }
    json_tape_deinit(&t);
}

static void trees_agree(struct span in, const struct json_limits *lim)
{
    struct buf tree = BUF_INIT(64 << 20), again = BUF_INIT(64 << 20), text = BUF_INIT(64 << 20);
    struct json_error e;
    struct jsonw w;

    if (json_parse(in, lim, &tree, &e)) {
        MUST(tree_check(buf_span(&tree)));
        jsonw_init(&w, &text);
        jsonw_tree(&w, tree_root(buf_span(&tree)));
        MUST(jsonw_done(&w));
        MUST(json_parse(buf_span(&text), lim, &again, &e));
        MUST(span_eq(buf_span(&tree), buf_span(&again)));
        buf_reset(&text);
        if (jcs_add(&text, tree_root(buf_span(&tree)), NULL) == ERR_OK)
            MUST(json_check(buf_span(&text), lim, &e));
    }
    buf_deinit(&tree);
    buf_deinit(&again);
    buf_deinit(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span in = span_of(data, size);
    struct json_limits lim = { .bytes = 1 << 20, .depth = 20, .members = 2000, .string = 64 << 10 };
    struct buf small = BUF_INIT(1 << 20), twice = BUF_INIT(1 << 20);
    struct json_error e;
    bool ok;

    if (size == 0 || size > 1 << 16)
        return 0;
    lim.allow_lone_surrogates = (data[0] & 1) != 0;
    lim.allow_duplicates = (data[0] & 2) != 0;
    ok = json_minify(in, &lim, &small, &e);
    MUST(ok == json_check(in, &lim, &e));
    if (ok) {
        struct got g;

        MUST(json_minify(buf_span(&small), &lim, &twice, &e));
        MUST(span_eq(buf_span(&small), buf_span(&twice)));
        MUST(scan(in, 3, JSON_SHAPE_LINES, &lim, &g, &e) && g.n == 1);
        MUST(span_eq(span_sub(buf_span(&g.text), 0, g.text.n - 1), buf_span(&small)));
        buf_deinit(&g.text);
        walk(json_value(buf_span(&small)));
    }
    walk(json_value(in));
    tape_agrees(in, buf_span(&small), ok, &lim);
    lim.refuse_nul = true;
    trees_agree(in, &lim);
    lim.bytes = 300;
    cuts_agree(in, JSON_SHAPE_SNIFF, &lim);
    cuts_agree(in, JSON_SHAPE_LINES, &lim);
    buf_deinit(&small);
    buf_deinit(&twice);
    return 0;
}
