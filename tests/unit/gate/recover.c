/*
 * Recovery of a node's log: processes that die after acknowledging, and during recovery at every step; a keeper that goes away,
 * refuses, has it already; torn and damaged files; a thousand recordings. Afterwards the keeper's pieces hold every acknowledged
 * event once and in order, no file is left over, and the old log is gone.
 */
#include "test.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "format/khspl.h"
#include "gate/recover.h"
#include "os/clock.h"

#define PID      "p_zNe2lKL4dQxW8s0b"
#define RECS_MAX 1100
#define ROWS_MAX 64

/* ---- what the keeper has on its disk, and what recorders were told: it outlives every process of a test ---- */

struct kept_row {
    uint32_t seg_no, n_chunks, first_chunk;
    uint16_t kn;
    uint64_t first_seq, n_events, size;
    uint8_t sha256[32];
};

struct rec {
    char rid[20];
    uint16_t kn;         /* of the process that wrote last */
    uint64_t acked_seq, acked_batch;
    bool gone;           /* the keeper knows it no more */
    bool other;          /* the keeper will say that it has the events */
    bool refuse;         /* the keeper will say nonsense */
    uint64_t next_seq, next_batch;
    uint32_t next_seg, next_chunk;
    uint32_t n_rows;
    struct kept_row rows[ROWS_MAX];
};

struct disk {
    char dir[64];
    unsigned n_recs, commits, answers;
    struct rec recs[RECS_MAX];
};

static struct disk *disk;

static void disk_new(void)
{
    disk = mmap(NULL, sizeof(*disk), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_true(disk != MAP_FAILED);
    (void) snprintf(disk->dir, sizeof(disk->dir), "/tmp/keyhole-recover-XXXXXX");
    assert_non_null(mkdtemp(disk->dir));
}

static void disk_drop(void)
{
    char cmd[128];

    (void) snprintf(cmd, sizeof(cmd), "rm -rf %s", disk->dir);
    assert_int_equal(system(cmd), 0);
    (void) munmap(disk, sizeof(*disk));
}

static size_t count_files(const char *folder, const char *suffix)
{
    char cmd[200], text[32] = "";
    FILE *f;

    (void) snprintf(cmd, sizeof(cmd), "find %s/%s -name '*%s' | wc -l", disk->dir, folder, suffix);
    f = popen(cmd, "r");
    assert_non_null(f);
    assert_non_null(fgets(text, sizeof(text), f));
    (void) pclose(f);
    return (size_t) atoi(text);
}

static void rid_of(unsigned n, char out[20])
{
    (void) snprintf(out, 20, "r_%016u", n * 7919 % 100003);
}

/* Each key number has its key. */
static struct secret *rk_of(const char *rid, uint16_t kn)
{
    struct secret *rk = secret_new(32);

    memset(secret_bytes(rk), rid[17], 32);
    memcpy(secret_bytes(rk), rid + 2, 16);
    secret_bytes(rk)[31] = (uint8_t) kn;
    return rk;
}

/* ---- a gate's process: loop, log, store, and the keeper at the other end of a socket ---- */

struct world {
    struct loop *loop;
    struct pool *pool;
    struct store *store;
    struct reclog *log;
    struct recover *recover;
    struct link *gate_end, *keeper_end;
    int acks, want_acks;
    unsigned cut_at; /* the keeper goes away instead of answering for the n-th time; 0: never */
    bool over;
};

static struct world w;
static unsigned fault_at, fault_seen; /* _exit at the n-th step; 0: never */

static void fault(const char *step)
{
    (void) step;
    if (__atomic_add_fetch(&fault_seen, 1, __ATOMIC_SEQ_CST) == fault_at)
        _exit(42);
}

static void on_over(void *ctx)
{
    (void) ctx;
    w.over = true;
}

static void world_begin(void)
{
    struct reclog_options o = { .dir = disk->dir, .file_bytes = 16u << 10 };
    struct err_info e = { .text = "" };

    w = (struct world){ .acks = 0 };
    assert_ok(loop_new(&w.loop, NULL));
    assert_ok(pool_new(3, 100, &w.pool, NULL));
    assert_ok_err(store_open(disk->dir, &w.store, &e), &e);
    assert_ok_err(reclog_open(&o, &w.log, &e), &e);
}

static void world_end(void)
{
    w.gate_end = link_free(w.gate_end);
    w.keeper_end = link_free(w.keeper_end);
    w.pool = pool_free(w.pool);
    w.recover = recover_free(w.recover);
    w.log = reclog_free(w.log);
    for (int i = 0; i < 10; i++)
        loop_turn(w.loop);
    w.store = store_free(w.store);
    w.loop = loop_free(w.loop);
}

/* ---- the keeper ---- */

static struct rec *find(struct span rid)
{
    for (unsigned i = 0; i < disk->n_recs; i++)
        if (span_eq_str(rid, disk->recs[i].rid))
            return &disk->recs[i];
    return NULL;
}

static void keeper_state(const struct ipc_recover_ask *m, uint64_t call)
{
    static struct ipc_row_recover rows[600];
    struct ipc_recover_state answer = { .rows = { rows, m->rids.n } };

    assert_true(m->rids.n <= 600);
    for (uint32_t i = 0; i < m->rids.n; i++) {
        const struct rec *r = find(m->rids.rows[i].text);

        rows[i] = (struct ipc_row_recover){ .rid = m->rids.rows[i].text };
        if (r != NULL && !r->gone)
            rows[i] = (struct ipc_row_recover){ m->rids.rows[i].text, SPAN(PID), 1, r->next_seq, r->next_batch, 77000,
                                                r->next_seg, r->next_chunk };
    }
    assert_ok(link_answer(w.keeper_end, call, IPC_T_RECOVER_STATE, &answer));
}

/* The keeper's own rules, from its side of the contract. */
static uint16_t keeper_take(struct rec *r, const struct ipc_recovered *m)
{
    if (r == NULL || r->gone)
        return 404;
    if (r->refuse)
        return 422;
    if (r->other)
        return 409;
    if (r->n_rows >= m->pieces.n && m->pieces.n > 0) { /* the same again */
        const struct kept_row *k = &r->rows[r->n_rows - m->pieces.n];
        bool same = true;

        for (uint32_t i = 0; i < m->pieces.n; i++)
            same = same && k[i].seg_no == m->pieces.rows[i].seg_no && memcmp(k[i].sha256, m->pieces.rows[i].sha256.p, 32) == 0;
        if (same)
            return 0;
    }
    for (uint32_t i = 0; i < m->pieces.n; i++) {
        const struct ipc_row_piece *p = &m->pieces.rows[i];
        bool wrapped = false;

        if (p->first_seq < r->next_seq)
            return 409;
        if (p->first_seq != r->next_seq || p->seg_no < r->next_seg || p->first_chunk != r->next_chunk ||
            p->kind != KHSPL_KIND || p->codec != KHLOG_CODEC || p->t_first_us != 77000 || p->t_last_us != 77000)
            return 422;
        for (uint32_t k = 0; k < m->wraps.n; k++)
            wrapped = wrapped || (m->wraps.rows[k].kn == p->kn && span_eq_str(m->wraps.rows[k].wrap, r->rid));
        if (!wrapped)
            return 422;
        assert_true(r->n_rows < ROWS_MAX);
        r->rows[r->n_rows] = (struct kept_row){ p->seg_no, p->n_chunks, p->first_chunk, p->kn, p->first_seq, p->n_events,
                                                p->size, { 0 } };
        memcpy(r->rows[r->n_rows++].sha256, p->sha256.p, 32);
        r->next_seq += p->n_events;
        r->next_seg = p->seg_no + 1;
        r->next_chunk += p->n_chunks;
    }
    r->next_batch = m->next_batch;
    disk->commits++;
    return 0;
}

static void keeper_away(void *arg)
{
    (void) arg;
    recover_keeper(w.recover, NULL);
    w.gate_end = link_free(w.gate_end);
    w.keeper_end = link_free(w.keeper_end);
}

static void on_message(void *ctx, struct link_msg *m)
{
    struct ipc_done done = { .status = 0 };

    (void) ctx;
    if (m->type == IPC_T_RECOVER_ASK) {
        fault("keeper asked");
    } else {
        const struct ipc_recovered *r = m->body;

        assert_int_equal(m->type, IPC_T_RECOVERED);
        done.status = keeper_take(find(r->rid), r);
        done.code = done.status == 0 ? SPAN_EMPTY : SPAN("conflict");
        fault("keeper committed");
    }
    if (++disk->answers == w.cut_at) {
        assert_ok(loop_post(w.loop, keeper_away, NULL));
        return;
    }
    if (m->type == IPC_T_RECOVER_ASK)
        keeper_state(m->body, m->call);
    else
        assert_ok(link_answer(w.keeper_end, m->call, IPC_T_DONE, &done));
}

static void on_closed(void *ctx, const struct err_info *why)
{
    (void) ctx;
    (void) why;
}

static void nothing(void *ctx, struct link_msg *m)
{
    (void) ctx;
    (void) m;
}

static void keeper_comes(void)
{
    static const struct link_ops keeper_ops = { .on_message = on_message, .on_closed = on_closed };
    static const struct link_ops gate_ops = { .on_message = nothing, .on_closed = on_closed };
    int fds[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds), 0);
    assert_ok(link_new(w.loop, fds[0], false, &gate_ops, NULL, &w.gate_end, NULL));
    assert_ok(link_new(w.loop, fds[1], false, &keeper_ops, NULL, &w.keeper_end, NULL));
    recover_keeper(w.recover, w.gate_end);
}

static void recovery_begins(void)
{
    const struct recover_params p = { .loop = w.loop, .pool = w.pool, .store = w.store, .log = w.log, .on_over = on_over,
                                      .fault = fault };

    w.recover = recover_new(&p);
    assert_non_null(w.recover);
    assert_false(recover_over(w.recover));
}

static void until_over(void)
{
    time_ms end = clock_boot_ms() + 60000;

    while (!w.over) {
        loop_turn(w.loop);
        if (w.keeper_end == NULL)
            keeper_comes();
        if (clock_boot_ms() > end)
            fail_msg("recovery does not end");
        (void) usleep(100);
    }
    assert_true(recover_over(w.recover));
}

static void recover_all(void)
{
    recovery_begins();
    keeper_comes();
    until_over();
}

/* ---- recorders ---- */

static void on_done(void *ctx, enum err e)
{
    assert_int_equal(e, ERR_OK);
    assert_null(ctx);
    w.acks++;
}

/* Event seq of a recording is the line "<rid>:<seq>", and its batch one frame or more. */
static void frame_text(const char *rid, uint64_t seq, uint32_t n, struct buf *out)
{
    for (uint32_t i = 0; i < n; i++)
        buf_addf(out, "%s:%llu\n", rid, (unsigned long long) seq + i);
}

static struct reclog_rec *begin(const struct rec *r, const struct secret *rk)
{
    const struct reclog_begin b = { .project = SPAN(PID), .rid = span_str(r->rid), .kn = r->kn, .wrap = span_str(r->rid),
                                    .rk = rk, .next_seq = r->acked_seq, .next_batch = r->acked_batch, .loop = w.loop };
    struct reclog_rec *rec = NULL;
    struct err_info e = { .text = "" };

    assert_ok_err(reclog_begin(w.log, &b, &rec, &e), &e);
    return rec;
}

/* n batches of 1 to 3 frames for the recording, acknowledged when it returns. */
static void record(struct rec *r, unsigned n, uint32_t events)
{
    struct secret *rk = rk_of(r->rid, r->kn);
    struct reclog_rec *rec = begin(r, rk);
    time_ms end = clock_boot_ms() + 20000;

    for (unsigned i = 0; i < n; i++) {
        struct buf text[3];
        struct reclog_frame frames[3];
        unsigned n_frames = 1 + i % 3;
        int before = w.acks;

        for (unsigned k = 0; k < n_frames; k++) {
            text[k] = BUF_INIT(1u << 20);
            frame_text(r->rid, r->acked_seq + k * events, events, &text[k]);
            frames[k] = (struct reclog_frame){ buf_span(&text[k]), r->acked_seq + k * events, events, false };
        }
        assert_ok(reclog_append(rec, r->acked_batch, frames, n_frames, on_done, NULL, NULL));
        while (w.acks == before && clock_boot_ms() < end)
            loop_turn(w.loop);
        assert_int_equal(w.acks, before + 1);
        r->acked_seq += (uint64_t) n_frames * events;
        r->acked_batch++;
        for (unsigned k = 0; k < n_frames; k++)
            buf_deinit(&text[k]);
    }
    (void) reclog_end(rec);
    (void) secret_free(rk);
}

static struct rec *new_rec(void)
{
    struct rec *r = &disk->recs[disk->n_recs];

    rid_of(disk->n_recs++, r->rid);
    return r;
}

/* A process that records and is gone: runs fn in a child. The child's exit status. */
static int in_child(void (*fn)(void *), void *arg)
{
    pid_t pid = fork();
    int status;

    assert_true(pid >= 0);
    if (pid == 0) {
        fn(arg);
        _exit(0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void record_some(void *arg)
{
    unsigned n = *(unsigned *) arg;

    world_begin();
    for (unsigned i = 0; i < n; i++) {
        struct rec *r = new_rec();

        record(r, 2 + i % 5, i % 7 == 0 ? 200 : 3); /* some run over several files */
        if (i % 4 == 1) { /* the keeper has the beginning; nobody said so to the log */
            r->next_seq = (i % 7 == 0 ? 200 : 3);
            r->next_batch = 1;
            r->next_seg = 3;
            r->next_chunk = 5;
        } else if (i % 4 == 2) { /* the keeper has all of it */
            r->next_seq = r->acked_seq;
            r->next_batch = r->acked_batch;
        }
    }
}

/* ---- afterwards ---- */

static void check_piece(const struct rec *r, const struct kept_row *row, uint64_t *seq)
{
    const struct store_piece place = { SPAN(PID), span_str(r->rid), row->seg_no };
    struct store_file f = STORE_FILE_NONE;
    struct buf got = BUF_INIT(1u << 20), want = BUF_INIT(1u << 20);
    struct secret *rk = rk_of(r->rid, row->kn);
    struct khseg_source src;
    struct khspl *spl;
    struct err_info e = { .text = "" };

    assert_ok_err(store_get(w.store, &place, &f, &e), &e);
    assert_int_equal(f.size, row->size);
    src = store_source(&f);
    assert_ok_err(khspl_open(&src, &spl, &e), &e);
    assert_ok_err(khspl_unlock(spl, rk, SPAN(PID), span_str(r->rid), row->kn, 0, &e), &e);
    assert_int_equal(khspl_n(spl), row->n_chunks);
    for (size_t i = 0; i < khspl_n(spl); i++) {
        const struct khspl_record *x = khspl_at(spl, i);

        assert_int_equal(x->first_seq, *seq);
        buf_reset(&got);
        buf_reset(&want);
        assert_ok_err(khspl_read(spl, i, &got, &e), &e);
        frame_text(r->rid, x->first_seq, x->n_events, &want);
        assert_span_eq(buf_span(&got), buf_span(&want));
        *seq += x->n_events;
    }
    (void) khspl_free(spl);
    (void) secret_free(rk);
    store_close(&f);
    buf_deinit(&got);
    buf_deinit(&want);
}

static size_t check_rec(const struct rec *r)
{
    uint64_t seq = r->n_rows > 0 ? r->rows[0].first_seq : r->next_seq;

    for (uint32_t i = 0; i < r->n_rows; i++) {
        assert_int_equal(r->rows[i].first_seq, seq);
        check_piece(r, &r->rows[i], &seq);
    }
    if (seq != r->acked_seq || r->next_seq != seq || r->next_batch != r->acked_batch)
        fail_msg("%s: acknowledged up to event %llu, batch %llu; kept up to event %llu, batch %llu", r->rid,
                 (unsigned long long) r->acked_seq, (unsigned long long) r->acked_batch, (unsigned long long) seq,
                 (unsigned long long) r->next_batch);
    return r->n_rows;
}

/* Everything that was acknowledged is in pieces once; nothing else lies about. */
static void check_all(void)
{
    size_t n = 0;

    for (unsigned i = 0; i < disk->n_recs; i++)
        n += check_rec(&disk->recs[i]);
    assert_int_equal(count_files("blobs", ".khs"), n);
    assert_int_equal(count_files("blobs", ".tmp"), 0);
    assert_int_equal(count_files("log", ".khl"), 0);
}

/* ---- the tests ---- */

static void plain(void **state)
{
    struct recover_counts c;
    unsigned n = 40;

    (void) state;
    disk_new();
    assert_int_equal(in_child(record_some, &n), 0);
    assert_true(count_files("log", ".khl") > 1);
    world_begin();
    recover_all();
    recover_counts(w.recover, &c);
    assert_true(c.recordings == 30 && c.holes == 0 && c.pieces >= 30);
    check_all();
    world_end();
    world_begin(); /* and again: there is nothing */
    recover_all();
    recover_counts(w.recover, &c);
    assert_true(c.recordings == 0 && c.pieces == 0);
    check_all();
    world_end();
    disk_drop();
}

static void nothing_there(void **state)
{
    (void) state;
    disk_new();
    world_begin();
    recovery_begins();
    for (int i = 0; i < 50; i++)
        loop_turn(w.loop);
    assert_false(recover_over(w.recover)); /* not without the keeper */
    keeper_comes();
    until_over();
    assert_int_equal(disk->answers, 0);
    world_end();
    disk_drop();
}

static void recover_in_child(void *arg)
{
    fault_at = *(unsigned *) arg;
    fault_seen = 0;
    world_begin();
    record(new_rec(), 3, 5); /* this process records too, and dies with it */
    recover_all();
    world_end();
}

/* Killed at step 1, then at step 2, and so on until it gets through: at last all is there. */
static void killed_at_every_step(void **state)
{
    unsigned n = 9, k = 1, kills = 0;

    (void) state;
    disk_new();
    assert_int_equal(in_child(record_some, &n), 0);
    while (in_child(recover_in_child, &k) == 42) {
        k++;
        kills++;
        assert_true(kills < 1000);
    }
    k = 0;
    assert_int_equal(in_child(recover_in_child, &k), 0);
    world_begin();
    recover_all(); /* what the last one recorded */
    check_all();
    print_message("killed %u times\n", kills);
    assert_true(kills > 15);
    world_end();
    disk_drop();
}

/* Each step on a fresh disk: the kill, then one run that is left alone. */
static void killed_once(void **state)
{
    unsigned kills = 0;

    (void) state;
    for (unsigned k = 1;; k++) {
        unsigned n = 5;
        int status;

        disk_new();
        assert_int_equal(in_child(record_some, &n), 0);
        status = in_child(recover_in_child, &k);
        world_begin();
        recover_all();
        check_all();
        world_end();
        disk_drop();
        if (status == 0)
            break;
        assert_int_equal(status, 42);
        kills++;
    }
    print_message("killed %u times\n", kills);
    assert_true(kills > 15);
}

/* The keeper goes instead of giving its n-th answer, having committed or not, and comes back. */
static void keeper_dies(void **state)
{
    (void) state;
    for (unsigned at = 1; at <= 12; at++) {
        unsigned n = 12;

        disk_new();
        assert_int_equal(in_child(record_some, &n), 0);
        world_begin();
        w.cut_at = at;
        recover_all();
        check_all();
        world_end();
        disk_drop();
    }
}

static void refusals(void **state)
{
    struct recover_counts c;
    unsigned n = 9;

    (void) state;
    disk_new();
    assert_int_equal(in_child(record_some, &n), 0);
    disk->recs[0].gone = true;
    disk->recs[3].other = true;
    disk->recs[4].refuse = true;
    world_begin();
    recover_all();
    recover_counts(w.recover, &c);
    assert_int_equal(c.holes, 1);
    for (unsigned i = 0; i < disk->n_recs; i++) {
        char name[80];

        (void) snprintf(name, sizeof(name), "blobs/%s/%.2s", PID, disk->recs[i].rid + 2);
        if (i == 0 || i == 3)
            assert_int_equal(disk->recs[i].n_rows, 0);
        else if (i != 4)
            (void) check_rec(&disk->recs[i]);
    }
    assert_true(count_files("log", ".khl") > 0); /* of the refused one everything is still in the log */
    world_end();
    disk->recs[4].refuse = false; /* a later start gets it */
    world_begin();
    recover_all();
    (void) check_rec(&disk->recs[4]);
    assert_int_equal(count_files("log", ".khl"), 0);
    world_end();
    disk_drop();
}

static void log_file(char *path, size_t cap, unsigned no)
{
    char cmd[200];
    FILE *f;

    (void) snprintf(cmd, sizeof(cmd), "ls %s/log/*.khl | sort -t/ -k5 -n | sed -n %up", disk->dir, no);
    f = popen(cmd, "r");
    assert_non_null(f);
    assert_non_null(fgets(path, (int) cap, f));
    path[strcspn(path, "\n")] = '\0';
    (void) pclose(f);
}

/* Bytes after the last acknowledged record: half a record, zeros, noise. */
static void torn_tails(void **state)
{
    (void) state;
    for (unsigned kind = 0; kind < 3; kind++) {
        struct recover_counts c;
        unsigned n = 10;
        char path[128];
        FILE *f;

        disk_new();
        assert_int_equal(in_child(record_some, &n), 0);
        log_file(path, sizeof(path), (unsigned) count_files("log", ".khl"));
        f = fopen(path, "ab");
        assert_non_null(f);
        for (int i = 0; i < 3000; i++)
            (void) fputc(kind == 0 ? "\x80\x00\x00\x00 half a record"[i % 18] : kind == 1 ? 0 : i * 37 % 251, f);
        (void) fclose(f);
        world_begin();
        recover_all();
        recover_counts(w.recover, &c);
        assert_int_equal(c.torn_bytes, 3000);
        check_all();
        world_end();
        disk_drop();
    }
}

static void record_long(void *arg)
{
    (void) arg;
    world_begin();
    record(new_rec(), 12, 200);
}

/* Damage in the middle: what stood before it is kept, what comes after it in other files is told as a hole, others go on. */
static void a_hole(void **state)
{
    struct recover_counts c;
    unsigned n = 5, before;
    char path[128];
    struct stat st;

    (void) state;
    disk_new();
    assert_int_equal(in_child(record_long, NULL), 0);
    assert_true(count_files("log", ".khl") > 2);
    before = (unsigned) count_files("log", ".khl");
    log_file(path, sizeof(path), 2);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(truncate(path, st.st_size / 2), 0);
    assert_int_equal(in_child(record_some, &n), 0);
    world_begin();
    recover_all();
    recover_counts(w.recover, &c);
    assert_int_equal(c.holes, 1);
    assert_true(disk->recs[0].next_seq > 0 && disk->recs[0].next_seq < disk->recs[0].acked_seq);
    for (unsigned i = 1; i < disk->n_recs; i++)
        (void) check_rec(&disk->recs[i]);
    assert_true(count_files("log", ".khl") > 0 && count_files("log", ".khl") <= before);
    world_end();
    disk_drop();
}

static void record_thousand(void *arg)
{
    (void) arg;
    world_begin();
    for (unsigned i = 0; i < 1000; i++)
        record(new_rec(), 1, 4);
}

static void a_thousand(void **state)
{
    time_ms began;

    (void) state;
    disk_new();
    assert_int_equal(in_child(record_thousand, NULL), 0);
    world_begin();
    began = clock_boot_ms();
    recover_all();
    print_message("1000 recordings: %lld ms\n", (long long) (clock_boot_ms() - began));
    assert_int_equal(disk->commits, 1000);
    check_all();
    world_end();
    disk_drop();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plain),       cmocka_unit_test(nothing_there), cmocka_unit_test(killed_at_every_step),
        cmocka_unit_test(killed_once), cmocka_unit_test(keeper_dies),   cmocka_unit_test(refusals),
        cmocka_unit_test(torn_tails),  cmocka_unit_test(a_hole),        cmocka_unit_test(a_thousand),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
