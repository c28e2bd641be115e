#include "meta/sqlite/words.h"

#include "base/utf8.h"

#define TEXT_MAX 65536 /* of one recording */

/* The words as they were put in, from where FTS5 keeps them: asking the table itself writes out what is still in memory. */
#define TEXT_OF "SELECT c0 FROM recording_word_content WHERE id=?"

/* ---- the tokenizer ---- */

typedef int token_fn(void *ctx, int flags, const char *token, int n, int from, int to);

static enum err tokenizer_open(struct meta_view *v, struct err_info *reterr)
{
    const char *args[] = { "remove_diacritics", "2" };
    fts5_api *api = NULL;
    sqlite3_stmt *st;
    void *user;
    int rc;

    if (v->tokenizer != NULL)
        return ERR_OK;
    TRY(db_prepare(v, "SELECT fts5(?)", &st, reterr));
    rc = sqlite3_bind_pointer(st, 1, &api, "fts5_api_ptr", NULL);
    if (rc == SQLITE_OK && sqlite3_step(st) != SQLITE_ROW)
        rc = SQLITE_ERROR;
    (void) sqlite3_reset(st); /* a read that ends early reports nothing */
    (void) sqlite3_clear_bindings(st); /* always OK */
    if (rc == SQLITE_OK && api == NULL)
        rc = SQLITE_ERROR;
    if (rc == SQLITE_OK)
        rc = api->xFindTokenizer(api, "unicode61", &user, &v->tokens);
    if (rc == SQLITE_OK)
        rc = v->tokens.xCreate(user, args, 2, &v->tokenizer);
    return rc == SQLITE_OK ? ERR_OK : db_error(v, rc, "tokenizer", reterr);
}

void words_close(struct meta_view *v)
{
    if (v->tokenizer != NULL)
        v->tokens.xDelete(v->tokenizer);
    v->tokenizer = NULL;
}

/* SQLITE_DONE from the callback ends early and is no error. */
static enum err tokenize(struct meta_view *v, struct span text, token_fn *fn, void *ctx, struct err_info *reterr)
{
    int rc;

    TRY(tokenizer_open(v, reterr));
    if (text.n == 0)
        return ERR_OK;
    rc = v->tokens.xTokenize(v->tokenizer, ctx, FTS5_TOKENIZE_DOCUMENT, (const char *) text.p, (int) text.n, fn);
    return rc == SQLITE_OK || rc == SQLITE_DONE ? ERR_OK : db_error(v, rc, "tokenize", reterr);
}

/* ---- what is searched for ---- */

struct parse {
    struct span q;
    struct arena *a;
    struct words *w;
    int last_end; /* of the token before, in q */
};

static bool is_separator(uint32_t cp)
{
    return cp == ' ' || (cp >= 9 && cp <= 13) || cp == 0xa0 || (cp >= 0x2000 && cp <= 0x200a) || cp == 0x3000;
}

static bool has_separator(struct span s)
{
    struct rd r = rd_of(s);

    while (r.n > 0) {
        if (is_separator(utf8_read(&r)))
            return true;
    }
    return false;
}

static int parse_token(void *ctx, int flags, const char *token, int n, int from, int to)
{
    struct parse *p = ctx;
    struct words *w = p->w;
    bool apart = w->n == 0 || has_separator(span_of(p->q.p + p->last_end, (size_t) (from - p->last_end)));

    (void) flags;
    if (w->n == WORDS_MAX)
        return SQLITE_DONE;
    w->list[w->n] = (struct word){ arena_span(p->a, span_of((const uint8_t *) token, (size_t) n)), apart, true };
    if (w->list[w->n].text.p == NULL)
        return SQLITE_NOMEM;
    if (!apart)
        w->list[w->n - 1].ends = false;
    w->n++;
    p->last_end = to;
    return SQLITE_OK;
}

/* The longest beginning that has a list of its own. */
static struct span listed_beginning(struct span text)
{
    static const size_t lengths[] = { 12, 10, 8, 7, 6, 5, 4, 3, 2, 1 }; /* migration 0005 */
    size_t n = utf8_count(text), want = 0, i = 0;
    struct rd r = rd_of(text);

    for (; i < sizeof(lengths) / sizeof(lengths[0]) && want == 0; i++)
        want = lengths[i] <= n ? lengths[i] : 0;
    for (i = 0; i < want; i++)
        (void) utf8_read(&r); /* counted above */
    return span_of(text.p, (size_t) (r.p - text.p));
}

struct same {
    struct span want;
    size_t n;
    bool same;
};

static int same_token(void *ctx, int flags, const char *token, int n, int from, int to)
{
    struct same *s = ctx;

    (void) flags, (void) from, (void) to;
    s->same = s->n++ == 0 && span_eq(s->want, span_of((const uint8_t *) token, (size_t) n));
    return SQLITE_OK;
}

/* FTS5 cuts what stands in quotes once more: only what stays one and the same word then may be asked for. */
static enum err add_list(struct meta_view *v, struct words *w, struct span text, bool prefix, struct arena *a,
                         struct err_info *reterr)
{
    CLEANUP(buf_deinit) struct buf b = BUF_INIT(1024);
    struct same s = { .want = text };

    TRY(tokenize(v, text, same_token, &s, reterr));
    if (!s.same || w->n_matches == WORD_LISTS_MAX || text.n > 512) {
        w->exact = false;
        return ERR_OK;
    }
    buf_addf(&b, "\"" SPAN_FMT "\"%s", SPAN_ARG(text), prefix ? " *" : "");
    TRY(buf_check(&b, reterr));
    w->matches[w->n_matches] = arena_span(a, buf_span(&b));
    if (w->matches[w->n_matches].p == NULL)
        return ERR_RAISE(reterr, ERR_NOMEM, "words");
    w->n_matches++;
    return ERR_OK;
}

enum err words_parse(struct meta_view *v, struct span q, struct arena *a, struct words *ret, bool *ret_any,
                     struct err_info *reterr)
{
    struct parse p = { .q = q, .a = a, .w = ret };

    *ret = (struct words){ .list = arena_alloc(a, WORDS_MAX * sizeof(*ret->list)), .exact = true };
    *ret_any = false;
    if (ret->list == NULL)
        return ERR_RAISE(reterr, ERR_NOMEM, "words");
    if (!utf8_valid(q))
        return ERR_OK;
    TRY(tokenize(v, q, parse_token, &p, reterr));
    for (size_t i = 0; i < ret->n; i++) {
        const struct word *w = &ret->list[i];
        struct span list = w->ends ? listed_beginning(w->text) : w->text;

        if (!w->begins || !w->ends || list.n != w->text.n)
            ret->exact = false;
        TRY(add_list(v, ret, list, w->ends, a, reterr));
    }
    *ret_any = ret->n > 0;
    return ERR_OK;
}

/* ---- looking for them in a text ---- */

/* Each word's place among the tokens that went by is all that a phrase needs: how many of its words the last tokens were. */
struct look {
    const struct words *w;
    bool found[WORDS_MAX];  /* by the first word of a phrase */
    uint32_t reached[WORDS_MAX]; /* bit k, by the first word: the last k + 1 tokens were the first k + 1 words of it */
    size_t missing;
};

static size_t phrase_len(const struct words *w, size_t at)
{
    size_t n = 1;

    while (!w->list[at + n - 1].ends)
        n++;
    return n;
}

static bool is_word(const struct word *w, struct span token)
{
    return span_eq(w->ends ? span_sub(token, 0, w->text.n) : token, w->text);
}

static int look_token(void *ctx, int flags, const char *token, int n, int from, int to)
{
    struct look *l = ctx;
    struct span t = span_of((const uint8_t *) token, (size_t) n);

    (void) flags, (void) from, (void) to;
    for (size_t i = 0; i < l->w->n; i += phrase_len(l->w, i)) {
        size_t len = phrase_len(l->w, i);
        uint32_t next = 0;

        for (size_t k = 0; k < len && !l->found[i]; k++) {
            if ((k == 0 || (l->reached[i] & 1u << (k - 1)) != 0) && is_word(&l->w->list[i + k], t))
                next |= 1u << k;
        }
        l->reached[i] = next;
        if ((next & 1u << (len - 1)) != 0) {
            l->found[i] = true;
            l->missing--;
        }
    }
    return l->missing == 0 ? SQLITE_DONE : SQLITE_OK;
}

enum err words_are_in(struct meta_view *v, const struct words *w, int64_t seq, bool *ret, struct err_info *reterr)
{
    struct look l = { .w = w };
    sqlite3_stmt *st;
    bool row;
    enum err e;

    for (size_t i = 0; i < w->n; i += phrase_len(w, i))
        l.missing++;
    TRY(db_query(v, &st, reterr, TEXT_OF, "i", seq));
    TRY(db_step(v, st, &row, reterr));
    e = row ? tokenize(v, db_col_peek(st, 0), look_token, &l, reterr) : ERR_OK;
    (void) sqlite3_reset(st); /* a read that ends early reports nothing */
    *ret = row && l.missing == 0;
    return e;
}

/* ---- the index ---- */

static enum err text_of(struct meta *m, const struct meta_recording *r, struct arena *a, struct buf *text,
                        struct err_info *reterr)
{
    struct meta_pair *pairs;
    size_t n;

    buf_add_span(text, r->title);
    for (int links = 0; links < 2; links++) {
        TRY((links ? meta_recording_links : meta_recording_tags)(&m->view, r->id, a, &pairs, &n, reterr));
        for (size_t i = 0; i < n; i++)
            buf_addf(text, " " SPAN_FMT " " SPAN_FMT, SPAN_ARG(pairs[i].name), SPAN_ARG(pairs[i].value));
    }
    return buf_check(text, reterr);
}

static enum err is_indexed(struct meta *m, int64_t seq, struct span text, bool *ret_row, bool *ret_same,
                           struct err_info *reterr)
{
    sqlite3_stmt *st;

    TRY(db_query(&m->view, &st, reterr, TEXT_OF, "i", seq));
    TRY(db_step(&m->view, st, ret_row, reterr));
    *ret_same = *ret_row && span_eq(db_col_peek(st, 0), text);
    (void) sqlite3_reset(st); /* a read that ends early reports nothing */
    return ERR_OK;
}

enum err words_index(struct meta *m, const struct meta_recording *r, struct err_info *reterr)
{
    CLEANUP(buf_deinit) struct buf text = BUF_INIT(TEXT_MAX);
    CLEANUP(arena_deinit) struct arena a = { 0 };
    bool listed = span_eq_str(r->state, "open") || span_eq_str(r->state, "complete"), there, same;

    arena_init(&a, 1u << 20);
    if (listed)
        TRY(text_of(m, r, &a, &text, reterr));
    TRY(is_indexed(m, r->seq, buf_span(&text), &there, &same, reterr));
    if (listed && same)
        return ERR_OK;
    if (there)
        TRY(db_run(m, NULL, reterr, "DELETE FROM recording_word WHERE rowid=?", "i", r->seq));
    if (!listed)
        return ERR_OK;
    return db_run(m, NULL, reterr, "INSERT INTO recording_word(rowid,words) VALUES(?,?)", "it", r->seq, buf_span(&text));
}

enum err words_forget(struct meta *m, struct span rid, struct err_info *reterr)
{
    return db_run(m, NULL, reterr, "DELETE FROM recording_word WHERE rowid=(SELECT seq FROM recording WHERE id=?)", "t",
                  rid);
}
