#include "codec/asciicast.h"

#include "base/num.h"
#include "codec/json.h"

#include <stdio.h>

#define TIME_MAX ((time_us) 1 << 53) /* 285 years; exact in JavaScript too */

void asciicast_init(struct asciicast *a, int version, size_t max)
{
    *a = (struct asciicast){ .version = version };
    buf_init(&a->line, max);
}

void asciicast_deinit(struct asciicast *a)
{
    buf_deinit(&a->line);
}

static enum err size_member(struct json_value obj, const char *key, uint32_t otherwise, uint32_t *ret,
                            struct err_info *reterr)
{
    struct json_value v;
    int64_t n;

    if (!json_find(obj, key, &v))
        return ERR_RAISE(reterr, ERR_INVAL, "the header has no '%s'", key);
    if (v.type != JSON_NUMBER || !json_int(v.raw, &n) || n < 0 || n > 65535)
        return ERR_RAISE(reterr, ERR_INVAL, "'%s' in the header is no whole number up to 65535", key);
    *ret = n == 0 ? otherwise : (uint32_t) n;
    return ERR_OK;
}

enum err asciicast_head(struct asciicast *a, struct span json, struct err_info *reterr)
{
    struct json_value head = json_value(json), term, v;
    uint32_t cols, rows;
    int64_t n;

    if (head.type != JSON_OBJECT)
        return ERR_RAISE(reterr, ERR_INVAL, "the header is no object");
    if (!json_find(head, "version", &v) || v.type != JSON_NUMBER || !json_int(v.raw, &n) || n != a->version)
        return ERR_RAISE(reterr, ERR_INVAL, "the header's version is not %d", a->version);
    if (a->version == 3 && json_find(head, "term", &term) && term.type == JSON_OBJECT) {
        TRY(size_member(term, "cols", ASCIICAST_COLS, &cols, reterr));
        TRY(size_member(term, "rows", ASCIICAST_ROWS, &rows, reterr));
    } else {
        TRY(size_member(head, "width", ASCIICAST_COLS, &cols, reterr));
        TRY(size_member(head, "height", ASCIICAST_ROWS, &rows, reterr));
    }
    if (json_find(head, "timestamp", &v) && v.type == JSON_NUMBER && json_scaled(v.raw, 3, &n) && n > 0 &&
        n < 253402300800000)
        a->started_at = n;
    a->cols = cols;
    a->rows = rows;
    return ERR_OK;
}

void asciicast_add_seconds(struct buf *b, time_us t)
{
    char frac[8];
    size_t n = 6;

    buf_addf(b, "%lld", (long long) (t / 1000000));
    if (t % 1000000 == 0)
        return;
    (void) snprintf(frac, sizeof(frac), "%06d", (int) (t % 1000000));
    while (frac[n - 1] == '0')
        n--;
    buf_add_c(b, '.');
    buf_add(b, frac, n);
}

static bool resize_text(struct span raw, uint32_t *ret_cols, uint32_t *ret_rows)
{
    struct span cols, rows;
    uint64_t c, r;

    if (!span_cut(raw, 'x', &cols, &rows) || !num_u64(cols, 65535, &c) || !num_u64(rows, 65535, &r) || c == 0 || r == 0)
        return false;
    *ret_cols = (uint32_t) c;
    *ret_rows = (uint32_t) r;
    return true;
}

/* Code and data of an event, where 'code' is NULL for v1, which knows output only. */
static enum err check_data(const struct json_value *code, const struct json_value *data, struct asciicast_event *ev,
                           struct err_info *reterr)
{
    static const char known[] = "oimrx";

    ev->code = code == NULL ? 'o' : '\0';
    if (code != NULL && code->type == JSON_STRING)
        for (const char *k = known; *k != '\0'; k++) {
            char text[2] = { *k, '\0' };

            if (json_raw_eq(code->raw, text))
                ev->code = *k;
        }
    if (data->type == JSON_STRING)
        ev->data = data->raw;
    else if (ev->code == 'o' || ev->code == 'i')
        return ERR_RAISE(reterr, ERR_INVAL, "the data of an output or input event is no string");
    if (ev->code == 'r' && (data->type != JSON_STRING || !resize_text(data->raw, &ev->cols, &ev->rows)))
        return ERR_RAISE(reterr, ERR_INVAL, "a resize event is not COLSxROWS");
    return ERR_OK;
}

enum err asciicast_event(struct asciicast *a, struct span json, struct asciicast_event *ret, struct err_info *reterr)
{
    struct json_value event = json_value(json), time, code, data;
    struct json_iter it = json_iter(event);
    struct asciicast_event ev = { .json = json };
    int64_t t;

    if (event.type != JSON_ARRAY)
        return ERR_RAISE(reterr, ERR_INVAL, "an event is no array");
    if (!json_next(&it, &time) || !json_next(&it, &code) || (a->version != 1 && !json_next(&it, &data)))
        return ERR_RAISE(reterr, ERR_INVAL, "an event needs a time%s and data", a->version == 1 ? "" : ", a code");
    if (time.type != JSON_NUMBER)
        return ERR_RAISE(reterr, ERR_INVAL, "the time of an event is no number");
    if (!json_scaled(time.raw, 6, &t) || t > TIME_MAX || t < -TIME_MAX)
        return ERR_RAISE(reterr, ERR_INVAL, "the time of an event is out of range");
    if (t < 0)
        return ERR_RAISE(reterr, ERR_INVAL, "the time of an event is negative");
    TRY(check_data(a->version == 1 ? NULL : &code, a->version == 1 ? &code : &data, &ev, reterr));
    ev.own_us = t;
    if (a->version != 2) {
        /* '[' time ',' rest: minified, so the rest begins right after the comma */
        struct span rest = span_sub(json, (size_t) (time.raw.p - json.p) + time.raw.n + 1, json.n);

        a->at += t;
        if (a->at > TIME_MAX)
            return ERR_RAISE(reterr, ERR_INVAL, "the times of the events add up to more than we can count");
        ev.own_us = a->at;
        buf_reset(&a->line);
        buf_add_c(&a->line, '[');
        asciicast_add_seconds(&a->line, a->at);
        buf_add_str(&a->line, a->version == 1 ? ",\"o\"," : ",");
        buf_add_span(&a->line, rest);
        if (a->line.failed)
            return ERR_RAISE(reterr, ERR_LIMIT, "event-too-large");
        ev.json = buf_span(&a->line);
    }
    *ret = ev;
    return ERR_OK;
}
