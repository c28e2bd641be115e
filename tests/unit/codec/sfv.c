/* Structured fields: strings, Display Strings, lists of pairs, as RFC 9651 has them. */
#include "test.h"

#include "codec/jsonw.h"
#include "codec/sfv.h"

static void strings(void **state)
{
    static const struct {
        const char *in, *out;
    } t[] = {
        { "\"\"", "" },
        { "  \"foo bar\"  ", "foo bar" },
        { "\"a \\\"b\\\" \\\\\"", "a \"b\" \\" },
        { "\"x\";a;b=1;c=\"q\";d=?1;e=:aGk=:;f=@12;g=%\"%c3%a4\"; h=tok/en;*=-1.500", "x" },
        { "%\"This is intended for display to %c3%bcsers.\"", "This is intended for display to \xc3\xbcsers." },
        { "%\"\"", "" },
        { "%\"%f0%9f%98%80\"", "\xf0\x9f\x98\x80" },
        { "", NULL },
        { "foo", NULL },
        { "\"foo", NULL },
        { "\"fo\\o\"", NULL },
        { "\"foo\\", NULL },
        { "\"\xc3\xa4\"", NULL },
        { "\"a\tb\"", NULL },
        { "\"a\" \"b\"", NULL },
        { "\"a\", \"b\"", NULL },
        { "'a'", NULL },
        { "42", NULL },
        { "\t\"a\"", NULL },
        { "\"x\";", NULL },
        { "\"x\";A=1", NULL },
        { "\"x\";a=", NULL },
        { "\"x\";a=1.", NULL },
        { "\"x\";a=1234567890123456", NULL },
        { "\"x\";a=1234567890123.1", NULL },
        { "\"x\";a=1.2345", NULL },
        { "\"x\";a=@1.5", NULL },
        { "\"x\";a=?2", NULL },
        { "\"x\" ;a=1", NULL },
        { "%\"%C3%BC\"", NULL }, /* upper case */
        { "%\"%c3\"", NULL },
        { "%\"%00\"", NULL },
        { "%\"\xc3\xbc\"", NULL },
        { "%\"%c\"", NULL },
        { "%\"abc", NULL },
        { "%abc", NULL },
    };

    (void) state;
    for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
        struct buf b = BUF_INIT(100);
        enum err err = sfv_string(span_str(t[i].in), &b, NULL);

        if (err != (t[i].out != NULL ? ERR_OK : ERR_INVAL))
            fail_msg("%s: %s", t[i].in, err_name(err));
        assert_span_str(buf_span(&b), t[i].out != NULL ? t[i].out : "");
        buf_deinit(&b);
    }
}

static void pairs(void **state)
{
    static const struct {
        const char *in, *out;
        enum err err;
    } t[] = {
        { "", "[]", ERR_OK },
        { "\"plan:pro\"", "[[\"plan\",\"pro\"]]", ERR_OK },
        { "\"error:9f2c\",\"ticket:OPS-1\" \t,\t \"url:https://x/?a:b\"",
          "[[\"error\",\"9f2c\"],[\"ticket\",\"OPS-1\"],[\"url\",\"https://x/?a:b\"]]", ERR_OK },
        { "plan=\"pro\", error=\"9f2c\";x=1, %\"k%c3%a4:v\"", "[[\"plan\",\"pro\"],[\"error\",\"9f2c\"],[\"k\xc3\xa4\",\"v\"]]",
          ERR_OK },
        { "a=%\"%c3%a4\"", "[[\"a\",\"\xc3\xa4\"]]", ERR_OK },
        { "\"a:\"", "[[\"a\",\"\"]]", ERR_OK },
        { "\"a:1\",\"a:1\",\"a:2\"", "[[\"a\",\"1\"],[\"a\",\"1\"],[\"a\",\"2\"]]", ERR_OK },
        { "\"a:1\",\"b:2\",\"c:3\",\"d:4\"", NULL, ERR_LIMIT },
        { "\"plan\"", NULL, ERR_INVAL },
        { "\":pro\"", NULL, ERR_INVAL },
        { "plan", NULL, ERR_INVAL },
        { "plan=pro", NULL, ERR_INVAL },
        { "Plan=\"pro\"", NULL, ERR_INVAL },
        { "\"a:1\",", NULL, ERR_INVAL },
        { ",\"a:1\"", NULL, ERR_INVAL },
        { "\"a:1\" \"b:2\"", NULL, ERR_INVAL },
        { "(\"a:1\" \"b:2\")", NULL, ERR_INVAL },
        { "\"a:1\",,\"b:2\"", NULL, ERR_INVAL },
    };

    (void) state;
    for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
        struct buf tree = BUF_INIT(1000), out = BUF_INIT(1000);
        enum err err = sfv_pairs(span_str(t[i].in), SFV_LINKS, 3, &tree, NULL);
        struct jsonw w;

        if (err != t[i].err)
            fail_msg("%s: %s, want %s", t[i].in, err_name(err), err_name(t[i].err));
        if (err == ERR_OK) {
            assert_true(tree_check(buf_span(&tree)));
            jsonw_init(&w, &out);
            jsonw_tree(&w, tree_root(buf_span(&tree)));
            assert_span_str(buf_span(&out), t[i].out);
        } else {
            assert_int_equal(tree.n, 0);
        }
        buf_deinit(&tree);
        buf_deinit(&out);
    }
}

static void writing(void **state)
{
    static const struct {
        const char *in, *out;
    } t[] = {
        { "", "\"\"" },
        { "checkout \"fails\" \\", "\"checkout \\\"fails\\\" \\\\\"" },
        { "Gr\xc3\xbc\xc3\x9f" "e 100% \"x\" \\", "%\"Gr%c3%bc%c3%9fe 100%25 %22x%22 \\\"" },
        { "a\nb", "%\"a%0ab\"" },
    };
    struct buf b = BUF_INIT(200), back = BUF_INIT(200);

    (void) state;
    for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
        buf_reset(&b);
        buf_reset(&back);
        assert_true(sfv_add_string(&b, span_str(t[i].in)));
        assert_span_str(buf_span(&b), t[i].out);
        assert_ok(sfv_string(buf_span(&b), &back, NULL));
        assert_span_str(buf_span(&back), t[i].in);
    }
    assert_false(sfv_add_string(&b, SPAN("\xff")));
    buf_deinit(&b);
    buf_deinit(&back);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(strings), cmocka_unit_test(pairs), cmocka_unit_test(writing) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
