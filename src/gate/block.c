#include "gate/block.h"

#include <stdlib.h>

#include "crypto/secret.h"
#include "gate/reader.h"
#include "os/clock.h"

static void wipe(struct buf *b)
{
    if (b->p != NULL)
        secret_wipe(b->p, b->cap);
    buf_deinit(b);
}

/* Where its lines end, and what their own times are: found once, however many read them. */
static void look_at_lines(struct block *b, bool terminal, time_us base)
{
    size_t at = 0;

    for (uint32_t i = 0; i < b->meta.n_events && at < b->bytes.n; i++) {
        const uint8_t *from = b->bytes.p + at, *end = memchr(from, '\n', b->bytes.n - at);
        struct block_line *l = &b->lines[b->n_lines++];

        l->at = (uint32_t) at;
        l->n = end == NULL ? (uint32_t) (b->bytes.n - at) : (uint32_t) (end - from);
        if (!reader_event_time(terminal, base, span_of(from, l->n), &l->own))
            l->own = INT64_MIN;
        at += l->n + 1;
    }
}

struct block *block_new(struct viewer_read *r, const struct viewer *v, bool lines)
{
    struct block *b = calloc(1, sizeof(*b) + (lines ? r->meta.n_events * sizeof(b->lines[0]) : 0));

    if (b == NULL) {
        wipe(&r->bytes);
        return NULL;
    }
    *b = (struct block){ .refs = 1, .made = clock_boot_ms(), .bytes = r->bytes, .meta = r->meta, .kn = r->kn,
                         .stored = r->stored, .revealed = r->revealed, .seq = r->seq, .at = r->at, .base = r->based ? r->base : 0 };
    if (r->ahead != NULL)
        b->ahead = *r->ahead;
    r->bytes = BUF_INIT(0);
    if (lines)
        look_at_lines(b, viewer_facts(v)->terminal, r->base != 0 ? r->base : viewer_base(v));
    return b;
}

struct block *block_ref(struct block *b)
{
    b->refs++;
    return b;
}

struct block *block_unref(struct block *b)
{
    if (b == NULL || --b->refs > 0)
        return NULL;
    wipe(&b->bytes);
    free(b);
    return NULL;
}
