#include "keeper/keeper.h"

#include <malloc.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/log.h"
#include "crypto/hash.h"
#include "crypto/random.h"
#include "crypto/secret.h"
#include "keeper/channels.h"
#include "os/clock.h"
#include "os/file.h"

#define SECOND_MS    1000
#define WAL_EVERY_S  2
#define HASH_THREADS 2
#define HASH_QUEUE   32

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

/* ---- timers ---- */

static void on_second(void *arg)
{
    struct keeper *k = arg;

    loop_timer_arm(&k->second, SECOND_MS);
    channels_heartbeat(k);
    if (writer_busy_ms(k->writer, clock_mono_us()) >= SECOND_MS)
        return; /* it has not done the last second's work yet */
    channels_push_kind(k, CMD_SECOND, 0, 0);
    channels_push_kind(k, CMD_INTEGRATE, 0, 0);
    if (++k->seconds % 60 == 0)
        channels_push_kind(k, CMD_MINUTE, 0, 0);
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

/* Syncs of small files and reading all of a log: away from whoever waits. */
static void *evidence_thread(void *arg)
{
    struct keeper *k = arg;
    struct err_info err;

    while (!atomic_load(&k->wal_stop)) {
        (void) usleep(100000); /* as above */
        if (core_tiles(k->core, &err) != ERR_OK || core_scrub(k->core, &k->wal_stop, &err) != ERR_OK)
            env_fatal(k, &err);
    }
    return NULL;
}

/* ---- the control channel ---- */

static const char *text_of(struct arena *mem, struct span s)
{
    const char *t = arena_str(mem, s);

    return t == NULL ? "" : t;
}

static struct core_hook hook_of(struct arena *mem, const struct ipc_row_hook *row)
{
    return (struct core_hook){ text_of(mem, row->name), text_of(mem, row->project), text_of(mem, row->format),
                               text_of(mem, row->secret) };
}

static enum err open_core(struct keeper *k, const struct ipc_keeper_config *in, struct err_info *reterr)
{
    struct arena mem;
    const char *envs[16];
    struct core_hook *hooks;
    struct core_config cfg = { 0 };
    const struct core_env env = { .ctx = k, .clocks = env_clocks, .random = env_random, .deliver = channels_deliver,
                                  .space = env_space, .fatal = env_fatal };
    enum err e;

    arena_init(&mem, 1U << 20);
    hooks = arena_alloc(&mem, (in->hooks.n + 1) * sizeof(*hooks));
    cfg = (struct core_config){
        .public_url = text_of(&mem, in->public_url), .player_url = text_of(&mem, in->player_url),
        .dir = text_of(&mem, in->dir), .demo = in->demo != 0, .demo_password = text_of(&mem, in->demo_password),
        .envs = envs, .key_life_s = in->key_life_s, .bearer_life_s = in->bearer_life_s, .edge_skew_s = in->edge_skew_s,
        .lapse_ms = in->lapse_ms, .idle_session_ms = in->idle_session_ms, .session_ms = in->session_ms,
        .cli_session_ms = in->cli_session_ms, .fresh_ms = in->fresh_ms, .require_sync = in->require_sync != 0,
        .token_votes = in->token_votes != 0, .vanish_ms = in->vanish_ms,
        .new_key_wait_ms = in->new_key_wait_ms,
    };
    for (uint32_t i = 0; i < in->envs.n && i < 16; i++)
        envs[cfg.n_envs++] = text_of(&mem, in->envs.rows[i].text);
    for (uint32_t i = 0; hooks != NULL && i < in->hooks.n; i++)
        hooks[cfg.n_hooks++] = hook_of(&mem, &in->hooks.rows[i]);
    cfg.hooks = hooks;
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
    if (pthread_create(&k->evidence, NULL, evidence_thread, k) != 0)
        return ERR_RAISE(reterr, ERR_NOMEM, "thread for the audit log's files");
    k->evidence_started = true;
    channels_push_kind(k, CMD_START, 0, 0);
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
            channels_push(k, c);
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
            channels_take_peer(k, m->body, m->n_fds == 1 ? m->fds[0] : -1);
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
        channels_push_kind(k, CMD_STOP, 0, 0);
    k->readers = writer_free(k->readers);
    k->writer = writer_free(k->writer);
    channels_take(k); /* last answers and pushes */
    loop_turn(k->loop);
    k->hashing = pool_free(k->hashing);
    atomic_store(&k->wal_stop, true);
    if (k->wal_started)
        (void) pthread_join(k->wal, NULL);
    if (k->evidence_started)
        (void) pthread_join(k->evidence, NULL);
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

/*
 * Commands are made by the loop and freed by the writer: with a heap for each thread these grew and shrank with each group (mprotect),
 * and ten threads kept ten of them. One for all, which gives back only what is worth it.
 */
static void one_heap(void)
{
    (void) mallopt(M_ARENA_MAX, 1); /* without effect on another C library */
    (void) mallopt(M_TRIM_THRESHOLD, 2 << 20);
    (void) mallopt(M_TOP_PAD, 256 << 10);
}

int keeper_main(int control_fd)
{
    static struct keeper keeper; /* one a process */
    struct keeper *k = &keeper;
    struct err_info err = { 0 };

    one_heap();
    log_init("keeper", LOG_AUTO, LOG_INFO);
    (void) prctl(PR_SET_DUMPABLE, 0); /* tokens and openings pass through this memory */
    (void) prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
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
