#pragma once
/*
 * bundle: a tar that holds the files of one recording: a sudo I/O log, script's typescript with its timing file, asciicast
 * v0. Which one, and which member is what, is said in docs/formats/import.md.
 *
 * Members are held as they come (compressed, when they are) until facts, timing and all streams that the timing speaks of are
 * there; the last stream is not held but read as it comes. Memory: 'hold' for everything that is held, ERR_LIMIT "held-files".
 *
 * What compressed members come to counts together: so that an archive in an archive is no way around the limits of one.
 */
#include "codec/reader.h"
#include "codec/unpack.h"

#define BUNDLE_HOLD   (64u << 20)
#define BUNDLE_TIMING (UINT64_C(1) << 30)

struct bundle_limits {
    size_t hold;
    uint64_t timing;             /* bytes of the timing file, unpacked: it is read before anything plays. "timing-size" */
    struct unpack_limits unpack; /* out_max of all compressed members together: "unpacked-size" */
    const uint64_t *wire;        /* bytes that were sent so far; with the tar's own packing ratio_max is of these: "ratio". NULL: not known */
};

/* NULL: no memory. 'out' and 'wire' outlive the reader. */
struct reader *bundle_new(struct castout *out, const struct bundle_limits *limits);

/* "sudo-iolog", "script", "asciicast-v0"; NULL until it is known. */
const char *bundle_format(const struct reader *r);
