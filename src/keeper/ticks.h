#pragma once
/* What happens by itself: start, stop, each second, each minute, channels that come and go. */
#include "keeper/job.h"

NODISCARD enum err ticks_run(struct job *c, struct err_info *reterr);

/* What the start writes, once: held back while a log is sealed. */
NODISCARD enum err ticks_start(struct job *c, struct err_info *reterr);
