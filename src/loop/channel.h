#pragma once
/*
 * channel: framed messages between two processes over an inherited unix stream socket. Knows frames, not their meaning
 * (that is format/ipc).
 *
 * Frame:    u32le body_len || u16le type || u16le flags || u64le call || body.
 *           The top four bits of flags are the channel's own: how many descriptors travel with the frame. The low twelve
 *           are the users'.
 * Life:     channel_new (takes the descriptor) -> send, on_message … -> on_closed or not -> channel_free.
 * Threads:  one loop thread.
 * Order:    messages arrive as sent. What was sent in one turn leaves with one system call.
 * Limits:   a body over body_max, or a broken frame, closes the channel (the peer is ours: that is a bug or an attack).
 *           Unsent bytes are charged to 'budget'; over it channel_send refuses, takes nothing, and on_drained says when
 *           half of it is free again. Urgent messages (ends, denials, heartbeats) may use 'reserve' on top.
 */
#include "base/span.h"
#include "loop/loop.h"

#define CHANNEL_HEADER     16
#define CHANNEL_FLAGS_USER 0x0fff
#define CHANNEL_FDS_MAX    8

struct channel;

struct channel_msg {
    uint16_t type;
    uint16_t flags; /* the users' twelve bits */
    uint64_t call;  /* pairs a question with its answer; 0 where there is none */
    struct span body; /* received: borrowed until the callback returns */
    const int *fds; /* received: the callback takes them over (closes those it does not want) */
    size_t n_fds;
};

struct channel_opts {
    size_t body_max; /* 0: 2 MiB */
    size_t budget;   /* 0: 8 MiB */
    size_t reserve;  /* 0: 1 MiB */
    bool take_fds;   /* else descriptors that arrive are closed by the kernel */
};

struct channel_ops {
    void (*on_message)(void *ctx, const struct channel_msg *m);
    void (*on_drained)(void *ctx); /* may be NULL */
    /*
     * Once, when the peer has gone (ERR_CLOSED), broke the format (ERR_CORRUPT, ERR_LIMIT) or the system failed (ERR_IO);
     * from the loop, never inside a call. Nothing comes afterwards. The channel is still there to be freed.
     */
    void (*on_closed)(void *ctx, const struct err_info *why);
};

/* fd: a connected unix stream socket; the channel's on success. 'ops' must outlive the channel. opts may be NULL. */
NODISCARD enum err channel_new(struct loop *l, int fd, const struct channel_opts *opts, const struct channel_ops *ops,
                               void *ctx, struct channel **ret, struct err_info *reterr);

/* Also in its own callbacks. Unsent messages are dropped. */
struct channel *channel_free(struct channel *c);

/*
 * Queues one message (copied). ERR_AGAIN: budget spent, wait for on_drained. ERR_LIMIT: body over body_max.
 * ERR_CLOSED: the peer has gone. ERR_NOMEM.
 */
NODISCARD enum err channel_send(struct channel *c, uint16_t type, uint16_t flags, uint64_t call, struct span body);

/* The same with the body in two parts, so that callers need not join them. */
NODISCARD enum err channel_send2(struct channel *c, uint16_t type, uint16_t flags, uint64_t call, struct span head,
                                 struct span rest);

/* May use the reserve on top of the budget. Keeps its place in the order. */
NODISCARD enum err channel_send_urgent(struct channel *c, uint16_t type, uint16_t flags, uint64_t call, struct span body);

/* With descriptors (1 to CHANNEL_FDS_MAX), which are duplicated: the caller keeps its own. The peer needs take_fds. */
NODISCARD enum err channel_send_fds(struct channel *c, uint16_t type, uint16_t flags, uint64_t call, struct span body,
                                    const int *fds, size_t n_fds);

size_t channel_unsent(const struct channel *c); /* bytes */

/* True after channel_send said ERR_AGAIN and before on_drained. */
bool channel_full(const struct channel *c);

/* Stops reading, so that the peer's budget fills. The message in the callback is the last before resume. */
void channel_pause(struct channel *c);
void channel_resume(struct channel *c);
