#pragma once
/*
 * The saved sign-in: login.json (0600) in KEYHOLE_CONFIG_DIR, else $XDG_CONFIG_HOME/keyhole, else ~/.config/keyhole (0700).
 * Holds the server's address, its token, the user's name, the CA file, the thumbprint of the client key that the sign-in is bound
 * to (client_key.h), and the server's public address when it has another one; all for that address only.
 */
#include "cli/cli.h"

/* The directory, made when 'create'. ERR_NOTFOUND: there is none, or no home directory is known. */
NODISCARD enum err login_directory(bool create, char *path, size_t cap, int *ret_fd, struct err_info *reterr);

/* Fills c->login; nothing saved is fine. ERR_CORRUPT: the file is not what login wrote. ERR_DENIED: others can read it. */
NODISCARD enum err login_load(struct cli *c, struct err_info *reterr);
NODISCARD enum err login_save(const struct cli *c, struct err_info *reterr);
NODISCARD enum err login_remove(struct err_info *reterr);
void login_deinit(struct cli *c);
