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
 *           checkpoint is *sealed*: it can be read, and as long as one is, nothing can be appended to any (ERR_STATE).
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

/* What was found; its word stands in log.continued. */
enum audit_fault {
    AUDIT_SOUND,
    AUDIT_SHORTER, /* fewer records than were signed */
    AUDIT_CHANGED, /* other records than were signed */
    AUDIT_REFUSED, /* the vault has signed something else */
    AUDIT_SCRUB,   /* a record that is not its hash, found by the scrub */
    AUDIT_DAMAGED, /* rows that are missing or cannot be read */
};

/* "shorter". Never NULL. */
const char *audit_fault_word(enum audit_fault f);
bool audit_fault_find(struct span word, enum audit_fault *ret);

/*
 * Seals a log (its newest generation) in memory. 'vault': the size that the vault has signed last, 0: not known. The
 * first reason stays. Unknown logs are ignored. audit_seal_store keeps it over a restart.
 */
void audit_seal(struct audit *a, struct span log, enum audit_fault fault, const char *why, uint64_t vault);

/* The setting that says over restarts that a log is sealed: its data is the fault's word. */
#define AUDIT_FAULT_CAP 64
void audit_fault_setting(struct span log, char out[AUDIT_FAULT_CAP]);

/* Inside a transaction: settings of logs that were sealed since the last call. */
NODISCARD enum err audit_seal_store(struct audit *a, struct err_info *reterr);

/*
 * A signed checkpoint that lies elsewhere (DIR/audit/<log>/checkpoint): seals the log when its table does not begin with
 * what was signed (an older database was put back, records were changed). ERR_INVAL: not a note of this log and key, or
 * no key is known yet; it proves nothing and nothing happens.
 */
NODISCARD enum err audit_compare(struct audit *a, struct span log, struct span note, struct err_info *reterr);

/* What was found in a log, by its full name. */
enum audit_fault audit_fault_of(const struct audit *a, struct span log);

/* Visits sealed logs by name: for (size_t at = 0; (n = audit_next_sealed(a, &at)) != NULL;). Borrowed until close. */
const char *audit_next_sealed(const struct audit *a, size_t *at);

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

/*
 * Lets a sealed log go on as its next generation, at least number 'generation' (docs/formats/audit.md): makes the log and
 * its first leaf, log.continued, from first->actor and first->t; 'console': root did it. The old one takes no record and
 * gets no checkpoint ever again. ret_name: the new log's, borrowed until close. ERR_STATE: it is not sealed.
 */
NODISCARD enum err audit_continue(struct audit *a, struct span log, uint32_t generation, const struct leaf *first,
                                  bool console, struct span *ret_name, struct err_info *reterr);

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
/* Every log that may still be signed, whether it grew or not: what the vault signed last is compared with it. */
bool audit_each(const struct audit *a, size_t *at, struct audit_due *ret);

/*
 * Visits the logs whose newest checkpoint does not cover all that is committed: for (size_t at = 0; audit_due(a, &at, &d);).
 */
bool audit_due(const struct audit *a, size_t *at, struct audit_due *ret);

/*
 * What SIGN_CHECKPOINT shows: the tree of 'old' committed leaves, the hashes of the 'n' leaves after them (room for n), and the
 * root of both. ERR_INVAL: so many are not there.
 */
NODISCARD enum err audit_since(struct audit *a, struct span log, uint64_t old, size_t n, struct merkle_frontier *ret_old,
                               struct merkle_hash *ret_leaves, struct merkle_hash *ret_root, struct err_info *reterr);

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
