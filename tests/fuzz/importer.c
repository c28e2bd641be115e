/* importer: the same events, screens and errors however the input is cut; order and times hold; what comes out is JSON.
 */
#include "codec/importer.h"
#include "codec/json.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MUST(cond)                                                                                                     \
    do {                                                                                                               \
        if (!(cond))                                                                                                   \
            abort();                                                                                                   \
    } while (0)

struct got {
    struct buf text;
    uint64_t next;
    time_us seek;
    bool head;
    struct importer_error err;
};

static enum err on_head(void *ctx, struct span json, struct err_info *reterr)
{
    struct got *g = ctx;

    (void) reterr;
    MUST(!g->head);
    MUST(json_value(json).type == JSON_OBJECT);
    g->head = true;
    buf_add_span(&g->text, json);
    return ERR_OK;
}

static enum err on_event(void *ctx, const struct importer_event *ev, struct err_info *reterr)
{
    struct json_limits limits = json_limits_event();
    struct got *g = ctx;
    struct json_error e;

    (void) reterr;
    MUST(g->head && ev->seq == g->next && ev->seek_us >= g->seek && ev->seek_us >= ev->own_us);
    MUST(json_check(ev->json, &limits, &e));
    g->next++;
    g->seek = ev->seek_us;
    buf_addf(&g->text, "\n%lld %d ", (long long) ev->own_us, ev->keyframe);
    buf_add_span(&g->text, ev->json);
    return ERR_OK;
}

static enum err on_screen(void *ctx, const struct importer_screen *screen, struct err_info *reterr)
{
    struct got *g = ctx;

    (void) reterr;
    MUST(screen->seq == g->next && screen->at_us >= g->seek);
    buf_add_c(&g->text, '\n');
    buf_add_span(&g->text, screen->init);
    return ERR_OK;
}

static void run(struct span in, size_t step, struct got *g)
{
    struct importer_params p = importer_defaults();
    struct importer_result r;
    struct importer *imp;
    enum err code = ERR_OK;

    *g = (struct got){ .text = BUF_INIT(64u << 20) };
    p.unpack.out_max = 4u << 20;
    p.event_max = 65536;
    p.hold_max = 2000;
    p.screen_work = 2000000;
    p.on_head = on_head;
    p.on_event = on_event;
    p.on_screen = on_screen;
    p.ctx = g;
    imp = importer_new(&p);
    MUST(imp != NULL);
    for (size_t at = 0; code == ERR_OK && at < in.n; at += step)
        code = importer_feed(imp, span_sub(in, at, step));
    if (code == ERR_OK)
        code = importer_finish(imp, &r);
    MUST(code == importer_error(imp)->code);
    if (code == ERR_OK)
        MUST(r.n_events == g->next && r.duration_us == g->seek);
    g->err = *importer_error(imp);
    (void) importer_free(imp);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct got whole, cut;

    run(span_of(data, size), size + 1, &whole);
    run(span_of(data, size), size > 0 ? 1 + data[size / 2] % 9 : 1, &cut);
    MUST(whole.err.code == cut.err.code || whole.err.code == ERR_CORRUPT || cut.err.code == ERR_CORRUPT);
    if (whole.err.code == cut.err.code && whole.err.code != ERR_CORRUPT && whole.err.code != ERR_LIMIT) {
        MUST(whole.err.line == cut.err.line);
        MUST(span_eq(buf_span(&whole.text), buf_span(&cut.text)));
    }
    buf_deinit(&whole.text);
    buf_deinit(&cut.text);
    return 0;
}
