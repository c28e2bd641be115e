/* Tokens of a value: the same members as without them, at every depth; taken only where the strict reader takes it. */
#include "test.h"

#include <stdlib.h>

#include "codec/json_tape.h"

static void free_it(char **p)
{
    free(*p);
}

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
/* ---- in pieces */

static void same_tokens(const struct json_tape *a, const struct json_tape *b)
{
    assert_int_equal(a->n, b->n);
    assert_int_equal(a->members, b->members);
    for (uint32_t i = 0; i < a->n; i++) {
        const struct json_token *x = &a->v[i], *y = &b->v[i];

        if (x->from != y->from || x->to != y->to || x->n != y->n || x->type != y->type || x->escaped != y->escaped)
            fail_msg("token %u: %u-%u n %u type %u, not %u-%u n %u type %u", i, x->from, x->to, x->n, x->type, y->from, y->to, y->n, y->type);
    }
}

/* Each way to cut a value in two, and one byte at a time: the same tokens. */
static void test_pieces(void **state)
{
    static const char text[] = "{\"a\":{\"b\":[1,-2.5e+10,0,-0.0E-1,true,false,null,\"\"],\"\\u00e9\\ud83d\\ude00\":\"x\\\\\\\"y\"},\"long name of a member\":"
                               "\"\xc2\x80\xe0\xa0\x80\xf0\x90\x80\x80 and so on and so on\",\"c\":[],\"d\":{},\"e\":[[],{}]}";
    const struct json_limits lim = json_limits_event();
    const struct span in = span_str(text);
    struct json_tape whole, cut;
    size_t used;

    (void) state;
    json_tape_init(&whole);
    json_tape_init(&cut);
    assert_true(json_tape_read(&whole, in, &lim, &used));
    for (size_t n = 1; n < in.n; n++) {
        CLEANUP(free_it) char *part = strndup(text, n); /* so that a read past it is seen */

        assert_int_equal(json_tape_begin(&cut, span_str(part), &lim, &used), JSON_TAPE_CUT);
        assert_int_equal(json_tape_more(&cut, in, &lim, &used), JSON_TAPE_WHOLE);
        assert_int_equal(used, in.n);
        same_tokens(&whole, &cut);
    }
    assert_int_equal(json_tape_begin(&cut, span_sub(in, 0, 1), &lim, &used), JSON_TAPE_CUT);
    for (size_t n = 2; n < in.n; n++)
        assert_int_equal(json_tape_more(&cut, span_sub(in, 0, n), &lim, &used), JSON_TAPE_CUT);
    assert_int_equal(json_tape_more(&cut, in, &lim, &used), JSON_TAPE_WHOLE);
    same_tokens(&whole, &cut);
    json_tape_deinit(&whole);
    json_tape_deinit(&cut);
}

/* What is wrong already is not cut, nor what is too long. */
static void test_pieces_wrong(void **state)
{
    static const char *const bad[] = { "[01", "[1 ", "{\"a\" ", "{1", "[,", "[1}", "[tx", "[\"\\x", "[\"\n", "[\"\xc0", "[1.x" };
    struct json_limits lim = json_limits_event();
    struct json_tape t;
    size_t used;

    (void) state;
    json_tape_init(&t);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        if (json_tape_begin(&t, span_str(bad[i]), &lim, &used) != JSON_TAPE_NOT)
            fail_msg("should be known to be wrong: %s", bad[i]);
    lim.bytes = 5;
    assert_int_equal(json_tape_begin(&t, SPAN("[\"ab"), &lim, &used), JSON_TAPE_CUT);
    assert_int_equal(json_tape_more(&t, SPAN("[\"abc"), &lim, &used), JSON_TAPE_NOT);
    json_tape_deinit(&t);
}

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
        cmocka_unit_test(test_takes), cmocka_unit_test(test_limits), cmocka_unit_test(test_members), cmocka_unit_test(test_pieces),
        cmocka_unit_test(test_pieces_wrong), cmocka_unit_test(test_large),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
