#pragma once
/*
 * Leases and settlements as leaves (STANDARDS 3.7), and counters rebuilt from them. A lease writes its leaf and nothing
 * else: what was leased under a key is read back from the log.
 */
#include "format/ipc.h"
#include "format/leaf.h"
#include "meta/meta.h"

#define LEASE_RANGES_MAX 16

#define LEASE_LIVE_MAX_S 30 /* STANDARDS 3.7 */

/* False: an unknown kind, a range that ends before it begins, a live lease of no time, too much time or no bytes. */
bool lease_is_valid(const struct ipc_lease *x);

/*
 * replay.leased: n = {from_seq, to_seq, from_ms, to_ms, bytes} and export: 1 for one of an export; for the manifest
 * {manifest: 1}; of what becomes durable in the next seconds of a recording that is being made {from_seq, live_s,
 * max_bytes}; reveal: 1 when what masks took out is shown; and first: index of the first lease of its series, unless this is it. Spans borrow from the message. ERR_INVAL: not lease_is_valid.
 */
NODISCARD enum err lease_leaf(const struct ipc_lease *x, time_ms now, struct leaf *ret, struct err_info *reterr);

/*
 * replay.settled: n = {lease: index of the first lease, from_0, to_0 … from_15, to_15, bytes}; more ranges than 16, or
 * x->more: {lease, all: 1, bytes}.
 */
NODISCARD enum err lease_settle_leaf(const struct ipc_settle *x, time_ms now, struct leaf *ret,
                                     struct err_info *reterr);

/*
 * Bytes leased under a key, from the log's replay.leased leaves of its grant, those stamped before 'after_ms' left out.
 * A live lease counts with its most, whatever was sent: never less than what was served.
 */
NODISCARD enum err lease_bytes(struct meta_view *v, struct span log, struct span gid, struct span jti, time_ms after_ms,
                               uint64_t *ret_bytes, struct err_info *reterr);
