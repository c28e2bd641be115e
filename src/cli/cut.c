#include "cli/cut.h"

#include "base/num.h"

void cut_init(struct cut *c, enum cut_shape shape)
{
    *c = (struct cut){ .shape = shape };
}

static void line_byte(struct cut *c, uint8_t b)
{
    if (c->at == c->began + 2)
        c->mark = c->header && b == ' ';
    if (b != '\n')
        return;
    c->began = c->at;
    if (c->mark)
        return;
    if (c->header)
        c->events++;
    c->header = true;
    c->good = c->at;
}

/* Whether this byte closed an element of the outer array. */
static void array_byte(struct cut *c, uint8_t b)
{
    if (c->depth == 2 && c->at == c->began + 1)
        c->mark = b == ' ';
    if (c->in_string) {
        if (c->escaped)
            c->escaped = false;
        else if (b == '\\')
            c->escaped = true;
        else
            c->in_string = b != '"';
        return;
    }
    if (b == '"') {
        c->in_string = true;
    } else if (b == '[' || b == '{') {
        if (++c->depth == 1) {
            c->header = true;
            c->good = c->at;
        } else if (c->depth == 2) {
            c->began = c->at;
            c->mark = false;
        }
    } else if (b == ']' || b == '}') {
        c->depth--;
        if (c->depth == 1 && !c->mark) {
            c->events++;
            c->good = c->at;
        } else if (c->depth == 0) {
            c->closed = true;
        }
    }
}

/* What a text's last line says when the key was over before the recording. No line of the recording begins with '#'. */
static void text_byte(struct cut *c, uint8_t b)
{
    static const char joint[] = "# goes on with from_seq=";
    size_t n = (size_t) (c->at - 1 - c->began);
    uint64_t events;

    c->paused = false;
    if (b != '\n') {
        if (n < sizeof(c->line))
            c->line[n] = (char) b;
        return;
    }
    if (n > sizeof(joint) - 1 && n <= sizeof(c->line) && memcmp(c->line, joint, sizeof(joint) - 1) == 0 &&
        num_u64(span_of(c->line + sizeof(joint) - 1, n - (sizeof(joint) - 1)), 1ull << 53, &events) && events > 0) {
        c->paused = true;
        c->good = c->began;
        c->events = events;
    }
    c->began = c->at;
}

void cut_feed(struct cut *c, struct span bytes)
{
    for (size_t i = 0; i < bytes.n; i++) {
        c->at++;
        if (c->shape == CUT_LINES)
            line_byte(c, bytes.p[i]);
        else if (c->shape == CUT_ARRAY)
            array_byte(c, bytes.p[i]);
        else
            text_byte(c, bytes.p[i]);
    }
}

void cut_restart(struct cut *c)
{
    /* Without a whole event the next call asks from the start, and its answer begins with the header again. */
    if (c->events == 0) {
        cut_init(c, c->shape);
        return;
    }
    c->at = c->began = c->good;
    c->mark = c->paused = false;
    c->in_string = c->escaped = c->closed = false;
    c->depth = c->shape == CUT_ARRAY ? 1 : 0;
    c->joining = c->shape == CUT_ARRAY;
}

const char *cut_joins(struct cut *c, struct span *piece)
{
    const char *text;

    while (c->joining && piece->n > 0 && piece->p[0] != '\0' && strchr(" \t\r\n,", piece->p[0]) != NULL)
        *piece = span_sub(*piece, 1, piece->n);
    if (!c->joining || piece->n == 0)
        return "";
    c->joining = false;
    text = piece->p[0] == ']' ? "\n" : ",\n";
    c->at += strlen(text);
    return text;
}

bool cut_whole(const struct cut *c)
{
    if (c->shape == CUT_TEXT)
        return c->at > 0 && !c->paused && c->began == c->at;
    return c->shape == CUT_ARRAY ? c->closed : c->header && c->began == c->at;
}
