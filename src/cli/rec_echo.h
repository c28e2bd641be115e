#pragma once
/*
 * Which keys may be recorded (`keyhole rec --input`): never one that was typed while the terminal did not echo. Pure.
 *
 * The kernel does not say when a program turns echo off, so between our look at the terminal's mode and the program's change
 * there is a race. The safe side: keys are held back until nothing more was typed for REC_ECHO_HOLD_MS and echo is still on;
 * echo found off at any look in between drops all that is held. Who types a password before its prompt is there (the
 * terminal still echoes it, so it stands on the screen and in the output) and is faster than the prompt by more than that
 * time is beyond help. Shells that draw what is typed themselves (readline, zle) turn echo off while they do: what
 * is typed at their prompts is not recorded as input either, it is in the output.
 */
#include "base/buf.h"

#define REC_ECHO_HOLD_MS 250
#define REC_ECHO_MAX     (1u << 20) /* held back; past it all of it is dropped */

struct rec_echo {
    struct buf held;
    int64_t last_ms;  /* when the newest of them was typed */
    uint64_t dropped; /* bytes */
};

void rec_echo_init(struct rec_echo *e);
void rec_echo_deinit(struct rec_echo *e); /* wipes */

/* Keys came; echo as the terminal has it after they were read. */
void rec_echo_typed(struct rec_echo *e, int64_t now_ms, struct span keys, bool echo);
/* A look at any other time. True: what may be recorded has been appended to *ret. */
bool rec_echo_look(struct rec_echo *e, int64_t now_ms, bool echo, struct buf *ret);
/* ms until a look is due; -1: nothing is held. */
int64_t rec_echo_wait(const struct rec_echo *e, int64_t now_ms);
