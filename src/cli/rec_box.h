#pragma once
/*
 * The events of `keyhole rec` from the moment they happen until the server has them for good.
 *
 * Life:    rec_box_new -> (rec_box_add | rec_box_cut | rec_box_lines | rec_box_confirm)* -> rec_box_free.
 * Threads: one at a time; the caller's lock.
 * Events have numbers from 0. What was added last is open; rec_box_cut makes a piece of it, which goes into the spool, and only
 * pieces are given to the sender. Pieces stay in memory up to REC_BOX_MEMORY, beyond that they are read back from the spool.
 * What is confirmed is forgotten in both places.
 * Full:    with 'max' bytes waiting (without a spool, or when its disk is full: REC_BOX_MEMORY_MAX) output and input are left
 *          out and counted. Once a quarter is free again a marker event says how much is missing; resizes, markers and the exit
 *          status are always taken.
 */
#include "cli/rec_spool.h"

#define REC_BOX_MEMORY     (4u << 20)
#define REC_BOX_MEMORY_MAX (16u << 20)
#define REC_BOX_PIECE      (256u << 10) /* an open piece is cut by itself at this size */

struct rec_box;

/* spool may be NULL; it stays the caller's. max: bytes that may wait in it. NULL: no memory. */
struct rec_box *rec_box_new(struct rec_spool *spool, uint64_t max);
struct rec_box *rec_box_free(struct rec_box *b);

/* at_us since the recording's start; text is valid UTF-8. */
void rec_box_add(struct rec_box *b, int64_t at_us, char code, struct span text);
void rec_box_cut(struct rec_box *b);
/* The marker for what is missing now, also while it is full: at the end. */
void rec_box_say_gap(struct rec_box *b, int64_t at_us);

bool rec_box_is_open(const struct rec_box *b);      /* events that are in no piece yet */
uint64_t rec_box_count(const struct rec_box *b);    /* events so far = number of the next */
uint64_t rec_box_confirmed(const struct rec_box *b); /* all below this number */
uint64_t rec_box_ready(const struct rec_box *b);    /* all below this number are in pieces */
uint64_t rec_box_waiting(const struct rec_box *b);  /* bytes */
uint64_t rec_box_missing(const struct rec_box *b);  /* events that were left out, all in all */
int64_t rec_box_last_us(const struct rec_box *b);   /* time of the newest event */
/* The spool could not be written: what is new is in memory only. */
bool rec_box_spool_failed(const struct rec_box *b);

/* All events below 'next' are durable on the server. */
void rec_box_confirm(struct rec_box *b, uint64_t next);

/*
 * Appends events from number 'from' (not below what is confirmed) as lines [seconds,"code","text"], whole ones until 'out' holds
 * 'most' bytes, at least one. *ret_next: the number behind the last. ret_size: the last resize among them, else left alone.
 * base_us is taken off each time. ERR_CORRUPT, ERR_IO: the spool cannot be read back.
 */
#define REC_SIZE_CAP 16
NODISCARD enum err rec_box_lines(struct rec_box *b, uint64_t from, int64_t base_us, size_t most, struct buf *out,
                                 uint64_t *ret_next, char ret_size[REC_SIZE_CAP], struct err_info *reterr);
/* The time of event 'n', which is in a piece. */
bool rec_box_time(struct rec_box *b, uint64_t n, int64_t *ret_us);

/* A piece that a spool held, in order: --send-spool. ERR_CORRUPT: it does not continue what is there. */
NODISCARD enum err rec_box_restore(struct rec_box *b, uint64_t at, struct span record, struct err_info *reterr);
