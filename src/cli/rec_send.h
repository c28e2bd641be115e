#pragma once
/*
 * The network side of `keyhole rec`, in a thread of its own: whatever the server or the network does (a name that does not
 * resolve, a connection that hangs), the terminal's thread never waits for it.
 *
 * Life:    rec_send_new -> rec_send_start -> (rec_send_lock … rec_send_unlock, rec_send_wake)* -> rec_send_finish -> free.
 *          --send-spool runs the same without a thread: rec_send_run.
 * Order:   (token ->) recording -> batches, one in flight, what gathers meanwhile goes with the next -> end.
 * Exact:   the server's durable_seq alone decides what is confirmed. A batch whose answer was lost is sent again under its number,
 *          possibly with more in it; if it had arrived the answer says so and the rest follows under the next.
 * Away:    refused connections, timeouts, cut answers, 408, 429 and 5xx are tried again, after 0.25 s and twice as long each time up to
 *          5 s, or after Retry-After. batch-gap moves the number. Other refusals are told (REC_REFUSED) and tried again each 30 s.
 *          A recording that the server ended meanwhile (nothing came for its vanish time) goes on in a new one that
 *          carries the link continues:RID, from the first event that is not confirmed.
 */
#include "cli/http.h"
#include "cli/rec_box.h"
#include "format/id.h"

#define REC_BATCH_MAX     (256u << 10) /* before compression */
#define REC_BATCH_BEHIND  (1u << 20)   /* the same, when that much waits */

enum rec_state {
    REC_BEGINNING, /* there is no recording yet */
    REC_GOING,
    REC_AWAY,      /* tried, and will try again; 'why' says what was wrong */
    REC_REFUSED,   /* the server said no */
    REC_DONE,      /* everything is there, and ended */
};

struct rec_status {
    enum rec_state state;
    char rid[ID_CAP];       /* "" before there is one; the newest part */
    char first_rid[ID_CAP];
    unsigned parts;
    int exit_code;          /* of REC_REFUSED */
    char why[1700];         /* safe text */
    uint64_t lost;          /* confirmed events that the server does not have any more */
    int64_t moved_at;       /* when something was confirmed last, ms of the monotonic clock */
    uint64_t events;        /* of REC_DONE */
    int64_t duration_ms;
};

struct rec_send_options {
    struct http *http;           /* from now on the sender's alone */
    const char *token;           /* an ingest token; NULL: one is made under the sign-in for 'project', and revoked at the end */
    const char *project;         /* NULL: the only one */
    struct rec_box *box;
    struct rec_spool *spool;     /* NULL: none */
    struct span create;          /* JSON, body of recording_create */
    const char *key;             /* Idempotency-Key of it */
    struct span state;           /* of a spool; empty: a new recording */
    bool ending;                 /* nothing will be added */
};

struct rec_send;

/* NULL: no memory. */
struct rec_send *rec_send_new(const struct rec_send_options *o);
struct rec_send *rec_send_free(struct rec_send *s);

NODISCARD enum err rec_send_start(struct rec_send *s, struct err_info *reterr);
/* In this thread, until all is done, refused, or the server has been away for 'patience_ms'. */
void rec_send_run(struct rec_send *s, int64_t patience_ms);

/* Around every use of the box and of the status. */
struct rec_status *rec_send_lock(struct rec_send *s);
void rec_send_unlock(struct rec_send *s);
/* There is something new. Readable after each change of the status: rec_send_fd; rec_send_heard empties it. */
void rec_send_wake(struct rec_send *s);
int rec_send_fd(const struct rec_send *s);
void rec_send_heard(struct rec_send *s);

/* Nothing will be added any more: end the recording when all is there. */
void rec_send_ending(struct rec_send *s);
/* Stops and waits for the thread, at most 'most_ms'. False: it hangs; then nothing of it may be freed. */
bool rec_send_finish(struct rec_send *s, int64_t most_ms);
