#include "access/request.h"

#include "access/request_read.h"

#include "codec/base64.h"
#include "codec/jcs.h"
#include "codec/json.h"
#include "test.h"

#include <stdio.h>
#include <stdlib.h>

#define NOW 1793000000000LL /* 2026-10-26T07:33:20Z */
#define R1  "r_2Dz2Sr-SnSlnd8aT"
#define R2  "r_-9fKq2LmZt4XbVwA"
#define ME  "u_8zYGTnU-_hqeQ2Lx"

static struct tree parse_json(struct span json, struct buf *tree)
{
    static const uint8_t secret[16] = { 1 };
    struct json_limits lim = json_limits_control(secret);
    struct err_info e;

    buf_reset(tree);
    assert_ok_err(json_parse_err(json, &lim, tree, &e), &e);
    return tree_root(buf_span(tree));
}

static enum request_verdict parse(const char *json, enum request_purpose to, struct arena *arena, struct buf *tree,
                                  struct request *ret, struct field_errors *errs)
{
    return request_parse(parse_json(span_str(json), tree), to, SPAN(ME), NOW, arena, ret, errs);
}

#define GOOD_BUT(members)                                                                                              \
    "{\"recordings\":[\"" R1 "\"],\"actions\":[\"play\"],\"purpose\":{\"code\":\"support\",\"reason\":\"r\"},"         \
    "\"duration_s\":60" members "}"

#define URGENT "the shop is down, every minute costs"
#define BROKEN_AND(members)                                                                                            \
    GOOD_BUT(",\"break_glass\":{\"incident\":\"I\",\"reason\":\"" URGENT "\"}," members)

static const struct {
    const char *name, *json, *code, *at, *error;
    int64_t limit;
} cases[] = {
    { "good", GOOD_BUT(""), "ok", "", "", 0 },
    { "nulls are left out",
      GOOD_BUT(",\"start\":null,\"start_by_s\":null,\"viewers\":null,\"more\":null,\"more_time\":null,\"parts\":null,"
               "\"extends\":null,\"break_glass\":null"),
      "ok", "", "", 0 },
    { "empty ones of later stages",
      GOOD_BUT(",\"viewers\":[],\"more\":{},\"more_time\":{},\"parts\":[],\"extends\":\"\",\"break_glass\":{}"), "ok",
      "", "", 0 },
    { "the requester watches anyway", GOOD_BUT(",\"viewers\":[\"" ME "\"]"), "ok", "", "", 0 },
    { "another viewer", GOOD_BUT(",\"viewers\":[\"" ME "\",\"u_AAAAAAAAAAAAAAAA\"]"), "ok", "", "", 0 },
    { "viewers by name", GOOD_BUT(",\"viewers\":[\"anna\",\"bert\"]"), "ok", "", "", 0 },
    { "viewers a text", GOOD_BUT(",\"viewers\":\"anna\""), "invalid", "/viewers", "type", 0 },
    { "a viewer that is a number", GOOD_BUT(",\"viewers\":[\"anna\",5]"), "invalid", "/viewers/1", "type", 0 },
    { "a viewer without a name", GOOD_BUT(",\"viewers\":[\"\"]"), "invalid", "/viewers/0", "too-short", 0 },
    { "seven others", GOOD_BUT(",\"viewers\":[\"a\",\"b\",\"c\",\"d\",\"e\",\"f\",\"g\"]"), "ok", "", "", 0 },
    { "eight with the requester", GOOD_BUT(",\"viewers\":[\"" ME "\",\"b\",\"c\",\"d\",\"e\",\"f\",\"g\",\"h\"]"),
      "ok", "", "", 0 },
    { "eight others", GOOD_BUT(",\"viewers\":[\"a\",\"b\",\"c\",\"d\",\"e\",\"f\",\"g\",\"h\"]"), "invalid", "/viewers",
      "too-long", 8 },
    { "nine", GOOD_BUT(",\"viewers\":[\"a\",\"b\",\"c\",\"d\",\"e\",\"f\",\"g\",\"h\",\"i\"]"), "invalid", "/viewers",
      "too-long", 8 },
    { "more", GOOD_BUT(",\"more\":{\"same\":\"session\",\"max\":10}"), "ok", "", "", 0 },
    { "more of the same link", GOOD_BUT(",\"more\":{\"same\":\"link\",\"max\":1}"), "ok", "", "", 0 },
    { "none of more", GOOD_BUT(",\"more\":{\"same\":\"subject\",\"max\":0}"), "ok", "", "", 0 },
    { "too much more", GOOD_BUT(",\"more\":{\"same\":\"session\",\"max\":11}"), "invalid", "/more/max", "too-large", 10 },
    { "less than none", GOOD_BUT(",\"more\":{\"same\":\"session\",\"max\":-1}"), "invalid", "/more/max", "too-small", 0 },
    { "more of what", GOOD_BUT(",\"more\":{\"same\":\"title\",\"max\":1}"), "invalid", "/more/same", "not-one-of", 0 },
    { "more of two", GOOD_BUT(",\"more\":{\"same\":[\"link\"],\"max\":1}"), "invalid", "/more/same", "type", 0 },
    { "more without same", GOOD_BUT(",\"more\":{\"max\":1}"), "invalid", "/more/same", "missing", 0 },
    { "more without max", GOOD_BUT(",\"more\":{\"same\":\"link\"}"), "invalid", "/more/max", "missing", 0 },
    { "more with another", GOOD_BUT(",\"more\":{\"same\":\"link\",\"max\":1,\"min\":1}"), "invalid", "/more", "unknown", 0 },
    { "more a number", GOOD_BUT(",\"more\":5"), "invalid", "/more", "type", 0 },
    { "more_time", GOOD_BUT(",\"more_time\":{\"times\":8,\"each_s\":60}"), "ok", "", "", 0 },
    { "no time", GOOD_BUT(",\"more_time\":{\"times\":0,\"each_s\":60}"), "ok", "", "", 0 },
    { "too often", GOOD_BUT(",\"more_time\":{\"times\":9,\"each_s\":60}"), "invalid", "/more_time/times", "too-large", 8 },
    { "less than never", GOOD_BUT(",\"more_time\":{\"times\":-1,\"each_s\":60}"), "invalid", "/more_time/times",
      "too-small", 0 },
    { "no second", GOOD_BUT(",\"more_time\":{\"times\":1,\"each_s\":0}"), "invalid", "/more_time/each_s", "too-small", 1 },
    { "more_time without times", GOOD_BUT(",\"more_time\":{\"each_s\":60}"), "invalid", "/more_time/times", "missing", 0 },
    { "more_time without each", GOOD_BUT(",\"more_time\":{\"times\":1}"), "invalid", "/more_time/each_s", "missing", 0 },
    { "more_time with another", GOOD_BUT(",\"more_time\":{\"times\":1,\"each_s\":6,\"all\":1}"), "invalid", "/more_time",
      "unknown", 0 },
    { "more_time a list", GOOD_BUT(",\"more_time\":[1]"), "invalid", "/more_time", "type", 0 },
    { "parts", GOOD_BUT(",\"parts\":[{}]"), "parts-unsupported", "", "", 0 },
    { "extends", GOOD_BUT(",\"extends\":\"g_AAAAAAAAAAAAAAAA\""), "ok", "", "", 0 },
    { "extends a request", GOOD_BUT(",\"extends\":\"q_AAAAAAAAAAAAAAAA\""), "invalid", "/extends", "pattern", 0 },
    { "extends a list", GOOD_BUT(",\"extends\":[\"g_AAAAAAAAAAAAAAAA\"]"), "invalid", "/extends", "type", 0 },
    { "extends later", GOOD_BUT(",\"extends\":\"g_AAAAAAAAAAAAAAAA\",\"start\":\"first-use\""), "invalid", "/start",
      "conflict", 0 },
    { "extends for others", GOOD_BUT(",\"extends\":\"g_AAAAAAAAAAAAAAAA\",\"viewers\":[\"anna\"]"), "invalid", "/viewers",
      "conflict", 0 },
    { "break-glass", GOOD_BUT(",\"break_glass\":{\"incident\":\"I\",\"reason\":\"" URGENT "\"}"), "ok", "", "", 0 },
    { "break-glass, 19 characters",
      GOOD_BUT(",\"break_glass\":{\"incident\":\"I\",\"reason\":\"1234567890123456789\"}"), "invalid",
      "/break_glass/reason", "too-short", 20 },
    { "break-glass, 20 characters",
      GOOD_BUT(",\"break_glass\":{\"incident\":\"I\",\"reason\":\"12345678901234567890\"}"), "ok", "", "", 0 },
    { "break-glass without a reason", GOOD_BUT(",\"break_glass\":{\"incident\":\"I\"}"), "invalid",
      "/break_glass/reason", "missing", 20 },
    { "break-glass without an incident", GOOD_BUT(",\"break_glass\":{\"reason\":\"" URGENT "\"}"), "invalid",
      "/break_glass/incident", "missing", 0 },
    { "break-glass with a blank incident",
      GOOD_BUT(",\"break_glass\":{\"incident\":\"  \",\"reason\":\"" URGENT "\"}"), "invalid", "/break_glass/incident",
      "missing", 0 },
    { "break-glass with another",
      GOOD_BUT(",\"break_glass\":{\"incident\":\"I\",\"reason\":\"" URGENT "\",\"all\":true}"), "invalid",
      "/break_glass", "unknown", 0 },
    { "break-glass later", BROKEN_AND("\"start\":\"first-use\""), "invalid", "/start", "conflict", 0 },
    { "break-glass for others", BROKEN_AND("\"viewers\":[\"anna\"]"), "invalid", "/viewers", "conflict", 0 },
    { "break-glass and more", BROKEN_AND("\"more\":{\"same\":\"link\",\"max\":1}"), "invalid", "/more", "conflict", 0 },
    { "break-glass and more time", BROKEN_AND("\"more_time\":{\"times\":1,\"each_s\":1}"), "invalid", "/more_time",
      "conflict", 0 },
    { "break-glass that prolongs", BROKEN_AND("\"extends\":\"g_AAAAAAAAAAAAAAAA\""), "invalid", "/extends", "conflict", 0 },
    { "break-glass true", GOOD_BUT(",\"break_glass\":true"), "invalid", "/break_glass", "type", 0 },
    { "break-glass false", GOOD_BUT(",\"break_glass\":false"), "ok", "", "", 0 },
    { "unknown member", GOOD_BUT(",\"duration\":60"), "invalid", "", "unknown", 0 },
    { "unknown member of purpose",
      "{\"recordings\":[\"" R1 "\"],\"actions\":[\"play\"],\"purpose\":{\"code\":\"a\",\"why\":1},\"duration_s\":1}",
      "invalid", "/purpose", "unknown", 0 },
    { "no object", "[]", "invalid", "", "type", 0 },
    { "a number", "17", "invalid", "", "type", 0 },
    { "empty object", "{}", "invalid", "/recordings", "missing", 0 },
    { "recordings empty", "{\"recordings\":[],\"actions\":[\"play\"],\"purpose\":{\"code\":\"a\"},\"duration_s\":1}",
      "invalid", "/recordings", "too-short", 1 },
    { "recordings no list",
      "{\"recordings\":\"" R1 "\",\"actions\":[\"play\"],\"purpose\":{\"code\":\"a\"},\"duration_s\":1}", "invalid",
      "/recordings", "type", 0 },
    { "another kind of id",
      "{\"recordings\":[\"" R1 "\",\"q_AAAAAAAAAAAAAAAA\"],\"actions\":[\"play\"],\"purpose\":{\"code\":\"a\"},"
      "\"duration_s\":1}",
      "invalid", "/recordings/1", "pattern", 0 },
    { "an id that is a number",
      "{\"recordings\":[7],\"actions\":[\"play\"],\"purpose\":{\"code\":\"a\"},\"duration_s\":1}", "invalid",
      "/recordings/0", "type", 0 },
    { "an id twice",
      "{\"recordings\":[\"" R1 "\",\"" R2 "\",\"" R1 "\"],\"actions\":[\"play\"],\"purpose\":{\"code\":\"a\"},"
      "\"duration_s\":1}",
      "invalid", "/recordings/2", "duplicate", 0 },
    { "actions missing", "{\"recordings\":[\"" R1 "\"],\"purpose\":{\"code\":\"a\"},\"duration_s\":1}", "invalid",
      "/actions", "missing", 0 },
    { "actions empty", "{\"recordings\":[\"" R1 "\"],\"actions\":[],\"purpose\":{\"code\":\"a\"},\"duration_s\":1}",
      "invalid", "/actions", "too-short", 1 },
    { "an action nobody knows",
      "{\"recordings\":[\"" R1 "\"],\"actions\":[\"watch\"],\"purpose\":{\"code\":\"a\"},\"duration_s\":1}", "invalid",
      "/actions/0", "not-one-of", 0 },
    { "an action twice",
      "{\"recordings\":[\"" R1 "\"],\"actions\":[\"play\",\"play\"],\"purpose\":{\"code\":\"a\"},\"duration_s\":1}",
      "invalid", "/actions/1", "duplicate", 0 },
    { "unmask alone",
      "{\"recordings\":[\"" R1 "\"],\"actions\":[\"unmask\"],\"purpose\":{\"code\":\"a\"},\"duration_s\":1}",
      "invalid", "/actions", "missing", 0 },
    { "unmask beside export",
      "{\"recordings\":[\"" R1 "\"],\"actions\":[\"export\",\"unmask\"],\"purpose\":{\"code\":\"a\"},\"duration_s\":1}",
      "invalid", "/actions", "missing", 0 },
    { "unmask beside play",
      "{\"recordings\":[\"" R1 "\"],\"actions\":[\"play\",\"unmask\"],\"purpose\":{\"code\":\"a\"},\"duration_s\":1}",
      "ok", "", "", 0 },
    { "unmask beside live",
      "{\"recordings\":[\"" R1 "\"],\"actions\":[\"unmask\",\"live\"],\"purpose\":{\"code\":\"a\"},\"duration_s\":1}",
      "ok", "", "", 0 },
    { "unmask under break-glass",
      "{\"recordings\":[\"" R1 "\"],\"actions\":[\"play\",\"unmask\"],\"purpose\":{\"code\":\"a\"},\"duration_s\":1,"
      "\"break_glass\":{\"incident\":\"INC-1\",\"reason\":\"nobody can pay any more\"}}",
      "invalid", "/actions", "not-one-of", 0 },
    { "export and live are",
      "{\"recordings\":[\"" R1 "\"],\"actions\":[\"export\",\"live\"],\"purpose\":{\"code\":"
      "\"a\"},\"duration_s\":1}",
      "ok", "", "", 0 },
    { "purpose missing", "{\"recordings\":[\"" R1 "\"],\"actions\":[\"play\"],\"duration_s\":1}", "invalid", "/purpose",
      "missing", 0 },
    { "purpose a text", "{\"recordings\":[\"" R1 "\"],\"actions\":[\"play\"],\"purpose\":\"support\",\"duration_s\":1}",
      "invalid", "/purpose", "type", 0 },
    { "purpose without code",
      "{\"recordings\":[\"" R1 "\"],\"actions\":[\"play\"],\"purpose\":{\"reason\":\"x\"},\"duration_s\":1}", "invalid",
      "/purpose/code", "missing", 0 },
    { "reason a number",
      "{\"recordings\":[\"" R1 "\"],\"actions\":[\"play\"],\"purpose\":{\"code\":\"a\",\"reason\":5},\"duration_s\":1}",
      "invalid", "/purpose/reason", "type", 0 },
    { "duration missing", "{\"recordings\":[\"" R1 "\"],\"actions\":[\"play\"],\"purpose\":{\"code\":\"a\"}}",
      "invalid", "/duration_s", "missing", 0 },
    { "zero seconds",
      "{\"recordings\":[\"" R1 "\"],\"actions\":[\"play\"],\"purpose\":{\"code\":\"a\"},\"duration_s\":0}", "invalid",
      "/duration_s", "too-small", 1 },
    { "negative", "{\"recordings\":[\"" R1 "\"],\"actions\":[\"play\"],\"purpose\":{\"code\":\"a\"},\"duration_s\":-5}",
      "invalid", "/duration_s", "too-small", 1 },
    { "a fraction",
      "{\"recordings\":[\"" R1 "\"],\"actions\":[\"play\"],\"purpose\":{\"code\":\"a\"},\"duration_s\":1.5}", "invalid",
      "/duration_s", "type", 0 },
    { "a text",
      "{\"recordings\":[\"" R1 "\"],\"actions\":[\"play\"],\"purpose\":{\"code\":\"a\"},\"duration_s\":\"60\"}",
      "invalid", "/duration_s", "type", 0 },
    { "no number of seconds",
      "{\"recordings\":[\"" R1 "\"],\"actions\":[\"play\"],\"purpose\":{\"code\":\"a\"},"
      "\"duration_s\":9223372036854775807}",
      "invalid", "/duration_s", "too-large", 9007199254740 },
    { "a year is the policy's to refuse",
      "{\"recordings\":[\"" R1 "\"],\"actions\":[\"play\"],\"purpose\":{\"code\":\"a\"},\"duration_s\":31536000}", "ok",
      "", "", 0 },
    { "start first-use", GOOD_BUT(",\"start\":\"first-use\",\"start_by_s\":28800"), "ok", "", "", 0 },
    { "start_by too long", GOOD_BUT(",\"start\":\"first-use\",\"start_by_s\":28801"), "invalid", "/start_by_s",
      "too-large", 28800 },
    { "start_by zero", GOOD_BUT(",\"start\":\"first-use\",\"start_by_s\":0"), "invalid", "/start_by_s", "too-small",
      1 },
    { "start_by without first-use", GOOD_BUT(",\"start_by_s\":60"), "invalid", "/start_by_s", "conflict", 0 },
    { "start a word", GOOD_BUT(",\"start\":\"soon\""), "invalid", "/start", "pattern", 0 },
    { "start a number", GOOD_BUT(",\"start\":5"), "invalid", "/start", "type", 0 },
    { "start one minute ago", GOOD_BUT(",\"start\":\"2026-10-26T07:32:20Z\""), "ok", "", "", 0 },
    { "start over a minute ago", GOOD_BUT(",\"start\":\"2026-10-26T07:32:19.999Z\""), "invalid", "/start",
      "in-the-past", 0 },
    { "start in 30 days", GOOD_BUT(",\"start\":\"2026-11-25T08:33:20+01:00\""), "ok", "", "", 0 },
    { "start beyond 30 days", GOOD_BUT(",\"start\":\"2026-11-25T07:33:20.001Z\""), "invalid", "/start", "too-large",
      2592000 },
};

static void test_bodies(void **state)
{
    struct buf tree = BUF_INIT(1 << 20);

    (void) state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct arena arena;
        struct request req = { 0 };
        struct field_errors errs;
        enum request_verdict v;

        arena_init(&arena, 1 << 16);
        v = parse(cases[i].json, REQUEST_TO_CREATE, &arena, &tree, &req, &errs);
        if (strcmp(request_code(v), cases[i].code) != 0)
            fail_msg("%s: %s, want %s (%s %s)", cases[i].name, request_code(v), cases[i].code,
                     errs.n > 0 ? errs.items[0].at : "", errs.n > 0 ? field_code_name(errs.items[0].code) : "");
        if ((v == REQUEST_INVALID) != (errs.n > 0))
            fail_msg("%s: %zu field errors", cases[i].name, errs.n);
        if (errs.n > 0 && (strcmp(errs.items[0].at, cases[i].at) != 0 ||
                           strcmp(field_code_name(errs.items[0].code), cases[i].error) != 0 ||
                           (cases[i].limit != 0 && errs.items[0].limit != cases[i].limit)))
            fail_msg("%s: at '%s' %s limit %lld, want '%s' %s %lld", cases[i].name, errs.items[0].at,
                     field_code_name(errs.items[0].code), (long long) errs.items[0].limit, cases[i].at, cases[i].error,
                     (long long) cases[i].limit);
        arena_deinit(&arena);
    }
    buf_deinit(&tree);
}

static void test_a_check_needs_only_recordings(void **state)
{
    struct buf tree = BUF_INIT(1 << 16);
    struct request req = { 0 };
    struct field_errors errs;
    struct arena arena;

    (void) state;
    arena_init(&arena, 1 << 16);
    assert_int_equal(parse("{\"recordings\":[\"" R1 "\"]}", REQUEST_TO_CHECK, &arena, &tree, &req, &errs), REQUEST_OK);
    assert_int_equal(req.actions, ACTION_BIT(ACTION_PLAY));
    assert_int_equal(req.duration_s, 0);
    assert_int_equal(parse("{\"actions\":[\"play\"]}", REQUEST_TO_CHECK, &arena, &tree, &req, &errs), REQUEST_INVALID);
    assert_int_equal(
        parse("{\"recordings\":[\"" R1 "\"],\"duration_s\":0}", REQUEST_TO_CHECK, &arena, &tree, &req, &errs),
        REQUEST_INVALID);
    arena_deinit(&arena);
    buf_deinit(&tree);
}

/* 100 recordings pass, 101 do not; many errors are counted and never overflow. */
static void test_how_many(void **state)
{
    struct buf json = BUF_INIT(1 << 16), tree = BUF_INIT(1 << 18);
    struct field_errors errs;
    struct request req;

    (void) state;
    for (int n = 99; n <= 101; n++) {
        struct arena arena;
        enum request_verdict v;

        arena_init(&arena, 1 << 16);
        buf_reset(&json);
        buf_add_str(&json, "{\"actions\":[\"play\"],\"purpose\":{\"code\":\"a\"},\"duration_s\":1,\"recordings\":[");
        for (int i = n; i > 0; i--)
            buf_addf(&json, "%s\"r_AAAAAAAAAAAAA%03d\"", i == n ? "" : ",", i);
        buf_add_str(&json, "]}");
        v = parse(buf_cstr(&json), REQUEST_TO_CREATE, &arena, &tree, &req, &errs);
        assert_int_equal(v, n <= 100 ? REQUEST_OK : REQUEST_INVALID);
        if (n <= 100) {
            assert_int_equal(req.n_recordings, n);
            assert_span_str(req.recordings[0], "r_AAAAAAAAAAAAA001");
            assert_span_str(req.recordings[1], "r_AAAAAAAAAAAAA002");
        } else {
            assert_string_equal(errs.items[0].at, "/recordings");
            assert_int_equal(errs.items[0].limit, 100);
            assert_int_equal(errs.items[0].seen, 101);
        }
        arena_deinit(&arena);
    }
    buf_reset(&json);
    buf_add_str(&json, "{\"recordings\":[");
    for (int i = 0; i < 60; i++)
        buf_addf(&json, "%s%d", i == 0 ? "" : ",", i);
    buf_add_str(&json, "]}");
    struct arena arena;
    arena_init(&arena, 1 << 16);
    assert_int_equal(parse(buf_cstr(&json), REQUEST_TO_CREATE, &arena, &tree, &req, &errs), REQUEST_INVALID);
    assert_int_equal(errs.n, FIELD_ERRORS_MAX);
    assert_int_equal(errs.seen, 60 + 3);
    arena_deinit(&arena);

    /* No memory is a refusal, never a request with half a list. */
    arena_init(&arena, 8);
    assert_int_equal(parse(GOOD_BUT(""), REQUEST_TO_CREATE, &arena, &tree, &req, &errs), REQUEST_INVALID);
    arena_deinit(&arena);
    buf_deinit(&json);
    buf_deinit(&tree);
}

static void test_text_limits(void **state)
{
    static const struct {
        const char *member;
        size_t max;
    } texts[] = { { "code", 64 }, { "reason", 2000 }, { "ticket", 200 } };
    struct buf json = BUF_INIT(1 << 16), tree = BUF_INIT(1 << 16);
    struct field_errors errs;
    struct request req;
    struct arena arena;

    (void) state;
    arena_init(&arena, 1 << 16);
    for (size_t i = 0; i < 3; i++) {
        for (size_t n = texts[i].max; n <= texts[i].max + 1; n++) {
            buf_reset(&json);
            buf_addf(&json, "{\"recordings\":[\"%s\"],\"actions\":[\"play\"],\"duration_s\":1,\"purpose\":{", R1);
            buf_addf(&json, "%s\"%s\":\"", i == 0 ? "" : "\"code\":\"a\",", texts[i].member);
            for (size_t k = 0; k < n; k++)
                buf_add_str(&json, "é"); /* characters, not bytes */
            buf_add_str(&json, "\"}}");
            assert_int_equal(parse(buf_cstr(&json), REQUEST_TO_CREATE, &arena, &tree, &req, &errs),
                             n <= texts[i].max ? REQUEST_OK : REQUEST_INVALID);
            if (errs.n > 0) {
                assert_int_equal(errs.items[0].code, FIELD_TOO_LONG);
                assert_int_equal(errs.items[0].limit, texts[i].max);
                assert_int_equal(errs.items[0].seen, n);
            }
        }
    }
    arena_deinit(&arena);
    buf_deinit(&json);
    buf_deinit(&tree);
}

static void test_reason_len(void **state)
{
    static const struct {
        const char *reason;
        size_t n;
    } reasons[] = {
        { "", 0 },
        { "                              ", 0 },
        { "\t\n \xc2\xa0\xe3\x80\x80\xe2\x80\x8b\xef\xbb\xbf", 0 }, /* tab, no-break, ideographic, zero width, BOM */
        { "\xe2\xa0\x80\xe3\x85\xa4\xef\xb8\x8f", 0 },              /* braille blank, Hangul filler, selector */
        { "checkout fails", 14 },
        { "  checkout fails  ", 14 },
        { "a                   b", 3 },
        { "a \xe2\x80\x8b \xe2\x80\x8b b", 3 },
        { "\xe6\xb5\x8b\xe8\xaf\x95", 4 }, /* two wide characters */
        { "Gr\xc3\xb6\xc3\x9f"
          "e",
          5 },
        { "\xff", 0 },
        { "ok\xc3", 0 },
    };

    (void) state;
    for (size_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++) {
        if (request_reason_len(span_str(reasons[i].reason)) != reasons[i].n)
            fail_msg("%zu: got %zu, want %zu", i, request_reason_len(span_str(reasons[i].reason)), reasons[i].n);
    }
}

/* --- the document --------------------------------------------------------------------------------------------------
 */

static struct span block(const struct buf *doc, const char *fence)
{
    const char *text = (const char *) doc->p, *at = strstr(text, fence), *end;

    assert_non_null(at);
    at = strchr(at, '\n') + 1;
    end = strstr(at, "\n```");
    assert_non_null(end);
    return span_of(at, (size_t) (end - at));
}

static void facts_of(struct request_facts *f, const struct request *req, struct tree object, uint8_t salt[16])
{
    struct span text = SPAN_EMPTY;
    size_t n = 0;

    assert_true(tree_get_str(object, "salt", &text));
    assert_true(base64url_parse(text, salt, REQUEST_SALT_LEN, &n));
    assert_int_equal(n, REQUEST_SALT_LEN);
    *f = (struct request_facts){ .salt = salt, .request = req };
    assert_true(tree_get_str(object, "id", &f->id) && tree_get_str(object, "requester", &f->requester));
    assert_true(tree_get_str(object, "project", &f->project) && tree_get_str(object, "env", &f->env));
    assert_true(tree_get_str(object, "policy", &f->policy));
}

static void test_document(void **state)
{
    struct buf doc = BUF_INIT(1 << 20), body = BUF_INIT(1 << 16), object = BUF_INIT(1 << 16), json = BUF_INIT(1 << 16);
    struct arena arena;
    struct request req;
    struct request_facts f;
    struct field_errors errs;
    struct err_info e;
    uint8_t salt[REQUEST_SALT_LEN];
    char digest[REQUEST_DIGEST_LEN + 1];

    (void) state;
    arena_init(&arena, 1 << 16);
    test_read_file(test_source("docs/formats/request.md"), &doc);
    (void) buf_cstr(&doc);

    /* The object as printed, canonically, is the line as printed, and that has the digest as printed. */
    parse_json(block(&doc, "```json object"), &object);
    assert_ok_err(jcs_add(&json, tree_root(buf_span(&object)), &e), &e);
    assert_span_eq(buf_span(&json), block(&doc, "```json canonical"));
    request_digest_of_json(buf_span(&json), digest);
    assert_span_eq(span_str(digest), block(&doc, "```text digest"));

    /* The body, read and filled in, makes the same. */
    assert_int_equal(request_parse(parse_json(block(&doc, "```json body"), &body), REQUEST_TO_CREATE, SPAN(ME), NOW,
                                   &arena, &req, &errs),
                     REQUEST_OK);
    req.start_by_s = 28800;
    facts_of(&f, &req, tree_root(buf_span(&object)), salt);
    memset(digest, 0, sizeof(digest));
    assert_ok_err(request_digest(&f, digest, &e), &e);
    assert_span_eq(span_str(digest), block(&doc, "```text digest"));

    arena_deinit(&arena);
    buf_deinit(&doc);
    buf_deinit(&body);
    buf_deinit(&object);
    buf_deinit(&json);
}

/* Whatever a voter may have seen otherwise gives another digest (PEERS 17: actions are part of it). */
static void test_each_member_counts(void **state)
{
    static const struct span recs[] = { SPAN(R2), SPAN(R1) };
    uint8_t salt[REQUEST_SALT_LEN] = { 1 }, salt2[REQUEST_SALT_LEN] = { 2 };
    struct request base = { .recordings = recs,
                            .n_recordings = 1,
                            .actions = ACTION_BIT(ACTION_PLAY),
                            .purpose = SPAN("a"),
                            .reason = SPAN("b"),
                            .ticket = SPAN("c"),
                            .duration_s = 60,
                            .start = GRANT_START_APPROVAL };
    struct request_facts fb = { SPAN("q_1"), salt, SPAN("u_1"), SPAN("p_1"), SPAN("prod"), SPAN("hash"), &base };
    static const struct span others[] = { SPAN("u_0"), SPAN("u_2"), SPAN("u_3") };
    char digests[40][REQUEST_DIGEST_LEN + 1];
    size_t n = 0;

    (void) state;
#define VARIANT(change)                                                                                                \
    do {                                                                                                               \
        struct request r = base;                                                                                       \
        struct request_facts f = fb;                                                                                   \
        f.request = &r;                                                                                                \
        change;                                                                                                        \
        assert_ok(request_digest(&f, digests[n++], NULL));                                                             \
    } while (0)
    VARIANT((void) 0);
    VARIANT(r.recordings = recs + 1);
    VARIANT(r.n_recordings = 2);
    VARIANT(r.actions |= ACTION_BIT(ACTION_EXPORT));
    VARIANT(r.actions |= ACTION_BIT(ACTION_LIVE));
    VARIANT(r.purpose = SPAN("A"));
    VARIANT(r.reason = SPAN("b "));
    VARIANT(r.ticket = SPAN(""));
    VARIANT(r.duration_s = 61);
    VARIANT(r.start = GRANT_START_FIRST_USE);
    VARIANT((r.start = GRANT_START_FIRST_USE, r.start_by_s = 5));
    VARIANT((r.start = GRANT_START_TIME, r.start_at = NOW));
    VARIANT((r.start = GRANT_START_TIME, r.start_at = NOW + 1));
    VARIANT(f.id = SPAN("q_2"));
    VARIANT(f.salt = salt2);
    VARIANT(f.requester = SPAN("u_2"));
    VARIANT(f.project = SPAN("p_2"));
    VARIANT(f.env = SPAN("test"));
    VARIANT(f.policy = SPAN("hasH"));
    VARIANT((r.viewers = others, r.n_viewers = 1));
    VARIANT((r.viewers = others, r.n_viewers = 2));
    VARIANT((r.viewers = others + 1, r.n_viewers = 1));
    VARIANT((r.more_same = REQUEST_SAME_LINK, r.more_max = 1));
    VARIANT((r.more_same = REQUEST_SAME_LINK, r.more_max = 2));
    VARIANT((r.more_same = REQUEST_SAME_SESSION, r.more_max = 1));
    VARIANT((r.more_same = REQUEST_SAME_SUBJECT, r.more_max = 1));
    VARIANT((r.more_times = 1, r.more_each_s = 60));
    VARIANT((r.more_times = 2, r.more_each_s = 60));
    VARIANT((r.more_times = 1, r.more_each_s = 61));
    VARIANT(r.extends = SPAN("g_1"));
    VARIANT(r.extends = SPAN("g_2"));
    for (size_t i = 0; i < n; i++) {
        assert_int_equal(strlen(digests[i]), REQUEST_DIGEST_LEN);
        for (size_t j = 0; j < i; j++)
            assert_string_not_equal(digests[i], digests[j]);
    }
}

/* What the members hold after reading, and where the requester stands among the viewers. */
static void test_beyond(void **state)
{
    static const char body[] = GOOD_BUT(",\"viewers\":[\"anna\",\"" ME "\",\"u_AAAAAAAAAAAAAAAA\"],"
                                        "\"more\":{\"same\":\"subject\",\"max\":3},\"more_time\":{\"times\":2,\"each_s\":90},"
                                        "\"extends\":\"\"");
    struct span ids[] = { SPAN("u_zzzzzzzzzzzzzzzz"), SPAN("u_0AAAAAAAAAAAAAAA") };
    struct span twice[] = { SPAN("u_AAAAAAAAAAAAAAAA"), SPAN("u_AAAAAAAAAAAAAAAA") };
    struct span self[] = { SPAN("u_AAAAAAAAAAAAAAAA"), SPAN(ME) };
    const uint8_t salt[REQUEST_SALT_LEN] = { 1 };
    struct buf tree = BUF_INIT(1 << 16), json = BUF_INIT(1 << 16);
    struct request req = { 0 };
    struct request_facts f = { SPAN("q_1"), salt, SPAN(ME), SPAN("p_1"), SPAN("prod"), SPAN("hash"), &req };
    struct field_errors errs;
    struct arena arena;

    (void) state;
    arena_init(&arena, 1 << 16);
    assert_int_equal(parse(body, REQUEST_TO_CREATE, &arena, &tree, &req, &errs), REQUEST_OK);
    assert_int_equal(req.n_viewers, 2);
    assert_span_str(req.viewers[0], "anna");
    assert_int_equal(req.more_same, REQUEST_SAME_SUBJECT);
    assert_int_equal(req.more_max, 3);
    assert_int_equal(req.more_times, 2);
    assert_int_equal(req.more_each_s, 90);
    assert_int_equal(req.extends.n, 0);
    assert_false(req.break_glass);

    request_set_viewers(&req, SPAN(ME), twice, &errs);
    assert_int_equal(errs.n, 1);
    assert_int_equal(errs.items[0].code, FIELD_DUPLICATE);
    request_set_viewers(&req, SPAN(ME), self, &errs);
    assert_int_equal(errs.n, 2);
    request_set_viewers(&req, SPAN(ME), ids, &errs);
    assert_int_equal(errs.n, 2);
    assert_ok(request_digest_json(&f, &json, NULL));
    assert_non_null(strstr(buf_cstr(&json),
                           "\"viewers\":[\"u_0AAAAAAAAAAAAAAA\",\"" ME "\",\"u_zzzzzzzzzzzzzzzz\"]"));
    assert_non_null(strstr((const char *) json.p, "\"more\":{\"max\":3,\"same\":\"subject\"}"));
    assert_non_null(strstr((const char *) json.p, "\"more_time\":{\"each_s\":90,\"times\":2}"));

    assert_int_equal(parse(BROKEN_AND("\"start\":\"approval\""), REQUEST_TO_CREATE, &arena, &tree, &req, &errs), REQUEST_OK);
    assert_true(req.break_glass);
    assert_span_str(req.incident, "I");
    assert_span_str(req.urgent, URGENT);
    arena_deinit(&arena);
    buf_deinit(&tree);
    buf_deinit(&json);
}

/* --- the other side of each check ---------------------------------------------------------------------------------- */

/* Every code point that shows nothing, with its neighbours that do. */
static void test_blanks(void **state)
{
    static const struct {
        uint32_t from, to; /* blank, both ends included; what lies beside is not, where said */
        bool before, after;
    } ranges[] = {
        { 0x20, 0x20, false, true },      { 0xa0, 0xa0, false, true },      { 0x1680, 0x1680, true, true },
        { 0x2000, 0x200f, true, true },   { 0x202f, 0x202f, false, true },  { 0x205f, 0x205f, true, false },
        { 0x2060, 0x2064, false, false }, { 0x3000, 0x3000, true, true },   { 0xfeff, 0xfeff, true, true },
        { 0xad, 0xad, true, true },       { 0x115f, 0x1160, true, true },   { 0x3164, 0x3164, true, true },
        { 0xffa0, 0xffa0, true, true },   { 0x2800, 0x2800, true, true },   { 0xfe00, 0xfe0f, true, true },
        { 0xe0000, 0xe0fff, true, true }, { 0x1, 0x1f, false, false },      { 0x7f, 0x9f, true, false },
    };

    (void) state;
    for (size_t i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++) {
        for (uint32_t cp = ranges[i].from - 1; cp <= ranges[i].to + 1; cp++) {
            bool blank = cp >= ranges[i].from && cp <= ranges[i].to;
            struct buf b = BUF_INIT(16);

            if ((cp < ranges[i].from && !ranges[i].before) || (cp > ranges[i].to && !ranges[i].after))
                continue;
            if (cp < 0x80) {
                buf_u8(&b, (uint8_t) cp);
            } else if (cp < 0x800) {
                buf_u8(&b, (uint8_t) (0xc0 | cp >> 6));
                buf_u8(&b, (uint8_t) (0x80 | (cp & 0x3f)));
            } else if (cp < 0x10000) {
                buf_u8(&b, (uint8_t) (0xe0 | cp >> 12));
                buf_u8(&b, (uint8_t) (0x80 | (cp >> 6 & 0x3f)));
                buf_u8(&b, (uint8_t) (0x80 | (cp & 0x3f)));
            } else {
                buf_u8(&b, (uint8_t) (0xf0 | cp >> 18));
                buf_u8(&b, (uint8_t) (0x80 | (cp >> 12 & 0x3f)));
                buf_u8(&b, (uint8_t) (0x80 | (cp >> 6 & 0x3f)));
                buf_u8(&b, (uint8_t) (0x80 | (cp & 0x3f)));
            }
            if ((request_reason_len(buf_span(&b)) == 0) != blank)
                fail_msg("U+%04X counts %zu", cp, request_reason_len(buf_span(&b)));
            buf_deinit(&b);
        }
    }
}

static void test_odd_bodies(void **state)
{
#define ACTIONS(list) "{\"recordings\":[\"" R1 "\"],\"actions\":" list ",\"purpose\":{\"code\":\"a\"},\"duration_s\":1}"
    static const struct {
        const char *json, *at;
        enum field_code code;
    } odd[] = {
        { ACTIONS("\"play\""), "/actions", FIELD_TYPE },
        { ACTIONS("[\"play\",\"live\",\"export\",\"unmask\",\"play\"]"), "/actions", FIELD_TOO_LONG },
        { ACTIONS("[7]"), "/actions/0", FIELD_TYPE },
        { GOOD_BUT(",\"more\":true"), "/more", FIELD_TYPE },
    };
    struct buf tree = BUF_INIT(1 << 16);
    struct field_errors errs = { 0 };
    struct request req = { 0 };
    struct arena arena;
    size_t body, list;

    (void) state;
    arena_init(&arena, 1 << 16);
    for (size_t i = 0; i < sizeof(odd) / sizeof(odd[0]); i++) {
        assert_int_equal(parse(odd[i].json, REQUEST_TO_CREATE, &arena, &tree, &req, &errs), REQUEST_INVALID);
        if (strcmp(errs.items[0].at, odd[i].at) != 0 || errs.items[0].code != odd[i].code)
            fail_msg("%s: %s %s", odd[i].json, errs.items[0].at, field_code_name(errs.items[0].code));
    }
    /* A text with U+0000 in it, and one without anything. */
    for (int zero = 0; zero < 2; zero++) {
        buf_reset(&tree);
        body = tree_begin(&tree, SPAN_EMPTY, TREE_OBJ);
        list = tree_begin(&tree, SPAN("recordings"), TREE_ARR);
        tree_add_str(&tree, SPAN_EMPTY, SPAN(R1));
        tree_end(&tree, list);
        list = tree_begin(&tree, SPAN("purpose"), TREE_OBJ);
        tree_add_str(&tree, SPAN("code"), SPAN("a"));
        tree_add_str(&tree, SPAN("reason"), zero ? SPAN("a\0b") : SPAN_EMPTY);
        tree_end(&tree, list);
        tree_end(&tree, body);
        assert_int_equal(request_parse(tree_root(buf_span(&tree)), REQUEST_TO_CHECK, SPAN(ME), NOW, &arena, &req, &errs),
                         zero ? REQUEST_INVALID : REQUEST_OK);
        assert_int_equal(errs.n, zero);
    }
    assert_int_equal(errs.items[0].code, FIELD_PATTERN);
    /* A check asks for no reason of break-glass. */
    assert_int_equal(parse(GOOD_BUT(",\"break_glass\":{\"incident\":\"I\"}"), REQUEST_TO_CHECK, &arena, &tree, &req, &errs), REQUEST_OK);
    assert_true(req.break_glass);

    assert_false(request_is_empty((struct tree){ .tag = (enum tree_tag) 99 }));
    assert_string_equal(request_code((enum request_verdict) 99), "?");
    assert_string_equal(request_same_name(REQUEST_SAME_NONE), "");
    assert_string_equal(request_same_name((enum request_same) 99), "");
    assert_int_equal(parse(GOOD_BUT(",\"viewers\":true"), REQUEST_TO_CREATE, &arena, &tree, &req, &errs), REQUEST_INVALID);
    arena_deinit(&arena);
    buf_deinit(&tree);
}

/* The requester's place among the viewers: first, in the middle, last, alone. */
static void test_place_among_viewers(void **state)
{
    static const struct span ids[] = { SPAN("u_b"), SPAN("u_d"), SPAN("u_f") };
    static const struct {
        const char *me, *want;
    } places[] = {
        { "u_a", "\"viewers\":[\"u_a\",\"u_b\",\"u_d\",\"u_f\"]" },
        { "u_c", "\"viewers\":[\"u_b\",\"u_c\",\"u_d\",\"u_f\"]" },
        { "u_g", "\"viewers\":[\"u_b\",\"u_d\",\"u_f\",\"u_g\"]" },
    };
    const uint8_t salt[REQUEST_SALT_LEN] = { 1 };
    struct request req = { .viewers = ids, .n_viewers = 3 };
    struct request_facts f = { SPAN("q_1"), salt, SPAN_EMPTY, SPAN("p_1"), SPAN("prod"), SPAN("hash"), &req };
    struct field_errors errs = { 0 };
    struct request with = { .n_viewers = 1 };
    struct span one[] = { SPAN("u_b") };

    (void) state;
    request_set_viewers(&with, SPAN("u_a"), one, &errs);
    assert_true(errs.n == 0 && with.viewers == one);
    request_set_viewers(&with, SPAN("u_b"), one, &errs);
    assert_int_equal(errs.n, 1);
    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
        struct buf json = BUF_INIT(1 << 16);

        f.requester = span_str(places[i].me);
        assert_ok(request_digest_json(&f, &json, NULL));
        assert_non_null(strstr(buf_cstr(&json), places[i].want));
        buf_deinit(&json);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bodies),
        cmocka_unit_test(test_a_check_needs_only_recordings),
        cmocka_unit_test(test_how_many),
        cmocka_unit_test(test_text_limits),
        cmocka_unit_test(test_reason_len),
        cmocka_unit_test(test_document),
        cmocka_unit_test(test_each_member_counts),
        cmocka_unit_test(test_beyond),
        cmocka_unit_test(test_blanks),
        cmocka_unit_test(test_odd_bodies),
        cmocka_unit_test(test_place_among_viewers),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
