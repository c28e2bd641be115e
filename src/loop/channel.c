#include "loop/channel.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/buf.h"
#include "loop/watch.h"

#define READ_STEP  65536
#define IOV_MAX_   64
#define FD_SHIFT   12
#define TURN_BYTES (1u << 20) /* read at most this much before others get their turn */

struct out {
    struct list node;
    size_t n, off;
    size_t n_fds;
    int fds[CHANNEL_FDS_MAX];
    uint8_t bytes[];
};

struct channel {
    struct loop *loop;
    struct loop_fd *watch;
    int fd;
    struct channel_opts opts;
    const struct channel_ops *ops;
    void *ctx;
    struct loop_deferred flush; /* sends what one turn queued; also reports closing */
    struct loop_deferred again; /* goes on reading what is buffered after a pause */
    struct list queue;          /* struct out */
    size_t unsent;
    struct buf in;
    int in_fds[CHANNEL_FDS_MAX * 4]; /* arrived, their frames not complete yet */
    size_t n_in_fds;
    bool full, paused, want_write;
    bool mute;      /* the peer takes nothing more; what it sent before is still read */
    bool closed;    /* 'why' is set, on_closed is due or done */
    bool told;      /* on_closed was called */
    bool busy;      /* inside a callback: free only marks */
    bool freed;
    struct err_info why;
};

static void watch_update(struct channel *c)
{
    if (c->closed || c->freed)
        loop_fd_set(c->watch, 0);
    else
        loop_fd_set(c->watch, (c->paused ? 0 : LOOP_READ) | (c->want_write ? LOOP_WRITE : 0));
}

static void out_free(struct out *o)
{
    for (size_t i = 0; i < o->n_fds; i++)
        (void) close(o->fds[i]);
    free(o);
}

/* Marks the channel broken; on_closed comes from the loop. */
static void fail(struct channel *c)
{
    if (c->closed)
        return;
    c->closed = true;
    watch_update(c);
    loop_defer(c->loop, &c->flush);
}

/* Sends from the queue's front: one frame with descriptors alone, or as many plain ones as fit. */
static ssize_t send_some(struct channel *c)
{
    struct iovec iov[IOV_MAX_];
    struct msghdr m = { .msg_iov = iov };
    union {
        char bytes[CMSG_SPACE(sizeof(int) * CHANNEL_FDS_MAX)];
        struct cmsghdr align;
    } ctl;
    struct out *first = LIST_ENTRY(c->queue.next, struct out, node);

    LIST_FOREACH(it, &c->queue) {
        struct out *o = LIST_ENTRY(it, struct out, node);

        if (m.msg_iovlen == IOV_MAX_ || (o != first && o->n_fds > 0))
            break;
        iov[m.msg_iovlen++] = (struct iovec){ o->bytes + o->off, o->n - o->off };
        if (o->n_fds > 0)
            break;
    }
    if (first->n_fds > 0) {
        struct cmsghdr *h;

        memset(&ctl, 0, sizeof(ctl));
        m.msg_control = ctl.bytes;
        m.msg_controllen = CMSG_SPACE(sizeof(int) * first->n_fds);
        h = CMSG_FIRSTHDR(&m);
        h->cmsg_level = SOL_SOCKET;
        h->cmsg_type = SCM_RIGHTS;
        h->cmsg_len = CMSG_LEN(sizeof(int) * first->n_fds);
        memcpy(CMSG_DATA(h), first->fds, sizeof(int) * first->n_fds);
    }
    return sendmsg(c->fd, &m, MSG_NOSIGNAL | MSG_DONTWAIT);
}

static void sent(struct channel *c, size_t n)
{
    c->unsent -= n;
    while (n > 0) {
        struct out *o = LIST_ENTRY(c->queue.next, struct out, node);
        size_t k = o->n - o->off < n ? o->n - o->off : n;

        for (size_t i = 0; i < o->n_fds; i++)
            (void) close(o->fds[i]); /* they went with the first byte */
        o->n_fds = 0;
        o->off += k;
        n -= k;
        if (o->off == o->n) {
            list_remove(&o->node);
            out_free(o);
        }
    }
}

static void drop_queue(struct channel *c)
{
    struct list *node;

    while ((node = list_pop(&c->queue)) != NULL)
        out_free(LIST_ENTRY(node, struct out, node));
    c->unsent = 0;
}

static void destroy(struct channel *c)
{
    drop_queue(c);
    for (size_t i = 0; i < c->n_in_fds; i++)
        (void) close(c->in_fds[i]);
    loop_defer_cancel(&c->flush);
    loop_defer_cancel(&c->again);
    (void) loop_fd_free(c->watch);
    (void) close(c->fd);
    buf_deinit(&c->in);
    free(c);
}

/* Callbacks run between enter and leave. leave: false when the channel is no more. */
static void enter(struct channel *c)
{
    c->busy = true;
}

static bool leave(struct channel *c)
{
    c->busy = false;
    if (!c->freed)
        return true;
    destroy(c);
    return false;
}

static void on_flush(void *arg)
{
    struct channel *c = arg;

    while (!c->closed && !list_empty(&c->queue)) {
        ssize_t n = send_some(c);

        if (n >= 0) {
            sent(c, (size_t) n);
            continue;
        }
        if (errno == EINTR)
            continue;
        if (errno == EAGAIN || errno == EWOULDBLOCK)
            break;
        if (errno == EPIPE || errno == ECONNRESET) {
            drop_queue(c); /* the end comes from reading, after the last messages of a peer that has gone */
            c->mute = true;
            break;
        }
        (void) ERR_RAISE_SYS(&c->why, ERR_IO, errno, "sending on a channel");
        fail(c);
    }
    if (c->closed) {
        if (!c->told) {
            c->told = true;
            enter(c);
            c->ops->on_closed(c->ctx, &c->why);
            (void) leave(c);
        }
        return;
    }
    c->want_write = !list_empty(&c->queue);
    watch_update(c);
    if (c->full && !c->mute && c->unsent <= c->opts.budget / 2) {
        c->full = false;
        if (c->ops->on_drained != NULL) {
            enter(c);
            c->ops->on_drained(c->ctx);
            (void) leave(c);
        }
    }
}

/* Takes descriptors out of a received message. False: more than we keep. */
static bool take_fds(struct channel *c, struct msghdr *m)
{
    bool ok = true;

    for (struct cmsghdr *h = CMSG_FIRSTHDR(m); h != NULL; h = CMSG_NXTHDR(m, h)) {
        size_t n;

        if (h->cmsg_level != SOL_SOCKET || h->cmsg_type != SCM_RIGHTS)
            continue;
        n = (h->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (size_t i = 0; i < n; i++) {
            int fd;

            memcpy(&fd, CMSG_DATA(h) + i * sizeof(int), sizeof(int));
            if (c->n_in_fds < sizeof(c->in_fds) / sizeof(c->in_fds[0])) {
                c->in_fds[c->n_in_fds++] = fd;
            } else {
                (void) close(fd);
                ok = false;
            }
        }
    }
    return ok;
}

/* One complete frame at 'at' of the input? Its length, or 0: not yet; a broken one fails the channel. */
static size_t frame_at(struct channel *c, size_t at, struct channel_msg *m)
{
    struct rd r = rd_of(span_sub(buf_span(&c->in), at, SIZE_MAX));
    uint32_t len = rd_u32le(&r);
    uint16_t flags;

    m->type = rd_u16le(&r);
    flags = rd_u16le(&r);
    m->flags = flags & CHANNEL_FLAGS_USER;
    m->n_fds = flags >> FD_SHIFT;
    m->call = rd_u64le(&r);
    if (r.failed)
        return 0;
    if (len > c->opts.body_max || m->n_fds > CHANNEL_FDS_MAX) {
        (void) ERR_RAISE(&c->why, ERR_LIMIT, "channel frame of %u bytes with %zu descriptors", len, m->n_fds);
        fail(c);
        return 0;
    }
    m->body = rd_bytes(&r, len);
    if (r.failed)
        return 0;
    if (m->n_fds > c->n_in_fds) {
        (void) ERR_RAISE(&c->why, ERR_CORRUPT, "channel frame without its descriptors");
        fail(c);
        return 0;
    }
    return CHANNEL_HEADER + len;
}

/* Delivers complete frames. False: the channel is gone. */
static bool deliver(struct channel *c)
{
    size_t at = 0;

    while (!c->closed && !c->paused) {
        struct channel_msg m = { 0 };
        int fds[CHANNEL_FDS_MAX];
        size_t n = frame_at(c, at, &m);

        if (n == 0)
            break;
        if (m.n_fds > 0) {
            memcpy(fds, c->in_fds, m.n_fds * sizeof(int));
            c->n_in_fds -= m.n_fds;
            memmove(c->in_fds, c->in_fds + m.n_fds, c->n_in_fds * sizeof(int));
            m.fds = fds;
        }
        at += n;
        enter(c);
        c->ops->on_message(c->ctx, &m);
        if (!leave(c))
            return false;
    }
    buf_drop(&c->in, at);
    if (c->in.n == 0 && c->in.cap > 4 * READ_STEP)
        buf_deinit(&c->in);
    return true;
}

/* How much to ask for: the rest of a frame that has begun, at least READ_STEP. */
static size_t wanted(const struct channel *c)
{
    struct rd r = rd_of(buf_span(&c->in));
    size_t len = rd_u32le(&r);

    if (!r.failed && len <= c->opts.body_max && len + CHANNEL_HEADER > c->in.n + READ_STEP)
        return len + CHANNEL_HEADER - c->in.n;
    return READ_STEP;
}

/* True: something was read and more may be there. */
static bool read_some(struct channel *c)
{
    union {
        char bytes[CMSG_SPACE(sizeof(int) * CHANNEL_FDS_MAX)];
        struct cmsghdr align;
    } ctl;
    size_t want = wanted(c);
    struct iovec iov = { buf_reserve(&c->in, want), want };
    struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1 };
    ssize_t n;

    if (iov.iov_base == NULL) {
        (void) ERR_RAISE(&c->why, ERR_NOMEM, "channel input");
        fail(c);
        return false;
    }
    if (c->opts.take_fds) {
        m.msg_control = ctl.bytes;
        m.msg_controllen = sizeof(ctl.bytes);
    }
    n = recvmsg(c->fd, &m, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR))
        return false;
    if (n <= 0) {
        if (n == 0 && c->in.n > 0)
            (void) ERR_RAISE(&c->why, ERR_CLOSED, "the peer closed the channel in mid-frame");
        else
            (void) ERR_RAISE_SYS(&c->why, n == 0 || errno == ECONNRESET ? ERR_CLOSED : ERR_IO, n == 0 ? 0 : errno,
                                 "the peer closed the channel");
        fail(c);
        return false;
    }
    if (c->opts.take_fds && (!take_fds(c, &m) || (m.msg_flags & MSG_CTRUNC) != 0)) {
        (void) ERR_RAISE(&c->why, ERR_LIMIT, "too many descriptors on a channel");
        fail(c);
        return false;
    }
    c->in.n += (size_t) n;
    return (size_t) n == want;
}

static void on_ready(void *arg, int events)
{
    struct channel *c = arg;
    size_t total = 0;
    bool more = true;

    if ((events & LOOP_WRITE) != 0)
        loop_defer(c->loop, &c->flush);
    if ((events & LOOP_READ) == 0)
        return;
    while (more && !c->closed && !c->paused && total < TURN_BYTES) {
        total += READ_STEP;
        more = read_some(c);
        if (!deliver(c))
            return;
    }
    watch_update(c);
}

static void on_again(void *arg)
{
    struct channel *c = arg;

    if (deliver(c))
        watch_update(c);
}

enum err channel_new(struct loop *l, int fd, const struct channel_opts *opts, const struct channel_ops *ops, void *ctx,
                     struct channel **ret, struct err_info *reterr)
{
    struct channel *c = calloc(1, sizeof(*c));
    enum err e;

    if (c == NULL)
        return ERR_RAISE(reterr, ERR_NOMEM, "channel");
    if (opts != NULL)
        c->opts = *opts;
    if (c->opts.body_max == 0)
        c->opts.body_max = 2u << 20;
    if (c->opts.budget == 0)
        c->opts.budget = 8u << 20;
    if (c->opts.reserve == 0)
        c->opts.reserve = 1u << 20;
    c->loop = l;
    c->fd = fd;
    c->ops = ops;
    c->ctx = ctx;
    c->flush = (struct loop_deferred){ .fn = on_flush, .arg = c };
    c->again = (struct loop_deferred){ .fn = on_again, .arg = c };
    list_init(&c->queue);
    buf_init(&c->in, c->opts.body_max + CHANNEL_HEADER + 2 * READ_STEP);
    e = loop_fd_new(l, fd, on_ready, c, &c->watch, reterr);
    if (e != ERR_OK) {
        free(c);
        return e;
    }
    (void) fcntl(fd, F_SETFD, FD_CLOEXEC); /* a descriptor of ours: cannot fail */
    watch_update(c);
    *ret = c;
    return ERR_OK;
}

struct channel *channel_free(struct channel *c)
{
    if (c == NULL)
        return NULL;
    c->freed = true;
    if (!c->busy)
        destroy(c);
    return NULL;
}

static void put_header(uint8_t *p, uint32_t len, uint16_t type, uint16_t flags, uint64_t call)
{
    for (int i = 0; i < 4; i++)
        p[i] = (uint8_t) (len >> (8 * i));
    p[4] = (uint8_t) type;
    p[5] = (uint8_t) (type >> 8);
    p[6] = (uint8_t) flags;
    p[7] = (uint8_t) (flags >> 8);
    for (int i = 0; i < 8; i++)
        p[8 + i] = (uint8_t) (call >> (8 * i));
}

static enum err queue(struct channel *c, const struct channel_msg *m, struct span rest, size_t budget)
{
    size_t body = m->body.n + rest.n, n = CHANNEL_HEADER + body;
    struct out *o;

    if (c->closed || c->mute)
        return ERR_CLOSED;
    if (body > c->opts.body_max)
        return ERR_LIMIT;
    if (c->unsent > 0 && c->unsent + n > budget) { /* one message always fits an empty queue */
        c->full = true;
        return ERR_AGAIN;
    }
    o = malloc(sizeof(*o) + n);
    if (o == NULL)
        return ERR_NOMEM;
    *o = (struct out){ .n = n };
    for (; o->n_fds < m->n_fds; o->n_fds++) {
        o->fds[o->n_fds] = fcntl(m->fds[o->n_fds], F_DUPFD_CLOEXEC, 3);
        if (o->fds[o->n_fds] < 0) {
            out_free(o);
            return ERR_IO;
        }
    }
    put_header(o->bytes, (uint32_t) body, m->type, (uint16_t) ((m->flags & CHANNEL_FLAGS_USER) | m->n_fds << FD_SHIFT),
               m->call);
    if (m->body.n > 0)
        memcpy(o->bytes + CHANNEL_HEADER, m->body.p, m->body.n);
    if (rest.n > 0)
        memcpy(o->bytes + CHANNEL_HEADER + m->body.n, rest.p, rest.n);
    list_append(&c->queue, &o->node);
    c->unsent += n;
    if (!c->want_write)
        loop_defer(c->loop, &c->flush);
    return ERR_OK;
}

enum err channel_send2(struct channel *c, uint16_t type, uint16_t flags, uint64_t call, struct span head,
                       struct span rest)
{
    const struct channel_msg m = { .type = type, .flags = flags, .call = call, .body = head };

    return queue(c, &m, rest, c->opts.budget);
}

enum err channel_send(struct channel *c, uint16_t type, uint16_t flags, uint64_t call, struct span body)
{
    return channel_send2(c, type, flags, call, body, SPAN_EMPTY);
}

enum err channel_send_urgent(struct channel *c, uint16_t type, uint16_t flags, uint64_t call, struct span body)
{
    const struct channel_msg m = { .type = type, .flags = flags, .call = call, .body = body };

    return queue(c, &m, SPAN_EMPTY, c->opts.budget + c->opts.reserve);
}

enum err channel_send_fds(struct channel *c, uint16_t type, uint16_t flags, uint64_t call, struct span body,
                          const int *fds, size_t n_fds)
{
    const struct channel_msg m = { .type = type, .flags = flags, .call = call, .body = body, .fds = fds, .n_fds = n_fds };

    if (n_fds < 1 || n_fds > CHANNEL_FDS_MAX)
        return ERR_INVAL;
    return queue(c, &m, SPAN_EMPTY, c->opts.budget);
}

size_t channel_unsent(const struct channel *c)
{
    return c->unsent;
}

bool channel_full(const struct channel *c)
{
    return c->full;
}

void channel_pause(struct channel *c)
{
    c->paused = true;
    if (!c->busy)
        watch_update(c);
}

void channel_resume(struct channel *c)
{
    if (!c->paused)
        return;
    c->paused = false;
    loop_defer(c->loop, &c->again); /* frames may be waiting in our buffer */
    if (!c->busy)
        watch_update(c);
}
