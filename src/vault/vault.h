#pragma once
/*
 * The vault: the smallest role. Holds the master key, epoch keys, signing keys, the key that signs checkpoints. Reads no
 * JSON, opens no socket, knows one file. It does not take orders: it signs a key only for a grant that it was told is
 * live, releases a recording key only for a key it signed itself, signs a checkpoint only when it continues the last one.
 */
#include "base/err.h"

/* The role's process: control channel on 'control_fd'. Returns the exit status. */
int vault_main(int control_fd);

/*
 * For `keyhole init`: makes DIR/vault with a new master key (0400) and a key store with the first epoch and log key.
 * ERR_EXISTS: there is one already.
 */
NODISCARD enum err vault_setup(const char *dir, struct err_info *reterr);
