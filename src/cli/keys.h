#pragma once
/*
 * What somebody types at `keyhole play`: bytes of a terminal in, commands out. Pure; sequences may come in pieces, and those that
 * mean nothing here are swallowed whole.
 */
#include "base/span.h"

enum key_kind {
    KEYS_NONE,
    KEYS_QUIT,   /* q, Ctrl-C, Ctrl-D */
    KEYS_PAUSE,  /* space, p */
    KEYS_BACK,   /* arrows: by 'by_ms' */
    KEYS_AHEAD,
    KEYS_BEFORE, /* [: to the moment before */
    KEYS_NEXT,   /* ]: to the next one */
    KEYS_SLOWER, /* < - */
    KEYS_FASTER, /* > + */
    KEYS_TENTH,  /* 0 to 9: 'tenth' of the length */
    KEYS_START,  /* Home */
    KEYS_END,
    KEYS_HELP,   /* ? h */
};

struct key {
    enum key_kind kind;
    int64_t by_ms;
    int tenth;
};

struct keys {
    enum { KEYS_GROUND, KEYS_ESC, KEYS_CSI, KEYS_SS3 } state;
    int args[4];
    int n_args;
};

/* The command that this byte completes, or KEYS_NONE. Start from all zero. */
struct key keys_feed(struct keys *k, uint8_t byte);
