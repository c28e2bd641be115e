/* The route table: each finds itself, nothing else does, and only the named ones leave no trace. */
#include "test.h"

#include "format/route.h"

#include <stdio.h>

static void each_route_finds_itself(void **state)
{
    (void) state;
    for (int i = 0; i < ROUTE_N_; i++) {
        const struct route *r = route_by_id((enum route_id) i);
        struct route_match m;

        assert_int_equal(route_find(span_str(r->method), span_str(r->path), &m), ROUTE_FOUND);
        if (m.route != r)
            fail_msg("%s finds %s", r->name, m.route->name);
    }
    assert_null(route_by_id(ROUTE_N_));
}

static void finds_and_refuses(void **state)
{
    static const struct {
        const char *method, *path;
        enum route_verdict verdict;
        const char *name, *p0, *p1;
    } cases[] = {
        { "GET", "/v1/replay/r_2Dz2Sr-SnSlnd8aT/chunks/12", ROUTE_FOUND, "replay_chunk", "r_2Dz2Sr-SnSlnd8aT", "12" },
        { "HEAD", "/v1/me", ROUTE_FOUND, "me", "", "" },
        { "GET", "/v1/policies/current", ROUTE_FOUND, "policy_current", "", "" },
        { "GET", "/v1/audit/events", ROUTE_FOUND, "audit_events", "", "" },
        { "GET", "/v1/audit/checkpoint", ROUTE_FOUND, "audit_system_checkpoint", "", "" },
        { "GET", "/v1/audit/tile/0/x001/234.p/7", ROUTE_FOUND, "audit_system_tile", "0/x001/234.p/7", "" },
        { "GET", "/v1/audit/system/tile/entries/000", ROUTE_FOUND, "audit_tile", "system", "entries/000" },
        { "GET", "/v1/audit/p_zNe2lKL4dQxW8s0b~2/tile/1/000.p/3", ROUTE_FOUND, "audit_tile",
          "p_zNe2lKL4dQxW8s0b~2", "1/000.p/3" },
        { "GET", "/v1/audit/system/tile/", ROUTE_NO_PATH, NULL, "", "" },
        { "GET", "/v1/audit/system/tile", ROUTE_NO_PATH, NULL, "", "" },
        { "GET", "/v1/audit/system/tile/0//000", ROUTE_NO_PATH, NULL, "", "" },
        { "GET", "/v1/audit/system/tile/0/000/", ROUTE_NO_PATH, NULL, "", "" },
        { "DELETE", "/v1/me", ROUTE_NO_METHOD, NULL, "", "" },
        { "GET", "/v1/import", ROUTE_NO_METHOD, NULL, "", "" },
        { "GET", "/v1/me/", ROUTE_NO_PATH, NULL, "", "" },
        { "GET", "/v1//me", ROUTE_NO_PATH, NULL, "", "" },
        { "GET", "/v1/replay//manifest", ROUTE_NO_PATH, NULL, "", "" },
        { "GET", "/v1/replay/r/manifest/x", ROUTE_NO_PATH, NULL, "", "" },
        { "GET", "v1/me", ROUTE_NO_PATH, NULL, "", "" },
        { "GET", "", ROUTE_NO_PATH, NULL, "", "" },
        { "get", "/v1/me", ROUTE_NO_METHOD, NULL, "", "" },
    };

    (void) state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct route_match m;
        enum route_verdict v = route_find(span_str(cases[i].method), span_str(cases[i].path), &m);

        if (v != cases[i].verdict || (v == ROUTE_FOUND && strcmp(m.route->name, cases[i].name) != 0))
            fail_msg("%s %s: verdict %d", cases[i].method, cases[i].path, v);
        assert_span_str(m.params[0], cases[i].p0);
        assert_span_str(m.params[1], cases[i].p1);
    }
}

static void says_what_is_allowed(void **state)
{
    struct route_match m;

    (void) state;
    assert_int_equal(route_find(SPAN("PUT"), SPAN("/v1/users"), &m), ROUTE_NO_METHOD);
    assert_string_equal(m.allow, "GET, POST");
}

/* STANDARDS 3.2: only /livez, /readyz and static files leave no trace; public documents count as static. */
static void silence_is_the_exception(void **state)
{
    (void) state;
    for (int i = 0; i < ROUTE_N_; i++) {
        const struct route *r = route_by_id((enum route_id) i);

        if (r->trace == TRACE_NOTHING && r->auth != AUTH_NONE)
            fail_msg("%s needs a credential and leaves no trace", r->name);
        if (r->by == BY_REPLAY && r->auth != AUTH_KEY)
            fail_msg("%s replays without a key", r->name);
    }
}

static void head_only_where_get_is(void **state)
{
    struct route_match m;

    (void) state;
    assert_int_equal(route_find(SPAN("HEAD"), SPAN("/v1/import"), &m), ROUTE_NO_METHOD);
    assert_string_equal(m.allow, "POST");
}

static void paths_at_their_limit(void **state)
{
    static const char start[] = "/v1/audit/tile/entries/";
    char path[201];
    struct route_match m;

    (void) state;
    memset(path, '0', sizeof(path));
    memcpy(path, start, sizeof(start) - 1);
    assert_int_equal(route_find(SPAN("GET"), span_of(path, 200), &m), ROUTE_FOUND);
    assert_int_equal(route_find(SPAN("GET"), span_of(path, 201), &m), ROUTE_NO_PATH);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_route_finds_itself),
        cmocka_unit_test(finds_and_refuses),
        cmocka_unit_test(says_what_is_allowed),
        cmocka_unit_test(silence_is_the_exception),
        cmocka_unit_test(head_only_where_get_is),
        cmocka_unit_test(paths_at_their_limit),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
