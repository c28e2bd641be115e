/* What a connection has to send: exact bytes, and cutting at every byte. */
#include "test.h"

#include <stdlib.h>

#include "net/out.h"

static void drain(struct out *o, struct buf *b, size_t n)
{
    uint8_t scratch[4096];
    struct span s = out_gather(o, scratch, n < sizeof(scratch) ? n : sizeof(scratch));

    buf_add_span(b, s);
    out_sent(o, s.n);
}

static void drain_all(struct out *o, struct buf *b)
{
    while (o->n > 0)
        drain(o, b, 4096);
}

static int n_released;

static void release(void *arg)
{
    n_released += *(int *) arg;
}

static void pieces_come_out_as_they_went_in(void **state)
{
    static const char want[] = "head3\r\nabc\r\n1\r\nd\r\nlent0\r\n\r\n";
    struct iovec iov[2];
    int one = 1;

    (void) state;
    for (size_t step = 1; step < sizeof(want); step++) {
        struct out o;
        struct buf b = BUF_INIT(4096);

        n_released = 0;
        out_init(&o);
        assert_true(out_add_keep(&o, SPAN("head")));
        assert_true(out_add_chunks(&o, SPAN("abc")));
        assert_true(out_add_chunks(&o, SPAN("d")));
        assert_true(out_add_ref(&o, SPAN("lent"), release, &one));
        assert_true(out_add_end(&o));
        assert_int_equal(o.n, sizeof(want) - 1);
        assert_int_equal(out_peek(&o, iov, 2), 2);
        assert_span_str(span_of(iov[1].iov_base, iov[1].iov_len), "3\r\nabc\r\n");
        while (o.n > 0)
            drain(&o, &b, step);
        assert_span_str(buf_span(&b), want);
        assert_int_equal(n_released, 1);
        out_deinit(&o);
        buf_deinit(&b);
    }
}

static void long_content_is_split_into_chunks(void **state)
{
    struct out o;
    struct buf b = BUF_INIT(1u << 20);
    uint8_t *big = calloc(1, OUT_CHUNK_MAX + 1);

    (void) state;
    out_init(&o);
    assert_true(out_add_chunks(&o, span_of(big, OUT_CHUNK_MAX + 1)));
    drain_all(&o, &b);
    assert_int_equal(b.n, 4 + 2 + OUT_CHUNK_MAX + 2 + 3 + 1 + 2);
    assert_memory_equal(b.p, "4000\r\n", 6);
    assert_memory_equal(b.p + 6 + OUT_CHUNK_MAX, "\r\n1\r\n\0\r\n", 8);
    free(big);
    buf_deinit(&b);
}

/* For each number of bytes that were sent and each that were encrypted when the cut came. */
static void chunked_content_is_cut_at_every_byte(void **state)
{
    static const char whole[] = "HD5\r\nabcde\r\n3\r\nfgh\r\n0\r\n\r\n"; /* frames end at 2, 12, 20, 25 */

    (void) state;
    for (int ended = 0; ended < 2; ended++) {
        size_t all = ended ? 25 : 20;

        for (size_t sent = 0; sent <= all; sent++) {
            for (size_t committed = 0; committed <= all - sent && committed < 8; committed++) {
                struct out o;
                struct buf b = BUF_INIT(4096);
                size_t at = sent + committed;
                char want[64] = { 0 };
                size_t n = at <= 2 ? 2 : at <= 12 ? 12 : at <= 20 ? 20 : 25;
                enum out_cut r;

                out_init(&o);
                (void) out_add_keep(&o, SPAN("HD"));
                (void) out_add_chunks(&o, SPAN("abcde"));
                (void) out_add_chunks(&o, SPAN("fgh"));
                if (ended)
                    (void) out_add_end(&o);
                if (sent > 0)
                    drain(&o, &b, sent);
                r = out_cut(&o, committed, ended);
                assert_int_equal(r, ended && at > 20 ? OUT_CUT_ENDED : ended && sent == 25 ? OUT_CUT_ENDED : OUT_CUT_OPEN);
                drain_all(&o, &b);
                memcpy(want, whole, n);
                for (size_t i = at; i < n; i++) { /* content not out yet is line feeds, framing stays */
                    if (want[i] >= 'a' && want[i] <= 'h')
                        want[i] = '\n';
                }
                assert_span_eq(buf_span(&b), span_of(want, n));
                out_deinit(&o);
                buf_deinit(&b);
            }
        }
    }
}

static void plain_content_is_cut_and_released(void **state)
{
    int one = 1;

    (void) state;
    for (size_t sent = 0; sent <= 10; sent++) {
        struct out o;
        struct buf b = BUF_INIT(4096);
        enum out_cut r;

        n_released = 0;
        out_init(&o);
        (void) out_add_keep(&o, SPAN("HD"));
        (void) out_add_ref(&o, SPAN("abcd"), release, &one);
        (void) out_add_copy(&o, SPAN("efgh"));
        if (sent > 0)
            drain(&o, &b, sent);
        r = out_cut(&o, sent < 10 ? 1 : 0, true);
        assert_int_equal(r, sent == 10 ? OUT_CUT_ENDED : OUT_CUT_BROKEN);
        drain_all(&o, &b);
        assert_int_equal(n_released, 1);
        assert_span_eq(buf_span(&b), span_of("HDabcdefgh", sent < 2 ? 2 : sent < 10 ? sent + 1 : 10));
        out_deinit(&o);
        buf_deinit(&b);
    }
}

static void dropping_releases(void **state)
{
    struct out o;
    int one = 1;

    (void) state;
    n_released = 0;
    out_init(&o);
    (void) out_add_ref(&o, SPAN("abcd"), release, &one);
    (void) out_add_ref(&o, SPAN_EMPTY, release, &one); /* nothing to send: at once */
    assert_int_equal(n_released, 1);
    out_deinit(&o);
    assert_int_equal(n_released, 2);
    assert_int_equal(o.n, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pieces_come_out_as_they_went_in),
        cmocka_unit_test(long_content_is_split_into_chunks),
        cmocka_unit_test(chunked_content_is_cut_at_every_byte),
        cmocka_unit_test(plain_content_is_cut_and_released),
        cmocka_unit_test(dropping_releases),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
