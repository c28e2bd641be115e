#include "format/key.h"

#include <stdio.h>

#include "codec/base64.h"
#include "crypto/hash.h"

static const struct {
    const char *code;
    unsigned status;
} verdicts[KEY_N_] = {
    [KEY_OK] = { "ok", 200 },
    [KEY_INVALID_REQUEST] = { "invalid-request", 400 },
    [KEY_MISSING] = { "key-missing", 401 },
    [KEY_MALFORMED] = { "key-malformed", 401 },
    [KEY_FORGED] = { "key-forged", 401 },
    [KEY_NOT_YET] = { "key-not-yet", 401 },
    [KEY_EXPIRED] = { "key-expired", 401 },
    [KEY_REVOKED] = { "key-revoked", 401 },
    [KEY_BINDING] = { "key-binding", 401 },
    [KEY_GRANT_ENDED] = { "grant-ended", 403 },
    [KEY_GRANT_SUSPENDED] = { "grant-suspended", 403 },
    [KEY_SCOPE] = { "scope", 403 },
    [KEY_RECORDING_MISMATCH] = { "recording-mismatch", 403 },
    [KEY_QUOTA] = { "quota", 403 },
    [KEY_RATE_LIMITED] = { "rate-limited", 429 },
    [KEY_AUTHORITY_STALE] = { "authority-stale", 503 },
    [KEY_KEEPER_UNAVAILABLE] = { "keeper-unavailable", 503 },
    [KEY_AUDIT_UNAVAILABLE] = { "audit-unavailable", 503 },
    [KEY_AUDIT_SPACE] = { "audit-space", 503 },
    [KEY_CLOCK_UNTRUSTED] = { "clock-untrusted", 503 },
};

bool key_verdict_valid(unsigned v)
{
    return v < KEY_N_;
}

const char *key_verdict_code(enum key_verdict v)
{
    return key_verdict_valid((unsigned) v) ? verdicts[v].code : "internal";
}

unsigned key_verdict_status(enum key_verdict v)
{
    return key_verdict_valid((unsigned) v) ? verdicts[v].status : 500;
}

/* ---- scope ---- */

static const struct {
    unsigned bit;
    const char *word;
} scopes[] = {
    { KEY_SCOPE_PLAY, "play" },     { KEY_SCOPE_LIVE, "live" }, { KEY_SCOPE_UNMASK, "unmask" },
    { KEY_SCOPE_EXPORT, "export" }, { KEY_SCOPE_BG, "bg" },
};
#define N_SCOPES (sizeof(scopes) / sizeof(scopes[0]))

static bool scope_ok(unsigned bits)
{
    unsigned without_bg = bits & ~(unsigned) KEY_SCOPE_BG;

    if (without_bg == 0)
        return false;
    if ((without_bg & KEY_SCOPE_EXPORT) != 0)
        return without_bg == KEY_SCOPE_EXPORT;
    return (without_bg & KEY_SCOPE_UNMASK) == 0 || (without_bg & (KEY_SCOPE_PLAY | KEY_SCOPE_LIVE)) != 0;
}

bool key_scope_parse(struct span text, unsigned *ret_bits)
{
    unsigned bits = 0;
    struct span word, rest = text;
    bool more;

    do {
        unsigned bit = 0;

        more = span_cut(rest, ' ', &word, &rest);
        for (size_t i = 0; i < N_SCOPES; i++) {
            if (span_eq_str(word, scopes[i].word))
                bit = scopes[i].bit;
        }
        if (bit == 0 || (bits & bit) != 0)
            return false;
        bits |= bit;
    } while (more);
    if (!scope_ok(bits))
        return false;
    *ret_bits = bits;
    return true;
}

bool key_scope_text(unsigned bits, char text[KEY_SCOPE_TEXT_CAP])
{
    size_t n = 0;

    text[0] = '\0';
    if (bits >= 1u << N_SCOPES || !scope_ok(bits))
        return false;
    for (size_t i = 0; i < N_SCOPES; i++) {
        if ((bits & scopes[i].bit) != 0)
            n += (size_t) snprintf(text + n, KEY_SCOPE_TEXT_CAP - n, "%s%s", n > 0 ? " " : "", scopes[i].word);
    }
    return true;
}

/* ---- ids of public keys ---- */

/* base64url of a fixed number of bytes, with a NUL. The caller's array fits. */
static void spell(struct span bytes, char *out, size_t len)
{
    (void) base64url_str(bytes.p, bytes.n, out, len + 1);
}

void key_thumbprint(const uint8_t pub[ES256_PUB_LEN], uint8_t out[32])
{
    char x[KEY_JKT_LEN + 1], y[KEY_JKT_LEN + 1], json[160];

    spell(span_of(pub, 32), x, KEY_JKT_LEN);
    spell(span_of(pub + 32, 32), y, KEY_JKT_LEN);
    (void) snprintf(json, sizeof(json), "{\"crv\":\"P-256\",\"kty\":\"EC\",\"x\":\"%s\",\"y\":\"%s\"}", x, y);
    sha256(span_str(json), out);
}

void key_kid(const uint8_t pub[ES256_PUB_LEN], char kid[KEY_KID_LEN + 1])
{
    uint8_t t[32];

    key_thumbprint(pub, t);
    spell(span_of(t, 8), kid, KEY_KID_LEN);
}

void key_jkt(const uint8_t pub[ES256_PUB_LEN], char jkt[KEY_JKT_LEN + 1])
{
    uint8_t t[32];

    key_thumbprint(pub, t);
    spell(SPAN_OF(t), jkt, KEY_JKT_LEN);
}

/* ---- ring ---- */

void key_ring_deinit(struct key_ring *ring)
{
    for (size_t i = 0; i < ring->n; i++) {
        es256_verifier_free(ring->keys[i].verifier);
        secret_free(ring->keys[i].k_ctx);
    }
    *ring = (struct key_ring){ .n = 0 };
}

const struct key_ring_entry *key_ring_find(const struct key_ring *ring, struct span kid)
{
    for (size_t i = 0; i < ring->n; i++) {
        if (span_eq_str(kid, ring->keys[i].kid))
            return &ring->keys[i];
    }
    return NULL;
}

enum err key_ring_add(struct key_ring *ring, const uint8_t pub[ES256_PUB_LEN], struct secret **k_ctx,
                      struct err_info *reterr)
{
    struct key_ring_entry e = { .alg = KEY_ALG_ES256 };

    if (ring->n == KEY_RING_CAP)
        return ERR_RAISE(reterr, ERR_LIMIT, "key ring: %d keys are the most", KEY_RING_CAP);
    key_kid(pub, e.kid);
    if (key_ring_find(ring, span_str(e.kid)) != NULL)
        return ERR_RAISE(reterr, ERR_EXISTS, "key ring: %s is there already", e.kid);
    TRY(es256_verifier_new(pub, &e.verifier, reterr));
    e.k_ctx = TAKE(*k_ctx);
    ring->keys[ring->n++] = e;
    return ERR_OK;
}

/* ---- binding ---- */

size_t key_prefix(struct span addr, uint8_t out[KEY_PREFIX_MAX])
{
    static const uint8_t mapped[12] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff };

    if (addr.n == 16 && memcmp(addr.p, mapped, sizeof(mapped)) == 0)
        addr = span_sub(addr, 12, 4);
    if (addr.n == 4) {
        out[0] = 4;
        memcpy(out + 1, addr.p, 3);
        return 4;
    }
    if (addr.n == 16) {
        out[0] = 6;
        memcpy(out + 1, addr.p, 6);
        return 7;
    }
    return 0;
}

void key_ctx(const struct secret *k_ctx, struct span prefix, char out[KEY_CTX_LEN + 1])
{
    uint8_t mac[32];

    hmac_sha256(secret_span(k_ctx), prefix, mac);
    spell(span_of(mac, 16), out, KEY_CTX_LEN);
}

bool key_ctx_equal(const struct key_claims *c, const struct secret *k_ctx, struct span prefix)
{
    char want[KEY_CTX_LEN + 1];

    key_ctx(k_ctx, prefix, want);
    return want[0] != '\0' && secret_equal(want, c->ctx, KEY_CTX_LEN);
}
