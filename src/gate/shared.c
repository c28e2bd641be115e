#include "gate/shared.h"

#include <stdio.h>
#include <stdlib.h>

#include "codec/base64.h"
#include "crypto/hash.h"
#include "format/jwks.h"
#include "os/clock.h"

#define SETTINGS_MAX (1u << 20)

/* ---- settings ---- */

static const char *text_of(struct gate_settings *s, struct span v)
{
    return arena_str(&s->memory, v);
}

static enum err take_networks(struct gate_settings *s, const struct ipc_gate_config *m, struct err_info *reterr)
{
    if (m->trusted.n > GATE_NETWORKS_MAX)
        return ERR_RAISE(reterr, ERR_LIMIT, "proxy.trusted has more than %d networks", GATE_NETWORKS_MAX);
    for (uint32_t i = 0; i < m->trusted.n; i++) {
        if (!net_cidr_parse(m->trusted.rows[i].text, &s->trusted[i]))
            return ERR_RAISE(reterr, ERR_INVAL, "proxy.trusted: '%.*s' is no network such as 10.0.0.0/8",
                             SPAN_ARG(m->trusted.rows[i].text));
        s->n_trusted++;
    }
    return ERR_OK;
}

static void take_net(struct gate_settings *s, const struct ipc_gate_config *m)
{
    s->net.http1.header_bytes = m->header_bytes;
    s->net.header_time = m->header_time_ms;
    s->net.idle_time = m->idle_time_ms;
    s->net.write_stall = m->write_stall_ms;
    s->net.body_min_rate = m->body_min_rate;
    s->net.proxy.trusted = s->trusted;
    s->net.proxy.n_trusted = s->n_trusted;
    s->net.proxy.header = s->n_trusted == 0 ? PROXY_HEADER_NONE
                          : m->proxy_header == 0 ? PROXY_HEADER_FORWARDED : PROXY_HEADER_XFF;
}

static enum err fill(struct gate_settings *s, const struct ipc_gate_config *m, struct err_info *reterr)
{
    s->public_url = text_of(s, m->public_url);
    s->player_url = text_of(s, m->player_url);
    s->dir = text_of(s, m->dir);
    if (s->public_url == NULL || s->player_url == NULL || s->dir == NULL || m->envs.n > GATE_ORIGINS_MAX)
        return ERR_RAISE(reterr, ERR_NOMEM, "no memory for the settings");
    if (snprintf(s->audience, sizeof(s->audience), "%s/v1/replay", s->public_url) >= (int) sizeof(s->audience))
        return ERR_RAISE(reterr, ERR_LIMIT, "public_url is too long");
    for (uint32_t i = 0; i < m->envs.n; i++)
        s->envs[s->n_envs++] = text_of(s, m->envs.rows[i].text);
    s->key_audience = (struct key_audience){ s->public_url, s->audience, s->envs, s->n_envs };
    s->demo = m->demo;
    s->plain = m->plain;
    s->tls = m->tls;
    s->https = span_starts(m->public_url, "https://");
    s->threads = m->threads == 0 ? 1 : m->threads > GATE_LANES_MAX ? GATE_LANES_MAX : m->threads;
    s->streams = m->streams;
    s->connections = m->connections;
    s->per_source = m->per_source;
    s->cache_bytes = m->cache_bytes;
    s->body_bytes = m->body_bytes;
    s->import_wire_bytes = m->import_wire_bytes;
    s->import_bytes = m->import_bytes;
    s->seal_bytes = m->seal_bytes;
    s->seal_after_ms = m->seal_after_ms;
    s->vanish_ms = m->vanish_ms;
    s->max_open = m->max_open;
    s->zstd_level = (int) m->zstd_level;
    TRY(take_networks(s, m, reterr));
    take_net(s, m);
    return ERR_OK;
}

struct gate_settings *gate_settings_new(const struct ipc_gate_config *m, struct err_info *reterr)
{
    struct gate_settings *s = calloc(1, sizeof(*s));

    if (s == NULL) {
        (void) ERR_RAISE(reterr, ERR_NOMEM, "no memory for the settings");
        return NULL;
    }
    arena_init(&s->memory, SETTINGS_MAX);
    return fill(s, m, reterr) == ERR_OK ? s : gate_settings_free(s);
}

struct gate_settings *gate_settings_free(struct gate_settings *s)
{
    while (s != NULL) {
        struct gate_settings *older = s->older;

        arena_deinit(&s->memory);
        free(s);
        s = older;
    }
    return NULL;
}

/* ---- authority ---- */

enum key_verdict gate_authority(struct gate *g, int64_t boot)
{
    int64_t heard = atomic_load(&g->heard);

    if (atomic_load(&g->stopping) || heard == 0 || boot - heard >= GATE_STALE_MS)
        return KEY_AUTHORITY_STALE;
    if (!atomic_load(&g->audit_ok))
        return KEY_AUDIT_UNAVAILABLE;
    return KEY_OK; /* an untrusted clock stops new keys; windows end by the boot clock (STANDARDS 1.5) */
}

enum live_verdict gate_probe(struct gate *g, const struct key_claims *k, int *ret_code)
{
    const struct live_grant *grant = NULL;
    enum live_verdict v;

    pthread_rwlock_rdlock(&g->live_lock);
    v = live_check(&g->live, span_str(k->jti), span_str(k->gid), k->gen, clock_wall_ms(), clock_boot_ms(), &grant);
    *ret_code = live_end_code(v, grant, live_denied_find(&g->live, span_str(k->jti)));
    pthread_rwlock_unlock(&g->live_lock);
    if (v == LIVE_UNKNOWN)
        *ret_code = 4410; /* whatever it was, it is no more */
    return v;
}

bool gate_grant(struct gate *g, const char *gid, struct live_grant *ret)
{
    const struct live_grant *grant;

    pthread_rwlock_rdlock(&g->live_lock);
    grant = live_find(&g->live, span_str(gid));
    if (grant != NULL)
        *ret = *grant;
    pthread_rwlock_unlock(&g->live_lock);
    return grant != NULL;
}

static int64_t least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

int64_t gate_window_left(struct gate *g, const struct key_claims *k)
{
    time_ms wall = clock_wall_ms();
    struct live_grant grant;

    if (!gate_grant(g, k->gid, &grant))
        return k->wend * 1000 - wall;
    return least(least(grant.wend, (k->wend + 1) * 1000) - wall, grant.deadline - clock_boot_ms());
}

/* ---- keys ---- */

static void put_key_set(struct gate *g, const struct ipc_keys *m)
{
    uint8_t pubs[KEY_RING_CAP][ES256_PUB_LEN];
    uint8_t digest[SHA256_LEN];
    char etag[20];
    size_t n = 0;

    for (uint32_t i = 0; i < m->signing.n && n < KEY_RING_CAP; i++) {
        const struct ipc_row_signing_key *k = &m->signing.rows[i];

        if (k->x.n != 32 || k->y.n != 32)
            continue;
        memcpy(pubs[n], k->x.p, 32);
        memcpy(pubs[n++] + 32, k->y.p, 32);
    }
    buf_reset(&g->jwks);
    jwks_write((const uint8_t(*)[ES256_PUB_LEN]) pubs, n, &g->jwks);
    sha256(buf_span(&g->jwks), digest);
    if (base64url_str(digest, 12, etag, sizeof(etag)))
        (void) snprintf(g->jwks_etag, sizeof(g->jwks_etag), "\"%s\"", etag);
}

void gate_keys_put(struct gate *g, const struct ipc_keys *m)
{
    struct key_ring ring = { 0 };

    for (uint32_t i = 0; i < m->signing.n; i++) {
        const struct ipc_row_signing_key *k = &m->signing.rows[i];
        struct secret *k_ctx = k->k_ctx.n == 32 ? secret_of(k->k_ctx) : NULL;
        uint8_t pub[ES256_PUB_LEN];

        if (k->x.n == 32 && k->y.n == 32) {
            memcpy(pub, k->x.p, 32);
            memcpy(pub + 32, k->y.p, 32);
            (void) key_ring_add(&ring, pub, &k_ctx, NULL); /* one that is no key checks nothing */
        }
        (void) secret_free(k_ctx);
    }
    pthread_rwlock_wrlock(&g->keys_lock);
    key_ring_deinit(&g->ring);
    g->ring = ring;
    put_key_set(g, m);
    if (m->epoch_pk.n == sizeof(g->epoch_pk)) {
        g->epoch = m->epoch;
        memcpy(g->epoch_pk, m->epoch_pk.p, sizeof(g->epoch_pk));
    }
    pthread_rwlock_unlock(&g->keys_lock);
}

/* ---- quotas: access/quota behind one lock ---- */

struct key_use {
    char jti[JTI_CAP];
    unsigned refs;
    struct quota_key q;
};

struct stream_count {
    char name[1 + ID_CAP];
    struct quota_count q;
};

/* The caller holds streams_lock. */
static struct key_use *use_of(struct gate *g, const char *jti)
{
    struct key_use *u = map_get(&g->uses, span_str(jti));

    if (u != NULL)
        return u;
    u = calloc(1, sizeof(*u));
    if (u == NULL)
        return NULL;
    (void) snprintf(u->jti, sizeof(u->jti), "%s", jti);
    if (!map_put(&g->uses, span_str(u->jti), u, NULL)) {
        free(u);
        return NULL;
    }
    return u;
}

static void drop_use(struct gate *g, struct key_use *u)
{
    if (u == NULL || u->refs > 0)
        return;
    (void) map_del(&g->uses, span_str(u->jti));
    free(u);
}

struct key_use *gate_use_open(struct gate *g, const char *jti)
{
    struct key_use *u;

    pthread_mutex_lock(&g->streams_lock);
    u = use_of(g, jti);
    if (u != NULL)
        u->refs++;
    pthread_mutex_unlock(&g->streams_lock);
    return u;
}

struct key_use *gate_use_close(struct gate *g, struct key_use *u)
{
    if (u == NULL)
        return NULL;
    pthread_mutex_lock(&g->streams_lock);
    u->refs--;
    drop_use(g, u);
    pthread_mutex_unlock(&g->streams_lock);
    return NULL;
}

/* ---- streams at once ---- */

static struct stream_count *count_of(struct gate *g, char kind, const char *id, bool make)
{
    char name[sizeof(((struct stream_count *) NULL)->name)];
    struct stream_count *c;

    (void) snprintf(name, sizeof(name), "%c%s", kind, id);
    c = map_get(&g->stream_counts, span_str(name));
    if (c != NULL || !make)
        return c;
    c = calloc(1, sizeof(*c));
    if (c == NULL)
        return NULL;
    memcpy(c->name, name, sizeof(c->name));
    if (!map_put(&g->stream_counts, span_str(c->name), c, NULL)) {
        free(c);
        return NULL;
    }
    return c;
}

static void drop_count(struct gate *g, struct stream_count *c)
{
    if (c == NULL || c->q.streams > 0)
        return;
    (void) map_del(&g->stream_counts, span_str(c->name));
    free(c);
}

enum key_verdict gate_stream_open(struct gate *g, const char *jti, const char *gid, const char *sub,
                                  struct quota_answer *ret)
{
    struct live_grant grant = { .quota = { 0 } };
    struct stream_count *of_grant, *of_person;
    struct key_use *key;
    enum key_verdict v = KEY_AUTHORITY_STALE;

    *ret = (struct quota_answer){ .verdict = QUOTA_OK };
    (void) gate_grant(g, gid, &grant); /* unknown: a quota of nothing */
    pthread_mutex_lock(&g->streams_lock);
    key = use_of(g, jti);
    of_grant = count_of(g, 'g', gid, true);
    of_person = count_of(g, 'p', sub, true);
    if (key != NULL && of_grant != NULL && of_person != NULL) {
        *ret = quota_stream_open(&grant.quota, &key->q, &of_grant->q, &of_person->q);
        v = quota_problem(ret->verdict);
    }
    if (v == KEY_OK) {
        key->refs++; /* counted as long as the stream is there */
    } else {
        drop_use(g, key);
        drop_count(g, of_grant);
        drop_count(g, of_person);
    }
    pthread_mutex_unlock(&g->streams_lock);
    return v;
}

void gate_stream_close(struct gate *g, const char *jti, const char *gid, const char *sub)
{
    struct stream_count *of_grant, *of_person;
    struct key_use *key;

    pthread_mutex_lock(&g->streams_lock);
    key = map_get(&g->uses, span_str(jti));
    of_grant = count_of(g, 'g', gid, false);
    of_person = count_of(g, 'p', sub, false);
    if (key != NULL && of_grant != NULL && of_person != NULL) {
        quota_stream_close(&key->q, &of_grant->q, &of_person->q);
        key->refs--;
        drop_use(g, key);
        drop_count(g, of_grant);
        drop_count(g, of_person);
    }
    pthread_mutex_unlock(&g->streams_lock);
}

/* ---- volume and rates ---- */

void gate_use_volume(struct gate *g, struct key_use *u, uint64_t before, uint64_t more)
{
    pthread_mutex_lock(&g->streams_lock);
    u->q.bytes = (u->q.bytes > before ? u->q.bytes : before) + more;
    pthread_mutex_unlock(&g->streams_lock);
}

void gate_use_give(struct gate *g, struct key_use *u, uint64_t bytes)
{
    pthread_mutex_lock(&g->streams_lock);
    quota_give(&u->q, bytes);
    pthread_mutex_unlock(&g->streams_lock);
}

static struct quota_answer take(const struct live_quota *limits, struct quota_key *q, enum use_kind kind, uint64_t bytes)
{
    int64_t boot = clock_boot_ms();

    switch (kind) {
    case USE_REQUEST: return quota_request(limits, q, boot);
    case USE_BYTES: return quota_take(limits, q, bytes, boot);
    case USE_PACED: return quota_volume(limits, q, bytes);
    case USE_AGAIN: return quota_rate(limits, q, bytes, boot);
    }
    return (struct quota_answer){ .verdict = QUOTA_KEY_BYTES };
}

struct quota_answer gate_use(struct gate *g, struct key_use *u, const char *gid, enum use_kind kind, uint64_t bytes)
{
    struct quota_answer a = { .verdict = QUOTA_KEY_BYTES };
    struct live_grant grant;

    if (!gate_grant(g, gid, &grant))
        return a;
    pthread_mutex_lock(&g->streams_lock);
    /* A key whose volume is used up asks for nothing more, not even for what needs none. */
    a = kind == USE_REQUEST && u->q.bytes >= grant.quota.key_bytes ? quota_volume(&grant.quota, &u->q, 1)
                                                                   : take(&grant.quota, &u->q, kind, bytes);
    pthread_mutex_unlock(&g->streams_lock);
    return a;
}

/* ---- bodies ---- */

bool gate_body_take(struct gate *g, uint64_t *charged, size_t more)
{
    uint64_t all = atomic_fetch_add(&g->bodies, more) + more;

    *charged += more;
    return *charged <= GATE_BODY_SMALL || all <= GATE_BODIES_MAX;
}

void gate_body_give(struct gate *g, uint64_t *charged)
{
    (void) atomic_fetch_sub(&g->bodies, *charged);
    *charged = 0;
}
