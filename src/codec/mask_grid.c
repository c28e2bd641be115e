#include "codec/mask_grid.h"

#include "base/utf8.h"
#include "codec/screen_width.h"

#include <stdlib.h>

enum state { GROUND, ESC, ESC_MORE, CSI, OSC, STRING, STRING_ESC };

#define RIGHT    0xffffffffu /* the right half of the cell before */
#define GAP      0xfffffffeu /* left empty at the end of a row by a wide character that did not fit */
#define REP_MAX  720
#define COLS_MAX 1000
#define ROWS_MAX 512 /* a line feed moves them all */

void mask_grid_init(struct mask_grid *g)
{
    *g = (struct mask_grid){ .cols = 0 };
    buf_init(&g->runs, MASK_GRID_RUNS * sizeof(struct mask_run));
    buf_init(&g->string, MASK_GRID_STRING);
}

void mask_grid_deinit(struct mask_grid *g)
{
    free(g->cells);
    free(g->row);
    g->cells = NULL;
    g->row = NULL;
    g->cols = g->rows = 0;
    buf_deinit(&g->runs);
    buf_deinit(&g->string);
}

static bool copy_buf(struct buf *to, const struct buf *from)
{
    buf_reset(to);
    buf_add_span(to, buf_span(from));
    return !to->failed;
}

bool mask_grid_copy(struct mask_grid *to, const struct mask_grid *from)
{
    size_t cells = (size_t) from->cols * (size_t) from->rows;
    struct mask_grid old = *to;

    if (old.cols != from->cols || old.rows != from->rows) {
        free(old.cells);
        free(old.row);
        old.cells = cells == 0 ? NULL : malloc(cells * sizeof(*old.cells));
        old.row = cells == 0 ? NULL : malloc((size_t) from->rows * sizeof(*old.row));
    }
    *to = *from;
    to->cells = old.cells;
    to->row = old.row;
    to->runs = old.runs;
    to->string = old.string;
    if (cells > 0 && (to->cells == NULL || to->row == NULL)) {
        mask_grid_deinit(to);
        return false;
    }
    if (cells > 0) {
        memcpy(to->cells, from->cells, cells * sizeof(*to->cells));
        memcpy(to->row, from->row, (size_t) from->rows * sizeof(*to->row));
    }
    return copy_buf(&to->runs, &from->runs) && copy_buf(&to->string, &from->string);
}

static uint32_t *cells_of(struct mask_grid *g, int y)
{
    return g->cells + g->row[y].cells;
}

static void new_row(struct mask_grid *g, int y)
{
    struct mask_row *r = &g->row[y];

    g->work += 4 + (unsigned) g->cols / 8;
    memset(g->cells + r->cells, 0, (size_t) g->cols * sizeof(*g->cells));
    *r = (struct mask_row){ .id = ++g->next_id, .cells = r->cells, .touched = g->seq };
}

bool mask_grid_size(struct mask_grid *g, int cols, int rows)
{
    struct mask_grid old = *g;
    int first;

    cols = cols < 2 ? 2 : cols > COLS_MAX ? COLS_MAX : cols;
    rows = rows < 1 ? 1 : rows > ROWS_MAX ? ROWS_MAX : rows;
    if (rows > (int) MASK_GRID_CELLS / cols)
        rows = (int) MASK_GRID_CELLS / cols;
    if (g->plain || (cols == g->cols && rows == g->rows))
        return true;
    g->work += (unsigned) cols * (unsigned) rows / 3;
    g->cells = calloc((size_t) cols * (size_t) rows, sizeof(*g->cells));
    g->row = calloc((size_t) rows, sizeof(*g->row));
    g->cols = cols;
    g->rows = rows;
    if (g->cells == NULL || g->row == NULL) {
        free(old.cells);
        free(old.row);
        mask_grid_deinit(g);
        return false;
    }
    first = old.y >= rows ? old.y - rows + 1 : 0; /* lines go at the top to keep the cursor */
    for (int y = 0; y < rows; y++) {
        g->row[y].cells = (uint32_t) (y * cols);
        if (y + first < old.rows) {
            uint32_t at = g->row[y].cells;

            g->row[y] = old.row[y + first];
            g->row[y].cells = at;
            memcpy(g->cells + at, old.cells + old.row[y + first].cells,
                   (size_t) (cols < old.cols ? cols : old.cols) * sizeof(*g->cells));
        } else {
            new_row(g, y);
        }
    }
    free(old.cells);
    free(old.row);
    g->y = old.y - first;
    g->x = old.x < cols ? old.x : cols - 1;
    g->top = 0;
    g->bottom = rows - 1;
    g->pending_wrap = false;
    return true;
}

/* ---- the line of the cursor ---- */

static void line_rows(const struct mask_grid *g, int y, int *ret_from, int *ret_to)
{
    int from = y, to = y;

    while (from > 0 && g->row[from - 1].wrapped && y - from < MASK_GRID_JOINED)
        from--;
    while (to + 1 < g->rows && g->row[to].wrapped && to - y < MASK_GRID_JOINED)
        to++;
    *ret_from = from;
    *ret_to = to;
}

static int row_end(const struct mask_grid *g, int y)
{
    const uint32_t *c = g->cells + g->row[y].cells;
    int n = g->cols;

    while (n > 0 && c[n - 1] == 0)
        n--;
    return n;
}

/* Cells [0, end) of row y. */
static void row_text(const struct mask_grid *g, int y, int end, struct buf *text, struct buf *chars)
{
    const uint32_t *c = g->cells + g->row[y].cells;
    uint8_t *to = buf_reserve(text, (size_t) end * 4);
    struct mask_char *ch = (struct mask_char *) (void *) buf_reserve(chars, (size_t) end * sizeof(*ch)); /* malloc'd, all of one size */
    size_t at = text->n;

    if (to == NULL || ch == NULL)
        return;
    for (int x = 0; x < end; x++) {
        if (c[x] == RIGHT || c[x] == GAP)
            continue;
        *ch++ = (struct mask_char){ (uint32_t) at, (uint16_t) y, (uint16_t) x };
        if (c[x] < 0x80) {
            text->p[at++] = c[x] == 0 ? ' ' : (uint8_t) c[x];
        } else {
            text->n = at;
            utf8_add(text, c[x]);
            at = text->n;
        }
    }
    text->n = at;
    chars->n = (size_t) ((uint8_t *) ch - chars->p);
}

int mask_grid_line_of(const struct mask_grid *g, int y, struct buf *text, struct buf *chars)
{
    int from, to;

    buf_reset(text);
    buf_reset(chars);
    line_rows(g, y, &from, &to);
    for (int k = from; k <= to; k++)
        row_text(g, k, g->row[k].wrapped ? g->cols : row_end(g, k), text, chars);
    return to;
}

void mask_grid_line(const struct mask_grid *g, bool to_cursor, struct buf *text, struct buf *chars)
{
    int from, to;

    buf_reset(text);
    buf_reset(chars);
    if (g->cols == 0)
        return;
    line_rows(g, g->y, &from, &to);
    for (int y = from; y <= (to_cursor ? g->y : to); y++)
        row_text(g, y, to_cursor && y == g->y ? g->x : g->row[y].wrapped ? g->cols : row_end(g, y), text, chars);
}

void mask_grid_set_open(struct mask_grid *g, bool open)
{
    int from, to;

    if (g->cols == 0)
        return;
    line_rows(g, g->y, &from, &to);
    for (int y = from; y <= to; y++)
        g->row[y].open = open;
}

bool mask_grid_open(const struct mask_grid *g, uint64_t seq, uint64_t within)
{
    if (g->plain)
        return false;
    for (int y = 0; y < g->rows; y++)
        if (g->row[y].open && g->row[y].touched + within >= seq)
            return true;
    return g->state == OSC || g->state == STRING || g->state == STRING_ESC;
}

static int by_id(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *) a, y = *(const uint32_t *) b;

    return (x > y) - (x < y);
}

void mask_grid_prune(struct mask_grid *g)
{
    struct mask_run *r = (struct mask_run *) (void *) g->runs.p; /* malloc'd, all of one size */
    size_t n = g->runs.n / sizeof(*r), k = 0, open = 0;
    uint32_t ids[64];

    if (n == 0)
        return;
    for (int y = 0; y < g->rows && open < sizeof(ids) / sizeof(ids[0]); y++)
        if (g->row[y].open || y == g->y)
            ids[open++] = g->row[y].id;
    qsort(ids, open, sizeof(ids[0]), by_id);
    for (size_t i = 0; i < n; i++)
        if (r[i].n > 0 && bsearch(&r[i].row, ids, open, sizeof(ids[0]), by_id) != NULL)
            r[k++] = r[i];
    g->runs.n = k * sizeof(*r);
}

/* Text that is about to go, or to be left, is looked at. */
static void look(struct mask_grid *g, const struct mask_grid_calls *calls, enum mask_look how)
{
    if (g->dirty || how == MASK_LOOK_OVER)
        calls->line(calls->ctx, g, how);
    g->dirty = false;
}

/* ---- rows ---- */

static void scroll_up(struct mask_grid *g, int top, int bottom)
{
    struct mask_row first = g->row[top];

    g->work += 4 + (unsigned) (bottom - top) / 2;
    memmove(&g->row[top], &g->row[top + 1], (size_t) (bottom - top) * sizeof(first));
    g->row[bottom] = first;
    new_row(g, bottom);
}

static void scroll_down(struct mask_grid *g, int top, int bottom)
{
    struct mask_row last = g->row[bottom];

    g->work += 4 + (unsigned) (bottom - top) / 2;
    memmove(&g->row[top + 1], &g->row[top], (size_t) (bottom - top) * sizeof(last));
    g->row[top] = last;
    new_row(g, top);
    if (top > 0)
        g->row[top - 1].wrapped = false;
}

static void down(struct mask_grid *g)
{
    if (g->y == g->bottom)
        scroll_up(g, g->top, g->bottom);
    else if (g->y + 1 < g->rows)
        g->y++;
}

static void line_feed(struct mask_grid *g, const struct mask_grid_calls *calls)
{
    look(g, calls, MASK_LOOK_OVER);
    mask_grid_set_open(g, false);
    g->row[g->y].wrapped = false;
    down(g);
    g->pending_wrap = false;
}

static void to(struct mask_grid *g, const struct mask_grid_calls *calls, int x, int y)
{
    x = x < 0 ? 0 : x >= g->cols ? g->cols - 1 : x;
    y = y < 0 ? 0 : y >= g->rows ? g->rows - 1 : y;
    if (y != g->y)
        look(g, calls, y > g->y ? MASK_LOOK_DOWN : MASK_LOOK_STAYS);
    g->x = x;
    g->y = y;
    g->pending_wrap = false;
}

/* Blanks [from, to) of row y. */
static void blank(struct mask_grid *g, int y, int from, int end)
{
    if (end > g->cols)
        end = g->cols;
    g->work += 4 + (unsigned) g->cols / 8;
    if (from < end)
        memset(cells_of(g, y) + from, 0, (size_t) (end - from) * sizeof(*g->cells));
    if (end == g->cols)
        g->row[y].wrapped = false;
}

static void clear_rows(struct mask_grid *g, int from, int end)
{
    if (end - from == g->rows)
        g->key = false;
    for (int y = from; y < end; y++)
        new_row(g, y);
}

/* ---- characters ---- */

static struct mask_run *last_run(struct mask_grid *g)
{
    return g->runs.n == 0 ? NULL : (struct mask_run *) (void *) (g->runs.p + g->runs.n - sizeof(struct mask_run));
}

static void add_run(struct mask_grid *g, struct mask_run r)
{
    struct mask_run *l = last_run(g);

    if (l != NULL && l->seq == r.seq && l->row == r.row && l->len == r.len && l->width == r.width && r.width > 0 &&
        l->col + l->n * l->width == r.col && l->off + (uint32_t) l->n * l->len == r.off && l->n + r.n <= UINT16_MAX) {
        l->n = (uint16_t) (l->n + r.n);
        return;
    }
    if (g->runs.n + sizeof(r) > g->runs.max)
        buf_drop(&g->runs, g->runs.n / sizeof(r) / 4 * sizeof(r));
    buf_add(&g->runs, &r, sizeof(r));
    g->failed = g->failed || g->runs.failed;
}

/* ---- cells that move along their row ---- */

/* How many of the run's characters begin before column x. */
static int begin_before(const struct mask_run *r, int x)
{
    const int w = r->width == 0 ? 1 : r->width;
    const int n = x <= r->col ? 0 : (x - r->col + w - 1) / w;

    return n > r->n ? r->n : n;
}

/* The run's characters from column x + gone on stand n columns to the right (negative: left) now; those from x up to there are gone. */
static void shift_run(struct mask_grid *g, size_t at, int x, int gone, int n)
{
    struct mask_run *r = (struct mask_run *) (void *) g->runs.p + at, moved = *r;
    const int w = r->width == 0 ? 1 : r->width, left = begin_before(r, x), from = begin_before(r, x + gone);
    const int col = r->col + from * w + n, room = (g->cols - col + w - 1) / w;

    r->n = (uint16_t) left;
    if (from == moved.n || room <= 0)
        return;
    moved.off += (uint32_t) from * moved.len;
    moved.col = (uint16_t) col;
    moved.n = (uint16_t) (moved.n - from < room ? moved.n - from : room);
    if (left == 0)
        *r = moved;
    else
        buf_add(&g->runs, &moved, sizeof(moved));
}

static void shift_runs(struct mask_grid *g, int x, int gone, int n)
{
    const uint32_t row = g->row[g->y].id;
    size_t count;

    if (2 * g->runs.n > g->runs.max) /* each may become two */
        buf_drop(&g->runs, g->runs.n / sizeof(struct mask_run) / 2 * sizeof(struct mask_run));
    count = g->runs.n / sizeof(struct mask_run);
    g->work += 4 + count;
    for (size_t i = 0; i < count; i++) {
        const struct mask_run *r = (const struct mask_run *) (const void *) g->runs.p + i;

        if (r->row == row && r->n > 0)
            shift_run(g, i, x, gone, n);
    }
    g->failed = g->failed || g->runs.failed;
}

/* n blanks come in at the cursor, or -n cells go there. */
static void shift_cells(struct mask_grid *g, const struct mask_grid_calls *calls, int n)
{
    uint32_t *c = cells_of(g, g->y);
    int k = g->cols - g->x;

    look(g, calls, MASK_LOOK_STAYS);
    g->work += (unsigned) k / 4;
    if (n > 0) {
        n = n > k ? k : n;
        shift_runs(g, g->x, 0, n);
        memmove(c + g->x + n, c + g->x, (size_t) (k - n) * sizeof(*c));
        blank(g, g->y, g->x, g->x + n);
    } else {
        n = -n > k ? k : -n;
        shift_runs(g, g->x, n, -n);
        memmove(c + g->x, c + g->x + n, (size_t) (k - n) * sizeof(*c));
        blank(g, g->y, g->cols - n, g->cols);
    }
    g->dirty = true; /* it reads otherwise now */
    g->dirty_from = 0;
    g->dirty_to = g->cols;
}

static bool is_blank(const struct mask_grid *g, int y, int from)
{
    return row_end(g, y) <= from;
}

/* len 0: written by REP, no bytes of its own. */
static void print(struct mask_grid *g, const struct mask_grid_calls *calls, uint32_t cp, uint32_t off, uint8_t len)
{
    int width = cp < 0x80 ? 1 : screen_is_mark(cp) ? 0 : screen_is_wide(cp) ? 2 : 1;
    uint32_t *c;

    g->work += 4;
    if (cp >= 0x80 && utf8_is_control(cp))
        return; /* bidirectional: no cell on some terminals, a symbol in safe mode: it stays, whatever is round it */
    if (width == 0) {
        int x = g->pending_wrap ? g->x : g->x - 1;

        if (x >= 0 && len > 0)
            add_run(g, (struct mask_run){ g->seq, g->row[g->y].id, off, (uint16_t) x, 1, len, 0 });
        return;
    }
    if (!g->no_wrap && (g->pending_wrap || g->x + width > g->cols)) {
        if (!g->pending_wrap && g->x < g->cols && cells_of(g, g->y)[g->x] == 0)
            cells_of(g, g->y)[g->x] = GAP;
        g->row[g->y].wrapped = true;
        down(g);
        g->x = 0;
        g->dirty_from = g->cols; /* of another row: nothing yet */
        g->dirty_to = -1;
    }
    if (g->x + width > g->cols)
        g->x = g->cols - width;
    if (g->insert && !is_blank(g, g->y, g->x))
        shift_cells(g, calls, width);
    c = cells_of(g, g->y) + g->x;
    if (g->dirty && *c != 0 && *c != cp && g->x >= g->dirty_from && g->x <= g->dirty_to)
        look(g, calls, MASK_LOOK_STAYS);
    if (!g->dirty || g->x < g->dirty_from)
        g->dirty_from = g->x;
    if (!g->dirty || g->x > g->dirty_to)
        g->dirty_to = g->x;
    g->dirty = true;
    if (*c == RIGHT && g->x > 0)
        c[-1] = 0;
    *c = cp;
    if (width == 2)
        c[1] = RIGHT;
    else if (g->x + 1 < g->cols && c[1] == RIGHT)
        c[1] = 0;
    g->row[g->y].touched = g->seq;
    if (len > 0)
        add_run(g, (struct mask_run){ g->seq, g->row[g->y].id, off, (uint16_t) g->x, 1, len, (uint8_t) width });
    g->pending_wrap = g->x + width >= g->cols;
    g->x = g->pending_wrap ? g->cols - 1 : g->x + width;
    g->last = cp;
}

/* ---- sequences ---- */

static int arg(const struct mask_grid *g, unsigned i, int otherwise)
{
    return i < g->n_args && g->args[i] > 0 ? g->args[i] : otherwise;
}

static void shift_rows(struct mask_grid *g, const struct mask_grid_calls *calls, int top, int n)
{
    look(g, calls, MASK_LOOK_STAYS);
    if (top < g->top || top > g->bottom)
        return;
    for (int i = 0; i < (n < 0 ? -n : n) && i < g->rows; i++) {
        if (n > 0)
            scroll_down(g, top, g->bottom);
        else
            scroll_up(g, top, g->bottom);
    }
}

static void erase(struct mask_grid *g, const struct mask_grid_calls *calls, bool display)
{
    int how = g->n_args > 0 ? g->args[0] : 0;

    look(g, calls, MASK_LOOK_STAYS);
    if (how == 0)
        blank(g, g->y, g->x, g->cols);
    else if (how == 1)
        blank(g, g->y, 0, g->x + 1);
    else
        blank(g, g->y, 0, g->cols);
    if (display && how == 0)
        clear_rows(g, g->y + 1, g->rows);
    else if (display && how == 1)
        clear_rows(g, 0, g->y);
    else if (display)
        clear_rows(g, 0, g->rows);
}

static void private_mode(struct mask_grid *g, const struct mask_grid_calls *calls, bool on)
{
    for (unsigned i = 0; i < g->n_args; i++) {
        uint16_t mode = g->args[i];

        if (mode == 7) {
            g->no_wrap = !on;
        } else if ((mode == 47 || mode == 1047 || mode == 1049) && g->alt != on) {
            look(g, calls, MASK_LOOK_STAYS);
            clear_rows(g, 0, g->rows); /* the other screen's text is not kept: it was looked at */
            g->alt = on;
        }
    }
}

static void region(struct mask_grid *g, const struct mask_grid_calls *calls)
{
    int top = arg(g, 0, 1) - 1, bottom = arg(g, 1, g->rows) - 1;

    if (bottom >= g->rows)
        bottom = g->rows - 1;
    if (top >= bottom)
        return;
    to(g, calls, 0, 0);
    g->top = top;
    g->bottom = bottom;
}

static void csi(struct mask_grid *g, const struct mask_grid_calls *calls, uint32_t final)
{
    int n = arg(g, 0, 1);

    if (g->inter || (g->mark != '\0' && g->mark != '?'))
        return;
    if (g->mark == '?') {
        if (final == 'h' || final == 'l')
            private_mode(g, calls, final == 'h');
        return;
    }
    switch (final) {
    case 'A': to(g, calls, g->x, g->y - n); break;
    case 'B':
    case 'e': to(g, calls, g->x, g->y + n); break;
    case 'C':
    case 'a': to(g, calls, g->x + n, g->y); break;
    case 'D': to(g, calls, g->x - n, g->y); break;
    case 'E': to(g, calls, 0, g->y + n); break;
    case 'F': to(g, calls, 0, g->y - n); break;
    case 'G':
    case '`': to(g, calls, n - 1, g->y); break;
    case 'H':
    case 'f': to(g, calls, arg(g, 1, 1) - 1, n - 1); break;
    case 'd': to(g, calls, g->x, n - 1); break;
    case 'I': to(g, calls, (g->x / 8 + n) * 8, g->y); break;
    case 'Z': to(g, calls, ((g->x + 7) / 8 - n) * 8, g->y); break;
    case 'h':
    case 'l':
        for (unsigned i = 0; i < g->n_args; i++)
            g->insert = g->args[i] == 4 ? final == 'h' : g->insert;
        break;
    case 'J': erase(g, calls, /* display= */ true); break;
    case 'K': erase(g, calls, /* display= */ false); break;
    case 'L': shift_rows(g, calls, g->y, n); break;
    case 'M': shift_rows(g, calls, g->y, -n); break;
    case 'S': shift_rows(g, calls, g->top, -n); break;
    case 'T': shift_rows(g, calls, g->top, n); break;
    case '@': shift_cells(g, calls, n); break;
    case 'P': shift_cells(g, calls, -n); break;
    case 'X':
        look(g, calls, MASK_LOOK_STAYS);
        blank(g, g->y, g->x, g->x + n);
        break;
    case 'r': region(g, calls); break;
    case 's':
        g->saved_x = g->x;
        g->saved_y = g->y;
        break;
    case 'u': to(g, calls, g->saved_x, g->saved_y); break;
    case 'b':
        for (int i = 0; i < (n > REP_MAX ? REP_MAX : n) && g->last != 0; i++)
            print(g, calls, g->last, 0, 0);
        break;
    default: break;
    }
}

static void string_begin(struct mask_grid *g, enum state state)
{
    g->state = (uint8_t) state;
    buf_reset(&g->string);
    g->n_parts = 0;
}

/* 8-bit controls: their sequences are passed over whole. */
static void c1(struct mask_grid *g, uint32_t c)
{
    if (c == 0x9b) {
        g->state = CSI;
        g->n_args = 0;
        g->inter = true; /* it does nothing */
    } else if (c == 0x9d) {
        string_begin(g, OSC);
    } else if (c == 0x90 || c == 0x98 || c == 0x9e || c == 0x9f) {
        string_begin(g, STRING);
    }
}

static void esc_acts(struct mask_grid *g, const struct mask_grid_calls *calls, uint32_t c)
{
    switch (c) {
    case '7':
        g->saved_x = g->x;
        g->saved_y = g->y;
        break;
    case '8': to(g, calls, g->saved_x, g->saved_y); break;
    case 'D': line_feed(g, calls); break;
    case 'E':
        line_feed(g, calls);
        g->x = 0;
        break;
    case 'M':
        look(g, calls, MASK_LOOK_STAYS);
        if (g->y == g->top)
            scroll_down(g, g->top, g->bottom);
        else
            to(g, calls, g->x, g->y - 1);
        break;
    case 'c':
        look(g, calls, MASK_LOOK_STAYS);
        clear_rows(g, 0, g->rows);
        g->x = g->y = g->top = 0;
        g->bottom = g->rows - 1;
        g->pending_wrap = g->no_wrap = g->insert = false;
        break;
    default: break;
    }
}

static void esc(struct mask_grid *g, const struct mask_grid_calls *calls, uint32_t c)
{
    g->state = GROUND;
    switch (c) {
    case '[':
        g->state = CSI;
        g->n_args = 0;
        g->mark = '\0';
        g->inter = false;
        break;
    case ']':
    case 'P':
    case 'X':
    case '^':
    case '_': string_begin(g, c == ']' ? OSC : STRING); break;
    default:
        if (c <= 0x2f)
            g->state = ESC_MORE;
        else if (!g->plain)
            esc_acts(g, calls, c);
        break;
    }
}

static void control(struct mask_grid *g, const struct mask_grid_calls *calls, uint32_t c)
{
    if (g->plain)
        return;
    switch (c) {
    case '\b':
        if (g->x > 0 && !g->pending_wrap)
            g->x--;
        g->pending_wrap = false;
        break;
    case '\t': to(g, calls, (g->x / 8 + 1) * 8, g->y); break;
    case '\n':
    case '\v':
    case '\f': line_feed(g, calls); break;
    case '\r':
        g->x = 0;
        g->pending_wrap = false;
        break;
    default: break;
    }
}

static void csi_char(struct mask_grid *g, const struct mask_grid_calls *calls, uint32_t c)
{
    const unsigned max = sizeof(g->args) / sizeof(g->args[0]);

    if (c >= '0' && c <= '9') {
        uint32_t v;

        if (g->n_args == 0)
            g->args[g->n_args++] = 0;
        v = g->args[g->n_args - 1] * 10u + (c - '0');
        g->args[g->n_args - 1] = (uint16_t) (v > 9999 ? 9999 : v);
    } else if (c == ';' || c == ':') {
        if (g->n_args == 0)
            g->args[g->n_args++] = 0;
        if (g->n_args < max)
            g->args[g->n_args++] = 0;
    } else if (c >= '<' && c <= '?') {
        g->mark = (char) c;
    } else if (c >= 0x20 && c <= 0x2f) {
        g->inter = true;
    } else if (c != 0x7f) {
        g->state = GROUND;
        if (!g->plain)
            csi(g, calls, c);
    }
}

static void string_over(struct mask_grid *g, const struct mask_grid_calls *calls)
{
    if (g->string.n > 0)
        calls->string(calls->ctx, g);
    buf_reset(&g->string);
    g->n_parts = 0;
}

static void string_char(struct mask_grid *g, const struct mask_grid_calls *calls, struct span bytes, uint32_t off)
{
    struct mask_part *p = g->n_parts == 0 ? NULL : &g->parts[g->n_parts - 1];

    if (g->plain) {
        calls->unread(calls->ctx, g, off, bytes.n);
        return;
    }
    if (p == NULL || p->seq != g->seq || p->off + p->n != off) {
        if (g->n_parts == MASK_GRID_PARTS || g->string.n + bytes.n > MASK_GRID_STRING)
            string_over(g, calls);
        g->parts[g->n_parts++] = (struct mask_part){ g->seq, off, 0 };
        p = &g->parts[g->n_parts - 1];
    } else if (g->string.n + bytes.n > MASK_GRID_STRING) {
        string_over(g, calls);
        g->parts[g->n_parts++] = (struct mask_part){ g->seq, off, 0 };
        p = &g->parts[0];
    }
    buf_add_span(&g->string, bytes);
    g->failed = g->failed || g->string.failed;
    p->n += (uint32_t) bytes.n;
}

static void ground(struct mask_grid *g, const struct mask_grid_calls *calls, uint32_t c, struct span bytes, uint32_t off)
{
    bool ends = g->state != GROUND; /* it ends a broken sequence, which a '*' would not: it has to stay */

    g->state = GROUND;
    if (c < 0x20)
        control(g, calls, c);
    else if (c >= 0x80 && c <= 0x9f)
        c1(g, c);
    else if (g->plain && c != 0x7f && !ends)
        calls->unread(calls->ctx, g, off, bytes.n);
    else if (!g->plain && c != 0x7f)
        print(g, calls, c, off, ends ? 0 : (uint8_t) bytes.n);
}

static void string_take(struct mask_grid *g, const struct mask_grid_calls *calls, uint32_t c, struct span bytes, uint32_t off)
{
    if (c != 0x9c && (c != 0x07 || g->state != OSC)) {
        string_char(g, calls, bytes, off);
        return;
    }
    string_over(g, calls);
    g->state = GROUND;
}

/* Where sequences begin and end is as codec/screen_filter has it: a byte of one must not be taken for text. */
static void take(struct mask_grid *g, const struct mask_grid_calls *calls, uint32_t c, struct span bytes, uint32_t off)
{
    bool string = g->state == OSC || g->state == STRING;

    if (g->state == STRING_ESC) {
        string_over(g, calls);
        g->state = c == '\\' ? GROUND : ESC;
        if (c == '\\')
            return;
    }
    if (c == 0x1b) {
        g->state = string ? STRING_ESC : ESC;
    } else if (g->state != GROUND && (c == 0x18 || c == 0x1a)) {
        if (string)
            string_over(g, calls);
        g->state = GROUND;
    } else if (string) {
        string_take(g, calls, c, bytes, off);
    } else if (g->state == GROUND || c >= 0x80) {
        ground(g, calls, c, bytes, off);
    } else if (c < 0x20) {
        control(g, calls, c); /* in the midst of a sequence they act */
    } else if (g->state == ESC) {
        esc(g, calls, c);
    } else if (g->state == ESC_MORE) {
        g->state = c <= 0x2f ? ESC_MORE : GROUND;
    } else {
        csi_char(g, calls, c);
    }
}

/* Plain text, as most of it is: as many characters as fit into the row before its last column. Returns how many it took. */
static size_t print_plain(struct mask_grid *g, struct span text, uint32_t off)
{
    uint32_t *c = cells_of(g, g->y) + g->x;
    size_t room = (size_t) (g->cols - 1 - g->x), n = 0, old = 0;

    if (g->pending_wrap || *c == RIGHT)
        return 0;
    if (room > text.n)
        room = text.n;
    while (n < room && text.p[n] >= 0x20 && text.p[n] < 0x7f)
        n++;
    for (size_t i = 0; i <= n; i++)
        old |= c[i];
    if (n < 2 || old != 0) /* over other text: one by one */
        return 0;
    for (size_t i = 0; i < n; i++)
        c[i] = text.p[i];
    if (!g->dirty || g->x < g->dirty_from)
        g->dirty_from = g->x;
    if (!g->dirty || g->x + (int) n - 1 > g->dirty_to)
        g->dirty_to = g->x + (int) n - 1;
    g->dirty = true;
    g->row[g->y].touched = g->seq;
    add_run(g, (struct mask_run){ g->seq, g->row[g->y].id, off, (uint16_t) g->x, (uint16_t) n, 1, 1 });
    g->x += (int) n;
    g->last = text.p[n - 1];
    return n;
}

void mask_grid_stop(struct mask_grid *g, const struct mask_grid_calls *calls)
{
    if (g->plain)
        return;
    calls->stopped(calls->ctx, g);
    g->plain = true;
    g->dirty = g->key = false;
    buf_reset(&g->runs);
    buf_reset(&g->string);
    g->n_parts = 0;
    free(g->cells);
    free(g->row);
    g->cells = NULL;
    g->row = NULL;
    g->cols = g->rows = 0;
}

void mask_grid_feed(struct mask_grid *g, struct span text, uint64_t seq, const struct mask_grid_calls *calls)
{
    size_t at = 0;

    g->seq = seq;
    while (at < text.n && (g->cols > 0 || g->plain)) {
        struct rd r = rd_of(span_sub(text, at, text.n));
        uint32_t cp = text.p[at];
        size_t n;

        if (g->work > g->work_max)
            mask_grid_stop(g, calls);
        n = g->state == GROUND && !g->plain && cp >= 0x20 && cp < 0x7f ? print_plain(g, span_sub(text, at, text.n), (uint32_t) at) : 0;

        if (n > 0) {
            at += n;
            continue;
        }
        n = 1;
        if (cp >= 0x80) {
            cp = utf8_read(&r);
            n = r.failed ? 1 : text.n - at - r.n;
            cp = r.failed ? 0xfffd : cp;
        }
        take(g, calls, cp, span_sub(text, at, n), (uint32_t) at);
        at += n;
    }
}

void mask_grid_end(struct mask_grid *g, const struct mask_grid_calls *calls)
{
    if (g->cols > 0 && g->dirty)
        look(g, calls, MASK_LOOK_STAYS);
    if (g->work > g->work_max)
        mask_grid_stop(g, calls);
}
