#pragma once
/*
 * Import, as the gate drives it (STANDARDS 5.1; the messages are format/ipc.h's): INGEST_OPEN makes a row that nobody
 * sees, WRAP_PUT and PIECE_PUT add to it, END makes it a recording or forgets all of it. With 'live', or of a recording in
 * state 'open', the same messages go to ongoing.h.
 * A gate that goes away in between is forgotten with its rows; the next gate is told to remove the files (GONE).
 */
#include "keeper/job.h"

NODISCARD enum err ingest_open(struct job *c, const struct ipc_ingest_open *in, struct err_info *reterr);
NODISCARD enum err ingest_wrap(struct job *c, const struct ipc_wrap_put *in, struct err_info *reterr);
NODISCARD enum err ingest_piece(struct job *c, const struct ipc_piece_put *in, struct err_info *reterr);
NODISCARD enum err ingest_end(struct job *c, const struct ipc_end *in, struct err_info *reterr);

/* Everything that is being imported on this channel (0: on all: the keeper has just started). */
NODISCARD enum err ingest_forget(struct job *c, uint32_t chan, struct err_info *reterr);

/* Answers to the message at hand, also for ongoing.c and recovered.c. */
NODISCARD enum err ingest_reply(struct job *c, enum ipc_type type, const void *msg, struct err_info *reterr);
/* DONE; code "" and status 0: it is durable with this transaction. */
NODISCARD enum err ingest_done(struct job *c, uint16_t status, const char *code, const char *detail,
                               struct err_info *reterr);

/* GONE for what was forgotten while no gate was there. */
NODISCARD enum err ingest_tell_gone(struct job *c, struct err_info *reterr);
