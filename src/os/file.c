#include "os/file.h"

#include "base/times.h"

#include <dirent.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

static enum err err_of(int sys)
{
    switch (sys) {
    case ENOENT: return ERR_NOTFOUND;
    case EEXIST: return ERR_EXISTS;
    case ENOSPC:
    case EDQUOT: return ERR_NOSPC;
    case EACCES:
    case EPERM: return ERR_DENIED;
    default: return ERR_IO;
    }
}

void os_closep(int *fd)
{
    if (*fd >= 0)
        (void) close(*fd);
    *fd = -1;
}

enum err os_dir_open(const char *path, bool create, int *ret_fd, struct err_info *reterr)
{
    int fd;

    if (create && mkdir(path, 0700) != 0 && errno != EEXIST)
        return ERR_RAISE_SYS(reterr, err_of(errno), errno, "make directory %s", path);
    fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return ERR_RAISE_SYS(reterr, err_of(errno), errno, "open directory %s", path);
    *ret_fd = fd;
    return ERR_OK;
}

enum err os_dir_sub(int dirfd, const char *name, int *ret_fd, struct err_info *reterr)
{
    if (mkdirat(dirfd, name, 0700) != 0 && errno != EEXIST)
        return ERR_RAISE_SYS(reterr, err_of(errno), errno, "make directory %s", name);
    return os_file_open(dirfd, name, O_RDONLY | O_DIRECTORY, ret_fd, reterr);
}

static int open_beneath(int dirfd, const char *name, int flags, uint64_t resolve)
{
    struct open_how how = {
        .flags = (uint64_t) (flags | O_CLOEXEC),
        .mode = (flags & O_CREAT) != 0 ? 0600 : 0, /* openat2 refuses a mode where nothing is made */
        .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS | resolve,
    };

    return (int) syscall(SYS_openat2, dirfd, name, &how, sizeof(how));
}

enum err os_file_open(int dirfd, const char *name, int flags, int *ret_fd, struct err_info *reterr)
{
    int fd = open_beneath(dirfd, name, flags, 0);

    if (fd < 0)
        return ERR_RAISE_SYS(reterr, err_of(errno), errno, "open %s", name);
    *ret_fd = fd;
    return ERR_OK;
}

enum err os_file_open_at_hand(int dirfd, const char *path, int flags, int *ret_fd, struct err_info *reterr)
{
    int fd = open_beneath(dirfd, path, flags, RESOLVE_CACHED);

    if (fd < 0) /* whatever else is wrong, a worker finds out */
        return ERR_RAISE(reterr, ERR_AGAIN, "%s is not at hand", path);
    *ret_fd = fd;
    return ERR_OK;
}

static enum err read_whole(int fd, const char *name, struct buf *b, struct err_info *reterr)
{
    for (;;) {
        size_t room = b->max - b->n < 65536 ? b->max - b->n + 1 : 65536;
        uint8_t tmp[65536];
        ssize_t n = read(fd, tmp, room < sizeof(tmp) ? room : sizeof(tmp));

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return ERR_RAISE_SYS(reterr, ERR_IO, errno, "read %s", name);
        if (n == 0)
            return ERR_OK;
        buf_add(b, tmp, (size_t) n);
        if (b->failed)
            return ERR_RAISE(reterr, ERR_LIMIT, "%s is larger than %zu bytes", name, b->max);
    }
}

enum err os_file_read(int dirfd, const char *name, struct buf *b, struct err_info *reterr)
{
    CLEANUP(os_closep) int fd = -1;

    TRY(os_file_open(dirfd, name, O_RDONLY, &fd, reterr));
    return read_whole(fd, name, b, reterr);
}

enum err os_path_read(const char *path, struct buf *b, struct err_info *reterr)
{
    CLEANUP(os_closep) int fd = open(path, O_RDONLY | O_CLOEXEC);

    if (fd < 0)
        return ERR_RAISE_SYS(reterr, err_of(errno), errno, "open %s", path);
    return read_whole(fd, path, b, reterr);
}

enum err os_write_all(int fd, struct span bytes, struct err_info *reterr)
{
    while (bytes.n > 0) {
        ssize_t n = write(fd, bytes.p, bytes.n);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return ERR_RAISE_SYS(reterr, err_of(errno), errno, "write");
        bytes = span_sub(bytes, (size_t) n, bytes.n);
    }
    return ERR_OK;
}

enum err os_pread_all(int fd, uint64_t at, void *to, size_t n, struct err_info *reterr)
{
    uint8_t *p = to;

    while (n > 0) {
        ssize_t got = pread(fd, p, n, (off_t) at);

        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return ERR_RAISE_SYS(reterr, ERR_IO, errno, "read at %llu", (unsigned long long) at);
        if (got == 0)
            return ERR_RAISE(reterr, ERR_CORRUPT, "file ends before byte %llu", (unsigned long long) (at + n));
        p += got;
        at += (uint64_t) got;
        n -= (size_t) got;
    }
    return ERR_OK;
}

enum err os_pread_at_hand(int fd, uint64_t at, void *to, size_t n, struct err_info *reterr)
{
    struct iovec v = { to, n };
    ssize_t got = preadv2(fd, &v, 1, (off_t) at, RWF_NOWAIT);

    if (got < 0 || (size_t) got < n) /* part of it, or the end of the file: a worker finds out */
        return ERR_RAISE(reterr, ERR_AGAIN, "not at hand");
    return ERR_OK;
}

enum err os_sync(int fd, struct err_info *reterr)
{
    if (fsync(fd) != 0)
        return ERR_RAISE_SYS(reterr, err_of(errno), errno, "sync");
    return ERR_OK;
}

static enum err write_temporary(int dirfd, const char *tmp, struct span bytes, unsigned mode, struct err_info *reterr)
{
    CLEANUP(os_closep) int fd = -1;

    TRY(os_file_open(dirfd, tmp, O_WRONLY | O_CREAT | O_TRUNC, &fd, reterr));
    if (fchmod(fd, (mode_t) mode) != 0)
        return ERR_RAISE_SYS(reterr, err_of(errno), errno, "set the mode of %s", tmp);
    TRY(os_write_all(fd, bytes, reterr));
    return os_sync(fd, reterr);
}

static enum err put(int dirfd, const char *name, struct span bytes, unsigned mode, unsigned rename_flags,
                    struct err_info *reterr)
{
    char tmp[300];
    enum err e;

    if (snprintf(tmp, sizeof(tmp), "%s.tmp", name) >= (int) sizeof(tmp))
        return ERR_RAISE(reterr, ERR_LIMIT, "file name is too long");
    e = write_temporary(dirfd, tmp, bytes, mode, reterr);
    if (e == ERR_OK && renameat2(dirfd, tmp, dirfd, name, rename_flags) != 0)
        e = ERR_RAISE_SYS(reterr, err_of(errno), errno, "rename %s", tmp);
    if (e != ERR_OK) {
        (void) unlinkat(dirfd, tmp, 0); /* best effort: what was there before is still whole */
        return e;
    }
    return os_sync(dirfd, reterr);
}

enum err os_file_replace(int dirfd, const char *name, struct span bytes, unsigned mode, struct err_info *reterr)
{
    return put(dirfd, name, bytes, mode, 0, reterr);
}

enum err os_file_create(int dirfd, const char *name, struct span bytes, unsigned mode, struct err_info *reterr)
{
    return put(dirfd, name, bytes, mode, RENAME_NOREPLACE, reterr);
}

static enum err allocate(int dirfd, const char *name, size_t n, struct err_info *reterr)
{
    CLEANUP(os_closep) int fd = -1;
    int r;

    TRY(os_file_open(dirfd, name, O_WRONLY | O_CREAT | O_TRUNC, &fd, reterr));
    do
        r = posix_fallocate(fd, 0, (off_t) n);
    while (r == EINTR);
    if (r != 0)
        return ERR_RAISE_SYS(reterr, err_of(r), r, "allocate %zu bytes for %s", n, name);
    return os_sync(fd, reterr);
}

enum err os_file_allocate(int dirfd, const char *name, size_t n, struct err_info *reterr)
{
    enum err e = allocate(dirfd, name, n, reterr);

    if (e != ERR_OK) {
        (void) unlinkat(dirfd, name, 0); /* best effort: what there is of it is not what was wanted */
        return e;
    }
    return os_sync(dirfd, reterr);
}

enum err os_file_size(int fd, uint64_t *ret, struct err_info *reterr)
{
    struct stat st;

    if (fstat(fd, &st) != 0)
        return ERR_RAISE_SYS(reterr, ERR_IO, errno, "ask for a file's size");
    if (!S_ISREG(st.st_mode))
        return ERR_RAISE(reterr, ERR_CORRUPT, "not a regular file");
    *ret = (uint64_t) st.st_size;
    return ERR_OK;
}

enum err os_file_remove(int dirfd, const char *name, struct err_info *reterr)
{
    if (unlinkat(dirfd, name, 0) != 0 && errno != ENOENT)
        return ERR_RAISE_SYS(reterr, err_of(errno), errno, "remove %s", name);
    return ERR_OK;
}

enum err os_dir_remove(int dirfd, const char *name, struct err_info *reterr)
{
    if (unlinkat(dirfd, name, AT_REMOVEDIR) == 0 || errno == ENOENT)
        return ERR_OK;
    if (errno == ENOTEMPTY)
        return ERR_RAISE_SYS(reterr, ERR_EXISTS, errno, "remove %s", name);
    return ERR_RAISE_SYS(reterr, err_of(errno), errno, "remove %s", name);
}

static enum err visit_all(DIR *d, os_dir_visit *visit, void *ctx, struct err_info *reterr)
{
    for (;;) {
        struct dirent *e;
        struct stat st;

        errno = 0;
        e = readdir(d);
        if (e == NULL && errno != 0)
            return ERR_RAISE_SYS(reterr, ERR_IO, errno, "read a directory");
        if (e == NULL)
            return ERR_OK;
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0 ||
            fstatat(dirfd(d), e->d_name, &st, AT_SYMLINK_NOFOLLOW) != 0) /* gone meanwhile */
            continue;
        TRY(visit(ctx, e->d_name, st.st_mode & S_IFMT, reterr));
    }
}

enum err os_dir_each(int dir, os_dir_visit *visit, void *ctx, struct err_info *reterr)
{
    int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC); /* a position of its own */
    DIR *d = fd < 0 ? NULL : fdopendir(fd);
    enum err e;

    if (d == NULL) {
        e = ERR_RAISE_SYS(reterr, err_of(errno), errno, "read a directory");
        os_closep(&fd);
        return e;
    }
    e = visit_all(d, visit, ctx, reterr);
    (void) closedir(d);
    return e;
}

void os_dir_walk(int dirfd, void (*fn)(int dirfd, const char *name, int depth), int depth)
{
    int fd = openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *d = fd < 0 ? NULL : fdopendir(fd);
    struct dirent *e;

    if (d == NULL) {
        os_closep(&fd);
        return;
    }
    while ((e = readdir(d)) != NULL) {
        if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
            fn(dirfd, e->d_name, depth);
    }
    (void) closedir(d);
}

enum err os_lock(int dirfd, const char *name, int wait_ms, int *ret_fd, struct err_info *reterr)
{
    CLEANUP(os_closep) int fd = -1;
    const struct timespec step = { 0, 20 * 1000000 };

    TRY(os_file_open(dirfd, name, O_RDWR | O_CREAT, &fd, reterr));
    for (;;) {
        if (flock(fd, LOCK_EX | LOCK_NB) == 0)
            break;
        if (errno != EWOULDBLOCK && errno != EINTR)
            return ERR_RAISE_SYS(reterr, ERR_IO, errno, "lock %s", name);
        if (wait_ms <= 0)
            return ERR_RAISE(reterr, ERR_EXISTS, "another server runs on this directory");
        (void) nanosleep(&step, NULL);
        wait_ms -= 20;
    }
    *ret_fd = fd;
    fd = -1;
    return ERR_OK;
}

enum err os_space(int fd, uint64_t *ret_free, uint64_t *ret_total, struct err_info *reterr)
{
    struct statvfs v;

    if (fstatvfs(fd, &v) != 0)
        return ERR_RAISE_SYS(reterr, ERR_IO, errno, "ask for free space");
    *ret_free = (uint64_t) v.f_bavail * v.f_frsize;
    *ret_total = (uint64_t) v.f_blocks * v.f_frsize;
    return ERR_OK;
}

/* linux/ioprio.h is not in every libc's headers */
#define IOPRIO_WHO_THREAD 1
#define IOPRIO_IDLE       (3 << 13)
#define IOPRIO_NONE       0

void os_background(bool on)
{
    (void) syscall(SYS_ioprio_set, IOPRIO_WHO_THREAD, 0, on ? IOPRIO_IDLE : IOPRIO_NONE);
}
