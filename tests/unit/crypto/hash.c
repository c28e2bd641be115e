/* Digests, HMAC, HKDF-Expand and both ciphers against vectors of others. */
#include "test.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/hex.h"
#include "crypto/aead.h"
#include "crypto/hash.h"

static struct span unhex(const char *text, uint8_t *to, size_t cap)
{
    size_t n = 0;

    assert_true(hex_parse(span_str(text), to, cap, &n));
    return span_of(to, n);
}

static void assert_hex(const uint8_t *got, size_t n, const char *want)
{
    uint8_t bytes[512];

    assert_span_eq(span_of(got, n), unhex(want, bytes, sizeof(bytes)));
}

/* FIPS 180-4 examples. */
static void sha2_known_answers(void **state)
{
    static const struct { const char *in, *s256, *s512; } cases[] = {
        { "", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
          "cf83e1357eefb8bdf1542850d66d8007d620e4050b5715dc83f4a921d36ce9ce"
          "47d0d13c5d85f2b0ff8318d2877eec2f63b931bd47417a81a538327af927da3e" },
        { "abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
          "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a"
          "2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f" },
    };

    (void) state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct span in = span_str(cases[i].in);
        uint8_t out[64];

        sha256(in, out);
        assert_hex(out, 32, cases[i].s256);
        sha512(in, out);
        assert_hex(out, 64, cases[i].s512);
    }
}

/* A million times 'a' (FIPS 180), in pieces of every odd size, and the object is usable again afterwards. */
static void streaming_equals_one_shot(void **state)
{
    CLEANUP(hash_freep) struct hash *h = hash_new(HASH_SHA256);
    CLEANUP(hash_freep) struct hash *h512 = hash_new(HASH_SHA512);
    static uint8_t as[4096];
    size_t left = 1000000, step = 1;
    uint8_t out[64], one[64];
    struct span parts[3] = { SPAN("a"), SPAN(""), SPAN("bc") };

    (void) state;
    memset(as, 'a', sizeof(as));
    while (left > 0) {
        size_t n = step > left ? left : step;

        hash_add(h, span_of(as, n));
        left -= n;
        step = step * 7 % sizeof(as) + 1;
    }
    assert_ok(hash_final(h, out, NULL));
    assert_hex(out, 32, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
    hash_add(h, SPAN("abc"));
    assert_ok(hash_final(h, out, NULL));
    sha256_parts(parts, 3, one);
    assert_memory_equal(out, one, 32);
    hash_add(h512, SPAN("abc"));
    assert_ok(hash_final(h512, out, NULL));
    sha512(SPAN("abc"), one);
    assert_memory_equal(out, one, 64);
}

/* RFC 4231 cases 1, 2, 6 (key longer than a block). */
static void hmac_rfc4231(void **state)
{
    uint8_t key[131], out[32];

    (void) state;
    memset(key, 0x0b, 20);
    hmac_sha256(span_of(key, 20), SPAN("Hi There"), out);
    assert_hex(out, 32, "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
    hmac_sha256(SPAN("Jefe"), SPAN("what do ya want for nothing?"), out);
    assert_hex(out, 32, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    memset(key, 0xaa, 131);
    hmac_sha256(span_of(key, 131), SPAN("Test Using Larger Than Block-Size Key - Hash Key First"), out);
    assert_hex(out, 32, "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
}

/* Made by tests/vectors/hkdf.py with Python's hmac. */
static void hkdf_expand_vectors(void **state)
{
    uint8_t prk[64], out[300];
    struct err_info e;

    (void) state;
    for (size_t i = 0; i < 64; i++)
        prk[i] = (uint8_t) i;
    assert_ok_err(hkdf_expand_sha512(span_of(prk, 32), SPAN("keyhole"), out, 76, &e), &e);
    assert_hex(out, 76, "4f629e567283dbffb969d7f378ea14d8fd270f3669190456061728cd8cf99e63e0af76e3f9c2"
                        "ce9be65f9b36031e422a5742df04b24c86b8e591582c8ae693a85258c6a6ae072ac5354cef6d");
    assert_ok_err(hkdf_expand_sha512(span_of(prk, 64), SPAN_EMPTY, out, 200, &e), &e);
    assert_hex(out, 200, "d01b766d4671ca874e759a77050d467b6b9d7911fd4f7c7bbf84fd2a0927e9d738f502d75160"
                        "668b1f036b1e45773822ff98926551972ff55090b77b39fb41c09f9f83e4bddedc1321020eda"
                        "2d9841b85e47e7381a0ee2139fffac87b38e475674301fe47cd0d49acd50fe5b3ae6de17a98b"
                        "b0c796ae92302a1a87d5d951fed2d3b7661458f22baf7d043fd681ba1a16a8381db30c97684c"
                        "2ed3fd89df0458b6f73971874ffb68400a53184e09cb0af76f23a57ee2793f99d1386ce69d99"
                        "cfe5903998fe5907fe6e");
    assert_err(hkdf_expand_sha512(span_of(prk, 31), SPAN("x"), out, 32, NULL), ERR_INVAL);
    assert_err(hkdf_expand_sha512(span_of(prk, 32), SPAN("x"), out, 0, NULL), ERR_INVAL);
    assert_err(hkdf_expand_sha512(span_of(prk, 32), SPAN("x"), out, 64 * 255 + 1, NULL), ERR_INVAL);
}

/* The GCM specification of McGrew and Viega, test cases 13 to 16; NIST took them over. */
static void gcm_known_answers(void **state)
{
    static const struct { const char *key, *iv, *aad, *pt, *ct; } cases[] = {
        { "0000000000000000000000000000000000000000000000000000000000000000", "000000000000000000000000", "", "",
          "530f8afbc74536b9a963b4f1c4cb738b" },
        { "0000000000000000000000000000000000000000000000000000000000000000", "000000000000000000000000", "",
          "00000000000000000000000000000000",
          "cea7403d4d606b6e074ec5d3baf39d18d0d1c8a799996bf0265b98b5d48ab919" },
        { "feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308", "cafebabefacedbaddecaf888", "",
          "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72"
          "1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b391aafd255",
          "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa"
          "8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662898015ad"
          "b094dac5d93471bdec1a502270e3cc6c" },
        { "feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308", "cafebabefacedbaddecaf888",
          "feedfacedeadbeeffeedfacedeadbeefabaddad2",
          "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72"
          "1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39",
          "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa"
          "8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662"
          "76fc6ece0f4e1768cddf8853bb2d551b" },
    };
    CLEANUP(aead_gcm_freep) struct aead_gcm *g = aead_gcm_new(); /* one context through all of it */
    uint8_t out[128];

    (void) state;
    assert_err(aead_gcm_seal(g, out, SPAN_EMPTY, SPAN_EMPTY, out, NULL), ERR_STATE);
    assert_false(aead_gcm_open(g, out, SPAN_EMPTY, span_of(out, 16), out));
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        uint8_t key[32], iv[12], aad[64], pt[64], ct[80];
        struct span a = unhex(cases[i].aad, aad, sizeof(aad)), p = unhex(cases[i].pt, pt, sizeof(pt));
        struct span c = unhex(cases[i].ct, ct, sizeof(ct));

        unhex(cases[i].key, key, sizeof(key));
        unhex(cases[i].iv, iv, sizeof(iv));
        assert_ok(aead_gcm_key(g, key, NULL));
        assert_ok(aead_gcm_seal(g, iv, a, p, out, NULL));
        assert_span_eq(span_of(out, p.n + 16), c);
        assert_true(aead_gcm_open(g, iv, a, c, out));
        assert_span_eq(span_of(out, p.n), p);
        memcpy(out, p.p, p.n); /* in place */
        assert_ok(aead_gcm_seal(g, iv, a, span_of(out, p.n), out, NULL));
        assert_true(aead_gcm_open(g, iv, a, span_of(out, c.n), out));
        assert_span_eq(span_of(out, p.n), p);
        for (size_t at = 0; at < c.n; at++) {
            ct[at] ^= 1;
            memset(out, 0xee, sizeof(out));
            assert_false(aead_gcm_open(g, iv, a, c, out));
            for (size_t k = 0; k < p.n; k++)
                assert_int_equal(out[k], 0);
            ct[at] ^= 1;
        }
        assert_false(aead_gcm_open(g, iv, SPAN("other"), c, out));
        assert_false(aead_gcm_open(g, iv, a, span_of(ct, 15), out));
    }
}

/* draft-irtf-cfrg-xchacha-03, A.3.1. */
static void xchacha_known_answer(void **state)
{
    static const char ct_hex[] =
        "bd6d179d3e83d43b9576579493c0e939572a1700252bfaccbed2902c21396cbb731c7f1b0b4aa6440bf3a82f4eda7e39"
        "ae64c6708c54c216cb96b72e1213b4522f8c9ba40db5d945b11b69b982c1bb9e3f3fac2bc369488f76b2383565d3fff9"
        "21f9664c97637da9768812f615c68b13b52ec0875924c1c7987947deafd8780acf49";
    struct span pt = SPAN("Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the "
                          "future, sunscreen would be it.");
    uint8_t key[32], nonce[24], aad[12], ct[256], out[256];
    struct span a = unhex("50515253c0c1c2c3c4c5c6c7", aad, sizeof(aad)), c = unhex(ct_hex, ct, sizeof(ct));

    (void) state;
    for (size_t i = 0; i < 32; i++)
        key[i] = (uint8_t) (0x80 + i);
    for (size_t i = 0; i < 24; i++)
        nonce[i] = (uint8_t) (0x40 + i);
    aead_xchacha_seal(key, nonce, a, pt, out);
    assert_span_eq(span_of(out, pt.n + 16), c);
    assert_true(aead_xchacha_open(key, nonce, a, c, out));
    assert_span_eq(span_of(out, pt.n), pt);
    for (size_t at = 0; at < c.n; at++) {
        ct[at] ^= 0x40;
        assert_false(aead_xchacha_open(key, nonce, a, c, out));
        assert_int_equal(out[0], 0);
        ct[at] ^= 0x40;
    }
    assert_false(aead_xchacha_open(key, nonce, a, span_of(ct, 15), out));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sha2_known_answers), cmocka_unit_test(streaming_equals_one_shot),
        cmocka_unit_test(hmac_rfc4231),       cmocka_unit_test(hkdf_expand_vectors),
        cmocka_unit_test(gcm_known_answers),  cmocka_unit_test(xchacha_known_answer),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
