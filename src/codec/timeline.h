#pragma once
/*
 * A browser's recording as lines: pages, clicks, inputs, errors, console and network lines, marks, each with its time.
 *
 * Life:    timeline_new -> timeline_event* -> free. timeline_restart before playing goes on from another place.
 * Input:   rrweb events (JSON, checked here; what is no event is passed over). Hostile: texts are made safe, cut at
 *          TIMELINE_TEXT_MAX, and at most TIMELINE_NODES_MAX page elements are remembered to name what was clicked.
 */
#include "base/buf.h"
#include "base/times.h"

#define TIMELINE_TEXT_MAX  200    /* characters of a text */
#define TIMELINE_NODES_MAX 200000
#define TIMELINE_LINES_MAX 20000  /* the oldest go */

struct timeline_line {
    int64_t at_ms;
    const char *kind; /* "click": a fixed word */
    char *text;       /* safe, one line */
    int64_t node;     /* of an input, so that typing becomes one line; else 0 */
};

struct timeline;

/* secret: random, of this process. NULL: no memory. */
struct timeline *timeline_new(const uint8_t secret[16]);
struct timeline *timeline_free(struct timeline *t);
void timeline_freep(struct timeline **t);

/* Forgets lines and elements. */
void timeline_restart(struct timeline *t);

/* base_ms: the timestamp that is time 0. *ret_at_ms is the event's own time, also when it makes no line. False: no event. */
bool timeline_event(struct timeline *t, struct span json, int64_t base_ms, int64_t *ret_at_ms);

/* Appends the lines that will not change any more, each with a newline, and forgets them; all: the last one, too. */
void timeline_take(struct timeline *t, bool all, struct buf *out);

size_t timeline_count(const struct timeline *t);
/* From 0, the oldest that is kept; valid until the next event. */
const struct timeline_line *timeline_line(const struct timeline *t, size_t i);

/* "  0:12.3  click   button "Pay now"": without a line end. */
void timeline_text(const struct timeline_line *l, struct buf *out);
