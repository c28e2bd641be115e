/* The tail of a recording that is being made: what is durable in the log of this process and in no piece yet. */
#include "gate/reader_int.h"

#include "crypto/secret.h"

#define NEWEST_BYTES (48u << 10)         /* compressed, that a loop may open itself, */
#define NEWEST_RAW   ((256u << 10) + 1) /* and what comes of a record */

static void wipe(struct buf *b)
{
    if (b->p != NULL)
        secret_wipe(b->p, b->cap);
    buf_deinit(b);
}

/* *ret NULL: the recording is not written here. */
static enum err snapshot(struct run *x, uint64_t from, size_t max, struct reclog_tail **ret)
{
    struct reader *r = x->r;
    enum err e;

    *ret = NULL;
    if (r->log == NULL || !r->live)
        return ERR_OK;
    e = reclog_tail(r->log, span_str(r->rid), from, max, ret, x->reterr);
    return e == ERR_NOTFOUND ? ERR_OK : e;
}

static enum err read_record(struct run *x, struct reclog_tail *t, size_t i, size_t raw_max, struct buf *out)
{
    struct reader *r = x->r;
    struct buf frame = BUF_INIT(KHLOG_FRAME_MAX), one = BUF_INIT(RECORD_RAW_MAX);
    const struct secret *rk;
    enum err e;

    TRY(run_key(x, t->kn, 0, &rk));
    if (r->tail_key != NULL && r->tail_kn != t->kn)
        r->tail_key = khlog_key_free(r->tail_key);
    r->tail_kn = t->kn;
    e = reclog_tail_read(t, i, rk, &r->tail_key, &frame, x->reterr);
    if (e == ERR_OK)
        e = frame_open(buf_span(&frame), raw_max, &one, x->reterr);
    else
        r->tail_key = khlog_key_free(r->tail_key);
    if (e == ERR_OK && t->records[i].n_events > 0)
        e = late_in_tail(x, t->kn, 0, t->records[i].first_seq, &one);
    buf_add_span(out, buf_span(&one));
    wipe(&one);
    buf_deinit(&frame);
    return e == ERR_OK ? buf_check(out, x->reterr) : e;
}

static bool is_events(const struct reclog_record *rec)
{
    return rec->n_events > 0;
}

/* The piece with it is one that we do not know, or there is no such event. */
static enum err not_here(struct run *x, const struct reclog_tail *t, uint64_t seq)
{
    if (t != NULL && seq >= t->next_seq)
        return ERR_RAISE(x->reterr, ERR_NOTFOUND, "there is no event of that number");
    return run_stale(x, "it is in no piece that is known");
}

static enum err take_records(struct run *x, struct reclog_tail *t, size_t i, bool newest_only, struct buf *out,
                             struct segment_chunk *ret)
{
    size_t first = i, max = newest_only ? NEWEST_BYTES : JOIN_BYTES;

    *ret = (struct segment_chunk){ .first_seq = t->records[i].first_seq };
    for (; i < t->n && i - first < JOIN_RECORDS; i++) {
        const struct reclog_record *rec = &t->records[i];

        /* about what it will be when opened; the first one always */
        if (i > first && (out->n + rec->len > max || rec->first_seq >= x->want->until))
            break;
        if (!is_events(rec))
            continue;
        TRY(read_record(x, t, i, newest_only ? NEWEST_RAW : RECORD_RAW_MAX, out));
        ret->n_events += rec->n_events;
    }
    ret->raw = (uint32_t) out->n;
    return ERR_OK;
}

/* Seek time of the event before record i, when the caller does not know it: everything before is walked. */
static enum err floor_of(struct run *x, uint64_t first, time_us *ret)
{
    struct scan s = { .until = first };

    if (x->want->has_floor) {
        *ret = x->want->floor;
        return ERR_OK;
    }
    TRY(tail_scan(x, &s));
    *ret = s.time;
    return ERR_OK;
}

static size_t find_record(const struct reclog_tail *t, uint64_t seq)
{
    size_t i = 0;

    while (i < t->n && (!is_events(&t->records[i]) || t->records[i].first_seq + t->records[i].n_events <= seq))
        i++;
    return i;
}

static enum err events_of(struct run *x, struct reclog_tail *t, uint64_t seq, bool newest_only)
{
    struct viewer_read *ret = x->ret;
    size_t i = find_record(t, seq);
    time_us floor;

    if (i == t->n || t->records[i].first_seq > seq)
        return not_here(x, t, seq);
    if (newest_only && (t->records[i].len > NEWEST_BYTES || !x->want->has_floor))
        return ERR_RAISE(x->reterr, ERR_LIMIT, "too much for a loop");
    TRY(floor_of(x, t->records[i].first_seq, &floor));
    TRY(take_records(x, t, i, newest_only, &ret->bytes, &ret->meta));
    ret->meta.t_first = floor;
    ret->meta.t_last = SEGMENT_TIME_MAX; /* lines.c finds the times as it goes */
    ret->kn = t->kn;
    ret->tail = true;
    return ERR_OK;
}

enum err tail_events(struct run *x, uint64_t seq, bool newest_only)
{
    CLEANUP(reclog_tail_freep) struct reclog_tail *t = NULL;

    TRY(late_of_tail(x, seq, newest_only));
    TRY(snapshot(x, seq, JOIN_RECORDS, &t));
    if (t == NULL || seq < t->sealed_seq || seq >= t->next_seq)
        return not_here(x, t, seq);
    return events_of(x, t, seq, newest_only);
}

enum err tail_head(struct run *x, struct buf *out)
{
    CLEANUP(reclog_tail_freep) struct reclog_tail *t = NULL;

    TRY(snapshot(x, 0, 4, &t));
    if (t == NULL)
        return ERR_RAISE(x->reterr, ERR_NOTFOUND, "no head");
    if (t->sealed_seq > reader_sealed(x->r))
        return run_stale(x, "the head is in a piece");
    for (size_t i = 0; i < t->n; i++) {
        if ((t->records[i].flags & KHLOG_HEAD) != 0)
            return read_record(x, t, i, RECORD_RAW_MAX, out);
    }
    return ERR_RAISE(x->reterr, ERR_NOTFOUND, "no head");
}

static enum err scan_record(struct run *x, struct reclog_tail *t, size_t i, struct scan *s)
{
    struct buf raw = BUF_INIT((16u << 20) + JOIN_BYTES);
    time_us first;
    enum err e = read_record(x, t, i, RECORD_RAW_MAX, &raw);

    if (e == ERR_OK)
        (void) scan_lines(s, buf_span(&raw), t->records[i].first_seq, &first);
    wipe(&raw);
    return e;
}

static enum err tail_begin(struct run *x, struct scan *s)
{
    TRY(pieces_end(x, &s->time));
    TRY(reader_base(x));
    s->terminal = x->r->terminal;
    s->base = x->r->base;
    return ERR_OK;
}

/* Records from event *io_from on, and where they end. */
static enum err scan_records(struct run *x, struct scan *s, uint64_t *io_from, uint16_t *ret_kn)
{
    CLEANUP(reclog_tail_freep) struct reclog_tail *t = NULL;
    uint64_t from = *io_from, n = 0;

    TRY(late_of_tail(x, from, false));
    TRY(snapshot(x, from, 0, &t));
    if (t == NULL && (!x->r->live || x->want->until <= from))
        return ERR_OK;
    if (t == NULL || t->sealed_seq > from)
        return run_stale(x, "the tail begins later");
    for (size_t i = 0; i < t->n && t->records[i].first_seq < s->until; i++) {
        if (!is_events(&t->records[i]))
            continue;
        TRY(scan_record(x, t, i, s));
        n += t->records[i].n_events;
    }
    *io_from = t->next_seq;
    *ret_kn = t->kn;
    if (x->r->look != NULL)
        look_add_read(x->r->look, n);
    return ERR_OK;
}

enum err tail_scan(struct run *x, struct scan *s)
{
    uint64_t from = reader_sealed(x->r);
    uint16_t kn;

    TRY(tail_begin(x, s));
    return scan_records(x, s, &from, &kn);
}

enum err tail_newest(struct run *x, struct scan *s)
{
    struct look_scan *k;
    const struct secret *key;
    enum err e = ERR_OK;

    _Static_assert(sizeof(*s) <= sizeof(k->state), "a scan is kept in a look");
    if (x->r->look == NULL)
        return tail_scan(x, s);
    look_lock(x->r->look);
    k = look_scan(x->r->look);
    if (k->next < reader_sealed(x->r) || k->next == 0) {
        e = tail_begin(x, s);
        k->next = reader_sealed(x->r);
    } else {
        e = run_key(x, k->kn, 0, &key);
        memcpy(s, k->state, sizeof(*s));
    }
    if (e == ERR_OK)
        e = scan_records(x, s, &k->next, &k->kn);
    memcpy(k->state, s, sizeof(*s));
    if (e != ERR_OK)
        k->next = 0;
    look_unlock(x->r->look);
    return e;
}

enum err tail_check(struct run *x)
{
    CLEANUP(reclog_tail_freep) struct reclog_tail *t = NULL;

    TRY(snapshot(x, UINT64_MAX, 1, &t));
    if (t != NULL && t->sealed_seq > reader_sealed(x->r))
        return run_stale(x, "there are more pieces");
    return ERR_OK;
}
