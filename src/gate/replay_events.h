#pragma once
/* What GET events and GET export share: replay_events.c runs both, replay_export.c writes files. Not for others. */
#include "gate/replay.h"

enum format { FORMAT_EVENTS, FORMAT_V2, FORMAT_V3, FORMAT_RRWEB, FORMAT_TEXT };

struct export;

struct events {
    struct lines lines; /* first: lines.c finds it here */
    enum format format;
    int64_t from_ms, to_ms, from_seq;
    struct viewer_read start; /* LOCATE: goes out as `from` */
    bool leased;              /* what is loaded may be sent */
    bool finishing;           /* all events are written; the end line waits for room */
    int64_t last_seq, last_ms;
    struct export *export;
    bool resumed;             /* from_seq > 0: the event before it is read first */
    bool working;             /* a worker writes text */
    bool silent;              /* text: events before from_seq are read, for what they leave on the screen or page; nothing is sent */
    bool finished;
    struct loop_timer wait;   /* for the rate of this key */
};

/* NULL: refused already. */
struct events *events_new(struct replay *r);
/* Status line, headers and first bytes. False: it is over. */
bool events_begin_answer(struct replay *r, const char *mime, const struct http_header *more, size_t n_more, struct span first);
/* Loads what holds the next event, leases it, sends it. */
void events_load(struct replay *r);
/* Runs until the client's queue is full, a chunk has to be fetched, or all is sent. */
void events_pump(struct replay *r);
/* What is loaded is leased, or read silently; or the next is loaded. */
void events_next(struct replay *r);
/* Bytes of the events from 'first' to e->last_seq; wipes them. */
void events_send(struct replay *r, struct buf *out, uint64_t first);

/* ---- replay_export.c ---- */

void export_begin(struct replay *r);
/* The answer begins: under the first lease, which its mark names. False: refused, or it is over. */
bool export_head(struct replay *r);
void export_event(struct replay *r, const struct line *l, struct buf *out);
/* What of the event before matters to a file that goes on. False: more has to be read for it first (text); the rest follows by itself. */
bool export_resume(struct replay *r);
/* Text: all before from_seq was read. */
void export_settle(struct replay *r);
/* Text: is it time to pause? */
bool export_pauses(const struct replay *r);
/* Text: it stops before the next event; the last line says where it goes on. */
void export_pause(struct replay *r, struct buf *out);
void export_text(struct replay *r);
void export_tail(struct replay *r, struct buf *out);
struct export *export_free(struct export *x); /* wipes */
