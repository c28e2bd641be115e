#include "meta/sqlite/db.h"

#include <stdarg.h>

#define NAME_CAP 512

/* ---- the tables, from the field lists ---- */

#define COL(kind, name)  { #name, DB_##kind },
#define SIZE(kind, name) +sizeof(meta_##kind)
#define TABLE(row, NAME, table, key)                                                                                   \
    static const struct db_col cols_##row[] = { META_##NAME(COL) };                                                    \
    const struct db_table db_table_##row = { table, cols_##row, sizeof(cols_##row) / sizeof(cols_##row[0]), key,       \
                                             sizeof(struct meta_##row) };                                              \
    _Static_assert(sizeof(struct meta_##row) == 0 META_##NAME(SIZE), "no padding in rows");
META_ROWS(TABLE)

static size_t width(const struct db_col *c)
{
    return c->kind == DB_INT ? sizeof(int64_t) : sizeof(struct span);
}

/* 'seq' is the first or the second column; -1: none. */
static int seq_at(const struct db_table *t)
{
    for (int i = 0; i < 2; i++) {
        if (strcmp(t->cols[i].name, "seq") == 0)
            return i;
    }
    return -1;
}

static int64_t *int_at(const struct db_table *t, const void *row, size_t col)
{
    size_t offset = 0;

    for (size_t i = 0; i < col; i++)
        offset += width(&t->cols[i]);
    return (int64_t *) ((uintptr_t) row + offset);
}

int64_t db_seq(const struct db_table *t, const void *row)
{
    int at = seq_at(t);

    return at < 0 ? 0 : *int_at(t, row, (size_t) at);
}

void db_columns(const struct db_table *t, const char *prefix, struct buf *b)
{
    for (size_t i = 0; i < t->n_cols; i++) { /* of every query: printf was a third of what a list costs */
        buf_add_str(b, i == 0 ? "" : ",");
        buf_add_str(b, prefix);
        buf_add_str(b, t->cols[i].name);
    }
}

/*
 * Statements on rows are known by what is done, the table and the tail: their text is put together once (it was a fifth of what a look-up
 * of one row costs). Empty: too long for that.
 */
static struct span name_of(const struct db_table *t, char what, const char *tail, uint8_t name[NAME_CAP])
{
    size_t table = strlen(t->name), n = strlen(tail);

    if (table + n + 2 > NAME_CAP)
        return SPAN_EMPTY;
    name[0] = (uint8_t) what;
    memcpy(name + 1, t->name, table);
    name[1 + table] = 0;
    memcpy(name + 2 + table, tail, n);
    return span_of(name, 2 + table + n);
}

/* Puts it where name_of, or its text, is looked for. */
static enum err keep(struct meta_view *v, struct span name, struct buf *sql, sqlite3_stmt **ret, struct err_info *reterr)
{
    TRY(buf_check(sql, reterr));
    return db_prepare_as(v, name.n > 0 ? name : buf_span(sql), buf_cstr(sql), ret, reterr);
}

/* ---- writing ---- */

static enum err bind_fields(struct meta_view *v, sqlite3_stmt *st, const struct db_table *t, const void *row,
                            size_t from, size_t to, int skip, int *at, struct err_info *reterr)
{
    const uint8_t *p = (const uint8_t *) int_at(t, row, from);

    for (size_t i = from; i < to; p += width(&t->cols[i]), i++) {
        bool num = t->cols[i].kind == DB_INT;
        char kind = t->cols[i].kind == DB_BLOB ? 'b' : 't';

        if ((int) i == skip)
            continue;
        TRY(db_bind(v, st, ++*at, num ? 'i' : kind, num ? SPAN_EMPTY : *(const struct span *) (const void *) p,
                    num ? *(const int64_t *) (const void *) p : 0, reterr));
    }
    return ERR_OK;
}

static enum err prepare_insert(struct meta_view *v, const struct db_table *t, sqlite3_stmt **ret, struct err_info *reterr)
{
    CLEANUP(buf_deinit) struct buf sql = BUF_INIT(DB_TEXT_MAX);
    uint8_t cap[NAME_CAP];
    struct span name = name_of(t, 'I', "", cap);

    TRY(db_known(v, name, ret, reterr));
    if (*ret != NULL)
        return ERR_OK;
    buf_addf(&sql, "INSERT INTO %s(", t->name);
    db_columns(t, "", &sql);
    buf_add_str(&sql, ") VALUES(");
    for (size_t i = 0; i < t->n_cols; i++)
        buf_add_str(&sql, i == 0 ? "?" : ",?");
    buf_add_c(&sql, ')');
    return keep(v, name, &sql, ret, reterr);
}

static enum err prepare_update(struct meta_view *v, const struct db_table *t, int seq, sqlite3_stmt **ret,
                               struct err_info *reterr)
{
    CLEANUP(buf_deinit) struct buf sql = BUF_INIT(DB_TEXT_MAX);
    uint8_t cap[NAME_CAP];
    struct span name = name_of(t, 'U', "", cap);
    bool first = true;

    TRY(db_known(v, name, ret, reterr));
    if (*ret != NULL)
        return ERR_OK;
    buf_addf(&sql, "UPDATE %s SET ", t->name);
    for (size_t i = t->n_key; i < t->n_cols; i++) {
        if ((int) i == seq)
            continue;
        buf_addf(&sql, "%s%s=?", first ? "" : ",", t->cols[i].name);
        first = false;
    }
    for (size_t i = 0; i < t->n_key; i++)
        buf_addf(&sql, "%s%s=?", i == 0 ? " WHERE " : " AND ", t->cols[i].name);
    return keep(v, name, &sql, ret, reterr);
}

enum err db_insert(struct meta *m, const struct db_table *t, void *row, struct err_info *reterr)
{
    size_t last = t->n_cols - 1;
    int seq = seq_at(t), at = 0;
    sqlite3_stmt *st;
    bool more;

    TRY(db_writable(m, reterr));
    if (seq >= 0 && *int_at(t, row, (size_t) seq) == 0)
        *int_at(t, row, (size_t) seq) = meta_next_seq(m);
    if (strcmp(t->cols[last].name, "v") == 0 && *int_at(t, row, last) == 0)
        *int_at(t, row, last) = META_V;
    TRY(prepare_insert(&m->view, t, &st, reterr));
    TRY(bind_fields(&m->view, st, t, row, 0, t->n_cols, -1, &at, reterr));
    return db_step(&m->view, st, &more, reterr);
}

enum err db_update(struct meta *m, const struct db_table *t, const void *row, struct err_info *reterr)
{
    int seq = seq_at(t), at = 0;
    sqlite3_stmt *st;
    bool more;

    TRY(db_writable(m, reterr));
    TRY(prepare_update(&m->view, t, seq, &st, reterr));
    TRY(bind_fields(&m->view, st, t, row, t->n_key, t->n_cols, seq, &at, reterr));
    TRY(bind_fields(&m->view, st, t, row, 0, t->n_key, -1, &at, reterr));
    TRY(db_step(&m->view, st, &more, reterr));
    if (sqlite3_changes(m->view.h) == 0)
        return ERR_RAISE(reterr, ERR_NOTFOUND, "database: no such %s", t->name);
    return ERR_OK;
}

/* ---- reading ---- */

enum err db_load(const struct db_table *t, sqlite3_stmt *st, struct arena *a, void *row, struct err_info *reterr)
{
    uint8_t *p = row;

    for (size_t i = 0; i < t->n_cols; p += width(&t->cols[i]), i++) {
        if (t->cols[i].kind == DB_INT)
            *(int64_t *) (void *) p = sqlite3_column_int64(st, (int) i);
        else
            TRY(db_col_span(st, (int) i, a, (struct span *) (void *) p, reterr));
    }
    return ERR_OK;
}

static enum err select_v(struct meta_view *v, const struct db_table *t, sqlite3_stmt **ret, struct err_info *reterr,
                         const char *tail, const char *fmt, va_list ap)
{
    CLEANUP(buf_deinit) struct buf sql = BUF_INIT(DB_TEXT_MAX);
    uint8_t cap[NAME_CAP];
    struct span name = name_of(t, 'S', tail, cap);

    TRY(db_known(v, name, ret, reterr));
    if (*ret == NULL) {
        buf_add_str(&sql, "SELECT ");
        db_columns(t, "t.", &sql);
        buf_addf(&sql, " FROM %s t %s", t->name, tail);
        TRY(keep(v, name, &sql, ret, reterr));
    }
    return db_bind_v(v, *ret, reterr, fmt, ap);
}

enum err db_get(struct meta_view *v, const struct db_table *t, struct arena *a, void *ret_row, struct err_info *reterr,
                const char *tail, const char *fmt, ...)
{
    sqlite3_stmt *st;
    va_list ap;
    enum err e;
    bool row;

    va_start(ap, fmt);
    e = select_v(v, t, &st, reterr, tail, fmt, ap);
    va_end(ap);
    TRY(e);
    TRY(db_step(v, st, &row, reterr));
    if (!row)
        return ERR_RAISE(reterr, ERR_NOTFOUND, "database: no such %s", t->name);
    e = db_load(t, st, a, ret_row, reterr);
    (void) sqlite3_reset(st); /* a read that ends early reports nothing */
    return e;
}

void *db_slot(struct arena *a, void **rows, size_t *cap, size_t n, size_t size)
{
    if (n == *cap) {
        size_t want = *cap == 0 ? 16 : *cap * 2;
        void *more = arena_alloc(a, want * size);

        if (more == NULL)
            return NULL;
        if (n > 0)
            memcpy(more, *rows, n * size);
        *rows = more;
        *cap = want;
    }
    return (uint8_t *) *rows + n * size;
}

/* Every row into an array: rows of a table, or (t NULL) spans of the first column. */
static enum err collect(struct meta_view *v, const struct db_table *t, sqlite3_stmt *st, struct arena *a, size_t max,
                        void **ret, size_t *ret_n, struct err_info *reterr)
{
    size_t n = 0, cap = 0, size = t != NULL ? t->size : sizeof(struct span);
    void *rows = NULL;
    bool row;

    for (;; n++) {
        void *to;
        enum err e;

        TRY(db_step(v, st, &row, reterr));
        if (!row)
            break;
        to = n < max ? db_slot(a, &rows, &cap, n, size) : NULL;
        if (to == NULL)
            e = ERR_RAISE(reterr, n < max ? ERR_NOMEM : ERR_LIMIT, "database: an answer of more than %zu rows", n);
        else
            e = t != NULL ? db_load(t, st, a, to, reterr) : db_col_span(st, 0, a, to, reterr);
        if (e != ERR_OK) {
            (void) sqlite3_reset(st); /* a read that ends early reports nothing */
            return e;
        }
    }
    *ret = rows;
    *ret_n = n;
    return ERR_OK;
}

enum err db_all(struct meta_view *v, const struct db_table *t, struct arena *a, size_t max, void *ret_list,
                struct err_info *reterr, const char *tail, const char *fmt, ...)
{
    struct meta_account_list list; /* all lists have this shape */
    sqlite3_stmt *st;
    va_list ap;
    enum err e;
    void *rows;

    va_start(ap, fmt);
    e = select_v(v, t, &st, reterr, tail, fmt, ap);
    va_end(ap);
    TRY(e);
    TRY(collect(v, t, st, a, max, &rows, &list.n, reterr));
    list.rows = rows;
    memcpy(ret_list, &list, sizeof(list));
    return ERR_OK;
}

enum err db_texts(struct meta_view *v, struct arena *a, size_t max, struct span **ret, size_t *ret_n,
                  struct err_info *reterr, const char *sql, const char *fmt, ...)
{
    sqlite3_stmt *st;
    va_list ap;
    enum err e;
    void *rows;

    va_start(ap, fmt);
    e = db_query_v(v, &st, reterr, sql, fmt, ap);
    va_end(ap);
    TRY(e);
    TRY(collect(v, NULL, st, a, max, &rows, ret_n, reterr));
    *ret = rows;
    return ERR_OK;
}
