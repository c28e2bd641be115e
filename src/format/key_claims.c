#include "format/key_claims.h"

#include "codec/base64.h"

#define CLAIM(name, form)                                                                                              \
    { #name, sizeof(#name) - 1, form, offsetof(struct key_claims, name), sizeof(((struct key_claims *) 0)->name) }

const struct key_claim key_claims[KEY_CLAIMS] = {
    CLAIM(iss, KEY_CLAIM_TEXT),
    CLAIM(aud, KEY_CLAIM_TEXT),
    CLAIM(sub, KEY_CLAIM_TEXT),
    CLAIM(client_id, KEY_CLAIM_TEXT),
    CLAIM(jti, KEY_CLAIM_TEXT),
    CLAIM(iat, KEY_CLAIM_TIME),
    CLAIM(nbf, KEY_CLAIM_TIME),
    CLAIM(exp, KEY_CLAIM_TIME),
    CLAIM(scope, KEY_CLAIM_SCOPE),
    CLAIM(pid, KEY_CLAIM_TEXT),
    CLAIM(env, KEY_CLAIM_TEXT),
    CLAIM(gid, KEY_CLAIM_TEXT),
    CLAIM(gen, KEY_CLAIM_GEN),
    CLAIM(rid, KEY_CLAIM_TEXT),
    CLAIM(wend, KEY_CLAIM_TIME),
    CLAIM(ctx, KEY_CLAIM_TEXT),
    { "cnf", 3, KEY_CLAIM_CNF, 0, 0 },
};

static bool base64url_of(const char *text, size_t n_bytes)
{
    uint8_t out[32];
    size_t n = 0;

    return strlen(text) == base64url_len(n_bytes) && base64url_parse(span_str(text), out, sizeof(out), &n);
}

static bool client_ok(const char *s)
{
    return strcmp(s, "web") == 0 || strcmp(s, "cli") == 0 || strcmp(s, "api") == 0;
}

static const char *time_fault(const struct key_claims *c)
{
    int64_t cap = c->cnf_jkt[0] == '\0' ? KEY_BEARER_MAX_S : KEY_LIFE_MAX_S;

    if (c->iat < 0 || c->nbf < 0 || c->exp < 0 || c->wend < 0)
        return "a time before 1970";
    if (c->exp <= c->iat || c->exp <= c->nbf)
        return "exp is not after iat and nbf";
    if (c->exp - c->iat > cap)
        return "exp is further from iat than a key may live";
    if (c->exp > c->wend)
        return "exp is after wend";
    return NULL;
}

const char *key_claims_fault(const struct key_claims *c)
{
    char scope[KEY_SCOPE_TEXT_CAP];

    if (c->iss[0] == '\0')
        return "iss is empty";
    if (c->aud[0] == '\0')
        return "aud is empty";
    if (!id_check(span_str(c->sub), ID_USER))
        return "sub is no id of a user";
    if (!client_ok(c->client_id))
        return "client_id is none of web, cli, api";
    if (!jti_check(span_str(c->jti)))
        return "jti is not 16 bytes in base64url";
    if (!id_check(span_str(c->pid), ID_PROJECT))
        return "pid is no id of a project";
    if (c->env[0] == '\0')
        return "env is empty";
    if (!id_check(span_str(c->gid), ID_GRANT))
        return "gid is no id of a grant";
    if (!id_check(span_str(c->rid), ID_RECORDING))
        return "rid is no id of a recording";
    if (!key_scope_text(c->scope, scope))
        return "scope may not be";
    if (!base64url_of(c->ctx, 16))
        return "ctx is not 16 bytes in base64url";
    if (c->cnf_jkt[0] != '\0' && !base64url_of(c->cnf_jkt, 32))
        return "cnf.jkt is not 32 bytes in base64url";
    return time_fault(c);
}
