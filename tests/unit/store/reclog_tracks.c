/* The second track of a recording in the log: what masks took out, durable with the first one or not at all. */
#include "_reclog.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "os/file.h"

#define RID "r_0000000000000007"

struct two {
    struct world w;
    struct secret *rk, *reveal;
    struct reclog_rec *rec;
    int n_done;
    enum err last;
};

static void begin(struct two *t, bool reveal)
{
    static const uint8_t wrap[123] = { 7 }, second[123] = { 5 };
    const struct reclog_begin b = { .project = PROJECT, .rid = SPAN(RID), .wrap = SPAN_OF(wrap), .rk = t->rk,
                                    .reveal_wrap = reveal ? SPAN_OF(second) : SPAN_EMPTY,
                                    .reveal = reveal ? t->reveal : NULL, .loop = t->w.loop };

    assert_ok(reclog_begin(t->w.log, &b, &t->rec, NULL));
}

static void setup(struct two *t, bool reveal)
{
    *t = (struct two){ .n_done = 0 };
    world_init_fast(&t->w);
    world_open(&t->w);
    t->rk = secret_random(32);
    t->reveal = secret_random(32);
    begin(t, reveal);
}

static void teardown(struct two *t)
{
    t->rec = reclog_end(t->rec);
    t->rk = secret_free(t->rk);
    t->reveal = secret_free(t->reveal);
    world_deinit(&t->w);
}

static void on_done(void *ctx, enum err e)
{
    struct two *t = ctx;

    t->last = e;
    t->n_done++;
}

static struct reclog_frame frame(uint8_t track, uint64_t seq, uint32_t n, const char *bytes)
{
    return (struct reclog_frame){ .zstd = span_str(bytes), .first_seq = seq, .n_events = n, .track = track };
}

/* Batch b: two events in one frame of track 0, and in one or two of track 1. */
static void add(struct two *t, uint64_t b)
{
    static const char masked[] = "masked bytes", kept[] = "original bytes of two", half[] = "half";
    const uint64_t seq = b * 2;
    const struct reclog_frame whole[] = { frame(1, seq, 2, kept), frame(0, seq, 2, masked) };
    const struct reclog_frame parts[] = { frame(1, seq, 1, half), frame(1, seq + 1, 1, half), frame(0, seq, 2, masked) };
    int before = t->n_done;

    assert_ok(b % 2 == 0 ? reclog_append(t->rec, b, whole, 2, on_done, t, NULL) : reclog_append(t->rec, b, parts, 3, on_done, t, NULL));
    world_until(&t->w, &t->n_done, before + 1);
    assert_ok(t->last);
}

static void both_are_read_by_their_own_key(void **state)
{
    struct reclog_tail *whole = NULL, *kept = NULL;
    struct khlog_key *key = NULL;
    struct buf out = BUF_INIT(1000);
    struct reclog_unsealed u;
    struct two t;

    (void) state;
    setup(&t, true);
    for (uint64_t b = 0; b < 3; b++)
        add(&t, b);
    assert_ok(reclog_tail(t.w.log, SPAN(RID), 0, 0, &whole, NULL));
    assert_ok(reclog_tail_reveal(t.w.log, SPAN(RID), 0, 0, &kept, NULL));
    assert_int_equal(whole->n, 3);
    assert_int_equal(kept->n, 4);
    assert_int_equal(kept->track, 1);
    assert_true(whole->next_seq == 6 && kept->next_seq == 6);
    assert_int_equal(kept->records[1].flags & KHLOG_LAST, 0);
    assert_int_equal(kept->records[2].flags & KHLOG_LAST, KHLOG_LAST);
    assert_ok(reclog_tail_read(kept, 0, t.reveal, &key, &out, NULL));
    assert_span_str(buf_span(&out), "original bytes of two");
    key = khlog_key_free(key);
    buf_reset(&out);
    assert_err(reclog_tail_read(kept, 0, t.rk, &key, &out, NULL), ERR_CORRUPT);
    assert_err(reclog_tail_read(whole, 0, t.reveal, &key, &out, NULL), ERR_CORRUPT);
    assert_int_equal(out.n, 0);
    assert_ok(reclog_tail_read(whole, 0, t.rk, &key, &out, NULL));
    assert_span_str(buf_span(&out), "masked bytes");
    key = khlog_key_free(key);
    whole = reclog_tail_free(whole);
    kept = reclog_tail_free(kept);
    reclog_sealed(t.rec, 2); /* of both */
    assert_ok(reclog_tail_reveal(t.w.log, SPAN(RID), 0, 0, &kept, NULL));
    assert_int_equal(kept->n, 1);
    assert_true(kept->records[0].first_seq == 4 && kept->sealed_seq == 4);
    kept = reclog_tail_free(kept);
    reclog_unsealed(t.rec, &u);
    assert_true(u.n_records == 1 && u.bytes == strlen("masked bytes"));
    reclog_sealed(t.rec, UINT64_MAX);
    reclog_unsealed(t.rec, &u);
    assert_true(u.n_records == 0 && u.bytes == 0);
    buf_deinit(&out);
    teardown(&t);
}

static void what_does_not_fit_together(void **state)
{
    struct reclog_tail *tail = NULL;
    struct two t;

    (void) state;
    setup(&t, true);
    {
        const struct reclog_frame none[] = { frame(0, 0, 2, "x") }, fewer[] = { frame(1, 0, 1, "y"), frame(0, 0, 2, "x") },
                                  later[] = { frame(1, 1, 2, "y"), frame(0, 0, 2, "x") },
                                  behind[] = { frame(0, 0, 2, "x"), frame(1, 0, 2, "y") };

        assert_err(reclog_append(t.rec, 0, none, 1, on_done, &t, NULL), ERR_INVAL);
        assert_err(reclog_append(t.rec, 0, fewer, 2, on_done, &t, NULL), ERR_INVAL);
        assert_err(reclog_append(t.rec, 0, later, 2, on_done, &t, NULL), ERR_INVAL);
        assert_err(reclog_append(t.rec, 0, behind, 2, on_done, &t, NULL), ERR_INVAL);
        assert_ok(reclog_append(t.rec, 0, NULL, 0, on_done, &t, NULL)); /* a batch without events has nothing to hide */
        world_until(&t.w, &t.n_done, 1);
        assert_ok(t.last);
    }
    teardown(&t);
    setup(&t, false);
    {
        const struct reclog_frame uninvited[] = { frame(1, 0, 2, "y"), frame(0, 0, 2, "x") };

        assert_err(reclog_append(t.rec, 0, uninvited, 2, on_done, &t, NULL), ERR_INVAL);
        assert_err(reclog_tail_reveal(t.w.log, SPAN(RID), 0, 0, &tail, NULL), ERR_NOTFOUND);
    }
    teardown(&t);
}

/* How far the tracks go in what is recovered of these bytes. */
static void recover(struct two *t, struct span bytes, uint64_t ret[2])
{
    CLEANUP(reclog_recovery_freep) struct reclog_recovery *v = NULL;
    char path[128];
    int fd, dir = -1;

    (void) snprintf(path, sizeof(path), "%s/log", t->w.dir);
    assert_ok(os_dir_open(path, true, &dir, NULL));
    fd = openat(dir, "0.khl", O_WRONLY | O_CREAT | O_TRUNC, 0600);
    assert_true(fd >= 0);
    assert_ok(os_write_all(fd, bytes, NULL));
    (void) close(fd);
    (void) close(dir);
    world_open(&t->w);
    assert_ok(reclog_recover_scan(t->w.log, &v, NULL));
    ret[0] = ret[1] = 0;
    for (size_t k = 0; k < reclog_recovery_n(v); k++) {
        const struct reclog_found *f = reclog_recovery_at(v, k);

        assert_true(f->track == k && f->first_seq == 0); /* track 0 first */
        ret[f->track] = f->next_seq;
        assert_ok(reclog_recover_done(v, k, NULL));
    }
    v = reclog_recovery_free(v);
    world_close(&t->w);
}

/* Wherever the power goes, both tracks end with the same batch, and what was acknowledged is in both. */
static void cut_at_each_byte(void **state)
{
    struct reclog_stats s;
    uint64_t sizes[5], got[2];
    struct buf file;
    char path[128];
    struct two t;

    (void) state;
    setup(&t, true);
    for (uint64_t b = 0; b < 5; b++) {
        add(&t, b);
        reclog_stats(t.w.log, &s);
        sizes[b] = s.file_bytes;
    }
    (void) snprintf(path, sizeof(path), "%s/log/0.khl", t.w.dir);
    test_read_file(path, &file);
    world_close(&t.w);
    t.rec = reclog_end(t.rec);
    for (size_t cut = 0; cut <= file.n; cut++) {
        uint64_t want = 0;

        for (size_t b = 0; b < 5 && sizes[b] <= cut; b++)
            want = 2 * (b + 1);
        recover(&t, span_of(file.p, cut), got);
        assert_true(got[0] == want && got[1] == want);
    }
    buf_deinit(&file);
    teardown(&t);
}

/* What was sealed of both goes; the rest becomes a piece of each track, that its own key opens. */
static void pieces_of_both(void **state)
{
    CLEANUP(store_freep) struct store *store = NULL;
    CLEANUP(reclog_recovery_freep) struct reclog_recovery *v = NULL;
    struct two t;

    (void) state;
    setup(&t, true);
    assert_ok(store_open(t.w.dir, &store, NULL));
    for (uint64_t b = 0; b < 4; b++)
        add(&t, b);
    reclog_sealed(t.rec, 1);
    world_close(&t.w);
    world_open(&t.w);
    assert_ok(reclog_recover_scan(t.w.log, &v, NULL));
    assert_int_equal(reclog_recovery_n(v), 2);
    for (unsigned i = 0; i < 2; i++) {
        const struct reclog_found *f = reclog_recovery_at(v, i);
        const struct store_piece at = { f->project, f->rid, 3 + i };
        const struct secret *own = i == 0 ? t.rk : t.reveal, *other = i == 0 ? t.reveal : t.rk;
        struct store_file file = STORE_FILE_NONE;
        struct reclog_piece said;
        struct khseg_source src;
        struct khspl *s = NULL;

        assert_int_equal(f->track, i);
        assert_int_equal(f->wrap.p[0], i == 0 ? 7 : 5);
        assert_ok(reclog_recover_write(v, i, 2, 1, store, &at, &said, NULL));
        assert_true(said.first_seq == 2 && said.n_events == 6 && said.next_batch == 4);
        assert_ok(store_get(store, &at, &file, NULL));
        src = store_source(&file);
        assert_ok(khspl_open(&src, &s, NULL));
        assert_err(khspl_unlock(s, other, PROJECT, SPAN(RID), 0, (uint8_t) i, NULL), ERR_CORRUPT);
        assert_err(khspl_unlock(s, own, PROJECT, SPAN(RID), 0, (uint8_t) (1 - i), NULL), ERR_CORRUPT);
        assert_ok(khspl_unlock(s, own, PROJECT, SPAN(RID), 0, (uint8_t) i, NULL));
        s = khspl_free(s);
        store_close(&file);
    }
    v = reclog_recovery_free(v);
    teardown(&t);
}

static void on_news(void *ctx, const struct reclog_news *news)
{
    *(struct reclog_news *) ctx = *news;
}

static void with_marks(struct two *t, uint64_t b, uint8_t marks, uint64_t hold)
{
    const uint64_t seq = b * 2;
    struct reclog_frame f[] = { frame(0, seq, 2, "events"), frame(0, seq + 2, 0, "marks") };
    int before = t->n_done;

    f[1].marks = marks;
    reclog_hold(t->rec, hold);
    assert_ok(reclog_append(t->rec, b, f, marks != 0 ? 2 : 1, on_done, t, NULL));
    world_until(&t->w, &t->n_done, before + 1);
    assert_ok(t->last);
}

/* Records of marks beside events: found by what they may speak of; followers hear later, tails at once; recovery knows how it ended. */
static void marks_and_holds(void **state)
{
    static const struct {
        uint64_t from;
        size_t n;
    } t_late[] = { { 0, 2 }, { 3, 2 }, { 4, 1 }, { 7, 1 }, { 8, 0 } };
    CLEANUP(reclog_recovery_freep) struct reclog_recovery *v = NULL;
    struct reclog_follower *f = NULL;
    struct reclog_news news, heard = { .next_seq = 99 };
    struct reclog_frame bad = frame(0, 0, 1, "marks");
    struct reclog_tail *tail = NULL;
    struct two t;

    (void) state;
    setup(&t, false);
    bad.marks = KHLOG_LATE;
    assert_err(reclog_append(t.rec, 0, &bad, 1, on_done, &t, NULL), ERR_INVAL);
    assert_ok(reclog_follow(t.w.log, SPAN(RID), t.w.loop, on_news, &heard, &f, &news, NULL));
    with_marks(&t, 0, KHLOG_UNSURE, 0);
    with_marks(&t, 1, KHLOG_LATE, 2);
    assert_int_equal(heard.next_seq, 2);
    with_marks(&t, 2, KHLOG_UNSURE, UINT64_MAX);
    assert_int_equal(heard.next_seq, 6);
    with_marks(&t, 3, KHLOG_LATE, 1); /* lower than what was told: the follower's to know */
    assert_int_equal(heard.next_seq, 1);
    reclog_show(t.rec);
    with_marks(&t, 4, KHLOG_UNSURE, 8);
    assert_int_equal(heard.next_seq, 8);
    assert_ok(reclog_tail(t.w.log, SPAN(RID), 0, 0, &tail, NULL));
    assert_true(tail->next_seq == 10 && tail->n == 10);
    assert_true((tail->records[9].flags & (KHLOG_UNSURE | KHLOG_LAST)) == (KHLOG_UNSURE | KHLOG_LAST) && tail->records[8].flags == 0);
    tail = reclog_tail_free(tail);
    for (size_t i = 0; i < sizeof(t_late) / sizeof(t_late[0]); i++) {
        assert_ok(reclog_tail_late(t.w.log, SPAN(RID), t_late[i].from, &tail, NULL));
        assert_int_equal(tail->n, t_late[i].n);
        for (size_t k = 0; k < tail->n; k++)
            assert_true((tail->records[k].flags & KHLOG_LATE) != 0);
        tail = reclog_tail_free(tail);
    }
    f = reclog_unfollow(f);
    world_close(&t.w);
    t.rec = reclog_end(t.rec);
    world_open(&t.w);
    assert_ok(reclog_recover_scan(t.w.log, &v, NULL));
    assert_int_equal(reclog_recovery_n(v), 1);
    assert_true(reclog_recovery_at(v, 0)->unsure && reclog_recovery_at(v, 0)->next_seq == 10);
    v = reclog_recovery_free(v);
    teardown(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_are_read_by_their_own_key),
        cmocka_unit_test(what_does_not_fit_together),
        cmocka_unit_test(cut_at_each_byte),
        cmocka_unit_test(pieces_of_both),
        cmocka_unit_test(marks_and_holds),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
