/*
 * Proofs of possession. The first byte chooses: a whole proof, a header, a payload, an address, or what a client would ask
 * dpop_write for. Headers and payloads are signed here with a fixed key, so that the fuzzer reaches what lies behind the
 * signature. Nothing may pass that was not meant for exactly this request.
 */
#include "codec/base64.h"
#include "crypto/hash.h"
#include "format/dpop.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MUST(cond)                                                                                                     \
    do {                                                                                                               \
        if (!(cond))                                                                                                   \
            abort();                                                                                                   \
    } while (0)

#define ORIGIN "https://rec.example.com"
#define PATH   "/v1/login"

/* RFC 6979 A.2.5. */
static const uint8_t private_key[32] = {
    0xc9, 0xaf, 0xa9, 0xd8, 0x45, 0xba, 0x75, 0x16, 0x6b, 0x5c, 0x21, 0x57, 0x67, 0xb1, 0xd6, 0x93,
    0x4e, 0x50, 0xc3, 0xdb, 0x36, 0xe8, 0x9b, 0x12, 0x7b, 0x8a, 0x62, 0x2b, 0x12, 0x0f, 0x67, 0x21,
};
static const uint8_t pub[ES256_PUB_LEN] = {
    0x60, 0xfe, 0xd4, 0xba, 0x25, 0x5a, 0x9d, 0x31, 0xc9, 0x61, 0xeb, 0x74, 0xc6, 0x35, 0x6d, 0x68,
    0xc0, 0x49, 0xb8, 0x92, 0x3b, 0x61, 0xfa, 0x6c, 0xe6, 0x69, 0x62, 0x2e, 0x60, 0xf2, 0x9f, 0xb6,
    0x79, 0x03, 0xfe, 0x10, 0x08, 0xb8, 0xbc, 0x99, 0xa4, 0x1a, 0xe9, 0xe9, 0x56, 0x28, 0xbc, 0x64,
    0xf2, 0xf1, 0xb2, 0x0c, 0x2d, 0x7e, 0x9f, 0x51, 0x77, 0xa3, 0xc2, 0x94, 0xd4, 0x46, 0x22, 0x99,
};

static struct {
    struct es256_signer *signer;
    struct secret *nonce_key;
    char jkt[KEY_JKT_LEN + 1], nonce[DPOP_NONCE_LEN + 1];
} fixed;

/*
 * OpenSSL's random generator, made at the first signature, is reachable only from its locked heap, where LeakSanitizer does not
 * look: what it takes then is no leak.
 */
void __lsan_disable(void) __attribute__((weak));
void __lsan_enable(void) __attribute__((weak));

static void prepare(void)
{
    static const uint8_t zero[32];
    uint8_t sig[ES256_SIG_LEN];
    struct secret *s;

    if (fixed.signer != NULL)
        return;
    s = secret_of(SPAN_OF(private_key));
    MUST(s != NULL && es256_signer_new(s, pub, &fixed.signer, NULL) == ERR_OK);
    secret_free(s);
    fixed.nonce_key = secret_of(SPAN_OF(zero));
    key_jkt(pub, fixed.jkt);
    dpop_nonce_make(fixed.nonce_key, 1, 100, fixed.jkt, fixed.nonce);
    if (__lsan_disable != NULL)
        __lsan_disable();
    MUST(es256_sign(fixed.signer, SPAN("first"), sig, NULL) == ERR_OK);
    if (__lsan_enable != NULL)
        __lsan_enable();
}

static bool ours(const void *ctx, struct span origin)
{
    (void) ctx;
    return span_eq_str(origin, ORIGIN);
}

/* Anything that passes says what the request was, whoever wrote it. */
static void check(struct span proof)
{
    const struct dpop_want want = { .method = "POST", .path = SPAN(PATH), .origin_ok = ours,
                                    .nonce_key = fixed.nonce_key, .node = 1, .now_s = 110 };
    struct dpop_parts parts;
    struct dpop_claims c;
    bool renew = false;

    memset(&c, 0, sizeof(c));
    switch (dpop_check(proof, &want, &parts, &c, &renew)) {
    case DPOP_OK:
        MUST(proof.n <= DPOP_LEN_MAX && strcmp(c.htm, "POST") == 0 && c.ath[0] == '\0' && c.jti[0] != '\0');
        MUST(strcmp(parts.jkt, fixed.jkt) == 0 && strcmp(c.nonce, fixed.nonce) == 0 && c.iat >= 0 && !renew);
        MUST(dpop_htu_is(span_str(c.htu), want.path, ours, NULL));
        break;
    case DPOP_HTM:
    case DPOP_HTU:
    case DPOP_ATH:
    case DPOP_NONCE:
        MUST(c.htm[0] != '\0' && c.htu[0] != '\0' && c.jti[0] != '\0');
        break;
    case DPOP_MISSING:
        MUST(proof.n == 0);
        break;
    case DPOP_TOO_LONG:
        MUST(proof.n > DPOP_LEN_MAX);
        break;
    case DPOP_FORM:
    case DPOP_TYP:
    case DPOP_ALG:
    case DPOP_JWK:
    case DPOP_SIGNATURE:
    case DPOP_CLAIMS:
        break;
    case DPOP_TWO: /* the gate's to say */
    case DPOP_JKT:
    case DPOP_REPLAYED:
    case DPOP_FULL:
    case DPOP_N_:
        abort();
    }
}

static void sign_and_check(struct span header, struct span payload)
{
    struct buf b = BUF_INIT(1 << 16);
    uint8_t sig[ES256_SIG_LEN];

    base64url_add(&b, header);
    buf_add_c(&b, '.');
    base64url_add(&b, payload);
    if (!b.failed && es256_sign(fixed.signer, buf_span(&b), sig, NULL) == ERR_OK) {
        buf_add_c(&b, '.');
        base64url_add(&b, SPAN_OF(sig));
        check(buf_span(&b));
    }
    buf_deinit(&b);
}

static void with_header(struct span header)
{
    struct buf p = BUF_INIT(1024);

    buf_addf(&p, "{\"jti\":\"a\",\"htm\":\"POST\",\"htu\":\"" ORIGIN PATH "\",\"iat\":1,\"nonce\":\"%s\"}", fixed.nonce);
    sign_and_check(header, buf_span(&p));
    buf_deinit(&p);
}

static void with_payload(struct span payload)
{
    struct buf h = BUF_INIT(1024);

    buf_add_str(&h, "{\"typ\":\"dpop+jwt\",\"alg\":\"ES256\",\"jwk\":{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"");
    base64url_add(&h, span_of(pub, 32));
    buf_add_str(&h, "\",\"y\":\"");
    base64url_add(&h, span_of(pub + 32, 32));
    buf_add_str(&h, "\"}}");
    sign_and_check(buf_span(&h), payload);
    buf_deinit(&h);
}

/* An address is itself, whatever it is, unless it has a bad escape; and something after it makes it another. */
static void address(struct span path)
{
    struct buf b = BUF_INIT(8192);
    bool same;

    if (path.n == 0 || path.p[0] != '/' || memchr(path.p, '?', path.n) != NULL || memchr(path.p, '#', path.n) != NULL)
        return;
    buf_add_str(&b, ORIGIN);
    buf_add_span(&b, path);
    same = dpop_htu_is(buf_span(&b), path, ours, NULL);
    MUST(same || memchr(path.p, '%', path.n) != NULL);
    buf_add_str(&b, "x");
    MUST(!dpop_htu_is(buf_span(&b), path, ours, NULL));
    buf_deinit(&b);
}

/* What we write we can read, up to the method and the address. */
static void written(struct span in)
{
    char method[64], url[2048];
    struct span head, rest;
    struct dpop_make m = { .method = method, .url = url, .nonce = span_str(fixed.nonce), .iat = 1 };
    struct buf b = BUF_INIT(DPOP_LEN_MAX);
    struct dpop_parts parts;

    (void) span_cut(in, ' ', &head, &rest);
    if (!span_to_str(head, method, sizeof(method)) || !span_to_str(rest, url, sizeof(url)))
        return;
    if (dpop_write(&m, fixed.signer, pub, &b, NULL) == ERR_OK) {
        MUST(b.n <= DPOP_LEN_MAX && dpop_begin(buf_span(&b), &parts) == DPOP_OK);
        MUST(strcmp(parts.jkt, fixed.jkt) == 0);
        check(buf_span(&b));
    } else {
        MUST(b.n == 0);
    }
    buf_deinit(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span rest;

    prepare();
    if (size < 1 || size > 4096)
        return 0;
    rest = span_of(data + 1, size - 1);
    switch (data[0] % 5) {
    case 0: check(rest); break;
    case 1: with_header(rest); break;
    case 2: with_payload(rest); break;
    case 3: address(rest); break;
    default: written(rest); break;
    }
    return 0;
}
