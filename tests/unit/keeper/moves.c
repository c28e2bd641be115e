/* Requests and grants at full depth, through the keeper: several people, time and recordings beforehand, linked requests,
 * suspend and resume, break-glass with its review, the brake, caps. */
#include <stdio.h>

#include "house.h"

#define RULES \
    "purpose \"support\" { reason_min = 10 }\n" \
    "rule \"watch\" { who = { \"role:viewer\" } actions = { play, live } purposes = { \"support\" } max = 60min\n" \
    "  start = { approval, first-use, time } viewers = 3 more { same = { subject } max = 1 } more_time { times = 2 each = 10min }\n" \
    "  binding = { dpop, bearer } ask { need = 1 from = { \"role:approver\" } } }\n"

static const char policy[] = RULES "caps { recording = 2h day = 3h }\n";

static struct house h;
static const char *engineer, *second, *approver, *lead;

static int open_house(void **state)
{
    (void) state;
    house_open(&h, policy, true);
    engineer = house_login(&h, "engineer");
    second = house_login(&h, "second-engineer");
    approver = house_login(&h, "approver");
    lead = house_login(&h, "lead");
    return 0;
}

static int open_without_caps(void **state)
{
    (void) state;
    house_open(&h, RULES, true);
    engineer = house_login(&h, "engineer");
    approver = house_login(&h, "approver");
    return 0;
}

static int close_house(void **state)
{
    (void) state;
    house_close(&h);
    return 0;
}

/* ---- the steps that each test is made of ---- */

static struct reply ask(const char *who, const char *rid, int seconds, const char *more)
{
    char text[1024];

    (void) snprintf(text, sizeof(text),
                    "{\"recordings\":[\"%s\"],\"actions\":[\"play\"],\"purpose\":{\"code\":\"support\",\"reason\":\"a "
                    "customer cannot pay\",\"ticket\":\"T-1\"},\"duration_s\":%d%s}",
                    rid, seconds, more);
    return house_call(&h, who, ROUTE_request_create, NULL, NULL, text);
}

static struct reply vote(const char *who, const struct reply *q)
{
    char text[128];

    (void) snprintf(text, sizeof(text), "{\"digest\":\"%s\"}", reply_str(&h, q, "digest"));
    return house_call(&h, who, ROUTE_request_approve, reply_str(&h, q, "id"), NULL, text);
}

/* Asked for, approved; the answer of the vote. */
static struct reply opened(const char *who, const char *rid, int seconds, const char *more)
{
    struct reply q = ask(who, rid, seconds, more), r;

    assert_reply(&h, q, 201, "");
    r = vote(approver, &q);
    assert_reply(&h, r, 200, "");
    return r;
}

static struct reply get(const char *who, const char *gid)
{
    return house_call(&h, who, ROUTE_grant_get, gid, NULL, NULL);
}

static struct reply key(const char *who, const char *gid, const char *rid)
{
    char text[64];

    (void) snprintf(text, sizeof(text), "{\"recording\":\"%s\"}", rid);
    return house_call(&h, who, ROUTE_keys_issue, gid, NULL, text);
}

static void assert_state(const char *gid, const char *state)
{
    struct reply r = get(approver, gid);

    assert_string_equal(reply_str(&h, &r, "state"), state);
}

static time_ms end_of(const char *gid)
{
    struct reply r = get(approver, gid);
    time_ms t = 0;

    assert_true(time_parse_rfc3339(span_str(reply_str(&h, &r, "window.end")), &t));
    return t;
}

/* ---- several people ---- */

static void each_viewer_has_a_grant(void **state)
{
    const char *rid = house_recording(&h, h.admin, "Pays", "user-1"), *own, *beside;
    struct reply q, r;

    (void) state;
    q = ask(engineer, rid, 600, ",\"viewers\":[\"second-engineer\"]");
    assert_reply(&h, q, 201, "");
    assert_string_equal(reply_str(&h, &q, "viewers.1.name"), "second-engineer");
    assert_true(reply_has(&q, "digest_object.viewers.1"));
    r = vote(approver, &q);
    assert_reply(&h, r, 200, "");
    own = reply_str(&h, &r, "grant");
    assert_string_equal(reply_str(&h, &r, "grants.0.grant"), own);
    beside = reply_str(&h, &r, "grants.1.grant");
    assert_string_equal(reply_str(&h, &r, "grants.1.holder.name"), "second-engineer");
    assert_int_equal(house_leaves(&h, "grant.activated", NULL), 2);

    /* Each with keys of their own, and only their own. */
    r = key(engineer, own, rid);
    assert_reply(&h, r, 201, "");
    r = key(second, beside, rid);
    assert_reply(&h, r, 201, "");
    r = key(engineer, beside, rid);
    assert_int_equal(r.status, 404);
    r = key(second, own, rid);
    assert_int_equal(r.status, 404);
    r = house_call(&h, second, ROUTE_recording_get, rid, NULL, NULL);
    assert_string_equal(reply_str(&h, &r, "access"), "open");
    r = house_call(&h, second, ROUTE_request_get, reply_str(&h, &q, "id"), NULL, NULL);
    assert_reply(&h, r, 200, "");

    /* One ends, the other goes on; the request says what became of its own. */
    r = house_call(&h, engineer, ROUTE_grant_relinquish, own, NULL, NULL);
    assert_reply(&h, r, 200, "");
    assert_state(own, "RELINQUISHED");
    assert_state(beside, "ACTIVE");
    r = house_call(&h, approver, ROUTE_grant_revoke, beside, NULL, NULL);
    assert_reply(&h, r, 200, "");
    r = house_call(&h, engineer, ROUTE_request_get, reply_str(&h, &q, "id"), NULL, NULL);
    assert_string_equal(reply_str(&h, &r, "state"), "RELINQUISHED");
}

static void who_may_be_a_viewer(void **state)
{
    const char *rid = house_recording(&h, h.admin, "Pays", "user-1");
    struct reply q, r;

    (void) state;
    r = ask(engineer, rid, 600, ",\"viewers\":[\"nobody\"]");
    assert_reply(&h, r, 422, "invalid");
    r = ask(engineer, rid, 600, ",\"viewers\":[\"second-engineer\",\"second-engineer\"]");
    assert_reply(&h, r, 422, "invalid");
    r = ask(engineer, rid, 600, ",\"viewers\":[\"second-engineer\",\"lead\",\"approver\"]");
    assert_reply(&h, r, 422, "invalid"); /* one more than the rule takes */
    assert_string_equal(reply_str(&h, &r, "errors.0.at"), "/viewers");
    /* Who watches does not vote. */
    q = ask(engineer, rid, 600, ",\"viewers\":[\"approver\"]");
    if (q.status == 201) {
        r = vote(approver, &q);
        assert_reply(&h, r, 403, "not-eligible");
        assert_string_equal(reply_str(&h, &r, "cause"), "viewer");
        r = vote(lead, &q);
        assert_reply(&h, r, 200, "");
    } else {
        assert_reply(&h, q, 422, "invalid"); /* an approver who may not ask */
    }
}

static void a_cancelled_request_takes_its_viewers_along(void **state)
{
    const char *rid = house_recording(&h, h.admin, "Pays", "user-1");
    struct reply q = opened(engineer, rid, 600, ",\"start\":\"first-use\",\"viewers\":[\"second-engineer\"]"), r;
    const char *beside = reply_str(&h, &q, "grants.1.grant");

    (void) state;
    assert_state(beside, "SCHEDULED");
    r = house_call(&h, engineer, ROUTE_request_cancel, reply_str(&h, &q, "id"), NULL, NULL);
    assert_reply(&h, r, 200, "");
    assert_state(beside, "CANCELLED");
    /* Each window begins with the first use of its own holder. */
    q = opened(engineer, rid, 600, ",\"start\":\"first-use\",\"viewers\":[\"second-engineer\"]");
    beside = reply_str(&h, &q, "grants.1.grant");
    r = key(second, beside, rid);
    assert_reply(&h, r, 201, "");
    assert_state(beside, "ACTIVE");
    assert_state(reply_str(&h, &q, "grant"), "SCHEDULED");
}

/* ---- more ---- */

static void time_beforehand(void **state)
{
    const char *rid = house_recording(&h, h.admin, "Pays", "user-1"), *gid;
    struct reply q = opened(engineer, rid, 600, ",\"more_time\":{\"times\":2,\"each_s\":300}"), r;
    time_ms end;

    (void) state;
    gid = reply_str(&h, &q, "grant");
    end = end_of(gid);
    r = house_call(&h, second, ROUTE_grant_more_time, gid, NULL, NULL);
    assert_int_equal(r.status, 404);
    r = house_call(&h, approver, ROUTE_grant_more_time, gid, NULL, NULL);
    assert_reply(&h, r, 403, "forbidden");
    for (int i = 1; i <= 2; i++) {
        house_sleep(&h, 60000);
        r = house_call(&h, engineer, ROUTE_grant_more_time, gid, NULL, NULL);
        assert_reply(&h, r, 201, "");
        assert_string_equal(reply_str(&h, &r, "state"), "ACTIVE");
        assert_string_equal(reply_str(&h, &r, "extends.kind"), "more-time");
        assert_string_equal(reply_str(&h, &r, "purpose.reason"), "a customer cannot pay");
        assert_int_equal(reply_int(&r, "need"), 0);
        /* Each part begins where the newest window ends. */
        assert_true(end_of(reply_str(&h, &r, "grant")) == end + i * 300000);
    }
    assert_int_equal(house_leaves(&h, "grant.activated", "granted-beforehand"), 2);
    r = get(engineer, gid);
    assert_int_equal(reply_int(&r, "more_time.used"), 2);
    assert_true(end_of(gid) == end);
    /* Used up: now it takes a vote. */
    r = house_call(&h, engineer, ROUTE_grant_more_time, gid, NULL, "{\"duration_s\":60}");
    assert_reply(&h, r, 201, "");
    assert_string_equal(reply_str(&h, &r, "state"), "PENDING");
    assert_string_equal(reply_str(&h, &r, "extends.kind"), "extend");
    r = house_call(&h, engineer, ROUTE_grant_more_time, gid, NULL, "{\"duration_s\":60}");
    assert_reply(&h, r, 409, "request-open");
    /* Revoked: all that belongs to it. */
    r = house_call(&h, approver, ROUTE_grant_revoke, gid, NULL, NULL);
    assert_reply(&h, r, 200, "");
    r = house_call(&h, engineer, ROUTE_grants_list, NULL, "{\"state\":\"live\"}", NULL);
    assert_false(reply_has(&r, "items.0"));
}

static void extension(void **state)
{
    const char *rid = house_recording(&h, h.admin, "Pays", "user-1"), *gid, *next;
    struct reply q = opened(engineer, rid, 600, ""), e, r;
    char more[64];
    time_ms end;

    (void) state;
    gid = reply_str(&h, &q, "grant");
    end = end_of(gid);
    (void) snprintf(more, sizeof(more), ",\"extends\":\"%s\"", gid);
    r = ask(second, rid, 300, more);
    assert_int_equal(r.status, 404); /* another's */
    e = ask(engineer, rid, 300, more);
    assert_reply(&h, e, 201, "");
    assert_string_equal(reply_str(&h, &e, "digest_object.extends"), gid);
    house_sleep(&h, 599999);
    r = vote(approver, &e); /* the last moment */
    assert_reply(&h, r, 200, "");
    next = reply_str(&h, &r, "grant");
    assert_string_not_equal(next, gid);
    assert_true(end_of(next) == end + 300000);
    r = key(engineer, next, rid);
    assert_reply(&h, r, 201, "");
    house_sleep(&h, 1);
    house_tick(&h, CMD_SECOND);
    assert_state(gid, "EXPIRED");
    assert_state(next, "ACTIVE");

    /* Approved too late, or while it is suspended: it goes on with nothing. */
    (void) snprintf(more, sizeof(more), ",\"extends\":\"%s\"", next);
    e = ask(engineer, rid, 300, more);
    assert_reply(&h, e, 201, "");
    r = house_call(&h, approver, ROUTE_grant_suspend, next, NULL, NULL);
    assert_reply(&h, r, 200, "");
    r = vote(approver, &e);
    assert_reply(&h, r, 409, "grant-state-conflict");
    house_sleep(&h, 300000);
    r = vote(approver, &e);
    assert_reply(&h, r, 409, "grant-state-conflict");
    r = house_call(&h, engineer, ROUTE_grant_more_time, next, NULL, NULL);
    assert_reply(&h, r, 409, "grant-state-conflict");
}

static void widening(void **state)
{
    const char *rid = house_recording(&h, h.admin, "Pays", "user-1"), *same = house_recording(&h, h.admin, "Again", "user-1");
    const char *third = house_recording(&h, h.admin, "Third", "user-1"), *other = house_recording(&h, h.admin, "Other", "user-2");
    struct reply q = opened(engineer, rid, 600, ",\"more\":{\"same\":\"subject\",\"max\":1}"), r;
    const char *gid = reply_str(&h, &q, "grant");
    char text[64];

    (void) state;
    (void) snprintf(text, sizeof(text), "{\"recording\":\"%s\"}", same);
    r = key(engineer, gid, same);
    assert_reply(&h, r, 403, "recording-mismatch");
    r = house_call(&h, engineer, ROUTE_grant_widen, gid, NULL, text);
    assert_reply(&h, r, 200, "");
    assert_int_equal(reply_int(&r, "more.used"), 1);
    assert_int_equal(house_leaves(&h, "grant.widened", "ok"), 1);
    r = key(engineer, gid, same);
    assert_reply(&h, r, 201, "");
    r = house_call(&h, engineer, ROUTE_grant_widen, gid, NULL, text);
    assert_reply(&h, r, 409, "already-exists");
    /* Used up, and of another person: asked for. */
    (void) snprintf(text, sizeof(text), "{\"recording\":\"%s\"}", third);
    r = house_call(&h, engineer, ROUTE_grant_widen, gid, NULL, text);
    assert_reply(&h, r, 201, "");
    assert_string_equal(reply_str(&h, &r, "state"), "PENDING");
    assert_string_equal(reply_str(&h, &r, "extends.kind"), "widen");
    assert_string_equal(reply_str(&h, &r, "recordings.0.id"), third);
    (void) snprintf(text, sizeof(text), "{\"recording\":\"%s\"}", other);
    r = house_call(&h, engineer, ROUTE_grant_widen, gid, NULL, text);
    assert_reply(&h, r, 201, "");
    r = vote(approver, &r);
    assert_reply(&h, r, 200, "");
    assert_string_not_equal(reply_str(&h, &r, "grant"), gid);
    r = key(engineer, reply_str(&h, &r, "grant"), other);
    assert_reply(&h, r, 201, "");
}

/* What another rule decides, which may want more people, is asked for and not added. */
static void widening_by_the_same_rule(void **state)
{
    static const char two[] =
        "purpose \"support\" { reason_min = 10 }\n"
        "rule \"secret\" { who = { \"role:viewer\" } link = { \"ticket:SEC-1\" } actions = { play } purposes = { \"support\" }\n"
        "  max = 60min binding = { dpop, bearer } ask { need = 2 from = { \"role:approver\" } } }\n"
        "rule \"watch\" { who = { \"role:viewer\" } actions = { play } purposes = { \"support\" } max = 60min\n"
        "  more { same = { subject } max = 2 } binding = { dpop, bearer } ask { need = 1 from = { \"role:approver\" } } }\n";
    const char *rid, *secret, *plain, *gid;
    char text[64];
    struct reply r;

    (void) state;
    house_close(&h);
    house_open(&h, two, true);
    engineer = house_login(&h, "engineer");
    approver = house_login(&h, "approver");
    rid = house_recording(&h, h.admin, "Pays", "user-1");
    plain = house_recording(&h, h.admin, "Again", "user-1");
    secret = house_recording(&h, h.admin, "Secret", "user-1");
    r = house_call(&h, h.admin, ROUTE_recording_links_put, secret, NULL, "{\"links\":[{\"type\":\"ticket\",\"id\":\"SEC-1\"}]}");
    assert_reply(&h, r, 200, "");
    r = opened(engineer, rid, 600, ",\"more\":{\"same\":\"subject\",\"max\":2}");
    gid = reply_str(&h, &r, "grant");
    (void) snprintf(text, sizeof(text), "{\"recording\":\"%s\"}", secret);
    r = house_call(&h, engineer, ROUTE_grant_widen, gid, NULL, text);
    assert_reply(&h, r, 201, "");
    assert_string_equal(reply_str(&h, &r, "state"), "PENDING");
    assert_int_equal(reply_int(&r, "need"), 2);
    r = key(engineer, gid, secret);
    assert_reply(&h, r, 403, "recording-mismatch");
    (void) snprintf(text, sizeof(text), "{\"recording\":\"%s\"}", plain);
    r = house_call(&h, engineer, ROUTE_grant_widen, gid, NULL, text);
    assert_reply(&h, r, 200, "");
}

static void joining(void **state)
{
    const char *rid = house_recording(&h, h.admin, "Pays", "user-1");
    struct reply q = opened(engineer, rid, 600, ""), r;
    const char *gid = reply_str(&h, &q, "grant");

    (void) state;
    house_sleep(&h, 60000);
    r = house_call(&h, engineer, ROUTE_grant_join, gid, NULL, NULL);
    assert_reply(&h, r, 409, "grant-state-conflict");
    r = house_call(&h, second, ROUTE_grant_join, gid, NULL, NULL);
    assert_reply(&h, r, 201, "");
    assert_string_equal(reply_str(&h, &r, "extends.kind"), "join");
    assert_string_equal(reply_str(&h, &r, "purpose.ticket"), "T-1");
    assert_int_equal(reply_int(&r, "duration_s"), 540);
    r = vote(approver, &r);
    assert_reply(&h, r, 200, "");
    assert_string_equal(reply_str(&h, &r, "grants.0.holder.name"), "second-engineer");
    assert_true(end_of(reply_str(&h, &r, "grant")) == end_of(gid));
    r = house_call(&h, approver, ROUTE_grant_revoke, gid, NULL, NULL);
    r = house_call(&h, second, ROUTE_grant_join, gid, NULL, NULL);
    assert_reply(&h, r, 409, "grant-state-conflict");
}

/* However long the chain: taking away its beginning takes away its end. 100 grants are the most. */
static void a_long_chain_is_one_access(void **state)
{
    const char *rid = house_recording(&h, h.admin, "Pays", "user-1"), *gid, *last;
    char text[64];
    struct reply q = opened(engineer, rid, 600, ""), r;

    (void) state;
    gid = last = reply_str(&h, &q, "grant");
    for (int i = 1; i < 100; i++) {
        (void) snprintf(text, sizeof(text), ",\"extends\":\"%s\"", last);
        q = opened(engineer, rid, 60, text);
        last = reply_str(&h, &q, "grant");
        if (i % 20 == 19) /* not too many requests a minute */
            house_sleep(&h, 60000);
    }
    assert_state(last, "ACTIVE");
    (void) snprintf(text, sizeof(text), ",\"extends\":\"%s\"", last);
    q = ask(engineer, rid, 60, text);
    assert_reply(&h, q, 422, "invalid");
    assert_string_equal(reply_str(&h, &q, "errors.0.at"), "/extends");
    assert_int_equal(reply_int(&q, "errors.0.limit"), 100);
    r = house_call(&h, engineer, ROUTE_grant_more_time, last, NULL, NULL);
    assert_reply(&h, r, 422, "invalid");
    r = house_call(&h, approver, ROUTE_grant_revoke, gid, NULL, NULL);
    assert_reply(&h, r, 200, "");
    assert_state(last, "REVOKED");
}

/* ---- suspend, resume, idle, tickets ---- */

/* What a rule grants by itself is no way around somebody who said stop: not for less of the same, not by another account. */
static void no_way_around_a_stop(void **state)
{
    static const char by_itself[] =
        "purpose \"support\" { reason_min = 10 }\n"
        "rule \"own\" { who = { \"role:viewer\" } actions = { play } purposes = { \"support\" } max = 60min binding = { dpop, bearer } effect = auto }\n";
    const char *one, *two, *gid;
    char body[400];
    struct reply r;

    (void) state;
    house_close(&h);
    house_open(&h, by_itself, true);
    engineer = house_login(&h, "engineer");
    approver = house_login(&h, "approver");
    lead = house_login(&h, "lead");
    one = house_recording(&h, h.admin, "Pays", "user-1");
    two = house_recording(&h, h.admin, "Again", "user-1");
    (void) snprintf(body, sizeof(body), "{\"recordings\":[\"%s\",\"%s\"],\"actions\":[\"play\"],\"purpose\":{\"code\":\"support\",\"reason\":\"a customer cannot pay\"},\"duration_s\":600}",
                    one, two);
    r = house_call(&h, engineer, ROUTE_request_create, NULL, NULL, body);
    assert_reply(&h, r, 201, "");
    gid = reply_str(&h, &r, "grant");
    assert_state(gid, "ACTIVE");
    r = house_call(&h, approver, ROUTE_grant_suspend, gid, NULL, "{\"comment\":\"one moment\"}");
    assert_reply(&h, r, 200, "");
    r = ask(engineer, two, 600, "");
    assert_reply(&h, r, 409, "grant-state-conflict");
    assert_string_equal(reply_str(&h, &r, "grant"), gid);
    r = house_call(&h, lead, ROUTE_grant_resume, gid, NULL, NULL);
    assert_reply(&h, r, 200, "");
    r = ask(engineer, two, 600, "");
    assert_reply(&h, r, 201, "");
}

static void suspend_and_resume(void **state)
{
    const char *rid = house_recording(&h, h.admin, "Pays", "user-1");
    struct reply q = opened(engineer, rid, 3600, ""), r;
    const char *gid = reply_str(&h, &q, "grant");
    time_ms end = end_of(gid);

    (void) state;
    r = house_call(&h, engineer, ROUTE_grant_suspend, gid, NULL, NULL);
    assert_reply(&h, r, 403, "forbidden");
    house_forget(&h);
    r = house_call(&h, approver, ROUTE_grant_suspend, gid, NULL, "{\"comment\":\"one moment\"}");
    assert_reply(&h, r, 200, "");
    assert_int_equal(house_pushed(&h, IPC_T_GRANTS), 1);
    assert_string_equal(reply_str(&h, &r, "state"), "SUSPENDED");
    assert_string_equal(reply_str(&h, &r, "suspended.comment"), "one moment");
    r = key(engineer, gid, rid);
    assert_reply(&h, r, 403, "grant-suspended");
    house_sleep(&h, 31 * 60000); /* not idle meanwhile */
    house_tick(&h, CMD_SECOND);
    r = house_call(&h, engineer, ROUTE_grant_resume, gid, NULL, NULL);
    assert_reply(&h, r, 403, "forbidden");
    r = house_call(&h, lead, ROUTE_grant_resume, gid, NULL, NULL);
    assert_reply(&h, r, 200, "");
    assert_true(end_of(gid) == end);
    house_tick(&h, CMD_SECOND);
    assert_state(gid, "ACTIVE");
    house_sleep(&h, 28 * 60000);
    house_tick(&h, CMD_SECOND);
    assert_state(gid, "ACTIVE");
    house_sleep(&h, 60000);
    house_tick(&h, CMD_SECOND);
    assert_state(gid, "EXPIRED");
    r = house_call(&h, lead, ROUTE_grant_resume, gid, NULL, NULL);
    assert_reply(&h, r, 409, "grant-state-conflict");
}

static void unused_access_ends(void **state)
{
    const char *rid = house_recording(&h, h.admin, "Pays", "user-1");
    struct reply q = opened(engineer, rid, 3600, ""), r;
    const char *gid = reply_str(&h, &q, "grant");

    (void) state;
    house_sleep(&h, 30 * 60000 - 1);
    house_tick(&h, CMD_SECOND);
    assert_state(gid, "ACTIVE");
    house_sleep(&h, 1);
    house_tick(&h, CMD_SECOND);
    r = get(engineer, gid);
    assert_string_equal(reply_str(&h, &r, "state"), "EXPIRED");
    assert_string_equal(reply_str(&h, &r, "ended.cause"), "idle");
}

/* A list tells what is so, whether or not a timer has written it down. */
static void lists_are_of_now(void **state)
{
    const char *rid = house_recording(&h, h.admin, "Pays", "user-1");
    struct reply r = opened(engineer, rid, 60, "");

    (void) state;
    house_sleep(&h, 59999);
    r = house_call(&h, engineer, ROUTE_grants_list, NULL, "{\"state\":\"live\"}", NULL);
    assert_string_equal(reply_str(&h, &r, "items.0.state"), "ACTIVE");
    house_sleep(&h, 1);
    r = house_call(&h, engineer, ROUTE_grants_list, NULL, "{\"state\":\"live\"}", NULL);
    assert_false(reply_has(&r, "items.0"));
    r = house_call(&h, engineer, ROUTE_grants_list, NULL, NULL, NULL);
    assert_string_equal(reply_str(&h, &r, "items.0.state"), "EXPIRED");
}

/* ---- break-glass ---- */

#define URGENT(incident) ",\"break_glass\":{\"incident\":\"" incident "\",\"reason\":\"the shop is down, nobody answers\"}"

static void break_glass(void **state)
{
    const char *rid = house_recording(&h, h.admin, "Pays", "user-1"), *gid, *beside;
    struct reply q, r, b;

    (void) state;
    r = ask(second, rid, 600, URGENT("INC-1"));
    assert_reply(&h, r, 403, "forbidden"); /* has not the role */
    r = ask(engineer, rid, 3601, URGENT("INC-1"));
    assert_reply(&h, r, 422, "invalid");
    house_sleep(&h, 16 * 60000);
    r = ask(engineer, rid, 600, URGENT("INC-1"));
    assert_reply(&h, r, 401, "reauth-needed");
    engineer = house_login(&h, "engineer");
    approver = house_login(&h, "approver");
    q = ask(engineer, rid, 600, URGENT("INC-1"));
    assert_reply(&h, q, 201, "");
    assert_string_equal(reply_str(&h, &q, "state"), "ACTIVE");
    assert_string_equal(reply_str(&h, &q, "break_glass.incident"), "INC-1");
    gid = reply_str(&h, &q, "grant");
    assert_string_equal(reply_str(&h, &q, "linked.0.kind"), "break-glass");
    assert_string_equal(reply_str(&h, &q, "linked.0.state"), "PENDING");
    beside = reply_str(&h, &q, "linked.0.request");
    assert_int_equal(house_leaves(&h, "breakglass.used", NULL), 1);
    r = key(engineer, gid, rid);
    assert_reply(&h, r, 201, "");
    assert_string_equal(reply_str(&h, &r, "scope.1"), "bg");
    r = get(engineer, gid);
    assert_string_equal(reply_str(&h, &r, "review"), "due");
    assert_true(reply_has(&r, "reviewed.due"));

    /* The same incident again takes a vote, however it is written. */
    r = ask(engineer, rid, 600, URGENT("inc-1"));
    assert_reply(&h, r, 403, "break-glass-limit");
    assert_string_equal(reply_str(&h, &r, "cause"), "incident");

    /* An approval inside the hour takes over: both are open, nothing is cut. */
    b = house_call(&h, approver, ROUTE_request_get, beside, NULL, NULL);
    r = vote(approver, &b);
    assert_reply(&h, r, 200, "");
    assert_string_not_equal(reply_str(&h, &r, "grant"), gid);
    r = key(engineer, reply_str(&h, &r, "grant"), rid);
    assert_reply(&h, r, 201, "");
    assert_false(reply_has(&r, "scope.1"));
    assert_state(gid, "ACTIVE");

    /* The review: not while it is open, not by who used it, not by who approved what came of it. */
    r = house_call(&h, lead, ROUTE_grant_review, gid, NULL, "{\"outcome\":\"done\",\"comment\":\"looked at all of it\"}");
    assert_reply(&h, r, 409, "grant-state-conflict");
    house_sleep(&h, 600000);
    house_tick(&h, CMD_SECOND);
    assert_state(gid, "EXPIRED");
    r = house_call(&h, engineer, ROUTE_grant_review, gid, NULL, "{\"outcome\":\"done\",\"comment\":\"it was fine, really\"}");
    assert_reply(&h, r, 403, "forbidden");
    r = house_call(&h, approver, ROUTE_grant_review, gid, NULL, "{\"outcome\":\"done\",\"comment\":\"looked at all of it\"}");
    assert_reply(&h, r, 403, "forbidden");
    lead = house_login(&h, "lead");
    r = house_call(&h, lead, ROUTE_grant_review, gid, NULL, "{\"outcome\":\"done\",\"comment\":\"short\"}");
    assert_reply(&h, r, 422, "invalid");
    r = house_call(&h, lead, ROUTE_grant_review, gid, NULL, "{\"outcome\":\"done\",\"comment\":\"looked at all of it\"}");
    assert_reply(&h, r, 200, "");
    assert_string_equal(reply_str(&h, &r, "review"), "done");
    assert_string_equal(reply_str(&h, &r, "reviewed.by.name"), "lead");
    assert_string_equal(reply_str(&h, &r, "state"), "EXPIRED");
    assert_string_equal(reply_str(&h, &r, "ended.cause"), "window");
    assert_int_equal(house_leaves(&h, "review.done", "ok"), 1);
    r = house_call(&h, lead, ROUTE_grant_review, gid, NULL, "{\"outcome\":\"done\",\"comment\":\"looked at all of it\"}");
    assert_reply(&h, r, 409, "grant-state-conflict");
}

static void break_glass_is_limited(void **state)
{
    const char *rid = house_recording(&h, h.admin, "Pays", "user-1"), *first, *mine;
    struct reply q, r;

    (void) state;
    q = ask(engineer, rid, 60, URGENT("A"));
    assert_reply(&h, q, 201, "");
    first = reply_str(&h, &q, "grant");
    q = ask(engineer, rid, 60, URGENT("B"));
    assert_reply(&h, q, 201, "");
    r = ask(engineer, rid, 60, URGENT("C"));
    assert_reply(&h, r, 403, "break-glass-limit");
    assert_string_equal(reply_str(&h, &r, "cause"), "reviews");
    house_sleep(&h, 60000);
    house_tick(&h, CMD_SECOND);
    r = house_call(&h, lead, ROUTE_grant_review, first, NULL, "{\"outcome\":\"done\",\"comment\":\"looked at all of it\"}");
    assert_reply(&h, r, 200, "");
    q = ask(engineer, rid, 60, URGENT("C")); /* one is reviewed: there is room */
    assert_reply(&h, q, 201, "");

    /* Nobody looks at it for a day. */
    house_sleep(&h, 24LL * 3600000 - 60001);
    house_tick(&h, CMD_SECOND);
    assert_int_equal(house_leaves(&h, "alarm.raised", "review-overdue"), 0);
    house_sleep(&h, 1);
    house_tick(&h, CMD_SECOND);
    assert_int_equal(house_leaves(&h, "alarm.raised", "review-overdue"), 1); /* B's */
    house_sleep(&h, 59999);
    house_tick(&h, CMD_SECOND);
    assert_int_equal(house_leaves(&h, "alarm.raised", "review-overdue"), 1);
    house_sleep(&h, 1);
    house_tick(&h, CMD_SECOND);
    assert_int_equal(house_leaves(&h, "alarm.raised", "review-overdue"), 2);
    lead = house_login(&h, "lead");
    mine = reply_str(&h, &q, "grant");
    r = get(lead, mine);
    assert_string_equal(reply_str(&h, &r, "review"), "overdue");

    /* A failed review takes the role's use away. */
    r = house_call(&h, lead, ROUTE_grant_review, mine, NULL, "{\"outcome\":\"failed\",\"comment\":\"there was no incident\"}");
    assert_reply(&h, r, 200, "");
    assert_string_equal(reply_str(&h, &r, "reviewed.outcome"), "failed");
    house_sleep(&h, 31LL * 24 * 3600000);
    engineer = house_login(&h, "engineer");
    r = ask(engineer, rid, 60, URGENT("D"));
    assert_reply(&h, r, 403, "break-glass-limit");
    assert_string_equal(reply_str(&h, &r, "cause"), "review-failed");
    /* In the ordinary way everything works. */
    r = ask(engineer, rid, 60, "");
    assert_reply(&h, r, 201, "");
}

/* ---- the brake ---- */

static void freezing(void **state)
{
    const char *rid = house_recording(&h, h.admin, "Pays", "user-1"), *gid, *waits, *held;
    struct reply q = opened(engineer, rid, 3600, ""), p, r;
    const char *text = "{\"reason\":\"something is very wrong\"}";

    (void) state;
    gid = reply_str(&h, &q, "grant");
    q = opened(second, rid, 3600, ",\"start\":\"first-use\"");
    waits = reply_str(&h, &q, "grant");
    q = ask(second, house_recording(&h, h.admin, "Two", "user-2"), 600, "");
    p = opened(lead, rid, 3600, "");
    held = reply_str(&h, &p, "grant");
    r = house_call(&h, approver, ROUTE_grant_suspend, held, NULL, NULL);

    r = house_call(&h, engineer, ROUTE_freeze_set, NULL, NULL, text);
    assert_reply(&h, r, 403, "forbidden");
    r = house_call(&h, h.admin, ROUTE_freeze_set, NULL, NULL, "{\"reason\":\"short\"}");
    assert_reply(&h, r, 422, "invalid");
    house_forget(&h);
    r = house_call(&h, h.admin, ROUTE_freeze_set, NULL, NULL, text);
    assert_reply(&h, r, 200, "");
    assert_true(reply_has(&r, "items.0"));
    assert_int_equal(house_pushed(&h, IPC_T_GRANTS), 1);
    r = get(engineer, gid);
    assert_string_equal(reply_str(&h, &r, "state"), "SUSPENDED");
    assert_string_equal(reply_str(&h, &r, "suspended.cause"), "frozen");
    house_restart(&h);
    r = house_call(&h, engineer, ROUTE_freeze_get, NULL, NULL, NULL);
    assert_string_equal(reply_str(&h, &r, "items.0.reason"), "something is very wrong");

    /* Nothing becomes ACTIVE: a vote, a first use, a resume, break-glass. */
    r = vote(approver, &q);
    assert_reply(&h, r, 423, "restricted");
    r = key(second, waits, rid);
    assert_reply(&h, r, 423, "restricted");
    r = house_call(&h, approver, ROUTE_grant_resume, gid, NULL, NULL);
    assert_reply(&h, r, 423, "restricted");
    r = ask(engineer, rid, 60, URGENT("X"));
    assert_reply(&h, r, 423, "restricted");

    /* A token is never a fresh sign-in. */
    r = house_call(&h, h.admin, ROUTE_freeze_lift, NULL, NULL, text);
    assert_reply(&h, r, 403, "token-not-fresh");
    assert_state(gid, "SUSPENDED");
    assert_state(held, "SUSPENDED");
}

/* A project's administrators lift their project's freeze: two of them. */
static void two_lift(void **state)
{
    const char *rid = house_recording(&h, h.admin, "Pays", "user-1"), *gid, *other, *pid;
    struct reply q = opened(engineer, rid, 3600, ""), r;
    const char *one, *two;
    char text[256], roles[256];

    (void) state;
    gid = reply_str(&h, &q, "grant");
    pid = reply_str(&h, &q, "project");
    q = opened(second, rid, 3600, "");
    other = reply_str(&h, &q, "grant");
    (void) snprintf(roles, sizeof(roles),
                    "{\"name\":\"one\",\"password\":\"" HOUSE_PASSWORD "\",\"roles\":[{\"role\":\"project-admin\",\"project\":\"%s\"}]}", pid);
    r = house_call(&h, h.admin, ROUTE_user_create, NULL, NULL, roles);
    assert_int_equal(r.status, 201);
    (void) snprintf(roles, sizeof(roles),
                    "{\"name\":\"two\",\"password\":\"" HOUSE_PASSWORD "\",\"roles\":[{\"role\":\"project-admin\",\"project\":\"%s\"}]}", pid);
    r = house_call(&h, h.admin, ROUTE_user_create, NULL, NULL, roles);
    assert_int_equal(r.status, 201);
    one = house_login(&h, "one");
    two = house_login(&h, "two");
    (void) snprintf(text, sizeof(text), "{\"project\":\"%s\",\"reason\":\"something is very wrong\"}", pid);
    r = house_call(&h, one, ROUTE_freeze_lift, NULL, NULL, text);
    assert_reply(&h, r, 409, "grant-state-conflict");
    r = house_call(&h, one, ROUTE_freeze_set, NULL, NULL, "{\"reason\":\"something is very wrong\"}");
    assert_reply(&h, r, 403, "forbidden"); /* everything is an administrator's */
    r = house_call(&h, one, ROUTE_freeze_set, NULL, NULL, text);
    assert_reply(&h, r, 200, "");
    assert_state(gid, "SUSPENDED");
    assert_state(other, "SUSPENDED");
    r = house_call(&h, approver, ROUTE_grant_revoke, other, NULL, NULL);
    assert_reply(&h, r, 200, "");

    r = house_call(&h, one, ROUTE_freeze_lift, NULL, NULL, text);
    assert_int_equal(r.status, 202);
    r = house_call(&h, one, ROUTE_freeze_lift, NULL, NULL, text);
    assert_int_equal(r.status, 202);
    house_sleep(&h, 15 * 60000);
    one = house_login(&h, "one");
    two = house_login(&h, "two");
    r = house_call(&h, two, ROUTE_freeze_lift, NULL, NULL, text); /* 15 minutes are over: the first again */
    assert_int_equal(r.status, 202);
    house_sleep(&h, 10 * 60000);
    r = house_call(&h, one, ROUTE_freeze_lift, NULL, NULL, text);
    assert_reply(&h, r, 200, "");
    assert_false(reply_has(&r, "items.0"));
    assert_state(gid, "ACTIVE");
    assert_state(other, "REVOKED");
    assert_int_equal(house_leaves(&h, "freeze.lifted", "ok"), 1);
}

/* ---- caps ---- */

/* Each within the caps, together beyond: what opens is cut to what is left, and then nothing opens. */
static void caps_hold_when_a_window_opens(void **state)
{
    static const int seconds[] = { 3600, 3600, 3000, 3600, 60 };
    static const int want[] = { 3600, 3600, 3000, 600, 0 };
    struct reply q[5], r;

    (void) state;
    for (int i = 0; i < 5; i++) {
        q[i] = ask(engineer, house_recording(&h, h.admin, "One of many", "user-1"), seconds[i], "");
        assert_reply(&h, q[i], 201, "");
    }
    for (int i = 0; i < 5; i++) {
        time_ms start = 0;

        r = vote(approver, &q[i]);
        if (want[i] == 0) {
            assert_reply(&h, r, 403, "policy-denied");
            continue;
        }
        assert_reply(&h, r, 200, "");
        assert_true(time_parse_rfc3339(span_str(reply_str(&h, &r, "window.start")), &start));
        assert_int_equal((end_of(reply_str(&h, &r, "grant")) - start) / 1000, want[i]);
    }
    r = ask(engineer, house_recording(&h, h.admin, "One more", "user-1"), 60, "");
    assert_reply(&h, r, 422, "invalid");
    assert_string_equal(reply_str(&h, &r, "errors.0.at"), "/duration_s");
    house_sleep(&h, 24LL * 3600000 + 1); /* another day */
    engineer = house_login(&h, "engineer");
    r = ask(engineer, house_recording(&h, h.admin, "One more", "user-1"), 3600, "");
    assert_reply(&h, r, 201, "");
}

/* T6: whoever approved has to be somebody who still may; and no vote means no window. */
static void guards_again_at_the_first_use(void **state)
{
    const char *rid = house_recording(&h, h.admin, "Pays", "user-1"), *gid, *voter;
    struct reply q = opened(engineer, rid, 600, ",\"start\":\"first-use\""), r;

    (void) state;
    gid = reply_str(&h, &q, "grant");
    voter = reply_str(&h, &q, "votes.0.voter.id");
    r = house_call(&h, h.admin, ROUTE_user_patch, voter, NULL, "{\"disabled\":true}");
    assert_int_equal(r.status, 200);
    assert_string_equal(reply_str(&h, &q, "state"), "SCHEDULED");
    r = key(engineer, gid, rid);
    assert_true(r.status == 403 || r.status == 409);
    r = get(lead, gid);
    assert_string_equal(reply_str(&h, &r, "state"), "REVOKED");
    assert_string_equal(reply_str(&h, &r, "ended.cause"), "guards");
}

/* Nobody is left who may vote when all who could would watch: said at once. */
static void nobody_left_to_vote(void **state)
{
    const char *rid = house_recording(&h, h.admin, "Pays", "user-1");
    struct reply r = ask(engineer, rid, 600, ",\"viewers\":[\"approver\",\"lead\"]");

    (void) state;
    if (r.status == 201) { /* the administrator of init is an approver, too */
        struct reply v = vote(lead, &r);

        assert_reply(&h, v, 403, "not-eligible");
        assert_string_equal(reply_str(&h, &r, "approvers.0.name"), "admin");
        assert_false(reply_has(&r, "approvers.1"));
    } else {
        assert_reply(&h, r, 409, "no-approver");
    }
}

static void endings_reach_everything(void **state)
{
    const char *rid = house_recording(&h, h.admin, "Pays", "user-1"), *beside, *sub;
    struct reply q = opened(engineer, rid, 3600, ",\"viewers\":[\"second-engineer\"]"), r;

    (void) state;
    beside = reply_str(&h, &q, "grants.1.grant");
    sub = reply_str(&h, &q, "grants.1.holder.id");
    house_forget(&h);
    r = house_call(&h, h.admin, ROUTE_user_patch, sub, NULL, "{\"disabled\":true}");
    assert_int_equal(r.status, 200);
    assert_state(beside, "REVOKED");
    assert_state(reply_str(&h, &q, "grant"), "ACTIVE");
    assert_int_equal(house_pushed(&h, IPC_T_GRANTS), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, open_house, close_house)
        T(each_viewer_has_a_grant), T(who_may_be_a_viewer), T(a_cancelled_request_takes_its_viewers_along),
        T(time_beforehand), T(extension), T(widening), cmocka_unit_test_setup_teardown(a_long_chain_is_one_access, open_without_caps, close_house), T(widening_by_the_same_rule), T(joining), T(no_way_around_a_stop), T(suspend_and_resume), T(unused_access_ends), T(lists_are_of_now),
        T(break_glass), T(break_glass_is_limited), T(freezing), T(two_lift), T(caps_hold_when_a_window_opens),
        T(endings_reach_everything), T(guards_again_at_the_first_use), T(nobody_left_to_vote),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
