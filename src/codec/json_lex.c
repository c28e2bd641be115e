#include "codec/json_lex.h"

enum state {
    ST_VALUE,     /* a value, nothing else */
    ST_ARR_FIRST, /* a value or ']' */
    ST_OBJ_FIRST, /* a name or '}' */
    ST_NAME,      /* a name, after a comma */
    ST_COLON,
    ST_AFTER, /* a comma or the container's end */
    ST_STR,
    ST_ESC,
    ST_HEX,
    ST_UTF8,
    ST_MINUS,
    ST_ZERO,
    ST_INT,
    ST_DOT,
    ST_FRAC,
    ST_E,
    ST_ESIGN,
    ST_EXP,
    ST_LITERAL,
    ST_DONE,
};

static const struct {
    const char *name, *text;
} causes[] = {
    [JSON_OK] = { "ok", "no error" },
    [JSON_E_EMPTY] = { "empty", "there is no value" },
    [JSON_E_TRUNCATED] = { "truncated", "the input ends too early" },
    [JSON_E_ENCODING] = { "encoding", "a byte order mark or another encoding than UTF-8" },
    [JSON_E_VALUE] = { "value", "a value was expected" },
    [JSON_E_NAME] = { "name", "a member name in double quotes was expected" },
    [JSON_E_COLON] = { "colon", "a colon was expected after the member name" },
    [JSON_E_COMMA] = { "comma", "a comma or the closing bracket was expected" },
    [JSON_E_LITERAL] = { "literal", "not true, false or null" },
    [JSON_E_NUMBER] = { "number", "not a number as JSON writes it" },
    [JSON_E_CONTROL] = { "control", "a raw control character inside a string" },
    [JSON_E_ESCAPE] = { "escape", "an unknown escape in a string" },
    [JSON_E_SURROGATE] = { "surrogate", "half of a surrogate pair" },
    [JSON_E_NUL] = { "nul", "U+0000 in a string" },
    [JSON_E_UTF8] = { "utf-8", "bytes that are not UTF-8" },
    [JSON_E_TRAILING] = { "trailing", "something follows the value" },
    [JSON_E_DUPLICATE] = { "duplicate", "a member name appears twice in one object" },
    [JSON_E_SHAPE] = { "shape", "neither an array nor an object" },
    [JSON_E_DEPTH] = { "depth", "nested too deeply" },
    [JSON_E_MEMBERS] = { "members", "too many members and elements" },
    [JSON_E_STRING_LEN] = { "string-length", "a string is too long" },
    [JSON_E_NUMBER_LEN] = { "number-length", "a number has too many digits" },
    [JSON_E_BYTES] = { "bytes", "the input is too long" },
    [JSON_E_EVENT_BYTES] = { "event-bytes", "one event is too long" },
    [JSON_E_NOMEM] = { "no-memory", "no memory for the result" },
    [JSON_E_STOPPED] = { "stopped", "stopped by its reader" },
};

const char *json_cause_name(enum json_cause cause)
{
    return (size_t) cause < sizeof(causes) / sizeof(causes[0]) ? causes[cause].name : "unknown";
}

const char *json_cause_text(enum json_cause cause)
{
    return (size_t) cause < sizeof(causes) / sizeof(causes[0]) ? causes[cause].text : "unknown";
}

void json_lex_init(struct json_lex *l, const struct json_limits *lim)
{
    memset(l, 0, offsetof(struct json_lex, stack));
    l->lim = lim;
    l->line = 1;
    l->depth_max = lim->depth < JSON_DEPTH_CAP ? lim->depth : JSON_DEPTH_CAP;
    l->state = ST_VALUE;
}

void json_lex_next_value(struct json_lex *l)
{
    l->state = ST_VALUE;
    l->depth = 0;
}

bool json_lex_idle(const struct json_lex *l)
{
    return l->state == ST_VALUE && l->depth == 0;
}

enum json_step json_lex_fail(struct json_lex *l, enum json_cause cause, uint64_t at, uint64_t limit)
{
    uint64_t offset = l->offset + at;

    if (l->err.cause == JSON_OK)
        l->err = (struct json_error){ cause, json_cause_text(cause), offset, l->line, offset - l->line_at + 1, limit };
    return JSON_BAD;
}

/* Inside a feed: fails at p and ends the piece there. */
static const uint8_t *bad(struct json_lex *l, enum json_cause cause, const uint8_t *p, uint64_t limit)
{
    (void) json_lex_fail(l, cause, (uint64_t) (p - l->base), limit);
    return NULL;
}

static void value_done(struct json_lex *l)
{
    l->state = l->depth == 0 ? ST_DONE : ST_AFTER;
}

static bool top_is_object(const struct json_lex *l)
{
    uint32_t i = l->depth - 1;

    return (l->stack[i / 8] >> (i % 8) & 1) != 0;
}

static bool push(struct json_lex *l, bool object)
{
    uint32_t i = l->depth;
    uint8_t bit = (uint8_t) (1u << (i % 8));

    if (i >= l->depth_max)
        return false;
    l->stack[i / 8] = object ? l->stack[i / 8] | bit : l->stack[i / 8] & (uint8_t) ~bit;
    l->depth++;
    l->state = object ? ST_OBJ_FIRST : ST_ARR_FIRST;
    return true;
}

/* White space; the newline count makes 'line' in errors. */
static const uint8_t *space(struct json_lex *l, const uint8_t *p, const uint8_t *end)
{
    for (; p < end; p++) {
        if (*p == '\n') {
            l->line++;
            l->line_at = l->offset + (uint64_t) (p - l->base) + 1;
        } else if (*p != ' ' && *p != '\t' && *p != '\r') {
            break;
        }
    }
    return p;
}

size_t json_lex_space(struct json_lex *l, struct span in)
{
    size_t n;

    l->base = in.p;
    n = (size_t) (space(l, in.p, in.p + in.n) - in.p);
    l->offset += n;
    return n;
}

/* The first byte of a UTF-8 sequence, by the table of RFC 3629 section 4. */
static bool utf8_lead(struct json_lex *l, uint8_t c)
{
    l->lo = 0x80;
    l->hi = 0xbf;
    if (c >= 0xc2 && c <= 0xdf) {
        l->more = 1;
    } else if (c >= 0xe0 && c <= 0xef) {
        l->more = 2;
        if (c == 0xe0)
            l->lo = 0xa0;
        if (c == 0xed)
            l->hi = 0x9f;
    } else if (c >= 0xf0 && c <= 0xf4) {
        l->more = 3;
        if (c == 0xf0)
            l->lo = 0x90;
        if (c == 0xf4)
            l->hi = 0x8f;
    } else {
        return false;
    }
    return true;
}

static const uint8_t *utf8_rest(struct json_lex *l, const uint8_t *p, const uint8_t *end)
{
    while (p < end && l->more > 0) {
        if (*p < l->lo || *p > l->hi)
            return bad(l, JSON_E_UTF8, p, 0);
        l->lo = 0x80;
        l->hi = 0xbf;
        l->more--;
        p++;
    }
    if (l->more == 0)
        l->state = ST_STR;
    return p;
}

/* A complete \uXXXX is in cp; its last digit is at p. */
static const uint8_t *code_unit(struct json_lex *l, const uint8_t *p)
{
    bool lone_ok = l->lim->allow_lone_surrogates;
    uint32_t cp = l->cp;

    l->state = ST_STR;
    if (cp == 0 && l->lim->refuse_nul)
        return bad(l, JSON_E_NUL, p, 0);
    if (l->high != 0 && cp >= 0xdc00 && cp <= 0xdfff) {
        l->str_len += 1; /* the high half counted 3 already; a pair is 4 */
        l->high = 0;
        return p;
    }
    if ((l->high != 0 || (cp >= 0xdc00 && cp <= 0xdfff)) && !lone_ok)
        return bad(l, JSON_E_SURROGATE, p, 0);
    l->high = cp >= 0xd800 && cp <= 0xdbff ? cp : 0;
    l->str_len += cp < 0x80 ? 1 : cp < 0x800 ? 2 : 3;
    return p;
}

static const uint8_t *hex(struct json_lex *l, const uint8_t *p, const uint8_t *end)
{
    for (; p < end; p++) {
        uint8_t c = *p;
        uint32_t d = c >= '0' && c <= '9'   ? c - '0'
                     : c >= 'a' && c <= 'f' ? c - 'a' + 10
                     : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                            : 16;

        if (d == 16)
            return bad(l, JSON_E_ESCAPE, p, 0);
        l->cp = l->cp << 4 | d;
        if (--l->more == 0) {
            p = code_unit(l, p);
            return p == NULL ? NULL : p + 1;
        }
    }
    return p;
}

static const uint8_t *escape(struct json_lex *l, const uint8_t *p)
{
    switch (*p) {
    case 'u':
        l->cp = 0;
        l->more = 4;
        l->state = ST_HEX;
        return p + 1;
    case '"':
    case '\\':
    case '/':
    case 'b':
    case 'f':
    case 'n':
    case 'r':
    case 't':
        if (l->high != 0 && !l->lim->allow_lone_surrogates)
            return bad(l, JSON_E_SURROGATE, p, 0);
        l->high = 0;
        l->str_len++;
        l->state = ST_STR;
        return p + 1;
    default: return bad(l, JSON_E_ESCAPE, p, 0);
    }
}

/* Plain bytes, then one byte that is special. */
static const uint8_t *string(struct json_lex *l, const uint8_t *p, const uint8_t *end)
{
    const uint8_t *q = json_plain_run(p, end);
    uint64_t max = l->lim->string;
    uint8_t c;

    if (l->str_len > max)
        return bad(l, JSON_E_STRING_LEN, p, max);
    if ((uint64_t) (q - p) > max - l->str_len)
        return bad(l, JSON_E_STRING_LEN, p + (max - l->str_len), max);
    l->str_len += (uint64_t) (q - p);
    if (l->high != 0 && (q > p || *q != '\\')) {
        if (!l->lim->allow_lone_surrogates)
            return bad(l, JSON_E_SURROGATE, p, 0);
        l->high = 0;
    }
    if (q == end)
        return q;
    c = *q;
    if (c == '"') {
        if (l->in_name)
            l->state = ST_COLON;
        else
            value_done(l);
    } else if (c == '\\') {
        l->state = ST_ESC;
    } else if (c < 0x20) {
        return bad(l, JSON_E_CONTROL, q, 0);
    } else {
        if (!utf8_lead(l, c))
            return bad(l, JSON_E_UTF8, q, 0);
        l->str_len += 1u + l->more;
        l->state = ST_UTF8;
        return utf8_rest(l, q + 1, end);
    }
    return q + 1;
}

static const uint8_t *strings(struct json_lex *l, const uint8_t *p, const uint8_t *end)
{
    while (p != NULL && p < end && l->state >= ST_STR && l->state <= ST_UTF8) {
        switch (l->state) {
        case ST_STR: p = string(l, p, end); break;
        case ST_ESC: p = escape(l, p); break;
        case ST_HEX: p = hex(l, p, end); break;
        case ST_UTF8: p = utf8_rest(l, p, end); break;
        }
    }
    return p;
}

/* Next state of a number on byte c; ST_DONE: the number ended before c; ST_VALUE: c is wrong here. */
static uint8_t number_move(uint8_t state, uint8_t c)
{
    bool digit = c >= '0' && c <= '9';
    bool exponent = c == 'e' || c == 'E';

    switch (state) {
    case ST_MINUS: return c == '0' ? ST_ZERO : digit ? ST_INT : ST_VALUE;
    case ST_ZERO: return c == '.' ? ST_DOT : exponent ? ST_E : digit ? ST_VALUE : ST_DONE;
    case ST_INT: return digit ? ST_INT : c == '.' ? ST_DOT : exponent ? ST_E : ST_DONE;
    case ST_DOT: return digit ? ST_FRAC : ST_VALUE;
    case ST_FRAC: return digit ? ST_FRAC : exponent ? ST_E : ST_DONE;
    case ST_E: return digit ? ST_EXP : c == '+' || c == '-' ? ST_ESIGN : ST_VALUE;
    case ST_ESIGN: return digit ? ST_EXP : ST_VALUE;
    default: return digit ? ST_EXP : ST_DONE;
    }
}

static const uint8_t *number(struct json_lex *l, const uint8_t *p, const uint8_t *end)
{
    const uint8_t *q = p;

    while (q < end) {
        uint8_t next;

        if (l->state == ST_INT || l->state == ST_FRAC || l->state == ST_EXP) {
            while (q < end && *q >= '0' && *q <= '9')
                q++;
            if (q == end)
                break;
        }
        next = number_move(l->state, *q);
        if (next == ST_VALUE)
            return bad(l, JSON_E_NUMBER, q, 0);
        if (next == ST_DONE) {
            value_done(l);
            break;
        }
        l->state = next;
        q++;
    }
    if ((uint64_t) (q - p) > JSON_NUMBER_MAX - l->num_len)
        return bad(l, JSON_E_NUMBER_LEN, p + (JSON_NUMBER_MAX - l->num_len), JSON_NUMBER_MAX);
    l->num_len += (uint32_t) (q - p);
    return q;
}

static const uint8_t *literal(struct json_lex *l, const uint8_t *p, const uint8_t *end)
{
    for (; p < end && *l->literal != '\0'; p++) {
        if (*p != (uint8_t) *l->literal)
            return bad(l, JSON_E_LITERAL, p, 0);
        l->literal++;
    }
    if (*l->literal == '\0')
        value_done(l);
    return p;
}

static const uint8_t *begin_string(struct json_lex *l, const uint8_t *p, bool name)
{
    l->state = ST_STR;
    l->in_name = name;
    l->str_len = 0;
    l->high = 0;
    return p + 1;
}

static const uint8_t *begin_scalar(struct json_lex *l, const uint8_t *p)
{
    switch (*p) {
    case '"': return begin_string(l, p, false);
    case 't': l->literal = "rue"; break;
    case 'f': l->literal = "alse"; break;
    case 'n': l->literal = "ull"; break;
    default:
        if (*p != '-' && (*p < '0' || *p > '9'))
            return bad(l, JSON_E_VALUE, p, 0);
        l->num_len = 1;
        l->state = *p == '-' ? ST_MINUS : *p == '0' ? ST_ZERO : ST_INT;
        return p + 1;
    }
    l->state = ST_LITERAL;
    return p + 1;
}

static const uint8_t *begin_value(struct json_lex *l, const uint8_t *p)
{
    if (l->depth > 0) {
        if (++l->members > l->lim->members)
            return bad(l, JSON_E_MEMBERS, p, l->lim->members);
    } else {
        l->begin_offset = l->offset + (uint64_t) (p - l->base);
        l->begin_line = l->line;
    }
    if (*p != '{' && *p != '[')
        return begin_scalar(l, p);
    if (!push(l, *p == '{'))
        return bad(l, JSON_E_DEPTH, p, l->depth_max);
    return p + 1;
}

static const uint8_t *end_container(struct json_lex *l, const uint8_t *p)
{
    l->depth--;
    value_done(l);
    return p + 1;
}

/* One structural byte, white space already taken. */
static const uint8_t *structure(struct json_lex *l, const uint8_t *p)
{
    switch (l->state) {
    case ST_ARR_FIRST:
        if (*p == ']')
            return end_container(l, p);
        return begin_value(l, p);
    case ST_OBJ_FIRST:
        if (*p == '}')
            return end_container(l, p);
        return *p == '"' ? begin_string(l, p, true) : bad(l, JSON_E_NAME, p, 0);
    case ST_NAME: return *p == '"' ? begin_string(l, p, true) : bad(l, JSON_E_NAME, p, 0);
    case ST_COLON:
        l->state = ST_VALUE;
        return *p == ':' ? p + 1 : bad(l, JSON_E_COLON, p, 0);
    case ST_AFTER:
        if (*p == ',') {
            l->state = top_is_object(l) ? ST_NAME : ST_VALUE;
            return p + 1;
        }
        if (*p == (top_is_object(l) ? '}' : ']'))
            return end_container(l, p);
        return bad(l, JSON_E_COMMA, p, 0);
    default: return begin_value(l, p);
    }
}

static bool flush(struct json_lex *l, struct buf *out, const uint8_t *run, const uint8_t *p)
{
    if (out == NULL || p == run)
        return true;
    buf_add(out, run, (size_t) (p - run));
    if (out->failed)
        (void) bad(l, JSON_E_NOMEM, run, 0);
    return !out->failed;
}

static enum json_step feed(struct json_lex *l, struct span in, size_t *ret_used, struct buf *out)
{
    const uint8_t *p = in.p, *end = in.p + in.n, *run = p;

    l->base = in.p;
    *ret_used = 0;
    while (p != NULL && p < end && l->state != ST_DONE) {
        if (l->state >= ST_STR && l->state <= ST_UTF8) {
            p = strings(l, p, end);
        } else if (l->state >= ST_MINUS && l->state <= ST_EXP) {
            p = number(l, p, end);
        } else if (l->state == ST_LITERAL) {
            p = literal(l, p, end);
        } else {
            const uint8_t *q = *p <= ' ' ? space(l, p, end) : p;

            if (q != p) {
                if (!flush(l, out, run, p))
                    return JSON_BAD;
                run = p = q;
                continue;
            }
            p = structure(l, p);
        }
    }
    if (p == NULL || !flush(l, out, run, p))
        return JSON_BAD;
    *ret_used = (size_t) (p - in.p);
    l->offset += *ret_used;
    return l->state == ST_DONE ? JSON_DONE : JSON_MORE;
}

/* In pieces that fit the output's ceiling: what comes first in the input is reported, however the input is cut. */
enum json_step json_lex_feed(struct json_lex *l, struct span in, size_t *ret_used, struct buf *out)
{
    enum json_step step = JSON_MORE;

    *ret_used = 0;
    while (in.n > 0 && step == JSON_MORE) {
        size_t room = out == NULL ? in.n : out->max - out->n, used;

        step = feed(l, span_sub(in, 0, room == 0 ? 1 : room), &used, out);
        *ret_used += used;
        in = span_sub(in, used, in.n);
    }
    return step;
}

enum json_step json_lex_end(struct json_lex *l)
{
    const char *text = "the input ends inside a value";

    switch (l->state) {
    case ST_ZERO:
    case ST_INT:
    case ST_FRAC:
    case ST_EXP:
        if (l->depth == 0) {
            value_done(l);
            return JSON_DONE;
        }
        text = "the input ends inside a number";
        break;
    case ST_MINUS:
    case ST_DOT:
    case ST_E:
    case ST_ESIGN: text = "the input ends inside a number"; break;
    case ST_DONE: return JSON_DONE;
    case ST_STR:
    case ST_ESC:
    case ST_HEX:
    case ST_UTF8: text = "the input ends inside a string"; break;
    case ST_LITERAL: break;
    default:
        if (l->depth == 0)
            return json_lex_fail(l, JSON_E_EMPTY, 0, 0);
        text = top_is_object(l) ? "the input ends inside an object" : "the input ends inside an array";
        break;
    }
    if (l->err.cause == JSON_OK) {
        (void) json_lex_fail(l, JSON_E_TRUNCATED, 0, 0);
        l->err.text = text;
    }
    return JSON_BAD;
}
