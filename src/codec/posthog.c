#include "codec/posthog.h"

#include "codec/base64.h"
#include "codec/importer_int.h"

#define TAKE_DEPTH 8 /* of arrays and objects around the events of an export */

/* ---- the body ---- */

static int hex(uint8_t c)
{
    return c >= '0' && c <= '9' ? c - '0' : (c | 32) >= 'a' && (c | 32) <= 'f' ? (c | 32) - 'a' + 10 : -1;
}

/* "data=<base64, percent-encoded>&…": what is percent-decoded has its '+' back whether it was escaped or not. */
static enum err from_form(struct foreign *f, struct span form, struct buf *out)
{
    struct buf text = BUF_INIT(form.n + 4);
    struct span value, rest;
    uint8_t *room;
    size_t n = 0;
    bool good;

    (void) span_cut(span_sub(form, 5, form.n), '&', &value, &rest);
    for (size_t i = 0; i < value.n; i++) {
        uint8_t c = value.p[i];

        if (c == '%' && i + 2 < value.n && hex(value.p[i + 1]) >= 0 && hex(value.p[i + 2]) >= 0) {
            c = (uint8_t) (hex(value.p[i + 1]) << 4 | hex(value.p[i + 2]));
            i += 2;
        }
        buf_add_c(&text, c == ' ' ? '+' : (char) c);
    }
    while (text.n % 4 != 0 && !text.failed)
        buf_add_c(&text, '=');
    room = buf_reserve(out, text.n);
    good = !text.failed && room != NULL && base64_parse(buf_span(&text), room, text.n, &n);
    buf_deinit(&text);
    if (!good)
        return foreign_fail(f, ERR_INVAL, FOREIGN_BROKEN, "the form's data is no base64");
    out->n += n;
    return ERR_OK;
}

static enum err read_body(struct foreign *f, struct span body, bool given, enum unpack_codec codec, struct buf *text)
{
    struct buf layer = BUF_INIT(FOREIGN_UNPACKED_MAX);
    enum err e = foreign_unpack(f, body, given, codec, text);

    if (e == ERR_OK && span_starts(buf_span(text), "data=")) {
        e = from_form(f, buf_span(text), &layer);
        buf_reset(text);
        if (e == ERR_OK)
            e = foreign_unpack(f, buf_span(&layer), false, UNPACK_IDENTITY, text);
    }
    buf_deinit(&layer);
    if (e == ERR_OK)
        e = foreign_check_token(f, buf_span(text));
    return e == ERR_OK ? foreign_check(f, buf_span(text), 0) : e;
}

/* ---- captures ---- */

static bool is_capture(struct json_value obj, const char *event)
{
    struct json_value v;

    return json_find(obj, "event", &v) && v.type == JSON_STRING && json_raw_eq(v.raw, event);
}

/* The same name as before, or the first. */
static enum err same(struct foreign *f, char *have, size_t cap, const char *now, const char *cause)
{
    if (have[0] == '\0')
        (void) span_to_str(span_str(now), have, cap);
    else if (!span_eq_str(span_str(have), now))
        return foreign_fail(f, ERR_INVAL, FOREIGN_MIXED, cause);
    return ERR_OK;
}

static enum err take_token(struct foreign *f, struct json_value obj)
{
    static const char *const names[] = { "token", "$token", "api_key" };
    char token[sizeof(f->token)];
    struct json_value v;

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (!json_find(obj, names[i], &v))
            continue;
        if (!foreign_name(v, token, sizeof(token)))
            return foreign_fail(f, ERR_INVAL, FOREIGN_BROKEN, "the project's token is no word");
        return same(f, f->token, sizeof(f->token), token, "tokens of two projects in one body");
    }
    return ERR_OK;
}

static enum err take_session(struct foreign *f, struct json_value props)
{
    char session[FOREIGN_NAME_MAX + 1], window[FOREIGN_NAME_MAX + 1];
    struct json_value v;

    if (!json_find(props, "$session_id", &v) || !foreign_name(v, session, sizeof(session)))
        return foreign_fail(f, ERR_INVAL, FOREIGN_BROKEN, "a snapshot without its $session_id");
    TRY(same(f, f->session, sizeof(f->session), session, "events of two sessions in one body"));
    if (!json_find(props, "$window_id", &v) || !foreign_name(v, window, sizeof(window)))
        return foreign_fail(f, ERR_INVAL, FOREIGN_BROKEN, "a snapshot without its $window_id");
    return same(f, f->window, sizeof(f->window), window, "events of two windows in one body");
}

static enum err take_snapshot(struct foreign *f, struct json_value obj)
{
    struct json_value props, data, v;

    if (!json_find(obj, "properties", &props) || props.type != JSON_OBJECT)
        return foreign_fail(f, ERR_INVAL, FOREIGN_BROKEN, "a snapshot without properties");
    TRY(take_token(f, props));
    TRY(take_session(f, props));
    if (json_find(props, "$is_identified", &v) && v.type == JSON_TRUE && json_find(props, "distinct_id", &v))
        (void) foreign_text(v, f->subject, sizeof(f->subject));
    if (!json_find(props, "$snapshot_data", &data) && !json_find(props, "$snapshot_items", &data))
        return foreign_fail(f, ERR_INVAL, FOREIGN_BROKEN, "a snapshot without $snapshot_data");
    if (json_find(props, "$snapshot_source", &v) && v.type == JSON_STRING && json_raw_eq(v.raw, "mobile"))
        return foreign_fail(f, ERR_UNSUPPORTED, FOREIGN_VIDEO, "a phone's screen is no rrweb recording");
    if (data.type == JSON_OBJECT)
        return foreign_add_event(f, data);
    if (data.type != JSON_ARRAY)
        return foreign_fail(f, ERR_INVAL, FOREIGN_BROKEN, "$snapshot_data is no list of events");
    for (struct json_iter it = json_iter(data); json_next(&it, &v);)
        TRY(foreign_add_event(f, v));
    return ERR_OK;
}

/* Calls fn for each capture of the body. */
static enum err each(struct foreign *f, struct json_value root, enum err (*fn)(struct foreign *f, struct json_value obj, time_ms now),
                     time_ms now)
{
    struct json_value list = root, v;

    if (root.type == JSON_OBJECT) {
        TRY(take_token(f, root));
        if (!json_find(root, "batch", &list))
            return fn(f, root, now);
    }
    if (list.type != JSON_ARRAY)
        return foreign_fail(f, ERR_INVAL, FOREIGN_BROKEN, "neither a capture nor a list of them");
    for (struct json_iter it = json_iter(list); json_next(&it, &v);) {
        if (v.type != JSON_OBJECT)
            return foreign_fail(f, ERR_INVAL, FOREIGN_BROKEN, "a capture is no object");
        TRY(take_token(f, v));
        TRY(fn(f, v, now));
    }
    return ERR_OK;
}

static enum err snapshot(struct foreign *f, struct json_value obj, time_ms now)
{
    (void) now;
    return is_capture(obj, "$snapshot") ? take_snapshot(f, obj) : ERR_OK;
}

/* The session's own name is a link, too: it is what people have in hand when they come from the other product. */
static void link_session(struct foreign *f)
{
    foreign_add_link(f, "session", (struct json_value){ .type = JSON_STRING, .raw = span_str(f->session) }, f->first_at);
}

static enum err finish(struct foreign *f)
{
    if (f->n_events == 0)
        return foreign_fail(f, ERR_INVAL, FOREIGN_BROKEN, "there is no snapshot in it");
    buf_add_c(&f->events, ']');
    return f->events.failed ? foreign_fail(f, ERR_NOMEM, FOREIGN_BROKEN, "events") : ERR_OK;
}

enum err posthog_read(struct foreign *f, struct span body, bool given, enum unpack_codec codec)
{
    struct buf text = BUF_INIT(FOREIGN_UNPACKED_MAX);
    enum err e = read_body(f, body, given, codec, &text);

    if (e == ERR_OK)
        e = each(f, json_value(buf_span(&text)), snapshot, 0);
    buf_deinit(&text);
    TRY(e);
    TRY(finish(f));
    link_session(f);
    return ERR_OK;
}

/* ---- exceptions ---- */

static time_ms moment(struct json_value obj, time_ms now)
{
    struct json_value v;
    int64_t ms;

    if (json_find(obj, "timestamp", &v) && v.type == JSON_STRING && time_parse_rfc3339(v.raw, &ms))
        return ms;
    if (json_find(obj, "offset", &v) && v.type == JSON_NUMBER && json_scaled(v.raw, 0, &ms) && ms >= 0 && ms < now)
        return now - ms;
    return now;
}

static enum err exception(struct foreign *f, struct json_value obj, time_ms now)
{
    char session[FOREIGN_NAME_MAX + 1];
    struct json_value props, v;

    if (!is_capture(obj, "$exception") || !json_find(obj, "properties", &props))
        return ERR_OK;
    TRY(take_token(f, props));
    if (!json_find(props, "$session_id", &v) || !foreign_name(v, session, sizeof(session)))
        return ERR_OK;
    if (f->session[0] == '\0') {
        (void) span_to_str(span_str(session), f->session, sizeof(f->session));
        if (json_find(props, "$window_id", &v))
            (void) foreign_name(v, f->window, sizeof(f->window));
    } else if (!span_eq_str(span_str(session), f->session)) {
        return ERR_OK;
    }
    if (json_find(obj, "uuid", &v))
        foreign_add_link(f, "error", v, moment(obj, now));
    return ERR_OK;
}

/* Captures of other kinds name the project, too; what is in them is nothing to us. */
enum err posthog_read_captures(struct foreign *f, struct span body, bool given, enum unpack_codec codec, time_ms now)
{
    struct buf text = BUF_INIT(FOREIGN_UNPACKED_MAX);
    enum err e = read_body(f, body, given, codec, &text);
    struct json_value root, props, first;

    if (e == ERR_OK) {
        root = json_value(buf_span(&text));
        e = each(f, root, exception, now);
        if (e == ERR_OK && f->token[0] == '\0' && root.type == JSON_ARRAY) {
            struct json_iter it = json_iter(root);

            if (json_next(&it, &first) && json_find(first, "properties", &props))
                e = take_token(f, props);
        } else if (e == ERR_OK && f->token[0] == '\0' && json_find(root, "properties", &props)) {
            e = take_token(f, props);
        }
    }
    buf_deinit(&text);
    return e;
}

/* ---- exports ---- */

static bool is_event(struct json_value v)
{
    struct json_value type, m;
    int64_t n;

    return v.type == JSON_OBJECT && json_find(v, "type", &type) && type.type == JSON_NUMBER && json_int(type.raw, &n) && n >= 0 &&
           (json_find(v, "timestamp", &m) || json_find(v, "data", &m));
}

static enum err take_window(struct foreign *f, struct json_value v)
{
    char window[FOREIGN_NAME_MAX + 1];

    if (v.type != JSON_STRING || !foreign_name(v, window, sizeof(window)))
        return ERR_OK;
    return same(f, f->window, sizeof(f->window), window, "events of two windows; export and import each by itself");
}

static enum err take(struct foreign *f, struct json_value v, unsigned depth);

static enum err take_list(struct foreign *f, struct json_value list, unsigned depth)
{
    struct json_iter it = json_iter(list);
    struct json_value first, second, v;

    if (json_next(&it, &first) && first.type == JSON_STRING && json_next(&it, &second) && is_event(second) &&
        !json_next(&it, &v)) { /* ["window", event] */
        TRY(take_window(f, first));
        return foreign_add_event(f, second);
    }
    for (it = json_iter(list); json_next(&it, &v);)
        TRY(take(f, v, depth + 1));
    return ERR_OK;
}

/* Members under which events stand in one of the shapes. */
static enum err take_members(struct foreign *f, struct json_value obj, unsigned depth, bool *ret_any)
{
    static const char *const names[] = { "result", "snapshots", "batch", "data" };
    struct json_value v, w;

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (!json_find(obj, names[i], &v) || (v.type != JSON_OBJECT && v.type != JSON_ARRAY))
            continue;
        *ret_any = true;
        TRY(take(f, v, depth + 1));
    }
    if (json_find(obj, "snapshot_data_by_window_id", &v) && v.type == JSON_OBJECT) {
        *ret_any = true;
        for (struct json_iter it = json_iter(v); json_next(&it, &w);) {
            TRY(take_window(f, (struct json_value){ .type = JSON_STRING, .raw = w.key }));
            TRY(take(f, w, depth + 1));
        }
    }
    return ERR_OK;
}

static enum err take_object(struct foreign *f, struct json_value obj, unsigned depth)
{
    struct json_value v;
    bool any = false;

    if (is_capture(obj, "$snapshot"))
        return take_snapshot(f, obj);
    if (json_find(obj, "window_id", &v) || json_find(obj, "windowId", &v))
        TRY(take_window(f, v));
    if (is_event(obj))
        return foreign_add_event(f, obj);
    TRY(take_members(f, obj, depth, &any));
    if (!any)
        return foreign_fail(f, ERR_UNSUPPORTED, FOREIGN_BROKEN, "an answer of PostHog's without snapshots is no recording");
    return ERR_OK;
}

static enum err take(struct foreign *f, struct json_value v, unsigned depth)
{
    if (depth > TAKE_DEPTH)
        return foreign_fail(f, ERR_INVAL, FOREIGN_BROKEN, "events stand too deep in it");
    switch (v.type) {
    case JSON_OBJECT: return take_object(f, v, depth);
    case JSON_ARRAY: return take_list(f, v, depth);
    case JSON_STRING: return foreign_add_event(f, v); /* packed */
    case JSON_NULL:
    case JSON_FALSE:
    case JSON_TRUE:
    case JSON_NUMBER: break;
    }
    return foreign_fail(f, ERR_INVAL, FOREIGN_BROKEN, "something among the events is none");
}

static enum err read_lines(struct foreign *f, struct span text)
{
    struct span rest = text, line;
    bool more = true;

    while (more) {
        more = span_cut(rest, '\n', &line, &rest);
        if (span_trim(line).n == 0 || span_eq_str(line, "\r"))
            continue;
        TRY(foreign_check(f, line, (uint64_t) (line.p - text.p)));
        TRY(take(f, json_value(line), 0));
    }
    return ERR_OK;
}

enum err posthog_read_export(struct foreign *f, struct span text)
{
    struct json_limits limits = json_limits_event();
    struct json_error e;

    limits.bytes = FOREIGN_UNPACKED_MAX;
    if (json_check(text, &limits, &e))
        TRY(take(f, json_value(text), 0));
    else if (e.cause == JSON_E_TRAILING)
        TRY(read_lines(f, text));
    else
        return importer_error_json(&f->error, &e, limits.bytes);
    return finish(f);
}
