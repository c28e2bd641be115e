#pragma once
/*
 * Below meta/: one SQLite connection, its prepared statements, rows by field table. Not for others.
 *
 * Formats of db_run, db_query and the rest, one letter a parameter, in order:
 *   t  struct span as TEXT       n  struct span as TEXT, NULL when empty
 *   b  struct span as BLOB       i  int64_t
 * Parameters are bound without copies: they live until the statement has run.
 */
#include <sqlite3.h>
#include <stdarg.h>

#include "base/buf.h"
#include "base/map.h"
#include "meta/meta.h"
#include "meta/rows.h"

struct meta_view {
    sqlite3 *h;
    struct map cache; /* SQL text, or another name -> struct db_stmt, owned */
    bool writer;
    bool in_tx;
    enum err broken; /* ERR_OK, or what was fatal */
    fts5_tokenizer tokens;
    Fts5Tokenizer *tokenizer; /* of words.c; NULL until it is needed */
};

struct meta {
    struct meta_view view;
    int64_t next_seq;
};

#define DB_TEXT_MAX 8192 /* of an SQL text that is put together */

enum db_kind { DB_TEXT, DB_BLOB, DB_INT };

struct db_col {
    const char *name;
    enum db_kind kind;
};

/* Structs of meta/rows.h have no padding: a field's offset is the sum of the sizes before it. */
struct db_table {
    const char *name;
    const struct db_col *cols;
    size_t n_cols, n_key, size;
};

/* db_table_account … for every row of meta/rows.h. */
#define DB_X(name, NAME, table, n_key) extern const struct db_table db_table_##name;
META_ROWS(DB_X)
#undef DB_X

NODISCARD enum err db_open(struct meta_view *v, const char *path, int flags, struct err_info *reterr);
void db_close(struct meta_view *v);

/* Turns SQLite's result into ours; notes what is fatal. */
enum err db_error(struct meta_view *v, int rc, const char *what, struct err_info *reterr);

/* SQL without parameters or rows; may be several statements. */
NODISCARD enum err db_exec(struct meta_view *v, const char *sql, struct err_info *reterr);

/* One statement without parameters or rows that is run often: kept prepared. */
NODISCARD enum err db_do(struct meta_view *v, const char *sql, struct err_info *reterr);

/* ERR_STATE outside a transaction. */
NODISCARD enum err db_writable(const struct meta *m, struct err_info *reterr);

/* The prepared statement of this text, reset and with its parameters bound. Borrowed; one user at a time. */
NODISCARD enum err db_query(struct meta_view *v, sqlite3_stmt **ret, struct err_info *reterr, const char *sql,
                            const char *fmt, ...);

NODISCARD enum err db_query_v(struct meta_view *v, sqlite3_stmt **ret, struct err_info *reterr, const char *sql,
                              const char *fmt, va_list ap);
/* The statement that was prepared under this name, reset; NULL: none was. */
NODISCARD enum err db_known(struct meta_view *v, struct span name, sqlite3_stmt **ret, struct err_info *reterr);
/* Prepares it under a name of its own, for texts that are put together: whoever asks again need not. No text of SQL has such a name. */
NODISCARD enum err db_prepare_as(struct meta_view *v, struct span name, const char *sql, sqlite3_stmt **ret,
                                 struct err_info *reterr);
/* As db_query, with nothing bound yet. */
NODISCARD enum err db_prepare(struct meta_view *v, const char *sql, sqlite3_stmt **ret, struct err_info *reterr);
/* All parameters of a statement that is prepared. */
NODISCARD enum err db_bind_v(struct meta_view *v, sqlite3_stmt *st, struct err_info *reterr, const char *fmt, va_list ap);
NODISCARD enum err db_bind(struct meta_view *v, sqlite3_stmt *st, int at, char kind, struct span s, int64_t i,
                           struct err_info *reterr);

/* *ret_row false: no more rows, and the statement is reset. An error resets it, too. */
NODISCARD enum err db_step(struct meta_view *v, sqlite3_stmt *st, bool *ret_row, struct err_info *reterr);

/* Runs to the end; rows are dropped. ret_changes may be NULL. ERR_STATE outside a transaction. */
NODISCARD enum err db_run(struct meta *m, int *ret_changes, struct err_info *reterr, const char *sql, const char *fmt,
                          ...);

/* The first column of the one row. ERR_NOTFOUND. */
NODISCARD enum err db_int(struct meta_view *v, int64_t *ret, struct err_info *reterr, const char *sql, const char *fmt,
                          ...);

/* Borrowed until the next step. */
struct span db_col_peek(sqlite3_stmt *st, int col);
/* A copy in the arena. */
NODISCARD enum err db_col_span(sqlite3_stmt *st, int col, struct arena *a, struct span *ret, struct err_info *reterr);

/* ---- rows ---- */

/* "t.id,t.seq,t.name" */
void db_columns(const struct db_table *t, const char *prefix, struct buf *b);

/* Sets seq and v where they are 0. */
NODISCARD enum err db_insert(struct meta *m, const struct db_table *t, void *row, struct err_info *reterr);
/* All columns but key and seq, where the key is. ERR_NOTFOUND. */
NODISCARD enum err db_update(struct meta *m, const struct db_table *t, const void *row, struct err_info *reterr);

/* Fills row from the statement's current row (columns in the table's order, from 0). */
NODISCARD enum err db_load(const struct db_table *t, sqlite3_stmt *st, struct arena *a, void *row,
                           struct err_info *reterr);

/* The one row of "SELECT <columns> FROM <table> t <tail>". ERR_NOTFOUND. */
NODISCARD enum err db_get(struct meta_view *v, const struct db_table *t, struct arena *a, void *ret_row,
                          struct err_info *reterr, const char *tail, const char *fmt, ...);

/* All of them, at most 'max' (ERR_LIMIT). ret_list is a struct meta_…_list. */
NODISCARD enum err db_all(struct meta_view *v, const struct db_table *t, struct arena *a, size_t max, void *ret_list,
                          struct err_info *reterr, const char *tail, const char *fmt, ...);

/* One column of all rows of a whole statement, at most 'max'. */
NODISCARD enum err db_texts(struct meta_view *v, struct arena *a, size_t max, struct span **ret, size_t *ret_n,
                            struct err_info *reterr, const char *sql, const char *fmt, ...);

/* An array in an arena that doubles. NULL: the arena is full. */
void *db_slot(struct arena *a, void **rows, size_t *cap, size_t n, size_t size);

/* The row's seq (tables that have one). */
int64_t db_seq(const struct db_table *t, const void *row);
