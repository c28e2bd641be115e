#pragma once
/*
 * reader: one recording for one viewer, in workers: the pieces that the keeper named (KHSEG1, KHSPL1), then the tail, which
 * lies in the log of this process while the recording is being made.
 *
 * Life:     reader_new from KEY_FACTS (copies what it needs) -> reader_run, one at a time, in any thread -> reader_update when
 *           there are fresh pieces (never during a run) -> reader_free.
 * Order:    events are found by number: in the pieces known, else in the tail, else there are pieces we do not know yet. A
 *           merge at the end changes pieces, never events or numbers of chunks.
 * Times:    what has no times in clear (KHSPL1, the tail) gets them when it is opened: max(own, the event before). What comes
 *           later is clamped by that.
 * Masks:    a reader that unmasks puts originals (track 1) in the place of masked events and of the head, wherever they are kept:
 *           same events, same numbers, same times; screens of terminals are made of them (reader_screen.c), markers and what the index says stay masked.
 * Memory:   an index for each piece that was touched; at most VIEWER_OPEN_FILES open files, none after a look for a place.
 */
#include "gate/viewer.h"

struct reader;
struct reclog;
struct looks;

/* Recording keys (track 0) and reveal keys (1) that the vault released to this viewer. */
struct reader_key {
    uint16_t kn;
    uint8_t track;
    const struct secret *rk;
};

struct reader_keys {
    const struct reader_key *keys;
    size_t n;
};

/*
 * NULL: no memory, or the pieces do not fit together (chunks dense, numbers rising). log: NULL when there is none. looks: what readers
 * of the recording share, NULL: nothing. unmask: the viewer's key says so.
 */
struct reader *reader_new(const struct store *store, struct reclog *log, struct looks *looks, const char *pid, const char *rid,
                          bool unmask, const struct ipc_key_facts *m);
struct reader *reader_free(struct reader *r);

/* Fresh pieces and keys; what is open of a piece that stays is kept. False: as reader_new's NULL; old ones stay, or none. */
bool reader_update(struct reader *r, const struct ipc_key_facts *m);

/* Events in the pieces that are known. */
uint64_t reader_sealed(const struct reader *r);

/* The wrap of a key number, borrowed. The lowest number there is, of the main track. False: there is none. */
bool reader_wrap(const struct reader *r, uint16_t kn, uint8_t track, uint32_t *ret_epoch, struct span *ret_wrap);
bool reader_first_kn(const struct reader *r, uint16_t *ret_kn);

/* Does what 'want' says with these keys; fills *ret (its buf is there already). ret->need: what is missing to do it. */
void reader_run(struct reader *r, const struct reader_keys *keys, const struct viewer_want *want,
                struct viewer_read *ret);

/*
 * The same without waiting for anything, for a loop: LOCATE of the beginning, and a chunk or its events out of a segment whose
 * index is open, whose pages are in memory, of at most READ_AT_HAND_MAX bytes. False: a worker has to do it; nothing was done.
 */
bool reader_run_at_hand(struct reader *r, const struct reader_keys *keys, const struct viewer_want *want,
                        struct viewer_read *ret);
/* What another reader of the recording has read from its events: the timestamp of time 0. */
void reader_know_base(struct reader *r, time_us base);

/*
 * The same for EVENTS that are new in the log and few bytes, in well under a millisecond: for a loop. False: not such a
 * one, nothing was done.
 */
bool reader_run_newest(struct reader *r, const struct reader_keys *keys, const struct viewer_want *want,
                       struct viewer_read *ret);

/* An event's own time since the recording's start. base: of rrweb, the timestamp that is time 0. False: it has none. */
bool reader_event_time(bool terminal, time_us base, struct span json, time_us *ret);
