/* multipart: the first line is the Content-Type, then the body: the file's bytes are the same however it is cut. */
#include "imported.h"

#include "codec/multipart.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static enum err sink(void *ctx, struct span bytes)
{
    buf_add_span(ctx, bytes);
    return ERR_OK;
}

static enum err file_of(struct span type, struct span in, size_t step, struct buf *out)
{
    struct err_info e = { .code = ERR_OK };
    struct multipart m;
    enum err code = multipart_init(&m, type, "asciicast", &e);

    if (code == ERR_OK) {
        for (size_t at = 0; code == ERR_OK && at < in.n; at += step)
            code = multipart_feed(&m, span_sub(in, at, step), sink, out, &e);
        if (code == ERR_OK)
            code = multipart_finish(&m, &e);
    }
    MUST(code != ERR_NOMEM && (code == ERR_OK || e.text[0] != '\0'));
    multipart_deinit(&m);
    return code;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct buf whole = BUF_INIT(4u << 20), cut = BUF_INIT(4u << 20);
    struct span type, body = SPAN_EMPTY;
    enum err code;

    (void) span_cut(span_of(data, size), '\n', &type, &body);
    code = file_of(type, body, body.n + 1, &whole);
    MUST(code == file_of(type, body, 1 + (size > 0 ? data[size / 2] : 0) % 37, &cut));
    if (code == ERR_OK)
        MUST(span_eq(buf_span(&whole), buf_span(&cut)));
    buf_deinit(&whole);
    buf_deinit(&cut);
    return 0;
}
