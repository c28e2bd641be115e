#pragma once
/*
 * Records that calls leave besides those of what they do: api.read by actor, route and minute; refused calls, the first
 * of a minute at once (STANDARDS 3.2).
 */
#include "keeper/api/api.h"

NODISCARD enum err records_of_call(struct job *c, const struct api_route *api, struct err_info *reterr);

/* Writes what is due; 'all' at the minute's end. */
NODISCARD enum err records_write(struct job *c, bool all, struct err_info *reterr);
