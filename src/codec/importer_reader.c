#include <stdlib.h>

#include "codec/importer_int.h"

/* Formats that a reader turns into asciicast v2: head and events take the same way as a .cast file's. */

static void here(struct importer *imp)
{
    imp->line = imp->reader->line;
    imp->offset = imp->reader->offset;
}

static enum err on_head(void *ctx, struct span json, struct err_info *reterr)
{
    struct importer *imp = ctx;
    enum err code;

    here(imp);
    code = importer_cast_begin(imp, json);
    if (code == ERR_OK)
        code = importer_emit_head(imp, json);
    return code == ERR_OK ? ERR_OK : ERR_RAISE(reterr, code, "%s", imp->err.cause);
}

static enum err on_event(void *ctx, struct span json, struct err_info *reterr)
{
    struct importer *imp = ctx;
    enum err code;

    here(imp);
    code = importer_item(imp, json, NULL);
    return code == ERR_OK ? ERR_OK : ERR_RAISE(reterr, code, "%s", imp->err.cause);
}

enum err importer_reader_begin(struct importer *imp)
{
    struct castout *out = malloc(sizeof(*out));

    if (out == NULL)
        return importer_fail(imp, ERR_NOMEM, 0, 0, "reader");
    castout_init(out, (struct castout_sink){ on_head, on_event, imp });
    imp->castout = out;
    if (imp->format == SNIFF_TAR)
        imp->reader = bundle_new(out, &(struct bundle_limits){ BUNDLE_HOLD, BUNDLE_TIMING, imp->p.unpack, &imp->res.bytes_in });
    else if (imp->format == SNIFF_TLOG || imp->format == SNIFF_JOURNAL)
        imp->reader = tlog_new(out, imp->format == SNIFF_TLOG ? TLOG_LINES : TLOG_JOURNAL, SPAN_EMPTY);
    else
        imp->reader = ttyrec_new(out, imp->format == SNIFF_TTYREC_12 ? 12 : 13);
    return imp->reader != NULL ? ERR_OK : importer_fail(imp, ERR_NOMEM, 0, 0, "reader");
}

/* An error of head or event is there already, and stays. */
static enum err failed(struct importer *imp, enum err code, const struct err_info *e)
{
    const struct reader *r = imp->reader;

    if (code == ERR_OK || imp->err.code != ERR_OK)
        return code == ERR_OK ? ERR_OK : imp->err.code;
    if (code == ERR_LIMIT)
        return importer_fail_limit(imp, r->line, r->offset, e->text, r->limit != NULL ? r->limit : "unpacked-size",
                                   r->limit != NULL ? r->limit_value : imp->p.unpack.out_max);
    return importer_fail(imp, code, r->line, r->offset, e->text);
}

enum err importer_reader_feed(struct importer *imp, struct span in)
{
    struct err_info e = { .code = ERR_OK };

    return failed(imp, imp->reader->feed(imp->reader, in, &e), &e);
}

enum err importer_reader_finish(struct importer *imp)
{
    struct err_info e = { .code = ERR_OK };

    TRY(failed(imp, imp->reader->finish(imp->reader, &e), &e));
    if (imp->format == SNIFF_TAR)
        imp->res.format = bundle_format(imp->reader);
    return ERR_OK;
}
