#include "codec/jsonw.h"

#include "base/utf8.h"

#include <stdio.h>

void jsonw_init(struct jsonw *w, struct buf *out)
{
    *w = (struct jsonw){ .out = out };
}

static void escape(struct buf *out, uint32_t cp)
{
    static const char from[] = "\"\\\b\f\n\r\t", to[] = "\"\\bfnrt";
    const char *at = cp != 0 && cp < 0x80 ? strchr(from, (int) cp) : NULL;

    if (at != NULL) {
        buf_add_c(out, '\\');
        buf_add_c(out, to[at - from]);
    } else {
        buf_addf(out, "\\u%04x", (unsigned) cp); /* every control is below U+10000 */
    }
}

void jsonw_add_string(struct buf *out, struct span v)
{
    size_t plain = 0;
    struct rd r = rd_of(v);

    buf_add_c(out, '"');
    for (;;) {
        struct rd one;
        uint32_t cp;

        while (plain < r.n && r.p[plain] >= 0x20 && r.p[plain] < 0x7f && r.p[plain] != '"' && r.p[plain] != '\\')
            plain++; /* most text */
        if (plain == r.n)
            break;
        one = (struct rd){ r.p + plain, r.n - plain, false };
        cp = utf8_read(&one);
        if (!one.failed && cp != '"' && cp != '\\' && !utf8_is_control(cp)) {
            plain = (size_t) (one.p - r.p);
            continue;
        }
        buf_add(out, r.p, plain);
        if (one.failed) {
            buf_add_str(out, "\xef\xbf\xbd");
            r = (struct rd){ r.p + plain + 1, r.n - plain - 1, false };
        } else {
            escape(out, cp);
            r = one;
        }
        plain = 0;
    }
    buf_add(out, r.p, plain);
    buf_add_c(out, '"');
}

static bool in_object(const struct jsonw *w)
{
    return w->depth > 0 && (w->object >> (w->depth - 1) & 1) != 0;
}

/* What stands before a value. */
static void before_value(struct jsonw *w)
{
    if (w->depth == 0 ? w->root_done : in_object(w) && !w->named)
        w->out->failed = true;
    if (w->comma && !w->named)
        buf_add_c(w->out, ',');
    w->named = false;
    w->comma = true;
    w->root_done = true;
}

static void begin(struct jsonw *w, bool object)
{
    before_value(w);
    if (w->depth >= JSONW_DEPTH) {
        w->out->failed = true;
        return;
    }
    buf_add_c(w->out, object ? '{' : '[');
    w->object = object ? w->object | 1ULL << w->depth : w->object & ~(1ULL << w->depth);
    w->depth++;
    w->comma = false;
}

static void end(struct jsonw *w, bool object)
{
    if (w->depth == 0 || in_object(w) != object || w->named) {
        w->out->failed = true;
        return;
    }
    w->depth--;
    w->comma = true;
    buf_add_c(w->out, object ? '}' : ']');
}

void jsonw_obj(struct jsonw *w)
{
    begin(w, true);
}

void jsonw_obj_end(struct jsonw *w)
{
    end(w, true);
}

void jsonw_arr(struct jsonw *w)
{
    begin(w, false);
}

void jsonw_arr_end(struct jsonw *w)
{
    end(w, false);
}

static bool before_key(struct jsonw *w)
{
    if (!in_object(w) || w->named) {
        w->out->failed = true;
        return false;
    }
    if (w->comma)
        buf_add_c(w->out, ',');
    w->named = true;
    return true;
}

void jsonw_key_span(struct jsonw *w, struct span key)
{
    if (!before_key(w))
        return;
    jsonw_add_string(w->out, key);
    buf_add_c(w->out, ':');
}

void jsonw_key_raw(struct jsonw *w, struct span escaped)
{
    if (!before_key(w))
        return;
    buf_add_c(w->out, '"');
    buf_add_span(w->out, escaped);
    buf_add_str(w->out, "\":");
}

void jsonw_key(struct jsonw *w, const char *key)
{
    jsonw_key_span(w, span_str(key));
}

void jsonw_str(struct jsonw *w, struct span v)
{
    before_value(w);
    jsonw_add_string(w->out, v);
}

void jsonw_raw(struct jsonw *w, struct span json)
{
    before_value(w);
    if (json.n == 0)
        w->out->failed = true;
    buf_add_span(w->out, json);
}

void jsonw_int(struct jsonw *w, int64_t v)
{
    char text[24];
    int n = snprintf(text, sizeof(text), "%lld", (long long) v);

    jsonw_raw(w, span_of(text, (size_t) n));
}

void jsonw_bool(struct jsonw *w, bool v)
{
    jsonw_raw(w, v ? SPAN("true") : SPAN("false"));
}

void jsonw_null(struct jsonw *w)
{
    jsonw_raw(w, SPAN("null"));
}

void jsonw_time(struct jsonw *w, time_ms t)
{
    char text[TIME_RFC3339_LEN + 1];

    time_rfc3339(t, text);
    jsonw_str(w, span_str(text));
}

/* A tree from another process may hold anything here; in JSON it must not become more than a number. */
static bool looks_like_number(struct span s)
{
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] == '\0' || strchr("0123456789+-.eE", s.p[i]) == NULL)
            return false;
    }
    return s.n > 0;
}

static void tree_scalar(struct jsonw *w, struct tree v)
{
    int64_t i = 0;
    bool b = false;

    switch (v.tag) {
    case TREE_NULL: jsonw_null(w); break;
    case TREE_BOOL: jsonw_bool(w, tree_bool(v, &b) && b); break;
    case TREE_INT:
        (void) tree_int(v, &i); /* the tag says it is one */
        jsonw_int(w, i);
        break;
    case TREE_NUM:
        if (looks_like_number(v.payload))
            jsonw_raw(w, v.payload);
        else
            w->out->failed = true;
        break;
    case TREE_STR: jsonw_str(w, v.payload); break;
    case TREE_ARR:
    case TREE_OBJ: break;
    }
}

void jsonw_tree(struct jsonw *w, struct tree v)
{
    struct span open[TREE_DEPTH_MAX];
    bool object[TREE_DEPTH_MAX];
    size_t depth = 0;

    for (;;) {
        if (v.tag != TREE_ARR && v.tag != TREE_OBJ) {
            tree_scalar(w, v);
        } else if (depth < TREE_DEPTH_MAX) {
            begin(w, v.tag == TREE_OBJ);
            object[depth] = v.tag == TREE_OBJ;
            open[depth++] = v.payload;
        } else {
            w->out->failed = true;
        }
        while (depth > 0 && !tree_next(&open[depth - 1], &v)) {
            depth--;
            end(w, object[depth]);
        }
        if (depth == 0 || w->out->failed)
            return;
        if (object[depth - 1])
            jsonw_key_span(w, v.key);
    }
}

void jsonw_kstr(struct jsonw *w, const char *key, struct span v)
{
    jsonw_key(w, key);
    jsonw_str(w, v);
}

void jsonw_kcstr(struct jsonw *w, const char *key, const char *v)
{
    jsonw_key(w, key);
    if (v == NULL)
        jsonw_null(w);
    else
        jsonw_str(w, span_str(v));
}

void jsonw_kint(struct jsonw *w, const char *key, int64_t v)
{
    jsonw_key(w, key);
    jsonw_int(w, v);
}

void jsonw_kbool(struct jsonw *w, const char *key, bool v)
{
    jsonw_key(w, key);
    jsonw_bool(w, v);
}

void jsonw_knull(struct jsonw *w, const char *key)
{
    jsonw_key(w, key);
    jsonw_null(w);
}

void jsonw_ktime(struct jsonw *w, const char *key, time_ms t)
{
    jsonw_key(w, key);
    jsonw_time(w, t);
}

void jsonw_kraw(struct jsonw *w, const char *key, struct span json)
{
    jsonw_key(w, key);
    jsonw_raw(w, json);
}

void jsonw_ktree(struct jsonw *w, const char *key, struct tree v)
{
    jsonw_key(w, key);
    jsonw_tree(w, v);
}

void jsonw_kobj(struct jsonw *w, const char *key)
{
    jsonw_key(w, key);
    jsonw_obj(w);
}

void jsonw_karr(struct jsonw *w, const char *key)
{
    jsonw_key(w, key);
    jsonw_arr(w);
}

bool jsonw_done(const struct jsonw *w)
{
    return !w->out->failed && w->depth == 0 && w->root_done;
}
