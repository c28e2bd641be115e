/* Tokens of a value: the same members as without them, at every depth; taken only where the strict reader takes it. */
#include "test.h"

#include "codec/json_tape.h"

/* ---- what is taken */

static bool takes(const char *text, const struct json_limits *lim)
{
    struct span in = span_str(text);
    struct json_tape t;
    size_t used = 0;
    bool ok;

    json_tape_init(&t);
    ok = json_tape_read(&t, in, lim, &used) && used == in.n;
    json_tape_deinit(&t);
    return ok;
}

static void test_takes(void **state)
{
    static const char *const good[] = {
        "{}", "[]", "[[],{}]", "{\"a\":{\"b\":[1,-2.5e+10,0,-0.0E-1,true,false,null,\"\"]}}", "[\"\\u00e9\\ud83d\\ude00\\\"\\\\\\/\\b\\f\\n\\r\\t\"]",
        "[\"\xc2\x80\xe0\xa0\x80\xed\x9f\xbf\xf0\x90\x80\x80\xf4\x8f\xbf\xbf\"]", "{\"\":1,\"\":2}", "[\"\\ud800\"]",
    };
    static const char *const bad[] = {
        "", "1", "\"a\"", "[", "{", "[1", "[1,", "[1,]", "[,1]", "{\"a\"}", "{\"a\":}", "{\"a\":1,}", "{1:1}", "[1}", "{\"a\":1]", "[01]", "[1.]", "[.5]",
        "[-]", "[1e]", "[+1]", "[nul]", "[nulls]", "[True]", "[\"\\x\"]", "[\"\\u12g4\"]", "[\"\\u12\"]", "[\"\n\"]", "[\"\x7f\xc0\x80\"]", "[\"\xe0\x9f\x80\"]",
        "[\"\xed\xa0\x80\"]", "[\"\xf4\x90\x80\x80\"]", "[\"\xf5\x80\x80\x80\"]", "[\"\x80\"]", "[\"\xc3\"]", "[ 1]", "[1 ]", "[1] ", "{\"a\" :1}", "[1][2]",
    };
    const struct json_limits lim = json_limits_event();

    (void) state;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        if (!takes(good[i], &lim) || !json_check(span_str(good[i]), &lim, NULL))
            fail_msg("should be taken: %s", good[i]);
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        if (takes(bad[i], &lim))
            fail_msg("should not be taken: %s", bad[i]);
    }
}

static void test_limits(void **state)
{
    struct json_limits lim = json_limits_event();

    (void) state;
    lim.depth = 2;
    assert_true(takes("[[1]]", &lim));
    assert_false(takes("[[[]]]", &lim));
    lim.members = 3;
    assert_true(takes("[1,[2]]", &lim));
    assert_false(takes("[1,[2,3]]", &lim));
    lim.string = 4;
    assert_true(takes("[\"1234\"]", &lim));
    assert_false(takes("[\"12345\"]", &lim));
    lim.bytes = 8;
    assert_true(takes("[\"1234\"]", &lim));
    assert_false(takes("[\"1234\",1]", &lim));
    lim = json_limits_event();
    lim.refuse_nul = true;
    assert_false(takes("[\"\\u0000\"]", &lim));
    lim.allow_lone_surrogates = false;
    assert_false(takes("[\"\\ud83d\"]", &lim));
}

/* ---- the same members */

static void same(struct json_value a, struct json_value b)
{
    struct json_iter x = json_iter(a), y = json_iter(b);
    struct json_value v, w;
    bool more;

    assert_int_equal(a.type, b.type);
    assert_span_eq(a.key, b.key);
    assert_span_eq(a.raw, b.raw);
    do {
        more = json_next(&x, &v);
        assert_int_equal(more, json_next(&y, &w));
        if (more)
            same(v, w);
    } while (more);
}

static void test_members(void **state)
{
    static const char *const texts[] = {
        "{\"type\":3,\"data\":{\"source\":0,\"adds\":[{\"node\":{\"childNodes\":[],\"id\":1}},[]],\"texts\":[{},{\"a\\\"b\":\"c,]}\"}]},\"timestamp\":1.5}",
        "[[[[\"[\",{\"{\":\"}\"}]]],true,null,-1,\"\"]", "{}", "[]",
    };
    struct json_tape t;

    (void) state;
    json_tape_init(&t);
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct json_value v = json_tape_of(&t, span_str(texts[i]));

        assert_non_null(v.token);
        same(v, json_value(span_str(texts[i])));
    }
    assert_null(json_tape_of(&t, SPAN("[ 1 ]")).token); /* not minified: walked without */
    json_tape_deinit(&t);
}

/* Past the room that is kept, and back. */
static void test_large(void **state)
{
    struct buf b = BUF_INIT(1 << 20);
    struct json_tape t;
    struct json_value v;
    struct json_iter it;
    uint32_t n = 0;

    (void) state;
    buf_add_c(&b, '[');
    for (int i = 0; i < 20000; i++)
        buf_add_str(&b, i == 0 ? "[{\"k\":0}]" : ",[{\"k\":0}]");
    buf_add_c(&b, ']');
    json_tape_init(&t);
    for (it = json_iter(json_tape_of(&t, buf_span(&b))); json_next(&it, &v);)
        n += v.token->n;
    assert_int_equal(n, 80000);
    assert_int_equal(t.n, 80001);
    assert_int_equal(t.members, 60000);
    json_tape_rest(&t);
    assert_null(t.v);
    json_tape_deinit(&t);
    buf_deinit(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_takes), cmocka_unit_test(test_limits), cmocka_unit_test(test_members), cmocka_unit_test(test_large),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
