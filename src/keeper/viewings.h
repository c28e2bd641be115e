#pragma once
/*
 * Viewings: one person playing one recording under one grant on one client key (without one: sign-in), from the first lease to the end.
 *
 * The row says new (a key was issued), live (something was leased), ended, stopped; when it was last seen and how many
 * streams it has is remembered in memory (STANDARDS 3.7: a lease writes its leaf and nothing else).
 */
#include "keeper/job.h"

#define VIEWING_IDLE_MS 60000 /* without stream and live key for this long: ended */

/*
 * The viewing that a new key of (grant, recording, client key) belongs to: the one there is, or a new one.
 * *ret_stopped: it was stopped, so no key is issued for it.
 */
NODISCARD enum err viewing_for_key(struct job *c, const struct meta_grant *g, struct span rid, struct span client_key,
                                   struct meta_viewing *ret, bool *ret_stopped, struct err_info *reterr);

/* A key that lives until 'exp' was issued for it. */
void viewing_key_issued(struct job *c, const struct meta_viewing *v, time_ms exp_ms);

/* Something is leased: the first time makes it live, with its record. */
NODISCARD enum err viewing_leased(struct job *c, struct span vid, struct err_info *reterr);

/* cause: the words of openapi's Viewing. */
NODISCARD enum err viewing_end(struct job *c, struct meta_viewing *v, const char *state, const char *cause,
                               struct err_info *reterr);
NODISCARD enum err viewings_end_grant(struct job *c, struct span gid, const char *cause, struct err_info *reterr);
/* Of a sign-in that ends, after its keys were denied: a viewing whose client key has live keys of another sign-in goes on. */
NODISCARD enum err viewings_end_token(struct job *c, const struct meta_token *t, const char *cause,
                                      struct err_info *reterr);

void viewing_stream_opened(struct job *c, const struct ipc_stream_open *in);
void viewing_stream_closed(struct job *c, const struct ipc_stream_close *in);
void viewings_chan_closed(struct core *core, uint32_t chan);

/* Those that rest for VIEWING_IDLE_MS end. At start: everything that is live in the table is remembered as just seen. */
NODISCARD enum err viewings_sweep(struct job *c, struct err_info *reterr);
NODISCARD enum err viewings_remember(struct job *c, struct err_info *reterr);

/* NULL: nothing is remembered about it. */
const struct watching *viewing_watching(const struct core *core, struct span vid);
