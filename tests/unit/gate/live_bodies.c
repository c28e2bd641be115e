/* Shares of the memory for batches under way: each limit on both sides, what is given back, who is not in the way of whom. */
#include "test.h"

#include "gate/live_bodies.h"

static const uint8_t secret[16] = { 3 };

static void one_token(void **state)
{
    struct live_hold a = { .bytes = 0 }, b = a, small = a, other = a;
    struct live_bodies t;

    (void) state;
    assert_ok(live_bodies_init(&t, secret, NULL));
    assert_true(live_bodies_take(&t, &a, "p_1", "t_1", LIVE_BODIES_TOKEN - LIVE_BODY_SMALL - 1));
    assert_true(live_bodies_take(&t, &b, "p_1", "t_1", LIVE_BODY_SMALL));
    assert_true(live_bodies_take(&t, &b, "p_1", "t_1", 1)); /* full */
    assert_false(live_bodies_take(&t, &b, "p_1", "t_1", 1));
    assert_true(live_bodies_take(&t, &small, "p_1", "t_1", LIVE_BODY_SMALL)); /* small ones pass */
    assert_false(live_bodies_take(&t, &small, "p_1", "t_1", 1));
    assert_true(live_bodies_take(&t, &other, "p_1", "t_2", LIVE_BODY_SMALL + 1)); /* and other tokens */
    live_bodies_give(&t, &b);
    live_bodies_give(&t, &small);
    live_bodies_give(&t, &small);
    assert_true(live_bodies_take(&t, &a, "p_1", "t_1", LIVE_BODY_SMALL + 1));
    assert_false(live_bodies_take(&t, &a, "p_1", "t_1", 1));
    live_bodies_give(&t, &a);
    live_bodies_give(&t, &other);
    assert_int_equal(t.bytes, 0);
    assert_int_equal(t.shares.n, 0); /* nothing is remembered of who has nothing */
    live_bodies_deinit(&t);
}

static void one_project(void **state)
{
    struct live_hold h[8] = { { .bytes = 0 } }, other = { .bytes = 0 };
    struct live_bodies t;

    (void) state;
    assert_ok(live_bodies_init(&t, secret, NULL));
    assert_true(live_bodies_take(&t, &h[0], "p_1", "t_1", LIVE_BODIES_TOKEN));
    assert_true(live_bodies_take(&t, &h[1], "p_1", "t_2", LIVE_BODIES_PROJECT - LIVE_BODIES_TOKEN));
    assert_false(live_bodies_take(&t, &h[2], "p_1", "t_3", LIVE_BODY_SMALL + 1));
    assert_true(live_bodies_take(&t, &other, "p_2", "t_4", LIVE_BODIES_TOKEN));
    assert_true(live_bodies_take(&t, &h[3], "", "", LIVE_BODIES_MAX - LIVE_BODIES_PROJECT - LIVE_BODIES_TOKEN - LIVE_BODY_SMALL - 1));
    assert_false(live_bodies_take(&t, &h[4], "p_3", "t_5", LIVE_BODY_SMALL + 1)); /* of all */
    for (size_t i = 0; i < 8; i++)
        live_bodies_give(&t, &h[i]);
    assert_true(live_bodies_take(&t, &h[0], "", "", LIVE_BODIES_TOKEN));
    assert_false(live_bodies_take(&t, &h[1], "", "", LIVE_BODY_SMALL + 1)); /* whose token is not known: all together as one */
    live_bodies_give(&t, &h[0]);
    live_bodies_give(&t, &h[1]);
    live_bodies_give(&t, &other);
    assert_int_equal(t.shares.n, 0);
    live_bodies_deinit(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_token),
        cmocka_unit_test(one_project),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
