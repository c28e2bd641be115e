/* Notices of ticket systems at the keeper: who may send one, what it ends, that it opens nothing. */
#include <stdio.h>

#include "codec/base64.h"
#include "crypto/hash.h"
#include "format/hook.h"
#include "house.h"
#include "keeper/state.h"

#define GITHUB_SECRET   "0123456789abcdef0123"
#define STANDARD_SECRET "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYX"
#define CLOSED          "{\"ticket\":\"SHOP-7\",\"state\":\"closed\"}"
#define OPENED          "{\"ticket\":\"SHOP-7\",\"state\":\"open\"}"

static struct house h;

static const struct core_hook hooks[] = {
    { "desk", "shop", "standard", STANDARD_SECRET },
    { "issues", "shop", "github", GITHUB_SECRET },
    { "lost", "nowhere", "github", GITHUB_SECRET },
};

static const char policy[] =
    "purpose \"support\" { }\n"
    "rule \"ticket\" { who = { \"role:viewer\" } actions = { play } purposes = { \"support\" } ticket = { open } max = 60min\n"
    "  start = { approval, first-use } binding = { bearer } ask { need = 1 } }\n"
    "rule \"any\" { who = { \"role:viewer\" } actions = { play } purposes = { \"support\" } max = 30min\n"
    "  start = { approval, first-use } more { same = { subject } max = 2 } more_time { times = 1 each = 10min }\n"
    "  binding = { bearer } ask { need = 1 } }\n";

static int open_house(void **state)
{
    (void) state;
    house_open(&h, policy, true);
    h.hooks = hooks;
    h.n_hooks = 3;
    house_restart(&h);
    return 0;
}

static int close_house(void **state)
{
    (void) state;
    house_close(&h);
    return 0;
}

/* Standard Webhooks, signed as of 'off_ms' from now. */
static struct reply notice_at(const char *id, const char *body, int64_t off_ms)
{
    uint8_t key[24], mac[SHA256_LEN];
    char headers[400];
    struct buf message = BUF_INIT(1 << 16), sig = BUF_INIT(100);
    long long at = (h.real + off_ms) / 1000;
    struct reply r;

    for (size_t i = 0; i < sizeof(key); i++)
        key[i] = (uint8_t) i;
    buf_addf(&message, "%s.%lld.%s", id, at, body);
    hmac_sha256(SPAN_OF(key), buf_span(&message), mac);
    base64_add(&sig, SPAN_OF(mac));
    (void) snprintf(headers, sizeof(headers), "webhook-id: %s\nwebhook-timestamp: %lld\nwebhook-signature: v1,%s", id, at, buf_cstr(&sig));
    r = house_hook(&h, "desk", headers, body);
    buf_deinit(&message);
    buf_deinit(&sig);
    return r;
}

static struct reply notice(const char *id, const char *body)
{
    return notice_at(id, body, 0);
}

static struct reply github(const char *hook, const char *delivery, const char *body)
{
    uint8_t mac[SHA256_LEN];
    char headers[400], hex[2 * SHA256_LEN + 1];

    hmac_sha256(SPAN(GITHUB_SECRET), span_str(body), mac);
    for (size_t i = 0; i < SHA256_LEN; i++)
        (void) snprintf(hex + 2 * i, 3, "%02x", mac[i]);
    (void) snprintf(headers, sizeof(headers), "x-github-delivery: %s\nx-github-event: issues\nx-hub-signature-256: sha256=%s", delivery, hex);
    return house_hook(&h, hook, headers, body);
}

static struct reply ask_for(const char *token, const char *rid, const char *ticket, const char *start)
{
    char body[512];

    (void) snprintf(body, sizeof(body),
                    "{\"recordings\":[\"%s\"],\"actions\":[\"play\"],\"purpose\":{\"code\":\"support\",\"ticket\":\"%s\","
                    "\"reason\":\"Customer says that checkout fails\"},\"duration_s\":1200,\"start\":\"%s\"}",
                    rid, ticket, start);
    return house_call(&h, token, ROUTE_request_create, NULL, NULL, body);
}

static const char *approved(const char *token, const char *rid, const char *ticket, const char *start)
{
    struct reply q = ask_for(token, rid, ticket, start), r;
    char body[128];

    assert_reply(&h, q, 201, "");
    (void) snprintf(body, sizeof(body), "{\"digest\":\"%s\"}", reply_str(&h, &q, "digest"));
    r = house_call(&h, house_login(&h, "approver"), ROUTE_request_approve, reply_str(&h, &q, "id"), NULL, body);
    assert_reply(&h, r, 200, "");
    return reply_str(&h, &r, "grant");
}

static void state_of(const char *gid, const char *want, const char *cause)
{
    struct reply r = house_call(&h, h.admin, ROUTE_grant_get, gid, NULL, NULL);

    assert_string_equal(reply_str(&h, &r, "state"), want);
    if (cause != NULL)
        assert_string_equal(reply_str(&h, &r, "ended.cause"), cause);
}

static void test_who_may_send(void **state)
{
    struct reply r;

    (void) state;
    r = notice("m-1", CLOSED);
    assert_reply(&h, r, 202, "");
    assert_true(reply_has(&r, "received"));
    r = house_hook(&h, "nothing", "", CLOSED);
    assert_reply(&h, r, 401, "hook-refused");
    r = house_hook(&h, "desk", "", CLOSED);
    assert_reply(&h, r, 401, "hook-refused");
    r = notice_at("m-2", CLOSED, -301000);
    assert_reply(&h, r, 401, "hook-refused");
    r = notice_at("m-2", CLOSED, 302000);
    assert_reply(&h, r, 401, "hook-refused");
    r = notice_at("m-2", CLOSED, -299000);
    assert_reply(&h, r, 202, "");
    r = github("desk", "d-1", CLOSED); /* another hook's secret and way */
    assert_reply(&h, r, 401, "hook-refused");
    r = github("lost", "d-1", CLOSED); /* its project is not there */
    assert_reply(&h, r, 401, "hook-refused");
    house_tick(&h, CMD_MINUTE);
    assert_true(house_leaves(&h, "login.failed", "hook-refused") >= 1);
    assert_int_equal(house_leaves(&h, "api.read", "ok") > 0, 1);
}

/* Guessing is slowed down per source, and does not keep people there from signing in. */
static void test_guesses(void **state)
{
    struct reply r = { 0 };

    (void) state;
    for (int i = 0; i < 31; i++)
        r = house_hook(&h, "desk", "webhook-id: x\nwebhook-timestamp: 1\nwebhook-signature: v1,AAAA", CLOSED);
    assert_reply(&h, r, 429, "rate-limited");
    assert_true(r.retry_after_s > 0);
    r = notice("m-1", CLOSED);
    assert_reply(&h, r, 429, "rate-limited");
    (void) house_login(&h, "engineer");
    house_sleep(&h, 15 * 60 * 1000);
    r = notice("m-1", CLOSED);
    assert_reply(&h, r, 202, "");
}

static void test_once(void **state)
{
    static const char body[] = "{\"action\":\"closed\",\"issue\":{\"number\":7,\"updated_at\":\"2026-11-03T10:00:00Z\"},\"repository\":{\"full_name\":\"shop/web\"}}";
    struct reply r = notice("m-1", CLOSED);

    (void) state;
    assert_false(reply_has(&r, "repeated"));
    r = notice("m-1", CLOSED);
    assert_reply(&h, r, 202, "");
    assert_true(reply_has(&r, "repeated"));
    house_restart(&h);
    r = notice("m-1", CLOSED);
    assert_true(reply_has(&r, "repeated"));
    r = notice("m-2", CLOSED);
    assert_false(reply_has(&r, "repeated"));
    r = github("issues", "m-1", body); /* another hook has ids of its own */
    assert_false(reply_has(&r, "repeated"));
    r = github("issues", "m-9", body); /* the id is not signed: the same body is the same notice */
    assert_true(reply_has(&r, "repeated"));
    house_sleep(&h, 91LL * 24 * 3600 * 1000);
    house_tick(&h, CMD_MINUTE);
    r = notice("m-1", CLOSED);
    assert_false(reply_has(&r, "repeated"));
    r = notice("m-3", "{\"hello\":\"world\"}");
    assert_string_equal(reply_str(&h, &r, "ignored"), "state");
}

/* A rule may ask for an open ticket; what waits for it is asked of people as ever. */
static void test_state_of_tickets(void **state)
{
    const char *engineer = house_login(&h, "engineer"), *rid = house_recording(&h, h.admin, "t", "");
    struct reply r = ask_for(engineer, rid, "SHOP-7", "approval");

    (void) state;
    assert_reply(&h, r, 201, "");
    assert_string_equal(reply_str(&h, &r, "rule"), "any"); /* nobody has spoken of it */
    (void) house_call(&h, engineer, ROUTE_request_cancel, reply_str(&h, &r, "id"), NULL, NULL);
    r = notice("m-1", OPENED);
    assert_reply(&h, r, 202, "");
    r = ask_for(engineer, rid, " shop-7 ", "approval");
    assert_reply(&h, r, 201, "");
    assert_string_equal(reply_str(&h, &r, "rule"), "ticket");
    assert_string_equal(reply_str(&h, &r, "state"), "PENDING");
    r = notice("m-2", CLOSED);
    assert_int_equal(reply_int(&r, "cancelled"), 1);
    r = ask_for(engineer, rid, "SHOP-7", "approval");
    assert_reply(&h, r, 422, "invalid");
    assert_string_equal(reply_str(&h, &r, "errors.0.at"), "/purpose/ticket");
    assert_string_equal(reply_str(&h, &r, "errors.0.code"), "conflict");
    /* Opened again it is a reason again, but opens nothing that was ended. */
    r = notice("m-3", OPENED);
    r = ask_for(engineer, rid, "SHOP-7", "approval");
    assert_reply(&h, r, 201, "");
}

/* Deliveries overtake each other: the older word does not undo the newer one. */
static void test_order(void **state)
{
    struct reply r = notice("m-1", "{\"timestamp\":\"2026-11-03T10:00:02Z\",\"data\":{\"ticket\":\"A\",\"state\":\"open\"}}");

    (void) state;
    assert_false(reply_has(&r, "ignored"));
    r = notice("m-2", "{\"timestamp\":\"2026-11-03T10:00:01Z\",\"data\":{\"ticket\":\"A\",\"state\":\"closed\"}}");
    assert_string_equal(reply_str(&h, &r, "ignored"), "older");
    r = notice("m-3", "{\"timestamp\":\"2026-11-03T10:00:02Z\",\"data\":{\"ticket\":\"A\",\"state\":\"closed\"}}");
    assert_false(reply_has(&r, "ignored"));
}

/* What waits is cancelled at once, what is open ends after five minutes, other tickets go on. */
static void test_ends(void **state)
{
    const char *engineer = house_login(&h, "engineer"), *live, *scheduled, *other;
    const char *a = house_recording(&h, h.admin, "a", ""), *b = house_recording(&h, h.admin, "b", "");
    const char *c = house_recording(&h, h.admin, "c", ""), *d = house_recording(&h, h.admin, "d", "");
    struct reply pending, r;

    (void) state;
    live = approved(engineer, a, "SHOP-7", "approval");
    scheduled = approved(engineer, b, "shop-7", "first-use");
    other = approved(engineer, c, "SHOP-70", "approval");
    pending = ask_for(engineer, d, "SHOP-7", "approval");
    state_of(live, "ACTIVE", NULL);
    r = notice("m-1", CLOSED);
    assert_reply(&h, r, 202, "");
    assert_int_equal(reply_int(&r, "cancelled"), 2);
    assert_int_equal(reply_int(&r, "ending"), 1);
    r = house_call(&h, engineer, ROUTE_request_get, reply_str(&h, &pending, "id"), NULL, NULL);
    assert_string_equal(reply_str(&h, &r, "state"), "CANCELLED");
    state_of(scheduled, "CANCELLED", NULL);
    state_of(live, "ACTIVE", NULL);
    house_sleep(&h, 4 * 60 * 1000);
    r = notice("m-2", CLOSED); /* said again, the end does not move */
    house_sleep(&h, 60 * 1000 - 1);
    house_tick(&h, CMD_SECOND);
    state_of(live, "ACTIVE", NULL);
    house_sleep(&h, 1);
    house_tick(&h, CMD_SECOND);
    state_of(live, "EXPIRED", "ticket-closed");
    state_of(other, "ACTIVE", NULL);
    r = notice("m-3", OPENED);
    house_tick(&h, CMD_SECOND);
    state_of(live, "EXPIRED", "ticket-closed");
    state_of(scheduled, "CANCELLED", NULL);
}

/* What was granted beforehand for a task ends with the task. */
static void test_nothing_beforehand_after_the_end(void **state)
{
    const char *engineer = house_login(&h, "engineer"), *rid = house_recording(&h, h.admin, "One", "user-1");
    const char *more = house_recording(&h, h.admin, "Two", "user-1"), *gid;
    char body[600];
    struct reply q, r;

    (void) state;
    (void) snprintf(body, sizeof(body),
                    "{\"recordings\":[\"%s\"],\"actions\":[\"play\"],\"purpose\":{\"code\":\"support\",\"ticket\":\"SHOP-7\","
                    "\"reason\":\"Customer says that checkout fails\"},\"duration_s\":1200,"
                    "\"more\":{\"same\":\"subject\",\"max\":2},\"more_time\":{\"times\":1,\"each_s\":600}}", rid);
    q = house_call(&h, engineer, ROUTE_request_create, NULL, NULL, body);
    assert_reply(&h, q, 201, "");
    (void) snprintf(body, sizeof(body), "{\"digest\":\"%s\"}", reply_str(&h, &q, "digest"));
    r = house_call(&h, house_login(&h, "approver"), ROUTE_request_approve, reply_str(&h, &q, "id"), NULL, body);
    assert_reply(&h, r, 200, "");
    gid = reply_str(&h, &r, "grant");
    r = notice("n-1", CLOSED);
    assert_int_equal(reply_int(&r, "ending"), 1);
    r = house_call(&h, engineer, ROUTE_grant_more_time, gid, NULL, NULL);
    assert_reply(&h, r, 403, "policy-denied");
    (void) snprintf(body, sizeof(body), "{\"recording\":\"%s\"}", more);
    r = house_call(&h, engineer, ROUTE_grant_widen, gid, NULL, body);
    assert_reply(&h, r, 422, "invalid");
    assert_string_equal(reply_str(&h, &r, "errors.0.at"), "/purpose/ticket");
    house_sleep(&h, 5 * 60000);
    house_tick(&h, CMD_SECOND);
    state_of(gid, "EXPIRED", "ticket-closed");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_who_may_send, open_house, close_house),
        cmocka_unit_test_setup_teardown(test_guesses, open_house, close_house),
        cmocka_unit_test_setup_teardown(test_once, open_house, close_house),
        cmocka_unit_test_setup_teardown(test_state_of_tickets, open_house, close_house),
        cmocka_unit_test_setup_teardown(test_order, open_house, close_house),
        cmocka_unit_test_setup_teardown(test_ends, open_house, close_house),
        cmocka_unit_test_setup_teardown(test_nothing_beforehand_after_the_end, open_house, close_house),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
