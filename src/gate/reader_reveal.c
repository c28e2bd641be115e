/*
 * Originals of what was masked (track 1): for a reader whose key has `unmask`, and where the vault released the reveal key.
 *
 * Track 1 has a line for each event of the key numbers that kept originals: the event as it was, or `0`. Where a number has no
 * wrap of track 1 nothing was kept. Its pieces and its tail are found as those of track 0 are; what is in neither is in pieces
 * that we do not know yet, and when the keeper has just named them all (a log that was damaged), it stays masked.
 */
#include "gate/reader_int.h"

#include "crypto/secret.h"

#define NOTHING SPAN("0") /* a line of an event from which nothing was taken */

/* Some lines of track 1. */
struct lot {
    struct buf bytes;
    uint64_t first;
    uint32_t n, at_n;  /* at_n: the line that comes next */
    size_t at;         /* where it begins */
    bool none;         /* there are none of these events */
};

static void wipe(struct buf *b)
{
    if (b->p != NULL)
        secret_wipe(b->p, b->cap);
    buf_deinit(b);
}

bool reveals(const struct run *x, uint16_t kn)
{
    uint32_t epoch;
    struct span wrap;

    return x->r->unmask && reader_wrap(x->r, kn, 1, &epoch, &wrap);
}

bool reveals_any(const struct reader *r)
{
    for (size_t i = 0; i < r->n_wraps; i++) {
        if (r->wraps[i].track == 1)
            return true;
    }
    return false;
}

/* ---- lines from a piece ---- */

static enum err from_segment(struct run *x, struct piece *p, uint64_t seq, struct lot *lot)
{
    const struct segment_chunk *c;
    uint32_t n;

    if (!segment_find_seq(p->index, seq, &n))
        return ERR_RAISE(x->reterr, ERR_CORRUPT, "the segment lacks an event of its row");
    c = segment_chunk_at(p->index, n);
    lot->first = c->first_seq;
    lot->n = c->n_events;
    return segment_read_chunk(p->index, n, &lot->bytes, x->reterr);
}

static enum err from_log_piece(struct run *x, struct piece *p, uint64_t seq, struct lot *lot)
{
    for (size_t i = 0; i < khspl_n(p->spl); i++) {
        const struct khspl_record *rec = khspl_at(p->spl, i);

        if (seq < rec->first_seq || seq - rec->first_seq >= rec->n_events)
            continue;
        lot->first = rec->first_seq;
        lot->n = rec->n_events;
        return piece_record(x, p, i, &lot->bytes);
    }
    return ERR_RAISE(x->reterr, ERR_CORRUPT, "the piece lacks an event of its row");
}

static enum err from_pieces(struct run *x, uint64_t seq, struct lot *lot)
{
    struct reader *r = x->r;
    enum err e;

    for (size_t i = r->n_reveal; i-- > 0;) {
        struct piece *p = r->reveal[i];

        if (seq < p->first_seq || seq - p->first_seq >= p->n_events)
            continue;
        e = piece_open(x, p);
        if (e == ERR_OK)
            e = p->kind == KHSEG_KIND ? from_segment(x, p, seq, lot) : from_log_piece(x, p, seq, lot);
        piece_close(p);
        return e;
    }
    return ERR_NOTFOUND;
}

/* ---- lines from the log ---- */

static enum err read_record(struct run *x, struct reclog_tail *t, size_t i, struct buf *out)
{
    struct buf frame = BUF_INIT(KHLOG_FRAME_MAX);
    struct reader *r = x->r;
    const struct secret *rk;
    enum err e;

    TRY(run_key(x, t->kn, 1, &rk));
    if (r->reveal_key != NULL && r->reveal_kn != t->kn)
        r->reveal_key = khlog_key_free(r->reveal_key);
    r->reveal_kn = t->kn;
    e = reclog_tail_read(t, i, rk, &r->reveal_key, &frame, x->reterr);
    if (e == ERR_OK)
        e = frame_open(buf_span(&frame), RECORD_RAW_MAX, out, x->reterr);
    else
        r->reveal_key = khlog_key_free(r->reveal_key);
    if (e == ERR_OK && t->records[i].n_events > 0)
        e = late_in_tail(x, t->kn, 1, t->records[i].first_seq, out);
    buf_deinit(&frame);
    return e;
}

static enum err from_tail(struct run *x, uint64_t seq, struct lot *lot)
{
    CLEANUP(reclog_tail_freep) struct reclog_tail *t = NULL;
    struct reader *r = x->r;

    if (r->log == NULL || !r->live)
        return ERR_NOTFOUND;
    TRY(reclog_tail_reveal(r->log, span_str(r->rid), seq, JOIN_RECORDS, &t, x->reterr));
    for (size_t i = 0; i < t->n; i++) {
        const struct reclog_record *rec = &t->records[i];

        if (seq < rec->first_seq || seq - rec->first_seq >= rec->n_events)
            continue;
        lot->first = rec->first_seq;
        lot->n = rec->n_events;
        return read_record(x, t, i, &lot->bytes);
    }
    return ERR_NOTFOUND;
}

/* ---- putting them in ---- */

static enum err load(struct run *x, uint64_t seq, struct lot *lot)
{
    enum err e;

    if (lot->bytes.p != NULL)
        secret_wipe(lot->bytes.p, lot->bytes.n);
    buf_reset(&lot->bytes);
    lot->at = 0;
    lot->at_n = 0;
    e = from_pieces(x, seq, lot);
    if (e == ERR_NOTFOUND)
        e = from_tail(x, seq, lot);
    if (e == ERR_NOTFOUND && !x->ret->fresh)
        return run_stale(x, "originals are in no piece that is known");
    lot->none = e == ERR_NOTFOUND;
    return lot->none ? ERR_OK : e;
}

static bool next_line(struct lot *lot, struct span *ret)
{
    const uint8_t *from = lot->bytes.p + lot->at, *end;

    if (lot->at_n >= lot->n || lot->at >= lot->bytes.n)
        return false;
    end = memchr(from, '\n', lot->bytes.n - lot->at);
    if (end == NULL)
        return false;
    *ret = span_of(from, (size_t) (end - from));
    lot->at += ret->n + 1;
    lot->at_n++;
    return true;
}

/* The original of an event; empty: there is none. */
static enum err original(struct run *x, uint64_t seq, struct lot *lot, struct span *ret)
{
    *ret = SPAN_EMPTY;
    if (lot->none)
        return ERR_OK;
    if (lot->n == 0 || seq < lot->first || seq - lot->first >= lot->n || seq - lot->first < lot->at_n)
        TRY(load(x, seq, lot));
    if (lot->none)
        return ERR_OK;
    do {
        if (!next_line(lot, ret))
            return ERR_RAISE(x->reterr, ERR_CORRUPT, "originals: fewer lines than events");
    } while (lot->first + lot->at_n <= seq);
    if (span_eq(*ret, NOTHING))
        *ret = SPAN_EMPTY;
    return ERR_OK;
}

static enum err put_in(struct run *x, uint64_t first, struct span masked, struct lot *lot, struct buf *out)
{
    struct span line, now;

    for (uint64_t seq = first; span_cut(masked, '\n', &line, &masked); seq++) {
        TRY(original(x, seq, lot, &now));
        buf_add_span(out, now.n > 0 ? now : line);
        buf_add_c(out, '\n');
    }
    return buf_check(out, x->reterr);
}

enum err reveal_events(struct run *x, uint16_t kn, uint64_t first, struct buf *io)
{
    struct lot lot = { .bytes = BUF_INIT(RECORD_RAW_MAX + SEGMENT_CHUNK_MAX) };
    struct buf out = BUF_INIT(io->max);
    enum err e;

    if (!reveals(x, kn))
        return ERR_OK;
    e = put_in(x, first, buf_span(io), &lot, &out);
    wipe(&lot.bytes);
    if (e == ERR_OK) {
        struct buf masked = *io;

        *io = out;
        out = masked;
    }
    wipe(&out);
    return e;
}

/* ---- the head ---- */

static enum err head_of_tail(struct run *x, struct buf *out)
{
    CLEANUP(reclog_tail_freep) struct reclog_tail *t = NULL;

    if (x->r->log == NULL || !x->r->live)
        return ERR_NOTFOUND;
    TRY(reclog_tail_reveal(x->r->log, span_str(x->r->rid), 0, 4, &t, x->reterr));
    for (size_t i = 0; i < t->n; i++) {
        if ((t->records[i].flags & KHLOG_HEAD) != 0)
            return read_record(x, t, i, out);
    }
    return ERR_NOTFOUND;
}

enum err reveal_head(struct run *x, struct buf *io)
{
    struct buf out = BUF_INIT(RECORD_RAW_MAX);
    enum err e = ERR_NOTFOUND;

    if (!x->r->unmask || !reveals_any(x->r))
        return ERR_OK;
    if (x->r->n_reveal > 0) {
        e = piece_head(x, x->r->reveal[0], &out);
        piece_close(x->r->reveal[0]);
    } else {
        e = head_of_tail(x, &out);
    }
    if (e == ERR_OK && out.n > 0) {
        struct buf masked = *io;

        *io = out;
        out = masked;
    }
    wipe(&out);
    return e == ERR_NOTFOUND ? ERR_OK : e;
}
