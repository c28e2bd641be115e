#pragma once
/*
 * Leaves that two processes write from the same message, byte for byte: the keeper appends them, the vault fills the same
 * template and so knows the hash of the record that says what it signs or releases (STANDARDS 1.9).
 * ret->i and ret->t are the message's leaf_idx and leaf_t_ms; spans borrow from the message.
 */
#include "format/ipc.h"
#include "format/leaf.h"

/*
 * key.issued, or key.renewed: n = {iat, exp, wend, then play, live, unmask, export, bg, bound, ctx: 1 where they apply}; of a
 * bound key digest is the thumbprint of the client key.
 */
void leaf_form_key(const struct ipc_sign_key *k, struct leaf *ret);

/* vault.released, for the key 'jti' of that message: log, sub and vid are those it was issued with. n = {kn, track}. */
void leaf_form_released(const struct ipc_open *o, struct span log, struct span sub, struct span vid, struct leaf *ret);
