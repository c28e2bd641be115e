#include "gate/seen.h"

#include <pthread.h>
#include <stdlib.h>
#include <sys/mman.h>

#define SLOTS 131072u /* of one shard and generation; a power of two */
#define BYTES (SLOTS * sizeof(uint64_t))

struct shard {
    pthread_mutex_t lock;
    uint64_t *slots[2]; /* 0: empty */
    uint32_t n[2];
    unsigned now;       /* the generation that takes new ones */
    uint32_t since_s;   /* when it began */
};

struct seen {
    struct shard shards[SEEN_SHARDS];
    size_t ready; /* shards that are whole */
};

/* Zero pages, none of them there before it is written to. */
static uint64_t *slots_new(void)
{
    void *p = mmap(NULL, BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    return p == MAP_FAILED ? NULL : p;
}

static void shard_deinit(struct shard *h)
{
    for (size_t i = 0; i < 2; i++) {
        if (h->slots[i] != NULL)
            (void) munmap(h->slots[i], BYTES);
    }
}

enum err seen_new(struct seen **ret, struct err_info *reterr)
{
    struct seen *s = calloc(1, sizeof(*s));

    for (; s != NULL && s->ready < SEEN_SHARDS; s->ready++) {
        struct shard *h = &s->shards[s->ready];

        h->slots[0] = slots_new();
        h->slots[1] = slots_new();
        if (h->slots[0] == NULL || h->slots[1] == NULL || pthread_mutex_init(&h->lock, NULL) != 0) {
            shard_deinit(h);
            s = seen_free(s);
            break;
        }
    }
    if (s == NULL)
        return ERR_RAISE(reterr, ERR_NOMEM, "no memory for the proofs that were used");
    *ret = s;
    return ERR_OK;
}

struct seen *seen_free(struct seen *s)
{
    if (s == NULL)
        return NULL;
    for (size_t i = 0; i < s->ready; i++) {
        shard_deinit(&s->shards[i]);
        (void) pthread_mutex_destroy(&s->shards[i].lock);
    }
    free(s);
    return NULL;
}

/* The slot that has it, or the empty one where it belongs. There is always one: a quarter stays empty. */
static uint64_t *find(uint64_t *slots, uint64_t hash)
{
    uint32_t at = (uint32_t) (hash >> 8) & (SLOTS - 1);

    while (slots[at] != 0 && slots[at] != hash)
        at = (at + 1) & (SLOTS - 1);
    return &slots[at];
}

static void empty(struct shard *h, unsigned which)
{
    if (h->n[which] > 0 && madvise(h->slots[which], BYTES, MADV_DONTNEED) != 0)
        abort(); /* pages of ours that cannot be emptied: a set that remembers wrongly is worse than a restart */
    h->n[which] = 0;
}

/* What is older than a span, and was not entered within the last one, is forgotten. */
static void turn(struct shard *h, uint32_t now_s)
{
    if (now_s < h->since_s || now_s - h->since_s <= SEEN_SPAN_S)
        return;
    if (now_s - h->since_s > 2 * SEEN_SPAN_S + 1)
        empty(h, h->now); /* the present one, too, is over */
    h->now ^= 1;
    empty(h, h->now);
    h->since_s = now_s;
}

static enum seen_verdict add(struct shard *h, uint64_t hash)
{
    uint64_t *slot;

    if (*find(h->slots[h->now ^ 1], hash) == hash)
        return SEEN_BEFORE;
    slot = find(h->slots[h->now], hash);
    if (*slot == hash)
        return SEEN_BEFORE;
    if (h->n[h->now] == SEEN_SHARD_MAX)
        return SEEN_FULL;
    *slot = hash;
    h->n[h->now]++;
    return SEEN_NEW;
}

enum seen_verdict seen_add(struct seen *s, uint64_t hash, uint32_t now_s)
{
    struct shard *h;
    enum seen_verdict v;

    hash += hash == 0;
    h = &s->shards[hash % SEEN_SHARDS];
    (void) pthread_mutex_lock(&h->lock);
    turn(h, now_s);
    v = add(h, hash);
    (void) pthread_mutex_unlock(&h->lock);
    return v;
}
