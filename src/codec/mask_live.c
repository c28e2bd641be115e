/*
 * What may still become a match at the end of a text that goes on: see mask_scan_live. The same triggers as mask_find.c's and mask_keys.c's; behind
 * each the question is whether what a match may consist of reaches to the end. A match that is whole was found and masked already.
 *
 * Half of a secret is meant, not whatever a secret might begin with: three digits, a name in front of an '=', and a plain word that an '@' may follow
 * are shown. So prompts and most of what is typed are not held.
 */
#include "codec/mask_int.h"

#define DIGITS_MIN  4  /* of a number: half of the shortest one */
#define DIGITS_MAX  19 /* a card's */
#define SEPS_MAX    3
#define IBAN_MAX    45 /* with its blanks */
#define IBAN_MIN    5  /* country and check digits tell nothing */
#define LABEL_MAX   63
#define DOMAIN_MAX  253
#define LOCAL_MAX   64
#define VALUE_MIN   4  /* of what stands behind "token:" in ordinary text; sixteen are wanted of it */

struct live {
    struct mask_scanner *s;
    size_t from;
};

static bool is_on(const struct mask_rules *r, unsigned rule)
{
    return (r->patterns & (1u << rule)) != 0;
}

static void lower(size_t *at, size_t to)
{
    *at = to < *at ? to : *at;
}

static bool runs_to_end(const struct mask_in *in, size_t at, enum mask_set set)
{
    while (at < in->n && mask_in_set(set, in->p[at]))
        at++;
    return at == in->n;
}

/* ---- addresses ---- */

static bool is_local(uint8_t c)
{
    return mask_is_alnum(c) || c >= 0x80 || (c != '\0' && strchr("._%+-'", c) != NULL);
}

static size_t local_start(const struct mask_in *in, size_t at)
{
    size_t from = at;

    while (from > 0 && at - from < LOCAL_MAX && is_local(in->p[from - 1]))
        from--;
    return from;
}

/* Of a host's name that goes on at the end: is each label short enough? */
static bool domain_to_end(const struct mask_in *in, size_t at)
{
    size_t label = at;

    for (size_t i = at; i < in->n; i++) {
        uint8_t c = in->p[i];

        if (c == '.' && i > label)
            label = i + 1;
        else if (!(mask_is_alnum(c) || c == '-' || c >= 0x80) || i - label >= LABEL_MAX || i - at >= DOMAIN_MAX)
            return false;
    }
    return true;
}

static size_t address(const struct mask_rules *r, const struct mask_in *in, size_t at, size_t domain)
{
    size_t from = local_start(in, at);

    return is_on(r, MASK_EMAIL) && from < at && domain_to_end(in, domain) ? from : in->n;
}

size_t mask_live_at(const struct mask_rules *r, const struct mask_in *in, size_t end)
{
    return address(r, in, end - 1, end);
}

size_t mask_live_at_escaped(const struct mask_rules *r, const struct mask_in *in, size_t end)
{
    return address(r, in, end - 3, end);
}

/* "jane.smith" at the end: a name more often than a file. One word is nobody's address yet, and "write_svg" is what programs are full of. */
static size_t local_part(const struct mask_in *in)
{
    size_t from = local_start(in, in->n), mark = in->n; /* behind the last dot */

    if (from > 0 && (in->p[from - 1] == '/' || in->p[from - 1] == '\\')) /* a path */
        return in->n;
    while (mark > from && in->p[mark - 1] != '.')
        mark--;
    if (mark <= from + 1 || in->n - mark < 2 || !mask_is_alpha(in->p[from]) || !mask_is_alpha(in->p[mark]) || !mask_is_alpha(in->p[mark + 1]))
        return in->n;
    return from;
}

/* ---- tokens ---- */

size_t mask_live_jwt(const struct mask_rules *r, const struct mask_in *in, size_t end)
{
    size_t from = end - 3, at = end;

    if (!is_on(r, MASK_JWT) || !mask_border_left(in, from))
        return in->n;
    while (at < in->n && (mask_in_set(SET_WORD, in->p[at]) || in->p[at] == '.'))
        at++;
    return at == in->n ? from : in->n;
}

size_t mask_live_bearer(const struct mask_rules *r, const struct mask_in *in, size_t end)
{
    while (end < in->n && in->p[end] == ' ')
        end++;
    return is_on(r, MASK_BEARER) && runs_to_end(in, end, SET_TOKEN) ? end : in->n;
}

size_t mask_live_key_block(const struct mask_rules *r, const struct mask_in *in, size_t end)
{
    size_t at = end;
    bool open, some;

    if (!is_on(r, MASK_PRIVATE_KEY))
        return in->n;
    while (at < in->n && (in->p[at] == '-' || in->p[at] == ' ' || mask_is_upper(in->p[at])) && at - end < 11) /* " BLOCK-----" */
        at++;
    (void) mask_key_body(in, at, &open, &some);
    return open ? at : in->n;
}

size_t mask_live_telegram(const struct mask_rules *r, const struct mask_in *in, size_t end)
{
    size_t from = end - 3;

    while (from > 0 && end - from < 16 && mask_is_digit(in->p[from - 1]))
        from--;
    return is_on(r, MASK_API_KEY) && end - 3 - from >= 8 && runs_to_end(in, end, SET_WORD) ? from : in->n;
}

size_t mask_live_azure(const struct mask_rules *r, const struct mask_in *in, size_t end)
{
    return is_on(r, MASK_CLOUD_KEY) && runs_to_end(in, end, SET_TOKEN) ? end : in->n;
}

size_t mask_live_assignment(const struct mask_rules *r, const struct mask_in *in, size_t end)
{
    struct mask_assigned a;

    if (!is_on(r, MASK_API_KEY) || !mask_assignment(in, end, &a) || a.to != in->n || a.value.n < (a.env || a.option ? 1 : VALUE_MIN))
        return in->n;
    return a.from;
}

static size_t prefix(const struct mask_rules *r, const struct mask_in *in, size_t end, const struct mask_prefix *k)
{
    size_t from = mask_prefix_from(in, end, k);

    return from < end && is_on(r, k->rule) && in->n - end <= k->max && runs_to_end(in, end, (enum mask_set) k->set) ? from : in->n;
}

/* ---- numbers ---- */

static bool is_sep(uint8_t c)
{
    return c >= 0x80 || c == ' ' || (c >= '(' && c <= ')') || (c >= '-' && c <= '/');
}

/* The separators before 'at' begin here; too many of them: at. */
static size_t seps_start(const struct mask_in *in, size_t at)
{
    size_t from = at, n = 0;

    while (from > 0 && is_sep(in->p[from - 1])) {
        n += (in->p[from - 1] & 0xc0) != 0x80; /* characters */
        if (n > SEPS_MAX)
            return at;
        from--;
    }
    return from;
}

/* "12/26" is so much of so many; a slash stands behind an area code, "030/1234567". */
static bool is_ratio(const struct mask_in *in, size_t group, size_t seps, size_t next)
{
    uint8_t before = group == 0 ? 0 : in->p[group - 1];

    return memchr(in->p + seps, '/', next - seps) != NULL && in->p[group] != '0' && before != '+' && before != '(' &&
           !(group > 1 && is_sep(before) && mask_is_digit(in->p[group - 2]));
}

/* Groups of digits at the end, as far back as one number may reach. */
static size_t number(const struct mask_in *in)
{
    size_t next = in->n, at = seps_start(in, next), seps = at, digits = 0, best = in->n, best_digits = 0;

    while (at > 0 && mask_is_digit(in->p[at - 1])) {
        while (at > 0 && mask_is_digit(in->p[at - 1]) && digits <= DIGITS_MAX) {
            at--;
            digits++;
        }
        if (digits > DIGITS_MAX || is_ratio(in, at, seps, next))
            break;
        if (mask_border_left(in, at)) {
            best = at;
            best_digits = digits;
        }
        next = at;
        seps = at = seps_start(in, at);
    }
    if (best_digits < DIGITS_MIN)
        return in->n;
    while (best > 0 && (in->p[best - 1] == '+' || in->p[best - 1] == '('))
        best--;
    return best;
}

static size_t iban(const struct mask_in *in)
{
    size_t n = 0, best = in->n;

    for (size_t at = in->n; at > 0 && in->n - at < IBAN_MAX; at--) {
        uint8_t c = in->p[at - 1];

        if (mask_is_upper(c) || mask_is_digit(c))
            n++;
        else if (c != ' ' && c != '-' && c < 0x80)
            break;
        if (n >= IBAN_MIN && mask_is_upper(c) && mask_is_upper(in->p[at]) && mask_is_digit(in->p[at + 1]) && mask_is_digit(in->p[at + 2]) &&
            mask_iban_len(c, in->p[at]) >= n && mask_border_left(in, at - 1))
            best = at - 1;
    }
    return best;
}

/* ---- own patterns ---- */

static bool starts_with(const struct mask_own *o, const uint8_t *p, size_t n)
{
    size_t i = 0;

    while (i < n && o->lead[i] != '\0' && (o->lead[i] == (char) p[i] || (o->nocase && mask_lower((uint8_t) o->lead[i]) == mask_lower(p[i]))))
        i++;
    return o->lead[i] == '\0';
}

/* A match begins with what the pattern begins with, and is no longer than the pattern allows. */
static size_t own(const struct mask_own *o, const struct mask_in *in)
{
    size_t at = in->n >= o->width_max ? in->n - o->width_max + 1 : 0;

    while (at < in->n && !starts_with(o, in->p + at, in->n - at))
        at++;
    return at;
}

/* ---- all of it ---- */

static int on_trigger(unsigned id, unsigned long long from, unsigned long long to, unsigned flags, void *ctx)
{
    struct live *l = ctx;
    const struct mask_scanner *s = l->s;
    const struct mask_trigger *t;
    const struct mask_prefix *k;

    (void) from;
    (void) flags;
    if (mask_id(id, &t, &k))
        lower(&l->from, t != NULL ? t->live(s->rules, s->in, (size_t) to) : prefix(s->rules, s->in, (size_t) to, k));
    return 0;
}

static size_t of_numbers(const struct mask_rules *r, const struct mask_in *in)
{
    size_t from = in->n;

    if ((r->patterns & (1u << MASK_CARD | 1u << MASK_SSN | 1u << MASK_PHONE)) != 0)
        lower(&from, number(in));
    if (is_on(r, MASK_IBAN))
        lower(&from, iban(in));
    return from;
}

size_t mask_scan_live(struct mask_scanner *s, const struct mask_rules *r, struct span text)
{
    const struct mask_in in = { text.p, text.n, false };
    struct live l = { s, text.n };
    size_t password;
    hs_error_t e;

    if (text.n == 0 || text.n > UINT32_MAX)
        return 0;
    s->rules = r;
    s->in = &in;
    e = mask_hs_scan(mask_builtin_db(), text, s->scratch, on_trigger, &l);
    s->in = NULL;
    if (e != HS_SUCCESS)
        return 0;
    lower(&l.from, of_numbers(r, &in));
    if (is_on(r, MASK_EMAIL))
        lower(&l.from, local_part(&in));
    password = is_on(r, MASK_URL_PASSWORD) ? mask_url_password(&in, text.n) : 0;
    if (password != 0)
        lower(&l.from, password);
    for (size_t i = 0; i < r->n_own; i++)
        lower(&l.from, own(&r->own[i], &in));
    return l.from;
}
