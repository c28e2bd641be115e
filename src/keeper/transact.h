#pragma once
/* One transaction of our own making, outside of the stream of commands: for init, while no server runs. */
#include "keeper/job.h"

typedef enum err transact_fn(struct job *c, void *arg, struct err_info *reterr);

/* An error: nothing of it stays. */
NODISCARD enum err transact(struct core *core, transact_fn *fn, void *arg, struct err_info *reterr);

/* Without a running vault its epoch key has to be told. */
void transact_set_epoch(struct core *core, uint32_t epoch, const uint8_t pk[32]);
