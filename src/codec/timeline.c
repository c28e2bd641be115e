#include "codec/timeline.h"

#include <stdlib.h>

#include "base/map.h"
#include "base/utf8.h"
#include "codec/plain.h"
#include "codec/json.h"

#define LABEL_MAX   48 /* bytes */
#define TAG_MAX     16
#define EVENT_BYTES (17u << 20)

struct node {
    int64_t id;
    char tag[TAG_MAX];
    char label[LABEL_MAX + 1]; /* UTF-8, as it came */
};

struct timeline {
    struct timeline_line *lines;
    size_t n, cap, first; /* a ring once it is full: 'first' is the oldest */
    struct map nodes;
    struct buf text;
};

struct timeline *timeline_new(const uint8_t secret[16])
{
    struct timeline *t = calloc(1, sizeof(*t));

    if (t == NULL)
        return NULL;
    map_init(&t->nodes, secret, TIMELINE_NODES_MAX);
    buf_init(&t->text, 65536);
    return t;
}

static void forget_nodes(struct timeline *t)
{
    uint8_t secret[16];

    MAP_FOREACH(struct node, n, &t->nodes)
        free(n);
    memcpy(secret, t->nodes.secret, sizeof(secret));
    map_deinit(&t->nodes);
    map_init(&t->nodes, secret, TIMELINE_NODES_MAX);
}

void timeline_restart(struct timeline *t)
{
    for (size_t i = 0; i < t->n; i++)
        free(t->lines[i].text);
    t->n = t->first = 0;
    forget_nodes(t);
}

struct timeline *timeline_free(struct timeline *t)
{
    if (t == NULL)
        return NULL;
    timeline_restart(t);
    map_deinit(&t->nodes);
    buf_deinit(&t->text);
    free(t->lines);
    free(t);
    return NULL;
}

void timeline_freep(struct timeline **t)
{
    *t = timeline_free(*t);
}

size_t timeline_count(const struct timeline *t)
{
    return t->n;
}

const struct timeline_line *timeline_line(const struct timeline *t, size_t i)
{
    return &t->lines[(t->first + i) % (t->n == 0 ? 1 : t->n)];
}

/* ---- lines ---- */

static struct timeline_line *new_slot(struct timeline *t)
{
    if (t->n == TIMELINE_LINES_MAX) {
        struct timeline_line *l = &t->lines[t->first];

        t->first = (t->first + 1) % t->n;
        free(l->text);
        return l;
    }
    if (t->n == t->cap) {
        size_t cap = t->cap == 0 ? 256 : t->cap * 2 < TIMELINE_LINES_MAX ? t->cap * 2 : TIMELINE_LINES_MAX;
        struct timeline_line *more = reallocarray(t->lines, cap, sizeof(*more));

        if (more == NULL)
            return NULL;
        t->lines = more;
        t->cap = cap;
    }
    return &t->lines[t->n++];
}

/* Text that may hold anything: white space runs become one blank, the rest is made safe, and it is cut. */
static void add_text(struct buf *out, struct span s)
{
    struct rd r = rd_of(s);
    size_t n = 0;
    bool blank = false;

    while (r.n > 0 && n < TIMELINE_TEXT_MAX) {
        struct rd at = r;
        uint32_t cp = utf8_read(&at);
        struct span one = span_of(r.p, at.failed ? 1 : (size_t) (at.p - r.p));

        r = rd_of(span_of(r.p + one.n, r.n - one.n));
        if (cp == ' ' || cp == '\n' || cp == '\t' || cp == '\r' || cp == 0xa0) {
            blank = out->n > 0 && n > 0;
            continue;
        }
        if (blank)
            buf_add_c(out, ' ');
        blank = false;
        plain_text(out, one);
        n++;
    }
    if (r.n > 0)
        utf8_add(out, 0x2026);
}

static void add_quoted(struct buf *out, struct span s)
{
    buf_add_c(out, '"');
    add_text(out, s);
    buf_add_c(out, '"');
}

/* The line in t->text. Typing into one field is one line, with its newest text and its first time. */
static void line(struct timeline *t, int64_t at_ms, const char *kind, int64_t node)
{
    struct timeline_line *last = t->n > 0 ? &t->lines[(t->first + t->n - 1) % t->n] : NULL;
    char *text = strdup(buf_cstr(&t->text));

    if (text == NULL)
        return;
    if (node != 0 && last != NULL && last->node == node) {
        free(last->text);
        last->text = text;
        return;
    }
    last = new_slot(t);
    if (last == NULL) {
        free(text);
        return;
    }
    *last = (struct timeline_line){ at_ms, kind, text, node };
}

void timeline_text(const struct timeline_line *l, struct buf *out)
{
    struct buf at = BUF_INIT(64);

    plain_clock(&at, l->at_ms, true);
    buf_addf(out, "%9s  %-6s %s", buf_cstr(&at), l->kind, l->text);
    buf_deinit(&at);
}

void timeline_take(struct timeline *t, bool all, struct buf *out)
{
    size_t keep = all || t->n == 0 ? 0 : 1, i = 0;

    for (; i + keep < t->n; i++) {
        struct timeline_line *l = &t->lines[(t->first + i) % t->n];

        timeline_text(l, out);
        buf_add_c(out, '\n');
        free(l->text);
    }
    if (keep == 1)
        t->lines[0] = t->lines[(t->first + i) % t->n];
    t->n = keep;
    t->first = 0;
}

/* ---- reading ---- */

static bool member(struct json_value o, const char *key, enum json_type type, struct json_value *ret)
{
    return json_find(o, key, ret) && ret->type == type;
}

static int64_t number(struct json_value o, const char *key, int64_t otherwise)
{
    struct json_value v;
    int64_t n;

    return member(o, key, JSON_NUMBER, &v) && json_scaled(v.raw, 0, &n) ? n : otherwise;
}

/* A string decoded into 'to' (reset first). Empty: absent. */
static struct span text(struct json_value o, const char *key, struct buf *to)
{
    struct json_value v;

    buf_reset(to);
    if (!member(o, key, JSON_STRING, &v) || !json_string_decode(v.raw, to))
        return SPAN_EMPTY;
    return buf_span(to);
}

/* ---- elements of the page ---- */

static struct span node_key(const int64_t *id)
{
    return span_of(id, sizeof(*id));
}

static struct node *find_node(const struct timeline *t, int64_t id)
{
    return map_get(&t->nodes, node_key(&id));
}

/* Cuts at a character. */
static void copy_cut(char *to, size_t cap, struct span s)
{
    size_t n = s.n < cap - 1 ? s.n : cap - 1;

    while (n > 0 && n < s.n && (s.p[n] & 0xc0) == 0x80)
        n--;
    if (n > 0)
        memcpy(to, s.p, n);
    to[n] = '\0';
}

static struct node *remember(struct timeline *t, int64_t id, struct span tag)
{
    struct node *n = find_node(t, id);
    bool known = n != NULL;

    if (n == NULL)
        n = calloc(1, sizeof(*n));
    if (n == NULL)
        return NULL;
    n->id = id;
    n->label[0] = '\0';
    copy_cut(n->tag, sizeof(n->tag), tag);
    if (!known && !map_put(&t->nodes, node_key(&n->id), n, NULL)) {
        free(n);
        return NULL;
    }
    return n;
}

static void label_from_attributes(struct node *n, struct json_value attributes)
{
    static const char *const names[] = { "aria-label", "alt", "title", "placeholder", "value", "name", "id" };
    struct buf b = BUF_INIT(65536);

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]) && n->label[0] == '\0'; i++)
        copy_cut(n->label, sizeof(n->label), span_trim(text(attributes, names[i], &b)));
    buf_deinit(&b);
}

static void append_text(char *to, struct span s)
{
    size_t have = strlen(to);

    s = span_trim(s);
    while (s.n > 0 && (s.p[0] == '\n' || s.p[0] == '\r'))
        s = span_trim(span_sub(s, 1, s.n));
    if (s.n == 0 || have + 2 >= LABEL_MAX)
        return;
    if (have > 0)
        to[have++] = ' ';
    copy_cut(to + have, LABEL_MAX + 1 - have, s);
}

/*
 * A serialised node with all below it; 'words' collects the text inside, for the label of what is around it.
 * Recursion: as deep as the JSON, which json_check has bounded.
 */
static void add_node(struct timeline *t, struct json_value v, char words[LABEL_MAX + 1])
{
    struct json_value children, child, attributes;
    char inside[LABEL_MAX + 1] = "";
    struct buf b = BUF_INIT(EVENT_BYTES);
    int64_t type = number(v, "type", -1);
    struct node *n = NULL;

    if (type == 3) {
        struct json_value style;

        if (!json_find(v, "isStyle", &style) || style.type != JSON_TRUE)
            append_text(words, text(v, "textContent", &b));
    } else if (type == 2) {
        n = remember(t, number(v, "id", -1), text(v, "tagName", &b));
    }
    if (member(v, "childNodes", JSON_ARRAY, &children)) {
        for (struct json_iter it = json_iter(children); json_next(&it, &child);)
            add_node(t, child, inside);
    }
    if (n != NULL) {
        bool hidden = strcmp(n->tag, "style") == 0 || strcmp(n->tag, "script") == 0;

        if (!hidden)
            copy_cut(n->label, sizeof(n->label), span_str(inside));
        if (n->label[0] == '\0' && member(v, "attributes", JSON_OBJECT, &attributes))
            label_from_attributes(n, attributes);
        if (hidden)
            inside[0] = '\0';
    }
    append_text(words, span_str(inside));
    buf_deinit(&b);
}

static void mutation(struct timeline *t, struct json_value data)
{
    struct json_value adds, add, node;
    char words[LABEL_MAX + 1];

    if (!member(data, "adds", JSON_ARRAY, &adds))
        return;
    for (struct json_iter it = json_iter(adds); json_next(&it, &add);) {
        struct node *parent;

        words[0] = '\0';
        if (member(add, "node", JSON_OBJECT, &node))
            add_node(t, node, words);
        parent = find_node(t, number(add, "parentId", -1));
        if (parent != NULL)
            append_text(parent->label, span_str(words));
    }
}

/* button "Pay now" */
static void add_node_name(struct timeline *t, int64_t id, struct buf *out)
{
    const struct node *n = find_node(t, id);

    if (n == NULL) {
        buf_addf(out, "element %lld", (long long) id);
        return;
    }
    add_text(out, span_str(n->tag));
    if (n->label[0] != '\0') {
        buf_add_c(out, ' ');
        add_quoted(out, span_str(n->label));
    }
}

/* ---- events ---- */

static void mouse(struct timeline *t, struct json_value data, int64_t at)
{
    static const char *const kinds[] = { [2] = "click", [3] = "menu", [4] = "dblclk", [7] = "tap" };
    int64_t type = number(data, "type", -1);

    if (type < 0 || type > 7 || kinds[type] == NULL)
        return;
    add_node_name(t, number(data, "id", -1), &t->text);
    line(t, at, kinds[type], 0);
}

static void input(struct timeline *t, struct json_value data, int64_t at)
{
    struct buf b = BUF_INIT(EVENT_BYTES);
    struct json_value checked;
    int64_t id = number(data, "id", -1);
    struct span value = text(data, "text", &b);

    add_node_name(t, id, &t->text);
    if (json_find(data, "isChecked", &checked) && checked.type == JSON_TRUE) {
        buf_add_str(&t->text, " checked");
    } else {
        buf_add_str(&t->text, " = ");
        add_quoted(&t->text, value);
    }
    line(t, at, "input", id == 0 ? -1 : id);
    buf_deinit(&b);
}

static void incremental(struct timeline *t, struct json_value data, int64_t at)
{
    switch (number(data, "source", -1)) {
    case 0: mutation(t, data); break;
    case 2: mouse(t, data, at); break;
    case 4:
        buf_addf(&t->text, "window %lldx%lld", (long long) number(data, "width", 0), (long long) number(data, "height", 0));
        line(t, at, "size", 0);
        break;
    case 5: input(t, data, at); break;
    case 7:
        add_node_name(t, number(data, "id", -1), &t->text);
        buf_add_str(&t->text, number(data, "type", -1) == 0 ? " plays" : number(data, "type", -1) == 1 ? " pauses" : " seeks");
        line(t, at, "media", 0);
        break;
    default: break;
    }
}

static void page(struct timeline *t, struct json_value data, int64_t at)
{
    struct buf b = BUF_INIT(EVENT_BYTES);

    add_text(&t->text, text(data, "href", &b));
    buf_addf(&t->text, " (%lldx%lld)", (long long) number(data, "width", 0), (long long) number(data, "height", 0));
    line(t, at, "page", 0);
    buf_deinit(&b);
}

/* Each argument of a console call is JSON in a string; a string in it is shown without its quotes. */
static void console(struct timeline *t, struct json_value payload, int64_t at)
{
    struct buf b = BUF_INIT(EVENT_BYTES), level = BUF_INIT(EVENT_BYTES);
    struct json_value list, one;
    struct span l = text(payload, "level", &level);
    const char *kind = span_eq_str(l, "error") || span_eq_str(l, "assert") ? "error" : span_eq_str(l, "warn") ? "warn" : "log";

    if (member(payload, "payload", JSON_ARRAY, &list)) {
        for (struct json_iter it = json_iter(list); json_next(&it, &one);) {
            struct span s;

            buf_reset(&b);
            if (one.type != JSON_STRING || !json_string_decode(one.raw, &b))
                continue;
            s = buf_span(&b);
            if (s.n >= 2 && s.p[0] == '"' && s.p[s.n - 1] == '"')
                s = span_sub(s, 1, s.n - 2);
            if (t->text.n > 0)
                buf_add_c(&t->text, ' ');
            add_text(&t->text, s);
        }
    }
    line(t, at, kind, 0);
    buf_deinit(&b);
    buf_deinit(&level);
}

static void network(struct timeline *t, struct json_value payload, int64_t at)
{
    struct json_value list, one;
    struct buf b = BUF_INIT(EVENT_BYTES);

    if (!member(payload, "requests", JSON_ARRAY, &list))
        list = payload;
    for (struct json_iter it = json_iter(list); json_next(&it, &one);) {
        struct span url;

        if (one.type != JSON_OBJECT)
            continue;
        buf_reset(&t->text);
        add_text(&t->text, text(one, "method", &b));
        buf_add_c(&t->text, ' ');
        url = text(one, "url", &b);
        add_text(&t->text, url.n > 0 ? url : text(one, "name", &b));
        if (number(one, "status", number(one, "responseStatus", 0)) > 0)
            buf_addf(&t->text, " %lld", (long long) number(one, "status", number(one, "responseStatus", 0)));
        line(t, at, "net", 0);
    }
    buf_deinit(&b);
}

static void plugin(struct timeline *t, struct json_value data, int64_t at)
{
    struct buf b = BUF_INIT(EVENT_BYTES);
    struct span name = text(data, "plugin", &b);
    struct json_value payload;

    if (json_find(data, "payload", &payload)) {
        if (span_starts(name, "rrweb/console@"))
            console(t, payload, at);
        else if (span_starts(name, "rrweb/network@"))
            network(t, payload, at);
    }
    buf_deinit(&b);
}

/* A mark of the page's own, or a breadcrumb: {category, message, level}. */
static void custom(struct timeline *t, struct json_value data, int64_t at)
{
    struct buf b = BUF_INIT(EVENT_BYTES);
    struct json_value payload;
    const char *kind = "mark";

    add_text(&t->text, text(data, "tag", &b));
    if (json_find(data, "payload", &payload)) {
        struct span level = text(payload, "level", &b);

        kind = span_eq_str(level, "error") || span_eq_str(level, "fatal") ? "error" : kind;
        buf_add_str(&t->text, ": ");
        if (text(payload, "message", &b).n > 0)
            add_text(&t->text, text(payload, "message", &b));
        else if (payload.type == JSON_STRING && json_string_decode(payload.raw, &b))
            add_text(&t->text, buf_span(&b));
        else
            add_text(&t->text, payload.raw);
    }
    line(t, at, kind, 0);
    buf_deinit(&b);
}

static void snapshot(struct timeline *t, struct json_value data)
{
    char words[LABEL_MAX + 1] = "";
    struct json_value node;

    forget_nodes(t);
    if (member(data, "node", JSON_OBJECT, &node))
        add_node(t, node, words);
}

bool timeline_event(struct timeline *t, struct span json, int64_t base_ms, int64_t *ret_at_ms)
{
    struct json_limits lim = json_limits_event();
    struct json_value event, data, stamp;
    int64_t at = 0;

    memcpy(lim.secret, t->nodes.secret, sizeof(lim.secret));
    if (!json_check(json, &lim, NULL))
        return false;
    event = json_value(json);
    if (event.type != JSON_OBJECT)
        return false;
    if (json_find(event, "timestamp", &stamp) && stamp.type == JSON_NUMBER && json_scaled(stamp.raw, 0, &at))
        *ret_at_ms = at - base_ms;
    at = *ret_at_ms;
    buf_reset(&t->text);
    if (!json_find(event, "data", &data))
        return true;
    switch (number(event, "type", -1)) {
    case 2: snapshot(t, data); break;
    case 3: incremental(t, data, at); break;
    case 4: page(t, data, at); break;
    case 5: custom(t, data, at); break;
    case 6: plugin(t, data, at); break;
    default: break;
    }
    return true;
}
