#include "meta/meta.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "crypto/hash.h"
#include "meta/migrations/migrations.h"
#include "meta/sqlite/db.h"

#define APPLICATION_ID 0x4b455948 /* "KEYH" */
#define WRITER_CACHE_KIB "4096" /* it looks up single rows; what is not here the kernel has. 16 MiB were 3 KiB a stream */
#define WAL_KEEP_BYTES "67108864"  /* a WAL that was larger is cut after its checkpoint */

struct meta_reader {
    struct meta_view view;
};

struct meta_wal {
    struct meta_view view;
};

/* ---- migrations ---- */

static enum err migration_check(struct meta *m, const struct migration *g, bool *ret_done, struct err_info *reterr)
{
    uint8_t want[32];
    sqlite3_stmt *st;
    bool row, same;

    sha256(span_str(g->sql), want);
    TRY(db_query(&m->view, &st, reterr, "SELECT sha256 FROM migration WHERE n=?", "i", (int64_t) g->number));
    TRY(db_step(&m->view, st, &row, reterr));
    *ret_done = row;
    same = row && span_eq(db_col_peek(st, 0), SPAN_OF(want));
    (void) sqlite3_reset(st); /* a read that ends early reports nothing */
    if (row && !same)
        return ERR_RAISE(reterr, ERR_CORRUPT, "database: migration %d (%s) is not the one it was made with", g->number,
                         g->name);
    return ERR_OK;
}

static enum err migration_apply(struct meta *m, const struct migration *g, struct err_info *reterr)
{
    uint8_t sum[32];

    sha256(span_str(g->sql), sum);
    TRY(meta_begin(m, reterr));
    TRY(db_exec(&m->view, g->sql, reterr));
    TRY(db_run(m, NULL, reterr, "INSERT INTO migration(n,name,sha256) VALUES(?,?,?)", "itb", (int64_t) g->number,
               span_str(g->name), SPAN_OF(sum)));
    return meta_commit(m, reterr);
}

static enum err migrate(struct meta *m, struct err_info *reterr)
{
    int64_t id, newest;

    TRY(db_int(&m->view, &id, reterr, "PRAGMA application_id", ""));
    TRY(db_int(&m->view, &newest, reterr, "SELECT count(*) FROM sqlite_master", ""));
    if (id != APPLICATION_ID && (id != 0 || newest != 0))
        return ERR_RAISE(reterr, ERR_CORRUPT, "database: not one of keyhole's");
    if (id == 0)
        TRY(db_exec(&m->view,
                    "BEGIN IMMEDIATE; PRAGMA application_id=1262836040;"
                    "CREATE TABLE migration(n BIGINT NOT NULL PRIMARY KEY, name TEXT NOT NULL, sha256 BLOB NOT NULL);"
                    "COMMIT",
                    reterr));
    TRY(db_int(&m->view, &newest, reterr, "SELECT coalesce(max(n),0) FROM migration", ""));
    if (newest > (int64_t) n_migrations)
        return ERR_RAISE(reterr, ERR_UNSUPPORTED, "database: format %lld, this keyhole knows %zu", (long long) newest,
                         n_migrations);
    for (size_t i = 0; i < n_migrations; i++) {
        bool done;

        TRY(migration_check(m, &migrations[i], &done, reterr));
        if (!done)
            TRY(migration_apply(m, &migrations[i], reterr));
    }
    return ERR_OK;
}

/* The largest seq of any table: each has an index on it. */
static enum err find_next_seq(struct meta *m, struct err_info *reterr)
{
    static const char *const tables[] = { "project", "person",  "account",    "team",   "token",       "recording", "request",
                                          "access_grant", "viewing", "issued_key", "policy", "config_seen", "audit_log" };

    for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++) {
        char sql[96];
        int64_t seq;

        (void) snprintf(sql, sizeof(sql), "SELECT coalesce(max(seq),0) FROM %s", tables[i]);
        TRY(db_int(&m->view, &seq, reterr, sql, ""));
        if (seq >= m->next_seq)
            m->next_seq = seq + 1;
    }
    return ERR_OK;
}

/* ---- the writer ---- */

/* SQLite would make the file with the process's umask; the WAL takes the file's mode. */
static enum err make_private(const char *path, struct err_info *reterr)
{
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

    if (fd < 0)
        return ERR_RAISE_SYS(reterr, errno == ENOSPC ? ERR_NOSPC : ERR_IO, errno, "database: open '%s'", path);
    (void) close(fd); /* nothing was written */
    return ERR_OK;
}

enum err meta_open(const char *path, struct meta **ret_meta, struct err_info *reterr)
{
    CLEANUP(meta_closep) struct meta *m = calloc(1, sizeof(*m));

    if (m == NULL)
        return ERR_RAISE(reterr, ERR_NOMEM, "database: open");
    m->view.writer = true;
    m->next_seq = 1;
    TRY(make_private(path, reterr));
    TRY(db_open(&m->view, path, SQLITE_OPEN_READWRITE, reterr));
    TRY(db_exec(&m->view,
                "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA wal_autocheckpoint=0;"
                "PRAGMA cache_size=-" WRITER_CACHE_KIB "; PRAGMA journal_size_limit=" WAL_KEEP_BYTES,
                reterr));
    TRY(migrate(m, reterr));
    TRY(find_next_seq(m, reterr));
    *ret_meta = TAKE(m);
    return ERR_OK;
}

struct meta *meta_close(struct meta *m)
{
    if (m == NULL)
        return NULL;
    (void) meta_rollback(m, NULL); /* closing rolls back as well */
    db_close(&m->view);
    free(m);
    return NULL;
}

void meta_closep(struct meta **m)
{
    *m = meta_close(*m);
}

enum err meta_begin(struct meta *m, struct err_info *reterr)
{
    if (m->view.in_tx)
        return ERR_RAISE(reterr, ERR_STATE, "database: a transaction inside a transaction");
    TRY(db_do(&m->view, "BEGIN IMMEDIATE", reterr));
    m->view.in_tx = true;
    return ERR_OK;
}

enum err meta_commit(struct meta *m, struct err_info *reterr)
{
    enum err e;

    TRY(db_writable(m, reterr));
    e = db_do(&m->view, "COMMIT", reterr);
    if (e == ERR_OK) {
        m->view.in_tx = false;
        return ERR_OK;
    }
    /* What a failed COMMIT left on disk is not known (STANDARDS 3.4 rule 2); a full disk is told before the sync. */
    if (e != ERR_NOSPC && e != ERR_AGAIN && m->view.broken == ERR_OK)
        m->view.broken = e;
    return e;
}

enum err meta_rollback(struct meta *m, struct err_info *reterr)
{
    if (!m->view.in_tx)
        return ERR_OK;
    m->view.in_tx = false;
    if (m->view.broken != ERR_OK || sqlite3_get_autocommit(m->view.h) != 0)
        return ERR_OK;
    return db_exec(&m->view, "ROLLBACK", reterr);
}

bool meta_in_transaction(const struct meta *m)
{
    return m->view.in_tx;
}

bool meta_is_broken(const struct meta *m)
{
    return m->view.broken != ERR_OK;
}

struct meta_view *meta_view(struct meta *m)
{
    return &m->view;
}

int64_t meta_next_seq(struct meta *m)
{
    return m->next_seq++;
}

enum err meta_size(struct meta *m, uint64_t *ret_bytes, struct err_info *reterr)
{
    int64_t pages, size;

    TRY(db_int(&m->view, &pages, reterr, "PRAGMA page_count", ""));
    TRY(db_int(&m->view, &size, reterr, "PRAGMA page_size", ""));
    *ret_bytes = (uint64_t) pages * (uint64_t) size;
    return ERR_OK;
}

enum err meta_limit_pages(struct meta *m, uint32_t pages, struct err_info *reterr)
{
    char sql[64];

    (void) snprintf(sql, sizeof(sql), "PRAGMA max_page_count=%u", pages == 0 ? 1073741823u : pages);
    return db_exec(&m->view, sql, reterr);
}

/* ---- settings ---- */

enum err meta_setting_get(struct meta_view *v, const char *name, struct arena *a, int64_t *ret_num,
                          struct span *ret_data, struct err_info *reterr)
{
    struct span data = SPAN_EMPTY;
    sqlite3_stmt *st;
    bool row;

    TRY(db_query(v, &st, reterr, "SELECT num,data FROM setting WHERE name=?", "t", span_str(name)));
    TRY(db_step(v, st, &row, reterr));
    if (!row)
        return ERR_RAISE(reterr, ERR_NOTFOUND, "database: no setting '%s'", name);
    if (ret_data != NULL)
        TRY(db_col_span(st, 1, a, &data, reterr));
    if (ret_num != NULL)
        *ret_num = sqlite3_column_int64(st, 0);
    if (ret_data != NULL)
        *ret_data = data;
    (void) sqlite3_reset(st); /* a read that ends early reports nothing */
    return ERR_OK;
}

enum err meta_setting_put(struct meta *m, const char *name, int64_t num, struct span data, struct err_info *reterr)
{
    return db_run(m, NULL, reterr,
                  "INSERT INTO setting(name,num,data) VALUES(?1,?2,?3)"
                  " ON CONFLICT(name) DO UPDATE SET num=?2, data=?3",
                  "tib", span_str(name), num, data);
}

enum err meta_setting_raise(struct meta *m, const char *name, int64_t at_least, struct err_info *reterr)
{
    return db_run(m, NULL, reterr,
                  "INSERT INTO setting(name,num,data) VALUES(?1,?2,x'')"
                  " ON CONFLICT(name) DO UPDATE SET num=?2 WHERE num<?2",
                  "ti", span_str(name), at_least);
}

/* ---- readers ---- */

enum err meta_reader_open(const char *path, struct meta_reader **ret_reader, struct err_info *reterr)
{
    CLEANUP(meta_reader_closep) struct meta_reader *r = calloc(1, sizeof(*r));
    int64_t newest;

    if (r == NULL)
        return ERR_RAISE(reterr, ERR_NOMEM, "database: open");
    TRY(db_open(&r->view, path, SQLITE_OPEN_READONLY, reterr));
    TRY(db_exec(&r->view, "PRAGMA query_only=ON", reterr));
    TRY(db_int(&r->view, &newest, reterr, "SELECT coalesce(max(n),0) FROM migration", ""));
    if (newest != (int64_t) n_migrations)
        return ERR_RAISE(reterr, ERR_UNSUPPORTED, "database: format %lld, this keyhole reads %zu", (long long) newest,
                         n_migrations);
    *ret_reader = TAKE(r);
    return ERR_OK;
}

struct meta_reader *meta_reader_close(struct meta_reader *r)
{
    if (r == NULL)
        return NULL;
    db_close(&r->view);
    free(r);
    return NULL;
}

void meta_reader_closep(struct meta_reader **r)
{
    *r = meta_reader_close(*r);
}

struct meta_view *meta_reader_view(struct meta_reader *r)
{
    return &r->view;
}

enum err meta_reader_begin(struct meta_reader *r, struct err_info *reterr)
{
    return db_do(&r->view, "BEGIN", reterr);
}

enum err meta_reader_end(struct meta_reader *r, struct err_info *reterr)
{
    return db_do(&r->view, "COMMIT", reterr);
}

/* ---- the WAL ---- */

enum err meta_wal_open(const char *path, struct meta_wal **ret_wal, struct err_info *reterr)
{
    struct meta_wal *w = calloc(1, sizeof(*w));
    enum err e;

    if (w == NULL)
        return ERR_RAISE(reterr, ERR_NOMEM, "database: open");
    w->view.writer = true; /* its failures are as fatal as the writer's */
    e = db_open(&w->view, path, SQLITE_OPEN_READWRITE, reterr);
    if (e == ERR_OK)
        e = db_exec(&w->view, "PRAGMA synchronous=FULL; PRAGMA wal_autocheckpoint=0;", reterr);
    if (e != ERR_OK) {
        (void) meta_wal_close(w);
        return e;
    }
    *ret_wal = w;
    return ERR_OK;
}

struct meta_wal *meta_wal_close(struct meta_wal *w)
{
    if (w == NULL)
        return NULL;
    db_close(&w->view);
    free(w);
    return NULL;
}

enum err meta_wal_checkpoint(struct meta_wal *w, uint32_t *ret_left, struct err_info *reterr)
{
    int log = 0, done = 0, rc;

    rc = sqlite3_wal_checkpoint_v2(w->view.h, NULL, SQLITE_CHECKPOINT_PASSIVE, &log, &done);
    if (rc != SQLITE_OK && rc != SQLITE_BUSY)
        return db_error(&w->view, rc, "checkpoint", reterr);
    *ret_left = log > done ? (uint32_t) (log - done) : 0;
    return ERR_OK;
}
