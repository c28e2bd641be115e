#pragma once
/*
 * A log's tree read from the database: leaf hashes, and the stored roots of perfect subtrees at every TREE_STEP-th level.
 * A node costs at most 255 rows, a proof some hundreds, whatever the log's length. Borrows view and log.
 */
#include "format/merkle.h"
#include "meta/auditlog.h"

#define TREE_STEP 8 /* levels */

struct tree_reader {
    struct meta_view *view;
    struct span log;
};

/* A merkle_read_fn; ctx is a struct tree_reader. ERR_CORRUPT, ERR_NOTFOUND: a row is missing. */
NODISCARD enum err tree_read(void *ctx, unsigned level, uint64_t index, struct merkle_hash *ret,
                             struct err_info *reterr);
