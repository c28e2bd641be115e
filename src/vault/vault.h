#pragma once
/*
 * The vault: the smallest role. Holds the master key, epoch keys, signing keys, the key that signs checkpoints. Reads no
 * JSON, opens no socket, knows one file. It does not take orders: it signs a key only for a grant that it was told is
 * live, releases a recording key only for a key it signed itself, signs a checkpoint only when it continues the last one.
 */
#include <stdint.h>

#include "base/err.h"

/* The role's process: control channel on 'control_fd'. Returns the exit status. */
int vault_main(int control_fd);

/*
 * For `keyhole init`: makes DIR/vault with a new master key (0400) and a key store with the first epoch and log key. The
 * epoch's public key goes to the keeper's set-up: what it makes for people is sealed to it. ERR_EXISTS: there is one.
 */
NODISCARD enum err vault_setup(const char *dir, uint32_t *ret_epoch, uint8_t ret_epoch_pk[32], struct err_info *reterr);
