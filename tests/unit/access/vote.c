#include "access/vote.h"

#include "test.h"

#define P1  "p_AAAAAAAAAAAAAAAA"
#define P2  "p_BBBBBBBBBBBBBBBB"
#define NOW 1000000000

static struct role_held approver[] = { { SPAN(P1), ROLE_APPROVER, 10 } };
static struct role_held approver_late[] = { { SPAN(P1), ROLE_APPROVER, 500 } };
static struct role_held approver_elsewhere[] = { { SPAN(P2), ROLE_APPROVER, 10 } };
static struct role_held approver_everywhere[] = { { SPAN("*"), ROLE_APPROVER, 10 } };
static struct role_held admin_only[] = { { SPAN("*"), ROLE_ADMIN, 10 } };
static struct role_held everything[] = {
    { SPAN("*"), ROLE_ADMIN, 10 },         { SPAN("*"), ROLE_APPROVER, 10 }, { SPAN("*"), ROLE_VIEWER, 10 },
    { SPAN("*"), ROLE_PROJECT_ADMIN, 10 }, { SPAN("*"), ROLE_AUDITOR, 10 },
};
static struct role_held viewer[] = { { SPAN("*"), ROLE_VIEWER, 10 } };
static struct span cust[] = { SPAN("cust-9") };

static struct span from_approver[] = { SPAN("role:approver") };
static const struct vote_rule one = { .need = 1, .deny = 1, .from = from_approver, .n_from = 1 };

static struct vote_party watching[] = { { SPAN("u_watch"), SPAN("h_watch") } };
static struct span subjects[] = { SPAN(""), SPAN("cust-9") };
static const struct vote_case c1 = {
    .requester = { SPAN("u_req"), SPAN("h_req") },
    .viewers = watching,
    .n_viewers = 1,
    .subjects = subjects,
    .n_subjects = 2,
    .project = SPAN(P1),
    .digest = SPAN("digest"),
    .created_at = 100,
};
static const struct vote_auth fresh = { .at = NOW - 1000 };

#define ROLES(r) .roles = (r), .n_roles = sizeof(r) / sizeof((r)[0])

/* Role x relation: only unrelated, eligible, other humans succeed, administrators included (PEERS 15, 16). */
static void test_relations(void **state)
{
    struct {
        const char *name;
        struct who who;
        enum vote_verdict want;
    } cases[] = {
        { "an approver", { .id = SPAN("u_b"), .since = 1, ROLES(approver) }, VOTE_OK },
        { "an approver of all", { .id = SPAN("u_b"), .since = 1, ROLES(approver_everywhere) }, VOTE_OK },
        { "an approver elsewhere", { .id = SPAN("u_b"), .since = 1, ROLES(approver_elsewhere) }, VOTE_NOT_ELIGIBLE },
        { "a viewer", { .id = SPAN("u_b"), .since = 1, ROLES(viewer) }, VOTE_NOT_ELIGIBLE },
        { "an admin without the role", { .id = SPAN("u_b"), .since = 1, ROLES(admin_only) }, VOTE_NOT_ELIGIBLE },
        { "nobody in particular", { .id = SPAN("u_b"), .since = 1 }, VOTE_NOT_ELIGIBLE },
        { "the requester", { .id = SPAN("u_req"), .person = SPAN("h_req"), .since = 1, ROLES(approver) }, VOTE_OWN },
        { "the requester with every role", { .id = SPAN("u_req"), .since = 1, ROLES(everything) }, VOTE_OWN },
        { "the requester's other account",
          { .id = SPAN("u_two"), .person = SPAN("h_req"), .since = 1, ROLES(everything) },
          VOTE_OWN },
        { "who will watch", { .id = SPAN("u_watch"), .since = 1, ROLES(everything) }, VOTE_VIEWER },
        { "who will watch, other account",
          { .id = SPAN("u_x"), .person = SPAN("h_watch"), .since = 1, ROLES(approver) },
          VOTE_VIEWER },
        { "the recorded person",
          { .id = SPAN("u_s"), .since = 1, .subjects = cust, .n_subjects = 1, ROLES(everything) },
          VOTE_SUBJECT },
        { "recorded under the account's name",
          { .id = SPAN("u_s"), .name = SPAN("cust-9"), .since = 1, ROLES(approver) },
          VOTE_SUBJECT },
        { "a disabled account", { .id = SPAN("u_b"), .since = 1, .disabled = true, ROLES(approver) }, VOTE_DISABLED },
        { "an account one ms before", { .id = SPAN("u_b"), .since = 99, ROLES(approver) }, VOTE_OK },
        { "an account of that instant", { .id = SPAN("u_b"), .since = 100, ROLES(approver) }, VOTE_TOO_NEW },
        { "an account made later", { .id = SPAN("u_b"), .since = 101, ROLES(approver) }, VOTE_TOO_NEW },
        { "a role got later", { .id = SPAN("u_b"), .since = 1, ROLES(approver_late) }, VOTE_TOO_NEW },
    };

    (void) state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        enum vote_verdict got = vote_check(&one, &c1, &cases[i].who, &fresh, SPAN("digest"), NULL, 0, NOW);

        if (got != cases[i].want)
            fail_msg("%s: got %s/%s, want %s/%s", cases[i].name, vote_code(got), vote_cause(got),
                     vote_code(cases[i].want), vote_cause(cases[i].want));
    }
}

static void test_how_signed_in(void **state)
{
    struct who b = { .id = SPAN("u_b"), .since = 1, ROLES(approver) };
    static const struct {
        const char *name;
        struct vote_auth auth;
        enum vote_verdict want;
    } cases[] = {
        { "now", { .at = NOW }, VOTE_OK },
        { "15 min ago", { .at = NOW - VOTE_FRESH_MS }, VOTE_OK },
        { "one ms more", { .at = NOW - VOTE_FRESH_MS - 1 }, VOTE_REAUTH },
        { "from the future", { .at = NOW + 5001 }, VOTE_REAUTH },
        { "never", { .at = 0 }, VOTE_REAUTH },
        { "a token", { .at = NOW, .token = true }, VOTE_TOKEN },
        { "a token that may", { .at = 0, .token = true, .tokens_may = true }, VOTE_OK },
    };

    (void) state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        enum vote_verdict got = vote_check(&one, &c1, &b, &cases[i].auth, SPAN("digest"), NULL, 0, NOW);

        if (got != cases[i].want)
            fail_msg("%s: got %s", cases[i].name, vote_code(got));
    }
    assert_int_equal(vote_check(&one, &c1, &b, &fresh, SPAN("digesT"), NULL, 0, NOW), VOTE_DIGEST);
    assert_int_equal(vote_check(&one, &c1, &b, &fresh, SPAN(""), NULL, 0, NOW), VOTE_DIGEST);
}

/* PEERS 13, 14: one person in three required groups is one vote of two; more than enough is enough. */
static void test_groups(void **state)
{
    static struct who_group all3[] = { { SPAN("security"), 1 }, { SPAN("owners"), 1 }, { SPAN("legal"), 1 } };
    static struct who_group sec[] = { { SPAN("security"), 1 } };
    static struct who_group late[] = { { SPAN("security"), 100 } };
    static const struct vote_group want3[] = { { SPAN("security"), 1 }, { SPAN("owners"), 1 }, { SPAN("legal"), 1 } };
    struct vote_rule rule = { .need = 2, .deny = 2, .groups = want3, .n_groups = 3 };
    struct who a = { .id = SPAN("u_a"), .since = 1, .groups = all3, .n_groups = 3 };
    struct who a2 = { .id = SPAN("u_a2"), .person = SPAN("u_a"), .since = 1, .groups = all3, .n_groups = 3 };
    struct who b = { .id = SPAN("u_b"), .since = 1, .groups = sec, .n_groups = 1 };
    struct who d = { .id = SPAN("u_d"), .since = 1, .groups = all3, .n_groups = 3 };
    struct who late_b = { .id = SPAN("u_late"), .since = 1, .groups = late, .n_groups = 1 };
    struct vote votes[] = { { SPAN("u_a"), &a, true }, { SPAN("u_b"), &b, true }, { SPAN("u_d"), &d, true } };
    struct vote twice[] = { { SPAN("u_a"), &a, true }, { SPAN("u_a"), &a2, true }, { SPAN("u_a"), &a, true } };
    struct vote gone[] = { { SPAN("u_a"), NULL, true }, { SPAN("u_b"), &b, true } };
    struct vote no[] = { { SPAN("u_a"), &a, false }, { SPAN("u_b"), &b, true }, { SPAN("u_d"), &d, false } };
    struct vote_tally t;

    (void) state;
    t = vote_count(&rule, &c1, votes, 1);
    assert_int_equal(t.approvals, 1);
    assert_int_equal(t.groups[0] + t.groups[1] + t.groups[2], 3);
    assert_false(t.approved);
    assert_false(vote_count(&rule, &c1, twice, 3).approved);
    assert_int_equal(vote_count(&rule, &c1, twice, 3).approvals, 1);
    assert_true(vote_count(&rule, &c1, votes, 2).approved);
    assert_true(vote_count(&rule, &c1, votes, 3).approved);
    assert_int_equal(vote_count(&rule, &c1, gone, 2).approvals, 1);
    assert_false(vote_count(&rule, &c1, no, 2).denied);
    assert_true(vote_count(&rule, &c1, no, 3).denied);
    assert_int_equal(vote_check(&rule, &c1, &a2, &fresh, SPAN("digest"), votes, 1, NOW), VOTE_TWICE);
    assert_int_equal(vote_check(&rule, &c1, &late_b, &fresh, SPAN("digest"), NULL, 0, NOW), VOTE_TOO_NEW);

    /* Two of security are two votes, and still nobody of the owners. */
    struct who b2 = { .id = SPAN("u_b2"), .since = 1, .groups = sec, .n_groups = 1 };
    struct vote both[] = { { SPAN("u_b"), &b, true }, { SPAN("u_b2"), &b2, true } };
    assert_false(vote_count(&rule, &c1, both, 2).approved);

    /* A rule without a need approves nothing. */
    struct vote_rule nothing = { .need = 0, .deny = 1, .from = from_approver, .n_from = 1 };
    assert_false(vote_count(&nothing, &c1, NULL, 0).approved);
}

static void test_lost_right_voids_the_vote(void **state)
{
    struct who b = { .id = SPAN("u_b"), .since = 1, ROLES(approver) };
    struct vote v = { SPAN("u_b"), &b, true };

    (void) state;
    assert_true(vote_count(&one, &c1, &v, 1).approved);
    b.n_roles = 0;
    assert_false(vote_count(&one, &c1, &v, 1).approved);
    b.n_roles = 1;
    b.disabled = true;
    assert_false(vote_count(&one, &c1, &v, 1).approved);
}

/* ask { settled = … }: who was made or changed too shortly before the request does not count. */
static void test_settled(void **state)
{
    static const struct {
        time_ms since, changed;
        enum vote_verdict verdict;
    } cases[] = {
        { 1, 0, VOTE_OK },    { 40, 0, VOTE_OK },   { 41, 0, VOTE_TOO_NEW }, { 1, 40, VOTE_OK },
        { 1, 41, VOTE_TOO_NEW }, { 1, 100, VOTE_TOO_NEW }, { 1, 101, VOTE_TOO_NEW },
    };
    struct vote_rule rule = { .need = 1, .deny = 1, .from = from_approver, .n_from = 1, .settled_ms = 60 };
    struct vote_case c = { .requester = { SPAN("u_req"), SPAN_EMPTY }, .project = SPAN(P1), .created_at = 100 };

    (void) state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const struct who w = { .id = SPAN("u_b"), .since = cases[i].since, .changed = cases[i].changed, ROLES(approver) };

        if (vote_eligible(&rule, &c, &w) != cases[i].verdict)
            fail_msg("case %zu: %d", i, vote_eligible(&rule, &c, &w));
        rule.settled_ms = 0;
        assert_int_equal(vote_eligible(&rule, &c, &w), VOTE_OK);
        rule.settled_ms = 60;
    }
}

static void test_exclude(void **state)
{
    static struct span exclude[] = { SPAN("user:carl"), SPAN("group:interns") };
    static struct who_group interns[] = { { SPAN("interns"), 1 } };
    struct vote_rule rule = one;
    struct who carl = { .id = SPAN("u_c"), .name = SPAN("carl"), .since = 1, ROLES(approver) };
    struct who intern = { .id = SPAN("u_i"), .since = 1, .groups = interns, .n_groups = 1, ROLES(approver) };

    (void) state;
    rule.exclude = exclude;
    rule.n_exclude = 2;
    assert_int_equal(vote_eligible(&rule, &c1, &carl), VOTE_EXCLUDED);
    assert_int_equal(vote_eligible(&rule, &c1, &intern), VOTE_EXCLUDED);
}

static void test_plan(void **state)
{
    static struct who_group sec[] = { { SPAN("security"), 1 } };
    static const struct vote_group want[] = { { SPAN("security"), 2 } };
    struct vote_rule rule = { .need = 2, .deny = 1, .groups = want, .n_groups = 1 };
    struct who people[] = {
        { .id = SPAN("u_req"), .since = 1, .groups = sec, .n_groups = 1 },
        { .id = SPAN("u_a"), .since = 1, .groups = sec, .n_groups = 1 },
        { .id = SPAN("u_a2"), .person = SPAN("u_a"), .since = 1, .groups = sec, .n_groups = 1 },
        { .id = SPAN("u_b"), .since = 1 },
        { .id = SPAN("u_c"), .since = 1, .groups = sec, .n_groups = 1 },
    };
    struct vote_plan p = vote_plan(&rule, &c1, people, 4);

    (void) state;
    assert_int_equal(p.need, 2);
    assert_int_equal(p.eligible, 1);
    assert_int_equal(p.groups[0], 1);
    assert_false(p.possible);
    assert_int_equal(p.lacking, 0);
    p = vote_plan(&rule, &c1, people, 5);
    assert_int_equal(p.eligible, 2);
    assert_true(p.possible);
    assert_int_equal(p.lacking, -1);
    p = vote_plan(&one, &c1, people, 5);
    assert_false(p.possible);
    assert_int_equal(p.lacking, -1);
}

static void test_other_sides(void **state)
{
    static const struct vote_group nine[VOTE_GROUPS_MAX + 1] = { { SPAN("a"), 1 }, { SPAN("a"), 1 }, { SPAN("a"), 1 }, { SPAN("a"), 1 },
                                                                 { SPAN("a"), 1 }, { SPAN("a"), 1 }, { SPAN("a"), 1 }, { SPAN("a"), 1 },
                                                                 { SPAN("a"), 1 } };
    static struct who_group in_a[] = { { SPAN("a"), 1 } };
    struct who b = { .id = SPAN("u_b"), .since = 1, .groups = in_a, .n_groups = 1, ROLES(approver) };
    struct who c = { .id = SPAN("u_c"), .person = SPAN("u_b"), .since = 1, ROLES(approver) };
    struct who d = { .id = SPAN("u_c"), .person = SPAN("u_z"), .since = 1, ROLES(approver) };
    struct who off = { .id = SPAN("u_b"), .since = 1, .disabled = true, ROLES(approver) };
    struct who three[] = { b, c, c, c };
    struct vote_rule rule = { .need = 1, .deny = 1, .from = from_approver, .n_from = 1, .groups = nine, .n_groups = VOTE_GROUPS_MAX };
    struct vote votes[] = { { SPAN("u_q"), &c, true }, { SPAN("u_b"), &b, false }, { SPAN("u_x"), &d, true }, { SPAN("u_q"), &d, true } };
    struct vote_tally t;
    struct vote_plan p;

    (void) state;
    assert_string_equal(vote_code((enum vote_verdict) 99), "?");
    assert_string_equal(vote_cause((enum vote_verdict) 99), "?");
    assert_string_equal(vote_cause(VOTE_OWN), "requester");
    assert_int_equal(vote_status((enum vote_verdict) 99), 500);

    /* Recorded under another name of that human, the account found since: still the same voter. */
    assert_int_equal(vote_check(&one, &c1, &b, &fresh, SPAN("digest"), votes, 1, NOW), VOTE_TWICE);
    votes[0].voter = NULL;
    assert_int_equal(vote_check(&one, &c1, &b, &fresh, SPAN("digest"), votes, 1, NOW), VOTE_OK);
    votes[0].voter = &c;
    t = vote_count(&one, &c1, votes, 2);
    assert_true(t.approvals == 1 && t.denials == 0);
    t = vote_count(&one, &c1, votes, 4); /* the third is another account's row of the first, the fourth named like it */
    assert_int_equal(t.approvals, 1);
    d.id = SPAN("u_d");
    t = vote_count(&one, &c1, votes, 3);
    assert_int_equal(t.approvals, 2);

    /* More groups than there may be never approve; as many as there may be do. */
    votes[0] = (struct vote){ SPAN("u_b"), &b, true };
    assert_true(vote_count(&rule, &c1, votes, 1).approved);
    rule.n_groups++;
    assert_false(vote_count(&rule, &c1, votes, 1).approved);
    p = vote_plan(&rule, &c1, three, 4);
    assert_int_equal(p.eligible, 1);
    assert_int_equal(p.groups[VOTE_GROUPS_MAX - 1], 1);
    three[0] = c, three[3] = b; /* the account in the groups comes last */
    p = vote_plan(&rule, &c1, three, 4);
    assert_true(p.eligible == 1 && p.groups[0] == 1 && p.possible);
    three[0] = off, three[1] = b; /* an account of theirs that may not vote takes nothing away */
    p = vote_plan(&rule, &c1, three, 2);
    assert_true(p.eligible == 1 && p.groups[0] == 1 && p.possible);
    p = vote_plan(&rule, &c1, three, 1);
    assert_true(!p.possible && p.lacking == 0);

    /* A rule that says nothing is never met. */
    rule = (struct vote_rule){ .from = from_approver, .n_from = 1 };
    votes[1] = (struct vote){ SPAN("u_d"), &d, false };
    t = vote_count(&rule, &c1, votes, 2);
    assert_true(t.approvals == 1 && t.denials == 1 && !t.approved && !t.denied);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_relations), cmocka_unit_test(test_how_signed_in),
        cmocka_unit_test(test_groups),    cmocka_unit_test(test_lost_right_voids_the_vote),
        cmocka_unit_test(test_exclude),   cmocka_unit_test(test_settled),
         cmocka_unit_test(test_plan),
        cmocka_unit_test(test_other_sides),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
