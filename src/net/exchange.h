#pragma once
/*
 * exchange: one request and its answer, whatever the HTTP version. What roles see of the net.
 *
 * Life:     begins with handler.on_request. The role calls exchange_set there (ops and its own pointer), then answers:
 *             exchange_respond                                    a whole answer, or
 *             exchange_begin -> exchange_write … -> exchange_end  a stream.
 *           It ends with exactly one ops.on_end, always, from the loop and never inside a call of the role. The handle and
 *           the head are valid until on_end returns, and never afterwards: a role that has work in flight for an exchange
 *           forgets the handle in on_end.
 *           A role that answers inside on_request and has nothing to forget need not call exchange_set.
 * Threads:  the loop thread of its connection only.
 * Body:     nothing is read until exchange_accept_body, so that credentials and limits are answered before an upload;
 *           only then "100 Continue" is sent. on_body gives parts of at most 64 KiB; exchange_pause stops them (back-
 *           pressure to the client), exchange_resume goes on. An answer may be given at any time, also before the end.
 * HTTP/2:   many exchanges of one connection live side by side; what ends one leaves the others, but for a cut whose content the
 *           kernel still holds after 100 ms. exchange_conn_slot is the connection's, exchange_client the exchange's own.
 * Deadlines: the client's (header, minimum body rate, write stall) are kept here and end the exchange; the role has
 *           answer_time for its first byte.
 * Gone:     when the peer has gone, all calls still work and do nothing; exchange_write says ERR_CLOSED; on_end comes.
 * Budget:   exchange_queued is what the kernel has not taken yet. exchange_write refuses (ERR_AGAIN, nothing taken) while that
 *           is over 'high' (256 KiB unless configured); on_drained comes when it has fallen to a quarter.
 */
#include "net/http.h"
#include "net/proxy.h"

struct exchange;
struct loop;

enum exchange_end {
    EXCHANGE_SENT,    /* the whole answer was taken by the kernel */
    EXCHANGE_GONE,    /* the client closed or reset the connection */
    EXCHANGE_STALLED, /* the client does not read: write_stall passed */
    EXCHANGE_SLOW,    /* the body came slower than body_min_rate, or stopped; 408 was answered if nothing was yet */
    EXCHANGE_BAD,     /* the body broke its framing; HTTP/1.1: 400 was answered if nothing was yet */
    EXCHANGE_LARGE,   /* the body passed the limit given to exchange_accept_body; 413 was answered if nothing was yet */
    EXCHANGE_LATE,    /* the role gave no answer within answer_time; 503 was answered */
    EXCHANGE_CUT,     /* exchange_cut is done */
    EXCHANGE_ABORTED, /* exchange_abort, or the server is closing */
};

struct exchange_ops {
    void (*on_body)(void *user, struct exchange *ex, struct span bytes); /* borrowed until it returns */
    void (*on_body_end)(void *user, struct exchange *ex);
    void (*on_drained)(void *user, struct exchange *ex);
    void (*on_end)(void *user, struct exchange *ex, enum exchange_end how);
}; /* each may be NULL */

/* What a role gives to its listeners; must outlive them. */
struct exchange_handler {
    void *ctx;
    /* The head is complete, the body (if any) waits. */
    void (*on_request)(void *ctx, struct exchange *ex, const struct http_head *head);
    /*
     * The net refuses by itself: bad framing, limits, deadlines, overload. Must call exchange_respond before it returns; the head
     * is NULL when none was understood. The connection closes after the answer. NULL: a plain problem document is sent.
     */
    void (*on_refused)(void *ctx, struct exchange *ex, const struct http_head *head, const struct http_refusal *why);
};

void exchange_set(struct exchange *ex, const struct exchange_ops *ops, void *user);
void *exchange_user(const struct exchange *ex);
const struct http_head *exchange_head(const struct exchange *ex); /* NULL only in on_refused */
const struct net_client *exchange_client(const struct exchange *ex);
struct loop *exchange_loop(const struct exchange *ex);

/* A pointer that the role may keep with the connection (say, the key checked last on it); NULL at first. */
void **exchange_conn_slot(struct exchange *ex);
/* Called with a non-NULL slot when the connection ends. Set it together with the slot. */
void exchange_conn_slot_free(struct exchange *ex, void (*fn)(void *slot));

/*
 * Starts the body, at most max_bytes of it. ERR_LIMIT: Content-Length says more; nothing has happened, answer 413.
 * ERR_STATE: called before. With no body on_body_end comes all the same.
 */
NODISCARD enum err exchange_accept_body(struct exchange *ex, uint64_t max_bytes);
void exchange_pause(struct exchange *ex);
void exchange_resume(struct exchange *ex);

/*
 * A whole answer. Headers and body are copied. To HEAD the body is not sent, its length is.
 * ERR_INVAL: a header breaks http1_write_head's rules (answer something else). ERR_STATE: already answered. ERR_NOMEM.
 */
NODISCARD enum err exchange_respond(struct exchange *ex, int status, const struct http_header *headers, size_t n,
                                    struct span body);

/*
 * The same without copying the body: it must stay until release(arg), which is called exactly once when the bytes are
 * sent or dropped, also when this fails; it may be called inside this call.
 */
NODISCARD enum err exchange_respond_ref(struct exchange *ex, int status, const struct http_header *headers, size_t n,
                                        struct span body, void (*release)(void *arg), void *arg);

/* Begins a streamed answer; length: of the body, or -1 when it is not known. Errors as exchange_respond. */
NODISCARD enum err exchange_begin(struct exchange *ex, int status, const struct http_header *headers, size_t n,
                                  int64_t length);

/* Queues bytes (copied). ERR_AGAIN: over 'high', nothing taken. ERR_CLOSED: the peer has gone or it was cut. ERR_STATE,
 * ERR_NOMEM. What goes past a length given to exchange_begin is ERR_LIMIT. */
NODISCARD enum err exchange_write(struct exchange *ex, struct span bytes);
size_t exchange_queued(const struct exchange *ex);

/* The answer is complete (an answer with a length that is short is aborted). */
void exchange_end(struct exchange *ex);

/* Closes the connection at once by reset (HTTP/2: RST_STREAM). */
void exchange_abort(struct exchange *ex);

/*
 * STANDARDS 1.8 rule 6: drops everything unsent now, sends 'final' (at most 256 bytes, may be empty), ends the answer; what the
 * kernel still holds after 100 ms is reset. Bytes of an HTTP chunk or TLS record that is half out cannot be taken back
 * without breaking the stream: the chunk's rest is filled with line feeds, so that line-based formats stay readable. With a
 * known length, or an empty 'final', nothing is filled: the body just stays incomplete.
 */
void exchange_cut(struct exchange *ex, struct span final);

#define EXCHANGE_FINAL_MAX 256
