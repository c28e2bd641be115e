#include "meta/recordings.h"

#include "base/hex.h"
#include "base/utf8.h"
#include "meta/sqlite/db.h"
#include "meta/sqlite/list.h"

#define WORDS_MAX 16 /* of one search */

static bool is_listed(const struct meta_recording *r)
{
    return span_eq_str(r->state, "open") || span_eq_str(r->state, "complete");
}

/* ---- words ---- */

/* A project as one word of the index: its id would be cut at '_' and '-'. */
static void project_word(struct span project, struct buf *b)
{
    buf_add_c(b, 'p');
    hex_add(b, project);
}

/* Columns: name, value, and of links when. */
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
    return pairs_of(v, "SELECT type,id,at_ms FROM recording_link WHERE rid=? ORDER BY type,id", rid, a, ret, ret_n,
                    reterr);
}

/* Brings the index in line with the row, its tags and links. */
static enum err index_words(struct meta *m, const struct meta_recording *r, struct err_info *reterr)
{
    CLEANUP(buf_deinit) struct buf text = BUF_INIT(65536);
    CLEANUP(buf_deinit) struct buf project = BUF_INIT(256);
    CLEANUP(arena_deinit) struct arena a = { 0 };
    struct meta_pair *pairs;
    size_t n;

    arena_init(&a, 1u << 20);
    TRY(db_run(m, NULL, reterr, "DELETE FROM recording_words WHERE rowid=?", "i", r->seq));
    if (!is_listed(r))
        return ERR_OK;
    project_word(r->project, &project);
    buf_add_span(&text, r->title);
    TRY(meta_recording_tags(&m->view, r->id, &a, &pairs, &n, reterr));
    for (size_t i = 0; i < n; i++)
        buf_addf(&text, " " SPAN_FMT " " SPAN_FMT, SPAN_ARG(pairs[i].name), SPAN_ARG(pairs[i].value));
    TRY(meta_recording_links(&m->view, r->id, &a, &pairs, &n, reterr));
    for (size_t i = 0; i < n; i++)
        buf_addf(&text, " " SPAN_FMT " " SPAN_FMT, SPAN_ARG(pairs[i].name), SPAN_ARG(pairs[i].value));
    TRY(buf_check(&text, reterr));
    return db_run(m, NULL, reterr, "INSERT INTO recording_words(rowid,project,title) VALUES(?,?,?)", "itt", r->seq,
                  buf_span(&project), buf_span(&text));
}

static bool is_separator(uint32_t cp)
{
    return cp == ' ' || (cp >= 9 && cp <= 13) || cp == 0xa0 || (cp >= 0x2000 && cp <= 0x200a) || cp == 0x3000;
}

/* Letters and digits: what the index has words of. Signs, dashes and pictures are none. */
static bool is_word_part(uint32_t cp)
{
    if (cp < 0x80)
        return (cp >= '0' && cp <= '9') || (cp >= 'a' && cp <= 'z') || (cp >= 'A' && cp <= 'Z');
    return cp >= 0xc0 && cp != 0xd7 && cp != 0xf7 && !(cp >= 0x2000 && cp < 0x2c00) && !(cp >= 0x3000 && cp < 0x3040) &&
           !(cp >= 0xfe00 && cp < 0xfe10) && !(cp >= 0x1f000 && cp < 0x1fb00);
}

/* The next word of *q: up to a separator. False: none is left, or it is not UTF-8. */
static bool next_word(struct span *q, struct span *ret, bool *ret_word)
{
    struct rd r = rd_of(*q);
    const uint8_t *from = NULL, *end = q->p;

    *ret_word = false;
    while (r.n > 0) {
        uint32_t cp = utf8_read(&r);

        if (r.failed)
            return false;
        if (is_separator(cp) && from != NULL)
            break;
        if (!is_separator(cp)) {
            from = from != NULL ? from : end;
            *ret_word |= is_word_part(cp);
            *ret = span_of(from, (size_t) (r.p - from));
        }
        end = r.p;
    }
    *q = span_of(r.p, r.n);
    return from != NULL;
}

/* Each word of q as a quoted prefix, all of them wanted. False: no word. */
static bool match_text(struct span q, struct span project, struct buf *b)
{
    struct span word;
    size_t n = 0;
    bool is_word;

    buf_add_str(b, "project:");
    project_word(project, b);
    buf_add_str(b, " AND title:(");
    while (n < WORDS_MAX && next_word(&q, &word, &is_word)) {
        if (!is_word)
            continue;
        buf_add_str(b, n++ == 0 ? "\"" : " AND \"");
        for (size_t i = 0; i < word.n; i++) {
            if (word.p[i] == '"')
                buf_add_c(b, '"'); /* doubled inside quotes */
            if (word.p[i] != 0)
                buf_add_c(b, (char) word.p[i]);
        }
        buf_add_str(b, "\"*");
    }
    buf_add_c(b, ')');
    return n > 0 && !b->failed;
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

/* One that is there gets the time that it has not. */
static enum err put_link(struct meta *m, const struct meta_recording *r, const struct meta_pair *l, struct err_info *reterr)
{
    if (!l->timed)
        return db_run(m, NULL, reterr,
                      "INSERT INTO recording_link(rid,type,id,project,seq) VALUES(?,?,?,?,?) ON CONFLICT DO NOTHING",
                      "tttti", r->id, l->name, l->value, r->project, r->seq);
    return db_run(m, NULL, reterr,
                  "INSERT INTO recording_link(rid,type,id,project,seq,at_ms) VALUES(?,?,?,?,?,?)"
                  " ON CONFLICT DO UPDATE SET at_ms=excluded.at_ms WHERE at_ms IS NULL",
                  "ttttii", r->id, l->name, l->value, r->project, r->seq, l->at_ms);
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
    return index_words(m, row, reterr);
}

enum err meta_recording_put(struct meta *m, const struct meta_recording *row, struct err_info *reterr)
{
    TRY(db_update(m, &db_table_recording, row, reterr));
    TRY(db_run(m, NULL, reterr, "UPDATE recording_tag SET started_ms=?1 WHERE rid=?2 AND started_ms<>?1", "it",
               row->started_ms, row->id));
    return index_words(m, row, reterr);
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
    return index_words(m, &r, reterr);
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
    return index_words(m, &r, reterr);
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

enum err meta_recording_forget(struct meta *m, struct span rid, struct err_info *reterr)
{
    static const char *const tables[] = { "recording_tag", "recording_link", "piece", "wrap", "foreign_session" };
    int n;

    TRY(db_run(m, NULL, reterr,
               "DELETE FROM recording_words WHERE rowid=(SELECT seq FROM recording WHERE id=?)", "t", rid));
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

/* ---- the list ---- */

/* Which table a walk goes along; its own index gives the order of the list. */
enum driver { ALONG_ROWS, ALONG_LINKS, ALONG_TAGS, ALONG_WORDS };

struct search {
    const struct meta_recording_filter *f;
    struct list list;
    bool by_start;
    struct span project;
    enum driver driver;
    struct ask ask;
    struct buf words;
};

static bool not_excepted(void *ctx, const void *row)
{
    const struct meta_recording_filter *f = ctx;
    const struct meta_recording *r = row;

    for (size_t i = 0; i < f->n_except; i++) {
        if (span_eq(r->id, f->except[i]))
            return false;
    }
    return true;
}

/* The side tables repeat project and seq. */
static void ask_driver(struct search *s)
{
    const struct meta_recording_filter *f = s->f;
    struct ask *k = &s->ask;

    switch (s->driver) {
    case ALONG_LINKS:
        ask_text(k, "JOIN recording_link x ON x.rid=t.id WHERE x.project=?", s->project);
        ask_text(k, " AND x.type=?", f->link.name);
        ask_text(k, " AND x.id=?", f->link.value);
        break;
    case ALONG_TAGS:
        ask_text(k, "JOIN recording_tag x ON x.rid=t.id WHERE x.project=?", s->project);
        ask_text(k, " AND x.name=?", f->tag.name);
        if (f->tag.value.n > 0)
            ask_text(k, " AND x.value=?", f->tag.value);
        break;
    case ALONG_WORDS:
        ask_text(k, "JOIN recording_words x ON x.rowid=t.seq WHERE recording_words MATCH ?", buf_span(&s->words));
        break;
    case ALONG_ROWS: ask_text(k, "WHERE t.project=?", s->project); break;
    }
}

/* What the walk does not guarantee by itself. */
static void ask_rest(struct search *s)
{
    const struct meta_recording_filter *f = s->f;
    struct ask *k = &s->ask;

    if (f->link.name.n > 0 && s->driver != ALONG_LINKS) {
        ask_text(k, " AND EXISTS(SELECT 1 FROM recording_link y WHERE y.rid=t.id AND y.type=?", f->link.name);
        ask_text(k, " AND y.id=?)", f->link.value);
    }
    if (f->tag.name.n > 0 && s->driver != ALONG_TAGS) {
        ask_text(k, " AND EXISTS(SELECT 1 FROM recording_tag z WHERE z.rid=t.id AND z.name=?", f->tag.name);
        if (f->tag.value.n > 0)
            ask_text(k, " AND z.value=?", f->tag.value);
        ask_add(k, ")");
    }
    if (f->q.n > 0 && s->driver != ALONG_WORDS)
        ask_text(k, " AND t.seq IN (SELECT rowid FROM recording_words WHERE recording_words MATCH ?)",
                 buf_span(&s->words));
    if (f->kind.n > 0)
        ask_text(k, " AND t.kind=?", f->kind);
    if (f->subject.n > 0)
        ask_text(k, " AND t.subject=?", f->subject);
    if (f->session.n > 0)
        ask_text(k, " AND t.session=?", f->session);
    if (f->after_ms != 0)
        ask_int(k, s->driver == ALONG_TAGS ? " AND x.started_ms>=?" : " AND t.started_ms>=?", f->after_ms);
    if (f->before_ms != 0)
        ask_int(k, s->driver == ALONG_TAGS ? " AND x.started_ms<?" : " AND t.started_ms<?", f->before_ms);
}

static void ask_page(struct search *s)
{
    static const char *const by_seq[][3] = {
        [ALONG_ROWS] = { " AND t.seq<?", " AND t.seq>?", " ORDER BY t.seq DESC LIMIT ?" },
        [ALONG_LINKS] = { " AND x.seq<?", " AND x.seq>?", " ORDER BY x.seq DESC LIMIT ?" },
        [ALONG_TAGS] = { " AND x.seq<?", " AND x.seq>?", " ORDER BY x.seq DESC LIMIT ?" },
        [ALONG_WORDS] = { " AND x.rowid<?", " AND x.rowid>?", " ORDER BY x.rowid DESC LIMIT ?" },
    };
    int64_t limit = list_limit(&s->list) + (int64_t) s->f->n_except;
    bool tags = s->driver == ALONG_TAGS;

    if (s->by_start) {
        ask_int(&s->ask, tags ? " AND (x.started_ms,x.seq)<(?" : " AND (t.started_ms,t.seq)<(?",
                list_before_key(&s->list));
        ask_int(&s->ask, tags ? ",?) ORDER BY x.started_ms DESC,x.seq DESC" : ",?) ORDER BY t.started_ms DESC,t.seq DESC",
                list_before(&s->list));
        ask_int(&s->ask, " LIMIT ?", limit);
        return;
    }
    ask_int(&s->ask, by_seq[s->driver][0], list_before(&s->list));
    ask_int(&s->ask, by_seq[s->driver][1], list_floor(&s->list));
    ask_int(&s->ask, by_seq[s->driver][2], limit);
}

/* One walk; 'state' (or both listed ones) and 'rid' narrow it further. */
static enum err walk(struct search *s, struct meta_view *v, const char *state, struct span rid,
                     struct err_info *reterr)
{
    enum err e;

    ask_init(&s->ask);
    ask_driver(s);
    if (rid.n > 0)
        ask_text(&s->ask, " AND t.id=?", rid);
    if (state != NULL)
        ask_text(&s->ask, " AND t.state=?", span_str(state));
    else
        ask_add(&s->ask, " AND t.state IN ('open','complete')");
    ask_rest(s);
    ask_page(s);
    e = list_ask(&s->list, v, &s->ask, not_excepted, (void *) (uintptr_t) s->f, reterr);
    ask_deinit(&s->ask);
    return e;
}

static enum err walk_project(struct search *s, struct meta_view *v, struct err_info *reterr)
{
    buf_reset(&s->words);
    if (s->f->q.n > 0 && !match_text(s->f->q, s->project, &s->words))
        return ERR_OK; /* a search without a word finds nothing */
    if (s->f->only != NULL) {
        s->driver = ALONG_ROWS;
        for (size_t i = 0; i < s->f->n_only; i++)
            TRY(walk(s, v, NULL, s->f->only[i], reterr));
        return ERR_OK;
    }
    if (s->driver != ALONG_ROWS)
        return walk(s, v, NULL, SPAN_EMPTY, reterr);
    /* In the indexes of the rows themselves the state stands before seq. */
    TRY(walk(s, v, "complete", SPAN_EMPTY, reterr));
    return walk(s, v, "open", SPAN_EMPTY, reterr);
}

enum err meta_recordings(struct meta_view *v, const struct meta_recording_filter *f, const struct meta_page *page,
                         struct arena *a, struct meta_recording_list *ret, struct meta_pos *ret_next,
                         struct err_info *reterr)
{
    struct search s = { .f = f, .by_start = f->after_ms != 0 || f->before_ms != 0, .words = BUF_INIT(8192) };
    enum err e = list_init(&s.list, &db_table_recording, s.by_start ? 10 /* started_ms */ : -1, page, a, reterr);

    s.driver = f->link.name.n > 0 ? ALONG_LINKS : f->tag.name.n > 0 ? ALONG_TAGS : f->q.n > 0 ? ALONG_WORDS : ALONG_ROWS;
    for (size_t i = 0; i < f->n_projects && e == ERR_OK; i++) {
        s.project = f->projects[i];
        e = walk_project(&s, v, reterr);
    }
    buf_deinit(&s.words);
    if (e == ERR_OK)
        list_finish(&s.list, ret, ret_next);
    return e;
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

enum err meta_epoch_add(struct meta *m, struct meta_epoch *row, struct err_info *reterr)
{
    return db_insert(m, &db_table_epoch, row, reterr);
}

enum err meta_epoch_newest(struct meta_view *v, struct arena *a, struct meta_epoch *ret, struct err_info *reterr)
{
    return db_get(v, &db_table_epoch, a, ret, reterr, "ORDER BY n DESC LIMIT 1", "");
}
