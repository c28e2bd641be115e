#pragma once
/*
 * Ingest and gateway tokens as the keeper pushes them (STANDARDS 1.12, 5.1): SHA-256 of a token to its id and project; and
 * the origins of projects whose pages may record.
 *
 * Read by every loop at each batch, written by loop 0 when a push comes and by the loop whose question the keeper answered
 * with a token that no push has brought yet. What is known stays known while the keeper is away: open recordings go on.
 * Threads: any; one rwlock.
 */
#include <pthread.h>

#include "base/map.h"
#include "format/id.h"
#include "format/ipc.h"

#define LIVE_TOKENS_MAX    100000
#define LIVE_ORIGINS_MAX   100000 /* projects that have any, and origins that any of them names */
#define LIVE_ORIGIN_CAP    256
#define LIVE_TOKEN_URL_CAP 1024

struct live_tokens {
    pthread_rwlock_t lock;
    struct map by_hash; /* of struct live_token */
    struct map projects; /* of struct live_origins, by project id */
    struct map origins;  /* of struct live_origin, by its text: how many projects name it */
    bool known;         /* a full list has come: what is not in it does not exist */
};

/* A copy of what is known. */
struct live_token {
    uint8_t sha256[32];
    char tid[ID_CAP], pid[ID_CAP];
    enum machine_token kind;
    bool live;
    bool browser; /* public: for pages of the project's origins (cors.h) */
    char url[LIVE_TOKEN_URL_CAP]; /* of a gateway's: what its proxy serves, without a slash at the end */
};

enum live_token_verdict {
    LIVE_TOKEN_OK,
    LIVE_TOKEN_OVER,    /* revoked or expired: 401 */
    LIVE_TOKEN_UNKNOWN, /* not in the keeper's list: 401 */
    LIVE_TOKEN_UNSURE,  /* not known, and no list has come yet: 503 */
};

NODISCARD enum err live_tokens_init(struct live_tokens *t, const uint8_t secret[16], struct err_info *reterr);
void live_tokens_deinit(struct live_tokens *t);

/* The keeper's push. Rows that are no token's are passed over. ERR_LIMIT: too many, or no memory; the rest is unknown. */
NODISCARD enum err live_tokens_put(struct live_tokens *t, const struct ipc_ingest_tokens *m);

/* The keeper answered a question of this token: it is live. Nothing happens when a push has brought it already. */
void live_tokens_learn(struct live_tokens *t, const uint8_t sha256[32], struct span tid, struct span pid);

/* Of that kind alone: another kind's is UNKNOWN. */
enum live_token_verdict live_tokens_find(struct live_tokens *t, enum machine_token kind, const uint8_t sha256[32],
                                         struct live_token *ret);

/*
 * May pages of this origin (as a browser sends it) record into that project? An empty pid: into any. A star
 * as the first label of one in a project's list stands for each host below.
 */
bool live_tokens_origin(struct live_tokens *t, struct span pid, struct span origin);
