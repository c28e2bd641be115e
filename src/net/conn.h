#pragma once
/* Inside net/: what listener.c and conn*.c share. A connection belongs to one listener and one loop thread. */
#include "loop/timer.h"
#include "loop/watch.h"
#include "net/exchange_impl.h"
#include "net/conn_limits.h"
#include "net/listener.h"
#include "net/out.h"

struct listener {
    struct loop *loop;
    struct loop_fd *watch;
    int fd, spare_fd; /* spare: given up for a moment when descriptors run out */
    struct tls_ctx *tls;
    struct net_config cfg; /* with defaults filled in */
    struct net_limits *limits;
    const struct exchange_handler *handler;
    struct list conns;
    size_t n_conns;
    bool closing;
    struct loop_timer retry; /* accepting again after the system refused */
    struct loop_deferred closed;
    void (*on_closed)(void *arg);
    void *closed_arg;
};

/*
 * Happy path: (PROXY ->) (HANDSHAKE ->) IDLE -> HEAD -> EXCHANGE -> IDLE … -> LINGER -> gone.
 * With HTTP/2 (ALPN, or its preface on a plain socket): IDLE -> HTTP2 -> LINGER -> gone.
 * A client that breaks a rule: any -> EXCHANGE (with the refusal as its answer) -> LINGER. One that vanishes: any -> gone.
 */
enum conn_state {
    CONN_PROXY,     /* wants a PROXY header; header_time since accept */
    CONN_HANDSHAKE, /* TLS; header_time since accept */
    CONN_IDLE,      /* no byte of a request; header_time before the first, idle_time later; then closed silently */
    CONN_HEAD,      /* a request has begun; header_time since its first byte, then 408 */
    CONN_EXCHANGE,  /* enum conn_body and enum conn_answer say what is missing and which deadline holds */
    CONN_DISCARD,   /* answered; the rest of a small request body is read away; body_window and body_min_rate */
    CONN_LINGER,    /* answered, our side is shut; the client reads; linger_time */
    CONN_HTTP2,     /* net/conn2.h has the deadlines; then CONN_LINGER */
};

enum conn_body {
    BODY_DONE,
    BODY_HELD,    /* waits for exchange_accept_body: answer_time */
    BODY_FLOW,    /* body_min_rate, measured over body_window */
    BODY_PAUSED,  /* by the role: answer_time does not run, nor does the client's clock */
    BODY_DISCARD, /* answered before its end */
};

enum conn_answer {
    ANSWER_NONE,  /* answer_time, once the body is there */
    ANSWER_BEGUN, /* the role writes when it likes; write_stall when something waits */
    ANSWER_ENDED, /* write_stall */
};

enum conn_kill { KILL_NO, KILL_CLOSE, KILL_RESET };

struct conn {
    struct listener *ln;
    struct list node;
    int fd;
    struct loop_fd *watch;
    struct tls *tls;
    enum conn_state state;
    enum conn_body body;
    enum conn_answer answer;
    enum conn_kill kill;        /* to be destroyed at the end of this turn */
    enum exchange_end how;      /* what on_end will say */
    struct net_addr limit_addr; /* as it was counted */
    enum limit_verdict limited;
    struct net_client client;
    bool proxy_tls;
    struct http1 *http;
    struct conn2 *two; /* HTTP/2, then http is of no use */
    struct buf in;              /* read, not parsed yet */
    const struct http_head *head; /* given by the engine, the exchange has not begun */
    struct out out;
    size_t tls_commit;          /* first bytes of 'out' that libssl has encrypted and not sent */
    struct exchange ex;
    bool in_exchange;
    bool is_head_method, chunked, close_after, swallow;
    int64_t length_left;        /* of the answer; -1: unknown */
    uint64_t body_max, body_seen, window_seen;
    uint64_t sent_total, stall_mark;
    bool accepted, body_end_due, full, cutting, eof, deaf, hup, tls_wants_write, peeked, corked;
    size_t n_requests;
    void *slot;
    void (*slot_free)(void *slot);
    struct loop_timer t_read, t_write;
    struct loop_deferred turn;
};

/* Refusals in the words of the API contract that both versions use. */
extern const struct http_refusal conn_body_slow, conn_body_large, conn_no_answer, conn_bad_proxy, conn_full_total, conn_full_source;

/* For a role without on_refused, or one that did not answer. False: not even that. */
bool conn_plain_refusal(struct exchange *ex, const struct http_refusal *why);

/* Our side ends, and the client gets time to read what it was sent before the socket goes. */
void conn_linger(struct conn *c);

/* Takes over fd, which was accepted from 'peer'. */
void conn_open(struct listener *ln, int fd, const struct net_addr *peer);

/* Outside of its callbacks only. */
void conn_destroy(struct conn *c);

/* The listener closes: idle connections go, others after their exchange. */
void conn_drain(struct conn *c);

/* conn_out.c */
extern const struct exchange_transport conn_transport;
void conn_flush(struct conn *c);             /* sends what the kernel takes */
/*
 * Gives bytes to the kernel; at most one TLS record. 0: it takes none now (or the connection is being killed). more: others
 * follow at once, it need not send what is not a whole packet yet; conn_push when none did after all.
 */
size_t conn_send(struct conn *c, struct span s, bool more);
void conn_push(struct conn *c);
size_t conn_kernel_unsent(const struct conn *c);
void conn_kill(struct conn *c, enum conn_kill kill, enum exchange_end how);
void conn_defer(struct conn *c);             /* a turn soon */
