/* The recording log of a process: batches, groups, tails, followers, sealing, rotation. */
#include "_reclog.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "os/clock.h"

/* Reads the whole tail and checks every event; returns its records. */
static size_t check_tail(struct pen *p, uint64_t from_seq, uint64_t want_first)
{
    CLEANUP(reclog_tail_freep) struct reclog_tail *t = NULL;
    CLEANUP(khlog_key_freep) struct khlog_key *key = NULL;
    struct buf frame = BUF_INIT(64u << 20);
    uint64_t seq = want_first;

    assert_ok(reclog_tail(p->w->log, span_str(p->rid), from_seq, 0, &t, NULL));
    assert_int_equal(t->kn, p->kn);
    assert_true(t->growing);
    assert_true(t->next_seq == p->acked_seq && t->next_batch == p->acked_batch);
    for (size_t i = 0; i < t->n; i++) {
        struct err_info e = { .text = "" };

        buf_reset(&frame);
        assert_ok_err(reclog_tail_read(t, i, p->rk, &key, &frame, &e), &e);
        assert_int_equal(frame.n, t->records[i].len);
        assert_true(t->records[i].first_seq == seq);
        if ((t->records[i].flags & KHLOG_HEAD) == 0)
            pen_check_frame(p, seq, t->records[i].n_events, buf_span(&frame));
        seq += t->records[i].n_events;
    }
    assert_true(seq == p->acked_seq || t->n == 0);
    buf_deinit(&frame);
    return t->n;
}

static void a_recording_from_first_to_last(void **state)
{
    struct world w;
    struct pen p;
    struct reclog_unsealed u;
    uint64_t bytes;

    (void) state;
    world_init(&w);
    world_open(&w);
    pen_init(&p, &w, 1);
    pen_begin(&p);
    assert_int_equal(world_files(&w, &bytes), 0); /* an idle log has no file */
    assert_ok(pen_append_head(&p, SPAN("{\"version\":2}"), 3));
    pen_wait(&p);
    pen_append_ok(&p, 2, 5, 10);
    pen_append_ok(&p, 0, 0, 0); /* a batch without events */
    pen_append_ok(&p, 1, 1, 0);
    assert_int_equal(p.acked_seq, 14);
    assert_int_equal(p.acked_batch, 4);
    assert_int_equal(check_tail(&p, 0, 0), 6);
    assert_int_equal(check_tail(&p, 2, 0), 5); /* the head is left out */
    assert_int_equal(check_tail(&p, 8, 8), 3);
    assert_int_equal(check_tail(&p, 13, 13), 1);
    assert_int_equal(check_tail(&p, 14, 14), 0);
    reclog_unsealed(p.rec, &u);
    assert_int_equal(u.n_records, 6);
    assert_true(u.since > 0 && u.since <= clock_boot_ms());

    reclog_sealed(p.rec, 0); /* nothing */
    reclog_sealed(p.rec, 2);
    reclog_unsealed(p.rec, &u);
    assert_int_equal(u.n_records, 2);
    assert_int_equal(check_tail(&p, 0, 13), 2); /* the empty batch, and the last */
    reclog_sealed(p.rec, 4);
    reclog_unsealed(p.rec, &u);
    assert_true(u.n_records == 0 && u.bytes == 0 && u.since == 0);
    assert_int_equal(check_tail(&p, 0, 14), 0);
    pen_append_ok(&p, 1, 2, 0);
    assert_int_equal(check_tail(&p, 0, 14), 1);
    reclog_sealed(p.rec, UINT64_MAX);
    pen_deinit(&p);
    world_close(&w);
    assert_int_equal(world_files(&w, &bytes), 0); /* nothing was left to recover */
    world_deinit(&w);
}

static void what_may_not_be_appended(void **state)
{
    struct world w;
    struct pen p;
    uint8_t *large = calloc(1, KHLOG_FRAME_MAX + 1);
    struct reclog_frame f[2] = { { .zstd = SPAN("x"), .first_seq = 5, .n_events = 2 },
                                 { .zstd = SPAN("y"), .first_seq = 7, .n_events = 1 } };
    const struct reclog_begin again = { .project = PROJECT, .rid = SPAN("r_0000000000000001"), .rk = NULL };
    struct reclog_begin b;
    struct reclog_rec *none = NULL;
    uint8_t wrap[256] = { 0 };

    (void) state;
    world_init(&w);
    w.o.max_recordings = 2;
    world_open(&w);
    pen_init(&p, &w, 1);
    p.next_seq = p.acked_seq = 5, p.next_batch = p.acked_batch = 9;
    pen_begin(&p);
    assert_err(reclog_append(p.rec, 8, f, 2, NULL, NULL, NULL), ERR_INVAL); /* a batch that was there */
    f[0].first_seq = 4;
    assert_err(reclog_append(p.rec, 9, f, 2, NULL, NULL, NULL), ERR_INVAL);
    f[0].first_seq = 6;
    assert_err(reclog_append(p.rec, 9, f, 2, NULL, NULL, NULL), ERR_INVAL);
    f[0].first_seq = 5, f[1].first_seq = 8;
    assert_err(reclog_append(p.rec, 9, f, 2, NULL, NULL, NULL), ERR_INVAL);
    f[1].first_seq = 7, f[0].is_head = true;
    assert_err(reclog_append(p.rec, 9, f, 2, NULL, NULL, NULL), ERR_INVAL);
    f[0].is_head = false, f[0].zstd = span_of(large, KHLOG_FRAME_MAX + 1);
    assert_err(reclog_append(p.rec, 9, f, 2, NULL, NULL, NULL), ERR_INVAL);
    pen_append_ok(&p, 1, 1, 0);
    assert_err(reclog_append(p.rec, 9, NULL, 0, NULL, NULL, NULL), ERR_INVAL);

    b = again;
    b.rk = p.rk;
    b.loop = w.loop;
    assert_err(reclog_begin(w.log, &b, &none, NULL), ERR_EXISTS);
    b.rid = SPAN("r_0000000000000002");
    b.wrap = SPAN_OF(wrap);
    assert_err(reclog_begin(w.log, &b, &none, NULL), ERR_INVAL);
    b.wrap.n = 255;
    assert_ok(reclog_begin(w.log, &b, &none, NULL));
    b.rid = SPAN("r_0000000000000003");
    assert_err(reclog_begin(w.log, &b, &none, NULL), ERR_LIMIT);
    none = reclog_end(none);
    assert_ok(reclog_begin(w.log, &b, &none, NULL));
    none = reclog_end(none);
    b.rid = SPAN("x_0000000000000003");
    assert_err(reclog_begin(w.log, &b, &none, NULL), ERR_INVAL);
    free(large);
    pen_deinit(&p);
    world_deinit(&w);
}

#define MANY 1000

static void a_thousand_recordings_share_syncs(void **state)
{
    static struct pen pens[MANY];
    struct world w;
    struct reclog_stats s;

    (void) state;
    world_init(&w);
    world_open(&w);
    for (unsigned i = 0; i < MANY; i++) {
        pen_init(&pens[i], &w, i);
        pen_begin(&pens[i]);
    }
    for (int round = 0; round < 3; round++) {
        for (unsigned i = 0; i < MANY; i++)
            assert_ok(pen_append(&pens[i], 1, 3, 20));
        for (unsigned i = 0; i < MANY; i++)
            pen_wait(&pens[i]);
    }
    reclog_stats(w.log, &s);
    assert_int_equal(s.appends, 3 * MANY);
    assert_int_equal(s.recordings, MANY);
    assert_int_equal(s.queued_bytes, 0);
    assert_int_equal(s.syncs, s.groups);
    if (s.syncs > 3 * MANY / 10)
        fail_msg("%llu syncs for %d batches", (unsigned long long) s.syncs, 3 * MANY);
    for (unsigned i = 0; i < MANY; i++) {
        assert_int_equal(check_tail(&pens[i], 0, 0), 3);
        pen_deinit(&pens[i]);
    }
    world_deinit(&w);
}

/* As many as a gate may have open, each with a key of its own; sealed at once, their close records and file go. */
static void twenty_thousand_at_once(void **state)
{
    enum { N = 20000 };
    struct pen *pens = calloc(N, sizeof(*pens));
    struct world w;
    struct reclog_stats s;
    struct pen more;
    uint64_t bytes;

    (void) state;
    assert_non_null(pens);
    world_init(&w);
    w.o.max_recordings = N;
    w.o.file_bytes = 3u << 20; /* several */
    world_open(&w);
    for (unsigned i = 0; i < N; i++) {
        pen_init(&pens[i], &w, i);
        pen_begin(&pens[i]);
    }
    pen_init(&more, &w, N);
    assert_err(reclog_begin(w.log, &(struct reclog_begin){ .project = PROJECT, .rid = span_str(more.rid), .rk = more.rk,
                                                           .loop = w.loop }, &more.rec, NULL), ERR_LIMIT);
    for (unsigned i = 0; i < N; i++)
        assert_ok(pen_append(&pens[i], 1, 1, 20));
    for (unsigned i = 0; i < N; i++)
        pen_wait(&pens[i]);
    reclog_stats(w.log, &s);
    assert_int_equal(s.appends, N);
    assert_true(s.syncs <= N / 20);
    assert_int_equal(check_tail(&pens[N / 2], 0, 0), 1);
    for (unsigned i = 0; i < N; i++) {
        reclog_sealed(pens[i].rec, UINT64_MAX);
        pen_deinit(&pens[i]);
    }
    pen_deinit(&more);
    world_close(&w);
    assert_int_equal(world_files(&w, &bytes), 0);
    free(pens);
    world_deinit(&w);
}

static void the_queue_has_a_limit(void **state)
{
    struct world w;
    struct pen p;
    int again = 0;

    (void) state;
    world_init(&w);
    w.o.queue_bytes = 10000;
    world_open(&w);
    pen_init(&p, &w, 1);
    pen_begin(&p);
    pen_append_ok(&p, 1, 1, 50000); /* one is always taken */
    for (int i = 0; i < 200 && again == 0; i++) {
        enum err e = pen_append(&p, 1, 1, 5000);

        again += e == ERR_AGAIN;
        assert_true(e == ERR_OK || e == ERR_AGAIN);
    }
    assert_int_equal(again, 1);
    pen_wait(&p);
    pen_append_ok(&p, 1, 1, 5000);
    pen_deinit(&p);
    world_deinit(&w);
}

/* ---- files ---- */

static void files_turn_over(void **state)
{
    struct world w;
    struct pen a, b;
    uint64_t bytes, seen = 0;
    int again = 0;

    (void) state;
    world_init(&w);
    w.o.file_bytes = 10000;
    w.o.cache_bytes = SIZE_MAX; /* from the disk */
    world_open(&w);
    pen_init(&a, &w, 1);
    pen_init(&b, &w, 2);
    pen_begin(&a);
    pen_begin(&b);
    for (int i = 0; i < 30; i++) {
        pen_append_ok(&a, 1, 2, 1000);
        if (i < 3)
            pen_append_ok(&b, 1, 1, 0);
    }
    assert_in_range(world_files(&w, &bytes), 7, 9);
    assert_int_equal(check_tail(&a, 0, 0), 30);
    assert_int_equal(check_tail(&b, 0, 0), 3);
    reclog_sealed(a.rec, UINT64_MAX);
    for (again = 0; again < 400 && world_files(&w, &bytes) > 2; again++)
        (void) usleep(5000);
    assert_int_equal(world_files(&w, &bytes), 2); /* the first, which b holds back, and the last */
    assert_true(bytes <= 20000);
    assert_int_equal(check_tail(&b, 0, 0), 3);
    reclog_sealed(b.rec, 3);
    for (again = 0; again < 400 && world_files(&w, &bytes) > 1; again++)
        (void) usleep(5000);
    assert_int_equal(world_files(&w, &bytes), 1);

    pen_append_ok(&a, 25, 1, 1000); /* larger than a file: divided, and answered once */
    assert_in_range(world_files(&w, &seen), 3, 5);
    assert_int_equal(check_tail(&a, 0, 60), 25);
    pen_append_ok(&a, 1, 1, 30000); /* a record larger than a file has one for itself */
    assert_int_equal(check_tail(&a, 0, 60), 26);
    pen_deinit(&a);
    pen_deinit(&b);
    world_deinit(&w);
}

static void a_snapshot_outlives_its_files(void **state)
{
    struct world w;
    struct pen p;
    struct reclog_tail *t = NULL;
    struct khlog_key *key = NULL;
    struct buf frame = BUF_INIT(1 << 20);
    uint64_t bytes;

    (void) state;
    world_init(&w);
    w.o.file_bytes = 5000;
    w.o.cache_bytes = SIZE_MAX;
    world_open(&w);
    pen_init(&p, &w, 1);
    pen_begin(&p);
    for (int i = 0; i < 10; i++)
        pen_append_ok(&p, 1, 1, 2000);
    assert_ok(reclog_tail(w.log, span_str(p.rid), 0, 0, &t, NULL));
    reclog_sealed(p.rec, UINT64_MAX);
    p.rec = reclog_end(p.rec);
    assert_err(reclog_tail(w.log, span_str(p.rid), 0, 0, &(struct reclog_tail *){ NULL }, NULL), ERR_NOTFOUND);
    world_close(&w);
    assert_int_equal(world_files(&w, &bytes), 0);
    for (size_t i = 0; i < t->n; i++) {
        buf_reset(&frame);
        assert_ok(reclog_tail_read(t, i, p.rk, &key, &frame, NULL));
        pen_check_frame(&p, i, 1, buf_span(&frame));
    }
    assert_err(reclog_tail_read(t, t->n, p.rk, &key, &frame, NULL), ERR_NOTFOUND);
    khlog_key_free(key);
    reclog_tail_free(t);
    pen_deinit(&p);
    buf_deinit(&frame);
    world_deinit(&w);
}

static void another_key_opens_nothing(void **state)
{
    CLEANUP(secret_freep) struct secret *other = secret_random(32);
    CLEANUP(reclog_tail_freep) struct reclog_tail *t = NULL;
    struct khlog_key *key = NULL;
    struct buf frame = BUF_INIT(1 << 20);
    struct world w;
    struct pen p;

    (void) state;
    world_init(&w);
    world_open(&w);
    pen_init(&p, &w, 1);
    pen_begin(&p);
    pen_append_ok(&p, 1, 1, 0);
    assert_ok(reclog_tail(w.log, span_str(p.rid), 0, 0, &t, NULL));
    assert_err(reclog_tail_read(t, 0, other, &key, &frame, NULL), ERR_CORRUPT);
    assert_null(key);
    assert_int_equal(frame.n, 0);
    t = reclog_tail_free(t);
    pen_deinit(&p);
    buf_deinit(&frame);
    world_deinit(&w);
}

/* ---- pressing ---- */

static void old_files_and_a_large_log_are_pressed(void **state)
{
    struct world w;
    struct pen quiet, busy;
    uint64_t bytes;

    (void) state;
    world_init(&w);
    w.o.file_bytes = 10000;
    w.o.total_bytes = 50000;
    w.o.old_ms = 300;
    world_open(&w);
    pen_init(&quiet, &w, 1);
    pen_init(&busy, &w, 2);
    pen_begin(&quiet);
    pen_begin(&busy);
    pen_append_ok(&quiet, 1, 1, 0);
    world_until(&w, &quiet.n_pressed, 1); /* by age */
    assert_int_equal(busy.n_pressed, 0);
    reclog_sealed(quiet.rec, UINT64_MAX);
    for (int i = 0; i < 400 && world_files(&w, &bytes) > 0; i++)
        (void) usleep(5000);
    assert_int_equal(world_files(&w, &bytes), 0);

    world_close(&w);
    pen_deinit(&quiet);
    pen_deinit(&busy);
    w.o.old_ms = 600000;
    world_open(&w);
    pen_init(&quiet, &w, 1);
    pen_init(&busy, &w, 2);
    pen_begin(&quiet);
    pen_begin(&busy);
    pen_append_ok(&quiet, 1, 1, 0);
    for (int i = 0; i < 40; i++)
        pen_append_ok(&busy, 1, 1, 1000);
    assert_true(quiet.n_pressed == 0 && busy.n_pressed == 0);
    for (int i = 0; i < 40; i++)
        pen_append_ok(&busy, 1, 1, 1000);
    world_until(&w, &quiet.n_pressed, 1); /* by size */
    assert_int_equal(quiet.n_pressed, 1);
    world_until(&w, &busy.n_pressed, 1);
    reclog_sealed(quiet.rec, UINT64_MAX);
    reclog_sealed(busy.rec, UINT64_MAX);
    for (int i = 0; i < 400 && world_files(&w, &bytes) > 1; i++)
        (void) usleep(5000);
    assert_true(world_files(&w, &bytes) <= 1);
    pen_deinit(&quiet);
    pen_deinit(&busy);
    world_deinit(&w);
}

/* ---- followers ---- */

struct ear {
    struct reclog_follower *f;
    struct reclog_news last;
    int n, n_ended;
    struct ear *unfollow_too; /* this one's first call ends that one */
};

static void on_news(void *ctx, const struct reclog_news *news)
{
    struct ear *e = ctx;

    assert_true(news->next_seq >= e->last.next_seq && news->sealed_seq >= e->last.sealed_seq);
    assert_int_equal(e->n_ended, 0);
    e->last = *news;
    e->n++;
    e->n_ended += news->ended;
    if (e->unfollow_too != NULL) {
        e->unfollow_too->f = reclog_unfollow(e->unfollow_too->f);
        e->unfollow_too = NULL;
    }
}

static void followers_hear(void **state)
{
    struct world w;
    struct pen p;
    struct ear ears[300] = { { .n = 0 } };
    struct reclog_news now;
    struct reclog_follower *none = NULL;

    (void) state;
    world_init(&w);
    world_open(&w);
    pen_init(&p, &w, 1);
    assert_err(reclog_follow(w.log, span_str(p.rid), w.loop, on_news, NULL, &none, &now, NULL), ERR_NOTFOUND);
    pen_begin(&p);
    pen_append_ok(&p, 1, 4, 0);
    for (size_t i = 0; i < 300; i++)
        assert_ok(reclog_follow(w.log, span_str(p.rid), w.loop, on_news, &ears[i], &ears[i].f, &now, NULL));
    assert_true(now.next_seq == 4 && now.next_batch == 1 && now.sealed_seq == 0 && !now.ended);
    loop_turn(w.loop);
    assert_int_equal(ears[0].n, 0); /* nothing has changed */
    ears[0].unfollow_too = &ears[299];
    ears[5].unfollow_too = &ears[5];
    pen_append_ok(&p, 1, 1, 0);
    world_until(&w, &ears[298].n, 1);
    assert_int_equal(ears[298].last.next_seq, 5);
    assert_int_equal(ears[299].n, 0);
    assert_int_equal(ears[5].n, 1);
    reclog_sealed(p.rec, 1);
    for (int i = 0; i < 10000 && ears[298].last.sealed_seq < 4; i++) {
        loop_turn(w.loop);
        (void) usleep(100);
    }
    assert_int_equal(ears[298].last.sealed_seq, 4);
    p.rec = reclog_end(p.rec);
    world_until(&w, &ears[298].n_ended, 1);
    assert_int_equal(ears[5].n, 1);
    for (int i = 0; i < 100; i++)
        loop_turn(w.loop);
    for (size_t i = 0; i < 299; i++) {
        assert_int_equal(ears[i].n_ended, i == 5 ? 0 : 1);
        reclog_unfollow(ears[i].f);
    }
    pen_deinit(&p);
    world_deinit(&w);
}

/* Ends a recording from within an answer, with batches queued, in the group, and answered. */
static void ended_in_full_flow(void **state)
{
    struct world w;
    struct pen p, q;

    (void) state;
    world_init(&w);
    world_open(&w);
    pen_init(&q, &w, 2);
    pen_begin(&q);
    for (unsigned round = 0; round < 50; round++) {
        static const struct reclog_frame f = { .zstd = { (const uint8_t *) "x", 1 }, .n_events = 1 };
        struct reclog_frame frames[20];

        pen_init(&p, &w, 1);
        pen_begin(&p);
        for (unsigned i = 0; i < 20; i++) {
            frames[i] = f;
            frames[i].first_seq = i;
            assert_ok(reclog_append(p.rec, i, &frames[i], 1, NULL, NULL, NULL));
            if (i == round % 20)
                (void) usleep(round * 10);
        }
        assert_ok(pen_append(&q, 1, 1, 0));
        if (round % 3 == 0)
            loop_turn(w.loop);
        pen_deinit(&p);
    }
    pen_wait(&q);
    assert_int_equal(q.n_ok, 50);
    assert_int_equal(check_tail(&q, 0, 0), 50);
    pen_deinit(&q);
    world_deinit(&w);
}

static void closed_with_batches_under_way(void **state)
{
    struct world w;
    struct pen p;

    (void) state;
    world_init(&w);
    world_open(&w);
    pen_init(&p, &w, 1);
    pen_begin(&p);
    for (int i = 0; i < 10; i++)
        assert_ok(pen_append(&p, 1, 1, 100));
    world_close(&w); /* they are written */
    assert_int_equal(p.n_ok, 10);
    assert_err(pen_append(&p, 1, 1, 0), ERR_CLOSED);
    pen_deinit(&p);
    world_deinit(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_recording_from_first_to_last),
        cmocka_unit_test(what_may_not_be_appended),
        cmocka_unit_test(a_thousand_recordings_share_syncs),
        cmocka_unit_test(twenty_thousand_at_once),
        cmocka_unit_test(the_queue_has_a_limit),
        cmocka_unit_test(files_turn_over),
        cmocka_unit_test(a_snapshot_outlives_its_files),
        cmocka_unit_test(another_key_opens_nothing),
        cmocka_unit_test(old_files_and_a_large_log_are_pressed),
        cmocka_unit_test(followers_hear),
        cmocka_unit_test(ended_in_full_flow),
        cmocka_unit_test(closed_with_batches_under_way),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
