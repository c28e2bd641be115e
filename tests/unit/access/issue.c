#include "access/issue.h"

#include "test.h"

#define T0 1793000000000LL

static const struct issue_settings settings = { .key_life_s = 120, .bearer_life_s = 60, .edge_skew_s = 0 };
static const struct issue_ask bound = { .granted = ACTION_BIT(ACTION_PLAY), .recording_in_grant = true };
static const struct issue_ask bearer = {
    .granted = ACTION_BIT(ACTION_PLAY), .recording_in_grant = true, .bearer = true, .bearer_allowed = true
};

static struct grant open_for(int64_t ms)
{
    return (struct grant){ .state = GRANT_ACTIVE,
                           .gen = 3,
                           .window_start = T0,
                           .window_end = T0 + ms,
                           .deadline = 1000 + ms,
                           .boot_id = { 1 } };
}

static struct clock_reading at(int64_t ms)
{
    return (struct clock_reading){ .real = T0 + ms, .boot = 1000 + ms, .boot_id = { 1 }, .trusted = true };
}

static void test_life(void **state)
{
    static const struct {
        const char *name;
        int64_t window, now, skew, life; /* ms, ms, s, s */
        bool is_bearer;
        int64_t expires_in, renew_after; /* expires_in 0: refused */
    } cases[] = {
        { "bound", 3600000, 0, 0, 120, false, 120, 90 },
        { "bearer", 3600000, 0, 0, 120, true, 60, 45 },
        { "a short life", 3600000, 0, 0, 30, false, 30, 22 },
        { "longer than the cap", 3600000, 0, 0, 900, false, 300, 270 },
        { "a window of 20 s", 20000, 0, 0, 120, true, 20, 0 },
        { "window and life end together", 60000, 0, 0, 120, true, 60, 0 },
        { "a second more of window", 61000, 0, 0, 120, true, 60, 45 },
        { "one second less", 59000, 0, 0, 120, true, 59, 0 },
        { "half a second is cut off", 20500, 0, 0, 120, true, 20, 0 },
        { "issued at half a second", 20000, 500, 0, 120, true, 20, 0 },
        { "near the end", 3600000, 3590000, 0, 120, false, 10, 0 },
        { "the last whole second", 3600000, 3599000, 0, 120, false, 1, 0 },
        { "within the last second", 3600000, 3599999, 0, 120, false, 1, 0 },
        { "at the end", 3600000, 3600000, 0, 120, false, 0, 0 },
        { "less than a second is left", 3600900, 3600100, 0, 120, false, 0, 0 },
        { "edge skew", 3600000, 3590000, 2, 120, false, 8, 0 },
        { "edge skew takes all", 3600000, 3599000, 2, 120, false, 0, 0 },
    };

    (void) state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct grant g = open_for(cases[i].window);
        struct clock_reading now = at(cases[i].now);
        struct issue_settings s = settings;
        struct issue key = { 0 };
        enum key_verdict v;

        s.edge_skew_s = cases[i].skew;
        s.key_life_s = cases[i].life;
        v = issue_key(&g, &now, cases[i].is_bearer ? &bearer : &bound, &s, &key);
        if ((v == KEY_OK) != (cases[i].expires_in != 0) || key.expires_in != cases[i].expires_in ||
            key.renew_after != cases[i].renew_after)
            fail_msg("%s: %s, expires_in %lld, renew_after %lld", cases[i].name, key_verdict_code(v),
                     (long long) key.expires_in, (long long) key.renew_after);
        if (v == KEY_OK) {
            assert_true(key.exp <= key.wend - cases[i].skew && key.exp * 1000 <= g.window_end);
            assert_true(key.exp - key.iat == key.expires_in && key.iat * 1000 <= now.real);
            assert_int_equal(key.gen, 3);
        } else {
            assert_int_equal(v, KEY_GRANT_ENDED);
        }
    }
}

/* The wall clock was put back: the boot clock closes first, and the key with it. */
static void test_the_earlier_clock_counts(void **state)
{
    struct grant g = open_for(3600000);
    struct clock_reading now = at(3590000);
    struct issue key;

    (void) state;
    now.real -= 3000000;
    assert_int_equal(issue_key(&g, &now, &bound, &settings, &key), KEY_OK);
    assert_int_equal(key.expires_in, 10);
    assert_true(key.wend == key.exp);
    now = at(10);
    now.boot_id[0] = 2;
    assert_int_equal(issue_key(&g, &now, &bound, &settings, &key), KEY_GRANT_ENDED);
    now = at(10);
    g.state = GRANT_SUSPENDED;
    assert_int_equal(issue_key(&g, &now, &bound, &settings, &key), KEY_GRANT_ENDED);
}

#define PLAY   ACTION_BIT(ACTION_PLAY)
#define LIVE   ACTION_BIT(ACTION_LIVE)
#define UNMASK ACTION_BIT(ACTION_UNMASK)
#define EXPORT ACTION_BIT(ACTION_EXPORT)

/* PEERS 17, action x grant: what was not approved is in no key. */
static void test_scope(void **state)
{
    static const struct {
        unsigned granted, asked, got; /* got 0: KEY_SCOPE */
    } cases[] = {
        { PLAY, 0, PLAY },
        { PLAY | LIVE, 0, PLAY | LIVE },
        { PLAY | LIVE | EXPORT, 0, PLAY | LIVE },
        { EXPORT, 0, EXPORT },
        { PLAY | EXPORT, EXPORT, EXPORT },
        { PLAY | EXPORT, PLAY, PLAY },
        { PLAY | EXPORT, PLAY | EXPORT, 0 },
        { PLAY, EXPORT, 0 },
        { PLAY, LIVE, 0 },
        { PLAY, UNMASK, 0 },
        { PLAY, PLAY | LIVE, 0 },
        { PLAY | UNMASK, PLAY | UNMASK, PLAY | UNMASK },
        { PLAY | UNMASK, UNMASK, 0 },
        { UNMASK, 0, 0 },
        { 0, 0, 0 },
        { 0, PLAY, 0 },
    };
    struct grant g = open_for(3600000);
    struct clock_reading now = at(0);

    (void) state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct issue_ask ask = { .scope = (action_mask) cases[i].asked,
                                 .granted = (action_mask) cases[i].granted,
                                 .recording_in_grant = true };
        struct issue key = { 0 };
        enum key_verdict v = issue_key(&g, &now, &ask, &settings, &key);

        if (v != (cases[i].got != 0 ? KEY_OK : KEY_SCOPE) || key.scope != cases[i].got)
            fail_msg("granted %x asked %x: %s %x", cases[i].granted, cases[i].asked, key_verdict_code(v), key.scope);
    }
    struct issue_ask ask = bound;
    struct issue key;
    ask.recording_in_grant = false;
    assert_int_equal(issue_key(&g, &now, &ask, &settings, &key), KEY_RECORDING_MISMATCH);
    ask = bearer;
    ask.bearer_allowed = false;
    assert_int_equal(issue_key(&g, &now, &ask, &settings, &key), KEY_BINDING);
}

static void test_two_live_keys(void **state)
{
    struct issue_live keys[4] = {
        { 100, 160, 7, false }, { 110, 170, 8, false }, { 90, 120, 6, false }, { 105, 165, 9, true }
    };
    bool retire[4];

    (void) state;
    assert_int_equal(issue_retire(keys, 0, 119000, retire), 0);
    assert_int_equal(issue_retire(keys, 1, 119000, retire), 0);
    assert_int_equal(issue_retire(keys, 2, 119000, retire), 1);
    assert_true(retire[0] && !retire[1]);
    assert_int_equal(issue_retire(keys, 4, 119999, retire), 2); /* three live: the new one and the newest stay */
    assert_true(retire[0] && !retire[1] && retire[2] && !retire[3]);
    assert_int_equal(issue_retire(keys, 4, 120000, retire), 1); /* the oldest has expired by itself */
    assert_true(retire[0] && !retire[2]);
}

static void test_break_glass_says_so(void **state)
{
    struct grant g = open_for(3600000);
    struct clock_reading now = at(0);
    struct issue_ask ask = bound;
    struct issue key;

    (void) state;
    assert_int_equal(issue_key(&g, &now, &ask, &settings, &key), KEY_OK);
    assert_int_equal(key.scope & (unsigned) KEY_SCOPE_BG, 0);
    ask.break_glass = true;
    assert_int_equal(issue_key(&g, &now, &ask, &settings, &key), KEY_OK);
    assert_int_equal(key.scope, (unsigned) KEY_SCOPE_BG | ACTION_BIT(ACTION_PLAY));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_life),
        cmocka_unit_test(test_the_earlier_clock_counts),
        cmocka_unit_test(test_scope),
        cmocka_unit_test(test_two_live_keys),
        cmocka_unit_test(test_break_glass_says_so),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
