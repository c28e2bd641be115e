#include "meta/recordings.h"

#include "meta/sqlite/db.h"
#include "meta/sqlite/words.h"

/* Columns: name, value, and of links when, and whether they are public. */
static enum err pairs_of(struct meta_view *v, const char *sql, struct span rid, struct arena *a,
                         struct meta_pair **ret, size_t *ret_n, struct err_info *reterr)
{
    void *rows = NULL;
    size_t n = 0, cap = 0;
    sqlite3_stmt *st;
    enum err e;
    bool row;

    TRY(db_query(v, &st, reterr, sql, "t", rid));
    for (;; n++) {
        struct meta_pair *p;

        TRY(db_step(v, st, &row, reterr));
        if (!row)
            break;
        p = db_slot(a, &rows, &cap, n, sizeof(*p));
        e = p == NULL ? ERR_RAISE(reterr, ERR_NOMEM, "database: the answer is larger than its arena")
                      : db_col_span(st, 0, a, &p->name, reterr);
        if (e == ERR_OK)
            e = db_col_span(st, 1, a, &p->value, reterr);
        if (e == ERR_OK) {
            p->timed = sqlite3_column_count(st) > 2 && sqlite3_column_type(st, 2) != SQLITE_NULL;
            p->at_ms = p->timed ? sqlite3_column_int64(st, 2) : 0;
            p->public = sqlite3_column_count(st) > 3 && sqlite3_column_int64(st, 3) != 0;
        }
        if (e != ERR_OK) {
            (void) sqlite3_reset(st); /* a read that ends early reports nothing */
            return e;
        }
    }
    *ret = rows;
    *ret_n = n;
    return ERR_OK;
}

enum err meta_recording_tags(struct meta_view *v, struct span rid, struct arena *a, struct meta_pair **ret,
                             size_t *ret_n, struct err_info *reterr)
{
    return pairs_of(v, "SELECT name,value FROM recording_tag WHERE rid=? ORDER BY name,value", rid, a, ret, ret_n,
                    reterr);
}

enum err meta_recording_links(struct meta_view *v, struct span rid, struct arena *a, struct meta_pair **ret,
                              size_t *ret_n, struct err_info *reterr)
{
    return pairs_of(v, "SELECT type,id,at_ms,public FROM recording_link WHERE rid=? ORDER BY type,id", rid, a, ret, ret_n,
                    reterr);
}

/* ---- rows ---- */

static enum err few(size_t n, struct err_info *reterr)
{
    if (n > META_TAGS_MAX)
        return ERR_RAISE(reterr, ERR_LIMIT, "%zu tags or links, at most %d", n, META_TAGS_MAX);
    return ERR_OK;
}

static enum err put_tags(struct meta *m, const struct meta_recording *r, const struct meta_pair *tags, size_t n,
                         struct err_info *reterr)
{
    TRY(few(n, reterr));
    for (size_t i = 0; i < n; i++)
        TRY(db_run(m, NULL, reterr,
                   "INSERT INTO recording_tag(rid,name,value,project,seq,started_ms) VALUES(?,?,?,?,?,?)"
                   " ON CONFLICT DO NOTHING",
                   "ttttii", r->id, tags[i].name, tags[i].value, r->project, r->seq, r->started_ms));
    return ERR_OK;
}

/* One that is there gets the time that it has not. What is said with a public token changes nothing that somebody else said. */
static enum err put_link(struct meta *m, const struct meta_recording *r, const struct meta_pair *l, struct err_info *reterr)
{
    if (!l->timed)
        return db_run(m, NULL, reterr,
                      "INSERT INTO recording_link(rid,type,id,project,seq,public) VALUES(?,?,?,?,?,?)"
                      " ON CONFLICT DO UPDATE SET public=0 WHERE public>excluded.public",
                      "ttttii", r->id, l->name, l->value, r->project, r->seq, (int64_t) l->public);
    return db_run(m, NULL, reterr,
                  "INSERT INTO recording_link(rid,type,id,project,seq,at_ms,public) VALUES(?,?,?,?,?,?,?)"
                  " ON CONFLICT DO UPDATE SET at_ms=COALESCE(at_ms,excluded.at_ms),public=MIN(public,excluded.public)"
                  " WHERE public>=excluded.public AND (at_ms IS NULL OR public>excluded.public)",
                  "ttttiii", r->id, l->name, l->value, r->project, r->seq, l->at_ms, (int64_t) l->public);
}

static enum err put_links(struct meta *m, const struct meta_recording *r, const struct meta_pair *links, size_t n,
                          struct err_info *reterr)
{
    TRY(few(n, reterr));
    for (size_t i = 0; i < n; i++)
        TRY(put_link(m, r, &links[i], reterr));
    return ERR_OK;
}

enum err meta_recording_add(struct meta *m, struct meta_recording *row, const struct meta_pair *tags, size_t n_tags,
                            const struct meta_pair *links, size_t n_links, struct err_info *reterr)
{
    TRY(db_insert(m, &db_table_recording, row, reterr));
    TRY(put_tags(m, row, tags, n_tags, reterr));
    TRY(put_links(m, row, links, n_links, reterr));
    return words_index(m, row, reterr);
}

enum err meta_recording_put(struct meta *m, const struct meta_recording *row, struct err_info *reterr)
{
    TRY(db_update(m, &db_table_recording, row, reterr));
    TRY(db_run(m, NULL, reterr, "UPDATE recording_tag SET started_ms=?1 WHERE rid=?2 AND started_ms<>?1", "it",
               row->started_ms, row->id));
    return words_index(m, row, reterr);
}

enum err meta_recording_get(struct meta_view *v, struct span rid, struct arena *a, struct meta_recording *ret,
                            struct err_info *reterr)
{
    return db_get(v, &db_table_recording, a, ret, reterr, "WHERE id=?", "t", rid);
}

enum err meta_recording_links_put(struct meta *m, struct span rid, const struct meta_pair *links, size_t n,
                                  struct err_info *reterr)
{
    CLEANUP(arena_deinit) struct arena a = { 0 };
    struct meta_recording r;

    arena_init(&a, 65536);
    TRY(meta_recording_get(&m->view, rid, &a, &r, reterr));
    TRY(db_run(m, NULL, reterr, "DELETE FROM recording_link WHERE rid=?", "t", rid));
    TRY(put_links(m, &r, links, n, reterr));
    return words_index(m, &r, reterr);
}

enum err meta_recording_links_add(struct meta *m, struct span rid, const struct meta_pair *links, size_t n,
                                  struct err_info *reterr)
{
    CLEANUP(arena_deinit) struct arena a = { 0 };
    struct meta_recording r;
    struct meta_pair *there;
    size_t n_there;

    arena_init(&a, 1u << 20);
    TRY(meta_recording_get(&m->view, rid, &a, &r, reterr));
    TRY(meta_recording_links(&m->view, rid, &a, &there, &n_there, reterr));
    for (size_t i = 0; i < n; i++) {
        bool known = false;

        for (size_t k = 0; k < n_there; k++)
            known |= span_eq(there[k].name, links[i].name) && span_eq(there[k].value, links[i].value);
        if (!known && n_there + i >= META_LINKS_MAX)
            continue;
        TRY(put_link(m, &r, &links[i], reterr));
    }
    return words_index(m, &r, reterr);
}

enum err meta_foreign_get(struct meta_view *v, struct span project, struct span name, struct arena *a, struct span *ret_rid,
                          struct err_info *reterr)
{
    sqlite3_stmt *st;
    bool row;
    enum err e;

    TRY(db_query(v, &st, reterr, "SELECT rid FROM foreign_session WHERE project=? AND name=?", "tt", project, name));
    TRY(db_step(v, st, &row, reterr));
    if (!row)
        return ERR_NOTFOUND;
    e = db_col_span(st, 0, a, ret_rid, reterr);
    (void) sqlite3_reset(st); /* a read that ends early reports nothing */
    return e;
}

enum err meta_foreign_put(struct meta *m, struct span project, struct span name, struct span rid, time_ms now,
                          struct err_info *reterr)
{
    return db_run(m, NULL, reterr,
                  "INSERT INTO foreign_session(project,name,rid,at_ms) VALUES(?,?,?,?)"
                  " ON CONFLICT DO UPDATE SET rid=excluded.rid, at_ms=excluded.at_ms",
                  "ttti", project, name, rid, now);
}

enum err meta_foreign_batch_put(struct meta *m, struct span rid, const struct meta_foreign_batch *b, struct err_info *reterr)
{
    TRY(db_run(m, NULL, reterr,
               "INSERT INTO foreign_batch(rid,number,last_segment,hashes) VALUES(?,?,?,?)"
               " ON CONFLICT DO UPDATE SET last_segment=excluded.last_segment, hashes=excluded.hashes",
               "tiib", rid, b->number, b->last_segment, b->hashes));
    return db_run(m, NULL, reterr, "DELETE FROM foreign_batch WHERE rid=? AND number<=?", "ti", rid, b->number - META_BATCHES_MAX);
}

enum err meta_foreign_batch_drop(struct meta *m, struct span rid, int64_t from, struct err_info *reterr)
{
    return db_run(m, NULL, reterr, "DELETE FROM foreign_batch WHERE rid=? AND number>=?", "ti", rid, from);
}

enum err meta_foreign_batches(struct meta_view *v, struct span rid, struct arena *a, struct meta_foreign_batch **ret, size_t *ret_n,
                              struct err_info *reterr)
{
    void *rows = NULL;
    size_t n = 0, cap = 0;
    sqlite3_stmt *st;
    bool row;

    TRY(db_query(v, &st, reterr, "SELECT number,last_segment,hashes FROM foreign_batch WHERE rid=? ORDER BY number DESC", "t", rid));
    for (;; n++) {
        struct meta_foreign_batch *b;
        enum err e;

        TRY(db_step(v, st, &row, reterr));
        if (!row)
            break;
        b = db_slot(a, &rows, &cap, n, sizeof(*b));
        e = b == NULL ? ERR_RAISE(reterr, ERR_NOMEM, "database: the answer is larger than its arena")
                      : db_col_span(st, 2, a, &b->hashes, reterr);
        if (e != ERR_OK) {
            (void) sqlite3_reset(st); /* a read that ends early reports nothing */
            return e;
        }
        b->number = sqlite3_column_int64(st, 0);
        b->last_segment = sqlite3_column_int64(st, 1);
    }
    *ret = rows;
    *ret_n = n;
    return ERR_OK;
}

enum err meta_recording_forget(struct meta *m, struct span rid, struct err_info *reterr)
{
    static const char *const tables[] = { "recording_tag", "recording_link", "piece", "wrap", "foreign_session", "foreign_batch" };
    int n;

    TRY(words_forget(m, rid, reterr));
    for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++) {
        CLEANUP(buf_deinit) struct buf sql = BUF_INIT(128);

        buf_addf(&sql, "DELETE FROM %s WHERE rid=?", tables[i]);
        TRY(db_run(m, NULL, reterr, buf_cstr(&sql), "t", rid));
    }
    TRY(db_run(m, &n, reterr, "DELETE FROM recording WHERE id=?", "t", rid));
    return n == 1 ? ERR_OK : ERR_RAISE(reterr, ERR_NOTFOUND, "database: no such recording");
}

enum err meta_recording_grow(struct meta *m, const struct meta_recording *row, struct err_info *reterr)
{
    int n;

    TRY(db_run(m, &n, reterr,
               "UPDATE recording SET events=?,duration_us=?,bytes=?,next_batch=?,touched_ms=?,time_kind=?,time_base_us=? WHERE id=?",
               "iiiiiiit", row->events, row->duration_us, row->bytes, row->next_batch, row->touched_ms, row->time_kind,
               row->time_base_us, row->id));
    return n == 1 ? ERR_OK : ERR_RAISE(reterr, ERR_NOTFOUND, "database: no such recording");
}

enum err meta_recording_touch(struct meta *m, struct span rid, time_ms now, struct err_info *reterr)
{
    return db_run(m, NULL, reterr, "UPDATE recording SET touched_ms=? WHERE id=? AND state='open'", "it", now, rid);
}

enum err meta_recordings_untouched(struct meta_view *v, time_ms until, size_t max, struct arena *a,
                                   struct meta_recording_list *ret, struct err_info *reterr)
{
    return db_all(v, &db_table_recording, a, max, ret, reterr,
                  "WHERE state='open' AND touched_ms<=? ORDER BY touched_ms LIMIT ?", "ii", until, (int64_t) max);
}

enum err meta_recordings_in_state(struct meta_view *v, struct span state, size_t max, struct arena *a,
                                  struct meta_recording_list *ret, struct err_info *reterr)
{
    return db_all(v, &db_table_recording, a, max, ret, reterr, "WHERE state=? ORDER BY seq LIMIT ?", "ti", state,
                  (int64_t) max);
}

/* ---- pieces, wraps, epochs ---- */

enum err meta_piece_add(struct meta *m, struct meta_piece *row, struct err_info *reterr)
{
    return db_insert(m, &db_table_piece, row, reterr);
}

enum err meta_pieces(struct meta_view *v, struct span rid, struct arena *a, struct meta_piece_list *ret,
                     struct err_info *reterr)
{
    return db_all(v, &db_table_piece, a, META_PIECES_MAX, ret, reterr, "WHERE rid=? ORDER BY track,first_seq,seg_no",
                  "t", rid);
}

enum err meta_piece_get(struct meta_view *v, struct span rid, int64_t seg_no, struct arena *a, struct meta_piece *ret,
                        struct err_info *reterr)
{
    return db_get(v, &db_table_piece, a, ret, reterr, "WHERE rid=? AND seg_no=?", "ti", rid, seg_no);
}

enum err meta_piece_remove(struct meta *m, struct span rid, int64_t seg_no, struct err_info *reterr)
{
    int n;

    TRY(db_run(m, &n, reterr, "DELETE FROM piece WHERE rid=? AND seg_no=?", "ti", rid, seg_no));
    return n == 1 ? ERR_OK : ERR_RAISE(reterr, ERR_NOTFOUND, "database: no such piece");
}

enum err meta_piece_end(struct meta_view *v, struct span rid, int64_t track, struct meta_piece_end *ret,
                        struct err_info *reterr)
{
    sqlite3_stmt *st;
    bool row;

    TRY(db_query(v, &st, reterr,
                 "SELECT count(*),coalesce(max(seg_no)+1,0),"
                 "coalesce(max(CASE WHEN track=?2 THEN first_seq+n_events END),0),"
                 "coalesce(max(CASE WHEN track=?2 THEN first_chunk+n_chunks END),0),"
                 "coalesce(max(CASE WHEN track=?2 THEN t_last_us END),0) FROM piece WHERE rid=?1",
                 "ti", rid, track));
    TRY(db_step(v, st, &row, reterr));
    *ret = (struct meta_piece_end){ sqlite3_column_int64(st, 0), sqlite3_column_int64(st, 1),
                                    sqlite3_column_int64(st, 2), sqlite3_column_int64(st, 3),
                                    sqlite3_column_int64(st, 4) };
    (void) sqlite3_reset(st); /* a read that ends early reports nothing */
    return ERR_OK;
}

enum err meta_wrap_add(struct meta *m, struct meta_wrap *row, struct err_info *reterr)
{
    return db_insert(m, &db_table_wrap, row, reterr);
}

enum err meta_wraps(struct meta_view *v, struct span rid, struct arena *a, struct meta_wrap_list *ret,
                    struct err_info *reterr)
{
    return db_all(v, &db_table_wrap, a, META_PIECES_MAX, ret, reterr, "WHERE rid=? ORDER BY kn,track", "t", rid);
}

enum err meta_wrap_any(struct meta_view *v, struct span rid, int64_t track, bool *ret, struct err_info *reterr)
{
    int64_t any;

    TRY(db_int(v, &any, reterr, "SELECT EXISTS(SELECT 1 FROM wrap WHERE rid=? AND track=?)", "ti", rid, track));
    *ret = any != 0;
    return ERR_OK;
}

enum err meta_epoch_add(struct meta *m, struct meta_epoch *row, struct err_info *reterr)
{
    return db_insert(m, &db_table_epoch, row, reterr);
}

enum err meta_epoch_newest(struct meta_view *v, struct arena *a, struct meta_epoch *ret, struct err_info *reterr)
{
    return db_get(v, &db_table_epoch, a, ret, reterr, "ORDER BY n DESC LIMIT 1", "");
}
