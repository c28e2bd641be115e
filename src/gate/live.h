#pragma once
/*
 * Live recordings: those that are being made (STANDARDS 4.2 to 4.4, 5.1 'Batches'). Between the files live_*.c.
 *
 * A batch:  live_events.c takes the body on the loop of its connection -> struct live_job -> live_route finds the loop that owns the
 *           recording (live_table.h) and hands the job over by loop_post -> live_rec.c puts it into the order of Batch-Seq,
 *           has it made into frames (codec/batch; in a worker when it is large), appends them to the log (store/reclog) ->
 *           durable -> live_answer hands the job back to the loop of its connection -> 200.
 * Sealing:  live_seal.c: the tail becomes segments in a worker (gate/seal.h), the keeper takes their rows, the log lets go.
 * Ending:   what is left is sealed, small segments are merged, END; by the recorder, or when nothing came for vanish_ms.
 * Resuming: live_resume.c: a batch of a recording that this gate did not begin.
 * Keeper away: batches go on; pieces wait; what needs its word (begin, resume, end) is 503.
 *
 * Numbers: the log, PIECE_PUT and INGEST_STATE count Batch-Seq + 1: batch 0 of the log is the opening, with the head given
 *          then, durable before the 201.
 *
 * Threads: a struct live_rec belongs to the loop of its lane (but for 'place': live_table.h). While a worker has it
 *          ('encoding', 'working') the loop leaves what the worker uses alone. A struct live_job belongs to its connection's
 *          loop until it is handed over, then to the owner, then to its connection's again; 'call' is touched by the former only.
 */
#include "codec/batch.h"
#include "codec/intake.h"
#include "gate/live_bodies.h"
#include "gate/live_table.h"
#include "gate/seal.h"
#include "gate/uploader.h"

#define LIVE_CALL_MS     10000       /* waiting for the keeper */
#define LIVE_RETRY_MS    3000        /* until a seal or piece that failed is tried again */
#define LIVE_BODY_MAX    (25u << 20) /* of a batch on the wire */
#define LIVE_QUEUE_MAX   64          /* batches that wait in one recording */
#define LIVE_SPACE_RETRY_S 5
#define LIVE_RECENT    64    /* batches over which text that is not over is known */
#define LIVE_HOLD_MS   1000  /* followers wait so long for text that may become a match: from the last batch on, */
#define LIVE_HELD_MS   5000  /* and from the first one that was held on */
#define LIVE_NUMBER_MAX  (UINT64_C(1) << 53)
#define LIVE_NO_NUMBER   UINT64_MAX

struct foreign_part;
struct foreign_seen;

enum live_what { LIVE_BATCH, LIVE_END };

/* What the recorder is told. */
struct live_answer {
    char code[40]; /* empty: well */
    char detail[240];
    int retry_after_s;            /* 0: the usual */
    bool gap;                     /* next_batch belongs to the problem */
    uint64_t next_batch;
    uint64_t events;              /* durable ones, or of the whole recording */
    enum importer_kind kind;      /* of END */
    int64_t duration_us;
    uint64_t bytes;
    struct importer_error *broken; /* the job's, or NULL */
};

struct live_job {
    struct list node;    /* in a recording's queue, among its enders, or among the waiters of an equal batch */
    struct list waiters; /* equal batches that came while this one was under way */
    struct list mine;    /* in lane->live_jobs of its connection's loop, once handed over */
    struct lane *from, *at;
    struct call *call;   /* holds a reference once handed over */
    enum live_what what;
    char rid[ID_CAP], pid[ID_CAP], tid[ID_CAP]; /* pid, tid: the token's */
    bool page;           /* the token is a public one: for what was begun with it, and by whoever has its secret */
    char secret[LIVE_SECRET_CAP];
    uint8_t cred[32];
    uint8_t prefix[NET_PREFIX_LEN];
    size_t prefix_len;
    char trace[CALL_TRACE_LEN + 1];
    uint64_t number;     /* Batch-Seq (foreign: given when its turn comes); of END: batches sent, or LIVE_NO_NUMBER */
    enum unpack_codec codec;
    struct buf body;
    struct live_hold hold; /* what its body counts: live_bodies.h */
    bool refused;        /* answered already: the rest of the body is dropped */
    struct foreign_part *foreign; /* another recorder's client sent it (foreign.h); NULL: ours */
    struct live_answer answer;
};

enum live_state {
    LIVE_RESUMING, /* the keeper is asked; jobs wait in 'queue' */
    LIVE_OPEN,
    LIVE_ENDING,   /* no batch is taken up; live_seal.c works, then END */
    LIVE_OVER,     /* ended or gone; freed when nothing is under way any more */
};

enum live_work {
    LIVE_IDLE,
    LIVE_SEALING,  /* in a worker */
    LIVE_MERGING,  /* in a worker */
    LIVE_PUTTING,  /* the keeper has been sent the rows of 'sealed' */
    LIVE_WAITING,  /* 'sealed' holds rows that the keeper has not taken; tried again at retry_at */
    LIVE_REMOVING, /* in a worker: files that a merge replaced, or that the keeper did not want */
    LIVE_ASKING_END,
};

struct live_rec {
    struct live_place place; /* live_table.h */
    struct gate *gate;
    struct list node;        /* in lane->lives */
    enum live_state state;
    enum importer_kind kind;
    uint16_t kn;
    uint32_t epoch;
    struct uploader_keys keys;
    bool wrapped;            /* the keeper has their wraps */
    uint8_t told_times;      /* time_kind that it was sent */
    struct reclog_rec *log;
    struct call *creator;    /* its POST waits for the head to be durable */

    /* masking: live_masks.c */
    struct mask_rules *rules;
    bool unsure;                  /* the process before left text that may be half of something */
    struct intake *intake;        /* with 'batch' in whichever thread has that */
    struct buf blank_full, blank_rest; /* frames of track 1 for events from which nothing was taken: until the batch is durable */
    struct buf carry;             /* struct intake_late: of a masker that gave way to other rules, for the next batch */
    struct buf carry_frame;       /* of that batch */
    uint64_t recent[LIVE_RECENT]; /* first events of the last durable batches, */
    size_t n_recent;              /* of which there were so many */
    uint64_t hold_seq;            /* the batch with this first event, and what follows, may still be marked late: seals leave it; UINT64_MAX: none */
    struct loop_timer show;       /* what followers wait for is shown all the same */
    uint64_t held_seq;            /* what is held begins here, */
    time_ms held_since;           /* and has since then (loop time) */
    uint64_t sealing_seq;         /* events below are in a segment, or in one that is being made */

    /* batches, in order */
    struct batch_state parse; /* after the last durable batch */
    uint64_t next_batch;      /* Batch-Seq */
    struct list queue;        /* jobs that wait */
    size_t n_queued;          /* batches among them */
    struct live_job *current; /* being made into frames, or being appended; also while the head is (NULL then) */
    bool busy;                /* 'batch' is in use */
    bool encoding;            /* a worker has 'batch' and 'rest' */
    struct batch *batch;
    struct batch_out out;
    struct span rest;
    enum err batch_err;
    time_ms last_batch;       /* loop time */
    struct foreign_seen *foreign; /* what it knows of another recorder's batches; NULL: nothing */

    /* sealing and the end */
    struct seal *seal;
    struct seal_job sealed;
    enum live_work work;
    bool merged, undoing, pressed, vanished;
    bool pressing;            /* the seal under way is for a press */
    bool complete;            /* the keeper took the end: one that comes later is answered alike */
    uint64_t sealed_seq, put_batch, put_bytes; /* events, batches of the log, bytes that the keeper has in pieces */
    time_ms retry_at;         /* 0: nothing failed */
    struct list enders;

    unsigned asking;          /* questions to the keeper whose answers are to come */
    bool gone;                /* files go when everything else has */
    struct loop_timer due;
    time_ms due_at;           /* 0: not armed */
};

/* ---- live_events.c: at the connection ---- */

/* Gives the job back to the loop of its connection and from there to the client. 'answer' is filled. */
void live_answer(struct live_job *j);
void live_answer_code(struct live_job *j, const char *code, const char *detail);
struct live_job *live_job_free(struct live_job *j);
/* What keeps that token out of that recording: NULL (nothing), or the code of a refusal. */
const char *live_not_its(const struct live_place *at, const struct live_token *t, const char *secret);
/* One more piece of a body, within what this gate takes in at once. False: the job is to be refused; why (may be empty). */
bool live_body_take(struct live_job *j, struct gate *g, struct span bytes, const char **ret_why);

/* The disk is so full that recording gives way (STANDARDS 3.6). Looks once a second at most. */
bool live_space_low(struct gate *g);
/* Its channel is closed, or it said nothing for 3 s. */
bool live_keeper_away(const struct lane *l);
/* What is wrong, with gap, place in the input and Retry-After as they apply. */
void live_write_refusal(struct call *c, const struct live_answer *a);
/* 503 ingest-space, or the plain problem. */
void live_problem(struct call *c, const char *code, const char *detail);

/* ---- live_rec.c: at the owner ---- */

/* On any loop: finds the owner, or makes 'here' the owner of one that this gate does not write and asks the keeper. */
void live_route(struct lane *here, struct live_job *j);

/* One in state LIVE_RESUMING that is in no table yet. NULL: no memory. */
struct live_rec *live_rec_new(struct lane *l, struct span rid);
/* Log and sealing from what the keeper said, under r->keys; then it is LIVE_OPEN. */
NODISCARD enum err live_rec_open(struct live_rec *r, uint64_t log_next, const struct seal_params *from,
                                 struct err_info *reterr);
/* The head that came with POST /v1/recordings: the first record of the log. The creator is answered when it is durable. */
void live_rec_head(struct live_rec *r, struct span head);
void live_rec_take(struct live_rec *r, struct live_job *j);
/* Takes up what waits. */
void live_rec_next(struct live_rec *r);
/* Answers everything that waits. */
void live_rec_refuse_all(struct live_rec *r, const char *code, const char *detail);
/* Nothing more is taken; freed as soon as nothing is under way. */
void live_rec_over(struct live_rec *r);
/* Called when something that was under way came back. True: r has been freed. */
bool live_rec_settle(struct live_rec *r);

/* ---- live_masks.c ---- */

/* It goes on with what another process began, whose pieces have the numbers below: is it in the middle of something? */
void live_masks_resume(struct live_rec *r, uint32_t next_seg);
/* The project's rules as they are now, in r->intake. lost: the recording began elsewhere. NULL, or the code of a refusal. */
const char *live_masks_begin(struct live_rec *r, bool lost, bool *ret_keep);
/* The same before a batch: rules may have changed. */
const char *live_masks_now(struct live_rec *r);
/* Frames of track 1 for r->out, as many as live_masks_n_frames says; they live until the batch is durable or given up. */
size_t live_masks_n_frames(const struct live_rec *r);
NODISCARD enum err live_masks_frames(struct live_rec *r, struct reclog_frame *out, struct err_info *reterr);
/* Frames of marks, which come after those of track 0: as many as live_masks_n_marks says. */
size_t live_masks_n_marks(const struct live_rec *r);
NODISCARD enum err live_masks_marks(struct live_rec *r, struct reclog_frame *out, struct err_info *reterr);
/* r->out is about to be appended: followers will not see yet what is not over. */
void live_masks_hold(struct live_rec *r);
/* r->out is durable. */
void live_masks_durable(struct live_rec *r);
void live_masks_show(void *rec);
void live_masks_end(struct live_rec *r);

/* ---- live_seal.c ---- */

/* Something changed: seals when it is time, goes on with an end, arms the timer. */
void live_seal_consider(struct live_rec *r);
void live_seal_end(struct live_rec *r);
/* How its times count is known, or the keeper may not know it: it is told, once. */
void live_seal_times(struct live_rec *r);
/* What the recorder is told of a recording that is complete. */
void live_answer_end(const struct live_rec *r, struct live_job *j);
/* The keeper's channel is new: it hears of the recording again. */
void live_seal_keeper(struct live_rec *r);
void live_seal_press(void *rec);
void live_seal_due(void *rec);
void live_send_wrap(struct live_rec *r);

/* ---- live_create.c ---- */

/* Its masks, keys, log and sealing, as the keeper began it; r's place is filled. *ret_code: set when there is a better word for an error. */
NODISCARD enum err live_create_begin(struct live_rec *r, const struct ipc_ingest_opened *a, enum importer_kind kind,
                                     const char **ret_code, struct err_info *reterr);
/* 201. */
void live_created(struct call *c, const struct live_rec *r);
/* It could not begin: the keeper forgets it, and so does the gate. */
void live_create_forget(struct live_rec *r);

/* ---- live_resume.c ---- */

void live_resume_ask(struct live_rec *r);
