/*
 * Every format in, events out: cases by hand; each real file against another reader (tests/vectors/recordings.py); byte
 * by byte and cut anywhere; each limit.
 */
#include "test.h"

#include "codec/importer.h"
#include "codec/json.h"
#include "codec/screen.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

/* What came out, as recordings.py reads it. */
struct sink {
    struct buf head, events, screens;
    uint64_t fail_at; /* on_event answers ERR_NOSPC at this seq */
    int heads;
};

static void sink_init(struct sink *s)
{
    buf_init(&s->head, 64u << 20);
    buf_init(&s->events, 256u << 20);
    buf_init(&s->screens, 64u << 20);
    s->fail_at = UINT64_MAX;
    s->heads = 0;
}

static void sink_deinit(struct sink *s)
{
    buf_deinit(&s->head);
    buf_deinit(&s->events);
    buf_deinit(&s->screens);
}

static enum err on_head(void *ctx, struct span json, struct err_info *reterr)
{
    struct sink *s = ctx;

    (void) reterr;
    s->heads++;
    assert_int_equal(s->events.n, 0);
    buf_add_span(&s->head, json);
    return ERR_OK;
}

static enum err on_event(void *ctx, const struct importer_event *ev, struct err_info *reterr)
{
    struct sink *s = ctx;
    char type[8];

    assert_int_equal(s->heads, 1);
    assert_true(json_check(
        ev->json, &(struct json_limits){ 1u << 30, 1000, UINT32_MAX, 1u << 30, true, true, false, { 0 } }, NULL));
    if (ev->seq == s->fail_at)
        return ERR_RAISE(reterr, ERR_NOSPC, "the disk is full");
    (void) snprintf(type, sizeof(type), ev->type >= 'a' ? "\"%c\"" : "%d", ev->type);
    buf_addf(&s->events,
             "{\"seq\":%llu,\"seek\":%lld,\"own\":%lld,\"key\":%s,\"type\":%s,\"event\":", (unsigned long long) ev->seq,
             (long long) ev->seek_us, (long long) ev->own_us, ev->keyframe ? "true" : "false", type);
    buf_add_span(&s->events, ev->json);
    buf_add_str(&s->events, "}\n");
    return ERR_OK;
}

static enum err on_screen(void *ctx, const struct importer_screen *screen, struct err_info *reterr)
{
    struct sink *s = ctx;

    (void) reterr;
    buf_addf(&s->screens, "%llu %lld %dx%d ", (unsigned long long) screen->seq, (long long) screen->at_us, screen->cols,
             screen->rows);
    buf_add_span(&s->screens, screen->init);
    buf_add_c(&s->screens, '\n');
    return ERR_OK;
}

static struct importer_params params(struct sink *s)
{
    struct importer_params p = importer_defaults();

    p.on_head = on_head;
    p.on_event = on_event;
    p.on_screen = on_screen;
    p.ctx = s;
    return p;
}

static enum err run(const struct importer_params *p, struct span in, size_t step, struct importer_result *ret,
                    struct importer_error *ret_error)
{
    CLEANUP(importer_freep) struct importer *imp = importer_new(p);
    enum err code = ERR_OK;

    assert_non_null(imp);
    for (size_t at = 0; at < in.n && code == ERR_OK; at += step)
        code = importer_feed(imp, span_sub(in, at, step));
    if (code == ERR_OK)
        code = importer_finish(imp, ret);
    if (code != ERR_OK) {
        assert_int_equal(importer_error(imp)->code, code);
        assert_int_equal(importer_feed(imp, SPAN("x")), code);
        assert_true(importer_error(imp)->cause[0] != '\0');
        assert_int_equal(code == ERR_LIMIT, importer_error(imp)->limit != NULL);
    }
    *ret_error = *importer_error(imp);
    return code;
}

/* ---- by hand */

#define V2       "{\"version\":2,\"width\":80,\"height\":24}\n"
#define V3       "{\"version\":3,\"term\":{\"cols\":80,\"rows\":24}}\n"
#define V1(list) "{\"version\":1,\"width\":80,\"height\":24,\"stdout\":" list "}"

static const struct {
    const char *name, *in;
    const char *head;   /* NULL: not looked at */
    const char *events; /* "own/seek json" of each, by spaces; '!' before a keyframe */
    const char *format;
} good[] = {
    { "v2 keeps its numbers", V2 "[1.50, \"o\", \"a\"]\n[2,\"o\",\"b\"]\n[2.5e0,\"i\",\"c\"]",
      "{\"version\":2,\"width\":80,\"height\":24}",
      "1500000/1500000[1.50,\"o\",\"a\"] 2000000/2000000[2,\"o\",\"b\"] 2500000/2500000[2.5e0,\"i\",\"c\"] ",
      "asciicast-v2" },
    { "v2 going back", V2 "[2,\"o\",\"a\"]\n[1,\"o\",\"b\"]\n[3,\"o\",\"c\"]", NULL,
      "2000000/2000000[2,\"o\",\"a\"] 1000000/2000000[1,\"o\",\"b\"] 3000000/3000000[3,\"o\",\"c\"] ", "asciicast-v2" },
    { "v2 odd codes and more elements",
      V2 "[0,5,\"a\"]\n[0,\"rlib\",{\"x\":1}]\n[0,\"o\",\"a\",\"more\",7]\n[0,null,null]\n[0,\"z\",[]]", NULL,
      "0/0[0,5,\"a\"] 0/0[0,\"rlib\",{\"x\":1}] 0/0[0,\"o\",\"a\",\"more\",7] 0/0[0,null,null] 0/0[0,\"z\",[]] ",
      "asciicast-v2" },
    { "v2 blank lines, CR LF", "\n" V2 "\r\n[0,\"o\",\"a\"]\r\n\n\n", NULL, "0/0[0,\"o\",\"a\"] ", "asciicast-v2" },
    { "v2 more header members",
      "{\"env\":{\"TERM\":null},\"x\":[1],\"theme\":{\"fg\":7},\"width\":80,\"height\":24,\"version\":2,\"timestamp\":"
      "null}\n",
      NULL, "", "asciicast-v2" },
    { "v2 without a size", "{\"version\":2,\"width\":0,\"height\":0}\n", NULL, "", "asciicast-v2" },
    { "v3 sums", V3 "[0.1,\"o\",\"a\"]\n[0.2,\"o\",\"b\"]\n[1,\"x\",\"0\"]\n[0.0000005,\"o\",\"c\"]\n[0.7,\"m\",\"\"]",
      NULL,
      "100000/100000[0.1,\"o\",\"a\"] 300000/300000[0.3,\"o\",\"b\"] 1300000/1300000[1.3,\"x\",\"0\"] "
      "1300001/1300001[1.300001,\"o\",\"c\"] 2000001/2000001[2.000001,\"m\",\"\"] ",
      "asciicast-v3" },
    { "v3 comments", V3 "# one\n[0,\"o\",\"#\"]\n#two [\n\n[1,\"o\",\"x\"]\n# end", NULL,
      "0/0[0,\"o\",\"#\"] 1000000/1000000[1,\"o\",\"x\"] ", "asciicast-v3" },
    { "v3 in the shape of v2", "{\"version\":3,\"width\":80,\"height\":24}\n[1,\"o\",\"a\"]\n[1,\"o\",\"b\"]", NULL,
      "1000000/1000000[1,\"o\",\"a\"] 2000000/2000000[2,\"o\",\"b\"] ", "asciicast-v3" },
    { "v3 header alone", V3, "{\"version\":3,\"term\":{\"cols\":80,\"rows\":24}}", "", "asciicast-v3" },
    { "resize", V2 "[0,\"r\",\"100x30\"]", NULL, "0/0[0,\"r\",\"100x30\"] ", "asciicast-v2" },
    { "v1", V1("[[0.5,\"a\"],[ 0.25 , \"b\\n\" ],[1,\"c\",\"more\"]]"), "{\"version\":1,\"width\":80,\"height\":24}",
      "500000/500000[0.5,\"o\",\"a\"] 750000/750000[0.75,\"o\",\"b\\n\"] 1750000/1750000[1.75,\"o\",\"c\",\"more\"] ",
      "asciicast-v1" },
    { "v1 sorted names", "{\"height\":24,\"stdout\":[[1,\"a\"]],\"title\":\"t\",\"version\":1,\"width\":80}",
      "{\"height\":24,\"title\":\"t\",\"version\":1,\"width\":80}", "1000000/1000000[1,\"o\",\"a\"] ", "asciicast-v1" },
    { "v1 empty", V1("[]"), NULL, "", "asciicast-v1" },
    { "rrweb array",
      "[{\"type\":4,\"data\":{},\"timestamp\":1000},{\"type\":2,\"data\":{},\"timestamp\":1010.5},{\"type\":3,\"data\":"
      "{\"source\":1},\"timestamp\":1005}]",
      "{}",
      "!0/0{\"type\":4,\"data\":{},\"timestamp\":1000} 10500/10500{\"type\":2,\"data\":{},\"timestamp\":1010.5} "
      "5000/10500{\"type\":3,\"data\":{\"source\":1},\"timestamp\":1005} ",
      "rrweb-array" },
    { "rrweb before the first time", "[{\"type\":4,\"timestamp\":1000},{\"type\":5,\"timestamp\":990}]", NULL,
      "0/0{\"type\":4,\"timestamp\":1000} -10000/0{\"type\":5,\"timestamp\":990} ", "rrweb-array" },
    { "rrweb without times",
      "[{\"type\":0,\"data\":{}},{\"type\":1,\"timestamp\":5},{\"type\":2,\"timestamp\":null},{\"type\":7}]", NULL,
      "0/0{\"type\":0,\"data\":{}} 0/0{\"type\":1,\"timestamp\":5} !0/0{\"type\":2,\"timestamp\":null} "
      "0/0{\"type\":7} ",
      "rrweb-array" },
    { "rrweb list with more members", " {\"a\":\"x\", \"events\": [ {\"type\":2,\"data\":{} } ], \"b\" : 1}",
      "{\"a\":\"x\",\"b\":1}", "!0/0{\"type\":2,\"data\":{}} ", "rrweb-list" },
    { "rrweb lines",
      "{\"type\":4,\"data\":1,\"timestamp\":1}\n\n{\"type\":4,\"data\":1,\"timestamp\":2}\r\n{\"type\":2,\"timestamp\":"
      "3}",
      "{}",
      "0/0{\"type\":4,\"data\":1,\"timestamp\":1} !1000/1000{\"type\":4,\"data\":1,\"timestamp\":2} "
      "2000/2000{\"type\":2,\"timestamp\":3} ",
      "rrweb-lines" },
    { "rrweb data before type", "{\"data\":{\"type\":9,\"s\":\"}{\"},\"timestamp\":1,\"type\":3}\n", NULL,
      "0/0{\"data\":{\"type\":9,\"s\":\"}{\"},\"timestamp\":1,\"type\":3} ", "rrweb-lines" },
    { "rrweb JSON in a string", "[\"{\\\"type\\\": 3, \\\"timestamp\\\":1}\"]", NULL,
      "0/0{\"type\":3,\"timestamp\":1} ", "rrweb-array" },
    { "rrweb empty", "[]", "{}", "", "rrweb-array" },
#define EV(at) "{\"type\":3,\"timestamp\":" #at "}"
#define EV_OUT "0/0" EV(5) " 1000/1000" EV(6) " "
    { "PostHog's answer", "{\"result\":{\"snapshots\":[" EV(5) "," EV(6) "],\"person\":null}}", "{}", EV_OUT, "posthog" },
    { "PostHog by window", "{\"result\":{\"snapshot_data_by_window_id\":{\"w\":[" EV(5) "," EV(6) "]}}}", "{}", EV_OUT, "posthog" },
    { "PostHog's player's file", "{\"version\":\"2023-04-28\",\"data\":{\"id\":\"x\",\"snapshots\":[" EV(5) "," EV(6) "]}}", "{}", EV_OUT,
      "posthog" },
    { "PostHog's blobs", "{\"window_id\":\"w\",\"data\":[" EV(5) "]}\n{\"window_id\":\"w\",\"data\":[" EV(6) "]}\n", "{}", EV_OUT, "posthog" },
    { "PostHog's lines", "[\"0192\"," EV(5) "]\n[\"0192\"," EV(6) "]\n", "{}", EV_OUT, "posthog" },
    { "PostHog's captures",
      "[{\"event\":\"$snapshot\",\"properties\":{\"$session_id\":\"s\",\"$window_id\":\"w\",\"$snapshot_data\":[" EV(5) "," EV(6) "]}}]", "{}",
      EV_OUT, "posthog" },
    { "Sentry's segments", "[[" EV(5) "],[" EV(6) "]]", "{}", EV_OUT, "sentry" },
    { "Sentry's envelopes",
      "{\"event_id\":\"a\"}\n{\"type\":\"replay_event\"}\n{\"replay_id\":\"a\"}\n{\"type\":\"replay_recording\",\"length\":43}\n{\"segment_id\":1}\n[" EV(6)
      "]\n{\"event_id\":\"b\"}\n{\"type\":\"replay_event\"}\n{\"replay_id\":\"a\"}\n{\"type\":\"replay_recording\",\"length\":43}\n{\"segment_id\":0}\n["
      EV(5) "]", "{}", EV_OUT, "sentry" },
    { "rrweb unknown type", "[{\"type\":9,\"data\":0}]", NULL, "0/0{\"type\":9,\"data\":0} ", "rrweb-array" },
};

static void as_text(const struct sink *s, struct buf *out)
{
    struct span at = buf_span(&s->events), line;

    while (at.n > 0 && span_cut(at, '\n', &line, &at)) {
        struct json_value obj = json_value(line), seek, own, key;
        const char *event = memmem(line.p, line.n, "\"event\":", 8);

        assert_true(json_find(obj, "seek", &seek) && json_find(obj, "own", &own) && json_find(obj, "key", &key));
        buf_addf(out, "%s" SPAN_FMT "/" SPAN_FMT "%.*s ", key.type == JSON_TRUE ? "!" : "", SPAN_ARG(own.raw),
                 SPAN_ARG(seek.raw), (int) (line.n - (size_t) (event + 8 - (const char *) line.p) - 1), event + 8);
    }
}

static void good_inputs(void **state)
{
    (void) state;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
        for (size_t step = 1; step < 100000; step *= 7) {
            struct sink s;
            struct buf text = BUF_INIT(1u << 20);
            struct importer_params p;
            struct importer_result r;
            struct importer_error e;

            sink_init(&s);
            p = params(&s);
            if (run(&p, span_str(good[i].in), step, &r, &e) != ERR_OK)
                fail_msg("%s: %s, line %llu", good[i].name, e.cause, (unsigned long long) e.line);
            as_text(&s, &text);
            if (strcmp(buf_cstr(&text), good[i].events) != 0)
                fail_msg("%s:\n got %s\nwant %s", good[i].name, buf_cstr(&text), good[i].events);
            if (good[i].head != NULL)
                assert_span_str(buf_span(&s.head), good[i].head);
            assert_int_equal(s.heads, 1);
            assert_string_equal(r.format, good[i].format);
            buf_deinit(&text);
            sink_deinit(&s);
        }
}

static const struct {
    const char *name, *in;
    enum err code;
    uint64_t line;
    const char *cause; /* a part of it */
} bad[] = {
    { "nothing", "", ERR_INVAL, 0, "nothing in it" },
    { "white space", " \n\t \n\n\n\n\n\n\n", ERR_INVAL, 0, "nothing in it" },
    { "plain text", "$ ls\r\nfile\r\n", ERR_UNSUPPORTED, 0, "asciicast v0 to v3" },
    { "text like a number", "12345\n", ERR_UNSUPPORTED, 0, "unknown format" },
    { "XML", "<?xml version=\"1.0\"?>", ERR_UNSUPPORTED, 0, "unknown format" },
    { "other JSON", "{\"a\":1}", ERR_UNSUPPORTED, 0, "unknown format" },
    { "array of others", "[{\"a\":1}]", ERR_UNSUPPORTED, 1, "other than rrweb" },
    { "array of numbers", "[1,2]", ERR_UNSUPPORTED, 0, "without their header" },
    { "events without a header", "[0.1,\"o\",\"a\"]\n[0.2,\"o\",\"b\"]\n", ERR_UNSUPPORTED, 0, "without their header" },
    { "byte order mark", "\xef\xbb\xbf" V2, ERR_UNSUPPORTED, 0, "byte order mark" },
    { "ALiS", "ALiS\x01\x01\x01\x01\x01", ERR_UNSUPPORTED, 0, "ALiS" },
    { "not quite ALiS", "ALiT\x01\x01\x01\x01", ERR_UNSUPPORTED, 0, "unknown format" },
    { "PostHog", "{\"event\":\"$snapshot\",\"properties\":{}}", ERR_INVAL, 0, "$session_id" },
    { "PostHog, a list", "[{\"event\":\"$snapshot\",\"properties\":{}}]", ERR_INVAL, 0, "$session_id" },
    { "PostHog API", "{\"result\":{\"snapshots\":[]}}", ERR_INVAL, 0, "no snapshot in it" },
    { "Sentry", "{\"event_id\":\"x\",\"sent_at\":\"y\"}\n{\"type\":\"session\"}\n{}\n", ERR_UNSUPPORTED, 0, "no replay" },
    { "Sentry, an event", "{\"event_id\":\"x\",\"exception\":{}}", ERR_UNSUPPORTED, 0, "no replay" },
    { "Sentry, cut", "{\"event_id\":\"x\"}\n{\"type\":\"replay_recording\",\"length\":9}\n{}", ERR_CORRUPT, 0, "longer than what came" },
    { "player's index", "{\"version\":1,\"segments\":[{}]}", ERR_UNSUPPORTED, 0, "asciinema-player" },
    { "version 4", "{\"version\":4,\"width\":1,\"height\":1}\n", ERR_UNSUPPORTED, 0, "not 1, 2 or 3" },
    { "version 5 with a list", "{\"version\":5,\"stdout\":[]}", ERR_UNSUPPORTED, 0, "not 1, 2 or 3" },
    { "v1 without a list", "{\"version\":1,\"width\":1,\"height\":1}", ERR_UNSUPPORTED, 0, "stdout" },
    { "gzip twice", "\x1f\x8b", ERR_CORRUPT, 0, "too early" },
    { "bzip2", "BZh91AY&SY", ERR_UNSUPPORTED, 0, "bzip2" },
    { "zip", "PK\x03\x04xxxxxxxxx", ERR_UNSUPPORTED, 0, "zip" },

    { "trailing comma in the header", "{\"version\":2,\"width\":80,\"height\":24,}\n[0,\"o\",\"a\"]\n", ERR_INVAL, 1,
      "member name" },
    { "v2 no width", "{\"version\":2,\"height\":24}\n", ERR_INVAL, 1, "'width'" },
    { "v2 width a string", "{\"version\":2,\"width\":\"80\",\"height\":24}\n", ERR_INVAL, 1, "'width'" },
    { "v2 width negative", "{\"version\":2,\"width\":-1,\"height\":24}\n", ERR_INVAL, 1, "'width'" },
    { "v2 width too large", "{\"version\":2,\"width\":65536,\"height\":24}\n", ERR_INVAL, 1, "'width'" },
    { "v3 no rows", "{\"version\":3,\"term\":{\"cols\":80}}\n", ERR_INVAL, 1, "'rows'" },
    { "v1 no height", "{\"version\":1,\"width\":80,\"stdout\":[[1,\"a\"]]}", ERR_INVAL, 1, "'height'" },
    { "a broken line", V2 "[0,\"o\",\"a\"]\nlol!\n[1,\"o\",\"b\"]\n", ERR_INVAL, 3, "expected" },
    { "time a string", V2 "[0,\"o\",\"a\"]\n\n[\"1\",\"o\",\"b\"]\n", ERR_INVAL, 4, "no number" },
    { "time negative", V2 "[-0.5,\"o\",\"a\"]\n", ERR_INVAL, 2, "negative" },
    { "interval negative", V3 "[1,\"o\",\"a\"]\n[-0.5,\"o\",\"a\"]\n", ERR_INVAL, 3, "negative" },
    { "v1 delay negative", "{\"version\":1,\"width\":80,\"height\":24,\n\"stdout\":[\n[1,\"a\"],\n[-4.4,\"b\"]]}",
      ERR_INVAL, 4, "negative" },
    { "v1 delay a string", V1("[[\"1\",\"a\"]]"), ERR_INVAL, 1, "no number" },
    { "time beyond counting", V2 "[1e300,\"o\",\"a\"]\n", ERR_INVAL, 2, "out of range" },
    { "intervals beyond counting", V3 "[9007199254,\"o\",\"a\"]\n[9007199254,\"o\",\"a\"]\n", ERR_INVAL, 3, "add up" },
    { "two elements", V2 "[1,\"o\"]\n", ERR_INVAL, 2, "a code and data" },
    { "v1 one element", V1("[[1]]"), ERR_INVAL, 1, "a time and data" },
    { "event an object", V2 "{\"a\":1}\n", ERR_INVAL, 2, "no array" },
    { "output a number", V2 "[1,\"o\",5]\n", ERR_INVAL, 2, "no string" },
    { "input null", V2 "[1,\"i\",null]\n", ERR_INVAL, 2, "no string" },
    { "resize -1x0", V3 "[1,\"o\",\"a\"]\n[1,\"r\",\"-1x0\"]\n", ERR_INVAL, 3, "COLSxROWS" },
    { "resize 0x0", V2 "[1,\"r\",\"0x0\"]\n", ERR_INVAL, 2, "COLSxROWS" },
    { "resize 70000x1", V2 "[1,\"r\",\"70000x1\"]\n", ERR_INVAL, 2, "COLSxROWS" },
    { "comment in v2", V2 "# no\n", ERR_INVAL, 2, "expected" },
    { "cut in an event", V2 "[1,\"o\",\"abc", ERR_INVAL, 2, "ends" },
    { "cut in the header", "{\"version\":2,\"width\":80", ERR_INVAL, 1, "ends" },
    { "cut in v1", "{\"version\":1,\"width\":80,\"height\":24,\"stdout\":[[1,\"a\"],", ERR_INVAL, 1, "ends" },
    { "v1 followed by more", V1("[]") " x", ERR_INVAL, 1, "follows" },
    { "bad UTF-8", V2 "[1,\"o\",\"\xff\"]\n", ERR_INVAL, 2, "UTF-8" },
    { "raw control", V2 "[1,\"o\",\"a\x01\"]\n", ERR_INVAL, 2, "control" },

    { "rrweb cut", "[{\"type\":4,\"data\":{},\"timestamp\":1},", ERR_INVAL, 1, "ends" },
    { "rrweb no type", "[{\"type\":4,\"data\":0},\n{\"data\":{}}]", ERR_INVAL, 2, "no 'type'" },
    { "rrweb type a string", "[{\"type\":\"events\",\"timestamp\":\"2021-12-09T19:35:59.223000Z\"}]", ERR_UNSUPPORTED,
      1, "other than rrweb" },
    { "rrweb timestamp a string", "{\"type\":4,\"data\":0,\"timestamp\":1}\n{\"type\":4,\"timestamp\":\"1\"}",
      ERR_INVAL, 2, "no number" },
    { "rrweb timestamp negative", "{\"type\":4,\"data\":0,\"timestamp\":1}\n{\"type\":4,\"timestamp\":-1}", ERR_INVAL,
      2, "out of range" },
    { "rrweb number among events", "[{\"type\":4,\"data\":0},7]", ERR_INVAL, 1, "no object" },
    { "rrweb string among events", "[{\"type\":4,\"data\":0},\"abc\"]", ERR_INVAL, 1, "neither a packed" },
    { "rrweb packed but broken", "[{\"type\":4,\"data\":0},\"x\\u009cabc\"]", ERR_CORRUPT, 1, "too early" },
    { "rrweb packed but damaged", "[{\"type\":4,\"data\":0},\"x\\u009c\u00ff\u00ff\"]", ERR_CORRUPT, 1, "damaged" },
    { "rrweb packed with large characters", "[{\"type\":4,\"data\":0},\"x\\u0100\"]", ERR_INVAL, 1, "no bytes" },
    { "rrweb list is no list", "{\"events\":{}}", ERR_UNSUPPORTED, 0, "unknown format" },
    { "rrweb old dialect", "[{\"type\":0,\"data\":{\"node\":{}},\"timestamp\":1}]", ERR_UNSUPPORTED, 1, "dialect" },
};

static void bad_inputs(void **state)
{
    (void) state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        for (size_t step = 1; step < 100000; step *= 7) {
            struct sink s;
            struct importer_params p;
            struct importer_result r;
            struct importer_error e;
            enum err code;

            sink_init(&s);
            p = params(&s);
            code = run(&p, span_str(bad[i].in), step, &r, &e);
            if (code != bad[i].code || e.line != bad[i].line || strstr(e.cause, bad[i].cause) == NULL)
                fail_msg("%s, step %zu: %s, line %llu: %s", bad[i].name, step, err_name(code),
                         (unsigned long long) e.line, e.cause);
            sink_deinit(&s);
        }
}

static void what_it_is_said_to_be(void **state)
{
    struct sink s;
    struct importer_params p;
    struct importer_result r;
    struct importer_error e;

    (void) state;
    sink_init(&s);
    p = params(&s);
    p.kind = IMPORTER_RRWEB;
    assert_int_equal(run(&p, SPAN(V2), 9, &r, &e), ERR_INVAL);
    assert_non_null(strstr(e.cause, "terminal"));
    p.kind = IMPORTER_TERMINAL;
    assert_int_equal(run(&p, SPAN("[{\"type\":4,\"data\":1}]"), 9, &r, &e), ERR_INVAL);
    assert_int_equal(run(&p, SPAN(V2), 9, &r, &e), ERR_OK);
    sink_deinit(&s);
}

static void callbacks_can_end_it(void **state)
{
    struct sink s;
    struct importer_params p;
    struct importer_result r;
    struct importer_error e;

    (void) state;
    sink_init(&s);
    p = params(&s);
    s.fail_at = 1;
    assert_int_equal(run(&p, SPAN(V2 "[0,\"o\",\"a\"]\n[0,\"o\",\"a\"]\n[0,\"o\",\"a\"]\n"), 3, &r, &e), ERR_NOSPC);
    assert_string_equal(e.cause, "the disk is full");
    sink_deinit(&s);
}

/* ---- layers and limits */

static void gz(struct span in, int bits, struct buf *out)
{
    z_stream z = { 0 };
    uint8_t *to;

    assert_int_equal(deflateInit2(&z, 9, Z_DEFLATED, bits, 8, Z_DEFAULT_STRATEGY), Z_OK);
    to = buf_reserve(out, deflateBound(&z, in.n) + 64);
    assert_non_null(to);
    z.next_in = (Bytef *) (uintptr_t) in.p;
    z.avail_in = (uInt) in.n;
    z.next_out = to;
    z.avail_out = (uInt) deflateBound(&z, in.n) + 64;
    assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
    out->n += z.total_out;
    (void) deflateEnd(&z);
}

static void layers(void **state)
{
    struct span plain = SPAN(V2 "[1,\"o\",\"hello\"]\n");
    struct buf once = BUF_INIT(1u << 20), twice = BUF_INIT(1u << 20), raw = BUF_INIT(1u << 20),
               zst = BUF_INIT(1u << 20);

    (void) state;
    gz(plain, 31, &once);
    gz(buf_span(&once), 31, &twice);
    gz(plain, -15, &raw);
    zst.n = ZSTD_compress(buf_reserve(&zst, 1000), 1000, plain.p, plain.n, 3);
    for (size_t step = 1; step < 5000; step += 4000) {
        struct sink s;
        struct importer_params p;
        struct importer_result r;
        struct importer_error e;

        sink_init(&s);
        p = params(&s);
        assert_int_equal(run(&p, buf_span(&once), step, &r, &e), ERR_OK);
        sink_deinit(&s);
        sink_init(&s);
        assert_int_equal(run(&p, buf_span(&zst), step, &r, &e), ERR_OK);
        assert_int_equal(r.bytes_in, zst.n);
        assert_int_equal(r.bytes_unpacked, plain.n);
        sink_deinit(&s);
        sink_init(&s);
        assert_int_equal(run(&p, buf_span(&twice), step, &r, &e), ERR_UNSUPPORTED);
        assert_non_null(strstr(e.cause, "packed twice"));
        p.encoded = true;
        p.codec = UNPACK_GZIP;
        assert_int_equal(run(&p, buf_span(&twice), step, &r, &e), ERR_UNSUPPORTED);
        assert_non_null(strstr(e.cause, "packed twice"));
        assert_int_equal(run(&p, plain, step, &r, &e), ERR_CORRUPT);
        p.codec = UNPACK_DEFLATE;
        assert_int_equal(run(&p, buf_span(&raw), step, &r, &e), ERR_OK);
        sink_deinit(&s);
    }
    buf_deinit(&once);
    buf_deinit(&twice);
    buf_deinit(&raw);
    buf_deinit(&zst);
}

static void repeat(struct buf *b, const char *text, size_t times)
{
    for (size_t i = 0; i < times; i++)
        buf_add_str(b, text);
}

/* An event exactly at the limit passes, one byte more does not; in each format. */
static void events_at_their_limit(void **state)
{
    static const struct {
        const char *before, *after;
        size_t extra; /* bytes that the stored event has beside the filler */
    } shapes[] = {
        { V2 "[1,\"o\",\"", "\"]\n", 10 },
        { "[{\"type\":5,\"data\":\"", "\"}]", 20 },
        { "{\"events\":[{\"type\":5,\"data\":\"", "\"}]}", 20 },
        { "{\"type\":5,\"data\":\"", "\"}\n", 20 },
        { V1("[[1,\""), "\"]]}", 10 },
    };

    (void) state;
    for (size_t i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++)
        for (size_t over = 0; over < 2; over++) {
            struct sink s;
            struct importer_params p;
            struct importer_result r;
            struct importer_error e;
            struct buf in = BUF_INIT(1u << 20);
            char before[200];
            enum err code;

            sink_init(&s);
            p = params(&s);
            p.event_max = 1000;
            (void) snprintf(before, sizeof(before), "%s", shapes[i].before);
            if (before[strlen(before) - 1] == '}') /* of V1() */
                before[strlen(before) - 1] = '\0';
            buf_add_str(&in, before);
            repeat(&in, "x", 1000 - shapes[i].extra + over);
            buf_add_str(&in, shapes[i].after);
            code = run(&p, buf_span(&in), 100, &r, &e);
            if (code != (over ? ERR_LIMIT : ERR_OK))
                fail_msg("shape %zu, over %zu: %s: %s", i, over, err_name(code), e.cause);
            if (over) {
                assert_string_equal(e.limit, "event-too-large");
                assert_int_equal(e.limit_value, 1000);
            } else {
                assert_int_equal(r.n_events, 1);
            }
            buf_deinit(&in);
            sink_deinit(&s);
        }
}

static void other_limits(void **state)
{
    struct sink s;
    struct importer_params p;
    struct importer_result r;
    struct importer_error e;
    struct buf in = BUF_INIT(64u << 20), packed = BUF_INIT(64u << 20);

    (void) state;
    sink_init(&s);
    p = params(&s);
    /* 17 MiB in one event, by default */
    buf_add_str(&in, V2 "[1,\"o\",\"");
    for (int i = 0; i < 17 * 1024; i++)
        repeat(&in, "0123456789abcdef0123456789abcdef", 32);
    buf_add_str(&in, "\"]\n");
    assert_int_equal(run(&p, buf_span(&in), 65536, &r, &e), ERR_LIMIT);
    assert_string_equal(e.limit, "event-too-large");
    assert_int_equal(e.line, 2);
    /* 1 000 levels deep */
    buf_reset(&in);
    buf_add_str(&in, "[{\"type\":3,\"data\":");
    repeat(&in, "[", 1000);
    repeat(&in, "]", 1000);
    buf_add_str(&in, "}]");
    assert_int_equal(run(&p, buf_span(&in), 100, &r, &e), ERR_LIMIT);
    assert_string_equal(e.limit, "depth");
    /* a bomb: 20 MiB of spaces (deflate reaches 1 030) */
    buf_reset(&in);
    buf_add_str(&in, V2);
    memset(buf_reserve(&in, 20u << 20), ' ', 20u << 20);
    in.n += 20u << 20;
    gz(buf_span(&in), 31, &packed);
    assert_int_equal(run(&p, buf_span(&packed), 65536, &r, &e), ERR_LIMIT);
    assert_string_equal(e.limit, "ratio");
    p.unpack.out_max = 1u << 20;
    assert_int_equal(run(&p, buf_span(&packed), 65536, &r, &e), ERR_LIMIT);
    assert_string_equal(e.limit, "unpacked-size");
    buf_deinit(&in);
    buf_deinit(&packed);
    sink_deinit(&s);
}

/* A packed event: zlib, each byte as one character. */
static void packed_element(const char *json, struct buf *out)
{
    struct buf z = BUF_INIT(4u << 20);

    gz(span_str(json), 15, &z);
    buf_add_c(out, '"');
    for (size_t i = 0; i < z.n; i++)
        buf_addf(out,
                 i % 3 == 0 || z.p[i] < 0x20 || z.p[i] == '"' || z.p[i] == '\\' || z.p[i] >= 0x7f ? "\\u%04x" : "%c",
                 z.p[i]);
    buf_add_c(out, '"');
    buf_deinit(&z);
}

static void packed_events(void **state)
{
    struct buf in = BUF_INIT(64u << 20), big = BUF_INIT(64u << 20), text = BUF_INIT(1u << 20);
    struct sink s;
    struct importer_params p;
    struct importer_result r;
    struct importer_error e;

    (void) state;
    for (int lines = 0; lines < 2; lines++) {
        sink_init(&s);
        p = params(&s);
        buf_reset(&in);
        buf_reset(&text);
        buf_add_str(&in, lines ? "" : "[");
        packed_element("{\"type\": 4, \"timestamp\": 10, \"v\":\"v1\"}", &in);
        buf_add_str(&in, lines ? "\n" : ",");
        packed_element("{\"type\":2,\"data\":\"\xc3\xb6\",\"timestamp\":11,\"v\":\"v1\"}", &in);
        buf_add_str(&in, lines ? "\n" : "]");
        assert_int_equal(run(&p, buf_span(&in), 1, &r, &e), ERR_OK);
        as_text(&s, &text);
        assert_string_equal(buf_cstr(&text),
                            "!0/0{\"type\":4,\"timestamp\":10,\"v\":\"v1\"} "
                            "1000/1000{\"type\":2,\"data\":\"\xc3\xb6\",\"timestamp\":11,\"v\":\"v1\"} ");
        assert_int_equal(r.started_at, 10);
        sink_deinit(&s);
    }
    /* a bomb in one of them */
    sink_init(&s);
    p = params(&s);
    p.event_max = 1u << 20;
    buf_add_str(&big, "{\"type\":3,\"data\":\"");
    repeat(&big, "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", 1u << 15);
    buf_add_str(&big, "\"}");
    buf_reset(&in);
    buf_add_str(&in, "[");
    packed_element(buf_cstr(&big), &in);
    buf_add_str(&in, "]");
    assert_int_equal(run(&p, buf_span(&in), 1000, &r, &e), ERR_LIMIT);
    assert_string_equal(e.limit, "event-too-large");
    sink_deinit(&s);
    buf_deinit(&in);
    buf_deinit(&big);
    buf_deinit(&text);
}

/* A list larger than hold_max is streamed; then nothing may follow it. */
static void long_lists_are_streamed(void **state)
{
    (void) state;
    for (int after = 0; after < 2; after++) {
        struct sink s;
        struct importer_params p;
        struct importer_result r;
        struct importer_error e;
        struct buf in = BUF_INIT(1u << 20);

        sink_init(&s);
        p = params(&s);
        p.hold_max = 1000;
        buf_add_str(&in, "{\"version\":1,\"width\":9,\"title\":\"t\",\"height\":5,\"stdout\":[[0.001,\"a\"]");
        repeat(&in, ",[0.001,\"abcdef\"]", 500);
        buf_add_str(&in, after ? "],\"duration\":1}" : "]}");
        if (after) {
            assert_int_equal(run(&p, buf_span(&in), 77, &r, &e), ERR_UNSUPPORTED);
            assert_non_null(strstr(e.cause, "members after"));
        } else {
            assert_int_equal(run(&p, buf_span(&in), 77, &r, &e), ERR_OK);
            assert_int_equal(r.n_events, 501);
            assert_int_equal(r.duration_us, 501000);
            assert_span_str(buf_span(&s.head), "{\"version\":1,\"width\":9,\"title\":\"t\",\"height\":5}");
        }
        buf_deinit(&in);
        sink_deinit(&s);
    }
}

/* ---- screens and markers */

static void screens_come_in_time(void **state)
{
    struct sink s;
    struct importer_params p;
    struct importer_result r;
    struct importer_error e;
    struct buf in = BUF_INIT(4u << 20);

    (void) state;
    sink_init(&s);
    p = params(&s);
    buf_add_str(&in, "{\"version\":2,\"width\":10,\"height\":2}\n");
    buf_add_str(&in, "[0,\"o\",\"a\"]\n[29.9,\"o\",\"b\"]\n[30,\"o\",\"c\\u001b[3\"]\n[61,\"o\",\"1m\"]\n[62,\"r\","
                     "\"20x3\"]\n[100,\"m\",\"mark\"]\n[200,\"x\",\"0\"]\n");
    assert_int_equal(run(&p, buf_span(&in), 1000, &r, &e), ERR_OK);
    /* at 61 s the screen is inside a sequence: the next event has it */
    assert_span_str(buf_span(&s.screens),
                    "0 0 10x2 \033[0m\033[2J\033[H\033[H\033[1;1H\033[0m\n"
                    "2 30000000 10x2 \033[0m\033[2J\033[Hab\033[H\033[1;3H\033[0m\n"
                    "4 62000000 10x2 \033[0m\033[2J\033[Habc\033[H\033[1;4H\033[0;31m\n"
                    "5 100000000 20x3 \033[0m\033[2J\033[Habc\033[H\033[1;4H\033[0;31m\n"
                    "6 200000000 20x3 \033[0m\033[2J\033[Habc\033[H\033[1;4H\033[0;31m\n");
    assert_int_equal(r.n_screens, 5);
    assert_int_equal(r.n_markers, 1);
    sink_deinit(&s);

    /* 256 KiB of output */
    sink_init(&s);
    buf_reset(&in);
    buf_add_str(&in, V2);
    for (int i = 0; i < 1100; i++) {
        buf_add_str(&in, "[1,\"o\",\"");
        repeat(&in, "0123456789abcdef0123456789abcdef", 32);
        buf_add_str(&in, "\"]\n");
    }
    assert_int_equal(run(&p, buf_span(&in), 65536, &r, &e), ERR_OK);
    assert_int_equal(r.n_screens, 1 + 1100 / 256);
    sink_deinit(&s);

    /* work is bounded */
    sink_init(&s);
    p.screen_work = 1000;
    p.screen_work_per_byte = 0;
    assert_int_equal(run(&p, buf_span(&in), 65536, &r, &e), ERR_OK);
    assert_true(r.screens_stopped);
    assert_int_equal(r.n_events, 1100);
    sink_deinit(&s);
    buf_deinit(&in);
}

static void markers_are_bounded(void **state)
{
    CLEANUP(importer_freep) struct importer *imp = NULL;
    struct sink s;
    struct importer_params p;
    struct importer_result r;
    struct buf in = BUF_INIT(4u << 20);

    (void) state;
    sink_init(&s);
    p = params(&s);
    buf_add_str(&in, V2 "[1.5,\"m\",\"first \\u00fc\"]\n[2,\"m\",null]\n[3,\"m\",\"");
    repeat(&in, "\xe4\xb8\xad", 100);
    buf_add_str(&in, "\"]\n");
    repeat(&in, "[4,\"m\",\"x\"]\n", IMPORTER_MARKERS_MAX);
    imp = importer_new(&p);
    assert_int_equal(importer_feed(imp, buf_span(&in)), ERR_OK);
    assert_int_equal(importer_finish(imp, &r), ERR_OK);
    assert_int_equal(r.n_markers, IMPORTER_MARKERS_MAX);
    assert_true(r.markers_cut);
    assert_string_equal(r.markers[0].label, "first \xc3\xbc");
    assert_int_equal(r.markers[0].at_us, 1500000);
    assert_string_equal(r.markers[1].label, "");
    assert_int_equal(strlen(r.markers[2].label), 198);
    buf_deinit(&in);
    sink_deinit(&s);
}

/* ---- real files */

/* Those of the real files that are refused, and how. Everything else in the folders has to come in. */
static const struct {
    const char *path;
    enum err code;
    uint64_t line;
    const char *cause;
} refused[] = {
    { "asciinema-scene/short.cast.zip", ERR_UNSUPPORTED, 0, "zip" },
    { "asciinema-server/1/invalid-time-1.json", ERR_INVAL, 8, "negative" },
    { "asciinema-server/1/invalid-time-2.json", ERR_INVAL, 8, "no number" },
    { "asciinema-server/2/broken.cast", ERR_INVAL, 3, "expected" },
    { "asciinema-server/2/invalid-time-2.cast", ERR_INVAL, 3, "no number" },
    { "asciinema-server/3/broken.cast", ERR_INVAL, 3, "expected" },
    { "asciinema-server/3/invalid-resize.cast", ERR_INVAL, 3, "COLSxROWS" },
    { "asciinema-server/3/invalid-time-1.cast", ERR_INVAL, 3, "negative" },
    { "asciinema-server/3/invalid-time-2.cast", ERR_INVAL, 3, "no number" },
    { "asciinema-server/5/asciicast.json", ERR_UNSUPPORTED, 0, "not 1, 2 or 3" },
    { "asciinema_automation/", ERR_UNSUPPORTED, 0, "unknown format" }, /* terminal text that is called .cast */
    { "r-asciicast/bad.json", ERR_INVAL, 5, "no number" },
    { "xakep666-player/test.expected-output.bin", ERR_UNSUPPORTED, 0, "unknown format" },
    { "asciinema-history/a7f7e6fb-demo.cast.bz2", ERR_UNSUPPORTED, 0, "bzip2" },
    { "asciinema-history/a7f7e6fb-demo.json.bz2", ERR_UNSUPPORTED, 0, "bzip2" },
    { "termrec/rec.in/splitutf.nh", ERR_UNSUPPORTED, 0, "unknown format" },
    { "termrec/rec.out/", ERR_UNSUPPORTED, 0, "unknown format" },
    { "highlight/capacitor.json", ERR_UNSUPPORTED, 0, "unknown format" },        /* the data of one snapshot */
    { "highlight/dom-with-scripts.json", ERR_UNSUPPORTED, 0, "unknown format" }, /* Highlight's own envelope */
    { "packer/packer.test.ts.snap", ERR_UNSUPPORTED, 0, "unknown format" },
    { "posthog/recording_events.json", ERR_UNSUPPORTED, 2, "other than rrweb" },
    { "posthog/recording_meta.json", ERR_UNSUPPORTED, 0, "without snapshots" },
    { "recorded/rrweb-player-events.js", ERR_UNSUPPORTED, 0, "unknown format" },
};

#define N_REFUSED (sizeof(refused) / sizeof(refused[0]))

static struct {
    size_t files, imported, compared;
    bool hit[N_REFUSED];
    bool python;
} real;

static size_t refusal_of(const char *path)
{
    for (size_t i = 0; i < N_REFUSED; i++) {
        const char *found = strstr(path, refused[i].path);
        size_t n = strlen(refused[i].path);

        if (found != NULL && (refused[i].path[n - 1] == '/' || found[n] == '\0'))
            return i;
    }
    return N_REFUSED;
}

static void compare_with_python(const char *path, const struct sink *s, const struct importer_result *r)
{
    char out[] = "/tmp/keyhole-import-XXXXXX", command[5000];
    int fd = mkstemp(out);
    FILE *f = fdopen(fd, "we");

    assert_non_null(f);
    (void) fprintf(f, "{\"head\":" SPAN_FMT ",\"format\":\"%s\",\"duration_us\":%lld,\"started_at\":%lld}\n",
                   SPAN_ARG(buf_span(&s->head)), r->format, (long long) r->duration_us, (long long) r->started_at);
    if (s->events.n > 0)
        (void) fwrite(s->events.p, 1, s->events.n, f);
    assert_int_equal(fclose(f), 0);
    (void) snprintf(command, sizeof(command), "python3 '%s' '%s' '%s' > /dev/null",
                    test_source("tests/vectors/recordings.py"), path, out);
    if (system(command) != 0)
        fail_msg("%s differs from what another reader finds", path);
    (void) unlink(out);
    real.compared++;
}

static void one_file(const char *path)
{
    size_t steps[] = { 65536, 1, 4093 };
    size_t no = refusal_of(path);
    struct buf in, first_events = BUF_INIT(256u << 20), first_screens = BUF_INIT(64u << 20);

    test_read_file(path, &in);
    for (size_t i = 0; i < 3; i++) {
        struct sink s;
        struct importer_params p;
        struct importer_result r;
        struct importer_error e;
        enum err code;

        sink_init(&s);
        p = params(&s);
        code = run(&p, buf_span(&in), steps[i], &r, &e);
        if (no < N_REFUSED) {
            real.hit[no] = true;
            if (code != refused[no].code || e.line != refused[no].line || strstr(e.cause, refused[no].cause) == NULL)
                fail_msg("%s: %s, line %llu: %s", path, err_name(code), (unsigned long long) e.line, e.cause);
        } else if (code != ERR_OK) {
            fail_msg("%s: %s, line %llu: %s", path, err_name(code), (unsigned long long) e.line, e.cause);
        } else if (i == 0) {
            real.imported++;
            assert_false(r.screens_stopped);
            buf_add_span(&first_events, buf_span(&s.events));
            buf_add_span(&first_screens, buf_span(&s.screens));
            if (real.python)
                compare_with_python(path, &s, &r);
        } else { /* the same, however it is cut */
            assert_span_eq(buf_span(&s.events), buf_span(&first_events));
            assert_span_eq(buf_span(&s.screens), buf_span(&first_screens));
        }
        sink_deinit(&s);
    }
    buf_deinit(&in);
    buf_deinit(&first_events);
    buf_deinit(&first_screens);
    real.files++;
}

static int visit(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
    (void) st;
    (void) ftw;
    if (flag == FTW_F)
        one_file(path);
    return 0;
}

static const char *const folders[] = { "asciicast", "copyleft/asciicast", "rrweb" };

static void real_files(void **state)
{
    (void) state;
    if (test_shared("asciicast") == NULL)
        skip();
    real.python = system("python3 -c 'import json, zlib' 2> /dev/null") == 0;
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(nftw(test_shared(folders[i]), visit, 10, FTW_PHYS), 0);
    for (size_t i = 0; i < N_REFUSED; i++)
        if (!real.hit[i])
            fail_msg("%s was not there", refused[i].path);
    print_message("%zu files, %zu imported, %zu compared with another reader\n", real.files, real.imported,
                  real.compared);
    assert_true(real.imported > 100);
}

/* Each screen says what the output before it has drawn. */
struct follow {
    struct screen *screen;
    size_t n;
};

static enum err follow_event(void *ctx, const struct importer_event *ev, struct err_info *reterr)
{
    struct follow *f = ctx;
    struct json_iter it = json_iter(json_value(ev->json));
    struct json_value v = { .type = JSON_NULL };
    struct buf text = BUF_INIT(16u << 20);
    unsigned cols, rows;

    (void) reterr;
    for (int i = 0; i < 3; i++)
        assert_true(json_next(&it, &v));
    if (ev->type == 'o') {
        assert_true(json_string_decode(v.raw, &text));
        screen_feed(f->screen, buf_span(&text));
    } else if (ev->type == 'r') {
        assert_int_equal(sscanf((const char *) v.raw.p, "%ux%u", &cols, &rows), 2);
        screen_resize(f->screen, (int) cols, (int) rows);
    }
    buf_deinit(&text);
    return ERR_OK;
}

static enum err follow_head(void *ctx, struct span json, struct err_info *reterr)
{
    struct follow *f = ctx;
    struct json_value head = json_value(json), v, w;
    int64_t cols = 0, rows = 0;

    (void) reterr;
    if (json_find(head, "term", &v)) {
        assert_true(json_find(v, "cols", &w) && json_int(w.raw, &cols) && json_find(v, "rows", &w) &&
                    json_int(w.raw, &rows));
    } else {
        assert_true(json_find(head, "width", &w) && json_int(w.raw, &cols) && json_find(head, "height", &w) &&
                    json_int(w.raw, &rows));
    }
    f->screen = screen_new((int) cols, (int) rows);
    return ERR_OK;
}

static enum err follow_screen(void *ctx, const struct importer_screen *at, struct err_info *reterr)
{
    struct follow *f = ctx;
    struct screen *again = screen_new(at->cols, at->rows);

    (void) reterr;
    screen_feed(again, at->init);
    assert_int_equal(screen_cols(again), screen_cols(f->screen));
    for (int i = 0; i < at->cols * at->rows; i++) {
        struct screen_cell a, b;

        screen_cell(f->screen, i % at->cols, i / at->cols, &a);
        screen_cell(again, i % at->cols, i / at->cols, &b);
        if (memcmp(&a, &b, sizeof(a)) != 0)
            fail_msg("screen before event %llu, cell %d,%d: U+%04X, redrawn U+%04X", (unsigned long long) at->seq,
                     i % at->cols, i / at->cols, a.cp[0], b.cp[0]);
    }
    f->n++;
    (void) screen_free(again);
    return ERR_OK;
}

static size_t n_followed;

static int visit_screens(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
    struct follow f = { NULL, 0 };
    struct importer_params p = importer_defaults();
    struct importer_result r;
    struct importer_error e;
    struct buf in;

    (void) ftw;
    if (flag != FTW_F || refusal_of(path) < N_REFUSED)
        return 0;
    p.on_head = follow_head;
    p.on_event = follow_event;
    p.on_screen = follow_screen;
    p.screen_every_us = st->st_size > 100000 ? 200000 : 0; /* before every event of the small ones */
    p.ctx = &f;
    test_read_file(path, &in);
    assert_int_equal(run(&p, buf_span(&in), 65536, &r, &e), ERR_OK);
    n_followed += f.n;
    (void) screen_free(f.screen);
    buf_deinit(&in);
    return 0;
}

static void real_screens(void **state)
{
    (void) state;
    if (test_shared("asciicast") == NULL)
        skip();
    for (size_t i = 0; i < 2; i++)
        assert_int_equal(nftw(test_shared(folders[i]), visit_screens, 10, FTW_PHYS), 0);
    print_message("%zu screens\n", n_followed);
    assert_true(n_followed > 1000);
}

/* Cut anywhere: an error or fewer events, never anything else. */
static void cut_anywhere(void **state)
{
    (void) state;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
        for (size_t n = 0; n < strlen(good[i].in); n++) {
            struct sink s;
            struct importer_params p;
            struct importer_result r;
            struct importer_error e;
            enum err code;

            sink_init(&s);
            p = params(&s);
            code = run(&p, span_of(good[i].in, n), 5, &r, &e);
            assert_true(code == ERR_OK || code == ERR_INVAL || code == ERR_UNSUPPORTED || code == ERR_CORRUPT);
            sink_deinit(&s);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_inputs),
        cmocka_unit_test(bad_inputs),
        cmocka_unit_test(what_it_is_said_to_be),
        cmocka_unit_test(callbacks_can_end_it),
        cmocka_unit_test(layers),
        cmocka_unit_test(events_at_their_limit),
        cmocka_unit_test(other_limits),
        cmocka_unit_test(packed_events),
        cmocka_unit_test(long_lists_are_streamed),
        cmocka_unit_test(screens_come_in_time),
        cmocka_unit_test(markers_are_bounded),
        cmocka_unit_test(cut_anywhere),
        cmocka_unit_test(real_files),
        cmocka_unit_test(real_screens),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
