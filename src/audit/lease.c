#include "audit/lease.h"

#include "codec/json.h"
#include "meta/auditlog.h"

static enum err range_ok(uint64_t from, uint64_t to, struct err_info *reterr)
{
    if (to < from || to > INT64_MAX)
        return ERR_RAISE(reterr, ERR_INVAL, "a range from %llu to %llu", (unsigned long long) from,
                         (unsigned long long) to);
    return ERR_OK;
}

bool lease_is_valid(const struct ipc_lease *x)
{
    if (x->bytes > INT64_MAX || x->from_seq > INT64_MAX || x->first_lease > INT64_MAX)
        return false;
    switch (x->what) {
    case LEASE_MANIFEST: return true;
    case LEASE_LIVE: return x->live_s >= 1 && x->live_s <= LEASE_LIVE_MAX_S && x->bytes > 0;
    case LEASE_STREAM:
    case LEASE_CHUNK:
    case LEASE_EVENTS:
    case LEASE_EXPORT:
        return x->from_seq <= x->to_seq && x->to_seq <= INT64_MAX && x->from_ms <= x->to_ms && x->to_ms <= INT64_MAX;
    default: return false;
    }
}

enum err lease_leaf(const struct ipc_lease *x, time_ms now, struct leaf *ret, struct err_info *reterr)
{
    struct leaf l = { .log = x->pid, .t = now, .type = LEAF_REPLAY_LEASED, .actor = x->sub, .gid = x->gid, .gen = x->gen,
                      .vid = x->vid, .rid = x->rid, .jti = x->jti, .outcome = SPAN("ok") };

    if (!lease_is_valid(x))
        return ERR_RAISE(reterr, ERR_INVAL, "a lease of kind %d that cannot be", x->what);
    if (x->what == LEASE_MANIFEST) {
        (void) leaf_add_number(&l, "manifest", 1); /* at most eight: there is room */
    } else if (x->what == LEASE_LIVE) {
        (void) leaf_add_number(&l, "from_seq", (int64_t) x->from_seq);
        (void) leaf_add_number(&l, "live_s", x->live_s);
        (void) leaf_add_number(&l, "max_bytes", (int64_t) x->bytes);
    } else {
        (void) leaf_add_number(&l, "from_seq", (int64_t) x->from_seq);
        (void) leaf_add_number(&l, "to_seq", (int64_t) x->to_seq);
        (void) leaf_add_number(&l, "from_ms", (int64_t) x->from_ms);
        (void) leaf_add_number(&l, "to_ms", (int64_t) x->to_ms);
        (void) leaf_add_number(&l, "bytes", (int64_t) x->bytes);
        if (x->what == LEASE_EXPORT)
            (void) leaf_add_number(&l, "export", 1);
    }
    if (x->reveal != 0)
        (void) leaf_add_number(&l, "reveal", 1);
    if (x->first_lease > 0)
        (void) leaf_add_number(&l, "first", (int64_t) x->first_lease);
    *ret = l;
    return ERR_OK;
}

enum err lease_settle_leaf(const struct ipc_settle *x, time_ms now, struct leaf *ret, struct err_info *reterr)
{
    static const char *const from[LEASE_RANGES_MAX] = { "from_0", "from_1", "from_2",  "from_3",  "from_4",  "from_5",
                                                        "from_6", "from_7", "from_8",  "from_9",  "from_10", "from_11",
                                                        "from_12", "from_13", "from_14", "from_15" };
    static const char *const to[LEASE_RANGES_MAX] = { "to_0", "to_1", "to_2",  "to_3",  "to_4",  "to_5",  "to_6",  "to_7",
                                                      "to_8", "to_9", "to_10", "to_11", "to_12", "to_13", "to_14", "to_15" };
    struct leaf l = { .log = x->pid, .t = now, .type = LEAF_REPLAY_SETTLED, .actor = x->sub, .gid = x->gid, .gen = x->gen,
                      .vid = x->vid, .rid = x->rid, .jti = x->jti, .outcome = SPAN("ok") };

    TRY(range_ok(0, x->first_lease, reterr));
    TRY(range_ok(0, x->bytes, reterr));
    (void) leaf_add_number(&l, "lease", (int64_t) x->first_lease); /* at most 2 + 2 * 16: there is room */
    if (x->more != 0 || x->ranges.n > LEASE_RANGES_MAX) {
        (void) leaf_add_number(&l, "all", 1);
    } else {
        for (uint32_t i = 0; i < x->ranges.n; i++) {
            TRY(range_ok(x->ranges.rows[i].from_seq, x->ranges.rows[i].to_seq, reterr));
            (void) leaf_add_number(&l, from[i], (int64_t) x->ranges.rows[i].from_seq);
            (void) leaf_add_number(&l, to[i], (int64_t) x->ranges.rows[i].to_seq);
        }
    }
    (void) leaf_add_number(&l, "bytes", (int64_t) x->bytes);
    *ret = l;
    return ERR_OK;
}

/* n.bytes, of a live lease n.max_bytes, of a leaf under this jti, else 0. */
static uint64_t bytes_of(struct span leaf, struct span jti)
{
    struct json_value o = json_value(leaf), m; /* our own bytes */
    int64_t n;

    if (!json_find(o, "jti", &m) || !span_eq(m.raw, jti) || !json_find(o, "n", &o) ||
        (!json_find(o, "bytes", &m) && !json_find(o, "max_bytes", &m)) || !json_int(m.raw, &n) || n < 0)
        return 0;
    return (uint64_t) n;
}

enum err lease_bytes(struct meta_view *v, struct span log, struct span gid, struct span jti, time_ms after_ms,
                     uint64_t *ret_bytes, struct err_info *reterr)
{
    struct span type = SPAN("replay.leased");
    struct meta_audit_filter f = { .log = log, .types = &type, .n_types = 1, .gid = gid, .from = 0, .ascending = true,
                                   .after_ms = after_ms, .limit = META_PAGE_MAX };
    uint64_t sum = 0;

    while (f.from >= 0) {
        CLEANUP(arena_deinit) struct arena mem = { 0 };
        struct meta_audit_item *rows;
        size_t n;

        arena_init(&mem, 16u << 20);
        TRY(meta_audit_list(v, &f, &mem, &rows, &n, &f.from, reterr));
        for (size_t i = 0; i < n; i++)
            sum += bytes_of(rows[i].leaf, jti);
    }
    *ret_bytes = sum;
    return ERR_OK;
}
