#include "access/live.h"

#include <stdlib.h>

#define KEEP_ENDED_MS 60000

void live_init(struct live *t, const uint8_t secret[16])
{
    map_init(&t->grants, secret, LIVE_GRANTS_MAX);
    map_init(&t->denied, secret, LIVE_DENIED_MAX);
}

void live_deinit(struct live *t)
{
    MAP_FOREACH (struct live_grant, g, &t->grants)
        free(g);
    MAP_FOREACH (struct live_denied, d, &t->denied)
        free(d);
    map_deinit(&t->grants);
    map_deinit(&t->denied);
}

bool live_from_row(const struct ipc_row_grant *in, struct live_grant *ret)
{
    struct live_grant g = {
        .state = (enum grant_state) in->state,
        .gen = in->gen,
        .wend = in->wend_ms,
        .deadline = in->deadline_ms,
        .end_code = in->end_code,
        .max_speed_x100 = in->max_speed_x100,
        .quota = { in->key_streams, in->grant_streams, in->person_streams, in->key_bytes, in->key_rate,
                   in->key_requests },
    };

    if (in->state >= GRANT_STATE_N_ || in->policy.n != sizeof(g.policy) || in->gid.n == 0 ||
        !span_to_str(in->gid, g.gid, sizeof(g.gid)) || !span_to_str(in->pid, g.pid, sizeof(g.pid)) ||
        !span_to_str(in->sub, g.sub, sizeof(g.sub)))
        return false;
    memcpy(g.policy, in->policy.p, sizeof(g.policy));
    *ret = g;
    return true;
}

const struct live_grant *live_find(const struct live *t, struct span gid)
{
    return map_get(&t->grants, gid);
}

enum err live_put(struct live *t, const struct live_grant *row, bool *ret_changed)
{
    struct live_grant *have = map_get(&t->grants, span_str(row->gid));
    bool changed;

    if (ret_changed != NULL)
        *ret_changed = false;
    if (have != NULL && (row->gen < have->gen || (grant_ended(have->state) && !grant_ended(row->state))))
        return ERR_OK;
    changed = have == NULL || row->gen != have->gen || row->state != have->state;
    if (have == NULL) {
        have = malloc(sizeof(*have));
        if (have == NULL)
            return ERR_NOMEM;
        *have = *row;
        if (!map_put(&t->grants, span_str(have->gid), have, NULL)) {
            free(have);
            return ERR_NOMEM;
        }
    } else {
        *have = *row;
    }
    if (ret_changed != NULL)
        *ret_changed = changed;
    return ERR_OK;
}

#define BATCH 1024

/* Removing moves other entries, so each pass first collects, then removes. True: there may be more. */
static bool drop_some(struct live *t, bool (*drop)(const struct live_grant *g, time_ms wall), time_ms wall)
{
    struct live_grant *found[BATCH];
    size_t n = 0;

    MAP_FOREACH (struct live_grant, g, &t->grants) {
        if (n < BATCH && drop(g, wall))
            found[n++] = g;
    }
    for (size_t i = 0; i < n; i++) {
        (void) map_del(&t->grants, span_str(found[i]->gid));
        free(found[i]);
    }
    return n == BATCH;
}

static bool is_live(const struct live_grant *g, time_ms wall)
{
    (void) wall;
    return !grant_ended(g->state);
}

static bool is_old(const struct live_grant *g, time_ms wall)
{
    return wall > g->wend + KEEP_ENDED_MS && wall > KEEP_ENDED_MS;
}

void live_clear(struct live *t)
{
    while (drop_some(t, is_live, 0))
        continue;
}

enum err live_deny(struct live *t, struct span jti, time_ms exp, uint16_t end_code)
{
    struct live_denied *d;

    if (map_get(&t->denied, jti) != NULL)
        return ERR_OK;
    d = calloc(1, sizeof(*d));
    if (d == NULL)
        return ERR_NOMEM;
    d->exp = exp;
    d->end_code = end_code;
    if (!span_to_str(jti, d->jti, sizeof(d->jti)) || !map_put(&t->denied, span_str(d->jti), d, NULL)) {
        free(d);
        return ERR_NOMEM;
    }
    return ERR_OK;
}

const struct live_denied *live_denied_find(const struct live *t, struct span jti)
{
    return map_get(&t->denied, jti);
}

static bool drop_denied(struct live *t, time_ms wall)
{
    struct live_denied *found[BATCH];
    size_t n = 0;

    MAP_FOREACH (struct live_denied, d, &t->denied) {
        if (n < BATCH && d->exp <= wall)
            found[n++] = d;
    }
    for (size_t i = 0; i < n; i++) {
        (void) map_del(&t->denied, span_str(found[i]->jti));
        free(found[i]);
    }
    return n == BATCH;
}

void live_sweep(struct live *t, time_ms wall)
{
    while (drop_some(t, is_old, wall))
        continue;
    while (drop_denied(t, wall))
        continue;
}

enum live_verdict live_check(const struct live *t, struct span jti, struct span gid, uint32_t gen, time_ms wall,
                             int64_t boot, const struct live_grant **ret)
{
    const struct live_grant *g = live_find(t, gid);

    if (ret != NULL)
        *ret = g;
    if (live_denied_find(t, jti) != NULL)
        return LIVE_DENIED;
    if (g == NULL)
        return LIVE_UNKNOWN;
    if (grant_ended(g->state) || wall >= g->wend || boot >= g->deadline)
        return LIVE_ENDED;
    if (gen > g->gen)
        return LIVE_UNKNOWN;
    if (g->state == GRANT_SUSPENDED)
        return LIVE_SUSPENDED;
    if (g->state != GRANT_ACTIVE)
        return LIVE_ENDED;
    return gen < g->gen ? LIVE_OLD_GEN : LIVE_OK;
}

int live_end_code(enum live_verdict v, const struct live_grant *g, const struct live_denied *d)
{
    switch (v) {
    case LIVE_OK:
    case LIVE_UNKNOWN: return 0;
    case LIVE_OLD_GEN: return 4401;
    case LIVE_DENIED: return d != NULL && d->end_code != 0 ? d->end_code : 4411;
    case LIVE_SUSPENDED: return 4423;
    case LIVE_ENDED: return g != NULL && grant_ended(g->state) && g->end_code != 0 ? g->end_code : 4410;
    }
    return 4410;
}
