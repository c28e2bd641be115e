#pragma once
/*
 * RFC 6962 Merkle trees: hashes, a compact frontier that grows, inclusion and consistency proofs.
 *
 * leaf = SHA-256(0x00 || bytes), node = SHA-256(0x01 || left || right), the empty root is SHA-256 of nothing.
 * Pure: hashes come from and go to the caller. Node (level, index) is the root of the perfect subtree over the leaves
 * [index << level, (index + 1) << level).
 * Limit: 2^MERKLE_LEVELS leaves.
 */
#include "base/buf.h"

#define MERKLE_HASH_LEN  32
#define MERKLE_LEVELS    40
#define MERKLE_PROOF_MAX (2 * MERKLE_LEVELS)

struct merkle_hash {
    uint8_t b[MERKLE_HASH_LEN];
};

struct merkle_hash merkle_leaf(struct span leaf);
struct merkle_hash merkle_node(const struct merkle_hash *left, const struct merkle_hash *right);
struct merkle_hash merkle_empty(void);
bool merkle_eq(const struct merkle_hash *a, const struct merkle_hash *b);

/* The perfect subtrees that make up a tree of 'size' leaves: node[k] counts where bit k of size is set. */
struct merkle_frontier {
    uint64_t size;
    struct merkle_hash node[MERKLE_LEVELS];
};

void merkle_frontier_init(struct merkle_frontier *f);

/*
 * Called for each perfect subtree that an append completes, leaf included (level 0), lowest level first.
 */
typedef void merkle_node_fn(void *ctx, unsigned level, uint64_t index, const struct merkle_hash *hash);

/* 'fn' may be NULL. ERR_LIMIT: the tree is full. */
NODISCARD enum err merkle_append(struct merkle_frontier *f, const struct merkle_hash *leaf, merkle_node_fn *fn,
                                 void *ctx, struct err_info *reterr);
struct merkle_hash merkle_root(const struct merkle_frontier *f);

/* u64le size || the hashes of its set bits, highest first. */
void merkle_frontier_encode(const struct merkle_frontier *f, struct buf *b);
NODISCARD bool merkle_frontier_decode(struct span bytes, struct merkle_frontier *ret);

/* Reads the hash of a perfect subtree that lies wholly inside the tree the caller has. */
typedef enum err merkle_read_fn(void *ctx, unsigned level, uint64_t index, struct merkle_hash *ret,
                                struct err_info *reterr);

struct merkle_proof {
    size_t n;
    struct merkle_hash hash[MERKLE_PROOF_MAX];
};

/* The root of the first 'size' leaves. */
NODISCARD enum err merkle_root_at(uint64_t size, merkle_read_fn *read, void *ctx, struct merkle_hash *ret,
                                  struct err_info *reterr);
/* ERR_INVAL: index >= size. */
NODISCARD enum err merkle_prove_inclusion(uint64_t index, uint64_t size, merkle_read_fn *read, void *ctx,
                                          struct merkle_proof *ret, struct err_info *reterr);
/* ERR_INVAL: old > size. A proof from 0, or from size itself, is empty. */
NODISCARD enum err merkle_prove_consistency(uint64_t old, uint64_t size, merkle_read_fn *read, void *ctx,
                                            struct merkle_proof *ret, struct err_info *reterr);

/* RFC 9162 2.1.3.2: true when 'leaf' (a leaf hash) is number index of the tree of 'size' with this root. */
bool merkle_verify_inclusion(uint64_t index, uint64_t size, const struct merkle_hash *leaf,
                             const struct merkle_hash *root, const struct merkle_hash *proof, size_t n_proof);
/*
 * RFC 9162 2.1.4.2: true when the tree (new_size, new_root) begins with the tree (old_size, old_root).
 * Nothing is proven from size 0 to a larger one (every tree begins with the empty one): false.
 */
bool merkle_verify_consistency(uint64_t old_size, uint64_t new_size, const struct merkle_hash *old_root,
                               const struct merkle_hash *new_root, const struct merkle_hash *proof, size_t n_proof);
