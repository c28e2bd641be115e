/* Which keys may be recorded: a little language of what happens when. */
#include "test.h"

#include <stdio.h>
#include <stdlib.h>

#include "cli/rec_echo.h"

/* "0+ab" at 0 ms, echo on, 'ab' is typed; "5-ab" the same without echo; "9?+" a look at 9 ms, echo on; "9?-" without. */
static const struct {
    const char *name, *script, *recorded;
    uint64_t dropped;
} cases[] = {
    { "with echo", "0+ab 250?+", "ab", 0 },
    { "one ms before", "0+ab 249?+", "", 0 },
    { "each key holds what is before it", "0+a 200+b 250?+ 449?+", "", 0 },
    { "until it is quiet", "0+a 200+b 450?+", "ab", 0 },
    { "without echo", "0-secret 1000?+", "", 6 },
    { "echo off at a look", "0+ls 100?- 400?+", "", 2 },
    { "echo off at the last look", "0+ls 250?-", "", 2 },
    { "a password right behind a command", "0+su 100-secret 500?+", "", 8 },
    { "a command, quiet, a password, a command", "0+su 300?+ 400-secret 500+id 800?+", "suid", 6 },
    { "nothing", "0?+ 500?-", "", 0 },
};

static void run_case(const char *script, struct rec_echo *e, struct buf *out)
{
    while (*script != '\0') {
        char *at;
        int64_t ms = strtol(script, &at, 10);
        const char *end = strchr(at, ' ');
        size_t n = end != NULL ? (size_t) (end - at) : strlen(at);

        if (at[0] == '?')
            (void) rec_echo_look(e, ms, at[1] == '+', out);
        else
            rec_echo_typed(e, ms, span_of(at + 1, n - 1), at[0] == '+');
        script = at + n + (end != NULL);
    }
}

static void table(void **state)
{
    (void) state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct rec_echo e;
        struct buf out = BUF_INIT(1000);

        rec_echo_init(&e);
        run_case(cases[i].script, &e, &out);
        if (!span_eq_str(buf_span(&out), cases[i].recorded) || e.dropped != cases[i].dropped)
            fail_msg("%s: '%s', dropped %llu", cases[i].name, buf_cstr(&out), (unsigned long long) e.dropped);
        rec_echo_deinit(&e);
        buf_deinit(&out);
    }
}

static void waits(void **state)
{
    struct rec_echo e;

    (void) state;
    rec_echo_init(&e);
    assert_int_equal(rec_echo_wait(&e, 0), -1);
    rec_echo_typed(&e, 1000, SPAN("a"), true);
    assert_int_equal(rec_echo_wait(&e, 1000), REC_ECHO_HOLD_MS);
    assert_int_equal(rec_echo_wait(&e, 1249), 1);
    assert_int_equal(rec_echo_wait(&e, 5000), 0);
    rec_echo_deinit(&e);
}

static void limit(void **state)
{
    struct rec_echo e;
    struct buf out = BUF_INIT(2 * REC_ECHO_MAX), big = BUF_INIT(2 * REC_ECHO_MAX);

    (void) state;
    rec_echo_init(&e);
    assert_non_null(buf_reserve(&big, REC_ECHO_MAX));
    memset(big.p, 'x', REC_ECHO_MAX);
    big.n = REC_ECHO_MAX;
    rec_echo_typed(&e, 0, buf_span(&big), true);
    assert_true(rec_echo_look(&e, 250, true, &out));
    assert_int_equal(out.n, REC_ECHO_MAX);
    rec_echo_typed(&e, 300, buf_span(&big), true);
    rec_echo_typed(&e, 300, SPAN("y"), true);
    assert_false(rec_echo_look(&e, 900, true, &out));
    assert_int_equal(e.dropped, REC_ECHO_MAX + 1);
    rec_echo_deinit(&e);
    buf_deinit(&out);
    buf_deinit(&big);
}

static void leaves_nothing_in_memory(void **state)
{
    struct rec_echo e;

    (void) state;
    rec_echo_init(&e);
    rec_echo_typed(&e, 0, SPAN("visible"), true);
    rec_echo_typed(&e, 10, SPAN("secret"), false);
    for (size_t i = 0; i < 7; i++)
        assert_int_equal(e.held.p[i], 0);
    rec_echo_deinit(&e);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(table), cmocka_unit_test(waits), cmocka_unit_test(limit),
                                        cmocka_unit_test(leaves_nothing_in_memory) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
