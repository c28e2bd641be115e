#pragma once
/* Answers given under an Idempotency-Key (STANDARDS 5.1), in the transaction of what they answer. */
#include "keeper/job.h"

#define IDEM_KEY_MAX 128

/*
 * An answer given before by this caller, on this route, under this key: taken when the body is the same
 * (*ret_replayed), refused with 422 idempotency-mismatch when not.
 */
NODISCARD enum err idem_find(struct job *c, bool *ret_replayed, struct err_info *reterr);

/* Keeps this answer. */
NODISCARD enum err idem_keep(struct job *c, struct err_info *reterr);
