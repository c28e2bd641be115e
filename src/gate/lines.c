#include "gate/replay.h"

#include "codec/json.h"
#include "crypto/secret.h"

void lines_wipe(struct buf *b)
{
    if (b->p != NULL)
        secret_wipe(b->p, b->cap);
    buf_deinit(b);
}

static void on_read(void *ctx, struct viewer_read *read)
{
    struct replay *r = ctx;
    struct lines *l = r->state; /* every user has its lines first in its state */

    l->loading = false;
    if (r->over || r->call->ex == NULL || read->err != ERR_OK) {
        lines_wipe(&read->bytes);
    } else {
        lines_wipe(&l->bytes);
        l->bytes = read->bytes;
        l->meta = read->meta;
        l->at = 0;
        l->seq = read->meta.first_seq;
        l->time = read->meta.t_first;
        l->loaded = true;
    }
    if (!r->over && r->call->ex != NULL)
        l->on_loaded(r, read->err);
    call_unref(r->call);
}

void lines_load(struct lines *l, uint32_t chunk)
{
    const struct viewer_want want = { .kind = READ_CHUNK, .chunk = chunk };

    l->chunk = chunk;
    l->loaded = false;
    l->loading = true;
    (void) call_ref(l->replay->call);
    viewer_read(l->replay->viewer, &want, on_read, l->replay);
}

/* Seek time of one event: its own time, but never before the one before it nor outside its chunk. */
static time_us time_of(const struct lines *l, struct span json)
{
    const struct viewer_facts *f = viewer_facts(l->replay->viewer);
    struct json_value event = json_value(json), first;
    struct json_iter it = json_iter(event);
    int64_t own = l->time;
    bool known = false;

    if (f->terminal)
        known = json_next(&it, &first) && json_scaled(first.raw, 6, &own);
    else if (json_find(event, "timestamp", &first) && json_scaled(first.raw, 3, &own)) {
        own -= f->started_ms * 1000;
        known = true;
    }
    if (!known || own < l->time)
        own = l->time;
    return own > l->meta.t_last ? l->meta.t_last : own;
}

bool lines_peek(struct lines *l, struct line *ret)
{
    const uint8_t *from = l->bytes.p + l->at, *end;

    if (!l->loaded || l->at >= l->bytes.n)
        return false;
    end = memchr(from, '\n', l->bytes.n - l->at);
    ret->json = span_of(from, end == NULL ? l->bytes.n - l->at : (size_t) (end - from));
    ret->seq = l->seq;
    ret->time = time_of(l, ret->json);
    return true;
}

void lines_next(struct lines *l, const struct line *now)
{
    l->at += now->json.n + 1;
    l->seq++;
    l->time = now->time;
}

void lines_seek(struct lines *l, uint64_t seq)
{
    struct line now;

    while (l->seq < seq && lines_peek(l, &now))
        lines_next(l, &now);
}

void lines_free(struct lines *l)
{
    lines_wipe(&l->bytes);
}
