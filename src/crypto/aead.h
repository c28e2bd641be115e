#pragma once
/*
 * Authenticated encryption: AES-256-GCM (segments, log) with a reusable context, XChaCha20-Poly1305 (key store) without.
 *
 * Nonces are the caller's affair: under one GCM key none may ever come twice.
 * In both, 'out' may be the same memory as 'in' but may not overlap it otherwise. On a failed open 'out' holds zeros.
 */
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/span.h"

#define AEAD_KEY_LEN       32
#define AEAD_TAG_LEN       16
#define AEAD_GCM_NONCE_LEN 12
#define AEAD_XNONCE_LEN    24

/*
 * AES-256-GCM under one key at a time. Threads: one at a time. Free wipes the key schedule.
 * Life: new -> (key -> seal|open*)* -> free.
 */
struct aead_gcm;

struct aead_gcm *aead_gcm_new(void); /* NULL: no memory */
struct aead_gcm *aead_gcm_free(struct aead_gcm *g);
void aead_gcm_freep(struct aead_gcm **g);

/* ERR_CRYPTO: OpenSSL refused. */
NODISCARD enum err aead_gcm_key(struct aead_gcm *g, const uint8_t key[AEAD_KEY_LEN], struct err_info *reterr);

/* Writes in.n + 16 bytes: ciphertext || tag. in.n at most 2^30. ERR_CRYPTO: OpenSSL refused. ERR_STATE: no key. */
NODISCARD enum err aead_gcm_seal(struct aead_gcm *g, const uint8_t nonce[AEAD_GCM_NONCE_LEN], struct span aad,
                                 struct span in, uint8_t *out, struct err_info *reterr);

/* Takes ciphertext || tag, writes in.n - 16 bytes. False: not authentic (or shorter than a tag, or no key). */
NODISCARD bool aead_gcm_open(struct aead_gcm *g, const uint8_t nonce[AEAD_GCM_NONCE_LEN], struct span aad,
                             struct span in, uint8_t *out);

/*
 * For tests: a program that defines it (keyhole-watched, tests/lib/ledger.c) hears of every encryption before it happens,
 * so that a nonce that comes twice is seen. key_sum is the key's SHA-256. Elsewhere there is no such function. Any thread.
 */
void aead_watch(const uint8_t key_sum[32], const uint8_t nonce[AEAD_GCM_NONCE_LEN]) __attribute__((weak));

/* Threads: any. Writes in.n + 16 bytes. Cannot fail. */
void aead_xchacha_seal(const uint8_t key[AEAD_KEY_LEN], const uint8_t nonce[AEAD_XNONCE_LEN], struct span aad,
                       struct span in, uint8_t *out);

/* Writes in.n - 16 bytes. False: not authentic. */
NODISCARD bool aead_xchacha_open(const uint8_t key[AEAD_KEY_LEN], const uint8_t nonce[AEAD_XNONCE_LEN],
                                 struct span aad, struct span in, uint8_t *out);
