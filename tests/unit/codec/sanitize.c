/* The sanitiser: what goes, what stays, exact bytes; limits; state over events. The player's list is compared in web/player. */
#include "test.h"

#include <stdio.h>
#include <stdlib.h>

#include "codec/json.h"
#include "codec/sanitize.h"

static struct sanitize s;

static int setup(void **state)
{
    (void) state;
    sanitize_init(&s, 16u << 20);
    return 0;
}

static int teardown(void **state)
{
    (void) state;
    sanitize_deinit(&s);
    return 0;
}

/* One event in, one out; NULL wanted: the very same bytes. Clean ones are clean. */
static void event(const char *in, const char *want)
{
    struct span out, again;
    struct err_info e;
    char *first;

    assert_ok_err(sanitize_event(&s, span_str(in), &out, &e), &e);
    if (want == NULL) {
        assert_ptr_equal(out.p, in);
        assert_int_equal(out.n, strlen(in));
        return;
    }
    assert_span_str(out, want);
    first = span_dup(out);
    assert_non_null(first);
    assert_ok_err(sanitize_event(&s, span_str(first), &again, &e), &e);
    assert_ptr_equal(again.p, first);
    free(first);
}

#define DOC(node)  "{\"type\":2,\"data\":{\"node\":{\"type\":0,\"childNodes\":[" node "],\"id\":1}},\"timestamp\":1}"
#define EL(tag, attributes, children)                                                                                  \
    "{\"type\":2,\"tagName\":\"" tag "\",\"attributes\":{" attributes "},\"childNodes\":[" children "],\"id\":9}"
#define CHANGE(id, attributes)                                                                                         \
    "{\"type\":3,\"data\":{\"source\":0,\"attributes\":[{\"id\":" id ",\"attributes\":{" attributes "}}]}}"

static void elements(void **state)
{
    static const struct { const char *in, *out; } cases[] = {
        { DOC(EL("div", "\"class\":\"a\",\"title\":\"x\"", "")), NULL },
        { DOC(EL("script", "\"src\":\"x\"", "{\"type\":3,\"textContent\":\"a\",\"id\":10}")), DOC(EL("noscript", "", "{\"type\":3,\"textContent\":\"a\",\"id\":10}")) },
        { DOC(EL("SvG:ScRiPt", "", "")), DOC(EL("noscript", "", "")) },
        { DOC(EL("s\\u0063ript", "", "")), DOC(EL("noscript", "", "")) },
        { DOC(EL("toString", "", "")), DOC(EL("noscript", "", "")) },
        { DOC(EL("a b", "", "")), DOC(EL("noscript", "", "")) },
        { DOC(EL("meta", "\"charset\":\"utf-8\"", "")), NULL },
        { DOC(EL("meta", "\"content\":\"0\",\"HTTP-equiv\":\"refresh\"", "")), DOC(EL("noscript", "", "")) },
        { DOC(EL("link", "\"rel\":\"icon\",\"href\":\"/i\"", "")), DOC(EL("link", "\"rel\":\"icon\",\"rrweb-original-href\":\"/i\"", "")) },
        { DOC(EL("iframe", "\"rr_src\":\"x\",\"srcdoc\":\"x\",\"src\":\"data:image/png,\"", "")), DOC(EL("iframe", "\"rr_src\":\"x\",\"rrweb-original-src\":\"data:image/png,\"", "")) },
        /* what comes first counts: members twice, and in another order */
        { DOC("{\"tagName\":\"b\",\"type\":2,\"tagName\":\"script\",\"attributes\":{},\"attributes\":{\"src\":\"x\"},\"childNodes\":[],\"id\":9}"), DOC("{\"tagName\":\"b\",\"type\":2,\"attributes\":{},\"childNodes\":[],\"id\":9}") },
        { DOC("{\"childNodes\":[{\"type\":3,\"textContent\":\"@import 'x';\",\"id\":8}],\"id\":9,\"attributes\":{},\"tagName\":\"style\",\"type\":2}"), DOC("{\"childNodes\":[{\"type\":3,\"textContent\":\" \",\"id\":8}],\"id\":9,\"attributes\":{},\"tagName\":\"style\",\"type\":2}") },
        /* what rrweb takes for granted */
        { DOC("{\"type\":2,\"id\":9}"), DOC("{\"type\":2,\"id\":9,\"tagName\":\"noscript\",\"attributes\":{},\"childNodes\":[]}") },
        { DOC("null,{\"type\":7,\"id\":1},{\"type\":\"2\"},7"), DOC("") },
        { DOC("{\"type\":4,\"textContent\":\"x\",\"id\":3}"), DOC("{\"type\":5,\"textContent\":\"x\",\"id\":3}") },
        { DOC("{\"type\":3,\"textContent\":[\"x\"],\"id\":\"3\"}"), DOC("{\"type\":3,\"textContent\":\"\"}") },
        { "{\"type\":2,\"data\":{\"node\":" EL("img", "", "") "}}", "{\"type\":2,\"data\":{\"node\":{\"type\":0,\"childNodes\":[],\"id\":1}}}" },
        { "{\"type\":5,\"data\":{\"tag\":\"x\",\"payload\":{\"node\":" EL("script", "\"src\":\"x\"", "") "}}}", NULL },
        { "{\"type\":6,\"data\":{\"plugin\":\"x\",\"payload\":{\"source\":0}}}", NULL },
    };

    (void) state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        event(cases[i].in, cases[i].out);
}

static void attributes(void **state)
{
    static const struct { const char *tag, *in, *out; } cases[] = {
        { "a", "\"href\":\"https://x.example/\",\"onclick\":\"x\"", "\"href\":\"https://x.example/\"" },
        { "a", "\"onclick\":\"x\",\"href\":\"#x\"", "\"href\":\"#x\"" },
        { "a", "\"on\":\"x\",\"on-x\":\"y\"", NULL },
        { "a", "\"href\":\"java\\nscript:x\"", "\"href\":\"#\"" },
        { "a", "\"href\":\"\\u0001data:text/html,x\"", "\"href\":\"#\"" },
        { "img", "\"src\":\"data:image/png;base64,AA\"", NULL },
        { "img", "\"src\":\"\\u200bdata:image/png,\"", "" },
        { "img", "\"src\":\"data:image/svg+xml,x\",\"srcset\":\"x\"", "\"src\":\"data:image/svg+xml,x\"" },
        { "img", "\"src\":\"#\"", "\"rrweb-original-src\":\"#\"" },
        { "img", "\"src\":7,\"width\":7,\"x\":null,\"y\":true", "\"width\":7,\"x\":null,\"y\":true" },
        { "img", "\"title\":{\"a\":1},\"alt\":[\"b\"]", "" },
        { "img", "\"__proto__\":{\"src\":\"x\"},\"rr_dataURL\":\"//x\"", "" },
        { "use", "\"xlink:href\":\"#a\"", NULL },
        { "use", "\"xlink:href\":\"x#a\"", "\"rrweb-original-xlink:href\":\"x#a\"" },
        { "image", "\"href\":\"#a\"", "\"rrweb-original-href\":\"#a\"" },
        { "set", "\"attributeName\":\" HREF \",\"to\":\"x\"", "\"to\":\"x\"" },
        { "set", "\"attributeName\":\"fill\",\"to\":\"url(x)\"", "\"attributeName\":\"fill\",\"to\":\"url(data:,)\"" },
        { "p", "\"style\":\"a:url(\\\"x\\\");b:c\"", "\"style\":\"a:url(data:,);b:c\"" },
        { "p", "\"style\":{\"a\":\"b\"}", "" },
        { "rect", "\"fill\":\"url(#a)\",\"mask\":\"url(x#a)\"", "\"fill\":\"url(#a)\",\"mask\":\"url(data:,)\"" },
        { "style", "\"_cssText\":\"@imp/* rr_split */ort 'x';a{}\"", "\"_cssText\":\" a{}\"" },
        { "style", "\"_cssText\":\"a{}/* rr_split */b{}\"", NULL },
    };
    char in[600], out[600];

    (void) state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        (void) snprintf(in, sizeof(in), DOC(EL("%s", "%s", "")), cases[i].tag, cases[i].in);
        (void) snprintf(out, sizeof(out), DOC(EL("%s", "%s", "")), cases[i].tag, cases[i].out == NULL ? "" : cases[i].out);
        event(in, cases[i].out == NULL ? NULL : out);
    }
}

/* Later events know elements by number; a number that is not known is a plain one. */
static void numbers(void **state)
{
    (void) state;
    event(DOC("{\"type\":2,\"tagName\":\"style\",\"attributes\":{},\"childNodes\":[{\"type\":3,\"textContent\":\"\",\"id\":21}],\"id\":20},"
              "{\"type\":2,\"tagName\":\"use\",\"attributes\":{},\"childNodes\":[],\"id\":30},{\"type\":2,\"tagName\":\"iframe\",\"attributes\":{},\"childNodes\":[],\"id\":40}"), NULL);
    event(CHANGE("50", "\"href\":\"http://x\""), NULL);
    event(CHANGE("30", "\"href\":\"http://x\""), CHANGE("30", "\"href\":null,\"rrweb-original-href\":\"http://x\""));
    event(CHANGE("50", "\"src\":\"data:image/png,\""), NULL);
    event(CHANGE("40", "\"src\":\"data:image/png,\""), CHANGE("40", "\"src\":null,\"rrweb-original-src\":\"data:image/png,\""));
    event(CHANGE("5.0", "\"src\":\"x\""), "{\"type\":3,\"data\":{\"source\":0,\"attributes\":[]}}");
    event(CHANGE("50", "\"style\":{\"a\":\"url(x)\",\"b\":[\"url(x)\",\"important\"],\"c\":[[\"url(x)\"]],\"d\":false}"),
          CHANGE("50", "\"style\":{\"a\":\"url(data:,)\",\"b\":[\"url(data:,)\",\"important\"],\"c\":[\"\"],\"d\":false}"));
    event("{\"type\":3,\"data\":{\"source\":0,\"texts\":[{\"id\":50,\"value\":\"@import 'x';\"},{\"id\":21,\"value\":\"a\"}]}}",
          "{\"type\":3,\"data\":{\"source\":0,\"texts\":[{\"id\":50,\"value\":\"@import 'x';\"},{\"id\":21,\"value\":\"a/**/\"}]}}");
    /* the style that a text is added to stands behind it, and the text's own change before it */
    event("{\"type\":3,\"data\":{\"source\":0,\"texts\":[{\"id\":61,\"value\":\"url(x);\"}],\"adds\":[{\"parentId\":60,\"node\":{\"type\":3,\"textContent\":\"@import 'x';\",\"id\":61}},"
          "{\"parentId\":5,\"node\":{\"type\":2,\"tagName\":\"style\",\"attributes\":{},\"childNodes\":[],\"id\":60}}]}}",
          "{\"type\":3,\"data\":{\"source\":0,\"texts\":[{\"id\":61,\"value\":\"url(data:,);\"}],\"adds\":[{\"parentId\":60,\"node\":{\"type\":3,\"textContent\":\" \",\"id\":61}},"
          "{\"parentId\":5,\"node\":{\"type\":2,\"tagName\":\"style\",\"attributes\":{},\"childNodes\":[],\"id\":60}}]}}");
    /* a process that knows nothing: strict, until the next snapshot */
    s.state = sanitize_state_unknown();
    event(CHANGE("50", "\"href\":\"http://x\""), CHANGE("50", "\"href\":null,\"rrweb-original-href\":\"http://x\""));
    event(DOC(""), NULL);
    event(CHANGE("50", "\"href\":\"http://x\""), NULL);
}

static void other_events(void **state)
{
    static const struct { const char *in, *out; } cases[] = {
        { "\"source\":8,\"id\":1,\"adds\":[{\"rule\":\"a{b:c}\",\"index\":0}]", NULL },
        { "\"source\":8,\"adds\":[{\"rule\":\"a{b:url(x)}\"}],\"replace\":\"@import 'x';\"", "\"source\":8,\"adds\":[{\"rule\":\"a{b:url(data:,)}\"}],\"replace\":\" \"" },
        { "\"source\":13,\"set\":{\"property\":\"a\",\"value\":\"url(x)\"}", "\"source\":13,\"set\":{\"property\":\"a\",\"value\":\"url(data:,)\"}" },
        { "\"source\":13,\"set\":{\"property\":\"Behavior\",\"value\":\"x\"},\"id\":1", "\"source\":13,\"id\":1" },
        { "\"source\":15,\"styles\":[{\"rules\":[{\"rule\":\"a{b:src('x')}\"}]}]", "\"source\":15,\"styles\":[{\"rules\":[{\"rule\":\"a{b:url(data:,)}\"}]}]" },
        { "\"source\":10,\"fontSource\":\"url(x)\",\"buffer\":false", "\"source\":10,\"fontSource\":\"url(data:,)\",\"buffer\":false" },
        { "\"source\":10,\"fontSource\":\"[1,2]\",\"buffer\":true", NULL },
        { "\"source\":10,\"fontSource\":\"4e9\",\"buffer\":true", "\"source\":10,\"fontSource\":\"[]\",\"buffer\":true" },
        { "\"source\":9,\"commands\":[{\"args\":[{\"src\":\"http://x\"},{\"src\":\"data:image/png,\"}]}]", "\"source\":9,\"commands\":[{\"args\":[{\"src\":\"\"},{\"src\":\"data:image/png,\"}]}]" },
        { "\"source\":0.0,\"attributes\":[{\"id\":1,\"attributes\":{\"onload\":\"x\"}}]", "\"attributes\":[{\"id\":1,\"attributes\":{\"onload\":\"x\"}}]" },
        { "\"source\":0,\"adds\":[],\"adds\":[{\"node\":{\"type\":2,\"tagName\":\"b\",\"attributes\":{\"onload\":\"x\"},\"childNodes\":[]}}]", "\"source\":0,\"adds\":[{\"node\":{\"type\":2,\"tagName\":\"b\",\"attributes\":{},\"childNodes\":[]}}]" },
        { "\"source\":1,\"positions\":[{\"x\":1}]", NULL },
        { "\"source\":5,\"id\":1,\"text\":\"@import url(x)\"", NULL },
    };
    char in[600], out[600];

    (void) state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        (void) snprintf(in, sizeof(in), "{\"type\":3,\"data\":{%s},\"timestamp\":5}", cases[i].in);
        (void) snprintf(out, sizeof(out), "{\"type\":3,\"data\":{%s},\"timestamp\":5}", cases[i].out == NULL ? "" : cases[i].out);
        event(in, cases[i].out == NULL ? NULL : out);
    }
    event("{\"type\":3,\"data\":{\"source\":8,\"replace\":\"url(x)\"},\"data\":{\"source\":1}}", "{\"type\":3,\"data\":{\"source\":1}}");
}

static void css(void **state)
{
    static const struct { const char *in, *out; } cases[] = {
        { "a{b:c}", NULL },
        { "a{b:'url(x)';/* @import 'x' */c:url(data:font/woff2,x)}", NULL },
        { "@import url(x;y);a{}", " a{}" },
        { "@media x{@import 'y'}b{}", "@media x{ }b{}" },
        { "@im@import x;port 'y';", "@im port 'y';" },
        { "a{b:u\\72 l(x)}", "a{b:url(data:,)}" },
        { "a{b:url(\"data:,\" \")\" );}@import \"x\";\"", "a{b:url(\"data:,\" \")\" );} \"" },
        { "a{b:url(x", "a{b:url(data:,)" },
        { "a{b:-x-image-set('y' 1x,url(z))}", "a{b:url(data:,)}" },
        { "@namespace svg url(http://x);", NULL },
        { "a{behavior:url(#d);-moz-binding:x}", "a{  }" },
        { "a{scroll-behavior:smooth()}", NULL },
        { "a{b:expression(c(d))}", "a{b:none}" },
        { "<!--@import 'x';-->url(y)", "<!-- -->url(data:,)" },
    };
    struct buf out = BUF_INIT(1 << 20);

    (void) state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        bool changed = sanitize_css(span_str(cases[i].in), &out);

        assert_int_equal(changed, cases[i].out != NULL);
        if (changed)
            assert_span_str(buf_span(&out), cases[i].out);
    }
    buf_deinit(&out);
}

/* n nodes, m levels, in one snapshot. */
static void snapshot(struct buf *b, size_t n, size_t levels)
{
    buf_reset(b);
    buf_add_str(b, "{\"type\":2,\"data\":{\"node\":{\"type\":0,\"childNodes\":[");
    for (size_t i = 0; i < levels; i++)
        buf_add_str(b, "{\"type\":2,\"tagName\":\"b\",\"attributes\":{},\"childNodes\":[");
    for (size_t i = 0; i < n; i++)
        buf_add_str(b, i == 0 ? "{\"type\":3}" : ",{\"type\":3}");
    for (size_t i = 0; i < levels; i++)
        buf_add_str(b, "]}");
    buf_add_str(b, "]}}}");
}

static void limits(void **state)
{
    struct buf b = BUF_INIT(64u << 20), before;
    struct span out;
    struct err_info e;

    (void) state;
    before = BUF_INIT(sizeof(s.state));
    event(DOC(EL("style", "", "")), NULL);
    buf_add(&before, &s.state, sizeof(s.state));
    snapshot(&b, SANITIZE_NODES_MAX - 1, 0);
    assert_ok_err(sanitize_event(&s, buf_span(&b), &out, &e), &e);
    event(DOC(EL("style", "", "")), NULL);
    snapshot(&b, SANITIZE_NODES_MAX, 0);
    assert_err(sanitize_event(&s, buf_span(&b), &out, &e), ERR_LIMIT);
    assert_string_equal(e.text, "dom-nodes");
    assert_memory_equal(before.p, &s.state, sizeof(s.state)); /* as it was */
    snapshot(&b, 1, SANITIZE_DEPTH_MAX - 1);
    assert_ok_err(sanitize_event(&s, buf_span(&b), &out, &e), &e);
    snapshot(&b, 1, SANITIZE_DEPTH_MAX);
    assert_err(sanitize_event(&s, buf_span(&b), &out, &e), ERR_LIMIT);
    assert_string_equal(e.text, "dom-depth");
    buf_deinit(&b);
    buf_deinit(&before);
}

static void long_texts(void **state)
{
    struct buf b = BUF_INIT(64u << 20);
    struct json_limits any = json_limits_event();
    struct json_error je;
    struct span out;
    struct err_info e;

    (void) state;
    for (size_t tail = 0; tail < 14; tail++) { /* cut at every place of an escape and of a character */
        buf_reset(&b);
        buf_add_str(&b, "{\"type\":2,\"data\":{\"node\":{\"type\":0,\"childNodes\":[{\"type\":3,\"textContent\":\"");
        for (size_t i = 0; i < SANITIZE_TEXT_MAX - 3 - tail; i++)
            buf_add_c(&b, 'x');
        for (size_t i = 0; i < 20; i++)
            buf_add_str(&b, "\\ud83d\\ude00\\\\\xf0\x9f\x98\x80");
        buf_add_str(&b, "\",\"id\":3}]}}}");
        assert_ok_err(sanitize_event(&s, buf_span(&b), &out, &e), &e);
        assert_true(out.n < b.n && out.n <= SANITIZE_TEXT_MAX + 200);
        assert_true(json_check(out, &any, &je));
    }
    buf_deinit(&b);
}

/* A small ceiling: refused, and no worse. */
static void too_large(void **state)
{
    struct sanitize small;
    struct span out;
    struct err_info e;

    (void) state;
    sanitize_init(&small, 120);
    assert_err(sanitize_event(&small, SPAN(DOC(EL("img", "\"src\":\"1\",\"poster\":\"2\",\"background\":\"3\"", ""))), &out, &e), ERR_LIMIT);
    assert_string_equal(e.text, "event-too-large");
    sanitize_deinit(&small);
    assert_err(sanitize_event(&s, SPAN("{\"type\":2.0,\"data\":{}}"), &out, &e), ERR_INVAL);
}

/* Both lines of the page's last block. */
static void the_documents_example(void **state)
{
    struct span in, want, rest;
    struct buf doc;
    const char *at;

    (void) state;
    test_read_file(test_source("docs/formats/sanitize.md"), &doc);
    at = strstr(buf_cstr(&doc), "## Example");
    assert_non_null(at);
    at = strstr(at, "```\n");
    assert_non_null(at);
    rest = span_str(at + 4);
    assert_true(span_cut(rest, '\n', &in, &rest) && span_cut(rest, '\n', &want, &rest));
    {
        struct span out;

        assert_ok(sanitize_event(&s, in, &out, NULL));
        assert_span_eq(out, want);
    }
    buf_deinit(&doc);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(elements, setup, teardown),
        cmocka_unit_test_setup_teardown(attributes, setup, teardown),
        cmocka_unit_test_setup_teardown(numbers, setup, teardown),
        cmocka_unit_test_setup_teardown(other_events, setup, teardown),
        cmocka_unit_test_setup_teardown(css, setup, teardown),
        cmocka_unit_test_setup_teardown(limits, setup, teardown),
        cmocka_unit_test_setup_teardown(long_texts, setup, teardown),
        cmocka_unit_test_setup_teardown(too_large, setup, teardown),
        cmocka_unit_test_setup_teardown(the_documents_example, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
