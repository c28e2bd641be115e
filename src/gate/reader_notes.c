/*
 * The manifest's notes: what segments noted of their events (codec/facts), put together for the whole recording. What
 * recovery kept of a log (KHSPL1) has no notes of its own: they are found when its records are walked for their times.
 */
#include "gate/reader_int.h"

#include <stdlib.h>

#include "codec/jsonw.h"
#include "crypto/secret.h"

#define BINS_MAX 480

/* Of each kind that is listed; the contract names these. */
static const uint32_t listed_max[FACT_KINDS] = { 0, 1000, 500, 500, 500, 500, 1000, 4096 };

struct entry {
    enum fact_kind kind;
    uint32_t at, n; /* of its text */
    uint64_t seq, value;
    time_us time;
    size_t order; /* as they were found */
};

struct all {
    struct facts_counts counts;
    time_us active, end, bin;
    uint64_t bins[BINS_MAX];
    uint32_t n_bins;
    struct entry *list;
    size_t n, cap;
    uint32_t listed[FACT_KINDS];
    struct buf text;
    bool terminal;
};

static bool keep(struct all *a, const struct fact *f, struct span text)
{
    size_t cap = a->cap == 0 ? 64 : a->cap * 2;
    struct entry *more;

    if (a->listed[f->kind] == listed_max[f->kind])
        return true;
    if (a->n == a->cap) {
        more = realloc(a->list, cap * sizeof(*more));
        if (more == NULL)
            return false;
        a->list = more;
        a->cap = cap;
    }
    a->listed[f->kind]++;
    a->list[a->n] = (struct entry){ f->kind, (uint32_t) a->text.n, (uint32_t) text.n, f->seq, f->value, f->time, a->n };
    a->n++;
    buf_add_span(&a->text, text);
    return !a->text.failed;
}

static void add_bins(struct all *a, const struct facts_notes *n)
{
    for (uint32_t i = 0; i < n->n_bins; i++) {
        time_us at = (n->bins_from + (time_us) i * n->bin) / a->bin;

        if (n->bins[i] == 0)
            continue;
        at = at >= BINS_MAX ? BINS_MAX - 1 : at;
        a->bins[at] += n->bins[i];
        a->n_bins = at >= a->n_bins ? (uint32_t) at + 1 : a->n_bins;
    }
}

static bool add_notes(struct all *a, const struct facts_notes *n)
{
    struct facts_counts *c = &a->counts;

    c->clicks += n->counts.clicks;
    c->inputs += n->counts.inputs;
    c->errors += n->counts.errors;
    for (int i = 1; i < FACT_KINDS; i++)
        c->of[i] += n->counts.of[i];
    for (int i = 0; i < FACTS_LEVELS; i++)
        c->console[i] += n->counts.console[i];
    for (int i = 0; i < 6; i++)
        c->requests[i] += n->counts.requests[i];
    a->active = n->active > a->active ? n->active : a->active;
    add_bins(a, n);
    for (uint32_t i = 0; i < n->n; i++) {
        if (!keep(a, &n->list[i], facts_text(n, &n->list[i])))
            return false;
    }
    return true;
}

static enum err add_piece(struct run *x, struct piece *p, struct all *a)
{
    struct facts_notes n;
    enum err e;
    bool good;

    if (p->kind == KHSPL_KIND)
        return p->notes == NULL || add_notes(a, p->notes) ? ERR_OK : ERR_RAISE(x->reterr, ERR_NOMEM, "notes");
    TRY(piece_open(x, p)); /* its file may have been closed meanwhile */
    facts_notes_init(&n);
    e = segment_read_notes(p->index, &n, x->reterr);
    good = e == ERR_OK && add_notes(a, &n);
    facts_notes_deinit(&n);
    if (e == ERR_NOTFOUND || good)
        return ERR_OK;
    return e != ERR_OK ? e : ERR_RAISE(x->reterr, ERR_NOMEM, "notes");
}

/* From the last time that somebody did something to the end. */
static bool idle_end(struct all *a)
{
    time_us from = a->active < 0 ? 0 : a->active;
    const struct fact f = { .kind = FACT_IDLE, .time = from, .value = (uint64_t) (a->end - from) };

    if (a->end - from <= (a->terminal ? FACTS_IDLE_TERM_US : FACTS_IDLE_PAGE_US))
        return true;
    a->counts.of[FACT_IDLE]++;
    return keep(a, &f, SPAN_EMPTY);
}

static int by_time(const void *pa, const void *pb)
{
    const struct entry *a = pa, *b = pb;

    if (a->time != b->time)
        return a->time < b->time ? -1 : 1;
    return a->order < b->order ? -1 : 1;
}

/* ---- writing ---- */

static void write_counts(const struct facts_counts *c, struct jsonw *w)
{
    static const char *const levels[FACTS_LEVELS] = { "log", "info", "warn", "error", "debug" };
    static const char *const classes[6] = { "none", "1xx", "2xx", "3xx", "4xx", "5xx" };

    jsonw_kobj(w, "counts");
    jsonw_kint(w, "clicks", c->clicks);
    jsonw_kint(w, "inputs", c->inputs);
    jsonw_kint(w, "rage_clicks", c->of[FACT_RAGE]);
    jsonw_kint(w, "dead_clicks", c->of[FACT_DEAD]);
    jsonw_kint(w, "pages", c->of[FACT_PAGE]);
    jsonw_kint(w, "errors", c->errors);
    jsonw_kint(w, "resizes", c->of[FACT_RESIZE]);
    jsonw_kint(w, "idle", c->of[FACT_IDLE]);
    jsonw_kobj(w, "console");
    for (int i = 0; i < FACTS_LEVELS; i++)
        jsonw_kint(w, levels[i], c->console[i]);
    jsonw_obj_end(w);
    jsonw_kobj(w, "requests");
    for (int i = 0; i < 6; i++)
        jsonw_kint(w, classes[i], c->requests[i]);
    jsonw_obj_end(w);
    jsonw_obj_end(w);
}

static void write_activity(const struct all *a, struct jsonw *w)
{
    jsonw_kobj(w, "activity");
    jsonw_kint(w, "bin_ms", a->bin / 1000);
    jsonw_karr(w, "bins");
    for (uint32_t i = 0; i < a->n_bins; i++)
        jsonw_int(w, (int64_t) a->bins[i]);
    jsonw_arr_end(w);
    jsonw_obj_end(w);
}

static void write_size(uint64_t value, struct jsonw *w)
{
    jsonw_kint(w, "width", (int64_t) (value & UINT32_MAX));
    jsonw_kint(w, "height", (int64_t) (value >> 32));
}

static void write_entry(const struct all *a, const struct entry *e, struct jsonw *w)
{
    struct span text = span_of(a->text.p == NULL ? NULL : a->text.p + e->at, e->n);

    if (e->kind == FACT_IDLE) {
        jsonw_arr(w);
        jsonw_int(w, e->time / 1000);
        jsonw_int(w, (e->time + (time_us) e->value) / 1000);
        jsonw_arr_end(w);
        return;
    }
    jsonw_obj(w);
    jsonw_kint(w, "at_ms", e->time / 1000);
    jsonw_kint(w, "seq", (int64_t) e->seq);
    switch (e->kind) {
    case FACT_PAGE:
        jsonw_kstr(w, "url", text);
        write_size(e->value, w);
        break;
    case FACT_ERROR:
    case FACT_REQUEST:
        jsonw_kcstr(w, "kind", e->kind == FACT_ERROR ? "error" : "request");
        jsonw_kstr(w, "text", text);
        if (e->kind == FACT_REQUEST)
            jsonw_kint(w, "status", (int64_t) e->value);
        break;
    case FACT_RAGE:
    case FACT_DEAD:
        jsonw_kcstr(w, "kind", e->kind == FACT_RAGE ? "rage" : "dead");
        if (e->kind == FACT_RAGE)
            jsonw_kint(w, "n", (int64_t) e->value);
        break;
    case FACT_RESIZE: write_size(e->value, w); break;
    case FACT_IDLE: break;
    }
    jsonw_obj_end(w);
}

static void write_list(const struct all *a, const char *name, enum fact_kind one, enum fact_kind other, struct jsonw *w)
{
    jsonw_karr(w, name);
    for (size_t i = 0; i < a->n; i++) {
        if (a->list[i].kind == one || a->list[i].kind == other)
            write_entry(a, &a->list[i], w);
    }
    jsonw_arr_end(w);
}

static void write_all(struct all *a, struct jsonw *w)
{
    bool cut = false;

    for (int i = 1; i < FACT_KINDS; i++)
        cut = cut || a->counts.of[i] > a->listed[i];
    if (a->n > 0)
        qsort(a->list, a->n, sizeof(*a->list), by_time);
    jsonw_kobj(w, "notes");
    jsonw_kint(w, "to_ms", a->end / 1000);
    write_counts(&a->counts, w);
    write_activity(a, w);
    write_list(a, "pages", FACT_PAGE, FACT_PAGE, w);
    write_list(a, "errors", FACT_ERROR, FACT_REQUEST, w);
    write_list(a, "clicks", FACT_RAGE, FACT_DEAD, w);
    write_list(a, "resizes", FACT_RESIZE, FACT_RESIZE, w);
    write_list(a, "idle", FACT_IDLE, FACT_IDLE, w);
    jsonw_kbool(w, "cut", cut);
    jsonw_obj_end(w);
}

enum err reader_notes(struct run *x, struct jsonw *w)
{
    struct all a = { .active = -1, .bin = FACTS_BIN_US, .terminal = x->r->terminal };
    enum err e = pieces_end(x, &a.end);

    buf_init(&a.text, SEGMENT_INDEX_MAX);
    while (a.end / a.bin >= BINS_MAX)
        a.bin *= 2;
    for (size_t i = 0; i < x->r->n && e == ERR_OK; i++)
        e = add_piece(x, x->r->pieces[i], &a);
    if (e == ERR_OK && !idle_end(&a))
        e = ERR_RAISE(x->reterr, ERR_NOMEM, "notes");
    if (e == ERR_OK)
        write_all(&a, w);
    if (a.text.p != NULL)
        secret_wipe(a.text.p, a.text.cap);
    buf_deinit(&a.text);
    free(a.list);
    return e;
}

/* ---- KHSPL1 ---- */

static int type_of(struct span json, bool terminal, int *ret_source)
{
    struct json_value event = json_value(json), v = { .type = JSON_NULL }, data;
    struct json_iter it = json_iter(event);
    int64_t n = -1, source = -1;

    *ret_source = -1;
    if (terminal)
        return json_next(&it, &v) && json_next(&it, &v) && v.type == JSON_STRING && v.raw.n == 1 ? v.raw.p[0] : 0;
    if (!json_find(event, "type", &v) || !json_int(v.raw, &n) || n < 0 || n > 255)
        return 0;
    if (n == RRWEB_INCREMENTAL && json_find(event, "data", &data) && json_find(data, "source", &v) &&
        json_int(v.raw, &source) && source >= 0 && source <= 255)
        *ret_source = (int) source;
    return (int) n;
}

bool reader_note(struct piece_notes *n, bool terminal, struct span json, uint64_t seq, time_us time)
{
    struct facts_in in = { .seq = seq, .time = time, .json = json };

    in.type = type_of(json, terminal, &in.source);
    return facts_event(&n->facts, n->clickable, n->notes, &in);
}

void piece_notes_free(struct piece *p)
{
    if (p->notes == NULL)
        return;
    facts_notes_deinit(p->notes);
    free(p->notes);
    p->notes = NULL;
}
