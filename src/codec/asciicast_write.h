#pragma once
/* Writing asciicast v2 and v3 from what we store: a head (any version's) and events `[absolute seconds, code, data]`. Pure. */
#include "base/times.h"

/*
 * Appends the header line of that version (2 or 3) for a stored head: members that mean the same are carried over (size,
 * timestamp, title, command, env, theme, idle_time_limit), unknown ones are kept. A head of that version is written as it is.
 * With a mark (a JSON value) the header's last member is `keyhole` with it, in place of one that was there.
 * ERR_INVAL: the head is no object, or has no size.
 */
NODISCARD enum err asciicast_write_head(struct span head, int version, struct span mark, struct buf *out);

/*
 * Appends a line of output that is not the recording's, at that time (v2: since the start, v3: since the event before). A blank
 * behind its bracket tells it from recorded events, which have none.
 */
void asciicast_write_mark(time_us at, struct span text, struct buf *out);

/* Appends one v3 event line: the interval since *previous, which becomes this event's time. */
void asciicast_v3_event(struct span event, time_us *previous, struct buf *out);
