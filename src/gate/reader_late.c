/*
 * Late marks (gate/late.h) where events are not in segments yet: in the tail of a log that this process writes, and in what recovery kept of one. There the
 * marks of what was unsure at its very end count too: nobody knows how that went on.
 *
 * Where originals are shown only the marks of rules that keep none count, in the originals as well.
 */
#include "gate/reader_int.h"

#include "crypto/secret.h"

static enum late_which which(const struct run *x, uint16_t kn)
{
    return reveals(x, kn) ? LATE_DROPPED : LATE_ALL;
}

/* ---- KHSPL1 ---- */

static bool is_of(const struct piece *p, const struct piece *q)
{
    return q->kind == KHSPL_KIND && q->kn == p->kn;
}

/* The marks in q that count for p: all late ones; unsure ones of the last batch that there is of this key number. */
static enum err read_piece(struct run *x, struct piece *q, bool last, struct late *to)
{
    const size_t n = khspl_n(q->spl);
    const uint64_t end = n == 0 ? 0 : khspl_at(q->spl, n - 1)->batch_seq;

    for (size_t i = 0; i < n; i++) {
        const struct khspl_record *rec = khspl_at(q->spl, i);
        struct buf frame = BUF_INIT(KHLOG_FRAME_MAX);
        enum err e;

        if ((rec->flags & KHLOG_LATE) == 0 && ((rec->flags & KHLOG_UNSURE) == 0 || !last || rec->batch_seq != end))
            continue;
        e = piece_frame(x, q, i, &frame);
        if (e == ERR_OK)
            e = late_read(to, buf_span(&frame), x->reterr);
        buf_deinit(&frame);
        TRY(e);
    }
    return ERR_OK;
}

/* A recording that lies in several files of a log is several pieces: later ones may speak of events of p. */
static enum err learn(struct run *x, struct piece *p)
{
    const struct reader *r = p->reader;

    late_deinit(&p->late);
    late_init(&p->late);
    for (size_t i = p->at; i < r->n && is_of(p, r->pieces[i]); i++) {
        TRY(piece_open(x, r->pieces[i]));
        TRY(read_piece(x, r->pieces[i], i + 1 == r->n || !is_of(p, r->pieces[i + 1]), &p->late));
    }
    late_sort(&p->late);
    p->late_known = true;
    return piece_open(x, p); /* its file may have been closed for another */
}

static struct piece *of_events(const struct reader *r, const struct piece *reveal, uint64_t seq)
{
    for (size_t i = 0; i < r->n; i++)
        if (is_of(reveal, r->pieces[i]) && seq >= r->pieces[i]->first_seq && seq - r->pieces[i]->first_seq < r->pieces[i]->n_events)
            return r->pieces[i];
    return NULL;
}

enum err late_in_record(struct run *x, struct piece *p, size_t i, struct buf *io)
{
    const uint64_t first = khspl_at(p->spl, i)->first_seq;
    struct piece *whole = p->track == 0 ? p : of_events(p->reader, p, first);

    if (whole == NULL)
        return ERR_OK; /* they are in segments, and so is what was marked */
    if (!whole->late_known)
        TRY(learn(x, whole));
    TRY(piece_open(x, p));
    return late_lines(&whole->late, p->track == 0 ? which(x, p->kn) : LATE_DROPPED, first, io, x->reterr);
}

/* ---- the tail ---- */

enum err late_of_tail(struct run *x, uint64_t from, bool newest_only)
{
    CLEANUP(reclog_tail_freep) struct reclog_tail *t = NULL;
    struct reader *r = x->r;
    const struct secret *rk;
    enum err e;

    late_deinit(&r->tail_late);
    late_init(&r->tail_late);
    if (r->log == NULL || !r->live || !r->terminal)
        return ERR_OK;
    e = reclog_tail_late(r->log, span_str(r->rid), from, &t, x->reterr);
    if (e == ERR_NOTFOUND || (e == ERR_OK && t->n == 0))
        return ERR_OK;
    TRY(e);
    if (newest_only)
        return ERR_RAISE(x->reterr, ERR_LIMIT, "too much for a loop");
    TRY(run_key(x, t->kn, 0, &rk));
    for (size_t i = 0; i < t->n; i++) {
        struct buf frame = BUF_INIT(KHLOG_FRAME_MAX);

        e = reclog_tail_read(t, i, rk, &r->tail_key, &frame, x->reterr);
        r->tail_kn = t->kn;
        if (e == ERR_OK)
            e = late_read(&r->tail_late, buf_span(&frame), x->reterr);
        buf_deinit(&frame);
        TRY(e);
    }
    late_sort(&r->tail_late);
    return ERR_OK;
}

enum err late_in_tail(struct run *x, uint16_t kn, uint8_t track, uint64_t first, struct buf *io)
{
    return late_lines(&x->r->tail_late, track == 0 ? which(x, kn) : LATE_DROPPED, first, io, x->reterr);
}
