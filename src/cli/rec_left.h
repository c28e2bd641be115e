#pragma once
/* keyhole rec beside recording: whose token, being a login shell, and sending what earlier recordings left in a spool. */
#include "cli/cli.h"

/* The ingest token, wiped by the caller; empty: one has to be made under the sign-in. Takes it out of the environment. */
int rec_left_token(struct cli *c, struct buf *ret);

/* A path that is keyhole's own. */
bool rec_left_is_us(const char *path);

/*
 * Started as a login shell ("-keyhole", "keyhole-rec")? Then the words of `rec` that stand for it, with those of the options
 * file in front, NULL-terminated; rec_left_free them. NULL: not one, or (with *ret_code not 0) something is wrong.
 */
char **rec_left_login_argv(int argc, char **argv, int *ret_argc, int *ret_code);
char **rec_left_free(char **words);

/* --send-spool. Returns the exit code. */
int rec_left_send(struct cli *c);
