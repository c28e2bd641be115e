/*
 * Other recorders' files: the same events and errors however the input is cut; head first, times that never fall, JSON that holds. The
 * first byte says what the rest is: a file as it is, or pieces (a NUL-separated list) that become the members of a tar, or lines of
 * a timing file.
 */
#include "codec/importer.h"
#include "codec/json.h"
#include "codec/parts.h"
#include "codec/tar_read.h"
#include "codec/timing.h"

#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MUST(cond)                                                                                                     \
    do {                                                                                                               \
        if (!(cond))                                                                                                   \
            abort();                                                                                                   \
    } while (0)

struct got {
    struct buf text;
    time_us seek;
    bool head;
    struct importer_error err;
};

static enum err on_head(void *ctx, struct span json, struct err_info *reterr)
{
    struct got *g = ctx;

    (void) reterr;
    MUST(!g->head && json_value(json).type == JSON_OBJECT);
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
    MUST(g->head && ev->seek_us >= g->seek && json_check(ev->json, &limits, &e));
    g->seek = ev->seek_us;
    buf_add_c(&g->text, '\n');
    buf_add_span(&g->text, ev->json);
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
    p.event_max = 1u << 20;
    p.on_head = on_head;
    p.on_event = on_event;
    p.ctx = g;
    imp = importer_new(&p);
    MUST(imp != NULL);
    for (size_t at = 0; code == ERR_OK && at < in.n; at += step)
        code = importer_feed(imp, span_sub(in, at, step));
    if (code == ERR_OK)
        code = importer_finish(imp, &r);
    MUST(code == importer_error(imp)->code);
    MUST(code != ERR_OK || r.format != NULL);
    g->err = *importer_error(imp);
    (void) importer_free(imp);
}

static void member(struct buf *tar, const char *name, struct span body)
{
    uint8_t h[TAR_BLOCK] = { 0 };
    unsigned sum = 0;

    (void) snprintf((char *) h, 100, "%s", name);
    (void) snprintf((char *) h + 124, 12, "%011o", (unsigned) body.n);
    h[156] = '0';
    memset(h + 148, ' ', 8);
    for (size_t i = 0; i < TAR_BLOCK; i++)
        sum += h[i];
    (void) snprintf((char *) h + 148, 8, "%06o", sum);
    buf_add(tar, h, TAR_BLOCK);
    buf_add_span(tar, body);
    while (tar->n % TAR_BLOCK != 0)
        buf_u8(tar, 0);
}

/* Pieces become members with names that somebody may use, in an order that the first byte chooses. */
static void bundle(struct span pieces, unsigned how, struct buf *tar)
{
    static const char *const sudo[] = { "log", "timing", "ttyout", "ttyin", "stdout", "log.json", "stderr", "stdin" };
    static const char *const script[] = { "timing", "typescript", "input", "x.log" };
    static const char *const v0[] = { "meta.json", "stdout.time", "stdout", "stdout-split" };
    const char *const *names = how % 3 == 0 ? sudo : how % 3 == 1 ? script : v0;
    size_t n = how % 3 == 0 ? 8 : 4, first = how / 3 % n;
    struct span piece;

    for (size_t i = 0; i < n && pieces.n > 0; i++) {
        (void) span_cut(pieces, '\0', &piece, &pieces);
        member(tar, names[(i + first) % n], piece);
    }
}

static void lines(struct span in)
{
    struct span line;
    struct timing t;

    while (in.n > 0) {
        (void) span_cut(in, '\n', &line, &in);
        for (enum timing_form f = TIMING_NONE; f <= TIMING_ADVANCED; f++)
            if (timing_line(f, line, &t, NULL) == ERR_OK)
                MUST(t.delay >= 0 && t.n <= 1ull << 53 && t.name.n <= line.n && t.value.n <= line.n);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span in = span_of(data, size), rest = span_sub(in, 1, size);
    struct buf tar = BUF_INIT(8u << 20);
    struct got whole, cut;

    if (size == 0)
        return 0;
    if (data[0] >= 0xc0) {
        lines(rest);
        return 0;
    }
    if (data[0] >= 0x40)
        bundle(rest, data[0], &tar);
    else
        buf_add_span(&tar, rest);
    run(buf_span(&tar), tar.n + 1, &whole);
    run(buf_span(&tar), 1 + data[size / 2] % 97, &cut);
    MUST(whole.err.code == cut.err.code || whole.err.code == ERR_CORRUPT || cut.err.code == ERR_CORRUPT);
    if (whole.err.code == cut.err.code && whole.err.code != ERR_CORRUPT && whole.err.code != ERR_LIMIT)
        MUST(span_eq(buf_span(&whole.text), buf_span(&cut.text)));
    buf_deinit(&whole.text);
    buf_deinit(&cut.text);
    buf_deinit(&tar);
    return 0;
}
