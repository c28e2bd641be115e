#include "gate/live_tokens.h"

#include <stdio.h>
#include <stdlib.h>

struct live_origins {
    char pid[ID_CAP];
    char *text; /* with spaces between them */
};

struct live_origin {
    char text[LIVE_ORIGIN_CAP];
    unsigned n;
};

enum err live_tokens_init(struct live_tokens *t, const uint8_t secret[16], struct err_info *reterr)
{
    map_init(&t->by_hash, secret, LIVE_TOKENS_MAX);
    map_init(&t->projects, secret, LIVE_ORIGINS_MAX);
    map_init(&t->origins, secret, LIVE_ORIGINS_MAX);
    t->known = false;
    return pthread_rwlock_init(&t->lock, NULL) == 0 ? ERR_OK : ERR_RAISE(reterr, ERR_NOMEM, "make a lock");
}

static void forget_all(struct live_tokens *t, const uint8_t secret[16])
{
    MAP_FOREACH(struct live_token, one, &t->by_hash)
        free(one);
    MAP_FOREACH(struct live_origins, of, &t->projects)
    {
        free(of->text);
        free(of);
    }
    MAP_FOREACH(struct live_origin, origin, &t->origins)
        free(origin);
    map_deinit(&t->by_hash);
    map_deinit(&t->projects);
    map_deinit(&t->origins);
    map_init(&t->by_hash, secret, LIVE_TOKENS_MAX);
    map_init(&t->projects, secret, LIVE_ORIGINS_MAX);
    map_init(&t->origins, secret, LIVE_ORIGINS_MAX);
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

/* ---- origins ---- */

/* Under the write lock. False: full, or no memory; the origin then counts for its own project only. */
static bool count(struct live_tokens *t, struct span text, bool more)
{
    struct live_origin *o = map_get(&t->origins, text);

    if (o != NULL && !more) {
        if (--o->n == 0)
            free(map_del(&t->origins, text));
        return true;
    }
    if (o == NULL && more) {
        o = calloc(1, sizeof(*o));
        if (o == NULL || !span_to_str(text, o->text, sizeof(o->text)) || !map_put(&t->origins, span_str(o->text), o, NULL)) {
            free(o);
            return false;
        }
    }
    if (o != NULL)
        o->n++;
    return o != NULL;
}

static bool count_all(struct live_tokens *t, struct span text, bool more)
{
    struct span one, rest = text;
    bool go_on = text.n > 0, good = true;

    while (go_on) {
        go_on = span_cut(rest, ' ', &one, &rest);
        good = count(t, one, more) && good;
    }
    return good;
}

static bool put_origins(struct live_tokens *t, const struct ipc_row_origins *row)
{
    struct live_origins *of = map_get(&t->projects, row->pid);

    if (of != NULL) {
        (void) count_all(t, span_str(of->text), false);
        (void) map_del(&t->projects, row->pid);
        free(of->text);
        free(of);
    }
    if (row->origins.n == 0)
        return true;
    of = calloc(1, sizeof(*of));
    if (of == NULL)
        return false;
    of->text = span_dup(row->origins);
    if (of->text == NULL || !span_to_str(row->pid, of->pid, sizeof(of->pid)) ||
        !map_put(&t->projects, span_str(of->pid), of, NULL)) {
        free(of->text);
        free(of);
        return false;
    }
    return count_all(t, row->origins, true);
}

static bool names(const char *text, struct span origin)
{
    struct span one, rest = span_str(text);
    bool more = rest.n > 0;

    while (more) {
        more = span_cut(rest, ' ', &one, &rest);
        if (span_eq(one, origin))
            return true;
    }
    return false;
}

/* The origin itself, then with each of its host's first labels as a star. Under the lock. */
static bool origin_known(const struct live_tokens *t, const struct live_origins *of, struct span origin)
{
    char star[LIVE_ORIGIN_CAP + 2];
    const size_t host = span_starts(origin, "https://") ? 8 : 7;

    if (of != NULL ? names(of->text, origin) : map_get(&t->origins, origin) != NULL)
        return true;
    for (size_t i = host; i < origin.n; i++) {
        struct span pattern;

        if (origin.p[i] != '.' || i == host)
            continue;
        (void) snprintf(star, sizeof(star), "%.*s*%.*s", (int) host, (const char *) origin.p, (int) (origin.n - i),
                        (const char *) origin.p + i);
        pattern = span_str(star);
        if (of != NULL ? names(of->text, pattern) : map_get(&t->origins, pattern) != NULL)
            return true;
    }
    return false;
}

bool live_tokens_origin(struct live_tokens *t, struct span pid, struct span origin)
{
    const struct live_origins *of;
    bool known;

    if (origin.n >= LIVE_ORIGIN_CAP || (!span_starts(origin, "https://") && !span_starts(origin, "http://")))
        return false; /* "null" too: anybody can be that */
    pthread_rwlock_rdlock(&t->lock);
    of = pid.n > 0 ? map_get(&t->projects, pid) : NULL;
    known = (pid.n == 0 || of != NULL) && origin_known(t, of, origin);
    pthread_rwlock_unlock(&t->lock);
    return known;
}

/* ---- tokens ---- */

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
        one->browser = row->browser != 0;
    }
    for (uint32_t i = 0; i < m->origins.n; i++) {
        if (!put_origins(t, &m->origins.rows[i]))
            e = ERR_LIMIT;
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
