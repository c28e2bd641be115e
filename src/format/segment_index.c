#include "format/segment_index.h"

#include <stdlib.h>

#include "base/utf8.h"
#include "format/notes.h"

#define CHUNK_LEN    36
#define KEYFRAME_LEN 17 /* the shortest */
#define MARKER_LEN   17
#define FIXED_LEN    52
#define KIND_PACKED  3 /* a screen in a section that holds several */
#define MAGIC        "KHIX"

void segment_index_deinit(struct segment_index *x)
{
    free(x->chunks);
    free(x->keyframes);
    free(x->markers);
    *x = (struct segment_index){ .first_seq = 0 };
}

/* ---- writing ---- */

/* It shares its section with other screens. */
static bool packed(const struct segment_keyframe *k)
{
    return k->kind == SEGMENT_KEYFRAME_SCREEN && (k->at != 0 || k->n != k->raw);
}

static void write_keyframe(const struct segment_keyframe *k, struct buf *out)
{
    buf_u8(out, packed(k) ? KIND_PACKED : (uint8_t) k->kind);
    buf_u64le(out, k->seq);
    buf_u64le(out, (uint64_t) k->time);
    if (k->kind == SEGMENT_KEYFRAME_SCREEN) {
        buf_u16le(out, k->cols);
        buf_u16le(out, k->rows);
        buf_u64le(out, k->offset);
        buf_u32le(out, k->stored);
        buf_u32le(out, k->raw);
    }
    if (packed(k)) {
        buf_u32le(out, k->at);
        buf_u32le(out, k->n);
    }
}

void segment_index_write(const struct segment_index *x, uint64_t offset, struct buf *out)
{
    size_t start = out->n;
    uint16_t version = SEGMENT_VERSION;

    buf_u64le(out, x->first_seq);
    buf_u64le(out, x->head.offset);
    buf_u32le(out, x->head.stored);
    buf_u32le(out, x->head.raw);
    buf_u64le(out, x->notes.offset);
    buf_u32le(out, x->notes.stored);
    buf_u32le(out, x->notes.raw);
    buf_u32le(out, x->n_chunks);
    buf_u32le(out, x->n_keyframes);
    buf_u32le(out, x->n_markers);
    for (uint32_t i = 0; i < x->n_chunks; i++) {
        const struct segment_chunk *c = &x->chunks[i];

        buf_u64le(out, c->offset);
        buf_u32le(out, c->stored);
        buf_u32le(out, c->raw);
        buf_u32le(out, c->n_events);
        buf_u64le(out, (uint64_t) c->t_first);
        buf_u64le(out, (uint64_t) c->t_last);
    }
    for (uint32_t i = 0; i < x->n_keyframes; i++) {
        write_keyframe(&x->keyframes[i], out);
        version = packed(&x->keyframes[i]) ? SEGMENT_VERSION_PACKED : version;
    }
    for (uint32_t i = 0; i < x->n_markers; i++) {
        buf_u64le(out, x->markers[i].seq);
        buf_u64le(out, (uint64_t) x->markers[i].time);
        buf_lp(out, x->markers[i].label);
    }
    /* footer */
    buf_u64le(out, offset);
    buf_u32le(out, (uint32_t) (out->n - 8 - start));
    buf_u32le(out, 0);
    buf_u16le(out, version);
    buf_u16le(out, x->clean);
    buf_add(out, MAGIC, 4);
}

/* ---- reading ---- */

static enum err corrupt(struct err_info *reterr, const char *what, uint32_t i)
{
    return ERR_RAISE(reterr, ERR_CORRUPT, "segment index: %s %u", what, i);
}

enum err segment_footer_read(struct span footer, uint64_t plain_len, uint64_t *ret_offset, uint32_t *ret_len,
                             struct err_info *reterr)
{
    struct rd r = rd_of(footer);
    uint64_t offset = rd_u64le(&r);
    uint32_t len = rd_u32le(&r), zero = rd_u32le(&r);
    uint16_t version = rd_u16le(&r);

    (void) rd_u16le(&r); /* the stamp: any number */

    if (footer.n != SEGMENT_FOOTER_LEN || !span_eq_str(rd_bytes(&r, 4), MAGIC))
        return ERR_RAISE(reterr, ERR_CORRUPT, "segment: no footer");
    if (version != SEGMENT_VERSION && version != SEGMENT_VERSION_PACKED)
        return ERR_RAISE(reterr, ERR_UNSUPPORTED, "segment: version %u, this program knows %d and %d", version, SEGMENT_VERSION,
                         SEGMENT_VERSION_PACKED);
    if (zero != 0 || len < FIXED_LEN || len > SEGMENT_INDEX_MAX || plain_len < SEGMENT_FOOTER_LEN ||
        offset > plain_len - SEGMENT_FOOTER_LEN || plain_len - SEGMENT_FOOTER_LEN - offset != len)
        return ERR_RAISE(reterr, ERR_CORRUPT, "segment: its footer breaks a rule");
    *ret_offset = offset;
    *ret_len = len;
    return ERR_OK;
}

uint16_t segment_footer_clean(struct span footer)
{
    struct rd r = rd_of(span_sub(footer, 18, 2));

    return rd_u16le(&r);
}

/* A section [at, at + stored) lies before the index. */
static bool inside(uint64_t at, uint32_t stored, uint64_t end)
{
    return stored > 0 && at <= end && stored <= end - at;
}

static bool time_ok(uint64_t t)
{
    return t <= (uint64_t) SEGMENT_TIME_MAX;
}

static bool chunk_ok(const struct segment_chunk *c, const struct segment_chunk *before, uint64_t end)
{
    uint64_t free_from = before == NULL ? 0 : before->offset + before->stored;
    uint32_t raw_max = c->n_events == 1 ? SEGMENT_EVENT_MAX + 1 : SEGMENT_CHUNK_MAX;

    return inside(c->offset, c->stored, end) && c->offset >= free_from && c->n_events > 0 &&
           c->n_events <= c->raw / 2 && c->raw <= raw_max && c->t_first <= c->t_last &&
           c->t_first >= (before == NULL ? 0 : before->t_last);
}

static enum err read_chunks(struct rd *r, uint64_t end, struct segment_index *x, struct err_info *reterr)
{
    uint64_t seq = x->first_seq;

    for (uint32_t i = 0; i < x->n_chunks; i++) {
        struct segment_chunk *c = &x->chunks[i];
        uint64_t t_first, t_last;

        c->offset = rd_u64le(r);
        c->stored = rd_u32le(r);
        c->raw = rd_u32le(r);
        c->n_events = rd_u32le(r);
        t_first = rd_u64le(r);
        t_last = rd_u64le(r);
        c->t_first = (time_us) t_first;
        c->t_last = (time_us) t_last;
        c->first_seq = seq;
        if (!time_ok(t_first) || !time_ok(t_last) || !chunk_ok(c, i == 0 ? NULL : c - 1, end) ||
            seq > UINT64_MAX - c->n_events)
            return corrupt(reterr, "chunk", i);
        seq += c->n_events;
    }
    return ERR_OK;
}

/* The chunk of an event; chunks are in order and without gaps. */
static bool chunk_of(const struct segment_index *x, uint64_t seq, uint32_t *ret)
{
    uint32_t lo = 0, hi = x->n_chunks;

    if (x->n_chunks == 0 || seq < x->first_seq)
        return false;
    while (hi - lo > 1) {
        uint32_t mid = lo + (hi - lo) / 2;

        if (x->chunks[mid].first_seq <= seq)
            lo = mid;
        else
            hi = mid;
    }
    *ret = lo;
    return seq - x->chunks[lo].first_seq < x->chunks[lo].n_events;
}

/* seq and time of a keyframe or marker belong together and to a chunk. */
static bool placed(const struct segment_index *x, uint64_t seq, uint64_t t, uint32_t *ret_chunk)
{
    return time_ok(t) && chunk_of(x, seq, ret_chunk) && (time_us) t >= x->chunks[*ret_chunk].t_first &&
           (time_us) t <= x->chunks[*ret_chunk].t_last;
}

static bool read_screen(struct rd *r, struct segment_keyframe *k, bool is_packed, uint64_t end)
{
    k->cols = rd_u16le(r);
    k->rows = rd_u16le(r);
    k->offset = rd_u64le(r);
    k->stored = rd_u32le(r);
    k->raw = rd_u32le(r);
    k->at = is_packed ? rd_u32le(r) : 0;
    k->n = is_packed ? rd_u32le(r) : k->raw;
    return k->cols > 0 && k->rows > 0 && inside(k->offset, k->stored, end) && k->raw <= SEGMENT_SCREEN_MAX && k->n <= k->raw &&
           k->at <= k->raw - k->n;
}

static enum err read_keyframes(struct rd *r, uint64_t end, struct segment_index *x, struct err_info *reterr)
{
    for (uint32_t i = 0; i < x->n_keyframes; i++) {
        struct segment_keyframe *k = &x->keyframes[i];
        uint8_t kind = rd_u8(r);
        uint64_t t;

        k->seq = rd_u64le(r);
        t = rd_u64le(r);
        k->time = (time_us) t;
        k->kind = kind == SEGMENT_KEYFRAME_OWN ? SEGMENT_KEYFRAME_OWN : SEGMENT_KEYFRAME_SCREEN;
        if (r->failed || kind < SEGMENT_KEYFRAME_OWN || kind > KIND_PACKED || !placed(x, k->seq, t, &k->chunk) ||
            (i > 0 && (k->seq <= k[-1].seq || k->time < k[-1].time)) ||
            (kind != SEGMENT_KEYFRAME_OWN && !read_screen(r, k, kind == KIND_PACKED, end)) || r->failed)
            return corrupt(reterr, "keyframe", i);
    }
    return ERR_OK;
}

static enum err read_markers(struct rd *r, struct segment_index *x, struct err_info *reterr)
{
    for (uint32_t i = 0; i < x->n_markers; i++) {
        struct segment_marker *m = &x->markers[i];
        uint32_t chunk = 0;
        uint64_t t;

        m->seq = rd_u64le(r);
        t = rd_u64le(r);
        m->time = (time_us) t;
        m->label = rd_lp(r);
        if (r->failed || !placed(x, m->seq, t, &chunk) || m->label.n > SEGMENT_LABEL_MAX || !utf8_valid(m->label) ||
            (i > 0 && (m->seq < m[-1].seq || m->time < m[-1].time)))
            return corrupt(reterr, "marker", i);
    }
    return ERR_OK;
}

/* Counts are believed only as far as the bytes that are there: those of all chunks are. */
static bool counts_ok(const struct segment_index *x, size_t left)
{
    return x->n_chunks <= SEGMENT_CHUNKS_MAX && x->n_keyframes <= SEGMENT_KEYFRAMES_MAX &&
           x->n_markers <= SEGMENT_MARKERS_MAX &&
           (size_t) x->n_chunks * CHUNK_LEN + (size_t) x->n_keyframes * KEYFRAME_LEN +
                   (size_t) x->n_markers * MARKER_LEN <= left;
}

static bool head_ok(const struct segment_head *h, uint64_t end)
{
    if (h->stored == 0)
        return h->offset == 0 && h->raw == 0;
    return inside(h->offset, h->stored, end) && h->raw <= SEGMENT_HEAD_MAX;
}

static bool notes_ok(const struct segment_notes_at *n, uint64_t end)
{
    if (n->stored == 0)
        return n->offset == 0 && n->raw == 0;
    return inside(n->offset, n->stored, end) && n->raw <= NOTES_RAW_MAX;
}

static enum err read_all(struct span bytes, uint64_t end, struct segment_index *x, struct err_info *reterr)
{
    struct rd r = rd_of(bytes);

    x->first_seq = rd_u64le(&r);
    x->head.offset = rd_u64le(&r);
    x->head.stored = rd_u32le(&r);
    x->head.raw = rd_u32le(&r);
    x->notes.offset = rd_u64le(&r);
    x->notes.stored = rd_u32le(&r);
    x->notes.raw = rd_u32le(&r);
    x->n_chunks = rd_u32le(&r);
    x->n_keyframes = rd_u32le(&r);
    x->n_markers = rd_u32le(&r);
    if (r.failed || !counts_ok(x, r.n) || !head_ok(&x->head, end) || !notes_ok(&x->notes, end) ||
        (x->n_chunks == 0 && x->head.stored == 0))
        return ERR_RAISE(reterr, ERR_CORRUPT, "segment index: its counts, head or notes break a rule");
    x->chunks = calloc((size_t) x->n_chunks + 1, sizeof(*x->chunks));
    x->keyframes = calloc((size_t) x->n_keyframes + 1, sizeof(*x->keyframes));
    x->markers = calloc((size_t) x->n_markers + 1, sizeof(*x->markers));
    if (x->chunks == NULL || x->keyframes == NULL || x->markers == NULL)
        return ERR_RAISE(reterr, ERR_NOMEM, "segment index");
    TRY(read_chunks(&r, end, x, reterr));
    TRY(read_keyframes(&r, end, x, reterr));
    TRY(read_markers(&r, x, reterr));
    if (!rd_done(&r))
        return ERR_RAISE(reterr, ERR_CORRUPT, "segment index: bytes are left over");
    return ERR_OK;
}

enum err segment_index_read(struct span bytes, uint64_t offset, struct segment_index *ret, struct err_info *reterr)
{
    struct segment_index x = { .first_seq = 0 };
    enum err e = read_all(bytes, offset, &x, reterr);

    if (e != ERR_OK)
        segment_index_deinit(&x);
    else
        *ret = x;
    return e;
}
