#include "crypto/password.h"

#include <stdio.h>

#include <sodium.h>

#include "crypto/secret.h"

#define MEMORY     ((size_t) 32 << 20)
#define PASSES     3
#define MEMORY_MAX (256u << 10) /* KiB, of a stored text */
#define PASSES_MAX 16

/* libsodium takes no NULL, also for an empty password. */
static const char *chars(struct span password)
{
    return password.n == 0 ? "" : (const char *) password.p;
}

enum err password_hash(struct span password, char stored[PASSWORD_STORED_MAX], struct err_info *reterr)
{
    char out[crypto_pwhash_STRBYTES];

    _Static_assert(crypto_pwhash_STRBYTES <= PASSWORD_STORED_MAX, "the stored text fits");
    if (password.n > PASSWORD_LEN_MAX)
        return ERR_RAISE(reterr, ERR_LIMIT, "password is longer than %d bytes", PASSWORD_LEN_MAX);
    if (sodium_init() < 0)
        return ERR_RAISE(reterr, ERR_CRYPTO, "libsodium does not start");
    if (crypto_pwhash_str_alg(out, chars(password), password.n, PASSES, MEMORY,
                              crypto_pwhash_ALG_ARGON2ID13) != 0)
        return ERR_RAISE(reterr, ERR_NOMEM, "no %zu MiB to hash a password", MEMORY >> 20);
    memcpy(stored, out, sizeof(out));
    return ERR_OK;
}

/* A stored text comes from our database, and still must not be able to ask for a gigabyte. */
static bool modest(const char *stored)
{
    unsigned memory = 0, passes = 0, lanes = 0;

    return stored != NULL && strnlen(stored, PASSWORD_STORED_MAX) < PASSWORD_STORED_MAX &&
           sscanf(stored, "$argon2id$v=19$m=%9u,t=%9u,p=%9u$", &memory, &passes, &lanes) == 3 &&
           memory <= MEMORY_MAX && passes <= PASSES_MAX && lanes == 1;
}

bool password_verify(const char *stored, struct span password)
{
    char padded[crypto_pwhash_STRBYTES] = { 0 };

    if (!modest(stored) || password.n > PASSWORD_LEN_MAX || sodium_init() < 0)
        return false;
    memcpy(padded, stored, strlen(stored));
    return crypto_pwhash_str_verify(padded, chars(password), password.n) == 0;
}

bool password_verify_nobody(struct span password)
{
    static const uint8_t salt[crypto_pwhash_SALTBYTES] = "nobody's salt..";
    static const uint8_t never[32];
    uint8_t out[32];
    volatile bool same;

    if (password.n > PASSWORD_LEN_MAX || sodium_init() < 0)
        return false;
    if (crypto_pwhash(out, sizeof(out), chars(password), password.n, salt, PASSES, MEMORY,
                      crypto_pwhash_ALG_ARGON2ID13) != 0)
        return false;
    same = secret_equal(out, never, sizeof(out)); /* as much work as a real one, its result is not used */
    (void) same;
    return false;
}

bool password_is_outdated(const char *stored)
{
    char padded[crypto_pwhash_STRBYTES] = { 0 };

    if (!modest(stored))
        return true;
    memcpy(padded, stored, strlen(stored));
    return crypto_pwhash_str_needs_rehash(padded, PASSES, MEMORY) != 0;
}
