#pragma once
/*
 * Server-sent events (HTML Living Standard 9.2.6) out of bytes that come in any pieces.
 *
 * Life:   sse_init -> (sse_feed -> sse_next*)* -> sse_deinit.
 * Taken:  LF, CR LF and CR; a byte order mark at the start; comments; data in several lines, joined by LF; unknown fields.
 *         An event whose blank line has not come is not given: a stream that was cut ends without it.
 * Limit:  'max' bytes of one event.
 */
#include "base/buf.h"

struct sse_event {
    struct span name; /* "" when there was none */
    struct span data;
    struct span id;   /* the last one given, also by events before; "" when none */
    bool has_id;      /* this event has one of its own */
};

struct sse {
    struct buf in;   /* not yet read */
    struct buf data, name, id;
    size_t at, searched; /* taken so far; beyond it, bytes known to hold no line end */
    bool begun, has_data, has_id, cr, given, failed;
    int64_t retry_ms; /* -1: not said */
    uint64_t comments;
};

void sse_init(struct sse *s, size_t max);
void sse_deinit(struct sse *s);
/* For the next connection: forgets what is half read, keeps the id. */
void sse_restart(struct sse *s);

/* False: an event is larger than the limit. */
bool sse_feed(struct sse *s, struct span bytes);

/* The next whole event, borrowed until the next call on s. False: none yet. */
bool sse_next(struct sse *s, struct sse_event *ret);
