/*
 * The walk over one event. Most events have nothing to take out: they are read once and nothing is written. The first edit
 * copies what stands before it; from then on the output grows as the walk goes.
 *
 * A mutation lists texts and attributes before the nodes that it adds, but a player adds first. So when a number that was
 * judged got its meaning later in the same event, the event is walked once more, with what was learnt: a text is known by its
 * element, which is known by its name, so three times at most.
 */
#include "codec/sanitize_int.h"

#include "codec/json_lex.h"
#include "codec/json_tape.h"
#include "codec/jsonw.h"

#define EMPTY_DOCUMENT "{\"type\":0,\"childNodes\":[],\"id\":1}"

void sanitize_init(struct sanitize *s, size_t max)
{
    *s = (struct sanitize){ .changed = 0 };
    buf_init(&s->out, max);
    buf_init(&s->text, max);
    buf_init(&s->css, max);
    buf_init(&s->edits, max); /* of those that only take out an edit is longer than a member: tokens are read again then */
}

void sanitize_deinit(struct sanitize *s)
{
    buf_deinit(&s->out);
    buf_deinit(&s->text);
    buf_deinit(&s->css);
    buf_deinit(&s->edits);
}

struct sanitize_state sanitize_state_unknown(void)
{
    struct sanitize_state all;

    memset(&all, 0xff, sizeof(all));
    return all;
}

/* ---- editing ---- */

void sanitize_fail(struct sanitize_walk *w, enum err code, const char *limit)
{
    if (w->err != ERR_OK)
        return;
    w->err = code;
    w->limit = limit;
    w->at = w->in.n; /* every loop ends */
}

void sanitize_replace(struct sanitize_walk *w, size_t from, size_t to, struct span with)
{
    struct json_edit e = { (uint32_t) from, (uint32_t) to, (uint32_t) with.n };

    if (w->err != ERR_OK)
        return;
    buf_add(&w->s->edits, &e, sizeof(e));
    buf_add(&w->s->out, w->in.p + w->copied, from - w->copied);
    buf_add_span(&w->s->out, with);
    w->copied = to;
    w->edited = true;
    if (w->s->out.failed)
        sanitize_fail(w, ERR_LIMIT, "event-too-large");
}

void sanitize_wrote(struct sanitize_walk *w, size_t n)
{
    struct json_edit e;

    if (w->err != ERR_OK || w->s->edits.failed)
        return;
    memcpy(&e, w->s->edits.p + w->s->edits.n - sizeof(e), sizeof(e));
    e.len += (uint32_t) n;
    memcpy(w->s->edits.p + w->s->edits.n - sizeof(e), &e, sizeof(e));
}

/* Is it known where the value at 'at' ends? */
static bool knows(const struct sanitize_walk *w)
{
    return w->token != NULL && w->at < w->in.n; /* the end, or a walk that failed */
}

struct span sanitize_string(struct sanitize_walk *w)
{
    size_t from = w->at + 1, end;

    if (knows(w)) {
        w->at = w->token++->to;
        return span_of(w->in.p + from, w->at - 1 - from);
    }
    end = json_string_end(w->in, from < w->in.n ? from : w->in.n);
    w->at = end < w->in.n ? end + 1 : w->in.n;
    return span_sub(w->in, from, end - (from < end ? from : end));
}

void sanitize_skip(struct sanitize_walk *w)
{
    struct span at;

    if (knows(w)) {
        w->at = w->token->to;
        w->token += w->token->n;
        return;
    }
    at = span_sub(w->in, w->at, w->in.n);
    (void) json_take_value(&at);
    w->at = w->in.n - at.n;
}

struct json_value sanitize_value_here(const struct sanitize_walk *w)
{
    struct span at = span_sub(w->in, w->at, w->in.n);

    if (!knows(w))
        return json_take_value(&at);
    return (struct json_value){ .type = (enum json_type) w->token->type, .raw = span_sub(at, 0, w->token->to - w->token->from), .token = w->token };
}

struct span sanitize_decoded(struct sanitize_walk *w, struct span raw, struct buf *to)
{
    if (raw.n == 0 || memchr(raw.p, '\\', raw.n) == NULL)
        return raw;
    buf_reset(to);
    if (!json_string_decode(raw, to))
        sanitize_fail(w, ERR_LIMIT, "event-too-large");
    return buf_span(to);
}

bool sanitize_enter(struct sanitize_walk *w, char bracket, struct sanitize_list *l)
{
    *l = (struct sanitize_list){ .first = true };
    if (sanitize_peek(w) != (uint8_t) bracket) {
        sanitize_skip(w);
        return false;
    }
    w->at++;
    if (w->token != NULL)
        w->token++;
    return true;
}

bool sanitize_element(struct sanitize_walk *w, struct sanitize_list *l)
{
    uint8_t c = sanitize_peek(w);

    if (c == ']' || c == '}' || c == 0) {
        w->at += c != 0;
        return false;
    }
    if (!l->first)
        w->at++; /* the comma */
    l->first = false;
    l->begin = w->at;
    return w->at < w->in.n;
}

bool sanitize_member(struct sanitize_walk *w, struct sanitize_list *l)
{
    if (!sanitize_element(w, l))
        return false;
    l->name = sanitize_string(w);
    w->at++; /* the colon */
    return w->at < w->in.n;
}

void sanitize_keep(struct sanitize_list *l)
{
    l->kept = true;
}

void sanitize_drop(struct sanitize_walk *w, struct sanitize_list *l)
{
    if (l->kept) {
        sanitize_replace(w, l->begin - 1, w->at, SPAN_EMPTY);
        return;
    }
    if (sanitize_peek(w) == ',') {
        w->at++;
        l->first = true;
    }
    sanitize_replace(w, l->begin, w->at, SPAN_EMPTY);
}

/* ---- numbers ---- */

bool sanitize_id(struct span raw, int64_t *ret)
{
    return json_int(raw, ret) && *ret >= -SANITIZE_ID_MAX && *ret <= SANITIZE_ID_MAX;
}

static size_t bit_of(int64_t id, size_t bytes)
{
    return (size_t) ((uint64_t) id & (bytes * 8 - 1));
}

static bool has(const uint8_t *map, size_t bytes, int64_t id)
{
    size_t n = bit_of(id, bytes);

    return (map[n / 8] >> (n % 8) & 1) != 0;
}

static void set(struct sanitize_walk *w, uint8_t *map, size_t bytes, int64_t id)
{
    size_t n = bit_of(id, bytes);

    w->learned |= !has(map, bytes, id);
    map[n / 8] |= (uint8_t) (1u << (n % 8));
}

void sanitize_learn(struct sanitize_walk *w, enum sanitize_tag tag, int64_t id)
{
    struct sanitize_state *st = &w->s->state;
    struct sanitize_kind k = sanitize_kind_of_tag(tag);

    if (tag == SANITIZE_TAG_STYLE || tag == SANITIZE_TAG_LINK) /* a rewritten sheet becomes a style */
        set(w, st->style, sizeof(st->style), id);
    if (k.frame)
        set(w, st->frame, sizeof(st->frame), id);
    if (k.ref)
        set(w, st->ref, sizeof(st->ref), id);
    if (k.image)
        set(w, st->image, sizeof(st->image), id);
}

void sanitize_learn_text(struct sanitize_walk *w, int64_t id)
{
    set(w, w->s->state.style, sizeof(w->s->state.style), id);
}

bool sanitize_knows_style(const struct sanitize *s, int64_t id)
{
    return has(s->state.style, sizeof(s->state.style), id);
}

struct sanitize_kind sanitize_kind_of_tag(enum sanitize_tag tag)
{
    bool both = tag == SANITIZE_TAG_LINK || tag == SANITIZE_TAG_ANIMATE; /* of what both allow nothing is left */

    return (struct sanitize_kind){ .frame = tag == SANITIZE_TAG_FRAME, .ref = tag == SANITIZE_TAG_REF || both,
                                   .image = tag == SANITIZE_TAG_IMAGE || both };
}

struct sanitize_kind sanitize_kind_of_id(const struct sanitize *s, int64_t id)
{
    return (struct sanitize_kind){ .frame = has(s->state.frame, sizeof(s->state.frame), id),
                                   .ref = has(s->state.ref, sizeof(s->state.ref), id),
                                   .image = has(s->state.image, sizeof(s->state.image), id),
                                   .mutation = true };
}

/* ---- incremental events ---- */

/* The objects of an array at 'at', each given to 'each'; what is no object goes. */
static void objects(struct sanitize_walk *w, bool (*each)(struct sanitize_walk *))
{
    struct sanitize_list l;

    if (!sanitize_enter(w, '[', &l))
        return;
    while (sanitize_element(w, &l)) {
        bool keep = sanitize_peek(w) == '{' && each(w);

        if (w->at == l.begin)
            sanitize_skip(w);
        if (keep)
            sanitize_keep(&l);
        else
            sanitize_drop(w, &l);
    }
}

static bool is(const struct sanitize_list *l, const char *name)
{
    return json_raw_eq(l->name, name);
}

/* The number of the object at 'at'; of two the last. False: it has none that counts. */
static bool number_of(const struct sanitize_walk *w, const char *name, int64_t *ret)
{
    struct json_value v;

    return json_find(sanitize_value_here(w), name, &v) && v.type == JSON_NUMBER && sanitize_id(v.raw, ret);
}

/* One of data.texts: {id, value}. */
static bool text_change(struct sanitize_walk *w)
{
    struct sanitize_list l;
    int64_t id = 0;
    bool css = number_of(w, "id", &id) && sanitize_knows_style(w->s, id);

    if (!number_of(w, "id", &id))
        return false;
    w->orphans = true;
    (void) sanitize_enter(w, '{', &l);
    while (sanitize_member(w, &l)) {
        if (is(&l, "value"))
            sanitize_text(w, css, true);
        else
            sanitize_skip(w);
        sanitize_keep(&l);
    }
    return true;
}

/* One of data.attributes: {id, attributes}. */
static bool attribute_change(struct sanitize_walk *w)
{
    struct sanitize_list l;
    int64_t id = 0;

    if (!number_of(w, "id", &id))
        return false;
    w->orphans = true;
    (void) sanitize_enter(w, '{', &l);
    while (sanitize_member(w, &l)) {
        if (is(&l, "attributes"))
            sanitize_attributes(w, sanitize_kind_of_id(w->s, id));
        else
            sanitize_skip(w);
        sanitize_keep(&l);
    }
    return true;
}

/* One of data.adds: {parentId, nextId, previousId, node}. */
static bool addition(struct sanitize_walk *w)
{
    struct sanitize_list l;
    struct json_value node;
    int64_t parent = 0;
    bool css = number_of(w, "parentId", &parent) && sanitize_knows_style(w->s, parent), keep = false;

    if (!json_find(sanitize_value_here(w), "node", &node))
        return false;
    w->orphans = true;
    (void) sanitize_enter(w, '{', &l);
    while (sanitize_member(w, &l)) {
        if (!is(&l, "node")) {
            sanitize_skip(w);
            sanitize_keep(&l);
        } else if (w->in.p + w->at != node.raw.p) { /* one before the last, or no object */
            sanitize_skip(w);
            sanitize_drop(w, &l);
        } else if (sanitize_node(w, css, 0)) {
            keep = true;
            sanitize_keep(&l);
        } else {
            sanitize_drop(w, &l);
        }
    }
    return keep;
}

/* {rule, index}, {styleId, rules: […]} */
static bool rule_or_sheet(struct sanitize_walk *w)
{
    struct sanitize_list l;

    (void) sanitize_enter(w, '{', &l);
    while (sanitize_member(w, &l)) {
        if (is(&l, "rule"))
            sanitize_text(w, true, false);
        else if (is(&l, "rules"))
            objects(w, rule_or_sheet);
        else
            sanitize_skip(w);
        sanitize_keep(&l);
    }
    return true;
}

/* data.set of a style declaration: {property, value, priority}. False: it has to go. */
static bool declaration(struct sanitize_walk *w)
{
    struct sanitize_list l;
    struct json_value v;
    struct span name;

    if (sanitize_peek(w) == '{' && json_find(sanitize_value_here(w), "property", &v)) {
        name = v.type == JSON_STRING ? sanitize_decoded(w, v.raw, &w->s->text) : SPAN_EMPTY;
        if (v.type != JSON_STRING || sanitize_css_property(name)) {
            sanitize_skip(w);
            return false;
        }
    }
    if (!sanitize_enter(w, '{', &l))
        return true; /* null says nothing */
    while (sanitize_member(w, &l)) {
        if (is(&l, "value"))
            sanitize_text(w, true, false);
        else
            sanitize_skip(w);
        sanitize_keep(&l);
    }
    return true;
}

/* Images of canvas commands, wherever they stand: an address that would be fetched is emptied. */
static void canvas(struct sanitize_walk *w, unsigned depth)
{
    struct sanitize_list l;
    uint8_t c = sanitize_peek(w);

    if ((c != '{' && c != '[') || depth > SANITIZE_DEPTH_MAX) {
        sanitize_skip(w);
        return;
    }
    (void) sanitize_enter(w, (char) c, &l);
    while (c == '{' ? sanitize_member(w, &l) : sanitize_element(w, &l)) {
        size_t from = w->at;
        enum sanitize_address a;

        if (c == '{' && sanitize_peek(w) == '"' && is(&l, "src")) {
            a = sanitize_address(sanitize_decoded(w, sanitize_string(w), &w->s->text));
            if (a != SANITIZE_ADDRESS_OWN && a != SANITIZE_ADDRESS_EMPTY)
                sanitize_replace(w, from, w->at, SPAN("\"\""));
        } else {
            canvas(w, depth + 1);
        }
        sanitize_keep(&l);
    }
}

/* A font's bytes: "[0,255,…]", or else nothing: rrweb makes an array of what it is. */
static bool is_byte_list(struct span s)
{
    if (s.n < 2 || s.p[0] != '[' || s.p[s.n - 1] != ']')
        return false;
    for (size_t i = 1; i + 1 < s.n; i++)
        if ((s.p[i] < '0' || s.p[i] > '9') && s.p[i] != ',')
            return false;
    return true;
}

static bool font_has_bytes(struct json_value data)
{
    struct json_value v;

    if (!json_find(data, "buffer", &v))
        return false;
    return v.type != JSON_NULL && v.type != JSON_FALSE && !(v.type == JSON_STRING && v.raw.n == 0) &&
           !(v.type == JSON_NUMBER && span_eq_str(v.raw, "0"));
}

static void font_source(struct sanitize_walk *w, bool bytes)
{
    size_t from = w->at;

    if (!bytes || sanitize_peek(w) != '"') {
        sanitize_text(w, true, false);
        return;
    }
    if (!is_byte_list(sanitize_string(w)))
        sanitize_replace(w, from, w->at, SPAN("\"[]\""));
}

enum { SOURCE_MUTATION = 0, SOURCE_RULE = 8, SOURCE_CANVAS = 9, SOURCE_FONT = 10, SOURCE_DECLARATION = 13, SOURCE_SHEETS = 15 };

static bool looked_into(int64_t source)
{
    return source == SOURCE_MUTATION || source == SOURCE_RULE || source == SOURCE_CANVAS || source == SOURCE_FONT ||
           source == SOURCE_DECLARATION || source == SOURCE_SHEETS;
}

/* Members of data that are looked into. Of those with the same name browsers take the last. */
#define KNOWN(s) { s, sizeof(s) - 1 }
static const struct {
    const char *text;
    size_t n;
} known[] = { KNOWN("adds"), KNOWN("attributes"), KNOWN("texts"), KNOWN("replace"), KNOWN("replaceSync"), KNOWN("styles"), KNOWN("fontSource"), KNOWN("set") };

enum { ADDS, ATTRIBUTES, TEXTS, REPLACE, REPLACE_SYNC, STYLES, FONT_SOURCE, SET, N_KNOWN };

struct members {
    int64_t source;
    bool plain;              /* its number is written as one: 0.0 is 0 to a browser, too */
    bool font_bytes;
    const uint8_t *last[N_KNOWN]; /* where the value is that counts */
};

static int known_name(struct span raw)
{
    for (int i = 0; i < N_KNOWN; i++)
        if (json_raw_eq_n(raw, known[i].text, known[i].n))
            return i;
    return N_KNOWN;
}

static struct members members_of(struct json_value data)
{
    struct members m = { .source = -1, .plain = true };
    struct json_iter it = json_iter(data);
    struct json_value v;

    while (json_next(&it, &v)) {
        int i = known_name(v.key);

        if (i < N_KNOWN) {
            m.last[i] = v.raw.p - (v.type == JSON_STRING);
        } else if (json_raw_eq(v.key, "source")) {
            m.source = -1;
            m.plain = v.type != JSON_NUMBER || json_int(v.raw, &m.source);
        }
    }
    m.font_bytes = m.source == SOURCE_FONT && font_has_bytes(data);
    return m;
}

/* Data that is not looked into: pointer moves, scrolls, inputs. */
static bool passes(struct json_value data)
{
    struct json_iter it = json_iter(data);
    int64_t source = -1;
    bool plain = true;
    struct json_value v;

    while (json_next(&it, &v)) {
        if (json_raw_eq(v.key, "source")) {
            source = -1;
            plain = v.type != JSON_NUMBER || json_int(v.raw, &source);
        }
    }
    return plain && !looked_into(source);
}

/* The value at 'at'. False: it has to go. */
static bool incremental_value(struct sanitize_walk *w, int name, const struct members *m)
{
    if (m->source == SOURCE_MUTATION && name == ADDS)
        objects(w, addition);
    else if (m->source == SOURCE_MUTATION && name == ATTRIBUTES)
        objects(w, attribute_change);
    else if (m->source == SOURCE_MUTATION && name == TEXTS)
        objects(w, text_change);
    else if (m->source == SOURCE_RULE && name == ADDS)
        objects(w, rule_or_sheet);
    else if (m->source == SOURCE_RULE && (name == REPLACE || name == REPLACE_SYNC) && sanitize_peek(w) == '"')
        sanitize_text(w, true, false);
    else if (m->source == SOURCE_SHEETS && name == STYLES)
        objects(w, rule_or_sheet);
    else if (m->source == SOURCE_FONT && name == FONT_SOURCE)
        font_source(w, m->font_bytes);
    else if (m->source == SOURCE_CANVAS)
        canvas(w, 0);
    else if (m->source == SOURCE_DECLARATION && name == SET)
        return declaration(w);
    else
        sanitize_skip(w);
    return true;
}

static void incremental(struct sanitize_walk *w, struct json_value data)
{
    struct members m = members_of(data);
    struct sanitize_list l;

    if (m.plain && !looked_into(m.source)) {
        sanitize_skip(w);
        return;
    }
    (void) sanitize_enter(w, '{', &l);
    while (sanitize_member(w, &l)) {
        int name = known_name(l.name);
        bool keep = name == N_KNOWN ? m.plain || !is(&l, "source") : w->in.p + w->at == m.last[name];

        if (keep)
            keep = incremental_value(w, name, &m);
        else
            sanitize_skip(w);
        if (keep)
            sanitize_keep(&l);
        else
            sanitize_drop(w, &l);
    }
}

/* ---- full snapshots ---- */

static bool is_document(struct json_value node)
{
    struct json_value v;

    return json_find(node, "type", &v) && v.type == JSON_NUMBER && span_eq_str(v.raw, "0");
}

static void full(struct sanitize_walk *w, struct json_value data)
{
    struct sanitize_list l;
    struct json_value node;

    if (!json_find(data, "node", &node)) {
        sanitize_skip(w);
        return;
    }
    w->s->state = (struct sanitize_state){ .style = { 0 } };
    (void) sanitize_enter(w, '{', &l);
    while (sanitize_member(w, &l)) {
        size_t from = w->at;

        if (!is(&l, "node")) {
            sanitize_skip(w);
        } else if (w->in.p + from != node.raw.p && node.type == JSON_OBJECT) {
            sanitize_skip(w);
            sanitize_drop(w, &l);
            continue;
        } else if (!is_document(node) || !sanitize_node(w, false, 0)) {
            if (w->at == from)
                sanitize_skip(w);
            sanitize_replace(w, from, w->at, SPAN(EMPTY_DOCUMENT));
        }
        sanitize_keep(&l);
    }
}

/* ---- events ---- */

static void walk(struct sanitize_walk *w, int64_t type, struct json_value data)
{
    struct sanitize_list l;

    (void) sanitize_enter(w, '{', &l);
    while (sanitize_member(w, &l)) {
        if (!is(&l, "data") || w->in.p + w->at != data.raw.p) {
            bool earlier = is(&l, "data");

            sanitize_skip(w);
            if (earlier)
                sanitize_drop(w, &l);
            else
                sanitize_keep(&l);
            continue;
        }
        if (type == 2)
            full(w, data);
        else
            incremental(w, data);
        sanitize_keep(&l);
    }
}

static enum err finish(struct sanitize_walk *w, struct span json, struct span *ret, struct err_info *reterr)
{
    struct sanitize *s = w->s;

    if (w->err != ERR_OK)
        return ERR_RAISE(reterr, w->err, "%s", w->limit);
    *ret = json;
    if (!w->edited)
        return ERR_OK;
    buf_add(&s->out, w->in.p + w->copied, w->in.n - w->copied);
    if (s->out.failed)
        return ERR_RAISE(reterr, ERR_LIMIT, "event-too-large");
    s->changed++;
    *ret = buf_span(&s->out);
    return ERR_OK;
}

bool sanitize_tokens(const struct sanitize *s, const struct json_token *before, struct span clean, struct json_tape *ret)
{
    const struct json_edit *edits = (const struct json_edit *) (const void *) s->edits.p; /* malloc'd, and all of one size */

    return !s->edits.failed && json_tape_edit(ret, before, edits, s->edits.n / sizeof(*edits), clean);
}

enum err sanitize_event(struct sanitize *s, struct span json, struct span *ret, struct err_info *reterr)
{
    struct json_value event = json_value(json);

    *ret = json;
    return event.type == JSON_OBJECT ? sanitize_value(s, event, ret, reterr) : ERR_OK;
}

static enum err clean(struct sanitize *s, struct json_value event, int64_t type, struct json_value data, struct span *ret, struct err_info *reterr);

enum err sanitize_value(struct sanitize *s, struct json_value event, struct span *ret, struct err_info *reterr)
{
    struct json_iter it = json_iter(event);
    struct json_value v, type = { .type = JSON_NULL }, data = type;
    unsigned n_data = 0;
    int64_t number;

    *ret = event.raw;
    while (it.object && json_next(&it, &v)) { /* of those with the same name the last */
        if (json_raw_eq(v.key, "type")) {
            type = v;
        } else if (json_raw_eq(v.key, "data")) {
            data = v;
            n_data++;
        }
    }
    if (type.type != JSON_NUMBER || data.type != JSON_OBJECT)
        return ERR_OK;
    if (!json_int(type.raw, &number))
        return ERR_RAISE(reterr, ERR_INVAL, "an rrweb event has no plain number as its type");
    if ((number != 2 && number != 3) || (number == 3 && n_data == 1 && passes(data)))
        return ERR_OK;
    return clean(s, event, number, data, ret, reterr);
}

static enum err clean(struct sanitize *s, struct json_value event, int64_t type, struct json_value data, struct span *ret, struct err_info *reterr)
{
    struct span json = event.raw;
    struct sanitize_state before = s->state;
    struct sanitize_walk w;
    enum err e;

    for (int round = 0; round < 3; round++) {
        buf_reset(&s->out);
        buf_reset(&s->edits);
        w = (struct sanitize_walk){ .s = s, .in = json, .token = event.token };
        walk(&w, type, data);
        if (!w.orphans || !w.learned || w.err != ERR_OK)
            break;
    }
    e = finish(&w, json, ret, reterr);
    if (e != ERR_OK)
        s->state = before;
    return e;
}
