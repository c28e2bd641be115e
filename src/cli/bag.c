#include "cli/bag.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/map.h"
#include "cli/unbox.h"
#include "codec/sniff.h"
#include "codec/tlog.h"
#include "codec/unpack.h"
#include "crypto/random.h"
#include "os/file.h"

#define DEPTH_MAX 32
#define TAR       512
#define GROUP_MAX 4096 /* files of one directory; among more, each is one of its own */

void bag_init(struct bag *b, bag_trouble *trouble, void *ctx)
{
    *b = (struct bag){ .spool = -1, .archive_max = BAG_ARCHIVE_MAX, .trouble = trouble, .ctx = ctx };
}

void bag_deinit(struct bag *b)
{
    for (size_t i = 0; i < b->n_files; i++)
        free(b->files[i].path);
    for (size_t i = 0; i < b->n_jobs; i++)
        free(b->jobs[i].path);
    free(b->files);
    free(b->jobs);
    if (b->spool >= 0)
        (void) close(b->spool);
}

/* ---- files */

struct bag_file *bag_new_file(struct bag *b, const char *path, const char *inner, bool named)
{
    struct bag_file *f;
    char *slash;

    if (b->n_files == BAG_FILES_MAX)
        return NULL;
    if (b->n_files % 256 == 0) {
        f = realloc(b->files, (b->n_files + 256) * sizeof(*f));
        if (f == NULL)
            return NULL;
        b->files = f;
    }
    f = &b->files[b->n_files];
    *f = (struct bag_file){ .named = named };
    if (asprintf(&f->path, "%s%s%s", path, inner != NULL ? ": " : "", inner != NULL ? inner : "") < 0)
        return NULL;
    f->name = inner != NULL ? f->path + strlen(path) + 2 : f->path;
    slash = strrchr(f->name, '/');
    if (slash != NULL)
        f->name = slash + 1;
    b->n_files++;
    return f;
}

static bool open_spool(struct bag *b)
{
    const char *dir = getenv("TMPDIR");
    char name[4096];

    if (b->spool >= 0)
        return true;
    (void) snprintf(name, sizeof(name), "%s/keyhole-import-XXXXXX", dir != NULL && dir[0] == '/' ? dir : "/tmp");
    b->spool = mkostemp(name, O_CLOEXEC);
    return b->spool >= 0 && unlink(name) == 0;
}

static bool spool_at(struct bag *b, int64_t at, const void *p, size_t n)
{
    struct err_info e;

    return open_spool(b) && lseek(b->spool, at, SEEK_SET) >= 0 && os_write_all(b->spool, span_of(p, n), &e) == ERR_OK;
}

bool bag_spool(struct bag *b, const void *p, size_t n)
{
    if (!spool_at(b, b->spool_size, p, n))
        return false;
    b->spool_size += (int64_t) n;
    return true;
}

static int open_file(const struct bag *b, const struct bag_file *f)
{
    return f->boxed ? dup(b->spool) : open(f->path, O_RDONLY | O_CLOEXEC | O_NOCTTY | (f->size < 0 ? 0 : O_NONBLOCK));
}

static void add_dir(struct bag *b, const char *path, int depth);

static void add_regular(struct bag *b, int fd, const char *path, const struct stat *st, bool named)
{
    struct bag_file *f;

    if (unbox(b, fd, (int64_t) st->st_size, path, named) != UNBOX_PLAIN)
        return;
    f = bag_new_file(b, path, NULL, named);
    if (f == NULL)
        b->trouble(b->ctx, path, "too many files");
    else
        f->size = (int64_t) st->st_size;
}

/* A pipe is not opened before it is read: its writer would see it close. */
static void add_path(struct bag *b, const char *path, bool named, int depth)
{
    CLEANUP(os_closep) int fd = -1;
    struct stat st;

    if ((named ? stat(path, &st) : lstat(path, &st)) != 0) {
        b->trouble(b->ctx, path, strerror(errno));
        return;
    }
    if (S_ISREG(st.st_mode))
        fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (S_ISREG(st.st_mode) && (fd < 0 || fstat(fd, &st) != 0)) {
        b->trouble(b->ctx, path, strerror(errno));
    } else if (S_ISDIR(st.st_mode)) {
        add_dir(b, path, depth + 1);
    } else if (S_ISREG(st.st_mode)) {
        add_regular(b, fd, path, &st, named);
    } else if (named) {
        struct bag_file *f = bag_new_file(b, path, NULL, true);

        if (f != NULL)
            f->size = -1;
    }
}

static void add_dir(struct bag *b, const char *path, int depth)
{
    size_t n = strlen(path);
    struct dirent **names;
    int found = depth > DEPTH_MAX ? -1 : scandir(path, &names, NULL, alphasort);

    if (found < 0) {
        b->trouble(b->ctx, path, depth > DEPTH_MAX ? "directories nested too deeply" : strerror(errno));
        return;
    }
    for (int i = 0; i < found; i++) {
        char *inner = NULL;

        if (names[i]->d_name[0] != '.' &&
            asprintf(&inner, "%s%s%s", path, n > 0 && path[n - 1] == '/' ? "" : "/", names[i]->d_name) >= 0)
            add_path(b, inner, false, depth);
        free(inner);
        free(names[i]);
    }
    free(names);
}

void bag_add(struct bag *b, const char *path)
{
    add_path(b, path, true, 0);
}

void bag_stdin(struct bag *b)
{
    struct bag_file *f = bag_new_file(b, "-", NULL, true);
    struct stat st;

    if (f == NULL)
        return;
    f->size = fstat(STDIN_FILENO, &st) == 0 && S_ISREG(st.st_mode) ? (int64_t) st.st_size - (int64_t) lseek(STDIN_FILENO, 0, SEEK_CUR) : -1;
}

/* ---- beginnings */

/* The first bytes, unpacked when the server would unpack them. At most n of them. */
static struct span beginning(const struct bag *b, const struct bag_file *f, uint8_t *to, size_t n)
{
    CLEANUP(os_closep) int fd = f->size < 0 ? -1 : open_file(b, f);
    struct unpack_limits limits = unpack_limits_import();
    uint8_t *raw = malloc(n);
    enum unpack_codec codec;
    struct unpack *u = NULL;
    struct span in;
    ssize_t got = -1;
    size_t made, all = 0;

    if (fd >= 0 && raw != NULL)
        got = pread(fd, raw, f->boxed && f->size < (int64_t) n ? (size_t) f->size : n, f->boxed ? f->at : 0);
    in = span_of(raw, got > 0 ? (size_t) got : 0);
    if (unpack_sniff(span_sub(in, 0, UNPACK_SNIFF_MIN), &codec, NULL) == ERR_OK)
        u = unpack_new(codec, &limits);
    while (u != NULL && all < n && unpack_step(u, &in, to + all, n - all, &made, NULL) == ERR_OK && (made > 0 || in.n > 0))
        all += made;
    (void) unpack_free(u);
    free(raw);
    return span_of(to, all);
}

const char *bag_refusal(struct bag *b, const struct bag_job *job)
{
    uint8_t *window = malloc(SNIFF_WINDOW);
    const struct bag_file *f = &b->files[job->files[0]];
    const char *refusal = NULL;
    struct sniff s;
    struct span first;
    bool wait;

    if (window == NULL || job->n_files > 1 || f->size < 0) {
        free(window);
        return NULL;
    }
    first = beginning(b, f, window, SNIFF_WINDOW);
    sniff_init(&s);
    if (sniff_bytes(first, first.n < SNIFF_WINDOW, &wait, &refusal) == SNIFF_MORE) {
        (void) sniff_feed(&s, first);
        refusal = sniff_decide(&s) == SNIFF_REFUSED ? s.refusal : NULL;
    }
    free(window);
    return refusal;
}

/* ---- jobs */

static struct bag_job *new_job(struct bag *b, const char *path, size_t path_len, bool named)
{
    struct bag_job *j;
    char *slash;

    if (b->n_jobs % 256 == 0) {
        j = realloc(b->jobs, (b->n_jobs + 256) * sizeof(*j));
        if (j == NULL)
            return NULL;
        b->jobs = j;
    }
    j = &b->jobs[b->n_jobs];
    *j = (struct bag_job){ .path = strndup(path, path_len), .named = named };
    if (j->path == NULL)
        return NULL;
    while (path_len > 1 && j->path[path_len - 1] == '/')
        j->path[--path_len] = '\0';
    slash = strrchr(j->path, '/');
    j->title = slash != NULL && slash[1] != '\0' ? slash + 1 : j->path;
    b->n_jobs++;
    return j;
}

/* Facts and timing, what was typed, then what was shown, the largest last. */
static int weight(const struct bag_file *f)
{
    switch (f->parts.role) {
    case PART_FACTS: return 0;
    case PART_TIMING: return 1;
    case PART_STDIN:
    case PART_TTYIN: return 2;
    case PART_STDOUT:
    case PART_STDERR:
    case PART_TTYOUT: return 3;
    case PART_OTHER: break;
    }
    return 4;
}

static int by_weight(const void *x, const void *y, void *ctx)
{
    const struct bag *b = ctx;
    const struct bag_file *p = &b->files[*(const size_t *) x], *q = &b->files[*(const size_t *) y];
    int d = weight(p) - weight(q);

    return d != 0 ? d : p->size < q->size ? -1 : p->size > q->size;
}

static int64_t padded(int64_t n)
{
    return (n + TAR - 1) / TAR * TAR;
}

static void group_job(struct bag *b, size_t from, size_t to, int group)
{
    const struct bag_file *first = NULL;
    struct bag_job *j;
    size_t len;

    for (size_t i = from; i < to && first == NULL; i++)
        if (b->files[i].parts.group == group)
            first = &b->files[i];
    if (first == NULL)
        return;
    len = (size_t) (first->name - first->path);
    /* sudo's and v0's directory is the recording; script's files may lie among others: the typescript's name */
    if (first->parts.kind == PARTS_SCRIPT)
        for (size_t i = from; i < to; i++)
            if (b->files[i].parts.group == group && b->files[i].parts.role == PART_TTYOUT)
                first = &b->files[i], len = strlen(first->path);
    j = new_job(b, len > 0 ? first->path : ".", len > 0 ? len : 1, first->named);
    if (j == NULL)
        return;
    j->kind = first->parts.kind;
    for (size_t i = from; i < to; i++) {
        if (b->files[i].parts.group != group || j->n_files == sizeof(j->files) / sizeof(j->files[0]))
            continue;
        j->files[j->n_files++] = i;
        j->size += TAR + padded(b->files[i].size);
    }
    j->size += 2 * TAR;
    qsort_r(j->files, j->n_files, sizeof(j->files[0]), by_weight, b);
}

/* ---- tlog: a file may hold messages of several recordings */

/* One recording in it: its messages get their own part of the spool. */
struct apart {
    char *name;
    size_t name_len;
    int64_t size;  /* of its messages, with their newlines */
    int64_t at, to; /* where the next one goes; where the part ends */
};

/* Read twice: first how much there is of each, then each message goes where it belongs. */
struct splitting {
    struct bag *bag;
    struct map by_name;
    struct apart **list; /* in the order in which they begin */
    size_t n;
    bool writing;
};

static struct apart *apart_new(struct splitting *s, struct span rec)
{
    struct apart *a;

    if (s->n % 256 == 0) {
        struct apart **list = realloc(s->list, (s->n + 256) * sizeof(struct apart *));

        if (list == NULL)
            return NULL;
        s->list = list;
    }
    a = calloc(1, sizeof(*a));
    if (a == NULL)
        return NULL;
    a->name = malloc(rec.n + 1);
    a->name_len = rec.n;
    if (a->name != NULL) {
        memcpy(a->name, rec.p, rec.n);
        a->name[rec.n] = '\0';
    }
    if (a->name == NULL || !map_put(&s->by_name, span_of(a->name, a->name_len), a, NULL)) {
        free(a->name);
        free(a);
        return NULL;
    }
    s->list[s->n++] = a;
    return a;
}

static enum err on_message(void *ctx, struct span rec, struct span json, struct err_info *reterr)
{
    struct splitting *s = ctx;
    struct apart *a = map_get(&s->by_name, rec);

    if (!s->writing) {
        if (a == NULL)
            a = apart_new(s, rec);
        if (a == NULL)
            return ERR_RAISE(reterr, ERR_LIMIT, "more recordings than are taken at once");
        a->size += (int64_t) json.n + 1;
        return ERR_OK;
    }
    if (a == NULL || a->to - a->at < (int64_t) json.n + 1)
        return ERR_RAISE(reterr, ERR_INVAL, "the file changes while it is read");
    if (!spool_at(s->bag, a->at, json.p, json.n) || !spool_at(s->bag, a->at + (int64_t) json.n, "\n", 1))
        return ERR_RAISE(reterr, ERR_NOSPC, "no room for it in the directory for temporary files");
    a->at += (int64_t) json.n + 1;
    return ERR_OK;
}

/* Goes through the file's messages. Not ERR_OK: it is none of tlog, or broken. */
static enum err messages(struct bag *b, const struct bag_file *f, enum tlog_shape shape, struct splitting *s, struct err_info *e)
{
    CLEANUP(os_closep) int fd = open_file(b, f);
    struct reader *r = tlog_split(shape, on_message, s);
    uint8_t *block = malloc(65536);
    int64_t at = 0;
    ssize_t got = 0;
    enum err code = fd >= 0 && r != NULL && block != NULL ? ERR_OK : ERR_RAISE(e, ERR_IO, "it cannot be read");

    while (code == ERR_OK && at < f->size) {
        got = pread(fd, block, f->size - at < 65536 ? (size_t) (f->size - at) : 65536, (f->boxed ? f->at : 0) + at);
        if (got <= 0)
            code = ERR_RAISE(e, ERR_IO, "it cannot be read to its end");
        else
            code = r->feed(r, span_of(block, (size_t) got), e);
        at += got;
    }
    if (code == ERR_OK)
        code = r->finish(r, e);
    (void) reader_free(r);
    free(block);
    return code;
}

static enum tlog_shape tlog_shape_of(struct bag *b, const struct bag_file *f)
{
    uint8_t first[PARTS_FIRST];
    struct span s = f->size > 0 ? beginning(b, f, first, sizeof(first)) : SPAN_EMPTY;
    struct sniff sniff;

    if (tlog_sniff_journal(s))
        return TLOG_JOURNAL;
    sniff_init(&sniff);
    (void) sniff_feed(&sniff, s);
    return s.n > 0 && s.p[0] == '{' && sniff_decide(&sniff) == SNIFF_TLOG ? TLOG_LINES : TLOG_NONE;
}

static void single_job(struct bag *b, size_t i);

/* Second time: a file of each recording. */
static void take_apart(struct splitting *s, size_t i, enum tlog_shape shape)
{
    struct bag *b = s->bag;
    int64_t end = b->spool_size;
    struct err_info e = { .code = ERR_OK };

    for (size_t k = 0; k < s->n; k++) {
        s->list[k]->at = end;
        s->list[k]->to = end += s->list[k]->size;
    }
    s->writing = true;
    if (messages(b, &b->files[i], shape, s, &e) != ERR_OK) {
        b->trouble(b->ctx, b->files[i].path, e.text);
        return;
    }
    b->spool_size = end;
    for (size_t k = 0; k < s->n; k++) {
        struct bag_file *f = bag_new_file(b, b->files[i].path, s->list[k]->name, b->files[i].named);

        if (f == NULL) {
            b->trouble(b->ctx, b->files[i].path, "too many files");
            return;
        }
        f->boxed = true;
        f->at = s->list[k]->to - s->list[k]->size;
        f->size = s->list[k]->size;
        single_job(b, b->n_files - 1);
    }
}

/* A file of each recording in it, in the spool. False: there is one at most, or the server will say what is wrong with it. */
static bool split_tlog(struct bag *b, size_t i)
{
    enum tlog_shape shape = tlog_shape_of(b, &b->files[i]);
    struct splitting s = { .bag = b };
    struct err_info e = { .code = ERR_OK };
    uint8_t secret[16];
    bool done = false;
    enum err code;

    if (shape == TLOG_NONE)
        return false;
    random_fill(secret, sizeof(secret));
    map_init(&s.by_name, secret, BAG_FILES_MAX);
    code = messages(b, &b->files[i], shape, &s, &e);
    if (code == ERR_LIMIT && s.n > 1)
        b->trouble(b->ctx, b->files[i].path, e.text);
    if (code == ERR_OK && s.n > 1)
        take_apart(&s, i, shape);
    done = s.n > 1 && (code == ERR_OK || code == ERR_LIMIT);
    for (size_t k = 0; k < s.n; k++) {
        free(s.list[k]->name);
        free(s.list[k]);
    }
    free(s.list);
    map_deinit(&s.by_name);
    return done;
}

/* Who calls a file so means it to be a recording: when it is none, that is told. */
static bool called_recording(const char *name)
{
    static const char *const suffixes[] = { ".cast", ".ttyrec", ".tlog", ".asciicast" };
    size_t n = strlen(name);

    for (size_t i = 0; i < sizeof(suffixes) / sizeof(suffixes[0]); i++) {
        size_t m = strlen(suffixes[i]);

        if (n > m && strcmp(name + n - m, suffixes[i]) == 0)
            return true;
    }
    return false;
}

static void single_job(struct bag *b, size_t i)
{
    const struct bag_file *f = &b->files[i];
    struct bag_job *j = new_job(b, f->path, strlen(f->path), f->named || called_recording(f->name));

    if (j == NULL)
        return;
    j->files[j->n_files++] = i;
    j->size = f->size;
}

static bool same_dir(const struct bag_file *x, const struct bag_file *y)
{
    size_t n = (size_t) (x->name - x->path);

    return n == (size_t) (y->name - y->path) && memcmp(x->path, y->path, n) == 0;
}

static void group_dir(struct bag *b, size_t from, size_t to)
{
    bool some = to - from > 1 && to - from <= GROUP_MAX;
    struct parts_file *parts = some ? calloc(to - from, sizeof(*parts)) : NULL;
    uint8_t *firsts = some ? malloc((to - from) * PARTS_FIRST) : NULL;
    int groups = 0;

    for (size_t i = from; parts != NULL && firsts != NULL && i < to; i++)
        parts[i - from] = (struct parts_file){ .name = span_str(b->files[i].name),
                                               .first = beginning(b, &b->files[i], firsts + (i - from) * PARTS_FIRST, PARTS_FIRST) };
    if (parts != NULL && firsts != NULL)
        groups = parts_group(parts, to - from);
    for (size_t i = from; groups > 0 && i < to; i++)
        b->files[i].parts = (struct parts_file){ .role = parts[i - from].role, .group = parts[i - from].group,
                                                 .kind = parts[i - from].kind };
    free(parts);
    free(firsts);
    for (int g = 1; g <= groups; g++)
        group_job(b, from, to, g);
    for (size_t i = from; i < to; i++)
        if (b->files[i].parts.group == 0 && !split_tlog(b, i))
            single_job(b, i);
}

static int by_dir(const void *x, const void *y)
{
    const struct bag_file *p = x, *q = y;
    size_t n = (size_t) (p->name - p->path), m = (size_t) (q->name - q->path), least = n < m ? n : m;
    int d = memcmp(p->path, q->path, least);

    if (d == 0 && n != m)
        d = n < m ? -1 : 1;
    return d != 0 ? d : strcmp(p->name, q->name);
}

static int by_path_of_job(const void *x, const void *y)
{
    return strcmp(((const struct bag_job *) x)->path, ((const struct bag_job *) y)->path);
}

void bag_sort(struct bag *b)
{
    size_t from = 0, n = b->n_files; /* more may come while tlog's files are taken apart */

    if (b->n_files > 0)
        qsort(b->files, b->n_files, sizeof(b->files[0]), by_dir);
    for (size_t i = 0; i < n; i++)
        if (i + 1 == n || !same_dir(&b->files[i], &b->files[i + 1])) {
            group_dir(b, from, i + 1);
            from = i + 1;
        }
    if (b->n_jobs > 0)
        qsort(b->jobs, b->n_jobs, sizeof(b->jobs[0]), by_path_of_job);
}

/* ---- reading a job: its file, or a tar of its files */

enum { HEADER, BYTES, PADDING, END, OVER };

/* What the server knows it by: names of script and asciicast v0 are anybody's. */
static const char *member_name(const struct bag_job *j, const struct bag_file *f)
{
    if (j->kind == PARTS_SUDO)
        return f->name;
    switch (f->parts.role) {
    case PART_FACTS: return "meta.json";
    case PART_TIMING: return j->kind == PARTS_CAST_V0 ? "stdout.time" : "timing";
    case PART_TTYIN: return "input";
    case PART_TTYOUT: return j->kind == PARTS_CAST_V0 ? "stdout" : "typescript";
    case PART_STDIN:
    case PART_STDOUT:
    case PART_STDERR:
    case PART_OTHER: break;
    }
    return f->name;
}

/* ustar; what is larger than 8 GiB has GNU's binary size. */
static void tar_header(uint8_t h[TAR], const char *name, uint64_t size)
{
    unsigned sum = 0;

    memset(h, 0, TAR);
    (void) snprintf((char *) h, 100, "%s", name);
    memcpy(h + 100, "0000600\0" "0000000\0" "0000000\0", 24);
    if (size < 1ull << 33) {
        (void) snprintf((char *) h + 124, 12, "%011llo", (unsigned long long) size);
    } else {
        h[124] = 0x80;
        for (int i = 0; i < 8; i++)
            h[135 - i] = (uint8_t) (size >> (8 * i));
    }
    memcpy(h + 136, "00000000000\0", 12);
    h[156] = '0';
    memcpy(h + 257, "ustar\0" "00", 8);
    memset(h + 148, ' ', 8);
    for (size_t i = 0; i < TAR; i++)
        sum += h[i];
    (void) snprintf((char *) h + 148, 8, "%06o", sum);
}

void bag_open(struct bag *b, const struct bag_job *job, struct bag_reader *ret)
{
    *ret = (struct bag_reader){ .bag = b, .job = job, .fd = -1, .phase = job->n_files > 1 ? HEADER : BYTES };
}

void bag_close(struct bag_reader *r)
{
    if (r->fd >= 0)
        (void) close(r->fd);
    r->fd = -1;
}

static int64_t read_bytes(struct bag_reader *r, void *to, size_t n)
{
    const struct bag_file *f = &r->bag->files[r->job->files[r->file]];
    ssize_t got;

    if (f->size >= 0 && (int64_t) n > f->size - r->at)
        n = (size_t) (f->size - r->at);
    if (r->fd < 0)
        r->fd = strcmp(f->path, "-") == 0 ? dup(STDIN_FILENO) : open_file(r->bag, f);
    if (r->fd < 0)
        return -1;
    do
        got = n == 0 ? 0 : f->boxed ? pread(r->fd, to, n, f->at + r->at) : read(r->fd, to, n);
    while (got < 0 && errno == EINTR);
    if (got > 0)
        r->at += got;
    if (got == 0 && n > 0 && f->size >= 0) { /* it became shorter while we read */
        errno = ENODATA;
        return -1;
    }
    return got;
}

/* The next piece of the tar; 0 only at its end. */
static int64_t read_tar(struct bag_reader *r, uint8_t *to, size_t n)
{
    const struct bag_file *f = &r->bag->files[r->job->files[r->file]];
    int64_t got;

    switch (r->phase) {
    case HEADER:
        tar_header(r->header, member_name(r->job, f), (uint64_t) f->size);
        r->n_header = TAR;
        r->phase = BYTES;
        r->at = 0;
        r->pad = padded(f->size) - f->size;
        return read_tar(r, to, n);
    case BYTES:
        if (r->n_header > 0) {
            size_t part = n < r->n_header ? n : r->n_header;

            memcpy(to, r->header + TAR - r->n_header, part);
            r->n_header -= part;
            return (int64_t) part;
        }
        got = r->at < f->size ? read_bytes(r, to, n) : 0;
        if (got != 0)
            return got;
        bag_close(r);
        r->phase = PADDING;
        return read_tar(r, to, n);
    case PADDING:
    case END:
        if (r->pad > 0) {
            size_t part = (int64_t) n < r->pad ? n : (size_t) r->pad;

            memset(to, 0, part);
            r->pad -= (int64_t) part;
            return (int64_t) part;
        }
        if (r->phase == END) {
            r->phase = OVER;
            return 0;
        }
        r->phase = ++r->file < r->job->n_files ? HEADER : END;
        if (r->phase == END) {
            r->file--;
            r->pad = 2 * TAR;
        }
        return read_tar(r, to, n);
    default: return 0;
    }
}

int64_t bag_read(struct bag_reader *r, void *to, size_t n)
{
    return r->job->n_files > 1 ? read_tar(r, to, n) : read_bytes(r, to, n);
}

/* ---- what the user says belongs together */

static struct bag_file *by_path(struct bag *b, const char *path)
{
    for (size_t i = 0; path != NULL && i < b->n_files; i++)
        if (b->files[i].named && strcmp(b->files[i].path, path) == 0)
            return &b->files[i];
    return NULL;
}

void bag_pair(struct bag *b, const char *typescript, const char *timing, const char *input)
{
    struct bag_file *out = by_path(b, typescript), *times = by_path(b, timing), *in = by_path(b, input);

    if (out == NULL || times == NULL)
        return;
    out->parts = (struct parts_file){ .role = PART_TTYOUT, .group = 1, .kind = PARTS_SCRIPT };
    times->parts = (struct parts_file){ .role = PART_TIMING, .group = 1, .kind = PARTS_SCRIPT };
    if (in != NULL)
        in->parts = (struct parts_file){ .role = PART_TTYIN, .group = 1, .kind = PARTS_SCRIPT };
    group_job(b, 0, b->n_files, 1);
}
