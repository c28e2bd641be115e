#include "gate/live_tokens.h"

#include <stdlib.h>

enum err live_tokens_init(struct live_tokens *t, const uint8_t secret[16], struct err_info *reterr)
{
    map_init(&t->by_hash, secret, LIVE_TOKENS_MAX);
    t->known = false;
    return pthread_rwlock_init(&t->lock, NULL) == 0 ? ERR_OK : ERR_RAISE(reterr, ERR_NOMEM, "make a lock");
}

static void forget_all(struct live_tokens *t, const uint8_t secret[16])
{
    MAP_FOREACH(struct live_token, one, &t->by_hash)
        free(one);
    map_deinit(&t->by_hash);
    map_init(&t->by_hash, secret, LIVE_TOKENS_MAX);
}

void live_tokens_deinit(struct live_tokens *t)
{
    uint8_t secret[16];

    memcpy(secret, t->by_hash.secret, sizeof(secret));
    forget_all(t, secret);
    (void) pthread_rwlock_destroy(&t->lock);
}

/* Under the write lock. NULL: full, or not a token's row. */
static struct live_token *put(struct live_tokens *t, struct span sha256, struct span tid, struct span pid)
{
    struct live_token *one;

    if (sha256.n != sizeof(one->sha256) || tid.n >= ID_CAP || pid.n >= ID_CAP)
        return NULL;
    one = map_get(&t->by_hash, sha256);
    if (one != NULL)
        return one;
    one = calloc(1, sizeof(*one));
    if (one == NULL)
        return NULL;
    memcpy(one->sha256, sha256.p, sizeof(one->sha256));
    if (!span_to_str(tid, one->tid, sizeof(one->tid)) || !span_to_str(pid, one->pid, sizeof(one->pid)) ||
        !map_put(&t->by_hash, SPAN_OF(one->sha256), one, NULL)) {
        free(one);
        return NULL;
    }
    return one;
}

enum err live_tokens_put(struct live_tokens *t, const struct ipc_ingest_tokens *m)
{
    uint8_t secret[16];
    enum err e = ERR_OK;

    pthread_rwlock_wrlock(&t->lock);
    if (m->full) {
        memcpy(secret, t->by_hash.secret, sizeof(secret));
        forget_all(t, secret);
        t->known = true;
    }
    for (uint32_t i = 0; i < m->rows.n; i++) {
        const struct ipc_row_ingest_token *row = &m->rows.rows[i];
        struct live_token *one = put(t, row->sha256, row->tid, row->pid);

        if (one == NULL || !span_to_str(row->url, one->url, sizeof(one->url))) {
            e = ERR_LIMIT;
            continue;
        }
        one->kind = row->kind == TOKEN_GATEWAY ? TOKEN_GATEWAY : TOKEN_INGEST;
        one->live = row->live != 0;
    }
    pthread_rwlock_unlock(&t->lock);
    return e;
}

void live_tokens_learn(struct live_tokens *t, const uint8_t sha256[32], struct span tid, struct span pid)
{
    struct live_token *one;

    pthread_rwlock_wrlock(&t->lock);
    if (map_get(&t->by_hash, span_of(sha256, 32)) == NULL) {
        one = put(t, span_of(sha256, 32), tid, pid);
        if (one != NULL)
            one->live = true;
    }
    pthread_rwlock_unlock(&t->lock);
}

enum live_token_verdict live_tokens_find(struct live_tokens *t, enum machine_token kind, const uint8_t sha256[32],
                                         struct live_token *ret)
{
    enum live_token_verdict v;
    const struct live_token *one;

    pthread_rwlock_rdlock(&t->lock);
    one = map_get(&t->by_hash, span_of(sha256, 32));
    if (one != NULL && one->kind != kind)
        one = NULL;
    if (one != NULL)
        *ret = *one;
    v = one == NULL ? (t->known ? LIVE_TOKEN_UNKNOWN : LIVE_TOKEN_UNSURE) : one->live ? LIVE_TOKEN_OK : LIVE_TOKEN_OVER;
    pthread_rwlock_unlock(&t->lock);
    return v;
}
