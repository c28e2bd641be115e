#pragma once
/*
 * bundle: a tar that holds the files of one recording: a sudo I/O log, script's typescript with its timing file, asciicast
 * v0. Which one, and which member is what, is said in docs/formats/import.md.
 *
 * Members are held as they come (compressed, when they are) until facts, timing and all streams that the timing speaks of are
 * there; the last stream is not held but read as it comes. Memory: 'hold' for everything that is held, ERR_LIMIT "held-files".
 */
#include "codec/reader.h"
#include "codec/unpack.h"

#define BUNDLE_HOLD (64u << 20)

/* 'limits' hold for each compressed member. NULL: no memory. 'out' outlives the reader. */
struct reader *bundle_new(struct castout *out, size_t hold, const struct unpack_limits *limits);

/* "sudo-iolog", "script", "asciicast-v0"; NULL until it is known. */
const char *bundle_format(const struct reader *r);
