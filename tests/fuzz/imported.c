#include "imported.h"

#include <stdio.h>
#include <zlib.h>

#include "base/utf8.h"
#include "codec/json.h"
#include "codec/mask.h"
#include "../lib/tar.h"

struct imported_opts imported_opts(void)
{
    return (struct imported_opts){ .event_max = 1u << 20, .hold_max = 1u << 20 };
}

static void valid(struct span json)
{
    struct json_limits limits = json_limits_event();
    struct json_error e;

    limits.depth = 256; /* a mask may say a string's JSON again, nested */
    MUST(json_check(json, &limits, &e));
}

static enum err on_head(void *ctx, struct span json, struct err_info *reterr)
{
    struct imported *g = ctx;

    (void) reterr;
    MUST(!g->head && json_value(json).type == JSON_OBJECT);
    valid(json);
    g->head = true;
    buf_add_span(&g->text, json);
    return ERR_OK;
}

static enum err on_event(void *ctx, const struct importer_event *ev, struct err_info *reterr)
{
    struct imported *g = ctx;

    (void) reterr;
    MUST(g->head && ev->seq == g->next && ev->seek_us >= g->seek && ev->seek_us >= ev->own_us);
    MUST(utf8_valid(ev->json));
    valid(ev->json);
    g->next++;
    g->seek = ev->seek_us;
    buf_addf(&g->text, "\n%lld %d ", (long long) ev->own_us, ev->keyframe);
    buf_add_span(&g->text, ev->json);
    return ERR_OK;
}

static enum err on_reveal(void *ctx, int64_t seq, struct span original, struct err_info *reterr)
{
    struct imported *g = ctx;

    (void) reterr;
    MUST(seq == -1 ? !g->head : seq == (int64_t) g->next);
    valid(original);
    buf_addf(&g->text, "\n<%lld ", (long long) seq);
    buf_add_span(&g->text, original);
    return ERR_OK;
}

static enum err on_screen(void *ctx, const struct importer_screen *screen, struct err_info *reterr)
{
    struct imported *g = ctx;

    (void) reterr;
    MUST(screen->seq == g->next && screen->at_us >= g->seek && screen->cols > 0 && screen->rows > 0);
    MUST(utf8_valid(screen->init));
    buf_add_c(&g->text, '\n');
    buf_add_span(&g->text, screen->init);
    return ERR_OK;
}

static struct mask_rules *some_rules(void)
{
    static struct mask_rules *rules;
    struct err_info e;

    if (rules == NULL) {
        MUST(mask_init(&e) == ERR_OK);
        MUST(mask_rules_load(SPAN("reveal = keep\nterminal { typed = all }"), &rules, &e) == ERR_OK);
    }
    return rules;
}

static void markers(const struct importer_result *r)
{
    MUST(r->n_markers <= IMPORTER_MARKERS_MAX);
    for (size_t i = 0; i < r->n_markers; i++)
        MUST(strlen(r->markers[i].label) <= IMPORTER_MARKER_LABEL_MAX && utf8_valid(span_str(r->markers[i].label)));
}

void imported_run(struct span in, size_t step, const struct imported_opts *o, struct imported *g)
{
    struct importer_params p = importer_defaults();
    struct importer *imp;
    enum err code = ERR_OK;

    *g = (struct imported){ .text = BUF_INIT(256u << 20) };
    p.kind = o->kind;
    p.unpack.out_max = 4u << 20;
    p.event_max = o->event_max;
    p.hold_max = o->hold_max;
    p.screen_work = 2000000;
    p.rules = o->masked ? some_rules() : NULL;
    p.on_head = on_head;
    p.on_event = on_event;
    p.on_reveal = on_reveal;
    p.on_screen = o->screens ? on_screen : NULL;
    p.ctx = g;
    imp = importer_new(&p);
    MUST(imp != NULL);
    for (size_t at = 0; code == ERR_OK && at < in.n; at += step)
        code = importer_feed(imp, span_sub(in, at, step));
    if (code == ERR_OK)
        code = importer_finish(imp, &g->result);
    MUST(code == importer_error(imp)->code && code != ERR_NOMEM && code != ERR_STATE && !g->text.failed);
    g->err = *importer_error(imp);
    if (code == ERR_OK) {
        MUST(g->result.format != NULL && g->head && g->result.n_events == g->next && g->result.duration_us == g->seek);
        MUST(o->kind == IMPORTER_ANY || g->result.kind == o->kind);
        markers(&g->result);
    } else {
        MUST(g->err.cause[0] != '\0' && utf8_valid(span_str(g->err.cause)) && (code != ERR_LIMIT || g->err.limit != NULL));
    }
    g->result.markers = NULL;
    (void) importer_free(imp);
}

void imported_deinit(struct imported *g)
{
    buf_deinit(&g->text);
}

enum err imported_both(struct span in, size_t step, const struct imported_opts *o)
{
    struct imported whole, cut;
    enum err code;

    imported_run(in, in.n + 1, o, &whole);
    imported_run(in, step, o, &cut);
    code = whole.err.code;
    /* Damage and the ratio of unpacking are noticed at a piece's end, not at a byte. */
    if (code != ERR_CORRUPT && cut.err.code != ERR_CORRUPT && code != ERR_LIMIT && cut.err.code != ERR_LIMIT) {
        MUST(code == cut.err.code && whole.err.line == cut.err.line && strcmp(whole.err.cause, cut.err.cause) == 0);
        MUST(span_eq(buf_span(&whole.text), buf_span(&cut.text)));
    }
    imported_deinit(&whole);
    imported_deinit(&cut);
    return code;
}

void imported_member(struct buf *tar, const char *name, struct span body)
{
    tar_add_member(tar, '0', name, body);
}

void imported_pack(struct span in, bool gzip, struct buf *out)
{
    z_stream z = { 0 };
    size_t room = in.n + 1024;
    uint8_t *to = buf_reserve(out, room);

    MUST(to != NULL && deflateInit2(&z, 1, Z_DEFLATED, gzip ? 31 : 15, 8, Z_DEFAULT_STRATEGY) == Z_OK);
    z.next_in = (Bytef *) (uintptr_t) in.p;
    z.avail_in = (uInt) in.n;
    z.next_out = to;
    z.avail_out = (uInt) room;
    MUST(deflate(&z, Z_FINISH) == Z_STREAM_END);
    out->n += room - z.avail_out;
    (void) deflateEnd(&z);
}
