#pragma once
/*
 * Passwords of local accounts: Argon2id with 32 MiB and 3 passes (OWASP's minimum is 19 MiB and 2 passes; RFC 9106's
 * 64 MiB would double what each sign-in under way costs the keeper). One call takes 32 MiB for its duration and
 * about 40 ms of a core: run it in a worker, and bound how many run at once.
 *
 * Threads: any. The stored text names its own parameters ("$argon2id$v=19$m=32768,t=3,p=1$…"), so they can grow.
 */
#include <stdbool.h>

#include "base/err.h"
#include "base/span.h"

#define PASSWORD_STORED_MAX 128  /* with the NUL */
#define PASSWORD_LEN_MAX    1024 /* bytes */

/* ERR_NOMEM: no 32 MiB. ERR_LIMIT: longer than the limit. */
NODISCARD enum err password_hash(struct span password, char stored[PASSWORD_STORED_MAX], struct err_info *reterr);

/* False: wrong, 'stored' is not such a text or asks for more than 256 MiB or 16 passes, or no memory. */
NODISCARD bool password_verify(const char *stored, struct span password);

/* As long as password_verify of a fresh hash, always false: for users that do not exist. */
NODISCARD bool password_verify_nobody(struct span password);

/* True when 'stored' was made with other parameters: hash again after the next success. */
NODISCARD bool password_is_outdated(const char *stored);
