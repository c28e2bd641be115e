#include "keeper/body.h"

#include "base/num.h"
#include "base/utf8.h"

static void add(struct body *b, const char *in, const char *name, enum field_code code, int64_t limit)
{
    /* In a query the name stands alone; in a body it is a JSON pointer. */
    if (strcmp(in, "?") == 0)
        field_error_add(&b->errors, code, limit, FIELD_NO_LIMIT, NULL, "%s", name);
    else
        field_error_add(&b->errors, code, limit, FIELD_NO_LIMIT, NULL, "%s%s%s", in, name[0] == 0 ? "" : "/", name);
}

void body_bad(struct body *b, const char *in, const char *name, enum field_code code)
{
    add(b, in, name, code, FIELD_NO_LIMIT);
}

void body_bad_limit(struct body *b, const char *in, const char *name, enum field_code code, int64_t limit)
{
    add(b, in, name, code, limit);
}

/* What was sent is never echoed, but a word that could be a member's name helps. */
static void note_unknown(struct body *b, const char *in, struct span key)
{
    char name[65];

    body_bad(b, in, body_name_valid(key) && span_to_str(key, name, sizeof(name)) ? name : "", FIELD_UNKNOWN);
}

void body_only(struct body *b, const char *in, struct tree obj, const char *const *names, size_t n)
{
    struct tree child;

    if (obj.tag == TREE_NULL)
        return;
    if (obj.tag != TREE_OBJ) {
        body_bad(b, in, "", FIELD_TYPE);
        return;
    }
    for (struct span at = obj.payload; tree_next(&at, &child);) {
        bool known = false;

        for (size_t i = 0; i < n && !known; i++)
            known = span_eq_str(child.key, names[i]);
        if (!known)
            note_unknown(b, in, child.key);
    }
}

/* True when there is a value of this tag. */
static bool member(struct body *b, const char *in, struct tree obj, const char *name, enum body_need need,
                   enum tree_tag tag, struct tree *ret)
{
    if (!tree_get(obj, name, ret) || ret->tag == TREE_NULL) {
        if (need == BODY_REQUIRED)
            body_bad(b, in, name, FIELD_MISSING);
        return false;
    }
    if (ret->tag != tag) {
        body_bad(b, in, name, FIELD_TYPE);
        return false;
    }
    return true;
}

bool body_str(struct body *b, const char *in, struct tree obj, const char *name, enum body_need need, size_t min,
              size_t max, struct span *ret)
{
    struct tree t;
    size_t n;

    if (!member(b, in, obj, name, need, TREE_STR, &t))
        return false;
    n = utf8_count(t.payload);
    if (n < min) {
        body_bad_limit(b, in, name, FIELD_TOO_SHORT, (int64_t) min);
        return false;
    }
    if (n > max) {
        body_bad_limit(b, in, name, FIELD_TOO_LONG, (int64_t) max);
        return false;
    }
    *ret = t.payload;
    return true;
}

bool body_int(struct body *b, const char *in, struct tree obj, const char *name, enum body_need need, int64_t min,
              int64_t max, int64_t *ret)
{
    struct tree t;
    int64_t v;

    if (tree_get(obj, name, &t) && t.tag == TREE_NUM) { /* a fraction, or beyond 64 bits */
        body_bad(b, in, name, FIELD_TYPE);
        return false;
    }
    if (!member(b, in, obj, name, need, TREE_INT, &t) || !tree_int(t, &v))
        return false;
    if (v < min || v > max) {
        body_bad_limit(b, in, name, v < min ? FIELD_TOO_SMALL : FIELD_TOO_LARGE, v < min ? min : max);
        return false;
    }
    *ret = v;
    return true;
}

bool body_bool(struct body *b, const char *in, struct tree obj, const char *name, bool *ret)
{
    struct tree t;

    return member(b, in, obj, name, BODY_OPTIONAL, TREE_BOOL, &t) && tree_bool(t, ret);
}

bool body_arr(struct body *b, const char *in, struct tree obj, const char *name, enum body_need need, size_t min,
              size_t max, struct tree *ret)
{
    struct tree t;
    size_t n;

    if (!member(b, in, obj, name, need, TREE_ARR, &t))
        return false;
    n = tree_count(t);
    if (n < min || n > max) {
        body_bad_limit(b, in, name, n < min ? FIELD_TOO_SHORT : FIELD_TOO_LONG, (int64_t) (n < min ? min : max));
        return false;
    }
    *ret = t;
    return true;
}

bool body_obj(struct body *b, const char *in, struct tree obj, const char *name, enum body_need need, struct tree *ret)
{
    return member(b, in, obj, name, need, TREE_OBJ, ret);
}

int body_word(struct body *b, const char *in, struct tree obj, const char *name, enum body_need need,
              const char *const *words, size_t n)
{
    struct tree t;

    if (!member(b, in, obj, name, need, TREE_STR, &t))
        return -1;
    for (size_t i = 0; i < n; i++) {
        if (span_eq_str(t.payload, words[i]))
            return (int) i;
    }
    body_bad(b, in, name, FIELD_NOT_ONE_OF);
    return -1;
}

bool body_name_valid(struct span s)
{
    if (s.n == 0 || s.n > 64)
        return false;
    for (size_t i = 0; i < s.n; i++) {
        uint8_t c = s.p[i];
        bool alnum = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');

        if (!alnum && (i == 0 || (c != '.' && c != '_' && c != '-')))
            return false;
    }
    return true;
}

bool body_name(struct body *b, const char *in, struct tree obj, const char *name, enum body_need need, struct span *ret)
{
    struct span s;

    if (!body_str(b, in, obj, name, need, 1, 64, &s))
        return false;
    if (!body_name_valid(s)) {
        body_bad(b, in, name, FIELD_PATTERN);
        return false;
    }
    *ret = s;
    return true;
}

bool body_query_time(struct body *b, struct tree query, const char *name, time_ms *ret)
{
    struct span s;

    if (!tree_get_str(query, name, &s) || s.n == 0)
        return false;
    if (!time_parse_rfc3339(s, ret)) {
        body_bad(b, "?", name, FIELD_PATTERN);
        return false;
    }
    return true;
}

bool body_query_int(struct body *b, struct tree query, const char *name, int64_t min, int64_t max, int64_t *ret)
{
    struct span s;
    int64_t v;

    if (!tree_get_str(query, name, &s) || s.n == 0)
        return false;
    if (!num_i64(s, &v)) {
        body_bad(b, "?", name, FIELD_TYPE);
        return false;
    }
    if (v < min || v > max) {
        body_bad_limit(b, "?", name, v < min ? FIELD_TOO_SMALL : FIELD_TOO_LARGE, v < min ? min : max);
        return false;
    }
    *ret = v;
    return true;
}
