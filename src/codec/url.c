#include "codec/url.h"

#include "base/hex.h"
#include "base/utf8.h"

static bool unreserved(uint8_t c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.' ||
           c == '_' || c == '~';
}

/* The text of what is wrong, or NULL. */
static const char *decode(struct span in, bool plus_is_space, struct buf *out)
{
    size_t before = out->n;

    for (size_t i = 0; i < in.n; i++) {
        uint8_t c = in.p[i];
        size_t n;

        if (c <= ' ' || c >= 0x7f)
            return "a raw byte that may not stand in a URL";
        if (c == '+' && plus_is_space) {
            c = ' ';
        } else if (c == '%') {
            if (in.n - i < 3 || !hex_parse(span_sub(in, i + 1, 2), &c, 1, &n))
                return "a percent sign without two hexadecimal digits";
            if (c == 0)
                return "%00";
            i += 2;
        }
        buf_u8(out, c);
    }
    if (!out->failed && !utf8_valid(span_sub(buf_span(out), before, out->n)))
        return "bytes that are not UTF-8";
    return NULL;
}

enum err url_decode_segment(struct span in, struct buf *out, struct err_info *reterr)
{
    size_t before = out->n;
    const char *wrong = decode(in, false, out);

    if (wrong == NULL && !out->failed)
        return ERR_OK;
    out->n = before;
    if (wrong != NULL)
        return ERR_RAISE(reterr, ERR_INVAL, "path: %s", wrong);
    return buf_check(out, reterr);
}

static bool has_name(struct span nodes, struct span name)
{
    struct tree t;

    while (tree_next(&nodes, &t)) {
        if (span_eq(t.key, name))
            return true;
    }
    return false;
}

static enum err add_parameter(struct span pair, struct buf *room, struct buf *tree, size_t mark,
                              struct err_info *reterr)
{
    struct span name, value;
    const char *wrong;
    size_t cut;

    if (!span_cut(pair, '=', &name, &value))
        value = SPAN_EMPTY;
    buf_reset(room);
    wrong = decode(name, true, room);
    cut = room->n;
    if (wrong == NULL)
        wrong = decode(value, true, room);
    if (wrong != NULL)
        return ERR_RAISE(reterr, ERR_INVAL, "query: %s", wrong);
    TRY(buf_check(room, reterr));
    name = span_of(room->p, cut);
    if (cut == 0)
        return ERR_RAISE(reterr, ERR_INVAL, "query: a parameter without a name");
    if (has_name(span_of(tree->p + mark, tree->n - mark), name))
        return ERR_RAISE(reterr, ERR_INVAL, "query: a parameter is given twice");
    tree_add_str(tree, name, span_of(room->p + cut, room->n - cut));
    return buf_check(tree, reterr);
}

enum err url_query_parse(struct span query, struct buf *tree, struct err_info *reterr)
{
    size_t before = tree->n, mark = tree_begin(tree, SPAN_EMPTY, TREE_OBJ), n = 0;
    struct buf room = BUF_INIT(query.n);
    enum err err = buf_check(tree, reterr);

    while (err == ERR_OK && query.n > 0) {
        struct span pair;
        bool more = span_cut(query, '&', &pair, &query);

        if (++n > URL_QUERY_MAX)
            err = ERR_RAISE(reterr, ERR_LIMIT, "query: more than %d parameters", URL_QUERY_MAX);
        else if (more && query.n == 0)
            err = ERR_RAISE(reterr, ERR_INVAL, "query: a parameter without a name");
        else
            err = add_parameter(pair, &room, tree, mark, reterr);
        if (!more)
            break;
    }
    buf_deinit(&room);
    if (err == ERR_OK)
        tree_end(tree, mark);
    else
        tree->n = before;
    return err;
}

void url_encode(struct buf *out, struct span in)
{
    static const char digits[] = "0123456789ABCDEF";

    for (size_t i = 0; i < in.n; i++) {
        uint8_t c = in.p[i];

        if (unreserved(c)) {
            buf_u8(out, c);
        } else {
            char escaped[3] = { '%', digits[c >> 4], digits[c & 15] };

            buf_add(out, escaped, sizeof(escaped));
        }
    }
}
