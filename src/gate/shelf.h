#pragma once
/*
 * shelf: what was opened of one recording, kept for its viewers on one loop, so that a thousand of them decrypt a chunk once.
 *
 * Who:      a block is given only to a viewer to whom the vault released the key number that opened it, under that viewer's own
 *           grant, and it leaves under a lease of his own (viewer_block looks; the shelf knows nobody). What has originals of
 *           masked events in it is never here.
 * Life:     shelf_join when a viewer got his first recording key -> shelf_put, shelf_find -> shelf_leave when his keys are
 *           wiped: at the end of the key, of the grant, of the authority, or after 60 s without use. With the last one the shelf is
 *           emptied and wiped in the same call: plaintext never outlives the last grant that may read it.
 * Memory:   all shelves of a loop have its part of gate.cache less what feeds hold; what was used longest ago goes first, what
 *           nobody used for SHELF_IDLE_MS goes at the next tick. A block over an eighth of the part is not kept. References held
 *           elsewhere (an answer on its way) live on until they are given back, and are wiped then.
 * Threads:  its lane's.
 */
#include "gate/block.h"

#define SHELF_IDLE_MS 60000

enum shelf_kind {
    SHELF_MANIFEST, /* at: events there were (viewer_want.until) */
    SHELF_STORED,   /* at: number of the chunk */
    SHELF_CHUNK,    /* the same, as NDJSON */
    SHELF_EVENTS,   /* at: an event in it */
    SHELF_KINDS_N_,
};

struct shelf;

/* NULL: no memory, nothing is shared then. Each join has its leave. */
struct shelf *shelf_join(struct lane *l, const char *rid);
struct shelf *shelf_leave(struct shelf *s); /* takes NULL, returns NULL */

/* A reference of the caller's, or NULL. */
struct block *shelf_find(struct shelf *s, enum shelf_kind kind, uint64_t at);
/* Takes a reference of its own. Of EVENTS 'at' is the first event. What was there under that number goes. */
void shelf_put(struct shelf *s, enum shelf_kind kind, uint64_t at, struct block *b);

/* Time 0 of the recording, as a block that was put here knows it; 0: none did. */
time_us shelf_base(const struct shelf *s);

/* The recording is gone: nothing of it is served from memory. */
void shelf_forget(struct lane *l, const char *rid);

/* Each second. */
void shelves_tick(struct lane *l);
