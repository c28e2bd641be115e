/* A terminal's recording as text: events and the lines they give. */
#include "test.h"

#include <stdio.h>

#include "codec/json.h"
#include "codec/screen.h"
#include "codec/transcript.h"

struct event {
    double at;
    const char *code, *data; /* data as it stands in JSON */
};

static void assert_transcript(int cols, int rows, const struct event *events, size_t n, const char *want)
{
    struct transcript *t = transcript_new(cols, rows);
    struct buf got = BUF_INIT(1 << 20), json = BUF_INIT(1 << 16);

    for (size_t i = 0; i < n; i++) {
        buf_reset(&json);
        buf_addf(&json, "[%g,\"%s\",\"%s\"]", events[i].at, events[i].code, events[i].data);
        transcript_event(t, buf_span(&json), (time_us) (events[i].at * 1e6), &got);
    }
    transcript_end(t, &got);
    assert_span_str(buf_span(&got), want);
    transcript_free(t);
    buf_deinit(&got);
    buf_deinit(&json);
}

#define N(a) a, sizeof(a) / sizeof((a)[0])

static void a_shell(void **state)
{
    static const struct event events[] = {
        { 0.5, "o", "$ " },         { 2, "o", "l" },          { 4, "o", "s" }, /* typed slowly: the line waits for its end */
        { 4.5, "o", "\\r\\na.txt\\r\\nb.txt\\r\\n$ " }, { 4.6, "i", "x" }, { 7, "m", "mark" }, { 8, "o", "exit\\r\\n" },
    };

    (void) state;
    assert_transcript(20, 5, N(events), "   0:04.5  $ ls\n   0:04.5  a.txt\n   0:04.5  b.txt\n   0:07.0  -- mark --\n   0:08.0  $ exit\n");
}

static void what_scrolls_away(void **state)
{
    static const struct event events[] = {
        { 0, "o", "1\\r\\n2\\r\\n3\\r\\n4\\r\\n5" },          /* two lines go at once on three rows */
        { 0.1, "o", "\\r\\n\\u001b[2S6" },                    /* scrolled by a sequence: 4 and 5 go */
        { 0.2, "o", "\\u001b[H\\u001b[2Jnew" },               /* cleared: what stood there is said first */
        { 0.3, "o", "\\r\\n\\u65e5\\u672c \\u001b]0;t\\u0007\\u202ex" }, /* wide, a title, and what turns text round */
    };

    (void) state;
    assert_transcript(10, 3, N(events),
                      "   0:00.0  1\n   0:00.0  2\n   0:00.1  3\n   0:00.1  4\n   0:00.1  5\n   0:00.2  6\n   0:00.3  new\n"
                      "   0:00.3  \xe6\x97\xa5\xe6\x9c\xac \xe2\x87\x84x\n");
}

/* But for their times: at the joint a line is told a little earlier. */
static void same_lines(struct span is, struct span want, size_t cut)
{
    struct span a, b;

    while (is.n > 0 || want.n > 0) {
        (void) span_cut(is, '\n', &a, &is);
        (void) span_cut(want, '\n', &b, &want);
        if (!span_eq(span_sub(a, 9, a.n), span_sub(b, 9, b.n)))
            fail_msg("cut at %zu: \"%.*s\", not \"%.*s\"", cut, (int) a.n, (const char *) a.p, (int) b.n, (const char *) b.p);
    }
}

/* The text before an event, and the text that goes on there from a screen: together the same lines as at once. */
static void goes_on_anywhere(void **state)
{
    struct event events[120];
    char data[120][64];
    struct buf whole = BUF_INIT(1 << 20);

    (void) state;
    for (size_t i = 0; i < 120; i++) {
        (void) snprintf(data[i], sizeof(data[i]), i % 7 == 3 ? "half %zu" : i % 40 == 39 ? "\\u001b[H\\u001b[2J" : "line %zu\\r\\n", i);
        events[i] = (struct event){ (double) i * (i > 60 ? 0.4 : 0.01), "o", data[i] };
    }
    for (size_t cut = 0; cut <= 120; cut++) {
        struct buf parts = BUF_INIT(1 << 20), init = BUF_INIT(1 << 20), json = BUF_INIT(1024), decoded = BUF_INIT(1024), dropped = BUF_INIT(1 << 20);
        struct transcript *t = transcript_new(20, 5);
        struct screen *s = screen_new(20, 5);
        size_t from = cut > 5 ? cut - 5 : 0; /* the keyframe is older than the place */

        assert_true(t != NULL && s != NULL);
        for (size_t i = 0; i < 120; i++) {
            struct buf *out = i >= cut ? &parts : cut == 0 ? &whole : &parts;

            buf_reset(&json);
            buf_addf(&json, "[%g,\"o\",\"%s\"]", events[i].at, events[i].data);
            if (i == cut && cut > 0) { /* another process goes on */
                transcript_pause(t, &parts);
                transcript_free(t);
                assert_non_null(t = transcript_new(80, 24));
                screen_dump_init(s, &init);
                transcript_resume(t, 20, 5, buf_span(&init), from == 0 ? 0 : (time_us) (events[from - 1].at * 1e6));
                for (size_t k = from; k < cut; k++) {
                    struct buf again = BUF_INIT(1024);

                    buf_addf(&again, "[%g,\"o\",\"%s\"]", events[k].at, events[k].data);
                    transcript_event(t, buf_span(&again), (time_us) (events[k].at * 1e6), &dropped);
                    buf_deinit(&again);
                }
                transcript_settle(t);
            }
            if (i < from) {
                struct json_value v = json_value(buf_span(&json)), d = { 0 };
                struct json_iter it = json_iter(v);

                for (int k = 0; k < 3; k++)
                    assert_true(json_next(&it, &d));
                buf_reset(&decoded);
                assert_true(json_string_decode(d.raw, &decoded));
                screen_feed(s, buf_span(&decoded));
            }
            transcript_event(t, buf_span(&json), (time_us) (events[i].at * 1e6), out);
        }
        if (cut == 120)
            transcript_pause(t, &parts);
        transcript_end(t, &parts);
        if (cut == 0)
            buf_add_span(&whole, buf_span(&parts));
        else
            same_lines(buf_span(&parts), buf_span(&whole), cut);
        transcript_free(t);
        (void) screen_free(s);
        buf_deinit(&parts);
        buf_deinit(&init);
        buf_deinit(&json);
        buf_deinit(&decoded);
        buf_deinit(&dropped);
    }
    buf_deinit(&whole);
}

static void whole_screen_programs(void **state)
{
    static const struct event events[] = {
        { 0, "o", "$ vi\\r\\n\\u001b[?1049h\\u001b[Hone" }, { 3, "o", "\\u001b[Htwo" },
        { 6, "o", "\\u001b[Htwo" }, /* the same again */    { 9, "o", "\\u001b[?1049l$ " },
        { 10, "r", "30x6" },        { 10, "o", "done\\r\\n" },
    };

    (void) state;
    assert_transcript(20, 4, N(events), "   0:00.0  $ vi\n   0:00.0  one\n   0:03.0  two\n   0:10.0  $ done\n");
}

static void odd_events(void **state)
{
    static const struct event events[] = {
        { 0, "r", "0x0" }, { 0, "r", "x" }, { 0, "zz", "ignored" }, { 5, "o", "" }, { 3, "o", "back in time" },
    };
    struct transcript *t = transcript_new(20, 4);
    struct buf out = BUF_INIT(100);

    (void) state;
    assert_transcript(20, 4, N(events), "   0:05.0  back in time\n");
    transcript_event(t, SPAN("[1]"), 0, &out);
    transcript_event(t, SPAN("[1,2,3]"), 0, &out);
    transcript_event(t, SPAN("{}"), 0, &out);
    assert_int_equal(out.n, 0);
    transcript_free(t);
    buf_deinit(&out);
}

/* Each sequence clears the largest screen: a worker must not sit over that for hours. */
static void what_costs_too_much_is_left_out(void **state)
{
    struct transcript *t = transcript_new(720, 200);
    struct buf json = BUF_INIT(1 << 16), out = BUF_INIT(1 << 20);
    const char *said;

    (void) state;
    buf_add_str(&json, "[1,\"o\",\"");
    for (int i = 0; i < 1500; i++)
        buf_add_str(&json, "x\\u001b[J");
    buf_add_str(&json, "\"]");
    transcript_event(t, buf_span(&json), 1000000, &out);
    transcript_event(t, SPAN("[2,\"o\",\"late\\r\\n\"]"), 2000000, &out);
    transcript_event(t, SPAN("[3,\"r\",\"80x24\"]"), 3000000, &out);
    transcript_event(t, SPAN("[4,\"m\",\"mark\"]"), 4000000, &out);
    transcript_end(t, &out);
    said = strstr(buf_cstr(&out), "   0:01.0  -- what the screen shows from here on is left out: it changes too much --\n");
    assert_non_null(said);
    assert_null(strstr(strchr(said, '\n'), "left out"));
    assert_null(strstr(said, "late"));
    assert_non_null(strstr(said, "   0:04.0  -- mark --\n"));
    transcript_free(t);
    buf_deinit(&json);
    buf_deinit(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_shell),
        cmocka_unit_test(what_scrolls_away),
        cmocka_unit_test(goes_on_anywhere),
        cmocka_unit_test(whole_screen_programs),
        cmocka_unit_test(odd_events),
        cmocka_unit_test(what_costs_too_much_is_left_out),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
