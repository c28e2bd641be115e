#pragma once
/*
 * The client side of the API over libcurl: calls, uploads, streams. Nothing else includes curl.
 *
 * Life:    http_new -> http_call* / http_stream_open -> http_stream_wait* -> http_stream_close -> http_free.
 * Threads: one.
 * Trust:   the server's certificate, or the one CA file given; never none. Redirects are not followed, so a credential goes to
 *          the address it was given for and nowhere else. Plain http is for loopback addresses only.
 * Proofs:  a call that is proven carries a DPoP proof by the client key, with the nonce that the server gave last with any answer.
 *          One that wants another nonce (use_dpop_nonce) is made once more with that; streams too.
 * Retry:   a call that the server answered with retryable = true is repeated up to three times, after Retry-After (at most
 *          5 s each, a minute for rate-limited); so is a connection that broke before any answer, when the call can be repeated
 *          harmlessly (GET, or an Idempotency-Key).
 */
#include "base/arena.h"
#include "base/times.h"
#include "base/tree.h"
#include "cli/client_key.h"
#include "codec/jsonw.h"
#include "cli/out.h"

#define HTTP_BODY_MAX (64u << 20) /* of an answer that is kept in memory */

struct http;

struct http_options {
    const char *url;   /* "https://host:port", no path */
    const char *ca;    /* PEM file; NULL: the system's */
    const char *token; /* NULL: none */
};

/* ERR_INVAL: not such an address; http to somewhere else than this machine. */
NODISCARD enum err http_new(const struct http_options *o, struct http **ret, struct err_info *reterr);
struct http *http_free(struct http *h);
const char *http_url(const struct http *h);
/* Another credential from now on (copied, the old one wiped); NULL: none. */
void http_set_token(struct http *h, const char *token);

/* The client key for proofs; taken over, freed with the client. NULL: nothing is proven from now on. */
void http_set_client_key(struct http *h, struct client_key *k);
const struct client_key *http_client_key(const struct http *h); /* NULL: there is none */

/* What the server calls itself: stands in proofs and signed acts. The address that it is reached by, unless set (copied). */
void http_set_public_url(struct http *h, const char *url);
const char *http_public_url(const struct http *h);

struct http_request {
    const char *method;
    const char *path;            /* begins with '/' */
    struct span body;
    bool has_body;
    const char *content_type;    /* NULL: application/json */
    const char *bearer;          /* instead of the client's token; a provisioning key */
    bool prove;                  /* with a proof; a 'bearer' is then a key bound to the client key. Without one: as if false */
    const char *const *headers;  /* "Name: value", NULL-terminated, or NULL */
    bool idempotent;             /* send an Idempotency-Key: repeating is harmless */
    bool never_retry;
    int timeout_ms;              /* of the whole call; 0: 60 s */

    /* An upload: reads up to n bytes; 0 = end, -1 = failed. length -1: not known. */
    int64_t (*read)(void *ctx, void *to, size_t n);
    void *read_ctx;
    int64_t length;
    void (*progress)(void *ctx, int64_t sent, int64_t total);

    /* A 2xx body goes here piece by piece instead of into the reply. False stops. */
    bool (*on_body)(void *ctx, struct span piece);
    void *body_ctx;
};

/* What a problem document says; empty when the answer was none. */
struct http_reply {
    long status; /* 0: no answer, see 'error' */
    struct buf body;
    struct buf tree_bytes;
    struct tree root;      /* of a JSON body; a null node otherwise */
    char code[65];         /* of a problem; "" when there is none */
    bool retryable;
    int64_t retry_after_ms;
    char etag[80];
    bool cut;              /* the body ended before its end */
    struct err_info error; /* of status 0 */
};

void http_reply_deinit(struct http_reply *r);

/* Fills *ret in any case (zeroed before). True: 2xx and the whole body. */
bool http_call(struct http *h, const struct http_request *q, struct http_reply *ret);

/*
 * A streamed answer. on_data gets the pieces of a 2xx body, from http_stream_wait only (other calls on the same client run
 * the transfer too, what arrives meanwhile is kept and given by the next wait).
 */
struct http_stream;

struct http_stream *http_stream_open(struct http *h, const struct http_request *q);
struct http_stream *http_stream_close(struct http_stream *s);

/* 0 while none has come. Other than 2xx: the body is a problem, see http_stream_reply once it is over. */
long http_stream_status(const struct http_stream *s);
bool http_stream_over(const struct http_stream *s);
/* Valid when over; cut = the connection broke. */
const struct http_reply *http_stream_reply(const struct http_stream *s);
/* Bytes that have arrived and were not taken yet. */
struct buf *http_stream_bytes(struct http_stream *s);

/*
 * Waits until something arrives for any transfer, one of the descriptors is readable, or the time is over. Returns a bit per
 * readable descriptor.
 */
unsigned http_wait(struct http *h, const int *fds, unsigned n_fds, int timeout_ms);
