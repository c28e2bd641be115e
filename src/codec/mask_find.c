/* Finders of matches around an '@', JWTs, bearer tokens, private keys; borders. See mask_int.h. */
#include "codec/mask_int.h"

#include "codec/base64.h"

#define LOCAL_MAX  64  /* RFC 5321 4.5.3.1.1 */
#define DOMAIN_MAX 253
#define LABEL_MAX  63
#define USERINFO_MAX 256
#define TOKEN_MAX  (16u << 10)
#define B64_LINE_MIN 16 /* characters of a line that is a key's and not a word of what follows */
#define JWT_HEAD_MAX 2048

/* ---- characters and borders ---- */

bool mask_in_set(enum mask_set set, uint8_t c)
{
    switch (set) {
    case SET_UPPER_DIGIT: return mask_is_upper(c) || mask_is_digit(c);
    case SET_WORD: return mask_is_alnum(c) || c == '_' || c == '-';
    case SET_ALNUM: return mask_is_alnum(c);
    case SET_HEX: return mask_is_digit(c) || (uint8_t) ((c | 0x20) - 'a') < 6;
    case SET_TOKEN: return mask_is_alnum(c) || (c != '\0' && strchr("_-.~+/=", c) != NULL);
    }
    return false;
}

bool mask_after_escape(const struct mask_in *in, size_t at)
{
    return at >= 2 && in->p[at - 2] == '\\' && strchr("nrtbf", in->p[at - 1]) != NULL;
}

bool mask_border_left(const struct mask_in *in, size_t at)
{
    uint8_t c;

    if (at == 0)
        return true;
    c = in->p[at - 1];
    if (!mask_is_alnum(c) && c != '_')
        return true;
    /* %3D and its like are one character of a URL. */
    if (at >= 3 && in->p[at - 3] == '%' && mask_in_set(SET_HEX, in->p[at - 2]) && mask_in_set(SET_HEX, c))
        return true;
    return mask_after_escape(in, at);
}

bool mask_border_right(const struct mask_in *in, size_t at)
{
    return at >= in->n || (!mask_is_alnum(in->p[at]) && in->p[at] != '_');
}

size_t mask_space(const struct mask_in *in, size_t at)
{
    const uint8_t *p = in->p + at;

    if (at < in->n && *p == ' ')
        return 1;
    if (at + 1 < in->n && p[0] == 0xc2 && p[1] == 0xa0)
        return 2;
    return at + 2 < in->n && p[0] == 0xe2 && p[1] == 0x80 && (p[2] == 0xaf || p[2] == 0x89) ? 3 : 0;
}

static bool is_word_at(const uint8_t *p, size_t n, const char *word)
{
    size_t i = 0;

    for (; word[i] != '\0'; i++) {
        if (i == n || mask_lower(p[i]) != (uint8_t) word[i])
            return false;
    }
    return true;
}

static unsigned bit_of(const uint8_t *p)
{
    return ((p[0] | 0x20u) * 31u + (p[1] | 0x20u) * 7u + (p[2] | 0x20u)) & 255; /* no case: near enough to pass places over */
}

void mask_words_init(struct mask_words *w)
{
    for (const char *const *word = w->words; *word != NULL; word++) {
        unsigned bit = bit_of((const uint8_t *) *word + (**word == ' '));

        w->starts[bit / 64] |= 1ULL << bit % 64;
    }
}

static bool word_here(const struct mask_in *in, size_t i, size_t at, const char *const *words)
{
    for (const char *const *w = words; *w != NULL; w++) {
        bool alone = **w == ' ';
        const char *word = *w + alone;

        if (is_word_at(in->p + i, at - i, word) &&
            (!alone || (mask_border_left(in, i) && (i + strlen(word) >= at || !mask_is_alpha(in->p[i + strlen(word)])))))
            return true;
    }
    return false;
}

/* {"name":123 and {"name":"123: where the name begins; only it says what the number is. 0: it stands elsewhere. */
static size_t member_name(const struct mask_in *in, size_t at, size_t from)
{
    size_t i = at;

    if (i > from && in->p[i - 1] == '"')
        i -= i > from + 1 && in->p[i - 2] == '\\' ? 2 : 1;
    while (i > from && in->p[i - 1] == ' ')
        i--;
    if (i < from + 3 || in->p[i - 1] != ':' || in->p[i - 2] != '"')
        return 0;
    for (i -= 2; i > from && in->p[i - 1] != '"'; i--) {}
    return i;
}

bool mask_word_before(const struct mask_in *in, size_t at, const struct mask_words *w)
{
    const size_t tail = in->raw ? 2 * MASK_TAIL : MASK_TAIL; /* an escape is two bytes there */
    size_t from = at > tail ? at - tail : 0, name = member_name(in, at, from);

    if (name > 0)
        from = name;

    for (size_t i = at; i > from + 2; i--) {
        const uint8_t *p = in->p + i - 3;
        unsigned bit = bit_of(p);

        if (p[2] == '\n' || (p[2] == 'n' && p[1] == '\\'))
            return false;
        if ((w->starts[bit / 64] >> bit % 64 & 1) != 0 && word_here(in, i - 3, at, w->words))
            return true;
    }
    return false;
}

/* ---- e-mail addresses, passwords in URLs ---- */

static bool is_local(uint8_t c)
{
    return mask_is_alnum(c) || c >= 0x80 || (c != '\0' && strchr("._%+-'", c) != NULL);
}

/* Names of files and units that look like a domain: icon@2x.png, getty@tty1.service. */
static bool is_no_domain(const uint8_t *p, size_t n)
{
    static const char *const ends[] = { "png", "jpg", "jpeg", "gif", "svg", "webp", "avif", "ico", "js", "mjs", "cjs", "jsx", "ts",
                                        "tsx", "css", "scss", "sass", "less", "json", "map", "html", "htm", "php", "xml", "yml",
                                        "yaml", "lock", "tgz", "gz", "tar", "zip", "woff", "woff2", "ttf", "eot", "mp3", "mp4",
                                        "wasm", "txt", "log", "exe", "dll", "service", "socket", "timer", "slice", "scope",
                                        "target", "mount", "device", "conf", "java", "class", "vue", "svelte", "proto" };

    for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
        if (strlen(ends[i]) == n && is_word_at(p, n, ends[i]))
            return true;
    }
    return false;
}

/* The end of a domain with at least two labels that begins at 'at', or 0. */
static size_t domain_end(const struct mask_in *in, size_t at)
{
    size_t label = at, end = 0, i = at;

    for (;; i++) {
        uint8_t c = i < in->n ? in->p[i] : 0;

        if (mask_is_alnum(c) || c == '-' || c >= 0x80) {
            if (i - label >= LABEL_MAX || i - at >= DOMAIN_MAX)
                return 0;
            continue;
        }
        if (i == label || in->p[label] == '-' || in->p[i - 1] == '-')
            break; /* an empty label: what came before it counts */
        if (label > at && i - label >= 2 && (mask_is_alpha(in->p[label]) || in->p[label] >= 0x80) &&
            !mask_is_digit(in->p[i - 1]) && !is_no_domain(in->p + label, i - label))
            end = i;
        else if (label > at)
            end = 0; /* 1.2.3, or a file's name */
        if (c != '.')
            break;
        label = i + 1;
    }
    return end;
}

size_t mask_url_password(const struct mask_in *in, size_t at)
{
    size_t from = at > USERINFO_MAX ? at - USERINFO_MAX : 0, colon = 0;

    for (size_t i = at; i > from; i--) {
        uint8_t c = in->p[i - 1];

        if (c == '/' && i >= 3 && colon > i) {
            bool raw = in->p[i - 2] == '\\' && i >= 5 && in->p[i - 3] == '/' && in->p[i - 4] == '\\' && in->p[i - 5] == ':';

            return (in->p[i - 2] == '/' && in->p[i - 3] == ':') || raw ? colon : 0;
        }
        if (c == ':')
            colon = i;
        else if (c <= ' ' || c == '/' || c == '"' || c == '<' || c == '>' || c == '@')
            return 0;
    }
    return 0;
}

/* git@host:path is how repositories are named, name@openssh.com how ciphers are; they are nobody's addresses. */
static bool is_no_address(const struct mask_in *in, size_t from, size_t at, size_t end)
{
    struct span domain = span_of(in->p + at + 1, end - at - 1);

    if (at - from >= 3 && memcmp(in->p + at - 3, "git", 3) == 0 && end < in->n && (in->p[end] == ':' || in->p[end] == '/'))
        return true;
    return span_eq_str(domain, "openssh.com") || span_eq_str(domain, "libssh.org");
}

static void find_address(struct mask_scanner *s, const struct mask_in *in, size_t at, size_t domain)
{
    size_t from = at, to;

    while (from > 0 && at - from < LOCAL_MAX + 8 && is_local(in->p[from - 1]))
        from--;
    /* A quote or a dot that stands before an address is not its beginning, nor is half of an escape. */
    while (from < at && (in->p[from] == '.' || in->p[from] == '\'' || in->p[from] == '-' || in->p[from] == '%'))
        from += in->p[from] == '%' && at - from > 3 ? 3 : 1;
    if (!in->raw && from > 0 && from < at && in->p[from - 1] == '\\' && strchr("nrt", in->p[from]) != NULL)
        from++;
    if (from == at)
        return;
    to = domain_end(in, domain);
    if (to != 0 && !is_no_address(in, from, at, to))
        (void) mask_add(s, MASK_EMAIL, from, to);
}

void mask_find_at(struct mask_scanner *s, const struct mask_in *in, size_t end)
{
    size_t at = end - 1, password = mask_url_password(in, at);

    if (password != 0 && password < at)
        (void) mask_add(s, MASK_URL_PASSWORD, password, at);
    else if (at > 0)
        find_address(s, in, at, end);
}

/* "%40" of a URL. */
void mask_find_at_escaped(struct mask_scanner *s, const struct mask_in *in, size_t end)
{
    find_address(s, in, end - 3, end);
}

/* ---- JSON web tokens ---- */

static bool is_b64url(uint8_t c)
{
    return mask_is_alnum(c) || c == '_' || c == '-';
}

static size_t run_of(const struct mask_in *in, size_t at, bool (*is)(uint8_t))
{
    while (at < in->n && is(in->p[at]))
        at++;
    return at;
}

static bool head_has_alg(struct span b64)
{
    uint8_t text[JWT_HEAD_MAX / 4 * 3 + 3];
    size_t n = 0;

    if (b64.n > JWT_HEAD_MAX || !base64url_parse(b64, text, sizeof(text), &n))
        return false;
    return n > 2 && text[0] == '{' && memmem(text, n, "\"alg\"", 5) != NULL;
}

void mask_find_jwt(struct mask_scanner *s, const struct mask_in *in, size_t end)
{
    size_t from = end - 3, head, to, part;

    if (from < s->jwt_to || (from > 0 && is_b64url(in->p[from - 1]) && !mask_border_left(in, from)))
        return;
    head = from < s->jwt_head ? s->jwt_head : run_of(in, from, is_b64url); /* each run is walked once */
    s->jwt_head = head;
    if (head >= in->n || in->p[head] != '.' || !head_has_alg(span_of(in->p + from, head - from)))
        return;
    to = run_of(in, head + 1, is_b64url);
    if (to - head < 3 && !(to < in->n && in->p[to] == '.'))
        return;
    for (int parts = 2; parts < 5 && to < in->n && in->p[to] == '.'; parts++) {
        part = run_of(in, to + 1, is_b64url);
        if (part == to + 1 && parts > 2)
            break; /* the end of a sentence */
        to = part;
    }
    s->jwt_to = to;
    (void) mask_add(s, MASK_JWT, from, to);
}

/* ---- Authorization: Bearer, Basic ---- */

static bool is_token68(uint8_t c)
{
    return mask_in_set(SET_TOKEN, c) || c == '\\'; /* "\/" of JSON */
}

/* A word of a sentence ("bearer authentication") is no token. */
static bool is_secret_like(struct span t, size_t min)
{
    bool digit = false, upper = false, lower = false;

    for (size_t i = 0; i < t.n; i++) {
        digit |= mask_is_digit(t.p[i]);
        upper |= mask_is_upper(t.p[i]);
        lower |= t.p[i] >= 'a' && t.p[i] <= 'z';
    }
    return t.n >= min && ((digit && (upper || lower)) || (upper && lower && t.n >= 20));
}

static bool is_basic(struct span t)
{
    uint8_t text[512];
    size_t n = 0;

    return t.n >= 4 && t.n <= 600 && base64_parse(t, text, sizeof(text), &n) && memchr(text, ':', n) != NULL;
}

void mask_find_bearer(struct mask_scanner *s, const struct mask_in *in, size_t end)
{
    size_t from = end, to, word = end - 1;
    struct span t;

    while (from < in->n && in->p[from] == ' ')
        from++;
    to = run_of(in, from, is_token68);
    t = span_of(in->p + from, to - from);
    while (t.n > 0 && (t.p[t.n - 1] == '.' || t.p[t.n - 1] == '\\'))
        t.n--;
    if (t.n > TOKEN_MAX)
        t.n = TOKEN_MAX;
    /* 'word' ends at the space: "bearer" or "basic". */
    if ((in->p[word - 1] | 0x20) == 'r' ? is_secret_like(t, 12) : (in->raw && t.n >= 4) || is_basic(t))
        (void) mask_add(s, MASK_BEARER, from, from + t.n);
}

/* ---- private keys ---- */

static bool is_b64(uint8_t c)
{
    return mask_is_alnum(c) || c == '+' || c == '/' || c == '=';
}

/* White space, and "\n" as programs and JSON write it. */
static size_t blank(const struct mask_in *in, size_t at)
{
    if (at < in->n && (in->p[at] <= ' ' || in->p[at] == '\\' || in->p[at] == '"'))
        return in->p[at] == '\\' && at + 1 < in->n && strchr("nrt", in->p[at + 1]) != NULL ? 2 : 1;
    return 0;
}

/* Proc-Type: 4,ENCRYPTED and its like, up to the end of the line; 0: it is none. */
static size_t header_line(const struct mask_in *in, size_t at)
{
    static const char *const names[] = { "proc-type:", "dek-info:", "version:", "comment:", "hash:", "charset:" };

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (is_word_at(in->p + at, in->n - at, names[i])) {
            while (at < in->n && in->p[at] != '\n' && in->p[at] != '\r' && in->p[at] != '\\')
                at++;
            return at;
        }
    }
    return 0;
}

/* "-----END … -----": its end; 0: it is not. Cut by the end of the text: in->n. */
static size_t end_line(const struct mask_in *in, size_t at)
{
    size_t i = at;

    for (const char *w = "-----END "; *w != '\0'; w++, i++) {
        if (i == in->n)
            return i;
        if (in->p[i] != (uint8_t) *w)
            return 0;
    }
    while (i < in->n && in->p[i] != '-' && in->p[i] != '\n' && i - at < 64)
        i++;
    for (int dashes = 0; dashes < 5 && i < in->n && in->p[i] == '-'; dashes++)
        i++;
    return i;
}

size_t mask_key_body(const struct mask_in *in, size_t at, bool *ret_open, bool *ret_some)
{
    size_t to = at, i = at, next, run;

    *ret_open = true;
    *ret_some = false;
    for (;;) {
        while ((next = blank(in, i)) > 0 && i < in->n)
            i += next;
        if (i >= in->n)
            return in->n;
        if (in->p[i] == '-') {
            next = end_line(in, i);
            *ret_open = next == in->n && in->p[in->n - 1] != '-';
            return next > 0 ? next : to;
        }
        run = run_of(in, i, is_b64);
        if (run == i || (run - i < B64_LINE_MIN && !(i == 0 && at == 0))) { /* a piece may begin inside a line */
            next = header_line(in, i);
            /* A short last line: before the end, or padded; or the text ends here. */
            if (next == 0 && run > i && (run == in->n || in->p[i] == '=' || in->p[run - 1] == '='))
                next = run;
            if (next == 0 && run > i) {
                size_t after = run;

                while (after < in->n && blank(in, after) > 0)
                    after += blank(in, after);
                next = after > run && end_line(in, after) > 0 ? run : 0;
            }
            if (next == 0) {
                *ret_open = false;
                return to;
            }
            i = to = next;
        } else {
            *ret_some = true;
            i = to = run;
        }
    }
}

static bool is_begin(const struct mask_in *in, size_t from, size_t end)
{
    return end - from >= 11 && memcmp(in->p + from, "-----BEGIN ", 11) == 0;
}

/* The trigger is "PRIVATE KEY", the end of the first line is still to come. */
void mask_find_key_block(struct mask_scanner *s, const struct mask_in *in, size_t end)
{
    size_t from = end, at = end, to;
    bool open, some;

    if (end <= s->block_to)
        return;
    while (from > 0 && end - from < 60 && !is_begin(in, from, end))
        from--;
    if (!is_begin(in, from, end))
        return;
    if (in->n - at >= 6 && memcmp(in->p + at, " BLOCK", 6) == 0)
        at += 6;
    for (int dashes = 0; dashes < 5; dashes++, at++) {
        if (at >= in->n) { /* cut inside its first line */
            s->key = true;
            return;
        }
        if (in->p[at] != '-')
            return;
    }
    to = mask_key_body(in, at, &open, &some);
    s->block_to = to > at ? to : at;
    s->key = open;
    if (some || (to > at && !open) || (in->raw && open))
        (void) mask_add(s, MASK_PRIVATE_KEY, from, to);
}
