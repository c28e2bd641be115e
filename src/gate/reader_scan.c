/* Times and keyframes of events that have no index. */
#include "gate/reader_int.h"

#include "codec/json.h"
#include "codec/rrweb.h"

bool reader_event_time(bool terminal, time_us base, struct span json, time_us *ret)
{
    struct json_value event = json_value(json), v;
    struct json_iter it = json_iter(event);

    if (terminal)
        return json_next(&it, &v) && json_scaled(v.raw, 6, ret);
    if (!json_find(event, "timestamp", &v) || !json_scaled(v.raw, 3, ret))
        return false;
    *ret -= base;
    return true;
}

static struct span line_at(struct span bytes, size_t at)
{
    const uint8_t *end = memchr(bytes.p + at, '\n', bytes.n - at);

    return span_of(bytes.p + at, end == NULL ? bytes.n - at : (size_t) (end - (bytes.p + at)));
}

/* As the importer decides (codec/importer_emit.c): a Meta that a FullSnapshot follows, or a FullSnapshot alone. */
static void look_for_keyframe(struct scan *s, struct span json, uint64_t seq)
{
    struct json_value v;
    int64_t type = -1;
    bool meta = s->meta;

    if (json_find(json_value(json), "type", &v))
        (void) json_int(v.raw, &type);
    s->meta = type == RRWEB_META;
    if (s->meta) {
        s->meta_seq = seq;
        s->meta_at = s->time;
    }
    if (type != RRWEB_FULL)
        return;
    if ((meta ? s->meta_at : s->time) > s->from)
        return;
    s->found = true;
    s->seq = meta ? s->meta_seq : seq;
    s->at = meta ? s->meta_at : s->time;
}

uint32_t scan_lines(struct scan *s, struct span bytes, uint64_t first, time_us *ret_first)
{
    uint32_t n = 0;
    time_us own;

    *ret_first = s->time;
    for (size_t at = 0; at < bytes.n; n++) {
        struct span json = line_at(bytes, at);

        at += json.n + 1;
        if (first + n >= s->until)
            continue;
        if (reader_event_time(s->terminal, s->base, json, &own) && own > s->time)
            s->time = own > SEGMENT_TIME_MAX ? SEGMENT_TIME_MAX : own;
        if (n == 0)
            *ret_first = s->time;
        if (s->notes != NULL)
            (void) reader_note(s->notes, s->terminal, json, first + n, s->time); /* no memory: fewer notes */
        if (!s->terminal)
            look_for_keyframe(s, json, first + n);
    }
    return n;
}

bool scan_base(struct span bytes, time_us *ret)
{
    for (size_t at = 0; at < bytes.n;) {
        struct span json = line_at(bytes, at);

        if (reader_event_time(false, 0, json, ret))
            return true;
        at += json.n + 1;
    }
    return false;
}
