/*
 * A filter for tests/system/differential.py: one line in, one verdict out, by the code that the gate uses.
 *
 *   key   <pub hex> <now ms> <iss> <aud> <env> <token>
 *   proof <method> <path> <origin> <ath hex or -> <jkt or -> <nonce key hex> <node> <now s> <proof>
 *
 * Fields are separated by one blank; token and proof are base64 of the bytes as received, or - for none.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hex.h"
#include "codec/base64.h"
#include "format/dpop.h"
#include "format/key.h"

#define LINE_CAP 65536

static struct span field(struct span *rest)
{
    struct span word = SPAN_EMPTY;

    (void) span_cut(*rest, ' ', &word, rest);
    return word;
}

static void die(const char *what)
{
    (void) fprintf(stderr, "verdicts: %s\n", what);
    exit(2);
}

static void bytes_of(struct span hex, void *out, size_t n)
{
    size_t got;

    if (!hex_parse(hex, out, n, &got) || got != n)
        die("not so many hex digits");
}

static void text_of(struct span s, char *out, size_t cap)
{
    if (!span_to_str(s, out, cap))
        die("a field is too long");
}

static void received(struct span word, struct buf *out)
{
    static uint8_t bytes[LINE_CAP];
    size_t n;

    if (span_eq_str(word, "-"))
        return;
    if (!base64_parse(word, bytes, sizeof(bytes), &n))
        die("not base64");
    buf_add(out, bytes, n);
}

static long long number(struct span s)
{
    char text[32];

    text_of(s, text, sizeof(text));
    return atoll(text);
}

static const char *check_key(struct span rest)
{
    static struct key_claims claims;
    struct key_ring ring = { 0 };
    struct buf token = BUF_INIT(LINE_CAP);
    char iss[256], aud[256], env[256];
    const char *envs[] = { env };
    struct key_audience want = { .iss = iss, .aud = aud, .envs = envs, .n_envs = 1 };
    struct secret *none = NULL;
    uint8_t pub[ES256_PUB_LEN];
    enum key_verdict v;
    time_ms now;

    bytes_of(field(&rest), pub, sizeof(pub));
    now = number(field(&rest));
    text_of(field(&rest), iss, sizeof(iss));
    text_of(field(&rest), aud, sizeof(aud));
    text_of(field(&rest), env, sizeof(env));
    received(field(&rest), &token);
    if (key_ring_add(&ring, pub, &none, NULL) != ERR_OK)
        die("not a key");
    v = key_check(buf_span(&token), &ring, &want, now, &claims, NULL, NULL);
    key_ring_deinit(&ring);
    buf_deinit(&token);
    return key_verdict_code(v);
}

static bool origin_is(const void *ctx, struct span origin)
{
    return span_eq_str(origin, ctx);
}

static const char *check_proof(struct span rest)
{
    static struct dpop_claims claims;
    struct buf proof = BUF_INIT(LINE_CAP);
    char method[64], path[1024], origin[256], jkt[64], ath_hex[80];
    uint8_t ath[32], nonce_key[32];
    struct dpop_want want = { .method = method, .origin_ok = origin_is, .origin_ctx = origin };
    struct dpop_parts parts;
    struct secret *k;
    enum dpop_verdict v;

    text_of(field(&rest), method, sizeof(method));
    text_of(field(&rest), path, sizeof(path));
    text_of(field(&rest), origin, sizeof(origin));
    text_of(field(&rest), ath_hex, sizeof(ath_hex));
    text_of(field(&rest), jkt, sizeof(jkt));
    bytes_of(field(&rest), nonce_key, sizeof(nonce_key));
    want.node = (uint16_t) number(field(&rest));
    want.now_s = (uint32_t) number(field(&rest));
    received(field(&rest), &proof);
    want.path = span_str(path);
    if (strcmp(ath_hex, "-") != 0) {
        bytes_of(span_str(ath_hex), ath, sizeof(ath));
        want.ath = ath;
    }
    want.jkt = strcmp(jkt, "-") != 0 ? jkt : NULL;
    want.nonce_key = k = secret_of(SPAN_OF(nonce_key));
    if (k == NULL)
        die("no memory");
    v = dpop_check(buf_span(&proof), &want, &parts, &claims, NULL);
    secret_free(k);
    buf_deinit(&proof);
    return dpop_verdict_name(v);
}

int main(void)
{
    static char line[LINE_CAP];

    while (fgets(line, sizeof(line), stdin) != NULL) {
        struct span rest = span_of(line, strcspn(line, "\n")), word = field(&rest);

        if (span_eq_str(word, "key"))
            (void) puts(check_key(rest));
        else if (span_eq_str(word, "proof"))
            (void) puts(check_proof(rest));
        else
            die("what is this line?");
        (void) fflush(stdout);
    }
    return 0;
}
