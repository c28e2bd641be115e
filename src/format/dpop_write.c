#include "codec/base64.h"
#include "codec/jsonw.h"
#include "crypto/hash.h"
#include "format/dpop.h"

#define SIG_TEXT_LEN (1 + base64url_len(ES256_SIG_LEN)) /* with its dot */

static void kb64(struct jsonw *w, const char *name, const uint8_t *p, size_t n)
{
    struct buf text = BUF_INIT(64);

    base64url_add(&text, span_of(p, n));
    jsonw_kstr(w, name, buf_span(&text));
    buf_deinit(&text);
}

static void write_header(const uint8_t pub[ES256_PUB_LEN], struct buf *json)
{
    struct jsonw w;

    jsonw_init(&w, json);
    jsonw_obj(&w);
    jsonw_kcstr(&w, "typ", "dpop+jwt");
    jsonw_kcstr(&w, "alg", "ES256");
    jsonw_kobj(&w, "jwk");
    jsonw_kcstr(&w, "kty", "EC");
    jsonw_kcstr(&w, "crv", "P-256");
    kb64(&w, "x", pub, 32);
    kb64(&w, "y", pub + 32, 32);
    jsonw_obj_end(&w);
    jsonw_obj_end(&w);
}

/* RFC 9449 4.2: without query and fragment. */
static struct span htu_of(const char *url)
{
    return span_of(url, strcspn(url, "?#"));
}

static void write_payload(const struct dpop_make *m, struct buf *json)
{
    uint8_t ath[SHA256_LEN];
    struct jsonw w;

    jsonw_init(&w, json);
    jsonw_obj(&w);
    kb64(&w, "jti", m->jti, sizeof(m->jti));
    jsonw_kcstr(&w, "htm", m->method);
    jsonw_kstr(&w, "htu", htu_of(m->url));
    jsonw_kint(&w, "iat", m->iat);
    if (m->key.n > 0) {
        sha256(m->key, ath);
        kb64(&w, "ath", ath, sizeof(ath));
    }
    if (m->nonce.n > 0)
        jsonw_kstr(&w, "nonce", m->nonce);
    jsonw_obj_end(&w);
}

enum err dpop_write(const struct dpop_make *m, const struct es256_signer *signer, const uint8_t pub[ES256_PUB_LEN],
                    struct buf *out, struct err_info *reterr)
{
    struct buf json = BUF_INIT(DPOP_LEN_MAX), text = BUF_INIT(DPOP_LEN_MAX - SIG_TEXT_LEN);
    uint8_t sig[ES256_SIG_LEN];
    enum err e;

    if (m->method[0] == '\0' || htu_of(m->url).n == 0)
        return ERR_RAISE(reterr, ERR_INVAL, "proof: method and URL are needed");
    write_header(pub, &json);
    base64url_add(&text, buf_span(&json));
    buf_add_c(&text, '.');
    buf_reset(&json);
    write_payload(m, &json);
    base64url_add(&text, buf_span(&json));
    if (json.failed || text.failed)
        e = ERR_RAISE(reterr, ERR_LIMIT, "proof: over %d bytes", DPOP_LEN_MAX);
    else
        e = es256_sign(signer, buf_span(&text), sig, reterr);
    if (e == ERR_OK) {
        text.max = DPOP_LEN_MAX;
        buf_add_c(&text, '.');
        base64url_add(&text, SPAN_OF(sig));
        buf_add_span(out, buf_span(&text)); /* all of it, or nothing */
        e = buf_check(out, reterr);
    }
    buf_deinit(&json);
    buf_deinit(&text);
    return e;
}
