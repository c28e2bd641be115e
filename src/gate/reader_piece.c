/* The pieces of a recording: segments (KHSEG1), and what recovery kept of a log (KHSPL1). */
#include "gate/reader_int.h"

#include <stdlib.h>

#include "crypto/secret.h"
#include "format/zframe.h"

static void wipe(struct buf *b)
{
    if (b->p != NULL)
        secret_wipe(b->p, b->cap);
    buf_deinit(b);
}

/* ---- opening ---- */

static void close_oldest(struct reader *r)
{
    struct piece *oldest = NULL;
    size_t open = 0;

    for (size_t i = 0; i < r->n; i++) {
        if (r->pieces[i]->used == 0)
            continue;
        open++;
        if (oldest == NULL || r->pieces[i]->used < oldest->used)
            oldest = r->pieces[i];
    }
    if (open < VIEWER_OPEN_FILES)
        return;
    store_close(&oldest->file);
    oldest->used = 0;
}

void piece_close(struct piece *p)
{
    store_close(&p->file);
    p->used = 0;
}

void pieces_close(struct reader *r)
{
    for (size_t i = 0; i < r->n; i++)
        piece_close(r->pieces[i]);
}

/* A file that is gone was merged with its neighbours: there are fresh pieces. */
static enum err open_file(struct run *x, struct piece *p)
{
    struct reader *r = p->reader;
    const struct store_piece name = { span_str(r->pid), span_str(r->rid), p->seg_no };
    enum err e;

    if (p->used == 0) {
        close_oldest(r);
        e = x->at_hand ? store_get_at_hand(r->store, &name, &p->file, x->reterr) : store_get(r->store, &name, &p->file, x->reterr);
        if (e == ERR_NOTFOUND)
            return run_stale(x, "a piece is gone");
        TRY(e);
        p->source = store_source(&p->file);
    }
    p->file.at_hand = x->at_hand;
    p->used = ++r->turn;
    return ERR_OK;
}

enum err piece_open(struct run *x, struct piece *p)
{
    struct reader *r = p->reader;
    const struct khseg_context c = { .project = span_str(r->pid), .rid = span_str(r->rid), .kn = p->kn,
                                     .track = p->track, .seg_no = p->seg_no, .codec = p->codec };
    const struct secret *rk;

    TRY(open_file(x, p));
    if (p->kind == KHSEG_KIND && p->index != NULL)
        return ERR_OK;
    if (p->kind == KHSPL_KIND && p->unlocked)
        return ERR_OK;
    TRY(run_key(x, p->kn, p->track, &rk));
    if (p->kind == KHSEG_KIND)
        return segment_open(&p->source, rk, &c, &p->index, x->reterr);
    if (p->spl == NULL)
        TRY(khspl_open(&p->source, &p->spl, x->reterr));
    if (khspl_n(p->spl) != p->n_chunks)
        return ERR_RAISE(x->reterr, ERR_CORRUPT, "the piece has more or fewer records than its row");
    TRY(khspl_unlock(p->spl, rk, span_str(r->pid), span_str(r->rid), p->kn, p->track, x->reterr));
    p->unlocked = true;
    return ERR_OK;
}

void piece_free(struct piece *p)
{
    if (p == NULL)
        return;
    p->index = segment_reader_free(p->index);
    p->spl = khspl_free(p->spl);
    free(p->times);
    late_deinit(&p->late);
    piece_notes_free(p);
    store_close(&p->file);
    free(p);
}

/* ---- KHSPL1 ---- */

enum err frame_open(struct span frame, size_t raw_max, struct buf *out, struct err_info *reterr)
{
    size_t n;

    if (frame.n == 0) /* a batch without events */
        return ERR_OK;
    TRY(zframe_size(frame, RECORD_RAW_MAX, &n, reterr));
    if (n > raw_max)
        return ERR_RAISE(reterr, ERR_LIMIT, "a record of %zu bytes", n);
    return zframe_read(frame, n, out, reterr);
}

enum err piece_frame(struct run *x, struct piece *p, size_t i, struct buf *out)
{
    return khspl_read(p->spl, i, out, x->reterr);
}

static enum err open_record(struct run *x, struct piece *p, size_t i, struct buf *out)
{
    struct buf frame = BUF_INIT(KHLOG_FRAME_MAX);
    enum err e = piece_frame(x, p, i, &frame);

    if (e == ERR_OK)
        e = frame_open(buf_span(&frame), RECORD_RAW_MAX, out, x->reterr);
    buf_deinit(&frame);
    return e;
}

enum err piece_record(struct run *x, struct piece *p, size_t i, struct buf *out)
{
    struct buf one = BUF_INIT(RECORD_RAW_MAX);
    enum err e;

    if (!p->reader->terminal || khspl_at(p->spl, i)->n_events == 0)
        return open_record(x, p, i, out);
    e = open_record(x, p, i, &one);
    if (e == ERR_OK)
        e = late_in_record(x, p, i, &one);
    buf_add_span(out, buf_span(&one));
    wipe(&one);
    return e == ERR_OK ? buf_check(out, x->reterr) : e;
}

static enum err walk_record(struct run *x, struct piece *p, size_t i, struct scan *s, struct record_times *t)
{
    const struct khspl_record *rec = khspl_at(p->spl, i);
    struct buf raw = BUF_INIT(RECORD_RAW_MAX);
    enum err e = ERR_OK;

    t->t_first = s->time;
    if (rec->n_events > 0) {
        e = piece_record(x, p, i, &raw);
        s->found = false;
        if (e == ERR_OK && scan_lines(s, buf_span(&raw), rec->first_seq, &t->t_first) != rec->n_events)
            e = ERR_RAISE(x->reterr, ERR_CORRUPT, "a record has more or fewer events than it says");
        t->raw = (uint32_t) raw.n;
        t->keyframe = s->found;
        t->seq = s->seq;
        t->at = s->at;
    }
    t->t_last = s->time;
    wipe(&raw);
    return e;
}

/* Times of a KHSPL1 piece: all of it is walked once. */
static enum err walk_piece(struct run *x, struct piece *p)
{
    struct reader *r = p->reader;
    struct scan s = { .terminal = r->terminal, .base = r->base, .time = p->floor, .until = UINT64_MAX,
                      .from = INT64_MAX };
    struct piece_notes notes = { .facts = facts_begin(r->terminal, p->floor) };
    struct record_times *t;
    enum err e = ERR_OK;

    TRY(piece_open(x, p));
    t = calloc(p->n_chunks == 0 ? 1 : p->n_chunks, sizeof(*t));
    if (t == NULL)
        return ERR_RAISE(x->reterr, ERR_NOMEM, "times of a piece");
    piece_notes_free(p);
    p->notes = notes.notes = malloc(sizeof(*p->notes));
    if (p->notes != NULL) {
        facts_notes_init(p->notes);
        notes.clickable = r->terminal ? NULL : facts_clickable_new();
        s.notes = &notes;
    }
    for (size_t i = 0; e == ERR_OK && i < p->n_chunks; i++)
        e = walk_record(x, p, i, &s, &t[i]);
    facts_clickable_free(notes.clickable);
    if (e != ERR_OK) {
        free(t);
        return e;
    }
    p->times = t;
    p->end = s.time;
    return ERR_OK;
}

enum err pieces_timed(struct run *x, size_t n)
{
    struct reader *r = x->r;

    for (; r->n_timed < n; r->n_timed++) {
        struct piece *p = r->pieces[r->n_timed];

        p->floor = r->n_timed == 0 ? 0 : r->pieces[r->n_timed - 1]->end;
        p->end = p->t_last > p->floor ? p->t_last : p->floor;
        if (p->kind != KHSPL_KIND)
            continue;
        TRY(reader_base(x));
        if (p->times == NULL)
            TRY(walk_piece(x, p));
        else if (p->n_chunks > 0)
            p->end = p->times[p->n_chunks - 1].t_last;
    }
    if (n < r->n)
        r->pieces[n]->floor = n == 0 ? 0 : r->pieces[n - 1]->end;
    return ERR_OK;
}

enum err pieces_end(struct run *x, time_us *ret)
{
    TRY(pieces_timed(x, x->r->n));
    *ret = x->r->n == 0 ? 0 : x->r->pieces[x->r->n - 1]->end;
    return ERR_OK;
}

/* ---- chunks ---- */

bool piece_chunk_at(const struct piece *p, uint32_t n, struct segment_chunk *ret)
{
    if (p->kind == KHSPL_KIND) {
        const struct khspl_record *rec = khspl_at(p->spl, n);

        if (rec == NULL || p->times == NULL)
            return false;
        *ret = (struct segment_chunk){ .first_seq = rec->first_seq, .n_events = rec->n_events, .raw = p->times[n].raw,
                                       .t_first = p->times[n].t_first, .t_last = p->times[n].t_last };
        return true;
    }
    if (segment_chunk_at(p->index, n) == NULL)
        return false;
    *ret = *segment_chunk_at(p->index, n);
    ret->t_first = ret->t_first > p->floor ? ret->t_first : p->floor;
    ret->t_last = ret->t_last > p->floor ? ret->t_last : p->floor;
    return true;
}

/* floor of p, and times of its own when it has none in clear. */
static enum err timed(struct run *x, const struct piece *p)
{
    return pieces_timed(x, p->kind == KHSPL_KIND ? p->at + 1 : p->at);
}

enum err piece_chunk(struct run *x, struct piece *p, uint32_t n, struct buf *out, struct segment_chunk *ret)
{
    TRY(timed(x, p));
    TRY(piece_open(x, p));
    if (!piece_chunk_at(p, n, ret))
        return ERR_RAISE(x->reterr, ERR_CORRUPT, "the piece has fewer chunks than its row");
    if (p->kind == KHSEG_KIND)
        return x->want->kind == READ_STORED ? segment_read_stored(p->index, n, out, x->reterr)
                                            : segment_read_chunk(p->index, n, out, x->reterr);
    return ret->n_events == 0 ? ERR_OK : piece_record(x, p, n, out);
}

/* Records of a log are as small as their batches: several at once. */
static enum err join_records(struct run *x, struct piece *p, uint32_t n, struct buf *out, struct segment_chunk *ret)
{
    struct segment_chunk more;

    TRY(piece_chunk(x, p, n, out, ret));
    for (uint32_t i = n + 1; i < p->n_chunks && i - n < JOIN_RECORDS; i++) {
        if (!piece_chunk_at(p, i, &more) || out->n + more.raw > JOIN_BYTES)
            break;
        if (more.n_events > 0)
            TRY(piece_record(x, p, i, out));
        ret->n_events += more.n_events;
        ret->t_last = more.t_last;
    }
    ret->raw = (uint32_t) out->n;
    return ERR_OK;
}

enum err piece_events(struct run *x, struct piece *p, uint64_t seq, struct buf *out, struct segment_chunk *ret)
{
    uint32_t n = 0;

    TRY(timed(x, p));
    TRY(piece_open(x, p));
    if (p->kind == KHSEG_KIND) {
        if (!segment_find_seq(p->index, seq, &n))
            return ERR_RAISE(x->reterr, ERR_CORRUPT, "the segment lacks an event of its row");
        return piece_chunk(x, p, n, out, ret);
    }
    for (; n < p->n_chunks; n++) {
        const struct khspl_record *rec = khspl_at(p->spl, n);

        if (seq >= rec->first_seq && seq - rec->first_seq < rec->n_events)
            return join_records(x, p, n, out, ret);
    }
    return ERR_RAISE(x->reterr, ERR_CORRUPT, "the piece lacks an event of its row");
}

enum err piece_head(struct run *x, struct piece *p, struct buf *out)
{
    TRY(piece_open(x, p));
    if (p->kind == KHSEG_KIND)
        return segment_read_head(p->index, out, x->reterr);
    for (size_t i = 0; i < khspl_n(p->spl); i++) {
        if ((khspl_at(p->spl, i)->flags & KHLOG_HEAD) != 0)
            return piece_record(x, p, i, out);
    }
    return ERR_RAISE(x->reterr, ERR_NOTFOUND, "the piece has no head");
}

/* ---- keyframes ---- */

static enum err record_keyframe(struct run *x, struct piece *p, time_us from, uint64_t until)
{
    for (uint32_t i = p->n_chunks; i-- > 0;) {
        const struct record_times *t = &p->times[i];

        if (t->keyframe && t->at <= from && t->seq < until) {
            x->ret->seq = t->seq;
            x->ret->at = t->at;
            return ERR_OK;
        }
    }
    return ERR_RAISE(x->reterr, ERR_NOTFOUND, "no keyframe");
}

/* Before 'until' there may be older ones: those that came later were not there yet when the request came. */
static const struct segment_keyframe *older(const struct piece *p, const struct segment_keyframe *k, uint64_t until)
{
    const struct segment_keyframe *best = NULL;

    if (k == NULL || k->seq < until)
        return k;
    for (uint32_t i = 0; (k = segment_keyframe_at(p->index, i)) != NULL && k->seq < until; i++)
        best = k;
    return best;
}

enum err piece_keyframe(struct run *x, struct piece *p, time_us from, uint64_t until)
{
    const struct segment_keyframe *k;

    TRY(timed(x, p));
    if (p->n_events == 0 || (p->floor > from && p->first_seq > 0))
        return ERR_RAISE(x->reterr, ERR_NOTFOUND, "no keyframe");
    TRY(piece_open(x, p));
    if (p->kind == KHSPL_KIND)
        return record_keyframe(x, p, from, until);
    k = older(p, segment_keyframe_before(p->index, from), until);
    if (k == NULL)
        return ERR_RAISE(x->reterr, ERR_NOTFOUND, "no keyframe");
    x->ret->seq = k->seq;
    x->ret->at = k->time > p->floor ? k->time : p->floor;
    if (k->kind != SEGMENT_KEYFRAME_SCREEN)
        return ERR_OK;
    x->ret->has_screen = true;
    x->ret->cols = k->cols;
    x->ret->rows = k->rows;
    return segment_read_screen(p->index, k, &x->ret->bytes, x->reterr);
}
