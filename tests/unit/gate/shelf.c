/* Shelves: bounded, what was used last stays, and nothing is left when the last viewer has gone. */
#include "test.h"

#include <stdlib.h>

#include "gate/lane.h"
#include "gate/shelf.h"

static struct gate_settings settings;
static struct gate gate;
static struct lane lane;

static int setup(void **state)
{
    (void) state;
    settings = (struct gate_settings){ .cache_bytes = 2u << 20 };
    gate = (struct gate){ .n_lanes = 2 };
    atomic_store(&gate.settings, &settings);
    lane = (struct lane){ .gate = &gate };
    map_init(&lane.shelves, gate.hash_secret, 100);
    list_init(&lane.shelf_lru);
    return 0;
}

static int teardown(void **state)
{
    (void) state;
    assert_int_equal(lane.shelves.n, 0);
    assert_int_equal(lane.shelf_bytes, 0);
    assert_true(list_empty(&lane.shelf_lru));
    map_deinit(&lane.shelves);
    return 0;
}

/* 'n' bytes, events from 'first'. The caller's reference. */
static struct block *made(size_t n, uint64_t first, uint32_t lines)
{
    struct block *b = calloc(1, sizeof(*b) + lines * sizeof(b->lines[0]));

    assert_non_null(b);
    b->refs = 1;
    buf_init(&b->bytes, 1u << 20);
    assert_non_null(buf_reserve(&b->bytes, n));
    b->bytes.n = n;
    b->meta = (struct segment_chunk){ .first_seq = first, .n_events = lines };
    b->n_lines = lines;
    return b;
}

static void put(struct shelf *s, enum shelf_kind kind, uint64_t at, size_t n, uint32_t lines)
{
    struct block *b = made(n, at, lines);

    shelf_put(s, kind, at, b);
    (void) block_unref(b);
}

static bool has(struct shelf *s, enum shelf_kind kind, uint64_t at)
{
    struct block *b = shelf_find(s, kind, at);
    bool found = b != NULL;

    (void) block_unref(b);
    return found;
}

static void found_by_number_and_by_event(void **state)
{
    struct shelf *s = shelf_join(&lane, "r_AAAAAAAAAAAAAAAA"), *t = shelf_join(&lane, "r_BAAAAAAAAAAAAAAA");

    (void) state;
    put(s, SHELF_STORED, 7, 1000, 0);
    put(s, SHELF_STORED, 3, 1000, 0);
    put(s, SHELF_EVENTS, 100, 1000, 50);
    put(s, SHELF_EVENTS, 0, 1000, 60); /* 60 to 99 are not here */
    assert_true(has(s, SHELF_STORED, 3) && has(s, SHELF_STORED, 7));
    assert_false(has(s, SHELF_STORED, 4) || has(s, SHELF_STORED, 2) || has(s, SHELF_STORED, 8) || has(s, SHELF_CHUNK, 3));
    assert_true(has(s, SHELF_EVENTS, 0) && has(s, SHELF_EVENTS, 59) && has(s, SHELF_EVENTS, 100) && has(s, SHELF_EVENTS, 149));
    assert_false(has(s, SHELF_EVENTS, 60) || has(s, SHELF_EVENTS, 99) || has(s, SHELF_EVENTS, 150));
    assert_false(has(t, SHELF_STORED, 3)); /* another recording */
    put(s, SHELF_STORED, 3, 2000, 0); /* in its place */
    {
        struct block *b = shelf_find(s, SHELF_STORED, 3);

        assert_int_equal(b->bytes.n, 2000);
        (void) block_unref(b);
    }
    assert_null(shelf_leave(s));
    assert_null(shelf_leave(t));
}

/* With the last one all of it goes, at once; what an answer still holds is its own affair. */
static void ends_with_the_last_viewer(void **state)
{
    struct shelf *s = shelf_join(&lane, "r_AAAAAAAAAAAAAAAA");
    struct block *sent;

    (void) state;
    assert_ptr_equal(shelf_join(&lane, "r_AAAAAAAAAAAAAAAA"), s);
    put(s, SHELF_STORED, 0, 1000, 0);
    put(s, SHELF_EVENTS, 0, 5000, 20);
    put(s, SHELF_MANIFEST, 20, 300, 0);
    sent = shelf_find(s, SHELF_STORED, 0);
    assert_int_equal(sent->refs, 2);
    assert_null(shelf_leave(s));
    assert_int_equal(sent->refs, 2); /* the other viewer is there */
    assert_true(lane.shelf_bytes > 6300);
    assert_null(shelf_leave(s));
    assert_int_equal(sent->refs, 1);
    assert_int_equal(lane.shelf_bytes, 0);
    s = shelf_join(&lane, "r_AAAAAAAAAAAAAAAA"); /* who comes later opens it for himself */
    assert_false(has(s, SHELF_STORED, 0));
    (void) block_unref(sent);
    assert_null(shelf_leave(s));
    assert_null(shelf_leave(NULL));
}

/* What is gone is not in memory either, whoever is there. */
static void forgotten(void **state)
{
    struct shelf *s = shelf_join(&lane, "r_AAAAAAAAAAAAAAAA"), *t = shelf_join(&lane, "r_BAAAAAAAAAAAAAAA");

    (void) state;
    put(s, SHELF_STORED, 0, 1000, 0);
    put(t, SHELF_STORED, 0, 1000, 0);
    shelf_forget(&lane, "r_AAAAAAAAAAAAAAAA");
    shelf_forget(&lane, "r_CAAAAAAAAAAAAAAA"); /* not known here */
    assert_false(has(s, SHELF_STORED, 0));
    assert_true(has(t, SHELF_STORED, 0));
    assert_null(shelf_leave(s));
    assert_null(shelf_leave(t));
}

/* This loop's half of 2 MiB, over all recordings; what was used longest ago goes. */
static void bounded(void **state)
{
    struct shelf *s = shelf_join(&lane, "r_AAAAAAAAAAAAAAAA"), *t = shelf_join(&lane, "r_BAAAAAAAAAAAAAAA");

    (void) state;
    for (uint64_t i = 0; i < 40; i++) {
        put(i % 2 == 0 ? s : t, SHELF_STORED, i, 60000, 0);
        assert_true(has(s, SHELF_STORED, 0)); /* used all the time: it stays */
        assert_true(lane.shelf_bytes <= 1u << 20);
    }
    assert_true(lane.shelf_bytes > (1u << 20) - 130000);
    assert_true(has(t, SHELF_STORED, 39));
    assert_false(has(t, SHELF_STORED, 1));
    put(s, SHELF_STORED, 99, 200000, 0); /* over an eighth: not kept */
    assert_false(has(s, SHELF_STORED, 99));
    lane.feed_bytes = 1u << 20; /* followers have all of it */
    shelves_tick(&lane);
    assert_int_equal(lane.shelf_bytes, 0);
    assert_null(shelf_leave(s));
    assert_null(shelf_leave(t));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(found_by_number_and_by_event, setup, teardown),
        cmocka_unit_test_setup_teardown(ends_with_the_last_viewer, setup, teardown),
        cmocka_unit_test_setup_teardown(forgotten, setup, teardown),
        cmocka_unit_test_setup_teardown(bounded, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
