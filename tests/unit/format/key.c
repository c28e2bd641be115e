/*
 * Provisioning keys: exact bytes, time borders, scope words, address prefixes; and hostile keys, each signed with the
 * real key unless the case is about the signature, so that what refuses it is the rule under test.
 */
#include "test.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/hex.h"
#include "codec/base64.h"
#include "crypto/hash.h"
#include "format/jwks.h"
#include "format/key.h"

#define ISS "https://rec.example.com"
#define AUD "https://rec.example.com/v1/replay"
#define NOW_S 1793000010

static struct es256_signer *signer;
static struct key_ring ring;
static uint8_t pub[ES256_PUB_LEN];
static char kid[KEY_KID_LEN + 1];
static const char *const envs[] = { "prod", "staging" };
static const struct key_audience audience = { ISS, AUD, envs, 2 };

static const struct key_claims example = {
    .iss = ISS, .aud = AUD, .sub = "u_8zYGTnU-_hqeQ2Lx", .client_id = "web", .jti = "BXqH0cJLlQzHgCOqSMGAMA",
    .iat = 1793000000, .nbf = 1793000000, .exp = 1793000120, .scope = KEY_SCOPE_PLAY, .pid = "p_zNe2lKL4dQxW8s0b",
    .env = "prod", .gid = "g_P_52yi_zKORYBdCS", .gen = 3, .rid = "r_2Dz2Sr-SnSlnd8aT", .wend = 1793003600,
    .ctx = "24hjfBS6sxztL5EjzTrzXQ", .cnf_jkt = "ICkWQfDzkXs6kPqSM77L0lKYNMz9jj7aLmmvwcCulgo",
};

/* The payload of STANDARDS 1.3, as one line. */
#define HEAD_TEXT "{\"alg\":\"ES256\",\"typ\":\"at+jwt\",\"kid\":\"%s\"}"
static const char payload_text[] =
    "{\"iss\":\"https://rec.example.com\",\"aud\":\"https://rec.example.com/v1/replay\",\"sub\":\"u_8zYGTnU-_hqeQ2Lx\","
    "\"client_id\":\"web\",\"jti\":\"BXqH0cJLlQzHgCOqSMGAMA\",\"iat\":1793000000,\"nbf\":1793000000,\"exp\":1793000120,"
    "\"scope\":\"play\",\"pid\":\"p_zNe2lKL4dQxW8s0b\",\"env\":\"prod\",\"gid\":\"g_P_52yi_zKORYBdCS\",\"gen\":3,"
    "\"rid\":\"r_2Dz2Sr-SnSlnd8aT\",\"wend\":1793003600,\"ctx\":\"24hjfBS6sxztL5EjzTrzXQ\","
    "\"cnf\":{\"jkt\":\"ICkWQfDzkXs6kPqSM77L0lKYNMz9jj7aLmmvwcCulgo\"}}";

static int setup(void **state)
{
    struct secret *priv = NULL, *none = NULL;

    (void) state;
    assert_ok(es256_generate(&priv, pub, NULL));
    assert_ok(es256_signer_new(priv, pub, &signer, NULL));
    assert_ok(key_ring_add(&ring, pub, &none, NULL));
    key_kid(pub, kid);
    secret_free(priv);
    return 0;
}

static int teardown(void **state)
{
    (void) state;
    es256_signer_free(signer);
    key_ring_deinit(&ring);
    return 0;
}

/* header and payload as text, signed, into *out (deinit by the caller). */
static void make(struct span header, struct span payload, struct buf *out)
{
    uint8_t sig[64];

    *out = BUF_INIT(8192);
    base64url_add(out, header);
    buf_add_c(out, '.');
    base64url_add(out, payload);
    assert_ok(es256_sign(signer, buf_span(out), sig, NULL));
    buf_add_c(out, '.');
    base64url_add(out, SPAN_OF(sig));
}

static enum key_verdict check(struct span token, const char **cause)
{
    struct key_claims c;

    return key_check(token, &ring, &audience, (time_ms) NOW_S * 1000, &c, NULL, cause);
}

static unsigned n_hostile;

static void expect(const char *name, struct span token, enum key_verdict want)
{
    const char *cause = "";
    enum key_verdict got = check(token, &cause);

    n_hostile++;
    if (got != want)
        fail_msg("%s: got %s (%s), want %s", name, key_verdict_code(got), cause, key_verdict_code(want));
}

static void hostile(const char *name, const char *header, const char *payload, enum key_verdict want)
{
    struct buf b;

    make(span_str(header), span_str(payload), &b);
    expect(name, buf_span(&b), want);
    buf_deinit(&b);
}

static char *header_text(void)
{
    static char h[128];

    (void) snprintf(h, sizeof(h), HEAD_TEXT, kid);
    return h;
}

/* payload_text with the first 'from' replaced by 'to'. */
static const char *with(const char *from, const char *to)
{
    static char out[4096];
    const char *at = strstr(payload_text, from);

    assert_non_null(at);
    (void) snprintf(out, sizeof(out), "%.*s%s%s", (int) (at - payload_text), payload_text, to, at + strlen(from));
    return out;
}

static void the_standards_example(void **state)
{
    struct key_claims c = example;
    struct buf b = BUF_INIT(2048), text = BUF_INIT(2048);
    struct key_parts parts;
    uint8_t bytes[600];
    size_t n = 0;

    (void) state;
    assert_ok(key_sign(&c, "zAIXFns1pr8", signer, &b, NULL));
    assert_int_equal(b.n, 726);
    assert_int_equal(key_split(buf_span(&b), &parts, NULL), KEY_OK);
    assert_true(base64url_parse(parts.header, bytes, sizeof(bytes), &n));
    assert_span_str(span_of(bytes, n), "{\"alg\":\"ES256\",\"typ\":\"at+jwt\",\"kid\":\"zAIXFns1pr8\"}");
    assert_int_equal(n, 50);
    assert_true(base64url_parse(parts.payload, bytes, sizeof(bytes), &n));
    assert_span_str(span_of(bytes, n), payload_text);
    assert_int_equal(n, 428);
    buf_reset(&b);
    c.cnf_jkt[0] = '\0';
    c.exp = c.iat + 60;
    assert_ok(key_sign(&c, "zAIXFns1pr8", signer, &b, NULL));
    assert_int_equal(b.n, 646);
    buf_deinit(&b);
    buf_deinit(&text);
}

static void written_and_read_back(void **state)
{
    struct key_claims c = example, back;
    const struct key_ring_entry *key = NULL;
    struct buf b = BUF_INIT(2048);
    const char *cause = "";

    (void) state;
    c.scope = KEY_SCOPE_PLAY | KEY_SCOPE_LIVE | KEY_SCOPE_UNMASK | KEY_SCOPE_BG;
    c.gen = UINT32_MAX;
    buf_add_str(&b, "prefix "); /* key_sign appends, and signs only its own bytes */
    assert_ok(key_sign(&c, kid, signer, &b, NULL));
    memset(&back, 0xee, sizeof(back));
    assert_int_equal(key_check(span_sub(buf_span(&b), 7, b.n), &ring, &audience, (time_ms) NOW_S * 1000, &back, &key,
                               &cause), KEY_OK);
    assert_ptr_equal(key, &ring.keys[0]);
    assert_string_equal(back.iss, c.iss);
    assert_string_equal(back.aud, c.aud);
    assert_string_equal(back.sub, c.sub);
    assert_string_equal(back.client_id, c.client_id);
    assert_string_equal(back.jti, c.jti);
    assert_string_equal(back.pid, c.pid);
    assert_string_equal(back.env, c.env);
    assert_string_equal(back.gid, c.gid);
    assert_string_equal(back.rid, c.rid);
    assert_string_equal(back.ctx, c.ctx);
    assert_string_equal(back.cnf_jkt, c.cnf_jkt);
    assert_true(back.iat == c.iat && back.nbf == c.nbf && back.exp == c.exp && back.wend == c.wend);
    assert_int_equal(back.gen, c.gen);
    assert_int_equal(back.scope, c.scope);
    buf_deinit(&b);
}

static void unknown_claims_are_counted(void **state)
{
    struct key_claims c;
    struct key_parts parts;
    unsigned unknown = 99;
    struct buf b;

    (void) state;
    make(span_str(header_text()), span_str(with("\"gen\":3", "\"gen\":3,\"x\":[1,\"y\"],\"z\":null")), &b);
    assert_int_equal(key_split(buf_span(&b), &parts, NULL), KEY_OK);
    assert_int_equal(key_parse_payload(&parts, &c, &unknown, NULL), KEY_OK);
    assert_int_equal(unknown, 2);
    assert_int_equal(check(buf_span(&b), NULL), KEY_OK);
    buf_deinit(&b);
    make(span_str(header_text()), span_str(payload_text), &b);
    assert_int_equal(key_split(buf_span(&b), &parts, NULL), KEY_OK);
    assert_int_equal(key_parse_payload(&parts, &c, &unknown, NULL), KEY_OK);
    assert_int_equal(unknown, 0);
    buf_deinit(&b);
}

static void what_the_vault_refuses_to_write(void **state)
{
    static const struct {
        const char *name;
        size_t offset;
        const char *text;
    } texts[] = {
        { "quote in iss", offsetof(struct key_claims, iss), "https://a\"b" },
        { "backslash in aud", offsetof(struct key_claims, aud), "https://a\\b" },
        { "control in env", offsetof(struct key_claims, env), "a\nb" },
        { "non-ASCII env", offsetof(struct key_claims, env), "pr\xc3\xb6" "d" },
        { "empty iss", offsetof(struct key_claims, iss), "" },
        { "empty aud", offsetof(struct key_claims, aud), "" },
        { "empty env", offsetof(struct key_claims, env), "" },
        { "sub of a group", offsetof(struct key_claims, sub), "n_8zYGTnU-_hqeQ2Lx" },
        { "client", offsetof(struct key_claims, client_id), "curl" },
        { "jti short", offsetof(struct key_claims, jti), "BXqH0cJLlQzHgCOqSMGAM" },
        { "jti with trailing bits", offsetof(struct key_claims, jti), "BXqH0cJLlQzHgCOqSMGAMB" },
        { "pid", offsetof(struct key_claims, pid), "r_2Dz2Sr-SnSlnd8aT" },
        { "gid", offsetof(struct key_claims, gid), "" },
        { "rid", offsetof(struct key_claims, rid), "r_2Dz2Sr-SnSlnd8a" },
        { "ctx", offsetof(struct key_claims, ctx), "24hjfBS6sxztL5EjzTrzX" },
        { "jkt", offsetof(struct key_claims, cnf_jkt), "ICkWQfDzkXs6kPqSM77L0lKYNMz9jj7aLmmvwcCulg" },
    };
    static const struct {
        int64_t iat, nbf, exp, wend;
        bool bearer;
        enum err want;
    } times[] = {
        { 100, 100, 400, 400, false, ERR_OK },    { 100, 100, 401, 500, false, ERR_INVAL }, /* life */
        { 100, 100, 160, 500, true, ERR_OK },     { 100, 100, 161, 500, true, ERR_INVAL },  /* bearer's life */
        { 100, 100, 120, 119, false, ERR_INVAL }, { 100, 100, 120, 120, false, ERR_OK },    /* the window's end */
        { 100, 100, 100, 500, false, ERR_INVAL }, { 100, 121, 120, 500, false, ERR_INVAL },
        { -1, 0, 5, 500, false, ERR_INVAL },
    };
    struct buf b = BUF_INIT(4096);

    (void) state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct key_claims c = example;

        strcpy((char *) &c + texts[i].offset, texts[i].text);
        if (key_write(&c, kid, &b, NULL) != ERR_INVAL)
            fail_msg("%s was written", texts[i].name);
    }
    for (size_t i = 0; i < sizeof(times) / sizeof(times[0]); i++) {
        struct key_claims c = example;

        c.iat = times[i].iat, c.nbf = times[i].nbf, c.exp = times[i].exp, c.wend = times[i].wend;
        if (times[i].bearer)
            c.cnf_jkt[0] = '\0';
        if (key_write(&c, kid, &b, NULL) != times[i].want)
            fail_msg("times %zu", i);
    }
    buf_reset(&b);
    assert_err(key_write(&example, "short", &b, NULL), ERR_INVAL);
    assert_err(key_write(&example, "abcdefghij\"", &b, NULL), ERR_INVAL);
    {
        struct key_claims c = example;

        memset(c.iss, 'x', KEY_STRING_MAX);
        memset(c.aud, 'x', KEY_STRING_MAX);
        memset(c.env, 'x', KEY_STRING_MAX);
        assert_err(key_write(&c, kid, &b, NULL), ERR_LIMIT);
        c.scope = KEY_SCOPE_PLAY | KEY_SCOPE_EXPORT;
        assert_err(key_write(&c, kid, &b, NULL), ERR_INVAL);
    }
    assert_int_equal(b.n, 0);
    buf_deinit(&b);
}

static void times_at_their_borders(void **state)
{
    static const struct {
        time_ms now;
        enum key_verdict want;
    } cases[] = {
        { 1792999994999, KEY_NOT_YET }, /* nbf is 5,001 ms ahead */
        { 1792999995000, KEY_OK },      { 1793000119999, KEY_OK }, { 1793000120000, KEY_EXPIRED },
        { 1793000121000, KEY_EXPIRED }, { 0, KEY_NOT_YET },        { INT64_MAX - 10000, KEY_EXPIRED },
    };
    struct key_claims c = example;

    (void) state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        assert_int_equal(key_check_time(&c, cases[i].now, NULL), cases[i].want);
    c.nbf = 0; /* iat alone */
    assert_int_equal(key_check_time(&c, 1792999994999, NULL), KEY_NOT_YET);
}

static void scope_words(void **state)
{
    static const struct {
        const char *text;
        unsigned bits; /* 0: refused */
    } cases[] = {
        { "play", 1 }, { "live", 2 }, { "play live", 3 }, { "live play", 3 }, { "play unmask", 5 }, { "live unmask", 6 },
        { "play live unmask bg", 23 }, { "export", 8 }, { "export bg", 24 }, { "", 0 }, { "bg", 0 }, { "unmask", 0 },
        { "unmask bg", 0 }, { "export play", 0 }, { "export unmask", 0 }, { "play play", 0 }, { "play  live", 0 },
        { " play", 0 }, { "play ", 0 }, { "PLAY", 0 }, { "play,live", 0 }, { "admin", 0 }, { "play\tlive", 0 },
    };
    char text[KEY_SCOPE_TEXT_CAP];

    (void) state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        unsigned bits = 0;

        if (key_scope_parse(span_str(cases[i].text), &bits) != (cases[i].bits != 0) || bits != cases[i].bits)
            fail_msg("scope '%s'", cases[i].text);
        if (bits != 0) {
            unsigned back = 0;

            assert_true(key_scope_text(bits, text));
            assert_true(key_scope_parse(span_str(text), &back));
            assert_int_equal(back, bits);
        }
    }
    assert_true(key_scope_text(23, text));
    assert_string_equal(text, "play live unmask bg");
    assert_false(key_scope_text(0, text));
    assert_false(key_scope_text(32 | 1, text));
    assert_string_equal(text, "");
}

static void verdicts_have_words(void **state)
{
    (void) state;
    for (unsigned v = 0; v < KEY_N_; v++) {
        assert_true(key_verdict_valid(v));
        assert_true(strlen(key_verdict_code((enum key_verdict) v)) > 1);
        assert_true(v == 0 || key_verdict_status((enum key_verdict) v) >= 400);
    }
    assert_false(key_verdict_valid(KEY_N_));
    assert_string_equal(key_verdict_code(KEY_N_), "internal");
    assert_int_equal(key_verdict_status(KEY_N_), 500);
    assert_string_equal(key_verdict_code(KEY_RECORDING_MISMATCH), "recording-mismatch");
    assert_int_equal(key_verdict_status(KEY_EXPIRED), 401);
    assert_int_equal(key_verdict_status(KEY_QUOTA), 403);
    assert_int_equal(key_verdict_status(KEY_CLOCK_UNTRUSTED), 503);
}

/* RFC 7638's own example is RSA; this one is RFC 9449's: figure 2's key and the jkt of its access token (section 6.1). */
static void thumbprint_of_rfc9449(void **state)
{
    uint8_t p[64];
    size_t n = 0;
    char jkt[KEY_JKT_LEN + 1], k[KEY_KID_LEN + 1];

    (void) state;
    assert_true(base64url_parse(SPAN("l8tFrhx-34tV3hRICRDY9zCkDlpBhF42UQUfWVAWBFs"), p, 32, &n));
    assert_true(base64url_parse(SPAN("9VE4jf_Ok_o64zbTTlcuNJajHmt6v9TDVrU0CdvGRDA"), p + 32, 32, &n));
    key_jkt(p, jkt);
    assert_string_equal(jkt, "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I");
    key_kid(p, k);
    assert_string_equal(k, "0ZcOCORZNYw");
}

static void address_prefixes(void **state)
{
    static const struct {
        const char *addr, *prefix; /* hex */
    } cases[] = {
        { "c0000207", "04c00002" },
        { "c00002ff", "04c00002" },
        { "c0000307", "04c00003" },
        { "00000000000000000000ffffc0000207", "04c00002" },
        { "20010db8000100020003000400050006", "0620010db80001" },
        { "20010db80001ffff0003000400050006", "0620010db80001" },
        { "00000000000000000000000000000001", "06000000000000" },
        { "00000000000000000000fffec0000207", "06000000000000" },
    };
    CLEANUP(secret_freep) struct secret *k = secret_new(32);
    uint8_t addr[16], prefix[KEY_PREFIX_MAX], want[KEY_PREFIX_MAX];
    struct key_claims c = example;
    size_t n, n_want;

    (void) state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_true(hex_parse(span_str(cases[i].addr), addr, sizeof(addr), &n));
        assert_true(hex_parse(span_str(cases[i].prefix), want, sizeof(want), &n_want));
        n = key_prefix(span_of(addr, n), prefix);
        assert_span_eq(span_of(prefix, n), span_of(want, n_want));
    }
    assert_int_equal(key_prefix(span_of(addr, 5), prefix), 0);
    assert_int_equal(key_prefix(SPAN_EMPTY, prefix), 0);
    /* echo -n 04c00002 | xxd -r -p | openssl dgst -sha256 -mac HMAC -macopt hexkey:00…1f, first 16 bytes, base64url */
    for (size_t i = 0; i < 32; i++)
        secret_bytes(k)[i] = (uint8_t) i;
    n = key_prefix(SPAN("\xc0\x00\x02\x07"), prefix);
    key_ctx(k, span_of(prefix, n), c.ctx);
    assert_string_equal(c.ctx, "frIvnL6nIXDveYqgVBQ0NQ");
    assert_true(key_ctx_equal(&c, k, span_of(prefix, n)));
    n = key_prefix(SPAN("\xc0\x00\x03\x07"), prefix);
    assert_false(key_ctx_equal(&c, k, span_of(prefix, n)));
}

static void the_ring_is_small_and_exact(void **state)
{
    struct key_ring r = { .n = 0 };
    uint8_t p[64];
    char k[KEY_KID_LEN + 1];

    (void) state;
    for (size_t i = 0; i < KEY_RING_CAP; i++) {
        struct secret *priv = NULL, *ctx = secret_random(32);

        assert_ok(es256_generate(&priv, p, NULL));
        secret_free(priv);
        assert_ok(key_ring_add(&r, p, &ctx, NULL));
        assert_null(ctx);
        if (i == 0) {
            ctx = secret_random(32);
            assert_err(key_ring_add(&r, p, &ctx, NULL), ERR_EXISTS);
            assert_non_null(ctx);
            secret_free(ctx);
        }
    }
    key_kid(p, k);
    assert_ptr_equal(key_ring_find(&r, span_str(k)), &r.keys[7]);
    assert_null(key_ring_find(&r, span_str("../../../..")));
    assert_null(key_ring_find(&r, SPAN_EMPTY));
    assert_null(key_ring_find(&r, span_of(k, 10)));
    {
        struct secret *none = NULL;

        assert_err(key_ring_add(&r, pub, &none, NULL), ERR_LIMIT);
    }
    key_ring_deinit(&r);
    memset(p, 0, sizeof(p));
    {
        struct secret *none = NULL;

        assert_err(key_ring_add(&r, p, &none, NULL), ERR_INVAL);
    }
    assert_int_equal(r.n, 0);
}

/* ---- hostile keys ---- */

static void hostile_headers(void)
{
    static const struct {
        const char *name, *text; /* %s: the kid */
        enum key_verdict want;
    } cases[] = {
        { "alg none", "{\"alg\":\"none\",\"typ\":\"at+jwt\",\"kid\":\"%s\"}", KEY_FORGED },
        { "alg None", "{\"alg\":\"None\",\"typ\":\"at+jwt\",\"kid\":\"%s\"}", KEY_FORGED },
        { "alg nONE", "{\"alg\":\"nONE\",\"typ\":\"at+jwt\",\"kid\":\"%s\"}", KEY_FORGED },
        { "alg empty", "{\"alg\":\"\",\"typ\":\"at+jwt\",\"kid\":\"%s\"}", KEY_FORGED },
        { "alg HS256", "{\"alg\":\"HS256\",\"typ\":\"at+jwt\",\"kid\":\"%s\"}", KEY_FORGED },
        { "alg ES384", "{\"alg\":\"ES384\",\"typ\":\"at+jwt\",\"kid\":\"%s\"}", KEY_FORGED },
        { "alg es256", "{\"alg\":\"es256\",\"typ\":\"at+jwt\",\"kid\":\"%s\"}", KEY_FORGED },
        { "alg ES256K", "{\"alg\":\"ES256K\",\"typ\":\"at+jwt\",\"kid\":\"%s\"}", KEY_FORGED },
        { "alg EdDSA", "{\"alg\":\"EdDSA\",\"typ\":\"at+jwt\",\"kid\":\"%s\"}", KEY_FORGED },
        { "alg RS256", "{\"alg\":\"RS256\",\"typ\":\"at+jwt\",\"kid\":\"%s\"}", KEY_FORGED },
        { "alg with a NUL", "{\"alg\":\"ES256\\u0000\",\"typ\":\"at+jwt\",\"kid\":\"%s\"}", KEY_MALFORMED },
        { "alg with a space", "{\"alg\":\"ES256 \",\"typ\":\"at+jwt\",\"kid\":\"%s\"}", KEY_FORGED },
        { "alg null", "{\"alg\":null,\"typ\":\"at+jwt\",\"kid\":\"%s\"}", KEY_MALFORMED },
        { "alg array", "{\"alg\":[\"ES256\"],\"typ\":\"at+jwt\",\"kid\":\"%s\"}", KEY_MALFORMED },
        { "alg number", "{\"alg\":256,\"typ\":\"at+jwt\",\"kid\":\"%s\"}", KEY_MALFORMED },
        { "no alg", "{\"typ\":\"at+jwt\",\"kid\":\"%s\"}", KEY_MALFORMED },
        { "no typ", "{\"alg\":\"ES256\",\"kid\":\"%s\"}", KEY_MALFORMED },
        { "typ JWT", "{\"alg\":\"ES256\",\"typ\":\"JWT\",\"kid\":\"%s\"}", KEY_MALFORMED },
        { "typ dpop+jwt", "{\"alg\":\"ES256\",\"typ\":\"dpop+jwt\",\"kid\":\"%s\"}", KEY_MALFORMED },
        { "typ act+jws", "{\"alg\":\"ES256\",\"typ\":\"act+jws\",\"kid\":\"%s\"}", KEY_MALFORMED },
        { "typ AT+JWT", "{\"alg\":\"ES256\",\"typ\":\"AT+JWT\",\"kid\":\"%s\"}", KEY_MALFORMED },
        { "typ null", "{\"alg\":\"ES256\",\"typ\":null,\"kid\":\"%s\"}", KEY_MALFORMED },
        { "jwk", "{\"alg\":\"ES256\",\"typ\":\"at+jwt\",\"kid\":\"%s\",\"jwk\":{\"kty\":\"EC\"}}", KEY_MALFORMED },
        { "jku", "{\"alg\":\"ES256\",\"typ\":\"at+jwt\",\"kid\":\"%s\",\"jku\":\"https://e.example\"}", KEY_MALFORMED },
        { "x5u", "{\"alg\":\"ES256\",\"typ\":\"at+jwt\",\"kid\":\"%s\",\"x5u\":\"https://e.example\"}", KEY_MALFORMED },
        { "x5c", "{\"alg\":\"ES256\",\"typ\":\"at+jwt\",\"kid\":\"%s\",\"x5c\":[\"MII\"]}", KEY_MALFORMED },
        { "crit", "{\"alg\":\"ES256\",\"typ\":\"at+jwt\",\"kid\":\"%s\",\"crit\":[\"b64\"]}", KEY_MALFORMED },
        { "crit empty", "{\"alg\":\"ES256\",\"typ\":\"at+jwt\",\"kid\":\"%s\",\"crit\":[]}", KEY_MALFORMED },
        { "b64", "{\"alg\":\"ES256\",\"typ\":\"at+jwt\",\"kid\":\"%s\",\"b64\":false}", KEY_MALFORMED },
        { "zip", "{\"alg\":\"ES256\",\"typ\":\"at+jwt\",\"kid\":\"%s\",\"zip\":\"DEF\"}", KEY_MALFORMED },
        { "enc", "{\"alg\":\"ES256\",\"typ\":\"at+jwt\",\"kid\":\"%s\",\"enc\":\"A256GCM\"}", KEY_MALFORMED },
        { "harmless fourth", "{\"alg\":\"ES256\",\"typ\":\"at+jwt\",\"kid\":\"%s\",\"a\":1}", KEY_MALFORMED },
        { "jwk for typ", "{\"alg\":\"ES256\",\"jwk\":\"at+jwt\",\"kid\":\"%s\"}", KEY_MALFORMED },
        { "alg twice", "{\"alg\":\"ES256\",\"alg\":\"none\",\"typ\":\"at+jwt\",\"kid\":\"%s\"}", KEY_MALFORMED },
        { "kid twice", "{\"alg\":\"ES256\",\"typ\":\"at+jwt\",\"kid\":\"%s\",\"kid\":\"x\"}", KEY_MALFORMED },
        { "alg twice, escaped", "{\"alg\":\"ES256\",\"\\u0061lg\":\"none\",\"kid\":\"%s\"}", KEY_MALFORMED },
        { "kid unknown", "{\"alg\":\"ES256\",\"typ\":\"at+jwt\",\"kid\":\"AAAAAAAAAAA\"}", KEY_FORGED },
        { "kid empty", "{\"alg\":\"ES256\",\"typ\":\"at+jwt\",\"kid\":\"\"}", KEY_FORGED },
        { "kid a path", "{\"alg\":\"ES256\",\"typ\":\"at+jwt\",\"kid\":\"../../../../dev/null\"}", KEY_FORGED },
        { "kid SQL", "{\"alg\":\"ES256\",\"typ\":\"at+jwt\",\"kid\":\"' OR 1=1 --\"}", KEY_FORGED },
        { "kid and more", "{\"alg\":\"ES256\",\"typ\":\"at+jwt\",\"kid\":\"%sA\"}", KEY_FORGED },
        { "kid with a NUL", "{\"alg\":\"ES256\",\"typ\":\"at+jwt\",\"kid\":\"%s\\u0000\"}", KEY_MALFORMED },
        { "kid number", "{\"alg\":\"ES256\",\"typ\":\"at+jwt\",\"kid\":1}", KEY_MALFORMED },
        { "kid null", "{\"alg\":\"ES256\",\"typ\":\"at+jwt\",\"kid\":null}", KEY_MALFORMED },
        { "no kid", "{\"alg\":\"ES256\",\"typ\":\"at+jwt\"}", KEY_MALFORMED },
        { "array", "[\"ES256\",\"at+jwt\",\"%s\"]", KEY_MALFORMED },
        { "string", "\"%s\"", KEY_MALFORMED },
        { "null", "null", KEY_MALFORMED },
        { "not JSON", "alg=ES256", KEY_MALFORMED },
        { "cut", "{\"alg\":\"ES256\",\"typ\":\"at+jwt\",\"kid\":\"%s\"", KEY_MALFORMED },
        { "trailing", "{\"alg\":\"ES256\",\"typ\":\"at+jwt\",\"kid\":\"%s\"}{}", KEY_MALFORMED },
        { "trailing comma", "{\"alg\":\"ES256\",\"typ\":\"at+jwt\",\"kid\":\"%s\",}", KEY_MALFORMED },
        { "comment", "{\"alg\":\"ES256\",/**/\"typ\":\"at+jwt\",\"kid\":\"%s\"}", KEY_MALFORMED },
        { "byte order mark", "\xef\xbb\xbf{\"alg\":\"ES256\",\"typ\":\"at+jwt\",\"kid\":\"%s\"}", KEY_MALFORMED },
        { "bad UTF-8", "{\"alg\":\"ES256\",\"typ\":\"at+jwt\xff\",\"kid\":\"%s\"}", KEY_MALFORMED },
        { "single quotes", "{'alg':'ES256','typ':'at+jwt','kid':'%s'}", KEY_MALFORMED },
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char h[512];

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
#pragma GCC diagnostic ignored "-Wformat-extra-args"
        (void) snprintf(h, sizeof(h), cases[i].text, kid);
#pragma GCC diagnostic pop
        hostile(cases[i].name, h, payload_text, cases[i].want);
    }
}

/* Each claim missing, of every other type, empty, too long, twice. */
static void hostile_claims(void)
{
    static const struct {
        const char *name, *member;
        bool number, required;
    } claims[] = {
        { "iss", "\"iss\":\"https://rec.example.com\"", false, true },
        { "aud", "\"aud\":\"https://rec.example.com/v1/replay\"", false, true },
        { "sub", "\"sub\":\"u_8zYGTnU-_hqeQ2Lx\"", false, true },
        { "client_id", "\"client_id\":\"web\"", false, true },
        { "jti", "\"jti\":\"BXqH0cJLlQzHgCOqSMGAMA\"", false, true },
        { "iat", "\"iat\":1793000000", true, true },
        { "nbf", "\"nbf\":1793000000", true, true },
        { "exp", "\"exp\":1793000120", true, true },
        { "scope", "\"scope\":\"play\"", false, true },
        { "pid", "\"pid\":\"p_zNe2lKL4dQxW8s0b\"", false, true },
        { "env", "\"env\":\"prod\"", false, true },
        { "gid", "\"gid\":\"g_P_52yi_zKORYBdCS\"", false, true },
        { "gen", "\"gen\":3", true, true },
        { "rid", "\"rid\":\"r_2Dz2Sr-SnSlnd8aT\"", false, true },
        { "wend", "\"wend\":1793003600", true, true },
        { "ctx", "\"ctx\":\"24hjfBS6sxztL5EjzTrzXQ\"", false, true },
        { "cnf", "\"cnf\":{\"jkt\":\"ICkWQfDzkXs6kPqSM77L0lKYNMz9jj7aLmmvwcCulgo\"}", false, false },
    };
    static const char *const values[] = {
        "null", "true", "[]", "\"\"", "-1", "1.5", "1e3", "1793000000.0", "-0", "9007199254740992",
        "99999999999999999999999", "\"a\\u0000b\"", "[\"https://rec.example.com/v1/replay\"]", "\"\\ud800\"",
    };

    for (size_t i = 0; i < sizeof(claims) / sizeof(claims[0]); i++) {
        char label[100], to[400];

        (void) snprintf(label, sizeof(label), "%s missing", claims[i].name);
        (void) snprintf(to, sizeof(to), "\"x\":1");
        /* without cnf this one lives too long for a bearer key, so that is refused as well */
        hostile(label, header_text(), with(claims[i].member, to), KEY_MALFORMED);
        for (size_t v = 0; v < sizeof(values) / sizeof(values[0]); v++) {
            (void) snprintf(label, sizeof(label), "%s = %s", claims[i].name, values[v]);
            (void) snprintf(to, sizeof(to), "\"%s\":%s", claims[i].name, values[v]);
            hostile(label, header_text(), with(claims[i].member, to), KEY_MALFORMED);
        }
        (void) snprintf(label, sizeof(label), "%s as the other type", claims[i].name);
        (void) snprintf(to, sizeof(to), "\"%s\":%s", claims[i].name, claims[i].number ? "\"1793000000\"" : "1793000000");
        hostile(label, header_text(), with(claims[i].member, to), KEY_MALFORMED);
        (void) snprintf(label, sizeof(label), "%s twice", claims[i].name);
        (void) snprintf(to, sizeof(to), "%s,%s", claims[i].member, claims[i].member);
        hostile(label, header_text(), with(claims[i].member, to), KEY_MALFORMED);
        (void) snprintf(label, sizeof(label), "%s of 201 bytes", claims[i].name);
        (void) snprintf(to, sizeof(to), "\"%s\":\"%0201d\"", claims[i].name, 7);
        hostile(label, header_text(), with(claims[i].member, to), KEY_MALFORMED);
    }
}

static void hostile_payloads(void)
{
    static const struct {
        const char *name, *from, *to;
        enum key_verdict want;
    } cases[] = {
        { "foreign iss", "\"iss\":\"https://rec.example.com\"", "\"iss\":\"https://rec.example.org\"", KEY_BINDING },
        { "iss with a slash", "\"iss\":\"https://rec.example.com\"", "\"iss\":\"https://rec.example.com/\"", KEY_BINDING },
        { "iss upper case", "\"iss\":\"https://rec.example.com\"", "\"iss\":\"https://REC.example.com\"", KEY_BINDING },
        { "foreign aud", "/v1/replay\"", "/v1/replay2\"", KEY_BINDING },
        { "aud is iss", "/v1/replay\"", "\"", KEY_BINDING },
        { "env not configured", "\"env\":\"prod\"", "\"env\":\"dev\"", KEY_BINDING },
        { "env upper case", "\"env\":\"prod\"", "\"env\":\"Prod\"", KEY_BINDING },
        { "expired", "\"iat\":1793000000,\"nbf\":1793000000,\"exp\":1793000120",
          "\"iat\":1792999880,\"nbf\":1792999880,\"exp\":1793000010", KEY_EXPIRED },
        { "not yet", "\"nbf\":1793000000", "\"nbf\":1793000016", KEY_NOT_YET },
        { "iat ahead", "\"iat\":1793000000", "\"iat\":1793000016", KEY_NOT_YET },
        { "life over the cap", "\"exp\":1793000120", "\"exp\":1793000301", KEY_MALFORMED },
        { "exp after wend", "\"wend\":1793003600", "\"wend\":1793000119", KEY_MALFORMED },
        { "exp before iat", "\"exp\":1793000120", "\"exp\":1792999999", KEY_MALFORMED },
        { "bearer over 60 s", ",\"cnf\":{\"jkt\":\"ICkWQfDzkXs6kPqSM77L0lKYNMz9jj7aLmmvwcCulgo\"}", "", KEY_MALFORMED },
        { "scope of none", "\"scope\":\"play\"", "\"scope\":\"watch\"", KEY_MALFORMED },
        { "export beside play", "\"scope\":\"play\"", "\"scope\":\"play export\"", KEY_MALFORMED },
        { "unmask alone", "\"scope\":\"play\"", "\"scope\":\"unmask\"", KEY_MALFORMED },
        { "client_id browser", "\"client_id\":\"web\"", "\"client_id\":\"browser\"", KEY_MALFORMED },
        { "client_id WEB", "\"client_id\":\"web\"", "\"client_id\":\"WEB\"", KEY_MALFORMED },
        { "rid of a project", "\"rid\":\"r_", "\"rid\":\"p_", KEY_MALFORMED },
        { "rid with a slash", "\"rid\":\"r_2Dz2Sr-", "\"rid\":\"r_2Dz2Sr/", KEY_MALFORMED },
        { "rid long", "\"rid\":\"r_2", "\"rid\":\"r_22", KEY_MALFORMED },
        { "rid list", "\"rid\":\"r_2Dz2Sr-SnSlnd8aT\"", "\"rid\":[\"r_2Dz2Sr-SnSlnd8aT\"]", KEY_MALFORMED },
        { "jti trailing bits", "SMGAMA\"", "SMGAMB\"", KEY_MALFORMED },
        { "ctx trailing bits", "zTrzXQ\"", "zTrzXR\"", KEY_MALFORMED },
        { "ctx standard alphabet", "24hjfBS6", "24hj+BS6", KEY_MALFORMED },
        { "gen over 32 bits", "\"gen\":3", "\"gen\":4294967296", KEY_MALFORMED },
        { "gen hexadecimal", "\"gen\":3", "\"gen\":0x3", KEY_MALFORMED },
        { "gen with a zero before", "\"gen\":3", "\"gen\":03", KEY_MALFORMED },
        { "gen with a plus", "\"gen\":3", "\"gen\":+3", KEY_MALFORMED },
        { "gen Infinity", "\"gen\":3", "\"gen\":Infinity", KEY_MALFORMED },
        { "gen NaN", "\"gen\":3", "\"gen\":NaN", KEY_MALFORMED },
        { "unknown claim with a fraction", "\"gen\":3", "\"gen\":3,\"x\":1.5", KEY_MALFORMED },
        { "unknown claim with a huge integer", "\"gen\":3", "\"gen\":3,\"x\":9007199254740992", KEY_MALFORMED },
        { "unknown claim with a negative", "\"gen\":3", "\"gen\":3,\"x\":[-1]", KEY_MALFORMED },
        { "unknown claim too deep", "\"gen\":3", "\"gen\":3,\"x\":[[1]]", KEY_MALFORMED },
        { "cnf without jkt", "{\"jkt\":\"ICk", "{\"jkx\":\"ICk", KEY_MALFORMED },
        { "cnf with x5t#S256 too", "lgo\"}", "lgo\",\"x5t#S256\":\"a\"}", KEY_MALFORMED },
        { "cnf.jkt number", "{\"jkt\":\"ICkWQfDzkXs6kPqSM77L0lKYNMz9jj7aLmmvwcCulgo\"}", "{\"jkt\":1}", KEY_MALFORMED },
        { "cnf.jkt empty", "{\"jkt\":\"ICkWQfDzkXs6kPqSM77L0lKYNMz9jj7aLmmvwcCulgo\"}", "{\"jkt\":\"\"}",
          KEY_MALFORMED },
        { "cnf.jkt short", "ICkWQfDz", "ICkWQfD", KEY_MALFORMED },
        { "cnf.jkt trailing bits", "Culgo\"", "Culgp\"", KEY_MALFORMED },
        { "cnf empty", "{\"jkt\":\"ICkWQfDzkXs6kPqSM77L0lKYNMz9jj7aLmmvwcCulgo\"}", "{}", KEY_MALFORMED },
        { "cnf too deep", "{\"jkt\":\"ICkWQfDzkXs6kPqSM77L0lKYNMz9jj7aLmmvwcCulgo\"}", "{\"jkt\":{\"a\":1}}",
          KEY_MALFORMED },
        { "escaped name twice", "\"gen\":3", "\"gen\":3,\"g\\u0065n\":4", KEY_MALFORMED },
        { "trailing comma", "\"gen\":3,", "\"gen\":3,,", KEY_MALFORMED },
        { "raw newline in a string", "\"env\":\"prod\"", "\"env\":\"pr\nod\"", KEY_MALFORMED },
        { "bad UTF-8", "\"env\":\"prod\"", "\"env\":\"prod\xc0\xaf\"", KEY_MALFORMED },
    };
    struct buf deep = BUF_INIT(8192), b;

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        hostile(cases[i].name, header_text(), with(cases[i].from, cases[i].to), cases[i].want);
    hostile("payload array", header_text(), "[]", KEY_MALFORMED);
    hostile("payload empty object", header_text(), "{}", KEY_MALFORMED);
    hostile("payload null", header_text(), "null", KEY_MALFORMED);
    hostile("payload text", header_text(), "play", KEY_MALFORMED);
    hostile("payload of spaces", header_text(), "   ", KEY_MALFORMED);
    for (int i = 0; i < 500; i++)
        buf_add_c(&deep, '[');
    make(span_str(header_text()), buf_span(&deep), &b);
    expect("500 brackets", buf_span(&b), KEY_MALFORMED);
    buf_deinit(&b);
    buf_reset(&deep);
    buf_add_c(&deep, '{');
    for (int i = 0; i < 65; i++)
        buf_addf(&deep, "%s\"%d\":0", i > 0 ? "," : "", i);
    buf_add_c(&deep, '}');
    make(span_str(header_text()), buf_span(&deep), &b);
    expect("65 members", buf_span(&b), KEY_MALFORMED);
    buf_deinit(&b);
    buf_deinit(&deep);
}

/* Changes of the text around the parts. %1: header, %2: payload, %3: signature. */
static void hostile_shapes(const char *h, const char *p, const char *s)
{
    const struct {
        const char *name, *a, *b, *c, *d, *e;
        enum key_verdict want;
    } cases[] = {
        { "two parts", h, ".", p, "", "", KEY_MALFORMED },
        { "one part", h, "", "", "", "", KEY_MALFORMED },
        { "four parts", h, ".", p, ".", "AAAA.AAAA", KEY_MALFORMED },
        { "five parts (JWE)", "AAAA.AAAA", ".", "AAAA.AAAA", ".", "AAAA", KEY_MALFORMED },
        { "no header", "", ".", p, ".", s, KEY_MALFORMED },
        { "no payload", h, ".", "", ".", s, KEY_MALFORMED },
        { "no signature", h, ".", p, ".", "", KEY_MALFORMED },
        { "dots only", "", ".", "", ".", "", KEY_MALFORMED },
        { "a dot at the end", h, ".", p, ".", "AAAA.", KEY_MALFORMED },
        { "a space before", " ", h, ".", p, ".AAAA", KEY_MALFORMED },
        { "padding in the header", h, "=.", p, ".", s, KEY_MALFORMED },
        { "padding in the payload", h, ".", p, "=.", s, KEY_MALFORMED },
        { "padding in the signature", h, ".", p, ".", "AA==", KEY_MALFORMED },
        { "standard alphabet", h, ".", p, ".", "+/+/", KEY_MALFORMED },
        { "percent", h, ".", p, ".", "%41AAA", KEY_MALFORMED },
        { "newline", h, ".", p, ".", "AAA\nA", KEY_MALFORMED },
        { "JSON serialization", "{\"payload\":\"", p, "\",\"signature\":\"", "AAAA", "\"}", KEY_MALFORMED },
        { "signature of length 1 mod 4", h, ".", p, ".", "AAAAA", KEY_MALFORMED },
        { "signature of 0 bits left over", h, ".", p, ".", "AAB", KEY_MALFORMED },
        { "signature short", h, ".", p, ".", "AAAA", KEY_FORGED },
        { "signature of 63 bytes", h, ".", p, ".",
          "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", KEY_FORGED },
        { "signature of 66 bytes", h, ".", p, ".",
          "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", KEY_FORGED },
        { "signature first", s, ".", h, ".", p, KEY_MALFORMED },
        { "payload and header swapped", p, ".", h, ".", s, KEY_MALFORMED },
        { "header as payload", h, ".", h, ".", s, KEY_FORGED },
        { "another payload", h, ".", "e30", ".", s, KEY_FORGED },
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct buf b = BUF_INIT(8192);

        buf_addf(&b, "%s%s%s%s%s", cases[i].a, cases[i].b, cases[i].c, cases[i].d, cases[i].e);
        expect(cases[i].name, buf_span(&b), cases[i].want);
        buf_deinit(&b);
    }
}

/* r and s out of range, DER, HMAC with the public key, and the one that is accepted: s -> n - s. */
static void hostile_signatures(struct span good)
{
    static const uint8_t order[32] = {
        0xff, 0xff, 0xff, 0xff, 0x00, 0x00, 0x00, 0x00, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
        0xbc, 0xe6, 0xfa, 0xad, 0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51,
    };
    struct key_parts parts;
    uint8_t sig[72], bad[72];
    size_t n = 0;
    struct key_claims a, b;
    struct buf t = BUF_INIT(4096);
    int borrow = 0;

    assert_int_equal(key_split(good, &parts, NULL), KEY_OK);
    assert_true(base64url_parse(parts.signature, sig, sizeof(sig), &n));
    for (int k = 0; k < 6; k++) {
        static const char *const names[] = { "r = 0", "s = 0", "r = n", "s = n", "r = s = 0", "r and s swapped" };

        memcpy(bad, sig, 64);
        switch (k) {
        case 0: memset(bad, 0, 32); break;
        case 1: memset(bad + 32, 0, 32); break;
        case 2: memcpy(bad, order, 32); break;
        case 3: memcpy(bad + 32, order, 32); break;
        case 4: memset(bad, 0, 64); break;
        default: memcpy(bad, sig + 32, 32); memcpy(bad + 32, sig, 32); break;
        }
        buf_reset(&t);
        buf_add_span(&t, parts.signed_part);
        buf_add_c(&t, '.');
        base64url_add(&t, span_of(bad, 64));
        expect(names[k], buf_span(&t), KEY_FORGED);
    }
    /* DER of the same numbers, cut to what a lax reader would take */
    bad[0] = 0x30, bad[1] = 68, bad[2] = 2, bad[3] = 32;
    memcpy(bad + 4, sig, 32);
    bad[36] = 2, bad[37] = 32;
    memcpy(bad + 38, sig + 32, 32);
    buf_reset(&t);
    buf_add_span(&t, parts.signed_part);
    buf_add_c(&t, '.');
    base64url_add(&t, span_of(bad, 70));
    expect("DER signature", buf_span(&t), KEY_FORGED);
    /* the malleable twin is the same key: same jti, so what denies one denies the other */
    memcpy(bad, sig, 64);
    for (int i = 31; i >= 0; i--) {
        int v = order[i] - sig[32 + i] - borrow;

        borrow = v < 0;
        bad[32 + i] = (uint8_t) v;
    }
    buf_reset(&t);
    buf_add_span(&t, parts.signed_part);
    buf_add_c(&t, '.');
    base64url_add(&t, span_of(bad, 64));
    assert_int_equal(key_check(good, &ring, &audience, (time_ms) NOW_S * 1000, &a, NULL, NULL), KEY_OK);
    assert_int_equal(key_check(buf_span(&t), &ring, &audience, (time_ms) NOW_S * 1000, &b, NULL, NULL), KEY_OK);
    assert_string_equal(a.jti, b.jti);
    buf_deinit(&t);
}

static void hs256_with_the_public_key(void)
{
    struct buf b = BUF_INIT(4096), pem = BUF_INIT(1024);
    char h[128];
    uint8_t mac[32];

    (void) snprintf(h, sizeof(h), "{\"alg\":\"HS256\",\"typ\":\"at+jwt\",\"kid\":\"%s\"}", kid);
    base64url_add(&b, span_str(h));
    buf_add_c(&b, '.');
    base64url_add(&b, span_str(payload_text));
    jwks_write((const uint8_t (*)[ES256_PUB_LEN]) &pub, 1, &pem);
    hmac_sha256(buf_span(&pem), buf_span(&b), mac);
    buf_add_c(&b, '.');
    base64url_add(&b, SPAN_OF(mac));
    expect("HS256 with the public key", buf_span(&b), KEY_FORGED);
    buf_deinit(&b);
    buf_deinit(&pem);
}

static void hostile_keys_are_refused(void **state)
{
    struct buf good, b = BUF_INIT(4096);
    struct key_parts p;
    char h[200], pl[800], s[200];
    struct key_ring empty = { .n = 0 };
    struct key_claims c;

    (void) state;
    make(span_str(header_text()), span_str(payload_text), &good);
    assert_int_equal(check(buf_span(&good), NULL), KEY_OK);
    assert_int_equal(check(SPAN_EMPTY, NULL), KEY_MISSING);
    assert_int_equal(key_split(buf_span(&good), &p, NULL), KEY_OK);
    assert_true(span_to_str(p.header, h, sizeof(h)) && span_to_str(p.payload, pl, sizeof(pl)) &&
                span_to_str(p.signature, s, sizeof(s)));
    hostile_headers();
    hostile_claims();
    hostile_payloads();
    hostile_shapes(h, pl, s);
    hostile_signatures(buf_span(&good));
    hs256_with_the_public_key();
    assert_int_equal(key_check(buf_span(&good), &empty, &audience, (time_ms) NOW_S * 1000, &c, NULL, NULL), KEY_FORGED);
    /* one byte over the limit: a payload with spaces, valid otherwise */
    for (size_t pad = 0; pad < 400; pad++) {
        struct buf text = BUF_INIT(4096), t;

        buf_add_str(&text, payload_text);
        for (size_t i = 0; i < pad; i++)
            buf_add_c(&text, ' ');
        make(span_str(header_text()), buf_span(&text), &t);
        assert_int_equal(check(buf_span(&t), NULL), t.n <= KEY_LEN_MAX ? KEY_OK : KEY_MALFORMED);
        buf_deinit(&text);
        buf_deinit(&t);
    }
    print_message("%u hostile keys\n", n_hostile);
    assert_true(n_hostile >= 200);
    buf_deinit(&good);
    buf_deinit(&b);
}

static void every_flipped_bit_is_refused(void **state)
{
    struct buf good;

    (void) state;
    make(span_str(header_text()), span_str(payload_text), &good);
    for (size_t bit = 0; bit < good.n * 8; bit++) {
        enum key_verdict v;

        good.p[bit / 8] ^= (uint8_t) (1u << bit % 8);
        v = check(buf_span(&good), NULL);
        if (v != KEY_MALFORMED && v != KEY_FORGED)
            fail_msg("bit %zu: %s", bit, key_verdict_code(v));
        good.p[bit / 8] ^= (uint8_t) (1u << bit % 8);
    }
    for (size_t n = 1; n < good.n; n++)
        assert_int_not_equal(check(span_of(good.p, n), NULL), KEY_OK);
    assert_int_equal(check(buf_span(&good), NULL), KEY_OK);
    buf_deinit(&good);
}

static void jwks_of_two(void **state)
{
    uint8_t pubs[2][ES256_PUB_LEN];
    size_t n = 0;
    struct buf b = BUF_INIT(2048), small = BUF_INIT(100);

    (void) state;
    for (size_t i = 0; i < 2; i++) {
        assert_true(base64url_parse(SPAN("l8tFrhx-34tV3hRICRDY9zCkDlpBhF42UQUfWVAWBFs"), pubs[i], 32, &n));
        assert_true(base64url_parse(SPAN("9VE4jf_Ok_o64zbTTlcuNJajHmt6v9TDVrU0CdvGRDA"), pubs[i] + 32, 32, &n));
    }
    jwks_write((const uint8_t (*)[ES256_PUB_LEN]) pubs, 0, &b);
    assert_span_str(buf_span(&b), "{\"keys\":[]}");
    buf_reset(&b);
    jwks_write((const uint8_t (*)[ES256_PUB_LEN]) pubs, 2, &b);
#define ONE                                                                                                            \
    "{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"l8tFrhx-34tV3hRICRDY9zCkDlpBhF42UQUfWVAWBFs\","                         \
    "\"y\":\"9VE4jf_Ok_o64zbTTlcuNJajHmt6v9TDVrU0CdvGRDA\",\"kid\":\"0ZcOCORZNYw\",\"alg\":\"ES256\",\"use\":\"sig\"}"
    assert_span_str(buf_span(&b), "{\"keys\":[" ONE "," ONE "]}");
    jwks_write((const uint8_t (*)[ES256_PUB_LEN]) pubs, 2, &small);
    assert_true(small.failed);
    buf_deinit(&b);
    buf_deinit(&small);
}

static void headers_and_parts_by_hand(void **state)
{
    static const char *const types[] = { "at+jwt", "application/at+jwt" };
    const struct key_ring_entry *entry = NULL;
    struct key_parts parts = { .header = SPAN("e30"), .payload = SPAN("!") };
    struct key_claims c;
    struct buf b;
    char header[160];

    (void) state;
    for (size_t i = 0; i < 2; i++) {
        (void) snprintf(header, sizeof(header), "{\"alg\":\"ES256\",\"typ\":\"%s\",\"kid\":\"%s\"}", types[i], kid);
        hostile(types[i], header, payload_text, KEY_OK);
    }
    assert_int_equal(key_parse_payload(&parts, &c, NULL, NULL), KEY_MALFORMED); /* parts that nobody has split */
    make(span_str(header), span_str(payload_text), &b);
    assert_int_equal(key_split(buf_span(&b), &parts, NULL), KEY_OK);
    ring.keys[0].alg = (enum key_alg) 99; /* a key of an algorithm that is none signs nothing */
    assert_int_equal(key_parse_header(&parts, &ring, &entry, NULL), KEY_FORGED);
    ring.keys[0].alg = KEY_ALG_ES256;
    assert_int_equal(key_parse_header(&parts, &ring, &entry, NULL), KEY_OK);
    buf_deinit(&b);
}

static void claims_at_their_borders(void **state)
{
    static const char *const clients[] = { "web", "cli", "api" };
    static const struct {
        int64_t iat, nbf, exp, wend;
    } times[] = { { -1, 1, 2, 3 }, { 1, -1, 2, 3 }, { 1, 1, -2, 3 }, { 1, 1, 2, -3 } };
    struct buf b = BUF_INIT(4096);
    struct key_claims c = example;

    (void) state;
#define JKT "\"jkt\":\"ICkWQfDzkXs6kPqSM77L0lKYNMz9jj7aLmmvwcCulgo\""
    hostile("jkt empty", header_text(), with(JKT, "\"jkt\":\"\""), KEY_MALFORMED);
    hostile("jkt too long", header_text(), with(JKT, "\"jkt\":\"ICkWQfDzkXs6kPqSM77L0lKYNMz9jj7aLmmvwcCulgoA\""), KEY_MALFORMED);
    hostile("jkt and more", header_text(), with(JKT, JKT ",\"x\":1"), KEY_MALFORMED);
    hostile("another binding", header_text(), with("\"jkt\"", "\"x5t\""), KEY_MALFORMED);
    hostile("ctx of another alphabet", header_text(), with("24hjfBS6sxztL5EjzTrzXQ", "24hjfBS6sxztL5EjzTrz+Q"), KEY_MALFORMED);
    hostile("ctx with trailing bits", header_text(), with("24hjfBS6sxztL5EjzTrzXQ", "24hjfBS6sxztL5EjzTrzXR"), KEY_MALFORMED);
    for (size_t i = 0; i < sizeof(clients) / sizeof(clients[0]); i++) {
        strcpy(c.client_id, clients[i]);
        assert_ok(key_write(&c, kid, &b, NULL));
    }
    for (size_t i = 0; i < sizeof(times) / sizeof(times[0]); i++) {
        c = example;
        c.iat = times[i].iat, c.nbf = times[i].nbf, c.exp = times[i].exp, c.wend = times[i].wend;
        assert_err(key_write(&c, kid, &b, NULL), ERR_INVAL);
        assert_err(key_sign(&c, kid, signer, &b, NULL), ERR_INVAL);
    }
    c = example;
    memset(c.iss, 'x', KEY_STRING_MAX);
    memset(c.aud, 'x', KEY_STRING_MAX);
    buf_reset(&b);
    assert_err(key_write(&c, kid, &b, NULL), ERR_LIMIT); /* JSON below the limit, its base64url over it */
    assert_int_equal(b.n, 0);
    buf_deinit(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_standards_example),
        cmocka_unit_test(written_and_read_back),
        cmocka_unit_test(unknown_claims_are_counted),
        cmocka_unit_test(what_the_vault_refuses_to_write),
        cmocka_unit_test(times_at_their_borders),
        cmocka_unit_test(scope_words),
        cmocka_unit_test(verdicts_have_words),
        cmocka_unit_test(thumbprint_of_rfc9449),
        cmocka_unit_test(address_prefixes),
        cmocka_unit_test(the_ring_is_small_and_exact),
        cmocka_unit_test(hostile_keys_are_refused),
        cmocka_unit_test(every_flipped_bit_is_refused),
        cmocka_unit_test(jwks_of_two),
        cmocka_unit_test(headers_and_parts_by_hand),
        cmocka_unit_test(claims_at_their_borders),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
