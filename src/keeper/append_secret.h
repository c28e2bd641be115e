#pragma once
/*
 * What a public token needs besides itself to go on with a recording: batches, end, links (docs/capture.md, 'Who may record').
 *
 * Everybody who has a page has its token, and who may look at lists has the ids of recordings: without a secret anybody could add to
 * another visitor's recording, or end it. The answer of its creation has it ("krs_" and 43 characters), and nobody else gets it.
 *
 *   HMAC-SHA-256(HMAC-SHA-256(the project's subject key, 00 "recording"), id of the recording)
 *
 * so nothing is stored, and a creation that is repeated under its Idempotency-Key is answered alike. A stated subject cannot begin with
 * a zero byte: what viewers see of that key's HMACs says nothing of this.
 */
#include "keeper/job.h"

#define APPEND_SECRET_LEN 47

NODISCARD enum err append_secret(struct job *c, struct span project, struct span rid, struct span *ret, struct err_info *reterr);

/* Is it the one of this recording? */
NODISCARD enum err append_secret_check(struct job *c, const struct meta_recording *r, struct span given, bool *ret_ok,
                                       struct err_info *reterr);
