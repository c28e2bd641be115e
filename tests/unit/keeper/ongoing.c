/* Recordings that are being made: every message of a gate, both ways it can be answered; who has them; how they end. */
#include <stdio.h>

#include "codec/base64.h"
#include "crypto/hash.h"
#include "format/merkle.h"
#include "house.h"
#include "keeper/state.h"

static struct house h;
static const char *token, *token_id; /* an ingest token of shop */
static uint8_t sums[16][32];         /* SHA-256 of piece n */
static uint8_t wraps[4][123];

static const char *make_token(const char *project, const char **ret_id)
{
    char body[128];
    struct reply r;

    (void) snprintf(body, sizeof(body), "{\"kind\":\"ingest\",\"project\":\"%s\"}", project);
    r = house_call(&h, h.admin, ROUTE_token_create, NULL, NULL, body);
    assert_reply(&h, r, 201, "");
    if (ret_id != NULL)
        *ret_id = reply_str(&h, &r, "id");
    return reply_str(&h, &r, "token");
}

static int open_team(void **state)
{
    (void) state;
    house_open(&h, house_preset("team"), true);
    for (size_t i = 0; i < 16; i++)
        sums[i][0] = (uint8_t) (i + 1);
    for (size_t i = 0; i < 4; i++)
        wraps[i][5] = (uint8_t) (i + 1);
    token = make_token("shop", &token_id);
    return 0;
}

static int close_house(void **state)
{
    (void) state;
    house_close(&h);
    return 0;
}

static struct span cred_of(const char *text)
{
    uint8_t sum[32];

    sha256(span_str(text), sum);
    return arena_span(&h.mem, SPAN_OF(sum));
}

/* ---- short ways to say things ---- */

static struct ipc_ingest_opened begin_as(const char *text, const char *kind, int64_t started_ms)
{
    const struct ipc_ingest_open open = { .cred_kind = CRED_BEARER, .cred = cred_of(text), .kind = span_str(kind),
                                          .title = SPAN("Deploy"), .subject = SPAN("user-7"), .live = 1,
                                          .started_ms = started_ms };
    struct ipc_ingest_opened ret;

    house_send(&h, IPC_T_INGEST_OPEN, &open, IPC_T_INGEST_OPENED, &ret);
    return ret;
}

static const char *begin(void)
{
    struct ipc_ingest_opened o = begin_as(token, "terminal", 0);

    assert_int_equal(o.status, 0);
    return arena_str(&h.mem, o.rid);
}

static struct ipc_done done;

#define assert_done(want_status, want_code)                                                                            \
    do {                                                                                                               \
        assert_int_equal(done.status, (want_status));                                                                  \
        assert_span_str(done.code, (want_code));                                                                       \
    } while (0)

static void put_wrap(const char *rid, uint16_t kn, int which)
{
    struct ipc_row_wrap w = { .kn = kn, .epoch = 1, .wrap = SPAN_OF(wraps[which]) };
    const struct ipc_wrap_put put = { .rid = span_str(rid), .wraps = { &w, 1 } };

    house_send(&h, IPC_T_WRAP_PUT, &put, IPC_T_DONE, &done);
}

static struct ipc_row_piece piece(uint32_t seg, uint16_t kn, uint64_t seq, uint64_t n, uint32_t chunk, uint32_t n_chunks)
{
    return (struct ipc_row_piece){ .seg_no = seg, .kn = kn, .kind = 1, .codec = 1, .size = 1000 + seg,
                                   .sha256 = SPAN_OF(sums[seg % 16]), .first_seq = seq, .n_events = n,
                                   .first_chunk = chunk, .n_chunks = n_chunks, .t_first_us = (int64_t) seq * 1000,
                                   .t_last_us = (int64_t) (seq + n) * 1000 };
}

static void put_pieces(const char *rid, struct ipc_row_piece *rows, uint32_t n, struct ipc_row_number *gone,
                       uint32_t n_gone, uint64_t next_batch, uint64_t bytes)
{
    const struct ipc_piece_put put = { .rid = span_str(rid), .pieces = { rows, n }, .gone = { gone, n_gone },
                                       .next_batch = next_batch, .bytes = bytes };

    house_send(&h, IPC_T_PIECE_PUT, &put, IPC_T_DONE, &done);
}

static void put_piece(const char *rid, struct ipc_row_piece p, uint64_t next_batch)
{
    put_pieces(rid, &p, 1, NULL, 0, next_batch, (p.first_seq + p.n_events) * 10);
}

static struct ipc_answer end(const char *rid, bool vanished)
{
    const struct ipc_end m = { .rid = span_str(rid), .ok = 1, .live = 1, .vanished = vanished };
    struct ipc_answer a;

    house_send(&h, IPC_T_END, &m, IPC_T_ANSWER, &a);
    return a;
}

static struct ipc_ingest_state resume(const char *rid, const char *text)
{
    const struct ipc_ingest_resume m = { .rid = span_str(rid), .cred = cred_of(text) };
    struct ipc_ingest_state s;

    house_send(&h, IPC_T_INGEST_RESUME, &m, IPC_T_INGEST_STATE, &s);
    return s;
}

static struct ipc_row_recover ask(const char *rid)
{
    struct ipc_row_text row = { span_str(rid) };
    const struct ipc_recover_ask m = { .rids = { &row, 1 } };
    struct ipc_recover_state s;

    house_send(&h, IPC_T_RECOVER_ASK, &m, IPC_T_RECOVER_STATE, &s);
    assert_int_equal(s.rows.n, 1);
    assert_span_str(s.rows.rows[0].rid, rid);
    return s.rows.rows[0];
}

static void recovered(const char *rid, struct ipc_row_piece p, uint16_t kn, int wrap, uint64_t next_batch)
{
    struct ipc_row_wrap w = { .kn = kn, .wrap = SPAN_OF(wraps[wrap]) };
    const struct ipc_recovered m = { .rid = span_str(rid), .wraps = { &w, 1 }, .pieces = { &p, 1 },
                                     .next_batch = next_batch };

    house_send(&h, IPC_T_RECOVERED, &m, IPC_T_DONE, &done);
}

static struct ipc_row_piece log_piece(uint32_t seg, uint16_t kn, uint64_t seq, uint64_t n, uint32_t chunk,
                                      uint32_t n_chunks)
{
    struct ipc_row_piece p = piece(seg, kn, seq, n, chunk, n_chunks);

    p.kind = 2;
    p.t_first_us = p.t_last_us = (int64_t) seq * 1000;
    return p;
}

static struct reply shown(const char *rid)
{
    struct reply r = house_call(&h, h.admin, ROUTE_recording_get, rid, NULL, NULL);

    assert_reply(&h, r, 200, "");
    return r;
}

static bool is_live(const char *rid)
{
    struct reply r = shown(rid);

    return memmem(r.text.p, r.text.n, "\"live\":true", 11) != NULL;
}

/* A gate that dies and the next one, whose channel 0 has a new number. */
static void gate_dies(void)
{
    house_tick(&h, CMD_GATE_CLOSED);
}

static void gate_comes(void)
{
    h.chan += 10;
    house_tick(&h, CMD_GATE_OPEN);
}

/* The last leaf of a type. */
static const char *leaf(const char *type)
{
    struct meta_log_list logs;
    const char *found = "";

    assert_ok(meta_logs(h.core->seats[0].v, &h.mem, &logs, NULL));
    for (size_t i = 0; i < logs.n; i++) {
        struct span types[] = { span_str(type) };
        struct meta_audit_filter f = { .log = logs.rows[i].log, .types = types, .n_types = 1, .ascending = true,
                                       .limit = 1000 };
        struct meta_audit_item *items;
        int64_t more;
        size_t n;

        assert_ok(meta_audit_list(h.core->seats[0].v, &f, &h.mem, &items, &n, &more, NULL));
        if (n > 0)
            found = arena_str(&h.mem, items[n - 1].leaf);
    }
    return found;
}

static bool says(const char *text, const char *part)
{
    if (strstr(text, part) != NULL)
        return true;
    print_error("no %s in %s\n", part, text);
    return false;
}

/* ---- beginning ---- */

static void listed_from_the_first_moment(void **state)
{
    struct ipc_ingest_opened o;
    struct reply r;

    (void) state;
    o = begin_as(token, "terminal", 1700000000123);
    assert_int_equal(o.status, 0);
    assert_span_str(o.tid, token_id);
    assert_int_equal(o.epoch, 1);
    assert_int_equal(o.epoch_pk.n, 32);
    r = house_call(&h, h.admin, ROUTE_recordings_list, NULL, "{\"q\":\"deploy\"}", NULL);
    assert_int_equal(reply_int(&r, "items"), 1);
    assert_true(says(arena_str(&h.mem, r.text), "\"live\":true"));
    assert_string_equal(reply_str(&h, &r, "items.0.started_at"), "2023-11-14T22:13:20.123Z");
    assert_int_equal(reply_int(&r, "items.0.events"), 0);
    assert_int_equal(house_leaves(&h, "recording.created", "ok"), 1);
    assert_true(says(leaf("recording.created"), token_id));
    assert_null(strstr(leaf("recording.created"), "Deploy"));

    /* Not stated: the server's own time. */
    r = shown(begin());
    assert_string_equal(reply_str(&h, &r, "started_at"), reply_str(&h, &r, "created_at"));
}

static void who_may_begin(void **state)
{
    struct ipc_ingest_opened o;

    (void) state;
    assert_int_equal(begin_as("kit_wrong", "terminal", 0).status, 401);
    o = begin_as(h.admin, "terminal", 0); /* a person imports; only a recorder records */
    assert_int_equal(o.status, 403);
    o = begin_as(token, "", 0);
    assert_int_equal(o.status, 422);
    o = begin_as(token, "film", 0);
    assert_int_equal(o.status, 422);
    h.room = 9;
    house_tick(&h, CMD_SECOND);
    o = begin_as(token, "terminal", 0);
    assert_int_equal(o.status, 503);
    assert_span_str(o.code, "ingest-space");
    assert_int_equal(house_leaves(&h, "recording.created", NULL), 0);
}

static struct ipc_ingest_opened begin_under(const char *key, const char *body)
{
    uint8_t sum[32];
    struct ipc_ingest_open open = { .cred_kind = CRED_BEARER, .cred = cred_of(token), .kind = SPAN("terminal"), .live = 1,
                                    .idem_key = span_str(key) };
    struct ipc_ingest_opened ret;

    sha256(span_str(body), sum);
    open.body_sha256 = SPAN_OF(sum);
    house_send(&h, IPC_T_INGEST_OPEN, &open, IPC_T_INGEST_OPENED, &ret);
    return ret;
}

static void said_twice_it_begins_once(void **state)
{
    struct ipc_ingest_opened a = begin_under("k1", "{}"), b = begin_under("k1", "{}"), c;

    (void) state;
    assert_int_equal(a.status, 0);
    assert_int_equal(a.again, 0);
    assert_int_equal(b.status, 0);
    assert_int_equal(b.again, 1);
    assert_span_eq(a.rid, b.rid);
    assert_span_eq(a.pid, b.pid);
    b = begin_under("k1", "{\"title\":1}");
    assert_int_equal(b.status, 422);
    assert_span_str(b.code, "idempotency-mismatch");
    b = begin_under("k2", "{}");
    assert_int_equal(b.again, 0);
    assert_false(span_eq(a.rid, b.rid));
    assert_int_equal(house_leaves(&h, "recording.created", NULL), 2);

    /* Its gate died before anybody was told its name: what it had may be lost, so it is made anew … */
    house_sleep(&h, 1000);
    gate_dies();
    gate_comes();
    c = begin_under("k1", "{}");
    assert_int_equal(c.again, 0);
    assert_false(span_eq(a.rid, c.rid));
    assert_span_eq(begin_under("k1", "{}").rid, c.rid);
    /* … but not when something of it is there. */
    put_wrap(arena_str(&h.mem, b.rid), 0, 0);
    put_piece(arena_str(&h.mem, b.rid), piece(0, 0, 0, 1, 0, 1), 1);
    c = begin_under("k2", "{}");
    assert_int_equal(c.again, 1);
    assert_span_eq(b.rid, c.rid);
    assert_int_equal(end(arena_str(&h.mem, b.rid), false).status, 200);
    assert_int_equal(begin_under("k2", "{}").again, 1);
    house_sleep(&h, 24 * 3600 * 1000);
    assert_int_equal(begin_under("k2", "{}").again, 0);
}

static void a_beginning_is_taken_back(void **state)
{
    const char *rid = begin(), *other = begin();
    const struct ipc_end m = { .rid = span_str(rid), .live = 1 }, kept = { .rid = span_str(other), .live = 1 };
    struct ipc_answer a;
    struct reply r;

    (void) state;
    house_send(&h, IPC_T_END, &m, IPC_T_ANSWER, &a);
    assert_int_equal(a.status, 200);
    r = house_call(&h, h.admin, ROUTE_recording_get, rid, NULL, NULL);
    assert_reply(&h, r, 404, "not-found");
    assert_int_equal(house_leaves(&h, "recording.erased", "failed"), 1);
    put_wrap(other, 0, 0);
    put_piece(other, piece(0, 0, 0, 1, 0, 1), 1);
    house_send(&h, IPC_T_END, &kept, IPC_T_ANSWER, &a);
    assert_int_equal(a.status, 409); /* it holds something */
    assert_true(is_live(other));
}

/* ---- growing ---- */

static void it_grows_with_its_pieces(void **state)
{
    const char *rid = begin();
    struct reply r;

    (void) state;
    put_piece(rid, piece(0, 0, 0, 10, 0, 2), 4);
    assert_done(409, "conflict"); /* nobody could read it */
    put_wrap(rid, 0, 0);
    assert_done(0, "");
    put_wrap(rid, 0, 0); /* its answer was lost */
    assert_done(0, "");
    put_wrap(rid, 0, 1);
    assert_done(409, "conflict");
    put_piece(rid, piece(0, 0, 0, 10, 0, 2), 4);
    assert_done(0, "");
    put_piece(rid, piece(0, 0, 0, 10, 0, 2), 4);
    assert_done(0, "");
    put_piece(rid, piece(1, 0, 10, 5, 2, 1), 6);
    assert_done(0, "");
    put_pieces(rid, NULL, 0, NULL, 0, 6, 150); /* still here */
    assert_done(0, "");
    r = shown(rid);
    assert_int_equal(reply_int(&r, "events"), 15);
    assert_int_equal(reply_int(&r, "duration_ms"), 15);
    assert_int_equal(reply_int(&r, "bytes"), 150);
    assert_true(is_live(rid));
}

static void numbering_is_dense(void **state)
{
    const char *rid = begin();
    static struct {
        const char *what;
        uint32_t seg;
        uint64_t seq, n;
        uint32_t chunk, n_chunks;
        int status;
    } cases[] = {
        { "a gap of events", 1, 11, 5, 2, 1, 422 },
        { "a gap of chunks", 1, 10, 5, 3, 1, 422 },
        { "chunks again", 1, 10, 5, 1, 1, 422 },
        { "events again", 1, 9, 5, 2, 1, 409 },
        { "all again in another piece", 1, 0, 10, 0, 2, 409 },
        { "a number that was used", 0, 10, 5, 2, 1, 422 },
        { "more than can be", 1, 10, UINT64_MAX, 2, 1, 422 },
        { "the next one", 1, 10, 5, 2, 1, 0 },
    };
    struct ipc_row_piece p;

    (void) state;
    put_wrap(rid, 0, 0);
    put_piece(rid, piece(0, 0, 0, 10, 0, 2), 4);
    assert_done(0, "");
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        put_piece(rid, piece(cases[i].seg, 0, cases[i].seq, cases[i].n, cases[i].chunk, cases[i].n_chunks), 5);
        if (done.status != cases[i].status)
            print_error("%s\n", cases[i].what);
        assert_int_equal(done.status, cases[i].status);
    }
    p = piece(2, 0, 15, 1, 3, 1);
    p.kind = 2; /* only a recovery brings those */
    put_piece(rid, p, 6);
    assert_done(422, "invalid");
    p = piece(2, 0, 15, 1, 3, 1);
    p.sha256 = SPAN("short");
    put_piece(rid, p, 6);
    assert_done(422, "invalid");
    p = piece(2, 0, 15, 1, 3, 1);
    p.t_last_us = p.t_first_us - 1;
    put_piece(rid, p, 6);
    assert_done(422, "invalid");
    p = piece(2, 0, 15, 1, 3, 1);
    p.track = 1;
    put_piece(rid, p, 6);
    assert_done(409, "conflict"); /* no key of that track */
    put_piece("r_AAAAAAAAAAAAAAAA", piece(0, 0, 0, 1, 0, 1), 1);
    assert_done(404, "not-found");
    put_piece("nonsense", piece(0, 0, 0, 1, 0, 1), 1);
    assert_done(404, "not-found");
    assert_int_equal(ask(rid).next_seq, 15);
    assert_int_equal(ask(rid).next_batch, 5);
}

/* Five small pieces; 3 has another key. */
static const char *with_pieces(void)
{
    const char *rid = begin();

    put_wrap(rid, 0, 0);
    put_wrap(rid, 1, 1);
    for (uint32_t i = 0; i < 5; i++)
        put_piece(rid, piece(i, i == 3, i * 10, 10, i * 2, 2), i + 1);
    assert_done(0, "");
    return rid;
}

static void merging_replaces_runs(void **state)
{
    const char *rid = with_pieces();
    struct ipc_row_number two[] = { { 1 }, { 0 } }, all[] = { { 0 }, { 1 }, { 2 } }, apart[] = { { 0 }, { 2 } };
    struct ipc_row_number across[] = { { 2 }, { 3 } }, twice[] = { { 0 }, { 0 } }, absent[] = { { 0 }, { 9 } };
    static struct {
        const char *what;
        struct ipc_row_number *gone;
        uint32_t n_gone;
        uint32_t seg;
        uint64_t seq, n;
        uint32_t chunk, n_chunks;
        int status;
    } cases[12];
    size_t n = 0;
    struct ipc_row_piece rows[2];

    (void) state;
    cases[n++] = (typeof(cases[0])){ "one event short", two, 2, 5, 0, 19, 0, 4, 422 };
    cases[n++] = (typeof(cases[0])){ "one chunk short", two, 2, 5, 0, 20, 0, 3, 422 };
    cases[n++] = (typeof(cases[0])){ "one event more", two, 2, 5, 0, 21, 0, 4, 422 };
    cases[n++] = (typeof(cases[0])){ "over a hole", apart, 2, 5, 0, 30, 0, 6, 422 };
    cases[n++] = (typeof(cases[0])){ "over two keys", across, 2, 5, 20, 20, 4, 4, 422 };
    cases[n++] = (typeof(cases[0])){ "named twice", twice, 2, 5, 0, 10, 0, 2, 422 };
    cases[n++] = (typeof(cases[0])){ "not there", absent, 2, 5, 0, 10, 0, 2, 409 };
    cases[n++] = (typeof(cases[0])){ "an old number", two, 2, 4, 0, 20, 0, 4, 422 };
    cases[n++] = (typeof(cases[0])){ "two", two, 2, 5, 0, 20, 0, 4, 0 };
    cases[n++] = (typeof(cases[0])){ "the same again", two, 2, 5, 0, 20, 0, 4, 0 };
    cases[n++] = (typeof(cases[0])){ "what has gone", all, 3, 6, 0, 30, 0, 6, 409 };
    for (size_t i = 0; i < n; i++) {
        struct ipc_row_piece p = piece(cases[i].seg, 0, cases[i].seq, cases[i].n, cases[i].chunk, cases[i].n_chunks);

        put_pieces(rid, &p, 1, cases[i].gone, cases[i].n_gone, 5, 500);
        if (done.status != cases[i].status)
            print_error("%s\n", cases[i].what);
        assert_int_equal(done.status, cases[i].status);
    }
    put_pieces(rid, NULL, 0, two, 1, 5, 500); /* nothing for something */
    assert_int_equal(done.status, 409);
    {
        struct ipc_row_number gone[] = { { 2 }, { 5 } };

        /* A run and what comes new behind the end, in one commit. */
        rows[0] = piece(6, 0, 0, 30, 0, 6);
        rows[1] = piece(7, 0, 50, 5, 10, 1);
        put_pieces(rid, rows, 2, gone, 2, 6, 550);
        assert_done(0, "");
    }
    {
        struct ipc_ingest_state s = resume(rid, token);

        assert_int_equal(s.status, 0);
        assert_int_equal(s.pieces.n, 4); /* 6, 3, 4, 7 */
        assert_int_equal(s.pieces.rows[0].seg_no, 6);
        assert_int_equal(s.pieces.rows[1].seg_no, 3);
        assert_int_equal(s.pieces.rows[3].seg_no, 7);
        assert_int_equal(s.next_seq, 55);
        assert_int_equal(s.next_chunk, 11);
        assert_int_equal(s.next_seg, 8);
    }
}

/* ---- the end ---- */

/* The tree of STANDARDS 4.4, said in another way: pairs from the left. */
static const char *root_of_two(const struct ipc_row_piece *a, const struct ipc_row_piece *b)
{
    const struct ipc_row_piece *p[] = { a, b };
    uint8_t leaves[2][1 + 47], node[1 + 64], root[32];
    CLEANUP(buf_deinit) struct buf text = BUF_INIT(128);

    for (size_t i = 0; i < 2; i++) {
        uint8_t *w = leaves[i];

        *w++ = 0;
        for (int k = 0; k < 4; k++)
            *w++ = (uint8_t) (p[i]->seg_no >> (8 * k));
        for (int k = 0; k < 2; k++)
            *w++ = (uint8_t) (p[i]->kn >> (8 * k));
        *w++ = p[i]->kind;
        for (int k = 0; k < 8; k++)
            *w++ = (uint8_t) (p[i]->size >> (8 * k));
        memcpy(w, p[i]->sha256.p, 32);
        sha256(SPAN_OF(leaves[i]), node + 1 + 32 * i);
    }
    node[0] = 1;
    sha256(SPAN_OF(node), root);
    buf_add_str(&text, "\"digest\":\"");
    {
        char b64[64];

        assert_true(base64url_str(root, sizeof(root), b64, sizeof(b64)));
        buf_add_str(&text, b64);
    }
    return arena_str(&h.mem, buf_span(&text));
}

static void the_end_seals_it(void **state)
{
    const char *rid = begin();
    struct ipc_row_piece a = piece(0, 0, 0, 10, 0, 2), b = piece(1, 0, 10, 5, 2, 1);
    struct ipc_answer first, again;

    (void) state;
    put_wrap(rid, 0, 0);
    put_piece(rid, a, 1);
    put_piece(rid, b, 2);
    first = end(rid, false);
    assert_int_equal(first.status, 200);
    assert_true(says(arena_str(&h.mem, first.body), "\"kind\":\"terminal\""));
    assert_true(says(arena_str(&h.mem, first.body), "\"events\":15,\"duration_ms\":15,\"bytes\":150"));
    assert_false(is_live(rid));
    assert_int_equal(house_leaves(&h, "recording.sealed", "recorder"), 1);
    assert_true(says(leaf("recording.sealed"), root_of_two(&a, &b)));
    assert_true(says(leaf("recording.sealed"), "\"n\":{\"events\":15,\"duration_ms\":15,\"bytes\":150,\"pieces\":2}"));
    assert_true(says(leaf("recording.sealed"), token_id));
    again = end(rid, true);
    assert_int_equal(again.status, 200);
    assert_span_eq(again.body, first.body);
    assert_int_equal(house_leaves(&h, "recording.sealed", NULL), 1);
    assert_int_equal(end("r_AAAAAAAAAAAAAAAA", false).status, 404);

    /* Ended absorbs. */
    put_piece(rid, piece(2, 0, 15, 5, 3, 1), 3);
    assert_done(409, "recording-ended");
    put_wrap(rid, 1, 1);
    assert_done(409, "recording-ended");
    {
        struct ipc_ingest_state s = resume(rid, token);

        assert_int_equal(s.status, 409);
        assert_span_str(s.code, "recording-ended");
        assert_span_str(s.kind, "terminal");
        assert_int_equal(s.next_seq, 15);
        assert_int_equal(s.last_us, 15000);
        assert_int_equal(s.bytes, 150);
        assert_int_equal(s.next_batch, 2);
    }
    assert_false(is_live(rid));

    rid = begin(); /* nothing ever came */
    assert_int_equal(end(rid, true).status, 200);
    assert_int_equal(house_leaves(&h, "recording.sealed", "vanished"), 1);
    assert_true(says(leaf("recording.sealed"), "\"digest\":\"47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU\""));
}

/* In one group of commits: what is before the end counts, what is after is refused. */
static void end_and_piece_in_one_group(void **state)
{
    for (int end_first = 0; end_first < 2; end_first++) {
        const char *rid = begin();
        struct ipc_row_piece p = piece(0, 0, 0, 10, 0, 2);
        const struct ipc_piece_put put = { .rid = span_str(rid), .pieces = { &p, 1 }, .next_batch = 1, .bytes = 100 };
        const struct ipc_end m = { .rid = span_str(rid), .ok = 1, .live = 1 };
        struct cmd *cmds[2];
        uint64_t put_call, end_call;
        struct ipc_answer a;

        (void) state;
        put_wrap(rid, 0, 0);
        cmds[!end_first ? 0 : 1] = house_message(&h, IPC_T_PIECE_PUT, &put, &put_call);
        cmds[!end_first ? 1 : 0] = house_message(&h, IPC_T_END, &m, &end_call);
        house_group(&h, cmds, 2);
        house_answer_as(&h, put_call, IPC_T_DONE, &done);
        house_answer_as(&h, end_call, IPC_T_ANSWER, &a);
        assert_int_equal(a.status, 200);
        assert_int_equal(done.status, end_first ? 409 : 0);
        assert_true(says(arena_str(&h.mem, a.body), end_first ? "\"events\":0" : "\"events\":10"));
    }
}

/* ---- another gate ---- */

static void another_gate_goes_on(void **state)
{
    const char *rid = begin(), *stranger;
    struct ipc_ingest_state s;
    struct reply r;

    (void) state;
    r = house_call(&h, h.admin, ROUTE_project_create, NULL, NULL, "{\"name\":\"other\"}");
    assert_reply(&h, r, 201, "");
    stranger = make_token("other", NULL);
    put_wrap(rid, 0, 0);
    put_piece(rid, piece(0, 0, 0, 10, 0, 2), 4);
    gate_dies();
    gate_comes();

    assert_int_equal(resume(rid, stranger).status, 404);
    assert_int_equal(resume(rid, "kit_wrong").status, 401);
    assert_int_equal(resume(rid, h.admin).status, 401); /* a person is no recorder */
    assert_int_equal(resume("r_AAAAAAAAAAAAAAAA", token).status, 404);
    s = resume(rid, make_token("shop", NULL)); /* any token of the project */
    assert_int_equal(s.status, 0);
    assert_span_str(s.kind, "terminal");
    assert_int_equal(s.next_batch, 4);
    assert_int_equal(s.next_seq, 10);
    assert_int_equal(s.last_us, 10000);
    assert_int_equal(s.bytes, 100);
    assert_int_equal(s.next_seg, 1);
    assert_int_equal(s.next_chunk, 2);
    assert_int_equal(s.next_kn, 1);
    assert_int_equal(s.epoch, 1);
    assert_int_equal(s.epoch_pk.n, 32);
    assert_int_equal(s.pieces.n, 1);
    put_wrap(rid, 1, 1);
    assert_done(0, "");
    assert_int_equal(resume(rid, token).next_kn, 2);
    put_piece(rid, piece(1, 1, 10, 10, 2, 1), 5);
    assert_done(0, "");

    /* Messages of the first gate that were still on their way. */
    h.chan -= 10;
    put_piece(rid, piece(2, 0, 20, 1, 3, 1), 6);
    assert_done(409, "conflict");
    put_wrap(rid, 2, 2);
    assert_done(409, "conflict");
    assert_int_equal(end(rid, false).status, 409);
    assert_int_equal(resume(rid, token).status, 409);
    recovered(rid, log_piece(2, 0, 20, 1, 3, 1), 0, 0, 6);
    assert_int_equal(done.status, 503);
    h.chan += 10;
    assert_int_equal(end(rid, false).status, 200);
    gate_dies();
    gate_comes();
    assert_int_equal(resume(rid, token).status, 409);
}

static void a_log_is_recovered(void **state)
{
    const char *rid = begin();
    struct ipc_row_recover at;
    struct ipc_ingest_state s;
    struct reply r;

    (void) state;
    assert_int_equal(ask("r_AAAAAAAAAAAAAAAA").found, 0);
    assert_int_equal(ask("../etc").found, 0);
    put_wrap(rid, 0, 0);
    put_piece(rid, piece(0, 0, 0, 10, 0, 2), 4);
    gate_dies();
    gate_comes();
    at = ask(rid);
    assert_int_equal(at.found, 1);
    assert_int_equal(at.next_seq, 10);
    assert_int_equal(at.next_batch, 4);
    assert_int_equal(at.last_us, 10000);
    assert_int_equal(at.next_seg, 1);
    assert_int_equal(at.next_chunk, 2);

    recovered(rid, log_piece(1, 0, 11, 5, 2, 3), 0, 0, 7); /* one event is missing: the file is all there is */
    assert_done(422, "invalid");
    recovered(rid, piece(1, 0, 10, 5, 2, 3), 0, 0, 7); /* not what a log gives */
    assert_done(422, "invalid");
    recovered(rid, log_piece(1, 0, 10, 5, 2, 3), 0, 1, 7); /* another key under this number */
    assert_done(422, "invalid");
    recovered("r_AAAAAAAAAAAAAAAA", log_piece(1, 0, 10, 5, 2, 3), 0, 0, 7);
    assert_done(404, "not-found");
    recovered(rid, log_piece(1, 0, 5, 5, 1, 1), 0, 0, 4); /* a piece has them */
    assert_done(409, "conflict");
    assert_int_equal(house_leaves(&h, "recording.recovered", NULL), 0);

    recovered(rid, log_piece(1, 0, 10, 5, 2, 3), 0, 0, 7);
    assert_done(0, "");
    recovered(rid, log_piece(1, 0, 10, 5, 2, 3), 0, 0, 7);
    assert_done(0, "");
    recovered(rid, log_piece(2, 1, 15, 1, 5, 1), 1, 1, 8); /* a wrap that never arrived comes with it */
    assert_done(0, "");
    assert_int_equal(house_leaves(&h, "recording.recovered", "ok"), 2);
    assert_true(says(leaf("recording.recovered"), "\"n\":{\"bytes\":1002,\"from_seq\":15,\"events\":1}"));
    assert_true(says(leaf("recording.recovered"), "\"digest\":\"AwAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\""));
    at = ask(rid);
    assert_int_equal(at.next_seq, 16);
    assert_int_equal(at.next_batch, 8);
    assert_int_equal(at.next_seg, 3);
    assert_int_equal(at.next_chunk, 6);
    s = resume(rid, token);
    assert_int_equal(s.next_kn, 2);
    assert_int_equal(s.next_batch, 8);
    r = shown(rid);
    assert_int_equal(reply_int(&r, "events"), 16);
    assert_int_equal(reply_int(&r, "bytes"), 100 + 1001 + 1002);
}

/* What was acknowledged is kept, also when the recording was given up in between: the record says so, with the new root. */
static void recovery_after_the_end(void **state)
{
    const char *rid = begin(), *before;

    (void) state;
    put_wrap(rid, 0, 0);
    put_piece(rid, piece(0, 0, 0, 10, 0, 2), 4);
    assert_int_equal(end(rid, true).status, 200);
    before = leaf("recording.sealed");
    assert_int_equal(ask(rid).found, 1);
    recovered(rid, log_piece(1, 0, 10, 5, 2, 3), 0, 0, 7);
    assert_done(0, "");
    assert_int_equal(house_leaves(&h, "recording.sealed", "vanished"), 2);
    assert_string_not_equal(before, leaf("recording.sealed"));
    assert_true(says(leaf("recording.sealed"), "\"events\":15"));
    assert_true(says(leaf("recording.sealed"), "\"pieces\":2"));
    assert_false(is_live(rid));
    recovered(rid, log_piece(1, 0, 10, 5, 2, 3), 0, 0, 7);
    assert_done(0, "");
    assert_int_equal(house_leaves(&h, "recording.sealed", NULL), 2);
}

/* ---- what nobody has ---- */

static void second_after(int64_t ms)
{
    house_sleep(&h, ms);
    house_tick(&h, CMD_SECOND);
}

static void nobody_goes_on_with_it(void **state)
{
    const char *had = begin(), *lost = begin(), *taken = begin(), *asked = begin();

    (void) state;
    second_after(HOUSE_VANISH_MS);
    second_after(HOUSE_VANISH_MS);
    assert_true(is_live(lost)); /* its gate has it: it is the gate's to end */
    gate_dies();
    second_after(10 * HOUSE_VANISH_MS);
    assert_true(is_live(lost)); /* nobody can go on with it while there is no gate */
    gate_comes();
    assert_int_equal(resume(had, token).status, 0);
    second_after(HOUSE_VANISH_MS - 1);
    assert_true(is_live(lost));
    put_pieces(taken, NULL, 0, NULL, 0, 0, 0);
    assert_done(0, "");
    assert_int_equal(ask(asked).found, 1);
    second_after(1);
    assert_false(is_live(lost));
    assert_true(is_live(had));
    assert_true(is_live(taken));
    assert_true(is_live(asked));
    assert_int_equal(house_leaves(&h, "recording.sealed", "vanished"), 1);
    assert_true(says(leaf("recording.sealed"), "\"actor\":\"system\""));
    second_after(HOUSE_VANISH_MS - 2);
    assert_true(is_live(asked));
    second_after(1); /* a recovery began, and nothing came of it */
    assert_false(is_live(asked));
    second_after(5 * HOUSE_VANISH_MS);
    assert_true(is_live(had));
    assert_true(is_live(taken));
}

static void a_keeper_that_restarts(void **state)
{
    const char *quiet = begin(), *said = begin();
    struct reply r;

    (void) state;
    put_wrap(said, 0, 0);
    house_sleep(&h, 1000);
    house_restart(&h); /* the house's gate opens new channels */
    second_after(HOUSE_VANISH_MS - 1);
    assert_true(is_live(quiet));
    put_piece(said, piece(0, 0, 0, 10, 0, 2), 4); /* the gate is the same one, and has it still */
    assert_done(0, "");
    second_after(1);
    assert_false(is_live(quiet));
    assert_true(is_live(said));
    r = shown(said);
    assert_int_equal(reply_int(&r, "events"), 10);
    second_after(3 * HOUSE_VANISH_MS);
    assert_true(is_live(said));
    assert_int_equal(end(said, false).status, 200);
}

/* A gate that has been there all along may have missed a change of the masking rules. */
static void rules_are_said_again(void **state)
{
    const char *one = begin(), *two = begin();

    (void) state;
    house_forget(&h);
    put_wrap(one, 0, 0);
    put_piece(one, piece(0, 0, 0, 10, 0, 2), 4);
    assert_int_equal(house_pushed(&h, IPC_T_MASK_RULES), 0); /* they went out before its beginning was answered */
    house_restart(&h);
    house_forget(&h);
    put_wrap(one, 0, 0);
    assert_done(0, "");
    assert_int_equal(house_pushed(&h, IPC_T_MASK_RULES), 1);
    put_wrap(two, 0, 0);
    put_pieces(one, NULL, 0, NULL, 0, 4, 100);
    assert_done(0, "");
    assert_int_equal(house_pushed(&h, IPC_T_MASK_RULES), 1); /* of the same project */
    gate_dies();
    gate_comes();
    house_forget(&h);
    put_pieces(one, NULL, 0, NULL, 0, 4, 100);
    assert_done(0, "");
    assert_int_equal(house_pushed(&h, IPC_T_MASK_RULES), 1);
}

/* One of a gate's other channels closes: the gate is another one only when channel 0 is. */
static void other_channels(void **state)
{
    const char *rid, *lost = begin();
    struct cmd *c;

    (void) state;
    gate_dies();
    gate_comes();
    h.chan += 4; /* a loop of the same gate */
    rid = begin();
    c = cmd_new(CMD_GATE_CLOSED, h.chan, 0, IPC_T_NONE_, NULL);
    c->index = 3;
    core_run(h.core, &c, 1);
    h.chan++;
    put_wrap(rid, 0, 0);
    assert_done(0, "");
    second_after(HOUSE_VANISH_MS + 1);
    second_after(HOUSE_VANISH_MS + 1);
    assert_true(is_live(rid));
    assert_false(is_live(lost)); /* the gate is there, and has not asked for it */
}

static void a_clock_that_jumps_ends_nothing(void **state)
{
    const char *rid = begin();

    (void) state;
    gate_dies();
    gate_comes();
    house_sleep(&h, 60 * 1000);
    h.real += 100LL * 24 * 3600 * 1000; /* a jump; the boot clock knows better */
    house_tick(&h, CMD_SECOND);
    assert_true(is_live(rid));
}

/* ---- ingest tokens ---- */

static struct ipc_ingest_tokens pushed(void)
{
    struct ipc_ingest_tokens t = { 0 };

    LIST_FOREACH(n, &h.seen)
    {
        struct out *o = LIST_ENTRY(n, struct out, node);

        if (o->type == IPC_T_INGEST_TOKENS)
            assert_ok(ipc_decode(o->type, arena_span(&h.mem, buf_span(&o->body)), &h.mem, &t, NULL));
    }
    return t;
}

static void tokens_are_pushed(void **state)
{
    const char *id, *text, *brief_id;
    struct ipc_ingest_tokens t;
    struct reply r;

    (void) state;
    house_forget(&h);
    text = make_token("shop", &id);
    t = pushed();
    assert_int_equal(t.full, 0);
    assert_int_equal(t.rows.n, 1);
    assert_span_eq(t.rows.rows[0].sha256, cred_of(text));
    assert_span_str(t.rows.rows[0].tid, id);
    assert_int_equal(t.rows.rows[0].pid.n, ID_LEN);
    assert_int_equal(t.rows.rows[0].live, 1);

    house_forget(&h); /* other tokens are no business of the gate's */
    r = house_call(&h, h.admin, ROUTE_token_create, NULL, NULL, "{\"kind\":\"api\"}");
    assert_reply(&h, r, 201, "");
    assert_int_equal(house_pushed(&h, IPC_T_INGEST_TOKENS), 0);

    r = house_call(&h, h.admin, ROUTE_token_create, NULL, NULL,
                   "{\"kind\":\"ingest\",\"project\":\"shop\",\"expires_in_s\":60}");
    assert_reply(&h, r, 201, "");
    brief_id = reply_str(&h, &r, "id");
    house_forget(&h);
    house_tick(&h, CMD_GATE_OPEN);
    t = pushed();
    assert_int_equal(t.full, 1);
    assert_int_equal(t.rows.n, 4); /* with the demo's own page */
    {
        /* The heartbeat after DENY says that the resync is whole: DENY is the last of it. */
        enum ipc_type last = IPC_T_NONE_;

        LIST_FOREACH(n, &h.seen)
        {
            if (LIST_ENTRY(n, struct out, node)->to == OUT_SYNC)
                last = LIST_ENTRY(n, struct out, node)->type;
        }
        assert_int_equal(last, IPC_T_DENY);
    }
    house_forget(&h);
    house_tick(&h, CMD_VAULT_OPEN);
    assert_int_equal(house_pushed(&h, IPC_T_INGEST_TOKENS), 0);

    r = house_call(&h, h.admin, ROUTE_token_revoke, id, NULL, NULL);
    assert_reply(&h, r, 204, "");
    t = pushed();
    assert_int_equal(t.rows.n, 1);
    assert_span_str(t.rows.rows[0].tid, id);
    assert_int_equal(t.rows.rows[0].live, 0);

    house_forget(&h);
    second_after(60 * 1000 - 1);
    assert_int_equal(house_pushed(&h, IPC_T_INGEST_TOKENS), 0);
    second_after(1);
    t = pushed();
    assert_int_equal(t.rows.n, 1);
    assert_span_str(t.rows.rows[0].tid, brief_id);
    assert_int_equal(t.rows.rows[0].live, 0);
    assert_int_equal(house_leaves(&h, "token.revoked", "expired"), 1);
    house_forget(&h);
    second_after(1000);
    assert_int_equal(house_pushed(&h, IPC_T_INGEST_TOKENS), 0);
    house_tick(&h, CMD_GATE_OPEN);
    t = pushed();
    assert_int_equal(t.rows.n, 2);
}

static void revoked_in_mid_recording(void **state)
{
    const char *rid = begin();
    struct reply r;

    (void) state;
    put_wrap(rid, 0, 0);
    r = house_call(&h, h.admin, ROUTE_token_revoke, token_id, NULL, NULL);
    assert_reply(&h, r, 204, "");
    assert_int_equal(begin_as(token, "terminal", 0).status, 401);
    put_piece(rid, piece(0, 0, 0, 10, 0, 2), 4); /* what was acknowledged before is kept */
    assert_done(0, "");
    gate_dies();
    gate_comes();
    assert_int_equal(resume(rid, token).status, 401);
    second_after(HOUSE_VANISH_MS);
    assert_false(is_live(rid));
    assert_int_equal(house_leaves(&h, "recording.sealed", "vanished"), 1);
}

/* ---- notices ---- */

static int notices(const char *rid, const char *word)
{
    char want[128];
    int n = 0;

    (void) snprintf(want, sizeof(want), "{\"type\":\"recording\",\"id\":\"%s\",\"state\":\"%s\"}", rid, word);
    LIST_FOREACH(node, &h.seen)
    {
        struct out *o = LIST_ENTRY(node, struct out, node);
        struct ipc_notify m;

        if (o->type != IPC_T_NOTIFY)
            continue;
        assert_ok(ipc_decode(o->type, arena_span(&h.mem, buf_span(&o->body)), &h.mem, &m, NULL));
        n += span_eq_str(m.json, want);
    }
    return n;
}

static void pages_are_told(void **state)
{
    const struct ipc_watch_open watch = { .sub = 7, .cred_kind = CRED_BEARER, .cred = cred_of(h.admin) };
    struct ipc_answer a;
    const char *rid;

    (void) state;
    house_send(&h, IPC_T_WATCH_OPEN, &watch, IPC_T_ANSWER, &a);
    assert_int_equal(a.status, 200);
    rid = begin();
    assert_int_equal(notices(rid, "live"), 1);
    put_wrap(rid, 0, 0);
    put_piece(rid, piece(0, 0, 0, 10, 0, 2), 4);
    assert_int_equal(house_pushed(&h, IPC_T_NOTIFY), 1); /* growing is none */
    (void) end(rid, false);
    (void) end(rid, false);
    assert_int_equal(notices(rid, "complete"), 1);
}

/* A public token takes up and learns of nothing that was not begun with it, whoever tells it an id. */
static void pages_keep_to_their_own(void **state)
{
    struct reply r = house_call(&h, h.admin, ROUTE_token_create, NULL, NULL, "{\"kind\":\"ingest\",\"project\":\"shop\",\"browser\":true}");
    const char *page = reply_str(&h, &r, "token"), *others = begin(), *own;
    struct ipc_ingest_opened o = begin_as(page, "rrweb", 0);
    struct ipc_ingest_state s;

    (void) state;
    own = arena_str(&h.mem, o.rid);
    gate_dies();
    gate_comes();
    s = resume(others, page);
    assert_int_equal(s.status, 404);
    assert_span_str(s.code, "not-found");
    assert_int_equal(resume(others, token).status, 0);
    assert_int_equal(resume(own, page).status, 0);
    (void) end(others, false);
    s = resume(others, page); /* nor how long it was */
    assert_int_equal(s.status, 404);
    assert_int_equal(s.kind.n, 0);
    assert_int_equal(resume(others, token).status, 409);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, open_team, close_house)
    const struct CMUnitTest tests[] = {
        T(listed_from_the_first_moment),
        T(who_may_begin),
        T(said_twice_it_begins_once),
        T(a_beginning_is_taken_back),
        T(it_grows_with_its_pieces),
        T(numbering_is_dense),
        T(merging_replaces_runs),
        T(the_end_seals_it),
        T(end_and_piece_in_one_group),
        T(another_gate_goes_on),
        T(a_log_is_recovered),
        T(recovery_after_the_end),
        T(nobody_goes_on_with_it),
        T(a_keeper_that_restarts),
        T(rules_are_said_again),
        T(other_channels),
        T(a_clock_that_jumps_ends_nothing),
        T(tokens_are_pushed),
        T(revoked_in_mid_recording),
        T(pages_keep_to_their_own),
        T(pages_are_told),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
