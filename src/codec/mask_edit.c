#include "codec/mask_edit.h"

#include "base/utf8.h"
#include "codec/screen_width.h"

struct piece {
    uint32_t from, to; /* of the JSON text */
    uint32_t at, n;    /* in 'with' */
};

void mask_edit_init(struct mask_edit *e, size_t max)
{
    buf_init(&e->pieces, max < SIZE_MAX / sizeof(struct piece) ? max * sizeof(struct piece) : SIZE_MAX);
    buf_init(&e->with, max < SIZE_MAX / 8 ? max * 8 : SIZE_MAX);
}

void mask_edit_deinit(struct mask_edit *e)
{
    buf_deinit(&e->pieces);
    buf_deinit(&e->with);
}

void mask_edit_reset(struct mask_edit *e)
{
    buf_reset(&e->pieces);
    buf_reset(&e->with);
}

bool mask_edit_any(const struct mask_edit *e)
{
    return e->pieces.n > 0 || mask_edit_failed(e);
}

bool mask_edit_failed(const struct mask_edit *e)
{
    return e->pieces.failed || e->with.failed;
}

static void add_piece(struct mask_edit *e, struct span json, struct span what, size_t with_from)
{
    struct piece p = { (uint32_t) (what.p - json.p), (uint32_t) ((size_t) (what.p - json.p) + what.n), (uint32_t) with_from,
                       (uint32_t) (e->with.n - with_from) };

    buf_add(&e->pieces, &p, sizeof(p));
}

/* ---- raw strings and their decoded text, side by side ---- */

struct pair {
    struct span raw;
    size_t r, d; /* so far in raw, and decoded */
};

static bool is_high(uint32_t cp)
{
    return cp >= 0xd800 && cp <= 0xdbff;
}

static uint32_t hex4(const uint8_t *p)
{
    uint32_t v = 0;

    for (int i = 0; i < 4; i++) {
        uint8_t c = p[i];

        v = v << 4 | (uint32_t) ((c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10) & 15);
    }
    return v;
}

/* One escape of valid JSON at the cursor, as json_string_decode takes it. */
static void pass_escape(struct pair *c)
{
    const uint8_t *p = c->raw.p + c->r;
    size_t left = c->raw.n - c->r;
    uint32_t cp, low;

    if (left < 6 || p[1] != 'u') {
        c->r += left < 2 ? left : 2;
        c->d += 1;
        return;
    }
    cp = hex4(p + 2);
    if (is_high(cp) && left >= 12 && p[6] == '\\' && p[7] == 'u' && (low = hex4(p + 8)) >= 0xdc00 && low <= 0xdfff) {
        c->r += 12;
        c->d += 4;
        return;
    }
    c->r += 6;
    c->d += cp < 0x80 ? 1 : cp < 0x800 ? 2 : 3; /* a lone surrogate becomes U+FFFD */
}

/* To where the decoded text has 'to' bytes. */
static void pass_to(struct pair *c, size_t to)
{
    while (c->d < to && c->r < c->raw.n) {
        const uint8_t *p = c->raw.p + c->r;
        size_t left = c->raw.n - c->r, run = left < to - c->d ? left : to - c->d; /* not further: there may be many hits */
        const uint8_t *slash = memchr(p, '\\', run);

        if (slash != NULL)
            run = (size_t) (slash - p);
        c->r += run;
        c->d += run;
        if (run == 0)
            pass_escape(c);
    }
}

/* ---- what stands in place ---- */

static void typed_stars(struct span text, struct buf *out)
{
    for (size_t i = 0; i < text.n; i++) {
        if (text.p[i] == '\r' || text.p[i] == '\n')
            buf_add_c(out, (char) text.p[i]);
        else if ((text.p[i] & 0xc0) != 0x80)
            buf_add_c(out, '*');
    }
}

static void cell_stars(struct span text, struct buf *out)
{
    for (size_t at = 0; at < text.n;) {
        struct rd r = rd_of(span_sub(text, at, text.n));
        uint32_t cp = utf8_read(&r);

        at = r.failed ? at + 1 : text.n - r.n;
        if (r.failed || (cp > ' ' && cp != 0x7f && !screen_is_mark(cp)))
            buf_add_str(out, !r.failed && screen_is_wide(cp) ? "\xef\xbc\x8a" : "*");
        else if (cp <= ' ' || cp == 0x7f)
            buf_add_c(out, (char) cp);
    }
}

/* Stars and control bytes from 'at' on, as JSON has them. */
static void escape_from(struct buf *b, size_t at)
{
    struct buf copy = BUF_INIT(b->max);

    for (size_t i = at; i < b->n; i++) {
        if (b->p[i] < 0x20 || b->p[i] == '"' || b->p[i] == '\\')
            break;
        if (i + 1 == b->n)
            return;
    }
    if (b->n == at)
        return;
    buf_add(&copy, b->p + at, b->n - at);
    b->n = at;
    for (size_t i = 0; i < copy.n; i++) {
        uint8_t c = copy.p[i];

        if (c == '\n' || c == '\r' || c == '\t')
            buf_add_str(b, c == '\n' ? "\\n" : c == '\r' ? "\\r" : "\\t");
        else if (c < 0x20)
            buf_addf(b, "\\u%04x", c);
        else if (c == '"' || c == '\\')
            buf_addf(b, "\\%c", c);
        else
            buf_add_c(b, (char) c);
    }
    b->failed = b->failed || copy.failed;
    buf_deinit(&copy);
}

size_t mask_edit_len(struct span hit, enum mask_style style)
{
    struct buf b = BUF_INIT(4 * hit.n + 4);
    bool ascii = true;
    size_t n;

    for (size_t i = 0; i < hit.n && ascii; i++)
        ascii = hit.p[i] < 0x80;
    if (ascii)
        return hit.n;
    if (style == MASK_STYLE_TYPED)
        typed_stars(hit, &b);
    else if (style == MASK_STYLE_CELLS)
        cell_stars(hit, &b);
    else
        mask_stars(hit, &b);
    n = b.n;
    buf_deinit(&b);
    return n;
}

void mask_edit_string(struct mask_edit *e, struct span json, struct span raw, struct span text, const struct mask_hit *hits,
                      size_t n, enum mask_style style)
{
    struct pair c = { .raw = raw };

    for (size_t i = 0; i < n; i++) {
        struct span hit = span_sub(text, hits[i].from, hits[i].to - hits[i].from);
        size_t at = e->with.n, from;

        if (style == MASK_STYLE_TYPED)
            typed_stars(hit, &e->with);
        else if (style == MASK_STYLE_CELLS)
            cell_stars(hit, &e->with);
        else
            mask_stars(hit, &e->with);
        escape_from(&e->with, at);
        pass_to(&c, hits[i].from);
        from = c.r;
        pass_to(&c, hits[i].to);
        add_piece(e, json, span_sub(raw, from, c.r - from), at);
    }
}

void mask_edit_number(struct mask_edit *e, struct span json, struct span raw)
{
    size_t at = e->with.n;

    buf_add_c(&e->with, '"');
    for (size_t i = 0; i < raw.n; i++)
        buf_add_c(&e->with, '*');
    buf_add_c(&e->with, '"');
    add_piece(e, json, raw, at);
}

bool mask_edit_apply(const struct mask_edit *e, struct span json, struct buf *out)
{
    size_t at = 0;

    if (mask_edit_failed(e))
        return false;
    for (size_t i = 0; i < e->pieces.n; i += sizeof(struct piece)) {
        struct piece p;

        memcpy(&p, e->pieces.p + i, sizeof(p));
        buf_add(out, json.p + at, p.from - at);
        buf_add(out, e->with.p + p.at, p.n);
        at = p.to;
    }
    buf_add_span(out, span_sub(json, at, json.n));
    return !out->failed;
}
