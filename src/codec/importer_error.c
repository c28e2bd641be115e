#include "codec/importer_int.h"

#include "codec/sanitize.h"

#include <stdio.h>

enum err importer_error_set(struct importer_error *err, enum err code, uint64_t line, uint64_t offset, const char *cause)
{
    if (err->code != ERR_OK)
        return err->code;
    err->code = code;
    err->line = line;
    err->offset = offset;
    (void) snprintf(err->cause, sizeof(err->cause), "%s", cause);
    return code;
}

enum err importer_error_limit(struct importer_error *err, uint64_t line, uint64_t offset, const char *cause,
                              const char *limit, uint64_t value)
{
    if (err->code == ERR_OK) {
        err->limit = limit;
        err->limit_value = value;
    }
    return importer_error_set(err, ERR_LIMIT, line, offset, cause);
}

enum err importer_error_json(struct importer_error *err, const struct json_error *e, uint64_t event_max)
{
    switch (e->cause) {
    case JSON_E_STOPPED:
        if (err->code != ERR_OK)
            return err->code;
        break;
    case JSON_E_NOMEM: return importer_error_set(err, ERR_NOMEM, e->line, e->offset, e->text);
    case JSON_E_DEPTH: return importer_error_limit(err, e->line, e->offset, e->text, "depth", e->limit);
    case JSON_E_MEMBERS: return importer_error_limit(err, e->line, e->offset, e->text, "members", e->limit);
    case JSON_E_NUMBER_LEN: return importer_error_limit(err, e->line, e->offset, e->text, "number", e->limit);
    case JSON_E_STRING_LEN:
    case JSON_E_EVENT_BYTES:
        return importer_error_limit(err, e->line, e->offset, "event-too-large", "event-too-large", event_max);
    case JSON_E_BYTES: return importer_error_limit(err, e->line, e->offset, e->text, "unpacked-size", e->limit);
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
    return importer_error_set(err, ERR_INVAL, e->line, e->offset, e->text);
}

enum err importer_error_unpack(struct importer_error *err, enum err code, const struct err_info *e,
                               const struct unpack *u, const struct unpack_limits *limits)
{
    uint64_t out = u != NULL ? unpack_out(u) : 0;

    if (err->code != ERR_OK) /* the sink's own */
        return err->code;
    if (code != ERR_LIMIT || u == NULL)
        return importer_error_set(err, code, 0, out, e->text);
    switch (unpack_hit(u)) {
    case UNPACK_HIT_RATIO: return importer_error_limit(err, 0, out, e->text, "ratio", limits->ratio_max);
    case UNPACK_HIT_WINDOW:
        return importer_error_limit(err, 0, out, e->text, "zstd-window", 1ull << limits->zstd_window_log);
    case UNPACK_HIT_OUTPUT:
    case UNPACK_HIT_NONE: break;
    }
    return importer_error_limit(err, 0, out, e->text, "unpacked-size", limits->out_max);
}

enum err importer_error_item(struct importer_error *err, enum err code, uint64_t line, uint64_t offset, const struct err_info *e,
                             uint64_t event_max)
{
    if (code != ERR_LIMIT)
        return importer_error_set(err, code, line, offset, e->text);
    if (strcmp(e->text, "dom-nodes") == 0)
        return importer_error_limit(err, line, offset, e->text, "dom-nodes", SANITIZE_NODES_MAX);
    if (strcmp(e->text, "dom-depth") == 0)
        return importer_error_limit(err, line, offset, e->text, "dom-depth", SANITIZE_DEPTH_MAX);
    return importer_error_limit(err, line, offset, e->text, "event-too-large", event_max);
}

enum err importer_fail(struct importer *imp, enum err code, uint64_t line, uint64_t offset, const char *cause)
{
    return importer_error_set(&imp->err, code, line, offset, cause);
}

enum err importer_fail_limit(struct importer *imp, uint64_t line, uint64_t offset, const char *cause, const char *limit,
                             uint64_t value)
{
    return importer_error_limit(&imp->err, line, offset, cause, limit, value);
}

/* About the item being handled. */
enum err importer_fail_item(struct importer *imp, enum err code, const struct err_info *e)
{
    return importer_error_item(&imp->err, code, imp->line, imp->offset, e, imp->p.event_max);
}

/* Of a callback: its code and text go up, it is not about the input. */
enum err importer_fail_callback(struct importer *imp, enum err code, const struct err_info *e)
{
    return importer_fail(imp, code, 0, imp->offset, e->text);
}

enum err importer_fail_json(struct importer *imp, const struct json_error *e)
{
    return importer_error_json(&imp->err, e, imp->p.event_max);
}

enum err importer_fail_unpack(struct importer *imp, enum err code, const struct err_info *e)
{
    return importer_error_unpack(&imp->err, code, e, imp->unpack, &imp->p.unpack);
}
