#pragma once
/*
 * What the gate's loops share: settings, public keys, the live-grant table, when the keeper was last heard, the workers.
 *
 * Small and read-mostly. Writers: loop 0 (pushes arrive there) and, for one grant row a time, whichever loop asked the
 * keeper. Everything else belongs to one loop (lane.h).
 */
#include <pthread.h>
#include <stdatomic.h>

#include "access/live.h"
#include "access/quota.h"
#include "format/ipc.h"
#include "format/key.h"
#include "gate/live_bodies.h"
#include "gate/live_table.h"
#include "gate/live_tokens.h"
#include "gate/masks.h"
#include "gate/new_rate.h"
#include "loop/pool.h"
#include "net/listener.h"
#include "store/store.h"

#define GATE_LANES_MAX    64
#define GATE_STALE_MS     3000
#define GATE_ORIGINS_MAX  16
#define GATE_NETWORKS_MAX 16

/* The configuration as the gate uses it. Immutable once published; replaced whole at a reload and kept until the end. */
struct gate_settings {
    struct arena memory;
    const char *public_url, *player_url, *dir;
    char audience[KEY_STRING_MAX + 1];
    const char *envs[GATE_ORIGINS_MAX];
    size_t n_envs;
    struct key_audience key_audience;
    bool demo, plain, https; /* https: clients reach us by TLS, ours or a proxy's */
    bool tls;                /* ours: without a certificate nobody is listened to */
    struct net_cidr trusted[GATE_NETWORKS_MAX];
    size_t n_trusted;
    struct net_config net;
    unsigned threads, streams, connections, per_source;
    uint64_t cache_bytes, body_bytes, import_wire_bytes, import_bytes, seal_bytes;
    int64_t seal_after_ms, vanish_ms;
    unsigned max_open; /* live recordings of one ingest token */
    int zstd_level;
    struct gate_settings *older;
};

struct lane;
struct seen;

struct gate {
    const struct gate_settings *_Atomic settings;
    uint8_t hash_secret[16];

    pthread_rwlock_t keys_lock; /* ring, jwks, epoch */
    struct key_ring ring;
    struct buf jwks;
    char jwks_etag[24];
    uint32_t epoch;
    uint8_t epoch_pk[32];

    pthread_rwlock_t live_lock;
    struct live live;

    struct secret *nonce_key; /* of this process: no proof made before it counts (STANDARDS 1.6) */
    uint16_t nonce_node;
    uint8_t seen_secret[16];
    struct seen *seen;        /* proofs that were used */

    pthread_mutex_t streams_lock;
    struct map stream_counts; /* of struct stream_count, by "g" gid, "p" sub */
    struct map uses;          /* of struct key_use, by jti */

    _Atomic int64_t heard; /* boot clock of the keeper's last heartbeat; 0: never */
    _Atomic bool audit_ok, clock_ok, stopping;
    _Atomic unsigned n_streams, n_imports;

    struct live_tokens tokens;    /* ingest tokens */
    struct masks masks;           /* rules of projects: masks_get at each batch and import */
    struct new_rate new_rate;     /* recordings that public ones begin */
    struct live_table live_recs;  /* recordings that are being made */
    struct live_bodies live_bodies; /* bytes of their batches that are under way */
    _Atomic uint64_t foreign_bodies; /* of those, what others' clients sent, unpacked (foreign.h) */
    _Atomic uint64_t bodies;      /* bytes of the control plane's bodies that are held: gate_body_take */
    _Atomic int64_t space_at;     /* when the disk was looked at last, boot clock */
    _Atomic bool space_low;

    struct pool *pool;
    struct store *store;
    struct recover *recover; /* recover.h; of loop 0 */
    struct reclog *reclog; /* what is acknowledged of live recordings and in no piece yet; NULL before the start is over */
    struct looks *looks;    /* looks.h: what readers share */
    struct net_limits *limits;
    struct tls_ctx *_Atomic tls; /* written by loop 0; an older one is kept by those who use it */
    struct lane *lanes[GATE_LANES_MAX];
    unsigned n_lanes;
};

static inline const struct gate_settings *gate_settings(struct gate *g)
{
    return atomic_load_explicit(&g->settings, memory_order_acquire);
}

/* Makes settings of the message. NULL and *reterr: what is wrong. */
struct gate_settings *gate_settings_new(const struct ipc_gate_config *m, struct err_info *reterr);
struct gate_settings *gate_settings_free(struct gate_settings *s);

/* Nothing of the keeper for 3 s, or its word that audit or clock is not well. KEY_OK: serve. */
enum key_verdict gate_authority(struct gate *g, int64_t boot);

/* Is this key's grant live, and the key not denied? *ret_code: the end code of STANDARDS 5.2 when not. */
enum live_verdict gate_probe(struct gate *g, const struct key_claims *k, int *ret_code);
/* A copy of the grant's row. False: not known. */
bool gate_grant(struct gate *g, const char *gid, struct live_grant *ret);
/* Until the window's end on whichever clock comes first, in ms from now; by the key's word, and the grant's when it is known. */
int64_t gate_window_left(struct gate *g, const struct key_claims *k);

/*
 * Quotas (STANDARDS 1.11), counted exactly over all loops by access/quota, against the terms of the grant as they came with
 * GRANTS. Each answer says what was reached and how much of it is used.
 */

/*
 * One stream more for this key, grant and person. KEY_QUOTA: one of the three is at its limit, nothing was counted.
 * KEY_AUTHORITY_STALE: no memory.
 */
enum key_verdict gate_stream_open(struct gate *g, const char *jti, const char *gid, const char *sub,
                                  struct quota_answer *ret);
void gate_stream_close(struct gate *g, const char *jti, const char *gid, const char *sub);

/* What one key has used over all loops, while any of them has it in use. NULL: no memory. */
struct key_use;
struct key_use *gate_use_open(struct gate *g, const char *jti);
struct key_use *gate_use_close(struct gate *g, struct key_use *u);
/* before: bytes leased before, as the keeper knows it (after a restart); more: leased without having been taken. */
void gate_use_volume(struct gate *g, struct key_use *u, uint64_t before, uint64_t more);

enum use_kind {
    USE_REQUEST, /* one request */
    USE_BYTES,   /* bytes that are about to be leased, as fast as the client reads: volume and rate */
    USE_PACED,   /* the same, at a speed that we set: volume */
    USE_AGAIN,   /* bytes that a lease covers already: rate */
};

/* Takes it, or nothing. A grant that is not known has a quota of nothing. */
struct quota_answer gate_use(struct gate *g, struct key_use *u, const char *gid, enum use_kind kind, uint64_t bytes);
/* Volume that was taken and not leased. */
void gate_use_give(struct gate *g, struct key_use *u, uint64_t bytes);

/*
 * Bodies of the control plane wait in memory until they are whole, and what sends them need not be anybody we know: all of
 * them together have GATE_BODIES_MAX. One of at most GATE_BODY_SMALL is always taken (a revocation is): holding many of those
 * costs a client more than us, for each has to go on arriving. *charged belongs to the body, 0 at first. False: too much.
 */
#define GATE_BODIES_MAX (64u << 20)
#define GATE_BODY_SMALL (16u << 10)
bool gate_body_take(struct gate *g, uint64_t *charged, size_t more);
void gate_body_give(struct gate *g, uint64_t *charged);

/* Replaces ring, key set and epoch. */
void gate_keys_put(struct gate *g, const struct ipc_keys *m);
