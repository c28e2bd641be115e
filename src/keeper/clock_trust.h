#pragma once
/*
 * The high-water mark of the wall clock over restarts, and people who say that the clock is right (STANDARDS 1.5).
 *
 * The mark is the largest time in any audit log, which never goes back: a wrong jump forward leaves records stamped with a
 * time to come. 'clock trust' names that time as one to be passed over; from then on the mark is a setting of its own,
 * until the logs are past it.
 */
#include "keeper/job.h"

/* At start: the mark for the guard. */
NODISCARD enum err clock_trust_mark(struct core *core, time_ms *ret, struct err_info *reterr);

/* After each commit. */
void clock_trust_committed(struct core *core);

/* Each minute, inside a transaction: the setting follows the clock while it is what counts. */
NODISCARD enum err clock_trust_minute(struct job *c, struct err_info *reterr);

/* Inside a transaction: the present reading is right. other: who asked first; empty: root at the console. */
NODISCARD enum err clock_trust_run(struct job *c, struct span other, struct span reason, struct err_info *reterr);
