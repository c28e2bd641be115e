#include "keeper/channels.h"

#include <stdlib.h>
#include <unistd.h>

#include "base/log.h"
#include "crypto/secret.h"
#include "os/clock.h"

#define COMMIT_LATE_MS   3000
#define VAULT_TIMEOUT_MS 3000

static void peer_lost(struct peer *p);

/* ---- going out (loop thread) ---- */

static struct peer *find_peer(struct keeper *k, uint32_t chan)
{
    if (chan == 0)
        return NULL;
    if (k->vault.chan == chan)
        return &k->vault;
    for (size_t i = 0; i < GATE_LOOPS_MAX; i++) {
        if (k->gates[i].chan == chan)
            return &k->gates[i];
    }
    return NULL;
}

/* They begin with their number, which each link counts for itself. */
static bool is_numbered(enum ipc_type type)
{
    return type == IPC_T_GRANTS || type == IPC_T_DENY || type == IPC_T_INGEST_TOKENS;
}

static void send_push(struct peer *p, struct out *o)
{
    enum err e;

    if (p->link == NULL || !p->in_step)
        return;
    if (is_numbered(o->type) && o->body.n >= 8) {
        p->pushed++;
        for (size_t i = 0; i < 8; i++)
            o->body.p[i] = (uint8_t) (p->pushed >> (8 * i));
    }
    e = link_send_encoded(p->link, o->type, buf_span(&o->body), true);
    if (e != ERR_OK) { /* a lost push would leave a gap: the peer starts again from a full table */
        log_event(LOG_ERROR, "keeper.push-failed", LOG_STR("message", ipc_name(o->type)), LOG_STR("error", err_name(e)));
        peer_lost(p);
    }
}

static void answer_now(struct keeper *k, struct cmd *c, uint16_t status, const char *code, const char *detail)
{
    struct peer *p = find_peer(k, c->chan);
    const struct ipc_answer a = { .status = status, .code = span_str(code), .detail = span_str(detail),
                                  .retry_after_s = status == 429 || status == 503 ? 1 : 0 };

    if (p != NULL && p->link != NULL)
        (void) link_answer(p->link, c->call, IPC_T_ANSWER, &a); /* a gate that cannot take it is closing */
}

/* ---- password hashing ---- */

struct hashing {
    struct keeper *keeper;
    struct cmd *cmd;
};

static void hash_work(void *arg)
{
    struct hashing *h = arg;
    struct cmd_password *p = &h->cmd->password;

    p->ok = true;
    if (p->nobody)
        p->ok = password_verify_nobody(p->password);
    else if (p->verify)
        p->ok = password_verify(p->stored, p->password);
    if (p->ok && p->hash)
        p->failed = password_hash(p->new_password, p->hashed, NULL) != ERR_OK;
    p->done = true;
}

static void hash_done(void *arg)
{
    struct hashing *h = arg;

    channels_push(h->keeper, h->cmd);
    free(h);
}

static void start_hashing(struct keeper *k, struct cmd *c)
{
    struct hashing *h = calloc(1, sizeof(*h));
    enum err e = ERR_NOMEM;

    if (h != NULL) {
        *h = (struct hashing){ k, c };
        e = pool_work(k->hashing, k->loop, hash_work, hash_done, h);
    }
    if (e == ERR_OK)
        return;
    free(h);
    answer_now(k, c, 429, "rate-limited", "Too many people are signing in at this moment.");
    (void) cmd_free(c);
}

/* ---- the vault ---- */

/* An issued key: the JSON of the answer is complete but for the key itself. */
static void on_signed(void *ctx, enum err err, enum ipc_type type, const void *body)
{
    struct cmd *c = ctx;
    struct keeper *k = c->owner_ctx;
    struct peer *p = find_peer(k, c->chan);
    const struct ipc_signed *s = body;
    struct buf json = BUF_INIT(64U << 10);

    if (err == ERR_OK && type == IPC_T_SIGNED && span_eq_str(s->code, "audit-unavailable")) {
        answer_now(k, c, 503, "audit-unavailable", "The audit log does not show itself to the vault.");
    } else if (err != ERR_OK || type != IPC_T_SIGNED || s->code.n > 0) {
        answer_now(k, c, 503, "authority-stale", "The vault did not sign.");
    } else if (p != NULL && p->link != NULL) {
        struct ipc_answer a = { .status = 201 };

        buf_add_str(&json, "{\"key\":\"");
        buf_add_span(&json, s->key); /* base64url and dots */
        buf_add_str(&json, "\",");
        buf_add_span(&json, span_sub(buf_span(&c->answer.body), 1, SIZE_MAX));
        a.body = buf_span(&json);
        if (json.failed)
            answer_now(k, c, 500, "internal", NULL);
        else
            (void) link_answer(p->link, c->call, IPC_T_ANSWER, &a);
    }
    secret_wipe(json.p, json.n);
    buf_deinit(&json);
    (void) cmd_free(c);
}

/* The signing keys have rolled: the answer is complete. */
static void on_rotated(void *ctx, enum err err, enum ipc_type type, const void *body)
{
    struct cmd *c = ctx;
    struct keeper *k = c->owner_ctx;
    struct peer *p = find_peer(k, c->chan);
    const struct ipc_done *d = body;
    const struct ipc_answer a = { .status = 200, .body = buf_span(&c->answer.body) };

    if (err == ERR_OK && type == IPC_T_DONE && span_eq_str(d->code, "rate-limited"))
        answer_now(k, c, 429, "rate-limited", "So many signing keys are published that another one has to wait for minutes.");
    else if (err != ERR_OK || type != IPC_T_DONE || d->code.n > 0)
        answer_now(k, c, 503, "authority-stale", "The vault did not roll its keys. Repeat the call.");
    else if (p != NULL && p->link != NULL)
        (void) link_answer(p->link, c->call, IPC_T_ANSWER, &a); /* as answer_now */
    (void) cmd_free(c);
}

static void start_signing(struct keeper *k, struct out *o)
{
    struct cmd *c = TAKE(o->cmd);

    c->owner_ctx = k;
    if (k->vault.link != NULL && link_call_encoded(k->vault.link, o->type, buf_span(&o->body), VAULT_TIMEOUT_MS,
                                                   o->step == CMD_STEP_ROTATE ? on_rotated : on_signed, c) == ERR_OK)
        return;
    answer_now(k, c, 503, "authority-stale", "The vault is not there.");
    (void) cmd_free(c);
}

static void on_root_signed(void *ctx, enum err err, enum ipc_type type, const void *body)
{
    struct keeper *k = ctx;
    struct cmd *c;

    /* Without an answer the next second asks again: the integrator goes by what is stored. */
    c = cmd_new(CMD_SIGNED_ROOT, 0, 0, IPC_T_CHECKPOINT, err == ERR_OK && type == IPC_T_CHECKPOINT ? body : NULL);
    if (c != NULL)
        channels_push(k, c);
}

static void on_log_begun(void *ctx, enum err err, enum ipc_type type, const void *body)
{
    const struct ipc_done *d = body;

    (void) ctx;
    if (err == ERR_OK && type == IPC_T_DONE && d->code.n > 0)
        log_event(LOG_ERROR, "keeper.log-refused", LOG_SPAN("code", d->code));
}

static void send_out(struct keeper *k, struct out *o)
{
    struct peer *p = find_peer(k, o->chan);

    switch (o->to) {
    case OUT_ANSWER:
        if (p != NULL && p->link != NULL && o->call != 0)
            (void) link_answer_encoded(p->link, o->call, o->type, buf_span(&o->body)); /* as answer_now */
        break;
    case OUT_GATE:
        send_push(&k->gates[0], o);
        break;
    case OUT_GATE_VAULT:
        send_push(&k->gates[0], o);
        send_push(&k->vault, o);
        break;
    case OUT_SYNC:
        if (p != NULL) {
            p->in_step = true;
            send_push(p, o);
            if (o->type == IPC_T_DENY) /* the resync is whole: it need not wait a second for the first beat */
                channels_heartbeat(k);
        }
        break;
    case OUT_CHAN:
        if (p == NULL || p->link == NULL || link_send_encoded(p->link, o->type, buf_span(&o->body), false) == ERR_OK)
            break;
        log_event(LOG_DEBUG, "keeper.notice-dropped", LOG_INT("chan", o->chan));
        if (o->type == IPC_T_MASK_RULES) /* without it the gate would go on by older rules */
            peer_lost(p);
        break;
    case OUT_VAULT_CALL:
        if (k->vault.link != NULL &&
            link_call_encoded(k->vault.link, o->type, buf_span(&o->body), VAULT_TIMEOUT_MS, on_log_begun, k) != ERR_OK)
            log_event(LOG_WARN, "keeper.vault-full");
        break;
    case OUT_STEP:
        if (o->step == CMD_STEP_PASSWORD)
            start_hashing(k, TAKE(o->cmd));
        else
            start_signing(k, o);
        break;
    case OUT_SIGN_ROOT:
        if (k->vault.link == NULL || link_call_encoded(k->vault.link, o->type, buf_span(&o->body), VAULT_TIMEOUT_MS,
                                                       on_root_signed, k) != ERR_OK)
            on_root_signed(k, ERR_CLOSED, IPC_T_NONE_, NULL);
        break;
    }
}

void channels_take(void *arg)
{
    struct keeper *k = arg;
    struct list mine;

    list_init(&mine);
    (void) pthread_mutex_lock(&k->lock);
    for (struct list *n; (n = list_pop(&k->coming)) != NULL;)
        list_append(&mine, n);
    k->posted = false;
    (void) pthread_mutex_unlock(&k->lock);
    for (struct list *n; (n = list_pop(&mine)) != NULL;) {
        struct out *o = LIST_ENTRY(n, struct out, node);

        send_out(k, o);
        (void) out_free(o);
    }
}

/* ---- from the writer and the readers ---- */

void channels_deliver(void *ctx, struct list *outs)
{
    struct keeper *k = ctx;
    bool post;

    (void) pthread_mutex_lock(&k->lock);
    for (struct list *n; (n = list_pop(outs)) != NULL;)
        list_append(&k->coming, n);
    post = !k->posted && !list_empty(&k->coming);
    k->posted |= post;
    (void) pthread_mutex_unlock(&k->lock);
    if (post && loop_post(k->loop, channels_take, k) != ERR_OK)
        log_event(LOG_WARN, "keeper.closing", LOG_STR("text", "answers are dropped"));
}

/* ---- coming in (loop thread) ---- */

void channels_push(struct keeper *k, struct cmd *c)
{
    struct writer *w = core_is_read(c) ? k->readers : k->writer;

    if (w != NULL && writer_push(w, c))
        return;
    if (c->call != 0)
        answer_now(k, c, 503, "overloaded", "Too much is waiting.");
    (void) cmd_free(c);
}

void channels_push_kind(struct keeper *k, enum cmd_kind kind, uint32_t chan, uint32_t index)
{
    struct cmd *c = cmd_new(kind, chan, 0, IPC_T_NONE_, NULL);

    if (c == NULL)
        return;
    c->index = index;
    channels_push(k, c);
}

static void on_peer_message(void *ctx, struct link_msg *m)
{
    struct peer *p = ctx;
    struct cmd *c = cmd_of_link(p->chan, m);

    if (c != NULL)
        channels_push(p->keeper, c);
}

static void peer_lost(struct peer *p)
{
    uint32_t chan = p->chan;

    p->link = link_free(p->link);
    p->chan = 0;
    p->in_step = false;
    if (chan != 0)
        channels_push_kind(p->keeper, p->is_vault ? CMD_VAULT_CLOSED : CMD_GATE_CLOSED, chan, p->index);
}

static void on_peer_closed(void *ctx, const struct err_info *why)
{
    struct peer *p = ctx;

    log_event(LOG_WARN, "keeper.peer-gone", LOG_STR("peer", p->is_vault ? "vault" : "gate"), LOG_INT("index", p->index),
              LOG_STR("error", err_name(why->code)));
    peer_lost(p);
}

static const struct link_ops peer_ops = { .on_message = on_peer_message, .on_closed = on_peer_closed };

void channels_take_peer(struct keeper *k, const struct ipc_peer *msg, int fd)
{
    struct peer *p = msg->role == ROLE_VAULT ? &k->vault
                     : msg->role == ROLE_GATE && msg->index < GATE_LOOPS_MAX ? &k->gates[msg->index]
                                                                             : NULL;
    struct err_info err;

    if (p == NULL || fd < 0)
        return;
    if (p->chan != 0)
        peer_lost(p);
    *p = (struct peer){ .keeper = k, .is_vault = msg->role == ROLE_VAULT, .index = msg->index };
    fd = dup(fd);
    if (fd < 0 || link_new(k->loop, fd, false, &peer_ops, p, &p->link, &err) != ERR_OK) {
        log_event(LOG_ERROR, "keeper.peer-failed", LOG_INT("index", msg->index));
        return;
    }
    p->chan = ++k->last_chan;
    channels_push_kind(k, p->is_vault ? CMD_VAULT_OPEN : CMD_GATE_OPEN, p->chan, p->index);
}

/* ---- heartbeat ---- */

void channels_heartbeat(struct keeper *k)
{
    struct core_health h = core_health(k->core);
    struct ipc_heartbeat beat = { .wall_ms = clock_wall_ms(), .audit_ok = h.audit_ok, .clock_ok = h.clock_ok,
                                  .vault_ok = h.vault_ok };
    struct peer *to[] = { &k->gates[0], &k->vault };

    if (writer_busy_ms(k->writer, clock_mono_us()) >= COMMIT_LATE_MS)
        return;
    for (size_t i = 0; i < 2; i++) {
        beat.seq = to[i]->pushed;
        if (to[i]->link != NULL && to[i]->in_step)
            (void) link_send_urgent(to[i]->link, IPC_T_HEARTBEAT, &beat); /* one lost beat is not three */
    }
}
