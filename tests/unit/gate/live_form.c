/* The body of POST /v1/recordings: every member, its limits on both sides, every mistake. */
#include "test.h"

#include "gate/live_form.h"

static struct buf tree, text;
static struct live_form form;
static struct field_errors errs;

static bool read_form(const char *json)
{
    static const uint8_t secret[16];
    const struct json_limits limits = json_limits_control(secret);

    buf_deinit(&tree);
    buf_deinit(&text);
    buf_init(&tree, 8 << 20);
    buf_init(&text, 8 << 20);
    buf_add_str(&text, json);
    assert_true(json_parse(buf_span(&text), &limits, &tree, NULL));
    return live_form_read(buf_span(&text), tree_root(buf_span(&tree)), &form, &errs);
}

static void all_of_it(void **state)
{
    (void) state;
    assert_true(read_form("{\"kind\":\"terminal\",\"title\":\"T\",\"subject\":\"S\",\"session\":\"x\",\"env\":\"prod\",\"class\":\"c\","
                          "\"tags\":{\"a\":\"b\",\"c\":\"\"},\"links\":[{\"type\":\"ticket\",\"id\":\"SUP-1\"}],"
                          "\"started_at\":\"2026-11-22T01:30:00.250Z\",\"head\": {\"version\": 2, \"width\": 80, \"height\": 24}}"));
    assert_int_equal(form.kind, IMPORTER_TERMINAL);
    assert_true(span_eq_str(form.open.kind, "terminal") && span_eq_str(form.open.title, "T") && span_eq_str(form.open.subject, "S"));
    assert_true(span_eq_str(form.open.session, "x") && span_eq_str(form.open.env, "prod") && span_eq_str(form.open.klass, "c"));
    assert_int_equal(form.open.tags.n, 2);
    assert_true(span_eq_str(form.open.tags.rows[1].key, "c") && form.open.tags.rows[1].value.n == 0);
    assert_int_equal(form.open.links.n, 1);
    assert_true(span_eq_str(form.open.links.rows[0].value, "SUP-1"));
    assert_int_equal(form.open.started_ms, 1795311000250);
    assert_int_equal(form.open.live, 1);
    assert_true(span_eq_str(form.head, "{\"version\": 2, \"width\": 80, \"height\": 24}"));
    assert_true(read_form("{\"kind\":\"rrweb\"}"));
    assert_true(form.kind == IMPORTER_RRWEB && form.head.n == 0 && form.open.started_ms == 0);
    assert_true(read_form("{\"kind\":\"rrweb\",\"title\":null,\"tags\":null,\"links\":null,\"started_at\":null,\"head\":null}"));
}

static void mistakes(void **state)
{
    static const struct {
        const char *json, *at;
        enum field_code code;
    } cases[] = {
        { "[]", "/", FIELD_TYPE },
        { "{}", "/kind", FIELD_MISSING },
        { "{\"kind\":null}", "/kind", FIELD_MISSING },
        { "{\"kind\":3}", "/kind", FIELD_TYPE },
        { "{\"kind\":\"video\"}", "/kind", FIELD_NOT_ONE_OF },
        { "{\"kind\":\"rrweb\",\"x\":1}", "/", FIELD_UNKNOWN },
        { "{\"kind\":\"rrweb\",\"title\":1}", "/title", FIELD_TYPE },
        { "{\"kind\":\"rrweb\",\"session\":{}}", "/session", FIELD_TYPE },
        { "{\"kind\":\"rrweb\",\"tags\":[]}", "/tags", FIELD_TYPE },
        { "{\"kind\":\"rrweb\",\"tags\":{\"a\":1}}", "/tags", FIELD_TYPE },
        { "{\"kind\":\"rrweb\",\"tags\":{\"\":\"a\"}}", "/tags", FIELD_TOO_SHORT },
        { "{\"kind\":\"rrweb\",\"links\":{}}", "/links", FIELD_TYPE },
        { "{\"kind\":\"rrweb\",\"links\":[1]}", "/links", FIELD_TYPE },
        { "{\"kind\":\"rrweb\",\"links\":[{\"type\":\"a\"}]}", "/links", FIELD_TYPE },
        { "{\"kind\":\"rrweb\",\"links\":[{\"type\":\"a\",\"id\":\"\"}]}", "/links", FIELD_TOO_SHORT },
        { "{\"kind\":\"rrweb\",\"links\":[{\"type\":\"a\",\"id\":\"b\",\"c\":1}]}", "/links", FIELD_UNKNOWN },
        { "{\"kind\":\"rrweb\",\"started_at\":1}", "/started_at", FIELD_TYPE },
        { "{\"kind\":\"rrweb\",\"started_at\":\"soon\"}", "/started_at", FIELD_PATTERN },
        { "{\"kind\":\"terminal\",\"head\":[]}", "/head", FIELD_TYPE },
        { "{\"kind\":\"terminal\",\"head\":{\"version\":5}}", "/head", FIELD_PATTERN },
    };

    (void) state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        if (read_form(cases[i].json) || errs.n != 1 || strcmp(errs.items[0].at, cases[i].at) != 0 || errs.items[0].code != cases[i].code)
            fail_msg("%s: %zu mistakes, the first at %s: %s", cases[i].json, errs.seen, errs.items[0].at,
                     field_code_name(errs.items[0].code));
    }
}

/* {"kind":"rrweb", NAME: BEFORE x n AFTER} */
static bool with(const char *name, const char *before, const char *unit, size_t n, const char *after)
{
    struct buf b = BUF_INIT(4 << 20);
    bool good;

    buf_addf(&b, "{\"kind\":\"rrweb\",\"%s\":%s", name, before);
    for (size_t i = 0; i < n; i++) {
        if (strchr(unit, '#') != NULL)
            buf_addf(&b, "%s%.*s%zu%s", i > 0 ? "," : "", (int) (strchr(unit, '#') - unit), unit, i, strchr(unit, '#') + 1);
        else
            buf_add_str(&b, unit);
    }
    buf_addf(&b, "%s}", after);
    good = read_form(buf_cstr(&b));
    buf_deinit(&b);
    return good;
}

static void limits(void **state)
{
    static const struct {
        const char *name, *before, *unit, *after;
        size_t max;
    } cases[] = {
        { "title", "\"", "\xc3\xa9", "\"", 200 },
        { "subject", "\"", "x", "\"", 200 },
        { "session", "\"", "x", "\"", 200 },
        { "env", "\"", "x", "\"", 64 },
        { "class", "\"", "x", "\"", 64 },
        { "tags", "{", "\"t#\":\"v\"", "}", 32 },
        { "tags", "{\"", "x", "\":\"\"}", 64 },
        { "tags", "{\"a\":\"", "x", "\"}", 200 },
        { "links", "[", "{\"type\":\"a\",\"id\":\"#\"}", "]", 32 },
        { "links", "[{\"id\":\"a\",\"type\":\"", "x", "\"}]", 32 },
        { "links", "[{\"type\":\"a\",\"id\":\"", "x", "\"}]", 200 },
    };

    (void) state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        if (!with(cases[i].name, cases[i].before, cases[i].unit, cases[i].max, cases[i].after))
            fail_msg("%s of %zu: %s", cases[i].name, cases[i].max, field_code_name(errs.items[0].code));
        if (with(cases[i].name, cases[i].before, cases[i].unit, cases[i].max + 1, cases[i].after) ||
            errs.items[0].code != FIELD_TOO_LONG)
            fail_msg("%s of %zu is taken", cases[i].name, cases[i].max + 1);
    }
    /* a head of the largest string that JSON bodies may have */
    assert_true(with("head", "{\"a\":[\"", "x", 60000, "\"]}"));
}

static int end(void **state)
{
    (void) state;
    buf_deinit(&tree);
    buf_deinit(&text);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_of_it),
        cmocka_unit_test(mistakes),
        cmocka_unit_test(limits),
    };

    return cmocka_run_group_tests_name("gate live form", tests, NULL, end);
}
