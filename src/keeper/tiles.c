#include "keeper/tiles.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "audit/tiles.h"
#include "audit/tree.h"
#include "base/map.h"
#include "crypto/random.h"
#include "format/note.h"
#include "meta/meta.h"
#include "os/file.h"

#define FILE_MODE    0600 /* leaves name who did what; what is handed to outsiders is copied */
#define LOGS_MAX     1000000
#define MEM_MAX      (256U << 20)
#define PARTIAL_TAIL ".p"

/* What is known to be on disk. */
struct done {
    char log[LOG_ID_CAP];
    uint64_t size;
};

struct tiles {
    char dir[512];
    struct meta_reader *reader;
    struct meta_view *v;
    struct map done; /* by log */
    size_t n_written;
};

enum err tiles_new(const char *dir, const char *db_path, struct tiles **ret, struct err_info *reterr)
{
    struct tiles *t = calloc(1, sizeof(*t));
    uint8_t secret[16];
    enum err e;

    if (t == NULL)
        return ERR_RAISE(reterr, ERR_NOMEM, "tiles");
    random_fill(secret, sizeof(secret));
    map_init(&t->done, secret, LOGS_MAX);
    (void) snprintf(t->dir, sizeof(t->dir), "%s/audit", dir);
    e = meta_reader_open(db_path, &t->reader, reterr);
    if (e != ERR_OK) {
        tiles_free(t);
        return e;
    }
    t->v = meta_reader_view(t->reader);
    *ret = t;
    return ERR_OK;
}

void tiles_forget(struct tiles *t)
{
    MAP_FOREACH(struct done, d, &t->done)
        d->size = 0;
}

struct tiles *tiles_free(struct tiles *t)
{
    if (t == NULL)
        return NULL;
    MAP_FOREACH(struct done, d, &t->done)
        free(d);
    map_deinit(&t->done);
    t->reader = meta_reader_close(t->reader);
    free(t);
    return NULL;
}

static struct done *done_of(struct tiles *t, struct span log)
{
    struct done *d = map_get(&t->done, log);

    if (d != NULL)
        return d;
    d = calloc(1, sizeof(*d));
    if (d != NULL && (!span_to_str(log, d->log, sizeof(d->log)) || !map_put(&t->done, span_str(d->log), d, NULL))) {
        free(d);
        d = NULL;
    }
    return d;
}

/* ---- one file ---- */

/* The directory that a path below 'dir' lies in, made where it is missing; *ret_name: the last part. */
static enum err open_parent(int dir, const char *path, bool make, int *ret_fd, char ret_name[16],
                            struct err_info *reterr)
{
    int at = dup(dir);
    const char *slash;

    for (; at >= 0 && (slash = strchr(path, '/')) != NULL; path = slash + 1) {
        char part[16];
        int next = -1;
        enum err e;

        (void) snprintf(part, sizeof(part), "%.*s", (int) (slash - path), path);
        e = make ? os_dir_sub(at, part, &next, reterr) : os_file_open(at, part, O_RDONLY | O_DIRECTORY, &next, reterr);
        os_closep(&at);
        TRY(e);
        at = next;
    }
    if (at < 0)
        return ERR_RAISE(reterr, ERR_IO, "no descriptor for a directory of tiles");
    (void) snprintf(ret_name, 16, "%s", path);
    *ret_fd = at;
    return ERR_OK;
}

static enum err replace(struct tiles *t, int dir, const char *path, struct span bytes, struct err_info *reterr)
{
    CLEANUP(os_closep) int parent = -1;
    char name[16];

    TRY(open_parent(dir, path, true, &parent, name, reterr));
    TRY(os_file_replace(parent, name, bytes, FILE_MODE, reterr));
    t->n_written++;
    return ERR_OK;
}

/* As long as it has to be: what is in it the scrub compares. */
static bool is_there(int dir, const struct tile *tile, const char *path)
{
    CLEANUP(os_closep) int parent = -1;
    CLEANUP(os_closep) int fd = -1;
    char name[16];
    uint64_t n;

    return open_parent(dir, path, false, &parent, name, NULL) == ERR_OK &&
           os_file_open(parent, name, O_RDONLY, &fd, NULL) == ERR_OK && os_file_size(fd, &n, NULL) == ERR_OK &&
           (tile->entries ? n > 0 : n == (uint64_t) tile->width * MERKLE_HASH_LEN);
}

static void remove_one(int dirfd, const char *name, int depth)
{
    (void) depth;
    if (os_file_remove(dirfd, name, NULL) != ERR_OK)
        return; /* a partial that stays costs room and nothing else */
}

/* Partial tiles of one that is full now. */
static void drop_partials(int dir, const char *path)
{
    CLEANUP(os_closep) int parent = -1;
    CLEANUP(os_closep) int partials = -1;
    char name[16], sub[24];

    if (open_parent(dir, path, false, &parent, name, NULL) != ERR_OK)
        return;
    (void) snprintf(sub, sizeof(sub), "%s" PARTIAL_TAIL, name);
    if (os_file_open(parent, sub, O_RDONLY | O_DIRECTORY, &partials, NULL) != ERR_OK)
        return;
    os_dir_walk(partials, remove_one, 0);
    (void) os_dir_remove(parent, sub, NULL); /* as above */
}

/* ---- a log ---- */

static enum err write_tile(struct tiles *t, int dir, struct span log, const struct tile *tile, bool look,
                           struct err_info *reterr)
{
    CLEANUP(buf_deinit) struct buf bytes = BUF_INIT(AUDIT_TILE_MAX);
    char path[TILE_PATH_CAP];

    tile_path(tile, path);
    if (!look || !is_there(dir, tile, path)) {
        TRY(audit_tile_read(t->v, log, tile, &bytes, reterr));
        TRY(replace(t, dir, path, buf_span(&bytes), reterr));
    }
    if (tile->width == TILE_WIDTH)
        drop_partials(dir, path);
    return ERR_OK;
}

/* What is signed and what the table holds: only if they agree is anything written. */
static enum err check_root(struct tiles *t, struct span log, const struct meta_checkpoint *c, struct err_info *reterr)
{
    struct tree_reader tree = { t->v, log };
    struct merkle_hash root;

    TRY(merkle_root_at((uint64_t) c->size, tree_read, &tree, &root, reterr));
    if (!span_eq(SPAN_OF(root.b), c->root))
        return ERR_RAISE(reterr, ERR_CORRUPT, "audit log " SPAN_FMT ": its records are not those of its checkpoint",
                         SPAN_ARG(log));
    return ERR_OK;
}

static enum err open_log(struct tiles *t, struct span log, bool tile, int *ret_fd, struct err_info *reterr)
{
    CLEANUP(os_closep) int top = -1;
    CLEANUP(os_closep) int dir = -1;
    char name[LOG_ID_CAP];

    if (!span_to_str(log, name, sizeof(name)))
        return ERR_RAISE(reterr, ERR_CORRUPT, "a log with an improper name");
    TRY(os_dir_open(t->dir, true, &top, reterr));
    TRY(os_dir_sub(top, name, &dir, reterr));
    if (tile)
        return os_dir_sub(dir, "tile", ret_fd, reterr);
    *ret_fd = dir;
    dir = -1;
    return ERR_OK;
}

/* The same bytes are not written again. */
static enum err write_if_new(struct tiles *t, int dir, const char *name, struct span bytes, struct err_info *reterr)
{
    CLEANUP(buf_deinit) struct buf is = BUF_INIT(NOTE_MAX);

    if (os_file_read(dir, name, &is, NULL) == ERR_OK && span_eq(buf_span(&is), bytes))
        return ERR_OK;
    return replace(t, dir, name, bytes, reterr);
}

static enum err write_key(struct tiles *t, int dir, const struct meta_log *log, struct arena *mem,
                          struct err_info *reterr)
{
    CLEANUP(buf_deinit) struct buf line = BUF_INIT(NOTE_VKEY_CAP + 1);
    struct note_vkey key;
    struct span pk;
    enum err e = meta_setting_get(t->v, TILES_LOG_KEY, mem, NULL, &pk, reterr);

    if (e == ERR_NOTFOUND || (e == ERR_OK && pk.n != NOTE_ED25519_PK))
        return ERR_OK;
    TRY(e);
    TRY(note_vkey_init(&key, log->origin, pk.p, reterr));
    note_vkey_text(&key, &line);
    buf_add_c(&line, '\n');
    TRY(buf_check(&line, reterr));
    return write_if_new(t, dir, "vkey", buf_span(&line), reterr);
}

static enum err write_log(struct tiles *t, const struct meta_log *log, struct arena *mem, struct err_info *reterr)
{
    CLEANUP(os_closep) int dir = -1;
    CLEANUP(os_closep) int top = -1;
    struct done *d = done_of(t, log->log);
    struct meta_checkpoint c;
    struct tile_walk w;
    struct tile tile;
    enum err e;

    if (d == NULL)
        return ERR_RAISE(reterr, ERR_NOMEM, "tiles");
    e = meta_checkpoint_newest(t->v, log->log, mem, &c, reterr);
    if (e == ERR_NOTFOUND || (e == ERR_OK && (uint64_t) c.size == d->size))
        return ERR_OK;
    TRY(e);
    e = check_root(t, log->log, &c, reterr);
    if (e == ERR_CORRUPT && span_eq_str(log->state, "continued")) {
        d->size = (uint64_t) c.size; /* known, and a later generation says so: its files stay as they are */
        return ERR_OK;
    }
    TRY(e);
    TRY(open_log(t, log->log, true, &dir, reterr));
    w = tile_walk(d->size, (uint64_t) c.size);
    while (tile_walk_next(&w, &tile))
        TRY(write_tile(t, dir, log->log, &tile, d->size == 0, reterr));
    TRY(open_log(t, log->log, false, &top, reterr));
    TRY(write_key(t, top, log, mem, reterr));
    TRY(write_if_new(t, top, "checkpoint", c.note, reterr));
    d->size = (uint64_t) c.size;
    return ERR_OK;
}

static enum err run_all(struct tiles *t, struct err_info *reterr)
{
    CLEANUP(arena_deinit) struct arena mem = { 0 };
    struct meta_log_list logs;
    enum err first = ERR_OK;

    arena_init(&mem, MEM_MAX);
    TRY(meta_logs(t->v, &mem, &logs, reterr));
    for (size_t i = 0; i < logs.n; i++) {
        struct err_info err = { 0 };
        enum err e = write_log(t, &logs.rows[i], &mem, &err);

        if (e == ERR_OK)
            continue;
        if (first == ERR_OK || e == ERR_IO) { /* a log that is damaged does not hold the others up */
            first = e;
            if (reterr != NULL)
                *reterr = err;
        }
        if (e == ERR_IO)
            break;
    }
    return first;
}

enum err tiles_run(struct tiles *t, size_t *ret_n, struct err_info *reterr)
{
    enum err e;

    t->n_written = 0;
    e = run_all(t, reterr);
    *ret_n = t->n_written;
    return e;
}

/* ---- comparing ---- */

static enum err compare_tile(struct tiles *t, int dir, struct span log, const struct tile *tile, bool *ret_same,
                             struct err_info *reterr)
{
    CLEANUP(buf_deinit) struct buf want = BUF_INIT(AUDIT_TILE_MAX);
    CLEANUP(buf_deinit) struct buf is = BUF_INIT(AUDIT_TILE_MAX);
    CLEANUP(os_closep) int parent = -1;
    char path[TILE_PATH_CAP], name[16];

    tile_path(tile, path);
    TRY(audit_tile_read(t->v, log, tile, &want, reterr));
    *ret_same = open_parent(dir, path, false, &parent, name, NULL) == ERR_OK &&
                os_file_read(parent, name, &is, NULL) == ERR_OK && span_eq(buf_span(&is), buf_span(&want));
    return *ret_same ? ERR_OK : replace(t, dir, path, buf_span(&want), reterr);
}

enum err tiles_compare(struct tiles *t, struct span log, const _Atomic bool *stop, char ret_bad[200], size_t *ret_n,
                       struct err_info *reterr)
{
    CLEANUP(os_closep) int dir = -1;
    struct done *d = done_of(t, log);
    struct tile_walk w = tile_walk(0, d == NULL ? 0 : d->size);
    struct tile tile;
    bool same = true;

    ret_bad[0] = '\0';
    *ret_n = 0;
    TRY(open_log(t, log, true, &dir, reterr));
    while ((stop == NULL || !atomic_load(stop)) && tile_walk_next(&w, &tile)) {
        char path[TILE_PATH_CAP];

        TRY(compare_tile(t, dir, log, &tile, &same, reterr));
        if (same)
            continue;
        tile_path(&tile, path);
        if ((*ret_n)++ == 0)
            (void) snprintf(ret_bad, 200, SPAN_FMT "/tile/%s", SPAN_ARG(log), path);
    }
    return ERR_OK;
}

struct meta_view *tiles_view(struct tiles *t)
{
    return t->v;
}

enum err tiles_checkpoint(const char *dir, struct span log, struct buf *b, struct err_info *reterr)
{
    CLEANUP(os_closep) int top = -1;
    CLEANUP(os_closep) int fd = -1;
    char path[600], name[LOG_ID_CAP];

    (void) snprintf(path, sizeof(path), "%s/audit", dir);
    if (!span_to_str(log, name, sizeof(name)))
        return ERR_RAISE(reterr, ERR_NOTFOUND, "no such log");
    TRY(os_dir_open(path, false, &top, reterr));
    TRY(os_file_open(top, name, O_RDONLY | O_DIRECTORY, &fd, reterr));
    return os_file_read(fd, "checkpoint", b, reterr);
}
