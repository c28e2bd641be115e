/* The box of events: numbers, batches, confirmation, memory and spool, and what happens when it is full. */
#include "test.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "cli/rec_box.h"
#include "crypto/secret.h"
#include "os/file.h"

static char dir[64];
static int dirfd_;
static struct rec_spool *spool;

static int begin(void **state)
{
    char *path = NULL;
    uint64_t at;

    (void) state;
    (void) !secret_init(64, 8, NULL);
    (void) snprintf(dir, sizeof(dir), "/tmp/keyhole-box-XXXXXX");
    assert_non_null(mkdtemp(dir));
    assert_ok(rec_spool_dir(dir, &dirfd_, &path, NULL));
    assert_ok(rec_spool_new(dirfd_, &spool, NULL));
    assert_ok(rec_spool_add(spool, REC_SPOOL_HEAD, SPAN("{}"), &at, NULL));
    free(path);
    return 0;
}

static int end(void **state)
{
    (void) state;
    spool = rec_spool_remove(spool);
    (void) unlinkat(dirfd_, "spool.key", 0);
    (void) close(dirfd_);
    (void) rmdir(dir);
    return 0;
}

static void lines(struct rec_box *b, uint64_t from, int64_t base, size_t most, struct buf *out, uint64_t *ret_next)
{
    char size[REC_SIZE_CAP] = "";

    buf_reset(out);
    assert_ok(rec_box_lines(b, from, base, most, out, ret_next, size, NULL));
}

static void exact_lines(void **state)
{
    struct rec_box *b = rec_box_new(NULL, 1u << 20);
    struct buf out = BUF_INIT(10000);
    char size[REC_SIZE_CAP] = "";
    uint64_t next;

    (void) state;
    rec_box_add(b, 1, 'o', SPAN("a\"\\\n\x1b\xc3\xa9"));
    rec_box_add(b, 1500000, 'r', SPAN("80x24"));
    rec_box_add(b, 61000001, 'm', SPAN_EMPTY);
    assert_true(rec_box_is_open(b));
    assert_int_equal(rec_box_ready(b), 0);
    lines(b, 0, 0, 1000, &out, &next);
    assert_int_equal(next, 0); /* nothing is in a piece yet */
    rec_box_cut(b);
    rec_box_add(b, 62000000, 'x', SPAN("0"));
    rec_box_cut(b);
    buf_reset(&out);
    assert_ok(rec_box_lines(b, 0, 0, 1000, &out, &next, size, NULL));
    assert_span_str(buf_span(&out), "[0.000001,\"o\",\"a\\\"\\\\\\n\\u001b\xc3\xa9\"]\n[1.500000,\"r\",\"80x24\"]\n[61.000001,\"m\",\"\"]\n"
                                    "[62.000000,\"x\",\"0\"]\n");
    assert_int_equal(next, 4);
    assert_string_equal(size, "80x24");
    lines(b, 2, 61000000, 1000, &out, &next); /* from the middle of a piece, as a recording of its own */
    assert_span_str(buf_span(&out), "[0.000001,\"m\",\"\"]\n[1.000000,\"x\",\"0\"]\n");
    lines(b, 1, 0, 1, &out, &next); /* at least one */
    assert_span_str(buf_span(&out), "[1.500000,\"r\",\"80x24\"]\n");
    assert_int_equal(next, 2);
    (void) rec_box_free(b);
    buf_deinit(&out);
}

static void number(struct rec_box *b, uint64_t n)
{
    char text[32];

    (void) snprintf(text, sizeof(text), "%llu", (unsigned long long) n);
    rec_box_add(b, (int64_t) n, 'o', span_str(text));
}

/* Adds, cuts, sends and confirms by seed; what is sent is each number once, in order, whatever is confirmed of it. */
static void each_once(void **state)
{
    (void) state;
    for (uint32_t seed = 1; seed <= 60; seed++) {
        struct rec_box *b = rec_box_new(seed % 2 != 0 ? spool : NULL, 1u << 20);
        struct buf out = BUF_INIT(1u << 20);
        uint64_t added = 0, done = 0;
        uint32_t x = seed;

        while (done < 500) {
            x = x * 1664525u + 1013904223u;
            if ((x >> 28) < 9 && added < 500) {
                number(b, added++);
            } else if ((x >> 28) < 12) {
                rec_box_cut(b);
            } else if (done < rec_box_ready(b)) {
                uint64_t next, part;
                char want[64];

                lines(b, done, 0, 1 + (x >> 20) % 300, &out, &next);
                assert_true(next > done);
                (void) snprintf(want, sizeof(want), "[0.%06llu,\"o\",\"%llu\"]", (unsigned long long) done, (unsigned long long) done);
                assert_true(span_starts(buf_span(&out), want));
                part = done + 1 + (x >> 8) % (next - done); /* the server has it up to here */
                rec_box_confirm(b, part);
                done = part;
                assert_int_equal(rec_box_confirmed(b), done);
            } else if (added == 500) {
                rec_box_cut(b);
            }
        }
        assert_int_equal(rec_box_waiting(b), 0);
        assert_int_equal(rec_box_missing(b), 0);
        (void) rec_box_free(b);
        buf_deinit(&out);
    }
}

static struct span block(char c)
{
    static uint8_t bytes[100000];

    memset(bytes, c, sizeof(bytes));
    return SPAN_OF(bytes);
}

/* More than is kept in memory: read back from the spool. */
static void from_the_spool(void **state)
{
    struct rec_box *b = rec_box_new(spool, 64u << 20);
    struct buf out = BUF_INIT(4u << 20);
    uint64_t at = 0, next;

    (void) state;
    for (int i = 0; i < 100; i++) {
        rec_box_add(b, i, 'o', block((char) ('A' + i % 26)));
        rec_box_cut(b);
    }
    for (int i = 0; i < 100; i++) {
        lines(b, at, 0, 1, &out, &next);
        assert_int_equal(next, at + 1);
        assert_int_equal(out.p[20], 'A' + i % 26);
        assert_int_equal(out.n, 100000 + strlen("[0.000000,\"o\",\"\"]\n"));
        rec_box_confirm(b, next);
        at = next;
    }
    (void) rec_box_free(b);
    buf_deinit(&out);
}

static void full(void **state)
{
    struct rec_box *b = rec_box_new(spool, 1u << 20);
    struct buf out = BUF_INIT(8u << 20);
    uint64_t next, kept;

    (void) state;
    for (int i = 0; i < 20; i++) {
        rec_box_add(b, i * 1000000, 'o', block('x'));
        rec_box_cut(b);
    }
    kept = rec_box_count(b);
    assert_int_equal(kept, 10);
    assert_int_equal(rec_box_missing(b), 10);
    rec_box_add(b, 21000000, 'r', SPAN("80x24")); /* always */
    rec_box_cut(b);
    assert_int_equal(rec_box_count(b), 11);
    rec_box_confirm(b, 1); /* a tenth is free: not yet */
    rec_box_add(b, 22000000, 'o', SPAN("no"));
    assert_int_equal(rec_box_missing(b), 11);
    rec_box_confirm(b, 4);
    rec_box_add(b, 23000000, 'o', SPAN("again"));
    rec_box_cut(b);
    lines(b, 11, 0, 1000, &out, &next);
    assert_span_str(buf_span(&out),
                    "[23.000000,\"m\",\"not recorded: 11 events in 13.0 s, no room was left while the server was away\"]\n"
                    "[23.000000,\"o\",\"again\"]\n");
    rec_box_say_gap(b, 24000000);
    assert_int_equal(rec_box_count(b), next); /* nothing new is missing */
    (void) rec_box_free(b);
    buf_deinit(&out);
}

static void at_the_end_of_a_gap(void **state)
{
    struct rec_box *b = rec_box_new(spool, 1u << 20);
    struct buf out = BUF_INIT(8u << 20);
    uint64_t next;

    (void) state;
    for (int i = 0; i < 12; i++)
        rec_box_add(b, 0, 'o', block('x'));
    rec_box_say_gap(b, 5000000);
    rec_box_add(b, 6000000, 'x', SPAN("0"));
    rec_box_cut(b);
    lines(b, rec_box_count(b) - 2, 0, 1000, &out, &next);
    assert_true(span_starts(buf_span(&out), "[5.000000,\"m\",\"not recorded: "));
    (void) rec_box_free(b);
    buf_deinit(&out);
}

/* Longer than a piece: cut between characters. */
static void long_text(void **state)
{
    struct rec_box *b = rec_box_new(NULL, 1u << 30);
    struct buf text = BUF_INIT(2u << 20), out = BUF_INIT(4u << 20);
    uint64_t next;

    (void) state;
    buf_add_c(&text, 'a');
    for (int i = 0; i < 200000; i++)
        buf_add_str(&text, "\xe2\x82\xac");
    rec_box_add(b, 0, 'o', buf_span(&text));
    rec_box_cut(b);
    lines(b, 0, 0, 4u << 20, &out, &next);
    assert_int_equal(next, 3);
    assert_null(memmem(out.p, out.n, "\xef\xbf\xbd", 3));
    assert_int_equal(out.n, text.n + 3 * strlen("[0.000000,\"o\",\"\"]\n"));
    (void) rec_box_free(b);
    buf_deinit(&text);
    buf_deinit(&out);
}

static void restored(void **state)
{
    struct rec_box *b = rec_box_new(spool, 1u << 20), *c;
    struct buf r = BUF_INIT(1u << 20), out = BUF_INIT(10000);
    uint64_t at = rec_spool_begin(), place = at, next;
    enum rec_spool_kind kind;

    (void) state;
    for (uint64_t i = 0; i < 9; i++) {
        number(b, i);
        if (i % 3 == 2)
            rec_box_cut(b);
    }
    rec_box_confirm(b, 3);
    (void) rec_box_free(b); /* the process ends */
    c = rec_box_new(spool, 1u << 20);
    while (rec_spool_get(spool, &at, &kind, &r, NULL) == ERR_OK) {
        if (kind == REC_SPOOL_EVENTS)
            assert_ok(rec_box_restore(c, place, buf_span(&r), NULL));
        place = at;
        buf_reset(&r);
    }
    assert_int_equal(rec_box_count(c), 9);
    rec_box_confirm(c, 7);
    lines(c, 7, 0, 1000, &out, &next);
    assert_span_str(buf_span(&out), "[0.000007,\"o\",\"7\"]\n[0.000008,\"o\",\"8\"]\n");
    assert_err(rec_box_restore(c, place, SPAN("\x20\0\0\0\0\0\0\0\1\0\0\0"), NULL), ERR_CORRUPT);
    (void) rec_box_free(c);
    buf_deinit(&r);
    buf_deinit(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(exact_lines),
        cmocka_unit_test_setup_teardown(each_once, begin, end),
        cmocka_unit_test_setup_teardown(from_the_spool, begin, end),
        cmocka_unit_test_setup_teardown(full, begin, end),
        cmocka_unit_test_setup_teardown(at_the_end_of_a_gap, begin, end),
        cmocka_unit_test(long_text),
        cmocka_unit_test_setup_teardown(restored, begin, end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
