/*
 * Other recorders' files through the importer: timing lines of every form, bundles in any order, tlog, ttyrec; cut anywhere and
 * damaged; real files against what their own programs show.
 */
#include "test.h"
#include "tar.h"

#include "base/utf8.h"
#include "codec/bundle.h"
#include "codec/importer.h"
#include "codec/json.h"
#include "codec/parts.h"
#include "codec/screen.h"
#include "codec/tar_read.h"
#include "codec/timing.h"
#include "codec/tlog.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <zlib.h>

struct got {
    struct buf head, events;
    struct importer_result r;
    struct importer_error e;
    struct screen *screen; /* what a viewer sees at the end */
    uint64_t stop_at;      /* output events that are shown; the rest is not */
    uint64_t shown;
};

static enum err on_head(void *ctx, struct span json, struct err_info *reterr)
{
    struct got *g = ctx;

    (void) reterr;
    buf_add_span(&g->head, json);
    return ERR_OK;
}

static enum err on_event(void *ctx, const struct importer_event *ev, struct err_info *reterr)
{
    struct got *g = ctx;
    struct buf text = BUF_INIT(16u << 20);
    struct json_value v = json_value(ev->json), data = { 0 };
    struct json_iter it = json_iter(v);

    (void) reterr;
    buf_add_span(&g->events, ev->json);
    buf_add_c(&g->events, '\n');
    for (int i = 0; i < 3; i++)
        (void) json_next(&it, &data);
    if (g->screen != NULL && ev->type == 'o' && g->shown++ < g->stop_at) {
        assert_true(json_string_decode(data.raw, &text));
        screen_feed(g->screen, buf_span(&text));
    }
    buf_deinit(&text);
    return ERR_OK;
}

static enum err run(struct got *g, struct span in, size_t step)
{
    struct importer_params p = importer_defaults();
    struct importer *imp;
    enum err code = ERR_OK;

    buf_init(&g->head, 1u << 20);
    buf_init(&g->events, 256u << 20);
    p.on_head = on_head;
    p.on_event = on_event;
    p.ctx = g;
    imp = importer_new(&p);
    assert_non_null(imp);
    for (size_t at = 0; code == ERR_OK && at < in.n; at += step)
        code = importer_feed(imp, span_sub(in, at, step));
    if (code == ERR_OK)
        code = importer_finish(imp, &g->r);
    g->e = *importer_error(imp);
    (void) importer_free(imp);
    return code;
}

static void got_deinit(struct got *g)
{
    buf_deinit(&g->head);
    buf_deinit(&g->events);
    g->screen = screen_free(g->screen);
}

/* The same, however it is cut. */
static void expect_events(const char *name, struct span in, const char *head, const char *events)
{
    size_t steps[] = { 1u << 20, 1, 7, 513 };

    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
        struct got g = { .stop_at = 0 };

        if (run(&g, in, steps[i]) != ERR_OK)
            fail_msg("%s, step %zu: line %llu: %s", name, steps[i], (unsigned long long) g.e.line, g.e.cause);
        if (head != NULL && strstr(buf_cstr(&g.head), head) == NULL)
            fail_msg("%s: head %s", name, buf_cstr(&g.head));
        if (events != NULL && strcmp(buf_cstr(&g.events), events) != 0)
            fail_msg("%s, step %zu:\n%s, not\n%s", name, steps[i], buf_cstr(&g.events), events);
        got_deinit(&g);
    }
}

static void expect_refusal(const char *name, struct span in, enum err code, uint64_t line, const char *cause)
{
    size_t steps[] = { 1u << 20, 1, 513 };

    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
        struct got g = { .stop_at = 0 };
        enum err is = run(&g, in, steps[i]);

        if (is != code || g.e.line != line || strstr(g.e.cause, cause) == NULL)
            fail_msg("%s, step %zu: %s, line %llu: %s", name, steps[i], err_name(is), (unsigned long long) g.e.line, g.e.cause);
        got_deinit(&g);
    }
}

/* ---- tars of our own */

static void tar_end(struct buf *tar)
{
    uint8_t zeros[2 * TAR_BLOCK] = { 0 };

    buf_add(tar, zeros, sizeof(zeros));
}

static void zlibbed(struct span in, struct buf *out, int window)
{
    z_stream z = { 0 };
    uint8_t block[65536];

    assert_int_equal(deflateInit2(&z, 6, Z_DEFLATED, window, 8, Z_DEFAULT_STRATEGY), Z_OK);
    z.next_in = (uint8_t *) in.p;
    z.avail_in = (uInt) in.n;
    do {
        z.next_out = block;
        z.avail_out = sizeof(block);
        (void) deflate(&z, Z_FINISH);
        buf_add(out, block, sizeof(block) - z.avail_out);
    } while (z.avail_out == 0);
    (void) deflateEnd(&z);
}

#define LOG    "1645153850:millert:root::/dev/ttypb:30:100\n/home/millert\n/usr/bin/su testdude\n"
#define TIMING "4 0.5 9\n3 1.25 3\n4 0,25 4\n5 0.1 24 80\n1 0.0 4\n7 2.0 TSTP\n7 10.0 CONT\n0 0.1 2\n2 0.1 1\n6 0.1 1\n"

static const struct {
    const char *name, *body;
} sudo_files[] = { { "log", LOG },      { "timing", TIMING }, { "ttyin", "abc" },  { "stdin", "in" },
                   { "stdout", "a\nb\n" }, { "stderr", "!" },    { "ttyout", "Password:\xe6\xbc\xa2.x" } };

static const char sudo_events[] = "[0.5,\"o\",\"Password:\"]\n[1.75,\"i\",\"abc\"]\n[2,\"o\",\"\xe6\xbc\xa2.\"]\n[2.1,\"r\",\"80x24\"]\n"
                                  "[2.1,\"o\",\"a\\r\\nb\\r\\n\"]\n[4.1,\"m\",\"suspended (SIGTSTP)\"]\n[14.1,\"m\",\"resumed (SIGCONT)\"]\n"
                                  "[14.2,\"i\",\"in\"]\n[14.3,\"o\",\"!\"]\n[14.4,\"o\",\"x\"]\n";

#define N_SUDO (sizeof(sudo_files) / sizeof(sudo_files[0]))

/* In every order of a few, plain and compressed: the last of a needed stream is streamed when it may be, and nothing differs. */
static void sudo_in_any_order(void **state)
{
    (void) state;
    for (unsigned seed = 0; seed < 60; seed++) {
        struct buf tar = BUF_INIT(1u << 20), small = BUF_INIT(1u << 20);
        size_t order[N_SUDO];

        srandom(seed);
        for (size_t i = 0; i < N_SUDO; i++)
            order[i] = i;
        for (size_t i = N_SUDO - 1; seed > 0 && i > 0; i--) {
            size_t k = (size_t) random() % (i + 1), swap = order[i];

            order[i] = order[k];
            order[k] = swap;
        }
        tar_add_member(&tar, '0', "000001/.hidden", SPAN("x"));
        for (size_t i = 0; i < N_SUDO; i++) {
            char name[64];

            (void) snprintf(name, sizeof(name), "00/00/01/%s", sudo_files[order[i]].name);
            buf_reset(&small);
            zlibbed(span_str(sudo_files[order[i]].body), &small, seed % 3 == 1 ? 31 : 15);
            tar_add_member(&tar, '0', name, seed % 3 == 0 ? span_str(sudo_files[order[i]].body) : buf_span(&small));
        }
        tar_end(&tar);
        expect_events("sudo", buf_span(&tar),
                      "{\"version\":2,\"width\":100,\"height\":30,\"timestamp\":1645153850,\"command\":\"/usr/bin/su testdude\","
                      "\"source\":{\"format\":\"sudo-iolog\",\"user\":\"millert\",\"runas\":\"root\"",
                      sudo_events);
        buf_deinit(&tar);
        buf_deinit(&small);
    }
}

struct file {
    const char *name, *body;
};

static void tar_of(struct buf *tar, const struct file *files)
{
    buf_init(tar, 1u << 20);
    for (; files->name != NULL; files++)
        tar_add_member(tar, '0', files->name, span_str(files->body));
    tar_end(tar);
}

#define STARTED "Script started on 2026-02-03 12:55:07+00:00 [COMMAND=\"id\" TERM=\"xterm\" TTY=\"/dev/pts/0\" COLUMNS=\"90\" LINES=\"20\"]\n"
#define DONE    "\nScript done on 2026-02-03 13:13:29+00:00 [COMMAND_EXIT_CODE=\"7\"]\n"

static const struct {
    const char *name;
    struct file files[6];
    const char *head, *events;
} good[] = {
    { "classic", { { "typescript", STARTED "hello\r\n" DONE }, { "timing", "0.5 5\n1.5 2\n" } },
      "\"width\":90,\"height\":20,\"timestamp\":1770123307,\"command\":\"id\",\"env\":{\"TERM\":\"xterm\"},\"source\":{\"format\":\"script\"",
      "[0.5,\"o\",\"hello\"]\n[2,\"o\",\"\\r\\n\"]\n[2,\"x\",\"7\"]\n" },
    { "no header, no footer", { { "demo.log", "hello\r\n" }, { "demo.timing", "0.5 5\n1.5 2\n" } }, "\"width\":80",
      "[0.5,\"o\",\"hello\"]\n[2,\"o\",\"\\r\\n\"]\n" },
    { "two header lines", { { "timing", "0.5 5\n" }, { "script", STARTED STARTED "hello" DONE } }, NULL,
      "[0.5,\"o\",\"hello\"]\n[0.5,\"x\",\"7\"]\n" },
    { "two header lines, as on a Mac", { { "timing", "0.5 5\n" }, { "script", "Script started on Thu Jan 29 15:19:29 2026\nCommand: vi\nhello" DONE } },
      NULL, "[0.5,\"o\",\"hello\"]\n[0.5,\"x\",\"7\"]\n" },
    { "a header that is content", { { "timing", "0.5 26\n" }, { "typescript", "Script started on a whim\nx" } }, NULL,
      "[0.5,\"o\",\"Script started on a whim\\nx\"]\n" },
    { "Python's numbers, more than an hour", { { "timing", "6.5e-05 1\n4000.25 1\n" }, { "typescript", "ab" } }, NULL,
      "[0.000065,\"o\",\"a\"]\n[4000.250065,\"o\",\"b\"]\n" },
    { "advanced",
      { { "x.timing", "H 0.0 START_TIME 2026-02-03 08:32:23+00:00\nH 0.0 COLUMNS 112\nH 0.0 LINES 54\nH 0.0 COMMAND bash -l\nH 0.0 OUTPUT_LOG /tmp/o\n"
                      "H 0.0 INPUT_LOG /tmp/i\nO 0.25 2\nI 1.0 1\nS 0.5 SIGWINCH ROWS=24 COLS=80\nO 0.25 1\nS 0.1 SIGTERM\nH 0.000000 DURATION 2.1\nH 0.0 EXIT_CODE 0\n" },
        { "i", STARTED "q" DONE },
        { "o", STARTED "ab" "c" DONE } },
      "\"width\":112,\"height\":54,\"timestamp\":1770107543,\"command\":\"bash -l\"",
      "[0.25,\"o\",\"ab\"]\n[1.25,\"i\",\"q\"]\n[1.75,\"r\",\"80x24\"]\n[2,\"o\",\"c\"]\n[2.1,\"m\",\"signal (SIGTERM)\"]\n[2.1,\"x\",\"0\"]\n" },
    { "one log for both",
      { { "timing", "H 0 OUTPUT_LOG io\nH 0 INPUT_LOG io\nI 0.1 1\nO 0.1 2\nI 0.1 1\n" }, { "io", STARTED "iooi" DONE } },
      NULL, "[0.1,\"i\",\"i\"]\n[0.2,\"o\",\"oo\"]\n[0.3,\"i\",\"i\"]\n[0.3,\"x\",\"7\"]\n" },
    { "what was typed is not there", { { "timing", "I 0.5 3\nO 0.5 2\n" }, { "typescript", "ab" } }, NULL, "[1,\"o\",\"ab\"]\n" },
    { "cut output", { { "timing", "0.5 2\n0.5 2\n0.5 2\n" }, { "typescript", STARTED "abc" } }, NULL,
      "[0.5,\"o\",\"ab\"]\n[1,\"o\",\"c\"]\n[1.5,\"m\",\"the recording is cut short\"]\n" },
    { "more output than times", { { "timing", "0.5 2\n" }, { "typescript", "abcd" } }, NULL, "[0.5,\"o\",\"ab\"]\n[0.5,\"o\",\"cd\"]\n" },
    { "a character over two records", { { "timing", "0.5 2\n0.5 2\n" }, { "typescript", "a\xe6\xbc\xa2" } }, NULL,
      "[0.5,\"o\",\"a\"]\n[1,\"o\",\"\xe6\xbc\xa2\"]\n" },
    { "no UTF-8", { { "timing", "0.5 4\n" }, { "typescript", "a\xff\xe6z" } }, NULL, "[0.5,\"o\",\"a\xef\xbf\xbd\xef\xbf\xbdz\"]\n" },
    { "no UTF-8 at the end", { { "timing", "0.5 2\n" }, { "typescript", "a\xe6" } }, NULL, "[0.5,\"o\",\"a\"]\n[0.5,\"o\",\"\xef\xbf\xbd\"]\n" },
    { "asciicast v0",
      { { "meta.json", "{\"term\":{\"columns\":96,\"lines\":26,\"type\":\"screen\"},\"title\":\"t\",\"command\":\"c\",\"shell\":\"zsh\",\"username\":\"kill\","
                       "\"recorded_at\":\"Thu, 25 Jul 2013 20:08:57 +0000\"}" },
        { "stdout", "hi" },
        { "stdout.time", "1.5 2\n" } },
      "{\"version\":2,\"width\":96,\"height\":26,\"timestamp\":1374782937,\"command\":\"c\",\"title\":\"t\",\"env\":{\"TERM\":\"screen\",\"SHELL\":\"zsh\"},\"source\":{\"format\":\"asciicast-v0\",\"user\":\"kill\"}}",
      "[1.5,\"o\",\"hi\"]\n" },
    { "sudo's log.json before its log",
      { { "log", "1:a:b::/dev/pts/0:1:2\n/\n/bin/false\n" },
        { "log.json", "{\"timestamp\":{\"seconds\":1603746837,\"nanoseconds\":16450063},\"columns\":81,\"lines\":25,\"command\":\"/usr/bin/id\",\"runargv\":[\"id\",\"-u\"],"
                      "\"runenv\":[\"SECRET=hunter2\"],\"submituser\":\"m\",\"runuser\":\"root\",\"submithost\":\"h\",\"ttyname\":\"/dev/pts/1\",\"submitcwd\":\"/w\"}" },
        { "timing", "4 0.5 2\n" },
        { "ttyout", "ok" } },
      "{\"version\":2,\"width\":81,\"height\":25,\"timestamp\":1603746837,\"command\":\"/usr/bin/id -u\",\"source\":{\"format\":\"sudo-iolog\",\"user\":\"m\",\"runas\":\"root\",\"host\":\"h\",\"tty\":\"/dev/pts/1\",\"cwd\":\"/w\"}}",
      "[0.5,\"o\",\"ok\"]\n" },
};

static void bundles(void **state)
{
    (void) state;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        struct buf tar;

        tar_of(&tar, good[i].files);
        expect_events(good[i].name, buf_span(&tar), good[i].head, good[i].events);
        buf_deinit(&tar);
    }
}

static const struct {
    const char *name;
    struct file files[6];
    enum err code;
    uint64_t line;
    const char *cause;
} bad[] = {
    { "nothing of ours", { { "a.txt", "text" } }, ERR_UNSUPPORTED, 0, "no recording" },
    { "timing alone", { { "timing", "4 0.5 2\n" } }, ERR_UNSUPPORTED, 0, "'timing'" },
    { "two of them", { { "1/log", LOG }, { "1/timing", "4 0.5 2\n" }, { "1/ttyout", "ok" }, { "2/log", LOG } }, ERR_UNSUPPORTED, 0,
      "more than one" },
    { "no such type", { { "log", LOG }, { "timing", "4 0.5 2\n8 0.5 2\n" }, { "ttyout", "ok" } }, ERR_INVAL, 2, "timing: a record of a type" },
    { "no delay", { { "log", LOG }, { "timing", "4 0.5 2\n4 x 2\n" }, { "ttyout", "ok" } }, ERR_INVAL, 2, "delay" },
    { "a negative delay", { { "log", LOG }, { "timing", "4 0.5 2\n4 -1.5 2\n" }, { "ttyout", "ok" } }, ERR_INVAL, 2, "delay" },
    { "delays beyond counting", { { "log", LOG }, { "timing", "4 8999999999 1\n4 8999999999 1\n" }, { "ttyout", "ok" } }, ERR_INVAL, 2, "add up" },
    { "no bytes", { { "log", LOG }, { "timing", "4 0.5 2\n4 0.5\n" }, { "ttyout", "ok" } }, ERR_INVAL, 2, "number of bytes" },
    { "no size", { { "log", LOG }, { "timing", "4 0.5 2\n5 0.5 24\n" }, { "ttyout", "ok" } }, ERR_INVAL, 2, "size" },
    { "a size of nothing", { { "log", LOG }, { "timing", "4 0.5 2\n5 0.5 0 80\n" }, { "ttyout", "ok" } }, ERR_INVAL, 2, "size" },
    { "a signal that is none", { { "log", LOG }, { "timing", "4 0.5 2\n7 0.5 x\x1b[6n\n" }, { "ttyout", "ok" } }, ERR_INVAL, 2, "signal" },
    { "output is missing", { { "log", LOG }, { "timing", "4 0.5 2\n" } }, ERR_INVAL, 0, "'ttyout'" },
    { "log without lines", { { "log", "" }, { "timing", "4 0.5 2\n" }, { "ttyout", "ok" } }, ERR_INVAL, 1, "log: " },
    { "log with a wrong time", { { "log", "x:a:b::t\n/\nc\n" }, { "timing", "4 0.5 2\n" }, { "ttyout", "ok" } }, ERR_INVAL, 1, "time" },
    { "log without a command", { { "log", "1:a:b::t\n/\n" }, { "timing", "4 0.5 2\n" }, { "ttyout", "ok" } }, ERR_INVAL, 3, "command" },
    { "broken log.json", { { "log.json", "{\n\"a\":}" }, { "timing", "4 0.5 2\n" }, { "ttyout", "ok" } }, ERR_INVAL, 2, "log.json: " },
    { "broken meta.json", { { "meta.json", "{" }, { "stdout", "a" }, { "stdout.time", "1 1\n" } }, ERR_INVAL, 1, "meta.json: " },
    { "script's record", { { "typescript", "a" }, { "timing", "O 0.5 1\nQ 0.5 1\n" } }, ERR_INVAL, 2, "kind" },
    { "facts that are the timing", { { "stdout-split", "_CURSOR=s=1\n" }, { "meta.json", "H 0.0 COLM x" } }, ERR_OK, 0, "" }, /* a crash once */
    { "more files than one has",
      { { "a", "" }, { "b", "" }, { "c", "" }, { "d", "" }, { "a", "" } }, ERR_UNSUPPORTED, 0, "more than one" },
};

static void bad_bundles(void **state)
{
    (void) state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct buf tar;

        tar_of(&tar, bad[i].files);
        expect_refusal(bad[i].name, buf_span(&tar), bad[i].code, bad[i].line, bad[i].cause);
        buf_deinit(&tar);
    }
}

/* What is held has a limit; what is streamed has none of that kind. Both sides of it. */
static void held_limit(void **state)
{
    size_t outputs[] = { BUNDLE_HOLD - 100, BUNDLE_HOLD + 1000 };

    (void) state;
    for (int last = 0; last < 2; last++)
        for (size_t i = 0; i < 2; i++) {
            struct buf tar = BUF_INIT(200u << 20), big = BUF_INIT(128u << 20);
            char timing[64];
            struct got g = { .stop_at = 0 };
            enum err code;

            memset(buf_reserve(&big, outputs[i]), 'x', outputs[i]);
            big.n = outputs[i];
            (void) snprintf(timing, sizeof(timing), "4 0.5 %zu\n", outputs[i]);
            if (!last)
                tar_add_member(&tar, '0', "ttyout", buf_span(&big));
            tar_add_member(&tar, '0', "log", SPAN("1:a:b::t\n/\nc\n"));
            tar_add_member(&tar, '0', "timing", span_str(timing));
            if (last)
                tar_add_member(&tar, '0', "ttyout", buf_span(&big));
            tar_end(&tar);
            code = run(&g, buf_span(&tar), 65536);
            if (!last && i == 1) {
                assert_err(code, ERR_LIMIT);
                assert_string_equal(g.e.limit, "held-files");
            } else {
                assert_ok(code);
                assert_int_equal(g.r.n_events, (outputs[i] + 32767) / 32768);
            }
            got_deinit(&g);
            buf_deinit(&tar);
            buf_deinit(&big);
        }
}

/* Each byte of a small tar changed, and the tar cut at each place: an error or a recording, never more. */
static void damaged_tars(void **state)
{
    struct file files[] = { { "log", LOG }, { "timing", "4 0.5 2\n3 0.5 1\n" }, { "ttyin", "x" }, { "ttyout", "ok" }, { NULL, NULL } };
    struct buf tar;
    size_t refused = 0;

    (void) state;
    tar_of(&tar, files);
    for (size_t at = 0; at < tar.n; at++) {
        struct got g = { .stop_at = 0 };

        tar.p[at] ^= 0x15;
        refused += run(&g, buf_span(&tar), 65536) != ERR_OK;
        tar.p[at] ^= 0x15;
        got_deinit(&g);
        if (at % 7 == 0) {
            refused += run(&g, span_sub(buf_span(&tar), 0, at), 65536) != ERR_OK;
            got_deinit(&g);
        }
    }
    assert_true(refused > 1500);
    buf_deinit(&tar);
}

/* ---- ttyrec */

static void frame(struct buf *b, uint32_t sec, uint32_t usec, int channel, const char *text)
{
    buf_u32le(b, sec);
    buf_u32le(b, usec);
    buf_u32le(b, (uint32_t) strlen(text));
    if (channel >= 0)
        buf_u8(b, (uint8_t) channel);
    buf_add_str(b, text);
}

/* One in 256 begins with the byte of a bracket: that is no JSON, however little of it came first. */
static void ttyrec_like_json(void **state)
{
    static const char firsts[] = "[{ ";

    (void) state;
    for (const char *c = firsts; *c != '\0'; c++) {
        uint8_t file[12 + 3000 + 12 + 2] = { (uint8_t) *c, 0x7f, 0xb0, 0x5e, 5, 0, 0, 0, 3000 & 255, 3000 >> 8 };
        struct buf want = BUF_INIT(8192);

        memset(file + 12, 'x', 3000);
        memcpy(file + 3012, (const uint8_t[]){ (uint8_t) *c, 0x7f, 0xb0, 0x5e, 6, 0, 0, 0, 2, 0, 0, 0, 'o', 'k' }, 14);
        buf_add_str(&want, "[0,\"o\",\"");
        for (int i = 0; i < 3000; i++)
            buf_add_c(&want, 'x');
        buf_add_str(&want, "\"]\n[0.000001,\"o\",\"ok\"]\n");
        expect_events("ttyrec", SPAN_OF(file), NULL, buf_cstr(&want));
        buf_deinit(&want);
    }
}

static void ttyrecs(void **state)
{
    struct buf b = BUF_INIT(1u << 20);

    (void) state;
    frame(&b, 1600000000, 5, -1, "\033[8;40;132tone");
    frame(&b, 1600000001, 5, -1, "two \xe6");
    frame(&b, 1600000000, 5, -1, "\xbc\xa2");          /* the clock went back */
    frame(&b, 1600000002, 5, -1, "\033[8;24;80t");
    frame(&b, 1600000002, 5, -1, "\033[8;");
    frame(&b, 1600000002, 5, -1, "\033[8;99999;80tx");
    frame(&b, 1600000003, 5, -1, "");
    expect_events("12 bytes", buf_span(&b), "{\"version\":2,\"width\":132,\"height\":40,\"timestamp\":1600000000,",
                  "[0,\"o\",\"one\"]\n[1,\"o\",\"two \"]\n[1,\"o\",\"\xe6\xbc\xa2\"]\n[2,\"r\",\"80x24\"]\n[2,\"o\",\"\\u001b[8;\"]\n"
                  "[2,\"o\",\"\\u001b[8;99999;80tx\"]\n");
    for (size_t cut = b.n - 11; cut < b.n; cut++) /* inside the last header */
        expect_events("cut in a header", span_sub(buf_span(&b), 0, cut), NULL, NULL);
    {
        struct got g = { .stop_at = 0 };

        assert_ok(run(&g, span_sub(buf_span(&b), 0, 30), 65536));
        assert_non_null(strstr(buf_cstr(&g.events), "cut short"));
        got_deinit(&g);
    }
    buf_reset(&b);
    frame(&b, 1600000000, 0, 0, "out");
    frame(&b, 1600000001, 0, 1, "in");
    frame(&b, 1600000002, 0, 2, "score");
    frame(&b, 1600000003, 0, 0, "more");
    expect_events("13 bytes", buf_span(&b), "\"width\":80", "[0,\"o\",\"out\"]\n[1,\"i\",\"in\"]\n[3,\"o\",\"more\"]\n");
    buf_reset(&b);
    frame(&b, 1600000000, 0, -1, "one");
    frame(&b, 1600000001, 0, -1, "two");
    frame(&b, 1600000002, 1000000, -1, "three");
    expect_refusal("a wrong header", buf_span(&b), ERR_INVAL, 0, "microseconds");
    expect_refusal("zeros", span_of((const char[200]){ 0 }, 200), ERR_UNSUPPORTED, 0, "not UTF-8");
    buf_deinit(&b);
}

/* ---- tlog */

#define MSG(rec, id, pos, timing, in, out)                                                                             \
    "{\"ver\":\"2.3\",\"host\":\"h\",\"rec\":\"" rec "\",\"user\":\"u\",\"term\":\"xterm\",\"session\":1,\"id\":" id ",\"pos\":" pos               \
    ",\"time\":1600000000.250,\"timing\":\"" timing "\",\"in_txt\":\"" in "\",\"in_bin\":[1,255],\"out_txt\":\"" out "\",\"out_bin\":[240,159]}"

static void tlogs(void **state)
{
    static const struct {
        const char *name, *in, *head, *events;
    } cases[] = {
        { "lines", MSG("a", "1", "250", "=100x30>2+5<1+10>1", "q", "\xc3\xa9\xe6\xbc\xa2z") "\n\n" MSG("a", "2", "1000", ">3", "", "abc") "\n",
          "{\"version\":2,\"width\":100,\"height\":30,\"timestamp\":1600000000,\"env\":{\"TERM\":\"xterm\"},\"source\":{\"format\":\"tlog\",\"user\":\"u\",\"host\":\"h\",\"recording\":\"a\"}}",
          "[0.25,\"o\",\"\xc3\xa9\xe6\xbc\xa2\"]\n[0.255,\"i\",\"q\"]\n[0.265,\"o\",\"z\"]\n[1,\"o\",\"abc\"]\n" },
        { "a gap", MSG("a", "2", "0", ">1", "", "a") "\n" MSG("a", "5", "9", ">1=90x20", "", "b"), NULL,
          "[0,\"m\",\"message 1 is missing\"]\n[0,\"o\",\"a\"]\n[0.009,\"m\",\"messages 3 to 4 are missing\"]\n[0.009,\"o\",\"b\"]\n[0.009,\"r\",\"90x20\"]\n" },
        { "bytes", MSG("a", "1", "0", "[1/2]1/2", "\xef\xbf\xbd", "\xef\xbf\xbd"), NULL,
          "[0,\"i\",\"\\u0001\xef\xbf\xbd\"]\n[0,\"o\",\"\xef\xbf\xbd\xef\xbf\xbd\"]\n" },
    };
    struct buf j = BUF_INIT(1u << 20);
    const char *msg = MSG("a", "1", "0", ">1", "", "a");

    (void) state;
    for (size_t i = 0; i < 3; i++)
        expect_events(cases[i].name, span_str(cases[i].in), cases[i].head, cases[i].events);
    /* a binary field that looks like entries, then MESSAGE as a binary field */
    buf_add_str(&j, "__CURSOR=s=1\nMESSAGE=plain {\nBLOB\n");
    buf_u64le(&j, 20);
    buf_add_str(&j, "\n\nMESSAGE={\"ver\":\"9\"\n");
    buf_add_str(&j, "_PID=1\n\n__CURSOR=s=2\nMESSAGE\n");
    buf_u64le(&j, strlen(msg));
    buf_add_str(&j, msg);
    buf_add_str(&j, "\nTLOG_REC=a\n\n");
    expect_events("journal with binary fields", buf_span(&j), NULL, "[0,\"o\",\"a\"]\n");
    buf_deinit(&j);
    expect_refusal("two recordings", span_str(MSG("a", "1", "0", ">1", "", "a") "\n" MSG("b", "1", "0", ">1", "", "a")), ERR_UNSUPPORTED, 2,
                   "more than one");
    expect_refusal("ids go back", span_str(MSG("a", "2", "0", ">1", "", "a") "\n" MSG("a", "2", "0", ">1", "", "a")), ERR_INVAL, 2, "'id'");
    expect_refusal("more characters than there are", span_str(MSG("a", "1", "0", ">2", "", "a")), ERR_INVAL, 1, "more characters");
    expect_refusal("more bytes than there are", span_str(MSG("a", "1", "0", "[0/3", "", "a")), ERR_INVAL, 1, "more bytes");
    expect_refusal("no such sign", span_str(MSG("a", "1", "0", "?1", "", "a")), ERR_INVAL, 1, "'timing'");
    expect_refusal("too large", span_str(MSG("a", "1", "0", ">99999999999999999999", "", "a")), ERR_INVAL, 1, "'timing'");
    expect_refusal("pos below zero", span_str(MSG("a", "1", "-1", ">1", "", "a")), ERR_INVAL, 1, "'pos'");
    expect_refusal("a broken line", span_str(MSG("a", "1", "0", ">1", "", "a") "\n{\"ver\":\n"), ERR_INVAL, 2, "");
    expect_refusal("version 3", span_str("{\"ver\":\"3.0\",\"rec\":\"a\",\"timing\":\"\"}"), ERR_UNSUPPORTED, 1, "version");
    expect_refusal("a journal without tlog", SPAN("__CURSOR=s=1\nMESSAGE=hello\n\n__CURSOR=s=2\nMESSAGE=x\n\n"), ERR_UNSUPPORTED, 7, "without a message");
}

/* ---- alone, a file that is one of several */

static void alone(void **state)
{
    (void) state;
    expect_refusal("typescript", SPAN(STARTED "hello" DONE), ERR_UNSUPPORTED, 0, "together with its timing file");
    expect_refusal("classic timing", SPAN("0.5 5\n1.5 2\n"), ERR_UNSUPPORTED, 0, "together with its typescript");
    expect_refusal("advanced timing", SPAN("H 0.0 START_TIME 2026\nO 0.5 2\n"), ERR_UNSUPPORTED, 0, "together with its typescript");
    expect_refusal("sudo's timing", SPAN("4 0.5 2\n"), ERR_UNSUPPORTED, 0, "whole directory");
    expect_refusal("a terminal's output", SPAN("\033[31mred\r\n"), ERR_UNSUPPORTED, 0, "plain text");
}

/* ---- real files */

static size_t n_imported, n_refused;

static int one_file(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
    struct buf in;
    struct got whole = { .stop_at = 0 }, cut = { .stop_at = 0 };
    enum err code;

    (void) st;
    (void) ftw;
    if (flag != FTW_F)
        return 0;
    test_read_file(path, &in);
    code = run(&whole, buf_span(&in), 65536);
    if (run(&cut, buf_span(&in), 977) != code || !span_eq(buf_span(&whole.events), buf_span(&cut.events)))
        fail_msg("%s: another answer when it is cut otherwise", path);
    if (code == ERR_OK) {
        n_imported++;
    } else {
        n_refused++;
        if (strlen(whole.e.cause) < 8)
            fail_msg("%s: refused without a cause", path);
    }
    got_deinit(&whole);
    got_deinit(&cut);
    buf_deinit(&in);
    return 0;
}

static void real_files(void **state)
{
    static const char *const folders[] = { "ttyrec", "copyleft/ttyrec", "copyleft/tlog", "script", "sudo_iolog" };

    (void) state;
    if (test_shared("ttyrec") == NULL)
        skip();
    for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++)
        assert_int_equal(nftw(test_shared(folders[i]), one_file, 10, FTW_PHYS), 0);
    print_message("%zu files imported by themselves, %zu refused with a cause\n", n_imported, n_refused);
    assert_int_equal(n_imported, 7); /* the others are parts, packed by bzip2, or no recordings */
}

/* The text of the screen, lines without what is blank at their end. */
static void screen_lines(const struct screen *s, struct buf *out)
{
    struct buf line = BUF_INIT(65536);

    for (int row = 0; row < screen_rows(s); row++) {
        struct span text;

        buf_reset(&line);
        for (int col = 0; col < screen_cols(s); col++) {
            struct screen_cell cell;

            screen_cell(s, col, row, &cell);
            utf8_add(&line, cell.cp[0] != 0 ? cell.cp[0] : ' ');
        }
        text = buf_span(&line);
        while (text.n > 0 && text.p[text.n - 1] == ' ')
            text.n--;
        buf_add_span(out, text);
        buf_add_c(out, '\n');
    }
    buf_deinit(&line);
}

/* What another program shows at the end of NLE's real games. */
static void against_nle(void **state)
{
    const char *packed = test_shared("copyleft/ttyrec/nle/2020-10-03.17_27_10.ttyrec.bz2");
    struct buf in = BUF_INIT(64u << 20), want, is = BUF_INIT(1u << 20), lines = BUF_INIT(1u << 20);
    struct got g = { .stop_at = UINT64_MAX };
    char command[4200];
    uint8_t block[65536];
    struct span rest, line;
    size_t n;
    FILE *f;

    (void) state;
    if (packed == NULL)
        skip();
    (void) snprintf(command, sizeof(command), "bzip2 -dc '%s'", packed);
    f = popen(command, "r");
    assert_non_null(f);
    while ((n = fread(block, 1, sizeof(block), f)) > 0)
        buf_add(&in, block, n);
    if (pclose(f) != 0)
        skip(); /* no bzip2 here */
    g.screen = screen_new(80, 24);
    assert_ok(run(&g, buf_span(&in), 65536));
    screen_lines(g.screen, &is);
    test_read_file(test_shared("copyleft/ttyrec/nle/2020-10-03.17_27_10.finalframe.txt"), &want);
    rest = buf_span(&want);
    while (rest.n > 0) {
        (void) span_cut(rest, '\n', &line, &rest);
        while (line.n > 0 && line.p[line.n - 1] == ' ')
            line.n--;
        buf_add_span(&lines, line);
        buf_add_c(&lines, '\n');
    }
    assert_span_eq(span_sub(buf_span(&is), 0, lines.n), buf_span(&lines));
    got_deinit(&g);
    buf_deinit(&in);
    buf_deinit(&want);
    buf_deinit(&is);
    buf_deinit(&lines);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sudo_in_any_order), cmocka_unit_test(bundles), cmocka_unit_test(bad_bundles), cmocka_unit_test(held_limit),
        cmocka_unit_test(damaged_tars),      cmocka_unit_test(ttyrecs), cmocka_unit_test(ttyrec_like_json), cmocka_unit_test(tlogs),       cmocka_unit_test(alone),
        cmocka_unit_test(real_files),        cmocka_unit_test(against_nle),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
