#pragma once
/*
 * Humans: each has an X25519 pair, made when the person is first seen. The public key is kept in clear, so that facts can
 * be sealed to it; the private one is sealed to the vault and wiped (STANDARDS 3.8, 4.2 kind 2).
 */
#include "keeper/job.h"

/* The epoch that wraps are made for must be known: ERR_STATE otherwise (the vault has not been heard yet). */
NODISCARD enum err persons_make(struct job *c, struct span *ret_id, struct err_info *reterr);

/* The person behind a recorded subject; made when there is none. */
NODISCARD enum err persons_of_subject(struct job *c, struct span project, struct span subject, struct span *ret_id,
                                      struct err_info *reterr);
