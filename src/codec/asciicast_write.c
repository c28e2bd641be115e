#include "codec/asciicast_write.h"

#include "codec/json.h"
#include "codec/jsonw.h"

static void raw(struct jsonw *w, const char *key, struct json_value v)
{
    jsonw_kraw(w, key, v.type == JSON_STRING ? span_of(v.raw.p - 1, v.raw.n + 2) : v.raw);
}

/* Copies the members that both versions have under the same name, and all that are not about the version or the size. */
static void copy_rest(struct jsonw *w, struct json_value head)
{
    static const char *const ours[] = { "version", "width", "height", "term", "theme", "duration", "stdout", "keyhole" };
    struct json_iter it = json_iter(head);
    struct json_value v;

    while (json_next(&it, &v)) {
        bool skip = false;

        for (size_t i = 0; i < sizeof(ours) / sizeof(ours[0]); i++)
            skip = skip || json_raw_eq(v.key, ours[i]);
        if (skip)
            continue;
        jsonw_key_raw(w, v.key);
        jsonw_raw(w, v.type == JSON_STRING ? span_of(v.raw.p - 1, v.raw.n + 2) : v.raw);
    }
}

static bool size_of(struct json_value head, struct json_value *cols, struct json_value *rows)
{
    struct json_value term;

    if (json_find(head, "width", cols) && json_find(head, "height", rows))
        return true;
    return json_find(head, "term", &term) && json_find(term, "cols", cols) && json_find(term, "rows", rows);
}

static void write_v2(struct jsonw *w, struct json_value head, struct json_value cols, struct json_value rows)
{
    struct json_value term, theme;

    jsonw_kint(w, "version", 2);
    raw(w, "width", cols);
    raw(w, "height", rows);
    if (json_find(head, "theme", &theme) || (json_find(head, "term", &term) && json_find(term, "theme", &theme)))
        raw(w, "theme", theme);
}

static void write_v3(struct jsonw *w, struct json_value head, struct json_value cols, struct json_value rows)
{
    struct json_value theme;

    jsonw_kint(w, "version", 3);
    jsonw_kobj(w, "term");
    raw(w, "cols", cols);
    raw(w, "rows", rows);
    if (json_find(head, "theme", &theme))
        raw(w, "theme", theme);
    jsonw_obj_end(w);
}

enum err asciicast_write_head(struct span head, int version, struct span mark, struct buf *out)
{
    struct json_value object, cols, rows, v;
    struct jsonw w;
    int64_t have = 0;

    if (head.n == 0)
        return ERR_INVAL;
    object = json_value(head);
    if (object.type != JSON_OBJECT || !size_of(object, &cols, &rows))
        return ERR_INVAL;
    if (mark.n == 0 && json_find(object, "version", &v) && json_int(v.raw, &have) && have == version &&
        json_find(object, version == 3 ? "term" : "width", &v)) {
        buf_add_span(out, head);
        buf_add_c(out, '\n');
        return buf_check(out, NULL);
    }
    jsonw_init(&w, out);
    jsonw_obj(&w);
    if (version == 3)
        write_v3(&w, object, cols, rows);
    else
        write_v2(&w, object, cols, rows);
    copy_rest(&w, object);
    if (mark.n > 0)
        jsonw_kraw(&w, "keyhole", mark);
    jsonw_obj_end(&w);
    buf_add_c(out, '\n');
    return buf_check(out, NULL);
}

void asciicast_write_mark(time_us at, struct span text, struct buf *out)
{
    struct jsonw w;

    buf_addf(out, "[ %lld.%06lld, \"o\", ", (long long) (at / 1000000), (long long) (at % 1000000));
    jsonw_init(&w, out);
    jsonw_str(&w, text);
    buf_add_str(out, "]\n");
}

void asciicast_v3_event(struct span event, time_us *previous, struct buf *out)
{
    struct json_iter it = json_iter(json_value(event));
    struct json_value v;
    int64_t own;

    if (!json_next(&it, &v) || !json_scaled(v.raw, 6, &own))
        own = *previous;
    if (own < *previous)
        own = *previous; /* v3 has no negative intervals */
    buf_addf(out, "[%lld.%06lld", (long long) ((own - *previous) / 1000000), (long long) ((own - *previous) % 1000000));
    *previous = own;
    while (json_next(&it, &v)) {
        buf_add_c(out, ',');
        buf_add_span(out, v.type == JSON_STRING ? span_of(v.raw.p - 1, v.raw.n + 2) : v.raw);
    }
    buf_add_str(out, "]\n");
}
