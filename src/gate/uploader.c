#include "gate/uploader.h"

#include "codec/jsonw.h"
#include "crypto/hash.h"

bool uploader_is_browser(struct span token)
{
    return span_starts(token, "kib_");
}

bool uploader_query(struct call *c, const char *name, struct span *ret)
{
    struct buf tree = BUF_INIT(64u << 10);
    struct span v;
    bool there = c->ex != NULL && exchange_head(c->ex)->query.n > 0 && call_query(c, &tree, NULL) == ERR_OK &&
                 tree_get_str(tree_root(buf_span(&tree)), name, &v);

    if (there)
        *ret = arena_span(&c->memory, v);
    buf_deinit(&tree);
    return there && ret->n > 0;
}

bool uploader_in_address(struct call *c, struct span token)
{
    if (!span_starts(token, "kit_"))
        return false;
    call_problem(c, "login-needed", "A secret token does not belong in an address, where logs keep it. Make a public one (keyhole token add --ingest --browser), and end this one.");
    return true;
}

/* ?token= of a public token, when no header names anybody. */
static bool query_credential(struct call *c, struct credential *ret)
{
    struct span token;

    if (c->route->auth != AUTH_INGEST || http_head_count(exchange_head(c->ex), "authorization") > 0 ||
        !uploader_query(c, "token", &token) || !uploader_is_browser(token))
        return false;
    *ret = (struct credential){ .kind = CRED_BEARER, .token = token };
    sha256(token, ret->sha256);
    return true;
}

bool uploader_credential(struct call *c, struct credential *ret, const char *nobody)
{
    struct span token;

    if (c->route->auth == AUTH_INGEST && uploader_query(c, "token", &token) && uploader_in_address(c, token))
        return false;
    if (query_credential(c, ret)) /* a cookie that the browser sent along authenticates nothing */
        return true;
    switch (credential_of(c, ret)) {
    case CREDENTIAL_TWO: call_problem(c, "invalid-request", ""); return false;
    case CREDENTIAL_BAD: call_problem(c, "login-needed", ""); return false;
    case CREDENTIAL_CSRF: call_problem(c, "csrf", ""); return false;
    case CREDENTIAL_OK: break;
    }
    if (ret->kind == CRED_NONE)
        call_problem(c, "login-needed", nobody);
    return ret->kind != CRED_NONE;
}

bool uploader_is_ingest(const struct credential *cred)
{
    return cred->kind == CRED_BEARER && (span_starts(cred->token, "kit_") || uploader_is_browser(cred->token));
}

static enum err make_key(enum wrap_kind kind, struct span rid, struct span pid, uint32_t epoch, const uint8_t *epoch_pk,
                         struct secret **ret_rk, struct buf *wrap, struct err_info *reterr)
{
    const struct wrap_name name = { kind, rid, pid, epoch };
    CLEANUP(secret_freep) struct secret *rk = secret_random(32);

    if (rk == NULL)
        return ERR_RAISE(reterr, ERR_NOMEM, "no slot for a recording key");
    TRY(wrap_seal(&name, rk, epoch_pk, wrap, reterr));
    *ret_rk = TAKE(rk);
    return ERR_OK;
}

enum err uploader_keys_make(struct span rid, struct span pid, uint32_t epoch, struct span epoch_pk, bool reveal,
                            struct uploader_keys *ret, struct err_info *reterr)
{
    static const enum wrap_kind kinds[UPLOADER_TRACKS] = { WRAP_RK, WRAP_REVEAL };
    enum err e = ERR_OK;

    memset(ret, 0, sizeof(*ret));
    if (epoch_pk.n != BOX_PUB_LEN)
        return ERR_RAISE(reterr, ERR_INVAL, "the epoch has no key");
    for (unsigned i = 0; i < (reveal ? UPLOADER_TRACKS : 1) && e == ERR_OK; i++) {
        struct buf wrap = BUF_INIT(WRAP_MAX);

        e = make_key(kinds[i], rid, pid, epoch, epoch_pk.p, &ret->of[i].rk, &wrap, reterr);
        if (e == ERR_OK)
            memcpy(ret->of[i].wrap, wrap.p, wrap.n);
        ret->of[i].wrap_len = e == ERR_OK ? wrap.n : 0;
        buf_deinit(&wrap);
    }
    if (e != ERR_OK)
        uploader_keys_drop(ret);
    return e;
}

void uploader_keys_drop(struct uploader_keys *k)
{
    for (unsigned i = 0; i < UPLOADER_TRACKS; i++)
        k->of[i].rk = secret_free(k->of[i].rk);
}

uint32_t uploader_wrap_rows(const struct uploader_keys *k, uint16_t kn, uint32_t epoch,
                            struct ipc_row_wrap rows[UPLOADER_TRACKS])
{
    uint32_t n = 0;

    for (unsigned i = 0; i < UPLOADER_TRACKS; i++) {
        if (k->of[i].wrap_len > 0)
            rows[n++] = (struct ipc_row_wrap){ kn, (uint8_t) i, epoch, span_of(k->of[i].wrap, k->of[i].wrap_len) };
    }
    return n;
}

void uploader_invalid(struct call *c, const char *at, const char *code, const char *detail)
{
    struct buf members = BUF_INIT(2048);
    struct problem p = { .code = SPAN("invalid") };
    struct jsonw w;

    jsonw_init(&w, &members);
    jsonw_obj(&w);
    jsonw_karr(&w, "errors");
    jsonw_obj(&w);
    jsonw_kcstr(&w, "at", at);
    jsonw_kcstr(&w, "code", code);
    jsonw_kcstr(&w, "detail", detail);
    jsonw_obj_end(&w);
    jsonw_arr_end(&w);
    jsonw_obj_end(&w);
    p.members = buf_span(&members);
    call_problem_full(c, &p, NULL, 0);
    buf_deinit(&members);
}

void uploader_broken(struct jsonw *w, const struct importer_error *b)
{
    if (b->code == ERR_OK)
        return;
    if (b->line > 0)
        jsonw_kint(w, "line", (int64_t) b->line);
    jsonw_kint(w, "offset", (int64_t) b->offset);
    jsonw_kcstr(w, "cause", b->cause);
    if (b->code == ERR_LIMIT && b->limit != NULL) {
        jsonw_kobj(w, "limit");
        jsonw_kcstr(w, "name", b->limit);
        jsonw_kint(w, "value", (int64_t) b->limit_value);
        jsonw_obj_end(w);
    }
}
