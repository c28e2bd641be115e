#include "codec/importer_int.h"

#include <stdlib.h>

/* ---- out */

static enum err reveal(struct importer *imp, int64_t seq, struct span original)
{
    struct err_info e = { .code = ERR_OK };
    enum err code;

    if (original.n == 0 || imp->p.on_reveal == NULL)
        return ERR_OK;
    code = imp->p.on_reveal(imp->p.ctx, seq, original, &e);
    return code != ERR_OK ? importer_fail_callback(imp, code, &e) : ERR_OK;
}

static enum err emit(struct importer *imp, const struct importer_event *ev, struct span original)
{
    struct err_info e = { .code = ERR_OK };
    enum err code;

    TRY(reveal(imp, (int64_t) ev->seq, original));
    code = imp->p.on_event(imp->p.ctx, ev, &e);
    if (code != ERR_OK)
        return importer_fail_callback(imp, code, &e);
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

/* The stage, with the first thing that goes through it. */
static enum err intake_open(struct importer *imp)
{
    if (imp->p.rules == NULL || imp->intake != NULL)
        return ERR_OK;
    imp->intake = intake_new(imp->res.kind, imp->p.rules, imp->p.event_max);
    return imp->intake == NULL ? importer_fail(imp, ERR_NOMEM, 0, imp->offset, "masking") : ERR_OK;
}

enum err importer_emit_head(struct importer *imp, struct span json)
{
    struct intake_out out = { .ev.json = json };
    struct err_info e = { .code = ERR_OK };
    enum err code;

    imp->head_done = true;
    TRY(intake_open(imp));
    if (imp->intake != NULL) {
        code = intake_head(imp->intake, json, &out, &e);
        if (code != ERR_OK)
            return importer_fail_item(imp, code, &e);
        TRY(reveal(imp, -1, out.reveal));
        json = out.ev.json;
    }
    code = imp->p.on_head(imp->p.ctx, json, &e);
    return code != ERR_OK ? importer_fail_callback(imp, code, &e) : ERR_OK;
}

/* ---- terminals */

enum err importer_cast_begin(struct importer *imp, struct span head)
{
    struct err_info e;
    enum err code = asciicast_head(&imp->cast, head, &e);

    if (code != ERR_OK)
        return importer_fail_item(imp, code, &e);
    imp->res.cols = imp->cast.cols;
    imp->res.rows = imp->cast.rows;
    imp->res.started_at = imp->cast.started_at;
    if (imp->p.on_screen != NULL) {
        imp->screen = screen_new((int) imp->cast.cols, (int) imp->cast.rows);
        if (imp->screen == NULL)
            return importer_fail(imp, ERR_NOMEM, 0, 0, "terminal screen");
    }
    return ERR_OK;
}

/* A screen is due before the first event, and after enough time or output; not inside a sequence or character. */
static enum err screen_before(struct importer *imp, uint64_t seq, time_us seek)
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
    if (seq > 0 && seek - imp->screen_at < imp->p.screen_every_us && imp->screen_bytes < imp->p.screen_every_bytes)
        return ERR_OK;
    if (!screen_idle(imp->screen))
        return ERR_OK;
    buf_reset(&imp->text);
    screen_dump_init(imp->screen, &imp->text);
    if (imp->text.failed)
        return importer_fail(imp, ERR_NOMEM, 0, imp->offset, "terminal screen");
    out = (struct importer_screen){ seq, seek, buf_span(&imp->text), screen_cols(imp->screen),
                                    screen_rows(imp->screen) };
    code = imp->p.on_screen(imp->p.ctx, &out, &e);
    if (code != ERR_OK)
        return importer_fail_callback(imp, code, &e);
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
            return importer_fail(imp, ERR_NOMEM, 0, imp->offset, "markers");
        imp->markers = m;
    }
    buf_reset(&imp->text);
    if (!json_string_decode(raw, &imp->text))
        return importer_fail(imp, ERR_NOMEM, 0, imp->offset, "markers");
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

static enum err screen_after(struct importer *imp, const struct intake_item *ev, struct span data)
{
    if (ev->type == 'r' && imp->screen != NULL)
        screen_resize(imp->screen, (int) ev->cols, (int) ev->rows);
    if (ev->type != 'o' || imp->screen == NULL)
        return ERR_OK;
    buf_reset(&imp->text);
    if (!json_string_decode(data, &imp->text))
        return importer_fail(imp, ERR_NOMEM, 0, imp->offset, "terminal output");
    screen_feed(imp->screen, buf_span(&imp->text));
    imp->screen_bytes += imp->text.n;
    imp->out_bytes += imp->text.n;
    return ERR_OK;
}

/* The third element, as it is stored, when it is a string. */
static bool data_of(struct span json, struct span *ret)
{
    struct json_iter it = json_iter(json_value(json));
    struct json_value v;

    if (!json_next(&it, &v) || !json_next(&it, &v) || !json_next(&it, &v) || v.type != JSON_STRING)
        return false;
    *ret = v.raw;
    return true;
}

static enum err cast_out(struct importer *imp, const struct intake_out *in)
{
    const struct intake_item *ev = &in->ev;
    struct importer_event out = { .seq = ev->seq,
                                  .seek_us = seek_of(imp, ev->own_us),
                                  .own_us = ev->own_us,
                                  .json = ev->json,
                                  .type = ev->type,
                                  .source = -1,
                                  .line = ev->line };
    struct span data = SPAN_EMPTY;

    (void) data_of(ev->json, &data); /* a marker may be without */
    TRY(screen_before(imp, out.seq, out.seek_us));
    TRY(emit(imp, &out, in->reveal));
    if (ev->type == 'm')
        TRY(marker(imp, out.seek_us, data));
    return screen_after(imp, ev, data);
}

static enum err cast_ready(struct importer *imp)
{
    struct intake_out out;

    while (intake_take(imp->intake, &out))
        TRY(cast_out(imp, &out));
    return ERR_OK;
}

static enum err cast_item(struct importer *imp, struct span json)
{
    struct asciicast_event ev;
    struct intake_out out;
    struct err_info e;
    enum err code = asciicast_event(&imp->cast, json, &ev, &e);

    if (code != ERR_OK)
        return importer_fail_item(imp, code, &e);
    out = (struct intake_out){ .ev = { .json = ev.json,
                                       .seq = imp->seq++,
                                       .type = ev.code,
                                       .source = -1,
                                       .own_us = ev.own_us,
                                       .line = imp->line,
                                       .cols = ev.cols,
                                       .rows = ev.rows } };
    TRY(intake_open(imp));
    if (imp->intake == NULL)
        return cast_out(imp, &out);
    code = intake_add(imp->intake, &out.ev, &e);
    return code != ERR_OK ? importer_fail_item(imp, code, &e) : cast_ready(imp);
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
    return emit(imp, &imp->meta, buf_span(&imp->meta_reveal));
}

static enum err rrweb_out(struct importer *imp, const struct intake_out *in)
{
    const struct intake_item *ev = &in->ev;
    struct importer_event out = {
        .seq = ev->seq, .own_us = ev->own_us, .json = ev->json, .type = ev->type, .source = ev->source, .line = ev->line
    };

    TRY(meta_out(imp, ev->type == RRWEB_FULL));
    out.seek_us = seek_of(imp, ev->own_us);
    out.keyframe = ev->type == RRWEB_FULL && !imp->meta_before;
    imp->meta_before = ev->type == RRWEB_META;
    if (ev->type != RRWEB_META)
        return emit(imp, &out, in->reveal);
    buf_reset(&imp->meta_json);
    buf_add_span(&imp->meta_json, ev->json);
    buf_reset(&imp->meta_reveal);
    buf_add_span(&imp->meta_reveal, in->reveal);
    if (imp->meta_json.failed || imp->meta_reveal.failed)
        return importer_fail(imp, ERR_NOMEM, 0, imp->offset, "event");
    imp->meta = out;
    imp->meta_waits = true;
    return ERR_OK;
}

static enum err rrweb_item(struct importer *imp, struct span json, const struct json_token *tokens)
{
    struct rrweb_event ev;
    struct intake_out out;
    struct err_info e;
    enum err code = rrweb_value(&imp->rrweb, json_tape_value(tokens, json), &ev, &e);

    if (code == ERR_INVAL && imp->seq == 0 && imp->format != SNIFF_RRWEB_LINES)
        return importer_fail(imp, ERR_UNSUPPORTED, imp->line, imp->offset,
                             "an array of something other than rrweb events; " SNIFF_KNOWN);
    if (code != ERR_OK)
        return importer_fail_item(imp, code, &e);
    if (imp->rrweb.packed_out > imp->p.unpack.out_max)
        return importer_fail_limit(imp, imp->line, imp->offset, "packed events unpack to too much", "unpacked-size",
                                   imp->p.unpack.out_max);
    out = (struct intake_out){ .ev = { .json = ev.json,
                                       .tokens = ev.tokens,
                                       .seq = imp->seq++,
                                       .type = ev.type,
                                       .source = ev.source,
                                       .own_us = ev.own_us,
                                       .line = imp->line } };
    TRY(intake_open(imp));
    if (imp->intake == NULL)
        return rrweb_out(imp, &out);
    code = intake_add(imp->intake, &out.ev, &e);
    if (code != ERR_OK)
        return importer_fail_item(imp, code, &e);
    while (intake_take(imp->intake, &out))
        TRY(rrweb_out(imp, &out));
    return ERR_OK;
}

/* ---- either */

enum err importer_item(struct importer *imp, struct span json, const struct json_token *tokens)
{
    return imp->res.kind == IMPORTER_TERMINAL ? cast_item(imp, json) : rrweb_item(imp, json, tokens);
}

enum err importer_emit_end(struct importer *imp)
{
    struct err_info e;
    enum err code;

    if (imp->intake != NULL && imp->res.kind == IMPORTER_TERMINAL) {
        code = intake_flush(imp->intake, &e);
        if (code != ERR_OK)
            return importer_fail_item(imp, code, &e);
        TRY(cast_ready(imp));
    }
    return meta_out(imp, false);
}
