#pragma once
/*
 * What a gate asks while somebody watches: first sight of a key, leases before bytes, settlements after, refusals,
 * streams (STANDARDS 1.4 step 13, 3.7).
 */
#include "keeper/job.h"

NODISCARD enum err replay_key_first(struct job *c, const struct ipc_key_first *in, struct err_info *reterr);
/* The same facts once more, of a key that was confirmed: a live recording has more pieces by now. */
NODISCARD enum err replay_key_again(struct job *c, const struct ipc_key_again *in, struct err_info *reterr);
NODISCARD enum err replay_lease(struct job *c, const struct ipc_lease *in, struct err_info *reterr);
/* A gateway is about to serve its own content of the key's recording (STANDARDS 1.12): the record, or why not. */
NODISCARD enum err replay_gateway_allowed(struct job *c, const struct ipc_gateway_allowed *in, struct err_info *reterr);
NODISCARD enum err replay_settle(struct job *c, const struct ipc_settle *in, struct err_info *reterr);
NODISCARD enum err replay_refused(struct job *c, const struct ipc_refused *in, struct err_info *reterr);

/* Volumes of keys that are over are forgotten. */
void replay_sweep(struct core *core, time_ms now);
