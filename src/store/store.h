#pragma once
/*
 * Segment files of a node: DIR/blobs/<project>/<first 2 characters of rid after "r_">/<rid>/<seg_no>.khs, mode 0600.
 *
 * Names are built from ids and numbers, never taken from outside; every open resolves beneath the store's directory
 * and follows no symbolic link. A file appears whole or not at all: temporary name, fsync, rename, fsync of the
 * directory. What a crash leaves behind are temporary files and files without a row: store_each finds both.
 *
 * Threads: any; the store itself never changes after store_open. All calls block on the disk: run them in workers, but for
 * store_get_at_hand and reads of a file that is at_hand.
 */
#include "format/khseg.h"

struct store;

/* The place of one piece. Spans borrow. */
struct store_piece {
    struct span project; /* p_… */
    struct span rid;     /* r_… */
    uint32_t seg_no;
};

/* Makes DIR/blobs (0700) when it is not there. ERR_IO, ERR_NOMEM. */
NODISCARD enum err store_open(const char *dir, struct store **ret, struct err_info *reterr);
struct store *store_free(struct store *s);
void store_freep(struct store **s);

/*
 * Durable when it returns ERR_OK. ERR_EXISTS: there is one of that number (seg_no is never used twice); ERR_NOSPC;
 * ERR_IO (a failing sync too: do not try again); ERR_INVAL: ids.
 */
NODISCARD enum err store_put(const struct store *s, const struct store_piece *p, struct span file,
                             struct err_info *reterr);

/* An open file, as a source for segment_open. Close with store_close. */
struct store_file {
    int fd;
    uint64_t size;
    bool at_hand; /* read what is in memory only: else ERR_AGAIN (os/file.h). May be changed between reads */
};
#define STORE_FILE_NONE ((struct store_file){ .fd = -1 })

/* ERR_NOTFOUND, ERR_INVAL, ERR_IO; ERR_CORRUPT: not a regular file. */
NODISCARD enum err store_get(const struct store *s, const struct store_piece *p, struct store_file *ret,
                             struct err_info *reterr);
/* The same without waiting for a disk, and at_hand: for a loop. ERR_AGAIN: a worker has to do it. */
NODISCARD enum err store_get_at_hand(const struct store *s, const struct store_piece *p, struct store_file *ret,
                                     struct err_info *reterr);
void store_close(struct store_file *f); /* safe twice */

/* Reads by pread; *f is borrowed. Several readers may share one file. */
struct khseg_source store_source(const struct store_file *f);

/* What is not there is fine. Durable: the directory is synced. */
NODISCARD enum err store_remove(const struct store *s, const struct store_piece *p, struct err_info *reterr);

/* Everything in a recording's directory, and the directory. What is not there is fine. */
NODISCARD enum err store_remove_recording(const struct store *s, struct span project, struct span rid,
                                          struct err_info *reterr);

/* Removes temporary files that a crash left in all recordings. Call before anything writes. *ret_n: how many. */
NODISCARD enum err store_clean(const struct store *s, size_t *ret_n, struct err_info *reterr);

/* Visits every piece. The spans live for the call. Return false to stop. Names that are not ours are passed over. */
typedef bool (*store_visit)(void *ctx, const struct store_piece *p, uint64_t size);
NODISCARD enum err store_each(const struct store *s, store_visit visit, void *ctx, struct err_info *reterr);

/* The same within one recording. ERR_NOTFOUND: no directory of it. */
NODISCARD enum err store_each_of(const struct store *s, struct span project, struct span rid, store_visit visit,
                                 void *ctx, struct err_info *reterr);

/* Of the file system below the store. */
NODISCARD enum err store_space(const struct store *s, uint64_t *ret_free, uint64_t *ret_total,
                               struct err_info *reterr);
