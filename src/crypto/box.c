#include "crypto/box.h"

#include <sodium.h>

enum err box_generate(struct secret **ret_private, uint8_t pub[BOX_PUB_LEN], struct err_info *reterr)
{
    CLEANUP(secret_freep) struct secret *priv = secret_random(32);

    if (priv == NULL)
        return ERR_RAISE(reterr, ERR_NOMEM, "no slot for a private key");
    if (!box_public(priv, pub))
        return ERR_RAISE(reterr, ERR_CRYPTO, "cannot make an X25519 key");
    *ret_private = TAKE(priv);
    return ERR_OK;
}

bool box_public(const struct secret *private_key, uint8_t pub[BOX_PUB_LEN])
{
    return secret_len(private_key) == 32 && crypto_scalarmult_base(pub, secret_span(private_key).p) == 0;
}

enum err box_seal(const uint8_t pub[BOX_PUB_LEN], struct span msg, uint8_t *out, struct err_info *reterr)
{
    if (crypto_box_seal(out, msg.p, msg.n, pub) != 0)
        return ERR_RAISE(reterr, ERR_CRYPTO, "cannot seal to this public key");
    return ERR_OK;
}

bool box_open(const struct secret *private_key, const uint8_t pub[BOX_PUB_LEN], struct span box, uint8_t *out)
{
    return box.n >= BOX_OVERHEAD && secret_len(private_key) == 32 &&
           crypto_box_seal_open(out, box.p, box.n, pub, secret_span(private_key).p) == 0;
}
