#include "crypto/es256.h"

#include <stdlib.h>

#include "crypto/openssl.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>

#include "crypto/hash.h"

#define DER_MAX 72 /* 30 len, twice 02 len [00] 32 bytes */

/* The order n of P-256 (FIPS 186-4 D.1.2.3), big-endian. */
static const uint8_t order[32] = {
    0xff, 0xff, 0xff, 0xff, 0x00, 0x00, 0x00, 0x00, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
    0xbc, 0xe6, 0xfa, 0xad, 0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51,
};

struct es256_signer {
    EVP_PKEY *key;
};

struct es256_verifier {
    EVP_PKEY *key;
    EVP_PKEY_CTX *ready; /* initialised for verifying; never used itself, only duplicated, so threads may share it */
    uint8_t pub[ES256_PUB_LEN];
};

static bool in_range(const uint8_t x[32])
{
    static const uint8_t zero[32];

    return memcmp(x, zero, 32) != 0 && memcmp(x, order, 32) < 0;
}

/* One INTEGER: minimal, positive. */
static uint8_t *der_integer(uint8_t *at, const uint8_t x[32])
{
    size_t skip = 0;
    bool pad;

    while (skip < 31 && x[skip] == 0)
        skip++;
    pad = (x[skip] & 0x80) != 0;
    *at++ = 0x02;
    *at++ = (uint8_t) (32 - skip + (pad ? 1 : 0));
    if (pad)
        *at++ = 0;
    memcpy(at, x + skip, 32 - skip);
    return at + 32 - skip;
}

static size_t der_from_raw(const uint8_t sig[ES256_SIG_LEN], uint8_t der[DER_MAX])
{
    uint8_t *end = der_integer(der + 2, sig);

    end = der_integer(end, sig + 32);
    der[0] = 0x30;
    der[1] = (uint8_t) (end - der - 2);
    return (size_t) (end - der);
}

/* What OpenSSL's own signer made, so its form is known; still read with care. */
static bool raw_from_der(struct span der, uint8_t sig[ES256_SIG_LEN])
{
    const uint8_t *p = der.p;
    ECDSA_SIG *s = d2i_ECDSA_SIG(NULL, &p, (long) der.n);
    bool ok = s != NULL && BN_bn2binpad(ECDSA_SIG_get0_r(s), sig, 32) == 32 &&
              BN_bn2binpad(ECDSA_SIG_get0_s(s), sig + 32, 32) == 32;

    ECDSA_SIG_free(s);
    return ok;
}

/* private_key may be NULL. NULL: OpenSSL refuses the numbers. */
static EVP_PKEY *import(const uint8_t *private_key, const uint8_t pub[ES256_PUB_LEN])
{
    uint8_t point[1 + ES256_PUB_LEN] = { 0x04 };
    OSSL_PARAM_BLD *bld = OSSL_PARAM_BLD_new();
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL);
    BIGNUM *d = NULL;
    OSSL_PARAM *params = NULL;
    EVP_PKEY *key = NULL;
    bool ok;

    memcpy(point + 1, pub, ES256_PUB_LEN);
    ok = bld != NULL && ctx != NULL &&
         OSSL_PARAM_BLD_push_utf8_string(bld, OSSL_PKEY_PARAM_GROUP_NAME, "P-256", 0) == 1 &&
         OSSL_PARAM_BLD_push_octet_string(bld, OSSL_PKEY_PARAM_PUB_KEY, point, sizeof(point)) == 1;
    if (ok && private_key != NULL) {
        d = BN_secure_new(); /* makes the parameters secure memory, too */
        ok = d != NULL && BN_bin2bn(private_key, 32, d) != NULL &&
             OSSL_PARAM_BLD_push_BN_pad(bld, OSSL_PKEY_PARAM_PRIV_KEY, d, 32) == 1;
    }
    if (ok)
        params = OSSL_PARAM_BLD_to_param(bld);
    if (params != NULL && EVP_PKEY_fromdata_init(ctx) == 1 &&
        EVP_PKEY_fromdata(ctx, &key, private_key != NULL ? EVP_PKEY_KEYPAIR : EVP_PKEY_PUBLIC_KEY, params) != 1) {
        EVP_PKEY_free(key); /* some releases leave an empty one behind, others NULL */
        key = NULL;
    }
    OSSL_PARAM_free(params);
    OSSL_PARAM_BLD_free(bld);
    BN_clear_free(d);
    EVP_PKEY_CTX_free(ctx);
    return key;
}

static bool check(EVP_PKEY *key, int (*fn)(EVP_PKEY_CTX *))
{
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(NULL, key, NULL);
    bool ok = ctx != NULL && fn(ctx) == 1;

    EVP_PKEY_CTX_free(ctx);
    return ok;
}

enum err es256_generate(struct secret **ret_private, uint8_t pub[ES256_PUB_LEN], struct err_info *reterr)
{
    CLEANUP(secret_freep) struct secret *priv = secret_new(32);
    EVP_PKEY *key;
    BIGNUM *d = NULL;
    uint8_t point[1 + ES256_PUB_LEN];
    size_t n = 0;
    bool ok;

    if (priv == NULL)
        return ERR_RAISE(reterr, ERR_NOMEM, "no slot for a private key");
    key = EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256");
    d = BN_secure_new();
    ok = key != NULL && d != NULL && EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_PRIV_KEY, &d) == 1 &&
         BN_bn2binpad(d, secret_bytes(priv), 32) == 32 &&
         EVP_PKEY_get_octet_string_param(key, OSSL_PKEY_PARAM_ENCODED_PUBLIC_KEY, point, sizeof(point), &n) == 1 &&
         n == sizeof(point) && point[0] == 0x04;
    BN_clear_free(d);
    EVP_PKEY_free(key);
    if (!ok)
        return ERR_RAISE(reterr, ERR_CRYPTO, "cannot make a P-256 key");
    memcpy(pub, point + 1, ES256_PUB_LEN);
    *ret_private = TAKE(priv);
    return ERR_OK;
}

enum err es256_signer_new(const struct secret *private_key, const uint8_t pub[ES256_PUB_LEN],
                          struct es256_signer **ret, struct err_info *reterr)
{
    CLEANUP(es256_signer_freep) struct es256_signer *s = calloc(1, sizeof(*s));

    if (s == NULL)
        return ERR_RAISE(reterr, ERR_NOMEM, "P-256 signer");
    if (secret_len(private_key) != 32 || !in_range(secret_span(private_key).p))
        return ERR_RAISE(reterr, ERR_INVAL, "a P-256 private key out of range");
    s->key = import(secret_span(private_key).p, pub);
    if (s->key == NULL || !check(s->key, EVP_PKEY_pairwise_check))
        return ERR_RAISE(reterr, ERR_INVAL, "the parts of a P-256 key do not belong together");
    *ret = TAKE(s);
    return ERR_OK;
}

struct es256_signer *es256_signer_free(struct es256_signer *s)
{
    if (s == NULL)
        return NULL;
    EVP_PKEY_free(s->key); /* clears the scalar */
    free(s);
    return NULL;
}

void es256_signer_freep(struct es256_signer **s)
{
    *s = es256_signer_free(*s);
}

enum err es256_sign(const struct es256_signer *s, struct span msg, uint8_t sig[ES256_SIG_LEN],
                    struct err_info *reterr)
{
    uint8_t digest[SHA256_LEN], der[DER_MAX];
    size_t n = sizeof(der);
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(NULL, s->key, NULL);
    bool ok;

    sha256(msg, digest);
    ok = ctx != NULL && EVP_PKEY_sign_init(ctx) == 1 && EVP_PKEY_sign(ctx, der, &n, digest, sizeof(digest)) == 1 &&
         raw_from_der(span_of(der, n), sig);
    EVP_PKEY_CTX_free(ctx);
    if (!ok)
        return ERR_RAISE(reterr, ERR_CRYPTO, "cannot sign with P-256");
    return ERR_OK;
}

enum err es256_verifier_new(const uint8_t pub[ES256_PUB_LEN], struct es256_verifier **ret, struct err_info *reterr)
{
    CLEANUP(es256_verifier_freep) struct es256_verifier *v = calloc(1, sizeof(*v));

    if (v == NULL)
        return ERR_RAISE(reterr, ERR_NOMEM, "P-256 verifier");
    memcpy(v->pub, pub, ES256_PUB_LEN);
    v->key = import(/* private_key= */ NULL, pub);
    if (v->key == NULL || !check(v->key, EVP_PKEY_public_check_quick))
        return ERR_RAISE(reterr, ERR_INVAL, "not a point of P-256");
    v->ready = EVP_PKEY_CTX_new_from_pkey(NULL, v->key, NULL);
    if (v->ready == NULL || EVP_PKEY_verify_init(v->ready) != 1)
        return ERR_RAISE(reterr, ERR_CRYPTO, "cannot prepare a P-256 verifier");
    *ret = TAKE(v);
    return ERR_OK;
}

struct es256_verifier *es256_verifier_free(struct es256_verifier *v)
{
    if (v == NULL)
        return NULL;
    EVP_PKEY_CTX_free(v->ready);
    EVP_PKEY_free(v->key);
    free(v);
    return NULL;
}

void es256_verifier_freep(struct es256_verifier **v)
{
    *v = es256_verifier_free(*v);
}

const uint8_t *es256_verifier_pub(const struct es256_verifier *v)
{
    return v->pub;
}

bool es256_verify(const struct es256_verifier *v, struct span msg, struct span sig)
{
    uint8_t digest[SHA256_LEN], der[DER_MAX];
    EVP_PKEY_CTX *ctx;
    size_t n;
    bool ok;

    if (sig.n != ES256_SIG_LEN || !in_range(sig.p) || !in_range(sig.p + 32))
        return false;
    sha256(msg, digest);
    n = der_from_raw(sig.p, der);
    ctx = EVP_PKEY_CTX_dup(v->ready);
    ok = ctx != NULL && EVP_PKEY_verify(ctx, der, n, digest, sizeof(digest)) == 1;
    EVP_PKEY_CTX_free(ctx);
    return ok;
}
