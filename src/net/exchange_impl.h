#pragma once
/* Inside net/: an exchange as its transport (conn_out.c: HTTP/1.1, conn2_out.c: HTTP/2) sees it. */
#include "net/exchange.h"

struct exchange_transport {
    enum err (*accept_body)(struct exchange *ex, uint64_t max);
    void (*pause)(struct exchange *ex);
    void (*resume)(struct exchange *ex);
    /* length -1: unknown. Writes the head; a whole answer then adds its body and ends. */
    enum err (*begin)(struct exchange *ex, int status, const struct http_header *headers, size_t n, int64_t length);
    enum err (*write)(struct exchange *ex, struct span bytes);
    enum err (*write_ref)(struct exchange *ex, struct span bytes, void (*release)(void *arg), void *arg);
    size_t (*queued)(const struct exchange *ex);
    void (*end)(struct exchange *ex);
    void (*abort)(struct exchange *ex);
    void (*cut)(struct exchange *ex, struct span final);
};

struct exchange {
    const struct exchange_transport *t;
    const struct exchange_ops *ops; /* NULL: nobody wants to know */
    void *user;
    const struct http_head *head;
    const struct net_client *client;
    struct loop *loop;
    void **slot;
    void (**slot_free)(void *slot);
};
