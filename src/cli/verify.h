#pragma once
/* `keyhole audit verify`: what its three ways (a server, a state directory, tiles) share. */
#include "cli/cli.h"

#include "audit/verify.h"

struct verify {
    struct cli *c;
    struct buf keys;  /* of --vkey; empty: the server's own */
    struct buf since; /* of --since; empty: none */
    bool own_keys;
    const char *form; /* what of a log is checked: "tiles" beside its database; NULL: all there is */
    size_t n_good, n_bad;
};

/* The line of 'keys' that is for this origin; else, when all lines hold one public key, that key under this origin. */
NODISCARD enum err verify_key(struct span keys, struct span origin, struct note_vkey *ret, struct err_info *reterr);

/* Prints the verdict on one log and counts it. */
void verify_report(struct verify *v, struct span log, const struct note_vkey *key, const struct audit_result *r);

/* Is there a log in this directory: a file named checkpoint? */
bool verify_is_tiles(const char *dir);
/* The logs that lie as tiles in dir, or in the directories below it; only: that one, or NULL. *ret_found counts them. */
int verify_tiles(struct verify *v, const char *dir, const char *only, size_t *ret_found);

/* A .tlog-proof of one record. */
int verify_receipt(struct verify *v, const char *file);
