#include "format/merkle.h"

#include "crypto/hash.h"

static struct merkle_hash hash_tagged(uint8_t tag, struct span a, struct span b)
{
    struct merkle_hash h;
    struct span parts[3] = { span_of(&tag, 1), a, b };

    sha256_parts(parts, 3, h.b);
    return h;
}

struct merkle_hash merkle_leaf(struct span leaf)
{
    return hash_tagged(0, leaf, SPAN_EMPTY);
}

struct merkle_hash merkle_node(const struct merkle_hash *left, const struct merkle_hash *right)
{
    return hash_tagged(1, SPAN_OF(left->b), SPAN_OF(right->b));
}

struct merkle_hash merkle_empty(void)
{
    struct merkle_hash h;

    sha256(SPAN_EMPTY, h.b);
    return h;
}

bool merkle_eq(const struct merkle_hash *a, const struct merkle_hash *b)
{
    return memcmp(a->b, b->b, MERKLE_HASH_LEN) == 0;
}

void merkle_frontier_init(struct merkle_frontier *f)
{
    *f = (struct merkle_frontier){ 0 };
}

enum err merkle_append(struct merkle_frontier *f, const struct merkle_hash *leaf, merkle_node_fn *fn, void *ctx,
                       struct err_info *reterr)
{
    struct merkle_hash h = *leaf;
    unsigned level = 0;

    if (f->size >= (UINT64_C(1) << MERKLE_LEVELS) - 1)
        return ERR_RAISE(reterr, ERR_LIMIT, "Merkle tree is full at %llu leaves", (unsigned long long) f->size);
    for (;; level++) {
        if (fn != NULL)
            fn(ctx, level, f->size >> level, &h);
        if ((f->size >> level & 1) == 0)
            break;
        h = merkle_node(&f->node[level], &h);
    }
    f->node[level] = h;
    f->size++;
    return ERR_OK;
}

struct merkle_hash merkle_root(const struct merkle_frontier *f)
{
    struct merkle_hash h = { { 0 } };
    bool have = false;

    for (unsigned level = 0; level < MERKLE_LEVELS; level++) {
        if ((f->size >> level & 1) == 0)
            continue;
        h = have ? merkle_node(&f->node[level], &h) : f->node[level];
        have = true;
    }
    return have ? h : merkle_empty();
}

void merkle_frontier_encode(const struct merkle_frontier *f, struct buf *b)
{
    buf_u64le(b, f->size);
    for (unsigned level = MERKLE_LEVELS; level-- > 0;) {
        if (f->size >> level & 1)
            buf_add(b, f->node[level].b, MERKLE_HASH_LEN);
    }
}

bool merkle_frontier_decode(struct span bytes, struct merkle_frontier *ret)
{
    struct merkle_frontier f;
    struct rd r = rd_of(bytes);

    merkle_frontier_init(&f);
    f.size = rd_u64le(&r);
    if (f.size >> MERKLE_LEVELS != 0)
        return false;
    for (unsigned level = MERKLE_LEVELS; level-- > 0;) {
        struct span h;

        if ((f.size >> level & 1) == 0)
            continue;
        h = rd_bytes(&r, MERKLE_HASH_LEN);
        if (h.n == MERKLE_HASH_LEN)
            memcpy(f.node[level].b, h.p, MERKLE_HASH_LEN);
    }
    if (!rd_done(&r))
        return false;
    *ret = f;
    return true;
}

/* ---- proofs: RFC 9162 2.1.3.1 and 2.1.4.1 over perfect subtrees ---- */

struct reader {
    merkle_read_fn *read;
    void *ctx;
    struct err_info *reterr;
};

static unsigned log2_floor(uint64_t n)
{
    return 63u - (unsigned) __builtin_clzll(n);
}

/* Root of the leaves [lo, lo + n), n > 0, where lo is a multiple of the largest power of two in n. */
static enum err range_root(const struct reader *r, uint64_t lo, uint64_t n, struct merkle_hash *ret)
{
    struct merkle_hash part[MERKLE_LEVELS + 1];
    unsigned k = 0;

    while (n > 0) { /* perfect subtrees from the left, each smaller than the one before */
        unsigned level = log2_floor(n);

        TRY(r->read(r->ctx, level, lo >> level, &part[k++], r->reterr));
        lo += UINT64_C(1) << level;
        n -= UINT64_C(1) << level;
    }
    while (--k > 0)
        part[k - 1] = merkle_node(&part[k - 1], &part[k]);
    *ret = part[0];
    return ERR_OK;
}

/* The largest power of two below n, n > 1. */
static uint64_t split_of(uint64_t n)
{
    return UINT64_C(1) << log2_floor(n - 1);
}

enum err merkle_root_at(uint64_t size, merkle_read_fn *read, void *ctx, struct merkle_hash *ret,
                        struct err_info *reterr)
{
    struct reader r = { read, ctx, reterr };

    if (size == 0) {
        *ret = merkle_empty();
        return ERR_OK;
    }
    return range_root(&r, 0, size, ret);
}

static void reverse(struct merkle_proof *p)
{
    for (size_t i = 0; i < p->n / 2; i++) {
        struct merkle_hash h = p->hash[i];

        p->hash[i] = p->hash[p->n - 1 - i];
        p->hash[p->n - 1 - i] = h;
    }
}

enum err merkle_prove_inclusion(uint64_t index, uint64_t size, merkle_read_fn *read, void *ctx,
                                struct merkle_proof *ret, struct err_info *reterr)
{
    struct reader r = { read, ctx, reterr };
    struct merkle_proof p = { 0 };
    uint64_t lo = 0, n = size;

    if (index >= size || size >> MERKLE_LEVELS != 0)
        return ERR_RAISE(reterr, ERR_INVAL, "no leaf %llu in a tree of %llu", (unsigned long long) index,
                         (unsigned long long) size);
    while (n > 1) { /* from the root down: the sibling at each split */
        uint64_t k = split_of(n);

        if (index - lo < k) {
            TRY(range_root(&r, lo + k, n - k, &p.hash[p.n++]));
            n = k;
        } else {
            TRY(range_root(&r, lo, k, &p.hash[p.n++]));
            lo += k;
            n -= k;
        }
    }
    reverse(&p);
    *ret = p;
    return ERR_OK;
}

enum err merkle_prove_consistency(uint64_t old, uint64_t size, merkle_read_fn *read, void *ctx,
                                  struct merkle_proof *ret, struct err_info *reterr)
{
    struct reader r = { read, ctx, reterr };
    struct merkle_proof p = { 0 };
    uint64_t lo = 0, n = size, m = old;
    bool whole = true; /* the old tree's root is still the subtree we stand on: the verifier has it */

    if (old > size || size >> MERKLE_LEVELS != 0)
        return ERR_RAISE(reterr, ERR_INVAL, "no tree of %llu inside one of %llu", (unsigned long long) old,
                         (unsigned long long) size);
    if (old == 0 || old == size) {
        *ret = p;
        return ERR_OK;
    }
    while (m != n) {
        uint64_t k = split_of(n);

        if (m <= k) {
            TRY(range_root(&r, lo + k, n - k, &p.hash[p.n++]));
            n = k;
        } else {
            TRY(range_root(&r, lo, k, &p.hash[p.n++]));
            lo += k;
            m -= k;
            n -= k;
            whole = false;
        }
    }
    if (!whole)
        TRY(range_root(&r, lo, n, &p.hash[p.n++]));
    reverse(&p);
    *ret = p;
    return ERR_OK;
}

bool merkle_verify_inclusion(uint64_t index, uint64_t size, const struct merkle_hash *leaf,
                             const struct merkle_hash *root, const struct merkle_hash *proof, size_t n_proof)
{
    uint64_t fn = index, sn = size - 1;
    struct merkle_hash h = *leaf;

    if (index >= size)
        return false;
    for (size_t i = 0; i < n_proof; i++) {
        if (sn == 0)
            return false;
        if ((fn & 1) != 0 || fn == sn) {
            h = merkle_node(&proof[i], &h);
            while ((fn & 1) == 0 && fn != 0) {
                fn >>= 1;
                sn >>= 1;
            }
        } else {
            h = merkle_node(&h, &proof[i]);
        }
        fn >>= 1;
        sn >>= 1;
    }
    return sn == 0 && merkle_eq(&h, root);
}

bool merkle_verify_consistency(uint64_t old_size, uint64_t new_size, const struct merkle_hash *old_root,
                               const struct merkle_hash *new_root, const struct merkle_hash *proof, size_t n_proof)
{
    uint64_t fn = old_size - 1, sn = new_size - 1;
    struct merkle_hash fr, sr, empty = merkle_empty();
    size_t i = 0;

    if (old_size > new_size)
        return false;
    if (old_size == new_size)
        return n_proof == 0 && merkle_eq(old_root, new_root) && (old_size > 0 || merkle_eq(old_root, &empty));
    if (old_size == 0)
        return false;
    while ((fn & 1) != 0) {
        fn >>= 1;
        sn >>= 1;
    }
    if (fn == 0) { /* old_size is a power of two: its root is where the proof begins */
        fr = sr = *old_root;
    } else {
        if (n_proof == 0)
            return false;
        fr = sr = proof[i++];
    }
    for (; i < n_proof; i++) {
        if (sn == 0)
            return false;
        if ((fn & 1) != 0 || fn == sn) {
            fr = merkle_node(&proof[i], &fr);
            sr = merkle_node(&proof[i], &sr);
            while ((fn & 1) == 0 && fn != 0) {
                fn >>= 1;
                sn >>= 1;
            }
        } else {
            sr = merkle_node(&sr, &proof[i]);
        }
        fn >>= 1;
        sn >>= 1;
    }
    return sn == 0 && merkle_eq(&fr, old_root) && merkle_eq(&sr, new_root);
}
