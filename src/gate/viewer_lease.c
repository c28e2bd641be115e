/* Leases before bytes, recording keys with them, settlements after. */
#include "gate/viewer_int.h"

#include <stdlib.h>

#include "base/log.h"
#include "os/clock.h"

struct leasing {
    struct viewer *viewer;
    struct viewer_span want;
    viewer_verdict_fn fn;
    void *ctx;
    bool release; /* the lease has a vault.released leaf beside it, for this key: */
    struct viewer_release key;
    uint64_t release_idx;
    time_ms release_t;
};

static bool covered(const struct viewer *v, const struct viewer_span *want)
{
    if (v->wiped || want->what == LEASE_LIVE)
        return false;
    if (want->what == LEASE_MANIFEST)
        return v->manifest_leased;
    for (size_t i = 0; i < v->leased.n; i++) {
        if (v->leased.rows[i].from <= want->from_seq && want->to_seq <= v->leased.rows[i].to)
            return true;
    }
    return false;
}

static bool ranges_room(struct viewer_ranges *list, size_t max)
{
    size_t cap = list->cap == 0 ? 2 : list->cap * 2 < max ? list->cap * 2 : max;
    struct viewer_range *more;

    if (list->n < list->cap)
        return true;
    more = list->n == max ? NULL : realloc(list->rows, cap * sizeof(*more));
    if (more == NULL)
        return false;
    list->rows = more;
    list->cap = cap;
    return true;
}

/* Adds to a short list of ranges, joining neighbours. False: full. */
static bool range_add(struct viewer_ranges *list, size_t max, uint64_t from, uint64_t to)
{
    for (size_t i = 0; i < list->n; i++) {
        struct viewer_range *r = &list->rows[i];

        if (from <= r->to + 1 && r->from <= to + 1) {
            r->from = from < r->from ? from : r->from;
            r->to = to > r->to ? to : r->to;
            return true;
        }
    }
    if (!ranges_room(list, max))
        return false;
    list->rows[list->n++] = (struct viewer_range){ from, to };
    return true;
}

static void note_lease(struct viewer *v, const struct viewer_span *want, uint64_t idx)
{
    v->last_lease = idx;
    if (!v->series) {
        v->series = true;
        v->first_lease = idx;
    }
    if (want->what == LEASE_LIVE) /* what is really sent is charged then */
        return;
    if (!want->charged)
        gate_use_volume(v->lane->gate, v->use, 0, want->bytes);
    if (want->what == LEASE_MANIFEST) {
        v->manifest_leased = true;
    } else if (!range_add(&v->leased, VIEWER_LEASED_MAX, want->from_seq, want->to_seq) && v->leased.n > 0) {
        v->leased.rows[0] = (struct viewer_range){ want->from_seq, want->to_seq }; /* the forgotten one is leased again if needed */
    }
}

/* Nothing was leased. Without an answer nobody knows, and the bytes stay taken. */
static void give_back(struct viewer *v, const struct viewer_span *want)
{
    if (want->charged)
        gate_use_give(v->lane->gate, v->use, want->bytes);
}

static void leasing_done(struct leasing *g, enum key_verdict verdict)
{
    viewer_verdict_fn fn = g->fn;
    void *ctx = g->ctx;

    viewer_unref(g->viewer);
    free(g);
    fn(ctx, verdict);
}

static bool has_key(const struct viewer *v, struct viewer_release key)
{
    for (size_t i = 0; i < v->n_keys; i++) {
        if (v->keys[i].kn == key.kn && v->keys[i].track == key.track)
            return true;
    }
    return false;
}

bool viewer_has_key(const struct viewer *v, uint16_t kn)
{
    return has_key(v, (struct viewer_release){ .kn = kn });
}

bool viewer_unmasks(const struct viewer *v)
{
    return (v->claims.scope & KEY_SCOPE_UNMASK) != 0;
}

static bool take_key(struct viewer *v, struct viewer_release key, struct span rk)
{
    struct viewer_key *more;
    struct secret *s;

    if (has_key(v, key))
        return true;
    more = v->n_keys == VIEWER_KEYS_MAX ? NULL : realloc(v->keys, (v->n_keys + 1) * sizeof(*more));
    if (more == NULL)
        return false;
    v->keys = more;
    s = rk.n == 32 ? secret_of(rk) : NULL;
    if (s == NULL)
        return false;
    v->keys[v->n_keys++] = (struct viewer_key){ key.kn, key.track, s };
    if (v->shelf == NULL && !viewer_unmasks(v)) /* what he reads has originals in it, and is nobody else's */
        v->shelf = shelf_join(v->lane, v->claims.rid);
    return true;
}

static void on_released(void *ctx, enum err err, enum ipc_type type, const void *body)
{
    struct leasing *g = ctx;
    const struct ipc_released *m = body;
    enum key_verdict verdict = KEY_AUTHORITY_STALE;

    if (err == ERR_OK && type == IPC_T_RELEASED)
        verdict = key_verdict_valid(m->verdict) ? (enum key_verdict) m->verdict : KEY_AUTHORITY_STALE;
    if (verdict == KEY_OK && (g->viewer->wiped || !take_key(g->viewer, g->key, m->rk)))
        verdict = KEY_AUTHORITY_STALE;
    leasing_done(g, verdict);
}

static void release(struct leasing *g)
{
    struct viewer *v = g->viewer;
    const struct key_claims *c = &v->claims;
    struct ipc_open m = { .jti = span_str(c->jti), .gid = span_str(c->gid), .gen = c->gen, .rid = span_str(c->rid),
                          .pid = span_str(c->pid), .kn = g->key.kn, .track = g->key.track,
                          .leaf_idx = g->release_idx, .leaf_t_ms = g->release_t };

    if (v->lane->vault == NULL || !reader_wrap(v->reader, g->key.kn, g->key.track, &m.epoch, &m.wrap) ||
        link_call(v->lane->vault, IPC_T_OPEN, &m, VIEWER_ASK_MS, on_released, g) != ERR_OK)
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
        if (err == ERR_OK)
            give_back(g->viewer, &g->want);
        leasing_done(g, verdict);
        return;
    }
    note_lease(g->viewer, &g->want, m->idx);
    if (g->viewer->wiped || !g->release || has_key(g->viewer, g->key)) {
        leasing_done(g, g->viewer->wiped ? KEY_AUTHORITY_STALE : KEY_OK); /* wiped meanwhile: something ended */
        return;
    }
    g->release_idx = m->release_idx;
    g->release_t = m->release_t_ms;
    release(g);
}

void viewer_ask_lease(struct viewer *v, const struct viewer_span *want, const struct viewer_release *release,
                      viewer_verdict_fn fn, void *ctx)
{
    const struct viewer_release key = release != NULL ? *release : (struct viewer_release){ 0 };
    const struct key_claims *c = &v->claims;
    struct ipc_lease m = {
        .jti = span_str(c->jti), .gid = span_str(c->gid), .gen = c->gen, .vid = span_str(v->vid),
        .rid = span_str(c->rid), .pid = span_str(c->pid), .sub = span_str(c->sub), .what = (uint8_t) want->what,
        .from_seq = want->from_seq, .to_seq = want->to_seq, .from_ms = (uint64_t) want->from_ms,
        .to_ms = (uint64_t) want->to_ms, .bytes = want->bytes, .release = release != NULL,
        .proof = want->proof != NULL ? span_of(want->proof, 32) : v->proved ? SPAN_OF(v->proof) : SPAN_EMPTY,
        .first_lease = v->series ? v->first_lease : 0, .release_kn = key.kn, .release_track = key.track,
        .live_s = want->what == LEASE_LIVE ? LEASE_LIVE_MS / 1000 : 0, .reveal = viewer_unmasks(v),
    };
    struct leasing *g = calloc(1, sizeof(*g));

    if (g == NULL || v->lane->keeper == NULL) {
        free(g);
        give_back(v, want);
        fn(ctx, KEY_KEEPER_UNAVAILABLE);
        return;
    }
    *g = (struct leasing){ .viewer = viewer_ref(v), .want = *want, .fn = fn, .ctx = ctx, .release = release != NULL,
                           .key = key };
    if (link_call(v->lane->keeper, IPC_T_LEASE, &m, VIEWER_ASK_MS, on_leased, g) != ERR_OK) {
        give_back(v, want);
        leasing_done(g, KEY_AUDIT_UNAVAILABLE);
    }
}

void viewer_first_lease(struct viewer *v, const struct ipc_key_facts *m)
{
    static const struct viewer_span manifest = { .what = LEASE_MANIFEST };

    note_lease(v, &manifest, m->lease_idx);
    v->first = (struct viewer_first){ true, m->release_kn, m->release_idx, m->release_t_ms };
}

/* Its leaf is in the log already. */
static void release_first(struct viewer *v, viewer_verdict_fn fn, void *ctx)
{
    struct leasing *g = calloc(1, sizeof(*g));

    if (g == NULL) {
        fn(ctx, KEY_AUTHORITY_STALE);
        return;
    }
    *g = (struct leasing){ .viewer = viewer_ref(v), .fn = fn, .ctx = ctx, .key = { .kn = v->first.kn },
                           .release_idx = v->first.release_idx, .release_t = v->first.release_t };
    v->first.due = false;
    release(g);
}

/* The first one brings the first recording key with it; others are asked for when they are needed. */
void viewer_lease(struct viewer *v, const struct viewer_span *want, viewer_verdict_fn fn, void *ctx)
{
    struct viewer_release key = { 0 };
    bool first = v->n_keys == 0 && reader_first_kn(v->reader, &key.kn); /* also when the vault refused it the last time */

    if (!first && covered(v, want))
        fn(ctx, KEY_OK);
    else if (first && v->first.due && v->first.kn == key.kn && covered(v, want))
        release_first(v, fn, ctx);
    else
        viewer_ask_lease(v, want, first ? &key : NULL, fn, ctx);
}

uint64_t viewer_last_lease(const struct viewer *v)
{
    return v->last_lease;
}

void viewer_sent(struct viewer *v, uint64_t from_seq, uint64_t to_seq, uint64_t bytes)
{
    v->used = loop_now_ms(v->lane->loop);
    v->sent_bytes += bytes;
    if (!range_add(&v->sent, VIEWER_RANGES_MAX, from_seq, to_seq))
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
    for (size_t i = 0; i < v->sent.n; i++)
        rows[i] = (struct ipc_row_range){ v->sent.rows[i].from, v->sent.rows[i].to };
    m.ranges.rows = rows;
    m.ranges.n = (uint32_t) v->sent.n;
    /* One that is lost counts as seen in full: never under-reported. */
    if (v->lane->keeper != NULL && link_send(v->lane->keeper, IPC_T_SETTLE, &m) != ERR_OK)
        log_event(LOG_WARN, "replay.not-settled", LOG_STR("jti", c->jti));
    v->series = v->manifest_leased = v->more_sent = v->first.due = false;
    v->leased.n = v->sent.n = 0;
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

/* ---- quotas ---- */

struct quota_answer *viewer_quota(struct viewer *v)
{
    return &v->quota;
}

static enum key_verdict use(struct viewer *v, enum use_kind kind, uint64_t bytes)
{
    v->quota = gate_use(v->lane->gate, v->use, v->claims.gid, kind, bytes);
    return quota_problem(v->quota.verdict);
}

enum key_verdict viewer_charge_request(struct viewer *v)
{
    return use(v, USE_REQUEST, 0);
}

enum key_verdict viewer_charge(struct viewer *v, struct viewer_span *want, bool paced)
{
    bool again = covered(v, want);
    enum key_verdict verdict = KEY_OK;

    if (want->bytes > 0 && !(again && paced))
        verdict = use(v, again ? USE_AGAIN : paced ? USE_PACED : USE_BYTES, want->bytes);
    want->charged = verdict == KEY_OK && !again;
    return verdict;
}

/* Does it follow one that was asked for, or begin at the beginning? Two are asked for at once and may come in another order; one that is asked for again counts for nothing. */
static bool in_row(struct viewer *v, uint32_t n)
{
    if (n < v->next_chunk && v->next_chunk - n <= 2)
        return v->in_row;
    v->in_row = n >= v->next_chunk && n <= v->next_chunk + 1;
    v->next_chunk = n + 1;
    return v->in_row;
}

void viewer_span_ahead(struct viewer *v, struct viewer_span *span, const struct read_ahead *ahead, uint32_t n)
{
    if (in_row(v, n))
        viewer_span_on(v, span, ahead, UINT64_MAX, INT64_MAX);
}

void viewer_span_on(struct viewer *v, struct viewer_span *span, const struct read_ahead *ahead, uint64_t until, int64_t to_ms)
{
    struct viewer_span whole = *span;

    if (covered(v, span))
        return;
    for (unsigned i = 0; i < ahead->n && ahead->chunks[i].to_seq < until && whole.to_ms <= to_ms; i++) {
        whole.to_seq = ahead->chunks[i].to_seq;
        whole.to_ms = ahead->chunks[i].to_ms;
        whole.bytes += ahead->chunks[i].bytes;
    }
    /* its rate is looked at when each of them is asked for */
    if (whole.bytes > span->bytes && use(v, USE_PACED, whole.bytes - span->bytes) == KEY_OK)
        *span = whole;
}

enum key_verdict viewer_charge_live(struct viewer *v, uint64_t bytes)
{
    return use(v, USE_BYTES, bytes);
}
