/* UTF-8 out of reads that end anywhere: each table entry whole, and cut at every place. */
#include "test.h"

#include "base/utf8.h"
#include "cli/rec_text.h"

#define R "\xef\xbf\xbd"

static const struct {
    const char *name;
    struct span in;
    const char *out;
} cases[] = {
    { "ascii", SPAN("abc\r\n\x1b[1m"), "abc\r\n\x1b[1m" },
    { "two, three, four bytes", SPAN("\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80"), "\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80" },
    { "the bounds", SPAN("\xc2\x80\xdf\xbf\xe0\xa0\x80\xed\x9f\xbf\xee\x80\x80\xf0\x90\x80\x80\xf4\x8f\xbf\xbf"),
      "\xc2\x80\xdf\xbf\xe0\xa0\x80\xed\x9f\xbf\xee\x80\x80\xf0\x90\x80\x80\xf4\x8f\xbf\xbf" },
    { "lone continuation", SPAN("a\x80z"), "a" R "z" },
    { "overlong", SPAN("\xc0\xaf\xe0\x9f\x80"), R R R R R },
    { "surrogate", SPAN("\xed\xa0\x80"), R R R },
    { "beyond", SPAN("\xf4\x90\x80\x80\xf5\xff"), R R R R R R },
    { "cut by the next", SPAN("\xe2\x82" "A\xf0\x9f\x98\xc3\xa9"), R "A" R "\xc3\xa9" },
    { "Unicode 3.9, table 3-8", SPAN("\xc0\xaf\xe0\x80\xbf\xf0\x81\x82" "A"), R R R R R R R R "A" },
    { "Unicode 3.9, table 3-11", SPAN("\xe1\x80\xe2\xf0\x91\x92\xf1\xbf" "A"), R R R R "A" },
    { "cut at the end", SPAN("x\xf0\x9f\x98"), "x" R },
    { "latin-1", SPAN("\xfc" "ber"), R "ber" },
};

static void whole_and_cut(void **state)
{
    (void) state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        for (size_t cut = 0; cut <= cases[i].in.n; cut++) {
            struct rec_text t = { .need = 0 };
            struct buf out = BUF_INIT(1000);

            rec_text_add(&t, span_sub(cases[i].in, 0, cut), &out);
            assert_true(utf8_valid(buf_span(&out)));
            rec_text_add(&t, span_sub(cases[i].in, cut, cases[i].in.n), &out);
            rec_text_end(&t, &out);
            assert_span_str(buf_span(&out), cases[i].out);
            buf_deinit(&out);
        }
    }
}

static void waits_for_the_rest(void **state)
{
    struct rec_text t = { .need = 0 };
    struct buf out = BUF_INIT(100);

    (void) state;
    rec_text_add(&t, SPAN("a\xe2\x82"), &out);
    assert_span_str(buf_span(&out), "a");
    rec_text_add(&t, SPAN("\xac"), &out);
    assert_span_str(buf_span(&out), "a\xe2\x82\xac");
    rec_text_end(&t, &out);
    assert_span_str(buf_span(&out), "a\xe2\x82\xac");
    buf_deinit(&out);
}

static void any_bytes_are_valid(void **state)
{
    uint32_t x = 7;

    (void) state;
    for (int round = 0; round < 2000; round++) {
        struct rec_text t = { .need = 0 };
        struct buf out = BUF_INIT(1000);

        for (int i = 0; i < 40; i++) {
            uint8_t b;

            x = x * 1664525u + 1013904223u;
            b = (uint8_t) (x >> 24);
            rec_text_add(&t, span_of(&b, 1), &out);
            assert_true(utf8_valid(buf_span(&out)));
        }
        buf_deinit(&out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(whole_and_cut), cmocka_unit_test(waits_for_the_rest),
                                        cmocka_unit_test(any_bytes_are_valid) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
