/* Which recordings are open, and for whom: a token's limit, and one source's part of a public token's. */
#include "test.h"

#include <stdio.h>
#include <stdlib.h>

#include "gate/live.h"

static struct live_table t;
static struct live_rec *recs[64];
static unsigned n;

static int begin(void **state)
{
    static const uint8_t secret[16];

    (void) state;
    assert_ok(live_table_init(&t, secret, NULL));
    n = 0;
    return 0;
}

static int end(void **state)
{
    (void) state;
    while (n > 0) {
        live_table_remove(&t, recs[--n]);
        free(recs[n]);
    }
    assert_int_equal(t.opens.n, 0); /* nothing is counted any more */
    live_table_deinit(&t);
    return 0;
}

static enum err add(const char *tid, const char *source, unsigned max)
{
    struct live_rec *r = calloc(1, sizeof(*r));
    enum err e;

    (void) snprintf(r->place.rid, sizeof(r->place.rid), "r_%016u", n);
    (void) snprintf(r->place.pid, sizeof(r->place.pid), "p_AAAAAAAAAAAAAAAA");
    (void) snprintf(r->place.tid, sizeof(r->place.tid), "%s", tid);
    (void) snprintf(r->place.source, sizeof(r->place.source), "%s", source);
    e = live_table_add(&t, r, max);
    if (e == ERR_OK)
        recs[n++] = r;
    else
        free(r);
    return e;
}

static void limit_of_a_token(void **state)
{
    (void) state;
    for (int i = 0; i < 8; i++)
        assert_ok(add("t_A", "", 8));
    assert_false(live_table_room(&t, "t_A", "", 8));
    assert_int_equal(add("t_A", "", 8), ERR_LIMIT);
    assert_ok(add("t_B", "", 8));
    assert_ok(add("t_A", "", 0)); /* what is taken over is not refused */
    live_table_remove(&t, recs[--n]);
    free(recs[n]);
    live_table_remove(&t, recs[0]);
    assert_true(live_table_room(&t, "t_A", "", 8));
}

static void one_source_leaves_room(void **state)
{
    (void) state;
    for (int i = 0; i < 2; i++)
        assert_ok(add("t_A", "047f0000", 8));
    assert_false(live_table_room(&t, "t_A", "047f0000", 8)); /* a quarter is its own */
    assert_int_equal(add("t_A", "047f0000", 8), ERR_LIMIT);
    assert_ok(add("t_B", "047f0000", 8)); /* of this token */
    for (int i = 0; i < 6; i++) {
        char source[16];

        (void) snprintf(source, sizeof(source), "040a%04x", i / 2);
        assert_true(live_table_room(&t, "t_A", source, 8));
        assert_ok(add("t_A", source, 8));
    }
    assert_false(live_table_room(&t, "t_A", "04ffffff", 8)); /* the token's own limit stays */
    live_table_remove(&t, recs[0]);
    assert_true(live_table_room(&t, "t_A", "047f0000", 8));
    assert_true(live_table_room(&t, "t_A", "04ffffff", 8));
    live_table_remove(&t, recs[0]); /* again: nothing is counted down twice */
    assert_ok(add("t_C", "047f0000", 1)); /* a quarter is one at least */
    assert_int_equal(add("t_C", "047f0000", 1), ERR_LIMIT);
}

static void taken_over(void **state)
{
    struct live_place from = { .pid = "p_AAAAAAAAAAAAAAAA", .tid = "t_A", .secret = "krs_x", .source = "047f0000" }, got;

    (void) state;
    assert_ok(add("", "", 0));
    live_table_name(&t, recs[0], &from);
    assert_true(live_table_find(&t, span_str(recs[0]->place.rid), &got));
    assert_string_equal(got.tid, "t_A");
    assert_string_equal(got.secret, "krs_x");
    assert_false(live_table_room(&t, "t_A", "047f0000", 4)); /* counts like any other */
    assert_true(live_table_room(&t, "t_A", "04ffffff", 4));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(limit_of_a_token, begin, end),
        cmocka_unit_test_setup_teardown(one_source_leaves_room, begin, end),
        cmocka_unit_test_setup_teardown(taken_over, begin, end),
    };

    return cmocka_run_group_tests_name("gate live_table", tests, NULL, NULL);
}
