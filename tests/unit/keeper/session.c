/* Signing in: throttling, idle and longest life, fresh, cookies and tokens, what the end of a sign-in takes with it. */
#include <stdio.h>

#include "crypto/hash.h"
#include "house.h"
#include "keeper/throttle.h"

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

static struct reply try_login(const char *user, const char *password)
{
    char body[256];

    (void) snprintf(body, sizeof(body), "{\"user\":\"%s\",\"password\":\"%s\"}", user, password);
    return house_call(&h, NULL, ROUTE_login, NULL, NULL, body);
}

static void test_login(void **state)
{
    struct reply r = try_login("engineer", HOUSE_PASSWORD);
    const char *token = reply_str(&h, &r, "token");

    (void) state;
    assert_reply(&h, r, 200, "");
    assert_int_equal(strlen(token), 47);
    assert_memory_equal(token, "kst_", 4);
    assert_string_equal(r.token, ""); /* without an Origin no cookie */
    r = house_call(&h, token, ROUTE_me, NULL, NULL, NULL);
    assert_reply(&h, r, 200, "");
    assert_string_equal(reply_str(&h, &r, "user.name"), "engineer");
    assert_string_equal(reply_str(&h, &r, "auth.kind"), "sign-in");
    assert_int_equal(reply_int(&r, "demo.accounts"), 5);
    assert_string_equal(reply_str(&h, &r, "demo.accounts.0.url"), "http://engineer.localhost:8080/");
    r = house_call(&h, NULL, ROUTE_me, NULL, NULL, NULL);
    assert_reply(&h, r, 401, "login-needed");
    assert_int_equal(house_leaves(&h, "login.ok", "ok"), 1);
    r = house_call(&h, NULL, ROUTE_login, NULL, NULL, "{\"user\":\"engineer\"}");
    assert_reply(&h, r, 422, "invalid");
    assert_string_equal(reply_str(&h, &r, "errors.0.at"), "/password");
}

/* A browser gets a cookie that lives 15 min at rest and 12 h at most; a cookie's token is no bearer of another kind. */
static void test_cookie_life(void **state)
{
    const char *body = "{\"user\":\"engineer\",\"password\":\"" HOUSE_PASSWORD "\"}";
    uint8_t cred[32];
    struct ipc_control in = { .route = ROUTE_me, .cred_kind = CRED_COOKIE, .prefix = SPAN_OF(h.prefix) };
    struct ipc_answer a;
    struct reply r;

    (void) state;
    r = house_login_browser(&h, body);
    assert_reply(&h, r, 200, "");
    assert_string_equal(reply_str(&h, &r, "token"), "");
    assert_memory_equal(r.token, "kst_", 4);
    sha256(span_str(r.token), cred);
    in.cred = SPAN_OF(cred);
    for (int i = 0; i < 50; i++) { /* used every 14 minutes it lives for 12 hours less one use */
        house_send(&h, IPC_T_CONTROL, &in, IPC_T_ANSWER, &a);
        assert_int_equal(a.status, 200);
        house_tick(&h, CMD_SECOND);
        house_sleep(&h, 14 * 60 * 1000);
    }
    house_sleep(&h, 12LL * 3600 * 1000 - 50LL * 14 * 60 * 1000 - 1);
    house_tick(&h, CMD_SECOND);
    house_send(&h, IPC_T_CONTROL, &in, IPC_T_ANSWER, &a);
    assert_int_equal(a.status, 401); /* rested 20 minutes by now */
    house_tick(&h, CMD_MINUTE);
    assert_int_equal(house_leaves(&h, "login.ended", "idle"), 1);
}

static void test_idle_boundary(void **state)
{
    uint8_t cred[32];
    struct ipc_control in = { .route = ROUTE_me, .cred_kind = CRED_COOKIE, .prefix = SPAN_OF(h.prefix) };
    struct ipc_answer a;
    struct reply r = house_login_browser(&h, "{\"user\":\"lead\",\"password\":\"" HOUSE_PASSWORD "\"}");

    (void) state;
    sha256(span_str(r.token), cred);
    in.cred = SPAN_OF(cred);
    house_sleep(&h, 15 * 60 * 1000 - 1);
    house_send(&h, IPC_T_CONTROL, &in, IPC_T_ANSWER, &a);
    assert_int_equal(a.status, 200);
    house_tick(&h, CMD_SECOND); /* the reader's use is written down */
    house_sleep(&h, 15 * 60 * 1000 - 1);
    house_send(&h, IPC_T_CONTROL, &in, IPC_T_ANSWER, &a);
    assert_int_equal(a.status, 200);
    house_tick(&h, CMD_SECOND);
    house_sleep(&h, 15 * 60 * 1000);
    house_send(&h, IPC_T_CONTROL, &in, IPC_T_ANSWER, &a);
    assert_int_equal(a.status, 401);
}

static void test_throttled(void **state)
{
    struct reply r;

    (void) state;
    for (int i = 0; i < THROTTLE_ACCOUNT_FREE; i++) {
        r = try_login("engineer", "wrong");
        assert_reply(&h, r, 401, "login-failed");
    }
    r = try_login("engineer", HOUSE_PASSWORD);
    assert_reply(&h, r, 429, "login-throttled");
    assert_int_equal(r.retry_after_s, 1);
    r = try_login("approver", HOUSE_PASSWORD); /* another account is not hurt */
    assert_reply(&h, r, 200, "");
    house_sleep(&h, 1000);
    r = try_login("engineer", "wrong");
    assert_reply(&h, r, 401, "login-failed");
    r = try_login("engineer", HOUSE_PASSWORD);
    assert_reply(&h, r, 429, "login-throttled");
    assert_int_equal(r.retry_after_s, 2); /* doubling */
    house_sleep(&h, 2000);
    r = try_login("engineer", HOUSE_PASSWORD);
    assert_reply(&h, r, 200, "");
    r = try_login("nobody", "wrong"); /* the same answer for somebody who does not exist */
    assert_reply(&h, r, 401, "login-failed");
    assert_int_equal(house_leaves(&h, "login.failed", "login-failed"), 7);
}

static void test_throttle_table(void **state)
{
    static const uint8_t secret[16] = { 3 };
    struct throttle *t = throttle_new(secret);
    char name[32];

    (void) state;
    for (int i = 0; i < THROTTLE_SOURCE_FREE - 1; i++)
        throttle_failed(t, THROTTLE_SOURCE, SPAN("a"), 1000);
    assert_int_equal(throttle_wait_ms(t, THROTTLE_SOURCE, SPAN("a"), 1000), 0);
    throttle_failed(t, THROTTLE_SOURCE, SPAN("a"), 1000);
    assert_int_equal(throttle_wait_ms(t, THROTTLE_SOURCE, SPAN("a"), 1000), 60000);
    assert_int_equal(throttle_wait_ms(t, THROTTLE_SOURCE, SPAN("a"), 60999), 1);
    assert_int_equal(throttle_wait_ms(t, THROTTLE_SOURCE, SPAN("a"), 61000), 0);
    assert_int_equal(throttle_wait_ms(t, THROTTLE_ACCOUNT, SPAN("a"), 1000), 0);
    for (int i = 0; i < 100; i++)
        throttle_failed(t, THROTTLE_ACCOUNT, SPAN("b"), 1000);
    assert_int_equal(throttle_wait_ms(t, THROTTLE_ACCOUNT, SPAN("b"), 1000), THROTTLE_WAIT_MAX_MS);
    /* Whoever fills the table with other names does not free a busy one that is newer than they are. */
    for (int i = 0; i < 20000; i++) {
        (void) snprintf(name, sizeof(name), "x%d", i);
        throttle_failed(t, THROTTLE_ACCOUNT, span_str(name), 500);
    }
    assert_int_equal(throttle_wait_ms(t, THROTTLE_ACCOUNT, SPAN("b"), 1000), THROTTLE_WAIT_MAX_MS);
    throttle_succeeded(t, SPAN("b"));
    assert_int_equal(throttle_wait_ms(t, THROTTLE_ACCOUNT, SPAN("b"), 1000), 0);
    throttle_free(t);
}

/* Signing out denies the keys of that sign-in and ends what it watched. */
static void test_logout(void **state)
{
    const char *engineer = house_login(&h, "engineer"), *approver = house_login(&h, "approver");
    const char *rid = house_recording(&h, h.admin, "t", "");
    struct reply q, r;
    char body[512];

    (void) state;
    (void) snprintf(body, sizeof(body),
                    "{\"recordings\":[\"%s\"],\"actions\":[\"play\"],\"purpose\":{\"code\":\"support\","
                    "\"reason\":\"Customer says that checkout fails\"},\"duration_s\":600}",
                    rid);
    q = house_call(&h, engineer, ROUTE_request_create, NULL, NULL, body);
    (void) snprintf(body, sizeof(body), "{\"digest\":\"%s\"}", reply_str(&h, &q, "digest"));
    r = house_call(&h, approver, ROUTE_request_approve, reply_str(&h, &q, "id"), NULL, body);
    (void) snprintf(body, sizeof(body), "{\"recording\":\"%s\"}", rid);
    r = house_call(&h, engineer, ROUTE_keys_issue, reply_str(&h, &r, "grant"), NULL, body);
    assert_reply(&h, r, 201, "");
    house_forget(&h);
    r = house_call(&h, engineer, ROUTE_logout, NULL, NULL, NULL);
    assert_reply(&h, r, 204, "");
    assert_int_equal(house_pushed(&h, IPC_T_DENY), 1);
    assert_int_equal(house_leaves(&h, "key.revoked", "signed-out"), 1);
    assert_int_equal(house_leaves(&h, "login.ended", "signed-out"), 1);
    r = house_call(&h, engineer, ROUTE_me, NULL, NULL, NULL);
    assert_reply(&h, r, 401, "login-needed");
}

static void test_tokens(void **state)
{
    const char *engineer = house_login(&h, "engineer"), *api, *ingest, *id;
    struct reply r;

    (void) state;
    r = house_call(&h, engineer, ROUTE_token_create, NULL, NULL, "{\"kind\":\"api\",\"name\":\"laptop\"}");
    assert_reply(&h, r, 201, "");
    api = reply_str(&h, &r, "token");
    id = reply_str(&h, &r, "id");
    assert_memory_equal(api, "kst_", 4);
    r = house_call(&h, api, ROUTE_me, NULL, NULL, NULL);
    assert_string_equal(reply_str(&h, &r, "auth.kind"), "api-token");
    r = house_call(&h, api, ROUTE_reauth, NULL, NULL, "{\"password\":\"" HOUSE_PASSWORD "\"}");
    assert_reply(&h, r, 403, "token-not-fresh");
    r = house_call(&h, engineer, ROUTE_token_create, NULL, NULL, "{\"kind\":\"api\",\"user\":\"approver\"}");
    assert_reply(&h, r, 403, "forbidden");
    r = house_call(&h, engineer, ROUTE_token_create, NULL, NULL, "{\"kind\":\"ingest\",\"project\":\"shop\"}");
    assert_reply(&h, r, 403, "forbidden");
    r = house_call(&h, h.admin, ROUTE_token_create, NULL, NULL, "{\"kind\":\"ingest\",\"project\":\"shop\"}");
    assert_reply(&h, r, 201, "");
    ingest = reply_str(&h, &r, "token");
    assert_memory_equal(ingest, "kit_", 4);
    assert_false(reply_has(&r, "expires_at"));
    r = house_call(&h, ingest, ROUTE_recordings_list, NULL, NULL, NULL);
    assert_reply(&h, r, 401, "login-needed"); /* it can add and can never read */
    assert_string_not_equal(house_recording(&h, ingest, "by a recorder", ""), "");
    r = house_call(&h, h.admin, ROUTE_token_create, NULL, NULL, "{\"kind\":\"ingest\",\"project\":\"shop\",\"browser\":true}");
    assert_reply(&h, r, 201, "");
    assert_true(reply_has(&r, "browser"));
    ingest = reply_str(&h, &r, "token");
    assert_memory_equal(ingest, "kib_", 4);
    assert_int_equal(strlen(ingest), 47);
    assert_int_equal(strspn(ingest + 4, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"), 43);
    r = house_call(&h, h.admin, ROUTE_token_create, NULL, NULL, "{\"kind\":\"api\",\"browser\":true}");
    assert_reply(&h, r, 422, "invalid");
    r = house_call(&h, engineer, ROUTE_tokens_list, NULL, NULL, NULL);
    assert_int_equal(reply_int(&r, "items"), 1);
    assert_false(reply_has(&r, "items.0.token"));
    r = house_call(&h, engineer, ROUTE_token_revoke, id, NULL, NULL);
    assert_reply(&h, r, 204, "");
    r = house_call(&h, engineer, ROUTE_token_revoke, id, NULL, NULL);
    assert_reply(&h, r, 204, "");
    r = house_call(&h, api, ROUTE_me, NULL, NULL, NULL);
    assert_reply(&h, r, 401, "login-needed");
    /* 12 h for an API token unless said. */
    r = house_call(&h, engineer, ROUTE_token_create, NULL, NULL, "{\"kind\":\"api\"}");
    api = reply_str(&h, &r, "token");
    house_sleep(&h, 12LL * 3600 * 1000 - 1);
    r = house_call(&h, api, ROUTE_me, NULL, NULL, NULL);
    assert_reply(&h, r, 200, "");
    house_sleep(&h, 1);
    r = house_call(&h, api, ROUTE_me, NULL, NULL, NULL);
    assert_reply(&h, r, 401, "login-needed");
}

static void test_password_change(void **state)
{
    const char *one = house_login(&h, "engineer"), *two = house_login(&h, "engineer");
    struct reply r;

    (void) state;
    r = house_call(&h, one, ROUTE_user_patch, "engineer", NULL, "{\"password\":\"a new long one\"}");
    assert_reply(&h, r, 401, "login-failed");
    r = house_call(&h, one, ROUTE_user_patch, "engineer", NULL, "{\"password\":\"short\",\"current_password\":\"x\"}");
    assert_reply(&h, r, 422, "invalid");
    r = house_call(&h, one, ROUTE_user_patch, "engineer", NULL,
                   "{\"password\":\"a new long one\",\"current_password\":\"" HOUSE_PASSWORD "\"}");
    assert_reply(&h, r, 200, "");
    r = house_call(&h, two, ROUTE_me, NULL, NULL, NULL);
    assert_reply(&h, r, 401, "login-needed"); /* whoever knew the old one is out */
    r = house_call(&h, one, ROUTE_me, NULL, NULL, NULL);
    assert_reply(&h, r, 200, "");
    r = try_login("engineer", HOUSE_PASSWORD);
    assert_reply(&h, r, 401, "login-failed");
    r = try_login("engineer", "a new long one");
    assert_reply(&h, r, 200, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_login, open_team, close_house),
        cmocka_unit_test_setup_teardown(test_cookie_life, open_team, close_house),
        cmocka_unit_test_setup_teardown(test_idle_boundary, open_team, close_house),
        cmocka_unit_test_setup_teardown(test_throttled, open_team, close_house),
        cmocka_unit_test(test_throttle_table),
        cmocka_unit_test_setup_teardown(test_logout, open_team, close_house),
        cmocka_unit_test_setup_teardown(test_tokens, open_team, close_house),
        cmocka_unit_test_setup_teardown(test_password_change, open_team, close_house),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
