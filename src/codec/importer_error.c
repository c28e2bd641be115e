#include "codec/importer_int.h"

#include <stdio.h>

enum err importer_fail(struct importer *imp, enum err code, uint64_t line, uint64_t offset, const char *cause)
{
    if (imp->err.code != ERR_OK)
        return imp->err.code;
    imp->err.code = code;
    imp->err.line = line;
    imp->err.offset = offset;
    (void) snprintf(imp->err.cause, sizeof(imp->err.cause), "%s", cause);
    return code;
}

enum err importer_fail_limit(struct importer *imp, uint64_t line, uint64_t offset, const char *cause, const char *limit,
                             uint64_t value)
{
    if (imp->err.code == ERR_OK) {
        imp->err.limit = limit;
        imp->err.limit_value = value;
    }
    return importer_fail(imp, ERR_LIMIT, line, offset, cause);
}

/* About the item being handled. */
enum err importer_fail_item(struct importer *imp, enum err code, const struct err_info *e)
{
    if (code == ERR_LIMIT)
        return importer_fail_limit(imp, imp->line, imp->offset, e->text, "event-too-large", imp->p.event_max);
    return importer_fail(imp, code, imp->line, imp->offset, e->text);
}

/* Of a callback: its code and text go up, it is not about the input. */
enum err importer_fail_callback(struct importer *imp, enum err code, const struct err_info *e)
{
    return importer_fail(imp, code, 0, imp->offset, e->text);
}

enum err importer_fail_json(struct importer *imp, const struct json_error *e)
{
    switch (e->cause) {
    case JSON_E_STOPPED:
        if (imp->err.code != ERR_OK)
            return imp->err.code;
        break;
    case JSON_E_NOMEM: return importer_fail(imp, ERR_NOMEM, e->line, e->offset, e->text);
    case JSON_E_DEPTH: return importer_fail_limit(imp, e->line, e->offset, e->text, "depth", e->limit);
    case JSON_E_MEMBERS: return importer_fail_limit(imp, e->line, e->offset, e->text, "members", e->limit);
    case JSON_E_NUMBER_LEN: return importer_fail_limit(imp, e->line, e->offset, e->text, "number", e->limit);
    case JSON_E_STRING_LEN:
    case JSON_E_EVENT_BYTES:
        return importer_fail_limit(imp, e->line, e->offset, "event-too-large", "event-too-large", imp->p.event_max);
    case JSON_E_BYTES: return importer_fail_limit(imp, e->line, e->offset, e->text, "unpacked-size", e->limit);
    case JSON_OK:
    case JSON_E_EMPTY:
    case JSON_E_TRUNCATED:
    case JSON_E_ENCODING:
    case JSON_E_VALUE:
    case JSON_E_NAME:
    case JSON_E_COLON:
    case JSON_E_COMMA:
    case JSON_E_LITERAL:
    case JSON_E_NUMBER:
    case JSON_E_CONTROL:
    case JSON_E_ESCAPE:
    case JSON_E_SURROGATE:
    case JSON_E_NUL:
    case JSON_E_UTF8:
    case JSON_E_TRAILING:
    case JSON_E_DUPLICATE:
    case JSON_E_SHAPE: break;
    }
    return importer_fail(imp, ERR_INVAL, e->line, e->offset, e->text);
}

enum err importer_fail_unpack(struct importer *imp, enum err code, const struct err_info *e)
{
    uint64_t out = imp->unpack != NULL ? unpack_out(imp->unpack) : 0;

    if (imp->err.code != ERR_OK) /* the sink's own */
        return imp->err.code;
    if (code != ERR_LIMIT)
        return importer_fail(imp, code, 0, out, e->text);
    switch (unpack_hit(imp->unpack)) {
    case UNPACK_HIT_RATIO: return importer_fail_limit(imp, 0, out, e->text, "ratio", imp->p.unpack.ratio_max);
    case UNPACK_HIT_WINDOW:
        return importer_fail_limit(imp, 0, out, e->text, "zstd-window", 1ull << imp->p.unpack.zstd_window_log);
    case UNPACK_HIT_OUTPUT:
    case UNPACK_HIT_NONE: break;
    }
    return importer_fail_limit(imp, 0, out, e->text, "unpacked-size", imp->p.unpack.out_max);
}
