#include "codec/confuse_text.h"

#include "base/utf8.h"

#define STRING_MAX (16u << 10)

static enum err refuse(const struct confuse_text *t, unsigned line, const char *what)
{
    return ERR_RAISE(t->reterr, ERR_INVAL, "%s:%u: %s", t->name, line, what);
}

static uint8_t peek(const struct confuse_text *t, size_t ahead)
{
    return t->at + ahead < t->in.n ? t->in.p[t->at + ahead] : 0;
}

static void token(struct confuse_text *t, char kind)
{
    t->before = t->last;
    t->last = kind;
    buf_add_c(t->out, ' ');
}

static bool is_word(uint8_t c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (c != 0 && strchr("_-.:/@%<>[]!&?", c) != NULL);
}

static void line_comment(struct confuse_text *t)
{
    while (t->at < t->in.n && t->in.p[t->at] != '\n')
        t->at++;
}

static enum err block_comment(struct confuse_text *t)
{
    unsigned begin = t->line;

    for (t->at += 2; t->at < t->in.n; t->at++) {
        if (peek(t, 0) == '*' && peek(t, 1) == '/') {
            t->at += 2;
            buf_add_c(t->out, ' ');
            return ERR_OK;
        }
        if (peek(t, 0) == '\n') {
            t->line++;
            buf_add_c(t->out, '\n');
        }
    }
    return refuse(t, begin, "the comment that begins here has no end");
}

/* Appends the meaning of the escape at t->at. */
static enum err escape(struct confuse_text *t, struct buf *meaning)
{
    switch (peek(t, 1)) {
    case 'n': buf_add_c(meaning, '\n'); break;
    case 't': buf_add_c(meaning, '\t'); break;
    case '"':
    case '\'':
    case '\\': buf_u8(meaning, peek(t, 1)); break;
    default: return refuse(t, t->line, "an unknown escape in a string (there are \\\" \\' \\\\ \\n \\t)");
    }
    t->at += 2;
    return ERR_OK;
}

/* Reads a string in either kind of quotes; its meaning is appended. */
static enum err quoted(struct confuse_text *t, struct buf *meaning)
{
    uint8_t quote = peek(t, 0);

    for (t->at++; t->at < t->in.n;) {
        uint8_t c = peek(t, 0);

        if (c == quote) {
            t->at++;
            return meaning->failed ? refuse(t, t->line, "a string longer than 16 KiB") : ERR_OK;
        }
        if (c == '\n')
            break;
        if (c == '$' && peek(t, 1) == '{')
            return refuse(t, t->line, "${...} is not replaced here: write the value itself");
        if ((c < 0x20 && c != '\t') || c == 0x7f)
            return refuse(t, t->line, "a control character in a string");
        if (c == '\\') {
            TRY(escape(t, meaning));
        } else {
            buf_u8(meaning, c);
            t->at++;
        }
    }
    return refuse(t, t->line, "the string has no closing quote on its line");
}

/* In libConfuse's double quotes a backslash makes the next byte plain, and newline and tab stand for themselves. */
static void write_string(struct confuse_text *t, struct span meaning)
{
    token(t, 'w');
    buf_add_c(t->out, '"');
    for (size_t i = 0; i < meaning.n; i++) {
        if (meaning.p[i] == '\n') {
            buf_add_str(t->out, "\\n"); /* not a line of the text */
            continue;
        }
        if (meaning.p[i] == '"' || meaning.p[i] == '\\')
            buf_add_c(t->out, '\\');
        buf_u8(t->out, meaning.p[i]);
    }
    buf_add_str(t->out, "\" ");
}

static enum err string(struct confuse_text *t)
{
    struct buf meaning = BUF_INIT(STRING_MAX);
    enum err err = quoted(t, &meaning);

    if (err == ERR_OK)
        write_string(t, buf_span(&meaning));
    buf_deinit(&meaning);
    return err;
}

static void blanks(struct confuse_text *t)
{
    while (peek(t, 0) == ' ' || peek(t, 0) == '\t')
        t->at++;
}

/* include("file"), all on one line; t->at is after the word. */
static enum err include(struct confuse_text *t)
{
    static const char form[] = "include takes one file name in quotes: include(\"file\")";
    size_t before;

    if (t->includes == NULL)
        return refuse(t, t->line, "include is not possible in this text");
    if (t->depth > 0)
        return refuse(t, t->line, "include stands outside sections");
    before = t->includes->n;
    blanks(t);
    t->at++; /* the parenthesis: the caller saw it */
    blanks(t);
    if (peek(t, 0) != '"' && peek(t, 0) != '\'')
        return refuse(t, t->line, form);
    TRY(quoted(t, t->includes));
    blanks(t);
    if (peek(t, 0) != ')' || t->includes->n == before)
        return refuse(t, t->line, form);
    t->at++;
    buf_add_c(t->includes, '\0');
    return ERR_OK;
}

static enum err word(struct confuse_text *t)
{
    size_t begin = t->at, next;
    struct span w;

    while (t->at < t->in.n && is_word(peek(t, 0))) {
        if (peek(t, 0) == '/' && (peek(t, 1) == '/' || peek(t, 1) == '*'))
            return refuse(t, t->line, "this needs quotes: without them // and /* begin a comment");
        t->at++;
    }
    w = span_sub(t->in, begin, t->at - begin);
    for (next = 0; peek(t, next) == ' ' || peek(t, next) == '\t'; next++)
        ;
    if (span_eq_str(w, "include") && peek(t, next) == '(')
        return include(t);
    token(t, 'w');
    buf_add_span(t->out, w);
    buf_add_c(t->out, ' ');
    return ERR_OK;
}

static enum err brace(struct confuse_text *t, uint8_t c)
{
    if (c == '{') {
        if (t->depth == sizeof(t->open) / sizeof(t->open[0]))
            return refuse(t, t->line, "too many braces inside each other");
        t->open[t->depth++] = t->line;
    } else {
        if (t->depth == 0)
            return refuse(t, t->line, "a closing brace without its opening one");
        if (t->last == '{' && t->before == '=')
            return refuse(t, t->line, "an empty list: leave the option out");
        t->depth--;
    }
    return ERR_OK;
}

static enum err other(struct confuse_text *t, uint8_t c)
{
    if (c == '$' && peek(t, 1) == '{')
        return refuse(t, t->line, "${...} is not replaced here: write the value itself");
    if (c == '+')
        return refuse(t, t->line, "lists are written whole, with =");
    if (c == ';')
        return refuse(t, t->line, "there are no semicolons in this syntax");
    if (c < 0x20 || c == 0x7f)
        return refuse(t, t->line, "a control character");
    if (c >= 0x80)
        return refuse(t, t->line, "a character outside ASCII needs quotes around its word");
    return refuse(t, t->line, "a character that needs quotes around its word");
}

static enum err one(struct confuse_text *t)
{
    uint8_t c = peek(t, 0);

    if (c == '\n') {
        t->line++;
        t->at++;
        buf_add_c(t->out, '\n');
        return ERR_OK;
    }
    if (c == ' ' || c == '\t' || (c == '\r' && peek(t, 1) == '\n')) {
        t->at++;
        return ERR_OK;
    }
    if (c == '#' || (c == '/' && peek(t, 1) == '/')) {
        line_comment(t);
        return ERR_OK;
    }
    if (c == '/' && peek(t, 1) == '*')
        return block_comment(t);
    if (c == '"' || c == '\'')
        return string(t);
    if (is_word(c))
        return word(t);
    if (c == '{' || c == '}')
        TRY(brace(t, c));
    else if (c != '=' && c != ',')
        return other(t, c);
    token(t, (char) c);
    buf_u8(t->out, c);
    t->at++;
    return ERR_OK;
}

enum err confuse_text_clean(struct confuse_text *t)
{
    t->at = 0;
    t->line = 1;
    if (!utf8_valid(t->in)) {
        struct rd r = rd_of(t->in);

        while (!r.failed)
            t->line += utf8_read(&r) == '\n' && !r.failed;
        return refuse(t, t->line, "bytes that are not UTF-8");
    }
    while (t->at < t->in.n)
        TRY(one(t));
    if (t->depth > 0)
        return refuse(t, t->open[t->depth - 1], "the brace that opens here is never closed");
    return buf_check(t->out, t->reterr);
}
