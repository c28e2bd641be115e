/*
 * Which elements of a page can be clicked: links, buttons, fields, and everything inside one. A snapshot is walked once from
 * front to back, without building anything: minified valid JSON, so a quote begins a string and brackets nest. rrweb writes
 * a node's tagName before its children and its id behind them.
 */
#include <stdlib.h>

#include "codec/facts_int.h"

#define SLOTS    (FACTS_CLICKABLE_MAX * 2)
#define PROBES   64

struct facts_clickable {
    bool known; /* a snapshot has been seen */
    bool full;  /* there were more than we keep: what is not among them is not known */
    uint32_t n;
    uint32_t slots[SLOTS]; /* ids; 0: free */
};

struct facts_clickable *facts_clickable_new(void)
{
    return calloc(1, sizeof(struct facts_clickable));
}

struct facts_clickable *facts_clickable_free(struct facts_clickable *c)
{
    free(c);
    return NULL;
}

static uint32_t slot_of(uint32_t id)
{
    return (id * 2654435761u) % SLOTS;
}

static void put(struct facts_clickable *c, int64_t node)
{
    uint32_t id = (uint32_t) node, at = slot_of(id);

    if (node <= 0 || node > UINT32_MAX)
        return;
    for (int i = 0; i < PROBES; i++, at = (at + 1) % SLOTS) {
        if (c->slots[at] == id)
            return;
        if (c->slots[at] == 0 && c->n < FACTS_CLICKABLE_MAX) {
            c->slots[at] = id;
            c->n++;
            return;
        }
        if (c->slots[at] == 0)
            break;
    }
    c->full = true;
}

int facts_clickable_is(const struct facts_clickable *c, int64_t node)
{
    uint32_t id = (uint32_t) node, at = slot_of(id);

    if (!c->known || node <= 0 || node > UINT32_MAX)
        return -1;
    for (int i = 0; i < PROBES && c->slots[at] != 0; i++, at = (at + 1) % SLOTS) {
        if (c->slots[at] == id)
            return 1;
    }
    return c->full ? -1 : 0;
}

/* ---- the walk ---- */

struct walk {
    struct facts_clickable *c;
    const uint8_t *p, *end;
    unsigned depth;
    unsigned in; /* depth of the outermost clickable object that is open; 0: none */
};

/* At a quote; goes behind the closing one. */
static struct span string_at(struct walk *w)
{
    const uint8_t *from = ++w->p;

    while (w->p < w->end && *w->p != '"') {
        if (*w->p == '\\')
            w->p++;
        w->p++;
    }
    if (w->p > w->end)
        w->p = w->end;
    return span_of(from, (size_t) (w->p++ - from));
}

static bool clickable_tag(struct span tag)
{
    static const char *const tags[] = { "a", "button", "input", "select", "textarea", "summary", "label", "option", "area" };

    for (size_t i = 0; i < sizeof(tags) / sizeof(tags[0]); i++) {
        if (span_eq_nocase(tag, tags[i]))
            return true;
    }
    return false;
}

static int64_t number_at(const struct walk *w)
{
    const uint8_t *p = w->p;
    int64_t n = 0;

    while (p < w->end && *p >= '0' && *p <= '9' && n <= UINT32_MAX)
        n = n * 10 + (*p++ - '0');
    return p < w->end && (*p == ',' || *p == '}') ? n : -1;
}

/* A member's name was read and its value comes: is it one that we look for? */
static void member(struct walk *w, struct span name)
{
    bool clickable;

    if (span_eq_str(name, "tagName") && w->p < w->end && *w->p == '"') {
        clickable = clickable_tag(string_at(w));
    } else if (span_eq_str(name, "role") && w->p < w->end && *w->p == '"') { /* in "attributes", one level below its node */
        struct span role = string_at(w);

        if (w->in == 0 && w->depth > 1 && (span_eq_str(role, "button") || span_eq_str(role, "link")))
            w->in = w->depth - 1;
        return;
    } else {
        if (span_eq_str(name, "id") && w->in > 0)
            put(w->c, number_at(w));
        return;
    }
    if (clickable && w->in == 0)
        w->in = w->depth;
}

static void walk(struct facts_clickable *c, struct span json, bool inside)
{
    struct walk w = { .c = c, .p = json.p, .end = json.p + json.n, .in = inside ? 1 : 0 };

    while (w.p < w.end) {
        switch (*w.p) {
        case '{':
        case '[':
            w.depth++;
            w.p++;
            break;
        case '}':
        case ']':
            if (w.in == w.depth)
                w.in = inside ? 1 : 0;
            w.depth -= w.depth > 0 ? 1 : 0;
            w.p++;
            break;
        case '"': {
            struct span s = string_at(&w);

            if (w.p < w.end && *w.p == ':') {
                w.p++;
                member(&w, s);
            }
            break;
        }
        default: w.p++; break;
        }
    }
}

void facts_clickable_snapshot(struct facts_clickable *c, struct span json)
{
    if (c == NULL)
        return;
    memset(c, 0, sizeof(*c));
    c->known = true;
    walk(c, json, false);
}

void facts_clickable_mutation(struct facts_clickable *c, struct span json)
{
    struct json_value adds, add, parent, node;
    struct json_iter it;
    int64_t id;

    if (c == NULL || !c->known || !json_find(json_value(json), "adds", &adds) || adds.type != JSON_ARRAY)
        return;
    for (it = json_iter(adds); json_next(&it, &add);) {
        bool inside = json_find(add, "parentId", &parent) && json_int(parent.raw, &id) && facts_clickable_is(c, id) == 1;

        if (json_find(add, "node", &node) && node.type == JSON_OBJECT)
            walk(c, node.raw, inside);
    }
}
