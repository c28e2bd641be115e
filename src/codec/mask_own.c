/*
 * Own patterns: what the library compiles, held to limits before it sees them. Its time and memory grow with the pattern written out, so
 * the repetitions are multiplied out here first: "(a{100}){100}" is ten thousand states, whatever its text's length.
 */
#include <stdlib.h>

#include "codec/mask_int.h"

#define STATES_EACH_MAX 2000
#define DEPTH_MAX       16
#define COUNT_MAX       1000 /* of one {n,m} */

struct count {
    struct span at;
    unsigned depth;
    const char *fault; /* NULL: none so far */
};

static uint64_t count_either(struct count *c);

static uint8_t next(struct count *c)
{
    uint8_t v = c->at.p[0];

    c->at = span_sub(c->at, 1, c->at.n);
    return v;
}

static bool eat(struct count *c, uint8_t v)
{
    if (c->at.n == 0 || c->at.p[0] != v)
        return false;
    c->at = span_sub(c->at, 1, c->at.n);
    return true;
}

static uint64_t fault(struct count *c, const char *what)
{
    if (c->fault == NULL)
        c->fault = what;
    c->at.n = 0;
    return 1;
}

/* Behind the '['. Bytes above 0x7f would be taken one by one: half a character would match. */
static uint64_t count_class(struct count *c)
{
    (void) eat(c, '^');
    (void) eat(c, ']');
    while (c->at.n > 0) {
        uint8_t v = next(c);

        if (v == ']')
            return 1;
        if (v == '\\' && c->at.n > 0)
            v = next(c);
        if (v == '[' && c->at.n > 0 && c->at.p[0] == ':') {
            const uint8_t *end = memmem(c->at.p, c->at.n, ":]", 2);

            if (end != NULL)
                c->at = span_sub(c->at, (size_t) (end - c->at.p) + 2, c->at.n);
        }
        if (v >= 0x80)
            return fault(c, "a list of characters in [] takes only ASCII; write others with |");
    }
    return fault(c, "a '[' without its ']'");
}

static uint64_t count_atom(struct count *c)
{
    uint8_t v = next(c);
    uint64_t n;

    switch (v) {
    case '[': return count_class(c);
    case '\\':
        if (c->at.n == 0)
            return fault(c, "a backslash at the end");
        if (mask_is_digit(next(c)))
            return fault(c, "references back to a group cannot be looked for");
        return 1;
    case '(':
        if (c->depth == DEPTH_MAX)
            return fault(c, "groups are nested too deeply");
        if (eat(c, '?')) {
            while (c->at.n > 0 && c->at.p[0] != ':' && c->at.p[0] != ')' && c->at.p[0] != '(' && c->at.p[0] != '>')
                (void) next(c);
            (void) (eat(c, ':') || eat(c, '>'));
        }
        c->depth++;
        n = count_either(c);
        c->depth--;
        if (!eat(c, ')'))
            return fault(c, "a '(' without its ')'");
        return n;
    default: return 1;
    }
}

/* {n}, {n,}, {n,m} behind the '{'; how often. Anything else is the character itself. */
static uint64_t count_braces(struct count *c)
{
    struct span was = c->at;
    uint64_t low = 0, high = 0;
    bool comma = false, any = false;

    while (c->at.n > 0 && (mask_is_digit(c->at.p[0]) || (c->at.p[0] == ',' && !comma))) {
        uint8_t v = next(c);

        if (v == ',') {
            comma = true;
        } else if (comma) {
            high = high * 10 + (v - '0');
        } else {
            low = low * 10 + (v - '0');
            any = true;
        }
        if (low > COUNT_MAX || high > COUNT_MAX)
            return fault(c, "at most 1000 repetitions");
    }
    if (!any || !eat(c, '}')) {
        c->at = was;
        return 1;
    }
    return !comma ? (low == 0 ? 1 : low) : high > 0 ? high : low + 1;
}

static uint64_t count_sequence(struct count *c)
{
    uint64_t sum = 0, one;

    while (c->at.n > 0 && c->at.p[0] != '|' && c->at.p[0] != ')') {
        one = count_atom(c);
        while (c->at.n > 0 && strchr("*+?{", c->at.p[0]) != NULL) {
            if (next(c) == '{')
                one *= count_braces(c);
            if (one > MASK_STATES_MAX)
                return fault(c, "too large when its repetitions are written out");
        }
        sum += one;
        if (sum > MASK_STATES_MAX)
            return fault(c, "too large when its repetitions are written out");
    }
    return sum;
}

static uint64_t count_either(struct count *c)
{
    uint64_t sum = count_sequence(c);

    while (eat(c, '|'))
        sum += count_sequence(c) + 1;
    return sum;
}

static enum err bad(const struct mask_own_text *o, const char *why, enum err e, struct err_info *reterr)
{
    return ERR_RAISE(reterr, e, "masks:%u: pattern of '" SPAN_FMT "': %s", o->line, SPAN_ARG(o->name), why);
}

static enum err count_one(const struct mask_own_text *o, uint64_t *io_total, struct err_info *reterr)
{
    struct count c = { .at = o->pattern };
    uint64_t n = count_either(&c);

    if (c.fault == NULL && c.at.n > 0)
        (void) fault(&c, "a ')' without its '('");
    if (c.fault != NULL)
        return bad(o, c.fault, ERR_INVAL, reterr);
    if (n > STATES_EACH_MAX)
        return bad(o, "too large when its repetitions are written out", ERR_LIMIT, reterr);
    *io_total += n;
    if (*io_total > MASK_STATES_MAX)
        return bad(o, "all own patterns together are too large when their repetitions are written out", ERR_LIMIT, reterr);
    return ERR_OK;
}

static unsigned flags_of(const struct mask_own_text *o)
{
    return HS_FLAG_SOM_LEFTMOST | (o->nocase ? HS_FLAG_CASELESS : 0u);
}

static enum err look_at(const struct mask_own_text *o, const char *text, struct mask_own *ret, struct err_info *reterr)
{
    hs_expr_info_t *info = NULL;
    hs_compile_error_t *why = NULL;
    enum err e = ERR_OK;

    if (hs_expression_info(text, flags_of(o), &info, &why) != HS_SUCCESS) {
        e = bad(o, why == NULL ? "no memory" : why->message, ERR_INVAL, reterr);
        hs_free_compile_error(why);
        return e;
    }
    if (info->min_width == 0)
        e = bad(o, "it matches where nothing is", ERR_INVAL, reterr);
    ret->width_min = info->min_width;
    ret->width_max = info->max_width;
    free(info);
    return e;
}

/* Does it ask where the text begins or ends? "[^" is a list; what is not sure counts as one that does. */
static bool is_anchored(struct span p)
{
    for (size_t i = 0; i < p.n; i++) {
        if (p.p[i] == '$' || (p.p[i] == '^' && (i == 0 || p.p[i - 1] != '[')))
            return true;
        if (p.p[i] == '\\' && ++i < p.n && memchr("AZzG", p.p[i], 4) != NULL)
            return true;
    }
    return false;
}

/* Does it have ways beside one another that no group holds together: "ab|c"? */
static bool has_ways(struct span p)
{
    unsigned depth = 0;
    bool list = false;

    for (size_t i = 0; i < p.n; i++) {
        uint8_t c = p.p[i];

        if (c == '\\') {
            i++;
        } else if (list) {
            list = c != ']';
        } else if (c == '[') {
            list = true;
            i += i + 1 < p.n && p.p[i + 1] == '^';
            i += i + 1 < p.n && p.p[i + 1] == ']';
        } else if (c == '|' && depth == 0) {
            return true;
        } else if (c == '(' || c == ')') {
            depth = c == '(' ? depth + 1 : depth > 0 ? depth - 1 : 0;
        }
    }
    return false;
}

/* Plain letters that the pattern begins with, behind "\b", but for one that may be left out. */
static void find_lead(struct span p, char lead[MASK_LEAD_MAX + 1])
{
    size_t n = 0;

    lead[0] = '\0';
    if (has_ways(p) || memmem(p.p, p.n, "(?", 2) != NULL || memmem(p.p, p.n, "\\Q", 2) != NULL) /* "(?x)" may change what all of it says */
        return;
    while (span_starts(p, "\\b"))
        p = span_sub(p, 2, p.n);
    while (n < p.n && n < MASK_LEAD_MAX && (mask_is_alnum(p.p[n]) || (p.p[n] != '\0' && strchr(" _-:=/@#,;<>~%&!'\"", p.p[n]) != NULL)))
        n++;
    if (n < p.n && n > 0 && strchr("?*{", p.p[n]) != NULL)
        n--;
    memcpy(lead, p.p, n);
    lead[n] = '\0';
}

static enum err fill(struct mask_rules *r, const struct mask_own_text *own, size_t n, char **patterns, struct err_info *reterr)
{
    for (size_t i = 0; i < n; i++) {
        patterns[i] = span_dup(own[i].pattern);
        r->own[i].name = span_dup(own[i].name);
        r->own[i].words = own[i].words;
        r->own[i].nocase = own[i].nocase;
        find_lead(own[i].pattern, r->own[i].lead);
        r->own[i].anchored = is_anchored(own[i].pattern);
        r->anchored = r->anchored || r->own[i].anchored;
        if (patterns[i] == NULL || r->own[i].name == NULL)
            return ERR_RAISE(reterr, ERR_NOMEM, "own patterns");
        TRY(look_at(&own[i], patterns[i], &r->own[i], reterr));
        if (r->own[i].width_min < r->min)
            r->min = r->own[i].width_min;
    }
    return ERR_OK;
}

static enum err compile(struct mask_rules *r, const struct mask_own_text *own, size_t n, char **patterns,
                        struct err_info *reterr)
{
    unsigned flags[MASK_OWN_MAX], ids[MASK_OWN_MAX];
    hs_compile_error_t *why = NULL;
    size_t size = 0;
    enum err e = ERR_OK;

    for (size_t i = 0; i < n; i++) {
        flags[i] = flags_of(&own[i]);
        ids[i] = (unsigned) i;
    }
    if (hs_compile_multi((const char *const *) patterns, flags, ids, (unsigned) n, HS_MODE_BLOCK, NULL, &r->own_db, &why) !=
        HS_SUCCESS) {
        e = bad(&own[why != NULL && why->expression >= 0 ? why->expression : 0], why == NULL ? "no memory" : why->message,
                ERR_INVAL, reterr);
        hs_free_compile_error(why);
        return e;
    }
    if (hs_database_size(r->own_db, &size) != HS_SUCCESS || size > MASK_BYTES_MAX / 2)
        return ERR_RAISE(reterr, ERR_LIMIT, "masks:%u: the own patterns are too large together", own[0].line);
    return ERR_OK;
}

enum err mask_own_compile(struct mask_rules *r, const struct mask_own_text *own, size_t n, struct err_info *reterr)
{
    char *patterns[MASK_OWN_MAX] = { NULL };
    uint64_t total = 0;
    enum err e;

    if (n == 0)
        return ERR_OK;
    for (size_t i = 0; i < n; i++)
        TRY(count_one(&own[i], &total, reterr));
    r->own = calloc(n, sizeof(*r->own));
    if (r->own == NULL)
        return ERR_RAISE(reterr, ERR_NOMEM, "own patterns");
    r->n_own = n;
    e = fill(r, own, n, patterns, reterr);
    if (e == ERR_OK)
        e = compile(r, own, n, patterns, reterr);
    for (size_t i = 0; i < n; i++)
        free(patterns[i]);
    return e;
}
