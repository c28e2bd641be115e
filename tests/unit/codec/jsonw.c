/* The JSON writer: commas, escapes, trees there and back, misuse. */
#include "test.h"

#include "codec/json.h"
#include "codec/jsonw.h"

static void commas_come_by_themselves(void **state)
{
    struct buf b = BUF_INIT(1000);
    struct jsonw w;

    (void) state;
    jsonw_init(&w, &b);
    jsonw_obj(&w);
    jsonw_kstr(&w, "a", SPAN("x"));
    jsonw_karr(&w, "b");
    jsonw_int(&w, INT64_MIN);
    jsonw_arr(&w);
    jsonw_arr_end(&w);
    jsonw_obj(&w);
    jsonw_obj_end(&w);
    jsonw_null(&w);
    jsonw_bool(&w, true);
    jsonw_arr_end(&w);
    jsonw_kobj(&w, "c");
    jsonw_kint(&w, "d", 7);
    jsonw_kbool(&w, "e", false);
    jsonw_obj_end(&w);
    jsonw_ktime(&w, "t", 1793610900123);
    jsonw_kcstr(&w, "n", NULL);
    jsonw_knull(&w, "z");
    assert_false(jsonw_done(&w));
    jsonw_kraw(&w, "r", SPAN("[1]"));
    jsonw_obj_end(&w);
    assert_true(jsonw_done(&w));
    assert_span_str(buf_span(&b), "{\"a\":\"x\",\"b\":[-9223372036854775808,[],{},null,true],\"c\":{\"d\":7,\"e\":false},"
                                  "\"t\":\"2026-11-02T09:15:00.123Z\",\"n\":null,\"z\":null,\"r\":[1]}");
    buf_deinit(&b);
}

static void strings_are_safe_to_print(void **state)
{
    static const struct {
        const char *in, *out;
    } t[] = {
        { "", "\"\"" },
        { "plain \xc3\xa4 \xf0\x9f\x98\x80", "\"plain \xc3\xa4 \xf0\x9f\x98\x80\"" },
        { "\"\\/", "\"\\\"\\\\/\"" },
        { "\b\f\n\r\t\x01\x1b[0m", "\"\\b\\f\\n\\r\\t\\u0001\\u001b[0m\"" },
        { "\x7f\xc2\x9b", "\"\\u007f\\u009b\"" },                          /* DEL, C1 CSI */
        { "a\xe2\x80\xae" "b", "\"a\\u202eb\"" },                          /* right-to-left override */
        { "\xe2\x80\xa8\xe2\x80\xa9\xe2\x81\xa6", "\"\\u2028\\u2029\\u2066\"" },
        { "a\xff\xfe" "b\xc3", "\"a\xef\xbf\xbd\xef\xbf\xbd" "b\xef\xbf\xbd\"" }, /* not UTF-8 */
        { "\xed\xa0\x80", "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"" },    /* a surrogate */
    };

    (void) state;
    for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
        struct buf b = BUF_INIT(100);

        jsonw_add_string(&b, span_str(t[i].in));
        assert_span_str(buf_span(&b), t[i].out);
        buf_deinit(&b);
    }
    {
        struct buf b = BUF_INIT(100);

        jsonw_add_string(&b, span_of("a\0b", 3));
        assert_span_str(buf_span(&b), "\"a\\u0000b\"");
        buf_deinit(&b);
    }
}

static void trees_go_there_and_back(void **state)
{
    static const char *const texts[] = {
        "{}", "[]", "null", "-1", "\"x\"", "1.50e+3",
        "{\"a\":[1,[2,{\"b\":null}],[]],\"c\":{},\"d\":{\"e\":{\"f\":true}},\"g\":12345678901234567890}",
        "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]", /* 32 */
    };
    struct json_limits lim = json_limits_control((const uint8_t *) "sixteen letters");

    (void) state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct buf tree = BUF_INIT(10000), out = BUF_INIT(10000);
        struct json_error e = { 0 };
        struct jsonw w;

        if (!json_parse(span_str(texts[i]), &lim, &tree, &e))
            fail_msg("%s: %s", texts[i], e.text);
        assert_true(tree_check(buf_span(&tree)));
        jsonw_init(&w, &out);
        jsonw_tree(&w, tree_root(buf_span(&tree)));
        assert_true(jsonw_done(&w));
        assert_span_str(buf_span(&out), texts[i]);
        buf_deinit(&tree);
        buf_deinit(&out);
    }
}

static void misuse_is_a_failure(void **state)
{
    (void) state;
    for (int i = 0; i < 9; i++) {
        struct buf b = BUF_INIT(i == 8 ? 3 : 100);
        struct jsonw w;

        jsonw_init(&w, &b);
        switch (i) {
        case 0: jsonw_obj(&w); jsonw_int(&w, 1); break;
        case 1: jsonw_arr(&w); jsonw_key(&w, "a"); break;
        case 2: jsonw_arr(&w); jsonw_obj_end(&w); break;
        case 3: jsonw_arr_end(&w); break;
        case 4: jsonw_int(&w, 1); jsonw_int(&w, 2); break;
        case 5: jsonw_obj(&w); jsonw_key(&w, "a"); jsonw_obj_end(&w); break;
        case 6: jsonw_obj(&w); jsonw_key(&w, "a"); jsonw_key(&w, "b"); break;
        case 7:
            for (int k = 0; k <= JSONW_DEPTH; k++)
                jsonw_arr(&w);
            break;
        case 8: jsonw_str(&w, SPAN("long")); break;
        }
        if (!b.failed)
            fail_msg("case %d went through", i);
        assert_false(jsonw_done(&w));
        buf_deinit(&b);
    }
}

static void a_forged_number_does_not_pass(void **state)
{
    struct buf tree = BUF_INIT(100), out = BUF_INIT(100);
    struct jsonw w;

    (void) state;
    tree_add_num(&tree, SPAN_EMPTY, SPAN("1,\"admin\":true"));
    assert_true(tree_check(buf_span(&tree)));
    jsonw_init(&w, &out);
    jsonw_tree(&w, tree_root(buf_span(&tree)));
    assert_false(jsonw_done(&w));
    buf_deinit(&tree);
    buf_deinit(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(commas_come_by_themselves),
        cmocka_unit_test(strings_are_safe_to_print),
        cmocka_unit_test(trees_go_there_and_back),
        cmocka_unit_test(misuse_is_a_failure),
        cmocka_unit_test(a_forged_number_does_not_pass),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
