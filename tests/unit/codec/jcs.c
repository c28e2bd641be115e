/* JCS: the strings and sorting of RFC 8785, and what has no canonical form here. */
#include "test.h"

#include "codec/jcs.h"
#include "codec/json.h"

static enum err canonical(const char *text, struct buf *out)
{
    struct json_limits lim = json_limits_control((const uint8_t *) "sixteen letters");
    struct buf tree = BUF_INIT(100000);
    struct json_error e = { 0 };
    enum err err;

    lim.refuse_nul = false;
    if (!json_parse(span_str(text), &lim, &tree, &e))
        fail_msg("%s: %s", text, e.text);
    buf_reset(out);
    err = jcs_add(out, tree_root(buf_span(&tree)), NULL);
    buf_deinit(&tree);
    return err;
}

static void rfc8785(void **state)
{
    static const struct {
        const char *in, *out;
    } t[] = {
        /* section 3.2.2 without its fractions */
        { "{\"string\": \"\\u20ac$\\u000F\\u000aA'\\u0042\\u0022\\u005c\\\\\\\"\\/\", \"literals\": [null, true, false]}",
          "{\"literals\":[null,true,false],\"string\":\"\xe2\x82\xac$\\u000f\\nA'B\\\"\\\\\\\\\\\"/\"}" },
        /* section 3.2.3: names by UTF-16 code units */
        { "{\"\\u20ac\": \"Euro Sign\", \"\\r\": \"Carriage Return\", \"\\ufb33\": \"Hebrew Letter Dalet With Dagesh\","
          " \"1\": \"One\", \"\\ud83d\\ude00\": \"Emoji: Grinning Face\", \"\\u0080\": \"Control\","
          " \"\\u00f6\": \"Latin Small Letter O With Diaeresis\"}",
          "{\"\\r\":\"Carriage Return\",\"1\":\"One\",\"\xc2\x80\":\"Control\","
          "\"\xc3\xb6\":\"Latin Small Letter O With Diaeresis\",\"\xe2\x82\xac\":\"Euro Sign\","
          "\"\xf0\x9f\x98\x80\":\"Emoji: Grinning Face\",\"\xef\xac\xb3\":\"Hebrew Letter Dalet With Dagesh\"}" },
        /* the same order inside names, and a prefix first */
        { "{\"a\\uffff\":1,\"a\\ud83d\\ude00\":2,\"a\":3,\"a\\ud7ff\":4,\"\":5}",
          "{\"\":5,\"a\":3,\"a\xed\x9f\xbf\":4,\"a\xf0\x9f\x98\x80\":2,\"a\xef\xbf\xbf\":1}" },
        { "[56, {\"d\": true, \"10\": null, \"1\": []}]", "[56,{\"1\":[],\"10\":null,\"d\":true}]" },
        { "\"\\u0000\\u007f\\u2028\\b\\f\\t\"", "\"\\u0000\x7f\xe2\x80\xa8\\b\\f\\t\"" },
        { "{\"b\":{\"z\":1,\"y\":{}},\"a\":[{\"d\":1,\"c\":2}]}", "{\"a\":[{\"c\":2,\"d\":1}],\"b\":{\"y\":{},\"z\":1}}" },
        { "9007199254740991", "9007199254740991" },
        { "-9007199254740991", "-9007199254740991" },
    };
    struct buf out = BUF_INIT(10000);

    (void) state;
    for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
        assert_ok(canonical(t[i].in, &out));
        assert_span_str(buf_span(&out), t[i].out);
    }
    buf_deinit(&out);
}

static void what_has_no_form(void **state)
{
    static const char *const refused[] = { "1.5", "[1e3]", "{\"a\":{\"b\":-0}}", "9007199254740992", "-9007199254740992",
                                           "[123456789012345678901234567890]" };
    struct buf out = BUF_INIT(10000), small = BUF_INIT(4);

    (void) state;
    for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++)
        assert_err(canonical(refused[i], &out), ERR_INVAL);
    assert_ok(canonical("[10]", &small));
    assert_err(canonical("[100]", &small), ERR_LIMIT);
    buf_deinit(&out);
    buf_deinit(&small);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(rfc8785), cmocka_unit_test(what_has_no_form) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
