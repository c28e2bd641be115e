#include "meta/sqlite/auditseen.h"

#include <stdlib.h>

#define WORDS_MAX (META_AUDIT_BLOCK * 6)
#define BYTES_MAX (1u << 20) /* words are ids and types: some 30 KiB */

struct words {
    struct span w[WORDS_MAX];
    size_t n;
};

/* "replay." of "replay.leased": what a filter for all that begin so asks for; empty: none. */
static struct span family(struct span type)
{
    for (size_t i = 0; i < type.n; i++) {
        if (type.p[i] == '.')
            return span_sub(type, 0, i + 1);
    }
    return SPAN_EMPTY;
}

static int by_bytes(const void *a, const void *b)
{
    return span_cmp(*(const struct span *) a, *(const struct span *) b);
}

static void sort_once_each(struct words *x)
{
    size_t n = 0;

    qsort(x->w, x->n, sizeof(x->w[0]), by_bytes);
    for (size_t i = 0; i < x->n; i++) {
        if (n == 0 || !span_eq(x->w[i], x->w[n - 1]))
            x->w[n++] = x->w[i];
    }
    x->n = n;
}

/* All words of a block's rows, sorted, each once; in a. */
static enum err gather(struct meta_view *v, struct span log, int64_t block, struct arena *a, struct words **ret,
                       struct err_info *reterr)
{
    struct words *x = arena_alloc(a, sizeof(*x));
    sqlite3_stmt *st;
    bool row;

    if (x == NULL)
        return ERR_RAISE(reterr, ERR_NOMEM, "audit log: words of a block");
    TRY(db_query(v, &st, reterr, "SELECT type,actor,q,gid,rid FROM audit WHERE log=? AND idx>=? AND idx<?", "tii", log,
                 block * META_AUDIT_BLOCK, (block + 1) * META_AUDIT_BLOCK));
    for (;;) {
        TRY(db_step(v, st, &row, reterr));
        if (!row)
            break;
        for (int i = 0; i < 5 && x->n + 2 <= WORDS_MAX; i++) {
            struct span w;

            if (db_col_peek(st, i).n == 0)
                continue;
            TRY(db_col_span(st, i, a, &w, reterr));
            x->w[x->n++] = w;
            if (i == 0 && family(w).n > 0)
                x->w[x->n++] = family(w);
        }
    }
    sort_once_each(x);
    *ret = x;
    return ERR_OK;
}

enum err auditseen_write(struct meta *m, struct span log, int64_t block, struct err_info *reterr)
{
    CLEANUP(arena_deinit) struct arena a = { 0 };
    struct words *x;

    arena_init(&a, BYTES_MAX);
    TRY(gather(&m->view, log, block, &a, &x, reterr));
    for (size_t i = 0; i < x->n; i++)
        TRY(db_run(m, NULL, reterr, "INSERT INTO audit_seen(log,word,block) VALUES(?,?,?)", "tti", log, x->w[i], block));
    return ERR_OK;
}

enum err meta_audit_seen_whole(struct meta_view *v, struct span log, int64_t block, bool *ret, struct err_info *reterr)
{
    CLEANUP(arena_deinit) struct arena a = { 0 };
    struct words *x;
    int64_t there = 1;

    arena_init(&a, BYTES_MAX);
    TRY(gather(v, log, block, &a, &x, reterr));
    for (size_t i = 0; i < x->n && there > 0; i++)
        TRY(db_int(v, &there, reterr, "SELECT count(*) FROM audit_seen WHERE log=? AND word=? AND block=?", "tti", log, x->w[i],
                   block));
    *ret = there > 0;
    return ERR_OK;
}

/* ---- looking ---- */

/* The nearest block with this word in the list's direction; where there is none: the tail, or -1. */
static enum err seek_word(struct meta_view *v, const struct meta_audit_filter *f, struct span word, int64_t tail,
                          int64_t block, int64_t *ret, struct err_info *reterr)
{
    if (f->ascending)
        return db_int(v, ret, reterr,
                      "SELECT coalesce(min(block),?1) FROM audit_seen WHERE log=?2 AND word=?3 AND block>=?4", "itti", tail,
                      f->log, word, block);
    return db_int(v, ret, reterr, "SELECT coalesce(max(block),-1) FROM audit_seen WHERE log=? AND word=? AND block<=?", "tti",
                  f->log, word, block);
}

static enum err seek_types(struct meta_view *v, const struct meta_audit_filter *f, int64_t tail, int64_t block,
                           int64_t *ret, struct err_info *reterr)
{
    int64_t best = f->ascending ? tail : -1, b;

    for (size_t i = 0; i < f->n_types; i++) {
        TRY(seek_word(v, f, f->types[i], tail, block, &b, reterr));
        if (f->ascending ? b < best : b > best)
            best = b;
    }
    *ret = best;
    return ERR_OK;
}

/* Each word moves the block on until all agree. */
enum err auditseen_seek(struct meta_view *v, const struct meta_audit_filter *f, int64_t tail, int64_t block,
                        int64_t *ret, struct err_info *reterr)
{
    const struct span ids[] = { f->gid, f->q, f->rid, f->actor };
    int64_t at = block, before;

    do {
        before = at;
        for (size_t i = 0; i < 4 && at >= 0 && at < tail; i++) {
            if (ids[i].n > 0)
                TRY(seek_word(v, f, ids[i], tail, at, &at, reterr));
        }
        if (f->n_types > 0 && at >= 0 && at < tail)
            TRY(seek_types(v, f, tail, at, &at, reterr));
    } while (at != before);
    *ret = at;
    return ERR_OK;
}
