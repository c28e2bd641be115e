#include "audit/tree.h"

/* Folds 2^height hashes into one. */
static struct merkle_hash fold(struct merkle_hash *h, size_t n)
{
    for (; n > 1; n /= 2) {
        for (size_t i = 0; i < n / 2; i++)
            h[i] = merkle_node(&h[2 * i], &h[2 * i + 1]);
    }
    return h[0];
}

enum err tree_read(void *ctx, unsigned level, uint64_t index, struct merkle_hash *ret, struct err_info *reterr)
{
    const struct tree_reader *t = ctx;
    unsigned height = level % TREE_STEP, stored = level - height;
    struct merkle_hash h[1u << (TREE_STEP - 1)];
    uint64_t from = index << height;
    size_t n = (size_t) 1 << height;

    _Static_assert(sizeof(struct merkle_hash) == META_HASH_LEN, "hashes lie one after another");
    if (stored == 0) {
        TRY(meta_hashes_get(t->view, t->log, from, n, (uint8_t(*)[META_HASH_LEN]) h, reterr));
    } else {
        for (size_t i = 0; i < n; i++)
            TRY(meta_node_get(t->view, t->log, stored, from + i, h[i].b, reterr));
    }
    *ret = fold(h, n);
    return ERR_OK;
}
