#pragma once
/* Inside the viewer: viewer.c (life, first sight), viewer_lease.c (leases, keys, settlements), viewer_read.c (work for the reader). */
#include "gate/viewer.h"

#include "crypto/secret.h"
#include "gate/reader.h"
#include "gate/shelf.h"

#define VIEWER_ASK_MS     5000
#define VIEWER_LEASED_MAX 64
#define VIEWER_WHO_CAP    256 /* longer names are cut */

enum viewer_state { VIEWER_NEW, VIEWER_ASKING, VIEWER_READY, VIEWER_REFUSED };

struct viewer_range {
    uint64_t from, to;
};

/* Most viewers need one or two. */
struct viewer_ranges {
    struct viewer_range *rows;
    size_t n, cap;
};

struct viewer_key {
    uint16_t kn;
    uint8_t track;
    struct secret *rk;
};

/* The manifest's lease that came with first sight: what it lets the vault release, once. */
struct viewer_first {
    bool due;
    uint16_t kn;
    uint64_t release_idx;
    time_ms release_t;
};

struct viewer {
    struct lane *lane;
    uint8_t digest[32];
    struct key_claims claims;
    char kid[KEY_KID_LEN + 1];
    uint8_t proof[32];        /* SHA-256 of the last one; of a bound key */
    bool proved;
    uint8_t place[NET_PREFIX_LEN]; /* address prefix for which its ctx was found to hold */
    uint8_t place_n;
    unsigned refs;
    bool in_map;
    enum viewer_state state;
    enum key_verdict verdict; /* VIEWER_REFUSED */
    struct list waiters;

    char vid[ID_CAP];
    char *who; /* at most VIEWER_WHO_CAP with its end */
    struct viewer_facts facts;
    struct reader *reader; /* pieces and their indexes; touched by workers */
    struct viewer_first first;
    struct viewer_key *keys; /* what the vault released */
    size_t n_keys;
    bool wiped;            /* something ended: the keys are gone for good */
    struct shelf *shelf;   /* with the first key; NULL: nothing is shared */
    time_us base;

    struct viewer_ranges leased; /* at most VIEWER_LEASED_MAX */
    bool manifest_leased;
    bool series;            /* something was leased since the last settlement */
    uint64_t first_lease, last_lease;
    uint32_t next_chunk;    /* after the one that was asked for last: */
    bool in_row;            /* it followed one before it */
    struct viewer_ranges sent; /* at most VIEWER_RANGES_MAX */
    bool more_sent;
    uint64_t sent_bytes;
    unsigned users;        /* answers under way */
    bool settle_due, exported;

    time_ms used; /* boot clock */
    struct quota_answer quota; /* the last one */
    struct key_use *use; /* shared with the viewers of this key on other loops */

    struct list reads; /* struct job, waiting */
    bool reading;
    struct list turns; /* struct viewer_turn, waiting */
    unsigned n_turns;
    size_t turn_bytes;         /* of those that were weighed */
    struct viewer_turn *heavy; /* waits to be weighed; of two turns the other one */
};

/* KEY_FACTS brought the manifest's lease. */
void viewer_first_lease(struct viewer *v, const struct ipc_key_facts *m);
/* What the keeper says of the recording, at first sight and again. */
void viewer_know(struct viewer *v, const struct ipc_key_facts *m);
/* Something ended: no key of it is taken any more either. */
void viewer_wipe(struct viewer *v);
/* A key that is to be released beside a lease. */
struct viewer_release {
    uint16_t kn;
    uint8_t track;
};
/* Asks whatever is leased already. release: NULL: none. */
void viewer_ask_lease(struct viewer *v, const struct viewer_span *want, const struct viewer_release *release,
                      viewer_verdict_fn fn, void *ctx);
