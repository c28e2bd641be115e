/*
 * Builds one segment. Events are gathered as NDJSON until a chunk is full; then the chunk is compressed and goes through
 * the cipher at once, so that plaintext is held for two chunks only. Screens wait until there are SEGMENT_PACK_MAX bytes of them, or the
 * segment ends, and are compressed together: each is much like the one before. Index and footer end the plaintext.
 *
 * Failure: after any error the builder is good for nothing but free; the file so far was only in memory.
 */
#include <stdlib.h>

#include "base/utf8.h"
#include "crypto/hash.h"
#include "format/notes.h"
#include "format/segment.h"
#include "format/segment_index.h"
#include "format/zframe.h"

#define LEVEL_DEFAULT 3
#define TARGET_MAX    (32u << 20)
#define CAREFUL_FROM  9           /* the level from which room counts more than time */
#define SHORT_MAX     (32u << 10) /* chunks that are short are packed better than levels up to SHORT_TO do it */
#define SHORT_TO      14
#define ASK_EVERY     4           /* chunks */
#define LONGER_GAIN   10          /* chunks are longer where one would save a tenth of its bytes with the one before in reach */
#define PACKED_MAX    (SEGMENT_EVENT_MAX + (1u << 20))

/* What add_keyframe, add_screen and add_marker said about the next event. */
struct pending {
    bool keyframe;
    struct segment_keyframe k;
    struct buf init; /* of a screen */
};

struct segment_builder {
    struct khseg_writer *cipher;
    struct zframe_writer *zstd;
    struct buf file;    /* encrypted */
    struct buf raw;     /* NDJSON of the open chunk, */
    struct buf before;  /* and of the one before it */
    struct buf packed;  /* one compressed section */
    struct buf labels;  /* of all markers, one after another */
    struct buf pack;    /* n_packed screens, of keyframes from pack_first on */
    uint32_t pack_first, n_packed;
    struct segment_index x;
    struct segment_chunk open;
    struct pending next;
    struct facts_notes notes;
    int level;
    size_t target, chunk_max; /* bytes of the open chunk: SEGMENT_CHUNK_USUAL, or more where much repeats itself */
    uint32_t cap_chunks, cap_keyframes, cap_markers;
    uint64_t seq;      /* of the event that comes next */
    time_us time;      /* of the last event */
    uint64_t raw_bytes;
    bool failed;       /* or finished */
};

/* Makes room for one more entry. The tables' limits are far below any overflow. */
static bool grow(void **table, uint32_t n, uint32_t *cap, size_t entry)
{
    uint32_t want = *cap == 0 ? 16 : *cap * 2;
    void *p;

    if (n < *cap)
        return true;
    p = realloc(*table, want * entry);
    if (p == NULL)
        return false;
    *table = p;
    *cap = want;
    return true;
}

/* Every public step: refuses after an error, and remembers one. */
static enum err usable(const struct segment_builder *b, struct err_info *reterr)
{
    if (b->failed)
        return ERR_RAISE(reterr, ERR_STATE, "segment builder: it failed or is finished");
    return ERR_OK;
}

static enum err outcome(struct segment_builder *b, enum err e)
{
    if (e != ERR_OK)
        b->failed = true;
    return e;
}

static void wipe_buf(struct buf *b)
{
    if (b->p != NULL)
        secret_wipe(b->p, b->cap);
    buf_deinit(b);
}

enum err segment_builder_new(const struct secret *rk, const struct khseg_context *c, const struct segment_options *o,
                             struct segment_builder **ret, struct err_info *reterr)
{
    CLEANUP(segment_builder_freep) struct segment_builder *b = NULL;

    if (c->codec != SEGMENT_CODEC || o->zstd_level < 0 || o->zstd_level > ZFRAME_LEVEL_MAX ||
        o->target_bytes > TARGET_MAX || o->first_time < 0)
        return ERR_RAISE(reterr, ERR_INVAL, "segment builder: options out of range");
    b = calloc(1, sizeof(*b));
    if (b == NULL)
        return ERR_RAISE(reterr, ERR_NOMEM, "segment builder");
    b->file = BUF_INIT(SEGMENT_SIZE_MAX);
    b->raw = BUF_INIT(SEGMENT_EVENT_MAX + 1);
    b->before = BUF_INIT(SEGMENT_EVENT_MAX + 1);
    b->packed = BUF_INIT(PACKED_MAX);
    b->labels = BUF_INIT(SEGMENT_MARKERS_MAX * SEGMENT_LABEL_MAX);
    b->next.init = BUF_INIT(SEGMENT_SCREEN_MAX);
    b->pack = BUF_INIT(SEGMENT_SCREEN_MAX);
    facts_notes_init(&b->notes);
    b->target = o->target_bytes == 0 ? SEGMENT_TARGET_DEFAULT : o->target_bytes;
    b->seq = b->x.first_seq = o->first_seq;
    b->x.clean = o->clean;
    b->time = o->first_time;
    b->chunk_max = SEGMENT_CHUNK_USUAL;
    b->level = o->zstd_level == 0 ? LEVEL_DEFAULT : o->zstd_level;
    b->zstd = zframe_writer_new(b->level);
    if (b->zstd == NULL || buf_reserve(&b->raw, SEGMENT_CHUNK_MAX) == NULL)
        return ERR_RAISE(reterr, ERR_NOMEM, "segment builder");
    TRY(khseg_writer_new(rk, c, &b->file, &b->cipher, reterr));
    *ret = TAKE(b);
    return ERR_OK;
}

struct segment_builder *segment_builder_free(struct segment_builder *b)
{
    if (b == NULL)
        return NULL;
    khseg_writer_free(b->cipher);
    zframe_writer_free(b->zstd);
    buf_deinit(&b->file);
    wipe_buf(&b->raw);
    wipe_buf(&b->before);
    wipe_buf(&b->packed);
    wipe_buf(&b->labels);
    wipe_buf(&b->pack);
    wipe_buf(&b->next.init);
    facts_notes_deinit(&b->notes);
    segment_index_deinit(&b->x);
    free(b);
    return NULL;
}

void segment_builder_freep(struct segment_builder **b)
{
    *b = segment_builder_free(*b);
}

/* Compresses and encrypts one section; says where it lies. */
static enum err put_section_as(struct segment_builder *b, bool brief, struct span raw, uint64_t *ret_offset, uint32_t *ret_stored,
                               struct err_info *reterr)
{
    *ret_offset = khseg_written(b->cipher);
    buf_reset(&b->packed);
    TRY(brief ? zframe_write_short(b->zstd, raw, &b->packed, reterr) : zframe_write(b->zstd, raw, &b->packed, reterr));
    TRY(khseg_write(b->cipher, buf_span(&b->packed), reterr));
    *ret_stored = (uint32_t) b->packed.n;
    return ERR_OK;
}

static enum err put_section(struct segment_builder *b, struct span raw, uint64_t *ret_offset, uint32_t *ret_stored,
                            struct err_info *reterr)
{
    return put_section_as(b, false, raw, ret_offset, ret_stored, reterr);
}

/*
 * How long the next chunk may be. What repeats the chunk before it is worth longer ones: more of it lies in one frame. Asked of the second chunk of a
 * segment and of some after it; of the halves of one that is long already.
 */
static enum err choose_length(struct segment_builder *b, struct err_info *reterr)
{
    struct span before = buf_span(&b->before), raw = buf_span(&b->raw);
    size_t alone, beside;

    if (raw.n > SEGMENT_CHUNK_USUAL) {
        before = span_sub(raw, 0, raw.n / 2);
        raw = span_sub(raw, raw.n / 2, raw.n);
    }
    if (b->x.n_chunks % ASK_EVERY != 2 || b->level < CAREFUL_FROM)
        return ERR_OK;
    TRY(zframe_guess(b->zstd, SPAN_EMPTY, raw, &alone, reterr));
    TRY(zframe_guess(b->zstd, before, raw, &beside, reterr));
    b->chunk_max = beside < alone - alone / LONGER_GAIN ? SEGMENT_CHUNK_MAX : SEGMENT_CHUNK_USUAL;
    return ERR_OK;
}

/* The chunk that was cut is the one before now. One large event does not keep its memory. */
static enum err next_raw(struct segment_builder *b, struct err_info *reterr)
{
    struct buf cut = b->raw;

    b->raw = b->before;
    b->before = cut;
    if (b->raw.cap > 2 * SEGMENT_CHUNK_MAX)
        wipe_buf(&b->raw);
    buf_reset(&b->raw);
    return buf_reserve(&b->raw, SEGMENT_CHUNK_MAX) != NULL ? ERR_OK : ERR_RAISE(reterr, ERR_NOMEM, "segment chunk");
}

static enum err cut_chunk(struct segment_builder *b, struct err_info *reterr)
{
    struct segment_chunk c = b->open;
    bool brief = b->raw.n <= SHORT_MAX && b->level >= CAREFUL_FROM && b->level <= SHORT_TO;

    if (b->raw.n == 0)
        return ERR_OK;
    if (b->x.n_chunks == SEGMENT_CHUNKS_MAX)
        return ERR_RAISE(reterr, ERR_LIMIT, "segment: %d chunks are the most", SEGMENT_CHUNKS_MAX);
    if (!grow((void **) &b->x.chunks, b->x.n_chunks, &b->cap_chunks, sizeof(c)))
        return ERR_RAISE(reterr, ERR_NOMEM, "segment index");
    c.raw = (uint32_t) b->raw.n;
    TRY(put_section_as(b, brief, buf_span(&b->raw), &c.offset, &c.stored, reterr));
    b->x.chunks[b->x.n_chunks++] = c;
    b->raw_bytes += c.raw;
    TRY(choose_length(b, reterr));
    b->open = (struct segment_chunk){ .n_events = 0 };
    return next_raw(b, reterr);
}

enum err segment_add_head(struct segment_builder *b, struct span json, struct err_info *reterr)
{
    struct segment_head *h = &b->x.head;

    TRY(usable(b, reterr));
    if (h->stored != 0 || segment_builder_events(b) > 0)
        return outcome(b, ERR_RAISE(reterr, ERR_STATE, "segment: the head comes once and before the events"));
    if (json.n == 0)
        return outcome(b, ERR_RAISE(reterr, ERR_INVAL, "segment: an empty head"));
    if (json.n > SEGMENT_HEAD_MAX)
        return outcome(b, ERR_RAISE(reterr, ERR_LIMIT, "the recording's head is over %u bytes", SEGMENT_HEAD_MAX));
    h->raw = (uint32_t) json.n;
    return outcome(b, put_section(b, json, &h->offset, &h->stored, reterr));
}

static enum err check_event(const struct segment_builder *b, uint64_t seq, time_us time, struct span json,
                            struct err_info *reterr)
{
    if (seq != b->seq || seq == UINT64_MAX)
        return ERR_RAISE(reterr, ERR_INVAL, "segment: event %llu, expected %llu", (unsigned long long) seq,
                         (unsigned long long) b->seq);
    if (time < b->time || time > SEGMENT_TIME_MAX)
        return ERR_RAISE(reterr, ERR_INVAL, "segment: the seek time of event %llu goes back, or is centuries away",
                         (unsigned long long) seq);
    if (json.n > SEGMENT_EVENT_MAX)
        return ERR_RAISE(reterr, ERR_LIMIT, "event %llu is over %u bytes", (unsigned long long) seq,
                         SEGMENT_EVENT_MAX);
    if (json.n == 0 || memchr(json.p, '\n', json.n) != NULL)
        return ERR_RAISE(reterr, ERR_INVAL, "segment: event %llu is empty or has a line break",
                         (unsigned long long) seq);
    return ERR_OK;
}

/* The screens that wait go into the file. */
static enum err put_pack(struct segment_builder *b, struct err_info *reterr)
{
    uint64_t offset;
    uint32_t stored;

    if (b->n_packed > 0) {
        TRY(put_section(b, buf_span(&b->pack), &offset, &stored, reterr));
        for (uint32_t i = b->pack_first; i < b->x.n_keyframes; i++) {
            struct segment_keyframe *k = &b->x.keyframes[i];

            if (k->kind != SEGMENT_KEYFRAME_SCREEN)
                continue;
            k->offset = offset;
            k->stored = stored;
            k->raw = (uint32_t) b->pack.n;
        }
        buf_reset(&b->pack);
        b->n_packed = 0;
    }
    b->pack_first = b->x.n_keyframes;
    return ERR_OK;
}

static enum err add_to_pack(struct segment_builder *b, struct segment_keyframe *k, struct err_info *reterr)
{
    if (b->pack.n + b->next.init.n > SEGMENT_PACK_MAX)
        TRY(put_pack(b, reterr));
    k->at = (uint32_t) b->pack.n;
    k->n = (uint32_t) b->next.init.n;
    b->n_packed++;
    buf_add_span(&b->pack, buf_span(&b->next.init));
    return buf_check(&b->pack, reterr);
}

/* The keyframe that waited for this event gets its time. */
static enum err settle_keyframe(struct segment_builder *b, time_us time, struct err_info *reterr)
{
    struct segment_keyframe *k = &b->next.k;

    if (!b->next.keyframe)
        return ERR_OK;
    if (b->x.n_keyframes == SEGMENT_KEYFRAMES_MAX)
        return ERR_RAISE(reterr, ERR_LIMIT, "segment: %d keyframes are the most", SEGMENT_KEYFRAMES_MAX);
    if (!grow((void **) &b->x.keyframes, b->x.n_keyframes, &b->cap_keyframes, sizeof(*k)))
        return ERR_RAISE(reterr, ERR_NOMEM, "segment index");
    k->time = time;
    if (k->kind == SEGMENT_KEYFRAME_SCREEN)
        TRY(add_to_pack(b, k, reterr));
    b->x.keyframes[b->x.n_keyframes++] = *k;
    b->next.keyframe = false;
    return ERR_OK;
}

/* Markers wait in the table; the ones of this event get its time. */
static void settle_markers(struct segment_builder *b, uint64_t seq, time_us time)
{
    for (uint32_t i = b->x.n_markers; i > 0 && b->x.markers[i - 1].seq == seq; i--)
        b->x.markers[i - 1].time = time;
}

/* Growing copies: what was copied is wiped. Only an empty chunk takes an event that does not fit. */
static enum err room_for(struct segment_builder *b, size_t n, struct err_info *reterr)
{
    if (b->raw.n + n <= b->raw.cap)
        return ERR_OK;
    wipe_buf(&b->raw);
    if (buf_reserve(&b->raw, n) == NULL)
        return ERR_RAISE(reterr, ERR_NOMEM, "segment chunk of %zu bytes", n);
    return ERR_OK;
}

static enum err add_event(struct segment_builder *b, uint64_t seq, time_us time, struct span json,
                          struct err_info *reterr)
{
    TRY(check_event(b, seq, time, json, reterr));
    if (b->raw.n > 0 && b->raw.n + json.n + 1 > b->chunk_max)
        TRY(cut_chunk(b, reterr));
    TRY(settle_keyframe(b, time, reterr));
    settle_markers(b, seq, time);
    TRY(room_for(b, json.n + 1, reterr));
    if (b->raw.n == 0) {
        b->open.first_seq = seq;
        b->open.t_first = time;
    }
    buf_add_span(&b->raw, json);
    buf_add_c(&b->raw, '\n');
    b->open.n_events++;
    b->open.t_last = b->time = time;
    b->seq++;
    return b->raw.n >= b->chunk_max ? cut_chunk(b, reterr) : ERR_OK;
}

enum err segment_add_event(struct segment_builder *b, uint64_t seq, time_us time, struct span json,
                           struct err_info *reterr)
{
    TRY(usable(b, reterr));
    return outcome(b, add_event(b, seq, time, json, reterr));
}

static enum err set_keyframe(struct segment_builder *b, uint64_t seq, enum segment_keyframe_kind kind,
                             struct err_info *reterr)
{
    TRY(usable(b, reterr));
    if (seq != b->seq || b->next.keyframe)
        return outcome(b, ERR_RAISE(reterr, ERR_INVAL, "segment: a keyframe before event %llu, expected one of %llu",
                                    (unsigned long long) seq, (unsigned long long) b->seq));
    b->next.keyframe = true;
    b->next.k = (struct segment_keyframe){ .seq = seq, .kind = kind };
    return ERR_OK;
}

enum err segment_add_keyframe(struct segment_builder *b, uint64_t seq, struct err_info *reterr)
{
    return set_keyframe(b, seq, SEGMENT_KEYFRAME_OWN, reterr);
}

enum err segment_add_screen(struct segment_builder *b, uint64_t seq, uint16_t cols, uint16_t rows, struct span init,
                            struct err_info *reterr)
{
    TRY(set_keyframe(b, seq, SEGMENT_KEYFRAME_SCREEN, reterr));
    if (cols == 0 || rows == 0)
        return outcome(b, ERR_RAISE(reterr, ERR_INVAL, "segment: a screen of %u x %u", cols, rows));
    buf_reset(&b->next.init);
    buf_add_span(&b->next.init, init);
    b->next.k.cols = cols;
    b->next.k.rows = rows;
    return outcome(b, buf_check(&b->next.init, reterr));
}

/* At most SEGMENT_LABEL_MAX bytes, whole characters. */
static struct span cut_label(struct span label)
{
    size_t n = SEGMENT_LABEL_MAX;

    if (label.n <= n)
        return label;
    while (n > 0 && (label.p[n] & 0xc0) == 0x80)
        n--;
    return span_sub(label, 0, n);
}

enum err segment_add_marker(struct segment_builder *b, uint64_t seq, struct span label, struct err_info *reterr)
{
    struct segment_index *x = &b->x;

    TRY(usable(b, reterr));
    label = cut_label(label);
    if (seq != b->seq || !utf8_valid(label))
        return outcome(b, ERR_RAISE(reterr, ERR_INVAL, "segment: a marker that is not the next event's, or not UTF-8"));
    if (x->n_markers == SEGMENT_MARKERS_MAX)
        return outcome(b, ERR_RAISE(reterr, ERR_LIMIT, "segment: %d markers are the most", SEGMENT_MARKERS_MAX));
    if (!grow((void **) &x->markers, x->n_markers, &b->cap_markers, sizeof(*x->markers)))
        return outcome(b, ERR_RAISE(reterr, ERR_NOMEM, "segment index"));
    x->markers[x->n_markers++] = (struct segment_marker){ .seq = seq, .label = span_of(NULL, label.n) };
    buf_add_span(&b->labels, label); /* they move while it grows: finish sets the pointers */
    return outcome(b, buf_check(&b->labels, reterr));
}

/* ---- another segment, as it is ---- */

/* A section as it is stored; says where it lies now. */
static enum err copy_section(struct segment_builder *b, struct segment_reader *from, uint64_t at, uint32_t stored,
                             uint64_t *ret_offset, struct err_info *reterr)
{
    *ret_offset = khseg_written(b->cipher);
    buf_reset(&b->packed);
    TRY(segment_reader_section(from, at, stored, &b->packed, reterr));
    return khseg_write(b->cipher, buf_span(&b->packed), reterr);
}

/* Where the section of screens that was copied last lies, there and here. */
struct copied {
    uint64_t from, to;
};

static enum err copy_keyframe(struct segment_builder *b, struct segment_reader *from, struct segment_keyframe k, struct copied *pack,
                              struct err_info *reterr)
{
    if (!grow((void **) &b->x.keyframes, b->x.n_keyframes, &b->cap_keyframes, sizeof(k)))
        return ERR_RAISE(reterr, ERR_NOMEM, "segment index");
    if (k.kind == SEGMENT_KEYFRAME_SCREEN && k.offset != pack->from) {
        pack->from = k.offset;
        TRY(copy_section(b, from, k.offset, k.stored, &pack->to, reterr));
    }
    if (k.kind == SEGMENT_KEYFRAME_SCREEN)
        k.offset = pack->to;
    b->x.keyframes[b->x.n_keyframes++] = k;
    return ERR_OK;
}

static enum err copy_chunk(struct segment_builder *b, struct segment_reader *from, struct segment_chunk c,
                           struct err_info *reterr)
{
    if (!grow((void **) &b->x.chunks, b->x.n_chunks, &b->cap_chunks, sizeof(c)))
        return ERR_RAISE(reterr, ERR_NOMEM, "segment index");
    TRY(copy_section(b, from, c.offset, c.stored, &c.offset, reterr));
    b->x.chunks[b->x.n_chunks++] = c;
    b->raw_bytes += c.raw;
    b->seq += c.n_events;
    b->time = c.t_last;
    return ERR_OK;
}

static enum err copy_marker(struct segment_builder *b, struct segment_marker m, struct err_info *reterr)
{
    if (!grow((void **) &b->x.markers, b->x.n_markers, &b->cap_markers, sizeof(m)))
        return ERR_RAISE(reterr, ERR_NOMEM, "segment index");
    buf_add_span(&b->labels, m.label);
    m.label.p = NULL; /* labels move while they grow: finish sets the pointers */
    b->x.markers[b->x.n_markers++] = m;
    return buf_check(&b->labels, reterr);
}

static enum err join_notes(struct segment_builder *b, struct segment_reader *from, struct err_info *reterr)
{
    struct facts_notes other;
    enum err e;

    if (segment_reader_index(from)->notes.stored == 0)
        return ERR_OK;
    facts_notes_init(&other);
    e = segment_read_notes(from, &other, reterr);
    if (e == ERR_OK && !facts_join(&b->notes, &other))
        e = ERR_RAISE(reterr, ERR_NOMEM, "segment notes");
    facts_notes_deinit(&other);
    return e;
}

static enum err copy_all(struct segment_builder *b, struct segment_reader *from, struct err_info *reterr)
{
    const struct segment_index *x = segment_reader_index(from);
    struct copied pack = { UINT64_MAX, 0 };
    uint32_t k = 0;

    if (khseg_written(b->cipher) == 0 || x->clean < b->x.clean)
        b->x.clean = x->clean;
    if (x->head.stored > 0) {
        b->x.head = x->head;
        TRY(copy_section(b, from, x->head.offset, x->head.stored, &b->x.head.offset, reterr));
    }
    for (uint32_t c = 0; c < x->n_chunks; c++) {
        for (; k < x->n_keyframes && x->keyframes[k].chunk <= c; k++)
            TRY(copy_keyframe(b, from, x->keyframes[k], &pack, reterr));
        TRY(copy_chunk(b, from, x->chunks[c], reterr));
    }
    for (uint32_t m = 0; m < x->n_markers; m++)
        TRY(copy_marker(b, x->markers[m], reterr));
    return join_notes(b, from, reterr);
}

static bool room_in_tables(const struct segment_builder *b, const struct segment_index *x)
{
    return b->x.n_chunks + (b->raw.n > 0 ? 1 : 0) + x->n_chunks <= SEGMENT_CHUNKS_MAX && /* the open one is cut first */
           b->x.n_keyframes + x->n_keyframes <= SEGMENT_KEYFRAMES_MAX &&
           b->x.n_markers + x->n_markers <= SEGMENT_MARKERS_MAX;
}

static uint64_t stored_bytes(const struct segment_index *x)
{
    uint64_t n = x->head.stored + x->notes.stored;

    for (uint32_t i = 0; i < x->n_chunks; i++)
        n += x->chunks[i].stored;
    for (uint32_t i = 0; i < x->n_keyframes; i++)
        n += i > 0 && x->keyframes[i].offset == x->keyframes[i - 1].offset ? 0 : x->keyframes[i].stored; /* screens share sections */
    return n;
}

bool segment_fits(const struct segment_builder *b, const struct segment_reader *r)
{
    const struct segment_index *x = segment_reader_index(r);

    return khseg_written(b->cipher) == 0 || (room_in_tables(b, x) && khseg_written(b->cipher) + stored_bytes(x) <= b->target);
}

enum err segment_add_segment(struct segment_builder *b, struct segment_reader *from, struct err_info *reterr)
{
    const struct segment_info *i = segment_info(from);

    TRY(usable(b, reterr));
    if (b->next.keyframe || i->first_seq != b->seq || (i->n_chunks > 0 && i->t_first < b->time) ||
        (i->has_head && (b->x.head.stored > 0 || segment_builder_events(b) > 0)))
        return outcome(b, ERR_RAISE(reterr, ERR_INVAL, "segment: another one that does not follow what there is"));
    if (!room_in_tables(b, segment_reader_index(from)))
        return outcome(b, ERR_RAISE(reterr, ERR_LIMIT, "segment: there is no room for another one"));
    TRY(outcome(b, cut_chunk(b, reterr)));
    TRY(outcome(b, put_pack(b, reterr)));
    TRY(outcome(b, copy_all(b, from, reterr)));
    b->pack_first = b->x.n_keyframes;
    return ERR_OK;
}

bool segment_builder_full(const struct segment_builder *b)
{
    return khseg_written(b->cipher) >= b->target || b->x.n_chunks >= SEGMENT_CHUNKS_MAX - 2 ||
           b->x.n_keyframes >= SEGMENT_KEYFRAMES_MAX - 1 || b->x.n_markers >= SEGMENT_MARKERS_MAX;
}

uint64_t segment_builder_events(const struct segment_builder *b)
{
    return b->seq - b->x.first_seq;
}

struct facts_notes *segment_builder_notes(struct segment_builder *b)
{
    return &b->notes;
}

static enum err put_notes(struct segment_builder *b, struct err_info *reterr)
{
    struct buf raw = BUF_INIT(NOTES_RAW_MAX);
    enum err e;

    if (!notes_any(&b->notes))
        return ERR_OK;
    notes_write(&b->notes, &raw);
    e = buf_check(&raw, reterr);
    if (e == ERR_OK)
        e = put_section(b, buf_span(&raw), &b->x.notes.offset, &b->x.notes.stored, reterr);
    b->x.notes.raw = (uint32_t) raw.n;
    wipe_buf(&raw);
    return e;
}

static void place_labels(struct segment_builder *b)
{
    const uint8_t *at = b->labels.p;

    while (b->x.n_markers > 0 && b->x.markers[b->x.n_markers - 1].seq == b->seq)
        b->x.n_markers--; /* no event followed */
    for (uint32_t i = 0; i < b->x.n_markers; i++) {
        b->x.markers[i].label.p = at;
        at += b->x.markers[i].label.n;
    }
}

static void summarize(const struct segment_builder *b, struct segment_summary *ret)
{
    const struct segment_index *x = &b->x;

    *ret = (struct segment_summary){ .size = b->file.n, .first_seq = x->first_seq,
                                     .n_events = segment_builder_events(b), .n_chunks = x->n_chunks,
                                     .n_keyframes = x->n_keyframes, .n_markers = x->n_markers,
                                     .raw_bytes = b->raw_bytes };
    if (x->n_chunks > 0) {
        ret->t_first = x->chunks[0].t_first;
        ret->t_last = x->chunks[x->n_chunks - 1].t_last;
    }
    sha256(buf_span(&b->file), ret->sha256);
}

static enum err finish(struct segment_builder *b, struct buf *file, struct segment_summary *ret,
                       struct err_info *reterr)
{
    struct buf index = BUF_INIT(SEGMENT_INDEX_MAX + SEGMENT_FOOTER_LEN);
    enum err e;

    if (segment_builder_events(b) == 0 && b->x.head.stored == 0)
        return ERR_RAISE(reterr, ERR_STATE, "segment: nothing in it");
    TRY(cut_chunk(b, reterr));
    TRY(put_pack(b, reterr));
    place_labels(b);
    TRY(put_notes(b, reterr));
    segment_index_write(&b->x, khseg_written(b->cipher), &index);
    e = buf_check(&index, reterr);
    if (e == ERR_OK)
        e = khseg_write(b->cipher, buf_span(&index), reterr);
    wipe_buf(&index);
    TRY(e);
    TRY(khseg_finish(b->cipher, reterr));
    buf_add_span(file, buf_span(&b->file));
    TRY(buf_check(file, reterr));
    summarize(b, ret);
    return ERR_OK;
}

enum err segment_finish(struct segment_builder *b, struct buf *file, struct segment_summary *ret,
                        struct err_info *reterr)
{
    enum err e;

    TRY(usable(b, reterr));
    e = finish(b, file, ret, reterr);
    b->failed = true;
    return e;
}
