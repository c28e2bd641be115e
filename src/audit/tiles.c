#include "audit/tiles.h"

#include "format/merkle.h"

struct bundle {
    const struct tile *t;
    uint64_t next;
    struct buf *b;
    enum err e;
    struct err_info *reterr;
};

static bool add_leaf(void *ctx, const struct meta_audit *row)
{
    struct bundle *x = ctx;
    struct merkle_hash h = merkle_leaf(row->leaf);

    if ((uint64_t) row->idx != x->next || !span_eq(row->hash, SPAN_OF(h.b)))
        x->e = ERR_RAISE(x->reterr, ERR_CORRUPT, "audit log " SPAN_FMT ": record %llu is not what was hashed",
                         SPAN_ARG(row->log), (unsigned long long) x->next);
    else
        x->e = tile_entry_add(x->b, row->leaf, x->reterr);
    x->next++;
    return x->e == ERR_OK && x->next < tile_end(x->t);
}

static enum err read_bundle(struct meta_view *v, struct span log, const struct tile *t, struct buf *b,
                            struct err_info *reterr)
{
    struct bundle x = { .t = t, .next = tile_first(t), .b = b, .reterr = reterr };

    TRY(meta_audit_leaves(v, log, (int64_t) x.next, add_leaf, &x, reterr));
    TRY(x.e);
    if (x.next != tile_end(t))
        return ERR_RAISE(reterr, ERR_CORRUPT, "audit log " SPAN_FMT ": record %llu is missing", SPAN_ARG(log),
                         (unsigned long long) x.next);
    return ERR_OK;
}

enum err audit_tile_read(struct meta_view *v, struct span log, const struct tile *t, struct buf *b,
                         struct err_info *reterr)
{
    uint8_t h[TILE_WIDTH][META_HASH_LEN];

    if (t->entries)
        return read_bundle(v, log, t, b, reterr);
    if (t->level == 0) {
        TRY(meta_hashes_get(v, log, tile_first(t), t->width, h, reterr));
    } else {
        for (unsigned i = 0; i < t->width; i++)
            TRY(meta_node_get(v, log, t->level * TILE_HEIGHT, t->n * TILE_WIDTH + i, h[i], reterr));
    }
    buf_add(b, h, (size_t) t->width * META_HASH_LEN);
    return buf_check(b, reterr);
}
