/*
 * A gate that acknowledges, seals, merges, repeats itself, dies at any moment, recovers and goes on, against a keeper that is
 * restarted at any moment and gives up what nobody has. By seed. Afterwards each acknowledged event is there once, in order,
 * and the root in the last recording.sealed is that of the pieces.
 */
#include <stdio.h>

#include "codec/base64.h"
#include "crypto/hash.h"
#include "house.h"
#include "keeper/pieces.h"

#define RUNS  250
#define STEPS 40

/* What a gate and its disk know. The disk survives the gate. */
struct gate {
    const char *rid;
    uint64_t acked;              /* events in the log, acknowledged */
    uint64_t put;                /* of which the gate has DONE for a piece */
    uint32_t seg, chunk;         /* next numbers */
    uint16_t kn;
    bool has;                    /* it has the recording open */
    bool wrapped;
    uint64_t rnd;
    uint16_t kn_of_log[64];      /* key of each stretch of the log … */
    uint64_t end_of_log[64];     /* … which ends here */
    size_t n_log;
};

static struct house h;
static const char *token;
static uint8_t cred[32];

static uint64_t dice(struct gate *g, uint64_t n)
{
    g->rnd ^= g->rnd << 13;
    g->rnd ^= g->rnd >> 7;
    g->rnd ^= g->rnd << 17;
    return g->rnd % n;
}

static struct span hash_of(uint64_t first, uint64_t n, uint32_t seg)
{
    uint8_t sum[32];
    char text[64];

    (void) snprintf(text, sizeof(text), "%llu %llu %u", (unsigned long long) first, (unsigned long long) n, seg);
    sha256(span_str(text), sum);
    return arena_span(&h.mem, SPAN_OF(sum));
}

static struct span wrap_of(uint16_t kn)
{
    uint8_t w[123] = { (uint8_t) (kn + 1) };

    return arena_span(&h.mem, SPAN_OF(w));
}

/* A chunk for each event: numbers are easy to follow. */
static struct ipc_row_piece piece(uint32_t seg, uint16_t kn, uint8_t kind, uint64_t first, uint64_t n)
{
    return (struct ipc_row_piece){ .seg_no = seg, .kn = kn, .kind = kind, .codec = 1, .size = 100 + n,
                                   .sha256 = hash_of(first, n, seg), .first_seq = first, .n_events = n,
                                   .first_chunk = (uint32_t) first, .n_chunks = (uint32_t) n,
                                   .t_first_us = (int64_t) first, .t_last_us = (int64_t) (first + n) };
}

static uint16_t send(enum ipc_type type, const void *msg)
{
    struct ipc_done d;

    house_send(&h, type, msg, IPC_T_DONE, &d);
    return d.status;
}

/* ---- the gate's acts ---- */

static void begin(struct gate *g)
{
    const struct ipc_ingest_open open = { .cred_kind = CRED_BEARER, .cred = SPAN_OF(cred), .kind = SPAN("terminal"),
                                          .live = 1 };
    struct ipc_ingest_opened o;

    house_send(&h, IPC_T_INGEST_OPEN, &open, IPC_T_INGEST_OPENED, &o);
    assert_int_equal(o.status, 0);
    g->rid = arena_str(&h.mem, o.rid);
    g->has = true;
}

static bool wrap(struct gate *g)
{
    struct ipc_row_wrap w = { .kn = g->kn, .wrap = wrap_of(g->kn) };
    const struct ipc_wrap_put put = { .rid = span_str(g->rid), .wraps = { &w, 1 } };
    uint16_t status;

    if (g->wrapped)
        return true;
    status = send(IPC_T_WRAP_PUT, &put);
    if (status == 409)
        g->has = false; /* the keeper has ended it; the log still has what no piece has */
    else
        assert_int_equal(status, 0);
    g->wrapped = status == 0;
    return g->wrapped;
}

static void acknowledge(struct gate *g)
{
    if (g->n_log == 0 || g->kn_of_log[g->n_log - 1] != g->kn) {
        if (g->n_log == 64)
            return;
        g->kn_of_log[g->n_log++] = g->kn;
    }
    g->acked += 1 + dice(g, 5);
    g->end_of_log[g->n_log - 1] = g->acked;
}

static void seal(struct gate *g)
{
    struct ipc_row_piece p = piece(g->seg, g->kn, 1, g->put, g->acked - g->put);
    const struct ipc_piece_put put = { .rid = span_str(g->rid), .pieces = { &p, 1 }, .next_batch = g->acked,
                                       .bytes = g->acked };
    uint16_t status;

    if (g->acked == g->put || !wrap(g))
        return;
    for (uint64_t times = 1 + dice(g, 2); times > 0; times--) {
        status = send(IPC_T_PIECE_PUT, &put);
        if (status == 409) {
            g->has = false;
            return;
        }
        assert_int_equal(status, 0);
    }
    g->put = g->acked;
    g->seg++;
}

/* Two neighbours of the present key become one. */
static void merge(struct gate *g)
{
    struct meta_piece_list rows;
    struct ipc_row_number gone[2];
    struct ipc_row_piece p;
    struct ipc_piece_put put = { .rid = span_str(g->rid), .pieces = { &p, 1 }, .gone = { gone, 2 } };

    assert_ok(meta_pieces(h.core->seats[0].v, span_str(g->rid), &h.mem, &rows, NULL));
    for (size_t i = 0; i + 1 < rows.n; i++) {
        const struct meta_piece *a = &rows.rows[i], *b = a + 1;
        uint16_t status;

        if (a->kn != g->kn || b->kn != g->kn || a->kind != 1 || b->kind != 1)
            continue;
        gone[0].n = (uint32_t) a->seg_no;
        gone[1].n = (uint32_t) b->seg_no;
        p = piece(g->seg, g->kn, 1, (uint64_t) a->first_seq, (uint64_t) (a->n_events + b->n_events));
        status = send(IPC_T_PIECE_PUT, &put);
        if (status == 409) {
            g->has = false;
            return;
        }
        assert_int_equal(status, 0);
        if (dice(g, 2) == 0)
            assert_int_equal(send(IPC_T_PIECE_PUT, &put), 0);
        g->seg++;
        return;
    }
}

/* A new gate asks for what the log has; it may die after any of the answers. */
static bool recover(struct gate *g)
{
    struct ipc_row_text text = { span_str(g->rid) };
    const struct ipc_recover_ask ask = { .rids = { &text, 1 } };
    struct ipc_recover_state s;

    house_send(&h, IPC_T_RECOVER_ASK, &ask, IPC_T_RECOVER_STATE, &s);
    assert_int_equal(s.rows.rows[0].found, 1);
    g->put = s.rows.rows[0].next_seq;
    g->seg = s.rows.rows[0].next_seg;
    assert_int_equal(s.rows.rows[0].next_chunk, g->put);
    assert_true(g->put <= g->acked);
    for (size_t i = 0; i < g->n_log; i++) {
        struct ipc_row_wrap w = { .kn = g->kn_of_log[i], .wrap = wrap_of(g->kn_of_log[i]) };
        struct ipc_row_piece p = piece(g->seg, w.kn, 2, g->put, g->end_of_log[i] - g->put);
        const struct ipc_recovered m = { .rid = span_str(g->rid), .wraps = { &w, 1 }, .pieces = { &p, 1 },
                                         .next_batch = g->end_of_log[i] };

        if (g->end_of_log[i] <= g->put)
            continue;
        for (uint64_t times = 1 + dice(g, 2); times > 0; times--)
            assert_int_equal(send(IPC_T_RECOVERED, &m), 0);
        g->put = g->end_of_log[i];
        g->seg++;
        if (dice(g, 8) == 0)
            return false;
    }
    return true;
}

static void resume(struct gate *g)
{
    const struct ipc_ingest_resume m = { .rid = span_str(g->rid), .cred = SPAN_OF(cred) };
    struct ipc_ingest_state s;

    house_send(&h, IPC_T_INGEST_RESUME, &m, IPC_T_INGEST_STATE, &s);
    if (s.status == 409)
        return;
    assert_int_equal(s.status, 0);
    assert_int_equal(s.next_seq, g->put);
    assert_int_equal(s.next_seg, g->seg);
    for (size_t i = 0; i < g->n_log; i++) /* no key of a log that had an event is given twice */
        assert_true(s.next_kn > g->kn_of_log[i] || g->end_of_log[i] == (i == 0 ? 0 : g->end_of_log[i - 1]));
    g->kn = s.next_kn;
    g->has = true;
    g->wrapped = false;
}

/* The gate is gone, and comes again; what the old one had in memory is lost. */
static void crash(struct gate *g)
{
    house_tick(&h, CMD_GATE_CLOSED);
    if (dice(g, 3) == 0) { /* for a long time */
        house_sleep(&h, 2 * HOUSE_VANISH_MS);
        house_tick(&h, CMD_SECOND);
    }
    g->has = false;
    h.chan++;
    house_tick(&h, CMD_GATE_OPEN);
    while (!recover(g)) {
        house_tick(&h, CMD_GATE_CLOSED);
        h.chan++;
        house_tick(&h, CMD_GATE_OPEN);
    }
}

static void still_here(struct gate *g)
{
    const struct ipc_piece_put put = { .rid = span_str(g->rid) };

    if (g->has)
        (void) send(IPC_T_PIECE_PUT, &put); /* 409: it hears so again when it seals */
}

static void end(struct gate *g)
{
    const struct ipc_end m = { .rid = span_str(g->rid), .ok = 1, .live = 1 };
    struct ipc_answer a;

    seal(g);
    if (!g->has || g->put < g->acked)
        return;
    for (uint64_t times = 1 + dice(g, 2); times > 0; times--) {
        house_send(&h, IPC_T_END, &m, IPC_T_ANSWER, &a);
        assert_int_equal(a.status, 200);
    }
    g->has = false;
}

/* ---- what must hold ---- */

static void check_pieces(const struct gate *g, bool all)
{
    struct meta_piece_list rows;
    struct meta_recording r;
    int64_t seq = 0;

    assert_ok(meta_recording_get(h.core->seats[0].v, span_str(g->rid), &h.mem, &r, NULL));
    assert_ok(meta_pieces(h.core->seats[0].v, span_str(g->rid), &h.mem, &rows, NULL));
    for (size_t i = 0; i < rows.n; i++) {
        assert_int_equal(rows.rows[i].first_seq, seq);
        assert_int_equal(rows.rows[i].first_chunk, seq);
        seq += rows.rows[i].n_events;
    }
    assert_int_equal(r.events, seq);
    assert_true((uint64_t) seq <= g->acked);
    if (all) {
        struct merkle_hash root;

        assert_int_equal(seq, g->acked);
        assert_true(span_eq_str(r.state, "complete"));
        assert_ok(pieces_root(&rows, &root, NULL));
        assert_span_eq(r.root, SPAN_OF(root.b));
    }
}

/* The last recording.sealed of this recording names the root of its row. */
static void check_leaf(const struct gate *g)
{
    struct span types[] = { SPAN("recording.sealed") };
    struct meta_audit_filter f = { .types = types, .n_types = 1, .rid = span_str(g->rid), .from = -1, .limit = 1 };
    struct meta_audit_item *items;
    struct meta_recording r;
    char b64[64], want[128];
    int64_t more;
    size_t n;

    assert_ok(meta_recording_get(h.core->seats[0].v, span_str(g->rid), &h.mem, &r, NULL));
    f.log = r.project;
    assert_ok(meta_audit_list(h.core->seats[0].v, &f, &h.mem, &items, &n, &more, NULL));
    assert_int_equal(n, 1);
    assert_true(base64url_str(r.root.p, r.root.n, b64, sizeof(b64)));
    (void) snprintf(want, sizeof(want), "\"digest\":\"%s\"", b64);
    assert_non_null(memmem(items[0].leaf.p, items[0].leaf.n, want, strlen(want)));
}

static void step(struct gate *g)
{
    switch (dice(g, 12)) {
    case 0: crash(g); break;
    case 1:
        house_sleep(&h, 1000);
        house_restart(&h);
        if (dice(g, 4) != 0)
            still_here(g);
        break;
    case 2:
        house_sleep(&h, HOUSE_VANISH_MS / 2 + 1);
        house_tick(&h, CMD_SECOND);
        break;
    case 3: case 4:
        if (g->has)
            seal(g);
        break;
    case 5:
        if (g->has)
            merge(g);
        break;
    default:
        if (!g->has)
            resume(g);
        if (g->has)
            acknowledge(g);
        break;
    }
}

static void each_event_once_in_order(void **state)
{
    uint64_t events = 0;

    (void) state;
    house_open(&h, house_preset("team"), true);
    {
        struct reply r = house_call(&h, h.admin, ROUTE_token_create, NULL, NULL, "{\"kind\":\"ingest\",\"project\":\"shop\"}");

        token = reply_str(&h, &r, "token");
        sha256(span_str(token), cred);
    }
    for (uint64_t seed = 1; seed <= RUNS; seed++) {
        struct gate g = { .rnd = seed * 0x9e3779b97f4a7c15 };

        print_message("seed %llu\r", (unsigned long long) seed);
        begin(&g);
        for (int i = 0; i < STEPS; i++) {
            step(&g);
            check_pieces(&g, false);
            house_forget(&h);
        }
        if (g.has)
            end(&g);
        /* Whatever happened: the next gate finds the rest in the log, and what nobody goes on with ends. */
        crash(&g);
        house_sleep(&h, HOUSE_VANISH_MS);
        house_tick(&h, CMD_SECOND);
        check_pieces(&g, true);
        check_leaf(&g);
        events += g.acked;
        house_forget(&h);
    }
    assert_true(events > 10 * RUNS); /* it did something */
    house_close(&h);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(each_event_once_in_order) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
