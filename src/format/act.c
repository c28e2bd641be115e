#include "format/act.h"

#include <stdio.h>
#include <string.h>

#include "codec/base64.h"
#include "codec/jcs.h"
#include "crypto/hash.h"
#include "format/key.h"

#define INPUT_MAX 8192
#define BODY_MAX  (1U << 20) /* the control plane's limit; canonical JSON is never longer than what it was read from */
#define IAT_DIGITS 15

static const struct {
    const char *operation;
    enum act_kind kind;
} acts[] = {
    { "request_approve", ACT_REQUEST }, { "request_deny", ACT_REQUEST },
    { "policy_propose", ACT_BODY },     { "policy_approve", ACT_HASH },  { "policy_stop", ACT_BODY },
    { "change_approve", ACT_BODY },     { "change_stop", ACT_BODY },
    { "user_create", ACT_BODY },        { "user_patch", ACT_BODY },
    { "group_create", ACT_BODY },       { "group_patch", ACT_BODY },
    { "project_create", ACT_BODY },     { "project_patch", ACT_BODY },
    { "mask_put", ACT_BODY },
    { "token_create", ACT_BODY },       { "token_revoke", ACT_BODY },
    { "freeze_set", ACT_BODY },         { "freeze_lift", ACT_BODY },
    { "keys_rotate", ACT_BODY },        { "audit_unseal", ACT_BODY },
    { "clock_trust", ACT_BODY },        { "grant_review", ACT_BODY },
};

enum act_kind act_kind(const char *operation, struct tree body)
{
    struct tree incident;

    for (size_t i = 0; i < sizeof(acts) / sizeof(acts[0]); i++) {
        if (strcmp(acts[i].operation, operation) == 0)
            return acts[i].kind;
    }
    if (strcmp(operation, "request_create") == 0 && tree_get(body, "break_glass", &incident) &&
        incident.tag != TREE_NULL)
        return ACT_BODY;
    return ACT_NONE;
}

static enum err body_digest(struct tree body, struct buf *out, struct err_info *reterr)
{
    struct buf json = BUF_INIT(BODY_MAX);
    uint8_t hash[SHA256_LEN];
    enum err e = ERR_OK;

    if (body.tag == TREE_NULL)
        buf_add_str(&json, "{}");
    else
        e = jcs_add(&json, body, reterr);
    if (e == ERR_OK)
        e = buf_check(&json, reterr);
    if (e == ERR_OK) {
        sha256(buf_span(&json), hash);
        base64url_add(out, SPAN_OF(hash));
        e = buf_check(out, reterr);
    }
    buf_deinit(&json);
    return e;
}

enum err act_digest(enum act_kind kind, struct span id, struct tree body, struct buf *out, struct err_info *reterr)
{
    struct span digest;

    if (kind == ACT_NONE)
        return ERR_RAISE(reterr, ERR_INVAL, "not an act");
    if (kind != ACT_HASH && (kind != ACT_REQUEST || !tree_get_str(body, "digest", &digest)))
        return body_digest(body, out, reterr);
    buf_add_span(out, kind == ACT_HASH ? id : digest);
    return buf_check(out, reterr);
}

bool act_header_parse(struct span value, struct act_header *ret)
{
    struct span iat, sig;
    struct act_header h = { 0 };

    if (!span_cut(value, '.', &iat, &sig) || iat.n == 0 || iat.n > IAT_DIGITS || iat.p[0] == '0')
        return false;
    for (size_t i = 0; i < iat.n; i++) {
        if (iat.p[i] < '0' || iat.p[i] > '9')
            return false;
        h.iat = h.iat * 10 + (iat.p[i] - '0');
    }
    if (!base64url_parse_exact(sig, h.sig, sizeof(h.sig)))
        return false;
    *ret = h;
    return true;
}

static enum err check_form(const struct act *a, struct err_info *reterr)
{
    uint8_t thumbprint[SHA256_LEN];

    if (!base64url_parse_exact(a->jkt, thumbprint, sizeof(thumbprint)))
        return ERR_RAISE(reterr, ERR_INVAL, "an act needs the thumbprint of its key");
    if (a->act.n == 0 || a->htu.n == 0 || a->htu.n > ACT_HTU_MAX || a->id.n > ACT_ID_MAX || a->digest.n > ACT_ID_MAX)
        return ERR_RAISE(reterr, ERR_INVAL, "a value of the act is missing or too long");
    return ERR_OK;
}

static enum err payload(const struct act *a, struct buf *out, struct err_info *reterr)
{
    struct buf tree = BUF_INIT(INPUT_MAX);
    size_t mark = tree_begin(&tree, SPAN_EMPTY, TREE_OBJ);
    enum err e;

    tree_add_str(&tree, SPAN("act"), a->act);
    tree_add_str(&tree, SPAN("digest"), a->digest);
    tree_add_str(&tree, SPAN("htu"), a->htu);
    tree_add_int(&tree, SPAN("iat"), a->iat);
    tree_add_str(&tree, SPAN("id"), a->id);
    tree_end(&tree, mark);
    e = buf_check(&tree, reterr);
    if (e == ERR_OK && !tree_check(buf_span(&tree)))
        e = ERR_RAISE(reterr, ERR_INVAL, "a value of the act is not UTF-8");
    if (e == ERR_OK)
        e = jcs_add(out, tree_root(buf_span(&tree)), reterr);
    buf_deinit(&tree);
    return e;
}

enum err act_input(const struct act *a, struct buf *out, struct err_info *reterr)
{
    struct buf json = BUF_INIT(INPUT_MAX);
    char header[128];
    enum err e = check_form(a, reterr);

    if (e != ERR_OK)
        return e;
    (void) snprintf(header, sizeof(header), "{\"alg\":\"ES256\",\"typ\":\"act+jws\",\"kid\":\"%.*s\"}", (int) a->jkt.n,
                    (const char *) a->jkt.p);
    base64url_add(out, span_str(header));
    buf_add_c(out, '.');
    e = payload(a, &json, reterr);
    if (e == ERR_OK) {
        base64url_add(out, buf_span(&json));
        e = buf_check(out, reterr);
    }
    buf_deinit(&json);
    return e;
}

enum err act_sign(const struct act *a, const struct es256_signer *signer, char header[ACT_HEADER_CAP],
                  struct err_info *reterr)
{
    struct buf input = BUF_INIT(INPUT_MAX);
    uint8_t sig[ES256_SIG_LEN];
    char text[ACT_HEADER_CAP];
    enum err e;

    if (a->iat <= 0 || a->iat > (int64_t) 999999999999999)
        return ERR_RAISE(reterr, ERR_INVAL, "the time of an act is out of range");
    e = act_input(a, &input, reterr);
    if (e == ERR_OK)
        e = es256_sign(signer, buf_span(&input), sig, reterr);
    buf_deinit(&input);
    TRY(e);
    (void) base64url_str(sig, sizeof(sig), text, sizeof(text));
    (void) snprintf(header, ACT_HEADER_CAP, "%lld.%.86s", (long long) a->iat, text);
    return ERR_OK;
}

enum act_verdict act_verify(const struct act *a, const struct act_header *h, const struct es256_verifier *key,
                            int64_t now_s)
{
    struct buf input = BUF_INIT(INPUT_MAX);
    char jkt[KEY_JKT_LEN + 1];
    bool good;

    if (h->iat < now_s - ACT_IAT_LEEWAY_S)
        return ACT_OLD;
    if (h->iat > now_s + ACT_IAT_LEEWAY_S)
        return ACT_AHEAD;
    key_jkt(es256_verifier_pub(key), jkt);
    good = a->iat == h->iat && span_eq_str(a->jkt, jkt) && act_input(a, &input, NULL) == ERR_OK &&
           es256_verify(key, buf_span(&input), SPAN_OF(h->sig));
    buf_deinit(&input);
    return good ? ACT_OK : ACT_FORGED;
}

enum err act_hash(const struct act *a, const struct act_header *h, struct buf *jws, char out[ACT_HASH_LEN + 1],
                  struct err_info *reterr)
{
    struct buf text = BUF_INIT(INPUT_MAX);
    uint8_t hash[SHA256_LEN];
    enum err e = act_input(a, &text, reterr);

    if (e == ERR_OK) {
        buf_add_c(&text, '.');
        base64url_add(&text, SPAN_OF(h->sig));
        e = buf_check(&text, reterr);
    }
    if (e == ERR_OK && jws != NULL) {
        buf_add_span(jws, buf_span(&text));
        e = buf_check(jws, reterr);
    }
    if (e == ERR_OK) {
        sha256(buf_span(&text), hash);
        (void) base64url_str(hash, sizeof(hash), out, ACT_HASH_LEN + 1);
    }
    buf_deinit(&text);
    return e;
}

enum err act_once(const struct act *a, const struct act_header *h, uint8_t out[32], struct err_info *reterr)
{
    struct buf text = BUF_INIT(INPUT_MAX);
    enum err e = act_input(a, &text, reterr);

    if (e == ERR_OK) {
        const struct span parts[] = { buf_span(&text), span_of(h->sig, ES256_SIG_LEN / 2) };

        sha256_parts(parts, 2, out);
    }
    buf_deinit(&text);
    return e;
}
