/* The audit log of a running keeper: counted records, checkpoints signed and stored, reading, notices. */
#include <stdio.h>

#include "audit/check.h"
#include "crypto/ed25519.h"
#include "crypto/hash.h"
#include "crypto/secret.h"
#include "house.h"
#include "keeper/state.h"

static struct house h;
static struct secret *log_key;
static uint8_t log_pk[32];

/* The vault's half: its public keys, and a signature under each root it is asked for. */
static void tell_keys(void)
{
    uint8_t epoch_pk[32] = { 9 };
    struct ipc_row_signing_key row = { .kid = SPAN("AAAAAAAAAAA"), .x = SPAN("x"), .y = SPAN("y"), .state = 1 };
    const struct ipc_keys keys = { .signing = { &row, 1 }, .epoch = 1, .epoch_pk = SPAN_OF(epoch_pk),
                                   .log_pk = SPAN_OF(log_pk) };

    house_send(&h, IPC_T_KEYS, &keys, IPC_T_NONE_, NULL);
}

static int open_team(void **state)
{
    (void) state;
    house_open(&h, house_preset("team"), true);
    assert_ok(ed25519_generate(&log_key, log_pk, NULL));
    tell_keys();
    return 0;
}

static int close_house(void **state)
{
    (void) state;
    log_key = secret_free(log_key);
    house_close(&h);
    return 0;
}

static void sign(const struct ipc_sign_checkpoint *in, struct buf *note)
{
    struct note_checkpoint cp = { .origin = in->origin, .size = in->size };
    struct buf text = BUF_INIT(4096);
    struct note_vkey vkey;
    uint8_t sig[64];

    memcpy(cp.root.b, in->root.p, 32);
    assert_ok(note_vkey_init(&vkey, in->origin, log_pk, NULL));
    note_checkpoint_text(&cp, &text);
    ed25519_sign(log_key, buf_span(&text), sig);
    note_write(note, buf_span(&text), &vkey, sig);
    buf_deinit(&text);
}

/* One second of the integrator. Returns how many roots were asked for. */
static int integrate(void)
{
    struct ipc_sign_checkpoint asked[16];
    int n = 0;

    house_forget(&h);
    house_tick(&h, CMD_INTEGRATE);
    LIST_FOREACH(node, &h.seen)
    {
        const struct out *o = LIST_ENTRY(node, struct out, node);

        if (o->to == OUT_SIGN_ROOT && n < 16)
            assert_ok(ipc_decode(o->type, arena_span(&h.mem, buf_span(&o->body)), &h.mem, &asked[n++], NULL));
    }
    for (int i = 0; i < n; i++) {
        struct buf note = BUF_INIT(8192);
        struct ipc_checkpoint answer = { .log = asked[i].log, .size = asked[i].size };
        struct cmd *c;

        sign(&asked[i], &note);
        answer.note = buf_span(&note);
        c = cmd_new(CMD_SIGNED_ROOT, 0, 0, IPC_T_CHECKPOINT, &answer);
        core_run(h.core, &c, 1);
        buf_deinit(&note);
    }
    return n;
}

static void test_checkpoints(void **state)
{
    struct audit_result result;
    struct note_vkey vkey;
    struct reply r;
    char path[256];
    struct buf file = BUF_INIT(4096);

    (void) state;
    assert_int_equal(integrate(), 2); /* system and shop */
    assert_int_equal(integrate(), 0); /* nothing new */
    r = house_call(&h, h.admin, ROUTE_audit_checkpoint, "system", NULL, NULL);
    assert_reply(&h, r, 200, "");
    assert_ok(core_tiles(h.core, NULL));
    (void) snprintf(path, sizeof(path), "%s/audit/system/checkpoint", h.dir);
    test_read_file(path, &file);
    assert_span_eq(r.text, buf_span(&file));
    buf_deinit(&file);
    r = house_call(&h, h.admin, ROUTE_audit_vkey, "system", NULL, NULL);
    assert_memory_equal(r.text.p, "localhost:8080/v1/audit/system+", 31);

    (void) house_login(&h, "engineer");
    (void) house_recording(&h, h.admin, "t", "");
    house_tick(&h, CMD_MINUTE); /* api.read counts, and shop's checkpoint into system */
    assert_int_equal(integrate(), 2);
    assert_true(house_leaves(&h, "checkpoint", NULL) >= 1);
    assert_ok(note_vkey_init(&vkey, SPAN("localhost:8080/v1/audit/system"), log_pk, NULL));
    assert_ok(audit_check(h.core->seats[0].v, SPAN("system"), &vkey, &result, NULL));
    assert_int_equal(result.verdict, AUDIT_GOOD);
    assert_int_equal(result.n_signed, result.n_leaves);
    house_restart(&h);
    tell_keys();
    assert_int_equal(integrate(), 2); /* service.started; and the vault came: all logs are held against what it signed */
    assert_int_equal(integrate(), 0);
}

/* The vault signed more than the table knows: it says so, and the proof starts there. */
static void test_vault_ahead(void **state)
{
    struct ipc_checkpoint behind = { .status = 409, .code = SPAN("old-size"), .log = SPAN("system"), .size = 3 };
    struct ipc_sign_checkpoint asked;
    struct cmd *c;
    bool found = false;

    (void) state;
    c = cmd_new(CMD_SIGNED_ROOT, 0, 0, IPC_T_CHECKPOINT, &behind);
    core_run(h.core, &c, 1);
    house_forget(&h);
    house_tick(&h, CMD_INTEGRATE);
    LIST_FOREACH(node, &h.seen)
    {
        const struct out *o = LIST_ENTRY(node, struct out, node);

        if (o->to != OUT_SIGN_ROOT)
            continue;
        assert_ok(ipc_decode(o->type, arena_span(&h.mem, buf_span(&o->body)), &h.mem, &asked, NULL));
        if (span_eq_str(asked.log, "system")) {
            found = true;
            assert_int_equal(asked.old_size, 3);
            assert_int_equal(asked.frontier.n, 2); /* 3 = 2 + 1 */
            assert_int_equal(asked.leaves.n, asked.size - 3);
        }
    }
    assert_true(found);
}

/* A fork closes everything; reading goes on. */
static void test_fork(void **state)
{
    struct ipc_checkpoint fork = { .status = 409, .code = SPAN("audit-sealed"), .log = SPAN("system"), .size = 3 };
    const char *engineer = house_login(&h, "engineer"), *rid = house_recording(&h, h.admin, "t", "");
    struct cmd *c = cmd_new(CMD_SIGNED_ROOT, 0, 0, IPC_T_CHECKPOINT, &fork);
    struct reply r;
    char body[512];

    (void) state;
    core_run(h.core, &c, 1);
    house_tick(&h, CMD_SECOND);
    assert_false(core_health(h.core).audit_ok);
    (void) snprintf(body, sizeof(body),
                    "{\"recordings\":[\"%s\"],\"actions\":[\"play\"],\"purpose\":{\"code\":\"support\","
                    "\"reason\":\"Customer says that checkout fails\"},\"duration_s\":600}",
                    rid);
    r = house_call(&h, engineer, ROUTE_request_create, NULL, NULL, body);
    assert_reply(&h, r, 503, "audit-unavailable");
    r = house_call(&h, engineer, ROUTE_recordings_list, NULL, NULL, NULL);
    assert_reply(&h, r, 200, "");
}

static void test_reading(void **state)
{
    const char *auditor = house_login(&h, "auditor");
    struct reply r;

    (void) state;
    (void) house_recording(&h, h.admin, "Named here", "");
    r = house_call(&h, auditor, ROUTE_audit_events, NULL, "{\"log\":\"shop\",\"order\":\"asc\",\"from\":\"0\"}", NULL);
    assert_reply(&h, r, 200, "");
    assert_int_equal(reply_int(&r, "size"), 3);
    assert_int_equal(reply_int(&r, "items"), 3);
    assert_int_equal(reply_int(&r, "items.1.index"), 1); /* the token of the demo's page */
    assert_non_null(strstr(reply_str(&h, &r, "items.1.raw"), "\"type\":\"token.created\""));
    assert_non_null(strstr(reply_str(&h, &r, "items.0.raw"), "\"type\":\"project.created\""));
    assert_non_null(memmem(r.text.p, r.text.n, "Named here", 10)); /* in 'names', never in a leaf */
    assert_null(strstr(reply_str(&h, &r, "items.2.raw"), "Named"));
    r = house_call(&h, auditor, ROUTE_audit_events, NULL, "{\"log\":\"shop\",\"type\":\"recording.*\"}", NULL);
    assert_int_equal(reply_int(&r, "items"), 1);
    r = house_call(&h, auditor, ROUTE_audit_events, NULL, "{\"order\":\"asc\",\"limit\":\"5\"}", NULL);
    assert_int_equal(reply_int(&r, "items"), 5);
    {
        char query[256];

        (void) snprintf(query, sizeof(query), "{\"order\":\"asc\",\"limit\":\"5\",\"cursor\":\"%s\"}",
                        reply_str(&h, &r, "cursor"));
        r = house_call(&h, auditor, ROUTE_audit_events, NULL, query, NULL);
        assert_int_equal(reply_int(&r, "items.0.index"), 5);
    }
    house_tick(&h, CMD_SECOND);
    assert_int_equal(house_leaves(&h, "audit.read", "ok"), 2); /* shop and system, the first of each at once */
    house_tick(&h, CMD_MINUTE);
    assert_int_equal(house_leaves(&h, "audit.read", "ok"), 4); /* the others, counted */
}

static void test_api_read(void **state)
{
    const char *engineer = house_login(&h, "engineer");

    (void) state;
    for (int i = 0; i < 7; i++)
        (void) house_call(&h, engineer, ROUTE_recordings_list, NULL, NULL, NULL);
    assert_int_equal(house_leaves(&h, "api.read", NULL), 0);
    house_tick(&h, CMD_MINUTE);
    assert_int_equal(house_leaves(&h, "api.read", "ok"), 1); /* one, with its count */
    house_tick(&h, CMD_MINUTE);
    assert_int_equal(house_leaves(&h, "api.read", "ok"), 1);
}

static void test_config(void **state)
{
    const uint8_t one[32] = { 1 }, two[32] = { 2 };
    struct ipc_keeper_config cfg = { .config_sha256 = SPAN_OF(one), .key_life_s = 90, .bearer_life_s = 30,
                                     .lapse_ms = 1000, .idle_session_ms = 1000, .session_ms = 5000, .cli_session_ms = 5000 };
    const int before = house_leaves(&h, "config.changed", "ok");
    struct cmd *c;

    (void) state;
    for (int i = 0; i < 3; i++) { /* a new text, the same again, another */
        cfg.config_sha256 = i == 2 ? SPAN_OF(two) : SPAN_OF(one);
        c = cmd_new(CMD_CONFIG, 0, 0, IPC_T_KEEPER_CONFIG, &cfg);
        core_run(h.core, &c, 1);
    }
    assert_int_equal(house_leaves(&h, "config.changed", "ok"), before + 2);
    assert_int_equal(h.core->cfg.bearer_life_s, 30);
}

/* ---- notices ---- */

static bool told(uint64_t sub, const char *word)
{
    bool found = false;

    LIST_FOREACH(node, &h.seen)
    {
        const struct out *o = LIST_ENTRY(node, struct out, node);
        struct ipc_notify n;

        if (o->type != IPC_T_NOTIFY)
            continue;
        assert_ok(ipc_decode(o->type, arena_span(&h.mem, buf_span(&o->body)), &h.mem, &n, NULL));
        found |= n.sub == sub && (word == NULL ? n.end == 1 : memmem(n.json.p, n.json.n, word, strlen(word)) != NULL);
    }
    return found;
}

static void watch(const char *token, uint64_t sub, int want)
{
    uint8_t cred[32];
    struct ipc_watch_open in = { .sub = sub, .cred_kind = CRED_BEARER };
    struct ipc_answer a;

    sha256(span_str(token), cred);
    in.cred = SPAN_OF(cred);
    house_send(&h, IPC_T_WATCH_OPEN, &in, IPC_T_ANSWER, &a);
    assert_int_equal(a.status, want);
}

static void test_notices(void **state)
{
    const char *engineer = house_login(&h, "engineer"), *approver = house_login(&h, "approver"), *other, *rid;
    const struct ipc_watch_close close = { .sub = 2 };
    struct reply r;
    char body[512];

    (void) state;
    r = house_call(&h, h.admin, ROUTE_user_create, NULL, NULL,
                   "{\"name\":\"other\",\"password\":\"" HOUSE_PASSWORD "\"}");
    other = house_login(&h, "other");
    watch(engineer, 1, 200);
    watch(approver, 2, 200);
    watch(other, 3, 200);
    watch("kst_wrong", 4, 401);
    house_forget(&h);
    rid = house_recording(&h, h.admin, "t", "");
    assert_true(told(1, "\"type\":\"recording\"") && told(2, rid) && told(3, rid));
    house_forget(&h);
    (void) snprintf(body, sizeof(body),
                    "{\"recordings\":[\"%s\"],\"actions\":[\"play\"],\"purpose\":{\"code\":\"support\","
                    "\"reason\":\"Customer says that checkout fails\"},\"duration_s\":600}",
                    rid);
    r = house_call(&h, engineer, ROUTE_request_create, NULL, NULL, body);
    assert_reply(&h, r, 201, "");
    assert_true(told(1, "\"state\":\"PENDING\""));
    assert_true(told(2, reply_str(&h, &r, "id")));
    assert_false(told(3, reply_str(&h, &r, "id"))); /* another viewer's request is not theirs to see */
    assert_false(told(1, "checkout fails"));        /* ids and states, never content */
    house_send(&h, IPC_T_WATCH_CLOSE, &close, IPC_T_NONE_, NULL);
    house_forget(&h);
    r = house_call(&h, engineer, ROUTE_request_cancel, reply_str(&h, &r, "id"), NULL, NULL);
    assert_true(told(1, "CANCELLED"));
    assert_false(told(2, "CANCELLED"));
    (void) house_call(&h, engineer, ROUTE_logout, NULL, NULL, NULL);
    assert_true(told(1, NULL)); /* the stream ends with the sign-in */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_checkpoints, open_team, close_house),
        cmocka_unit_test_setup_teardown(test_vault_ahead, open_team, close_house),
        cmocka_unit_test_setup_teardown(test_fork, open_team, close_house),
        cmocka_unit_test_setup_teardown(test_reading, open_team, close_house),
        cmocka_unit_test_setup_teardown(test_api_read, open_team, close_house),
        cmocka_unit_test_setup_teardown(test_config, open_team, close_house),
        cmocka_unit_test_setup_teardown(test_notices, open_team, close_house),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
