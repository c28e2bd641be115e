#pragma once
/*
 * Client keys (STANDARDS 5.1, 2.4): the P-256 key that came, proven, with a sign-in. Keys of replay are bound to it and acts are
 * signed by it. An account remembers each key once, with the time of its first sign-in: that says whether it is new.
 */
#include "keeper/job.h"
#include "meta/acts.h"

#define CLIENT_KEYS_NEW_MS  (7LL * 24 * 3600 * 1000) /* so long 'me' tells of a key that another sign-in brought */
#define CLIENT_KEYS_NEW_MAX 20

/* A proof came with this call (the gate has checked it). */
bool client_keys_proven(const struct job *c);

/*
 * Makes the key of the call's proof the client key of sign-in 't', which the caller writes: record, and a notice to the
 * account's other sign-ins when the account never had it.
 */
NODISCARD enum err client_keys_register(struct job *c, struct meta_token *t, struct err_info *reterr);

/* From when on this sign-in's key signs acts (auth.new_key_wait); 0: at once. */
time_ms client_keys_acts_from(const struct core *core, const struct meta_token *t);

/* "new_client_keys" of 'me'. */
NODISCARD enum err client_keys_view_new(struct job *c, struct err_info *reterr);
