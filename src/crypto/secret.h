#pragma once
/*
 * Secrets: fixed-size slots (32 or 64 bytes) in one locked slab per process, so that 20,000 recording keys fit beside
 * each other (one sodium_malloc each ends at about 16,000).
 *
 * The slab is mapped once, at secret_init or at the first secret_new: guard pages on both sides, mlock,
 * MADV_DONTDUMP, MADV_WIPEONFORK (a child that does not exec sees zeros: make roles by exec, or before the first
 * secret). A slot is wiped when it is freed. The slab lives as long as the process.
 *
 * Also reserves OpenSSL's secure heap (2 MiB, locked as it is used), where EC private keys of crypto/es256 live and the ephemeral key of each
 * open TLS connection.
 *
 * Honest limit: key schedules that a cipher derives (crypto/aead) and copies on a stack while a call runs lie in
 * ordinary memory; both are wiped when done, and roles run with RLIMIT_CORE 0 and PR_SET_DUMPABLE 0.
 *
 * Threads: every function may be called from any thread; the bytes of one slot belong to whoever owns the slot.
 */
#include <stdbool.h>

#include "base/err.h"
#include "base/span.h"

struct secret; /* a slot; its bytes cannot be printed by accident, only asked for */

#define SECRET_32_DEFAULT 20480 /* slots */
#define SECRET_64_DEFAULT 1024

struct secret_state {
    bool locked;      /* false: RLIMIT_MEMLOCK is too small, the slab may be swapped. The role logs it, doctor fails it */
    bool not_dumped;  /* false: the kernel refused MADV_DONTDUMP */
    size_t slab_bytes;
    size_t used_32, cap_32;
    size_t used_64, cap_64;
};

/*
 * Maps the slab. Call once, early; without it the first secret_new maps it with the defaults.
 * A slab that cannot be locked is no error: read secret_state. ERR_STATE: there is one. ERR_INVAL: a count of 0 or over
 * 2^20. ERR_NOMEM: no address space.
 */
NODISCARD enum err secret_init(size_t n_32, size_t n_64, struct err_info *reterr);

void secret_state(struct secret_state *ret);

/* A zeroed slot of 'len' (32 or 64) bytes. NULL: all slots are taken, or another length. */
NODISCARD struct secret *secret_new(size_t len);

/* As above, with a copy of 'bytes' (32 or 64 of them). The caller wipes its own copy. */
NODISCARD struct secret *secret_of(struct span bytes);

/* As above, filled with random bytes. */
NODISCARD struct secret *secret_random(size_t len);

/* Wipes and frees; takes NULL; returns NULL. Freeing twice ends the process. */
struct secret *secret_free(struct secret *s);
void secret_freep(struct secret **s); /* for CLEANUP */

/* The bytes, until the slot is freed. */
uint8_t *secret_bytes(struct secret *s);
struct span secret_span(const struct secret *s);
size_t secret_len(const struct secret *s);

/* Compares n bytes in a time that depends on n only. */
NODISCARD bool secret_equal(const void *a, const void *b, size_t n);

/* As above; different lengths are different (a length is not a secret). */
NODISCARD bool secret_equal_span(struct span a, struct span b);

/* Overwrites, and the compiler may not leave it out. NULL with n == 0 is fine. */
void secret_wipe(void *p, size_t n);
