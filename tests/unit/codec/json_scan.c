/* The push scanner: shapes, cuts at every byte, errors with line, limits, real rrweb files. */
#include "test.h"

#include "codec/json_scan.h"

#include <stdio.h>
#include <stdlib.h>

struct got {
    struct buf text; /* elements, one a line; then "outer: …" */
    uint64_t stop_after, last_line;
};

static bool on_item(void *ctx, const struct json_item *item)
{
    struct got *g = ctx;

    buf_add_span(&g->text, item->bytes);
    buf_add_c(&g->text, '\n');
    g->last_line = item->line;
    return g->stop_after == 0 || item->index + 1 < g->stop_after;
}

static bool on_outer(void *ctx, struct span bytes)
{
    struct got *g = ctx;

    buf_add_str(&g->text, "outer: ");
    buf_add_span(&g->text, bytes);
    return true;
}

/* Feeds 'in' in pieces of 'step' bytes, each in its own allocation so that ASan sees a read past it. */
static enum json_cause scan(struct json_scan_opts o, struct span in, size_t step, struct got *g, struct json_error *e)
{
    struct json_scan *s;
    bool ok = true;

    g->text = BUF_INIT(64 << 20);
    *e = (struct json_error){ 0 };
    o.on_item = on_item;
    o.ctx = g;
    s = json_scan_new(&o);
    assert_non_null(s);
    for (size_t at = 0; ok && at < in.n; at += step) {
        struct span piece = span_sub(in, at, step);
        uint8_t *copy = malloc(piece.n);

        memcpy(copy, piece.p, piece.n);
        ok = json_scan_feed(s, span_of(copy, piece.n), e);
        free(copy);
    }
    ok = ok && json_scan_finish(s, e);
    assert_int_equal(ok, e->cause == JSON_OK);
    if (!ok) { /* and stays so */
        struct json_error again = { 0 };

        assert_false(json_scan_feed(s, SPAN(" "), &again));
        assert_false(json_scan_finish(s, &again));
        assert_int_equal(again.cause, e->cause);
    }
    json_scan_free(s);
    return e->cause;
}

#define SNIFF JSON_SHAPE_SNIFF
#define LINES JSON_SHAPE_LINES
#define ARRAY JSON_SHAPE_ARRAY
#define LIST  JSON_SHAPE_LIST

static const struct {
    enum json_shape shape;
    const char *in, *out;
    enum json_cause cause;
    uint64_t line;
} cases[] = {
    { SNIFF, "[]", "", JSON_OK, 0 },
    { SNIFF, " [ ] \n", "", JSON_OK, 0 },
    { SNIFF, "[1, \"a b\" ,{ \"x\" : [ ] }, null,[2]]", "1\n\"a b\"\n{\"x\":[]}\nnull\n[2]\n", JSON_OK, 0 },
    { SNIFF, "[1.5e3]", "1.5e3\n", JSON_OK, 0 },
    { SNIFF, "{\"events\":[]}", "outer: {\"events\":[]}", JSON_OK, 0 },
    { SNIFF, "{\"a\": [1, {\"events\": []}], \"events\": [ {\"t\":1}, 2 ], \"z\": \"[\" }",
      "{\"t\":1}\n2\nouter: {\"a\":[1,{\"events\":[]}],\"events\":[],\"z\":\"[\"}", JSON_OK, 0 },
    { SNIFF, "{\"e\\u0076ents\":[7]}", "7\nouter: {\"e\\u0076ents\":[]}", JSON_OK, 0 },
    { SNIFF, "{\"events\": 3}", "{\"events\":3}\n", JSON_OK, 0 },
    { SNIFF, "{\"a\":1}", "{\"a\":1}\n", JSON_OK, 0 },
    { SNIFF, "{}", "{}\n", JSON_OK, 0 },
    { SNIFF, "{\"a\": 1}\n{\"b\": [1, 2]}\n\n[3]\n", "{\"a\":1}\n{\"b\":[1,2]}\n[3]\n", JSON_OK, 0 },
    { SNIFF, "{\"version\":2}\r\n[0.1,\"o\",\"x\"]\r\n", "{\"version\":2}\n[0.1,\"o\",\"x\"]\n", JSON_OK, 0 },
    { SNIFF, "{\"a\":1}\n# note\n{\"b\":2}\n#end", "{\"a\":1}\n{\"b\":2}\n", JSON_OK, 0 },
    { LINES, "1 2\n3", "1\n2\n3\n", JSON_OK, 0 },
    { LINES, "[1]\n{\"events\":[2]}", "[1]\n{\"events\":[2]}\n", JSON_OK, 0 },
    { LINES, "{\n \"a\":\n 1\n}\n{\"b\":2}", "{\"a\":1}\n{\"b\":2}\n", JSON_OK, 0 },
    { LIST, "{\"events\":[1],\"x\":{}}", "1\nouter: {\"events\":[],\"x\":{}}", JSON_OK, 0 },
    { ARRAY, "[\"\\ud800\"]", "\"\\ud800\"\n", JSON_OK, 0 },
    { ARRAY, "[{\"a\":1,\"a\":2}]", "{\"a\":1,\"a\":2}\n", JSON_OK, 0 },

    { SNIFF, "", "", JSON_E_EMPTY, 1 },
    { SNIFF, " \n\n", "", JSON_E_EMPTY, 3 },
    { LINES, "\n", "", JSON_E_EMPTY, 2 },
    { SNIFF, "hello", "", JSON_E_SHAPE, 1 },
    { SNIFF, "\n\"x\"", "", JSON_E_SHAPE, 2 },
    { ARRAY, "{}", "", JSON_E_SHAPE, 1 },
    { LIST, "[]", "", JSON_E_SHAPE, 1 },
    { LIST, "{\"a\":[]}", "", JSON_E_SHAPE, 1 },
    { SNIFF, "\xef\xbb\xbf[]", "", JSON_E_ENCODING, 1 },
    { SNIFF, "\xff\xfe", "", JSON_E_ENCODING, 1 },
    { SNIFF, "[1,\n2", "1\n", JSON_E_TRUNCATED, 2 },
    { SNIFF, "[1,\n2,", "1\n2\n", JSON_E_TRUNCATED, 2 },
    { SNIFF, "[", "", JSON_E_TRUNCATED, 1 },
    { SNIFF, "[{\"a\":\n\"b", "", JSON_E_TRUNCATED, 2 },
    { SNIFF, "{\"a\":1", "", JSON_E_TRUNCATED, 1 },
    { SNIFF, "{\"a\"", "", JSON_E_TRUNCATED, 1 },
    { SNIFF, "{\"a", "", JSON_E_TRUNCATED, 1 },
    { SNIFF, "{", "", JSON_E_TRUNCATED, 1 },
    { SNIFF, "{\"events\":[1]", "1\n", JSON_E_TRUNCATED, 1 },
    { LINES, "{\"a\":1}\n{\"b\":", "{\"a\":1}\n", JSON_E_TRUNCATED, 2 },
    { LINES, "1\n2e", "1\n", JSON_E_TRUNCATED, 2 },
    { SNIFF, "[1,]", "1\n", JSON_E_VALUE, 1 },
    { SNIFF, "[1 2]", "1\n", JSON_E_COMMA, 1 },
    { SNIFF, "[1}", "1\n", JSON_E_COMMA, 1 },
    { SNIFF, "[1]\n]", "1\n", JSON_E_TRAILING, 2 },
    { SNIFF, "{\"events\":[1]} {}", "1\nouter: {\"events\":[]}", JSON_E_TRAILING, 1 },
    { SNIFF, "{\"events\":[1],\"events\":[2]}", "1\n", JSON_E_DUPLICATE, 1 },
    { SNIFF, "{\"a\":1}{\"b\":2}", "{\"a\":1}\n", JSON_E_TRAILING, 1 },
    { SNIFF, "{a:1}", "", JSON_E_NAME, 1 },
    { SNIFF, "{\"a\":1,}", "", JSON_E_NAME, 1 },
    { SNIFF, "{\"a\" 1}", "", JSON_E_COLON, 1 },
    { SNIFF, "{\"a\":1 \"b\":2}", "", JSON_E_COMMA, 1 },
    { SNIFF, "{\"a\":tru}", "", JSON_E_LITERAL, 1 },
    { SNIFF, "[{\"a\":1},\n\n{\"b\":01}]", "{\"a\":1}\n", JSON_E_NUMBER, 3 },
    { SNIFF, "[\"\xc3\"]", "", JSON_E_UTF8, 1 },
};

static void every_shape_at_every_cut(void **state)
{
    (void) state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct span in = span_str(cases[i].in);

        for (size_t step = 1; step <= in.n || step == 1; step++) {
            struct json_scan_opts o = {
                .shape = cases[i].shape, .limits = json_limits_event(), .hash_comments = true, .on_outer = on_outer,
            };
            struct json_error e;
            struct got g = { 0 };
            enum json_cause cause = scan(o, in, step, &g, &e);

            if (cause != cases[i].cause || (cause != JSON_OK && e.line != cases[i].line))
                fail_msg("'%s' by %zu: got %s in line %d, want %s in line %d", cases[i].in, step,
                         json_cause_name(cause), (int) e.line, json_cause_name(cases[i].cause), (int) cases[i].line);
            assert_span_str(buf_span(&g.text), cases[i].out);
            buf_deinit(&g.text);
            /* Without on_outer nothing of the outer object is kept; the elements are the same. */
            o.on_outer = NULL;
            assert_int_equal(scan(o, in, step, &g, &e), cause);
            buf_deinit(&g.text);
        }
    }
}

static void limits_are_per_element(void **state)
{
    struct json_scan_opts o = {
        .limits = { .bytes = 10, .depth = 3, .members = 3, .string = 8, .allow_duplicates = true },
    };
    struct json_error e;
    struct got g = { 0 };
    static const struct {
        const char *in;
        enum json_cause cause;
    } t[] = {
        { "[\"12345678\",\"12345678\"]", JSON_OK },
        { "[\"123456789\"]", JSON_E_STRING_LEN },
        { "[[\"123456\"]]", JSON_OK },
        { "[[\"1234567\"]]", JSON_E_EVENT_BYTES },
        { "[[ \"123456\"    ]]", JSON_OK }, /* white space does not count */
        { "[[[[]]]]", JSON_OK },
        { "[[[[[]]]]]", JSON_E_DEPTH },
        { "[[1,2,3],[1,2,3]]", JSON_OK },
        { "[[1,2,3,4]]", JSON_E_MEMBERS },
        { "{\"a\":[[]]}", JSON_OK },
        { "{\"a\":[[[]]]}", JSON_E_DEPTH },
        { "{\"a\":12345}", JSON_E_EVENT_BYTES },
        { "{\"events\":[[[[]]]]}", JSON_OK }, /* until the list is seen it may be one element: ten bytes */
        { "{\"a\":0,\"events\":[[[[]]]]}", JSON_E_EVENT_BYTES },
    };

    (void) state;
    for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
        enum json_cause cause = scan(o, span_str(t[i].in), 3, &g, &e);

        if (cause != t[i].cause)
            fail_msg("%s: got %s, want %s", t[i].in, json_cause_name(cause), json_cause_name(t[i].cause));
        buf_deinit(&g.text);
    }
    o.total_bytes = 5;
    assert_int_equal(scan(o, SPAN("[1,2]"), 2, &g, &e), JSON_OK);
    buf_deinit(&g.text);
    assert_int_equal(scan(o, SPAN("[1,22]"), 2, &g, &e), JSON_E_BYTES);
    assert_int_equal(e.limit, 5);
    buf_deinit(&g.text);
    o.total_bytes = 0;
    o.limits.allow_duplicates = false;
    o.limits.bytes = 100;
    assert_int_equal(scan(o, SPAN("[{\"a\":1},{\"a\":1}]"), 2, &g, &e), JSON_OK);
    buf_deinit(&g.text);
    assert_int_equal(scan(o, SPAN("[{\"a\":1},\n{\"b\":1,\"b\":1}]"), 2, &g, &e), JSON_E_DUPLICATE);
    assert_int_equal(e.line, 2);
    buf_deinit(&g.text);
}

static void a_callback_may_stop(void **state)
{
    struct json_scan_opts o = { .limits = json_limits_event() };
    struct json_error e;
    struct got g = { .stop_after = 2 };

    (void) state;
    assert_int_equal(scan(o, SPAN("[1,2,3,4]"), 100, &g, &e), JSON_E_STOPPED);
    assert_span_str(buf_span(&g.text), "1\n2\n");
    buf_deinit(&g.text);
}

/* An event of 17 MiB is refused at its limit, and one of 1 000 levels at 128. */
static void large_and_deep_events(void **state)
{
    struct json_scan_opts o = { .limits = json_limits_event() };
    struct json_error e;
    struct got g = { 0 };
    struct buf b = BUF_INIT(40 << 20);

    (void) state;
    buf_add_str(&b, "[{\"s\":[");
    for (int i = 0; i < 17 << 10; i++)
        buf_addf(&b, "\"%01020d\",", i);
    buf_add_str(&b, "1]}]");
    assert_int_equal(scan(o, buf_span(&b), 65536, &g, &e), JSON_E_EVENT_BYTES);
    assert_int_equal(e.limit, 16 << 20);
    assert_true(e.offset == (16 << 20) + 1);
    buf_deinit(&g.text);
    buf_reset(&b);
    for (int i = 0; i < 1000; i++)
        buf_add_c(&b, '[');
    assert_int_equal(scan(o, buf_span(&b), 65536, &g, &e), JSON_E_DEPTH);
    assert_int_equal(e.limit, 128);
    buf_deinit(&g.text);
    buf_deinit(&b);
}

static void real_file(const char *path, void *ctx)
{
    struct json_scan_opts o = { .limits = json_limits_event() };
    struct json_error e;
    struct got whole = { 0 }, cut = { 0 };
    struct buf b;
    size_t *n = ctx;

    test_read_file(path, &b);
    if (scan(o, buf_span(&b), 1 << 20, &whole, &e) != JSON_OK)
        fail_msg("%s: %s in line %d", path, e.text, (int) e.line);
    assert_int_equal(scan(o, buf_span(&b), 7, &cut, &e), JSON_OK);
    assert_span_eq(buf_span(&whole.text), buf_span(&cut.text));
    assert_true(whole.text.n > 0);
    buf_deinit(&whole.text);
    buf_deinit(&cut.text);
    buf_deinit(&b);
    (*n)++;
}

static void real_recordings(void **state)
{
    static const char *const dirs[] = {
        "rrweb/highlight", "rrweb/recorded", "rrweb/rrweb-events", "rrweb/sentry-rrweb", "rrweb/rrweb-events-history",
    };
    size_t n = 0;

    (void) state;
    for (size_t i = 0; i < sizeof(dirs) / sizeof(dirs[0]); i++) {
        const char *dir = test_shared(dirs[i]);

        if (dir == NULL)
            skip();
        (void) test_each_file(dir, ".json", real_file, &n);
    }
    assert_true(n > 20);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_shape_at_every_cut), cmocka_unit_test(limits_are_per_element),
        cmocka_unit_test(a_callback_may_stop),      cmocka_unit_test(large_and_deep_events),
        cmocka_unit_test(real_recordings),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
