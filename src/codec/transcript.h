#pragma once
/*
 * transcript: a terminal's recording as text: what its screen showed over time, a line of text a line, each with the time at
 * which it was complete.
 *
 * A line comes out when it scrolls away, before the screen is cleared or resized, when the alternate screen comes or goes, when
 * nothing was written for TRANSCRIPT_STILL_US, and at the end. The line with the cursor waits (somebody types there) but at an
 * end. What was said and has not changed since is not said again. Programs that redraw the whole screen give its lines each time
 * they stand still.
 *
 * Life:    transcript_new -> transcript_event* -> transcript_end -> transcript_free. Hostile input: texts are plain (codec/plain.h).
 * Threads: one at a time; the work is that of codec/screen, and has an end: where a recording costs too much for its size a line
 *          says so, and of what comes then only markers are told.
 */
#include "base/buf.h"
#include "base/times.h"

#define TRANSCRIPT_STILL_US 1000000

struct transcript;

/* NULL: no memory. */
struct transcript *transcript_new(int cols, int rows);
struct transcript *transcript_free(struct transcript *t);

/*
 * Goes on from the middle: this screen stood before the event that comes next ('init' as codec/screen dumps it; empty: a new screen). Then events up
 * to where an earlier text stopped, whose lines nobody wants, and transcript_settle: what stands there now was said, but the line with the cursor.
 */
void transcript_resume(struct transcript *t, int cols, int rows, struct span init, time_us time);
void transcript_settle(struct transcript *t);

/* The text stops here and goes on elsewhere: what is new, but the line with the cursor. */
void transcript_pause(struct transcript *t, struct buf *out);

/* A stored event ([seconds, code, data], valid JSON without white space) and its seek time. Appends lines, each with its newline. */
void transcript_event(struct transcript *t, struct span json, time_us time, struct buf *out);

/* What stands on the screen. */
void transcript_end(struct transcript *t, struct buf *out);
