#include "access/role.h"

#include "access/who.h"
#include "access/action.h"
#include "access/field.h"
#include "test.h"

#include <stdio.h>

/* STANDARDS 2.6 as a picture: v viewer, a approver, u auditor, p project-admin, b breakglass, s admin. */
static const char matrix[] = "list                   vaupb-\n"
                             "see-subject            -aup--\n"
                             "link                   ---p--\n"
                             "ask                    v-----\n"
                             "vote                   -a----\n"
                             "revoke                 -a-p-s\n"
                             "suspend                -a-p-s\n"
                             "resume                 -a---s\n"
                             "see-viewings           -a---s\n"
                             "stop-viewing           -a---s\n"
                             "read-audit             --u---\n"
                             "read-openings          --u---\n"
                             "read-reports           --u---\n"
                             "manage-members         ---p-s\n"
                             "manage-ingest-tokens   ---p-s\n"
                             "import                 ---p--\n"
                             "manage-masking         ---p--\n"
                             "manage-retention       ---p--\n"
                             "freeze                 ---p-s\n"
                             "breakglass             ----b-\n"
                             "review                 -aup-s\n"
                             "manage-users           -----s\n"
                             "manage-groups          -----s\n"
                             "manage-roles           -----s\n"
                             "manage-projects        -----s\n"
                             "manage-tokens          -----s\n"
                             "manage-policy          -----s\n"
                             "manage-config          -----s\n";

static void test_matrix(void **state)
{
    char text[2048];
    size_t n = 0;

    (void) state;
    for (unsigned p = 0; p < PERM_N_; p++) {
        n += (size_t) snprintf(text + n, sizeof(text) - n, "%-23s", permission_name((enum permission) p));
        for (unsigned r = 0; r < ROLE_N_; r++)
            text[n++] = role_may(ROLE_BIT(r), (enum permission) p) ? "vaupbs"[r] : '-';
        text[n++] = '\n';
    }
    text[n] = '\0';
    assert_string_equal(text, matrix);
    assert_false(role_may(0, PERM_LIST));
    assert_false(role_may(0xff, PERM_N_));
}

static void test_names(void **state)
{
    (void) state;
    for (unsigned i = 0; i < ROLE_N_; i++) {
        enum role r = ROLE_N_;

        assert_true(role_parse(span_str(role_name((enum role) i)), &r));
        assert_int_equal(r, i);
    }
    enum role r;
    assert_false(role_parse(SPAN("Viewer"), &r));
    assert_false(role_parse(SPAN(""), &r));
}

#define P1 "p_AAAAAAAAAAAAAAAA"
#define P2 "p_BBBBBBBBBBBBBBBB"

static void test_where_roles_reach(void **state)
{
    static const struct {
        const char *name, *held_for;
        enum role role;
        const char *asked;
        bool reaches;
    } cases[] = {
        { "own project", P1, ROLE_VIEWER, P1, true },
        { "other project", P1, ROLE_VIEWER, P2, false },
        { "every project", "*", ROLE_VIEWER, P2, true },
        { "every project is not the system log", "*", ROLE_AUDITOR, "system", false },
        { "the system log", "system", ROLE_AUDITOR, "system", true },
        { "the system log is no project", "system", ROLE_AUDITOR, P1, false },
        { "admin is system-wide only", P1, ROLE_ADMIN, P1, false },
        { "admin reaches projects", "*", ROLE_ADMIN, P1, true },
        { "admin reaches the system", "*", ROLE_ADMIN, "system", true },
        { "no project at all", P1, ROLE_VIEWER, "", false },
        { "star asks for star", "*", ROLE_VIEWER, "*", true },
        { "one project is not all", P1, ROLE_VIEWER, "*", false },
    };

    (void) state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct role_held held = { span_str(cases[i].held_for), cases[i].role, 100 };
        role_mask got = role_in(&held, 1, span_str(cases[i].asked), 0);

        if ((got == ROLE_BIT(cases[i].role)) != cases[i].reaches)
            fail_msg("%s: got %x", cases[i].name, got);
    }
    struct role_held held[2] = { { SPAN(P1), ROLE_VIEWER, 100 }, { SPAN("*"), ROLE_APPROVER, 200 } };
    assert_int_equal(role_in(held, 2, SPAN(P1), 0), ROLE_BIT(ROLE_VIEWER) | ROLE_BIT(ROLE_APPROVER));
    assert_int_equal(role_in(held, 2, SPAN(P1), 200), ROLE_BIT(ROLE_VIEWER));
    assert_int_equal(role_in(held, 2, SPAN(P1), 201), ROLE_BIT(ROLE_VIEWER) | ROLE_BIT(ROLE_APPROVER));
    assert_int_equal(role_in(held, 2, SPAN(P1), 100), 0);
    assert_true(role_may_anywhere(held, 2, PERM_VOTE));
    assert_false(role_may_anywhere(held, 2, PERM_READ_AUDIT));
}

static void test_who(void **state)
{
    struct role_held roles[] = { { SPAN(P1), ROLE_APPROVER, 50 } };
    struct who_group groups[] = { { SPAN("security"), 70 } };
    struct span subjects[] = { SPAN("cust-1") };
    struct who anna = { .id = SPAN("u_anna"),
                        .name = SPAN("anna"),
                        .person = SPAN("h1"),
                        .since = 10,
                        .roles = roles,
                        .n_roles = 1,
                        .groups = groups,
                        .n_groups = 1,
                        .subjects = subjects,
                        .n_subjects = 1 };
    struct who alt = { .id = SPAN("u_alt"), .name = SPAN("alt"), .person = SPAN("h1") };
    struct who other = { .id = SPAN("h1x"), .name = SPAN("other") };
    static const struct {
        const char *spec, *project;
        time_ms before;
        bool is;
    } cases[] = {
        { "user:anna", P1, 0, true },
        { "user:u_anna", P1, 0, true },
        { "user:ann", P1, 0, false },
        { "user:anna", P1, 10, false },
        { "user:anna", P1, 11, true },
        { "group:security", P1, 0, true },
        { "group:security", P1, 70, false },
        { "group:security", P1, 71, true },
        { "group:sec", P1, 0, false },
        { "role:approver", P1, 0, true },
        { "role:approver", P2, 0, false },
        { "role:approver", P1, 50, false },
        { "role:viewer", P1, 0, false },
        { "role:boss", P1, 0, false },
        { "anna", P1, 0, false },
        { "user:", P1, 0, false },
        { "", P1, 0, false },
        { ":anna", P1, 0, false },
    };

    (void) state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        if (who_is(&anna, span_str(cases[i].spec), span_str(cases[i].project), cases[i].before) != cases[i].is)
            fail_msg("%s in %s before %d", cases[i].spec, cases[i].project, (int) cases[i].before);
    }
    assert_true(who_same_person(&anna, &alt));
    assert_false(who_same_person(&anna, &other));
    assert_true(who_is_subject(&anna, SPAN("cust-1")));
    assert_false(who_is_subject(&anna, SPAN("anna")));
    assert_false(who_is_subject(&anna, SPAN("")));
    assert_true(who_may_be_subject(&anna, SPAN("anna")));
    assert_true(who_may_be_subject(&anna, SPAN("h1")));
    assert_false(who_may_be_subject(&anna, SPAN("")));
    assert_true(who_spec_valid(SPAN("role:approver")));
    assert_false(who_spec_valid(SPAN("role:boss")));
    assert_false(who_spec_valid(SPAN("group:")));
}

static void test_no_such_value(void **state)
{
    struct role_held none[] = { { SPAN("*"), ROLE_N_, 1 }, { SPAN("*"), (enum role) 99, 1 } };
    struct who a = { .id = SPAN("u_1"), .person = SPAN("h1") }, b = { .id = SPAN("u_1"), .person = SPAN("h2") };

    (void) state;
    assert_string_equal(role_name((enum role) 99), "?");
    assert_string_equal(permission_name(PERM_N_), "?");
    assert_string_equal(permission_name(PERM_LIST), "list");
    assert_int_equal(role_in(none, 2, SPAN(P1), 0), 0);
    assert_true(who_same_person(&a, &b)); /* one account is one person, whatever is said of it meanwhile */
    assert_true(who_may_be_subject(&a, SPAN("u_1")));
    assert_false(who_may_be_subject(&a, SPAN("u_2")));
    assert_true(who_spec_valid(SPAN("user:anna")));
    assert_true(who_spec_valid(SPAN("group:a")));
    assert_false(who_spec_valid(SPAN("team:a")));
    assert_string_equal(action_name((enum action) 99), "?");
    assert_string_equal(field_code_name((enum field_code) 99), "?");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_matrix),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_where_roles_reach),
        cmocka_unit_test(test_who),
        cmocka_unit_test(test_no_such_value),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
