#include <stdlib.h>

#include "store/reclog_int.h"

/*
 * The newest bytes of the log, as they lie in its files: who follows finds them without the disk. Blobs come in the order
 * of the log, so a place is found by halving.
 */

static void drop_oldest(struct reclog_cache *c)
{
    struct reclog_blob *b = c->blobs[c->head];

    c->bytes -= sizeof(*b) + b->cap;
    c->head++;
    c->n--;
    reclog_blob_unref(b);
}

static bool room_for_one(struct reclog_cache *c)
{
    if (c->head + c->n < c->cap)
        return true;
    if (c->head > c->cap / 2) { /* half of it is free in front */
        memmove(c->blobs, c->blobs + c->head, c->n * sizeof(c->blobs[0]));
        c->head = 0;
    } else {
        size_t cap = c->cap == 0 ? 64 : c->cap * 2;
        struct reclog_blob **more = realloc(c->blobs, cap * sizeof(more[0]));

        if (more == NULL)
            return false;
        c->blobs = more;
        c->cap = cap;
    }
    return true;
}

void reclog_cache_add(struct reclog_cache *c, struct reclog_blob *b)
{
    size_t size = sizeof(*b) + b->cap;

    if (size > c->max || !room_for_one(c)) {
        reclog_blob_unref(b); /* the disk has it */
        return;
    }
    while (c->bytes > c->max - size)
        drop_oldest(c);
    c->blobs[c->head + c->n++] = b;
    c->bytes += size;
}

struct reclog_blob *reclog_cache_find(const struct reclog_cache *c, uint32_t file_no, uint64_t at, size_t n)
{
    size_t low = c->head, high = c->head + c->n; /* the last blob that begins at or before it lies in [low, high) */

    while (high - low > 1) {
        size_t mid = low + (high - low) / 2;
        const struct reclog_blob *b = c->blobs[mid];

        if (b->file_no < file_no || (b->file_no == file_no && b->at <= at))
            low = mid;
        else
            high = mid;
    }
    if (low < high) {
        struct reclog_blob *b = c->blobs[low];

        if (b->file_no == file_no && b->at <= at && at - b->at + n <= b->n)
            return b;
    }
    return NULL;
}

void reclog_cache_clear(struct reclog_cache *c)
{
    while (c->n > 0)
        drop_oldest(c);
    free(c->blobs);
    c->blobs = NULL;
    c->head = c->cap = 0;
}
