/* Viewings from leaves: what was settled, what was not, what is never counted too low. */
#include "log.h"

#include "audit/watched.h"
#include "nomem.h"

#define VID   "v_AAAAAAAAAAAAAAAA"
#define OTHER "v_BBBBBBBBBBBBBBBB"
#define KEY   "BXqH0cJLlQzHgCOqSMGAMA"
#define KEY2  "CXqH0cJLlQzHgCOqSMGAMA"

static struct arena mem;
static int64_t next_idx;

static bool leaf(struct watched_fold *f, const char *type, const char *vid, const char *jti, const char *numbers)
{
    char text[1000];
    struct meta_audit_item item = { .idx = next_idx, .time = 1000 * next_idx, .type = span_str(type) };

    (void) snprintf(text, sizeof(text),
                    "{\"v\":1,\"log\":\"%s\",\"i\":%lld,\"type\":\"%s\",\"actor\":\"u_AAAAAAAAAAAAAAAA\",%s%s%s\"rid\":"
                    "\"r_AAAAAAAAAAAAAAAA\",\"jti\":\"%s\",\"outcome\":\"ok\",\"n\":{%s}}",
                    PROJECT, (long long) next_idx, type, *vid ? "\"vid\":\"" : "", vid, *vid ? "\"," : "", jti, numbers);
    item.leaf = span_str(text);
    next_idx++;
    return watched_leaf(f, &item);
}

static struct watched_fold *begin_fold(void)
{
    struct watched_fold *f = watched_new(&mem);

    next_idx = 0;
    assert_non_null(f);
    return f;
}

static const struct watched *only(struct watched_fold *f)
{
    struct watched **all;
    size_t n;

    assert_ok(watched_end(f, &all, &n, NULL));
    assert_int_equal(n, 1);
    return all[0];
}

static void expect(const struct watched *w, const char *ranges, int64_t events, bool settled)
{
    char text[400] = "";

    for (size_t i = 0; i < w->n_ranges; i++)
        (void) snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s%lld-%lld", i == 0 ? "" : " ",
                        (long long) w->ranges[i].from, (long long) w->ranges[i].to);
    assert_string_equal(text, ranges);
    assert_int_equal(w->events, events);
    assert_int_equal(w->settled, settled);
}

static void settled_ranges_count(void **state)
{
    CLEANUP(watched_freep) struct watched_fold *f = begin_fold();
    const struct watched *w;

    (void) state;
    assert_true(leaf(f, "replay.leased", VID, KEY, "\"manifest\":1"));
    assert_true(leaf(f, "replay.leased", VID, KEY, "\"from_seq\":0,\"to_seq\":99,\"from_ms\":0,\"to_ms\":9,\"bytes\":9,\"first\":0"));
    assert_true(leaf(f, "replay.leased", VID, KEY, "\"from_seq\":100,\"to_seq\":199,\"from_ms\":0,\"to_ms\":9,\"bytes\":9,\"first\":0"));
    assert_true(leaf(f, "replay.settled", VID, KEY, "\"lease\":0,\"from_0\":0,\"to_0\":120,\"from_1\":150,\"to_1\":151"));
    w = only(f);
    expect(w, "0-120 150-151", 123, true);
    assert_span_str(w->vid, VID);
    assert_int_equal(w->first_i, 0);
    assert_int_equal(w->last_i, 3);
    assert_int_equal(w->last_t, 3000);
    assert_false(w->exported || w->live || w->gateway);
}

static void what_nothing_settles_counts_in_full(void **state)
{
    CLEANUP(watched_freep) struct watched_fold *f = begin_fold();

    (void) state;
    assert_true(leaf(f, "replay.leased", VID, KEY, "\"from_seq\":0,\"to_seq\":99"));
    assert_true(leaf(f, "replay.settled", VID, KEY, "\"lease\":0,\"from_0\":0,\"to_0\":9"));
    assert_true(leaf(f, "replay.leased", VID, KEY, "\"from_seq\":50,\"to_seq\":79")); /* after the settlement */
    assert_true(leaf(f, "replay.leased", VID, KEY2, "\"from_seq\":70,\"to_seq\":89,\"export\":1"));
    expect(only(f), "0-9 50-89", 50, false);
}

static void another_key_settles_nothing(void **state)
{
    CLEANUP(watched_freep) struct watched_fold *f = begin_fold();

    (void) state;
    assert_true(leaf(f, "replay.leased", VID, KEY, "\"from_seq\":5,\"to_seq\":6"));
    assert_true(leaf(f, "replay.settled", VID, KEY2, "\"lease\":0"));
    assert_true(leaf(f, "replay.settled", VID, KEY, "\"lease\":1")); /* from a later lease on */
    expect(only(f), "5-6", 2, false);
}

/* One key used on two loops of the gate: each series has its own settlement, and what is not settled counts. */
static void series_beside_each_other(void **state)
{
    CLEANUP(watched_freep) struct watched_fold *f = begin_fold();

    (void) state;
    assert_true(leaf(f, "replay.leased", VID, KEY, "\"from_seq\":0,\"to_seq\":99"));
    assert_true(leaf(f, "replay.leased", VID, KEY, "\"from_seq\":500,\"to_seq\":599"));
    assert_true(leaf(f, "replay.leased", VID, KEY, "\"from_seq\":100,\"to_seq\":199,\"first\":0"));
    assert_true(leaf(f, "replay.leased", VID, KEY, "\"from_seq\":600,\"to_seq\":699,\"first\":1"));
    assert_true(leaf(f, "replay.settled", VID, KEY, "\"lease\":0,\"from_0\":0,\"to_0\":110"));
    expect(only(f), "0-110 500-699", 311, false);
}

static void all_of_it(void **state)
{
    CLEANUP(watched_freep) struct watched_fold *f = begin_fold();
    const struct watched *w;

    (void) state;
    assert_true(leaf(f, "replay.leased", VID, KEY, "\"from_seq\":10,\"live_s\":30,\"max_bytes\":9"));
    assert_true(leaf(f, "replay.leased", VID, KEY, "\"from_seq\":0,\"to_seq\":9,\"export\":1,\"first\":0"));
    assert_true(leaf(f, "replay.settled", VID, KEY, "\"lease\":0,\"all\":1,\"bytes\":5"));
    w = only(f);
    expect(w, "0--1", 0, true); /* open to the end */
    assert_true(w->live && w->exported);
}

static void viewings_and_gateways_apart(void **state)
{
    CLEANUP(watched_freep) struct watched_fold *f = begin_fold();
    struct watched **all;
    size_t n;

    (void) state;
    assert_true(leaf(f, "replay.leased", VID, KEY, "\"from_seq\":0,\"to_seq\":1"));
    assert_true(leaf(f, "replay.leased", OTHER, KEY, "\"from_seq\":5,\"to_seq\":5"));
    assert_true(leaf(f, "gateway.allowed", "", KEY2, "\"seconds\":60"));
    assert_true(leaf(f, "export.done", OTHER, KEY, "\"lease\":1"));
    assert_ok(watched_end(f, &all, &n, NULL));
    assert_int_equal(n, 3);
    expect(all[0], "0-1", 2, false);
    expect(all[1], "5-5", 1, false);
    expect(all[2], "", 0, true);
    assert_true(all[1]->exported && !all[1]->gateway && all[2]->gateway && all[2]->vid.n == 0);
}

static void many_ranges_never_say_less(void **state)
{
    CLEANUP(watched_freep) struct watched_fold *f = begin_fold();
    const struct watched *w;

    (void) state;
    for (int i = 0; i < 100; i++) {
        char n[80];

        (void) snprintf(n, sizeof(n), "\"from_seq\":%d,\"to_seq\":%d", 1000 - i * 10, 1004 - i * 10); /* backwards */
        assert_true(leaf(f, "replay.leased", VID, KEY, n));
    }
    w = only(f);
    assert_int_equal(w->n_ranges, WATCHED_RANGES_MAX);
    assert_int_equal(w->ranges[0].from, 10);
    assert_int_equal(w->ranges[WATCHED_RANGES_MAX - 1].to, 1004);
    assert_int_equal(w->events, 500);
}

/* What is no text, or no number, is not there. */
static void members_of_another_kind(void **state)
{
    CLEANUP(watched_freep) struct watched_fold *f = begin_fold();
    struct meta_audit_item item = { .type = SPAN("replay.leased"), .leaf = SPAN("{\"vid\":5,\"jti\":\"" KEY "\"}") };
    const struct watched *w;

    (void) state;
    assert_true(watched_leaf(f, &item)); /* no "n" */
    item.leaf = SPAN("{\"jti\":\"" KEY "\",\"q\":\"q_AAAAAAAAAAAAAAAA\",\"n\":{\"from_seq\":1.5,\"to_seq\":3}}");
    assert_true(watched_leaf(f, &item));
    item.leaf = SPAN("{\"jti\":\"" KEY "\",\"q\":\"q_BBBBBBBBBBBBBBBB\",\"n\":{\"to_seq\":4}}");
    assert_true(watched_leaf(f, &item));
    w = only(f);
    expect(w, "0--1", 0, false); /* the first one says nothing of an end */
    assert_int_equal(w->vid.n, 0);
    assert_span_str(w->q, "q_AAAAAAAAAAAAAAAA"); /* the first that there is */
}

static void sixteen_ranges_and_two_settlements(void **state)
{
    CLEANUP(watched_freep) struct watched_fold *f = begin_fold();
    char n[700] = "\"lease\":0";

    (void) state;
    for (int i = 0; i < 17; i++) /* a seventeenth is none of the format's */
        (void) snprintf(n + strlen(n), sizeof(n) - strlen(n), ",\"from_%d\":%d,\"to_%d\":%d", i, i * 10, i, i * 10);
    assert_true(leaf(f, "replay.leased", VID, KEY, "\"from_seq\":0,\"to_seq\":999"));
    assert_true(leaf(f, "replay.settled", VID, KEY, n));
    assert_true(leaf(f, "replay.settled", VID, KEY, "\"lease\":0,\"from_0\":5,\"to_0\":5")); /* nothing is left to settle */
    expect(only(f), "0-0 5-5 10-10 20-20 30-30 40-40 50-50 60-60 70-70 80-80 90-90 100-100 110-110 120-120 130-130 140-140 "
                    "150-150", 17, true);
}

static void ranges_that_overlap(void **state)
{
    static const struct {
        const char *n[3], *want;
        int64_t events;
    } cases[] = {
        { { "\"from_seq\":0,\"to_seq\":9", "\"from_seq\":2,\"to_seq\":5", "\"from_seq\":11,\"to_seq\":12" }, "0-9 11-12", 12 },
        { { "\"from_seq\":0,\"to_seq\":9", "\"from_seq\":2,\"to_seq\":15", "\"from_seq\":16,\"to_seq\":20" }, "0-20", 21 },
        { { "\"from_seq\":5,\"live_s\":3", "\"from_seq\":0,\"to_seq\":4", "\"from_seq\":7,\"to_seq\":9" }, "0--1", 0 },
        { { "\"from_seq\":5,\"live_s\":3", "\"from_seq\":0,\"to_seq\":3", "\"from_seq\":6,\"live_s\":9" }, "0-3 5--1", 4 },
    };

    (void) state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        CLEANUP(watched_freep) struct watched_fold *f = begin_fold();

        for (size_t k = 0; k < 3; k++)
            assert_true(leaf(f, "replay.leased", VID, KEY, cases[i].n[k]));
        expect(only(f), cases[i].want, cases[i].events, false);
    }
}

/* Up to both limits all is taken, past them nothing, and what was taken stays. */
static void limits(void **state)
{
    CLEANUP(watched_freep) struct watched_fold *f = begin_fold();
    struct watched **all;
    char key[32];
    size_t n;

    (void) state;
    for (int i = 0; i < WATCHED_VIEWINGS_MAX; i++) {
        (void) snprintf(key, sizeof(key), "k%d", i);
        assert_true(leaf(f, "gateway.allowed", "", key, "\"seconds\":60"));
    }
    assert_false(leaf(f, "gateway.allowed", "", "one more", "\"seconds\":60"));
    for (int i = WATCHED_VIEWINGS_MAX + 1; i < WATCHED_LEAVES_MAX; i++) {
        struct meta_audit_item item = { .idx = i, .type = SPAN("export.done"), .leaf = SPAN("{\"jti\":\"k7\"}") };

        assert_true(watched_leaf(f, &item));
    }
    assert_false(leaf(f, "export.done", "", "k7", ""));
    assert_ok(watched_end(f, &all, &n, NULL));
    assert_int_equal(n, WATCHED_VIEWINGS_MAX);
    assert_int_equal(all[7]->last_i, WATCHED_LEAVES_MAX - 1);
}

static bool fold_works(void *ctx)
{
    struct arena own;
    CLEANUP(watched_freep) struct watched_fold *f = NULL;
    struct watched **all;
    size_t n = 0;
    bool ok = true;

    arena_init(&own, *(size_t *) ctx);
    f = watched_new(&own);
    next_idx = 0;
    for (int i = 0; f != NULL && i < 40; i++) {
        char vid[32], settlement[80];

        (void) snprintf(vid, sizeof(vid), "v_%016d", i);
        (void) snprintf(settlement, sizeof(settlement), "\"lease\":%lld,\"from_0\":0,\"to_0\":9", (long long) next_idx);
        ok &= leaf(f, "replay.leased", vid, KEY, "\"from_seq\":0,\"to_seq\":99");
        ok &= leaf(f, "replay.settled", vid, KEY, settlement);
    }
    if (f == NULL || watched_end(f, &all, &n, NULL) != ERR_OK) {
        arena_deinit(&own);
        return false;
    }
    assert_true(ok); /* a report is whole, or it is none */
    assert_int_equal(n, 40);
    for (size_t i = 0; i < n; i++) {
        assert_int_equal(all[i]->vid.n, 18);
        assert_int_equal(all[i]->actor.n, 18);
        expect(all[i], "0-9", 10, true);
    }
    arena_deinit(&own);
    return true;
}

static void without_memory(void **state)
{
    size_t max = 1u << 20;
    unsigned n = 0, fitted = 0;

    (void) state;
    assert_null(watched_free(NULL));
    while (nomem_try(n, fold_works, &max))
        n++;
    assert_true(n > 2);
    for (max = 0; fitted == 0; max += 16) /* the arena's end, at each of its allocations */
        fitted += fold_works(&max);
    print_message("%u allocations, %zu bytes\n", n, max);
}

static int need_crypto(void **state)
{
    (void) state;
    arena_init(&mem, 64u << 20);
    return 0;
}

static int end(void **state)
{
    (void) state;
    arena_deinit(&mem);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(settled_ranges_count),
        cmocka_unit_test(what_nothing_settles_counts_in_full),
        cmocka_unit_test(another_key_settles_nothing),
        cmocka_unit_test(series_beside_each_other),
        cmocka_unit_test(all_of_it),
        cmocka_unit_test(viewings_and_gateways_apart),
        cmocka_unit_test(many_ranges_never_say_less),
        cmocka_unit_test(members_of_another_kind),
        cmocka_unit_test(sixteen_ranges_and_two_settlements),
        cmocka_unit_test(ranges_that_overlap),
        cmocka_unit_test(limits),
        cmocka_unit_test(without_memory),
    };

    return cmocka_run_group_tests(tests, need_crypto, end);
}
