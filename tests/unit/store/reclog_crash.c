/*
 * The log on a disk that dies. Several processes one after another on one directory: each recovers what the one before
 * left, goes on with a new key number, and dies at a seeded write or sync. What was written since the last sync is then
 * kept, lost or torn, by seed. Also: a disk that is full now and then, and one that fails.
 *
 * After every death: each acknowledged event is there once and in order, whole batches only; and over all processes
 * aead_watch never sees a nonce twice under one key.
 *
 * KEYHOLE_CRASH_SEEDS: how many runs of four lives each (150; 6,000 with KEYHOLE_LONG, the long form of all tests).
 */
#include "_reclog.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "crypto/aead.h"
#include "os/file.h"

#define PENS      3
#define LIVES     4
#define FILES_MAX 200

/* ---- every encryption ---- */

#define WATCHED_MAX 400000

static struct watched {
    uint8_t key_sum[32];
    uint8_t nonce[AEAD_GCM_NONCE_LEN];
} *watched;
static size_t n_watched;
static pthread_mutex_t watched_lock = PTHREAD_MUTEX_INITIALIZER;

void aead_watch(const uint8_t key_sum[32], const uint8_t nonce[AEAD_GCM_NONCE_LEN])
{
    (void) pthread_mutex_lock(&watched_lock);
    if (watched != NULL && n_watched < WATCHED_MAX) {
        memcpy(watched[n_watched].key_sum, key_sum, 32);
        memcpy(watched[n_watched++].nonce, nonce, AEAD_GCM_NONCE_LEN);
    }
    (void) pthread_mutex_unlock(&watched_lock);
}

static int by_bytes(const void *a, const void *b)
{
    return memcmp(a, b, sizeof(struct watched));
}

static size_t nonces_twice(void)
{
    size_t twice = 0;

    qsort(watched, n_watched, sizeof(watched[0]), by_bytes);
    for (size_t i = 1; i < n_watched; i++)
        twice += memcmp(&watched[i - 1], &watched[i], sizeof(watched[0])) == 0;
    return twice;
}

/* ---- the disk ---- */

struct op {
    enum { WRITE, TRUNCATE, REMOVE } what;
    uint32_t file_no;
    uint64_t at; /* or the size */
    struct buf bytes;
};

struct disk {
    uint64_t seed;    /* of what the test does */
    uint64_t io_seed; /* of what the disk does, on the writer's thread */
    int calls_left;   /* of write and sync, until it dies */
    bool dead;
    int full_of_100;  /* chance of ENOSPC */
    bool stiff;       /* too full to cut a file, now and then; recorders then repeat a batch as it was, as they should */
    struct buf durable[FILES_MAX];
    bool known[FILES_MAX];
    bool gone[FILES_MAX];
    struct op *ops;   /* since the file's last sync; removals are never synced */
    size_t n_ops, cap_ops;
};

static uint64_t next_random(uint64_t *seed)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    return *seed;
}

static unsigned pick(struct disk *d, unsigned n)
{
    return (unsigned) (next_random(&d->seed) >> 11) % n;
}

static unsigned pick_io(struct disk *d, unsigned n)
{
    return (unsigned) (next_random(&d->io_seed) >> 11) % n;
}

static void note(struct disk *d, uint32_t file_no, int what, uint64_t at, struct span bytes)
{
    assert_true(file_no < FILES_MAX);
    if (d->n_ops == d->cap_ops) {
        d->cap_ops = d->cap_ops == 0 ? 64 : d->cap_ops * 2;
        d->ops = realloc(d->ops, d->cap_ops * sizeof(d->ops[0]));
        assert_non_null(d->ops);
    }
    d->ops[d->n_ops] = (struct op){ .what = what, .file_no = file_no, .at = at, .bytes = BUF_INIT(64u << 20) };
    buf_add_span(&d->ops[d->n_ops++].bytes, bytes);
}

static void apply(struct disk *d, const struct op *o)
{
    struct buf *f = &d->durable[o->file_no];

    if (!d->known[o->file_no]) {
        *f = BUF_INIT(64u << 20);
        d->known[o->file_no] = true;
    }
    if (o->what == TRUNCATE && f->n > o->at)
        f->n = (size_t) o->at;
    if (o->what == REMOVE)
        d->gone[o->file_no] = true;
    if (o->what != WRITE)
        return;
    while (f->n < o->at + o->bytes.n)
        buf_add_c(f, '\0'); /* what lies before a write that was kept, and was not kept itself */
    if (o->bytes.n > 0)
        memcpy(f->p + o->at, o->bytes.p, o->bytes.n);
}

static int disk_write(void *ctx, uint32_t file_no, int fd, uint64_t at, struct span bytes)
{
    struct disk *d = ctx;
    bool full = pick_io(d, 100) < (unsigned) d->full_of_100;

    if (d->dead || d->calls_left-- <= 0) {
        if (!d->dead)
            note(d, file_no, WRITE, at, span_sub(bytes, 0, pick_io(d, (unsigned) bytes.n + 1)));
        d->dead = true;
        return EIO;
    }
    if (full)
        bytes = span_sub(bytes, 0, pick_io(d, (unsigned) bytes.n));
    if (pwrite(fd, bytes.p, bytes.n, (off_t) at) != (ssize_t) bytes.n)
        return EIO;
    note(d, file_no, WRITE, at, bytes);
    return full ? ENOSPC : 0;
}

static int disk_sync(void *ctx, uint32_t file_no, int fd)
{
    struct disk *d = ctx;
    size_t left = 0;

    (void) fd;
    if (d->dead || d->calls_left-- <= 0) {
        d->dead = true;
        return EIO;
    }
    for (size_t i = 0; i < d->n_ops; i++) {
        if (d->ops[i].file_no == file_no && d->ops[i].what != REMOVE) {
            apply(d, &d->ops[i]);
            buf_deinit(&d->ops[i].bytes);
        } else {
            d->ops[left++] = d->ops[i];
        }
    }
    d->n_ops = left;
    return 0;
}

static int disk_truncate(void *ctx, uint32_t file_no, int fd, uint64_t size)
{
    struct disk *d = ctx;

    if (d->dead || (d->stiff && pick_io(d, 2) == 0))
        return ENOSPC; /* a file system that needs room to give room back */
    if (ftruncate(fd, (off_t) size) != 0)
        return EIO;
    note(d, file_no, TRUNCATE, size, SPAN_EMPTY);
    return 0;
}

static void disk_removing(void *ctx, uint32_t file_no)
{
    note(ctx, file_no, REMOVE, 0, SPAN_EMPTY);
}

/*
 * What a reader finds after the power came back: the directory's files are made so. Sizes and removals last in their
 * order up to some point, as a journal keeps them; written bytes as they like.
 */
static void disk_settle(struct disk *d, const struct world *w)
{
    size_t lasting = pick_io(d, (unsigned) d->n_ops + 1);
    char path[128];

    for (size_t i = 0; i < d->n_ops; i++) {
        struct op *o = &d->ops[i];
        unsigned fate = pick_io(d, 3);

        if (fate == 1 && o->what == WRITE)
            o->bytes.n = pick_io(d, (unsigned) o->bytes.n + 1); /* torn */
        if (o->what == WRITE ? fate != 0 : i < lasting)
            apply(d, o);
        buf_deinit(&o->bytes);
    }
    d->n_ops = 0;
    for (uint32_t no = 0; no < FILES_MAX; no++) {
        int fd;

        if (!d->known[no])
            continue;
        (void) snprintf(path, sizeof(path), "%s/log/%u.khl", w->dir, no);
        if (d->gone[no]) {
            (void) unlink(path);
            continue;
        }
        fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
        assert_true(fd >= 0);
        assert_ok(os_write_all(fd, buf_span(&d->durable[no]), NULL));
        (void) close(fd);
    }
}

static void disk_deinit(struct disk *d)
{
    for (size_t i = 0; i < d->n_ops; i++)
        buf_deinit(&d->ops[i].bytes);
    for (size_t i = 0; i < FILES_MAX; i++) {
        if (d->known[i])
            buf_deinit(&d->durable[i]);
    }
    free(d->ops);
}

/* ---- the keeper: what pieces hold ---- */

struct kept {
    uint64_t next_seq, next_batch;
    uint32_t seg_no;
};

/* The owner seals what is durable. */
static void seal(struct pen *p, struct kept *k)
{
    CLEANUP(reclog_tail_freep) struct reclog_tail *t = NULL;
    CLEANUP(khlog_key_freep) struct khlog_key *key = NULL;
    struct buf frame = BUF_INIT(1 << 20);

    assert_ok(reclog_tail(p->w->log, span_str(p->rid), 0, 0, &t, NULL));
    assert_true(t->sealed_seq == k->next_seq);
    for (size_t i = 0; i < t->n; i++) {
        struct err_info e = { .text = "" };

        buf_reset(&frame);
        assert_ok_err(reclog_tail_read(t, i, p->rk, &key, &frame, &e), &e);
        assert_true(t->records[i].first_seq == k->next_seq);
        if ((t->records[i].flags & KHLOG_HEAD) == 0)
            pen_check_frame(p, k->next_seq, t->records[i].n_events, buf_span(&frame));
        k->next_seq += t->records[i].n_events;
    }
    assert_true(k->next_seq == t->next_seq);
    k->next_batch = t->next_batch;
    reclog_sealed(p->rec, k->next_batch);
    buf_deinit(&frame);
}

/* True: its last record ends a batch. */
static bool check_piece(const struct pen *p, const struct store *store, const struct store_piece *at,
                        const struct reclog_piece *said, uint16_t kn)
{
    bool ends = false;
    struct store_file f = STORE_FILE_NONE;
    struct khseg_source src;
    struct khspl *s = NULL;
    struct buf frame = BUF_INIT(1 << 20);

    assert_ok(store_get(store, at, &f, NULL));
    src = store_source(&f);
    assert_ok(khspl_open(&src, &s, NULL));
    assert_ok(khspl_unlock(s, p->rk, PROJECT, span_str(p->rid), kn, 0, NULL));
    for (size_t i = 0; i < khspl_n(s); i++) {
        const struct khspl_record *r = khspl_at(s, i);

        buf_reset(&frame);
        assert_ok(khspl_read(s, i, &frame, NULL));
        if ((r->flags & KHLOG_HEAD) == 0)
            pen_check_frame(p, r->first_seq, r->n_events, buf_span(&frame));
        ends = (r->flags & KHLOG_LAST) != 0;
    }
    assert_int_equal(khspl_n(s), said->n_chunks);
    khspl_free(s);
    store_close(&f);
    buf_deinit(&frame);
    return ends;
}

static struct pen *pen_of(struct pen pens[PENS], struct span rid)
{
    for (size_t i = 0; i < PENS; i++) {
        if (span_eq_str(rid, pens[i].rid))
            return &pens[i];
    }
    fail();
    return NULL;
}

/* Everything goes into pieces, and the old files go. */
static void recover(struct world *w, const struct store *store, struct pen pens[PENS], struct kept kept[PENS])
{
    struct reclog_recovery *v = NULL;
    struct err_info info = { .text = "" };
    bool whole[PENS] = { true, true, true };

    assert_ok_err(reclog_recover_scan(w->log, &v, &info), &info);
    for (size_t i = 0; i < reclog_recovery_n(v); i++) {
        const struct reclog_found *f = reclog_recovery_at(v, i);
        struct pen *p = pen_of(pens, f->rid);
        struct kept *k = &kept[p - pens];
        struct store_piece at = { .project = f->project, .rid = f->rid, .seg_no = k->seg_no };
        struct reclog_piece said;
        enum err e = reclog_recover_write(v, i, k->next_seq, k->next_batch, store, &at, &said, &info);

        if (e == ERR_NOTFOUND)
            continue;
        assert_ok_err(e, &info);
        assert_true(said.first_seq == k->next_seq);
        whole[p - pens] = check_piece(p, store, &at, &said, f->kn);
        k->next_seq += said.n_events;
        k->next_batch = said.next_batch;
        k->seg_no++;
    }
    for (size_t i = 0; i < PENS; i++)
        assert_true(whole[i]); /* never half a batch at the end */
    for (size_t i = 0; i < reclog_recovery_n(v); i++)
        assert_ok(reclog_recover_done(v, i, NULL));
    reclog_recovery_free(v);
}

/* ---- a life ---- */

/* Turns until everything was answered, or the log is dead. */
static void settle(struct world *w, struct pen pens[PENS], const int sent[PENS])
{
    for (int i = 0; i < 200000; i++) {
        bool done = true;

        for (size_t k = 0; k < PENS; k++)
            done &= pens[k].n_done == sent[k];
        if (done)
            return;
        loop_turn(w->loop);
        (void) usleep(20);
    }
    fail_msg("no answers");
}

static enum err append_any(struct disk *d, struct pen *p)
{
    uint64_t same = (p->next_batch + 1) * 0x9e3779b97f4a7c15u;
    struct disk as_before = { .seed = same };
    unsigned kind;

    if (d->stiff)
        d = &as_before;
    kind = pick(d, 10);
    if (kind == 0)
        return pen_append(p, 0, 0, 0);
    if (kind == 1 && p->next_seq == 0)
        return pen_append_head(p, SPAN("{\"version\":2}"), 1 + pick(d, 3));
    return pen_append(p, 1 + pick(d, 4), 1 + pick(d, 5), pick(d, 400));
}

static void live(struct disk *d, struct pen pens[PENS], struct kept kept[PENS], struct world *w)
{
    int sent[PENS];

    for (size_t i = 0; i < PENS; i++)
        sent[i] = pens[i].n_done;
    while (__atomic_load_n(&w->fatal, __ATOMIC_SEQ_CST) == 0) {
        unsigned burst = 1 + pick(d, 6);

        for (unsigned n = 0; n < burst; n++) {
            size_t i = pick(d, PENS);
            enum err e = append_any(d, &pens[i]);

            sent[i] += e == ERR_OK;
            assert_true(e == ERR_OK || e == ERR_IO || e == ERR_AGAIN);
        }
        settle(w, pens, sent);
        if (pick(d, 4) == 0 && __atomic_load_n(&w->fatal, __ATOMIC_SEQ_CST) == 0) {
            size_t i = pick(d, PENS);

            seal(&pens[i], &kept[i]);
        }
    }
}

static void one_seed(uint64_t seed, int full_of_100)
{
    CLEANUP(store_freep) struct store *store = NULL;
    struct kept kept[PENS] = { { 0, 0, 0 } };
    struct world w;
    struct pen pens[PENS];

    world_init_fast(&w);
    assert_ok(store_open(w.dir, &store, NULL));
    for (unsigned i = 0; i < PENS; i++)
        pen_init(&pens[i], &w, i);
    for (int life = 0; life < LIVES; life++) {
        struct disk d = { .seed = (seed * LIVES + (uint64_t) life + 1) * 0x9e3779b97f4a7c15u,
                          .full_of_100 = full_of_100, .stiff = seed % 2 == 0 };
        const struct reclog_io io = { disk_write, disk_sync, disk_truncate, disk_removing, &d };

        d.io_seed = d.seed ^ 0x5851f42d4c957f2du;
        d.calls_left = 1 + (int) pick(&d, 60);
        w.fatal = 0;
        w.o.io = &io;
        w.o.file_bytes = 2000 + pick(&d, 20000);
        w.o.cache_bytes = pick(&d, 2) == 0 ? SIZE_MAX : 3000;
        world_open(&w);
        recover(&w, store, pens, kept);
        for (size_t i = 0; i < PENS; i++) {
            struct pen *p = &pens[i];

            assert_true(kept[i].next_seq >= p->acked_seq && kept[i].next_batch >= p->acked_batch); /* nothing is lost */
            p->next_seq = p->acked_seq = kept[i].next_seq;
            p->next_batch = p->acked_batch = kept[i].next_batch;
            p->kn = (uint16_t) life;
            secret_free(p->rk); /* a process that starts has no key of the one before; here the reader's copy changes too */
            p->rk = secret_random(32);
            pen_begin(p);
        }
        live(&d, pens, kept, &w);
        world_close(&w);
        for (size_t i = 0; i < PENS; i++)
            pens[i].rec = reclog_end(pens[i].rec);
        disk_settle(&d, &w);
        disk_deinit(&d);
    }
    for (size_t i = 0; i < PENS; i++)
        pen_deinit(&pens[i]);
    world_deinit(&w);
}

static void deaths(void **state)
{
    const char *text = getenv("KEYHOLE_CRASH_SEEDS");
    uint64_t n = text != NULL ? strtoull(text, NULL, 10) : getenv("KEYHOLE_LONG") != NULL ? 6000 : 150;

    (void) state;
    watched = calloc(WATCHED_MAX, sizeof(watched[0]));
    assert_non_null(watched);
    for (uint64_t seed = 0; seed < n; seed++) {
        one_seed(seed, seed % 3 == 0 ? 0 : seed % 3 == 1 ? 10 : 30);
        assert_true(n_watched > 0);
        if (n_watched > WATCHED_MAX / 2) {
            assert_int_equal(nonces_twice(), 0);
            n_watched = 0; /* keys are random: what comes later has others */
        }
    }
    assert_int_equal(nonces_twice(), 0);
    free(watched);
    watched = NULL;
}

/* ---- a disk that is full ---- */

/* No write over 20,000 bytes of a file: what does not fit fails, what was there stays, and later all goes on. */
static void full_and_then_not(void **state)
{
    struct rlimit was, low;
    struct world w;
    struct pen p, q;
    struct reclog_stats s;
    int failed;

    (void) state;
    (void) signal(SIGXFSZ, SIG_IGN);
    world_init(&w);
    world_open(&w);
    pen_init(&p, &w, 1);
    pen_init(&q, &w, 2);
    pen_begin(&p);
    pen_begin(&q);
    pen_append_ok(&p, 1, 1, 10000);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &was), 0);
    low = was;
    low.rlim_cur = 20000;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &low), 0);
    assert_ok(pen_append(&p, 1, 1, 12000));
    assert_ok(pen_append(&p, 1, 1, 10)); /* after one that fails: fails as well */
    world_until(&w, &p.n_done, 3);
    failed = p.n_failed;
    pen_append_ok(&p, 1, 1, 10); /* small ones still fit */
    pen_append_ok(&q, 1, 1, 10);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &was), 0);
    assert_int_equal(failed, 2);
    pen_append_ok(&p, 1, 1, 12000);
    assert_int_equal(p.acked_batch, 3);
    assert_int_equal(w.fatal, 0);
    reclog_stats(w.log, &s);
    assert_int_equal(s.failed, 2);
    pen_deinit(&p);
    pen_deinit(&q);
    world_deinit(&w);
}

static void a_failing_disk_is_the_end(void **state)
{
    struct disk d = { .io_seed = 1, .calls_left = 3 }; /* header, records, sync; then no more */
    const struct reclog_io io = { disk_write, disk_sync, disk_truncate, disk_removing, &d };
    struct world w;
    struct pen p;

    (void) state;
    world_init(&w);
    w.o.io = &io;
    world_open(&w);
    pen_init(&p, &w, 1);
    pen_begin(&p);
    pen_append_ok(&p, 1, 1, 0);
    assert_int_equal(w.fatal, 0);
    assert_ok(pen_append(&p, 1, 1, 0));
    world_until(&w, &p.n_failed, 1);
    assert_int_equal(p.last, ERR_IO);
    assert_int_equal(w.fatal, 1);
    assert_err(pen_append(&p, 1, 1, 0), ERR_IO);
    pen_deinit(&p);
    world_close(&w);
    assert_int_equal(w.fatal, 1);
    disk_deinit(&d);
    world_deinit(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(deaths),
        cmocka_unit_test(full_and_then_not),
        cmocka_unit_test(a_failing_disk_is_the_end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
