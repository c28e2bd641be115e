/* Leases and settlements as leaves, and what is read back from them. */
#include "log.h"

#include "audit/lease.h"

static struct ipc_lease lease(uint8_t what)
{
    return (struct ipc_lease){ .jti = SPAN("BXqH0cJLlQzHgCOqSMGAMA"), .gid = SPAN("g_P_52yi_zKORYBdCS"), .gen = 3,
                               .vid = SPAN("v_AAAAAAAAAAAAAAAA"), .rid = SPAN("r_2Dz2Sr-SnSlnd8aT"), .pid = SPAN(PROJECT),
                               .sub = SPAN("u_8zYGTnU-_hqeQ2Lx"), .what = what, .from_seq = 0, .to_seq = 812,
                               .from_ms = 0, .to_ms = 30000, .bytes = 4096 };
}

#define HEAD                                                                                                           \
    "\"gid\":\"g_P_52yi_zKORYBdCS\",\"gen\":3,\"vid\":\"v_AAAAAAAAAAAAAAAA\",\"rid\":\"r_2Dz2Sr-SnSlnd8aT\","         \
    "\"jti\":\"BXqH0cJLlQzHgCOqSMGAMA\",\"outcome\":\"ok\","

static void what_a_lease_says(void **state)
{
    static const struct {
        uint8_t what;
        const char *n;
    } cases[] = {
        { LEASE_STREAM, "\"n\":{\"from_seq\":0,\"to_seq\":812,\"from_ms\":0,\"to_ms\":30000,\"bytes\":4096}}" },
        { LEASE_CHUNK, "\"n\":{\"from_seq\":0,\"to_seq\":812,\"from_ms\":0,\"to_ms\":30000,\"bytes\":4096}}" },
        { LEASE_EXPORT,
          "\"n\":{\"from_seq\":0,\"to_seq\":812,\"from_ms\":0,\"to_ms\":30000,\"bytes\":4096,\"export\":1}}" },
        { LEASE_MANIFEST, "\"n\":{\"manifest\":1}}" },
        { LEASE_LIVE, "\"n\":{\"from_seq\":0,\"live_s\":30,\"max_bytes\":4096}}" },
    };
    struct buf b = BUF_INIT(8192), want = BUF_INIT(8192);
    struct ipc_lease x;
    struct leaf l;

    (void) state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        x = lease(cases[i].what);
        x.live_s = 30;
        assert_ok(lease_leaf(&x, 0, &l, NULL));
        buf_reset(&b);
        buf_reset(&want);
        assert_ok(leaf_write(&l, &b, NULL));
        buf_add_str(&want, "{\"v\":1,\"log\":\"" PROJECT "\",\"i\":0,\"t\":\"1970-01-01T00:00:00.000Z\","
                           "\"type\":\"replay.leased\",\"actor\":\"u_8zYGTnU-_hqeQ2Lx\"," HEAD);
        buf_add_str(&want, cases[i].n);
        assert_span_eq(buf_span(&b), buf_span(&want));
    }
    x = lease(LEASE_CHUNK);
    x.from_seq = 813;
    assert_err(lease_leaf(&x, 0, &l, NULL), ERR_INVAL);
    x = lease(LEASE_CHUNK);
    x.bytes = UINT64_MAX;
    assert_err(lease_leaf(&x, 0, &l, NULL), ERR_INVAL);
    x = lease(LEASE_LIVE);
    x.live_s = 0;
    assert_err(lease_leaf(&x, 0, &l, NULL), ERR_INVAL);
    x.live_s = LEASE_LIVE_MAX_S + 1;
    assert_err(lease_leaf(&x, 0, &l, NULL), ERR_INVAL);
    x.live_s = LEASE_LIVE_MAX_S;
    x.bytes = 0;
    assert_err(lease_leaf(&x, 0, &l, NULL), ERR_INVAL);
    x = lease(LEASE_LIVE + 1);
    assert_err(lease_leaf(&x, 0, &l, NULL), ERR_INVAL);
    buf_deinit(&b);
    buf_deinit(&want);
}

static void what_a_settlement_says(void **state)
{
    static struct ipc_row_range r[17];
    struct ipc_lease x = lease(LEASE_STREAM);
    struct ipc_settle s = { .jti = x.jti, .gid = x.gid, .gen = x.gen, .vid = x.vid, .rid = x.rid, .pid = x.pid,
                            .sub = x.sub, .first_lease = 7, .bytes = 99 };
    struct buf b = BUF_INIT(8192);
    struct leaf l;

    (void) state;
    for (uint64_t i = 0; i < 17; i++)
        r[i] = (struct ipc_row_range){ INT64_MAX - 100 + 2 * i, INT64_MAX - 100 + 2 * i };
    s.ranges.rows = r;
    s.ranges.n = 2;
    assert_ok(lease_settle_leaf(&s, 0, &l, NULL));
    assert_ok(leaf_write(&l, &b, NULL));
    assert_non_null(strstr(buf_cstr(&b), "\"n\":{\"lease\":7,\"from_0\":9223372036854775707,\"to_0\":9223372036854775707,"
                                     "\"from_1\":9223372036854775709,\"to_1\":9223372036854775709,\"bytes\":99}}"));
    s.ranges.n = 16; /* the longest one fits */
    assert_ok(lease_settle_leaf(&s, 0, &l, NULL));
    buf_reset(&b);
    assert_ok(leaf_write(&l, &b, NULL));
    s.ranges.n = 17;
    assert_ok(lease_settle_leaf(&s, 0, &l, NULL));
    buf_reset(&b);
    assert_ok(leaf_write(&l, &b, NULL));
    assert_non_null(strstr(buf_cstr(&b), "\"n\":{\"lease\":7,\"all\":1,\"bytes\":99}}"));
    buf_deinit(&b);
}

static void counters_come_back_from_the_log(void **state)
{
    struct fixture f;
    struct ipc_lease x = lease(LEASE_CHUNK);
    uint64_t bytes;

    (void) state;
    fixture_init(&f);
    begin(&f);
    create_log(&f, PROJECT, 1);
    for (int i = 0; i < 2500; i++) {
        struct leaf l;

        x.jti = i % 2 == 0 ? SPAN("BXqH0cJLlQzHgCOqSMGAMA") : SPAN("AAAAAAAAAAAAAAAAAAAAAA");
        x.gid = i % 5 == 0 ? SPAN("g_AAAAAAAAAAAAAAAA") : SPAN("g_P_52yi_zKORYBdCS");
        x.what = i == 2 ? LEASE_MANIFEST : i == 4 ? LEASE_LIVE : LEASE_CHUNK;
        x.bytes = i == 4 ? 5000 : 10; /* of a live lease the most counts */
        x.live_s = 30;
        assert_ok(lease_leaf(&x, i < 2000 ? 5000 : 6000, &l, NULL));
        assert_ok(audit_append(f.a, &l, NULL));
    }
    commit(&f);
    assert_ok(lease_bytes(meta_view(f.m), SPAN(PROJECT), SPAN("g_P_52yi_zKORYBdCS"), SPAN("BXqH0cJLlQzHgCOqSMGAMA"),
                          5000, &bytes, NULL));
    assert_int_equal(bytes, 10 * (1250 - 250 - 2) + 5000);
    assert_ok(lease_bytes(meta_view(f.m), SPAN(PROJECT), SPAN("g_P_52yi_zKORYBdCS"), SPAN("BXqH0cJLlQzHgCOqSMGAMA"),
                          5001, &bytes, NULL));
    assert_int_equal(bytes, 10 * (250 - 50));
    assert_ok(lease_bytes(meta_view(f.m), SPAN(PROJECT), SPAN("g_BBBBBBBBBBBBBBBB"), SPAN("BXqH0cJLlQzHgCOqSMGAMA"),
                          0, &bytes, NULL));
    assert_int_equal(bytes, 0);
    fixture_deinit(&f);
}

static void limits_on_both_sides(void **state)
{
    const uint64_t most = INT64_MAX, over = (uint64_t) INT64_MAX + 1;
    struct ipc_row_range r[2] = { { 0, 0 }, { 5, 5 } };
    struct ipc_lease x = lease(LEASE_CHUNK);
    struct ipc_settle s = { .jti = x.jti, .gid = x.gid, .gen = x.gen, .vid = x.vid, .rid = x.rid, .pid = x.pid,
                            .sub = x.sub, .first_lease = most, .bytes = most, .ranges = { .rows = r, .n = 2 } };
    struct leaf l;

    (void) state;
    x.from_seq = x.to_seq = x.from_ms = x.to_ms = x.bytes = x.first_lease = most;
    assert_true(lease_is_valid(&x));
    assert_ok(lease_leaf(&x, 0, &l, NULL));
    assert_string_equal(l.n[l.n_numbers - 1].name, "first");
    for (int i = 0; i < 6; i++) {
        struct ipc_lease y = x;
        uint64_t *const member[] = { &y.from_seq, &y.to_seq, &y.from_ms, &y.to_ms, &y.bytes, &y.first_lease };

        *member[i] = over;
        assert_false(lease_is_valid(&y));
    }
    x.to_seq--;
    assert_false(lease_is_valid(&x)); /* ends before it begins */
    x.to_seq++;
    x.to_ms--;
    assert_false(lease_is_valid(&x));

    assert_ok(lease_settle_leaf(&s, 0, &l, NULL));
    s.first_lease = over;
    assert_err(lease_settle_leaf(&s, 0, &l, NULL), ERR_INVAL);
    s.first_lease = 7;
    s.bytes = over;
    assert_err(lease_settle_leaf(&s, 0, &l, NULL), ERR_INVAL);
    s.bytes = 0;
    r[1].to_seq = 4;
    assert_err(lease_settle_leaf(&s, 0, &l, NULL), ERR_INVAL);
    r[1].to_seq = over;
    assert_err(lease_settle_leaf(&s, 0, &l, NULL), ERR_INVAL);
    s.more = 1; /* more than what the message has: its ranges are not looked at */
    assert_ok(lease_settle_leaf(&s, 0, &l, NULL));
    assert_int_equal(l.n_numbers, 3);
    assert_string_equal(l.n[1].name, "all");
}

/* Who sees what masks took out is in the log, whatever the lease is of; the longest leaf has both flags and its first lease. */
static void a_reveal_is_said(void **state)
{
    static const struct {
        uint8_t what, reveal;
        uint64_t first;
        const char *n;
    } cases[] = {
        { LEASE_STREAM, 1, 0, "\"n\":{\"from_seq\":0,\"to_seq\":812,\"from_ms\":0,\"to_ms\":30000,\"bytes\":4096,\"reveal\":1}}" },
        { LEASE_STREAM, 0, 5, "\"n\":{\"from_seq\":0,\"to_seq\":812,\"from_ms\":0,\"to_ms\":30000,\"bytes\":4096,\"first\":5}}" },
        { LEASE_EXPORT, 1, 5,
          "\"n\":{\"from_seq\":0,\"to_seq\":812,\"from_ms\":0,\"to_ms\":30000,\"bytes\":4096,\"export\":1,\"reveal\":1,\"first\":5}}" },
        { LEASE_LIVE, 255, 0, "\"n\":{\"from_seq\":0,\"live_s\":30,\"max_bytes\":4096,\"reveal\":1}}" },
        { LEASE_MANIFEST, 1, 0, "\"n\":{\"manifest\":1,\"reveal\":1}}" },
    };
    struct buf b = BUF_INIT(8192);

    (void) state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct ipc_lease x = lease(cases[i].what);
        struct leaf l;

        x.live_s = 30;
        x.reveal = cases[i].reveal;
        x.first_lease = cases[i].first;
        assert_ok(lease_leaf(&x, 0, &l, NULL));
        buf_reset(&b);
        assert_ok(leaf_write(&l, &b, NULL));
        if (strstr(buf_cstr(&b), cases[i].n) == NULL)
            fail_msg("case %zu: %s", i, buf_cstr(&b));
    }
    buf_deinit(&b);
}

/* A leaf that says nothing about bytes counts for none, and spoils nothing. */
static void leaves_without_bytes_count_for_nothing(void **state)
{
    static const char *const texts[] = {
        "{}",
        "{\"jti\":\"CCCCCCCCCCCCCCCCCCCCCC\",\"n\":{\"bytes\":7}}",
        "{\"jti\":\"BXqH0cJLlQzHgCOqSMGAMA\"}",
        "{\"jti\":\"BXqH0cJLlQzHgCOqSMGAMA\",\"n\":{\"manifest\":1}}",
        "{\"jti\":\"BXqH0cJLlQzHgCOqSMGAMA\",\"n\":{\"bytes\":1.5}}",
        "{\"jti\":\"BXqH0cJLlQzHgCOqSMGAMA\",\"n\":{\"bytes\":-1}}",
    };
    struct fixture f;
    uint64_t bytes;

    (void) state;
    fixture_init(&f);
    begin(&f);
    create_log(&f, PROJECT, 1);
    append_lease(&f, PROJECT, 1);
    append_lease(&f, PROJECT, 2);
    commit(&f);
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        char sql[300];

        (void) snprintf(sql, sizeof(sql), "UPDATE audit SET leaf=CAST('%s' AS BLOB) WHERE idx=1", texts[i]);
        forge(&f, sql);
        assert_ok(lease_bytes(meta_view(f.m), SPAN(PROJECT), SPAN("g_P_52yi_zKORYBdCS"), SPAN("BXqH0cJLlQzHgCOqSMGAMA"),
                              0, &bytes, NULL));
        assert_int_equal(bytes, 100); /* of the other one */
    }
    fixture_deinit(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_a_lease_says),
        cmocka_unit_test(what_a_settlement_says),
        cmocka_unit_test(counters_come_back_from_the_log),
        cmocka_unit_test(limits_on_both_sides),
        cmocka_unit_test(a_reveal_is_said),
        cmocka_unit_test(leaves_without_bytes_count_for_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
