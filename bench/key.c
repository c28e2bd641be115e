/*
 * The check of a provisioning key, first sight (format/key: form, header, signature, payload, audience, times), beside the bare
 * ES256 check of the same bytes by OpenSSL. And what each further request costs beside a signature: digest, table, live grant.
 */
#include "bench.h"

#include <stdio.h>
#include <stdlib.h>

#include "access/live.h"
#include "codec/base64.h"
#include "crypto/hash.h"
#include "crypto/openssl.h"
#include "crypto/secret.h"
#include "format/dpop.h"
#include "format/key.h"

#include <openssl/core_names.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>

#define NOW_S   1793000010
#define N_SIGN  2000
#define N_PROBE 200000
#define N_KEYS  10000

static struct {
    struct buf token;
    struct key_ring ring;
    EVP_PKEY *pkey;
    struct key_parts parts;
    uint8_t der[80];
    size_t der_n;
    struct map seen;
    struct live live;
    uint8_t digests[N_KEYS][32];
    struct key_claims claims;
    struct buf proof;
    struct es256_verifier *client; /* kept by the gate for a client key that it knows */
    struct secret *nonce_key;
    char jkt[KEY_JKT_LEN + 1];
} b;

static const char *const envs[] = { "prod" };
static const struct key_audience audience = { "https://rec.example.com", "https://rec.example.com/v1/replay", envs, 1 };

static double first_sight(void *ctx)
{
    struct key_claims c;

    (void) ctx;
    for (int i = 0; i < N_SIGN; i++)
        bench_need(key_check(buf_span(&b.token), &b.ring, &audience, (time_ms) NOW_S * 1000, &c, NULL, NULL) == KEY_OK, "key_check");
    return N_SIGN;
}

static double bare_es256(void *ctx)
{
    EVP_MD_CTX *m = EVP_MD_CTX_new();

    (void) ctx;
    for (int i = 0; i < N_SIGN; i++) {
        bench_need(EVP_DigestVerifyInit(m, NULL, EVP_sha256(), NULL, b.pkey) == 1 &&
                       EVP_DigestVerify(m, b.der, b.der_n, b.parts.signed_part.p, b.parts.signed_part.n) == 1, "EVP_DigestVerify");
    }
    EVP_MD_CTX_free(m);
    return N_SIGN;
}

/* A key whose signature was checked before: SHA-256 of its bytes, the table of keys, its times, the live-grant table. */
static double known(void *ctx)
{
    uint8_t digest[32];
    const struct key_claims *c;

    (void) ctx;
    for (int i = 0; i < N_PROBE; i++) {
        sha256(buf_span(&b.token), digest);
        c = map_get(&b.seen, SPAN_OF(digest));
        bench_need(c != NULL && key_check_time(c, (time_ms) NOW_S * 1000, NULL) == KEY_OK &&
                       live_check(&b.live, span_str(c->jti), span_str(c->gid), c->gen, (time_ms) NOW_S * 1000, 1000, NULL) == LIVE_OK,
                   "probe");
    }
    return N_PROBE;
}

/* The bytes that were let in last on this connection (gate/peer.h): no digest is made, all else is as above. */
static double same_bytes(void *ctx)
{
    const uint8_t *kept = ctx;
    const struct key_claims *c;

    for (int i = 0; i < N_PROBE; i++) {
        bench_need(secret_equal(kept, b.token.p, b.token.n), "the same bytes");
        c = map_get(&b.seen, SPAN_OF(b.digests[0]));
        bench_need(c != NULL && key_check_time(c, (time_ms) NOW_S * 1000, NULL) == KEY_OK &&
                       live_check(&b.live, span_str(c->jti), span_str(c->gid), c->gen, (time_ms) NOW_S * 1000, 1000, NULL) == LIVE_OK,
                   "probe");
    }
    return N_PROBE;
}

static bool our_origin(const void *ctx, struct span origin)
{
    (void) ctx;
    return span_eq_str(origin, "https://rec.example.com");
}

/* A request under a bound key that is known: the key by its digest, and a proof that was never seen. */
static double proof(void *ctx)
{
    uint8_t digest[32];

    (void) ctx;
    for (int i = 0; i < N_SIGN; i++) {
        const struct dpop_want want = { .method = "GET", .path = SPAN("/v1/replay/r_2Dz2Sr-SnSlnd8aT/chunks/17"), .origin_ok = our_origin,
                                        .ath = digest, .jkt = b.jkt, .nonce_key = b.nonce_key, .node = 1, .now_s = 1000 };
        struct dpop_parts parts;
        struct dpop_claims claims;

        sha256(buf_span(&b.token), digest);
        bench_need(map_get(&b.seen, SPAN_OF(digest)) != NULL && dpop_begin(buf_span(&b.proof), &parts) == DPOP_OK &&
                       dpop_finish(&parts, b.client, &want, &claims, NULL) == DPOP_OK, "a proof");
    }
    return N_SIGN;
}

static double bare_sha256(void *ctx)
{
    uint8_t digest[32];
    unsigned n;

    (void) ctx;
    for (int i = 0; i < N_PROBE; i++)
        bench_need(EVP_Digest(b.token.p, b.token.n, digest, &n, EVP_sha256(), NULL) == 1, "EVP_Digest");
    return N_PROBE;
}

static void make_openssl_key(const uint8_t pub[ES256_PUB_LEN])
{
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL);
    OSSL_PARAM_BLD *build = OSSL_PARAM_BLD_new();
    OSSL_PARAM *params;
    uint8_t point[65] = { 4 };

    memcpy(point + 1, pub, 64);
    bench_need(OSSL_PARAM_BLD_push_utf8_string(build, OSSL_PKEY_PARAM_GROUP_NAME, "P-256", 0) == 1 &&
                   OSSL_PARAM_BLD_push_octet_string(build, OSSL_PKEY_PARAM_PUB_KEY, point, sizeof(point)) == 1, "OSSL_PARAM");
    params = OSSL_PARAM_BLD_to_param(build);
    bench_need(EVP_PKEY_fromdata_init(ctx) == 1 && EVP_PKEY_fromdata(ctx, &b.pkey, EVP_PKEY_PUBLIC_KEY, params) == 1, "EVP_PKEY_fromdata");
    OSSL_PARAM_free(params);
    OSSL_PARAM_BLD_free(build);
    EVP_PKEY_CTX_free(ctx);
}

/* The same signature as DER, which is what OpenSSL takes. */
static void make_der(struct span raw)
{
    ECDSA_SIG *sig = ECDSA_SIG_new();
    uint8_t *to = b.der;

    bench_need(raw.n == 64 && ECDSA_SIG_set0(sig, BN_bin2bn(raw.p, 32, NULL), BN_bin2bn(raw.p + 32, 32, NULL)) == 1, "ECDSA_SIG");
    b.der_n = (size_t) i2d_ECDSA_SIG(sig, &to);
    ECDSA_SIG_free(sig);
}

static void make_key(void)
{
    struct es256_signer *signer = NULL;
    struct secret *priv = NULL, *none = NULL;
    uint8_t pub[ES256_PUB_LEN], raw[64];
    char kid[KEY_KID_LEN + 1];
    size_t n = 0;

    b.claims = (struct key_claims){
        .iss = "https://rec.example.com", .aud = "https://rec.example.com/v1/replay", .sub = "u_8zYGTnU-_hqeQ2Lx",
        .client_id = "web", .jti = "BXqH0cJLlQzHgCOqSMGAMA", .iat = NOW_S - 10, .nbf = NOW_S - 10, .exp = NOW_S + 50,
        .scope = KEY_SCOPE_PLAY, .pid = "p_zNe2lKL4dQxW8s0b", .env = "prod", .gid = "g_P_52yi_zKORYBdCS", .gen = 3,
        .rid = "r_2Dz2Sr-SnSlnd8aT", .wend = NOW_S + 3600, .ctx = "24hjfBS6sxztL5EjzTrzXQ",
    };
    b.token = BUF_INIT(2048);
    bench_need(es256_generate(&priv, pub, NULL) == ERR_OK && es256_signer_new(priv, pub, &signer, NULL) == ERR_OK &&
                   key_ring_add(&b.ring, pub, &none, NULL) == ERR_OK, "a key pair");
    key_kid(pub, kid);
    bench_need(key_sign(&b.claims, kid, signer, &b.token, NULL) == ERR_OK, "key_sign");
    bench_need(key_split(buf_span(&b.token), &b.parts, NULL) == KEY_OK &&
                   base64url_parse(b.parts.signature, raw, sizeof(raw), &n), "key_split");
    make_openssl_key(pub);
    make_der(span_of(raw, n));
    (void) es256_signer_free(signer);
    (void) secret_free(priv);
}

static void make_proof(void)
{
    char nonce[DPOP_NONCE_LEN + 1];
    struct es256_signer *signer = NULL;
    struct secret *priv = NULL;
    struct dpop_parts parts;
    uint8_t pub[ES256_PUB_LEN];
    struct dpop_make m = { .method = "GET", .url = "https://rec.example.com/v1/replay/r_2Dz2Sr-SnSlnd8aT/chunks/17", .iat = NOW_S,
                           .key = buf_span(&b.token) };

    b.proof = BUF_INIT(DPOP_LEN_MAX);
    bench_need((b.nonce_key = secret_random(32)) != NULL && es256_generate(&priv, pub, NULL) == ERR_OK &&
                   es256_signer_new(priv, pub, &signer, NULL) == ERR_OK && es256_verifier_new(pub, &b.client, NULL) == ERR_OK, "a client key");
    bench_need(dpop_write(&m, signer, pub, &b.proof, NULL) == ERR_OK && dpop_begin(buf_span(&b.proof), &parts) == DPOP_OK, "dpop_write");
    memcpy(b.jkt, parts.jkt, sizeof(b.jkt));
    dpop_nonce_make(b.nonce_key, 1, 990, b.jkt, nonce); /* the nonce names the client key, which is known only now */
    m.nonce = span_str(nonce);
    buf_reset(&b.proof);
    bench_need(dpop_write(&m, signer, pub, &b.proof, NULL) == ERR_OK, "dpop_write");
    (void) es256_signer_free(signer);
    (void) secret_free(priv);
}

static void make_tables(void)
{
    static const uint8_t secret[16] = "bench table";
    struct live_grant g = { .pid = "p_zNe2lKL4dQxW8s0b", .sub = "u_8zYGTnU-_hqeQ2Lx", .state = GRANT_ACTIVE, .gen = 3,
                            .wend = (NOW_S + 3600) * 1000LL, .deadline = 3600000 };

    map_init(&b.seen, secret, N_KEYS);
    live_init(&b.live, secret);
    for (int i = 0; i < N_KEYS; i++) {
        (void) snprintf(g.gid, sizeof(g.gid), i == 0 ? "g_P_52yi_zKORYBdCS" : "g_%016d", i);
        sha256(i == 0 ? buf_span(&b.token) : span_str(g.gid), b.digests[i]);
        bench_need(map_put(&b.seen, SPAN_OF(b.digests[i]), &b.claims, NULL) && live_put(&b.live, &g, NULL) == ERR_OK, "tables");
    }
}

int main(void)
{
    static uint8_t kept[KEY_LEN_MAX];
    const struct bench_case cases[] = {
        { "bare ES256 check (OpenSSL)", "checks", NULL, bare_es256, NULL },
        { "key: first sight", "checks", "bare ES256 check (OpenSSL)", first_sight, NULL },
        { "key: known, with a new proof", "checks", "bare ES256 check (OpenSSL)", proof, NULL },
        { "bare SHA-256 of the key (OpenSSL)", "checks", NULL, bare_sha256, NULL },
        { "key: by digest, with the live grant", "checks", "bare SHA-256 of the key (OpenSSL)", known, NULL },
        { "key: same bytes on the connection", "checks", "bare SHA-256 of the key (OpenSSL)", same_bytes, kept },
    };

    make_key();
    memcpy(kept, b.token.p, b.token.n);
    make_tables();
    make_proof();
    return bench_run(cases, sizeof(cases) / sizeof(cases[0]));
}
