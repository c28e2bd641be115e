#pragma once
/*
 * screen: the model of a recorded terminal, in safe mode (codec/screen_filter.h), on libvterm 0.1.4.
 *
 * Life:    new -> feed*, resize* -> free.
 * Threads: one at a time; no I/O. Nothing is ever answered: queries do not reach libvterm.
 * Limits:  at most SCREEN_COLS_MAX x SCREEN_ROWS_MAX cells; what is larger is cut to that and screen_clamped says so.
 * Memory:  about 40 bytes a cell, twice; while the alternate screen is shown, three times.
 */
#include "codec/screen_filter.h"

#define SCREEN_COLS_MIN 3 /* libvterm 0.1.4 writes past a line of one cell; see also drop_wrap in screen_filter.c */
#define SCREEN_COLS_MAX 720
#define SCREEN_ROWS_MAX 200
#define SCREEN_CELL_CPS 6 /* a character and its combining marks */

enum screen_colour_kind { SCREEN_COLOUR_DEFAULT, SCREEN_COLOUR_INDEX, SCREEN_COLOUR_RGB };

struct screen_colour {
    uint8_t kind;
    uint8_t r, g, b; /* INDEX: r is the index */
};

enum {
    SCREEN_BOLD = 1,
    SCREEN_ITALIC = 2,
    SCREEN_BLINK = 4,
    SCREEN_REVERSE = 8,
    SCREEN_STRIKE = 16,
    SCREEN_UNDERLINE = 32, /* shifted style: 1 single, 2 double, 3 curly */
    SCREEN_UNDERLINE_MASK = 96,
};

struct screen_style {
    uint8_t attrs;
    struct screen_colour fg, bg;
};

/* Equal cells look equal: a blank is one space, and its foreground is the default unless it shows. */
struct screen_cell {
    uint32_t cp[SCREEN_CELL_CPS]; /* ends at the first 0; no controls */
    uint8_t width;                /* 1, 2, or 0: the right half of the cell before */
    struct screen_style style;
};

struct screen;

/* NULL: no memory. Sizes below 3 x 1 become that. */
struct screen *screen_new(int cols, int rows);
struct screen *screen_free(struct screen *s);
void screen_freep(struct screen **s);

/* Terminal output: UTF-8 as it comes, also cut in the middle of characters and sequences. */
void screen_feed(struct screen *s, struct span in);

/* As terminals do: lines go at the bottom, at the top only to keep the cursor; the scroll region becomes the whole screen. */
void screen_resize(struct screen *s, int cols, int rows);

int screen_cols(const struct screen *s);
int screen_rows(const struct screen *s);
bool screen_clamped(const struct screen *s);

/* From 0. *ret_wrap (may be NULL): the last column was written and the next character goes to the next line. */
void screen_cursor(const struct screen *s, int *ret_col, int *ret_row, bool *ret_wrap);
bool screen_cursor_visible(const struct screen *s);
bool screen_alternate(const struct screen *s);

/* Outside the screen: a blank. */
void screen_cell(const struct screen *s, int col, int row, struct screen_cell *ret);

/* Plain text without controls, at most SCREEN_TITLE_MAX characters; "" when none was set. Valid until the next feed. */
const char *screen_title(const struct screen *s);

/* True when no sequence or character is half read: a dump taken now loses nothing. */
bool screen_idle(const struct screen *s);

/* Cells moved or erased so far, and many times those of each size: what the model has cost, for callers with a budget. */
uint64_t screen_work(const struct screen *s);

/*
 * Before the lines of the normal screen scroll away at its top: fn(ctx, 0), then 1, … while they are still where they were.
 * NULL: nobody listens.
 */
void screen_on_scroll(struct screen *s, void (*fn)(void *ctx, int row), void *ctx);

/* Bytes libvterm would have answered: always 0. For tests. */
size_t screen_answers(const struct screen *s);

/*
 * Appends output that brings any VT100-like emulator, just reset and of the same size, to this state: the cells of both
 * screens, cursor (with a pending wrap), pen, scroll region, charsets and modes. Only print, line ends, SGR, cursor position,
 * erase, alternate screen and, where they differ from a reset terminal, scroll region, charset and those modes.
 */
void screen_dump_init(const struct screen *s, struct buf *out);

/*
 * What a real terminal shows now, a window of cols x rows of the screen; screen_render draws the difference
 * with SGR, CUP, ED and printable text only and ends with the cursor where the recorded one is (kept inside the
 * window). The first render, and one after screen_frame_forget, clears and draws all. NULL: no memory.
 */
struct screen_frame;
struct screen_frame *screen_frame_new(int cols, int rows);
struct screen_frame *screen_frame_free(struct screen_frame *f);
void screen_frame_freep(struct screen_frame **f);
void screen_frame_forget(struct screen_frame *f);
/* Moves the window (from the top left corner) as little as shows the cursor, and never past the screen. */
void screen_frame_follow(struct screen_frame *f, const struct screen *s);
void screen_render(const struct screen *s, struct screen_frame *shown, struct buf *out);
