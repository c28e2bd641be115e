#include "gate/looks.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "base/map.h"
#include "crypto/secret.h"
#include "format/id.h"

#define LOOKS_MAX 65536

struct made {
    struct look_screen s;
    uint8_t *init;
};

struct look {
    struct looks *table; /* NULL: of one reader */
    char rid[ID_CAP];
    unsigned refs; /* under the table's lock */

    pthread_mutex_t lock;
    struct made list[LOOK_SCREENS]; /* in order */
    size_t n, bytes;
    uint64_t sealed, late;
    time_ms fresh;
    struct look_scan scan;
    _Atomic uint64_t read;
};

struct looks {
    pthread_mutex_t lock;
    struct map looks;
    _Atomic size_t bytes;
};

struct looks *looks_new(const uint8_t secret[16])
{
    struct looks *t = calloc(1, sizeof(*t));

    if (t == NULL)
        return NULL;
    if (pthread_mutex_init(&t->lock, NULL) != 0) {
        free(t);
        return NULL;
    }
    map_init(&t->looks, secret, LOOKS_MAX);
    return t;
}

struct looks *looks_free(struct looks *t)
{
    if (t == NULL)
        return NULL;
    map_deinit(&t->looks); /* readers have put what they had */
    (void) pthread_mutex_destroy(&t->lock);
    free(t);
    return NULL;
}

static struct look *look_new(struct looks *t, const char *rid)
{
    struct look *k = calloc(1, sizeof(*k));

    if (k == NULL)
        return NULL;
    k->refs = 1;
    if (!span_to_str(span_str(rid), k->rid, sizeof(k->rid)) || pthread_mutex_init(&k->lock, NULL) != 0) {
        free(k);
        return NULL;
    }
    if (t != NULL && map_put(&t->looks, span_str(k->rid), k, NULL)) /* a full table: it is for one reader */
        k->table = t;
    return k;
}

struct look *look_get(struct looks *t, const char *rid)
{
    struct look *k;

    if (t == NULL)
        return look_new(NULL, rid);
    pthread_mutex_lock(&t->lock);
    k = map_get(&t->looks, span_str(rid));
    if (k != NULL)
        k->refs++;
    else
        k = look_new(t, rid);
    pthread_mutex_unlock(&t->lock);
    return k;
}

static void drop(struct look *k, size_t i)
{
    struct made *m = &k->list[i];

    k->bytes -= m->s.init.n;
    if (k->table != NULL)
        (void) atomic_fetch_sub(&k->table->bytes, m->s.init.n);
    if (m->init != NULL)
        secret_wipe(m->init, m->s.init.n);
    free(m->init);
    m->init = NULL;
}

struct look *look_put(struct look *k)
{
    struct looks *t = k == NULL ? NULL : k->table;
    bool last;

    if (k == NULL)
        return NULL;
    if (t != NULL)
        pthread_mutex_lock(&t->lock);
    last = --k->refs == 0;
    if (t != NULL && last)
        (void) map_del(&t->looks, span_str(k->rid));
    if (t != NULL)
        pthread_mutex_unlock(&t->lock);
    if (!last)
        return NULL;
    for (size_t i = 0; i < k->n; i++)
        drop(k, i);
    (void) pthread_mutex_destroy(&k->lock);
    free(k);
    return NULL;
}

void look_lock(struct look *k)
{
    pthread_mutex_lock(&k->lock);
}

void look_unlock(struct look *k)
{
    pthread_mutex_unlock(&k->lock);
}

bool look_find(struct look *k, time_us from, uint64_t until, uint64_t after, struct look_screen *ret)
{
    for (size_t i = k->n; i-- > 0 && k->list[i].s.seq > after;) {
        if (k->list[i].s.at > from || k->list[i].s.seq >= until)
            continue;
        *ret = k->list[i].s;
        return true;
    }
    return false;
}

/* The one goes that is missed least: whose neighbours are closest to each other. The newest one stays. */
static void thin(struct look *k)
{
    size_t least = 0;

    for (size_t i = 1; i + 1 < k->n; i++)
        if (least == 0 || k->list[i + 1].s.seq - k->list[i - 1].s.seq < k->list[least + 1].s.seq - k->list[least - 1].s.seq)
            least = i;
    drop(k, least);
    k->n--;
    memmove(&k->list[least], &k->list[least + 1], (k->n - least) * sizeof(k->list[0]));
}

void look_add(struct look *k, const struct look_screen *s)
{
    struct made m = { .s = *s };
    size_t at = k->n;

    while (at > 0 && k->list[at - 1].s.seq > s->seq)
        at--;
    if ((at > 0 && k->list[at - 1].s.seq == s->seq) || s->init.n == 0 || s->init.n > LOOK_BYTES ||
        (k->table != NULL && atomic_load(&k->table->bytes) + s->init.n > LOOKS_BYTES))
        return;
    while (k->n > 1 && (k->n == LOOK_SCREENS || k->bytes + s->init.n > LOOK_BYTES)) {
        thin(k);
        for (at = k->n; at > 0 && k->list[at - 1].s.seq > s->seq;)
            at--;
    }
    m.init = k->bytes + s->init.n > LOOK_BYTES ? NULL : malloc(s->init.n);
    if (m.init == NULL)
        return;
    memcpy(m.init, s->init.p, s->init.n);
    m.s.init = span_of(m.init, s->init.n);
    memmove(&k->list[at + 1], &k->list[at], (k->n - at) * sizeof(m));
    k->list[at] = m;
    k->n++;
    k->bytes += s->init.n;
    if (k->table != NULL)
        (void) atomic_fetch_add(&k->table->bytes, s->init.n);
}

static void drop_behind(struct look *k, uint64_t seq)
{
    while (k->n > 0 && k->list[k->n - 1].s.seq > seq)
        drop(k, --k->n);
    k->fresh = 0;
}

void look_forget(struct look *k, uint64_t seq)
{
    look_lock(k);
    drop_behind(k, seq);
    look_unlock(k);
}

void look_tail(struct look *k, uint64_t sealed, uint64_t late)
{
    if (sealed == k->sealed && late == k->late)
        return;
    drop_behind(k, sealed < k->sealed ? sealed : k->sealed);
    k->sealed = sealed;
    k->late = late;
}

void look_now(struct look *k, time_ms now)
{
    k->fresh = now;
}

bool look_fresh(const struct look *k, time_ms now)
{
    return k->fresh != 0 && now - k->fresh < LOOK_FRESH_MS;
}

struct look_scan *look_scan(struct look *k)
{
    return &k->scan;
}

uint64_t look_read(struct look *k)
{
    return atomic_load(&k->read);
}

void look_add_read(struct look *k, uint64_t n)
{
    (void) atomic_fetch_add(&k->read, n);
}
