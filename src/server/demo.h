#pragma once
/*
 * `keyhole demo`: a server on this machine's loopback with the accounts engineer, second-engineer, approver, lead and auditor, two
 * recordings of ours, and one that is being made as long as it runs: `keyhole rec` of a script that shows what the server is
 * doing. So one person can play the whole story.
 */
#include "base/err.h"

struct demo_options {
    const char *dir; /* kept, and used again next time; NULL: a temporary one, removed at the end */
    unsigned port;   /* 0: the first free one from 8080 */
};

/* Runs until it is told to stop. Prints the addresses to standard output, flushed, once everything is there. */
NODISCARD enum err demo_run(const struct demo_options *o, struct err_info *reterr);
