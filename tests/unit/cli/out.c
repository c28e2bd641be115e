/* Text for terminals: nothing from outside reaches one raw, and rows fit. */
#include "test.h"

#include <stdlib.h>

#include "cli/out.h"

#include "base/utf8.h"

static void hostile_text(void **state)
{
    static const struct {
        const char *in, *want, *lines;
    } t[] = {
        { "plain", "plain", "plain" },
        { "\x1b[2J\x1b]0;owned\x07", "\\x1b[2J\\x1b]0;owned\\x07", "\\x1b[2J\\x1b]0;owned\\x07" },
        { "a\nb\tc\r", "a\\nb\\x09c\\x0d", "a\nb\tc\\x0d" },
        { "\xc2\x9b" "31m", "\\x9b31m", "\\x9b31m" },
        { "abc\xe2\x80\xaetxt.exe", "abc\\u202etxt.exe", "abc\\u202etxt.exe" },
        { "\xff\xfe\xe2\x28", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd(", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd(" },
        { "Größe €49 漢字", "Größe €49 漢字", "Größe €49 漢字" },
        { "\x7f", "\\x7f", "\\x7f" },
    };

    (void) state;
    for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
        struct buf b = BUF_INIT(1000);

        text_safe(&b, span_str(t[i].in));
        assert_span_str(buf_span(&b), t[i].want);
        buf_reset(&b);
        text_safe_lines(&b, span_str(t[i].in));
        assert_span_str(buf_span(&b), t[i].lines);
        buf_deinit(&b);
    }
}

/* Any bytes at all: what comes out has no control and is UTF-8. */
static void any_bytes(void **state)
{
    uint32_t x = 12345;

    (void) state;
    for (int round = 0; round < 2000; round++) {
        uint8_t in[40];
        struct buf b = BUF_INIT(1000);
        struct rd r;

        for (size_t i = 0; i < sizeof(in); i++) {
            x = x * 1664525 + 1013904223;
            in[i] = (uint8_t) (x >> 24);
        }
        text_safe(&b, SPAN_OF(in));
        assert_true(utf8_valid(buf_span(&b)));
        for (r = rd_of(buf_span(&b)); r.n > 0;)
            assert_false(utf8_is_control(utf8_read(&r)));
        buf_deinit(&b);
    }
}

static void fit(void **state)
{
    static const struct {
        const char *in;
        size_t cells;
        const char *want;
        size_t used;
    } t[] = {
        { "abcdef", 6, "abcdef", 6 }, { "abcdef", 5, "abcd…", 5 }, { "漢字漢", 6, "漢字漢", 6 }, { "漢字漢", 5, "漢字…", 5 },
        { "漢字漢", 4, "漢…", 3 },    { "abc", 0, "", 0 },         { "abc", 1, "…", 1 },        { "e\xcc\x81" "e", 2, "e\xcc\x81" "e", 2 },
    };

    (void) state;
    for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
        struct buf b = BUF_INIT(1000);

        assert_int_equal(text_fit(&b, span_str(t[i].in), t[i].cells), t[i].used);
        assert_span_str(buf_span(&b), t[i].want);
        buf_deinit(&b);
    }
}

static void print_to(struct table *t, unsigned columns, struct buf *out)
{
    char *text = NULL;
    size_t n = 0;
    FILE *f = open_memstream(&text, &n);

    assert_true(table_print(t, f, columns));
    (void) fclose(f);
    buf_reset(out);
    buf_add(out, text, n);
    free(text);
}

static void tables(void **state)
{
    static const struct table_column columns[] = { { .title = "ID" }, { "LEN", false, true }, { "TITLE", true, false },
                                                   { .title = "END" } };
    struct buf out = BUF_INIT(10000);
    struct table t;

    (void) state;
    table_init(&t, columns, 4);
    table_cell_str(&t, "r_1");
    table_cell_str(&t, "0:07");
    table_cell_str(&t, "a rather long title \x1b[31mindeed");
    table_cell_str(&t, "");
    table_cell_str(&t, "r_22");
    table_cell_str(&t, "1:00:07");
    table_cell_str(&t, "漢字");
    table_cell_str(&t, "x");
    print_to(&t, 0, &out);
    assert_span_str(buf_span(&out), "ID        LEN  TITLE                               END\n"
                                    "r_1      0:07  a rather long title \\x1b[31mindeed\n"
                                    "r_22  1:00:07  漢字                                x\n");
    print_to(&t, 36, &out);
    assert_span_str(buf_span(&out), "ID        LEN  TITLE             END\n"
                                    "r_1      0:07  a rather long t…\n"
                                    "r_22  1:00:07  漢字              x\n");
    print_to(&t, 5, &out); /* never narrower than it can be read */
    assert_non_null(memmem(out.p, out.n, "a rathe…", 10));
    table_deinit(&t);
    buf_deinit(&out);
}

static void lengths(void **state)
{
    static const struct {
        int64_t ms;
        const char *clock, *tenths, *span;
    } t[] = {
        { -5, "0:00", "0:00.0", "0s" },         { 0, "0:00", "0:00.0", "0s" },           { 59999, "0:59", "0:59.9", "1m" },
        { 60000, "1:00", "1:00.0", "1m" },      { 61500, "1:01", "1:01.5", "1m02s" },    { 600000, "10:00", "10:00.0", "10m" },
        { 3599000, "59:59", "59:59.0", "59m" }, { 3723400, "1:02:03", "1:02:03.4", "1h02m" }, { 7200000, "2:00:00", "2:00:00.0", "2h" },
        { 86400000, "24:00:00", "24:00:00.0", "1d" }, { 97200000, "27:00:00", "27:00:00.0", "1d3h" },
    };

    (void) state;
    for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
        struct buf b = BUF_INIT(100);

        text_duration(&b, t[i].ms, false);
        assert_span_str(buf_span(&b), t[i].clock);
        buf_reset(&b);
        text_duration(&b, t[i].ms, true);
        assert_span_str(buf_span(&b), t[i].tenths);
        buf_reset(&b);
        text_span(&b, t[i].ms);
        assert_span_str(buf_span(&b), t[i].span);
        buf_deinit(&b);
    }
}

static void times(void **state)
{
    struct buf b = BUF_INIT(100);

    (void) state;
    text_time(&b, SPAN("2026-11-02T09:15:00.123Z"));
    assert_span_str(buf_span(&b), "2026-11-02 09:15:00");
    buf_reset(&b);
    text_time(&b, SPAN("2026-11-02T10:15:00+01:00"));
    assert_span_str(buf_span(&b), "2026-11-02 09:15:00");
    buf_reset(&b);
    text_time(&b, SPAN("soon\x1b"));
    assert_span_str(buf_span(&b), "soon\\x1b");
    buf_deinit(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hostile_text), cmocka_unit_test(any_bytes), cmocka_unit_test(fit),
        cmocka_unit_test(tables),       cmocka_unit_test(lengths),   cmocka_unit_test(times),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
