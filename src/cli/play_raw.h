#pragma once
/*
 * keyhole play --raw: a terminal's recording as it was, escape sequences and all, for who needs exactly that (another emulator,
 * a pipe). The bytes leave only as an export does: the policy has to give `export`, and the audit log says that they left.
 *
 * On a terminal: a warning and a question first; paced; what the terminal answers is thrown away, and its modes are put back.
 * Global state: the terminal's settings and a flag, for the signal handler; there is one terminal. Threads: the main one.
 * Returns the exit code; what went wrong has been said.
 */
#include "cli/cli.h"

int play_raw(struct cli *c, const char *rid, double speed);
