#pragma once
/*
 * Marks in a file of rrweb events (PEERS 5.5) that is given away: events of ours, in rrweb's own terms, between the recorded ones.
 * Each begins with a blank behind its brace and has a member `keyhole`: recorded events, which are minified, have no such blank.
 * Pure.
 */
#include "base/buf.h"
#include "base/times.h"

/* Appends a custom event with the tag `keyhole.export` and the mark (a JSON value) as its payload. */
void rrweb_write_mark(time_ms at, struct span mark, struct buf *out);

/* Where it is. */
struct rrweb_overlay {
    int64_t parent, own; /* numbers of nodes; own 0: there is none */
};

/*
 * Appends a mutation that puts the text at the foot of the page, where the page's own style cannot hide it. snapshot: the full snapshot event that it
 * follows. seed: by chance, for the numbers of our nodes, so that no recording can name (and remove) them. False: it has no body
 * (an XML document, say), nothing was appended.
 */
bool rrweb_write_overlay(struct span snapshot, time_ms at, struct span text, uint32_t seed, struct rrweb_overlay *ret, struct buf *out);

/* May the event open a modal dialog? What is opened last is on top: rrweb_move_overlay is due. */
bool rrweb_covers_overlay(struct span event);
/* Appends a mutation that takes it away and puts it on top again, under other numbers. */
void rrweb_move_overlay(struct rrweb_overlay *io, time_ms at, struct span text, struct buf *out);
