/*
 * Keys by how they begin, and by what stands before them. The prefixes are those that their makers document so that secret scanners find
 * them; each needs a border before it and as many characters of its kind as stated.
 */
#include "codec/mask_int.h"

#define CLOUD MASK_CLOUD_KEY
#define API   MASK_API_KEY
#define LONG  600
#define AZURE_MAX 512
#define VALUE_MAX 4096
#define ENV_MAX   128 /* of a variable's name as much is looked at */

const struct mask_prefix mask_prefixes[] = {
    /* clouds */
    { "AKIA", CLOUD, SET_UPPER_DIGIT, 16, 16 }, /* AWS access key, temporary, bearer, context */
    { "ASIA", CLOUD, SET_UPPER_DIGIT, 16, 16 },
    { "ABIA", CLOUD, SET_UPPER_DIGIT, 16, 16 },
    { "ACCA", CLOUD, SET_UPPER_DIGIT, 16, 16 },
    { "AIza", CLOUD, SET_WORD, 35, 35 }, /* Google API key, OAuth client secret, access token */
    { "GOCSPX-", CLOUD, SET_WORD, 28, 28 },
    { "ya29\\.", CLOUD, SET_TOKEN, 20, LONG },
    { "LTAI", CLOUD, SET_ALNUM, 12, 20 }, /* Alibaba */
    { "dop_v1_", CLOUD, SET_HEX, 64, 64 }, /* DigitalOcean */
    { "doo_v1_", CLOUD, SET_HEX, 64, 64 },
    { "dor_v1_", CLOUD, SET_HEX, 64, 64 },
    { "HRKU-", CLOUD, SET_WORD, 30, 80 }, /* Heroku */
    { "fo1_", CLOUD, SET_WORD, 30, 80 },  /* Fly */
    { "hvs\\.", CLOUD, SET_WORD, 24, LONG }, /* Vault */
    { "hvb\\.", CLOUD, SET_WORD, 24, LONG },
    { "dapi", CLOUD, SET_HEX, 32, 32 },   /* Databricks */
    { "pscale_tkn_", CLOUD, SET_TOKEN, 30, 80 },
    { "pscale_pw_", CLOUD, SET_TOKEN, 30, 80 },
    { "AGE-SECRET-KEY-1", CLOUD, SET_UPPER_DIGIT, 58, 58 },
    /* services */
    { "ghp_", API, SET_ALNUM, 36, 255 }, /* GitHub */
    { "gho_", API, SET_ALNUM, 36, 255 },
    { "ghu_", API, SET_ALNUM, 36, 255 },
    { "ghs_", API, SET_ALNUM, 36, 255 },
    { "ghr_", API, SET_ALNUM, 36, 255 },
    { "github_pat_", API, SET_WORD, 60, 255 },
    { "glpat-", API, SET_WORD, 20, 255 }, /* GitLab */
    { "gldt-", API, SET_WORD, 20, 255 },
    { "glrt-", API, SET_WORD, 20, 255 },
    { "glptt-", API, SET_WORD, 40, 255 },
    { "glcbt-", API, SET_WORD, 20, 255 },
    { "xoxa-", API, SET_WORD, 10, 255 }, /* Slack */
    { "xoxb-", API, SET_WORD, 10, 255 },
    { "xoxe-", API, SET_WORD, 10, 255 },
    { "xoxp-", API, SET_WORD, 10, 255 },
    { "xoxr-", API, SET_WORD, 10, 255 },
    { "xoxs-", API, SET_WORD, 10, 255 },
    { "xapp-", API, SET_WORD, 10, 255 },
    { "sk_live_", API, SET_ALNUM, 16, 255 }, /* Stripe */
    { "sk_test_", API, SET_ALNUM, 16, 255 },
    { "rk_live_", API, SET_ALNUM, 16, 255 },
    { "rk_test_", API, SET_ALNUM, 16, 255 },
    { "whsec_", API, SET_TOKEN, 24, 255 },
    { "npm_", API, SET_ALNUM, 36, 36 },
    { "pypi-AgE", API, SET_WORD, 50, LONG },
    { "rubygems_", API, SET_HEX, 48, 48 },
    { "dckr_pat_", API, SET_WORD, 20, 80 },
    { "SG\\.", API, SET_TOKEN, 60, 80 }, /* SendGrid */
    { "key-", API, SET_HEX, 32, 32 },    /* Mailgun */
    { "SK", API, SET_HEX, 32, 32 },      /* Twilio */
    { "sk-proj-", API, SET_WORD, 40, 255 }, /* model services */
    { "sk-ant-", API, SET_WORD, 40, 255 },
    { "sk-", API, SET_ALNUM, 40, 64 },
    { "hf_", API, SET_ALNUM, 30, 40 },
    { "sq0atp-", API, SET_WORD, 22, 60 }, /* Square */
    { "sq0csp-", API, SET_WORD, 40, 60 },
    { "shpat_", API, SET_HEX, 32, 32 },   /* Shopify */
    { "shpca_", API, SET_HEX, 32, 32 },
    { "shppa_", API, SET_HEX, 32, 32 },
    { "shpss_", API, SET_HEX, 32, 32 },
    { "NRAK-", API, SET_UPPER_DIGIT, 27, 27 }, /* New Relic */
    { "lin_api_", API, SET_ALNUM, 32, 64 },
    { "ntn_", API, SET_ALNUM, 40, 64 },
    { "figd_", API, SET_WORD, 30, 80 },
    { "PMAK-", API, SET_WORD, 40, 80 },
    { "glsa_", API, SET_WORD, 32, 80 },
    { "glc_", API, SET_TOKEN, 32, 400 },
    { "sntrys_", API, SET_TOKEN, 40, LONG },
    { "sntryu_", API, SET_HEX, 64, 64 },
    { "dp\\.pt\\.", API, SET_ALNUM, 40, 50 },
    { "ATATT3", API, SET_TOKEN, 80, 255 }, /* Atlassian */
    { "EAACEdEose0cBA", API, SET_ALNUM, 10, LONG },
};
const size_t mask_n_prefixes = sizeof(mask_prefixes) / sizeof(mask_prefixes[0]);

#define CI HS_FLAG_CASELESS

const struct mask_trigger mask_triggers[] = {
    { "@", 0, mask_find_at, mask_live_at },
    { "%40", 0, mask_find_at_escaped, mask_live_at_escaped },
    { "eyJ", 0, mask_find_jwt, mask_live_jwt },
    { "bearer ", CI, mask_find_bearer, mask_live_bearer },
    { "basic ", CI, mask_find_bearer, mask_live_bearer },
    { "PRIVATE KEY", 0, mask_find_key_block, mask_live_key_block },
    { ":AA", 0, mask_find_telegram, mask_live_telegram },
    { "AccountKey=", CI, mask_find_azure, mask_live_azure },
    { "api[-_ ]?key", CI, mask_find_assignment, mask_live_assignment },
    { "secret", CI, mask_find_assignment, mask_live_assignment },
    { "token", CI, mask_find_assignment, mask_live_assignment },
    { "passw(?:or)?d", CI, mask_find_assignment, mask_live_assignment },
    { "access[-_]?key", CI, mask_find_assignment, mask_live_assignment },
};
const size_t mask_n_triggers = sizeof(mask_triggers) / sizeof(mask_triggers[0]);

/* A literal in a pattern may have an escaped dot: its length as text. */
static size_t literal_len(const char *lit)
{
    size_t n = 0;

    for (; *lit != '\0'; lit++)
        n += *lit != '\\';
    return n;
}

/* Random enough not to be a word or a name: more than one kind of character, no long runs of one. */
static bool varied(struct span t)
{
    unsigned seen[256] = { 0 }, kinds = 0;

    for (size_t i = 0; i < t.n; i++) {
        if (seen[t.p[i]]++ == 0)
            kinds++;
    }
    return kinds >= 8 || (t.n < 16 && kinds >= 5);
}

static bool has_digit(struct span t)
{
    for (size_t i = 0; i < t.n; i++) {
        if (mask_is_digit(t.p[i]))
            return true;
    }
    return false;
}

size_t mask_prefix_from(const struct mask_in *in, size_t end, const struct mask_prefix *k)
{
    size_t from = end - literal_len(k->lit);

    return mask_border_left(in, from) && !(from > 0 && in->p[from - 1] == '-' && k->set == SET_WORD) ? from : end;
}

void mask_find_prefix(struct mask_scanner *s, const struct mask_in *in, size_t end, const struct mask_prefix *k)
{
    size_t from = mask_prefix_from(in, end, k), to = end;
    struct span rest;

    if (from == end)
        return;
    while (to < in->n && to - end < k->max && mask_in_set((enum mask_set) k->set, in->p[to]))
        to++;
    rest = span_of(in->p + end, to - end);
    if (rest.n < k->min || (k->set != SET_TOKEN && !mask_border_right(in, to)) || !varied(rest) || !has_digit(rest))
        return;
    if (k->set == SET_TOKEN) {
        while (to > end + k->min && (in->p[to - 1] == '.' || in->p[to - 1] == '='))
            to--; /* the end of a sentence */
    }
    (void) mask_add(s, k->rule, from, to);
}

/* 123456789:AA…: a bot's number, then 35 characters. */
void mask_find_telegram(struct mask_scanner *s, const struct mask_in *in, size_t end)
{
    size_t from = end - 3, to = end - 2;

    while (from > 0 && end - from < 16 && mask_is_digit(in->p[from - 1]))
        from--;
    while (to < in->n && to < end + 64 && mask_in_set(SET_WORD, in->p[to]))
        to++;
    if (end - 3 - from >= 8 && end - 3 - from <= 10 && to - (end - 2) == 35 && mask_border_left(in, from))
        (void) mask_add(s, MASK_API_KEY, from, to);
}

/* Connection strings of Azure storage. */
void mask_find_azure(struct mask_scanner *s, const struct mask_in *in, size_t end)
{
    size_t to = end;

    while (to < in->n && to - end < AZURE_MAX && mask_in_set(SET_TOKEN, in->p[to]))
        to++;
    if (to - end >= 40)
        (void) mask_add(s, MASK_CLOUD_KEY, end, to);
}

/* ---- name = value ---- */

static size_t skip_blanks(const struct mask_in *in, size_t at)
{
    for (;;) {
        if (at < in->n && (in->p[at] == ' ' || in->p[at] == '\t'))
            at++;
        else if (in->raw && at + 1 < in->n && in->p[at] == '\\' && in->p[at + 1] == 't')
            at += 2;
        else
            return at;
    }
}

/* A quote as it stands in JSON too. */
static size_t quote(const struct mask_in *in, size_t at, uint8_t *ret)
{
    size_t i = at;

    while (i < in->n && in->p[i] == '\\')
        i++;
    if (i < in->n && (in->p[i] == '"' || in->p[i] == '\'' || in->p[i] == '`')) {
        *ret = in->p[i];
        return i + 1 - at;
    }
    return 0;
}

static bool is_name_char(uint8_t c)
{
    return mask_is_alnum(c) || c == '_' || c == '-';
}

/* DB_PASSWORD=…, export API_TOKEN=…: how environments are set and printed. 'word' lies inside the name. */
static bool is_env(const struct mask_in *in, size_t word, size_t name_end)
{
    size_t from = word;
    bool upper = true;

    while (from > 0 && word - from < ENV_MAX && is_name_char(in->p[from - 1]) && !mask_after_escape(in, from))
        from--;
    for (size_t i = from; i < name_end; i++)
        upper = upper && (mask_is_upper(in->p[i]) || mask_is_digit(in->p[i]) || in->p[i] == '_');
    return upper && (from == 0 || (in->p[from - 1] != '.' && in->p[from - 1] != '$' && in->p[from - 1] != '{'));
}

/* --password=…, --db-token=…: an option of a command line whose name ends with the word. */
static bool is_option(const struct mask_in *in, size_t word, size_t name_end)
{
    size_t from = word;

    while (from > 0 && word - from < ENV_MAX && is_name_char(in->p[from - 1]) && !mask_after_escape(in, from))
        from--;
    return name_end == word + 1 && name_end < in->n && in->p[name_end] == '=' && from + 2 < name_end && in->p[from] == '-' &&
           in->p[from + 1] == '-' && (from == 0 || in->p[from - 1] == ' ' || in->p[from - 1] == '\'' || in->p[from - 1] == '"');
}

/* As a manual has it: --password=PASSWORD. */
static bool is_metavariable(struct span v)
{
    for (size_t i = 0; i < v.n; i++)
        if (!mask_is_upper(v.p[i]) && v.p[i] != '_' && v.p[i] != '-')
            return false;
    return true;
}

/* What is written where a secret would be, and is none: $VAR, ${…}, <token>, %s, process.env. */
static bool is_placeholder(struct span v)
{
    static const char *const none[] = { "null", "none", "true", "false", "undefined", "changeme", "example", "xxx", "your", "***" };

    if (v.n == 0 || strchr("$<{%*[(&", v.p[0]) != NULL)
        return true;
    for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++) {
        if (v.n >= strlen(none[i]) && span_eq_nocase(span_sub(v, 0, strlen(none[i])), none[i]))
            return true;
    }
    return false;
}

static bool is_value_char(uint8_t c, bool quoted)
{
    if (mask_in_set(SET_TOKEN, c))
        return true;
    return c != '\0' && (quoted ? strchr("!#$%^&*()@:?<>[]{}|", c) != NULL : strchr("!#$%^*@:?", c) != NULL) != 0;
}

bool mask_assignment(const struct mask_in *in, size_t end, struct mask_assigned *ret)
{
    size_t at = end, to;
    uint8_t ignored;
    struct span v;

    *ret = (struct mask_assigned){ 0 };
    while (at < in->n && at - end < 24 && is_name_char(in->p[at]))
        at++;
    ret->option = is_option(in, end - 1, at);
    ret->env = is_env(in, end - 1, at) && at < in->n && in->p[at] == '=';
    at += quote(in, at, &ignored);
    at = skip_blanks(in, at);
    if (at >= in->n || (in->p[at] != '=' && in->p[at] != ':'))
        return false;
    at++;
    if (at < in->n && in->p[at] == '>') /* => of Ruby and PHP */
        at++;
    at = skip_blanks(in, at);
    ret->from = at + quote(in, at, &ret->quote);
    for (to = ret->from; to < in->n && to - ret->from <= VALUE_MAX && is_value_char(in->p[to], ret->quote != 0); to++) {}
    ret->to = to;
    v = span_of(in->p + ret->from, to - ret->from);
    while (v.n > 0 && ret->quote == 0 && (v.p[v.n - 1] == '.' || v.p[v.n - 1] == ':' || v.p[v.n - 1] == '?'))
        v.n--;
    ret->value = v;
    return v.n <= VALUE_MAX && !is_placeholder(v);
}

/*
 * api_key = "…", "secret": "…", token: …, DB_PASSWORD=…: a literal value behind a name that says what it is. Program text
 * is full of such names, so a value has to look random: long, of several kinds, with a digit; shorter ones only where
 * an environment is set.
 */
void mask_find_assignment(struct mask_scanner *s, const struct mask_in *in, size_t end)
{
    struct mask_assigned a;
    bool is;
    struct span v;

    if (end <= s->value_to)
        return; /* inside a value that was looked at */
    is = mask_assignment(in, end, &a);
    if (a.to > 0 && a.quote == 0)
        s->value_to = a.to;
    v = a.value;
    if (!is || (a.quote != 0 && a.to < in->n && in->p[a.to] != a.quote && in->p[a.to] != '\\'))
        return;
    if (!in->raw && !(a.env && v.n >= 4) && !(a.option && v.n >= 4 && !is_metavariable(v)) && (v.n < 16 || !varied(v) || !has_digit(v)))
        return;
    (void) mask_add(s, MASK_API_KEY, a.from, a.from + v.n);
}
