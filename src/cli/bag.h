#pragma once
/*
 * bag: the files that `keyhole import` was given, found in directories or in archives, and which of them are one recording.
 *
 * Life:   bag_init -> (bag_add | bag_stdin)* -> bag_sort -> bag_job… -> bag_deinit.
 * Memory: a name and some numbers for each file; up to BAG_FILES_MAX. What was in an archive lies in one temporary file that
 *         has no name (TMPDIR, else /tmp), so nothing of it stays, however the command ends.
 * A tlog file with messages of several recordings becomes a file for each.
 * Links are not followed inside directories; what begins with a dot is passed over there.
 */
#include "base/err.h"
#include "codec/parts.h"

#define BAG_FILES_MAX   100000
#define BAG_ARCHIVE_MAX (16ull << 30) /* bytes out of one archive, and of those in it */

struct bag_file {
    char *path;     /* as it is shown: "dir/a.cast", "logs.zip: a/b.cast" */
    char *name;     /* within path: its last part */
    bool named;     /* by the user; others were found */
    bool boxed;     /* it lies in the spool, at 'at' */
    int64_t at, size; /* size -1: standard input */
    struct parts_file parts; /* role and group, after bag_sort */
};

struct bag_job {
    char *path;  /* what is imported: a file, or a directory whose files are one recording */
    char *title; /* the last part of it */
    bool named;
    int64_t size; /* of what is sent; -1: not known */
    size_t files[8], n_files; /* one: as it is; more: a tar of them, in this order */
    enum parts_kind kind;
};

/* An archive, a directory, or a file that could not be read: told where it happens. */
typedef void bag_trouble(void *ctx, const char *path, const char *cause);

struct bag {
    struct bag_file *files;
    size_t n_files;
    struct bag_job *jobs;
    size_t n_jobs;
    int spool; /* -1: none yet */
    int64_t spool_size;
    uint64_t archive_max; /* BAG_ARCHIVE_MAX */
    bag_trouble *trouble;
    void *ctx;
};

void bag_init(struct bag *b, bag_trouble *trouble, void *ctx);
void bag_deinit(struct bag *b);

/* A path that the user named. Troubles are told. */
void bag_add(struct bag *b, const char *path);
void bag_stdin(struct bag *b);

/* Says for --timing and --input-log which files go together; paths that bag_add was given. */
void bag_pair(struct bag *b, const char *typescript, const char *timing, const char *input);

/* Groups what lies in one directory; jobs in the order of their paths. */
void bag_sort(struct bag *b);

/* What a file holds, when it is none of a recording of several: NULL, or why it is no recording (fixed text). */
const char *bag_refusal(struct bag *b, const struct bag_job *job);

/* Reads a job from its beginning: bytes to 'to', 0 at the end, -1 with errno. One at a time. */
struct bag_reader {
    struct bag *bag;
    const struct bag_job *job;
    size_t file;
    int fd;
    int64_t at, pad;
    uint8_t header[512];
    size_t n_header;
    int phase;
};
void bag_open(struct bag *b, const struct bag_job *job, struct bag_reader *ret);
int64_t bag_read(struct bag_reader *r, void *to, size_t n);
void bag_close(struct bag_reader *r);

/* ---- for unbox.c and bag.c only */
struct bag_file *bag_new_file(struct bag *b, const char *path, const char *inner, bool named);
bool bag_spool(struct bag *b, const void *p, size_t n); /* at the end */
