#pragma once
/* Numbers from text, strictly: digits only, no sign unless said, no white space, no overflow. */
#include "base/span.h"

bool num_u64(struct span s, uint64_t max, uint64_t *ret);
bool num_i64(struct span s, int64_t *ret); /* optional leading '-' */

/* "30s", "15min", "30m", "8h", "1d", "250ms" to milliseconds. No unit is refused. Limit: 10 years. */
bool num_duration_ms(struct span s, int64_t *ret_ms);

/* "16KiB", "1MiB", "4GiB", "512B". */
bool num_bytes(struct span s, uint64_t *ret);
