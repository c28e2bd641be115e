/* Sessions of other recorders' clients: one open recording each, another one after its end; links that come with events. */
#include <stdio.h>

#include "crypto/hash.h"
#include "house.h"
#include "keeper/state.h"

static struct house h;
static const char *shop, *other; /* ingest tokens of two projects */

static const char *make_token(const char *project)
{
    char body[128];
    struct reply r;

    (void) snprintf(body, sizeof(body), "{\"kind\":\"ingest\",\"project\":\"%s\"}", project);
    r = house_call(&h, h.admin, ROUTE_token_create, NULL, NULL, body);
    assert_reply(&h, r, 201, "");
    return reply_str(&h, &r, "token");
}

static int open_team(void **state)
{
    struct reply r;

    (void) state;
    house_open(&h, house_preset("team"), true);
    r = house_call(&h, h.admin, ROUTE_project_create, NULL, NULL, "{\"name\":\"elsewhere\"}");
    assert_reply(&h, r, 201, "");
    shop = make_token("shop");
    other = make_token("elsewhere");
    return 0;
}

static int close_house(void **state)
{
    (void) state;
    house_close(&h);
    return 0;
}

static struct span cred_of(const char *text)
{
    uint8_t sum[32];

    sha256(span_str(text), sum);
    return arena_span(&h.mem, SPAN_OF(sum));
}

static struct ipc_ingest_opened begin(const char *token, const char *session)
{
    const struct ipc_ingest_open open = { .cred_kind = CRED_BEARER, .cred = cred_of(token), .kind = SPAN("rrweb"), .live = 1,
                                          .foreign = span_str(session), .prefix = SPAN("\x7f\0\0\1"),
                                          .trace = SPAN("0af7651916cd43dd8448eb211c80319c") };
    struct ipc_ingest_opened ret;

    house_send(&h, IPC_T_INGEST_OPEN, &open, IPC_T_INGEST_OPENED, &ret);
    ret.rid = arena_span(&h.mem, ret.rid);
    return ret;
}

static void end(struct span rid)
{
    const struct ipc_end m = { .rid = rid, .ok = 1, .live = 1, .trace = SPAN("0af7651916cd43dd8448eb211c80319c") };
    struct ipc_answer a;

    house_send(&h, IPC_T_END, &m, IPC_T_ANSWER, &a);
    assert_int_equal(a.status, 200);
}

static void one_session_has_one_open_recording(void **state)
{
    struct ipc_ingest_opened a = begin(shop, "sentry\nr1\n"), b = begin(shop, "sentry\nr1\n"), c = begin(shop, "sentry\nr2\n"),
                             d = begin(other, "sentry\nr1\n"), e;

    (void) state;
    assert_int_equal(a.status, 0);
    assert_int_equal(a.again, 0);
    assert_int_equal(b.again, 1);
    assert_span_eq(b.rid, a.rid);
    assert_int_equal(c.again, 0);
    assert_false(span_eq(c.rid, a.rid));
    assert_int_equal(d.again, 0); /* another project's session of that name */
    assert_false(span_eq(d.rid, a.rid));
    end(a.rid);
    e = begin(shop, "sentry\nr1\n");
    assert_int_equal(e.again, 0);
    assert_false(span_eq(e.rid, a.rid));
    b = begin(shop, "sentry\nr1\n");
    assert_int_equal(b.again, 1);
    assert_span_eq(b.rid, e.rid); /* the newest */
}

/* A public token does not get into a session that was begun with another one. */
static void a_page_has_its_own_session(void **state)
{
    struct reply r = house_call(&h, h.admin, ROUTE_token_create, NULL, NULL, "{\"kind\":\"ingest\",\"project\":\"shop\",\"browser\":true}");
    const char *page = reply_str(&h, &r, "token");
    struct ipc_ingest_opened a = begin(shop, "posthog\ns1\nw1"), b = begin(page, "posthog\ns1\nw1"), c = begin(page, "posthog\ns1\nw1");

    (void) state;
    assert_int_equal(b.status, 0);
    assert_int_equal(b.again, 0);
    assert_false(span_eq(a.rid, b.rid));
    assert_int_equal(c.again, 1);
    assert_span_eq(c.rid, b.rid);
}

static void names_have_a_limit(void **state)
{
    char name[400];

    (void) state;
    memset(name, 'x', sizeof(name));
    name[301] = '\0';
    assert_span_str(begin(shop, name).code, "invalid");
    name[300] = '\0';
    assert_int_equal(begin(shop, name).status, 0);
}

/* What its client says of whom it shows is left away when it is a secret, or when its token may not say so; the recording goes on. */
static void words_are_left_away(void **state)
{
    static const struct {
        const char *states, *subject, *want; /* want: "" for none */
    } cases[] = {
        { "[\"subject\",\"session\"]", "customer-7", "customer-7" },
        { "[\"subject\",\"session\"]", "anna@example.org", "anna@example.org" },
        { "[\"subject\",\"session\"]", "4111 1111 1111 1111", "" },
        { "[\"session\"]", "customer-7", "" },
    };

    (void) state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct ipc_ingest_open open = { .cred_kind = CRED_BEARER, .kind = SPAN("rrweb"), .live = 1, .foreign = SPAN("posthog\ns\nw"),
                                        .subject = span_str(cases[i].subject), .session = SPAN("s") };
        struct ipc_ingest_opened got;
        char body[200];
        struct reply r;

        (void) snprintf(body, sizeof(body), "{\"kind\":\"ingest\",\"project\":\"shop\",\"browser\":true,\"states\":%s}", cases[i].states);
        r = house_call(&h, h.admin, ROUTE_token_create, NULL, NULL, body);
        assert_reply(&h, r, 201, "");
        house_begin(&h, reply_str(&h, &r, "token"), &open, &got);
        assert_int_equal(got.status, 0);
        assert_int_equal(got.again, 0); /* each token has its own session of that name */
        r = house_call(&h, h.admin, ROUTE_recording_get, arena_str(&h.mem, got.rid), NULL, NULL);
        assert_reply(&h, r, 200, "");
        assert_string_equal(reply_str(&h, &r, "session"), "s");
        if (cases[i].want[0] != '\0')
            assert_true(reply_has(&r, "subject"));
        else
            assert_false(reply_has(&r, "subject"));
    }
}

static uint16_t batch(struct span rid, uint64_t number, size_t n_hashes)
{
    static uint8_t hashes[8192 + 8];
    const struct ipc_foreign_batch m = { .rid = rid, .number = number, .last_segment = -1, .hashes = span_of(hashes, n_hashes) };
    struct ipc_done done;

    house_send(&h, IPC_T_FOREIGN_BATCH, &m, IPC_T_DONE, &done);
    return done.status;
}

/* Hashes of batches are taken while the recording is open, within their limits. (What becomes of them: tests/system/foreign.py.) */
static void batches_are_told(void **state)
{
    const struct span rid = begin(shop, "rrweb\nb\n").rid;

    (void) state;
    assert_int_equal(batch(rid, 1, 8), 0);
    assert_int_equal(batch(rid, 1, 8192), 0); /* the same number again: the one before was not written */
    assert_int_equal(batch(rid, 2, 0), 422);
    assert_int_equal(batch(rid, 2, 12), 422);
    assert_int_equal(batch(rid, 2, 8200), 422);
    assert_int_equal(batch(rid, UINT64_MAX, 8), 422);
    assert_int_equal(batch(SPAN("r_AAAAAAAAAAAAAAAA"), 1, 8), 404);
    end(rid);
    assert_int_equal(batch(rid, 2, 8), 409);
}

static uint16_t add(struct span rid, const struct ipc_row_link *rows, uint32_t n)
{
    struct ipc_row_link copy[256];
    struct ipc_links_add m = { .rid = rid, .trace = SPAN("0af7651916cd43dd8448eb211c80319c") };
    struct ipc_done done;

    memcpy(copy, rows, n * sizeof(*rows));
    m.links.rows = copy;
    m.links.n = n;
    house_send(&h, IPC_T_LINKS_ADD, &m, IPC_T_DONE, &done);
    return done.status;
}

static void links_keep_their_first_moment(void **state)
{
    const struct span rid = begin(shop, "posthog\ns\nw").rid;
    const struct ipc_row_link first[] = { { SPAN("error"), SPAN("e1"), 83250 }, { SPAN("trace"), SPAN("t1"), -1 },
                                          { SPAN("error"), SPAN("e1"), 1 }, { SPAN(""), SPAN("x"), 1 }, { SPAN("x"), SPAN("\xff"), 1 } };
    const struct ipc_row_link later[] = { { SPAN("error"), SPAN("e1"), 99 }, { SPAN("trace"), SPAN("t1"), 7 } };
    char id[ID_CAP], text[4096];
    struct reply r;

    (void) state;
    assert_int_equal(add(rid, first, 5), 0);
    assert_int_equal(add(rid, later, 2), 0);
    assert_int_equal(add(rid, later, 2), 0);
    assert_true(span_to_str(rid, id, sizeof(id)));
    r = house_call(&h, h.admin, ROUTE_recording_get, id, NULL, NULL);
    assert_reply(&h, r, 200, "");
    assert_true(span_to_str(r.text, text, sizeof(text)));
    assert_non_null(strstr(text, "\"links\":[{\"type\":\"error\",\"id\":\"e1\",\"at_ms\":83250},{\"type\":\"trace\",\"id\":\"t1\",\"at_ms\":7}]"));
    assert_int_equal(add(SPAN("r_AAAAAAAAAAAAAAAA"), later, 2), 404);
}

static void links_have_a_limit(void **state)
{
    const struct span rid = begin(shop, "posthog\nmany\nw").rid;
    struct ipc_row_link rows[200];
    char ids[200][8], id[ID_CAP];
    struct reply r;
    size_t n = 0;

    (void) state;
    for (size_t i = 0; i < 200; i++) {
        (void) snprintf(ids[i], sizeof(ids[i]), "e%zu", i);
        rows[i] = (struct ipc_row_link){ SPAN("error"), span_str(ids[i]), (int64_t) i };
    }
    assert_int_equal(add(rid, rows, 200), 0);
    assert_true(span_to_str(rid, id, sizeof(id)));
    r = house_call(&h, h.admin, ROUTE_recording_get, id, NULL, NULL);
    assert_reply(&h, r, 200, "");
    for (size_t i = 0; i + 7 < r.text.n; i++)
        n += memcmp(r.text.p + i, "\"at_ms\"", 7) == 0;
    assert_int_equal(n, META_LINKS_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_session_has_one_open_recording),
        cmocka_unit_test(a_page_has_its_own_session),
        cmocka_unit_test(names_have_a_limit),
        cmocka_unit_test(batches_are_told),
        cmocka_unit_test(words_are_left_away),
        cmocka_unit_test(links_keep_their_first_moment),
        cmocka_unit_test(links_have_a_limit),
    };

    return cmocka_run_group_tests(tests, open_team, close_house);
}
