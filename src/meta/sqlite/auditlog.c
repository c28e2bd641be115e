#include "meta/auditlog.h"

#include "meta/sqlite/auditseen.h"
#include "meta/sqlite/db.h"

enum err meta_audit_append(struct meta *m, const struct meta_audit *r, struct err_info *reterr)
{
    TRY(db_run(m, NULL, reterr,
               "INSERT INTO audit(log,idx,type,time,hash,actor,q,gid,rid,leaf) VALUES(?,?,?,?,?,?,?,?,?,?)", "titibnnnnb",
               r->log, r->idx, r->type, r->time, r->hash, r->actor, r->q, r->gid, r->rid, r->leaf));
    if (r->idx % META_AUDIT_BLOCK != META_AUDIT_BLOCK - 1)
        return ERR_OK;
    return auditseen_write(m, r->log, r->idx / META_AUDIT_BLOCK, reterr);
}

enum err meta_audit_count(struct meta_view *v, struct span log, int64_t *ret_n, struct err_info *reterr)
{
    return db_int(v, ret_n, reterr, "SELECT coalesce(max(idx),-1)+1 FROM audit WHERE log=?", "t", log);
}

static enum err each(struct meta_view *v, const char *sql, bool leaves, struct span log, int64_t from,
                     meta_audit_fn *fn, void *ctx, struct err_info *reterr)
{
    sqlite3_stmt *st;
    bool row;

    TRY(db_query(v, &st, reterr, sql, "ti", log, from));
    for (;;) {
        struct meta_audit r = { .log = log };

        TRY(db_step(v, st, &row, reterr));
        if (!row)
            return ERR_OK;
        r.idx = sqlite3_column_int64(st, 0);
        r.type = db_col_peek(st, 1);
        r.time = sqlite3_column_int64(st, 2);
        r.hash = db_col_peek(st, 3);
        r.actor = db_col_peek(st, 4);
        r.q = db_col_peek(st, 5);
        r.gid = db_col_peek(st, 6);
        r.rid = db_col_peek(st, 7);
        if (leaves)
            r.leaf = db_col_peek(st, 8);
        if (!fn(ctx, &r)) {
            (void) sqlite3_reset(st); /* a read that ends early reports nothing */
            return ERR_OK;
        }
    }
}

enum err meta_audit_hashes(struct meta_view *v, struct span log, int64_t from, meta_audit_fn *fn, void *ctx,
                           struct err_info *reterr)
{
    return each(v, "SELECT idx,type,time,hash,actor,q,gid,rid FROM audit WHERE log=? AND idx>=? ORDER BY idx", false,
                log, from, fn, ctx, reterr);
}

enum err meta_audit_leaves(struct meta_view *v, struct span log, int64_t from, meta_audit_fn *fn, void *ctx,
                           struct err_info *reterr)
{
    return each(v,
                "SELECT idx,type,time,hash,actor,q,gid,rid,leaf FROM audit WHERE log=? AND idx>=? ORDER BY idx",
                true, log, from, fn, ctx, reterr);
}

/* ---- logs, nodes, openings, checkpoints ---- */

enum err meta_log_add(struct meta *m, struct meta_log *row, struct err_info *reterr)
{
    return db_insert(m, &db_table_log, row, reterr);
}

enum err meta_log_put(struct meta *m, const struct meta_log *row, struct err_info *reterr)
{
    return db_update(m, &db_table_log, row, reterr);
}

enum err meta_log_get(struct meta_view *v, struct span log, struct arena *a, struct meta_log *ret,
                      struct err_info *reterr)
{
    return db_get(v, &db_table_log, a, ret, reterr, "WHERE log=?", "t", log);
}

enum err meta_logs(struct meta_view *v, struct arena *a, struct meta_log_list *ret, struct err_info *reterr)
{
    return db_all(v, &db_table_log, a, 1000000, ret, reterr, "ORDER BY seq", "");
}

enum err meta_node_add(struct meta *m, struct span log, unsigned level, uint64_t idx, struct span hash,
                       struct err_info *reterr)
{
    return db_run(m, NULL, reterr, "INSERT INTO audit_node(log,level,idx,hash) VALUES(?,?,?,?)", "tiib", log,
                  (int64_t) level, (int64_t) idx, hash);
}

enum err meta_node_get(struct meta_view *v, struct span log, unsigned level, uint64_t idx, uint8_t ret[META_HASH_LEN],
                       struct err_info *reterr)
{
    enum err e = ERR_OK;
    sqlite3_stmt *st;
    struct span h;
    bool row;

    TRY(db_query(v, &st, reterr, "SELECT hash FROM audit_node WHERE log=? AND level=? AND idx=?", "tii", log,
                 (int64_t) level, (int64_t) idx));
    TRY(db_step(v, st, &row, reterr));
    if (!row)
        return ERR_RAISE(reterr, ERR_NOTFOUND, "audit log: no node %u/%llu", level, (unsigned long long) idx);
    h = db_col_peek(st, 0);
    if (h.n == META_HASH_LEN)
        memcpy(ret, h.p, META_HASH_LEN);
    else
        e = ERR_RAISE(reterr, ERR_CORRUPT, "audit log: node %u/%llu has %zu bytes", level, (unsigned long long) idx,
                      h.n);
    (void) sqlite3_reset(st); /* a read that ends early reports nothing */
    return e;
}

struct hashes {
    uint64_t from;
    size_t n, want;
    uint8_t (*to)[META_HASH_LEN];
    bool good;
};

static bool copy_hash(void *ctx, const struct meta_audit *row)
{
    struct hashes *h = ctx;

    h->good = (uint64_t) row->idx == h->from + h->n && row->hash.n == META_HASH_LEN;
    if (!h->good)
        return false;
    memcpy(h->to[h->n++], row->hash.p, META_HASH_LEN);
    return h->n < h->want;
}

enum err meta_hashes_get(struct meta_view *v, struct span log, uint64_t from, size_t n, uint8_t (*ret)[META_HASH_LEN],
                         struct err_info *reterr)
{
    struct hashes h = { from, 0, n, ret, true };

    if (n == 0)
        return ERR_OK;
    TRY(meta_audit_hashes(v, log, (int64_t) from, copy_hash, &h, reterr));
    if (h.n != n)
        return ERR_RAISE(reterr, ERR_CORRUPT, "audit log " SPAN_FMT ": no proper hash at %llu", SPAN_ARG(log),
                         (unsigned long long) (from + h.n));
    return ERR_OK;
}

enum err meta_opening_add(struct meta *m, struct meta_opening *row, struct err_info *reterr)
{
    return db_insert(m, &db_table_opening, row, reterr);
}

enum err meta_openings(struct meta_view *v, struct span log, int64_t idx, struct arena *a,
                       struct meta_opening_list *ret, struct err_info *reterr)
{
    return db_all(v, &db_table_opening, a, META_PAGE_MAX, ret, reterr, "WHERE log=? AND idx=? ORDER BY field", "ti",
                  log, idx);
}

enum err meta_checkpoint_add(struct meta *m, struct meta_checkpoint *row, struct err_info *reterr)
{
    return db_insert(m, &db_table_checkpoint, row, reterr);
}

enum err meta_checkpoint_newest(struct meta_view *v, struct span log, struct arena *a, struct meta_checkpoint *ret,
                                struct err_info *reterr)
{
    return db_get(v, &db_table_checkpoint, a, ret, reterr, "WHERE log=? ORDER BY size DESC LIMIT 1", "t", log);
}
