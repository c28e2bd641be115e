#include "store/store.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/num.h"
#include "format/id.h"
#include "os/file.h"

#define NAME_CAP 32
#define SUFFIX   ".khs"
#define TMP      ".tmp"

struct store {
    int dir; /* DIR/blobs */
};

enum err store_open(const char *dir, struct store **ret, struct err_info *reterr)
{
    CLEANUP(store_freep) struct store *s = malloc(sizeof(*s));
    CLEANUP(os_closep) int top = -1;

    if (s == NULL)
        return ERR_RAISE(reterr, ERR_NOMEM, "store");
    s->dir = -1;
    TRY(os_dir_open(dir, /* create= */ false, &top, reterr));
    TRY(os_dir_sub(top, "blobs", &s->dir, reterr));
    TRY(os_sync(top, reterr));
    *ret = TAKE(s);
    return ERR_OK;
}

struct store *store_free(struct store *s)
{
    if (s == NULL)
        return NULL;
    os_closep(&s->dir);
    free(s);
    return NULL;
}

void store_freep(struct store **s)
{
    *s = store_free(*s);
}

/* ---- names ---- */

static void piece_name(uint32_t seg_no, char out[NAME_CAP])
{
    (void) snprintf(out, NAME_CAP, "%u" SUFFIX, seg_no);
}

/* "17.khs": digits without a zero before them. */
static bool parse_piece_name(const char *name, uint32_t *ret)
{
    struct span digits;
    uint64_t v;

    (void) span_cut(span_str(name), '.', &digits, &(struct span){ NULL, 0 });
    if (!num_u64(digits, UINT32_MAX, &v) || strcmp(name + digits.n, SUFFIX) != 0 || (digits.n > 1 && name[0] == '0'))
        return false;
    *ret = (uint32_t) v;
    return true;
}

static bool is_tmp(const char *name)
{
    size_t n = strlen(name);

    return n > sizeof(TMP) - 1 && strcmp(name + n - (sizeof(TMP) - 1), TMP) == 0;
}

/* ---- the way down ---- */

static enum err open_dir(int at, const char *name, int *ret_fd, struct err_info *reterr)
{
    return os_file_open(at, name, O_RDONLY | O_DIRECTORY, ret_fd, reterr);
}

/* Closes *at and puts the directory below it there. A new directory is durable before anything is put into it. */
static enum err descend(int *at, const char *name, bool create, struct err_info *reterr)
{
    CLEANUP(os_closep) int fd = -1;
    enum err e = open_dir(*at, name, &fd, reterr);

    if (e == ERR_NOTFOUND && create) {
        TRY(os_dir_sub(*at, name, &fd, reterr));
        e = os_sync(*at, reterr);
    }
    TRY(e);
    os_closep(at);
    *at = fd;
    fd = -1;
    return ERR_OK;
}

/* The directory that holds the recording's own: <project>/<2 characters>. */
static enum err open_shard(const struct store *s, struct span project, struct span rid, bool create, int *ret_fd,
                           struct err_info *reterr)
{
    CLEANUP(os_closep) int fd = -1;
    char pid[ID_CAP], two[3];

    if (!id_check(project, ID_PROJECT) || !id_check(rid, ID_RECORDING))
        return ERR_RAISE(reterr, ERR_INVAL, "store: not the ids of a project and a recording");
    (void) span_to_str(project, pid, sizeof(pid)); /* fits: id_check knows the length */
    two[0] = (char) rid.p[2], two[1] = (char) rid.p[3], two[2] = '\0';
    TRY(open_dir(s->dir, ".", &fd, reterr));
    TRY(descend(&fd, pid, create, reterr));
    TRY(descend(&fd, two, create, reterr));
    *ret_fd = fd;
    fd = -1;
    return ERR_OK;
}

static enum err open_recording(const struct store *s, struct span project, struct span rid, bool create, int *ret_fd,
                               struct err_info *reterr)
{
    CLEANUP(os_closep) int fd = -1;
    char name[ID_CAP];

    TRY(open_shard(s, project, rid, create, &fd, reterr));
    (void) span_to_str(rid, name, sizeof(name));
    TRY(descend(&fd, name, create, reterr));
    *ret_fd = fd;
    fd = -1;
    return ERR_OK;
}

/* ---- pieces ---- */

enum err store_put(const struct store *s, const struct store_piece *p, struct span file, struct err_info *reterr)
{
    CLEANUP(os_closep) int dir = -1;
    char name[NAME_CAP];

    piece_name(p->seg_no, name);
    TRY(open_recording(s, p->project, p->rid, /* create= */ true, &dir, reterr));
    return os_file_create(dir, name, file, 0600, reterr);
}

enum err store_get(const struct store *s, const struct store_piece *p, struct store_file *ret, struct err_info *reterr)
{
    CLEANUP(os_closep) int dir = -1;
    CLEANUP(os_closep) int fd = -1;
    char name[NAME_CAP];
    uint64_t size = 0;

    piece_name(p->seg_no, name);
    TRY(open_recording(s, p->project, p->rid, /* create= */ false, &dir, reterr));
    TRY(os_file_open(dir, name, O_RDONLY | O_NONBLOCK, &fd, reterr)); /* a planted fifo does not hold us up */
    TRY(os_file_size(fd, &size, reterr));
    *ret = (struct store_file){ .fd = fd, .size = size };
    fd = -1;
    return ERR_OK;
}

enum err store_get_at_hand(const struct store *s, const struct store_piece *p, struct store_file *ret,
                           struct err_info *reterr)
{
    CLEANUP(os_closep) int fd = -1;
    char path[3 * ID_CAP + NAME_CAP];
    uint64_t size = 0;

    if (!id_check(p->project, ID_PROJECT) || !id_check(p->rid, ID_RECORDING))
        return ERR_RAISE(reterr, ERR_INVAL, "store: not the ids of a project and a recording");
    (void) snprintf(path, sizeof(path), "%.*s/%.2s/%.*s/%u" SUFFIX, SPAN_ARG(p->project), (const char *) p->rid.p + 2,
                    SPAN_ARG(p->rid), p->seg_no);
    TRY(os_file_open_at_hand(s->dir, path, O_RDONLY | O_NONBLOCK, &fd, reterr));
    TRY(os_file_size(fd, &size, reterr));
    *ret = (struct store_file){ .fd = fd, .size = size, .at_hand = true };
    fd = -1;
    return ERR_OK;
}

void store_close(struct store_file *f)
{
    os_closep(&f->fd);
    f->size = 0;
}

static enum err read_file(void *ctx, uint64_t at, void *to, size_t n, struct err_info *reterr)
{
    const struct store_file *f = ctx;

    return f->at_hand ? os_pread_at_hand(f->fd, at, to, n, reterr) : os_pread_all(f->fd, at, to, n, reterr);
}

struct khseg_source store_source(const struct store_file *f)
{
    return (struct khseg_source){ .size = f->size, .read = read_file, .ctx = (void *) (uintptr_t) f };
}

enum err store_remove(const struct store *s, const struct store_piece *p, struct err_info *reterr)
{
    CLEANUP(os_closep) int dir = -1;
    char name[NAME_CAP];
    enum err e = open_recording(s, p->project, p->rid, /* create= */ false, &dir, reterr);

    if (e == ERR_NOTFOUND)
        return ERR_OK;
    TRY(e);
    piece_name(p->seg_no, name);
    TRY(os_file_remove(dir, name, reterr));
    return os_sync(dir, reterr);
}

static enum err remove_file(void *ctx, const char *name, unsigned type, struct err_info *reterr)
{
    const int *dir = ctx;

    return type == S_IFDIR ? ERR_OK : os_file_remove(*dir, name, reterr); /* a directory is not ours: rmdir will say so */
}

enum err store_remove_recording(const struct store *s, struct span project, struct span rid, struct err_info *reterr)
{
    CLEANUP(os_closep) int shard = -1;
    CLEANUP(os_closep) int dir = -1;
    char name[ID_CAP];
    enum err e = open_shard(s, project, rid, /* create= */ false, &shard, reterr);

    if (e == ERR_OK) {
        (void) span_to_str(rid, name, sizeof(name));
        e = open_dir(shard, name, &dir, reterr);
    }
    if (e == ERR_NOTFOUND)
        return ERR_OK;
    TRY(e);
    TRY(os_dir_each(dir, remove_file, &dir, reterr));
    TRY(os_dir_remove(shard, name, reterr));
    return os_sync(shard, reterr);
}

/* ---- walks: blobs / project / two characters / recording / file ---- */

struct walk {
    int dir; /* the directory whose names come */
    struct span project, rid;
    store_visit visit; /* NULL: remove temporary files instead */
    void *ctx;
    bool *stopped;
    size_t *n_removed;
};

static enum err at_file(void *ctx, const char *name, unsigned type, struct err_info *reterr)
{
    struct walk *w = ctx;
    struct store_piece p = { .project = w->project, .rid = w->rid };
    CLEANUP(os_closep) int fd = -1;
    uint64_t size = 0;
    enum err e;

    if (*w->stopped || type != S_IFREG)
        return ERR_OK;
    if (w->visit == NULL) {
        if (is_tmp(name)) {
            TRY(os_file_remove(w->dir, name, reterr));
            (*w->n_removed)++;
        }
        return ERR_OK;
    }
    if (!parse_piece_name(name, &p.seg_no))
        return ERR_OK;
    e = os_file_open(w->dir, name, O_RDONLY | O_NONBLOCK, &fd, reterr);
    if (e == ERR_NOTFOUND) /* removed meanwhile */
        return ERR_OK;
    TRY(e);
    TRY(os_file_size(fd, &size, reterr));
    *w->stopped = !w->visit(w->ctx, &p, size);
    return ERR_OK;
}

/* Goes into dir/name with the next level's visitor. */
static enum err enter(const struct walk *w, const char *name, os_dir_visit *next, struct walk *below,
                      struct err_info *reterr)
{
    CLEANUP(os_closep) int fd = -1;
    enum err e = open_dir(w->dir, name, &fd, reterr);

    if (e == ERR_NOTFOUND)
        return ERR_OK;
    TRY(e);
    below->dir = fd;
    return os_dir_each(fd, next, below, reterr);
}

static enum err at_recording(void *ctx, const char *name, unsigned type, struct err_info *reterr)
{
    const struct walk *w = ctx;
    struct walk below = *w;

    below.rid = span_str(name);
    if (*w->stopped || type != S_IFDIR || !id_check(below.rid, ID_RECORDING))
        return ERR_OK;
    return enter(w, name, at_file, &below, reterr);
}

static enum err at_shard(void *ctx, const char *name, unsigned type, struct err_info *reterr)
{
    const struct walk *w = ctx;
    struct walk below = *w;

    if (*w->stopped || type != S_IFDIR || strlen(name) != 2)
        return ERR_OK;
    return enter(w, name, at_recording, &below, reterr);
}

static enum err at_project(void *ctx, const char *name, unsigned type, struct err_info *reterr)
{
    const struct walk *w = ctx;
    struct walk below = *w;

    below.project = span_str(name);
    if (*w->stopped || type != S_IFDIR || !id_check(below.project, ID_PROJECT))
        return ERR_OK;
    return enter(w, name, at_shard, &below, reterr);
}

enum err store_each(const struct store *s, store_visit visit, void *ctx, struct err_info *reterr)
{
    bool stopped = false;
    struct walk w = { .dir = s->dir, .visit = visit, .ctx = ctx, .stopped = &stopped };

    return os_dir_each(s->dir, at_project, &w, reterr);
}

enum err store_each_of(const struct store *s, struct span project, struct span rid, store_visit visit, void *ctx,
                       struct err_info *reterr)
{
    CLEANUP(os_closep) int dir = -1;
    bool stopped = false;
    struct walk w = { .project = project, .rid = rid, .visit = visit, .ctx = ctx, .stopped = &stopped };

    TRY(open_recording(s, project, rid, /* create= */ false, &dir, reterr));
    w.dir = dir;
    return os_dir_each(dir, at_file, &w, reterr);
}

enum err store_clean(const struct store *s, size_t *ret_n, struct err_info *reterr)
{
    bool stopped = false;
    size_t n = 0;
    struct walk w = { .dir = s->dir, .stopped = &stopped, .n_removed = &n };

    TRY(os_dir_each(s->dir, at_project, &w, reterr));
    *ret_n = n;
    return ERR_OK;
}

enum err store_space(const struct store *s, uint64_t *ret_free, uint64_t *ret_total, struct err_info *reterr)
{
    return os_space(s->dir, ret_free, ret_total, reterr);
}
