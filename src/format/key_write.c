#include "codec/base64.h"
#include "format/key.h"
#include "format/key_claims.h"

/* The template knows no escapes: what would need one is refused. */
static bool plain_text(const char *s)
{
    for (; *s != '\0'; s++) {
        if ((unsigned char) *s < 0x20 || (unsigned char) *s > 0x7e || *s == '"' || *s == '\\')
            return false;
    }
    return true;
}

static enum err check_texts(const struct key_claims *c, struct err_info *reterr)
{
    const char *fault = key_claims_fault(c);

    if (fault != NULL)
        return ERR_RAISE(reterr, ERR_INVAL, "key: %s", fault);
    for (size_t i = 0; i < KEY_CLAIMS; i++) {
        if (key_claims[i].form == KEY_CLAIM_TEXT && !plain_text((const char *) c + key_claims[i].offset))
            return ERR_RAISE(reterr, ERR_INVAL, "key: %s holds a character that JSON would escape",
                             key_claims[i].name);
    }
    return ERR_OK;
}

static void write_payload(const struct key_claims *c, struct buf *b)
{
    char scope[KEY_SCOPE_TEXT_CAP];

    (void) key_scope_text(c->scope, scope); /* checked before */
    buf_addf(b, "{\"iss\":\"%s\",\"aud\":\"%s\",\"sub\":\"%s\",\"client_id\":\"%s\",\"jti\":\"%s\"", c->iss, c->aud,
             c->sub, c->client_id, c->jti);
    buf_addf(b, ",\"iat\":%lld,\"nbf\":%lld,\"exp\":%lld", (long long) c->iat, (long long) c->nbf,
             (long long) c->exp);
    buf_addf(b, ",\"scope\":\"%s\",\"pid\":\"%s\",\"env\":\"%s\",\"gid\":\"%s\",\"gen\":%u", scope, c->pid, c->env,
             c->gid, c->gen);
    buf_addf(b, ",\"rid\":\"%s\",\"wend\":%lld,\"ctx\":\"%s\"", c->rid, (long long) c->wend, c->ctx);
    if (c->cnf_jkt[0] != '\0')
        buf_addf(b, ",\"cnf\":{\"jkt\":\"%s\"}", c->cnf_jkt);
    buf_add_c(b, '}');
}

enum err key_write(const struct key_claims *c, const char *kid, struct buf *out, struct err_info *reterr)
{
    struct buf json = BUF_INIT(KEY_LEN_MAX), text = BUF_INIT(KEY_LEN_MAX - 1 - base64url_len(ES256_SIG_LEN));
    enum err e;

    if (strlen(kid) != KEY_KID_LEN || !plain_text(kid))
        return ERR_RAISE(reterr, ERR_INVAL, "key: kid is not %d characters", KEY_KID_LEN);
    TRY(check_texts(c, reterr));
    buf_addf(&json, "{\"alg\":\"ES256\",\"typ\":\"at+jwt\",\"kid\":\"%s\"}", kid);
    base64url_add(&text, buf_span(&json));
    buf_add_c(&text, '.');
    buf_reset(&json);
    write_payload(c, &json);
    base64url_add(&text, buf_span(&json));
    if (json.failed || text.failed)
        e = ERR_RAISE(reterr, ERR_LIMIT, "key: over %d bytes", KEY_LEN_MAX);
    else {
        buf_add_span(out, buf_span(&text));
        e = buf_check(out, reterr);
    }
    buf_deinit(&json);
    buf_deinit(&text);
    return e;
}

enum err key_sign(const struct key_claims *c, const char *kid, const struct es256_signer *signer, struct buf *out,
                  struct err_info *reterr)
{
    size_t start = out->n;
    uint8_t sig[ES256_SIG_LEN];

    TRY(key_write(c, kid, out, reterr));
    TRY(es256_sign(signer, span_of(out->p + start, out->n - start), sig, reterr));
    buf_add_c(out, '.');
    base64url_add(out, SPAN_OF(sig));
    return buf_check(out, reterr);
}
