#include "vault/vault.h"

#include <stdlib.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/log.h"
#include "crypto/random.h"
#include "link/link.h"
#include "loop/timer.h"
#include "os/clock.h"
#include "vault/checkpoint.h"

#define STALE_MS     3000
#define TURN_MS      1000
#define GATE_LINKS   64
#define PAST_EVENTS  32

/* A link and what it is for; to the keeper, or to one loop of the gate. */
struct peer {
    struct vault *vault;
    struct link *link;
    enum role_id role;
};

struct vault {
    struct loop *loop;
    struct link *control;
    struct peer keeper;
    struct peer gates[GATE_LINKS];
    struct loop_timer turn;
    struct vault_core core;
    struct list staged; /* checkpoints of this turn */
    struct loop_deferred flush;
    enum vault_alarm alarm, told; /* as it stands; as the keeper was told */
    struct signing_event past[PAST_EVENTS]; /* told to a keeper that may have died of it */
    size_t n_past;
    bool open;
    int64_t heard; /* boot clock of the keeper's last word; -STALE_MS: never */
    int status;
};

enum err vault_setup(const char *dir, uint32_t *ret_epoch, uint8_t ret_epoch_pk[32], struct err_info *reterr)
{
    /* Rotation and lives do not matter yet: nothing is signed before the server runs. The first signing key is born then, so
     * that its birth is in the log. */
    const struct vault_core_config config = { dir, SPAN("setup"), SPAN("setup"), KEY_LIFE_MAX_S, KEY_LIFE_MAX_S,
                                              3600 * 1000, true };
    struct ipc_row_signing_key rows[KEY_RING_CAP];
    struct vault_core *core = calloc(1, sizeof(*core));
    struct ipc_keys keys;
    uint8_t secret[16];
    enum err e;

    if (core == NULL)
        return ERR_RAISE(reterr, ERR_NOMEM, "no memory for the vault");
    random_fill(secret, sizeof(secret));
    e = vault_store_create(dir, reterr);
    if (e == ERR_OK)
        e = vault_core_open(&config, secret, clock_wall_ms(), core, reterr);
    if (e == ERR_OK) {
        vault_core_keys(core, false, rows, &keys);
        *ret_epoch = keys.epoch;
        memcpy(ret_epoch_pk, keys.epoch_pk.p, keys.epoch_pk.n);
        vault_core_close(core);
    }
    free(core);
    return e;
}

static bool is_stale(const struct vault *v)
{
    return v->keeper.link == NULL || clock_boot_ms() - v->heard >= STALE_MS;
}

static void send_keys(struct vault *v, struct peer *to)
{
    struct ipc_row_signing_key rows[KEY_RING_CAP];
    struct ipc_keys m;

    if (to->link == NULL || !v->open)
        return;
    vault_core_keys(&v->core, to->role == ROLE_GATE, rows, &m);
    if (link_send_urgent(to->link, IPC_T_KEYS, &m) != ERR_OK)
        log_event(LOG_WARN, "keys.not-sent");
}

static bool send_event(struct vault *v, const char *type, const char *kid, const char *thumbprint)
{
    const struct ipc_key_event m = { span_str(type), span_str(kid), span_str(thumbprint), clock_wall_ms() };

    return link_send(v->keeper.link, IPC_T_KEY_EVENT, &m) == ERR_OK;
}

/* The keeper writes them into the log; without a keeper they wait. */
static void send_events(struct vault *v)
{
    if (v->keeper.link == NULL)
        return;
    for (size_t i = 0; i < v->core.signing.n_events; i++) {
        const struct signing_event *e = &v->core.signing.events[i];

        if (!send_event(v, e->type, e->kid, e->thumbprint))
            return;
        v->past[v->n_past++ % PAST_EVENTS] = *e;
    }
    v->core.signing.n_events = 0;
}

/* What stops the signing is logged here; the keeper writes it into the log that it may not have shown. */
static void tell_alarm(struct vault *v)
{
    enum vault_alarm now = vault_core_alarm(&v->core, clock_boot_ms());
    const struct ipc_key_event m = {
        .type = now == VAULT_ALARM_NONE ? SPAN("alarm.cleared") : SPAN("alarm.raised"),
        .kid = now == VAULT_ALARM_FALSE ? SPAN("leaf-hidden") : SPAN("leaf-not-shown"),
        .at_ms = clock_wall_ms(),
    };

    if (now != v->alarm)
        log_event(now == VAULT_ALARM_NONE ? LOG_WARN : LOG_ERROR,
                  now == VAULT_ALARM_NONE ? "alarm.cleared" : "alarm.raised", LOG_SPAN("what", m.kid),
                  LOG_STR("text", now == VAULT_ALARM_NONE ? "the log shows what was waited for"
                                                          : "nothing is signed or released"));
    v->alarm = now;
    if (now != v->told && v->keeper.link != NULL && link_send(v->keeper.link, IPC_T_KEY_EVENT, &m) == ERR_OK)
        v->told = now;
}

/* The gate may not go on without us: a silent vault is a dead one (STANDARDS 3.6). */
static void send_beats(struct vault *v)
{
    const struct ipc_heartbeat beat = { .wall_ms = clock_wall_ms(), .audit_ok = 1, .clock_ok = 1, .vault_ok = 1 };

    for (size_t i = 0; i < GATE_LINKS; i++) {
        if (v->gates[i].link != NULL)
            (void) link_send_urgent(v->gates[i].link, IPC_T_HEARTBEAT, &beat); /* one lost beat is not three */
    }
}

static void on_turn(void *arg)
{
    struct vault *v = arg;
    struct err_info e;
    bool changed = false;

    loop_timer_arm(&v->turn, TURN_MS);
    send_beats(v);
    tell_alarm(v);
    if (vault_core_turn(&v->core, clock_wall_ms(), clock_boot_ms(), &changed, &e) != ERR_OK)
        log_err(LOG_ERROR, "signing-key.rotation-failed", &e);
    send_events(v);
    if (changed) {
        send_keys(v, &v->keeper);
        send_keys(v, &v->gates[0]);
    }
}

/* ---- the keeper's calls ---- */

static void do_sign_key(struct vault *v, const struct link_msg *m)
{
    const struct ipc_sign_key *in = m->body;
    struct buf key = BUF_INIT(KEY_LEN_MAX + 64);
    struct ipc_signed out = { .status = 0 };
    const char *kid = "";
    enum vault_sign how = is_stale(v) ? VAULT_NOT_LIVE
                                      : vault_core_sign(&v->core, in, clock_wall_ms(), clock_boot_ms(), &key, &kid);

    if (how == VAULT_SIGNED) {
        out.key = buf_span(&key);
        out.kid = span_str(kid);
    } else {
        out.status = 503;
        out.code = how == VAULT_NOT_SHOWN ? SPAN("audit-unavailable") : SPAN("authority-stale");
        log_event(LOG_WARN, "key.not-signed", LOG_STR("why", vault_sign_word(how)), LOG_SPAN("gid", in->gid));
    }
    (void) link_answer(v->keeper.link, m->call, IPC_T_SIGNED, &out); /* a keeper that has gone asks again */
    if (key.p != NULL)
        secret_wipe(key.p, key.cap);
    buf_deinit(&key);
}

/* ---- checkpoints: all of a turn share one write of the key store ---- */

static void answer_checkpoint(struct vault *v, uint64_t call, const struct ipc_checkpoint *m)
{
    if (v->keeper.link != NULL)
        (void) link_answer(v->keeper.link, call, IPC_T_CHECKPOINT, m); /* a keeper that has gone asks again */
}

static void refuse_checkpoint(struct vault *v, uint64_t call, struct span log, uint16_t status, const char *code)
{
    const struct ipc_checkpoint out = { .status = status, .code = span_str(code), .log = log,
                                        .size = vault_core_last_signed(&v->core, log) };

    answer_checkpoint(v, call, &out);
}

static void sign_checkpoint(struct vault *v, const struct checkpoint *p)
{
    struct buf note = BUF_INIT(8192);
    struct ipc_checkpoint out = { .log = span_str(p->log), .size = p->size };
    struct err_info e = { 0 };

    if (checkpoint_note(&v->core, p, &note, &e) == ERR_OK) {
        out.note = buf_span(&note);
        answer_checkpoint(v, p->call, &out);
    } else {
        log_err(LOG_ERROR, "checkpoint.failed", &e);
        refuse_checkpoint(v, p->call, span_str(p->log), 503, "audit-unavailable");
    }
    buf_deinit(&note);
}

static void flush_checkpoints(void *arg)
{
    struct vault *v = arg;
    struct err_info e = { 0 };
    bool saved;

    if (list_empty(&v->staged))
        return;
    saved = checkpoint_save(&v->core, &v->staged, clock_boot_ms(), &e) == ERR_OK;
    if (!saved)
        log_err(LOG_ERROR, "checkpoint.failed", &e);
    while (!list_empty(&v->staged)) {
        struct checkpoint *p = LIST_ENTRY(v->staged.next, struct checkpoint, node);

        if (saved)
            sign_checkpoint(v, p);
        else
            refuse_checkpoint(v, p->call, span_str(p->log), 503, "audit-unavailable");
        (void) checkpoint_free(p);
    }
    tell_alarm(v);
}

static void do_checkpoint(struct vault *v, const struct link_msg *m)
{
    const struct ipc_sign_checkpoint *in = m->body;
    struct checkpoint *p = NULL;
    struct err_info e = { 0 };

    switch (checkpoint_stage(&v->core, in, &p, &e)) {
    case CHECKPOINT_GOOD:
        p->call = m->call;
        list_append(&v->staged, &p->node);
        loop_defer(v->loop, &v->flush);
        break;
    case CHECKPOINT_OLD: refuse_checkpoint(v, m->call, in->log, 409, "old-size"); break;
    case CHECKPOINT_SEALED:
        log_err(LOG_ERROR, "alarm.audit-fork", &e);
        refuse_checkpoint(v, m->call, in->log, 409, "audit-sealed");
        break;
    case CHECKPOINT_HIDES:
        log_err(LOG_ERROR, "alarm.leaf-hidden", &e);
        refuse_checkpoint(v, m->call, in->log, 409, "audit-sealed");
        tell_alarm(v);
        break;
    case CHECKPOINT_BAD:
        log_err(LOG_ERROR, "checkpoint.failed", &e);
        refuse_checkpoint(v, m->call, in->log, 503, "audit-unavailable");
        break;
    }
}

/* ---- the signing keys ---- */

static void publish(struct vault *v)
{
    send_keys(v, &v->gates[0]);
    send_keys(v, &v->keeper);
    send_events(v);
}

static void do_rotate(struct vault *v, const struct link_msg *m)
{
    const struct ipc_rotate *in = m->body;
    struct ipc_done out = { 0 };
    struct err_info e = { 0 };
    enum err err = vault_core_roll(&v->core, clock_wall_ms(), in->emergency != 0, &e);

    if (err != ERR_OK) {
        log_err(LOG_ERROR, "signing-key.rotation-failed", &e);
        out.status = err == ERR_LIMIT ? 429 : 503;
        out.code = err == ERR_LIMIT ? SPAN("rate-limited") : SPAN("authority-stale");
    }
    publish(v); /* also after a failure: what was dropped is not to be checked by anybody */
    (void) link_answer(v->keeper.link, m->call, IPC_T_DONE, &out);
}

/* Births, activations and retirements of what there is: the keeper keeps those that it has not written yet. */
static void send_history(struct vault *v)
{
    static const char *const types[] = { "signing-key.created", "signing-key.activated", "signing-key.retired" };
    char thumbprint[KEY_JKT_LEN + 1];

    for (size_t i = 0; i < v->core.signing.n && v->keeper.link != NULL && v->open; i++) {
        const struct signing_key *k = &v->core.signing.keys[i];
        const size_t n = k->state == SIGNING_NEXT ? 1 : k->state == SIGNING_CURRENT ? 2 : 3;

        key_jkt(k->pub, thumbprint);
        for (size_t t = 0; t < n; t++) {
            if (!send_event(v, types[t], k->kid, thumbprint))
                return;
        }
    }
    /* and of what is gone since */
    for (size_t i = v->n_past > PAST_EVENTS ? v->n_past - PAST_EVENTS : 0; i < v->n_past && v->keeper.link != NULL; i++) {
        const struct signing_event *e = &v->past[i % PAST_EVENTS];

        if (!send_event(v, e->type, e->kid, e->thumbprint))
            return;
    }
}

static void on_keeper_message(void *ctx, struct link_msg *m)
{
    struct peer *p = ctx;
    struct vault *v = p->vault;
    const struct ipc_done done = { 0 };

    v->heard = clock_boot_ms();
    if (!v->open)
        return; /* what it says counts when the store is open; calls run into their deadline */
    switch ((int) m->type) {
    case IPC_T_GRANTS: vault_core_grants(&v->core, m->body); break;
    case IPC_T_DENY: vault_core_deny(&v->core, m->body); break;
    case IPC_T_HEARTBEAT: break;
    case IPC_T_SIGN_KEY: do_sign_key(v, m); break;
    case IPC_T_SIGN_CHECKPOINT: do_checkpoint(v, m); break;
    case IPC_T_ROTATE: do_rotate(v, m); break;
    case IPC_T_LOG_BEGIN: (void) link_answer(p->link, m->call, IPC_T_DONE, &done); break;
    default: log_event(LOG_WARN, "message.unexpected", LOG_STR("type", ipc_name(m->type)));
    }
}

/* ---- the gate's one call ---- */

static void on_gate_message(void *ctx, struct link_msg *m)
{
    struct peer *p = ctx;
    struct vault *v = p->vault;
    const struct ipc_open *in = m->body;
    CLEANUP(secret_freep) struct secret *rk = NULL;
    struct ipc_released out = { .verdict = KEY_AUTHORITY_STALE };
    bool alarm = false;

    if (m->type != IPC_T_OPEN) {
        log_event(LOG_WARN, "message.unexpected", LOG_STR("type", ipc_name(m->type)));
        return;
    }
    if (v->open && !is_stale(v))
        out.verdict = (uint16_t) vault_core_open_rk(&v->core, in, clock_wall_ms(), clock_boot_ms(), &rk, &alarm);
    if (rk != NULL)
        out.rk = secret_span(rk);
    if (alarm)
        log_event(LOG_ERROR, "alarm.wrap", LOG_SPAN("rid", in->rid), LOG_SPAN("jti", in->jti));
    (void) link_answer(p->link, m->call, IPC_T_RELEASED, &out);
    if (out.verdict == KEY_AUDIT_UNAVAILABLE)
        tell_alarm(v);
}

static void on_peer_closed(void *ctx, const struct err_info *why)
{
    struct peer *p = ctx;

    log_event(LOG_INFO, "peer.gone", LOG_STR("text", why->text));
    if (p->role == ROLE_KEEPER)
        flush_checkpoints(p->vault); /* before its link goes: call numbers are a link's own */
    p->link = link_free(p->link);
    if (p->role == ROLE_KEEPER)
        p->vault->heard = clock_boot_ms() - STALE_MS;
}

static const struct link_ops keeper_ops = { .on_message = on_keeper_message, .on_closed = on_peer_closed };
static const struct link_ops gate_ops = { .on_message = on_gate_message, .on_closed = on_peer_closed };

/* ---- the supervisor ---- */

static void take_peer(struct vault *v, const struct ipc_peer *m, int fd)
{
    struct peer *p = m->role == ROLE_KEEPER ? &v->keeper : m->index < GATE_LINKS ? &v->gates[m->index] : NULL;
    struct err_info e;
    int mine = fd < 0 ? -1 : dup(fd);

    if (p == NULL || mine < 0)
        return;
    if (p == &v->keeper)
        flush_checkpoints(v);
    p->vault = v;
    p->role = (enum role_id) m->role;
    p->link = link_free(p->link);
    if (p == &v->keeper) {
        live_clear(&v->core.live); /* a new keeper begins with the full list */
        v->heard = clock_boot_ms();
    }
    if (link_new(v->loop, mine, false, p == &v->keeper ? &keeper_ops : &gate_ops, p, &p->link, &e) != ERR_OK) {
        log_err(LOG_ERROR, "peer.refused", &e);
        (void) close(mine);
        return;
    }
    send_keys(v, p);
    if (p == &v->keeper) {
        send_history(v);
        send_events(v);
    }
}

static enum err open_core(struct vault *v, const struct ipc_vault_config *m, struct err_info *reterr)
{
    uint8_t secret[16];
    char dir[4096];
    struct vault_core_config config = { dir, m->issuer, m->audience, m->key_life_s, m->bearer_life_s, m->rotate_ms };

    if (!span_to_str(m->dir, dir, sizeof(dir)))
        return ERR_RAISE(reterr, ERR_LIMIT, "dir is too long");
    random_fill(secret, sizeof(secret));
    return vault_core_open(&config, secret, clock_wall_ms(), &v->core, reterr);
}

static void configure(struct vault *v, const struct ipc_vault_config *m)
{
    struct ipc_ready ready = { .ok = 1 };
    struct err_info e = { 0 };

    log_init("vault", m->log_format ? LOG_JSON : LOG_AUTO, LOG_INFO);
    if (v->open) { /* SIGHUP */
        v->core.key_life_s = m->key_life_s;
        v->core.bearer_life_s = m->bearer_life_s;
        v->core.signing.rotate = m->rotate_ms;
        return;
    }
    if (open_core(v, m, &e) == ERR_OK) {
        v->open = true;
        loop_timer_arm(&v->turn, TURN_MS);
    } else {
        log_err(LOG_ERROR, "vault.not-opened", &e);
        ready.ok = 0;
        ready.text = span_str(e.text);
        v->status = 1;
    }
    (void) link_send(v->control, IPC_T_READY, &ready);
}

static void on_control_message(void *ctx, struct link_msg *m)
{
    struct vault *v = ctx;

    switch ((int) m->type) {
    case IPC_T_VAULT_CONFIG: configure(v, m->body); break;
    case IPC_T_PEER: take_peer(v, m->body, m->n_fds > 0 ? m->fds[0] : -1); break;
    case IPC_T_SHUTDOWN: loop_stop(v->loop); break;
    default: log_event(LOG_WARN, "message.unexpected", LOG_STR("type", ipc_name(m->type)));
    }
}

static void on_control_closed(void *ctx, const struct err_info *why)
{
    struct vault *v = ctx;

    (void) why; /* without a supervisor there is no server */
    loop_stop(v->loop);
}

static const struct link_ops control_ops = { .on_message = on_control_message, .on_closed = on_control_closed };

static void close_all(struct vault *v)
{
    for (size_t i = 0; i < GATE_LINKS; i++)
        v->gates[i].link = link_free(v->gates[i].link);
    v->keeper.link = link_free(v->keeper.link);
    v->control = link_free(v->control);
    loop_timer_cancel(&v->turn);
    loop_defer_cancel(&v->flush);
    while (!list_empty(&v->staged))
        (void) checkpoint_free(LIST_ENTRY(v->staged.next, struct checkpoint, node));
    if (v->open)
        vault_core_close(&v->core);
    v->loop = loop_free(v->loop);
}

int vault_main(int control_fd)
{
    struct vault *v = calloc(1, sizeof(*v));
    struct secret_state locked;
    struct err_info e;
    int status;

    log_init("vault", LOG_AUTO, LOG_INFO);
    (void) prctl(PR_SET_DUMPABLE, 0);
    (void) prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    if (v == NULL)
        return 1;
    list_init(&v->staged);
    v->flush = (struct loop_deferred){ .fn = flush_checkpoints, .arg = v };
    if (secret_init(4096, 64, &e) != ERR_OK || loop_new(&v->loop, &e) != ERR_OK ||
        link_new(v->loop, control_fd, true, &control_ops, v, &v->control, &e) != ERR_OK) {
        log_err(LOG_ERROR, "vault.not-started", &e);
        return 1;
    }
    secret_state(&locked);
    if (!locked.locked)
        log_event(LOG_WARN, "secrets.not-locked", LOG_STR("text", "RLIMIT_MEMLOCK is too small: keys may be swapped"));
    loop_timer_init(&v->turn, v->loop, on_turn, v);
    loop_run(v->loop);
    status = v->status;
    close_all(v);
    free(v);
    return status;
}
