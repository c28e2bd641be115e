/* Floods: what is written at once, what is counted, and that counts add up. The clock is an argument. */
#include "test.h"

#include <stdio.h>

#include "audit/flood.h"
#include "nomem.h"

struct seen {
    size_t records, other;
    uint64_t total;
    char last[200];
};

static void note(void *ctx, const struct flood_case *c, uint32_t count)
{
    struct seen *s = ctx;

    s->records++;
    s->total += count;
    s->other += span_eq_str(c->code, "other");
    (void) snprintf(s->last, sizeof(s->last), SPAN_FMT " " SPAN_FMT " " SPAN_FMT " " SPAN_FMT " x%u", SPAN_ARG(c->log),
                    SPAN_ARG(c->code), SPAN_ARG(c->jti), SPAN_ARG(c->route), count);
}

static struct flood_case keyed(const char *jti, const char *code)
{
    return (struct flood_case){ .kind = FLOOD_KEYED, .log = SPAN("p_1"), .code = span_str(code), .jti = span_str(jti) };
}

static void ten_a_minute_and_key(void **state)
{
    struct seen s = { 0 };
    struct flood *f = flood_new(note, &s);
    struct flood_case a = keyed("jti-a", "key-expired"), b = keyed("jti-b", "key-expired"),
                      a2 = keyed("jti-a", "scope");

    (void) state;
    for (int i = 0; i < 10; i++)
        flood_note(f, &a, 60000 + i);
    assert_int_equal(s.records, 10);
    for (int i = 0; i < 90; i++)
        flood_note(f, &a, 60100);
    flood_note(f, &a2, 60100);
    assert_int_equal(s.records, 10); /* the eleventh, whatever its code, is counted */
    flood_note(f, &b, 60100);
    assert_int_equal(s.records, 11); /* another key has ten of its own */
    flood_tick(f, 119999);
    assert_int_equal(s.records, 11);
    flood_tick(f, 120000);
    assert_int_equal(s.records, 13);
    assert_int_equal(s.total, 102);
    flood_note(f, &a, 120000);
    assert_int_equal(s.records, 14); /* a new minute, at once again */
    assert_string_equal(s.last, "p_1 key-expired jti-a  x1");
    flood_tick(f, 60000); /* a clock that goes back ends the minute, too */
    flood_note(f, &a, 60000);
    assert_int_equal(s.records, 15);
    assert_int_equal(s.total, 104);
    f = flood_free(f);
}

static void one_record_a_source_and_code(void **state)
{
    struct seen s = { 0 };
    struct flood *f = flood_new(note, &s);
    uint8_t prefix[4] = { 4, 192, 0, 2 };
    struct flood_case c = { .kind = FLOOD_ANONYMOUS, .log = SPAN("system"), .code = SPAN("key-malformed"),
                            .prefix = SPAN_OF(prefix) };

    (void) state;
    for (int i = 0; i < 1000; i++)
        flood_note(f, &c, 5);
    assert_int_equal(s.records, 1);
    c.code = SPAN("key-missing");
    flood_note(f, &c, 5);
    assert_int_equal(s.records, 2);
    flood_flush(f);
    assert_int_equal(s.records, 3);
    assert_int_equal(s.total, 1001);
    assert_string_equal(s.last, "system key-malformed   x999");
    flood_flush(f);
    assert_int_equal(s.records, 3);
    f = flood_free(f);
}

static void at_most_256_pairs_then_other(void **state)
{
    struct seen s = { 0 };
    struct flood *f = flood_new(note, &s);
    uint8_t prefix[4] = { 4 };
    struct flood_case c = { .kind = FLOOD_ANONYMOUS, .log = SPAN("system"), .code = SPAN("key-malformed"),
                            .prefix = SPAN_OF(prefix) };

    (void) state;
    for (int i = 0; i < 100000; i++) {
        prefix[1] = (uint8_t) (i >> 16);
        prefix[2] = (uint8_t) (i >> 8);
        prefix[3] = (uint8_t) i;
        flood_note(f, &c, 5);
        if (i == 255)
            assert_int_equal(s.records, 256);
        if (i == 256) { /* the first of the others is written at once, too */
            assert_int_equal(s.records, 257);
            assert_int_equal(s.other, 1);
        }
    }
    assert_int_equal(s.records, 257);
    prefix[1] = prefix[2] = prefix[3] = 0;
    flood_note(f, &c, 5); /* a pair that has its record keeps it */
    c.log = SPAN("p_2");
    flood_note(f, &c, 5); /* another log has 256 of its own */
    assert_int_equal(s.records, 258);
    flood_flush(f);
    assert_int_equal(s.records, 260);
    assert_int_equal(s.other, 2);
    assert_int_equal(s.total, 100002);
    f = flood_free(f);
}

static void a_read_is_one_record_an_actor_route_and_minute(void **state)
{
    struct seen s = { 0 };
    struct flood *f = flood_new(note, &s);
    struct flood_case c = { .kind = FLOOD_READ, .log = SPAN("system"), .code = SPAN("ok"), .actor = SPAN("u_1"),
                            .route = SPAN("recordings_list") };

    (void) state;
    for (int i = 0; i < 50; i++)
        flood_note(f, &c, i);
    c.route = SPAN("recording_get");
    flood_note(f, &c, 50);
    c.actor = SPAN("u_2");
    flood_note(f, &c, 50);
    assert_int_equal(s.records, 3);
    flood_tick(f, 60000);
    assert_int_equal(s.records, 4);
    assert_int_equal(s.total, 52);
    f = flood_free(f);
}

/* Keys by the thousand: memory has an end, the sum has not. */
static void counts_add_up_past_every_limit(void **state)
{
    struct seen s = { 0 };
    struct flood *f = flood_new(note, &s);

    (void) state;
    for (int i = 0; i < 30000; i++) {
        char jti[16], log[16];
        struct flood_case c = { .kind = (enum flood_kind) (i % 3), .code = SPAN("key-expired") };

        (void) snprintf(jti, sizeof(jti), "j%d", i);
        (void) snprintf(log, sizeof(log), "p_%d", i % 50);
        c.log = span_str(log);
        c.jti = c.actor = c.prefix = span_str(jti);
        flood_note(f, &c, 1);
    }
    flood_flush(f);
    assert_int_equal(s.total, 30000);
    assert_true(s.records < 13000);
    f = flood_free(f);
}

/* The eleventh record of a key where there is no room for another entry: with the others of its log. */
static void a_key_past_its_ten_in_a_full_table(void **state)
{
    struct seen s = { 0 };
    CLEANUP(flood_freep) struct flood *f = flood_new(note, &s);
    struct flood_case c = keyed("first", "key-expired");

    (void) state;
    for (int i = 0; i < FLOOD_PER_JTI; i++)
        flood_note(f, &c, 1);
    for (int i = 1; i < FLOOD_ENTRIES_MAX; i++) {
        char jti[16];
        struct flood_case other;

        (void) snprintf(jti, sizeof(jti), "j%d", i);
        other = keyed(jti, "key-expired");
        flood_note(f, &other, 1);
    }
    assert_int_equal(s.other, 0);
    flood_note(f, &c, 1);
    assert_int_equal(s.other, 1);
    flood_note(f, &c, 1);
    assert_int_equal(s.other, 1);
    flood_flush(f);
    assert_int_equal(s.other, 2);
    assert_int_equal(s.total, FLOOD_PER_JTI + FLOOD_ENTRIES_MAX + 1);
}

static void long_members_are_cut(void **state)
{
    struct seen s = { 0 };
    CLEANUP(flood_freep) struct flood *f = flood_new(note, &s);
    char text[FLOOD_TEXT_MAX + 2] = { 0 };
    struct flood_case c = keyed("j", "key-expired");

    (void) state;
    memset(text, 'x', FLOOD_TEXT_MAX + 1);
    c.kind = FLOOD_READ;
    for (size_t n = FLOOD_TEXT_MAX - 1; n <= FLOOD_TEXT_MAX + 1; n++) {
        c.route = span_of(text, n);
        flood_note(f, &c, 1);
    }
    assert_int_equal(s.records, 2); /* 64 and 65 bytes are the same when they are kept */
    flood_flush(f);
    assert_int_equal(s.total, 3);
    assert_non_null(strstr(s.last, "xxx x1"));
}

/* Whatever allocation fails: each thing that happened is in a record or in a count, once. */
static void nothing_is_lost_without_memory(void **state)
{
    unsigned asked = 1;

    (void) state;
    assert_null(flood_free(NULL));
    nomem_after(0);
    assert_null(flood_new(note, NULL));
    (void) nomem_off();
    for (unsigned n = 0; n < asked; n++) {
        struct seen s = { 0 };
        CLEANUP(flood_freep) struct flood *f = flood_new(note, &s);
        uint64_t noted = 0;

        assert_non_null(f);
        nomem_after(n);
        for (int i = 0; i < 300; i++, noted++) {
            char jti[16];
            struct flood_case c = { .kind = (enum flood_kind) (i % 3), .code = SPAN("key-expired"), .log = SPAN("p_1") };

            (void) snprintf(jti, sizeof(jti), "j%d", i < 150 ? 0 : i);
            c.jti = c.actor = c.prefix = span_str(jti);
            flood_note(f, &c, 1);
        }
        asked = nomem_off();
        flood_flush(f);
        assert_int_equal(s.total, noted);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ten_a_minute_and_key),
        cmocka_unit_test(one_record_a_source_and_code),
        cmocka_unit_test(at_most_256_pairs_then_other),
        cmocka_unit_test(a_read_is_one_record_an_actor_route_and_minute),
        cmocka_unit_test(counts_add_up_past_every_limit),
        cmocka_unit_test(a_key_past_its_ten_in_a_full_table),
        cmocka_unit_test(long_members_are_cut),
        cmocka_unit_test(nothing_is_lost_without_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
