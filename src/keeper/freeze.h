#pragma once
/*
 * The brake (STANDARDS 2.2): while everything or a project is frozen nothing becomes ACTIVE there. Setting it suspends all
 * that is open; lifting it lets go on what it had suspended. It lies in the database, so it survives a restart. Recording,
 * and reading the log, go on.
 */
#include "keeper/job.h"

#define FREEZE_ALL "*"

/* Sets it, unless it is: row, record, and every ACTIVE grant there SUSPENDED (cause frozen, 4423). project: id or FREEZE_ALL. */
NODISCARD enum err freeze_set(struct job *c, struct span project, struct span reason, struct err_info *reterr);

/*
 * Takes it away, with its record; the two who lift it may lift nothing of their own: what one of them holds, and what
 * another freeze still covers, stays suspended. ERR_NOTFOUND: not frozen.
 */
NODISCARD enum err freeze_lift(struct job *c, struct span project, struct span reason, struct span other,
                               struct err_info *reterr);
