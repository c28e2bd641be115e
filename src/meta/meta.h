#pragma once
/*
 * The metadata database: people, recordings, requests, grants, keys, policy and the audit log.
 * Operations are the interface; SQL stays below meta/sqlite/. Objects are the structs of meta/rows.h.
 *
 * Life:     meta_open -> (meta_begin -> operations -> meta_commit | meta_rollback)* -> meta_close.
 * Threads:  a struct meta (the one writer) and each struct meta_reader belong to one thread at a time; a reader never
 *           waits for the writer. struct meta_wal belongs to a thread of its own.
 * Memory:   what queries return lies in the caller's arena and borrows from nothing else.
 *
 * Errors, everywhere below (STANDARDS 3.4 rule 2):
 *   ERR_EXISTS    a unique key or another constraint. The transaction goes on unless it is said to be over.
 *   ERR_NOTFOUND  no such row (get, put).
 *   ERR_NOSPC     the disk is full: roll back, state 'audit-space'.
 *   ERR_STATE     no transaction, or one too many.
 *   ERR_AGAIN     another process holds the database.
 *   ERR_NOMEM     memory or the caller's arena. ERR_LIMIT: more rows than the call allows.
 *   ERR_IO, ERR_CORRUPT on the writer are fatal: meta_is_broken turns true, every later call fails the same way, and the
 *   process must end without another attempt. A failing COMMIT is fatal, too, unless the disk was full before it.
 */
#include "base/arena.h"
#include "base/err.h"
#include "base/times.h"

struct meta;
struct meta_reader;
struct meta_wal;

/* What queries take: the open transaction of the writer, or a reader. Borrowed; valid as long as its owner. */
struct meta_view;

/*
 * Opens or makes 'path' (mode 0600), applies what is missing of the migrations, sets the pragmas of STANDARDS 3.4.
 * ERR_UNSUPPORTED: a newer keyhole wrote it. ERR_CORRUPT: not our database, or a migration was changed.
 */
NODISCARD enum err meta_open(const char *path, struct meta **ret_meta, struct err_info *reterr);
struct meta *meta_close(struct meta *m); /* rolls back what is open; takes NULL, returns NULL */
void meta_closep(struct meta **m);

NODISCARD enum err meta_begin(struct meta *m, struct err_info *reterr);
NODISCARD enum err meta_commit(struct meta *m, struct err_info *reterr);
/* Fine when SQLite has rolled back by itself, or when nothing is open. */
enum err meta_rollback(struct meta *m, struct err_info *reterr);
bool meta_in_transaction(const struct meta *m);

/* True after a fatal error: end the process. */
bool meta_is_broken(const struct meta *m);

struct meta_view *meta_view(struct meta *m);

/* The next number for a 'seq' column; grows forever, also over restarts; a rollback leaves a gap. */
int64_t meta_next_seq(struct meta *m);

/* Bytes of the database and of its WAL; for quotas and status. */
NODISCARD enum err meta_size(struct meta *m, uint64_t *ret_bytes, struct err_info *reterr);

/* At most so many pages (4 KiB), as if the disk were full beyond: tests, and an operator's ceiling. 0: no limit. */
NODISCARD enum err meta_limit_pages(struct meta *m, uint32_t pages, struct err_info *reterr);

/* ---- readers ---- */

/* The database must exist and be current. */
NODISCARD enum err meta_reader_open(const char *path, struct meta_reader **ret_reader, struct err_info *reterr);
struct meta_reader *meta_reader_close(struct meta_reader *r);
void meta_reader_closep(struct meta_reader **r);
struct meta_view *meta_reader_view(struct meta_reader *r);
/* One consistent state over several queries; without it each query sees the newest. */
NODISCARD enum err meta_reader_begin(struct meta_reader *r, struct err_info *reterr);
NODISCARD enum err meta_reader_end(struct meta_reader *r, struct err_info *reterr);

/* ---- the WAL: PASSIVE checkpoints on their own thread and connection, never on the writer's ---- */

NODISCARD enum err meta_wal_open(const char *path, struct meta_wal **ret_wal, struct err_info *reterr);
struct meta_wal *meta_wal_close(struct meta_wal *w);
/*
 * Moves what it can into the database file without waiting for anybody. *ret_left: pages still only in the WAL.
 * ERR_IO, ERR_CORRUPT: fatal, as on the writer.
 */
NODISCARD enum err meta_wal_checkpoint(struct meta_wal *w, uint32_t *ret_left, struct err_info *reterr);

/* ---- settings: small values with a name ---- */

/* ERR_NOTFOUND. num and data may be NULL. */
NODISCARD enum err meta_setting_get(struct meta_view *v, const char *name, struct arena *a, int64_t *ret_num,
                                    struct span *ret_data, struct err_info *reterr);
NODISCARD enum err meta_setting_put(struct meta *m, const char *name, int64_t num, struct span data,
                                    struct err_info *reterr);
/* num = max(num, 'at_least'): the clock's high-water mark. */
NODISCARD enum err meta_setting_raise(struct meta *m, const char *name, int64_t at_least, struct err_info *reterr);

#define META_CLOCK_MARK "clock.mark" /* num: largest wall time ever committed to the audit table, ms */
