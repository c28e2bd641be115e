/* Argon2id texts: right, wrong, foreign, hostile. */
#include "test.h"

#include <time.h>

#include "crypto/password.h"

static void right_and_wrong(void **state)
{
    char a[PASSWORD_STORED_MAX], b[PASSWORD_STORED_MAX];

    (void) state;
    assert_ok(password_hash(SPAN("correct horse"), a, NULL));
    assert_ok(password_hash(SPAN("correct horse"), b, NULL));
    assert_string_not_equal(a, b);
    assert_true(span_starts(span_str(a), "$argon2id$v=19$m=32768,t=3,p=1$"));
    assert_true(password_verify(a, SPAN("correct horse")));
    assert_false(password_verify(a, SPAN("correct horsf")));
    assert_false(password_verify(a, SPAN_EMPTY));
    assert_false(password_is_outdated(a));
    a[40] ^= 1;
    assert_false(password_verify(a, SPAN("correct horse")));
}

static void foreign_texts(void **state)
{
    static const char *const bad[] = {
        "", "x", "$argon2i$v=19$m=32768,t=3,p=1$c2FsdHNhbHRzYWx0c2E$AAAA", "$2b$12$abcdefghijklmnopqrstuv",
        "$argon2id$v=19$m=4194304,t=3,p=1$c2FsdHNhbHRzYWx0c2FsdA$aGFzaA", /* asks for 4 GiB */
        "$argon2id$v=19$m=32768,t=999999,p=1$c2FsdHNhbHRzYWx0c2FsdA$aGFzaA",
        "$argon2id$v=19$m=32768,t=3,p=1$c2FsdHNhbHRzYWx0c2FsdA$", "$argon2id$v=19$m=32768,t=3,p=1",
    };

    (void) state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_false(password_verify(bad[i], SPAN("x")));
    assert_false(password_verify(NULL, SPAN("x")));
    assert_true(password_is_outdated("x"));
    /* Python argon2-style text with smaller parameters: verified by its own, and to be made anew. */
    assert_true(password_is_outdated("$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHRzYWx0c2FsdA$"
                                     "MTIzNDU2Nzg5MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTI"));
}

static void limits(void **state)
{
    static uint8_t big[PASSWORD_LEN_MAX + 1];
    char a[PASSWORD_STORED_MAX];

    (void) state;
    memset(big, 'x', sizeof(big));
    assert_err(password_hash(SPAN_OF(big), a, NULL), ERR_LIMIT);
    assert_ok(password_hash(span_of(big, PASSWORD_LEN_MAX), a, NULL));
    assert_true(password_verify(a, span_of(big, PASSWORD_LEN_MAX)));
    assert_false(password_verify(a, SPAN_OF(big)));
}

static int64_t cpu_us(void)
{
    struct timespec t;

    (void) clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

/* Nobody costs what somebody costs: CPU time of three calls each, within a factor of two on a busy machine. */
static void nobody_takes_as_long(void **state)
{
    char a[PASSWORD_STORED_MAX];
    int64_t t0, t1, t2;

    (void) state;
    assert_ok(password_hash(SPAN("somebody"), a, NULL));
    t0 = cpu_us();
    for (int i = 0; i < 3; i++)
        assert_false(password_verify(a, SPAN("wrong")));
    t1 = cpu_us();
    for (int i = 0; i < 3; i++)
        assert_false(password_verify_nobody(SPAN("wrong")));
    t2 = cpu_us();
    print_message("a wrong password costs %lld us, nobody's %lld us\n", (long long) (t1 - t0) / 3,
                  (long long) (t2 - t1) / 3);
    assert_true(t2 - t1 > (t1 - t0) / 2 && t2 - t1 < (t1 - t0) * 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(right_and_wrong),
        cmocka_unit_test(foreign_texts),
        cmocka_unit_test(limits),
        cmocka_unit_test(nobody_takes_as_long),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
