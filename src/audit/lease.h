#pragma once
/*
 * Leases and settlements as leaves (STANDARDS 3.7), and counters rebuilt from them. A lease writes its leaf and nothing
 * else: what was leased under a key is read back from the log.
 */
#include "format/ipc.h"
#include "format/leaf.h"
#include "meta/meta.h"

#define LEASE_RANGES_MAX 16

/*
 * replay.leased: n = {from_seq, to_seq, from_ms, to_ms, bytes} and export: 1 for one of an export; for the manifest
 * {manifest: 1}. Spans borrow from the message. ERR_INVAL: a range that ends before it begins.
 */
NODISCARD enum err lease_leaf(const struct ipc_lease *x, time_ms now, struct leaf *ret, struct err_info *reterr);

/*
 * replay.settled: n = {lease: index of the first lease, from_0, to_0 … from_15, to_15, bytes}; more ranges than 16, or
 * x->more: {lease, all: 1, bytes}.
 */
NODISCARD enum err lease_settle_leaf(const struct ipc_settle *x, time_ms now, struct leaf *ret,
                                     struct err_info *reterr);

/* Bytes leased under a key so far, from the log's replay.leased leaves of its grant. */
NODISCARD enum err lease_bytes(struct meta_view *v, struct span log, struct span gid, struct span jti,
                               uint64_t *ret_bytes, struct err_info *reterr);
