/* Wycheproof's sets and RFC 7515 A.3, from the real-data folder: ES256, Ed25519, HMAC-SHA-256. */
#include "test.h"

#include "base/hex.h"
#include "codec/base64.h"
#include "codec/json.h"
#include "crypto/ed25519.h"
#include "crypto/hash.h"
#include "format/key.h"

/* Parses a whole file; false: it is not there. The tree's bytes are *bytes. */
static bool load(const char *path, struct buf *bytes, struct tree *ret)
{
    const char *at = test_shared(path);
    struct json_limits lim = { .bytes = 8u << 20, .depth = 32, .members = 1000000, .string = 1u << 20 };
    struct buf text;
    struct err_info e;

    if (at == NULL)
        return false;
    test_read_file(at, &text);
    *bytes = BUF_INIT(32u << 20);
    assert_ok_err(json_parse_err(buf_span(&text), &lim, bytes, &e), &e);
    *ret = tree_root(buf_span(bytes));
    buf_deinit(&text);
    return true;
}

static struct tree member(struct tree obj, const char *name)
{
    struct tree t;

    (void) tree_get(obj, name, &t); /* absent: a null node, over which nothing iterates */
    return t;
}

static struct span text_of(struct tree obj, const char *name)
{
    struct span s = SPAN_EMPTY;

    (void) tree_get_str(obj, name, &s); /* absent: empty */
    return s;
}

static struct span bytes_of(struct tree obj, const char *name, uint8_t *to, size_t cap)
{
    size_t n = 0;

    assert_true(hex_parse(text_of(obj, name), to, cap, &n));
    return span_of(to, n);
}

static bool pub_of(struct tree jwk, uint8_t pub[64])
{
    size_t nx = 0, ny = 0;

    return base64url_parse(text_of(jwk, "x"), pub, 32, &nx) && nx == 32 &&
           base64url_parse(text_of(jwk, "y"), pub + 32, 32, &ny) && ny == 32;
}

/* As our steps 3 and 6: split, then the signature over the received bytes. */
static bool jws_verifies(struct span jws, const struct key_ring_entry *key)
{
    struct key_parts p;

    return key_split(jws, &p, NULL) == KEY_OK && key_verify(&p, key, NULL) == KEY_OK;
}

static void wycheproof_es256(void **state)
{
    struct buf bytes;
    struct tree root, group, test;
    size_t n = 0, valid = 0;

    (void) state;
    if (!load("jose/wycheproof/json_web_signature_test.json", &bytes, &root))
        skip();
    for (struct span at = member(root, "testGroups").payload; tree_next(&at, &group);) {
        struct tree jwk = member(group, "public");
        struct key_ring ring = { .n = 0 };
        struct secret *none = NULL;
        uint8_t pub[64];

        if (!span_eq_str(text_of(jwk, "crv"), "P-256") || !span_eq_str(text_of(jwk, "alg"), "ES256"))
            continue;
        assert_true(pub_of(jwk, pub));
        assert_ok(key_ring_add(&ring, pub, &none, NULL));
        for (struct span in = member(group, "tests").payload; tree_next(&in, &test);) {
            struct span jws = text_of(test, "jws");
            bool want = span_eq_str(text_of(test, "result"), "valid");
            const struct key_audience aud = { "x", "x", NULL, 0 };
            struct key_claims c;

            n++;
            valid += want ? 1 : 0;
            if (jws_verifies(jws, &ring.keys[0]) != want)
                fail_msg(SPAN_FMT, SPAN_ARG(text_of(test, "comment")));
            /* none of them is one of our keys: no typ */
            assert_int_not_equal(key_check(jws, &ring, &aud, 0, &c, NULL, NULL), KEY_OK);
        }
        key_ring_deinit(&ring);
    }
    print_message("%zu signatures, %zu valid\n", n, valid);
    assert_true(n >= 30 && valid >= 2);
    buf_deinit(&bytes);
}

static void rfc7515_a3(void **state)
{
    struct key_ring ring = { .n = 0 };
    struct secret *none = NULL;
    const char *at = test_shared("jose/latchset-vectors/rfc7515_A.3.jwsc");
    struct buf bytes, jws;
    struct tree jwk = { TREE_NULL, SPAN_EMPTY, SPAN_EMPTY };
    uint8_t pub[64];

    (void) state;
    if (at == NULL || !load("jose/latchset-vectors/rfc7515_A.3.jwk", &bytes, &jwk))
        skip();
    assert_true(pub_of(jwk, pub));
    assert_ok(key_ring_add(&ring, pub, &none, NULL));
    test_read_file(at, &jws);
    while (jws.n > 0 && jws.p[jws.n - 1] == '\n')
        jws.n--;
    assert_true(jws_verifies(buf_span(&jws), &ring.keys[0]));
    jws.p[60] ^= 1;
    assert_false(jws_verifies(buf_span(&jws), &ring.keys[0]));
    key_ring_deinit(&ring);
    buf_deinit(&bytes);
    buf_deinit(&jws);
}

static void wycheproof_ed25519(void **state)
{
    static uint8_t msg[65536];
    struct buf bytes;
    struct tree root, group, test;
    size_t n = 0;

    (void) state;
    if (!load("jose/wycheproof/ed25519_test.json", &bytes, &root))
        skip();
    for (struct span at = member(root, "testGroups").payload; tree_next(&at, &group);) {
        uint8_t pub[32], sig[256];

        assert_int_equal(bytes_of(member(group, "publicKey"), "pk", pub, sizeof(pub)).n, 32);
        for (struct span in = member(group, "tests").payload; tree_next(&in, &test);) {
            struct span m = bytes_of(test, "msg", msg, sizeof(msg)), s = bytes_of(test, "sig", sig, sizeof(sig));
            bool want = span_eq_str(text_of(test, "result"), "valid");

            n++;
            if (ed25519_verify(pub, m, s) != want)
                fail_msg("%zu: " SPAN_FMT, n, SPAN_ARG(text_of(test, "comment")));
        }
    }
    assert_int_equal(n, 151);
    buf_deinit(&bytes);
}

static void wycheproof_hmac_sha256(void **state)
{
    static uint8_t msg[65536];
    struct buf bytes;
    struct tree root, group, test;
    size_t n = 0;

    (void) state;
    if (!load("jose/wycheproof/hmac_sha256_test.json", &bytes, &root))
        skip();
    for (struct span at = member(root, "testGroups").payload; tree_next(&at, &group);) {
        for (struct span in = member(group, "tests").payload; tree_next(&in, &test);) {
            uint8_t key[256], tag[64], out[32];
            struct span k = bytes_of(test, "key", key, sizeof(key)), m = bytes_of(test, "msg", msg, sizeof(msg));
            struct span t = bytes_of(test, "tag", tag, sizeof(tag));
            bool want = span_eq_str(text_of(test, "result"), "valid");

            n++;
            hmac_sha256(k, m, out);
            if (secret_equal_span(span_of(out, t.n), t) != want)
                fail_msg("%zu: " SPAN_FMT, n, SPAN_ARG(text_of(test, "comment")));
        }
    }
    assert_int_equal(n, 174);
    buf_deinit(&bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(wycheproof_es256),
        cmocka_unit_test(rfc7515_a3),
        cmocka_unit_test(wycheproof_ed25519),
        cmocka_unit_test(wycheproof_hmac_sha256),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
