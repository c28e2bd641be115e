#include "cli/out.h"

#include <stdlib.h>
#include <sys/ioctl.h>

#include "base/utf8.h"
#include "codec/screen_width.h"

#define TABLE_TEXT_MAX (64u << 20)
#define GAP            2
#define SHRINK_MIN     8

/* The next character of text that may be no UTF-8: then U+FFFD, one byte further. */
static uint32_t next_cp(struct rd *r)
{
    struct rd at = *r;
    uint32_t cp = utf8_read(&at);

    if (at.failed) {
        (void) rd_u8(r);
        return 0xfffd;
    }
    *r = at;
    return cp;
}

static void safe(struct buf *out, struct span text, bool lines)
{
    struct rd r = rd_of(text);

    while (r.n > 0) {
        uint32_t cp = next_cp(&r);

        if (lines && (cp == '\n' || cp == '\t'))
            buf_add_c(out, (char) cp);
        else if (cp == '\n')
            buf_add_str(out, "\\n");
        else if (utf8_is_control(cp))
            (cp < 0x100) ? buf_addf(out, "\\x%02x", (unsigned) cp) : buf_addf(out, "\\u%04x", (unsigned) cp);
        else
            utf8_add(out, cp);
    }
}

void text_safe(struct buf *out, struct span text)
{
    safe(out, text, false);
}

void text_safe_lines(struct buf *out, struct span text)
{
    safe(out, text, true);
}

static size_t cp_width(uint32_t cp)
{
    return screen_is_mark(cp) ? 0 : screen_is_wide(cp) ? 2 : 1;
}

size_t text_width(struct span text)
{
    struct rd r = rd_of(text);
    size_t n = 0;

    while (r.n > 0)
        n += cp_width(next_cp(&r));
    return n;
}

size_t text_fit(struct buf *out, struct span text, size_t cells)
{
    struct rd r = rd_of(text);
    size_t used = 0;

    if (text_width(text) <= cells) {
        buf_add_span(out, text);
        return text_width(text);
    }
    while (r.n > 0 && cells > 0) {
        uint32_t cp = next_cp(&r);

        if (used + cp_width(cp) > cells - 1)
            break;
        used += cp_width(cp);
        utf8_add(out, cp);
    }
    if (cells > 0) {
        utf8_add(out, 0x2026);
        used++;
    }
    return used;
}

void print_safe(FILE *to, struct span text)
{
    struct buf b = BUF_INIT(16u << 20);

    text_safe(&b, text);
    (void) fwrite(b.p, 1, b.n, to);
    buf_deinit(&b);
}

void text_duration(struct buf *out, int64_t ms, bool tenths)
{
    int64_t s = ms < 0 ? 0 : ms / 1000;

    if (s >= 3600)
        buf_addf(out, "%lld:%02d:%02d", (long long) (s / 3600), (int) (s / 60 % 60), (int) (s % 60));
    else
        buf_addf(out, "%d:%02d", (int) (s / 60), (int) (s % 60));
    if (tenths)
        buf_addf(out, ".%d", ms < 0 ? 0 : (int) (ms % 1000 / 100));
}

void text_span(struct buf *out, int64_t ms)
{
    int64_t s = ms < 0 ? 0 : (ms + 999) / 1000, m = s / 60, h = m / 60;

    if (s < 60)
        buf_addf(out, "%ds", (int) s);
    else if (m < 10 && s % 60 != 0)
        buf_addf(out, "%dm%02ds", (int) m, (int) (s % 60));
    else if (h == 0)
        buf_addf(out, "%dm", (int) m);
    else if (h < 24 && m % 60 != 0)
        buf_addf(out, "%dh%02dm", (int) h, (int) (m % 60));
    else if (h < 24)
        buf_addf(out, "%dh", (int) h);
    else if (h % 24 != 0)
        buf_addf(out, "%lldd%dh", (long long) (h / 24), (int) (h % 24));
    else
        buf_addf(out, "%lldd", (long long) (h / 24));
}

void text_time(struct buf *out, struct span t)
{
    time_ms ms;
    char text[TIME_RFC3339_LEN + 1];

    if (!time_parse_rfc3339(t, &ms)) {
        text_safe(out, t);
        return;
    }
    time_rfc3339(ms, text);
    text[10] = ' ';
    buf_add(out, text, 19);
}

void text_bytes(struct buf *out, int64_t bytes)
{
    static const char *const unit[] = { "B", "KiB", "MiB", "GiB", "TiB" };
    double v = (double) bytes;
    size_t u = 0;

    while (v >= 1024 && u < 4) {
        v /= 1024;
        u++;
    }
    if (u == 0 || v >= 100)
        buf_addf(out, "%.0f %s", v, unit[u]);
    else
        buf_addf(out, "%.1f %s", v, unit[u]);
}

unsigned term_columns(int fd)
{
    struct winsize w;

    if (ioctl(fd, TIOCGWINSZ, &w) != 0)
        return 0;
    return w.ws_col > 0 ? w.ws_col : 80;
}

void table_init(struct table *t, const struct table_column *columns, size_t n_columns)
{
    *t = (struct table){ .columns = columns, .n_columns = n_columns, .text = BUF_INIT(TABLE_TEXT_MAX) };
}

void table_deinit(struct table *t)
{
    buf_deinit(&t->text);
    free(t->ends);
    t->ends = NULL;
    t->n_cells = 0;
}

void table_cell(struct table *t, struct span text)
{
    if (t->n_cells == t->cap) {
        size_t cap = t->cap == 0 ? 256 : t->cap * 2;
        size_t *ends = reallocarray(t->ends, cap, sizeof(*ends));

        if (ends == NULL) {
            t->failed = true;
            return;
        }
        t->ends = ends;
        t->cap = cap;
    }
    text_safe(&t->text, text);
    t->ends[t->n_cells++] = t->text.n;
}

void table_cell_str(struct table *t, const char *text)
{
    table_cell(t, span_str(text));
}

static struct span cell(const struct table *t, size_t i)
{
    size_t from = i == 0 ? 0 : t->ends[i - 1];

    return span_of(t->text.p + from, t->ends[i] - from);
}

/* Takes cells from the widest column that may shrink until the rows fit. */
static void shrink(const struct table *t, size_t *width, size_t columns)
{
    size_t total = (t->n_columns - 1) * GAP;

    for (size_t c = 0; c < t->n_columns; c++)
        total += width[c];
    while (total > columns) {
        size_t widest = t->n_columns;

        for (size_t c = 0; c < t->n_columns; c++) {
            if (t->columns[c].shrinks && width[c] > SHRINK_MIN &&
                (widest == t->n_columns || width[c] > width[widest]))
                widest = c;
        }
        if (widest == t->n_columns)
            return;
        width[widest]--;
        total--;
    }
}

static void row(const struct table *t, struct buf *out, const size_t *width, size_t first, bool titles)
{
    size_t pad = 0; /* written only when something follows: no blanks at the end of lines */

    for (size_t c = 0; c < t->n_columns; c++) {
        struct span s = titles ? span_str(t->columns[c].title) : cell(t, first + c);
        struct buf fitted = BUF_INIT(TABLE_TEXT_MAX);
        size_t used = text_fit(&fitted, s, width[c]);

        if (t->columns[c].right)
            pad += width[c] - used;
        if (used > 0) {
            buf_addf(out, "%*s", (int) pad, "");
            pad = 0;
        }
        buf_add_span(out, buf_span(&fitted));
        pad += (t->columns[c].right ? 0 : width[c] - used) + GAP;
        buf_deinit(&fitted);
    }
    buf_add_c(out, '\n');
}

bool table_print(struct table *t, FILE *to, unsigned columns)
{
    size_t width[TABLE_COLUMNS_MAX] = { 0 };
    struct buf out = BUF_INIT(TABLE_TEXT_MAX);
    bool ok;

    if (t->n_columns == 0)
        return true;
    for (size_t c = 0; c < t->n_columns; c++)
        width[c] = strlen(t->columns[c].title);
    for (size_t i = 0; i < t->n_cells; i++) {
        size_t w = text_width(cell(t, i));

        if (w > width[i % t->n_columns])
            width[i % t->n_columns] = w;
    }
    if (columns > 0)
        shrink(t, width, columns);
    row(t, &out, width, 0, true);
    for (size_t i = 0; i + t->n_columns <= t->n_cells; i += t->n_columns)
        row(t, &out, width, i, false);
    ok = !t->failed && !t->text.failed && !out.failed;
    (void) fwrite(out.p, 1, out.n, to);
    buf_deinit(&out);
    return ok;
}
