#include "codec/base64.h"
#include "codec/json.h"
#include "format/key.h"
#include "format/key_claims.h"

#define INT_MAX_JS  ((INT64_C(1) << 53) - 1)
#define TREE_MAX    8192
#define MEMBERS_MAX 64

/* Names the reason and gives the verdict, so that a check reads as one line. */
static enum key_verdict refuse(enum key_verdict v, const char **ret_cause, const char *cause)
{
    if (ret_cause != NULL)
        *ret_cause = cause;
    return v;
}

/* ---- step 3 ---- */

static bool is_base64url(struct span s)
{
    uint8_t bytes[KEY_LEN_MAX];
    size_t n;

    return s.n > 0 && base64url_parse(s, bytes, sizeof(bytes), &n);
}

enum key_verdict key_split(struct span token, struct key_parts *ret, const char **ret_cause)
{
    struct key_parts p;
    struct span rest;

    if (token.n == 0)
        return refuse(KEY_MISSING, ret_cause, "empty");
    if (token.n > KEY_LEN_MAX)
        return refuse(KEY_MALFORMED, ret_cause, "over 1024 bytes");
    if (!span_cut(token, '.', &p.header, &rest) || !span_cut(rest, '.', &p.payload, &p.signature) ||
        memchr(p.signature.p, '.', p.signature.n) != NULL)
        return refuse(KEY_MALFORMED, ret_cause, "not three parts");
    if (!is_base64url(p.header) || !is_base64url(p.payload) || !is_base64url(p.signature))
        return refuse(KEY_MALFORMED, ret_cause, "a part is not base64url");
    p.signed_part = span_of(token.p, p.header.n + 1 + p.payload.n);
    *ret = p;
    return KEY_OK;
}

/* ---- steps 5 and 7: JSON ---- */

/* The tree of a part, in *tree (which the caller deinits). */
static bool parse_part(struct span part, uint32_t depth, uint32_t members, struct buf *tree)
{
    /* The hash set behind the search for duplicates needs no secret: there are at most 64 names in a kilobyte. */
    const struct json_limits lim = { .bytes = KEY_LEN_MAX, .depth = depth, .members = members,
                                     .string = KEY_STRING_MAX, .refuse_nul = true };
    uint8_t bytes[KEY_LEN_MAX];
    size_t n;

    return base64url_parse(part, bytes, sizeof(bytes), &n) && json_parse(span_of(bytes, n), &lim, tree, NULL);
}

static bool eq(struct span s, const char *text)
{
    return span_eq_str(s, text);
}

static enum key_verdict read_header(struct tree obj, const struct key_ring *ring, const struct key_ring_entry **ret,
                                    const char **ret_cause)
{
    struct span alg, typ, kid;
    const struct key_ring_entry *key;
    bool fits = false;

    if (obj.tag != TREE_OBJ || tree_count(obj) != 3 || !tree_get_str(obj, "alg", &alg) ||
        !tree_get_str(obj, "typ", &typ) || !tree_get_str(obj, "kid", &kid))
        return refuse(KEY_MALFORMED, ret_cause, "header is not exactly alg, typ, kid");
    if (!eq(typ, "at+jwt") && !eq(typ, "application/at+jwt"))
        return refuse(KEY_MALFORMED, ret_cause, "typ is not at+jwt");
    key = key_ring_find(ring, kid);
    if (key == NULL)
        return refuse(KEY_FORGED, ret_cause, "unknown kid");
    switch (key->alg) { /* the key decides */
    case KEY_ALG_ES256: fits = eq(alg, "ES256"); break;
    }
    if (!fits)
        return refuse(KEY_FORGED, ret_cause, "alg is not that key's");
    *ret = key;
    return KEY_OK;
}

enum key_verdict key_parse_header(const struct key_parts *parts, const struct key_ring *ring,
                                  const struct key_ring_entry **ret, const char **ret_cause)
{
    struct buf tree = BUF_INIT(TREE_MAX);
    enum key_verdict v;

    if (parse_part(parts->header, /* depth= */ 1, /* members= */ 3, &tree))
        v = read_header(tree_root(buf_span(&tree)), ring, ret, ret_cause);
    else
        v = refuse(KEY_MALFORMED, ret_cause, "header is not strict JSON of three members");
    buf_deinit(&tree);
    return v;
}

/* ---- step 6 ---- */

enum key_verdict key_verify(const struct key_parts *parts, const struct key_ring_entry *key, const char **ret_cause)
{
    uint8_t sig[ES256_SIG_LEN];
    size_t n = 0;

    if (!base64url_parse(parts->signature, sig, sizeof(sig), &n) || n != sizeof(sig) ||
        !es256_verify(key->verifier, parts->signed_part, SPAN_OF(sig)))
        return refuse(KEY_FORGED, ret_cause, "signature");
    return KEY_OK;
}

/* ---- step 7: only authentic bytes come here ---- */

/* No fraction, no exponent, 0 to 2^53-1, wherever a number stands, also in claims that nobody reads. */
static bool numbers_ok(struct tree node)
{
    struct tree child;
    int64_t v;

    if (node.tag == TREE_NUM || (tree_int(node, &v) && (v < 0 || v > INT_MAX_JS)))
        return false;
    if (node.tag != TREE_OBJ && node.tag != TREE_ARR)
        return true;
    for (struct span at = node.payload; tree_next(&at, &child);) { /* two levels at most: depth is limited */
        if (!numbers_ok(child))
            return false;
    }
    return true;
}

/* cnf holds a jkt and nothing else: a binding that is not understood cannot be kept. */
static bool read_cnf(struct tree cnf, struct key_claims *c)
{
    struct span s;

    return cnf.tag == TREE_OBJ && tree_count(cnf) == 1 && tree_get_str(cnf, "jkt", &s) && s.n > 0 &&
           span_to_str(s, c->cnf_jkt, sizeof(c->cnf_jkt));
}

static bool read_claim(const struct key_claim *t, struct tree node, struct key_claims *c)
{
    void *to = (char *) c + t->offset;
    struct span s = SPAN_EMPTY;
    int64_t v = 0;

    switch (t->form) {
    case KEY_CLAIM_TEXT:
        return tree_str(node, &s) && span_to_str(s, to, t->cap);
    case KEY_CLAIM_TIME:
        if (!tree_int(node, &v))
            return false;
        memcpy(to, &v, sizeof(v));
        return true;
    case KEY_CLAIM_GEN:
        if (!tree_int(node, &v) || v > UINT32_MAX)
            return false;
        c->gen = (uint32_t) v;
        return true;
    case KEY_CLAIM_SCOPE:
        return tree_str(node, &s) && key_scope_parse(s, &c->scope);
    case KEY_CLAIM_CNF:
        return read_cnf(node, c);
    }
    return false; /* the table has no other form */
}

static const struct key_claim *claim_named(struct span name, size_t *ret_i)
{
    for (size_t i = 0; i < KEY_CLAIMS; i++) {
        if (name.n == key_claims[i].name_len && memcmp(name.p, key_claims[i].name, name.n) == 0) {
            *ret_i = i;
            return &key_claims[i];
        }
    }
    return NULL;
}

/* One walk over the members: each lookup by name would be a walk of its own, and this is on the way of every new key. */
static const char *read_claims(struct tree obj, struct key_claims *c, unsigned *ret_n_unknown)
{
    struct tree node;
    unsigned seen = 0, unknown = 0;

    for (struct span at = obj.payload; tree_next(&at, &node);) {
        size_t i = 0;
        const struct key_claim *t = claim_named(node.key, &i);

        if (!numbers_ok(node))
            return "a number with a fraction, an exponent or out of range";
        if (t == NULL)
            unknown++;
        else if (!read_claim(t, node, c))
            return t->name;
        else
            seen |= 1u << i;
    }
    for (size_t i = 0; i < KEY_CLAIMS; i++) {
        if ((seen & 1u << i) == 0 && key_claims[i].form != KEY_CLAIM_CNF)
            return key_claims[i].name;
    }
    *ret_n_unknown = unknown;
    return NULL;
}

static enum key_verdict read_payload(struct tree obj, struct key_claims *ret, unsigned *ret_n_unknown,
                                     const char **ret_cause)
{
    struct key_claims c;
    unsigned unknown = 0;
    const char *fault;

    memset(&c, 0, sizeof(c)); /* padding too: claims can be compared as bytes */
    if (obj.tag != TREE_OBJ)
        return refuse(KEY_MALFORMED, ret_cause, "payload is not an object");
    if ((fault = read_claims(obj, &c, &unknown)) != NULL || (fault = key_claims_fault(&c)) != NULL)
        return refuse(KEY_MALFORMED, ret_cause, fault);
    if (ret_n_unknown != NULL)
        *ret_n_unknown = unknown;
    *ret = c;
    return KEY_OK;
}

enum key_verdict key_parse_payload(const struct key_parts *parts, struct key_claims *ret, unsigned *ret_n_unknown,
                                   const char **ret_cause)
{
    struct buf tree = BUF_INIT(TREE_MAX);
    enum key_verdict v;

    if (parse_part(parts->payload, /* depth= */ 2, MEMBERS_MAX, &tree))
        v = read_payload(tree_root(buf_span(&tree)), ret, ret_n_unknown, ret_cause);
    else
        v = refuse(KEY_MALFORMED, ret_cause, "payload is not strict JSON within its limits");
    buf_deinit(&tree);
    return v;
}

/* ---- steps 8 and 9 ---- */

enum key_verdict key_check_audience(const struct key_claims *c, const struct key_audience *want,
                                    const char **ret_cause)
{
    if (strcmp(c->iss, want->iss) != 0)
        return refuse(KEY_BINDING, ret_cause, "iss");
    if (strcmp(c->aud, want->aud) != 0)
        return refuse(KEY_BINDING, ret_cause, "aud");
    for (size_t i = 0; i < want->n_envs; i++) {
        if (strcmp(c->env, want->envs[i]) == 0)
            return KEY_OK;
    }
    return refuse(KEY_BINDING, ret_cause, "env");
}

enum key_verdict key_check_time(const struct key_claims *c, time_ms now, const char **ret_cause)
{
    /* 2^53 seconds in milliseconds still fit 63 bits */
    if (c->nbf * 1000 > now + KEY_AHEAD_MS)
        return refuse(KEY_NOT_YET, ret_cause, "nbf");
    if (c->iat * 1000 > now + KEY_AHEAD_MS)
        return refuse(KEY_NOT_YET, ret_cause, "iat");
    if (now >= c->exp * 1000)
        return refuse(KEY_EXPIRED, ret_cause, "exp");
    return KEY_OK;
}

enum key_verdict key_check(struct span token, const struct key_ring *ring, const struct key_audience *want, time_ms now,
                           struct key_claims *ret, const struct key_ring_entry **ret_key, const char **ret_cause)
{
    struct key_parts parts;
    struct key_claims c;
    const struct key_ring_entry *key = NULL;
    enum key_verdict v;

    if ((v = key_split(token, &parts, ret_cause)) != KEY_OK ||
        (v = key_parse_header(&parts, ring, &key, ret_cause)) != KEY_OK ||
        (v = key_verify(&parts, key, ret_cause)) != KEY_OK ||
        (v = key_parse_payload(&parts, &c, NULL, ret_cause)) != KEY_OK)
        return v;
    *ret = c;
    if (ret_key != NULL)
        *ret_key = key;
    v = key_check_audience(&c, want, ret_cause);
    return v == KEY_OK ? key_check_time(&c, now, ret_cause) : v;
}
