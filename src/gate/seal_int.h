#pragma once
/*
 * What the parts of seal share; not for others. seal.c runs a job, seal_event.c reads events, seal_reveal.c their originals,
 * seal_merge.c joins.
 */
#include "codec/asciicast.h"
#include "codec/facts.h"
#include "codec/rrweb.h"
#include "codec/screen.h"
#include "format/id.h"
#include "format/segment.h"
#include "gate/late.h"
#include "gate/seal.h"

/* Where a recording stands between two jobs: a value, so that a job that fails can be forgotten. */
struct seal_at {
    uint32_t next_chunk, reveal_chunk; /* reveal_chunk: of track 1, counted by this process alone */
    uint64_t next_seq, bytes, n_markers;
    time_us seek;
    bool head; /* it is in a segment */

    bool rrweb_begun;
    time_us rrweb_base, rrweb_last;
    bool meta_before; /* the last event was a Meta */
    bool meta_lost;   /* and was not marked, because its segment ended with it: the snapshot after it is the keyframe */

    bool screens; /* still made */
    time_us screen_at;
    uint64_t screen_bytes, out_bytes;
    uint64_t work; /* of screens that were put away */

    struct facts facts;
};

/* The lines of track 1, one after another, in a job. */
struct seal_reveal {
    size_t next;           /* record of the tail that comes next */
    struct khlog_key *key;
    struct buf frame, raw;
    struct span rest;      /* lines of 'raw' that are to come */
    uint64_t seq;          /* the event of the first of them */
    struct buf late;       /* a line that was masked once more */
    struct segment_builder *builder;
    uint32_t seg_no;       /* the builder's */
};

#define SEAL_TRACKS 2

/* Rows of everything sealed so far of a track, without digests. */
struct seal_own {
    struct ipc_row_piece *rows;
    size_t n, cap;
};

struct seal {
    const struct store *store;
    char pid[ID_CAP], rid[ID_CAP];
    uint16_t kn;
    enum importer_kind kind;
    uint32_t next_seg; /* moves on with every file begun, also of jobs that fail: nothing is encrypted twice under a number */

    struct seal_at at;
    struct facts_clickable *clickable; /* of a page; a job that is run again tells it the same */
    struct screen *screen; /* in a job; between two only when output stopped inside a sequence */
    struct buf dump;       /* else what draws it, */
    int cols, rows;        /* on a terminal of that size; 0: none */

    /* of the job that runs */
    struct seal_job *job;
    struct segment_builder *builder;
    uint32_t seg_no; /* the builder's */
    struct seal_reveal reveal;
    struct late marks;       /* late ones of the tail */
    struct buf late;         /* an event that was masked once more, */
    struct buf late_before;  /* and what may be kept of what it was until then; empty: nothing */
    struct asciicast cast;
    struct rrweb rrweb;
    bool meta_waits;
    struct buf meta; /* the Meta event that the next one decides about */
    time_us meta_seek;
    struct buf text; /* decoded output, labels, dumps */
    uint32_t cap_pieces;

    struct seal_own own[SEAL_TRACKS];
};

#define SEAL_TEXT_MAX (16u << 20)

static inline size_t seal_target(const struct seal_job *job)
{
    return job->target_bytes == 0 ? SEGMENT_TARGET_DEFAULT : job->target_bytes;
}

struct khseg_context seal_place(const struct seal *s, uint8_t track, uint32_t seg_no);
const struct secret *seal_key(const struct seal *s, uint8_t track);

/* A builder for the next number, which is used up by it: *ret_no. */
enum err seal_builder(struct seal *s, uint8_t track, const struct segment_options *o, struct segment_builder **ret,
                      uint32_t *ret_no, struct err_info *reterr);

/* Which segment it is. */
struct seal_which {
    uint8_t track;
    uint32_t seg_no, first_chunk;
};
/* The builder's segment goes to the store, its row into the job. Takes the builder in any case. */
enum err seal_put(struct seal *s, struct segment_builder *b, struct seal_which which, struct err_info *reterr);

/* Files of the job go again: it failed. */
void seal_unput(struct seal *s);

/* ---- events ---- */

void seal_events_begin(struct seal *s);
/* The head, then each line of each frame; segments are cut when they are full. */
enum err seal_head(struct seal *s, struct span json, struct err_info *reterr);
enum err seal_frame(struct seal *s, struct span ndjson, struct err_info *reterr);
/* What waits goes out, and the last segment. */
enum err seal_events_end(struct seal *s, struct err_info *reterr);
/* After end or an error; keeps what goes on. */
void seal_events_done(struct seal *s);

/* ---- seal_reveal.c; without a track 1 they do nothing ---- */

void seal_reveal_begin(struct seal *s);
/* The head was sealed: the one before masking, if there is one. */
enum err seal_reveal_head(struct seal *s, struct err_info *reterr);
/* The event s->at.next_seq is about to be sealed. */
enum err seal_reveal_event(struct seal *s, time_us seek, struct err_info *reterr);
enum err seal_reveal_end(struct seal *s, struct err_info *reterr);
void seal_reveal_done(struct seal *s);
