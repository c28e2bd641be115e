/* Who may call what: every role against every route's first answer; people, groups, projects. */
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

enum who { NOBODY, ENGINEER, APPROVER, AUDITOR, ADMIN, STRANGER, N_WHO };

static void test_matrix(void **state)
{
    const char *rid = house_recording(&h, h.admin, "t", "user-1");
    const char *tokens[N_WHO] = { NULL, house_login(&h, "engineer"), house_login(&h, "approver"), house_login(&h, "auditor"),
                                  h.admin, NULL };
    struct reply r;
    /* 200 and 201 mean: allowed; the order is nobody, engineer, approver, auditor, admin, somebody without any role */
    const struct {
        enum route_id route;
        const char *id, *query, *body;
        int status[N_WHO];
    } cases[] = {
        { ROUTE_me, NULL, NULL, NULL, { 401, 200, 200, 200, 200, 200 } },
        { ROUTE_demo, NULL, NULL, NULL, { 200, 200, 200, 200, 200, 200 } },
        { ROUTE_users_list, NULL, NULL, NULL, { 401, 403, 403, 403, 200, 403 } },
        { ROUTE_groups_list, NULL, NULL, NULL, { 401, 403, 403, 403, 200, 403 } },
        { ROUTE_projects_list, NULL, NULL, NULL, { 401, 200, 200, 200, 200, 200 } },
        { ROUTE_tokens_list, NULL, NULL, NULL, { 401, 200, 200, 200, 200, 200 } },
        { ROUTE_user_create, NULL, NULL, "{\"name\":\"x-#\"}", { 401, 403, 403, 403, 201, 403 } },
        { ROUTE_group_create, NULL, NULL, "{\"name\":\"x-#\"}", { 401, 403, 403, 403, 201, 403 } },
        { ROUTE_project_create, NULL, NULL, "{\"name\":\"x-#\"}", { 401, 403, 403, 403, 201, 403 } },
        { ROUTE_project_patch, "shop", NULL, "{\"env\":\"prod\"}", { 401, 403, 403, 403, 200, 404 } },
        { ROUTE_user_patch, "lead", NULL, "{\"full_name\":\"L\"}", { 401, 404, 404, 404, 200, 404 } },
        { ROUTE_group_patch, "approvers", NULL, "{\"add\":[\"lead\"]}", { 401, 403, 403, 403, 200, 403 } },
        { ROUTE_recordings_list, NULL, NULL, NULL, { 401, 200, 200, 200, 200, 200 } },
        { ROUTE_recording_get, rid, NULL, NULL, { 401, 200, 200, 200, 200, 404 } },
        { ROUTE_recording_links_put, rid, NULL, "{\"links\":[]}", { 401, 403, 403, 403, 200, 404 } },
        { ROUTE_recording_links_add, rid, NULL, "{\"links\":[]}", { 401, 403, 403, 403, 200, 404 } },
        { ROUTE_requests_list, NULL, NULL, NULL, { 401, 200, 200, 200, 200, 200 } },
        { ROUTE_grants_list, NULL, NULL, NULL, { 401, 200, 200, 200, 200, 200 } },
        { ROUTE_viewings_list, NULL, NULL, NULL, { 401, 200, 200, 200, 200, 200 } },
        { ROUTE_request_get, "q_AAAAAAAAAAAAAAAA", NULL, NULL, { 401, 404, 404, 404, 404, 404 } },
        { ROUTE_grant_get, "g_AAAAAAAAAAAAAAAA", NULL, NULL, { 401, 404, 404, 404, 404, 404 } },
        { ROUTE_key_revoke, "AAAAAAAAAAAAAAAAAAAAAA", NULL, NULL, { 401, 404, 404, 404, 404, 404 } },
        { ROUTE_policies_list, NULL, NULL, NULL, { 401, 403, 200, 200, 200, 403 } }, /* who may vote may stop one */
        { ROUTE_policy_get, "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", NULL, NULL, { 401, 403, 404, 404, 404, 403 } },
        { ROUTE_mask_get, "shop", NULL, NULL, { 401, 403, 403, 200, 200, 404 } },
        { ROUTE_mask_put, "shop", NULL, "{}", { 401, 403, 403, 403, 422, 404 } },
        { ROUTE_masks_test, NULL, NULL, "{\"sample\":\"jane@example.com\",\"project\":\"shop\"}", { 401, 403, 403, 200, 200, 403 } },
        { ROUTE_policy_test, NULL, NULL, "{}", { 401, 403, 422, 422, 422, 403 } },
        { ROUTE_policy_dry_run, NULL, NULL, "{}", { 401, 403, 403, 422, 422, 403 } },
        { ROUTE_policy_stop, "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", NULL, NULL, { 401, 403, 404, 403, 403, 403 } },
        { ROUTE_policy_current, NULL, NULL, NULL, { 401, 200, 200, 200, 200, 200 } },
        { ROUTE_policy_propose, NULL, NULL, "{}", { 401, 403, 403, 403, 422, 403 } },
        { ROUTE_status, NULL, NULL, NULL, { 401, 200, 200, 200, 200, 200 } },
        { ROUTE_audit_events, NULL, NULL, NULL, { 401, 403, 403, 200, 200, 403 } },
        { ROUTE_audit_events, NULL, "{\"log\":\"shop\"}", NULL, { 401, 403, 403, 200, 200, 404 } },
        { ROUTE_audit_events, NULL, "{\"log\":\"nothing\"}", NULL, { 401, 404, 404, 404, 404, 404 } },
        { ROUTE_audit_checkpoint, "system", NULL, NULL, { 401, 403, 403, 404, 404, 403 } },
    };

    (void) state;
    r = house_call(&h, h.admin, ROUTE_user_create, NULL, NULL,
                   "{\"name\":\"stranger\",\"password\":\"" HOUSE_PASSWORD "\",\"roles\":[]}");
    assert_reply(&h, r, 201, "");
    tokens[STRANGER] = house_login(&h, "stranger");
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        for (int w = 0; w < N_WHO; w++) {
            char body[256] = "";

            char *name;

            if (cases[i].body != NULL)
                (void) snprintf(body, sizeof(body), "%s", cases[i].body);
            name = strchr(body, '#');
            if (name != NULL)
                *name = (char) ('0' + w); /* names are given once */
            r = house_call(&h, tokens[w], cases[i].route, cases[i].id, cases[i].query,
                           cases[i].body == NULL ? NULL : body);
            if (r.status != cases[i].status[w])
                print_error("%s %s as %d: %d '%s', wanted %d\n", route_by_id(cases[i].route)->name,
                            cases[i].id == NULL ? "" : cases[i].id, w, r.status, r.code, cases[i].status[w]);
            assert_int_equal(r.status, cases[i].status[w]);
        }
    }
    /* Lists show nothing of a project without a role. */
    r = house_call(&h, tokens[STRANGER], ROUTE_recordings_list, NULL, NULL, NULL);
    assert_int_equal(reply_int(&r, "items"), 0);
    r = house_call(&h, tokens[STRANGER], ROUTE_projects_list, NULL, NULL, NULL);
    assert_int_equal(reply_int(&r, "items"), 0);
    r = house_call(&h, tokens[ENGINEER], ROUTE_recordings_list, NULL, NULL, NULL);
    assert_int_equal(reply_int(&r, "items"), 1);
    /* The subject: in clear for who decides, a pseudonym for who looks, in clear when typed exactly (and that is a record). */
    assert_string_not_equal(reply_str(&h, &r, "items.0.subject"), "user-1");
    r = house_call(&h, tokens[APPROVER], ROUTE_recordings_list, NULL, NULL, NULL);
    assert_string_equal(reply_str(&h, &r, "items.0.subject"), "user-1");
    r = house_call(&h, tokens[ENGINEER], ROUTE_recordings_list, NULL, "{\"subject\":\"user-1\"}", NULL);
    assert_string_equal(reply_str(&h, &r, "items.0.subject"), "user-1");
    house_tick(&h, CMD_SECOND);
    assert_int_equal(house_leaves(&h, "api.read", "subject-search"), 1);
}

static void test_people(void **state)
{
    struct reply r;

    (void) state;
    r = house_call(&h, h.admin, ROUTE_user_create, NULL, NULL,
                   "{\"name\":\"dana\",\"password\":\"" HOUSE_PASSWORD "\",\"groups\":[\"approvers\"]}");
    assert_reply(&h, r, 201, "");
    assert_string_equal(reply_str(&h, &r, "groups.0"), "approvers");
    assert_int_equal(reply_int(&r, "roles"), 2); /* viewer of every project, also when added with a group */
    r = house_call(&h, h.admin, ROUTE_user_create, NULL, NULL, "{\"name\":\"dana\"}");
    assert_reply(&h, r, 409, "already-exists");
    r = house_call(&h, h.admin, ROUTE_user_create, NULL, NULL, "{\"name\":\"No Spaces\",\"groups\":[\"none\"]}");
    assert_reply(&h, r, 422, "invalid");
    assert_string_equal(reply_str(&h, &r, "errors.0.at"), "/name");
    assert_string_equal(reply_str(&h, &r, "errors.1.at"), "/groups/0");
    assert_string_equal(reply_str(&h, &r, "errors.1.code"), "not-found");
    r = house_call(&h, h.admin, ROUTE_users_list, NULL, "{\"q\":\"dan\"}", NULL);
    assert_int_equal(reply_int(&r, "items"), 1);
    r = house_call(&h, h.admin, ROUTE_users_list, NULL, "{\"limit\":\"2\"}", NULL);
    assert_int_equal(reply_int(&r, "items"), 2);
    {
        char query[256];

        (void) snprintf(query, sizeof(query), "{\"limit\":\"2\",\"cursor\":\"%s\"}", reply_str(&h, &r, "cursor"));
        r = house_call(&h, h.admin, ROUTE_users_list, NULL, query, NULL);
        assert_int_equal(reply_int(&r, "items"), 2);
        r = house_call(&h, house_login(&h, "engineer"), ROUTE_requests_list, NULL, query, NULL);
        assert_reply(&h, r, 422, "invalid"); /* a cursor opens its own list only */
    }
    /* The last administrator stays one. */
    r = house_call(&h, h.admin, ROUTE_user_patch, "admin", NULL, "{\"disabled\":true}");
    assert_reply(&h, r, 422, "invalid");
    r = house_call(&h, h.admin, ROUTE_group_patch, "admins", NULL, "{\"remove\":[\"admin\"]}");
    assert_reply(&h, r, 422, "invalid");
    r = house_call(&h, h.admin, ROUTE_group_patch, "admins", NULL, "{\"roles\":[]}");
    assert_reply(&h, r, 422, "invalid");
    /* Disabled and enabled again: the old sign-ins stay ended. */
    r = house_call(&h, h.admin, ROUTE_user_patch, "dana", NULL, "{\"disabled\":true}");
    assert_reply(&h, r, 200, "");
    r = house_call(&h, h.admin, ROUTE_user_patch, "dana", NULL, "{\"disabled\":false}");
    assert_string_equal(reply_str(&h, &r, "state"), "active");
    assert_int_equal(house_leaves(&h, "user.disabled", NULL), 1);
    assert_int_equal(house_leaves(&h, "user.enabled", NULL), 1);
}

static void test_projects(void **state)
{
    const char *engineer = house_login(&h, "engineer");
    struct reply r;

    (void) state;
    r = house_call(&h, h.admin, ROUTE_project_create, NULL, NULL,
                   "{\"name\":\"warehouse\",\"members\":[{\"user\":\"engineer\",\"role\":\"project-admin\"}]}");
    assert_reply(&h, r, 201, "");
    assert_string_equal(reply_str(&h, &r, "members.0.user.name"), "engineer");
    r = house_call(&h, engineer, ROUTE_project_patch, "warehouse", NULL,
                   "{\"add\":[{\"group\":\"auditors\",\"role\":\"viewer\"}],\"name\":\"store\"}");
    assert_reply(&h, r, 200, "");
    assert_string_equal(reply_str(&h, &r, "name"), "store");
    r = house_call(&h, engineer, ROUTE_project_patch, "store", NULL, "{\"members\":[]}");
    assert_reply(&h, r, 200, "");
    r = house_call(&h, engineer, ROUTE_project_patch, "store", NULL, "{\"name\":\"again\"}");
    assert_reply(&h, r, 403, "forbidden"); /* gave it away themselves */
    r = house_call(&h, h.admin, ROUTE_project_create, NULL, NULL, "{\"name\":\"shop\"}");
    assert_reply(&h, r, 409, "already-exists");
    r = house_call(&h, h.admin, ROUTE_project_create, NULL, NULL, "{\"name\":\"y\",\"env\":\"moon\"}");
    assert_reply(&h, r, 422, "invalid");
    assert_int_equal(house_leaves(&h, "project.created", "ok"), 2);
}

/* Whose pages may record: said, shown, pushed, recorded. */
static void test_origins(void **state)
{
    static const char *const good[] = {
        "https://shop.example.org", "http://localhost:8080", "https://*.example.org", "https://a-b.example.org:8443", "http://[::1]:8080",
        "https://[2001:db8::1]", "https://intranet", "http://127.0.0.1",
    };
    static const char *const bad[] = {
        "", "*", "null", "shop.example.org", "https://", "https://Shop.example.org", "https://shop.example.org/", "https://shop.example.org:443",
        "http://localhost:80", "https://*.org", "https://*", "https://a.*.org", "https://a..b", "https://.a.org", "https://a.org.", "https://a.org:",
        "https://a.org:0", "https://a.org:70000", "https://a.org:123456", "ftp://a.org", "https://a.org https://b.org", "https://u@a.org", "https://[::1",
        "https://[]", "https://a.org?x", "javascript://x", "https://-a.org", "https://[::1]x",
    };
    char body[400];
    struct reply r;

    (void) state;
    house_forget(&h);
    r = house_call(&h, h.admin, ROUTE_project_create, NULL, NULL, "{\"name\":\"pages\",\"origins\":[\"https://a.example.org\"]}");
    assert_reply(&h, r, 201, "");
    assert_string_equal(reply_str(&h, &r, "origins.0"), "https://a.example.org");
    assert_int_equal(house_pushed(&h, IPC_T_INGEST_TOKENS), 1);
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        (void) snprintf(body, sizeof(body), "{\"origins\":[\"%s\",\"https://other.example.org\",\"%s\"]}", good[i], good[i]);
        r = house_call(&h, h.admin, ROUTE_project_patch, "pages", NULL, body);
        if (r.status != 200)
            fail_msg("%s: %d", good[i], r.status);
        assert_string_equal(reply_str(&h, &r, "origins.0"), good[i]);
        assert_int_equal(reply_int(&r, "origins"), 2); /* said twice is said once */
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        (void) snprintf(body, sizeof(body), "{\"origins\":[\"%s\"]}", bad[i]);
        r = house_call(&h, h.admin, ROUTE_project_patch, "pages", NULL, body);
        if (r.status != 422)
            fail_msg("%s: %d", bad[i], r.status);
    }
    assert_string_equal(reply_str(&h, &r, "errors.0.at"), "/origins/0");
    r = house_call(&h, h.admin, ROUTE_project_patch, "pages", NULL, "{\"origins\":[7]}");
    assert_reply(&h, r, 422, "invalid");
    r = house_call(&h, h.admin, ROUTE_project_patch, "pages", NULL, "{\"env\":\"prod\"}");
    assert_int_equal(reply_int(&r, "origins"), 2); /* what is not named stays */
    house_forget(&h);
    r = house_call(&h, h.admin, ROUTE_project_patch, "pages", NULL, "{\"origins\":[]}");
    assert_reply(&h, r, 200, "");
    assert_int_equal(reply_int(&r, "origins"), 0);
    assert_int_equal(house_pushed(&h, IPC_T_INGEST_TOKENS), 1);
    r = house_call(&h, house_login(&h, "engineer"), ROUTE_project_patch, "shop", NULL, "{\"origins\":[]}");
    assert_reply(&h, r, 403, "forbidden");
}

/* A page's token adds links to what it began, and to nothing else; what is said twice leaves one record. */
static void test_page_links(void **state)
{
    static const char error[] = "{\"links\":[{\"type\":\"error\",\"id\":\"E1\"}]}";
    static const char timed[] = "{\"links\":[{\"type\":\"error\",\"id\":\"E1\",\"at_ms\":1200},{\"type\":\"order\",\"id\":\"O1\"}]}";
    static const char *const refused[][2] = {
        { "{\"secret\":\"krs_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\"}", "recording-secret" }, { NULL, "recording-secret" },
    };
    const char *page, *server, *mine, *others;
    char secret[100];
    struct reply r;

    (void) state;
    r = house_call(&h, h.admin, ROUTE_token_create, NULL, NULL, "{\"kind\":\"ingest\",\"project\":\"shop\",\"browser\":true}");
    page = reply_str(&h, &r, "token");
    r = house_call(&h, h.admin, ROUTE_token_create, NULL, NULL, "{\"kind\":\"ingest\",\"project\":\"shop\"}");
    server = reply_str(&h, &r, "token");
    mine = house_live(&h, page, "of a page", secret);
    for (size_t i = 0; i < 2; i++) { /* the token is everybody's */
        r = house_call(&h, page, ROUTE_recording_links_add, mine, refused[i][0], error);
        assert_reply(&h, r, 403, refused[i][1]);
    }
    others = house_recording(&h, server, "of a server", "");
    r = house_call(&h, page, ROUTE_recording_links_add, mine, secret, error);
    assert_reply(&h, r, 200, "");
    assert_string_equal(reply_str(&h, &r, "links.0.id"), "E1");
    assert_true(reply_has(&r, "links.0.public"));
    r = house_call(&h, page, ROUTE_recording_links_add, mine, secret, error);
    assert_reply(&h, r, 200, "");
    assert_int_equal(house_leaves(&h, "recording.linked", "ok"), 1);
    r = house_call(&h, page, ROUTE_recording_links_add, mine, secret, timed);
    assert_reply(&h, r, 200, "");
    assert_int_equal(reply_int(&r, "links"), 2);
    assert_int_equal(reply_int(&r, "links.0.at_ms"), 1200);
    assert_int_equal(house_leaves(&h, "recording.linked", "ok"), 2);
    r = house_call(&h, page, ROUTE_recording_links_put, mine, NULL, error); /* each would be one record more, and what was there is gone */
    assert_reply(&h, r, 403, "forbidden");
    assert_int_equal(house_leaves(&h, "recording.linked", "ok"), 2);
    r = house_call(&h, page, ROUTE_recording_links_add, others, NULL, error);
    assert_reply(&h, r, 404, "not-found");
    r = house_call(&h, page, ROUTE_recording_links_put, others, NULL, error);
    assert_reply(&h, r, 404, "not-found");
    r = house_call(&h, server, ROUTE_recording_links_add, mine, NULL, "{\"links\":[{\"type\":\"\",\"id\":\"\"}]}");
    assert_reply(&h, r, 422, "invalid");
    r = house_call(&h, server, ROUTE_recording_links_add, mine, NULL, error); /* somebody else says so, too */
    assert_reply(&h, r, 200, "");
    assert_false(reply_has(&r, "links.0.public"));
    assert_int_equal(reply_int(&r, "links.0.at_ms"), 1200);
    r = house_call(&h, page, ROUTE_recording_links_add, mine, secret, error);
    assert_reply(&h, r, 200, "");
    assert_false(reply_has(&r, "links.0.public"));
    r = house_call(&h, server, ROUTE_recording_links_put, mine, NULL, "{\"links\":[]}");
    assert_reply(&h, r, 200, "");
}

/* Pages are in anybody's hands: their token says what it may, and what it said is marked. */
static void test_page_states(void **state)
{
    static const struct {
        const char *states; /* of the token; NULL: left out */
        const char *kind, *title, *subject, *klass, *env;
        bool link;
        uint16_t status;
        const char *code;
    } cases[] = {
        { NULL, "rrweb", "Checkout", "anna@example.org", "", "", true, 0, "" },
        { NULL, "rrweb", "", "", "shop", "", false, 403, "statement-refused" },
        { NULL, "terminal", "", "", "", "", false, 403, "statement-refused" },
        { "[]", "rrweb", "", "", "", "", false, 0, "" },
        { "[]", "rrweb", "Checkout", "", "", "", false, 403, "statement-refused" },
        { "[]", "rrweb", "", "", "", "", true, 403, "statement-refused" },
        { "[\"title\",\"class:shop\"]", "rrweb", "Checkout", "", "shop", "", false, 0, "" },
        { "[\"title\",\"class:shop\"]", "rrweb", "Checkout", "", "shop2", "", false, 403, "statement-refused" },
        { "[\"title\",\"class:shop\"]", "rrweb", "Checkout", "U-1", "shop", "", false, 403, "statement-refused" },
        { "[\"env:prod\"]", "rrweb", "", "", "", "prod", false, 0, "" },
        { "[\"env:test\"]", "rrweb", "", "", "", "prod", false, 403, "statement-refused" },
        { NULL, "rrweb", "", "4111 1111 1111 1111", "", "", false, 422, "invalid" },
    };
    struct ipc_row_tag links[] = { { SPAN("error"), SPAN("E1") } };
    char body[300];
    struct reply r;

    (void) state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct ipc_ingest_open open = { .cred_kind = CRED_BEARER, .live = 1, .kind = span_str(cases[i].kind), .title = span_str(cases[i].title),
                                        .subject = span_str(cases[i].subject), .klass = span_str(cases[i].klass),
                                        .env = span_str(cases[i].env), .links = { links, cases[i].link } };
        struct ipc_ingest_opened got;

        (void) snprintf(body, sizeof(body), "{\"kind\":\"ingest\",\"project\":\"shop\",\"browser\":true%s%s}", cases[i].states != NULL ? ",\"states\":" : "",
                        cases[i].states != NULL ? cases[i].states : "");
        r = house_call(&h, h.admin, ROUTE_token_create, NULL, NULL, body);
        assert_reply(&h, r, 201, "");
        house_begin(&h, reply_str(&h, &r, "token"), &open, &got);
        if (got.status != cases[i].status || !span_eq_str(got.code, cases[i].code))
            fail_msg("case %zu: %u " SPAN_FMT " (" SPAN_FMT ")", i, got.status, SPAN_ARG(got.code), SPAN_ARG(got.detail));
        if (got.status != 0)
            continue;
        r = house_call(&h, h.admin, ROUTE_recording_get, arena_str(&h.mem, got.rid), NULL, NULL);
        assert_reply(&h, r, 200, "");
        assert_true(reply_is_true(&r, "public"));
        if (cases[i].link)
            assert_true(reply_is_true(&r, "links.0.public"));
    }
    r = house_call(&h, h.admin, ROUTE_token_create, NULL, NULL, "{\"kind\":\"ingest\",\"project\":\"shop\",\"browser\":true,\"states\":[\"title\",\"class:\"]}");
    assert_reply(&h, r, 422, "invalid");
    r = house_call(&h, h.admin, ROUTE_token_create, NULL, NULL, "{\"kind\":\"ingest\",\"project\":\"shop\",\"states\":[\"title\"]}");
    assert_reply(&h, r, 422, "invalid");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_matrix, open_team, close_house),
        cmocka_unit_test_setup_teardown(test_people, open_team, close_house),
        cmocka_unit_test_setup_teardown(test_projects, open_team, close_house),
        cmocka_unit_test_setup_teardown(test_origins, open_team, close_house),
        cmocka_unit_test_setup_teardown(test_page_links, open_team, close_house),
        cmocka_unit_test_setup_teardown(test_page_states, open_team, close_house),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
