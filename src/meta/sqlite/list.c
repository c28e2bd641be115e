#include "meta/sqlite/list.h"

#include <stdarg.h>

enum err list_init(struct list *l, const struct db_table *t, int key_col, const struct meta_page *page,
                   struct arena *a, struct err_info *reterr)
{
    if (page->limit < 1 || page->limit > META_PAGE_MAX)
        return ERR_RAISE(reterr, ERR_INVAL, "a page has 1 to %d rows", META_PAGE_MAX);
    *l = (struct list){ .t = t, .a = a, .after = page->after, .max = (size_t) page->limit + 1, .key_offset = SIZE_MAX };
    if (key_col >= 0) {
        l->key_offset = 0;
        for (int i = 0; i < key_col; i++)
            l->key_offset += t->cols[i].kind == DB_INT ? sizeof(int64_t) : sizeof(struct span);
    }
    l->rows = arena_alloc(a, l->max * t->size);
    if (l->rows == NULL)
        return ERR_RAISE(reterr, ERR_NOMEM, "database: the answer is larger than its arena");
    return ERR_OK;
}

static const uint8_t *row_at(const struct list *l, size_t i)
{
    return l->rows + i * l->t->size;
}

static struct meta_pos pos_of(const struct list *l, const void *row)
{
    struct meta_pos p = { 0, db_seq(l->t, row) };

    if (l->key_offset != SIZE_MAX)
        memcpy(&p.key, (const uint8_t *) row + l->key_offset, sizeof(p.key));
    return p;
}

/* < 0: a is newer. */
static int compare(struct meta_pos a, struct meta_pos b)
{
    if (a.key != b.key)
        return a.key > b.key ? -1 : 1;
    if (a.seq != b.seq)
        return a.seq > b.seq ? -1 : 1;
    return 0;
}

int64_t list_before(const struct list *l)
{
    return meta_pos_end(l->after) ? INT64_MAX : l->after.seq;
}

int64_t list_before_key(const struct list *l)
{
    return meta_pos_end(l->after) ? INT64_MAX : l->after.key;
}

int64_t list_floor(const struct list *l)
{
    return l->n == l->max && l->key_offset == SIZE_MAX ? db_seq(l->t, row_at(l, l->n - 1)) : 0;
}

int64_t list_limit(const struct list *l)
{
    return (int64_t) l->max;
}

void list_put(struct list *l, const void *row)
{
    struct meta_pos p = pos_of(l, row);
    size_t at = l->n;

    while (at > 0 && compare(p, pos_of(l, row_at(l, at - 1))) < 0)
        at--;
    if (at > 0 && compare(p, pos_of(l, row_at(l, at - 1))) == 0)
        return; /* another source had it */
    if (at == l->max)
        return;
    if (l->n < l->max)
        l->n++;
    memmove(l->rows + (at + 1) * l->t->size, row_at(l, at), (l->n - at - 1) * l->t->size);
    memcpy(l->rows + at * l->t->size, row, l->t->size);
}

/* Merges what a bound statement gives. */
static enum err take(struct list *l, struct meta_view *v, sqlite3_stmt *st, struct err_info *reterr)
{
    void *row = arena_alloc(l->a, l->t->size);
    bool more;

    if (row == NULL)
        return ERR_RAISE(reterr, ERR_NOMEM, "database: the answer is larger than its arena");
    for (;;) {
        enum err e;

        TRY(db_step(v, st, &more, reterr));
        if (!more)
            return ERR_OK;
        e = db_load(l->t, st, l->a, row, reterr);
        if (e != ERR_OK) {
            (void) sqlite3_reset(st); /* a read that ends early reports nothing */
            return e;
        }
        list_put(l, row);
    }
}

void list_stop(struct list *l, struct meta_pos at)
{
    if (meta_pos_end(l->stop) || compare(at, l->stop) < 0)
        l->stop = at;
}

bool list_full(const struct list *l, struct meta_pos p)
{
    return l->n == l->max && compare(pos_of(l, row_at(l, l->n - 1)), p) <= 0;
}

static void begin(const struct list *l, struct buf *sql)
{
    buf_add_str(sql, "SELECT ");
    db_columns(l->t, "t.", sql);
    buf_addf(sql, " FROM %s t ", l->t->name);
}

enum err list_add(struct list *l, struct meta_view *v, struct err_info *reterr, const char *tail, const char *fmt, ...)
{
    CLEANUP(buf_deinit) struct buf sql = BUF_INIT(DB_TEXT_MAX);
    sqlite3_stmt *st;
    va_list ap;
    enum err e;

    begin(l, &sql);
    buf_add_str(&sql, tail);
    TRY(buf_check(&sql, reterr));
    va_start(ap, fmt);
    e = db_query_v(v, &st, reterr, buf_cstr(&sql), fmt, ap);
    va_end(ap);
    TRY(e);
    return take(l, v, st, reterr);
}

void ask_init(struct ask *k)
{
    *k = (struct ask){ .sql = BUF_INIT(DB_TEXT_MAX) };
}

void ask_deinit(struct ask *k)
{
    buf_deinit(&k->sql);
}

void ask_add(struct ask *k, const char *sql)
{
    buf_add_str(&k->sql, sql);
}

static void param(struct ask *k, const char *sql, char kind, struct span s, int64_t i)
{
    buf_add_str(&k->sql, sql);
    if (k->n == ASK_MAX) {
        k->sql.failed = true;
        return;
    }
    k->p[k->n].kind = kind;
    k->p[k->n].s = s;
    k->p[k->n++].i = i;
}

void ask_text(struct ask *k, const char *sql, struct span s)
{
    param(k, sql, 't', s, 0);
}

void ask_int(struct ask *k, const char *sql, int64_t i)
{
    param(k, sql, 'i', SPAN_EMPTY, i);
}

enum err ask_run(struct meta_view *v, struct ask *k, sqlite3_stmt **ret, struct err_info *reterr)
{
    TRY(buf_check(&k->sql, reterr));
    TRY(db_prepare(v, buf_cstr(&k->sql), ret, reterr));
    for (size_t i = 0; i < k->n; i++)
        TRY(db_bind(v, *ret, (int) i + 1, k->p[i].kind, k->p[i].s, k->p[i].i, reterr));
    return ERR_OK;
}

enum err list_ask(struct list *l, struct meta_view *v, struct ask *k, struct err_info *reterr)
{
    CLEANUP(buf_deinit) struct buf tail = BUF_INIT(DB_TEXT_MAX);
    sqlite3_stmt *st;

    TRY(buf_check(&k->sql, reterr));
    buf_add_span(&tail, buf_span(&k->sql));
    buf_reset(&k->sql);
    begin(l, &k->sql);
    buf_add_span(&k->sql, buf_span(&tail));
    TRY(ask_run(v, k, &st, reterr));
    return take(l, v, st, reterr);
}

void list_finish(struct list *l, void *ret_list, struct meta_pos *ret_next)
{
    struct meta_account_list list; /* all lists have this shape */
    struct meta_pos next = { 0, 0 };

    if (l->n == l->max) {
        l->n--;
        next = pos_of(l, row_at(l, l->n - 1));
    }
    if (!meta_pos_end(l->stop) && (meta_pos_end(next) || compare(l->stop, next) < 0)) {
        next = l->stop;
        while (l->n > 0 && compare(pos_of(l, row_at(l, l->n - 1)), next) > 0)
            l->n--;
    }
    list.rows = (void *) l->rows;
    list.n = l->n;
    memcpy(ret_list, &list, sizeof(list));
    *ret_next = next;
}
