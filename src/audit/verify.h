#pragma once
/*
 * The independent check of a log: every leaf is hashed again, every root recomputed, every signature verified; indices
 * without gaps, times that do not go back. Shares with the writer only what the format is (format/leaf.h is not among
 * it: leaves are read as JSON). Needs public bytes only: leaves, checkpoints, the log's vkey.
 *
 * Life: audit_verify_new -> checkpoints, smallest first (audit_verify_checkpoint*) -> leaves from 0 (audit_verify_leaf*)
 *       -> audit_verify_finish -> free. The first fault stays; what follows changes nothing.
 */
#include "base/times.h"
#include "format/merkle.h"
#include "format/note.h"

enum audit_verdict {
    AUDIT_GOOD,
    AUDIT_NOTE_MALFORMED,  /* a checkpoint is no checkpoint */
    AUDIT_NOTE_UNKNOWN_KEY,/* not signed by this key */
    AUDIT_NOTE_FORGED,     /* its signature is false */
    AUDIT_NOTE_ORIGIN,     /* of another log */
    AUDIT_LEAF_MALFORMED,  /* not a leaf of this log in JSON */
    AUDIT_LEAF_GAP,        /* its index is not the next: dropped, swapped or repeated */
    AUDIT_LEAF_TIME,       /* earlier than the one before */
    AUDIT_LEAF_HASH,       /* not the hash that the log's own table has for it */
    AUDIT_TRUNCATED,       /* ends before its newest checkpoint */
    AUDIT_ROOT,            /* the records up to a checkpoint are not those that were signed */
    AUDIT_NO_CHECKPOINT,   /* nothing signed covers any of it */
    AUDIT_TILE,            /* a tile or bundle is missing, or not that of its records (audit/verify_tiles.h) */
};

/* "leaf-hash", for machines. */
const char *audit_verdict_word(enum audit_verdict v);

struct audit_result {
    enum audit_verdict verdict;
    uint64_t at;       /* the first record that is wrong; with AUDIT_ROOT the first of those among which it is */
    uint64_t upto;     /* with AUDIT_ROOT: one past the last of those; else at + 1 */
    uint64_t n_leaves; /* read */
    uint64_t n_signed; /* of them under a good checkpoint */
    struct merkle_hash root; /* of the newest good checkpoint */
    char text[200];    /* a sentence for people */
};

struct audit_verify;

/* log: its name as the leaves have it. vkey: whose origin and key checkpoints must have. NULL: no memory. */
struct audit_verify *audit_verify_new(struct span log, const struct note_vkey *vkey);
struct audit_verify *audit_verify_free(struct audit_verify *v);
void audit_verify_freep(struct audit_verify **v);

/*
 * At most 4096 of them, in growing size. One of the size of the last has to have its root; one of a smaller size is only
 * checked as a note.
 */
void audit_verify_checkpoint(struct audit_verify *v, struct span note);

/* The next leaf's exact bytes. hash: what the table says (32 bytes), or empty. False: a fault was found, stop. */
bool audit_verify_leaf(struct audit_verify *v, struct span leaf, struct span hash);

/* True: audit_verify_leaf has said no for want of memory alone. What finish says then is worth nothing. */
bool audit_verify_no_memory(const struct audit_verify *v);

void audit_verify_finish(struct audit_verify *v, struct audit_result *ret);
