#pragma once
/*
 * From a command to who acts on it: messages of the gate and the vault, timers, and the control plane's routes with
 * sign-in, idempotency and the records every call leaves.
 */
#include "keeper/job.h"

bool dispatch_is_read(const struct cmd *c);

/* Appends what is to be sent to 'outs'; an error means that nothing of this command may stay. */
NODISCARD enum err dispatch_run(struct core *core, struct seat *seat, struct cmd *cmd, const struct clock_reading *now,
                                struct list *outs, struct after **ret_after, struct err_info *reterr);

/* The answer to a command that could not be done. */
void dispatch_fail(struct cmd *cmd, const char *code, struct list *outs);
