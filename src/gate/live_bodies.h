#pragma once
/*
 * live_bodies: how much of the memory for batches that are under way one token and one project hold. Bodies half sent cost their sender nothing:
 * without shares one token could keep all others out.
 *
 * Limits:  LIVE_BODIES_MAX of all, LIVE_BODIES_PROJECT of a project, LIVE_BODIES_TOKEN of a token; bodies whose token is not known yet (it is inside
 *          of them) count as one. A body of at most LIVE_BODY_SMALL is taken all the same.
 * Threads: any.
 */
#include <pthread.h>

#include "base/err.h"
#include "base/map.h"

#define LIVE_BODIES_MAX     (512u << 20)
#define LIVE_BODIES_PROJECT (256u << 20)
#define LIVE_BODIES_TOKEN   (128u << 20) /* five of the largest */
#define LIVE_BODY_SMALL     (64u << 10)

struct live_bodies {
    pthread_mutex_t lock;
    struct map shares; /* by a project's id or a token's */
    uint64_t bytes;
};

struct live_share;

/* What one body holds: all zero at first. */
struct live_hold {
    struct live_share *project, *token;
    uint64_t bytes;
};

NODISCARD enum err live_bodies_init(struct live_bodies *t, const uint8_t secret[16], struct err_info *reterr);
void live_bodies_deinit(struct live_bodies *t);

/* n bytes more of a body of this token ("": not known yet). False: too much; they count all the same, until the give. */
bool live_bodies_take(struct live_bodies *t, struct live_hold *h, const char *pid, const char *tid, uint64_t n);
void live_bodies_give(struct live_bodies *t, struct live_hold *h); /* safe twice */
