#pragma once
/*
 * What `keyhole play` shows: a terminal's screen through its model (codec/screen), or the timeline of a browser's recording.
 * No byte of a recording is written anywhere but as a cell of that model or as text made safe.
 *
 * Life:  play_view_new -> play_view_from / play_view_event* -> play_view_draw | play_view_text -> free.
 */
#include "base/tree.h"
#include "codec/timeline.h"
#include "codec/screen.h"

struct play_view {
    bool terminal;
    int64_t base_ms; /* rrweb: the timestamp of time 0 */
    bool has_base;   /* false: there was no event yet */
    int cols, rows;  /* of the recording's terminal at its start */
    struct screen *screen;
    struct timeline *timeline;
    struct screen_frame *frame; /* what the real terminal shows */
    int shown_cols, shown_rows;
    size_t n_drawn; /* timeline lines */
    bool all;       /* draw everything anew */
    struct buf text;
};

/* manifest: as the contract has it. NULL: no memory. */
struct play_view *play_view_new(bool terminal, struct tree manifest);
struct play_view *play_view_free(struct play_view *v);
void play_view_freep(struct play_view **v);

/* Playing begins anew: From of the contract, with the screen at its place. */
void play_view_from(struct play_view *v, struct tree from);

/* The first event of a browser's recording that had none when its manifest was read: its time is time 0. */
void play_view_first(struct play_view *v, int64_t seq, struct span json);

/* When an event is due: its own time, not before 'previous'. False: it is no event. */
bool play_view_time(const struct play_view *v, struct span json, int64_t previous, int64_t *ret_ms);
void play_view_event(struct play_view *v, struct span json);

/* A real terminal of that size from now on (its last row is not ours). */
void play_view_size(struct play_view *v, int cols, int rows);
/* Appends what brings the real terminal up to date; ends with the recorded cursor. */
void play_view_draw(struct play_view *v, struct buf *out);
bool play_view_cursor(const struct play_view *v);

/* The screen as plain text without trailing blanks, or all lines of the timeline. */
void play_view_text(const struct play_view *v, struct buf *out);
