/* Where a cut file can go on: every cut of both shapes ends up as the whole file again, each event once. */
#include "test.h"

#include "cli/cut.h"

#include <stdio.h>

#define OVERLAY ",\n{ \"keyhole\":true,\"data\":[{}]}"

/* The server's side: events from n on, in its own form. */
static void lines_from(uint64_t n, struct buf *out)
{
    if (n == 0)
        buf_add_str(out, "{\"version\":2,\"width\":80,\"height\":24}\n[ 0.000000, \"o\", \"by ada ]\"]\n");
    for (uint64_t i = n; i < 5; i++)
        buf_addf(out, "[%llu.5,\"o\",\"a[]{}\\\"%llu\"]\n", (unsigned long long) i, (unsigned long long) i);
    buf_add_str(out, "[ 4.500000, \"o\", \"by ada\"]\n");
}

static void array_from(uint64_t n, struct buf *out)
{
    if (n == 0)
        buf_add_str(out, "[\n{ \"keyhole\":true,\"data\":{}}");
    if (n == 3)
        buf_add_str(out, OVERLAY);
    for (uint64_t i = n; i < 5; i++) {
        buf_addf(out, "%s{\"type\":3,\"data\":[{\"s\":\"]}[{\\\\\\\"\"}],\"timestamp\":%llu}", ",\n",
                 (unsigned long long) i);
        if (i == 2) /* a snapshot: what follows it is sent again when the file goes on behind it */
            buf_add_str(out, OVERLAY);
    }
    buf_add_str(out, ",\n{ \"keyhole\":true}\n]\n");
}

/* The same without the comma in front. */
static void bare_array_from(uint64_t n, struct buf *out)
{
    struct buf all = BUF_INIT(10000);

    array_from(n, &all);
    buf_add_span(out, n > 0 && all.n > 2 && all.p[0] == ',' ? span_sub(buf_span(&all), 2, all.n) : buf_span(&all));
    buf_deinit(&all);
}

static void feed(struct cut *c, struct buf *file, struct span piece)
{
    buf_add_str(file, cut_joins(c, &piece));
    buf_add_span(file, piece);
    cut_feed(c, piece);
}

static void every_cut(enum cut_shape shape, void (*from)(uint64_t, struct buf *))
{
    struct buf whole = BUF_INIT(10000);

    from(0, &whole);
    for (size_t at = 0; at <= whole.n; at++) {
        struct buf file = BUF_INIT(10000), rest = BUF_INIT(10000);
        struct cut c;

        cut_init(&c, shape);
        feed(&c, &file, span_sub(buf_span(&whole), 0, at));
        if (!cut_whole(&c) || at < whole.n - 1) {
            file.n = c.good;
            cut_restart(&c);
            if (c.events == 0)
                file.n = 0;
            from(c.events, &rest);
            for (size_t i = 0; i < rest.n; i++)
                feed(&c, &file, span_sub(buf_span(&rest), i, 1));
        }
        assert_true(cut_whole(&c));
        assert_int_equal(c.events, 5);
        if (file.n != whole.n || memcmp(file.p, whole.p, whole.n) != 0) {
            if (shape != CUT_ARRAY || at < whole.n - 1) /* after the closing bracket only the line end is missing */
                fail_msg("cut at %zu: " SPAN_FMT, at, SPAN_ARG(buf_span(&file)));
        }
        buf_deinit(&file);
        buf_deinit(&rest);
    }
    buf_deinit(&whole);
}

static void lines(void **state)
{
    (void) state;
    every_cut(CUT_LINES, lines_from);
}

static void arrays(void **state)
{
    (void) state;
    every_cut(CUT_ARRAY, array_from);
    every_cut(CUT_ARRAY, bare_array_from);
}

static void not_whole(void **state)
{
    struct cut c;

    (void) state;
    cut_init(&c, CUT_LINES);
    assert_false(cut_whole(&c)); /* not even a header */
    cut_feed(&c, SPAN("{}\n[1,\"o\",\"x\"]"));
    assert_false(cut_whole(&c));
    cut_feed(&c, SPAN("\n"));
    assert_true(cut_whole(&c));
    cut_init(&c, CUT_ARRAY);
    cut_feed(&c, SPAN("[{\"a\":1}"));
    assert_false(cut_whole(&c));
    cut_feed(&c, SPAN("]"));
    assert_true(cut_whole(&c));
}

/* A text that ends with the line that says where it goes on; anything like it elsewhere counts for nothing. */
static void texts(void **state)
{
    static const struct {
        const char *text;
        bool whole;
        uint64_t events, good;
    } cases[] = {
        { "# Exported by ada\n\n   0:01.0  a\n# Exported by ada\n", true, 0, 0 },
        { "", false, 0, 0 },
        { "   0:01.0  a", false, 0, 0 },
        { "ab\n# goes on with from_seq=7\n", false, 7, 3 },
        { "ab\n# goes on with from_seq=7", false, 0, 0 },
        { "ab\n# goes on with from_seq=7\nmore\n", true, 7, 3 },
        { "ab\n# goes on with from_seq=\n", true, 0, 0 },
        { "ab\n# goes on with from_seq=0\n", true, 0, 0 },
        { "ab\n# goes on with from_seq=7x\n", true, 0, 0 },
        { "ab\n# goes on with from_seq=99999999999999999999999999999999999999999\n", true, 0, 0 },
        { "   0:01.0  # goes on with from_seq=7\n", true, 0, 0 },
    };

    (void) state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct cut c;

        cut_init(&c, CUT_TEXT);
        for (size_t k = 0; cases[i].text[k] != '\0'; k++)
            cut_feed(&c, span_of(cases[i].text + k, 1));
        if (cut_whole(&c) != cases[i].whole || c.events != cases[i].events || c.good != cases[i].good)
            fail_msg("%s: whole %d, %llu events, good %llu", cases[i].text, cut_whole(&c), (unsigned long long) c.events, (unsigned long long) c.good);
        cut_restart(&c);
        assert_true(c.at == cases[i].good && c.at == c.began && !cut_whole(&c) == (c.at == 0));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(lines), cmocka_unit_test(arrays), cmocka_unit_test(texts), cmocka_unit_test(not_whole) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
