/*
 * Provisioning keys. The first byte chooses: the rest is a whole token, a header, or a payload. The signature is left
 * out, so that the fuzzer reaches what lies behind it. What a payload means must come back the same when it is written
 * again by the vault's template.
 */
#include "codec/base64.h"
#include "format/key.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MUST(cond)                                                                                                     \
    do {                                                                                                               \
        if (!(cond))                                                                                                   \
            abort();                                                                                                   \
    } while (0)

/* A fixed point (RFC 6979 A.2.5), so that a header with its kid gets through. */
static const uint8_t pub[ES256_PUB_LEN] = {
    0x60, 0xfe, 0xd4, 0xba, 0x25, 0x5a, 0x9d, 0x31, 0xc9, 0x61, 0xeb, 0x74, 0xc6, 0x35, 0x6d, 0x68,
    0xc0, 0x49, 0xb8, 0x92, 0x3b, 0x61, 0xfa, 0x6c, 0xe6, 0x69, 0x62, 0x2e, 0x60, 0xf2, 0x9f, 0xb6,
    0x79, 0x03, 0xfe, 0x10, 0x08, 0xb8, 0xbc, 0x99, 0xa4, 0x1a, 0xe9, 0xe9, 0x56, 0x28, 0xbc, 0x64,
    0xf2, 0xf1, 0xb2, 0x0c, 0x2d, 0x7e, 0x9f, 0x51, 0x77, 0xa3, 0xc2, 0x94, 0xd4, 0x46, 0x22, 0x99,
};

static struct key_ring *ring(void)
{
    static struct key_ring r;
    struct secret *none = NULL;

    if (r.n == 0)
        MUST(key_ring_add(&r, pub, &none, NULL) == ERR_OK);
    return &r;
}

static void again(const struct key_claims *c)
{
    struct buf out = BUF_INIT(4096);
    struct key_parts parts;
    struct key_claims back;

    /* texts that the template cannot write, and keys that get too long, are refused */
    if (key_write(c, "AAAAAAAAAAA", &out, NULL) == ERR_OK) {
        buf_add_str(&out, ".AAAA");
        MUST(key_split(buf_span(&out), &parts, NULL) == KEY_OK);
        MUST(key_parse_payload(&parts, &back, NULL, NULL) == KEY_OK);
        MUST(memcmp(c, &back, sizeof(back)) == 0);
    }
    buf_deinit(&out);
}

static void token(struct span in)
{
    static const char *const envs[] = { "prod" };
    const struct key_audience aud = { "https://rec.example.com", "https://rec.example.com/v1/replay", envs, 1 };
    const struct key_ring_entry *key = NULL;
    struct key_parts p;
    struct key_claims c;

    memset(&c, 0, sizeof(c));
    MUST(key_check(in, ring(), &aud, 1793000010000, &c, NULL, NULL) != KEY_OK); /* nobody has the private key here */
    if (key_split(in, &p, NULL) != KEY_OK)
        return;
    MUST(in.n <= KEY_LEN_MAX && p.signed_part.n + 1 + p.signature.n == in.n);
    if (key_parse_header(&p, ring(), &key, NULL) == KEY_OK) {
        MUST(key == &ring()->keys[0]);
        (void) key_verify(&p, key, NULL); /* a verdict; what it is, key_check told */
    }
    if (key_parse_payload(&p, &c, NULL, NULL) == KEY_OK) {
        again(&c);
        (void) key_check_time(&c, 1793000010000, NULL); /* for the sanitizers */
        (void) key_check_audience(&c, &aud, NULL);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct buf t = BUF_INIT(1 << 20);
    struct span rest;

    if (size < 1 || size > 4096)
        return 0;
    rest = span_of(data + 1, size - 1);
    switch (data[0] % 3) {
    case 0:
        buf_add_span(&t, rest);
        break;
    case 1:
        base64url_add(&t, rest);
        buf_add_str(&t, ".e30.AAAA");
        break;
    default:
        buf_add_str(&t, "e30.");
        base64url_add(&t, rest);
        buf_add_str(&t, ".AAAA");
        break;
    }
    if (!t.failed)
        token(buf_span(&t));
    buf_deinit(&t);
    return 0;
}
