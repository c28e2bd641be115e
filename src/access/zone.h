#pragma once
/*
 * Time zones out of the system's own files (TZif, RFC 8536, with the POSIX TZ footer for years after the last
 * transition). Files are read by the caller: here are bytes in, offsets out.
 */
#include "base/arena.h"
#include "base/buf.h"

#define ZONE_NAME_MAX  64
#define ZONE_BYTES_MAX (256 * 1024)

struct zone;

/* Where zones come from: the bytes of "Europe/Berlin" appended to *out. False: there is no such zone. */
struct zone_source {
    bool (*read)(void *ctx, const char *name, struct buf *out);
    void *ctx;
};

/* Letters, digits, '_', '+', '-', parts joined by '/': never a path that leaves its directory. */
bool zone_name_valid(struct span name);

/* Owned by the arena. ERR_CORRUPT: not TZif of version 2 or later, or damaged; ERR_NOMEM. */
NODISCARD enum err zone_parse(struct span tzif, struct arena *arena, const struct zone **ret, struct err_info *reterr);

/* By name; "UTC" needs no file. ERR_NOTFOUND: not a zone of this system. */
NODISCARD enum err zone_load(const struct zone_source *source, struct span name, struct arena *arena,
                             const struct zone **ret, struct err_info *reterr);

/* Seconds east of UTC at a moment (seconds since 1970). */
int32_t zone_offset(const struct zone *z, int64_t at);
