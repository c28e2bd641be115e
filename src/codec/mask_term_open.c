/*
 * What of a terminal's text is not over at the end of a batch: for those who store it now and may never hear how it went on, and for those who
 * choose where to cut. Nothing here changes what the masker knows.
 */
#include "codec/mask_term.h"

#include "base/utf8.h"
#include "codec/mask_plain.h"

#define LIVE_WORK 50 /* of a line that is looked at; see mask_grid.h */
#define LIVE_WORK_PER_BYTE 2

static bool add(struct buf *out, uint64_t seq, size_t from, size_t to)
{
    const struct intake_late m = { .seq = seq, .from = (uint32_t) from, .to = (uint32_t) to };

    buf_add(out, &m, sizeof(m));
    return !out->failed;
}

/* Columns [from, to] of the row with that id. */
static bool add_cells(const struct mask_grid *g, uint32_t row, int from, int to, struct buf *out)
{
    const struct mask_run *r = (const struct mask_run *) (const void *) g->runs.p; /* malloc'd, all of one size */

    for (size_t i = 0; i < g->runs.n / sizeof(*r); i++, r++) {
        int w = r->width == 0 ? 1 : r->width, last = r->col + r->n * w - 1, a, b;

        if (r->row != row || r->n == 0 || from > last || to < r->col)
            continue;
        a = from <= r->col ? 0 : (from - r->col) / w;
        b = to >= last ? r->n - 1 : (to - r->col) / w;
        if (!add(out, r->seq, r->off + (uint32_t) a * r->len, r->off + (uint32_t) (b + 1) * r->len))
            return false;
    }
    return true;
}

static bool is_recent(const struct mask_term *t, const struct mask_row *row)
{
    return row->touched + MASK_TERM_TOUCH >= t->s.grid.seq;
}

/* The cursor's line, from where a match may have begun. *ret_last: its last row, -1: it has none. */
static bool cursor_line(struct mask_term *t, struct buf *out, int *ret_first, int *ret_last)
{
    const struct mask_grid *g = &t->s.grid;
    const struct mask_char *c;
    size_t n, from;
    bool ok = true;

    mask_grid_line(g, /* to_cursor= */ false, &t->line, &t->chars);
    c = (const struct mask_char *) (const void *) t->chars.p;
    n = t->chars.n / sizeof(*c);
    *ret_first = n == 0 ? g->y : c[0].row;
    *ret_last = n == 0 ? g->y : c[n - 1].row;
    if (n == 0 || !g->row[g->y].open)
        return !t->line.failed && !t->chars.failed;
    from = mask_scan_open(t->json.rules, buf_span(&t->line));
    for (size_t i = 0; i < n && ok; i++) {
        size_t k = i;

        if (c[i].at < from)
            continue;
        while (k + 1 < n && c[k + 1].row == c[i].row)
            k++;
        ok = add_cells(g, g->row[c[i].row].id, c[i].col, c[k].col, out);
        i = k;
    }
    return ok && !t->line.failed && !t->chars.failed;
}

static bool screen(struct mask_term *t, struct buf *out)
{
    const struct mask_grid *g = &t->s.grid;
    int first, last;

    if (g->cols == 0)
        return true;
    if (!cursor_line(t, out, &first, &last))
        return false;
    for (int y = 0; y < g->rows; y++) {
        if (y >= first && y <= last)
            continue;
        if (g->row[y].open && is_recent(t, &g->row[y]) && !add_cells(g, g->row[y].id, 0, g->cols, out))
            return false;
    }
    for (uint32_t i = 0; i < g->n_parts; i++)
        if (!add(out, g->parts[i].seq, g->parts[i].off, g->parts[i].off + g->parts[i].n))
            return false;
    return true;
}

static bool typed(struct mask_term *t, struct buf *out)
{
    const struct mask_term_state *s = &t->s;
    size_t at = 0, from;

    for (uint32_t i = 0; i < s->n_unseen && !s->seen; i++)
        if (!add(out, s->unseen[i].seq, s->unseen[i].off, s->unseen[i].off + s->unseen[i].len))
            return false;
    if (!s->typed_open)
        return true;
    buf_reset(&t->line);
    for (uint32_t i = 0; i < s->n_typed; i++)
        utf8_add(&t->line, s->typed[i].cp);
    from = mask_scan_open(t->json.rules, buf_span(&t->line));
    for (uint32_t i = 0; i < s->n_typed; i++) {
        const struct mask_typed_char *c = &s->typed[i];

        if (at >= from && !c->masked && !add(out, c->seq, c->off, c->off + c->len))
            return false;
        at += c->len;
    }
    return !t->line.failed;
}

bool mask_term_unsure(struct mask_term *t, struct buf *out)
{
    const struct mask_grid *g = &t->s.grid;

    if (g->plain) /* all of it goes anyway */
        return true;
    if (g->key && !add(out, g->seq, 0, 0)) /* what follows is a key's: nothing to mask, and it has to be known */
        return false;
    return screen(t, out) && typed(t, out);
}

static void lower(uint64_t *at, uint64_t seq)
{
    *at = seq < *at ? seq : *at;
}

uint64_t mask_term_reach(struct mask_term *t, const struct buf *unsure)
{
    const struct intake_late *m = (const struct intake_late *) (const void *) unsure->p;
    const struct mask_grid *g = &t->s.grid;
    const struct mask_run *r = (const struct mask_run *) (const void *) g->runs.p;
    uint64_t at = UINT64_MAX;

    for (size_t i = 0; i < unsure->n / sizeof(*m); i++)
        lower(&at, m[i].seq);
    if (g->cols > 0 && is_recent(t, &g->row[g->y])) { /* the cursor may go back over what is over */
        for (size_t i = 0; i < g->runs.n / sizeof(*r); i++)
            if (r[i].row == g->row[g->y].id && r[i].n > 0)
                lower(&at, r[i].seq);
    }
    if (t->s.n_typed > 0)
        lower(&at, t->s.typed[0].seq);
    return at;
}

/* ---- what a follower may not be shown yet ---- */

/* The oldest event that wrote into columns [from, to] of the row with that id, as far as it is not masked. */
static void lower_cells(const struct mask_grid *g, uint32_t row, int from, int to, uint64_t *at)
{
    const struct mask_run *r = (const struct mask_run *) (const void *) g->runs.p; /* malloc'd, all of one size */

    for (size_t i = 0; i < g->runs.n / sizeof(*r); i++) {
        int last = r[i].col + r[i].n * (r[i].width == 0 ? 1 : r[i].width) - 1;

        if (r[i].row == row && r[i].n > 0 && from <= last && to >= r[i].col)
            lower(at, r[i].seq);
    }
}

/* Where in t->line a match is under way. Text inside text counts whole: what it comes to tells no places. */
static size_t live_from(struct mask_term *t)
{
    struct span text = buf_span(&t->line);
    size_t from;

    t->s.grid.work += LIVE_WORK + LIVE_WORK_PER_BYTE * text.n;
    if (text.n == 0)
        return 0;
    from = mask_scan_live(t->json.scanner, t->json.rules, text);
    if (from == 0 || !mask_plain_needed(text))
        return from;
    buf_reset(&t->data);
    if (!mask_plain_text(text, &t->data) ||
        (t->data.n > 0 && mask_scan_live(t->json.scanner, t->json.rules, buf_span(&t->data)) < t->data.n))
        return 0;
    return from;
}

/* Of the text in t->line. */
static void live_text(struct mask_term *t, uint64_t *at)
{
    const struct mask_grid *g = &t->s.grid;
    const struct mask_char *c = (const struct mask_char *) (const void *) t->chars.p;
    size_t n = t->chars.n / sizeof(*c), from = live_from(t);

    for (size_t i = 0; i < n;) {
        size_t k = i;

        while (k + 1 < n && c[k + 1].row == c[i].row)
            k++;
        while (i <= k && c[i].at < from)
            i++;
        if (i <= k)
            lower_cells(g, g->row[c[i].row].id, c[i].col, c[k].col, at);
        i = k + 1;
    }
}

/* Text goes on at the cursor, or where a line ends that was left and may be gone back to. */
static void live_screen(struct mask_term *t, uint64_t *at)
{
    const struct mask_grid *g = &t->s.grid;

    if (g->cols > 0 && g->row[g->y].open) {
        mask_grid_line(g, /* to_cursor= */ true, &t->line, &t->chars);
        live_text(t, at);
    }
    for (int y = 0; y < g->rows; y++) { /* without a size there are none */
        if (!g->row[y].open || !(y == g->y || is_recent(t, &g->row[y])))
            continue;
        y = mask_grid_line_of(g, y, &t->line, &t->chars);
        live_text(t, at);
    }
}

static void live_typed(struct mask_term *t, uint64_t *at)
{
    const struct mask_term_state *s = &t->s;
    size_t off = 0, from;

    for (uint32_t i = 0; i < s->n_unseen && !s->seen; i++)
        lower(at, s->unseen[i].seq);
    if (!s->typed_open)
        return;
    buf_reset(&t->line);
    for (uint32_t i = 0; i < s->n_typed; i++)
        utf8_add(&t->line, s->typed[i].cp);
    from = live_from(t);
    for (uint32_t i = 0; i < s->n_typed; off += s->typed[i++].len)
        if (off >= from && !s->typed[i].masked)
            lower(at, s->typed[i].seq);
}

bool mask_term_live(struct mask_term *t, uint64_t *ret)
{
    const struct mask_grid *g = &t->s.grid;

    *ret = UINT64_MAX;
    if (g->plain)
        return true;
    live_screen(t, ret);
    for (uint32_t i = 0; i < g->n_parts; i++)
        lower(ret, g->parts[i].seq);
    live_typed(t, ret);
    return !t->line.failed && !t->chars.failed;
}

/* ---- what went before is not known ---- */

void mask_term_lost(struct mask_term *t, bool unsure)
{
    t->s.prompt = true;
    t->s.grid.key = unsure;
    t->s.lost = unsure;
    t->s.lost_row = 1; /* the first one of a screen that nothing was written to */
    t->s.lost_n = 0;
}

/* What is in the row, as far as it is not marked yet. */
static bool take_row(struct mask_term *t, uint32_t row)
{
    struct mask_run *r = (struct mask_run *) (void *) t->s.grid.runs.p;

    for (size_t i = 0; i < t->s.grid.runs.n / sizeof(*r); i++) {
        if (r[i].row != row || r[i].n == 0)
            continue;
        if (r[i].seq >= t->oldest && !add(&t->marks, r[i].seq, r[i].off, r[i].off + (size_t) r[i].n * r[i].len))
            return false;
        r[i].n = 0;
    }
    return true;
}

bool mask_term_rest(struct mask_term *t)
{
    struct mask_term_state *s = &t->s;
    const struct mask_grid *g = &s->grid;
    int y = 0, end;

    if (!take_row(t, s->lost_row))
        return false;
    while (y < g->rows && g->row[y].id != s->lost_row)
        y++;
    for (end = y; end + 1 < g->rows && g->row[end].wrapped; end++)
        if (!take_row(t, g->row[end + 1].id))
            return false;
    s->lost = y < g->rows && g->y >= y && g->y <= end && ++s->lost_n < MASK_TERM_TOUCH;
    return true;
}
