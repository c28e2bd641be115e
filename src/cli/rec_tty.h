#pragma once
/*
 * The two terminals of `keyhole rec`: the user's own, which becomes raw and is put back on every way out that we control (a
 * return, a signal that ends the process, a stop, a crash), and the one that the command gets.
 *
 * Global state: the user's terminal and its mode, for the signal handlers; there is one.
 * Threads: the main one.
 */
#include <stdbool.h>
#include <sys/types.h>

#include "base/err.h"
#include "base/span.h"

/* ---- the user's ---- */

/* Raw from now on. False: standard input is no terminal, or we are not in its foreground; nothing was changed. */
bool rec_tty_raw(void);
void rec_tty_restore(void); /* also when nothing was changed */
/* As SIGTSTP says: gives the terminal back, stops the process, takes it again afterwards. */
void rec_tty_stop(void);
/* After SIGCONT: raw again if it was. */
void rec_tty_again(void);
/* The size of the terminal on standard input, output or error; false: there is none. */
bool rec_tty_size(int *ret_cols, int *ret_rows);

/* A descriptor that gets readable when one of our signals came; -1: it cannot be had. Blocks them. */
int rec_tty_signals(void);
/* The next one, 0: none. */
int rec_tty_signal(int fd);

/* ---- the command's ---- */

struct rec_child {
    pid_t pid;
    int fd;      /* its terminal, or the read end of its output (non-blocking) */
    int go_fd;   /* it begins when this is written to */
    bool pty;
};

struct rec_start {
    const char *file;         /* looked for in PATH when without a slash */
    char *const *argv;
    int cols, rows;
    bool pty;                 /* else: standard input is handed on, both outputs come through one pipe */
    bool echo;                /* of a pty: false when its input is no terminal's */
};

/* Makes the process, which waits. ERR_IO: no terminal, no process. */
NODISCARD enum err rec_child_start(const struct rec_start *o, struct rec_child *ret, struct err_info *reterr);
/* Lets it begin, KEYHOLE_RECORDING set to 'rid' ("" for none yet). */
void rec_child_go(struct rec_child *c, const char *rid);
void rec_child_forget(struct rec_child *c); /* never lets it begin, or closes what is left */

bool rec_child_echoes(const struct rec_child *c);
void rec_child_size(const struct rec_child *c, int cols, int rows);
