#include "codec/jcs.h"

#include "base/utf8.h"

#include <stdlib.h>

/* RFC 8785 3.2.2.2: the two-character escapes, \u00xx in lower case for other controls, all else as it is. */
static void add_string(struct buf *out, struct span s)
{
    static const char from[] = "\"\\\b\f\n\r\t", to[] = "\"\\bfnrt";

    buf_add_c(out, '"');
    for (size_t i = 0; i < s.n; i++) {
        const char *at = s.p[i] != 0 && s.p[i] < 0x80 ? strchr(from, s.p[i]) : NULL;

        if (at != NULL) {
            buf_add_c(out, '\\');
            buf_add_c(out, to[at - from]);
        } else if (s.p[i] < 0x20) {
            buf_addf(out, "\\u%04x", s.p[i]);
        } else {
            buf_add_c(out, (char) s.p[i]);
        }
    }
    buf_add_c(out, '"');
}

/*
 * UTF-16 order of valid UTF-8. It differs from byte order only where a code point beyond U+FFFF (its first unit is
 * D800 to DBFF) meets one from U+E000 to U+FFFF, so at the first difference those two swap.
 */
static int utf16_cmp(struct span a, struct span b)
{
    size_t i = 0;
    uint8_t x, y;

    while (i < a.n && i < b.n && a.p[i] == b.p[i])
        i++;
    if (i == a.n || i == b.n)
        return a.n < b.n ? -1 : a.n > b.n;
    x = a.p[i];
    y = b.p[i];
    if (x >= 0xf0 && (y == 0xee || y == 0xef))
        return -1;
    if (y >= 0xf0 && (x == 0xee || x == 0xef))
        return 1;
    return x < y ? -1 : 1;
}

static int by_name(const void *a, const void *b)
{
    return utf16_cmp(((const struct tree *) a)->key, ((const struct tree *) b)->key);
}

struct level {
    struct tree *members; /* of objects: sorted, ours to free */
    size_t n, next;
    struct span at; /* of arrays */
    bool object;
};

static enum err open_level(struct level *l, struct tree v, struct err_info *reterr)
{
    struct span at = v.payload;

    *l = (struct level){ .object = v.tag == TREE_OBJ, .at = v.payload };
    if (!l->object)
        return ERR_OK;
    l->n = tree_count(v);
    l->members = calloc(l->n + 1, sizeof(*l->members));
    if (l->members == NULL)
        return ERR_RAISE(reterr, ERR_NOMEM, "no memory to sort an object's members");
    for (size_t i = 0; i < l->n; i++)
        (void) tree_next(&at, &l->members[i]); /* counted above */
    if (l->n > 1)
        qsort(l->members, l->n, sizeof(*l->members), by_name);
    return ERR_OK;
}

static bool next_value(struct level *l, struct tree *ret)
{
    if (!l->object)
        return tree_next(&l->at, ret);
    if (l->next == l->n)
        return false;
    *ret = l->members[l->next++];
    return true;
}

static enum err add_scalar(struct buf *out, struct tree v, struct err_info *reterr)
{
    int64_t i = 0;
    bool b = false;

    switch (v.tag) {
    case TREE_NULL: buf_add_str(out, "null"); return ERR_OK;
    case TREE_BOOL: buf_add_str(out, tree_bool(v, &b) && b ? "true" : "false"); return ERR_OK;
    case TREE_STR: add_string(out, v.payload); return ERR_OK;
    case TREE_INT:
        if (!tree_int(v, &i) || i > JCS_INT_MAX || i < -JCS_INT_MAX)
            return ERR_RAISE(reterr, ERR_INVAL, "an integer beyond 2^53 - 1 has no canonical form");
        buf_addf(out, "%lld", (long long) i);
        return ERR_OK;
    case TREE_NUM: return ERR_RAISE(reterr, ERR_INVAL, "a number that is no integer has no canonical form here");
    case TREE_ARR:
    case TREE_OBJ: break;
    }
    return ERR_RAISE(reterr, ERR_INVAL, "not a tree");
}

static enum err add_all(struct buf *out, struct tree v, struct level *levels, size_t *depth, struct err_info *reterr)
{
    bool comma = false;

    for (;;) {
        if (comma)
            buf_add_c(out, ',');
        if (*depth > 0 && levels[*depth - 1].object) {
            add_string(out, v.key);
            buf_add_c(out, ':');
        }
        if (v.tag != TREE_ARR && v.tag != TREE_OBJ) {
            TRY(add_scalar(out, v, reterr));
            comma = true;
        } else {
            if (*depth == TREE_DEPTH_MAX)
                return ERR_RAISE(reterr, ERR_INVAL, "not a tree: deeper than %d", TREE_DEPTH_MAX);
            TRY(open_level(&levels[(*depth)++], v, reterr));
            buf_add_c(out, v.tag == TREE_OBJ ? '{' : '[');
            comma = false;
        }
        while (*depth > 0 && !next_value(&levels[*depth - 1], &v)) {
            struct level *l = &levels[--*depth];

            buf_add_c(out, l->object ? '}' : ']');
            free(l->members);
            comma = true;
        }
        if (*depth == 0 || out->failed)
            return buf_check(out, reterr);
    }
}

enum err jcs_add(struct buf *out, struct tree v, struct err_info *reterr)
{
    struct level levels[TREE_DEPTH_MAX];
    size_t depth = 0;
    enum err err = add_all(out, v, levels, &depth, reterr);

    while (depth > 0)
        free(levels[--depth].members);
    return err;
}
