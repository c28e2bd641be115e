#include "keeper/pieces.h"

#include <stdlib.h>

#define SHA_LEN 32
#define TRACKS  2 /* of a recording; 1: what masks took out */

/* ---- rows ---- */

static struct meta_piece row_of(struct span rid, const struct ipc_row_piece *p)
{
    return (struct meta_piece){
        .rid = rid, .seg_no = p->seg_no, .kn = p->kn, .track = p->track, .kind = p->kind, .codec = p->codec,
        .size = (int64_t) p->size, .sha256 = p->sha256, .first_seq = (int64_t) p->first_seq,
        .n_events = (int64_t) p->n_events, .first_chunk = p->first_chunk, .n_chunks = p->n_chunks,
        .t_first_us = p->t_first_us, .t_last_us = p->t_last_us,
    };
}

static struct ipc_row_piece ipc_of(const struct meta_piece *p)
{
    return (struct ipc_row_piece){
        .seg_no = (uint32_t) p->seg_no, .kn = (uint16_t) p->kn, .track = (uint8_t) p->track, .kind = (uint8_t) p->kind,
        .codec = (uint8_t) p->codec, .size = (uint64_t) p->size, .sha256 = p->sha256,
        .first_seq = (uint64_t) p->first_seq, .n_events = (uint64_t) p->n_events,
        .first_chunk = (uint32_t) p->first_chunk, .n_chunks = (uint32_t) p->n_chunks, .t_first_us = p->t_first_us,
        .t_last_us = p->t_last_us,
    };
}

enum err pieces_rows(struct job *c, const struct meta_piece_list *pieces, bool reveal, struct ipc_row_piece **ret,
                     uint32_t *ret_n, uint32_t *ret_chunks, struct err_info *reterr)
{
    struct ipc_row_piece *rows = arena_alloc(c->mem, (pieces->n + 1) * sizeof(*rows));
    uint32_t chunks = 0, n = 0;

    if (rows == NULL)
        return ERR_RAISE(reterr, ERR_NOMEM, "pieces of a recording");
    for (size_t i = 0; i < pieces->n; i++) {
        if (pieces->rows[i].track > 0 && !reveal)
            continue;
        rows[n] = ipc_of(&pieces->rows[i]);
        chunks += rows[n].track == 0 ? rows[n].n_chunks : 0;
        n++;
    }
    *ret = rows;
    *ret_n = n;
    if (ret_chunks != NULL)
        *ret_chunks = chunks;
    return ERR_OK;
}

static bool same(const struct meta_piece *a, const struct meta_piece *b)
{
    return a->seg_no == b->seg_no && a->kn == b->kn && a->track == b->track && a->kind == b->kind &&
           a->codec == b->codec && a->size == b->size && span_eq(a->sha256, b->sha256) &&
           a->first_seq == b->first_seq && a->n_events == b->n_events && a->first_chunk == b->first_chunk &&
           a->n_chunks == b->n_chunks && a->t_first_us == b->t_first_us && a->t_last_us == b->t_last_us;
}

/* ---- is it there already? ---- */

/* All of the new ones are there and none of the old ones: the same message again. */
static enum err is_known(struct job *c, struct span rid, const struct pieces_ask *ask, bool *ret, struct err_info *reterr)
{
    struct meta_piece there, want;
    enum err e;

    *ret = false;
    for (uint32_t i = 0; i < ask->n; i++) {
        e = meta_piece_get(c->v, rid, ask->rows[i].seg_no, c->mem, &there, reterr);
        if (e == ERR_NOTFOUND)
            return ERR_OK;
        TRY(e);
        want = row_of(rid, &ask->rows[i]);
        if (!same(&there, &want))
            return ERR_OK;
    }
    for (uint32_t i = 0; i < ask->n_gone; i++) {
        e = meta_piece_get(c->v, rid, ask->gone[i].n, c->mem, &there, reterr);
        if (e == ERR_OK)
            return ERR_OK;
        if (e != ERR_NOTFOUND)
            return e;
    }
    *ret = ask->n > 0;
    return ERR_OK;
}

/* ---- may it be stored? ---- */

static bool can_be(const struct pieces_ask *ask, const struct meta_piece_end *end)
{
    int64_t next_seg = end->next_seg;

    for (uint32_t i = 0; i < ask->n; i++) {
        const struct ipc_row_piece *p = &ask->rows[i];

        if (p->kind != ask->kind || p->track >= TRACKS || p->sha256.n != SHA_LEN || p->size > INT64_MAX ||
            p->n_events > INT64_MAX || p->first_seq > INT64_MAX - p->n_events || p->t_last_us < p->t_first_us ||
            p->t_first_us < 0 || p->first_chunk > UINT32_MAX - p->n_chunks)
            return false;
        if (p->seg_no < next_seg)
            return false;
        next_seg = (int64_t) p->seg_no + 1;
    }
    return true;
}

static int by_place(const void *a, const void *b)
{
    const struct meta_piece *x = a, *y = b;

    if (x->track != y->track)
        return x->track < y->track ? -1 : 1;
    if (x->first_seq != y->first_seq)
        return x->first_seq < y->first_seq ? -1 : 1;
    return x->seg_no < y->seg_no ? -1 : x->seg_no > y->seg_no;
}

/* The pieces that go, in order. PIECES_CONFLICT: one is not there. */
static enum err load_gone(struct job *c, struct span rid, const struct pieces_ask *ask, struct meta_piece **ret,
                          enum pieces_verdict *ret_verdict, struct err_info *reterr)
{
    struct meta_piece *rows = arena_alloc(c->mem, (ask->n_gone + 1) * sizeof(*rows));

    if (rows == NULL)
        return ERR_RAISE(reterr, ERR_NOMEM, "pieces that go");
    for (uint32_t i = 0; i < ask->n_gone; i++) {
        enum err e = meta_piece_get(c->v, rid, ask->gone[i].n, c->mem, &rows[i], reterr);

        if (e == ERR_NOTFOUND) {
            *ret_verdict = PIECES_CONFLICT;
            return ERR_OK;
        }
        TRY(e);
    }
    qsort(rows, ask->n_gone, sizeof(*rows), by_place);
    for (uint32_t i = 1; i < ask->n_gone; i++) {
        if (rows[i].seg_no == rows[i - 1].seg_no)
            *ret_verdict = PIECES_INVALID; /* named twice */
    }
    *ret = rows;
    return ERR_OK;
}

/* The run of *g from here that 'p' covers, chunk for chunk. False: it is none. */
static bool covers_run(const struct ipc_row_piece *p, const struct meta_piece *gone, uint32_t n_gone, uint32_t *g)
{
    uint64_t seq = p->first_seq, chunk = p->first_chunk;
    uint32_t from = *g;

    while (*g < n_gone) {
        const struct meta_piece *x = &gone[*g];

        if ((uint64_t) x->first_seq != seq || (uint64_t) x->first_chunk != chunk || x->kn != p->kn || x->track != p->track ||
            x->kind != p->kind || (uint64_t) (x->first_seq + x->n_events) > p->first_seq + p->n_events)
            break;
        seq += (uint64_t) x->n_events;
        chunk += (uint64_t) x->n_chunks;
        (*g)++;
    }
    return *g > from && seq == p->first_seq + p->n_events && chunk == (uint64_t) p->first_chunk + p->n_chunks;
}

/* Pieces of one track. *g: of the pieces that go, which come in order of their tracks. */
static enum pieces_verdict places(const struct pieces_ask *ask, unsigned track, const struct meta_piece *gone, uint32_t *g,
                                  const struct meta_piece_end *end)
{
    uint64_t seq = (uint64_t) end->next_seq, chunk = (uint64_t) end->next_chunk;

    for (uint32_t i = 0; i < ask->n; i++) {
        const struct ipc_row_piece *p = &ask->rows[i];

        if (p->track != track)
            continue;
        if (*g < ask->n_gone && gone[*g].track == track) {
            if (!covers_run(p, gone, ask->n_gone, g))
                return PIECES_INVALID;
            continue;
        }
        if (p->first_seq < seq)
            return PIECES_CONFLICT;
        if (track == 0 && (p->first_seq != seq || p->first_chunk != chunk))
            return PIECES_INVALID;
        seq = p->first_seq + p->n_events;
        chunk += p->n_chunks;
    }
    return *g == ask->n_gone || gone[*g].track != track ? PIECES_OK : PIECES_INVALID;
}

static enum err places_of_all(struct job *c, struct span rid, const struct pieces_ask *ask, const struct meta_piece *gone,
                              const struct meta_piece_end *whole, enum pieces_verdict *ret, struct err_info *reterr)
{
    uint32_t g = 0;

    for (unsigned track = 0; track < TRACKS && *ret == PIECES_OK; track++) {
        struct meta_piece_end end = *whole;

        if (track > 0)
            TRY(meta_piece_end(c->v, rid, track, &end, reterr));
        *ret = places(ask, track, gone, &g, &end);
    }
    if (*ret == PIECES_OK && g != ask->n_gone)
        *ret = PIECES_INVALID;
    return ERR_OK;
}

enum err pieces_check(struct job *c, struct span rid, const struct pieces_ask *ask, enum pieces_verdict *ret,
                      struct meta_piece_end *ret_end, struct err_info *reterr)
{
    struct meta_piece *gone = NULL;
    bool known;

    *ret = PIECES_OK;
    TRY(meta_piece_end(c->v, rid, 0, ret_end, reterr));
    TRY(is_known(c, rid, ask, &known, reterr));
    if (known) {
        *ret = PIECES_KNOWN;
        return ERR_OK;
    }
    if (!can_be(ask, ret_end)) {
        *ret = PIECES_INVALID;
        return ERR_OK;
    }
    TRY(load_gone(c, rid, ask, &gone, ret, reterr));
    return places_of_all(c, rid, ask, gone, ret_end, ret, reterr);
}

enum err pieces_store(struct job *c, struct span rid, const struct pieces_ask *ask, struct err_info *reterr)
{
    for (uint32_t i = 0; i < ask->n_gone; i++)
        TRY(meta_piece_remove(c->m, rid, ask->gone[i].n, reterr));
    for (uint32_t i = 0; i < ask->n; i++) {
        struct meta_piece row = row_of(rid, &ask->rows[i]);

        TRY(meta_piece_add(c->m, &row, reterr));
    }
    return ERR_OK;
}

/* ---- wraps ---- */

enum err pieces_wraps(struct job *c, struct span rid, const struct ipc_row_wrap *rows, uint32_t n,
                      enum pieces_verdict *ret, struct err_info *reterr)
{
    struct meta_wrap_list there;
    bool *known = arena_alloc(c->mem, n + 1);

    *ret = PIECES_OK;
    TRY(meta_wraps(c->v, rid, c->mem, &there, reterr));
    if (known == NULL)
        return ERR_RAISE(reterr, ERR_NOMEM, "wraps");
    for (uint32_t i = 0; i < n; i++) {
        known[i] = false;
        for (size_t k = 0; k < there.n; k++) {
            if (there.rows[k].kn != rows[i].kn || there.rows[k].track != rows[i].track)
                continue;
            known[i] = true;
            if (!span_eq(there.rows[k].wrap, rows[i].wrap)) {
                *ret = PIECES_CONFLICT;
                return ERR_OK;
            }
        }
    }
    for (uint32_t i = 0; i < n; i++) {
        struct meta_wrap row = { .rid = rid, .kn = rows[i].kn, .track = rows[i].track,
                                 .epoch = rows[i].epoch != 0 ? rows[i].epoch : c->core->epoch,
                                 .wrap = rows[i].wrap };

        if (!known[i])
            TRY(meta_wrap_add(c->m, &row, reterr));
    }
    return ERR_OK;
}

/* ---- the tree ---- */

enum err pieces_root(const struct meta_piece_list *pieces, struct merkle_hash *ret, struct err_info *reterr)
{
    struct merkle_frontier tree;

    merkle_frontier_init(&tree);
    for (size_t i = 0; i < pieces->n; i++) {
        const struct meta_piece *p = &pieces->rows[i];
        CLEANUP(buf_deinit) struct buf leaf = BUF_INIT(64);
        struct merkle_hash h;

        buf_u32le(&leaf, (uint32_t) p->seg_no);
        buf_u16le(&leaf, (uint16_t) p->kn);
        buf_u8(&leaf, (uint8_t) p->kind);
        buf_u64le(&leaf, (uint64_t) p->size);
        buf_add_span(&leaf, p->sha256);
        TRY(buf_check(&leaf, reterr));
        h = merkle_leaf(buf_span(&leaf));
        TRY(merkle_append(&tree, &h, NULL, NULL, reterr));
    }
    *ret = merkle_root(&tree);
    return ERR_OK;
}
