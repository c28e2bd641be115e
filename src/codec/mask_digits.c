/*
 * Numbers: cards, social security numbers, telephones, IBANs. mask_blocks.c finds where; a place stands somewhere in a run of digits with single separators; the
 * run is taken apart into groups once, and each finder looks at groups.
 */
#include "codec/mask_int.h"

#define GROUPS_MAX 12

struct group {
    size_t from, to;
    size_t sep;     /* bytes between it and the next one; 0: none */
    uint8_t sep_is; /* the first of them */
};

struct run {
    struct group g[GROUPS_MAX];
    size_t n;
    bool more; /* digits go on behind the last group */
};

static size_t digits_end(const struct mask_in *in, size_t at)
{
    while (at < in->n && mask_is_digit(in->p[at]))
        at++;
    return at;
}

/* What may stand between groups: one or two of these. */
static size_t separator(const struct mask_in *in, size_t at)
{
    size_t n = 0, one;

    for (int i = 0; i < 3 && at + n < in->n; i++, n += one) {
        uint8_t c = in->p[at + n];

        one = mask_space(in, at + n);
        if (one == 0 && c == 0xe2 && at + n + 2 < in->n && in->p[at + n + 1] == 0x80 && in->p[at + n + 2] >= 0x90 &&
            in->p[at + n + 2] <= 0x93)
            one = 3; /* hyphens and dashes of typesetters */
        if (one == 0 && (c == '-' || c == '.' || c == '(' || c == ')' || c == '/'))
            one = 1;
        if (one == 0)
            break;
    }
    return n;
}

static void take_groups(const struct mask_in *in, size_t from, struct run *r)
{
    size_t at = from;

    r->n = 0;
    r->more = false;
    while (at < in->n && mask_is_digit(in->p[at])) {
        struct group *g;

        if (r->n == GROUPS_MAX) {
            r->more = true;
            return;
        }
        g = &r->g[r->n++];
        g->from = at;
        g->to = digits_end(in, at);
        g->sep = separator(in, g->to);
        g->sep_is = g->sep > 0 ? in->p[g->to] : 0;
        at = g->to + g->sep;
        if (g->sep == 0 || at >= in->n || !mask_is_digit(in->p[at])) {
            g->sep = 0;
            g->sep_is = 0;
            return;
        }
    }
}

/* ---- borders ---- */

/* A number that begins here: no word, no decimal point, no longer number with separators before it. */
static bool starts(const struct mask_in *in, size_t at)
{
    if (!mask_border_left(in, at))
        return false;
    if (at >= 2 && (in->p[at - 1] == '.' || in->p[at - 1] == ',' || in->p[at - 1] == '-' || in->p[at - 1] == ':') &&
        mask_is_digit(in->p[at - 2]))
        return false;
    return !(at >= 2 && in->p[at - 1] == '-' && mask_is_alnum(in->p[at - 2]) && !mask_after_escape(in, at - 1));
}

static bool ends(const struct mask_in *in, size_t at)
{
    if (!mask_border_right(in, at))
        return false;
    if (at + 1 >= in->n)
        return true;
    if ((in->p[at] == '.' || in->p[at] == ',' || in->p[at] == ':') && mask_is_digit(in->p[at + 1]))
        return false;
    return !(in->p[at] == '-' && mask_is_alnum(in->p[at + 1]));
}

/* ---- countries ---- */

/* SWIFT IBAN registry: country and length. */
static const char ibans[] =
    "AD24 AE23 AL28 AT20 AZ28 BA20 BE16 BG22 BH22 BI27 BR29 BY28 CH21 CR22 CY28 CZ24 DE22 DJ27 DK18 DO28 EE20 EG29 ES24 FI18 FK18 "
    "FO18 FR27 GB22 GE22 GI23 GL18 GR27 GT28 HN28 HR21 HU28 IE22 IL23 IQ23 IS26 IT27 JO30 KW30 KZ20 LB28 LC32 LI21 LT20 LU20 LV21 "
    "LY25 MC27 MD24 ME22 MK19 MN20 MR27 MT31 MU30 NI28 NL18 NO15 OM23 PK24 PL28 PS29 PT25 QA29 RO24 RS22 RU33 SA24 SC31 SD18 SE24 "
    "SI19 SK24 SM27 SO23 ST25 SV28 TL23 TN24 TR26 UA29 VA22 VG24 XK20 YE30 ";

size_t mask_iban_len(uint8_t a, uint8_t b)
{
    for (const char *p = ibans; *p != '\0'; p += 5) {
        if ((uint8_t) p[0] == a && (uint8_t) p[1] == b)
            return (size_t) (p[2] - '0') * 10 + (size_t) (p[3] - '0');
    }
    return 0;
}

/* ---- cards ---- */

struct digits {
    uint8_t d[32];
    size_t n;
};

static void collect(const struct mask_in *in, const struct run *r, size_t first, size_t n, struct digits *ret)
{
    ret->n = 0;
    for (size_t i = first; i < first + n; i++) {
        for (size_t k = r->g[i].from; k < r->g[i].to && ret->n < sizeof(ret->d); k++)
            ret->d[ret->n++] = (uint8_t) (in->p[k] - '0');
    }
}

static bool luhn(const struct digits *d)
{
    unsigned sum = 0;

    for (size_t i = 0; i < d->n; i++) {
        unsigned v = d->d[d->n - 1 - i];

        if (i % 2 == 1)
            v = v * 2 > 9 ? v * 2 - 9 : v * 2;
        sum += v;
    }
    return sum % 10 == 0;
}

/* First six digits from..to, lengths; 'rare': only where a word says so, since many other numbers begin so or are so short. */
static const struct {
    uint32_t from, to;
    uint8_t min, max;
    bool rare;
} issuers[] = {
    { 400000, 499999, 16, 16, false }, { 400000, 499999, 13, 13, true },  { 400000, 499999, 19, 19, false },
    { 510000, 559999, 16, 16, false }, { 222100, 272099, 16, 16, false }, { 340000, 349999, 15, 15, false },
    { 370000, 379999, 15, 15, false }, { 601100, 601199, 16, 19, false }, { 622126, 622925, 16, 19, false },
    { 620000, 629999, 16, 19, false }, { 644000, 659999, 16, 19, false }, { 300000, 305999, 14, 19, false },
    { 309500, 309599, 14, 19, false }, { 360000, 369999, 14, 19, false }, { 380000, 399999, 16, 19, false },
    { 352800, 358999, 16, 19, false }, { 220000, 220499, 16, 19, false }, { 501800, 501899, 12, 19, true },
    { 502000, 502099, 12, 19, true },  { 503800, 503899, 12, 19, true },  { 589300, 589399, 12, 19, true },
    { 630400, 630499, 12, 19, true },  { 675900, 675999, 12, 19, true },  { 676100, 676399, 12, 19, true },
    { 817100, 817199, 16, 19, true },
};

static bool issued(const struct digits *d, bool word)
{
    uint32_t six = 0;

    for (size_t i = 0; i < 6; i++)
        six = six * 10 + d->d[i];
    for (size_t i = 0; i < sizeof(issuers) / sizeof(issuers[0]); i++) {
        if (six >= issuers[i].from && six <= issuers[i].to && d->n >= issuers[i].min && d->n <= issuers[i].max &&
            (word || !issuers[i].rare))
            return true;
    }
    return false;
}

static bool all_same(const struct digits *d)
{
    for (size_t i = 1; i < d->n; i++) {
        if (d->d[i] != d->d[0])
            return false;
    }
    return true;
}

/* How cards are printed and typed; 0 ends. */
static const uint8_t layouts[][6] = { { 4, 4, 4, 4 }, { 4, 6, 5 }, { 4, 6, 4 }, { 4, 4, 4, 4, 3 }, { 4, 4, 4, 1 },
                                      { 4, 4, 4, 3 }, { 4, 5, 6 }, { 4, 4, 4, 2 }, { 4, 4, 4, 4, 2 }, { 6, 13 },
                                      { 4, 4, 5 }, { 4, 4, 4 }, { 8, 8 } };

static size_t layout_at(const struct run *r, size_t first, const uint8_t *l)
{
    size_t n = 0;

    for (; l[n] != 0; n++) {
        const struct group *g = &r->g[first + n];

        if (first + n >= r->n || g->to - g->from != l[n])
            return 0;
        if (l[n + 1] != 0 && (g->sep == 0 || g->sep > 3 || g->sep_is == '(' || g->sep_is == ')' || g->sep_is == '/'))
            return 0;
        if (n > 0 && l[n + 1] != 0 && g->sep_is != g[-1].sep_is)
            return 0;
    }
    return n;
}

static const char *const card_list[] = { "card", "karte", "carte", "tarjeta", "visa", "maestro", " pan", " cc#", NULL };
static struct mask_words card_words = { .words = card_list };

/* Four characters and a blank, again and again, back to a country and two digits: an IBAN, though its check digits are wrong. */
static bool in_iban(const struct mask_in *in, size_t at)
{
    for (int groups = 0; groups < 8 && at >= 5 && in->p[at - 1] == ' '; groups++) {
        at -= 5;
        for (size_t i = 0; i < 4; i++) {
            if (!mask_is_upper(in->p[at + i]) && !mask_is_digit(in->p[at + i]))
                return false;
        }
        if (mask_is_upper(in->p[at]) && mask_is_upper(in->p[at + 1]) && mask_is_digit(in->p[at + 2]) &&
            mask_is_digit(in->p[at + 3]) && mask_iban_len(in->p[at], in->p[at + 1]) != 0)
            return true;
    }
    return false;
}

static bool card_whole(const struct mask_in *in, const struct run *r, size_t first)
{
    struct digits d;

    collect(in, r, first, 1, &d);
    return luhn(&d) && !all_same(&d) && starts(in, r->g[first].from) && ends(in, r->g[first].to) &&
           (issued(&d, false) || (issued(&d, true) && mask_word_before(in, r->g[first].from, &card_words)));
}

/* How many groups from 'first' on are a card; 0: none. */
static size_t card_at(const struct mask_in *in, const struct run *r, size_t first)
{
    size_t len = r->g[first].to - r->g[first].from, best = 0, digits = 0;
    struct digits d;

    if (len >= 12 && len <= 19)
        return card_whole(in, r, first);
    for (size_t i = 0; i < sizeof(layouts) / sizeof(layouts[0]); i++) {
        size_t n = layout_at(r, first, layouts[i]), to;

        if (n == 0)
            continue;
        collect(in, r, first, n, &d);
        to = r->g[first + n - 1].to;
        if (d.n > digits && luhn(&d) && !all_same(&d) &&
            issued(&d, d.n == 13 || mask_word_before(in, r->g[first].from, &card_words)) &&
            mask_border_left(in, r->g[first].from) && mask_border_right(in, to) &&
            (r->g[first].sep_is != '-' || ends(in, to))) {
            best = n;
            digits = d.n;
        }
    }
    return best > 0 && in_iban(in, r->g[first].from) ? 0 : best;
}

/* ---- social security numbers ---- */

static unsigned number(const struct mask_in *in, size_t at, size_t n)
{
    unsigned v = 0;

    for (size_t i = 0; i < n; i++)
        v = v * 10 + (unsigned) (in->p[at + i] - '0');
    return v;
}

/* https://www.ssa.gov/employer/randomization.html: never 000, 666, 900-999; group 00; serial 0000. */
static bool ssn_parts(unsigned area, unsigned group, unsigned serial)
{
    return area != 0 && area != 666 && area < 900 && group != 0 && serial != 0;
}

static const char *const ssn_list[] = { "ssn", "social sec", "social-sec", "socialsec", "social_sec", "taxpayer", " tin", NULL };
static struct mask_words ssn_words = { .words = ssn_list };

static size_t ssn_at(const struct mask_in *in, const struct run *r, size_t first)
{
    const struct group *g = &r->g[first];
    size_t len = g->to - g->from, to;

    if (len == 9 && starts(in, g->from) && ends(in, g->to) &&
        ssn_parts(number(in, g->from, 3), number(in, g->from + 3, 2), number(in, g->from + 5, 4)) &&
        mask_word_before(in, g->from, &ssn_words))
        return 1;
    if (len != 3 || first + 2 >= r->n || g[1].to - g[1].from != 2 || g[2].to - g[2].from != 4 || g[0].sep != g[1].sep ||
        g[0].sep_is != g[1].sep_is || g[0].sep > 3 || (g->sep_is != '-' && g->sep_is != ' ' && g->sep_is < 0x80))
        return 0;
    to = g[2].to;
    if (!starts(in, g->from) || !ends(in, to) ||
        !ssn_parts(number(in, g->from, 3), number(in, g[1].from, 2), number(in, g[2].from, 4)))
        return 0;
    return g->sep_is == '-' || mask_word_before(in, g->from, &ssn_words) ? 3 : 0;
}

/* ---- telephones ---- */

static const char *const phone_list[] = { "phone", "fone", "telefon", "teléfono", "téléphone", "mobile", "handy", "whatsapp", "hotline",
                                           "contact no", "kontakt", " tel", " tél", " mob", " mobil", " móvil", " portable", " cell", " fax",
                                           " sms", " call", " ring", " dial", " rufnummer", " msisdn", " gsm", NULL };
static struct mask_words phone_words = { .words = phone_list };

/* E.164 country codes of one and two digits; all others have three. */
static size_t country_code(const struct mask_in *in, size_t at, size_t n)
{
    static const char two[] = "20 27 30 31 32 33 34 36 39 40 41 43 44 45 46 47 48 49 51 52 53 54 55 56 57 58 60 61 62 63 64 65 66 "
                              "81 82 84 86 90 91 92 93 94 95 98 ";
    char want[4] = "";

    if (n < 3 || in->p[at] == '0')
        return 0;
    if (in->p[at] == '1' || in->p[at] == '7')
        return 1;
    memcpy(want, in->p + at, 2);
    want[2] = ' ';
    if (strstr(two, want) != NULL)
        return 2;
    return strchr("2345689", in->p[at]) != NULL ? 3 : 0;
}

static bool nanp(const uint8_t *d)
{
    return d[0] >= 2 && d[3] >= 2 && !(d[1] == 1 && d[2] == 1) && !(d[4] == 1 && d[5] == 1);
}

/* '+' or 00 before the first group. *ret_from: where the number begins. */
static bool international(const struct mask_in *in, const struct run *r, size_t first, size_t *ret_from)
{
    size_t from = r->g[first].from, at;

    at = from;
    if (at > 0 && in->p[at - 1] == '(')
        at--;
    if (at > 0 && in->p[at - 1] == '+') {
        *ret_from = at - 1;
        return at < 2 || mask_border_left(in, at - 1);
    }
    if (at > 2 && memcmp(in->p + at - 3, "%2B", 3) == 0) { /* a query */
        *ret_from = at - 3;
        return true;
    }
    *ret_from = from;
    return false;
}

/* Groups that belong to one number written with '+': as many as fit into 15 digits with the same kinds of separators. */
static size_t phone_international(const struct mask_in *in, const struct run *r, size_t first, size_t *ret_from)
{
    struct digits d;
    size_t n = 0, total = 0, best = 0, cc;

    if (!international(in, r, first, ret_from))
        return 0;
    cc = country_code(in, r->g[first].from, r->g[first].to - r->g[first].from + 2);
    if (cc == 0)
        return 0;
    while (first + n < r->n) {
        const struct group *g = &r->g[first + n];

        if (total + (g->to - g->from) > 15 || n > 7)
            break;
        total += g->to - g->from;
        n++;
        if (total >= 8 && mask_border_right(in, g->to))
            best = n;
        if (g->sep == 0 || g->sep > 3)
            break;
    }
    if (best == 0)
        return 0;
    collect(in, r, first, best, &d);
    if (d.d[0] != 1)
        return best;
    while (best > 1 && d.n > 11) /* "+1 212 555 0123 4": what follows is not of it */
        collect(in, r, first, --best, &d);
    return d.n == 11 && nanp(d.d + 1) ? best : 0;
}

/* (212) 555-0123, 212-555-0123, 212.555.0123, 1-212-555-0123; with blanks only beside a word. */
static size_t phone_nanp(const struct mask_in *in, const struct run *r, size_t first, size_t *ret_from)
{
    const struct group *g = &r->g[first];
    size_t skip = g->to - g->from == 1 && in->p[g->from] == '1' && g->sep > 0 ? 1 : 0, n = skip + 3, to;
    struct digits d;
    bool paren;

    if (first + n > r->n || g[skip].to - g[skip].from != 3 || g[skip + 1].to - g[skip + 1].from != 3 ||
        g[skip + 2].to - g[skip + 2].from != 4)
        return 0;
    collect(in, r, first + skip, 3, &d);
    to = g[skip + 2].to;
    paren = g[skip].sep_is == ')' && g[skip].from > 0 && in->p[g[skip].from - 1] == '(';
    *ret_from = paren && skip == 0 ? g->from - 1 : g->from;
    if (!nanp(d.d) || !starts(in, *ret_from) || !ends(in, to) || g[skip + 1].sep > 3 || g[skip + 1].sep_is == '(' ||
        g[skip + 1].sep_is == ')' || g[skip + 1].sep_is == '/')
        return 0;
    if (paren || (g[skip].sep_is == g[skip + 1].sep_is && (g[skip].sep_is == '-' || g[skip].sep_is == '.' ||
                                                            g[skip].sep_is == 0xe2)))
        return n;
    return mask_word_before(in, *ret_from, &phone_words) ? n : 0;
}

/* A date, an address, a version: 2024-01-31, 31.12.2024, 10.0.0.1. */
static bool looks_dated(const struct mask_in *in, const struct run *r, size_t first, size_t n)
{
    const struct group *g = &r->g[first];
    size_t a = g->to - g->from;

    if (n >= 3 && a == 4 && g[1].to - g[1].from == 2 && g[2].to - g[2].from == 2 && in->p[g->from] <= '2' && in->p[g->from] >= '1')
        return true;
    if (n >= 3 && a <= 2 && g[1].to - g[1].from <= 2 && g[2].to - g[2].from == 4 && g[0].sep_is == g[1].sep_is)
        return true;
    return n == 4 && g[0].sep_is == '.' && g[1].sep_is == '.' && g[2].sep_is == '.' && g[3].to - g[3].from <= 3;
}

/* Anything of 7 to 15 digits that stands behind a word for it. */
static size_t phone_beside_word(const struct mask_in *in, const struct run *r, size_t first, size_t *ret_from)
{
    size_t total = 0, n = 0, best = 0;

    /* With 1 and 7 begin countries whose numbers have 11 digits, and the time in milliseconds, which is in every event. */
    if (r->g[first].to - r->g[first].from > 11 && (in->p[r->g[first].from] == '1' || in->p[r->g[first].from] == '7'))
        return 0;
    while (first + n < r->n) {
        const struct group *g = &r->g[first + n];

        if (total + (g->to - g->from) > 15)
            break;
        total += g->to - g->from;
        n++;
        if (total >= 7 && ends(in, g->to))
            best = n;
        if (g->sep == 0 || g->sep > 3)
            break;
    }
    *ret_from = r->g[first].from;
    if (*ret_from > 0 && in->p[*ret_from - 1] == '(')
        --*ret_from;
    if (best == 0 || r->more || !starts(in, *ret_from) || looks_dated(in, r, first, best))
        return 0;
    return mask_word_before(in, *ret_from, &phone_words) ? best : 0;
}

/* Groups as national numbers are written in many countries: a leading 0, or the area in brackets. 0 ends. */
static const uint8_t nationals[][6] = { { 2, 2, 2, 2, 2 }, { 2, 4, 4 }, { 3, 4, 4 }, { 4, 3, 4 }, { 4, 3, 3 }, { 5, 3, 3 }, { 5, 6 }, { 4, 7 }, { 3, 8 }, { 3, 7 },
                                        { 2, 5, 4 } };

static bool is_pair(const struct mask_in *in, size_t at)
{
    return at + 2 <= in->n && mask_in_set(SET_HEX, in->p[at]) && mask_in_set(SET_HEX, in->p[at + 1]) && mask_border_right(in, at + 2);
}

/* Bytes of a dump are pairs, too, and more of them stand before and behind. */
static bool in_dump(const struct mask_in *in, size_t from, size_t to)
{
    return (to < in->n && in->p[to] == ' ' && is_pair(in, to + 1)) ||
           (from >= 3 && in->p[from - 1] == ' ' && is_pair(in, from - 3) && mask_border_left(in, from - 3));
}

static bool same_separators(const struct run *r, size_t first, size_t n, bool brackets)
{
    for (size_t i = brackets ? 1 : 0; i + 1 < n; i++) {
        const struct group *g = &r->g[first + i];

        if (g->sep > 3 || g->sep_is == '(' || g->sep_is == ')' || (g->sep == 2 && g->sep_is < 0x80) || (g->sep_is == '/' && n > 2) ||
            (i > (brackets ? 1 : 0) && !brackets && g->sep_is != g[-1].sep_is))
            return false;
    }
    return r->g[first + n - 1].sep == 0; /* nothing goes on behind it */
}

static size_t phone_national(const struct mask_in *in, const struct run *r, size_t first, size_t *ret_from)
{
    const struct group *g = &r->g[first];
    bool brackets = g->sep_is == ')' && g->from > 0 && in->p[g->from - 1] == '(', zero = g->to - g->from > 1 && in->p[g->from] == '0' && in->p[g->from + 1] != '0';

    *ret_from = brackets ? g->from - 1 : g->from;
    if ((!brackets && !zero) || r->more || !starts(in, *ret_from) || (*ret_from >= 2 && in->p[*ret_from - 1] == ' ' && mask_is_digit(in->p[*ret_from - 2])))
        return 0;
    for (size_t i = 0; i < sizeof(nationals) / sizeof(nationals[0]); i++) {
        const uint8_t *l = nationals[i];
        size_t n = 0;

        while (l[n] != 0 && first + n < r->n && g[n].to - g[n].from == l[n])
            n++;
        if (l[n] != 0 || !same_separators(r, first, n, brackets) || !ends(in, g[n - 1].to))
            continue;
        if (l[0] == 2 && l[1] == 2 && in_dump(in, *ret_from, g[n - 1].to))
            continue;
        return n;
    }
    return 0;
}

static size_t phone_at(const struct mask_in *in, const struct run *r, size_t first, size_t *ret_from)
{
    size_t n = phone_international(in, r, first, ret_from);

    if (n == 0)
        n = phone_nanp(in, r, first, ret_from);
    if (n == 0)
        n = phone_national(in, r, first, ret_from);
    if (n == 0)
        n = phone_beside_word(in, r, first, ret_from);
    return n;
}

/* ---- IBAN ---- */

static bool mod97(const uint8_t *c, size_t n)
{
    unsigned rest = 0;

    for (size_t i = 0; i < n; i++) {
        uint8_t v = c[(i + 4) % n];

        if (mask_is_digit(v))
            rest = (rest * 10 + (unsigned) (v - '0')) % 97;
        else
            rest = (rest * 100 + (unsigned) (v - 'A' + 10)) % 97;
    }
    return rest == 1;
}

void mask_find_iban(struct mask_scanner *s, const struct mask_in *in, size_t at)
{
    uint8_t c[40];
    size_t len, n = 0, i = at, space;

    if (!mask_border_left(in, at))
        return;
    len = mask_iban_len(in->p[at], in->p[at + 1]);
    if (len == 0)
        return;
    while (n < len && i < in->n) {
        uint8_t v = in->p[i];

        if (mask_is_upper(v) || mask_is_digit(v)) {
            c[n++] = v;
            i++;
        } else if (n >= 4 && (space = mask_space(in, i)) > 0) {
            i += space;
        } else if (n >= 4 && v == '-') {
            i++;
        } else {
            return;
        }
    }
    if (n == len && mask_border_right(in, i) && mod97(c, n))
        (void) mask_add(s, MASK_IBAN, at, i);
}

/* ---- all of it ---- */

/* Where the run of digits and separators around 'end' begins; not far back: a longer run is nothing of ours. */
static size_t run_start(const struct mask_scanner *s, const struct mask_in *in, size_t end)
{
    size_t from = end - 1, at, stop = s->digits_to;

    for (;;) {
        size_t back;

        while (from > stop && mask_is_digit(in->p[from - 1]))
            from--;
        for (back = 1; back <= 4 && from >= stop + back; back++) {
            at = from - back;
            if (mask_is_digit(in->p[at]))
                break;
        }
        if (back == 1 || back > 4 || from < stop + back || !mask_is_digit(in->p[from - back]) ||
            separator(in, from - back + 1) != back - 1)
            return from;
        from -= back;
    }
}

void mask_digits_init(void)
{
    mask_words_init(&card_words);
    mask_words_init(&ssn_words);
    mask_words_init(&phone_words);
}

/*
 * Digits from 'at' on that stand alone, to *ret_to, and are none of ours by how many they are and what is around them: the time in milliseconds is in
 * every event. All kinds but cards, social security numbers and what stands behind '+' or a word have several groups; no card begins with 0, 1, 7 or 9.
 */
static bool lone_is_nothing(const struct mask_in *in, size_t at, size_t *ret_to)
{
    size_t to = digits_end(in, at), n = to - at, sep;
    uint8_t first = in->p[at], before = at > 0 ? in->p[at - 1] : 0;

    if (before == '+' || before == '(' || before == 'B') /* "%2B" */
        return false;
    if (n >= 7 && n <= 19 && (n <= 11 || (first != '1' && first != '7' && !(n > 15 && (first == '0' || first == '9')))))
        return false;
    sep = separator(in, to);
    *ret_to = to;
    return sep == 0 || to + sep >= in->n || !mask_is_digit(in->p[to + sep]);
}

static void find_in_run(struct mask_scanner *s, const struct mask_in *in, size_t at);

void mask_find_digits(struct mask_scanner *s, const struct mask_in *in, size_t end)
{
    size_t at;

    if (end <= s->digits_to)
        return;
    at = run_start(s, in, end);
    if (!lone_is_nothing(in, at, &s->digits_to))
        find_in_run(s, in, at);
}

static size_t all_digits(const struct run *r)
{
    size_t n = 0;

    for (size_t i = 0; i < r->n; i++)
        n += r->g[i].to - r->g[i].from;
    return n;
}

static void find_in_run(struct mask_scanner *s, const struct mask_in *in, size_t at)
{
    __attribute__((uninitialized)) struct run r; /* 400 bytes, of which take_groups writes what is read: it is done for each time of an event */
    size_t n, from;

    while (at < in->n && mask_is_digit(in->p[at])) {
        take_groups(in, at, &r);
        if (!r.more && all_digits(&r) < MASK_DIGITS_MIN) {
            s->digits_to = r.g[r.n - 1].to;
            return;
        }
        from = at;
        if ((n = card_at(in, &r, 0)) > 0)
            (void) mask_add(s, MASK_CARD, at, r.g[n - 1].to);
        else if ((n = ssn_at(in, &r, 0)) > 0)
            (void) mask_add(s, MASK_SSN, at, r.g[n - 1].to);
        else if ((n = phone_at(in, &r, 0, &from)) > 0)
            (void) mask_add(s, MASK_PHONE, from, r.g[n - 1].to);
        else
            n = 1;
        s->digits_to = r.g[n - 1].to;
        if (r.g[n - 1].sep == 0)
            return;
        at = r.g[n - 1].to + r.g[n - 1].sep;
    }
}
