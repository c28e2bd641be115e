/* Import: seen by nobody until its end, forgotten whole when it fails or its gate goes away. */
#include <stdio.h>

#include "crypto/hash.h"
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

static struct ipc_ingest_opened begin(const char *token, const char *project, const char *env)
{
    static uint8_t cred[32];
    struct ipc_ingest_open open = { .cred_kind = CRED_BEARER, .project = span_str(project), .env = span_str(env),
                                    .title = SPAN("half") };
    struct ipc_ingest_opened ret;

    sha256(span_str(token), cred);
    open.cred = SPAN_OF(cred);
    house_send(&h, IPC_T_INGEST_OPEN, &open, IPC_T_INGEST_OPENED, &ret);
    return ret;
}

static int64_t listed(void)
{
    struct reply r = house_call(&h, h.admin, ROUTE_recordings_list, NULL, NULL, NULL);

    return reply_int(&r, "items");
}

static void test_failed(void **state)
{
    struct ipc_ingest_opened o = begin(h.admin, "shop", "");
    struct ipc_end end = { .rid = o.rid, .ok = 0 };
    struct ipc_answer a;
    struct reply r;

    (void) state;
    assert_int_equal(o.status, 0);
    assert_int_equal(o.epoch, 1);
    assert_int_equal(o.epoch_pk.n, 32);
    assert_int_equal(listed(), 0);
    r = house_call(&h, h.admin, ROUTE_recording_get, arena_str(&h.mem, o.rid), NULL, NULL);
    assert_reply(&h, r, 404, "not-found");
    house_send(&h, IPC_T_END, &end, IPC_T_ANSWER, &a);
    assert_int_equal(a.status, 200);
    house_send(&h, IPC_T_END, &end, IPC_T_ANSWER, &a);
    assert_int_equal(a.status, 404);
    assert_int_equal(house_leaves(&h, "recording.imported", NULL), 0);
}

static void test_refused(void **state)
{
    static const struct {
        const char *user, *project, *env;
        int status;
        const char *code;
    } cases[] = {
        { "engineer", "shop", "", 403, "forbidden" },
        { "engineer", "nothing", "", 404, "not-found" },
        { NULL, "nothing", "", 404, "not-found" },
        { NULL, "shop", "moon", 422, "invalid" },
        { NULL, "", "test", 0, "" }, /* the only project there is */
    };

    (void) state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const char *token = cases[i].user == NULL ? h.admin : house_login(&h, cases[i].user);
        struct ipc_ingest_opened o = begin(token, cases[i].project, cases[i].env);

        assert_int_equal(o.status, cases[i].status);
        assert_span_str(o.code, cases[i].code);
    }
    assert_int_equal(begin("kst_wrong", "shop", "").status, 401);
}

/* Another channel cannot write into it; when its own closes it is gone, and the next gate is told to remove its files. */
static void test_gate_dies(void **state)
{
    struct ipc_ingest_opened o = begin(h.admin, "shop", "");
    const struct ipc_row_wrap row = { .kn = 1, .epoch = 1, .wrap = SPAN("w") };
    struct ipc_wrap_put put = { .rid = o.rid, .wraps = { (struct ipc_row_wrap *) &row, 1 } };
    struct ipc_done d;

    (void) state;
    h.chan = 2;
    house_send(&h, IPC_T_WRAP_PUT, &put, IPC_T_DONE, &d);
    assert_int_equal(d.status, 404);
    h.chan = 1;
    house_send(&h, IPC_T_WRAP_PUT, &put, IPC_T_DONE, &d);
    assert_int_equal(d.status, 0);
    house_tick(&h, CMD_GATE_CLOSED);
    house_send(&h, IPC_T_WRAP_PUT, &put, IPC_T_DONE, &d);
    assert_int_equal(d.status, 404);
    house_forget(&h);
    h.chan = 3;
    house_tick(&h, CMD_GATE_OPEN);
    assert_int_equal(house_pushed(&h, IPC_T_GONE), 1);
    LIST_FOREACH(n, &h.seen)
    {
        struct out *x = LIST_ENTRY(n, struct out, node);
        struct ipc_gone gone;

        if (x->type != IPC_T_GONE)
            continue;
        assert_ok(ipc_decode(x->type, buf_span(&x->body), &h.mem, &gone, NULL));
        assert_span_eq(gone.rid, o.rid);
        assert_span_eq(gone.pid, o.pid); /* its files lie under both */
    }
    house_forget(&h);
    house_tick(&h, CMD_GATE_OPEN);
    assert_int_equal(house_pushed(&h, IPC_T_GONE), 0);
}

/* A keeper that dies in between: the row is found at the start. */
static void test_keeper_dies(void **state)
{
    (void) state;
    (void) begin(h.admin, "shop", "");
    house_forget(&h);
    house_restart(&h);
    assert_int_equal(house_pushed(&h, IPC_T_GONE), 1);
    assert_int_equal(listed(), 0);
}

static void test_found(void **state)
{
    static const struct {
        const char *query;
        int n;
    } cases[] = {
        { "{}", 2 },
        { "{\"q\":\"checkout\"}", 1 },
        { "{\"q\":\"nothing\"}", 0 },
        { "{\"kind\":\"terminal\"}", 2 },
        { "{\"kind\":\"rrweb\"}", 0 },
        { "{\"link\":\"error:ERR-7F3A21\"}", 2 },
        { "{\"link\":\"error:ERR\"}", 0 },
        { "{\"subject\":\"user-2\"}", 1 },
        { "{\"project\":\"shop\"}", 2 },
        { "{\"project\":\"other\"}", 0 },
        { "{\"access\":\"none\"}", 2 },
        { "{\"access\":\"open\"}", 0 },
    };
    struct reply r;
    char query[256];

    (void) state;
    (void) house_recording(&h, h.admin, "Checkout fails", "user-1");
    (void) house_recording(&h, h.admin, "Login works", "user-2");
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        r = house_call(&h, h.admin, ROUTE_recordings_list, NULL, cases[i].query, NULL);
        assert_reply(&h, r, 200, "");
        if (reply_int(&r, "items") != cases[i].n)
            print_error("%s\n", cases[i].query);
        assert_int_equal(reply_int(&r, "items"), cases[i].n);
    }
    r = house_call(&h, h.admin, ROUTE_recordings_list, NULL, "{\"kind\":\"film\"}", NULL);
    assert_reply(&h, r, 422, "invalid");
    r = house_call(&h, h.admin, ROUTE_recordings_list, NULL, "{\"limit\":\"0\"}", NULL);
    assert_reply(&h, r, 422, "invalid");
    assert_int_equal(house_leaves(&h, "recording.imported", "ok"), 2);
    /* A cursor opens the same list, for the same person. */
    r = house_call(&h, h.admin, ROUTE_recordings_list, NULL, "{\"limit\":\"1\"}", NULL);
    (void) snprintf(query, sizeof(query), "{\"limit\":\"1\",\"cursor\":\"%s\"}", reply_str(&h, &r, "cursor"));
    r = house_call(&h, h.admin, ROUTE_recordings_list, NULL, query, NULL);
    assert_string_equal(reply_str(&h, &r, "items.0.title"), "Checkout fails");
    assert_false(reply_has(&r, "cursor"));
    r = house_call(&h, house_login(&h, "engineer"), ROUTE_recordings_list, NULL, query, NULL);
    assert_reply(&h, r, 422, "invalid");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_failed, open_team, close_house),
        cmocka_unit_test_setup_teardown(test_refused, open_team, close_house),
        cmocka_unit_test_setup_teardown(test_gate_dies, open_team, close_house),
        cmocka_unit_test_setup_teardown(test_keeper_dies, open_team, close_house),
        cmocka_unit_test_setup_teardown(test_found, open_team, close_house),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
