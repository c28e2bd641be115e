#pragma once
/*
 * Shared inside store/reclog*.c only.
 *
 * Who may touch what: 'lock' = under reclog.lock; 'writer' = the writer's thread alone; 'loop' = the recording's or
 * follower's loop alone. What the writer makes durable it shows to others under the lock (reclog_write.c: publish).
 */
#include <pthread.h>

#include "base/list.h"
#include "base/map.h"
#include "format/id.h"
#include "store/reclog.h"

/* What became of a frame: its record. */
struct reclog_made {
    struct reclog_place *place;
    uint32_t at, number;
};

/* One file of this process. refs: the list of files, each place in it. */
struct reclog_file {
    struct list node; /* lock: in reclog.files, oldest first, while it is on the disk; then in reclog.dead */
    unsigned refs;    /* lock */
    int fd;
    uint32_t file_no;
    uint64_t size;    /* lock, writer writes: everything below is durable and shown */
    uint64_t end;     /* writer: where the next byte goes */
    uint32_t n_locals; /* writer */
    bool spoiled;      /* writer: a write failed: something may lie behind 'end', so nothing more goes there */
    size_t n_needed;  /* lock: places in it with unsealed records */
    time_ms born;     /* boot clock */
    bool pressed;     /* lock: its recordings were asked to seal */
};

/* A recording in one file. refs: the recording, each tail. */
struct reclog_place {
    struct list node; /* lock: in reclog_rec.places, oldest first; before it is shown: in reclog.fresh (writer) */
    unsigned refs;    /* lock */
    struct reclog_rec *rec; /* while it is fresh */
    struct reclog_file *file;
    uint32_t local;
    uint16_t id;           /* within the recording, wraps */
    uint8_t track;
    uint8_t salt[KHLOG_SALT_LEN];
    uint8_t commitment[KHLOG_COMMITMENT_LEN];
    uint32_t next_number;  /* writer: grows whatever happens to the bytes */
    struct khlog_key *key; /* writer; freed with the recording's hold on it */
    uint32_t n_unsealed;   /* lock */
    uint32_t close_number; /* lock: records below are in pieces */
    bool close_wanted;     /* lock: that is not written yet */
};

/* A durable record that no piece holds. Many of them live long: kept small. */
struct reclog_entry {
    uint64_t first_seq;
    uint32_t batch; /* after reclog_rec.base_batch */
    uint32_t at;    /* in its file */
    uint32_t len;   /* of the whole record */
    uint32_t number;
    uint32_t n_events;
    uint16_t place; /* reclog_place.id */
    uint16_t flags;
};

/* Everything that goes to one loop: one posted function for all of it. */
struct reclog_port {
    struct list node; /* lock: in reclog.ports */
    struct reclog *log;
    struct loop *loop;
    unsigned refs;    /* lock: recordings, hubs, one while posted */
    bool posted;      /* lock */
    struct loop_posted post;
    struct list finished; /* lock: jobs */
    struct list pressing; /* lock: recordings */
    struct list news;     /* lock: hubs */
};

/* The followers of one recording on one loop. */
struct reclog_hub {
    struct list node; /* lock: in reclog_rec.hubs */
    struct list news; /* lock: in reclog_port.news */
    struct reclog_rec *rec;
    struct reclog_port *port;
    bool dirty;             /* lock: something changed since 'todo' was filled */
    struct list followers;  /* loop */
    struct list todo;       /* loop: followers that have to hear the last change yet */
};

struct reclog_follower {
    struct list node;
    struct reclog_hub *hub;
    reclog_follow_fn fn;
    void *ctx;
};

/* A batch on its way. */
enum reclog_job_state {
    RECLOG_JOB_QUEUED, /* in reclog.queue: waits for the writer */
    RECLOG_JOB_GROUP,  /* the writer has it, until the sync is over */
    RECLOG_JOB_OVER,   /* in reclog_port.finished: waits for its loop */
};

struct reclog_job {
    struct list node; /* lock: in reclog.queue or reclog_port.finished; writer: in the group */
    struct list mine; /* loop: in reclog_rec.jobs */
    struct reclog_rec *rec;
    uint64_t batch_seq, first_seq, n_events;
    uint64_t hold;  /* of reclog_hold */
    uint64_t after; /* comes after the batches below this one; a batch without events is told by that alone */
    size_t bytes, encoded; /* of all frames; of their records */
    reclog_done done;
    void *ctx;
    enum reclog_job_state state; /* lock */
    enum err result;
    struct reclog_made *made; /* writer: of each frame; lies behind the frames */
    size_t n, n_reveal;       /* n_reveal: the first ones, of track 1 */
    struct reclog_frame frames[];
};

#define RECLOG_TRACKS 2

/* One track of a recording. */
struct reclog_track {
    const struct secret *rk; /* NULL: there is none (but 0, until the end) */
    uint8_t wrap_len;
    uint8_t wrap[255];
    struct reclog_place *w_place; /* writer: where it goes on; NULL: needs an open record */
    struct reclog_entry *entries; /* lock: [head, head + n) */
    size_t head, n, cap;
    size_t reserved;              /* lock: room promised to jobs */
};

/* refs: the owner, its hubs, tails. */
struct reclog_rec {
    struct reclog *log;
    unsigned refs; /* lock */
    char project[ID_CAP], rid[ID_CAP];
    uint16_t kn;
    bool reveal; /* it has a track 1 */
    struct reclog_track tracks[RECLOG_TRACKS];
    struct reclog_port *port;
    void (*press)(void *ctx);
    void *ctx;
    uint64_t base_batch;

    uint64_t q_next_seq, q_next_batch; /* loop: after what is queued */
    uint64_t q_hold;                   /* loop: of the next append */
    struct list jobs;                  /* loop: not yet answered */

    uint64_t w_next_seq, w_next_batch; /* writer: after what is in the group */
    enum err w_failed;                 /* writer: why the last failed batch failed */
    uint16_t w_next_id;                /* writer: of places */

    uint64_t next_seq, next_batch; /* lock, writer writes: durable */
    uint64_t sealed_seq;           /* lock */
    uint64_t hold;                 /* lock: followers hear of events below */
    uint64_t marked;               /* lock: durable records of late marks */
    struct list places;            /* lock: of both tracks */
    uint64_t unsealed_bytes;       /* lock: of track 0 */
    time_ms since;                 /* lock */
    size_t n_group;                /* lock: jobs that the writer works on */
    uint32_t pressed;              /* lock: file_no + 1 of the newest file it was pressed for */
    bool ended;                    /* lock */
    struct list closing;           /* lock: in reclog.closing */
    struct list pressing;          /* lock: in reclog_port.pressing */
    struct list hubs;              /* lock */
};

/* Bytes of records as they lie in a file from 'at' on. refs: the group or the cache, each reader. */
struct reclog_blob {
    struct list node; /* writer: in reclog.flushed */
    unsigned refs;    /* lock */
    uint32_t file_no;
    uint64_t at;
    size_t n, cap;
    uint8_t bytes[];
};

/* Blobs of the newest bytes, in their order. */
struct reclog_cache {
    struct reclog_blob **blobs; /* [head, head + n) */
    size_t head, n, cap;
    size_t bytes, max;
};

/* refs: reclog_free's caller, recordings, ports. */
struct reclog {
    pthread_mutex_t lock;
    pthread_cond_t wake; /* the writer: there is work */
    pthread_cond_t idle; /* reclog_end: a group is over */
    unsigned refs;       /* lock */
    struct reclog_options o;
    int dir;
    uint32_t first_no;   /* of this process */
    pthread_t thread;
    bool has_thread;

    bool stop, stopped;  /* lock: asked to; has */
    bool dead;           /* lock: the disk failed */
    struct map recs;     /* lock: by rid */
    struct list ports;   /* lock */
    struct list files;   /* lock */
    struct list dead_files; /* lock: to be closed by the writer */
    struct list queue;   /* lock: jobs */
    size_t queued_bytes; /* lock: frames, queued or in the group */
    struct list closing; /* lock: recordings with places whose close record is to be written */
    struct reclog_cache cache; /* lock */
    struct reclog_stats stats; /* lock */

    struct reclog_file *file; /* writer writes under the lock: the one that grows, or NULL */
    uint32_t next_no;         /* writer */
    struct reclog_blob *blob; /* writer: being filled */
    struct list flushed;      /* writer: written blobs of this group */
    struct list fresh;        /* writer: places of this group that nobody has seen */
    size_t group_left;        /* writer: bytes of the group that are not encoded */
};

void reclog_enter(struct reclog *l);
void reclog_leave(struct reclog *l); /* and frees the log when this was the last hold on it */

/* All under the lock. */
void reclog_file_unref(struct reclog *l, struct reclog_file *f);
void reclog_close_dead(struct reclog *l);
void reclog_place_unref(struct reclog *l, struct reclog_place *p);
void reclog_rec_unref(struct reclog_rec *r);
struct reclog_place *reclog_place_of(const struct reclog_rec *r, uint16_t id);
void reclog_blob_unref(struct reclog_blob *b);

/* ---- reclog_port.c: what goes to loops; under the lock ---- */

struct reclog_port *reclog_port_of(struct reclog *l, struct loop *loop); /* a new ref; NULL: no memory */
void reclog_port_unref(struct reclog_port *p);
void reclog_port_kick(struct reclog_port *p); /* something was put into one of its lists */
void reclog_news(struct reclog_rec *r);       /* tell the followers */
uint64_t reclog_shown(const struct reclog_rec *r); /* up to where */

/* ---- reclog_write.c ---- */

void *reclog_writer(void *log);

/* ---- reclog_cache.c; under the lock ---- */

void reclog_cache_add(struct reclog_cache *c, struct reclog_blob *b); /* takes over the caller's ref */
struct reclog_blob *reclog_cache_find(const struct reclog_cache *c, uint32_t file_no, uint64_t at, size_t n);
void reclog_cache_clear(struct reclog_cache *c);

/* ---- names in DIR/log ---- */

#define RECLOG_NAME_CAP 32
void reclog_name(uint32_t file_no, char out[RECLOG_NAME_CAP]);
bool reclog_parse_name(const char *name, uint32_t *ret);
