#pragma once
/*
 * Ingest tokens as the gate holds them (STANDARDS 5.1): all live ones when it comes, then each that is made, revoked or over;
 * and with them the origins of projects whose pages may record (keeper/origins.h).
 * Numbered on the channel in one sequence with GRANTS and DENY.
 */
#include "keeper/job.h"

NODISCARD enum err ingest_tokens_resync(struct job *c, uint32_t chan, struct err_info *reterr);
/* Tokens of other kinds: nothing. */
NODISCARD enum err ingest_tokens_push(struct job *c, const struct meta_token *t, bool live, struct err_info *reterr);
/* Each second: those whose time is over end. */
NODISCARD enum err ingest_tokens_sweep(struct job *c, struct err_info *reterr);
