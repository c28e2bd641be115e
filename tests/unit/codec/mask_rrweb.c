/*
 * A canary in every place of an rrweb event, plain and written in every other way, packed and compressed: 0 survive, and nothing else
 * changes. Fields, places and attributes by the rules, over events: what is remembered of nodes.
 */
#include "test.h"

#include "codec/intake.h"
#include "codec/json.h"
#include "codec/rrweb.h"

#include <stdio.h>
#include <malloc.h>
#include <stdlib.h>
#include <time.h>
#include <zlib.h>

#define EVENT_MAX (16u << 20)

struct bed {
    struct intake *in;
    struct rrweb rrweb;
    struct buf json, out, reveal;
    uint64_t seq;
};

static struct mask_rules *rules_of(const char *text)
{
    struct mask_rules *r = NULL;
    struct err_info e;

    assert_ok_err(mask_rules_load(span_str(text), &r, &e), &e);
    return r;
}

static void bed_init(struct bed *b, const char *rules)
{
    struct mask_rules *r = rules_of(rules);

    *b = (struct bed){ .seq = 0 };
    b->in = intake_new(IMPORTER_RRWEB, r, EVENT_MAX);
    assert_non_null(b->in);
    (void) mask_rules_unref(r);
    rrweb_init(&b->rrweb, EVENT_MAX);
    buf_init(&b->json, EVENT_MAX);
    buf_init(&b->out, EVENT_MAX);
    buf_init(&b->reveal, EVENT_MAX);
}

static void bed_deinit(struct bed *b)
{
    b->in = intake_free(b->in);
    rrweb_deinit(&b->rrweb);
    buf_deinit(&b->json);
    buf_deinit(&b->out);
    buf_deinit(&b->reveal);
}

static void assert_json(struct span s)
{
    struct json_limits lim = json_limits_event();
    struct json_error e;

    if (!json_check(s, &lim, &e))
        fail_msg("not JSON: %s: " SPAN_FMT, e.text, SPAN_ARG(s));
}

/* One event of any layout: as it is stored, in b->out. True: something was masked. */
static bool pass(struct bed *b, struct span event)
{
    struct json_limits lim = json_limits_event();
    struct rrweb_event ev;
    struct intake_item item;
    struct intake_out out;
    struct err_info e;
    struct json_error je;

    buf_reset(&b->json);
    if (!json_minify(event, &lim, &b->json, &je))
        fail_msg("the test's event: %s: " SPAN_FMT, je.text, SPAN_ARG(event));
    assert_ok_err(rrweb_event(&b->rrweb, buf_span(&b->json), &ev, &e), &e);
    item = (struct intake_item){ .json = ev.json, .seq = b->seq++, .type = ev.type, .source = ev.source, .own_us = ev.own_us };
    assert_ok_err(intake_add(b->in, &item, &e), &e);
    assert_true(intake_take(b->in, &out));
    buf_reset(&b->out);
    buf_add_span(&b->out, out.ev.json);
    buf_reset(&b->reveal);
    buf_add_span(&b->reveal, out.reveal);
    assert_false(intake_take(b->in, &out));
    assert_json(buf_span(&b->out));
    return out.masked;
}

static bool pass_str(struct bed *b, const char *event)
{
    return pass(b, span_str(event));
}

static bool has(const struct bed *b, const char *text)
{
    return b->out.n > 0 && memmem(b->out.p, b->out.n, text, strlen(text)) != NULL;
}

#define assert_has(b, text)                                                                                            \
    do {                                                                                                               \
        if (!has((b), (text)))                                                                                         \
            fail_msg("'%s' is not in " SPAN_FMT, (text), SPAN_ARG(buf_span(&(b)->out)));                               \
    } while (0)
#define assert_not(b, text)                                                                                            \
    do {                                                                                                               \
        if (has((b), (text)))                                                                                          \
            fail_msg("'%s' is in " SPAN_FMT, (text), SPAN_ARG(buf_span(&(b)->out)));                                   \
    } while (0)

/* ---- a canary in every place ---- */

#define FULL(node)      "{\"type\":2,\"timestamp\":1,\"data\":{\"node\":" node ",\"initialOffset\":{\"top\":0,\"left\":0}}}"
#define ELEMENT(inside) FULL("{\"type\":0,\"id\":1,\"childNodes\":[{\"type\":2,\"id\":2,\"tagName\":\"div\"," inside "}]}")
#define ATTR(name)      ELEMENT("\"attributes\":{\"" name "\":\"@@\"},\"childNodes\":[]")
#define CHILD(node)     ELEMENT("\"attributes\":{},\"childNodes\":[" node "]")
#define INC(data)       "{\"type\":3,\"timestamp\":2,\"data\":{" data "}}"
#define MUTATION(what)  INC("\"source\":0,\"texts\":[],\"attributes\":[],\"removes\":[],\"adds\":[]," what)
#define CUSTOM(payload) "{\"type\":5,\"timestamp\":3,\"data\":{\"tag\":\"breadcrumb\",\"payload\":" payload "}}"
#define PLUGIN(name, payload) "{\"type\":6,\"timestamp\":3,\"data\":{\"plugin\":\"" name "\",\"payload\":" payload "}}"

static const struct {
    const char *name, *event; /* @@: the canary */
} places[] = {
    { "text node", CHILD("{\"type\":3,\"id\":3,\"textContent\":\"mail @@ please\"}") },
    { "CDATA", CHILD("{\"type\":4,\"id\":3,\"textContent\":\"@@\"}") },
    { "comment", CHILD("{\"type\":5,\"id\":3,\"textContent\":\" @@ \"}") },
    { "style text", CHILD("{\"type\":2,\"tagName\":\"style\",\"attributes\":{},\"id\":3,\"childNodes\":[{\"type\":3,\"isStyle\":true,"
                          "\"id\":4,\"textContent\":\"a::after { content: '@@' }\"}]}") },
    { "doctype", FULL("{\"type\":0,\"id\":1,\"childNodes\":[{\"type\":1,\"id\":2,\"name\":\"html\",\"publicId\":\"@@\",\"systemId\":\"\"}]}") },
    { "value", ATTR("value") },
    { "title", ATTR("title") },
    { "placeholder", ATTR("placeholder") },
    { "aria-label", ATTR("aria-label") },
    { "alt", ATTR("alt") },
    { "data-*", ATTR("data-user") },
    { "id", ATTR("id") },
    { "class", ATTR("class") },
    { "_cssText", ELEMENT("\"attributes\":{\"_cssText\":\"a::before{content:\\\"@@\\\"}\"},\"childNodes\":[]") },
    { "style attribute", ELEMENT("\"attributes\":{\"style\":\"--who:'@@'\"},\"childNodes\":[]") },
    { "style object", ELEMENT("\"attributes\":{\"style\":{\"--who\":[\"@@\",\"important\"]}},\"childNodes\":[]") },
    { "href", ELEMENT("\"attributes\":{\"href\":\"https://x.example/?q=@@&p=1\"},\"childNodes\":[]") },
    { "rr_src", ATTR("rr_src") },
    { "a member nobody knows", ELEMENT("\"attributes\":{},\"childNodes\":[],\"later\":{\"deep\":[\"@@\"]}") },
    { "snapshot's other member", "{\"type\":2,\"timestamp\":1,\"data\":{\"node\":{\"type\":0,\"id\":1,\"childNodes\":[]},\"title\":\"@@\"}}" },
    { "event's other member", "{\"type\":3,\"timestamp\":1,\"note\":\"@@\",\"data\":{\"source\":1,\"positions\":[]}}" },
    { "texts", MUTATION("\"texts\":[{\"id\":3,\"value\":\"@@\"}]") },
    { "attributes", MUTATION("\"attributes\":[{\"id\":3,\"attributes\":{\"title\":\"@@\"}}]") },
    { "attributes style", MUTATION("\"attributes\":[{\"id\":3,\"attributes\":{\"style\":{\"--a\":\"@@\"}}}]") },
    { "adds text", MUTATION("\"adds\":[{\"parentId\":2,\"nextId\":null,\"node\":{\"type\":3,\"id\":9,\"textContent\":\"@@\"}}]") },
    { "adds attribute", MUTATION("\"adds\":[{\"parentId\":2,\"nextId\":null,\"node\":{\"type\":2,\"id\":9,\"tagName\":\"p\","
                                 "\"attributes\":{\"title\":\"@@\"},\"childNodes\":[]}}]") },
    { "adds nested", MUTATION("\"adds\":[{\"parentId\":2,\"nextId\":null,\"node\":{\"type\":2,\"id\":9,\"tagName\":\"p\",\"attributes\":{},"
                              "\"childNodes\":[{\"type\":3,\"id\":10,\"textContent\":\"@@\"}]}}]") },
    { "mutation's other member", MUTATION("\"more\":\"@@\"") },
    { "input", INC("\"source\":5,\"id\":3,\"isChecked\":false,\"text\":\"@@\"") },
    { "style rule", INC("\"source\":8,\"id\":3,\"adds\":[{\"rule\":\"a::after{content:'@@'}\",\"index\":0}]") },
    { "canvas", INC("\"source\":9,\"id\":3,\"type\":0,\"commands\":[{\"property\":\"fillText\",\"args\":[\"@@\",1,2]}]") },
    { "font", INC("\"source\":10,\"family\":\"@@\",\"fontSource\":\"x\",\"buffer\":false") },
    { "log", INC("\"source\":11,\"level\":\"log\",\"payload\":[\"@@\"]") },
    { "style declaration", INC("\"source\":13,\"id\":3,\"index\":[0],\"set\":{\"property\":\"--a\",\"value\":\"@@\"}") },
    { "adopted style", INC("\"source\":15,\"id\":3,\"styleIds\":[1],\"styles\":[{\"styleId\":1,\"rules\":[{\"rule\":\"b{--a:'@@'}\"}]}]") },
    { "a source nobody knows", INC("\"source\":99,\"what\":\"@@\"") },
    { "Meta", "{\"type\":4,\"timestamp\":1,\"data\":{\"href\":\"https://x.example/a?who=@@#top\",\"width\":1,\"height\":1}}" },
    { "console", PLUGIN("rrweb/console@1", "{\"level\":\"log\",\"trace\":[\"f @@ (https://x/a.js:1:2)\"],\"payload\":[\"\\\"@@\\\"\"]}") },
    { "network url", PLUGIN("rrweb/network@1", "{\"requests\":[{\"name\":\"https://x.example/u?mail=@@\"}]}") },
    { "network body", PLUGIN("rrweb/network@1", "{\"requests\":[{\"requestBody\":\"{\\\"user\\\":\\\"@@\\\"}\"}]}") },
    { "network header", PLUGIN("rrweb/network@1", "{\"requests\":[{\"responseHeaders\":{\"x-user\":\"@@\"}}]}") },
    { "a member's name", PLUGIN("rrweb/console@1", "{\"payload\":{\"@@\":1}}") },
    { "custom", CUSTOM("{\"message\":\"saw @@\"}") },
    { "custom as a string", CUSTOM("\"@@\"") },
    { "custom deep", CUSTOM("{\"data\":{\"arguments\":[[[{\"a\":\"@@\"}]]]}}") },
    { "performanceSpan", "{\"type\":5,\"timestamp\":3,\"data\":{\"tag\":\"performanceSpan\",\"payload\":{\"op\":\"resource.fetch\","
                         "\"description\":\"https://x.example/?who=@@\",\"data\":{\"response\":{\"body\":\"[{\\\"m\\\":\\\"@@\\\"}]\"}}}}}" },
    { "custom tag", "{\"type\":5,\"timestamp\":3,\"data\":{\"tag\":\"@@\",\"payload\":{}}}" },
    { "asset", "{\"type\":7,\"timestamp\":3,\"data\":{\"url\":\"https://x.example/?of=@@\",\"failed\":{\"message\":\"@@\"}}}" },
    { "data that is a string", "{\"type\":5,\"timestamp\":3,\"data\":\"@@\"}" },
    { "a type nobody knows", "{\"type\":42,\"timestamp\":3,\"data\":{\"x\":[\"@@\"]}}" },
    { "duplicate members", CHILD("{\"type\":3,\"id\":3,\"textContent\":\"@@\",\"textContent\":\"@@\"}") },
    { "escaped names", CHILD("{\"type\":3,\"id\":3,\"te\\u0078tContent\":\"@@\"}") },
};

/* The canary, and how it is written. JSON's own escapes are part of the text below. */
static const struct {
    const char *name, *text;
    const char *bare[4]; /* what may not survive */
} canaries[] = {
    { "e-mail", "canary.bird@example.com", { "canary.bird", "@example" } },
    { "card", "4111111111111111", { "41111111", "11111111" } },
    { "\\u0040", "canary.bird\\u0040example.com", { "canary.bird", "example.com" } },
    { "\\u in a pair of others", "\\ud83d\\ude00 canary.bird@example.com", { "canary.bird", "@example" } },
    { "nested \\n", "x\\\\n4111111111111111\\\\n", { "41111111" } },
    { "nested \\u", "canary.bird\\\\u0040example.com", { "canary.bird", "example.com" } },
    { "nested twice", "canary.bird\\\\\\\\u0040example.com", { "canary.bird" } },
    { "percent", "canary.bird%40example.com", { "canary.bird", "example.com" } },
    { "percent twice", "canary.bird%2540example.com", { "canary.bird" } },
    { "entity", "canary.bird&#64;example.com", { "canary.bird" } },
    { "entity twice", "canary.bird&amp;#x40;example.com", { "canary.bird" } },
    { "named entity", "canary.bird&commat;example.com", { "canary.bird" } },
    { "in a form", "a=4111+1111+1111+1111&b=2", { "4111+" } },
    { "in Chinese text", "\xe9\x82\xae\xe7\xae\xb1 canary.bird@example.com \xe5\xa5\xbd", { "canary.bird" } },
};

static void fill(const char *event, const char *canary, struct buf *out)
{
    buf_reset(out);
    for (const char *p = event; *p != '\0'; p++) {
        if (p[0] == '@' && p[1] == '@') {
            buf_add_str(out, canary);
            p++;
        } else {
            buf_add_c(out, *p);
        }
    }
}

/* What remains is as it was, but for '*'. */
static void assert_rest(struct span before, struct span after)
{
    size_t i = 0, k = 0;

    while (i < before.n && k < after.n && before.p[i] == after.p[k]) {
        i++;
        k++;
    }
    while (before.n > i && after.n > k && before.p[before.n - 1] == after.p[after.n - 1]) {
        before.n--;
        after.n--;
    }
    for (; k < after.n; k++)
        if (after.p[k] != '*' && memchr(before.p + i, after.p[k], before.n - i) == NULL)
            fail_msg("something else changed: " SPAN_FMT, SPAN_ARG(after));
}

/* The sanitiser took the place out. */
static bool gone(const struct bed *b, size_t canary)
{
    for (size_t i = 0; i < 4 && canaries[canary].bare[i] != NULL; i++)
        if (has(b, canaries[canary].bare[i]))
            return false;
    return true;
}

static void test_canary(void **state)
{
    struct buf event = BUF_INIT(EVENT_MAX);
    struct bed b;

    (void) state;
    for (size_t p = 0; p < sizeof(places) / sizeof(places[0]); p++)
        for (size_t c = 0; c < sizeof(canaries) / sizeof(canaries[0]); c++) {
            bed_init(&b, "reveal = keep");
            (void) pass_str(&b, FULL("{\"type\":0,\"id\":1,\"childNodes\":[{\"type\":2,\"id\":2,\"tagName\":\"p\",\"attributes\":{},"
                                     "\"childNodes\":[{\"type\":3,\"id\":3,\"textContent\":\"\"}]}]}"));
            fill(places[p].event, canaries[c].text, &event);
            if (!pass(&b, buf_span(&event)) && !gone(&b, c))
                fail_msg("%s, %s: nothing masked: " SPAN_FMT, places[p].name, canaries[c].name, SPAN_ARG(buf_span(&b.out)));
            for (size_t i = 0; i < 4 && canaries[c].bare[i] != NULL; i++)
                if (has(&b, canaries[c].bare[i]))
                    fail_msg("%s, %s: '%s' survived: " SPAN_FMT, places[p].name, canaries[c].name, canaries[c].bare[i],
                             SPAN_ARG(buf_span(&b.out)));
            if (b.reveal.n > 0)
                assert_rest(buf_span(&b.reveal), buf_span(&b.out));
            bed_deinit(&b);
        }
    buf_deinit(&event);
}

/* ---- packed and compressed ---- */

/* Bytes as characters up to U+00FF in a JSON string. */
static void add_latin1(struct buf *out, struct span bytes)
{
    for (size_t i = 0; i < bytes.n; i++) {
        if (bytes.p[i] < 0x20 || bytes.p[i] == '"' || bytes.p[i] == '\\' || bytes.p[i] == 0x7f)
            buf_addf(out, "\\u%04x", bytes.p[i]);
        else if (bytes.p[i] < 0x80)
            buf_add_c(out, (char) bytes.p[i]);
        else
            buf_addf(out, "%c%c", 0xc0 | bytes.p[i] >> 6, 0x80 | (bytes.p[i] & 0x3f));
    }
}

/* window_bits: 15 zlib, 31 gzip. */
static void add_packed(struct buf *out, struct span text, int window_bits)
{
    z_stream z = { 0 };
    uint8_t *room = malloc(text.n + 1024);

    assert_int_equal(deflateInit2(&z, 6, Z_DEFLATED, window_bits, 8, Z_DEFAULT_STRATEGY), Z_OK);
    z.next_in = (Bytef *) (uintptr_t) text.p;
    z.avail_in = (uInt) text.n;
    z.next_out = room;
    z.avail_out = (uInt) (text.n + 1024);
    assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
    add_latin1(out, span_of(room, z.total_out));
    (void) deflateEnd(&z);
    free(room);
}

static void test_packed(void **state)
{
    struct buf plain = BUF_INIT(EVENT_MAX), event = BUF_INIT(EVENT_MAX);
    struct bed b;

    (void) state;
    for (size_t p = 0; p < sizeof(places) / sizeof(places[0]); p++) {
        bed_init(&b, "");
        fill(places[p].event, canaries[0].text, &plain);
        buf_reset(&event);
        buf_add_c(&event, '"');
        add_packed(&event, buf_span(&plain), 15);
        buf_add_c(&event, '"');
        (void) pass(&b, buf_span(&event));
        if (has(&b, "canary.bird"))
            fail_msg("%s, packed: " SPAN_FMT, places[p].name, SPAN_ARG(buf_span(&b.out)));
        bed_deinit(&b);
    }
    buf_deinit(&plain);
    buf_deinit(&event);
}

/* PostHog: cv, and gzip in fields that nobody announced. */
static void test_gzipped(void **state)
{
    static const struct {
        const char *name, *before, *packed, *after;
    } cases[] = {
        { "cv full", "{\"type\":2,\"timestamp\":1,\"cv\":\"2024-10\",\"data\":\"",
          "{\"node\":{\"type\":0,\"id\":1,\"childNodes\":[{\"type\":3,\"id\":2,\"textContent\":\"canary.bird@example.com\"}]}}", "\"}" },
        { "cv texts", "{\"type\":3,\"timestamp\":1,\"cv\":\"2024-10\",\"data\":{\"source\":0,\"attributes\":[],\"removes\":[],\"adds\":[],\"texts\":\"",
          "[{\"id\":3,\"value\":\"canary.bird@example.com\"}]", "\"}}" },
        { "cv attributes",
          "{\"type\":3,\"timestamp\":1,\"cv\":\"2024-10\",\"data\":{\"source\":0,\"texts\":[],\"removes\":[],\"adds\":[],\"attributes\":\"",
          "[{\"id\":3,\"attributes\":{\"title\":\"canary.bird@example.com\"}}]", "\"}}" },
        { "cv adds", "{\"type\":3,\"timestamp\":1,\"cv\":\"2024-10\",\"data\":{\"source\":0,\"texts\":[],\"removes\":[],\"attributes\":[],\"adds\":\"",
          "[{\"parentId\":1,\"nextId\":null,\"node\":{\"type\":3,\"id\":7,\"textContent\":\"canary.bird@example.com\"}}]", "\"}}" },
        { "cv style rule", "{\"type\":3,\"timestamp\":1,\"cv\":\"2024-10\",\"data\":{\"source\":8,\"id\":3,\"adds\":\"",
          "[{\"rule\":\"a{--b:'canary.bird@example.com'}\"}]", "\"}}" },
        { "custom payload", "{\"type\":5,\"timestamp\":1,\"data\":{\"tag\":\"t\",\"payload\":{\"z\":\"", "{\"m\":\"canary.bird@example.com\"}", "\"}}}" },
        { "console", "{\"type\":6,\"timestamp\":1,\"data\":{\"plugin\":\"rrweb/console@1\",\"payload\":[\"", "canary.bird@example.com", "\"]}}" },
        { "attribute", "{\"type\":3,\"timestamp\":1,\"data\":{\"source\":0,\"texts\":[],\"removes\":[],\"adds\":[],\"attributes\":[{\"id\":1,\"attributes\":{\"data-z\":\"",
          "canary.bird@example.com", "\"}}]}}" },
    };
    struct buf event = BUF_INIT(EVENT_MAX), packed = BUF_INIT(EVENT_MAX);
    struct bed b;

    (void) state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        bed_init(&b, "");
        buf_reset(&event);
        buf_reset(&packed);
        add_packed(&packed, span_str(cases[i].packed), 31);
        buf_add_str(&event, cases[i].before);
        buf_add_span(&event, buf_span(&packed));
        buf_add_str(&event, cases[i].after);
        if (!pass(&b, buf_span(&event)) || has(&b, "canary.bird"))
            fail_msg("%s: " SPAN_FMT, cases[i].name, SPAN_ARG(buf_span(&b.out)));
        if (memmem(b.out.p, b.out.n, packed.p, packed.n) != NULL)
            fail_msg("%s: still there, compressed", cases[i].name);
        bed_deinit(&b);
    }
    buf_deinit(&event);
    buf_deinit(&packed);
}

/* A bomb in a field is not unpacked beyond its limit, and does not pass either. */
static void test_bomb(void **state)
{
    struct buf event = BUF_INIT(EVENT_MAX), zeros = BUF_INIT(MASK_RULES_MAX + (40u << 20));
    uint8_t *p = buf_reserve(&zeros, 40u << 20);
    struct bed b;

    (void) state;
    assert_non_null(p);
    memset(p, 'a', 40u << 20);
    zeros.n = 40u << 20;
    bed_init(&b, "");
    buf_add_str(&event, "{\"type\":5,\"timestamp\":1,\"data\":{\"tag\":\"t\",\"payload\":\"");
    add_packed(&event, buf_span(&zeros), 31);
    buf_add_str(&event, "\"}}");
    assert_true(pass(&b, buf_span(&event)));
    assert_not(&b, "\\u001f");
    bed_deinit(&b);
    buf_deinit(&zeros);
    buf_deinit(&event);
}

/* ---- what is left alone ---- */

static void test_untouched(void **state)
{
    static const char *const events[] = {
        "{\"type\":3,\"timestamp\":1,\"data\":{\"source\":1,\"positions\":[{\"x\":1,\"y\":2,\"id\":3,\"timeOffset\":-50}]}}",
        "{\"type\":4,\"timestamp\":1700000000000,\"data\":{\"href\":\"https://shop.example/cart?page=2\",\"width\":1024,\"height\":768}}",
        CHILD("{\"type\":3,\"id\":3,\"textContent\":\"nothing to see, 100 % sure &amp; \\\\n\"}"),
        ELEMENT("\"attributes\":{\"src\":\"data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAUA4111111111111111AAAFCAYAAACNbyblAAAAHElEQVQI12P4"
                "//8/w38GIAXDIBKE0DHxgljNBAAO9TXL0Y4OHwAAAABJRU5ErkJggg==\"},\"childNodes\":[]"),
        CUSTOM("{\"startTimestamp\":1700000000.123,\"endTimestamp\":1700000001,\"ok\":true,\"none\":null}"),
        INC("\"source\":9,\"id\":3,\"type\":0,\"commands\":[{\"property\":\"drawImage\",\"args\":[{\"rr_type\":"
            "\"ArrayBuffer\",\"base64\":\"iVBORw0KGgoAAAANSUhEUgAA4111111111111111AAAFCAYAAACNbyblAAAAHElEQVQI12P4//8/w38GIAXDIBKE0DHx\"}]}]"),
    };
    struct bed b;

    (void) state;
    bed_init(&b, "");
    for (size_t i = 0; i < sizeof(events) / sizeof(events[0]); i++) {
        if (pass_str(&b, events[i]))
            fail_msg("masked: " SPAN_FMT, SPAN_ARG(buf_span(&b.out)));
        assert_span_str(buf_span(&b.out), events[i]);
        assert_int_equal(b.reveal.n, 0);
    }
    bed_deinit(&b);
}

/* ---- fields ---- */

#define INPUT(id, more) "{\"type\":2,\"id\":" #id ",\"tagName\":\"input\",\"attributes\":{" more "},\"childNodes\":[]}"
#define PAGE(nodes)     FULL("{\"type\":0,\"id\":1,\"childNodes\":[{\"type\":2,\"id\":2,\"tagName\":\"body\",\"attributes\":{},\"childNodes\":[" nodes "]}]}")
#define TYPED(id)       INC("\"source\":5,\"id\":" #id ",\"isChecked\":false,\"text\":\"hunter2x\"")

static void test_fields(void **state)
{
    struct bed b;

    (void) state;
    bed_init(&b, "reveal = keep");
    assert_true(pass_str(&b, PAGE(INPUT(3, "\"type\":\"password\",\"value\":\"hunter2x\"") "," INPUT(4, "\"type\":\"text\",\"value\":\"visible1\"") ","
                                  INPUT(5, "\"type\":\"text\",\"name\":\"card_cvc\",\"value\":\"hunter2x\"") ","
                                  INPUT(6, "\"type\":\"text\",\"autocomplete\":\"cc-csc\"") ","
                                  "{\"type\":2,\"id\":7,\"tagName\":\"textarea\",\"attributes\":{\"name\":\"password\"},\"childNodes\":[{\"type\":3,"
                                  "\"id\":8,\"textContent\":\"hunter2x\"}]}")));
    assert_not(&b, "hunter2x");
    assert_has(&b, "visible1");
    assert_has(&b, "\"type\":\"password\"");
    assert_true(pass_str(&b, TYPED(3)));
    assert_has(&b, "\"text\":\"********\"");
    assert_false(pass_str(&b, TYPED(4)));
    assert_true(pass_str(&b, TYPED(5)));
    assert_true(pass_str(&b, TYPED(6)));
    assert_true(pass_str(&b, TYPED(7)));
    assert_true(pass_str(&b, MUTATION("\"texts\":[{\"id\":8,\"value\":\"hunter2x\"}]")));
    assert_true(pass_str(&b, MUTATION("\"attributes\":[{\"id\":3,\"attributes\":{\"value\":\"hunter2x\"}}]")));

    /* "show password": it stays one, also in the next snapshot */
    assert_false(pass_str(&b, MUTATION("\"attributes\":[{\"id\":3,\"attributes\":{\"type\":\"text\"}}]")));
    assert_true(pass_str(&b, TYPED(3)));
    assert_true(pass_str(&b, PAGE(INPUT(3, "\"type\":\"text\",\"value\":\"hunter2x\""))));
    assert_true(pass_str(&b, TYPED(3)));
    assert_false(pass_str(&b, TYPED(4)));

    /* a text field that becomes one */
    assert_false(pass_str(&b, MUTATION("\"attributes\":[{\"id\":4,\"attributes\":{\"type\":\"password\"}}]")));
    assert_true(pass_str(&b, TYPED(4)));

    /* a field that gets its name later */
    assert_false(pass_str(&b, MUTATION("\"adds\":[{\"parentId\":2,\"nextId\":null,\"node\":" INPUT(30, "\"type\":\"text\"") "}]")));
    assert_false(pass_str(&b, TYPED(30)));
    assert_false(pass_str(&b, MUTATION("\"attributes\":[{\"id\":30,\"attributes\":{\"name\":\"card_cvc\"}}]")));
    assert_true(pass_str(&b, TYPED(30)));

    /* added later, children before their parents */
    assert_true(pass_str(&b, MUTATION("\"adds\":[{\"parentId\":20,\"nextId\":null,\"node\":{\"type\":3,\"id\":21,\"textContent\":\"hunter2x\"}},"
                                      "{\"parentId\":2,\"nextId\":null,\"node\":{\"type\":2,\"id\":20,\"tagName\":\"textarea\",\"attributes\":{\"name\":"
                                      "\"passwd\"},\"childNodes\":[]}}]")));
    assert_not(&b, "hunter2x");
    assert_has(&b, "passwd");
    bed_deinit(&b);
}

static void test_names(void **state)
{
    static const struct {
        const char *name, *event;
    } cases[] = {
        { "member", CUSTOM("{\"password\":\"hunter2x\"}") },
        { "number", CUSTOM("{\"cvc\":7770777}") },
        { "object below", CUSTOM("{\"password\":{\"new\":[\"hunter2x\"]}}") },
        { "header object", PLUGIN("rrweb/network@1", "{\"requestHeaders\":{\"Authorization\":\"hunter2x\"}}") },
        { "header list", PLUGIN("rrweb/network@1", "{\"requestHeaders\":[{\"name\":\"Authorization\",\"value\":\"hunter2x\"}]}") },
        { "header list, value first", PLUGIN("rrweb/network@1", "{\"requestHeaders\":[{\"value\":\"hunter2x\",\"name\":\"Authorization\"}]}") },
        { "header pair", PLUGIN("rrweb/network@1", "{\"requestHeaders\":[[\"cookie\",\"hunter2x\"]]}") },
        { "header lines", PLUGIN("rrweb/network@1", "{\"headers\":\"accept: x\\r\\ncookie: hunter2x\\r\\n\"}") },
        { "query", "{\"type\":4,\"timestamp\":1,\"data\":{\"href\":\"https://x.example/?a=1&password=hunter2x#f\",\"width\":1,\"height\":1}}" },
        { "query, nested name", "{\"type\":4,\"timestamp\":1,\"data\":{\"href\":\"https://x.example/?user%5Bpassword%5D=hunter2x\",\"width\":1,\"height\":1}}" },
        { "form", PLUGIN("rrweb/network@1", "{\"requestBody\":\"name=x&password=hunter2x&b=1\"}") },
        { "JSON text", PLUGIN("rrweb/network@1", "{\"requestBody\":\"{\\\"password\\\": \\\"hunter2x\\\"}\"}") },
        { "JSON text in JSON text", PLUGIN("rrweb/console@1", "{\"payload\":[\"\\\"{\\\\\\\"password\\\\\\\":\\\\\\\"hunter2x\\\\\\\"}\\\"\"]}") },
        { "number in JSON text", PLUGIN("rrweb/network@1", "{\"requestBody\":\"{\\\"cvc\\\":7770777,\\\"a\\\":1}\"}") },
        { "link", CHILD("{\"type\":2,\"id\":3,\"tagName\":\"a\",\"attributes\":{\"href\":\"/reset?password=hunter2x\"},\"childNodes\":[]}") },
    };
    struct bed b;

    (void) state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        bed_init(&b, "");
        if (!pass_str(&b, cases[i].event) || has(&b, "hunter2x") || has(&b, "7770777"))
            fail_msg("%s: " SPAN_FMT, cases[i].name, SPAN_ARG(buf_span(&b.out)));
        bed_deinit(&b);
    }
}

/* A number that is a card's becomes a string of stars. */
static void test_number(void **state)
{
    struct bed b;

    (void) state;
    bed_init(&b, "");
    assert_true(pass_str(&b, CUSTOM("{\"n\":4111111111111111,\"t\":1700000000000}")));
    assert_has(&b, "\"n\":\"****************\",\"t\":1700000000000");
    bed_deinit(&b);
}

/* ---- places ---- */

static void test_places(void **state)
{
    struct bed b;

    (void) state;
    bed_init(&b, "rrweb { mask = { \".private\" }  block = { \"#chart\" } }");
    assert_true(pass_str(
        &b, PAGE("{\"type\":2,\"id\":3,\"tagName\":\"div\",\"attributes\":{\"class\":\"a private\",\"title\":\"secret one\",\"id\":\"stays\"},\"childNodes\":["
                 "{\"type\":2,\"id\":4,\"tagName\":\"b\",\"attributes\":{},\"childNodes\":[{\"type\":3,\"id\":5,\"textContent\":\"secret two\\n\"}]}]},"
                 "{\"type\":3,\"id\":6,\"textContent\":\"public\"},"
                 "{\"type\":2,\"id\":7,\"tagName\":\"img\",\"attributes\":{\"id\":\"chart\",\"src\":\"data:image/png;base64,AAAA\",\"rr_width\":\"10px\"},"
                 "\"childNodes\":[]}")));
    assert_not(&b, "secret");
    assert_not(&b, "AAAA");
    assert_has(&b, "public");
    assert_has(&b, "a private");
    assert_has(&b, "stays");
    assert_has(&b, "10px");
    assert_has(&b, "****** ***\\n"); /* white space stays */

    assert_true(pass_str(&b, MUTATION("\"texts\":[{\"id\":5,\"value\":\"secret three\"},{\"id\":6,\"value\":\"public too\"}]")));
    assert_not(&b, "secret");
    assert_has(&b, "public too");
    assert_true(pass_str(&b, MUTATION("\"adds\":[{\"parentId\":4,\"nextId\":null,\"node\":{\"type\":2,\"id\":30,\"tagName\":\"i\",\"attributes\":{},\"childNodes\":"
                                      "[{\"type\":3,\"id\":31,\"textContent\":\"secret four\"}]}}]")));
    assert_not(&b, "secret");
    assert_true(pass_str(&b, MUTATION("\"texts\":[{\"id\":31,\"value\":\"secret five\"}]")));
    assert_true(pass_str(&b, MUTATION("\"attributes\":[{\"id\":7,\"attributes\":{\"src\":\"secret.png\"}}]")));
    assert_not(&b, "secret");

    /* moved out of it */
    assert_false(pass_str(&b, MUTATION("\"removes\":[{\"parentId\":4,\"id\":31}],\"adds\":[{\"parentId\":2,\"nextId\":null,\"node\":{\"type\":3,\"id\":31,"
                                       "\"textContent\":\"out\"}}]")));
    assert_false(pass_str(&b, MUTATION("\"texts\":[{\"id\":31,\"value\":\"still out\"}]")));

    /* a class that comes later counts for what comes later */
    assert_false(pass_str(&b, MUTATION("\"attributes\":[{\"id\":2,\"attributes\":{\"class\":\"private\"}}]")));
    assert_true(pass_str(&b, MUTATION("\"adds\":[{\"parentId\":2,\"nextId\":null,\"node\":{\"type\":3,\"id\":40,\"textContent\":\"secret\"}}]")));
    assert_not(&b, "secret");

    /* a new page */
    assert_false(pass_str(&b, PAGE("{\"type\":3,\"id\":5,\"textContent\":\"another text\"}")));
    assert_false(pass_str(&b, MUTATION("\"texts\":[{\"id\":5,\"value\":\"another\"}]")));
    bed_deinit(&b);
}

static void test_all(void **state)
{
    struct bed b;

    (void) state;
    bed_init(&b, "rrweb { text = all  inputs = all  keep = { \".public\" } }");
    assert_true(pass_str(&b, PAGE("{\"type\":3,\"id\":3,\"textContent\":\"secret\"},{\"type\":2,\"id\":4,\"tagName\":\"p\",\"attributes\":{\"class\":\"public\",\"title\":\"shown\"},"
                                  "\"childNodes\":[{\"type\":3,\"id\":5,\"textContent\":\"shown too\"}]},"
                                  "{\"type\":2,\"id\":6,\"tagName\":\"style\",\"attributes\":{},\"childNodes\":[{\"type\":3,\"id\":7,\"isStyle\":true,\"textContent\":\"b{top:0}\"}]},"
                                  INPUT(8, "\"type\":\"text\",\"value\":\"secret\",\"placeholder\":\"secret\""))));
    assert_not(&b, "secret");
    assert_has(&b, "shown");
    assert_has(&b, "shown too");
    assert_has(&b, "b{top:0}");
    assert_true(pass_str(&b, TYPED(8)));
    assert_true(pass_str(&b, MUTATION("\"texts\":[{\"id\":3,\"value\":\"secret\"},{\"id\":5,\"value\":\"shown\"},{\"id\":7,\"value\":\"i{top:1}\"}]")));
    assert_not(&b, "secret");
    assert_has(&b, "shown");
    assert_has(&b, "i{top:1}");
    bed_deinit(&b);
}

/* Before the first full snapshot nobody knows what lies in a place. */
static void test_before_the_page(void **state)
{
    struct bed b;

    (void) state;
    bed_init(&b, "");
    intake_begin(b.in);
    for (int again = 0; again < 2; again++) {
        assert_true(pass_str(&b, TYPED(77)));
        assert_true(pass_str(&b, MUTATION("\"texts\":[{\"id\":5,\"value\":\"anything\"}]")));
        assert_not(&b, "anything");
        assert_true(pass_str(&b, MUTATION("\"adds\":[{\"parentId\":5,\"nextId\":null,\"node\":{\"type\":3,\"id\":6,\"textContent\":\"anything\"}}]")));
        assert_not(&b, "anything");
        intake_begin(b.in); /* that batch was refused: the same holds for the next */
    }
    assert_false(pass_str(&b, PAGE("{\"type\":3,\"id\":5,\"textContent\":\"x\"}")));
    assert_false(pass_str(&b, TYPED(77)));
    assert_false(pass_str(&b, MUTATION("\"texts\":[{\"id\":5,\"value\":\"anything\"}]")));
    bed_deinit(&b);
}

/* Going on in another process, and going back. */
static void test_state(void **state)
{
    struct bed b;

    (void) state;
    bed_init(&b, "rrweb { mask = { \".private\" } }");
    intake_lost(b.in, false);
    assert_true(pass_str(&b, TYPED(77)));
    assert_true(pass_str(&b, MUTATION("\"texts\":[{\"id\":5,\"value\":\"anything\"}]")));
    assert_false(pass_str(&b, PAGE("{\"type\":3,\"id\":5,\"textContent\":\"x\"}")));
    assert_false(pass_str(&b, TYPED(77)));
    assert_false(pass_str(&b, MUTATION("\"texts\":[{\"id\":5,\"value\":\"anything\"}]")));
    intake_commit(b.in);

    intake_begin(b.in);
    (void) pass_str(&b, MUTATION("\"adds\":[{\"parentId\":2,\"nextId\":null,\"node\":" INPUT(9, "\"type\":\"password\"") "}]"));
    assert_true(pass_str(&b, TYPED(9)));
    intake_begin(b.in); /* the batch before was refused */
    assert_false(pass_str(&b, TYPED(9)));
    intake_commit(b.in);
    intake_begin(b.in);
    (void) pass_str(&b, MUTATION("\"adds\":[{\"parentId\":2,\"nextId\":null,\"node\":" INPUT(9, "\"type\":\"password\"") "}]"));
    intake_commit(b.in);
    intake_begin(b.in);
    assert_true(pass_str(&b, TYPED(9)));
    bed_deinit(&b);
}

/* More places than the map has room for: nothing of it shows. */
static void test_many_nodes(void **state)
{
    struct buf event = BUF_INIT(EVENT_MAX);
    struct bed b;

    (void) state;
    bed_init(&b, "rrweb { mask = { \".private\" } }");
    (void) pass_str(&b, PAGE(""));
    buf_add_str(&event, "{\"type\":3,\"timestamp\":1,\"data\":{\"source\":0,\"texts\":[],\"attributes\":[],\"removes\":[],\"adds\":[");
    for (unsigned i = 0; i < 20000; i++)
        buf_addf(&event, "%s{\"parentId\":2,\"nextId\":null,\"node\":{\"type\":2,\"id\":%u,\"tagName\":\"p\",\"attributes\":{\"class\":\"private\"},"
                         "\"childNodes\":[]}}",
                 i == 0 ? "" : ",", 100 + 2 * i);
    buf_add_str(&event, "]}}");
    (void) pass(&b, buf_span(&event));
    for (unsigned i = 0; i < 20000; i += 1999) {
        buf_reset(&event);
        buf_addf(&event, MUTATION("\"adds\":[{\"parentId\":%u,\"nextId\":null,\"node\":{\"type\":3,\"id\":90000,\"textContent\":\"secret\"}}]"), 100 + 2 * i);
        assert_true(pass(&b, buf_span(&event)));
        assert_not(&b, "secret");
    }
    bed_deinit(&b);
    buf_deinit(&event);
}

/* A string of one piece with very many hits: time goes with its length. */
static void test_many_hits(void **state)
{
    struct buf event = BUF_INIT(EVENT_MAX);
    struct timespec from, to;
    struct bed b;

    (void) state;
    bed_init(&b, "");
    buf_add_str(&event, "{\"type\":5,\"timestamp\":1,\"data\":{\"tag\":\"x\",\"payload\":{\"s\":\"");
    while (event.n < (1u << 20))
        buf_add_str(&event, "AKIA7QXW3EZRTY5UIOPB-");
    buf_add_str(&event, "\"}}}");
    clock_gettime(CLOCK_MONOTONIC, &from);
    assert_true(pass(&b, buf_span(&event)));
    clock_gettime(CLOCK_MONOTONIC, &to);
    assert_not(&b, "AKIA");
    if (to.tv_sec - from.tv_sec > 3)
        fail_msg("1 MiB of keys takes %lld s", (long long) (to.tv_sec - from.tv_sec));
    bed_deinit(&b);
    buf_deinit(&event);
}

static size_t in_use(void)
{
    struct mallinfo2 m = mallinfo2();

    return m.uordblks + m.hblkhd;
}

/* Thousands of recordings are open at once: one large event leaves little behind in each. */
static void test_memory(void **state)
{
    struct buf event = BUF_INIT(EVENT_MAX);
    struct bed b;
    size_t before;

    (void) state;
    buf_add_str(&event, "{\"type\":5,\"timestamp\":1,\"data\":{\"tag\":\"x\",\"payload\":{\"s\":\"\\n");
    while (event.n < (4u << 20))
        buf_add_str(&event, "bob@example.com ");
    buf_add_str(&event, "\"}}}");
    before = in_use();
    bed_init(&b, "");
    assert_true(pass(&b, buf_span(&event)));
    intake_commit(b.in);
    intake_begin(b.in);
    rrweb_deinit(&b.rrweb);
    buf_deinit(&b.json);
    buf_deinit(&b.out);
    buf_deinit(&b.reveal);
    if (in_use() > before + (1u << 20))
        fail_msg("%zu bytes stay", in_use() - before);
    b.in = intake_free(b.in);
    buf_deinit(&event);
}

static int setup(void **state)
{
    struct err_info e;

    (void) state;
    return mask_init(&e) == ERR_OK ? 0 : -1;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_canary),    cmocka_unit_test(test_packed),     cmocka_unit_test(test_gzipped),
        cmocka_unit_test(test_bomb),      cmocka_unit_test(test_untouched),  cmocka_unit_test(test_fields),
        cmocka_unit_test(test_names),     cmocka_unit_test(test_number),     cmocka_unit_test(test_places),
        cmocka_unit_test(test_all),       cmocka_unit_test(test_before_the_page), cmocka_unit_test(test_state),      cmocka_unit_test(test_many_nodes),
        cmocka_unit_test(test_many_hits), cmocka_unit_test(test_memory),
    };

    return cmocka_run_group_tests(tests, setup, NULL);
}
