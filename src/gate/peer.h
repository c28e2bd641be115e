#pragma once
/*
 * What the gate keeps with a connection: the key that was let in last on it (STANDARDS 1.4 step 4), and how many proofs it
 * sent in this second (1.6). Made at the first need, wiped with the connection. Threads: its lane's.
 */
#include "gate/call.h"

#define PEER_PROOFS_MAX 400 /* a second; a trusted proxy's connection carries many clients and is not counted */

struct peer;

/* The digest of the key let in last on this connection, when these are its bytes (constant time). */
bool peer_knows(const struct call *c, struct span token, uint8_t digest[32]);
/* This key was let in. */
void peer_keep(struct call *c, struct span token, const uint8_t digest[32]);

/* One proof more is about to be checked. False: too many. */
bool peer_proof(struct call *c);
