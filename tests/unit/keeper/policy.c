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

/* What the gate makes of a body with a policy text: the text, and beside it what it says. */
static struct reply call_with(const char *token, enum route_id route, const char *text, int days)
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
    if (route == ROUTE_policy_propose)
        jsonw_kcstr(&w, "comment", "a change");
    if (days > 0)
        jsonw_kint(&w, "days", days);
    jsonw_ktree(&w, "tree", tree_root(buf_span(&tree)));
    jsonw_obj_end(&w);
    r = house_call(&h, token, route, NULL, NULL, buf_cstr(&json));
    buf_deinit(&tree);
    buf_deinit(&json);
    return r;
}

static struct reply propose(const char *token, const char *text)
{
    return call_with(token, ROUTE_policy_propose, text, 0);
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
    h.real += 3600 * 1000; /* the wall clock was put forward */
    house_tick(&h, CMD_SECOND);
    r = house_call(&h, h.admin, ROUTE_policies_list, NULL, NULL, NULL);
    assert_string_equal(reply_str(&h, &r, "items.0.state"), "proposed");
    house_sleep(&h, 1);
    house_tick(&h, CMD_SECOND);
    r = house_call(&h, h.admin, ROUTE_policies_list, NULL, NULL, NULL);
    assert_string_equal(reply_str(&h, &r, "items.0.state"), "current");
    assert_string_equal(reply_str(&h, &r, "items.1.state"), "past");
    assert_int_equal(house_leaves(&h, "policy.approved", "sole-admin"), 1);
}

/* A day in which nobody was there who could have stopped it does not count: it begins when somebody is back. */
static void test_nobody_was_there(void **state)
{
    static const char *const voters[] = { "approver", "lead" };
    struct reply r;

    (void) state;
    house_sleep(&h, 24LL * 3600 * 1000);
    for (size_t i = 0; i < 2; i++) {
        r = house_call(&h, h.admin, ROUTE_user_patch, voters[i], NULL, "{\"disabled\":true}");
        assert_reply(&h, r, 200, "");
    }
    r = propose(h.admin, no_play);
    assert_string_equal(reply_str(&h, &r, "state"), "proposed");
    house_sleep(&h, 3 * 24LL * 3600 * 1000);
    house_tick(&h, CMD_SECOND);
    r = house_call(&h, h.admin, ROUTE_user_patch, "lead", NULL, "{\"disabled\":false}");
    assert_reply(&h, r, 200, "");
    house_tick(&h, CMD_SECOND);
    house_sleep(&h, 24LL * 3600 * 1000 - 1);
    house_tick(&h, CMD_SECOND);
    r = house_call(&h, h.admin, ROUTE_policies_list, NULL, NULL, NULL);
    assert_string_equal(reply_str(&h, &r, "items.0.state"), "proposed");
    house_sleep(&h, 1);
    house_tick(&h, CMD_SECOND);
    r = house_call(&h, h.admin, ROUTE_policies_list, NULL, NULL, NULL);
    assert_string_equal(reply_str(&h, &r, "items.0.state"), "current");
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
    assert_reply(&h, r, 202, ""); /* who may change the rules is guarded as the rules are */
    r = house_call(&h, house_login(&h, "lead"), ROUTE_change_approve, reply_str(&h, &r, "id"), NULL, NULL);
    assert_reply(&h, r, 200, "");
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

/* The day's warning: everybody who may vote hears of it, can read it, and can stop it. */
static void test_stopped_by_a_voter(void **state)
{
    const char *approver, *hash;
    struct reply r;

    (void) state;
    house_sleep(&h, 24LL * 3600 * 1000);
    hash = NULL;
    r = propose(h.admin, no_play);
    hash = reply_str(&h, &r, "hash");
    approver = house_login(&h, "approver");
    r = house_call(&h, approver, ROUTE_status, NULL, NULL, NULL);
    assert_string_equal(reply_str(&h, &r, "policy.waiting.0.hash"), hash);
    r = house_call(&h, approver, ROUTE_policy_get, hash, NULL, NULL);
    assert_reply(&h, r, 200, "");
    assert_non_null(strstr(reply_str(&h, &r, "print"), "rule \"export-only\""));
    assert_false(reply_has(&r, "source"));
    r = house_call(&h, house_login(&h, "engineer"), ROUTE_policy_stop, hash, NULL, NULL);
    assert_reply(&h, r, 403, "forbidden");
    r = house_call(&h, house_login(&h, "engineer"), ROUTE_policy_get, hash, NULL, NULL);
    assert_reply(&h, r, 403, "forbidden");
    r = house_call(&h, approver, ROUTE_policy_stop, "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", NULL, NULL);
    assert_reply(&h, r, 404, "not-found");
    for (int i = 0; i < 2; i++) { /* no password is asked for: who fails logins under this name cannot hold it up */
        house_sleep(&h, 8 * 60 * 1000);
        r = house_call(&h, approver, ROUTE_me, NULL, NULL, NULL);
        assert_reply(&h, r, 200, "");
    }
    r = house_call(&h, approver, ROUTE_policy_stop, hash, NULL, "{\"comment\":\"not like this\"}");
    assert_reply(&h, r, 200, "");
    assert_string_equal(reply_str(&h, &r, "state"), "stopped");
    assert_int_equal(house_leaves(&h, "policy.stopped", "ok"), 1);
    r = house_call(&h, approver, ROUTE_policy_stop, hash, NULL, NULL);
    assert_reply(&h, r, 409, "grant-state-conflict");
    assert_string_equal(reply_str(&h, &r, "state"), "stopped");
    house_sleep(&h, 48LL * 3600 * 1000);
    house_tick(&h, CMD_SECOND);
    r = house_call(&h, h.admin, ROUTE_policies_list, NULL, NULL, NULL);
    assert_string_equal(reply_str(&h, &r, "items.0.state"), "stopped");
    r = propose(h.admin, no_play); /* it can be proposed anew, and waits a day again */
    assert_string_equal(reply_str(&h, &r, "state"), "proposed");
    house_tick(&h, CMD_SECOND);
    r = house_call(&h, h.admin, ROUTE_policy_get, hash, NULL, NULL);
    assert_string_equal(reply_str(&h, &r, "state"), "proposed");
}

static const char by_groups[] =
    "purpose \"support\" { }\n"
    "rule \"two\" { who = { \"role:viewer\" } actions = { play } purposes = { \"support\" } "
    "ask { need = 2 group \"security\" { min = 1 } group \"owners\" { min = 1 } } }\n"
    "test \"asks\" { as = { \"role:viewer\" } wants = { play } purpose = \"support\" expect = ask rule = \"two\" }\n"
    "test \"long\" { as = { \"role:viewer\" } wants = { play } purpose = \"support\" for = 61min expect = ask }\n";

static void test_tested(void **state)
{
    struct reply r = call_with(h.admin, ROUTE_policy_test, by_groups, 0);

    (void) state;
    assert_reply(&h, r, 200, "");
    assert_int_equal(reply_int(&r, "passed"), 1);
    assert_int_equal(reply_int(&r, "failed"), 1);
    assert_string_equal(reply_str(&h, &r, "tests.0.rule"), "two");
    assert_string_equal(reply_str(&h, &r, "tests.1.got"), "deny");
    assert_string_equal(reply_str(&h, &r, "tests.1.cause"), "too-long");
    assert_string_equal(reply_str(&h, &r, "tests.1.expect"), "ask");
    assert_string_equal(reply_str(&h, &r, "warnings.0.code"), "no-approver");
    assert_string_equal(reply_str(&h, &r, "warnings.0.rule"), "two");
    assert_string_equal(reply_str(&h, &r, "warnings.0.groups.0"), "security");
    r = call_with(h.admin, ROUTE_policy_test, impossible, 0);
    assert_reply(&h, r, 422, "policy-invalid");
    r = call_with(house_login(&h, "engineer"), ROUTE_policy_test, by_groups, 0);
    assert_reply(&h, r, 403, "forbidden");
    r = call_with(house_login(&h, "auditor"), ROUTE_policy_test, by_groups, 0);
    assert_reply(&h, r, 200, "");
    assert_int_equal(house_leaves(&h, "policy.proposed", "ok"), 1); /* init's: nothing was stored */
}

static const char short_and_two[] =
    "purpose \"support\" { }\n"
    "rule \"short\" { who = { \"role:viewer\" } actions = { play } purposes = { \"support\" } max = 5min }\n"
    "rule \"never\" { effect = deny tag = { secret } }\n";
static const char as_it_is_but_two[] =
    "purpose \"support\" { }\n"
    "rule \"viewers-ask\" { who = { \"role:viewer\" } actions = { play } purposes = { \"support\" } ask { need = 2 } }\n";

static void test_dry_run(void **state)
{
    const char *engineer = house_login(&h, "engineer"), *auditor = house_login(&h, "auditor");
    const char *rid = house_recording(&h, h.admin, "t", "");
    struct reply q, r;

    (void) state;
    q = ask(engineer, rid);
    assert_reply(&h, q, 201, "");
    r = call_with(auditor, ROUTE_policy_dry_run, short_and_two, 30);
    assert_reply(&h, r, 200, "");
    assert_int_equal(reply_int(&r, "looked_at"), 1);
    assert_int_equal(reply_int(&r, "differ"), 1);
    assert_string_equal(reply_str(&h, &r, "items.0.request"), reply_str(&h, &q, "id"));
    assert_string_equal(reply_str(&h, &r, "items.0.requester.name"), "engineer");
    assert_string_equal(reply_str(&h, &r, "items.0.was.verdict"), "ask");
    assert_string_equal(reply_str(&h, &r, "items.0.was.rule"), "viewers-ask");
    assert_int_equal(reply_int(&r, "items.0.was.need"), 1);
    assert_string_equal(reply_str(&h, &r, "items.0.now.verdict"), "deny");
    assert_string_equal(reply_str(&h, &r, "items.0.now.cause"), "duration");
    assert_string_equal(reply_str(&h, &r, "counts.0.now"), "deny");
    assert_int_equal(reply_int(&r, "counts.0.n"), 1);
    /* The same rule with another number of votes is another decision. */
    r = call_with(auditor, ROUTE_policy_dry_run, as_it_is_but_two, 30);
    assert_string_equal(reply_str(&h, &r, "items.0.now.verdict"), "ask");
    assert_int_equal(reply_int(&r, "items.0.now.need"), 2);
    /* A change that changes nothing for what was asked. */
    r = call_with(auditor, ROUTE_policy_dry_run, house_preset("team"), 30);
    assert_int_equal(reply_int(&r, "looked_at"), 1);
    assert_int_equal(reply_int(&r, "differ"), 0);
    /* Only the last days. */
    house_sleep(&h, 24LL * 3600 * 1000 + 1);
    auditor = house_login(&h, "auditor");
    r = call_with(auditor, ROUTE_policy_dry_run, short_and_two, 1);
    assert_int_equal(reply_int(&r, "looked_at"), 0);
    r = call_with(auditor, ROUTE_policy_dry_run, short_and_two, 2);
    assert_int_equal(reply_int(&r, "looked_at"), 1);
    assert_true(reply_has(&r, "complete"));
    /* By the hash of a proposal; neither, both, unknown. */
    r = propose(h.admin, no_play);
    {
        char body[128];

        (void) snprintf(body, sizeof(body), "{\"hash\":\"%s\"}", reply_str(&h, &r, "hash"));
        r = house_call(&h, auditor, ROUTE_policy_dry_run, NULL, NULL, body);
        assert_reply(&h, r, 200, "");
        assert_string_equal(reply_str(&h, &r, "items.0.now.cause"), "no-rule");
    }
    r = house_call(&h, auditor, ROUTE_policy_dry_run, NULL, NULL, "{}");
    assert_reply(&h, r, 422, "invalid");
    r = house_call(&h, auditor, ROUTE_policy_dry_run, NULL, NULL,
                   "{\"hash\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\"}");
    assert_reply(&h, r, 404, "not-found");
    r = house_call(&h, house_login(&h, "engineer"), ROUTE_policy_dry_run, NULL, NULL, "{}");
    assert_reply(&h, r, 403, "forbidden");
    assert_int_equal(house_leaves(&h, "request.created", NULL), 1);
}

static const char from_one_place[] =
    "purpose \"support\" { }\n"
    "rule \"office\" { who = { \"role:viewer\" } actions = { play } purposes = { \"support\" } "
    "network = { \"10.1.2.3/32\", \"10.9.0.0/16\" } binding = { bearer } }\n";

/* The whole address counts, to its last bit. */
static void test_network(void **state)
{
    static const struct {
        uint8_t addr[4];
        bool in;
    } cases[] = {
        { { 10, 1, 2, 3 }, true },    { { 10, 1, 2, 2 }, false },     { { 10, 1, 2, 4 }, false }, { { 10, 9, 0, 0 }, true },
        { { 10, 9, 255, 255 }, true }, { { 10, 8, 255, 255 }, false }, { { 10, 10, 0, 0 }, false },
    };
    const char *engineer = house_login(&h, "engineer"), *rid = house_recording(&h, h.admin, "t", "");
    struct reply r = propose(h.admin, from_one_place);

    (void) state;
    assert_string_equal(reply_str(&h, &r, "state"), "current");
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        memcpy(h.addr, cases[i].addr, sizeof(h.addr));
        r = ask(engineer, rid);
        if ((r.status == 201) != cases[i].in)
            fail_msg("case %zu: %d %s", i, r.status, r.code);
        if (r.status == 201)
            r = house_call(&h, engineer, ROUTE_request_cancel, reply_str(&h, &r, "id"), NULL, NULL);
    }
}

static int open_regulated(void **state)
{
    (void) state;
    house_open(&h, house_preset("regulated"), true);
    return 0;
}

static struct reply vote(const char *user, const struct reply *q)
{
    char body[128];

    (void) snprintf(body, sizeof(body), "{\"digest\":\"%s\"}", reply_str(&h, q, "digest"));
    return house_call(&h, house_login(&h, user), ROUTE_request_approve, reply_str(&h, q, "id"), NULL, body);
}

static struct reply ask_security(const char *rid)
{
    char body[512];

    (void) snprintf(body, sizeof(body),
                    "{\"recordings\":[\"%s\"],\"actions\":[\"play\"],\"purpose\":{\"code\":\"security\","
                    "\"reason\":\"Somebody signed in from two countries at once\"},\"duration_s\":600}",
                    rid);
    return house_call(&h, house_login(&h, "engineer"), ROUTE_request_create, NULL, NULL, body);
}

/* The preset as a whole: nobody could approve, then two groups can, but not on the day on which they were made. */
static void test_regulated(void **state)
{
    const char *rid = house_recording(&h, h.admin, "t", "");
    struct reply q, r;

    (void) state;
    q = ask_security(rid);
    assert_reply(&h, q, 409, "no-approver");
    assert_string_equal(reply_str(&h, &q, "groups.0"), "security");
    r = house_call(&h, h.admin, ROUTE_status, NULL, NULL, NULL);
    assert_string_equal(reply_str(&h, &r, "missing.0.code"), "no-approver");
    r = house_call(&h, h.admin, ROUTE_group_create, NULL, NULL, "{\"name\":\"security\"}");
    assert_reply(&h, r, 201, "");
    r = house_call(&h, h.admin, ROUTE_group_create, NULL, NULL, "{\"name\":\"owners\"}");
    assert_reply(&h, r, 201, "");
    r = house_call(&h, h.admin, ROUTE_group_patch, "security", NULL, "{\"add\":[\"approver\"]}");
    assert_reply(&h, r, 200, "");
    r = house_call(&h, h.admin, ROUTE_group_patch, "owners", NULL, "{\"add\":[\"lead\"]}");
    assert_true(r.status == 200 || r.status == 202);
    house_sleep(&h, 60 * 1000);
    q = ask_security(rid);
    assert_reply(&h, q, 409, "no-approver"); /* they were made approvers a minute ago */
    house_sleep(&h, 25LL * 3600 * 1000);
    house_tick(&h, CMD_SECOND); /* a change that waited a day works now, and settles another day */
    house_sleep(&h, 25LL * 3600 * 1000);
    q = ask_security(rid);
    assert_reply(&h, q, 201, "");
    r = vote("approver", &q);
    assert_reply(&h, r, 200, "");
    assert_string_equal(reply_str(&h, &r, "state"), "PENDING");
    r = vote("approver", &q);
    assert_reply(&h, r, 409, "already-voted");
    r = vote("lead", &q);
    assert_reply(&h, r, 200, "");
    assert_string_equal(reply_str(&h, &r, "state"), "ACTIVE"); /* though the rule asks how old the asker's sign-in is */
    r = house_call(&h, h.admin, ROUTE_user_create, NULL, NULL, "{\"name\":\"new\",\"password\":\"" HOUSE_PASSWORD "\"}");
    if (r.status == 201)
        assert_int_equal(reply_int(&r, "roles"), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_sole_admin_young, open_team, close_house),
        cmocka_unit_test_setup_teardown(test_sole_admin_old, open_team, close_house),
        cmocka_unit_test_setup_teardown(test_nobody_was_there, open_team, close_house),
        cmocka_unit_test_setup_teardown(test_two_admins, open_team, close_house),
        cmocka_unit_test_setup_teardown(test_refused, open_team, close_house),
        cmocka_unit_test_setup_teardown(test_stopped_by_a_voter, open_team, close_house),
        cmocka_unit_test_setup_teardown(test_tested, open_team, close_house),
        cmocka_unit_test_setup_teardown(test_dry_run, open_team, close_house),
        cmocka_unit_test_setup_teardown(test_network, open_team, close_house),
        cmocka_unit_test_setup_teardown(test_regulated, open_regulated, close_house),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
