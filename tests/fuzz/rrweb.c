/*
 * rrweb: arrays, lists, lines, packed events, exports of PostHog and Sentry, imported whole and cut, masked or not. The event by itself: what
 * comes out is an event, and comes out the same again.
 */
#include "imported.h"

#include "codec/json.h"
#include "codec/rrweb.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MAX (1u << 20)

static void one(struct span in)
{
    struct json_limits limits = json_limits_event();
    struct buf min = BUF_INIT(MAX), kept = BUF_INIT(MAX);
    struct err_info e = { .code = ERR_OK };
    struct rrweb_event ev, again;
    struct json_error why;
    struct rrweb r, s;

    rrweb_init(&r, MAX);
    rrweb_init(&s, MAX);
    if (json_minify(in, &limits, &min, &why) && rrweb_event(&r, buf_span(&min), &ev, &e) == ERR_OK) {
        MUST(json_check(ev.json, &limits, &why) && json_value(ev.json).type == JSON_OBJECT && r.packed_out <= 2 * MAX);
        buf_add_span(&kept, ev.json);
        MUST(rrweb_event(&s, buf_span(&kept), &again, &e) == ERR_OK && span_eq(again.json, buf_span(&kept)));
        MUST(again.type == ev.type && again.source == ev.source);
    }
    rrweb_deinit(&r);
    rrweb_deinit(&s);
    buf_deinit(&min);
    buf_deinit(&kept);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct imported_opts o = imported_opts();
    struct span in = span_sub(span_of(data, size), 1, size);

    if (size < 1)
        return 0;
    if (data[0] & 4) {
        one(in);
        return 0;
    }
    o.kind = data[0] & 2 ? IMPORTER_RRWEB : IMPORTER_ANY;
    o.hold_max = 2000;
    o.masked = data[0] & 1;
    (void) imported_both(in, 1 + data[size / 2] % 61, &o);
    return 0;
}
