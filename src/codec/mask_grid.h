#pragma once
/*
 * mask_grid: a terminal's screen as text, and which bytes of which event wrote each piece of it. Small and tolerant: it places characters as
 * terminals do (autowrap, cursor moves, erase, insert and delete, scrolling, the alternate screen, REP) so that what a person
 * reads in one line is one text, however it was written. It draws nothing: that is codec/screen.
 *
 * Life:    init -> size -> feed* (between them end, release) -> deinit. Plain copies by mask_grid_copy.
 * Lines:   rows that autowrap joined are one line. The callback 'line' is called when the cursor's line has new text and the cursor leaves
 *          it, before that text is overwritten or erased, and at mask_grid_end: the text then is what mask_grid_line gives.
 * Moved:   text that is pushed along its row (insert, delete) keeps what is known of its bytes: a word that is put before a value, or a slip taken out of
 *          one, makes a match of what was written long before.
 * Work:    four bytes may clear a whole screen. 'work' grows by about one for each nanosecond that moving and clearing takes; past 'work_max' nothing
 *          is placed any more ('plain', for good): sequences are still parsed, and all text is given to the callback 'unread'.
 * Limits:  MASK_GRID_CELLS cells (a larger terminal has less rows here), MASK_GRID_RUNS runs: beyond them the oldest are forgotten.
 * Threads: one at a time.
 */
#include "base/buf.h"

#define MASK_GRID_CELLS  (48u << 10)
#define MASK_GRID_RUNS   8192
#define MASK_GRID_JOINED 32  /* rows of one line */
#define MASK_GRID_STRING 8192 /* bytes of an OSC, DCS, APC, PM or SOS string that are looked at together */
#define MASK_GRID_PARTS  32  /* and the events they may come from */

/* Characters of one event that stand side by side in one row, all of the same width and length. */
struct mask_run {
    uint64_t seq;
    uint32_t row; /* id of the row, not its place */
    uint32_t off; /* byte of the event's decoded data */
    uint16_t col, n;
    uint8_t len;   /* bytes of each */
    uint8_t width; /* cells of each: 0 (marks, n = 1), 1, 2 */
};

struct mask_row {
    uint32_t id;
    uint32_t cells;   /* index of its first cell */
    uint64_t touched; /* the last event that wrote to it */
    bool wrapped;     /* goes on in the next row */
    bool open;        /* its text may be the beginning of a match */
};

/* Where bytes of a string sequence come from. */
struct mask_part {
    uint64_t seq;
    uint32_t off, n;
};

struct mask_grid;
enum mask_look {
    MASK_LOOK_STAYS, /* the cursor goes on in it, or may come back */
    MASK_LOOK_DOWN,  /* it goes to a line below */
    MASK_LOOK_OVER,  /* a line feed ended it */
};
struct mask_grid_calls {
    void (*line)(void *ctx, struct mask_grid *g, enum mask_look look);
    void (*string)(void *ctx, struct mask_grid *g);          /* a string sequence ended: g->string, g->parts */
    void (*stopped)(void *ctx, struct mask_grid *g);         /* once: g->work has passed g->work_max; what it holds goes now */
    void (*unread)(void *ctx, struct mask_grid *g, uint32_t off, size_t n); /* from then on: bytes of text, or of a string */
    void *ctx;
};

struct mask_grid {
    int cols, rows; /* 0: no size yet */
    uint32_t *cells; /* code points; 0 blank */
    struct mask_row *row;
    uint32_t next_id;
    struct buf runs; /* struct mask_run */

    int x, y, top, bottom; /* cursor, scroll region */
    int saved_x, saved_y;
    bool pending_wrap, no_wrap, insert, alt;
    uint32_t last; /* what REP repeats */
    bool key;           /* for the caller: the lines are inside a private key; a screen that is cleared ends it */
    uint32_t key_lines;

    bool dirty; /* the cursor's line has text that was not looked at */
    int dirty_from, dirty_to; /* of the cursor's row */

    /* a sequence under way */
    uint8_t state;
    char mark;       /* '?', '>' … of a CSI */
    bool inter;      /* it has intermediate bytes */
    uint8_t n_args;
    uint16_t args[16];
    struct buf string;
    bool failed;     /* memory was short: something was not kept that has to be looked at */
    uint32_t n_parts;
    struct mask_part parts[MASK_GRID_PARTS];

    bool plain; /* text is not placed any more, there is no screen: see Work */

    /* of the feed under way */
    uint64_t seq;
    uint64_t work, work_max; /* the caller's: it takes work away and sets the most */
};

void mask_grid_init(struct mask_grid *g);
void mask_grid_deinit(struct mask_grid *g);
NODISCARD bool mask_grid_copy(struct mask_grid *to, const struct mask_grid *from);

/* False: no memory; the grid is then without size, and feeding it does nothing. */
bool mask_grid_size(struct mask_grid *g, int cols, int rows);

/* Decoded output of event 'seq'. */
void mask_grid_feed(struct mask_grid *g, struct span text, uint64_t seq, const struct mask_grid_calls *calls);
/* As if its work were spent. */
void mask_grid_stop(struct mask_grid *g, const struct mask_grid_calls *calls);
/* The event is over. */
void mask_grid_end(struct mask_grid *g, const struct mask_grid_calls *calls);

/* A character of a line's text. */
struct mask_char {
    uint32_t at; /* byte of the text */
    uint16_t row, col;
};

/* The cursor's line: UTF-8 into *text, where each character stands into *chars (struct mask_char); both are reset. To the cursor only: 'to_cursor'. */
void mask_grid_line(const struct mask_grid *g, bool to_cursor, struct buf *text, struct buf *chars);
/* The same of the line of row y, 0 <= y < rows; its last row. */
int mask_grid_line_of(const struct mask_grid *g, int y, struct buf *text, struct buf *chars);
/* Sets 'open' of the cursor's line. */
void mask_grid_set_open(struct mask_grid *g, bool open);

/* Does text that may go on stand where one of the last 'within' events wrote? */
bool mask_grid_open(const struct mask_grid *g, uint64_t seq, uint64_t within);
/* Forgets the runs that no match can reach any more. */
void mask_grid_prune(struct mask_grid *g);
