#pragma once
/*
 * Signed notices of ticket systems: a ticket that is closed ends what was asked for with it (STANDARDS 2.2 T5, T10).
 *
 * A hook can only end or refuse. What is set up comes with the configuration (hook "name" { … }); signatures and what a notice
 * says are format/hook's.
 */
#include "keeper/core.h"
#include "keeper/job.h"

#define HOOKS_KEEP_MS (90LL * 24 * 3600 * 1000) /* ids of deliveries */

struct hooks; /* the configured ones, with their secrets */

/* Copies. NULL: no memory. A hook of no known format is left out (the supervisor refuses such a configuration). */
struct hooks *hooks_new(const struct core_hook *all, size_t n);
struct hooks *hooks_free(struct hooks *h); /* wipes the secrets; takes NULL */

/* What hooks have said of a ticket. UNKNOWN also for a text that is no ticket's name. */
NODISCARD enum err hooks_ticket(struct job *c, struct span project, struct span ticket, enum policy_ticket *ret,
                                struct err_info *reterr);
