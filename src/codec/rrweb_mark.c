#include "codec/rrweb_mark.h"

#include "codec/json.h"
#include "codec/jsonw.h"

#define OVERLAY_ID 2000000001 /* and the next: recorders count from 1 */
#define STYLE                                                                                                          \
    "position:fixed;left:0;right:0;bottom:0;z-index:2147483647;padding:2px 8px;font:12px/1.5 monospace;color:#fff;"     \
    "background:rgba(0,0,0,.75);pointer-events:none;text-align:left"

void rrweb_write_mark(time_ms at, struct span mark, struct buf *out)
{
    buf_add_str(out, "{ \"keyhole\":true,\"type\":5,\"data\":{\"tag\":\"keyhole.export\",\"payload\":");
    buf_add_span(out, mark);
    buf_addf(out, "},\"timestamp\":%lld}", (long long) at);
}

static bool child(struct json_value node, const char *tag, struct json_value *ret)
{
    struct json_value list, v;
    struct json_iter it;

    if (!json_find(node, "childNodes", &list) || list.type != JSON_ARRAY)
        return false;
    for (it = json_iter(list); json_next(&it, ret);) {
        if (json_find(*ret, "tagName", &v) && v.type == JSON_STRING && json_raw_eq(v.raw, tag))
            return true;
    }
    return false;
}

bool rrweb_write_overlay(struct span snapshot, time_ms at, struct span text, struct buf *out)
{
    struct json_value data, node, html, body, id;
    struct jsonw w;
    int64_t parent;

    if (!json_find(json_value(snapshot), "data", &data) || !json_find(data, "node", &node) || !child(node, "html", &html) ||
        !child(html, "body", &body) || !json_find(body, "id", &id) || !json_int(id.raw, &parent))
        return false;
    buf_addf(out,
             "{ \"keyhole\":true,\"type\":3,\"data\":{\"source\":0,\"texts\":[],\"attributes\":[],\"removes\":[],\"adds\":["
             "{\"parentId\":%lld,\"nextId\":null,\"node\":{\"type\":2,\"tagName\":\"div\",\"attributes\":{\"style\":\"" STYLE
             "\"},\"childNodes\":[],\"id\":%d}},{\"parentId\":%d,\"nextId\":null,\"node\":{\"type\":3,\"textContent\":",
             (long long) parent, OVERLAY_ID, OVERLAY_ID);
    jsonw_init(&w, out);
    jsonw_str(&w, text);
    buf_addf(out, ",\"id\":%d}}]},\"timestamp\":%lld}", OVERLAY_ID + 1, (long long) at);
    return true;
}
