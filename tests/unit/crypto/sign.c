/* ES256, Ed25519, sealed boxes. Wycheproof's sets, which are JSON, run in tests/unit/format/jose.c. */
#include "test.h"

#include <pthread.h>

#include "base/hex.h"
#include "crypto/box.h"
#include "crypto/ed25519.h"
#include "crypto/es256.h"

static struct span unhex(const char *text, uint8_t *to, size_t cap)
{
    size_t n = 0;

    assert_true(hex_parse(span_str(text), to, cap, &n));
    return span_of(to, n);
}

/* RFC 6979 A.2.5: P-256, SHA-256, "sample". */
static const char d_hex[] = "c9afa9d845ba75166b5c215767b1d6934e50c3db36e89b127b8a622b120f6721";
static const char pub_hex[] = "60fed4ba255a9d31c961eb74c6356d68c049b8923b61fa6ce669622e60f29fb6"
                              "7903fe1008b8bc99a41ae9e95628bc64f2f1b20c2d7e9f5177a3c294d4462299";
static const char sig_hex[] = "efd48b2aacb6a8fd1140dd9cd45e81d69d2c877b56aaf991c34d0ea84eaf3716"
                              "f7cb1c942d657c41d436c7a1b6e29f65f3e900dbb9aff4064dc4ab2f843acda8";
static const char order_hex[] = "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551";

/* out = order - in, big-endian. */
static void negate(const uint8_t in[32], uint8_t out[32])
{
    uint8_t n[32];
    int borrow = 0;

    unhex(order_hex, n, 32);
    for (int i = 31; i >= 0; i--) {
        int v = n[i] - in[i] - borrow;

        borrow = v < 0;
        out[i] = (uint8_t) v;
    }
}

static void es256_takes_the_rfc_signature_and_no_other(void **state)
{
    CLEANUP(es256_verifier_freep) struct es256_verifier *v = NULL;
    uint8_t pub[64], sig[65] = { 0 };
    struct span s = unhex(sig_hex, sig, 64);

    (void) state;
    unhex(pub_hex, pub, 64);
    assert_ok(es256_verifier_new(pub, &v, NULL));
    assert_memory_equal(es256_verifier_pub(v), pub, 64);
    assert_true(es256_verify(v, SPAN("sample"), s));
    assert_false(es256_verify(v, SPAN("Sample"), s));
    assert_false(es256_verify(v, SPAN("sample"), span_of(sig, 63)));
    assert_false(es256_verify(v, SPAN("sample"), span_of(sig, 65)));
    assert_false(es256_verify(v, SPAN("sample"), SPAN_EMPTY));
    for (size_t bit = 0; bit < 512; bit++) {
        sig[bit / 8] ^= (uint8_t) (1u << bit % 8);
        assert_false(es256_verify(v, SPAN("sample"), s));
        sig[bit / 8] ^= (uint8_t) (1u << bit % 8);
    }
    negate(sig + 32, sig + 32); /* malleable: s -> n - s verifies, which is why a key's identity is its jti */
    assert_true(es256_verify(v, SPAN("sample"), s));
}

static void es256_range_of_r_and_s(void **state)
{
    static const char *const edge[] = {
        "0000000000000000000000000000000000000000000000000000000000000000",
        "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551",
        "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632552",
        "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
        "0000000000000000000000000000000000000000000000000000000000000001",
        "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632550",
    };
    CLEANUP(es256_verifier_freep) struct es256_verifier *v = NULL;
    uint8_t pub[64], sig[64];

    (void) state;
    unhex(pub_hex, pub, 64);
    assert_ok(es256_verifier_new(pub, &v, NULL));
    for (size_t i = 0; i < 6; i++) {
        for (size_t k = 0; k < 6; k++) {
            unhex(edge[i], sig, 32);
            unhex(edge[k], sig + 32, 32);
            assert_false(es256_verify(v, SPAN("sample"), span_of(sig, 64)));
        }
        unhex(sig_hex, sig, 64);
        unhex(edge[i], sig, 32);
        assert_false(es256_verify(v, SPAN("sample"), span_of(sig, 64)));
        unhex(sig_hex, sig, 64);
        unhex(edge[i], sig + 32, 32);
        assert_false(es256_verify(v, SPAN("sample"), span_of(sig, 64)));
    }
}

static void es256_signs_what_it_verifies(void **state)
{
    CLEANUP(secret_freep) struct secret *priv = NULL;
    CLEANUP(es256_signer_freep) struct es256_signer *s = NULL;
    CLEANUP(es256_verifier_freep) struct es256_verifier *v = NULL;
    uint8_t pub[64], sig[64], bytes[200];

    (void) state;
    assert_ok(es256_generate(&priv, pub, NULL));
    assert_ok(es256_signer_new(priv, pub, &s, NULL));
    assert_ok(es256_verifier_new(pub, &v, NULL));
    for (size_t n = 0; n < 200; n++) { /* enough that r and s have leading zeros and high bits now and then */
        memset(bytes, (int) n, n);
        assert_ok(es256_sign(s, span_of(bytes, n), sig, NULL));
        assert_true(es256_verify(v, span_of(bytes, n), span_of(sig, 64)));
    }
}

static void es256_imports_only_pairs_and_points(void **state)
{
    CLEANUP(secret_freep) struct secret *d = NULL;
    struct es256_signer *s = NULL;
    struct es256_verifier *v = NULL;
    uint8_t raw[32], pub[64], sig[64];

    (void) state;
    d = secret_of(unhex(d_hex, raw, 32));
    unhex(pub_hex, pub, 64);
    assert_ok(es256_signer_new(d, pub, &s, NULL));
    assert_ok(es256_verifier_new(pub, &v, NULL));
    assert_ok(es256_sign(s, SPAN("x"), sig, NULL));
    assert_true(es256_verify(v, SPAN("x"), span_of(sig, 64)));
    s = es256_signer_free(s);
    v = es256_verifier_free(v);
    for (size_t i = 0; i < 64; i++) { /* off the curve */
        pub[i] ^= 1;
        assert_err(es256_verifier_new(pub, &v, NULL), ERR_INVAL);
        assert_err(es256_signer_new(d, pub, &s, NULL), ERR_INVAL);
        pub[i] ^= 1;
    }
    memset(pub, 0, 64);
    assert_err(es256_verifier_new(pub, &v, NULL), ERR_INVAL);
    memset(pub, 0xff, 64); /* coordinates over p */
    assert_err(es256_verifier_new(pub, &v, NULL), ERR_INVAL);
    unhex(pub_hex, pub, 64);
    secret_bytes(d)[31] ^= 1; /* another key's point */
    assert_err(es256_signer_new(d, pub, &s, NULL), ERR_INVAL);
    memset(secret_bytes(d), 0, 32);
    assert_err(es256_signer_new(d, pub, &s, NULL), ERR_INVAL);
    unhex(order_hex, secret_bytes(d), 32);
    assert_err(es256_signer_new(d, pub, &s, NULL), ERR_INVAL);
}

static void *verify_often(void *arg)
{
    uint8_t sig[64];
    struct span s = unhex(sig_hex, sig, 64);

    for (int i = 0; i < 200; i++) {
        if (!es256_verify(arg, SPAN("sample"), s) || es256_verify(arg, SPAN("sampl"), s))
            return "wrong";
    }
    return NULL;
}

static void one_verifier_many_threads(void **state)
{
    CLEANUP(es256_verifier_freep) struct es256_verifier *v = NULL;
    uint8_t pub[64];
    pthread_t t[4];
    void *said;

    (void) state;
    unhex(pub_hex, pub, 64);
    assert_ok(es256_verifier_new(pub, &v, NULL));
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&t[i], NULL, verify_often, v), 0);
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(pthread_join(t[i], &said), 0);
        assert_null(said);
    }
}

/* RFC 8032 7.1, tests 1 to 3. */
static void ed25519_known_answers(void **state)
{
    static const struct { const char *seed, *pub, *msg, *sig; } cases[] = {
        { "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
          "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a", "",
          "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46b"
          "d25bf5f0595bbe24655141438e7a100b" },
        { "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
          "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c", "72",
          "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c"
          "387b2eaeb4302aeeb00d291612bb0c00" },
        { "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
          "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025", "af82",
          "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc659"
          "4a7c15e9716ed28dc027beceea1ec40a" },
    };

    (void) state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        CLEANUP(secret_freep) struct secret *priv = NULL;
        uint8_t seed[32], pub[32], want_pub[32], msg[8], sig[64], want_sig[64];
        struct span m = unhex(cases[i].msg, msg, sizeof(msg));

        unhex(cases[i].seed, seed, 32);
        unhex(cases[i].pub, want_pub, 32);
        unhex(cases[i].sig, want_sig, 64);
        assert_ok(ed25519_from_seed(seed, &priv, pub, NULL));
        assert_memory_equal(pub, want_pub, 32);
        ed25519_sign(priv, m, sig);
        assert_memory_equal(sig, want_sig, 64);
        assert_true(ed25519_verify(pub, m, span_of(sig, 64)));
        assert_false(ed25519_verify(pub, m, span_of(sig, 63)));
        assert_false(ed25519_verify(pub, SPAN("other"), span_of(sig, 64)));
        for (size_t bit = 0; bit < 512; bit++) {
            sig[bit / 8] ^= (uint8_t) (1u << bit % 8);
            assert_false(ed25519_verify(pub, m, span_of(sig, 64)));
            sig[bit / 8] ^= (uint8_t) (1u << bit % 8);
        }
    }
}

static void boxes_open_with_their_key_only(void **state)
{
    CLEANUP(secret_freep) struct secret *a = NULL;
    CLEANUP(secret_freep) struct secret *b = NULL;
    uint8_t pub_a[32], pub_b[32], box[7 + BOX_OVERHEAD], out[64], derived[32], zero[32] = { 0 };

    (void) state;
    assert_ok(box_generate(&a, pub_a, NULL));
    assert_ok(box_generate(&b, pub_b, NULL));
    assert_true(box_public(a, derived));
    assert_memory_equal(derived, pub_a, 32);
    assert_ok(box_seal(pub_a, SPAN("keyhole"), box, NULL));
    assert_true(box_open(a, pub_a, SPAN_OF(box), out));
    assert_span_str(span_of(out, 7), "keyhole");
    assert_false(box_open(b, pub_b, SPAN_OF(box), out));
    assert_false(box_open(a, pub_b, SPAN_OF(box), out));
    assert_false(box_open(a, pub_a, span_of(box, 47), out));
    for (size_t i = 0; i < sizeof(box); i++) {
        box[i] ^= 4;
        assert_false(box_open(a, pub_a, SPAN_OF(box), out));
        box[i] ^= 4;
    }
    assert_err(box_seal(zero, SPAN("keyhole"), box, NULL), ERR_CRYPTO);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(es256_takes_the_rfc_signature_and_no_other),
        cmocka_unit_test(es256_range_of_r_and_s),
        cmocka_unit_test(es256_signs_what_it_verifies),
        cmocka_unit_test(es256_imports_only_pairs_and_points),
        cmocka_unit_test(one_verifier_many_threads),
        cmocka_unit_test(ed25519_known_answers),
        cmocka_unit_test(boxes_open_with_their_key_only),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
