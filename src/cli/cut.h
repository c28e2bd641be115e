#pragma once
/*
 * Where the last whole event of an exported file ends, fed as it is written: so that a file that was cut can go on.
 *
 * CUT_LINES: a header line, then one event a line (asciicast). CUT_ARRAY: one JSON array (rrweb). CUT_TEXT: lines, of
 * which the last may say where it goes on ("# goes on with from_seq=N"): then N events are whole before that line. Marks that the server puts between the recording's own events have a blank behind their bracket:
 * they do not count, and are dropped when the file is cut back.
 * The bytes are our server's; this only finds boundaries, it checks nothing.
 */
#include "base/span.h"

enum cut_shape { CUT_LINES, CUT_ARRAY, CUT_TEXT };

struct cut {
    enum cut_shape shape;
    uint64_t at;     /* bytes so far */
    uint64_t good;   /* up to here only whole events (and the header) */
    uint64_t events; /* whole ones */
    int depth;
    uint64_t began;  /* where the line or element that is open began */
    bool header, in_string, escaped, closed, joining, mark;
    bool paused;       /* text: the line that goes on stands last */
    char line[48];     /* text: the beginning of the open line */
};

void cut_init(struct cut *c, enum cut_shape shape);
void cut_feed(struct cut *c, struct span bytes);
/* The file was cut back to 'good'; what comes next continues it. */
void cut_restart(struct cut *c);
/*
 * At the first bytes after a restart, array shape: skips a comma and white space that *piece begins with, and returns what is
 * to be written in their place ("" when nothing is). Call it once for each piece, before cut_feed.
 */
const char *cut_joins(struct cut *c, struct span *piece);
/* The file is complete: an array is closed, no line is open; a text does not say where it goes on. */
bool cut_whole(const struct cut *c);
