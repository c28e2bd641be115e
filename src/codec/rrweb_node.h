#pragma once
/*
 * A node as recorders write it, recognised by its tokens:
 *
 *     {"type":2,"tagName":"…","attributes":{…},"childNodes":[…],…,"id":7}        {"type":3,"textContent":"…",…,"id":8}
 *
 * with these members first, each once, and after them only the number and members that mean nothing to those who look for what is in a page (isSVG,
 * rootId and others). Nearly every node is written so. Who walks over nodes (sanitize_node, mask_rrweb) then need not look for members, nor think of
 * those that come twice, late or not at all; for every other node it has its general way.
 *
 * Pure, inline: it is done for each node.
 */
#include "codec/json.h"

struct rrweb_node {
    const struct json_token *tag, *attributes, *children; /* of an element */
    const struct json_token *text;                        /* of a text */
    const struct json_token *rest, *end;                  /* names and values that follow */
    const struct json_token *id;                          /* the value among them; NULL: it has none */
};

/* Is it that name, written without escapes? */
static inline bool rrweb_node_named(const uint8_t *base, const struct json_token *k, const char *name, size_t n)
{
    return k->to - k->from == n + 2 && memcmp(base + k->from + 1, name, n) == 0;
}

#define RRWEB_NODE_NAMED(base, k, name) rrweb_node_named(base, k, name, sizeof(name) - 1)

/* Names that count wherever they stand: none of them may follow. One with an escape may be any of them. */
static inline bool rrweb_node_counts(const uint8_t *base, const struct json_token *k)
{
    const uint8_t *p = base + k->from + 1;
    size_t n = k->to - k->from - 2;

    if (k->escaped)
        return true;
    switch (n) {
    case 4: return memcmp(p, "type", 4) == 0 || memcmp(p, "name", 4) == 0;
    case 7: return memcmp(p, "tagName", 7) == 0 || memcmp(p, "isStyle", 7) == 0;
    case 8: return memcmp(p, "publicId", 8) == 0 || memcmp(p, "systemId", 8) == 0;
    case 9: return memcmp(p, "__proto__", 9) == 0;
    case 10: return memcmp(p, "attributes", 10) == 0 || memcmp(p, "childNodes", 10) == 0;
    case 11: return memcmp(p, "textContent", 11) == 0;
    default: return false;
    }
}

static inline bool rrweb_node_rest(const uint8_t *base, struct rrweb_node *n)
{
    bool root = false;

    for (const struct json_token *k = n->rest; k != n->end; k += 1 + k[1].n) {
        if (RRWEB_NODE_NAMED(base, k, "id")) {
            if (n->id != NULL)
                return false;
            n->id = k + 1;
        } else if (RRWEB_NODE_NAMED(base, k, "rootId")) {
            if (root)
                return false;
            root = true;
        } else if (rrweb_node_counts(base, k)) {
            return false;
        }
    }
    return true;
}

/* k: the tokens of a value, base: where they count from. False: it is written in another way, or is another kind of node. */
static inline bool rrweb_node_plain(const uint8_t *base, const struct json_token *k, struct rrweb_node *ret)
{
    const struct json_token *c;

    if (k->type != JSON_OBJECT || k->n < 5 || k[2].to - k[2].from != 1 || !RRWEB_NODE_NAMED(base, k + 1, "type") || k[4].type != JSON_STRING)
        return false;
    *ret = (struct rrweb_node){ .end = k + k->n };
    if (base[k[2].from] == '3' && RRWEB_NODE_NAMED(base, k + 3, "textContent")) {
        ret->text = k + 4;
        ret->rest = k + 5;
        return rrweb_node_rest(base, ret);
    }
    if (base[k[2].from] != '2' || k->n < 9 || !RRWEB_NODE_NAMED(base, k + 3, "tagName") || !RRWEB_NODE_NAMED(base, k + 5, "attributes") ||
        k[6].type != JSON_OBJECT)
        return false;
    c = k + 6 + k[6].n;
    if (c == ret->end || !RRWEB_NODE_NAMED(base, c, "childNodes") || c[1].type != JSON_ARRAY)
        return false;
    ret->tag = k + 4;
    ret->attributes = k + 6;
    ret->children = c + 1;
    ret->rest = c + 1 + c[1].n;
    return rrweb_node_rest(base, ret);
}
