/* The loop: timers in order, deferred and posted functions, descriptors, signals, children, workers. */
#include "test.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "loop/pool.h"
#include "loop/timer.h"
#include "loop/watch.h"
#include "os/clock.h"

static struct loop *new_loop(void)
{
    struct loop *l;

    assert_ok(loop_new(&l, NULL));
    return l;
}

static void stop(void *arg)
{
    loop_stop(arg);
}

/* ---- the wheel, with a clock of our own ---- */

struct fired {
    struct loop_timer t;
    struct wheel *w;
    uint64_t *order;
    size_t *n;
    uint64_t rearm;
    struct fired *cancel;
};

static void note(void *arg)
{
    struct fired *f = arg;

    f->order[(*f->n)++] = (uint64_t) (f->t.when);
    if (f->cancel != NULL)
        wheel_del(f->w, &f->cancel->t);
    if (f->rearm != 0)
        wheel_add(f->w, &f->t, f->rearm);
}

static void wheel_fires_in_order(void **state)
{
    /* Distances that hit every level, both sides of each border, from an odd start. */
    static const uint64_t dist[] = { 1, 2, 63, 64, 65, 4095, 4096, 4097, 262143, 262144, 262145, 16777216, 1073741824,
                                     UINT64_C(68719476737) };
    enum { N = sizeof(dist) / sizeof(dist[0]) };
    struct wheel *w = malloc(sizeof(*w));
    struct fired f[N * 2] = { 0 };
    uint64_t order[N * 2], start = 123457, last = 0;
    size_t n = 0;

    (void) state;
    wheel_init(w, start);
    for (size_t i = 0; i < N * 2; i++) {
        f[i] = (struct fired){ .w = w, .order = order, .n = &n };
        loop_timer_init(&f[i].t, NULL, note, &f[i]);
        wheel_add(w, &f[i].t, start + dist[i < N ? N - 1 - i : i - N]);
    }
    for (size_t i = 0; i < N; i++) {
        uint64_t at = start + dist[i];

        wheel_advance(w, at - 1); /* one ms before: nothing */
        assert_int_equal(n, 2 * i);
        assert_true(wheel_next(w) <= at && wheel_next(w) >= at - 1);
        wheel_advance(w, at);
        assert_int_equal(n, 2 * i + 2);
        assert_true(order[2 * i] == at && order[2 * i + 1] == at && at > last);
        last = at;
    }
    assert_true(wheel_next(w) == UINT64_MAX);
    free(w);
}

static void wheel_agrees_with_sorting(void **state)
{
    enum { N = 5000 };
    struct wheel *w = malloc(sizeof(*w));
    struct fired *f = calloc(N, sizeof(*f));
    uint64_t *order = calloc(N, sizeof(*order)), now = 999;
    size_t n = 0, cancelled = 0;
    uint32_t seed = 42;

    (void) state;
    wheel_init(w, now);
    for (size_t i = 0; i < N; i++) {
        seed = seed * 1664525 + 1013904223;
        f[i] = (struct fired){ .w = w, .order = order, .n = &n };
        loop_timer_init(&f[i].t, NULL, note, &f[i]);
        wheel_add(w, &f[i].t, now + 1 + (seed >> 8) % (i % 3 == 0 ? 100 : i % 3 == 1 ? 10000 : 5000000));
    }
    for (size_t i = 0; i < N; i += 7) {
        wheel_del(w, &f[i].t);
        wheel_del(w, &f[i].t);
        cancelled++;
    }
    while (wheel_next(w) != UINT64_MAX) {
        size_t before = n;

        seed = seed * 1664525 + 1013904223;
        now += 1 + (seed >> 8) % 20000;
        wheel_advance(w, now);
        for (size_t i = before; i < n; i++)
            assert_true(order[i] <= now && (i == 0 || order[i - 1] <= order[i]));
    }
    assert_int_equal(n, N - cancelled);
    free(w);
    free(f);
    free(order);
}

static void wheel_callbacks_may_arm_and_cancel(void **state)
{
    struct wheel *w = malloc(sizeof(*w));
    uint64_t order[8];
    size_t n = 0;
    struct fired a = { .w = w, .order = order, .n = &n }, b = a, c = a;

    (void) state;
    wheel_init(w, 100);
    loop_timer_init(&a.t, NULL, note, &a);
    loop_timer_init(&b.t, NULL, note, &b);
    loop_timer_init(&c.t, NULL, note, &c);
    a.cancel = &b;
    a.rearm = 1; /* the past: with the next pass, not in this one */
    wheel_add(w, &a.t, 105);
    wheel_add(w, &b.t, 105);
    wheel_add(w, &c.t, 105);
    wheel_advance(w, 110);
    assert_int_equal(n, 2); /* a, c */
    assert_true(loop_timer_armed(&a.t) && !loop_timer_armed(&b.t));
    a.rearm = 0;
    wheel_advance(w, 110);
    assert_int_equal(n, 2);
    wheel_advance(w, 111);
    assert_int_equal(n, 3);
    free(w);
}

/* ---- on a real loop ---- */

struct stamp {
    struct loop *l;
    struct loop_timer t;
    int *log, *n, id;
};

static void stamp_it(void *arg)
{
    struct stamp *s = arg;

    s->log[(*s->n)++] = s->id;
    if (s->id == 9)
        loop_stop(s->l);
}

static void timers_fire_from_the_loop(void **state)
{
    struct loop *l = new_loop();
    static const int delays[4] = { 30, 0, 10, 10 };
    struct stamp s[5];
    int log[8], n = 0;
    time_ms from = loop_now_ms(l);

    (void) state;
    for (int i = 0; i < 4; i++) {
        s[i] = (struct stamp){ .l = l, .log = log, .n = &n, .id = i };
        loop_timer_init(&s[i].t, l, stamp_it, &s[i]);
        loop_timer_arm(&s[i].t, delays[i]);
    }
    s[4] = (struct stamp){ .l = l, .log = log, .n = &n, .id = 9 };
    loop_timer_init(&s[4].t, l, stamp_it, &s[4]);
    loop_timer_arm(&s[4].t, 40);
    assert_int_equal(n, 0);
    loop_run(l);
    assert_int_equal(n, 5);
    assert_true(log[0] == 1 && log[1] == 2 && log[2] == 3 && log[3] == 0 && log[4] == 9);
    assert_true(clock_boot_ms() - from >= 40 && clock_boot_ms() - from < 2000);
    (void) loop_free(l);
}

struct poster {
    struct loop *l;
    atomic_int *seen;
    int count;
};

static void count_up(void *arg)
{
    struct poster *p = arg;

    if (atomic_fetch_add(p->seen, 1) + 1 == p->count * 4)
        loop_stop(p->l);
}

static void *post_many(void *arg)
{
    struct poster *p = arg;

    for (int i = 0; i < p->count; i++)
        assert_ok(loop_post(p->l, count_up, p));
    return NULL;
}

static void count(void *arg)
{
    ++*(int *) arg;
}

static void what_was_posted_and_not_run_is_dropped_once(void **state)
{
    int ran = 0, dropped = 0;
    struct loop_posted with = { .fn = count, .dropped = count, .arg = &dropped }, without = { .fn = count, .arg = &ran };
    struct loop *l = NULL;

    (void) state;
    assert_ok(loop_new(&l, NULL));
    assert_ok(loop_post_node(l, &with));
    assert_ok(loop_post_node(l, &without));
    assert_null(loop_free(l));
    assert_int_equal(dropped, 1);
    assert_int_equal(ran, 0);
}

static void posts_from_other_threads_all_arrive(void **state)
{
    struct loop *l = new_loop();
    atomic_int seen = 0;
    struct poster p = { l, &seen, 2500 };
    pthread_t t[4];

    (void) state;
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&t[i], NULL, post_many, &p), 0);
    loop_run(l);
    for (int i = 0; i < 4; i++)
        (void) pthread_join(t[i], NULL);
    assert_int_equal(seen, 10000);
    assert_ok(loop_post(l, stop, l)); /* never run: freed with the loop */
    (void) loop_free(l);
}

struct redefer {
    struct loop *l;
    struct loop_deferred d;
    int n;
};

static void again(void *arg)
{
    struct redefer *r = arg;

    if (++r->n == 5)
        loop_stop(r->l);
    else
        loop_defer(r->l, &r->d);
}

static void deferred_run_once_and_may_defer_again(void **state)
{
    struct redefer r = { .l = new_loop() };

    (void) state;
    r.d = (struct loop_deferred){ .fn = again, .arg = &r };
    loop_defer(r.l, &r.d);
    loop_defer(r.l, &r.d);
    assert_int_equal(r.n, 0);
    loop_turn(r.l);
    assert_int_equal(r.n, 1);
    loop_run(r.l);
    assert_int_equal(r.n, 5);
    loop_defer(r.l, &r.d);
    loop_defer_cancel(&r.d);
    loop_turn(r.l);
    assert_int_equal(r.n, 5);
    (void) loop_free(r.l);
}

struct piper {
    struct loop *l;
    struct loop_fd *w;
    int fd, events;
};

static void on_pipe(void *arg, int events)
{
    struct piper *p = arg;

    p->events |= events;
    p->w = loop_fd_free(p->w);
    loop_stop(p->l);
}

static void descriptors_are_watched(void **state)
{
    struct loop *l = new_loop();
    struct piper p = { .l = l };
    int fds[2];

    (void) state;
    assert_int_equal(pipe(fds), 0);
    assert_ok(loop_fd_new(l, fds[0], on_pipe, &p, &p.w, NULL));
    loop_fd_set(p.w, LOOP_READ);
    loop_turn(l);
    assert_int_equal(p.events, 0);
    assert_int_equal(write(fds[1], "x", 1), 1);
    loop_run(l);
    assert_int_equal(p.events, LOOP_READ);
    (void) close(fds[0]);
    (void) close(fds[1]);
    (void) loop_free(l);
}

struct watcher {
    struct loop *l;
    int signum, status;
    pid_t pid;
};

static void on_sig(void *arg, int signum)
{
    struct watcher *w = arg;

    w->signum = signum;
    loop_stop(w->l);
}

static void on_exit_(void *arg, pid_t pid, int status)
{
    struct watcher *w = arg;

    w->pid = pid;
    w->status = status;
    loop_stop(w->l);
}

static void signals_and_children_are_watched(void **state)
{
    struct watcher w = { .l = new_loop() };
    struct loop_signal *s;
    struct loop_child *c;
    pid_t pid;

    (void) state;
    assert_ok(loop_signal_new(w.l, SIGUSR1, on_sig, &w, &s, NULL));
    (void) kill(getpid(), SIGUSR1);
    loop_run(w.l);
    assert_int_equal(w.signum, SIGUSR1);
    (void) loop_signal_free(s);
    pid = fork();
    if (pid == 0)
        _exit(7);
    assert_ok(loop_child_new(w.l, pid, on_exit_, &w, &c, NULL));
    loop_run(w.l);
    assert_int_equal(w.pid, pid);
    assert_true(WIFEXITED(w.status) && WEXITSTATUS(w.status) == 7);
    (void) loop_child_free(c);
    assert_err(loop_child_new(w.l, pid, on_exit_, &w, &c, NULL), ERR_IO); /* reaped */
    (void) loop_free(w.l);
}

struct job {
    struct loop *l;
    pthread_mutex_t *gate;
    atomic_int *ran;
    int *done, want;
    pthread_t worker;
};

static void job_run(void *arg)
{
    struct job *j = arg;

    (void) pthread_mutex_lock(j->gate);
    (void) pthread_mutex_unlock(j->gate);
    j->worker = pthread_self();
    atomic_fetch_add(j->ran, 1);
}

static void job_done(void *arg)
{
    struct job *j = arg;

    assert_false(pthread_equal(j->worker, pthread_self()));
    if (++*j->done == j->want)
        loop_stop(j->l);
}

static void workers_are_bounded(void **state)
{
    struct loop *l = new_loop();
    struct pool *p;
    pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;
    atomic_int ran = 0;
    int done = 0, taken = 0;
    struct job j[16];

    (void) state;
    assert_err(pool_new(0, 1, &p, NULL), ERR_INVAL);
    assert_err(pool_new(65, 1, &p, NULL), ERR_INVAL);
    assert_ok(pool_new(2, 3, &p, NULL));
    (void) pthread_mutex_lock(&gate);
    for (int i = 0; i < 16; i++) {
        enum err e;

        j[i] = (struct job){ .l = l, .gate = &gate, .ran = &ran, .done = &done };
        e = pool_work(p, l, job_run, job_done, &j[i]);
        if (e == ERR_OK)
            taken++;
        else
            assert_int_equal(e, ERR_AGAIN);
    }
    assert_in_range(taken, 3, 5); /* three wait, up to two were already taken by the workers */
    assert_true(pool_waiting(p) <= 3);
    for (int i = 0; i < 16; i++)
        j[i].want = taken;
    (void) pthread_mutex_unlock(&gate);
    loop_run(l);
    assert_int_equal(ran, taken);
    assert_int_equal(done, taken);
    (void) pool_free(p);
    (void) loop_free(l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_posted_and_not_run_is_dropped_once),
        cmocka_unit_test(wheel_fires_in_order),
        cmocka_unit_test(wheel_agrees_with_sorting),
        cmocka_unit_test(wheel_callbacks_may_arm_and_cancel),
        cmocka_unit_test(timers_fire_from_the_loop),
        cmocka_unit_test(posts_from_other_threads_all_arrive),
        cmocka_unit_test(deferred_run_once_and_may_defer_again),
        cmocka_unit_test(descriptors_are_watched),
        cmocka_unit_test(signals_and_children_are_watched),
        cmocka_unit_test(workers_are_bounded),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
