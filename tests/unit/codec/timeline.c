/* rrweb events as lines: each kind, hostile texts, bounds, and the real recordings. */
#include "test.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/utf8.h"
#include "codec/timeline.h"
#include "codec/json_scan.h"

#define BASE 1700000000000

static void feed(struct timeline *t, const char *json)
{
    int64_t at = 0;

    if (!timeline_event(t, span_str(json), BASE, &at))
        fail_msg("%s", json);
}

static void all(const struct timeline *t, struct buf *out)
{
    for (size_t i = 0; i < timeline_count(t); i++) {
        timeline_text(timeline_line(t, i), out);
        buf_add_c(out, '\n');
    }
}

#define TS(ms) "\"timestamp\":17000000" ms

static void kinds(void **state)
{
    static const char *const events[] = {
        "{\"type\":4,\"data\":{\"href\":\"https://shop.example/cart\",\"width\":1280,\"height\":720}," TS("00000") "}",
        "{\"type\":2,\"data\":{\"node\":{\"type\":0,\"id\":1,\"childNodes\":["
        "{\"type\":2,\"id\":2,\"tagName\":\"style\",\"attributes\":{},\"childNodes\":[{\"type\":3,\"id\":9,\"textContent\":\"p{}\"}]},"
        "{\"type\":2,\"id\":3,\"tagName\":\"button\",\"attributes\":{\"id\":\"pay\"},\"childNodes\":["
        "{\"type\":2,\"id\":4,\"tagName\":\"span\",\"attributes\":{},\"childNodes\":[{\"type\":3,\"id\":5,\"textContent\":\" Pay\\n \"}]},"
        "{\"type\":3,\"id\":6,\"textContent\":\"now\"}]},"
        "{\"type\":2,\"id\":7,\"tagName\":\"input\",\"attributes\":{\"placeholder\":\"Coupon\",\"name\":\"c\"},\"childNodes\":[]}]}}," TS("00010") "}",
        "{\"type\":3,\"data\":{\"source\":2,\"type\":1,\"id\":3}," TS("01000") "}", /* pressed: not a line */
        "{\"type\":3,\"data\":{\"source\":2,\"type\":2,\"id\":3}," TS("01050") "}",
        "{\"type\":3,\"data\":{\"source\":5,\"text\":\"S\",\"isChecked\":false,\"id\":7}," TS("02000") "}",
        "{\"type\":3,\"data\":{\"source\":5,\"text\":\"SALE\",\"isChecked\":false,\"id\":7}," TS("02500") "}",
        "{\"type\":3,\"data\":{\"source\":0,\"texts\":[],\"attributes\":[],\"removes\":[],\"adds\":[{\"parentId\":1,\"nextId\":null,"
        "\"node\":{\"type\":2,\"id\":20,\"tagName\":\"a\",\"attributes\":{\"title\":\"Help\"},\"childNodes\":[]}}]}," TS("03000") "}",
        "{\"type\":3,\"data\":{\"source\":2,\"type\":4,\"id\":20}," TS("03100") "}",
        "{\"type\":3,\"data\":{\"source\":2,\"type\":2,\"id\":77}," TS("03200") "}",
        "{\"type\":6,\"data\":{\"plugin\":\"rrweb/console@1\",\"payload\":{\"level\":\"error\",\"trace\":[],"
        "\"payload\":[\"\\\"cart total is NaN\\\"\",\"{\\\"a\\\":1}\"]}}," TS("61500") "}",
        "{\"type\":6,\"data\":{\"plugin\":\"rrweb/network@1\",\"payload\":{\"requests\":[{\"method\":\"POST\",\"url\":\"/pay\",\"status\":500}]}}," TS("61600") "}",
        "{\"type\":5,\"data\":{\"tag\":\"breadcrumb\",\"payload\":{\"category\":\"ui\",\"message\":\"gave up\",\"level\":\"error\"}}," TS("62000") "}",
        "{\"type\":5,\"data\":{\"tag\":\"step\",\"payload\":\"two\"}," TS("63000") "}",
        "{\"type\":3,\"data\":{\"source\":4,\"width\":400,\"height\":800}," TS("64000") "}",
        "{\"type\":3,\"data\":{\"source\":7,\"type\":1,\"id\":20}," TS("65000") "}",
        "{\"type\":0,\"data\":{}," TS("66000") "}",
    };
    struct timeline *t = timeline_new((const uint8_t[16]){ 7 });
    struct buf out = BUF_INIT(10000);

    (void) state;
    for (size_t i = 0; i < sizeof(events) / sizeof(events[0]); i++)
        feed(t, events[i]);
    all(t, &out);
    assert_span_str(buf_span(&out), "   0:00.0  page   https://shop.example/cart (1280x720)\n"
                                    "   0:01.0  click  button \"Pay now\"\n"
                                    "   0:02.0  input  input \"Coupon\" = \"SALE\"\n"
                                    "   0:03.1  dblclk a \"Help\"\n"
                                    "   0:03.2  click  element 77\n"
                                    "   1:01.5  error  cart total is NaN {\"a\":1}\n"
                                    "   1:01.6  net    POST /pay 500\n"
                                    "   1:02.0  error  breadcrumb: gave up\n"
                                    "   1:03.0  mark   step: two\n"
                                    "   1:04.0  size   window 400x800\n"
                                    "   1:05.0  media  a \"Help\" pauses\n");
    timeline_restart(t);
    assert_int_equal(timeline_count(t), 0);
    feed(t, "{\"type\":3,\"data\":{\"source\":2,\"type\":2,\"id\":3}," TS("70000") "}");
    assert_string_equal(timeline_line(t, 0)->text, "element 3"); /* its elements are forgotten too */
    buf_deinit(&out);
    (void) timeline_free(t);
}

static void hostile(void **state)
{
    static const char *const no_events[] = { "", "[]", "3", "null", "{\"type\":4", "{} x", "\"a\"" };
    struct timeline *t = timeline_new((const uint8_t[16]){ 7 });
    struct buf long_text = BUF_INIT(1u << 20);
    int64_t at = 42;

    (void) state;
    for (size_t i = 0; i < sizeof(no_events) / sizeof(no_events[0]); i++)
        assert_false(timeline_event(t, span_str(no_events[i]), BASE, &at));
    feed(t, "{\"type\":4}");
    feed(t, "{\"type\":\"4\",\"data\":{\"href\":1}}");
    feed(t, "{\"type\":3,\"data\":[]}");
    feed(t, "{\"type\":3,\"data\":{\"source\":2,\"type\":9999999999999999999,\"id\":-1}}");
    feed(t, "{\"type\":6,\"data\":{\"plugin\":\"rrweb/console@1\",\"payload\":null}}");
    timeline_restart(t);
    feed(t, "{\"type\":5,\"data\":{\"tag\":\"\\u001b[2J\\u009b31m\",\"payload\":\"\\u202egnp.exe\\n\\u0000\"}," TS("00000") "}");
    assert_string_equal(timeline_line(t, 0)->text, "\\x1b[2J\\x9b31m: \\u202egnp.exe \\x00");
    buf_add_str(&long_text, "{\"type\":5,\"data\":{\"tag\":\"");
    for (int i = 0; i < 5000; i++)
        buf_add_c(&long_text, 'x');
    buf_add_str(&long_text, "\",\"payload\":1}}");
    feed(t, buf_cstr(&long_text));
    assert_true(strlen(timeline_line(t, 1)->text) <= TIMELINE_TEXT_MAX + 10);
    buf_deinit(&long_text);
    (void) timeline_free(t);
}

static void the_oldest_go(void **state)
{
    struct timeline *t = timeline_new((const uint8_t[16]){ 7 });

    (void) state;
    for (int i = 0; i < TIMELINE_LINES_MAX + 10; i++) {
        char json[120];

        (void) snprintf(json, sizeof(json), "{\"type\":5,\"data\":{\"tag\":\"n\",\"payload\":\"%d\"},\"timestamp\":%lld}", i,
                        BASE + (long long) i);
        feed(t, json);
    }
    assert_int_equal(timeline_count(t), TIMELINE_LINES_MAX);
    assert_string_equal(timeline_line(t, 0)->text, "n: 10");
    assert_string_equal(timeline_line(t, TIMELINE_LINES_MAX - 1)->text, "n: 20009");
    (void) timeline_free(t);
}

struct real {
    struct timeline *t;
    size_t events, lines;
};

static bool on_item(void *ctx, const struct json_item *item)
{
    struct real *r = ctx;
    int64_t at = 0;

    r->events += timeline_event(r->t, item->bytes, 0, &at) ? 1 : 0;
    return true;
}

static void one_file(const char *path, void *ctx)
{
    struct real *r = ctx;
    struct json_scan_opts o = { .shape = JSON_SHAPE_SNIFF, .limits = json_limits_event(), .on_item = on_item, .ctx = r };
    struct json_scan *s = json_scan_new(&o);
    struct buf file = BUF_INIT(256u << 20);

    test_read_file(path, &file);
    timeline_restart(r->t);
    if (json_scan_feed(s, buf_span(&file), NULL))
        (void) json_scan_finish(s, NULL);
    for (size_t i = 0; i < timeline_count(r->t); i++) {
        const char *text = timeline_line(r->t, i)->text;

        r->lines++;
        assert_true(utf8_valid(span_str(text)));
        for (struct rd c = rd_of(span_str(text)); c.n > 0;)
            assert_false(utf8_is_control(utf8_read(&c)));
    }
    (void) json_scan_free(s);
    buf_deinit(&file);
}

static void real_recordings(void **state)
{
    const char *dir = test_shared("rrweb/rrweb-events");
    struct real r = { .t = timeline_new((const uint8_t[16]){ 7 }) };

    (void) state;
    if (dir == NULL) {
        (void) timeline_free(r.t);
        skip();
        return;
    }
    assert_true(test_each_file(dir, ".json", one_file, &r) > 10);
    assert_true(r.events > 100);
    assert_true(r.lines > 20);
    (void) timeline_free(r.t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(kinds),
        cmocka_unit_test(hostile),
        cmocka_unit_test(the_oldest_go),
        cmocka_unit_test(real_recordings),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
