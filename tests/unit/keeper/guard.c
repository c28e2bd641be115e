/*
 * The guard over what a policy rests on: what waits, for whom and how long, who can stop it; and the test of the standard: one
 * administrator, given a week, reaches nothing that another human did not approve or, told a day ahead, let pass.
 */
#include <stdio.h>

#include "house.h"
#include "keeper/guard.h"

#define HOUR (3600 * 1000)
#define DAY  (24LL * HOUR)

static struct house h;

static int open_team(void **state)
{
    (void) state;
    house_open(&h, house_preset("team"), true);
    return 0;
}

static int open_alone(void **state)
{
    (void) state;
    house_open(&h, house_preset("solo"), false);
    return 0;
}

static int close_house(void **state)
{
    (void) state;
    house_close(&h);
    return 0;
}

static void sleep_to(int64_t ms)
{
    house_sleep(&h, ms);
    house_tick(&h, CMD_SECOND);
}

static const char *textf(const char *fmt, ...) PRINTF_LIKE(1, 2);

static const char *textf(const char *fmt, ...)
{
    char text[4096];
    va_list ap;

    va_start(ap, fmt);
    (void) vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    return arena_str(&h.mem, span_str(text));
}

static struct reply admin(enum route_id route, const char *id1, const char *body)
{
    return house_call(&h, h.admin, route, id1, NULL, body);
}

static const char *state_of(const char *token, const char *change)
{
    struct reply r = house_call(&h, token, ROUTE_changes_list, NULL, NULL, NULL);

    assert_reply(&h, r, 200, "");
    for (int i = 0; i < reply_int(&r, "items"); i++) {
        if (strcmp(reply_str(&h, &r, textf("items.%d.id", i)), change) == 0)
            return reply_str(&h, &r, textf("items.%d.state", i));
    }
    return "";
}

static bool there_is(const char *user)
{
    struct reply r = house_call(&h, h.admin, ROUTE_users_list, NULL, textf("{\"q\":\"%s\"}", user), NULL);

    assert_reply(&h, r, 200, "");
    return reply_int(&r, "items") > 0;
}

static void the_first_day_is_free_and_marked(void **state)
{
    struct reply r = admin(ROUTE_user_create, NULL, "{\"name\":\"eve\",\"groups\":[\"approvers\"]}");

    (void) state;
    assert_reply(&h, r, 201, "");
    assert_int_equal(house_leaves_with(&h, "user.created", "\"sole_admin\":1"), 1);
    assert_int_equal(house_leaves_with(&h, "group.joined", "\"sole_admin\":1"), 1);
    sleep_to(DAY - 2 * 60000 - 60000); /* the house opens a minute after init */
    r = admin(ROUTE_user_create, NULL, "{\"name\":\"last\"}");
    assert_reply(&h, r, 201, "");
    sleep_to(5 * 60000);
    r = admin(ROUTE_user_create, NULL, "{\"name\":\"late\"}");
    assert_reply(&h, r, 202, "");
}

static void alone_it_works_at_once(void **state)
{
    struct reply r;

    (void) state;
    sleep_to(10 * DAY);
    r = admin(ROUTE_user_create, NULL, "{\"name\":\"eve\"}"); /* viewer: nobody else may vote, before and after */
    assert_reply(&h, r, 201, "");
    r = admin(ROUTE_user_create, NULL, "{\"name\":\"adam\",\"groups\":[\"approvers\"]}");
    assert_reply(&h, r, 201, "");
    assert_int_equal(house_leaves_with(&h, "user.created", "\"sole_admin\":1"), 2);
    r = admin(ROUTE_user_create, NULL, "{\"name\":\"next\"}"); /* now there is somebody */
    assert_reply(&h, r, 202, "");
}

static void it_waits_a_day_and_can_be_stopped(void **state)
{
    const char *approver, *engineer, *stopped, *passed;
    struct reply r;

    (void) state;
    sleep_to(2 * DAY);
    r = admin(ROUTE_user_create, NULL, "{\"name\":\"eve\",\"password\":\"eves own secret\"}");
    assert_reply(&h, r, 202, "");
    stopped = reply_str(&h, &r, "id");
    assert_string_equal(reply_str(&h, &r, "state"), "waiting");
    assert_string_equal(reply_str(&h, &r, "touches.0"), "roles");
    assert_string_equal(reply_str(&h, &r, "body.name"), "eve");
    assert_false(reply_has(&r, "body.password"));
    assert_true(reply_has(&r, "effective_at"));
    assert_false(there_is("eve"));
    r = admin(ROUTE_user_create, NULL, "{\"name\":\"mallory\",\"password\":\"another secret\"}");
    passed = reply_str(&h, &r, "id");

    approver = house_login(&h, "approver");
    engineer = house_login(&h, "engineer");
    r = house_call(&h, engineer, ROUTE_changes_list, NULL, NULL, NULL);
    assert_reply(&h, r, 403, "forbidden");
    r = house_call(&h, engineer, ROUTE_change_stop, stopped, NULL, "{}");
    assert_reply(&h, r, 404, "not-found");
    r = house_call(&h, approver, ROUTE_change_approve, stopped, NULL, "{}"); /* may stop, not approve */
    assert_reply(&h, r, 403, "forbidden");
    r = house_call(&h, approver, ROUTE_change_stop, stopped, NULL, "{\"comment\":\"Who is that?\"}");
    assert_reply(&h, r, 200, "");
    assert_string_equal(reply_str(&h, &r, "state"), "stopped");
    r = house_call(&h, approver, ROUTE_change_stop, stopped, NULL, "{}");
    assert_reply(&h, r, 409, "grant-state-conflict");

    sleep_to(DAY - 1);
    assert_false(there_is("mallory"));
    sleep_to(1);
    assert_true(there_is("mallory"));
    assert_false(there_is("eve"));
    assert_string_equal(state_of(h.admin, passed), "done");
    assert_int_equal(house_leaves(&h, "change.approved", "sole-admin"), 1);
    assert_int_equal(house_leaves_with(&h, "user.created", "\"sole_admin\":1"), 1);
    r = house_call(&h, NULL, ROUTE_login, NULL, NULL, "{\"user\":\"mallory\",\"password\":\"another secret\"}");
    assert_reply(&h, r, 200, "");
    assert_int_equal(house_leaves(&h, "change.proposed", "ok"), 2);
    assert_int_equal(house_leaves(&h, "change.stopped", "ok"), 1);
}

/* Both clocks have to say that the day is over; after a boot the wall clock alone can. */
static void a_clock_put_forward_is_no_day(void **state)
{
    struct reply r;

    (void) state;
    sleep_to(2 * DAY);
    r = admin(ROUTE_user_create, NULL, "{\"name\":\"eve\"}");
    assert_reply(&h, r, 202, "");
    h.real += 2 * DAY;
    house_tick(&h, CMD_SECOND);
    assert_false(there_is("eve"));
    sleep_to(DAY - 1);
    assert_false(there_is("eve"));
    sleep_to(1);
    assert_true(there_is("eve"));
    r = admin(ROUTE_user_create, NULL, "{\"name\":\"adam\"}");
    assert_reply(&h, r, 202, "");
    h.boot_id[0] ^= 1;
    h.boot = 60000;
    h.real += DAY - 1;
    house_tick(&h, CMD_SECOND);
    assert_false(there_is("adam"));
    sleep_to(1);
    assert_true(there_is("adam"));
}

/* Stopping asks for no password: who fails logins under a voter's name would hold it up. An API token stops nothing. */
static void stopping_needs_no_fresh_sign_in(void **state)
{
    const char *approver, *api, *id;
    struct reply r;

    (void) state;
    approver = house_login(&h, "approver");
    r = house_call(&h, approver, ROUTE_token_create, NULL, NULL, "{\"kind\":\"api\",\"expires_in_s\":864000}");
    assert_reply(&h, r, 201, "");
    api = reply_str(&h, &r, "token");
    sleep_to(2 * DAY);
    approver = house_login(&h, "approver");
    r = admin(ROUTE_user_create, NULL, "{\"name\":\"eve\"}");
    id = reply_str(&h, &r, "id");
    for (int i = 0; i < 2; i++) {
        house_sleep(&h, 8 * 60000);
        r = house_call(&h, approver, ROUTE_me, NULL, NULL, NULL);
        assert_reply(&h, r, 200, "");
    }
    r = house_call(&h, api, ROUTE_change_stop, id, NULL, "{}");
    assert_reply(&h, r, 403, "token-not-fresh");
    r = house_call(&h, approver, ROUTE_change_stop, id, NULL, "{}");
    assert_reply(&h, r, 200, "");
}

/* Two administrators: the other one approves, whenever; time alone does nothing. */
static void the_second_administrator(void **state)
{
    struct reply r = admin(ROUTE_user_create, NULL, "{\"name\":\"second\",\"password\":\"" HOUSE_PASSWORD
                                                    "\",\"groups\":[\"admins\"]}");
    const char *second = house_login(&h, "second"), *id, *twin;

    (void) state;
    assert_reply(&h, r, 201, "");
    house_forget(&h);
    r = admin(ROUTE_user_create, NULL, "{\"name\":\"eve\",\"password\":\"eves own secret\"}"); /* also on the first day */
    assert_reply(&h, r, 202, "");
    id = reply_str(&h, &r, "id");
    assert_false(reply_has(&r, "effective_at"));
    assert_int_equal(reply_int(&r, "sole_admin"), -1);
    r = house_call(&h, h.admin, ROUTE_change_approve, id, NULL, "{}");
    assert_reply(&h, r, 403, "token-not-fresh");
    sleep_to(3 * DAY);
    assert_string_equal(state_of(h.admin, id), "waiting");
    second = house_login(&h, "second");
    r = house_call(&h, second, ROUTE_change_approve, id, NULL, "{\"comment\":\"welcome\"}");
    assert_reply(&h, r, 200, "");
    assert_string_equal(reply_str(&h, &r, "state"), "done");
    assert_string_equal(reply_str(&h, &r, "decided_by.name"), "second");
    r = house_call(&h, NULL, ROUTE_login, NULL, NULL, "{\"user\":\"eve\",\"password\":\"eves own secret\"}");
    assert_reply(&h, r, 200, "");
    assert_int_equal(house_leaves_with(&h, "user.created", "\"sole_admin\":1"), 1); /* 'second' only */
    /* What one proposed oneself one does not approve, nor does one's other account. */
    r = house_call(&h, second, ROUTE_user_create, NULL, NULL, "{\"name\":\"adam\"}");
    assert_reply(&h, r, 202, "");
    twin = reply_str(&h, &r, "id");
    r = house_call(&h, second, ROUTE_change_approve, twin, NULL, "{}");
    assert_reply(&h, r, 403, "not-eligible");
    r = house_call(&h, second, ROUTE_change_stop, twin, NULL, "{}"); /* but one may take it back */
    assert_reply(&h, r, 200, "");
}

static void what_cannot_be_done_any_more_fails(void **state)
{
    const char *first, *twice;
    struct reply r;

    (void) state;
    sleep_to(2 * DAY);
    r = admin(ROUTE_user_create, NULL, "{\"name\":\"eve\"}");
    first = reply_str(&h, &r, "id");
    r = admin(ROUTE_user_create, NULL, "{\"name\":\"eve\"}");
    twice = reply_str(&h, &r, "id");
    sleep_to(DAY);
    assert_string_equal(state_of(h.admin, first), "done");
    assert_string_equal(state_of(h.admin, twice), "failed");
    assert_int_equal(house_leaves(&h, "change.approved", "failed"), 1);
}

/* The standard's test. */
static void one_administrator_given_a_week(void **state)
{
    static const struct {
        enum route_id route;
        const char *id1, *body;
    } tries[] = {
        { ROUTE_user_create, NULL, "{\"name\":\"puppet\",\"password\":\"puppets secret\"}" },
        { ROUTE_user_create, NULL, "{\"name\":\"puppet2\",\"groups\":[\"admins\"]}" },
        { ROUTE_user_create, NULL, "{\"name\":\"puppet3\",\"roles\":[{\"role\":\"breakglass\"}]}" },
        { ROUTE_user_patch, "engineer", "{\"password\":\"now it is mine\"}" },
        { ROUTE_user_patch, "approver", "{\"password\":\"now it is mine\"}" },
        { ROUTE_user_patch, "engineer", "{\"groups\":[\"approvers\"]}" },
        { ROUTE_user_patch, "auditor", "{\"roles\":[{\"role\":\"approver\"}]}" },
        { ROUTE_user_patch, "approver", "{\"groups\":[]}" },
        { ROUTE_user_patch, "engineer", "{\"person\":\"admin\"}" },
        { ROUTE_user_patch, "admin", "{\"subjects\":[\"user-17\"]}" },
        { ROUTE_user_patch, "admin", "{\"roles\":[{\"role\":\"breakglass\"},{\"role\":\"viewer\"},{\"role\":\"project-admin\"}]}" },
        { ROUTE_group_patch, "approvers", "{\"add\":[\"engineer\"]}" },
        { ROUTE_group_patch, "approvers", "{\"remove\":[\"approver\",\"lead\"]}" },
        { ROUTE_group_patch, "admins", "{\"add\":[\"lead\"]}" },
        { ROUTE_group_create, NULL, "{\"name\":\"friends\",\"roles\":[{\"role\":\"approver\"}],\"members\":[\"engineer\"]}" },
        { ROUTE_project_patch, "shop", "{\"add\":[{\"user\":\"engineer\",\"role\":\"approver\"}]}" },
        { ROUTE_project_patch, "shop", "{\"members\":[]}" },
        { ROUTE_token_create, NULL, "{\"kind\":\"api\",\"user\":\"engineer\"}" },
        { ROUTE_token_create, NULL, "{\"kind\":\"api\",\"user\":\"lead\",\"expires_in_s\":31536000}" },
    };
    const size_t n = sizeof(tries) / sizeof(tries[0]);
    const char *token = NULL, *id[sizeof(tries) / sizeof(tries[0])];
    struct reply r;

    (void) state;
    sleep_to(2 * DAY);
    for (size_t i = 0; i < n; i++) {
        r = admin(tries[i].route, tries[i].id1, tries[i].body);
        if (r.status != 202)
            print_error("%s %s\n", route_by_id(tries[i].route)->name, tries[i].body);
        assert_reply(&h, r, 202, "");
        id[i] = reply_str(&h, &r, "id");
        if (reply_has(&r, "token"))
            token = reply_str(&h, &r, "token");
    }
    assert_non_null(token);
    r = house_call(&h, token, ROUTE_me, NULL, NULL, NULL);
    assert_reply(&h, r, 401, "login-needed"); /* a token that waits opens nothing */

    /* He makes himself alone: that ends sign-ins at once, and makes nothing easier. */
    r = admin(ROUTE_user_patch, "approver", "{\"disabled\":true}");
    assert_reply(&h, r, 200, "");
    r = admin(ROUTE_user_patch, "lead", "{\"disabled\":true}");
    assert_reply(&h, r, 200, "");
    r = admin(ROUTE_user_create, NULL, "{\"name\":\"puppet4\"}");
    assert_reply(&h, r, 202, "");
    for (int hour = 0; hour < 7 * 24; hour++)
        sleep_to(HOUR);
    for (size_t i = 0; i < n; i++) {
        if (strcmp(state_of(h.admin, id[i]), "waiting") != 0)
            fail_msg("%s %s: %s", route_by_id(tries[i].route)->name, tries[i].body, state_of(h.admin, id[i]));
    }
    assert_false(there_is("puppet"));
    r = house_call(&h, NULL, ROUTE_login, NULL, NULL, "{\"user\":\"engineer\",\"password\":\"now it is mine\"}");
    assert_reply(&h, r, 401, "login-failed");
    r = house_call(&h, token, ROUTE_me, NULL, NULL, NULL);
    assert_reply(&h, r, 401, "login-needed");
    r = admin(ROUTE_user_create, NULL, "{\"name\":\"puppet5\"}");
    assert_reply(&h, r, 202, "");

    /* Somebody is back: a day from now, in which it can be stopped. */
    r = admin(ROUTE_user_patch, "lead", "{\"disabled\":false}");
    assert_reply(&h, r, 200, "");
    sleep_to(DAY - 1);
    assert_string_equal(state_of(h.admin, id[0]), "waiting");
    r = house_call(&h, house_login(&h, "lead"), ROUTE_change_stop, id[0], NULL, "{}");
    assert_reply(&h, r, 200, "");
    sleep_to(2);
    assert_string_equal(state_of(h.admin, id[0]), "stopped");
    assert_string_equal(state_of(h.admin, id[1]), "done"); /* told a day ahead, let pass */
}

/* Whoever was away for a month is no longer counted: a server does not stay locked for ever. */
static void memory_ends(void **state)
{
    struct reply r;

    (void) state;
    sleep_to(2 * DAY);
    r = admin(ROUTE_user_patch, "approver", "{\"disabled\":true}");
    assert_reply(&h, r, 200, "");
    r = admin(ROUTE_user_patch, "lead", "{\"disabled\":true}");
    assert_reply(&h, r, 200, "");
    sleep_to(GUARD_MEMORY_MS - 1);
    r = admin(ROUTE_user_create, NULL, "{\"name\":\"eve\"}");
    assert_reply(&h, r, 202, "");
    sleep_to(1);
    r = admin(ROUTE_user_create, NULL, "{\"name\":\"adam\"}");
    assert_reply(&h, r, 201, "");
}

/* Also on the first day: who has just been locked out is no reason to be the only one. */
static void the_first_day_is_not_for_being_alone(void **state)
{
    struct reply r = admin(ROUTE_user_create, NULL, "{\"name\":\"second\",\"password\":\"" HOUSE_PASSWORD
                                                    "\",\"groups\":[\"admins\"]}");

    (void) state;
    assert_reply(&h, r, 201, "");
    r = admin(ROUTE_user_patch, "second", "{\"disabled\":true}");
    assert_reply(&h, r, 200, "");
    r = admin(ROUTE_user_create, NULL, "{\"name\":\"eve\",\"groups\":[\"approvers\"]}");
    assert_reply(&h, r, 202, "");
    assert_true(reply_has(&r, "effective_at"));
}

/* A project's administrator is not alone, even where the only administrator does not vote. */
static void a_project_administrator_waits(void **state)
{
    struct reply r = admin(ROUTE_project_create, NULL, "{\"name\":\"attic\"}");
    const char *keeper;

    (void) state;
    assert_reply(&h, r, 201, "");
    r = admin(ROUTE_user_create, NULL, "{\"name\":\"keeper\",\"password\":\"" HOUSE_PASSWORD
                                       "\",\"roles\":[{\"role\":\"project-admin\",\"project\":\"attic\"}]}");
    assert_reply(&h, r, 201, "");
    r = admin(ROUTE_group_patch, "approvers", "{\"members\":[]}");
    assert_reply(&h, r, 200, "");
    sleep_to(2 * DAY);
    keeper = house_login(&h, "keeper");
    r = house_call(&h, keeper, ROUTE_project_patch, "attic", NULL, "{\"add\":[{\"user\":\"keeper\",\"role\":\"approver\"}]}");
    assert_reply(&h, r, 202, "");
}

#define REST "actions = { play } purposes = { \"support\" } max = 15min binding = { dpop, bearer } "

/* Somebody whom a rule names before there is one; and everybody, where a rule names nobody. */
static void people_to_come(void **state)
{
    static const struct {
        const char *rule, *body;
        int status;
    } cases[] = {
        { "who = { \"role:viewer\" } ask { need = 1 from = { \"user:boss\" } }", "{\"name\":\"boss\",\"roles\":[]}", 202 },
        { "who = { \"role:viewer\" } ask { need = 1 from = { \"user:boss\" } }", "{\"name\":\"bosses\",\"roles\":[]}", 201 },
        { "who = { \"user:boss\" } ask { need = 1 from = { \"role:approver\" } }", "{\"name\":\"boss\"}", 202 },
        { "who = { \"user:boss\" } ask { need = 1 from = { \"role:approver\" } }", "{\"name\":\"eve\"}", 201 },
        { "ask { need = 1 from = { \"role:approver\" } }", "{\"name\":\"eve\"}", 202 },
        { "ask { need = 1 from = { \"role:approver\" } }", "{\"name\":\"eve\",\"roles\":[]}", 201 },
    };
    static char policy[2048];

    (void) state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct reply r;

        (void) snprintf(policy, sizeof(policy), "purpose \"support\" { } rule \"one\" { " REST "%s }\n", cases[i].rule);
        house_open(&h, policy, true);
        sleep_to(2 * DAY);
        r = admin(ROUTE_user_create, NULL, cases[i].body);
        if (r.status != cases[i].status)
            fail_msg("%s %s: %d", cases[i].rule, cases[i].body, r.status);
        house_close(&h);
    }
}

/* What the policy does not rest on changes at once, on any day. */
static void the_rest_is_free(void **state)
{
    struct reply r;

    (void) state;
    sleep_to(2 * DAY);
    r = admin(ROUTE_user_create, NULL, "{\"name\":\"guest\",\"roles\":[]}");
    assert_reply(&h, r, 201, "");
    r = admin(ROUTE_user_patch, "guest", "{\"password\":\"a fresh password\"}");
    assert_reply(&h, r, 200, "");
    r = admin(ROUTE_user_patch, "engineer", "{\"full_name\":\"Somebody Else\"}");
    assert_reply(&h, r, 200, "");
    r = admin(ROUTE_user_patch, "engineer", "{\"groups\":[]}"); /* as it is */
    assert_reply(&h, r, 200, "");
    r = admin(ROUTE_group_create, NULL, "{\"name\":\"lunch\",\"members\":[\"engineer\"]}");
    assert_reply(&h, r, 201, "");
    r = admin(ROUTE_token_create, NULL, "{\"kind\":\"api\"}");
    assert_reply(&h, r, 201, "");
    r = admin(ROUTE_token_create, NULL, "{\"kind\":\"ingest\",\"project\":\"shop\"}");
    assert_reply(&h, r, 201, "");
    r = house_call(&h, house_login(&h, "engineer"), ROUTE_user_patch, "engineer", NULL,
                   "{\"password\":\"my own choice\",\"current_password\":\"" HOUSE_PASSWORD "\"}");
    assert_reply(&h, r, 200, "");
    assert_int_equal(house_leaves(&h, "change.proposed", NULL), 0);
}

/* A waiting token works from its approval on, and a stopped one never. */
static void a_token_for_somebody_else(void **state)
{
    struct reply r = admin(ROUTE_user_create, NULL, "{\"name\":\"second\",\"password\":\"" HOUSE_PASSWORD
                                                    "\",\"groups\":[\"admins\"]}");
    const char *second = house_login(&h, "second"), *good, *bad, *good_id, *bad_id;

    (void) state;
    assert_reply(&h, r, 201, "");
    r = admin(ROUTE_token_create, NULL, "{\"kind\":\"api\",\"user\":\"engineer\"}");
    assert_reply(&h, r, 202, "");
    good = reply_str(&h, &r, "token");
    good_id = reply_str(&h, &r, "id");
    r = admin(ROUTE_token_create, NULL, "{\"kind\":\"api\",\"user\":\"engineer\"}");
    bad = reply_str(&h, &r, "token");
    bad_id = reply_str(&h, &r, "id");
    assert_int_equal(house_leaves(&h, "token.created", "api"), 1); /* init's */
    r = house_call(&h, second, ROUTE_change_approve, good_id, NULL, "{}");
    assert_reply(&h, r, 200, "");
    assert_false(reply_has(&r, "token"));
    r = house_call(&h, second, ROUTE_change_stop, bad_id, NULL, "{}");
    assert_reply(&h, r, 200, "");
    r = house_call(&h, good, ROUTE_me, NULL, NULL, NULL);
    assert_reply(&h, r, 200, "");
    assert_string_equal(reply_str(&h, &r, "user.name"), "engineer");
    r = house_call(&h, bad, ROUTE_me, NULL, NULL, NULL);
    assert_reply(&h, r, 401, "login-needed");
    assert_int_equal(house_leaves(&h, "token.created", "api"), 2);
}

/* A vote by somebody who was made or changed in the last 24 h counts, and says so. */
static void a_fresh_voter_is_marked(void **state)
{
    const char *rid = house_recording(&h, h.admin, "Checkout fails", "user-17"), *digest, *qid;
    const char *ask = textf("{\"recordings\":[\"%s\"],\"actions\":[\"play\"],\"purpose\":{\"code\":\"support\",\"reason\":"
                            "\"Customer says that checkout fails\"},\"duration_s\":600}", rid);
    struct reply r = admin(ROUTE_user_create, NULL, "{\"name\":\"fresh\",\"password\":\"" HOUSE_PASSWORD
                                                    "\",\"groups\":[\"approvers\"]}");

    (void) state;
    assert_reply(&h, r, 201, "");
    sleep_to(DAY - 1000);
    r = house_call(&h, house_login(&h, "engineer"), ROUTE_request_create, NULL, NULL, ask);
    qid = reply_str(&h, &r, "id");
    digest = textf("{\"digest\":\"%s\"}", reply_str(&h, &r, "digest"));
    r = house_call(&h, house_login(&h, "fresh"), ROUTE_request_approve, qid, NULL, digest);
    assert_reply(&h, r, 200, "");
    assert_int_equal(house_leaves_with(&h, "request.voted", "\"changed\":1"), 1);
    sleep_to(2000);
    r = house_call(&h, house_login(&h, "engineer"), ROUTE_grant_relinquish, reply_str(&h, &r, "grant"), NULL, "{}");
    assert_reply(&h, r, 200, "");
    r = house_call(&h, house_login(&h, "engineer"), ROUTE_request_create, NULL, NULL, ask);
    qid = reply_str(&h, &r, "id");
    digest = textf("{\"digest\":\"%s\"}", reply_str(&h, &r, "digest"));
    r = house_call(&h, house_login(&h, "fresh"), ROUTE_request_approve, qid, NULL, digest);
    assert_reply(&h, r, 200, "");
    assert_int_equal(house_leaves_with(&h, "request.voted", "\"changed\":1"), 1);
}

/* A policy may say that a new user holds no role. */
static void a_new_user_may_hold_nothing(void **state)
{
    static char policy[64 << 10];
    struct reply r;

    (void) state;
    (void) snprintf(policy, sizeof(policy), "new_user = none\n%s", house_preset("team"));
    house_open(&h, policy, true);
    r = admin(ROUTE_user_create, NULL, "{\"name\":\"eve\"}");
    assert_reply(&h, r, 201, "");
    assert_int_equal(reply_int(&r, "roles"), 0);
    r = admin(ROUTE_user_create, NULL, "{\"name\":\"adam\",\"roles\":[{\"role\":\"viewer\"}]}");
    assert_int_equal(reply_int(&r, "roles"), 1);
    house_close(&h);
}

/* A token that was stolen makes none that outlives it; who signs in says how long. */
static void tokens_do_not_outlive_their_maker(void **state)
{
    const char *engineer = house_login(&h, "engineer"), *api, *ends;
    struct reply r = house_call(&h, engineer, ROUTE_token_create, NULL, NULL, "{\"kind\":\"api\",\"expires_in_s\":3600}");

    (void) state;
    assert_reply(&h, r, 201, "");
    api = reply_str(&h, &r, "token");
    ends = reply_str(&h, &r, "expires_at");
    house_sleep(&h, 60000);
    r = house_call(&h, api, ROUTE_token_create, NULL, NULL, "{\"kind\":\"api\",\"expires_in_s\":315360000}");
    assert_reply(&h, r, 201, "");
    assert_string_equal(reply_str(&h, &r, "expires_at"), ends);
    r = house_call(&h, api, ROUTE_token_create, NULL, NULL, "{\"kind\":\"api\",\"expires_in_s\":600}");
    assert_reply(&h, r, 201, "");
    assert_true(strcmp(reply_str(&h, &r, "expires_at"), ends) < 0);
    r = house_call(&h, engineer, ROUTE_token_create, NULL, NULL, "{\"kind\":\"api\",\"expires_in_s\":86400}");
    assert_true(strcmp(reply_str(&h, &r, "expires_at"), ends) > 0);
}

/* An administrator who left the screen open: nobody at it gives that account other roles, groups or another person. */
static void ones_own_rights_want_a_fresh_sign_in(void **state)
{
    const char *lead = house_login(&h, "lead"), *id;
    struct reply r = house_call(&h, lead, ROUTE_me, NULL, NULL, NULL);

    (void) state;
    id = reply_str(&h, &r, "user.id");
    r = admin(ROUTE_group_patch, "admins", textf("{\"add\":[\"%s\"]}", id));
    assert_reply(&h, r, 200, "");
    for (int i = 0; i < 2; i++) { /* used all the while, so that it is not idle, and older than 15 minutes */
        house_sleep(&h, 8 * 60000);
        r = house_call(&h, lead, ROUTE_me, NULL, NULL, NULL);
        assert_reply(&h, r, 200, "");
    }
    r = house_call(&h, lead, ROUTE_user_patch, id, NULL, "{\"subjects\":[]}");
    assert_reply(&h, r, 401, "reauth-needed");
    r = house_call(&h, lead, ROUTE_user_patch, id, NULL, "{\"person\":\"approver\"}");
    assert_reply(&h, r, 401, "reauth-needed");
}

/* ---- everything of theirs ends, in the very command that says so ---- */

struct watched {
    const char *token, *gid, *rid, *api;
};

/* engineer watches by a sign-in and by an API token. */
static struct watched watching(void)
{
    struct watched w = { .rid = house_recording(&h, h.admin, "Checkout fails", "user-17"), .token = house_login(&h, "engineer") };
    struct reply r = house_call(&h, w.token, ROUTE_token_create, NULL, NULL, "{\"kind\":\"api\"}");
    const char *digest, *qid, *key = textf("{\"recording\":\"%s\"}", w.rid);

    w.api = reply_str(&h, &r, "token");
    r = house_call(&h, w.token, ROUTE_request_create, NULL, NULL,
                   textf("{\"recordings\":[\"%s\"],\"actions\":[\"play\"],\"purpose\":{\"code\":\"support\",\"reason\":"
                         "\"Customer says that checkout fails\"},\"duration_s\":600}", w.rid));
    qid = reply_str(&h, &r, "id");
    digest = textf("{\"digest\":\"%s\"}", reply_str(&h, &r, "digest"));
    r = house_call(&h, house_login(&h, "approver"), ROUTE_request_approve, qid, NULL, digest);
    assert_reply(&h, r, 200, "");
    w.gid = reply_str(&h, &r, "grant");
    r = house_call(&h, w.token, ROUTE_keys_issue, w.gid, NULL, key);
    assert_reply(&h, r, 201, "");
    r = house_call(&h, w.api, ROUTE_keys_issue, w.gid, NULL, key);
    assert_reply(&h, r, 201, "");
    house_forget(&h);
    return w;
}

static int live_keys(const struct watched *w)
{
    struct reply r = house_call(&h, h.admin, ROUTE_keys_list, NULL, textf("{\"grant\":\"%s\"}", w->gid), NULL);
    int n = 0;

    assert_reply(&h, r, 200, "");
    for (int i = 0; i < reply_int(&r, "items"); i++)
        n += strcmp(reply_str(&h, &r, textf("items.%d.state", i)), "live") == 0;
    return n;
}

static void disabling_ends_everything(void **state)
{
    struct watched w = watching();
    struct reply r;

    (void) state;
    assert_int_equal(live_keys(&w), 2);
    r = admin(ROUTE_user_patch, "engineer", "{\"disabled\":true}");
    assert_reply(&h, r, 200, "");
    assert_int_equal(house_pushed(&h, IPC_T_DENY), 2);
    assert_int_equal(house_pushed(&h, IPC_T_GRANTS), 1);
    assert_int_equal(live_keys(&w), 0);
    r = house_call(&h, h.admin, ROUTE_grant_get, w.gid, NULL, NULL);
    assert_string_equal(reply_str(&h, &r, "state"), "REVOKED");
    r = house_call(&h, w.token, ROUTE_me, NULL, NULL, NULL);
    assert_reply(&h, r, 401, "login-needed");
    r = house_call(&h, w.api, ROUTE_me, NULL, NULL, NULL);
    assert_reply(&h, r, 401, "login-needed");
    r = house_call(&h, NULL, ROUTE_login, NULL, NULL, "{\"user\":\"engineer\",\"password\":\"" HOUSE_PASSWORD "\"}");
    assert_reply(&h, r, 401, "login-failed");
}

static void another_password_ends_what_the_old_one_opened(void **state)
{
    struct watched w = watching();
    struct reply r;

    (void) state;
    r = admin(ROUTE_user_patch, "engineer", "{\"password\":\"a new beginning\"}");
    assert_reply(&h, r, 200, "");
    assert_int_equal(house_pushed(&h, IPC_T_DENY), 2);
    assert_int_equal(live_keys(&w), 0);
    r = house_call(&h, w.token, ROUTE_me, NULL, NULL, NULL);
    assert_reply(&h, r, 401, "login-needed");
    r = house_call(&h, w.api, ROUTE_me, NULL, NULL, NULL);
    assert_reply(&h, r, 401, "login-needed");
}

static void a_revoked_token_ends_its_own(void **state)
{
    struct watched w = watching();
    struct reply r = house_call(&h, w.token, ROUTE_tokens_list, NULL, NULL, NULL);
    const char *id = reply_str(&h, &r, "items.0.id");

    (void) state;
    r = house_call(&h, w.token, ROUTE_token_revoke, id, NULL, NULL);
    assert_int_equal(r.status, 204);
    assert_int_equal(house_pushed(&h, IPC_T_DENY), 1);
    assert_int_equal(live_keys(&w), 1);
    assert_int_equal(house_leaves_with(&h, "token.revoked", "\"unsigned\":1"), 1);
    r = house_call(&h, w.api, ROUTE_me, NULL, NULL, NULL);
    assert_reply(&h, r, 401, "login-needed");
    r = house_call(&h, w.token, ROUTE_me, NULL, NULL, NULL);
    assert_reply(&h, r, 200, "");
}

#define TEAM(t)  cmocka_unit_test_setup_teardown(t, open_team, close_house)
#define ALONE(t) cmocka_unit_test_setup_teardown(t, open_alone, close_house)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEAM(the_first_day_is_free_and_marked), ALONE(alone_it_works_at_once), TEAM(it_waits_a_day_and_can_be_stopped),
        TEAM(the_second_administrator),         TEAM(what_cannot_be_done_any_more_fails),
        TEAM(one_administrator_given_a_week),   TEAM(memory_ends),
        TEAM(a_clock_put_forward_is_no_day), TEAM(stopping_needs_no_fresh_sign_in), TEAM(a_fresh_voter_is_marked),          TEAM(the_first_day_is_not_for_being_alone),
        ALONE(a_project_administrator_waits),   cmocka_unit_test(people_to_come),
        cmocka_unit_test(a_new_user_may_hold_nothing), TEAM(disabling_ends_everything),
        TEAM(another_password_ends_what_the_old_one_opened), TEAM(a_revoked_token_ends_its_own),
        TEAM(the_rest_is_free),                 TEAM(a_token_for_somebody_else),
        TEAM(tokens_do_not_outlive_their_maker), TEAM(ones_own_rights_want_a_fresh_sign_in),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
