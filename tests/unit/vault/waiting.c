/* Leaves that a checkpoint has to show: in place, in time, and those that are asked about late. */
#include "test.h"

#include "vault/waiting.h"

static const uint8_t secret[16] = "0123456789abcde";
static struct waiting w;

static int begin(void **state)
{
    (void) state;
    waiting_init(&w, secret);
    return 0;
}

static int end(void **state)
{
    (void) state;
    waiting_deinit(&w);
    assert_int_equal(w.n, 0);
    assert_int_equal(w.n_recent, 0);
    return 0;
}

static struct merkle_hash leaf(uint64_t i)
{
    return merkle_leaf(span_of(&i, sizeof(i)));
}

static enum waiting_verdict add(const char *log, uint64_t idx, uint64_t what, int64_t boot)
{
    const struct merkle_hash h = leaf(what);

    return waiting_add(&w, span_str(log), idx, &h, 0, boot);
}

static struct merkle_hash hashes[3000];
static struct ipc_row_hash rows[3000];

/* The leaves [first, first + n), each its own index. */
static bool show(const char *log, uint64_t first, uint32_t n, int64_t boot, bool *ret_agrees)
{
    for (uint32_t i = 0; i < n; i++) {
        hashes[i] = leaf(first + i);
        rows[i].hash = SPAN_OF(hashes[i].b);
    }
    if (ret_agrees != NULL)
        *ret_agrees = waiting_agrees(&w, span_str(log), first, rows, n);
    return waiting_take(&w, span_str(log), waiting_run_new(first, rows, n), boot);
}

static void shown_in_place(void **state)
{
    bool agrees;

    (void) state;
    assert_int_equal(add("system", 3, 3, 0), WAITING_ADDED);
    assert_int_equal(add("system", 7, 7, 0), WAITING_ADDED);
    assert_int_equal(add("system", 5, 5, 0), WAITING_ADDED); /* out of order */
    assert_int_equal(add("system", 5, 5, 0), WAITING_ADDED); /* the same again is one */
    assert_int_equal(w.n, 3);
    assert_int_equal(add("p_AAAAAAAAAAAAAAAA", 3, 3, 0), WAITING_ADDED);
    assert_true(show("system", 0, 6, 10, &agrees));
    assert_true(agrees);
    assert_int_equal(w.n, 2); /* 7, and the other log's */
    assert_true(show("system", 6, 1, 20, &agrees));
    assert_int_equal(w.n, 2);
    assert_true(show("system", 7, 1, 20, &agrees));
    assert_int_equal(w.n, 1);
}

static void another_leaf_is_seen(void **state)
{
    bool agrees;

    (void) state;
    assert_int_equal(add("system", 3, 4, 0), WAITING_ADDED); /* says 4, the log will have 3 there */
    assert_int_equal(add("system", 3, 5, 0), WAITING_FALSE); /* one place, two leaves */
    assert_false(show("system", 0, 9, 0, &agrees));
    assert_false(agrees);
}

static void a_place_that_was_passed_over(void **state)
{
    bool agrees;

    (void) state;
    assert_int_equal(add("system", 3, 3, 0), WAITING_ADDED);
    assert_false(show("system", 5, 2, 0, &agrees)); /* a checkpoint from 5 on: 3 never comes any more */
    assert_false(agrees);
}

static void asked_after_the_checkpoint(void **state)
{
    (void) state;
    assert_true(show("system", 0, 10, 1000, NULL));
    assert_true(show("system", 10, 10, 2000, NULL));
    assert_int_equal(add("system", 4, 4, 3000), WAITING_SHOWN);
    assert_int_equal(add("system", 19, 19, 3000), WAITING_SHOWN);
    assert_int_equal(add("system", 4, 5, 3000), WAITING_FALSE);
    assert_int_equal(add("system", 20, 20, 3000), WAITING_ADDED);
    waiting_sweep(&w, 1000 + WAITING_RECENT_MS - 1);
    assert_int_equal(add("system", 4, 4, 3000), WAITING_SHOWN);
    waiting_sweep(&w, 1000 + WAITING_RECENT_MS);
    assert_int_equal(add("system", 4, 4, 3000), WAITING_UNKNOWN); /* proves nothing: refused */
    assert_int_equal(add("system", 14, 14, 3000), WAITING_SHOWN);
}

static void after_a_start_the_past_is_unknown(void **state)
{
    const struct merkle_hash h = leaf(4);

    (void) state;
    assert_int_equal(waiting_add(&w, SPAN("system"), 4, &h, 5, 0), WAITING_UNKNOWN);
    assert_int_equal(waiting_add(&w, SPAN("system"), 5, &h, 5, 0), WAITING_ADDED);
}

static void late_to_the_millisecond(void **state)
{
    (void) state;
    assert_false(waiting_is_late(&w, 1000000));
    assert_int_equal(add("system", 0, 0, 1000), WAITING_ADDED);
    assert_int_equal(add("p_AAAAAAAAAAAAAAAA", 0, 0, 3000), WAITING_ADDED);
    assert_false(waiting_is_late(&w, 1000 + WAITING_LATE_MS - 1));
    assert_true(waiting_is_late(&w, 1000 + WAITING_LATE_MS));
    assert_true(show("system", 0, 1, 7000, NULL)); /* it came after all: the oldest is the other's */
    assert_false(waiting_is_late(&w, 3000 + WAITING_LATE_MS - 1));
    assert_true(waiting_is_late(&w, 3000 + WAITING_LATE_MS));
}

static void limits(void **state)
{
    (void) state;
    for (uint64_t i = 0; i < WAITING_MAX; i++)
        assert_int_equal(add("system", i, i, 0), WAITING_ADDED);
    assert_int_equal(add("system", WAITING_MAX, 1, 0), WAITING_FULL);
    waiting_deinit(&w);
    waiting_init(&w, secret);
    for (uint64_t i = 0; i < WAITING_RECENT_MAX / 3000 + 10; i++) /* the oldest give way */
        assert_true(show("system", i * 3000, 3000, 0, NULL));
    assert_true(w.n_recent <= WAITING_RECENT_MAX && w.n_recent > WAITING_RECENT_MAX - 3000);
    assert_int_equal(add("system", 0, 0, 0), WAITING_UNKNOWN);
    assert_int_equal(add("system", 3000 * (WAITING_RECENT_MAX / 3000 + 9), 3000 * (WAITING_RECENT_MAX / 3000 + 9), 0),
                     WAITING_SHOWN);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(shown_in_place, begin, end),
        cmocka_unit_test_setup_teardown(another_leaf_is_seen, begin, end),
        cmocka_unit_test_setup_teardown(a_place_that_was_passed_over, begin, end),
        cmocka_unit_test_setup_teardown(asked_after_the_checkpoint, begin, end),
        cmocka_unit_test_setup_teardown(after_a_start_the_past_is_unknown, begin, end),
        cmocka_unit_test_setup_teardown(late_to_the_millisecond, begin, end),
        cmocka_unit_test_setup_teardown(limits, begin, end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
