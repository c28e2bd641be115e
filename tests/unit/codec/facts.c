/* What is noted of events: tables of events and what they make. Times in s in the tables. */
#include "test.h"

#include <stdio.h>

#include "codec/facts.h"
#include "codec/json.h"
#include "codec/rrweb.h"

struct world {
    struct facts f;
    struct facts_clickable *c;
    struct facts_notes n;
    uint64_t seq;
};

static void begin(struct world *w, bool terminal)
{
    *w = (struct world){ .f = facts_begin(terminal, 0), .c = terminal ? NULL : facts_clickable_new() };
    facts_notes_init(&w->n);
}

static void end(struct world *w)
{
    facts_clickable_free(w->c);
    facts_notes_deinit(&w->n);
}

static void page(struct world *w, double t, const char *json)
{
    struct json_value v = json_value(span_str(json)), type, data, source;
    struct facts_in in = { w->seq++, (time_us) (t * 1e6), span_str(json), 0, -1 };
    int64_t n;

    assert_true(json_check(span_str(json), &(struct json_limits){ 1 << 20, 100, 1 << 20, 1 << 20, true, true, false, { 0 } }, NULL));
    assert_true(json_find(v, "type", &type) && json_int(type.raw, &n));
    in.type = (int) n;
    if (in.type == RRWEB_INCREMENTAL && json_find(v, "data", &data) && json_find(data, "source", &source) &&
        json_int(source.raw, &n))
        in.source = (int) n;
    assert_true(facts_event(&w->f, w->c, &w->n, &in));
}

static void term(struct world *w, double t, char code, const char *json)
{
    assert_true(facts_event(&w->f, NULL, &w->n, &(struct facts_in){ w->seq++, (time_us) (t * 1e6), span_str(json), code, -1 }));
}

/* "kind seq ms value text; …" of all that is listed. */
static void assert_notes(const struct world *w, const char *want)
{
    struct buf got = BUF_INIT(1 << 20);

    for (uint32_t i = 0; i < w->n.n; i++) {
        const struct fact *f = &w->n.list[i];

        buf_addf(&got, "%s%d %llu %lld %llu ", i == 0 ? "" : "; ", (int) f->kind, (unsigned long long) f->seq,
                 (long long) f->time / 1000, (unsigned long long) f->value);
        buf_add_span(&got, facts_text(&w->n, f));
    }
    assert_span_str(buf_span(&got), want);
    buf_deinit(&got);
}

#define SNAPSHOT                                                                                                       \
    "{\"type\":2,\"data\":{\"node\":{\"type\":0,\"childNodes\":[{\"type\":2,\"tagName\":\"html\",\"attributes\":{},\"childNodes\":[" \
    "{\"type\":2,\"tagName\":\"button\",\"attributes\":{\"id\":\"12\"},\"childNodes\":[{\"type\":3,\"textContent\":\"{\\\"id\\\":9\",\"id\":5}],\"id\":4}," \
    "{\"type\":2,\"tagName\":\"div\",\"attributes\":{\"role\":\"button\"},\"childNodes\":[],\"id\":6},"                  \
    "{\"type\":2,\"tagName\":\"p\",\"attributes\":{},\"childNodes\":[],\"id\":7}],\"id\":3}],\"id\":1}}}"
#define CLICK(id, x, y) "{\"type\":3,\"data\":{\"source\":2,\"type\":2,\"id\":" #id ",\"x\":" #x ",\"y\":" #y "}}"
#define MUTATION "{\"type\":3,\"data\":{\"source\":0,\"texts\":[],\"attributes\":[],\"removes\":[],\"adds\":[]}}"
#define MOVE "{\"type\":3,\"data\":{\"source\":1,\"positions\":[]}}"
#define META(href, w, h) "{\"type\":4,\"data\":{\"href\":\"" href "\",\"width\":" #w ",\"height\":" #h "}}"

static void pages_and_sizes(void **state)
{
    struct world w;

    (void) state;
    begin(&w, false);
    page(&w, 0, META("http://a/1", 100, 50));
    page(&w, 1, META("http://a/1", 100, 50)); /* a checkout */
    page(&w, 2, META("http://a/1", 120, 50)); /* one after the window changed */
    page(&w, 3, "{\"type\":3,\"data\":{\"source\":4,\"width\":130,\"height\":50}}");
    page(&w, 4, META("http://a/2\\u00e9", 130, 50));
    page(&w, 5, "{\"type\":5,\"data\":{\"tag\":\"$pageview\",\"payload\":{\"href\":\"http://a/3\"}}}");
    page(&w, 6, "{\"type\":5,\"data\":{\"tag\":\"breadcrumb\",\"payload\":{\"category\":\"navigation\",\"data\":{\"from\":\"x\",\"to\":\"/4\"}}}}");
    page(&w, 7, "{\"type\":5,\"data\":{\"tag\":\"performanceSpan\",\"payload\":{\"op\":\"navigation.push\",\"description\":\"/5\"}}}");
    assert_notes(&w, "1 0 0 214748364900 http://a/1; 6 2 2000 214748364920 ; 6 3 3000 214748364930 ; 1 4 4000 214748364930 http://a/2\xc3\xa9; "
                     "1 5 5000 214748364930 http://a/3; 1 6 6000 214748364930 /4; 1 7 7000 214748364930 /5");
    assert_int_equal(w.n.counts.of[FACT_PAGE], 5);
    assert_int_equal(w.n.counts.of[FACT_RESIZE], 2);
    end(&w);
}

static void clicks(void **state)
{
    struct world w;

    (void) state;
    begin(&w, false);
    page(&w, 0, CLICK(4, 1, 1)); /* no snapshot yet: nobody knows whether it can be clicked */
    page(&w, 4, SNAPSHOT);
    page(&w, 5, CLICK(5, 10, 10)); /* inside the button; the page answers */
    page(&w, 8, MUTATION);
    page(&w, 9, CLICK(6, 200, 10)); /* a role; nothing happens for 3 s and 1 µs */
    page(&w, 12, MOVE);
    page(&w, 12.000001, MOVE);
    page(&w, 13, CLICK(7, 300, 10)); /* text: nothing has to happen */
    page(&w, 17, MOVE);
    page(&w, 18, "{\"type\":3,\"data\":{\"source\":0,\"adds\":[{\"parentId\":7,\"node\":{\"type\":2,\"tagName\":\"A\",\"attributes\":{},\"childNodes\":[],\"id\":20}},"
                 "{\"parentId\":4,\"node\":{\"type\":2,\"tagName\":\"i\",\"attributes\":{},\"childNodes\":[],\"id\":21}}]}}");
    page(&w, 19, CLICK(20, 10, 100)); /* a link that came later, and something that came into the button */
    page(&w, 20, CLICK(21, 10, 200));
    page(&w, 24, MOVE);
    assert_notes(&w, "5 4 9000 0 ; 5 10 19000 0 ; 5 11 20000 0 ");
    assert_int_equal(w.n.counts.clicks, 6);
    end(&w);
    /* rage: exactly a second apart is near enough, and so are 30 px */
    begin(&w, false);
    page(&w, 1, CLICK(7, 10, 10));
    page(&w, 2, CLICK(8, 40, 10));
    page(&w, 3.000001, CLICK(8, 40, 10)); /* too late: begins anew */
    page(&w, 3.1, CLICK(9, 40, 41));      /* 31 px, another element: anew */
    page(&w, 3.2, CLICK(9, 500, 500));    /* the same element */
    page(&w, 3.3, CLICK(10, 500, 500));
    page(&w, 3.4, CLICK(10, 500, 500));
    page(&w, 3.5, "{\"type\":3,\"data\":{\"source\":2,\"type\":4,\"id\":10,\"x\":500,\"y\":500}}"); /* a double click was two */
    page(&w, 8, CLICK(7, 0, 0));
    assert_notes(&w, "4 3 3100 4 ");
    assert_int_equal(w.n.counts.of[FACT_RAGE], 1);
    assert_int_equal(w.n.counts.clicks, 8);
    end(&w);
}

static void what_pages_say(void **state)
{
    static const struct {
        const char *event, *want;
    } cases[] = {
        { "{\"type\":6,\"data\":{\"plugin\":\"rrweb/console@1\",\"payload\":{\"level\":\"error\",\"trace\":[],\"payload\":[\"\\\"Type\\u00e9\\\"\",\"{\\\"a\\\":1}\"]}}}",
          "2 0 1000 0 Type\xc3\xa9 {\"a\":1}" },
        { "{\"type\":6,\"data\":{\"plugin\":\"rrweb/console@1\",\"payload\":{\"level\":\"assert\",\"payload\":[]}}}", "2 0 1000 0 " },
        { "{\"type\":6,\"data\":{\"plugin\":\"rrweb/console@1\",\"payload\":{\"level\":\"warn\",\"payload\":[\"x\"]}}}", "" },
        { "{\"type\":6,\"data\":{\"plugin\":\"rrweb/network@1\",\"payload\":{\"requests\":[{\"method\":\"GET\",\"url\":\"/ok\",\"status\":204},"
          "{\"method\":\"POST\",\"url\":\"/no\",\"status\":500},{\"name\":\"/t\",\"responseStatus\":404},{\"url\":\"/cut\",\"status\":0},{\"name\":\"/unknown\"}]}}}",
          "3 0 1000 500 POST /no; 3 0 1000 404 /t; 3 0 1000 0 /cut" },
        { "{\"type\":5,\"data\":{\"tag\":\"breadcrumb\",\"payload\":{\"category\":\"console\",\"level\":\"error\",\"message\":\"m\"}}}", "2 0 1000 0 m" },
        { "{\"type\":5,\"data\":{\"tag\":\"breadcrumb\",\"payload\":{\"category\":\"ui.click\",\"message\":\"m\"}}}", "" },
        { "{\"type\":5,\"data\":{\"tag\":\"performanceSpan\",\"payload\":{\"op\":\"resource.fetch\",\"description\":\"/x\",\"data\":{\"statusCode\":403}}}}",
          "3 0 1000 403 /x" },
        { "{\"type\":5,\"data\":{\"tag\":\"boom\",\"payload\":{\"level\":\"fatal\"}}}", "2 0 1000 0 boom" },
        { "{\"type\":5,\"data\":{\"tag\":\"cart\",\"payload\":{\"n\":1}}}", "" },
        { "{\"type\":5,\"data\":{\"tag\":\"cart\",\"payload\":\"s\"}}", "" },
        { "{\"type\":6,\"data\":7}", "" },
        { "{\"type\":3,\"data\":{\"source\":2}}", "" },
        { "{\"type\":4}", "" },
    };

    (void) state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct world w;

        begin(&w, false);
        page(&w, 1, cases[i].event);
        assert_notes(&w, cases[i].want);
        end(&w);
    }
}

static void marks(void **state)
{
    static const struct {
        const char *event, *want;
    } cases[] = {
        { "{\"type\":5,\"data\":{\"tag\":\"checkout\",\"payload\":{\"cart\":7}}}", "checkout" },
        { "{\"type\":5,\"data\":{\"tag\":\"checkout\",\"payload\":{\"message\":\"cart 7\"}}}", "checkout: cart 7" },
        { "{\"type\":5,\"data\":{\"tag\":\"checkout\",\"payload\":\"cart 7\"}}", "checkout: cart 7" },
        { "{\"type\":5,\"data\":{\"tag\":\"$pageview\",\"payload\":{}}}", NULL },
        { "{\"type\":5,\"data\":{\"tag\":\"breadcrumb\",\"payload\":{}}}", NULL },
        { "{\"type\":5,\"data\":{\"tag\":\"\"}}", NULL },
        { "{\"type\":5}", NULL },
        { "{\"type\":6,\"data\":{\"tag\":\"checkout\"}}", NULL },
    };

    (void) state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct buf label = BUF_INIT(200);
        const struct facts_in in = { 0, 0, span_str(cases[i].event), cases[i].event[8] - '0', -1 };

        assert_int_equal(facts_mark(&in, &label), cases[i].want != NULL);
        if (cases[i].want != NULL)
            assert_span_str(buf_span(&label), cases[i].want);
        buf_deinit(&label);
    }
}

static void idle(void **state)
{
    struct world w;

    (void) state;
    begin(&w, false);
    page(&w, 0, MOVE);
    page(&w, 10, MOVE); /* exactly the limit */
    page(&w, 15, MUTATION); /* by itself */
    page(&w, 20.000001, MOVE);
    assert_notes(&w, "7 3 10000 10000001 ");
    assert_int_equal(w.n.active, 20000001);
    end(&w);
    begin(&w, true);
    term(&w, 5, 'o', "[5,\"o\",\"x\"]");
    term(&w, 10, 'i', "[10,\"i\",\"x\"]");
    term(&w, 14, 'm', "[14,\"m\",\"x\"]"); /* nobody did anything */
    term(&w, 16, 'r', "[16,\"r\",\"100x30\"]");
    term(&w, 16, 'r', "[16,\"r\",\"100x30\"]");
    term(&w, 17, 'r', "[17,\"r\",\"oops\"]");
    assert_notes(&w, "6 3 16000 128849018980 ; 7 3 10000 6000000 ");
    assert_int_equal(w.n.counts.inputs, 1);
    end(&w);
    w.f = facts_begin(true, 7000000); /* another process recorded before: no idle span is made of what is not known */
    facts_notes_init(&w.n);
    term(&w, 8, 'o', "[8,\"o\",\"x\"]");
    assert_int_equal(w.n.n, 0);
    facts_notes_deinit(&w.n);
}

static uint64_t sum(const struct facts_notes *n)
{
    uint64_t s = 0;

    for (uint32_t i = 0; i < n->n_bins; i++)
        s += n->bins[i];
    return s;
}

static void activity(void **state)
{
    struct facts_notes n, m;

    (void) state;
    facts_notes_init(&n);
    facts_bin(&n, 3 * FACTS_BIN_US + 1, 1);
    assert_true(n.bins_from == 3 * FACTS_BIN_US && n.n_bins == 1 && n.bins[0] == 1);
    facts_bin(&n, 1026 * (time_us) FACTS_BIN_US, 2); /* the last one that fits */
    assert_true(n.bin == FACTS_BIN_US && n.n_bins == FACTS_BINS && n.bins[FACTS_BINS - 1] == 2);
    facts_bin(&n, 1027 * (time_us) FACTS_BIN_US, 4); /* twice as wide, from a multiple of that */
    assert_true(n.bin == 2 * FACTS_BIN_US && n.bins_from == 2 * FACTS_BIN_US && n.n_bins == 513);
    assert_true(n.bins[0] == 1 && n.bins[512] == 6);
    facts_bin(&n, 0, 1); /* before the first: counted there */
    assert_int_equal(n.bins[0], 2);
    facts_bin(&n, INT64_C(1) << 53, 1);
    assert_int_equal(sum(&n), 9);
    assert_true(n.bins_from % n.bin == 0 && n.n_bins <= FACTS_BINS);
    facts_bin(&n, 0, UINT32_MAX); /* does not run over */
    assert_int_equal(n.bins[0], UINT32_MAX);
    facts_notes_deinit(&n);
    /* joining: the wider bins win, nothing is lost */
    facts_notes_init(&n);
    facts_notes_init(&m);
    for (int i = 0; i < 100; i++)
        facts_bin(&n, i * 100000, 1);
    for (int i = 0; i < 3000; i++)
        facts_bin(&m, 10000000 + i * (time_us) 200000, 1);
    assert_true(facts_add(&m, &(struct fact){ .kind = FACT_ERROR, .seq = 3, .time = 4 }, SPAN("text")));
    m.active = 77;
    m.counts.clicks = 5;
    assert_true(facts_join(&n, &m));
    assert_int_equal(sum(&n), 3100);
    assert_true(n.bin == m.bin && n.active == 77 && n.counts.clicks == 5 && n.counts.of[FACT_ERROR] == 1 && n.n == 1);
    assert_span_str(facts_text(&n, &n.list[0]), "text");
    facts_notes_deinit(&n);
    facts_notes_deinit(&m);
}

/* Counts of a file that somebody made up: they stay at the largest number, and what is stored can be read again. */
static void counts_do_not_run_over(void **state)
{
    struct facts_notes n, m;

    (void) state;
    facts_notes_init(&n);
    facts_notes_init(&m);
    memset(&n.counts, 0xff, sizeof(n.counts));
    memset(&m.counts, 0xff, sizeof(m.counts));
    assert_true(facts_join(&n, &m));
    assert_memory_equal(&n.counts, &m.counts, sizeof(n.counts));
    assert_true(facts_add(&n, &(struct fact){ .kind = FACT_ERROR }, SPAN("late")));
    assert_memory_equal(&n.counts, &m.counts, sizeof(n.counts));
    facts_bin(&n, 0, UINT32_MAX);
    facts_bin(&n, FACTS_BIN_US, 5);
    facts_bin(&n, (FACTS_BINS + 1) * (time_us) FACTS_BIN_US, 1); /* the first two become one */
    assert_int_equal(n.bins[0], UINT32_MAX);
    facts_notes_deinit(&n);
    facts_notes_deinit(&m);
}

static void limits(void **state)
{
    struct facts_notes n, m;
    char long_text[300];

    (void) state;
    facts_notes_init(&n);
    facts_notes_init(&m);
    memset(long_text, 'x', sizeof(long_text));
    memcpy(long_text + 199, "\xc3\xa9", 2); /* the cut falls into a character */
    for (int i = 0; i < FACTS_LISTED_MAX + 3; i++)
        assert_true(facts_add(&n, &(struct fact){ .kind = FACT_ERROR, .seq = (uint64_t) i }, SPAN_OF(long_text)));
    assert_true(facts_add(&n, &(struct fact){ .kind = FACT_PAGE }, SPAN("p")));
    assert_int_equal(n.n, FACTS_LISTED_MAX + 1);
    assert_int_equal(n.counts.of[FACT_ERROR], FACTS_LISTED_MAX + 3);
    assert_int_equal(facts_text(&n, &n.list[0]).n, 199);
    assert_true(facts_join(&m, &n) && facts_join(&m, &n));
    assert_int_equal(m.n, FACTS_LISTED_MAX + 2); /* both pages */
    assert_int_equal(m.counts.of[FACT_ERROR], 2 * (FACTS_LISTED_MAX + 3));
    facts_notes_deinit(&n);
    facts_notes_deinit(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pages_and_sizes), cmocka_unit_test(clicks),   cmocka_unit_test(what_pages_say),
        cmocka_unit_test(marks),           cmocka_unit_test(idle),     cmocka_unit_test(activity),
        cmocka_unit_test(limits),          cmocka_unit_test(counts_do_not_run_over),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
