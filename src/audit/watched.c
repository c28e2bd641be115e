#include "audit/watched.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/map.h"
#include "codec/json.h"
#include "crypto/random.h"
#include "format/leaf.h"

const struct span watched_types[] = { { (const uint8_t *) "replay.leased", 13 },
                                      { (const uint8_t *) "replay.settled", 14 },
                                      { (const uint8_t *) "export.done", 11 },
                                      { (const uint8_t *) "gateway.allowed", 15 } };
const size_t watched_n_types = sizeof(watched_types) / sizeof(watched_types[0]);

/* Ranges that a viewing collects: of a lease, or of a settlement. */
struct watched_lease {
    struct watched_lease *next;
    struct span jti;
    int64_t first; /* index of the first lease of its series; of a settlement's ranges: not used */
    struct watched_range range;
    bool open; /* a lease that nothing has settled */
    bool none; /* of the manifest, or settled: no events of its own */
};

struct watched_fold {
    struct arena *mem;
    struct map by_key;
    struct watched *all[WATCHED_VIEWINGS_MAX];
    size_t n, n_leaves;
    bool no_memory;
};

struct watched_fold *watched_new(struct arena *mem)
{
    struct watched_fold *f = calloc(1, sizeof(*f));
    uint8_t secret[16];

    if (f == NULL)
        return NULL;
    f->mem = mem;
    random_fill(secret, sizeof(secret));
    map_init(&f->by_key, secret, WATCHED_VIEWINGS_MAX);
    return f;
}

struct watched_fold *watched_free(struct watched_fold *f)
{
    if (f == NULL)
        return NULL;
    map_deinit(&f->by_key);
    free(f);
    return NULL;
}

void watched_freep(struct watched_fold **f)
{
    *f = watched_free(*f);
}

/* ---- members of our own bytes ---- */

static struct span text(struct json_value o, const char *name)
{
    struct json_value m;

    return json_find(o, name, &m) && m.type == JSON_STRING ? m.raw : SPAN_EMPTY;
}

static int64_t number(struct json_value o, const char *name, int64_t otherwise)
{
    struct json_value n, m;
    int64_t v;

    return json_find(o, "n", &n) && json_find(n, name, &m) && json_int(m.raw, &v) ? v : otherwise;
}

/* ---- folding ---- */

static struct span keep(struct watched_fold *f, struct span s)
{
    struct span copy = arena_span(f->mem, s);

    f->no_memory |= copy.p == NULL;
    return copy;
}

/* NULL: a limit, or no memory. */
static struct watched *viewing_of(struct watched_fold *f, struct json_value o, const struct meta_audit_item *item)
{
    struct span vid = text(o, "vid"), key = vid.n > 0 ? vid : text(o, "jti");
    struct watched *w = map_get(&f->by_key, key);

    if (w != NULL || f->n == WATCHED_VIEWINGS_MAX)
        return w;
    w = arena_alloc(f->mem, sizeof(*w));
    f->no_memory = w == NULL;
    if (w == NULL)
        return NULL;
    *w = (struct watched){ .vid = keep(f, vid), .rid = keep(f, text(o, "rid")), .gid = keep(f, text(o, "gid")),
                           .first_t = item->time, .first_i = item->idx, .settled = true };
    f->no_memory |= !map_put(&f->by_key, keep(f, key), w, NULL);
    if (f->no_memory)
        return NULL;
    f->all[f->n++] = w;
    return w;
}

static bool add_range(struct watched_fold *f, struct watched *w, struct watched_lease l)
{
    struct watched_lease *copy = arena_alloc(f->mem, sizeof(*copy));

    if (copy == NULL)
        return false;
    *copy = l;
    copy->next = w->leases;
    w->leases = copy;
    return true;
}

static bool leased(struct watched_fold *f, struct watched *w, struct json_value o, const struct meta_audit_item *item)
{
    struct watched_lease l = { .jti = keep(f, text(o, "jti")), .first = number(o, "first", item->idx), .open = true };
    bool live = number(o, "live_s", 0) > 0;

    l.none = number(o, "manifest", 0) == 1;
    l.range = (struct watched_range){ number(o, "from_seq", 0), live ? -1 : number(o, "to_seq", -1) };
    w->live |= live;
    w->exported |= number(o, "export", 0) == 1;
    return add_range(f, w, l);
}

/* The series that began with its first lease: what was really sent, or (all) what was leased. */
static bool settled(struct watched_fold *f, struct watched *w, struct json_value o)
{
    int64_t first = number(o, "lease", 0);
    bool all = number(o, "all", 0) == 1;
    struct span jti = text(o, "jti");

    for (struct watched_lease *l = w->leases; l != NULL; l = l->next) {
        if (!l->open || l->first != first || !span_eq(l->jti, jti))
            continue;
        l->open = false;
        l->none |= !all;
    }
    for (unsigned i = 0; i < 16 && !all; i++) {
        char from[12], to[12];
        struct watched_lease l = { 0 };

        (void) snprintf(from, sizeof(from), "from_%u", i);
        (void) snprintf(to, sizeof(to), "to_%u", i);
        l.range = (struct watched_range){ number(o, from, -1), number(o, to, -1) };
        if (l.range.from < 0)
            break;
        if (!add_range(f, w, l))
            return false;
    }
    return true;
}

static bool take(struct watched_fold *f, struct watched *w, struct json_value o, const struct meta_audit_item *item)
{
    if (span_eq_str(item->type, "replay.leased"))
        return leased(f, w, o, item);
    if (span_eq_str(item->type, "replay.settled"))
        return settled(f, w, o);
    w->exported |= span_eq_str(item->type, "export.done");
    w->gateway |= span_eq_str(item->type, "gateway.allowed");
    return true;
}

bool watched_leaf(struct watched_fold *f, const struct meta_audit_item *item)
{
    struct json_value o = json_value(item->leaf);
    struct watched *w;

    if (f->n_leaves++ >= WATCHED_LEAVES_MAX || f->no_memory)
        return false;
    w = viewing_of(f, o, item);
    if (w == NULL)
        return false;
    if (w->actor.n == 0)
        w->actor = keep(f, text(o, "actor"));
    if (w->q.n == 0)
        w->q = keep(f, text(o, "q"));
    w->last_t = item->time;
    w->last_i = item->idx;
    f->no_memory |= !take(f, w, o, item);
    return !f->no_memory;
}

/* ---- the end ---- */

static int by_from(const void *a, const void *b)
{
    const struct watched_range *x = a, *y = b;

    return (x->from > y->from) - (x->from < y->from);
}

static bool reaches(const struct watched_range *a, const struct watched_range *b)
{
    return a->to == -1 || b->from <= a->to + 1;
}

/* Sorted ranges become disjoint ones. Returns how many. */
static size_t merge(struct watched_range *r, size_t n)
{
    size_t out = 0;

    for (size_t i = 0; i < n; i++) {
        if (out > 0 && reaches(&r[out - 1], &r[i])) {
            if (r[out - 1].to != -1 && (r[i].to == -1 || r[i].to > r[out - 1].to))
                r[out - 1].to = r[i].to;
        } else {
            r[out++] = r[i];
        }
    }
    return out;
}

static bool finish(struct watched_fold *f, struct watched *w)
{
    size_t n = 0;

    for (struct watched_lease *l = w->leases; l != NULL; l = l->next)
        n++;
    w->ranges = arena_alloc(f->mem, (n + 1) * sizeof(*w->ranges));
    if (w->ranges == NULL)
        return false;
    for (struct watched_lease *l = w->leases; l != NULL; l = l->next) {
        if (l->none)
            continue;
        w->ranges[w->n_ranges++] = l->range;
        w->settled &= !l->open;
    }
    qsort(w->ranges, w->n_ranges, sizeof(*w->ranges), by_from);
    w->n_ranges = merge(w->ranges, w->n_ranges);
    for (size_t i = 0; i < w->n_ranges; i++)
        w->events += w->ranges[i].to == -1 ? 0 : w->ranges[i].to - w->ranges[i].from + 1;
    if (w->n_ranges > WATCHED_RANGES_MAX) {
        w->ranges[WATCHED_RANGES_MAX - 1].to = w->ranges[w->n_ranges - 1].to;
        w->n_ranges = WATCHED_RANGES_MAX;
    }
    w->leases = NULL;
    return true;
}

enum err watched_end(struct watched_fold *f, struct watched ***ret, size_t *ret_n, struct err_info *reterr)
{
    for (size_t i = 0; i < f->n && !f->no_memory; i++)
        f->no_memory = !finish(f, f->all[i]);
    if (f->no_memory)
        return ERR_RAISE(reterr, ERR_NOMEM, "a report");
    *ret = f->all;
    *ret_n = f->n;
    return ERR_OK;
}
