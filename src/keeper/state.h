#pragma once
/*
 * What the core remembers besides the database. Inside keeper/ only; core.h is the door.
 *
 * Everything here belongs to the writer's thread except 'cfg' and 'env' (never change), 'counts' (locks itself), the
 * atomics, and the readers' own seats.
 * What is remembered is either derived from the database, or may be lost with the process.
 */
#include <stdatomic.h>

#include "audit/audit.h"
#include "base/map.h"
#include "keeper/core.h"
#include "keeper/counts.h"
#include "keeper/pairs.h"
#include "keeper/people.h"
#include "keeper/rules.h"
#include "keeper/throttle.h"
#include "keeper/tiles.h"
#include "meta/auditlog.h"
#include "meta/meta.h"
#include "meta/people.h"
#include "meta/recordings.h"
#include "meta/requests.h"
#include "meta/rules.h"

#define OWNED_MAX 100000

/* A thread's view of the database with what it has derived from it. */
struct seat {
    struct meta_view *v;
    struct meta_reader *reader; /* NULL: the writer's */
    struct people *people;      /* NULL: not loaded, or no longer true */
    struct rules *rules;        /* the compiled policy in force */
};

/* A page or command that listens to /v1/events. */
struct watcher {
    struct list node;
    uint32_t chan;
    uint64_t sub;
    char account[ID_CAP];
    char token[ID_CAP]; /* the sign-in: its end ends the watching */
    uint64_t sent;
};

/* A recording that a gate is importing at this moment. */
struct importing {
    struct list node;
    uint32_t chan;
    char rid[ID_CAP];
    char pid[ID_CAP];
    bool forget; /* its gate has gone: to be forgotten, and its files removed by the next one */
};

/* A viewing that has a live key or an open stream. */
struct watching {
    char vid[ID_CAP];
    char gid[ID_CAP];
    uint32_t chan;     /* where its streams are */
    uint32_t streams;
    bool live;         /* its row says so */
    time_ms last_ms;   /* newest lease */
    time_ms key_end_ms; /* exp of its newest key */
};

/* Bytes leased under one key. */
struct volume {
    char jti[JTI_CAP];
    uint64_t bytes;
    time_ms exp_ms;
};

struct core {
    struct core_config cfg;
    struct core_env env;
    struct arena cfg_mem;

    struct meta *m;
    struct audit *audit;
    struct meta_wal *wal;
    struct tiles *tiles;  /* the evidence thread's */
    struct scrub *scrub;  /* locks itself */
    struct seat seats[1 + CORE_READERS]; /* 0: the writer */
    struct clock_guard clock;
    time_ms clock_passed_over; /* a time in the logs that a wrong jump left (clock_trust.h) */
    time_ms started_ms;
    bool clock_said_bad;  /* the log says that the clock is not trusted */

    uint32_t epoch;       /* of the vault's key that wraps are made for; 0: not known yet */
    uint8_t epoch_pk[32];
    uint8_t log_pk[32];
    bool have_log_pk;
    char kid[16];         /* the current signing key */

    struct hooks *hooks;
    struct throttle *throttle;
    struct counts *counts;
    struct touches *touches; /* locks itself */
    struct list watchers;
    struct list importing;
    struct map owned;     /* recordings in state open that the present gate has (ongoing.c); by rid */
    uint32_t gate_set;    /* channel 0 of the present gate, its number; 0: none is there */
    int64_t gate_since;   /* boot clock: since when */
    struct map watching;  /* by vid */
    struct map volumes;   /* by jti */
    struct pairs pairs;   /* acts that wait for a second person */
    uint8_t cursor_key[32];
    uint8_t map_secret[16];
    unsigned signing_roots; /* SIGN_CHECKPOINT under way */
    struct list vault_sizes; /* of logs whose last signed size the vault had to tell (integrator.c) */
    bool compare_all;     /* the vault has come: every log is held against what it signed last */
    bool begun;           /* service.started was written */
    uint64_t unrecorded;  /* records that a sealed log did not take (unseal.h) */
    bool rebased;         /* deadlines of live windows are on this boot */
    char db_path[512];

    _Atomic bool audit_space; /* low water, or the disk was full */
    _Atomic bool ingest_space; /* … which begins earlier for what is to be recorded */
    _Atomic bool clock_bad;
    _Atomic bool vault_there;
    _Atomic bool gate_there;
    _Atomic bool audit_sealed;
    _Atomic enum reserve_state { RESERVE_UNKNOWN, RESERVE_THERE, RESERVE_GONE } reserve; /* reserve.h */
    _Atomic bool tiles_due;    /* a checkpoint came that DIR/audit does not have */
};

/* Something that memory learns when the transaction is durable; in the command's arena. */
struct after {
    struct after *next;
    void (*fn)(struct core *c, void *arg);
    void *arg;
};
