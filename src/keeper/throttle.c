#include "keeper/throttle.h"

#include <stdlib.h>

#include "base/map.h"

#define MINUTE_MS 60000

struct entry {
    uint64_t hash; /* 0: free */
    uint32_t failures;
    int64_t since;  /* source: when this minute of counting began */
    int64_t until;  /* blocked until */
    int64_t last;
};

struct throttle {
    uint8_t secret[16];
    struct entry e[THROTTLE_SLOTS];
};

struct throttle *throttle_new(const uint8_t secret[16])
{
    struct throttle *t = calloc(1, sizeof(*t));

    if (t != NULL)
        memcpy(t->secret, secret, sizeof(t->secret));
    return t;
}

struct throttle *throttle_free(struct throttle *t)
{
    free(t);
    return NULL;
}

static uint64_t hash_of(const struct throttle *t, enum throttle_kind kind, struct span who)
{
    uint64_t h = siphash24(t->secret, who) ^ (kind == THROTTLE_SOURCE ? 0x9e3779b97f4a7c15ULL : 0);

    return h == 0 ? 1 : h;
}

static struct entry *find(struct throttle *t, uint64_t hash)
{
    struct entry *set = &t->e[hash % (THROTTLE_SLOTS / THROTTLE_WAYS) * THROTTLE_WAYS];

    for (size_t i = 0; i < THROTTLE_WAYS; i++) {
        if (set[i].hash == hash)
            return &set[i];
    }
    return NULL;
}

static struct entry *take(struct throttle *t, uint64_t hash, int64_t now)
{
    struct entry *set = &t->e[hash % (THROTTLE_SLOTS / THROTTLE_WAYS) * THROTTLE_WAYS];
    struct entry *old = &set[0];

    for (size_t i = 0; i < THROTTLE_WAYS; i++) {
        if (set[i].hash == 0) {
            old = &set[i];
            break;
        }
        if (set[i].last < old->last)
            old = &set[i];
    }
    *old = (struct entry){ .hash = hash, .since = now, .last = now };
    return old;
}

static int64_t wait_of(uint32_t over, int64_t first)
{
    int64_t w = first;

    while (over > 1 && w < THROTTLE_WAIT_MAX_MS) {
        w *= 2;
        over--;
    }
    return w < THROTTLE_WAIT_MAX_MS ? w : THROTTLE_WAIT_MAX_MS;
}

int64_t throttle_wait_ms(struct throttle *t, enum throttle_kind kind, struct span who, int64_t now)
{
    struct entry *e = find(t, hash_of(t, kind, who));

    return e != NULL && e->until > now ? e->until - now : 0;
}

void throttle_failed(struct throttle *t, enum throttle_kind kind, struct span who, int64_t now)
{
    uint64_t hash = hash_of(t, kind, who);
    struct entry *e = find(t, hash);

    if (e == NULL)
        e = take(t, hash, now);
    if (kind == THROTTLE_SOURCE && now - e->since >= MINUTE_MS && e->until <= now) {
        e->failures = 0;
        e->since = now;
    }
    e->failures++;
    e->last = now;
    if (kind == THROTTLE_ACCOUNT && e->failures >= THROTTLE_ACCOUNT_FREE)
        e->until = now + wait_of(e->failures - THROTTLE_ACCOUNT_FREE + 1, 1000);
    if (kind == THROTTLE_SOURCE && e->failures >= THROTTLE_SOURCE_FREE)
        e->until = now + wait_of(e->failures - THROTTLE_SOURCE_FREE + 1, MINUTE_MS - (now - e->since) % MINUTE_MS);
}

void throttle_succeeded(struct throttle *t, struct span account)
{
    struct entry *e = find(t, hash_of(t, THROTTLE_ACCOUNT, account));

    if (e != NULL)
        *e = (struct entry){ 0 };
}
