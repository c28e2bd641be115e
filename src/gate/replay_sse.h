#pragma once
/* What the paced stream and the following one share: server-sent events, their clocks, their endings. */
#include "gate/replay.h"

#define SSE_BATCH     (64u << 10)  /* written at once */
#define SSE_TIME_MAX  (SEGMENT_TIME_MAX / 1000)

/* First in the state of either. */
struct replay_sse {
    struct lines lines; /* first: lines.c finds it here */
    struct loop_timer wake;
    bool counted, told, warned;
    struct viewer_read start; /* LOCATE: goes out as `from` */
    int end_code;
    int64_t to_ms;
    bool resume;              /* Last-Event-ID: */
    uint64_t resume_id;
    int64_t last_seq, last_ms, commented;
};

void replay_sse_init(struct replay_sse *s, struct replay *r, void (*on_loaded)(struct replay *r, enum err e), loop_fn on_wake);

/* False: answered with 422. */
bool replay_sse_read_resume(struct replay *r, struct replay_sse *s);

/* One stream more of this key, grant and person, and of the server. KEY_OK, or why not. */
enum key_verdict replay_sse_count_in(struct replay *r);

/* `retry` and `from`. The lease of what follows is there, and the key has just been looked at. False: it is over. */
bool replay_sse_begin(struct replay *r);

/* Key, grant, authority at this moment. False: it was ended, or refused when nothing was sent yet. */
bool replay_sse_may_go_on(struct replay *r);

/* False: the net holds as much as it takes (256 KiB), and on_drained follows; or the client has gone, and the end does. */
bool replay_sse_has_room(struct replay *r);
void replay_sse_write(struct replay *r, struct span text);
void replay_sse_add_event(struct buf *out, const struct line *l);
/* Events from 'first' to last_seq, leased. */
void replay_sse_send(struct replay *r, struct buf *out, uint64_t first);
/* key.expiring, window.ending, the comment: when they are due. */
void replay_sse_keep(struct replay *r);

/* Sleeps 'wait' ms, or until one of the clocks asks. */
void replay_sse_sleep(struct replay *r, int64_t wait);

/* The hard end: unsent bytes are dropped now. As replay_ops.end. */
void replay_sse_end(struct replay *r, int code);
/* The clean end: everything before it still goes out. A client that takes nothing is cut. */
void replay_sse_end_cleanly(struct replay *r, int code);
/* A lease was refused. */
void replay_sse_refused(struct replay *r, enum key_verdict v);

void replay_sse_gone(struct replay *r);
void replay_sse_free(struct replay *r);
