#include "keeper/append_secret.h"

#include <stdio.h>

#include "crypto/hash.h"
#include "crypto/secret.h"

enum err append_secret(struct job *c, struct span project, struct span rid, struct span *ret, struct err_info *reterr)
{
    static const char use[] = "\0recording";
    uint8_t key[SHA256_LEN], mac[SHA256_LEN];
    char text[APPEND_SECRET_LEN + 1];
    struct meta_project p;

    TRY(meta_project_get(c->v, project, c->mem, &p, reterr));
    hmac_sha256(p.subject_key, span_of(use, sizeof(use) - 1), key);
    hmac_sha256(SPAN_OF(key), rid, mac);
    (void) snprintf(text, sizeof(text), "krs_" SPAN_FMT, SPAN_ARG(job_b64(c, SPAN_OF(mac))));
    secret_wipe(key, sizeof(key));
    *ret = arena_span(c->mem, span_str(text));
    return ret->n == APPEND_SECRET_LEN ? ERR_OK : ERR_RAISE(reterr, ERR_NOMEM, "a recording's secret");
}

enum err append_secret_check(struct job *c, const struct meta_recording *r, struct span given, bool *ret_ok,
                             struct err_info *reterr)
{
    struct span want;

    TRY(append_secret(c, r->project, r->id, &want, reterr));
    *ret_ok = secret_equal_span(want, given);
    return ERR_OK;
}
