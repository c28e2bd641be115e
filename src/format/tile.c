#include "format/tile.h"

#include <stdio.h>

#include "base/num.h"
#include "format/merkle.h"

_Static_assert(TILE_LEVELS * TILE_HEIGHT == MERKLE_LEVELS, "tiles span the tree");
_Static_assert(1u << TILE_HEIGHT == TILE_WIDTH, "a tile is a perfect subtree");

#define GROUPS_MAX 5 /* of three digits: more than 2^32 tiles have none */

/* ---- names ---- */

static bool three_digits(struct span s, uint64_t *n)
{
    if (s.n != 3)
        return false;
    for (size_t i = 0; i < 3; i++) {
        if (s.p[i] < '0' || s.p[i] > '9')
            return false;
        *n = *n * 10 + (uint64_t) (s.p[i] - '0');
    }
    return true;
}

/* "x001/x234/067" at the start of *path, up to what is no such group. A tail ".p" stands at the last one. */
static bool parse_index(struct span *path, uint64_t *ret_n, bool *ret_partial)
{
    struct span group;
    bool more, ext;

    *ret_n = 0;
    for (size_t i = 0; i < GROUPS_MAX; i++) {
        more = span_cut(*path, '/', &group, path);
        ext = group.n == 4 && group.p[0] == 'x';
        if (ext && !more)
            return false;
        if (ext) {
            if (!three_digits(span_sub(group, 1, 3), ret_n))
                return false;
            continue;
        }
        *ret_partial = group.n == 5 && group.p[3] == '.' && group.p[4] == 'p';
        return three_digits(span_sub(group, 0, *ret_partial ? 3 : group.n), ret_n) && more == *ret_partial;
    }
    return false;
}

bool tile_parse(struct span path, struct tile *ret)
{
    struct tile t = { .width = TILE_WIDTH };
    char canonical[TILE_PATH_CAP];
    struct span whole = path, word;
    uint64_t level = 0, width = TILE_WIDTH;
    bool partial = false;

    if (!span_cut(path, '/', &word, &path))
        return false;
    t.entries = span_eq_str(word, "entries");
    if (!t.entries && !num_u64(word, TILE_LEVELS - 1, &level))
        return false;
    if (!parse_index(&path, &t.n, &partial))
        return false;
    if (partial && (!num_u64(path, TILE_WIDTH - 1, &width) || width == 0))
        return false;
    t.level = (unsigned) level;
    t.width = (unsigned) width;
    if (t.n >= UINT64_C(1) << (MERKLE_LEVELS - TILE_HEIGHT * (t.level + 1)))
        return false;
    tile_path(&t, canonical);
    if (!span_eq_str(whole, canonical))
        return false;
    *ret = t;
    return true;
}

void tile_path(const struct tile *t, char out[TILE_PATH_CAP])
{
    char index[GROUPS_MAX * 5 + 1];
    size_t at = sizeof(index) - 1;
    uint64_t n = t->n;
    bool first = true;

    index[at] = '\0';
    do {
        char group[8];
        size_t len;

        (void) snprintf(group, sizeof(group), first ? "%03u" : "x%03u/", (unsigned) (n % 1000));
        len = strlen(group);
        at -= len;
        memcpy(index + at, group, len);
        first = false;
        n /= 1000;
    } while (n > 0 && at >= 5);
    if (t->entries)
        (void) snprintf(out, TILE_PATH_CAP, "entries/%s", index + at);
    else
        (void) snprintf(out, TILE_PATH_CAP, "%u/%s", t->level, index + at);
    if (t->width < TILE_WIDTH) {
        size_t n_out = strlen(out);

        (void) snprintf(out + n_out, TILE_PATH_CAP - n_out, ".p/%u", t->width);
    }
}

/* ---- which there are ---- */

unsigned tile_width(unsigned level, uint64_t n, uint64_t size)
{
    uint64_t nodes = size >> (TILE_HEIGHT * level);

    if (nodes <= n * TILE_WIDTH)
        return 0;
    nodes -= n * TILE_WIDTH;
    return nodes < TILE_WIDTH ? (unsigned) nodes : TILE_WIDTH;
}

bool tile_is_in(const struct tile *t, uint64_t size)
{
    return t->width <= tile_width(t->level, t->n, size);
}

uint64_t tile_first(const struct tile *t)
{
    return t->n << (TILE_HEIGHT * (t->level + 1));
}

uint64_t tile_end(const struct tile *t)
{
    return (t->n * TILE_WIDTH + t->width) << (TILE_HEIGHT * t->level);
}

/* The first tile of a level that 'old' leaves did not fill. */
static uint64_t first_unfilled(unsigned level, uint64_t old)
{
    return old >> (TILE_HEIGHT * (level + 1));
}

struct tile_walk tile_walk(uint64_t old, uint64_t size)
{
    return (struct tile_walk){ .old = old, .size = size, .entries = true, .n = first_unfilled(0, old) };
}

bool tile_walk_next(struct tile_walk *w, struct tile *ret)
{
    while (w->level < TILE_LEVELS) {
        unsigned width = tile_width(w->level, w->n, w->size);

        if (width > tile_width(w->level, w->n, w->old)) {
            *ret = (struct tile){ w->entries, w->level, w->n++, width };
            return true;
        }
        if (w->entries)
            w->entries = false;
        else
            w->level++;
        w->n = first_unfilled(w->level, w->old);
    }
    return false;
}

/* ---- bundles ---- */

enum err tile_entry_add(struct buf *bundle, struct span entry, struct err_info *reterr)
{
    if (entry.n > TILE_ENTRY_MAX)
        return ERR_RAISE(reterr, ERR_LIMIT, "an entry of %zu bytes is too long for a bundle", entry.n);
    buf_u8(bundle, (uint8_t) (entry.n >> 8));
    buf_u8(bundle, (uint8_t) entry.n);
    buf_add_span(bundle, entry);
    return buf_check(bundle, reterr);
}

bool tile_entry_next(struct span *rest, struct span *ret)
{
    size_t n;

    if (rest->n < 2)
        return false;
    n = (size_t) rest->p[0] << 8 | rest->p[1];
    if (rest->n - 2 < n)
        return false;
    *ret = span_sub(*rest, 2, n);
    *rest = span_sub(*rest, 2 + n, SIZE_MAX);
    return true;
}
