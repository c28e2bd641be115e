#include "codec/timing.h"

#include "base/num.h"
#include "codec/json.h"

#define SECONDS_MAX 9000000000ll /* 285 years; more does not fit what we count */

/* Takes the word before the next blank. */
static struct span word(struct span *s)
{
    struct span head;

    while (s->n > 0 && (s->p[0] == ' ' || s->p[0] == '\t'))
        *s = span_sub(*s, 1, s->n);
    (void) span_cut(*s, ' ', &head, s); /* without a blank the head is all */
    return head;
}

/*
 * Seconds with a fraction, as printf's %.9f writes, or Python ("1.5e-05", in asciicast v0); a comma is what sudo once wrote in
 * some locales. What is no number json_scaled finds.
 */
static bool seconds(struct span s, time_us *ret)
{
    char text[48];
    int64_t v;

    if (s.n == 0 || s.n >= sizeof(text) || s.p[0] < '0' || s.p[0] > '9')
        return false;
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] < 0x20 || strchr("0123456789.,eE+-", s.p[i]) == NULL)
            return false;
        text[i] = s.p[i] == ',' ? '.' : (char) s.p[i];
    }
    for (size_t zeros = 0; zeros + 1 < s.n && text[0] == '0' && text[1] >= '0' && text[1] <= '9'; zeros++)
        memmove(text, text + 1, --s.n); /* JSON's numbers have no leading zeros */
    if (!json_scaled(span_of(text, s.n), 6, &v) || v < 0 || v > SECONDS_MAX * 1000000)
        return false;
    *ret = v;
    return true;
}

static bool count(struct span s, uint64_t max, uint64_t *ret)
{
    return num_u64(s, max, ret);
}

static enum err size(struct span lines, struct span cols, struct timing *ret, struct err_info *reterr)
{
    uint64_t r, c;

    if (!count(lines, 65535, &r) || !count(cols, 65535, &c))
        return ERR_RAISE(reterr, ERR_INVAL, "a size of the terminal that is no two numbers up to 65535");
    ret->what = TIMING_RESIZE;
    ret->rows = (uint32_t) r;
    ret->cols = (uint32_t) c;
    return ERR_OK;
}

static enum err bytes(struct span n, enum timing_what what, enum timing_stream stream, struct timing *ret,
                      struct err_info *reterr)
{
    ret->what = what;
    ret->stream = stream;
    return count(n, 1ull << 53, &ret->n) ? ERR_OK
                                         : ERR_RAISE(reterr, ERR_INVAL, "a number of bytes that is no number");
}

static enum err sudo_line(struct span s, struct timing *ret, struct err_info *reterr)
{
    struct span type = word(&s), delay = word(&s), first;
    uint64_t t;

    if (!count(type, 7, &t))
        return ERR_RAISE(reterr, ERR_INVAL, "a record of a type that sudo does not have (0 to 7)");
    if (!seconds(delay, &ret->delay))
        return ERR_RAISE(reterr, ERR_INVAL, "a delay that is no number of seconds");
    first = word(&s);
    switch (t) {
    case 0: return bytes(first, TIMING_INPUT, TIMING_STDIN, ret, reterr);
    case 1: return bytes(first, TIMING_OUTPUT, TIMING_STDOUT, ret, reterr);
    case 2: return bytes(first, TIMING_OUTPUT, TIMING_STDERR, ret, reterr);
    case 3: return bytes(first, TIMING_INPUT, TIMING_TTYIN, ret, reterr);
    case 4:
    case 6: return bytes(first, TIMING_OUTPUT, TIMING_TTYOUT, ret, reterr);
    case 5: return size(first, word(&s), ret, reterr); /* lines first */
    default: break;
    }
    if (first.n == 0 || first.n > 20)
        return ERR_RAISE(reterr, ERR_INVAL, "a suspension without a signal");
    ret->what = TIMING_SIGNAL;
    ret->name = first;
    return ERR_OK;
}

/* "SIGWINCH ROWS=54 COLS=226" */
static enum err script_signal(struct span s, struct timing *ret, struct err_info *reterr)
{
    struct span rows = SPAN_EMPTY, cols = SPAN_EMPTY, w;

    ret->what = TIMING_SIGNAL;
    ret->name = word(&s);
    if (span_starts(ret->name, "SIG"))
        ret->name = span_sub(ret->name, 3, ret->name.n);
    if (ret->name.n == 0 || ret->name.n > 20)
        return ERR_RAISE(reterr, ERR_INVAL, "a signal without a name");
    if (!span_eq_str(ret->name, "WINCH"))
        return ERR_OK;
    while ((w = word(&s)).n > 0) {
        if (span_starts(w, "ROWS="))
            rows = span_sub(w, 5, w.n);
        if (span_starts(w, "COLS="))
            cols = span_sub(w, 5, w.n);
    }
    return size(rows, cols, ret, reterr);
}

static enum err script_line(struct span s, struct timing *ret, struct err_info *reterr)
{
    struct span type = word(&s);

    if (type.n != 1)
        return ERR_RAISE(reterr, ERR_INVAL, "a record of a kind that script does not have (O, I, S, H)");
    if (!seconds(word(&s), &ret->delay))
        return ERR_RAISE(reterr, ERR_INVAL, "a delay that is no number of seconds");
    switch (type.p[0]) {
    case 'O': return bytes(word(&s), TIMING_OUTPUT, TIMING_TTYOUT, ret, reterr);
    case 'I': return bytes(word(&s), TIMING_INPUT, TIMING_TTYIN, ret, reterr);
    case 'S': return script_signal(s, ret, reterr);
    case 'H':
        ret->what = TIMING_FACT;
        ret->name = word(&s);
        ret->value = span_trim(s);
        return ERR_OK;
    default: return ERR_RAISE(reterr, ERR_INVAL, "a record of a kind that script does not have (O, I, S, H)");
    }
}

enum err timing_line(enum timing_form form, struct span line, struct timing *ret, struct err_info *reterr)
{
    *ret = (struct timing){ .what = TIMING_OUTPUT, .stream = TIMING_TTYOUT };
    if (line.n > 0 && line.p[line.n - 1] == '\r')
        line.n--;
    switch (form) {
    case TIMING_SUDO: return sudo_line(line, ret, reterr);
    case TIMING_ADVANCED: return script_line(line, ret, reterr);
    case TIMING_CLASSIC:
        if (!seconds(word(&line), &ret->delay))
            return ERR_RAISE(reterr, ERR_INVAL, "a delay that is no number of seconds");
        return bytes(word(&line), TIMING_OUTPUT, TIMING_TTYOUT, ret, reterr);
    case TIMING_NONE: break;
    }
    return ERR_RAISE(reterr, ERR_STATE, "timing");
}

enum timing_form timing_sniff(struct span first, bool whole)
{
    static const enum timing_form forms[] = { TIMING_ADVANCED, TIMING_SUDO, TIMING_CLASSIC };
    struct span line, rest;
    struct timing t;

    if (!span_cut(first, '\n', &line, &rest) && !whole)
        return TIMING_NONE;
    for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++)
        if (line.n > 0 && line.n < 4096 && timing_line(forms[i], line, &t, NULL) == ERR_OK)
            return forms[i];
    return TIMING_NONE;
}
