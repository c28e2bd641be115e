/*
 * tlog: the first byte says lines or journal, then the file as it is. Taken apart, each message is one of what is named, and an import of
 * one recording's messages alone comes to what the whole file comes to when it has only that one.
 */
#include "imported.h"

#include "base/utf8.h"
#include "codec/json.h"
#include "codec/tlog.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct apart {
    struct buf text; /* of the first recording's messages */
    struct buf rec;
    size_t n, others;
};

static enum err on_message(void *ctx, struct span rec, struct span json, struct err_info *reterr)
{
    struct json_limits limits = json_limits_event();
    struct apart *a = ctx;
    struct json_error e;

    (void) reterr;
    MUST(utf8_valid(rec) && json_check(json, &limits, &e) && json_value(json).type == JSON_OBJECT);
    if (a->n++ == 0)
        buf_add_span(&a->rec, rec);
    if (!span_eq(rec, buf_span(&a->rec))) {
        a->others++;
        return ERR_OK;
    }
    buf_add_span(&a->text, json);
    buf_add_c(&a->text, '\n');
    return ERR_OK;
}

static enum err split(enum tlog_shape shape, struct span in, size_t step, struct apart *a)
{
    struct reader *r = tlog_split(shape, on_message, a);
    struct err_info e = { .code = ERR_OK };
    enum err code = ERR_OK;

    *a = (struct apart){ .text = BUF_INIT(16u << 20), .rec = BUF_INIT(1u << 20) };
    MUST(r != NULL);
    for (size_t at = 0; code == ERR_OK && at < in.n; at += step)
        code = r->feed(r, span_sub(in, at, step), &e);
    if (code == ERR_OK)
        code = r->finish(r, &e);
    (void) reader_free(r);
    return code;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct imported_opts o = imported_opts();
    struct span in = span_sub(span_of(data, size), 1, size);
    size_t step = size > 0 ? 1 + data[size / 2] % 61 : 1;
    struct apart whole, cut;
    enum tlog_shape shape;
    enum err code, imported;

    if (size < 1)
        return 0;
    shape = data[0] & 1 ? TLOG_JOURNAL : TLOG_LINES;
    code = split(shape, in, in.n + 1, &whole);
    MUST(code == split(shape, in, step, &cut));
    MUST(span_eq(buf_span(&whole.text), buf_span(&cut.text)) && whole.n == cut.n && whole.others == cut.others);
    o.kind = IMPORTER_TERMINAL;
    o.masked = data[0] & 2;
    imported = imported_both(in, step, &o);
    if (imported == ERR_OK && code == ERR_OK && whole.n > 0 && whole.others == 0)
        MUST(imported_both(buf_span(&whole.text), step, &o) == ERR_OK);
    buf_deinit(&whole.text);
    buf_deinit(&whole.rec);
    buf_deinit(&cut.text);
    buf_deinit(&cut.rec);
    return 0;
}
