#pragma once
/*
 * unpack: push decompressor for what clients send: identity, gzip, deflate, zstd.
 *
 * Life:     new -> step* (or feed*) -> finish -> free. After an error only free is allowed.
 * Threads:  one at a time; no I/O, no clock.
 * Memory:   the decompressor's own window (zlib 32 KiB, zstd up to 1 << zstd_window_log) and 32 KiB for feed.
 * Limits:   out_max bytes in all; out / in <= ratio_max once more than ratio_free bytes came out (ratio_max 0: no
 * rule). Formats:  RFC 1952 (members one after another are accepted), RFC 1950 and 1951 ("deflate" on the web is
 * either; told apart by the zlib header's checksum), RFC 8878 (frames one after another, skippable frames). Errors:
 * ERR_LIMIT: a limit above (unpack_hit says which). ERR_CORRUPT: damaged, truncated, or bytes after the end.
 */
#include "base/buf.h"

enum unpack_codec { UNPACK_IDENTITY, UNPACK_GZIP, UNPACK_DEFLATE, UNPACK_ZSTD };

enum unpack_hit { UNPACK_HIT_NONE, UNPACK_HIT_OUTPUT, UNPACK_HIT_RATIO, UNPACK_HIT_WINDOW };

struct unpack_limits {
    uint64_t out_max;
    uint64_t ratio_free;
    uint32_t ratio_max;
    uint32_t zstd_window_log; /* 10 to 27; 23 (8 MiB) is what RFC 9659 allows as a content coding */
};

/* What `import` uses (STANDARDS 5.1): 16 GiB, ratio 1000 beyond 8 MiB, 8 MiB windows. */
struct unpack_limits unpack_limits_import(void);

struct unpack;

/* NULL: no memory. */
struct unpack *unpack_new(enum unpack_codec codec, const struct unpack_limits *limits);
struct unpack *unpack_free(struct unpack *u);
void unpack_freep(struct unpack **u);

/*
 * Takes bytes off *in and writes at most cap bytes to out; *ret_n is how many. Call again while in->n > 0 or *ret_n ==
 * cap. One call does work in proportion to cap and the bytes taken.
 */
NODISCARD enum err unpack_step(struct unpack *u, struct span *in, uint8_t *out, size_t cap, size_t *ret_n,
                               struct err_info *reterr);

/* All of 'in' through a 32 KiB window; an error of 'sink' ends it and is passed up. */
typedef enum err unpack_sink(void *ctx, struct span out, struct err_info *reterr);
NODISCARD enum err unpack_feed(struct unpack *u, struct span in, unpack_sink *sink, void *ctx, struct err_info *reterr);

/* The input is over: ERR_CORRUPT when it ended inside a stream, or a compressed one was empty. */
NODISCARD enum err unpack_finish(struct unpack *u, struct err_info *reterr);

uint64_t unpack_in(const struct unpack *u);  /* bytes taken so far */
uint64_t unpack_out(const struct unpack *u); /* bytes given so far */
enum unpack_hit unpack_hit(const struct unpack *u);

/*
 * One layer by magic, for files that come without Content-Encoding. 'first' is the first UNPACK_SNIFF_MIN bytes or, if
 * the file is shorter, all of it. ERR_UNSUPPORTED names bzip2, xz, zip and the like.
 */
#define UNPACK_SNIFF_MIN 8
NODISCARD enum err unpack_sniff(struct span first, enum unpack_codec *ret, struct err_info *reterr);

/* A Content-Encoding of one coding ("gzip", "x-gzip", "deflate", "zstd", "identity"; empty = identity), any case. */
bool unpack_by_name(struct span name, enum unpack_codec *ret);
