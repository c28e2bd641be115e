#include "codec/facts.h"

#include <stdlib.h>

#include "codec/facts_int.h"

#define TEXT_MAX (FACT_KINDS * FACTS_LISTED_MAX * FACTS_TEXT_MAX)

/* ---- notes ---- */

void facts_notes_init(struct facts_notes *n)
{
    *n = (struct facts_notes){ .active = -1 };
    buf_init(&n->text, TEXT_MAX);
}

static void wipe(void *p, size_t n)
{
    if (p == NULL)
        return;
    explicit_bzero(p, n);
    free(p);
}

void facts_notes_deinit(struct facts_notes *n)
{
    wipe(n->list, n->cap * sizeof(*n->list));
    if (n->text.p != NULL)
        explicit_bzero(n->text.p, n->text.cap);
    buf_deinit(&n->text);
    facts_notes_init(n);
}

static bool grow(struct facts_notes *n)
{
    uint32_t cap = n->cap == 0 ? 32 : n->cap * 2;
    struct fact *p;

    if (n->n < n->cap)
        return true;
    p = realloc(n->list, cap * sizeof(*p));
    if (p == NULL)
        return false;
    n->list = p;
    n->cap = cap;
    return true;
}

/* At most FACTS_TEXT_MAX bytes, whole characters. */
static struct span cut_text(struct span s)
{
    size_t n = FACTS_TEXT_MAX;

    if (s.n <= n)
        return s;
    while (n > 0 && (s.p[n] & 0xc0) == 0x80)
        n--;
    return span_sub(s, 0, n);
}

static bool list(struct facts_notes *n, const struct fact *f, struct span text)
{
    struct fact mine = *f;

    text = cut_text(text);
    if (!grow(n))
        return false;
    mine.at = (uint32_t) n->text.n;
    mine.n = (uint32_t) text.n;
    buf_add_span(&n->text, text);
    if (n->text.failed)
        return false;
    n->list[n->n++] = mine;
    return true;
}

/* Counts stay at the largest number. */
static uint32_t sum(uint32_t a, uint32_t b)
{
    return a > UINT32_MAX - b ? UINT32_MAX : a + b;
}

bool facts_add(struct facts_notes *n, const struct fact *f, struct span text)
{
    bool listed = n->counts.of[f->kind] < facts_listed_max(f->kind);

    n->counts.of[f->kind] = sum(n->counts.of[f->kind], 1);
    return !listed || list(n, f, text);
}

/* ---- activity ---- */

/* Two neighbours become one; the first bin then begins at a multiple of the new width. */
static void widen(struct facts_notes *n)
{
    uint32_t odd = (uint32_t) (n->bins_from / n->bin % 2), to = 0;

    for (uint32_t i = 0; i < n->n_bins; i++) {
        uint32_t k = (i + odd) / 2, count = n->bins[i];

        n->bins[i] = 0;
        n->bins[k] = sum(n->bins[k], count);
        to = k + 1;
    }
    n->n_bins = to;
    n->bins_from -= odd * n->bin;
    n->bin *= 2;
}

void facts_bin(struct facts_notes *n, time_us at, uint32_t count)
{
    at = at < 0 ? 0 : at;
    if (n->bin == 0) {
        n->bin = FACTS_BIN_US;
        n->bins_from = at / n->bin * n->bin;
    }
    if (at < n->bins_from)
        at = n->bins_from;
    while ((at - n->bins_from) / n->bin >= FACTS_BINS)
        widen(n);
    at = (at - n->bins_from) / n->bin;
    for (; n->n_bins <= at; n->n_bins++)
        n->bins[n->n_bins] = 0;
    n->bins[at] = sum(n->bins[at], count);
}

/* ---- joining ---- */

static void add_counts(struct facts_counts *to, const struct facts_counts *c)
{
    to->clicks = sum(to->clicks, c->clicks);
    to->inputs = sum(to->inputs, c->inputs);
    to->errors = sum(to->errors, c->errors);
    for (int i = 0; i < FACT_KINDS; i++)
        to->of[i] = sum(to->of[i], c->of[i]);
    for (int i = 0; i < FACTS_LEVELS; i++)
        to->console[i] = sum(to->console[i], c->console[i]);
    for (size_t i = 0; i < sizeof(c->requests) / sizeof(c->requests[0]); i++)
        to->requests[i] = sum(to->requests[i], c->requests[i]);
}

bool facts_join(struct facts_notes *to, const struct facts_notes *next)
{
    uint32_t listed[FACT_KINDS] = { 0 };

    for (uint32_t i = 0; i < to->n; i++)
        listed[to->list[i].kind]++;
    for (uint32_t i = 0; i < next->n; i++) {
        const struct fact *f = &next->list[i];

        if (listed[f->kind]++ < facts_listed_max(f->kind) && !list(to, f, facts_text(next, f)))
            return false;
    }
    add_counts(&to->counts, &next->counts);
    while (to->bin > 0 && next->bin > to->bin)
        widen(to);
    for (uint32_t i = 0; i < next->n_bins; i++) {
        if (next->bins[i] > 0)
            facts_bin(to, next->bins_from + (time_us) i * next->bin, next->bins[i]);
    }
    to->active = next->active > to->active ? next->active : to->active;
    return true;
}

/* ---- what both kinds share ---- */

struct facts facts_begin(bool terminal, time_us from)
{
    return (struct facts){ .terminal = terminal, .active = from > 0 ? from : -1 };
}

bool facts_somebody(struct facts *f, struct facts_notes *to, const struct facts_in *ev)
{
    time_us before = f->active < 0 ? 0 : f->active;
    time_us idle = f->terminal ? FACTS_IDLE_TERM_US : FACTS_IDLE_PAGE_US;
    bool good = true;

    if (ev->time - before > idle)
        good = facts_add(to, &(struct fact){ .kind = FACT_IDLE, .seq = ev->seq, .time = before,
                                             .value = (uint64_t) (ev->time - before) }, SPAN_EMPTY);
    f->active = to->active = ev->time > before ? ev->time : before;
    return good;
}

bool facts_resize(struct facts *f, struct facts_notes *to, const struct facts_in *ev, int64_t width, int64_t height)
{
    bool known = f->width > 0;

    if (width <= 0 || height <= 0 || width > UINT16_MAX || height > UINT16_MAX ||
        (f->width == (uint32_t) width && f->height == (uint32_t) height))
        return true;
    f->width = (uint32_t) width;
    f->height = (uint32_t) height;
    return !known || facts_add(to, &(struct fact){ .kind = FACT_RESIZE, .seq = ev->seq, .time = ev->time,
                                                   .value = facts_size(f) }, SPAN_EMPTY);
}

/* ---- terminals ---- */

/* [time,"r","COLSxROWS"]; the size of the header is not told here: the first change counts, too. */
static bool terminal_resize(struct facts *f, struct facts_notes *to, const struct facts_in *ev)
{
    struct json_iter it = json_iter(json_value(ev->json));
    struct json_value v = { .type = JSON_NULL };
    struct span cols, rows;
    int64_t w = 0, h = 0;

    if (!json_next(&it, &v) || !json_next(&it, &v) || !json_next(&it, &v) || v.type != JSON_STRING ||
        !span_cut(v.raw, 'x', &cols, &rows) || !json_int(cols, &w) || !json_int(rows, &h))
        return true;
    f->width = f->width == 0 ? 1 : f->width;
    return facts_resize(f, to, ev, w, h);
}

static bool terminal(struct facts *f, struct facts_notes *to, const struct facts_in *ev)
{
    bool good = true;

    switch (ev->type) {
    case 'i': to->counts.inputs++; break;
    case 'r': good = terminal_resize(f, to, ev); break;
    case 'o': break;
    default: return true;
    }
    facts_bin(to, ev->time, 1);
    return facts_somebody(f, to, ev) && good;
}

bool facts_event(struct facts *f, struct facts_clickable *clickable, struct facts_notes *to, const struct facts_in *ev)
{
    return f->terminal ? terminal(f, to, ev) : facts_page_event(f, clickable, to, ev);
}
