#pragma once
/*
 * What the routes under a provisioning key share: the check of STANDARDS 1.4, the list of what is under way, its endings.
 *
 * Each of them goes: check -> first sight -> unlock (the first lease brings the recording key) -> read -> lease of the events
 * themselves -> check again -> bytes. Whenever a grant, a key or the authority changes, replay_recheck ends what may not
 * go on: unsent bytes are dropped at once.
 */
#include "gate/block.h"
#include "gate/handlers.h"

struct replay;

struct replay_ops {
    /* The key holds and the recording key is here: go on. */
    void (*begin)(struct replay *r);
    /* It may not go on (bytes may have been sent): say why with 'code' of STANDARDS 5.2, or just stop. */
    void (*end)(struct replay *r, int code);
    void (*drained)(struct replay *r);          /* may be NULL */
    void (*gone)(struct replay *r, enum exchange_end how); /* the exchange is over */
    void (*free)(struct replay *r);             /* may be NULL */
};

struct replay {
    struct list node; /* in lane->replays while under way */
    struct call *call;
    struct viewer *viewer;
    const struct replay_ops *ops;
    struct buf query; /* tree */
    bool begun;       /* a status line has been sent: problems are no longer possible */
    bool over;        /* an ending was sent or the exchange is gone: send nothing more */
    bool flushing;    /* over because all was handed to the net; what of it is unsent must still be dropped at an end */
    bool using;       /* counted by viewer_use */
    bool fresh;       /* it was let in inside this very call: what comes before bytes need not ask again */
    struct loop_timer window; /* the window's end, whoever else notices it */
    uint64_t events;  /* what there was, durable, when it was unlocked: nothing from here on is served but by follow=1 */
    bool live;        /* more may come */
    bool proved;      /* under a bound key: */
    uint8_t proof[32]; /* SHA-256 of the proof that opened it */
    void *state;
};

/* May content flow under this key at this moment? KEY_OK, or why not; *ret_code the stream code. */
enum key_verdict replay_may(const struct replay *r, int *ret_code);

/* Answers with the problem of a verdict (before begun), and tells the audit. */
void replay_refuse(struct replay *r, enum key_verdict v, const char *detail);
/* 422 for a query parameter. */
void replay_bad_parameter(struct replay *r, const char *name, const char *detail);

/* Either way: a problem when nothing was sent, else the ending of that code. */
void replay_stop(struct replay *r, enum key_verdict v);

/* viewer_lease in the name of this request: the record says which proof asked. */
void replay_ask_lease(struct replay *r, const struct viewer_span *want, viewer_verdict_fn fn, void *ctx);

/* All that is to be sent was handed to the net. */
void replay_sent_all(struct replay *r);

/* The stream code of a verdict. */
int replay_code_of(enum key_verdict v);
/* "window.ended" and "window-ended" of 4410. */
const char *replay_event_name(int code);
const char *replay_reason(int code);

/* {"code":…,"reason":…,"last_seq":…,"at_ms":…[,"renew":…][,"retry_after_s":…]}; at most 220 bytes. */
void replay_end_json(const struct replay *r, int code, int64_t last_seq, int64_t at_ms, struct buf *out);

/* The `From` object. to_ms INT64_MAX: not said. */
void replay_from_json(const struct replay *r, const struct viewer_read *start, int64_t to_ms, struct buf *out);

/* STANDARDS 1.4 step 10: what of a recording comes after the request arrived is asked for by follow=1. */
bool replay_follows(const struct replay *r);

/* Reads a whole number from the query. False: answered with 422 already. Absent: *ret unchanged. */
bool replay_query_int(struct replay *r, const char *name, int64_t max, int64_t *ret);
bool replay_query_str(const struct replay *r, const char *name, struct span *ret);

/* The routes. */
extern const struct replay_ops replay_manifest_ops, replay_chunk_ops, replay_events_ops, replay_stream_ops,
    replay_follow_ops, replay_export_ops;

/* ---- lines: events one by one, shared by events, export, stream and follow ---- */

struct lines {
    struct replay *replay;
    struct block *block;
    uint64_t seq;     /* of the next line */
    uint64_t until;   /* there is no event from here on */
    time_us time;     /* seek time of the line last read */
    bool sequential;  /* 'time' is known to be that of the event before 'seq' */
    bool loaded, loading;
    struct loop_deferred later; /* it was at hand: on_loaded comes in the next turn all the same */
    struct block *ready;
    void (*on_loaded)(struct replay *r, enum err e);
};

void lines_init(struct lines *l, struct replay *r, void (*on_loaded)(struct replay *r, enum err e));
/* Begins at this event; time: of the keyframe there, or of the event before; -1: not known. */
void lines_begin(struct lines *l, uint64_t seq, time_us time);
/* Loads what holds the event l->seq and goes there; on_loaded follows (not when the call is over). ERR_NOTFOUND: past 'until'. */
void lines_load(struct lines *l);
/* The same with what is here already. */
void lines_take(struct lines *l, struct block *b);
/* Skips to the event. */
void lines_seek(struct lines *l, uint64_t seq);
/* What 'lines' would ask for. */
struct viewer_want lines_want(const struct lines *l);

struct line {
    struct span json;
    uint64_t seq;
    time_us time; /* seek time */
};

/* The next event of what is loaded, without moving. False: there is none in it. */
bool lines_peek(const struct lines *l, struct line *ret);
void lines_next(struct lines *l, const struct line *now);
/* Bytes and last event from the next line to the end of what is loaded (never past 'until'). */
size_t lines_rest(const struct lines *l, uint64_t *ret_last);
void lines_free(struct lines *l);
/* Frees content: wiped first. */
void lines_wipe(struct buf *b);
