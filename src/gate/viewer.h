#pragma once
/*
 * viewer: one provisioning key in use on one loop: what it may see, what was leased for it, how to read it.
 *
 * Life:     viewer_get after the key's signature and claims hold -> viewer_ready (first sight: the keeper confirms and names the
 *           pieces) -> viewer_lease before any byte -> viewer_read -> viewer_sent. Ends with the key, its grant, or 60 s after its
 *           last use; what was really sent is settled then.
 * Threads:  its lane's. Reading happens in workers, one piece of work at a time, on fields that only that work touches.
 * Leases:   a lease names events. While it is not settled the same events may be sent again without another.
 * Secrets:  the recording key lies in a slot and is wiped when the viewer ends.
 */
#include "gate/call.h"
#include "format/segment.h"

#define VIEWER_PIECES_MAX 65536
#define VIEWER_OPEN_FILES 4
#define VIEWER_RANGES_MAX 16
#define VIEWER_IDLE_MS    60000
#define LEASE_BYTES_MAX   (4u << 20)
#define LEASE_PLAY_MS     30000

struct viewer;

typedef void (*viewer_verdict_fn)(void *ctx, enum key_verdict v);

/* By the digest of bytes that were verified before. NULL: not seen on this loop. */
struct viewer *viewer_find(struct lane *l, const uint8_t digest[32]);
/*
 * The one of this authentic key, made if there is none (not yet confirmed); a reference of the caller's. The digest is
 * remembered. KEY_FORGED: a key of that jti with other claims is in use. KEY_AUTHORITY_STALE: no memory.
 */
enum key_verdict viewer_get(struct lane *l, const uint8_t digest[32], const struct key_claims *claims, const char *kid,
                            struct viewer **ret);

struct viewer *viewer_ref(struct viewer *v);
void viewer_unref(struct viewer *v);
const struct key_claims *viewer_claims(const struct viewer *v);
/* Which signing key verified it. */
const char *viewer_kid(const struct viewer *v);

/* What the keeper said; valid after viewer_ready gave KEY_OK. */
struct viewer_facts {
    const char *vid;
    bool terminal; /* else rrweb */
    uint64_t events;
    int64_t duration_us, started_ms;
    uint32_t n_chunks;
};
const struct viewer_facts *viewer_facts(const struct viewer *v);

/* First sight, once: asks the keeper; later calls get the same verdict. fn may be called inside. */
void viewer_ready(struct viewer *v, struct span prefix, viewer_verdict_fn fn, void *ctx);

struct viewer_span {
    enum lease_what what;
    uint64_t from_seq, to_seq; /* inclusive; both 0 for the manifest */
    int64_t from_ms, to_ms;
    uint64_t bytes;            /* of events, before compression */
};

/*
 * Makes sure that a durable lease covers it and that the recording key is here. KEY_OK, or why not (then nothing may be
 * sent). fn may be called inside when a lease covers it already.
 */
void viewer_lease(struct viewer *v, const struct viewer_span *want, viewer_verdict_fn fn, void *ctx);

/* These events (inclusive) were handed to the kernel: they go into the settlement. */
void viewer_sent(struct viewer *v, uint64_t from_seq, uint64_t to_seq, uint64_t bytes);
/*
 * Writes the settlement of everything leased so far, as soon as nothing is under way that may still send under those
 * leases (viewer_use): a settlement never says less than what was sent. 'exported': an export reached its end.
 */
void viewer_settle(struct viewer *v, bool exported);
void viewer_use(struct viewer *v);
void viewer_unuse(struct viewer *v);

enum read_kind {
    READ_MANIFEST, /* bytes: JSON arrays as members: "head":…,"chunks":[…],"keyframes":[…],"markers":[…] */
    READ_LOCATE,   /* where playing can start at or before a time, or the chunk of an event */
    READ_STORED,   /* a chunk as stored */
    READ_CHUNK,    /* a chunk as NDJSON */
    READ_HEAD,
};

struct viewer_want {
    enum read_kind kind;
    uint32_t chunk;   /* STORED, CHUNK */
    bool by_seq;      /* LOCATE */
    uint64_t seq;     /* LOCATE by_seq: that event's chunk, no keyframe */
    time_us from;     /* LOCATE: the keyframe at or before it */
};

struct viewer_read {
    enum err err; /* ERR_NOTFOUND: no such chunk; ERR_CORRUPT, ERR_IO: damaged storage */
    struct buf bytes;
    uint32_t chunk;              /* of the recording */
    struct segment_chunk meta;   /* of the chunk read or located */
    uint64_t seq;                /* LOCATE: the event to begin with */
    time_us at;                  /* LOCATE: its keyframe's time */
    bool has_screen;             /* LOCATE: bytes is the screen's escape string */
    uint16_t cols, rows;
};

/* r belongs to the callback, which buf_deinits r->bytes (wiped). Reads of one viewer come in order. */
typedef void (*viewer_read_fn)(void *ctx, struct viewer_read *r);
void viewer_read(struct viewer *v, const struct viewer_want *want, viewer_read_fn fn, void *ctx);

/* At most two chunks of a key are on their way (STANDARDS 1.8 rule 7): fn runs now, or when one has ended. */
struct viewer_turn {
    struct list node;
    void (*fn)(void *ctx);
    void *ctx;
    bool taken;
};
void viewer_turn_take(struct viewer *v, struct viewer_turn *t);
/* Gives it back, or stops waiting. Safe twice. */
void viewer_turn_end(struct viewer *v, struct viewer_turn *t);

/* Each second: keys that are over and idle ones settle, wipe and go. */
void viewers_tick(struct lane *l);
/* Something changed about a grant (empty: any): keys that may see nothing any more settle, wipe and go. */
void viewers_review(struct lane *l, struct span gid);
/* All of them: this loop ends. */
void viewers_drop(struct lane *l);

/* One-second buckets of this key, and its volume (STANDARDS 1.11). KEY_OK, KEY_RATE_LIMITED, KEY_QUOTA. */
enum key_verdict viewer_charge_request(struct viewer *v);
enum key_verdict viewer_charge(struct viewer *v, uint64_t bytes);
