#pragma once
/*
 * What root does at the console while no server runs, where fewer than two administrators exist to do it together
 * (STANDARDS 1.5, 3.5). The records say "console".
 */
#include "base/err.h"
#include "base/span.h"

struct console {
    const char *dir;        /* the state directory */
    const char *public_url; /* as configured */
    const char *const *envs;
    size_t n_envs;
};

/*
 * Lets a sealed log go on, or all of them for an empty name; fn hears each new one's name. ERR_STATE: nothing is sealed;
 * ERR_EXISTS: a server runs on this directory; ERR_DENIED: there are two administrators, who can do it.
 */
NODISCARD enum err console_unseal(const struct console *x, struct span log, void (*fn)(void *ctx, struct span name),
                                  void *ctx, struct err_info *reterr);

/* The clock is right as it is now. ERR_STATE: it is trusted; else as above. */
NODISCARD enum err console_trust_clock(const struct console *x, struct err_info *reterr);
