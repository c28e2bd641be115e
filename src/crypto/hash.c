#include "crypto/hash.h"

#include <pthread.h>
#include <stdlib.h>

#include "crypto/openssl.h"

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <openssl/params.h>
#include <sodium.h>

/* Fetched once: fetching by name costs more than hashing a key. They live as long as the process. */
static struct {
    EVP_MD *sha256, *sha512;
    EVP_KDF *hkdf;
    pthread_key_t ctx_key;
    bool have_key;
} algs;
static pthread_once_t algs_once = PTHREAD_ONCE_INIT;

static _Thread_local EVP_MD_CTX *thread_ctx;

static void free_ctx(void *ctx)
{
    EVP_MD_CTX_free(ctx);
}

static void fetch_algs(void)
{
    algs.sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
    algs.sha512 = EVP_MD_fetch(NULL, "SHA512", NULL);
    algs.hkdf = EVP_KDF_fetch(NULL, "HKDF", NULL);
    algs.have_key = pthread_key_create(&algs.ctx_key, free_ctx) == 0;
}

/* This thread's context, or NULL. */
static EVP_MD_CTX *ctx_here(void)
{
    (void) pthread_once(&algs_once, fetch_algs);
    if (thread_ctx == NULL && algs.have_key) {
        EVP_MD_CTX *ctx = EVP_MD_CTX_new();

        if (ctx != NULL && pthread_setspecific(algs.ctx_key, ctx) != 0) {
            EVP_MD_CTX_free(ctx);
            ctx = NULL;
        }
        thread_ctx = ctx;
    }
    return thread_ctx;
}

static bool digest(const EVP_MD *md, const struct span *parts, size_t n, uint8_t *out)
{
    EVP_MD_CTX *ctx = ctx_here();

    if (ctx == NULL || md == NULL || EVP_DigestInit_ex2(ctx, md, NULL) != 1)
        return false;
    for (size_t i = 0; i < n; i++) {
        if (EVP_DigestUpdate(ctx, parts[i].p, parts[i].n) != 1)
            return false;
    }
    return EVP_DigestFinal_ex(ctx, out, NULL) == 1;
}

void sha256_parts(const struct span *parts, size_t n_parts, uint8_t out[SHA256_LEN])
{
    crypto_hash_sha256_state st;

    (void) ctx_here(); /* fetches */
    if (digest(algs.sha256, parts, n_parts, out))
        return;
    (void) crypto_hash_sha256_init(&st); /* libsodium's hash functions always return 0 */
    for (size_t i = 0; i < n_parts; i++)
        (void) crypto_hash_sha256_update(&st, parts[i].p, parts[i].n);
    (void) crypto_hash_sha256_final(&st, out);
}

void sha256(struct span in, uint8_t out[SHA256_LEN])
{
    sha256_parts(&in, 1, out);
}

void sha512(struct span in, uint8_t out[SHA512_LEN])
{
    (void) ctx_here();
    if (!digest(algs.sha512, &in, 1, out))
        (void) crypto_hash_sha512(out, in.p, in.n); /* always 0 */
}

struct hash {
    EVP_MD_CTX *ctx;
    const EVP_MD *md;
    bool failed;
};

static void restart(struct hash *h)
{
    h->failed = EVP_DigestInit_ex2(h->ctx, h->md, NULL) != 1;
}

struct hash *hash_new(enum hash_kind kind)
{
    struct hash *h;

    (void) pthread_once(&algs_once, fetch_algs);
    h = calloc(1, sizeof(*h));
    if (h == NULL)
        return NULL;
    h->md = kind == HASH_SHA256 ? algs.sha256 : algs.sha512;
    h->ctx = EVP_MD_CTX_new();
    if (h->ctx == NULL || h->md == NULL)
        return hash_free(h);
    restart(h);
    return h->failed ? hash_free(h) : h;
}

struct hash *hash_free(struct hash *h)
{
    if (h == NULL)
        return NULL;
    EVP_MD_CTX_free(h->ctx);
    free(h);
    return NULL;
}

void hash_freep(struct hash **h)
{
    *h = hash_free(*h);
}

void hash_add(struct hash *h, struct span in)
{
    if (!h->failed && in.n > 0 && EVP_DigestUpdate(h->ctx, in.p, in.n) != 1)
        h->failed = true;
}

enum err hash_final(struct hash *h, uint8_t *out, struct err_info *reterr)
{
    uint8_t tmp[EVP_MAX_MD_SIZE];
    unsigned n = 0;
    bool ok = !h->failed && EVP_DigestFinal_ex(h->ctx, tmp, &n) == 1;

    restart(h);
    if (!ok)
        return ERR_RAISE(reterr, ERR_CRYPTO, "hash failed");
    memcpy(out, tmp, n);
    return ERR_OK;
}

void hmac_sha256(struct span key, struct span msg, uint8_t out[SHA256_LEN])
{
    crypto_auth_hmacsha256_state st;

    (void) crypto_auth_hmacsha256_init(&st, key.p, key.n); /* each always returns 0 */
    (void) crypto_auth_hmacsha256_update(&st, msg.p, msg.n);
    (void) crypto_auth_hmacsha256_final(&st, out);
    sodium_memzero(&st, sizeof(st));
}

enum err hkdf_expand_sha512(struct span prk, struct span info, uint8_t *out, size_t n, struct err_info *reterr)
{
    char digest_name[] = "SHA512";
    int mode = EVP_KDF_HKDF_MODE_EXPAND_ONLY;
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_int(OSSL_KDF_PARAM_MODE, &mode),
        OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, digest_name, 0),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_KEY, (void *) (uintptr_t) prk.p, prk.n),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_INFO, (void *) (uintptr_t) info.p, info.n),
        OSSL_PARAM_construct_end(),
    };
    EVP_KDF_CTX *ctx;
    int ok;

    if (prk.n < 32 || prk.n > 256 || n == 0 || n > 64 * 255)
        return ERR_RAISE(reterr, ERR_INVAL, "HKDF: %zu bytes from a key of %zu", n, prk.n);
    (void) pthread_once(&algs_once, fetch_algs);
    ctx = algs.hkdf == NULL ? NULL : EVP_KDF_CTX_new(algs.hkdf);
    if (ctx == NULL)
        return ERR_RAISE(reterr, ERR_CRYPTO, "HKDF is not available");
    ok = EVP_KDF_derive(ctx, out, n, params);
    EVP_KDF_CTX_free(ctx);
    if (ok != 1)
        return ERR_RAISE(reterr, ERR_CRYPTO, "HKDF failed");
    return ERR_OK;
}
