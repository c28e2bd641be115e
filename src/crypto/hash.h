#pragma once
/*
 * SHA-256, SHA-512, HMAC-SHA-256, HKDF-Expand.
 *
 * Threads: one-shot functions may be called from any thread (they keep one digest context per thread, freed with it);
 * a struct hash belongs to one thread at a time.
 */
#include <stdint.h>

#include "base/err.h"
#include "base/span.h"

#define SHA256_LEN 32
#define SHA512_LEN 64

/* Cannot fail: when OpenSSL has no memory for a context, libsodium's own code computes the same. */
void sha256(struct span in, uint8_t out[SHA256_LEN]);
void sha512(struct span in, uint8_t out[SHA512_LEN]);

/* SHA-256 of the parts one after another, without joining them first. */
void sha256_parts(const struct span *parts, size_t n_parts, uint8_t out[SHA256_LEN]);

/* A hash fed in pieces. Life: new -> (add* -> final)* -> free; final leaves it ready for the next message. */
enum hash_kind { HASH_SHA256, HASH_SHA512 };
struct hash;

struct hash *hash_new(enum hash_kind kind); /* NULL: no memory */
struct hash *hash_free(struct hash *h);     /* takes NULL, returns NULL */
void hash_freep(struct hash **h);
void hash_add(struct hash *h, struct span in);
/* 32 or 64 bytes. ERR_CRYPTO: some step since the last final failed; out is untouched. */
NODISCARD enum err hash_final(struct hash *h, uint8_t *out, struct err_info *reterr);

/* RFC 2104; the key may have any length. Cannot fail. */
void hmac_sha256(struct span key, struct span msg, uint8_t out[SHA256_LEN]);

/*
 * RFC 5869 step 2 with SHA-512, no extract (STANDARDS 4.1): n bytes, at most 64 x 255.
 * ERR_CRYPTO: OpenSSL refused (an FIPS build, no memory); ERR_INVAL: n or prk out of range (prk at least 32 bytes).
 */
NODISCARD enum err hkdf_expand_sha512(struct span prk, struct span info, uint8_t *out, size_t n,
                                      struct err_info *reterr);
