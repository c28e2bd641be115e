#include "format/dpop.h"

#include "codec/base64.h"
#include "codec/json.h"
#include "crypto/hash.h"

#define INT_MAX_JS      ((INT64_C(1) << 53) - 1)
#define TREE_MAX        8192
#define HEADER_MEMBERS  10 /* three, and those of jwk */
#define PAYLOAD_MEMBERS 32

static const struct {
    const char *name, *text;
} words[DPOP_N_] = {
    [DPOP_OK] = { "ok", "" },
    [DPOP_MISSING] = { "missing", "This needs a proof in the DPoP header." },
    [DPOP_TWO] = { "two", "There is more than one DPoP header." },
    [DPOP_TOO_LONG] = { "too-long", "The proof is longer than 1,536 bytes, or longer than 4 KiB together with the key." },
    [DPOP_FORM] = { "form", "The proof is no JWT with exactly typ, alg and jwk in its header." },
    [DPOP_TYP] = { "typ", "The proof's typ is not dpop+jwt." },
    [DPOP_ALG] = { "alg", "The proof's alg is not ES256." },
    [DPOP_JWK] = { "jwk", "The proof's jwk is not a public P-256 key with kty, crv, x and y." },
    [DPOP_SIGNATURE] = { "signature", "The proof's signature is wrong." },
    [DPOP_CLAIMS] = { "claims", "The proof lacks jti, htm, htu or iat, or one of its claims has a wrong form." },
    [DPOP_HTM] = { "htm", "The proof is for another method." },
    [DPOP_HTU] = { "htu", "The proof is for another address." },
    [DPOP_ATH] = { "ath", "The proof is for another key: ath is the SHA-256 of the key sent with it, and absent where none is." },
    [DPOP_JKT] = { "jkt", "The proof was made with another client key." },
    [DPOP_NONCE] = { "nonce", "Make the proof again with the nonce in the DPoP-Nonce header." },
    [DPOP_REPLAYED] = { "replayed", "The proof was used before: make one for each request." },
    [DPOP_FULL] = { "full", "Too many proofs at once." },
};

const char *dpop_verdict_text(enum dpop_verdict v)
{
    return words[v].text;
}

const char *dpop_verdict_name(enum dpop_verdict v)
{
    return words[v].name;
}

/* ---- form and header ---- */

/* The tree of a part, in *tree (which the caller deinits). The search for duplicates needs no secret for so few names. */
static bool parse_part(struct span part, uint32_t depth, uint32_t members, struct buf *tree)
{
    const struct json_limits lim = { .bytes = DPOP_LEN_MAX, .depth = depth, .members = members,
                                     .string = DPOP_STRING_MAX, .refuse_nul = true };
    uint8_t bytes[DPOP_LEN_MAX];
    size_t n;

    return base64url_parse(part, bytes, sizeof(bytes), &n) && json_parse(span_of(bytes, n), &lim, tree, NULL);
}

static bool text_is(struct tree node, const char *want)
{
    struct span s;

    return tree_str(node, &s) && span_eq_str(s, want);
}

static bool member_is(struct tree obj, const char *name, const char *want)
{
    struct tree node;

    return tree_get(obj, name, &node) && text_is(node, want);
}

/* Members that a library may add and that say nothing new. Everything else is refused: a private key has "d". */
static bool harmless(struct tree member)
{
    struct span s;

    if (!tree_str(member, &s))
        return false;
    if (span_eq_str(member.key, "alg"))
        return span_eq_str(s, "ES256");
    if (span_eq_str(member.key, "use"))
        return span_eq_str(s, "sig");
    return span_eq_str(member.key, "kid");
}

static bool read_coordinate(struct tree jwk, const char *name, uint8_t out[32])
{
    struct span s;

    return tree_get_str(jwk, name, &s) && base64url_parse_exact(s, out, 32);
}

static bool read_jwk(struct tree jwk, uint8_t pub[ES256_PUB_LEN])
{
    struct tree child;

    if (jwk.tag != TREE_OBJ || !member_is(jwk, "kty", "EC") ||
        !member_is(jwk, "crv", "P-256") || !read_coordinate(jwk, "x", pub) || !read_coordinate(jwk, "y", pub + 32))
        return false;
    for (struct span at = jwk.payload; tree_next(&at, &child);) {
        if (!span_eq_str(child.key, "kty") && !span_eq_str(child.key, "crv") && !span_eq_str(child.key, "x") &&
            !span_eq_str(child.key, "y") && !harmless(child))
            return false;
    }
    return true;
}

static enum dpop_verdict read_header(struct tree obj, uint8_t pub[ES256_PUB_LEN])
{
    struct tree typ, alg, jwk;

    if (obj.tag != TREE_OBJ || tree_count(obj) != 3 || !tree_get(obj, "typ", &typ) || !tree_get(obj, "alg", &alg) ||
        !tree_get(obj, "jwk", &jwk))
        return DPOP_FORM;
    if (!text_is(typ, "dpop+jwt"))
        return DPOP_TYP;
    if (!text_is(alg, "ES256"))
        return DPOP_ALG;
    return read_jwk(jwk, pub) ? DPOP_OK : DPOP_JWK;
}

static bool is_base64url(struct span s)
{
    uint8_t bytes[DPOP_LEN_MAX];
    size_t n;

    return s.n > 0 && base64url_parse(s, bytes, sizeof(bytes), &n);
}

enum dpop_verdict dpop_begin(struct span proof, struct dpop_parts *ret)
{
    struct buf tree = BUF_INIT(TREE_MAX);
    struct span header, rest;
    struct dpop_parts p = { 0 };
    enum dpop_verdict v = DPOP_FORM;

    if (proof.n == 0)
        return DPOP_MISSING;
    if (proof.n > DPOP_LEN_MAX)
        return DPOP_TOO_LONG;
    if (!span_cut(proof, '.', &header, &rest) || !span_cut(rest, '.', &p.payload, &p.signature) ||
        !is_base64url(p.payload) || !is_base64url(p.signature)) /* a fourth part is no base64url */
        return DPOP_FORM;
    p.signed_part = span_of(proof.p, header.n + 1 + p.payload.n);
    if (parse_part(header, /* depth= */ 2, HEADER_MEMBERS, &tree))
        v = read_header(tree_root(buf_span(&tree)), p.pub);
    buf_deinit(&tree);
    if (v != DPOP_OK)
        return v;
    key_jkt(p.pub, p.jkt);
    *ret = p;
    return DPOP_OK;
}

/* ---- payload: only bytes that verified come here ---- */

static bool text_claim(struct tree obj, const char *name, char *to, size_t cap)
{
    struct span s;

    return tree_get_str(obj, name, &s) && s.n > 0 && span_to_str(s, to, cap);
}

/* Absent is fine; of another form is not. */
static bool optional_claim(struct tree obj, const char *name, char *to, size_t cap)
{
    struct tree any;

    return !tree_get(obj, name, &any) || text_claim(obj, name, to, cap);
}

static bool read_claims(struct tree obj, struct dpop_claims *c)
{
    return text_claim(obj, "jti", c->jti, sizeof(c->jti)) && text_claim(obj, "htm", c->htm, sizeof(c->htm)) &&
           text_claim(obj, "htu", c->htu, sizeof(c->htu)) && optional_claim(obj, "ath", c->ath, sizeof(c->ath)) &&
           optional_claim(obj, "nonce", c->nonce, sizeof(c->nonce)) && tree_get_int(obj, "iat", &c->iat) &&
           c->iat >= 0 && c->iat <= INT_MAX_JS;
}

static bool read_payload(struct span payload, struct dpop_claims *ret)
{
    struct buf tree = BUF_INIT(TREE_MAX);
    struct dpop_claims c;
    bool ok;

    memset(&c, 0, sizeof(c)); /* padding too: claims can be compared as bytes */
    ok = parse_part(payload, /* depth= */ 3, PAYLOAD_MEMBERS, &tree) &&
         read_claims(tree_root(buf_span(&tree)), &c);
    buf_deinit(&tree);
    if (ok)
        *ret = c;
    return ok;
}

/* ---- against the request ---- */

static bool ath_ok(const struct dpop_claims *c, const uint8_t *want)
{
    uint8_t got[SHA256_LEN];

    if (want == NULL)
        return c->ath[0] == '\0';
    return base64url_parse_exact(span_str(c->ath), got, sizeof(got)) && secret_equal(got, want, sizeof(got));
}

static enum dpop_verdict check_request(const struct dpop_parts *p, const struct dpop_claims *c,
                                       const struct dpop_want *want, bool *ret_renew)
{
    uint32_t age = 0;

    if (strcmp(c->htm, want->method) != 0)
        return DPOP_HTM;
    if (!dpop_htu_is(span_str(c->htu), want->path, want->origin_ok, want->origin_ctx))
        return DPOP_HTU;
    if (!ath_ok(c, want->ath))
        return DPOP_ATH;
    if (want->jkt != NULL && strcmp(p->jkt, want->jkt) != 0)
        return DPOP_JKT;
    if (!dpop_nonce_check(want->nonce_key, want->node, want->now_s, p->jkt, span_str(c->nonce), &age))
        return DPOP_NONCE;
    if (ret_renew != NULL)
        *ret_renew = age >= DPOP_RENEW_S;
    return DPOP_OK;
}

enum dpop_verdict dpop_finish(const struct dpop_parts *parts, const struct es256_verifier *verifier,
                              const struct dpop_want *want, struct dpop_claims *ret, bool *ret_renew)
{
    uint8_t sig[ES256_SIG_LEN];

    if (!base64url_parse_exact(parts->signature, sig, sizeof(sig)) ||
        !es256_verify(verifier, parts->signed_part, SPAN_OF(sig)))
        return DPOP_SIGNATURE;
    if (!read_payload(parts->payload, ret))
        return DPOP_CLAIMS;
    return check_request(parts, ret, want, ret_renew);
}

enum dpop_verdict dpop_check(struct span proof, const struct dpop_want *want, struct dpop_parts *ret_parts,
                             struct dpop_claims *ret, bool *ret_renew)
{
    CLEANUP(es256_verifier_freep) struct es256_verifier *verifier = NULL;
    enum dpop_verdict v = dpop_begin(proof, ret_parts);

    if (v != DPOP_OK)
        return v;
    if (es256_verifier_new(ret_parts->pub, &verifier, NULL) != ERR_OK)
        return DPOP_JWK;
    return dpop_finish(ret_parts, verifier, want, ret, ret_renew);
}
