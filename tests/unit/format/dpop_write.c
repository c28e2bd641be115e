/* Proofs as a client makes them: exact text of header and payload, a signature that verifies, limits on both sides. */
#include "test.h"

#include <stdio.h>

#include "codec/base64.h"
#include "crypto/hash.h"
#include "format/dpop.h"

static struct es256_signer *signer;
static struct es256_verifier *verifier;
static uint8_t pub[ES256_PUB_LEN];

static int setup(void **state)
{
    struct secret *priv = NULL;

    (void) state;
    assert_ok(es256_generate(&priv, pub, NULL));
    assert_ok(es256_signer_new(priv, pub, &signer, NULL));
    assert_ok(es256_verifier_new(pub, &verifier, NULL));
    secret_free(priv);
    return 0;
}

static int teardown(void **state)
{
    (void) state;
    es256_signer_free(signer);
    es256_verifier_free(verifier);
    return 0;
}

static const struct dpop_make plain = {
    .method = "POST", .url = "https://rec.example.com/v1/login", .iat = 1793000000,
    .jti = { 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15 },
};

/* Header and payload as text; the signature is checked. */
static void open_proof(struct span proof, struct buf *header, struct buf *payload)
{
    struct span h, p, s, rest;
    uint8_t bytes[DPOP_LEN_MAX];
    size_t n;

    assert_true(span_cut(proof, '.', &h, &rest));
    assert_true(span_cut(rest, '.', &p, &s));
    assert_true(base64url_parse(h, bytes, sizeof(bytes), &n));
    *header = BUF_INIT(DPOP_LEN_MAX);
    buf_add(header, bytes, n);
    assert_true(base64url_parse(p, bytes, sizeof(bytes), &n));
    *payload = BUF_INIT(DPOP_LEN_MAX);
    buf_add(payload, bytes, n);
    assert_true(base64url_parse_exact(s, bytes, ES256_SIG_LEN));
    assert_true(es256_verify(verifier, span_of(proof.p, h.n + 1 + p.n), span_of(bytes, ES256_SIG_LEN)));
}

static void check(const struct dpop_make *m, const char *want_payload)
{
    struct buf out = BUF_INIT(4096), header, payload;
    char x[44], y[44], want[300];
    struct err_info e;

    assert_ok_err(dpop_write(m, signer, pub, &out, &e), &e);
    open_proof(buf_span(&out), &header, &payload);
    assert_true(base64url_str(pub, 32, x, sizeof(x)) && base64url_str(pub + 32, 32, y, sizeof(y)));
    (void) snprintf(want, sizeof(want),
                    "{\"typ\":\"dpop+jwt\",\"alg\":\"ES256\",\"jwk\":{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"%s\",\"y\":\"%s\"}}",
                    x, y);
    assert_span_str(buf_span(&header), want);
    assert_span_str(buf_span(&payload), want_payload);
    buf_deinit(&header);
    buf_deinit(&payload);
    buf_deinit(&out);
}

static void test_text(void **state)
{
    struct dpop_make m = plain;

    (void) state;
    check(&m, "{\"jti\":\"AAECAwQFBgcICQoLDA0ODw\",\"htm\":\"POST\",\"htu\":\"https://rec.example.com/v1/login\","
              "\"iat\":1793000000}");
    /* RFC 9449 7.1: ath of this access token */
    m.method = "GET";
    m.url = "https://rec.example.com/v1/replay/r_2Dz2Sr-SnSlnd8aT/events?from_ms=1#x";
    m.key = SPAN("Kz~8mXK1EalYznwH-LC-1fBAo.4Ljp~zsPE_NeO.gxU");
    m.nonce = SPAN("eyJ7S_zG.eyJH0-Z.HX4w-7v");
    check(&m, "{\"jti\":\"AAECAwQFBgcICQoLDA0ODw\",\"htm\":\"GET\","
              "\"htu\":\"https://rec.example.com/v1/replay/r_2Dz2Sr-SnSlnd8aT/events\",\"iat\":1793000000,"
              "\"ath\":\"fUHyO2r2Z3DZ53EsNrWBb0xWXoaNy59IiKCAqksmQEo\",\"nonce\":\"eyJ7S_zG.eyJH0-Z.HX4w-7v\"}");
}

static void test_limits(void **state)
{
    struct buf out = BUF_INIT(8192), small = BUF_INIT(10);
    struct dpop_make m = plain;
    char url[1400], far[4000];
    bool wrote = false, refused = false;
    size_t longest = 0;

    (void) state;
    m.method = "";
    assert_err(dpop_write(&m, signer, pub, &out, NULL), ERR_INVAL);
    m = plain;
    m.url = "?a";
    assert_err(dpop_write(&m, signer, pub, &out, NULL), ERR_INVAL);
    assert_int_equal(out.n, 0);
    for (size_t n = 600; n < sizeof(url) - 1; n++) { /* the border, wherever it is */
        struct buf exact = BUF_INIT(DPOP_LEN_MAX); /* what a proof fits, it gets */

        memset(url, 'a', n);
        url[n] = '\0';
        m.url = url;
        if (dpop_write(&m, signer, pub, &exact, NULL) == ERR_OK) {
            assert_false(refused);
            assert_true(exact.n <= DPOP_LEN_MAX);
            wrote = true;
            longest = exact.n;
        } else {
            refused = true;
            assert_int_equal(exact.n, 0);
        }
        buf_deinit(&exact);
    }
    assert_true(wrote && refused && longest > DPOP_LEN_MAX - 4);
    memset(far, 'a', sizeof(far) - 1);
    far[sizeof(far) - 1] = '\0';
    m.url = far;
    buf_reset(&out);
    assert_err(dpop_write(&m, signer, pub, &out, NULL), ERR_LIMIT);
    assert_int_equal(out.n, 0);
    assert_err(dpop_write(&plain, signer, pub, &small, NULL), ERR_LIMIT);
    assert_int_equal(small.n, 0);
    buf_deinit(&small);
    buf_deinit(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_text),
        cmocka_unit_test(test_limits),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
