#include "format/wrap.h"

#include "format/id.h"

#define PLAIN_MAX (WRAP_MAX - BOX_OVERHEAD)

static bool name_ok(const struct wrap_name *n)
{
    switch (n->kind) {
    case WRAP_RK:
    case WRAP_REVEAL:
        return id_check(n->id, ID_RECORDING) && id_check(n->project, ID_PROJECT);
    case WRAP_OPENING:
        return n->id.n > 0 && n->id.n <= WRAP_ID_MAX && n->project.n <= WRAP_ID_MAX;
    }
    return false;
}

enum err wrap_seal(const struct wrap_name *name, const struct secret *key, const uint8_t epoch_pub[BOX_PUB_LEN],
                   struct buf *out, struct err_info *reterr)
{
    uint8_t plain[PLAIN_MAX], *at = plain, *to;
    size_t n;
    enum err e;

    if (!name_ok(name))
        return ERR_RAISE(reterr, ERR_INVAL, "wrap: not the name of a recording or person");
    if (secret_len(key) != 32)
        return ERR_RAISE(reterr, ERR_INVAL, "wrap: a key of %zu bytes", secret_len(key));
    *at++ = (uint8_t) name->kind;
    *at++ = (uint8_t) name->id.n;
    memcpy(at, name->id.p, name->id.n);
    at += name->id.n;
    *at++ = (uint8_t) name->project.n;
    if (name->project.n > 0)
        memcpy(at, name->project.p, name->project.n);
    at += name->project.n;
    for (int i = 0; i < 4; i++)
        *at++ = (uint8_t) (name->epoch >> 8 * i);
    memcpy(at, secret_span(key).p, 32);
    at += 32;
    n = (size_t) (at - plain);
    to = buf_reserve(out, n + BOX_OVERHEAD);
    e = to == NULL ? buf_check(out, reterr) : box_seal(epoch_pub, span_of(plain, n), to, reterr);
    secret_wipe(plain, sizeof(plain));
    if (e == ERR_OK)
        out->n += n + BOX_OVERHEAD;
    return e;
}

/* What was inside is not a secret up to the key, so no comparison here needs constant time. */
static enum err check_plain(struct span plain, const struct wrap_name *want, struct span *ret_key,
                            struct err_info *reterr)
{
    struct rd r = rd_of(plain);
    uint8_t kind = rd_u8(&r);
    struct span id = rd_lp(&r), project = rd_lp(&r);
    uint32_t epoch = rd_u32le(&r);

    *ret_key = rd_bytes(&r, 32);
    if (!rd_done(&r))
        return ERR_RAISE(reterr, ERR_CORRUPT, "wrap: what is inside has another form");
    if (kind != want->kind)
        return ERR_RAISE(reterr, ERR_DENIED, "wrap: of kind %u, asked for %u", kind, (unsigned) want->kind);
    if (!span_eq(id, want->id) || !span_eq(project, want->project))
        return ERR_RAISE(reterr, ERR_DENIED, "wrap: of another recording, person or project");
    if (epoch != want->epoch)
        return ERR_RAISE(reterr, ERR_DENIED, "wrap: of epoch %u, asked for %u", epoch, want->epoch);
    return ERR_OK;
}

enum err wrap_open(struct span wrap, const struct wrap_name *want, const struct secret *epoch_private,
                   const uint8_t epoch_pub[BOX_PUB_LEN], struct secret **ret_key, struct err_info *reterr)
{
    uint8_t plain[PLAIN_MAX];
    struct span key;
    struct secret *s = NULL;
    enum err e;

    if (!name_ok(want))
        return ERR_RAISE(reterr, ERR_INVAL, "wrap: not the name of a recording or person");
    if (wrap.n < BOX_OVERHEAD || wrap.n > WRAP_MAX ||
        !box_open(epoch_private, epoch_pub, wrap, plain)) {
        secret_wipe(plain, sizeof(plain));
        return ERR_RAISE(reterr, ERR_CORRUPT, "wrap: not sealed to this epoch's key, or changed");
    }
    e = check_plain(span_of(plain, wrap.n - BOX_OVERHEAD), want, &key, reterr);
    if (e == ERR_OK && (s = secret_of(key)) == NULL)
        e = ERR_RAISE(reterr, ERR_NOMEM, "no slot for an opened key");
    secret_wipe(plain, sizeof(plain));
    if (e == ERR_OK)
        *ret_key = s;
    return e;
}
