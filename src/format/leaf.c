#include "format/leaf.h"

#include <stdio.h>

#include "base/utf8.h"
#include "codec/base64.h"
#include "crypto/hash.h"
#include "format/note.h"

#define FIELD_TEXT_MAX 400 /* longest member in clear; all are ids, hashes and words */

static const char *const words[LEAF_N_TYPES] = {
#define LEAF_WORD(name, word) [LEAF_##name] = word,
    LEAF_TYPES(LEAF_WORD)
#undef LEAF_WORD
};

const char *leaf_type_word(enum leaf_type type)
{
    return (unsigned) type < LEAF_N_TYPES ? words[type] : "unknown";
}

bool leaf_type_find(struct span word, enum leaf_type *ret)
{
    for (unsigned i = 0; i < LEAF_N_TYPES; i++) {
        if (!span_eq_str(word, words[i]))
            continue;
        *ret = (enum leaf_type) i;
        return true;
    }
    return false;
}

bool leaf_add_number(struct leaf *l, const char *name, int64_t value)
{
    if (l->n_numbers >= LEAF_NUMBERS_MAX) {
        l->n_numbers = LEAF_NUMBERS_MAX + 1;
        return false;
    }
    l->n[l->n_numbers++] = (struct leaf_number){ name, value };
    return true;
}

bool leaf_add_fact(struct leaf *l, const char *field, struct span value, struct span person,
                   const uint8_t salt[LEAF_SALT_LEN])
{
    struct leaf_fact *f;

    if (value.n == 0)
        return true;
    if (l->n_facts >= LEAF_FACTS_MAX) {
        l->n_facts = LEAF_FACTS_MAX + 1;
        return false;
    }
    f = &l->facts[l->n_facts++];
    *f = (struct leaf_fact){ .field = field, .value = value, .person = person };
    memcpy(f->salt, salt, LEAF_SALT_LEN);
    return true;
}

/* ---- JSON ---- */

static void escape_unit(struct buf *b, uint32_t unit)
{
    buf_addf(b, "\\u%04x", (unsigned) unit);
}

/* How many characters at the beginning stand for themselves. */
static size_t plain(struct span s)
{
    size_t n = 0;

    while (n < s.n && s.p[n] >= 0x20 && s.p[n] < 0x7f && s.p[n] != '"' && s.p[n] != '\\')
        n++;
    return n;
}

static void add_int(struct buf *b, int64_t v)
{
    char text[20];
    size_t at = sizeof(text);
    uint64_t u = v < 0 ? 0 - (uint64_t) v : (uint64_t) v;

    do
        text[--at] = (char) ('0' + u % 10);
    while ((u /= 10) > 0);
    if (v < 0)
        text[--at] = '-';
    buf_add(b, text + at, sizeof(text) - at);
}

void leaf_json_str(struct buf *b, struct span s)
{
    struct rd r = rd_of(s);

    buf_add_c(b, '"');
    while (r.n > 0) {
        size_t run = plain(span_of(r.p, r.n));
        uint32_t cp;

        buf_add_span(b, rd_bytes(&r, run)); /* ids, hashes, words: all of it */
        if (r.n == 0)
            break;
        cp = utf8_read(&r);
        if (r.failed)
            break;
        if (cp == '"' || cp == '\\') {
            buf_add_c(b, '\\');
            buf_add_c(b, (char) cp);
        } else if (utf8_is_control(cp)) {
            escape_unit(b, cp); /* all of them are below U+10000 */
        } else {
            utf8_add(b, cp);
        }
    }
    if (r.failed)
        b->failed = true;
    buf_add_c(b, '"');
}

static void member(struct buf *b, const char *name)
{
    buf_add_str(b, ",\"");
    buf_add_str(b, name);
    buf_add_str(b, "\":");
}

static void member_str(struct buf *b, const char *name, struct span s)
{
    if (s.n == 0)
        return;
    member(b, name);
    leaf_json_str(b, s);
}

/* ---- what may stand in clear ---- */

static bool all_of(struct span s, const char *more, bool upper)
{
    for (size_t i = 0; i < s.n; i++) {
        uint8_t c = s.p[i];

        if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || (upper && c >= 'A' && c <= 'Z'))
            continue;
        if (c == '\0' || strchr(more, c) == NULL)
            return false;
    }
    return true;
}

/* Of what is not empty. */
static bool is_word(struct span s)
{
    return s.n <= LEAF_WORD_MAX && all_of(s, "-", false);
}

static bool is_name(const char *name)
{
    struct span s = span_str(name);

    return s.n > 0 && s.n <= LEAF_WORD_MAX && all_of(s, "_", false);
}

static bool is_digest(struct span s)
{
    return s.n == LEAF_DIGEST_LEN && all_of(s, "-_", true);
}

static bool is_actor(struct span s)
{
    return id_kind_of(s, NULL) || span_eq_str(s, "system");
}

/* An id, a log, a kid (11 characters of b64u) or another fixed word. */
static bool is_object(struct span s)
{
    return id_kind_of(s, NULL) || log_id_check(s) || (s.n == 11 && all_of(s, "-_", true)) || is_word(s);
}

/* A signed checkpoint: nothing but an origin, a size, hashes and signatures. */
static bool is_note(struct span s)
{
    struct note_checkpoint c;
    struct span text, sigs;

    return s.n <= LEAF_NOTE_MAX && note_split(s, &text, &sigs, NULL) == ERR_OK &&
           note_checkpoint_parse(text, &c, NULL, NULL) == ERR_OK;
}

static bool id_or_none(struct span s, enum id_kind kind)
{
    return s.n == 0 || id_check(s, kind);
}

static enum err check(const struct leaf *l, struct err_info *reterr)
{
    const struct {
        const char *name;
        bool ok;
    } rules[] = {
        { "log", log_id_check(l->log) },
        { "type", (unsigned) l->type < LEAF_N_TYPES },
        { "i", l->i <= INT64_MAX },
        { "actor", l->actor.n == 0 || is_actor(l->actor) },
        { "q", id_or_none(l->q, ID_REQUEST) },
        { "gid", id_or_none(l->gid, ID_GRANT) },
        { "vid", id_or_none(l->vid, ID_VIEWING) },
        { "rid", id_or_none(l->rid, ID_RECORDING) },
        { "jti", l->jti.n == 0 || jti_check(l->jti) },
        { "obj", l->obj.n == 0 || is_object(l->obj) },
        { "outcome", l->outcome.n == 0 || is_word(l->outcome) },
        { "policy", l->policy.n == 0 || is_digest(l->policy) },
        { "digest", l->digest.n == 0 || is_digest(l->digest) },
        { "act", l->act.n == 0 || is_digest(l->act) },
        { "note", l->note.n == 0 || (l->type == LEAF_LOG_CONTINUED && is_note(l->note)) },
        { "n", l->n_numbers <= LEAF_NUMBERS_MAX },
        { "_sd", l->n_facts <= LEAF_FACTS_MAX },
    };

    for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++) {
        if (!rules[i].ok)
            return ERR_RAISE(reterr, ERR_INVAL, "audit leaf %s: member '%s' may not hold this", leaf_type_word(l->type),
                             rules[i].name);
    }
    for (size_t i = 0; i < l->n_numbers; i++) {
        if (!is_name(l->n[i].name))
            return ERR_RAISE(reterr, ERR_INVAL, "audit leaf %s: number %zu has no proper name",
                             leaf_type_word(l->type), i);
    }
    return ERR_OK;
}

static void write_numbers(const struct leaf *l, struct buf *b)
{
    if (l->n_numbers == 0)
        return;
    member(b, "n");
    for (size_t i = 0; i < l->n_numbers; i++) {
        buf_add_str(b, i == 0 ? "{\"" : ",\"");
        buf_add_str(b, l->n[i].name);
        buf_add_str(b, "\":");
        add_int(b, l->n[i].value);
    }
    buf_add_c(b, '}');
}

static void sort_digests(char (*d)[LEAF_DIGEST_LEN + 1], size_t n)
{
    for (size_t i = 1; i < n; i++) {
        char x[LEAF_DIGEST_LEN + 1];
        size_t k = i;

        memcpy(x, d[i], sizeof(x));
        for (; k > 0 && strcmp(d[k - 1], x) > 0; k--)
            memcpy(d[k], d[k - 1], sizeof(x));
        memcpy(d[k], x, sizeof(x));
    }
}

static enum err write_facts(const struct leaf *l, struct buf *b, struct err_info *reterr)
{
    char digest[LEAF_FACTS_MAX][LEAF_DIGEST_LEN + 1];

    if (l->n_facts == 0)
        return ERR_OK;
    for (size_t k = 0; k < l->n_facts; k++) {
        CLEANUP(buf_deinit) struct buf json = BUF_INIT(LEAF_DISCLOSURE_MAX);

        TRY(leaf_disclose(l, k, &json, digest[k], reterr));
    }
    sort_digests(digest, l->n_facts);
    member(b, "_sd");
    for (size_t k = 0; k < l->n_facts; k++)
        buf_addf(b, "%c\"%s\"", k == 0 ? '[' : ',', digest[k]);
    buf_add_c(b, ']');
    return ERR_OK;
}

static void write_members(const struct leaf *l, struct buf *b)
{
    char t[TIME_RFC3339_LEN + 1];

    time_rfc3339(l->t, t);
    buf_add_str(b, "{\"v\":1");
    member_str(b, "log", l->log);
    member(b, "i");
    add_int(b, (int64_t) l->i); /* check: it fits */
    member_str(b, "t", span_str(t));
    member_str(b, "type", span_str(leaf_type_word(l->type)));
    member_str(b, "actor", l->actor);
    member_str(b, "q", l->q);
    member_str(b, "gid", l->gid);
    if (l->gen != 0) {
        member(b, "gen");
        add_int(b, l->gen);
    }
    member_str(b, "vid", l->vid);
    member_str(b, "rid", l->rid);
    member_str(b, "jti", l->jti);
    member_str(b, "obj", l->obj);
    member_str(b, "outcome", l->outcome);
    member_str(b, "policy", l->policy);
    member_str(b, "digest", l->digest);
    member_str(b, "act", l->act);
    member_str(b, "note", l->note);
    write_numbers(l, b);
}

enum err leaf_write(const struct leaf *l, struct buf *b, struct err_info *reterr)
{
    size_t from = b->n;
    enum err e = check(l, reterr);

    if (e != ERR_OK)
        return e;
    write_members(l, b);
    e = write_facts(l, b, reterr);
    buf_add_c(b, '}');
    if (e == ERR_OK)
        e = buf_check(b, reterr);
    if (e == ERR_OK && b->n - from > LEAF_MAX)
        e = ERR_RAISE(reterr, ERR_LIMIT, "audit leaf %s: %zu bytes, at most %d", leaf_type_word(l->type), b->n - from,
                      LEAF_MAX);
    if (e != ERR_OK)
        b->n = from;
    return e;
}

enum err leaf_disclosure_digest(struct span json, char ret_digest[LEAF_DIGEST_LEN + 1], struct err_info *reterr)
{
    CLEANUP(buf_deinit) struct buf text = BUF_INIT(LEAF_DISCLOSURE_MAX * 2);
    CLEANUP(buf_deinit) struct buf out = BUF_INIT(64);
    uint8_t h[32];

    base64url_add(&text, json);
    TRY(buf_check(&text, reterr));
    sha256(buf_span(&text), h);
    base64url_add(&out, SPAN_OF(h));
    TRY(buf_check(&out, reterr));
    memcpy(ret_digest, buf_cstr(&out), LEAF_DIGEST_LEN + 1);
    return ERR_OK;
}

enum err leaf_disclose(const struct leaf *l, size_t k, struct buf *b, char ret_digest[LEAF_DIGEST_LEN + 1],
                       struct err_info *reterr)
{
    const struct leaf_fact *f = &l->facts[k];
    size_t from = b->n;

    if (!is_name(f->field))
        return ERR_RAISE(reterr, ERR_INVAL, "audit leaf %s: fact %zu has no proper name", leaf_type_word(l->type), k);
    if (f->value.n > LEAF_FACT_VALUE_MAX || !utf8_valid(f->value))
        return ERR_RAISE(reterr, ERR_INVAL, "audit leaf %s: fact '%s' is not UTF-8 or over %d bytes",
                         leaf_type_word(l->type), f->field, LEAF_FACT_VALUE_MAX);
    buf_add_str(b, "[\"");
    base64url_add(b, SPAN_OF(f->salt));
    buf_addf(b, "\",\"%s@" SPAN_FMT "/%llu\",", f->field, SPAN_ARG(l->log), (unsigned long long) l->i);
    leaf_json_str(b, f->value);
    buf_add_c(b, ']');
    TRY(buf_check(b, reterr));
    if (ret_digest == NULL)
        return ERR_OK;
    return leaf_disclosure_digest(span_of(b->p + from, b->n - from), ret_digest, reterr);
}
