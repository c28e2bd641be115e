/*
 * Live recordings into segments: real files as batches through the real log, sealed at random points: events, times, keyframes,
 * screens and markers as one import gives them; failures in the middle; files that a dead process left; joining at the end.
 */
#include "test.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "codec/json_scan.h"
#include "codec/screen.h"
#include "format/segment.h"
#include "format/zframe.h"
#include "gate/seal.h"
#include "os/clock.h"

#define PID "p_zNe2lKL4dQxW8s0b"
#define RID "r_2Dz2Sr-SnSlnd8aT"

/* ---- a gate's disk with one recording ---- */

struct world {
    char dir[64];
    struct loop *loop;
    struct reclog *log;
    struct reclog_rec *rec;
    struct store *store;
    struct secret *rk;
    struct seal *seal;
    struct batch_state state;
    uint64_t next_batch, sealed_batch;
    enum importer_kind kind;
    struct ipc_row_piece rows[4096];
    uint8_t digests[4096][32];
    size_t n_rows;
    int n_done;
    enum err last;
    bool unsure; /* of the seals that come */
};

static void world_init(struct world *w, enum importer_kind kind)
{
    struct reclog_options o = { .dir = w->dir };
    struct reclog_begin b = { .project = SPAN(PID), .rid = SPAN(RID), .wrap = SPAN("wrap") };
    struct seal_params p = { .project = SPAN(PID), .rid = SPAN(RID), .kind = kind };
    struct err_info e;

    *w = (struct world){ .dir = "/tmp/keyhole-seal-XXXXXX", .kind = kind, .state = batch_state_new(kind) };
    assert_non_null(mkdtemp(w->dir));
    assert_ok(loop_new(&w->loop, NULL));
    assert_ok_err(store_open(w->dir, &w->store, &e), &e);
    assert_ok_err(reclog_open(&o, &w->log, &e), &e);
    w->rk = secret_new(32);
    memset(secret_bytes(w->rk), 0x42, 32);
    b.rk = w->rk;
    b.loop = w->loop;
    assert_ok_err(reclog_begin(w->log, &b, &w->rec, &e), &e);
    p.store = w->store;
    w->seal = seal_new(&p);
    assert_non_null(w->seal);
}

static void world_deinit(struct world *w)
{
    char cmd[256];

    w->seal = seal_free(w->seal);
    w->rec = reclog_end(w->rec);
    w->log = reclog_free(w->log);
    for (int i = 0; i < 20; i++)
        loop_turn(w->loop);
    w->loop = loop_free(w->loop);
    w->store = store_free(w->store);
    w->rk = secret_free(w->rk);
    (void) snprintf(cmd, sizeof(cmd), "chmod -R u+w %s; rm -rf %s", w->dir, w->dir);
    assert_int_equal(system(cmd), 0);
}

static void on_done(void *ctx, enum err e)
{
    struct world *w = ctx;

    w->n_done++;
    w->last = e;
}

/* One body with a record of marks behind it (empty: none), durable when it returns. */
static void send_marked(struct world *w, struct span body, uint8_t kind, struct span marks)
{
    CLEANUP(batch_freep) struct batch *b = batch_new(&w->state, UNPACK_IDENTITY, SPAN_EMPTY, NULL);
    struct reclog_frame frames[4096];
    struct batch_out out;
    struct err_info e;
    int before = w->n_done;
    time_ms end = clock_boot_ms() + 20000;

    while (body.n > 0 || batch_more(b))
        if (batch_step(b, &body) != ERR_OK)
            fail_msg("batch %llu: %s", (unsigned long long) w->next_batch, batch_error(b)->cause);
    assert_int_equal(batch_finish(b, &out), ERR_OK);
    assert_true(out.n_frames <= sizeof(frames) / sizeof(frames[0]));
    for (size_t i = 0; i < out.n_frames; i++)
        frames[i] = (struct reclog_frame){ out.frames[i].zstd, out.frames[i].first_seq, out.frames[i].n_events,
                                           out.frames[i].head };
    if (marks.n > 0)
        frames[out.n_frames++] = (struct reclog_frame){ .zstd = marks, .first_seq = out.after.next_seq, .marks = kind };
    assert_ok_err(reclog_append(w->rec, w->next_batch, frames, out.n_frames, on_done, w, &e), &e);
    while (w->n_done == before && clock_boot_ms() < end)
        loop_turn(w->loop);
    assert_int_equal(w->n_done, before + 1);
    assert_int_equal(w->last, ERR_OK);
    w->state = out.after;
    w->next_batch++;
}

static void send_batch(struct world *w, struct span body)
{
    send_marked(w, body, 0, SPAN_EMPTY);
}

/* What the keeper does with PIECE_PUT. */
static void put_rows(struct world *w, struct seal_job *job)
{
    struct arena a;
    struct ipc_row_piece *rows;
    uint32_t n;

    arena_init(&a, 1u << 20);
    rows = seal_rows(job, &a, &n);
    assert_int_equal(n, job->n_pieces);
    for (uint32_t i = 0; i < n; i++) {
        memcpy(w->digests[w->n_rows], rows[i].sha256.p, 32);
        w->rows[w->n_rows] = rows[i];
        w->rows[w->n_rows].sha256 = SPAN_OF(w->digests[w->n_rows]);
        w->n_rows++;
    }
    arena_deinit(&a);
}

static enum err seal_try(struct world *w, size_t target, struct seal_job *job)
{
    struct reclog_tail *tail;
    struct err_info e;

    assert_ok_err(reclog_tail(w->log, SPAN(RID), w->n_rows == 0 ? 0 : w->rows[w->n_rows - 1].first_seq +
                                                                           w->rows[w->n_rows - 1].n_events,
                              0, &tail, &e), &e);
    *job = (struct seal_job){ .seal = w->seal, .rk = w->rk, .tail = tail, .target_bytes = target, .unsure = w->unsure };
    seal_run(job);
    (void) reclog_tail_free(tail);
    return job->err;
}

static void seal_now(struct world *w, size_t target)
{
    struct seal_job job;

    if (seal_try(w, target, &job) != ERR_OK)
        fail_msg("%s", job.why.text);
    assert_int_equal(job.next_batch, w->next_batch);
    assert_int_equal(job.next_seq, w->state.next_seq);
    assert_int_equal(job.bytes, w->state.bytes);
    assert_int_equal(job.last_us, w->state.seek);
    put_rows(w, &job);
    reclog_sealed(w->rec, job.next_batch);
    w->sealed_batch = job.next_batch;
    seal_job_reset(&job);
}

/* ---- everything that is in the store, as text ---- */

struct content {
    struct buf head, events, marks; /* marks: keyframes and markers, a line each */
    struct buf screens;             /* of each: seq, time, size, what a terminal shows after it */
    uint64_t n_chunks;
    struct buf chunks;              /* digest of each chunk as stored: its bytes themselves */
};

static void content_init(struct content *c)
{
    *c = (struct content){ .n_chunks = 0 };
    buf_init(&c->head, 1u << 20);
    buf_init(&c->events, 256u << 20);
    buf_init(&c->marks, 16u << 20);
    buf_init(&c->screens, 256u << 20);
    buf_init(&c->chunks, 256u << 20);
}

static void content_deinit(struct content *c)
{
    buf_deinit(&c->head);
    buf_deinit(&c->events);
    buf_deinit(&c->marks);
    buf_deinit(&c->screens);
    buf_deinit(&c->chunks);
}

/* Two texts that draw the same screen are equal once a terminal has read them. */
static void shown(struct content *c, uint64_t seq, time_us at, int cols, int rows, struct span init)
{
    struct screen *s = screen_new(cols, rows);

    buf_addf(&c->screens, "%llu %lld %dx%d ", (unsigned long long) seq, (long long) at, cols, rows);
    screen_feed(s, init);
    screen_dump_init(s, &c->screens);
    buf_add_c(&c->screens, '\n');
    (void) screen_free(s);
}

static void read_piece(struct world *w, const struct ipc_row_piece *row, struct content *c)
{
    const struct store_piece place = { SPAN(PID), SPAN(RID), row->seg_no };
    const struct khseg_context k = { SPAN(PID), SPAN(RID), 0, 0, row->seg_no, SEGMENT_CODEC };
    struct store_file f = STORE_FILE_NONE;
    struct khseg_source src;
    struct segment_reader *r;
    const struct segment_info *info;
    struct err_info e;
    struct buf b = BUF_INIT(64u << 20);

    assert_ok_err(store_get(w->store, &place, &f, &e), &e);
    assert_int_equal(f.size, row->size);
    src = store_source(&f);
    assert_ok_err(segment_open(&src, w->rk, &k, &r, &e), &e);
    info = segment_info(r);
    assert_true(info->first_seq == row->first_seq && info->n_events == row->n_events &&
                info->n_chunks == row->n_chunks && row->first_chunk == c->n_chunks);
    if (info->n_chunks > 0)
        assert_true(info->t_first == row->t_first_us && info->t_last == row->t_last_us);
    if (info->has_head) {
        assert_int_equal(c->head.n, 0);
        assert_ok(segment_read_head(r, &c->head, NULL));
    }
    for (uint32_t i = 0; i < info->n_chunks; i++) {
        assert_ok(segment_read_chunk(r, i, &c->events, NULL));
        assert_ok(segment_read_stored(r, i, &c->chunks, NULL));
    }
    c->n_chunks += info->n_chunks;
    for (uint32_t i = 0; i < info->n_keyframes; i++) {
        const struct segment_keyframe *x = segment_keyframe_at(r, i);

        buf_reset(&b);
        if (x->kind == SEGMENT_KEYFRAME_SCREEN) {
            assert_ok(segment_read_screen(r, x, &b, NULL));
            shown(c, x->seq, x->time, x->cols, x->rows, buf_span(&b));
        } else {
            buf_addf(&c->marks, "key %llu %lld\n", (unsigned long long) x->seq, (long long) x->time);
        }
    }
    for (uint32_t i = 0; i < info->n_markers; i++) {
        const struct segment_marker *x = segment_marker_at(r, i);

        buf_addf(&c->marks, "mark %llu %lld " SPAN_FMT "\n", (unsigned long long) x->seq, (long long) x->time,
                 SPAN_ARG(x->label));
    }
    (void) segment_reader_free(r);
    store_close(&f);
    buf_deinit(&b);
}

static void read_all(struct world *w, struct content *c)
{
    content_init(c);
    for (size_t i = 0; i < w->n_rows; i++)
        read_piece(w, &w->rows[i], c);
}

static size_t n_files(struct world *w)
{
    size_t n = 0;
    char path[128], cmd[256], text[32] = "";
    FILE *f;

    (void) snprintf(path, sizeof(path), "%s/blobs", w->dir);
    (void) snprintf(cmd, sizeof(cmd), "find %s -name '*.khs*' | wc -l", path);
    f = popen(cmd, "r");
    assert_non_null(f);
    if (fgets(text, sizeof(text), f) != NULL)
        n = (size_t) atoi(text);
    (void) pclose(f);
    return n;
}

/* ---- what one import gives ---- */

struct want {
    struct content c;
    struct importer_result result;
    struct buf items, bytes; /* of the file: struct item; elements */
    bool ok;
};

struct item {
    size_t at, n;
};

static enum err want_head(void *ctx, struct span json, struct err_info *reterr)
{
    (void) reterr;
    buf_add_span(&((struct want *) ctx)->c.head, json);
    return ERR_OK;
}

static enum err want_screen(void *ctx, const struct importer_screen *s, struct err_info *reterr)
{
    (void) reterr;
    shown(&((struct want *) ctx)->c, s->seq, s->at_us, s->cols, s->rows, s->init);
    return ERR_OK;
}

static enum err want_event(void *ctx, const struct importer_event *ev, struct err_info *reterr)
{
    struct want *w = ctx;
    struct item item = { w->bytes.n, ev->json.n };

    (void) reterr;
    buf_add_span(&w->c.events, ev->json);
    buf_add_c(&w->c.events, '\n');
    if (ev->keyframe)
        buf_addf(&w->c.marks, "key %llu %lld\n", (unsigned long long) ev->seq, (long long) ev->seek_us);
    if (ev->type == 'm') {
        struct json_iter it = json_iter(json_value(ev->json));
        struct buf label = BUF_INIT(1u << 20);
        struct json_value v;

        for (int i = 0; i < 3; i++)
            assert_true(json_next(&it, &v));
        if (v.type == JSON_STRING && json_string_decode(v.raw, &label)) {
            size_t n = label.n > 200 ? 200 : label.n;

            while (n < label.n && n > 0 && (label.p[n] & 0xc0) == 0x80)
                n--;
            buf_addf(&w->c.marks, "mark %llu %lld %.*s\n", (unsigned long long) ev->seq, (long long) ev->seek_us, (int) n,
                     (const char *) label.p);
        }
        buf_deinit(&label);
    }
    buf_add_span(&w->bytes, ev->json); /* as stored: absolute times; that a recorder's own come out so is batch's test */
    buf_add(&w->items, &item, sizeof(item));
    return ERR_OK;
}

static void want_init(struct want *w, struct span file)
{
    struct importer_params p = importer_defaults();
    CLEANUP(importer_freep) struct importer *imp = NULL;

    content_init(&w->c);
    buf_init(&w->items, 64u << 20);
    buf_init(&w->bytes, 256u << 20);
    p.on_head = want_head;
    p.on_event = want_event;
    p.on_screen = want_screen;
    p.ctx = w;
    imp = importer_new(&p);
    w->ok = importer_feed(imp, file) == ERR_OK && importer_finish(imp, &w->result) == ERR_OK;
}

static void want_deinit(struct want *w)
{
    content_deinit(&w->c);
    buf_deinit(&w->items);
    buf_deinit(&w->bytes);
}

/* ---- real files ---- */

static uint32_t rnd(uint32_t below)
{
    return (uint32_t) random() % below;
}

static void body_of(const struct want *w, size_t from, size_t to, struct buf *out)
{
    const struct item *items = (const struct item *) (const void *) w->items.p;

    buf_reset(out);
    for (size_t i = from; i < to; i++) {
        buf_add(out, w->bytes.p + items[i].at, items[i].n);
        buf_add_c(out, '\n');
    }
}

/* The head as a header of absolute times. */
static void head_body(const struct want *w, struct buf *out)
{
    buf_reset(out);
    if (w->result.kind == IMPORTER_RRWEB) {
        buf_add_str(out, "{\"events\":[]");
        if (w->c.head.n > 2) {
            buf_add_c(out, ',');
            buf_add(out, w->c.head.p + 1, w->c.head.n - 2);
        }
        buf_add_c(out, '}');
    } else {
        buf_addf(out, "{\"version\":2,\"width\":%u,\"height\":%u}\n", w->result.cols, w->result.rows);
    }
}

/* Lines that are in one and not in the other: keyframes at the edges of seals may move from a Meta to its snapshot. */
static size_t other_lines(struct span a, struct span b)
{
    struct span line;
    size_t n = 0;

    while (a.n > 0 && span_cut(a, '\n', &line, &a))
        n += line.n > 0 && memmem(b.p, b.n, line.p, line.n + 1) == NULL;
    return n;
}

static size_t n_real, n_seals, n_screens;

static void check_all(struct world *w, const struct want *want, const char *path, size_t seals)
{
    struct content c;

    read_all(w, &c);
    if (want->result.kind == IMPORTER_RRWEB)
        assert_span_eq(buf_span(&c.head), buf_span(&want->c.head));
    if (!span_eq(buf_span(&c.events), buf_span(&want->c.events)))
        fail_msg("%s: other events", path);
    if (!span_eq(buf_span(&c.screens), buf_span(&want->c.screens)))
        fail_msg("%s: other screens\n" SPAN_FMT "\n" SPAN_FMT, path, SPAN_ARG(span_sub(buf_span(&c.screens), 0, 3000)),
                 SPAN_ARG(span_sub(buf_span(&want->c.screens), 0, 3000)));
    if (other_lines(buf_span(&c.marks), buf_span(&want->c.marks)) > seals)
        fail_msg("%s: other marks\n" SPAN_FMT, path, SPAN_ARG(buf_span(&c.marks)));
    for (size_t i = 0; i < c.screens.n; i++)
        n_screens += c.screens.p[i] == '\n';
    content_deinit(&c);
}

/* Joined at the end: the same chunks and marks in fewer files. */
static void merge_all(struct world *w, size_t target)
{
    struct seal_job job = { .seal = w->seal, .rk = w->rk, .target_bytes = target };
    struct content before, after;
    size_t n = 0, k = 0;

    read_all(w, &before);
    seal_merge_run(&job);
    if (job.err != ERR_OK)
        fail_msg("%s", job.why.text);
    assert_int_equal(job.n_pieces == 0, job.n_gone == 0);
    for (size_t i = 0; i < w->n_rows; i++) { /* rows that stay, and in place of the first of each run its whole */
        bool gone = false;

        for (uint32_t g = 0; g < job.n_gone; g++)
            gone = gone || job.gone[g].n == w->rows[i].seg_no;
        if (gone && k < job.n_pieces && job.pieces[k].row.first_seq == w->rows[i].first_seq &&
            (n == 0 || w->rows[n - 1].first_seq + w->rows[n - 1].n_events == job.pieces[k].row.first_seq) &&
            (n == 0 || w->rows[n - 1].first_chunk + w->rows[n - 1].n_chunks == job.pieces[k].row.first_chunk))
            w->rows[n++] = job.pieces[k++].row;
        else if (!gone)
            w->rows[n++] = w->rows[i];
    }
    assert_int_equal(k, job.n_pieces);
    w->n_rows = n;
    seal_remove_run(&job);
    assert_int_equal(job.err, ERR_OK);
    assert_int_equal(n_files(w), w->n_rows);
    read_all(w, &after);
    assert_span_eq(buf_span(&before.head), buf_span(&after.head));
    assert_span_eq(buf_span(&before.chunks), buf_span(&after.chunks));
    assert_span_eq(buf_span(&before.marks), buf_span(&after.marks));
    assert_span_eq(buf_span(&before.screens), buf_span(&after.screens));
    content_deinit(&before);
    content_deinit(&after);
    seal_job_reset(&job);
}

static void real_file(const char *path, struct span file)
{
    static struct world w;
    struct want want = { .ok = false };
    struct buf body = BUF_INIT(128u << 20);
    size_t n, at = 0, seals = 0;

    want_init(&want, file);
    n = want.items.n / sizeof(struct item);
    if (want.ok && n > 0) {
        size_t target = rnd(2) == 0 ? 0 : 2000 + rnd(100000), every = 1 + rnd(6), most = 1 + (uint32_t) n / 3;

        world_init(&w, want.result.kind);
        head_body(&want, &body);
        send_batch(&w, buf_span(&body));
        while (at < n) {
            size_t to = at + rnd((uint32_t) most + 1);

            to = to > n ? n : to;
            body_of(&want, at, to, &body);
            send_batch(&w, buf_span(&body));
            at = to;
            if (rnd((uint32_t) every) == 0 || to == n) {
                seal_now(&w, target);
                seals++;
            }
        }
        seal_now(&w, target);
        check_all(&w, &want, path, seals + 1);
        merge_all(&w, rnd(2) == 0 ? 0 : target);
        check_all(&w, &want, path, seals + 1);
        world_deinit(&w);
        n_real++;
        n_seals += seals;
    }
    buf_deinit(&body);
    want_deinit(&want);
}

static int visit(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    struct buf file = BUF_INIT(256u << 20);

    (void) ftw;
    if (type != FTW_F || st->st_size > (2 << 20))
        return 0;
    test_read_file(path, &file);
    real_file(path, buf_span(&file));
    buf_deinit(&file);
    return 0;
}

static void real_files(void **state)
{
    static const char *const folders[] = { "asciicast", "rrweb", "copyleft" };

    (void) state;
    if (test_shared("asciicast") == NULL)
        skip();
    srandom(7);
    for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++)
        assert_int_equal(nftw(test_shared(folders[i]), visit, 10, FTW_PHYS), 0);
    print_message("%zu files, %zu seals, %zu screens\n", n_real, n_seals, n_screens);
    assert_true(n_real > 100 && n_seals > 200 && n_screens > 100);
}

/* ---- by hand ---- */

static void send_text(struct world *w, const char *text)
{
    send_batch(w, span_str(text));
}

static void assert_events(struct world *w, const char *head, const char *events)
{
    struct content c;

    read_all(w, &c);
    assert_span_str(buf_span(&c.head), head);
    assert_span_str(buf_span(&c.events), events);
    content_deinit(&c);
}

#define HEAD80 "{\"version\":2,\"width\":80,\"height\":24}"

static void small_things(void **state)
{
    static struct world w;

    (void) state;
    world_init(&w, IMPORTER_TERMINAL);
    seal_now(&w, 0); /* nothing at all */
    assert_int_equal(w.n_rows, 0);
    send_text(&w, "[]");
    seal_now(&w, 0); /* a batch without events */
    assert_int_equal(w.n_rows, 0);
    assert_int_equal(w.sealed_batch, 1);
    send_text(&w, HEAD80);
    seal_now(&w, 0); /* a head alone */
    assert_int_equal(w.n_rows, 1);
    assert_int_equal(w.rows[0].n_events, 0);
    assert_events(&w, HEAD80, "");
    send_text(&w, "[1,\"o\",\"a\"]");
    seal_now(&w, 0);
    send_text(&w, "[0.5,\"o\",\"b\"]");
    send_text(&w, "");
    send_text(&w, "[2,\"m\",\"here\"]");
    seal_now(&w, 0);
    assert_int_equal(w.n_rows, 3);
    assert_int_equal(w.rows[2].t_first_us, 1000000); /* seek times never go back */
    assert_events(&w, HEAD80, "[1,\"o\",\"a\"]\n[0.5,\"o\",\"b\"]\n[2,\"m\",\"here\"]\n");
    merge_all(&w, 0);
    assert_int_equal(w.n_rows, 1);
    assert_int_equal(w.rows[0].n_chunks, 2);
    world_deinit(&w);
}

/*
 * A seal that cannot wait for how the text goes on: what of it may be half of something is masked, as after the death of a gate; that of an earlier
 * batch is known by then.
 */
static void text_that_stays_open(void **state)
{
    CLEANUP(zframe_writer_freep) struct zframe_writer *z = zframe_writer_new(1);
    struct buf first = BUF_INIT(1024), last = BUF_INIT(1024);
    struct err_info e;

    (void) state;
    assert_ok_err(zframe_write(z, SPAN("[0,5,15,0]\n"), &first, &e), &e);
    assert_ok_err(zframe_write(z, SPAN("[1,5,15,0]\n"), &last, &e), &e);
    for (int unsure = 0; unsure < 2; unsure++) {
        static struct world w;

        world_init(&w, IMPORTER_TERMINAL);
        w.unsure = unsure;
        send_marked(&w, SPAN(HEAD80 "\n[1,\"o\",\"card 4111 1111 \"]"), KHLOG_UNSURE, buf_span(&first));
        send_marked(&w, SPAN("[2,\"o\",\"card 5555 5555 \"]"), KHLOG_UNSURE, buf_span(&last));
        seal_now(&w, 0);
        assert_events(&w, HEAD80, unsure ? "[1,\"o\",\"card 4111 1111 \"]\n[2,\"o\",\"card **** **** \"]\n"
                                         : "[1,\"o\",\"card 4111 1111 \"]\n[2,\"o\",\"card 5555 5555 \"]\n");
        world_deinit(&w);
    }
    buf_deinit(&first);
    buf_deinit(&last);
}

/* A Meta that ends a seal: its snapshot is the place to start then. */
static void a_seal_between_meta_and_snapshot(void **state)
{
    static struct world w;
    struct content c;

    (void) state;
    world_init(&w, IMPORTER_RRWEB);
    send_text(&w, "[{\"type\":4,\"timestamp\":1000},{\"type\":2,\"timestamp\":1001},{\"type\":4,\"timestamp\":1002}]");
    seal_now(&w, 0);
    send_text(&w, "[{\"type\":2,\"timestamp\":1003},{\"type\":4,\"timestamp\":1004},{\"type\":3,\"timestamp\":1004}]");
    seal_now(&w, 0);
    read_all(&w, &c);
    assert_span_str(buf_span(&c.marks), "key 0 0\nkey 3 3000\n");
    content_deinit(&c);
    world_deinit(&w);
}

static void resumed(void **state)
{
    static struct world w;
    struct seal_params p = { .project = SPAN(PID), .rid = SPAN(RID), .kind = IMPORTER_RRWEB, .resumed = true,
                             .next_seg = 5, .next_chunk = 9, .last_us = 700000, .bytes = 100 };

    (void) state;
    world_init(&w, IMPORTER_RRWEB);
    p.store = w.store;
    w.seal = seal_free(w.seal);
    w.seal = seal_new(&p);
    w.state = batch_state_resume(IMPORTER_RRWEB, 0, 700000, 100, (struct batch_times){ 0 });
    send_text(&w, "[{\"type\":3,\"timestamp\":5000},{\"type\":3,\"timestamp\":5001}]");
    seal_now(&w, 0);
    assert_true(w.n_rows == 1 && w.rows[0].seg_no == 5 && w.rows[0].first_chunk == 9);
    assert_true(w.rows[0].t_first_us == 700000 && w.rows[0].t_last_us == 701000);
    world_deinit(&w);
    world_init(&w, IMPORTER_RRWEB); /* with the time that is its 0 */
    p.store = w.store;
    p.times = (struct batch_times){ BATCH_TIMES_RRWEB, 1000000 };
    w.seal = seal_free(w.seal);
    w.seal = seal_new(&p);
    w.state = batch_state_resume(IMPORTER_RRWEB, 0, 700000, 100, p.times);
    send_text(&w, "[{\"type\":3,\"timestamp\":5000},{\"type\":3,\"timestamp\":5001}]");
    seal_now(&w, 0);
    assert_true(w.rows[0].t_first_us == 4000000 && w.rows[0].t_last_us == 4001000);
    world_deinit(&w);
}

/* ---- bad luck ---- */

static void many(struct world *w, int n)
{
    struct buf b = BUF_INIT(8u << 20);

    for (int i = 0; i < n; i++)
        buf_addf(&b, "[%d.5,\"o\",\"\\u001b[%dmline %d \\r\\n%08x\"]\n", (int) w->state.next_seq + i, 31 + i % 7, i,
                 (unsigned) random());
    send_batch(w, buf_span(&b));
    buf_deinit(&b);
}

/* The disk refuses the k-th file: nothing is left behind, and later everything is as if it had never happened. */
static void no_room(void **state)
{
    static struct world w, other;
    char path[200];
    struct content a, b;
    struct seal_job job;

    (void) state;
    srandom(3);
    world_init(&w, IMPORTER_TERMINAL);
    world_init(&other, IMPORTER_TERMINAL);
    for (int round = 0; round < 4; round++) {
        srandom(100 + (unsigned) round);
        many(&w, 8000);
        srandom(100 + (unsigned) round);
        many(&other, 8000);
        seal_now(&other, 5000);
        (void) snprintf(path, sizeof(path), "%s/blobs/%s/%.2s/%s", w.dir, PID, RID + 2, RID);
        if (round > 0) {
            /* a folder where the second file's name would be */
            (void) snprintf(path + strlen(path), sizeof(path) - strlen(path), "/%u.khs", w.rows[w.n_rows - 1].seg_no + 2);
            assert_int_equal(mkdir(path, 0700), 0);
            assert_true(seal_try(&w, 5000, &job) != ERR_OK);
            assert_int_equal(job.n_pieces, 0);
            assert_int_equal(rmdir(path), 0);
            assert_int_equal(n_files(&w), w.n_rows);
            seal_job_reset(&job);
        }
        seal_now(&w, 5000);
    }
    read_all(&w, &a);
    read_all(&other, &b);
    assert_span_eq(buf_span(&a.events), buf_span(&b.events));
    assert_span_eq(buf_span(&a.screens), buf_span(&b.screens));
    assert_true(w.rows[w.n_rows - 1].seg_no > other.rows[other.n_rows - 1].seg_no); /* numbers are never used twice */
    content_deinit(&a);
    content_deinit(&b);
    world_deinit(&w);
    world_deinit(&other);
}

/* A dead process wrote a file and did not tell the keeper. */
static void a_file_is_there(void **state)
{
    static struct world w;
    const struct store_piece place = { SPAN(PID), SPAN(RID), 0 };

    (void) state;
    world_init(&w, IMPORTER_TERMINAL);
    assert_ok(store_put(w.store, &place, SPAN("left behind"), NULL));
    send_text(&w, "[1,\"o\",\"a\"]");
    seal_now(&w, 0);
    assert_int_equal(w.rows[0].seg_no, 0);
    assert_events(&w, HEAD80, "[1,\"o\",\"a\"]\n");
    world_deinit(&w);
}

static void refused_for_good(void **state)
{
    static struct world w;
    struct seal_job job;

    (void) state;
    world_init(&w, IMPORTER_TERMINAL);
    send_text(&w, "[1,\"o\",\"a\"]");
    assert_int_equal(seal_try(&w, 0, &job), ERR_OK);
    assert_int_equal(n_files(&w), 1);
    seal_undo_run(&job);
    assert_int_equal(n_files(&w), 0);
    seal_job_reset(&job);
    world_deinit(&w);
}

/* A piece that cannot be read: joining says so, and everything stays. */
static void damage_is_not_joined(void **state)
{
    static struct world w;
    struct seal_job job = { .err = ERR_OK };
    char path[200];
    FILE *f;

    (void) state;
    world_init(&w, IMPORTER_TERMINAL);
    for (int i = 0; i < 5; i++) {
        many(&w, 10);
        seal_now(&w, 0);
    }
    (void) snprintf(path, sizeof(path), "%s/blobs/%s/%.2s/%s/3.khs", w.dir, PID, RID + 2, RID);
    f = fopen(path, "r+b");
    assert_non_null(f);
    assert_int_equal(fseek(f, 100, SEEK_SET), 0);
    assert_int_equal(fwrite("xxxx", 1, 4, f), 4);
    assert_int_equal(fclose(f), 0);
    job = (struct seal_job){ .seal = w.seal, .rk = w.rk };
    seal_merge_run(&job);
    assert_int_equal(job.err, ERR_CORRUPT);
    assert_true(job.n_pieces == 0 && job.n_gone == 0);
    assert_int_equal(n_files(&w), 5);
    seal_job_reset(&job);
    world_deinit(&w);
}

/* Only what is smaller than half a segment is joined, and not beyond one. */
static void full_ones_stay(void **state)
{
    static struct world w;

    (void) state;
    srandom(5);
    world_init(&w, IMPORTER_TERMINAL);
    many(&w, 20000); /* large */
    seal_now(&w, 0);
    assert_int_equal(w.n_rows, 1);
    for (int i = 0; i < 6; i++) {
        many(&w, 300);
        seal_now(&w, 0);
    }
    merge_all(&w, (size_t) w.rows[1].size * 3 + 100); /* three fit; the large one is over half of that */
    assert_int_equal(w.n_rows, 3);
    world_deinit(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(small_things),     cmocka_unit_test(text_that_stays_open), cmocka_unit_test(a_seal_between_meta_and_snapshot),
        cmocka_unit_test(resumed),          cmocka_unit_test(no_room),
        cmocka_unit_test(a_file_is_there),  cmocka_unit_test(refused_for_good),
        cmocka_unit_test(damage_is_not_joined), cmocka_unit_test(full_ones_stay),
        cmocka_unit_test(real_files),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
