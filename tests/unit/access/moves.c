/* Moves that reach beyond one window: break-glass and its review, time and recordings granted beforehand, an end that
 * comes early, a freeze; what a policy says about what is decided beforehand. */
#include "access/grant.h"
#include "access/policy.h"

#include "test.h"

#define P1 "p_AAAAAAAAAAAAAAAA"
#define T0 1793000000000LL
#define H  3600000LL
#define M  60000LL

static const struct grant_guards fine = {
    .requester_active = true, .votes_stand = true, .policy_allows = true, .policy_max_ms = H
};
static const struct grant_break_facts urgent = {
    .holder = true, .fresh = true, .audit_healthy = true, .unreviewed = 0, .unreviewed_max = 2, .max_ms = H
};
static const struct grant_actor by_approver = { .roles = ROLE_BIT(ROLE_APPROVER) };
static const struct grant_actor by_requester = { .roles = ROLE_BIT(ROLE_VIEWER), .requester = true };
static const struct grant_issue_facts holder = {
    .holder = true, .requester_active = true, .policy_allows = true, .audit_healthy = true
};

static struct clock_reading at(time_ms real)
{
    return (struct clock_reading){ .real = real, .boot = real - T0 + 1000000, .boot_id = { 1 }, .trusted = true };
}

static struct grant asked(enum grant_start start, int64_t duration)
{
    struct clock_reading now = at(T0);
    struct grant_terms t = { .start = start, .duration_ms = duration, .start_by_ms = 8 * H };

    return grant_create(&t, &now);
}

static struct grant active(int64_t duration)
{
    struct grant g = asked(GRANT_START_APPROVAL, duration);
    struct clock_reading now = at(T0 + 1000);
    struct grant_step s = grant_auto(&g, &now, &fine, GRANT_CAUSE_NONE);

    assert_int_equal(s.verdict, GRANT_OK);
    return s.next;
}

static struct grant broken(void)
{
    struct grant g = asked(GRANT_START_APPROVAL, H);
    struct clock_reading now = at(T0 + 1000);
    struct grant_step s = grant_break(&g, &now, &urgent);

    assert_int_equal(s.verdict, GRANT_OK);
    return s.next;
}

static void assert_refused(const char *name, struct grant_step s, const struct grant *g, const char *code, int status)
{
    if (strcmp(grant_code(&s), code) != 0 || grant_status(&s) != status || s.changed)
        fail_msg("%s: %s %d, changed %d, want %s %d", name, grant_code(&s), grant_status(&s), s.changed, code, status);
    assert_memory_equal(&s.next, g, sizeof(*g));
}

/* ---- T14 ---- */

static void break_glass_opens(void **state)
{
    struct grant g = asked(GRANT_START_APPROVAL, H);
    struct clock_reading now = at(T0 + 1000);
    struct grant_step s = grant_break(&g, &now, &urgent);

    (void) state;
    assert_int_equal(s.verdict, GRANT_OK);
    assert_string_equal(grant_event_type(s.event), "breakglass.used");
    assert_int_equal(s.next.state, GRANT_ACTIVE);
    assert_int_equal(s.next.cause, GRANT_CAUSE_BREAK_GLASS);
    assert_int_equal(s.next.review, GRANT_REVIEW_DUE);
    assert_true(s.next.review_due == now.real + 24 * H);
    assert_true(s.push);
    assert_int_equal(s.next.gen, 1);
    assert_true(s.next.window_end == now.real + H && s.next.deadline == now.boot + H);
}

/* Each guard by itself; the first that fails is what is said. */
static void break_glass_guards(void **state)
{
    struct grant g = asked(GRANT_START_APPROVAL, H), later = asked(GRANT_START_FIRST_USE, H), open = broken();
    struct clock_reading now = at(T0 + 1000), odd = now;
    struct grant_break_facts f;

    (void) state;
#define GUARD(name, change, code, status)                                                                              \
    do {                                                                                                               \
        f = urgent;                                                                                                    \
        change;                                                                                                        \
        assert_refused(name, grant_break(&g, &now, &f), &g, code, status);                                             \
    } while (0)
    GUARD("no role", f.holder = false, "forbidden", 403);
    GUARD("a failed review", f.review_failed = true, "break-glass-limit", 403);
    GUARD("not signed in now", f.fresh = false, "reauth-needed", 401);
    GUARD("a rule denies", f.denied = true, "policy-denied", 403);
    GUARD("the policy has none", f.max_ms = 0, "policy-denied", 403);
    GUARD("the same incident", f.incident_used = true, "break-glass-limit", 403);
    GUARD("two are open", f.unreviewed = 2, "break-glass-limit", 403);
    GUARD("three are open", f.unreviewed = 3, "break-glass-limit", 403);
    GUARD("none is allowed", f.unreviewed_max = 0, "break-glass-limit", 403);
    GUARD("no audit", f.audit_healthy = false, "audit-unavailable", 503);
    GUARD("frozen", f.frozen = true, "restricted", 423);
#undef GUARD
    odd.trusted = false;
    assert_refused("clock", grant_break(&g, &odd, &urgent), &g, "clock-untrusted", 503);
    assert_refused("not at once", grant_break(&later, &now, &urgent), &later, "grant-state-conflict", 409);
    assert_refused("twice", grant_break(&open, &now, &urgent), &open, "grant-state-conflict", 409);
    f = urgent, f.unreviewed = 1;
    assert_int_equal(grant_break(&g, &now, &f).verdict, GRANT_OK);

    f = urgent, f.incident_used = true;
    assert_string_equal(grant_limit_name(grant_break(&g, &now, &f).limit), "incident");
    f = urgent, f.unreviewed = 2;
    assert_string_equal(grant_limit_name(grant_break(&g, &now, &f).limit), "reviews");
    f = urgent, f.review_failed = true;
    assert_string_equal(grant_limit_name(grant_break(&g, &now, &f).limit), "review-failed");
}

static void break_glass_is_short(void **state)
{
    static const struct {
        int64_t asked, max, want;
    } cases[] = { { H, H, H }, { H - 1, H, H - 1 }, { 2 * H, H, H }, { 2 * H, 5 * H, H }, { H, 10 * M, 10 * M } };

    (void) state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct grant g = asked(GRANT_START_APPROVAL, cases[i].asked);
        struct clock_reading now = at(T0);
        struct grant_break_facts f = urgent;
        struct grant_step s;

        f.max_ms = cases[i].max;
        s = grant_break(&g, &now, &f);
        if (s.next.window_end - s.next.window_start != cases[i].want)
            fail_msg("%zu: %lld", i, (long long) (s.next.window_end - s.next.window_start));
    }
}

/* ---- T15 ---- */

static void review(void **state)
{
    struct grant g = broken(), plain = active(H);
    struct clock_reading now = at(T0 + 2 * H);
    static const struct grant_actor auditor = { .roles = ROLE_BIT(ROLE_AUDITOR) },
                                    own = { .roles = ROLE_BIT(ROLE_APPROVER), .requester = true },
                                    approved = { .roles = ROLE_BIT(ROLE_APPROVER), .approver = true },
                                    viewer = { .roles = ROLE_BIT(ROLE_VIEWER) },
                                    stale = { .roles = ROLE_BIT(ROLE_APPROVER), .if_match = 77 };
    struct grant_step s;

    (void) state;
    assert_refused("while it is open", grant_review(&g, &now, &auditor, false), &g, "grant-state-conflict", 409);
    g = grant_touch(&g, &now, 0).next;
    assert_int_equal(g.state, GRANT_EXPIRED);
    assert_int_equal(g.review, GRANT_REVIEW_DUE);
    assert_refused("no role", grant_review(&g, &now, &viewer, false), &g, "forbidden", 403);
    assert_refused("one's own", grant_review(&g, &now, &own, false), &g, "forbidden", 403);
    assert_refused("one's own vote", grant_review(&g, &now, &approved, false), &g, "forbidden", 403);
    assert_refused("another version", grant_review(&g, &now, &stale, false), &g, "stale", 412);
    s = grant_review(&g, &now, &auditor, false);
    assert_int_equal(s.verdict, GRANT_OK);
    assert_string_equal(grant_event_type(s.event), "review.done");
    assert_int_equal(s.next.review, GRANT_REVIEW_DONE);
    assert_int_equal(s.next.state, GRANT_EXPIRED);
    assert_int_equal(s.next.gen, g.gen);
    assert_int_equal(s.next.version, g.version + 1);
    assert_false(s.push);
    assert_refused("twice", grant_review(&s.next, &now, &auditor, true), &s.next, "grant-state-conflict", 409);
    s = grant_review(&g, &now, &by_approver, true);
    assert_string_equal(grant_event_type(s.event), "review.failed");
    assert_int_equal(s.next.review, GRANT_REVIEW_DONE);
    plain = grant_touch(&plain, &now, 0).next;
    assert_refused("nothing to review", grant_review(&plain, &now, &auditor, false), &plain, "grant-state-conflict", 409);
}

static void review_is_due(void **state)
{
    struct grant g = broken();
    time_ms due = T0 + 1000 + GRANT_REVIEW_MS;
    struct clock_reading before = at(due - 1), then = at(due), after = at(due + 1);
    struct grant_step s;

    (void) state;
    g = grant_touch(&g, &before, 0).next;
    assert_false(grant_review_touch(&g, &before).changed);
    s = grant_review_touch(&g, &then);
    assert_true(s.changed);
    assert_int_equal(s.next.review, GRANT_REVIEW_OVERDUE);
    assert_string_equal(grant_event_type(s.event), "alarm.raised");
    assert_int_equal(s.next.state, GRANT_EXPIRED);
    assert_true(grant_review_touch(&g, &after).changed);
    assert_false(grant_review_touch(&s.next, &after).changed);
    /* Late is better than never. */
    assert_int_equal(grant_review(&s.next, &after, &by_approver, false).next.review, GRANT_REVIEW_DONE);
}

/* ---- T13 ---- */

/* However it is prolonged, both windows together are never longer than what was approved for both; on both clocks. */
static void prolonging(void **state)
{
    struct grant old = active(30 * M), g = asked(GRANT_START_APPROVAL, 20 * M);
    struct clock_reading now = at(T0 + 1000 + 10 * M), odd;
    struct grant_guards f = fine;
    struct grant_step s;

    (void) state;
    f.carry_ms = grant_left_ms(&old, &now);
    assert_true(f.carry_ms == 20 * M);
    s = grant_auto(&g, &now, &f, GRANT_CAUSE_BEFOREHAND);
    assert_int_equal(s.next.state, GRANT_ACTIVE);
    assert_string_equal(grant_cause_name(s.next.cause), "granted-beforehand");
    assert_true(s.next.window_end == old.window_start + 50 * M);
    assert_true(s.next.deadline == old.deadline + 20 * M);
    assert_int_equal(s.next.gen, 1);

    /* The wall clock was set back: the boot clock says how much is left. */
    odd = at(T0 + 1000 + 10 * M);
    odd.real -= H;
    f.carry_ms = grant_left_ms(&old, &odd);
    s = grant_auto(&g, &odd, &f, GRANT_CAUSE_NONE);
    assert_true(s.next.deadline == old.deadline + 20 * M);

    f.link_gone = true;
    assert_refused("too late", grant_auto(&g, &now, &f, GRANT_CAUSE_NONE), &g, "grant-state-conflict", 409);
    f = fine, f.carry_ms = -5;
    s = grant_auto(&g, &now, &f, GRANT_CAUSE_NONE);
    assert_true(s.next.window_end == now.real + 20 * M);
    /* Nothing stacks up: never longer than the policy's longest window, from now. */
    f = fine, f.policy_max_ms = 30 * M, f.carry_ms = 10 * M;
    s = grant_auto(&g, &now, &f, GRANT_CAUSE_NONE);
    assert_true(s.next.window_end == now.real + 30 * M);
    f.carry_ms = 10 * M - 1;
    s = grant_auto(&g, &now, &f, GRANT_CAUSE_NONE);
    assert_true(s.next.window_end == now.real + 30 * M - 1);
    f.carry_ms = 10 * M + 1;
    s = grant_auto(&g, &now, &f, GRANT_CAUSE_NONE);
    assert_true(s.next.window_end == now.real + 30 * M);
}

static void widening(void **state)
{
    struct grant g = active(30 * M), held;
    struct clock_reading now = at(T0 + 1000 + M), end = at(g.window_end);
    struct grant_step s = grant_widen(&g, &now, &by_requester, 1, 2);

    (void) state;
    assert_int_equal(s.verdict, GRANT_OK);
    assert_string_equal(grant_event_type(s.event), "grant.widened");
    assert_true(s.changed);
    assert_int_equal(s.next.gen, g.gen);
    assert_int_equal(s.next.version, g.version + 1);
    assert_true(s.next.window_end == g.window_end);
    assert_refused("used up", grant_widen(&g, &now, &by_requester, 2, 2), &g, "grant-state-conflict", 409);
    assert_refused("none", grant_widen(&g, &now, &by_requester, 0, 0), &g, "grant-state-conflict", 409);
    assert_refused("somebody else", grant_widen(&g, &now, &by_approver, 0, 2), &g, "forbidden", 403);
    assert_refused("over", grant_widen(&g, &end, &by_requester, 0, 2), &g, "grant-state-conflict", 409);
    held = grant_suspend(&g, &now, &by_approver).next;
    assert_refused("suspended", grant_widen(&held, &now, &by_requester, 0, 2), &held, "grant-suspended", 403);
}

/* ---- an end that comes early ---- */

static void ticket_closed(void **state)
{
    struct grant g = active(30 * M), other;
    struct clock_reading now = at(T0 + 1000 + 10 * M), before, then, late = at(T0 + 1000 + 25 * M);
    struct grant_step s = grant_shorten(&g, &now, GRANT_CAUSE_TICKET_CLOSED, GRANT_TICKET_MS);

    (void) state;
    assert_int_equal(s.verdict, GRANT_OK);
    assert_true(s.push);
    assert_int_equal(s.end_code, 0); /* streams go on until then */
    assert_int_equal(s.next.gen, g.gen);
    assert_true(s.next.window_end == now.real + GRANT_TICKET_MS);
    assert_true(s.next.deadline == now.boot + GRANT_TICKET_MS);
    g = s.next;
    before = at(now.real + GRANT_TICKET_MS - 1);
    then = at(now.real + GRANT_TICKET_MS);
    assert_true(grant_is_open(&g, &before));
    assert_int_equal(grant_issue(&g, &before, &holder).verdict, GRANT_OK);
    assert_false(grant_touch(&g, &before, 0).changed);
    assert_false(grant_is_open(&g, &then));
    s = grant_touch(&g, &then, 0);
    assert_int_equal(s.next.state, GRANT_EXPIRED);
    assert_string_equal(grant_cause_name(s.next.cause), "ticket-closed");
    assert_int_equal(s.end_code, 4410);
    /* The boot clock alone ends it, too. */
    then.real -= H;
    assert_int_equal(grant_touch(&g, &then, 0).next.cause, GRANT_CAUSE_TICKET_CLOSED);

    assert_refused("twice", grant_shorten(&g, &now, GRANT_CAUSE_TICKET_CLOSED, GRANT_TICKET_MS), &g,
                   "grant-state-conflict", 409);
    other = active(30 * M);
    assert_refused("it ends then anyway", grant_shorten(&other, &late, GRANT_CAUSE_TICKET_CLOSED, GRANT_TICKET_MS),
                   &other, "grant-state-conflict", 409);
    late.real--, late.boot--;
    assert_int_equal(grant_shorten(&other, &late, GRANT_CAUSE_TICKET_CLOSED, GRANT_TICKET_MS).verdict, GRANT_OK);
    other = asked(GRANT_START_APPROVAL, H);
    assert_refused("not open", grant_shorten(&other, &now, GRANT_CAUSE_TICKET_CLOSED, GRANT_TICKET_MS), &other,
                   "grant-state-conflict", 409);
    /* After a reboot the deadline comes from the nearer end. */
    now = at(T0 + 1000 + 10 * M);
    now.boot_id[0] = 2;
    other = active(30 * M);
    other = grant_shorten(&other, &now, GRANT_CAUSE_TICKET_CLOSED, GRANT_TICKET_MS).next;
    other = grant_rebase(&other, &now).next;
    assert_true(other.deadline == now.boot + GRANT_TICKET_MS);
}

static void idle_waits_for_keys(void **state)
{
    struct grant g = active(3 * H), held;
    time_ms t = g.window_start + GRANT_IDLE_MS;
    struct clock_reading before = at(t - 1), then = at(t), after = at(t + 1), resumed = at(t + M);
    struct grant_step s;

    (void) state;
    assert_false(grant_touch(&g, &before, GRANT_IDLE_MS).changed);
    s = grant_touch(&g, &then, GRANT_IDLE_MS);
    assert_int_equal(s.next.state, GRANT_EXPIRED);
    assert_int_equal(s.next.cause, GRANT_CAUSE_IDLE);
    assert_int_equal(grant_touch(&g, &after, GRANT_IDLE_MS).next.cause, GRANT_CAUSE_IDLE);
    assert_false(grant_touch(&g, &then, 0).changed);
    s = grant_issue(&g, &before, &holder);
    assert_false(grant_touch(&s.next, &then, GRANT_IDLE_MS).changed);
    /* Suspended nobody can ask for one: it is not idle then, and not at once when it goes on. */
    held = grant_suspend(&g, &before, &by_approver).next;
    assert_false(grant_touch(&held, &resumed, GRANT_IDLE_MS).changed);
    held = grant_resume(&held, &resumed, &by_approver, false).next;
    assert_int_equal(held.state, GRANT_ACTIVE);
    assert_false(grant_touch(&held, &resumed, GRANT_IDLE_MS).changed);
}

static void freezing(void **state)
{
    static const struct grant_actor freeze = { .system = true, .cause = GRANT_CAUSE_FROZEN },
                                    lift = { .system = true };
    struct grant g = active(30 * M), held;
    struct clock_reading now = at(T0 + 1000 + M), end = at(g.window_end);
    struct grant_step s = grant_suspend(&g, &now, &freeze);

    (void) state;
    assert_int_equal(s.next.state, GRANT_SUSPENDED);
    assert_int_equal(s.next.cause, GRANT_CAUSE_FROZEN);
    assert_int_equal(s.end_code, 4423);
    held = s.next;
    assert_refused("frozen", grant_resume(&held, &now, &by_approver, true), &held, "restricted", 423);
    s = grant_resume(&held, &now, &lift, false);
    assert_int_equal(s.next.state, GRANT_ACTIVE);
    assert_true(s.next.window_end == g.window_end);
    assert_refused("its window is over", grant_resume(&held, &end, &lift, false), &held, "grant-state-conflict", 409);
}

/* ---- what a rule lets be decided beforehand ---- */

static void terms_cap_it(void **state)
{
    static const struct policy_purpose purpose = { .code = SPAN("debugging"), .reason_min = 0 };
    static const struct policy_rule rule = {
        .name = SPAN("r"), .effect = POLICY_EFFECT_ASK,
        .terms = { .max_ms = H, .starts = 7, .start_by_ms = H, .viewers = 3, .more_same = POLICY_SAME_LINK, .more_max = 2,
                   .more_times = 1, .more_each_ms = 30 * M },
    };
    static const struct policy policy = { .purposes = &purpose, .n_purposes = 1 };
    static const struct {
        const char *name;
        struct request req;
        const char *at; /* "": it may be so */
        int64_t limit;
    } cases[] = {
        { "nothing", { .n_viewers = 0 }, "", 0 },
        { "two others", { .n_viewers = 2 }, "", 0 },
        { "three others", { .n_viewers = 3 }, "/viewers", 3 },
        { "two more", { .more_same = REQUEST_SAME_LINK, .more_max = 2 }, "", 0 },
        { "three more", { .more_same = REQUEST_SAME_LINK, .more_max = 3 }, "/more/max", 2 },
        { "of another kind", { .more_same = REQUEST_SAME_SUBJECT, .more_max = 1 }, "/more/same", FIELD_NO_LIMIT },
        { "once", { .more_times = 1, .more_each_s = 1800 }, "", 0 },
        { "twice", { .more_times = 2, .more_each_s = 1800 }, "/more_time/times", 1 },
        { "longer", { .more_times = 1, .more_each_s = 1801 }, "/more_time/each_s", 1800 },
    };

    (void) state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct request req = cases[i].req;
        struct field_errors errs = { 0 };

        req.purpose = SPAN("debugging");
        req.duration_s = 60;
        policy_check_terms(&policy, &rule, &req, false, &errs);
        if ((errs.n == 0) != (cases[i].at[0] == '\0') ||
            (errs.n > 0 && (strcmp(errs.items[0].at, cases[i].at) != 0 || errs.items[0].limit != cases[i].limit)))
            fail_msg("%s: %zu errors, first at '%s'", cases[i].name, errs.n, errs.n > 0 ? errs.items[0].at : "");
    }
    assert_int_equal(REQUEST_SAME_SESSION, POLICY_SAME_SESSION);
    assert_int_equal(REQUEST_SAME_SUBJECT, POLICY_SAME_SUBJECT);
    assert_int_equal(REQUEST_SAME_LINK, POLICY_SAME_LINK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(break_glass_opens), cmocka_unit_test(break_glass_guards),
        cmocka_unit_test(break_glass_is_short), cmocka_unit_test(review),
        cmocka_unit_test(review_is_due), cmocka_unit_test(prolonging),
        cmocka_unit_test(widening), cmocka_unit_test(ticket_closed),
        cmocka_unit_test(idle_waits_for_keys), cmocka_unit_test(freezing),
        cmocka_unit_test(terms_cap_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
