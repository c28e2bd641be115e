#pragma once
/*
 * screen_filter: the safe mode of terminals (STANDARDS 5.4) as a byte filter: recorded output in, harmless output out.
 *
 * It is an allow list: every sequence is parsed, checked against a table, and written anew with bounded numbers. What
 * passes: printable UTF-8, CR LF VT FF TAB BS SI SO, SGR, cursor moves, erase, insert and delete, scroll region, tab
 * stops, save and restore, soft and full reset, the alternate screen, autowrap, origin and insert mode, cursor
 * visibility, the charsets ASCII, UK and line drawing. All else is dropped whole: OSC (the title is kept as plain
 * text), DCS, APC, PM, SOS, DSR, DA, DECRQM, `CSI t`, mouse, focus and paste modes, C1 controls. Bytes that are no
 * UTF-8 become U+FFFD, bidirectional controls the visible symbol SCREEN_BIDI_SYMBOL.
 *
 * State carries over: cutting the input anywhere gives the same output. Memory is this struct. Repeats (REP) are
 * written out, so four bytes may become SCREEN_REPEAT_MAX characters; all else grows at most eight times.
 */
#include "base/buf.h"

#define SCREEN_BIDI_SYMBOL 0x21c4 /* rightwards arrow over leftwards arrow */
#define SCREEN_TITLE_MAX   200    /* code points */
#define SCREEN_ARG_MAX     9999
#define SCREEN_REPEAT_MAX  720

/*
 * With for_model the output is made for libvterm 0.1.4, round its defects. It gives these combining marks two cells
 * and, with several of them, writes past the end of a line: each goes out as a variation selector that nobody uses,
 * which codec/screen turns back. Charsets are applied here.
 */
#define SCREEN_N_WIDE_MARKS  8
#define SCREEN_MARK_STAND_IN 0xe01e8
extern const uint16_t screen_wide_marks[SCREEN_N_WIDE_MARKS];

/* What the passed sequences have set, for redrawing (codec/screen.h). All zero = a terminal after reset. */
struct screen_modes {
    bool alt, insert, no_wrap, origin, cursor_hidden, shift_out;
    uint16_t top, bottom; /* scroll region, from 1; 0 and 0 = whole screen */
    char charset[2];      /* G0, G1: 0 = ASCII, else '0' or 'A' */
};

struct screen_filter {
    bool for_model;
    uint16_t rows; /* of the screen, 0: not known */
    uint8_t state;
    uint8_t n_seq;
    uint8_t utf8_n, utf8_need;
    uint8_t utf8[4];
    char seq[200]; /* the escape sequence being read */
    bool osc_title, osc_first;
    uint16_t n_osc;
    char osc[1024];    /* a title being read, cut here */
    bool last_printed; /* the last thing passed put something on the screen; SGR in between does not count */
    struct screen_modes modes;
    uint32_t last_cp; /* what REP repeats */
    uint32_t title_changes;
    size_t n_title;
    char title[SCREEN_TITLE_MAX * 4 + 1]; /* UTF-8 without controls, NUL-terminated */
};

void screen_filter_init(struct screen_filter *f);

/*
 * Filters from *in, appending to *out. Returns true when it stopped early: the alternate screen was just entered or
 * left (modes.alt says which) and the sequence that does it starts at *ret_switch_at in *out. Otherwise *in is empty.
 */
bool screen_filter_feed(struct screen_filter *f, struct span *in, struct buf *out, size_t *ret_switch_at);

/* All of 'in'. */
void screen_filter_all(struct screen_filter *f, struct span in, struct buf *out);

/* True when nothing is half read: the next byte starts afresh. */
bool screen_filter_idle(const struct screen_filter *f);
