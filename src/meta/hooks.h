#pragma once
/*
 * What hooks have brought: deliveries that were taken, and the state of tickets.
 * Rules for everything (errors, arenas, threads): meta/meta.h. Ticket names are those of hook_ticket_key (format/hook.h).
 */
#include "meta/meta.h"
#include "meta/rows.h"

/* *ret_new false: this delivery was taken before. */
NODISCARD enum err meta_hook_once(struct meta *m, struct span hook, struct span delivery, time_ms now, bool *ret_new,
                                  struct err_info *reterr);
/* Forgets deliveries taken before that time, at most 'max'. */
NODISCARD enum err meta_hook_purge(struct meta *m, time_ms before, int64_t max, int *ret_n, struct err_info *reterr);

/* ERR_NOTFOUND: no hook has spoken of it. */
NODISCARD enum err meta_ticket_get(struct meta_view *v, struct span project, struct span name, struct arena *a,
                                   struct meta_ticket *ret, struct err_info *reterr);
/* Adds or replaces. */
NODISCARD enum err meta_ticket_put(struct meta *m, struct meta_ticket *row, struct err_info *reterr);
