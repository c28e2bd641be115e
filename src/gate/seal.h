#pragma once
/*
 * seal: the tail of one live recording becomes segments (STANDARDS 4.4), and at its end small ones become full ones.
 *
 * Life:    seal_new when the recording is opened or resumed -> seal_run / seal_merge_run / seal_remove_run in workers, one at
 *          a time for a recording -> seal_free. It holds what goes on from seal to seal: event times, the terminal's screen,
 *          numbers of segments and chunks, the rows it made.
 * Track 1: where originals are kept, each event goes into two segments: as it is stored, and its line of track 1 beside it.
 * Threads: the object is touched by its job in a worker and by nobody else meanwhile.
 * Memory:  one segment (target, about 2 MiB beside), one frame; between seals the screen as the text that draws it (a few
 *          KiB), or the screen itself when output stopped inside a sequence.
 * Failure: a job that fails leaves no file, and the object as it was (only its segment numbers move on): run it again later.
 *          Of a file that exists already without a row (a gate died between store_put and PIECE_PUT) the number is taken over.
 */
#include "codec/batch.h"
#include "codec/intake.h"
#include "format/ipc.h"
#include "store/reclog.h"

struct seal;

struct seal_params {
    const struct store *store; /* borrowed */
    struct span project, rid;  /* copied */
    uint16_t kn;
    enum importer_kind kind;
    bool resumed;                  /* by another process before: no screens; times as batch_state_resume says */
    uint32_t next_seg, next_chunk; /* 0, or as INGEST_STATE said */
    uint64_t next_seq, bytes;
    time_us last_us;
    struct batch_times times; /* of a resumed one */
};

/* NULL: no memory, or ids too long. */
struct seal *seal_new(const struct seal_params *p);
struct seal *seal_free(struct seal *s); /* wipes */

struct seal_piece {
    struct ipc_row_piece row; /* row.sha256 points to the next member once seal_rows gave it out */
    uint8_t sha256[32];
};

/* One piece of work for pool_work(pool, loop, seal_run, done, job). */
struct seal_job {
    /* in */
    struct seal *seal;
    const struct secret *rk;  /* borrowed while it runs */
    const struct secret *reveal; /* as rk, of track 1; NULL: there is none */
    struct reclog_tail *tail; /* of seal_run: from the first unsealed event on (reclog_tail); borrowed while it runs */
    struct reclog_tail *reveal_tail; /* as tail, of track 1, taken after it; NULL without 'reveal' */
    uint64_t upto_seq;        /* batches with events from here on stay where they are: their text goes on; 0: all */
    bool unsure;              /* what of the last batch's text may be half of something is masked: nobody will hear how it goes on before it is sealed */
    int zstd_level;           /* store.zstd; 0 = 3 */
    size_t target_bytes;      /* of a segment; 0 = 1 MiB */

    /* out; of an error nothing but these two */
    enum err err;
    struct err_info why;
    struct seal_piece *pieces; /* durable in the store: for one PIECE_PUT, all together */
    uint32_t n_pieces;
    struct ipc_row_number *gone; /* of seal_merge_run: these are replaced */
    uint32_t n_gone;
    uint64_t next_batch; /* of seal_run: the batch after the last one in them: PIECE_PUT, then reclog_sealed */
    uint64_t next_seq;
    uint64_t bytes;  /* event bytes of the recording up to here */
    time_us last_us; /* seek time of the last event */
};

/*
 * Everything in job->tail up to its last whole batch (and below upto_seq) becomes segments; what the tail's late marks say is masked first. No pieces and ERR_OK: the tail held nothing but
 * batches without events and head (next_batch is still right). The job's pieces may be put again and again until the keeper
 * answers; they are the recording's next ones, whatever happens to the tail meanwhile.
 */
void seal_run(void *job);

/*
 * Joins neighbours among what this object sealed that are smaller than half a segment, up to one segment each; chunks keep
 * number and bytes. No pieces: there was nothing to join. An error: everything stays as it is, end without it.
 * After the keeper's DONE to PIECE_PUT{pieces, gone}: seal_remove_run with the same job.
 */
void seal_merge_run(void *job);

/* Removes the files of job->gone. */
void seal_remove_run(void *job);

/* The keeper refused the pieces for good (recording gone): removes their files. */
void seal_undo_run(void *job);

/* Rows for an IPC list, by their numbers, borrowed from the job; NULL and *ret_n = 0: none, or no memory. */
struct ipc_row_piece *seal_rows(struct seal_job *job, struct arena *a, uint32_t *ret_n);

/* Frees what a run gave; the inputs stay. */
void seal_job_reset(struct seal_job *job);
