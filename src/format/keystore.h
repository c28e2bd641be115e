#pragma once
/*
 * The vault's key store (STANDARDS 4.6, docs/formats/keystore.md): bytes in, bytes out; the vault writes them atomically.
 *
 * Each entry is sealed on its own with XChaCha20-Poly1305 under the master key; a last, sealed manifest counts and
 * hashes the whole file, so an entry can neither be changed, moved, dropped nor repeated.
 *
 * Life: keystore_new or keystore_open -> put/remove/find* -> keystore_write* -> free (wipes).
 * Threads: one at a time. Memory: about 320 bytes an entry and a slot of crypto/secret for each secret.
 */
#include "base/buf.h"
#include "base/times.h"
#include "crypto/secret.h"

#define KEYSTORE_ID_MAX      64
#define KEYSTORE_ENTRIES_MAX 65536
#define KEYSTORE_FILE_MAX    (32u << 20)
#define KEYSTORE_PUB_MAX     64

enum keystore_kind {
    KEYSTORE_EPOCH = 1,       /* X25519: secret 32, pub 32; id = the epoch in decimal, number = the epoch */
    KEYSTORE_SIGNING = 2,     /* P-256: secret 32, pub 64; id = kid */
    KEYSTORE_LOG = 3,         /* Ed25519: secret 64, pub 32; id = the log's, or any other */
    KEYSTORE_LAST_SIGNED = 4, /* no secret; pub = root 32, number = size; id = the log's */
    KEYSTORE_SECRET = 5,      /* 32 bytes of the installation; no pub; id = its name */
    KEYSTORE_RETIRED = 6,     /* P-256 that signs no more: no secret, pub 64; id = kid; published for a while after 'until' */
};

enum keystore_state { KEYSTORE_NEXT = 0, KEYSTORE_CURRENT = 1, KEYSTORE_OLD = 2 };

struct keystore_entry {
    enum keystore_kind kind;
    char id[KEYSTORE_ID_MAX + 1]; /* printable ASCII without spaces, not empty */
    enum keystore_state state;
    uint64_t number;
    time_ms made, from, until; /* wall times; 0 = not set */
    uint8_t pub[KEYSTORE_PUB_MAX];
    size_t pub_len;
    struct secret *secret; /* owned by the store */
};

struct keystore;

struct keystore *keystore_new(void); /* NULL: no memory */
struct keystore *keystore_free(struct keystore *k);
void keystore_freep(struct keystore **k);

/* ERR_CORRUPT: another master key, or any changed byte (the two cannot be told apart); ERR_UNSUPPORTED: another version. */
NODISCARD enum err keystore_open(struct span file, const struct secret *master, struct keystore **ret,
                                 struct err_info *reterr);

/* Appends the file; every call uses fresh nonces and counts generation up. */
NODISCARD enum err keystore_write(struct keystore *k, const struct secret *master, struct buf *out,
                                  struct err_info *reterr);

/* How often the store has been written. */
uint64_t keystore_generation(const struct keystore *k);

/*
 * Adds, or replaces the entry of the same kind and id. Takes e->secret on success (it is NULL then).
 * ERR_INVAL: lengths that are not the kind's, a bad id. ERR_LIMIT: full.
 */
NODISCARD enum err keystore_put(struct keystore *k, struct keystore_entry *e, struct err_info *reterr);

/* Wipes it. False: it was not there. */
bool keystore_remove(struct keystore *k, enum keystore_kind kind, const char *id);

/* Borrowed until the next put or remove. NULL: not there. */
const struct keystore_entry *keystore_find(const struct keystore *k, enum keystore_kind kind, const char *id);

/* Entries in order of kind and id; NULL past the end. */
size_t keystore_count(const struct keystore *k);
const struct keystore_entry *keystore_at(const struct keystore *k, size_t i);
