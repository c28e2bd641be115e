/*
 * Following against a keeper and a vault that hold back, refuse, fall silent: nothing without its lease, nothing on another
 * one's key, quotas, endings. The straight way, seals, restarts and slow readers are in tests/system/follow.py.
 */
#include "world.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "crypto/hash.h"
#include "os/clock.h"

#define TOKEN "kit_follow"
#define MANY  40

/* Of the peers' thread, or under the world's lock. */
static struct {
    struct { char jti[JTI_CAP]; struct ipc_lease m; } live[256]; /* live leases, in order */
    size_t n_live;
    unsigned n_again;
    const char *no_key; /* this jti gets no recording key */
    bool hold_live;     /* live leases are not answered */
} k;

/* ---- the keeper's side of it ---- */

static void open_one(struct link *to, const struct link_msg *m)
{
    struct world_recording *r = &w.recordings[w.n_recordings];
    struct ipc_ingest_opened out = { .pid = SPAN(PROJECT), .tid = SPAN("t_AAAAAAAAAAAAAAAA"), .epoch = 1,
                                     .epoch_pk = SPAN_OF(w.epoch_pub) };

    if (w.n_recordings == WORLD_RECORDINGS)
        abort();
    w.n_recordings++;
    memset(r, 0, sizeof(*r));
    buf_init(&r->wrap, 256);
    (void) snprintf(r->kind, sizeof(r->kind), "terminal");
    (void) snprintf(r->rid, sizeof(r->rid), "r_%016u", ++w.next_rid);
    out.rid = span_str(r->rid);
    world_masks(to);
    (void) link_answer(to, m->call, IPC_T_INGEST_OPENED, &out);
}

static bool facts(struct link *to, uint64_t call, struct span rid)
{
    struct ipc_key_facts out = { .verdict = w.ways.key_first, .vid = SPAN(VIEWING), .volume = w.ways.volume, .live = 1 };
    struct world_recording *r = NULL;
    struct ipc_row_wrap wrap;

    for (size_t i = 0; i < w.n_recordings; i++)
        r = span_eq_str(rid, w.recordings[i].rid) ? &w.recordings[i] : r;
    if (r == NULL)
        return false;
    wrap = (struct ipc_row_wrap){ .epoch = r->epoch, .wrap = buf_span(&r->wrap) };
    out.grant.rows = &w.grant;
    out.grant.n = 1;
    out.wraps.rows = &wrap;
    out.wraps.n = r->wrap.n > 0;
    out.pieces.rows = r->pieces;
    out.pieces.n = (uint32_t) r->n_pieces;
    out.kind = span_str(r->kind[0] == '\0' ? "terminal" : r->kind);
    out.live = r->ended == 0;
    for (size_t i = 0; i < r->n_pieces; i++) {
        out.n_chunks += r->pieces[i].n_chunks;
        out.events += r->pieces[i].n_events;
        out.duration_us = r->pieces[i].t_last_us;
    }
    (void) link_answer(to, call, IPC_T_KEY_FACTS, &out);
    return true;
}

static bool take_lease(const struct ipc_lease *in)
{
    if (in->what != LEASE_LIVE)
        return false;
    k.live[k.n_live].m = *in;
    (void) span_to_str(in->jti, k.live[k.n_live++].jti, JTI_CAP);
    return k.hold_live;
}

/* Pieces that a merge replaced: none of these tests looks at them, but what is there must fit together. */
static void drop_rows(const struct ipc_piece_put *in)
{
    struct world_recording *r = NULL;
    size_t n = 0;

    for (size_t i = 0; i < w.n_recordings; i++)
        r = span_eq_str(in->rid, w.recordings[i].rid) ? &w.recordings[i] : r;
    for (size_t at = 0; r != NULL && at < r->n_pieces; at++) {
        bool gone = false;

        for (uint32_t i = 0; i < in->gone.n; i++)
            gone |= r->pieces[at].seg_no == in->gone.rows[i].n;
        if (gone)
            continue;
        r->pieces[n] = r->pieces[at];
        memmove(r->sha256[n], r->sha256[at], 32);
        r->pieces[n].sha256 = span_of(r->sha256[n], 32);
        n++;
    }
    if (r != NULL)
        r->n_pieces = n;
}

static bool more(struct link *to, const struct link_msg *m)
{
    switch ((int) m->type) {
    case IPC_T_INGEST_OPEN:
        if (!((const struct ipc_ingest_open *) m->body)->live)
            return false;
        open_one(to, m);
        return true;
    case IPC_T_KEY_FIRST: return facts(to, m->call, ((const struct ipc_key_first *) m->body)->rid);
    case IPC_T_KEY_AGAIN:
        k.n_again++;
        return facts(to, m->call, ((const struct ipc_key_again *) m->body)->rid);
    case IPC_T_LEASE: {
        const struct ipc_lease *in = m->body;

        if (k.no_key != NULL && span_eq_str(in->jti, k.no_key))
            w.ways.open = KEY_REVOKED;
        return take_lease(in);
    }
    case IPC_T_PIECE_PUT: drop_rows(m->body); return false;
    default: return false;
    }
}

static void send_tokens(struct link *to)
{
    uint8_t sum[32];
    struct ipc_row_ingest_token row = { .tid = SPAN("t_AAAAAAAAAAAAAAAA"), .pid = SPAN(PROJECT), .live = 1 };
    struct ipc_ingest_tokens m = { .seq = 1, .full = 1 };

    sha256(SPAN(TOKEN), sum);
    row.sha256 = SPAN_OF(sum);
    m.rows.rows = &row;
    m.rows.n = 1;
    (void) link_send(to, IPC_T_INGEST_TOKENS, &m);
}

static void prepare(void *arg)
{
    (void) arg;
    memset(&k, 0, sizeof(k));
    w.ways.more = more;
    w.greet = send_tokens;
    send_tokens(w.keeper[0]);
}

static int begin(void **state)
{
    (void) world_reset(state);
    world_do(prepare, NULL);
    (void) usleep(10000); /* pushes have no answer */
    return 0;
}

/* ---- recorder and follower ---- */

static unsigned next_batch;

static const char *create(void)
{
    static char ids[8][ID_CAP];
    static unsigned n;
    char *to = ids[n++ % 8];
    struct client c;

    request(&c, "POST", "/v1/recordings", "Authorization: Bearer " TOKEN "\r\nContent-Type: application/json\r\n",
            SPAN("{\"kind\":\"terminal\"}"));
    if (c.status != 201)
        fail_msg("%d %s", c.status, buf_cstr(&c.body));
    (void) snprintf(to, ID_CAP, "%s", member(&c, "id"));
    client_close(&c);
    next_batch = 0;
    return to;
}

/* n events of about 'size' bytes that do not compress. */
static void add(const char *rid, int n, int size)
{
    static uint32_t x = 11;
    struct buf b = BUF_INIT(64 << 20);
    char head[100], path[80];
    struct client c;

    for (int i = 0; i < n; i++) {
        buf_add_str(&b, "[1.5,\"o\",\"event ");
        for (int j = 0; j < size; j++) {
            x = x * 1664525 + 1013904223;
            buf_add_c(&b, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_"[x >> 26]);
        }
        buf_add_str(&b, "\"]\n");
    }
    (void) snprintf(path, sizeof(path), "/v1/recordings/%s/events", rid);
    (void) snprintf(head, sizeof(head), "Authorization: Bearer " TOKEN "\r\nBatch-Seq: %u\r\n", next_batch++);
    request(&c, "POST", path, head, buf_span(&b));
    if (c.status != 200)
        fail_msg("batch: %d %s", c.status, buf_cstr(&c.body));
    client_close(&c);
    buf_deinit(&b);
}

static void end(const char *rid)
{
    char path[80];
    struct client c;

    (void) snprintf(path, sizeof(path), "/v1/recordings/%s/end", rid);
    request(&c, "POST", path, "Authorization: Bearer " TOKEN "\r\n", SPAN_EMPTY);
    assert_int_equal(c.status, 200);
    client_close(&c);
}

static struct key_claims claims(const char *rid)
{
    struct key_claims c = world_claims(rid);

    c.scope = KEY_SCOPE_PLAY | KEY_SCOPE_LIVE;
    return c;
}

static void follow(struct client *c, const struct key_claims *key, const char *query)
{
    begin_get(c, world_sign(key), "/v1/replay/%s/stream?follow=1%s", key->rid, query);
}

static bool has(struct client *c, const char *text)
{
    return c->body.n > 0 && memmem(c->body.p, c->body.n, text, strlen(text)) != NULL;
}

/* Sequences follow one another from 'first' on; how many there are. */
static unsigned count_ids(struct client *c, uint64_t first)
{
    const char *at = buf_cstr(&c->body);
    unsigned n = 0;

    for (; (at = strstr(at, "\nid: ")) != NULL; at += 4, n++)
        assert_int_equal(strtoull(at + 4, NULL, 10), first + n);
    return n;
}

static void ends_with(struct client *c, const char *event, int code)
{
    char text[100];
    const char *at = buf_cstr(&c->body), *last = NULL;

    (void) snprintf(text, sizeof(text), "event: %s\ndata: {\"code\":%d,", event, code);
    for (; (at = strstr(at, "event: ")) != NULL; at++)
        last = at;
    if (last == NULL || strncmp(last, text, strlen(text)) != 0)
        fail_msg("wanted the end %s %d, got %s", event, code, last == NULL ? "none" : last);
    assert_null(strstr(last, "id: "));
}

/* Everything that came is under an ordinary lease or after the beginning of a live one. */
static void all_leased(struct client *c, const struct key_claims *key)
{
    unsigned n = count_ids(c, 0);

    for (uint64_t seq = 0; seq < n; seq++) {
        bool live = false;

        world_lock();
        for (size_t i = 0; i < k.n_live; i++)
            live |= strcmp(k.live[i].jti, key->jti) == 0 && k.live[i].m.from_seq <= seq;
        world_unlock();
        assert_true(live || world_leased(key->jti, seq, seq));
    }
}

/* ---- leases ---- */

static bool one_live(void)
{
    return k.n_live == 1;
}

static void let_live(bool yes)
{
    world_lock();
    k.hold_live = !yes;
    world_unlock();
}

static void nothing_before_its_lease(void **state)
{
    const char *rid = create();
    struct key_claims key = claims(rid);
    struct client c, d;

    (void) state;
    let_live(false);
    follow(&c, &key, ""); /* there is nothing yet: what will come has to be leased before a word is said */
    world_wait(one_live, 2000);
    add(rid, 3, 10);
    assert_false(client_head(&c, 200));
    client_close(&c);
    assert_int_equal(k.live[0].m.from_seq, 0);
    assert_int_equal(k.live[0].m.live_s, 30);
    assert_int_equal(k.live[0].m.bytes, 4 << 20);

    let_live(true);
    world_lock();
    w.ways.hold_leases = true;
    world_unlock();
    key = claims(rid);
    follow(&c, &key, "&from_ms=0"); /* there is something: an ordinary one */
    assert_false(client_head(&c, 200));
    world_release();
    assert_false(client_head(&c, 100)); /* that was the manifest's, or the events' is still to come */
    world_lock();
    w.ways.hold_leases = false;
    world_unlock();
    world_release();
    assert_true(client_until(&c, "event: live\ndata: {\"last_seq\":2}", 2000));
    assert_int_equal(count_ids(&c, 0), 3);
    add(rid, 2, 10);
    assert_true(client_until(&c, "id: 4\n", 1000));
    all_leased(&c, &key);

    follow(&d, &key, "&from_ms=0"); /* the live lease of the one is not the other's */
    assert_true(client_until(&d, "event: live\n", 2000));
    assert_int_equal(count_ids(&d, 0), 5);
    client_close(&d);
    end(rid);
    assert_true(client_until_end(&c, 2000));
    ends_with(&c, "end", 1000);
    client_close(&c);
}

static void a_live_lease_is_used_up(void **state)
{
    const char *rid = create();
    struct key_claims key = claims(rid);
    struct client c;
    size_t body, n;
    bool later;

    (void) state;
    follow(&c, &key, "");
    assert_true(client_until(&c, "event: live\n", 2000));
    let_live(false); /* the next one is asked for at half, and does not come */
    world_lock();
    w.ways.hold_leases = true; /* nor does an ordinary one */
    world_unlock();
    for (int i = 0; i < 12; i++) { /* 6 MB */
        char last[20];

        add(rid, 10, 50000);
        (void) snprintf(last, sizeof(last), "id: %d\n", i * 10 + 9);
        if (i < 6)
            assert_true(client_until(&c, last, 5000));
    }
    body = client_for(&c, 500);
    assert_true(body > (3u << 20) && body < (4u << 20) + 200000);
    world_lock();
    n = k.n_live;
    later = k.live[1].m.from_seq > 0;
    w.ways.hold_leases = false;
    world_unlock();
    assert_int_equal(n, 2);
    assert_true(later);
    world_release(); /* what is there already does not wait for a live one */
    assert_true(client_until(&c, "id: 119\n", 3000));
    assert_int_equal(count_ids(&c, 0), 120);
    all_leased(&c, &key);
    client_close(&c);
    end(rid);
}

static void audit_fails_midway(void **state)
{
    const char *rid = create();
    struct key_claims key = claims(rid);
    struct client c;
    unsigned n;

    (void) state;
    follow(&c, &key, "");
    assert_true(client_until(&c, "event: live\n", 2000));
    world_lock();
    w.ways.lease = KEY_AUDIT_UNAVAILABLE;
    world_unlock();
    for (int i = 0; i < 12; i++)
        add(rid, 10, 50000); /* more than the running lease covers */
    assert_true(client_until_end(&c, 10000));
    ends_with(&c, "unavailable", 4503);
    n = count_ids(&c, 0);
    assert_true(n < 90);
    all_leased(&c, &key);
    client_close(&c);
    end(rid);
}

/* ---- many, and each under his own key ---- */

static bool all_said_live(struct client *c, int n)
{
    for (int i = 0; i < n; i++) {
        if (!client_until(&c[i], "event: live\n", 3000))
            return false;
    }
    return true;
}

static void many_followers(void **state)
{
    static struct client c[MANY];
    struct key_claims key[MANY / 2], other;
    const char *rid = create();
    struct client d;
    unsigned opened;

    (void) state;
    world_lock();
    w.grant.grant_streams = w.grant.person_streams = 1000;
    world_unlock();
    world_push_grant();
    (void) usleep(5000);
    add(rid, 5, 100);
    for (int i = 0; i < MANY; i++) {
        if (i % 2 == 0)
            key[i / 2] = claims(rid);
        follow(&c[i], &key[i / 2], "&from_ms=0");
    }
    assert_true(all_said_live(c, MANY));
    world_lock();
    opened = w.n_open;
    world_unlock();
    assert_true(opened >= MANY / 2); /* decrypted once by a loop, and yet each key has its own release */

    other = claims(rid); /* one whom the vault refuses gets nothing of what is open beside him */
    world_lock();
    k.no_key = other.jti;
    world_unlock();
    follow(&d, &other, "&from_ms=0");
    add(rid, 5, 100);
    client_answer(&d);
    assert_int_equal(d.status, 401);
    assert_false(has(&d, "event "));
    client_close(&d);

    for (int i = 0; i < 20; i++)
        add(rid, 3, 200);
    for (int i = 0; i < MANY; i++) {
        assert_true(client_until(&c[i], "id: 69\n", 3000));
        assert_int_equal(count_ids(&c[i], 0), 70);
    }
    all_leased(&c[0], &key[0]);
    all_leased(&c[MANY - 1], &key[MANY / 2 - 1]);
    world_lock();
    k.n_again = 0;
    world_unlock();
    end(rid);
    for (int i = 0; i < MANY; i++) {
        assert_true(client_until_end(&c[i], 3000));
        ends_with(&c[i], "end", 1000);
        client_close(&c[i]);
    }
    assert_true(k.n_again <= 2 * WORLD_LANES); /* asked once by a loop, not by each */
}

/* ---- endings ---- */

static void keeper_falls_silent(void **state)
{
    const char *rid = create();
    struct key_claims key = claims(rid);
    struct client c;
    int64_t at;

    (void) state;
    follow(&c, &key, "");
    assert_true(client_until(&c, "event: live\n", 2000));
    world_lock();
    w.ways.mute = true;
    world_unlock();
    at = clock_boot_ms();
    for (int i = 0; clock_boot_ms() - at < 4500; i++) {
        add(rid, 1, 10);
        (void) client_for(&c, 50);
    }
    assert_true(client_until_end(&c, 1000));
    ends_with(&c, "unavailable", 4503);
    all_leased(&c, &key);
    client_close(&c);
    world_lock();
    w.ways.mute = false;
    world_unlock();
    (void) usleep(400000);
    end(rid);
}

static void key_and_window(void **state)
{
    const char *rid = create();
    struct key_claims key = claims(rid), window;
    struct client c, d;
    int64_t end_ms = (clock_wall_ms() / 1000 + 4) * 1000;

    (void) state;
    world_lock();
    w.grant.wend_ms = end_ms;
    w.grant.deadline_ms = clock_boot_ms() + (end_ms - clock_wall_ms());
    world_unlock();
    world_push_grant();
    (void) usleep(5000);
    key.wend = end_ms / 1000;
    key.iat = key.nbf = clock_wall_ms() / 1000 - 1;
    key.exp = key.iat + 3;
    window = claims(rid);
    assert_int_equal(window.exp * 1000, end_ms);
    follow(&c, &key, "");
    follow(&d, &window, "");
    assert_true(client_until(&c, "event: key.expiring\n", 3000));
    add(rid, 1, 10);
    assert_true(client_until_end(&c, 3000));
    assert_true(c.whole);
    assert_in_range(clock_wall_ms(), key.exp * 1000, key.exp * 1000 + 300);
    ends_with(&c, "key.expired", 4401);
    assert_int_equal(count_ids(&c, 0), 1); /* the last event before it came */
    assert_true(client_until(&d, "event: window.ending\n", 3000));
    assert_true(client_until_end(&d, 4000));
    assert_in_range(clock_wall_ms(), end_ms - 5, end_ms + 200);
    ends_with(&d, "window.ended", 4410);
    add(rid, 1, 10);
    assert_int_equal(count_ids(&d, 0), 1);
    client_close(&c);
    client_close(&d);
    end(rid);
}

static void quotas(void **state)
{
    const char *rid = create();
    struct key_claims key = claims(rid);
    struct client c[3];

    (void) state;
    world_lock();
    w.grant.key_bytes = 1 << 20;
    w.grant.key_rate = 200000;
    world_unlock();
    world_push_grant();
    (void) usleep(5000);
    for (int i = 0; i < 2; i++) {
        follow(&c[i], &key, "");
        assert_true(client_until(&c[i], "event: live\n", 2000));
    }
    follow(&c[2], &key, "");
    client_answer(&c[2]);
    assert_code(&c[2], 403, "quota");
    client_close(&c[2]);
    client_close(&c[1]);
    add(rid, 8, 50000); /* faster than its rate: it comes later, not never */
    assert_true(client_until(&c[0], "id: 7\n", 6000));
    for (int i = 0; i < 3; i++)
        add(rid, 8, 50000); /* more than its volume */
    assert_true(client_until_end(&c[0], 9000));
    ends_with(&c[0], "superseded", 4409);
    assert_true(c[0].body.n <= (1 << 20) + 60000);
    all_leased(&c[0], &key);
    client_close(&c[0]);
    end(rid);
}

static void revoked_while_a_worker_reads(void **state)
{
    const char *rid = create();
    struct key_claims key;
    struct client c;

    for (int i = 0; i < 10; i++) { /* at any moment of joining */
        (void) begin(state);
        key = claims(rid);
        if (i == 0)
            add(rid, 40, 50000);
        follow(&c, &key, "&from_ms=0");
        (void) client_for(&c, i);
        world_end_grant(GRANT_REVOKED, 4411);
        assert_true(client_until_end(&c, 2000));
        if (c.status == 200 && has(&c, "event: revoked"))
            ends_with(&c, "revoked", 4411);
        else if (c.status == 200)
            assert_false(c.whole);
        else
            assert_in_range(c.status, 401, 403);
        client_close(&c);
    }
    (void) begin(state);
    end(rid);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(nothing_before_its_lease, begin),
        cmocka_unit_test_setup(a_live_lease_is_used_up, begin),
        cmocka_unit_test_setup(audit_fails_midway, begin),
        cmocka_unit_test_setup(many_followers, begin),
        cmocka_unit_test_setup(keeper_falls_silent, begin),
        cmocka_unit_test_setup(key_and_window, begin),
        cmocka_unit_test_setup(quotas, begin),
        cmocka_unit_test_setup(revoked_while_a_worker_reads, begin),
    };

    return cmocka_run_group_tests(tests, world_begin, world_end);
}
