#pragma once
/*
 * Sealed boxes (libsodium crypto_box_seal: ephemeral X25519, XSalsa20-Poly1305): whoever has the public key can close
 * one, only the private key opens it. A box names no sender. Threads: any.
 */
#include <stdbool.h>
#include <stdint.h>

#include "crypto/secret.h"

#define BOX_PUB_LEN  32
#define BOX_OVERHEAD 48

/* A new pair; the private key is a 32-byte slot that the caller owns. ERR_NOMEM: no slot. */
NODISCARD enum err box_generate(struct secret **ret_private, uint8_t pub[BOX_PUB_LEN], struct err_info *reterr);

/* The public key of a private one, to check that the two belong together. */
NODISCARD bool box_public(const struct secret *private_key, uint8_t pub[BOX_PUB_LEN]);

/* Writes msg.n + 48 bytes. ERR_CRYPTO: pub is a point of small order. */
NODISCARD enum err box_seal(const uint8_t pub[BOX_PUB_LEN], struct span msg, uint8_t *out, struct err_info *reterr);

/* Writes box.n - 48 bytes. False: not for this key, or changed. What comes out is secret: the caller wipes it. */
NODISCARD bool box_open(const struct secret *private_key, const uint8_t pub[BOX_PUB_LEN], struct span box,
                        uint8_t *out);
