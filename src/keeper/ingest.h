#pragma once
/*
 * Import, as the gate drives it (STANDARDS 5.1; the messages are format/ipc.h's): INGEST_OPEN makes a row that nobody
 * sees, WRAP_PUT and PIECE_PUT add to it, END makes it a recording or forgets all of it.
 * A gate that goes away in between is forgotten with its rows; the next gate is told to remove the files (GONE).
 */
#include "keeper/job.h"

NODISCARD enum err ingest_open(struct job *c, const struct ipc_ingest_open *in, struct err_info *reterr);
NODISCARD enum err ingest_wrap(struct job *c, const struct ipc_wrap_put *in, struct err_info *reterr);
NODISCARD enum err ingest_piece(struct job *c, const struct ipc_piece_put *in, struct err_info *reterr);
NODISCARD enum err ingest_end(struct job *c, const struct ipc_end *in, struct err_info *reterr);

/* Everything that is being imported on this channel (0: on all: the keeper has just started). */
NODISCARD enum err ingest_forget(struct job *c, uint32_t chan, struct err_info *reterr);

/* GONE for what was forgotten while no gate was there. */
NODISCARD enum err ingest_tell_gone(struct job *c, struct err_info *reterr);
