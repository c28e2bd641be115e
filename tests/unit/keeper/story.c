/* The whole way: sign in, ask, approve, key, lease, end; and every way in which it is refused. */
#include <stdio.h>

#include "house.h"

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

static const char *body_for(const char *rid, const char *more)
{
    static char text[4096];

    (void) snprintf(text, sizeof(text),
                    "{\"recordings\":[\"%s\"],\"actions\":[\"play\"],\"purpose\":{\"code\":\"support\","
                    "\"reason\":\"Customer says that checkout fails after the discount\"},\"duration_s\":600%s}",
                    rid, more);
    return text;
}

static const char *vote_body(const char *digest)
{
    static char text[128];

    (void) snprintf(text, sizeof(text), "{\"digest\":\"%s\"}", digest);
    return text;
}

static void lease(const struct reply *key, const char *gid, const char *rid, const char *pid, const char *sub, int what,
                  enum key_verdict want, struct ipc_leased *ret)
{
    struct ipc_lease in = { .jti = span_str(reply_str(&h, key, "key_id")), .gid = span_str(gid), .gen = 1,
                            .vid = span_str(reply_str(&h, key, "viewing")), .rid = span_str(rid), .pid = span_str(pid),
                            .sub = span_str(sub), .what = (uint8_t) what, .to_seq = 11, .to_ms = 5000, .bytes = 400,
                            .release = 1, .release_kn = 1 };

    house_send(&h, IPC_T_LEASE, &in, IPC_T_LEASED, ret);
    assert_int_equal(ret->verdict, want);
}

static void test_story(void **state)
{
    const char *rid = house_recording(&h, h.admin, "Checkout fails", "user-17");
    const char *engineer = house_login(&h, "engineer"), *approver = house_login(&h, "approver");
    const char *qid, *gid, *digest, *pid, *sub, *key_body;
    struct reply r, key;
    struct ipc_leased leased;
    struct ipc_key_facts facts;
    char body[128];

    (void) state;
    r = house_call(&h, engineer, ROUTE_recording_get, rid, NULL, NULL);
    assert_reply(&h, r, 200, "");
    assert_string_equal(reply_str(&h, &r, "access"), "none");
    assert_int_equal(strlen(reply_str(&h, &r, "subject")), 8); /* a viewer sees a pseudonym */
    pid = reply_str(&h, &r, "project");

    r = house_call(&h, engineer, ROUTE_requests_check, NULL, NULL, body_for(rid, ""));
    assert_reply(&h, r, 200, "");
    assert_string_equal(reply_str(&h, &r, "verdict"), "ask");
    assert_int_equal(reply_int(&r, "terms.approvers_total"), 3); /* approver, lead, admin */

    house_forget(&h);
    r = house_call(&h, engineer, ROUTE_request_create, NULL, NULL, body_for(rid, ""));
    assert_reply(&h, r, 201, "");
    qid = reply_str(&h, &r, "id");
    digest = reply_str(&h, &r, "digest");
    sub = reply_str(&h, &r, "requester.id");
    assert_string_equal(reply_str(&h, &r, "state"), "PENDING");
    assert_string_equal(reply_str(&h, &r, "digest_object.reason"),
                        "Customer says that checkout fails after the discount");

    r = house_call(&h, approver, ROUTE_requests_list, NULL, "{\"box\":\"inbox\"}", NULL);
    assert_reply(&h, r, 200, "");
    assert_string_equal(reply_str(&h, &r, "items.0.id"), qid);
    assert_string_equal(reply_str(&h, &r, "items.0.can.0"), "approve");

    r = house_call(&h, approver, ROUTE_request_approve, qid, NULL, vote_body(digest));
    assert_reply(&h, r, 200, "");
    assert_string_equal(reply_str(&h, &r, "state"), "ACTIVE");
    gid = reply_str(&h, &r, "grant");
    assert_int_equal(house_pushed(&h, IPC_T_GRANTS), 1);

    (void) snprintf(body, sizeof(body), "{\"recording\":\"%s\"}", rid);
    key_body = body;
    key = house_call(&h, engineer, ROUTE_keys_issue, gid, NULL, key_body);
    assert_reply(&h, key, 201, "");
    assert_string_equal(reply_str(&h, &key, "key"), "fake.key");
    assert_int_equal(reply_int(&key, "expires_in"), 60);
    assert_int_equal(reply_int(&key, "renew_after"), 45);

    {
        const struct ipc_key_first first = { .jti = span_str(reply_str(&h, &key, "key_id")), .gid = span_str(gid), .gen = 1,
                                             .rid = span_str(rid), .pid = span_str(pid), .sub = span_str(sub),
                                             .env = SPAN("prod") };

        house_send(&h, IPC_T_KEY_FIRST, &first, IPC_T_KEY_FACTS, &facts);
        assert_int_equal(facts.verdict, KEY_OK);
        assert_int_equal(facts.pieces.n, 1);
        assert_int_equal(facts.wraps.n, 1);
        assert_int_equal(facts.n_chunks, 2);
        assert_int_equal(facts.grant.n, 1);
    }
    lease(&key, gid, rid, pid, sub, LEASE_STREAM, KEY_OK, &leased);
    assert_int_equal(house_leaves(&h, "replay.leased", "ok"), 1);
    {
        /* A new keeper knows from the log what was leased under this key. */
        const struct ipc_key_first first = { .jti = span_str(reply_str(&h, &key, "key_id")), .gid = span_str(gid), .gen = 1,
                                             .rid = span_str(rid), .pid = span_str(pid), .sub = span_str(sub),
                                             .env = SPAN("prod") };

        house_sleep(&h, 1000);
        house_restart(&h);
        house_send(&h, IPC_T_KEY_FIRST, &first, IPC_T_KEY_FACTS, &facts);
        assert_int_equal(facts.verdict, KEY_OK);
        assert_int_equal(facts.volume, 400);
        assert_int_equal(facts.lease_idx, 0); /* not asked for */
    }
    assert_int_equal(house_leaves(&h, "vault.released", NULL), 1);
    {
        /* The manifest's lease with it, as LEASE would have written it. */
        static const uint8_t proof[32] = { 1 };
        const struct ipc_key_first first = { .jti = span_str(reply_str(&h, &key, "key_id")), .gid = span_str(gid), .gen = 1,
                                             .rid = span_str(rid), .pid = span_str(pid), .sub = span_str(sub),
                                             .env = SPAN("prod"), .lease = 1, .proof = SPAN_OF(proof) };
        struct ipc_key_first forged = first;

        forged.jti = SPAN("AAAAAAAAAAAAAAAAAAAAAA");
        house_send(&h, IPC_T_KEY_FIRST, &forged, IPC_T_KEY_FACTS, &facts);
        assert_int_equal(facts.verdict, KEY_FORGED);
        assert_int_equal(facts.lease_idx, 0);
        assert_int_equal(house_leaves(&h, "replay.leased", "ok"), 1);
        house_send(&h, IPC_T_KEY_FIRST, &first, IPC_T_KEY_FACTS, &facts);
        assert_int_equal(facts.verdict, KEY_OK);
        assert_true(facts.lease_idx > 0);
        assert_int_equal(facts.release_idx, facts.lease_idx + 1);
        assert_int_equal(facts.release_kn, facts.wraps.rows[0].kn);
        assert_int_equal(house_leaves(&h, "replay.leased", "ok"), 2);
        assert_int_equal(house_leaves(&h, "vault.released", NULL), 2);
    }
    assert_int_equal(house_leaves(&h, "viewing.begun", NULL), 1);
    {
        const struct ipc_stream_open open = { .vid = span_str(reply_str(&h, &key, "viewing")), .gid = span_str(gid),
                                              .rid = span_str(rid), .jti = span_str(reply_str(&h, &key, "key_id")) };

        house_send(&h, IPC_T_STREAM_OPEN, &open, IPC_T_NONE_, NULL);
    }

    r = house_call(&h, approver, ROUTE_viewings_list, NULL, "{\"state\":\"live\"}", NULL);
    assert_reply(&h, r, 200, "");
    assert_int_equal(reply_int(&r, "items"), 1);

    /* The window closes by itself, on time: not a key, not a lease any more. */
    house_sleep(&h, 599 * 1000 - 1);
    house_tick(&h, CMD_SECOND);
    r = house_call(&h, engineer, ROUTE_grant_get, gid, NULL, NULL);
    assert_string_equal(reply_str(&h, &r, "state"), "ACTIVE");
    house_forget(&h);
    house_sleep(&h, 1);
    r = house_call(&h, engineer, ROUTE_keys_issue, gid, NULL, key_body);
    assert_reply(&h, r, 403, "grant-ended");
    house_tick(&h, CMD_SECOND);
    assert_int_equal(house_pushed(&h, IPC_T_GRANTS), 1);
    assert_int_equal(house_leaves(&h, "grant.expired", "window"), 1);
    assert_int_equal(house_leaves(&h, "viewing.stopped", "window"), 1);
    lease(&key, gid, rid, pid, sub, LEASE_STREAM, KEY_GRANT_ENDED, &leased);
    r = house_call(&h, engineer, ROUTE_grant_get, gid, NULL, NULL);
    assert_string_equal(reply_str(&h, &r, "state"), "EXPIRED");
}

static const char *ask(const char *token, const char *rid, const char *more, struct reply *ret)
{
    *ret = house_call(&h, token, ROUTE_request_create, NULL, NULL, body_for(rid, more));
    assert_reply(&h, *ret, 201, "");
    return reply_str(&h, ret, "id");
}

static void test_bad_requests(void **state)
{
    static const struct {
        const char *name, *body;
        int status;
        const char *code, *at;
    } cases[] = {
        { "zero seconds", "\"duration_s\":0", 422, "invalid", "/duration_s" },
        { "a year and a bit", "\"duration_s\":31536001", 422, "invalid", "/duration_s" },
        { "a year", "\"duration_s\":31536000", 422, "invalid", "/duration_s" },
        { "more than the policy", "\"duration_s\":3601", 422, "invalid", "/duration_s" },
        { "spaces", "\"purpose\":{\"code\":\"support\",\"reason\":\"                              \"}", 422, "invalid",
          "/purpose/reason" },
        { "short reason", "\"purpose\":{\"code\":\"support\",\"reason\":\"because\"}", 422, "invalid", "/purpose/reason" },
        { "unknown purpose", "\"purpose\":{\"code\":\"fun\",\"reason\":\"Customer says that checkout fails\"}", 422,
          "invalid", "/purpose/code" },
        { "unknown member", "\"colour\":\"blue\"", 422, "invalid", "" },
        { "parts", "\"parts\":[{\"rid\":\"x\"}]", 422, "parts-unsupported", NULL },
        { "no actions", "\"actions\":[]", 422, "invalid", "/actions" },
    };
    const char *rid = house_recording(&h, h.admin, "t", "");
    const char *engineer = house_login(&h, "engineer");

    (void) state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char body[1024], key[32];
        const char *colon = strchr(cases[i].body, ':');
        struct reply r;

        (void) snprintf(key, sizeof(key), "%.*s", (int) (colon - cases[i].body), cases[i].body);
        (void) snprintf(body, sizeof(body), "{%s", cases[i].body);
        if (strcmp(key, "\"duration_s\"") != 0)
            strcat(body, ",\"duration_s\":60");
        if (strcmp(key, "\"purpose\"") != 0)
            strcat(body, ",\"purpose\":{\"code\":\"support\",\"reason\":\"Customer says that checkout fails\"}");
        if (strcmp(key, "\"actions\"") != 0)
            strcat(body, ",\"actions\":[\"play\"]");
        (void) snprintf(body + strlen(body), sizeof(body) - strlen(body), ",\"recordings\":[\"%s\"]}", rid);
        r = house_call(&h, engineer, ROUTE_request_create, NULL, NULL, body);
        if (r.status != cases[i].status || strcmp(r.code, cases[i].code) != 0)
            print_error("case '%s'\n", cases[i].name);
        assert_reply(&h, r, cases[i].status, cases[i].code);
        if (cases[i].at != NULL)
            assert_string_equal(reply_str(&h, &r, "errors.0.at"), cases[i].at);
    }
    /* An audit record where somebody tried (the first of each minute at once). */
    assert_int_equal(house_leaves(&h, "request.created", "invalid"), 2); /* before and after the project is known */
    assert_int_equal(house_leaves(&h, "request.created", "ok"), 0);
}

static void test_foreign_recording(void **state)
{
    const char *rid = house_recording(&h, h.admin, "t", "");
    struct reply r;
    const char *engineer = house_login(&h, "engineer");

    (void) state;
    /* The engineer loses the role for every project, so the recording's project is not theirs. */
    r = house_call(&h, h.admin, ROUTE_user_patch, "engineer", NULL, "{\"roles\":[]}");
    assert_reply(&h, r, 200, "");
    r = house_call(&h, engineer, ROUTE_recording_get, rid, NULL, NULL);
    assert_reply(&h, r, 404, "not-found");
    r = house_call(&h, engineer, ROUTE_request_create, NULL, NULL, body_for(rid, ""));
    assert_reply(&h, r, 404, "not-found");
    r = house_call(&h, engineer, ROUTE_request_create, NULL, NULL, body_for("r_AAAAAAAAAAAAAAAA", ""));
    assert_reply(&h, r, 404, "not-found"); /* the same for one that does not exist */
    assert_int_equal(r.text.n, 0);
    assert_int_equal(house_leaves(&h, "request.created", "not-found"), 2);
}

static void test_votes(void **state)
{
    const char *rid = house_recording(&h, h.admin, "t", "");
    const char *engineer = house_login(&h, "engineer"), *approver = house_login(&h, "approver"), *lead = house_login(&h, "lead");
    struct reply q, r;
    const char *qid = ask(engineer, rid, "", &q);
    const char *digest = reply_str(&h, &q, "digest");

    (void) state;
    r = house_call(&h, engineer, ROUTE_request_approve, qid, NULL, vote_body(digest));
    assert_reply(&h, r, 403, "not-eligible");
    assert_string_equal(reply_str(&h, &r, "cause"), "requester");
    r = house_call(&h, h.admin, ROUTE_request_approve, qid, NULL, vote_body(digest));
    assert_reply(&h, r, 403, "token-not-fresh"); /* an API token cannot vote */
    r = house_call(&h, approver, ROUTE_request_approve, qid, NULL,
                   vote_body("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"));
    assert_reply(&h, r, 409, "digest-mismatch");
    r = house_call_with(&h, approver, ROUTE_request_approve, qid, vote_body(digest), NULL, "\"7\"");
    assert_reply(&h, r, 412, "stale");
    /* Fresh for 15 minutes, not a moment longer. */
    house_sleep(&h, 15 * 60 * 1000 + 1);
    approver = house_login(&h, "approver");
    house_sleep(&h, 15 * 60 * 1000 + 1);
    r = house_call(&h, approver, ROUTE_request_approve, qid, NULL, vote_body(digest));
    assert_reply(&h, r, 401, "reauth-needed");
    r = house_call(&h, approver, ROUTE_reauth, NULL, NULL, "{\"password\":\"wrong\"}");
    assert_reply(&h, r, 401, "login-failed");
    r = house_call(&h, approver, ROUTE_reauth, NULL, NULL, "{\"password\":\"" HOUSE_PASSWORD "\"}");
    assert_reply(&h, r, 200, "");
    r = house_call(&h, approver, ROUTE_request_approve, qid, NULL, vote_body(digest));
    assert_reply(&h, r, 200, "");
    r = house_call(&h, approver, ROUTE_request_approve, qid, NULL, vote_body(digest));
    assert_reply(&h, r, 409, "grant-state-conflict");
    lead = house_login(&h, "lead");
    r = house_call(&h, lead, ROUTE_request_deny, qid, NULL, vote_body(digest));
    assert_reply(&h, r, 409, "grant-state-conflict");
    assert_int_equal(house_leaves(&h, "request.voted", "approve"), 1);
    assert_int_equal(house_leaves(&h, "grant.activated", NULL), 1);
}

static const char two_votes[] =
    "purpose \"support\" { }\n"
    "rule \"two\" { who = { \"role:viewer\" } actions = { play } purposes = { \"support\" } max = 60min "
    "start = { approval, first-use } binding = { bearer } ask { need = 2 deny = 1 } }\n";

static int open_two(void **state)
{
    (void) state;
    house_open(&h, two_votes, true);
    return 0;
}

static void test_two_votes(void **state)
{
    const char *rid = house_recording(&h, h.admin, "t", "");
    const char *engineer = house_login(&h, "engineer"), *approver = house_login(&h, "approver"), *lead = house_login(&h, "lead");
    struct reply q, r;
    const char *qid = ask(engineer, rid, "", &q), *digest = reply_str(&h, &q, "digest");

    (void) state;
    r = house_call(&h, approver, ROUTE_request_approve, qid, NULL, vote_body(digest));
    assert_reply(&h, r, 200, "");
    assert_string_equal(reply_str(&h, &r, "state"), "PENDING");
    r = house_call(&h, approver, ROUTE_request_approve, qid, NULL, vote_body(digest));
    assert_reply(&h, r, 409, "already-voted"); /* two approvals by one person */
    r = house_call(&h, lead, ROUTE_request_approve, qid, NULL, vote_body(digest));
    assert_reply(&h, r, 200, "");
    assert_string_equal(reply_str(&h, &r, "state"), "ACTIVE");
    assert_int_equal(reply_int(&r, "votes"), 2);
}

/* Two last approvals in one group: one activation, both kept as records. */
static void test_last_two_at_once(void **state)
{
    const char *rid = house_recording(&h, h.admin, "t", "");
    const char *engineer = house_login(&h, "engineer"), *approver = house_login(&h, "approver"), *lead = house_login(&h, "lead");
    struct reply q, a, b;
    const char *qid = ask(engineer, rid, "", &q), *digest = reply_str(&h, &q, "digest");

    (void) state;
    a = house_call(&h, approver, ROUTE_request_approve, qid, NULL, vote_body(digest));
    b = house_call(&h, lead, ROUTE_request_approve, qid, NULL, vote_body(digest));
    assert_reply(&h, a, 200, "");
    assert_reply(&h, b, 409, "grant-state-conflict");
    assert_int_equal(house_leaves(&h, "grant.activated", NULL), 1);
}

static void test_first_use_and_lapse(void **state)
{
    const char *rid = house_recording(&h, h.admin, "t", "");
    const char *engineer = house_login(&h, "engineer"), *approver = house_login(&h, "approver");
    struct reply q, r;
    const char *qid = ask(engineer, rid, ",\"start\":\"first-use\",\"start_by_s\":3600", &q), *gid;
    char body[128];

    (void) state;
    r = house_call(&h, approver, ROUTE_request_approve, qid, NULL, vote_body(reply_str(&h, &q, "digest")));
    assert_string_equal(reply_str(&h, &r, "state"), "SCHEDULED");
    gid = reply_str(&h, &r, "grant");
    house_sleep(&h, 600000);
    engineer = house_login(&h, "engineer");
    (void) snprintf(body, sizeof(body), "{\"recording\":\"%s\",\"scope\":[\"export\"]}", rid);
    r = house_call(&h, engineer, ROUTE_keys_issue, gid, NULL, body);
    assert_reply(&h, r, 403, "scope"); /* and the window stays closed for it */
    r = house_call(&h, engineer, ROUTE_grant_get, gid, NULL, NULL);
    assert_string_equal(reply_str(&h, &r, "state"), "SCHEDULED");
    (void) snprintf(body, sizeof(body), "{\"recording\":\"%s\"}", rid);
    r = house_call(&h, engineer, ROUTE_keys_issue, gid, NULL, body);
    assert_reply(&h, r, 201, "");
    r = house_call(&h, engineer, ROUTE_grant_get, gid, NULL, NULL);
    assert_string_equal(reply_str(&h, &r, "state"), "ACTIVE");
    assert_int_equal(reply_int(&r, "left_ms"), 600000);

    /* Nobody decides on a second one: it lapses after four hours. */
    r = house_call(&h, engineer, ROUTE_grant_relinquish, gid, NULL, NULL);
    assert_reply(&h, r, 200, "");
    assert_string_equal(reply_str(&h, &r, "ended.cause"), "given-back");
    qid = ask(engineer, rid, "", &q);
    house_sleep(&h, 4 * 3600 * 1000);
    house_tick(&h, CMD_SECOND);
    engineer = house_login(&h, "engineer");
    r = house_call(&h, engineer, ROUTE_request_get, qid, NULL, NULL);
    assert_string_equal(reply_str(&h, &r, "state"), "LAPSED");
    assert_int_equal(house_leaves(&h, "request.lapsed", NULL), 1);
}

/* Opens an ACTIVE grant of the engineer on rid. */
static const char *opened(const char *engineer, const char *approver, const char *rid)
{
    struct reply q, r;
    const char *qid = ask(engineer, rid, "", &q);

    r = house_call(&h, approver, ROUTE_request_approve, qid, NULL, vote_body(reply_str(&h, &q, "digest")));
    assert_reply(&h, r, 200, "");
    return reply_str(&h, &r, "grant");
}

static void test_keys(void **state)
{
    const char *rid = house_recording(&h, h.admin, "t", ""), *other = house_recording(&h, h.admin, "u", "");
    const char *engineer = house_login(&h, "engineer"), *approver = house_login(&h, "approver");
    const char *gid = opened(engineer, approver, rid), *first;
    struct reply r, k1, k2, k3;
    char body[128], list[64];

    (void) state;
    (void) snprintf(body, sizeof(body), "{\"recording\":\"%s\"}", other);
    r = house_call(&h, engineer, ROUTE_keys_issue, gid, NULL, body);
    assert_reply(&h, r, 403, "recording-mismatch");
    (void) snprintf(body, sizeof(body), "{\"recording\":\"%s\"}", rid);
    r = house_call(&h, approver, ROUTE_keys_issue, gid, NULL, body);
    assert_reply(&h, r, 403, "forbidden"); /* seen, but not theirs */

    k1 = house_call(&h, engineer, ROUTE_keys_issue, gid, NULL, body);
    k2 = house_call(&h, engineer, ROUTE_keys_issue, gid, NULL, body);
    assert_reply(&h, k1, 201, "");
    assert_reply(&h, k2, 201, "");
    assert_string_equal(reply_str(&h, &k1, "viewing"), reply_str(&h, &k2, "viewing"));
    house_forget(&h);
    k3 = house_call(&h, engineer, ROUTE_keys_issue, gid, NULL, body);
    assert_reply(&h, k3, 201, "");
    assert_int_equal(house_pushed(&h, IPC_T_DENY), 1); /* the third retires the oldest */
    (void) snprintf(list, sizeof(list), "{\"grant\":\"%s\"}", gid);
    r = house_call(&h, engineer, ROUTE_keys_list, NULL, list, NULL);
    assert_reply(&h, r, 200, "");
    assert_int_equal(reply_int(&r, "items"), 3);
    first = reply_str(&h, &k1, "key_id");
    assert_string_equal(reply_str(&h, &r, "items.2.key_id"), first);
    assert_string_equal(reply_str(&h, &r, "items.2.state"), "revoked");
    assert_int_equal(house_leaves(&h, "key.issued", "ok"), 1);
    assert_int_equal(house_leaves(&h, "key.renewed", "ok"), 2);
    assert_null(memmem(r.text.p, r.text.n, "fake.key", 8)); /* the key itself is nowhere */

    r = house_call(&h, engineer, ROUTE_key_revoke, reply_str(&h, &k2, "key_id"), NULL, NULL);
    assert_reply(&h, r, 204, "");
    r = house_call(&h, engineer, ROUTE_key_revoke, reply_str(&h, &k2, "key_id"), NULL, NULL);
    assert_reply(&h, r, 204, ""); /* repeating it is harmless */

    /* Stopping a viewing denies its keys and issues no more for it. */
    r = house_call(&h, approver, ROUTE_viewing_stop, reply_str(&h, &k3, "viewing"), NULL, NULL);
    assert_reply(&h, r, 200, "");
    r = house_call(&h, engineer, ROUTE_keys_issue, gid, NULL, body);
    assert_reply(&h, r, 403, "grant-ended");

    h.vault_signs = false;
    rid = other;
}

/* Revoke before or after the key: never a key with the new generation, never a lease under the old one. */
static void test_revoke(void **state)
{
    const char *rid = house_recording(&h, h.admin, "t", "");
    const char *engineer = house_login(&h, "engineer"), *approver = house_login(&h, "approver");
    const char *gid = opened(engineer, approver, rid);
    struct reply key, r;
    struct ipc_leased leased;
    char body[128];

    (void) state;
    (void) snprintf(body, sizeof(body), "{\"recording\":\"%s\"}", rid);
    key = house_call(&h, engineer, ROUTE_keys_issue, gid, NULL, body);
    assert_reply(&h, key, 201, "");
    r = house_call(&h, engineer, ROUTE_grant_revoke, gid, NULL, NULL);
    assert_reply(&h, r, 403, "forbidden");
    r = house_call(&h, approver, ROUTE_grant_revoke, gid, NULL, "{\"comment\":\"enough\"}");
    assert_reply(&h, r, 200, "");
    assert_string_equal(reply_str(&h, &r, "state"), "REVOKED");
    assert_string_equal(reply_str(&h, &r, "ended.comment"), "enough");
    assert_string_equal(reply_str(&h, &r, "ended.by.name"), "approver");
    r = house_call(&h, engineer, ROUTE_keys_issue, gid, NULL, body);
    assert_reply(&h, r, 403, "grant-ended");
    r = house_call(&h, approver, ROUTE_grant_revoke, gid, NULL, NULL);
    assert_reply(&h, r, 409, "grant-state-conflict"); /* ended absorbs */
    r = house_call(&h, engineer, ROUTE_me, NULL, NULL, NULL);
    lease(&key, gid, rid, reply_str(&h, &r, "projects.0.id"), reply_str(&h, &r, "user.id"), LEASE_STREAM, KEY_GRANT_ENDED,
          &leased);
}

static void test_disabled(void **state)
{
    const char *rid = house_recording(&h, h.admin, "t", ""), *other = house_recording(&h, h.admin, "u", "");
    const char *engineer = house_login(&h, "engineer"), *approver = house_login(&h, "approver");
    const char *gid = opened(engineer, approver, rid), *qid;
    struct reply q, r;

    (void) state;
    qid = ask(engineer, other, "", &q);
    house_forget(&h);
    r = house_call(&h, h.admin, ROUTE_user_patch, "engineer", NULL, "{\"disabled\":true}");
    assert_reply(&h, r, 200, "");
    assert_string_equal(reply_str(&h, &r, "state"), "disabled");
    assert_int_equal(house_pushed(&h, IPC_T_GRANTS), 1);
    r = house_call(&h, engineer, ROUTE_me, NULL, NULL, NULL);
    assert_reply(&h, r, 401, "login-needed");
    r = house_call(&h, approver, ROUTE_grant_get, gid, NULL, NULL);
    assert_string_equal(reply_str(&h, &r, "state"), "REVOKED");
    assert_string_equal(reply_str(&h, &r, "ended.cause"), "person-disabled");
    r = house_call(&h, approver, ROUTE_request_get, qid, NULL, NULL);
    assert_string_equal(reply_str(&h, &r, "state"), "CANCELLED");
    r = house_call(&h, NULL, ROUTE_login, NULL, NULL, "{\"user\":\"engineer\",\"password\":\"" HOUSE_PASSWORD "\"}");
    assert_reply(&h, r, 401, "login-failed");
}

static void test_clock_and_restart(void **state)
{
    const char *rid = house_recording(&h, h.admin, "t", "");
    const char *engineer = house_login(&h, "engineer"), *approver = house_login(&h, "approver");
    const char *gid = opened(engineer, approver, rid);
    struct reply r;
    char body[128];

    (void) state;
    (void) snprintf(body, sizeof(body), "{\"recording\":\"%s\"}", rid);
    /* The wall clock steps back an hour: no key; the boot clock still closes on time. */
    h.real -= 3600 * 1000;
    h.synced = false;
    house_tick(&h, CMD_SECOND);
    r = house_call(&h, engineer, ROUTE_keys_issue, gid, NULL, body);
    assert_reply(&h, r, 503, "clock-untrusted");
    assert_int_equal(house_leaves(&h, "clock.untrusted", NULL), 1);
    house_sleep(&h, 600 * 1000);
    house_tick(&h, CMD_SECOND);
    h.real += 3600 * 1000;
    h.synced = true;
    house_tick(&h, CMD_SECOND);
    r = house_call(&h, engineer, ROUTE_grant_get, gid, NULL, NULL);
    assert_string_equal(reply_str(&h, &r, "state"), "EXPIRED");

    /* A reboot: the deadline is set anew, never longer than the window. */
    gid = opened(engineer, approver, rid);
    house_sleep(&h, 100 * 1000);
    memset(h.boot_id, 9, sizeof(h.boot_id));
    h.boot = 5000;
    house_restart(&h);
    r = house_call(&h, engineer, ROUTE_grant_get, gid, NULL, NULL);
    assert_string_equal(reply_str(&h, &r, "state"), "ACTIVE");
    assert_int_equal(reply_int(&r, "left_ms"), 500 * 1000);
    r = house_call(&h, engineer, ROUTE_keys_issue, gid, NULL, body);
    assert_reply(&h, r, 201, "");
}

static void test_idempotency(void **state)
{
    const char *rid = house_recording(&h, h.admin, "t", "");
    const char *engineer = house_login(&h, "engineer");
    struct reply a, b, c;

    (void) state;
    a = house_call_with(&h, engineer, ROUTE_request_create, NULL, body_for(rid, ""), "k1", NULL);
    assert_reply(&h, a, 201, "");
    b = house_call_with(&h, engineer, ROUTE_request_create, NULL, body_for(rid, ""), "k1", NULL);
    assert_reply(&h, b, 201, "");
    assert_string_equal(reply_str(&h, &a, "id"), reply_str(&h, &b, "id"));
    assert_span_eq(a.text, b.text);
    c = house_call_with(&h, engineer, ROUTE_request_create, NULL, body_for(rid, ",\"start\":\"first-use\""), "k1", NULL);
    assert_reply(&h, c, 422, "idempotency-mismatch");
    c = house_call_with(&h, engineer, ROUTE_request_create, NULL, body_for(rid, ""), "k2", NULL);
    assert_reply(&h, c, 409, "request-open");
    assert_int_equal(house_leaves(&h, "request.created", "ok"), 1);
    house_sleep(&h, 24LL * 3600 * 1000);
    house_tick(&h, CMD_SECOND);
    engineer = house_login(&h, "engineer");
    c = house_call_with(&h, engineer, ROUTE_request_create, NULL, body_for(rid, ""), "k1", NULL);
    assert_reply(&h, c, 201, "");
    assert_string_not_equal(reply_str(&h, &a, "id"), reply_str(&h, &c, "id"));
}

static void test_subject_never_votes(void **state)
{
    const char *rid = house_recording(&h, h.admin, "t", "worker-7");
    const char *engineer = house_login(&h, "engineer"), *approver;
    struct reply q, r;

    (void) state;
    r = house_call(&h, h.admin, ROUTE_user_patch, "approver", NULL, "{\"subjects\":[\"worker-7\"]}");
    assert_reply(&h, r, 200, "");
    approver = house_login(&h, "approver");
    (void) ask(engineer, rid, "", &q);
    r = house_call(&h, approver, ROUTE_request_approve, reply_str(&h, &q, "id"), NULL,
                   vote_body(reply_str(&h, &q, "digest")));
    assert_reply(&h, r, 403, "not-eligible");
    assert_string_equal(reply_str(&h, &r, "cause"), "subject");
}

static void test_no_approver(void **state)
{
    const char *rid = house_recording(&h, h.admin, "t", "");
    const char *engineer = house_login(&h, "engineer");
    struct reply r;

    (void) state;
    r = house_call(&h, h.admin, ROUTE_group_patch, "approvers", NULL, "{\"members\":[]}");
    assert_reply(&h, r, 200, "");
    r = house_call(&h, engineer, ROUTE_request_create, NULL, NULL, body_for(rid, ""));
    assert_reply(&h, r, 409, "no-approver");
    assert_string_equal(reply_str(&h, &r, "groups.0"), "role:approver");
    assert_string_equal(reply_str(&h, &r, "who_can_change.0.name"), "admin");
    r = house_call(&h, engineer, ROUTE_status, NULL, NULL, NULL);
    assert_reply(&h, r, 200, "");
    assert_string_equal(reply_str(&h, &r, "missing.0.code"), "no-approver");
}

static int open_solo(void **state)
{
    (void) state;
    house_open(&h, house_preset("solo"), false);
    return 0;
}

/* A server with one person works: what they ask for opens, and each record says why. */
static void test_solo(void **state)
{
    const char *rid = house_recording(&h, h.admin, "t", "");
    struct reply r;

    (void) state;
    r = house_call(&h, h.admin, ROUTE_request_create, NULL, NULL, body_for(rid, ""));
    assert_reply(&h, r, 201, "");
    assert_string_equal(reply_str(&h, &r, "state"), "ACTIVE");
    assert_int_equal(reply_int(&r, "need"), 0);
    assert_int_equal(house_leaves(&h, "grant.activated", NULL), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_story, open_team, close_house),
        cmocka_unit_test_setup_teardown(test_bad_requests, open_team, close_house),
        cmocka_unit_test_setup_teardown(test_foreign_recording, open_team, close_house),
        cmocka_unit_test_setup_teardown(test_votes, open_team, close_house),
        cmocka_unit_test_setup_teardown(test_two_votes, open_two, close_house),
        cmocka_unit_test_setup_teardown(test_last_two_at_once, open_team, close_house),
        cmocka_unit_test_setup_teardown(test_first_use_and_lapse, open_team, close_house),
        cmocka_unit_test_setup_teardown(test_keys, open_team, close_house),
        cmocka_unit_test_setup_teardown(test_revoke, open_team, close_house),
        cmocka_unit_test_setup_teardown(test_disabled, open_team, close_house),
        cmocka_unit_test_setup_teardown(test_clock_and_restart, open_team, close_house),
        cmocka_unit_test_setup_teardown(test_idempotency, open_team, close_house),
        cmocka_unit_test_setup_teardown(test_subject_never_votes, open_team, close_house),
        cmocka_unit_test_setup_teardown(test_no_approver, open_team, close_house),
        cmocka_unit_test_setup_teardown(test_solo, open_solo, close_house),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
