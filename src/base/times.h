#pragma once
/* Times as numbers and text; nothing here reads a clock (os/clock.h does). */
#include "base/buf.h"

typedef int64_t time_ms; /* milliseconds: since 1970-01-01T00:00:00Z where it is a wall time */
typedef int64_t time_us; /* microseconds, of recordings: since their start */

#define TIME_RFC3339_LEN 24 /* 2026-11-02T09:15:00.123Z */

/* Writes RFC 3339 UTC with milliseconds, NUL-terminated. Years 1970 to 9999; outside they are clamped. */
void time_rfc3339(time_ms t, char out[TIME_RFC3339_LEN + 1]);

/* Takes RFC 3339 with any offset and 0 to 9 fraction digits (cut to ms). */
bool time_parse_rfc3339(struct span s, time_ms *ret);
