#include "crypto/ed25519.h"

#include <sodium.h>

#include "crypto/random.h"

enum err ed25519_from_seed(const uint8_t seed[32], struct secret **ret_private, uint8_t pub[ED25519_PUB_LEN],
                           struct err_info *reterr)
{
    struct secret *priv = secret_new(crypto_sign_SECRETKEYBYTES);

    if (priv == NULL)
        return ERR_RAISE(reterr, ERR_NOMEM, "no slot for a private key");
    (void) crypto_sign_seed_keypair(pub, secret_bytes(priv), seed); /* always 0 */
    *ret_private = priv;
    return ERR_OK;
}

enum err ed25519_generate(struct secret **ret_private, uint8_t pub[ED25519_PUB_LEN], struct err_info *reterr)
{
    uint8_t seed[crypto_sign_SEEDBYTES];
    enum err e;

    random_fill(seed, sizeof(seed));
    e = ed25519_from_seed(seed, ret_private, pub, reterr);
    secret_wipe(seed, sizeof(seed));
    return e;
}

void ed25519_sign(const struct secret *private_key, struct span msg, uint8_t sig[ED25519_SIG_LEN])
{
    (void) crypto_sign_detached(sig, NULL, msg.p, msg.n, secret_span(private_key).p); /* always 0 */
}

bool ed25519_verify(const uint8_t pub[ED25519_PUB_LEN], struct span msg, struct span sig)
{
    return sig.n == ED25519_SIG_LEN && crypto_sign_verify_detached(sig.p, msg.p, msg.n, pub) == 0;
}
