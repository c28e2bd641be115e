#pragma once
/*
 * feed: one recording that is being followed on one loop, whoever follows it there.
 *
 * It hears from the log when something became durable, and from the keeper whether there will be more when the recording is
 * not written by this process (yet, or any more). It keeps the last events that a follower opened, so that thousands of
 * followers decrypt and decompress a record once; a block is given only to a viewer to whom the vault released the same key
 * number, and who sends it under a lease of his own.
 *
 * Life:     feed_join with the first follower -> feed_leave with the last one: what it kept is wiped.
 * Threads:  its lane's.
 * Memory:   FEED_BYTES of blocks, all feeds of a loop its part of gate.cache; none older than FEED_KEPT_MS.
 * Held:     followers hear of what the log shows (reclog_hold), and blocks end there. When a late mark becomes durable the blocks that were opened before
 *           go, those that are being opened are not kept, and followers open what is before them again (feed_marked).
 * Followers are woken in portions, so that no turn of the loop is held up by thousands of them.
 */
#include "gate/replay.h"

#define FEED_BYTES   (4u << 20)
#define FEED_KEPT_MS 10000

struct feed;

struct feed_member {
    struct list node, wake;
    struct feed *feed; /* NULL: not in one */
    struct viewer *viewer;
    uint64_t marked; /* feed_marked when it began to open a block */
    void (*fn)(void *ctx); /* there is news, or what it waited for is loaded; may leave */
    void *ctx;
};

/* events, live: what is known of the recording now (viewer_extent). ERR_NOMEM. */
NODISCARD enum err feed_join(struct lane *l, struct feed_member *m, uint64_t events, bool live,
                             struct err_info *reterr);
void feed_leave(struct feed_member *m); /* safe twice */

/* Events that are durable. */
uint64_t feed_next(const struct feed_member *m);
/* Grows with the late marks: what was opened before is not what would be opened now. */
uint64_t feed_marked(const struct feed_member *m);
/* No more will come. */
bool feed_over(const struct feed_member *m);
/* How long ago the event became durable, at least, in ms; 0: it is not. */
int64_t feed_age(const struct feed_member *m, uint64_t seq);

/* The block with this event, a reference of the caller's. NULL: it is not here, or not for this viewer: what it opens from now on it may put. */
struct block *feed_take(struct feed_member *m, uint64_t seq);
/* True: load it, and say feed_loaded. False: somebody is about to; fn is called then. */
bool feed_claim(struct feed_member *m, uint64_t seq);
/* b: NULL when it failed. Wakes those who wait. The feed may have been left meanwhile. */
void feed_loaded(struct feed_member *m, struct block *b);
/* A block that was not claimed. */
void feed_put(struct feed_member *m, struct block *b);

/* Each second: old blocks go. */
void feeds_tick(struct lane *l);
