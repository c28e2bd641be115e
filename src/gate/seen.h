#pragma once
/*
 * The proofs that were used (RFC 9449 11.1): one set of fixed size in the gate, for all its loops.
 *
 * Two generations of open addressing with keyed hashes of 8 bytes. A proof is good for SEEN_SPAN_S at most (its nonce's age),
 * so what was entered in the generation before last cannot come again, and a generation is emptied when it is that old. Nothing
 * is ever evicted before: a full set refuses. Sized for 10,000 proofs a second. Memory is touched only when it is used, and
 * given back when a generation is emptied.
 *
 * The set is lost with the gate; so is the key of its nonces, and with it every proof that was made before.
 *
 * Threads: any; one lock for each of the shards.
 */
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

#define SEEN_SPAN_S    120
#define SEEN_SHARDS    16
#define SEEN_SHARD_MAX 98304u /* entries of one shard and generation: three quarters of its slots */

struct seen;

enum seen_verdict { SEEN_NEW, SEEN_BEFORE, SEEN_FULL };

NODISCARD enum err seen_new(struct seen **ret, struct err_info *reterr);
struct seen *seen_free(struct seen *s); /* takes NULL, returns NULL */

/* hash: keyed, of whatever identifies the proof. now_s: of a clock that never goes back (it is taken as standing still). */
enum seen_verdict seen_add(struct seen *s, uint64_t hash, uint32_t now_s);
