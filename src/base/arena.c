#include "base/arena.h"

#include <stdlib.h>

#define FIRST_BYTES 112 /* a stream needs no more, and thousands of them live long */
#define SECOND_BYTES 496
#define BLOCK_BYTES 4096

struct arena_block {
    struct arena_block *next;
    size_t n, cap;
    _Alignas(16) uint8_t data[];
};

void arena_init(struct arena *a, size_t max)
{
    *a = (struct arena){ NULL, 0, max };
}

void arena_deinit(struct arena *a)
{
    struct arena_block *b = a->blocks;

    while (b != NULL) {
        struct arena_block *next = b->next;

        free(b);
        b = next;
    }
    arena_init(a, a->max);
}

void *arena_alloc(struct arena *a, size_t n)
{
    struct arena_block *b = a->blocks;
    void *p;

    if (n > a->max || a->used > a->max - n)
        return NULL;
    n = (n + 15) & ~(size_t) 15;
    if (b == NULL || b->cap - b->n < n) {
        size_t least = b == NULL ? FIRST_BYTES : b->next == NULL ? SECOND_BYTES : BLOCK_BYTES, cap = n > least ? n : least;

        b = malloc(sizeof(*b) + cap);
        if (b == NULL)
            return NULL;
        b->n = 0;
        b->cap = cap;
        b->next = a->blocks;
        a->blocks = b;
    }
    p = b->data + b->n;
    b->n += n;
    a->used += n;
    memset(p, 0, n);
    return p;
}

char *arena_str(struct arena *a, struct span s)
{
    char *p = arena_alloc(a, s.n + 1);

    if (p != NULL && s.n > 0)
        memcpy(p, s.p, s.n);
    return p;
}

struct span arena_span(struct arena *a, struct span s)
{
    char *p = arena_str(a, s);

    return p == NULL ? SPAN_EMPTY : span_of(p, s.n);
}
