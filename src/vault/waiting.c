#include "vault/waiting.h"

#include <stdlib.h>

struct waiting_leaf {
    struct list line; /* of all logs, as they came */
    struct list node; /* of its log, by index */
    uint64_t idx;
    struct merkle_hash hash;
    int64_t since;
};

struct waiting_run {
    struct list node;
    uint64_t first;
    size_t n;
    int64_t at;
    struct merkle_hash hash[];
};

struct waiting_log {
    char name[LOG_ID_CAP];
    struct list leaves; /* by index */
    struct list runs;   /* oldest first */
    uint64_t shown;     /* leaves below are signed */
};

void waiting_init(struct waiting *w, const uint8_t secret[16])
{
    map_init(&w->logs, secret, WAITING_LOGS_MAX);
    list_init(&w->line);
    w->n = w->n_recent = 0;
}

static void drop_leaf(struct waiting *w, struct waiting_leaf *l)
{
    list_remove(&l->line);
    list_remove(&l->node);
    free(l);
    w->n--;
}

static void drop_oldest_run(struct waiting *w, struct waiting_log *g)
{
    struct waiting_run *r = LIST_ENTRY(list_pop(&g->runs), struct waiting_run, node);

    w->n_recent -= r->n;
    free(r);
}

void waiting_deinit(struct waiting *w)
{
    MAP_FOREACH(struct waiting_log, g, &w->logs)
    {
        while (!list_empty(&g->leaves))
            drop_leaf(w, LIST_ENTRY(g->leaves.next, struct waiting_leaf, node));
        while (!list_empty(&g->runs))
            drop_oldest_run(w, g);
        free(g);
    }
    map_deinit(&w->logs);
}

static struct waiting_log *log_of(struct waiting *w, struct span log, uint64_t signed_size)
{
    struct waiting_log *g = map_get(&w->logs, log);

    if (g != NULL)
        return g;
    g = calloc(1, sizeof(*g));
    if (g == NULL || !span_to_str(log, g->name, sizeof(g->name)) || !map_put(&w->logs, span_str(g->name), g, NULL)) {
        free(g);
        return NULL;
    }
    list_init(&g->leaves);
    list_init(&g->runs);
    g->shown = signed_size;
    return g;
}

/* ---- a leaf ---- */

static enum waiting_verdict look_back(const struct waiting_log *g, uint64_t idx, const struct merkle_hash *hash)
{
    LIST_FOREACH(it, &g->runs)
    {
        const struct waiting_run *r = LIST_ENTRY(it, struct waiting_run, node);

        if (idx >= r->first && idx - r->first < r->n)
            return merkle_eq(&r->hash[idx - r->first], hash) ? WAITING_SHOWN : WAITING_FALSE;
    }
    return WAITING_UNKNOWN;
}

enum waiting_verdict waiting_add(struct waiting *w, struct span log, uint64_t idx, const struct merkle_hash *hash,
                                 uint64_t signed_size, int64_t boot)
{
    struct waiting_log *g = log_of(w, log, signed_size);
    struct waiting_leaf *l;
    struct list *after;

    if (g == NULL)
        return WAITING_FULL;
    if (idx < g->shown)
        return look_back(g, idx, hash);
    /* nearly always the newest: looked for from the end */
    for (after = g->leaves.prev; after != &g->leaves; after = after->prev) {
        const struct waiting_leaf *other = LIST_ENTRY(after, struct waiting_leaf, node);

        if (other->idx < idx)
            break;
        if (other->idx == idx) /* one place holds one leaf */
            return merkle_eq(&other->hash, hash) ? WAITING_ADDED : WAITING_FALSE;
    }
    l = w->n < WAITING_MAX ? calloc(1, sizeof(*l)) : NULL;
    if (l == NULL)
        return WAITING_FULL;
    l->idx = idx;
    l->hash = *hash;
    l->since = boot;
    list_append(after->next, &l->node); /* before the one that follows */
    list_append(&w->line, &l->line);
    w->n++;
    return WAITING_ADDED;
}

bool waiting_is_late(const struct waiting *w, int64_t boot)
{
    return !list_empty(&w->line) &&
           boot - LIST_ENTRY(w->line.next, struct waiting_leaf, line)->since >= WAITING_LATE_MS;
}

/* ---- a checkpoint ---- */

bool waiting_agrees(const struct waiting *w, struct span log, uint64_t first, const struct ipc_row_hash *leaves, uint32_t n)
{
    const struct waiting_log *g = map_get(&w->logs, log);

    if (g == NULL)
        return true;
    LIST_FOREACH(it, &g->leaves)
    {
        const struct waiting_leaf *l = LIST_ENTRY(it, struct waiting_leaf, node);

        if (l->idx >= first && l->idx - first >= n)
            break;
        if (l->idx < first || !span_eq(leaves[l->idx - first].hash, SPAN_OF(l->hash.b)))
            return false;
    }
    return true;
}

struct waiting_run *waiting_run_new(uint64_t first, const struct ipc_row_hash *leaves, uint32_t n)
{
    struct waiting_run *r = calloc(1, sizeof(*r) + n * sizeof(r->hash[0]));

    if (r == NULL)
        return NULL;
    r->first = first;
    r->n = n;
    for (uint32_t i = 0; i < n; i++)
        memcpy(r->hash[i].b, leaves[i].hash.p, MERKLE_HASH_LEN);
    return r;
}

struct waiting_run *waiting_run_free(struct waiting_run *r)
{
    free(r);
    return NULL;
}

bool waiting_take(struct waiting *w, struct span log, struct waiting_run *run, int64_t boot)
{
    struct waiting_log *g = log_of(w, log, run->first);
    bool good = true;

    if (g == NULL) { /* nothing waits for it; without memory it is not remembered, and a late release is refused */
        free(run);
        return true;
    }
    LIST_FOREACH(it, &g->leaves)
    {
        struct waiting_leaf *l = LIST_ENTRY(it, struct waiting_leaf, node);

        if (l->idx >= run->first && l->idx - run->first >= run->n)
            break;
        good = good && l->idx >= run->first && merkle_eq(&run->hash[l->idx - run->first], &l->hash);
        drop_leaf(w, l);
    }
    g->shown = run->first + run->n;
    while (!list_empty(&g->runs) && w->n_recent + run->n > WAITING_RECENT_MAX)
        drop_oldest_run(w, g);
    if (run->n == 0 || w->n_recent + run->n > WAITING_RECENT_MAX) {
        free(run);
        return good;
    }
    run->at = boot;
    w->n_recent += run->n;
    list_append(&g->runs, &run->node);
    return good;
}

void waiting_sweep(struct waiting *w, int64_t boot)
{
    MAP_FOREACH(struct waiting_log, g, &w->logs)
    {
        while (!list_empty(&g->runs) &&
               boot - LIST_ENTRY(g->runs.next, struct waiting_run, node)->at >= WAITING_RECENT_MS)
            drop_oldest_run(w, g);
    }
}
