#include "world.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "codec/base64.h"
#include "crypto/hash.h"
#include "crypto/random.h"
#include "format/wrap.h"
#include "gate/gate.h"
#include "os/clock.h"

struct world w;

void world_lock(void)
{
    (void) pthread_mutex_lock(&w.lock);
}

void world_unlock(void)
{
    (void) pthread_mutex_unlock(&w.lock);
}

/* ---- in the peers' thread ---- */

struct todo {
    void (*fn)(void *arg);
    void *arg;
    bool done;
    pthread_mutex_t m;
    pthread_cond_t c;
};

static void run_todo(void *arg)
{
    struct todo *t = arg;

    world_lock();
    t->fn(t->arg);
    world_unlock();
    (void) pthread_mutex_lock(&t->m);
    t->done = true;
    (void) pthread_cond_signal(&t->c);
    (void) pthread_mutex_unlock(&t->m);
}

void world_do(void (*fn)(void *arg), void *arg)
{
    struct todo t = { .fn = fn, .arg = arg };

    (void) pthread_mutex_init(&t.m, NULL);
    (void) pthread_cond_init(&t.c, NULL);
    assert_ok(loop_post(w.loop, run_todo, &t));
    (void) pthread_mutex_lock(&t.m);
    while (!t.done)
        (void) pthread_cond_wait(&t.c, &t.m);
    (void) pthread_mutex_unlock(&t.m);
    (void) pthread_cond_destroy(&t.c);
    (void) pthread_mutex_destroy(&t.m);
}

/* Deadlines of a test bound a wait and prove nothing: on a machine that does ten things at once they must not be what fails. */
int patient(int ms)
{
    return getenv("KEYHOLE_SANITIZED") != NULL ? ms * 20 : ms * 6;
}

void world_wait(bool (*holds)(void), int ms)
{
    int64_t until = clock_boot_ms() + patient(ms);
    bool yes;

    for (;;) {
        world_lock();
        yes = holds();
        world_unlock();
        if (yes)
            return;
        if (clock_boot_ms() > until)
            fail_msg("what was waited for did not come in %d ms", ms);
        (void) usleep(2000);
    }
}

static void *run_peers(void *arg)
{
    (void) arg;
    loop_run(w.loop);
    return NULL;
}

static void copy(char *to, size_t cap, struct span s)
{
    (void) snprintf(to, cap, "%.*s", SPAN_ARG(s));
}

/* ---- the keeper ---- */

static void answer(struct link *k, uint64_t call, enum ipc_type type, const void *msg)
{
    (void) link_answer(k, call, type, msg); /* the gate may have gone */
}

static struct world_recording *find(struct span rid)
{
    for (size_t i = 0; i < w.n_recordings; i++) {
        if (span_eq_str(rid, w.recordings[i].rid))
            return &w.recordings[i];
    }
    return NULL;
}

struct world_recording *recording_of(const char *rid)
{
    struct world_recording *r = find(span_str(rid));

    assert_non_null(r);
    return r;
}

void world_masks(struct link *to)
{
    const struct ipc_mask_rules m = { .pid = SPAN(PROJECT), .version = 1 };

    (void) link_send(to, IPC_T_MASK_RULES, &m);
}

static void on_ingest_open(struct link *k, const struct link_msg *m)
{
    const struct ipc_ingest_open *in = m->body;
    struct ipc_ingest_opened out = { .status = 403, .code = SPAN("forbidden") };
    struct world_recording *r = &w.recordings[w.n_recordings];

    if (!w.ways.refuse_ingest && w.n_recordings < WORLD_RECORDINGS) {
        w.n_recordings++;
        memset(r, 0, sizeof(*r));
        buf_init(&r->wrap, WRAP_MAX);
        (void) snprintf(r->rid, sizeof(r->rid), "r_%016u", ++w.next_rid);
        copy(r->title, sizeof(r->title), in->title);
        r->n_tags = in->tags.n;
        out = (struct ipc_ingest_opened){ .rid = span_str(r->rid), .pid = SPAN(PROJECT), .epoch = 1,
                                          .epoch_pk = SPAN_OF(w.epoch_pub) };
        world_masks(k);
    }
    answer(k, m->call, IPC_T_INGEST_OPENED, &out);
}

static void on_pieces(struct link *k, const struct link_msg *m)
{
    const struct ipc_piece_put *in = m->body;
    struct ipc_done out = { .status = 0 };
    struct world_recording *r = find(in->rid);

    if (w.ways.refuse_pieces)
        out = (struct ipc_done){ .status = 503, .code = SPAN("ingest-space") };
    for (uint32_t i = 0; i < in->pieces.n && r != NULL && !w.ways.refuse_pieces; i++) {
        struct ipc_row_piece *p = &r->pieces[r->n_pieces];

        *p = in->pieces.rows[i];
        memcpy(r->sha256[r->n_pieces], p->sha256.p, 32);
        p->sha256 = span_of(r->sha256[r->n_pieces++], 32);
    }
    answer(k, m->call, IPC_T_DONE, &out);
}

static void on_end(struct link *k, const struct link_msg *m)
{
    const struct ipc_end *in = m->body;
    struct ipc_answer out = { .status = 201 };
    struct world_recording *r = find(in->rid);

    if (r == NULL)
        return;
    if (in->ok && w.ways.silent_end)
        return;
    if (in->ok && w.ways.refuse_end) {
        out = (struct ipc_answer){ .status = 503, .code = SPAN("ingest-space") };
    } else if (r->ended == 1) {
        out = (struct ipc_answer){ .status = 409, .code = SPAN("grant-state-conflict") };
    } else {
        r->ended = in->ok ? 1 : -1;
        copy(r->kind, sizeof(r->kind), in->kind);
        r->events = in->events;
        r->duration_us = in->duration_us;
        r->started_ms = in->started_ms;
    }
    answer(k, m->call, IPC_T_ANSWER, &out);
}

static void write_lease(const struct ipc_lease *in, uint64_t idx)
{
    struct world_lease *l = &w.leases[idx];

    *l = (struct world_lease){ .what = in->what, .from_seq = in->from_seq, .to_seq = in->to_seq, .from_ms = in->from_ms,
                               .to_ms = in->to_ms, .bytes = in->bytes, .release = in->release, .first_lease = in->first_lease,
                               .at = clock_boot_ms() };
    copy(l->jti, sizeof(l->jti), in->jti);
    copy(l->rid, sizeof(l->rid), in->rid);
    if (in->proof.n == sizeof(l->proof))
        memcpy(l->proof, in->proof.p, sizeof(l->proof));
}

static void on_key_first(struct link *k, const struct link_msg *m)
{
    const struct ipc_key_first *in = m->body;
    struct ipc_key_facts out = { .verdict = w.ways.key_first, .vid = SPAN(VIEWING), .volume = w.ways.volume };
    struct world_recording *r = find(in->rid);
    struct ipc_row_wrap wrap;

    w.n_key_first++;
    copy(w.last_jkt, sizeof(w.last_jkt), in->jkt);
    if (w.ways.key_first_grant) {
        out.grant.rows = &w.grant;
        out.grant.n = 1;
    }
    if (r != NULL) {
        wrap = (struct ipc_row_wrap){ .epoch = r->epoch, .wrap = buf_span(&r->wrap) };
        out.wraps.rows = &wrap;
        out.wraps.n = 1;
        out.pieces.rows = r->pieces;
        out.pieces.n = (uint32_t) r->n_pieces;
        out.kind = span_str(r->kind);
        out.events = r->events;
        out.duration_us = r->duration_us;
        out.started_ms = r->started_ms;
        for (size_t i = 0; i < r->n_pieces; i++)
            out.n_chunks += r->pieces[i].n_chunks;
    }
    if (w.ways.first_lease && in->lease != 0 && w.n_leases < WORLD_LOG) {
        out.lease_idx = w.n_leases;
        out.release_idx = w.n_leases + 1;
        out.release_t_ms = clock_wall_ms();
        write_lease(&(struct ipc_lease){ .jti = in->jti, .rid = in->rid, .what = LEASE_MANIFEST, .release = 1, .proof = in->proof },
                    w.n_leases++);
    }
    answer(k, m->call, IPC_T_KEY_FACTS, &out);
}

static void say_leased(struct link *k, uint64_t call, uint64_t idx)
{
    const struct ipc_leased out = { .verdict = w.ways.lease, .idx = idx, .t_ms = clock_wall_ms(), .release_idx = idx + 1 };

    answer(k, call, IPC_T_LEASED, &out);
}

static void hold(struct link *k, uint64_t call, bool control, uint64_t idx)
{
    if (w.n_held < sizeof(w.held) / sizeof(w.held[0])) {
        w.held[w.n_held].link = k;
        w.held[w.n_held].call = call;
        w.held[w.n_held].control = control;
        w.held[w.n_held++].idx = idx;
    }
}

static void on_lease(struct link *k, const struct link_msg *m)
{
    if (w.n_leases == WORLD_LOG)
        return;
    write_lease(m->body, w.n_leases++);
    if (w.ways.hold_leases)
        hold(k, m->call, false, w.n_leases - 1);
    else
        say_leased(k, m->call, w.n_leases - 1);
}

static void on_settle(const struct ipc_settle *in)
{
    struct world_settle *s = &w.settles[w.n_settles % WORLD_LOG];

    w.n_settles++;
    *s = (struct world_settle){ .first_lease = in->first_lease, .bytes = in->bytes, .n_ranges = in->ranges.n,
                                .more = in->more, .exported = in->exported };
    copy(s->jti, sizeof(s->jti), in->jti);
    for (uint32_t i = 0; i < in->ranges.n && i < 16; i++)
        s->ranges[i] = in->ranges.rows[i];
}

static void on_refused(const struct ipc_refused *in)
{
    struct world_refusal *r = &w.refusals[w.n_refusals++ % WORLD_LOG];

    copy(r->code, sizeof(r->code), in->code);
    copy(r->route, sizeof(r->route), in->route);
    copy(r->jti, sizeof(r->jti), in->jti);
    copy(r->gid, sizeof(r->gid), in->gid);
    copy(r->rid, sizeof(r->rid), in->rid);
    r->count = in->count;
}

static void say_answer(struct link *k, uint64_t call)
{
    struct ipc_answer out = { .status = w.ways.answer_status != 0 ? w.ways.answer_status : 200, .body = SPAN("{\"ok\":true}") };

    if (w.ways.answer_code != NULL) {
        out.code = span_str(w.ways.answer_code);
        out.body = SPAN_EMPTY;
    }
    if (w.ways.answer_body != NULL)
        out.body = span_str(w.ways.answer_body);
    if (w.ways.answer_detail != NULL)
        out.detail = span_str(w.ways.answer_detail);
    if (w.ways.set_token != NULL)
        out.set_token = span_str(w.ways.set_token);
    out.clear_token = w.ways.clear_token;
    answer(k, call, IPC_T_ANSWER, &out);
}

static void on_control_call(struct link *k, const struct link_msg *m)
{
    const struct ipc_control *in = m->body;
    struct world_control *c = &w.controls[w.n_controls++ % 64];

    *c = (struct world_control){ .route = in->route, .cred_kind = (char) in->cred_kind, .browser = in->browser,
                                 .cred_n = in->cred.n, .body_n = in->body.n };
    copy(c->id1, sizeof(c->id1), in->id1);
    copy(c->idem, sizeof(c->idem), in->idem_key);
    copy(c->if_match, sizeof(c->if_match), in->if_match);
    copy(c->client, sizeof(c->client), in->client);
    copy(c->trace, sizeof(c->trace), in->trace);
    copy(c->jkt, sizeof(c->jkt), in->proof_jkt);
    copy(c->act, sizeof(c->act), in->act);
    if (in->cred.n == 32)
        memcpy(c->cred, in->cred.p, 32);
    if (in->proof_pub.n == sizeof(c->pub))
        memcpy(c->pub, in->proof_pub.p, sizeof(c->pub));
    c->addr_n = in->addr.n;
    if (in->addr.n > 0 && in->addr.n <= sizeof(c->addr))
        memcpy(c->addr, in->addr.p, in->addr.n);
    if (w.ways.hold_controls)
        hold(k, m->call, true, 0);
    else
        say_answer(k, m->call);
}

static void on_watch(struct link *k, const struct link_msg *m)
{
    const struct ipc_watch_open *in = m->body;
    struct ipc_answer out = { .status = 200 };

    if (w.ways.refuse_watch)
        out = (struct ipc_answer){ .status = 401, .code = SPAN("login-needed") };
    w.watches[w.n_watches % 16].sub = in->sub;
    w.watches[w.n_watches++ % 16].lane = k == w.keeper[0] ? 0 : 1;
    answer(k, m->call, IPC_T_ANSWER, &out);
}

static void on_wrap(struct link *k, const struct link_msg *m)
{
    const struct ipc_wrap_put *in = m->body;
    const struct ipc_done done = { 0 };
    struct world_recording *r = find(in->rid);

    if (r != NULL && in->wraps.n == 1) {
        buf_reset(&r->wrap);
        buf_add_span(&r->wrap, in->wraps.rows[0].wrap);
        r->epoch = in->wraps.rows[0].epoch;
    }
    if (!w.ways.silent_wrap)
        answer(k, m->call, IPC_T_DONE, &done);
}

static void on_keeper_message(void *ctx, struct link_msg *m)
{
    struct link *k = *(struct link **) ctx;

    world_lock();
    if (w.ways.more != NULL && w.ways.more(k, m)) {
        world_unlock();
        return;
    }
    switch ((int) m->type) {
    case IPC_T_CONTROL: on_control_call(k, m); break;
    case IPC_T_WATCH_OPEN: on_watch(k, m); break;
    case IPC_T_WATCH_CLOSE: w.n_watch_close++; break;
    case IPC_T_INGEST_OPEN: on_ingest_open(k, m); break;
    case IPC_T_WRAP_PUT: on_wrap(k, m); break;
    case IPC_T_PIECE_PUT: on_pieces(k, m); break;
    case IPC_T_END: on_end(k, m); break;
    case IPC_T_KEY_FIRST: on_key_first(k, m); break;
    case IPC_T_LEASE: on_lease(k, m); break;
    case IPC_T_SETTLE: on_settle(m->body); break;
    case IPC_T_REFUSED: on_refused(m->body); break;
    case IPC_T_STREAM_OPEN: w.n_stream_open++; break;
    case IPC_T_STREAM_CLOSE:
        w.n_stream_close++;
        w.last_end_code = ((const struct ipc_stream_close *) m->body)->end_code;
        break;
    default: break;
    }
    world_unlock();
}

/* ---- the vault ---- */

static void on_vault_message(void *ctx, struct link_msg *m)
{
    struct link *k = *(struct link **) ctx;
    const struct ipc_open *in = m->body;
    struct ipc_released out = { .verdict = w.ways.open };
    const struct wrap_name name = { WRAP_RK, in->rid, in->pid, in->epoch };
    CLEANUP(secret_freep) struct secret *rk = NULL;

    if (m->type != IPC_T_OPEN)
        return;
    world_lock();
    w.n_open++;
    if (out.verdict == KEY_OK && wrap_open(in->wrap, &name, w.epoch, w.epoch_pub, &rk, NULL) == ERR_OK)
        out.rk = secret_span(rk);
    else if (out.verdict == KEY_OK)
        out.verdict = KEY_FORGED;
    answer(k, m->call, IPC_T_RELEASED, &out);
    world_unlock();
}

static void on_gone(void *ctx, const struct err_info *why)
{
    struct link **k = ctx;

    (void) why;
    *k = link_free(*k);
}

static const struct link_ops keeper_ops = { .on_message = on_keeper_message, .on_closed = on_gone };
static const struct link_ops vault_ops = { .on_message = on_vault_message, .on_closed = on_gone };

static void send_keys(struct link *k)
{
    struct ipc_row_signing_key row = { .kid = span_str(w.kid), .x = span_of(w.signing_pub, 32),
                                       .y = span_of(w.signing_pub + 32, 32), .state = 1, .k_ctx = secret_span(w.k_ctx) };
    struct ipc_keys m = { .epoch = 1, .epoch_pk = SPAN_OF(w.epoch_pub) };

    m.signing.rows = &row;
    m.signing.n = 1;
    (void) link_send(k, IPC_T_KEYS, &m);
}

static void send_grants(bool full)
{
    struct ipc_grants m = { .seq = ++w.grant_seq, .full = full };

    m.rows.rows = &w.grant;
    m.rows.n = w.grant.gid.n == 0 ? 0 : 1;
    if (w.keeper[0] != NULL)
        (void) link_send(w.keeper[0], IPC_T_GRANTS, &m);
}

static void send_beat(void)
{
    const struct ipc_heartbeat m = { .seq = 1, .wall_ms = clock_wall_ms(), .audit_ok = !w.ways.audit_bad, .clock_ok = 1,
                                     .vault_ok = 1 };

    if (!w.ways.mute && w.keeper[0] != NULL)
        (void) link_send(w.keeper[0], IPC_T_HEARTBEAT, &m);
    for (uint32_t i = 0; i < WORLD_LANES; i++) {
        if (w.vault[i] != NULL)
            (void) link_send(w.vault[i], IPC_T_HEARTBEAT, &m);
    }
}

static void on_beat(void *arg)
{
    (void) arg;
    loop_timer_arm(&w.beat, 200);
    world_lock();
    send_beat();
    world_unlock();
}

static void peer(struct link **to, uint8_t role, uint32_t lane, const struct link_ops *ops)
{
    const struct ipc_peer m = { .role = role, .index = lane };
    int fds[2];

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) != 0)
        abort();
    *to = link_free(*to);
    if (link_new(w.loop, fds[0], false, ops, to, to, NULL) != ERR_OK ||
        link_send_fds(w.control, IPC_T_PEER, &m, &fds[1], 1) != ERR_OK)
        abort();
    (void) close(fds[1]);
}

static void keeper_comes(void *arg)
{
    (void) arg;
    for (uint32_t i = 0; i < WORLD_LANES; i++)
        peer(&w.keeper[i], ROLE_KEEPER, i, &keeper_ops);
    send_grants(true);
    if (w.greet != NULL)
        w.greet(w.keeper[0]);
    send_beat();
}

static void vault_comes(void *arg)
{
    (void) arg;
    for (uint32_t i = 0; i < WORLD_LANES; i++) {
        peer(&w.vault[i], ROLE_VAULT, i, &vault_ops);
        send_keys(w.vault[i]);
    }
}

static void keeper_dies(void *arg)
{
    (void) arg;
    w.n_held = 0;
    for (uint32_t i = 0; i < WORLD_LANES; i++)
        w.keeper[i] = link_free(w.keeper[i]);
}

static void vault_dies(void *arg)
{
    (void) arg;
    for (uint32_t i = 0; i < WORLD_LANES; i++)
        w.vault[i] = link_free(w.vault[i]);
}

static void release(void *arg)
{
    (void) arg;
    for (size_t i = 0; i < w.n_held; i++) {
        if (w.held[i].control)
            say_answer(w.held[i].link, w.held[i].call);
        else
            say_leased(w.held[i].link, w.held[i].call, w.held[i].idx);
    }
    w.n_held = 0;
}

static void push_grant(void *arg)
{
    (void) arg;
    send_grants(false);
}

static void push_full(void *arg)
{
    (void) arg;
    send_grants(true);
}

static void deny(void *arg)
{
    struct ipc_row_deny row = { .jti = span_str(arg), .exp_ms = clock_wall_ms() + 60000, .end_code = 4411 };
    struct ipc_deny m = { .seq = 1 };

    m.rows.rows = &row;
    m.rows.n = 1;
    (void) link_send(w.keeper[0], IPC_T_DENY, &m);
}

void world_keeper_dies(void)
{
    world_do(keeper_dies, NULL);
}

void world_keeper_comes(void)
{
    world_do(keeper_comes, NULL);
}

void world_vault_dies(void)
{
    world_do(vault_dies, NULL);
}

void world_vault_comes(void)
{
    world_do(vault_comes, NULL);
}

void world_release(void)
{
    world_do(release, NULL);
}

void world_push_grant(void)
{
    world_do(push_grant, NULL);
}

void world_push_full(void)
{
    world_do(push_full, NULL);
}

void world_end_grant(uint8_t state, uint16_t end_code)
{
    w.grant.state = state;
    w.grant.end_code = end_code;
    w.grant.gen++;
    world_push_grant();
}

void world_deny(const char *jti)
{
    world_do(deny, (void *) (uintptr_t) jti);
}

/* ---- the supervisor ---- */

static void on_control_message(void *ctx, struct link_msg *m)
{
    const struct ipc_ready *ready = m->body;

    (void) ctx;
    if (m->type != IPC_T_READY)
        return;
    world_lock();
    w.ready_seen = true;
    w.ready_ok = ready->ok;
    copy(w.ready_text, sizeof(w.ready_text), ready->text);
    world_unlock();
}

static const struct link_ops control_ops = { .on_message = on_control_message, .on_closed = on_gone };

static void config(void *arg)
{
    struct ipc_row_text env = { SPAN("prod") }, origin = { span_str(arg) };
    char player[60];
    struct ipc_gate_config m = {
        .public_url = span_str(arg), .dir = span_str(w.dir), .plain = span_starts(span_str(arg), "http://"),
        .demo = span_starts(span_str(arg), "http://"), .threads = WORLD_LANES, .streams = 100, .cache_bytes = 1 << 20,
        .connections = 1000, .per_source = 1000, .header_time_ms = 2000, .idle_time_ms = 5000, .write_stall_ms = 5000,
        .body_min_rate = 1, .header_bytes = 16384, .body_bytes = 64 << 10, .import_wire_bytes = 8 << 20,
        .import_bytes = 64 << 20, .zstd_level = 3, .seal_bytes = 64 << 10,
    };

    (void) snprintf(player, sizeof(player), "http://localhost:%d", w.player_port);
    m.player_url = span_str(player);
    m.envs.rows = &env;
    m.envs.n = 1;
    m.origins.rows = &origin;
    m.origins.n = 1;
    if (link_send(w.control, IPC_T_GATE_CONFIG, &m) != ERR_OK)
        abort();
}

void world_config(const char *public_url)
{
    world_do(config, (void *) (uintptr_t) public_url);
}

static void listeners(void *arg)
{
    const struct ipc_listener app = { .kind = LISTENER_APP }, player = { .kind = LISTENER_PLAYER };

    (void) arg;
    if (link_send_fds(w.control, IPC_T_LISTENER, &app, &w.listen_fd, 1) != ERR_OK ||
        link_send_fds(w.control, IPC_T_LISTENER, &player, &w.player_fd, 1) != ERR_OK)
        abort();
}

static int listen_on(int *ret_port)
{
    for (int port = 25000; port < 25100; port++) {
        struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons((uint16_t) port) };
        int on = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

        a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        (void) setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
        if (bind(fd, (struct sockaddr *) &a, sizeof(a)) == 0 && listen(fd, 64) == 0) {
            *ret_port = port;
            return fd;
        }
        (void) close(fd);
    }
    return -1;
}

static void *run_gate(void *arg)
{
    w.gate_status = gate_main(*(int *) arg);
    return NULL;
}

static void make_keys(void)
{
    assert_ok(es256_generate(&w.signing, w.signing_pub, NULL));
    assert_ok(es256_signer_new(w.signing, w.signing_pub, &w.signer, NULL));
    key_kid(w.signing_pub, w.kid);
    w.k_ctx = secret_random(32);
    assert_non_null(w.k_ctx);
    assert_ok(box_generate(&w.epoch, w.epoch_pub, NULL));
}

static bool is_ready(void)
{
    return w.ready_seen;
}

static void begin_control(void *arg)
{
    if (link_new(w.loop, *(int *) arg, false, &control_ops, &w.control, &w.control, NULL) != ERR_OK)
        abort();
}

static void begin_beat(void *arg)
{
    (void) arg;
    loop_timer_init(&w.beat, w.loop, on_beat, NULL);
    loop_timer_arm(&w.beat, 200);
}

static const char *url(void)
{
    static char text[60];

    (void) snprintf(text, sizeof(text), "http://localhost:%d", w.port);
    return text;
}

static bool has_authority(void)
{
    struct client c;
    int status;

    world_unlock();
    client_open(&c, w.port);
    client_send(&c, "GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n");
    client_answer(&c);
    status = c.status;
    client_close(&c);
    world_lock();
    return status == 200;
}

int world_begin(void **state)
{
    static int fds[2];

    (void) state;
    memset(&w, 0, sizeof(w));
    (void) pthread_mutex_init(&w.lock, NULL);
    (void) snprintf(w.dir, sizeof(w.dir), "/tmp/keyhole-gate-XXXXXX");
    if (mkdtemp(w.dir) == NULL)
        return -1;
    w.listen_fd = listen_on(&w.port);
    w.player_fd = listen_on(&w.player_port);
    if (w.listen_fd < 0 || w.player_fd < 0 || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) != 0)
        return -1;
    assert_ok(loop_new(&w.loop, NULL));
    if (pthread_create(&w.gate_thread, NULL, run_gate, &fds[1]) != 0)
        return -1;
    (void) usleep(50000); /* the gate makes the slab of secrets: it says so when there is one already */
    make_keys();
    w.grant = (struct ipc_row_grant){ .gid = SPAN_EMPTY };
    if (pthread_create(&w.peers_thread, NULL, run_peers, NULL) != 0)
        return -1;
    world_do(begin_control, &fds[0]);
    world_config(url());
    world_wait(is_ready, 5000);
    if (!w.ready_ok)
        return -1;
    (void) prctl(PR_SET_DUMPABLE, 1); /* the gate turned it off; the leak checker needs it */
    world_do(vault_comes, NULL);
    (void) world_reset(NULL);
    world_do(listeners, NULL);
    world_do(begin_beat, NULL);
    world_wait(has_authority, 5000);
    return 0;
}

static void reset(void *arg)
{
    static const uint8_t policy[32];
    uint32_t gen = w.grant.gen;

    (void) arg;
    w.ways = (struct world_ways){ .key_first_grant = true };
    w.grant = (struct ipc_row_grant){
        .gid = SPAN(GRANT), .pid = SPAN(PROJECT), .sub = SPAN(PERSON), .state = GRANT_ACTIVE, .gen = gen + 1,
        .wend_ms = clock_wall_ms() + 3600000, .deadline_ms = clock_boot_ms() + 3600000, .policy = span_of(policy, 32),
        .max_speed_x100 = 1600, .key_streams = 2, .grant_streams = 4, .person_streams = 6, .key_bytes = 1 << 30,
        .key_rate = 64 << 20, .key_requests = 200,
    };
    w.n_leases = w.n_settles = w.n_refusals = w.n_controls = w.n_held = w.n_watches = 0;
    w.n_key_first = w.n_open = w.n_stream_open = w.n_stream_close = w.n_watch_close = 0;
    w.last_end_code = 0;
}

/* Each test has a grant of its own, so that what one ended is no matter for the next. */
static char gid_now[ID_CAP];

static void fresh_grant(void *arg)
{
    static unsigned n;

    (void) arg;
    (void) snprintf(gid_now, sizeof(gid_now), "g_%016u", ++n);
    w.grant.gid = span_str(gid_now);
    w.grant.gen = 1;
    if (w.keeper[0] == NULL)
        keeper_comes(NULL);
    else
        send_grants(false);
    send_beat();
}

int world_reset(void **state)
{
    (void) state;
    world_do(reset, NULL);
    world_do(fresh_grant, NULL);
    if (w.vault[0] == NULL)
        world_vault_comes();
    (void) usleep(5000); /* pushes have no answer */
    return 0;
}

static int rm(const char *path, const struct stat *st, int type, struct FTW *f)
{
    (void) st;
    (void) type;
    (void) f;
    return remove(path);
}

static void shut(void *arg)
{
    const struct ipc_shutdown m = { 1000 };

    (void) arg;
    if (w.control != NULL)
        (void) link_send(w.control, IPC_T_SHUTDOWN, &m);
}

void world_shutdown(void)
{
    w.gate_over = true;
    world_do(shut, NULL);
}

static void stop_peers(void *arg)
{
    (void) arg;
    loop_timer_cancel(&w.beat);
    keeper_dies(NULL);
    vault_dies(NULL);
    w.control = link_free(w.control);
    loop_stop(w.loop);
}

int world_end(void **state)
{
    (void) state;
    if (!w.gate_over)
        world_do(shut, NULL);
    (void) pthread_join(w.gate_thread, NULL);
    world_do(stop_peers, NULL);
    (void) pthread_join(w.peers_thread, NULL);
    w.loop = loop_free(w.loop);
    w.signer = es256_signer_free(w.signer);
    w.signing = secret_free(w.signing);
    w.epoch = secret_free(w.epoch);
    w.k_ctx = secret_free(w.k_ctx);
    for (size_t i = 0; i < w.n_recordings; i++)
        buf_deinit(&w.recordings[i].wrap);
    (void) close(w.listen_fd);
    (void) close(w.player_fd);
    (void) nftw(w.dir, rm, 16, FTW_DEPTH | FTW_PHYS);
    return w.gate_status;
}

/* ---- keys ---- */

struct key_claims world_claims(const char *rid)
{
    static const uint8_t local[4] = { 127, 0, 0, 1 };
    uint8_t jti[16], prefix[KEY_PREFIX_MAX];
    size_t n = key_prefix(SPAN_OF(local), prefix);
    struct key_claims c = { .client_id = "api", .scope = KEY_SCOPE_PLAY, .env = "prod", .pid = PROJECT, .sub = PERSON };

    random_fill(jti, sizeof(jti));
    (void) base64url_str(jti, sizeof(jti), c.jti, sizeof(c.jti));
    (void) snprintf(c.iss, sizeof(c.iss), "%s", url());
    (void) snprintf(c.aud, sizeof(c.aud), "%s/v1/replay", url());
    (void) snprintf(c.gid, sizeof(c.gid), "%s", gid_now);
    (void) snprintf(c.rid, sizeof(c.rid), "%s", rid);
    c.iat = c.nbf = clock_wall_ms() / 1000;
    c.exp = c.iat + 60;
    c.wend = w.grant.wend_ms / 1000;
    if (c.exp > c.wend)
        c.exp = c.wend;
    c.gen = w.grant.gen;
    key_ctx(w.k_ctx, span_of(prefix, n), c.ctx);
    return c;
}

const char *world_sign(const struct key_claims *c)
{
    static char keys[4][KEY_LEN_MAX + 1];
    static unsigned n;
    char *to = keys[n++ % 4];
    struct buf b = BUF_INIT(KEY_LEN_MAX + 1);
    struct err_info e = { 0 };

    assert_ok_err(key_sign(c, w.kid, w.signer, &b, &e), &e);
    memcpy(to, b.p, b.n);
    to[b.n] = '\0';
    buf_deinit(&b);
    return to;
}

const char *world_key(const char *rid)
{
    struct key_claims c = world_claims(rid);

    return world_sign(&c);
}

const char *world_export_key(const char *rid)
{
    struct key_claims c = world_claims(rid);

    c.scope = KEY_SCOPE_EXPORT;
    return world_sign(&c);
}

bool world_leased(const char *jti, uint64_t from, uint64_t to)
{
    bool all = true;

    world_lock();
    for (uint64_t seq = from; all && seq <= to; seq++) {
        bool one = false;

        for (size_t i = 0; i < w.n_leases && !one; i++) {
            const struct world_lease *l = &w.leases[i];

            one = strcmp(l->jti, jti) == 0 && l->what != LEASE_MANIFEST && l->from_seq <= seq && seq <= l->to_seq;
        }
        all = one;
    }
    world_unlock();
    return all;
}
