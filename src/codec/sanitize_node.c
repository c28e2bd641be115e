/*
 * Nodes, attributes and texts. Of members with the same name in a node the first one stays and the others go, so that what
 * was judged is what is built.
 *
 * What a node is has to be known before its children are read. Recorders write type, tagName and attributes first; where
 * they come later the children are skipped once to find them.
 */
#include "codec/sanitize_int.h"
#include "codec/sanitize_table.h"

#include "codec/json.h"
#include "codec/json_lex.h"
#include "codec/jsonw.h"
#include "codec/rrweb_node.h"

#define PLACEHOLDER "\"noscript\""
#define TAG_MAX     200

/* ---- texts ---- */

/* 'raw' cut to SANITIZE_TEXT_MAX bytes, at a character, not inside an escape. */
static struct span cut(struct span raw)
{
    size_t n = SANITIZE_TEXT_MAX - 3, back = 0;

    while (n > 0 && (raw.p[n] & 0xc0) == 0x80)
        n--;
    for (size_t i = 0; i < 12 && n > i; i++) /* an escape is \uXXXX at most, a pair of them twice that */
        if (raw.p[n - 1 - i] == '\\')
            back = i + 1;
    n -= back;
    while (n > 0 && raw.p[n - 1] == '\\')
        n--;
    return span_sub(raw, 0, n);
}

static void write_string(struct sanitize_walk *w, size_t from, struct span decoded)
{
    size_t begin;

    sanitize_replace(w, from, w->at, SPAN_EMPTY);
    begin = w->s->out.n;
    jsonw_add_string(&w->s->out, decoded);
    sanitize_wrote(w, w->s->out.n - begin);
    if (w->s->out.failed)
        sanitize_fail(w, ERR_LIMIT, "event-too-large");
}

/* A string that began at 'from', 'at' is behind it. */
static void css_string(struct sanitize_walk *w, size_t from, struct span raw, bool seal)
{
    if (raw.n > SANITIZE_CSS_MAX) {
        sanitize_replace(w, from, w->at, SPAN("\"\""));
        return;
    }
    if (sanitize_css_text(sanitize_decoded(w, raw, &w->s->text), seal, &w->s->css))
        write_string(w, from, buf_span(&w->s->css));
}

static void plain_string(struct sanitize_walk *w, size_t from, struct span raw)
{
    if (raw.n <= SANITIZE_TEXT_MAX)
        return;
    sanitize_replace(w, from, w->at, SPAN("\""));
    sanitize_replace(w, w->at, w->at, cut(raw));
    sanitize_replace(w, w->at, w->at, SPAN("\xe2\x80\xa6\""));
}

void sanitize_text(struct sanitize_walk *w, bool css, bool seal)
{
    size_t from = w->at;
    struct span raw;

    if (sanitize_peek(w) != '"') {
        bool null = sanitize_peek(w) == 'n';

        sanitize_skip(w);
        if (!null)
            sanitize_replace(w, from, w->at, SPAN("\"\"")); /* a list would become text by itself */
        return;
    }
    raw = sanitize_string(w);
    if (css)
        css_string(w, from, raw, seal);
    else
        plain_string(w, from, raw);
}

/* _cssText: rrweb cuts it at this mark and joins the parts again without it; other texts may follow. */
static void sheet_string(struct sanitize_walk *w, size_t from, struct span raw)
{
    static const char mark[] = "/* rr_split */";
    struct span text = sanitize_decoded(w, raw, &w->s->text), rest = text;
    struct buf whole = BUF_INIT(text.n);
    const uint8_t *p;

    if (raw.n > SANITIZE_CSS_MAX || memmem(text.p, text.n, mark, sizeof(mark) - 1) == NULL) {
        css_string(w, from, raw, true);
        return;
    }
    while ((p = memmem(rest.p, rest.n, mark, sizeof(mark) - 1)) != NULL) {
        buf_add(&whole, rest.p, (size_t) (p - rest.p));
        rest = span_sub(rest, (size_t) (p - rest.p) + sizeof(mark) - 1, rest.n);
    }
    buf_add_span(&whole, rest);
    if (whole.failed)
        sanitize_fail(w, ERR_NOMEM, "no memory");
    else if (sanitize_css_text(buf_span(&whole), true, &w->s->css))
        write_string(w, from, buf_span(&w->s->css));
    else if (sanitize_css_text(text, true, &w->s->css))
        write_string(w, from, buf_span(&whole));
    buf_deinit(&whole);
}

/* ---- attributes ---- */

struct attribute {
    size_t begin;     /* of its name's quote */
    size_t from;      /* of its value */
    struct span name; /* raw */
    struct span raw;  /* the value, of a string */
};

/* The value stays under another name, which nothing fetches. */
static void move(struct sanitize_walk *w, const struct attribute *a, struct sanitize_kind kind)
{
    if (kind.mutation) { /* what was there before goes */
        sanitize_replace(w, a->begin, a->begin, SPAN("\""));
        sanitize_replace(w, a->begin, a->begin, a->name);
        sanitize_replace(w, a->begin, a->begin, SPAN("\":null,"));
    }
    sanitize_replace(w, a->begin, a->begin + 1, SPAN("\"" SANITIZE_MOVED));
}

static bool href_stays(enum sanitize_address a, struct sanitize_kind kind)
{
    if (kind.ref && kind.image)
        return false;
    if (kind.ref)
        return a == SANITIZE_ADDRESS_PLACE;
    return !kind.image || a == SANITIZE_ADDRESS_OWN;
}

/* An attribute whose value is an address. False: it has to go. */
static bool address_attribute(struct sanitize_walk *w, const struct attribute *a, enum sanitize_attr what, struct sanitize_kind kind)
{
    enum sanitize_address address = sanitize_address(sanitize_decoded(w, a->raw, &w->s->text));
    bool stays;

    if (address == SANITIZE_ADDRESS_BAD && what == SANITIZE_ATTR_HREF && !kind.image) {
        sanitize_replace(w, a->from, w->at, SPAN("\"#\"")); /* it still looks like a link */
        return true;
    }
    if (address == SANITIZE_ADDRESS_BAD)
        return false;
    if (what == SANITIZE_ATTR_ADDRESS)
        return true;
    if (what == SANITIZE_ATTR_IMAGE)
        return address == SANITIZE_ADDRESS_OWN;
    if (what == SANITIZE_ATTR_HREF)
        stays = href_stays(address, kind);
    else
        stays = !kind.frame && (address == SANITIZE_ADDRESS_OWN || address == SANITIZE_ADDRESS_EMPTY);
    if (!stays)
        move(w, a, kind);
    return true;
}

/* attributeName of an animation: what it changes may be no address and no handler. */
static bool target_stays(struct sanitize_walk *w, struct span raw)
{
    struct span name = span_trim(sanitize_decoded(w, raw, &w->s->text));
    enum sanitize_attr a;

    while (name.n > 0 && (name.p[0] <= ' '))
        name = span_sub(name, 1, name.n);
    while (name.n > 0 && name.p[name.n - 1] <= ' ')
        name.n--;
    a = sanitize_attr(name);
    return a == SANITIZE_ATTR_TEXT || a == SANITIZE_ATTR_CSS || a == SANITIZE_ATTR_VALUE;
}

static bool is_sheet(struct span name)
{
    return span_eq_nocase(name, "_cssText");
}

/* A string; 'at' is behind it. False: the attribute has to go. */
static bool string_attribute(struct sanitize_walk *w, const struct attribute *a, enum sanitize_attr what, struct sanitize_kind kind)
{
    switch (what) {
    case SANITIZE_ATTR_DROP: return false;
    case SANITIZE_ATTR_SRC:
    case SANITIZE_ATTR_IMAGE:
    case SANITIZE_ATTR_HREF:
    case SANITIZE_ATTR_ADDRESS: return address_attribute(w, a, what, kind);
    case SANITIZE_ATTR_TARGET: return target_stays(w, a->raw);
    case SANITIZE_ATTR_VALUE:
        if (sanitize_address(sanitize_decoded(w, a->raw, &w->s->text)) == SANITIZE_ADDRESS_BAD)
            return false;
        css_string(w, a->from, a->raw, false);
        return true;
    case SANITIZE_ATTR_CSS:
        if (is_sheet(a->name))
            sheet_string(w, a->from, a->raw);
        else
            css_string(w, a->from, a->raw, false);
        return true;
    case SANITIZE_ATTR_TEXT: break;
    }
    plain_string(w, a->from, a->raw);
    return true;
}

/* The value at 'at'. False: the attribute has to go ('at' is behind it). */
static bool attribute_value(struct sanitize_walk *w, struct attribute *a, struct sanitize_kind kind)
{
    struct span name = sanitize_decoded(w, a->name, &w->s->text);
    enum sanitize_attr what = sanitize_attr(name);
    bool style = kind.mutation && span_eq_str(name, "style");
    uint8_t c = sanitize_peek(w);

    if (c == '"') {
        a->raw = sanitize_string(w);
        return string_attribute(w, a, what, kind);
    }
    if (c == '{' && style) {
        sanitize_declarations(w);
        return true;
    }
    sanitize_skip(w);
    if (c == '{' || c == '[') /* it would become a string by itself */
        return false;
    return (c == 'n' && what != SANITIZE_ATTR_DROP) || what == SANITIZE_ATTR_TEXT || what == SANITIZE_ATTR_CSS || what == SANITIZE_ATTR_VALUE ||
           what == SANITIZE_ATTR_TARGET;
}

/* The same with tokens: names and values that nobody asks about are passed over. */
static void known_attributes(struct sanitize_walk *w, struct sanitize_kind kind)
{
    const struct json_token *k = w->token + 1, *end = w->token + w->token->n;
    struct sanitize_list l = { .first = false };
    size_t to = w->token->to;

    for (; k != end && w->err == ERR_OK; k += 1 + k[1].n) {
        struct attribute a = { .begin = k->from, .from = k[1].from, .name = json_token_text(w->in.p, k) };
        bool plain = k[1].type == JSON_STRING && k[1].to - k[1].from <= SANITIZE_TEXT_MAX && !k->escaped;

        if (plain && sanitize_attr(a.name) == SANITIZE_ATTR_TEXT) {
            sanitize_keep(&l);
            continue;
        }
        l.begin = k->from;
        w->at = a.from;
        w->token = k + 1;
        if (attribute_value(w, &a, kind))
            sanitize_keep(&l);
        else
            sanitize_drop(w, &l);
    }
    if (w->err == ERR_OK)
        w->at = to;
    w->token = end;
}

void sanitize_attributes(struct sanitize_walk *w, struct sanitize_kind kind)
{
    struct sanitize_list l;
    size_t from = w->at;

    if (w->token != NULL && w->err == ERR_OK && sanitize_peek(w) == '{') {
        known_attributes(w, kind);
        return;
    }
    if (!sanitize_enter(w, '{', &l)) {
        sanitize_replace(w, from, w->at, SPAN("{}"));
        return;
    }
    while (sanitize_member(w, &l)) {
        struct attribute a = { .begin = l.begin, .from = w->at, .name = l.name };

        if (attribute_value(w, &a, kind))
            sanitize_keep(&l);
        else
            sanitize_drop(w, &l);
    }
}

/* ["value", "priority"]: elements of other kinds would become strings by themselves. */
static void declared_list(struct sanitize_walk *w)
{
    struct sanitize_list l;

    (void) sanitize_enter(w, '[', &l);
    while (sanitize_element(w, &l)) {
        sanitize_text(w, true, false);
        sanitize_keep(&l);
    }
}

void sanitize_declarations(struct sanitize_walk *w)
{
    struct sanitize_list l;

    (void) sanitize_enter(w, '{', &l);
    while (sanitize_member(w, &l)) {
        bool drop = sanitize_css_property(sanitize_decoded(w, l.name, &w->s->text));
        uint8_t c = sanitize_peek(w);

        if (!drop && c == '"')
            sanitize_text(w, true, false);
        else if (!drop && c == '[')
            declared_list(w);
        else
            sanitize_skip(w);
        if (drop || c == '{')
            sanitize_drop(w, &l);
        else
            sanitize_keep(&l);
    }
}

/* ---- nodes ---- */

enum name {
    NAME_OTHER, NAME_TYPE, NAME_TAG, NAME_ATTRIBUTES, NAME_CHILDREN, NAME_ID, NAME_ROOT, NAME_TEXT, NAME_NAME, NAME_PUBLIC, NAME_SYSTEM, NAME_PROTO, N_NAMES
};

#define NAME(s) { s, sizeof(s) - 1 }

static enum name name_of(struct span raw)
{
    static const struct { const char *text; size_t len; } names[N_NAMES] = {
        NAME(""), NAME("type"), NAME("tagName"), NAME("attributes"), NAME("childNodes"), NAME("id"), NAME("rootId"), NAME("textContent"),
        NAME("name"), NAME("publicId"), NAME("systemId"), NAME("__proto__"),
    };

    for (int i = NAME_TYPE; i < N_NAMES; i++)
        if (json_raw_eq_n(raw, names[i].text, names[i].len))
            return (enum name) i;
    return NAME_OTHER;
}

struct node {
    int64_t type;
    enum sanitize_tag tag;
    bool placeholder;
    bool css; /* its texts are */
    bool in_style;
    bool seen[N_NAMES];
};

/* A name that a browser's createElement takes (at least these). */
static bool tag_name_ok(struct span s)
{
    if (s.n == 0 || s.n > TAG_MAX || (s.p[0] | 0x20) < 'a' || (s.p[0] | 0x20) > 'z')
        return false;
    for (size_t i = 1; i < s.n; i++) {
        uint8_t c = s.p[i];

        if (c < 0x80 && !((c | 0x20) >= 'a' && (c | 0x20) <= 'z') && !(c >= '0' && c <= '9') && c != '-' && c != '_' && c != '.' &&
            c != ':')
            return false;
    }
    return true;
}

static bool says_http(struct sanitize_walk *w, struct json_value attributes)
{
    struct json_iter it = json_iter(attributes);
    struct json_value v;

    while (it.object && json_next(&it, &v))
        if (span_eq_nocase(sanitize_decoded(w, v.key, &w->s->text), "http-equiv"))
            return true;
    return false;
}

/* What the node at 'at' is. False: none that is ever built. */
static bool recognise(struct sanitize_walk *w, struct node *n)
{
    struct json_iter it = json_iter(sanitize_value_here(w));
    struct json_value v, tag = { .type = JSON_NULL }, attributes = tag;
    bool type = false, has_tag = false, has_attributes = false;

    n->type = -1;
    while (!(type && (n->type != 2 || (has_tag && has_attributes))) && json_next(&it, &v)) {
        enum name name = name_of(v.key);

        if (name == NAME_TYPE && !type) {
            type = true;
            if (v.type != JSON_NUMBER || !json_int(v.raw, &n->type))
                return false;
        } else if (name == NAME_TAG && !has_tag) {
            has_tag = true;
            tag = v;
        } else if (name == NAME_ATTRIBUTES && !has_attributes) {
            has_attributes = true;
            attributes = v;
        }
    }
    if (n->type < 0 || n->type > 5)
        return false;
    if (n->type == 2) {
        struct span text = tag.type == JSON_STRING ? sanitize_decoded(w, tag.raw, &w->s->text) : SPAN_EMPTY;

        n->tag = tag_name_ok(text) ? sanitize_tag(text) : SANITIZE_TAG_DROP;
        n->placeholder = n->tag == SANITIZE_TAG_DROP || (n->tag == SANITIZE_TAG_META && says_http(w, attributes));
        n->css = n->tag == SANITIZE_TAG_STYLE || n->tag == SANITIZE_TAG_LINK;
    }
    return true;
}

static void known_children(struct sanitize_walk *w, const struct node *n, unsigned depth)
{
    const struct json_token *k = w->token + 1, *end = w->token + w->token->n;
    struct sanitize_list l = { .first = false };
    size_t to = w->token->to;

    for (; k != end && w->err == ERR_OK; k += k->n) {
        l.begin = w->at = k->from;
        w->token = k;
        if (sanitize_node(w, n->css, depth + 1))
            sanitize_keep(&l);
        else
            sanitize_drop(w, &l);
    }
    if (w->err == ERR_OK)
        w->at = to;
    w->token = end;
}

static void children(struct sanitize_walk *w, const struct node *n, unsigned depth)
{
    struct sanitize_list l;
    size_t from = w->at;

    if (w->token != NULL && w->err == ERR_OK && sanitize_peek(w) == '[') {
        known_children(w, n, depth);
        return;
    }
    if (!sanitize_enter(w, '[', &l)) {
        sanitize_replace(w, from, w->at, SPAN("[]"));
        return;
    }
    while (sanitize_element(w, &l)) {
        if (sanitize_node(w, n->css, depth + 1))
            sanitize_keep(&l);
        else
            sanitize_drop(w, &l);
    }
}

/* Its number, from which later events know it. False: it has none that counts. */
static bool number(struct sanitize_walk *w, const struct node *n)
{
    struct json_value v = sanitize_value_here(w);
    int64_t id;

    sanitize_skip(w);
    if (v.type != JSON_NUMBER || !sanitize_id(v.raw, &id))
        return false;
    if (n->type == 2 && !n->placeholder)
        sanitize_learn(w, n->tag, id);
    if (n->type == 3 && n->in_style)
        sanitize_learn_text(w, id);
    return true;
}

/* A document type's name and identifiers: text, or rrweb fails. */
static void doctype_text(struct sanitize_walk *w, bool name)
{
    size_t from = w->at;
    bool string = sanitize_peek(w) == '"';
    struct span raw = SPAN_EMPTY;

    if (string)
        raw = sanitize_string(w);
    else
        sanitize_skip(w);
    if (name && !(string && tag_name_ok(raw)))
        sanitize_replace(w, from, w->at, SPAN("\"html\""));
    else if (!name && (!string || raw.n > TAG_MAX))
        sanitize_replace(w, from, w->at, SPAN("\"\""));
}

/* The value at 'at' of a member that counts. False: it has to go. */
static bool node_member(struct sanitize_walk *w, enum name name, const struct node *n, unsigned depth)
{
    size_t from = w->at;

    if (name == NAME_CHILDREN && n->type != 0 && n->type != 2) {
        sanitize_skip(w);
        return false;
    }
    if (name == NAME_CHILDREN) {
        children(w, n, depth);
    } else if (name == NAME_ID) {
        return number(w, n);
    } else if (name == NAME_TEXT && n->type != 2) {
        sanitize_text(w, n->in_style && n->type == 3, true);
    } else if (name == NAME_ATTRIBUTES && n->type == 2 && !n->placeholder) {
        sanitize_attributes(w, sanitize_kind_of_tag(n->tag));
    } else if ((name == NAME_NAME || name == NAME_PUBLIC || name == NAME_SYSTEM) && n->type == 1) {
        doctype_text(w, name == NAME_NAME);
    } else {
        sanitize_skip(w);
        if (name == NAME_TYPE && n->type == 4) /* a section of an XML page is nothing that HTML can hold */
            sanitize_replace(w, from, w->at, SPAN("5"));
        else if (name == NAME_TAG && n->placeholder)
            sanitize_replace(w, from, w->at, SPAN(PLACEHOLDER));
        else if (name == NAME_ATTRIBUTES && n->placeholder && !span_eq_str(span_of(w->in.p + from, w->at - from), "{}"))
            sanitize_replace(w, from, w->at, SPAN("{}"));
        return name != NAME_PROTO;
    }
    return true;
}

/* What rrweb takes for granted. 'at' is behind the object. */
static void complete(struct sanitize_walk *w, const struct node *n)
{
    if (n->type == 2 && !n->seen[NAME_TAG])
        sanitize_replace(w, w->at - 1, w->at - 1, SPAN(",\"tagName\":" PLACEHOLDER));
    if (n->type == 2 && !n->seen[NAME_ATTRIBUTES])
        sanitize_replace(w, w->at - 1, w->at - 1, SPAN(",\"attributes\":{}"));
    if ((n->type == 0 || n->type == 2) && !n->seen[NAME_CHILDREN])
        sanitize_replace(w, w->at - 1, w->at - 1, SPAN(",\"childNodes\":[]"));
}

static void go_to(struct sanitize_walk *w, const struct json_token *k)
{
    w->at = k->from;
    w->token = k;
}

/* An element whose kind is no reason to change it: its attributes and children, then its number. */
static bool plain_element(struct sanitize_walk *w, const struct rrweb_node *p, const int64_t *id, unsigned depth)
{
    struct span tag = json_token_text(w->in.p, p->tag);
    struct node n = { .type = 2 };

    if (!tag_name_ok(tag))
        return false;
    n.tag = sanitize_tag(tag);
    if (n.tag == SANITIZE_TAG_DROP || n.tag == SANITIZE_TAG_META)
        return false;
    n.css = n.tag == SANITIZE_TAG_STYLE || n.tag == SANITIZE_TAG_LINK;
    go_to(w, p->attributes);
    sanitize_attributes(w, sanitize_kind_of_tag(n.tag));
    if (w->err == ERR_OK) {
        go_to(w, p->children);
        children(w, &n, depth);
    }
    if (w->err == ERR_OK && id != NULL && n.tag != SANITIZE_TAG_PLAIN)
        sanitize_learn(w, n.tag, *id);
    return true;
}

/* A node as recorders write it: what is below comes to the same. False: it is another one, and nothing was done. */
static bool plain_node(struct sanitize_walk *w, bool in_style, unsigned depth)
{
    const struct json_token *k = w->token;
    struct rrweb_node p;
    int64_t id;

    if (!rrweb_node_plain(w->in.p, k, &p))
        return false;
    if (p.id != NULL && (p.id->type != JSON_NUMBER || !sanitize_id(json_token_text(w->in.p, p.id), &id)))
        return false;
    if (p.tag != NULL) {
        if (!plain_element(w, &p, p.id == NULL ? NULL : &id, depth))
            return false;
    } else if (in_style || p.text->type != JSON_STRING || p.text->to - p.text->from > SANITIZE_TEXT_MAX) {
        return false;
    }
    if (w->err == ERR_OK)
        w->at = k->to;
    w->token = p.end;
    return true;
}

bool sanitize_node(struct sanitize_walk *w, bool in_style, unsigned depth)
{
    struct node n = { .in_style = in_style };
    struct sanitize_list l;

    if (depth > SANITIZE_DEPTH_MAX)
        sanitize_fail(w, ERR_LIMIT, "dom-depth");
    if (++w->nodes > SANITIZE_NODES_MAX)
        sanitize_fail(w, ERR_LIMIT, "dom-nodes");
    if (w->token != NULL && w->err == ERR_OK && plain_node(w, in_style, depth))
        return true;
    if (sanitize_peek(w) != '{' || !recognise(w, &n)) {
        sanitize_skip(w);
        return false;
    }
    (void) sanitize_enter(w, '{', &l);
    while (sanitize_member(w, &l)) {
        enum name name = name_of(l.name);

        if (name != NAME_OTHER && n.seen[name]) {
            sanitize_skip(w);
            sanitize_drop(w, &l);
        } else if (n.seen[name] = true, node_member(w, name, &n, depth)) {
            sanitize_keep(&l);
        } else {
            sanitize_drop(w, &l);
        }
    }
    if (w->err == ERR_OK)
        complete(w, &n);
    return true;
}
