#pragma once
/*
 * Inside net/: HTTP/2 on a connection. conn.c owns socket, TLS and the turn; here are the streams, each an exchange of its own, and
 * their deadlines. The engine (http2.h) is fed and pulled here.
 *
 * Happy path of a stream: BODY_HELD -> BODY_FLOW -> BODY_DONE; ANSWER_NONE -> ANSWER_BEGUN -> ANSWER_ENDED -> its last frame is
 * with the kernel -> on_end -> (BODY_DISCARD ->) the engine has closed it -> gone.
 * Ways to fail: the client resets, or breaks a rule (the engine closes it); a deadline passes, or the role aborts or cuts (we reset
 * it); the connection ends. Each sets 'over', and on_end follows in the next turn. The other streams go on.
 *
 * Deadlines of a stream are those of an HTTP/1.1 exchange: answer_time, body_min_rate over body_window, write_stall, cut_time. Those of
 * the connection: header_time for the client's SETTINGS acknowledgement and for a header block that has begun, idle_time without
 * any stream (header_time before the first), write_stall while the kernel takes nothing, linger_time to read a GOAWAY.
 */
#include "net/conn.h"
#include "net/http2.h"

struct stream2 {
    struct exchange ex;
    struct conn *c;
    struct http2_stream *h;
    struct list node;    /* of conn2.streams, until it is gone */
    struct list due;     /* of conn2.due: the turn has something to do for it */
    struct list leaving; /* of conn2.leaving: its last frame is written, in that order */
    struct net_client client;
    enum conn_body body;
    enum conn_answer answer;
    enum exchange_end how;
    struct out out;      /* of the answer, in no frame yet */
    struct buf held;     /* of the request: came before it was wanted, or while paused */
    uint64_t body_max, body_seen, window_seen;
    int64_t length_left; /* of the answer; -1: unknown */
    uint64_t taken, stall_mark; /* into frames */
    uint64_t content_at; /* where in the connection's output its newest content ends */
    uint64_t end_at;     /* where its last frame ends; 0: not written yet */
    bool in_exchange, over, closed, head_only, swallow, sized, accepted, body_end_due, full, cutting, reset;
    struct loop_timer t_read, t_write;
};

struct conn2 {
    struct http2 *e;
    struct list streams, due, leaving;
    size_t n_exchanges, n_held;
    uint64_t pulled;     /* bytes of frames, ever; conn.sent_total of them are with the kernel */
    uint8_t *batch;      /* frames that the kernel did not take, whole, of which 'off' bytes are sent; NULL: none */
    size_t n_batch, off;
    time_ms since, idle_since;
    bool closing, drained;
};

/* False: no memory. */
NODISCARD bool conn2_start(struct conn *c);
/* Ends what exchanges there are with c->how. */
void conn2_free(struct conn *c);

void conn2_input(struct conn *c, struct span in);
bool conn2_wants_input(const struct conn *c);
bool conn2_waits_output(const struct conn *c); /* for the kernel */
bool conn2_round(struct conn *c);              /* true: something changed */
void conn2_deadline(struct conn *c);           /* c->t_read */
void conn2_drain(struct conn *c);

/* conn2_out.c */
extern const struct exchange_transport conn2_transport;
void conn2_flush(struct conn *c);
void conn2_due(struct stream2 *s);  /* a turn soon */
void conn2_over(struct stream2 *s, enum exchange_end how); /* on_end in the next turn */
void conn2_reset(struct stream2 *s, enum http2_code code, bool counted);
void conn2_write_deadline(void *arg);
bool conn2_is_out(const struct stream2 *s); /* the answer, or what a cut left of it */
void conn2_leave(struct stream2 *s, size_t at);
size_t conn2_ready(void *ctx, struct http2_stream *h, bool *ret_end);
void conn2_take(void *ctx, struct http2_stream *h, uint8_t *to, size_t n, size_t at);
