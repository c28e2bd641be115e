/*
 * Proofs: RFC 9449's own examples; hostile ones, each signed with the real key unless the case is about the signature, so
 * that what refuses it is the rule under test; the nonce at its borders; addresses.
 */
#include "test.h"

#include <stdio.h>

#include "codec/base64.h"
#include "codec/json.h"
#include "crypto/hash.h"
#include "format/dpop.h"

#define TOKEN  "Kz~8mXK1EalYznwH-LC-1fBAo.4Ljp~zsPE_NeO.gxU" /* RFC 9449 7.1, and its ath: */
#define ATH    "fUHyO2r2Z3DZ53EsNrWBb0xWXoaNy59IiKCAqksmQEo"
#define ORIGIN "https://rec.example.com"
#define PATH   "/v1/replay/r_2Dz2Sr-SnSlnd8aT/events"
#define NODE   7
#define NOW    5000

static struct es256_signer *signer;
static struct secret *nonce_key;
static uint8_t pub[ES256_PUB_LEN], token_sha[SHA256_LEN];
static char jkt[KEY_JKT_LEN + 1], x[44], y[44], nonce[DPOP_NONCE_LEN + 1];

static bool our_origin(const void *ctx, struct span origin)
{
    return span_eq_str(origin, ctx);
}

static struct dpop_want want(void)
{
    return (struct dpop_want){ .method = "GET", .path = SPAN(PATH), .origin_ok = our_origin, .origin_ctx = ORIGIN,
                               .ath = token_sha, .jkt = jkt, .nonce_key = nonce_key, .node = NODE, .now_s = NOW };
}

static int setup(void **state)
{
    struct secret *priv = NULL;

    (void) state;
    assert_ok(es256_generate(&priv, pub, NULL));
    assert_ok(es256_signer_new(priv, pub, &signer, NULL));
    secret_free(priv);
    nonce_key = secret_random(32);
    assert_non_null(nonce_key);
    key_jkt(pub, jkt);
    assert_true(base64url_str(pub, 32, x, sizeof(x)) && base64url_str(pub + 32, 32, y, sizeof(y)));
    sha256(SPAN(TOKEN), token_sha);
    dpop_nonce_make(nonce_key, NODE, NOW, jkt, nonce);
    return 0;
}

static int teardown(void **state)
{
    (void) state;
    es256_signer_free(signer);
    secret_free(nonce_key);
    return 0;
}

/* ---- making hostile ones ---- */

static const char header_form[] = "{\"typ\":\"dpop+jwt\",\"alg\":\"ES256\",\"jwk\":{\"kty\":\"EC\",\"crv\":\"P-256\","
                                  "\"x\":\"%X\",\"y\":\"%Y\"}}";
static const char payload_form[] = "{\"jti\":\"BXqH0cJLlQzHgCOqSMGAMA\",\"htm\":\"GET\",\"htu\":\"" ORIGIN PATH "\","
                                   "\"iat\":1793000000,\"ath\":\"" ATH "\",\"nonce\":\"%N\"}";

/* Puts in %X %Y %N; the first 'from' (may be NULL) becomes 'to'. */
static void fill(const char *form, const char *from, const char *to, struct buf *out)
{
    const char *at = from == NULL ? NULL : strstr(form, from);

    assert_true(from == NULL || at != NULL);
    *out = BUF_INIT(8192);
    for (const char *p = form; *p != '\0'; p++) {
        if (p == at) {
            buf_add_str(out, to);
            p += strlen(from) - 1;
        } else if (*p == '%') {
            p++;
            buf_add_str(out, *p == 'X' ? x : *p == 'Y' ? y : nonce);
        } else {
            buf_add_c(out, *p);
        }
    }
}

static void sign(struct span header, struct span payload, struct buf *out)
{
    uint8_t sig[ES256_SIG_LEN];

    *out = BUF_INIT(16384);
    base64url_add(out, header);
    buf_add_c(out, '.');
    base64url_add(out, payload);
    assert_ok(es256_sign(signer, buf_span(out), sig, NULL));
    buf_add_c(out, '.');
    base64url_add(out, SPAN_OF(sig));
}

static void make(const char *h_from, const char *h_to, const char *p_from, const char *p_to, struct buf *out)
{
    struct buf h, p;

    fill(header_form, h_from, h_to, &h);
    fill(payload_form, p_from, p_to, &p);
    sign(buf_span(&h), buf_span(&p), out);
    buf_deinit(&h);
    buf_deinit(&p);
}

static void expect_want(const char *name, struct span proof, const struct dpop_want *w, enum dpop_verdict wanted)
{
    struct dpop_parts parts;
    struct dpop_claims claims;
    bool renew;
    enum dpop_verdict got = dpop_check(proof, w, &parts, &claims, &renew);

    if (got != wanted)
        fail_msg("%s: got %s, want %s", name, dpop_verdict_name(got), dpop_verdict_name(wanted));
}

static void expect(const char *name, struct span proof, enum dpop_verdict wanted)
{
    struct dpop_want w = want();

    expect_want(name, proof, &w, wanted);
}

/* ---- the rules, one by one ---- */

static void test_good(void **state)
{
    struct dpop_want w = want();
    struct dpop_make m = { .method = "GET", .url = ORIGIN PATH "?x=1", .key = SPAN(TOKEN), .iat = 1793000000,
                           .nonce = span_str(nonce), .jti = { 5 } };
    struct dpop_parts parts;
    struct dpop_claims claims;
    struct buf b;
    bool renew = true;

    (void) state;
    make(NULL, NULL, NULL, NULL, &b);
    assert_int_equal(dpop_check(buf_span(&b), &w, &parts, &claims, &renew), DPOP_OK);
    assert_false(renew);
    assert_string_equal(parts.jkt, jkt);
    assert_memory_equal(parts.pub, pub, sizeof(pub));
    assert_string_equal(claims.jti, "BXqH0cJLlQzHgCOqSMGAMA");
    assert_string_equal(claims.htm, "GET");
    assert_string_equal(claims.htu, ORIGIN PATH);
    assert_string_equal(claims.ath, ATH);
    assert_string_equal(claims.nonce, nonce);
    assert_int_equal(claims.iat, 1793000000);
    buf_reset(&b);
    assert_ok(dpop_write(&m, signer, pub, &b, NULL)); /* what we write we take */
    expect("our own", buf_span(&b), DPOP_OK);
    /* ret_renew may be left out, anybody's key may be asked for */
    w.jkt = NULL;
    assert_int_equal(dpop_check(buf_span(&b), &w, &parts, &claims, NULL), DPOP_OK);
    buf_deinit(&b);
}

static const struct {
    const char *name, *from, *to;
    enum dpop_verdict want;
} headers[] = {
    { "typ JWT", "dpop+jwt", "JWT", DPOP_TYP },
    { "typ at+jwt", "dpop+jwt", "at+jwt", DPOP_TYP },
    { "typ with application/", "dpop+jwt", "application/dpop+jwt", DPOP_TYP },
    { "typ in capitals", "dpop+jwt", "DPOP+JWT", DPOP_TYP },
    { "typ a number", "\"dpop+jwt\"", "1", DPOP_TYP },
    { "no typ", "\"typ\":\"dpop+jwt\",", "", DPOP_FORM },
    { "typ under another name", "\"typ\"", "\"Typ\"", DPOP_FORM },
    { "no alg", "\"alg\":\"ES256\",", "", DPOP_FORM },
    { "alg under another name", "\"alg\"", "\"Alg\"", DPOP_FORM },
    { "jwk under another name", "\"jwk\"", "\"JWK\"", DPOP_FORM },
    { "alg none", "ES256", "none", DPOP_ALG },
    { "alg nONE", "ES256", "nONE", DPOP_ALG },
    { "alg empty", "ES256", "", DPOP_ALG },
    { "alg HS256", "ES256", "HS256", DPOP_ALG },
    { "alg RS256", "ES256", "RS256", DPOP_ALG },
    { "alg ES384", "ES256", "ES384", DPOP_ALG },
    { "alg EdDSA", "ES256", "EdDSA", DPOP_ALG },
    { "alg in small letters", "ES256", "es256", DPOP_ALG },
    { "alg null", "\"ES256\"", "null", DPOP_ALG },
    { "kid beside jwk", "\"typ\"", "\"kid\":\"a\",\"typ\"", DPOP_FORM },
    { "crit", "\"typ\"", "\"crit\":[\"b64\"],\"typ\"", DPOP_FORM },
    { "b64", "\"typ\"", "\"b64\":false,\"typ\"", DPOP_FORM },
    { "jku", "\"typ\"", "\"jku\":\"https://a\",\"typ\"", DPOP_FORM },
    { "x5u", "\"typ\"", "\"x5u\":\"https://a\",\"typ\"", DPOP_FORM },
    { "x5c", "\"typ\"", "\"x5c\":[\"AA\"],\"typ\"", DPOP_FORM },
    { "zip", "\"typ\"", "\"zip\":\"DEF\",\"typ\"", DPOP_FORM },
    { "typ twice", "\"typ\"", "\"typ\":\"dpop+jwt\",\"typ\"", DPOP_FORM },
    { "jwk twice", "\"jwk\"", "\"jwk\":{},\"jwk\"", DPOP_FORM },
    { "alg twice, escaped", "\"alg\"", "\"\\u0061lg\":\"none\",\"alg\"", DPOP_FORM },
    { "private key", "\"kty\"", "\"d\":\"AAAA\",\"kty\"", DPOP_JWK },
    { "symmetric key", "\"kty\"", "\"k\":\"AAAA\",\"kty\"", DPOP_JWK },
    { "RSA's members", "\"kty\"", "\"n\":\"AAAA\",\"e\":\"AQAB\",\"kty\"", DPOP_JWK },
    { "unknown member", "\"kty\"", "\"ext\":true,\"kty\"", DPOP_JWK },
    { "unknown text member", "\"kty\"", "\"ext\":\"true\",\"kty\"", DPOP_JWK },
    { "kty oct", "\"EC\"", "\"oct\"", DPOP_JWK },
    { "kty RSA", "\"EC\"", "\"RSA\"", DPOP_JWK },
    { "kty OKP", "\"EC\"", "\"OKP\"", DPOP_JWK },
    { "no kty", "\"kty\":\"EC\",", "", DPOP_JWK },
    { "crv P-384", "P-256", "P-384", DPOP_JWK },
    { "crv secp256k1", "P-256", "secp256k1", DPOP_JWK },
    { "crv Ed25519", "P-256", "Ed25519", DPOP_JWK },
    { "no crv", "\"crv\":\"P-256\",", "", DPOP_JWK },
    { "no x", "\"x\":\"%X\",", "", DPOP_JWK },
    { "no y", ",\"y\":\"%Y\"", "", DPOP_JWK },
    { "x too short", "%X", "AA", DPOP_JWK },
    { "x a number", "\"%X\"", "5", DPOP_JWK },
    { "x with padding", "%X", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=", DPOP_JWK },
    { "x in the other alphabet", "%X", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA+A", DPOP_JWK },
    { "x with bits left over", "%X", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAB", DPOP_JWK },
    { "y too long", "%Y", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", DPOP_JWK },
    { "not on the curve", "%X", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAE", DPOP_JWK },
    { "x is p", "%X", "_____wAAAAEAAAAAAAAAAAAAAAD_______________8", DPOP_JWK },
    { "jwk a text", "{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"%X\",\"y\":\"%Y\"}", "\"a\"", DPOP_JWK },
    { "jwk null", "{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"%X\",\"y\":\"%Y\"}", "null", DPOP_JWK },
    { "jwk an array", "{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"%X\",\"y\":\"%Y\"}", "[]", DPOP_JWK },
    { "jwk's alg of another kind", "\"kty\"", "\"alg\":\"ES384\",\"kty\"", DPOP_JWK },
    { "jwk's use enc", "\"kty\"", "\"use\":\"enc\",\"kty\"", DPOP_JWK },
    { "jwk's kid a number", "\"kty\"", "\"kid\":1,\"kty\"", DPOP_JWK },
    { "key_ops", "\"kty\"", "\"key_ops\":[\"verify\"],\"kty\"", DPOP_FORM }, /* too deep */
    { "deep", "\"kty\"", "\"a\":{\"b\":1},\"kty\"", DPOP_FORM },
    { "many members", "\"kty\"", "\"a\":1,\"b\":1,\"c\":1,\"d\":1,\"kty\"", DPOP_FORM },
    { "bytes after", "\"}}", "\"}} x", DPOP_FORM },
    { "an array", "{\"typ\"", "[{\"typ\"", DPOP_FORM },
    /* and what is right */
    { "jwk with alg, use and kid", "\"kty\"", "\"alg\":\"ES256\",\"use\":\"sig\",\"kid\":\"a\",\"kty\"", DPOP_OK },
    { "white space", "{\"typ\"", " { \"typ\"", DPOP_OK },
    { "another order", "{\"typ\":\"dpop+jwt\",\"alg\":\"ES256\",", "{\"alg\":\"ES256\",\"typ\":\"dpop+jwt\",", DPOP_OK },
};

static void test_headers(void **state)
{
    struct buf b;

    (void) state;
    for (size_t i = 0; i < sizeof(headers) / sizeof(headers[0]); i++) {
        make(headers[i].from, headers[i].to, NULL, NULL, &b);
        expect(headers[i].name, buf_span(&b), headers[i].want);
        buf_deinit(&b);
    }
    fill(payload_form, NULL, NULL, &b);
    for (size_t i = 0; i < 4; i++) {
        static const char *const whole[] = { "[1,2,3]", "3", "\"typ\"", "" };
        struct buf p;

        sign(span_str(whole[i]), buf_span(&b), &p);
        expect(whole[i], buf_span(&p), DPOP_FORM);
        buf_deinit(&p);
    }
    buf_deinit(&b);
}

static const struct {
    const char *name, *from, *to;
    enum dpop_verdict want;
} payloads[] = {
    { "no jti", "\"jti\":\"BXqH0cJLlQzHgCOqSMGAMA\",", "", DPOP_CLAIMS },
    { "jti empty", "BXqH0cJLlQzHgCOqSMGAMA", "", DPOP_CLAIMS },
    { "jti a number", "\"BXqH0cJLlQzHgCOqSMGAMA\"", "7", DPOP_CLAIMS },
    { "jti with NUL", "BXqH0cJLlQzHgCOqSMGAMA", "a\\u0000b", DPOP_CLAIMS },
    { "jti of 129", "BXqH0cJLlQzHgCOqSMGAMA",
      "0123456789012345678901234567890123456789012345678901234567890123"
      "01234567890123456789012345678901234567890123456789012345678901234", DPOP_CLAIMS },
    { "jti of 128", "BXqH0cJLlQzHgCOqSMGAMA",
      "0123456789012345678901234567890123456789012345678901234567890123"
      "0123456789012345678901234567890123456789012345678901234567890123", DPOP_OK },
    { "jti of 1", "BXqH0cJLlQzHgCOqSMGAMA", "a", DPOP_OK },
    { "jti twice", "\"jti\"", "\"jti\":\"a\",\"jti\"", DPOP_CLAIMS },
    { "no htm", "\"htm\":\"GET\",", "", DPOP_CLAIMS },
    { "htm a number", "\"GET\"", "1", DPOP_CLAIMS },
    { "htm too long", "GET", "GETGETGETGETGETGE", DPOP_CLAIMS },
    { "htm POST", "GET", "POST", DPOP_HTM },
    { "htm in small letters", "GET", "get", DPOP_HTM },
    { "htm with a space", "GET", "GET ", DPOP_HTM },
    { "no htu", "\"htu\":\"" ORIGIN PATH "\",", "", DPOP_CLAIMS },
    { "htu an array", "\"" ORIGIN PATH "\"", "[\"" ORIGIN PATH "\"]", DPOP_CLAIMS },
    { "no iat", "\"iat\":1793000000,", "", DPOP_CLAIMS },
    { "iat a text", "1793000000", "\"1793000000\"", DPOP_CLAIMS },
    { "iat with a fraction", "1793000000", "1793000000.5", DPOP_CLAIMS },
    { "iat with an exponent", "1793000000", "1e9", DPOP_CLAIMS },
    { "iat before 1970", "1793000000", "-1", DPOP_CLAIMS },
    { "iat 2^53", "1793000000", "9007199254740992", DPOP_CLAIMS },
    { "iat 2^53 - 1", "1793000000", "9007199254740991", DPOP_OK }, /* the nonce says how old it is */
    { "iat 0", "1793000000", "0", DPOP_OK },
    { "no ath", ",\"ath\":\"" ATH "\"", "", DPOP_ATH },
    { "ath of another", ATH, "fUHyO2r2Z3DZ53EsNrWBb0xWXoaNy59IiKCAqksmQEp", DPOP_ATH },
    { "ath of another, well-formed", ATH, "gUHyO2r2Z3DZ53EsNrWBb0xWXoaNy59IiKCAqksmQEo", DPOP_ATH },
    { "ath too short", ATH, "fUHyO2r2", DPOP_ATH },
    { "ath too long", ATH, ATH "A", DPOP_CLAIMS },
    { "ath empty", ATH, "", DPOP_CLAIMS },
    { "ath null", "\"" ATH "\"", "null", DPOP_CLAIMS },
    { "no nonce", ",\"nonce\":\"%N\"", "", DPOP_NONCE },
    { "nonce empty", "%N", "", DPOP_CLAIMS },
    { "nonce a number", "\"%N\"", "1", DPOP_CLAIMS },
    { "nonce another", "%N", "AAAAAAAAAAAAAAAAAAAAAA", DPOP_NONCE },
    { "nonce of another server", "%N", "eyJ7S_zG.eyJH0-Z.HX4w-7v", DPOP_NONCE },
    { "deep", "\"iat\"", "\"a\":[[[1]]],\"iat\"", DPOP_CLAIMS },
    { "bytes after", "\"}", "\"} 1", DPOP_CLAIMS },
    { "other claims", "\"iat\"", "\"exp\":1,\"a\":[{}],\"iat\"", DPOP_OK },
};

static void test_payloads(void **state)
{
    struct buf b, h;

    (void) state;
    for (size_t i = 0; i < sizeof(payloads) / sizeof(payloads[0]); i++) {
        make(NULL, NULL, payloads[i].from, payloads[i].to, &b);
        expect(payloads[i].name, buf_span(&b), payloads[i].want);
        buf_deinit(&b);
    }
    fill(header_form, NULL, NULL, &h);
    for (size_t i = 0; i < 4; i++) {
        static const char *const whole[] = { "[]", "1", "\"jti\"", "{" };

        sign(buf_span(&h), span_str(whole[i]), &b);
        expect(whole[i], buf_span(&b), DPOP_CLAIMS);
        buf_deinit(&b);
    }
    buf_deinit(&h);
}

/* What the request was decides, not what the proof says. */
static void test_requests(void **state)
{
    struct dpop_want w;
    struct buf b;
    char other[44];
    struct dpop_parts parts;
    struct dpop_claims claims;

    (void) state;
    make(NULL, NULL, NULL, NULL, &b);
    w = want(), w.method = "HEAD";
    expect_want("method", buf_span(&b), &w, DPOP_HTM);
    w = want(), w.path = SPAN("/v1/replay/r_2Dz2Sr-SnSlnd8aT/manifest");
    expect_want("path", buf_span(&b), &w, DPOP_HTU);
    w = want(), w.origin_ctx = "https://other.example.com";
    expect_want("origin", buf_span(&b), &w, DPOP_HTU);
    w = want(), w.ath = NULL;
    expect_want("ath where there is no key", buf_span(&b), &w, DPOP_ATH);
    key_jkt((const uint8_t[ES256_PUB_LEN]){ 1 }, other);
    w = want(), w.jkt = other;
    expect_want("another client key", buf_span(&b), &w, DPOP_JKT);
    w = want(), w.node = NODE + 1;
    expect_want("another node", buf_span(&b), &w, DPOP_NONCE);
    w = want(), w.now_s = NOW + 121;
    assert_int_equal(dpop_check(buf_span(&b), &w, &parts, &claims, NULL), DPOP_NONCE);
    assert_string_equal(parts.jkt, jkt); /* whose it is is known: the answer has a nonce for that key */
    buf_deinit(&b);
    make(NULL, NULL, ",\"ath\":\"" ATH "\"", "", &b);
    w = want(), w.ath = NULL;
    expect_want("login", buf_span(&b), &w, DPOP_OK);
    buf_deinit(&b);
}

/* ---- form and signature ---- */

static void test_form(void **state)
{
    static const char *const broken[] = { ".", "..", "...", "a.b", "AAAA.AAAA", "AAAA.AAAA.", ".AAAA.AAAA", "AAAA..AAAA",
                                          "AAAA.AA=A.AAAA", "AAAA.AAAA.A+AA", "AAAA.AAAA.AAAAA", "{\"payload\":\"\"}" };
    struct buf b, c;
    struct dpop_parts parts;

    (void) state;
    assert_int_equal(dpop_begin(SPAN_EMPTY, &parts), DPOP_MISSING);
    for (size_t i = 0; i < sizeof(broken) / sizeof(broken[0]); i++)
        expect(broken[i], span_str(broken[i]), DPOP_FORM);
    make(NULL, NULL, NULL, NULL, &b);
    c = BUF_INIT(4096);
    buf_add_span(&c, buf_span(&b));
    buf_add_str(&c, ".AAAA");
    expect("four parts", buf_span(&c), DPOP_FORM);
    buf_reset(&c);
    buf_add_str(&c, " ");
    buf_add_span(&c, buf_span(&b));
    expect("a space before", buf_span(&c), DPOP_FORM);
    /* at the size cap, and one byte over it */
    while (c.n <= DPOP_LEN_MAX)
        buf_add_c(&c, 'A');
    expect("1,537 bytes", span_of(c.p, DPOP_LEN_MAX + 1), DPOP_TOO_LONG);
    expect("1,536 bytes", span_of(c.p, DPOP_LEN_MAX), DPOP_FORM);
    buf_deinit(&c);
    for (size_t n = 1; n < b.n; n++) { /* cut anywhere */
        struct dpop_want w = want();
        struct dpop_claims claims;

        assert_int_not_equal(dpop_check(span_of(b.p, n), &w, &parts, &claims, NULL), DPOP_OK);
    }
    buf_deinit(&b);
}

static const uint8_t order[32] = {
    0xff, 0xff, 0xff, 0xff, 0x00, 0x00, 0x00, 0x00, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
    0xbc, 0xe6, 0xfa, 0xad, 0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51,
};

/* The same proof with another signature. */
static void resign(struct span proof, struct span sig, struct buf *out)
{
    size_t dot = proof.n;

    while (proof.p[dot - 1] != '.')
        dot--;
    *out = BUF_INIT(4096);
    buf_add(out, proof.p, dot);
    base64url_add(out, sig);
}

static void test_signature(void **state)
{
    uint8_t sig[ES256_SIG_LEN], bad[72] = { 0 };
    struct buf b, c;
    struct dpop_parts parts;
    size_t flips = 0;

    (void) state;
    make(NULL, NULL, NULL, NULL, &b);
    assert_int_equal(dpop_begin(buf_span(&b), &parts), DPOP_OK);
    assert_true(base64url_parse_exact(parts.signature, sig, sizeof(sig)));
    for (size_t i = 0; i < 8 * sizeof(sig); i++) {
        sig[i / 8] ^= (uint8_t) (1u << i % 8);
        resign(buf_span(&b), SPAN_OF(sig), &c);
        expect("a flipped bit of the signature", buf_span(&c), DPOP_SIGNATURE);
        sig[i / 8] ^= (uint8_t) (1u << i % 8);
        buf_deinit(&c);
    }
    resign(buf_span(&b), span_of(bad, 64), &c);
    expect("r = s = 0", buf_span(&c), DPOP_SIGNATURE);
    buf_deinit(&c);
    memcpy(bad, sig, 32);
    memcpy(bad + 32, order, 32);
    resign(buf_span(&b), span_of(bad, 64), &c);
    expect("s = n", buf_span(&c), DPOP_SIGNATURE);
    buf_deinit(&c);
    resign(buf_span(&b), span_of(sig, 63), &c);
    expect("63 bytes", buf_span(&c), DPOP_SIGNATURE);
    buf_deinit(&c);
    resign(buf_span(&b), span_of(bad, 65), &c);
    expect("65 bytes", buf_span(&c), DPOP_SIGNATURE);
    buf_deinit(&c);
    memcpy(bad, "\x30\x46\x02\x21\x00", 5); /* DER */
    memcpy(bad + 5, sig, 32);
    memcpy(bad + 37, "\x02\x21\x00", 3);
    memcpy(bad + 40, sig + 32, 32);
    resign(buf_span(&b), SPAN_OF(bad), &c);
    expect("DER", buf_span(&c), DPOP_SIGNATURE);
    buf_deinit(&c);
    for (size_t i = 0; i < b.n; i++) { /* and no character anywhere can be another one */
        struct dpop_want w = want();
        struct dpop_claims claims;
        uint8_t was = b.p[i];

        b.p[i] = was == 'A' ? 'B' : 'A';
        assert_int_not_equal(dpop_check(buf_span(&b), &w, &parts, &claims, NULL), DPOP_OK);
        b.p[i] = was;
        flips++;
    }
    assert_true(flips > 500);
    expect("as it was", buf_span(&b), DPOP_OK);
    buf_deinit(&b);
}

/* ---- addresses ---- */

static void test_htu(void **state)
{
    static const struct {
        const char *htu, *path;
        bool want;
    } rows[] = {
        { ORIGIN "/v1/login", "/v1/login", true },
        { ORIGIN "/v1/login?a=b", "/v1/login", true },
        { ORIGIN "/v1/login#a", "/v1/login", true },
        { ORIGIN "/v1/login#a?b", "/v1/login", true },
        { "HTTPS://Rec.Example.COM/v1/login", "/v1/login", true },
        { ORIGIN ":443/v1/login", "/v1/login", true },
        { ORIGIN "/v1/%6cogin", "/v1/login", true },
        { ORIGIN "/v1/%6Cogin", "/v1/login", true },
        { ORIGIN "/v1/login", "/v1/%6cogin", true },
        { ORIGIN "/v1/%3a", "/v1/%3A", true },
        { ORIGIN "/%41%5a%61%7A%30%39%2d%2E%5f%7e", "/AZaz09-._~", true },
        { ORIGIN "/%40", "/@", false },
        { ORIGIN "/%5B%60%7b%2f%3A", "/%5b%60%7B%2F%3a", true },
        { ORIGIN "/%/0", "/%/0", false },
        { ORIGIN, "/", true },
        { ORIGIN "/", "/", true },
        { ORIGIN "?a", "/", true },
        { ORIGIN "/v1/login/", "/v1/login", false },
        { ORIGIN "/v1/Login", "/v1/login", false },
        { ORIGIN "/v1/logi", "/v1/login", false },
        { ORIGIN "/v1/login2", "/v1/login", false },
        { ORIGIN "/v1%2Flogin", "/v1/login", false },
        { ORIGIN "/v1/./login", "/v1/login", false },
        { ORIGIN "/v1/login%", "/v1/login%", false },
        { ORIGIN "/v1/login%4", "/v1/login%4", false },
        { ORIGIN "/v1/login%4g", "/v1/login%4g", false },
        { ORIGIN "/v1/login%g4", "/v1/login%g4", false },
        { ORIGIN "//v1/login", "/v1/login", false },
        { ORIGIN ":443:443/", "/", false },
        { ORIGIN ":80/v1/login", "/v1/login", false },
        { ORIGIN ":8443/v1/login", "/v1/login", false },
        { ORIGIN "./v1/login", "/v1/login", false },
        { ORIGIN ".evil.example/v1/login", "/v1/login", false },
        { "http://rec.example.com/v1/login", "/v1/login", false },
        { "http://rec.example.com:443/v1/login", "/v1/login", false },
        { "https://a@rec.example.com/v1/login", "/v1/login", false },
        { "https://evil.example/v1/login", "/v1/login", false },
        { "https:rec.example.com/v1/login", "/v1/login", false },
        { "//rec.example.com/v1/login", "/v1/login", false },
        { "/v1/login", "/v1/login", false },
        { "", "/", false },
        { "a", "/", false },
        { "://", "/", false },
        { "https://", "/", false },
        { " " ORIGIN "/v1/login", "/v1/login", false },
    };
    char far[700];

    (void) state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (dpop_htu_is(span_str(rows[i].htu), span_str(rows[i].path), our_origin, ORIGIN) != rows[i].want)
            fail_msg("%s is %s: want %d", rows[i].htu, rows[i].path, rows[i].want);
    }
    assert_true(dpop_htu_is(SPAN("http://localhost:8080/a"), SPAN("/a"), our_origin, "http://localhost:8080"));
    assert_true(dpop_htu_is(SPAN("http://localhost:80/a"), SPAN("/a"), our_origin, "http://localhost"));
    assert_false(dpop_htu_is(SPAN("http://localhost:443/a"), SPAN("/a"), our_origin, "http://localhost"));
    memset(far, 'a', sizeof(far));
    memcpy(far, "https://", 8);
    assert_false(dpop_htu_is(SPAN_OF(far), SPAN("/"), our_origin, ORIGIN));
}

/* ---- the nonce ---- */

static void test_nonce(void **state)
{
    static const struct {
        uint32_t made, now;
        bool good;
    } rows[] = {
        { 100, 100, true },   { 100, 159, true },  { 100, 160, true },  { 100, 220, true },
        { 100, 221, false },  { 100, 99, false },  { 100, 0, false },   { 0, 120, true },
        { 0, 121, false },    { UINT32_MAX, UINT32_MAX, true },         { UINT32_MAX, 5, false },
    };
    uint8_t key[32] = { 0 }, raw[16], mac[32], msg[6 + 43];
    struct secret *k = secret_of(SPAN_OF(key)), *other = secret_random(32);
    char text[DPOP_NONCE_LEN + 1];
    uint32_t age = 77;

    (void) state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        dpop_nonce_make(k, NODE, rows[i].made, jkt, text);
        age = 77;
        assert_int_equal(dpop_nonce_check(k, NODE, rows[i].now, jkt, span_str(text), &age), rows[i].good);
        assert_int_equal(age, rows[i].good ? rows[i].now - rows[i].made : 77);
    }
    /* the layout, by hand */
    dpop_nonce_make(k, 0x0201, 0x06050403, jkt, text);
    assert_true(base64url_parse_exact(span_str(text), raw, sizeof(raw)));
    memcpy(msg, "\x03\x04\x05\x06\x01\x02", 6);
    memcpy(msg + 6, jkt, 43);
    hmac_sha256(SPAN_OF(key), SPAN_OF(msg), mac);
    assert_memory_equal(raw, msg, 6);
    assert_memory_equal(raw + 6, mac, 10);
    /* tied to node, key and client key; every bit counts; one spelling */
    dpop_nonce_make(k, NODE, 100, jkt, text);
    assert_false(dpop_nonce_check(k, NODE + 1, 100, jkt, span_str(text), &age));
    assert_false(dpop_nonce_check(other, NODE, 100, jkt, span_str(text), &age));
    assert_false(dpop_nonce_check(k, NODE, 100, ATH, span_str(text), &age));
    assert_false(dpop_nonce_check(k, NODE, 100, jkt, span_of(text, 21), &age));
    assert_false(dpop_nonce_check(k, NODE, 100, jkt, SPAN_EMPTY, &age));
    for (size_t i = 0; i < 128; i++) {
        assert_true(base64url_parse_exact(span_str(text), raw, sizeof(raw)));
        raw[i / 8] ^= (uint8_t) (1u << i % 8);
        char flipped[DPOP_NONCE_LEN + 1];

        assert_true(base64url_str(raw, sizeof(raw), flipped, sizeof(flipped)));
        assert_false(dpop_nonce_check(k, NODE, 100, jkt, span_str(flipped), &age));
    }
    secret_free(k);
    secret_free(other);
}

static void test_renew(void **state)
{
    struct dpop_want w = want();
    struct dpop_parts parts;
    struct dpop_claims claims;
    struct buf b;
    bool renew = true;

    (void) state;
    make(NULL, NULL, NULL, NULL, &b);
    w.now_s = NOW + 59;
    assert_int_equal(dpop_check(buf_span(&b), &w, &parts, &claims, &renew), DPOP_OK);
    assert_false(renew);
    w.now_s = NOW + 60;
    assert_int_equal(dpop_check(buf_span(&b), &w, &parts, &claims, &renew), DPOP_OK);
    assert_true(renew);
    w.now_s = NOW + 120;
    assert_int_equal(dpop_check(buf_span(&b), &w, &parts, &claims, &renew), DPOP_OK);
    buf_deinit(&b);
}

static void test_words(void **state)
{
    (void) state;
    for (unsigned v = 0; v < DPOP_N_; v++) {
        assert_true(strlen(dpop_verdict_name(v)) > 0);
        assert_true(v == DPOP_OK || strlen(dpop_verdict_text(v)) > 10);
        for (unsigned u = 0; u < v; u++)
            assert_string_not_equal(dpop_verdict_name(u), dpop_verdict_name(v));
    }
}

/* ---- the examples of RFC 9449, as its authors wrapped them ---- */

/* "DPoP: eyJ…" of a figure, its line ends and backslashes taken out. */
static bool proof_in(struct span text, struct buf *out)
{
    static const char name[] = "DPoP: eyJ";
    size_t at = 0;

    while (at + sizeof(name) < text.n && memcmp(text.p + at, name, sizeof(name) - 1) != 0)
        at++;
    if (at + sizeof(name) >= text.n)
        return false;
    for (at += 6; at < text.n; at++) {
        uint8_t c = text.p[at];

        if (c == '\\') { /* and the line end and the space after it */
            while (at + 1 < text.n && (text.p[at + 1] == '\n' || text.p[at + 1] == ' '))
                at++;
        } else if (c == '\n' || c == ' ') {
            break;
        } else {
            buf_add_c(out, (char) c);
        }
    }
    return true;
}

static bool any_origin(const void *ctx, struct span origin)
{
    (void) ctx;
    return span_eq_str(origin, "https://server.example.com") || span_eq_str(origin, "https://resource.example.org");
}

static void test_rfc(void **state)
{
    static const struct {
        const char *method, *path, *ath;
    } requests[] = { { "POST", "/token", NULL }, { "GET", "/protectedresource", TOKEN } };
    const char *path = test_shared("jose/dpop/draft-dpop-examples.json");
    const struct json_limits lim = { .bytes = 1 << 20, .depth = 16, .members = 10000, .string = 1 << 16 };
    struct buf file, tree = BUF_INIT(4 << 20);
    struct tree figure;
    struct span at, text;
    size_t seen = 0, tokens = 0, resources = 0;

    (void) state;
    if (path == NULL)
        skip();
    test_read_file(path, &file);
    assert_true(json_parse(buf_span(&file), &lim, &tree, NULL));
    at = tree_root(buf_span(&tree)).payload;
    while (tree_next(&at, &figure)) {
        struct buf proof = BUF_INIT(4096);
        struct dpop_parts parts;
        struct dpop_claims claims;

        if (!tree_get_str(figure, "text", &text) || !proof_in(text, &proof)) {
            buf_deinit(&proof);
            continue;
        }
        for (size_t i = 0; i < 2; i++) {
            struct dpop_want w = { .method = requests[i].method, .path = span_str(requests[i].path), .origin_ok = any_origin,
                                   .nonce_key = nonce_key, .jkt = "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I" };
            uint8_t sha[SHA256_LEN];
            enum dpop_verdict v;

            if (requests[i].ath != NULL) {
                sha256(span_str(requests[i].ath), sha);
                w.ath = sha;
            }
            v = dpop_check(buf_span(&proof), &w, &parts, &claims, NULL);
            assert_true(v == DPOP_NONCE || v == DPOP_HTM); /* everything before it holds, or it is the other request's */
            tokens += v == DPOP_NONCE && i == 0;
            resources += v == DPOP_NONCE && i == 1;
            assert_string_equal(parts.jkt, "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"); /* RFC 9449 6.1 */
        }
        seen++;
        proof.p[proof.n - 4] ^= 1;
        assert_true(dpop_check(buf_span(&proof), &(struct dpop_want){ .method = "POST", .origin_ok = any_origin },
                               &parts, &claims, NULL) != DPOP_NONCE);
        buf_deinit(&proof);
    }
    assert_true(seen >= 3 && tokens >= 1 && resources >= 1);
    buf_deinit(&tree);
    buf_deinit(&file);
}

/* The example of docs/formats/proof.md is what it says. */
static void test_page(void **state)
{
    static const uint8_t zero[32];
    struct secret *k = secret_of(SPAN_OF(zero));
    struct dpop_want w = { .method = "GET", .path = SPAN("/v1/replay/r_2Dz2Sr-SnSlnd8aT/chunks/0"), .origin_ok = our_origin,
                           .origin_ctx = ORIGIN, .ath = token_sha, .nonce_key = k, .node = 1, .now_s = 1060 };
    struct dpop_parts parts;
    struct dpop_claims claims;
    struct buf doc, text = BUF_INIT(4096), plain = BUF_INIT(4096);
    struct span head = SPAN_EMPTY, body = SPAN_EMPTY, rest = SPAN_EMPTY;
    const char *at;
    bool renew = false;
    size_t n = 0;

    (void) state;
    test_read_file(test_source("docs/formats/proof.md"), &doc);
    at = strstr(buf_cstr(&doc), "\n## Example");
    assert_non_null(at);
    assert_non_null(at = strstr(at, "```\n"));
    for (at += 4; *at != '`'; at++) {
        if (*at != '\n')
            buf_add_c(&text, *at);
    }
    assert_int_equal(dpop_check(buf_span(&text), &w, &parts, &claims, &renew), DPOP_OK);
    assert_true(renew);
    assert_non_null(strstr(buf_cstr(&doc), parts.jkt));
    /* the payload as the page shows it */
    assert_true(span_cut(buf_span(&text), '.', &head, &rest) && span_cut(rest, '.', &body, &rest));
    assert_true(base64url_parse(body, buf_reserve(&plain, 4096), 4096, &n));
    assert_non_null(at = strstr(at, "```json\n"));
    at += 8;
    assert_span_eq(span_of(plain.p, n), span_of(at, strcspn(at, "\n")));
    buf_deinit(&plain);
    w.now_s = 1121;
    assert_int_equal(dpop_check(buf_span(&text), &w, &parts, &claims, &renew), DPOP_NONCE);
    w.now_s = 999;
    assert_int_equal(dpop_check(buf_span(&text), &w, &parts, &claims, &renew), DPOP_NONCE);
    buf_deinit(&text);
    buf_deinit(&doc);
    secret_free(k);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good),      cmocka_unit_test(test_headers),   cmocka_unit_test(test_payloads),
        cmocka_unit_test(test_requests),  cmocka_unit_test(test_form),      cmocka_unit_test(test_signature),
        cmocka_unit_test(test_htu),       cmocka_unit_test(test_nonce),     cmocka_unit_test(test_renew),
        cmocka_unit_test(test_words),     cmocka_unit_test(test_rfc),       cmocka_unit_test(test_page),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
