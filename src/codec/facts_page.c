/* What an rrweb event says, and what two SDKs put beside it (PEERS 5.5, 5.6). Texts are masked already, and content. */
#include "codec/facts_int.h"

#include "codec/rrweb.h"

#define CLICK_US   1000000 /* between clicks of a run */
#define CLICK_NEAR 30      /* px */
#define DECODE_MAX (64u << 10)
#define LABEL_MAX  200

enum source { MUTATION, MOUSE_MOVE, MOUSE, SCROLL, VIEWPORT, INPUT, TOUCH_MOVE, MEDIA, STYLE_RULE, CANVAS, STYLE = 13, SELECTION, ADOPTED };

/* ---- reading ---- */

static bool member(struct json_value o, const char *key, enum json_type type, struct json_value *ret)
{
    return json_find(o, key, ret) && ret->type == type;
}

static bool number(struct json_value o, const char *key, int64_t *ret)
{
    struct json_value v;

    return member(o, key, JSON_NUMBER, &v) && json_scaled(v.raw, 0, ret);
}

static bool is(struct json_value o, const char *key, const char *text)
{
    struct json_value v;

    return member(o, key, JSON_STRING, &v) && json_raw_eq(v.raw, text);
}

/* Appends as much of a raw string as can be of use, decoded. */
static void add_raw(struct buf *to, struct span raw)
{
    struct buf whole = BUF_INIT(DECODE_MAX);

    if (raw.n > DECODE_MAX / 8) { /* what is cut anyway; an escape at the cut is left out */
        raw.n = DECODE_MAX / 8;
        while (raw.n > 0 && (raw.p[raw.n] & 0xc0) == 0x80)
            raw.n--;
        for (size_t i = raw.n; i > 0 && raw.n - i < 12; i--) {
            if (raw.p[i - 1] == '\\') {
                raw.n = i - 1;
                break;
            }
        }
    }
    if (json_string_decode(raw, &whole))
        buf_add_span(to, span_sub(buf_span(&whole), 0, to->max - to->n));
    if (whole.p != NULL)
        explicit_bzero(whole.p, whole.cap);
    buf_deinit(&whole);
}

static bool add_text(struct buf *to, struct json_value o, const char *key)
{
    struct json_value v;

    if (!member(o, key, JSON_STRING, &v) || v.raw.n == 0)
        return false;
    add_raw(to, v.raw);
    return true;
}

/* ---- the note being made ---- */

struct page {
    struct facts *f;
    struct facts_clickable *clickable;
    struct facts_notes *to;
    const struct facts_in *ev;
    struct buf text; /* of the note; wiped */
    bool good;
};

static void note(struct page *p, enum fact_kind kind, uint64_t value)
{
    p->good = facts_add(p->to, &(struct fact){ .kind = kind, .seq = p->ev->seq, .time = p->ev->time, .value = value },
                        buf_span(&p->text)) && p->good;
}

/* FNV-1a: only to see that an address is another one. */
static uint64_t digest(struct span s)
{
    uint64_t h = 14695981039346656037u;

    for (size_t i = 0; i < s.n; i++)
        h = (h ^ s.p[i]) * 1099511628211u;
    return h | 1;
}

/* The page did something: clicks have had their answer. */
static void answered(struct page *p)
{
    p->f->n_waiting = 0;
}

/* The address in p->text. */
static void page_is(struct page *p)
{
    uint64_t h = digest(buf_span(&p->text));

    answered(p);
    if (h == p->f->page)
        return;
    p->f->page = h;
    note(p, FACT_PAGE, facts_size(p->f));
}

/* ---- clicks ---- */

/* Clicks that nothing answered in time. */
static void look_for_dead(struct page *p)
{
    struct facts *f = p->f;
    uint32_t n = 0;

    for (uint32_t i = 0; i < f->n_waiting; i++) {
        const struct facts_click *c = &f->waiting[i];

        if (p->ev->time - c->time <= FACTS_DEAD_US)
            f->waiting[n++] = *c;
        else
            p->good = facts_add(p->to, &(struct fact){ .kind = FACT_DEAD, .seq = c->seq, .time = c->time }, SPAN_EMPTY) &&
                      p->good;
    }
    f->n_waiting = n;
}

static bool same_place(const struct facts *f, int64_t node, int64_t x, int64_t y)
{
    return f->run_node == node || (x >= f->run_x - CLICK_NEAR && x <= f->run_x + CLICK_NEAR && y >= f->run_y - CLICK_NEAR &&
                                   y <= f->run_y + CLICK_NEAR);
}

/* The run's note, when this segment has it. */
static struct fact *rage_note(struct page *p)
{
    for (uint32_t i = p->to->n; i-- > 0;) {
        struct fact *f = &p->to->list[i];

        if (f->kind == FACT_RAGE)
            return f->seq == p->f->run.seq ? f : NULL;
    }
    return NULL;
}

static void count_run(struct page *p, int64_t node, int64_t x, int64_t y)
{
    struct facts *f = p->f;
    struct fact *said;

    if (f->run_n > 0 && p->ev->time - f->run_last <= CLICK_US && same_place(f, node, x, y)) {
        f->run_n++;
    } else {
        f->run = (struct facts_click){ p->ev->seq, p->ev->time };
        f->run_n = 1;
    }
    f->run_last = p->ev->time;
    f->run_node = node;
    f->run_x = x;
    f->run_y = y;
    if (f->run_n == FACTS_RAGE)
        p->good = facts_add(p->to, &(struct fact){ .kind = FACT_RAGE, .seq = f->run.seq, .time = f->run.time,
                                                   .value = FACTS_RAGE }, SPAN_EMPTY) && p->good;
    else if (f->run_n > FACTS_RAGE && (said = rage_note(p)) != NULL)
        said->value = f->run_n;
}

static void click(struct page *p, struct json_value data)
{
    struct facts *f = p->f;
    int64_t type = -1, node = -1, x = INT32_MIN, y = INT32_MIN;

    if (!number(data, "type", &type) || (type != 2 && type != 4)) /* Click, DblClick */
        return;
    if (type == 4) /* its clicks came before it */
        return;
    (void) number(data, "id", &node);
    (void) number(data, "x", &x);
    (void) number(data, "y", &y);
    x = x < INT32_MIN || x > INT32_MAX ? INT32_MIN : x;
    y = y < INT32_MIN || y > INT32_MAX ? INT32_MIN : y;
    p->to->counts.clicks++;
    count_run(p, node, x, y);
    if (p->clickable == NULL || facts_clickable_is(p->clickable, node) != 1 || f->n_waiting == FACTS_CLICKS_KEPT)
        return;
    f->waiting[f->n_waiting++] = (struct facts_click){ p->ev->seq, p->ev->time };
}

/* ---- incremental ---- */

static struct json_value data_of(const struct facts_in *ev)
{
    struct json_value v = { .type = JSON_NULL };

    if (!json_find(json_value(ev->json), "data", &v))
        v.type = JSON_NULL;
    return v;
}

static void incremental(struct page *p)
{
    int64_t w = 0, h = 0;
    struct json_value data;

    facts_bin(p->to, p->ev->time, 1);
    switch (p->ev->source) {
    case MOUSE_MOVE:
    case TOUCH_MOVE: break;
    case MOUSE: click(p, data_of(p->ev)); break;
    case MUTATION:
        answered(p);
        if (p->clickable != NULL && memmem(p->ev->json.p, p->ev->json.n, "\"tagName\"", 9) != NULL)
            facts_clickable_mutation(p->clickable, data_of(p->ev).raw);
        return; /* a page changes by itself, too */
    case INPUT:
        p->to->counts.inputs++;
        answered(p);
        break;
    case VIEWPORT:
        answered(p);
        data = data_of(p->ev);
        if (number(data, "width", &w) && number(data, "height", &h))
            p->good = facts_resize(p->f, p->to, p->ev, w, h) && p->good;
        break;
    case SCROLL:
    case MEDIA:
    case SELECTION: answered(p); break;
    case STYLE_RULE:
    case CANVAS:
    case STYLE:
    case ADOPTED: answered(p); return;
    default: return;
    }
    p->good = facts_somebody(p->f, p->to, p->ev) && p->good;
}

/* ---- console, network, what SDKs add ---- */

static void error_note(struct page *p)
{
    p->to->counts.errors++;
    note(p, FACT_ERROR, 0);
}

static enum facts_level level_of(struct json_value o)
{
    if (is(o, "level", "error") || is(o, "level", "assert") || is(o, "level", "fatal"))
        return FACTS_ERROR;
    if (is(o, "level", "warn") || is(o, "level", "warning"))
        return FACTS_WARN;
    if (is(o, "level", "info"))
        return FACTS_INFO;
    return is(o, "level", "debug") || is(o, "level", "trace") ? FACTS_DEBUG : FACTS_LOG;
}

/* Each argument is JSON in a string; a string in it is shown without its quotes. */
static void console_text(struct page *p, struct json_value payload)
{
    struct json_value list, one;
    struct json_iter it;

    if (!member(payload, "payload", JSON_ARRAY, &list))
        return;
    for (it = json_iter(list); json_next(&it, &one) && p->text.n < FACTS_TEXT_MAX;) {
        struct span raw = one.raw;

        if (one.type != JSON_STRING)
            continue;
        if (raw.n >= 4 && span_starts(raw, "\\\"") && memcmp(raw.p + raw.n - 2, "\\\"", 2) == 0)
            raw = span_sub(raw, 2, raw.n - 4);
        if (p->text.n > 0)
            buf_add_c(&p->text, ' ');
        add_raw(&p->text, raw);
    }
}

static void console(struct page *p, struct json_value payload)
{
    enum facts_level level = level_of(payload);

    p->to->counts.console[level]++;
    if (level != FACTS_ERROR)
        return;
    console_text(p, payload);
    error_note(p);
}

static void request(struct page *p, struct json_value o, const char *url, int64_t status)
{
    status = status < 0 || status > 599 ? 0 : status;
    p->to->counts.requests[status / 100]++;
    answered(p);
    if (status > 0 && status < 400)
        return;
    buf_reset(&p->text);
    if (add_text(&p->text, o, "method"))
        buf_add_c(&p->text, ' ');
    if (!add_text(&p->text, o, url))
        (void) add_text(&p->text, o, "name");
    note(p, FACT_REQUEST, (uint64_t) status);
}

static void network(struct page *p, struct json_value payload)
{
    struct json_value list, one;
    struct json_iter it;
    int64_t status;

    if (!member(payload, "requests", JSON_ARRAY, &list))
        list = payload;
    for (it = json_iter(list); json_next(&it, &one);) {
        /* the browser's timings tell no status of what another site's page may not know: not a failure */
        if (one.type == JSON_OBJECT && (number(one, "status", &status) || number(one, "responseStatus", &status)))
            request(p, one, "url", status);
    }
}

static void plugin(struct page *p, struct json_value data)
{
    struct json_value name, payload;

    if (!member(data, "plugin", JSON_STRING, &name) || !json_find(data, "payload", &payload))
        return;
    facts_bin(p->to, p->ev->time, 1);
    if (span_starts(name.raw, "rrweb/console@"))
        console(p, payload);
    else if (span_starts(name.raw, "rrweb/network@") || span_starts(name.raw, "rrweb\\/network@"))
        network(p, payload);
}

/* Sentry: {"category", "level", "message", "data"}. */
static void breadcrumb(struct page *p, struct json_value payload)
{
    struct json_value inner;

    if (is(payload, "category", "console")) {
        enum facts_level level = level_of(payload);

        p->to->counts.console[level]++;
        if (level != FACTS_ERROR)
            return;
    } else if (is(payload, "category", "navigation")) {
        if (member(payload, "data", JSON_OBJECT, &inner) && add_text(&p->text, inner, "to"))
            page_is(p);
        return;
    } else if (level_of(payload) != FACTS_ERROR) {
        return;
    }
    (void) add_text(&p->text, payload, "message");
    error_note(p);
}

/* Sentry: {"op": "resource.fetch", "description": address, "data": {"method", "statusCode"}}. */
static void span_event(struct page *p, struct json_value payload)
{
    struct json_value op, inner;
    int64_t status = 0;

    if (!member(payload, "op", JSON_STRING, &op))
        return;
    if (span_starts(op.raw, "navigation.") && add_text(&p->text, payload, "description")) {
        page_is(p);
    } else if (span_starts(op.raw, "resource.") && member(payload, "data", JSON_OBJECT, &inner) &&
               number(inner, "statusCode", &status)) {
        request(p, payload, "description", status);
    }
}

static void custom(struct page *p, struct json_value data)
{
    struct json_value payload = { .type = JSON_NULL };

    if (!json_find(data, "payload", &payload) || payload.type != JSON_OBJECT)
        return;
    if (is(data, "tag", "breadcrumb")) {
        breadcrumb(p, payload);
    } else if (is(data, "tag", "performanceSpan")) {
        span_event(p, payload);
    } else if (is(data, "tag", "$pageview") || is(data, "tag", "$url_changed")) {
        if (add_text(&p->text, payload, "href"))
            page_is(p);
    } else if (level_of(payload) == FACTS_ERROR) {
        if (!add_text(&p->text, payload, "message"))
            (void) add_text(&p->text, data, "tag");
        error_note(p);
    }
}

/* ---- pages ---- */

static void meta(struct page *p, struct json_value data)
{
    int64_t w = 0, h = 0;
    bool sized = number(data, "width", &w) && number(data, "height", &h);

    if (sized)
        p->good = facts_resize(p->f, p->to, p->ev, w, h) && p->good;
    if (!add_text(&p->text, data, "href"))
        return;
    if (digest(buf_span(&p->text)) != p->f->page) { /* a checkout is nobody's doing */
        facts_bin(p->to, p->ev->time, 1);
        p->good = facts_somebody(p->f, p->to, p->ev) && p->good;
    }
    page_is(p);
}

bool facts_page_event(struct facts *f, struct facts_clickable *clickable, struct facts_notes *to,
                      const struct facts_in *ev)
{
    struct page p = { .f = f, .clickable = clickable, .to = to, .ev = ev, .text = BUF_INIT(1024), .good = true };

    look_for_dead(&p);
    switch (ev->type) {
    case RRWEB_FULL:
        answered(&p);
        facts_clickable_snapshot(clickable, ev->json);
        break;
    case RRWEB_INCREMENTAL: incremental(&p); break;
    case RRWEB_META: meta(&p, data_of(ev)); break;
    case RRWEB_CUSTOM: custom(&p, data_of(ev)); break;
    case RRWEB_PLUGIN: plugin(&p, data_of(ev)); break;
    default: break;
    }
    if (p.text.p != NULL)
        explicit_bzero(p.text.p, p.text.cap);
    buf_deinit(&p.text);
    return p.good;
}

/* ---- marks ---- */

/* Somebody's own words: "checkout: cart 7". */
static void mark_label(struct json_value data, struct span tag, struct buf *label)
{
    struct json_value payload;
    struct buf text = BUF_INIT(LABEL_MAX);

    add_raw(&text, tag);
    if (json_find(data, "payload", &payload) && text.n < LABEL_MAX / 2) {
        size_t have = text.n;

        buf_add_str(&text, ": ");
        if (payload.type == JSON_STRING)
            add_raw(&text, payload.raw);
        else if (!add_text(&text, payload, "message") && !add_text(&text, payload, "label") && !add_text(&text, payload, "name"))
            text.n = have;
    }
    while (text.n > 0 && text.n == LABEL_MAX && (text.p[text.n - 1] & 0x80) != 0)
        text.n--; /* cut inside a character, perhaps */
    buf_add_span(label, buf_span(&text));
    if (text.p != NULL)
        explicit_bzero(text.p, text.cap);
    buf_deinit(&text);
}

bool facts_mark(const struct facts_in *ev, struct buf *label)
{
    static const char *const others[] = { "breadcrumb", "performanceSpan", "options", "recording-meta", "close-permanent",
                                          "close-temporary", "sentry" };
    struct json_value data, tag;

    if (ev->type != RRWEB_CUSTOM)
        return false;
    data = data_of(ev);
    if (!member(data, "tag", JSON_STRING, &tag) || tag.raw.n == 0 || tag.raw.p[0] == '$')
        return false;
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        if (json_raw_eq(tag.raw, others[i]))
            return false;
    }
    mark_label(data, tag.raw, label);
    return !label->failed;
}
