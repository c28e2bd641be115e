/*
 * Style text. A tokenizer as in CSS Syntax 3, as far as it has to be: comments, strings, names with their escapes, url().
 * Where it is coarser it sees a function where there is none, never the other way round.
 *
 * What goes: @import with all it says; functions that fetch what a string names; url() of what did not come with the
 * recording; expression(); declarations of -moz-binding and behavior. url(data:,) stands where something would have been
 * fetched: it is valid wherever an address is, and fetches nothing. A blank stands where a statement was, so that what
 * stood around it does not become one word.
 */
#include "codec/sanitize_int.h"
#include "codec/sanitize_table.h"

#include "base/utf8.h"

#ifdef __SSE2__
#include <emmintrin.h>
#endif

enum token {
    TOKEN_END,
    TOKEN_COMMENT,
    TOKEN_STRING,
    TOKEN_AT,       /* @name */
    TOKEN_FUNCTION, /* name( ; also url( when a quote follows */
    TOKEN_URL,      /* url( … ) without quotes, as a whole */
    TOKEN_NAME,
    TOKEN_OPEN,     /* ( [ { */
    TOKEN_CLOSE,
    TOKEN_SEMICOLON,
    TOKEN_COLON,
    TOKEN_BLANK,
    TOKEN_OTHER,
};

struct css {
    struct span in;
    size_t at;
    enum token kind;
    bool open;        /* the input ended inside the token */
    uint8_t c;        /* of OPEN, CLOSE: which */
    uint8_t name[40]; /* lower case, escapes decoded; a longer one is cut at its front: its end counts */
    size_t n_name;
    enum sanitize_address address; /* of URL */
};

static bool newline(uint8_t c)
{
    return c == '\n' || c == '\r' || c == '\f';
}

static bool white(uint8_t c)
{
    return newline(c) || c == ' ' || c == '\t';
}

static bool hex(uint8_t c)
{
    return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'f');
}

static bool name_start(uint8_t c)
{
    return ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') || c == '_' || c >= 0x80;
}

static uint8_t byte(const struct css *t, size_t i)
{
    return i < t->in.n ? t->in.p[i] : 0;
}

/* A backslash at i that begins an escape. */
static bool escape(const struct css *t, size_t i)
{
    return byte(t, i) == '\\' && !newline(byte(t, i + 1));
}

/* Behind the escape at *i; the code point it means. */
static uint32_t take_escape(const struct css *t, size_t *i)
{
    uint32_t cp = 0;
    int n = 0;

    (*i)++;
    if (*i >= t->in.n)
        return 0xfffd;
    if (!hex(byte(t, *i))) {
        struct rd r = rd_of(span_sub(t->in, *i, 4));

        cp = utf8_read(&r);
        if (r.failed) {
            (*i)++;
            return 0xfffd;
        }
        *i = (size_t) (r.p - t->in.p);
        return cp;
    }
    for (; n < 6 && hex(byte(t, *i)); n++, (*i)++) {
        uint8_t c = byte(t, *i);

        cp = cp << 4 | (uint32_t) (c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10);
    }
    if (byte(t, *i) == '\r' && byte(t, *i + 1) == '\n')
        *i += 2;
    else if (white(byte(t, *i)))
        (*i)++;
    return cp;
}

static void add_name(struct css *t, uint32_t cp)
{
    if (t->n_name == sizeof(t->name)) {
        memmove(t->name, t->name + 1, sizeof(t->name) - 1);
        t->n_name--;
    }
    t->name[t->n_name++] = (uint8_t) (cp >= 'A' && cp <= 'Z' ? cp + 32 : cp < 0x80 ? cp : 0x80);
}

static bool take_name_char(struct css *t)
{
    uint8_t c = byte(t, t->at);

    if (t->at >= t->in.n)
        return false;
    if (name_start(c) || (c >= '0' && c <= '9') || c == '-') {
        add_name(t, c);
        t->at++;
        return true;
    }
    if (!escape(t, t->at))
        return false;
    add_name(t, take_escape(t, &t->at));
    return true;
}

static void take_name(struct css *t)
{
    t->n_name = 0;
    while (take_name_char(t))
        ;
}

static bool begins_name(const struct css *t, size_t i)
{
    uint8_t c = byte(t, i);

    if (i >= t->in.n)
        return false;
    if (c == '-')
        return byte(t, i + 1) == '-' || name_start(byte(t, i + 1)) || escape(t, i + 1);
    return name_start(c) || escape(t, i);
}

/* Behind the closing quote of the string that begins at i, or at the end of its line. */
static size_t string_end(const struct css *t, size_t i, bool *ret_open)
{
    uint8_t quote = t->in.p[i++];

    for (; i < t->in.n; i++) {
        if (t->in.p[i] == quote)
            return i + 1;
        if (newline(t->in.p[i]))
            return i;
        if (t->in.p[i] == '\\')
            i += byte(t, i + 1) == '\r' && byte(t, i + 2) == '\n' ? 2 : 1;
    }
    *ret_open = true;
    return t->in.n;
}

/* What an address says, from [from, to): its first characters are enough. */
static enum sanitize_address address_in(const struct css *t, size_t from, size_t to)
{
    struct css part = { .in = span_sub(t->in, 0, to) };
    uint8_t room[512];
    struct buf text = { .p = room, .cap = sizeof(room), .max = sizeof(room) };
    enum sanitize_address a;
    size_t i = from;

    while (i < to && text.n < sizeof(room) - 4) {
        if (part.in.p[i] != '\\') {
            room[text.n++] = part.in.p[i++];
        } else if (newline(byte(&part, i + 1))) {
            i += 2;
        } else {
            uint32_t cp = take_escape(&part, &i);

            utf8_add(&text, cp == 0 || cp > 0x10ffff || (cp >= 0xd800 && cp < 0xe000) ? 0xfffd : cp);
        }
    }
    a = sanitize_address(span_of(room, text.n));
    return a == SANITIZE_ADDRESS_EMPTY && i < to ? SANITIZE_ADDRESS_OTHER : a; /* so many blanks hide something */
}

/* Behind "url(" of an address without quotes: to its end. */
static void take_url(struct css *t)
{
    size_t from = t->at;

    t->kind = TOKEN_URL;
    while (t->at < t->in.n && t->in.p[t->at] != ')') {
        if (escape(t, t->at))
            (void) take_escape(t, &t->at);
        else
            t->at++;
    }
    t->address = address_in(t, from, t->at);
    t->open = t->at >= t->in.n;
    t->at += !t->open;
}

/* The address in quotes that stands behind "url(". */
static enum sanitize_address quoted(const struct css *t)
{
    bool open = false;
    size_t end = string_end(t, t->at, &open);

    return address_in(t, t->at + 1, end > t->at + 1 && !open ? end - 1 : end);
}

static void take_word(struct css *t)
{
    take_name(t);
    t->kind = TOKEN_NAME;
    if (byte(t, t->at) != '(')
        return;
    t->at++;
    t->kind = TOKEN_FUNCTION;
    if (!span_eq_str(span_of(t->name, t->n_name), "url"))
        return;
    while (white(byte(t, t->at)))
        t->at++;
    if (byte(t, t->at) != '"' && byte(t, t->at) != '\'')
        take_url(t);
}

static void take_comment(struct css *t)
{
    const uint8_t *end;

    t->kind = TOKEN_COMMENT;
    for (t->at += 2; t->at < t->in.n; t->at++) {
        end = memchr(t->in.p + t->at, '*', t->in.n - t->at);
        if (end == NULL)
            break;
        t->at = (size_t) (end - t->in.p);
        if (byte(t, t->at + 1) == '/') {
            t->at += 2;
            return;
        }
    }
    t->at = t->in.n;
    t->open = true;
}

static void take_mark(struct css *t)
{
    uint8_t c = t->in.p[t->at++];

    t->c = c;
    switch (c) {
    case '(':
    case '[':
    case '{': t->kind = TOKEN_OPEN; break;
    case ')':
    case ']':
    case '}': t->kind = TOKEN_CLOSE; break;
    case ';': t->kind = TOKEN_SEMICOLON; break;
    case ':': t->kind = TOKEN_COLON; break;
    default: t->kind = white(c) ? TOKEN_BLANK : TOKEN_OTHER;
    }
}

static enum token next(struct css *t)
{
    uint8_t c = byte(t, t->at);

    t->open = false;
    if (t->at >= t->in.n) {
        t->kind = TOKEN_END;
    } else if (c == '/' && byte(t, t->at + 1) == '*') {
        take_comment(t);
    } else if (c == '"' || c == '\'') {
        t->kind = TOKEN_STRING;
        t->at = string_end(t, t->at, &t->open);
    } else if (c == '@' && begins_name(t, t->at + 1)) {
        t->at++;
        take_name(t);
        t->kind = TOKEN_AT;
    } else if (c == '<' && t->in.n - t->at >= 4 && memcmp(t->in.p + t->at, "<!--", 4) == 0) {
        t->at += 4;
        t->kind = TOKEN_OTHER;
    } else if (begins_name(t, t->at)) {
        take_word(t);
    } else {
        take_mark(t);
    }
    return t->kind;
}

/* To behind the ')' that closes what was opened just now. */
static void skip_function(struct css *t)
{
    for (size_t depth = 1; depth > 0 && next(t) != TOKEN_END;) {
        if (t->kind == TOKEN_FUNCTION || (t->kind == TOKEN_OPEN && t->c == '('))
            depth++;
        else if (t->kind == TOKEN_CLOSE && t->c == ')')
            depth--;
    }
}

/* To the end of an at-rule: behind its ';' or block; before a '}' that closes what it stands in. */
static void skip_statement(struct css *t)
{
    size_t depth = 0, braces = 0;

    for (;;) {
        size_t before = t->at;

        switch (next(t)) {
        case TOKEN_END: return;
        case TOKEN_SEMICOLON:
            if (depth == 0)
                return;
            break;
        case TOKEN_FUNCTION: depth++; break;
        case TOKEN_OPEN:
            braces += t->c == '{' && depth == 0;
            depth++;
            break;
        case TOKEN_CLOSE:
            if (depth == 0 && t->c == '}') {
                t->at = before;
                return;
            }
            depth -= depth > 0;
            if (depth == 0 && braces > 0 && t->c == '}')
                return;
            break;
        case TOKEN_COMMENT:
        case TOKEN_STRING:
        case TOKEN_AT:
        case TOKEN_URL:
        case TOKEN_NAME:
        case TOKEN_COLON:
        case TOKEN_BLANK:
        case TOKEN_OTHER: break;
        }
    }
}

/* A ':' follows, blanks and comments between. */
static bool before_colon(const struct css *t)
{
    struct css ahead = *t;

    while (next(&ahead) == TOKEN_BLANK || ahead.kind == TOKEN_COMMENT)
        ;
    return ahead.kind == TOKEN_COLON;
}

struct writer {
    struct buf *out;
    struct span in;
    size_t copied;
    bool edited;
};

static void put(struct writer *w, size_t from, size_t to, const char *with)
{
    if (!w->edited)
        buf_reset(w->out);
    w->edited = true;
    buf_add(w->out, w->in.p + w->copied, from - w->copied);
    buf_add_str(w->out, with);
    w->copied = to;
}

static bool fetched(enum sanitize_address a)
{
    return a == SANITIZE_ADDRESS_OTHER || a == SANITIZE_ADDRESS_BAD;
}

static bool fetches(const struct css *t)
{
    struct span name = span_of(t->name, t->n_name);

    return t->kind == TOKEN_FUNCTION && (span_eq_str(name, "url") ? fetched(quoted(t)) : sanitize_css_fetches(name));
}

/* One token at 'from': what becomes of it. */
static void judge(struct css *t, struct writer *w, size_t from)
{
    struct span name = span_of(t->name, t->n_name);

    if (t->kind == TOKEN_AT && span_eq_str(name, "import")) {
        skip_statement(t);
        put(w, from, t->at, " ");
    } else if (t->kind == TOKEN_AT && span_eq_str(name, "namespace")) {
        skip_statement(t); /* names a name space: nothing is fetched */
    } else if (t->kind == TOKEN_URL && fetched(t->address)) {
        put(w, from, t->at, SANITIZE_CSS_NOTHING);
    } else if (fetches(t)) {
        skip_function(t);
        put(w, from, t->at, SANITIZE_CSS_NOTHING);
    } else if (t->kind == TOKEN_FUNCTION && sanitize_css_runs(name)) {
        skip_function(t);
        put(w, from, t->at, "none");
    } else if (t->kind == TOKEN_NAME && sanitize_css_property(name) && before_colon(t)) {
        skip_statement(t);
        put(w, from, t->at, " ");
    }
}

/* Marks that join with what follows in another text: '/' with '*', '@' with a name … */
static bool joins(uint8_t c)
{
    return name_start(c) || (c >= '0' && c <= '9') || strchr("@\\-/<!#+.%&$~|^*=:>", c) != NULL;
}

/* An escape that has nothing to escape. */
static bool lone_backslash(struct span s)
{
    size_t n = 0;

    while (n < s.n && s.p[s.n - 1 - n] == '\\')
        n++;
    return n % 2 == 1;
}

/* The last token is closed, or kept apart from what may follow. */
static void seal_end(const struct css *last, struct writer *w)
{
    size_t n = w->in.n;

    if (w->copied == n && w->edited) /* the end itself was edited */
        return;
    if (last->kind == TOKEN_COMMENT) {
        if (last->open)
            put(w, n, n, "*/");
    } else if (last->kind != TOKEN_STRING && joins(w->in.p[n - 1])) {
        put(w, lone_backslash(w->in) ? n - 1 : n, n, "/**/");
    }
}

#define FOUR(a, b, c, d) ((uint32_t) (a) | (uint32_t) (b) << 8 | (uint32_t) (c) << 16 | (uint32_t) (d) << 24)

static uint32_t read_four(const uint8_t *p)
{
    return FOUR(p[0], p[1], p[2], p[3]);
}

/* ---- text in which nothing is to be done, found without looking at each word ---- */

/* The first byte from i on at which a comment, a string, an at-rule, a function or an escape may begin or end, or "<!--"; the end when there is none. */
static size_t landmark(struct span s, size_t i)
{
#ifdef __SSE2__
    for (; s.n - i >= 16; i += 16) {
        __m128i v = _mm_loadu_si128((const __m128i *) (const void *) (s.p + i));
        __m128i quotes = _mm_or_si128(_mm_cmpeq_epi8(v, _mm_set1_epi8('"')), _mm_cmpeq_epi8(v, _mm_set1_epi8('\'')));
        __m128i marks = _mm_or_si128(_mm_cmpeq_epi8(v, _mm_set1_epi8('(')), _mm_cmpeq_epi8(v, _mm_set1_epi8('/')));
        __m128i rare = _mm_or_si128(_mm_cmpeq_epi8(v, _mm_set1_epi8('@')), _mm_cmpeq_epi8(v, _mm_set1_epi8('<')));
        __m128i all = _mm_or_si128(_mm_or_si128(quotes, marks), _mm_or_si128(rare, _mm_cmpeq_epi8(v, _mm_set1_epi8('\\'))));
        int mask = _mm_movemask_epi8(all);

        if (mask != 0)
            return i + (size_t) __builtin_ctz((unsigned) mask);
    }
#endif
    while (i < s.n && s.p[i] != '"' && s.p[i] != '\'' && s.p[i] != '(' && s.p[i] != '/' && s.p[i] != '@' && s.p[i] != '<' && s.p[i] != '\\')
        i++;
    return i;
}

/* May a property whose declarations go be named? They are behavior and -moz-binding. */
static bool names_property(struct span s)
{
    for (size_t i = 0; i + 4 <= s.n; i++) {
        uint32_t four = read_four(s.p + i) | 0x20202020;

        if (four == FOUR('e', 'h', 'a', 'v') || four == FOUR('b', 'i', 'n', 'd'))
            return true;
    }
    return false;
}

/* Where the name that ends before the '(' at 'end' begins; 'from': no name begins before. */
static size_t name_before(const struct css *t, size_t from, size_t end)
{
    size_t i = end;

    while (i > from && (name_start(t->in.p[i - 1]) || (t->in.p[i - 1] >= '0' && t->in.p[i - 1] <= '9') || t->in.p[i - 1] == '-'))
        i--;
    while (i < end && !begins_name(t, i))
        i++;
    return i;
}

/* As judge: is there something to do about this token? */
static bool harmless(const struct css *t)
{
    struct span name = span_of(t->name, t->n_name);

    switch (t->kind) {
    case TOKEN_AT: return !span_eq_str(name, "import") && !span_eq_str(name, "namespace");
    case TOKEN_URL: return !t->open && !fetched(t->address);
    case TOKEN_FUNCTION: return !fetches(t) && !sanitize_css_runs(name);
    case TOKEN_STRING:
    case TOKEN_COMMENT: return !t->open;
    case TOKEN_END:
    case TOKEN_NAME:
    case TOKEN_OPEN:
    case TOKEN_CLOSE:
    case TOKEN_SEMICOLON:
    case TOKEN_COLON:
    case TOKEN_BLANK:
    case TOKEN_OTHER: break;
    }
    return true;
}

/* True: every token is left as it is. Only the tokens at landmarks are made; between them there are words and marks. */
static bool quiet(struct span css, bool seal)
{
    struct css t = { .in = css, .kind = TOKEN_OTHER };
    size_t from = 0, at;

    if (names_property(css))
        return false;
    while ((at = landmark(css, from)) < css.n) {
        if (css.p[at] == '\\' || css.p[at] == '<')
            return false;
        t.at = css.p[at] == '(' ? name_before(&t, from, at) : at;
        (void) next(&t);
        if (!harmless(&t))
            return false;
        from = t.at;
    }
    if (!seal || css.n == 0)
        return true;
    return from == css.n && (t.kind == TOKEN_COMMENT || t.kind == TOKEN_STRING) ? true : !joins(css.p[css.n - 1]);
}

/* Without one of these nothing is a function, a rule or an escape: most style attributes. */
static bool suspicious(struct span s)
{
    return s.n > 0 && (memchr(s.p, '(', s.n) != NULL || memchr(s.p, '@', s.n) != NULL || memchr(s.p, '\\', s.n) != NULL);
}

bool sanitize_css_text(struct span css, bool seal, struct buf *out)
{
    struct css t = { .in = css }, last = t;
    struct writer w = { .out = out, .in = css };
    size_t from = 0;

    if ((!seal && !suspicious(css)) || quiet(css, seal))
        return false;
    while (next(&t) != TOKEN_END) {
        last = t;
        if (seal && t.open && (t.kind == TOKEN_STRING || t.kind == TOKEN_URL))
            put(&w, from, css.n, " "); /* what is cut open goes */
        else
            judge(&t, &w, from);
        from = t.at;
    }
    if (seal && css.n > 0)
        seal_end(&last, &w);
    if (w.edited)
        buf_add(out, css.p + w.copied, css.n - w.copied);
    return w.edited;
}

bool sanitize_css(struct span css, struct buf *out)
{
    return sanitize_css_text(css, false, out);
}
