/* How often recordings may be begun with a public token. */
#include "test.h"

#include <stdio.h>

#include "gate/new_rate.h"

static struct new_rate r;

static int begin(void **state)
{
    static const uint8_t secret[16];

    (void) state;
    assert_ok(new_rate_init(&r, secret, NULL));
    return 0;
}

static int end(void **state)
{
    (void) state;
    new_rate_deinit(&r);
    return 0;
}

static int64_t take(const char *tid, const char *source, int64_t boot)
{
    return new_rate_take(&r, NEW_RATE_RECORDING, span_str(tid), span_str(source), boot);
}

static void by_source(void **state)
{
    (void) state;
    for (int i = 0; i < NEW_RATE_SOURCE_BURST; i++)
        assert_int_equal(take("t_A", "\x0a\x01", 5000), 0);
    assert_in_range(take("t_A", "\x0a\x01", 5000), 1, NEW_RATE_SOURCE_MS + 1);
    assert_int_equal(take("t_A", "\x0a\x02", 5000), 0); /* another source */
    assert_int_equal(take("t_B", "\x0a\x01", 5000), 0); /* another token */
    assert_int_equal(new_rate_take(&r, NEW_RATE_EARLY, SPAN("t_A"), SPAN("\x0a\x01"), 5000), 0); /* another thing */
    assert_in_range(take("t_A", "\x0a\x01", 5000 + NEW_RATE_SOURCE_MS / 2), 1, NEW_RATE_SOURCE_MS / 2 + 1);
    assert_int_equal(take("t_A", "\x0a\x01", 5000 + NEW_RATE_SOURCE_MS), 0);
    assert_int_not_equal(take("t_A", "\x0a\x01", 5000 + NEW_RATE_SOURCE_MS), 0);
    /* asking often must not keep the time from passing */
    for (int64_t t = 1; t < NEW_RATE_SOURCE_MS; t++)
        assert_int_not_equal(take("t_A", "\x0a\x01", 5000 + NEW_RATE_SOURCE_MS + t), 0);
    assert_int_equal(take("t_A", "\x0a\x01", 5000 + 2 * NEW_RATE_SOURCE_MS), 0);
    /* a clock that stands or goes back gives nothing; a long time fills it, and no more than that */
    assert_int_not_equal(take("t_A", "\x0a\x01", 10), 0);
    for (int i = 0; i < NEW_RATE_SOURCE_BURST; i++)
        assert_int_equal(take("t_A", "\x0a\x01", INT64_MAX / 2), 0);
    assert_int_not_equal(take("t_A", "\x0a\x01", INT64_MAX / 2), 0);
}

static void by_token(void **state)
{
    char source[16];
    int n = 0;

    (void) state;
    for (int i = 0; i < NEW_RATE_TOKEN_BURST + 500; i++) {
        (void) snprintf(source, sizeof(source), "s%d", i);
        n += take("t_A", source, 1000) == 0;
    }
    assert_int_equal(n, NEW_RATE_TOKEN_BURST);
    (void) snprintf(source, sizeof(source), "new");
    assert_in_range(take("t_A", source, 1000), 1, 5);
    assert_int_equal(take("t_A", source, 1004), 0); /* 300 a second */
    assert_int_equal(take("t_B", source, 1004), 0);
}

/* More sources than there are counters: the old ones go when they are full again, else all new ones share one. */
static void full(void **state)
{
    char token[16], source[16];
    int good = 0;

    (void) state;
    for (int i = 0; i < NEW_RATE_ROWS + 200; i++) {
        (void) snprintf(token, sizeof(token), "t_%d", i % 50);
        (void) snprintf(source, sizeof(source), "s%d", i);
        good += take(token, source, 1000) == 0;
    }
    assert_in_range(good, NEW_RATE_ROWS - 60, NEW_RATE_ROWS + 100);
    assert_true(r.rows.n <= NEW_RATE_ROWS);
    assert_int_not_equal(take("t_1", "one more", 1000), 0);
    assert_int_equal(take("t_1", "one more", 1000 + 2 * NEW_RATE_SOURCE_MS), 0);
    assert_true(r.rows.n < NEW_RATE_ROWS / 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(by_source, begin, end),
        cmocka_unit_test_setup_teardown(by_token, begin, end),
        cmocka_unit_test_setup_teardown(full, begin, end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
