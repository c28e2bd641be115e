#include "keeper/cmd.h"

#include <stdlib.h>

#include "crypto/secret.h"

#define ANSWER_MAX (4U << 20)
#define OUT_MAX    (64U << 20)

static struct cmd *cmd_alloc(enum cmd_kind kind, uint32_t chan, uint64_t call, enum ipc_type type)
{
    struct cmd *c = calloc(1, sizeof(*c));

    if (c == NULL)
        return NULL;
    c->kind = kind;
    c->chan = chan;
    c->call = call;
    c->type = type;
    arena_init(&c->mem, CMD_MEM_MAX);
    buf_init(&c->answer.body, ANSWER_MAX);
    return c;
}

struct cmd *cmd_of_link(uint32_t chan, struct link_msg *m)
{
    struct cmd *c = cmd_alloc(CMD_MESSAGE, chan, m->call, m->type);

    if (c == NULL)
        return NULL;
    c->owner = link_msg_keep(m);
    c->msg = m->body;
    c->cost = m->memory.used;
    return c;
}

struct cmd *cmd_new(enum cmd_kind kind, uint32_t chan, uint64_t call, enum ipc_type type, const void *msg)
{
    struct cmd *c = cmd_alloc(kind, chan, call, type);
    struct buf bytes = BUF_INIT(OUT_MAX);
    void *copy;

    if (c == NULL || msg == NULL)
        return c;
    ipc_encode(type, msg, &bytes);
    copy = arena_alloc(&c->mem, ipc_struct_size(type));
    if (bytes.failed || copy == NULL ||
        ipc_decode(type, arena_span(&c->mem, buf_span(&bytes)), &c->mem, copy, NULL) != ERR_OK)
        c = cmd_free(c);
    else
        c->msg = copy;
    if (c != NULL)
        c->cost = bytes.n;
    buf_deinit(&bytes);
    return c;
}

/* A body may hold a password. */
static void wipe_body(struct cmd *c)
{
    const struct ipc_control *in = c->msg;

    if (c->type == IPC_T_CONTROL && in != NULL)
        secret_wipe((void *) (uintptr_t) in->body.p, in->body.n);
}

struct cmd *cmd_free(struct cmd *c)
{
    if (c == NULL)
        return NULL;
    wipe_body(c);
    /* Fresh tokens and password hashes pass through here. */
    secret_wipe(c->answer.body.p, c->answer.body.n);
    secret_wipe(c->answer.set_token, sizeof(c->answer.set_token));
    secret_wipe(&c->password, sizeof(c->password));
    buf_deinit(&c->answer.body);
    arena_deinit(&c->mem);
    (void) link_msg_free(c->owner);
    free(c);
    return NULL;
}

void cmd_reset_answer(struct cmd *c)
{
    struct buf body = c->answer.body;

    buf_reset(&body);
    c->answer = (struct answer){ .body = body };
}

struct out *out_add(struct list *outs, enum out_to to, enum ipc_type type, const void *msg)
{
    struct out *o = calloc(1, sizeof(*o));

    if (o == NULL)
        return NULL;
    o->to = to;
    o->type = type;
    buf_init(&o->body, OUT_MAX);
    if (msg != NULL)
        ipc_encode(type, msg, &o->body);
    if (o->body.failed)
        return out_free(o);
    list_append(outs, &o->node);
    return o;
}

struct out *out_free(struct out *o)
{
    if (o == NULL)
        return NULL;
    secret_wipe(o->body.p, o->body.n);
    buf_deinit(&o->body);
    cmd_free(o->cmd);
    free(o);
    return NULL;
}

void outs_free(struct list *outs)
{
    for (struct list *n; (n = list_pop(outs)) != NULL;)
        out_free(LIST_ENTRY(n, struct out, node));
}
