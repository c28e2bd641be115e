#pragma once
/*
 * Recordings that are being made, state 'open' (STANDARDS 4.2-4.4, 5.1): listed from their first moment, they belong to the
 * gate that writes them and grow with its pieces.
 *
 *   INGEST_OPEN live -> (WRAP_PUT | PIECE_PUT)* -> END live            one gate, from the beginning to the end
 *   … -> its channels close -> RECOVER_ASK, RECOVERED -> INGEST_RESUME -> …   after a crash of the gate
 *   … -> nobody for vanish_ms -> ended here, by itself
 *
 * Whose: a gate is known by its channel 0; all channels opened since belong to it. The recordings it has are memory of
 * this process: a gate whose channels close loses all of them, and after a restart of the keeper a gate has what it says
 * anything about (also PIECE_PUT without pieces: "still here"). Only what nobody has can vanish, never earlier than
 * vanish_ms after the gate came.
 * Ended absorbs: what comes later is 409 recording-ended, except RECOVERED (recovered.h), for what was acknowledged is kept.
 */
#include "keeper/job.h"

/*
 * INGEST_OPEN under an Idempotency-Key: the recording that it made before (*ret_rid), or empty. One of which nothing is left
 * but its row, because its gate died, is made anew. *ret_mismatch: the key was used with another body.
 */
NODISCARD enum err ongoing_made_before(struct job *c, const struct ipc_ingest_open *in, struct span *ret_rid,
                                       bool *ret_mismatch, struct err_info *reterr);
NODISCARD enum err ongoing_keep_key(struct job *c, const struct ipc_ingest_open *in, struct span rid,
                                    struct err_info *reterr);

/* INGEST_OPEN: the row is there, in state 'open'. Its record, its notice, its owner. */
NODISCARD enum err ongoing_begun(struct job *c, const struct meta_recording *r, struct err_info *reterr);

NODISCARD enum err ongoing_resume(struct job *c, const struct ipc_ingest_resume *in, struct err_info *reterr);
NODISCARD enum err ongoing_wrap(struct job *c, const struct ipc_wrap_put *in, struct err_info *reterr);
NODISCARD enum err ongoing_piece(struct job *c, const struct ipc_piece_put *in, struct err_info *reterr);
NODISCARD enum err ongoing_end(struct job *c, const struct ipc_end *in, struct err_info *reterr);

/* recording.sealed: state 'complete' with the root over its pieces. 'by': "recorder", "vanished". */
NODISCARD enum err ongoing_seal(struct job *c, struct meta_recording *r, const char *by, struct err_info *reterr);

/* Each second: those that vanished. */
NODISCARD enum err ongoing_sweep(struct job *c, struct err_info *reterr);

/* A gate came (its channel 0) or went: nothing has an owner any more. After the commit. */
void ongoing_gate_opened(struct job *c);
void ongoing_gate_closed(struct job *c);
void ongoing_forget_all(struct core *core);

/* A command of a gate that another one has replaced. */
bool ongoing_is_past_gate(const struct job *c);
