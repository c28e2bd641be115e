/* URL decoding: what passes, what is refused, and that nothing refused leaves a trace. */
#include "test.h"

#include "codec/json.h"
#include "codec/jsonw.h"
#include "codec/url.h"

static void segments(void **state)
{
    static const struct {
        const char *in, *out;
    } t[] = {
        { "", "" },
        { "r_2Dz2Sr-SnSlnd8aT", "r_2Dz2Sr-SnSlnd8aT" },
        { "a%20b%2Fc+d", "a b/c+d" },
        { "%c3%A4%F0%9f%98%80", "\xc3\xa4\xf0\x9f\x98\x80" },
        { "%", NULL },
        { "a%2", NULL },
        { "%2g", NULL },
        { "%%20", NULL },
        { "a%00b", NULL },
        { "%c3", NULL },
        { "%c0%af", NULL },
        { "%ed%a0%80", NULL },
        { "a b", NULL },
        { "a\tb", NULL },
        { "\xc3\xa4", NULL },
        { "a\x7f", NULL },
    };

    (void) state;
    for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
        struct buf b = BUF_INIT(100);
        enum err err;

        buf_add_str(&b, "x");
        err = url_decode_segment(span_str(t[i].in), &b, NULL);
        if (err != (t[i].out != NULL ? ERR_OK : ERR_INVAL))
            fail_msg("'%s': %s", t[i].in, err_name(err));
        assert_span_str(span_sub(buf_span(&b), 1, 100), t[i].out != NULL ? t[i].out : "");
        buf_deinit(&b);
    }
}

static void queries(void **state)
{
    static const struct {
        const char *in, *out;
    } t[] = {
        { "", "{}" },
        { "a=1", "{\"a\":\"1\"}" },
        { "a", "{\"a\":\"\"}" },
        { "a=&b=", "{\"a\":\"\",\"b\":\"\"}" },
        { "q=a+b%2Bc&from_ms=0", "{\"q\":\"a b+c\",\"from_ms\":\"0\"}" },
        { "a=b=c", "{\"a\":\"b=c\"}" },
        { "%61=%26%3d", "{\"a\":\"&=\"}" },
        { "a=1&a=2", NULL },
        { "a=1&%61=2", NULL },
        { "=1", NULL },
        { "&", NULL },
        { "a=1&", NULL },
        { "a=1&&b=2", NULL },
        { "a=%zz", NULL },
        { "a=%00", NULL },
        { "a=%ff", NULL },
        { "%ff=a", NULL },
        { "a%c3=%a4", NULL }, /* not one character across the '=' */
        { "a=b c", NULL },
    };

    (void) state;
    for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
        struct buf tree = BUF_INIT(1000), out = BUF_INIT(1000);
        enum err err = url_query_parse(span_str(t[i].in), &tree, NULL);
        struct jsonw w;

        if (err != (t[i].out != NULL ? ERR_OK : ERR_INVAL))
            fail_msg("'%s': %s", t[i].in, err_name(err));
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

static void limits(void **state)
{
    struct buf query = BUF_INIT(10000), tree = BUF_INIT(10000), small = BUF_INIT(20);

    (void) state;
    for (int i = 0; i < URL_QUERY_MAX; i++)
        buf_addf(&query, "%sk%d=v", i > 0 ? "&" : "", i);
    assert_ok(url_query_parse(buf_span(&query), &tree, NULL));
    assert_int_equal(tree_count(tree_root(buf_span(&tree))), URL_QUERY_MAX);
    buf_add_str(&query, "&more");
    buf_reset(&tree);
    assert_err(url_query_parse(buf_span(&query), &tree, NULL), ERR_LIMIT);
    assert_int_equal(tree.n, 0);
    assert_err(url_query_parse(SPAN("name=value"), &small, NULL), ERR_LIMIT);
    buf_deinit(&query);
    buf_deinit(&tree);
    buf_deinit(&small);
}

static void encoding(void **state)
{
    struct buf b = BUF_INIT(2000), back = BUF_INIT(1000);

    (void) state;
    url_encode(&b, SPAN("a-._~Z9 /?&=+%\xc3\xa4"));
    assert_span_str(buf_span(&b), "a-._~Z9%20%2F%3F%26%3D%2B%25%C3%A4");
    assert_ok(url_decode_segment(buf_span(&b), &back, NULL));
    assert_span_str(buf_span(&back), "a-._~Z9 /?&=+%\xc3\xa4");
    buf_deinit(&b);
    buf_deinit(&back);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(segments),
        cmocka_unit_test(queries),
        cmocka_unit_test(limits),
        cmocka_unit_test(encoding),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
