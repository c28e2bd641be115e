#pragma once
/*
 * Other recorders' clients (PEERS 5.6, docs/capture.md): posthog-js, Sentry's SDKs and @rrweb/browser-client send what they
 * always send, and it becomes a live recording like one of ours.
 *
 *   body whole (foreign.c, loop of its connection) -> read in a worker (codec/posthog, codec/sentry, codec/foreign): a struct
 *   live_job whose body is an array of events, with a struct foreign_part -> the token that came with it -> the session's home
 *   loop (foreign_home.c): which recording has it? the keeper is asked once -> live_route -> the recording's owner
 *   (foreign_seen.c): repeats are answered, segments that came too early wait a moment, the rest gets the next number and goes
 *   the way of every batch -> durable -> its links to the keeper -> 200 in the client's own words.
 *
 * These clients number nothing that we could trust, so a batch is told by the hash of its events; how far a recorder of ours
 * is, its Batch-Seq says. The keeper has the hashes, too: what is sent again after this gate was restarted is known.
 *
 * A session whose recording ended (idle for vanish_after, or by an operator) begins another one with its next batch; one that
 * was erased does not.
 *
 * Refusals: 4xx stops these clients, 503 with Retry-After makes posthog-js and browser-client send again, and Sentry's pause.
 *
 * Threads: as live.h: a job belongs to the loop that has it.
 */
#include "codec/foreign.h"
#include "gate/live.h"

#define FOREIGN_KEY_CAP    (2 * ID_CAP + 2 * (FOREIGN_NAME_MAX + 1) + 16) /* "pid tid\nclient\nsession\nwindow"; tid of a public token */
#define FOREIGN_HOLD_MS    3000  /* for a segment that should have come before */
#define FOREIGN_HELD_MAX   16
#define FOREIGN_BODIES_MAX (128u << 20) /* of all such batches under way, unpacked; small ones are taken all the same */
#define FOREIGN_CACHE_MAX  40000 /* sessions that one loop knows; the keeper knows all */
#define FOREIGN_SWEEP_MS   10000

enum foreign_route { FOREIGN_SNAPSHOTS, FOREIGN_CAPTURES, FOREIGN_FLAGS, FOREIGN_ENVELOPE, FOREIGN_LINES };

/* What a live_job of such a client carries besides. Owned by the job. */
struct foreign_part {
    enum foreign_route route;
    bool browser;               /* the token is a public one */
    bool unsure;                /* what may be a token in it is not known yet */
    bool given;                 /* Content-Encoding was there: j->codec */
    char token[FOREIGN_TEXT_MAX + 1]; /* as URL or headers name it; "": the body does */
    char session[FOREIGN_NAME_MAX + 1]; /* as the URL names it */
    struct foreign in;
    enum err read;              /* how reading it went */
    uint64_t hash;              /* of its events */
    uint64_t unpacked;          /* bytes of them that count against FOREIGN_BODIES_MAX */
    bool again;                 /* its recording had ended: another one was begun for it */
    char key[FOREIGN_KEY_CAP];
    time_ms until;              /* loop time: it waits no longer for an earlier segment */
};

void foreign_part_free(struct foreign_part *p);

/* ---- foreign.c: at the connection ---- */

/* The routes above. */
void foreign_answer(struct call *c);
/* GET /array/{token}/config: what posthog-js asks first. */
void foreign_config(struct call *c);
/* The client's own word for "well", or the problem. The job is freed by the caller. */
void foreign_answered(struct live_job *j);

/* ---- foreign_home.c: on the loop that is home to the session ---- */

/* Any loop. */
void foreign_route(struct live_job *j);
/* A refusal is about to be answered: true when the job goes on with another recording instead. */
bool foreign_retry(struct live_job *j);
/* Each second: now and then sessions of which nothing was heard for long are forgotten. */
void foreign_tick(struct lane *l);
void foreign_end(struct lane *l);

/* ---- foreign_seen.c: at the recording's owner ---- */

struct foreign_seen;
struct foreign_seen *foreign_seen_free(struct foreign_seen *s);

/* A job that came. True: it is to be queued now. False: it was answered, joined to an equal one, or waits for its turn. */
bool foreign_take(struct live_rec *r, struct live_job *j);
/* It is about to be written under j->number: the keeper hears what it is. */
void foreign_tell(struct live_rec *r, const struct live_job *j);
/* What the keeper has of batches before a restart. */
void foreign_restore(struct live_rec *r, const struct ipc_ingest_state *state);
/* It is durable: what it was is remembered, its links go to the keeper. */
void foreign_durable(struct live_rec *r, const struct live_job *j);
/* Segments whose turn has come are queued; the caller runs live_rec_next. */
void foreign_release(struct live_rec *r);
/* Those that wait are answered. */
void foreign_refuse(struct live_rec *r, const char *code, const char *detail);
