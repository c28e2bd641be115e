#include "gate/replay.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/num.h"
#include "codec/jsonw.h"
#include "crypto/hash.h"
#include "format/id.h"
#include "gate/pass.h"
#include "os/clock.h"

#define ASKED_MAX 20 /* a second and loop: STANDARDS 1.4 step 11 */

/* ---- words ---- */

static const struct {
    int code;
    const char *event, *reason;
} endings[] = {
    { 1000, "end", "end" },
    { 1012, "shutdown", "shutdown" },
    { 4400, "bad-request", "bad-request" },
    { 4401, "key.expired", "key-expired" },
    { 4403, "not-permitted", "not-permitted" },
    { 4409, "superseded", "quota" },
    { 4410, "window.ended", "window-ended" },
    { 4411, "revoked", "revoked" },
    { 4412, "step-up", "step-up" },
    { 4423, "suspended", "suspended" },
    { 4429, "rate-limited", "rate-limited" },
    { 4503, "unavailable", "unavailable" },
};

const char *replay_event_name(int code)
{
    for (size_t i = 0; i < sizeof(endings) / sizeof(endings[0]); i++) {
        if (endings[i].code == code)
            return endings[i].event;
    }
    return "unavailable";
}

const char *replay_reason(int code)
{
    for (size_t i = 0; i < sizeof(endings) / sizeof(endings[0]); i++) {
        if (endings[i].code == code)
            return endings[i].reason;
    }
    return "unavailable";
}

int replay_code_of(enum key_verdict v)
{
    const struct problem_kind *k = problem_find(span_str(key_verdict_code(v)));

    return k == NULL || k->stream_code == 0 ? 4503 : k->stream_code;
}

/* {"left": {"name", "limit", "used"}}: which limit of this access was reached. */
static void add_left(struct jsonw *w, const struct quota_answer *a)
{
    if (a->verdict == QUOTA_OK)
        return;
    jsonw_kobj(w, "left");
    jsonw_kcstr(w, "name", quota_name(a->verdict));
    jsonw_kint(w, "limit", (int64_t) a->limit);
    jsonw_kint(w, "used", (int64_t) (a->limit - (a->left < a->limit ? a->left : a->limit)));
    jsonw_obj_end(w);
}

void replay_end_json(const struct replay *r, int code, int64_t last_seq, int64_t at_ms, struct buf *out)
{
    struct jsonw w;

    jsonw_init(&w, out);
    jsonw_obj(&w);
    jsonw_kint(&w, "code", code);
    jsonw_kcstr(&w, "reason", replay_reason(code));
    jsonw_kint(&w, "last_seq", last_seq);
    jsonw_kint(&w, "at_ms", at_ms);
    if (code == 4401) {
        char renew[64];

        (void) snprintf(renew, sizeof(renew), "/v1/grants/%s/keys", viewer_claims(r->viewer)->gid);
        jsonw_kcstr(&w, "renew", renew);
    }
    if (code == 4409)
        add_left(&w, viewer_quota(r->viewer));
    if (code == 1012 || code == 4503) /* spread, so that thousands of players do not return in one second */
        jsonw_kint(&w, "retry_after_s", (int64_t) (siphash24(r->call->lane->gate->hash_secret,
                                                             span_of(r->call->trace, CALL_TRACE_LEN)) % 6));
    jsonw_obj_end(&w);
}

/* ---- may it? ---- */

static enum key_verdict of_live(enum live_verdict v)
{
    switch (v) {
    case LIVE_OK: return KEY_OK;
    case LIVE_OLD_GEN:
    case LIVE_DENIED: return KEY_REVOKED;
    case LIVE_SUSPENDED: return KEY_GRANT_SUSPENDED;
    case LIVE_UNKNOWN:
    case LIVE_ENDED: break;
    }
    return KEY_GRANT_ENDED;
}

enum key_verdict replay_may(const struct replay *r, int *ret_code)
{
    struct gate *g = r->call->lane->gate;
    const struct key_claims *c = viewer_claims(r->viewer);
    enum key_verdict v = lane_authority(r->call->lane);
    enum live_verdict live;

    if (v != KEY_OK) {
        *ret_code = atomic_load(&g->stopping) ? 1012 : replay_code_of(v);
        return v;
    }
    live = gate_probe(g, c, ret_code);
    if (live != LIVE_OK)
        return of_live(live);
    v = key_check_time(c, clock_wall_ms(), NULL);
    /* at an instant that is both, the window's end wins: a fresh key would not help (STANDARDS 1.8 rule 5) */
    *ret_code = v == KEY_OK ? 0 : v == KEY_EXPIRED && c->exp >= c->wend ? 4410 : replay_code_of(v);
    return v;
}

/* ---- refusals ---- */

static void tell_audit(struct call *c, const struct key_claims *k, enum key_verdict v)
{
    struct refusal key = { .code = key_verdict_code(v), .prefix = call_prefix(c), .route = c->route->name };

    if (k != NULL) {
        key.jti = k->jti;
        key.gid = k->gid;
        key.rid = k->rid;
        key.pid = k->pid;
        key.sub = k->sub;
    }
    lane_refused(c->lane, &key);
}

/* A fresh key would help: this one is over, withdrawn or of another place, and the grant is not. */
static bool renew_helps(struct gate *g, const struct key_claims *k, enum key_verdict v, bool moved)
{
    struct live_grant grant;

    return (v == KEY_EXPIRED || v == KEY_REVOKED || moved) && gate_grant(g, k->gid, &grant) &&
           grant.state == GRANT_ACTIVE && clock_wall_ms() < grant.wend && clock_boot_ms() < grant.deadline;
}

/* RFC 9110 11.6.1: how to authenticate; of a key that is known to be bound (or not), that way only. */
static size_t add_challenges(const struct key_claims *k, enum key_verdict v, char text[2][200], struct http_header *h)
{
    static const char *const schemes[] = { "DPoP", "Bearer" };
    const bool bound = k != NULL && k->cnf_jkt[0] != '\0', known = k != NULL;
    size_t n = 0;

    for (size_t i = 0; i < 2; i++) {
        if (known && bound != (i == 0))
            continue;
        (void) snprintf(text[i], sizeof(text[i]), "%s realm=\"keyhole\"%s%s%s%s", schemes[i],
                        v == KEY_MISSING ? "" : v == KEY_SCOPE ? ", error=\"insufficient_scope\""
                                                               : ", error=\"invalid_token\", error_description=\"",
                        v == KEY_MISSING || v == KEY_SCOPE ? "" : key_verdict_code(v),
                        v == KEY_MISSING || v == KEY_SCOPE ? "" : "\"", i == 0 ? ", algs=\"ES256\"" : "");
        h[n++] = (struct http_header){ SPAN("www-authenticate"), span_str(text[i]) };
    }
    return n;
}

/* quota: what was reached, when the verdict is about that; NULL: it is not known here. */
static void refuse_call(struct call *c, const struct key_claims *k, enum key_verdict v, bool moved, const char *detail,
                        const struct quota_answer *quota)
{
    const struct problem_kind *kind = problem_find(span_str(key_verdict_code(v)));
    struct problem p = { .code = span_str(key_verdict_code(v)), .detail = detail, .replay = true };
    struct http_header h[4];
    char renew[64], challenge[2][200], retry[16];
    struct buf members = BUF_INIT(512);
    struct jsonw w;
    size_t n = 0;

    tell_audit(c, k, v);
    if (quota != NULL && quota_problem(quota->verdict) == v) {
        jsonw_init(&w, &members);
        jsonw_obj(&w);
        add_left(&w, quota);
        jsonw_obj_end(&w);
        p.members = buf_span(&members);
    }
    if (k != NULL && renew_helps(c->lane->gate, k, v, moved)) {
        (void) snprintf(renew, sizeof(renew), "/v1/grants/%s/keys", k->gid);
        p.renew = renew;
    }
    if (kind->status == 401 || v == KEY_SCOPE)
        n = add_challenges(k, v, challenge, h);
    if (kind->status == 503 || kind->status == 429) {
        p.retry_after_s = quota != NULL && quota->retry_after_ms > 1000 ? (int) ((quota->retry_after_ms + 999) / 1000) : 1;
        (void) snprintf(retry, sizeof(retry), "%d", p.retry_after_s);
        h[n++] = (struct http_header){ SPAN("retry-after"), span_str(retry) };
    }
    call_problem_full(c, &p, h, n);
    buf_deinit(&members);
}

void replay_refuse(struct replay *r, enum key_verdict v, const char *detail)
{
    if (r->over)
        return;
    r->over = true;
    if (r->call->ex != NULL)
        refuse_call(r->call, viewer_claims(r->viewer), v, false, detail,
                    v == KEY_QUOTA || v == KEY_RATE_LIMITED ? viewer_quota(r->viewer) : NULL);
}

void replay_stop(struct replay *r, enum key_verdict v)
{
    int code = replay_code_of(v), live_code;

    if (r->over)
        return;
    if (!r->begun) {
        replay_refuse(r, v, "");
        return;
    }
    if (replay_may(r, &live_code) != KEY_OK)
        code = live_code; /* the truer reason: revoked, suspended, over */
    r->ops->end(r, code);
}

void replay_ask_lease(struct replay *r, const struct viewer_span *want, viewer_verdict_fn fn, void *ctx)
{
    struct viewer_span mine = *want;

    mine.proof = r->proved ? r->proof : NULL;
    viewer_lease(r->viewer, &mine, fn, ctx);
}

void replay_sent_all(struct replay *r)
{
    r->over = r->flushing = true;
}

void replay_bad_parameter(struct replay *r, const char *name, const char *detail)
{
    char members[300];
    const struct problem p = { .code = SPAN("invalid"), .detail = detail, .replay = true, .members = span_str(members) };

    (void) snprintf(members, sizeof(members), "{\"errors\":[{\"at\":\"%s\",\"code\":\"pattern\",\"detail\":\"%s\"}]}", name,
                    detail);
    if (r->over || r->call->ex == NULL)
        return;
    r->over = true;
    call_problem_full(r->call, &(struct problem){ p.code, p.detail, span_str(members), NULL, true, 0 }, NULL, 0);
}

bool replay_query_str(const struct replay *r, const char *name, struct span *ret)
{
    return tree_get_str(tree_root(buf_span(&r->query)), name, ret);
}

bool replay_query_int(struct replay *r, const char *name, int64_t max, int64_t *ret)
{
    struct span text;
    uint64_t v;

    if (!replay_query_str(r, name, &text))
        return true;
    if (!num_u64(text, (uint64_t) max, &v)) {
        replay_bad_parameter(r, name, "A whole number is expected here.");
        return false;
    }
    *ret = (int64_t) v;
    return true;
}

/* ---- the check, step by step (STANDARDS 1.4) ---- */

bool replay_follows(const struct replay *r)
{
    struct span text;

    return r->call->route->id == ROUTE_replay_stream && replay_query_str(r, "follow", &text) && !span_eq_str(text, "0");
}

/* Step 10: the route's recording and scope. 'what' is judged by the claims alone, before anything is looked up. */
static enum key_verdict check_route(const struct replay *r, const struct key_claims *k)
{
    const struct call *c = r->call;
    struct span any;

    if (!span_eq_str(c->params[0], k->rid))
        return KEY_RECORDING_MISMATCH;
    if (replay_follows(r)) {
        if ((k->scope & KEY_SCOPE_LIVE) == 0)
            return KEY_SCOPE;
        /* what is there from the newest keyframe on shows what comes; anything before is `play` */
        return (k->scope & KEY_SCOPE_PLAY) != 0 || !replay_query_str(r, "from_ms", &any) ? KEY_OK : KEY_SCOPE;
    }
    switch ((int) c->route->id) {
    case ROUTE_replay_manifest: return KEY_OK;
    case ROUTE_replay_export: return (k->scope & KEY_SCOPE_EXPORT) != 0 ? KEY_OK : KEY_SCOPE;
    default: return (k->scope & KEY_SCOPE_PLAY) != 0 ? KEY_OK : KEY_SCOPE;
    }
}

/* Steps 1 to 12. KEY_OK: r->viewer is there; it may still wait for its first sight. */
static enum key_verdict check(struct replay *r, struct pass *k)
{
    struct call *c = r->call;
    struct gate *g = c->lane->gate;
    const struct proof_want want = proof_want_of(c, /* ath= */ NULL, /* jkt= */ NULL);
    enum live_verdict live;
    enum key_verdict v = pass_find(exchange_head(c->ex), tree_root(buf_span(&r->query)), k);
    int code;

    if (v == KEY_OK)
        v = pass_check(c, k);
    if (v == KEY_OK)
        v = check_route(r, &k->claims);
    if (v == KEY_OK)
        v = lane_authority(r->call->lane);
    if (v != KEY_OK)
        return v;
    live = gate_probe(g, &k->claims, &code);
    if (live != LIVE_OK && live != LIVE_UNKNOWN)
        return of_live(live);
    if (live == LIVE_UNKNOWN && c->lane->asked++ >= ASKED_MAX)
        return KEY_AUTHORITY_STALE;
    v = pass_bind(c, &want, call_prefix(c), k);
    if (v == KEY_OK)
        v = viewer_get(c->lane, k->digest, &k->claims, k->kid, &r->viewer);
    if (v == KEY_OK) {
        viewer_placed(r->viewer, call_prefix(c));
        pass_keep(c, k);
    }
    if (v == KEY_OK && k->scheme == PASS_DPOP) {
        r->proved = true;
        memcpy(r->proof, k->proof.sha256, sizeof(r->proof));
        viewer_proved(r->viewer, r->proof);
    }
    r->fresh = v == KEY_OK && live == LIVE_OK;
    return v;
}

/* The problem of what 'check' found; before that nothing was answered. */
static void refuse_checked(struct call *c, const struct pass *k, enum key_verdict v)
{
    const struct key_claims *claims = k->known ? &k->claims : NULL;

    if (k->proof.verdict != DPOP_OK) { /* it was the proof */
        tell_audit(c, claims, v);
        proof_refuse(c, &k->proof, true);
    } else {
        refuse_call(c, claims, v, k->moved, "", NULL);
    }
}

/* ---- life ---- */

static void on_call_end(struct call *c, enum exchange_end how)
{
    struct replay *r = c->state;

    list_remove(&r->node);
    loop_timer_cancel(&r->window);
    r->over = true;
    r->flushing = false;
    r->ops->gone(r, how);
    if (r->using)
        viewer_unuse(r->viewer);
    r->using = false;
}

static void on_call_drained(struct call *c)
{
    struct replay *r = c->state;

    if (r->ops->drained != NULL && !r->over)
        r->ops->drained(r);
}

static void on_call_free(struct call *c)
{
    struct replay *r = c->state;

    if (r == NULL)
        return;
    list_remove(&r->node);
    loop_timer_cancel(&r->window);
    if (r->ops->free != NULL)
        r->ops->free(r);
    if (r->viewer != NULL)
        viewer_unref(r->viewer);
    buf_deinit(&r->query);
    free(r->state);
    free(r);
}

static const struct call_ops call_ops = { .on_drained = on_call_drained, .on_end = on_call_end, .on_free = on_call_free };

/* Is this answer still wanted, and may it be given? Drops the reference of the question. */
static bool still(struct replay *r, enum key_verdict v)
{
    int code;

    if (r->over || r->call->ex == NULL)
        return false;
    if (v == KEY_OK && !r->fresh)
        v = replay_may(r, &code);
    if (v != KEY_OK)
        replay_stop(r, v);
    return v == KEY_OK;
}

/* HEAD to an answer that comes in parts: what GET would begin with. */
static bool answered_head(struct replay *r)
{
    int id = (int) r->call->route->id;

    if (exchange_head(r->call->ex)->method != HTTP_M_HEAD || id == ROUTE_replay_manifest || id == ROUTE_replay_chunk)
        return false;
    r->over = r->begun = true;
    if (call_begin(r->call, id == ROUTE_replay_stream ? "text/event-stream"
                            : id == ROUTE_replay_events ? "application/x-ndjson"
                            : viewer_facts(r->viewer)->terminal ? "application/x-asciicast" : "application/json", NULL, 0))
        exchange_end(r->call->ex);
    return true;
}

static void on_extent(void *ctx, enum key_verdict v, uint64_t events, bool live)
{
    struct replay *r = ctx;

    r->events = events;
    r->live = live;
    if (still(r, v) && !answered_head(r))
        r->ops->begin(r);
    call_unref(r->call);
}

static void on_unlocked(void *ctx, enum key_verdict v)
{
    struct replay *r = ctx;

    if (still(r, v))
        viewer_extent(r->viewer, on_extent, r);
    else
        call_unref(r->call);
}

static void recheck_one(struct replay *r)
{
    int code;
    enum key_verdict v;

    if (r->viewer == NULL || (r->over && !r->flushing))
        return;
    v = replay_may(r, &code);
    if (v == KEY_OK || v == KEY_EXPIRED) /* an expired key ends by the stream's own timer, after its last event */
        return;
    if (!r->over) {
        replay_stop(r, v);
    } else if (r->call->ex != NULL) {
        r->flushing = false;
        exchange_cut(r->call->ex, SPAN_EMPTY);
    }
}

static void on_window(void *arg)
{
    struct replay *r = arg;
    int64_t left;

    recheck_one(r);
    left = gate_window_left(r->call->lane->gate, viewer_claims(r->viewer));
    if (!r->over || r->flushing)
        loop_timer_arm(&r->window, left < 1 ? 1 : left);
}

/* The first lease, of what the manifest shows, brings the recording key; the index is read with it. */
static void on_ready(void *ctx, enum key_verdict v)
{
    static const struct viewer_span manifest = { .what = LEASE_MANIFEST };
    struct replay *r = ctx;

    if (!still(r, v)) {
        call_unref(r->call);
        return;
    }
    v = viewer_charge_request(r->viewer);
    if (v != KEY_OK) {
        replay_refuse(r, v, "");
        call_unref(r->call);
        return;
    }
    r->using = true;
    viewer_use(r->viewer);
    on_window(r);
    replay_ask_lease(r, &manifest, on_unlocked, r);
}

static const struct replay_ops *ops_of(const struct replay *r)
{
    switch ((int) r->call->route->id) {
    case ROUTE_replay_manifest: return &replay_manifest_ops;
    case ROUTE_replay_chunk: return &replay_chunk_ops;
    case ROUTE_replay_events: return &replay_events_ops;
    case ROUTE_replay_stream: return replay_follows(r) ? &replay_follow_ops : &replay_stream_ops;
    default: return &replay_export_ops;
    }
}

void replay_answer(struct call *c)
{
    struct replay *r = calloc(1, sizeof(*r));
    struct pass k = { .known = false };
    struct err_info e;
    enum key_verdict v;

    if (r == NULL) {
        call_problem(c, "overloaded", "");
        return;
    }
    r->call = c;
    buf_init(&r->query, 64 << 10);
    r->ops = ops_of(r);
    loop_timer_init(&r->window, c->lane->loop, on_window, r);
    c->state = r;
    c->ops = &call_ops;
    list_append(&c->lane->replays, &r->node);
    if (exchange_head(c->ex)->query.n > 0 && call_query(c, &r->query, &e) != ERR_OK) {
        r->over = true;
        call_problem(c, "bad-request", e.text);
        return;
    }
    r->ops = ops_of(r);
    v = check(r, &k);
    if (v != KEY_OK) {
        r->over = true;
        refuse_checked(c, &k, v);
        return;
    }
    (void) call_ref(c);
    viewer_ready(r->viewer, call_prefix(c), on_ready, (call_ref(c), r));
    r->fresh = false;
    call_unref(c);
}

void replay_recheck(struct lane *l, struct span gid)
{
    LIST_FOREACH(node, &l->replays)
    {
        struct replay *r = LIST_ENTRY(node, struct replay, node);

        if (r->viewer != NULL && (gid.n == 0 || span_eq_str(gid, viewer_claims(r->viewer)->gid)))
            recheck_one(r);
    }
}

void replay_shutdown(struct lane *l)
{
    LIST_FOREACH(node, &l->replays)
    {
        struct replay *r = LIST_ENTRY(node, struct replay, node);

        if (r->over || r->viewer == NULL)
            continue;
        if (r->begun)
            r->ops->end(r, 1012);
        else
            replay_refuse(r, KEY_AUTHORITY_STALE, "The server is going down.");
    }
}
