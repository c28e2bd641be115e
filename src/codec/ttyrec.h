#pragma once
/*
 * ttyrec: frames of a little-endian header (u32 seconds, u32 µs, u32 length; in NLE's variants a channel byte more) and
 * that many bytes of output. No magic: recognised by headers that follow each other.
 * Format: docs/formats/import.md. Memory: one frame's header; payloads are passed on as they come.
 */
#include "codec/reader.h"

#define TTYREC_FRAME_MAX (16u << 20)

/* 12 or 13: the header's size, when these first bytes of a file are one; 0 when they are not. 'whole': there is no more. */
int ttyrec_sniff(struct span first, bool whole);

/* NULL: no memory. 'out' outlives the reader. */
struct reader *ttyrec_new(struct castout *out, int header);
