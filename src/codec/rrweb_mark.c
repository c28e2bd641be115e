#include "codec/rrweb_mark.h"

#include "codec/json.h"
#include "codec/jsonw.h"

/*
 * Whatever the recorded page's style says, it is seen: an important style of its own beats every other, in whatever layer, and a modal dialog is drawn
 * above the page, not moved by what stands around it and not covered by what is fixed. Inert, it takes no focus. A player that knows
 * nothing of dialogs shows it by its style alone.
 */
#define OWN(x) x "!important;"
#define STYLE                                                                                                          \
    OWN("all:initial")                                                                                                 \
    OWN("direction:ltr")                                                                                               \
    OWN("unicode-bidi:normal")                                                                                         \
    OWN("display:block")                                                                                               \
    OWN("position:fixed")                                                                                              \
    OWN("left:0")                                                                                                      \
    OWN("right:0")                                                                                                     \
    OWN("bottom:0")                                                                                                    \
    OWN("z-index:2147483647")                                                                                          \
    OWN("padding:2px 8px")                                                                                             \
    OWN("font:12px/1.5 monospace")                                                                                     \
    OWN("color:#fff")                                                                                                  \
    OWN("background:rgba(0,0,0,.75)")                                                                                  \
    OWN("pointer-events:none")                                                                                         \
    OWN("text-align:left")
#define DIALOG                                                                                                         \
    "{\"type\":2,\"tagName\":\"dialog\",\"attributes\":{\"data-keyhole\":\"\",\"open\":\"\",\"inert\":\"\","                     \
    "\"rr_open_mode\":\"modal\",\"style\":\"" STYLE "\"},\"childNodes\":[],\"id\":%lld}"
#define SHEET "{\"type\":2,\"tagName\":\"style\",\"attributes\":{\"style\":\"display:none!important\"},\"childNodes\":[],\"id\":%lld}"
#define BACKDROP "{\"type\":3,\"textContent\":\"dialog[data-keyhole]::backdrop{display:none!important}\",\"id\":%lld}"
#define ADD "{\"parentId\":%lld,\"nextId\":null,\"node\":"

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

bool rrweb_write_overlay(struct span snapshot, time_ms at, struct span text, uint32_t seed, struct buf *out)
{
    struct json_value data, node, html, body, v;
    struct jsonw w;
    int64_t parent;
    long long own = 1000000000 + (long long) (seed % 1000000000);

    if (!json_find(json_value(snapshot), "data", &data) || !json_find(data, "node", &node) || !child(node, "html", &html) ||
        !child(html, "body", &body) || !json_find(html, "id", &v) || !json_int(v.raw, &parent))
        return false;
    buf_add_str(out, "{ \"keyhole\":true,\"type\":3,\"data\":{\"source\":0,\"texts\":[],\"attributes\":[],\"removes\":[],\"adds\":[");
    buf_addf(out, ADD DIALOG "},", (long long) parent, own);
    buf_addf(out, ADD SHEET "},", own, own + 1);
    buf_addf(out, ADD BACKDROP "},", own + 1, own + 2);
    buf_addf(out, ADD "{\"type\":3,\"textContent\":", own);
    jsonw_init(&w, out);
    jsonw_str(&w, text);
    buf_addf(out, ",\"id\":%lld}}]},\"timestamp\":%lld}", own + 3, (long long) at);
    return true;
}
