#include "codec/intake.h"

#include "codec/json_tape.h"
#include "codec/mask_rrweb.h"
#include "codec/mask_term.h"
#include "codec/sanitize.h"

#include <stdlib.h>

struct intake {
    enum importer_kind kind;
    const struct mask_rules *rules;
    bool keep; /* originals */
    struct mask_scanner *scanner;
    struct intake_counts counts;

    /* rrweb: one event at a time */
    struct json_tape tape;       /* its tokens, when its reader had none */
    struct json_tape clean_tape; /* as sanitised */
    struct sanitize clean;
    struct mask_rrweb rrweb;
    struct intake_out one;
    bool waits;

    struct mask_term term;
    struct buf unsure; /* struct intake_late */
    struct buf head;

    /* as it was at the last commit */
    bool begun; /* something came since */
    struct sanitize_state was_clean;
    struct idmap was_nodes;
    bool was_lost, was_places;
    struct mask_term_state was_term;
};

static bool init(struct intake *in, size_t event_max)
{
    struct err_info e;

    if (mask_scanner_new(&in->scanner, &e) != ERR_OK)
        return false;
    buf_init(&in->head, (size_t) 64 << 20);
    buf_init(&in->unsure, INTAKE_LATE_MAX * sizeof(struct intake_late));
    sanitize_init(&in->clean, event_max);
    if (in->kind == IMPORTER_TERMINAL)
        mask_term_init(&in->term, in->rules, in->scanner, in->counts.hits, event_max);
    else
        mask_rrweb_init(&in->rrweb, in->rules, in->scanner, in->counts.hits, event_max);
    idmap_init(&in->was_nodes);
    mask_term_state_init(&in->was_term);
    in->was_lost = in->was_places = true;
    return true;
}

struct intake *intake_new(enum importer_kind kind, const struct mask_rules *rules, size_t event_max)
{
    struct intake *in = calloc(1, sizeof(*in));

    if (in == NULL)
        return NULL;
    in->kind = kind;
    in->rules = mask_rules_ref(rules == NULL ? mask_rules_default() : rules);
    if (in->rules == NULL || !init(in, event_max)) {
        (void) mask_rules_unref(in->rules);
        free(in);
        return NULL;
    }
    in->keep = mask_rules_reveal(in->rules) == MASK_KEEP;
    return in;
}

struct intake *intake_free(struct intake *in)
{
    if (in == NULL)
        return NULL;
    if (in->kind == IMPORTER_TERMINAL)
        mask_term_deinit(&in->term);
    else
        mask_rrweb_deinit(&in->rrweb);
    json_tape_deinit(&in->tape);
    json_tape_deinit(&in->clean_tape);
    sanitize_deinit(&in->clean);
    idmap_deinit(&in->was_nodes);
    mask_term_state_deinit(&in->was_term);
    buf_deinit(&in->head);
    buf_deinit(&in->unsure);
    (void) mask_scanner_free(in->scanner);
    (void) mask_rules_unref(in->rules);
    free(in);
    return NULL;
}

void intake_freep(struct intake **in)
{
    *in = intake_free(*in);
}

static void save(struct intake *in);

void intake_lost(struct intake *in, bool unsure)
{
    if (in->kind == IMPORTER_TERMINAL) {
        mask_term_lost(&in->term, unsure);
        save(in);
    }
    in->clean.state = in->was_clean = sanitize_state_unknown();
    in->rrweb.lost = in->was_lost = true;
    in->rrweb.places = in->was_places = true;
}

/* ---- heads ---- */

static void terminal_size(struct intake *in, struct span json)
{
    struct json_value head = json_value(json), term, cols, rows;
    int64_t c, r;

    if (json_find(head, "term", &term) && json_find(term, "cols", &cols) && json_find(term, "rows", &rows)) {
        if (json_int(cols.raw, &c) && json_int(rows.raw, &r) && c > 0 && r > 0 && c <= 65535 && r <= 65535)
            mask_term_size(&in->term, (int) c, (int) r);
        return;
    }
    if (json_find(head, "width", &cols) && json_find(head, "height", &rows) && json_int(cols.raw, &c) && json_int(rows.raw, &r) &&
        c > 0 && r > 0 && c <= 65535 && r <= 65535)
        mask_term_size(&in->term, (int) c, (int) r);
}

enum err intake_head(struct intake *in, struct span json, struct intake_out *ret, struct err_info *reterr)
{
    struct mask_json *m = in->kind == IMPORTER_TERMINAL ? &in->term.json : &in->rrweb.json;

    *ret = (struct intake_out){ .ev.json = json };
    in->begun = true;
    if (in->kind == IMPORTER_TERMINAL)
        terminal_size(in, json);
    mask_json_begin(m, json);
    mask_json_value(m, json_value(json), (struct mask_how){ in->kind == IMPORTER_RRWEB, false, 0 });
    if (m->err.code != ERR_OK)
        return ERR_RAISE(reterr, m->err.code, "%s", m->err.text);
    if (!mask_edit_any(&m->edit))
        return ERR_OK;
    buf_reset(&in->head);
    if (!mask_edit_apply(&m->edit, json, &in->head))
        return ERR_RAISE(reterr, ERR_NOMEM, "masking");
    ret->ev.json = buf_span(&in->head);
    ret->masked = true;
    ret->reveal = in->keep ? json : SPAN_EMPTY;
    return ERR_OK;
}

/* ---- events ---- */

static enum err add_rrweb(struct intake *in, const struct intake_item *item, struct err_info *reterr)
{
    struct json_value event = item->tokens != NULL ? json_tape_value(item->tokens, item->json) : json_tape_of(&in->tape, item->json);
    struct span clean, json;

    in->one = (struct intake_out){ .ev = *item };
    in->one.ev.tokens = NULL;
    TRY(sanitize_value(&in->clean, event, &clean, reterr));
    in->one.sanitised = clean.p != item->json.p || clean.n != item->json.n;
    if (in->one.sanitised && event.token != NULL && sanitize_tokens(&in->clean, event.token, clean, &in->clean_tape))
        event = json_tape_value(in->clean_tape.v, clean);
    else if (in->one.sanitised)
        event = json_tape_of(&in->clean_tape, clean);
    TRY(mask_rrweb_event(&in->rrweb, event, item->type, item->source, &json, reterr));
    in->one.masked = json.p != clean.p;
    in->one.ev.json = json;
    in->one.reveal = in->one.masked ? clean : SPAN_EMPTY;
    in->waits = true;
    return ERR_OK;
}

enum err intake_add(struct intake *in, const struct intake_item *item, struct err_info *reterr)
{
    in->begun = true;
    in->counts.events++;
    return in->kind == IMPORTER_TERMINAL ? mask_term_add(&in->term, item, reterr) : add_rrweb(in, item, reterr);
}

enum err intake_flush(struct intake *in, struct err_info *reterr)
{
    return in->kind == IMPORTER_TERMINAL ? mask_term_flush(&in->term, reterr) : ERR_OK;
}

bool intake_take(struct intake *in, struct intake_out *ret)
{
    if (in->kind == IMPORTER_TERMINAL) {
        if (!mask_term_take(&in->term, ret))
            return false;
    } else {
        if (!in->waits)
            return false;
        in->waits = false;
        *ret = in->one;
    }
    in->counts.masked += ret->masked;
    in->counts.sanitised += ret->sanitised;
    if (!in->keep)
        ret->reveal = SPAN_EMPTY;
    return true;
}

/* ---- batches ---- */

static void save(struct intake *in)
{
    if (in->kind == IMPORTER_TERMINAL) {
        if (!mask_term_state_copy(&in->was_term, &in->term.s))
            mask_term_state_deinit(&in->was_term); /* it has no size then: an undone batch leaves less context */
        return;
    }
    in->was_clean = in->clean.state;
    in->was_lost = in->rrweb.lost;
    in->was_places = in->rrweb.places;
    if (!idmap_copy(&in->was_nodes, &in->rrweb.nodes))
        in->was_lost = true;
}

static void restore(struct intake *in)
{
    if (in->kind == IMPORTER_TERMINAL) {
        mask_term_forget(&in->term);
        (void) mask_term_state_copy(&in->term.s, &in->was_term); /* no memory: less context */
        return;
    }
    in->waits = false;
    in->clean.state = in->was_clean;
    in->rrweb.lost = in->was_lost;
    in->rrweb.places = in->was_places;
    if (!idmap_copy(&in->rrweb.nodes, &in->was_nodes))
        in->rrweb.lost = true;
}

bool intake_keeps(const struct intake *in)
{
    return in->keep;
}

/* Nothing that was given out is needed any more. */
static void rest(struct intake *in)
{
    struct buf *const page[] = { &in->clean.out, &in->clean.text, &in->clean.css, &in->clean.edits, &in->rrweb.value, &in->rrweb.out, &in->head };
    struct buf *const term[] = { &in->term.store, &in->term.out, &in->term.line, &in->term.chars, &in->term.data, &in->head };

    json_tape_deinit(&in->tape); /* thousands of recordings are open */
    json_tape_deinit(&in->clean_tape);
    mask_json_rest(in->kind == IMPORTER_TERMINAL ? &in->term.json : &in->rrweb.json);
    for (size_t i = 0; in->kind != IMPORTER_TERMINAL && i < sizeof(page) / sizeof(page[0]); i++)
        mask_json_rest_buf(page[i]);
    for (size_t i = 0; in->kind == IMPORTER_TERMINAL && in->term.held.n == 0 && i < sizeof(term) / sizeof(term[0]); i++)
        mask_json_rest_buf(term[i]);
}

void intake_begin(struct intake *in)
{
    if (in->begun)
        restore(in);
    in->begun = false;
    buf_reset(&in->term.late);
    rest(in);
}

void intake_commit(struct intake *in)
{
    if (in->begun)
        save(in);
    in->begun = false;
}

const struct intake_late *intake_late(const struct intake *in, size_t *ret_n)
{
    struct intake_late *m = (struct intake_late *) (void *) in->term.late.p; /* malloc'd, all of one size */

    *ret_n = in->kind == IMPORTER_TERMINAL ? in->term.late.n / sizeof(*m) : 0;
    for (size_t i = 0; i < *ret_n; i++)
        m[i].keep = in->keep;
    return m;
}

bool intake_unsure(struct intake *in, struct intake_unsure *ret)
{
    struct intake_late *m;

    *ret = (struct intake_unsure){ .first = UINT64_MAX, .reach = UINT64_MAX };
    if (in->kind != IMPORTER_TERMINAL)
        return true;
    buf_reset(&in->unsure);
    if (!mask_term_unsure(&in->term, &in->unsure))
        return false;
    ret->reach = mask_term_reach(&in->term, &in->unsure);
    ret->marks = m = (struct intake_late *) (void *) in->unsure.p;
    ret->n = in->unsure.n / sizeof(*m);
    for (size_t i = 0; i < ret->n; i++)
        m[i].keep = in->keep;
    if (!mask_term_live(&in->term, &ret->first))
        return false;
    ret->reach = ret->first < ret->reach ? ret->first : ret->reach;
    return true;
}

void intake_late_write(const struct intake_late *marks, size_t n, struct buf *out)
{
    for (size_t i = 0; i < n; i++)
        buf_addf(out, "[%llu,%u,%u,%d]\n", (unsigned long long) marks[i].seq, marks[i].from, marks[i].to, marks[i].keep);
}

static int by_place(const void *a, const void *b)
{
    const struct intake_late *x = a, *y = b;

    if (x->seq != y->seq)
        return x->seq < y->seq ? -1 : 1;
    return x->from != y->from ? (x->from < y->from ? -1 : 1) : (x->to > y->to) - (x->to < y->to);
}

void intake_late_sort(struct intake_late *marks, size_t n)
{
    if (n > 1)
        qsort(marks, n, sizeof(*marks), by_place);
}

const struct intake_late *intake_late_of(const struct intake_late *marks, size_t n, uint64_t seq, size_t *ret_n)
{
    size_t low = 0, high = n, end;

    while (low < high) {
        size_t mid = low + (high - low) / 2;

        if (marks[mid].seq < seq)
            low = mid + 1;
        else
            high = mid;
    }
    for (end = low; end < n && marks[end].seq == seq;)
        end++;
    *ret_n = end - low;
    return end > low ? marks + low : NULL;
}

enum err intake_late_read(struct span lines, struct buf *out, struct err_info *reterr)
{
    struct span line;

    while (span_cut(lines, '\n', &line, &lines)) {
        struct json_iter it = json_iter(json_value(line));
        struct json_value v;
        int64_t of[4];
        int n = 0;

        while (n < 4 && json_next(&it, &v) && json_int(v.raw, &of[n]) && of[n] >= 0)
            n++;
        if (n < 4 || of[1] > UINT32_MAX || of[2] > UINT32_MAX)
            return ERR_RAISE(reterr, ERR_CORRUPT, "log: a record of late marks that holds none");
        buf_add(out, &(struct intake_late){ .seq = (uint64_t) of[0], .from = (uint32_t) of[1], .to = (uint32_t) of[2], .keep = of[3] != 0 },
                sizeof(struct intake_late));
    }
    return buf_check(out, reterr);
}

enum err intake_mask_late(struct span json, uint64_t seq, const struct intake_late *marks, size_t n, struct buf *out, bool *ret_masked,
                          struct err_info *reterr)
{
    return mask_term_apply(json, seq, marks, n, out, ret_masked, reterr);
}

const struct intake_counts *intake_counts(const struct intake *in)
{
    return &in->counts;
}
