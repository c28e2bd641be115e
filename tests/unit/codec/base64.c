/* RFC 4648 section 10, both alphabets, and what strict means. */
#include "test.h"

#include "codec/base64.h"

static const struct {
    const char *bytes, *std, *url;
} vectors[] = {
    { "", "", "" },
    { "f", "Zg==", "Zg" },
    { "fo", "Zm8=", "Zm8" },
    { "foo", "Zm9v", "Zm9v" },
    { "foob", "Zm9vYg==", "Zm9vYg" },
    { "fooba", "Zm9vYmE=", "Zm9vYmE" },
    { "foobar", "Zm9vYmFy", "Zm9vYmFy" },
    { "\xfb\xff\xfe", "+//+", "-__-" },
};

static void vectors_both_ways(void **state)
{
    (void) state;
    for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
        struct buf b = BUF_INIT(64);
        uint8_t back[16];
        size_t n = 99;

        base64_add(&b, span_str(vectors[i].bytes));
        assert_span_str(buf_span(&b), vectors[i].std);
        assert_true(base64_parse(buf_span(&b), back, sizeof(back), &n));
        assert_span_eq(span_of(back, n), span_str(vectors[i].bytes));
        buf_reset(&b);
        base64url_add(&b, span_str(vectors[i].bytes));
        assert_span_str(buf_span(&b), vectors[i].url);
        assert_int_equal(b.n, base64url_len(strlen(vectors[i].bytes)));
        assert_true(base64url_parse(buf_span(&b), back, sizeof(back), &n));
        assert_span_eq(span_of(back, n), span_str(vectors[i].bytes));
        buf_deinit(&b);
    }
}

static void one_value_has_one_spelling(void **state)
{
    static const char *const bad_std[] = { "Zg", "Zg=", "Zg===", "Zh==", "Zm9=", "Z", "====", "Zg==Zg==", "Zm 9", "-__-",
                                           "Zm9v\n", "=Zm9" };
    static const char *const bad_url[] = { "Zg==", "Zh", "Zm9", "Z", "+//+", "Zm8=", "Zm9v\n", "Zm9vY" };
    uint8_t out[16];
    size_t n;

    (void) state;
    for (size_t i = 0; i < sizeof(bad_std) / sizeof(bad_std[0]); i++) {
        if (base64_parse(span_str(bad_std[i]), out, sizeof(out), &n))
            fail_msg("base64 took '%s'", bad_std[i]);
    }
    for (size_t i = 0; i < sizeof(bad_url) / sizeof(bad_url[0]); i++) {
        if (base64url_parse(span_str(bad_url[i]), out, sizeof(out), &n))
            fail_msg("base64url took '%s'", bad_url[i]);
    }
    assert_false(base64url_parse(SPAN("Zm9v"), out, 2, &n));
    assert_true(base64url_parse(SPAN("Zm9v"), out, 3, &n));
}

static void exact_sizes(void **state)
{
    uint8_t three[3];
    char text[5];

    (void) state;
    assert_true(base64url_parse_exact(SPAN("Zm9v"), three, 3));
    assert_false(base64url_parse_exact(SPAN("Zm8"), three, 3));
    assert_false(base64url_parse_exact(SPAN("Zm9vYg"), three, 3));
    assert_true(base64url_str("foo", 3, text, 5));
    assert_string_equal(text, "Zm9v");
    assert_false(base64url_str("foo", 3, text, 4));
    assert_string_equal(text, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(vectors_both_ways),
        cmocka_unit_test(one_value_has_one_spelling),
        cmocka_unit_test(exact_sizes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
