#include "codec/importer.h"

#include "codec/asciicast.h"
#include "codec/json_scan.h"
#include "codec/rrweb.h"
#include "codec/screen.h"
#include "codec/sniff.h"

#include <stdio.h>
#include <stdlib.h>

/*
 * input -> unpack -> sniff (until it decides; what it saw is kept) -> json_scan -> one item -> cast or rrweb -> emit.
 *
 * With a list inside an object the head is complete only after the list. Items are held (copied) until the object ends or
 * hold_max is reached; then the head is what stood before the list, and the rest is streamed.
 */

struct importer {
    struct importer_params p;
    struct importer_error err;
    bool finished;

    struct unpack *unpack;
    uint8_t first[UNPACK_SNIFF_MIN]; /* of the input, until the layer is known */
    size_t n_first;

    struct sniff sniff;
    struct buf seen; /* what sniff has been given; freed when it has decided */
    enum sniff_format format;
    struct json_scan *scan;
    uint64_t line, offset; /* of the item being handled */

    bool head_done;
    struct buf held;       /* u64 line, u64 offset, u64 length, bytes; for each item */
    struct buf early_head; /* what stands before the list, as on_outer would give it */

    struct asciicast cast;
    struct rrweb rrweb;

    uint64_t seq;
    time_us seek;

    /* rrweb: a Meta event waits for the next one, which decides whether it is a keyframe */
    bool meta_waits, meta_before;
    struct importer_event meta;
    struct buf meta_json;

    struct screen *screen;
    struct buf text; /* decoded output, screen dump */
    time_us screen_at;
    uint64_t screen_bytes, out_bytes;

    struct importer_result res;
    struct importer_marker *markers;
};

struct importer_params importer_defaults(void)
{
    return (struct importer_params){
        .unpack = unpack_limits_import(),
        .event_max = 16u << 20,
        .hold_max = 16u << 20,
        .screen_every_us = 30 * 1000000,
        .screen_every_bytes = 256u << 10,
        .screen_work = 20000000000,
        .screen_work_per_byte = 400,
    };
}

struct importer *importer_new(const struct importer_params *params)
{
    struct importer *imp = calloc(1, sizeof(*imp));

    if (imp == NULL)
        return NULL;
    imp->p = *params;
    sniff_init(&imp->sniff);
    buf_init(&imp->seen, SNIFF_WINDOW + 65536);
    buf_init(&imp->held, params->hold_max + 4096);
    buf_init(&imp->early_head, SNIFF_WINDOW + 65536);
    buf_init(&imp->meta_json, params->event_max);
    buf_init(&imp->text, params->event_max > (16u << 20) ? params->event_max : (16u << 20));
    return imp;
}

struct importer *importer_free(struct importer *imp)
{
    if (imp == NULL)
        return NULL;
    (void) unpack_free(imp->unpack);
    (void) json_scan_free(imp->scan);
    (void) screen_free(imp->screen);
    if (imp->res.kind == IMPORTER_TERMINAL)
        asciicast_deinit(&imp->cast);
    if (imp->res.kind == IMPORTER_RRWEB)
        rrweb_deinit(&imp->rrweb);
    buf_deinit(&imp->seen);
    buf_deinit(&imp->held);
    buf_deinit(&imp->early_head);
    buf_deinit(&imp->meta_json);
    buf_deinit(&imp->text);
    free(imp->markers);
    free(imp);
    return NULL;
}

void importer_freep(struct importer **imp)
{
    *imp = importer_free(*imp);
}

const struct importer_error *importer_error(const struct importer *imp)
{
    return &imp->err;
}

/* ---- errors: the first one stays */

static enum err fail_at(struct importer *imp, enum err code, uint64_t line, uint64_t offset, const char *cause)
{
    if (imp->err.code != ERR_OK)
        return imp->err.code;
    imp->err.code = code;
    imp->err.line = line;
    imp->err.offset = offset;
    (void) snprintf(imp->err.cause, sizeof(imp->err.cause), "%s", cause);
    return code;
}

static enum err fail_limit(struct importer *imp, uint64_t line, uint64_t offset, const char *cause, const char *limit,
                           uint64_t value)
{
    if (imp->err.code == ERR_OK) {
        imp->err.limit = limit;
        imp->err.limit_value = value;
    }
    return fail_at(imp, ERR_LIMIT, line, offset, cause);
}

/* About the item being handled. */
static enum err fail_item(struct importer *imp, enum err code, const struct err_info *e)
{
    if (code == ERR_LIMIT)
        return fail_limit(imp, imp->line, imp->offset, e->text, "event-too-large", imp->p.event_max);
    return fail_at(imp, code, imp->line, imp->offset, e->text);
}

/* Of a callback: its code and text go up, it is not about the input. */
static enum err fail_callback(struct importer *imp, enum err code, const struct err_info *e)
{
    return fail_at(imp, code, 0, imp->offset, e->text);
}

static enum err fail_json(struct importer *imp, const struct json_error *e)
{
    switch (e->cause) {
    case JSON_E_STOPPED:
        if (imp->err.code != ERR_OK)
            return imp->err.code;
        break;
    case JSON_E_NOMEM: return fail_at(imp, ERR_NOMEM, e->line, e->offset, e->text);
    case JSON_E_DEPTH: return fail_limit(imp, e->line, e->offset, e->text, "depth", e->limit);
    case JSON_E_MEMBERS: return fail_limit(imp, e->line, e->offset, e->text, "members", e->limit);
    case JSON_E_NUMBER_LEN: return fail_limit(imp, e->line, e->offset, e->text, "number", e->limit);
    case JSON_E_STRING_LEN:
    case JSON_E_EVENT_BYTES:
        return fail_limit(imp, e->line, e->offset, "event-too-large", "event-too-large", imp->p.event_max);
    case JSON_E_BYTES: return fail_limit(imp, e->line, e->offset, e->text, "unpacked-size", e->limit);
    case JSON_OK:
    case JSON_E_EMPTY:
    case JSON_E_TRUNCATED:
    case JSON_E_ENCODING:
    case JSON_E_VALUE:
    case JSON_E_NAME:
    case JSON_E_COLON:
    case JSON_E_COMMA:
    case JSON_E_LITERAL:
    case JSON_E_NUMBER:
    case JSON_E_CONTROL:
    case JSON_E_ESCAPE:
    case JSON_E_SURROGATE:
    case JSON_E_NUL:
    case JSON_E_UTF8:
    case JSON_E_TRAILING:
    case JSON_E_DUPLICATE:
    case JSON_E_SHAPE: break;
    }
    return fail_at(imp, ERR_INVAL, e->line, e->offset, e->text);
}

static enum err fail_unpack(struct importer *imp, enum err code, const struct err_info *e)
{
    uint64_t out = imp->unpack != NULL ? unpack_out(imp->unpack) : 0;

    if (imp->err.code != ERR_OK) /* the sink's own */
        return imp->err.code;
    if (code != ERR_LIMIT)
        return fail_at(imp, code, 0, out, e->text);
    switch (unpack_hit(imp->unpack)) {
    case UNPACK_HIT_RATIO: return fail_limit(imp, 0, out, e->text, "ratio", imp->p.unpack.ratio_max);
    case UNPACK_HIT_WINDOW: return fail_limit(imp, 0, out, e->text, "zstd-window", 1ull << imp->p.unpack.zstd_window_log);
    case UNPACK_HIT_OUTPUT:
    case UNPACK_HIT_NONE: break;
    }
    return fail_limit(imp, 0, out, e->text, "unpacked-size", imp->p.unpack.out_max);
}

/* ---- out */

static enum err emit(struct importer *imp, const struct importer_event *ev)
{
    struct err_info e = { .code = ERR_OK };
    enum err code = imp->p.on_event(imp->p.ctx, ev, &e);

    if (code != ERR_OK)
        return fail_callback(imp, code, &e);
    imp->res.n_events++;
    imp->res.n_keyframes += ev->keyframe;
    imp->res.duration_us = ev->seek_us;
    return ERR_OK;
}

/* Seek time never goes back and is never negative. */
static time_us seek_of(struct importer *imp, time_us own)
{
    if (own > imp->seek)
        imp->seek = own;
    return imp->seek;
}

static enum err emit_head(struct importer *imp, struct span json)
{
    struct err_info e = { .code = ERR_OK };
    enum err code;

    imp->head_done = true;
    code = imp->p.on_head(imp->p.ctx, json, &e);
    return code != ERR_OK ? fail_callback(imp, code, &e) : ERR_OK;
}

/* ---- terminals */

static enum err cast_begin(struct importer *imp, struct span head)
{
    struct err_info e;
    enum err code = asciicast_head(&imp->cast, head, &e);

    if (code != ERR_OK)
        return fail_item(imp, code, &e);
    imp->res.cols = imp->cast.cols;
    imp->res.rows = imp->cast.rows;
    imp->res.started_at = imp->cast.started_at;
    if (imp->p.on_screen != NULL) {
        imp->screen = screen_new((int) imp->cast.cols, (int) imp->cast.rows);
        if (imp->screen == NULL)
            return fail_at(imp, ERR_NOMEM, 0, 0, "terminal screen");
    }
    return ERR_OK;
}

/* A screen is due before the first event, and after enough time or output; not inside a sequence or character. */
static enum err screen_before(struct importer *imp, time_us seek)
{
    struct err_info e = { .code = ERR_OK };
    struct importer_screen out;
    enum err code;

    if (imp->screen == NULL)
        return ERR_OK;
    if (screen_work(imp->screen) > imp->p.screen_work + imp->out_bytes * imp->p.screen_work_per_byte) {
        imp->screen = screen_free(imp->screen);
        imp->res.screens_stopped = true;
        return ERR_OK;
    }
    if (imp->seq > 0 && seek - imp->screen_at < imp->p.screen_every_us && imp->screen_bytes < imp->p.screen_every_bytes)
        return ERR_OK;
    if (!screen_idle(imp->screen))
        return ERR_OK;
    buf_reset(&imp->text);
    screen_dump_init(imp->screen, &imp->text);
    if (imp->text.failed)
        return fail_at(imp, ERR_NOMEM, 0, imp->offset, "terminal screen");
    out = (struct importer_screen){ imp->seq, seek, buf_span(&imp->text), screen_cols(imp->screen), screen_rows(imp->screen) };
    code = imp->p.on_screen(imp->p.ctx, &out, &e);
    if (code != ERR_OK)
        return fail_callback(imp, code, &e);
    imp->res.n_screens++;
    imp->screen_at = seek;
    imp->screen_bytes = 0;
    return ERR_OK;
}

static enum err marker(struct importer *imp, time_us at, struct span raw)
{
    struct importer_marker *m;
    size_t n;

    if (imp->res.n_markers == IMPORTER_MARKERS_MAX) {
        imp->res.markers_cut = true;
        return ERR_OK;
    }
    if (imp->res.n_markers % 50 == 0) {
        m = realloc(imp->markers, (imp->res.n_markers + 50) * sizeof(*m));
        if (m == NULL)
            return fail_at(imp, ERR_NOMEM, 0, imp->offset, "markers");
        imp->markers = m;
    }
    buf_reset(&imp->text);
    if (!json_string_decode(raw, &imp->text))
        return fail_at(imp, ERR_NOMEM, 0, imp->offset, "markers");
    m = &imp->markers[imp->res.n_markers++];
    n = imp->text.n;
    if (n > IMPORTER_MARKER_LABEL_MAX) {
        n = IMPORTER_MARKER_LABEL_MAX;
        while (n > 0 && (imp->text.p[n] & 0xc0) == 0x80)
            n--;
    }
    m->at_us = at;
    if (n > 0)
        memcpy(m->label, imp->text.p, n);
    m->label[n] = '\0';
    return ERR_OK;
}

static enum err screen_after(struct importer *imp, const struct asciicast_event *ev)
{
    if (ev->code == 'r' && imp->screen != NULL)
        screen_resize(imp->screen, (int) ev->cols, (int) ev->rows);
    if (ev->code != 'o' || imp->screen == NULL)
        return ERR_OK;
    buf_reset(&imp->text);
    if (!json_string_decode(ev->data, &imp->text))
        return fail_at(imp, ERR_NOMEM, 0, imp->offset, "terminal output");
    screen_feed(imp->screen, buf_span(&imp->text));
    imp->screen_bytes += imp->text.n;
    imp->out_bytes += imp->text.n;
    return ERR_OK;
}

static enum err cast_item(struct importer *imp, struct span json)
{
    struct asciicast_event ev;
    struct importer_event out;
    struct err_info e;
    enum err code = asciicast_event(&imp->cast, json, &ev, &e);

    if (code != ERR_OK)
        return fail_item(imp, code, &e);
    out = (struct importer_event){ .seq = imp->seq, .seek_us = seek_of(imp, ev.own_us), .own_us = ev.own_us, .json = ev.json,
                                   .type = ev.code, .source = -1, .line = imp->line };
    TRY(screen_before(imp, out.seek_us));
    TRY(emit(imp, &out));
    imp->seq++;
    if (ev.code == 'm')
        TRY(marker(imp, out.seek_us, ev.data));
    return screen_after(imp, &ev);
}

/* ---- rrweb */

/* The Meta event that waits, as a keyframe or not. */
static enum err meta_out(struct importer *imp, bool keyframe)
{
    if (!imp->meta_waits)
        return ERR_OK;
    imp->meta_waits = false;
    imp->meta.json = buf_span(&imp->meta_json);
    imp->meta.keyframe = keyframe;
    return emit(imp, &imp->meta);
}

static enum err rrweb_item(struct importer *imp, struct span json)
{
    struct rrweb_event ev;
    struct importer_event out;
    struct err_info e;
    enum err code = rrweb_event(&imp->rrweb, json, &ev, &e);

    if (code == ERR_INVAL && imp->seq == 0 && imp->format != SNIFF_RRWEB_LINES)
        return fail_at(imp, ERR_UNSUPPORTED, imp->line, imp->offset,
                       "an array of something other than rrweb events; " SNIFF_KNOWN);
    if (code != ERR_OK)
        return fail_item(imp, code, &e);
    if (imp->rrweb.packed_out > imp->p.unpack.out_max)
        return fail_limit(imp, imp->line, imp->offset, "packed events unpack to too much", "unpacked-size",
                          imp->p.unpack.out_max);
    out = (struct importer_event){ .seq = imp->seq++, .own_us = ev.own_us, .json = ev.json, .type = ev.type,
                                   .source = ev.source, .line = imp->line };
    TRY(meta_out(imp, ev.type == RRWEB_FULL));
    out.seek_us = seek_of(imp, ev.own_us);
    out.keyframe = ev.type == RRWEB_FULL && !imp->meta_before;
    imp->meta_before = ev.type == RRWEB_META;
    if (ev.type != RRWEB_META)
        return emit(imp, &out);
    buf_reset(&imp->meta_json);
    buf_add_span(&imp->meta_json, ev.json);
    if (imp->meta_json.failed)
        return fail_at(imp, ERR_NOMEM, 0, imp->offset, "event");
    imp->meta = out;
    imp->meta_waits = true;
    return ERR_OK;
}

/* ---- items and heads */

static enum err item(struct importer *imp, struct span json)
{
    return imp->res.kind == IMPORTER_TERMINAL ? cast_item(imp, json) : rrweb_item(imp, json);
}

/* The object without the member that is the list. */
static void without_list(struct span obj, const char *list, struct buf *out)
{
    struct json_iter it = json_iter(json_value(obj));
    struct json_value v;
    bool first = true;

    buf_add_c(out, '{');
    while (json_next(&it, &v)) {
        if (json_raw_eq(v.key, list))
            continue;
        if (!first)
            buf_add_c(out, ',');
        first = false;
        buf_add_c(out, '"');
        buf_add_span(out, v.key);
        buf_add_str(out, "\":");
        if (v.type == JSON_STRING)
            buf_add_c(out, '"');
        buf_add_span(out, v.raw);
        if (v.type == JSON_STRING)
            buf_add_c(out, '"');
    }
    buf_add_c(out, '}');
}

static const char *list_name(const struct importer *imp)
{
    return imp->format == SNIFF_CAST_V1 ? "stdout" : "events";
}

static bool in_object(const struct importer *imp)
{
    return imp->format == SNIFF_CAST_V1 || imp->format == SNIFF_RRWEB_LIST;
}

/* Head from the object around the list, then everything that was held. */
static enum err outer_head(struct importer *imp, struct span outer)
{
    struct buf head = BUF_INIT(imp->p.event_max + 16);
    struct rd r;
    enum err code = ERR_OK;

    without_list(outer, list_name(imp), &head);
    if (head.failed)
        code = fail_limit(imp, 1, 0, "the header is too large", "event-too-large", imp->p.event_max);
    imp->line = 1;
    imp->offset = 0;
    if (code == ERR_OK && imp->format == SNIFF_CAST_V1)
        code = cast_begin(imp, buf_span(&head));
    if (code == ERR_OK)
        code = emit_head(imp, buf_span(&head));
    buf_deinit(&head);
    r = rd_of(buf_span(&imp->held));
    while (code == ERR_OK && r.n > 0) {
        imp->line = rd_u64le(&r);
        imp->offset = rd_u64le(&r);
        code = item(imp, rd_bytes(&r, (size_t) rd_u64le(&r)));
    }
    buf_deinit(&imp->held);
    return code;
}

static bool on_item(void *ctx, const struct json_item *it)
{
    struct importer *imp = ctx;

    imp->line = it->line;
    imp->offset = it->offset;
    if (!imp->head_done && in_object(imp)) {
        if (imp->held.n + it->bytes.n + 24 <= imp->p.hold_max) {
            buf_u64le(&imp->held, it->line);
            buf_u64le(&imp->held, it->offset);
            buf_u64le(&imp->held, it->bytes.n);
            buf_add_span(&imp->held, it->bytes);
            if (!imp->held.failed)
                return true;
            return fail_at(imp, ERR_NOMEM, 0, it->offset, "events") == ERR_OK;
        }
        if (outer_head(imp, buf_span(&imp->early_head)) != ERR_OK)
            return false;
        imp->line = it->line;
        imp->offset = it->offset;
    } else if (!imp->head_done) { /* asciicast v2, v3: the header line */
        return cast_begin(imp, it->bytes) == ERR_OK && emit_head(imp, it->bytes) == ERR_OK;
    }
    return item(imp, it->bytes) == ERR_OK;
}

static bool on_outer(void *ctx, struct span outer)
{
    struct importer *imp = ctx;

    if (!imp->head_done)
        return outer_head(imp, outer) == ERR_OK;
    if (span_eq(outer, buf_span(&imp->early_head)))
        return true;
    (void) fail_at(imp, ERR_UNSUPPORTED, 0, imp->offset,
                   "members after the list of events; in a file of this size they must stand before it");
    return false;
}

/* ---- beginning */

/* What stands before the list, as if the object ended after an empty one. Broken JSON is left to the reader to report. */
static void keep_early_head(struct importer *imp)
{
    struct json_limits limits = json_limits_event();
    struct buf text = BUF_INIT(imp->early_head.max);

    buf_add_span(&text, span_sub(buf_span(&imp->seen), 0, (size_t) imp->sniff.list_at));
    buf_add_str(&text, "[]}");
    if (text.failed || !json_minify(buf_span(&text), &limits, &imp->early_head, NULL))
        buf_reset(&imp->early_head);
    buf_deinit(&text);
}

static enum err wanted(struct importer *imp, enum importer_kind kind, const char *format)
{
    if (imp->p.kind != IMPORTER_ANY && imp->p.kind != kind)
        return fail_at(imp, ERR_INVAL, 0, 0,
                       kind == IMPORTER_TERMINAL ? "this is a terminal recording, not rrweb as was said"
                                                 : "this is an rrweb recording, not a terminal's as was said");
    imp->res.kind = kind;
    imp->res.format = format;
    if (kind == IMPORTER_TERMINAL)
        asciicast_init(&imp->cast, (int) (imp->format - SNIFF_CAST_V1) + 1, imp->p.event_max);
    else
        rrweb_init(&imp->rrweb, imp->p.event_max);
    return ERR_OK;
}

/* What is no recording may be packed a second time, which deserves its own words. */
static enum err refused(struct importer *imp)
{
    enum unpack_codec codec;
    struct err_info e;
    enum err code = unpack_sniff(span_sub(buf_span(&imp->seen), 0, UNPACK_SNIFF_MIN), &codec, &e);

    if (code != ERR_OK)
        return fail_at(imp, code, 0, 0, e.text);
    if (codec != UNPACK_IDENTITY)
        return fail_at(imp, ERR_UNSUPPORTED, 0, 0, "packed twice; one layer of gzip, deflate or zstd is taken");
    return fail_at(imp, imp->sniff.empty ? ERR_INVAL : ERR_UNSUPPORTED, 0, 0, imp->sniff.refusal);
}

static enum err begin(struct importer *imp)
{
    struct json_scan_opts o = { .limits = json_limits_event(), .total_bytes = imp->p.unpack.out_max, .on_item = on_item,
                                .ctx = imp };

    o.limits.bytes = imp->p.event_max;
    imp->format = imp->sniff.format;
    switch (imp->format) {
    case SNIFF_MORE:
    case SNIFF_REFUSED: return refused(imp);
    case SNIFF_CAST_V1:
        TRY(wanted(imp, IMPORTER_TERMINAL, "asciicast-v1"));
        o.shape = JSON_SHAPE_LIST;
        break;
    case SNIFF_CAST_V2:
    case SNIFF_CAST_V3:
        TRY(wanted(imp, IMPORTER_TERMINAL, imp->format == SNIFF_CAST_V2 ? "asciicast-v2" : "asciicast-v3"));
        o.shape = JSON_SHAPE_LINES;
        o.hash_comments = imp->format == SNIFF_CAST_V3;
        break;
    case SNIFF_RRWEB_ARRAY:
        TRY(wanted(imp, IMPORTER_RRWEB, "rrweb-array"));
        o.shape = JSON_SHAPE_ARRAY;
        break;
    case SNIFF_RRWEB_LIST:
        TRY(wanted(imp, IMPORTER_RRWEB, "rrweb-list"));
        o.shape = JSON_SHAPE_LIST;
        break;
    case SNIFF_RRWEB_LINES:
        TRY(wanted(imp, IMPORTER_RRWEB, "rrweb-lines"));
        o.shape = JSON_SHAPE_LINES;
        break;
    }
    if (in_object(imp)) {
        o.list_key = list_name(imp);
        o.on_outer = on_outer;
        keep_early_head(imp);
    }
    imp->scan = json_scan_new(&o);
    if (imp->scan == NULL)
        return fail_at(imp, ERR_NOMEM, 0, 0, "reader");
    if (imp->format == SNIFF_RRWEB_ARRAY || imp->format == SNIFF_RRWEB_LINES)
        return emit_head(imp, SPAN("{}"));
    return ERR_OK;
}

static enum err scan(struct importer *imp, struct span in)
{
    struct json_error e;

    return json_scan_feed(imp->scan, in, &e) ? ERR_OK : fail_json(imp, &e);
}

/* Decided: the reader gets what was kept. */
static enum err start_scan(struct importer *imp)
{
    enum err code = begin(imp);

    if (code == ERR_OK)
        code = scan(imp, buf_span(&imp->seen));
    buf_deinit(&imp->seen);
    return code;
}

/* The same bytes decide, however they were cut. */
static struct span unsniffed(const struct importer *imp)
{
    struct span window = span_sub(buf_span(&imp->seen), 0, SNIFF_WINDOW);

    return span_sub(window, (size_t) imp->sniff.at, window.n);
}

/* Unpacked bytes. */
static enum err on_plain(void *ctx, struct span in, struct err_info *reterr)
{
    struct importer *imp = ctx;

    (void) reterr;
    if (imp->scan != NULL)
        return scan(imp, in);
    buf_add_span(&imp->seen, in);
    if (imp->seen.failed)
        return fail_at(imp, ERR_NOMEM, 0, 0, "window");
    if (imp->seen.n < UNPACK_SNIFF_MIN)
        return ERR_OK;
    if (sniff_feed(&imp->sniff, unsniffed(imp)) == SNIFF_MORE && imp->seen.n < SNIFF_WINDOW)
        return ERR_OK;
    (void) sniff_decide(&imp->sniff);
    return start_scan(imp);
}

static enum err open_layer(struct importer *imp)
{
    enum unpack_codec codec = imp->p.codec;
    struct err_info e;
    enum err code;

    if (!imp->p.encoded) {
        code = unpack_sniff(span_of(imp->first, imp->n_first), &codec, &e);
        if (code != ERR_OK)
            return fail_at(imp, code, 0, 0, e.text);
    }
    imp->unpack = unpack_new(codec, &imp->p.unpack);
    return imp->unpack != NULL ? ERR_OK : fail_at(imp, ERR_NOMEM, 0, 0, "unpacker");
}

static enum err unpacked(struct importer *imp, struct span in)
{
    struct err_info e;
    enum err code = unpack_feed(imp->unpack, in, on_plain, imp, &e);

    return code == ERR_OK ? ERR_OK : fail_unpack(imp, code, &e);
}

enum err importer_feed(struct importer *imp, struct span in)
{
    if (imp->err.code != ERR_OK)
        return imp->err.code;
    if (imp->finished)
        return ERR_STATE;
    imp->res.bytes_in += in.n;
    while (imp->unpack == NULL && imp->n_first < UNPACK_SNIFF_MIN && in.n > 0) {
        imp->first[imp->n_first++] = in.p[0];
        in = span_sub(in, 1, in.n);
    }
    if (imp->unpack == NULL) {
        if (imp->n_first < UNPACK_SNIFF_MIN)
            return ERR_OK;
        TRY(open_layer(imp));
        TRY(unpacked(imp, span_of(imp->first, imp->n_first)));
    }
    return unpacked(imp, in);
}

static enum err end_input(struct importer *imp)
{
    struct err_info e;
    struct json_error je;
    enum err code;

    if (imp->unpack == NULL) {
        TRY(open_layer(imp));
        TRY(unpacked(imp, span_of(imp->first, imp->n_first)));
    }
    code = unpack_finish(imp->unpack, &e);
    if (code != ERR_OK)
        return fail_unpack(imp, code, &e);
    if (imp->scan == NULL) {
        (void) sniff_feed(&imp->sniff, unsniffed(imp));
        (void) sniff_decide(&imp->sniff);
        TRY(start_scan(imp));
    }
    if (!json_scan_finish(imp->scan, &je) && !(je.cause == JSON_E_EMPTY && imp->head_done))
        return fail_json(imp, &je);
    return meta_out(imp, false);
}

enum err importer_finish(struct importer *imp, struct importer_result *ret)
{
    if (imp->err.code != ERR_OK)
        return imp->err.code;
    if (imp->finished)
        return ERR_STATE;
    TRY(end_input(imp));
    imp->finished = true;
    if (imp->res.kind == IMPORTER_RRWEB)
        imp->res.started_at = rrweb_started_at(&imp->rrweb);
    imp->res.bytes_unpacked = unpack_out(imp->unpack);
    imp->res.markers = imp->markers;
    *ret = imp->res;
    return ERR_OK;
}
