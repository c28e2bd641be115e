/* Recovery of the log: what a process left becomes pieces; every cut, every flipped byte, odd orders of records. */
#include "_reclog.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "crypto/hash.h"
#include "os/file.h"

static struct store_piece piece_at(const struct reclog_found *f, uint32_t seg_no)
{
    return (struct store_piece){ .project = f->project, .rid = f->rid, .seg_no = seg_no };
}

/* Opens a piece with the pen's key and checks all its events. Returns how many. */
static uint64_t check_piece(const struct pen *p, const struct store *store, const struct store_piece *at,
                            const struct reclog_piece *said, uint16_t kn)
{
    struct store_file f = STORE_FILE_NONE;
    struct khseg_source src;
    struct khspl *s = NULL;
    struct buf frame = BUF_INIT(64u << 20), whole = BUF_INIT(256u << 20);
    uint8_t sum[32];
    uint64_t seq = said->first_seq;

    assert_ok(store_get(store, at, &f, NULL));
    src = store_source(&f);
    assert_int_equal(f.size, said->size);
    assert_ok(src.read(src.ctx, 0, buf_reserve(&whole, f.size), f.size, NULL));
    sha256(span_of(whole.p, f.size), sum);
    assert_memory_equal(sum, said->sha256, 32);
    assert_ok(khspl_open(&src, &s, NULL));
    assert_ok(khspl_unlock(s, p->rk, PROJECT, span_str(p->rid), kn, 0, NULL));
    assert_int_equal(khspl_n(s), said->n_chunks);
    for (size_t i = 0; i < khspl_n(s); i++) {
        const struct khspl_record *r = khspl_at(s, i);

        buf_reset(&frame);
        assert_ok(khspl_read(s, i, &frame, NULL));
        assert_true(r->first_seq == seq);
        if ((r->flags & KHLOG_HEAD) == 0)
            pen_check_frame(p, seq, r->n_events, buf_span(&frame));
        seq += r->n_events;
    }
    assert_true(seq == said->first_seq + said->n_events);
    khspl_free(s);
    store_close(&f);
    buf_deinit(&frame);
    buf_deinit(&whole);
    return seq - said->first_seq;
}

static void two_recordings_and_a_restart(void **state)
{
    CLEANUP(store_freep) struct store *store = NULL;
    struct reclog_recovery *v = NULL;
    const struct reclog_found *f;
    struct reclog_piece said;
    struct store_piece at;
    struct world w;
    struct pen a, b, c;
    uint64_t bytes;

    (void) state;
    world_init(&w);
    assert_ok(store_open(w.dir, &store, NULL));
    world_open(&w);
    pen_init(&a, &w, 1);
    pen_init(&b, &w, 2);
    pen_init(&c, &w, 3);
    pen_begin(&a);
    pen_begin(&b);
    pen_begin(&c);
    assert_ok(pen_append_head(&a, SPAN("{}"), 2));
    pen_wait(&a);
    for (int i = 0; i < 5; i++) {
        pen_append_ok(&a, 2, 3, 100);
        pen_append_ok(&b, 1, 1, 0);
        pen_append_ok(&c, 1, 1, 0);
    }
    reclog_sealed(a.rec, 2);
    reclog_sealed(c.rec, UINT64_MAX);
    world_close(&w);
    assert_int_equal(world_files(&w, &bytes), 1);

    world_open(&w);
    assert_ok(reclog_recover_scan(w.log, &v, NULL));
    assert_int_equal(reclog_recovery_torn(v), 0);
    assert_int_equal(reclog_recovery_n(v), 2); /* c is closed */
    assert_null(reclog_recovery_at(v, 2));
    f = reclog_recovery_at(v, 0);
    assert_span_str(f->rid, a.rid);
    assert_span_eq(f->project, PROJECT);
    assert_int_equal(f->wrap.n, 123);
    assert_true(f->first_seq == 8 && f->next_seq == 32 && f->first_batch == 2 && f->next_batch == 6);
    assert_int_equal(f->n_records, 8);
    at = piece_at(f, 0);
    assert_err(reclog_recover_write(v, 0, 32, 6, store, &at, &said, NULL), ERR_NOTFOUND); /* pieces have it all */
    assert_err(reclog_recover_write(v, 0, 2, 1, store, &at, &said, NULL), ERR_INVAL);     /* batch 1 is gone */
    assert_err(reclog_recover_write(v, 0, 21, 4, store, &at, &said, NULL), ERR_INVAL);
    assert_err(reclog_recover_write(v, 2, 0, 0, store, &at, &said, NULL), ERR_NOTFOUND);
    assert_ok(reclog_recover_write(v, 0, 20, 4, store, &at, &said, NULL));
    assert_true(said.first_seq == 20 && said.n_events == 12 && said.next_batch == 6 && said.n_chunks == 4);
    assert_int_equal(check_piece(&a, store, &at, &said, 0), 12);
    assert_err(reclog_recover_write(v, 0, 20, 4, store, &at, &said, NULL), ERR_EXISTS);
    at.seg_no = 1;
    assert_ok(reclog_recover_write(v, 0, 8, 2, store, &at, &said, NULL));
    assert_int_equal(check_piece(&a, store, &at, &said, 0), 24);
    assert_ok(reclog_recover_done(v, 0, NULL));
    assert_ok(reclog_recover_done(v, 0, NULL));
    assert_int_equal(world_files(&w, &bytes), 1); /* b needs it */
    at = piece_at(reclog_recovery_at(v, 1), 0);
    assert_ok(reclog_recover_write(v, 1, 0, 0, store, &at, &said, NULL));
    assert_int_equal(check_piece(&b, store, &at, &said, 0), 5);
    assert_ok(reclog_recover_done(v, 1, NULL));
    assert_int_equal(world_files(&w, &bytes), 0);
    assert_err(reclog_recover_done(v, 2, NULL), ERR_NOTFOUND);
    v = reclog_recovery_free(v);
    assert_ok(reclog_recover_scan(w.log, &v, NULL));
    assert_int_equal(reclog_recovery_n(v), 0);
    reclog_recovery_free(v);
    pen_deinit(&a);
    pen_deinit(&b);
    pen_deinit(&c);
    world_deinit(&w);
}

/* What this process writes meanwhile is not the recovery's, and one that nobody finished is found again. */
static void recovery_beside_new_recordings(void **state)
{
    struct reclog_recovery *v = NULL;
    struct world w;
    struct pen a, b;
    uint64_t bytes;

    (void) state;
    world_init(&w);
    pen_init(&a, &w, 1);
    pen_init(&b, &w, 2);
    world_open(&w);
    pen_begin(&a);
    pen_append_ok(&a, 1, 1, 0);
    world_close(&w);
    for (int i = 0; i < 3; i++) {
        world_open(&w);
        b.rec = reclog_end(b.rec);
        pen_begin(&b);
        pen_append_ok(&b, 1, 1, 0);
        assert_ok(reclog_recover_scan(w.log, &v, NULL));
        assert_int_equal(reclog_recovery_n(v), 1 + i);
        assert_span_str(reclog_recovery_at(v, 0)->rid, a.rid);
        assert_int_equal(world_files(&w, &bytes), 2 + i);
        world_close(&w); /* before the recovery is over */
        v = reclog_recovery_free(v);
        b.kn++;
    }
    pen_deinit(&a);
    pen_deinit(&b);
    world_deinit(&w);
}

/* ---- damage ---- */

/* Puts bytes there as the only log file, and recovers: how many events of pen i are found, all from the first on. */
static void recover_bytes(struct world *w, struct span bytes, const struct pen *pens, size_t n, uint64_t *ret_found)
{
    struct reclog_recovery *v = NULL;
    char path[128];
    int fd, dir = -1;

    (void) snprintf(path, sizeof(path), "%s/log", w->dir);
    assert_ok(os_dir_open(path, true, &dir, NULL));
    fd = openat(dir, "0.khl", O_WRONLY | O_CREAT | O_TRUNC, 0600);
    assert_true(fd >= 0);
    assert_ok(os_write_all(fd, bytes, NULL));
    (void) close(fd);
    (void) close(dir);
    world_open(w);
    assert_ok(reclog_recover_scan(w->log, &v, NULL));
    for (size_t i = 0; i < n; i++)
        ret_found[i] = 0;
    for (size_t k = 0; k < reclog_recovery_n(v); k++) {
        const struct reclog_found *f = reclog_recovery_at(v, k);

        for (size_t i = 0; i < n; i++) {
            if (span_eq_str(f->rid, pens[i].rid)) {
                assert_int_equal(f->first_seq, 0);
                ret_found[i] = f->next_seq;
            }
        }
        assert_ok(reclog_recover_done(v, k, NULL));
    }
    reclog_recovery_free(v);
    world_close(w);
}

struct point {
    uint64_t size;   /* of the file after a batch */
    uint64_t seq[2]; /* acknowledged by then */
};

/* Two recordings in one file; batches of one to three records. */
static size_t write_sample(struct world *w, struct pen pens[2], struct point points[20], struct buf *file)
{
    struct reclog_stats s;
    char path[128];

    world_init_fast(w);
    world_open(w);
    for (unsigned i = 0; i < 2; i++) {
        pen_init(&pens[i], w, i);
        pen_begin(&pens[i]);
    }
    for (size_t i = 0; i < 8; i++) {
        pen_append_ok(&pens[i % 2], 1 + i % 3, 2, i);
        reclog_stats(w->log, &s);
        points[i] = (struct point){ s.file_bytes, { pens[0].acked_seq, pens[1].acked_seq } };
    }
    (void) snprintf(path, sizeof(path), "%s/log/0.khl", w->dir);
    test_read_file(path, file);
    world_close(w);
    for (unsigned i = 0; i < 2; i++)
        pen_deinit(&pens[i]);
    return 8;
}

static void cut_at_each_byte(void **state)
{
    struct world w;
    struct pen pens[2];
    struct point points[20];
    struct buf file;
    uint64_t found[2];
    size_t n;

    (void) state;
    n = write_sample(&w, pens, points, &file);
    for (size_t cut = 0; cut <= file.n; cut++) {
        struct point want = { 0, { 0, 0 } };

        for (size_t i = 0; i < n && points[i].size <= cut; i++)
            want = points[i];
        recover_bytes(&w, span_of(file.p, cut), pens, 2, found);
        assert_true(found[0] == want.seq[0] && found[1] == want.seq[1]);
    }
    buf_deinit(&file);
    world_deinit(&w);
}

static void each_byte_flipped(void **state)
{
    struct world w;
    struct pen pens[2];
    struct point points[20];
    struct buf file;
    uint64_t found[2];
    size_t n;

    (void) state;
    n = write_sample(&w, pens, points, &file);
    for (size_t at = 0; at < file.n; at++) {
        struct point want = { 0, { 0, 0 } };

        for (size_t i = 0; i < n && points[i].size <= at; i++)
            want = points[i];
        file.p[at] ^= 0x10;
        recover_bytes(&w, buf_span(&file), pens, 2, found);
        file.p[at] ^= 0x10;
        assert_true(found[0] == want.seq[0] && found[1] == want.seq[1]);
    }
    buf_deinit(&file);
    world_deinit(&w);
}

/* ---- odd orders, made by hand ---- */

struct step {
    char what; /* o open, d data, c close, f next file; 0 the end */
    uint32_t local, number, n_events;
    uint64_t batch, seq;
    uint32_t flags;
};

enum { HEAD = KHLOG_HEAD, LAST = KHLOG_LAST };

struct hand {
    struct world *w;
    struct secret *rk;
    struct khlog_key *keys[4];
    uint32_t file_no;
    struct buf file;
};

static void hand_flush(struct hand *h)
{
    char path[128];
    int fd;

    (void) snprintf(path, sizeof(path), "%s/log/%u.khl", h->w->dir, h->file_no);
    fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0600);
    assert_true(fd >= 0);
    assert_ok(os_write_all(fd, buf_span(&h->file), NULL));
    (void) close(fd);
    buf_reset(&h->file);
    for (int i = 0; i < 4; i++)
        h->keys[i] = khlog_key_free(h->keys[i]);
}

static void hand_begin(struct hand *h, uint32_t file_no)
{
    h->file_no = file_no;
    khlog_header(KHLOG_FILE_LOG, file_no, buf_reserve(&h->file, KHLOG_HEADER_LEN));
    h->file.n = KHLOG_HEADER_LEN;
}

/* open: n_events is kn, local 3 is another recording */
static void hand_step(struct hand *h, const struct step *s)
{
    struct khlog_open o = { .kn = (uint16_t) s->n_events, .codec = KHLOG_CODEC, .project = PROJECT,
                            .rid = s->seq == 0 ? SPAN("r_0000000000000000") : SPAN("r_0000000000000001") };
    struct khlog_place p = { .project = o.project, .rid = o.rid, .kn = o.kn, .codec = o.codec, .file_no = h->file_no };
    const struct khlog_data d = { s->number, s->n_events, s->batch, s->seq, s->flags, SPAN_EMPTY };

    switch (s->what) {
    case 'o':
        h->keys[s->local] = khlog_key_free(h->keys[s->local]);
        assert_ok(khlog_key_new(h->rk, &p, o.salt, o.commitment, &h->keys[s->local], NULL));
        assert_ok(khlog_write_open(&o, s->local, &h->file, NULL));
        break;
    case 'd':
        assert_ok(khlog_seal(h->keys[s->local], s->local, &d, SPAN("frame"), buf_reserve(&h->file, 100), NULL));
        h->file.n += khlog_data_size(5);
        break;
    case 'c':
        khlog_write_close(s->local, s->number, buf_reserve(&h->file, KHLOG_CLOSE_LEN));
        h->file.n += KHLOG_CLOSE_LEN;
        break;
    case 'f':
        hand_flush(h);
        hand_begin(h, h->file_no + 1);
        break;
    default:
        fail();
    }
}

#define OPEN(local)        { 'o', local, 0, 0, 0, 0, 0 }
#define OPEN_KN(local, kn) { 'o', local, 0, kn, 0, 0, 0 }
#define OTHER(local)       { 'o', local, 0, 0, 0, 1, 0 }
#define FILE_END           { 'f', 0, 0, 0, 0, 0, 0 }
#define CLOSE(local, n)    { 'c', local, n, 0, 0, 0, 0 }

/* want: "file.local first_seq-next_seq first_batch-next_batch records", in order */
static const struct {
    const char *name;
    struct step steps[12];
    const char *want;
    bool torn;
} orders[] = {
    { "an empty file", { { 0 } }, "" },
    { "one batch", { OPEN(0), { 'd', 0, 0, 2, 0, 0, LAST } }, "0.0 0-2 0-1 1;" },
    { "no end of the batch", { OPEN(0), { 'd', 0, 0, 2, 0, 0, 0 } }, "" },
    { "the last batch has no end",
      { OPEN(0), { 'd', 0, 0, 2, 0, 0, LAST }, { 'd', 0, 1, 2, 1, 2, 0 }, { 'd', 0, 2, 2, 1, 4, 0 } },
      "0.0 0-2 0-1 1;" },
    { "a batch over two files",
      { OPEN(0), { 'd', 0, 0, 2, 0, 0, 0 }, FILE_END, OPEN(0), { 'd', 0, 0, 2, 0, 2, LAST } },
      "0.0 0-2 0-0 1;1.0 2-4 0-1 1;" },
    { "and its end is missing",
      { OPEN(0), { 'd', 0, 0, 2, 0, 0, LAST }, { 'd', 0, 1, 2, 1, 2, 0 }, FILE_END, OPEN(0),
        { 'd', 0, 0, 2, 1, 4, 0 } }, "0.0 0-2 0-1 1;" },
    { "a failed batch comes again in the next file",
      { OPEN(0), { 'd', 0, 0, 1, 0, 0, LAST }, { 'd', 0, 1, 2, 1, 1, LAST }, FILE_END, OPEN(0),
        { 'd', 0, 0, 2, 1, 1, LAST }, { 'd', 0, 1, 1, 2, 3, LAST } }, "0.0 0-1 0-1 1;1.0 1-4 1-3 2;" },
    { "half a batch comes again in the next file",
      { OPEN(0), { 'd', 0, 0, 0, 0, 0, HEAD }, { 'd', 0, 1, 2, 0, 0, 0 }, FILE_END, OPEN(0),
        { 'd', 0, 0, 0, 0, 0, HEAD }, { 'd', 0, 1, 2, 0, 0, LAST } }, "1.0 0-2 0-1 2;" },
    { "a head alone comes again",
      { OPEN(0), { 'd', 0, 0, 0, 0, 0, HEAD }, FILE_END, OPEN(0), { 'd', 0, 0, 0, 0, 0, HEAD },
        { 'd', 0, 1, 2, 0, 0, LAST } }, "1.0 0-2 0-1 2;" },
    { "burnt numbers", { OPEN(0), { 'd', 0, 3, 1, 0, 0, LAST }, { 'd', 0, 9, 1, 1, 1, LAST } }, "0.0 0-2 0-2 2;" },
    { "a number that falls is left from before",
      { OPEN(0), { 'd', 0, 3, 1, 0, 0, LAST }, { 'd', 0, 2, 1, 1, 1, LAST }, { 'd', 0, 4, 1, 1, 1, LAST } },
      "0.0 0-1 0-1 1;", true },
    { "the same number", { OPEN(0), { 'd', 0, 3, 1, 0, 0, LAST }, { 'd', 0, 3, 1, 1, 1, LAST } }, "0.0 0-1 0-1 1;",
      true },
    { "a local that was not opened", { OPEN(0), OTHER(1), { 'd', 1, 0, 1, 0, 0, LAST }, { 'd', 0, 0, 1, 0, 0, LAST } },
      "0.0 0-1 0-1 1;0.1 0-1 0-1 1;" },
    { "open twice", { OPEN(0), { 'd', 0, 0, 1, 0, 0, LAST }, OPEN(0), { 'd', 0, 1, 1, 1, 1, LAST } }, "0.0 0-1 0-1 1;",
      true },
    { "a gap of locals", { OPEN(0), { 'd', 0, 0, 1, 0, 0, LAST }, OTHER(2), { 'd', 2, 0, 1, 0, 0, LAST } },
      "0.0 0-1 0-1 1;", true },
    { "closed in part", { OPEN(0), { 'd', 0, 0, 1, 0, 0, LAST }, { 'd', 0, 1, 1, 1, 1, LAST }, CLOSE(0, 1) },
      "0.0 1-2 1-2 1;" },
    { "closed", { OPEN(0), { 'd', 0, 0, 1, 0, 0, LAST }, CLOSE(0, 1) }, "" },
    { "closed, and the lower close comes later",
      { OPEN(0), { 'd', 0, 0, 1, 0, 0, LAST }, { 'd', 0, 1, 1, 1, 1, LAST }, CLOSE(0, 2), CLOSE(0, 1) }, "" },
    { "closed for a recording that is not there", { OPEN(0), { 'd', 0, 0, 1, 0, 0, LAST }, CLOSE(1, 1) },
      "0.0 0-1 0-1 1;", true },
    { "two recordings in two files",
      { OPEN(0), { 'd', 0, 0, 1, 0, 0, LAST }, OTHER(1), { 'd', 1, 0, 3, 0, 0, LAST }, FILE_END, OTHER(0),
        { 'd', 0, 0, 1, 1, 3, LAST }, OPEN(1), { 'd', 1, 0, 1, 1, 1, LAST } },
      "0.0 0-1 0-1 1;1.1 1-2 1-2 1;0.1 0-3 0-1 1;1.0 3-4 1-2 1;" },
    { "two keys of one recording",
      { OPEN_KN(0, 3), { 'd', 0, 0, 1, 2, 2, LAST }, FILE_END, OPEN_KN(0, 4), { 'd', 0, 0, 1, 3, 3, LAST } },
      "0.0 2-3 2-3 1;1.0 3-4 3-4 1;" },
    { "what lies between is sealed and gone",
      { OPEN(0), { 'd', 0, 0, 1, 0, 0, LAST }, FILE_END, OPEN(0), { 'd', 0, 0, 1, 7, 9, LAST } },
      "0.0 0-1 0-1 1;1.0 9-10 7-8 1;" },
    { "batches without events", { OPEN(0), { 'd', 0, 0, 0, 0, 0, LAST }, { 'd', 0, 1, 0, 1, 0, LAST } },
      "0.0 0-0 0-2 2;" },
};

static void orders_of_records(void **state)
{
    (void) state;
    for (size_t i = 0; i < sizeof(orders) / sizeof(orders[0]); i++) {
        struct reclog_recovery *v = NULL;
        struct buf got = BUF_INIT(1024);
        struct world w;
        struct hand h = { .w = &w, .rk = secret_random(32), .file = BUF_INIT(1 << 20) };

        world_init_fast(&w);
        world_open(&w); /* makes the directory */
        world_close(&w);
        hand_begin(&h, 0);
        for (size_t k = 0; k < 12 && orders[i].steps[k].what != 0; k++)
            hand_step(&h, &orders[i].steps[k]);
        hand_flush(&h);
        world_open(&w);
        assert_ok(reclog_recover_scan(w.log, &v, NULL));
        for (size_t k = 0; k < reclog_recovery_n(v); k++) {
            const struct reclog_found *f = reclog_recovery_at(v, k);

            buf_addf(&got, "%u.%u %d-%d %d-%d %u;", f->file_no, f->local, (int) f->first_seq, (int) f->next_seq,
                     (int) f->first_batch, (int) f->next_batch, f->n_records);
        }
        if (strcmp(buf_cstr(&got), orders[i].want) != 0)
            fail_msg("%s: got %s want %s", orders[i].name, buf_cstr(&got), orders[i].want);
        if ((reclog_recovery_torn(v) > 0) != orders[i].torn)
            fail_msg("%s: %llu torn", orders[i].name, (unsigned long long) reclog_recovery_torn(v));
        reclog_recovery_free(v);
        secret_free(h.rk);
        buf_deinit(&h.file);
        buf_deinit(&got);
        world_deinit(&w);
    }
}

/* A batch larger than a file, recovered piece by piece, with a crash between the pieces. */
static void a_divided_batch(void **state)
{
    CLEANUP(store_freep) struct store *store = NULL;
    struct reclog_recovery *v = NULL;
    struct world w;
    struct pen p;
    uint64_t next_seq = 0, next_batch = 0;
    uint32_t seg_no = 0;
    size_t n;

    (void) state;
    world_init(&w);
    assert_ok(store_open(w.dir, &store, NULL));
    w.o.file_bytes = 10000;
    world_open(&w);
    pen_init(&p, &w, 1);
    pen_begin(&p);
    assert_ok(pen_append_head(&p, SPAN("{}"), 1));
    pen_wait(&p);
    pen_append_ok(&p, 30, 2, 500);
    world_close(&w);
    for (int restart = 0; restart < 10; restart++) {
        struct reclog_piece said;
        bool wrote = false;

        world_open(&w);
        assert_ok(reclog_recover_scan(w.log, &v, NULL));
        n = reclog_recovery_n(v);
        if (restart == 0)
            assert_in_range(n, 4, 6);
        for (size_t i = 0; i < n && !wrote; i++) { /* one piece, then it dies */
            struct store_piece at = piece_at(reclog_recovery_at(v, i), seg_no);
            enum err e = reclog_recover_write(v, i, next_seq, next_batch, store, &at, &said, NULL);

            assert_true(e == ERR_OK || e == ERR_NOTFOUND);
            wrote = e == ERR_OK;
            if (wrote) {
                assert_true(check_piece(&p, store, &at, &said, 0) > 0);
                next_seq = said.first_seq + said.n_events;
                next_batch = said.next_batch;
                seg_no++;
            }
        }
        v = reclog_recovery_free(v);
        world_close(&w);
    }
    assert_int_equal(next_seq, 61);
    assert_int_equal(next_batch, 2);
    pen_deinit(&p);
    world_deinit(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(two_recordings_and_a_restart),
        cmocka_unit_test(recovery_beside_new_recordings),
        cmocka_unit_test(cut_at_each_byte),
        cmocka_unit_test(each_byte_flipped),
        cmocka_unit_test(orders_of_records),
        cmocka_unit_test(a_divided_batch),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
