#include "gate/shelf.h"

#include <stdlib.h>

#include "base/map.h"
#include "os/clock.h"

/* A place on a shelf. */
struct place {
    struct list lru; /* lane->shelf_lru, used last is last */
    struct shelf *shelf;
    enum shelf_kind kind;
    uint64_t at;
    time_ms used;
    struct block *block;
};

struct row {
    struct place **places; /* by 'at', rising */
    size_t n, cap;
};

struct shelf {
    struct lane *lane;
    char rid[ID_CAP];
    unsigned members;
    time_us base;
    struct row rows[SHELF_KINDS_N_];
};

static size_t cost(const struct block *b)
{
    return sizeof(*b) + b->bytes.cap + b->n_lines * sizeof(b->lines[0]);
}

/* How many places of the row lie at or before 'at'. */
static size_t rank(const struct row *r, uint64_t at)
{
    size_t from = 0, to = r->n;

    while (from < to) {
        size_t mid = from + (to - from) / 2;

        if (r->places[mid]->at <= at)
            from = mid + 1;
        else
            to = mid;
    }
    return from;
}

static void drop(struct place *p)
{
    struct row *r = &p->shelf->rows[p->kind];
    size_t i = rank(r, p->at) - 1;

    memmove(r->places + i, r->places + i + 1, (r->n - i - 1) * sizeof(struct place *));
    r->n--;
    list_remove(&p->lru);
    p->shelf->lane->shelf_bytes -= cost(p->block);
    (void) block_unref(p->block);
    free(p);
}

/* ---- life ---- */

struct shelf *shelf_join(struct lane *l, const char *rid)
{
    struct shelf *s = map_get(&l->shelves, span_str(rid));

    if (s == NULL) {
        s = calloc(1, sizeof(*s));
        if (s == NULL)
            return NULL;
        s->lane = l;
        memcpy(s->rid, rid, strlen(rid) + 1);
        if (!map_put(&l->shelves, span_str(s->rid), s, NULL)) {
            free(s);
            return NULL;
        }
    }
    s->members++;
    return s;
}

static void empty(struct shelf *s)
{
    for (size_t i = 0; i < SHELF_KINDS_N_; i++) {
        while (s->rows[i].n > 0)
            drop(s->rows[i].places[s->rows[i].n - 1]);
    }
}

void shelf_forget(struct lane *l, const char *rid)
{
    struct shelf *s = map_get(&l->shelves, span_str(rid));

    if (s != NULL)
        empty(s);
}

struct shelf *shelf_leave(struct shelf *s)
{
    if (s == NULL || --s->members > 0)
        return NULL;
    empty(s);
    for (size_t i = 0; i < SHELF_KINDS_N_; i++)
        free(s->rows[i].places);
    (void) map_del(&s->lane->shelves, span_str(s->rid));
    free(s);
    return NULL;
}

/* ---- memory ---- */

static size_t part_of(const struct lane *l)
{
    uint64_t part = gate_settings(l->gate)->cache_bytes / (l->gate->n_lanes == 0 ? 1 : l->gate->n_lanes);

    return part > l->feed_bytes ? (size_t) part - l->feed_bytes : 0;
}

static void trim(struct lane *l, time_ms before)
{
    size_t most = part_of(l);

    while (!list_empty(&l->shelf_lru)) {
        struct place *oldest = LIST_ENTRY(l->shelf_lru.next, struct place, lru);

        if (l->shelf_bytes <= most && oldest->used >= before)
            return;
        drop(oldest);
    }
}

void shelves_tick(struct lane *l)
{
    trim(l, clock_boot_ms() - SHELF_IDLE_MS);
}

/* ---- what is on it ---- */

static bool holds(const struct place *p, uint64_t at)
{
    if (p->kind != SHELF_EVENTS)
        return p->at == at;
    return at - p->at < p->block->n_lines;
}

struct block *shelf_find(struct shelf *s, enum shelf_kind kind, uint64_t at)
{
    struct row *r = &s->rows[kind];
    size_t i = rank(r, at);
    struct place *p = i == 0 ? NULL : r->places[i - 1];

    if (p == NULL || !holds(p, at))
        return NULL;
    p->used = clock_boot_ms();
    list_remove(&p->lru);
    list_append(&s->lane->shelf_lru, &p->lru);
    return block_ref(p->block);
}

time_us shelf_base(const struct shelf *s)
{
    return s->base;
}

static bool make_room(struct row *r)
{
    size_t cap = r->cap == 0 ? 8 : r->cap * 2;
    struct place **more;

    if (r->n < r->cap)
        return true;
    more = realloc(r->places, cap * sizeof(struct place *));
    if (more == NULL)
        return false;
    r->places = more;
    r->cap = cap;
    return true;
}

void shelf_put(struct shelf *s, enum shelf_kind kind, uint64_t at, struct block *b)
{
    struct row *r = &s->rows[kind];
    size_t i = rank(r, at);
    struct place *p;

    if (b->base != 0)
        s->base = b->base;
    if (i > 0 && r->places[i - 1]->at == at)
        drop(r->places[--i]);
    p = cost(b) > part_of(s->lane) / 8 || !make_room(r) ? NULL : malloc(sizeof(*p));
    if (p == NULL)
        return;
    *p = (struct place){ .shelf = s, .kind = kind, .at = at, .used = clock_boot_ms(), .block = block_ref(b) };
    memmove(r->places + i + 1, r->places + i, (r->n - i) * sizeof(struct place *));
    r->places[i] = p;
    r->n++;
    list_append(&s->lane->shelf_lru, &p->lru);
    s->lane->shelf_bytes += cost(b);
    trim(s->lane, INT64_MIN);
}
