#include "link/link.h"

#include <stdlib.h>
#include <unistd.h>

#include "base/list.h"
#include "loop/timer.h"

#define BODY_MAX   (16u << 20) /* the largest: every live grant in one push */
#define BUDGET     (32u << 20)
#define MEMORY_MAX (64u << 20)
#define FLAG_ANSWER 1

struct call {
    struct list node;
    uint64_t number;
    struct link *link;
    struct loop_timer deadline;
    link_answer_fn on_answer;
    void *ctx;
};

struct link {
    struct channel *channel;
    struct loop *loop;
    const struct link_ops *ops;
    void *ctx;
    struct list calls;
    uint64_t last_call;
    size_t n_calls;
    bool *freed; /* set while a callback runs, so that it may free the link */
    struct err_info broken;
    struct loop_deferred close;
};

struct link_msg *link_msg_keep(struct link_msg *m)
{
    if (m->kept != NULL)
        *m->kept = true;
    m->kept = NULL;
    m->fds = NULL;
    m->n_fds = 0;
    return m;
}

struct link_msg *link_msg_free(struct link_msg *m)
{
    if (m == NULL)
        return NULL;
    arena_deinit(&m->memory);
    free(m);
    return NULL;
}

/* Copies the body into the message's own memory and decodes it there. */
static enum err msg_of(const struct channel_msg *in, struct link_msg **ret, struct err_info *reterr)
{
    struct link_msg *m = calloc(1, sizeof(*m));
    size_t size = ipc_struct_size((enum ipc_type) in->type);
    struct span body;
    void *decoded;
    enum err e = ERR_NOMEM;

    if (m == NULL)
        return ERR_RAISE(reterr, ERR_NOMEM, "no memory for a message");
    arena_init(&m->memory, MEMORY_MAX);
    m->type = (enum ipc_type) in->type;
    m->call = in->call;
    m->fds = in->fds;
    m->n_fds = in->n_fds;
    decoded = arena_alloc(&m->memory, size == 0 ? 1 : size);
    body = arena_span(&m->memory, in->body);
    if (decoded != NULL && (body.n == in->body.n))
        e = ipc_decode(m->type, body, &m->memory, decoded, reterr);
    if (e != ERR_OK) {
        (void) link_msg_free(m);
        return e;
    }
    m->body = decoded;
    *ret = m;
    return ERR_OK;
}

static void call_end(struct call *c, enum err err, enum ipc_type type, const void *body)
{
    link_answer_fn fn = c->on_answer;
    void *ctx = c->ctx;

    loop_timer_cancel(&c->deadline);
    list_remove(&c->node);
    c->link->n_calls--;
    free(c);
    fn(ctx, err, type, body);
}

static void on_deadline(void *arg)
{
    call_end(arg, ERR_TIMEOUT, IPC_T_NONE_, NULL);
}

static void fail_calls(struct link *k, const bool *freed)
{
    while (!*freed && !list_empty(&k->calls))
        call_end(LIST_ENTRY(k->calls.next, struct call, node), ERR_CLOSED, IPC_T_NONE_, NULL);
}

static void report_closed(struct link *k, const struct err_info *why)
{
    const struct link_ops *ops = k->ops;
    void *ctx = k->ctx;
    bool freed = false, *outer = k->freed;

    k->freed = &freed;
    fail_calls(k, &freed);
    if (freed) {
        if (outer != NULL)
            *outer = true;
        return;
    }
    k->freed = outer;
    ops->on_closed(ctx, why);
}

/* A broken message: from the next turn, as a peer that has gone. */
static void close_broken(void *arg)
{
    struct link *k = arg;

    k->channel = channel_free(k->channel);
    report_closed(k, &k->broken);
}

static struct call *find_call(struct link *k, uint64_t number)
{
    LIST_FOREACH(node, &k->calls)
    {
        struct call *c = LIST_ENTRY(node, struct call, node);

        if (c->number == number)
            return c;
    }
    return NULL;
}

static void on_channel_message(void *ctx, const struct channel_msg *in)
{
    struct link *k = ctx;
    struct link_msg *m = NULL;
    int fds[CHANNEL_FDS_MAX]; /* the callback may free the channel, and 'in' with it */
    size_t n_fds = in->n_fds;
    bool kept = false;
    enum err e = msg_of(in, &m, &k->broken);

    if (n_fds > 0)
        memcpy(fds, in->fds, n_fds * sizeof(fds[0]));

    if (e == ERR_OK && (in->flags & FLAG_ANSWER) != 0) {
        struct call *c = find_call(k, in->call);

        if (c != NULL) /* else it came after its deadline */
            call_end(c, ERR_OK, m->type, m->body);
    } else if (e == ERR_OK) {
        m->kept = &kept;
        k->ops->on_message(k->ctx, m);
    } else {
        channel_pause(k->channel);
        loop_defer(k->loop, &k->close);
    }
    for (size_t i = 0; i < n_fds; i++)
        (void) close(fds[i]); /* whoever needs one has made its own copy */
    if (m != NULL && !kept) /* a kept one may be gone already */
        (void) link_msg_free(m);
}

static void on_channel_drained(void *ctx)
{
    struct link *k = ctx;

    if (k->ops->on_drained != NULL)
        k->ops->on_drained(k->ctx);
}

static void on_channel_closed(void *ctx, const struct err_info *why)
{
    report_closed(ctx, why);
}

static const struct channel_ops channel_ops = {
    .on_message = on_channel_message,
    .on_drained = on_channel_drained,
    .on_closed = on_channel_closed,
};

enum err link_new(struct loop *l, int fd, bool take_fds, const struct link_ops *ops, void *ctx, struct link **ret,
                  struct err_info *reterr)
{
    const struct channel_opts opts = { .body_max = BODY_MAX, .budget = BUDGET, .take_fds = take_fds };
    struct link *k = calloc(1, sizeof(*k));
    enum err e;

    if (k == NULL)
        return ERR_RAISE(reterr, ERR_NOMEM, "no memory for a link");
    k->loop = l;
    k->ops = ops;
    k->ctx = ctx;
    k->close.fn = close_broken;
    k->close.arg = k;
    list_init(&k->calls);
    e = channel_new(l, fd, &opts, &channel_ops, k, &k->channel, reterr);
    if (e != ERR_OK) {
        free(k);
        return e;
    }
    *ret = k;
    return ERR_OK;
}

struct link *link_free(struct link *k)
{
    bool freed = false;

    if (k == NULL)
        return NULL;
    k->channel = channel_free(k->channel);
    loop_defer_cancel(&k->close);
    fail_calls(k, &freed);
    if (k->freed != NULL)
        *k->freed = true;
    free(k);
    return NULL;
}

static enum err send_bytes(struct link *k, enum ipc_type type, uint16_t flags, uint64_t call, struct span body,
                           bool urgent, const int *fds, size_t n_fds)
{
    if (k->channel == NULL)
        return ERR_CLOSED;
    if (n_fds > 0)
        return channel_send_fds(k->channel, (uint16_t) type, flags, call, body, fds, n_fds);
    if (urgent)
        return channel_send_urgent(k->channel, (uint16_t) type, flags, call, body);
    return channel_send(k->channel, (uint16_t) type, flags, call, body);
}

static enum err send_body(struct link *k, enum ipc_type type, uint16_t flags, uint64_t call, const void *msg, bool urgent,
                          const int *fds, size_t n_fds)
{
    struct buf b = BUF_INIT(BODY_MAX);
    enum err e;

    ipc_encode(type, msg, &b);
    e = b.failed ? ERR_NOMEM : send_bytes(k, type, flags, call, buf_span(&b), urgent, fds, n_fds);
    buf_deinit(&b);
    return e;
}

enum err link_send_encoded(struct link *k, enum ipc_type type, struct span body, bool urgent)
{
    return send_bytes(k, type, 0, 0, body, urgent, NULL, 0);
}

enum err link_answer_encoded(struct link *k, uint64_t call, enum ipc_type type, struct span body)
{
    return send_bytes(k, type, FLAG_ANSWER, call, body, true, NULL, 0);
}

enum err link_send(struct link *k, enum ipc_type type, const void *msg)
{
    return send_body(k, type, 0, 0, msg, false, NULL, 0);
}

enum err link_send_urgent(struct link *k, enum ipc_type type, const void *msg)
{
    return send_body(k, type, 0, 0, msg, true, NULL, 0);
}

enum err link_send_fds(struct link *k, enum ipc_type type, const void *msg, const int *fds, size_t n_fds)
{
    return send_body(k, type, 0, 0, msg, false, fds, n_fds);
}

enum err link_answer(struct link *k, uint64_t call, enum ipc_type type, const void *msg)
{
    return send_body(k, type, FLAG_ANSWER, call, msg, true, NULL, 0);
}

enum err link_call_encoded(struct link *k, enum ipc_type type, struct span body, time_ms timeout_ms,
                           link_answer_fn on_answer, void *ctx)
{
    struct call *c = calloc(1, sizeof(*c));
    enum err e;

    if (c == NULL)
        return ERR_NOMEM;
    e = send_bytes(k, type, 0, k->last_call + 1, body, false, NULL, 0);
    if (e != ERR_OK) {
        free(c);
        return e;
    }
    c->number = ++k->last_call;
    c->link = k;
    c->on_answer = on_answer;
    c->ctx = ctx;
    loop_timer_init(&c->deadline, k->loop, on_deadline, c);
    loop_timer_arm(&c->deadline, timeout_ms);
    list_append(&k->calls, &c->node);
    k->n_calls++;
    return ERR_OK;
}

enum err link_call(struct link *k, enum ipc_type type, const void *msg, time_ms timeout_ms, link_answer_fn on_answer,
                   void *ctx)
{
    struct buf b = BUF_INIT(BODY_MAX);
    enum err e;

    ipc_encode(type, msg, &b);
    e = b.failed ? ERR_NOMEM : link_call_encoded(k, type, buf_span(&b), timeout_ms, on_answer, ctx);
    buf_deinit(&b);
    return e;
}

size_t link_pending(const struct link *k)
{
    return k->n_calls;
}
