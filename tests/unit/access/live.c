/* The live-grant table: what is not there opens nothing, generations never go down, both clocks close. */
#include "test.h"

#include "access/live.h"

#include <stdio.h>

#define JTI SPAN("BXqH0cJLlQzHgCOqSMGAMA")

static struct live_grant row(const char *gid, enum grant_state state, uint32_t gen)
{
    struct live_grant g = { .state = state, .gen = gen, .wend = 10000, .deadline = 5000 };

    (void) snprintf(g.gid, sizeof(g.gid), "%.*s", (int) sizeof(g.gid) - 1, gid);
    return g;
}

static void put(struct live *t, const char *gid, enum grant_state state, uint32_t gen, bool changed)
{
    struct live_grant g = row(gid, state, gen);
    bool did;

    if (grant_ended(state))
        g.end_code = 4411;
    assert_ok(live_put(t, &g, &did));
    assert_int_equal(did, changed);
}

static void the_window_closes_on_both_clocks(void **state)
{
    static const struct {
        time_ms wall;
        int64_t boot;
        enum live_verdict want;
    } cases[] = {
        { 0, 0, LIVE_OK },       { 9999, 4999, LIVE_OK }, { 10000, 0, LIVE_ENDED },       { 10001, 0, LIVE_ENDED },
        { 0, 5000, LIVE_ENDED }, { 0, 5001, LIVE_ENDED }, { -3600000, 5000, LIVE_ENDED },
    };
    struct live t;

    (void) state;
    live_init(&t, (const uint8_t *) "0123456789abcdef");
    put(&t, "g_1", GRANT_ACTIVE, 3, true);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        assert_int_equal(live_check(&t, JTI, SPAN("g_1"), 3, cases[i].wall, cases[i].boot, NULL), cases[i].want);
    assert_int_equal(live_check(&t, JTI, SPAN("g_2"), 3, 0, 0, NULL), LIVE_UNKNOWN);
    live_deinit(&t);
}

static void generations_never_go_down_and_ends_absorb(void **state)
{
    struct live t;
    const struct live_grant *g;

    (void) state;
    live_init(&t, (const uint8_t *) "0123456789abcdef");
    put(&t, "g_1", GRANT_ACTIVE, 3, true);
    put(&t, "g_1", GRANT_ACTIVE, 3, false);
    assert_int_equal(live_check(&t, JTI, SPAN("g_1"), 4, 0, 0, NULL), LIVE_UNKNOWN);
    put(&t, "g_1", GRANT_SUSPENDED, 4, true);
    assert_int_equal(live_check(&t, JTI, SPAN("g_1"), 4, 0, 0, NULL), LIVE_SUSPENDED);
    put(&t, "g_1", GRANT_ACTIVE, 5, true);
    put(&t, "g_1", GRANT_ACTIVE, 3, false);
    assert_int_equal(live_check(&t, JTI, SPAN("g_1"), 4, 0, 0, NULL), LIVE_OLD_GEN);
    assert_int_equal(live_check(&t, JTI, SPAN("g_1"), 5, 0, 0, NULL), LIVE_OK);
    put(&t, "g_1", GRANT_REVOKED, 6, true);
    put(&t, "g_1", GRANT_ACTIVE, 7, false);
    assert_int_equal(live_check(&t, JTI, SPAN("g_1"), 7, 0, 0, &g), LIVE_ENDED);
    assert_int_equal(live_end_code(LIVE_ENDED, g, NULL), 4411);
    live_deinit(&t);
}

static void a_denied_key_stays_denied_until_it_is_over(void **state)
{
    struct live t;

    (void) state;
    live_init(&t, (const uint8_t *) "0123456789abcdef");
    put(&t, "g_1", GRANT_ACTIVE, 3, true);
    assert_ok(live_deny(&t, JTI, 4000, 4411));
    assert_ok(live_deny(&t, JTI, 9000, 4410));
    assert_int_equal(live_check(&t, JTI, SPAN("g_1"), 3, 0, 0, NULL), LIVE_DENIED);
    live_clear(&t);
    assert_int_equal(live_check(&t, JTI, SPAN("g_1"), 3, 0, 0, NULL), LIVE_DENIED);
    live_sweep(&t, 3999);
    assert_non_null(live_denied_find(&t, JTI));
    live_sweep(&t, 4000);
    assert_null(live_denied_find(&t, JTI));
    assert_int_equal(live_check(&t, JTI, SPAN("g_1"), 3, 0, 0, NULL), LIVE_UNKNOWN);
    live_deinit(&t);
}

static void thousands_come_and_go(void **state)
{
    struct live t;
    char gid[20];

    (void) state;
    live_init(&t, (const uint8_t *) "0123456789abcdef");
    for (int i = 0; i < 5000; i++) {
        (void) snprintf(gid, sizeof(gid), "g_%d", i);
        put(&t, gid, i % 2 ? GRANT_ACTIVE : GRANT_EXPIRED, 1, true);
    }
    live_clear(&t);
    assert_int_equal(t.grants.n, 2500);
    live_sweep(&t, 10000 + 60001);
    assert_int_equal(t.grants.n, 0);
    live_deinit(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_window_closes_on_both_clocks),
        cmocka_unit_test(generations_never_go_down_and_ends_absorb),
        cmocka_unit_test(a_denied_key_stays_denied_until_it_is_over),
        cmocka_unit_test(thousands_come_and_go),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
