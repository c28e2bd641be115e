#pragma once
/* Ed25519 (RFC 8032) by libsodium: signatures of the audit log. Threads: any. */
#include <stdbool.h>
#include <stdint.h>

#include "crypto/secret.h"

#define ED25519_PUB_LEN 32
#define ED25519_SIG_LEN 64

/* A new pair; the private key (seed || public key) is a 64-byte slot that the caller owns. ERR_NOMEM: no slot. */
NODISCARD enum err ed25519_generate(struct secret **ret_private, uint8_t pub[ED25519_PUB_LEN],
                                    struct err_info *reterr);

/* As above from a given seed. */
NODISCARD enum err ed25519_from_seed(const uint8_t seed[32], struct secret **ret_private,
                                     uint8_t pub[ED25519_PUB_LEN], struct err_info *reterr);

/* private_key must be a 64-byte slot. Cannot fail. */
void ed25519_sign(const struct secret *private_key, struct span msg, uint8_t sig[ED25519_SIG_LEN]);

/* Refuses non-canonical s, small-order and non-canonical points. */
NODISCARD bool ed25519_verify(const uint8_t pub[ED25519_PUB_LEN], struct span msg, struct span sig);
