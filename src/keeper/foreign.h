#pragma once
/*
 * Sessions of other recorders' clients (STANDARDS 5.1 'Metadata or content'; PEERS 5.6): they name their session, not our
 * recording. INGEST_OPEN with 'foreign' finds the recording that has this session in the token's project, or begins one.
 * One that has ended (idle, or by an operator) is not gone on with: the next batch begins another one of the same session.
 */
#include "keeper/job.h"

#define FOREIGN_NAME_MAX 300

/* The open recording of this session (its id), or empty. */
NODISCARD enum err foreign_find(struct job *c, struct span project, struct span name, struct span *ret_rid,
                                struct err_info *reterr);
/* From now on it is this one. */
NODISCARD enum err foreign_begun(struct job *c, struct span project, struct span name, struct span rid,
                                 struct err_info *reterr);

/* LINKS_ADD: recording.linked when there is a new one among them. */
NODISCARD enum err foreign_links(struct job *c, const struct ipc_links_add *in, struct err_info *reterr);
