#include "codec/sentry.h"

#include <stdlib.h>

#include "codec/importer_int.h"

#define SEGMENTS_MAX 10000 /* an hour of them at one a second is 3,600 */

struct segment {
    uint32_t number;
    time_ms at;
    struct buf json; /* a list of events, checked */
};

struct reading {
    struct foreign *f;
    struct span body; /* unpacked */
    struct segment *segments;
    size_t n, cap;
    uint64_t held;    /* bytes of all of them */
    char replay[FOREIGN_NAME_MAX + 1]; /* as the envelope's header says */
};

/* ---- segments ---- */

static enum err append(void *ctx, struct span out, struct err_info *reterr)
{
    struct buf *to = ctx;

    buf_add_span(to, out);
    return to->failed ? ERR_RAISE(reterr, ERR_LIMIT, "unpacked-size") : ERR_OK;
}

static struct segment *new_segment(struct reading *r)
{
    if (r->n == SEGMENTS_MAX)
        return NULL;
    if (r->n == r->cap) {
        const size_t cap = r->cap == 0 ? 4 : r->cap * 2;
        struct segment *more = realloc(r->segments, cap * sizeof(*more));

        if (more == NULL)
            return NULL;
        r->segments = more;
        r->cap = cap;
    }
    r->segments[r->n] = (struct segment){ .number = 0 };
    return &r->segments[r->n++];
}

static enum err unpack_events(struct reading *r, struct span packed, struct segment *s)
{
    const struct unpack_limits limits = { .out_max = FOREIGN_UNPACKED_MAX - r->held, .zstd_window_log = 23 };
    const bool zlib = packed.n > 1 && packed.p[0] == 0x78 && (packed.p[0] << 8 | packed.p[1]) % 31 == 0;
    const bool gzip = packed.n > 1 && packed.p[0] == 0x1f && packed.p[1] == 0x8b;
    CLEANUP(unpack_freep) struct unpack *u = NULL;
    struct err_info why = { 0 };
    enum err e;

    u = unpack_new(zlib ? UNPACK_DEFLATE : gzip ? UNPACK_GZIP : UNPACK_IDENTITY, &limits);
    if (u == NULL)
        return foreign_fail(r->f, ERR_NOMEM, FOREIGN_BROKEN, "unpacker");
    buf_init(&s->json, FOREIGN_UNPACKED_MAX);
    e = unpack_feed(u, packed, append, &s->json, &why);
    if (e == ERR_OK)
        e = unpack_finish(u, &why);
    if (e != ERR_OK)
        return importer_error_unpack(&r->f->error, e, &why, u, &limits);
    r->held += s->json.n;
    return ERR_OK;
}

/* 'payload': {"segment_id":N}, a newline, events. Their bytes may be anything: only the first newline cuts. */
static enum err take_recording(struct reading *r, struct span payload)
{
    struct span head, packed;
    struct json_value v, list;
    struct segment *s;
    int64_t number = -1;

    if (!span_cut(payload, '\n', &head, &packed))
        return foreign_fail(r->f, ERR_INVAL, FOREIGN_BROKEN, "a replay_recording without its header line");
    TRY(foreign_check(r->f, head, (uint64_t) (head.p - r->body.p)));
    if (!json_find(json_value(head), "segment_id", &v) || v.type != JSON_NUMBER || !json_int(v.raw, &number) || number < 0 ||
        number > INT32_MAX)
        return foreign_fail(r->f, ERR_INVAL, FOREIGN_BROKEN, "a replay_recording without its segment_id");
    s = new_segment(r);
    if (s == NULL)
        return foreign_fail(r->f, ERR_LIMIT, FOREIGN_BROKEN, "more segments than a replay may have");
    s->number = (uint32_t) number;
    TRY(unpack_events(r, packed, s));
    TRY(foreign_check(r->f, buf_span(&s->json), 0));
    list = json_value(buf_span(&s->json));
    if (list.type != JSON_ARRAY)
        return foreign_fail(r->f, ERR_INVAL, FOREIGN_BROKEN, "a replay_recording holds no list of events");
    for (struct json_iter it = json_iter(list); s->at == 0 && json_next(&it, &v);) {
        struct json_value at;

        if (json_find(v, "timestamp", &at) && (at.type != JSON_NUMBER || !json_scaled(at.raw, 0, &s->at)))
            s->at = 0;
    }
    return ERR_OK;
}

static int by_number(const void *a, const void *b)
{
    const struct segment *x = a, *y = b;

    if (x->number != y->number)
        return x->number < y->number ? -1 : 1;
    return (x->at > y->at) - (x->at < y->at);
}

static enum err give_out(struct reading *r)
{
    struct foreign *f = r->f;
    struct json_value v;

    if (r->n == 0)
        return ERR_OK;
    qsort(r->segments, r->n, sizeof(*r->segments), by_number);
    for (size_t i = 0; i < r->n; i++) {
        const struct span json = buf_span(&r->segments[i].json);

        if (i > 0 && r->segments[i].number == r->segments[i - 1].number && span_eq(json, buf_span(&r->segments[i - 1].json)))
            continue; /* sent twice */
        for (struct json_iter it = json_iter(json_value(json)); json_next(&it, &v);)
            TRY(foreign_add_event(f, v));
    }
    f->numbered = true;
    f->segment = r->segments[0].number;
    f->last_segment = r->segments[r->n - 1].number;
    buf_add_str(&f->events, f->n_events == 0 ? "[]" : "]");
    return f->events.failed ? foreign_fail(f, ERR_NOMEM, FOREIGN_BROKEN, "events") : ERR_OK;
}

/* ---- items of JSON ---- */

static enum err name_replay(struct reading *r, const char *replay)
{
    struct foreign *f = r->f;

    if (f->session[0] == '\0')
        (void) span_to_str(span_str(replay), f->session, sizeof(f->session));
    else if (!span_eq_str(span_str(replay), f->session))
        return foreign_fail(f, ERR_INVAL, FOREIGN_MIXED, "two replays in one body");
    return ERR_OK;
}

static void link_all(struct foreign *f, struct json_value obj, const char *member, const char *type, time_ms at)
{
    struct json_value list, v;

    if (!json_find(obj, member, &list))
        return;
    for (struct json_iter it = json_iter(list); json_next(&it, &v);)
        foreign_add_link(f, type, v, at);
}

static void take_user(struct foreign *f, struct json_value obj)
{
    static const char *const names[] = { "id", "email", "username" };
    struct json_value user, v;

    if (!json_find(obj, "user", &user))
        return;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (json_find(user, names[i], &v) && foreign_text(v, f->subject, sizeof(f->subject)))
            return;
    }
}

static enum err take_replay_event(struct reading *r, struct json_value obj)
{
    struct json_value v, began = { .type = JSON_NULL };
    char replay[FOREIGN_NAME_MAX + 1];
    time_ms at = 0;

    if ((!json_find(obj, "replay_id", &v) && !json_find(obj, "event_id", &v)) || !foreign_name(v, replay, sizeof(replay)))
        return foreign_fail(r->f, ERR_INVAL, FOREIGN_BROKEN, "a replay_event without its replay_id");
    TRY(name_replay(r, replay));
    if (json_find(obj, "replay_start_timestamp", &began))
        at = foreign_seconds(began);
    foreign_add_link(r->f, "replay", (struct json_value){ .type = JSON_STRING, .raw = span_str(r->f->session) }, at);
    if (json_find(obj, "timestamp", &v))
        at = foreign_seconds(v);
    link_all(r->f, obj, "error_ids", "error", at);
    link_all(r->f, obj, "trace_ids", "trace", at);
    take_user(r->f, obj);
    return ERR_OK;
}

static bool replay_of(const struct reading *r, struct json_value obj, char *to, size_t cap)
{
    struct json_value a, b, v;

    if (json_find(obj, "contexts", &a) && json_find(a, "replay", &b) && json_find(b, "replay_id", &v) && foreign_name(v, to, cap))
        return true;
    if (json_find(obj, "tags", &a) && json_find(a, "replayId", &v) && foreign_name(v, to, cap))
        return true;
    return r->replay[0] != '\0' && span_to_str(span_str(r->replay), to, cap);
}

/* An error. One that does not say of which replay it is, is nothing to us. */
static enum err take_error(struct reading *r, struct json_value obj)
{
    struct json_value v, a, b;
    char replay[FOREIGN_NAME_MAX + 1];
    time_ms at = 0;

    if (!replay_of(r, obj, replay, sizeof(replay)))
        return ERR_OK;
    TRY(name_replay(r, replay));
    if (json_find(obj, "timestamp", &v))
        at = foreign_seconds(v);
    if (json_find(obj, "event_id", &v))
        foreign_add_link(r->f, "error", v, at);
    if (json_find(obj, "contexts", &a) && json_find(a, "trace", &b) && json_find(b, "trace_id", &v))
        foreign_add_link(r->f, "trace", v, at);
    return ERR_OK;
}

/* ---- the envelope ---- */

bool sentry_dsn_key(struct span dsn, char *to, size_t cap)
{
    struct span key, rest;

    if (span_starts(dsn, "https://") || span_starts(dsn, "http://"))
        dsn = span_sub(dsn, span_starts(dsn, "https://") ? 8 : 7, dsn.n);
    if (!span_cut(dsn, '@', &key, &rest))
        return false;
    (void) span_cut(key, ':', &key, &rest);
    return foreign_name((struct json_value){ .type = JSON_STRING, .raw = key }, to, cap);
}

static enum err take_header(struct reading *r, struct json_value obj)
{
    struct foreign *f = r->f;
    struct json_value v, trace;
    char token[sizeof(f->token)];

    r->replay[0] = '\0';
    if (json_find(obj, "trace", &trace) && json_find(trace, "replay_id", &v))
        (void) foreign_name(v, r->replay, sizeof(r->replay));
    if (!json_find(obj, "dsn", &v) || v.type != JSON_STRING || !sentry_dsn_key(v.raw, token, sizeof(token)))
        return ERR_OK;
    if (f->token[0] != '\0' && !span_eq_str(span_str(token), f->token))
        return foreign_fail(f, ERR_INVAL, FOREIGN_MIXED, "keys of two projects in one body");
    (void) span_to_str(span_str(token), f->token, sizeof(f->token));
    return ERR_OK;
}

static bool is_item(struct json_value v, const char *type)
{
    return v.type == JSON_STRING && json_raw_eq(v.raw, type);
}

static enum err take_item(struct reading *r, struct json_value type, struct span payload)
{
    const bool replay = is_item(type, "replay_event"), error = is_item(type, "event");

    if (is_item(type, "replay_recording"))
        return take_recording(r, payload);
    if (is_item(type, "replay_video"))
        return foreign_fail(r->f, ERR_UNSUPPORTED, FOREIGN_VIDEO, "a phone's replay is a film, no rrweb recording");
    if (!replay && !error)
        return ERR_OK;
    TRY(foreign_check(r->f, payload, (uint64_t) (payload.p - r->body.p)));
    return replay ? take_replay_event(r, json_value(payload)) : take_error(r, json_value(payload));
}

/* The payload that belongs to an item's header line, off *rest. */
static enum err cut_payload(struct reading *r, struct json_value head, struct json_value type, struct span *rest,
                            struct span *ret)
{
    struct json_value v;
    int64_t length;

    if (json_find(head, "length", &v) && v.type == JSON_NUMBER) {
        if (!json_int(v.raw, &length) || length < 0 || (uint64_t) length > rest->n)
            return foreign_fail(r->f, ERR_CORRUPT, FOREIGN_BROKEN, "an item is cut: it says that it is longer than what came");
        *ret = span_sub(*rest, 0, (size_t) length);
        *rest = span_sub(*rest, (size_t) length, rest->n);
        if (rest->n == 0)
            return ERR_OK;
        if (rest->p[0] != '\n')
            return foreign_fail(r->f, ERR_CORRUPT, FOREIGN_BROKEN, "an item does not end where it says");
        *rest = span_sub(*rest, 1, rest->n);
    } else if (is_item(type, "replay_recording")) { /* bytes of any kind: it can only be the last one */
        *ret = *rest;
        *rest = SPAN_EMPTY;
    } else if (!span_cut(*rest, '\n', ret, rest)) {
        *rest = SPAN_EMPTY;
    }
    return ERR_OK;
}

static enum err read_items(struct reading *r)
{
    struct span rest = r->body, line, payload;
    struct json_value head, type;
    bool first = true;

    while (rest.n > 0) {
        if (!span_cut(rest, '\n', &line, &rest))
            rest = SPAN_EMPTY;
        if (span_trim(line).n == 0 || span_eq_str(line, "\r"))
            continue;
        TRY(foreign_check(r->f, line, (uint64_t) (line.p - r->body.p)));
        head = json_value(line);
        if (head.type != JSON_OBJECT)
            return foreign_fail(r->f, ERR_INVAL, FOREIGN_BROKEN, "a header in an envelope is no object");
        if (first || !json_find(head, "type", &type)) { /* in a file another envelope may begin */
            TRY(take_header(r, head));
            first = false;
            continue;
        }
        TRY(cut_payload(r, head, type, &rest, &payload));
        TRY(take_item(r, type, payload));
    }
    return ERR_OK;
}

/* The token stands in the first line: nothing else is unpacked for somebody who has none. */
static enum err check_token(struct foreign *f, struct span body, bool given, enum unpack_codec codec)
{
    struct buf head = BUF_INIT(FOREIGN_HEAD_MAX);
    char token[sizeof(f->token)];
    struct span line = SPAN_EMPTY, rest;
    struct json_value v;
    enum err e;

    if (f->known == NULL)
        return ERR_OK;
    e = foreign_unpack_head(f, body, given, codec, &head);
    if (e == ERR_OK) {
        (void) span_cut(buf_span(&head), '\n', &line, &rest);
        e = foreign_check(f, line, 0);
    }
    if (e == ERR_OK && (!json_find(json_value(line), "dsn", &v) || v.type != JSON_STRING || !sentry_dsn_key(v.raw, token, sizeof(token)) ||
                        !f->known(f->known_ctx, span_str(token))))
        e = foreign_fail(f, ERR_INVAL, FOREIGN_STRANGER, "it names no project's token");
    f->known = NULL;
    buf_deinit(&head);
    return e;
}

enum err sentry_read(struct foreign *f, struct span body, bool given, enum unpack_codec codec)
{
    struct buf text = BUF_INIT(FOREIGN_UNPACKED_MAX);
    struct reading r = { .f = f };
    enum err e = check_token(f, body, given, codec);

    if (e == ERR_OK)
        e = foreign_unpack(f, body, given, codec, &text);
    r.body = buf_span(&text);
    if (e == ERR_OK)
        e = read_items(&r);
    if (e == ERR_OK)
        e = give_out(&r);
    if (e == ERR_OK && r.n > 0 && f->session[0] == '\0')
        e = foreign_fail(f, ERR_INVAL, FOREIGN_BROKEN, "a replay_recording without its replay_event");
    for (size_t i = 0; i < r.n; i++)
        buf_deinit(&r.segments[i].json);
    free(r.segments);
    buf_deinit(&text);
    return e;
}
