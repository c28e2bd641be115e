#pragma once
/*
 * reader: the pieces of one recording for one viewer, in workers: opens segments, keeps their indexes, fetches chunks.
 *
 * Life:     reader_new from KEY_FACTS (copies what it needs) -> reader_run, one at a time, in any thread -> reader_free.
 * Memory:   an index for each segment that was touched; at most VIEWER_OPEN_FILES open files.
 */
#include "gate/viewer.h"

struct reader;

/* NULL: no memory, or the pieces do not fit together (chunks dense, numbers rising). */
struct reader *reader_new(const struct store *store, const char *pid, const char *rid, const struct ipc_key_facts *m,
                          uint64_t memory_max);
struct reader *reader_free(struct reader *r);

/* The wrap of the recording's main track. False: it has none. Borrowed. */
bool reader_wrap(const struct reader *r, uint16_t *ret_kn, uint32_t *ret_epoch, struct span *ret_wrap);

/* Does what 'want' says with this recording key; fills *ret (its buf is there already). */
void reader_run(struct reader *r, const struct secret *rk, const struct viewer_want *want, struct viewer_read *ret);
