#pragma once
/*
 * What the keeper has written down, or confirmed, for gateways (STANDARDS 1.12): that content of a recording may be served under a
 * key for a minute (gateway.allowed), that a key is in the ledger. One table a loop; questions under way for the same thing
 * share one answer.
 *
 * Life:    made with the first question of a loop; allow_free when its links are closed (pending questions were answered).
 * Memory:  about 200 bytes an entry, at most ALLOW_MAX; what is over goes first.
 */
#include "format/ipc.h"
#include "gate/lane.h"

#define ALLOW_MS  60000
#define ALLOW_MAX 100000

/* 'ctx' is given back exactly once, now or later. KEY_OK: it is durable, or confirmed. */
typedef void allow_fn(void *ctx, enum key_verdict v);

/* The record of a gateway's content under this key, unless one covers this moment. */
void allow_content(struct lane *l, const struct key_claims *k, const char *tid, struct span proof, allow_fn *fn, void *ctx);

/* Is the key in the ledger, its grant as the keeper has it? */
void allow_known(struct lane *l, const struct key_claims *k, allow_fn *fn, void *ctx);

struct allowances;
struct allowances *allow_free(struct allowances *a);
