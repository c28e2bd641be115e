/* Proofs that were used: remembered for as long as they would be good, by every thread alike; full refuses; memory. */
#include "test.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "gate/seen.h"

static struct seen *fresh(void)
{
    struct seen *s = NULL;

    assert_ok(seen_new(&s, NULL));
    return s;
}

static void test_once(void **state)
{
    struct seen *s = fresh();

    (void) state;
    assert_int_equal(seen_add(s, 5, 100), SEEN_NEW);
    assert_int_equal(seen_add(s, 5, 100), SEEN_BEFORE);
    assert_int_equal(seen_add(s, 0, 100), SEEN_NEW);
    assert_int_equal(seen_add(s, 0, 100), SEEN_BEFORE);
    assert_int_equal(seen_add(s, UINT64_MAX, 100), SEEN_NEW);
    assert_int_equal(seen_add(s, UINT64_MAX, 100), SEEN_BEFORE);
    /* the same place, another hash */
    assert_int_equal(seen_add(s, 5 + (UINT64_C(1) << 60), 100), SEEN_NEW);
    assert_int_equal(seen_add(s, 5 + (UINT64_C(1) << 60), 100), SEEN_BEFORE);
    assert_int_equal(seen_add(s, 5, 100), SEEN_BEFORE);
    s = seen_free(s);
    assert_null(seen_free(NULL));
}

/* Whenever it was entered, it is known for 120 s and a second; the set may forget it only later. */
static void test_span(void **state)
{
    (void) state;
    for (uint32_t offset = 0; offset < 300; offset += 7) {
        struct seen *s = fresh();

        assert_int_equal(seen_add(s, 1, 1000), SEEN_NEW);                  /* begins a generation */
        assert_int_equal(seen_add(s, 17, 1000 + offset), SEEN_NEW);        /* of the same shard */
        for (uint32_t later = 0; later <= SEEN_SPAN_S; later += 5) {
            assert_int_equal(seen_add(s, 17, 1000 + offset + later), SEEN_BEFORE);
            (void) seen_add(s, 33 + 16 * (uint64_t) later, 1000 + offset + later);
        }
        assert_int_equal(seen_add(s, 17, 1000 + offset + SEEN_SPAN_S), SEEN_BEFORE);
        assert_int_equal(seen_add(s, 17, 1000 + offset + 3 * SEEN_SPAN_S), SEEN_NEW); /* it is forgotten in the end */
        assert_int_equal(seen_add(s, 17, 0), SEEN_BEFORE);                 /* a clock that goes back forgets nothing */
        seen_free(s);
    }
}

/* At the second after the span the entry sits in the older generation; after another span, quietly, both are over. */
static void test_turn(void **state)
{
    struct seen *s = fresh();

    (void) state;
    assert_int_equal(seen_add(s, 1, 1), SEEN_NEW);
    assert_int_equal(seen_add(s, 1, 121), SEEN_BEFORE);
    assert_int_equal(seen_add(s, 1, 241), SEEN_BEFORE); /* in the older generation */
    assert_int_equal(seen_add(s, 1, 242), SEEN_NEW);
    assert_int_equal(seen_add(s, 1, 1000), SEEN_NEW);
    seen_free(s);
}

static size_t resident_kib(void)
{
    FILE *f = fopen("/proc/self/statm", "r");
    unsigned long size, rss = 0;

    assert_non_null(f);
    assert_int_equal(fscanf(f, "%lu %lu", &size, &rss), 2);
    (void) fclose(f);
    return rss * (size_t) sysconf(_SC_PAGESIZE) / 1024;
}

static void test_full(void **state)
{
    struct seen *s;
    size_t before = resident_kib(), full;
    uint64_t x = 88172645463325252u;
    uint32_t n = 0;

    (void) state;
    s = fresh();
    assert_true(resident_kib() < before + 1024); /* nothing is touched yet */
    while (n < SEEN_SHARD_MAX) { /* one shard, spread as hashes are */
        x ^= x << 13, x ^= x >> 7, x ^= x << 17;
        n += seen_add(s, x & ~UINT64_C(15), 100) == SEEN_NEW;
    }
    assert_int_equal(seen_add(s, 16, 100), SEEN_FULL);
    assert_int_equal(seen_add(s, x & ~UINT64_C(15), 100), SEEN_BEFORE); /* nothing was put out for it */
    assert_int_equal(seen_add(s, 17, 100), SEEN_NEW);                   /* other shards go on */
    assert_int_equal(seen_add(s, 16, 221), SEEN_NEW);                   /* the next generation */
    assert_int_equal(seen_add(s, x & ~UINT64_C(15), 221), SEEN_BEFORE);
    full = resident_kib();
    assert_int_equal(seen_add(s, 32, 900), SEEN_NEW); /* both are over: their pages are given back */
    assert_true(getenv("ASAN_OPTIONS") != NULL || resident_kib() + 512 < full);
    seen_free(s);
}

/* Many threads with the same hashes: each is new exactly once. */
static struct seen *shared;
static uint32_t news[4];

static void *race(void *arg)
{
    size_t me = (size_t) arg;

    for (uint64_t i = 0; i < 20000; i++)
        news[me] += seen_add(shared, i * 0x9e3779b97f4a7c15u, 50) == SEEN_NEW;
    return NULL;
}

static void test_threads(void **state)
{
    pthread_t t[4];

    (void) state;
    shared = fresh();
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&t[i], NULL, race, (void *) i), 0);
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(pthread_join(t[i], NULL), 0);
    assert_int_equal(news[0] + news[1] + news[2] + news[3], 20000);
    seen_free(shared);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_once), cmocka_unit_test(test_span),    cmocka_unit_test(test_turn),
        cmocka_unit_test(test_full), cmocka_unit_test(test_threads),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
