#pragma once
/*
 * One zstd frame (RFC 8878) as it is stored and sent: with content size, without checksum and dictionary, window at most
 * 8 MiB, which is what browsers take as a content coding (RFC 9659).
 *
 * Threads: a writer belongs to one thread at a time; reading may be done by any number of them (each
 * keeps one decompressor, freed when it ends: making one costs more than a small frame).
 */
#include "base/buf.h"

#define ZFRAME_LEVEL_MAX 19

struct zframe_writer;

/* level 1 to 19. NULL: no memory, or another level. Memory: about 1.5 MiB at level 3. */
struct zframe_writer *zframe_writer_new(int level);
struct zframe_writer *zframe_writer_free(struct zframe_writer *w); /* takes NULL, returns NULL */
void zframe_writer_freep(struct zframe_writer **w);

/* Appends one frame of 'raw' to *out. ERR_LIMIT: out is full. ERR_NOMEM: zstd has no memory. */
NODISCARD enum err zframe_write(struct zframe_writer *w, struct span raw, struct buf *out, struct err_info *reterr);

/*
 * The same for something short (tens of KB), packed as well as levels from 14 on do it, whatever the writer's level: for text of a terminal a tenth
 * less than level 9, which takes 0.8 ms for 26 KB more (docs/performance.md, Stored size).
 */
NODISCARD enum err zframe_write_short(struct zframe_writer *w, struct span raw, struct buf *out, struct err_info *reterr);

/*
 * How many bytes 'raw' would pack to at level 3 with 'before' in reach (empty: alone; they do not overlap). For comparing the two: it is quick, and neither is
 * a frame of ours. ERR_NOMEM.
 */
NODISCARD enum err zframe_guess(struct zframe_writer *w, struct span before, struct span raw, size_t *ret, struct err_info *reterr);

/*
 * Appends the n_raw bytes of exactly one frame to *out. ERR_CORRUPT: not one frame, another content size, or damaged
 * (*out is as before); ERR_LIMIT: out is full. Takes about 160 KiB of heap for its duration.
 */
NODISCARD enum err zframe_read(struct span frame, size_t n_raw, struct buf *out, struct err_info *reterr);

/* The content size that a frame names. ERR_CORRUPT: no frame, none named, or more than max. */
NODISCARD enum err zframe_size(struct span frame, size_t max, size_t *ret, struct err_info *reterr);
