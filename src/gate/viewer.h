#pragma once
/*
 * viewer: one provisioning key in use on one loop: what it may see, what was leased for it, how to read it.
 *
 * Life:     viewer_get after the key's signature and claims hold -> viewer_ready (first sight: the keeper confirms and names the
 *           pieces) -> viewer_lease before any byte -> viewer_read -> viewer_sent. Ends with the key, its grant, or 60 s after its
 *           last use; what was really sent is settled then.
 * Threads:  its lane's. Reading happens in workers, one piece of work at a time, on fields that only that work touches.
 * Leases:   a lease names events. While it is not settled the same events may be sent again without another. A live lease
 *           names what will come: it is the asker's to keep count of.
 * Secrets:  recording keys (one for each process that wrote the recording, with `unmask` its reveal keys too) lie in slots and
 *           are wiped when the viewer ends.
 * Live:     a recording that is being made gets more pieces, more key numbers, an end. Reading asks the keeper again when what
 *           is known does not do (KEY_AGAIN), and the vault for a key number the first time it is needed.
 */
#include "gate/call.h"
#include "format/segment.h"

#define VIEWER_PIECES_MAX 65536
#define VIEWER_OPEN_FILES 4
#define VIEWER_RANGES_MAX 16
#define VIEWER_IDLE_MS    60000
#define LEASE_BYTES_MAX   (4u << 20)
#define LEASE_PLAY_MS     30000
#define LEASE_LIVE_MS     30000
#define VIEWER_KEYS_MAX   64

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
/*
 * A request of this key was let in from this place: its `ctx` holds there, and need not be computed again (a kid has one K_ctx).
 * The last place counts.
 */
void viewer_placed(struct viewer *v, struct span prefix);
bool viewer_was_at(const struct viewer *v, struct span prefix);
/* A request of this key was let in with this proof (SHA-256). */
void viewer_proved(struct viewer *v, const uint8_t proof[32]);

/* What the keeper said; valid after viewer_ready gave KEY_OK. */
struct viewer_facts {
    const char *vid;
    bool terminal; /* else rrweb */
    uint64_t events; /* as the keeper knows them: of a live recording those in pieces */
    int64_t duration_us, started_ms;
    uint32_t n_chunks;
    bool live;
    const char *who; /* the holder's name */
    bool watermark;  /* over the picture */
};
const struct viewer_facts *viewer_facts(const struct viewer *v);

/* First sight, once: asks the keeper; later calls get the same verdict. fn may be called inside. */
void viewer_ready(struct viewer *v, struct span prefix, viewer_verdict_fn fn, void *ctx);

/*
 * How much there is at this moment, durable, and whether more may come; without what the log does not show yet (reclog_hold): whoever asks again and
 * again would see more of a secret than those who follow. KEY_OK, or why it cannot be known. The keeper is asked when neither its last word nor the
 * log of this process says so; fn may be called inside.
 */
typedef void (*viewer_extent_fn)(void *ctx, enum key_verdict v, uint64_t events, bool live);
void viewer_extent(struct viewer *v, viewer_extent_fn fn, void *ctx);

struct viewer_span {
    enum lease_what what;
    uint64_t from_seq, to_seq; /* inclusive; both 0 for the manifest; LIVE: no to_seq */
    int64_t from_ms, to_ms;
    uint64_t bytes;            /* of events, before compression; LIVE: the most */
    const uint8_t *proof;      /* SHA-256 of the proof that asks; NULL: the last one of this key, or a bearer key */
    bool charged;              /* viewer_charge took its bytes */
};

/*
 * Makes sure that a durable lease covers it and that the recording key is here. KEY_OK, or why not (then nothing may be
 * sent). fn may be called inside when a lease covers it already.
 */
void viewer_lease(struct viewer *v, const struct viewer_span *want, viewer_verdict_fn fn, void *ctx);

/* Chunks that follow the one that was read, up to LEASE_BYTES_MAX with it: what a lease may name beside it. */
#define READ_AHEAD_MAX 16
struct read_ahead {
    unsigned n;
    struct {
        uint64_t to_seq;
        int64_t to_ms;
        uint32_t bytes; /* of its events, before compression */
    } chunks[READ_AHEAD_MAX];
};

/*
 * 'span' names chunk n, and is about to be leased. From the beginning, or from the second chunk in reading order on, the lease names
 * those that follow, up to LEASE_BYTES_MAX (STANDARDS 3.7): until the settlement the log over-states by what of one lease was not read. Their bytes are
 * charged, or they are left out.
 */
void viewer_span_ahead(struct viewer *v, struct viewer_span *span, const struct read_ahead *ahead, uint32_t n);
/* The same for who asked for all of it: up to the event 'until', and what may begin up to to_ms. */
void viewer_span_on(struct viewer *v, struct viewer_span *span, const struct read_ahead *ahead, uint64_t until, int64_t to_ms);

/* Index of the record of the newest lease that this key was given; 0: none yet. */
uint64_t viewer_last_lease(const struct viewer *v);

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
    READ_MANIFEST, /* bytes: JSON arrays as members: "head":…,"chunks":[…],"keyframes":[…],"markers":[…]; seq, at: see below */
    READ_LOCATE,   /* where playing can start at or before a time */
    READ_STORED,   /* a chunk as stored */
    READ_CHUNK,    /* a chunk as NDJSON */
    READ_EVENTS,   /* NDJSON with the event of that number: a chunk, or some of the tail */
    READ_HEAD,
    READ_PIECES,   /* nothing: the keeper is asked for pieces again */
};

struct viewer_want {
    enum read_kind kind;
    uint32_t chunk; /* STORED, CHUNK */
    uint64_t seq;   /* EVENTS */
    time_us from;   /* LOCATE: the keyframe at or before it; INT64_MAX: the newest */
    uint64_t until; /* MANIFEST, LOCATE, EVENTS: the recording as if it ended before this event */
    bool has_floor; /* EVENTS: the seek time of the event before is known: */
    time_us floor;
};

enum read_need { READ_NEED_NOTHING, READ_NEED_KEY, READ_NEED_PIECES };

struct viewer_read {
    enum err err; /* ERR_NOTFOUND: no such chunk or event; ERR_AGAIN: not now; ERR_CORRUPT, ERR_IO: damaged storage */
    struct buf bytes;
    struct segment_chunk meta; /* STORED, CHUNK, EVENTS: of the bytes; times may be wider than the events' */
    uint64_t seq;              /* LOCATE: the event to begin with; MANIFEST: events in chunks */
    time_us at;                /* LOCATE: its keyframe's time; MANIFEST: of the last event */
    bool has_screen;           /* LOCATE: bytes is the screen's escape string */
    bool stored;               /* STORED: it is; false: NDJSON, it is not stored as a chunk is sent, or has originals in it */
    bool revealed;             /* MANIFEST: originals of masked events are kept and will be shown */
    bool tail;                 /* EVENTS: from the log */
    uint16_t cols, rows;
    uint16_t kn;               /* the key number that opened it */
    time_us base;              /* rrweb: the timestamp of time 0, 0: not known yet */
    bool based;                /* it was read from the events */
    bool shared;               /* who has the key of 'kn' may see it: no originals in it, and it will not change */
    bool at_hand;              /* the callback runs inside the call */
    struct read_ahead *ahead;  /* STORED, CHUNK: valid until the callback returns */
    uint64_t sealed;           /* events in the pieces known */
    enum read_need need;       /* between reader and viewer */
    uint16_t need_kn;
    uint8_t need_track;
    bool fresh;                /* the same: the pieces are what the keeper has just said */
    struct err_info *why;      /* of err: for the log; names no content; as 'ahead'; NULL: nobody asks */
};

/*
 * r belongs to the callback, which buf_deinits r->bytes (wiped). Reads of one viewer come in order. What is in memory anyway (a
 * segment whose index is open, in the page cache, at most READ_AT_HAND_MAX bytes) is read at once, inside the call.
 */
#define READ_AT_HAND_MAX (512u << 10)
typedef void (*viewer_read_fn)(void *ctx, struct viewer_read *r);
void viewer_read(struct viewer *v, const struct viewer_want *want, viewer_read_fn fn, void *ctx);
/*
 * MANIFEST, STORED, CHUNK, EVENTS as a block, which viewers of the recording on this loop share where they may (shelf.h). b: a
 * reference of the callback's, NULL when e is not ERR_OK; inside: the callback runs inside the call.
 */
struct block;
typedef void (*viewer_block_fn)(void *ctx, enum err e, struct block *b, bool inside);
void viewer_block(struct viewer *v, const struct viewer_want *want, viewer_block_fn fn, void *ctx);
/* EVENTS that are new in the log, and few bytes, at once. False: viewer_read does it. Else as its callback's r. */
bool viewer_read_newest(struct viewer *v, const struct viewer_want *want, struct viewer_read *r);
/* Has the vault released this key number to this viewer? What another one opened with it may be shown here, too. */
bool viewer_has_key(const struct viewer *v, uint16_t kn);
/* Its key has `unmask`: what it reads has what masks took out, and is shared with nobody. */
bool viewer_unmasks(const struct viewer *v);
/* rrweb: the timestamp of time 0, as far as anybody read; in µs. */
time_us viewer_base(const struct viewer *v);

/*
 * At most two chunks of a key are on their way, together VIEWER_TURN_BYTES, or one that has more (STANDARDS 1.8 rule 7).
 * take: fn runs now, or when one has ended. weigh, once it is known how many bytes will be sent: fn runs now, or when the other one has ended.
 */
#define VIEWER_TURN_BYTES (512u << 10)
struct viewer_turn {
    struct list node;
    void (*fn)(void *ctx);
    void *ctx;
    bool taken, weighed;
    size_t bytes;
};
void viewer_turn_take(struct viewer *v, struct viewer_turn *t);
void viewer_turn_weigh(struct viewer *v, struct viewer_turn *t, size_t bytes, void (*fn)(void *ctx));
/* Gives it back, or stops waiting. Safe twice. */
void viewer_turn_end(struct viewer *v, struct viewer_turn *t);

/* Each second: keys that are over and idle ones settle, wipe and go. */
void viewers_tick(struct lane *l);
/* Something changed about a grant (empty: any): keys that may see nothing any more settle, wipe and go. */
void viewers_review(struct lane *l, struct span gid);
/* All of them: this loop ends. */
void viewers_drop(struct lane *l);

/* Rates and volume of this key (STANDARDS 1.11). KEY_OK, KEY_RATE_LIMITED, KEY_QUOTA: viewer_quota says of what. */
enum key_verdict viewer_charge_request(struct viewer *v);
/* What is about to be leased; what is not leased after all is given back. paced: at a speed that we set, so without a rate. */
enum key_verdict viewer_charge(struct viewer *v, struct viewer_span *want, bool paced);
/* Bytes about to be sent under a live lease: they count now, for the lease names only the most there may be. */
enum key_verdict viewer_charge_live(struct viewer *v, uint64_t bytes);
/* The last answer of these, and of replay_sse_count_in. */
struct quota_answer *viewer_quota(struct viewer *v);
