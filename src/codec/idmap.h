#pragma once
/*
 * idmap: a byte for each of many node numbers, as ranges of equal neighbours: rrweb numbers a page in the order of its tree, so what lies
 * in one element is one range.
 *
 * Life:  init -> put, get … -> deinit. 0 is what a number has that was never put.
 * Limit: IDMAP_MAX ranges; past it 'full' is set and stays until the reset, and what was put is lost.
 * Cost:  get log n; put log n and, out of order, the move of what follows.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define IDMAP_MAX 8192

struct idmap_range {
    uint32_t from, to; /* both included */
    uint8_t value;
};

struct idmap {
    struct idmap_range *r;
    uint32_t n, cap;
    bool full; /* or no memory */
};

void idmap_init(struct idmap *m);
void idmap_deinit(struct idmap *m);
void idmap_reset(struct idmap *m);

uint8_t idmap_get(const struct idmap *m, uint32_t id);
/* False: nothing changed. */
bool idmap_put(struct idmap *m, uint32_t id, uint8_t value);

/* *to becomes as 'from'. False: no memory; *to is then full. */
bool idmap_copy(struct idmap *to, const struct idmap *from);
