#include <stdlib.h>

#include "format/notes.h"
#include "format/segment.h"
#include "format/segment_index.h"
#include "format/zframe.h"

struct segment_reader {
    struct khseg_reader *cipher;
    struct segment_index x;
    struct segment_info info;
    uint8_t *index; /* its bytes: labels borrow from them */
    size_t index_len;
};

struct segment_reader *segment_reader_free(struct segment_reader *r)
{
    if (r == NULL)
        return NULL;
    khseg_reader_free(r->cipher);
    segment_index_deinit(&r->x);
    secret_wipe(r->index, r->index_len);
    free(r->index);
    free(r);
    return NULL;
}

void segment_reader_freep(struct segment_reader **r)
{
    *r = segment_reader_free(*r);
}

static void describe(struct segment_reader *r)
{
    const struct segment_index *x = &r->x;
    struct segment_info *i = &r->info;

    *i = (struct segment_info){ .first_seq = x->first_seq, .n_chunks = x->n_chunks, .n_keyframes = x->n_keyframes,
                                .n_markers = x->n_markers, .has_head = x->head.stored > 0,
                                .clean = x->clean };
    for (uint32_t k = 0; k < x->n_chunks; k++) {
        i->n_events += x->chunks[k].n_events;
        i->max_stored = x->chunks[k].stored > i->max_stored ? x->chunks[k].stored : i->max_stored;
        i->max_raw = x->chunks[k].raw > i->max_raw ? x->chunks[k].raw : i->max_raw;
    }
    if (x->n_chunks > 0) {
        i->t_first = x->chunks[0].t_first;
        i->t_last = x->chunks[x->n_chunks - 1].t_last;
    }
}

static enum err load_index(struct segment_reader *r, struct err_info *reterr)
{
    uint64_t len = khseg_plain_len(r->cipher), offset = 0;
    uint8_t footer[SEGMENT_FOOTER_LEN];
    uint32_t n = 0;

    if (len < sizeof(footer))
        return ERR_RAISE(reterr, ERR_CORRUPT, "segment: too short for a footer");
    TRY(khseg_read(r->cipher, len - sizeof(footer), footer, sizeof(footer), reterr));
    TRY(segment_footer_read(SPAN_OF(footer), len, &offset, &n, reterr));
    r->index = malloc(n);
    if (r->index == NULL)
        return ERR_RAISE(reterr, ERR_NOMEM, "segment index of %u bytes", n);
    r->index_len = n;
    TRY(khseg_read(r->cipher, offset, r->index, n, reterr));
    TRY(segment_index_read(span_of(r->index, n), offset, &r->x, reterr));
    r->x.clean = segment_footer_clean(SPAN_OF(footer));
    return ERR_OK;
}

enum err segment_open(const struct khseg_source *source, const struct secret *rk, const struct khseg_context *c,
                      struct segment_reader **ret, struct err_info *reterr)
{
    CLEANUP(segment_reader_freep) struct segment_reader *r = NULL;

    if (c->codec != SEGMENT_CODEC)
        return ERR_RAISE(reterr, ERR_UNSUPPORTED, "segment: codec %u", c->codec);
    r = calloc(1, sizeof(*r));
    if (r == NULL)
        return ERR_RAISE(reterr, ERR_NOMEM, "segment reader");
    TRY(khseg_open(source, rk, c, &r->cipher, reterr));
    TRY(load_index(r, reterr));
    describe(r);
    *ret = TAKE(r);
    return ERR_OK;
}

const struct segment_info *segment_info(const struct segment_reader *r)
{
    return &r->info;
}

const struct segment_chunk *segment_chunk_at(const struct segment_reader *r, uint32_t n)
{
    return n < r->x.n_chunks ? &r->x.chunks[n] : NULL;
}

const struct segment_keyframe *segment_keyframe_at(const struct segment_reader *r, uint32_t n)
{
    return n < r->x.n_keyframes ? &r->x.keyframes[n] : NULL;
}

const struct segment_marker *segment_marker_at(const struct segment_reader *r, uint32_t n)
{
    return n < r->x.n_markers ? &r->x.markers[n] : NULL;
}

bool segment_find_seq(const struct segment_reader *r, uint64_t seq, uint32_t *ret)
{
    uint32_t lo = 0, hi = r->x.n_chunks;

    if (seq < r->info.first_seq || seq - r->info.first_seq >= r->info.n_events)
        return false;
    while (hi - lo > 1) {
        uint32_t mid = lo + (hi - lo) / 2;

        if (r->x.chunks[mid].first_seq <= seq)
            lo = mid;
        else
            hi = mid;
    }
    *ret = lo;
    return true;
}

bool segment_find_time(const struct segment_reader *r, time_us t, uint32_t *ret)
{
    uint32_t lo = 0, hi = r->x.n_chunks;

    if (r->x.n_chunks == 0)
        return false;
    while (hi - lo > 1) {
        uint32_t mid = lo + (hi - lo) / 2;

        if (r->x.chunks[mid].t_first <= t)
            lo = mid;
        else
            hi = mid;
    }
    *ret = lo;
    return true;
}

const struct segment_keyframe *segment_keyframe_before(const struct segment_reader *r, time_us t)
{
    uint32_t lo = 0, hi = r->x.n_keyframes;

    while (lo < hi) {
        uint32_t mid = lo + (hi - lo) / 2;

        if (r->x.keyframes[mid].time <= t)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo == 0 ? NULL : &r->x.keyframes[lo - 1];
}

const struct segment_index *segment_reader_index(const struct segment_reader *r)
{
    return &r->x;
}

enum err segment_reader_section(struct segment_reader *r, uint64_t at, uint32_t n, struct buf *out,
                                struct err_info *reterr)
{
    uint8_t *to = buf_reserve(out, n);

    if (to == NULL)
        return buf_check(out, reterr);
    TRY(khseg_read(r->cipher, at, to, n, reterr));
    out->n += n;
    return ERR_OK;
}

/* Appends what a section's frame holds. */
static enum err unpack_section(struct segment_reader *r, uint64_t at, uint32_t stored, uint32_t raw, struct buf *out,
                               struct err_info *reterr)
{
    struct buf frame = BUF_INIT(stored);
    enum err e = segment_reader_section(r, at, stored, &frame, reterr);

    if (e == ERR_OK)
        e = zframe_read(buf_span(&frame), raw, out, reterr);
    if (frame.p != NULL)
        secret_wipe(frame.p, frame.cap);
    buf_deinit(&frame);
    return e;
}

enum err segment_read_stored(struct segment_reader *r, uint32_t n, struct buf *out, struct err_info *reterr)
{
    const struct segment_chunk *c = segment_chunk_at(r, n);

    if (c == NULL)
        return ERR_RAISE(reterr, ERR_NOTFOUND, "segment: no chunk %u", n);
    return segment_reader_section(r, c->offset, c->stored, out, reterr);
}

static uint32_t count_lines(struct span s)
{
    uint32_t n = 0;

    for (const uint8_t *p = s.p, *end = s.p + s.n; (p = memchr(p, '\n', (size_t) (end - p))) != NULL; p++) {
        n++;
        if (p + 1 == end)
            break;
    }
    return n;
}

enum err segment_read_chunk(struct segment_reader *r, uint32_t n, struct buf *out, struct err_info *reterr)
{
    const struct segment_chunk *c = segment_chunk_at(r, n);
    size_t start = out->n;
    struct span raw;

    if (c == NULL)
        return ERR_RAISE(reterr, ERR_NOTFOUND, "segment: no chunk %u", n);
    TRY(unpack_section(r, c->offset, c->stored, c->raw, out, reterr));
    raw = span_of(out->p + start, out->n - start);
    if (count_lines(raw) == c->n_events && raw.p[raw.n - 1] == '\n')
        return ERR_OK;
    secret_wipe(out->p + start, raw.n);
    out->n = start;
    return ERR_RAISE(reterr, ERR_CORRUPT, "segment: chunk %u has another number of lines than its index says", n);
}

enum err segment_read_head(struct segment_reader *r, struct buf *out, struct err_info *reterr)
{
    const struct segment_head *h = &r->x.head;

    if (h->stored == 0)
        return ERR_RAISE(reterr, ERR_NOTFOUND, "segment: no head in this one");
    return unpack_section(r, h->offset, h->stored, h->raw, out, reterr);
}

enum err segment_read_notes(struct segment_reader *r, struct facts_notes *ret, struct err_info *reterr)
{
    const struct segment_notes_at *n = &r->x.notes;
    struct buf raw = BUF_INIT(NOTES_RAW_MAX);
    enum err e;

    if (n->stored == 0)
        return ERR_RAISE(reterr, ERR_NOTFOUND, "segment: no notes in this one");
    e = unpack_section(r, n->offset, n->stored, n->raw, &raw, reterr);
    if (e == ERR_OK)
        e = notes_read(buf_span(&raw), r->info.first_seq + r->info.n_events, SEGMENT_TIME_MAX, ret, reterr);
    if (raw.p != NULL)
        secret_wipe(raw.p, raw.cap);
    buf_deinit(&raw);
    return e;
}

/* One screen of those that lie together. */
static enum err unpack_part(struct segment_reader *r, const struct segment_keyframe *k, struct buf *out, struct err_info *reterr)
{
    struct buf all = BUF_INIT(k->raw);
    enum err e = unpack_section(r, k->offset, k->stored, k->raw, &all, reterr);

    if (e == ERR_OK) {
        buf_add_span(out, span_sub(buf_span(&all), k->at, k->n));
        e = buf_check(out, reterr);
    }
    if (all.p != NULL)
        secret_wipe(all.p, all.cap);
    buf_deinit(&all);
    return e;
}

enum err segment_read_screen(struct segment_reader *r, const struct segment_keyframe *k, struct buf *out,
                             struct err_info *reterr)
{
    if (k->kind != SEGMENT_KEYFRAME_SCREEN)
        return ERR_RAISE(reterr, ERR_INVAL, "segment: this keyframe is no screen");
    if (k->n == k->raw)
        return unpack_section(r, k->offset, k->stored, k->raw, out, reterr);
    return unpack_part(r, k, out, reterr);
}
