#include "codec/idmap.h"

#include <stdlib.h>
#include <string.h>

void idmap_init(struct idmap *m)
{
    *m = (struct idmap){ .n = 0 };
}

void idmap_deinit(struct idmap *m)
{
    free(m->r);
    idmap_init(m);
}

void idmap_reset(struct idmap *m)
{
    m->n = 0;
    m->full = false;
}

/* The first range that does not end before id. */
static uint32_t find(const struct idmap *m, uint32_t id)
{
    uint32_t lo = 0, hi = m->n;

    if (m->n > 0 && m->r[m->n - 1].to < id)
        return m->n;
    while (lo < hi) {
        uint32_t mid = lo + (hi - lo) / 2;

        if (m->r[mid].to < id)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

uint8_t idmap_get(const struct idmap *m, uint32_t id)
{
    uint32_t i = find(m, id);

    return i < m->n && m->r[i].from <= id ? m->r[i].value : 0;
}

static bool reserve(struct idmap *m, uint32_t n)
{
    struct idmap_range *r;
    uint32_t cap = m->cap == 0 ? 16 : m->cap;

    while (cap < n)
        cap *= 2;
    if (cap == m->cap)
        return true;
    r = n > IDMAP_MAX ? NULL : realloc(m->r, cap * sizeof(*r));
    if (r == NULL) {
        m->full = true;
        return false;
    }
    m->r = r;
    m->cap = cap;
    return true;
}

static bool insert(struct idmap *m, uint32_t at, struct idmap_range r)
{
    if (m->n + 1 > IDMAP_MAX) {
        m->full = true;
        return false;
    }
    if (!reserve(m, m->n + 1))
        return false;
    memmove(m->r + at + 1, m->r + at, (m->n - at) * sizeof(r));
    m->r[at] = r;
    m->n++;
    return true;
}

static void drop(struct idmap *m, uint32_t at)
{
    m->n--;
    memmove(m->r + at, m->r + at + 1, (m->n - at) * sizeof(*m->r));
}

/* Takes id out of range i; returns where a range with id alone would stand. */
static uint32_t cut(struct idmap *m, uint32_t i, uint32_t id)
{
    struct idmap_range r = m->r[i];

    if (r.from == id && r.to == id) {
        drop(m, i);
        return i;
    }
    if (r.from == id) {
        m->r[i].from++;
        return i;
    }
    if (r.to == id) {
        m->r[i].to--;
        return i + 1;
    }
    if (!insert(m, i + 1, (struct idmap_range){ id + 1, r.to, r.value }))
        return i + 1;
    m->r[i].to = id - 1;
    return i + 1;
}

bool idmap_put(struct idmap *m, uint32_t id, uint8_t value)
{
    uint32_t i = find(m, id);
    bool left, right;

    if (m->full || (i < m->n && m->r[i].from <= id ? m->r[i].value : 0) == value)
        return false;
    if (i < m->n && m->r[i].from <= id)
        i = cut(m, i, id);
    if (value == 0 || m->full)
        return true;
    left = i > 0 && m->r[i - 1].to + 1 == id && m->r[i - 1].value == value;
    right = i < m->n && m->r[i].from == id + 1 && m->r[i].value == value;
    if (left && right) {
        m->r[i - 1].to = m->r[i].to;
        drop(m, i);
    } else if (left) {
        m->r[i - 1].to = id;
    } else if (right) {
        m->r[i].from = id;
    } else {
        (void) insert(m, i, (struct idmap_range){ id, id, value }); /* full says so */
    }
    return true;
}

bool idmap_copy(struct idmap *to, const struct idmap *from)
{
    idmap_reset(to);
    if (from->n > 0 && !reserve(to, from->n))
        return false;
    if (from->n > 0)
        memcpy(to->r, from->r, from->n * sizeof(*from->r));
    to->n = from->n;
    to->full = from->full;
    return true;
}
