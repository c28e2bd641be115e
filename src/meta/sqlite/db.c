#include "meta/sqlite/db.h"

#include <stdlib.h>

#include "meta/sqlite/words.h"

#define STATEMENTS_MAX 4000

struct db_stmt {
    sqlite3_stmt *st;
    uint8_t *name;
};

/* ---- errors ---- */

static bool is_fatal(int rc)
{
    int primary = rc & 0xff;

    return primary == SQLITE_IOERR || primary == SQLITE_CORRUPT || primary == SQLITE_NOTADB;
}

enum err db_error(struct meta_view *v, int rc, const char *what, struct err_info *reterr)
{
    enum err code;

    switch (rc & 0xff) {
    case SQLITE_FULL: code = ERR_NOSPC; break;
    case SQLITE_CONSTRAINT: code = ERR_EXISTS; break;
    case SQLITE_NOMEM: code = ERR_NOMEM; break;
    case SQLITE_BUSY:
    case SQLITE_LOCKED: code = ERR_AGAIN; break;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB: code = ERR_CORRUPT; break;
    case SQLITE_TOOBIG: code = ERR_LIMIT; break;
    case SQLITE_INTERRUPT: code = ERR_TIMEOUT; break;
    case SQLITE_READONLY:
    case SQLITE_ERROR:
    case SQLITE_MISUSE: code = ERR_STATE; break;
    default: code = ERR_IO; break;
    }
    if (v->writer && is_fatal(rc) && v->broken == ERR_OK)
        v->broken = code;
    if (v->in_tx && v->h != NULL && sqlite3_get_autocommit(v->h) != 0)
        v->in_tx = false; /* SQLite has rolled back by itself */
    return ERR_RAISE(reterr, code, "database: %.200s: %s (%d)", what,
                     v->h != NULL ? sqlite3_errmsg(v->h) : "not open", rc);
}

static enum err broken(const struct meta_view *v, struct err_info *reterr)
{
    if (v->broken == ERR_OK)
        return ERR_OK;
    return ERR_RAISE(reterr, v->broken, "database: stopped after a fatal error");
}

enum err db_writable(const struct meta *m, struct err_info *reterr)
{
    TRY(broken(&m->view, reterr));
    if (!m->view.in_tx)
        return ERR_RAISE(reterr, ERR_STATE, "database: a change outside a transaction");
    return ERR_OK;
}

static struct db_stmt *stmt_free(struct db_stmt *s)
{
    if (s == NULL)
        return NULL;
    (void) sqlite3_finalize(s->st); /* repeats an earlier error */
    free(s->name);
    free(s);
    return NULL;
}

/* ---- connection ---- */

enum err db_open(struct meta_view *v, const char *path, int flags, struct err_info *reterr)
{
    static const uint8_t secret[16] = "sql texts, ours";
    int rc;

    map_init(&v->cache, secret, STATEMENTS_MAX);
    rc = sqlite3_open_v2(path, &v->h, flags | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE, NULL);
    if (rc != SQLITE_OK)
        return db_error(v, rc, "open", reterr);
    (void) sqlite3_busy_timeout(v->h, 5000);                            /* cannot fail on an open handle */
    (void) sqlite3_db_config(v->h, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL); /* nothing writes pages behind the SQL */
    return db_exec(v,
                   "PRAGMA foreign_keys=ON; PRAGMA trusted_schema=OFF; PRAGMA cell_size_check=ON;"
                   "PRAGMA secure_delete=ON; PRAGMA temp_store=MEMORY; PRAGMA cache_size=-16384;",
                   reterr);
}

void db_close(struct meta_view *v)
{
    MAP_FOREACH(struct db_stmt, s, &v->cache)
        (void) stmt_free(s);
    map_deinit(&v->cache);
    words_close(v);
    (void) sqlite3_close(v->h); /* every statement is finalized: cannot be busy */
    v->h = NULL;
}

enum err db_exec(struct meta_view *v, const char *sql, struct err_info *reterr)
{
    int rc;

    TRY(broken(v, reterr));
    rc = sqlite3_exec(v->h, sql, NULL, NULL, NULL);
    return rc == SQLITE_OK ? ERR_OK : db_error(v, rc, sql, reterr);
}

enum err db_do(struct meta_view *v, const char *sql, struct err_info *reterr)
{
    sqlite3_stmt *st;
    bool row;

    TRY(db_prepare(v, sql, &st, reterr));
    return db_step(v, st, &row, reterr);
}

/* ---- statements ---- */

enum err db_known(struct meta_view *v, struct span name, sqlite3_stmt **ret, struct err_info *reterr)
{
    struct db_stmt *s = map_get(&v->cache, name);

    TRY(broken(v, reterr));
    *ret = s != NULL ? s->st : NULL;
    if (s != NULL)
        (void) sqlite3_reset(s->st); /* repeats the error of its last step, which was reported */
    return ERR_OK;
}

enum err db_prepare_as(struct meta_view *v, struct span name, const char *sql, sqlite3_stmt **ret, struct err_info *reterr)
{
    struct db_stmt *s;
    int rc;

    TRY(db_known(v, name, ret, reterr));
    if (*ret != NULL)
        return ERR_OK;
    s = calloc(1, sizeof(*s));
    if (s == NULL || (s->name = (uint8_t *) span_dup(name)) == NULL) {
        (void) stmt_free(s);
        return ERR_RAISE(reterr, ERR_NOMEM, "database: statement");
    }
    rc = sqlite3_prepare_v3(v->h, sql, -1, SQLITE_PREPARE_PERSISTENT, &s->st, NULL);
    if (rc != SQLITE_OK) {
        enum err e = db_error(v, rc, sql, reterr);

        (void) stmt_free(s);
        return e;
    }
    if (!map_put(&v->cache, span_of(s->name, name.n), s, NULL)) {
        (void) stmt_free(s);
        return ERR_RAISE(reterr, ERR_NOMEM, "database: too many statements");
    }
    *ret = s->st;
    return ERR_OK;
}

enum err db_prepare(struct meta_view *v, const char *sql, sqlite3_stmt **ret, struct err_info *reterr)
{
    return db_prepare_as(v, span_str(sql), sql, ret, reterr);
}

enum err db_bind(struct meta_view *v, sqlite3_stmt *st, int at, char kind, struct span s, int64_t i,
                 struct err_info *reterr)
{
    const void *p = s.n > 0 ? (const void *) s.p : "";
    int rc;

    if (kind == 'i')
        rc = sqlite3_bind_int64(st, at, i);
    else if (kind == 'n' && s.n == 0)
        rc = sqlite3_bind_null(st, at);
    else if (kind == 'b')
        rc = sqlite3_bind_blob64(st, at, p, s.n, SQLITE_STATIC);
    else
        rc = sqlite3_bind_text64(st, at, p, s.n, SQLITE_STATIC, SQLITE_UTF8);
    return rc == SQLITE_OK ? ERR_OK : db_error(v, rc, sqlite3_sql(st), reterr);
}

enum err db_bind_v(struct meta_view *v, sqlite3_stmt *st, struct err_info *reterr, const char *fmt, va_list ap)
{
    int at = 0;

    for (const char *f = fmt; *f != '\0'; f++) {
        if (*f == 'i')
            TRY(db_bind(v, st, ++at, 'i', SPAN_EMPTY, va_arg(ap, int64_t), reterr));
        else
            TRY(db_bind(v, st, ++at, *f, va_arg(ap, struct span), 0, reterr));
    }
    if (at != sqlite3_bind_parameter_count(st))
        return ERR_RAISE(reterr, ERR_STATE, "database: %d parameters for %.200s", at, sqlite3_sql(st));
    return ERR_OK;
}

enum err db_query_v(struct meta_view *v, sqlite3_stmt **ret, struct err_info *reterr, const char *sql,
                    const char *fmt, va_list ap)
{
    TRY(db_prepare(v, sql, ret, reterr));
    return db_bind_v(v, *ret, reterr, fmt, ap);
}

enum err db_query(struct meta_view *v, sqlite3_stmt **ret, struct err_info *reterr, const char *sql, const char *fmt,
                  ...)
{
    enum err e;
    va_list ap;

    va_start(ap, fmt);
    e = db_query_v(v, ret, reterr, sql, fmt, ap);
    va_end(ap);
    return e;
}

enum err db_step(struct meta_view *v, sqlite3_stmt *st, bool *ret_row, struct err_info *reterr)
{
    int rc = sqlite3_step(st);
    enum err e;

    *ret_row = rc == SQLITE_ROW;
    if (rc == SQLITE_ROW)
        return ERR_OK;
    e = rc == SQLITE_DONE ? ERR_OK : db_error(v, rc, sqlite3_sql(st), reterr);
    (void) sqlite3_reset(st); /* repeats rc */
    return e;
}

enum err db_run(struct meta *m, int *ret_changes, struct err_info *reterr, const char *sql, const char *fmt, ...)
{
    sqlite3_stmt *st;
    bool row = true;
    enum err e;
    va_list ap;

    TRY(db_writable(m, reterr));
    va_start(ap, fmt);
    e = db_query_v(&m->view, &st, reterr, sql, fmt, ap);
    va_end(ap);
    while (e == ERR_OK && row)
        e = db_step(&m->view, st, &row, reterr);
    if (e == ERR_OK && ret_changes != NULL)
        *ret_changes = sqlite3_changes(m->view.h);
    return e;
}

enum err db_int(struct meta_view *v, int64_t *ret, struct err_info *reterr, const char *sql, const char *fmt, ...)
{
    sqlite3_stmt *st;
    bool row;
    enum err e;
    va_list ap;

    va_start(ap, fmt);
    e = db_query_v(v, &st, reterr, sql, fmt, ap);
    va_end(ap);
    TRY(e);
    TRY(db_step(v, st, &row, reterr));
    if (!row)
        return ERR_RAISE(reterr, ERR_NOTFOUND, "database: no such row");
    *ret = sqlite3_column_int64(st, 0);
    (void) sqlite3_reset(st); /* a read that ends early reports nothing */
    return ERR_OK;
}

struct span db_col_peek(sqlite3_stmt *st, int col)
{
    const void *p = sqlite3_column_blob(st, col);

    return span_of(p, (size_t) sqlite3_column_bytes(st, col));
}

enum err db_col_span(sqlite3_stmt *st, int col, struct arena *a, struct span *ret, struct err_info *reterr)
{
    struct span s = db_col_peek(st, col);
    struct span copy = s.n > 0 ? arena_span(a, s) : SPAN_EMPTY;

    if (s.n > 0 && copy.p == NULL)
        return ERR_RAISE(reterr, ERR_NOMEM, "database: the answer is larger than its arena");
    *ret = copy;
    return ERR_OK;
}
