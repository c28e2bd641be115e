#pragma once
/*
 * call: one request on its way through the gate, whoever answers it.
 *
 * Life:     made in dispatch.c; lives while its exchange does and while anything asynchronous holds a reference (call_ref
 *           before asking, call_unref in the answer). After the exchange ended 'ex' is NULL: work still coming back sees
 *           that, cleans up, and says nothing.
 * Threads:  its lane's.
 */
#include "format/dpop.h"
#include "format/route.h"
#include "gate/lane.h"
#include "gate/problem.h"

#define CALL_TRACE_LEN 32

struct call;

/* What a handler wants to hear; each may be NULL. */
struct call_ops {
    void (*on_body)(struct call *c, struct span bytes);
    void (*on_body_end)(struct call *c);
    void (*on_drained)(struct call *c);
    void (*on_end)(struct call *c, enum exchange_end how); /* the exchange is over; c->ex is NULL already */
    void (*on_free)(struct call *c);                       /* the last reference has gone: free c->state */
};

struct call {
    struct lane *lane;
    struct exchange *ex;
    const struct route *route; /* NULL: static files, or nothing found */
    struct span params[ROUTE_PARAMS_MAX]; /* decoded, in 'memory' */
    char trace[CALL_TRACE_LEN + 1];
    uint8_t prefix[NET_PREFIX_LEN]; /* STANDARDS 1.7, of the effective client */
    size_t prefix_len;
    struct span origin;   /* of the page that asks, on ingest routes; in 'memory'; cors.h */
    bool ingest;          /* an ingest route: the answer varies by origin */
    bool cors_ok;         /* that page may read the answer */
    char nonce[DPOP_NONCE_LEN + 1]; /* goes out as DPoP-Nonce with the answer, whatever it is; "": none */
    struct arena memory;
    const struct call_ops *ops;
    void *state;
    unsigned refs;
    bool answered; /* a status line was given: every further answer is dropped */
};

struct call *call_ref(struct call *c);
void call_unref(struct call *c);

/* The client's address prefix as a span. */
struct span call_prefix(const struct call *c);

/* ---- answers. The first one counts; each does nothing when one was given or the exchange has ended. ---- */

#define CALL_HEADERS_MAX 16

/* Fills the headers every answer has (no-store, nosniff, trace); returns how many. 'content': replay bytes (STANDARDS 5.1). */
size_t call_headers(struct call *c, struct http_header *to, const char *mime, bool content);

void call_respond(struct call *c, int status, const char *mime, const struct http_header *more, size_t n_more,
                  struct span body);
/* Begins an answer that comes in parts: exchange_write, exchange_end follow. False: nothing can be sent any more. */
bool call_begin(struct call *c, const char *mime, const struct http_header *more, size_t n_more);
void call_no_content(struct call *c);

/* The problem of that code. detail may be "". */
void call_problem(struct call *c, const char *code, const char *detail);
void call_problem_full(struct call *c, const struct problem *p, const struct http_header *more, size_t n_more);

/* ---- query: an object of strings, checked once ---- */

/* ERR_INVAL: a bad escape, a name twice. Appends the tree to *out. */
NODISCARD enum err call_query(struct call *c, struct buf *out, struct err_info *reterr);
