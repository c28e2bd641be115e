#pragma once
/*
 * HTTP/2 for servers, RFC 9113: a pure engine, bytes in, bytes out. The only user of nghttp2, which does frames, HPACK, flow
 * control and what makes a message malformed; http2_guard.h counts abuse, http2_head.h judges heads by HTTP/1.1's rules.
 *
 * Life:     http2_new -> http2_feed / http2_pull … until http2_finished -> http2_free. After http2_feed said false (or http2_stop)
 *           what http2_pull still gives is a GOAWAY; then the connection closes.
 * Streams:  begin with on_request or on_refused, and are the driver's from there: it answers (http2_answer) or resets
 *           (http2_reset). on_closed comes once, when both sides are done or one has reset; the stream and its head stay until
 *           http2_release.
 * Bodies:   of requests: each byte of on_body is given back by http2_consumed, which opens the client's window again. Of answers: the
 *           engine asks for them (on_ready, on_take) when it writes a DATA frame, so that what is not yet in a frame can still be
 *           dropped; after on_ready said 0 it asks again when http2_more is called.
 * Fairness: streams that have something to send take turns, a DATA frame of at most 16 KiB each; what clients say about priority is
 *           not listened to (RFC 9113 5.3.2, RFC 9218).
 * Limits:   100 streams at once; the header list 16 KiB (431; four times that closes the connection); windows of 64 KiB, for a body that
 *           is wanted HTTP2_WINDOW_WIDE, and HTTP2_WINDOW_CONN for all together; http2_guard's 200 abuses in ten seconds.
 * Refused:  stream errors are reset (PROTOCOL_ERROR): upper-case or malformed names, connection headers, te other than trailers, pseudo
 *           headers that are missing, unknown, doubled or late, a body that is not as long as it said, trailers with framing
 *           fields. Others are answered with 4xx, as in HTTP/1.1: on_refused. Connection errors close: GOAWAY with RFC 9113's code.
 * Not done: push, CONNECT, Upgrade: h2c, 103.
 * Threads:  its connection's loop.
 */
#include "net/http1.h"

struct http2;

#define HTTP2_BATCH       16384            /* what http2_pull aims at: one TLS record */
#define HTTP2_BATCH_CAP   (3 * HTTP2_BATCH) /* what it may give: a whole frame more */
#define HTTP2_PREFACE     "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
#define HTTP2_WINDOW_WIDE (256u << 10)
#define HTTP2_WINDOW_CONN (1u << 20)
#define HTTP2_HELD_MAX    (1u << 20) /* bytes that the driver holds before the connection's window closes too */

enum http2_code { /* RFC 9113 7, those that are used */
    HTTP2_NO_ERROR = 0,
    HTTP2_PROTOCOL_ERROR = 1,
    HTTP2_INTERNAL_ERROR = 2,
    HTTP2_SETTINGS_TIMEOUT = 4,
    HTTP2_CANCEL = 8,
    HTTP2_ENHANCE_YOUR_CALM = 11,
};

struct http2_limits {
    struct http1_limits head; /* header_bytes of the whole list, line_bytes of :path */
    uint32_t streams;         /* at once; 0: 100 */
    unsigned abuses;          /* in HTTP2_ABUSE_SECONDS; 0: 200 */
};

struct http2_stream {
    void *user;              /* the driver's; NULL at first */
    struct http_head head;
    bool ended;              /* the client has sent all of its request */
    bool by_peer;            /* on_closed: the client has reset it */
};

struct http2_ops {
    void (*on_request)(void *ctx, struct http2_stream *s);
    /* The head breaks a rule, or a limit. The driver sets s->user and answers, as if it were a request. */
    void (*on_refused)(void *ctx, struct http2_stream *s, const struct http_refusal *why);
    /* These only with s->user set. Bytes are borrowed until it returns. */
    void (*on_body)(void *ctx, struct http2_stream *s, struct span bytes);
    void (*on_body_end)(void *ctx, struct http2_stream *s);
    void (*on_closed)(void *ctx, struct http2_stream *s);
    /* How much of the answer is there to send; *ret_end: and that is its end. */
    size_t (*on_ready)(void *ctx, struct http2_stream *s, bool *ret_end);
    /* Copies the next n bytes; 'at': bytes of this batch up to the end of these. */
    void (*on_take)(void *ctx, struct http2_stream *s, uint8_t *to, size_t n, size_t at);
    /* The frame with the answer's end is in the batch, of which 'at' bytes reach to its end. */
    void (*on_end_sent)(void *ctx, struct http2_stream *s, size_t at);
};

/* NULL: no memory. 'ops' must outlive the engine. Its first frames (SETTINGS) wait in http2_pull. */
struct http2 *http2_new(const struct http2_limits *limits, const struct http2_ops *ops, void *ctx, time_ms now);
struct http2 *http2_free(struct http2 *e); /* streams that were not released are; no callback comes */

/* Never inside a callback. False: the connection must close, after what http2_pull gives. */
bool http2_feed(struct http2 *e, struct span in, time_ms now);

/* The next frames, whole; 0: none now. 'to' has HTTP2_BATCH_CAP bytes. Never inside a callback. */
size_t http2_pull(struct http2 *e, uint8_t *to, time_ms now);
bool http2_wants_output(const struct http2 *e);

/* Nothing more will be read and nothing waits to be sent. */
bool http2_finished(const struct http2 *e);
bool http2_stopped(const struct http2 *e);

/* Frames wait that answer what the client sent: it should read them before we read more of it. */
bool http2_backlog(const struct http2 *e);

uint32_t http2_id(const struct http2_stream *s);

/* When the client began a header block that has not ended; -1: none is open. */
time_ms http2_block_since(const struct http2 *e);
/* The client has agreed to our SETTINGS. */
bool http2_settled(const struct http2 *e);

/* GOAWAY: no new streams, those that are finish. */
void http2_drain(struct http2 *e);
/* GOAWAY with that code, and nothing else. */
void http2_stop(struct http2 *e, enum http2_code code);

/*
 * The answer's head; date and content-length (length >= 0) are added. body: DATA follows, else the head ends the stream.
 * ERR_INVAL: a header breaks http_answer_ok. ERR_LIMIT: too many headers. ERR_CLOSED: the stream is. ERR_NOMEM.
 */
NODISCARD enum err http2_answer(struct http2 *e, struct http2_stream *s, int status, const struct http_header *headers,
                                size_t n, int64_t length, bool body, time_ms wall_now);
void http2_continue(struct http2 *e, struct http2_stream *s); /* 100 */
void http2_more(struct http2 *e, struct http2_stream *s);

/* RST_STREAM. 'counted': it was the client's doing (http2_guard). */
void http2_reset(struct http2 *e, struct http2_stream *s, enum http2_code code, bool counted);

/* n bytes of on_body have come (also 0, to look again). 'held': how many the driver holds now, over all streams. */
void http2_received(struct http2 *e, size_t n, size_t held);
/* n bytes of on_body have been used: the stream's window opens again. */
void http2_consumed(struct http2 *e, struct http2_stream *s, size_t n);
/* The connection's window is closed because so much is held: the client cannot go on. */
bool http2_throttled(const struct http2 *e);
/* The body is wanted: a wide window. */
void http2_widen(struct http2 *e, struct http2_stream *s);

void http2_release(struct http2 *e, struct http2_stream *s);
