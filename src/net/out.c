#include "net/out.h"

#include <stdio.h>
#include <stdlib.h>

enum kind { KEEP, RAW, CHUNK, END };

struct seg {
    struct list node;
    enum kind kind;
    const uint8_t *p;
    size_t n, off;
    size_t from, to; /* CHUNK: where its content is */
    void (*release)(void *arg);
    void *arg;
    uint8_t own[];
};

void out_init(struct out *o)
{
    list_init(&o->segs);
    o->n = 0;
}

static void seg_free(struct seg *s)
{
    if (s->release != NULL)
        s->release(s->arg);
    free(s);
}

void out_deinit(struct out *o)
{
    struct list *node;

    while ((node = list_pop(&o->segs)) != NULL)
        seg_free(LIST_ENTRY(node, struct seg, node));
    o->n = 0;
}

static struct seg *append(struct out *o, enum kind kind, size_t n)
{
    struct seg *s = malloc(sizeof(*s) + n);

    if (s == NULL)
        return NULL;
    *s = (struct seg){ .kind = kind, .p = s->own, .n = n };
    list_append(&o->segs, &s->node);
    o->n += n;
    return s;
}

static bool add_copy(struct out *o, enum kind kind, struct span b)
{
    struct seg *s;

    if (b.n == 0)
        return true;
    s = append(o, kind, b.n);
    if (s == NULL)
        return false;
    memcpy(s->own, b.p, b.n);
    return true;
}

bool out_add_keep(struct out *o, struct span s)
{
    return add_copy(o, KEEP, s);
}

bool out_add_end(struct out *o)
{
    return add_copy(o, END, SPAN("0\r\n\r\n"));
}

bool out_add_copy(struct out *o, struct span s)
{
    return add_copy(o, RAW, s);
}

bool out_add_chunks(struct out *o, struct span in)
{
    struct list *last = o->segs.prev;
    size_t before = o->n;

    while (in.n > 0) {
        struct span part = span_sub(in, 0, OUT_CHUNK_MAX);
        char size[16];
        size_t k = (size_t) snprintf(size, sizeof(size), "%zx\r\n", part.n);
        struct seg *s = append(o, CHUNK, k + part.n + 2);

        if (s == NULL) {
            while (o->segs.prev != last) { /* all or nothing */
                struct seg *undo = LIST_ENTRY(o->segs.prev, struct seg, node);

                list_remove(&undo->node);
                seg_free(undo);
            }
            o->n = before;
            return false;
        }
        memcpy(s->own, size, k);
        memcpy(s->own + k, part.p, part.n);
        memcpy(s->own + k + part.n, "\r\n", 2);
        s->from = k;
        s->to = k + part.n;
        in = span_sub(in, part.n, SIZE_MAX);
    }
    return true;
}

bool out_add_ref(struct out *o, struct span in, void (*release)(void *arg), void *arg)
{
    struct seg *s = in.n == 0 ? NULL : append(o, RAW, 0);

    if (s == NULL) {
        release(arg);
        return in.n == 0;
    }
    s->p = in.p;
    s->n = in.n;
    s->release = release;
    s->arg = arg;
    o->n += in.n;
    return true;
}

int out_peek(const struct out *o, struct iovec *iov, int max)
{
    int n = 0;

    LIST_FOREACH(it, &o->segs) {
        struct seg *s = LIST_ENTRY(it, struct seg, node);

        if (n == max)
            break;
        iov[n++] = (struct iovec){ (void *) (uintptr_t) (s->p + s->off), s->n - s->off };
    }
    return n;
}

struct span out_gather(const struct out *o, uint8_t *to, size_t cap)
{
    size_t n = 0;

    LIST_FOREACH(it, &o->segs) {
        struct seg *s = LIST_ENTRY(it, struct seg, node);
        size_t k = s->n - s->off;

        if (n == 0 && k >= cap)
            return span_of(s->p + s->off, cap);
        if (k > cap - n)
            k = cap - n;
        memcpy(to + n, s->p + s->off, k);
        n += k;
        if (n == cap)
            break;
    }
    return span_of(to, n);
}

void out_sent(struct out *o, size_t n)
{
    o->n -= n;
    while (n > 0) {
        struct seg *s = LIST_ENTRY(o->segs.next, struct seg, node);
        size_t k = s->n - s->off < n ? s->n - s->off : n;

        s->off += k;
        n -= k;
        if (s->off == s->n) {
            list_remove(&s->node);
            seg_free(s);
        }
    }
}

/* What a cut leaves of one segment of which 'at' bytes are gone or committed. Returns its new length. */
static size_t cut_seg(struct seg *s, size_t at, enum out_cut *ret)
{
    switch (s->kind) {
    case KEEP: return s->n;
    case RAW: *ret = OUT_CUT_BROKEN; return at;
    case CHUNK:
        if (at == 0)
            return 0;
        for (size_t i = at > s->from ? at : s->from; i < s->to; i++)
            s->own[i] = '\n';
        return s->n;
    case END:
        if (at > 0)
            return s->n;
        *ret = OUT_CUT_OPEN;
        return 0;
    }
    return s->n;
}

enum out_cut out_cut(struct out *o, size_t committed, bool ended)
{
    enum out_cut r = ended ? OUT_CUT_ENDED : OUT_CUT_OPEN;

    LIST_FOREACH(it, &o->segs) {
        struct seg *s = LIST_ENTRY(it, struct seg, node);
        size_t left = s->n - s->off, c = committed < left ? committed : left;
        size_t n = cut_seg(s, s->off + c, &r);

        committed -= c;
        o->n -= s->n - n;
        s->n = n;
        if (s->n == s->off) {
            list_remove(&s->node);
            seg_free(s);
        }
    }
    return r;
}
