/* Key objects by point, the one used longest ago going first. Making one costs a check of the curve and some kilobytes. */
#include "gate/proof.h"

#include <stdlib.h>

struct entry {
    struct list node; /* in k->used, the newest last */
    uint8_t pub[ES256_PUB_LEN];
    struct es256_verifier *verifier;
};

struct proof_keys {
    struct map entries;
    struct list used;
    struct entry *fresh; /* found last, not kept: whoever sends junk puts out nobody */
};

struct proof_keys *proof_keys_new(const uint8_t secret[16])
{
    struct proof_keys *k = calloc(1, sizeof(*k));

    if (k == NULL)
        return NULL;
    map_init(&k->entries, secret, PROOF_KEYS_MAX);
    list_init(&k->used);
    return k;
}

static struct entry *entry_free(struct entry *e)
{
    if (e == NULL)
        return NULL;
    es256_verifier_free(e->verifier);
    free(e);
    return NULL;
}

struct proof_keys *proof_keys_free(struct proof_keys *k)
{
    if (k == NULL)
        return NULL;
    MAP_FOREACH(struct entry, e, &k->entries)
        (void) entry_free(e);
    map_deinit(&k->entries);
    k->fresh = entry_free(k->fresh);
    free(k);
    return NULL;
}

size_t proof_keys_count(const struct proof_keys *k)
{
    return k->entries.n;
}

const struct es256_verifier *proof_keys_find(struct proof_keys *k, const uint8_t pub[ES256_PUB_LEN])
{
    struct entry *e = map_get(&k->entries, span_of(pub, ES256_PUB_LEN));

    k->fresh = entry_free(k->fresh);
    if (e != NULL) {
        list_remove(&e->node);
        list_append(&k->used, &e->node);
        return e->verifier;
    }
    e = calloc(1, sizeof(*e));
    if (e == NULL || es256_verifier_new(pub, &e->verifier, NULL) != ERR_OK) {
        (void) entry_free(e);
        return NULL;
    }
    memcpy(e->pub, pub, sizeof(e->pub));
    k->fresh = e;
    return e->verifier;
}

void proof_keys_keep(struct proof_keys *k, size_t max)
{
    struct entry *e = TAKE(k->fresh);

    if (e == NULL)
        return;
    while (k->entries.n > 0 && k->entries.n >= max) {
        struct entry *oldest = LIST_ENTRY(list_pop(&k->used), struct entry, node);

        (void) map_del(&k->entries, SPAN_OF(oldest->pub));
        (void) entry_free(oldest);
    }
    if (map_put(&k->entries, SPAN_OF(e->pub), e, NULL))
        list_append(&k->used, &e->node);
    else
        (void) entry_free(e); /* no memory: made again next time */
}
