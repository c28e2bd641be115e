/* Fields that posthog-js packs inside its events ("cv": "2024-10"), back to what rrweb has there. */
#include "base/utf8.h"
#include "codec/json.h"
#include "codec/posthog.h"
#include "codec/rrweb.h"

#define DEPTH_AROUND 3 /* the event, its data, a list in that */

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

/* A string of characters up to U+00FF as the bytes that they stand for. */
static enum err to_bytes(struct span raw, struct buf *text, struct err_info *reterr)
{
    struct rd in;
    size_t n = 0;

    if (!json_string_decode(raw, text))
        return too_large(reterr);
    in = rd_of(buf_span(text));
    while (in.n > 0) {
        uint32_t cp = utf8_read(&in);

        if (in.failed || cp > 0xff)
            return ERR_RAISE(reterr, ERR_INVAL, "a packed field has characters that are no bytes");
        text->p[n++] = (uint8_t) cp;
    }
    text->n = n;
    return ERR_OK;
}

/* What is being written, and how much its fields may still hold: white space in them counts, too. */
struct plain {
    struct buf *out;
    uint64_t left;
};

static enum err unpack_field(struct plain *p, struct span raw, struct buf *text, struct buf *inner, struct err_info *reterr)
{
    const struct unpack_limits limits = { .out_max = p->left, .zstd_window_log = 10 };
    struct json_limits shape = json_limits_event();
    CLEANUP(unpack_freep) struct unpack *u = NULL;
    struct json_error e;
    enum err code;

    TRY(to_bytes(raw, text, reterr));
    u = unpack_new(UNPACK_GZIP, &limits);
    if (u == NULL)
        return ERR_RAISE(reterr, ERR_NOMEM, "packed field");
    code = unpack_feed(u, buf_span(text), append, inner, reterr);
    if (code == ERR_LIMIT)
        return too_large(reterr);
    TRY(code);
    TRY(unpack_finish(u, reterr));
    p->left -= inner->n;
    shape.bytes = p->out->max;
    shape.depth -= DEPTH_AROUND;
    if (!json_minify(buf_span(inner), &shape, p->out, &e)) {
        if (e.cause == JSON_E_BYTES || p->out->failed)
            return too_large(reterr);
        return ERR_RAISE(reterr, e.limit != 0 ? ERR_LIMIT : ERR_INVAL, "inside a packed field: %s", e.text);
    }
    return ERR_OK;
}

/* "key":value, unpacked when it is a string that must be. */
static enum err put(struct plain *p, struct json_value v, bool packed, struct err_info *reterr)
{
    struct buf *out = p->out;
    struct buf text = BUF_INIT(out->max), inner = BUF_INIT(out->max);
    enum err e = ERR_OK;

    buf_add_c(out, '"');
    buf_add_span(out, v.key);
    buf_add_str(out, "\":");
    if (packed && v.type == JSON_STRING) {
        e = unpack_field(p, v.raw, &text, &inner, reterr);
    } else {
        if (v.type == JSON_STRING)
            buf_add_c(out, '"');
        buf_add_span(out, v.raw);
        if (v.type == JSON_STRING)
            buf_add_c(out, '"');
    }
    buf_deinit(&text);
    buf_deinit(&inner);
    if (e == ERR_OK && out->failed)
        e = too_large(reterr);
    return e;
}

static bool is_list(struct span key)
{
    return json_raw_eq(key, "texts") || json_raw_eq(key, "attributes") || json_raw_eq(key, "removes") || json_raw_eq(key, "adds");
}

static enum err put_data(struct plain *p, struct json_value data, struct err_info *reterr)
{
    struct buf *out = p->out;
    struct json_value v;
    bool first = true;

    buf_add_str(out, "\"data\":{");
    for (struct json_iter it = json_iter(data); json_next(&it, &v);) {
        if (!first)
            buf_add_c(out, ',');
        first = false;
        TRY(put(p, v, is_list(v.key), reterr));
    }
    buf_add_c(out, '}');
    return out->failed ? too_large(reterr) : ERR_OK;
}

static int64_t number(struct json_value obj, const char *name)
{
    struct json_value v;
    int64_t n;

    return json_find(obj, name, &v) && v.type == JSON_NUMBER && json_int(v.raw, &n) ? n : -1;
}

enum err posthog_plain_event(struct span event, struct buf *out, uint64_t *unpacked, struct err_info *reterr)
{
    struct plain p = { out, out->max };
    struct json_value obj = json_value(event), v;
    const bool full = number(obj, "type") == RRWEB_FULL;
    bool first = true;

    if (!json_find(obj, "cv", &v)) {
        buf_add_span(out, event);
        return out->failed ? too_large(reterr) : ERR_OK;
    }
    buf_add_c(out, '{');
    for (struct json_iter it = json_iter(obj); json_next(&it, &v);) {
        const bool is_data = json_raw_eq(v.key, "data");

        if (json_raw_eq(v.key, "cv"))
            continue;
        if (!first)
            buf_add_c(out, ',');
        first = false;
        if (is_data && v.type == JSON_OBJECT && number(obj, "type") == RRWEB_INCREMENTAL)
            TRY(put_data(&p, v, reterr));
        else
            TRY(put(&p, v, is_data && full, reterr));
    }
    buf_add_c(out, '}');
    *unpacked += out->max - p.left;
    return out->failed ? too_large(reterr) : ERR_OK;
}
