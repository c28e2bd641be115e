#include "gate/viewer_int.h"

#include <stdio.h>
#include <stdlib.h>

#include "os/clock.h"

/* Somebody waits for the first sight. */
struct waiter {
    struct list node;
    viewer_verdict_fn fn;
    void *ctx;
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

void viewer_wipe(struct viewer *v)
{
    for (size_t i = 0; i < v->n_keys; i++)
        v->keys[i].rk = secret_free(v->keys[i].rk);
    free(v->keys);
    v->keys = NULL;
    v->n_keys = 0;
    v->wiped = true;
    v->shelf = shelf_leave(v->shelf);
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
    v->used = loop_now_ms(l->loop);
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
    v->used = loop_now_ms(v->lane->loop);
    return v;
}

void viewer_unref(struct viewer *v)
{
    v->used = loop_now_ms(v->lane->loop);
    if (--v->refs > 0)
        return;
    viewer_wipe(v);
    v->reader = reader_free(v->reader);
    v->use = gate_use_close(v->lane->gate, v->use);
    free(v->leased.rows);
    free(v->sent.rows);
    free(v->who);
    free(v);
}

const char *viewer_kid(const struct viewer *v)
{
    return v->kid;
}

void viewer_placed(struct viewer *v, struct span prefix)
{
    v->place_n = prefix.n <= sizeof(v->place) ? (uint8_t) prefix.n : 0;
    memcpy(v->place, prefix.p, v->place_n);
}

bool viewer_was_at(const struct viewer *v, struct span prefix)
{
    return v->place_n > 0 && span_eq(span_of(v->place, v->place_n), prefix);
}

void viewer_proved(struct viewer *v, const uint8_t proof[32])
{
    memcpy(v->proof, proof, sizeof(v->proof));
    v->proved = true;
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

/* Cut between two characters. */
static void copy_who(struct viewer *v, struct span who)
{
    size_t n = who.n < VIEWER_WHO_CAP ? who.n : VIEWER_WHO_CAP - 1;

    while (n > 0 && n < who.n && (who.p[n] & 0xc0) == 0x80)
        n--;
    if (v->who != NULL && strlen(v->who) == n && (n == 0 || memcmp(v->who, who.p, n) == 0))
        return;
    free(v->who);
    v->who = strndup(n == 0 ? "" : (const char *) who.p, n);
}

void viewer_know(struct viewer *v, const struct ipc_key_facts *m)
{
    copy_who(v, m->who);
    v->facts = (struct viewer_facts){ v->vid, span_eq_str(m->kind, "terminal"), m->events, m->duration_us, m->started_ms,
                                      m->n_chunks, m->live != 0, v->who == NULL ? "" : v->who, m->watermark != 0 };
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
    viewer_know(v, m);
    v->base = m->started_ms * 1000;
    gate_use_volume(gate, v->use, m->volume, 0);
    v->reader = reader_new(gate->store, gate->reclog, gate->looks, v->claims.pid, v->claims.rid, viewer_unmasks(v), m);
    if (v->reader == NULL)
        return KEY_KEEPER_UNAVAILABLE;
    if (m->lease_idx != 0)
        viewer_first_lease(v, m);
    return KEY_OK;
}

static void on_facts(void *ctx, enum err err, enum ipc_type type, const void *body)
{
    struct viewer *v = ctx;
    enum key_verdict verdict = KEY_KEEPER_UNAVAILABLE;

    if (err == ERR_OK && type == IPC_T_KEY_FACTS)
        verdict = take_facts(v, body);
    if (verdict == KEY_OK) {
        v->state = VIEWER_READY;
    } else if (key_verdict_status(verdict) == 503 || key_verdict_status(verdict) == 429) {
        v->state = VIEWER_NEW; /* it passes: asked again by the next request */
    } else {
        v->state = VIEWER_REFUSED;
        v->verdict = verdict;
    }
    tell_waiters(v, verdict);
    viewer_unref(v);
}

static enum key_verdict ask(struct viewer *v, struct span prefix)
{
    const struct key_claims *c = &v->claims;
    const struct ipc_key_first m = { span_str(c->jti), span_str(c->gid), c->gen, span_str(c->rid), span_str(c->pid),
                                     span_str(c->sub), span_str(c->env), prefix, span_str(c->cnf_jkt), /* lease= */ 1,
                                     v->proved ? SPAN_OF(v->proof) : SPAN_EMPTY };

    if (v->lane->keeper == NULL)
        return KEY_KEEPER_UNAVAILABLE;
    if (link_call(v->lane->keeper, IPC_T_KEY_FIRST, &m, VIEWER_ASK_MS, on_facts, viewer_ref(v)) != ERR_OK) {
        viewer_unref(v);
        return KEY_KEEPER_UNAVAILABLE;
    }
    v->state = VIEWER_ASKING;
    return KEY_OK;
}

void viewer_ready(struct viewer *v, struct span prefix, viewer_verdict_fn fn, void *ctx)
{
    struct waiter *w;
    enum key_verdict verdict = KEY_OK;

    if (v->state == VIEWER_READY || v->state == VIEWER_REFUSED) {
        fn(ctx, v->state == VIEWER_READY ? KEY_OK : v->verdict);
        return;
    }
    w = malloc(sizeof(*w));
    if (w == NULL) {
        fn(ctx, KEY_KEEPER_UNAVAILABLE);
        return;
    }
    *w = (struct waiter){ .fn = fn, .ctx = ctx };
    list_append(&v->waiters, &w->node);
    if (v->state == VIEWER_NEW)
        verdict = ask(v, prefix);
    if (verdict != KEY_OK)
        tell_waiters(v, verdict);
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

static void weigh(struct viewer *v, struct viewer_turn *t)
{
    if (v->turn_bytes > 0 && v->turn_bytes + t->bytes > VIEWER_TURN_BYTES) {
        v->heavy = t;
        return;
    }
    v->turn_bytes += t->bytes;
    t->weighed = true;
    t->fn(t->ctx);
}

void viewer_turn_weigh(struct viewer *v, struct viewer_turn *t, size_t bytes, void (*fn)(void *ctx))
{
    t->bytes = bytes;
    t->fn = fn;
    weigh(v, t);
}

void viewer_turn_end(struct viewer *v, struct viewer_turn *t)
{
    struct viewer_turn *heavy = v->heavy == t ? NULL : v->heavy;
    struct list *next;

    list_remove(&t->node);
    if (!t->taken)
        return;
    t->taken = false;
    v->n_turns--;
    v->heavy = NULL;
    if (t->weighed)
        v->turn_bytes -= t->bytes;
    t->weighed = false;
    if (heavy != NULL)
        weigh(v, heavy);
    next = list_pop(&v->turns);
    if (next != NULL)
        viewer_turn_take(v, LIST_ENTRY(next, struct viewer_turn, node));
}

/* ---- housekeeping ---- */

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
            viewer_wipe(found[i]);
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
    return v->claims.exp * 1000 <= clock_wall_ms() || loop_now_ms(v->lane->loop) - v->used >= VIEWER_IDLE_MS;
}

static bool is_dead(const struct viewer *v, struct span gid)
{
    int code;

    return (gid.n == 0 || span_eq_str(gid, v->claims.gid)) && gate_probe(v->lane->gate, &v->claims, &code) != LIVE_OK &&
           v->state != VIEWER_ASKING; /* the answer may bring its grant */
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
