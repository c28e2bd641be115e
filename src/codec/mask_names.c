/* Names of fields and attributes, selectors. See codec/mask.h. */
#include <stdlib.h>

#include "codec/mask_int.h"

/* Names whose values go whole, in any project that does not say default_fields = no. Compared as mask_name_matches does. */
struct default_field {
    const char *text;
    uint8_t n;
    bool star_first, star_last;
};
#define FIELD(s)  { s, sizeof(s) - 1, false, false }
#define ENDS(s)   { s, sizeof(s) - 1, true, false }
#define BEGINS(s) { s, sizeof(s) - 1, false, true }

static const struct default_field default_fields[] = {
    FIELD("password"), FIELD("passwd"), FIELD("passphrase"), FIELD("pwd"), FIELD("currentpassword"), FIELD("newpassword"),
    FIELD("oldpassword"), FIELD("confirmpassword"), BEGINS("passwordconfirm"), ENDS("password"), ENDS("passwd"), FIELD("secret"),
    FIELD("clientsecret"), ENDS("secret"), ENDS("secretkey"), FIELD("apikey"), ENDS("apikey"), FIELD("xapikey"), FIELD("accesstoken"),
    FIELD("refreshtoken"), FIELD("idtoken"), FIELD("authtoken"), ENDS("authtoken"), FIELD("sessiontoken"), FIELD("csrftoken"),
    FIELD("xcsrftoken"), FIELD("authorization"), FIELD("proxyauthorization"), FIELD("cookie"), FIELD("setcookie"), FIELD("privatekey"),
    FIELD("onetimecode"), FIELD("otp"), FIELD("totp"), FIELD("mfacode"), FIELD("pin"), FIELD("pincode"), FIELD("cvc"), FIELD("cvv"),
    FIELD("cvc2"), FIELD("cvv2"), FIELD("cccsc"), FIELD("cardcvc"), FIELD("cardcvv"), FIELD("securitycode"), FIELD("cardnumber"),
    FIELD("ccnumber"), FIELD("creditcard"), FIELD("creditcardnumber"), FIELD("cardno"), FIELD("ssn"), BEGINS("socialsecurity"),
    FIELD("taxid"), FIELD("iban"), FIELD("accountnumber"), FIELD("bankaccount"), FIELD("routingnumber"), FIELD("sortcode"),
};

static bool counts(uint8_t c)
{
    return c != '-' && c != '_' && c != ' ' && c != '.';
}

/* '*' anything; case, '-', '_', ' ' and '.' do not count on either side. */
bool mask_name_matches(const char *pattern, struct span name)
{
    size_t i = 0, back = 0;
    const char *star = NULL;

    while (i < name.n) {
        if (!counts(name.p[i])) {
            i++;
        } else if (*pattern != '\0' && *pattern != '*' && !counts((uint8_t) *pattern)) {
            pattern++;
        } else if (*pattern == '*') {
            star = ++pattern;
            back = i;
        } else if (*pattern != '\0' && mask_lower((uint8_t) *pattern) == mask_lower(name.p[i])) {
            pattern++;
            i++;
        } else if (star != NULL) {
            pattern = star;
            i = ++back;
        } else {
            return false;
        }
    }
    while (*pattern == '*' || (*pattern != '\0' && !counts((uint8_t) *pattern)))
        pattern++;
    return *pattern == '\0';
}

/* The name without what does not count, in small letters. */
static size_t bare_name(struct span name, char *to)
{
    size_t n = 0;

    for (size_t i = 0; i < name.n; i++)
        if (counts(name.p[i]))
            to[n++] = (char) mask_lower(name.p[i]);
    return n;
}

bool mask_name_is_default_field(struct span name)
{
    char bare[MASK_NAME_MAX];
    size_t n;

    if (name.n < 3 || name.n > MASK_NAME_MAX)
        return false;
    n = bare_name(name, bare);
    for (size_t i = 0; n > 0 && i < sizeof(default_fields) / sizeof(default_fields[0]); i++) {
        const struct default_field *f = &default_fields[i];
        const char *at = f->star_first ? bare + n - f->n : bare;

        if (n >= f->n && (n == f->n || f->star_first || f->star_last) && *at == f->text[0] && memcmp(at, f->text, f->n) == 0)
            return true;
    }
    return false;
}

/* ---- selectors: tag, .class, #id, [name], [name=value], [name="value"], and these one after another ---- */

void mask_selector_free(struct mask_selector *s)
{
    free(s->tag);
    for (size_t i = 0; i < s->n_attr; i++) {
        free(s->attr[i].name);
        free(s->attr[i].value);
    }
    free(s->attr);
    *s = (struct mask_selector){ 0 };
}

static bool is_ident(uint8_t c)
{
    return mask_is_alnum(c) || c == '_' || c == '-' || c >= 0x80;
}

static struct span take_ident(struct span *at)
{
    struct span r = span_of(at->p, 0);

    while (at->n > 0 && is_ident(at->p[0])) {
        r.n++;
        *at = span_sub(*at, 1, at->n);
    }
    return r;
}

static char *lower_dup(struct span s)
{
    char *p = span_dup(s);

    for (size_t i = 0; p != NULL && p[i] != '\0'; i++)
        p[i] = (char) mask_lower((uint8_t) p[i]);
    return p;
}

static enum err add_attr(struct mask_selector *s, struct span name, const struct span *value, bool token)
{
    void *more = realloc(s->attr, (s->n_attr + 1) * sizeof(*s->attr));

    if (more == NULL)
        return ERR_NOMEM;
    s->attr = more;
    s->attr[s->n_attr].name = lower_dup(name);
    s->attr[s->n_attr].value = value == NULL ? NULL : span_dup(*value);
    s->attr[s->n_attr].token = token;
    s->n_attr++;
    return s->attr[s->n_attr - 1].name == NULL || (value != NULL && s->attr[s->n_attr - 1].value == NULL) ? ERR_NOMEM : ERR_OK;
}

/* Behind the '['. */
static enum err parse_attr(struct span *at, struct mask_selector *s)
{
    struct span name = take_ident(at), value;
    uint8_t q;

    if (name.n == 0 || at->n == 0)
        return ERR_INVAL;
    if (at->p[0] == ']') {
        *at = span_sub(*at, 1, at->n);
        return add_attr(s, name, NULL, false);
    }
    if (at->p[0] != '=' || at->n < 2)
        return ERR_INVAL;
    *at = span_sub(*at, 1, at->n);
    q = at->p[0];
    if (q == '"' || q == '\'') {
        const uint8_t *end = memchr(at->p + 1, q, at->n - 1);

        if (end == NULL)
            return ERR_INVAL;
        value = span_of(at->p + 1, (size_t) (end - at->p) - 1);
        *at = span_sub(*at, value.n + 2, at->n);
    } else {
        value = take_ident(at);
        if (value.n == 0)
            return ERR_INVAL;
    }
    if (at->n == 0 || at->p[0] != ']')
        return ERR_INVAL;
    *at = span_sub(*at, 1, at->n);
    return add_attr(s, name, &value, false);
}

static enum err parse_parts(struct span at, struct mask_selector *s)
{
    while (at.n > 0) {
        uint8_t c = at.p[0];
        struct span name;

        at = span_sub(at, 1, at.n);
        if (c == '[') {
            TRY(parse_attr(&at, s));
            continue;
        }
        if (c != '.' && c != '#')
            return ERR_INVAL;
        name = take_ident(&at);
        if (name.n == 0)
            return ERR_INVAL;
        TRY(add_attr(s, c == '.' ? SPAN("class") : SPAN("id"), &name, c == '.'));
    }
    return ERR_OK;
}

enum err mask_selector_parse(struct span text, struct mask_selector *ret)
{
    struct mask_selector s = { 0 };
    struct span at = span_trim(text), tag;
    enum err e;

    if (at.n == 0)
        return ERR_INVAL;
    if (at.p[0] == '*') {
        at = span_sub(at, 1, at.n);
        if (at.n == 0)
            return ERR_INVAL; /* everything: text = all says it better */
    } else {
        tag = take_ident(&at);
        if (tag.n > 0 && (s.tag = lower_dup(tag)) == NULL)
            return ERR_NOMEM;
    }
    e = parse_parts(at, &s);
    if (e != ERR_OK) {
        mask_selector_free(&s);
        return e;
    }
    *ret = s;
    return ERR_OK;
}

static bool has_token(struct span list, const char *want)
{
    size_t at = 0, n;

    while (at < list.n) {
        for (n = 0; at + n < list.n && list.p[at + n] > ' '; n++) {}
        if (n > 0 && span_eq_str(span_sub(list, at, n), want))
            return true;
        at += n + 1;
    }
    return false;
}

static unsigned sieve_bit(const uint8_t *p, size_t n)
{
    return (unsigned) (n * 89 + mask_lower(p[0]) * 7u + mask_lower(p[n - 1]) * 37u) % (MASK_SIEVE * 64);
}

static bool sieve_has(const uint64_t *sieve, const uint8_t *p, size_t n)
{
    unsigned bit = sieve_bit(p, n);

    return (sieve[bit / 64] >> bit % 64 & 1) != 0;
}

void mask_sieve_add(struct mask_sieve *s, const struct mask_selector *sel)
{
    const char *name;
    unsigned bit;
    bool token;

    if (sel->n_attr == 0) {
        s->tags = true;
        return;
    }
    token = sel->attr[0].token && sel->attr[0].value != NULL;
    name = token ? sel->attr[0].value : sel->attr[0].name;
    bit = sieve_bit((const uint8_t *) name, strlen(name));
    (token ? s->tokens : s->names)[bit / 64] |= 1ULL << bit % 64;
    *(token ? &s->tokens_any : &s->names_any) = true;
}

bool mask_sieve_attr(const struct mask_sieve *s, struct span name, struct span raw)
{
    size_t at = 0, n;

    if (name.n == 0)
        return false;
    if (s->names_any && sieve_has(s->names, name.p, name.n))
        return true;
    if (!s->tokens_any || !span_eq_nocase(name, "class"))
        return false;
    for (; at < raw.n; at += n + 1) {
        for (n = 0; at + n < raw.n && raw.p[at + n] > ' '; n++)
            if (raw.p[at + n] == '\\')
                return true; /* what it comes to is for the rules */
        if (n > 0 && sieve_has(s->tokens, raw.p + at, n))
            return true;
    }
    return false;
}

bool mask_selector_matches(const struct mask_selector *s, const struct mask_element *e)
{
    struct span v;

    if (s->tag != NULL && !span_eq_nocase(e->tag, s->tag))
        return false;
    for (size_t i = 0; i < s->n_attr; i++) {
        if (!e->attr(e->ctx, span_str(s->attr[i].name), &v))
            return false;
        if (s->attr[i].value == NULL)
            continue;
        if (s->attr[i].token ? !has_token(v, s->attr[i].value) : !span_eq_str(v, s->attr[i].value))
            return false;
    }
    return true;
}
