/* The paced stream: when events come, how it ends in each case, and that nothing comes after an end. */
#include "world.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "os/clock.h"

static const char *rid, *big;

/* 400 events, one each 50 ms: 20 s. And 4 MB in 20 s. */
static int begin(void **state)
{
    static char ids[2][ID_CAP];
    struct buf b = BUF_INIT(16 << 20);
    int r = world_begin(state);
    uint32_t x = 3;

    for (int n = 0; n < 2 && r == 0; n++) {
        buf_reset(&b);
        buf_add_str(&b, "{\"version\":2,\"width\":80,\"height\":24}\n");
        for (int i = 0; i < 400; i++) {
            buf_addf(&b, "[%d.%03d,\"o\",\"event-%d ", i / 20, i % 20 * 50, i);
            for (int k = 0; k < (n == 0 ? 10 : 10000); k++) {
                x = x * 1664525 + 1013904223;
                buf_add_c(&b, (char) ('a' + (x >> 24) % 26));
            }
            buf_add_str(&b, "\"]\n");
        }
        (void) snprintf(ids[n], ID_CAP, "%s", import_bytes(buf_span(&b)));
    }
    buf_deinit(&b);
    rid = ids[0];
    big = ids[1];
    return r;
}

static bool has(struct client *c, const char *text)
{
    return c->body.n > 0 && memmem(c->body.p, c->body.n, text, strlen(text)) != NULL;
}

/* Sequences in the order they came; checks that they follow one another. */
static unsigned count_ids(struct client *c, uint64_t first, uint64_t *ret_last)
{
    const char *at = buf_cstr(&c->body);
    unsigned n = 0;
    uint64_t want = first;

    while ((at = strstr(at, "id: ")) != NULL) {
        uint64_t id = strtoull(at + 4, NULL, 10);

        if (id != want)
            fail_msg("event %llu came, not %llu", (unsigned long long) id, (unsigned long long) want);
        want++;
        n++;
        at += 4;
    }
    if (ret_last != NULL)
        *ret_last = want - 1;
    return n;
}

static uint16_t wanted_end;

static bool has_ended_so(void)
{
    return w.last_end_code == wanted_end && w.n_settles > 0;
}

/* The keeper hears of the end, with this code, and of what was seen. */
static void keeper_hears(uint16_t code)
{
    wanted_end = code;
    world_wait(has_ended_so, 1000);
}

/* The last event of the body is this one, and it says this code. */
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
    assert_null(strstr(last, "event-"));
}

static void pace(void **state)
{
    struct key_claims k = world_claims(rid);
    struct client c;
    int64_t began = clock_boot_ms();
    uint64_t last;

    (void) state;
    begin_get(&c, world_sign(&k), "/v1/replay/%s/stream?speed=16", rid);
    assert_true(client_until(&c, "id: 20\n", 500)); /* 1 s of play ahead comes at once */
    assert_string_equal(client_header(&c, "content-type"), "text/event-stream");
    assert_int_equal(strncmp(buf_cstr(&c.body), "retry: 2000\n\nevent: from\ndata: {\"seq\":0,\"at_ms\":0,\"last_seq\":399}\n\nid: 0\ndata: [0.000,\"o\",\"event-0 ", 90), 0);
    for (int i = 0; i < 5; i++) {
        int64_t passed;

        (void) client_for(&c, 60);
        passed = clock_boot_ms() - began;
        (void) count_ids(&c, 0, &last);
        /* seq n is due at 50 n / 16 ms, and may come 1 s before (of the client's time) */
        assert_true((int64_t) last * 50 / 16 <= passed + 1000 + 30);
        assert_true(world_leased(k.jti, 0, last));
    }
    assert_true(client_until_end(&c, 3000));
    assert_true(c.whole);
    assert_in_range(clock_boot_ms() - began, 1200, 2200); /* 19.95 s at 16 times */
    assert_int_equal(count_ids(&c, 0, &last), 400);
    ends_with(&c, "end", 1000);
    assert_true(has(&c, "\"last_seq\":399,\"at_ms\":19950"));
    client_close(&c);
    keeper_hears(1000);
    assert_int_equal(w.settles[0].n_ranges, 1);
    assert_int_equal(w.settles[0].ranges[0].to_seq, 399);
    for (size_t i = 0; i < w.n_leases; i++) /* 30 s of play, no more than 4 MiB */
        assert_true(w.leases[i].bytes <= 4u << 20);
}

static void seek(void **state)
{
    struct client c;
    uint64_t last;

    (void) state;
    begin_get(&c, world_key(rid), "/v1/replay/%s/stream?from_ms=10000&to_ms=10100&speed=0.25", rid);
    assert_true(client_until(&c, "id: 202\n", 1000)); /* what lies before 10 s comes at once, then 0.1 s takes 0.4 s */
    assert_true(client_until_end(&c, 1500));
    ends_with(&c, "end", 1000);
    (void) count_ids(&c, 0, &last);
    assert_int_equal(last, 202);
    client_close(&c);
    get(&c, world_key(rid), "/v1/replay/%s/stream?speed=17", rid);
    assert_code(&c, 422, "invalid");
    get(&c, world_key(rid), "/v1/replay/%s/stream?speed=0.2", rid);
    assert_code(&c, 422, "invalid");
    get(&c, world_key(rid), "/v1/replay/%s/stream?from_ms=5&to_ms=4", rid);
    assert_code(&c, 422, "invalid");
    w.grant.max_speed_x100 = 200;
    world_push_grant();
    (void) usleep(5000);
    get(&c, world_key(rid), "/v1/replay/%s/stream?speed=4", rid);
    assert_code(&c, 422, "invalid");
}

static void resume_from(struct client *c, const char *key, const char *which, const char *id)
{
    client_open(c, w.port);
    client_sendf(c, "GET /v1/replay/%s/stream?speed=16 HTTP/1.1\r\nHost: localhost:%d\r\nAuthorization: Bearer %s\r\nLast-Event-ID: %s\r\n\r\n",
                 which, w.port, key, id);
}

/* Cut at any place and gone on with another key: no event is lost, none comes twice. */
static void resume(void **state)
{
    struct client c;
    uint64_t last = 0, first = 0;

    (void) state;
    for (int part = 0; part < 5; part++) {
        char id[24];

        (void) snprintf(id, sizeof(id), "%llu", (unsigned long long) last);
        if (part == 0)
            begin_get(&c, world_key(big), "/v1/replay/%s/stream?speed=16", big);
        else
            resume_from(&c, world_key(big), big, id);
        (void) client_for(&c, 150);
        assert_int_equal(c.status, 200);
        (void) count_ids(&c, first, &last); /* with none it says first - 1: where it was */
        first = last + 1;
        client_close(&c);
    }
    assert_true(last > 100);
    resume_from(&c, world_key(rid), rid, "399");
    client_answer(&c);
    assert_int_equal(count_ids(&c, 0, NULL), 0);
    ends_with(&c, "end", 1000);
    client_close(&c);
    resume_from(&c, world_key(rid), rid, "398");
    client_answer(&c);
    assert_int_equal(count_ids(&c, 399, NULL), 1);
    client_close(&c);
    resume_from(&c, world_key(rid), rid, "100000");
    client_answer(&c);
    ends_with(&c, "end", 1000);
    client_close(&c);
    resume_from(&c, world_key(rid), rid, "x");
    client_answer(&c);
    assert_code(&c, 422, "invalid");
}

/* In a pause that is longer than a key lives: the client says where in it it was, and pacing goes on from there. */
static void resume_in_a_pause(void **state)
{
    struct client c;

    (void) state;
    client_open(&c, w.port);
    client_sendf(&c, "GET /v1/replay/%s/stream?from_ms=10000 HTTP/1.1\r\nHost: localhost:%d\r\nAuthorization: Bearer %s\r\nLast-Event-ID: 3\r\n\r\n",
                 rid, w.port, world_key(rid));
    assert_true(client_until(&c, "id: 220\n", 500)); /* 10 s, and 1 s of play ahead */
    assert_false(has(&c, "id: 230\n"));
    (void) count_ids(&c, 4, NULL);
    client_close(&c);
    client_open(&c, w.port); /* one that lies before the event says nothing */
    client_sendf(&c, "GET /v1/replay/%s/stream?from_ms=100 HTTP/1.1\r\nHost: localhost:%d\r\nAuthorization: Bearer %s\r\nLast-Event-ID: 200\r\n\r\n",
                 rid, w.port, world_key(rid));
    assert_true(client_until(&c, "id: 220\n", 500));
    assert_false(has(&c, "id: 230\n"));
    client_close(&c);
}

static uint64_t leased_to(const char *jti)
{
    uint64_t to = 0;

    world_lock();
    for (size_t i = 0; i < w.n_leases; i++) {
        if (strcmp(w.leases[i].jti, jti) == 0 && w.leases[i].to_seq > to)
            to = w.leases[i].to_seq;
    }
    world_unlock();
    return to;
}

/* While one chunk is played the next one is fetched and leased: each has 26 events, and more than that are leased ahead. */
static void leases_are_asked_ahead(void **state)
{
    struct buf b = BUF_INIT(16 << 20);
    struct key_claims k;
    struct client c;
    uint64_t last = 0, most = 0;

    (void) state;
    buf_add_str(&b, "{\"version\":2,\"width\":80,\"height\":24}\n");
    for (int i = 0; i < 400; i++)
        buf_addf(&b, "[%d.%03d,\"o\",\"%010000d\"]\n", i / 20, i % 20 * 50, i);
    k = world_claims(import_bytes(buf_span(&b)));
    buf_deinit(&b);
    begin_get(&c, world_sign(&k), "/v1/replay/%s/stream?speed=2", k.rid);
    for (int i = 0; i < 80; i++) {
        uint64_t to = leased_to(k.jti); /* before reading: a slow reader is behind what is leased now */

        (void) client_for(&c, 20);
        (void) count_ids(&c, 0, &last);
        if (last < 400 && to > last + most)
            most = to - last;
    }
    assert_true(world_leased(k.jti, 0, last));
    assert_in_range(most, 27, 53);
    client_close(&c);
}

static void key_runs_out(void **state)
{
    struct key_claims k = world_claims(rid);
    struct client c;

    (void) state;
    k.iat = k.nbf = clock_wall_ms() / 1000 - 1;
    k.exp = k.iat + 4;
    begin_get(&c, world_sign(&k), "/v1/replay/%s/stream", rid);
    assert_true(client_until(&c, "event: key.expiring\n", 4000));
    assert_true(clock_wall_ms() < k.exp * 1000);
    assert_true(has(&c, "\"renew\":\"/v1/grants/g_"));
    assert_true(client_until_end(&c, 3000));
    assert_true(c.whole);
    assert_in_range(clock_wall_ms(), k.exp * 1000, k.exp * 1000 + 300);
    ends_with(&c, "key.expired", 4401);
    assert_true(has(&c, "\"reason\":\"key-expired\""));
    assert_false(has(&c, "window."));
    client_close(&c);
    keeper_hears(4401);
}

static void window_ends(void **state)
{
    struct client c, d, e;
    struct key_claims k;
    int64_t end = (clock_wall_ms() / 1000 + 3) * 1000;

    (void) state;
    world_lock();
    w.grant.wend_ms = end;
    w.grant.deadline_ms = clock_boot_ms() + (end - clock_wall_ms());
    world_unlock();
    world_push_grant();
    (void) usleep(5000);
    k = world_claims(rid);
    assert_int_equal(k.exp * 1000, end);
    begin_get(&c, world_sign(&k), "/v1/replay/%s/stream", rid);
    begin_get(&d, world_key(big), "/v1/replay/%s/events", big); /* a client that does not read */
    begin_get(&e, world_key(big), "/v1/replay/%s/chunks/1", big);
    assert_true(client_head(&d, 1000));
    assert_true(client_until(&c, "event: window.ending\n", 3000));
    assert_false(has(&c, "key.exp"));
    assert_true(client_until_end(&c, 3500));
    assert_in_range(clock_wall_ms(), end - 5, end + 200);
    ends_with(&c, "window.ended", 4410);
    client_close(&c);
    /* after it the other gets what the kernel had, and no more */
    (void) usleep(150000);
    assert_true(client_until_end(&d, 1000));
    if (!d.whole || !has(&d, "\"last_seq\":399"))
        assert_false(has(&d, "event-399 ")); /* it had not all been sent */
    client_close(&d);
    client_close(&e);
    get(&c, world_sign(&k), "/v1/replay/%s/manifest", rid);
    assert_int_equal(c.status, 401);
    client_close(&c);
}

static void ended_by(uint8_t grant_state, uint16_t code, const char *event)
{
    struct key_claims k = world_claims(rid);
    struct client c;
    int64_t at;

    begin_get(&c, world_sign(&k), "/v1/replay/%s/stream?speed=1", rid);
    assert_true(client_until(&c, "id: 20\n", 1000));
    at = clock_boot_ms();
    if (grant_state == 0xff)
        world_deny(k.jti);
    else
        world_end_grant(grant_state, code);
    assert_true(client_until_end(&c, 1000));
    assert_true(clock_boot_ms() - at < 200);
    ends_with(&c, event, code);
    client_close(&c);
    keeper_hears(code);
}

static void endings_by_push(void **state)
{
    static const struct {
        uint8_t state;
        uint16_t code;
        const char *event;
    } cases[] = {
        { GRANT_REVOKED, 4411, "revoked" },
        { GRANT_EXPIRED, 4410, "window.ended" },
        { GRANT_RELINQUISHED, 4410, "window.ended" },
        { GRANT_SUSPENDED, 4423, "suspended" },
        { 0xff, 4411, "revoked" },
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        (void) world_reset(state);
        ended_by(cases[i].state, cases[i].code, cases[i].event);
    }
}

/* A full list that does not name the grant: it is over, whatever it was, and its recording keys go. */
static void forgotten_grant(void **state)
{
    struct client c;

    (void) state;
    begin_get(&c, world_key(rid), "/v1/replay/%s/stream", rid);
    assert_true(client_until(&c, "id: 20\n", 1000));
    world_lock();
    w.grant.gid = SPAN_EMPTY;
    world_unlock();
    world_push_full();
    assert_true(client_until_end(&c, 500));
    ends_with(&c, "window.ended", 4410);
    client_close(&c);
}

static void keeper_dies(void **state)
{
    struct client c;
    int64_t at;

    (void) state;
    begin_get(&c, world_key(rid), "/v1/replay/%s/stream", rid);
    assert_true(client_until(&c, "id: 20\n", 1000));
    at = clock_boot_ms();
    world_keeper_dies();
    assert_true(client_until_end(&c, 1000));
    assert_true(clock_boot_ms() - at < 100); /* a closed channel counts at once */
    ends_with(&c, "unavailable", 4503);
    assert_true(has(&c, "\"retry_after_s\":"));
    client_close(&c);
    world_keeper_comes();
}

static void keeper_falls_silent(void **state)
{
    struct client c;
    int64_t at;
    uint64_t last;

    (void) state;
    begin_get(&c, world_key(rid), "/v1/replay/%s/stream", rid);
    assert_true(client_until(&c, "id: 20\n", 1000));
    world_lock();
    w.ways.mute = true;
    world_unlock();
    at = clock_boot_ms();
    assert_true(client_until_end(&c, 6000));
    assert_in_range(clock_boot_ms() - at, 2500, 4200);
    ends_with(&c, "unavailable", 4503);
    (void) count_ids(&c, 0, &last);
    assert_true(last <= 20 + 3 * 20 + 5); /* no content later than 3 s after the last word */
    client_close(&c);
}

static void streams_at_once(void **state)
{
    struct client c[3], other[3];
    const char *key = world_key(rid);

    (void) state;
    for (int i = 0; i < 2; i++) {
        begin_get(&c[i], key, "/v1/replay/%s/stream", rid);
        assert_true(client_head(&c[i], 1000));
        assert_int_equal(c[i].status, 200);
    }
    get(&c[2], key, "/v1/replay/%s/stream", rid);
    assert_code(&c[2], 403, "quota");
    for (int i = 0; i < 2; i++) { /* other keys of the grant: four in all */
        begin_get(&other[i], world_key(rid), "/v1/replay/%s/stream", rid);
        assert_true(client_head(&other[i], 1000));
        assert_int_equal(other[i].status, 200);
    }
    get(&other[2], world_key(rid), "/v1/replay/%s/stream", rid);
    assert_code(&other[2], 403, "quota");
    client_close(&other[1]);
    (void) usleep(50000);
    begin_get(&other[1], world_key(rid), "/v1/replay/%s/stream", rid); /* its place is free again */
    assert_true(client_head(&other[1], 1000));
    assert_int_equal(other[1].status, 200);
    for (int i = 0; i < 2; i++) {
        client_close(&c[i]);
        client_close(&other[i]);
    }
}

static void lease_refused_midway(void **state)
{
    struct client c;

    (void) state;
    begin_get(&c, world_key(big), "/v1/replay/%s/stream?speed=16", big);
    assert_true(client_until(&c, "id: 3\n", 1000));
    world_lock();
    w.ways.lease = KEY_AUDIT_UNAVAILABLE;
    world_unlock();
    assert_true(client_until_end(&c, 3000));
    ends_with(&c, "unavailable", 4503);
    client_close(&c);
}

/* A client that takes little at a time. */
static void begin_small(struct client *c, const char *key, const char *which, int n)
{
    int small = 4096;

    client_open_with(c, w.port, small);
    client_sendf(c, "GET /v1/replay/%s/chunks/%d HTTP/1.1\r\nHost: localhost:%d\r\nAuthorization: Bearer %s\r\n\r\n", which, n, w.port,
                 key);
}

/* One event of 6 MB: more than the kernel holds for a client that does not read. */
static const char *import_huge(void)
{
    struct buf b = BUF_INIT(64 << 20);
    const char *id;

    buf_add_str(&b, "{\"version\":2,\"width\":80,\"height\":24}\n[0,\"o\",\"");
    for (size_t k = 0; k < 6u << 20; k++)
        buf_add_c(&b, 'a');
    buf_add_str(&b, "\"]\n");
    id = import_bytes(buf_span(&b));
    buf_deinit(&b);
    return id;
}

/* A chunk that was wholly handed over, and not wholly taken: at an end the rest is dropped. */
static void an_answer_in_flight_is_cut(void **state)
{
    const char *huge = import_huge();
    struct client c;

    (void) state;
    begin_small(&c, world_key(huge), huge, 0);
    assert_true(client_head(&c, 2000));
    assert_int_equal(c.status, 200);
    world_end_grant(GRANT_REVOKED, 4411);
    (void) usleep(200000);
    assert_true(client_until_end(&c, 2000));
    assert_false(c.whole);
    assert_true(c.body.n < 6u << 20);
    client_close(&c);
}

/* What is in flight of a key is two chunks and 512 KiB, or one chunk that is larger: the next one waits until one was taken. */
static void chunks_in_flight(void **state)
{
    struct client c[6];
    const char *key, *huge = import_huge();
    unsigned heads = 0, waiting = 0;

    (void) state;
    key = world_key(huge);
    w.grant.key_rate = UINT64_MAX;
    world_push_grant();
    (void) usleep(5000);
    for (int i = 0; i < 6; i++) /* over two loops: three on one of them at least */
        begin_small(&c[i], key, huge, 0);
    (void) usleep(300000);
    for (int i = 0; i < 6; i++) {
        if (client_head(&c[i], 1))
            heads++;
        else
            waiting++;
    }
    assert_true(heads >= 1 && heads <= WORLD_LANES);
    assert_true(waiting >= 4);
    for (int i = 0; i < 6; i++) /* those that have it let go */
        if (c[i].status != 0)
            client_close(&c[i]);
    for (int i = 0; i < 6; i++) {
        if (c[i].fd >= 0) {
            assert_true(client_head(&c[i], 2000));
            client_close(&c[i]);
        }
    }
}

static bool settled_twice(void)
{
    return w.n_settles >= 2;
}

/* The last test: streams are told, what was seen is settled, the gate ends with 0. */
static void the_gate_goes_down(void **state)
{
    struct client c, d, e;

    (void) state;
    get(&d, world_key(rid), "/v1/replay/%s/chunks/0", rid); /* leased, idle: settled at the end at the latest */
    assert_int_equal(d.status, 200);
    client_close(&d);
    begin_get(&c, world_key(rid), "/v1/replay/%s/stream", rid);
    begin_get(&e, "kst_x", "/v1/events");
    assert_true(client_until(&c, "id: 20\n", 1000));
    assert_true(client_until(&e, "hello", 1000));
    world_shutdown();
    assert_true(client_until_end(&c, 1000));
    ends_with(&c, "shutdown", 1012);
    assert_true(has(&c, "\"retry_after_s\":"));
    assert_true(client_until_end(&e, 1000));
    assert_true(has(&e, "event: bye\ndata: {\"code\":1012,\"reason\":\"shutdown\""));
    client_close(&c);
    client_close(&e);
    world_wait(settled_twice, 2000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(pace, world_reset),
        cmocka_unit_test_setup(seek, world_reset),
        cmocka_unit_test_setup(resume, world_reset),
        cmocka_unit_test_setup(resume_in_a_pause, world_reset),
        cmocka_unit_test_setup(leases_are_asked_ahead, world_reset),
        cmocka_unit_test_setup(key_runs_out, world_reset),
        cmocka_unit_test_setup(window_ends, world_reset),
        cmocka_unit_test_setup(endings_by_push, world_reset),
        cmocka_unit_test_setup(forgotten_grant, world_reset),
        cmocka_unit_test_setup(keeper_dies, world_reset),
        cmocka_unit_test_setup(keeper_falls_silent, world_reset),
        cmocka_unit_test_setup(streams_at_once, world_reset),
        cmocka_unit_test_setup(lease_refused_midway, world_reset),
        cmocka_unit_test_setup(an_answer_in_flight_is_cut, world_reset),
        cmocka_unit_test_setup(chunks_in_flight, world_reset),
        cmocka_unit_test_setup(the_gate_goes_down, world_reset),
    };

    return cmocka_run_group_tests_name("gate stream", tests, begin, world_end);
}
