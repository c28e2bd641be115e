#pragma once
/*
 * Files under a directory descriptor. Names are ours (generated ids), never from outside; even so every open resolves
 * beneath its directory and follows no symbolic link (openat2, A18/A35).
 *
 * Durability: os_file_replace writes a temporary file, fsyncs it, renames it, fsyncs the directory. A failing sync is
 * ERR_IO and must not be retried (STANDARDS 3.4 rule 2); a full disk is ERR_NOSPC.
 */
#include "base/buf.h"

/* CLEANUP(os_closep) int fd = -1; */
void os_closep(int *fd);

/* Opens a directory (creating it with mode 0700 when 'create'). Paths from configuration, so links are followed here. */
NODISCARD enum err os_dir_open(const char *path, bool create, int *ret_fd, struct err_info *reterr);
/* Makes and opens dir/name, one level, mode 0700; existing is fine. */
NODISCARD enum err os_dir_sub(int dirfd, const char *name, int *ret_fd, struct err_info *reterr);

/* flags as open(2): O_RDONLY, O_RDWR | O_CREAT …; O_CLOEXEC is added; mode 0600. ERR_NOTFOUND, ERR_EXISTS, ERR_IO. */
NODISCARD enum err os_file_open(int dirfd, const char *name, int flags, int *ret_fd, struct err_info *reterr);

/* Whole file, at most b->max bytes (ERR_LIMIT). Appends to b. */
NODISCARD enum err os_file_read(int dirfd, const char *name, struct buf *b, struct err_info *reterr);
/* The same for a path that the configuration names: links are followed, any directory. */
NODISCARD enum err os_path_read(const char *path, struct buf *b, struct err_info *reterr);
NODISCARD enum err os_file_replace(int dirfd, const char *name, struct span bytes, unsigned mode,
                                   struct err_info *reterr);

/* As os_file_replace, for a name that must be new. ERR_EXISTS: it is not, and what is there stays as it is. */
NODISCARD enum err os_file_create(int dirfd, const char *name, struct span bytes, unsigned mode,
                                  struct err_info *reterr);

/* A file of so many bytes whose blocks are all its own, synced. ERR_NOSPC: nothing stays of it. */
NODISCARD enum err os_file_allocate(int dirfd, const char *name, size_t n, struct err_info *reterr);

/* Bytes of an open file. ERR_CORRUPT: not a regular file. */
NODISCARD enum err os_file_size(int fd, uint64_t *ret, struct err_info *reterr);

/* All bytes or an error; EINTR and short counts are handled. pread past the end is ERR_CORRUPT. */
NODISCARD enum err os_write_all(int fd, struct span bytes, struct err_info *reterr);
NODISCARD enum err os_pread_all(int fd, uint64_t at, void *to, size_t n, struct err_info *reterr);

/*
 * The same of what is in memory, for a loop that must not wait for a disk. ERR_AGAIN: it is not (or the file system cannot say);
 * ask again from a worker. os_file_open_at_hand takes a path of several names.
 */
NODISCARD enum err os_file_open_at_hand(int dirfd, const char *path, int flags, int *ret_fd, struct err_info *reterr);
NODISCARD enum err os_pread_at_hand(int fd, uint64_t at, void *to, size_t n, struct err_info *reterr);

NODISCARD enum err os_sync(int fd, struct err_info *reterr);

/* Removing what is not there is fine. */
NODISCARD enum err os_file_remove(int dirfd, const char *name, struct err_info *reterr);

/* An empty directory; ERR_EXISTS: it is not empty. What is not there is fine. */
NODISCARD enum err os_dir_remove(int dirfd, const char *name, struct err_info *reterr);

/* Visits every name in a directory but . and .., in no order, with its type of lstat(2) (S_IFREG, S_IFDIR …). An error of
 * 'visit' ends it and is passed up. Names may be removed meanwhile. */
typedef enum err os_dir_visit(void *ctx, const char *name, unsigned type, struct err_info *reterr);
NODISCARD enum err os_dir_each(int dirfd, os_dir_visit *visit, void *ctx, struct err_info *reterr);

/* Calls fn(dirfd, name, depth) for each entry of a directory but "." and "..". The entry may be removed by fn. */
void os_dir_walk(int dirfd, void (*fn)(int dirfd, const char *name, int depth), int depth);

/* Takes an exclusive lock on dir/name for the life of *ret_fd; waits up to wait_ms for a predecessor. ERR_EXISTS: held. */
NODISCARD enum err os_lock(int dirfd, const char *name, int wait_ms, int *ret_fd, struct err_info *reterr);

/* While on, this thread is last in line for the disk. Best effort. */
void os_background(bool on);

/* Free and total bytes of the file system below fd. */
NODISCARD enum err os_space(int fd, uint64_t *ret_free, uint64_t *ret_total, struct err_info *reterr);
