#pragma once
/*
 * Signed acts (STANDARDS 2.4, docs/formats/act.md): before a handler of format/act's list runs, the keeper checks that the call
 * was signed by the client key of its sign-in over exactly this call; each act is taken once.
 *
 * A sign-in with a client key has to sign. One without is taken, and marked 'unsigned', where the policy allows bearer (a vote:
 * where the rule that decided the request does), and an API token under auth.token_votes.
 *
 * What is known of the act is in job.act: trail_leaf puts its hash into each record of the call.
 */
#include "keeper/job.h"

/* *ret_ok false: 403 act-needed or 401 act-invalid (with 'cause') has been answered. */
NODISCARD enum err acts_check(struct job *c, bool *ret_ok, struct err_info *reterr);

/* Once the call is over, also when it was refused: this act is used up. */
NODISCARD enum err acts_keep(struct job *c, struct err_info *reterr);
