#include "cli/rec_box.h"

#include <stdio.h>
#include <stdlib.h>

#include "codec/jsonw.h"

#define NO_PLACE     UINT64_MAX
#define HEAD_LEN     12 /* of a record: u64le first || u32le n */
#define EVENT_HEAD   13 /* u64le µs || u8 code || u32le n */
#define SMALL_ALWAYS (64u << 10) /* beyond 'max', for what is always taken */

struct piece {
    uint64_t first;
    uint32_t n;
    uint64_t size;   /* bytes of 'bytes' */
    uint64_t at;     /* in the spool; NO_PLACE: not there */
    uint8_t *bytes;  /* record as in the spool; NULL: only there */
};

struct rec_box {
    struct rec_spool *spool;
    uint64_t max;
    struct buf open;     /* record being written */
    uint32_t open_n;
    uint64_t next, ready, confirmed;
    struct piece *pieces;
    size_t first, n, cap;
    uint64_t waiting, in_memory;
    uint64_t missing, gap; /* all; since the last marker */
    int64_t gap_us, last_us;
    bool full, spool_failed;
};

struct rec_box *rec_box_new(struct rec_spool *spool, uint64_t max)
{
    struct rec_box *b = calloc(1, sizeof(*b));

    if (b != NULL) {
        b->spool = spool;
        b->max = max;
        buf_init(&b->open, 2 * REC_BOX_PIECE + (1u << 20));
    }
    return b;
}

static void wipe(uint8_t *p, size_t n)
{
    if (p != NULL) {
        explicit_bzero(p, n);
        free(p);
    }
}

struct rec_box *rec_box_free(struct rec_box *b)
{
    if (b == NULL)
        return NULL;
    for (size_t i = b->first; i < b->n; i++)
        wipe(b->pieces[i].bytes, b->pieces[i].size);
    free(b->pieces);
    if (b->open.cap > 0)
        explicit_bzero(b->open.p, b->open.cap);
    buf_deinit(&b->open);
    free(b);
    return NULL;
}

/* ---- adding ---- */

static uint64_t limit(const struct rec_box *b)
{
    return b->spool == NULL || b->spool_failed ? REC_BOX_MEMORY_MAX : b->max;
}

static bool add_raw(struct rec_box *b, int64_t at_us, char code, struct span text)
{
    size_t before = b->open.n;

    if (b->open_n == 0) {
        buf_u64le(&b->open, b->next);
        buf_u32le(&b->open, 0);
    }
    buf_u64le(&b->open, (uint64_t) at_us);
    buf_u8(&b->open, (uint8_t) code);
    buf_lp4(&b->open, text);
    if (b->open.failed) {
        b->open.n = before;
        b->open.failed = false;
        return false;
    }
    b->open_n++;
    b->next++;
    b->last_us = at_us;
    return true;
}

void rec_box_say_gap(struct rec_box *b, int64_t at_us)
{
    char text[120];

    if (b->gap == 0)
        return;
    (void) snprintf(text, sizeof(text), "not recorded: %llu events in %.1f s, no room was left while the server was away",
                    (unsigned long long) b->gap, (double) (at_us - b->gap_us) / 1e6);
    if (add_raw(b, at_us, 'm', span_str(text)))
        b->gap = 0;
}

static bool has_room(struct rec_box *b, char code, size_t n)
{
    uint64_t waiting = b->waiting + b->open.n, most = limit(b);

    if (code != 'o' && code != 'i')
        return waiting + n < most + SMALL_ALWAYS;
    if (b->full)
        b->full = waiting > most - most / 4;
    else
        b->full = waiting + n > most;
    return !b->full;
}

void rec_box_add(struct rec_box *b, int64_t at_us, char code, struct span text)
{
    if (text.n > REC_BOX_PIECE) { /* in two: nobody sees the seam */
        size_t n = REC_BOX_PIECE;

        while (n > 0 && (text.p[n] & 0xc0) == 0x80)
            n--;
        rec_box_add(b, at_us, code, span_sub(text, 0, n));
        rec_box_add(b, at_us, code, span_sub(text, n, text.n));
        return;
    }
    if (b->open.n + text.n > REC_BOX_PIECE)
        rec_box_cut(b);
    if (has_room(b, code, text.n)) {
        if (code == 'o' || code == 'i')
            rec_box_say_gap(b, at_us);
        if (add_raw(b, at_us, code, text))
            return;
    }
    if (b->gap++ == 0)
        b->gap_us = at_us;
    b->missing++;
}

/* ---- pieces ---- */

static bool push(struct rec_box *b, struct piece p)
{
    if (b->first > 0 && b->first * 2 >= b->n) {
        memmove(b->pieces, b->pieces + b->first, (b->n - b->first) * sizeof(*b->pieces));
        b->n -= b->first;
        b->first = 0;
    }
    if (b->n == b->cap) {
        size_t cap = b->cap == 0 ? 64 : b->cap * 2;
        struct piece *more = reallocarray(b->pieces, cap, sizeof(*more));

        if (more == NULL)
            return false;
        b->pieces = more;
        b->cap = cap;
    }
    b->pieces[b->n++] = p;
    b->waiting += p.size;
    b->ready = p.first + p.n;
    return true;
}

void rec_box_cut(struct rec_box *b)
{
    struct piece p = { .first = b->ready, .n = b->open_n, .size = b->open.n, .at = NO_PLACE };
    struct err_info e;

    if (b->open_n == 0)
        return;
    for (int i = 0; i < 4; i++)
        b->open.p[8 + i] = (uint8_t) (b->open_n >> (8 * i));
    if (b->spool != NULL) {
        bool failed = rec_spool_add(b->spool, REC_SPOOL_EVENTS, buf_span(&b->open), &p.at, &e) != ERR_OK;

        p.at = failed ? NO_PLACE : p.at;
        b->spool_failed = failed;
    }
    if (p.at == NO_PLACE || b->in_memory + p.size <= REC_BOX_MEMORY) {
        p.bytes = malloc(p.size);
        if (p.bytes != NULL) {
            memcpy(p.bytes, b->open.p, p.size);
            b->in_memory += p.size;
        }
    }
    if ((p.bytes == NULL && p.at == NO_PLACE) || !push(b, p)) { /* no memory at all: they are missing */
        wipe(p.bytes, p.size);
        if (b->gap == 0)
            b->gap_us = b->last_us;
        b->gap += b->open_n;
        b->missing += b->open_n;
        b->next = b->ready;
    }
    explicit_bzero(b->open.p, b->open.n);
    buf_reset(&b->open);
    b->open_n = 0;
}

void rec_box_confirm(struct rec_box *b, uint64_t next)
{
    if (next > b->ready)
        next = b->ready;
    if (next <= b->confirmed)
        return;
    b->confirmed = next;
    while (b->first < b->n && b->pieces[b->first].first + b->pieces[b->first].n <= next) {
        struct piece *p = &b->pieces[b->first++];

        b->waiting -= p->size;
        if (p->bytes != NULL)
            b->in_memory -= p->size;
        wipe(p->bytes, p->size);
        if (p->at != NO_PLACE && b->first < b->n)
            rec_spool_forget(b->spool, p->at);
    }
    if (b->first == b->n) {
        b->first = b->n = 0;
        if (b->spool != NULL)
            rec_spool_rewind(b->spool);
    }
}

enum err rec_box_restore(struct rec_box *b, uint64_t at, struct span record, struct err_info *reterr)
{
    struct rd r = rd_of(record);
    struct piece p = { .first = rd_u64le(&r), .n = rd_u32le(&r), .size = record.n, .at = at };

    if (r.failed || p.n == 0 || (b->next != 0 && p.first != b->next))
        return ERR_RAISE(reterr, ERR_CORRUPT, "the spool has a hole");
    if (b->next == 0)
        b->confirmed = p.first;
    if (!push(b, p))
        return ERR_RAISE(reterr, ERR_NOMEM, "no memory");
    b->next = b->ready;
    return rec_box_time(b, b->next - 1, &b->last_us) ? ERR_OK : ERR_RAISE(reterr, ERR_CORRUPT, "the spool is damaged");
}

/* ---- reading ---- */

struct event {
    int64_t at_us;
    char code;
    struct span text;
};

static bool next_event(struct rd *r, struct event *ret)
{
    ret->at_us = (int64_t) rd_u64le(r);
    ret->code = (char) rd_u8(r);
    ret->text = rd_lp4(r);
    return !r->failed;
}

/* A piece's events; from memory, or read into 'room'. */
static enum err piece_events(struct rec_box *b, const struct piece *p, struct buf *room, struct rd *ret, struct err_info *reterr)
{
    enum rec_spool_kind kind = REC_SPOOL_EVENTS;
    uint64_t at = p->at;

    buf_reset(room);
    if (p->bytes == NULL)
        TRY(rec_spool_get(b->spool, &at, &kind, room, reterr));
    *ret = rd_of(p->bytes != NULL ? span_of(p->bytes, p->size) : buf_span(room));
    if (kind != REC_SPOOL_EVENTS || rd_u64le(ret) != p->first || rd_u32le(ret) != p->n)
        return ERR_RAISE(reterr, ERR_CORRUPT, "the spool is damaged");
    return ERR_OK;
}

static const struct piece *piece_of(const struct rec_box *b, uint64_t n)
{
    size_t low = b->first, high = b->n;

    while (low < high) {
        size_t mid = low + (high - low) / 2;

        if (b->pieces[mid].first + b->pieces[mid].n <= n)
            low = mid + 1;
        else
            high = mid;
    }
    return low < b->n && b->pieces[low].first <= n ? &b->pieces[low] : NULL;
}

static void add_line(const struct event *e, int64_t base_us, struct buf *out)
{
    int64_t us = e->at_us - base_us < 0 ? 0 : e->at_us - base_us;
    const char code[2] = { e->code, '\0' };

    buf_addf(out, "[%lld.%06lld,\"%s\",", (long long) (us / 1000000), (long long) (us % 1000000), code);
    jsonw_add_string(out, e->text);
    buf_add_str(out, "]\n");
}

static enum err lines_of(struct rec_box *b, const struct piece *p, uint64_t *at, int64_t base_us, size_t most, struct buf *room,
                         struct buf *out, char ret_size[REC_SIZE_CAP], struct err_info *reterr)
{
    struct rd r;
    struct event e;

    TRY(piece_events(b, p, room, &r, reterr));
    for (uint64_t n = p->first; n < p->first + p->n && out->n < most; n++) {
        if (!next_event(&r, &e))
            return ERR_RAISE(reterr, ERR_CORRUPT, "the spool is damaged");
        if (n < *at)
            continue;
        add_line(&e, base_us, out);
        if (e.code == 'r')
            (void) span_to_str(e.text, ret_size, REC_SIZE_CAP);
        *at = n + 1;
    }
    return out->failed ? ERR_RAISE(reterr, ERR_LIMIT, "a batch is too large") : ERR_OK;
}

enum err rec_box_lines(struct rec_box *b, uint64_t from, int64_t base_us, size_t most, struct buf *out, uint64_t *ret_next,
                       char ret_size[REC_SIZE_CAP], struct err_info *reterr)
{
    struct buf room = BUF_INIT(64u << 20);
    uint64_t at = from;
    enum err e = ERR_OK;

    for (const struct piece *p; e == ERR_OK && out->n < most && (p = piece_of(b, at)) != NULL;)
        e = lines_of(b, p, &at, base_us, most, &room, out, ret_size, reterr);
    *ret_next = at;
    if (room.cap > 0)
        explicit_bzero(room.p, room.cap);
    buf_deinit(&room);
    return e;
}

bool rec_box_time(struct rec_box *b, uint64_t n, int64_t *ret_us)
{
    const struct piece *p = piece_of(b, n);
    struct buf room = BUF_INIT(64u << 20);
    struct event e = { 0 };
    struct rd r;
    bool good = p != NULL && piece_events(b, p, &room, &r, NULL) == ERR_OK;

    for (uint64_t i = p != NULL ? p->first : n; good && i <= n; i++)
        good = next_event(&r, &e);
    *ret_us = good ? e.at_us : 0;
    if (room.cap > 0)
        explicit_bzero(room.p, room.cap);
    buf_deinit(&room);
    return good;
}

/* ---- looking ---- */

bool rec_box_is_open(const struct rec_box *b)
{
    return b->open_n > 0;
}

uint64_t rec_box_count(const struct rec_box *b)
{
    return b->next;
}

uint64_t rec_box_confirmed(const struct rec_box *b)
{
    return b->confirmed;
}

uint64_t rec_box_ready(const struct rec_box *b)
{
    return b->ready;
}

uint64_t rec_box_waiting(const struct rec_box *b)
{
    return b->waiting + b->open.n;
}

uint64_t rec_box_missing(const struct rec_box *b)
{
    return b->missing;
}

int64_t rec_box_last_us(const struct rec_box *b)
{
    return b->last_us;
}

bool rec_box_spool_failed(const struct rec_box *b)
{
    return b->spool_failed;
}
