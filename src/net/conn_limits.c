#include "net/conn_limits.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/map.h"
#include "crypto/random.h"

#define REFUSE_MAX 64 /* connections over the limit that still get an answer */

struct source {
    uint8_t key[9]; /* family and 4 or 8 bytes */
    size_t n;
};

struct net_limits {
    pthread_mutex_t lock; /* all below */
    size_t total, per_source, n;
    const struct net_cidr *trusted;
    size_t n_trusted;
    struct map sources;
};

enum err net_limits_new(size_t total, size_t per_source, const struct net_cidr *trusted, size_t n_trusted,
                        struct net_limits **ret, struct err_info *reterr)
{
    struct net_limits *l = calloc(1, sizeof(*l));
    uint8_t secret[16];

    if (l == NULL)
        return ERR_RAISE(reterr, ERR_NOMEM, "connection limits");
    random_fill(secret, sizeof(secret));
    (void) pthread_mutex_init(&l->lock, NULL);
    map_init(&l->sources, secret, total + REFUSE_MAX);
    l->total = total;
    l->per_source = per_source;
    l->trusted = trusted;
    l->n_trusted = n_trusted;
    *ret = l;
    return ERR_OK;
}

struct net_limits *net_limits_free(struct net_limits *l)
{
    if (l == NULL)
        return NULL;
    MAP_FOREACH(struct source, s, &l->sources)
        free(s);
    map_deinit(&l->sources);
    (void) pthread_mutex_destroy(&l->lock);
    free(l);
    return NULL;
}

size_t net_limits_count(struct net_limits *l)
{
    size_t n;

    (void) pthread_mutex_lock(&l->lock);
    n = l->n;
    (void) pthread_mutex_unlock(&l->lock);
    return n;
}

/* Length of the key; 0: not counted by source. */
static size_t key_of(const struct net_limits *l, const struct net_addr *a, uint8_t key[9])
{
    if (a->family == 0 || net_cidrs_have(l->trusted, l->n_trusted, a))
        return 0;
    key[0] = a->family;
    memcpy(key + 1, a->b, 8);
    return a->family == 4 ? 5 : 9;
}

/* One more of that source; NULL: no memory. */
static struct source *count_source(struct net_limits *l, struct span key)
{
    struct source *s = map_get(&l->sources, key);

    if (s == NULL) {
        s = calloc(1, sizeof(*s));
        if (s == NULL)
            return NULL;
        memcpy(s->key, key.p, key.n);
        if (!map_put(&l->sources, span_of(s->key, key.n), s, NULL)) {
            free(s);
            return NULL;
        }
    }
    s->n++;
    return s;
}

enum limit_verdict net_limits_enter(struct net_limits *l, const struct net_addr *a)
{
    uint8_t key[9];
    size_t n_key = key_of(l, a, key);
    enum limit_verdict v = LIMIT_OK;
    struct source *s = NULL;

    (void) pthread_mutex_lock(&l->lock);
    if (l->n >= l->total + REFUSE_MAX) {
        v = LIMIT_DROP;
    } else if (n_key > 0) {
        s = count_source(l, span_of(key, n_key));
        if (s == NULL || s->n > l->per_source + REFUSE_MAX)
            v = LIMIT_DROP;
        else if (s->n > l->per_source)
            v = LIMIT_SOURCE;
        if (v == LIMIT_DROP && s != NULL)
            s->n--;
    }
    if (v != LIMIT_DROP && ++l->n > l->total)
        v = LIMIT_TOTAL;
    (void) pthread_mutex_unlock(&l->lock);
    return v;
}

void net_limits_leave(struct net_limits *l, const struct net_addr *a)
{
    uint8_t key[9];
    size_t n_key = key_of(l, a, key);
    struct source *s;

    (void) pthread_mutex_lock(&l->lock);
    l->n--;
    s = n_key == 0 ? NULL : map_get(&l->sources, span_of(key, n_key));
    if (s != NULL && --s->n == 0) {
        (void) map_del(&l->sources, span_of(s->key, n_key));
        free(s);
    }
    (void) pthread_mutex_unlock(&l->lock);
}
