/* Tiles and bundles out of a log's table: what they hold, at every width, and each damage refused. */
#include "log.h"

#include "audit/tiles.h"
#include "nomem.h"

#define N_LEAVES 600

static struct fixture f;

struct copy {
    struct buf leaves[N_LEAVES];
    size_t n;
};

static struct copy all;

static bool take(void *ctx, const struct meta_audit *row)
{
    struct copy *c = ctx;

    c->leaves[c->n] = BUF_INIT(LEAF_MAX);
    buf_add_span(&c->leaves[c->n++], row->leaf);
    return true;
}

static int make_log(void **state)
{
    (void) state;
    assert_ok(secret_init(64, 64, NULL));
    fixture_init(&f);
    begin(&f);
    create_log(&f, PROJECT, 5);
    for (int i = 1; i < N_LEAVES; i++)
        append_lease(&f, PROJECT, i);
    commit(&f);
    assert_ok(meta_audit_leaves(meta_view(f.m), SPAN(PROJECT), 0, take, &all, NULL));
    assert_int_equal(all.n, N_LEAVES);
    return 0;
}

static int drop_log(void **state)
{
    (void) state;
    for (size_t i = 0; i < all.n; i++)
        buf_deinit(&all.leaves[i]);
    fixture_deinit(&f);
    return 0;
}

/* By the standard's own words, from the leaves. */
static void expected(const struct tile *t, struct buf *b)
{
    for (uint64_t i = tile_first(t); t->level == 0 && i < tile_first(t) + t->width; i++) {
        struct span leaf = buf_span(&all.leaves[i]);
        struct merkle_hash h = merkle_leaf(leaf);
        uint8_t len[2] = { (uint8_t) (leaf.n >> 8), (uint8_t) leaf.n };

        if (t->entries) {
            buf_add(b, len, sizeof(len));
            buf_add_span(b, leaf);
        } else {
            buf_add(b, h.b, sizeof(h.b));
        }
    }
    for (unsigned k = 0; t->level == 1 && k < t->width; k++) {
        struct merkle_frontier tree;
        struct merkle_hash root;

        merkle_frontier_init(&tree);
        for (size_t i = 256 * k; i < 256 * (k + 1); i++) {
            struct merkle_hash h = merkle_leaf(buf_span(&all.leaves[i]));

            assert_ok(merkle_append(&tree, &h, NULL, NULL, NULL));
        }
        root = merkle_root(&tree);
        buf_add(b, root.b, sizeof(root.b));
    }
}

static const struct tile shapes[] = {
    { .entries = true, .n = 0, .width = TILE_WIDTH }, { .entries = true, .n = 2, .width = 88 },
    { .entries = true, .n = 1, .width = 1 },          { .n = 0, .width = TILE_WIDTH },
    { .n = 1, .width = TILE_WIDTH },                  { .n = 2, .width = 88 },
    { .n = 0, .width = 3 },                           { .level = 1, .n = 0, .width = 2 },
    { .level = 1, .n = 0, .width = 1 },
};

static void what_they_hold(void **state)
{
    (void) state;
    for (size_t i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++) {
        struct buf b = BUF_INIT(AUDIT_TILE_MAX), want = BUF_INIT(AUDIT_TILE_MAX);

        assert_ok_err(audit_tile_read(meta_view(f.m), SPAN(PROJECT), &shapes[i], &b, &f.e), &f.e);
        expected(&shapes[i], &want);
        assert_span_eq(buf_span(&b), buf_span(&want));
        buf_deinit(&b);
        buf_deinit(&want);
    }
}

static void past_the_end(void **state)
{
    static const struct {
        struct tile t;
        enum err want;
    } cases[] = {
        { { .entries = true, .n = 2, .width = 89 }, ERR_CORRUPT }, { { .entries = true, .n = 3, .width = 1 }, ERR_CORRUPT },
        { { .n = 2, .width = 89 }, ERR_CORRUPT },                  { { .level = 1, .n = 0, .width = 3 }, ERR_NOTFOUND },
    };

    (void) state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct buf b = BUF_INIT(AUDIT_TILE_MAX);

        assert_err(audit_tile_read(meta_view(f.m), SPAN(PROJECT), &cases[i].t, &b, NULL), cases[i].want);
        buf_deinit(&b);
    }
}

static void a_buffer_too_small(void **state)
{
    (void) state;
    for (size_t i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++) {
        struct buf want = BUF_INIT(AUDIT_TILE_MAX), b;

        expected(&shapes[i], &want);
        buf_init(&b, want.n - 1);
        assert_err(audit_tile_read(meta_view(f.m), SPAN(PROJECT), &shapes[i], &b, NULL), ERR_LIMIT);
        buf_deinit(&b);
        buf_deinit(&want);
    }
}

static bool read_works(void *ctx)
{
    struct buf b = BUF_INIT(AUDIT_TILE_MAX);
    bool ok = audit_tile_read(meta_view(f.m), SPAN(PROJECT), ctx, &b, NULL) == ERR_OK;

    buf_deinit(&b);
    return ok;
}

static void without_memory(void **state)
{
    (void) state;
    for (size_t i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++) {
        struct tile t = shapes[i];
        unsigned n = 0;

        while (nomem_try(n, read_works, &t))
            n++;
        assert_true(n > 0);
    }
}

/* Last: each one stays in the table. */
static void damage(void **state)
{
    static const struct {
        const char *sql;
        struct tile t;
        enum err want;
    } cases[] = {
        { "UPDATE audit SET leaf=CAST(replace(CAST(leaf AS TEXT),'3','4') AS BLOB) WHERE idx=599",
          { .entries = true, .n = 2, .width = 88 }, ERR_CORRUPT },
        { "UPDATE audit SET hash=zeroblob(32) WHERE idx=599", { .entries = true, .n = 2, .width = 88 }, ERR_CORRUPT },
        { "UPDATE audit SET hash=zeroblob(31) WHERE idx=599", { .n = 2, .width = 88 }, ERR_CORRUPT },
        { "UPDATE audit SET leaf=NULL WHERE idx=3", { .entries = true, .n = 0, .width = 4 }, ERR_CORRUPT },
        { "DELETE FROM audit WHERE idx=3", { .entries = true, .n = 0, .width = TILE_WIDTH }, ERR_CORRUPT },
        { "DELETE FROM audit WHERE idx=3", { .n = 0, .width = 4 }, ERR_CORRUPT },
        { "UPDATE audit_node SET hash=zeroblob(31) WHERE idx=1", { .level = 1, .n = 0, .width = 2 }, ERR_CORRUPT },
        { "DELETE FROM audit_node WHERE idx=1", { .level = 1, .n = 0, .width = 2 }, ERR_NOTFOUND },
    };

    (void) state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct buf b = BUF_INIT(AUDIT_TILE_MAX);

        forge(&f, cases[i].sql);
        assert_err(audit_tile_read(meta_view(f.m), SPAN(PROJECT), &cases[i].t, &b, NULL), cases[i].want);
        buf_deinit(&b);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_they_hold),     cmocka_unit_test(past_the_end), cmocka_unit_test(a_buffer_too_small),
        cmocka_unit_test(without_memory),     cmocka_unit_test(damage),
    };

    return cmocka_run_group_tests(tests, make_log, drop_log);
}
