#include "gate/seal_int.h"

#include <stdlib.h>

#include "format/zframe.h"

/*
 * A job: for each record of the tail, in order, frame out of the log -> NDJSON -> events -> builder (seal_event.c) -> when it
 * is full or the tail ends: file, fsync (store_put), row. Everything that goes on lies in s->at, which is taken back when
 * anything fails; the screen is made again from its text then.
 */

struct seal *seal_new(const struct seal_params *p)
{
    struct seal *s = calloc(1, sizeof(*s));

    if (s == NULL)
        return NULL;
    buf_init(&s->dump, SEGMENT_SCREEN_MAX);
    buf_init(&s->meta, SEGMENT_EVENT_MAX);
    buf_init(&s->text, SEAL_TEXT_MAX);
    buf_init(&s->late, SEGMENT_EVENT_MAX);
    buf_init(&s->late_before, SEGMENT_EVENT_MAX);
    late_init(&s->marks);
    if (!span_to_str(p->project, s->pid, sizeof(s->pid)) || !span_to_str(p->rid, s->rid, sizeof(s->rid)))
        return seal_free(s);
    s->store = p->store;
    s->kn = p->kn;
    s->kind = p->kind;
    s->next_seg = p->next_seg;
    s->at = (struct seal_at){ .next_chunk = p->next_chunk, .next_seq = p->next_seq, .bytes = p->bytes,
                              .seek = p->last_us, .rrweb_last = p->last_us,
                              .rrweb_begun = p->times.kind == BATCH_TIMES_RRWEB, .rrweb_base = p->times.base_us, .head = p->resumed && p->next_seq > 0,
                              .screens = p->kind == IMPORTER_TERMINAL && !p->resumed,
                              .facts = facts_begin(p->kind == IMPORTER_TERMINAL, p->last_us) };
    s->clickable = p->kind == IMPORTER_TERMINAL ? NULL : facts_clickable_new();
    return s;
}

struct seal *seal_free(struct seal *s)
{
    if (s == NULL)
        return NULL;
    (void) screen_free(s->screen);
    (void) segment_builder_free(s->builder);
    (void) facts_clickable_free(s->clickable);
    buf_deinit(&s->dump);
    buf_deinit(&s->meta);
    buf_deinit(&s->text);
    for (unsigned i = 0; i < SEAL_TRACKS; i++)
        free(s->own[i].rows);
    free(s);
    return NULL;
}

void seal_job_reset(struct seal_job *job)
{
    free(job->pieces);
    free(job->gone);
    *job = (struct seal_job){ .seal = job->seal, .rk = job->rk, .reveal = job->reveal, .tail = job->tail,
                              .reveal_tail = job->reveal_tail, .upto_seq = job->upto_seq, .unsure = job->unsure, .zstd_level = job->zstd_level,
                              .target_bytes = job->target_bytes };
}

static int by_number(const void *a, const void *b)
{
    const struct ipc_row_piece *x = a, *y = b;

    return x->seg_no < y->seg_no ? -1 : x->seg_no > y->seg_no;
}

struct ipc_row_piece *seal_rows(struct seal_job *job, struct arena *a, uint32_t *ret_n)
{
    struct ipc_row_piece *rows = job->n_pieces == 0 ? NULL : arena_alloc(a, job->n_pieces * sizeof(*rows));

    *ret_n = 0;
    if (rows == NULL)
        return NULL;
    for (uint32_t i = 0; i < job->n_pieces; i++) {
        rows[i] = job->pieces[i].row;
        rows[i].sha256 = SPAN_OF(job->pieces[i].sha256);
    }
    qsort(rows, job->n_pieces, sizeof(*rows), by_number); /* a segment of one track may be done before an older one of the other */
    *ret_n = job->n_pieces;
    return rows;
}

struct khseg_context seal_place(const struct seal *s, uint8_t track, uint32_t seg_no)
{
    return (struct khseg_context){ span_str(s->pid), span_str(s->rid), s->kn, track, seg_no, SEGMENT_CODEC };
}

const struct secret *seal_key(const struct seal *s, uint8_t track)
{
    return track == 0 ? s->job->rk : s->job->reveal;
}

enum err seal_builder(struct seal *s, uint8_t track, const struct segment_options *o, struct segment_builder **ret,
                      uint32_t *ret_no, struct err_info *reterr)
{
    const struct khseg_context c = seal_place(s, track, s->next_seg);

    TRY(segment_builder_new(seal_key(s, track), &c, o, ret, reterr));
    *ret_no = s->next_seg++; /* it encrypts under it: never again */
    return ERR_OK;
}

/* ---- files ---- */

/*
 * A file without a row may be there: the process before died between store_put and PIECE_PUT. Its number is the next one
 * for the keeper, so nobody reads it.
 */
static enum err put_file(struct seal *s, uint32_t seg_no, struct span file, struct err_info *reterr)
{
    const struct store_piece place = { span_str(s->pid), span_str(s->rid), seg_no };
    enum err e = store_put(s->store, &place, file, reterr);

    if (e != ERR_EXISTS)
        return e;
    TRY(store_remove(s->store, &place, reterr));
    return store_put(s->store, &place, file, reterr);
}

static enum err room_for_piece(struct seal *s, struct err_info *reterr)
{
    struct seal_job *job = s->job;
    uint32_t cap = job->n_pieces == 0 ? 4 : s->cap_pieces * 2;
    struct seal_piece *more;

    if (job->n_pieces > 0 && job->n_pieces < s->cap_pieces)
        return ERR_OK;
    more = realloc(job->pieces, cap * sizeof(*more));
    if (more == NULL)
        return ERR_RAISE(reterr, ERR_NOMEM, "pieces of a recording");
    job->pieces = more;
    s->cap_pieces = cap;
    return ERR_OK;
}

static enum err finish_file(struct seal *s, struct segment_builder *b, struct seal_which which, struct buf *file,
                            struct err_info *reterr)
{
    struct segment_summary sum;
    struct seal_piece *p;

    TRY(room_for_piece(s, reterr));
    TRY(segment_finish(b, file, &sum, reterr));
    TRY(put_file(s, which.seg_no, buf_span(file), reterr));
    p = &s->job->pieces[s->job->n_pieces++];
    memcpy(p->sha256, sum.sha256, sizeof(p->sha256));
    p->row = (struct ipc_row_piece){
        .seg_no = which.seg_no, .kn = s->kn, .track = which.track, .kind = KHSEG_KIND, .codec = SEGMENT_CODEC, .size = sum.size,
        .first_seq = sum.first_seq, .n_events = sum.n_events, .first_chunk = which.first_chunk, .n_chunks = sum.n_chunks,
        .t_first_us = sum.n_chunks > 0 ? sum.t_first : s->at.seek, .t_last_us = sum.n_chunks > 0 ? sum.t_last : s->at.seek,
    };
    return ERR_OK;
}

enum err seal_put(struct seal *s, struct segment_builder *b, struct seal_which which, struct err_info *reterr)
{
    struct buf file = BUF_INIT(SEGMENT_SIZE_MAX);
    enum err e = finish_file(s, b, which, &file, reterr);

    buf_deinit(&file);
    (void) segment_builder_free(b);
    return e;
}

void seal_unput(struct seal *s)
{
    struct seal_job *job = s->job;

    for (uint32_t i = 0; i < job->n_pieces; i++) {
        const struct store_piece place = { span_str(s->pid), span_str(s->rid), job->pieces[i].row.seg_no };

        (void) store_remove(s->store, &place, NULL); /* a file without a row: nobody reads it */
    }
    job->n_pieces = 0;
}

/* ---- the tail ---- */

/* Records before the first batch with an event from 'upto' on; 0: all. */
static size_t before(const struct reclog_tail *t, uint64_t upto)
{
    size_t n = 0, i;

    if (upto == 0)
        return t->n;
    while (n < t->n && (t->records[n].n_events == 0 || t->records[n].first_seq < upto))
        n++;
    for (i = n; n < t->n && i > 0 && t->records[i - 1].batch_seq == t->records[n].batch_seq;)
        i--;
    return i;
}

/* Records that belong to whole batches: those up to the last one that ends a batch. */
static size_t whole_batches(const struct reclog_tail *t, uint64_t upto)
{
    size_t n = before(t, upto);

    while (n > 0 && (t->records[n - 1].flags & KHLOG_LAST) == 0)
        n--;
    return n;
}

/* Does this record say what has to be masked here? */
static bool counts(const struct seal_job *job, size_t i)
{
    const struct reclog_record *r = &job->tail->records[i], *last = &job->tail->records[job->tail->n - 1];

    return (r->flags & KHLOG_LATE) != 0 || (job->unsure && (r->flags & KHLOG_UNSURE) != 0 && r->batch_seq == last->batch_seq);
}

/* What turned out late, in all of the tail. */
static enum err read_marks(struct seal *s, struct khlog_key **key, struct buf *frame, struct err_info *reterr)
{
    const struct reclog_tail *t = s->job->tail;

    for (size_t i = 0; i < t->n; i++) {
        if (!counts(s->job, i))
            continue;
        buf_reset(frame);
        TRY(reclog_tail_read(s->job->tail, i, s->job->rk, key, frame, reterr));
        TRY(late_read(&s->marks, buf_span(frame), reterr));
    }
    late_sort(&s->marks);
    return ERR_OK;
}

static enum err seal_record(struct seal *s, size_t i, struct khlog_key **key, struct buf *frame, struct buf *raw,
                            struct err_info *reterr)
{
    const struct reclog_record *r = &s->job->tail->records[i];
    bool head = (r->flags & KHLOG_HEAD) != 0;
    uint64_t before = s->at.next_seq + s->meta_waits;
    size_t n;

    if (head ? s->at.head : r->n_events == 0 || r->first_seq < before)
        return ERR_OK; /* in a segment already, or a batch without events */
    if (!head && r->first_seq != before)
        return ERR_RAISE(reterr, ERR_CORRUPT, "log: event %llu comes where %llu should", (unsigned long long) r->first_seq,
                         (unsigned long long) before);
    buf_reset(frame);
    buf_reset(raw);
    TRY(reclog_tail_read(s->job->tail, i, s->job->rk, key, frame, reterr));
    TRY(zframe_size(buf_span(frame), raw->max, &n, reterr));
    TRY(zframe_read(buf_span(frame), n, raw, reterr));
    if (head)
        return seal_head(s, buf_span(raw), reterr);
    TRY(seal_frame(s, buf_span(raw), reterr));
    if (s->at.next_seq + s->meta_waits - before != r->n_events)
        return ERR_RAISE(reterr, ERR_CORRUPT, "log: a record has another number of events than it says");
    return ERR_OK;
}

static enum err seal_tail(struct seal *s, struct err_info *reterr)
{
    struct buf frame = BUF_INIT(KHLOG_FRAME_MAX), raw = BUF_INIT(SEGMENT_EVENT_MAX + 1);
    size_t n = whole_batches(s->job->tail, s->job->upto_seq);
    struct khlog_key *key = NULL;
    enum err e = read_marks(s, &key, &frame, reterr);

    for (size_t i = 0; i < n && e == ERR_OK; i++)
        e = seal_record(s, i, &key, &frame, &raw, reterr);
    (void) khlog_key_free(key);
    if (raw.p != NULL)
        secret_wipe(raw.p, raw.cap);
    buf_deinit(&raw);
    buf_deinit(&frame);
    if (e == ERR_OK)
        e = seal_events_end(s, reterr);
    s->job->next_batch = n > 0                 ? s->job->tail->records[n - 1].batch_seq + 1
                         : s->job->tail->n > 0 ? s->job->tail->records[0].batch_seq
                                               : s->job->tail->next_batch;
    return e;
}

/* ---- jobs ---- */

static bool remember_one(struct seal_own *own, const struct ipc_row_piece *row)
{
    size_t cap = own->cap == 0 ? 16 : own->cap * 2;
    struct ipc_row_piece *more;

    if (own->n == own->cap) {
        more = realloc(own->rows, cap * sizeof(*more));
        if (more == NULL)
            return false;
        own->rows = more;
        own->cap = cap;
    }
    own->rows[own->n++] = *row;
    return true;
}

/* They will be looked at when the recording ends. Without memory they stay as they are. */
static void remember(struct seal *s)
{
    struct seal_job *job = s->job;

    for (uint32_t i = 0; i < job->n_pieces; i++) {
        if (!remember_one(&s->own[job->pieces[i].row.track], &job->pieces[i].row))
            return;
    }
}

/* What lives on of the screen: the text that draws it, when there is one that says all. */
static void put_screen_away(struct seal *s)
{
    if (s->screen == NULL)
        return;
    s->cols = 0; /* the text that there was is of an older state */
    buf_reset(&s->dump);
    if (!screen_idle(s->screen))
        return;
    screen_dump_init(s->screen, &s->dump);
    s->at.screens = s->at.screens && !s->dump.failed;
    s->cols = screen_cols(s->screen);
    s->rows = screen_rows(s->screen);
    s->at.work += screen_work(s->screen);
    s->screen = screen_free(s->screen);
}

/* Everything as it was before. A screen that has seen what will come again is no good; its text, if there is one, is. */
static void take_back(struct seal *s, const struct seal_at *before)
{
    bool seen = s->screen != NULL;

    seal_unput(s);
    s->at = *before;
    s->screen = screen_free(s->screen);
    if (seen && before->head && s->cols == 0)
        s->at.screens = false;
}

void seal_run(void *arg)
{
    struct seal_job *job = arg;
    struct seal *s = job->seal;
    const struct seal_at before = s->at;

    seal_job_reset(job);
    s->job = job;
    seal_events_begin(s);
    job->err = seal_tail(s, &job->why);
    seal_events_done(s);
    if (job->err == ERR_OK) {
        put_screen_away(s);
        remember(s);
        job->next_seq = s->at.next_seq;
        job->bytes = s->at.bytes;
        job->last_us = s->at.seek;
    } else {
        take_back(s, &before);
    }
    s->job = NULL;
}

void seal_remove_run(void *arg)
{
    struct seal_job *job = arg;
    struct seal *s = job->seal;

    job->err = ERR_OK;
    for (uint32_t i = 0; i < job->n_gone; i++) {
        const struct store_piece place = { span_str(s->pid), span_str(s->rid), job->gone[i].n };
        enum err e = store_remove(s->store, &place, &job->why);

        if (e != ERR_OK)
            job->err = e;
    }
}

void seal_undo_run(void *arg)
{
    struct seal_job *job = arg;
    struct seal *s = job->seal;

    s->job = job;
    seal_unput(s);
    s->job = NULL;
    job->err = ERR_OK;
}
