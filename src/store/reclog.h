#pragma once
/*
 * The log of a gate process: what its live recordings have acknowledged and no piece holds yet
 * (STANDARDS 4.3, docs/formats/log.md). DIR/log/<file_no>.khl, mode 0600.
 *
 * One writer thread numbers, encrypts and writes; one fdatasync per group, over all recordings. An idle log syncs at
 * once; what arrives during a sync shares the next one. A file is never continued: each process (and each rotation)
 * begins the next number, with a fresh salt for each recording in it.
 *
 *   reclog_open -> reclog_begin -> reclog_append* … reclog_sealed* -> reclog_end -> reclog_free
 *
 * Tracks:   0 is the recording, 1 what masks took out of it, under a key of its own (only if it began with one): the same events
 *           under the same numbers, a batch's records of both in one write, durable together or not at all.
 *
 * Failure:  full disk: the appends of that group fail with ERR_NOSPC, their numbers are burnt, later ones work again.
 *           A failing sync, or any other error of the disk: options.fatal, and the process has to end (STANDARDS 3.4).
 * Threads:  reclog_open, reclog_free: any. A struct reclog_rec belongs to the loop given to reclog_begin: calls on it come
 *           from there, its callbacks go there. Tails and recovery: any thread (they read the disk: workers).
 *           follow/unfollow: the follower's loop.
 */
#include "base/times.h"
#include "format/khlog.h"
#include "loop/loop.h"
#include "store/store.h"

struct reclog;
struct reclog_rec; /* one recording that this process writes */

/* The disk below, for tests that break it. Each returns 0 or an errno; called on the writer's thread. */
struct reclog_io {
    int (*write)(void *ctx, uint32_t file_no, int fd, uint64_t at, struct span bytes); /* all of it */
    int (*sync)(void *ctx, uint32_t file_no, int fd);
    int (*truncate)(void *ctx, uint32_t file_no, int fd, uint64_t size);
    void (*removing)(void *ctx, uint32_t file_no); /* tells only */
    void *ctx;
};

struct reclog_options {
    const char *dir;       /* DIR; DIR/log is made */
    uint64_t file_bytes;   /* 0 = 64 MiB */
    uint64_t total_bytes;  /* 0 = 256 MiB: above, recordings in the oldest files are pressed */
    time_ms old_ms;        /* 0 = 10 min: a file that old is not written any more, and recordings in it are pressed */
    size_t queue_bytes;    /* 0 = 64 MiB of frames that wait or are being written */
    size_t cache_bytes;    /* 0 = 4 MiB of newest records kept in memory (encrypted) for followers; SIZE_MAX: none */
    size_t max_recordings; /* 0 = 20,000 */

    /* The disk failed: from now on nothing is acknowledged. Called once, on the writer's thread; meant to end the process. */
    void (*fatal)(void *ctx, const struct err_info *why);
    void *fatal_ctx;

    const struct reclog_io *io; /* NULL: the system's; borrowed */
};

/* Makes the directory. Files of earlier processes stay as they are: see recovery below. ERR_IO, ERR_NOMEM, ERR_LIMIT. */
NODISCARD enum err reclog_open(const struct reclog_options *o, struct reclog **ret, struct err_info *reterr);

/*
 * Writes and syncs what is queued, then stops the thread. Recordings that are not ended are ended, but their handles,
 * followers and tails are still to be given back, which may happen later. What is unsealed stays for recovery, files that
 * nobody needs go. Callbacks that are under way come when their loops turn; the loops must live. Takes NULL, returns NULL.
 */
struct reclog *reclog_free(struct reclog *l);

/* ---- writing ---- */

struct reclog_begin {
    struct span project, rid;
    uint16_t kn;
    struct span wrap;        /* at most 255 bytes, copied */
    const struct secret *rk; /* borrowed until reclog_end */
    struct span reveal_wrap;     /* of track 1, as wrap; with reveal NULL there is no track 1 */
    const struct secret *reveal; /* as rk */
    uint64_t next_seq;       /* of the first event that will come: 0, or where an earlier process stopped */
    uint64_t next_batch;
    struct loop *loop;

    /*
     * This recording holds back a file that has to go: seal what is unsealed now, whatever its size. On the loop, at most
     * once per file. May be NULL.
     */
    void (*press)(void *ctx);
    void *ctx;
};

/* Writes nothing. ERR_EXISTS: rid is being written. ERR_LIMIT: too many recordings. ERR_INVAL, ERR_NOMEM. */
NODISCARD enum err reclog_begin(struct reclog *l, const struct reclog_begin *b, struct reclog_rec **ret,
                                struct err_info *reterr);

/* A zstd frame: events from first_seq on as NDJSON, or the head or marks (n_events 0). Borrowed until 'done'. */
struct reclog_frame {
    struct span zstd;
    uint64_t first_seq; /* the head's, of marks: the next event's */
    uint32_t n_events;
    bool is_head;
    uint8_t track;
    uint8_t marks; /* KHLOG_LATE or KHLOG_UNSURE; 0: it holds none */
};

/*
 * e: ERR_OK (durable); ERR_NOSPC, ERR_NOMEM, ERR_AGAIN (no file can be opened): try the batch again later; ERR_IO: the log
 * is dead.
 */
typedef void (*reclog_done)(void *ctx, enum err e);

/*
 * All frames of one batch, in order; n = 0 is a batch without events, which takes a record too. Where there is a track 1 its
 * frames stand first and hold as many events as those of track 0. The array is copied, the bytes are not: they stay until 'done'
 * came on the recording's loop (never inside this call).
 * Several batches may be under way; when one fails, those after it fail too, and the failed one comes next.
 * ERR_AGAIN: the queue is full. ERR_INVAL: batch_seq is lower than the next one, first_seq is not the next event, tracks that
 * do not fit together, a frame over KHLOG_FRAME_MAX. ERR_IO: the log is dead. ERR_CLOSED: reclog_free was called. ERR_NOMEM. On an error 'done'
 * does not come.
 */
NODISCARD enum err reclog_append(struct reclog_rec *r, uint64_t batch_seq, const struct reclog_frame *frames, size_t n,
                                 reclog_done done, void *ctx, struct err_info *reterr);

/*
 * Of the next append: once it is durable, followers are told of events below seq only (and of those in pieces), whatever else is durable. It holds until
 * the append after it is durable, reclog_show, or the end. UINT64_MAX: of all. Tails show everything always.
 */
void reclog_hold(struct reclog_rec *r, uint64_t seq);
void reclog_show(struct reclog_rec *r);

/* What is durable and in no piece, of track 0. The time is of CLOCK_BOOTTIME: about when the oldest of it became durable; 0: nothing. */
struct reclog_unsealed {
    uint64_t bytes; /* of frames */
    uint64_t n_records;
    time_ms since;
};
void reclog_unsealed(const struct reclog_rec *r, struct reclog_unsealed *ret);

/*
 * The keeper has pieces for every batch below next_batch: cuts the tail, writes a close record (not synced by itself),
 * and files that nobody needs go. UINT64_MAX: all of it, for a recording that is thrown away.
 */
void reclog_sealed(struct reclog_rec *r, uint64_t next_batch);

/*
 * Ends the writing: followers hear 'ended', the tail is gone. What was not sealed stays in its file until recovery at the
 * next start. Appends under way are dropped or waited for, and their 'done' does not come: call it when all came. NULL is
 * fine; returns NULL.
 */
struct reclog_rec *reclog_end(struct reclog_rec *r);

struct reclog_stats {
    uint64_t appends, records, bytes; /* durable ones */
    uint64_t groups, syncs, failed;   /* failed: appends that got ERR_NOSPC */
    uint32_t files;                   /* of this process, now on disk */
    uint64_t file_bytes;
    uint32_t recordings;
    size_t queued_bytes, cached_bytes;
};
void reclog_stats(struct reclog *l, struct reclog_stats *ret);

/* ---- tails: what is durable and in no piece yet ---- */

struct reclog_record {
    uint64_t first_seq, batch_seq;
    uint32_t n_events;
    uint32_t flags; /* enum khlog_flag */
    uint32_t len;   /* bytes of its zstd frame */
};

/* A snapshot; it keeps its files open, also when they are unlinked meanwhile. One thread at a time. */
struct reclog_tail {
    uint16_t kn;
    uint8_t track;
    bool growing;        /* a recorder may still add: follow it */
    uint64_t next_seq;   /* after everything durable, also when the snapshot was cut at max_records */
    uint64_t shown_seq;  /* followers are told of events below (reclog_hold) */
    uint64_t next_batch;
    uint64_t sealed_seq; /* events below are in pieces */
    size_t n;
    const struct reclog_record *records; /* in order */
};

/*
 * Records that hold events from from_seq on (and, when from_seq is 0, the head), at most max_records of them (0 = all).
 * Whoever looks at pieces as well takes the tail first and asks for pieces then, and passes over what is in both.
 * ERR_NOTFOUND: this process does not write it. ERR_NOMEM.
 */
NODISCARD enum err reclog_tail(struct reclog *l, struct span rid, uint64_t from_seq, size_t max_records,
                               struct reclog_tail **ret, struct err_info *reterr);
/* The same of track 1. ERR_NOTFOUND: also of a recording without one. One taken after a tail of track 0 has all of its batches. */
NODISCARD enum err reclog_tail_reveal(struct reclog *l, struct span rid, uint64_t from_seq, size_t max_records,
                                      struct reclog_tail **ret, struct err_info *reterr);
/* Of track 0 only the records with KHLOG_LATE that may speak of events from from_seq on. */
NODISCARD enum err reclog_tail_late(struct reclog *l, struct span rid, uint64_t from_seq, struct reclog_tail **ret,
                                    struct err_info *reterr);
struct reclog_tail *reclog_tail_free(struct reclog_tail *t);
void reclog_tail_freep(struct reclog_tail **t);

/*
 * Appends the zstd frame of record i to *out (nothing for an empty batch). rk: the key that the vault released for kn, or
 * the owner's own. *key: NULL at first; keeps what was derived between calls, also over several tails of the recording
 * (it changes with each log file); the caller frees it with khlog_key_free when rk goes, or after an error.
 * Reads memory or the disk: small records that are new are in memory. ERR_CORRUPT: another key, or damage. ERR_IO.
 */
NODISCARD enum err reclog_tail_read(struct reclog_tail *t, size_t i, const struct secret *rk, struct khlog_key **key,
                                    struct buf *out, struct err_info *reterr);

/* ---- following ---- */

struct reclog_news {
    uint64_t next_seq, next_batch; /* after everything durable; next_seq: and shown (reclog_hold) */
    uint64_t sealed_seq;           /* grows: pieces changed */
    uint64_t marked;               /* grows: late marks came, events that were read before may look otherwise */
    bool ended;                    /* the last call */
};

/*
 * Called on the follower's loop after something became durable or sealed, or at the end; several changes may come as one.
 * It carries no bytes: take a tail from your own cursor. It may unfollow (itself or others) and follow.
 */
typedef void (*reclog_follow_fn)(void *ctx, const struct reclog_news *news);

struct reclog_follower;

/* *ret_now: the state at this moment; what changes later comes by fn. ERR_NOTFOUND: this process does not write it. */
NODISCARD enum err reclog_follow(struct reclog *l, struct span rid, struct loop *loop, reclog_follow_fn fn, void *ctx,
                                 struct reclog_follower **ret, struct reclog_news *ret_now, struct err_info *reterr);
/* fn is not called any more. Also after 'ended'. NULL is fine; returns NULL. */
struct reclog_follower *reclog_unfollow(struct reclog_follower *f);

/* ---- recovery: files of earlier processes; no key ---- */

struct reclog_recovery;

/* What one file has of one recording: whole batches in order. Spans live until reclog_recovery_free. */
struct reclog_found {
    struct span project, rid, wrap;
    uint16_t kn;
    uint8_t track;
    uint32_t file_no, local;
    uint64_t first_seq, next_seq;     /* events */
    uint64_t first_batch, next_batch; /* next_batch: after the last batch that ends here */
    uint32_t n_records;
    bool unsure;                      /* the last batch has a record with KHLOG_UNSURE */
};

/*
 * Reads every file that is older than this log. Torn tails are cut at the first bad CRC; batches whose last record is
 * missing are dropped, in track 1 also those that track 0 has not; what a failed write left behind and was written again
 * counts once. Files that hold nothing are removed at once. *ret: sorted by rid, key number and track, then in the order of
 * writing. Memory: 40 bytes a record.
 * Blocks: run it in a worker. ERR_IO, ERR_NOMEM.
 */
NODISCARD enum err reclog_recover_scan(struct reclog *l, struct reclog_recovery **ret, struct err_info *reterr);
struct reclog_recovery *reclog_recovery_free(struct reclog_recovery *v);
void reclog_recovery_freep(struct reclog_recovery **v);

size_t reclog_recovery_n(const struct reclog_recovery *v);
const struct reclog_found *reclog_recovery_at(const struct reclog_recovery *v, size_t i); /* NULL: none */
uint64_t reclog_recovery_torn(const struct reclog_recovery *v); /* bytes cut at ends of files */

/* A piece of kind KHSPL_KIND, durable in the store. */
struct reclog_piece {
    uint64_t size;
    uint8_t sha256[32];
    uint64_t first_seq, n_events;
    uint64_t next_batch;
    uint32_t n_chunks; /* its data records */
};

/*
 * Writes what found[i] has from have_next_seq and have_next_batch on (what the keeper's pieces hold) as one KHSPL1 file
 * at p (*p is kept by store_put's rules). ERR_NOTFOUND: there is nothing more in it, nothing was written.
 * ERR_INVAL: events between the pieces and this are missing. ERR_EXISTS, ERR_NOSPC, ERR_IO as store_put; ERR_NOMEM: up to
 * 64 MiB are held in memory.
 * Several found[] of one recording: write them in order, each with the *ret of the one before.
 */
NODISCARD enum err reclog_recover_write(const struct reclog_recovery *v, size_t i, uint64_t have_next_seq,
                                        uint64_t have_next_batch, const struct store *store,
                                        const struct store_piece *p, struct reclog_piece *ret,
                                        struct err_info *reterr);

/*
 * found[i] is in pieces that the keeper has, or its recording is gone: a file goes when this was said of everything in it.
 * Saying it twice is harmless. ERR_IO.
 */
NODISCARD enum err reclog_recover_done(struct reclog_recovery *v, size_t i, struct err_info *reterr);
