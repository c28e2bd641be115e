#pragma once
/* Help, man pages and completion, all made from the one table of commands. */
#include "cli/cli.h"

void help_all(FILE *to);
void help_command(FILE *to, const struct command *cmd);
/* Commands whose names begin with this word ("audit"). False: none. */
bool help_family(FILE *to, const char *word);

/* DIR/keyhole.1 and DIR/keyhole-COMMAND.1, one for each command. */
NODISCARD enum err help_man(const char *dir, struct err_info *reterr);

extern const struct command cmd_help, cmd_completion, cmd_version, cmd_man;
