#pragma once
/*
 * One loop of the gate with everything that belongs to it: its channels to keeper and vault, its listeners, the keys in use
 * on its connections, its streams. Only its own thread touches a lane; others loop_post to it.
 */
#include "gate/shared.h"
#include "link/link.h"
#include "loop/timer.h"

#define LANE_LISTENERS_MAX 32

struct proof_keys;
struct refusals;

struct lane {
    struct gate *gate;
    unsigned index;
    struct loop *loop;
    pthread_t thread;
    bool own_thread;
    struct link *keeper, *vault; /* NULL while away */
    int64_t vault_heard;         /* boot clock of its last word */
    struct listener *listeners[LANE_LISTENERS_MAX];
    bool listener_tls[LANE_LISTENERS_MAX];
    int listener_fds[LANE_LISTENERS_MAX];
    size_t n_listeners;
    struct exchange_handler app, player;
    struct map viewers;     /* struct viewer (viewer.h) by jti */
    struct map viewer_keys; /* the same by SHA-256 of the key's bytes that were verified */
    struct map feeds;     /* struct feed (feed.h) by recording: what is followed here */
    size_t feed_bytes;    /* of events that feeds keep: at most this loop's part of gate.cache */
    struct map shelves;   /* struct shelf (shelf.h) by recording: what was opened, kept for its viewers here */
    struct list shelf_lru;
    size_t shelf_bytes;   /* with feed_bytes at most this loop's part of gate.cache */
    struct list replays;  /* struct replay (replay.h): everything under a key that is under way */
    struct list watches;  /* struct watch (watch.c) */
    struct list imports;  /* struct import (import.c) */
    struct list lives;     /* struct live_rec (live.h): recordings that this loop owns */
    struct map foreign;    /* sessions of other recorders' clients that are at home here (foreign_home.c) */
    time_ms foreign_swept;
    size_t foreign_early; /* of them: only links are known */
    struct list live_jobs; /* struct live_job: batches of its connections that an owner has */
    uint64_t last_watch;
    uint64_t traces; /* ids made here */
    struct allowances *allowances; /* what gateways may serve (allow.h); NULL: nobody asked yet */
    struct proof_keys *proof_keys; /* client keys that sent good proofs */
    struct refusals *refusals; /* counts before they go to the keeper */
    struct loop_timer tick; /* each second */
    unsigned asked;         /* KEY_FIRST questions in this second */
    bool closing;
};

/* Calls from other threads arrive by loop_post; these run on the lane's own. */
void lane_take_keeper(struct lane *l, int fd);
void lane_take_vault(struct lane *l, int fd);

/* Something that a shutdown waits for is over: the last connection, or the last import with its files. */
void lane_quiet(struct lane *l);

/* In a worker: everything that is stored of the recording. */
void lane_remove_files(struct lane *l, struct span pid, struct span rid);

/* KEY_OK while content may flow on this loop at all: keeper heard and well, vault there (DESIGN 2, promise 7). Else why not. */
enum key_verdict lane_authority(const struct lane *l);

/* Somebody was refused: the audit hears of it. */
struct refusal {
    const char *code, *route;
    const char *jti, *gid, *rid, *pid, *sub; /* NULL without an authentic key */
    struct span prefix;
};
void lane_refused(struct lane *l, const struct refusal *r);

/* Begin, run until closed. */
NODISCARD enum err lane_new(struct gate *g, unsigned index, struct lane **ret, struct err_info *reterr);
/* The loop has stopped: connections, links and keys go. The workers must still be there, the loop too (lane_free). */
void lane_end(struct lane *l);
struct lane *lane_free(struct lane *l);

/* Ends streams with `shutdown`, closes listeners, then stops the loop within grace_ms. */
void lane_shutdown(struct lane *l, time_ms grace_ms);
