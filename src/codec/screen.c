#include "codec/screen.h"

#include "base/utf8.h"
#include "codec/screen_width.h"

#include <stdio.h>
#include <stdlib.h>
#include <vterm.h>

/* Small, because each four bytes of a step may be a repeat of SCREEN_REPEAT_MAX characters. */
#define FEED_STEP 512
#define SAFE_MAX  (FEED_STEP / 4 * SCREEN_REPEAT_MAX * 4 + 65536)

#define RESIZE_WORK 16 /* of a cell that is made anew, in cells erased */

struct screen {
    VTerm *vt;
    VTermScreen *vs;
    VTermState *state;
    int cols, rows;
    bool clamped;
    struct screen_filter filter;
    struct buf safe;
    VTermRect last_damage;
    uint64_t work;
    void (*on_scroll)(void *ctx, int row);
    void *scroll_ctx;
    int pushed; /* lines that were told and not yet moved */
    /* the normal screen as it was when the alternate one was entered; NULL: not there or no memory */
    struct screen_cell *normal;
    int normal_cols, normal_rows;
    VTermPos normal_cursor;
    struct screen_style normal_pen;
};

/* ---- libvterm's view to ours */

static void colour(const VTermColor *c, struct screen_colour *ret)
{
    if (VTERM_COLOR_IS_DEFAULT_FG(c) || VTERM_COLOR_IS_DEFAULT_BG(c))
        *ret = (struct screen_colour){ .kind = SCREEN_COLOUR_DEFAULT };
    else if (VTERM_COLOR_IS_INDEXED(c))
        *ret = (struct screen_colour){ .kind = SCREEN_COLOUR_INDEX, .r = c->indexed.idx };
    else
        *ret = (struct screen_colour){ SCREEN_COLOUR_RGB, c->rgb.red, c->rgb.green, c->rgb.blue };
}

static bool colour_eq(struct screen_colour a, struct screen_colour b)
{
    return a.kind == b.kind && a.r == b.r && a.g == b.g && a.b == b.b;
}

static bool style_eq(const struct screen_style *a, const struct screen_style *b)
{
    return a->attrs == b->attrs && colour_eq(a->fg, b->fg) && colour_eq(a->bg, b->bg);
}

static bool cell_eq(const struct screen_cell *a, const struct screen_cell *b)
{
    return memcmp(a->cp, b->cp, sizeof(a->cp)) == 0 && a->width == b->width && style_eq(&a->style, &b->style);
}

static const struct screen_cell blank = { .cp = { ' ' }, .width = 1 };

static void style_of(const VTermScreenCell *c, struct screen_style *ret)
{
    ret->attrs = (uint8_t) ((c->attrs.bold ? SCREEN_BOLD : 0) | (c->attrs.italic ? SCREEN_ITALIC : 0) |
                            (c->attrs.blink ? SCREEN_BLINK : 0) | (c->attrs.reverse ? SCREEN_REVERSE : 0) |
                            (c->attrs.strike ? SCREEN_STRIKE : 0) | (c->attrs.underline * SCREEN_UNDERLINE));
    colour(&c->fg, &ret->fg);
    colour(&c->bg, &ret->bg);
}

/* A blank shows only its background, unless something is drawn through or under it. */
static void settle_blank(struct screen_cell *c)
{
    if (c->cp[0] != ' ' || c->cp[1] != 0)
        return;
    c->style.attrs &= (uint8_t) ~(SCREEN_BOLD | SCREEN_ITALIC | SCREEN_BLINK);
    if (c->style.attrs == 0)
        c->style.fg = (struct screen_colour){ .kind = SCREEN_COLOUR_DEFAULT };
}

/* What the filter did for the model (screen_filter.h), undone. */
static uint32_t from_model(uint32_t cp)
{
    for (int i = 0; i < SCREEN_N_WIDE_MARKS; i++)
        if (cp == SCREEN_MARK_STAND_IN + (uint32_t) i)
            return screen_wide_marks[i];
    return cp != 0 && utf8_is_control(cp) ? 0xfffd : cp;
}

void screen_cell(const struct screen *s, int col, int row, struct screen_cell *ret)
{
    VTermScreenCell c, left;

    *ret = blank;
    if (col < 0 || row < 0 || col >= s->cols || row >= s->rows ||
        vterm_screen_get_cell(s->vs, (VTermPos){ .row = row, .col = col }, &c) == 0)
        return;
    style_of(&c, &ret->style);
    if (c.chars[0] == (uint32_t) -1) {
        /*
         * A right half looks like its left one; libvterm leaves it the style of what was there before. Alone it is a
         * blank. The width that libvterm tells is no help: any cell left of a right half counts as wide there.
         */
        if (col > 0 && vterm_screen_get_cell(s->vs, (VTermPos){ .row = row, .col = col - 1 }, &left) != 0 &&
            left.chars[0] != (uint32_t) -1 && screen_is_wide(left.chars[0])) {
            memset(ret->cp, 0, sizeof(ret->cp));
            ret->width = 0;
            style_of(&left, &ret->style);
        } else {
            *ret = blank;
        }
        return;
    }
    ret->width = c.width == 2 && screen_is_wide(c.chars[0]) ? 2 : 1;
    if (c.chars[0] != 0 && !screen_is_mark(c.chars[0]) &&
        !(ret->width == 1 && screen_is_wide(c.chars[0]))) { /* no left half alone */
        for (int i = 0; i < SCREEN_CELL_CPS; i++)
            ret->cp[i] = from_model(c.chars[i]);
        for (int i = 1; i < SCREEN_CELL_CPS; i++)
            if (ret->cp[i - 1] == 0)
                ret->cp[i] = 0;
    }
    settle_blank(ret);
}

static struct screen_style pen_of(const struct screen *s)
{
    VTermScreenCell c;
    struct screen_style pen;
    VTermValue v;

    memset(&c, 0, sizeof(c));
    memset(&pen, 0, sizeof(pen));
    memset(&v, 0, sizeof(v));
    c.attrs.bold = vterm_state_get_penattr(s->state, VTERM_ATTR_BOLD, &v) && v.boolean;
    c.attrs.underline = vterm_state_get_penattr(s->state, VTERM_ATTR_UNDERLINE, &v) ? (unsigned) v.number & 3 : 0;
    c.attrs.italic = vterm_state_get_penattr(s->state, VTERM_ATTR_ITALIC, &v) && v.boolean;
    c.attrs.blink = vterm_state_get_penattr(s->state, VTERM_ATTR_BLINK, &v) && v.boolean;
    c.attrs.reverse = vterm_state_get_penattr(s->state, VTERM_ATTR_REVERSE, &v) && v.boolean;
    c.attrs.strike = vterm_state_get_penattr(s->state, VTERM_ATTR_STRIKE, &v) && v.boolean;
    c.fg.type = VTERM_COLOR_DEFAULT_FG;
    c.bg.type = VTERM_COLOR_DEFAULT_BG;
    if (vterm_state_get_penattr(s->state, VTERM_ATTR_FOREGROUND, &v))
        c.fg = v.color;
    if (vterm_state_get_penattr(s->state, VTERM_ATTR_BACKGROUND, &v))
        c.bg = v.color;
    style_of(&c, &pen);
    return pen;
}

/* ---- life */

static int on_damage(VTermRect rect, void *user)
{
    struct screen *s = user;

    s->last_damage = rect;
    s->work += (uint64_t) (rect.end_row - rect.start_row) * (uint64_t) (rect.end_col - rect.start_col);
    return 1;
}

static int on_moverect(VTermRect dest, VTermRect src, void *user)
{
    struct screen *s = user;

    (void) src;
    s->pushed = 0;
    s->last_damage = (VTermRect){ 0, 0, 0, 0 };
    s->work += (uint64_t) (dest.end_row - dest.start_row) * (uint64_t) (dest.end_col - dest.start_col);
    return 1;
}

/* One line of several that go together: they are told from the top, and then moved. */
static int on_pushline(int cols, const VTermScreenCell *cells, void *user)
{
    struct screen *s = user;

    (void) cols;
    (void) cells;
    if (s->on_scroll != NULL && !s->filter.modes.alt && s->pushed < s->rows)
        s->on_scroll(s->scroll_ctx, s->pushed);
    s->pushed++;
    return 1;
}

static const VTermScreenCallbacks callbacks = { .damage = on_damage, .moverect = on_moverect };
/* libvterm makes a copy of each line that it tells: only for who listens. */
static const VTermScreenCallbacks told_callbacks = { .damage = on_damage, .moverect = on_moverect, .sb_pushline = on_pushline };

void screen_on_scroll(struct screen *s, void (*fn)(void *ctx, int row), void *ctx)
{
    s->on_scroll = fn;
    s->scroll_ctx = ctx;
    s->pushed = 0;
    vterm_screen_set_callbacks(s->vs, fn == NULL ? &callbacks : &told_callbacks, s);
}

static int clamp(int v, int min, int max, bool *clamped)
{
    if (v > max)
        *clamped = true;
    return v < min ? min : v > max ? max : v;
}

struct screen *screen_new(int cols, int rows)
{
    struct screen *s = calloc(1, sizeof(*s));

    if (s == NULL)
        return NULL;
    s->cols = clamp(cols, SCREEN_COLS_MIN, SCREEN_COLS_MAX, &s->clamped);
    s->rows = clamp(rows, 1, SCREEN_ROWS_MAX, &s->clamped);
    screen_filter_init(&s->filter);
    s->filter.for_model = true;
    s->filter.rows = (uint16_t) s->rows;
    buf_init(&s->safe, SAFE_MAX);
    s->vt = vterm_new(s->rows, s->cols);
    if (s->vt == NULL)
        return screen_free(s);
    vterm_set_utf8(s->vt, 1);
    s->state = vterm_obtain_state(s->vt);
    s->vs = vterm_obtain_screen(s->vt);
    vterm_screen_enable_altscreen(s->vs, 1);
    vterm_screen_set_damage_merge(s->vs, VTERM_DAMAGE_CELL);
    vterm_screen_set_callbacks(s->vs, &callbacks, s);
    vterm_screen_reset(s->vs, 1);
    return s;
}

struct screen *screen_free(struct screen *s)
{
    if (s == NULL)
        return NULL;
    if (s->vt != NULL)
        vterm_free(s->vt);
    buf_deinit(&s->safe);
    free(s->normal);
    free(s);
    return NULL;
}

void screen_freep(struct screen **s)
{
    *s = screen_free(*s);
}

static void write_vt(struct screen *s, struct span bytes)
{
    if (bytes.n > 0)
        (void) vterm_input_write(s->vt, (const char *) bytes.p, bytes.n);
}

/* ---- input */

/*
 * A mark that comes in another piece than the character before it, which has filled the last column: libvterm would
 * wrap before the mark. It is left out.
 */
static struct span without_stray_marks(struct span in, bool wrap)
{
    while (wrap && in.n > 0) {
        struct rd r = rd_of(in);
        uint32_t cp = utf8_read(&r);

        if (r.failed || !screen_is_mark(cp))
            break;
        in = span_of(r.p, r.n);
    }
    return in;
}

static struct screen_cell *copy_cells(const struct screen *s)
{
    struct screen_cell *cells = malloc((size_t) s->cols * (size_t) s->rows * sizeof(*cells));

    if (cells == NULL)
        return NULL;
    for (int row = 0; row < s->rows; row++)
        for (int col = 0; col < s->cols; col++)
            screen_cell(s, col, row, &cells[row * s->cols + col]);
    return cells;
}

static void alternate_entered(struct screen *s)
{
    free(s->normal);
    s->normal = copy_cells(s);
    s->normal_cols = s->cols;
    s->normal_rows = s->rows;
    s->normal_pen = pen_of(s);
    vterm_state_get_cursorpos(s->state, &s->normal_cursor);
}

/* RIS leaves the alternate screen without a switch of its own. */
static void alternate_left(struct screen *s)
{
    free(s->normal);
    s->normal = NULL;
}

/* Bytes at the beginning that are lines and nothing else. */
static size_t plain_lines(struct span in, int *ret_lines)
{
    size_t n = 0;

    *ret_lines = 0;
    for (; n < in.n && ((in.p[n] >= 0x20 && in.p[n] < 0x7f) || in.p[n] == '\r' || in.p[n] == '\n'); n++)
        *ret_lines += in.p[n] == '\n';
    return n;
}

/*
 * Of plain lines that go on for two screens and more the first ones need not be drawn: a screen of lines scrolls all away that was there when the last
 * screen of them begins, with the cursor at the bottom. Returns how many bytes are done with; *ret_known: there is nothing more to skip in so many behind them.
 */
static size_t skip_unseen(struct screen *s, struct span in, size_t *ret_known)
{
    struct screen_modes *m = &s->filter.modes;
    int lines, before;
    size_t n, to;
    char home[16];

    if (s->on_scroll != NULL || m->top != 0 || m->origin || in.n < (size_t) s->rows * 4 || !screen_filter_idle(&s->filter))
        return 0;
    *ret_known = n = plain_lines(in, &lines);
    before = lines - s->rows - 1;
    if (before < s->rows)
        return 0;
    for (to = 0; before > 0; to++)
        before -= in.p[to] == '\n';
    if (in.p[to - 2] != '\r') /* there are as many lines before it */
        return 0;
    for (n = to; n > 0 && in.p[n - 1] < 0x20;)
        n--;
    if (n > 0)
        s->filter.last_cp = in.p[n - 1];
    s->filter.last_printed = false;
    (void) snprintf(home, sizeof(home), "\033[%dH", s->rows);
    write_vt(s, span_str(home));
    s->work += (uint64_t) s->cols;
    *ret_known -= to;
    return to;
}

void screen_feed(struct screen *s, struct span in)
{
    size_t known = 0; /* bytes that were looked at */

    while (in.n > 0) {
        size_t skip = known > 0 ? 0 : skip_unseen(s, in, &known);
        struct span step = span_sub(in, skip, FEED_STEP);

        in = span_sub(in, skip, in.n);
        known -= known < step.n ? known : step.n;
        in = span_sub(in, step.n, in.n);
        while (step.n > 0) {
            size_t at = 0;
            int col, row;
            bool switched, wrap;

            screen_cursor(s, &col, &row, &wrap);
            buf_reset(&s->safe);
            switched = screen_filter_feed(&s->filter, &step, &s->safe, &at);
            if (switched && s->filter.modes.alt) {
                write_vt(s, span_sub(buf_span(&s->safe), 0, at));
                alternate_entered(s);
                write_vt(s, span_sub(buf_span(&s->safe), at, s->safe.n));
            } else {
                write_vt(s, without_stray_marks(buf_span(&s->safe), wrap));
            }
            if (!s->filter.modes.alt && s->normal != NULL)
                alternate_left(s);
        }
    }
}

static void sgr(struct buf *out, const struct screen_style *style);

static int within(int v, int n)
{
    return v < 0 ? 0 : v >= n ? n - 1 : v;
}

static void cup(struct buf *out, int row, int col)
{
    buf_addf(out, "\033[%d;%dH", row + 1, col + 1);
}

/*
 * libvterm 0.1.4 keeps a saved cursor across a resize and does not check it when it is restored, so it is restored,
 * cut to the new size and saved again here. The scroll region becomes the whole screen, as in xterm. Lines go from the
 * bottom first and from the top only when the cursor would go: libvterm would rather keep text below the cursor.
 */
void screen_resize(struct screen *s, int cols, int rows)
{
    struct screen_style pen = pen_of(s);
    VTermPos cursor, saved;
    int keep;

    s->clamped = false;
    cols = clamp(cols, SCREEN_COLS_MIN, SCREEN_COLS_MAX, &s->clamped);
    rows = clamp(rows, 1, SCREEN_ROWS_MAX, &s->clamped);
    if (cols == s->cols && rows == s->rows)
        return;
    s->work += RESIZE_WORK * ((uint64_t) cols * (uint64_t) rows + (uint64_t) s->cols * (uint64_t) s->rows);
    vterm_state_get_cursorpos(s->state, &cursor);
    buf_reset(&s->safe);
    buf_add_str(&s->safe, "\033[?6l\033[r\0338");
    write_vt(s, buf_span(&s->safe));
    vterm_state_get_cursorpos(s->state, &saved);
    buf_reset(&s->safe);
    cup(&s->safe, within(saved.row, rows), within(saved.col, cols));
    buf_add_str(&s->safe, "\0337");
    keep = cursor.row + 1 > rows ? cursor.row + 1 : rows;
    if (keep < s->rows) {
        buf_add_str(&s->safe, "\033[0m");
        cup(&s->safe, keep, 0);
        buf_add_str(&s->safe, "\033[J");
    }
    cup(&s->safe, cursor.row, cursor.col);
    sgr(&s->safe, &pen);
    buf_add_str(&s->safe, s->filter.modes.cursor_hidden ? "\033[?25l" : "\033[?25h");
    write_vt(s, buf_span(&s->safe));
    vterm_set_size(s->vt, rows, cols);
    s->cols = cols;
    s->rows = rows;
    s->filter.rows = (uint16_t) rows;
    s->filter.modes.top = s->filter.modes.bottom = 0;
    s->filter.last_printed = false;
    vterm_state_get_cursorpos(s->state, &cursor);
    buf_reset(&s->safe);
    if (s->filter.modes.origin)
        buf_add_str(&s->safe, "\033[?6h");
    cup(&s->safe, within(cursor.row, rows), within(cursor.col, cols)); /* it can leave it above the first row */
    write_vt(s, buf_span(&s->safe));
}

/* ---- questions */

int screen_cols(const struct screen *s)
{
    return s->cols;
}

int screen_rows(const struct screen *s)
{
    return s->rows;
}

bool screen_clamped(const struct screen *s)
{
    return s->clamped;
}

/*
 * libvterm does not tell of a pending wrap. It is there when the last thing was a character and that character went
 * into the cell where the cursor still is.
 */
void screen_cursor(const struct screen *s, int *ret_col, int *ret_row, bool *ret_wrap)
{
    VTermPos pos;

    vterm_state_get_cursorpos(s->state, &pos);
    pos.col = within(pos.col, s->cols);
    pos.row = within(pos.row, s->rows);
    *ret_col = pos.col;
    *ret_row = pos.row;
    if (ret_wrap != NULL)
        *ret_wrap = s->filter.last_printed && !s->filter.modes.no_wrap && vterm_rect_contains(s->last_damage, pos);
}

bool screen_cursor_visible(const struct screen *s)
{
    return !s->filter.modes.cursor_hidden;
}

bool screen_alternate(const struct screen *s)
{
    return s->filter.modes.alt;
}

const char *screen_title(const struct screen *s)
{
    return s->filter.title;
}

bool screen_idle(const struct screen *s)
{
    return screen_filter_idle(&s->filter);
}

uint64_t screen_work(const struct screen *s)
{
    return s->work;
}

size_t screen_answers(const struct screen *s)
{
    return vterm_output_get_buffer_current(s->vt);
}

/* ---- output */

static void sgr_colour(struct buf *out, struct screen_colour c, int base)
{
    switch ((enum screen_colour_kind) c.kind) {
    case SCREEN_COLOUR_DEFAULT: break;
    case SCREEN_COLOUR_INDEX:
        if (c.r < 8)
            buf_addf(out, ";%d", base + c.r);
        else if (c.r < 16)
            buf_addf(out, ";%d", base + 60 + c.r - 8);
        else
            buf_addf(out, ";%d;5;%d", base + 8, c.r);
        break;
    case SCREEN_COLOUR_RGB: buf_addf(out, ";%d;2;%d;%d;%d", base + 8, c.r, c.g, c.b); break;
    }
}

static void sgr(struct buf *out, const struct screen_style *style)
{
    static const struct {
        uint8_t bit;
        const char *code;
    } codes[] = { { SCREEN_BOLD, ";1" },
                  { SCREEN_ITALIC, ";3" },
                  { SCREEN_BLINK, ";5" },
                  { SCREEN_REVERSE, ";7" },
                  { SCREEN_STRIKE, ";9" } };
    int underline = (style->attrs & SCREEN_UNDERLINE_MASK) / SCREEN_UNDERLINE;

    buf_add_str(out, "\033[0");
    for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++)
        if ((style->attrs & codes[i].bit) != 0)
            buf_add_str(out, codes[i].code);
    if (underline == 1)
        buf_add_str(out, ";4");
    else if (underline == 2)
        buf_add_str(out, ";21");
    sgr_colour(out, style->fg, 30);
    sgr_colour(out, style->bg, 40);
    buf_add_c(out, 'm');
    if (underline == 3)
        buf_add_str(out, "\033[4:3m");
}

#define WALK_DOWN  4 /* line ends, and spaces, that are written instead of a position */
#define WALK_RIGHT 40

/* Where the pen of the emulator that reads the output is. */
struct pen {
    int row, col; /* -1: unknown */
    bool styled;  /* style is known */
    struct screen_style style;
};

/* Emulators differ in how wide some characters are: after one of these the position is said anew. */
static bool width_is_debatable(const struct screen_cell *c)
{
    return c->width != 1 || c->cp[1] != 0 || c->cp[0] >= 0x1f000 || utf8_is_wide(c->cp[0]) ||
           (c->cp[0] >= 0x2600 && c->cp[0] < 0x2800);
}

static void draw_cell(struct buf *out, struct pen *pen, int row, int col, int cols, const struct screen_cell *c)
{
    if (pen->row != row || pen->col != col)
        cup(out, row, col);
    if (!pen->styled || !style_eq(&pen->style, &c->style)) {
        sgr(out, &c->style);
        pen->style = c->style;
        pen->styled = true;
    }
    for (int i = 0; i < SCREEN_CELL_CPS && c->cp[i] != 0; i++)
        utf8_add(out, c->cp[i]);
    pen->row = row;
    pen->col = width_is_debatable(c) || col + 1 >= cols ? -1 : col + 1;
}

/* A blank written in it shows nothing. */
static bool style_is_bare(const struct screen_style *style)
{
    return (style->attrs & (SCREEN_REVERSE | SCREEN_STRIKE | SCREEN_UNDERLINE_MASK)) == 0 && style->bg.kind == SCREEN_COLOUR_DEFAULT;
}

/*
 * On to a cell further down or to the right of which all that is passed over is blank: as line ends and spaces, which pack better than
 * positions do, and look like the output that drew them.
 */
static void walk_to(struct buf *out, struct pen *pen, int row, int col, const struct screen_cell *c)
{
    int down = row - pen->row, right = down == 0 ? col - pen->col : col;

    if (pen->row < 0 || pen->col < 0 || down < 0 || down > WALK_DOWN || right < 0 || right > WALK_RIGHT)
        return; /* draw_cell says where */
    if (right > 0 && (!pen->styled || !style_is_bare(&pen->style))) {
        if (!style_is_bare(&c->style))
            return;
        sgr(out, &c->style);
        pen->style = c->style;
        pen->styled = true;
    }
    for (; down > 0; down--)
        buf_add_str(out, "\r\n");
    for (; right > 0; right--)
        buf_add_c(out, ' ');
    pen->row = row;
    pen->col = col;
}

static void draw_all(struct buf *out, struct pen *pen, const struct screen_cell *cells, int stride, int cols, int rows)
{
    for (int row = 0; row < rows; row++)
        for (int col = 0; col < cols; col++) {
            const struct screen_cell *c = &cells[row * stride + col];

            if (c->width == 0 || cell_eq(c, &blank) || (c->width == 2 && col + 1 >= cols))
                continue;
            walk_to(out, pen, row, col, c);
            draw_cell(out, pen, row, col, cols, c);
        }
}

static void dump_modes(const struct screen *s, struct buf *out)
{
    const struct screen_modes *m = &s->filter.modes;

    for (int i = 0; i < 2; i++)
        if (m->charset[i] != '\0')
            buf_addf(out, "\033%c%c", i == 0 ? '(' : ')', m->charset[i]);
    if (m->insert)
        buf_add_str(out, "\033[4h");
    if (m->no_wrap)
        buf_add_str(out, "\033[?7l");
    if (m->cursor_hidden)
        buf_add_str(out, "\033[?25l");
    if (m->shift_out)
        buf_add_c(out, 0x0e);
}

/*
 * Scroll region and origin mode first, because they move the cursor; then the cursor, where a pending wrap is made by
 * writing the cell again; then what changes how characters are taken.
 */
static void dump_cursor(const struct screen *s, const struct screen_cell *cells, struct buf *out)
{
    const struct screen_modes *m = &s->filter.modes;
    struct screen_style pen = pen_of(s);
    int col, row, above = 0;
    bool wrap;

    screen_cursor(s, &col, &row, &wrap);
    if (m->top != 0) {
        buf_addf(out, "\033[%d;%dr", m->top, m->bottom);
        above = m->origin ? m->top - 1 : 0;
    }
    if (m->origin)
        buf_add_str(out, "\033[?6h");
    if (wrap && cells[row * s->cols + col].width == 0 && col > 0)
        col--;
    buf_add_str(out, "\033[H"); /* so that a wrap pending from the drawing is over */
    cup(out, row - above, col);
    if (wrap) {
        struct pen at = { row, col, false, pen };

        draw_cell(out, &at, row, col, s->cols, &cells[row * s->cols + col]);
    }
    dump_modes(s, out);
    sgr(out, &pen);
}

void screen_dump_init(const struct screen *s, struct buf *out)
{
    struct screen_cell *cells = copy_cells(s);
    struct pen pen = { 0, 0, true, { 0 } };

    if (cells == NULL) {
        out->failed = true;
        return;
    }
    buf_add_str(out, "\033[0m\033[2J\033[H");
    if (s->filter.modes.alt) {
        if (s->normal != NULL) {
            int cols = s->normal_cols < s->cols ? s->normal_cols : s->cols;
            int rows = s->normal_rows < s->rows ? s->normal_rows : s->rows;

            draw_all(out, &pen, s->normal, s->normal_cols, cols, rows);
            sgr(out, &s->normal_pen);
            cup(out, within(s->normal_cursor.row, rows), within(s->normal_cursor.col, cols));
        }
        buf_add_str(out, "\033[?1049h\033[0m\033[2J");
        pen = (struct pen){ -1, -1, true, { 0 } };
    }
    draw_all(out, &pen, cells, s->cols, s->cols, s->rows);
    dump_cursor(s, cells, out);
    free(cells);
}

struct screen_frame {
    int cols, rows;
    int left, top; /* the screen's cell that is shown in the corner */
    bool known;
    struct screen_cell cells[];
};

struct screen_frame *screen_frame_new(int cols, int rows)
{
    bool clamped = false;
    struct screen_frame *f;

    cols = clamp(cols, SCREEN_COLS_MIN, SCREEN_COLS_MAX, &clamped);
    rows = clamp(rows, 1, SCREEN_ROWS_MAX, &clamped);
    f = calloc(1, sizeof(*f) + (size_t) cols * (size_t) rows * sizeof(f->cells[0]));
    if (f == NULL)
        return NULL;
    f->cols = cols;
    f->rows = rows;
    return f;
}

struct screen_frame *screen_frame_free(struct screen_frame *f)
{
    free(f);
    return NULL;
}

void screen_frame_freep(struct screen_frame **f)
{
    *f = screen_frame_free(*f);
}

void screen_frame_forget(struct screen_frame *f)
{
    f->known = false;
}

void screen_frame_follow(struct screen_frame *f, const struct screen *s)
{
    int col, row;

    screen_cursor(s, &col, &row, NULL);
    f->top = row < f->top ? row : row >= f->top + f->rows ? row - f->rows + 1 : f->top;
    f->left = col < f->left ? col : col >= f->left + f->cols ? col - f->cols + 1 : f->left;
    if (f->top + f->rows > screen_rows(s))
        f->top = screen_rows(s) > f->rows ? screen_rows(s) - f->rows : 0;
    if (f->left + f->cols > screen_cols(s))
        f->left = screen_cols(s) > f->cols ? screen_cols(s) - f->cols : 0;
}

void screen_render(const struct screen *s, struct screen_frame *shown, struct buf *out)
{
    struct pen pen = { -1, -1, false, { 0 } };
    int col, row;

    if (!shown->known) {
        buf_add_str(out, "\033[0m\033[2J");
        for (int i = 0; i < shown->cols * shown->rows; i++)
            shown->cells[i] = blank;
        shown->known = true;
    }
    for (row = 0; row < shown->rows; row++)
        for (col = 0; col < shown->cols; col++) {
            struct screen_cell *was = &shown->cells[row * shown->cols + col];
            struct screen_cell c;

            screen_cell(s, col + shown->left, row + shown->top, &c);
            if ((c.width == 2 && col + 1 >= shown->cols) || (c.width == 0 && col == 0))
                c = blank; /* half of a character */
            if (cell_eq(&c, was))
                continue;
            /* a left half that goes takes its right half with it on most terminals: draw that anew too */
            if (was->width == 2 && col + 1 < shown->cols)
                was[1].width = 3;
            *was = c;
            if (c.width != 0)
                draw_cell(out, &pen, row, col, shown->cols, &c);
            else
                pen.col = -1;
        }
    screen_cursor(s, &col, &row, NULL);
    col = col > shown->left ? col - shown->left : 0;
    row = row > shown->top ? row - shown->top : 0;
    buf_add_str(out, "\033[0m");
    cup(out, row < shown->rows ? row : shown->rows - 1, col < shown->cols ? col : shown->cols - 1);
}
