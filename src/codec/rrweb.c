#include "codec/rrweb.h"

#include "base/utf8.h"
#include "codec/json.h"
#include "codec/posthog.h"
#include "codec/unpack.h"

#define STAMP_MAX 253402300799999000 /* year 9999, µs */

void rrweb_init(struct rrweb *r, size_t max)
{
    *r = (struct rrweb){ .begun = false };
    buf_init(&r->text, max);
    buf_init(&r->inner, max);
    buf_init(&r->json, max);
    buf_init(&r->plain, max);
    json_tape_init(&r->tape);
}

void rrweb_deinit(struct rrweb *r)
{
    buf_deinit(&r->text);
    buf_deinit(&r->inner);
    buf_deinit(&r->json);
    buf_deinit(&r->plain);
    json_tape_deinit(&r->tape);
}

time_ms rrweb_started_at(const struct rrweb *r)
{
    return r->base / 1000;
}

static enum err too_large(struct err_info *reterr)
{
    return ERR_RAISE(reterr, ERR_LIMIT, "event-too-large");
}

static enum err append(void *ctx, struct span out, struct err_info *reterr)
{
    struct buf *to = ctx;

    buf_add_span(to, out);
    return to->failed ? too_large(reterr) : ERR_OK;
}

/* Characters U+0000 to U+00FF to the bytes that they stand for, in place: UTF-8 is never shorter. */
static bool to_latin1(struct buf *text)
{
    struct rd in = rd_of(buf_span(text));
    size_t n = 0;

    while (in.n > 0) {
        uint32_t cp = utf8_read(&in);

        if (in.failed || cp > 0xff)
            return false;
        text->p[n++] = (uint8_t) cp;
    }
    text->n = n;
    return true;
}

static enum err inflate_packed(struct rrweb *r, struct err_info *reterr)
{
    struct unpack_limits limits = { .out_max = r->inner.max, .zstd_window_log = 10 };
    CLEANUP(unpack_freep) struct unpack *u = unpack_new(UNPACK_DEFLATE, &limits);
    enum err code;

    if (u == NULL)
        return ERR_RAISE(reterr, ERR_NOMEM, "packed event");
    if (!to_latin1(&r->text))
        return ERR_RAISE(reterr, ERR_INVAL, "a packed event has characters that are no bytes");
    buf_reset(&r->inner);
    code = unpack_feed(u, buf_span(&r->text), append, &r->inner, reterr);
    if (code == ERR_LIMIT)
        return too_large(reterr);
    TRY(code);
    TRY(unpack_finish(u, reterr));
    r->packed_out += r->inner.n;
    return ERR_OK;
}

/* A string element: what it holds, minified, in r->json. */
static enum err from_string(struct rrweb *r, struct span raw, struct err_info *reterr)
{
    struct json_limits limits = json_limits_event();
    struct json_error e;
    struct span plain;

    limits.bytes = r->json.max;
    buf_reset(&r->text);
    if (!json_string_decode(raw, &r->text))
        return too_large(reterr);
    if (r->text.n == 0 || (r->text.p[0] != 0x78 && r->text.p[0] != '{'))
        return ERR_RAISE(reterr, ERR_INVAL, "a string among the events is neither a packed event nor JSON");
    if (r->text.p[0] == 0x78)
        TRY(inflate_packed(r, reterr));
    plain = r->text.p[0] == 0x78 ? buf_span(&r->inner) : buf_span(&r->text);
    buf_reset(&r->json);
    if (!json_minify(plain, &limits, &r->json, &e)) {
        if (e.cause == JSON_E_BYTES || r->json.failed)
            return too_large(reterr);
        return ERR_RAISE(reterr, e.limit != 0 ? ERR_LIMIT : ERR_INVAL, "inside a packed event: %s", e.text);
    }
    return ERR_OK;
}

/* PostHog packs members of events: what they hold, in r->plain. */
static enum err plain_fields(struct rrweb *r, struct span json, struct err_info *reterr)
{
    buf_reset(&r->plain);
    return posthog_plain_event(json, &r->plain, &r->packed_out, reterr);
}

/* 'v': JSON_NULL when the event has none. */
static enum err stamp(struct rrweb *r, struct json_value v, time_us *ret_own, struct err_info *reterr)
{
    int64_t us;

    *ret_own = r->last;
    if (v.type == JSON_NULL)
        return ERR_OK;
    if (v.type != JSON_NUMBER)
        return ERR_RAISE(reterr, ERR_INVAL, "the timestamp of an event is no number");
    if (!json_scaled(v.raw, 3, &us) || us < 0 || us > STAMP_MAX)
        return ERR_RAISE(reterr, ERR_INVAL, "the timestamp of an event is out of range");
    if (!r->begun) {
        r->begun = true;
        r->base = us - r->last; /* 0, unless the recording began in another process (batch_state_resume) */
    }
    *ret_own = us - r->base;
    return ERR_OK;
}

/* An event's members, found in one pass: 'data' may be megabytes. JSON_NULL: there is none. */
struct members {
    struct json_value type, data, timestamp;
    bool cv;
};

static struct members members_of(struct json_value obj)
{
    struct members m = { .cv = false };
    struct json_iter it = json_iter(obj);
    struct json_value v;

    m.type.type = m.data.type = m.timestamp.type = JSON_NULL;
    while (json_next(&it, &v)) { /* of duplicates the last, as json_find */
        if (json_raw_eq(v.key, "type"))
            m.type = v;
        else if (json_raw_eq(v.key, "data"))
            m.data = v;
        else if (json_raw_eq(v.key, "timestamp"))
            m.timestamp = v;
        else if (json_raw_eq(v.key, "cv"))
            m.cv = true;
    }
    return m;
}

static enum err take_event(struct rrweb *r, struct json_value json, struct rrweb_event *ret, struct err_info *reterr)
{
    struct json_value obj = json, v, inner;
    struct rrweb_event ev = { .source = -1, .json = json.raw, .tokens = json.token };
    struct members m;
    int64_t n;

    if (obj.type == JSON_STRING) {
        TRY(from_string(r, obj.raw, reterr));
        ev.json = buf_span(&r->json);
        obj = json_value(ev.json);
    }
    if (obj.type != JSON_OBJECT)
        return ERR_RAISE(reterr, ERR_INVAL, "an rrweb event is no object");
    m = members_of(obj);
    if (m.cv) {
        TRY(plain_fields(r, ev.json, reterr));
        ev.json = buf_span(&r->plain);
        ev.tokens = NULL;
        m = members_of(json_value(ev.json));
    }
    if (m.type.type != JSON_NUMBER || !json_int(m.type.raw, &n) || n < 0 || n > 255)
        return ERR_RAISE(reterr, ERR_INVAL, "an rrweb event has no 'type' from 0 to 255");
    ev.type = (int) n;
    if (ev.type <= RRWEB_LOAD && (json_find(m.data, "node", &inner) || json_find(m.data, "source", &inner)))
        return ERR_RAISE(reterr, ERR_UNSUPPORTED, "an old rrweb dialect in which types 0 and 1 are snapshots");
    if (ev.type == RRWEB_INCREMENTAL && json_find(m.data, "source", &v) && v.type == JSON_NUMBER && json_int(v.raw, &n) &&
        n >= 0 && n <= 255)
        ev.source = (int) n;
    TRY(stamp(r, m.timestamp, &ev.own_us, reterr));
    r->last = ev.own_us;
    *ret = ev;
    return ERR_OK;
}

enum err rrweb_event(struct rrweb *r, struct span json, struct rrweb_event *ret, struct err_info *reterr)
{
    return take_event(r, json_value(json), ret, reterr);
}

enum err rrweb_value(struct rrweb *r, struct json_value json, struct rrweb_event *ret, struct err_info *reterr)
{
    json_tape_rest(&r->tape);
    if (json.type == JSON_OBJECT && json.token == NULL)
        json = json_tape_of(&r->tape, json.raw);
    return take_event(r, json, ret, reterr);
}
