#include "keeper/keeper.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/log.h"
#include "crypto/hash.h"
#include "crypto/random.h"
#include "crypto/secret.h"
#include "keeper/core.h"
#include "keeper/writer.h"
#include "link/link.h"
#include "loop/pool.h"
#include "loop/timer.h"
#include "os/clock.h"
#include "os/file.h"

#define GATE_LOOPS_MAX   256
#define SECOND_MS        1000
#define COMMIT_LATE_MS   3000
#define VAULT_TIMEOUT_MS 3000
#define WAL_EVERY_S      2
#define HASH_THREADS     2
#define HASH_QUEUE       32

/* A link to a gate's loop or to the vault. */
struct peer {
    struct keeper *keeper;
    struct link *link;
    uint32_t chan;   /* its number among all channels there ever were; 0: none */
    bool in_step;    /* has had its resync: pushes reach it */
    uint64_t pushed; /* number of the last push on it */
    bool is_vault;
    uint32_t index;
};

struct keeper {
    struct loop *loop;
    struct link *control;
    struct core *core;
    struct writer *writer;
    struct writer *readers;
    struct pool *hashing;
    struct peer gates[GATE_LOOPS_MAX];
    struct peer vault;
    uint32_t last_chan;
    struct loop_timer second;
    unsigned seconds;
    bool stopping;
    int status;

    pthread_mutex_t lock; /* of 'coming': outs from the writer and the readers */
    struct list coming;
    bool posted;

    pthread_t wal;
    bool wal_started;
    _Atomic bool wal_stop;

    uint8_t boot_id[CLOCK_BOOT_ID];
    int dir_fd;
};

/* ---- the world, for the core ---- */

static void env_clocks(void *ctx, struct clock_reading *ret, bool *ret_synced)
{
    struct keeper *k = ctx;

    ret->real = clock_wall_ms();
    ret->boot = clock_boot_ms();
    memcpy(ret->boot_id, k->boot_id, sizeof(ret->boot_id));
    *ret_synced = clock_is_synced();
}

static void env_random(void *ctx, void *p, size_t n)
{
    (void) ctx;
    random_fill(p, n);
}

static bool env_space(void *ctx, uint64_t *ret_free, uint64_t *ret_total)
{
    struct keeper *k = ctx;

    return os_space(k->dir_fd, ret_free, ret_total, NULL) == ERR_OK;
}

/* STANDARDS 3.4 rule 2: nothing is retried after a failed sync. The supervisor starts a new keeper. */
static void env_fatal(void *ctx, const struct err_info *why)
{
    (void) ctx;
    log_err(LOG_ERROR, "keeper.stopped-writing", why);
    _exit(1);
}

static void take_coming(void *arg);

static void env_deliver(void *ctx, struct list *outs)
{
    struct keeper *k = ctx;
    bool post;

    (void) pthread_mutex_lock(&k->lock);
    for (struct list *n; (n = list_pop(outs)) != NULL;)
        list_append(&k->coming, n);
    post = !k->posted && !list_empty(&k->coming);
    k->posted |= post;
    (void) pthread_mutex_unlock(&k->lock);
    if (post && loop_post(k->loop, take_coming, k) != ERR_OK)
        log_event(LOG_WARN, "keeper.closing", LOG_STR("text", "answers are dropped"));
}

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

static void push_cmd(struct keeper *k, struct cmd *c);
static void peer_lost(struct peer *p);
static void heartbeat(struct keeper *k);

/* GRANTS and DENY begin with their number, which each link counts for itself. */
static void send_push(struct peer *p, struct out *o)
{
    enum err e;

    if (p->link == NULL || !p->in_step)
        return;
    if ((o->type == IPC_T_GRANTS || o->type == IPC_T_DENY) && o->body.n >= 8) {
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

    push_cmd(h->keeper, h->cmd);
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

    if (err != ERR_OK || type != IPC_T_SIGNED || s->code.n > 0) {
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

static void start_signing(struct keeper *k, struct out *o)
{
    struct cmd *c = TAKE(o->cmd);

    c->owner_ctx = k;
    if (k->vault.link != NULL && link_call_encoded(k->vault.link, o->type, buf_span(&o->body), VAULT_TIMEOUT_MS,
                                                   on_signed, c) == ERR_OK)
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
        push_cmd(k, c);
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
                heartbeat(k);
        }
        break;
    case OUT_CHAN:
        if (p != NULL && p->link != NULL && link_send_encoded(p->link, o->type, buf_span(&o->body), false) != ERR_OK)
            log_event(LOG_DEBUG, "keeper.notice-dropped", LOG_INT("chan", o->chan));
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

static void take_coming(void *arg)
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

/* ---- coming in (loop thread) ---- */

static void push_cmd(struct keeper *k, struct cmd *c)
{
    struct writer *w = core_is_read(c) ? k->readers : k->writer;

    if (w != NULL && writer_push(w, c))
        return;
    if (c->call != 0)
        answer_now(k, c, 503, "overloaded", "Too much is waiting.");
    (void) cmd_free(c);
}

static void push_kind(struct keeper *k, enum cmd_kind kind, uint32_t chan, uint32_t index)
{
    struct cmd *c = cmd_new(kind, chan, 0, IPC_T_NONE_, NULL);

    if (c == NULL)
        return;
    c->index = index;
    push_cmd(k, c);
}

static void on_peer_message(void *ctx, struct link_msg *m)
{
    struct peer *p = ctx;
    struct cmd *c = cmd_of_link(p->chan, m);

    if (c != NULL)
        push_cmd(p->keeper, c);
}

static void peer_lost(struct peer *p)
{
    uint32_t chan = p->chan;

    p->link = link_free(p->link);
    p->chan = 0;
    p->in_step = false;
    if (chan != 0)
        push_kind(p->keeper, p->is_vault ? CMD_VAULT_CLOSED : CMD_GATE_CLOSED, chan, p->index);
}

static void on_peer_closed(void *ctx, const struct err_info *why)
{
    struct peer *p = ctx;

    log_event(LOG_WARN, "keeper.peer-gone", LOG_STR("peer", p->is_vault ? "vault" : "gate"), LOG_INT("index", p->index),
              LOG_STR("error", err_name(why->code)));
    peer_lost(p);
}

static const struct link_ops peer_ops = { .on_message = on_peer_message, .on_closed = on_peer_closed };

static void take_peer(struct keeper *k, const struct ipc_peer *msg, int fd)
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
    push_kind(k, p->is_vault ? CMD_VAULT_OPEN : CMD_GATE_OPEN, p->chan, p->index);
}

/* ---- timers ---- */

static void heartbeat(struct keeper *k)
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

static void on_second(void *arg)
{
    struct keeper *k = arg;

    loop_timer_arm(&k->second, SECOND_MS);
    heartbeat(k);
    if (writer_busy_ms(k->writer, clock_mono_us()) >= SECOND_MS)
        return; /* it has not done the last second's work yet */
    push_kind(k, CMD_SECOND, 0, 0);
    push_kind(k, CMD_INTEGRATE, 0, 0);
    if (++k->seconds % 60 == 0)
        push_kind(k, CMD_MINUTE, 0, 0);
}

static void *wal_thread(void *arg)
{
    struct keeper *k = arg;
    struct err_info err;

    for (unsigned turn = 1; !atomic_load(&k->wal_stop); turn++) {
        (void) usleep(100000); /* short steps, so that stopping is quick */
        if (turn % (WAL_EVERY_S * 10) != 0)
            continue;
        switch ((int) core_checkpoint(k->core, &err)) {
        case ERR_OK: break;
        case ERR_IO:
        case ERR_CORRUPT: env_fatal(k, &err); break;
        default: log_err(LOG_WARN, "keeper.wal", &err); break;
        }
    }
    return NULL;
}

/* ---- the control channel ---- */

static const char *text_of(struct arena *mem, struct span s)
{
    const char *t = arena_str(mem, s);

    return t == NULL ? "" : t;
}

static enum err open_core(struct keeper *k, const struct ipc_keeper_config *in, struct err_info *reterr)
{
    struct arena mem;
    const char *envs[16];
    struct core_config cfg = { 0 };
    const struct core_env env = { .ctx = k, .clocks = env_clocks, .random = env_random, .deliver = env_deliver,
                                  .space = env_space, .fatal = env_fatal };
    enum err e;

    arena_init(&mem, 1U << 20);
    cfg = (struct core_config){
        .public_url = text_of(&mem, in->public_url), .player_url = text_of(&mem, in->player_url),
        .dir = text_of(&mem, in->dir), .demo = in->demo != 0, .demo_password = text_of(&mem, in->demo_password),
        .envs = envs, .key_life_s = in->key_life_s, .bearer_life_s = in->bearer_life_s, .edge_skew_s = in->edge_skew_s,
        .lapse_ms = in->lapse_ms, .idle_session_ms = in->idle_session_ms, .session_ms = in->session_ms,
        .cli_session_ms = in->cli_session_ms, .fresh_ms = in->fresh_ms, .require_sync = in->require_sync != 0,
        .token_votes = in->token_votes != 0,
    };
    for (uint32_t i = 0; i < in->envs.n && i < 16; i++)
        envs[cfg.n_envs++] = text_of(&mem, in->envs.rows[i].text);
    if (in->config_sha256.n == 32)
        memcpy(cfg.config_sha256, in->config_sha256.p, 32);
    e = os_dir_open(cfg.dir, false, &k->dir_fd, reterr);
    if (e == ERR_OK)
        e = core_open(&cfg, &env, &k->core, reterr);
    arena_deinit(&mem);
    return e;
}

static void run_group(void *ctx, struct cmd **cmds, size_t n)
{
    struct keeper *k = ctx;

    core_run(k->core, cmds, n);
}

static void run_read(void *ctx, struct cmd **cmds, size_t n)
{
    static _Thread_local unsigned seat = UINT32_MAX;
    static _Atomic unsigned seats;
    struct keeper *k = ctx;

    if (seat == UINT32_MAX)
        seat = atomic_fetch_add(&seats, 1) % CORE_READERS;
    for (size_t i = 0; i < n; i++)
        core_read(k->core, seat, cmds[i]);
}

static enum err start(struct keeper *k, const struct ipc_keeper_config *in, struct err_info *reterr)
{
    TRY(open_core(k, in, reterr));
    TRY(writer_new(1, WRITER_GROUP_MAX, run_group, k, &k->writer, reterr));
    TRY(writer_new(CORE_READERS, 1, run_read, k, &k->readers, reterr));
    TRY(pool_new(HASH_THREADS, HASH_QUEUE, &k->hashing, reterr));
    if (pthread_create(&k->wal, NULL, wal_thread, k) != 0)
        return ERR_RAISE(reterr, ERR_NOMEM, "thread for the WAL");
    k->wal_started = true;
    push_kind(k, CMD_START, 0, 0);
    loop_timer_init(&k->second, k->loop, on_second, k);
    loop_timer_arm(&k->second, SECOND_MS);
    return ERR_OK;
}

static void take_config(struct keeper *k, const struct ipc_keeper_config *in)
{
    struct err_info err = { 0 };
    struct ipc_ready ready = { .ok = 1 };

    if (k->core != NULL) { /* SIGHUP */
        struct cmd *c = cmd_new(CMD_CONFIG, 0, 0, IPC_T_KEEPER_CONFIG, in);

        if (c != NULL)
            push_cmd(k, c);
        return;
    }
    log_init("keeper", (enum log_format) in->log_format, LOG_INFO);
    if (start(k, in, &err) != ERR_OK) {
        log_err(LOG_ERROR, "keeper.start-failed", &err);
        ready = (struct ipc_ready){ .ok = 0, .text = span_str(err.text) };
        k->status = 1;
    }
    (void) link_send(k->control, IPC_T_READY, &ready); /* a supervisor that is gone ends us anyway */
    if (!ready.ok)
        loop_stop(k->loop);
}

static void on_control(void *ctx, struct link_msg *m)
{
    struct keeper *k = ctx;

    switch ((int) m->type) {
    case IPC_T_KEEPER_CONFIG:
        take_config(k, m->body);
        break;
    case IPC_T_PEER:
        if (k->core != NULL)
            take_peer(k, m->body, m->n_fds == 1 ? m->fds[0] : -1);
        break;
    case IPC_T_SHUTDOWN:
        k->stopping = true;
        loop_stop(k->loop);
        break;
    default:
        log_event(LOG_WARN, "keeper.unexpected", LOG_STR("message", ipc_name(m->type)));
        break;
    }
}

static void on_control_closed(void *ctx, const struct err_info *why)
{
    struct keeper *k = ctx;

    (void) why;
    k->stopping = true;
    loop_stop(k->loop);
}

static const struct link_ops control_ops = { .on_message = on_control, .on_closed = on_control_closed };

/* What is queued still commits, then service.stopped; answers that nobody waits for are dropped. */
static void finish(struct keeper *k)
{
    loop_timer_cancel(&k->second);
    if (k->core != NULL && k->writer != NULL)
        push_kind(k, CMD_STOP, 0, 0);
    k->readers = writer_free(k->readers);
    k->writer = writer_free(k->writer);
    take_coming(k); /* last answers and pushes */
    loop_turn(k->loop);
    k->hashing = pool_free(k->hashing);
    if (k->wal_started) {
        atomic_store(&k->wal_stop, true);
        (void) pthread_join(k->wal, NULL);
    }
    for (size_t i = 0; i < GATE_LOOPS_MAX; i++)
        k->gates[i].link = link_free(k->gates[i].link);
    k->vault.link = link_free(k->vault.link);
    k->control = link_free(k->control);
    k->core = core_close(k->core);
    outs_free(&k->coming);
    os_closep(&k->dir_fd);
}

/* The kernel's text for this boot, made as long as the rows want it. */
static void read_boot_id(struct keeper *k)
{
    char text[CLOCK_BOOT_ID_LEN + 1];
    uint8_t hash[SHA256_LEN];

    clock_boot_id(text);
    sha256(span_str(text), hash);
    memcpy(k->boot_id, hash, sizeof(k->boot_id));
}

int keeper_main(int control_fd)
{
    static struct keeper keeper; /* one a process */
    struct keeper *k = &keeper;
    struct err_info err = { 0 };

    log_init("keeper", LOG_AUTO, LOG_INFO);
    *k = (struct keeper){ .dir_fd = -1 };
    (void) pthread_mutex_init(&k->lock, NULL);
    list_init(&k->coming);
    read_boot_id(k);
    if (secret_init(256, 64, &err) != ERR_OK || loop_new(&k->loop, &err) != ERR_OK ||
        link_new(k->loop, control_fd, true, &control_ops, k, &k->control, &err) != ERR_OK) {
        log_err(LOG_ERROR, "keeper.start-failed", &err);
        return 1;
    }
    loop_run(k->loop);
    finish(k);
    k->loop = loop_free(k->loop);
    return k->status;
}
