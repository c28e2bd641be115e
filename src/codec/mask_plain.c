#include "codec/mask_plain.h"

#include "base/utf8.h"

#ifdef __SSE2__
#include <emmintrin.h>
#endif

#define NAME_MAX 128 /* bytes of a field's name in text */

/* ---- escapes ---- */

static int hex1(uint8_t c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* n hexadecimal digits at p; -1: they are not. */
static int64_t hex_at(struct span t, size_t at, size_t n)
{
    int64_t v = 0;

    if (at > t.n || t.n - at < n)
        return -1;
    for (size_t i = at; i < at + n; i++) {
        if (hex1(t.p[i]) < 0)
            return -1;
        v = v << 4 | hex1(t.p[i]);
    }
    return v;
}

bool mask_plain_needed(struct span text)
{
    const uint8_t *p;

    if (text.n < 2)
        return false;
    if (memchr(text.p, '\\', text.n) != NULL)
        return true;
    p = memchr(text.p, '&', text.n);
    if (p != NULL && memchr(p, ';', text.n - (size_t) (p - text.p)) != NULL)
        return true;
    if (memchr(text.p, '+', text.n) != NULL && memchr(text.p, '=', text.n) != NULL && memmem(text.p, text.n, ";base64,", 8) == NULL)
        return true; /* a form: "+" is a space */
    for (size_t at = 0; (p = memchr(text.p + at, '%', text.n - at)) != NULL;) {
        at = (size_t) (p - text.p) + 1;
        if (hex_at(text, at, 2) >= 0)
            return true;
    }
    return false;
}

/* What one place comes to: at most a character; or, of "%C3", one byte of it. */
struct unit {
    uint8_t bytes[4];
    uint8_t n;
    size_t next; /* where the text goes on */
};

static void unit_cp(struct unit *u, uint32_t cp)
{
    if (cp < 0x80) {
        u->n = 1;
        u->bytes[0] = (uint8_t) cp;
    } else if (cp < 0x800) {
        u->n = 2;
        u->bytes[0] = (uint8_t) (0xc0 | cp >> 6);
        u->bytes[1] = (uint8_t) (0x80 | (cp & 0x3f));
    } else {
        bool four = cp >= 0x10000;

        u->n = four ? 4 : 3;
        u->bytes[0] = (uint8_t) (four ? 0xf0 | cp >> 18 : 0xe0 | cp >> 12);
        for (uint8_t i = 1; i < u->n; i++)
            u->bytes[i] = (uint8_t) (0x80 | (cp >> (6 * (u->n - 1 - i)) & 0x3f));
    }
}

static bool surrogate(int64_t cp, bool high)
{
    return high ? cp >= 0xd800 && cp <= 0xdbff : cp >= 0xdc00 && cp <= 0xdfff;
}

static size_t after_slashes(struct span t, size_t at)
{
    while (at < t.n && t.p[at] == '\\')
        at++;
    return at;
}

/* "\n", "\u0040", "\x40", "\"", with any number of backslashes, as text has them that was quoted more than once. */
static void slash_unit(struct span t, size_t at, struct unit *u)
{
    static const char from[] = "nrtbfv", to[] = "\n\r\t   ";
    size_t i = after_slashes(t, at), j;
    const char *simple;
    int64_t cp, low;

    if (i == t.n) {
        *u = (struct unit){ .n = 0, .next = i };
        return;
    }
    simple = t.p[i] == '\0' ? NULL : strchr(from, t.p[i]);
    if (simple != NULL) {
        *u = (struct unit){ { (uint8_t) to[simple - from] }, 1, i + 1 };
        return;
    }
    cp = t.p[i] == 'u' ? hex_at(t, i + 1, 4) : t.p[i] == 'x' ? hex_at(t, i + 1, 2) : -1;
    if (cp < 0) {
        *u = (struct unit){ { t.p[i] }, 1, i + 1 };
        return;
    }
    u->next = i + (t.p[i] == 'u' ? 5 : 3);
    j = after_slashes(t, u->next);
    if (surrogate(cp, true) && j > u->next && j < t.n && t.p[j] == 'u' && surrogate(low = hex_at(t, j + 1, 4), false)) {
        cp = 0x10000 + ((cp - 0xd800) << 10) + (low - 0xdc00);
        u->next = j + 5;
    }
    unit_cp(u, surrogate(cp, true) || surrogate(cp, false) ? 0xfffd : (uint32_t) cp);
}

/* "&#64;" or one of a few names at 'at'; 0: it is none. */
static uint32_t entity(struct span t, size_t at, size_t *ret_next)
{
    static const struct {
        const char *name;
        uint8_t cp;
    } names[] = { { "amp", '&' }, { "lt", '<' }, { "gt", '>' }, { "quot", '"' }, { "apos", '\'' }, { "nbsp", ' ' }, { "commat", '@' },
                  { "period", '.' }, { "colon", ':' }, { "sol", '/' }, { "equals", '=' }, { "lowbar", '_' }, { "plus", '+' } };
    struct span s = span_sub(t, at + 1, 10), name, rest;
    bool hex;
    uint32_t cp = 0;

    if (!span_cut(s, ';', &name, &rest) || name.n == 0)
        return 0;
    *ret_next = at + name.n + 2;
    if (name.p[0] != '#') {
        for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
            if (span_eq_str(name, names[i].name))
                return names[i].cp;
        return 0;
    }
    hex = name.n > 1 && (name.p[1] | 0x20) == 'x';
    for (size_t i = hex ? 2 : 1; i < name.n; i++) {
        int d = hex1(name.p[i]);

        if (d < 0 || (!hex && d > 9) || cp > 0x10ffff)
            return 0;
        cp = cp * (hex ? 16 : 10) + (uint32_t) d;
    }
    return cp > 0x10ffff || (cp >= 0xd800 && cp <= 0xdfff) ? 0 : cp;
}

/* What is escaped twice ("%2540", "&amp;#64;") comes to what it comes to at last. */
static void take_unit(struct span t, size_t at, struct unit *u)
{
    const uint8_t c = t.p[at];
    int64_t byte;
    uint32_t cp;

    *u = (struct unit){ { c == '+' ? ' ' : c }, 1, at + 1 };
    if (c == '\\') {
        slash_unit(t, at, u);
    } else if (c == '%' && (byte = hex_at(t, at + 1, 2)) >= 0) {
        u->next = at + 3;
        while (byte == '%' && hex_at(t, u->next, 2) >= 0) {
            byte = hex_at(t, u->next, 2);
            u->next += 2;
        }
        u->bytes[0] = (uint8_t) byte;
    } else if (c == '&' && (cp = entity(t, at, &u->next)) != 0) {
        while (cp == '&') {
            struct span rest = span_sub(t, u->next - 1, t.n);
            size_t next = 0;
            uint8_t first;

            /* "&amp;#64;": read on as if the '&' stood right before */
            if (rest.n < 2)
                break;
            first = rest.p[1];
            cp = first == '#' || (first | 0x20) >= 'a' ? entity(rest, 0, &next) : 0;
            if (cp == 0) {
                cp = '&';
                break;
            }
            u->next += next - 1;
        }
        unit_cp(u, cp);
    }
}

/* Bytes from 'at' on that stand for themselves. */
static size_t plain_run(struct span t, size_t at)
{
    size_t i = at;

#ifdef __SSE2__
    for (; t.n - i >= 16; i += 16) {
        __m128i v = _mm_loadu_si128((const __m128i *) (const void *) (t.p + i));
        __m128i odd = _mm_or_si128(_mm_or_si128(_mm_cmpeq_epi8(v, _mm_set1_epi8('\\')), _mm_cmpeq_epi8(v, _mm_set1_epi8('+'))),
                                   _mm_or_si128(_mm_cmpeq_epi8(v, _mm_set1_epi8('%')), _mm_cmpeq_epi8(v, _mm_set1_epi8('&'))));
        int mask = _mm_movemask_epi8(odd);

        if (mask != 0)
            return i + (size_t) __builtin_ctz((unsigned) mask) - at;
    }
#endif
    while (i < t.n && t.p[i] != '\\' && t.p[i] != '+' && t.p[i] != '%' && t.p[i] != '&')
        i++;
    return i - at;
}

bool mask_plain_text(struct span text, struct buf *out)
{
    uint8_t *to = buf_reserve(out, text.n + 4);
    struct unit u;

    if (to == NULL)
        return false;
    for (size_t at = 0; at < text.n; at = u.next) {
        size_t run = plain_run(text, at);

        memcpy(to, text.p + at, run);
        to += run;
        at += run;
        if (at == text.n)
            break;
        take_unit(text, at, &u);
        memcpy(to, u.bytes, 4); /* there is room for four */
        to += u.n;
    }
    out->n = (size_t) (to - out->p);
    return true;
}

void mask_plain_hits(struct span text, struct mask_hit *hits, size_t n)
{
    size_t i = 0, d = 0;
    bool inside = false;
    struct unit u;

    for (size_t at = 0; at < text.n && i < n; at = u.next) {
        if (inside && d >= hits[i].to) {
            hits[i++].to = (uint32_t) at;
            inside = false;
        }
        if (i < n && !inside && d >= hits[i].from) {
            hits[i].from = (uint32_t) at;
            inside = true;
        }
        take_unit(text, at, &u);
        d += u.n;
    }
    if (i < n && inside)
        hits[i].to = (uint32_t) text.n;
}

/* ---- fields in text ---- */

static bool name_char(uint8_t c)
{
    return c >= 0x80 || (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') || c == '_' || c == '-' || c == '.' ||
           c == '[' || c == ']' || c == '%' || c == '$';
}

/* The name that ends at 'end', none before 'from'. */
static struct span name_before(struct span t, size_t from, size_t end)
{
    size_t at = end;

    while (at > from && end - at <= NAME_MAX && name_char(t.p[at - 1]))
        at--;
    return span_sub(t, at, end - at);
}

static void add_hit(struct buf *hits, size_t from, size_t to)
{
    struct mask_hit h = { (uint32_t) from, (uint32_t) to, MASK_FIELD };

    if (from < to)
        buf_add(hits, &h, sizeof(h));
}

/* Is the name, or its last part ("user[password]", "form.password"), one that goes whole? */
static bool is_plain_field(const struct mask_rules *r, struct span name)
{
    while (name.n > 0 && (name.p[name.n - 1] == ']' || name.p[name.n - 1] == '['))
        name.n--;
    if (name.n == 0)
        return false;
    for (size_t i = name.n; i > 0; i--)
        if (name.p[i - 1] == '[' || name.p[i - 1] == '.')
            return mask_rules_field(r, span_sub(name, i, name.n)) || mask_rules_field(r, name);
    return mask_rules_field(r, name);
}

static bool is_field(const struct mask_rules *r, struct span name)
{
    struct buf plain = BUF_INIT(NAME_MAX + 8);
    bool yes;

    if (name.n == 0 || name.n > NAME_MAX)
        return false;
    if (memchr(name.p, '%', name.n) == NULL)
        return is_plain_field(r, name);
    yes = !mask_plain_text(name, &plain) || is_plain_field(r, buf_span(&plain)); /* no memory: it may be one */
    buf_deinit(&plain);
    return yes;
}

/* "name=value" up to what ends it. Returns where to go on. */
static size_t form_field(const struct mask_rules *r, struct span t, size_t eq, size_t from, struct buf *hits)
{
    struct span name = name_before(t, from, eq);
    size_t end = eq + 1;
    uint8_t quote = 0;

    if (name.n == 0 || end == t.n || t.p[end] == '=' || !is_field(r, name))
        return eq + 1;
    if (t.p[end] == '"' || t.p[end] == '\'')
        quote = t.p[end++];
    from = end;
    while (end < t.n && t.p[end] >= ' ' && (quote != 0 ? t.p[end] != quote : strchr(" &;#,\"'<>\\", t.p[end]) == NULL))
        end++;
    add_hit(hits, from, end);
    return end;
}

/* The string that starts at 'at' with a quote that 'slashes' backslashes stand before: where its content ends. */
static size_t quoted_end(struct span t, size_t at, size_t slashes)
{
    while (at < t.n) {
        const uint8_t *q = memchr(t.p + at, '"', t.n - at);
        size_t end = q == NULL ? t.n : (size_t) (q - t.p), n = 0;

        while (end > at + n && t.p[end - n - 1] == '\\')
            n++;
        if (q == NULL || n <= slashes)
            return end - (n < slashes ? n : slashes);
        at = end + 1;
    }
    return t.n;
}

/* `"name":"value"`, `\"name\": 12`. */
static size_t json_field(const struct mask_rules *r, struct span t, size_t colon, size_t from, struct buf *hits)
{
    size_t at = colon, slashes = 0, end;
    struct span name;

    while (at > from && t.p[at - 1] == ' ')
        at--;
    if (at == from || t.p[at - 1] != '"')
        return colon + 1;
    at--;
    while (at > from && t.p[at - 1] == '\\')
        at--;
    name = name_before(t, from, at);
    if (name.n == 0 || !is_field(r, name))
        return colon + 1;
    at = colon + 1;
    while (at < t.n && (t.p[at] == ' ' || t.p[at] == '['))
        at++;
    while (at + slashes < t.n && t.p[at + slashes] == '\\')
        slashes++;
    end = at + slashes;
    if (end < t.n && t.p[end] == '"') {
        at = end + 1;
        end = quoted_end(t, at, slashes);
    } else {
        if (end < t.n && (t.p[end] == '{' || t.p[end] == 'n' || t.p[end] == 't' || t.p[end] == 'f'))
            return colon + 1; /* an object's own members come by themselves; null, true, false tell nothing */
        while (end < t.n && t.p[end] > ' ' && strchr(",}]\\", t.p[end]) == NULL)
            end++;
    }
    add_hit(hits, at, end);
    return end > colon ? end : colon + 1;
}

/* "name: value" where a line begins. */
static size_t header_field(const struct mask_rules *r, struct span t, size_t colon, size_t from, struct buf *hits)
{
    struct span name = name_before(t, from, colon);
    size_t at = (size_t) (name.p - t.p), end = colon + 1;

    if (name.n == 0 || end == t.n || t.p[end] == '/' || (at > 0 && t.p[at - 1] != '\n' && t.p[at - 1] != '\r' &&
                                                         !(at > 1 && t.p[at - 1] == 'n' && t.p[at - 2] == '\\')))
        return colon + 1;
    if (!is_field(r, name))
        return colon + 1;
    while (end < t.n && t.p[end] == ' ')
        end++;
    from = end;
    while (end < t.n && t.p[end] >= ' ' && t.p[end] != '\\' && t.p[end] != '"')
        end++;
    add_hit(hits, from, end);
    return end;
}

void mask_plain_fields(const struct mask_rules *r, struct span t, bool headers, struct buf *hits)
{
    size_t from = 0; /* names do not begin before */
    size_t at = 0;

    while (at < t.n) {
        uint8_t c = t.p[at];

        if (c == '=') {
            at = from = form_field(r, t, at, from, hits);
        } else if (c == ':') {
            size_t n = hits->n, next = json_field(r, t, at, from, hits);

            if (hits->n == n && headers)
                next = header_field(r, t, at, from, hits);
            at = from = next;
        } else {
            at++;
        }
    }
}
