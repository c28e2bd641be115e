#pragma once
/* The published key set (STANDARDS 1.9): old, current and next keys, each with kty crv x y kid alg use. */
#include "base/buf.h"
#include "crypto/es256.h"

/* Appends {"keys":[…]} for n public keys (x || y), in the order given. Overflow shows in out->failed. */
void jwks_write(const uint8_t (*pubs)[ES256_PUB_LEN], size_t n, struct buf *out);
