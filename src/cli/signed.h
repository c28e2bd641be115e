#pragma once
/*
 * What the client key adds to a call: a proof where the route takes one, a signature where the call is an act (STANDARDS 1.6,
 * 2.4). One place decides it, by the route table, for commands and for `keyhole api` alike.
 */
#include "cli/cli.h"

struct signature {
    char act[ACT_HEADER_CAP + 16]; /* "Keyhole-Act: …" */
    const char *headers[2];
};

/*
 * Sets q->prove, and for an act q->headers to *s, which has to live as long as the call. q has method, path and body; nothing
 * changes without a client key. 0, or the exit code of what has been reported.
 */
int sign_call(struct cli *c, struct http_request *q, struct signature *s);

/*
 * After 'code' (proof-needed, act-needed) for a token that came without a client key: takes this profile's key for the server,
 * makes one if there is none, and registers it for the token unless that was done before. True: the call is worth another try.
 * *ret_exit is not EXIT_DONE when something was reported.
 */
bool sign_adopt(struct cli *c, const char *code, int *ret_exit);
