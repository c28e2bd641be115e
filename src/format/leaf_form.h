#pragma once
/*
 * Leaves that two processes write from the same message, byte for byte: the keeper appends them, the vault fills the same
 * template and so knows the hash of the record that says what it signs or releases (STANDARDS 1.9).
 * ret->i and ret->t are the message's leaf_idx and leaf_t_ms; spans borrow from the message.
 */
#include "format/ipc.h"
#include "format/leaf.h"

/* key.issued, or key.renewed: n = {iat, exp, wend, then play, live, unmask, export, bg, bound: 1 where they apply}. */
void leaf_form_key(const struct ipc_sign_key *k, bool renewed, struct leaf *ret);

/* vault.released: n = {kn, track}. */
void leaf_form_released(const struct ipc_open *o, struct leaf *ret);
