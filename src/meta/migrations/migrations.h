#pragma once
/*
 * The numbered SQL files beside this header, embedded by embed.py. A file that was released is never changed: its
 * SHA-256 is kept in the database and compared at each start.
 */
#include <stddef.h>

struct migration {
    int number; /* from 1, no gaps */
    const char *name;
    const char *sql; /* many statements */
};

extern const struct migration migrations[];
extern const size_t n_migrations;
