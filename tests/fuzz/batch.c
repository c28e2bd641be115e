/* batch: the same frames and errors however a body is cut; frames are whole; a refused batch says why. */
#include "codec/batch.h"
#include "codec/json.h"

#include <stdlib.h>

#include <zstd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MUST(cond)                                                                                                     \
    do {                                                                                                               \
        if (!(cond))                                                                                                   \
            abort();                                                                                                   \
    } while (0)

struct got {
    struct buf text;
    struct batch_state state;
    struct importer_error err;
};

static void check_line(struct span line)
{
    struct json_limits limits = json_limits_event();
    struct json_error e;

    MUST(line.n > 0 && json_check(line, &limits, &e));
}

static void take(struct got *g, const struct batch_out *out)
{
    uint64_t seq = g->state.next_seq;

    for (size_t i = 0; i < out->n_frames; i++) {
        const struct batch_frame *f = &out->frames[i];
        uint8_t *to = buf_reserve(&g->text, f->raw + 1);
        struct span rest = span_of(to, f->raw), line;
        uint32_t n = 0;

        MUST(to != NULL && f->first_seq == seq && (!f->head || (i == 0 && f->n_events == 0)));
        MUST(ZSTD_decompress(to, f->raw, f->zstd.p, f->zstd.n) == f->raw);
        g->text.n += f->raw;
        seq += f->n_events;
        if (f->head) {
            check_line(rest);
            continue;
        }
        while (span_cut(rest, '\n', &line, &rest)) {
            check_line(line);
            n++;
        }
        MUST(n == f->n_events && rest.n == 0 && (n == 1 || f->raw <= BATCH_FRAME_MAX));
    }
    MUST(out->after.next_seq == seq && out->after.seek >= g->state.seek);
    g->state = out->after;
}

/* data: how it is cut, kind and coding, then bodies with 0xfe between them. */
static void run(struct span in, enum importer_kind kind, enum unpack_codec codec, size_t step, struct got *g)
{
    bool more = true;

    *g = (struct got){ .text = BUF_INIT(256u << 20), .state = batch_state_new(kind) };
    while (more && g->err.code == ERR_OK) {
        struct batch *b = batch_new(&g->state, codec, SPAN_EMPTY, NULL);
        struct batch_out out;
        struct span body;
        enum err e = ERR_OK;

        MUST(b != NULL);
        more = span_cut(in, (char) 0xfe, &body, &in);
        for (size_t at = 0; at < body.n && e == ERR_OK; at += step) {
            struct span part = span_sub(body, at, step);

            while (e == ERR_OK && (part.n > 0 || batch_more(b)))
                e = batch_step(b, &part);
        }
        if (e == ERR_OK)
            e = batch_finish(b, &out);
        MUST(e == batch_error(b)->code);
        if (e == ERR_OK)
            take(g, &out);
        g->err = *batch_error(b);
        (void) batch_free(b);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct got whole, cut;
    enum importer_kind kind;
    enum unpack_codec codec;
    struct span in;

    if (size < 2)
        return 0;
    kind = (data[0] & 1) == 0 ? IMPORTER_TERMINAL : IMPORTER_RRWEB;
    codec = (data[0] & 14) < 8 ? UNPACK_IDENTITY : (enum unpack_codec) (data[0] >> 1 & 3);
    in = span_of(data + 2, size - 2);
    run(in, kind, codec, size, &whole);
    run(in, kind, codec, 1 + data[1] % 9, &cut);
    MUST(whole.err.code == cut.err.code || codec != UNPACK_IDENTITY);
    if (whole.err.code == cut.err.code && codec == UNPACK_IDENTITY && whole.err.code != ERR_LIMIT) {
        MUST(whole.err.line == cut.err.line);
        MUST(span_eq(buf_span(&whole.text), buf_span(&cut.text)));
    }
    buf_deinit(&whole.text);
    buf_deinit(&cut.text);
    return 0;
}
