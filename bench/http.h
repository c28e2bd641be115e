#pragma once
/*
 * An HTTP/1.1 client (HTTP/2 when asked: h2.h) for load generators: epoll, one thread, thousands of connections, TLS by OpenSSL. It trusts the server it measures: it
 * reads what it needs (status, length, chunks) and stops the program when an answer has another form.
 *
 * Life:     http_load_init -> http_open* -> http_poll until done -> http_close* -> http_load_deinit.
 * Threads:  one.
 * Events:   opened once; then for each http_send: head, body*, done; closed once, whatever was under way. From inside an event http_send and
 *           http_close may be called. A connection that was closed may be opened again.
 */
#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/span.h"

typedef struct ssl_ctx_st SSL_CTX;
typedef struct ssl_st SSL;

struct http_conn;
struct h2;

struct http_on {
    void (*opened)(struct http_conn *c); /* connected, TLS done */
    void (*head)(struct http_conn *c, int status);
    void (*body)(struct http_conn *c, struct span bytes); /* without chunk lines; valid during the call */
    void (*done)(struct http_conn *c);                    /* the answer is whole */
    void (*closed)(struct http_conn *c);                  /* by the peer, or an error */
};

struct http_load {
    int epoll;
    SSL_CTX *tls; /* NULL: in clear */
    struct sockaddr_in to;
    char host[64];      /* for Host and SNI */
    unsigned n_sources; /* connections leave from 127.0.0.2 on, one after the other; 0: from wherever */
    unsigned n_opened;
    int rcvbuf;         /* 0: the system's */
    bool http2;         /* by ALPN, or in clear by prior knowledge */
};

enum http_state { HTTP_CLOSED, HTTP_CONNECTING, HTTP_SHAKING, HTTP_IDLE, HTTP_HEAD, HTTP_BODY };

struct http_conn {
    struct http_load *load;
    const struct http_on *on;
    void *ctx;
    enum http_state state;
    int fd;
    SSL *ssl;
    struct h2 *h2;        /* NULL: HTTP/1.1 */
    uint32_t watching;
    struct span out;      /* what is not sent yet: borrowed from the caller of http_send */
    char line[2048];      /* the head, or a chunk's size line, as far as it has come */
    uint32_t line_n;
    bool chunked;
    uint64_t left;        /* of the body or the chunk */
    uint8_t chunk_step;   /* 0: size line, 1: data, 2: its CRLF, 3: trailer */
};

/* "127.0.0.1:8443"; ca: PEM to trust for TLS ("localhost"), or NULL. */
void http_load_init(struct http_load *l, const char *address, const char *ca, bool http2);
void http_load_deinit(struct http_load *l);

void http_open(struct http_load *l, struct http_conn *c, const struct http_on *on, void *ctx);
/* A whole request; the bytes stay the caller's and have to stay until 'head'. One at a time. */
void http_send(struct http_conn *c, struct span request);
void http_close(struct http_conn *c);

/* Handles what is there, waiting up to wait_ms for something. */
void http_poll(struct http_load *l, int wait_ms);
