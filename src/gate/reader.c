#include "gate/reader_int.h"

#include <stdlib.h>

#include "codec/jsonw.h"
#include "crypto/secret.h"

/* ---- life ---- */

static bool codec_fits(const struct ipc_row_piece *p)
{
    return p->kind == KHSPL_KIND || p->codec == SEGMENT_CODEC;
}

static bool pieces_fit(const struct ipc_key_facts *m)
{
    uint32_t chunk = 0;
    uint8_t track = 0;
    uint64_t seq = 0;

    if (m->pieces.n > VIEWER_PIECES_MAX)
        return false;
    for (uint32_t i = 0; i < m->pieces.n; i++) { /* those of track 1 come last */
        const struct ipc_row_piece *p = &m->pieces.rows[i];

        if (p->track < track || p->track > 1 || !codec_fits(p))
            return false;
        if (p->track > track) {
            track = p->track;
            seq = 0;
        }
        if (track == 0 ? p->first_chunk != chunk || (p->n_events > 0 && p->first_seq != seq) : p->first_seq < seq)
            return false;
        chunk += track == 0 ? p->n_chunks : 0;
        seq = p->first_seq + p->n_events;
    }
    return chunk == m->n_chunks;
}

static struct piece *piece_new(struct reader *r, const struct ipc_row_piece *in, size_t at)
{
    struct piece *p = calloc(1, sizeof(*p));

    if (p == NULL)
        return NULL;
    *p = (struct piece){ .reader = r, .at = at, .seg_no = in->seg_no, .first_chunk = in->first_chunk,
                         .n_chunks = in->n_chunks, .kn = in->kn, .track = in->track,
                         .kind = in->kind == KHSPL_KIND ? KHSPL_KIND : KHSEG_KIND, /* 0 of old rows */
                         .codec = in->codec, .t_first = in->t_first_us, .t_last = in->t_last_us,
                         .first_seq = in->first_seq, .n_events = in->n_events, .file = STORE_FILE_NONE };
    return p;
}

/* One that is in both lists stays, with what is open of it: a number names the same bytes always. */
static struct piece *keep_piece(struct piece **list, size_t n, const struct ipc_row_piece *in, size_t *from)
{
    for (size_t i = *from; i < n; i++) {
        struct piece *p = list[i];

        if (p == NULL || p->seg_no != in->seg_no || p->first_chunk != in->first_chunk)
            continue;
        list[i] = NULL;
        *from = i + 1;
        return p;
    }
    return NULL;
}

static void free_pieces(struct piece **list, size_t n)
{
    for (size_t i = 0; list != NULL && i < n; i++)
        piece_free(list[i]);
    free(list);
}

static bool take_wraps(struct reader *r, const struct ipc_key_facts *m)
{
    struct wrap_row *list = calloc(m->wraps.n == 0 ? 1 : m->wraps.n, sizeof(*list));
    size_t n = 0;

    if (list == NULL)
        return false;
    for (uint32_t i = 0; i < m->wraps.n; i++) {
        const struct ipc_row_wrap *in = &m->wraps.rows[i];

        if (in->track > r->unmask || in->wrap.n > sizeof(list->bytes))
            continue;
        list[n] = (struct wrap_row){ .kn = in->kn, .track = in->track, .epoch = in->epoch, .n = (uint8_t) in->wrap.n };
        memcpy(list[n++].bytes, in->wrap.p, in->wrap.n);
    }
    free(r->wraps);
    r->wraps = list;
    r->n_wraps = n;
    return true;
}

static uint32_t pieces_of(const struct ipc_key_facts *m, uint8_t track, uint32_t *ret_first)
{
    uint32_t n = 0;

    *ret_first = 0;
    for (uint32_t i = 0; i < m->pieces.n; i++) {
        *ret_first += m->pieces.rows[i].track < track;
        n += m->pieces.rows[i].track == track;
    }
    return n;
}

/* The pieces of one track in place of those that are there. False: no memory, there are none now. */
static bool take_pieces(struct reader *r, const struct ipc_key_facts *m, uint8_t track, struct piece ***list, size_t *n)
{
    uint32_t first, n_new = pieces_of(m, track, &first);
    struct piece **fresh = calloc(n_new == 0 ? 1 : n_new, sizeof(struct piece *));
    bool good = fresh != NULL;
    size_t from = 0;

    for (uint32_t i = 0; good && i < n_new; i++) {
        const struct ipc_row_piece *in = &m->pieces.rows[first + i];
        struct piece *old = keep_piece(*list, *n, in, &from);

        fresh[i] = old != NULL ? old : piece_new(r, in, i);
        good = fresh[i] != NULL;
        if (good)
            fresh[i]->at = i;
    }
    free_pieces(*list, *n);
    if (!good)
        free_pieces(fresh, n_new);
    *list = good ? fresh : NULL;
    *n = good ? n_new : 0;
    return good;
}

bool reader_update(struct reader *r, const struct ipc_key_facts *m)
{
    bool good;

    if (!pieces_fit(m) || !take_wraps(r, m))
        return false;
    good = take_pieces(r, m, 0, &r->pieces, &r->n);
    if (r->unmask)
        good = take_pieces(r, m, 1, &r->reveal, &r->n_reveal) && good;
    r->n_timed = 0;
    r->live = m->live != 0;
    r->started = m->started_ms * 1000;
    return good;
}

struct reader *reader_new(const struct store *store, struct reclog *log, struct looks *looks, const char *pid, const char *rid,
                          bool unmask, const struct ipc_key_facts *m)
{
    struct reader *r = calloc(1, sizeof(*r));

    if (r == NULL)
        return NULL;
    r->store = store;
    r->log = log;
    r->unmask = unmask;
    late_init(&r->tail_late);
    memcpy(r->pid, pid, sizeof(r->pid));
    memcpy(r->rid, rid, sizeof(r->rid));
    r->terminal = span_eq_str(m->kind, "terminal");
    r->look = look_get(unmask ? NULL : looks, rid); /* who sees originals shares nothing */
    return reader_update(r, m) ? r : reader_free(r);
}

struct reader *reader_free(struct reader *r)
{
    if (r == NULL)
        return NULL;
    free_pieces(r->pieces, r->n);
    free_pieces(r->reveal, r->n_reveal);
    r->reveal_key = khlog_key_free(r->reveal_key);
    r->tail_key = khlog_key_free(r->tail_key);
    late_deinit(&r->tail_late);
    r->look = look_put(r->look);
    free(r->wraps);
    free(r);
    return NULL;
}

uint64_t reader_sealed(const struct reader *r)
{
    for (size_t i = r->n; i-- > 0;) {
        if (r->pieces[i]->n_events > 0)
            return r->pieces[i]->first_seq + r->pieces[i]->n_events;
    }
    return 0;
}

bool reader_wrap(const struct reader *r, uint16_t kn, uint8_t track, uint32_t *ret_epoch, struct span *ret_wrap)
{
    for (size_t i = 0; i < r->n_wraps; i++) {
        if (r->wraps[i].kn != kn || r->wraps[i].track != track)
            continue;
        *ret_epoch = r->wraps[i].epoch;
        *ret_wrap = span_of(r->wraps[i].bytes, r->wraps[i].n);
        return true;
    }
    return false;
}

bool reader_first_kn(const struct reader *r, uint16_t *ret_kn)
{
    bool found = false;

    for (size_t i = 0; i < r->n_wraps; i++) {
        if (r->wraps[i].track != 0 || (found && r->wraps[i].kn >= *ret_kn))
            continue;
        *ret_kn = r->wraps[i].kn;
        found = true;
    }
    return found;
}

/* ---- what is missing ---- */

enum err run_key(struct run *x, uint16_t kn, uint8_t track, const struct secret **ret)
{
    for (size_t i = 0; i < x->keys->n; i++) {
        if (x->keys->keys[i].kn == kn && x->keys->keys[i].track == track) {
            *ret = x->keys->keys[i].rk;
            return ERR_OK;
        }
    }
    x->ret->need = READ_NEED_KEY;
    x->ret->need_kn = kn;
    x->ret->need_track = track;
    return ERR_RAISE(x->reterr, ERR_AGAIN, "the key of number %u is not here", kn);
}

enum err run_stale(struct run *x, const char *why)
{
    x->ret->need = READ_NEED_PIECES;
    return ERR_RAISE(x->reterr, ERR_AGAIN, "%s", why);
}

/* ---- the kinds of reading ---- */

static struct piece *piece_of_chunk(struct reader *r, uint32_t chunk)
{
    for (size_t i = 0; i < r->n; i++) {
        struct piece *p = r->pieces[i];

        if (chunk >= p->first_chunk && chunk - p->first_chunk < p->n_chunks)
            return p;
    }
    return NULL;
}

static struct piece *piece_of_seq(struct reader *r, uint64_t seq)
{
    for (size_t i = r->n; i-- > 0;) {
        struct piece *p = r->pieces[i];

        if (seq >= p->first_seq && seq - p->first_seq < p->n_events)
            return p;
    }
    return NULL;
}

/* With originals in it, or cleaned again, a chunk cannot leave as it is stored. */
static enum err read_changed(struct run *x, struct piece *p)
{
    struct viewer_want plain = *x->want;
    struct run y = *x;

    plain.kind = READ_CHUNK;
    y.want = &plain;
    TRY(piece_chunk(&y, p, plain.chunk - p->first_chunk, &x->ret->bytes, &x->ret->meta));
    TRY(reveal_events(x, p->kn, x->ret->meta.first_seq, &x->ret->bytes));
    if (!piece_is_clean(p))
        TRY(clean_events(x, p, &x->ret->bytes));
    x->ret->meta.raw = (uint32_t) x->ret->bytes.n;
    return ERR_OK;
}

/* What follows from chunk n of the piece on, as far as indexes are open and times are known. */
static void look_ahead(struct run *x, const struct piece *p, uint32_t n)
{
    struct read_ahead *a = x->ret->ahead;
    uint64_t sum = x->ret->meta.raw;
    struct segment_chunk c;

    for (size_t at = p->at; at < x->r->n && at <= x->r->n_timed; at++, n = 0) {
        p = x->r->pieces[at];
        if (p->kind != KHSEG_KIND || p->index == NULL || !piece_is_clean(p))
            return;
        for (; n < p->n_chunks; n++) {
            if (a->n == READ_AHEAD_MAX || !piece_chunk_at(p, n, &c) || sum + c.raw > LEASE_BYTES_MAX)
                return;
            sum += c.raw;
            a->chunks[a->n].to_seq = c.first_seq + c.n_events - 1;
            a->chunks[a->n].to_ms = c.t_last / 1000;
            a->chunks[a->n++].bytes = c.raw;
        }
    }
}

static enum err read_chunk(struct run *x)
{
    struct piece *p = piece_of_chunk(x->r, x->want->chunk);

    if (p == NULL && x->r->live && !x->ret->fresh)
        return run_stale(x, "there is no chunk of that number");
    if (p == NULL)
        return ERR_RAISE(x->reterr, ERR_NOTFOUND, "there is no chunk of that number");
    x->ret->kn = p->kn;
    TRY(piece_open(x, p));
    if (reveals(x, p->kn) || !piece_is_clean(p))
        return read_changed(x, p);
    x->ret->stored = x->want->kind == READ_STORED && p->kind == KHSEG_KIND;
    x->ret->shared = p->kind == KHSEG_KIND && !x->r->unmask;
    TRY(piece_chunk(x, p, x->want->chunk - p->first_chunk, &x->ret->bytes, &x->ret->meta));
    if (x->ret->ahead != NULL && x->ret->shared)
        look_ahead(x, p, x->want->chunk - p->first_chunk + 1);
    return ERR_OK;
}

enum err reader_block(struct run *x, uint64_t seq, struct buf *out, struct segment_chunk *ret)
{
    struct piece *p = piece_of_seq(x->r, seq);

    if (p == NULL)
        return tail_events(x, seq, false);
    x->ret->kn = p->kn;
    return piece_events(x, p, seq, out, ret);
}

/* Of rrweb time 0 is the first timestamp there is: the keeper knows it of finished recordings only. */
enum err reader_base(struct run *x)
{
    const struct viewer_want first = { .kind = READ_EVENTS, .until = UINT64_MAX, .has_floor = true };
    struct viewer_read read = { .err = ERR_OK };
    struct run y = { x->r, x->keys, &first, &read, x->reterr, x->at_hand };
    struct reader *r = x->r;
    enum err e;

    if (r->has_base || r->terminal)
        return ERR_OK;
    r->base = r->started;
    r->has_base = true; /* times of KHSPL1 ask for it again: its first record is read without times */
    buf_init(&read.bytes, SEGMENT_EVENT_MAX + SEGMENT_INDEX_MAX);
    e = reader_block(&y, 0, &read.bytes, &read.meta);
    if (e == ERR_OK) {
        r->based = scan_base(buf_span(&read.bytes), &r->base); /* none has one: what the keeper says */
    } else if (e == ERR_AGAIN || e == ERR_NOTFOUND) {
        r->has_base = false;
    } else { /* the beginning is damaged: what follows need not be */
        e = ERR_OK;
    }
    x->ret->need = read.need;
    x->ret->need_kn = read.need_kn;
    x->ret->need_track = read.need_track;
    if (read.bytes.p != NULL)
        secret_wipe(read.bytes.p, read.bytes.cap);
    buf_deinit(&read.bytes);
    for (size_t i = 0; i < r->n; i++) { /* times that were found with another base */
        free(r->pieces[i]->times);
        r->pieces[i]->times = NULL;
    }
    r->n_timed = 0;
    return e;
}

static enum err read_events(struct run *x)
{
    const struct piece *p;
    uint32_t n;

    if (x->want->seq >= x->want->until)
        return ERR_RAISE(x->reterr, ERR_NOTFOUND, "there is no event of that number");
    TRY(reader_base(x));
    TRY(reader_block(x, x->want->seq, &x->ret->bytes, &x->ret->meta));
    p = piece_of_seq(x->r, x->want->seq);
    x->ret->shared = p != NULL && p->kind == KHSEG_KIND && !x->r->unmask && piece_is_clean(p);
    TRY(reveal_events(x, x->ret->kn, x->ret->meta.first_seq, &x->ret->bytes));
    if (p != NULL && !piece_is_clean(p)) /* what is in the log passed the sanitiser of this process */
        TRY(clean_events(x, p, &x->ret->bytes));
    x->ret->meta.raw = (uint32_t) x->ret->bytes.n;
    if (x->ret->ahead != NULL && x->ret->shared && segment_find_seq(p->index, x->want->seq, &n))
        look_ahead(x, p, n + 1);
    return ERR_OK;
}

/* The first one there is; a recovered piece may hold nothing but a batch before it. */
enum err reader_head(struct run *x, struct buf *out)
{
    enum err e = ERR_NOTFOUND;

    for (size_t i = 0; i < x->r->n; i++) {
        e = piece_head(x, x->r->pieces[i], out);
        if (e != ERR_NOTFOUND || x->r->pieces[i]->n_events > 0)
            return e;
    }
    return tail_head(x, out);
}

/* A keyframe of the tail: an event of rrweb (screens of terminals are made). ERR_NOTFOUND: none. */
static enum err locate_tail(struct run *x)
{
    struct scan s = { .until = x->want->until, .from = x->want->from };

    if (x->r->terminal || reader_sealed(x->r) >= x->want->until)
        return ERR_RAISE(x->reterr, ERR_NOTFOUND, "no keyframe");
    TRY(x->want->from == INT64_MAX && x->want->until == UINT64_MAX ? tail_newest(x, &s) : tail_scan(x, &s));
    if (!s.found)
        return ERR_RAISE(x->reterr, ERR_NOTFOUND, "no keyframe");
    x->ret->seq = s.seq;
    x->ret->at = s.at;
    return ERR_OK;
}

/*
 * The newest keyframe at or before the time; the recording's beginning when there is none. Time 0 is the beginning itself:
 * events without times have keyframes at 0 too, and nothing before those may be lost.
 */
static enum err read_locate(struct run *x)
{
    enum err e;

    if (x->want->until == 0)
        return ERR_RAISE(x->reterr, ERR_NOTFOUND, "there is no event");
    TRY(reader_base(x));
    if (x->want->from <= 0)
        return ERR_OK;
    TRY(tail_check(x));
    e = locate_tail(x);
    for (size_t i = x->r->n; e == ERR_NOTFOUND && i-- > 0;) {
        struct piece *p = x->r->pieces[i];

        if ((p->kind == KHSEG_KIND && p->t_first > x->want->from && i > 0) || p->first_seq >= x->want->until)
            continue;
        e = piece_keyframe(x, p, x->want->from, x->want->until);
        x->ret->kn = p->kn;
    }
    if (e != ERR_OK && e != ERR_NOTFOUND) /* not found: seq 0, time 0 */
        return e;
    return x->r->terminal ? screen_locate(x) : ERR_OK;
}

/* ---- manifest ---- */

static void write_chunks(const struct piece *p, struct jsonw *w)
{
    struct segment_chunk c;

    for (uint32_t i = 0; i < p->n_chunks && piece_chunk_at(p, i, &c); i++) {
        jsonw_obj(w);
        jsonw_kint(w, "from_seq", (int64_t) c.first_seq);
        jsonw_kint(w, "to_seq", (int64_t) (c.first_seq + c.n_events) - 1);
        jsonw_kint(w, "from_ms", c.t_first / 1000);
        jsonw_kint(w, "to_ms", c.t_last / 1000);
        jsonw_kint(w, "bytes", c.raw);
        jsonw_obj_end(w);
    }
}

static void write_keyframe(const struct piece *p, uint32_t chunk, time_us at, uint64_t seq, bool screen,
                           struct jsonw *w)
{
    jsonw_obj(w);
    jsonw_kint(w, "at_ms", (at > p->floor ? at : p->floor) / 1000);
    jsonw_kint(w, "seq", (int64_t) seq);
    jsonw_kint(w, "chunk", p->first_chunk + chunk);
    jsonw_kbool(w, "screen", screen);
    jsonw_obj_end(w);
}

static uint64_t count_keyframes(const struct piece *p)
{
    uint64_t n = 0;

    for (uint32_t i = 0; p->kind == KHSPL_KIND && i < p->n_chunks; i++)
        n += p->times[i].keyframe;
    for (uint32_t i = 0; p->index != NULL && segment_keyframe_at(p->index, i) != NULL; i++)
        n++;
    return n;
}

/* Of too many keyframes each step-th: seeking starts a little earlier then. *n: how many came before. */
static void write_keyframes(const struct piece *p, uint64_t step, uint64_t *n, struct jsonw *w)
{
    const struct segment_keyframe *k;

    for (uint32_t i = 0; p->kind == KHSPL_KIND && i < p->n_chunks; i++) {
        const struct record_times *t = &p->times[i];
        uint32_t chunk = i;

        while (t->keyframe && chunk > 0 && khspl_at(p->spl, chunk)->first_seq > t->seq)
            chunk--; /* its Meta came with the batch before */
        if (t->keyframe && (*n)++ % step == 0)
            write_keyframe(p, chunk, t->at, t->seq, false, w);
    }
    for (uint32_t i = 0; p->index != NULL && (k = segment_keyframe_at(p->index, i)) != NULL; i++)
        if ((*n)++ % step == 0)
            write_keyframe(p, k->chunk, k->time, k->seq, k->kind == SEGMENT_KEYFRAME_SCREEN, w);
}

static void write_markers(const struct piece *p, uint64_t *n, struct jsonw *w)
{
    const struct segment_marker *m;

    for (uint32_t i = 0; p->index != NULL && (m = segment_marker_at(p->index, i)) != NULL; i++) {
        if ((*n)++ >= SEGMENT_LISTED_MAX)
            return;
        jsonw_obj(w);
        jsonw_kint(w, "at_ms", (m->time > p->floor ? m->time : p->floor) / 1000);
        jsonw_kstr(w, "label", m->label);
        jsonw_obj_end(w);
    }
}

static void write_lists(const struct reader *r, struct jsonw *w)
{
    uint64_t keyframes = 0, n = 0, markers = 0;

    for (size_t i = 0; i < r->n; i++)
        keyframes += count_keyframes(r->pieces[i]);
    jsonw_karr(w, "chunks");
    for (size_t i = 0; i < r->n; i++)
        write_chunks(r->pieces[i], w);
    jsonw_arr_end(w);
    jsonw_karr(w, "keyframes");
    for (size_t i = 0; i < r->n; i++)
        write_keyframes(r->pieces[i], 1 + keyframes / SEGMENT_LISTED_MAX, &n, w);
    jsonw_arr_end(w);
    jsonw_karr(w, "markers");
    for (size_t i = 0; i < r->n; i++)
        write_markers(r->pieces[i], &markers, w);
    jsonw_arr_end(w);
}

/* Opens what the lists are written from, and finds the time of the last event, the tail's too. */
static enum err open_all(struct run *x)
{
    struct scan s = { .until = x->want->until };

    TRY(tail_check(x));
    TRY(pieces_timed(x, x->r->n));
    for (size_t i = 0; i < x->r->n; i++) {
        if (x->r->pieces[i]->index == NULL && !x->r->pieces[i]->unlocked)
            TRY(piece_open(x, x->r->pieces[i]));
    }
    TRY(reader_sealed(x->r) < x->want->until ? tail_scan(x, &s) : pieces_end(x, &s.time));
    x->ret->at = s.time;
    x->ret->seq = reader_sealed(x->r);
    return ERR_OK;
}

/* A finished recording under one key, all in segments: who has that key may see all of it, and it stays as it is. */
static bool is_one(const struct reader *r, uint16_t *ret_kn)
{
    for (size_t i = 0; i < r->n; i++) {
        if (r->pieces[i]->kind != KHSEG_KIND || r->pieces[i]->kn != r->pieces[0]->kn)
            return false;
    }
    *ret_kn = r->n == 0 ? 0 : r->pieces[0]->kn;
    return r->n > 0 && !r->live && !r->unmask;
}

/* {"head":…,"chunks":[…],"keyframes":[…],"markers":[…],"notes":{…}}: the gate's thread adds what is not content. */
static enum err read_manifest(struct run *x)
{
    struct buf head = BUF_INIT(SEGMENT_HEAD_MAX);
    struct jsonw w;
    enum err e = x->want->until > 0 ? reader_base(x) : ERR_OK;

    if (e == ERR_OK)
        e = reader_head(x, &head);
    if (e == ERR_OK)
        e = reveal_head(x, &head);
    if (e == ERR_OK || e == ERR_NOTFOUND)
        e = open_all(x);
    x->ret->revealed = reveals_any(x->r);
    x->ret->shared = is_one(x->r, &x->ret->kn);
    if (e == ERR_OK) {
        jsonw_init(&w, &x->ret->bytes);
        jsonw_obj(&w);
        jsonw_kraw(&w, "head", head.n > 0 ? buf_span(&head) : SPAN("{}"));
        write_lists(x->r, &w);
        e = reader_notes(x, &w);
        jsonw_obj_end(&w);
    }
    if (e == ERR_OK)
        e = buf_check(&x->ret->bytes, x->reterr);
    if (head.p != NULL)
        secret_wipe(head.p, head.cap);
    buf_deinit(&head);
    return e;
}

/* ---- doors ---- */

static void run(struct run *x)
{
    const struct viewer_want *want = x->want;
    struct viewer_read *ret = x->ret;
    struct reader *r = x->r;

    ret->need = READ_NEED_NOTHING;
    switch (want->kind) {
    case READ_MANIFEST: ret->err = read_manifest(x); break;
    case READ_LOCATE: ret->err = read_locate(x); break;
    case READ_STORED:
    case READ_CHUNK: ret->err = read_chunk(x); break;
    case READ_EVENTS: ret->err = read_events(x); break;
    case READ_HEAD: ret->err = reader_head(x, &ret->bytes); break;
    case READ_PIECES: ret->err = ERR_OK; break;
    }
    ret->base = r->base;
    ret->based = r->based;
    ret->sealed = reader_sealed(r);
}

void reader_run(struct reader *r, const struct reader_keys *keys, const struct viewer_want *want,
                struct viewer_read *ret)
{
    struct run x = { r, keys, want, ret, ret->why, false };

    run(&x);
    if (want->kind != READ_STORED && want->kind != READ_CHUNK && want->kind != READ_EVENTS)
        pieces_close(r);
}

void reader_know_base(struct reader *r, time_us base)
{
    if (r->has_base || r->terminal)
        return;
    r->base = base;
    r->has_base = r->based = true;
}

/* The chunk that 'want' asks for, if it needs nothing but pages. */
static bool is_at_hand(const struct run *x)
{
    const struct viewer_want *w = x->want;
    const struct segment_chunk *c;
    const struct piece *p = NULL;
    uint32_t n = 0;

    if (w->kind == READ_STORED || w->kind == READ_CHUNK)
        p = piece_of_chunk(x->r, w->chunk);
    else if (w->kind == READ_EVENTS && w->seq < w->until && (x->r->terminal || x->r->has_base))
        p = piece_of_seq(x->r, w->seq);
    if (p == NULL || p->kind != KHSEG_KIND || p->index == NULL || p->at > x->r->n_timed || x->r->unmask || !piece_is_clean(p))
        return false;
    if (w->kind != READ_EVENTS)
        n = w->chunk - p->first_chunk;
    else if (!segment_find_seq(p->index, w->seq, &n))
        return false;
    c = segment_chunk_at(p->index, n);
    return c != NULL && c->raw <= READ_AT_HAND_MAX && c->stored <= READ_AT_HAND_MAX;
}

bool reader_run_at_hand(struct reader *r, const struct reader_keys *keys, const struct viewer_want *want,
                        struct viewer_read *ret)
{
    struct run x = { r, keys, want, ret, ret->why, true };
    const bool beginning = want->kind == READ_LOCATE && want->from <= 0 && want->until > 0 && (r->terminal || r->has_base);
    struct buf bytes;

    if (!beginning && !is_at_hand(&x))
        return false;
    run(&x);
    if (ret->err == ERR_OK)
        return true;
    bytes = ret->bytes;
    if (bytes.p != NULL)
        secret_wipe(bytes.p, bytes.cap);
    buf_reset(&bytes);
    *ret = (struct viewer_read){ .bytes = bytes, .ahead = ret->ahead, .why = ret->why };
    return false;
}

bool reader_run_newest(struct reader *r, const struct reader_keys *keys, const struct viewer_want *want,
                       struct viewer_read *ret)
{
    struct run x = { r, keys, want, ret, ret->why, true };

    if (!r->live || (!r->terminal && !r->has_base) || want->seq < reader_sealed(r) || want->seq >= want->until || reveals_any(r))
        return false;
    ret->err = tail_events(&x, want->seq, true);
    ret->base = r->base;
    return ret->err == ERR_OK;
}
