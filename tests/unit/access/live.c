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

static struct ipc_row_grant wire(void)
{
    static const uint8_t hash[32] = { 7 };

    return (struct ipc_row_grant){ .gid = SPAN("g_AAAAAAAAAAAAAAAA"), .pid = SPAN("p_AAAAAAAAAAAAAAAA"), .sub = SPAN("u_AAAAAAAAAAAAAAAA"),
                                   .state = GRANT_ACTIVE, .gen = 3, .wend_ms = 10000, .deadline_ms = 5000, .end_code = 4410,
                                   .policy = { hash, sizeof(hash) }, .max_speed_x100 = 1600, .key_streams = 1, .grant_streams = 2,
                                   .person_streams = 3, .key_bytes = 4, .key_rate = 5, .key_requests = 6 };
}

/* What a message brings is taken member by member, or not at all. */
static void rows_are_checked(void **state)
{
    static const char longer[] = "u_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    struct ipc_row_grant in = wire();
    struct live_grant g = { 0 };

    (void) state;
    assert_true(live_from_row(&in, &g));
    assert_string_equal(g.gid, "g_AAAAAAAAAAAAAAAA");
    assert_string_equal(g.pid, "p_AAAAAAAAAAAAAAAA");
    assert_string_equal(g.sub, "u_AAAAAAAAAAAAAAAA");
    assert_true(g.state == GRANT_ACTIVE && g.gen == 3 && g.wend == 10000 && g.deadline == 5000 && g.end_code == 4410);
    assert_true(g.max_speed_x100 == 1600 && g.quota.key_streams == 1 && g.quota.grant_streams == 2 && g.quota.person_streams == 3);
    assert_true(g.quota.key_bytes == 4 && g.quota.key_rate == 5 && g.quota.key_requests == 6 && g.policy[0] == 7);
#define BAD(change)                                                                                                    \
    do {                                                                                                               \
        in = wire();                                                                                                   \
        change;                                                                                                        \
        assert_false(live_from_row(&in, &g));                                                                          \
    } while (0)
    BAD(in.state = GRANT_STATE_N_);
    BAD(in.policy.n = 31);
    BAD(in.gid = SPAN_EMPTY);
    BAD(in.gid = SPAN(longer));
    BAD(in.pid = SPAN(longer));
    BAD(in.sub = SPAN(longer));
#undef BAD
    assert_int_equal(g.gen, 3);
}

static void end_codes(void **state)
{
    static const struct live_denied said = { .end_code = 4410 }, silent = { 0 };
    struct live_grant ended = row("g_1", GRANT_REVOKED, 1), open = row("g_1", GRANT_ACTIVE, 1);

    (void) state;
    assert_int_equal(live_end_code(LIVE_OK, &open, NULL), 0);
    assert_int_equal(live_end_code(LIVE_UNKNOWN, NULL, NULL), 0);
    assert_int_equal(live_end_code(LIVE_OLD_GEN, &open, NULL), 4401);
    assert_int_equal(live_end_code(LIVE_SUSPENDED, &open, NULL), 4423);
    assert_int_equal(live_end_code(LIVE_DENIED, NULL, NULL), 4411);
    assert_int_equal(live_end_code(LIVE_DENIED, NULL, &silent), 4411);
    assert_int_equal(live_end_code(LIVE_DENIED, NULL, &said), 4410);
    assert_int_equal(live_end_code(LIVE_ENDED, NULL, NULL), 4410);
    assert_int_equal(live_end_code(LIVE_ENDED, &ended, NULL), 4410); /* no code was sent with it */
    ended.end_code = 4411;
    assert_int_equal(live_end_code(LIVE_ENDED, &ended, NULL), 4411);
    open.end_code = 4423;
    assert_int_equal(live_end_code(LIVE_ENDED, &open, NULL), 4410); /* its time is up, whatever it says */
    assert_int_equal(live_end_code((enum live_verdict) 99, &open, NULL), 4410);
}

static void other_sides(void **state)
{
    struct live_grant g = row("g_1", GRANT_ACTIVE, 3);
    struct live t;
    char jti[20];

    (void) state;
    live_init(&t, (const uint8_t *) "0123456789abcdef");
    assert_ok(live_put(&t, &g, NULL));
    g.state = GRANT_SUSPENDED;
    assert_ok(live_put(&t, &g, NULL)); /* the same generation */
    put(&t, "g_1", GRANT_ACTIVE, 3, true);
    put(&t, "g_1", GRANT_REVOKED, 4, true);
    put(&t, "g_1", GRANT_EXPIRED, 5, true); /* one end may follow another */
    put(&t, "g_2", GRANT_SCHEDULED, 1, true);
    assert_int_equal(live_check(&t, JTI, SPAN("g_2"), 1, 0, 0, NULL), LIVE_ENDED);
    g = row("g_3", GRANT_ACTIVE, 1), g.wend = -100000;
    assert_ok(live_put(&t, &g, NULL));
    live_sweep(&t, 0); /* a clock at zero forgets nothing */
    assert_non_null(live_find(&t, SPAN("g_3")));
    assert_err(live_deny(&t, SPAN("a key id that is much longer than any that the vault has ever made, or ever will"), 1, 4411), ERR_NOMEM);
    for (int i = 0; i < 3000; i++) {
        (void) snprintf(jti, sizeof(jti), "j%d", i);
        assert_ok(live_deny(&t, span_str(jti), i < 2999 ? 1000 : 9000, 4411));
    }
    live_sweep(&t, 1000);
    assert_int_equal(t.denied.n, 1);
    live_deinit(&t); /* with a denial and grants in it */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_window_closes_on_both_clocks),
        cmocka_unit_test(generations_never_go_down_and_ends_absorb),
        cmocka_unit_test(a_denied_key_stays_denied_until_it_is_over),
        cmocka_unit_test(thousands_come_and_go),
        cmocka_unit_test(rows_are_checked),
        cmocka_unit_test(end_codes),
        cmocka_unit_test(other_sides),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
