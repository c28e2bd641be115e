/* The ground floor: spans, buffers, maps, numbers, times, UTF-8, trees, escaped logs. */
#include "test.h"

#include "base/arena.h"
#include "base/hex.h"
#include "base/map.h"
#include "base/num.h"
#include "base/times.h"
#include "base/tree.h"
#include "base/utf8.h"

#include <stdio.h>
#include <stdlib.h>

static void buf_stops_at_its_ceiling(void **state)
{
    struct buf b = BUF_INIT(8);

    (void) state;
    buf_add_str(&b, "12345678");
    assert_false(b.failed);
    assert_string_equal(buf_cstr(&b), "12345678");
    buf_add_c(&b, '9');
    assert_true(b.failed);
    assert_span_str(buf_span(&b), "12345678");
    assert_err(buf_check(&b, NULL), ERR_LIMIT);
    buf_reset(&b);
    buf_addf(&b, "%d", 42);
    assert_span_str(buf_span(&b), "42");
    buf_deinit(&b);
}

static void rd_remembers_the_first_short_read(void **state)
{
    struct rd r = rd_of(SPAN("\x01\x02\x03\x04\x02hi"));

    (void) state;
    assert_int_equal(rd_u32le(&r), 0x04030201);
    assert_span_str(rd_lp(&r), "hi");
    assert_true(rd_done(&r));
    assert_int_equal(rd_u8(&r), 0);
    assert_true(r.failed);
    assert_false(rd_done(&r));
}

static void map_keeps_what_was_put(void **state)
{
    static const uint8_t secret[16] = "0123456789abcde";
    struct map m;
    char(*keys)[8] = calloc(5000, sizeof(*keys));

    (void) state;
    map_init(&m, secret, 5000);
    for (int i = 0; i < 5000; i++) {
        (void) snprintf(keys[i], sizeof(keys[i]), "k%d", i);
        assert_true(map_put(&m, span_str(keys[i]), keys[i], NULL));
    }
    assert_false(map_put(&m, SPAN("one more"), &m, NULL));
    for (int i = 0; i < 5000; i += 2)
        assert_ptr_equal(map_del(&m, span_str(keys[i])), keys[i]);
    for (int i = 0; i < 5000; i++)
        assert_ptr_equal(map_get(&m, span_str(keys[i])), i % 2 ? keys[i] : NULL);
    assert_int_equal(m.n, 2500);
    map_deinit(&m);
    free(keys);
}

/* The reference vector of the SipHash paper, appendix A. */
static void siphash_matches_its_paper(void **state)
{
    uint8_t key[16], in[15];

    (void) state;
    for (size_t i = 0; i < 16; i++)
        key[i] = (uint8_t) i;
    for (size_t i = 0; i < 15; i++)
        in[i] = (uint8_t) i;
    assert_true(siphash24(key, SPAN_OF(in)) == 0xa129ca6149be45e5U);
}

static void numbers_are_strict(void **state)
{
    static const struct {
        const char *in;
        bool ok;
        int64_t ms;
    } cases[] = {
        { "30s", true, 30000 }, { "30m", true, 1800000 }, { "30min", true, 1800000 }, { "8h", true, 28800000 },
        { "1d", true, 86400000 }, { "250ms", true, 250 }, { "30", false, 0 }, { "s", false, 0 }, { "-1s", false, 0 },
        { " 1s", false, 0 }, { "1s ", false, 0 }, { "99999999999999999999s", false, 0 }, { "3650d", true, 315360000000 },
        { "3651d", false, 0 },
    };
    uint64_t u;
    int64_t i;

    (void) state;
    for (size_t c = 0; c < sizeof(cases) / sizeof(cases[0]); c++) {
        int64_t ms = -1;
        bool ok = num_duration_ms(span_str(cases[c].in), &ms);

        if (ok != cases[c].ok || (ok && ms != cases[c].ms))
            fail_msg("%s: %d %lld", cases[c].in, ok, (long long) ms);
    }
    assert_true(num_u64(SPAN("18446744073709551615"), UINT64_MAX, &u));
    assert_false(num_u64(SPAN("18446744073709551616"), UINT64_MAX, &u));
    assert_true(num_i64(SPAN("-9223372036854775808"), &i) && i == INT64_MIN);
    assert_false(num_i64(SPAN("9223372036854775808"), &i));
    assert_true(num_bytes(SPAN("16KiB"), &u) && u == 16384);
    assert_false(num_bytes(SPAN("16KB"), &u));
}

static void times_round_trip(void **state)
{
    static const struct {
        const char *in, *out;
    } cases[] = {
        { "2026-11-02T09:15:00.123Z", "2026-11-02T09:15:00.123Z" },
        { "2026-11-02T10:15:00.1239+01:00", "2026-11-02T09:15:00.123Z" },
        { "2024-02-29T23:59:60Z", "2024-03-01T00:00:00.000Z" },
        { "1970-01-01T00:00:00Z", "1970-01-01T00:00:00.000Z" },
        { "2023-02-29T00:00:00Z", NULL }, { "2026-13-01T00:00:00Z", NULL }, { "2026-11-02 09:15:00Z", NULL },
        { "2026-11-02T09:15:00", NULL }, { "2026-11-02T09:15:00.Z", NULL }, { "2026-11-31T09:15:00Z", NULL },
    };

    (void) state;
    for (size_t c = 0; c < sizeof(cases) / sizeof(cases[0]); c++) {
        char text[TIME_RFC3339_LEN + 1];
        time_ms t;
        bool ok = time_parse_rfc3339(span_str(cases[c].in), &t);

        if (ok != (cases[c].out != NULL))
            fail_msg("%s: %d", cases[c].in, ok);
        if (ok) {
            time_rfc3339(t, text);
            assert_string_equal(text, cases[c].out);
        }
    }
}

static void utf8_is_strict(void **state)
{
    (void) state;
    assert_true(utf8_valid(SPAN("gr\xc3\xbc\xc3\x9f \xf0\x9f\x94\x91")));
    assert_false(utf8_valid(SPAN("\xc0\xaf")));
    assert_false(utf8_valid(SPAN("\xed\xa0\x80")));
    assert_false(utf8_valid(SPAN("\xf4\x90\x80\x80")));
    assert_false(utf8_valid(SPAN("abc\xe2\x82")));
    assert_int_equal(utf8_count(SPAN("\xf0\x9f\x94\x91z")), 2);
    assert_true(utf8_is_control(0x202e));
    assert_true(utf8_is_control(0x9b));
}

static void tree_reads_back_and_refuses_damage(void **state)
{
    struct buf b = BUF_INIT(4096);
    size_t obj, arr;
    struct tree root, a, child;
    struct span s, at;
    int64_t i;

    (void) state;
    obj = tree_begin(&b, SPAN_EMPTY, TREE_OBJ);
    tree_add_str(&b, SPAN("name"), SPAN("keyhole"));
    tree_add_int(&b, SPAN("n"), -7);
    arr = tree_begin(&b, SPAN("list"), TREE_ARR);
    tree_add_bool(&b, SPAN_EMPTY, true);
    tree_add_null(&b, SPAN_EMPTY);
    tree_end(&b, arr);
    tree_end(&b, obj);
    assert_true(tree_check(buf_span(&b)));
    root = tree_root(buf_span(&b));
    assert_true(tree_get_str(root, "name", &s));
    assert_span_str(s, "keyhole");
    assert_true(tree_get_int(root, "n", &i) && i == -7);
    assert_true(tree_get(root, "list", &a));
    assert_int_equal(tree_count(a), 2);
    at = a.payload;
    assert_true(tree_next(&at, &child) && child.tag == TREE_BOOL);
    assert_false(tree_get_int(root, "name", &i));
    for (size_t cut = 0; cut < b.n; cut++)
        assert_false(tree_check(span_of(b.p, cut)));
    b.p[0] = 9;
    assert_false(tree_check(buf_span(&b)));
    buf_reset(&b);
    obj = tree_begin(&b, SPAN_EMPTY, TREE_OBJ);
    tree_add_int(&b, SPAN("n"), 1);
    tree_add_int(&b, SPAN("n"), 2);
    tree_end(&b, obj);
    assert_false(tree_check(buf_span(&b)));
    buf_deinit(&b);
}

static void hex_and_arena(void **state)
{
    struct buf b = BUF_INIT(64);
    struct arena a;
    uint8_t out[4];
    size_t n;

    (void) state;
    assert_true(hex_parse(SPAN("00fFa1"), out, sizeof(out), &n) && n == 3);
    hex_add(&b, span_of(out, n));
    assert_span_str(buf_span(&b), "00ffa1");
    assert_false(hex_parse(SPAN("0g"), out, sizeof(out), &n));
    assert_false(hex_parse(SPAN("0011223344"), out, sizeof(out), &n));
    buf_deinit(&b);
    arena_init(&a, 10000);
    assert_non_null(arena_alloc(&a, 9000));
    assert_string_equal(arena_str(&a, SPAN("abc")), "abc");
    assert_null(arena_alloc(&a, 2000));
    arena_deinit(&a);
}

/* Few keys, many keys, and one of them twice; a hundred thousand take no time to speak of. */
static void tree_keys_are_unique_however_many(void **state)
{
    static const int sizes[] = { 2, 16, 17, 100000 };

    (void) state;
    for (size_t k = 0; k < sizeof(sizes) / sizeof(sizes[0]); k++) {
        for (int twice = 0; twice < 2; twice++) {
            struct buf b = BUF_INIT(8 << 20);
            size_t mark = tree_begin(&b, SPAN_EMPTY, TREE_OBJ);

            for (int i = 0; i < sizes[k]; i++) {
                char key[16];

                (void) snprintf(key, sizeof(key), "%d", twice && i == sizes[k] - 1 ? 0 : i);
                tree_add_null(&b, span_str(key));
            }
            tree_end(&b, mark);
            assert_int_equal(tree_check(buf_span(&b)), !twice);
            buf_deinit(&b);
        }
    }
}

static void copies_of_spans(void **state)
{
    const char four[4] = { 'a', 'b', '\0', 'd' }; /* not terminated */
    char *s = span_dup(span_of(four, 4)), *none = span_dup(SPAN_EMPTY);

    (void) state;
    assert_memory_equal(s, "ab\0d", 5);
    assert_string_equal(none, "");
    free(s);
    free(none);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(copies_of_spans),
        cmocka_unit_test(tree_keys_are_unique_however_many),
        cmocka_unit_test(buf_stops_at_its_ceiling), cmocka_unit_test(rd_remembers_the_first_short_read),
        cmocka_unit_test(map_keeps_what_was_put),   cmocka_unit_test(siphash_matches_its_paper),
        cmocka_unit_test(numbers_are_strict),       cmocka_unit_test(times_round_trip),
        cmocka_unit_test(utf8_is_strict),           cmocka_unit_test(tree_reads_back_and_refuses_damage),
        cmocka_unit_test(hex_and_arena),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
