/* Server-sent events: the examples of the standard, every cut, limits. */
#include "test.h"

#include "cli/sse.h"

/* Events as "name|id|data\n" with line feeds in data as '/'. */
static void collect(struct sse *s, struct buf *out)
{
    struct sse_event e;

    while (sse_next(s, &e)) {
        buf_addf(out, SPAN_FMT "|%s" SPAN_FMT "|", SPAN_ARG(e.name), e.has_id ? "!" : "", SPAN_ARG(e.id));
        for (size_t i = 0; i < e.data.n; i++)
            buf_add_c(out, e.data.p[i] == '\n' ? '/' : (char) e.data.p[i]);
        buf_add_c(out, '\n');
    }
}

static const struct {
    const char *in, *want;
} table[] = {
    { "data: YHOO\ndata: +2\ndata: 10\n\n", "||YHOO/+2/10\n" },
    { ": test stream\n\ndata: first event\nid: 1\n\ndata:second event\nid\n\ndata:  third event\n\n",
      "|!1|first event\n|!|second event\n|| third event\n" },
    { "data\n\ndata\ndata\n\ndata:", "||\n||/\n" }, /* the last one never ended */
    { "data:test\n\ndata: test\n\n", "||test\n||test\n" },
    { "event: add\ndata: 73857293\n\nevent: remove\ndata: 2153\n\nevent: none\n\ndata: x\n\n",
      "add||73857293\nremove||2153\n||x\n" },
    { "\xef\xbb\xbf" "data: a\r\ndata: b\r\n\r\ndata: c\r\rdata: d\n\n", "||a/b\n||c\n||d\n" },
    { "retry: 2000\n\nevent: from\ndata: {\"seq\":0}\n\nid: 7\ndata: [1]\n\n:\n\nid: 8\ndata: [2]\n\n",
      "from||{\"seq\":0}\n|!7|[1]\n|!8|[2]\n" },
    { "foo: bar\ndata: x\nDATA: y\n\n", "||x\n" },
    { "id: 5\ndata: a\n\ndata: b\n\n", "|!5|a\n|5|b\n" },
    { "data: no end\n", "" },
    { "\n\n\n", "" },
};

static void examples(void **state)
{
    (void) state;
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        struct span in = span_str(table[i].in);

        for (size_t cut = 0; cut <= in.n; cut++) {
            struct buf got = BUF_INIT(10000);
            struct sse s;

            sse_init(&s, 10000);
            assert_true(sse_feed(&s, span_sub(in, 0, cut)));
            collect(&s, &got);
            assert_true(sse_feed(&s, span_sub(in, cut, in.n)));
            collect(&s, &got);
            assert_span_str(buf_span(&got), table[i].want);
            sse_deinit(&s);
            buf_deinit(&got);
        }
    }
}

static void byte_by_byte(void **state)
{
    (void) state;
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        struct span in = span_str(table[i].in);
        struct buf got = BUF_INIT(10000);
        struct sse s;

        sse_init(&s, 10000);
        for (size_t at = 0; at < in.n; at++) {
            assert_true(sse_feed(&s, span_sub(in, at, 1)));
            collect(&s, &got);
        }
        assert_span_str(buf_span(&got), table[i].want);
        sse_deinit(&s);
        buf_deinit(&got);
    }
}

static void limits(void **state)
{
    struct sse_event e;
    struct sse s;

    (void) state;
    sse_init(&s, 20);
    assert_true(sse_feed(&s, SPAN("data: 0123456789012"))); /* 19 */
    assert_false(sse_next(&s, &e));
    assert_false(sse_feed(&s, SPAN("xx")));
    assert_false(sse_next(&s, &e));
    sse_deinit(&s);

    sse_init(&s, 20);
    assert_true(sse_feed(&s, SPAN("data: 01234567\n")));
    assert_false(sse_next(&s, &e));
    assert_true(sse_feed(&s, SPAN("data: 01234567\n")));
    assert_false(sse_next(&s, &e));
    assert_true(sse_feed(&s, SPAN("data: 01234567\n\n"))); /* 26 bytes of data in all */
    assert_false(sse_next(&s, &e));
    assert_true(s.failed);
    sse_deinit(&s);
}

static void restart_keeps_the_id(void **state)
{
    struct buf got = BUF_INIT(1000);
    struct sse s;

    (void) state;
    sse_init(&s, 1000);
    assert_true(sse_feed(&s, SPAN("retry: 2000\nid: 41\ndata: a\n\ndata: half")));
    collect(&s, &got);
    sse_restart(&s);
    assert_int_equal(s.retry_ms, 2000);
    assert_true(sse_feed(&s, SPAN("data: b\n\n")));
    collect(&s, &got);
    assert_span_str(buf_span(&got), "|!41|a\n|41|b\n");
    sse_deinit(&s);
    buf_deinit(&got);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(examples),
        cmocka_unit_test(byte_by_byte),
        cmocka_unit_test(limits),
        cmocka_unit_test(restart_keeps_the_id),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
