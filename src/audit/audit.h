#pragma once
/*
 * The audit log: records become leaves, leaves a Merkle tree per log, trees checkpoints (STANDARDS 3).
 *
 * Life:     audit_open -> (inside a transaction of the same meta: audit_append* -> meta_commit + audit_committed, or
 *           meta_rollback + audit_rolled_back)* -> audit_close. Memory advances only with audit_committed.
 * Threads:  the thread of the struct meta.
 * Order:    a log's indices have no gaps; its times never go back (a record stamped earlier than the one before takes
 *           that one's time).
 * Failure:  whatever fails inside a transaction: roll it back. A log whose table does not agree with its newest
 *           checkpoint is *sealed*: it can be read, nothing can be appended (ERR_STATE).
 * Cost:     a record is one hash row and one leaf row, each 256th also a node row; sealed facts one row each.
 */
#include "format/leaf.h"
#include "format/merkle.h"
#include "format/note.h"
#include "meta/auditlog.h"

struct audit;

/*
 * Reads every log's size and tree. Up to AUDIT_REBUILD_MAX leaves all hashes are read again; beyond, the roots of perfect
 * subtrees that were stored with them (audit_check reads everything). 'host': public_url without its scheme; copied.
 */
#define AUDIT_REBUILD_MAX 65536
NODISCARD enum err audit_open(struct meta *m, struct span host, struct audit **ret_audit, struct err_info *reterr);
struct audit *audit_close(struct audit *a);
void audit_closep(struct audit **a);

/* The public half of the vault's note key, as soon as it is known: checkpoints that are stored are verified with it. */
void audit_set_key(struct audit *a, const uint8_t pk[NOTE_ED25519_PK]);

/* Why a log is sealed; NULL: none is. 'log' may be empty: any. Borrowed until close. */
const char *audit_sealed(const struct audit *a, struct span log);

/* The largest time in any log: the high-water mark of STANDARDS 1.5. 0: no record yet. */
time_ms audit_high_water(const struct audit *a);

/* ---- inside a transaction ---- */

/*
 * Makes a log and appends its first leaf (of a project: project.created). first->log: the project's id or "system".
 * ERR_EXISTS. The log needs a checkpoint within 2 s: audit_due has it after the commit.
 */
NODISCARD enum err audit_create_log(struct audit *a, struct leaf *first, struct err_info *reterr);

/*
 * Appends a record. l->log: "system" or a project's id (its newest generation is taken). Sets l->i and l->t (and l->log to
 * the full name, borrowed until close) as they stand in the leaf. Facts: sealed to the public key of their person; one
 * whose person is empty, or erased, leaves only its digest. ERR_NOTFOUND: no such log, no such person.
 */
NODISCARD enum err audit_append(struct audit *a, struct leaf *l, struct err_info *reterr);

void audit_committed(struct audit *a);
void audit_rolled_back(struct audit *a);

/* ---- the tree ---- */

/* Leaves committed. ERR_NOTFOUND. */
NODISCARD enum err audit_size(const struct audit *a, struct span log, uint64_t *ret_size, struct err_info *reterr);

/* ret: what the vault is asked to sign. Spans borrow until close. */
struct audit_due {
    struct span log, origin;
    uint64_t size, old_size; /* old_size: of the newest stored checkpoint, 0 without one */
    struct merkle_hash root;
};
/*
 * Visits the logs whose newest checkpoint does not cover all that is committed: for (size_t at = 0; audit_due(a, &at, &d);).
 */
bool audit_due(const struct audit *a, size_t *at, struct audit_due *ret);

/* From the committed tree of 'old' leaves to that of 'size'. */
NODISCARD enum err audit_consistency(struct audit *a, struct span log, uint64_t old, uint64_t size,
                                     struct merkle_proof *ret, struct err_info *reterr);
NODISCARD enum err audit_inclusion(struct audit *a, struct span log, uint64_t index, uint64_t size,
                                   struct merkle_proof *ret, struct err_info *reterr);

/*
 * Stores a signed checkpoint, inside a transaction. ERR_INVAL: not a note of this log, not by its key (when that is known),
 * or not this tree's root: nothing is stored, and the caller raises an alarm. One that is already covered is dropped (ERR_OK).
 */
NODISCARD enum err audit_checkpoint_store(struct audit *a, struct span log, struct span note, time_ms now,
                                          struct err_info *reterr);

/*
 * The minute's job, inside a transaction: the newest checkpoint of each project log that got one since the last call
 * becomes a 'checkpoint' leaf of "system" (obj: the log, digest: the root, n.size). *ret_n: how many.
 */
NODISCARD enum err audit_note_checkpoints(struct audit *a, time_ms now, size_t *ret_n, struct err_info *reterr);

/* ---- offline and by the way ---- */

/* The origin of a log here: "rec.example.com/v1/audit/system". */
void audit_origin(const struct audit *a, struct span log, struct buf *b);
