#pragma once
/*
 * Origins whose pages may record into a project (docs/capture.md): as a member of a body, as the text of a row, as a push
 * to the gate.
 *
 * An origin is scheme://host[:port] as browsers send it (RFC 6454): http or https, the host in lower case, no default port;
 * a star as the host's first label stands for every host below the rest, not for the rest itself. At most ORIGINS_MAX of
 * ORIGIN_LEN_MAX bytes. The text has one space between two.
 */
#include "keeper/job.h"

#define ORIGINS_MAX    64
#define ORIGIN_LEN_MAX 255

bool origin_valid(struct span s);

/* Member 'origins' of the arguments, in the job's memory. *ret_there false: not given, or wrong (then noted). */
NODISCARD enum err origins_read(struct job *c, struct span *ret_text, bool *ret_there, struct err_info *reterr);

/* "origins": [...] into an open object. */
void origins_view(struct job *c, struct span text);

/* The gate hears what counts for the project from now on. */
NODISCARD enum err origins_push(struct job *c, struct span project, struct span text, struct err_info *reterr);
