/* GET manifest and GET chunks/{n}: whole answers, leased before they leave. */
#include "gate/replay.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/num.h"
#include "codec/asciicast.h"
#include "codec/json.h"
#include "codec/jsonw.h"
#include "os/clock.h"

/* ---- manifest ---- */

static void raw_value(struct jsonw *w, const char *key, struct json_value v)
{
    jsonw_kraw(w, key, v.raw);
}

/* The head as it came; a terminal's says its size always in the same place. */
static void write_head(struct jsonw *w, struct json_value head, bool terminal)
{
    struct json_iter it = json_iter(head);
    struct asciicast cast;
    struct json_value v;
    int64_t version = 0;

    if (!terminal || head.type != JSON_OBJECT) {
        raw_value(w, "head", head);
        return;
    }
    if (json_find(head, "version", &v))
        (void) json_int(v.raw, &version);
    asciicast_init(&cast, (int) version, 0);
    if (asciicast_head(&cast, head.raw, NULL) != ERR_OK) {
        cast.cols = ASCIICAST_COLS;
        cast.rows = ASCIICAST_ROWS;
    }
    asciicast_deinit(&cast);
    jsonw_kobj(w, "head");
    while (json_next(&it, &v)) {
        if (json_raw_eq(v.key, "cols") || json_raw_eq(v.key, "rows"))
            continue;
        jsonw_key_raw(w, v.key);
        jsonw_raw(w, v.type == JSON_STRING ? span_of(v.raw.p - 1, v.raw.n + 2) : v.raw);
    }
    jsonw_kint(w, "cols", cast.cols);
    jsonw_kint(w, "rows", cast.rows);
    jsonw_obj_end(w);
}

/* "ada 2026-11-22 11:20 UTC": who looks, and since when. */
static void write_watermark(const struct replay *r, struct jsonw *w)
{
    const struct viewer_facts *f = viewer_facts(r->viewer);
    char text[512], time[TIME_RFC3339_LEN + 1];

    if (!f->watermark) {
        jsonw_knull(w, "watermark");
        return;
    }
    time_rfc3339(clock_wall_ms(), time);
    (void) snprintf(text, sizeof(text), "%s %.10s %.5s UTC", f->who, time, time + 11);
    jsonw_kcstr(w, "watermark", text);
}

static void write_manifest(struct replay *r, const struct block *read, struct buf *out)
{
    const struct viewer_facts *f = viewer_facts(r->viewer);
    const struct key_claims *k = viewer_claims(r->viewer);
    struct gate *g = r->call->lane->gate;
    struct live_grant grant;
    struct json_value v, root = json_value(buf_span(&read->bytes));
    unsigned speed = 1600;
    struct jsonw w;
    char number[24];

    if (gate_grant(g, k->gid, &grant) && grant.max_speed_x100 > 0)
        speed = grant.max_speed_x100;
    jsonw_init(&w, out);
    jsonw_obj(&w);
    jsonw_kcstr(&w, "id", k->rid);
    jsonw_kcstr(&w, "kind", f->terminal ? "terminal" : "rrweb");
    if (json_find(root, "head", &v))
        write_head(&w, v, f->terminal);
    jsonw_kint(&w, "duration_ms", (r->live ? read->at : f->duration_us) / 1000);
    jsonw_kint(&w, "base_ms", f->terminal ? 0 : viewer_base(r->viewer) / 1000);
    jsonw_kint(&w, "events", (int64_t) r->events);
    if (json_find(root, "chunks", &v))
        raw_value(&w, "chunks", v);
    if (json_find(root, "keyframes", &v))
        raw_value(&w, "keyframes", v);
    if (json_find(root, "markers", &v))
        raw_value(&w, "markers", v);
    if (json_find(root, "notes", &v))
        raw_value(&w, "notes", v);
    jsonw_kbool(&w, "live", r->live);
    jsonw_kint(&w, "sealed_to_seq", (int64_t) read->seq - 1);
    (void) snprintf(number, sizeof(number), "%u.%02u", speed / 100, speed % 100);
    jsonw_kraw(&w, "max_speed", span_str(number));
    jsonw_kbool(&w, "unmasked", read->revealed);
    write_watermark(r, &w);
    jsonw_ktime(&w, "window_ends", k->wend * 1000);
    jsonw_obj_end(&w);
}

static void send_content(struct replay *r, const char *mime, const struct http_header *more, size_t n_more,
                         struct span body)
{
    struct http_header h[CALL_HEADERS_MAX * 2];
    size_t n = call_headers(r->call, h, mime, true);

    for (size_t i = 0; i < n_more; i++)
        h[n++] = more[i];
    r->begun = r->call->answered = true;
    replay_sent_all(r); /* on the way to the client an ending still cuts it (STANDARDS 1.8 rule 6) */
    if (exchange_respond(r->call->ex, 200, h, n, body) != ERR_OK)
        exchange_abort(r->call->ex);
}

static void on_manifest_read(void *ctx, enum err e, struct block *b, bool inside)
{
    struct replay *r = ctx;
    struct buf out = BUF_INIT(16u << 20);
    int code;

    (void) inside;
    if (!r->over && r->call->ex != NULL) {
        enum key_verdict v = replay_may(r, &code);

        if (v == KEY_OK && e != ERR_OK)
            v = e == ERR_AGAIN ? KEY_AUTHORITY_STALE : KEY_KEEPER_UNAVAILABLE;
        if (v == KEY_OK) {
            write_manifest(r, b, &out);
            v = out.failed ? KEY_AUTHORITY_STALE : KEY_OK;
        }
        if (v == KEY_OK) {
            send_content(r, "application/json", NULL, 0, buf_span(&out));
        } else {
            replay_refuse(r, v, "");
        }
    }
    lines_wipe(&out);
    (void) block_unref(b);
    call_unref(r->call);
}

static void read_manifest(void *ctx, enum key_verdict v)
{
    struct replay *r = ctx;
    const struct viewer_want want = { .kind = READ_MANIFEST, .until = r->events };

    if (v != KEY_OK) {
        replay_refuse(r, v, "");
        call_unref(r->call);
        return;
    }
    viewer_block(r->viewer, &want, on_manifest_read, r);
}

static void manifest_begin(struct replay *r)
{
    static const struct viewer_span span = { .what = LEASE_MANIFEST };

    (void) call_ref(r->call);
    replay_ask_lease(r, &span, read_manifest, r);
}

/* A whole answer has nothing to say at its end: it is refused, or what of it is unsent is dropped. */
static void cut_answer(struct replay *r, int code)
{
    (void) code;
    r->over = true;
    if (r->call->ex != NULL)
        exchange_cut(r->call->ex, SPAN_EMPTY);
}

static void manifest_gone(struct replay *r, enum exchange_end how)
{
    (void) r;
    (void) how;
}

const struct replay_ops replay_manifest_ops = { .begin = manifest_begin, .end = cut_answer, .gone = manifest_gone };

/* ---- chunks/{n} ---- */

struct chunk {
    struct viewer_turn turn;
    uint32_t n;
    bool zstd; /* the client takes it */
    struct block *block;
};

static bool takes_zstd(const struct http_head *h)
{
    struct span v, one;
    bool more = http_head_get(h, "accept-encoding", &v);

    while (more) {
        more = span_cut(v, ',', &one, &v);
        one = span_trim(one);
        if (span_eq_str(one, "zstd") || (span_starts(one, "zstd;") && !span_starts(one, "zstd;q=0")))
            return true;
    }
    return false;
}

static void give_block(void *block)
{
    (void) block_unref(block);
}

/* The block itself goes to the socket, shared with whoever else has it: nothing is copied. */
static void send_chunk(struct replay *r)
{
    static const struct http_header coding = { SPAN("content-encoding"), SPAN("zstd") };
    const struct block *b = ((struct chunk *) r->state)->block;
    struct http_header h[CALL_HEADERS_MAX * 2];
    size_t n = call_headers(r->call, h, "application/x-ndjson", true);

    if (b->stored)
        h[n++] = coding;
    r->begun = r->call->answered = true;
    replay_sent_all(r);
    if (exchange_respond_ref(r->call->ex, 200, h, n, buf_span(&b->bytes), give_block,
                             block_ref((struct block *) (uintptr_t) b)) != ERR_OK)
        exchange_abort(r->call->ex);
    if (b->meta.n_events > 0)
        viewer_sent(r->viewer, b->meta.first_seq, b->meta.first_seq + b->meta.n_events - 1, b->meta.raw);
}

static void on_chunk_leased(void *ctx, enum key_verdict v)
{
    struct replay *r = ctx;
    int code;

    if (!r->over && r->call->ex != NULL) {
        if (v == KEY_OK)
            v = replay_may(r, &code);
        if (v == KEY_OK)
            send_chunk(r);
        else
            replay_refuse(r, v, "");
    }
    call_unref(r->call);
}

static void lease_chunk(struct replay *r)
{
    struct chunk *c = r->state;
    const struct segment_chunk *meta = &c->block->meta;
    struct viewer_span span = {
        .what = LEASE_CHUNK,
        .from_seq = meta->first_seq,
        .to_seq = meta->first_seq + meta->n_events - 1,
        .from_ms = meta->t_first / 1000,
        .to_ms = meta->t_last / 1000,
        .bytes = meta->raw,
    };
    enum key_verdict v = viewer_charge(r->viewer, &span, /* paced= */ false);

    if (v != KEY_OK) {
        replay_refuse(r, v, "");
        return;
    }
    if (meta->n_events == 0) { /* a recording's head, or a batch of nothing: chunks of KHSPL1 without events */
        send_chunk(r);
        return;
    }
    viewer_span_ahead(r->viewer, &span, &c->block->ahead, c->n);
    (void) call_ref(r->call);
    replay_ask_lease(r, &span, on_chunk_leased, r);
}

static void on_chunk_weighed(void *ctx)
{
    struct replay *r = ctx;

    if (!r->over && r->call->ex != NULL)
        lease_chunk(r);
}

static void on_chunk_read(void *ctx, enum err e, struct block *b, bool inside)
{
    struct replay *r = ctx;
    struct chunk *c = r->state;

    (void) inside;
    if (r->over || r->call->ex == NULL) {
        (void) block_unref(b);
    } else if (e == ERR_NOTFOUND) {
        r->over = true;
        call_problem(r->call, "not-found", "The recording has no chunk of that number.");
    } else if (e != ERR_OK) {
        replay_refuse(r, KEY_AUTHORITY_STALE, "The recording cannot be read right now.");
    } else {
        c->block = b;
        viewer_turn_weigh(r->viewer, &c->turn, b->bytes.n, on_chunk_weighed);
    }
    call_unref(r->call);
}

static void on_chunk_turn(void *ctx)
{
    struct replay *r = ctx;
    struct chunk *c = r->state;
    const struct viewer_want want = { .kind = c->zstd ? READ_STORED : READ_CHUNK, .chunk = c->n };

    (void) call_ref(r->call);
    viewer_block(r->viewer, &want, on_chunk_read, r);
}

static void chunk_begin(struct replay *r)
{
    struct chunk *c = calloc(1, sizeof(*c));
    uint64_t n;

    if (!num_u64(r->call->params[1], UINT32_MAX - 1, &n)) {
        free(c);
        r->over = true;
        call_problem(r->call, "not-found", "The recording has no chunk of that number.");
        return;
    }
    if (c == NULL) {
        replay_refuse(r, KEY_AUTHORITY_STALE, "");
        return;
    }
    c->n = (uint32_t) n;
    c->zstd = takes_zstd(exchange_head(r->call->ex));
    c->turn.fn = on_chunk_turn;
    c->turn.ctx = r;
    r->state = c;
    viewer_turn_take(r->viewer, &c->turn);
}

static void chunk_gone(struct replay *r, enum exchange_end how)
{
    struct chunk *c = r->state;

    (void) how;
    if (c != NULL)
        viewer_turn_end(r->viewer, &c->turn);
}

static void chunk_free(struct replay *r)
{
    struct chunk *c = r->state;

    if (c != NULL)
        c->block = block_unref(c->block);
}

const struct replay_ops replay_chunk_ops = {
    .begin = chunk_begin,
    .end = cut_answer,
    .gone = chunk_gone,
    .free = chunk_free,
};
