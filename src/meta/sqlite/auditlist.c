#include "meta/sqlite/auditseen.h"
#include "meta/sqlite/list.h"

static void ask_types(struct ask *k, const struct meta_audit_filter *f)
{
    for (size_t i = 0; i < f->n_types; i++) {
        struct span t = f->types[i];
        bool family = t.n > 0 && t.p[t.n - 1] == '.';

        ask_add(k, i == 0 ? " AND (" : " OR ");
        if (family) { /* ASCII words: '/' follows '.' */
            ask_text(k, "(a.type>=?", t);
            ask_text(k, " AND a.type<?", span_sub(t, 0, t.n - 1));
            ask_add(k, "||'/')");
        } else {
            ask_text(k, "a.type=?", t);
        }
    }
    if (f->n_types > 0)
        ask_add(k, ")");
}

static void ask_items(struct ask *k, const struct meta_audit_filter *f, int64_t from, int64_t to, int64_t limit)
{
    ask_text(k, "SELECT a.idx,a.time,a.type,a.leaf FROM audit a WHERE a.log=?", f->log);
    if (f->actor.n > 0)
        ask_text(k, " AND a.actor=?", f->actor);
    if (f->q.n > 0)
        ask_text(k, " AND a.q=?", f->q);
    if (f->gid.n > 0)
        ask_text(k, " AND a.gid=?", f->gid);
    if (f->rid.n > 0)
        ask_text(k, " AND a.rid=?", f->rid);
    ask_types(k, f);
    if (f->after_ms != 0)
        ask_int(k, " AND a.time>=?", f->after_ms);
    if (f->before_ms != 0)
        ask_int(k, " AND a.time<?", f->before_ms);
    ask_int(k, " AND a.idx>=?", from);
    ask_int(k, " AND a.idx<?", to);
    ask_int(k, f->ascending ? " ORDER BY a.idx LIMIT ?" : " ORDER BY a.idx DESC LIMIT ?", limit);
}

/* A page as it grows: room for one row more than it may have, which says where the next begins. */
struct page {
    const struct meta_audit_filter *f;
    struct meta_audit_item *rows;
    size_t n;
    struct arena *a;
};

static enum err take_row(struct page *p, sqlite3_stmt *st, struct err_info *reterr)
{
    struct meta_audit_item *x = &p->rows[p->n];

    x->idx = sqlite3_column_int64(st, 0);
    x->time = sqlite3_column_int64(st, 1);
    if (p->n < p->f->limit) {
        TRY(db_col_span(st, 2, p->a, &x->type, reterr));
        TRY(db_col_span(st, 3, p->a, &x->leaf, reterr));
    }
    p->n++;
    return ERR_OK;
}

/* What passes of the records [from, to), in the list's direction, as far as the page has room. */
static enum err take_range(struct meta_view *v, struct page *p, int64_t from, int64_t to, struct err_info *reterr)
{
    CLEANUP(ask_deinit) struct ask k = { .n = 0 };
    sqlite3_stmt *st;
    bool row;

    ask_init(&k);
    ask_items(&k, p->f, from, to, (int64_t) (p->f->limit + 1 - p->n));
    TRY(ask_run(v, &k, &st, reterr));
    for (;;) {
        enum err e;

        TRY(db_step(v, st, &row, reterr));
        if (!row)
            return ERR_OK;
        e = take_row(p, st, reterr);
        if (e != ERR_OK) {
            (void) sqlite3_reset(st); /* a read that ends early reports nothing */
            return e;
        }
    }
}

static enum err take_blocks(struct meta_view *v, struct page *p, int64_t from, int64_t count, struct err_info *reterr)
{
    bool up = p->f->ascending;
    int64_t tail = count / META_AUDIT_BLOCK;
    int64_t block = from >= count ? (up ? tail + 1 : tail) : from / META_AUDIT_BLOCK;

    while (block >= 0 && block <= tail && p->n <= p->f->limit) {
        int64_t first, end;

        TRY(auditseen_seek(v, p->f, tail, block, &block, reterr));
        if (block < 0)
            return ERR_OK;
        first = block * META_AUDIT_BLOCK;
        end = first + META_AUDIT_BLOCK;
        TRY(take_range(v, p, up && from > first ? from : first, !up && from < end ? from + 1 : end, reterr));
        block += up ? 1 : -1;
    }
    return ERR_OK;
}

enum err meta_audit_list(struct meta_view *v, const struct meta_audit_filter *f, struct arena *a,
                         struct meta_audit_item **ret, size_t *ret_n, int64_t *ret_more, struct err_info *reterr)
{
    struct page p = { .f = f, .a = a };
    int64_t from = f->from >= 0 && f->from < INT64_MAX ? f->from : f->ascending && f->from < 0 ? 0 : INT64_MAX - 1, count;

    if (f->limit < 1 || f->limit > META_PAGE_MAX)
        return ERR_RAISE(reterr, ERR_INVAL, "a page has 1 to %d rows", META_PAGE_MAX);
    p.rows = arena_alloc(a, (f->limit + 1) * sizeof(*p.rows));
    if (p.rows == NULL)
        return ERR_RAISE(reterr, ERR_NOMEM, "database: the answer is larger than its arena");
    if (f->n_types + f->actor.n + f->q.n + f->gid.n + f->rid.n == 0) {
        TRY(take_range(v, &p, f->ascending ? from : 0, f->ascending ? INT64_MAX : from + 1, reterr));
    } else {
        TRY(meta_audit_count(v, f->log, &count, reterr));
        TRY(take_blocks(v, &p, from, count, reterr));
    }
    *ret_more = p.n > f->limit ? p.rows[f->limit].idx : -1;
    *ret_n = p.n > f->limit ? f->limit : p.n;
    *ret = p.rows;
    return ERR_OK;
}
