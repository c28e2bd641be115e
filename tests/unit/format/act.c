/*
 * Signed acts: exact bytes, a signature that openssl(1) made over an input that a script of its own wrote (key: RFC 7515
 * A.3), the header's form, time borders, every value changed once, and which call is an act with which digest.
 */
#include "test.h"

#include <stdio.h>

#include "codec/base64.h"
#include "codec/json.h"
#include "format/act.h"
#include "format/key.h"
#include "nomem.h"

#define IAT 1793000000
#define JKT "oKIywvGUpTVTyxMQ3bwIIeQUudfr_CkLMjCE19ECD-U"
#define INPUT                                                                                                          \
    "eyJhbGciOiJFUzI1NiIsInR5cCI6ImFjdCtqd3MiLCJraWQiOiJvS0l5d3ZHVXBUVlR5eE1RM2J3SUllUVV1ZGZyX0NrTE1qQ0UxOUVDRC1VIn0"   \
    ".eyJhY3QiOiJyZXF1ZXN0X2FwcHJvdmUiLCJkaWdlc3QiOiJ0ZmRPalFGWjFER25JRGZWNEI2YlA1azhNZmNWS3YzN2wxRzJiWWtiTTBVIiwiaHR1" \
    "IjoiaHR0cHM6Ly9yZWMuZXhhbXBsZS5jb20vdjEvcmVxdWVzdHMvcV9QXzUyeWlfektPUllCZENTL2FwcHJvdmUiLCJpYXQiOjE3OTMwMDAwMDAs"  \
    "ImlkIjoicV9QXzUyeWlfektPUllCZENTIn0"
#define SIG "bCV96kvWjDaEmqhTMfxaJkZjFapHmgxFoua0JGxlma1LxWluqvAxvBIr3AMNBweMrXphty-fUFEhjhZRi26bdw"
/* (r, n - s) of the same signature */
#define TWIN "bCV96kvWjDaEmqhTMfxaJkZjFapHmgxFoua0JGxlma20OpaQVQ_ORO3UI_zy-PhzD2yY9nd4TjPSK7RxcPSJ2g"
#define HASH "nfNwpk3h20mUx2KCs0qhnhaiQ5TvJrS5MzxkSITv578"

static const char *const rfc_x = "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU";
static const char *const rfc_y = "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0";

static struct act example(void)
{
    return (struct act){
        .jkt = SPAN(JKT), .act = SPAN("request_approve"),
        .digest = SPAN("tfdOjQFZ1DGnIDfV4B6bP5k8MfcVKv37l1G2bYkbM0U"),
        .htu = SPAN("https://rec.example.com/v1/requests/q_P_52yi_zKORYBdCS/approve"), .iat = IAT,
        .id = SPAN("q_P_52yi_zKORYBdCS"),
    };
}

static struct es256_verifier *rfc_key(void)
{
    uint8_t pub[ES256_PUB_LEN];
    struct es256_verifier *v = NULL;

    assert_true(base64url_parse_exact(span_str(rfc_x), pub, 32));
    assert_true(base64url_parse_exact(span_str(rfc_y), pub + 32, 32));
    assert_ok(es256_verifier_new(pub, &v, NULL));
    return v;
}

static void exact_bytes(void **state)
{
    struct act a = example();
    struct buf b = BUF_INIT(4096);

    (void) state;
    buf_add_str(&b, "before ");
    assert_ok(act_input(&a, &b, NULL));
    assert_span_str(buf_span(&b), "before " INPUT);
    buf_deinit(&b);
}

static void what_openssl_signed(void **state)
{
    struct es256_verifier *key = rfc_key();
    struct act a = example();
    struct act_header h, twin;
    struct buf jws = BUF_INIT(4096);
    char hash[ACT_HASH_LEN + 1];
    uint8_t one[32], two[32];

    (void) state;
    assert_true(act_header_parse(SPAN("1793000000." SIG), &h));
    assert_true(act_header_parse(SPAN("1793000000." TWIN), &twin));
    assert_int_equal(act_verify(&a, &h, key, IAT), ACT_OK);
    assert_ok(act_hash(&a, &h, &jws, hash, NULL));
    assert_span_str(buf_span(&jws), INPUT "." SIG);
    assert_string_equal(hash, HASH);
    /* The twin verifies, too; so it has to count as the same act. */
    assert_int_equal(act_verify(&a, &twin, key, IAT), ACT_OK);
    assert_ok(act_once(&a, &h, one, NULL));
    assert_ok(act_once(&a, &twin, two, NULL));
    assert_memory_equal(one, two, sizeof(one));
    h.sig[0] ^= 1;
    assert_ok(act_once(&a, &h, two, NULL));
    assert_memory_not_equal(one, two, sizeof(one));
    assert_int_equal(act_verify(&a, &h, key, IAT), ACT_FORGED);
    buf_deinit(&jws);
    es256_verifier_free(key);
}

static void each_value_counts(void **state)
{
    struct es256_verifier *key = rfc_key();
    const struct act good = example();
    struct act_header h;

    (void) state;
    assert_true(act_header_parse(SPAN("1793000000." SIG), &h));
    for (int i = 0; i < 6; i++) {
        struct act a = good;

        switch (i) {
        case 0: a.act = SPAN("request_deny"); break;
        case 1: a.digest = SPAN("tfdOjQFZ1DGnIDfV4B6bP5k8MfcVKv37l1G2bYkbM0V"); break;
        case 2: a.htu = SPAN("https://evil.example.com/v1/requests/q_P_52yi_zKORYBdCS/approve"); break;
        case 3: a.iat++; break;
        case 4: a.id = SPAN("q_P_52yi_zKORYBdCT"); break;
        default: a.jkt = SPAN("ICkWQfDzkXs6kPqSM77L0lKYNMz9jj7aLmmvwcCulgo"); break;
        }
        assert_int_equal(act_verify(&a, &h, key, IAT), ACT_FORGED);
    }
    for (size_t bit = 0; bit < sizeof(h.sig) * 8; bit++) {
        struct act_header f = h;

        f.sig[bit / 8] ^= (uint8_t) (1U << (bit % 8));
        assert_int_equal(act_verify(&good, &f, key, IAT), ACT_FORGED);
    }
    es256_verifier_free(key);
}

static void time_borders(void **state)
{
    static const struct {
        int64_t now;
        enum act_verdict want;
    } cases[] = {
        { IAT + 120, ACT_OK }, { IAT + 121, ACT_OLD }, { IAT - 120, ACT_OK }, { IAT - 121, ACT_AHEAD }, { 0, ACT_AHEAD },
    };
    struct es256_verifier *key = rfc_key();
    struct act a = example();
    struct act_header h;

    (void) state;
    assert_true(act_header_parse(SPAN("1793000000." SIG), &h));
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        assert_int_equal(act_verify(&a, &h, key, cases[i].now), cases[i].want);
    es256_verifier_free(key);
}

static void header_form(void **state)
{
    static const char *const bad[] = {
        "", ".", SIG, "." SIG, "1793000000", "1793000000.", "1793000000 ." SIG, " 1793000000." SIG, "-1." SIG, "+1." SIG,
        "01793000000." SIG, "0." SIG, "1e9." SIG, "1793000000." SIG "A", "1793000000." SIG ".", "1793000000." SIG "=",
        "1793000000." SIG " ", "1234567890123456." SIG, "1793000000,"SIG,
        "1793000000.bCV96kvWjDaEmqhTMfxaJkZjFapHmgxFoua0JGxlma1LxWluqvAxvBIr3AMNBweMrXphty-fUFEhjhZRi26bdx", /* last bits */
        "1793000000.bCV96kvWjDaEmqhTMfxaJkZjFapHmgxFoua0JGxlma1LxWluqvAxvBIr3AMNBweMrXphty+fUFEhjhZRi26bdw",
    };
    struct act_header h = { .iat = 7 };

    (void) state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        if (act_header_parse(span_str(bad[i]), &h))
            fail_msg("'%s' was taken", bad[i]);
        assert_int_equal(h.iat, 7);
    }
    assert_true(act_header_parse(SPAN("123456789012345." SIG), &h));
    assert_true(h.iat == 123456789012345);
    assert_true(act_header_parse(SPAN("1." SIG), &h));
    assert_int_equal(h.iat, 1);
}

static void signed_and_verified(void **state)
{
    struct act a = example();
    struct secret *priv = NULL;
    struct es256_signer *signer = NULL;
    struct es256_verifier *key = NULL, *other = rfc_key();
    uint8_t pub[ES256_PUB_LEN];
    char jkt[KEY_JKT_LEN + 1], header[ACT_HEADER_CAP];
    struct act_header h;

    (void) state;
    assert_ok(es256_generate(&priv, pub, NULL));
    assert_ok(es256_signer_new(priv, pub, &signer, NULL));
    assert_ok(es256_verifier_new(pub, &key, NULL));
    key_jkt(pub, jkt);
    a.jkt = span_str(jkt);
    a.id = SPAN_EMPTY;
    assert_ok(act_sign(&a, signer, header, NULL));
    assert_int_equal(strlen(header), 10 + 1 + 86);
    assert_true(act_header_parse(span_str(header), &h));
    assert_int_equal(act_verify(&a, &h, key, IAT), ACT_OK);
    assert_int_equal(act_verify(&a, &h, other, IAT), ACT_FORGED);
    a.iat = 0;
    assert_err(act_sign(&a, signer, header, NULL), ERR_INVAL);
    a.iat = IAT;
    a.jkt = SPAN("short");
    assert_err(act_sign(&a, signer, header, NULL), ERR_INVAL);
    a.jkt = span_str(jkt);
    a.htu = SPAN_EMPTY;
    assert_err(act_sign(&a, signer, header, NULL), ERR_INVAL);
    a.htu = SPAN("https://x\xff");
    assert_err(act_sign(&a, signer, header, NULL), ERR_INVAL);
    es256_signer_free(signer);
    es256_verifier_free(key);
    es256_verifier_free(other);
    secret_free(priv);
}

static void read_json(const char *text, struct buf *out)
{
    const struct json_limits limits = json_limits_control((const uint8_t *) "0123456789abcdef");

    *out = BUF_INIT(65536);
    if (text != NULL)
        assert_true(json_parse(span_str(text), &limits, out, NULL));
}

static void which_call_and_which_digest(void **state)
{
    static const struct {
        const char *operation, *body;
        enum act_kind kind;
        const char *digest;
    } cases[] = {
        { "request_approve", "{\"digest\":\"abc\",\"comment\":\"x\"}", ACT_REQUEST, "abc" },
        { "request_deny", "{\"digest\":\"abc\"}", ACT_REQUEST, "abc" },
        { "request_deny", "{}", ACT_REQUEST, "RBNvo1WzZ4oRRq0W9-hknpT7T8If536DEMBg9hyq_4o" },
        { "request_create", "{\"actions\":[\"play\"]}", ACT_NONE, NULL },
        { "request_create", "{\"break_glass\":null}", ACT_NONE, NULL },
        { "request_create", "{\"break_glass\":{}}", ACT_BODY, "hPXjc6h115i5FEtf3xXvWP4pgvGQDm7eRgKYXTPm268" },
        { "policy_approve", "{\"comment\":\"y\"}", ACT_HASH, "HASHID" },
        { "policy_approve", NULL, ACT_HASH, "HASHID" },
        { "token_revoke", NULL, ACT_BODY, "RBNvo1WzZ4oRRq0W9-hknpT7T8If536DEMBg9hyq_4o" },
        { "user_create", " { \"name\" : \"\\u00e9\\n\", \"a\":[1, true,null] }", ACT_BODY,
          "tG_uRAKDGcABFOZskJ9c3UVPDnHlkTqr3rHJNMual4E" },
        { "request_cancel", "{}", ACT_NONE, NULL },
        { "login", "{}", ACT_NONE, NULL },
        { "keys_issue", "{}", ACT_NONE, NULL },
    };

    (void) state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct buf body, out = BUF_INIT(256);
        struct tree t;
        enum act_kind kind;

        read_json(cases[i].body, &body);
        t = tree_root(buf_span(&body));
        kind = act_kind(cases[i].operation, t);
        if (kind != cases[i].kind)
            fail_msg("%s %s: %d", cases[i].operation, cases[i].body == NULL ? "-" : cases[i].body, (int) kind);
        if (kind == ACT_NONE) {
            assert_err(act_digest(kind, SPAN("HASHID"), t, &out, NULL), ERR_INVAL);
        } else {
            assert_ok(act_digest(kind, SPAN("HASHID"), t, &out, NULL));
            assert_span_str(buf_span(&out), cases[i].digest);
        }
        buf_deinit(&body);
        buf_deinit(&out);
    }
}

static void a_fraction_has_no_digest(void **state)
{
    struct buf body, out = BUF_INIT(256);

    (void) state;
    read_json("{\"n\":1.5}", &body);
    assert_err(act_digest(ACT_BODY, SPAN_EMPTY, tree_root(buf_span(&body)), &out, NULL), ERR_INVAL);
    buf_deinit(&body);
    buf_deinit(&out);
}

/* Each value out of form or limit, by each function that writes the input. */
static void out_of_form(void **state)
{
    static char texts[3000];
    struct es256_verifier *key = rfc_key();
    struct act_header h;

    (void) state;
    memset(texts, 'a', sizeof(texts));
    assert_true(act_header_parse(SPAN("1793000000." SIG), &h));
    for (int i = 0; i < 9; i++) {
        enum err want = i < 7 ? ERR_INVAL : ERR_LIMIT;
        struct buf b = BUF_INIT(1 << 16), jws = BUF_INIT(1 << 16);
        struct act a = example();
        char hash[ACT_HASH_LEN + 1];
        uint8_t once[32];

        switch (i) {
        case 0: a.jkt = SPAN_EMPTY; break;
        case 1: a.act = SPAN_EMPTY; break;
        case 2: a.htu = SPAN_EMPTY; break;
        case 3: a.htu = span_of(texts, ACT_HTU_MAX + 1); break;
        case 4: a.id = span_of(texts, ACT_ID_MAX + 1); break;
        case 5: a.digest = span_of(texts, ACT_ID_MAX + 1); break;
        case 6: a.id = SPAN("\xc3"); break;
        case 7: memset(texts, 1, ACT_HTU_MAX); a.htu = span_of(texts, ACT_HTU_MAX); break; /* as \u0001 */
        default: a.act = span_of(texts + ACT_HTU_MAX, sizeof(texts) - ACT_HTU_MAX); a.htu = span_of(texts, 700); break;
        }
        if (i == 8) { /* it fits as JSON; not as base64url in what is left of a small buffer */
            b.max = 2000;
            assert_err(act_input(&a, &b, NULL), want);
        } else {
            assert_err(act_input(&a, &b, NULL), want);
            assert_err(act_hash(&a, &h, &jws, hash, NULL), want);
            assert_err(act_once(&a, &h, once, NULL), want);
            assert_int_equal(act_verify(&a, &h, key, IAT), ACT_FORGED);
            assert_int_equal(jws.n, 0);
        }
        buf_deinit(&b);
        buf_deinit(&jws);
    }
    es256_verifier_free(key);
}

static void small_buffers(void **state)
{
    struct act a = example();
    struct buf little = BUF_INIT(100), none = BUF_INIT(20);
    char hash[ACT_HASH_LEN + 1];
    struct act_header h;

    (void) state;
    assert_true(act_header_parse(SPAN("1793000000." SIG), &h));
    assert_err(act_hash(&a, &h, &little, hash, NULL), ERR_LIMIT);
    assert_ok(act_hash(&a, &h, NULL, hash, NULL));
    assert_string_equal(hash, HASH);
    assert_err(act_digest(ACT_BODY, SPAN_EMPTY, tree_root(SPAN_EMPTY), &none, NULL), ERR_LIMIT);
    buf_deinit(&little);
    buf_deinit(&none);
}

static void times_of_acts(void **state)
{
    struct secret *priv = NULL;
    struct es256_signer *signer = NULL;
    struct act a = example();
    char header[ACT_HEADER_CAP];
    uint8_t pub[ES256_PUB_LEN];

    (void) state;
    assert_ok(es256_generate(&priv, pub, NULL));
    assert_ok(es256_signer_new(priv, pub, &signer, NULL));
    a.iat = 999999999999999;
    assert_ok(act_sign(&a, signer, header, NULL));
    assert_int_equal(strlen(header), ACT_HEADER_CAP - 10);
    a.iat++;
    assert_err(act_sign(&a, signer, header, NULL), ERR_INVAL);
    a.iat = -1;
    assert_err(act_sign(&a, signer, header, NULL), ERR_INVAL);
    es256_signer_free(signer);
    secret_free(priv);
}

/* ---- memory that runs out ---- */

static bool hash_works(void *ctx)
{
    struct buf jws = BUF_INIT(4096);
    struct act a = example();
    char hash[ACT_HASH_LEN + 1] = "";
    uint8_t once[32];
    bool ok = act_hash(&a, ctx, &jws, hash, NULL) == ERR_OK && act_once(&a, ctx, once, NULL) == ERR_OK;

    if (ok)
        assert_string_equal(hash, HASH);
    buf_deinit(&jws);
    return ok;
}

static struct es256_verifier *of_rfc;

static bool verify_works(void *ctx)
{
    struct act a = example();

    return act_verify(&a, ctx, of_rfc, IAT) == ACT_OK;
}

static bool digest_works(void *ctx)
{
    struct buf out = BUF_INIT(64);
    bool ok = act_digest(ACT_BODY, SPAN_EMPTY, tree_root(*(struct span *) ctx), &out, NULL) == ERR_OK;

    assert_int_equal(out.n, ok ? ACT_HASH_LEN : 0);
    buf_deinit(&out);
    return ok;
}

static void without_memory(void **state)
{
    struct act_header h;
    struct buf body;
    struct span bytes;
    unsigned n;

    (void) state;
    assert_true(act_header_parse(SPAN("1793000000." SIG), &h));
    for (n = 0; nomem_try(n, hash_works, &h); n++)
        ;
    assert_true(n > 3);
    of_rfc = rfc_key();
    for (n = 0; nomem_try(n, verify_works, &h); n++)
        ;
    assert_true(n > 1);
    es256_verifier_free(of_rfc);
    read_json("{\"name\":\"eve\",\"groups\":[\"approvers\"]}", &body);
    bytes = buf_span(&body);
    for (n = 0; nomem_try(n, digest_works, &bytes); n++)
        ;
    assert_true(n > 1);
    buf_deinit(&body);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(exact_bytes),          cmocka_unit_test(what_openssl_signed),
        cmocka_unit_test(each_value_counts),    cmocka_unit_test(time_borders),
        cmocka_unit_test(header_form),          cmocka_unit_test(signed_and_verified),
        cmocka_unit_test(which_call_and_which_digest), cmocka_unit_test(a_fraction_has_no_digest),
        cmocka_unit_test(out_of_form),          cmocka_unit_test(small_buffers),
        cmocka_unit_test(times_of_acts),        cmocka_unit_test(without_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
