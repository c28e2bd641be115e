#pragma once
/*
 * What a gate finds in the logs of one that died (STANDARDS 4.3): RECOVER_ASK says what the keeper has of these
 * recordings, RECOVERED brings what it has not, as a KHSPL1 piece that needs no key to be made.
 * Asked twice it answers the same. A recording that has ended meanwhile still gets it: what was acknowledged is kept, and
 * a second recording.sealed tells the new root.
 */
#include "keeper/job.h"

NODISCARD enum err recovered_ask(struct job *c, const struct ipc_recover_ask *in, struct err_info *reterr);
NODISCARD enum err recovered_put(struct job *c, const struct ipc_recovered *in, struct err_info *reterr);
