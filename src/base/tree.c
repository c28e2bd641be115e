#include "base/tree.h"

#include "base/utf8.h"

#include <stdlib.h>

static bool node_read(struct rd *r, struct tree *ret)
{
    uint8_t tag = rd_u8(r);

    ret->key = rd_lp4(r);
    ret->payload = rd_lp4(r);
    if (r->failed || tag > TREE_OBJ)
        return false;
    ret->tag = (enum tree_tag) tag;
    return true;
}

static bool node_valid(const struct tree *n, int depth, bool in_object);

static int by_key(const void *a, const void *b)
{
    return span_cmp(*(const struct span *) a, *(const struct span *) b);
}

/* Few keys are compared pairwise, many are sorted: a large object from outside must not cost its square. */
static bool keys_unique(struct span nodes, size_t n)
{
    struct span few[16], *keys = n <= 16 ? few : calloc(n, sizeof(*keys));
    struct tree child;
    bool unique = keys != NULL;

    for (size_t i = 0; unique && i < n && tree_next(&nodes, &child); i++) {
        keys[i] = child.key;
        for (size_t k = 0; unique && n <= 16 && k < i; k++)
            unique = !span_eq(keys[k], keys[i]);
    }
    if (unique && n > 16) {
        qsort(keys, n, sizeof(*keys), by_key);
        for (size_t i = 1; unique && i < n; i++)
            unique = !span_eq(keys[i - 1], keys[i]);
    }
    if (keys != few)
        free(keys);
    return unique;
}

static bool children_valid(const struct tree *n, int depth)
{
    struct rd r = rd_of(n->payload);
    size_t count = 0;

    if (depth >= TREE_DEPTH_MAX)
        return false;
    while (r.n > 0) {
        struct tree child;

        if (!node_read(&r, &child) || !node_valid(&child, depth + 1, n->tag == TREE_OBJ))
            return false;
        count++;
    }
    return !r.failed && (n->tag != TREE_OBJ || keys_unique(n->payload, count));
}

static bool node_valid(const struct tree *n, int depth, bool in_object)
{
    if (!in_object && n->key.n != 0)
        return false;
    if (!utf8_valid(n->key))
        return false;
    switch (n->tag) {
    case TREE_NULL: return n->payload.n == 0;
    case TREE_BOOL: return n->payload.n == 1 && n->payload.p[0] <= 1;
    case TREE_INT: return n->payload.n == 8;
    case TREE_NUM: return n->payload.n > 0;
    case TREE_STR: return utf8_valid(n->payload);
    case TREE_ARR:
    case TREE_OBJ: return children_valid(n, depth);
    }
    return false;
}

bool tree_check(struct span bytes)
{
    struct rd r = rd_of(bytes);
    struct tree n;

    return node_read(&r, &n) && rd_done(&r) && node_valid(&n, 0, false);
}

struct tree tree_root(struct span bytes)
{
    struct rd r = rd_of(bytes);
    struct tree n;

    if (!node_read(&r, &n))
        return (struct tree){ TREE_NULL, SPAN_EMPTY, SPAN_EMPTY };
    return n;
}

bool tree_next(struct span *at, struct tree *ret_child)
{
    struct rd r = rd_of(*at);

    if (at->n == 0 || !node_read(&r, ret_child))
        return false;
    *at = span_of(r.p, r.n);
    return true;
}

size_t tree_count(struct tree node)
{
    struct span at = node.payload;
    struct tree child;
    size_t n = 0;

    if (node.tag != TREE_ARR && node.tag != TREE_OBJ)
        return 0;
    while (tree_next(&at, &child))
        n++;
    return n;
}

bool tree_get(struct tree obj, const char *key, struct tree *ret)
{
    struct span at = obj.payload;
    struct tree child;

    *ret = (struct tree){ TREE_NULL, SPAN_EMPTY, SPAN_EMPTY };
    if (obj.tag != TREE_OBJ)
        return false;
    while (tree_next(&at, &child)) {
        if (span_eq_str(child.key, key)) {
            *ret = child;
            return true;
        }
    }
    return false;
}

bool tree_str(struct tree node, struct span *ret)
{
    if (node.tag != TREE_STR)
        return false;
    *ret = node.payload;
    return true;
}

bool tree_int(struct tree node, int64_t *ret)
{
    struct rd r = rd_of(node.payload);

    if (node.tag != TREE_INT)
        return false;
    *ret = (int64_t) rd_u64le(&r);
    return true;
}

bool tree_bool(struct tree node, bool *ret)
{
    if (node.tag != TREE_BOOL)
        return false;
    *ret = node.payload.p[0] != 0;
    return true;
}

bool tree_get_str(struct tree obj, const char *key, struct span *ret)
{
    struct tree n;

    return tree_get(obj, key, &n) && tree_str(n, ret);
}

bool tree_get_int(struct tree obj, const char *key, int64_t *ret)
{
    struct tree n;

    return tree_get(obj, key, &n) && tree_int(n, ret);
}

bool tree_get_bool(struct tree obj, const char *key, bool *ret)
{
    struct tree n;

    return tree_get(obj, key, &n) && tree_bool(n, ret);
}

static void node_add(struct buf *b, enum tree_tag tag, struct span key, struct span payload)
{
    buf_u8(b, (uint8_t) tag);
    buf_lp4(b, key);
    buf_lp4(b, payload);
}

void tree_add_null(struct buf *b, struct span key)
{
    node_add(b, TREE_NULL, key, SPAN_EMPTY);
}

void tree_add_bool(struct buf *b, struct span key, bool v)
{
    uint8_t x = v ? 1 : 0;

    node_add(b, TREE_BOOL, key, span_of(&x, 1));
}

void tree_add_int(struct buf *b, struct span key, int64_t v)
{
    buf_u8(b, TREE_INT);
    buf_lp4(b, key);
    buf_u32le(b, 8);
    buf_u64le(b, (uint64_t) v);
}

void tree_add_num(struct buf *b, struct span key, struct span text)
{
    node_add(b, TREE_NUM, key, text);
}

void tree_add_str(struct buf *b, struct span key, struct span v)
{
    node_add(b, TREE_STR, key, v);
}

size_t tree_begin(struct buf *b, struct span key, enum tree_tag arr_or_obj)
{
    buf_u8(b, (uint8_t) arr_or_obj);
    buf_lp4(b, key);
    buf_u32le(b, 0);
    return b->n;
}

void tree_end(struct buf *b, size_t mark)
{
    size_t n = b->n - mark;

    if (b->failed)
        return;
    if (n > UINT32_MAX) {
        b->failed = true;
        return;
    }
    for (size_t i = 0; i < 4; i++)
        b->p[mark - 4 + i] = (uint8_t) (n >> (8 * i));
}
