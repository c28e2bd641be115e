/* Manifest, chunks, events, export: what arrives is what was recorded, and nothing arrives that was not leased. */
#include "world.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "codec/json.h"
#include "format/zframe.h"
#include "os/clock.h"

/* A terminal recording of n events, 10 ms apart, each with 'fill' bytes that do not compress well. */
static const char *make_cast(unsigned n, size_t fill, struct buf *events)
{
    struct buf file = BUF_INIT(64 << 20);
    uint32_t x = 12345;
    const char *rid;

    buf_add_str(&file, "{\"version\":2,\"width\":80,\"height\":24,\"env\":{\"SHELL\":\"canary\"}}\n");
    for (unsigned i = 0; i < n; i++) {
        struct buf line = BUF_INIT(1 << 20);

        buf_addf(&line, "[%u.%02u0000,\"o\",\"%u ", i / 100, i % 100, i);
        for (size_t k = 0; k < fill; k++) {
            x = x * 1664525 + 1013904223;
            buf_add_c(&line, (char) ('a' + (x >> 24) % 26));
        }
        buf_add_str(&line, "\"]\n");
        buf_add_span(&file, buf_span(&line));
        if (events != NULL)
            buf_add_span(events, buf_span(&line));
        buf_deinit(&line);
    }
    rid = import_bytes(buf_span(&file));
    buf_deinit(&file);
    return rid;
}

static size_t count_lines(struct span s)
{
    size_t n = 0;

    for (size_t i = 0; i < s.n; i++)
        n += s.p[i] == '\n';
    return n;
}

static void manifest(void **state)
{
    const char *rid = make_cast(50, 10, NULL);
    struct key_claims k = world_claims(rid);
    struct client c;

    (void) state;
    get(&c, world_sign(&k), "/v1/replay/%s/manifest", rid);
    assert_int_equal(c.status, 200);
    assert_string_equal(member(&c, "id"), rid);
    assert_string_equal(member(&c, "kind"), "terminal");
    assert_string_equal(member(&c, "events"), "50");
    assert_string_equal(member(&c, "duration_ms"), "490");
    assert_string_equal(member(&c, "sealed_to_seq"), "49");
    assert_string_equal(member(&c, "max_speed"), "16.00");
    assert_non_null(strstr(member(&c, "head"), "canary"));
    assert_string_equal(client_header(&c, "cache-control"), "no-store, no-transform");
    assert_string_equal(client_header(&c, "x-accel-buffering"), "no");
    assert_int_equal(w.n_leases, 1);
    assert_int_equal(w.leases[0].what, LEASE_MANIFEST);
    assert_true(w.leases[0].release);
    client_close(&c);
}

static void chunks(void **state)
{
    struct buf events = BUF_INIT(64 << 20), got = BUF_INIT(64 << 20);
    const char *rid = make_cast(2000, 300, &events);
    struct key_claims k = world_claims(rid);
    const char *key = world_sign(&k);
    struct client c;
    uint64_t seq = 0;
    unsigned n;

    (void) state;
    for (n = 0;; n++) {
        size_t lines;

        if (n % 2 == 0) {
            get(&c, key, "/v1/replay/%s/chunks/%u", rid, n);
        } else {
            char head[1500];

            client_open(&c, w.port);
            (void) snprintf(head, sizeof(head), "GET /v1/replay/%s/chunks/%u HTTP/1.1\r\nHost: localhost:%d\r\nAuthorization: bearer %s\r\n"
                            "Accept-Encoding: gzip, zstd\r\n\r\n", rid, n, w.port, key);
            client_send(&c, head);
            client_answer(&c);
        }
        if (c.status == 404)
            break;
        assert_int_equal(c.status, 200);
        assert_string_equal(client_header(&c, "content-type"), "application/x-ndjson");
        if (n % 2 == 1) {
            struct buf raw = BUF_INIT(1 << 20);
            size_t size;

            assert_string_equal(client_header(&c, "content-encoding"), "zstd");
            assert_ok(zframe_size(buf_span(&c.body), 1 << 20, &size, NULL));
            assert_ok(zframe_read(buf_span(&c.body), size, &raw, NULL));
            buf_reset(&c.body);
            buf_add_span(&c.body, buf_span(&raw));
            buf_deinit(&raw);
        } else {
            assert_string_equal(client_header(&c, "content-encoding"), "");
        }
        lines = count_lines(buf_span(&c.body));
        assert_true(world_leased(k.jti, seq, seq + lines - 1));
        seq += lines;
        buf_add_span(&got, buf_span(&c.body));
        client_close(&c);
    }
    assert_code(&c, 404, "not-found");
    assert_true(n >= 3);
    assert_int_equal(seq, 2000);
    assert_int_equal(w.n_key_first, w.n_open); /* once a loop */
    assert_true(w.n_key_first <= WORLD_LANES);
    assert_span_eq(buf_span(&got), buf_span(&events));
    buf_deinit(&events);
    buf_deinit(&got);
}

/* On a connection that is kept: all of it meets one loop. */
static void next_of(struct client *c, const char *key, const char *rid, const char *what)
{
    c->status = 0;
    c->whole = false;
    client_sendf(c, "GET /v1/replay/%s/%s HTTP/1.1\r\nHost: localhost:%d\r\nAuthorization: Bearer %s\r\n\r\n", rid, what, w.port, key);
    client_answer(c);
}

/* Returns its number of events. */
static size_t next_chunk(struct client *c, const char *key, const char *rid, unsigned n)
{
    char what[32];

    (void) snprintf(what, sizeof(what), "chunks/%u", n);
    next_of(c, key, rid, what);
    return c->status == 200 ? count_lines(buf_span(&c->body)) : 0;
}

/* Who reads from the beginning gets leases that name what follows, 4 MiB at most; none is asked twice. */
static void leases_ahead(void **state)
{
    struct buf events = BUF_INIT(64 << 20);
    const char *rid = make_cast(18000, 300, &events);
    struct key_claims k = world_claims(rid);
    const char *key = world_sign(&k);
    struct client c;
    size_t seq = 0, lines;
    unsigned n, leases = 1; /* the manifest's */

    (void) state;
    client_open(&c, w.port);
    next_of(&c, key, rid, "manifest"); /* opens every index */
    for (n = 0; (lines = next_chunk(&c, key, rid, n)) > 0; n++) {
        assert_true(world_leased(k.jti, seq, seq + lines - 1));
        leases += n == 0 || seq > w.leases[leases - 1].to_seq;
        assert_int_equal(w.n_leases, leases);
        assert_int_equal(w.leases[leases - 1].what, LEASE_CHUNK);
        assert_true(w.leases[leases - 1].bytes <= 4u << 20);
        if (n == 0)
            assert_true(w.leases[1].to_seq + 1 > lines);
        seq += lines;
    }
    assert_true(n > 8);
    assert_true(leases <= 4); /* times of what lies in the next segment may not be known yet */
    assert_int_equal(seq, 18000);
    client_close(&c);
    buf_deinit(&events);
}

/* First sight brings the manifest's lease: it is asked for once, and the vault is asked under it. */
static void first_sight_leases(void **state)
{
    const char *rid = make_cast(200, 300, NULL);
    struct key_claims k = world_claims(rid);
    const char *key = world_sign(&k);
    struct client c;

    (void) state;
    w.n_leases = 1; /* index 0 says that there is none */
    w.ways.first_lease = true;
    client_open(&c, w.port);
    next_of(&c, key, rid, "manifest");
    assert_int_equal(c.status, 200);
    assert_int_equal(w.n_leases, 2); /* the keeper wrote it by itself */
    assert_int_equal(w.n_open, 1);
    assert_true(next_chunk(&c, key, rid, 0) > 0);
    assert_int_equal(w.n_leases, 3);
    assert_int_equal(w.leases[2].what, LEASE_CHUNK);
    assert_false(w.leases[2].release);
    assert_int_equal(w.leases[2].first_lease, 1); /* one series, one settlement */
    assert_int_equal(w.n_open, 1);
    client_close(&c);
}

/* The vault does not release it under that lease: another one asks again. */
static void first_sight_unreleased(void **state)
{
    const char *rid = make_cast(200, 300, NULL);
    struct key_claims k = world_claims(rid);
    const char *key = world_sign(&k);
    struct client c;

    (void) state;
    w.n_leases = 1;
    w.ways.first_lease = true;
    w.ways.open = KEY_AUTHORITY_STALE;
    client_open(&c, w.port);
    next_of(&c, key, rid, "manifest");
    assert_int_equal(c.status, 503);
    assert_int_equal(w.n_leases, 2);
    world_lock();
    w.ways.open = KEY_OK;
    world_unlock();
    next_of(&c, key, rid, "manifest");
    assert_int_equal(c.status, 200);
    assert_int_equal(w.n_leases, 3);
    assert_true(w.leases[2].release);
    assert_int_equal(w.n_open, 2);
    client_close(&c);
}

/* Here and there: each lease names one chunk. */
static void leases_here_and_there(void **state)
{
    static const unsigned order[] = { 8, 3, 6, 0, 5, 2, 7 };
    struct buf events = BUF_INIT(64 << 20);
    const char *rid = make_cast(9000, 300, &events);
    struct key_claims k = world_claims(rid);
    const char *key = world_sign(&k);
    struct client c;
    size_t before, lines;

    (void) state;
    client_open(&c, w.port);
    next_of(&c, key, rid, "manifest"); /* opens every index */
    for (size_t i = 0; i < sizeof(order) / sizeof(order[0]); i++) {
        lines = next_chunk(&c, key, rid, order[i]);

        assert_int_equal(w.n_leases, 2 + i);
        assert_int_equal(w.leases[1 + i].to_seq + 1 - w.leases[1 + i].from_seq, lines);
    }
    for (size_t i = 0; i < 16; i++) /* one that is asked for again is none in a row */
        assert_true(next_chunk(&c, key, rid, 11) > 0);
    before = w.n_leases;
    lines = next_chunk(&c, key, rid, 12) + next_chunk(&c, key, rid, 13);
    assert_int_equal(w.n_leases, before + 1);
    assert_true(w.leases[before].to_seq + 1 - w.leases[before].from_seq >= lines);
    client_close(&c);
    buf_deinit(&events);
}

/* A chunk that another viewer's request has opened is sent to nobody without a lease, a release and a live grant of his own. */
static void shared_and_still_guarded(void **state)
{
    struct buf events = BUF_INIT(64 << 20), first = BUF_INIT(1 << 20);
    const char *rid = make_cast(3000, 300, &events);
    struct key_claims a = world_claims(rid), b = world_claims(rid), d = world_claims(rid), e = world_claims(rid);
    const char *keys[4];
    struct client c;
    unsigned opens;

    (void) state;
    keys[0] = world_sign(&a), keys[1] = world_sign(&b), keys[2] = world_sign(&d), keys[3] = world_sign(&e);
    client_open(&c, w.port); /* one connection: one loop, one shelf */
    assert_true(next_chunk(&c, keys[0], rid, 0) > 0);
    buf_add_span(&first, buf_span(&c.body));
    opens = w.n_open;
    assert_true(next_chunk(&c, keys[1], rid, 0) > 0);
    assert_span_eq(buf_span(&c.body), buf_span(&first));
    assert_int_equal(w.n_open, opens + 1); /* the vault released the key to this one, too */
    assert_true(world_leased(b.jti, 0, 10));
    world_lock();
    w.ways.lease = KEY_AUDIT_UNAVAILABLE;
    world_unlock();
    assert_int_equal(next_chunk(&c, keys[2], rid, 0), 0);
    assert_int_equal(c.status, 503);
    world_lock();
    w.ways.lease = KEY_OK;
    w.ways.open = KEY_REVOKED;
    world_unlock();
    assert_int_equal(next_chunk(&c, keys[3], rid, 0), 0);
    assert_int_equal(c.status, 401);
    world_lock();
    w.ways.open = KEY_OK;
    world_unlock();
    world_end_grant(GRANT_REVOKED, 4411);
    for (int i = 0; i < 200 && next_chunk(&c, keys[1], rid, 0) > 0; i++) /* until the gate has heard of it */
        (void) usleep(1000);
    assert_int_equal(c.status, 403);
    client_close(&c);
    buf_deinit(&first);
    buf_deinit(&events);
}

/* The lines between {"from":…} and {"end":…}. */
static struct span between(struct client *c)
{
    const uint8_t *first = memchr(c->body.p, '\n', c->body.n);
    const char *end = NULL;
    struct span s;

    assert_true(c->body.n > 10 && memcmp(c->body.p, "{\"from\":", 8) == 0);
    for (size_t i = c->body.n - 1; i-- > 0;) {
        if (c->body.p[i] == '\n') {
            end = (const char *) c->body.p + i + 1;
            break;
        }
    }
    assert_non_null(end);
    assert_int_equal(strncmp(end, "{\"end\":", 7), 0);
    s = span_of(first + 1, (size_t) ((const uint8_t *) end - first - 1));
    return s;
}

static void events_all(void **state)
{
    struct buf events = BUF_INIT(64 << 20);
    const char *rid = make_cast(3000, 300, &events);
    struct key_claims k = world_claims(rid);
    struct client c;

    (void) state;
    get(&c, world_sign(&k), "/v1/replay/%s/events", rid);
    assert_int_equal(c.status, 200);
    assert_true(c.whole);
    assert_span_eq(between(&c), buf_span(&events));
    assert_true(world_leased(k.jti, 0, 2999));
    client_close(&c);
    /* a part: from the keyframe at or before from_ms, not past to_ms */
    get(&c, world_sign(&k), "/v1/replay/%s/events?from_ms=1000&to_ms=1500", rid);
    assert_int_equal(c.status, 200);
    assert_non_null(memmem(c.body.p, c.body.n, "[1.500000", 9));
    assert_null(memmem(c.body.p, c.body.n, "[1.510000", 9));
    assert_non_null(memmem(c.body.p, c.body.n, "\"last_seq\":150,\"at_ms\":1500", 26));
    client_close(&c);
    get(&c, world_sign(&k), "/v1/replay/%s/events?from_ms=1500&to_ms=1000", rid);
    assert_code(&c, 422, "invalid");
    get(&c, world_sign(&k), "/v1/replay/%s/events?from_ms=-1", rid);
    assert_code(&c, 422, "invalid");
    buf_deinit(&events);
}

/* All of it is asked for at once: a lease names up to 4 MiB of what will be sent, not past the time asked for. */
static void events_lease_ahead(void **state)
{
    struct buf events = BUF_INIT(64 << 20);
    const char *rid = make_cast(18000, 300, &events);
    struct key_claims k = world_claims(rid);
    const char *key = world_sign(&k);
    struct client c;
    size_t n;

    (void) state;
    client_open(&c, w.port);
    next_of(&c, key, rid, "manifest"); /* opens every index */
    n = w.n_leases;
    next_of(&c, key, rid, "events");
    assert_int_equal(c.status, 200);
    assert_span_eq(between(&c), buf_span(&events));
    assert_true(world_leased(k.jti, 0, 17999));
    assert_true(w.n_leases >= n + 2 && w.n_leases <= n + 3);
    for (size_t i = n; i < w.n_leases; i++) {
        assert_int_equal(w.leases[i].what, LEASE_EVENTS);
        assert_true(w.leases[i].bytes <= 4u << 20);
    }
    client_close(&c);

    k = world_claims(rid);
    key = world_sign(&k);
    n = w.n_leases;
    client_open(&c, w.port);
    next_of(&c, key, rid, "events?to_ms=1000"); /* 10 ms an event: of the first chunk */
    assert_int_equal(c.status, 200);
    assert_true(world_leased(k.jti, 0, 100));
    assert_int_equal(w.n_leases, n + 2); /* the manifest's, and one */
    assert_true(w.leases[n + 1].to_seq < 2000);
    client_close(&c);
    buf_deinit(&events);
}

static size_t leases_now(void)
{
    size_t n;

    world_lock();
    n = w.n_leases;
    world_unlock();
    return n;
}

static void await_leases(struct client *c, size_t n)
{
    for (int i = 0; i < 1000 && leases_now() < n && !c->whole; i++)
        (void) client_for(c, 10);
}

/* Nothing of an event, nor of a screen that shows earlier ones, before the keeper's word. */
static void nothing_before_the_lease(void **state)
{
    const char *rid = make_cast(200, 300, NULL);
    static const char *const routes[] = { "manifest", "chunks/0", "events", "events?from_ms=900", "stream?speed=16", "export",
                                          "stream?from_ms=900" };

    (void) state;
    for (size_t i = 0; i < sizeof(routes) / sizeof(routes[0]); i++) {
        struct key_claims k = world_claims(rid);
        struct client c;

        if (i == 5)
            k.scope = KEY_SCOPE_EXPORT;
        world_lock();
        w.ways.hold_leases = true;
        w.n_leases = 0;
        world_unlock();
        begin_get(&c, world_sign(&k), "/v1/replay/%s/%s", rid, routes[i]);
        await_leases(&c, 1);
        assert_int_equal(client_for(&c, 60), 0);
        assert_int_equal(c.status, 0); /* not even a status line: the first lease is for the key itself */
        assert_int_equal(w.n_leases, 1);
        world_release(); /* that one; now the events' own */
        if (i > 0)
            await_leases(&c, 2);
        (void) client_for(&c, 60);
        if (i > 0) {
            assert_int_equal(w.n_leases, 2);
            assert_int_not_equal(w.leases[1].what, LEASE_MANIFEST);
            assert_null(memmem(c.body.p == NULL ? (const void *) "" : c.body.p, c.body.n, "\"o\"", 3));
            assert_int_equal(c.status, 0);
        }
        world_lock();
        w.ways.hold_leases = false;
        w.ways.lease = KEY_AUDIT_UNAVAILABLE;
        world_unlock();
        world_release();
        if (i == 0) {
            (void) client_until_end(&c, 5000);
            assert_int_equal(c.status, 200);
        } else {
            client_answer(&c);
            assert_int_equal(c.status, 503);
            assert_string_equal(member(&c, "code"), "audit-unavailable");
        }
        client_close(&c);
        world_lock();
        w.ways.lease = KEY_OK;
        world_unlock();
    }
}

/* A reader that stops for a while: the queue fills, a lease is under way when it drains, the end waits for room. */
static void slow_reader(void **state)
{
    struct buf events = BUF_INIT(64 << 20);
    const char *rid = make_cast(8000, 1000, &events); /* 8 MB */
    struct key_claims k = world_claims(rid);
    struct client c;

    (void) state;
    begin_get(&c, world_sign(&k), "/v1/replay/%s/events", rid);
    assert_true(client_head(&c, 2000));
    for (int i = 0; i < 20; i++) {
        uint64_t seen;

        (void) usleep(10000);
        (void) client_for(&c, 1);
        seen = count_lines(buf_span(&c.body));
        if (seen > 1 && !c.whole)
            assert_true(world_leased(k.jti, 0, seen - 2));
    }
    assert_true(client_until_end(&c, 5000));
    assert_true(c.whole);
    assert_span_eq(between(&c), buf_span(&events));
    client_close(&c);
    buf_deinit(&events);
}

/* While the keeper thinks about the next lease, the client drains: that must not let the loaded chunk out. */
static void drained_while_leasing(void **state)
{
    const char *rid = make_cast(4000, 1000, NULL);
    struct key_claims k = world_claims(rid);
    struct client c;
    size_t held = 0;

    (void) state;
    begin_get(&c, world_sign(&k), "/v1/replay/%s/events", rid);
    assert_true(client_head(&c, 2000));
    world_lock();
    w.ways.hold_leases = true;
    world_unlock();
    for (int i = 0; i < 100 && held == 0; i++) {
        (void) client_for(&c, 20);
        world_lock();
        held = w.n_held;
        world_unlock();
    }
    assert_int_equal(held, 1);
    (void) client_for(&c, 100); /* everything that was leased before arrives; the queue is empty */
    {
        uint64_t seen = count_lines(buf_span(&c.body)) - 1;
        const struct world_lease *last = &w.leases[w.n_leases - 1];

        assert_true(seen <= last->from_seq);
    }
    world_lock();
    w.ways.hold_leases = false;
    world_unlock();
    world_release();
    assert_true(client_until_end(&c, 5000));
    assert_true(c.whole);
    client_close(&c);
}

/* Where its last line begins. */
static size_t line_before_last(const struct buf *b)
{
    size_t n = b->n - 1;

    while (n > 0 && b->p[n - 1] != '\n')
        n--;
    return n;
}

static void export_is_the_source(void **state)
{
    struct buf events = BUF_INIT(64 << 20);
    const char *rid = make_cast(3000, 200, &events);
    const char *key = world_export_key(rid);
    struct client c, d;

    (void) state;
    get(&c, key, "/v1/replay/%s/export", rid);
    assert_int_equal(c.status, 200);
    assert_string_equal(client_header(&c, "content-type"), "application/x-asciicast");
    assert_non_null(strstr(client_header(&c, "content-disposition"), ".cast"));
    assert_non_null(memchr(c.body.p, '\n', c.body.n));
    {
        struct span head, mark, rest;

        assert_true(span_cut(buf_span(&c.body), '\n', &head, &rest) && span_cut(rest, '\n', &mark, &rest));
        assert_non_null(memmem(head.p, head.n, "\"keyhole\":{\"exported_by\":\"", 26));
        assert_true(span_starts(mark, "[ 0.000000, \"o\", \"") && rest.n > events.n);
        assert_span_eq(span_sub(rest, 0, events.n), buf_span(&events));
        assert_true(span_starts(span_sub(rest, events.n, rest.n), "[ ") && rest.p[rest.n - 1] == '\n');
    }
    client_close(&c);
    assert_true(w.n_leases > 1);
    /* in two parts, cut at any place: the same bytes, but for the mark, which says when */
    for (unsigned from = 1; from < 3000; from += 733) {
        get(&c, key, "/v1/replay/%s/export?format=asciicast-v3", rid);
        get(&d, key, "/v1/replay/%s/export?format=asciicast-v3&from_seq=%u", rid, from);
        assert_int_equal(d.status, 200);
        assert_true(d.body.n > 0 && d.body.n < c.body.n);
        {
            size_t mark = line_before_last(&d.body), whole = line_before_last(&c.body);

            assert_memory_equal(d.body.p, c.body.p + (whole - mark), mark);
        }
        assert_int_equal(count_lines(buf_span(&d.body)), 3000 - from + 1);
        client_close(&c);
        client_close(&d);
    }
    get(&c, key, "/v1/replay/%s/export?from_seq=3000", rid);
    assert_int_equal(c.status, 200);
    assert_int_equal(count_lines(buf_span(&c.body)), 1); /* the last mark alone */
    client_close(&c);
    get(&c, key, "/v1/replay/%s/export?format=rrweb", rid);
    assert_code(&c, 422, "invalid");
    for (size_t i = 0; i < w.n_leases; i++)
        assert_true(w.leases[i].from_seq <= w.leases[i].to_seq);
    buf_deinit(&events);
}

/* Under a key that is about to end. */
static const char *short_export_key(const char *rid, int life_s)
{
    struct key_claims k = world_claims(rid);

    while (clock_wall_ms() % 1000 > 400) /* exp is a whole second: more than half a second is left */
        (void) usleep(10000);
    k.scope = KEY_SCOPE_EXPORT;
    k.exp = clock_wall_ms() / 1000 + life_s;
    return world_sign(&k);
}

/* Lines of the text without their times, without its marks. */
static void add_told(struct span text, struct buf *out)
{
    struct span line;

    while (text.n > 0) {
        (void) span_cut(text, '\n', &line, &text);
        if (line.n < 11 || line.p[0] == '#')
            continue;
        buf_add_span(out, span_sub(line, 9, line.n));
        buf_add_c(out, '\n');
    }
}

/* A text whose keys end on the way: each answer says where it goes on, and all together are the whole. */
static void export_text_in_parts(void **state)
{
    const char *rids[] = { make_cast(3000, 200, NULL), import_file(test_source("demo/recordings/checkout.json")) };
    static const char joint[] = "\n# goes on with from_seq=";

    (void) state;
    for (int i = 0; i < 2; i++) {
        struct buf whole = BUF_INIT(16u << 20), parts = BUF_INIT(16u << 20);
        struct client c;
        unsigned long from = 0;
        int n = 0, life_s = 1;

        get(&c, world_export_key(rids[i]), "/v1/replay/%s/export?format=text", rids[i]);
        assert_int_equal(c.status, 200);
        assert_null(memmem(c.body.p, c.body.n, joint, sizeof(joint) - 1));
        add_told(buf_span(&c.body), &whole);
        client_close(&c);
        for (const char *at = ""; at != NULL; n++) {
            assert_true(n < 20);
            get(&c, short_export_key(rids[i], life_s), "/v1/replay/%s/export?format=text&from_seq=%lu", rids[i], from);
            if (c.status == 401 || !c.whole) { /* a busy machine: the key was over before it came here, or before a worker was done */
                client_close(&c);
                life_s = life_s < 10 ? life_s + 3 : life_s;
                continue;
            }
            assert_int_equal(c.status, 200);
            add_told(buf_span(&c.body), &parts);
            buf_add_c(&c.body, '\0');
            at = memmem(c.body.p, c.body.n, joint, sizeof(joint) - 1);
            if (at != NULL) {
                unsigned long next = strtoul(at + sizeof(joint) - 1, NULL, 10);

                assert_true(next > from && strchr(at + 1, '\n')[1] == '\0');
                from = next;
            }
            client_close(&c);
        }
        if (i == 0 && life_s == 1)
            assert_true(n > 1);
        assert_span_eq(buf_span(&parts), buf_span(&whole));
        buf_deinit(&whole);
        buf_deinit(&parts);
    }
}

static bool settled_export(void)
{
    return w.n_settles > 0 && w.settles[w.n_settles - 1].exported;
}

static void export_rrweb(void **state)
{
    struct buf file = BUF_INIT(64 << 20), want = BUF_INIT(64 << 20);
    const char *rid = import_file(test_source("demo/recordings/checkout.json"));
    struct client c;
    struct json_iter a, b;
    struct json_value x, y;
    size_t n = 0;

    (void) state;
    test_read_file(test_source("demo/recordings/checkout.json"), &file);
    get(&c, world_export_key(rid), "/v1/replay/%s/export?format=rrweb", rid);
    assert_int_equal(c.status, 200);
    assert_string_equal(client_header(&c, "content-type"), "application/json");
    assert_int_equal(json_value(buf_span(&c.body)).type, JSON_ARRAY);
    a = json_iter(json_value(buf_span(&file)));
    b = json_iter(json_value(buf_span(&c.body)));
    assert_true(json_next(&b, &y) && json_find(y, "keyhole", &x));
    while (json_next(&a, &x)) {
        struct json_value t, u;

        do
            assert_true(json_next(&b, &y));
        while (json_find(y, "keyhole", &t));
        assert_true(json_find(x, "timestamp", &t) && json_find(y, "timestamp", &u));
        assert_span_eq(t.raw, u.raw);
        n++;
    }
    assert_true(json_next(&b, &y) && json_find(y, "keyhole", &x));
    assert_false(json_next(&b, &y));
    assert_true(n > 10);
    client_close(&c);
    world_wait(settled_export, 1000);
    /* resumed: only the rest, and the closing bracket */
    get(&c, world_export_key(rid), "/v1/replay/%s/export?from_seq=%zu", rid, n - 1);
    assert_true(c.body.n > 3 && c.body.p[0] == ',' && c.body.p[c.body.n - 2] == ']');
    client_close(&c);
    buf_deinit(&file);
    buf_deinit(&want);
}

static void head_requests(void **state)
{
    const char *rid = make_cast(100, 10, NULL);
    static const char *const routes[] = { "manifest", "chunks/0", "events", "stream", "export" };

    (void) state;
    for (size_t i = 0; i < 5; i++) {
        struct key_claims k = world_claims(rid);
        char path[100], auth[1200];
        struct client c;

        if (i == 4)
            k.scope = KEY_SCOPE_EXPORT;
        (void) snprintf(path, sizeof(path), "/v1/replay/%s/%s", rid, routes[i]);
        (void) snprintf(auth, sizeof(auth), "Authorization: Bearer %s\r\nConnection: close\r\n", world_sign(&k));
        request(&c, "HEAD", path, auth, SPAN_EMPTY);
        assert_true(client_head(&c, 2000));
        assert_int_equal(c.status, 200);
        (void) client_for(&c, 500);
        assert_true(c.closed);
        assert_int_equal(c.body.n, 0);
        client_close(&c);
    }
}

static bool all_gone(void)
{
    return w.n_settles > 0;
}

/* Two answers under one key: the first one's end must not settle what the second is still sending. */
static void settlement_waits(void **state)
{
    const char *rid = make_cast(6000, 1000, NULL);
    struct key_claims k = world_claims(rid);
    struct client a, b[4];

    (void) state;
    begin_get(&a, world_sign(&k), "/v1/replay/%s/events", rid);
    assert_true(client_head(&a, 2000)); /* and does not read on */
    for (int i = 0; i < 4; i++) { /* on whichever loop they land, one is on a's */
        begin_get(&b[i], world_sign(&k), "/v1/replay/%s/stream?to_ms=10&speed=16", rid);
        assert_true(client_until_end(&b[i], 3000));
        client_close(&b[i]);
    }
    (void) usleep(50000);
    assert_true(client_until_end(&a, 5000));
    assert_true(a.whole);
    client_close(&a);
    world_wait(all_gone, 1000);
    (void) usleep(20000);
    world_lock();
    for (size_t i = 0; i < w.n_settles; i++) { /* none on a's loop says less than a had */
        bool whole = false, mine = w.settles[i].bytes > 100000;

        for (uint32_t n = 0; n < w.settles[i].n_ranges; n++)
            whole = whole || (w.settles[i].ranges[n].from_seq == 0 && w.settles[i].ranges[n].to_seq == 5999);
        if (mine && !w.settles[i].more)
            assert_true(whole);
    }
    world_unlock();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(manifest, world_reset),
        cmocka_unit_test_setup(chunks, world_reset),
        cmocka_unit_test_setup(leases_ahead, world_reset),
        cmocka_unit_test_setup(first_sight_leases, world_reset),
        cmocka_unit_test_setup(first_sight_unreleased, world_reset),
        cmocka_unit_test_setup(leases_here_and_there, world_reset),
        cmocka_unit_test_setup(shared_and_still_guarded, world_reset),
        cmocka_unit_test_setup(events_all, world_reset),
        cmocka_unit_test_setup(events_lease_ahead, world_reset),
        cmocka_unit_test_setup(nothing_before_the_lease, world_reset),
        cmocka_unit_test_setup(slow_reader, world_reset),
        cmocka_unit_test_setup(drained_while_leasing, world_reset),
        cmocka_unit_test_setup(export_is_the_source, world_reset),
        cmocka_unit_test_setup(export_text_in_parts, world_reset),
        cmocka_unit_test_setup(export_rrweb, world_reset),
        cmocka_unit_test_setup(head_requests, world_reset),
        cmocka_unit_test_setup(settlement_waits, world_reset),
    };

    return cmocka_run_group_tests_name("gate replay", tests, world_begin, world_end);
}
