/* Ids: form, prefix, one spelling. */
#include "test.h"

#include "format/id.h"

static void made_ids_have_the_form(void **state)
{
    const uint8_t zero[16] = { 0 };
    uint8_t ones[16], odd[12] = { 0xfb, 0xef, 0xbe, 1, 2, 3, 4, 5, 6, 7, 8, 9 };
    char id[ID_CAP], jti[JTI_CAP];

    (void) state;
    memset(ones, 0xff, sizeof(ones));
    id_make(ID_RECORDING, zero, id);
    assert_string_equal(id, "r_AAAAAAAAAAAAAAAA");
    id_make(ID_PROJECT, ones, id);
    assert_string_equal(id, "p_________________");
    id_make(ID_GRANT, odd, id);
    assert_string_equal(id, "g_----AQIDBAUGBwgJ");
    assert_true(id_check(span_str(id), ID_GRANT));
    assert_false(id_check(span_str(id), ID_USER));
    jti_make(ones, jti);
    assert_string_equal(jti, "_____________________w");
    assert_true(jti_check(span_str(jti)));
}

static void other_forms_are_refused(void **state)
{
    static const char *const bad[] = { "",
                                       "r_",
                                       "r_AAAAAAAAAAAAAAA",
                                       "r_AAAAAAAAAAAAAAAAA",
                                       "R_AAAAAAAAAAAAAAAA",
                                       "r-AAAAAAAAAAAAAAAA",
                                       "x_AAAAAAAAAAAAAAAA",
                                       "r_AAAAAAAAAAAAAAA=",
                                       "r_AAAAAAA AAAAAAAA",
                                       "r_AAAAAAAAAAAAAA/A",
                                       "r_AAAAAAAAAAAAAAA\n" };
    enum id_kind kind;

    (void) state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        if (id_kind_of(span_str(bad[i]), &kind) || id_check(span_str(bad[i]), ID_RECORDING))
            fail_msg("taken: '%s'", bad[i]);
    }
    assert_false(id_check(span_of("r_AAAAAAAAAAAAAAA\0", 18), ID_RECORDING));
    assert_true(id_kind_of(SPAN("v_AAAAAAAAAAAAAAAA"), &kind));
    assert_int_equal(kind, ID_VIEWING);
    assert_false(jti_check(SPAN("_____________________x")));
    assert_false(jti_check(SPAN("____________________w")));
    assert_false(jti_check(SPAN("______________________")));
}

static void logs_have_generations(void **state)
{
    static const struct {
        const char *log;
        uint32_t generation; /* 0: refused */
    } cases[] = {
        { "system", 1 },          { "p_AAAAAAAAAAAAAAAA", 1 }, { "p_AAAAAAAAAAAAAAAA~2", 2 }, { "system~17", 17 },
        { "system~1", 0 },        { "system~02", 0 },          { "system~", 0 },              { "System", 0 },
        { "r_AAAAAAAAAAAAAAAA", 0 }, { "", 0 },                { "system~2~3", 0 },           { "system~999999", 0 },
    };

    (void) state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct span log = span_str(cases[i].log), base;

        if (log_id_check(log) != (cases[i].generation != 0))
            fail_msg("'%s'", cases[i].log);
        if (cases[i].generation != 0)
            assert_int_equal(log_id_generation(log, &base), cases[i].generation);
    }
}

static void neighbours_of_the_alphabet(void **state)
{
    static const char not_digits[] = "/:@[`{^,.=+";
    char id[] = "r_AAAAAAAAAAAAAAAA", jti[] = "AAAAAAAAAAAAAAAAAAAAAA";

    (void) state;
    assert_true(id_check(span_str(id), ID_RECORDING) && jti_check(span_str(jti)));
    for (size_t i = 0; i + 1 < sizeof(not_digits); i++) {
        id[9] = jti[9] = not_digits[i];
        if (id_check(span_str(id), ID_RECORDING) || jti_check(span_str(jti)))
            fail_msg("'%c' is a digit", not_digits[i]);
    }
    for (const char *c = "AZaz09-_"; *c != '\0'; c++) {
        id[9] = jti[9] = *c;
        assert_true(id_check(span_str(id), ID_RECORDING) && jti_check(span_str(jti)));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(made_ids_have_the_form),
        cmocka_unit_test(other_forms_are_refused),
        cmocka_unit_test(logs_have_generations),
        cmocka_unit_test(neighbours_of_the_alphabet),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
