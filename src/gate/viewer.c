#include "gate/viewer.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "codec/jsonw.h"
#include "crypto/secret.h"
#include "gate/reader.h"
#include "os/clock.h"
#include "store/reclog.h"

#define ASK_MS     5000
#define LEASED_MAX 64
#define ASKED_MAX  2 /* for fresh pieces, by one piece of work */

enum state { NEW, ASKING, READY, REFUSED };

/* Somebody waits for the first sight. */
struct waiter {
    struct list node;
    viewer_verdict_fn fn;
    void *ctx;
};

struct leasing {
    struct viewer *viewer;
    struct viewer_span want;
    viewer_verdict_fn fn;
    void *ctx;
    bool release; /* the lease has a vault.released leaf beside it, for this key number: */
    uint16_t kn;
    uint64_t release_idx;
    time_ms release_t;
};

struct range {
    uint64_t from, to;
};

struct key_slot {
    uint16_t kn;
    struct secret *rk;
};

struct viewer {
    struct lane *lane;
    uint8_t digest[32];
    struct key_claims claims;
    char kid[KEY_KID_LEN + 1];
    unsigned refs;
    bool in_map;
    enum state state;
    enum key_verdict verdict; /* REFUSED */
    struct list waiters;

    char vid[ID_CAP];
    struct viewer_facts facts;
    struct reader *reader; /* pieces and their indexes; touched by workers */
    struct key_slot *keys; /* what the vault released */
    size_t n_keys;
    bool wiped;            /* something ended: the keys are gone for good */
    time_us base;

    struct range leased[LEASED_MAX];
    size_t n_leased;
    bool manifest_leased;
    bool series;            /* something was leased since the last settlement */
    uint64_t first_lease;
    struct range sent[VIEWER_RANGES_MAX];
    size_t n_sent;
    bool more_sent;
    uint64_t sent_bytes;
    unsigned users;        /* answers under way */
    bool settle_due, exported;

    time_ms used; /* boot clock */
    struct key_use *use; /* shared with the viewers of this key on other loops */

    struct list reads; /* struct job, waiting */
    bool reading;
    struct list turns; /* struct viewer_turn, waiting */
    unsigned n_turns;
};

/* ---- life ---- */

struct viewer *viewer_find(struct lane *l, const uint8_t digest[32])
{
    return map_get(&l->viewer_keys, span_of(digest, 32));
}

static void forget_bytes(struct viewer *v)
{
    if (map_get(&v->lane->viewer_keys, span_of(v->digest, 32)) == v)
        (void) map_del(&v->lane->viewer_keys, span_of(v->digest, 32));
}

static void wipe_keys(struct viewer *v)
{
    for (size_t i = 0; i < v->n_keys; i++)
        v->keys[i].rk = secret_free(v->keys[i].rk);
    free(v->keys);
    v->keys = NULL;
    v->n_keys = 0;
    v->wiped = true;
}

/* Bytes that were verified need not be verified again; of one key, the last ones (signatures are malleable). */
static void know_bytes(struct viewer *v, const uint8_t digest[32])
{
    forget_bytes(v);
    memcpy(v->digest, digest, sizeof(v->digest));
    (void) map_put(&v->lane->viewer_keys, span_of(v->digest, 32), v, NULL); /* else verified each time */
}

static struct viewer *viewer_new(struct lane *l, const struct key_claims *claims, const char *kid)
{
    struct viewer *v = calloc(1, sizeof(*v));

    if (v == NULL)
        return NULL;
    v->lane = l;
    v->refs = 1;
    v->claims = *claims;
    (void) snprintf(v->kid, sizeof(v->kid), "%s", kid);
    v->used = clock_boot_ms();
    list_init(&v->waiters);
    list_init(&v->reads);
    list_init(&v->turns);
    v->use = gate_use_open(l->gate, claims->jti);
    if (v->use == NULL || !map_put(&l->viewers, span_str(v->claims.jti), v, NULL)) {
        v->use = gate_use_close(l->gate, v->use);
        free(v);
        return NULL;
    }
    v->in_map = true;
    return v;
}

enum key_verdict viewer_get(struct lane *l, const uint8_t digest[32], const struct key_claims *claims, const char *kid,
                            struct viewer **ret)
{
    struct viewer *v = map_get(&l->viewers, span_str(claims->jti));

    if (v != NULL && memcmp(&v->claims, claims, sizeof(*claims)) != 0)
        return KEY_FORGED; /* the vault signs a jti once */
    if (v == NULL)
        v = viewer_new(l, claims, kid);
    if (v == NULL)
        return KEY_AUTHORITY_STALE;
    if (memcmp(v->digest, digest, sizeof(v->digest)) != 0)
        know_bytes(v, digest);
    *ret = viewer_ref(v);
    return KEY_OK;
}

struct viewer *viewer_ref(struct viewer *v)
{
    v->refs++;
    v->used = clock_boot_ms();
    return v;
}

void viewer_unref(struct viewer *v)
{
    v->used = clock_boot_ms();
    if (--v->refs > 0)
        return;
    wipe_keys(v);
    v->reader = reader_free(v->reader);
    v->use = gate_use_close(v->lane->gate, v->use);
    free(v);
}

const char *viewer_kid(const struct viewer *v)
{
    return v->kid;
}

const struct key_claims *viewer_claims(const struct viewer *v)
{
    return &v->claims;
}

const struct viewer_facts *viewer_facts(const struct viewer *v)
{
    return &v->facts;
}

static void leave_map(struct viewer *v)
{
    if (!v->in_map)
        return;
    v->in_map = false;
    forget_bytes(v);
    (void) map_del(&v->lane->viewers, span_str(v->claims.jti));
    viewer_unref(v);
}

/* ---- first sight ---- */

static void tell_waiters(struct viewer *v, enum key_verdict verdict)
{
    (void) viewer_ref(v);
    while (!list_empty(&v->waiters)) {
        struct waiter *w = LIST_ENTRY(list_pop(&v->waiters), struct waiter, node);

        w->fn(w->ctx, verdict);
        free(w);
    }
    viewer_unref(v);
}

/* What is said at first sight and again. */
static void know_recording(struct viewer *v, const struct ipc_key_facts *m)
{
    v->facts = (struct viewer_facts){ v->vid, span_eq_str(m->kind, "terminal"), m->events, m->duration_us,
                                      m->started_ms, m->n_chunks, m->live != 0 };
}

static enum key_verdict take_facts(struct viewer *v, const struct ipc_key_facts *m)
{
    struct gate *gate = v->lane->gate;
    struct live_grant g;
    enum key_verdict verdict = key_verdict_valid(m->verdict) ? (enum key_verdict) m->verdict : KEY_KEEPER_UNAVAILABLE;

    if (m->grant.n == 1 && live_from_row(&m->grant.rows[0], &g)) {
        pthread_rwlock_wrlock(&gate->live_lock);
        (void) live_put(&gate->live, &g, NULL); /* a full table: the check after this refuses */
        pthread_rwlock_unlock(&gate->live_lock);
    }
    if (verdict != KEY_OK)
        return verdict;
    if (!span_to_str(m->vid, v->vid, sizeof(v->vid)))
        return KEY_KEEPER_UNAVAILABLE;
    know_recording(v, m);
    v->base = m->started_ms * 1000;
    gate_use_volume(gate, v->use, m->volume, 0);
    v->reader = reader_new(gate->store, gate->reclog, v->claims.pid, v->claims.rid, m);
    return v->reader == NULL ? KEY_KEEPER_UNAVAILABLE : KEY_OK;
}

static void on_facts(void *ctx, enum err err, enum ipc_type type, const void *body)
{
    struct viewer *v = ctx;
    enum key_verdict verdict = KEY_KEEPER_UNAVAILABLE;

    if (err == ERR_OK && type == IPC_T_KEY_FACTS)
        verdict = take_facts(v, body);
    if (verdict == KEY_OK) {
        v->state = READY;
    } else if (key_verdict_status(verdict) == 503 || key_verdict_status(verdict) == 429) {
        v->state = NEW; /* it passes: asked again by the next request */
    } else {
        v->state = REFUSED;
        v->verdict = verdict;
    }
    tell_waiters(v, verdict);
    viewer_unref(v);
}

static enum key_verdict ask(struct viewer *v, struct span prefix)
{
    const struct key_claims *c = &v->claims;
    const struct ipc_key_first m = { span_str(c->jti), span_str(c->gid), c->gen, span_str(c->rid),
                                     span_str(c->pid), span_str(c->sub), span_str(c->env), prefix };

    if (v->lane->keeper == NULL)
        return KEY_KEEPER_UNAVAILABLE;
    if (link_call(v->lane->keeper, IPC_T_KEY_FIRST, &m, ASK_MS, on_facts, viewer_ref(v)) != ERR_OK) {
        viewer_unref(v);
        return KEY_KEEPER_UNAVAILABLE;
    }
    v->state = ASKING;
    return KEY_OK;
}

void viewer_ready(struct viewer *v, struct span prefix, viewer_verdict_fn fn, void *ctx)
{
    struct waiter *w;
    enum key_verdict verdict = KEY_OK;

    if (v->state == READY || v->state == REFUSED) {
        fn(ctx, v->state == READY ? KEY_OK : v->verdict);
        return;
    }
    w = malloc(sizeof(*w));
    if (w == NULL) {
        fn(ctx, KEY_KEEPER_UNAVAILABLE);
        return;
    }
    *w = (struct waiter){ .fn = fn, .ctx = ctx };
    list_append(&v->waiters, &w->node);
    if (v->state == NEW)
        verdict = ask(v, prefix);
    if (verdict != KEY_OK)
        tell_waiters(v, verdict);
}

/* ---- leases ---- */

static bool covered(const struct viewer *v, const struct viewer_span *want)
{
    if (v->wiped || want->what == LEASE_LIVE)
        return false;
    if (want->what == LEASE_MANIFEST)
        return v->manifest_leased;
    for (size_t i = 0; i < v->n_leased; i++) {
        if (v->leased[i].from <= want->from_seq && want->to_seq <= v->leased[i].to)
            return true;
    }
    return false;
}

/* Adds to a short list of ranges, joining neighbours. False: full. */
static bool range_add(struct range *list, size_t *n, size_t max, uint64_t from, uint64_t to)
{
    for (size_t i = 0; i < *n; i++) {
        struct range *r = &list[i];

        if (from <= r->to + 1 && r->from <= to + 1) {
            r->from = from < r->from ? from : r->from;
            r->to = to > r->to ? to : r->to;
            return true;
        }
    }
    if (*n == max)
        return false;
    list[(*n)++] = (struct range){ from, to };
    return true;
}

static void note_lease(struct viewer *v, const struct viewer_span *want, uint64_t idx)
{
    if (!v->series) {
        v->series = true;
        v->first_lease = idx;
    }
    if (want->what == LEASE_LIVE) /* what is really sent is charged then */
        return;
    gate_use_volume(v->lane->gate, v->use, 0, want->bytes);
    if (want->what == LEASE_MANIFEST) {
        v->manifest_leased = true;
    } else if (!range_add(v->leased, &v->n_leased, LEASED_MAX, want->from_seq, want->to_seq)) {
        v->leased[0] = (struct range){ want->from_seq, want->to_seq }; /* the forgotten one is leased again if needed */
    }
}

static void leasing_done(struct leasing *g, enum key_verdict verdict)
{
    viewer_verdict_fn fn = g->fn;
    void *ctx = g->ctx;

    viewer_unref(g->viewer);
    free(g);
    fn(ctx, verdict);
}

bool viewer_has_key(const struct viewer *v, uint16_t kn)
{
    for (size_t i = 0; i < v->n_keys; i++) {
        if (v->keys[i].kn == kn)
            return true;
    }
    return false;
}

static bool take_key(struct viewer *v, uint16_t kn, struct span rk)
{
    struct key_slot *more;
    struct secret *s;

    if (viewer_has_key(v, kn))
        return true;
    more = v->n_keys == VIEWER_KEYS_MAX ? NULL : realloc(v->keys, (v->n_keys + 1) * sizeof(*more));
    if (more == NULL)
        return false;
    v->keys = more;
    s = rk.n == 32 ? secret_of(rk) : NULL;
    if (s == NULL)
        return false;
    v->keys[v->n_keys++] = (struct key_slot){ kn, s };
    return true;
}

static void on_released(void *ctx, enum err err, enum ipc_type type, const void *body)
{
    struct leasing *g = ctx;
    const struct ipc_released *m = body;
    enum key_verdict verdict = KEY_AUTHORITY_STALE;

    if (err == ERR_OK && type == IPC_T_RELEASED)
        verdict = key_verdict_valid(m->verdict) ? (enum key_verdict) m->verdict : KEY_AUTHORITY_STALE;
    if (verdict == KEY_OK && (g->viewer->wiped || !take_key(g->viewer, g->kn, m->rk)))
        verdict = KEY_AUTHORITY_STALE;
    leasing_done(g, verdict);
}

static void release(struct leasing *g)
{
    struct viewer *v = g->viewer;
    const struct key_claims *c = &v->claims;
    struct ipc_open m = { .jti = span_str(c->jti), .gid = span_str(c->gid), .gen = c->gen, .rid = span_str(c->rid),
                          .pid = span_str(c->pid), .kn = g->kn, .leaf_idx = g->release_idx,
                          .leaf_t_ms = g->release_t };

    if (v->lane->vault == NULL || !reader_wrap(v->reader, g->kn, &m.epoch, &m.wrap) ||
        link_call(v->lane->vault, IPC_T_OPEN, &m, ASK_MS, on_released, g) != ERR_OK)
        leasing_done(g, KEY_AUTHORITY_STALE);
}

static void on_leased(void *ctx, enum err err, enum ipc_type type, const void *body)
{
    struct leasing *g = ctx;
    const struct ipc_leased *m = body;
    enum key_verdict verdict = KEY_AUDIT_UNAVAILABLE;

    if (err == ERR_OK && type == IPC_T_LEASED)
        verdict = key_verdict_valid(m->verdict) ? (enum key_verdict) m->verdict : KEY_AUDIT_UNAVAILABLE;
    if (verdict != KEY_OK) {
        leasing_done(g, verdict);
        return;
    }
    note_lease(g->viewer, &g->want, m->idx);
    if (g->viewer->wiped || !g->release || viewer_has_key(g->viewer, g->kn)) {
        leasing_done(g, g->viewer->wiped ? KEY_AUTHORITY_STALE : KEY_OK); /* wiped meanwhile: something ended */
        return;
    }
    g->release_idx = m->release_idx;
    g->release_t = m->release_t_ms;
    release(g);
}

/* kn: a key number to be released beside it, or -1. */
static void ask_lease(struct viewer *v, const struct viewer_span *want, int kn, viewer_verdict_fn fn, void *ctx)
{
    const struct key_claims *c = &v->claims;
    struct ipc_lease m = {
        .jti = span_str(c->jti), .gid = span_str(c->gid), .gen = c->gen, .vid = span_str(v->vid),
        .rid = span_str(c->rid), .pid = span_str(c->pid), .sub = span_str(c->sub), .what = (uint8_t) want->what,
        .from_seq = want->from_seq, .to_seq = want->to_seq, .from_ms = (uint64_t) want->from_ms,
        .to_ms = (uint64_t) want->to_ms, .bytes = want->bytes, .release = kn >= 0,
        .release_kn = (uint16_t) (kn >= 0 ? kn : 0), .live_s = want->what == LEASE_LIVE ? LEASE_LIVE_MS / 1000 : 0,
    };
    struct leasing *g = calloc(1, sizeof(*g));

    if (g == NULL || v->lane->keeper == NULL) {
        free(g);
        fn(ctx, KEY_KEEPER_UNAVAILABLE);
        return;
    }
    *g = (struct leasing){ .viewer = viewer_ref(v), .want = *want, .fn = fn, .ctx = ctx, .release = kn >= 0,
                           .kn = m.release_kn };
    if (link_call(v->lane->keeper, IPC_T_LEASE, &m, ASK_MS, on_leased, g) != ERR_OK)
        leasing_done(g, KEY_AUDIT_UNAVAILABLE);
}

/* The first one brings the first recording key with it; others are asked for when they are needed. */
void viewer_lease(struct viewer *v, const struct viewer_span *want, viewer_verdict_fn fn, void *ctx)
{
    uint16_t kn;

    if (covered(v, want))
        fn(ctx, KEY_OK);
    else
        ask_lease(v, want, v->n_keys == 0 && reader_first_kn(v->reader, &kn) ? kn : -1, fn, ctx);
}

void viewer_sent(struct viewer *v, uint64_t from_seq, uint64_t to_seq, uint64_t bytes)
{
    v->used = clock_boot_ms();
    v->sent_bytes += bytes;
    if (!range_add(v->sent, &v->n_sent, VIEWER_RANGES_MAX, from_seq, to_seq))
        v->more_sent = true;
}

static void settle(struct viewer *v)
{
    const struct key_claims *c = &v->claims;
    struct ipc_row_range rows[VIEWER_RANGES_MAX];
    struct ipc_settle m = {
        .jti = span_str(c->jti), .gid = span_str(c->gid), .gen = c->gen, .vid = span_str(v->vid),
        .rid = span_str(c->rid), .pid = span_str(c->pid), .sub = span_str(c->sub), .first_lease = v->first_lease,
        .more = v->more_sent, .bytes = v->sent_bytes, .exported = v->exported,
    };

    v->settle_due = v->exported = false;
    if (!v->series)
        return;
    for (size_t i = 0; i < v->n_sent; i++)
        rows[i] = (struct ipc_row_range){ v->sent[i].from, v->sent[i].to };
    m.ranges.rows = rows;
    m.ranges.n = (uint32_t) v->n_sent;
    /* One that is lost counts as seen in full: never under-reported. */
    if (v->lane->keeper != NULL && link_send(v->lane->keeper, IPC_T_SETTLE, &m) != ERR_OK)
        log_event(LOG_WARN, "replay.not-settled", LOG_STR("jti", c->jti));
    v->series = v->manifest_leased = v->more_sent = false;
    v->n_leased = v->n_sent = 0;
    v->sent_bytes = 0;
}

void viewer_settle(struct viewer *v, bool exported)
{
    v->exported = v->exported || exported;
    v->settle_due = true;
    if (v->users == 0)
        settle(v);
}

void viewer_use(struct viewer *v)
{
    v->users++;
}

void viewer_unuse(struct viewer *v)
{
    if (--v->users == 0 && v->settle_due)
        settle(v);
}

/* ---- reading ---- */

struct job {
    struct list node;
    struct viewer *viewer;
    struct viewer_want want;
    struct viewer_read result;
    struct reader_key *keys; /* copies: the viewer's own may be wiped while this runs */
    size_t n_keys;
    unsigned asked; /* for fresh pieces */
    unsigned opened; /* key numbers */
    viewer_read_fn fn;
    void *ctx;
};

static void next_job(struct viewer *v);
static void start_job(struct job *j);

static void run_job(void *arg)
{
    struct job *j = arg;
    const struct reader_keys keys = { j->keys, j->n_keys };

    reader_run(j->viewer->reader, &keys, &j->want, &j->result);
}

static void drop_keys(struct job *j)
{
    for (size_t i = 0; i < j->n_keys; i++)
        (void) secret_free((struct secret *) (uintptr_t) j->keys[i].rk);
    free(j->keys);
    j->keys = NULL;
    j->n_keys = 0;
}

static bool copy_keys(struct job *j)
{
    struct viewer *v = j->viewer;

    j->keys = calloc(v->n_keys == 0 ? 1 : v->n_keys, sizeof(*j->keys));
    for (size_t i = 0; j->keys != NULL && i < v->n_keys; i++) {
        j->keys[i] = (struct reader_key){ v->keys[i].kn, secret_of(secret_span(v->keys[i].rk)) };
        if (j->keys[i].rk == NULL)
            return false;
        j->n_keys++;
    }
    return j->keys != NULL;
}

static void finish_job(struct job *j)
{
    struct viewer *v = j->viewer;

    v->reading = false;
    if (j->result.err == ERR_OK && j->result.base != 0)
        v->base = j->result.base;
    else if (j->result.err != ERR_OK && j->result.err != ERR_NOTFOUND && !v->wiped && j->result.why.text[0] != '\0')
        log_event(LOG_WARN, "replay.unreadable", LOG_STR("rid", v->claims.rid), LOG_STR("text", j->result.why.text));
    j->fn(j->ctx, &j->result);
    free(j);
    next_job(v);
    viewer_unref(v);
}

static void fail_job(struct job *j)
{
    j->result.err = ERR_AGAIN;
    finish_job(j);
}

/* Once more, now that something more is known. */
static void rerun_job(struct job *j)
{
    struct buf bytes = j->result.bytes;

    if (bytes.p != NULL)
        secret_wipe(bytes.p, bytes.cap);
    buf_reset(&bytes);
    j->result = (struct viewer_read){ .bytes = bytes, .fresh = j->asked > 0 };
    start_job(j);
}

static void on_again(void *ctx, enum err err, enum ipc_type type, const void *body)
{
    struct job *j = ctx;
    struct viewer *v = j->viewer;
    const struct ipc_key_facts *m = body;

    if (err != ERR_OK || type != IPC_T_KEY_FACTS || m->verdict != KEY_OK || !reader_update(v->reader, m)) {
        fail_job(j);
        return;
    }
    know_recording(v, m);
    rerun_job(j);
}

static void ask_again(struct job *j)
{
    const struct key_claims *c = &j->viewer->claims;
    const struct ipc_key_again m = { span_str(c->jti), span_str(c->gid), span_str(c->rid) };

    j->asked++;
    if (j->viewer->lane->keeper == NULL ||
        link_call(j->viewer->lane->keeper, IPC_T_KEY_AGAIN, &m, ASK_MS, on_again, j) != ERR_OK)
        fail_job(j);
}

static void on_opened(void *ctx, enum key_verdict verdict)
{
    if (verdict == KEY_OK)
        rerun_job(ctx);
    else
        fail_job(ctx);
}

/* One key number more, with a lease of its own: the manifest's, for it names no events. */
static void ask_key(struct job *j)
{
    static const struct viewer_span manifest = { .what = LEASE_MANIFEST };
    uint32_t epoch;
    struct span wrap;

    if (!reader_wrap(j->viewer->reader, j->result.need_kn, &epoch, &wrap)) {
        ask_again(j); /* a gate that wrote it later than we asked */
        return;
    }
    j->opened++;
    ask_lease(j->viewer, &manifest, j->result.need_kn, on_opened, j);
}

static void job_done(void *arg)
{
    struct job *j = arg;

    drop_keys(j);
    if (j->viewer->wiped)
        finish_job(j);
    else if (j->result.need == READ_NEED_KEY && j->opened < VIEWER_KEYS_MAX && j->asked < ASKED_MAX)
        ask_key(j);
    else if (j->result.need == READ_NEED_PIECES && j->asked < ASKED_MAX)
        ask_again(j);
    else
        finish_job(j);
}

static void start_job(struct job *j)
{
    struct viewer *v = j->viewer;

    if (v->wiped || !copy_keys(j) || pool_work(v->lane->gate->pool, v->lane->loop, run_job, job_done, j) != ERR_OK) {
        drop_keys(j);
        fail_job(j);
    }
}

static void next_job(struct viewer *v)
{
    struct job *j;

    if (v->reading || list_empty(&v->reads))
        return;
    j = LIST_ENTRY(list_pop(&v->reads), struct job, node);
    v->reading = true;
    if (j->want.kind == READ_PIECES)
        ask_again(j);
    else
        start_job(j);
}

void viewer_read(struct viewer *v, const struct viewer_want *want, viewer_read_fn fn, void *ctx)
{
    struct job *j = calloc(1, sizeof(*j));

    if (j == NULL) {
        struct viewer_read none = { .err = ERR_NOMEM, .bytes = BUF_INIT(0) };

        fn(ctx, &none);
        return;
    }
    *j = (struct job){ .viewer = viewer_ref(v), .want = *want, .fn = fn, .ctx = ctx };
    buf_init(&j->result.bytes, SEGMENT_EVENT_MAX + SEGMENT_INDEX_MAX);
    list_append(&v->reads, &j->node);
    next_job(v);
}

bool viewer_read_newest(struct viewer *v, const struct viewer_want *want, struct viewer_read *r)
{
    struct reader_key keys[4];
    size_t n = 0;
    bool done;

    if (v->reading || !list_empty(&v->reads) || v->wiped)
        return false;
    for (size_t i = v->n_keys; i-- > 0 && n < 4;) /* the newest numbers */
        keys[n++] = (struct reader_key){ v->keys[i].kn, v->keys[i].rk };
    *r = (struct viewer_read){ .err = ERR_OK };
    buf_init(&r->bytes, SEGMENT_EVENT_MAX + SEGMENT_INDEX_MAX);
    done = reader_run_newest(v->reader, &(struct reader_keys){ keys, n }, want, r);
    if (!done && r->bytes.p != NULL)
        secret_wipe(r->bytes.p, r->bytes.cap);
    if (!done)
        buf_deinit(&r->bytes);
    return done;
}

time_us viewer_base(const struct viewer *v)
{
    return v->base;
}

/* ---- how much there is ---- */

struct extent {
    struct viewer *viewer;
    viewer_extent_fn fn;
    void *ctx;
};

static void on_extent(void *ctx, struct viewer_read *r)
{
    struct extent *x = ctx;
    const struct viewer_facts *f = &x->viewer->facts;
    enum key_verdict v = r->err == ERR_OK ? KEY_OK : KEY_KEEPER_UNAVAILABLE;

    buf_deinit(&r->bytes);
    x->fn(x->ctx, v, f->live ? r->sealed : f->events, f->live);
    viewer_unref(x->viewer);
    free(x);
}

/* In the log of this process. False: it is not written here. */
static bool extent_of_log(const struct viewer *v, uint64_t *ret)
{
    struct reclog *log = v->lane->gate->reclog;
    struct reclog_tail *t = NULL;
    struct err_info e;

    if (log == NULL || reclog_tail(log, span_str(v->claims.rid), UINT64_MAX, 1, &t, &e) != ERR_OK)
        return false;
    *ret = t->next_seq;
    t = reclog_tail_free(t);
    return true;
}

void viewer_extent(struct viewer *v, viewer_extent_fn fn, void *ctx)
{
    static const struct viewer_want pieces = { .kind = READ_PIECES };
    uint64_t events;
    struct extent *x;

    if (!v->facts.live) {
        fn(ctx, KEY_OK, v->facts.events, false);
        return;
    }
    if (extent_of_log(v, &events)) {
        fn(ctx, KEY_OK, events, true);
        return;
    }
    x = calloc(1, sizeof(*x));
    if (x == NULL) {
        fn(ctx, KEY_KEEPER_UNAVAILABLE, 0, false);
        return;
    }
    *x = (struct extent){ viewer_ref(v), fn, ctx };
    viewer_read(v, &pieces, on_extent, x);
}

/* ---- turns ---- */

#define TURNS_MAX 2

void viewer_turn_take(struct viewer *v, struct viewer_turn *t)
{
    if (v->n_turns == TURNS_MAX) {
        list_append(&v->turns, &t->node);
        return;
    }
    v->n_turns++;
    t->taken = true;
    t->fn(t->ctx);
}

void viewer_turn_end(struct viewer *v, struct viewer_turn *t)
{
    struct list *next;

    list_remove(&t->node);
    if (!t->taken)
        return;
    t->taken = false;
    v->n_turns--;
    next = list_pop(&v->turns);
    if (next != NULL)
        viewer_turn_take(v, LIST_ENTRY(next, struct viewer_turn, node));
}

/* ---- housekeeping ---- */

enum key_verdict viewer_charge_request(struct viewer *v)
{
    return gate_use(v->lane->gate, v->use, v->claims.gid, 0);
}

enum key_verdict viewer_charge(struct viewer *v, uint64_t bytes)
{
    return bytes == 0 ? KEY_OK : gate_use(v->lane->gate, v->use, v->claims.gid, bytes);
}

enum key_verdict viewer_charge_live(struct viewer *v, uint64_t bytes)
{
    enum key_verdict verdict = viewer_charge(v, bytes);

    if (verdict == KEY_OK)
        gate_use_volume(v->lane->gate, v->use, 0, bytes);
    return verdict;
}

static void collect(struct lane *l, bool (*want)(const struct viewer *v, struct span gid), struct span gid)
{
    struct viewer *found[256];
    size_t n;

    do {
        n = 0;
        MAP_FOREACH(struct viewer, v, &l->viewers)
        {
            if (n < sizeof(found) / sizeof(found[0]) && want(v, gid))
                found[n++] = v;
        }
        for (size_t i = 0; i < n; i++) {
            wipe_keys(found[i]);
            viewer_settle(found[i], false);
            leave_map(found[i]);
        }
    } while (n == sizeof(found) / sizeof(found[0]));
}

static bool is_over(const struct viewer *v, struct span gid)
{
    (void) gid;
    if (v->refs > 1)
        return false;
    return v->claims.exp * 1000 <= clock_wall_ms() || clock_boot_ms() - v->used >= VIEWER_IDLE_MS;
}

static bool is_dead(const struct viewer *v, struct span gid)
{
    int code;

    return (gid.n == 0 || span_eq_str(gid, v->claims.gid)) && gate_probe(v->lane->gate, &v->claims, &code) != LIVE_OK &&
           v->state != ASKING; /* the answer may bring its grant */
}

static bool is_any(const struct viewer *v, struct span gid)
{
    (void) v;
    (void) gid;
    return true;
}

void viewers_tick(struct lane *l)
{
    collect(l, is_over, SPAN_EMPTY);
}

void viewers_review(struct lane *l, struct span gid)
{
    collect(l, is_dead, gid);
}

void viewers_drop(struct lane *l)
{
    collect(l, is_any, SPAN_EMPTY);
}
