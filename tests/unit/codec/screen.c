/* The screen model: what output makes of it, dumps that bring another screen to the same state, minimal drawing. */
#include "test.h"

#include "base/utf8.h"
#include "codec/screen.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static void feed(struct screen *s, const char *text)
{
    screen_feed(s, span_str(text));
}

static bool same_cell(const struct screen_cell *a, const struct screen_cell *b)
{
    return memcmp(a->cp, b->cp, sizeof(a->cp)) == 0 && a->width == b->width &&
           memcmp(&a->style, &b->style, sizeof(a->style)) == 0;
}

static void show(const struct screen *s)
{
    for (int row = 0; row < screen_rows(s); row++) {
        for (int col = 0; col < screen_cols(s); col++) {
            struct screen_cell c;

            screen_cell(s, col, row, &c);
            print_error("%c", c.width == 0 ? '<' : c.cp[0] > 126 ? 'W' : (char) c.cp[0]);
        }
        print_error("\n");
    }
}

/* Both show the same; 'what' says where when not. */
static void assert_same(const struct screen *a, const struct screen *b, bool cursor_too, const char *what)
{
    int ac, ar, bc, br;
    bool aw, bw;

    assert_int_equal(screen_cols(a), screen_cols(b));
    assert_int_equal(screen_rows(a), screen_rows(b));
    for (int row = 0; row < screen_rows(a); row++)
        for (int col = 0; col < screen_cols(a); col++) {
            struct screen_cell ca, cb;

            screen_cell(a, col, row, &ca);
            screen_cell(b, col, row, &cb);
            if (!same_cell(&ca, &cb)) {
                show(a);
                print_error("--\n");
                show(b);
                fail_msg("%s: cell %d,%d: U+%04X width %d attrs %x fg %d.%d bg %d.%d, U+%04X width %d attrs %x fg "
                         "%d.%d bg %d.%d",
                         what, col, row, ca.cp[0], ca.width, ca.style.attrs, ca.style.fg.kind, ca.style.fg.r,
                         ca.style.bg.kind, ca.style.bg.r, cb.cp[0], cb.width, cb.style.attrs, cb.style.fg.kind,
                         cb.style.fg.r, cb.style.bg.kind, cb.style.bg.r);
            }
        }
    if (!cursor_too)
        return;
    screen_cursor(a, &ac, &ar, &aw);
    screen_cursor(b, &bc, &br, &bw);
    if (ac != bc || ar != br || aw != bw)
        fail_msg("%s: cursor %d,%d wrap %d, other %d,%d wrap %d", what, ac, ar, aw, bc, br, bw);
    assert_int_equal(screen_cursor_visible(a), screen_cursor_visible(b));
    assert_int_equal(screen_alternate(a), screen_alternate(b));
}

static struct screen *redrawn(const struct screen *s)
{
    struct buf dump = BUF_INIT(16u << 20);
    struct screen *other = screen_new(screen_cols(s), screen_rows(s));

    screen_dump_init(s, &dump);
    assert_false(dump.failed);
    screen_feed(other, buf_span(&dump));
    assert_true(screen_idle(other));
    buf_deinit(&dump);
    return other;
}

static void row_text(const struct screen *s, int row, char *to, size_t cap)
{
    struct buf b = BUF_INIT(4096);

    for (int col = 0; col < screen_cols(s); col++) {
        struct screen_cell c;

        screen_cell(s, col, row, &c);
        for (int i = 0; c.width > 0 && i < SCREEN_CELL_CPS && c.cp[i] != 0; i++)
            buf_addf(&b, c.cp[i] < 127 ? "%c" : "<%X>", (int) c.cp[i]);
    }
    while (b.n > 0 && b.p[b.n - 1] == ' ')
        b.n--;
    (void) snprintf(to, cap, "%s", buf_cstr(&b));
    buf_deinit(&b);
}

static const struct {
    const char *name, *in, *row0, *row1;
    int cols; /* 0: 10 */
} drawings[] = {
    { "lines", "one\r\ntwo", "one", "two" },
    { "wrap", "0123456789abc", "0123456789", "abc" },
    { "colour at the edge keeps the wrap", "0123456789\033[31mabc", "0123456789", "abc" },
    { "no wrap", "\033[?7l0123456789abc", "012345678c", "" },
    { "wide",
      "a\xe4\xb8\xad"
      "b",
      "a<4E2D>b", "" },
    { "wide does not fit", "012345678\xe4\xb8\xad", "012345678", "<4E2D>" },
    { "half of a wide one is overwritten", "\xe4\xb8\xad\033[1;2HX", " X", "" },
    { "the other half", "a\xe4\xb8\xad\033[1;2HX", "aX", "" },
    { "combining", "e\xcc\x81x", "e<301>x", "" },
    { "line drawing", "\033(0lqk\033(Bq", "<250C><2500><2510>q", "" },
    { "insert mode", "abc\033[1;1H\033[4hXY", "XYabc", "" },
    { "insert and delete", "abcdef\033[1;2H\033[2P\033[1@", "a def", "" },
    { "repeat", "ab\033[3bc", "abbbbc", "" },
    { "scroll region", "1\r\n2\r\n3\r\n4\033[2;3r\033[3;1H\nx", "1", "3" },
    { "alternate and back", "normal\033[?1049hother\033[?1049l!", "normal!", "" },
    { "old alternate and back", "normal\033[?47hother\033[?47l!", "normal     !", "", 12 },
    { "bidi shows",
      "a\xe2\x80\xae"
      "b",
      "a<21C4>b", "" },
    { "cut character", "\xe2\x82", "", "" },
    { "query in between", "a\033[6nb\033[cc", "abc", "" },
    { "title leaves no trace", "\033]0;t\007x", "x", "" },
};

static void output_becomes_cells(void **state)
{
    (void) state;
    for (size_t i = 0; i < sizeof(drawings) / sizeof(drawings[0]); i++) {
        struct span in = span_str(drawings[i].in);

        for (size_t cut = 0; cut <= in.n; cut++) {
            CLEANUP(screen_freep) struct screen *s = screen_new(drawings[i].cols != 0 ? drawings[i].cols : 10, 4);
            char row[200];

            screen_feed(s, span_sub(in, 0, cut));
            screen_feed(s, span_sub(in, cut, in.n));
            row_text(s, 0, row, sizeof(row));
            if (strcmp(row, drawings[i].row0) != 0)
                fail_msg("%s, cut %zu: row 0 is '%s'", drawings[i].name, cut, row);
            row_text(s, 1, row, sizeof(row));
            if (strcmp(row, drawings[i].row1) != 0)
                fail_msg("%s, cut %zu: row 1 is '%s'", drawings[i].name, cut, row);
            assert_int_equal(screen_answers(s), 0);
        }
    }
}

static void styles_are_kept(void **state)
{
    CLEANUP(screen_freep) struct screen *s = screen_new(20, 2);
    struct screen_cell c;

    (void) state;
    feed(s, "\033[1;3;4;7;9;31;48;5;200mA\033[0;38;2;1;2;3;21;97mB\033[0;4:3;38;2;1;2;3mC\033[0m D");
    screen_cell(s, 0, 0, &c);
    assert_int_equal(c.style.attrs, SCREEN_BOLD | SCREEN_ITALIC | SCREEN_UNDERLINE | SCREEN_REVERSE | SCREEN_STRIKE);
    assert_int_equal(c.style.fg.kind, SCREEN_COLOUR_INDEX);
    assert_int_equal(c.style.fg.r, 1);
    assert_int_equal(c.style.bg.r, 200);
    screen_cell(s, 1, 0, &c);
    assert_int_equal(c.style.attrs, 2 * SCREEN_UNDERLINE);
    assert_int_equal(c.style.fg.r, 15);
    screen_cell(s, 2, 0, &c);
    assert_int_equal(c.style.attrs, 3 * SCREEN_UNDERLINE);
    assert_int_equal(c.style.fg.kind, SCREEN_COLOUR_RGB);
    assert_int_equal(c.style.fg.b, 3);
    screen_cell(s, 4, 0, &c);
    assert_int_equal(c.style.attrs, 0);
    assert_int_equal(c.style.fg.kind, SCREEN_COLOUR_DEFAULT);
    screen_cell(s, 99, 99, &c);
    assert_int_equal(c.cp[0], ' ');
}

/* The width table of screen.c is libvterm's: the cursor after a character says how many cells it got. */
static void widths_are_those_of_the_model(void **state)
{
    CLEANUP(screen_freep) struct screen *s = screen_new(10, 2);

    (void) state;
    for (uint32_t cp = 0x20; cp < 0x110000; cp++) {
        struct buf b = BUF_INIT(64);
        struct screen_cell c;
        int col, row;

        if ((cp >= 0xd800 && cp < 0xe000) || utf8_is_control(cp) || cp == 'a')
            continue;
        buf_add_str(&b, "\033[H\033[2J");
        utf8_add(&b, cp);
        utf8_add(&b, 'a');
        screen_feed(s, buf_span(&b));
        buf_deinit(&b);
        screen_cursor(s, &col, &row, NULL);
        screen_cell(s, 0, 0, &c);
        if (col - 1 != (c.cp[0] == 'a' ? 0 : c.width))
            fail_msg("U+%04X: %d cells, table says %d", cp, col - 1, c.width);
    }
}

/* U+3099 is two cells to libvterm, and enough of them crashed it. */
static void combining_marks_take_no_cell(void **state)
{
    CLEANUP(screen_freep) struct screen *s = screen_new(4, 2);
    struct screen_cell c;
    int col, row;

    (void) state;
    feed(s, "\xe3\x81\x8b\xe3\x82\x99x");
    screen_cursor(s, &col, &row, NULL);
    assert_int_equal(col, 3);
    screen_cell(s, 0, 0, &c);
    assert_int_equal(c.cp[0], 0x304b);
    assert_int_equal(c.cp[1], 0x3099);
    assert_int_equal(c.width, 2);
    for (int i = 0; i < 50; i++)
        feed(s, "\xe3\x80\xaa");
    feed(s, "\xf3\xa0\x87\xaf\xcc\x81");
}

static void sizes_are_clamped(void **state)
{
    struct screen *s = screen_new(100000, 100000);

    (void) state;
    assert_int_equal(screen_cols(s), SCREEN_COLS_MAX);
    assert_int_equal(screen_rows(s), SCREEN_ROWS_MAX);
    assert_true(screen_clamped(s));
    screen_resize(s, SCREEN_COLS_MAX, SCREEN_ROWS_MAX);
    assert_false(screen_clamped(s));
    screen_resize(s, 10, SCREEN_ROWS_MAX + 1);
    assert_true(screen_clamped(s));
    screen_resize(s, 0, -5);
    assert_int_equal(screen_cols(s), SCREEN_COLS_MIN);
    assert_int_equal(screen_rows(s), 1);
    feed(s, "abc\r\n\xe4\xb8\xad");
    (void) screen_free(s);
}

/* libvterm 0.1.4 would restore a cursor that lies outside after a resize. */
static void a_saved_cursor_survives_shrinking(void **state)
{
    CLEANUP(screen_freep) struct screen *s = screen_new(80, 50);
    int col, row;

    (void) state;
    feed(s, "\033[50;80H\0337\033[H\033[31m");
    screen_resize(s, 20, 10);
    screen_cursor(s, &col, &row, NULL);
    assert_int_equal(col, 0);
    assert_int_equal(row, 0);
    feed(s, "\0338x");
    screen_cursor(s, &col, &row, NULL);
    assert_in_range(col, 0, 19);
    assert_in_range(row, 0, 9);
    feed(s, "\033[?1049h\033[10;20H");
    screen_resize(s, 5, 3);
    feed(s, "\033[?1049lyz\r\n\n\n\n\n\n\033[2A");
    screen_cursor(s, &col, &row, NULL);
    assert_in_range(row, 0, 2);
}

/* libvterm 0.1.4 takes the cursor above the first row when there is text below it (found by the fuzzer). */
static void shrinking_keeps_the_cursor_and_what_is_above(void **state)
{
    (void) state;
    for (int from = 1; from <= 12; from++)
        for (int to = 1; to <= 12; to++)
            for (int row = 0; row < from; row++) {
                CLEANUP(screen_freep) struct screen *s = screen_new(10, from);
                struct buf b = BUF_INIT(1000);
                int col, at, gone = row >= to ? row - to + 1 : 0;
                char text[40];

                for (int i = 0; i < from; i++)
                    buf_addf(&b, "\033[%d;1Hline %d", i + 1, i);
                buf_addf(&b, "\033[%d;5H", row + 1);
                screen_feed(s, buf_span(&b));
                screen_resize(s, 10, to);
                screen_cursor(s, &col, &at, NULL);
                assert_int_equal(at, row - gone);
                assert_int_equal(col, 4);
                for (int i = 0; i < to; i++) {
                    buf_reset(&b);
                    if (i + gone < from)
                        buf_addf(&b, "line %d", i + gone);
                    row_text(s, i, text, sizeof(text));
                    assert_string_equal(text, buf_cstr(&b));
                }
                feed(s, "text that wraps\r\n\n\033M");
                buf_deinit(&b);
            }
}

static uint32_t seed;

static uint32_t rnd(uint32_t n)
{
    seed = seed * 1664525 + 1013904223;
    return (seed >> 8) % n;
}

/* Terminal output of the kind programs write, by chance. */
static void some_output(struct buf *b, bool states)
{
    static const char *const words[] = { "hello ",
                                         "w\xc3\xb6rld",
                                         "\xe4\xb8\xad\xe6\x96\x87",
                                         "e\xcc\x81",
                                         "\xf0\x9f\x98\x80",
                                         "0123456789",
                                         "    ",
                                         "|",
                                         "\xe2\x94\x80\xe2\x94\x80" };

    switch (rnd(states ? 22 : 14)) {
    case 0: buf_add_str(b, "\r\n"); break;
    case 1: buf_addf(b, "\033[%u;%uH", rnd(12) + 1, rnd(30) + 1); break;
    case 2: buf_addf(b, "\033[%u;%um", rnd(10), 30 + rnd(8)); break;
    case 3: buf_addf(b, "\033[0;48;5;%u;38;2;%u;2;3m", rnd(256), rnd(256)); break;
    case 4: buf_addf(b, "\033[%uJ", rnd(3)); break;
    case 5: buf_addf(b, "\033[%uK", rnd(3)); break;
    case 6: buf_addf(b, "\033[%u%c", rnd(4), "LMP@X"[rnd(5)]); break;
    case 7: buf_addf(b, "\033[%u%c", rnd(6), "ABCD"[rnd(4)]); break;
    case 8: buf_add_str(b, "\t"); break;
    case 9: buf_add_str(b, "\033[0m"); break;
    case 14: buf_addf(b, "\033[%u;%ur", rnd(6) + 1, rnd(6) + 6); break;
    case 15: buf_add_str(b, "\033[r"); break;
    case 16: buf_addf(b, "\033[?1049%c", "hl"[rnd(2)]); break;
    case 17: buf_addf(b, "\033[?25%c\033[4%c", "hl"[rnd(2)], "hl"[rnd(2)]); break;
    case 18: buf_addf(b, "\033(%c\033)%c", "0B"[rnd(2)], "0B"[rnd(2)]); break;
    case 19: buf_add_str(b, rnd(2) ? "\x0e" : "\x0f"); break;
    case 20: buf_addf(b, "\033[?6%c", "hl"[rnd(2)]); break;
    case 21: buf_add_str(b, rnd(2) ? "\033M" : "\n"); break;
    default:
        for (uint32_t i = rnd(4); i < 4; i++)
            buf_add_str(b, words[rnd(sizeof(words) / sizeof(words[0]))]);
        break;
    }
}

static void a_dump_brings_another_screen_to_the_same_state(void **state)
{
    (void) state;
    for (uint32_t round = 0; round < 1500; round++) {
        CLEANUP(screen_freep) struct screen *a = NULL;
        CLEANUP(screen_freep) struct screen *b = NULL;
        struct buf out = BUF_INIT(1u << 20);
        char what[60];

        seed = round * 7919 + 1;
        a = screen_new((int) (rnd(40) + 3), (int) (rnd(14) + 2));
        for (uint32_t i = rnd(120); i > 0; i--)
            some_output(&out, true);
        screen_feed(a, buf_span(&out));
        b = redrawn(a);
        (void) snprintf(what, sizeof(what), "round %u, after the dump", round);
        assert_same(a, b, true, what);
        buf_reset(&out);
        /* And goes on from there the same way (saved cursors are not carried over, so none are restored here). */
        for (uint32_t i = rnd(30); i > 0; i--)
            some_output(&out, false);
        screen_feed(a, buf_span(&out));
        screen_feed(b, buf_span(&out));
        (void) snprintf(what, sizeof(what), "round %u, going on", round);
        assert_same(a, b, true, what);
        if (screen_alternate(a)) {
            feed(a, "\033[?1047l");
            feed(b, "\033[?1047l");
            (void) snprintf(what, sizeof(what), "round %u, the normal screen", round);
            assert_same(a, b, true, what);
        }
        buf_deinit(&out);
    }
}

static void a_dump_holds_only_what_it_may(void **state)
{
    CLEANUP(screen_freep) struct screen *s = screen_new(30, 10);
    struct buf dump = BUF_INIT(1u << 20), again = BUF_INIT(1u << 20);
    struct screen_filter f;

    (void) state;
    feed(s, "\033]0;title\007\033[2;5r\033[31mx\033(0qq\033[?1049hy\033[?2004h\033]52;c;x\007");
    screen_dump_init(s, &dump);
    screen_filter_init(&f);
    screen_filter_all(&f, buf_span(&dump), &again);
    assert_int_equal(f.title_changes, 0);
    for (size_t i = 0; i + 1 < dump.n; i++)
        if (dump.p[i] == 0x1b)
            assert_non_null(memchr("[()", dump.p[i + 1], 3));
    /* what the filter drops from it is nothing */
    {
        CLEANUP(screen_freep) struct screen *b = screen_new(30, 10);

        screen_feed(b, buf_span(&again));
        assert_same(s, b, true, "filtered twice");
    }
    buf_deinit(&dump);
    buf_deinit(&again);
}

static void rendering_draws_the_difference(void **state)
{
    (void) state;
    for (uint32_t round = 0; round < 300; round++) {
        CLEANUP(screen_freep) struct screen *s = NULL;
        CLEANUP(screen_freep) struct screen *terminal = NULL;
        CLEANUP(screen_frame_freep) struct screen_frame *frame = NULL;
        struct buf out = BUF_INIT(1u << 20), bytes = BUF_INIT(1u << 20);
        char what[60];
        int cols, rows;

        seed = round + 77;
        cols = (int) rnd(40) + 3;
        rows = (int) rnd(14) + 2;
        s = screen_new(cols, rows);
        terminal = screen_new(cols, rows);
        frame = screen_frame_new(cols, rows);
        for (int step = 0; step < 12; step++) {
            buf_reset(&out);
            buf_reset(&bytes);
            for (int i = 0; i < 8; i++)
                some_output(&out, true);
            screen_feed(s, buf_span(&out));
            screen_render(s, frame, &bytes);
            screen_feed(terminal, buf_span(&bytes));
            (void) snprintf(what, sizeof(what), "round %u, step %d", round, step);
            for (int i = 0; i < cols * rows; i++) {
                struct screen_cell a, b;

                screen_cell(s, i % cols, i / cols, &a);
                screen_cell(terminal, i % cols, i / cols, &b);
                if (!same_cell(&a, &b))
                    fail_msg("%s: cell %d,%d: U+%04X/%d, U+%04X/%d", what, i % cols, i / cols, a.cp[0], a.width,
                             b.cp[0], b.width);
            }
        }
        buf_reset(&bytes);
        screen_render(s, frame, &bytes);
        assert_in_range(bytes.n, 1, 20); /* nothing changed: reset and cursor */
        for (size_t i = 0; i + 1 < bytes.n; i++)
            if (bytes.p[i] == 0x1b)
                assert_int_equal(bytes.p[i + 1], '[');
        buf_deinit(&out);
        buf_deinit(&bytes);
    }
}

static void a_small_window_shows_the_top_left(void **state)
{
    CLEANUP(screen_freep) struct screen *s = screen_new(80, 24);
    CLEANUP(screen_freep) struct screen *terminal = screen_new(5, 2);
    CLEANUP(screen_frame_freep) struct screen_frame *frame = screen_frame_new(5, 2);
    struct buf bytes = BUF_INIT(1u << 20);
    char row[40];

    (void) state;
    feed(s, "0123\xe4\xb8\xad"
            "9\r\nabcdefgh\r\nthird");
    screen_render(s, frame, &bytes);
    screen_feed(terminal, buf_span(&bytes));
    row_text(terminal, 0, row, sizeof(row));
    assert_string_equal(row, "0123");
    row_text(terminal, 1, row, sizeof(row));
    assert_string_equal(row, "abcde");
    buf_deinit(&bytes);
}

static void titles_are_told(void **state)
{
    CLEANUP(screen_freep) struct screen *s = screen_new(10, 2);

    (void) state;
    assert_string_equal(screen_title(s), "");
    feed(s, "\033]0;hel");
    assert_false(screen_idle(s));
    feed(s, "lo\007");
    assert_true(screen_idle(s));
    assert_string_equal(screen_title(s), "hello");
}

/* Sizes that change cost more than sequences of their length: who has a budget has to see it. */
static void resizes_are_work(void **state)
{
    struct screen *s = screen_new(80, 24);
    uint64_t before = screen_work(s);

    (void) state;
    screen_resize(s, 80, 24);
    assert_int_equal(screen_work(s), before);
    screen_resize(s, 720, 200);
    assert_true(screen_work(s) >= before + 720 * 200);
    screen_free(s);
}

static uint32_t next_random(void)
{
    static uint32_t x = 1;

    x = x * 1664525u + 1013904223u;
    return x >> 8;
}

/* Lines that scroll a screen away: what is fed at once shows what is fed byte by byte, whatever was set before and comes behind. */
static void many_lines_at_once_are_as_one_by_one(void **state)
{
    static const char *const before[] = { "", "abc", "\x1b[99H=====================", "\x1b[44mblue", "\x1b[9;9H#########\x1b[99;2H====\x1b[H", "\x1b[2;3H", "\x1b[3;5r\x1b[4H", "\x1b[?6h", "\x1b[?1049h", "\x1b(0", "\x1b[?7l", "\x1b[4h", "\x1b[7mx\x1b" "7",
                                          "\xe2\x94", "\x1b[", "\x1b]0;t", "\x0e", "wide \xe4\xb8\xad" };
    static const char *const after[] = { "", "\x1b[3b", "\x1b" "8y", "end", "\x1b[A\x1b[2K", "\b\bz", "\x1b[J", "\x1b[?1049l" };
    static const char *const ends[] = { "\r\n", "\n", "\r\n\r\n", "\n\r" };

    (void) state;
    for (unsigned n = 0; n < 3000; n++) {
        int cols = 3 + (int) (next_random() % 30), rows = 1 + (int) (next_random() % 9), lines = (int) (next_random() % (unsigned) (rows * 5 + 3));
        CLEANUP(screen_freep) struct screen *whole = screen_new(cols, rows), *bytes = screen_new(cols, rows);
        struct buf text = BUF_INIT(1u << 20), a = BUF_INIT(1u << 20), b = BUF_INIT(1u << 20);
        size_t first;
        const char *end = ends[next_random() % 8 < 5 ? 0 : next_random() % 4];

        buf_add_str(&text, before[next_random() % (sizeof(before) / sizeof(before[0]))]);
        first = text.n;
        for (int i = 0; i < lines; i++) {
            for (unsigned k = (unsigned) next_random() % (unsigned) (cols * 2); k > 0 && next_random() % 9 > 0; k--)
                buf_add_c(&text, (char) ('!' + next_random() % 90));
            buf_add_str(&text, end);
        }
        buf_add_str(&text, next_random() % 2 == 0 ? "$ " : "");
        buf_add_str(&text, after[next_random() % (sizeof(after) / sizeof(after[0]))]);
        screen_feed(whole, span_sub(buf_span(&text), 0, first));
        screen_feed(whole, span_sub(buf_span(&text), first, text.n));
        for (size_t i = 0; i < text.n; i++)
            screen_feed(bytes, span_sub(buf_span(&text), i, 1));
        screen_dump_init(whole, &a);
        screen_dump_init(bytes, &b);
        assert_span_eq(buf_span(&a), buf_span(&b));
        buf_deinit(&text);
        buf_deinit(&a);
        buf_deinit(&b);
    }
}

/* And it costs a screen, not all of them. */
static void many_lines_cost_one_screen(void **state)
{
    CLEANUP(screen_freep) struct screen *s = screen_new(720, 200);
    struct buf text = BUF_INIT(1u << 20);

    (void) state;
    for (unsigned i = 0; i < 20000; i++)
        buf_addf(&text, "%u\r\n", i);
    screen_feed(s, buf_span(&text));
    assert_true(screen_work(s) < UINT64_C(300) * 720 * 200);
    buf_deinit(&text);
}

/* One line of many megabytes is looked at once. */
static void a_long_line_is_looked_at_once(void **state)
{
    CLEANUP(screen_freep) struct screen *s = screen_new(80, 24);
    struct buf text = BUF_INIT(16u << 20);
    clock_t from = clock();

    (void) state;
    while (text.n < (12u << 20))
        buf_add_str(&text, "one line of many megabytes ");
    screen_feed(s, buf_span(&text));
    assert_true(clock() - from < 20 * CLOCKS_PER_SEC); /* one second; once for each step took minutes */
    buf_deinit(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(resizes_are_work),
        cmocka_unit_test(output_becomes_cells),
        cmocka_unit_test(styles_are_kept),
        cmocka_unit_test(widths_are_those_of_the_model),
        cmocka_unit_test(combining_marks_take_no_cell),
        cmocka_unit_test(sizes_are_clamped),
        cmocka_unit_test(a_saved_cursor_survives_shrinking),
        cmocka_unit_test(shrinking_keeps_the_cursor_and_what_is_above),
        cmocka_unit_test(a_dump_brings_another_screen_to_the_same_state),
        cmocka_unit_test(a_dump_holds_only_what_it_may),
        cmocka_unit_test(rendering_draws_the_difference),
        cmocka_unit_test(a_small_window_shows_the_top_left),
        cmocka_unit_test(titles_are_told),
        cmocka_unit_test(many_lines_at_once_are_as_one_by_one),
        cmocka_unit_test(many_lines_cost_one_screen),
        cmocka_unit_test(a_long_line_is_looked_at_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
