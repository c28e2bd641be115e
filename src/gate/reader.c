#include "gate/reader.h"

#include <stdlib.h>

#include "codec/jsonw.h"

struct piece {
    struct reader *reader;
    uint32_t seg_no, first_chunk, n_chunks;
    uint16_t kn;
    uint8_t track, codec;
    time_us t_first, t_last;
    uint64_t first_seq, n_events;
    struct store_file file;
    struct khseg_source source;
    struct segment_reader *index; /* NULL: not opened yet */
    uint64_t used;                /* turn of its last use; 0: file is closed */
};

struct reader {
    const struct store *store;
    char pid[ID_CAP], rid[ID_CAP];
    struct piece *pieces;
    size_t n;
    uint64_t turn;
    bool terminal;
    uint64_t events;
    uint16_t kn;
    uint32_t epoch;
    struct buf wrap;
};

static bool pieces_fit(const struct ipc_key_facts *m)
{
    uint32_t chunk = 0;
    uint64_t seq = 0;

    for (uint32_t i = 0; i < m->pieces.n; i++) {
        const struct ipc_row_piece *p = &m->pieces.rows[i];

        if (p->first_chunk != chunk || (p->n_events > 0 && p->first_seq != seq) || p->codec != SEGMENT_CODEC)
            return false;
        chunk += p->n_chunks;
        seq += p->n_events;
    }
    return chunk == m->n_chunks;
}

struct reader *reader_new(const struct store *store, const char *pid, const char *rid, const struct ipc_key_facts *m,
                          uint64_t memory_max)
{
    struct reader *r;

    (void) memory_max;
    if (!pieces_fit(m))
        return NULL;
    r = calloc(1, sizeof(*r));
    if (r == NULL)
        return NULL;
    r->store = store;
    memcpy(r->pid, pid, sizeof(r->pid));
    memcpy(r->rid, rid, sizeof(r->rid));
    r->terminal = span_eq_str(m->kind, "terminal");
    r->events = m->events;
    buf_init(&r->wrap, 1024);
    for (uint32_t i = 0; i < m->wraps.n; i++) {
        if (m->wraps.rows[i].track == 0 && r->wrap.n == 0) {
            r->kn = m->wraps.rows[i].kn;
            r->epoch = m->wraps.rows[i].epoch;
            buf_add_span(&r->wrap, m->wraps.rows[i].wrap);
        }
    }
    r->pieces = calloc(m->pieces.n == 0 ? 1 : m->pieces.n, sizeof(*r->pieces));
    if (r->pieces == NULL)
        return reader_free(r);
    for (uint32_t i = 0; i < m->pieces.n; i++) {
        const struct ipc_row_piece *in = &m->pieces.rows[i];

        r->pieces[r->n++] = (struct piece){ .reader = r, .seg_no = in->seg_no, .first_chunk = in->first_chunk,
                                            .n_chunks = in->n_chunks, .kn = in->kn, .track = in->track,
                                            .codec = in->codec, .t_first = in->t_first_us, .t_last = in->t_last_us,
                                            .first_seq = in->first_seq, .n_events = in->n_events,
                                            .file = STORE_FILE_NONE };
    }
    return r;
}

struct reader *reader_free(struct reader *r)
{
    if (r == NULL)
        return NULL;
    for (size_t i = 0; i < r->n; i++) {
        /* NOLINTNEXTLINE(clang-analyzer-core.NullDereference): n counts pieces that are there */
        r->pieces[i].index = segment_reader_free(r->pieces[i].index);
        store_close(&r->pieces[i].file);
    }
    free(r->pieces);
    buf_deinit(&r->wrap);
    free(r);
    return NULL;
}

bool reader_wrap(const struct reader *r, uint16_t *ret_kn, uint32_t *ret_epoch, struct span *ret_wrap)
{
    *ret_kn = r->kn;
    *ret_epoch = r->epoch;
    *ret_wrap = buf_span(&r->wrap);
    return r->wrap.n > 0;
}

/* ---- files and indexes ---- */

static void close_oldest(struct reader *r)
{
    struct piece *oldest = NULL;
    size_t open = 0;

    for (size_t i = 0; i < r->n; i++) {
        struct piece *p = &r->pieces[i];

        if (p->used == 0)
            continue;
        open++;
        if (oldest == NULL || p->used < oldest->used)
            oldest = p;
    }
    if (open >= VIEWER_OPEN_FILES && oldest != NULL) {
        store_close(&oldest->file);
        oldest->used = 0;
    }
}

static enum err open_file(struct piece *p, struct err_info *reterr)
{
    struct reader *r = p->reader;
    const struct store_piece name = { span_str(r->pid), span_str(r->rid), p->seg_no };

    if (p->used == 0) {
        close_oldest(r);
        TRY(store_get(r->store, &name, &p->file, reterr));
        p->source = store_source(&p->file);
    }
    p->used = ++r->turn;
    return ERR_OK;
}

static enum err piece_open(struct piece *p, const struct secret *rk, struct err_info *reterr)
{
    const struct khseg_context c = { .project = span_str(p->reader->pid), .rid = span_str(p->reader->rid),
                                     .kn = p->kn, .track = p->track, .seg_no = p->seg_no, .codec = p->codec };

    TRY(open_file(p, reterr));
    if (p->index != NULL)
        return ERR_OK;
    return segment_open(&p->source, rk, &c, &p->index, reterr);
}

static struct piece *piece_of_chunk(struct reader *r, uint32_t chunk)
{
    for (size_t i = 0; i < r->n; i++) {
        if (chunk - r->pieces[i].first_chunk < r->pieces[i].n_chunks && chunk >= r->pieces[i].first_chunk)
            return &r->pieces[i];
    }
    return NULL;
}

/* ---- the kinds of reading ---- */

static enum err read_chunk(struct reader *r, const struct secret *rk, const struct viewer_want *want,
                           struct viewer_read *ret, struct err_info *reterr)
{
    struct piece *p = piece_of_chunk(r, want->chunk);
    uint32_t n;

    if (p == NULL)
        return ERR_RAISE(reterr, ERR_NOTFOUND, "there is no chunk of that number");
    TRY(piece_open(p, rk, reterr));
    n = want->chunk - p->first_chunk;
    if (segment_chunk_at(p->index, n) == NULL)
        return ERR_RAISE(reterr, ERR_CORRUPT, "the segment has fewer chunks than its row");
    ret->chunk = want->chunk;
    ret->meta = *segment_chunk_at(p->index, n);
    if (want->kind == READ_STORED)
        return segment_read_stored(p->index, n, &ret->bytes, reterr);
    return segment_read_chunk(p->index, n, &ret->bytes, reterr);
}

static enum err read_head(struct reader *r, const struct secret *rk, struct viewer_read *ret, struct err_info *reterr)
{
    if (r->n == 0)
        return ERR_RAISE(reterr, ERR_NOTFOUND, "the recording is empty");
    TRY(piece_open(&r->pieces[0], rk, reterr));
    return segment_read_head(r->pieces[0].index, &ret->bytes, reterr);
}

static enum err locate_seq(struct reader *r, const struct secret *rk, uint64_t seq, struct viewer_read *ret,
                           struct err_info *reterr)
{
    uint32_t n;

    for (size_t i = 0; i < r->n; i++) {
        struct piece *p = &r->pieces[i];

        if (seq < p->first_seq || seq - p->first_seq >= p->n_events)
            continue;
        TRY(piece_open(p, rk, reterr));
        if (!segment_find_seq(p->index, seq, &n))
            return ERR_RAISE(reterr, ERR_CORRUPT, "the segment lacks an event of its row");
        ret->chunk = p->first_chunk + n;
        ret->meta = *segment_chunk_at(p->index, n);
        ret->seq = seq;
        ret->at = ret->meta.t_first;
        return ERR_OK;
    }
    return ERR_RAISE(reterr, ERR_NOTFOUND, "there is no event of that number");
}

static enum err use_keyframe(struct piece *p, const struct segment_keyframe *k, struct viewer_read *ret,
                             struct err_info *reterr)
{
    ret->chunk = p->first_chunk + k->chunk;
    ret->meta = *segment_chunk_at(p->index, k->chunk);
    ret->seq = k->seq;
    ret->at = k->time;
    if (k->kind != SEGMENT_KEYFRAME_SCREEN)
        return ERR_OK;
    ret->has_screen = true;
    ret->cols = k->cols;
    ret->rows = k->rows;
    return segment_read_screen(p->index, k, &ret->bytes, reterr);
}

/*
 * The newest keyframe at or before the time; the recording's beginning when there is none. Time 0 is the beginning itself:
 * events without times have keyframes at 0 too, and nothing before those may be lost.
 */
static enum err locate_time(struct reader *r, const struct secret *rk, time_us from, struct viewer_read *ret,
                            struct err_info *reterr)
{
    if (from <= 0)
        return locate_seq(r, rk, 0, ret, reterr);
    for (size_t i = r->n; i-- > 0;) {
        struct piece *p = &r->pieces[i];
        const struct segment_keyframe *k;

        if (p->n_chunks == 0 || (p->t_first > from && i > 0))
            continue;
        TRY(piece_open(p, rk, reterr));
        k = segment_keyframe_before(p->index, from);
        if (k != NULL)
            return use_keyframe(p, k, ret, reterr);
    }
    return locate_seq(r, rk, 0, ret, reterr);
}

static void write_chunks(const struct segment_reader *s, struct jsonw *w)
{
    const struct segment_chunk *c;

    for (uint32_t i = 0; (c = segment_chunk_at(s, i)) != NULL; i++) {
        jsonw_obj(w);
        jsonw_kint(w, "from_seq", (int64_t) c->first_seq);
        jsonw_kint(w, "to_seq", (int64_t) (c->first_seq + c->n_events) - 1);
        jsonw_kint(w, "from_ms", c->t_first / 1000);
        jsonw_kint(w, "to_ms", c->t_last / 1000);
        jsonw_kint(w, "bytes", c->raw);
        jsonw_obj_end(w);
    }
}

static void write_keyframes(const struct piece *p, struct jsonw *w)
{
    const struct segment_keyframe *k;

    for (uint32_t i = 0; (k = segment_keyframe_at(p->index, i)) != NULL; i++) {
        jsonw_obj(w);
        jsonw_kint(w, "at_ms", k->time / 1000);
        jsonw_kint(w, "seq", (int64_t) k->seq);
        jsonw_kint(w, "chunk", p->first_chunk + k->chunk);
        jsonw_kbool(w, "screen", k->kind == SEGMENT_KEYFRAME_SCREEN);
        jsonw_obj_end(w);
    }
}

static void write_markers(const struct segment_reader *s, struct jsonw *w)
{
    const struct segment_marker *m;

    for (uint32_t i = 0; (m = segment_marker_at(s, i)) != NULL; i++) {
        jsonw_obj(w);
        jsonw_kint(w, "at_ms", m->time / 1000);
        jsonw_kstr(w, "label", m->label);
        jsonw_obj_end(w);
    }
}

/* {"head":…,"chunks":[…],"keyframes":[…],"markers":[…]}: the gate's thread adds what is not content. */
static enum err read_manifest(struct reader *r, const struct secret *rk, struct viewer_read *ret,
                              struct err_info *reterr)
{
    struct buf head = BUF_INIT(SEGMENT_HEAD_MAX);
    struct jsonw w;
    enum err e = ERR_OK;

    /* The head at once: opening the others may close this file again. Their indexes stay. */
    if (r->n > 0)
        e = piece_open(&r->pieces[0], rk, reterr);
    if (e == ERR_OK && r->n > 0 && segment_info(r->pieces[0].index)->has_head)
        e = segment_read_head(r->pieces[0].index, &head, reterr);
    for (size_t i = 1; e == ERR_OK && i < r->n; i++)
        e = piece_open(&r->pieces[i], rk, reterr);
    if (e != ERR_OK) {
        buf_deinit(&head);
        return e;
    }
    jsonw_init(&w, &ret->bytes);
    jsonw_obj(&w);
    jsonw_kraw(&w, "head", head.n > 0 ? buf_span(&head) : SPAN("{}"));
    jsonw_karr(&w, "chunks");
    for (size_t i = 0; i < r->n; i++)
        write_chunks(r->pieces[i].index, &w);
    jsonw_arr_end(&w);
    jsonw_karr(&w, "keyframes");
    for (size_t i = 0; i < r->n; i++)
        write_keyframes(&r->pieces[i], &w);
    jsonw_arr_end(&w);
    jsonw_karr(&w, "markers");
    for (size_t i = 0; i < r->n; i++)
        write_markers(r->pieces[i].index, &w);
    jsonw_arr_end(&w);
    jsonw_obj_end(&w);
    if (head.p != NULL)
        secret_wipe(head.p, head.cap);
    buf_deinit(&head);
    return buf_check(&ret->bytes, reterr);
}

void reader_run(struct reader *r, const struct secret *rk, const struct viewer_want *want, struct viewer_read *ret)
{
    struct err_info e;

    switch (want->kind) {
    case READ_MANIFEST: ret->err = read_manifest(r, rk, ret, &e); break;
    case READ_LOCATE:
        ret->err = want->by_seq ? locate_seq(r, rk, want->seq, ret, &e) : locate_time(r, rk, want->from, ret, &e);
        break;
    case READ_STORED:
    case READ_CHUNK: ret->err = read_chunk(r, rk, want, ret, &e); break;
    case READ_HEAD: ret->err = read_head(r, rk, ret, &e); break;
    }
}
