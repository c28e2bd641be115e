#pragma once
/*
 * A whole gate in this process (gate_main in a thread, two loops) with a supervisor, a keeper and a vault that the test
 * plays at the other ends of its channels, and a plain HTTP client.
 *
 * The keeper and the vault here are simple, not fake in what counts: keys are really signed, recording keys really
 * sealed and opened, recordings come from real imports. The keeper writes down every lease, so that a test can ask
 * whether what arrived was leased before.
 *
 * Threads: the peers run in a thread of their own; what tests read of 'struct world' they read between world_lock and
 * world_unlock. The client runs in the test's thread and blocks, each wait with a deadline.
 */
#include "test.h"

#include <pthread.h>

#include "access/grant.h"
#include "format/key.h"
#include "link/link.h"
#include "loop/timer.h"

#define WORLD_LANES      2
#define WORLD_RECORDINGS 64
#define WORLD_LOG        4096
#define PROJECT          "p_AAAAAAAAAAAAAAAA"
#define GRANT            "g_AAAAAAAAAAAAAAAA"
#define PERSON           "u_AAAAAAAAAAAAAAAA"
#define VIEWING          "v_AAAAAAAAAAAAAAAA"

struct world_recording {
    char rid[ID_CAP];
    struct buf wrap;
    uint32_t epoch;
    struct ipc_row_piece pieces[4096];
    uint8_t sha256[4096][32];
    size_t n_pieces;
    int ended; /* 0: not yet; 1: END ok; -1: END not ok */
    char kind[12], title[201];
    uint64_t events;
    int64_t duration_us, started_ms;
    uint32_t n_tags;
};

struct world_lease {
    char jti[JTI_CAP], rid[ID_CAP];
    uint8_t what;
    uint64_t from_seq, to_seq, from_ms, to_ms, bytes;
    uint64_t first_lease;
    bool release;
    uint8_t proof[32]; /* zero: none */
    int64_t at;
};

struct world_settle {
    char jti[JTI_CAP];
    uint64_t first_lease, bytes;
    struct ipc_row_range ranges[16];
    uint32_t n_ranges;
    bool more, exported;
};

struct world_refusal {
    char code[40], route[40], jti[JTI_CAP], gid[ID_CAP], rid[ID_CAP];
    uint32_t count;
};

struct world_control {
    uint16_t route;
    char id1[300], query[300], cred_kind, idem[200], client[8], trace[33], if_match[140];
    bool browser;
    uint8_t cred[32];
    size_t cred_n, body_n;
    char jkt[KEY_JKT_LEN + 1], act[300];
    uint8_t pub[64], addr[16];
    size_t addr_n;
};

/* How the keeper answers; tests change it. */
struct link_msg;
struct world_ways {
    uint16_t key_first, lease, open;   /* verdicts */
    bool key_first_grant;              /* KEY_FACTS bring the grant's row */
    bool first_lease;                  /* … and the manifest's lease, when it is asked for */
    bool hold_leases, hold_controls;   /* not answered until world_release */
    bool mute;                         /* no heartbeats */
    bool audit_bad;
    bool refuse_pieces, refuse_end, silent_end, silent_wrap;
    bool refuse_ingest;
    const char *answer_code;           /* CONTROL: this problem */
    const char *set_token;
    bool clear_token;
    uint16_t answer_status;            /* 0: 200 */
    const char *answer_detail, *answer_body;
    bool (*more)(struct link *k, const struct link_msg *m); /* asked first, in the peers' thread, under the lock; true: it was its own */
    bool refuse_watch;
    uint64_t volume;
};

struct world {
    /* of the test's thread */
    char dir[64];
    int port, player_port;
    int listen_fd, player_fd;
    pthread_t gate_thread, peers_thread;
    int gate_status;
    bool gate_over;

    /* of the peers' thread, or under the lock */
    pthread_mutex_t lock;
    struct loop *loop;
    struct link *control, *keeper[WORLD_LANES], *vault[WORLD_LANES];
    struct loop_timer beat;
    bool ready_seen, ready_ok;
    char ready_text[200];
    struct world_ways ways;
    struct ipc_row_grant grant;
    struct world_recording recordings[WORLD_RECORDINGS];
    size_t n_recordings;
    struct world_lease leases[WORLD_LOG];
    size_t n_leases;
    struct world_settle settles[WORLD_LOG];
    size_t n_settles;
    struct world_refusal refusals[WORLD_LOG];
    size_t n_refusals;
    struct world_control controls[64];
    size_t n_controls;
    struct { struct link *link; uint64_t call; bool control; uint64_t idx; } held[64];
    size_t n_held;
    unsigned n_key_first, n_open, n_stream_open, n_stream_close, n_watch_close;
    uint16_t last_end_code;
    char last_jkt[KEY_JKT_LEN + 1]; /* of KEY_FIRST */
    struct { uint64_t sub; int lane; } watches[16];
    size_t n_watches;
    void (*greet)(struct link *k); /* a keeper that comes says this too, on channel 0 */
    uint64_t grant_seq;
    uint32_t next_rid;

    /* keys */
    struct secret *epoch, *signing, *k_ctx;
    uint8_t epoch_pub[32], signing_pub[64];
    struct es256_signer *signer;
    char kid[KEY_KID_LEN + 1];
};

extern struct world w;

/* cmocka group set-up and tear-down. */
int world_begin(void **state);
int world_end(void **state);
/* Before each test: everything works, the grant is ACTIVE for an hour, logs are empty. */
int world_reset(void **state);

void world_lock(void);
void world_unlock(void);
/* Runs fn in the peers' thread and waits for it. */
void world_do(void (*fn)(void *arg), void *arg);
/* Waits until 'holds' says so (asked under the lock). Fails the test after ms. */
void world_wait(bool (*holds)(void), int ms);
int patient(int ms); /* more of it under a sanitizer, where everything takes longer */

void world_config(const char *public_url); /* sends a configuration: at start, or as SIGHUP does */
struct link;
void world_masks(struct link *to); /* on the world's thread: the project has the default masking rules */
void world_push_grant(void);               /* w.grant as it is */
void world_push_full(void);                /* a full list; without it when its gid is empty */
void world_end_grant(uint8_t state, uint16_t end_code);
void world_deny(const char *jti);
void world_release(void);                  /* answers what was held */
void world_keeper_dies(void);
void world_keeper_comes(void);
void world_shutdown(void); /* the last thing a test program does with the gate */
void world_vault_dies(void);
void world_vault_comes(void);

/* ---- keys ---- */

struct key_claims world_claims(const char *rid); /* a good bearer key of the grant, 60 s; change it and sign */
const char *world_sign(const struct key_claims *c); /* borrowed until the next but three */
const char *world_key(const char *rid);
const char *world_export_key(const char *rid);

/* Was every event of the range leased to this jti by now? */
bool world_leased(const char *jti, uint64_t from, uint64_t to);

/* ---- the client ---- */

struct client {
    int fd;
    struct buf raw;   /* received, not yet taken apart */
    int status;
    struct buf head;  /* of the last answer: lower-case names, "name: value\n" */
    struct buf body;  /* decoded */
    bool whole;       /* the body came to its proper end */
    bool closed;
    int64_t left;     /* of the body; -1: chunked; -2: until close */
    size_t chunk_left;
    bool chunk_tail;
};

void client_open(struct client *c, int port);
void client_open_with(struct client *c, int port, int receive_buffer); /* bytes; 0: the system's */
void client_close(struct client *c);
void client_send(struct client *c, const char *text);
void client_sendf(struct client *c, const char *fmt, ...) PRINTF_LIKE(2, 3);
void client_send_n(struct client *c, const void *p, size_t n);
/* Reads one whole answer. Fails the test when it does not come within 5 s. */
void client_answer(struct client *c);
/* Reads until the head is there / the body has 'text' / it ended / ms passed. True: it did. */
bool client_head(struct client *c, int ms);
bool client_until(struct client *c, const char *text, int ms);
bool client_until_end(struct client *c, int ms);
/* Reads what there is for ms; returns how much body there is. */
size_t client_for(struct client *c, int ms);
/* "" when absent. */
const char *client_header(struct client *c, const char *name);

/* One request on a connection of its own. */
void get(struct client *c, const char *key, const char *fmt, ...) PRINTF_LIKE(3, 4);
void begin_get(struct client *c, const char *key, const char *fmt, ...) PRINTF_LIKE(3, 4);
/* headers: whole lines with \r\n, or "". */
void request(struct client *c, const char *method, const char *path, const char *headers, struct span body);

/* A member of the JSON in the body as text (numbers, strings without escapes). "" when absent. Static. */
const char *member(struct client *c, const char *name);

/* Imports bytes; returns the id (static per call up to 8). Fails the test unless 201. */
const char *import_bytes(struct span file);
const char *import_file(const char *path);
struct world_recording *recording_of(const char *rid);

#define assert_code(c, want_status, want_code) check_code((c), (want_status), (want_code), __FILE__, __LINE__)
void check_code(struct client *c, int status, const char *code, const char *file, int line);
