#pragma once
/*
 * The keeper's process: what keeper.c (start, timers, control channel) and channels.c (messages in and out, slow steps)
 * share. Everything belongs to the loop's thread except 'lock' with 'coming', and what locks itself.
 */
#include <pthread.h>
#include <stdatomic.h>

#include "keeper/core.h"
#include "keeper/writer.h"
#include "link/link.h"
#include "loop/pool.h"
#include "loop/timer.h"

#define GATE_LOOPS_MAX 256

/* A link to a gate's loop or to the vault. */
struct peer {
    struct keeper *keeper;
    struct link *link;
    uint32_t chan;   /* its number among all channels there ever were; 0: none */
    bool in_step;    /* has had its resync: pushes reach it */
    uint64_t pushed; /* number of the last push on it */
    bool is_vault;
    uint32_t index;
};

struct keeper {
    struct loop *loop;
    struct link *control;
    struct core *core;
    struct writer *writer;
    struct writer *readers;
    struct pool *hashing;
    struct peer gates[GATE_LOOPS_MAX];
    struct peer vault;
    uint32_t last_chan;
    struct loop_timer second;
    unsigned seconds;
    bool stopping;
    int status;

    pthread_mutex_t lock; /* of 'coming': outs from the writer and the readers */
    struct list coming;
    bool posted;

    pthread_t wal;
    bool wal_started;
    pthread_t evidence;
    bool evidence_started;
    _Atomic bool wal_stop;

    uint8_t boot_id[CLOCK_BOOT_ID];
    int dir_fd;
};

/* Outs from the writer and the readers; any thread. */
void channels_deliver(void *keeper, struct list *outs);
/* Sends what has come; also once more at the end. */
void channels_take(void *keeper);

/* To the writer or the readers; takes the command. */
void channels_push(struct keeper *k, struct cmd *c);
void channels_push_kind(struct keeper *k, enum cmd_kind kind, uint32_t chan, uint32_t index);

/* A new channel to a gate's loop or the vault. fd stays the caller's. */
void channels_take_peer(struct keeper *k, const struct ipc_peer *msg, int fd);

/* To gate and vault, while the group under way is younger than 3 s. */
void channels_heartbeat(struct keeper *k);
