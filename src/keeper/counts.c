#include "keeper/counts.h"

#include <pthread.h>
#include <stdlib.h>

struct counts {
    pthread_mutex_t lock;
    struct count e[COUNTS_MAX];
    size_t n;
};

struct counts *counts_new(void)
{
    struct counts *c = calloc(1, sizeof(*c));

    if (c != NULL)
        (void) pthread_mutex_init(&c->lock, NULL);
    return c;
}

struct counts *counts_free(struct counts *c)
{
    if (c != NULL)
        (void) pthread_mutex_destroy(&c->lock);
    free(c);
    return NULL;
}

static bool same(const struct count *a, const struct count *b)
{
    if (a->refusal != b->refusal || a->route != b->route || a->other != b->other)
        return false;
    if (strcmp(a->actor, b->actor) != 0 || strcmp(a->log, b->log) != 0)
        return false;
    if (a->refusal && strcmp(a->code, b->code) != 0)
        return false;
    return a->actor[0] != 0 || (a->prefix_len == b->prefix_len && memcmp(a->prefix, b->prefix, a->prefix_len) == 0);
}

static struct count *find(struct counts *c, const struct count *what)
{
    for (size_t i = 0; i < c->n; i++) {
        if (same(&c->e[i], what))
            return &c->e[i];
    }
    return NULL;
}

/* The last place is kept for "other". */
static struct count *place(struct counts *c, const struct count *what)
{
    static const struct count other = { .refusal = true, .code = "other", .other = true, .first_due = true };

    if (c->n < COUNTS_MAX - 1) {
        c->e[c->n] = *what;
        c->e[c->n].n = 0;
        c->e[c->n].other = false;
        c->e[c->n].first_due = what->refusal;
        return &c->e[c->n++];
    }
    if (c->n == COUNTS_MAX - 1)
        c->e[c->n++] = other;
    return &c->e[COUNTS_MAX - 1];
}

void counts_add(struct counts *c, const struct count *what)
{
    struct count *e;

    (void) pthread_mutex_lock(&c->lock);
    e = find(c, what);
    if (e == NULL)
        e = place(c, what);
    e->n++;
    (void) pthread_mutex_unlock(&c->lock);
}

void counts_take(struct counts *c, bool all, bool (*fn)(void *ctx, const struct count *what), void *ctx)
{
    size_t kept = 0;
    bool going = true;

    (void) pthread_mutex_lock(&c->lock);
    for (size_t i = 0; i < c->n; i++) {
        struct count now = c->e[i];

        now.n = c->e[i].first_due && !all ? 1 : c->e[i].n;
        if (going && now.n > 0 && (all || now.first_due)) {
            going = fn(ctx, &now);
            if (going) {
                c->e[i].n -= now.n;
                c->e[i].first_due = false;
            }
        }
        /* After the minute only what could not be written stays. */
        if (!all || c->e[i].n > 0)
            c->e[kept++] = c->e[i];
    }
    c->n = kept;
    (void) pthread_mutex_unlock(&c->lock);
}
