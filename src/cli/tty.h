#pragma once
/*
 * The terminal while something plays on it: raw input, alternate screen, and everything as it was again on every way out: a
 * return, a signal that ends the process, a stop (Ctrl-Z) and its continuation, a crash.
 *
 * Global state: one terminal, one struct termios to restore, used by the signal handlers; that is why there is only one.
 * Life: tty_open -> (tty_signal …)* -> tty_close. Threads: the main one.
 */
#include "base/buf.h"

/* False: standard input or output is no terminal that can do this. */
bool tty_open(void);
void tty_close(void); /* also when it is not open */

/* Becomes readable when a signal came; tty_signal takes it. */
int tty_signal_fd(void);
/* SIGWINCH, SIGCONT (after a stop: draw everything anew), SIGTERM, SIGINT, SIGHUP, SIGQUIT; 0: none. */
int tty_signal(void);
/* Ctrl-Z: restores the terminal, stops the process, comes back as if opened anew. */
void tty_suspend(void);

void tty_size(int *ret_cols, int *ret_rows);
void tty_write(struct span s);
