#include "codec/importer_int.h"

#include <stdlib.h>

/*
 * input -> unpack -> sniff (until it decides; what it saw is kept) -> json_scan -> one item -> cast or rrweb -> emit.
 * What is no JSON: -> reader -> castout -> cast -> emit (importer_reader.c).
 *
 * With a list inside an object the head is complete only after the list. Items are held (copied) until the object ends
 * or hold_max is reached; then the head is what stood before the list, and the rest is streamed.
 */

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
    if (params->rules != NULL)
        imp->p.rules = mask_rules_ref(params->rules);
    sniff_init(&imp->sniff);
    buf_init(&imp->seen, SNIFF_WINDOW + 65536);
    buf_init(&imp->held, params->hold_max + 4096);
    buf_init(&imp->early_head, SNIFF_WINDOW + 65536);
    buf_init(&imp->meta_json, params->event_max);
    buf_init(&imp->meta_reveal, params->event_max);
    buf_init(&imp->text, params->event_max > (16u << 20) ? params->event_max : (16u << 20));
    return imp;
}

struct importer *importer_free(struct importer *imp)
{
    if (imp == NULL)
        return NULL;
    (void) unpack_free(imp->unpack);
    (void) json_scan_free(imp->scan);
    (void) reader_free(imp->reader);
    if (imp->castout != NULL)
        castout_deinit(imp->castout);
    free(imp->castout);
    (void) screen_free(imp->screen);
    if (imp->res.kind == IMPORTER_TERMINAL)
        asciicast_deinit(&imp->cast);
    if (imp->res.kind == IMPORTER_RRWEB)
        rrweb_deinit(&imp->rrweb);
    buf_deinit(&imp->seen);
    buf_deinit(&imp->held);
    buf_deinit(&imp->early_head);
    buf_deinit(&imp->meta_json);
    buf_deinit(&imp->meta_reveal);
    (void) intake_free(imp->intake);
    buf_deinit(&imp->text);
    buf_deinit(&imp->whole);
    free(imp->markers);
    (void) mask_rules_unref(imp->p.rules);
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

/* ---- items and heads */

void importer_without_list(struct span obj, const char *list, struct buf *out)
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

    importer_without_list(outer, list_name(imp), &head);
    if (head.failed)
        code = importer_fail_limit(imp, 1, 0, "the header is too large", "event-too-large", imp->p.event_max);
    imp->line = 1;
    imp->offset = 0;
    if (code == ERR_OK && imp->format == SNIFF_CAST_V1)
        code = importer_cast_begin(imp, buf_span(&head));
    if (code == ERR_OK)
        code = importer_emit_head(imp, buf_span(&head));
    buf_deinit(&head);
    r = rd_of(buf_span(&imp->held));
    while (code == ERR_OK && r.n > 0) {
        imp->line = rd_u64le(&r);
        imp->offset = rd_u64le(&r);
        code = importer_item(imp, rd_bytes(&r, (size_t) rd_u64le(&r)), NULL);
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
            return importer_fail(imp, ERR_NOMEM, 0, it->offset, "events") == ERR_OK;
        }
        if (outer_head(imp, buf_span(&imp->early_head)) != ERR_OK)
            return false;
        imp->line = it->line;
        imp->offset = it->offset;
    } else if (!imp->head_done) { /* asciicast v2, v3: the header line */
        return importer_cast_begin(imp, it->bytes) == ERR_OK && importer_emit_head(imp, it->bytes) == ERR_OK;
    }
    return importer_item(imp, it->bytes, it->tokens) == ERR_OK;
}

static bool on_outer(void *ctx, struct span outer)
{
    struct importer *imp = ctx;

    if (!imp->head_done)
        return outer_head(imp, outer) == ERR_OK;
    if (span_eq(outer, buf_span(&imp->early_head)))
        return true;
    (void) importer_fail(imp, ERR_UNSUPPORTED, 0, imp->offset,
                         "members after the list of events; in a file of this size they must stand before it");
    return false;
}

/* ---- beginning */

/* What stands before the list, as if the object ended after an empty one. Broken JSON is left to the reader to report.
 */
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
        return importer_fail(imp, ERR_INVAL, 0, 0,
                             kind == IMPORTER_TERMINAL ? "this is a terminal recording, not rrweb as was said"
                                                       : "this is an rrweb recording, not a terminal's as was said");
    imp->res.kind = kind;
    imp->res.format = format;
    if (kind == IMPORTER_TERMINAL)
        asciicast_init(&imp->cast, imp->format > SNIFF_CAST_V3 ? 2 : (int) (imp->format - SNIFF_CAST_V1) + 1,
                       imp->p.event_max);
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
        return importer_fail(imp, code, 0, 0, e.text);
    if (codec != UNPACK_IDENTITY)
        return importer_fail(imp, ERR_UNSUPPORTED, 0, 0, "packed twice; one layer of gzip, deflate or zstd is taken");
    return importer_fail(imp, imp->sniff.empty ? ERR_INVAL : ERR_UNSUPPORTED, 0, 0, imp->sniff.refusal);
}

static enum err begin(struct importer *imp)
{
    struct json_scan_opts o = {
        .limits = json_limits_event(), .total_bytes = imp->p.unpack.out_max, .on_item = on_item, .ctx = imp
    };

    o.limits.bytes = imp->p.event_max;
    imp->format = imp->sniff.format;
    switch (imp->format) {
    case SNIFF_MORE:
    case SNIFF_REFUSED: return refused(imp);
    case SNIFF_TTYREC_12:
    case SNIFF_TTYREC_13:
        TRY(wanted(imp, IMPORTER_TERMINAL, "ttyrec"));
        return importer_reader_begin(imp);
    case SNIFF_TLOG:
    case SNIFF_JOURNAL:
        TRY(wanted(imp, IMPORTER_TERMINAL, "tlog"));
        return importer_reader_begin(imp);
    case SNIFF_TAR:
        TRY(wanted(imp, IMPORTER_TERMINAL, "tar"));
        return importer_reader_begin(imp);
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
    case SNIFF_POSTHOG:
    case SNIFF_SENTRY:
        TRY(wanted(imp, IMPORTER_RRWEB, imp->format == SNIFF_SENTRY ? "sentry" : "posthog"));
        imp->foreign = true;
        o.shape = JSON_SHAPE_ARRAY;
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
        return importer_fail(imp, ERR_NOMEM, 0, 0, "reader");
    if (imp->format == SNIFF_RRWEB_ARRAY || imp->format == SNIFF_RRWEB_LINES || imp->foreign)
        return importer_emit_head(imp, SPAN("{}"));
    return ERR_OK;
}

static enum err scan(struct importer *imp, struct span in)
{
    struct json_error e;

    if (imp->reader != NULL)
        return importer_reader_feed(imp, in);
    if (imp->foreign)
        return importer_foreign_feed(imp, in);
    return json_scan_feed(imp->scan, in, &e) ? ERR_OK : importer_fail_json(imp, &e);
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

/* What is no JSON is decided by its first bytes. True: by more of them. */
static bool wait_for_bytes(struct importer *imp, bool whole)
{
    enum sniff_format format;
    const char *refusal = NULL;
    bool wait;

    if (imp->sniff.at > 0)
        return false;
    format = sniff_bytes(buf_span(&imp->seen), whole, &wait, &refusal);
    if (wait || format == SNIFF_MORE)
        return wait;
    imp->sniff.format = format;
    imp->sniff.refusal = refusal;
    return false;
}

/* Unpacked bytes. */
static enum err on_plain(void *ctx, struct span in, struct err_info *reterr)
{
    struct importer *imp = ctx;

    (void) reterr;
    if (imp->scan != NULL || imp->reader != NULL)
        return scan(imp, in);
    buf_add_span(&imp->seen, in);
    if (imp->seen.failed)
        return importer_fail(imp, ERR_NOMEM, 0, 0, "window");
    if (imp->seen.n < TAR_BLOCK || wait_for_bytes(imp, false))
        return ERR_OK;
    if (imp->sniff.format == SNIFF_MORE && sniff_feed(&imp->sniff, unsniffed(imp)) == SNIFF_MORE && imp->seen.n < SNIFF_WINDOW)
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
            return importer_fail(imp, code, 0, 0, e.text);
    }
    imp->unpack = unpack_new(codec, &imp->p.unpack);
    return imp->unpack != NULL ? ERR_OK : importer_fail(imp, ERR_NOMEM, 0, 0, "unpacker");
}

static enum err unpacked(struct importer *imp, struct span in)
{
    struct err_info e;
    enum err code = unpack_feed(imp->unpack, in, on_plain, imp, &e);

    return code == ERR_OK ? ERR_OK : importer_fail_unpack(imp, code, &e);
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

static enum err scan_foreign(struct importer *imp)
{
    struct buf events = BUF_INIT(0);
    struct json_error e;
    enum err code = importer_foreign_events(imp, &events);

    if (code == ERR_OK && !json_scan_feed(imp->scan, buf_span(&events), &e))
        code = importer_fail_json(imp, &e);
    buf_deinit(&events);
    return code;
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
        return importer_fail_unpack(imp, code, &e);
    if (imp->scan == NULL && imp->reader == NULL) {
        (void) wait_for_bytes(imp, true);
        (void) sniff_feed(&imp->sniff, unsniffed(imp));
        (void) sniff_decide(&imp->sniff);
        TRY(start_scan(imp));
    }
    if (imp->foreign)
        TRY(scan_foreign(imp));
    if (imp->reader != NULL)
        TRY(importer_reader_finish(imp));
    else if (!json_scan_finish(imp->scan, &je) && !(je.cause == JSON_E_EMPTY && imp->head_done))
        return importer_fail_json(imp, &je);
    return importer_emit_end(imp);
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
    if (imp->intake != NULL) {
        imp->res.n_masked = intake_counts(imp->intake)->masked;
        imp->res.n_sanitised = intake_counts(imp->intake)->sanitised;
        imp->res.masked_by = intake_counts(imp->intake)->hits;
    }
    imp->res.bytes_unpacked = unpack_out(imp->unpack);
    imp->res.markers = imp->markers;
    *ret = imp->res;
    return ERR_OK;
}
