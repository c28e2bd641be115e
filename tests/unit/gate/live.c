/*
 * Live recording against a keeper that answers late, refuses, dies or forgets: what the gate promises then. The straight
 * way, every shape of batch and every limit are in tests/system/live.py against the whole server.
 */
#include "world.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "crypto/hash.h"

#define TOKEN  "kit_live"
#define OTHERS "kit_others"
#define SECOND "kit_second"
#define PAGES  "kib_pages"
#define SECRET "krs_secret"
#define SHOP   "https://shop.example.org"

/* Of the peers' thread, or under the world's lock. */
static struct {
    unsigned n_resume, n_wrap, n_put, n_end;
    int refuse_puts; /* so many times */
    uint16_t put_status;
    const char *put_code;
    bool hold_resume, hold_open, lose_end;
    struct link *held_link;
    uint64_t held_call;
    struct ipc_ingest_state state; /* the answer to INGEST_RESUME */
    uint8_t refused_cred[32];      /* this one gets 404 */
    uint16_t wrap_kn;
} k;

/* ---- the keeper's side of it ---- */

static struct world_recording *find(struct span rid)
{
    for (size_t i = 0; i < w.n_recordings; i++) {
        if (span_eq_str(rid, w.recordings[i].rid))
            return &w.recordings[i];
    }
    return NULL;
}

static void say(struct link *to, uint64_t call, enum ipc_type type, const void *msg)
{
    (void) link_answer(to, call, type, msg);
}

static void open_one(struct link *to, const struct link_msg *m)
{
    const struct ipc_ingest_open *in = m->body;
    struct world_recording *r = &w.recordings[w.n_recordings];
    struct ipc_ingest_opened out = { .pid = SPAN(PROJECT), .tid = SPAN("t_AAAAAAAAAAAAAAAA"), .epoch = 1, .epoch_pk = SPAN_OF(w.epoch_pub), .secret = SPAN(SECRET) };
    uint8_t pages[32];

    sha256(SPAN(PAGES), pages);
    if (span_eq(in->cred, SPAN_OF(pages)))
        out.tid = SPAN("t_DDDDDDDDDDDDDDDD");
    if (w.n_recordings == WORLD_RECORDINGS)
        abort();
    w.n_recordings++;
    memset(r, 0, sizeof(*r));
    buf_init(&r->wrap, 256);
    (void) snprintf(r->rid, sizeof(r->rid), "r_%016u", ++w.next_rid);
    (void) span_to_str(in->title, r->title, sizeof(r->title));
    out.rid = span_str(r->rid);
    world_masks(to);
    say(to, m->call, IPC_T_INGEST_OPENED, &out);
}

static void resume_one(struct link *to, uint64_t call, struct span cred)
{
    const struct ipc_ingest_state no = { .status = 404, .code = SPAN("not-found") };

    world_masks(to);
    if (span_eq(cred, SPAN_OF(k.refused_cred)))
        say(to, call, IPC_T_INGEST_STATE, &no);
    else
        say(to, call, IPC_T_INGEST_STATE, &k.state);
}

/* What a merge replaced goes; the world adds what is new. */
static void drop_rows(const struct ipc_piece_put *in)
{
    struct world_recording *r = find(in->rid);

    for (uint32_t i = 0; i < in->gone.n && r != NULL; i++) {
        for (size_t at = 0; at < r->n_pieces; at++) {
            if (r->pieces[at].seg_no != in->gone.rows[i].n)
                continue;
            r->n_pieces--;
            for (size_t j = at; j < r->n_pieces; j++) {
                r->pieces[j] = r->pieces[j + 1];
                memcpy(r->sha256[j], r->sha256[j + 1], 32);
                r->pieces[j].sha256 = span_of(r->sha256[j], 32);
            }
            break;
        }
    }
}

static bool more(struct link *to, const struct link_msg *m)
{
    const struct ipc_done refusal = { .status = k.put_status, .code = span_str(k.put_code) };

    switch ((int) m->type) {
    case IPC_T_INGEST_OPEN:
        if (!((const struct ipc_ingest_open *) m->body)->live)
            return false;
        if (!k.hold_open)
            open_one(to, m);
        return true;
    case IPC_T_INGEST_RESUME: {
        const struct ipc_ingest_resume *in = m->body;

        k.n_resume++;
        k.held_link = to;
        k.held_call = m->call;
        if (!k.hold_resume)
            resume_one(to, m->call, in->cred);
        return true;
    }
    case IPC_T_WRAP_PUT:
        k.n_wrap++;
        k.wrap_kn = ((const struct ipc_wrap_put *) m->body)->wraps.rows[0].kn;
        return false;
    case IPC_T_PIECE_PUT:
        k.n_put++;
        if (k.refuse_puts > 0) {
            k.refuse_puts--;
            say(to, m->call, IPC_T_DONE, &refusal);
            return true;
        }
        drop_rows(m->body);
        return false;
    case IPC_T_END:
        k.n_end++;
        return k.lose_end;
    case IPC_T_FOREIGN_BATCH:
        say(to, m->call, IPC_T_DONE, &(const struct ipc_done){ .status = 0 });
        return true;
    default: return false;
    }
}

static struct ipc_row_ingest_token token_row(const char *text, const char *tid, const char *pid, uint8_t sum[32])
{
    sha256(span_str(text), sum);
    return (struct ipc_row_ingest_token){ .sha256 = span_of(sum, 32), .tid = span_str(tid), .pid = span_str(pid), .live = 1 };
}

static void send_tokens(struct link *to)
{
    uint8_t a[32], b[32], c[32], d[32];
    struct ipc_row_origins origins[2] = { { SPAN(PROJECT), SPAN(SHOP " http://localhost:8080") },
                                          { SPAN("p_BBBBBBBBBBBBBBBB"), SPAN("https://elsewhere.example.org") } };
    struct ipc_row_ingest_token rows[4] = {
        token_row(TOKEN, "t_AAAAAAAAAAAAAAAA", PROJECT, a),
        token_row(OTHERS, "t_BBBBBBBBBBBBBBBB", "p_BBBBBBBBBBBBBBBB", b),
        token_row(SECOND, "t_CCCCCCCCCCCCCCCC", PROJECT, c),
        token_row(PAGES, "t_DDDDDDDDDDDDDDDD", PROJECT, d),
    };
    struct ipc_ingest_tokens m = { .seq = 1, .full = 1 };

    rows[3].browser = 1;
    m.rows.rows = rows;
    m.rows.n = 4;
    m.origins.rows = origins;
    m.origins.n = 2;
    (void) link_send(to, IPC_T_INGEST_TOKENS, &m);
}

static void greet(struct link *to)
{
    send_tokens(to);
}

static void revoke_token(void *arg)
{
    uint8_t sum[32];
    struct ipc_row_ingest_token row = token_row(TOKEN, "t_AAAAAAAAAAAAAAAA", PROJECT, sum);
    struct ipc_ingest_tokens m = { .seq = 2 };

    (void) arg;
    row.live = 0;
    m.rows.rows = &row;
    m.rows.n = 1;
    (void) link_send(w.keeper[0], IPC_T_INGEST_TOKENS, &m);
}

static void gone(void *arg)
{
    const struct ipc_gone m = { .rid = span_str(arg), .pid = SPAN(PROJECT) };

    (void) link_send(w.keeper[0], IPC_T_GONE, &m);
}

static void answer_held(void *arg)
{
    (void) arg;
    world_masks(k.held_link);
    say(k.held_link, k.held_call, IPC_T_INGEST_STATE, &k.state);
}

static void refuse_held(void *arg)
{
    const struct ipc_ingest_state no = { .status = 404, .code = SPAN("not-found") };

    (void) arg;
    k.hold_resume = false;
    say(k.held_link, k.held_call, IPC_T_INGEST_STATE, &no);
}

/* ---- set-up ---- */

static void prepare(void *arg)
{
    (void) arg;
    memset(&k, 0, sizeof(k));
    k.state = (struct ipc_ingest_state){ .pid = SPAN(PROJECT), .tid = SPAN("t_AAAAAAAAAAAAAAAA"), .kind = SPAN("terminal"), .next_kn = 3,
                                         .next_batch = 5, .next_seq = 40, .last_us = 4000000, .bytes = 1000, .next_seg = 2, .next_chunk = 2,
                                         .epoch = 1, .epoch_pk = SPAN_OF(w.epoch_pub) };
    w.ways.more = more;
    w.greet = greet;
    send_tokens(w.keeper[0]);
}

static int begin(void **state)
{
    (void) world_reset(state);
    world_do(prepare, NULL);
    (void) usleep(10000); /* pushes have no answer */
    return 0;
}

/* ---- the recorder ---- */

static const char *create(const char *form)
{
    static char ids[8][ID_CAP];
    static unsigned n;
    char *to = ids[n++ % 8];
    struct client c;

    request(&c, "POST", "/v1/recordings", "Authorization: Bearer " TOKEN "\r\nContent-Type: application/json\r\n", span_str(form));
    if (c.status != 201)
        fail_msg("%d %s", c.status, buf_cstr(&c.body));
    (void) snprintf(to, ID_CAP, "%s", member(&c, "id"));
    client_close(&c);
    return to;
}

static void begin_batch(struct client *c, const char *rid, const char *token, int number, const char *body)
{
    client_open(c, w.port);
    client_sendf(c, "POST /v1/recordings/%s/events HTTP/1.1\r\nHost: localhost:%d\r\nAuthorization: Bearer %s\r\nBatch-Seq: %d\r\nContent-Length: %zu\r\n\r\n",
                 rid, w.port, token, number, strlen(body));
    client_send_n(c, body, strlen(body));
}

static void batch(struct client *c, const char *rid, const char *token, int number, const char *body)
{
    begin_batch(c, rid, token, number, body);
    client_answer(c);
}

static void good_batch(const char *rid, int number, const char *body)
{
    struct client c;

    batch(&c, rid, TOKEN, number, body);
    if (c.status != 200)
        fail_msg("batch %d: %d %s", number, c.status, buf_cstr(&c.body));
    client_close(&c);
}

static void end_it(struct client *c, const char *rid, const char *token)
{
    char path[80], auth[80];

    (void) snprintf(path, sizeof(path), "/v1/recordings/%s/end", rid);
    (void) snprintf(auth, sizeof(auth), "Authorization: Bearer %s\r\n", token);
    request(c, "POST", path, auth, SPAN_EMPTY);
}

static void good_end(const char *rid)
{
    struct client c;

    end_it(&c, rid, TOKEN);
    if (c.status != 200)
        fail_msg("end: %d %s", c.status, buf_cstr(&c.body));
    client_close(&c);
}

/* More than a segment of the world's configuration (64 KiB of frames). */
static const char *much(void)
{
    static char text[200000];
    size_t n = 0;
    uint32_t x = 7;

    for (int i = 0; n < sizeof(text) - 2000; i++) {
        n += (size_t) snprintf(text + n, sizeof(text) - n, "[%d,\"o\",\"", i);
        for (int j = 0; j < 1000; j++) {
            x = x * 1664525 + 1013904223;
            text[n++] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_"[x >> 26];
        }
        n += (size_t) snprintf(text + n, sizeof(text) - n, "\\r\\n\"]\n"); /* a line that is over: nothing holds a seal back */
    }
    return text;
}

static size_t count_files(const char *dir, const char *rid)
{
    DIR *d = opendir(dir);
    struct dirent *e;
    size_t n = 0;

    while (d != NULL && (e = readdir(d)) != NULL) {
        char path[600];

        if (e->d_name[0] == '.')
            continue;
        assert_true(snprintf(path, sizeof(path), "%s/%s", dir, e->d_name) < (int) sizeof(path));
        if (e->d_type == DT_DIR)
            n += count_files(path, rid);
        else if (strstr(dir, rid) != NULL)
            n++;
    }
    if (d != NULL)
        (void) closedir(d);
    return n;
}

static char waited_rid[ID_CAP];

static bool files_gone(void)
{
    char dir[80];

    (void) snprintf(dir, sizeof(dir), "%s/blobs", w.dir);
    return count_files(dir, waited_rid) == 0;
}

static bool has_pieces(void)
{
    const struct world_recording *r = find(span_str(waited_rid));

    return r != NULL && r->n_pieces > 0;
}

/* ---- tests ---- */

static void from_begin_to_export(void **state)
{
    const char *rid = create("{\"kind\":\"terminal\",\"title\":\"A title\",\"head\":{\"version\":2,\"width\":80,\"height\":24,\"title\":\"canary-4711\"}}");
    struct client c;

    (void) state;
    good_batch(rid, 0, "[0.5,\"o\",\"a\"]\n[1,\"o\",\"b\"]\n");
    good_batch(rid, 1, much());
    (void) snprintf(waited_rid, sizeof(waited_rid), "%s", rid);
    world_wait(has_pieces, 3000);
    good_batch(rid, 2, "[1000,\"o\",\"z\"]\n");
    good_end(rid);
    assert_int_equal(recording_of(rid)->ended, 1);
    assert_string_equal(recording_of(rid)->kind, "terminal");
    get(&c, world_export_key(rid), "/v1/replay/%s/export", rid);
    assert_int_equal(c.status, 200);
    assert_non_null(strstr(buf_cstr(&c.body), "canary-4711"));
    assert_non_null(strstr(buf_cstr(&c.body), "[0.5,\"o\",\"a\"]"));
    assert_non_null(strstr(buf_cstr(&c.body), "[1000,\"o\",\"z\"]"));
    client_close(&c);
    batch(&c, rid, OTHERS, 3, "");
    assert_code(&c, 404, "not-found");
}

/* The keeper has not got the wrap, or is busy: everything is said again, and ingest does not wait for it. */
static void pieces_refused_for_now(void **state)
{
    static const struct { uint16_t status; const char *code; } cases[] = { { 409, "conflict" }, { 503, "ingest-space" }, { 422, "invalid" } };

    (void) state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const char *rid = create("{\"kind\":\"terminal\"}");
        unsigned wraps;

        world_lock();
        k.refuse_puts = 1;
        k.put_status = cases[i].status;
        k.put_code = cases[i].code;
        wraps = k.n_wrap;
        world_unlock();
        good_batch(rid, 0, much());
        good_batch(rid, 1, "[1000,\"o\",\"z\"]\n");
        (void) snprintf(waited_rid, sizeof(waited_rid), "%s", rid);
        world_wait(has_pieces, 6000);
        good_end(rid);
        world_lock();
        assert_true(k.n_wrap > wraps);
        world_unlock();
    }
}

/* The keeper does not know it any more: what was made goes, nothing is taken any more. */
static void pieces_refused_for_good(void **state)
{
    const char *rid = create("{\"kind\":\"terminal\"}");
    struct client c;

    (void) state;
    world_lock();
    k.refuse_puts = 1;
    k.put_status = 404;
    k.put_code = "not-found";
    k.state = (struct ipc_ingest_state){ .status = 404, .code = SPAN("not-found") };
    world_unlock();
    good_batch(rid, 0, much());
    (void) snprintf(waited_rid, sizeof(waited_rid), "%s", rid);
    for (int i = 0; i < 200; i++) {
        batch(&c, rid, TOKEN, 9, "");
        if (c.status == 404)
            break;
        client_close(&c);
        (void) usleep(10000);
    }
    assert_code(&c, 404, "not-found");
    world_wait(files_gone, 2000);
}

static void the_end_is_not_heard(void **state)
{
    const char *rid = create("{\"kind\":\"rrweb\"}");
    struct client c;

    (void) state;
    good_batch(rid, 0, "{\"type\":4,\"data\":{},\"timestamp\":1000}\n");
    world_lock();
    k.lose_end = true;
    world_unlock();
    client_open(&c, w.port);
    client_sendf(&c, "POST /v1/recordings/%s/end HTTP/1.1\r\nHost: localhost:%d\r\nAuthorization: Bearer " TOKEN "\r\nContent-Length: 0\r\n\r\n", rid, w.port);
    for (int i = 0; i < 200; i++) {
        unsigned n;

        world_lock();
        n = k.n_end;
        world_unlock();
        if (n > 0)
            break;
        (void) usleep(5000);
    }
    world_keeper_dies();
    client_answer(&c);
    assert_code(&c, 503, "keeper-unavailable");
    good_batch(rid, 1, "{\"type\":4,\"data\":{},\"timestamp\":2000}\n"); /* it is open again */
    world_lock();
    k.lose_end = false;
    world_unlock();
    world_keeper_comes();
    (void) usleep(50000);
    good_end(rid);
    assert_int_equal(recording_of(rid)->events, 2);
    assert_int_equal(recording_of(rid)->duration_us, 1000000);
}

static void keeper_is_told_again(void **state)
{
    const char *rid = create("{\"kind\":\"terminal\"}");
    unsigned wraps = 0, puts = 0;

    (void) state;
    good_batch(rid, 0, "[1,\"o\",\"a\"]\n");
    world_keeper_dies();
    good_batch(rid, 1, "[2,\"o\",\"a\"]\n");
    world_lock();
    k.n_wrap = k.n_put = 0;
    world_unlock();
    world_keeper_comes();
    for (int i = 0; i < 600 && (wraps == 0 || puts == 0); i++) {
        (void) usleep(5000);
        world_lock();
        wraps = k.n_wrap;
        puts = k.n_put;
        world_unlock();
    }
    assert_true(wraps > 0 && puts > 0);
    good_end(rid);
}

static void erased_in_the_middle(void **state)
{
    const char *rid = create("{\"kind\":\"terminal\"}");
    struct client c;

    (void) state;
    good_batch(rid, 0, much());
    (void) snprintf(waited_rid, sizeof(waited_rid), "%s", rid);
    world_wait(has_pieces, 3000);
    assert_false(files_gone());
    world_lock();
    k.state = (struct ipc_ingest_state){ .status = 410, .code = SPAN("erased") };
    world_unlock();
    world_do(gone, (void *) (uintptr_t) rid);
    world_wait(files_gone, 3000);
    batch(&c, rid, TOKEN, 1, "[2,\"o\",\"a\"]\n");
    assert_code(&c, 410, "erased");
    end_it(&c, rid, TOKEN);
    assert_code(&c, 410, "erased");
}

static void revoked(void **state)
{
    const char *rid = create("{\"kind\":\"terminal\"}");
    struct client c;

    (void) state;
    good_batch(rid, 0, "[1,\"o\",\"a\"]\n");
    client_open(&c, w.port); /* a body that is on its way when it happens */
    client_sendf(&c, "POST /v1/recordings/%s/events HTTP/1.1\r\nHost: localhost:%d\r\nAuthorization: Bearer " TOKEN
                     "\r\nBatch-Seq: 1\r\nContent-Length: 12\r\n\r\n[2,\"o", rid, w.port);
    (void) usleep(20000);
    world_do(revoke_token, NULL);
    (void) usleep(20000);
    client_send(&c, "\",\"a\"]\n");
    client_answer(&c);
    assert_code(&c, 401, "login-needed");
    batch(&c, rid, TOKEN, 1, "[2,\"o\",\"a\"]\n");
    assert_code(&c, 401, "login-needed");
    end_it(&c, rid, TOKEN);
    assert_code(&c, 401, "login-needed");
    request(&c, "POST", "/v1/recordings", "Authorization: Bearer " TOKEN "\r\nContent-Type: application/json\r\n", SPAN("{\"kind\":\"rrweb\"}"));
    assert_code(&c, 401, "login-needed");
    batch(&c, rid, SECOND, 1, "[2,\"o\",\"a\"]\n");
    assert_int_equal(c.status, 200);
    client_close(&c);
    end_it(&c, rid, SECOND);
    assert_int_equal(c.status, 200);
    client_close(&c);
}

static struct world_recording *foreign(const char *rid)
{
    struct world_recording *r = &w.recordings[w.n_recordings++];

    memset(r, 0, sizeof(*r));
    buf_init(&r->wrap, 256);
    (void) snprintf(r->rid, sizeof(r->rid), "%s", rid);
    return r;
}

/* Another process wrote it: the keeper is asked once, whoever comes meanwhile waits, and each gets its own answer. */
static void resumed(void **state)
{
    static const char rid[] = "r_RRRRRRRRRRRRRRRR";
    struct client c[6];
    static const int numbers[6] = { 4, 4, 5, 6, 3, 9 }; /* log 5 is Batch-Seq 4 */

    (void) state;
    world_lock();
    (void) foreign(rid);
    k.hold_resume = true;
    world_unlock();
    for (size_t i = 0; i < 6; i++) {
        char body[40];

        (void) snprintf(body, sizeof(body), "[%d,\"o\",\"a\"]\n", 10 + numbers[i]);
        begin_batch(&c[i], rid, TOKEN, numbers[i], body);
        (void) usleep(20000); /* in this order */
    }
    world_lock();
    assert_int_equal(k.n_resume, 1);
    world_unlock();
    world_do(answer_held, NULL);
    for (size_t i = 0; i < 6; i++)
        client_answer(&c[i]);
    for (size_t i = 0; i < 5; i++) {
        if (c[i].status != 200)
            fail_msg("%zu: %d %s", i, c[i].status, buf_cstr(&c[i].body));
    }
    assert_string_equal(member(&c[0], "durable_seq"), "40");
    assert_string_equal(member(&c[1], "durable_seq"), "40");
    assert_string_equal(member(&c[2], "durable_seq"), "41");
    assert_string_equal(member(&c[3], "durable_seq"), "42");
    assert_string_equal(member(&c[4], "batch"), "3");
    assert_int_equal(c[5].status, 409);
    for (size_t i = 0; i < 6; i++)
        client_close(&c[i]);
    world_lock();
    assert_int_equal(k.wrap_kn, 3);
    world_unlock();
    good_end(rid);
    assert_int_equal(recording_of(rid)->n_pieces, 1);
    assert_int_equal(recording_of(rid)->pieces[0].seg_no, 2);
    assert_int_equal(recording_of(rid)->pieces[0].kn, 3);
    assert_int_equal(recording_of(rid)->pieces[0].first_seq, 40);
    assert_int_equal(recording_of(rid)->pieces[0].first_chunk, 2);
    assert_int_equal(recording_of(rid)->events, 43);
}

/* A public token that waits while the keeper is asked for another one's recording gets nothing of it. */
static void pages_wait_in_vain(void **state)
{
    static const char rid[] = "r_VVVVVVVVVVVVVVVV";
    struct client a, b;

    (void) state;
    world_lock();
    (void) foreign(rid);
    k.hold_resume = true;
    world_unlock();
    begin_batch(&a, rid, TOKEN, 4, "[11,\"o\",\"a\"]\n");
    (void) usleep(30000);
    begin_batch(&b, rid, PAGES, 5, "[12,\"o\",\"b\"]\n");
    (void) usleep(30000);
    world_do(answer_held, NULL);
    client_answer(&a);
    client_answer(&b);
    assert_int_equal(a.status, 200);
    assert_code(&b, 404, "not-found");
    client_close(&a);
    good_end(rid);
    assert_int_equal(recording_of(rid)->events, 41);
}

/* A refusal is for the token that was asked for. */
static void refused_for_one_token(void **state)
{
    static const char rid[] = "r_SSSSSSSSSSSSSSSS";
    struct client a, b;

    (void) state;
    world_lock();
    (void) foreign(rid);
    sha256(SPAN(OTHERS), k.refused_cred);
    k.hold_resume = true;
    world_unlock();
    begin_batch(&a, rid, OTHERS, 4, "[11,\"o\",\"a\"]\n");
    (void) usleep(30000);
    begin_batch(&b, rid, TOKEN, 4, "[11,\"o\",\"b\"]\n");
    (void) usleep(30000);
    world_do(refuse_held, NULL);
    client_answer(&a);
    client_answer(&b);
    assert_code(&a, 404, "not-found");
    assert_int_equal(b.status, 200);
    client_close(&b);
    world_lock();
    assert_int_equal(k.n_resume, 2);
    world_unlock();
    good_end(rid);
}

static void ended_before(void **state)
{
    struct client c;

    (void) state;
    world_lock();
    k.state = (struct ipc_ingest_state){ .status = 409, .code = SPAN("recording-ended"), .pid = SPAN(PROJECT), .kind = SPAN("rrweb"),
                                         .next_seq = 812, .last_us = 47210500, .bytes = 431022 };
    world_unlock();
    batch(&c, "r_TTTTTTTTTTTTTTTT", TOKEN, 4, "[11,\"o\",\"a\"]\n");
    assert_code(&c, 409, "recording-ended");
    end_it(&c, "r_TTTTTTTTTTTTTTTT", TOKEN);
    assert_int_equal(c.status, 200);
    assert_string_equal(member(&c, "kind"), "rrweb");
    assert_string_equal(member(&c, "events"), "812");
    assert_string_equal(member(&c, "duration_ms"), "47210");
    assert_string_equal(member(&c, "bytes"), "431022");
    client_close(&c);
    world_keeper_dies();
    (void) usleep(20000);
    batch(&c, "r_TTTTTTTTTTTTTTTT", TOKEN, 4, "");
    assert_code(&c, 503, "keeper-unavailable");
    batch(&c, "r_TTTTTTTTTTTTTTTT", "kit_nobody", 4, "");
    assert_code(&c, 503, "keeper-unavailable"); /* it may be new */
    world_keeper_comes();
    (void) usleep(50000);
    batch(&c, "r_TTTTTTTTTTTTTTTT", "kit_nobody", 4, "");
    assert_code(&c, 401, "login-needed");
}

/* ---- pages ---- */

#define FROM(origin) "Origin: " origin "\r\n"
#define AUTH(token)  "Authorization: Bearer " token "\r\n"
#define JSON         "Content-Type: application/json\r\n"
#define ASK(method)  "Access-Control-Request-Method: " method "\r\nAccess-Control-Request-Headers: authorization,batch-seq\r\n"

static const char *allowed(struct client *c)
{
    return client_header(c, "access-control-allow-origin");
}

static void preflights(void **state)
{
    static const struct {
        const char *path, *headers;
        int status;
        const char *origin;
    } cases[] = {
        { "/v1/recordings", FROM(SHOP) ASK("POST"), 204, SHOP },
        { "/v1/recordings/r_AAAAAAAAAAAAAAAA/events", FROM("http://localhost:8080") ASK("POST"), 204, "http://localhost:8080" },
        { "/v1/recordings/r_AAAAAAAAAAAAAAAA/end", FROM("https://elsewhere.example.org") ASK("POST"), 204, "https://elsewhere.example.org" },
        { "/v1/recordings/r_AAAAAAAAAAAAAAAA/links", FROM(SHOP) ASK("PUT"), 204, SHOP },
        { "/v1/recordings", FROM("https://evil.example.org") ASK("POST"), 403, "" },
        { "/v1/recordings", FROM("null") ASK("POST"), 403, "" },
        { "/v1/recordings", FROM(SHOP) FROM(SHOP) ASK("POST"), 400, "" },
        /* reading is no ingest, whoever asks */
        { "/v1/recordings", FROM(SHOP) ASK("GET"), 405, "" },
        { "/v1/recordings/r_AAAAAAAAAAAAAAAA", FROM(SHOP) ASK("GET"), 405, "" },
        { "/v1/replay/r_AAAAAAAAAAAAAAAA/manifest", FROM(SHOP) ASK("GET"), 405, "" },
        { "/v1/requests", FROM(SHOP) ASK("POST"), 405, "" },
        { "/v1/import", FROM(SHOP) ASK("POST"), 405, "" },
        { "/v1/login", FROM(SHOP) ASK("POST"), 405, "" },
        { "/v1/recordings", FROM(SHOP), 405, "" },
        { "/v1/recordings", ASK("POST"), 405, "" },
        { "/v1/nowhere", FROM(SHOP) ASK("POST"), 404, "" },
    };
    struct client c;

    (void) state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        request(&c, "OPTIONS", cases[i].path, cases[i].headers, SPAN_EMPTY);
        if (c.status != cases[i].status || strcmp(allowed(&c), cases[i].origin) != 0)
            fail_msg("%zu: %d '%s', not %d '%s'", i, c.status, allowed(&c), cases[i].status, cases[i].origin);
        assert_string_equal(client_header(&c, "access-control-allow-credentials"), "");
        if (c.status == 204) {
            assert_string_equal(client_header(&c, "vary"), "origin");
            assert_non_null(strstr(client_header(&c, "access-control-allow-headers"), "batch-seq"));
            assert_non_null(strstr(client_header(&c, "access-control-allow-methods"), "POST"));
            assert_string_equal(client_header(&c, "access-control-max-age"), "7200");
        }
        client_close(&c);
    }
}

static void pages_record(void **state)
{
    static const char form[] = "{\"kind\":\"terminal\"}", line[] = "[0.5,\"o\",\"a\"]\n";
    char path[200], rid[ID_CAP];
    struct client c;

    (void) state;
    request(&c, "POST", "/v1/recordings", AUTH(PAGES) JSON FROM(SHOP), span_str(form));
    assert_int_equal(c.status, 201);
    assert_string_equal(allowed(&c), SHOP);
    assert_string_equal(client_header(&c, "vary"), "origin");
    (void) snprintf(rid, sizeof(rid), "%s", member(&c, "id"));
    assert_string_equal(member(&c, "secret"), SECRET);
    client_close(&c);
    /* what a page sends without a preflight, and as it is left */
    (void) snprintf(path, sizeof(path), "/v1/recordings/%s/events?token=" PAGES "&secret=" SECRET "&batch_seq=0", rid);
    request(&c, "POST", path, "Content-Type: text/plain\r\nCookie: keyhole=nothing\r\n" FROM(SHOP), span_str(line));
    assert_int_equal(c.status, 200);
    assert_string_equal(allowed(&c), SHOP);
    client_close(&c);
    request(&c, "POST", "/v1/recordings?token=" PAGES, "Content-Type: text/plain;charset=UTF-8\r\n" FROM(SHOP), span_str(form));
    assert_int_equal(c.status, 201);
    client_close(&c);
    (void) snprintf(path, sizeof(path), "/v1/recordings/%s/events?token=" PAGES "&secret=" SECRET "&batch_seq=1&encoding=br", rid);
    request(&c, "POST", path, FROM(SHOP), span_str(line));
    assert_code(&c, 415, "unsupported-encoding");
    /* the token is everybody's: without the recording's secret it adds nothing, and ends nothing */
    (void) snprintf(path, sizeof(path), "/v1/recordings/%s/events?token=" PAGES "&batch_seq=1", rid);
    request(&c, "POST", path, FROM(SHOP), span_str(line));
    assert_string_equal(allowed(&c), SHOP);
    assert_code(&c, 403, "recording-secret");
    (void) snprintf(path, sizeof(path), "/v1/recordings/%s/events?token=" PAGES "&batch_seq=1&secret=krs_secreT", rid);
    request(&c, "POST", path, FROM(SHOP), span_str(line));
    assert_code(&c, 403, "recording-secret");
    (void) snprintf(path, sizeof(path), "/v1/recordings/%s/end?token=" PAGES, rid);
    request(&c, "POST", path, FROM(SHOP), SPAN_EMPTY);
    assert_code(&c, 403, "recording-secret");
    /* a recorder that is no page sends no Origin */
    (void) snprintf(path, sizeof(path), "/v1/recordings/%s/events?secret=" SECRET, rid);
    request(&c, "POST", path, AUTH(PAGES) "Batch-Seq: 1\r\n", span_str("[0.6,\"o\",\"b\"]\n"));
    assert_int_equal(c.status, 200);
    assert_string_equal(allowed(&c), "");
    client_close(&c);
    /* a secret token in a page of the project reads its answers; in another it is taken and the page hears nothing */
    request(&c, "POST", path, AUTH(TOKEN) "Batch-Seq: 2\r\n" FROM(SHOP), span_str("[0.7,\"o\",\"b\"]\n"));
    assert_int_equal(c.status, 200);
    assert_string_equal(allowed(&c), SHOP);
    client_close(&c);
    request(&c, "POST", path, AUTH(TOKEN) "Batch-Seq: 3\r\n" FROM("https://elsewhere.example.org"), span_str("[0.8,\"o\",\"b\"]\n"));
    assert_int_equal(c.status, 200);
    assert_string_equal(allowed(&c), "");
    client_close(&c);
    (void) snprintf(path, sizeof(path), "/v1/recordings/%s/end?token=" PAGES "&secret=" SECRET, rid);
    request(&c, "POST", path, FROM(SHOP), SPAN_EMPTY);
    assert_int_equal(c.status, 200);
    client_close(&c);
}

static void pages_refused(void **state)
{
    const char *others = create("{\"kind\":\"terminal\"}");
    char path[200];
    struct client c;

    (void) state;
    (void) snprintf(path, sizeof(path), "/v1/recordings/%s/events", others);
    /* of another project, of nobody, of no origin at all */
    request(&c, "POST", "/v1/recordings", AUTH(PAGES) JSON FROM("https://elsewhere.example.org"), SPAN("{\"kind\":\"rrweb\"}"));
    assert_string_equal(allowed(&c), "");
    assert_code(&c, 403, "origin-refused");
    request(&c, "POST", "/v1/recordings?token=" PAGES, JSON FROM("https://evil.example.org"), SPAN("{\"kind\":\"rrweb\"}"));
    assert_string_equal(allowed(&c), "");
    assert_code(&c, 403, "origin-refused");
    request(&c, "POST", path, AUTH(PAGES) "Batch-Seq: 0\r\n" FROM("null"), SPAN("[]"));
    assert_code(&c, 403, "origin-refused");
    /* a recording that it did not begin */
    request(&c, "POST", path, AUTH(PAGES) "Batch-Seq: 0\r\n" FROM(SHOP), SPAN("[]"));
    assert_string_equal(allowed(&c), SHOP);
    assert_code(&c, 404, "not-found");
    /* only public tokens stand in addresses, and only there where no header names another */
    request(&c, "POST", "/v1/recordings?token=" TOKEN, JSON, SPAN("{\"kind\":\"rrweb\"}"));
    assert_code(&c, 401, "login-needed");
    request(&c, "POST", "/v1/recordings?token=" PAGES, AUTH("kst_nobody") JSON FROM(SHOP), SPAN("{\"kind\":\"rrweb\"}"));
    assert_code(&c, 401, "login-needed");
    request(&c, "POST", "/v1/import?token=" PAGES, FROM(SHOP), SPAN("{\"version\":2,\"width\":80,\"height\":24}\n"));
    assert_code(&c, 401, "login-needed");
    request(&c, "POST", "/v1/import", AUTH(PAGES), SPAN("{\"version\":2,\"width\":80,\"height\":24}\n"));
    assert_code(&c, 403, "forbidden");
    /* one that is not known: any project's page may hear so */
    request(&c, "POST", "/v1/recordings", AUTH("kib_nobody") JSON FROM(SHOP), SPAN("{\"kind\":\"rrweb\"}"));
    assert_string_equal(allowed(&c), SHOP);
    assert_code(&c, 401, "login-needed");
    request(&c, "POST", "/v1/recordings", AUTH("kib_nobody") JSON FROM("https://evil.example.org"), SPAN("{\"kind\":\"rrweb\"}"));
    assert_string_equal(allowed(&c), "");
    assert_code(&c, 401, "login-needed");
    /* no other route speaks to pages */
    request(&c, "GET", "/v1/recordings", AUTH("kst_x") FROM(SHOP), SPAN_EMPTY);
    assert_string_equal(allowed(&c), "");
    client_close(&c);
}

static void pages_begin_slowly(void **state)
{
    struct client c;
    int taken = 0;

    (void) state;
    for (int i = 0; i < 200; i++) {
        request(&c, "POST", "/v1/recordings?token=" PAGES, JSON FROM(SHOP), SPAN("{\"kind\":\"x\"}"));
        if (c.status == 429)
            break;
        taken++;
        client_close(&c);
    }
    assert_in_range(taken, 40, 75); /* begun ones of other tests count */
    assert_string_equal(allowed(&c), SHOP);
    assert_in_range(atoi(client_header(&c, "retry-after")), 1, 4); /* spread */
    assert_code(&c, 429, "rate-limited");
    request(&c, "POST", "/v1/recordings", AUTH(TOKEN) JSON, SPAN("{\"kind\":\"terminal\"}"));
    assert_int_equal(c.status, 201);
    client_close(&c);
}

/* What others' clients sent is counted as large as it is unpacked, wherever it waits: here for the keeper. */
static void others_batches_have_a_limit(void **state)
{
    static const char head[] = "{}\n{\"type\":\"replay_event\"}\n{\"replay_id\":\"r%d\"}\n{\"type\":\"replay_recording\"}\n{\"segment_id\":0}\n[1";
    enum { MANY = 7, SIZE = 24 << 20 };
    struct client c[MANY];
    char *blanks = malloc(SIZE);

    (void) state;
    assert_non_null(blanks);
    memset(blanks, ' ', SIZE);
    memcpy(blanks, ",\"", 2);
    memcpy(blanks + SIZE / 2, "\",\"", 3);
    memcpy(blanks + SIZE - 2, "\"]", 2);
    world_lock();
    k.hold_open = true;
    world_unlock();
    for (int i = 0; i < MANY; i++) {
        char text[200];
        const int n = snprintf(text, sizeof(text), head, i);

        client_open(&c[i], w.port);
        client_sendf(&c[i], "POST /api/1/envelope/ HTTP/1.1\r\nX-Sentry-Auth: Sentry sentry_key=" TOKEN "\r\nHost: localhost:%d\r\nContent-Length: %d\r\n\r\n%s", w.port, n + SIZE,
                     text);
        client_send_n(&c[i], blanks, SIZE);
        (void) usleep(100000);
    }
    client_answer(&c[MANY - 1]);
    assert_code(&c[MANY - 1], 503, "overloaded");
    for (int i = 0; i + 1 < MANY; i++)
        client_close(&c[i]);
    free(blanks);
}

/* Batches, a worker with a large one, seals and questions under way: a gate that is told to stop ends, and leaks nothing. */
static void stops_in_the_middle(void **state)
{
    const char *rid = create("{\"kind\":\"terminal\"}");
    struct client c[4];

    (void) state;
    world_lock();
    k.hold_resume = true;
    (void) foreign("r_UUUUUUUUUUUUUUUU");
    world_unlock();
    good_batch(rid, 0, much());
    begin_batch(&c[0], rid, TOKEN, 1, much());
    begin_batch(&c[1], rid, TOKEN, 2, much());
    begin_batch(&c[2], rid, TOKEN, 1, "");
    begin_batch(&c[3], "r_UUUUUUUUUUUUUUUU", TOKEN, 4, "[1,\"o\",\"a\"]\n");
    (void) usleep(20000);
    world_shutdown();
    for (size_t i = 0; i < 4; i++)
        client_close(&c[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(from_begin_to_export, begin),
        cmocka_unit_test_setup(pieces_refused_for_now, begin),
        cmocka_unit_test_setup(pieces_refused_for_good, begin),
        cmocka_unit_test_setup(the_end_is_not_heard, begin),
        cmocka_unit_test_setup(keeper_is_told_again, begin),
        cmocka_unit_test_setup(erased_in_the_middle, begin),
        cmocka_unit_test_setup(revoked, begin),
        cmocka_unit_test_setup(resumed, begin),
        cmocka_unit_test_setup(pages_wait_in_vain, begin),
        cmocka_unit_test_setup(refused_for_one_token, begin),
        cmocka_unit_test_setup(ended_before, begin),
        cmocka_unit_test_setup(preflights, begin),
        cmocka_unit_test_setup(pages_record, begin),
        cmocka_unit_test_setup(pages_refused, begin),
        cmocka_unit_test_setup(pages_begin_slowly, begin),
        cmocka_unit_test_setup(others_batches_have_a_limit, begin),
        cmocka_unit_test_setup(stops_in_the_middle, begin),
    };

    return cmocka_run_group_tests_name("gate live", tests, world_begin, world_end);
}
