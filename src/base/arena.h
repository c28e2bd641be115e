#pragma once
/*
 * arena: memory that lives as long as one request. Allocation is a bump; everything goes at once.
 * Limit: 'max' bytes; past it arena_alloc returns NULL.
 */
#include "base/span.h"

struct arena_block;

struct arena {
    struct arena_block *blocks;
    size_t used;
    size_t max;
};

void arena_init(struct arena *a, size_t max);
void arena_deinit(struct arena *a);

/* Zeroed, aligned to 16. NULL when the limit or memory is reached. */
void *arena_alloc(struct arena *a, size_t n);

/* A NUL-terminated copy (the span may hold anything). */
char *arena_str(struct arena *a, struct span s);
struct span arena_span(struct arena *a, struct span s);
