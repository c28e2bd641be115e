/* Tiles: names, widths, what a growing log needs, bundles; another implementation's log is read and made again. */
#include "test.h"

#include <stdio.h>

#include "format/merkle.h"
#include "format/note.h"
#include "format/tile.h"

static void names(void **state)
{
    static const struct {
        const char *path;
        struct tile t;
    } good[] = {
        { "0/000", { false, 0, 0, 256 } },
        { "0/000.p/1", { false, 0, 0, 1 } },
        { "0/255.p/255", { false, 0, 255, 255 } },
        { "1/x001/x234/067", { false, 1, 1234067, 256 } },
        { "0/x001/x234/067.p/8", { false, 0, 1234067, 8 } },
        { "entries/000.p/3", { true, 0, 0, 3 } },
        { "entries/x004/x294/x967/295", { true, 0, 4294967295, 256 } },
        { "4/000.p/7", { false, 4, 0, 7 } },
        { "2/x001/000", { false, 2, 1000, 256 } },
    };

    (void) state;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        char path[TILE_PATH_CAP];
        struct tile t;

        if (!tile_parse(span_str(good[i].path), &t))
            fail_msg("'%s' is refused", good[i].path);
        assert_int_equal(t.entries, good[i].t.entries);
        assert_int_equal(t.level, good[i].t.level);
        assert_int_equal(t.n, good[i].t.n);
        assert_int_equal(t.width, good[i].t.width);
        tile_path(&t, path);
        assert_string_equal(path, good[i].path);
    }
}

static void wrong_names(void **state)
{
    static const char *const wrong[] = {
        "", "0", "0/", "/000", "0/00", "0/0000", "0/x001", "0/x001/", "0/x000/001", "0/x1/001", "00/000", "5/000", "63/000",
        "4/001", "entry/000", "entries/0", "0/000.p", "0/000.p/", "0/000.p/0", "0/000.p/256", "0/000.p/01", "0/000.p/1/",
        "0/000.p/1/2", "0/000.q/1", "0/x001.p/001", "0/000/001", "-1/000", "0/00a", "0/x004/x294/x967/296",
        "0/x001/x000/x000/x000/x000/000", "0/000.p/x", "entries/x000/000", "0/ 00", "0/000 ",
    };

    (void) state;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        struct tile t;

        if (tile_parse(span_str(wrong[i]), &t))
            fail_msg("'%s' is taken", wrong[i]);
    }
}

/* The example of the specification: 70 000 leaves. */
static void widths(void **state)
{
    (void) state;
    assert_int_equal(tile_width(0, 272, 70000), 256);
    assert_int_equal(tile_width(0, 273, 70000), 112);
    assert_int_equal(tile_width(0, 274, 70000), 0);
    assert_int_equal(tile_width(1, 0, 70000), 256);
    assert_int_equal(tile_width(1, 1, 70000), 17);
    assert_int_equal(tile_width(2, 0, 70000), 1);
    assert_int_equal(tile_width(3, 0, 70000), 0);
    assert_int_equal(tile_width(0, 0, 0), 0);
    assert_int_equal(tile_width(1, 0, 255), 0);
    assert_int_equal(tile_width(1, 0, 256), 1);
    assert_true(tile_is_in(&(struct tile){ false, 0, 273, 112 }, 70000));
    assert_true(tile_is_in(&(struct tile){ true, 0, 273, 1 }, 70000));
    assert_false(tile_is_in(&(struct tile){ false, 0, 273, 113 }, 70000));
    assert_int_equal(tile_first(&(struct tile){ false, 1, 1, 17 }), 65536);
    assert_int_equal(tile_end(&(struct tile){ false, 1, 1, 17 }), 65536 + 17 * 256);
}

/* Every step of a log that grows by odd amounts: what the walk names is exactly what changed. */
static void growth(void **state)
{
    (void) state;
    for (uint64_t old = 0, step = 1; old < 200000; old += step, step = step * 3 % 1021 + 1) {
        uint64_t size = old + step;
        struct tile_walk w = tile_walk(old, size);
        struct tile t;
        size_t n = 0, want = 0;

        while (tile_walk_next(&w, &t)) {
            assert_int_equal(t.width, tile_width(t.level, t.n, size));
            assert_true(t.width > tile_width(t.level, t.n, old));
            n++;
        }
        for (unsigned level = 0; level < TILE_LEVELS; level++) {
            for (uint64_t i = 0; tile_width(level, i, size) > 0; i++)
                want += (level == 0 ? 2u : 1u) * (tile_width(level, i, size) > tile_width(level, i, old));
        }
        assert_int_equal(n, want);
    }
}

static void bundles(void **state)
{
    CLEANUP(buf_deinit) struct buf b = BUF_INIT(200000);
    static const uint8_t big[TILE_ENTRY_MAX + 1];
    struct span rest, e;

    (void) state;
    assert_ok(tile_entry_add(&b, SPAN("one"), NULL));
    assert_ok(tile_entry_add(&b, SPAN_EMPTY, NULL));
    assert_ok(tile_entry_add(&b, span_of(big, TILE_ENTRY_MAX), NULL));
    assert_err(tile_entry_add(&b, span_of(big, TILE_ENTRY_MAX + 1), NULL), ERR_LIMIT);
    assert_int_equal(b.n, 5 + 2 + 2 + TILE_ENTRY_MAX);
    assert_memory_equal(b.p, "\0\3one\0\0\xff\xff", 9);
    rest = buf_span(&b);
    assert_true(tile_entry_next(&rest, &e));
    assert_span_str(e, "one");
    assert_true(tile_entry_next(&rest, &e));
    assert_int_equal(e.n, 0);
    assert_true(tile_entry_next(&rest, &e));
    assert_int_equal(e.n, TILE_ENTRY_MAX);
    assert_false(tile_entry_next(&rest, &e));
    assert_int_equal(rest.n, 0);
    rest = SPAN("\0\4abc");
    assert_false(tile_entry_next(&rest, &e));
    assert_int_equal(rest.n, 5);
    rest = SPAN("x");
    assert_false(tile_entry_next(&rest, &e));
}

/* A log that another program wrote, at each of its sizes: bundle -> leaf hashes -> its tile -> its checkpoint. */
static void a_log_by_others(void **state)
{
    const char *top = test_shared("tlog_merkle/tessera-log");

    (void) state;
    if (top == NULL)
        skip();
    for (unsigned size = 1; size <= 15; size++) {
        const struct tile tiles[2] = { { true, 0, 0, size }, { false, 0, 0, size } };
        CLEANUP(buf_deinit) struct buf bundle = BUF_INIT(1 << 20);
        CLEANUP(buf_deinit) struct buf tile = BUF_INIT(1 << 20);
        CLEANUP(buf_deinit) struct buf note = BUF_INIT(1 << 20);
        CLEANUP(buf_deinit) struct buf again = BUF_INIT(1 << 20);
        struct buf *const files[2] = { &bundle, &tile };
        struct merkle_frontier f;
        struct merkle_hash root;
        struct note_checkpoint c;
        struct span rest, entry, text, sigs;
        char path[700], name[TILE_PATH_CAP];

        for (size_t i = 0; i < 2; i++) {
            tile_path(&tiles[i], name);
            (void) snprintf(path, sizeof(path), "%s/tile/%s", top, name);
            test_read_file(path, files[i]);
        }
        (void) snprintf(path, sizeof(path), "%s/checkpoint.%u", top, size);
        test_read_file(path, &note);
        merkle_frontier_init(&f);
        rest = buf_span(&bundle);
        for (unsigned i = 0; i < size; i++) {
            struct merkle_hash h;

            assert_true(tile_entry_next(&rest, &entry));
            h = merkle_leaf(entry);
            assert_span_eq(span_sub(buf_span(&tile), (size_t) i * 32, 32), SPAN_OF(h.b));
            assert_ok(merkle_append(&f, &h, NULL, NULL, NULL));
            assert_ok(tile_entry_add(&again, entry, NULL));
        }
        assert_int_equal(rest.n, 0);
        assert_int_equal(tile.n, size * 32);
        assert_span_eq(buf_span(&again), buf_span(&bundle));
        assert_ok(note_split(buf_span(&note), &text, &sigs, NULL));
        assert_ok(note_checkpoint_parse(text, &c, NULL, NULL));
        root = merkle_root(&f);
        assert_int_equal(c.size, size);
        assert_span_eq(SPAN_OF(c.root.b), SPAN_OF(root.b));
    }
}

static void more_wrong_names(void **state)
{
    static const char *const wrong[] = { "0/xabc/000", "0/x0a1/000", "0/00000", "0/000xp/1", "0/000.x/1", "0/x001/x002" };
    struct tile t;

    (void) state;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        if (tile_parse(span_str(wrong[i]), &t))
            fail_msg("'%s' is taken", wrong[i]);
    }
}

/* A number that no tree has: as many groups as fit, never more. */
static void a_number_too_large_stays_inside(void **state)
{
    const struct tile t = { .level = 4, .n = UINT64_MAX, .width = 255 };
    char path[TILE_PATH_CAP];

    (void) state;
    tile_path(&t, path);
    assert_string_equal(path, "4/x744/x073/x709/x551/615.p/255");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names),   cmocka_unit_test(wrong_names), cmocka_unit_test(widths),
        cmocka_unit_test(growth),  cmocka_unit_test(bundles),     cmocka_unit_test(a_log_by_others),
        cmocka_unit_test(more_wrong_names),
        cmocka_unit_test(a_number_too_large_stays_inside),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
