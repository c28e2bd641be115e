#include "gate/refusals.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"

/* Everything that makes two refusals the same. Texts are fixed-size, so that a row can be compared and kept whole. */
struct row {
    char name[200]; /* code, route, jti or prefix: the map's key */
    char code[32], route[32];
    char jti[JTI_CAP], gid[ID_CAP], rid[ID_CAP], pid[ID_CAP], sub[ID_CAP];
    uint8_t prefix[NET_PREFIX_LEN];
    size_t prefix_len;
    uint32_t count; /* not yet sent */
};

struct refusals {
    struct map rows;
    struct row other; /* what found no row of its own */
};

struct refusals *refusals_new(const uint8_t secret[16])
{
    struct refusals *r = calloc(1, sizeof(*r));

    if (r == NULL)
        return NULL;
    map_init(&r->rows, secret, REFUSALS_KINDS_MAX);
    (void) snprintf(r->other.code, sizeof(r->other.code), "other");
    return r;
}

struct refusals *refusals_free(struct refusals *r)
{
    if (r == NULL)
        return NULL;
    MAP_FOREACH(struct row, row, &r->rows)
        free(row);
    map_deinit(&r->rows);
    free(r);
    return NULL;
}

static void copy(char *to, size_t cap, const char *from)
{
    (void) snprintf(to, cap, "%s", from == NULL ? "" : from);
}

static void fill(struct row *row, const struct refusal *w)
{
    copy(row->code, sizeof(row->code), w->code);
    copy(row->route, sizeof(row->route), w->route);
    copy(row->jti, sizeof(row->jti), w->jti);
    copy(row->gid, sizeof(row->gid), w->gid);
    copy(row->rid, sizeof(row->rid), w->rid);
    copy(row->pid, sizeof(row->pid), w->pid);
    copy(row->sub, sizeof(row->sub), w->sub);
    row->prefix_len = w->prefix.n > sizeof(row->prefix) ? sizeof(row->prefix) : w->prefix.n;
    if (row->prefix_len > 0)
        memcpy(row->prefix, w->prefix.p, row->prefix_len);
    (void) snprintf(row->name, sizeof(row->name), "%s %s %s %s ", row->code, row->route, row->jti, row->rid);
    for (size_t i = 0, n = strlen(row->name); i < row->prefix_len && n + 3 < sizeof(row->name); i++, n += 2)
        (void) snprintf(row->name + n, 3, "%02x", row->prefix[i]);
}

/* False: the keeper is away or its channel is full; the count stays. */
static bool send(struct row *row, struct link *to)
{
    const struct ipc_refused m = {
        .code = span_str(row->code), .route = span_str(row->route), .jti = span_str(row->jti),
        .gid = span_str(row->gid), .rid = span_str(row->rid), .pid = span_str(row->pid), .sub = span_str(row->sub),
        .prefix = span_of(row->prefix, row->prefix_len), .count = row->count,
    };

    if (row->count == 0)
        return true;
    if (to == NULL || link_send(to, IPC_T_REFUSED, &m) != ERR_OK)
        return false;
    row->count = 0;
    return true;
}

void refusals_add(struct refusals *r, const struct refusal *what, struct link *to)
{
    struct row now = { 0 }, *row;

    fill(&now, what);
    row = map_get(&r->rows, span_str(now.name));
    if (row != NULL) {
        row->count++;
        return;
    }
    row = malloc(sizeof(*row));
    if (row != NULL)
        *row = now;
    if (row == NULL || !map_put(&r->rows, span_str(row->name), row, NULL)) {
        free(row);
        r->other.count++;
        return;
    }
    log_event(LOG_INFO, "replay.refused", LOG_STR("code", row->code), LOG_STR("route", row->route),
              LOG_STR("jti", row->jti), LOG_STR("gid", row->gid));
    row->count = 1;
    (void) send(row, to); /* else with the next flush */
}

void refusals_flush(struct refusals *r, struct link *to)
{
    bool kept = false;

    MAP_FOREACH(struct row, row, &r->rows)
        kept = !send(row, to) || kept;
    (void) send(&r->other, to);
    if (kept)
        return;
    MAP_FOREACH(struct row, row, &r->rows)
        free(row);
    map_deinit(&r->rows);
    map_init(&r->rows, r->rows.secret, REFUSALS_KINDS_MAX);
}
