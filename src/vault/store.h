#pragma once
/*
 * The key store on disk: DIR/vault/master.key and DIR/vault/keystore. Every change is durable before it is used.
 */
#include "format/keystore.h"

struct vault_store {
    int dir;
    struct secret *master;
    struct keystore *keys;
};

/* Creates both files. ERR_EXISTS. */
NODISCARD enum err vault_store_create(const char *state_dir, struct err_info *reterr);

NODISCARD enum err vault_store_open(const char *state_dir, struct vault_store *ret, struct err_info *reterr);
void vault_store_close(struct vault_store *s);

/* Writes the file anew, fsynced. */
NODISCARD enum err vault_store_save(struct vault_store *s, struct err_info *reterr);
