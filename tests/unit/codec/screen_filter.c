/* The safe mode of terminals: a table of what passes and what does not, cut at every byte. */
#include "test.h"

#include "base/utf8.h"
#include "codec/screen_filter.h"

static const struct {
    const char *name, *in, *out;
} cases[] = {
    { "text", "hello, w\xc3\xb6rld \xf0\x9f\x98\x80", "hello, w\xc3\xb6rld \xf0\x9f\x98\x80" },
    { "C0 that moves", "a\r\n\tb\bc\v\f\x0e\x0f", "a\r\n\tb\bc\v\f\x0e\x0f" },
    { "other C0 and DEL",
      "a\x01\x05\x07\x11\x13\x7f"
      "b",
      "ab" },
    { "SGR", "\033[1;31mx\033[m\033[0m", "\033[1;31mx\033[m\033[0m" },
    { "SGR 256 and RGB", "\033[38;5;208;48;2;1;2;3m", "\033[38;5;208;48;2;1;2;3m" },
    { "SGR with colons", "\033[38:2::1:2:3m\033[48:5:9m\033[4:3m", "\033[38;2;1;2;3m\033[48;5;9m\033[4:3m" },
    { "SGR underline colour is no blink", "\033[58;5;1m\033[58:2::1:2:3mx", "x" },
    { "SGR unknown is no reset", "\033[2m\033[53mx\033[8;31m", "x\033[31m" },
    { "SGR long", "\033[0;1;3;4;7;9;31;42m", "\033[0;1;3m\033[4;7;9m\033[31;42m" },
    { "SGR empty places are zero", "\033[;1m", "\033[0;1m" },
    { "modify keys is no SGR", "\033[>4;2mx", "x" },
    { "cursor and erase", "\033[H\033[2J\033[3;4H\033[K\033[5A\033[1P\033[2@\033[L\033[M\033[X",
      "\033[H\033[2J\033[3;4H\033[K\033[5A\033[1P\033[2@\033[L\033[M\033[X" },
    { "repeats", "ab\033[3bc\033[m\033[b", "abbbbc\033[mc" },
    { "numbers are bounded", "\033[99999999999999999999C", "\033[9999C" },
    { "scroll region and moves", "\033[2;5r\033[S\033[T\033D\033M\033E\0337\0338",
      "\033[2;5r\033[S\033[T\033D\033M\033E\0337\0338" },
    { "a region of one line is none", "\033[3;3r\033[5;2r\033[r\033[4r", "\033[r\033[r\033[r\033[4r" },
    { "mouse highlight T", "\033[1;2;3;4;5Tx", "x" },
    { "margins left and right", "\033[?69h\033[2;5sx\033[s", "x\033[s" },
    { "selective erase", "\033[?J\033[?1K", "\033[J\033[1K" },
    { "alternate screen", "\033[?1049hx\033[?1049l\033[?47h\033[?47l",
      "\033[?1049hx\033[?1049l\033[?1047h\033[?1047l" },
    { "mixed modes", "\033[?1049;2004;25h", "\033[?25h\033[?1049h" },
    { "mouse, focus, paste",
      "\033[?9h\033[?1000h\033[?1002h\033[?1003h\033[?1004h\033[?1006h\033[?1015h\033[?2004hx\033[?2004l", "x" },
    { "modes of ours", "\033[?6h\033[?7l\033[?25l\033[4h\033[4l", "\033[?6h\033[?7l\033[?25l\033[4h\033[4l" },
    { "reverse video, columns, sync", "\033[?5h\033[?3h\033[?2026hx\033[20h", "x" },
    { "charsets", "\033(0q\033(B\033)0\033(K\033*0", "\033(0q\033(B\033)0\033(B" },
    { "reset", "\033c\033[!p\033#8", "\033c\033[!p\033#8" },
    { "reset inside the alternate screen", "\033[?1049h\033cx", "\033[?1049h\033[?1047l\033cx" },
    { "other escapes", "\033=\033>\033Z\033N\033O\033n\033#3\033%G\033 Fx", "x" },
    { "DSR, DA, DECRQM, report", "\033[6n\033[?6n\033[5n\033[c\033[>c\033[=c\033[0c\033[?1$p\033[1$p\033[x\033[>qx",
      "x" },
    { "CSI t", "\033[18t\033[22;0;0t\033[8;1;1tx", "x" },
    { "media copy, keys, cursor shape", "\033[5i\033[>1u\033[?u\033[2 q\033[1\"qx", "x" },
    { "OSC 52", "\033]52;c;aGk=\007x\033]52;c;aGk=\033\\y", "xy" },
    { "OSC 8", "\033]8;;https://example.org/\033\\link\033]8;;\033\\", "link" },
    { "other OSC", "\033]4;1;rgb:00/00/00\007\033]10;?\007\033]1337;File=:aaaa\007\033]7;file://h/\033\\x", "x" },
    { "title is kept aside", "\033]0;my title\007x", "x" },
    { "DCS", "\033P+q544e\033\\x\033P1$r0m\033\\y\033Pq#0;2;0;0;0~~\033\\z", "xyz" },
    { "BEL does not end a DCS", "\033Pabc\007def\033\\x", "x" },
    { "APC, PM, SOS", "\033_Gf=24;AAAA\033\\x\033^pm\033\\y\033Xsos\033\\z", "xyz" },
    { "CAN and SUB", "\033[31\x18x\033]0;t\x1ay\033P\x18z", "xyz" },
    { "ESC inside a string", "\033]0;t\033[31mx", "\033[31mx" },
    { "ESC inside a sequence", "\033[3\033[1mx", "\033[1mx" },
    { "controls inside a sequence", "\033[3\r1mx", "\r\033[31mx" },
    { "8-bit C1 as UTF-8",
      "a\xc2\x9b"
      "31mb\xc2\x9d"
      "0;t\007c\xc2\x90"
      "q\xc2\x9c"
      "d\xc2\x85"
      "e",
      "abcde" },
    { "raw C1 bytes are no characters",
      "a\x9b"
      "b\x85",
      "a\xef\xbf\xbd"
      "b\xef\xbf\xbd" },
    { "a string ended by U+009C", "\033]52;c;x\xc2\x9cy", "y" },
    { "bidi",
      "a\xe2\x80\xae"
      "b\xe2\x81\xa6"
      "c\xd8\x9c",
      "a\xe2\x87\x84"
      "b\xe2\x87\x84"
      "c\xe2\x87\x84" },
    { "overlong", "\xc0\xaf", "\xef\xbf\xbd\xef\xbf\xbd" },
    { "surrogate", "\xed\xa0\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd" },
    { "cut character",
      "\xe2\x82"
      "A",
      "\xef\xbf\xbd"
      "A" },
    { "cut by ESC", "\xe2\x82\033[mA", "\xef\xbf\xbd\033[mA" },
    { "beyond U+10FFFF", "\xf4\x90\x80\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd" },
    { "character inside a sequence", "\033[3\xc3\xb6m", "\xc3\xb6m" },
};

static void table_cut_at_every_byte(void **state)
{
    (void) state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct span in = span_str(cases[i].in);

        for (size_t cut = 0; cut <= in.n; cut++) {
            struct screen_filter f;
            struct buf out = BUF_INIT(4096);

            screen_filter_init(&f);
            screen_filter_all(&f, span_sub(in, 0, cut), &out);
            screen_filter_all(&f, span_sub(in, cut, in.n), &out);
            if (!span_eq_str(buf_span(&out), cases[i].out))
                print_error("case '%s' cut at %zu\n", cases[i].name, cut);
            assert_span_str(buf_span(&out), cases[i].out);
            buf_deinit(&out);
        }
    }
}

static void titles_are_plain_and_bounded(void **state)
{
    static const struct {
        const char *in, *title;
    } titles[] = {
        { "\033]0;plain\007", "plain" },
        { "\033]2;two\033\\", "two" },
        { "\033]2;c1 end\xc2\x9c", "c1 end" },
        { "\033]0;a\x01"
          "b\xe2\x80\xae"
          "c\xff"
          "d\xc2\x9b"
          "e\007",
          "abcde" },
        { "\033]0;one\007\033]1;icon\007", "one" },
        { "\033]0;never ended", "" },
    };
    struct screen_filter f;
    struct buf out = BUF_INIT(1u << 20), in = BUF_INIT(1u << 20);

    (void) state;
    for (size_t i = 0; i < sizeof(titles) / sizeof(titles[0]); i++) {
        screen_filter_init(&f);
        screen_filter_all(&f, span_str(titles[i].in), &out);
        assert_string_equal(f.title, titles[i].title);
    }
    screen_filter_init(&f);
    buf_add_str(&in, "\033]0;");
    for (int i = 0; i < 100000; i++)
        buf_add_str(&in, "\xe4\xb8\xad");
    buf_add_str(&in, "\007end");
    buf_reset(&out);
    screen_filter_all(&f, buf_span(&in), &out);
    assert_span_str(buf_span(&out), "end");
    assert_int_equal(utf8_count(span_str(f.title)), SCREEN_TITLE_MAX);
    buf_deinit(&in);
    buf_deinit(&out);
}

/* Whatever comes in: what goes out is UTF-8, has no C1, no string introducer, no CSI outside the list. */
static void noise_comes_out_harmless(void **state)
{
    static const char alphabet[] = "\033\033\033[[]P_^X\\;:?>=!$\" "
                                   "0123456789mhlnctqprsuABCDHJKLMPSTZ`abdefgx\007\r\n\x18\x1a\x9b\x9d\xc2\xe2\x80\xff";
    uint32_t seed = 1;

    (void) state;
    for (int round = 0; round < 3000; round++) {
        struct screen_filter f;
        struct buf out = BUF_INIT(1u << 20);
        uint8_t in[400];

        for (size_t i = 0; i < sizeof(in); i++) {
            seed = seed * 1664525 + 1013904223;
            in[i] = (uint8_t) alphabet[(seed >> 16) % (sizeof(alphabet) - 1)];
        }
        screen_filter_init(&f);
        screen_filter_all(&f, SPAN_OF(in), &out);
        assert_true(utf8_valid(buf_span(&out)));
        for (size_t i = 0; i < out.n; i++) {
            if (out.p[i] == 0xc2 && i + 1 < out.n)
                assert_true(out.p[i + 1] >= 0xa0);
            if (out.p[i] != 0x1b)
                continue;
            assert_true(i + 1 < out.n);
            assert_non_null(memchr("[78DEMHc()#", out.p[i + 1], 11));
            if (out.p[i + 1] == '[') {
                size_t k = i + 2;

                while (k < out.n && out.p[k] >= 0x20 && out.p[k] < 0x40)
                    k++;
                assert_true(k < out.n);
                assert_non_null(memchr("@ABCDEFGHIJKLMPSTXZ`adefgrsuhlmp", out.p[k], 32));
                if (out.p[k] == 'p')
                    assert_int_equal(out.p[k - 1], '!');
            }
        }
        buf_deinit(&out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(table_cut_at_every_byte),
        cmocka_unit_test(titles_are_plain_and_bounded),
        cmocka_unit_test(noise_comes_out_harmless),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
