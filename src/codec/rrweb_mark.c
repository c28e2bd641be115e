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
#define MUTATION "{ \"keyhole\":true,\"type\":3,\"data\":{\"source\":0,\"texts\":[],\"attributes\":[],\"removes\":["
#define NODES 4
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

/* The four nodes of it, behind what the mutation takes away. */
static void write_nodes(const struct rrweb_overlay *o, time_ms at, struct span text, struct buf *out)
{
    const long long own = (long long) o->own;
    struct jsonw w;

    buf_addf(out, "],\"adds\":[" ADD DIALOG "},", (long long) o->parent, own);
    buf_addf(out, ADD SHEET "},", own, own + 1);
    buf_addf(out, ADD BACKDROP "},", own + 1, own + 2);
    buf_addf(out, ADD "{\"type\":3,\"textContent\":", own);
    jsonw_init(&w, out);
    jsonw_str(&w, text);
    buf_addf(out, ",\"id\":%lld}}]},\"timestamp\":%lld}", own + NODES - 1, (long long) at);
}

bool rrweb_write_overlay(struct span snapshot, time_ms at, struct span text, uint32_t seed, struct rrweb_overlay *ret, struct buf *out)
{
    struct json_value data, node, html, body, v;

    *ret = (struct rrweb_overlay){ .own = 0 };
    if (!json_find(json_value(snapshot), "data", &data) || !json_find(data, "node", &node) || !child(node, "html", &html) ||
        !child(html, "body", &body) || !json_find(html, "id", &v) || !json_int(v.raw, &ret->parent))
        return false;
    ret->own = 1000000000 + (int64_t) (seed % 1000000000);
    buf_add_str(out, MUTATION);
    write_nodes(ret, at, text, out);
    return true;
}

bool rrweb_covers_overlay(struct span event)
{
    return memmem(event.p, event.n, "rr_open_mode", 12) != NULL;
}

void rrweb_move_overlay(struct rrweb_overlay *io, time_ms at, struct span text, struct buf *out)
{
    buf_add_str(out, MUTATION);
    buf_addf(out, "{\"parentId\":%lld,\"id\":%lld}", (long long) io->parent, (long long) io->own);
    io->own += NODES;
    write_nodes(io, at, text, out);
}
