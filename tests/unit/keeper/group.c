/* One writer, groups of commands: who comes first wins, a broken one breaks nobody else, a full disk opens nothing. */
#include <stdio.h>

#include "house.h"
#include "crypto/hash.h"
#include "keeper/state.h"

static struct house h;

static int open_team(void **state)
{
    (void) state;
    house_open(&h, house_preset("team"), true);
    return 0;
}

static int close_house(void **state)
{
    (void) state;
    house_close(&h);
    return 0;
}

static struct reply ask(const char *token, const char *rid)
{
    char body[512];

    (void) snprintf(body, sizeof(body),
                    "{\"recordings\":[\"%s\"],\"actions\":[\"play\"],\"purpose\":{\"code\":\"support\","
                    "\"reason\":\"Customer says that checkout fails\"},\"duration_s\":600}",
                    rid);
    return house_call(&h, token, ROUTE_request_create, NULL, NULL, body);
}

/* approve, deny, cancel in every order, in one transaction: the first wins, the others hear 409. */
static void test_first_wins(void **state)
{
    static const int orders[6][3] = { { 0, 1, 2 }, { 0, 2, 1 }, { 1, 0, 2 }, { 1, 2, 0 }, { 2, 0, 1 }, { 2, 1, 0 } };
    static const char *const states[3] = { "ACTIVE", "DENIED", "CANCELLED" };
    const char *engineer = house_login(&h, "engineer"), *approver = house_login(&h, "approver"), *lead = house_login(&h, "lead");
    int before = 0;

    (void) state;
    for (size_t i = 0; i < 6; i++) {
        const char *rid = house_recording(&h, h.admin, "t", "");
        struct reply q = ask(engineer, rid), r;
        const char *qid = reply_str(&h, &q, "id");
        struct cmd *all[3], *group[3];
        uint64_t calls[3];
        char body[128];

        (void) snprintf(body, sizeof(body), "{\"digest\":\"%s\"}", reply_str(&h, &q, "digest"));
        all[0] = house_prepare(&h, approver, ROUTE_request_approve, qid, body, &calls[0]);
        all[1] = house_prepare(&h, lead, ROUTE_request_deny, qid, body, &calls[1]);
        all[2] = house_prepare(&h, engineer, ROUTE_request_cancel, qid, NULL, &calls[2]);
        for (size_t k = 0; k < 3; k++)
            group[k] = all[orders[i][k]];
        house_group(&h, group, 3);
        for (size_t k = 0; k < 3; k++) {
            r = house_answer(&h, calls[k]);
            if (k == (size_t) orders[i][0])
                assert_reply(&h, r, 200, "");
            else
                assert_reply(&h, r, 409, "grant-state-conflict");
        }
        r = house_call(&h, engineer, ROUTE_request_get, qid, NULL, NULL);
        assert_string_equal(reply_str(&h, &r, "state"), states[orders[i][0]]);
        before += orders[i][0] == 0;
        assert_int_equal(house_leaves(&h, "grant.activated", NULL), before); /* nobody is told "approved" in vain */
    }
}

/* Revoke and a key in one transaction: the key first is in the ledger and dies by gen; the revoke first gives no key. */
static void test_revoke_and_issue(void **state)
{
    const char *engineer = house_login(&h, "engineer"), *approver = house_login(&h, "approver");

    (void) state;
    for (int revoke_first = 0; revoke_first < 2; revoke_first++) {
        const char *rid = house_recording(&h, h.admin, "t", ""), *gid;
        struct reply q = ask(engineer, rid), r;
        struct cmd *group[2];
        uint64_t issue, revoke;
        char body[128];

        (void) snprintf(body, sizeof(body), "{\"digest\":\"%s\"}", reply_str(&h, &q, "digest"));
        r = house_call(&h, approver, ROUTE_request_approve, reply_str(&h, &q, "id"), NULL, body);
        gid = reply_str(&h, &r, "grant");
        (void) snprintf(body, sizeof(body), "{\"recording\":\"%s\"}", rid);
        group[revoke_first] = house_prepare(&h, engineer, ROUTE_keys_issue, gid, body, &issue);
        group[!revoke_first] = house_prepare(&h, approver, ROUTE_grant_revoke, gid, NULL, &revoke);
        house_group(&h, group, 2);
        r = house_answer(&h, revoke);
        assert_reply(&h, r, 200, "");
        assert_int_equal(reply_int(&r, "gen"), 2);
        r = house_answer(&h, issue);
        assert_int_equal(r.status, revoke_first ? 403 : 201);
        (void) snprintf(body, sizeof(body), "{\"grant\":\"%s\"}", gid);
        r = house_call(&h, engineer, ROUTE_keys_list, NULL, body, NULL);
        assert_int_equal(reply_int(&r, "items"), revoke_first ? 0 : 1);
        if (!revoke_first)
            assert_int_equal(reply_int(&r, "items.0.gen"), 1);
    }
}

/* The same wrap twice breaks a unique key: its command is refused, the rest of the group stands. */
static void planted(size_t n, size_t where)
{
    const struct ipc_row_wrap row = { .kn = 9, .epoch = 1, .wrap = SPAN("x") };
    struct ipc_ingest_open open = { .cred_kind = CRED_BEARER };
    struct ipc_ingest_opened opened;
    struct ipc_wrap_put put = { .wraps = { (struct ipc_row_wrap *) &row, 1 } };
    struct cmd *group[256];
    uint64_t calls[256];
    struct ipc_done d;
    uint8_t cred[32];
    char name[32];

    sha256(span_str(h.admin), cred);
    open.cred = SPAN_OF(cred);
    house_send(&h, IPC_T_INGEST_OPEN, &open, IPC_T_INGEST_OPENED, &opened);
    put.rid = opened.rid;
    house_send(&h, IPC_T_WRAP_PUT, &put, IPC_T_DONE, &d);
    assert_int_equal(d.status, 0);
    for (size_t i = 0; i < n; i++) {
        (void) snprintf(name, sizeof(name), "{\"name\":\"g%zu-%zu\"}", n, i);
        group[i] = i == where ? house_message(&h, IPC_T_WRAP_PUT, &put, &calls[i])
                              : house_prepare(&h, h.admin, ROUTE_group_create, NULL, name, &calls[i]);
    }
    house_group(&h, group, n);
    for (size_t i = 0; i < n; i++) {
        if (i == where) {
            house_answer_as(&h, calls[i], IPC_T_DONE, &d);
            assert_int_equal(d.status, 500);
        } else {
            struct reply r = house_answer(&h, calls[i]);

            assert_reply(&h, r, 201, "");
        }
    }
    house_forget(&h);
}

static void test_planted_failure(void **state)
{
    int before = house_leaves(&h, "group.created", "ok");

    (void) state;
    planted(1, 0);
    planted(2, 0);
    planted(2, 1);
    planted(17, 8);
    planted(256, 255);
    assert_int_equal(house_leaves(&h, "group.created", "ok"), before + 0 + 1 + 1 + 16 + 255);
    assert_int_equal(h.fatal, 0);
}

static void test_full_disk(void **state)
{
    const char *engineer = house_login(&h, "engineer"), *rid = house_recording(&h, h.admin, "t", "");
    struct reply r;
    int before;

    (void) state;
    before = house_leaves(&h, "request.created", NULL);
    assert_ok(meta_limit_pages(h.core->m, 1, NULL));
    r = ask(engineer, rid);
    for (int i = 0; i < 50 && r.status == 201; i++) /* a page or two may still have room */
        r = ask(engineer, house_recording(&h, h.admin, "t", ""));
    assert_reply(&h, r, 503, "audit-space");
    assert_false(core_health(h.core).audit_ok);
    assert_int_equal(h.fatal, 0);
    r = ask(engineer, rid); /* refused before the disk is asked */
    assert_int_equal(r.status, 503);
    assert_ok(meta_limit_pages(h.core->m, 0, NULL));
    house_tick(&h, CMD_SECOND);
    assert_true(core_health(h.core).audit_ok);
    r = ask(engineer, rid);
    assert_true(r.status == 201 || r.status == 409);
    assert_true(house_leaves(&h, "request.created", NULL) > before);
}

/* Low water of 5 %: no request, no key, no lease; endings go on. */
static void test_low_water(void **state)
{
    const char *engineer = house_login(&h, "engineer"), *rid = house_recording(&h, h.admin, "t", "");
    const char *other = house_recording(&h, h.admin, "t", "");
    struct ipc_ingest_open open = { .cred_kind = CRED_BEARER };
    struct ipc_ingest_opened opened;
    struct reply q = ask(engineer, rid), r;
    uint8_t cred[32];

    (void) state;
    sha256(span_str(h.admin), cred);
    open.cred = SPAN_OF(cred);
    h.room = 9; /* below 10 % recording gives way first */
    house_tick(&h, CMD_SECOND);
    house_send(&h, IPC_T_INGEST_OPEN, &open, IPC_T_INGEST_OPENED, &opened);
    assert_int_equal(opened.status, 503);
    assert_span_str(opened.code, "ingest-space");
    r = ask(engineer, other);
    assert_reply(&h, r, 201, "");
    h.room = 4;
    house_tick(&h, CMD_SECOND);
    r = ask(engineer, other);
    assert_reply(&h, r, 503, "audit-space");
    assert_true(r.retry_after_s > 0);
    r = house_call(&h, engineer, ROUTE_request_cancel, reply_str(&h, &q, "id"), NULL, NULL);
    assert_reply(&h, r, 200, "");
    h.room = 5;
    house_tick(&h, CMD_SECOND);
    r = ask(engineer, rid);
    assert_reply(&h, r, 201, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_first_wins, open_team, close_house),
        cmocka_unit_test_setup_teardown(test_revoke_and_issue, open_team, close_house),
        cmocka_unit_test_setup_teardown(test_planted_failure, open_team, close_house),
        cmocka_unit_test_setup_teardown(test_full_disk, open_team, close_house),
        cmocka_unit_test_setup_teardown(test_low_water, open_team, close_house),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
