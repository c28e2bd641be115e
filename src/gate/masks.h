#pragma once
/*
 * The masking rules of projects as the keeper sends them (IPC MASK_RULES), for every loop and worker of the gate.
 *
 * A project is known here from the first answer of the keeper about one of its recordings on: the rules come on the same channel
 * just before INGEST_OPENED and INGEST_STATE, and again at each change. What is not known has not been spoken of yet, and nothing is taken in for
 * it: the callers answer keeper-unavailable. A project without rules of its own is known as such, with the default ones.
 *
 * Threads: any; one rwlock. Rules are shared and immutable (codec/mask.h): whoever got some goes on with them until he asks again.
 */
#include <pthread.h>

#include "base/map.h"
#include "codec/mask.h"
#include "format/id.h"
#include "format/ipc.h"

#define MASKS_MAX 100000

struct masks {
    pthread_rwlock_t lock;
    struct map by_pid; /* of struct masks_row */
};

NODISCARD enum err masks_init(struct masks *m, const uint8_t secret[16], struct err_info *reterr);
void masks_deinit(struct masks *m);

/* What the keeper sent. An older version than is there does nothing. ERR_CORRUPT, ERR_NOMEM, ERR_LIMIT: the project is unknown from now on. */
NODISCARD enum err masks_put(struct masks *m, const struct ipc_mask_rules *in, struct err_info *reterr);

/* The project's rules, a reference of the caller's (mask_rules_unref). NULL: not known. */
struct mask_rules *masks_get(struct masks *m, struct span pid);
