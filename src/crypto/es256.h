#pragma once
/*
 * ES256: ECDSA over P-256 with SHA-256, signatures as raw r||s of 64 bytes (RFC 7518 3.4).
 *
 * No foreign DER is read: the 70-odd bytes that OpenSSL wants are built here from the two fixed-width numbers, after
 * 1 <= r, s < n is checked. ECDSA is malleable (s and n-s both verify): a signature identifies nothing.
 *
 * Threads: signers and verifiers may be used by any number of threads at once.
 */
#include <stdbool.h>
#include <stdint.h>

#include "crypto/secret.h"

#define ES256_SIG_LEN 64
#define ES256_PUB_LEN 64 /* x || y, big-endian, 32 bytes each */

struct es256_signer;
struct es256_verifier;

/* A new pair: private scalar in a 32-byte slot that the caller owns, public point in 'pub'. */
NODISCARD enum err es256_generate(struct secret **ret_private, uint8_t pub[ES256_PUB_LEN], struct err_info *reterr);

/* Keeps its own copy of the private key (in OpenSSL's locked heap). ERR_INVAL: out of range, or pub is not its point. */
NODISCARD enum err es256_signer_new(const struct secret *private_key, const uint8_t pub[ES256_PUB_LEN],
                                    struct es256_signer **ret, struct err_info *reterr);
struct es256_signer *es256_signer_free(struct es256_signer *s);
void es256_signer_freep(struct es256_signer **s);

/* Signs SHA-256(msg). ERR_CRYPTO: OpenSSL refused (no memory, no random bytes). */
NODISCARD enum err es256_sign(const struct es256_signer *s, struct span msg, uint8_t sig[ES256_SIG_LEN],
                              struct err_info *reterr);

/*
 * A public key from outside: EVP_PKEY_fromdata, then EVP_PKEY_public_check_quick (the point is on the curve and not at
 * infinity; P-256 has cofactor 1, so that is enough). ERR_INVAL: it is not such a point.
 */
NODISCARD enum err es256_verifier_new(const uint8_t pub[ES256_PUB_LEN], struct es256_verifier **ret,
                                      struct err_info *reterr);
struct es256_verifier *es256_verifier_free(struct es256_verifier *v);
void es256_verifier_freep(struct es256_verifier **v);

/* The public point it was made from. Borrowed. */
const uint8_t *es256_verifier_pub(const struct es256_verifier *v);

/* False for every length but 64, for r or s out of range, for a wrong signature, and when memory is short. */
NODISCARD bool es256_verify(const struct es256_verifier *v, struct span msg, struct span sig);
