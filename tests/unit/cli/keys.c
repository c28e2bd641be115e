/* Keys of a terminal: every form of the arrows, in pieces, and what means nothing. */
#include "test.h"

#include "cli/keys.h"

static void table(void **state)
{
    static const struct {
        const char *bytes;
        enum key_kind kind;
        int64_t by_ms;
        int tenth;
    } t[] = {
        { "q", KEYS_QUIT, 0, 0 },           { "\x03", KEYS_QUIT, 0, 0 },        { " ", KEYS_PAUSE, 0, 0 },
        { "[", KEYS_BEFORE, 0, 0 }, { "]", KEYS_NEXT, 0, 0 }, { "<", KEYS_SLOWER, 0, 0 },         { ">", KEYS_FASTER, 0, 0 },         { "7", KEYS_TENTH, 0, 7 },
        { "0", KEYS_TENTH, 0, 0 },          { "?", KEYS_HELP, 0, 0 },           { "\x1b[C", KEYS_AHEAD, 5000, 0 },
        { "\x1b[D", KEYS_BACK, 5000, 0 },   { "\x1bOC", KEYS_AHEAD, 5000, 0 },  { "\x1b[1;2C", KEYS_AHEAD, 30000, 0 },
        { "\x1b[1;5D", KEYS_BACK, 60000, 0 }, { "\x1b[1;6D", KEYS_BACK, 60000, 0 }, { "\x1b[A", KEYS_AHEAD, 60000, 0 },
        { "\x1b[H", KEYS_START, 0, 0 },     { "\x1b[4~", KEYS_END, 0, 0 },      { "\x1b[7~", KEYS_START, 0, 0 },
        { "x", KEYS_NONE, 0, 0 },           { "\x1b[99;99;99;99;99;99Z", KEYS_NONE, 0, 0 },
        { "\x1b[99999999999999999999C", KEYS_AHEAD, 5000, 0 },
        { "\x1b[<0;1;1Mq", KEYS_QUIT, 0, 0 }, /* what is unknown is swallowed, what follows counts */
        { "\x1b[1;2\x03", KEYS_QUIT, 0, 0 },  /* broken off */
        { "\x1bq", KEYS_QUIT, 0, 0 },
    };

    (void) state;
    for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
        struct keys k = { 0 };
        struct key got = { 0 };

        for (const char *p = t[i].bytes; *p != '\0'; p++) {
            got = keys_feed(&k, (uint8_t) *p);
            if (p[1] != '\0' && got.kind != KEYS_NONE)
                fail_msg("%zu: too early", i);
        }
        if (got.kind != t[i].kind || got.by_ms != t[i].by_ms || got.tenth != t[i].tenth)
            fail_msg("%zu: %d %lld %d", i, got.kind, (long long) got.by_ms, got.tenth);
        assert_int_equal(k.state, KEYS_GROUND);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(table) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
