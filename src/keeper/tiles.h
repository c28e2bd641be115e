#pragma once
/*
 * DIR/audit/<log>/: tiles, entry bundles, the newest checkpoint, the log's key, as files (STANDARDS 3.4;
 * docs/formats/audit.md).
 *
 * Derived: what is missing is made again with the same bytes; nothing reads them back but people and their tools, and
 * the start, which compares the checkpoint with the table (audit_compare).
 * Life:    tiles_new -> tiles_run* -> tiles_free.
 * Threads: one, with a reader of its own: syncs of many small files must not hold the writer up.
 * Order:   tiles of a size, each by temporary file, sync, rename, sync of the directory; then that size's checkpoint.
 *          Partial ones go when the full one is there.
 */
#include <stdatomic.h>

#include "base/buf.h"
#include "meta/meta.h"

#define TILES_LOG_KEY "audit.key" /* setting: the public half of the vault's note key, as it said last */

struct tiles;

/* dir: the state directory; db_path: its database, which exists. */
NODISCARD enum err tiles_new(const char *dir, const char *db_path, struct tiles **ret, struct err_info *reterr);
struct tiles *tiles_free(struct tiles *t);

/*
 * Writes what the newest checkpoints cover and is not there yet. The first call looks at everything, later ones only at
 * logs that grew. *ret_n: files written. ERR_IO: a sync failed, end the process (STANDARDS 3.4 rule 2). ERR_CORRUPT: a
 * log's table is not what its checkpoint says, and nothing of that log was written. ERR_NOSPC.
 */
NODISCARD enum err tiles_run(struct tiles *t, size_t *ret_n, struct err_info *reterr);

/* Everything is looked at again by the next call. */
void tiles_forget(struct tiles *t);

/*
 * Compares every file of a log with its table, and makes those that differ again. ret_bad: the first one, "" when there
 * is none; *ret_n: how many. Ends early, without a word, once *stop is true (NULL: never).
 */
NODISCARD enum err tiles_compare(struct tiles *t, struct span log, const _Atomic bool *stop, char ret_bad[200],
                                 size_t *ret_n, struct err_info *reterr);

/* The view of the thread that calls tiles_run. */
struct meta_view *tiles_view(struct tiles *t);

/* The signed note in DIR/audit/<log>/checkpoint. ERR_NOTFOUND. */
NODISCARD enum err tiles_checkpoint(const char *dir, struct span log, struct buf *b, struct err_info *reterr);
