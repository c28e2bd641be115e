#pragma once
/*
 * map: byte-string keys to pointers, open addressing, SipHash-2-4 under a per-map random secret given by the caller
 * (so that an attacker who chooses keys cannot choose collisions).
 *
 * Keys are borrowed: they must live in the value (or elsewhere) as long as the entry.
 * Limit: 'max' entries; map_put past it returns false.
 */
#include "base/span.h"

struct map_slot {
    struct span key;
    void *value; /* NULL: empty */
    uint64_t hash;
};

struct map {
    struct map_slot *slots;
    size_t n, cap, max;
    uint8_t secret[16];
};

void map_init(struct map *m, const uint8_t secret[16], size_t max);
void map_deinit(struct map *m); /* values are the caller's */

void *map_get(const struct map *m, struct span key);

/* Inserts or replaces; *ret_old (may be NULL) gets the value replaced. False: full or no memory. value != NULL. */
bool map_put(struct map *m, struct span key, void *value, void **ret_old);

/* Returns the value removed, or NULL. */
void *map_del(struct map *m, struct span key);

/* Visits every value; the body must not change the map. */
#define MAP_FOREACH(type, it, m)                                                                                       \
    for (size_t it##_i = 0; it##_i < (m)->cap; it##_i++)                                                               \
        for (type *it = (m)->slots[it##_i].value; it != NULL; it = NULL)

/* SipHash-2-4 (Aumasson, Bernstein 2012). */
uint64_t siphash24(const uint8_t secret[16], struct span in);
