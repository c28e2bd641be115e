#pragma once
/*
 * Late marks of a live terminal's log (codec/intake.h, docs/formats/log.md): what of its events belongs to a match that a later batch completed. They are
 * in records of their own; whoever opens events of the log, or of what recovery kept of one, applies them first.
 *
 * Life:    late_init -> late_read* -> late_sort -> (late_event, late_lines)* -> late_deinit.
 * Threads: one at a time.
 */
#include "codec/intake.h"

struct late {
    struct buf marks; /* struct intake_late */
};

/* Where originals are shown, or kept: only marks whose original was not to be kept count. */
enum late_which { LATE_ALL, LATE_DROPPED };

void late_init(struct late *l);
void late_deinit(struct late *l);

/* 'frame' of a record with KHLOG_LATE or KHLOG_UNSURE. ERR_CORRUPT, ERR_NOMEM. */
NODISCARD enum err late_read(struct late *l, struct span frame, struct err_info *reterr);
void late_sort(struct late *l);
bool late_any(const struct late *l);

/* The event with its marks masked, into *out (reset first). *ret_masked false: there were none, *out is empty. */
NODISCARD enum err late_event(const struct late *l, enum late_which which, uint64_t seq, struct span json, struct buf *out,
                              bool *ret_masked, struct err_info *reterr);
/* *io holds the NDJSON of events from 'first' on; lines of track 1 that are `0` stay. */
NODISCARD enum err late_lines(const struct late *l, enum late_which which, uint64_t first, struct buf *io, struct err_info *reterr);
