#include "codec/sfv.h"

#include "base/utf8.h"

static bool is_digit(uint8_t c)
{
    return c >= '0' && c <= '9';
}

static bool is_lower(uint8_t c)
{
    return c >= 'a' && c <= 'z';
}

static bool is_alpha(uint8_t c)
{
    return is_lower(c) || (c >= 'A' && c <= 'Z');
}

static bool one_of(uint8_t c, const char *set)
{
    return c != 0 && strchr(set, c) != NULL;
}

static uint8_t peek(const struct span *s)
{
    return s->n > 0 ? *s->p : 0;
}

static void skip(struct span *s, const char *set)
{
    while (s->n > 0 && one_of(*s->p, set))
        *s = span_sub(*s, 1, s->n);
}

static bool take(struct span *s, uint8_t c)
{
    if (s->n == 0 || *s->p != c)
        return false;
    *s = span_sub(*s, 1, s->n);
    return true;
}

/* 4.2.5; the opening quote is next. */
static bool string(struct span *s, struct buf *out)
{
    if (!take(s, '"'))
        return false;
    while (s->n > 0) {
        uint8_t c = *s->p;

        *s = span_sub(*s, 1, s->n);
        if (c == '"')
            return true;
        if (c == '\\') {
            c = peek(s);
            if (c != '"' && c != '\\')
                return false;
            *s = span_sub(*s, 1, s->n);
        } else if (c < 0x20 || c > 0x7e) {
            return false;
        }
        buf_u8(out, c);
    }
    return false;
}

static int lower_hex(uint8_t c)
{
    return is_digit(c) ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* 4.2.10; the percent sign is next. */
static bool display_string(struct span *s, struct buf *out)
{
    size_t before = out->n;

    if (!take(s, '%') || !take(s, '"'))
        return false;
    while (s->n > 0) {
        uint8_t c = *s->p;

        *s = span_sub(*s, 1, s->n);
        if (c == '"')
            return out->failed || utf8_valid(span_sub(buf_span(out), before, out->n));
        if (c < 0x20 || c > 0x7e)
            return false;
        if (c == '%') {
            int high = s->n >= 2 ? lower_hex(s->p[0]) : -1, low = s->n >= 2 ? lower_hex(s->p[1]) : -1;

            if (high < 0 || low < 0 || (high == 0 && low == 0))
                return false;
            c = (uint8_t) (high << 4 | low);
            *s = span_sub(*s, 2, s->n);
        }
        buf_u8(out, c);
    }
    return false;
}

/* 4.2.4: at most 15 digits, a decimal at most 12 before and 3 after the point. */
static bool number(struct span *s, bool decimal_ok)
{
    size_t whole = 0, fraction = 0;

    (void) take(s, '-');
    for (; s->n > 0 && is_digit(*s->p); whole++)
        *s = span_sub(*s, 1, s->n);
    if (whole == 0 || whole > 15)
        return false;
    if (!decimal_ok || !take(s, '.'))
        return true;
    for (; s->n > 0 && is_digit(*s->p); fraction++)
        *s = span_sub(*s, 1, s->n);
    return whole <= 12 && fraction >= 1 && fraction <= 3;
}

static bool byte_sequence(struct span *s)
{
    if (!take(s, ':'))
        return false;
    while (s->n > 0 && (is_alpha(*s->p) || is_digit(*s->p) || one_of(*s->p, "+/=")))
        *s = span_sub(*s, 1, s->n);
    return take(s, ':');
}

static void token(struct span *s)
{
    while (s->n > 0 && (is_alpha(*s->p) || is_digit(*s->p) || one_of(*s->p, "!#$%&'*+-.^_`|~:/")))
        *s = span_sub(*s, 1, s->n);
}

static bool boolean(struct span *s)
{
    return take(s, '?') && (take(s, '0') || take(s, '1'));
}

/* 4.2.3.1, for parameters: checked, not kept. */
static bool any_bare_item(struct span *s)
{
    uint8_t c = peek(s);
    struct buf ignored = BUF_INIT(s->n + 1);
    bool ok = true;

    if (c == '-' || is_digit(c))
        ok = number(s, true);
    else if (c == '"')
        ok = string(s, &ignored);
    else if (c == '%')
        ok = display_string(s, &ignored);
    else if (is_alpha(c) || c == '*')
        token(s);
    else if (c == ':')
        ok = byte_sequence(s);
    else if (c == '@')
        ok = take(s, '@') && number(s, false);
    else
        ok = boolean(s);
    buf_deinit(&ignored);
    return ok;
}

/* 4.2.3.3. */
static bool key(struct span *s, struct span *ret)
{
    size_t n = 0;

    if (!is_lower(peek(s)) && peek(s) != '*')
        return false;
    while (n < s->n && (is_lower(s->p[n]) || is_digit(s->p[n]) || one_of(s->p[n], "_-.*")))
        n++;
    *ret = span_sub(*s, 0, n);
    *s = span_sub(*s, n, s->n);
    return true;
}

static bool parameters(struct span *s)
{
    struct span name;

    while (take(s, ';')) {
        skip(s, " ");
        if (!key(s, &name) || (take(s, '=') && !any_bare_item(s)))
            return false;
    }
    return true;
}

static bool text_item(struct span *s, struct buf *out)
{
    return (peek(s) == '%' ? display_string(s, out) : string(s, out)) && parameters(s);
}

enum err sfv_string(struct span header, struct buf *out, struct err_info *reterr)
{
    struct span s = header;
    size_t before = out->n;
    bool ok;

    skip(&s, " ");
    ok = text_item(&s, out);
    skip(&s, " ");
    if (ok && s.n == 0)
        return buf_check(out, reterr);
    out->n = before;
    return ERR_RAISE(reterr, ERR_INVAL, "not one string in quotes (RFC 9651)");
}

/* "name:value" (or "name=value", "name"), or name="value"; decoded into room. */
static bool pair(struct span *s, enum sfv_pair form, struct buf *room, size_t *ret_name, size_t *ret_value)
{
    struct span name;
    const uint8_t *colon;

    buf_reset(room);
    if (peek(s) != '"' && peek(s) != '%') {
        if (!key(s, &name) || !take(s, '='))
            return false;
        buf_add_span(room, name);
        *ret_name = *ret_value = room->n;
        return text_item(s, room);
    }
    if (!text_item(s, room) || room->failed)
        return false;
    colon = room->n == 0 ? NULL : memchr(room->p, form == SFV_LINKS ? ':' : '=', room->n);
    if (colon == NULL && form == SFV_TAGS && room->n > 0) {
        *ret_name = *ret_value = room->n;
        return true;
    }
    if (colon == NULL || colon == room->p)
        return false;
    *ret_name = (size_t) (colon - room->p);
    *ret_value = *ret_name + 1;
    return true;
}

static enum err add_pairs(struct span s, enum sfv_pair form, size_t max, struct buf *room, struct buf *tree, struct err_info *reterr)
{
    skip(&s, " ");
    for (size_t n = 0; s.n > 0; n++) {
        size_t name, value, mark;

        if (n == max)
            return ERR_RAISE(reterr, ERR_LIMIT, "more than %zu entries in one list", max);
        if (!pair(&s, form, room, &name, &value))
            return ERR_RAISE(reterr, ERR_INVAL, "entry %zu is not a string \"%s\" in quotes (RFC 9651)", n + 1,
                             form == SFV_LINKS ? "type:id" : "name=value");
        TRY(buf_check(room, reterr));
        mark = tree_begin(tree, SPAN_EMPTY, TREE_ARR);
        tree_add_str(tree, SPAN_EMPTY, span_of(room->p, name));
        tree_add_str(tree, SPAN_EMPTY, span_of(room->p + value, room->n - value));
        tree_end(tree, mark);
        skip(&s, " \t");
        if (s.n == 0)
            break;
        if (!take(&s, ','))
            return ERR_RAISE(reterr, ERR_INVAL, "a comma was expected after entry %zu (RFC 9651)", n + 1);
        skip(&s, " \t");
        if (s.n == 0)
            return ERR_RAISE(reterr, ERR_INVAL, "nothing follows the last comma (RFC 9651)");
    }
    return buf_check(tree, reterr);
}

enum err sfv_pairs(struct span header, enum sfv_pair form, size_t max, struct buf *tree, struct err_info *reterr)
{
    size_t before = tree->n, mark = tree_begin(tree, SPAN_EMPTY, TREE_ARR);
    struct buf room = BUF_INIT(header.n + 1);
    enum err err = add_pairs(header, form, max, &room, tree, reterr);

    buf_deinit(&room);
    if (err == ERR_OK)
        tree_end(tree, mark);
    else
        tree->n = before;
    return err;
}

bool sfv_add_string(struct buf *out, struct span text)
{
    static const char digits[] = "0123456789abcdef";
    bool display = false;

    if (!utf8_valid(text))
        return false;
    for (size_t i = 0; i < text.n; i++)
        display = display || text.p[i] < 0x20 || text.p[i] > 0x7e;
    buf_add_str(out, display ? "%\"" : "\"");
    for (size_t i = 0; i < text.n; i++) {
        uint8_t c = text.p[i];

        if (display && (c < 0x20 || c > 0x7e || c == '%' || c == '"')) {
            buf_add_c(out, '%');
            buf_add_c(out, digits[c >> 4]);
            buf_add_c(out, digits[c & 15]);
        } else {
            if (!display && (c == '"' || c == '\\'))
                buf_add_c(out, '\\');
            buf_u8(out, c);
        }
    }
    buf_add_c(out, '"');
    return !out->failed;
}
