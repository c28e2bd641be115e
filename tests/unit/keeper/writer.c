/* The queue and its thread: order, the cap of a group, draining, two readers; and the counted records. */
#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

#include "keeper/counts.h"
#include "keeper/writer.h"
#include "os/clock.h"
#include "test.h"

struct seen {
    pthread_mutex_t lock;
    uint64_t last;
    size_t n, groups, largest;
    bool in_order;
    _Atomic bool hold;
};

static void run(void *ctx, struct cmd **cmds, size_t n)
{
    struct seen *s = ctx;

    while (atomic_load(&s->hold))
        (void) usleep(1000);
    (void) pthread_mutex_lock(&s->lock);
    s->groups++;
    s->n += n;
    if (n > s->largest)
        s->largest = n;
    for (size_t i = 0; i < n; i++) {
        s->in_order &= cmds[i]->call == s->last + 1;
        s->last = cmds[i]->call;
        cmd_free(cmds[i]);
    }
    (void) pthread_mutex_unlock(&s->lock);
}

static struct cmd *numbered(uint64_t n)
{
    struct cmd *c = cmd_new(CMD_SECOND, 0, n, IPC_T_NONE_, NULL);

    assert_non_null(c);
    return c;
}

static void test_groups(void **state)
{
    struct seen s = { .lock = PTHREAD_MUTEX_INITIALIZER, .in_order = true };
    struct writer *w = NULL;

    (void) state;
    atomic_store(&s.hold, true);
    assert_ok(writer_new(1, WRITER_GROUP_MAX, run, &s, &w, NULL));
    for (uint64_t i = 1; i <= 1000; i++)
        assert_true(writer_push(w, numbered(i)));
    for (int i = 0; i < 500 && writer_busy_ms(w, clock_mono_us() + 5000000) < 5000; i++)
        (void) usleep(10000); /* until its thread has begun */
    assert_true(writer_busy_ms(w, clock_mono_us() + 5000000) >= 5000); /* what the heartbeat looks at */
    atomic_store(&s.hold, false);
    assert_null(writer_free(w)); /* runs what is queued */
    assert_int_equal(s.n, 1000);
    assert_true(s.in_order);
    assert_int_equal(s.largest, WRITER_GROUP_MAX);
    assert_true(s.groups >= 4);
}

/* Bytes close a group, too; a command larger than the cap goes alone. */
static void test_bytes(void **state)
{
    struct seen s = { .lock = PTHREAD_MUTEX_INITIALIZER, .in_order = true };
    struct writer *w = NULL;

    (void) state;
    atomic_store(&s.hold, true);
    assert_ok(writer_new(1, WRITER_GROUP_MAX, run, &s, &w, NULL));
    for (uint64_t i = 1; i <= 7; i++) {
        struct cmd *c = numbered(i);

        c->cost = i == 4 ? 3U << 20 : 400000;
        assert_true(writer_push(w, c));
    }
    atomic_store(&s.hold, false);
    writer_free(w);
    assert_int_equal(s.n, 7);
    assert_true(s.largest <= 2); /* 2 x 400 000 fit into 1 MiB */
}

static bool collect(void *ctx, const struct count *what)
{
    uint32_t *sum = ctx;

    *sum += what->n;
    return true;
}

static bool refuse(void *ctx, const struct count *what)
{
    (void) ctx;
    (void) what;
    return false;
}

static void test_counts(void **state)
{
    struct counts *c = counts_new();
    struct count read = { .route = ROUTE_me, .actor = "u_AAAAAAAAAAAAAAAA" };
    struct count refused = { .route = ROUTE_me, .refusal = true, .code = "login-needed", .prefix = { 4, 1, 2, 3 },
                             .prefix_len = 4 };
    uint32_t sum = 0;

    (void) state;
    for (int i = 0; i < 5; i++) {
        counts_add(c, &read);
        counts_add(c, &refused);
    }
    counts_take(c, false, collect, &sum);
    assert_int_equal(sum, 1); /* only the first refusal is due before the minute's end */
    counts_take(c, false, collect, &sum);
    assert_int_equal(sum, 1);
    counts_take(c, true, refuse, NULL); /* could not be written: nothing is lost */
    counts_take(c, true, collect, &sum);
    assert_int_equal(sum, 10);
    counts_take(c, true, collect, &sum);
    assert_int_equal(sum, 10);
    /* Past the table everything is one entry, and every call is counted. */
    for (int i = 0; i < 5000; i++) {
        refused.prefix[1] = (uint8_t) (i >> 8);
        refused.prefix[2] = (uint8_t) i;
        counts_add(c, &refused);
    }
    sum = 0;
    counts_take(c, true, collect, &sum);
    assert_int_equal(sum, 5000);
    counts_free(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_groups),
        cmocka_unit_test(test_bytes),
        cmocka_unit_test(test_counts),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
