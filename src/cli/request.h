#pragma once
/* What commands that file requests have in common (cmd_request.c). */
#include "cli/access.h"

/* "request q_…", and "access g_… until …" once there is one: the newest id is the last word. As JSON with --json. */
void request_print(struct cli *c, struct tree r);

/* After a request was filed: prints it, waits for the decision with --wait. Returns the exit code. */
int request_filed(struct cli *c, struct tree r);

#define OPTS_WAIT                                                                                                      \
    { "wait", 'w', NULL, "stay until it is decided", false },                                                          \
        { "timeout", 0, "TIME", "with --wait: no longer than this", false }
