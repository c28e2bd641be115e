/* Watching a recording that is still being made: action live from the request to the lease, facts asked again. */
#include <stdio.h>

#include "crypto/hash.h"
#include "house.h"
#include "keeper/state.h"

static struct house h;
static const char *token, *rid, *engineer, *approver, *pid, *sub;
static uint8_t sum[32] = { 9 }, wrap[123] = { 1 };

static void send_piece(uint32_t n)
{
    struct ipc_row_piece p = { .seg_no = n, .kind = 1, .codec = 1, .size = 500, .sha256 = SPAN_OF(sum),
                               .first_seq = n * 10, .n_events = 10, .first_chunk = n, .n_chunks = 1,
                               .t_first_us = n * 1000000, .t_last_us = n * 1000000 + 999999 };
    const struct ipc_piece_put put = { .rid = span_str(rid), .pieces = { &p, 1 }, .next_batch = n + 1,
                                       .bytes = 100 * (n + 1) };
    struct ipc_done d;

    house_send(&h, IPC_T_PIECE_PUT, &put, IPC_T_DONE, &d);
    assert_int_equal(d.status, 0);
}

static int open_team(void **state)
{
    uint8_t cred[32];
    struct ipc_ingest_open open = { .cred_kind = CRED_BEARER, .kind = SPAN("terminal"), .live = 1 };
    struct ipc_row_wrap w = { .epoch = 1, .wrap = SPAN_OF(wrap) };
    struct ipc_wrap_put put = { .wraps = { &w, 1 } };
    struct ipc_ingest_opened o;
    struct ipc_done d;
    struct reply r;

    (void) state;
    house_open(&h, house_preset("team"), true);
    r = house_call(&h, h.admin, ROUTE_token_create, NULL, NULL, "{\"kind\":\"ingest\",\"project\":\"shop\"}");
    token = reply_str(&h, &r, "token");
    sha256(span_str(token), cred);
    open.cred = SPAN_OF(cred);
    house_send(&h, IPC_T_INGEST_OPEN, &open, IPC_T_INGEST_OPENED, &o);
    assert_int_equal(o.status, 0);
    rid = arena_str(&h.mem, o.rid);
    pid = arena_str(&h.mem, o.pid);
    put.rid = o.rid;
    house_send(&h, IPC_T_WRAP_PUT, &put, IPC_T_DONE, &d);
    assert_int_equal(d.status, 0);
    send_piece(0);
    engineer = house_login(&h, "engineer");
    approver = house_login(&h, "approver");
    r = house_call(&h, engineer, ROUTE_me, NULL, NULL, NULL);
    sub = reply_str(&h, &r, "user.id");
    assert_int_not_equal(strlen(sub), 0);
    return 0;
}

static int close_house(void **state)
{
    (void) state;
    house_close(&h);
    return 0;
}

/* A window for these actions. Returns the grant. */
static const char *window(const char *actions)
{
    char body[512];
    struct reply r;

    (void) snprintf(body, sizeof(body),
                    "{\"recordings\":[\"%s\"],\"actions\":[%s],\"purpose\":{\"code\":\"support\","
                    "\"reason\":\"The deploy hangs and nobody knows why\"},\"duration_s\":600}",
                    rid, actions);
    r = house_call(&h, engineer, ROUTE_requests_check, NULL, NULL, body);
    assert_reply(&h, r, 200, "");
    assert_string_equal(reply_str(&h, &r, "verdict"), "ask");
    r = house_call(&h, engineer, ROUTE_request_create, NULL, NULL, body);
    assert_reply(&h, r, 201, "");
    (void) snprintf(body, sizeof(body), "{\"digest\":\"%s\"}", reply_str(&h, &r, "digest"));
    r = house_call(&h, approver, ROUTE_request_approve, reply_str(&h, &r, "id"), NULL, body);
    assert_reply(&h, r, 200, "");
    return reply_str(&h, &r, "grant");
}

static struct reply key(const char *gid, const char *scope)
{
    char body[128];

    (void) snprintf(body, sizeof(body), "{\"recording\":\"%s\"%s%s}", rid, scope[0] != 0 ? ",\"scope\":" : "", scope);
    return house_call(&h, engineer, ROUTE_keys_issue, gid, NULL, body);
}

static struct ipc_leased live_lease(const struct reply *k, const char *gid, uint32_t live_s, uint64_t bytes)
{
    const struct ipc_lease in = { .jti = span_str(reply_str(&h, k, "key_id")), .gid = span_str(gid), .gen = 1,
                                  .vid = span_str(reply_str(&h, k, "viewing")), .rid = span_str(rid), .pid = span_str(pid),
                                  .sub = span_str(sub), .what = LEASE_LIVE, .from_seq = 10, .live_s = live_s,
                                  .bytes = bytes };
    struct ipc_leased ret;

    house_send(&h, IPC_T_LEASE, &in, IPC_T_LEASED, &ret);
    return ret;
}

static struct ipc_key_facts again(const char *jti, const char *gid, const char *of)
{
    const struct ipc_key_again in = { span_str(jti), span_str(gid), span_str(of) };
    struct ipc_key_facts f;

    house_send(&h, IPC_T_KEY_AGAIN, &in, IPC_T_KEY_FACTS, &f);
    return f;
}

static void a_key_watches_live_when_that_was_granted(void **state)
{
    static const struct {
        const char *actions, *scope, *want;
        int status;
        bool live;
    } cases[] = {
        { "\"play\",\"live\"", "", "[\"play\",\"live\"]", 201, true },
        { "\"play\",\"live\"", "[\"play\"]", "[\"play\"]", 201, false },
        { "\"live\"", "", "[\"live\"]", 201, true },
        { "\"play\"", "", "[\"play\"]", 201, false },
        { "\"play\"", "[\"live\"]", "", 403, false },
        { "\"play\",\"live\",\"export\"", "", "[\"play\",\"live\"]", 201, true },
        { "\"export\"", "", "[\"export\"]", 201, false },
    };

    (void) state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const char *gid = window(cases[i].actions);
        struct reply k = key(gid, cases[i].scope), r;
        struct ipc_leased l;

        if (k.status != cases[i].status)
            print_error("%s %s\n", cases[i].actions, cases[i].scope);
        assert_int_equal(k.status, cases[i].status);
        if (k.status == 201) {
            assert_non_null(strstr(arena_str(&h.mem, k.text), cases[i].want));
            l = live_lease(&k, gid, 30, 4 << 20);
            assert_int_equal(l.verdict, cases[i].live ? KEY_OK : KEY_SCOPE);
        }
        r = house_call(&h, engineer, ROUTE_grant_relinquish, gid, NULL, NULL);
        assert_reply(&h, r, 200, "");
    }
}

static void a_live_lease_counts_with_its_most(void **state)
{
    const char *gid = window("\"play\",\"live\""), *jti;
    struct reply k = key(gid, "");
    struct ipc_settle settle = { .gid = span_str(gid), .gen = 1, .rid = span_str(rid), .pid = span_str(pid),
                                 .sub = span_str(sub), .bytes = 3000 };
    struct ipc_row_range range = { 10, 17 };
    struct ipc_leased l;
    struct ipc_done d;
    int before;

    (void) state;
    jti = reply_str(&h, &k, "key_id");
    before = house_leaves(&h, "replay.leased", NULL);
    assert_int_equal(live_lease(&k, gid, 0, 1000).verdict, KEY_AUDIT_UNAVAILABLE);
    assert_int_equal(live_lease(&k, gid, 31, 1000).verdict, KEY_AUDIT_UNAVAILABLE);
    assert_int_equal(live_lease(&k, gid, 30, 0).verdict, KEY_AUDIT_UNAVAILABLE);
    assert_int_equal(house_leaves(&h, "replay.leased", NULL), before);
    l = live_lease(&k, gid, 30, 4 << 20);
    assert_int_equal(l.verdict, KEY_OK);
    assert_int_equal(house_leaves(&h, "replay.leased", "ok"), before + 1);
    assert_int_equal(house_leaves(&h, "viewing.begun", NULL), 1);
    assert_int_equal(again(jti, gid, rid).volume, 4 << 20);
    settle.jti = span_str(jti);
    settle.vid = span_str(reply_str(&h, &k, "viewing"));
    settle.first_lease = l.idx;
    settle.ranges.rows = &range;
    settle.ranges.n = 1;
    house_send(&h, IPC_T_SETTLE, &settle, IPC_T_DONE, &d);
    assert_int_equal(d.status, 0);
    assert_int_equal(house_leaves(&h, "replay.settled", "ok"), 1);
    assert_int_equal(again(jti, gid, rid).volume, 4 << 20);
    house_sleep(&h, 1000);
    house_restart(&h);
    assert_int_equal(again(jti, gid, rid).volume, 4 << 20);
}

static int all_leaves(void)
{
    return house_leaves(&h, "replay.leased", NULL) + house_leaves(&h, "vault.released", NULL) +
           house_leaves(&h, "viewing.begun", NULL) + house_leaves(&h, "key.issued", NULL) +
           house_leaves(&h, "replay.refused", NULL);
}

static void facts_are_asked_again(void **state)
{
    const char *gid = window("\"play\",\"live\""), *other_gid, *jti;
    struct reply k = key(gid, ""), r;
    struct ipc_key_facts f;
    int before = all_leaves();
    struct ipc_answer a;

    (void) state;
    jti = reply_str(&h, &k, "key_id");
    f = again(jti, gid, rid);
    assert_int_equal(f.verdict, KEY_OK);
    assert_int_equal(f.live, 1);
    assert_int_equal(f.events, 10);
    assert_int_equal(f.pieces.n, 1);
    assert_int_equal(f.wraps.n, 1);
    assert_int_equal(f.n_chunks, 1);
    assert_int_equal(f.grant.n, 1);
    send_piece(1);
    f = again(jti, gid, rid);
    assert_int_equal(f.pieces.n, 2);
    assert_int_equal(f.n_chunks, 2);
    assert_int_equal(f.duration_us, 1999999);
    {
        const struct ipc_end m = { .rid = span_str(rid), .ok = 1, .live = 1 };

        house_send(&h, IPC_T_END, &m, IPC_T_ANSWER, &a);
        assert_int_equal(a.status, 200);
    }
    f = again(jti, gid, rid);
    assert_int_equal(f.verdict, KEY_OK);
    assert_int_equal(f.live, 0);
    assert_int_equal(all_leaves(), before);

    /* What does not fit the ledger. */
    assert_int_equal(again("AAAAAAAAAAAAAAAAAAAAAA", gid, rid).verdict, KEY_FORGED);
    assert_int_equal(again("short", gid, rid).verdict, KEY_FORGED);
    assert_int_equal(again(jti, gid, "r_AAAAAAAAAAAAAAAA").verdict, KEY_FORGED);
    other_gid = "g_AAAAAAAAAAAAAAAA";
    assert_int_equal(again(jti, other_gid, rid).verdict, KEY_FORGED);
    assert_int_equal(again(jti, other_gid, rid).pieces.n, 0);

    house_sleep(&h, 60 * 1000);
    assert_int_equal(again(jti, gid, rid).verdict, KEY_EXPIRED);
    k = key(gid, "");
    jti = reply_str(&h, &k, "key_id");
    assert_int_equal(again(jti, gid, rid).verdict, KEY_OK);
    r = house_call(&h, approver, ROUTE_grant_revoke, gid, NULL, "{\"comment\":\"enough\"}");
    assert_reply(&h, r, 200, "");
    f = again(jti, gid, rid);
    assert_int_equal(f.verdict, KEY_GRANT_ENDED);
    assert_int_equal(f.pieces.n, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_key_watches_live_when_that_was_granted, open_team, close_house),
        cmocka_unit_test_setup_teardown(a_live_lease_counts_with_its_most, open_team, close_house),
        cmocka_unit_test_setup_teardown(facts_are_asked_again, open_team, close_house),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
