#include "gate/replay.h"

#include <stdlib.h>

#include "crypto/secret.h"

void lines_wipe(struct buf *b)
{
    if (b->p != NULL)
        secret_wipe(b->p, b->cap);
    buf_deinit(b);
}

/* ---- lines ---- */

void lines_init(struct lines *l, struct replay *r, void (*on_loaded)(struct replay *r, enum err e))
{
    *l = (struct lines){ .replay = r, .until = UINT64_MAX, .on_loaded = on_loaded };
}

void lines_begin(struct lines *l, uint64_t seq, time_us time)
{
    l->seq = seq;
    l->time = time < 0 ? 0 : time;
    l->sequential = time >= 0; /* of a keyframe it is that of the event itself, which is as good */
}

void lines_take(struct lines *l, struct block *b)
{
    uint64_t seq = l->seq;

    (void) block_unref(l->block);
    l->block = b;
    l->seq = b->meta.first_seq;
    l->time = l->time > b->meta.t_first ? l->time : b->meta.t_first;
    l->sequential = true;
    l->loaded = true;
    lines_seek(l, seq);
}

/* b: NULL when it failed. */
static void loaded(struct replay *r, enum err e, struct block *b)
{
    struct lines *l = r->state; /* every user has its lines first in its state */
    bool wanted = !r->over && r->call->ex != NULL;

    l->loading = false;
    if (!wanted)
        (void) block_unref(b);
    else if (b != NULL)
        lines_take(l, b);
    if (wanted)
        l->on_loaded(r, e);
    call_unref(r->call);
}

static void on_later(void *arg)
{
    struct replay *r = arg;
    struct lines *l = r->state;
    struct block *b = l->ready;

    l->ready = NULL;
    loaded(r, ERR_OK, b);
}

static void on_block(void *ctx, enum err e, struct block *b, bool inside)
{
    struct replay *r = ctx;
    struct lines *l = r->state;

    if (!inside || b == NULL) {
        loaded(r, e, b);
        return;
    }
    l->ready = b;
    l->later = (struct loop_deferred){ .fn = on_later, .arg = r };
    loop_defer(r->call->lane->loop, &l->later);
}

struct viewer_want lines_want(const struct lines *l)
{
    return (struct viewer_want){ .kind = READ_EVENTS, .seq = l->seq, .until = l->until, .has_floor = l->sequential,
                                 .floor = l->time };
}

void lines_load(struct lines *l)
{
    const struct viewer_want want = lines_want(l);

    l->loaded = false;
    l->loading = true;
    (void) call_ref(l->replay->call);
    viewer_block(l->replay->viewer, &want, on_block, l->replay);
}

/* Seek time of one event: its own time inside its chunk, but never before the event before it. */
static time_us time_of(const struct lines *l, time_us own)
{
    own = own > l->block->meta.t_last ? l->block->meta.t_last : own;
    return own > l->time ? own : l->time;
}

bool lines_peek(const struct lines *l, struct line *ret)
{
    const struct block *b = l->block;
    uint64_t i = l->seq - (b == NULL ? 0 : b->meta.first_seq);

    if (!l->loaded || i >= b->n_lines || l->seq >= l->until)
        return false;
    ret->json = span_of(b->bytes.p + b->lines[i].at, b->lines[i].n);
    ret->seq = l->seq;
    ret->time = time_of(l, b->lines[i].own);
    return true;
}

void lines_next(struct lines *l, const struct line *now)
{
    l->seq = now->seq + 1;
    l->time = now->time;
}

void lines_seek(struct lines *l, uint64_t seq)
{
    struct line now;

    while (l->seq < seq && lines_peek(l, &now))
        lines_next(l, &now);
}

size_t lines_rest(const struct lines *l, uint64_t *ret_last)
{
    const struct segment_chunk *c = &l->block->meta;
    uint64_t end = c->first_seq + c->n_events;

    *ret_last = (end < l->until ? end : l->until) - 1;
    return l->seq - c->first_seq < l->block->n_lines ? l->block->bytes.n - l->block->lines[l->seq - c->first_seq].at : 0;
}

void lines_free(struct lines *l)
{
    l->block = block_unref(l->block);
}
