/* unpack: the first byte chooses the coding; whole and in pieces must agree, and no limit is passed. */
#include "codec/unpack.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MUST(cond)                                                                                                     \
    do {                                                                                                               \
        if (!(cond))                                                                                                   \
            abort();                                                                                                   \
    } while (0)

#define OUT_MAX (1u << 20)

static enum err append(void *ctx, struct span out, struct err_info *reterr)
{
    (void) reterr;
    buf_add_span(ctx, out);
    return ERR_OK;
}

static enum err run(enum unpack_codec codec, struct span in, size_t step, struct buf *out)
{
    struct unpack_limits limits = { OUT_MAX, 4096, 1000, 20 };
    struct unpack *u = unpack_new(codec, &limits);
    enum err code = u != NULL ? ERR_OK : ERR_NOMEM;

    for (size_t at = 0; code == ERR_OK && at < in.n; at += step)
        code = unpack_feed(u, span_sub(in, at, step), append, out, NULL);
    if (code == ERR_OK)
        code = unpack_finish(u, NULL);
    MUST(out->n <= OUT_MAX + 32768);
    MUST(code == ERR_OK || code == ERR_LIMIT || code == ERR_CORRUPT);
    unpack_free(u);
    return code;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct buf whole = BUF_INIT(4u << 20), cut = BUF_INIT(4u << 20);
    struct span in = span_sub(span_of(data, size), 1, size);
    enum unpack_codec codec;
    enum err a, b;

    if (size < 2)
        return 0;
    codec = (enum unpack_codec)(data[0] % 4);
    a = run(codec, in, size, &whole);
    b = run(codec, in, 1 + data[0] / 4, &cut);
    /* The ratio is looked at between pieces, so a limit may depend on them; nothing else does. */
    MUST((a == ERR_OK) == (b == ERR_OK) || a == ERR_LIMIT || b == ERR_LIMIT);
    if (a == ERR_OK && b == ERR_OK)
        MUST(span_eq(buf_span(&whole), buf_span(&cut)));
    (void) unpack_sniff(in, &codec, NULL);
    buf_deinit(&whole);
    buf_deinit(&cut);
    return 0;
}
