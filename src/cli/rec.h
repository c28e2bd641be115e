#pragma once
/* keyhole rec: what its parts share (cmd_rec.c reads options and reports, rec_run.c is the terminal, rec_send.c the network). */
#include "cli/cli.h"
#include "cli/rec_send.h"

struct rec {
    struct cli *c;

    /* As asked for. */
    const char *file;       /* to execute */
    char *const *argv;
    bool pty;               /* false: a login's command without a terminal, through pipes, byte for byte */
    bool input;
    int marker;             /* the key's byte; -1: none */
    int cols, rows;         /* --size; 0: as the terminal is */

    struct rec_box *box;
    struct rec_send *send;

    /* How it went. */
    int64_t started_us;     /* of the monotonic clock */
    int exit_status;        /* of the command, as a shell says it */
    bool began;             /* the command ran */
    uint64_t keys_dropped;  /* bytes typed without echo: --input */
};

/* The size to record with, before the child is there. */
void rec_size(const struct rec *r, int *ret_cols, int *ret_rows);

/* How long a start waits for the server before it goes on without. */
#define REC_START_MS 2000

/*
 * Runs the command on a terminal of its own and records it until it ends. ERR_DENIED: the server refused and nothing was run
 * (the status says why). ERR_IO: no terminal.
 */
NODISCARD enum err rec_run(struct rec *r, struct err_info *reterr);
