#pragma once
/*
 * From "I want to see this" to a key: finding one's open access, asking for it, waiting for the answer, fetching keys.
 */
#include "cli/cli.h"
#include "format/id.h"

#define KEY_TEXT_CAP 1025

struct access {
    struct cli *c;
    char grant[ID_CAP];
    char rid[ID_CAP];
    const char *scope; /* "export", or NULL for play */
    const char *action;
    bool may_play, may_follow; /* what else the access allows */

    char key[KEY_TEXT_CAP]; /* "" : none yet. Wiped by access_deinit */
    char key_id[JTI_CAP];
    bool bound;         /* to the client key: calls with it are proven */
    int64_t renew_at;   /* ms of the monotonic clock */
    int64_t expires_at; /* the same */
    bool last;          /* renewing would not lengthen anything: the window ends first */
    int64_t window_end; /* ms of the monotonic clock; INT64_MAX: not known */

    /* Of the last access_key that failed. */
    int exit_code;
    char code[65];
    char why[400]; /* safe text */
    int64_t retry_after_ms;
};

int64_t mono_ms(void);

/*
 * The caller's own access to a recording for an action. 0; EXIT_REFUSED: there is none (reported with what to do, unless
 * 'quietly').
 */
int access_find(struct cli *c, const char *rid, const char *action, bool quietly, struct access *ret);
void access_deinit(struct access *a);
/* Its keys show what masks took out. */
bool access_unmasks(const struct access *a);

/*
 * A fresh key. Reports nothing: code, why and exit_code say what was wrong. When the access is over and another one follows on
 * it (more time, an extension), the key is of that one.
 */
bool access_key(struct access *a);
/* Goes over to the caller's other open access to the recording that ends last, if it ends later than this one. */
bool access_next(struct access *a);
/* Is it time? (no key yet, or past renew_at and renewing helps) */
bool access_key_due(const struct access *a);

/* Asks the server how the access stands: fills window_end, and code with its state. False: it does not answer. */
bool access_look(struct access *a, bool *ret_open);

/* ---- requests ---- */

/*
 * Files a request for these recordings with the options of `request` that were given. 0: *ret is the answer.
 * 'actions' NULL: from --action.
 */
int access_request(struct cli *c, char *const *rids, size_t n, const char *actions, struct http_reply *ret);

/*
 * Waits until a request is decided: events of the server, or asking again where there are none.
 * EXIT_DONE: *ret is the request (approved); EXIT_REFUSED denied, cancelled or revoked; EXIT_EXPIRED its window is over;
 * EXIT_IN_VAIN lapsed, or timeout_ms (0: none) passed.
 */
int access_wait(struct cli *c, const char *q, int64_t timeout_ms, struct http_reply *ret);

#define OPTS_REQUEST                                                                                                   \
    { "purpose", 0, "CODE", "why in a word that the policy knows: debugging, support, ...", false },                   \
        { "reason", 0, "TEXT", "why, for those who decide and for the audit log", false },                             \
        { "ticket", 0, "T", "the ticket it belongs to", false },                                                       \
        { "for", 0, "TIME", "how long the window is (30m, 1h); the policy's default unless said", false }
