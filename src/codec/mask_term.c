#include "codec/mask_term.h"

#include "base/utf8.h"
#include "codec/base64.h"

#include <stdlib.h>

/*
 * add -> the event's text into the grid (output) or the typed line (input), which are looked at when a line is left, overwritten, or the event is
 * over: hits become marks: bytes of events. -> does any text stand there that may go on? Then the event waits; else all that
 * waits is made ready: marks in order, events with marks written anew.
 */

#define KEY_LINES  200  /* of a private key without its end */
#define PROMPT_MAX 300  /* bytes of a line that may be a prompt */
#define DECODED    6144 /* of OSC 52 */
#define LOOK_WORK  50   /* of a line, however short; see mask_grid.h */
#define LOOK_WORK_PER_BYTE 2
#define PROMPT_WORK_PER_BYTE 40
#define PRUNE_WORK 20   /* of a run */

struct held {
    struct intake_item ev;
    size_t at;          /* in store; SIZE_MAX: the caller's bytes, not copied */
    size_t out_at, out_n; /* in out; n 0: as it came */
};

void mask_term_state_init(struct mask_term_state *s)
{
    memset(s, 0, sizeof(*s));
    mask_grid_init(&s->grid);
}

void mask_term_state_deinit(struct mask_term_state *s)
{
    mask_grid_deinit(&s->grid);
}

bool mask_term_state_copy(struct mask_term_state *to, const struct mask_term_state *from)
{
    to->prompt = from->prompt;
    to->typed_esc = from->typed_esc;
    to->typed_open = from->typed_open;
    to->lost = from->lost;
    to->lost_row = from->lost_row;
    to->lost_n = from->lost_n;
    to->n_typed = from->n_typed;
    to->n_unseen = from->n_unseen;
    to->seen = from->seen;
    to->unseen_over = from->unseen_over;
    to->n_shown = from->n_shown;
    memcpy(to->unseen, from->unseen, from->n_unseen * sizeof(from->unseen[0]));
    memcpy(to->shown, from->shown, from->n_shown * sizeof(from->shown[0]));
    memcpy(to->typed, from->typed, from->n_typed * sizeof(from->typed[0]));
    return mask_grid_copy(&to->grid, &from->grid);
}

void mask_term_init(struct mask_term *t, const struct mask_rules *rules, struct mask_scanner *scanner, uint64_t *counts, size_t max)
{
    memset(t, 0, sizeof(*t));
    mask_json_init(&t->json, rules, scanner, counts, max);
    mask_term_state_init(&t->s);
    buf_init(&t->held, (MASK_TERM_HOLD + 1) * sizeof(struct held));
    buf_init(&t->store, MASK_TERM_HELD + max);
    buf_init(&t->out, 8 * (MASK_TERM_HELD + max));
    buf_init(&t->marks, SIZE_MAX);
    buf_init(&t->late, INTAKE_LATE_MAX * sizeof(struct intake_late));
    buf_init(&t->line, SIZE_MAX);
    buf_init(&t->chars, SIZE_MAX);
    buf_init(&t->data, max + 4);
}

void mask_term_deinit(struct mask_term *t)
{
    mask_json_deinit(&t->json);
    mask_term_state_deinit(&t->s);
    buf_deinit(&t->held);
    buf_deinit(&t->store);
    buf_deinit(&t->out);
    buf_deinit(&t->marks);
    buf_deinit(&t->late);
    buf_deinit(&t->line);
    buf_deinit(&t->chars);
    buf_deinit(&t->data);
}

static void fail(struct mask_term *t, enum err code)
{
    if (t->err.code == ERR_OK)
        (void) ERR_RAISE(&t->err, code, code == ERR_LIMIT ? "event-too-large" : "masking"); /* kept for the caller */
}

void mask_term_size(struct mask_term *t, int cols, int rows)
{
    if (!mask_grid_size(&t->s.grid, cols, rows))
        fail(t, ERR_NOMEM);
}

/* A small event may make a long line be looked at again: that counts with what the screen costs. */
static void spend(struct mask_term *t, size_t n)
{
    t->s.grid.work += n;
}

/* ---- marks ---- */

static void mark(struct mask_term *t, uint64_t seq, size_t from, size_t to, uint16_t rule)
{
    struct intake_late m = { .seq = seq, .from = (uint32_t) from, .to = (uint32_t) to, .rule = rule };

    if (from >= to)
        return;
    if (seq < t->oldest) {
        buf_add(&t->late, &m, sizeof(m));
        if (t->late.failed)
            fail(t, ERR_LIMIT); /* what cannot be told would stay */
        return;
    }
    buf_add(&t->marks, &m, sizeof(m));
    if (t->marks.failed)
        fail(t, ERR_NOMEM);
}

/* What of a run lies in columns [from, to] of its row: marked, and taken out of the run. */
static bool mark_run(struct mask_term *t, size_t i, int from, int to, uint16_t rule)
{
    struct mask_grid *g = &t->s.grid;
    struct mask_run r = ((struct mask_run *) (void *) g->runs.p)[i];
    int w = r.width == 0 ? 1 : r.width, last = r.col + r.n * w - 1, a, b;

    if (from > last || to < r.col || r.n == 0)
        return false;
    a = from <= r.col ? 0 : (from - r.col) / w;
    b = to >= last ? r.n - 1 : (to - r.col) / w;
    mark(t, r.seq, r.off + (uint32_t) a * r.len, r.off + (uint32_t) (b + 1) * r.len, rule);
    ((struct mask_run *) (void *) g->runs.p)[i].n = (uint16_t) a;
    if (b + 1 < r.n) {
        struct mask_run rest = r;

        rest.n = (uint16_t) (r.n - b - 1);
        rest.col = (uint16_t) (r.col + (b + 1) * w);
        rest.off = r.off + (uint32_t) (b + 1) * r.len;
        if (g->runs.n + sizeof(rest) > g->runs.max)
            buf_drop(&g->runs, sizeof(rest)); /* the oldest one */
        buf_add(&g->runs, &rest, sizeof(rest));
    }
    return true;
}

/* Columns [from, to] of row y belong to a match. */
static bool mark_cells(struct mask_term *t, int y, int from, int to, uint16_t rule)
{
    struct mask_grid *g = &t->s.grid;
    bool any = false;

    for (size_t i = 0; i < g->runs.n / sizeof(struct mask_run); i++) {
        const struct mask_run *r = (const struct mask_run *) (const void *) g->runs.p + i;

        if (r->row == g->row[y].id)
            any = mark_run(t, i, from, to, rule) || any;
    }
    return any;
}

/* A hit of the text in t->line. *io_i: the character behind the hit before. */
static void mark_line(struct mask_term *t, struct mask_hit h, size_t *io_i)
{
    const struct mask_char *c = (const struct mask_char *) (const void *) t->chars.p;
    size_t n = t->chars.n / sizeof(*c), i = *io_i;
    bool any = false;

    while (i < n && c[i].at < h.from)
        i++;
    while (i < n && c[i].at < h.to) {
        size_t k = i;

        spend(t, t->s.grid.runs.n / sizeof(struct mask_run));
        while (k + 1 < n && c[k + 1].at < h.to && c[k + 1].row == c[i].row)
            k++;
        any = mark_cells(t, c[i].row, c[i].col, c[k].col, h.rule) || any;
        i = k + 1;
    }
    *io_i = i;
    if (any)
        t->json.counts[h.rule]++;
}

/* ---- output ---- */

static void on_line(void *ctx, struct mask_grid *g, enum mask_look look)
{
    struct mask_term *t = ctx;
    const struct mask_hit *hits = NULL;
    bool key = g->key;
    size_t n;

    if (t->err.code != ERR_OK)
        return; /* nothing of it is taken any more */
    mask_grid_line(g, /* to_cursor= */ false, &t->line, &t->chars);
    spend(t, LOOK_WORK + LOOK_WORK_PER_BYTE * t->line.n);
    if (t->line.n == 0 || t->line.failed || t->chars.failed) {
        if (t->line.failed || t->chars.failed)
            fail(t, ERR_NOMEM);
        mask_grid_set_open(g, false);
        return;
    }
    if (look == MASK_LOOK_OVER)
        buf_add_c(&t->line, '\n');
    n = mask_json_hits(&t->json, buf_span(&t->line), &key, &hits);
    if (t->json.err.code != ERR_OK)
        fail(t, t->json.err.code);
    for (size_t i = 0, at = 0; i < n && t->err.code == ERR_OK; i++)
        mark_line(t, hits[i], &at);
    if (look != MASK_LOOK_STAYS) {
        g->key_lines = key && g->key ? g->key_lines + 1 : 0;
        g->key = key && g->key_lines < KEY_LINES;
    }
    mask_grid_set_open(g, look != MASK_LOOK_OVER && mask_scan_open(t->json.rules, buf_span(&t->line)) < t->line.n);
}

/* Bytes [from, to) of the grid's string. */
static void mark_string(struct mask_term *t, const struct mask_grid *g, size_t from, size_t to, uint16_t rule)
{
    size_t at = 0;

    t->json.counts[rule]++;
    for (uint32_t i = 0; i < g->n_parts; at += g->parts[i++].n) {
        const struct mask_part *p = &g->parts[i];
        size_t a = from > at ? from - at : 0, b = to > at ? to - at : 0;

        if (b > p->n)
            b = p->n;
        mark(t, p->seq, p->off + a, p->off + b, rule);
    }
}

/* OSC 52: what goes to the clipboard is base64. 0: it is not that, or has no hit; else where it begins. */
static size_t clipboard_hit(struct mask_term *t, struct span s, uint16_t *ret_rule)
{
    const struct mask_hit *hits = NULL;
    uint8_t plain[DECODED];
    struct span what, data;
    size_t n;

    if (!span_starts(s, "52;") || !span_cut(span_sub(s, 3, s.n), ';', &what, &data))
        return 0;
    if (!base64_parse(data, plain, sizeof(plain), &n) || mask_json_hits(&t->json, span_of(plain, n), NULL, &hits) == 0)
        return 0;
    *ret_rule = hits[0].rule;
    return (size_t) (data.p - s.p);
}

static void on_string(void *ctx, struct mask_grid *g)
{
    struct mask_term *t = ctx;
    struct span s = buf_span(&g->string);
    const struct mask_hit *hits = NULL;
    uint16_t rule;
    size_t n = clipboard_hit(t, s, &rule);

    if (n > 0) {
        mark_string(t, g, n, s.n, rule);
        return;
    }
    n = mask_json_hits(&t->json, s, NULL, &hits);
    if (t->json.err.code != ERR_OK)
        fail(t, t->json.err.code);
    for (size_t i = 0; i < n; i++)
        mark_string(t, g, hits[i].from, hits[i].to, hits[i].rule);
}

/* Its work is spent: what is remembered may be half of a secret whose rest nobody will look for. */
static void on_stopped(void *ctx, struct mask_grid *g)
{
    struct mask_term *t = ctx;
    const struct mask_run *r = (const struct mask_run *) (const void *) g->runs.p;

    for (size_t i = 0; i < g->runs.n / sizeof(*r); i++)
        mark(t, r[i].seq, r[i].off, r[i].off + (size_t) r[i].n * r[i].len, MASK_UNREAD);
    for (uint32_t i = 0; i < g->n_parts; i++)
        mark(t, g->parts[i].seq, g->parts[i].off, g->parts[i].off + g->parts[i].n, MASK_UNREAD);
    for (uint32_t i = 0; i < t->s.n_typed; i++)
        mark(t, t->s.typed[i].seq, t->s.typed[i].off, t->s.typed[i].off + t->s.typed[i].len, MASK_UNREAD);
    for (uint32_t i = 0; i < t->s.n_unseen; i++)
        mark(t, t->s.unseen[i].seq, t->s.unseen[i].off, t->s.unseen[i].off + t->s.unseen[i].len, MASK_UNREAD);
    t->s.n_typed = t->s.n_unseen = 0;
    t->s.typed_open = t->typed_dirty = false;
    t->json.counts[MASK_UNREAD]++;
}

static void on_unread(void *ctx, struct mask_grid *g, uint32_t off, size_t n)
{
    struct mask_term *t = ctx;
    struct intake_late *last = t->marks.n == 0 ? NULL : (struct intake_late *) (void *) (t->marks.p + t->marks.n) - 1;

    if (last != NULL && last->seq == g->seq && last->rule == MASK_UNREAD && last->to == off)
        last->to += (uint32_t) n;
    else
        mark(t, g->seq, off, off + n, MASK_UNREAD);
}

static const struct mask_grid_calls *calls_of(struct mask_term *t)
{
    t->calls = (struct mask_grid_calls){ on_line, on_string, on_stopped, on_unread, t };
    return &t->calls;
}

/* How much its next event may still cost. */
static void measure(struct mask_term *t)
{
    struct mask_grid *g = &t->s.grid;
    uint64_t most = MASK_TERM_WORK + t->given * MASK_TERM_WORK_PER_BYTE;

    t->work += g->work;
    g->work = 0;
    g->work_max = most > t->work ? most - t->work : 0;
}

/* ---- prompts ---- */

static bool letter(uint8_t c)
{
    return (c | 0x20) >= 'a' && (c | 0x20) <= 'z';
}

/* Does it ask for something secret, and end as a question does? */
static bool is_prompt(struct mask_term *t, struct span s)
{
    static const char *const words[] = {
        "password", "passphrase", "passcode", "passwd", "passwort", "kennwort", "mot de passe", "contrase\303\261a", "senha", "wachtwoord",
        "has\xc5\x82o", "heslo", "l\xc3\xb6senord", "adgangskode", "salasana", "parola", "jelsz\xc3\xb3",
        "\xd0\xbf\xd0\xb0\xd1\x80\xd0\xbe\xd0\xbb\xd1\x8c", "\xd0\x9f\xd0\xb0\xd1\x80\xd0\xbe\xd0\xbb\xd1\x8c", "\xe5\xaf\x86\xe7\xa0\x81",
        "\xe5\xaf\x86\xe7\xa2\xbc", "\xe3\x83\x91\xe3\x82\xb9\xe3\x83\xaf\xe3\x83\xbc\xe3\x83\x89", "\xeb\xb9\x84\xeb\xb0\x80\xeb\xb2\x88\xed\x98\xb8",
        "verification code", "one-time", "security code", "access token", "secret key", "api key", "pin", "otp", "secret", "token",
    };
    static const char *const ends[] = { ":", "?", ">", "\xef\xbc\x9a", "\xef\xbc\x9f" };
    bool asks = false;

    while (s.n > 0 && (s.p[s.n - 1] == ' ' || s.p[s.n - 1] == '*')) /* some show stars */
        s.n--;
    for (; s.n >= 3 && memcmp(s.p + s.n - 3, "\xe2\x80\xa2", 3) == 0;)
        s.n -= 3;
    if (s.n > PROMPT_MAX)
        s = span_sub(s, s.n - PROMPT_MAX, PROMPT_MAX);
    while (s.n > 0 && s.p[s.n - 1] == ' ')
        s.n--;
    for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++)
        asks = asks || (s.n >= strlen(ends[i]) && memcmp(s.p + s.n - strlen(ends[i]), ends[i], strlen(ends[i])) == 0);
    if (s.n < 3 || (!asks && s.p[s.n - 1] < 0x80 && !letter(s.p[s.n - 1])))
        return false;
    spend(t, asks ? s.n * PROMPT_WORK_PER_BYTE : 0);
    for (size_t w = 0; w < sizeof(words) / sizeof(words[0]); w++) {
        size_t n = strlen(words[w]);

        for (size_t at = asks || s.n < n ? 0 : s.n - n; at + n <= s.n; at++) { /* without a question only at the end */
            if (((s.p[at] ^ (uint8_t) words[w][0]) & 0xdf) != 0 || !span_eq_nocase(span_sub(s, at, n), words[w]))
                continue;
            if (n <= 6 && ((at > 0 && letter(s.p[at - 1])) || (at + n < s.n && letter(s.p[at + n]))))
                continue;
            if (asks || (at + n == s.n && at < 40 && n > 6))
                return true;
        }
    }
    return false;
}

/* ---- what is not echoed ---- */

static void unseen_reset(struct mask_term_state *s)
{
    s->n_unseen = s->n_shown = 0;
    s->seen = s->unseen_over = false;
}

/* What event 'seq' put on the screen, as far as it is still there; blanks and the stars of prompts do not count. Up to 'max' characters. */
static uint32_t shown_by(const struct mask_grid *g, uint64_t seq, uint32_t *cps, uint32_t max)
{
    const struct mask_run *r = (const struct mask_run *) (const void *) g->runs.p;
    uint32_t n = 0;

    for (size_t i = 0; i < g->runs.n / sizeof(*r); i++) {
        int y = 0;

        if (r[i].seq != seq || r[i].width == 0)
            continue;
        while (y < g->rows && g->row[y].id != r[i].row)
            y++;
        for (unsigned k = 0; y < g->rows && k < r[i].n && n < max; k++) {
            uint32_t cp = g->cells[g->row[y].cells + r[i].col + k * r[i].width];

            if (cp > ' ' && cp != '*' && cp != 0x2022)
                cps[n++] = cp;
        }
    }
    return n;
}

/* What was typed without blanks against what was shown: is it there, or may the rest still come? */
static bool shows(const struct mask_term_state *s, bool *ret_may)
{
    uint32_t line[MASK_UNSEEN_MAX], n = 0;
    bool there = false;

    for (uint32_t i = 0; i < s->n_unseen; i++)
        if (s->unseen[i].cp > ' ')
            line[n++] = s->unseen[i].cp;
    for (uint32_t at = 0; at + n <= s->n_shown; at++)
        there = there || memcmp(s->shown + at, line, n * sizeof(*line)) == 0;
    *ret_may = s->n_shown < n && memcmp(s->shown, line, s->n_shown * sizeof(*line)) == 0;
    return there;
}

/* Event 'seq' was put on the screen. */
static void echoed(struct mask_term *t, uint64_t seq)
{
    struct mask_term_state *s = &t->s;
    uint32_t cps[MASK_UNSEEN_MAX];
    uint32_t n;
    bool may;

    if (s->n_unseen == 0 || s->seen)
        return;
    n = shown_by(&s->grid, seq, cps, MASK_UNSEEN_MAX);
    spend(t, s->grid.runs.n / sizeof(struct mask_run) + n * s->n_unseen);
    if (!s->unseen_over) {
        for (uint32_t i = 0; i < n; i++)
            for (uint32_t k = 0; k < s->n_unseen; k++)
                s->seen = s->seen || cps[i] == s->unseen[k].cp;
        return;
    }
    for (uint32_t i = 0; i < n && s->n_shown < MASK_UNSEEN_MAX; i++)
        s->shown[s->n_shown++] = cps[i];
    if (s->n_shown == 0)
        return;
    if (!shows(s, &may)) {
        if (may)
            return;
        for (uint32_t i = 0; i < s->n_unseen; i++)
            mark(t, s->unseen[i].seq, s->unseen[i].off, s->unseen[i].off + s->unseen[i].len, MASK_TYPED);
        t->json.counts[MASK_TYPED]++;
    }
    unseen_reset(s);
}

/* A character that was typed where it might be shown. */
static void unseen_char(struct mask_term *t, uint32_t cp, uint64_t seq, size_t off, uint8_t len)
{
    struct mask_term_state *s = &t->s;
    bool ends = cp == '\r' || cp == '\n';

    if (mask_rules_typed(t->json.rules) != MASK_TYPED_PASSWORDS || s->unseen_over)
        return;
    if (s->grid.alt || (ends && (s->seen || s->n_unseen < MASK_UNSEEN_MIN))) {
        unseen_reset(s);
    } else if (ends) {
        s->unseen_over = true;
    } else if (cp == 0x7f || cp == '\b') {
        s->n_unseen -= s->n_unseen > 0;
    } else if (cp < ' ' && cp != '\t') {
        unseen_reset(s);
    } else if (!s->seen && s->n_unseen < MASK_UNSEEN_MAX) {
        s->unseen[s->n_unseen++] = (struct mask_typed_char){ seq, cp, (uint32_t) off, len, false };
    } else {
        s->seen = true;
    }
}

static void output(struct mask_term *t, struct span text, uint64_t seq)
{
    if (t->s.grid.cols == 0)
        mask_term_size(t, 80, 24);
    mask_grid_feed(&t->s.grid, text, seq, calls_of(t));
    mask_grid_end(&t->s.grid, calls_of(t));
    if (t->s.grid.plain)
        return;
    if (t->s.lost && !mask_term_rest(t))
        fail(t, ERR_NOMEM);
    echoed(t, seq);
    if (mask_rules_typed(t->json.rules) != MASK_TYPED_PASSWORDS)
        return;
    mask_grid_line(&t->s.grid, /* to_cursor= */ true, &t->line, &t->chars);
    spend(t, LOOK_WORK + t->line.n);
    t->s.prompt = is_prompt(t, buf_span(&t->line));
}

/* ---- input ---- */

static void look_typed(struct mask_term *t, bool over)
{
    struct mask_term_state *s = &t->s;
    const struct mask_hit *hits = NULL;
    size_t n;

    buf_reset(&t->line);
    for (uint32_t i = 0; i < s->n_typed; i++)
        utf8_add(&t->line, s->typed[i].cp);
    spend(t, LOOK_WORK + LOOK_WORK_PER_BYTE * t->line.n);
    n = t->line.n == 0 ? 0 : mask_json_hits(&t->json, buf_span(&t->line), NULL, &hits);
    if (t->line.failed || t->json.err.code != ERR_OK)
        fail(t, ERR_NOMEM);
    for (size_t h = 0, at = 0, i = 0; h < n; h++) {
        bool any = false;

        for (; i < s->n_typed && at < hits[h].to; at += s->typed[i++].len) {
            if (at < hits[h].from || s->typed[i].masked)
                continue;
            mark(t, s->typed[i].seq, s->typed[i].off, s->typed[i].off + s->typed[i].len, hits[h].rule);
            s->typed[i].masked = any = true;
        }
        t->json.counts[hits[h].rule] += any ? 1 : 0;
    }
    t->typed_dirty = false;
    s->typed_open = !over && t->line.n > 0 && mask_scan_open(t->json.rules, buf_span(&t->line)) < t->line.n;
    if (over)
        s->n_typed = 0;
}

/* A character of a line that is being typed. */
static void typed_char(struct mask_term *t, uint32_t cp, uint64_t seq, size_t off, uint8_t len)
{
    struct mask_term_state *s = &t->s;

    if (s->typed_esc != 0) { /* ESC x, ESC O x, ESC [ … x */
        bool more = s->typed_esc == 1 ? cp == '[' || cp == 'O' : s->typed_esc == '[' && (cp < 0x40 || cp > 0x7e);

        s->typed_esc = !more ? 0 : s->typed_esc == 1 ? (uint8_t) cp : s->typed_esc;
        return;
    }
    if (cp != 0x1b)
        unseen_char(t, cp, seq, off, len);
    if (cp == 0x1b) {
        s->typed_esc = 1;
    } else if (cp == '\r' || cp == '\n' || cp == 0x03 || cp == 0x15 || cp == 0x04) {
        look_typed(t, /* over= */ true);
    } else if (cp == 0x7f || cp == '\b') {
        if (t->typed_dirty)
            look_typed(t, /* over= */ false);
        if (s->n_typed > 0)
            s->n_typed--;
    } else if (cp >= 0x20) {
        if (s->n_typed == MASK_TYPED_MAX) {
            look_typed(t, /* over= */ false);
            s->n_typed -= MASK_TYPED_MAX / 4;
            memmove(s->typed, s->typed + MASK_TYPED_MAX / 4, s->n_typed * sizeof(s->typed[0]));
        }
        s->typed[s->n_typed++] = (struct mask_typed_char){ seq, cp, (uint32_t) off, len, false };
        t->typed_dirty = true;
    }
}

static void input(struct mask_term *t, struct span text, uint64_t seq)
{
    const enum mask_typed typed = mask_rules_typed(t->json.rules);
    bool any = false;

    for (size_t at = 0; at < text.n;) {
        struct rd r = rd_of(span_sub(text, at, text.n));
        uint32_t cp = utf8_read(&r);
        size_t n = r.failed ? 1 : text.n - at - r.n;
        bool ends = cp == '\r' || cp == '\n';

        if (t->s.grid.work > t->s.grid.work_max)
            mask_grid_stop(&t->s.grid, calls_of(t));
        if (!ends && t->s.grid.plain) {
            mark(t, seq, at, at + n, MASK_UNREAD);
        } else if (!ends && (typed == MASK_TYPED_ALL || (typed == MASK_TYPED_PASSWORDS && t->s.prompt))) {
            mark(t, seq, at, at + n, MASK_TYPED);
            any = true;
        } else {
            typed_char(t, cp, seq, at, (uint8_t) n);
        }
        if (ends)
            t->s.prompt = false;
        at += n;
    }
    if (t->typed_dirty)
        look_typed(t, /* over= */ false);
    t->json.counts[MASK_TYPED] += any ? 1 : 0;
}

/* ---- events ---- */

/* The data of an output or input event. False: another one, or it has more elements than three. */
static bool data_of(struct span json, struct json_value *ret)
{
    struct json_iter it = json_iter(json_value(json));
    struct json_value v;

    return json_next(&it, &v) && json_next(&it, &v) && json_next(&it, ret) && ret->type == JSON_STRING;
}

static int by_place(const void *a, const void *b)
{
    const struct intake_late *x = a, *y = b;

    if (x->seq != y->seq)
        return x->seq < y->seq ? -1 : 1;
    return x->from != y->from ? (x->from < y->from ? -1 : 1) : (x->to > y->to) - (x->to < y->to);
}

/* Marks of one event, in order, to hits that do not overlap. Returns how many. */
static size_t hits_of(const struct intake_late *m, size_t n, size_t text_n, struct buf *hits)
{
    struct mask_hit last = { 0, 0, 0 };
    size_t k = 0;

    buf_reset(hits);
    for (size_t i = 0; i < n; i++) {
        struct mask_hit h = { m[i].from, m[i].to, m[i].rule };

        if (h.from < last.to)
            h.from = last.to;
        if (h.to > text_n || h.from >= h.to)
            continue;
        if (k > 0 && h.from == last.to && h.rule == last.rule) {
            ((struct mask_hit *) (void *) hits->p)[k - 1].to = last.to = h.to;
            continue;
        }
        buf_add(hits, &h, sizeof(h));
        last = h;
        k = hits->n / sizeof(h);
    }
    return k;
}

/* Elements that are neither time, code nor data of output and input. */
static void other_elements(struct mask_json *m, struct span json, bool with_data)
{
    struct json_iter it = json_iter(json_value(json));
    struct json_value v;

    for (int i = 0; json_next(&it, &v); i++)
        if (i > 2 || (i == 2 && with_data))
            mask_json_value(m, v, (struct mask_how){ false, false, 0 });
}

static bool plain_event(const struct intake_item *ev)
{
    return ev->type == 'o' || ev->type == 'i';
}

static bool has_more(struct span json)
{
    struct json_iter it = json_iter(json_value(json));
    struct json_value v;
    int n = 0;

    while (n < 4 && json_next(&it, &v))
        n++;
    return n > 3;
}

/* False: no memory. */
static bool decoded(struct buf *room, struct span raw, struct span *ret)
{
    *ret = raw;
    if (raw.n == 0 || memchr(raw.p, '\\', raw.n) == NULL)
        return true;
    buf_reset(room);
    if (!json_string_decode(raw, room))
        return false;
    *ret = buf_span(room);
    return true;
}

/* Where a byte of the event's text stands once hits before it are masked. */
static uint32_t moved(struct span text, const struct mask_hit *h, size_t n, enum mask_style style, uint32_t off)
{
    size_t to = off;

    for (size_t i = 0; i < n && h[i].to <= off; i++)
        to += mask_edit_len(span_sub(text, h[i].from, h[i].to - h[i].from), style) - (h[i].to - h[i].from);
    return (uint32_t) to;
}

/* Late marks are of the event as it is stored: what is remembered of its text moves when something before it becomes shorter. */
static void move_text(struct mask_term *t, uint64_t seq, struct span text, const struct mask_hit *h, size_t n, enum mask_style style)
{
    struct mask_run *r = (struct mask_run *) (void *) t->s.grid.runs.p;
    struct mask_term_state *s = &t->s;
    bool any = false;

    for (size_t i = 0; i < n; i++)
        any = any || mask_edit_len(span_sub(text, h[i].from, h[i].to - h[i].from), style) != h[i].to - h[i].from;
    if (!any)
        return;
    for (size_t i = 0; i < s->grid.runs.n / sizeof(*r); i++)
        if (r[i].seq == seq)
            r[i].off = moved(text, h, n, style, r[i].off);
    for (uint32_t i = 0; i < s->grid.n_parts; i++)
        if (s->grid.parts[i].seq == seq)
            s->grid.parts[i].off = moved(text, h, n, style, s->grid.parts[i].off);
    for (uint32_t i = 0; i < s->n_typed; i++)
        if (s->typed[i].seq == seq)
            s->typed[i].off = moved(text, h, n, style, s->typed[i].off);
    for (uint32_t i = 0; i < s->n_unseen; i++)
        if (s->unseen[i].seq == seq)
            s->unseen[i].off = moved(text, h, n, style, s->unseen[i].off);
}

/* The event with its marks and whatever else is in it masked, appended to *out; nothing is when nothing changes. */
static void rewrite(struct mask_term *t, const struct intake_item *ev, struct span json, const struct intake_late *m, size_t n,
                    struct buf *out)
{
    struct mask_json *j = &t->json;
    bool more = !plain_event(ev) || has_more(json);
    struct json_value data;

    if (n == 0 && !more)
        return;
    if (more) {
        mask_json_begin(j, json);
    } else {
        j->json = json;
        j->err.code = ERR_OK;
        mask_edit_reset(&j->edit);
    }
    if (n > 0 && data_of(json, &data)) {
        struct span text;

        if (!decoded(&t->data, data.raw, &text)) {
            fail(t, ERR_NOMEM);
            return;
        }
        n = hits_of(m, n, text.n, &t->chars);
        move_text(t, ev->seq, text, (const struct mask_hit *) (const void *) t->chars.p, n,
                  ev->type == 'i' ? MASK_STYLE_TYPED : MASK_STYLE_CELLS);
        mask_edit_string(&j->edit, json, data.raw, text, (const struct mask_hit *) (const void *) t->chars.p, n,
                         ev->type == 'i' ? MASK_STYLE_TYPED : MASK_STYLE_CELLS);
    }
    if (more)
        other_elements(j, json, /* with_data= */ !plain_event(ev));
    if (j->err.code != ERR_OK || mask_edit_failed(&j->edit) || t->chars.failed)
        fail(t, j->err.code == ERR_LIMIT ? ERR_LIMIT : ERR_NOMEM);
    else if (mask_edit_any(&j->edit) && !mask_edit_apply(&j->edit, json, out))
        fail(t, ERR_NOMEM);
}

/* ---- what waits ---- */

static struct held *held_at(struct mask_term *t, size_t i)
{
    return (struct held *) (void *) t->held.p + i;
}

static size_t n_held(const struct mask_term *t)
{
    return t->held.n / sizeof(struct held);
}

static struct span held_json(struct mask_term *t, const struct held *h)
{
    return h->at == SIZE_MAX ? h->ev.json : span_sub(buf_span(&t->store), h->at, h->ev.json.n);
}

/* All that waits can be taken. */
static void release(struct mask_term *t)
{
    struct intake_late *m = (struct intake_late *) (void *) t->marks.p;
    size_t n = t->marks.n / sizeof(*m), at = 0;

    if (n > 1)
        qsort(m, n, sizeof(*m), by_place);
    for (size_t i = 0; i < n_held(t) && t->err.code == ERR_OK; i++) {
        struct held *h = held_at(t, i);
        size_t first;

        while (at < n && m[at].seq < h->ev.seq)
            at++;
        for (first = at; at < n && m[at].seq == h->ev.seq;)
            at++;
        h->out_at = t->out.n;
        rewrite(t, &h->ev, held_json(t, h), n == 0 ? NULL : m + first, at - first, &t->out);
        h->out_n = t->out.n - h->out_at;
    }
    buf_reset(&t->marks);
    t->ready = true;
    t->n_taken = 0;
    spend(t, t->s.grid.runs.n / sizeof(struct mask_run) * PRUNE_WORK);
    mask_grid_prune(&t->s.grid);
}

static void reset_held(struct mask_term *t)
{
    buf_reset(&t->held);
    buf_reset(&t->store);
    buf_reset(&t->out);
    t->ready = false;
    t->n_taken = 0;
}

void mask_term_forget(struct mask_term *t)
{
    reset_held(t);
    buf_reset(&t->marks);
    t->typed_dirty = false;
    t->err.code = ERR_OK;
}

static bool open_text(const struct mask_term *t, uint64_t seq)
{
    return !t->s.grid.plain && (t->s.typed_open || (t->s.n_unseen > 0 && !t->s.seen) || mask_grid_open(&t->s.grid, seq, MASK_TERM_TOUCH));
}

enum err mask_term_add(struct mask_term *t, const struct intake_item *item, struct err_info *reterr)
{
    struct held h = { .ev = *item, .at = SIZE_MAX };
    struct json_value data;
    bool wait;

    t->err.code = ERR_OK;
    t->given += item->json.n;
    spend(t, (size_t) t->s.grid.rows);
    measure(t);
    if (t->ready)
        reset_held(t);
    if (t->held.n == 0)
        t->oldest = item->seq;
    if (item->type == 'r' && item->cols > 0)
        mask_term_size(t, (int) item->cols, (int) item->rows);
    if (plain_event(item) && data_of(item->json, &data)) {
        struct span text;

        if (!decoded(&t->data, data.raw, &text))
            fail(t, ERR_NOMEM);
        else if (text.n > UINT32_MAX / 2)
            fail(t, ERR_LIMIT);
        else if (item->type == 'o')
            output(t, text, item->seq);
        else
            input(t, text, item->seq);
    }
    if (t->s.grid.work > t->s.grid.work_max)
        mask_grid_stop(&t->s.grid, calls_of(t));
    if (t->s.grid.failed || t->s.grid.runs.failed || t->line.failed || t->chars.failed) /* something was not looked at */
        fail(t, ERR_NOMEM);
    wait = open_text(t, item->seq) && n_held(t) + 1 < MASK_TERM_HOLD && t->store.n + item->json.n <= MASK_TERM_HELD;
    if (wait || t->held.n > 0) {
        h.at = t->store.n;
        buf_add_span(&t->store, item->json);
    }
    buf_add(&t->held, &h, sizeof(h));
    if (t->store.failed || t->held.failed)
        fail(t, ERR_NOMEM);
    if (!wait && t->err.code == ERR_OK)
        release(t);
    return t->err.code == ERR_OK ? ERR_OK : ERR_RAISE(reterr, t->err.code, "%s", t->err.text);
}

enum err mask_term_flush(struct mask_term *t, struct err_info *reterr)
{
    t->err.code = ERR_OK;
    if (!t->ready)
        release(t);
    return t->err.code == ERR_OK ? ERR_OK : ERR_RAISE(reterr, t->err.code, "%s", t->err.text);
}

bool mask_term_take(struct mask_term *t, struct intake_out *ret)
{
    const struct held *h;
    struct span json;

    if (!t->ready || t->n_taken == n_held(t)) {
        if (t->ready)
            reset_held(t);
        return false;
    }
    h = held_at(t, t->n_taken++);
    json = held_json(t, h);
    *ret = (struct intake_out){ .ev = h->ev, .masked = h->out_n > 0 };
    ret->ev.json = h->out_n > 0 ? span_sub(buf_span(&t->out), h->out_at, h->out_n) : json;
    ret->reveal = h->out_n > 0 ? json : SPAN_EMPTY;
    return true;
}

enum err mask_term_apply(struct span json, uint64_t seq, const struct intake_late *marks, size_t n, struct buf *out, bool *ret_masked,
                         struct err_info *reterr)
{
    struct buf own = BUF_INIT(SIZE_MAX), text = BUF_INIT(json.n + 4), hits = BUF_INIT(SIZE_MAX);
    struct json_iter it = json_iter(json_value(json));
    struct json_value code, data;
    struct mask_edit edit;
    enum err e = ERR_OK;
    bool input;

    buf_reset(out);
    *ret_masked = false;
    for (size_t i = 0; i < n; i++)
        if (marks[i].seq == seq)
            buf_add(&own, &marks[i], sizeof(marks[i]));
    if (own.n == 0 && !own.failed)
        return ERR_OK;
    mask_edit_init(&edit, json.n + 16);
    if (json_value(json).type != JSON_ARRAY || !json_next(&it, &code) || !json_next(&it, &code) || !json_next(&it, &data) ||
        data.type != JSON_STRING) {
        e = ERR_RAISE(reterr, ERR_CORRUPT, "a late mark on an event without text");
    } else {
        struct span plain;
        bool whole = decoded(&text, data.raw, &plain);
        size_t k;

        input = json_raw_eq(code.raw, "i");
        if (own.n > 0)
            qsort(own.p, own.n / sizeof(*marks), sizeof(*marks), by_place);
        k = hits_of((const struct intake_late *) (const void *) own.p, own.n / sizeof(*marks), plain.n, &hits);
        mask_edit_string(&edit, json, data.raw, plain, (const struct mask_hit *) (const void *) hits.p, k,
                         input ? MASK_STYLE_TYPED : MASK_STYLE_CELLS);
        if (!whole || own.failed || hits.failed || !mask_edit_apply(&edit, json, out))
            e = ERR_RAISE(reterr, ERR_NOMEM, "late marks");
        *ret_masked = e == ERR_OK && k > 0;
    }
    mask_edit_deinit(&edit);
    buf_deinit(&own);
    buf_deinit(&text);
    buf_deinit(&hits);
    if (!*ret_masked)
        buf_reset(out);
    return e;
}
