#include "crypto/aead.h"

#include <pthread.h>
#include <stdlib.h>

#include "crypto/openssl.h"

#include <openssl/evp.h>
#include <sodium.h>

#include "crypto/hash.h"
#include "crypto/secret.h"

#define IN_MAX (1u << 30)

static EVP_CIPHER *gcm_cipher; /* fetched once, lives as long as the process */
static pthread_once_t gcm_once = PTHREAD_ONCE_INIT;

static void fetch_gcm(void)
{
    gcm_cipher = EVP_CIPHER_fetch(NULL, "AES-256-GCM", NULL);
}

/* One context for both directions: switching keeps the key schedule. */
struct aead_gcm {
    EVP_CIPHER_CTX *ctx;
    bool keyed;
    uint8_t key_sum[SHA256_LEN]; /* only where aead_watch is linked in */
};

struct aead_gcm *aead_gcm_new(void)
{
    struct aead_gcm *g = calloc(1, sizeof(*g));

    if (g == NULL)
        return NULL;
    (void) pthread_once(&gcm_once, fetch_gcm);
    g->ctx = EVP_CIPHER_CTX_new();
    return g->ctx == NULL ? aead_gcm_free(g) : g;
}

struct aead_gcm *aead_gcm_free(struct aead_gcm *g)
{
    if (g == NULL)
        return NULL;
    EVP_CIPHER_CTX_free(g->ctx); /* OpenSSL clears the key schedule */
    free(g);
    return NULL;
}

void aead_gcm_freep(struct aead_gcm **g)
{
    *g = aead_gcm_free(*g);
}

enum err aead_gcm_key(struct aead_gcm *g, const uint8_t key[AEAD_KEY_LEN], struct err_info *reterr)
{
    g->keyed = gcm_cipher != NULL && EVP_EncryptInit_ex2(g->ctx, gcm_cipher, key, NULL, NULL) == 1;
    if (!g->keyed)
        return ERR_RAISE(reterr, ERR_CRYPTO, "AES-256-GCM does not take the key");
    if (aead_watch != NULL)
        sha256(span_of(key, AEAD_KEY_LEN), g->key_sum);
    return ERR_OK;
}

enum err aead_gcm_seal(struct aead_gcm *g, const uint8_t nonce[AEAD_GCM_NONCE_LEN], struct span aad, struct span in,
                       uint8_t *out, struct err_info *reterr)
{
    int n = 0, end = 0;

    if (!g->keyed)
        return ERR_RAISE(reterr, ERR_STATE, "AES-256-GCM without a key");
    if (in.n > IN_MAX || aad.n > IN_MAX)
        return ERR_RAISE(reterr, ERR_LIMIT, "AES-256-GCM: %zu bytes at once", in.n);
    if (aead_watch != NULL)
        aead_watch(g->key_sum, nonce);
    if (EVP_EncryptInit_ex2(g->ctx, NULL, NULL, nonce, NULL) != 1 ||
        (aad.n > 0 && EVP_EncryptUpdate(g->ctx, NULL, &n, aad.p, (int) aad.n) != 1) ||
        (in.n > 0 && EVP_EncryptUpdate(g->ctx, out, &n, in.p, (int) in.n) != 1) ||
        EVP_EncryptFinal_ex(g->ctx, out + in.n, &end) != 1 ||
        EVP_CIPHER_CTX_ctrl(g->ctx, EVP_CTRL_AEAD_GET_TAG, AEAD_TAG_LEN, out + in.n) != 1)
        return ERR_RAISE(reterr, ERR_CRYPTO, "AES-256-GCM failed to encrypt");
    return ERR_OK;
}

bool aead_gcm_open(struct aead_gcm *g, const uint8_t nonce[AEAD_GCM_NONCE_LEN], struct span aad, struct span in,
                   uint8_t *out)
{
    uint8_t tag[AEAD_TAG_LEN], none;
    size_t len;
    int n = 0, end = 0;

    if (!g->keyed || in.n < AEAD_TAG_LEN || in.n > IN_MAX || aad.n > IN_MAX)
        return false;
    len = in.n - AEAD_TAG_LEN;
    memcpy(tag, in.p + len, sizeof(tag));
    if (EVP_DecryptInit_ex2(g->ctx, NULL, NULL, nonce, NULL) == 1 &&
        (aad.n == 0 || EVP_DecryptUpdate(g->ctx, NULL, &n, aad.p, (int) aad.n) == 1) &&
        (len == 0 || EVP_DecryptUpdate(g->ctx, out, &n, in.p, (int) len) == 1) &&
        EVP_CIPHER_CTX_ctrl(g->ctx, EVP_CTRL_AEAD_SET_TAG, AEAD_TAG_LEN, tag) == 1 &&
        EVP_DecryptFinal_ex(g->ctx, &none, &end) == 1)
        return true;
    secret_wipe(out, len);
    return false;
}

void aead_xchacha_seal(const uint8_t key[AEAD_KEY_LEN], const uint8_t nonce[AEAD_XNONCE_LEN], struct span aad,
                       struct span in, uint8_t *out)
{
    /* libsodium: always 0 */
    (void) crypto_aead_xchacha20poly1305_ietf_encrypt(out, NULL, in.p, in.n, aad.p, aad.n, NULL, nonce, key);
}

bool aead_xchacha_open(const uint8_t key[AEAD_KEY_LEN], const uint8_t nonce[AEAD_XNONCE_LEN], struct span aad,
                       struct span in, uint8_t *out)
{
    if (in.n >= AEAD_TAG_LEN &&
        crypto_aead_xchacha20poly1305_ietf_decrypt(out, NULL, NULL, in.p, in.n, aad.p, aad.n, nonce, key) == 0)
        return true;
    if (in.n > AEAD_TAG_LEN)
        secret_wipe(out, in.n - AEAD_TAG_LEN);
    return false;
}
