/*
 * Client keys, bound keys and signed acts. The last group talks to the keeper as a gate would that is in somebody else's hands:
 * it knows cookies and passwords, may say what it likes in CONTROL, and cannot decide for those who pass through it.
 */
#include <stdio.h>

#include "crypto/hash.h"
#include "format/act.h"
#include "house.h"

static struct house h;
static struct house_client mine, other;

static int open_team(void **state)
{
    (void) state;
    house_open(&h, house_preset("team"), true);
    house_client_make(&mine);
    house_client_make(&other);
    return 0;
}

/* The team's policy as it is without --plain-loopback: keys are bound. */
static int open_bound(void **state)
{
    static char text[64 << 10];
    const char *from = house_preset("team"), *at;
    size_t n = 0;

    (void) state;
    for (; (at = strstr(from, "{ dpop, bearer }")) != NULL; from = at + 16)
        n += (size_t) snprintf(text + n, sizeof(text) - n, "%.*s{ dpop }", (int) (at - from), from);
    (void) snprintf(text + n, sizeof(text) - n, "%s", from);
    house_open(&h, text, true);
    house_client_make(&mine);
    house_client_make(&other);
    return 0;
}

static int close_house(void **state)
{
    (void) state;
    house_client_end(&mine);
    house_client_end(&other);
    house_close(&h);
    return 0;
}

static const char *fmt1(const char *fmt, ...) PRINTF_LIKE(1, 2);

static const char *fmt1(const char *fmt, ...)
{
    char text[4096];
    va_list ap;

    va_start(ap, fmt);
    (void) vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    return arena_str(&h.mem, span_str(text));
}

static const char *ask_body(const char *rid)
{
    return fmt1("{\"recordings\":[\"%s\"],\"actions\":[\"play\"],\"purpose\":{\"code\":\"support\",\"reason\":"
                "\"Customer says that checkout fails after the discount\"},\"duration_s\":600}", rid);
}

/* engineer asks with this sign-in; the request's id, its digest in *ret_digest. */
static const char *ask(const char *token, const char *rid, const char **ret_digest)
{
    struct reply r = house_call(&h, token, ROUTE_request_create, NULL, NULL, ask_body(rid));

    assert_reply(&h, r, 201, "");
    *ret_digest = reply_str(&h, &r, "digest");
    return reply_str(&h, &r, "id");
}

/* An open access of engineer, approved by 'approver' with a signed act. */
static const char *open_access(const char *engineer, const char *rid)
{
    const char *approver = house_login_with(&h, "approver", &other), *digest, *qid = ask(engineer, rid, &digest);
    struct reply r = house_act(&h, &other, approver, ROUTE_request_approve, qid, fmt1("{\"digest\":\"%s\"}", digest));

    assert_reply(&h, r, 200, "");
    return reply_str(&h, &r, "grant");
}

static struct reply issue(const char *token, const char *gid, const char *rid, const struct house_client *proof,
                          const char *type)
{
    char body[256];
    struct reply r;

    (void) snprintf(body, sizeof(body), type == NULL ? "{\"recording\":\"%s\"}" : "{\"recording\":\"%s\",\"token_type\":\"%s\"}",
                    rid, type);
    h.prove = proof;
    r = house_call(&h, token, ROUTE_keys_issue, gid, NULL, body);
    h.prove = NULL;
    return r;
}

/* ---- client keys ---- */

static void a_sign_in_brings_its_key(void **state)
{
    const char *first = house_login(&h, "engineer"), *second, *third;
    struct ipc_watch_open watch = { .cred_kind = CRED_BEARER, .sub = 7 };
    struct ipc_answer a;
    struct reply r;
    uint8_t cred[32];

    (void) state;
    sha256(span_str(first), cred);
    watch.cred = SPAN_OF(cred);
    house_send(&h, IPC_T_WATCH_OPEN, &watch, IPC_T_ANSWER, &a);
    r = house_call(&h, first, ROUTE_me, NULL, NULL, NULL);
    assert_false(reply_has(&r, "auth.client_key"));
    assert_int_equal(reply_int(&r, "new_client_keys"), 0);

    house_forget(&h);
    second = house_login_with(&h, "engineer", &mine);
    assert_int_equal(house_pushed(&h, IPC_T_NOTIFY), 1); /* the other sign-in hears of it */
    r = house_call(&h, second, ROUTE_me, NULL, NULL, NULL);
    assert_string_equal(reply_str(&h, &r, "auth.client_key"), mine.jkt);
    assert_int_equal(reply_int(&r, "new_client_keys"), 0);
    r = house_call(&h, first, ROUTE_me, NULL, NULL, NULL);
    assert_string_equal(reply_str(&h, &r, "new_client_keys.0.client_key"), mine.jkt);
    assert_int_equal(house_leaves(&h, "client-key.registered", "ok"), 1);

    house_forget(&h);
    third = house_login_with(&h, "engineer", &mine); /* the same browser again: nothing new */
    assert_int_equal(house_pushed(&h, IPC_T_NOTIFY), 0);
    assert_int_equal(house_leaves(&h, "client-key.registered", "ok"), 2);
    r = house_call(&h, third, ROUTE_client_key_register, NULL, NULL, NULL);
    assert_reply(&h, r, 403, "proof-needed");
    h.prove = &other;
    r = house_call(&h, third, ROUTE_client_key_register, NULL, NULL, NULL);
    assert_reply(&h, r, 409, "already-exists");
    r = house_call(&h, first, ROUTE_client_key_register, NULL, NULL, NULL);
    assert_reply(&h, r, 409, "already-exists"); /* a sign-in gets its key when it is made */
    r = house_call(&h, h.admin, ROUTE_client_key_register, NULL, NULL, NULL);
    assert_reply(&h, r, 200, "");
    assert_string_equal(reply_str(&h, &r, "client_key"), other.jkt);
    r = house_call(&h, h.admin, ROUTE_client_key_register, NULL, NULL, NULL);
    assert_reply(&h, r, 200, ""); /* harmless to repeat */
    h.prove = &mine;
    r = house_call(&h, h.admin, ROUTE_client_key_register, NULL, NULL, NULL);
    assert_reply(&h, r, 409, "already-exists");
    h.prove = NULL;
    house_sleep(&h, 8LL * 24 * 3600 * 1000);
    house_tick(&h, CMD_SECOND);
    first = house_login(&h, "engineer");
    r = house_call(&h, first, ROUTE_me, NULL, NULL, NULL);
    assert_int_equal(reply_int(&r, "new_client_keys"), 0); /* no longer news */
}

/* ---- bound keys ---- */

static void keys_are_bound(void **state)
{
    const char *rid = house_recording(&h, h.admin, "Checkout fails", "user-17");
    const char *engineer = house_login_with(&h, "engineer", &mine), *gid = open_access(engineer, rid), *vid;
    struct reply r, key;

    (void) state;
    key = issue(engineer, gid, rid, &mine, NULL);
    assert_reply(&h, key, 201, "");
    assert_string_equal(reply_str(&h, &key, "token_type"), "DPoP");
    assert_int_equal(reply_int(&key, "expires_in"), 120);
    vid = reply_str(&h, &key, "viewing");
    r = house_call(&h, engineer, ROUTE_keys_list, NULL, fmt1("{\"grant\":\"%s\"}", gid), NULL);
    assert_string_equal(reply_str(&h, &r, "items.0.client_key"), mine.jkt);

    r = issue(engineer, gid, rid, &other, NULL); /* somebody else's proof */
    assert_reply(&h, r, 401, "key-binding");
    r = issue(engineer, gid, rid, NULL, NULL);
    assert_reply(&h, r, 403, "proof-needed");
    r = issue(engineer, gid, rid, NULL, "Bearer");
    assert_reply(&h, r, 403, "proof-needed");
    r = issue(engineer, gid, rid, &mine, "Bearer");
    assert_reply(&h, r, 403, "proof-needed");
    r = issue(engineer, gid, rid, NULL, "DPoP");
    assert_reply(&h, r, 403, "proof-needed");
    r = issue(engineer, gid, rid, &mine, "MAC");
    assert_reply(&h, r, 422, "invalid");
    assert_int_equal(house_leaves(&h, "key.issued", "ok"), 1);

    /* A sign-in that came without a key has none to bind to. */
    r = issue(house_login(&h, "engineer"), gid, rid, &mine, NULL);
    assert_reply(&h, r, 401, "key-binding");
    /* The viewing is the client's: a second sign-in of the same browser goes on with it. */
    r = issue(house_login_with(&h, "engineer", &mine), gid, rid, &mine, NULL);
    assert_reply(&h, r, 201, "");
    assert_string_equal(reply_str(&h, &r, "viewing"), vid);
    assert_int_equal(house_leaves(&h, "key.renewed", "ok"), 1);
    /* Another client: another viewing. */
    r = issue(house_login_with(&h, "engineer", &other), gid, rid, &other, NULL);
    assert_reply(&h, r, 201, "");
    assert_string_not_equal(reply_str(&h, &r, "viewing"), vid);
    assert_int_equal(house_leaves(&h, "key.issued", "ok"), 2);
}

static void two_live_keys_a_client(void **state)
{
    const char *rid = house_recording(&h, h.admin, "Checkout fails", "user-17");
    const char *engineer = house_login_with(&h, "engineer", &mine), *gid = open_access(engineer, rid);
    const char *again = house_login_with(&h, "engineer", &mine);
    struct reply first, r;

    (void) state;
    first = issue(engineer, gid, rid, &mine, NULL);
    assert_reply(&h, first, 201, "");
    r = issue(again, gid, rid, &mine, NULL); /* counted for the client key, over both sign-ins */
    assert_reply(&h, r, 201, "");
    assert_int_equal(house_leaves(&h, "key.revoked", NULL), 0);
    h.prefix[3]++; /* the train has reached another mast */
    r = issue(engineer, gid, rid, &mine, NULL);
    assert_reply(&h, r, 201, "");
    assert_int_equal(house_leaves(&h, "key.revoked", "superseded"), 1);
    r = house_call(&h, engineer, ROUTE_keys_list, NULL, fmt1("{\"grant\":\"%s\"}", gid), NULL);
    assert_int_equal(reply_int(&r, "items"), 3);
    assert_string_equal(reply_str(&h, &r, "items.2.key_id"), reply_str(&h, &first, "key_id"));
    assert_string_equal(reply_str(&h, &r, "items.2.state"), "revoked");
    assert_string_equal(reply_str(&h, &r, "items.0.state"), "live");
    /* One of the two sign-ins ends: its keys are denied, and nothing of the other's. */
    r = house_call(&h, again, ROUTE_logout, NULL, NULL, NULL);
    assert_int_equal(r.status, 204);
    assert_int_equal(house_leaves(&h, "key.revoked", "signed-out"), 1);
    r = house_call(&h, engineer, ROUTE_keys_list, NULL, fmt1("{\"grant\":\"%s\"}", gid), NULL);
    assert_string_equal(reply_str(&h, &r, "items.0.state"), "live");
}

static void bearer_where_it_is_allowed(void **state)
{
    const char *rid = house_recording(&h, h.admin, "Checkout fails", "user-17");
    const char *engineer = house_login_with(&h, "engineer", &mine), *gid = open_access(engineer, rid), *plain;
    struct reply r;

    (void) state;
    r = issue(engineer, gid, rid, NULL, NULL); /* also after a key was registered */
    assert_reply(&h, r, 201, "");
    assert_string_equal(reply_str(&h, &r, "token_type"), "Bearer");
    assert_int_equal(reply_int(&r, "expires_in"), 60);
    r = issue(engineer, gid, rid, &mine, "Bearer");
    assert_reply(&h, r, 201, "");
    assert_string_equal(reply_str(&h, &r, "token_type"), "Bearer");
    r = issue(engineer, gid, rid, &mine, NULL);
    assert_string_equal(reply_str(&h, &r, "token_type"), "DPoP");
    plain = house_login(&h, "engineer");
    r = issue(plain, gid, rid, NULL, NULL);
    assert_reply(&h, r, 201, "");
    r = issue(plain, gid, rid, NULL, "DPoP");
    assert_reply(&h, r, 403, "proof-needed");
}

/* The ledger says what a key is bound to: another cnf under the same jti was not signed here. */
static void first_sight_compares_the_binding(void **state)
{
    const char *rid = house_recording(&h, h.admin, "Checkout fails", "user-17");
    const char *engineer = house_login_with(&h, "engineer", &mine), *gid = open_access(engineer, rid);
    struct reply key = issue(engineer, gid, rid, &mine, NULL), who = house_call(&h, engineer, ROUTE_me, NULL, NULL, NULL);
    struct reply rec = house_call(&h, engineer, ROUTE_recording_get, rid, NULL, NULL);
    struct ipc_key_first in = { .jti = span_str(reply_str(&h, &key, "key_id")), .gid = span_str(gid), .gen = 1,
                                .rid = span_str(rid), .pid = span_str(reply_str(&h, &rec, "project")),
                                .sub = span_str(reply_str(&h, &who, "user.id")), .env = SPAN("prod"),
                                .jkt = span_str(mine.jkt) };
    struct ipc_key_facts facts;

    (void) state;
    house_send(&h, IPC_T_KEY_FIRST, &in, IPC_T_KEY_FACTS, &facts);
    assert_int_equal(facts.verdict, KEY_OK);
    in.jkt = span_str(other.jkt);
    house_send(&h, IPC_T_KEY_FIRST, &in, IPC_T_KEY_FACTS, &facts);
    assert_int_equal(facts.verdict, KEY_FORGED);
    in.jkt = SPAN_EMPTY;
    house_send(&h, IPC_T_KEY_FIRST, &in, IPC_T_KEY_FACTS, &facts);
    assert_int_equal(facts.verdict, KEY_FORGED);
}

static void an_api_token_gets_its_key_at_first_use(void **state)
{
    const char *rid = house_recording(&h, h.admin, "Checkout fails", "user-17"), *digest, *qid;
    const char *engineer = house_login_with(&h, "engineer", &mine), *token;
    const char *approver = house_login_with(&h, "approver", &other);
    struct reply r = house_act(&h, &mine, engineer, ROUTE_token_create, NULL, "{\"kind\":\"api\"}");

    (void) state;
    assert_reply(&h, r, 201, "");
    token = reply_str(&h, &r, "token");
    assert_int_equal(strlen(token), 47);
    qid = ask(token, rid, &digest);
    r = house_act(&h, &other, approver, ROUTE_request_approve, qid, fmt1("{\"digest\":\"%s\"}", digest));
    assert_reply(&h, r, 200, "");
    {
        const char *gid = reply_str(&h, &r, "grant");

        r = issue(token, gid, rid, NULL, NULL);
        assert_reply(&h, r, 403, "proof-needed");
        r = issue(token, gid, rid, &other, NULL);
        assert_reply(&h, r, 201, "");
        r = house_call(&h, token, ROUTE_me, NULL, NULL, NULL);
        assert_string_equal(reply_str(&h, &r, "auth.client_key"), other.jkt);
        r = issue(token, gid, rid, &mine, NULL); /* once: it is bound now */
        assert_reply(&h, r, 401, "key-binding");
    }
}

/* ---- signed acts ---- */

static void a_vote_is_signed(void **state)
{
    const char *rid = house_recording(&h, h.admin, "Checkout fails", "user-17");
    const char *engineer = house_login_with(&h, "engineer", &mine), *digest, *qid = ask(engineer, rid, &digest);
    const char *approver = house_login_with(&h, "approver", &other), *body = fmt1("{\"digest\":\"%s\"}", digest);
    struct reply r;

    (void) state;
    r = house_call(&h, approver, ROUTE_request_approve, qid, NULL, body);
    assert_reply(&h, r, 403, "act-needed");
    h.act = house_act_header(&h, &other, ROUTE_request_approve, qid, body);
    r = house_call(&h, approver, ROUTE_request_approve, qid, NULL, body);
    assert_reply(&h, r, 200, "");
    assert_string_equal(reply_str(&h, &r, "state"), "ACTIVE");
    h.act = NULL;
    assert_int_equal(house_leaves(&h, "request.voted", "approve"), 1);
    assert_int_equal(house_leaves_with(&h, "request.voted", "\"unsigned\""), 0);
    assert_int_equal(house_leaves_with(&h, "request.voted", "\"act\":\""), 1);
    assert_int_equal(house_leaves_with(&h, "grant.activated", "\"act\":\""), 1);
    assert_int_equal(house_leaves(&h, "request.voted", "act-needed"), 1);
}

static void unsigned_where_bearer_is(void **state)
{
    const char *rid = house_recording(&h, h.admin, "Checkout fails", "user-17");
    const char *engineer = house_login(&h, "engineer"), *digest, *qid = ask(engineer, rid, &digest);
    const char *approver = house_login(&h, "approver"), *body = fmt1("{\"digest\":\"%s\"}", digest);
    struct reply r;

    (void) state;
    h.act = house_act_header(&h, &other, ROUTE_request_approve, qid, body); /* signed by what nobody registered */
    r = house_call(&h, approver, ROUTE_request_approve, qid, NULL, body);
    assert_reply(&h, r, 401, "act-invalid");
    h.act = NULL;
    r = house_call(&h, approver, ROUTE_request_approve, qid, NULL, body);
    assert_reply(&h, r, 200, "");
    assert_int_equal(house_leaves_with(&h, "request.voted", "\"unsigned\":1"), 1);
    assert_int_equal(house_leaves_with(&h, "request.voted", "\"act\":\""), 0);
}

static void without_bearer_nothing_is_unsigned(void **state)
{
    const char *rid = house_recording(&h, h.admin, "Checkout fails", "user-17");
    const char *engineer = house_login_with(&h, "engineer", &mine), *digest, *qid = ask(engineer, rid, &digest);
    const char *approver = house_login(&h, "approver"), *body = fmt1("{\"digest\":\"%s\"}", digest);
    const char *user = "{\"name\":\"eve\"}";
    struct reply r;

    (void) state;
    r = house_call(&h, approver, ROUTE_request_approve, qid, NULL, body);
    assert_reply(&h, r, 403, "act-needed");
    r = house_call(&h, h.admin, ROUTE_user_create, NULL, NULL, user);
    assert_reply(&h, r, 403, "act-needed");
    h.prove = &other;
    r = house_call(&h, h.admin, ROUTE_client_key_register, NULL, NULL, NULL);
    assert_reply(&h, r, 200, "");
    h.prove = NULL;
    r = house_call(&h, h.admin, ROUTE_user_create, NULL, NULL, user);
    assert_reply(&h, r, 403, "act-needed");
    r = house_act(&h, &other, h.admin, ROUTE_user_create, NULL, user);
    assert_reply(&h, r, 201, "");
    assert_int_equal(house_leaves_with(&h, "user.created", "\"act\":\""), 1);
    r = house_call(&h, approver, ROUTE_request_get, qid, NULL, NULL);
    assert_string_equal(reply_str(&h, &r, "state"), "PENDING");
}

/* auth.token_votes: machines that approve, marked. */
static void tokens_may_be_let_vote(void **state)
{
    const char *rid = house_recording(&h, h.admin, "Checkout fails", "user-17"), *engineer, *digest, *qid;
    struct reply r;

    (void) state;
    h.token_votes = true;
    house_restart(&h);
    engineer = house_login_with(&h, "engineer", &mine);
    qid = ask(engineer, rid, &digest);
    r = house_call(&h, h.admin, ROUTE_request_approve, qid, NULL, fmt1("{\"digest\":\"%s\"}", digest));
    assert_reply(&h, r, 200, "");
    assert_int_equal(house_leaves_with(&h, "request.voted", "\"unsigned\":1"), 1);
}

static void a_new_key_waits(void **state)
{
    const char *rid = house_recording(&h, h.admin, "Checkout fails", "user-17"), *engineer, *approver, *digest, *qid, *body;
    struct reply r;

    (void) state;
    h.new_key_wait_ms = 60 * 60 * 1000;
    house_restart(&h);
    engineer = house_login_with(&h, "engineer", &mine);
    qid = ask(engineer, rid, &digest);
    body = fmt1("{\"digest\":\"%s\"}", digest);
    approver = house_login_with(&h, "approver", &other);
    r = house_call(&h, approver, ROUTE_me, NULL, NULL, NULL);
    assert_true(reply_has(&r, "auth.acts_from"));
    house_sleep(&h, 60 * 60 * 1000 - 1);
    house_tick(&h, CMD_SECOND);
    approver = house_login_with(&h, "approver", &other); /* a later sign-in does not begin the wait anew */
    r = house_act(&h, &other, approver, ROUTE_request_approve, qid, body);
    assert_reply(&h, r, 401, "act-invalid");
    assert_string_equal(reply_str(&h, &r, "cause"), "new-key");
    house_sleep(&h, 1);
    r = house_act(&h, &other, approver, ROUTE_request_approve, qid, body);
    assert_reply(&h, r, 200, "");
}

/* ---- a gate in somebody else's hands ---- */

/* It has the approver's cookie, knows the request, and tries everything that CONTROL can say. */
static void a_taken_gate_cannot_vote(void **state)
{
    const char *rid = house_recording(&h, h.admin, "Checkout fails", "user-17");
    const char *rid2 = house_recording(&h, h.admin, "Another", "user-18");
    const char *engineer = house_login_with(&h, "engineer", &mine), *digest, *digest2;
    const char *qid = ask(engineer, rid, &digest), *qid2 = ask(engineer, rid2, &digest2);
    const char *approver = house_login_with(&h, "approver", &other);
    const char *body = fmt1("{\"digest\":\"%s\"}", digest), *body2 = fmt1("{\"digest\":\"%s\"}", digest2);
    const char *good = house_act_header(&h, &other, ROUTE_request_deny, qid2, body2);
    struct {
        const char *what, *act, *cause;
    } cases[] = {
        { "no form", "x", "form" },
        { "own key", house_act_header(&h, &mine, ROUTE_request_approve, qid, body), "signature" },
        { "another act of that person", house_act_header(&h, &other, ROUTE_request_deny, qid, body), "signature" },
        { "another request", house_act_header(&h, &other, ROUTE_request_approve, qid2, body), "signature" },
        { "another body", house_act_header(&h, &other, ROUTE_request_approve, qid, body2), "signature" },
        { "a deny meant for another", good, "signature" },
    };
    const char *header, *old, *ahead;
    struct reply r;

    (void) state;
    r = house_call(&h, approver, ROUTE_request_approve, qid, NULL, body);
    assert_reply(&h, r, 403, "act-needed");
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        h.act = cases[i].act;
        r = house_call(&h, approver, ROUTE_request_approve, qid, NULL, body);
        assert_reply(&h, r, 401, "act-invalid");
        assert_string_equal(reply_str(&h, &r, "cause"), cases[i].cause);
    }
    /* A proof of its own beside the cookie registers nothing on that sign-in. */
    h.prove = &mine;
    h.act = house_act_header(&h, &mine, ROUTE_request_approve, qid, body);
    r = house_call(&h, approver, ROUTE_request_approve, qid, NULL, body);
    assert_reply(&h, r, 401, "act-invalid");
    r = house_call(&h, approver, ROUTE_client_key_register, NULL, NULL, NULL);
    assert_reply(&h, r, 409, "already-exists");
    h.prove = NULL;
    /* Held back for too long, or signed for later. */
    old = house_act_header(&h, &other, ROUTE_request_approve, qid, body);
    house_sleep(&h, 121 * 1000);
    house_tick(&h, CMD_SECOND);
    h.act = old;
    r = house_call(&h, approver, ROUTE_request_approve, qid, NULL, body);
    assert_reply(&h, r, 401, "act-invalid");
    assert_string_equal(reply_str(&h, &r, "cause"), "old");
    h.real += 122 * 1000;
    ahead = house_act_header(&h, &other, ROUTE_request_approve, qid, body);
    h.real -= 122 * 1000;
    h.act = ahead;
    r = house_call(&h, approver, ROUTE_request_approve, qid, NULL, body);
    assert_reply(&h, r, 401, "act-invalid");
    assert_string_equal(reply_str(&h, &r, "cause"), "ahead");
    /* What was signed is done, once: seen again it is worth nothing, nor is its twin (r, n - s). */
    header = house_act_header(&h, &other, ROUTE_request_deny, qid, body);
    h.act = header;
    r = house_call(&h, approver, ROUTE_request_deny, qid, NULL, body);
    assert_reply(&h, r, 200, "");
    r = house_call(&h, approver, ROUTE_request_deny, qid, NULL, body);
    assert_reply(&h, r, 401, "act-invalid");
    assert_string_equal(reply_str(&h, &r, "cause"), "repeated");
    h.act = NULL;
    assert_int_equal(house_leaves(&h, "request.voted", "approve"), 0);
    r = house_call(&h, engineer, ROUTE_request_get, qid, NULL, NULL);
    assert_string_equal(reply_str(&h, &r, "state"), "DENIED");
    r = house_call(&h, engineer, ROUTE_request_get, qid2, NULL, NULL);
    assert_string_equal(reply_str(&h, &r, "state"), "PENDING");
}

/* An act that was refused for another reason is used up as well: the gate cannot bring it out when the reason is gone. */
static void a_refused_act_is_used_up(void **state)
{
    const char *rid = house_recording(&h, h.admin, "Checkout fails", "user-17");
    const char *engineer = house_login_with(&h, "engineer", &mine), *digest, *qid = ask(engineer, rid, &digest);
    const char *approver = house_login_with(&h, "approver", &other), *body = fmt1("{\"digest\":\"%s\"}", digest);
    struct reply r;

    (void) state;
    house_sleep(&h, 14 * 60 * 1000);
    (void) house_call(&h, approver, ROUTE_me, NULL, NULL, NULL);
    house_tick(&h, CMD_SECOND);
    house_sleep(&h, 2 * 60 * 1000);
    h.act = house_act_header(&h, &other, ROUTE_request_approve, qid, body);
    r = house_call(&h, approver, ROUTE_request_approve, qid, NULL, body);
    assert_reply(&h, r, 401, "reauth-needed");
    r = house_call(&h, approver, ROUTE_reauth, NULL, NULL, "{\"password\":\"" HOUSE_PASSWORD "\"}");
    assert_reply(&h, r, 200, "");
    r = house_call(&h, approver, ROUTE_request_approve, qid, NULL, body);
    assert_reply(&h, r, 401, "act-invalid");
    assert_string_equal(reply_str(&h, &r, "cause"), "repeated");
    r = house_act(&h, &other, approver, ROUTE_request_approve, qid, body);
    assert_reply(&h, r, 200, "");
}

/* Under the same Idempotency-Key the answer is said again, without another act. */
static void a_repeat_is_no_second_act(void **state)
{
    const char *admin = h.admin, *body = "{\"name\":\"eve\"}";
    struct reply first, r;

    (void) state;
    h.prove = &other;
    r = house_call(&h, admin, ROUTE_client_key_register, NULL, NULL, NULL);
    assert_reply(&h, r, 200, "");
    h.prove = NULL;
    h.act = house_act_header(&h, &other, ROUTE_user_create, NULL, body);
    first = house_call_with(&h, admin, ROUTE_user_create, NULL, body, "again", NULL);
    assert_reply(&h, first, 201, "");
    r = house_call_with(&h, admin, ROUTE_user_create, NULL, body, "again", NULL);
    assert_reply(&h, r, 201, "");
    assert_string_equal(reply_str(&h, &r, "id"), reply_str(&h, &first, "id"));
    r = house_call_with(&h, admin, ROUTE_user_create, NULL, body, "another", NULL);
    assert_reply(&h, r, 401, "act-invalid");
    h.act = NULL;
    assert_int_equal(house_leaves_with(&h, "user.created", "\"act\":\""), 1);
}

/* A password goes through a worker between two runs of the command: the act is checked both times and counted once. */
static void a_slow_step_counts_once(void **state)
{
    const char *admin = h.admin, *body = "{\"name\":\"eve\",\"password\":\"long enough\"}";
    struct reply r;

    (void) state;
    h.prove = &other;
    r = house_call(&h, admin, ROUTE_client_key_register, NULL, NULL, NULL);
    assert_reply(&h, r, 200, "");
    h.prove = NULL;
    r = house_act(&h, &other, admin, ROUTE_user_create, NULL, body);
    assert_reply(&h, r, 201, "");
}

#define TEAM(t)  cmocka_unit_test_setup_teardown(t, open_team, close_house)
#define BOUND(t) cmocka_unit_test_setup_teardown(t, open_bound, close_house)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEAM(a_sign_in_brings_its_key),       BOUND(keys_are_bound),
        BOUND(two_live_keys_a_client),        TEAM(bearer_where_it_is_allowed),
        BOUND(first_sight_compares_the_binding), BOUND(an_api_token_gets_its_key_at_first_use),
        BOUND(a_vote_is_signed),              TEAM(unsigned_where_bearer_is),
        BOUND(without_bearer_nothing_is_unsigned), BOUND(tokens_may_be_let_vote),
        BOUND(a_new_key_waits),               BOUND(a_taken_gate_cannot_vote),
        TEAM(a_taken_gate_cannot_vote),       BOUND(a_refused_act_is_used_up),
        BOUND(a_repeat_is_no_second_act),     BOUND(a_slow_step_counts_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
