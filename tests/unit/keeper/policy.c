/* Policies: the guard of one administrator and of two, what a change does to open windows. */
#include <stdio.h>

#include "access/policy.h"
#include "codec/confuse.h"
#include "codec/jsonw.h"
#include "house.h"
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

static const char no_play[] =
    "purpose \"support\" { }\n"
    "rule \"export-only\" { who = { \"role:viewer\" } actions = { export } purposes = { \"support\" } max = 30min "
    "binding = { bearer } ask { need = 1 } }\n";
static const char bad_test[] =
    "purpose \"support\" { }\n"
    "rule \"r\" { who = { \"role:viewer\" } actions = { play } purposes = { \"support\" } ask { need = 1 } }\n"
    "test \"t\" { as = { \"role:viewer\" } wants = { play } purpose = \"support\" expect = deny }\n";
static const char impossible[] =
    "purpose \"support\" { }\n"
    "rule \"r\" { who = { \"role:viewer\" } actions = { play } purposes = { \"support\" } ask { need = 1 group \"g\" { min = 5 } } }\n";

/* What the gate makes of POST /v1/policies: the text, and beside it what it says. */
static struct reply propose(const char *token, const char *text)
{
    struct confuse_source source = { .name = "policy", .text = span_str(text), .max_bytes = 64 << 10 };
    struct buf tree = BUF_INIT(1 << 20), json = BUF_INIT(1 << 20);
    struct err_info e = { 0 };
    struct jsonw w;
    struct reply r;

    assert_ok_err(confuse_load(&source, policy_schema, &tree, &e), &e);
    jsonw_init(&w, &json);
    jsonw_obj(&w);
    jsonw_kcstr(&w, "text", text);
    jsonw_kcstr(&w, "comment", "a change");
    jsonw_ktree(&w, "tree", tree_root(buf_span(&tree)));
    jsonw_obj_end(&w);
    r = house_call(&h, token, ROUTE_policy_propose, NULL, NULL, buf_cstr(&json));
    buf_deinit(&tree);
    buf_deinit(&json);
    return r;
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

/* Within 24 h of init a sole administrator's change works at once; windows it no longer allows are revoked. */
static void test_sole_admin_young(void **state)
{
    const char *engineer = house_login(&h, "engineer"), *approver = house_login(&h, "approver");
    const char *rid = house_recording(&h, h.admin, "t", ""), *gid;
    struct reply q = ask(engineer, rid), r;
    char body[128];

    (void) state;
    (void) snprintf(body, sizeof(body), "{\"digest\":\"%s\"}", reply_str(&h, &q, "digest"));
    r = house_call(&h, approver, ROUTE_request_approve, reply_str(&h, &q, "id"), NULL, body);
    gid = reply_str(&h, &r, "grant");
    r = propose(h.admin, no_play);
    assert_reply(&h, r, 201, "");
    assert_string_equal(reply_str(&h, &r, "state"), "current");
    assert_string_equal(reply_str(&h, &r, "comment"), "a change");
    r = house_call(&h, engineer, ROUTE_grant_get, gid, NULL, NULL);
    assert_string_equal(reply_str(&h, &r, "state"), "REVOKED");
    assert_string_equal(reply_str(&h, &r, "ended.cause"), "policy");
    r = ask(engineer, rid);
    assert_reply(&h, r, 403, "policy-denied");
    r = propose(h.admin, no_play); /* the same again changes nothing */
    assert_reply(&h, r, 201, "");
    assert_int_equal(house_leaves(&h, "policy.proposed", "ok"), 2); /* init's and this one */
    r = house_call(&h, engineer, ROUTE_policy_current, NULL, NULL, NULL);
    assert_false(reply_has(&r, "source")); /* what has no force is for administrators */
    assert_true(reply_has(&r, "print"));
}

/* Later it waits a day, in which everybody who may vote can see it coming. */
static void test_sole_admin_old(void **state)
{
    const char *engineer;
    struct reply r;

    (void) state;
    house_sleep(&h, 24LL * 3600 * 1000);
    r = propose(h.admin, no_play);
    assert_reply(&h, r, 201, "");
    assert_string_equal(reply_str(&h, &r, "state"), "proposed");
    assert_true(reply_has(&r, "effective_at"));
    house_sleep(&h, 24LL * 3600 * 1000 - 1);
    house_tick(&h, CMD_SECOND);
    engineer = house_login(&h, "engineer");
    r = house_call(&h, engineer, ROUTE_policies_list, NULL, NULL, NULL);
    assert_reply(&h, r, 403, "forbidden");
    r = house_call(&h, h.admin, ROUTE_policies_list, NULL, NULL, NULL);
    assert_string_equal(reply_str(&h, &r, "items.0.state"), "proposed");
    house_sleep(&h, 1);
    house_tick(&h, CMD_SECOND);
    r = house_call(&h, h.admin, ROUTE_policies_list, NULL, NULL, NULL);
    assert_string_equal(reply_str(&h, &r, "items.0.state"), "current");
    assert_string_equal(reply_str(&h, &r, "items.1.state"), "past");
    assert_int_equal(house_leaves(&h, "policy.approved", "sole-admin"), 1);
}

static void test_two_admins(void **state)
{
    const char *lead, *hash;
    struct reply r;

    (void) state;
    r = house_call(&h, h.admin, ROUTE_group_patch, "admins", NULL, "{\"add\":[\"lead\"]}");
    assert_reply(&h, r, 200, "");
    lead = house_login(&h, "lead");
    r = propose(lead, no_play);
    assert_string_equal(reply_str(&h, &r, "state"), "proposed");
    hash = reply_str(&h, &r, "hash");
    r = house_call(&h, lead, ROUTE_policy_approve, hash, NULL, NULL);
    assert_reply(&h, r, 403, "not-eligible");
    r = house_call(&h, h.admin, ROUTE_policy_approve, hash, NULL, NULL);
    assert_reply(&h, r, 403, "token-not-fresh");
    r = house_call(&h, house_login(&h, "engineer"), ROUTE_policy_approve, hash, NULL, NULL);
    assert_reply(&h, r, 403, "forbidden");
    house_sleep(&h, 48LL * 3600 * 1000);
    house_tick(&h, CMD_SECOND);
    r = house_call(&h, h.admin, ROUTE_policies_list, NULL, NULL, NULL);
    assert_string_equal(reply_str(&h, &r, "items.0.state"), "proposed"); /* time alone does not do it */
    r = house_call(&h, h.admin, ROUTE_user_patch, "approver", NULL, "{\"groups\":[\"admins\"]}");
    r = house_call(&h, house_login(&h, "approver"), ROUTE_policy_approve, hash, NULL, NULL);
    assert_reply(&h, r, 200, "");
    assert_string_equal(reply_str(&h, &r, "state"), "current");
    assert_string_equal(reply_str(&h, &r, "approved_by.name"), "approver");
}

static void test_refused(void **state)
{
    struct reply r = propose(h.admin, bad_test);

    (void) state;
    assert_reply(&h, r, 422, "policy-test-failed");
    assert_string_equal(reply_str(&h, &r, "tests.0.got"), "ask");
    r = propose(h.admin, impossible);
    assert_reply(&h, r, 422, "policy-invalid");
    assert_non_null(strstr(reply_str(&h, &r, "cause"), "\"r\""));
    assert_int_equal(house_leaves(&h, "policy.proposed", "ok"), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_sole_admin_young, open_team, close_house),
        cmocka_unit_test_setup_teardown(test_sole_admin_old, open_team, close_house),
        cmocka_unit_test_setup_teardown(test_two_admins, open_team, close_house),
        cmocka_unit_test_setup_teardown(test_refused, open_team, close_house),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
