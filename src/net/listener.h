#pragma once
/*
 * listener: takes connections from a listening socket and drives HTTP on them, on one loop.
 *
 * Life:     listener_new -> … -> listener_close (no new connections; idle ones close; those in an exchange finish it and
 *           then close) -> on_closed when the last one has gone -> listener_free. listener_free at once resets what is left.
 * Threads:  one loop thread. Several loops may listen on the same address (SO_REUSEPORT, or descriptors of one socket); what
 *           they share is 'struct net_limits'.
 */
#include "net/exchange.h"
#include "net/http1.h"
#include "net/tls.h"

struct listener;
struct net_limits;

struct net_config {
    struct http1_limits http1;
    time_ms header_time;    /* whole head since its first byte, handshake, PROXY header; 0: 10 s */
    time_ms idle_time;      /* between requests; 0: 60 s */
    time_ms write_stall;    /* nothing (or a trickle) taken while something waits; 0: 30 s */
    time_ms answer_time;    /* role's first byte; 0: 10 min */
    time_ms body_window;    /* over which body_min_rate is measured; 0: 10 s */
    uint32_t body_min_rate; /* bytes a second; 0: 1024 */
    time_ms linger_time;    /* for the client to read an answer before we close; 0: 2 s */
    time_ms cut_time;       /* exchange_cut: then reset; 0: 100 ms */
    size_t high;            /* bytes queued in an exchange before exchange_write says no; 0: 256 KiB */
    size_t requests;        /* on one connection, the last one is answered with close; 0: 1 000 000 */
    uint32_t streams;       /* HTTP/2: at once on one connection; 0: 100 */
    size_t http2_requests;  /* HTTP/2: on one connection, then GOAWAY; 0: 1 000 000 */
    struct proxy_config proxy;
    bool proxy_v2; /* each connection begins with a PROXY v2 header; peers that are not trusted are closed */
};

/*
 * Counts connections over all listeners that share it (any thread). 'per_source' is by IPv4 address or IPv6 /64; addresses
 * in 'trusted' (proxies) are counted in total only. Beyond a limit a connection gets 503 or 429 and is closed; beyond 64
 * more it is closed at once.
 */
NODISCARD enum err net_limits_new(size_t total, size_t per_source, const struct net_cidr *trusted, size_t n_trusted,
                                  struct net_limits **ret, struct err_info *reterr);
struct net_limits *net_limits_free(struct net_limits *l); /* after all its listeners */
size_t net_limits_count(struct net_limits *l);

/*
 * fd: a listening TCP (or unix stream) socket; stays the caller's and must stay open until listener_close. tls: NULL for plain (referenced, not taken).
 * handler, limits and what config points to must outlive the listener; config itself is copied.
 */
NODISCARD enum err listener_new(struct loop *l, int fd, struct tls_ctx *tls, const struct net_config *config,
                                struct net_limits *limits, const struct exchange_handler *handler, struct listener **ret,
                                struct err_info *reterr);

/* New connections use it. */
void listener_set_tls(struct listener *ln, struct tls_ctx *tls);

/* New values for connections to come (and the next deadline of those that are). */
void listener_set_config(struct listener *ln, const struct net_config *config);

/* on_closed may be NULL; comes from the loop, also when there is nothing to wait for. */
void listener_close(struct listener *ln, void (*on_closed)(void *arg), void *arg);
struct listener *listener_free(struct listener *ln);

size_t listener_count(const struct listener *ln); /* connections */
