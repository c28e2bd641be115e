#pragma once
/*
 * The saved sign-in: login.json (0600) in KEYHOLE_CONFIG_DIR, else $XDG_CONFIG_HOME/keyhole, else ~/.config/keyhole (0700).
 * Holds the server's address, its token, the user's name and the CA file; the token is for that address only.
 */
#include "cli/cli.h"

/* Fills c->login; nothing saved is fine. ERR_CORRUPT: the file is not what login wrote. ERR_DENIED: others can read it. */
NODISCARD enum err login_load(struct cli *c, struct err_info *reterr);
NODISCARD enum err login_save(const struct cli *c, struct err_info *reterr);
NODISCARD enum err login_remove(struct err_info *reterr);
void login_deinit(struct cli *c);
