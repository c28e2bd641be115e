#include "codec/mask_rrweb.h"

#include "codec/rrweb.h"
#include "codec/rrweb_node.h"

#include <strings.h>

/*
 * One pass over the event collects edits (mask_json) and what is new of nodes. Nodes that a mutation adds may stand before their parents: when a
 * pass over several of them learnt something, it is done again, at most PASSES times, then nothing is trusted.
 */

#define PASSES    6
#define NAME_ROOM 256 /* bytes of an attribute's value that is compared with rules; longer ones are cut */

static const struct mask_how plainly = { false, false, 0 };
static const struct mask_how payload = { true, false, 0 };

void mask_rrweb_init(struct mask_rrweb *w, const struct mask_rules *rules, struct mask_scanner *scanner, uint64_t *counts, size_t max)
{
    *w = (struct mask_rrweb){ .lost = true, .places = true };
    mask_json_init(&w->json, rules, scanner, counts, max);
    idmap_init(&w->nodes);
    buf_init(&w->value, max + 4);
    buf_init(&w->out, max * 2);
}

void mask_rrweb_deinit(struct mask_rrweb *w)
{
    mask_json_deinit(&w->json);
    idmap_deinit(&w->nodes);
    buf_deinit(&w->value);
    buf_deinit(&w->out);
}

/* ---- nodes by number ---- */

/* False: no number a map can have. */
static bool node_id(struct json_value v, uint32_t *ret)
{
    int64_t id;

    if (v.type != JSON_NUMBER || !json_int(v.raw, &id) || id < 0 || id > UINT32_MAX)
        return false;
    *ret = (uint32_t) id;
    return true;
}

static unsigned was(const struct mask_rrweb *w, struct json_value id)
{
    uint32_t n;

    return node_id(id, &n) ? idmap_get(&w->nodes, n) : 0;
}

/* What is known of a node. Of one without a proper number, or when too much is not known: everything that hides. */
static unsigned known(const struct mask_rrweb *w, struct json_value obj, const char *key)
{
    struct json_value id = { .type = JSON_NULL };
    uint32_t n;
    unsigned flags;

    (void) json_find(obj, key, &id);
    if (!node_id(id, &n))
        return w->places || w->lost ? MASK_NODE_TEXT | MASK_NODE_VALUE : 0;
    flags = idmap_get(&w->nodes, n);
    if (w->nodes.full || w->lost) {
        flags |= MASK_NODE_VALUE;
        if (w->places)
            flags |= MASK_NODE_TEXT;
    }
    return flags;
}

static void learn(struct mask_rrweb *w, struct json_value id, unsigned flags)
{
    uint32_t n;

    if ((flags & (MASK_NODE_TEXT | MASK_NODE_BLOCK)) != 0)
        w->places = true;
    if (node_id(id, &n) && idmap_put(&w->nodes, n, (uint8_t) flags))
        w->changed = true;
}

/* ---- elements ---- */

struct element {
    struct mask_rrweb *w;
    struct json_value attributes;
};

/* A member of that name, in any case; *ret becomes its text, cut off at nothing: "" for what is no string. */
static bool take_attribute(const struct element *e, struct json_value v, struct span name, struct span *ret)
{
    if (v.key.n != name.n || strncasecmp((const char *) v.key.p, (const char *) name.p, name.n) != 0 || v.type == JSON_NULL ||
        v.type == JSON_FALSE)
        return false;
    *ret = v.type == JSON_STRING ? v.raw : SPAN_EMPTY;
    if (ret->n == 0 || memchr(ret->p, '\\', ret->n) == NULL)
        return true;
    buf_reset(&e->w->value);
    if (!json_string_decode(v.raw, &e->w->value) && e->w->json.err.code == ERR_OK)
        e->w->json.err = (struct err_info){ .code = ERR_NOMEM, .text = "masking" };
    *ret = buf_span(&e->w->value);
    return true;
}

/* One attribute for the rules, decoded; of several the last, as browsers do. */
static bool attribute(const void *ctx, struct span name, struct span *ret)
{
    const struct element *e = ctx;
    struct json_iter it = json_iter(e->attributes);
    struct json_value v;
    bool found = false;

    while (json_next(&it, &v))
        found = take_attribute(e, v, name, ret) || found;
    return found;
}

/* In which place it stands by itself. Most elements have nothing that a selector asks for. */
static enum mask_place place_of(const struct element *e, struct span tag)
{
    const struct mask_rules *r = e->w->json.rules;
    struct mask_element me = { .tag = tag, .attr = attribute, .ctx = e };
    struct json_iter it = json_iter(e->attributes);
    bool look = mask_rules_place_tags(r);
    struct json_value v;

    while (!look && json_next(&it, &v))
        look = mask_rules_place_attr(r, v.key, v.raw);
    return look ? mask_rules_place(r, &me) : MASK_PLACE_NONE;
}

static bool attribute_in(const struct element *e, const char *name, const char *const *words)
{
    struct span v;

    if (!attribute(e, span_str(name), &v))
        return false;
    for (; *words != NULL; words++)
        if (span_eq_nocase(v, *words))
            return true;
    return false;
}

static bool is_password(const struct element *e)
{
    static const char *const password[] = { "password", NULL };
    struct span v;

    return attribute_in(e, "type", password) || attribute(e, SPAN("data-rr-is-password"), &v);
}

/* Does one of its names stand for a field that goes whole? */
static bool is_field(const struct element *e)
{
    static const char *const names[] = { "name", "id", "autocomplete", "aria-label", "placeholder", "data-testid" };
    struct span v;

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (attribute(e, span_str(names[i]), &v) && v.n > 0 && v.n <= NAME_ROOM && mask_rules_field(e->w->json.rules, v))
            return true;
    return false;
}

/* Typed into or chosen from; buttons say what the page says. */
static bool takes_input(struct json_value tag, const struct element *e)
{
    static const char *const buttons[] = { "button", "submit", "reset", "image", NULL };

    if (json_raw_eq(tag.raw, "input"))
        return !attribute_in(e, "type", buttons);
    return json_raw_eq(tag.raw, "textarea") || json_raw_eq(tag.raw, "select");
}

static bool is_editable(const struct element *e)
{
    static const char *const off[] = { "false", "inherit", NULL };
    static const char *const box[] = { "textbox", "searchbox", "combobox", NULL };
    struct span v;

    return (attribute(e, SPAN("contenteditable"), &v) && !attribute_in(e, "contenteditable", off)) || attribute_in(e, "role", box);
}

/* An input, textarea or select: is what stands in it taken out? */
static unsigned classify_input(struct mask_rrweb *w, const struct element *e, struct json_value tag, unsigned was, unsigned flags)
{
    bool input = json_raw_eq(tag.raw, "input");

    if ((input && is_password(e)) || (was & MASK_NODE_STICKY) != 0)
        flags |= MASK_NODE_VALUE | MASK_NODE_STICKY;
    if ((flags & MASK_NODE_TEXT) != 0 || is_field(e) ||
        (mask_rules_inputs_all(w->json.rules) && (flags & MASK_NODE_KEEP) == 0))
        flags |= MASK_NODE_VALUE;
    if ((flags & MASK_NODE_VALUE) != 0 && !input)
        flags |= MASK_NODE_TEXT; /* the text of a textarea, the options of a select */
    return flags;
}

/* What an element is, in a place that is 'above'. was: what was known of its number. */
static unsigned classify(struct mask_rrweb *w, struct json_value tag, struct json_value attributes, unsigned was, unsigned above)
{
    const struct mask_rules *r = w->json.rules;
    const struct element e = { w, attributes };
    unsigned flags = above & ~(unsigned) (MASK_NODE_VALUE | MASK_NODE_STICKY | MASK_NODE_CSS);

    switch (place_of(&e, tag.type == JSON_STRING ? tag.raw : SPAN_EMPTY)) {
    case MASK_PLACE_NONE: break;
    case MASK_PLACE_KEEP: flags |= (flags & MASK_NODE_TEXT) != 0 ? 0 : MASK_NODE_KEEP; break;
    case MASK_PLACE_MASK: flags = (flags | MASK_NODE_TEXT) & ~(unsigned) MASK_NODE_KEEP; break;
    case MASK_PLACE_BLOCK: flags = (flags | MASK_NODE_TEXT | MASK_NODE_BLOCK) & ~(unsigned) MASK_NODE_KEEP; break;
    }
    if (json_raw_eq(tag.raw, "style"))
        return flags | MASK_NODE_CSS;
    if (takes_input(tag, &e))
        return classify_input(w, &e, tag, was, flags);
    if (mask_rules_inputs_all(r) && (flags & MASK_NODE_KEEP) == 0 && is_editable(&e))
        flags |= MASK_NODE_TEXT;
    if (json_raw_eq(tag.raw, "meta") && is_field(&e))
        flags |= MASK_NODE_VALUE; /* <meta name="csrf-token" content="…"> */
    return flags;
}

/* ---- attributes ---- */

/* Has the raw name, in any case, one of the words, or with a '*' at its end their beginning? */
static bool named(struct span name, const char *const *words)
{
    for (; *words != NULL; words++) {
        size_t n = strlen(*words);

        if ((*words)[n - 1] == '*' ? name.n >= n - 1 && strncasecmp((const char *) name.p, *words, n - 1) == 0
                                   : span_eq_nocase(name, *words))
            return true;
    }
    return false;
}

/* In a masked place these show or tell text. */
static const char *const telling[] = { "value", "title", "placeholder", "alt", "label", "content", "summary", "abbr", "href", "xlink:href", "srcdoc",
                                       "cite", "download", "action", "aria-label", "aria-description", "aria-valuetext",
                                       "aria-valuenow", "aria-roledescription", "aria-placeholder", "data-*", NULL };
/* With text = all these are text. */
static const char *const shown[] = { "title", "placeholder", "alt", "label", "aria-label", "aria-description", "aria-valuetext",
                                     "aria-roledescription", "aria-placeholder", NULL };
/* In a blocked place these stay: what keeps the layout. */
static const char *const layout[] = { "class", "id", "style", "type", "rr_width", "rr_height", "width", "height", "colspan", "rowspan", "span",
                                      "cols", "rows", "size", "dir", "hidden", "checked", "selected", "disabled", "open", "role",
                                      "xmlns*", "viewbox", "rr_scrollleft", "rr_scrolltop", "_csstext", NULL };
static const char *const values[] = { "value", "content", "aria-valuetext", "aria-valuenow", "data-value", NULL };

static bool goes_whole(struct mask_rrweb *w, struct json_value a, unsigned flags, uint16_t *ret_rule)
{
    const struct mask_rules *r = w->json.rules;
    struct span name = mask_json_text(&w->json, a.key);

    *ret_rule = MASK_SELECTOR;
    if ((flags & MASK_NODE_BLOCK) != 0 && !named(name, layout))
        return true;
    if ((flags & MASK_NODE_BLOCK) != 0 && a.type == JSON_STRING && span_eq_nocase(name, "style") &&
        memmem(a.raw.p, a.raw.n, "url(", 4) != NULL)
        return true;
    if ((flags & MASK_NODE_TEXT) != 0 && named(name, telling))
        return true;
    if (mask_rules_text_all(r) && (flags & MASK_NODE_KEEP) == 0 && named(name, shown))
        return true;
    *ret_rule = MASK_FIELD;
    if ((flags & MASK_NODE_VALUE) != 0 && named(name, values))
        return true;
    *ret_rule = MASK_ATTRIBUTE;
    return mask_rules_attribute(r, name);
}

/* May one go whole at all? */
static bool any_goes_whole(const struct mask_rrweb *w, unsigned flags)
{
    const struct mask_rules *r = w->json.rules;

    return (flags & (MASK_NODE_BLOCK | MASK_NODE_TEXT | MASK_NODE_VALUE)) != 0 || (mask_rules_text_all(r) && (flags & MASK_NODE_KEEP) == 0) ||
           mask_rules_attributes(r);
}

static void attributes_of(struct mask_rrweb *w, struct json_value attributes, unsigned flags)
{
    struct json_iter it = json_iter(attributes);
    bool whole = any_goes_whole(w, flags);
    struct json_value a;

    while (json_next(&it, &a)) {
        uint16_t rule;

        if (a.type == JSON_STRING && a.raw.n == 0)
            continue;
        if (whole && goes_whole(w, a, flags, &rule)) {
            mask_json_value(&w->json, a, (struct mask_how){ false, true, rule });
        } else if (a.type == JSON_STRING) {
            mask_json_string(&w->json, a.raw, /* fields= */ true, /* headers= */ false);
        } else {
            mask_json_value(&w->json, a, plainly);
        }
    }
}

/* ---- text ---- */

static void text(struct mask_rrweb *w, struct json_value v, unsigned flags)
{
    bool all = (flags & MASK_NODE_TEXT) != 0 || (mask_rules_text_all(w->json.rules) && (flags & MASK_NODE_KEEP) == 0);

    if (v.type != JSON_STRING)
        mask_json_value(&w->json, v, plainly);
    else if (all && (flags & MASK_NODE_CSS) == 0)
        mask_json_whole(&w->json, v.raw, MASK_SELECTOR);
    else
        mask_json_string(&w->json, v.raw, /* fields= */ false, /* headers= */ false);
}

/* ---- the tree ---- */

static void node(struct mask_rrweb *w, struct json_value n, unsigned above);

static void children(struct mask_rrweb *w, struct json_value list, unsigned above)
{
    struct json_iter it = json_iter(list);
    struct json_value v;

    if (list.type != JSON_ARRAY)
        mask_json_value(&w->json, list, plainly);
    while (list.type == JSON_ARRAY && json_next(&it, &v))
        node(w, v, above);
}

/* One member of a node. */
static void member(struct mask_rrweb *w, struct json_value v, unsigned flags)
{
    if (json_raw_eq(v.key, "childNodes"))
        children(w, v, flags & ~(unsigned) (MASK_NODE_VALUE | MASK_NODE_STICKY));
    else if (json_raw_eq(v.key, "attributes") && v.type == JSON_OBJECT)
        attributes_of(w, v, flags);
    else if (json_raw_eq(v.key, "textContent"))
        text(w, v, flags);
    else if (!json_raw_eq(v.key, "tagName"))
        mask_json_value(&w->json, v, plainly);
}

/* What a node has to be known by, before its members are looked at one by one. */
struct own {
    struct json_value tag, attributes, id;
    bool style;
};

static struct own own_of(struct json_value n)
{
    struct own o = { .style = false };
    struct json_iter it = json_iter(n);
    struct json_value v;

    o.tag.type = o.attributes.type = o.id.type = JSON_NULL;
    while (json_next(&it, &v)) {
        if (json_raw_eq(v.key, "tagName"))
            o.tag = v;
        else if (json_raw_eq(v.key, "attributes"))
            o.attributes = v;
        else if (json_raw_eq(v.key, "id"))
            o.id = v;
        else if (json_raw_eq(v.key, "isStyle"))
            o.style = v.type == JSON_TRUE;
    }
    return o;
}

static struct json_value value_of(const uint8_t *base, const struct json_token *k)
{
    return (struct json_value){ (enum json_type) k->type, SPAN_EMPTY, json_token_text(base, k), k };
}

/* A node as recorders write it: what is below comes to the same. False: it is another one, and nothing was done. */
static bool plain_node(struct mask_rrweb *w, struct json_value n, unsigned above)
{
    const uint8_t *base = n.raw.p;
    struct json_value id = { .type = JSON_NULL };
    unsigned flags = above;
    struct rrweb_node p;

    if (n.type != JSON_OBJECT || n.token == NULL)
        return false;
    base -= n.token->from;
    if (!rrweb_node_plain(base, n.token, &p))
        return false;
    if (p.id != NULL)
        id = value_of(base, p.id);
    if (p.tag != NULL)
        flags = classify(w, value_of(base, p.tag), value_of(base, p.attributes), was(w, id), above);
    learn(w, id, flags);
    if (p.tag != NULL) {
        attributes_of(w, value_of(base, p.attributes), flags);
        children(w, value_of(base, p.children), flags & ~(unsigned) (MASK_NODE_VALUE | MASK_NODE_STICKY));
    } else {
        text(w, value_of(base, p.text), flags);
    }
    for (const struct json_token *k = p.rest; k != p.end && w->json.err.code == ERR_OK; k += 1 + k[1].n)
        mask_json_value(&w->json, value_of(base, k + 1), plainly);
    return true;
}

/* As deep as JSON may be: 128. */
static void node(struct mask_rrweb *w, struct json_value n, unsigned above)
{
    struct json_iter it = json_iter(n);
    unsigned flags = above;
    struct json_value v;
    struct own o;

    if (plain_node(w, n, above))
        return;
    if (n.type != JSON_OBJECT) {
        mask_json_value(&w->json, n, plainly);
        return;
    }
    o = own_of(n);
    if (o.tag.type != JSON_NULL)
        flags = classify(w, o.tag, o.attributes, was(w, o.id), above);
    else if (o.style)
        flags |= MASK_NODE_CSS;
    learn(w, o.id, flags);
    while (json_next(&it, &v) && w->json.err.code == ERR_OK)
        member(w, v, flags);
}

/* ---- mutations ---- */

/* {"id": …, KEY: …}, each of a list. */
static void texts(struct mask_rrweb *w, struct json_value list)
{
    struct json_iter it = json_iter(list), in;
    struct json_value one, v;

    while (json_next(&it, &one)) {
        unsigned flags = known(w, one, "id");

        if (one.type != JSON_OBJECT)
            mask_json_value(&w->json, one, plainly);
        for (in = json_iter(one); one.type == JSON_OBJECT && json_next(&in, &v);)
            if (json_raw_eq(v.key, "value"))
                text(w, v, flags);
            else
                mask_json_value(&w->json, v, plainly);
    }
}

/* Attributes that change may make a node another one, from here on. */
static unsigned relearn(struct mask_rrweb *w, struct json_value one, struct json_value attributes, unsigned flags)
{
    struct json_value id = { .type = JSON_NULL };
    const struct element e = { w, attributes };
    unsigned now = flags;

    if (is_password(&e))
        now |= MASK_NODE_VALUE | MASK_NODE_STICKY;
    if (is_field(&e)) /* named after it was made */
        now |= MASK_NODE_VALUE;
    switch (place_of(&e, SPAN_EMPTY)) {
    case MASK_PLACE_NONE:
    case MASK_PLACE_KEEP: break; /* it never shows more than before */
    case MASK_PLACE_MASK: now |= MASK_NODE_TEXT; break;
    case MASK_PLACE_BLOCK: now |= MASK_NODE_TEXT | MASK_NODE_BLOCK; break;
    }
    if (now != flags && !w->lost && json_find(one, "id", &id))
        learn(w, id, now);
    return now;
}

static void attribute_changes(struct mask_rrweb *w, struct json_value list)
{
    struct json_iter it = json_iter(list), in;
    struct json_value one, v;

    while (json_next(&it, &one)) {
        unsigned flags = known(w, one, "id");

        if (one.type != JSON_OBJECT)
            mask_json_value(&w->json, one, plainly);
        for (in = json_iter(one); one.type == JSON_OBJECT && json_next(&in, &v);)
            if (json_raw_eq(v.key, "attributes") && v.type == JSON_OBJECT)
                attributes_of(w, v, relearn(w, one, v, flags));
            else
                mask_json_value(&w->json, v, plainly);
    }
}

static void adds(struct mask_rrweb *w, struct json_value list)
{
    struct json_iter it = json_iter(list), in;
    struct json_value one, v;

    while (json_next(&it, &one)) {
        unsigned above = known(w, one, "parentId") & ~(unsigned) (MASK_NODE_VALUE | MASK_NODE_STICKY);

        if (one.type != JSON_OBJECT)
            mask_json_value(&w->json, one, plainly);
        for (in = json_iter(one); one.type == JSON_OBJECT && json_next(&in, &v);)
            if (json_raw_eq(v.key, "node"))
                node(w, v, above);
            else
                mask_json_value(&w->json, v, plainly);
    }
}

static void mutation(struct mask_rrweb *w, struct json_value data)
{
    struct json_iter it = json_iter(data);
    struct json_value v;

    while (json_next(&it, &v) && w->json.err.code == ERR_OK) {
        if (json_raw_eq(v.key, "texts") && v.type == JSON_ARRAY)
            texts(w, v);
        else if (json_raw_eq(v.key, "attributes") && v.type == JSON_ARRAY)
            attribute_changes(w, v);
        else if (json_raw_eq(v.key, "adds") && v.type == JSON_ARRAY)
            adds(w, v);
        else
            mask_json_value(&w->json, v, plainly);
    }
}

/* ---- other sources ---- */

static void input(struct mask_rrweb *w, struct json_value data)
{
    struct json_iter it = json_iter(data);
    unsigned flags = known(w, data, "id");
    bool all = (flags & (MASK_NODE_VALUE | MASK_NODE_TEXT)) != 0 ||
               (mask_rules_inputs_all(w->json.rules) && (flags & MASK_NODE_KEEP) == 0);
    struct json_value v;

    while (json_next(&it, &v)) {
        if (json_raw_eq(v.key, "text") && all)
            mask_json_value(&w->json, v, (struct mask_how){ false, true, MASK_FIELD });
        else
            mask_json_value(&w->json, v, plainly);
    }
}

/* Styles, canvases, fonts: of a node that is masked everything that was painted or written. */
static void drawn(struct mask_rrweb *w, struct json_value data)
{
    static const char *const painted[] = { "args", "commands", NULL };
    struct json_iter it = json_iter(data);
    bool all = (known(w, data, "id") & (MASK_NODE_TEXT | MASK_NODE_BLOCK)) != 0;
    struct json_value v;

    while (json_next(&it, &v)) {
        bool whole = all && named(v.key, painted) && v.type == JSON_ARRAY;
        struct json_iter in = json_iter(v);
        struct json_value one, args;

        if (!whole) {
            mask_json_value(&w->json, v, plainly);
            continue;
        }
        while (json_next(&in, &one)) { /* [args…] or [{property, args: […]}…]: the strings in them, not the numbers */
            if (one.type == JSON_OBJECT && json_find(one, "args", &args)) {
                struct json_iter a = json_iter(args);

                while (json_next(&a, &one))
                    if (one.type == JSON_STRING)
                        mask_json_whole(&w->json, one.raw, MASK_SELECTOR);
            } else if (one.type == JSON_STRING) {
                mask_json_whole(&w->json, one.raw, MASK_SELECTOR);
            }
        }
    }
}

static void snapshot(struct mask_rrweb *w, struct json_value data)
{
    struct json_iter it = json_iter(data);
    struct json_value v;

    while (json_next(&it, &v)) {
        if (json_raw_eq(v.key, "node"))
            node(w, v, 0);
        else
            mask_json_value(&w->json, v, plainly);
    }
}

static void incremental(struct mask_rrweb *w, struct json_value data, int source)
{
    enum { MUTATION = 0, INPUT = 5, CANVAS = 9, LOG = 11 };

    if (source == MUTATION)
        mutation(w, data);
    else if (source == INPUT)
        input(w, data);
    else if (source == CANVAS)
        drawn(w, data);
    else
        mask_json_value(&w->json, data, source == LOG || source < 0 || source > 16 ? payload : plainly);
}

/* ---- events ---- */

static void event_data(struct mask_rrweb *w, struct json_value data, int type, int source)
{
    if (data.type != JSON_OBJECT)
        mask_json_value(&w->json, data, payload);
    else if (type == RRWEB_FULL)
        snapshot(w, data);
    else if (type == RRWEB_INCREMENTAL)
        incremental(w, data, source);
    else if (type == RRWEB_META || type == RRWEB_DOM || type == RRWEB_LOAD)
        mask_json_value(&w->json, data, plainly);
    else
        mask_json_value(&w->json, data, payload);
}

static void pass(struct mask_rrweb *w, struct json_value event, int type, int source)
{
    struct json_iter it = json_iter(event);
    struct json_value v;

    w->changed = false;
    while (json_next(&it, &v) && w->json.err.code == ERR_OK) {
        if (json_raw_eq(v.key, "data"))
            event_data(w, v, type, source);
        else if (v.type == JSON_STRING || v.type == JSON_ARRAY || v.type == JSON_OBJECT)
            mask_json_value(&w->json, v, payload);
    }
}

/* A new page: nothing of the old one's nodes counts but which of them held passwords. */
static void new_page(struct mask_rrweb *w)
{
    uint32_t n = 0;

    for (uint32_t i = 0; i < w->nodes.n; i++)
        if ((w->nodes.r[i].value & MASK_NODE_STICKY) != 0) {
            w->nodes.r[n] = w->nodes.r[i];
            w->nodes.r[n++].value = MASK_NODE_STICKY;
        }
    w->nodes.n = n;
    w->nodes.full = false;
    w->lost = false;
    w->places = false; /* what the snapshot has of them is learnt from it */
}

/* Pointer moves, scrolls and the like: no strings to look at. */
static bool dull(struct span json, int type, int source)
{
    return type == RRWEB_INCREMENTAL && (source == 1 || source == 2 || source == 3 || source == 4 || source == 6) &&
           memchr(json.p, '\\', json.n) == NULL && memchr(json.p, '%', json.n) == NULL && memchr(json.p, '&', json.n) == NULL;
}

/* A mutation: again when it added nodes before what they stand in. */
static void passes(struct mask_rrweb *w, struct json_value event)
{
    struct mask_json *m = &w->json;
    uint64_t counts[MASK_RULES_MAX];

    memcpy(counts, m->counts, sizeof(counts));
    pass(w, event, RRWEB_INCREMENTAL, 0);
    for (int i = 1; w->changed && m->err.code == ERR_OK; i++) {
        if (i == PASSES)
            w->lost = true;
        mask_edit_reset(&m->edit);
        memcpy(m->counts, counts, sizeof(counts));
        pass(w, event, RRWEB_INCREMENTAL, 0);
        if (i == PASSES)
            break;
    }
}

enum err mask_rrweb_event(struct mask_rrweb *w, struct json_value event, int type, int source, struct span *ret, struct err_info *reterr)
{
    struct span json = event.raw;
    struct mask_json *m = &w->json;

    *ret = json;
    mask_json_begin(m, json);
    if (dull(json, type, source) && !m->patterns)
        return ERR_OK;
    if (type == RRWEB_FULL)
        new_page(w);
    if (type == RRWEB_INCREMENTAL && source == 0)
        passes(w, event);
    else
        pass(w, event, type, source);
    if (m->err.code == ERR_OK && mask_edit_failed(&m->edit))
        return ERR_RAISE(reterr, ERR_NOMEM, "masking");
    if (m->err.code != ERR_OK)
        return ERR_RAISE(reterr, m->err.code, "%s", m->err.text);
    if (!mask_edit_any(&m->edit))
        return ERR_OK;
    buf_reset(&w->out);
    if (!mask_edit_apply(&m->edit, json, &w->out))
        return ERR_RAISE(reterr, ERR_NOMEM, "masking");
    *ret = buf_span(&w->out);
    return ERR_OK;
}
