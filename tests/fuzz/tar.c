/*
 * tar: the same members and bytes however it is cut, sizes as announced; then the same bytes as a whole import (bundle). The first byte:
 * what is masked.
 */
#include "imported.h"

#include "codec/tar_read.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct seen {
    struct buf text;
    uint64_t announced, got;
    bool open;
};

static enum err on_file(void *ctx, struct span name, uint64_t size, struct err_info *reterr)
{
    struct seen *s = ctx;

    (void) reterr;
    MUST(!s->open && name.n <= TAR_NAME_MAX && size < 1ull << 53);
    s->open = true;
    s->announced = size;
    s->got = 0;
    buf_addf(&s->text, "\n%llu ", (unsigned long long) size);
    buf_add_span(&s->text, name);
    buf_add_c(&s->text, '\n');
    return ERR_OK;
}

static enum err on_bytes(void *ctx, struct span bytes, struct err_info *reterr)
{
    struct seen *s = ctx;

    (void) reterr;
    MUST(s->open && bytes.n > 0);
    s->got += bytes.n;
    MUST(s->got <= s->announced);
    buf_add_span(&s->text, bytes);
    return ERR_OK;
}

static enum err on_end(void *ctx, struct err_info *reterr)
{
    struct seen *s = ctx;

    (void) reterr;
    MUST(s->open && s->got == s->announced);
    s->open = false;
    return ERR_OK;
}

static enum err members(struct span in, size_t step, struct seen *s)
{
    struct err_info e = { .code = ERR_OK };
    enum err code = ERR_OK;
    struct tar_read t;

    *s = (struct seen){ .text = BUF_INIT(16u << 20) };
    tar_read_init(&t);
    t.on_file = on_file;
    t.on_bytes = on_bytes;
    t.on_end = on_end;
    t.ctx = s;
    for (size_t at = 0; code == ERR_OK && at < in.n; at += step)
        code = tar_read_feed(&t, span_sub(in, at, step), &e);
    MUST(t.offset <= in.n && (code != ERR_OK || t.ended || t.offset == in.n));
    if (code == ERR_OK)
        code = tar_read_finish(&t, &e);
    MUST(code == ERR_OK ? !s->open : e.text[0] != '\0');
    tar_read_deinit(&t);
    return code;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct imported_opts o = imported_opts();
    struct span in = span_sub(span_of(data, size), 1, size);
    size_t step = size > 0 ? 1 + data[size / 2] % 97 : 1;
    struct seen whole, cut;

    if (size < 1)
        return 0;
    MUST(members(in, in.n + 1, &whole) == members(in, step, &cut));
    MUST(span_eq(buf_span(&whole.text), buf_span(&cut.text)));
    buf_deinit(&whole.text);
    buf_deinit(&cut.text);
    o.masked = data[0] & 1;
    (void) imported_both(in, step, &o);
    return 0;
}
