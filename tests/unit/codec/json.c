/* The JSON reader: JSONTestSuite, limits on both sides, trees, minifying, reading in place, numbers to the digit. */
#include "test.h"

#include "codec/json.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

static const struct json_limits wide = {
    .bytes = 64 << 20, .depth = 128, .members = 1000000, .string = 1 << 20, .secret = "fifteen letters",
};

static const char *base_name(const char *path)
{
    return strrchr(path, '/') + 1;
}

/* RFC 8259 lets readers choose here; this is what ours does, without and with lone surrogates allowed. */
static const struct {
    const char *name;
    enum json_cause plain, lone;
} chosen[] = {
    { "i_number_double_huge_neg_exp.json", JSON_OK, JSON_OK },
    { "i_number_huge_exp.json", JSON_OK, JSON_OK },
    { "i_number_neg_int_huge_exp.json", JSON_OK, JSON_OK },
    { "i_number_pos_double_huge_exp.json", JSON_OK, JSON_OK },
    { "i_number_real_neg_overflow.json", JSON_OK, JSON_OK },
    { "i_number_real_pos_overflow.json", JSON_OK, JSON_OK },
    { "i_number_real_underflow.json", JSON_OK, JSON_OK },
    { "i_number_too_big_neg_int.json", JSON_OK, JSON_OK },
    { "i_number_too_big_pos_int.json", JSON_OK, JSON_OK },
    { "i_number_very_big_negative_int.json", JSON_OK, JSON_OK },
    { "i_object_key_lone_2nd_surrogate.json", JSON_E_SURROGATE, JSON_OK },
    { "i_string_1st_surrogate_but_2nd_missing.json", JSON_E_SURROGATE, JSON_OK },
    { "i_string_1st_valid_surrogate_2nd_invalid.json", JSON_E_SURROGATE, JSON_OK },
    { "i_string_UTF-16LE_with_BOM.json", JSON_E_ENCODING, JSON_E_ENCODING },
    { "i_string_UTF-8_invalid_sequence.json", JSON_E_UTF8, JSON_E_UTF8 },
    { "i_string_UTF8_surrogate_U+D800.json", JSON_E_UTF8, JSON_E_UTF8 },
    { "i_string_incomplete_surrogate_and_escape_valid.json", JSON_E_SURROGATE, JSON_OK },
    { "i_string_incomplete_surrogate_pair.json", JSON_E_SURROGATE, JSON_OK },
    { "i_string_incomplete_surrogates_escape_valid.json", JSON_E_SURROGATE, JSON_OK },
    { "i_string_invalid_lonely_surrogate.json", JSON_E_SURROGATE, JSON_OK },
    { "i_string_invalid_surrogate.json", JSON_E_SURROGATE, JSON_OK },
    { "i_string_invalid_utf-8.json", JSON_E_UTF8, JSON_E_UTF8 },
    { "i_string_inverted_surrogates_U+1D11E.json", JSON_E_SURROGATE, JSON_OK },
    { "i_string_iso_latin_1.json", JSON_E_UTF8, JSON_E_UTF8 },
    { "i_string_lone_second_surrogate.json", JSON_E_SURROGATE, JSON_OK },
    { "i_string_lone_utf8_continuation_byte.json", JSON_E_UTF8, JSON_E_UTF8 },
    { "i_string_not_in_unicode_range.json", JSON_E_UTF8, JSON_E_UTF8 },
    { "i_string_overlong_sequence_2_bytes.json", JSON_E_UTF8, JSON_E_UTF8 },
    { "i_string_overlong_sequence_6_bytes.json", JSON_E_UTF8, JSON_E_UTF8 },
    { "i_string_overlong_sequence_6_bytes_null.json", JSON_E_UTF8, JSON_E_UTF8 },
    { "i_string_truncated-utf-8.json", JSON_E_UTF8, JSON_E_UTF8 },
    { "i_string_utf16BE_no_BOM.json", JSON_E_ENCODING, JSON_E_ENCODING },
    { "i_string_utf16LE_no_BOM.json", JSON_E_ENCODING, JSON_E_ENCODING },
    { "i_structure_500_nested_arrays.json", JSON_E_DEPTH, JSON_E_DEPTH },
    { "i_structure_UTF-8_BOM_empty_object.json", JSON_E_ENCODING, JSON_E_ENCODING },
};

static enum json_cause cause_of(struct span in, const struct json_limits *lim)
{
    struct json_error e = { 0 };

    return json_check(in, lim, &e) ? JSON_OK : e.cause;
}

static void suite_file(const char *path, void *ctx)
{
    const char *name = base_name(path);
    struct json_limits lone = wide, twice = wide;
    size_t *n = ctx;
    struct buf b;

    test_read_file(path, &b);
    lone.allow_lone_surrogates = true;
    twice.allow_duplicates = true; /* y_object_duplicated_key.json */
    (*n)++;
    if (name[0] == 'y' && cause_of(buf_span(&b), &twice) != JSON_OK)
        fail_msg("%s refused", name);
    if (name[0] == 'n' && cause_of(buf_span(&b), &lone) == JSON_OK)
        fail_msg("%s accepted", name);
    for (size_t i = 0; name[0] == 'i' && i <= sizeof(chosen) / sizeof(chosen[0]); i++) {
        enum json_cause got, got_lone;

        if (i == sizeof(chosen) / sizeof(chosen[0]))
            fail_msg("%s: nothing decided", name);
        if (strcmp(chosen[i].name, name) != 0)
            continue;
        got = cause_of(buf_span(&b), &wide);
        got_lone = cause_of(buf_span(&b), &lone);
        if (got != chosen[i].plain || got_lone != chosen[i].lone)
            fail_msg("%s: got %s and %s, want %s and %s", name, json_cause_name(got), json_cause_name(got_lone),
                     json_cause_name(chosen[i].plain), json_cause_name(chosen[i].lone));
        break;
    }
    buf_deinit(&b);
}

static void json_test_suite(void **state)
{
    const char *dir = test_shared("json/test_parsing");
    size_t n = 0;

    (void) state;
    if (dir == NULL)
        skip();
    (void) test_each_file(dir, ".json", suite_file, &n);
    assert_true(n > 150);
}

static const struct {
    const char *in, *out; /* NULL: refused */
    enum json_cause cause;
} minified[] = {
    { " { \"a\" : [ 1 , 2.50e+3 ] }\n", "{\"a\":[1,2.50e+3]}", JSON_OK },
    { "\"a b\\u0041\\/\"", "\"a b\\u0041\\/\"", JSON_OK },
    { "[]", "[]", JSON_OK },
    { " -0 ", "-0", JSON_OK },
    { "{\"b\":1,\"a\":2}", "{\"b\":1,\"a\":2}", JSON_OK },
    { "{\"a\":1,\"b\":{\"a\":1},\"c\":[{\"a\":1}]}", "{\"a\":1,\"b\":{\"a\":1},\"c\":[{\"a\":1}]}", JSON_OK },
    { "\"\xf0\x9f\x98\x80\"", "\"\xf0\x9f\x98\x80\"", JSON_OK },
    { "\"\\ud83d\\ude00\"", "\"\\ud83d\\ude00\"", JSON_OK },
    { "\"\\ud83d\"", NULL, JSON_E_SURROGATE },
    { "\"\\ud83d\\n\"", NULL, JSON_E_SURROGATE },
    { "\"\\ud83d\\ud83d\"", NULL, JSON_E_SURROGATE },
    { "\"\\ude00\\ud83d\"", NULL, JSON_E_SURROGATE },
    { "\"\\ud83d x\"", NULL, JSON_E_SURROGATE },
    { "\"\\ud83d\xc3\xa4\"", NULL, JSON_E_SURROGATE },
    { "", NULL, JSON_E_EMPTY },
    { " \n ", NULL, JSON_E_EMPTY },
    { "{", NULL, JSON_E_TRUNCATED },
    { "[1", NULL, JSON_E_TRUNCATED },
    { "\"a", NULL, JSON_E_TRUNCATED },
    { "tru", NULL, JSON_E_TRUNCATED },
    { "1e", NULL, JSON_E_TRUNCATED },
    { "{\"a\":1,\"a\":2}", NULL, JSON_E_DUPLICATE },
    { "{\"a\":1,\"\\u0061\":2}", NULL, JSON_E_DUPLICATE },
    { "{\"\":1,\"\":2}", NULL, JSON_E_DUPLICATE },
    { "[{\"a\":{\"b\":1,\"b\":1}}]", NULL, JSON_E_DUPLICATE },
    { "{} {}", NULL, JSON_E_TRAILING },
    { "1 2", NULL, JSON_E_TRAILING },
    { "[1,]", NULL, JSON_E_VALUE },
    { "{\"a\":1,}", NULL, JSON_E_NAME },
    { "{\"a\" 1}", NULL, JSON_E_COLON },
    { "[1 2]", NULL, JSON_E_COMMA },
    { "[1}", NULL, JSON_E_COMMA },
    { "nul1", NULL, JSON_E_LITERAL },
    { "01", NULL, JSON_E_NUMBER },
    { "+1", NULL, JSON_E_VALUE },
    { "NaN", NULL, JSON_E_VALUE },
    { "[1.]", NULL, JSON_E_NUMBER },
    { "\"\\x\"", NULL, JSON_E_ESCAPE },
    { "\"\\u12g4\"", NULL, JSON_E_ESCAPE },
    { "\"\t\"", NULL, JSON_E_CONTROL },
    { "\"\xc0\xaf\"", NULL, JSON_E_UTF8 },
    { "\"\xed\xa0\x80\"", NULL, JSON_E_UTF8 },
    { "\"\xf4\x90\x80\x80\"", NULL, JSON_E_UTF8 },
    { "\xef\xbb\xbf{}", NULL, JSON_E_ENCODING },
};

static void minify_keeps_every_other_byte(void **state)
{
    (void) state;
    for (size_t i = 0; i < sizeof(minified) / sizeof(minified[0]); i++) {
        struct buf b = BUF_INIT(1000);
        struct json_error e = { 0 };
        bool ok = json_minify(span_str(minified[i].in), &wide, &b, &e);

        if (ok != (minified[i].out != NULL) || e.cause != minified[i].cause)
            fail_msg("'%s': got %s, want %s", minified[i].in, json_cause_name(e.cause),
                     json_cause_name(minified[i].cause));
        if (ok)
            assert_span_str(buf_span(&b), minified[i].out);
        buf_deinit(&b);
    }
}

static void errors_say_where(void **state)
{
    struct json_error e;
    struct err_info info;

    (void) state;
    assert_false(json_check(SPAN("{\n  \"a\": 1,\n  \"b\": tru\n}"), &wide, &e));
    assert_int_equal(e.line, 3);
    assert_int_equal(e.column, 11);
    assert_int_equal(e.offset, 22);
    assert_false(json_check(SPAN("{\"a\": 1,\n \"secret\": 2, \"secret\": 3}"), &wide, &e));
    assert_int_equal(e.cause, JSON_E_DUPLICATE);
    assert_int_equal(e.line, 2);
    assert_int_equal(e.column, 15);
    assert_err(json_error_raise(&e, &info), ERR_INVAL);
    assert_string_equal(info.text, "line 2, column 15: a member name appears twice in one object");
    assert_false(json_check(SPAN("[[1,\"x"), &wide, &e));
    assert_string_equal(e.text, "the input ends inside a string");
}

static struct span repeat(struct buf *b, const char *s, size_t n, const char *end)
{
    buf_reset(b);
    while (n-- > 0)
        buf_add_str(b, s);
    buf_add_str(b, end);
    return buf_span(b);
}

static void limits_hold_on_both_sides(void **state)
{
    struct json_limits lim = { .bytes = 100, .depth = 3, .members = 4, .string = 6 };
    struct json_error e;
    struct buf b = BUF_INIT(2000);

    (void) state;
    assert_int_equal(cause_of(SPAN("[[[1]]]"), &lim), JSON_OK);
    assert_int_equal(cause_of(SPAN("[[[[1]]]]"), &lim), JSON_E_DEPTH);
    assert_int_equal(cause_of(SPAN("[1,2,3,4]"), &lim), JSON_OK);
    assert_int_equal(cause_of(SPAN("[1,2,3,4,5]"), &lim), JSON_E_MEMBERS);
    assert_int_equal(cause_of(SPAN("{\"a\":[1,2],\"b\":1}"), &lim), JSON_OK);
    assert_int_equal(cause_of(SPAN("{\"a\":[1,2,3],\"b\":1}"), &lim), JSON_E_MEMBERS);
    assert_int_equal(cause_of(SPAN("\"123456\""), &lim), JSON_OK);
    assert_int_equal(cause_of(SPAN("\"1234567\""), &lim), JSON_E_STRING_LEN);
    assert_int_equal(cause_of(SPAN("{\"1234567\":1}"), &lim), JSON_E_STRING_LEN);
    assert_int_equal(cause_of(SPAN("\"\\u20ac\\u20ac\""), &lim), JSON_OK); /* 3 bytes of UTF-8 each */
    assert_int_equal(cause_of(SPAN("\"\\u20ac\\u20ac\\u0041\""), &lim), JSON_E_STRING_LEN);
    assert_int_equal(cause_of(SPAN("\"\\ud83d\\ude00\\n\\n\""), &lim), JSON_OK); /* 4 + 2 */
    assert_int_equal(cause_of(SPAN("\"\\ud83d\\ude00\xe2\x82\xac\""), &lim), JSON_E_STRING_LEN);
    assert_int_equal(cause_of(repeat(&b, " ", 99, "1"), &lim), JSON_OK);
    assert_int_equal(cause_of(repeat(&b, " ", 100, "1"), &lim), JSON_E_BYTES);
    assert_int_equal(cause_of(repeat(&b, "9", JSON_NUMBER_MAX, ""), &wide), JSON_OK);
    assert_int_equal(cause_of(repeat(&b, "9", JSON_NUMBER_MAX + 1, ""), &wide), JSON_E_NUMBER_LEN);
    assert_false(json_check(SPAN("[[[[1]]]]"), &lim, &e));
    assert_int_equal(e.limit, 3);
    lim.refuse_nul = true;
    assert_int_equal(cause_of(SPAN("\"\\u0001\""), &lim), JSON_OK);
    assert_int_equal(cause_of(SPAN("\"\\u0000\""), &lim), JSON_E_NUL);
    assert_int_equal(cause_of(span_of("\"\0\"", 3), &wide), JSON_E_ENCODING);
    assert_int_equal(cause_of(span_of("\"a\0\"", 4), &wide), JSON_E_CONTROL);
    buf_deinit(&b);
}

static void *deep_on_a_small_stack(void *arg)
{
    struct json_limits lim = wide;
    struct buf in = BUF_INIT(4 << 20), tree = BUF_INIT(4 << 20);
    struct json_error e = { 0 };
    bool *ok = arg;

    lim.depth = UINT32_MAX;
    *ok = !json_check(repeat(&in, "[", 100000, ""), &lim, &e) && e.cause == JSON_E_DEPTH && e.limit == JSON_DEPTH_CAP;
    *ok = *ok && !json_check(repeat(&in, "{\"a\":", 100000, ""), &lim, &e) && e.cause == JSON_E_DEPTH;
    *ok = *ok && !json_parse(repeat(&in, "[", 1000, ""), &lim, &tree, &e) && e.limit == TREE_DEPTH_MAX;
    repeat(&in, "[", JSON_DEPTH_CAP, "");
    for (size_t i = 0; i < JSON_DEPTH_CAP; i++)
        buf_add_c(&in, ']');
    *ok = *ok && json_check(buf_span(&in), &lim, &e);
    buf_deinit(&in);
    buf_deinit(&tree);
    return NULL;
}

static void depth_needs_no_stack(void **state)
{
    pthread_attr_t attr;
    pthread_t t;
    bool ok = false;

    (void) state;
    assert_int_equal(pthread_attr_init(&attr), 0);
    assert_int_equal(pthread_attr_setstacksize(&attr, 64 << 10), 0);
    assert_int_equal(pthread_create(&t, &attr, deep_on_a_small_stack, &ok), 0);
    assert_int_equal(pthread_join(t, NULL), 0);
    (void) pthread_attr_destroy(&attr);
    assert_true(ok);
}

static void parse_makes_a_tree(void **state)
{
    static const char text[] = "{\"i\": -9223372036854775808, \"n\": 9223372036854775808, \"f\": 1.50, \"z\": -0,"
                               " \"s\": \"a\\u00e4\\n\\ud83d\\ude00\", \"\\u0062\": true, \"x\": null,"
                               " \"a\": [1, [], {}, {\"k\": \"v\"}], \"\": false}";
    struct buf b = BUF_INIT(10000);
    struct json_error e;
    struct tree root, n;
    struct span s, at;
    int64_t i;
    bool v;

    (void) state;
    assert_true(json_parse(SPAN(text), &wide, &b, &e));
    assert_true(tree_check(buf_span(&b)));
    root = tree_root(buf_span(&b));
    assert_int_equal(tree_count(root), 9);
    assert_true(tree_get_int(root, "i", &i));
    assert_true(i == INT64_MIN);
    assert_true(tree_get(root, "n", &n));
    assert_int_equal(n.tag, TREE_NUM);
    assert_span_str(n.payload, "9223372036854775808");
    assert_true(tree_get(root, "f", &n));
    assert_int_equal(n.tag, TREE_NUM);
    assert_span_str(n.payload, "1.50");
    assert_true(tree_get(root, "z", &n));
    assert_int_equal(n.tag, TREE_NUM);
    assert_true(tree_get_str(root, "s", &s));
    assert_span_str(s, "a\xc3\xa4\n\xf0\x9f\x98\x80");
    assert_true(tree_get_bool(root, "b", &v) && v);
    assert_true(tree_get_bool(root, "", &v) && !v);
    assert_true(tree_get(root, "a", &n));
    assert_int_equal(tree_count(n), 4);
    at = n.payload;
    for (int k = 0; k < 4; k++)
        assert_true(tree_next(&at, &n));
    assert_true(tree_get_str(n, "k", &s));
    assert_span_str(s, "v");
    buf_deinit(&b);
}

static void parse_leaves_nothing_behind(void **state)
{
    struct buf b = BUF_INIT(20);
    struct json_limits lim = wide;
    struct json_error e;

    (void) state;
    lim.allow_duplicates = true; /* not for trees */
    buf_add_str(&b, "before");
    assert_false(json_parse(SPAN("{\"a\":1,\"a\":2}"), &lim, &b, &e));
    assert_int_equal(e.cause, JSON_E_DUPLICATE);
    assert_false(json_parse(SPAN("[\"too long for the buffer\"]"), &lim, &b, &e));
    assert_int_equal(e.cause, JSON_E_NOMEM);
    assert_span_str(buf_span(&b), "before");
    assert_true(json_parse(SPAN("1"), &lim, &b, &e) == false); /* 17 bytes */
    assert_true(json_parse(SPAN("null"), &lim, &b, &e));       /* 9 bytes */
    buf_deinit(&b);
}

/* Every name in one object of 100 000, and the last one twice: linear, so this is quick. */
static void duplicates_are_found_among_many(void **state)
{
    struct buf b = BUF_INIT(8 << 20);

    (void) state;
    buf_add_c(&b, '{');
    for (int i = 0; i < 100000; i++)
        buf_addf(&b, "\"k\\u00%02x%d\":%d,", 0x30 + i % 10, i, i);
    buf_add_str(&b, "\"x\":{\"x\":1}}");
    assert_int_equal(cause_of(buf_span(&b), &wide), JSON_OK);
    b.n--;
    buf_add_str(&b, ",\"k999999\":0}");
    assert_int_equal(cause_of(buf_span(&b), &wide), JSON_E_DUPLICATE);
    buf_deinit(&b);
}

static void in_place(void **state)
{
    struct span text = SPAN("{\"type\":3,\"data\":{\"source\":2,\"t\":\"}]\\\"{[\"},\"ti\\u006de\":1.5e3,\"list\":[1, "
                            "\"two\" ,[3],{}],\"type\":4}");
    struct json_value root = json_value(text), v, w;
    struct json_iter it;
    struct buf b = BUF_INIT(100);

    (void) state;
    assert_int_equal(root.type, JSON_OBJECT);
    assert_true(json_find(root, "type", &v));
    assert_span_str(v.raw, "4"); /* the last one */
    assert_true(json_find(root, "data", &v) && json_find(v, "source", &w));
    assert_span_str(w.raw, "2");
    assert_true(json_find(v, "t", &w) && json_string_decode(w.raw, &b));
    assert_span_str(buf_span(&b), "}]\"{[");
    assert_true(json_find(root, "time", &v));
    assert_span_str(v.key, "ti\\u006de");
    assert_int_equal(v.type, JSON_NUMBER);
    assert_false(json_find(root, "tim", &v));
    assert_true(json_find(root, "list", &v));
    it = json_iter(v);
    assert_true(json_next(&it, &w) && w.type == JSON_NUMBER && w.key.n == 0);
    assert_true(json_next(&it, &w) && w.type == JSON_STRING);
    assert_span_str(w.raw, "two");
    assert_true(json_next(&it, &w) && w.type == JSON_ARRAY);
    assert_span_str(w.raw, "[3]");
    assert_true(json_next(&it, &w) && w.type == JSON_OBJECT);
    assert_false(json_next(&it, &w));
    it = json_iter(json_value(SPAN("\"[1]\"")));
    assert_false(json_next(&it, &w));
    buf_reset(&b);
    assert_true(json_string_decode(SPAN("\\ud800\\u0041\\udc00\\ud83d\\ude00\\ud83d"), &b));
    assert_span_str(buf_span(&b), "\xef\xbf\xbd"
                                  "A\xef\xbf\xbd\xf0\x9f\x98\x80\xef\xbf\xbd");
    assert_true(json_raw_eq(SPAN("\\u0061\\n"), "a\n"));
    assert_false(json_raw_eq(SPAN("\\u0061"), "ab"));
    buf_deinit(&b);
}

/* Containers are skipped in blocks: every alignment of brackets and escapes inside strings. */
static void skipping_sees_every_alignment(void **state)
{
    struct buf b = BUF_INIT(1000);

    (void) state;
    for (int pad = 0; pad < 150; pad++) {
        struct json_value v, w;
        size_t skipped;

        buf_reset(&b);
        buf_addf(&b, "[{\"%*s\":[\"]\\\\\",\"\\\"}\",{\"\\\\\\\"[\":[[],{}]}]},7]", pad, "");
        skipped = b.n - 4;
        v = json_value(buf_span(&b));
        {
            struct json_iter it = json_iter(v);

            assert_true(json_next(&it, &w));
            assert_int_equal(w.raw.n, skipped);
            assert_true(json_next(&it, &w));
            assert_span_str(w.raw, "7");
            assert_false(json_next(&it, &w));
        }
    }
    buf_deinit(&b);
}

static void numbers_to_the_digit(void **state)
{
    static const struct {
        const char *in;
        int decimals;
        bool ok;
        int64_t want;
    } cases[] = {
        { "12.3456789", 6, true, 12345679 },   { "12.3456784", 6, true, 12345678 },
        { "0", 6, true, 0 },                   { "-0.0", 6, true, 0 },
        { "0.0000005", 6, true, 1 },           { "0.00000049999", 6, true, 0 },
        { "-0.0000005", 6, true, -1 },         { "1e3", 0, true, 1000 },
        { "1.5E+3", 3, true, 1500000 },        { "15e-1", 0, true, 2 },
        { "149e-2", 0, true, 1 },              { "1e-1000000000000", 6, true, 0 },
        { "0e1000000000000", 6, true, 0 },     { "9223372036854775807", 0, true, INT64_MAX },
        { "9223372036854775808", 0, false, 0 }, { "9223372036854.775807", 6, true, INT64_MAX },
        { "9223372036854.7758075", 6, false, 0 }, { "18446744073709551615.9", 0, false, 0 },
        { "1e19", 0, false, 0 },               { "1e1000000000000", 0, false, 0 },
        { "-9223372036854775807", 0, true, -INT64_MAX }, { "12.299999999999999", 6, true, 12300000 },
        { "1700000000123", 3, true, 1700000000123000 },  { "1700000000123.4567", 3, true, 1700000000123457 },
        { "", 0, false, 0 },                   { "-", 0, false, 0 },
        { "01", 0, false, 0 },                 { "1.", 0, false, 0 },
        { "1e", 0, false, 0 },                 { "1 ", 0, false, 0 },
        { "0.00000000000000000000000000000000000000001e41", 0, true, 1 },
        { "100000000000000000000000000000000000000000e-41", 0, true, 1 },
    };
    int64_t v;

    (void) state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        bool ok = json_scaled(span_str(cases[i].in), cases[i].decimals, &v);

        if (ok != cases[i].ok || (ok && v != cases[i].want))
            fail_msg("%s: got %d %lld, want %lld", cases[i].in, ok, (long long) v, (long long) cases[i].want);
    }
    assert_true(json_int(SPAN("-12"), &v) && v == -12);
    assert_false(json_int(SPAN("-0"), &v));
    assert_false(json_int(SPAN("1.0"), &v));
    assert_false(json_int(SPAN("1e1"), &v));
}

/* Whatever the bytes are, reading in place stays inside them and ends: for ASan and valgrind. */
static void in_place_survives_damage(void **state)
{
    static const char text[] = "{\"a\":[1,{\"b\\u00e4\":\"c\\\\\"},tru],\"d\":-1.5e3}";
    unsigned seed = 1;

    (void) state;
    for (int round = 0; round < 20000; round++) {
        uint8_t *copy = malloc(sizeof(text));
        size_t n = (size_t) (rand_r(&seed) % (int) sizeof(text)), walked = 0;
        struct json_iter it[64];
        struct json_value v;
        size_t depth = 0;

        memcpy(copy, text, sizeof(text));
        for (int k = rand_r(&seed) % 4; k >= 0 && n > 0; k--)
            copy[rand_r(&seed) % (int) n] = (uint8_t) "{}[]\",:\\u x"[rand_r(&seed) % 11];
        copy = realloc(copy, n + 1);
        it[0] = json_iter(json_value(span_of(copy, n)));
        while (walked++ < 1000) {
            if (!json_next(&it[depth], &v)) {
                if (depth-- == 0)
                    break;
            } else if ((v.type == JSON_ARRAY || v.type == JSON_OBJECT) && depth < 63) {
                it[++depth] = json_iter(v);
            } else {
                struct buf b = BUF_INIT(1000);

                assert_true(json_string_decode(v.raw, &b));
                buf_deinit(&b);
            }
        }
        assert_true(walked < 1000);
        free(copy);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(json_test_suite),
        cmocka_unit_test(minify_keeps_every_other_byte),
        cmocka_unit_test(errors_say_where),
        cmocka_unit_test(limits_hold_on_both_sides),
        cmocka_unit_test(depth_needs_no_stack),
        cmocka_unit_test(parse_makes_a_tree),
        cmocka_unit_test(parse_leaves_nothing_behind),
        cmocka_unit_test(duplicates_are_found_among_many),
        cmocka_unit_test(in_place),
        cmocka_unit_test(skipping_sees_every_alignment),
        cmocka_unit_test(numbers_to_the_digit),
        cmocka_unit_test(in_place_survives_damage),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
