#pragma once
/*
 * Checkpoints: each second, for every log that has grown, the tree that was signed last and the hashes of all leaves since go
 * to the vault, which computes the root itself and finds the leaves that it waits for (STANDARDS 1.9); the signed note is
 * stored in the table; keeper/tiles.h then writes tiles and checkpoint as files (STANDARDS 3.4, 3.5).
 */
#include "keeper/job.h"

NODISCARD enum err integrator_run(struct job *c, struct err_info *reterr);

/* The vault's answer; NULL: there was none. */
NODISCARD enum err integrator_signed(struct job *c, const struct ipc_checkpoint *in, struct err_info *reterr);

/* LOG_BEGIN for all logs, to a vault that has just come. */
NODISCARD enum err integrator_begin_logs(struct job *c, struct err_info *reterr);

/* The vault's note key, so that the next start can check what lies in DIR/audit before the vault is there. */
NODISCARD enum err integrator_remember_key(struct job *c, struct err_info *reterr);

void integrator_forget(struct core *core);
