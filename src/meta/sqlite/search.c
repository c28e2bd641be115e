/*
 * Lists of recordings whose cost does not grow with how many there are.
 *
 * Every filter is a walk along one covering index that has seq as its last column, newest first: project with kind, subject or
 * session; a tag; a link; each word. Several filters are an intersection: the walk that is furthest along says where the others
 * have to be, and they step or leap there; rows are read only where all of them meet. Work is counted, in steps. A page that
 * would take more than WORK_MAX ends where it is, with the cursor to go on from: shorter than asked, even empty.
 *
 * Lists with after_ms or before_ms are ordered by the start, which these walks are not. When they meet in few places these are
 * sorted; otherwise the walk goes along the starts and looks at each row.
 */
#include <stdlib.h>

#include "meta/sqlite/list.h"
#include "meta/sqlite/words.h"

#define WORK_MAX   30000 /* steps; about 10 ms */
#define WORK_LEAST 500   /* of each walk, so that every page gets further */
#define ROW_WORK   20    /* what reading one row counts */
#define TEXT_WORK  40    /* and looking through its words */
#define SOURCES_MAX (5 + WORD_LISTS_MAX)
#define FEW        1000  /* so many are sorted */
#define LAZY       32    /* steps of a list of words before a row's text is asked instead */
#define LATE_MAX   16    /* rows read in vain before a list of words leaps after the others */

/* One filter as numbers of recordings, newest first. Borrows a statement. */
struct source {
    sqlite3_stmt *st;
    int upto;       /* the parameter that says where to begin */
    int patience;   /* steps before a leap is cheaper */
    unsigned leap;  /* what a leap counts */
    int64_t at;     /* where it stands; 0: over */
    bool words, late; /* late: stands above what is wanted, on purpose: the row's text says it, too */
};

struct search {
    const struct meta_recording_filter *f;
    struct meta_view *v;
    struct arena *a;
    struct list list;
    bool by_start;
    struct words words;
    struct span *except; /* sorted */
    struct source src[SOURCES_MAX];
    size_t n_src;
    int64_t work, work_max, page_work;
    int64_t *few; /* candidates are kept here; NULL: they go to the list */
    size_t n_few;
    bool many;    /* more than FEW, or not all were looked at */
};

/* Of a walk. */
static void work_begin(struct search *s)
{
    int64_t least = s->page_work < WORK_LEAST ? s->page_work : WORK_LEAST;

    s->work_max = s->work + least > s->page_work ? s->work + least : s->page_work;
}

static const char *const listed[] = { "complete", "open" };

/* ---- sources ---- */

static enum err source_step(struct search *s, struct source *o, struct err_info *reterr)
{
    bool row;

    s->work++;
    TRY(db_step(s->v, o->st, &row, reterr));
    o->at = row ? sqlite3_column_int64(o->st, 0) : 0;
    return ERR_OK;
}

static enum err source_leap(struct search *s, struct source *o, int64_t upto, struct err_info *reterr)
{
    s->work += o->leap;
    (void) sqlite3_reset(o->st); /* repeats an error that was reported */
    TRY(db_bind(s->v, o->st, o->upto, 'i', SPAN_EMPTY, upto, reterr));
    return source_step(s, o, reterr);
}

/* To the first at 'want' or below. */
static enum err source_to(struct search *s, struct source *o, int64_t want, bool lazy, struct err_info *reterr)
{
    int patience = lazy && o->words ? LAZY : o->patience;

    for (int i = 0; o->at > want && i < patience; i++)
        TRY(source_step(s, o, reterr));
    o->late = lazy && o->words && o->at > want;
    return o->at <= want || o->late ? ERR_OK : source_leap(s, o, want, reterr);
}

static struct source *source_new(struct search *s, sqlite3_stmt *st, int upto)
{
    struct source *o = &s->src[s->n_src++];

    *o = (struct source){ .st = st, .upto = upto, .patience = 16, .leap = 20 };
    return o;
}

/* 'extra' is one more condition with one '?', or NULL. */
static enum err along_rows(struct search *s, const char *index, const char *extra, struct span value, struct span project,
                           const char *state, struct err_info *reterr)
{
    CLEANUP(buf_deinit) struct buf sql = BUF_INIT(512);
    sqlite3_stmt *st;
    int at = 0;

    buf_addf(&sql, "SELECT seq FROM recording INDEXED BY %s WHERE project=? AND state=?%s AND seq<=? ORDER BY seq DESC",
             index, extra != NULL ? extra : "");
    TRY(buf_check(&sql, reterr));
    TRY(db_prepare(s->v, buf_cstr(&sql), &st, reterr));
    TRY(db_bind(s->v, st, ++at, 't', project, 0, reterr));
    TRY(db_bind(s->v, st, ++at, 't', span_str(state), 0, reterr));
    if (extra != NULL)
        TRY(db_bind(s->v, st, ++at, 't', value, 0, reterr));
    (void) source_new(s, st, at + 1);
    return ERR_OK;
}

static enum err along_pairs(struct search *s, struct span project, struct err_info *reterr)
{
    const struct meta_recording_filter *f = s->f;
    sqlite3_stmt *st;

    if (f->link.name.n > 0) {
        TRY(db_query(s->v, &st, reterr,
                     "SELECT seq FROM recording_link INDEXED BY recording_link_id WHERE project=? AND type=? AND id=?"
                     " AND seq<=? ORDER BY seq DESC", "ttti", project, f->link.name, f->link.value, (int64_t) 0));
        (void) source_new(s, st, 4);
    }
    if (f->tag.name.n > 0 && f->tag.value.n > 0) {
        TRY(db_query(s->v, &st, reterr,
                     "SELECT seq FROM recording_tag INDEXED BY recording_tag_value WHERE project=? AND name=? AND value=?"
                     " AND seq<=? ORDER BY seq DESC", "ttti", project, f->tag.name, f->tag.value, (int64_t) 0));
        (void) source_new(s, st, 4);
    } else if (f->tag.name.n > 0) {
        TRY(db_query(s->v, &st, reterr,
                     "SELECT seq FROM recording_tag INDEXED BY recording_tag_name WHERE project=? AND name=?"
                     " AND seq<=? ORDER BY seq DESC", "tti", project, f->tag.name, (int64_t) 0));
        (void) source_new(s, st, 3);
    }
    return ERR_OK;
}

static enum err along_words(struct search *s, struct err_info *reterr)
{
    for (size_t i = 0; i < s->words.n_matches; i++) {
        CLEANUP(buf_deinit) struct buf sql = BUF_INIT(256);
        sqlite3_stmt *st;
        struct source *o;

        /* A statement of its own for each: the number makes another text of it. */
        buf_addf(&sql, "SELECT rowid FROM recording_word WHERE recording_word MATCH ? AND rowid<=? ORDER BY rowid DESC --%zu", i);
        TRY(buf_check(&sql, reterr));
        TRY(db_prepare(s->v, buf_cstr(&sql), &st, reterr));
        TRY(db_bind(s->v, st, 1, 't', s->words.matches[i], 0, reterr));
        o = source_new(s, st, 2);
        o->words = true;
        o->patience = 200;
        o->leap = 500;
    }
    return ERR_OK;
}

/* All that the filter says, but for times and exceptions. Each stands at 'upto' or below. */
static enum err sources_open(struct search *s, struct span project, const char *state, int64_t upto,
                             struct err_info *reterr)
{
    const struct meta_recording_filter *f = s->f;

    s->n_src = 0;
    if (f->subject.n > 0)
        TRY(along_rows(s, "recording_subject", " AND subject=?", f->subject, project, state, reterr));
    if (f->session.n > 0)
        TRY(along_rows(s, "recording_session", " AND session=?", f->session, project, state, reterr));
    if (f->kind.n > 0)
        TRY(along_rows(s, "recording_kind", " AND kind=?", f->kind, project, state, reterr));
    if (s->n_src == 0)
        TRY(along_rows(s, "recording_list", NULL, SPAN_EMPTY, project, state, reterr));
    TRY(along_pairs(s, project, reterr));
    TRY(along_words(s, reterr));
    for (size_t i = 0; i < s->n_src; i++) {
        struct source *o = &s->src[i];

        TRY(source_leap(s, o, upto, reterr));
        if (s->few == NULL && list_full(&s->list, (struct meta_pos){ 0, o->at }))
            o->at = 0; /* other projects have filled the page with what is newer */
        if (o->at == 0)
            break; /* nothing will meet it */
    }
    return ERR_OK;
}

/* A statement that is not reset holds its view of the database. */
static void sources_close(struct search *s)
{
    for (size_t i = 0; i < s->n_src; i++)
        (void) sqlite3_reset(s->src[i].st); /* repeats an error that was reported */
    s->n_src = 0;
}

/* ---- rows ---- */

static int by_bytes(const void *a, const void *b)
{
    const struct span *x = a, *y = b;
    int c = memcmp(x->p, y->p, x->n < y->n ? x->n : y->n);

    return c != 0 ? c : (x->n > y->n) - (x->n < y->n);
}

static bool is_excepted(const struct search *s, struct span id)
{
    return s->f->n_except > 0 && bsearch(&id, s->except, s->f->n_except, sizeof(id), by_bytes) != NULL;
}

/* *ret NULL: it is an exception, or gone. */
static enum err row_load(struct search *s, int64_t seq, struct meta_recording **ret, struct err_info *reterr)
{
    CLEANUP(buf_deinit) struct buf sql = BUF_INIT(DB_TEXT_MAX);
    struct meta_recording *r = NULL;
    enum err e = ERR_OK;
    sqlite3_stmt *st;
    bool row;

    s->work += ROW_WORK;
    buf_add_str(&sql, "SELECT ");
    db_columns(&db_table_recording, "", &sql);
    buf_add_str(&sql, " FROM recording WHERE seq=?");
    TRY(buf_check(&sql, reterr));
    TRY(db_query(s->v, &st, reterr, buf_cstr(&sql), "i", seq));
    TRY(db_step(s->v, st, &row, reterr));
    if (row && !is_excepted(s, db_col_peek(st, 0))) {
        r = arena_alloc(s->a, sizeof(*r));
        e = r == NULL ? ERR_RAISE(reterr, ERR_NOMEM, "database: the answer is larger than its arena")
                      : db_load(&db_table_recording, st, s->a, r, reterr);
    }
    (void) sqlite3_reset(st); /* a read that ends early reports nothing */
    *ret = r;
    return e;
}

/* Is there a row? */
static enum err has(struct search *s, const char *sql, struct span rid, struct span name, struct span value, bool *ret,
                    struct err_info *reterr)
{
    sqlite3_stmt *st;

    s->work += ROW_WORK;
    TRY(db_query(s->v, &st, reterr, sql, "ttt", rid, name, value));
    TRY(db_step(s->v, st, ret, reterr));
    (void) sqlite3_reset(st); /* a read that ends early reports nothing */
    return ERR_OK;
}

/* What the filter says of a row that was not found by it. */
static enum err row_check(struct search *s, const struct meta_recording *r, bool *ret, struct err_info *reterr)
{
    const struct meta_recording_filter *f = s->f;
    bool in = false, state = false;

    for (size_t i = 0; i < f->n_projects; i++)
        in |= span_eq(f->projects[i], r->project);
    for (size_t i = 0; i < 2; i++)
        state |= span_eq_str(r->state, listed[i]);
    *ret = in && state && (f->kind.n == 0 || span_eq(f->kind, r->kind)) &&
           (f->subject.n == 0 || span_eq(f->subject, r->subject)) &&
           (f->session.n == 0 || span_eq(f->session, r->session)) && (f->after_ms == 0 || r->started_ms >= f->after_ms) &&
           (f->before_ms == 0 || r->started_ms < f->before_ms);
    if (*ret && f->link.name.n > 0)
        TRY(has(s, "SELECT 1 FROM recording_link WHERE rid=? AND type=? AND id=?", r->id, f->link.name, f->link.value, ret,
                reterr));
    if (*ret && f->tag.name.n > 0)
        TRY(has(s, "SELECT 1 FROM recording_tag WHERE rid=?1 AND name=?2 AND (?3='' OR value=?3)", r->id, f->tag.name,
                f->tag.value, ret, reterr));
    if (*ret && s->words.n > 0) {
        s->work += TEXT_WORK;
        TRY(words_are_in(s->v, &s->words, r->seq, ret, reterr));
    }
    return ERR_OK;
}

/* ---- walks ---- */

/* Where all sources meet; 'late': some list of words was not asked. */
static enum err candidate(struct search *s, int64_t seq, bool late, bool *ret_found, struct err_info *reterr)
{
    struct meta_recording *r;

    *ret_found = true;
    if (late || (s->words.n > 0 && !s->words.exact)) {
        s->work += TEXT_WORK;
        TRY(words_are_in(s->v, &s->words, seq, ret_found, reterr));
        if (!*ret_found)
            return ERR_OK;
    }
    if (s->few != NULL) {
        s->many = s->n_few == FEW;
        if (!s->many)
            s->few[s->n_few++] = seq;
        return ERR_OK;
    }
    TRY(row_load(s, seq, &r, reterr));
    if (r != NULL)
        list_put(&s->list, r);
    return ERR_OK;
}

static int64_t furthest(const struct search *s)
{
    int64_t at = INT64_MAX;

    for (size_t i = 0; i < s->n_src; i++)
        at = s->src[i].at < at ? s->src[i].at : at;
    return at;
}

/* Goes on until the page is full, a source is over, or the work is too much. */
static enum err meet(struct search *s, struct err_info *reterr)
{
    int vain = 0;

    for (;;) {
        int64_t want = furthest(s);
        bool met = true, late = false, found;

        if (want == 0 || s->many || (s->few == NULL && list_full(&s->list, (struct meta_pos){ 0, want })))
            return ERR_OK;
        if (s->work > s->work_max) {
            s->many = s->few != NULL;
            if (!s->many)
                list_stop(&s->list, (struct meta_pos){ 0, want + 1 });
            return ERR_OK;
        }
        for (size_t i = 0; i < s->n_src && met; i++) {
            TRY(source_to(s, &s->src[i], want, vain < LATE_MAX, reterr));
            late |= s->src[i].late;
            met = s->src[i].at == want || s->src[i].late;
        }
        if (!met)
            continue;
        TRY(candidate(s, want, late, &found, reterr));
        vain = found || !late || vain >= LATE_MAX ? 0 : vain + 1;
        for (size_t i = 0; i < s->n_src; i++) {
            if (s->src[i].at == want) { /* one of them has to be: the furthest */
                TRY(source_to(s, &s->src[i], want - 1, /* lazy= */ false, reterr));
                break;
            }
        }
    }
}

static enum err walk_filters(struct search *s, int64_t upto, struct err_info *reterr)
{
    for (size_t i = 0; i < s->f->n_projects * 2 && !(s->few != NULL && s->many); i++) {
        enum err e = sources_open(s, s->f->projects[i / 2], listed[i % 2], upto, reterr);

        work_begin(s);
        if (e == ERR_OK)
            e = meet(s, reterr);
        sources_close(s);
        TRY(e);
    }
    return ERR_OK;
}

/* Few that meet: sorted by their starts. */
static enum err sort_few(struct search *s, struct meta_pos before, struct err_info *reterr)
{
    for (size_t i = 0; i < s->n_few; i++) {
        struct meta_recording *r;

        TRY(row_load(s, s->few[i], &r, reterr));
        if (r != NULL && r->started_ms >= s->f->after_ms &&
            (r->started_ms < before.key || (r->started_ms == before.key && r->seq < before.seq)))
            list_put(&s->list, r);
    }
    return ERR_OK;
}

/* One walk along the starts; each row is looked at when 'check' says so. */
static enum err along_starts(struct search *s, sqlite3_stmt *st, bool check, struct err_info *reterr)
{
    struct meta_pos last = { 0, 0 };

    for (;;) {
        struct meta_recording *r;
        struct meta_pos at;
        bool row, ok = true;

        TRY(db_step(s->v, st, &row, reterr));
        if (!row)
            return ERR_OK;
        s->work++;
        at = (struct meta_pos){ sqlite3_column_int64(st, 0), sqlite3_column_int64(st, 1) };
        if (list_full(&s->list, at))
            return ERR_OK;
        if (s->work > s->work_max && !meta_pos_end(last)) {
            list_stop(&s->list, last);
            return ERR_OK;
        }
        TRY(row_load(s, at.seq, &r, reterr));
        if (r != NULL && check)
            TRY(row_check(s, r, &ok, reterr));
        if (r != NULL && ok)
            list_put(&s->list, r);
        last = at;
    }
}

static enum err walk_starts(struct search *s, struct meta_pos before, struct err_info *reterr)
{
    const struct meta_recording_filter *f = s->f;
    bool tag = f->tag.value.n > 0;
    bool check = tag || f->tag.name.n > 0 || f->link.name.n > 0 || f->kind.n > 0 || f->subject.n > 0 || f->session.n > 0 ||
                 s->words.n > 0;

    s->work = 0;
    for (size_t i = 0; i < f->n_projects * (tag ? 1 : 2); i++) {
        struct span project = f->projects[tag ? i : i / 2];
        sqlite3_stmt *st;
        enum err e;

        if (tag)
            TRY(db_query(s->v, &st, reterr,
                         "SELECT started_ms,seq FROM recording_tag INDEXED BY recording_tag_started WHERE project=? AND name=?"
                         " AND value=? AND started_ms>=? AND (started_ms,seq)<(?,?) ORDER BY started_ms DESC,seq DESC",
                         "tttiii", project, f->tag.name, f->tag.value, f->after_ms, before.key, before.seq));
        else
            TRY(db_query(s->v, &st, reterr,
                         "SELECT started_ms,seq FROM recording INDEXED BY recording_started WHERE project=? AND state=?"
                         " AND started_ms>=? AND (started_ms,seq)<(?,?) ORDER BY started_ms DESC,seq DESC",
                         "ttiii", project, span_str(listed[i % 2]), f->after_ms, before.key, before.seq));
        work_begin(s);
        e = along_starts(s, st, check, reterr);
        (void) sqlite3_reset(st); /* a read that ends early reports nothing */
        TRY(e);
    }
    return ERR_OK;
}

static enum err search_by_start(struct search *s, struct err_info *reterr)
{
    const struct meta_recording_filter *f = s->f;
    struct meta_pos before = { list_before_key(&s->list), list_before(&s->list) };

    if (f->before_ms != 0 && before.key >= f->before_ms)
        before = (struct meta_pos){ f->before_ms, 0 };
    if (f->tag.name.n > 0 || f->link.name.n > 0 || f->kind.n > 0 || f->subject.n > 0 || f->session.n > 0 || s->words.n > 0) {
        s->few = arena_alloc(s->a, FEW * sizeof(*s->few));
        if (s->few == NULL)
            return ERR_RAISE(reterr, ERR_NOMEM, "search");
        TRY(walk_filters(s, INT64_MAX, reterr));
        if (!s->many)
            return sort_few(s, before, reterr);
    }
    return walk_starts(s, before, reterr);
}

/* These and no others. */
static enum err search_only(struct search *s, struct err_info *reterr)
{
    struct meta_pos before = { list_before_key(&s->list), list_before(&s->list) };

    for (size_t i = 0; i < s->f->n_only; i++) {
        struct meta_recording *r = arena_alloc(s->a, sizeof(*r));
        bool ok = false;
        enum err e;

        if (r == NULL)
            return ERR_RAISE(reterr, ERR_NOMEM, "search");
        e = meta_recording_get(s->v, s->f->only[i], s->a, r, NULL);
        if (e == ERR_OK && !is_excepted(s, r->id))
            e = row_check(s, r, &ok, reterr);
        if (e != ERR_OK && e != ERR_NOTFOUND)
            return e;
        if (ok && (s->by_start ? r->started_ms < before.key || (r->started_ms == before.key && r->seq < before.seq)
                               : r->seq < before.seq))
            list_put(&s->list, r);
    }
    return ERR_OK;
}

static enum err sort_exceptions(struct search *s, struct err_info *reterr)
{
    if (s->f->n_except == 0)
        return ERR_OK;
    s->except = arena_alloc(s->a, s->f->n_except * sizeof(*s->except));
    if (s->except == NULL)
        return ERR_RAISE(reterr, ERR_NOMEM, "search");
    memcpy(s->except, s->f->except, s->f->n_except * sizeof(*s->except));
    qsort(s->except, s->f->n_except, sizeof(*s->except), by_bytes);
    return ERR_OK;
}

enum err meta_recordings(struct meta_view *v, const struct meta_recording_filter *f, const struct meta_page *page,
                         struct arena *a, struct meta_recording_list *ret, struct meta_pos *ret_next,
                         struct err_info *reterr)
{
    struct search s = { .f = f, .v = v, .a = a, .by_start = f->after_ms != 0 || f->before_ms != 0,
                        .page_work = f->work > 0 ? f->work : WORK_MAX };
    bool any = true;

    TRY(list_init(&s.list, &db_table_recording, s.by_start ? 10 /* started_ms */ : -1, page, a, reterr));
    TRY(sort_exceptions(&s, reterr));
    if (f->q.n > 0)
        TRY(words_parse(v, f->q, a, &s.words, &any, reterr));
    if (any && f->only != NULL)
        TRY(search_only(&s, reterr));
    else if (any && s.by_start) /* a search without a word finds nothing */
        TRY(search_by_start(&s, reterr));
    else if (any)
        TRY(walk_filters(&s, list_before(&s.list) - 1, reterr));
    list_finish(&s.list, ret, ret_next);
    return ERR_OK;
}
