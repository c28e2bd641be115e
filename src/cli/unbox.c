#include "cli/unbox.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define BLOCK     65536
#define DEPTH_MAX 2 /* an archive in an archive, and a packed file in that */

/* Asked before libarchive is: a recording is no archive, and most files are recordings. */
static bool may_be(const uint8_t *p, size_t n)
{
    static const struct {
        size_t at;
        const char *magic;
        size_t n;
    } magics[] = { { 0, "\x1f\x8b", 2 },         { 0, "BZh", 3 },     { 0, "\xfd" "7zXZ", 5 }, { 0, "PK\3\4", 4 },
                   { 0, "\x28\xb5\x2f\xfd", 4 }, { 257, "ustar", 5 }, { 0, "\x04\x22\x4d\x18", 4 },
                   { 0, "7z\xbc\xaf\x27\x1c", 6 } };

    for (size_t i = 0; i < sizeof(magics) / sizeof(magics[0]); i++)
        if (n >= magics[i].at + magics[i].n && memcmp(p + magics[i].at, magics[i].magic, magics[i].n) == 0)
            return true;
    return false;
}

/* A file, or a part of the spool. */
struct slice {
    int fd;
    int64_t at, end;
    uint8_t block[BLOCK];
};

static la_ssize_t read_slice(struct archive *a, void *ctx, const void **ret)
{
    struct slice *s = ctx;
    size_t n = s->end - s->at < BLOCK ? (size_t) (s->end - s->at) : BLOCK;
    ssize_t got = n == 0 ? 0 : pread(s->fd, s->block, n, s->at);

    *ret = s->block;
    if (got < 0) {
        archive_set_error(a, errno, "read");
        return -1;
    }
    s->at += got;
    return got;
}

static struct archive *open_it(struct slice *s)
{
    struct archive *a = archive_read_new();

    if (a == NULL)
        return NULL;
    (void) archive_read_support_filter_all(a);
    (void) archive_read_support_format_tar(a);
    (void) archive_read_support_format_zip(a);
    (void) archive_read_support_format_7zip(a);
    (void) archive_read_support_format_cpio(a);
    (void) archive_read_support_format_raw(a);
    if (archive_read_open(a, s, NULL, read_slice, NULL) == ARCHIVE_OK)
        return a;
    (void) archive_read_free(a);
    return NULL;
}

static bool server_takes(struct archive *a)
{
    int code = archive_filter_code(a, 0);

    return archive_filter_count(a) <= 2 && (code == ARCHIVE_FILTER_GZIP || code == ARCHIVE_FILTER_ZSTD);
}

/* Bytes of one entry into the spool. */
static const char *entry_bytes(struct bag *b, struct archive *a, struct bag_file *f, uint64_t *total)
{
    uint8_t *block = malloc(BLOCK);
    const char *wrong = NULL;
    la_ssize_t got = 0;

    if (block == NULL)
        return "no memory";
    f->at = b->spool_size;
    while (wrong == NULL && (got = archive_read_data(a, block, BLOCK)) > 0) {
        *total += (uint64_t) got;
        if (*total > b->archive_max)
            wrong = "more than 16 GiB when unpacked, with the archives in it";
        else if (!bag_spool(b, block, (size_t) got))
            wrong = "no room for it in the directory for temporary files";
        f->size += got;
    }
    if (wrong == NULL && got < 0)
        wrong = "damaged, or cut short, or locked with a password";
    free(block);
    return wrong;
}

/* "x.ttyrec.bz2" packed alone: what is in it is called "x.ttyrec". */
static char *without_suffix(const char *path)
{
    static const char *const suffixes[] = { ".bz2", ".xz", ".lz4", ".gz", ".zst" };
    char *name = strdup(path);

    for (size_t i = 0; name != NULL && i < sizeof(suffixes) / sizeof(suffixes[0]); i++) {
        size_t n = strlen(name), m = strlen(suffixes[i]);

        if (n > m && strcmp(name + n - m, suffixes[i]) == 0) {
            name[n - m] = '\0';
            break;
        }
    }
    return name;
}

static enum unboxed unbox_slice(struct bag *b, int fd, int64_t at, int64_t size, const char *path, bool named, int depth, uint64_t *total);

static const char *take(struct bag *b, struct archive *a, struct archive_entry *e, const char *path, bool named, int depth,
                        uint64_t *total)
{
    bool raw = archive_format(a) == ARCHIVE_FORMAT_RAW;
    const char *inner = raw ? NULL : archive_entry_pathname(e);
    char *alone = raw ? without_suffix(path) : NULL;
    struct bag_file *f;
    const char *wrong;

    if (!raw && (archive_entry_filetype(e) != AE_IFREG || archive_entry_hardlink(e) != NULL || inner == NULL))
        return NULL;
    f = bag_new_file(b, raw ? alone : path, inner, named && raw);
    free(alone);
    if (f == NULL)
        return "too many files";
    f->boxed = true;
    wrong = entry_bytes(b, a, f, total);
    if (wrong == NULL && depth < DEPTH_MAX) { /* packed again: then what is in it is the file */
        struct bag_file packed = *f;

        b->n_files--;
        if (unbox_slice(b, b->spool, packed.at, packed.size, packed.path, packed.named, depth + 1, total) == UNBOX_PLAIN)
            b->n_files++;
        else
            free(packed.path);
    } else if (wrong != NULL) {
        b->n_files--;
        free(f->path);
    }
    return wrong;
}

static enum unboxed read_all(struct bag *b, struct archive *a, const char *path, bool named, int depth, uint64_t *total)
{
    struct archive_entry *e;
    const char *wrong = NULL;
    int rc = archive_read_next_header(a, &e);

    if (rc == ARCHIVE_OK && archive_format(a) == ARCHIVE_FORMAT_RAW && server_takes(a))
        return UNBOX_PLAIN;
    for (; rc == ARCHIVE_OK || rc == ARCHIVE_WARN; rc = archive_read_next_header(a, &e)) {
        wrong = take(b, a, e, path, named, depth, total);
        if (wrong != NULL)
            break;
    }
    if (wrong == NULL && rc != ARCHIVE_EOF && rc != ARCHIVE_OK)
        wrong = "an archive that is damaged or cut short";
    if (wrong == NULL)
        return UNBOX_TAKEN;
    b->trouble(b->ctx, path, wrong);
    return UNBOX_BROKEN;
}

/* total: bytes out of the outermost one so far. */
static enum unboxed unbox_slice(struct bag *b, int fd, int64_t at, int64_t size, const char *path, bool named, int depth, uint64_t *total)
{
    uint8_t first[512];
    ssize_t n = size > 0 ? pread(fd, first, size < (int64_t) sizeof(first) ? (size_t) size : sizeof(first), at) : 0;
    struct slice *s;
    struct archive *a;
    enum unboxed how;

    if (n <= 0 || !may_be(first, (size_t) n))
        return UNBOX_PLAIN;
    s = malloc(sizeof(*s));
    if (s == NULL)
        return UNBOX_PLAIN;
    *s = (struct slice){ .fd = fd, .at = at, .end = at + size };
    a = open_it(s);
    how = a != NULL ? read_all(b, a, path, named, depth, total) : UNBOX_PLAIN; /* what the server says of it is as good */
    if (a != NULL)
        (void) archive_read_free(a);
    free(s);
    return how;
}

enum unboxed unbox(struct bag *b, int fd, int64_t size, const char *path, bool named)
{
    uint64_t total = 0;

    return unbox_slice(b, fd, 0, size, path, named, 0, &total);
}
