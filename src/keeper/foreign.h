#pragma once
/*
 * Sessions of other recorders' clients (STANDARDS 5.1 'Metadata or content'; PEERS 5.6): they name their session, not our
 * recording. INGEST_OPEN with 'foreign' finds the recording that has this session in the token's project, or begins one.
 * One that has ended (idle, or by an operator) is not gone on with: the next batch begins another one of the same session.
 */
#include "keeper/job.h"

#define FOREIGN_NAME_MAX 300
#define FOREIGN_HASHES_MAX 8192 /* bytes of one batch's hashes */
#define FOREIGN_SEEN_MAX   65536 /* of all that a gate is told */

/* The open recording of this session (its id), or empty. */
NODISCARD enum err foreign_find(struct job *c, struct span project, struct span name, struct span *ret_rid,
                                struct err_info *reterr);
/* From now on it is this one. */
NODISCARD enum err foreign_begun(struct job *c, struct span project, struct span name, struct span rid,
                                 struct err_info *reterr);

/* LINKS_ADD: recording.linked when there is a new one among them. */
NODISCARD enum err foreign_links(struct job *c, const struct ipc_links_add *in, struct err_info *reterr);

/* FOREIGN_BATCH: of a recording that is open, and of this gate. */
NODISCARD enum err foreign_batch(struct job *c, const struct ipc_foreign_batch *in, struct err_info *reterr);
/* What the gate that takes a recording over is told of its batches; those of number next_batch and above were never written. */
NODISCARD enum err foreign_seen(struct job *c, struct span rid, uint64_t next_batch, struct ipc_ingest_state *io, struct err_info *reterr);
/* It has ended. */
NODISCARD enum err foreign_ended(struct job *c, struct span rid, struct err_info *reterr);
