#include "gate/replay_sse.h"

#include <stdio.h>

#include "base/num.h"
#include "codec/jsonw.h"
#include "os/clock.h"

#define COMMENT_MS 15000
#define WARN_MS    30000

void replay_sse_init(struct replay_sse *s, struct replay *r, void (*on_loaded)(struct replay *r, enum err e), loop_fn on_wake)
{
    lines_init(&s->lines, r, on_loaded);
    buf_init(&s->start.bytes, 0);
    s->to_ms = INT64_MAX;
    s->last_seq = -1;
    loop_timer_init(&s->wake, r->call->lane->loop, on_wake, r);
}

bool replay_sse_read_resume(struct replay *r, struct replay_sse *s)
{
    struct span text;
    uint64_t id;

    if (!http_head_get(exchange_head(r->call->ex), "last-event-id", &text))
        return true;
    if (!num_u64(text, INT64_MAX - 1, &id)) {
        replay_bad_parameter(r, "Last-Event-ID", "The sequence of an event is expected here.");
        return false;
    }
    s->resume = true;
    s->resume_id = id;
    s->last_seq = (int64_t) id;
    return true;
}

/* ---- writing ---- */

bool replay_sse_has_room(struct replay *r)
{
    return exchange_write(r->call->ex, SPAN_EMPTY) == ERR_OK;
}

void replay_sse_write(struct replay *r, struct span text)
{
    if (!r->over && r->call->ex != NULL && exchange_write(r->call->ex, text) != ERR_OK) {
        r->over = true;
        exchange_abort(r->call->ex);
    }
}

void replay_sse_add_event(struct buf *out, const struct line *l)
{
    buf_addf(out, "id: %llu\ndata: ", (unsigned long long) l->seq);
    buf_add_span(out, l->json);
    buf_add_str(out, "\n\n");
}

void replay_sse_send(struct replay *r, struct buf *out, uint64_t first)
{
    struct replay_sse *s = r->state;

    if (out->n == 0)
        return;
    replay_sse_write(r, buf_span(out));
    if (!r->over)
        viewer_sent(r->viewer, first, (uint64_t) s->last_seq, out->n);
}

/* ---- endings ---- */

static void final_text(const struct replay *r, int code, struct buf *out)
{
    const struct replay_sse *s = r->state;

    buf_addf(out, "event: %s\ndata: ", replay_event_name(code));
    replay_end_json(r, code, s == NULL ? -1 : s->last_seq, s == NULL ? 0 : s->last_ms, out);
    buf_add_str(out, "\n\n");
}

void replay_sse_end(struct replay *r, int code)
{
    struct replay_sse *s = r->state;
    struct buf b = BUF_INIT(EXCHANGE_FINAL_MAX);

    if (s != NULL) {
        loop_timer_cancel(&s->wake);
        s->end_code = code;
    }
    r->over = true;
    final_text(r, code, &b);
    if (r->call->ex != NULL)
        exchange_cut(r->call->ex, b.failed ? SPAN_EMPTY : buf_span(&b));
    buf_deinit(&b);
}

void replay_sse_end_cleanly(struct replay *r, int code)
{
    struct replay_sse *s = r->state;
    struct buf b = BUF_INIT(EXCHANGE_FINAL_MAX);

    final_text(r, code, &b);
    if (exchange_write(r->call->ex, buf_span(&b)) != ERR_OK) {
        r->ops->end(r, code);
    } else {
        loop_timer_cancel(&s->wake);
        s->end_code = code;
        exchange_end(r->call->ex);
        replay_sent_all(r);
    }
    buf_deinit(&b);
}

bool replay_sse_may_go_on(struct replay *r)
{
    int code;
    enum key_verdict v = replay_may(r, &code);

    if (v != KEY_OK && !r->begun)
        replay_refuse(r, v, "");
    else if (v == KEY_EXPIRED && code == 4401)
        replay_sse_end_cleanly(r, 4401);
    else if (v != KEY_OK)
        r->ops->end(r, code);
    return v == KEY_OK;
}

void replay_sse_refused(struct replay *r, enum key_verdict v)
{
    const struct key_claims *k = viewer_claims(r->viewer);

    if (v == KEY_EXPIRED && r->begun && k->exp < k->wend)
        replay_sse_end_cleanly(r, 4401);
    else
        replay_stop(r, v);
}

/* ---- clocks ---- */

static time_ms warn_at(const struct key_claims *k)
{
    int64_t quarter = (k->exp - k->iat) * 1000 / 4;

    return k->exp * 1000 - (quarter < WARN_MS ? quarter : WARN_MS);
}

static void warn(struct replay *r)
{
    const struct key_claims *k = viewer_claims(r->viewer);
    struct replay_sse *s = r->state;
    struct buf b = BUF_INIT(300);
    struct jsonw w;
    char renew[64];
    bool last = k->exp >= k->wend;

    if (s->warned || clock_wall_ms() < warn_at(k))
        return;
    s->warned = true;
    buf_addf(&b, "event: %s\ndata: ", last ? "window.ending" : "key.expiring");
    jsonw_init(&w, &b);
    jsonw_obj(&w);
    if (last) {
        jsonw_ktime(&w, "window_ends", k->wend * 1000);
    } else {
        (void) snprintf(renew, sizeof(renew), "/v1/grants/%s/keys", k->gid);
        jsonw_ktime(&w, "exp", k->exp * 1000);
        jsonw_kcstr(&w, "renew", renew);
    }
    jsonw_obj_end(&w);
    buf_add_str(&b, "\n\n");
    replay_sse_write(r, buf_span(&b));
    buf_deinit(&b);
}

void replay_sse_keep(struct replay *r)
{
    struct replay_sse *s = r->state;

    warn(r);
    if (clock_boot_ms() - s->commented < COMMENT_MS)
        return;
    s->commented = clock_boot_ms();
    replay_sse_write(r, SPAN(":\n\n"));
}

static int64_t least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

void replay_sse_sleep(struct replay *r, int64_t wait)
{
    struct replay_sse *s = r->state;
    const struct key_claims *k = viewer_claims(r->viewer);

    if (!s->warned)
        wait = least(wait, warn_at(k) - clock_wall_ms());
    wait = least(wait, k->exp * 1000 - clock_wall_ms());
    wait = least(wait, gate_window_left(r->call->lane->gate, k));
    wait = least(wait, s->commented + COMMENT_MS - clock_boot_ms());
    loop_timer_arm(&s->wake, wait < 1 ? 1 : wait);
}

/* ---- beginning, end ---- */

enum key_verdict replay_sse_count_in(struct replay *r)
{
    struct gate *g = r->call->lane->gate;
    struct replay_sse *s = r->state;
    const struct key_claims *k = viewer_claims(r->viewer);
    enum key_verdict v = KEY_OK;

    if (atomic_fetch_add(&g->n_streams, 1) >= gate_settings(g)->streams) {
        (void) atomic_fetch_sub(&g->n_streams, 1);
        viewer_quota(r->viewer)->verdict = QUOTA_OK; /* the server's limit, not one of this key's */
        return KEY_RATE_LIMITED;
    }
    v = gate_stream_open(g, k->jti, k->gid, k->sub, viewer_quota(r->viewer));
    if (v != KEY_OK)
        (void) atomic_fetch_sub(&g->n_streams, 1);
    s->counted = v == KEY_OK;
    return v;
}

static void tell_keeper(struct replay *r, bool open)
{
    const struct key_claims *k = viewer_claims(r->viewer);
    struct replay_sse *s = r->state;
    const struct ipc_stream_open o = { span_str(viewer_facts(r->viewer)->vid), span_str(k->gid), span_str(k->rid),
                                       span_str(k->jti) };
    const struct ipc_stream_close c = { o.vid, o.gid, o.rid, o.jti, (uint64_t) (s->last_seq < 0 ? 0 : s->last_seq),
                                        (uint16_t) s->end_code };
    struct link *keeper = r->call->lane->keeper;

    if (keeper == NULL || (!open && !s->told))
        return;
    s->told = open;
    if (open)
        (void) link_send(keeper, IPC_T_STREAM_OPEN, &o); /* who watches now is shown, not relied upon */
    else
        (void) link_send(keeper, IPC_T_STREAM_CLOSE, &c);
}

bool replay_sse_begin(struct replay *r)
{
    struct replay_sse *s = r->state;
    struct buf first = BUF_INIT(SEGMENT_SCREEN_MAX * 4);

    s->commented = clock_boot_ms();
    buf_add_str(&first, "retry: 2000\n\nevent: from\ndata: ");
    replay_from_json(r, &s->start, s->to_ms, &first);
    buf_add_str(&first, "\n\n");
    lines_wipe(&s->start.bytes);
    if (first.failed) {
        replay_refuse(r, KEY_AUTHORITY_STALE, "The screen is too large to be sent.");
    } else {
        r->begun = true;
        r->over = !call_begin(r->call, "text/event-stream", NULL, 0);
        replay_sse_write(r, buf_span(&first));
        tell_keeper(r, true);
    }
    lines_wipe(&first);
    return !r->over;
}

void replay_sse_gone(struct replay *r)
{
    struct replay_sse *s = r->state;
    struct gate *g = r->call->lane->gate;
    const struct key_claims *k;

    if (s == NULL)
        return;
    loop_timer_cancel(&s->wake);
    if (!s->counted)
        return;
    s->counted = false;
    k = viewer_claims(r->viewer);
    (void) atomic_fetch_sub(&g->n_streams, 1);
    gate_stream_close(g, k->jti, k->gid, k->sub);
    if (r->begun)
        viewer_settle(r->viewer, false);
    tell_keeper(r, false);
}

void replay_sse_free(struct replay *r)
{
    struct replay_sse *s = r->state;

    if (s == NULL)
        return;
    loop_timer_cancel(&s->wake);
    lines_free(&s->lines);
    lines_wipe(&s->start.bytes);
}
