/* JSON in place: over bytes that have been checked. Reads stay inside the span whatever it holds. */
#include "codec/json.h"

#include "base/num.h"
#include "base/utf8.h"
#include "codec/json_lex.h"
#include "codec/json_tape.h"

#ifdef __SSE2__
#include <emmintrin.h>
#endif

/* ---- tokens of valid bytes */

struct span json_skip_space(struct span s)
{
    while (s.n > 0 && (*s.p == ' ' || *s.p == '\n' || *s.p == '\r' || *s.p == '\t'))
        s = span_sub(s, 1, s.n);
    return s;
}

/* Index of the closing quote of a string whose first content byte is at i; s.n when there is none. */
size_t json_string_end(struct span s, size_t i)
{
    while (i < s.n) {
#ifdef __SSE2__
        while (s.n - i >= 16) {
            __m128i v = _mm_loadu_si128((const __m128i *) (const void *) (s.p + i));
            int mask = _mm_movemask_epi8(
                _mm_or_si128(_mm_cmpeq_epi8(v, _mm_set1_epi8('"')), _mm_cmpeq_epi8(v, _mm_set1_epi8('\\'))));

            if (mask != 0) {
                i += (size_t) __builtin_ctz((unsigned) mask);
                break;
            }
            i += 16;
        }
#endif
        if (i >= s.n || s.p[i] == '"')
            return i < s.n ? i : s.n;
        i += s.p[i] == '\\' ? 2 : 1;
    }
    return s.n;
}

/* First quote or bracket at or after i. '[' | 0x20 is '{', ']' | 0x20 is '}'. */
size_t json_next_bracket(struct span s, size_t i)
{
#ifdef __SSE2__
    while (s.n - i >= 16) {
        __m128i v = _mm_loadu_si128((const __m128i *) (const void *) (s.p + i));
        __m128i low = _mm_or_si128(v, _mm_set1_epi8(0x20));
        int mask = _mm_movemask_epi8(_mm_or_si128(
            _mm_cmpeq_epi8(v, _mm_set1_epi8('"')),
            _mm_or_si128(_mm_cmpeq_epi8(low, _mm_set1_epi8('{')), _mm_cmpeq_epi8(low, _mm_set1_epi8('}')))));

        if (mask != 0)
            return i + (size_t) __builtin_ctz((unsigned) mask);
        i += 16;
    }
#endif
    while (i < s.n && s.p[i] != '"' && (s.p[i] | 0x20) != '{' && (s.p[i] | 0x20) != '}')
        i++;
    return i;
}

/* Bit n: byte n of the 64 at p is a quote, a backslash or a bracket. */
static uint64_t marks64(const uint8_t *p)
{
    uint64_t marks = 0;

#ifdef __SSE2__
    for (int k = 0; k < 4; k++) {
        __m128i v = _mm_loadu_si128((const __m128i *) (const void *) (p + 16 * k));
        __m128i low = _mm_or_si128(v, _mm_set1_epi8(0x20));
        __m128i text = _mm_or_si128(_mm_cmpeq_epi8(v, _mm_set1_epi8('"')), _mm_cmpeq_epi8(v, _mm_set1_epi8('\\')));
        __m128i brackets =
            _mm_or_si128(_mm_cmpeq_epi8(low, _mm_set1_epi8('{')), _mm_cmpeq_epi8(low, _mm_set1_epi8('}')));

        marks |= (uint64_t) (unsigned) _mm_movemask_epi8(_mm_or_si128(text, brackets)) << (16 * k);
    }
#else
    for (int k = 0; k < 64; k++) {
        uint8_t c = p[k];

        marks |= (uint64_t) (c == '"' || c == '\\' || (c | 0x20) == '{' || (c | 0x20) == '}') << k;
    }
#endif
    return marks;
}

/*
 * Length of the container that starts at s. Events are read for a few members beside large ones, so this skips in
 * blocks: each mark is looked at once, an escaped byte's mark is dropped.
 */
static size_t container_len(struct span s)
{
    uint8_t last[64];
    size_t depth = 0;
    bool in_string = false, escaped = false;

    for (size_t i = 0; i < s.n; i += 64) {
        const uint8_t *p = s.p + i;
        uint64_t marks;

        if (s.n - i < 64) {
            memset(last, 0, sizeof(last));
            memcpy(last, p, s.n - i);
            p = last;
        }
        marks = marks64(p) & ~(uint64_t) escaped;
        escaped = false;
        for (; marks != 0; marks &= marks - 1) {
            int at = __builtin_ctzll(marks);
            uint8_t c = p[at];

            if (c == '"') {
                in_string = !in_string;
            } else if (c == '\\') {
                marks &= ~((uint64_t) 2 << at); /* shifts out at 63: then it is the next block's first */
                escaped = at == 63;
            } else if (!in_string && (c | 0x20) == '{') {
                depth++;
            } else if (!in_string && --depth == 0) {
                return i + (size_t) at + 1;
            }
        }
    }
    return s.n;
}

/* Cuts the value that starts at *at. */
struct json_value json_take_value(struct span *at)
{
    struct json_value v = { .type = JSON_NULL };
    struct span s = json_skip_space(*at);
    size_t n = 0;

    if (s.n == 0) {
        *at = s;
        return v;
    }
    switch (*s.p) {
    case '"':
        v.type = JSON_STRING;
        n = json_string_end(s, 1);
        v.raw = span_sub(s, 1, n - 1);
        *at = span_sub(s, n + 1, s.n);
        return v;
    case '{':
    case '[':
        v.type = *s.p == '{' ? JSON_OBJECT : JSON_ARRAY;
        n = container_len(s);
        break;
    default:
        v.type = *s.p == 'n' ? JSON_NULL : *s.p == 't' ? JSON_TRUE : *s.p == 'f' ? JSON_FALSE : JSON_NUMBER;
        while (n < s.n && s.p[n] > ' ' && s.p[n] != ',' && s.p[n] != '}' && s.p[n] != ']')
            n++;
        if (n == 0) /* not JSON: end here rather than stand still */
            n = s.n;
    }
    v.raw = span_sub(s, 0, n);
    *at = span_sub(s, n, s.n);
    return v;
}

struct json_value json_value(struct span in)
{
    in = json_skip_space(in);
    if (in.n == 0 || (*in.p != '{' && *in.p != '['))
        return json_take_value(&in);
    while (in.n > 0 && in.p[in.n - 1] <= ' ') /* it is all there is: no need to look for its end */
        in.n--;
    return (struct json_value){ .type = *in.p == '{' ? JSON_OBJECT : JSON_ARRAY, .raw = in };
}

struct json_iter json_iter_bytes(struct json_value c)
{
    bool object = c.type == JSON_OBJECT;

    if ((c.type != JSON_ARRAY && !object) || c.raw.n < 2)
        return (struct json_iter){ .object = false };
    return (struct json_iter){ .at = span_sub(c.raw, 1, c.raw.n - 2), .object = object };
}

bool json_next_bytes(struct json_iter *it, struct json_value *ret)
{
    struct span key = SPAN_EMPTY, at = json_skip_space(it->at);

    if (at.n > 0 && *at.p == ',')
        at = json_skip_space(span_sub(at, 1, at.n));
    if (at.n == 0)
        return false;
    if (it->object) {
        key = json_take_value(&at).raw;
        at = json_skip_space(at);
        at = span_sub(at, 1, at.n); /* the colon */
    }
    *ret = json_take_value(&at);
    ret->key = key;
    it->at = at;
    return true;
}

/* ---- strings */

static uint32_t hex4(const uint8_t *p)
{
    uint32_t v = 0;

    for (int i = 0; i < 4; i++) {
        uint8_t c = p[i];

        v = v << 4 | (uint32_t) (c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10);
    }
    return v & 0xffff;
}

/* The code point of the escape whose backslash is at *at. */
static uint32_t take_escape(struct span *at)
{
    static const char from[] = "bfnrt", to[] = "\b\f\n\r\t";
    const char *simple;
    uint32_t cp;
    uint8_t c;

    if (at->n < 2) {
        *at = SPAN_EMPTY;
        return 0xfffd;
    }
    c = at->p[1];
    if (c != 'u' || at->n < 6) {
        *at = span_sub(*at, 2, at->n);
        simple = c == '\0' ? NULL : strchr(from, c);
        return simple != NULL ? (uint32_t) to[simple - from] : c;
    }
    cp = hex4(at->p + 2);
    *at = span_sub(*at, 6, at->n);
    if (cp >= 0xd800 && cp <= 0xdbff && at->n >= 6 && at->p[0] == '\\' && at->p[1] == 'u') {
        uint32_t low = hex4(at->p + 2);

        if (low >= 0xdc00 && low <= 0xdfff) {
            *at = span_sub(*at, 6, at->n);
            return 0x10000 + ((cp - 0xd800) << 10) + (low - 0xdc00);
        }
    }
    return cp >= 0xd800 && cp <= 0xdfff ? 0xfffd : cp;
}

bool json_string_decode(struct span raw, struct buf *out)
{
    while (raw.n > 0) {
        const uint8_t *slash = memchr(raw.p, '\\', raw.n);
        size_t n = slash == NULL ? raw.n : (size_t) (slash - raw.p);

        buf_add(out, raw.p, n);
        raw = span_sub(raw, n, raw.n);
        if (raw.n > 0)
            utf8_add(out, take_escape(&raw));
    }
    return !out->failed;
}

bool json_raw_eq_slow(struct span raw, const char *text)
{
    uint8_t room[64];
    struct buf b;
    bool eq;

    if (raw.n == 0 || memchr(raw.p, '\\', raw.n) == NULL)
        return span_eq_str(raw, text);
    buf_init(&b, strlen(text) + sizeof(room)); /* longer than the text: not equal */
    eq = json_string_decode(raw, &b) && span_eq_str(buf_span(&b), text);
    buf_deinit(&b);
    return eq;
}

bool json_find(struct json_value obj, const char *key, struct json_value *ret)
{
    struct json_iter it = json_iter(obj);
    size_t n = strlen(key);
    struct json_value v;
    bool found = false;

    while (it.object && json_next(&it, &v)) {
        if (json_raw_eq_n(v.key, key, n)) {
            *ret = v;
            found = true;
        }
    }
    return found;
}

/* ---- numbers */

bool json_int(struct span raw, int64_t *ret)
{
    int64_t v = 0;
    size_t i = 0;

    if (raw.n > 0 && raw.n < 19 && raw.p[0] != '0') { /* most of them */
        while (i < raw.n && raw.p[i] >= '0' && raw.p[i] <= '9')
            v = v * 10 + (raw.p[i++] - '0');
        if (i == raw.n) {
            *ret = v;
            return true;
        }
    }
    if (!num_i64(raw, &v) || (raw.n > 1 && (*raw.p == '0' || (*raw.p == '-' && raw.p[1] == '0'))))
        return false;
    *ret = v;
    return true;
}

struct decimal {
    bool negative;
    struct span whole, fraction;
    int64_t exponent;
};

static struct span take_digits(struct span *s)
{
    size_t n = 0;
    struct span digits;

    while (n < s->n && s->p[n] >= '0' && s->p[n] <= '9')
        n++;
    digits = span_sub(*s, 0, n);
    *s = span_sub(*s, n, s->n);
    return digits;
}

static bool take_char(struct span *s, const char *any)
{
    if (s->n == 0 || *s->p == '\0' || strchr(any, *s->p) == NULL)
        return false;
    *s = span_sub(*s, 1, s->n);
    return true;
}

static bool decimal_parse(struct span s, struct decimal *d)
{
    *d = (struct decimal){ .negative = take_char(&s, "-") };
    d->whole = take_digits(&s);
    if (d->whole.n == 0 || (d->whole.n > 1 && *d->whole.p == '0'))
        return false;
    if (take_char(&s, ".")) {
        d->fraction = take_digits(&s);
        if (d->fraction.n == 0)
            return false;
    }
    if (take_char(&s, "eE")) {
        bool negative = s.n > 0 && *s.p == '-';
        struct span digits;

        (void) take_char(&s, "+-");
        digits = take_digits(&s);
        if (digits.n == 0)
            return false;
        for (size_t i = 0; i < digits.n && d->exponent < 1000000; i++) /* more is out of range anyway */
            d->exponent = d->exponent * 10 + (digits.p[i] - '0');
        if (negative)
            d->exponent = -d->exponent;
    }
    return s.n == 0;
}

static bool times_ten(uint64_t *v, uint64_t plus)
{
    return !__builtin_mul_overflow(*v, 10, v) && !__builtin_add_overflow(*v, plus, v);
}

bool json_scaled(struct span raw, int decimals, int64_t *ret)
{
    struct decimal d;
    uint64_t v = 0;
    int64_t shift, keep, n;

    if (raw.n < 16 && decimals == 3 && json_int(raw, ret)) { /* a time in milliseconds, as nearly all are */
        *ret *= 1000;
        return true;
    }
    if (!decimal_parse(raw, &d))
        return false;
    n = (int64_t) (d.whole.n + d.fraction.n);
    shift = d.exponent - (int64_t) d.fraction.n + decimals;
    keep = shift < 0 ? n + shift : n; /* so many leading digits stay */
    for (int64_t i = 0; i < n && i <= keep; i++) {
        size_t at = (size_t) i;
        uint64_t digit = (uint64_t) ((at < d.whole.n ? d.whole.p[at] : d.fraction.p[at - d.whole.n]) - '0');

        if (i == keep)
            v += digit >= 5 && v < UINT64_MAX ? 1 : 0;
        else if (!times_ten(&v, digit))
            return false;
    }
    for (; shift > 0 && v != 0; shift--) {
        if (!times_ten(&v, 0))
            return false;
    }
    if (v > (uint64_t) INT64_MAX)
        return false;
    *ret = d.negative ? -(int64_t) v : (int64_t) v;
    return true;
}
