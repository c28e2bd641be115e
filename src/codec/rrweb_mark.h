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

/*
 * Appends a mutation that puts the text at the foot of the page, where the page's own style cannot hide it. snapshot: the full snapshot event that it
 * follows. seed: by chance, for the numbers of our nodes, so that no recording can name (and remove) them. False: it has no body
 * (an XML document, say), nothing was appended.
 */
bool rrweb_write_overlay(struct span snapshot, time_ms at, struct span text, uint32_t seed, struct buf *out);
