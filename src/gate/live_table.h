#pragma once
/*
 * Which loop owns which live recording of this gate, and how many each ingest token has open.
 *
 * A recording belongs to the loop on which it was made or resumed, from live_table_add to live_table_remove; what is in
 * struct live_rec (live.h) belongs to that loop alone but for the members that live_place copies, which change only here.
 * Threads: any; one mutex, held for a look-up.
 */
#include <pthread.h>

#include "base/err.h"
#include "base/map.h"
#include "format/id.h"

#define LIVE_SECRET_CAP 64
#define LIVE_SOURCE_CAP 20
#define LIVE_OPEN_MAX 20000 /* recordings of one gate (STANDARDS 5.1, docs/operations.md) */

struct lane;
struct live_rec;

struct live_table {
    pthread_mutex_t lock;
    struct map recs;  /* of struct live_rec, by rid */
    struct map opens; /* of struct live_opens, by token id */
};

/* The members of struct live_rec that the table guards. */
struct live_place {
    char rid[ID_CAP];
    char pid[ID_CAP], tid[ID_CAP]; /* empty while the keeper is being asked */
    char secret[LIVE_SECRET_CAP];  /* what a public token needs besides (keeper/append_secret.h) */
    char source[LIVE_SOURCE_CAP];  /* who began it, when it was a public token: an address prefix, as hex */
    struct lane *lane;
};

NODISCARD enum err live_table_init(struct live_table *t, const uint8_t secret[16], struct err_info *reterr);
void live_table_deinit(struct live_table *t); /* entries are the caller's */

/* A copy. False: this gate does not write it. */
bool live_table_find(struct live_table *t, struct span rid, struct live_place *ret);

/* Of that rid, if it belongs to 'lane': for the lane's own thread. */
struct live_rec *live_table_own(struct live_table *t, struct span rid, const struct lane *lane);

/* The source's name in a place. */
void live_source_name(char to[LIVE_SOURCE_CAP], struct span prefix);

/*
 * Has the token fewer than 'max' open, and the gate room for one more? Of a public token (source not empty) one source may hold a
 * quarter: whoever copies it out of a page cannot keep everybody else's visits out.
 */
bool live_table_room(struct live_table *t, const char *tid, const char *source, unsigned max);

/* rec's place is filled. max 0: not counted against the token's limit. ERR_EXISTS. ERR_LIMIT: as live_table_room. ERR_NOMEM. */
NODISCARD enum err live_table_add(struct live_table *t, struct live_rec *rec, unsigned max);

/* The keeper said whose it is. 'from' has everything but rid and lane. */
void live_table_name(struct live_table *t, struct live_rec *rec, const struct live_place *from);

void live_table_remove(struct live_table *t, struct live_rec *rec);
