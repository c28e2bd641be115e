#pragma once
/*
 * The audit log's tables: append and read. The rules of the log (indices without gaps, hashes, openings) are audit/'s;
 * nothing else writes here. Triggers refuse to change or delete what was written.
 */
#include "meta/meta.h"
#include "meta/page.h"
#include "meta/rows.h"

#define META_HASH_LEN 32

/* One record: its hash row and its leaf. Spans that are empty are absent. */
struct meta_audit {
    struct span log;
    int64_t idx;
    struct span type; /* the leaf type's word */
    time_ms time;
    struct span hash; /* RFC 6962 leaf hash */
    struct span actor, q, gid, rid;
    struct span leaf; /* the exact bytes */
};

/* ERR_EXISTS: there is such an index: the log's writer and its table do not agree. */
NODISCARD enum err meta_audit_append(struct meta *m, const struct meta_audit *row, struct err_info *reterr);

/* Leaves in the log: the largest index plus one. */
NODISCARD enum err meta_audit_count(struct meta_view *v, struct span log, int64_t *ret_n, struct err_info *reterr);

/* Called for each row in order of idx; spans borrow until the call returns. False stops (ERR_OK). */
typedef bool meta_audit_fn(void *ctx, const struct meta_audit *row);

/* Hash rows from 'from' on, without their leaves. A missing index is simply not there: the caller counts. */
NODISCARD enum err meta_audit_hashes(struct meta_view *v, struct span log, int64_t from, meta_audit_fn *fn, void *ctx,
                                     struct err_info *reterr);
/* Hash rows with their leaves. A leaf that is not there (pruned) is empty. */
NODISCARD enum err meta_audit_leaves(struct meta_view *v, struct span log, int64_t from, meta_audit_fn *fn, void *ctx,
                                     struct err_info *reterr);

/*
 * A filtered list reads blocks of records in which every word that it asks for stands (table audit_seen, written with the last
 * record of each block), and the block that is not whole yet.
 */
#define META_AUDIT_BLOCK 256

/* *ret false: words of this block's records are missing there, and lists would leave records out. Blocks that are whole only. */
NODISCARD enum err meta_audit_seen_whole(struct meta_view *v, struct span log, int64_t block, bool *ret,
                                         struct err_info *reterr);

/* Empty members do not filter. types: exact words, or "replay." for all that begin so. */
struct meta_audit_filter {
    struct span log;
    const struct span *types;
    size_t n_types;
    struct span actor, q, gid, rid;
    int64_t from;        /* first index (ascending) or last (descending); -1: from the end of that side */
    bool ascending;
    time_ms after_ms, before_ms;
    uint32_t limit;      /* at most META_PAGE_MAX */
};

struct meta_audit_item {
    int64_t idx;
    time_ms time;
    struct span type, leaf;
};

/* *ret_more: the index to go on from, or -1. */
NODISCARD enum err meta_audit_list(struct meta_view *v, const struct meta_audit_filter *f, struct arena *a,
                                   struct meta_audit_item **ret, size_t *ret_n, int64_t *ret_more,
                                   struct err_info *reterr);

/* ---- logs, nodes, openings, checkpoints ---- */

NODISCARD enum err meta_log_add(struct meta *m, struct meta_log *row, struct err_info *reterr);
NODISCARD enum err meta_log_put(struct meta *m, const struct meta_log *row, struct err_info *reterr);
NODISCARD enum err meta_log_get(struct meta_view *v, struct span log, struct arena *a, struct meta_log *ret,
                                struct err_info *reterr);
/* In the order in which they were made. */
NODISCARD enum err meta_logs(struct meta_view *v, struct arena *a, struct meta_log_list *ret, struct err_info *reterr);

NODISCARD enum err meta_node_add(struct meta *m, struct span log, unsigned level, uint64_t idx, struct span hash,
                                 struct err_info *reterr);
/* ERR_NOTFOUND; ERR_CORRUPT: not 32 bytes. */
NODISCARD enum err meta_node_get(struct meta_view *v, struct span log, unsigned level, uint64_t idx,
                                 uint8_t ret[META_HASH_LEN], struct err_info *reterr);
/* Leaf hashes [from, from + n), exactly (ERR_CORRUPT when one is missing): ret has room for n of them. */
NODISCARD enum err meta_hashes_get(struct meta_view *v, struct span log, uint64_t from, size_t n,
                                   uint8_t (*ret)[META_HASH_LEN], struct err_info *reterr);

NODISCARD enum err meta_opening_add(struct meta *m, struct meta_opening *row, struct err_info *reterr);
NODISCARD enum err meta_openings(struct meta_view *v, struct span log, int64_t idx, struct arena *a,
                                 struct meta_opening_list *ret, struct err_info *reterr);

/* ERR_EXISTS: this size has one. */
NODISCARD enum err meta_checkpoint_add(struct meta *m, struct meta_checkpoint *row, struct err_info *reterr);
NODISCARD enum err meta_checkpoint_newest(struct meta_view *v, struct span log, struct arena *a,
                                          struct meta_checkpoint *ret, struct err_info *reterr);
