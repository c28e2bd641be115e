#pragma once
/*
 * block: bytes of a recording as they were opened, with what is known of them. Never changed once made, so that those on one loop
 * who may see it share it: the paced streams, those who fetch chunks (shelf.h), those who follow (feed.h).
 *
 * Life:     block_new from what a viewer has read -> block_ref, block_unref -> the last one wipes and frees.
 * Threads:  its loop's. A worker may read the bytes while somebody on the loop holds a reference for it.
 */
#include "gate/viewer.h"

struct block_line {
    uint32_t at, n; /* in bytes, without the newline */
    time_us own;    /* INT64_MIN: it has none */
};

struct block {
    unsigned refs;
    struct list node; /* feed.c */
    time_ms made;
    struct buf bytes; /* NDJSON; stored: one zstd frame; of a manifest: its lists */
    struct segment_chunk meta;
    uint16_t kn;      /* opened by it: only for viewers to whom the vault released that */
    bool stored, revealed; /* as in viewer_read */
    time_us base;     /* of rrweb: the timestamp of time 0 when it was read from events; else 0 */
    uint64_t seq;     /* of a manifest, as in viewer_read: */
    time_us at;
    struct read_ahead ahead;
    uint32_t n_lines; /* of events that are gone through one by one */
    struct block_line lines[];
};

/* Takes r->bytes, which v has read. lines: their places are found. NULL: no memory, r->bytes is wiped and freed. */
struct block *block_new(struct viewer_read *r, const struct viewer *v, bool lines);
struct block *block_ref(struct block *b);
struct block *block_unref(struct block *b); /* takes NULL, returns NULL */
