#pragma once
/*
 * Credentials: from the SHA-256 of a token's text to the person or recorder behind it; making and ending them.
 *
 * A sign-in rests at most 15 min and lives at most 12 h; it is fresh for 15 min after the password was given. Its use is
 * written down at most once a minute (SESSION_TOUCH_MS), so the idle limit is exact to a minute, on the short side never.
 */
#include "keeper/job.h"

#define SESSION_TOUCH_MS 60000
#define SESSION_TOKEN_CAP 48 /* "kst_" + 43 characters + NUL */

enum session_verdict { SESSION_OK, SESSION_NONE /* nothing sent, unknown, ended, idle, or the account is disabled */ };

/* Fills c->me and c->token. With 'upload' an ingest token is taken, too (then c->me stays NULL). */
NODISCARD enum err session_find(struct job *c, uint8_t cred_kind, struct span cred, bool upload,
                                enum session_verdict *ret, struct err_info *reterr);

/* Is this sign-in alive now? */
bool session_alive(const struct meta_token *t, time_ms now);

/* A new secret text ("kst_…" or "kit_…") and its hash. */
void session_secret(struct job *c, const char *prefix, char text[SESSION_TOKEN_CAP], uint8_t sha256[32]);
/* One that is no secret, of [A-Za-z0-9_] alone: other recorders' settings take no other letters ("kib_…"). */
void session_secret_public(struct job *c, const char *prefix, char text[SESSION_TOKEN_CAP], uint8_t sha256[32]);

/* Ends a sign-in or token: its keys are denied, its viewings end, its event streams close; login.ended or token.revoked. */
NODISCARD enum err session_end(struct job *c, struct meta_token *t, const char *cause, struct err_info *reterr);

/* The minute's work: sign-ins that rested too long or are over get their record. */
NODISCARD enum err session_sweep(struct job *c, struct err_info *reterr);

/* Sign-ins that were used by readers: remembered until the writer writes it down. */
struct touches;
struct touches *touches_new(void);
struct touches *touches_free(struct touches *t);
void touches_add(struct touches *t, struct span token_id);
NODISCARD enum err session_write_touches(struct job *c, struct err_info *reterr);
