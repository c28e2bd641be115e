#pragma once
/*
 * link: typed calls between roles: format/ipc messages over a loop/channel.
 *
 * Life:     link_new (takes the descriptor) -> send, call, on_message … -> on_closed or not -> link_free.
 * Threads:  one loop thread.
 * Calls:    each gets exactly one answer callback: the answer, ERR_TIMEOUT at its deadline, or ERR_CLOSED when the peer
 *           has gone or the link is freed. Never inside link_call. An answer after the deadline is dropped.
 * Failure:  a message that does not decode closes the link: the peer is ours, so that is a bug or an attack.
 */
#include "format/ipc.h"
#include "loop/channel.h"

struct link;

/* A received message. Everything in it lives in its own memory, so it can be kept and cross threads. */
struct link_msg {
    enum ipc_type type;
    uint64_t call;      /* != 0: the peer waits for link_answer */
    const void *body;   /* struct ipc_<type> */
    const int *fds;     /* borrowed until the callback returns; dup what stays */
    size_t n_fds;
    struct arena memory;
    bool *kept; /* while on_message runs: where link_msg_keep leaves word. A kept message may be freed by another thread any time. */
};

struct link_ops {
    void (*on_message)(void *ctx, struct link_msg *m);
    void (*on_drained)(void *ctx);                            /* may be NULL: a send said ERR_AGAIN and may be tried again */
    void (*on_closed)(void *ctx, const struct err_info *why); /* after every pending call got ERR_CLOSED */
};

/* err != ERR_OK: no answer, type and body are empty. body is valid until the callback returns. */
typedef void (*link_answer_fn)(void *ctx, enum err err, enum ipc_type type, const void *body);

NODISCARD enum err link_new(struct loop *l, int fd, bool take_fds, const struct link_ops *ops, void *ctx,
                            struct link **ret, struct err_info *reterr);
/* Pending calls get ERR_CLOSED first. NULL is fine; returns NULL. Also in its own callbacks. */
struct link *link_free(struct link *k);

/* 'msg' is struct ipc_<type>; copied. ERR_AGAIN: the byte budget is spent. ERR_CLOSED. ERR_NOMEM. */
NODISCARD enum err link_send(struct link *k, enum ipc_type type, const void *msg);
/* For ends, denials, heartbeats: may use the channel's reserve. */
NODISCARD enum err link_send_urgent(struct link *k, enum ipc_type type, const void *msg);
NODISCARD enum err link_send_fds(struct link *k, enum ipc_type type, const void *msg, const int *fds, size_t n_fds);

NODISCARD enum err link_call(struct link *k, enum ipc_type type, const void *msg, time_ms timeout_ms,
                             link_answer_fn on_answer, void *ctx);
NODISCARD enum err link_answer(struct link *k, uint64_t call, enum ipc_type type, const void *msg);

/* The same with a body that ipc_encode wrote elsewhere (a writer thread): not checked again. */
NODISCARD enum err link_send_encoded(struct link *k, enum ipc_type type, struct span body, bool urgent);
NODISCARD enum err link_answer_encoded(struct link *k, uint64_t call, enum ipc_type type, struct span body);
NODISCARD enum err link_call_encoded(struct link *k, enum ipc_type type, struct span body, time_ms timeout_ms,
                                     link_answer_fn on_answer, void *ctx);

size_t link_pending(const struct link *k);

/* In on_message: the message becomes the caller's, until link_msg_free (any thread). 'fds' is not kept. */
struct link_msg *link_msg_keep(struct link_msg *m);
struct link_msg *link_msg_free(struct link_msg *m);
