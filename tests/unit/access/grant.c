#include "access/grant.h"

#include "test.h"

#define P1 "p_AAAAAAAAAAAAAAAA"
#define T0 1793000000000LL
#define H  3600000LL

static struct role_held approver[] = { { SPAN(P1), ROLE_APPROVER, 10 } };
static struct span from[] = { SPAN("role:approver") };
static const struct vote_rule one = { .need = 1, .deny = 1, .from = from, .n_from = 1 };
static const struct vote_case kase = {
    .requester = { SPAN("u_req"), SPAN("") }, .project = SPAN(P1), .digest = SPAN("D"), .created_at = T0
};
static const struct who boss = { .id = SPAN("u_boss"), .since = 1, .roles = approver, .n_roles = 1 };
static const struct grant_guards fine = {
    .requester_active = true, .votes_stand = true, .policy_allows = true, .policy_max_ms = H
};
static const struct grant_issue_facts holder = {
    .holder = true, .requester_active = true, .policy_allows = true, .audit_healthy = true
};
static const struct grant_actor by_approver = { .roles = ROLE_BIT(ROLE_APPROVER) };
static const struct grant_actor by_requester = { .roles = ROLE_BIT(ROLE_VIEWER), .requester = true };

/* Boot clock runs 1 000 000 ms behind T0's origin. */
static struct clock_reading at(time_ms real)
{
    return (struct clock_reading){ .real = real, .boot = real - T0 + 1000000, .boot_id = { 1 }, .trusted = true };
}

static struct grant asked(enum grant_start start, int64_t duration, time_ms start_at)
{
    struct clock_reading now = at(T0);
    struct grant_terms t = { .start = start, .duration_ms = duration, .start_by_ms = 8 * H, .start_at = start_at };

    return grant_create(&t, &now);
}

static struct grant_step approve_at(const struct grant *g, time_ms real)
{
    struct clock_reading now = at(real);
    struct grant_ballot b = { .rule = &one, .c = &kase, .voter = &boss, .auth = { .at = real }, .digest = SPAN("D") };

    return grant_approve(g, &now, &b, &fine);
}

static struct grant active(int64_t duration)
{
    struct grant g = asked(GRANT_START_APPROVAL, duration, 0);
    struct grant_step s = approve_at(&g, T0 + 1000);

    assert_int_equal(s.verdict, GRANT_OK);
    assert_int_equal(s.next.state, GRANT_ACTIVE);
    return s.next;
}

static void assert_refused(struct grant_step s, const struct grant *g, enum grant_verdict want, const char *code,
                           int status)
{
    assert_int_equal(s.verdict, want);
    assert_string_equal(grant_code(&s), code);
    assert_int_equal(grant_status(&s), status);
    assert_false(s.changed);
    assert_memory_equal(&s.next, g, sizeof(*g));
}

/* The whole table of moves, as text of STANDARDS 2.2; PENDING becomes ACTIVE by votes or a rule, and by break-glass. */
static void test_moves(void **state)
{
    static const char *const want[GRANT_STATE_N_] = {
        [GRANT_PENDING] = "SCHEDULED ACTIVE ACTIVE DENIED CANCELLED LAPSED ",
        [GRANT_SCHEDULED] = "ACTIVE CANCELLED LAPSED REVOKED ",
        [GRANT_ACTIVE] = "SUSPENDED EXPIRED REVOKED RELINQUISHED ",
        [GRANT_SUSPENDED] = "ACTIVE EXPIRED REVOKED ",
        [GRANT_DENIED] = "",
        [GRANT_CANCELLED] = "",
        [GRANT_LAPSED] = "",
        [GRANT_EXPIRED] = "",
        [GRANT_REVOKED] = "",
        [GRANT_RELINQUISHED] = "",
    };

    (void) state;
    for (unsigned f = 0; f < GRANT_STATE_N_; f++) {
        struct buf b = BUF_INIT(1000);

        for (unsigned to = 0; to < GRANT_STATE_N_; to++) {
            for (unsigned e = 0; e < GRANT_EV_N_; e++) {
                enum grant_state got;

                if (grant_move_find((enum grant_state) f, (enum grant_event) e, &got) && got == to)
                    buf_addf(&b, "%s ", grant_state_name(got));
            }
        }
        assert_string_equal(buf_cstr(&b), want[f]);
        assert_int_equal(grant_ended((enum grant_state) f), want[f][0] == '\0');
        buf_deinit(&b);
    }
}

static void test_words(void **state)
{
    (void) state;
    for (unsigned i = 0; i < GRANT_STATE_N_; i++) {
        enum grant_state s;

        assert_true(grant_state_parse(span_str(grant_state_name((enum grant_state) i)), &s));
        assert_int_equal(s, i);
    }
    for (unsigned i = 0; i < GRANT_CAUSE_N_; i++) {
        enum grant_cause c;

        assert_true(grant_cause_parse(span_str(grant_cause_name((enum grant_cause) i)), &c));
        assert_int_equal(c, i);
    }
    for (unsigned i = 0; i < GRANT_START_N_; i++) {
        enum grant_start s;

        assert_true(grant_start_parse(span_str(grant_start_name((enum grant_start) i)), &s));
        assert_int_equal(s, i);
    }
    for (unsigned i = 0; i < GRANT_EV_N_; i++)
        assert_non_null(grant_event_type((enum grant_event) i));
    for (unsigned i = 0; i < GRANT_REVIEW_N_; i++)
        assert_non_null(grant_review_name((enum grant_review) i));
    for (unsigned i = 0; i < GRANT_VERDICT_N_; i++) {
        struct grant_step s = { .verdict = (enum grant_verdict) i };

        assert_non_null(grant_code(&s));
        assert_true(grant_status(&s) >= 200);
    }
    enum grant_state s;
    assert_true(grant_state_parse(SPAN("active"), &s));
    assert_false(grant_state_parse(SPAN("actively"), &s));
}

static void test_approval_opens(void **state)
{
    struct grant g = asked(GRANT_START_APPROVAL, 20000, 0);
    struct grant_step s = approve_at(&g, T0 + 500);

    (void) state;
    assert_int_equal(g.state, GRANT_PENDING);
    assert_int_equal(g.gen, 0);
    assert_int_equal(s.verdict, GRANT_OK);
    assert_true(s.changed && s.push);
    assert_int_equal(s.event, GRANT_EV_ACTIVATE);
    assert_int_equal(s.end_code, 0);
    assert_int_equal(s.next.state, GRANT_ACTIVE);
    assert_int_equal(s.next.gen, 1);
    assert_int_equal(s.next.version, 2);
    assert_true(s.next.window_start == T0 + 500);
    assert_true(s.next.window_end == T0 + 20500);
    assert_true(s.next.deadline == 1000000 + 20500);
}

static void test_policy_max_cuts_the_window(void **state)
{
    struct grant g = asked(GRANT_START_APPROVAL, 52LL * 7 * 24 * H, 0);
    struct grant_step s = approve_at(&g, T0 + 500);

    (void) state;
    assert_true(s.next.window_end == T0 + 500 + H);
}

static void test_ends_to_the_ms(void **state)
{
    struct grant g = active(20000);
    static const struct {
        const char *name;
        int64_t real, boot;
        bool open;
    } cases[] = {
        { "at the start", 0, 0, true },
        { "one ms before", 19999, 19999, true },
        { "at the end", 20000, 20000, false },
        { "one ms after", 20001, 20001, false },
        { "wall jumped on", 20000, 100, false },
        { "wall jumped back an hour, time is up", -3600000, 20000, false },
        { "wall jumped back, one ms left", -3600000, 19999, true },
    };

    (void) state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct clock_reading now = at(g.window_start);
        struct grant_step touch, key;

        now.boot += cases[i].boot;
        now.real += cases[i].real;
        touch = grant_touch(&g, &now, 0);
        key = grant_issue(&g, &now, &holder);
        if (grant_is_open(&g, &now) != cases[i].open || (grant_left_ms(&g, &now) > 0) != cases[i].open ||
            (touch.next.state == GRANT_EXPIRED) == cases[i].open || (key.verdict == GRANT_OK) != cases[i].open)
            fail_msg("%s: open %d, touched %s, key %s", cases[i].name, grant_is_open(&g, &now),
                     grant_state_name(touch.next.state), grant_code(&key));
        if (!cases[i].open) {
            assert_int_equal(touch.end_code, 4410);
            assert_int_equal(touch.next.gen, g.gen + 1);
            assert_string_equal(grant_code(&key), "grant-ended");
        }
    }
}

static void test_votes_reach_the_machine(void **state)
{
    struct grant g = asked(GRANT_START_APPROVAL, 20000, 0);
    struct clock_reading now = at(T0 + 10);
    struct who self = { .id = SPAN("u_req"), .since = 1, .roles = approver, .n_roles = 1 };
    struct vote_rule two = one;
    struct grant_ballot b = {
        .rule = &two, .c = &kase, .voter = &self, .auth = { .at = now.real }, .digest = SPAN("D")
    };
    struct grant_step s;

    (void) state;
    two.need = 2;
    assert_refused(grant_approve(&g, &now, &b, &fine), &g, GRANT_REFUSED_VOTE, "not-eligible", 403);
    b.voter = &boss;
    b.digest = SPAN("other");
    assert_refused(grant_approve(&g, &now, &b, &fine), &g, GRANT_REFUSED_VOTE, "digest-mismatch", 409);
    assert_refused(grant_deny(&g, &now, &b), &g, GRANT_REFUSED_VOTE, "digest-mismatch", 409);
    b.digest = SPAN("D");
    b.if_match = 7;
    assert_refused(grant_approve(&g, &now, &b, &fine), &g, GRANT_STALE_VERSION, "stale", 412);
    b.if_match = 1;
    s = grant_approve(&g, &now, &b, &fine);
    assert_int_equal(s.verdict, GRANT_OK);
    assert_int_equal(s.event, GRANT_EV_VOTE);
    assert_int_equal(s.next.state, GRANT_PENDING);
    assert_int_equal(s.next.version, 2);

    /* The second of two, by the same human: refused. By another: opens. Nobody else is left with "already approved". */
    struct vote before = { SPAN("u_boss"), &boss, true };
    struct who other = { .id = SPAN("u_other"), .since = 1, .roles = approver, .n_roles = 1 };
    b.if_match = 0;
    b.votes = &before;
    b.n_votes = 1;
    assert_refused(grant_approve(&s.next, &now, &b, &fine), &s.next, GRANT_REFUSED_VOTE, "already-voted", 409);
    b.voter = &other;
    s = grant_approve(&s.next, &now, &b, &fine);
    assert_int_equal(s.next.state, GRANT_ACTIVE);

    /* A vote that would open is refused whole while it may not open. */
    struct grant_guards f = fine;
    struct clock_reading odd = now;
    b.rule = &one;
    b.n_votes = 0;
    odd.trusted = false;
    assert_refused(grant_approve(&g, &odd, &b, &fine), &g, GRANT_CLOCK, "clock-untrusted", 503);
    f.frozen = true;
    assert_refused(grant_approve(&g, &now, &b, &f), &g, GRANT_FROZEN, "restricted", 423);
    f = fine;
    f.policy_allows = false;
    assert_refused(grant_approve(&g, &now, &b, &f), &g, GRANT_POLICY, "policy-denied", 403);
    f = fine;
    f.requester_active = false;
    assert_refused(grant_approve(&g, &now, &b, &f), &g, GRANT_CONFLICT, "grant-state-conflict", 409);

    s = grant_deny(&g, &now, &b);
    assert_int_equal(s.next.state, GRANT_DENIED);
    assert_int_equal(s.next.cause, GRANT_CAUSE_DENIED);
    assert_int_equal(s.end_code, 0);
    assert_false(s.push);
    assert_refused(grant_approve(&s.next, &now, &b, &fine), &s.next, GRANT_CONFLICT, "grant-state-conflict", 409);
}

static void test_lapse(void **state)
{
    struct grant g = asked(GRANT_START_APPROVAL, 20000, 0);
    struct clock_reading before = at(T0 + GRANT_LAPSE_MS - 1), after = at(T0 + GRANT_LAPSE_MS);

    (void) state;
    assert_false(grant_touch(&g, &before, GRANT_IDLE_MS).changed);
    assert_int_equal(approve_at(&g, before.real).next.state, GRANT_ACTIVE);
    assert_refused(approve_at(&g, after.real), &g, GRANT_CONFLICT, "grant-state-conflict", 409);
    assert_int_equal(grant_touch(&g, &after, GRANT_IDLE_MS).next.state, GRANT_LAPSED);
    assert_true(grant_next_touch(&g, &before, GRANT_IDLE_MS) == after.real);
}

static void test_first_use(void **state)
{
    struct grant g = asked(GRANT_START_FIRST_USE, 20000, 0);
    struct grant_step s = approve_at(&g, T0 + 1000);
    time_ms by = T0 + 1000 + 8 * H;
    struct clock_reading now = at(by - 1), late = at(by);

    (void) state;
    assert_int_equal(s.next.state, GRANT_SCHEDULED);
    assert_int_equal(s.next.gen, 0);
    assert_false(s.push);
    g = s.next;
    assert_true(g.start_by == by);
    assert_false(grant_is_open(&g, &now));
    assert_int_equal(grant_issue(&g, &now, &holder).verdict, GRANT_START_FIRST);
    assert_refused(grant_issue(&g, &late, &holder), &g, GRANT_IS_OVER, "grant-ended", 403);
    assert_refused(grant_activate(&g, &now, false, &fine), &g, GRANT_CONFLICT, "grant-state-conflict", 409);
    assert_refused(grant_activate(&g, &late, true, &fine), &g, GRANT_CONFLICT, "grant-state-conflict", 409);
    assert_int_equal(grant_touch(&g, &late, 0).next.state, GRANT_LAPSED);
    s = grant_activate(&g, &now, true, &fine);
    assert_int_equal(s.next.state, GRANT_ACTIVE);
    assert_true(s.next.window_start == by - 1 && s.next.window_end == by - 1 + 20000);
    assert_int_equal(grant_issue(&s.next, &now, &holder).verdict, GRANT_OK);

    struct grant_terms t = { .start = GRANT_START_FIRST_USE, .duration_ms = 1000, .start_by_ms = 1000 * H };
    assert_true(grant_create(&t, &now).start_by_ms == GRANT_START_BY_MAX_MS);
}

static void test_start_time(void **state)
{
    struct grant g = asked(GRANT_START_TIME, 20000, T0 + H);
    struct grant_step s = approve_at(&g, T0 + 1000);
    struct clock_reading before = at(T0 + H - 1), at_start = at(T0 + H), late = at(T0 + H + 15000),
                         past = at(T0 + H + 20000);

    (void) state;
    assert_int_equal(s.next.state, GRANT_SCHEDULED);
    g = s.next;
    assert_refused(grant_issue(&g, &before, &holder), &g, GRANT_NOT_STARTED, "grant-state-conflict", 409);
    assert_int_equal(grant_activate(&g, &before, true, &fine).verdict, GRANT_NOT_STARTED);
    assert_int_equal(grant_touch(&g, &before, 0).verdict, GRANT_OK);
    assert_int_equal(grant_touch(&g, &at_start, 0).verdict, GRANT_START_FIRST);
    s = grant_activate(&g, &at_start, false, &fine);
    assert_true(s.next.window_end == T0 + H + 20000);

    /* Started late (the server was down): the window is the one that was approved, not a new one. */
    s = grant_activate(&g, &late, false, &fine);
    assert_true(s.next.window_start == T0 + H && s.next.window_end == T0 + H + 20000);
    assert_true(s.next.deadline - late.boot == 5000);
    assert_int_equal(grant_touch(&g, &past, 0).next.state, GRANT_LAPSED);
    assert_int_equal(grant_activate(&g, &past, false, &fine).verdict, GRANT_CONFLICT);

    /* Approved when part of it has passed, and when all of it has. */
    g = asked(GRANT_START_TIME, 20000, T0 + H);
    s = approve_at(&g, T0 + H + 5000);
    assert_int_equal(s.next.state, GRANT_ACTIVE);
    assert_true(s.next.window_end == T0 + H + 20000);
    assert_refused(approve_at(&g, T0 + H + 20000), &g, GRANT_CONFLICT, "grant-state-conflict", 409);
    assert_int_equal(grant_touch(&g, &past, 0).next.state, GRANT_LAPSED);
}

/* T6: all guards again. */
static void test_guards_at_the_start(void **state)
{
    struct grant g = asked(GRANT_START_FIRST_USE, 20000, 0);
    struct clock_reading now = at(T0 + 2000), odd;
    struct grant_guards f;
    struct grant_step s;

    (void) state;
    g = approve_at(&g, T0 + 1000).next;
    f = fine, f.votes_stand = false;
    s = grant_activate(&g, &now, true, &f);
    assert_int_equal(s.next.state, GRANT_REVOKED);
    assert_int_equal(s.next.cause, GRANT_CAUSE_GUARDS);
    f = fine, f.requester_active = false;
    assert_int_equal(grant_activate(&g, &now, true, &f).next.cause, GRANT_CAUSE_DISABLED);
    f = fine, f.policy_allows = false;
    assert_int_equal(grant_activate(&g, &now, true, &f).next.cause, GRANT_CAUSE_POLICY);
    f = fine, f.policy_max_ms = 0;
    assert_int_equal(grant_activate(&g, &now, true, &f).next.state, GRANT_REVOKED);
    f = fine, f.policy_max_ms = 5000;
    s = grant_activate(&g, &now, true, &f);
    assert_true(s.next.window_end == now.real + 5000);
    odd = now, odd.trusted = false;
    assert_refused(grant_activate(&g, &odd, true, &fine), &g, GRANT_CLOCK, "clock-untrusted", 503);
    f = fine, f.frozen = true;
    assert_refused(grant_activate(&g, &now, true, &f), &g, GRANT_FROZEN, "restricted", 423);
}

static void test_issue_facts(void **state)
{
    struct grant g = active(20000);
    struct clock_reading now = at(g.window_start + 5), odd;
    struct grant_issue_facts f;
    struct grant_step s;

    (void) state;
    f = holder, f.holder = false;
    assert_refused(grant_issue(&g, &now, &f), &g, GRANT_NOT_ALLOWED, "forbidden", 403);
    f = holder, f.requester_active = false;
    assert_refused(grant_issue(&g, &now, &f), &g, GRANT_NOT_ALLOWED, "forbidden", 403);
    f = holder, f.policy_allows = false;
    assert_refused(grant_issue(&g, &now, &f), &g, GRANT_NOT_ALLOWED, "forbidden", 403);
    f = holder, f.frozen = true;
    assert_refused(grant_issue(&g, &now, &f), &g, GRANT_FROZEN, "restricted", 423);
    f = holder, f.audit_healthy = false;
    assert_refused(grant_issue(&g, &now, &f), &g, GRANT_AUDIT, "audit-unavailable", 503);
    odd = now, odd.trusted = false;
    assert_refused(grant_issue(&g, &odd, &holder), &g, GRANT_CLOCK, "clock-untrusted", 503);
    odd = now, odd.boot_id[0] = 2;
    assert_refused(grant_issue(&g, &odd, &holder), &g, GRANT_CLOCK, "clock-untrusted", 503);
    s = grant_issue(&g, &now, &holder);
    assert_int_equal(s.verdict, GRANT_OK);
    assert_int_equal(s.next.version, g.version);
    assert_true(s.next.last_key == now.boot);
}

static void test_suspend_resume(void **state)
{
    struct grant g = active(20000);
    struct clock_reading now = at(g.window_start + 5), end = at(g.window_end);
    struct grant_actor own_approver = { .roles = ROLE_BIT(ROLE_APPROVER), .requester = true };
    struct grant_step s;

    (void) state;
    assert_refused(grant_suspend(&g, &now, &by_requester), &g, GRANT_NOT_ALLOWED, "forbidden", 403);
    s = grant_suspend(&g, &now, &by_approver);
    assert_int_equal(s.next.state, GRANT_SUSPENDED);
    assert_int_equal(s.end_code, 4423);
    assert_int_equal(s.next.gen, g.gen + 1);
    assert_true(s.next.window_end == g.window_end);
    g = s.next;
    assert_false(grant_is_open(&g, &now));
    assert_refused(grant_issue(&g, &now, &holder), &g, GRANT_IS_SUSPENDED, "grant-suspended", 403);
    assert_refused(grant_issue(&g, &end, &holder), &g, GRANT_IS_OVER, "grant-ended", 403);
    assert_refused(grant_resume(&g, &now, &own_approver, false), &g, GRANT_OWN, "forbidden", 403);
    assert_refused(grant_resume(&g, &now, &by_requester, false), &g, GRANT_NOT_ALLOWED, "forbidden", 403);
    assert_refused(grant_resume(&g, &now, &by_approver, true), &g, GRANT_FROZEN, "restricted", 423);
    assert_refused(grant_resume(&g, &end, &by_approver, false), &g, GRANT_CONFLICT, "grant-state-conflict", 409);
    s = grant_resume(&g, &now, &by_approver, false);
    assert_int_equal(s.next.state, GRANT_ACTIVE);
    assert_int_equal(s.next.gen, g.gen + 1);
    assert_true(s.next.window_end == g.window_end && s.next.deadline == g.deadline);
    assert_int_equal(grant_touch(&g, &end, 0).next.state, GRANT_EXPIRED);
    assert_refused(grant_relinquish(&g, &now, &by_requester), &g, GRANT_CONFLICT, "grant-state-conflict", 409);
}

static void test_endings(void **state)
{
    struct grant g = active(20000), pending = asked(GRANT_START_APPROVAL, 20000, 0);
    struct clock_reading now = at(g.window_start + 5);
    struct grant_actor project_admin = { .roles = ROLE_BIT(ROLE_PROJECT_ADMIN) };
    struct grant_actor disabled = { .system = true, .cause = GRANT_CAUSE_DISABLED };
    struct grant_actor stale = { .roles = ROLE_BIT(ROLE_ADMIN), .if_match = 99 };
    struct grant_step s;

    (void) state;
    assert_refused(grant_revoke(&g, &now, &by_requester), &g, GRANT_NOT_ALLOWED, "forbidden", 403);
    assert_refused(grant_revoke(&g, &now, &stale), &g, GRANT_STALE_VERSION, "stale", 412);
    s = grant_revoke(&g, &now, &project_admin);
    assert_int_equal(s.next.state, GRANT_REVOKED);
    assert_int_equal(s.end_code, 4411);
    assert_int_equal(s.next.gen, g.gen + 1);
    assert_int_equal(s.next.cause, GRANT_CAUSE_REVOKED);
    assert_true(s.next.ended_at == now.real);
    assert_refused(grant_issue(&s.next, &now, &holder), &s.next, GRANT_IS_OVER, "grant-ended", 403);
    s = grant_revoke(&g, &now, &disabled);
    assert_int_equal(s.next.cause, GRANT_CAUSE_DISABLED);
    assert_refused(grant_revoke(&pending, &now, &by_approver), &pending, GRANT_CONFLICT, "grant-state-conflict", 409);

    assert_refused(grant_relinquish(&g, &now, &by_approver), &g, GRANT_NOT_ALLOWED, "forbidden", 403);
    s = grant_relinquish(&g, &now, &by_requester);
    assert_int_equal(s.next.state, GRANT_RELINQUISHED);
    assert_int_equal(s.end_code, 4410);
    assert_int_equal(s.next.cause, GRANT_CAUSE_GIVEN_BACK);

    assert_refused(grant_cancel(&pending, &now, &by_approver), &pending, GRANT_NOT_ALLOWED, "forbidden", 403);
    assert_int_equal(grant_cancel(&pending, &now, &by_requester).next.state, GRANT_CANCELLED);
    assert_int_equal(grant_cancel(&pending, &now, &disabled).next.cause, GRANT_CAUSE_DISABLED);
    assert_refused(grant_cancel(&g, &now, &by_requester), &g, GRANT_CONFLICT, "grant-state-conflict", 409);

    assert_int_equal(grant_expire_early(&g, &now, GRANT_CAUSE_TICKET_CLOSED).next.state, GRANT_EXPIRED);
    assert_int_equal(grant_expire_early(&pending, &now, GRANT_CAUSE_TICKET_CLOSED).verdict, GRANT_CONFLICT);

    s = grant_bump(&g, &now);
    assert_int_equal(s.next.gen, g.gen + 1);
    assert_string_equal(grant_event_type(s.event), "grant.narrowed");
    assert_int_equal(grant_bump(&pending, &now).verdict, GRANT_CONFLICT);
}

static void test_idle(void **state)
{
    struct grant g = active(H);
    struct clock_reading before = at(g.window_start + GRANT_IDLE_MS - 1), idle = at(g.window_start + GRANT_IDLE_MS);
    struct grant_step s;

    (void) state;
    assert_false(grant_touch(&g, &before, GRANT_IDLE_MS).changed);
    s = grant_touch(&g, &idle, GRANT_IDLE_MS);
    assert_int_equal(s.next.state, GRANT_EXPIRED);
    assert_int_equal(s.next.cause, GRANT_CAUSE_IDLE);
    assert_false(grant_touch(&g, &idle, 0).changed);
    assert_true(grant_next_touch(&g, &before, GRANT_IDLE_MS) == idle.real);
    assert_true(grant_next_touch(&g, &before, 0) == g.window_end);
    g = grant_issue(&g, &before, &holder).next;
    assert_false(grant_touch(&g, &idle, GRANT_IDLE_MS).changed);
}

/* A restart on the same boot keeps the deadline; a reboot computes it anew from the wall clock, never longer. */
static void test_reboot(void **state)
{
    struct grant g = active(20000);
    struct clock_reading now = at(g.window_start + 15000), odd;
    struct grant_step s;

    (void) state;
    assert_false(grant_rebase(&g, &now).changed);
    now.boot_id[0] = 2;
    now.boot = 40;
    assert_false(grant_is_open(&g, &now));
    odd = now, odd.trusted = false;
    assert_refused(grant_rebase(&g, &odd), &g, GRANT_CLOCK, "clock-untrusted", 503);
    s = grant_rebase(&g, &now);
    assert_true(s.changed && s.push);
    assert_true(s.next.deadline == 40 + 5000);
    assert_true(s.next.window_end == g.window_end);
    assert_true(grant_is_open(&s.next, &now));

    /* A trusted clock before the window's start (never believed longer than the window as a whole). */
    odd = now, odd.real = g.window_start - H;
    s = grant_rebase(&g, &odd);
    assert_true(s.next.deadline == 40 + 20000);
    /* Over by the wall clock already. */
    odd = now, odd.real = g.window_end;
    assert_int_equal(grant_touch(&g, &odd, 0).next.state, GRANT_EXPIRED);
}

static void test_clock_guard(void **state)
{
    struct clock_guard g;

    (void) state;
    clock_guard_init(&g, 5000);
    assert_false(clock_guard_see(&g, 4999, 0, true));
    assert_false(clock_guard_see(&g, 5100, 100, false));
    assert_true(clock_guard_see(&g, 5200, 200, true));
    clock_guard_mark(&g, 5150);
    clock_guard_mark(&g, 5100);
    assert_true(g.mark == 5150);
    assert_true(clock_guard_see(&g, 3300, 300, true));  /* 2.0 s back: slew */
    assert_false(clock_guard_see(&g, 1399, 400, true)); /* 2.001 s back of where it should be */
    assert_false(clock_guard_see(&g, 1500, 501, true));
    assert_true(clock_guard_see(&g, 5150, 502, true));
    assert_false(clock_guard_see(&g, 0, 503, true));
    clock_guard_trust(&g, 1, 504);
    assert_true(clock_guard_see(&g, 2, 505, false));
    clock_guard_init(&g, 5000);
    assert_true(clock_guard_see(&g, 5000, 7, false));
}

/* --- the other side of each check ---------------------------------------------------------------------------------- */

/* A value that none of the words is, as a damaged row could bring: it has no name, no move, and opens nothing. */
static void test_no_such_value(void **state)
{
    struct grant g = active(20000);
    struct clock_reading now = at(g.window_start + 5);
    struct grant_actor system = { .system = true };
    struct grant_step s = { .verdict = (enum grant_verdict) 99 };
    enum grant_state st = GRANT_ACTIVE;
    enum grant_start sa = GRANT_START_TIME;
    enum grant_cause c = GRANT_CAUSE_IDLE;
    enum grant_review r = GRANT_REVIEW_DUE;

    (void) state;
    assert_string_equal(grant_state_name((enum grant_state) 99), "?");
    assert_string_equal(grant_start_name((enum grant_start) 99), "?");
    assert_string_equal(grant_cause_name((enum grant_cause) 99), "?");
    assert_string_equal(grant_review_name((enum grant_review) 99), "?");
    assert_string_equal(grant_limit_name((enum grant_limit) 99), "?");
    assert_string_equal(grant_event_type((enum grant_event) 99), "?");
    assert_string_equal(grant_code(&s), "?");
    assert_int_equal(grant_status(&s), 500);
    assert_false(grant_start_parse(SPAN("soon"), &sa));
    assert_false(grant_cause_parse(SPAN("boredom"), &c));
    assert_false(grant_review_parse(SPAN("later"), &r));
    assert_false(grant_state_parse(SPAN(""), &st));
    assert_true(st == GRANT_ACTIVE && sa == GRANT_START_TIME && c == GRANT_CAUSE_IDLE && r == GRANT_REVIEW_DUE);
    for (unsigned i = 0; i < GRANT_REVIEW_N_; i++) {
        assert_true(grant_review_parse(span_str(grant_review_name((enum grant_review) i)), &r));
        assert_int_equal(r, i);
    }

    g.state = (enum grant_state) 99;
    assert_true(grant_ended(g.state));
    assert_false(grant_is_open(&g, &now));
    assert_int_equal(grant_left_ms(&g, &now), 0);
    assert_refused(grant_cancel(&g, &now, &system), &g, GRANT_CONFLICT, "grant-state-conflict", 409);
    assert_refused(grant_issue(&g, &now, &holder), &g, GRANT_IS_OVER, "grant-ended", 403);
    assert_true(grant_next_touch(&g, &now, 0) == INT64_MAX);
    assert_false(grant_touch(&g, &now, 0).changed);
}

/* An If-Match of another version stops each command; the right one, and none at all, do not. */
static void test_versions(void **state)
{
    typedef struct grant_step command(const struct grant *, const struct clock_reading *, const struct grant_actor *);
    static const struct {
        command *run;
        bool by_requester, pending;
    } commands[] = {
        { grant_suspend, false, false }, { grant_revoke, false, false }, { grant_relinquish, true, false }, { grant_cancel, true, true },
    };
    struct grant g, open = active(20000), waits = asked(GRANT_START_APPROVAL, 20000, 0);
    struct clock_reading now = at(open.window_start + 5), end = at(open.window_end + GRANT_LAPSE_MS);
    struct grant_actor a;

    (void) state;
    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
        a = commands[i].by_requester ? by_requester : by_approver;
        g = commands[i].pending ? waits : open;
        a.if_match = g.version + 1;
        assert_refused(commands[i].run(&g, &now, &a), &g, GRANT_STALE_VERSION, "stale", 412);
        a.if_match = g.version;
        assert_int_equal(commands[i].run(&g, &now, &a).verdict, GRANT_OK);
        assert_refused(commands[i].run(&g, &end, &a), &g, GRANT_CONFLICT, "grant-state-conflict", 409);
    }
    g = grant_suspend(&open, &now, &by_approver).next;
    a = by_approver, a.if_match = g.version + 1;
    assert_refused(grant_resume(&g, &now, &a, false), &g, GRANT_STALE_VERSION, "stale", 412);
    a.if_match = g.version;
    assert_int_equal(grant_resume(&g, &now, &a, false).verdict, GRANT_OK);
    assert_refused(grant_expire_early(&open, &end, GRANT_CAUSE_GONE), &open, GRANT_CONFLICT, "grant-state-conflict", 409);
    assert_int_equal(grant_expire_early(&open, &now, GRANT_CAUSE_GONE).next.cause, GRANT_CAUSE_GONE);
}

static void test_what_does_not_decide(void **state)
{
    static struct vote many[GRANT_VOTES_MAX];
    struct grant g = asked(GRANT_START_APPROVAL, 20000, 0), open = active(20000);
    struct clock_reading now = at(T0 + 10), late = at(T0 + GRANT_LAPSE_MS);
    struct vote_rule rule = one;
    struct grant_ballot b = { .rule = &rule, .c = &kase, .voter = &boss, .auth = { .at = now.real }, .digest = SPAN("D") };
    struct grant_guards f = fine;
    struct grant_step s;

    (void) state;
    rule.deny = 2;
    s = grant_deny(&g, &now, &b);
    assert_int_equal(s.verdict, GRANT_OK);
    assert_int_equal(s.event, GRANT_EV_VOTE);
    assert_int_equal(s.next.state, GRANT_PENDING);
    for (size_t i = 0; i < GRANT_VOTES_MAX; i++)
        many[i] = (struct vote){ SPAN("u_gone"), NULL, true };
    b.votes = many;
    b.n_votes = GRANT_VOTES_MAX;
    assert_refused(grant_approve(&g, &now, &b, &fine), &g, GRANT_CONFLICT, "grant-state-conflict", 409);
    b.n_votes--;
    assert_int_equal(grant_approve(&g, &now, &b, &fine).next.state, GRANT_ACTIVE);

    f.policy_max_ms = 0;
    assert_refused(grant_auto(&g, &now, &f, GRANT_CAUSE_NONE), &g, GRANT_POLICY, "policy-denied", 403);
    assert_refused(grant_auto(&open, &now, &fine, GRANT_CAUSE_NONE), &open, GRANT_CONFLICT, "grant-state-conflict", 409);
    assert_refused(grant_auto(&g, &late, &fine, GRANT_CAUSE_NONE), &g, GRANT_CONFLICT, "grant-state-conflict", 409);
    assert_refused(grant_activate(&g, &now, true, &fine), &g, GRANT_CONFLICT, "grant-state-conflict", 409);
    assert_int_equal(grant_left_ms(&g, &now), 0);
    assert_int_equal(grant_left_ms(&open, &late), 0);
    /* Whoever may not watch is told so, whatever its state. */
    assert_refused(grant_issue(&g, &now, &holder), &g, GRANT_CONFLICT, "grant-state-conflict", 409);
}

static void test_next_touch(void **state)
{
    struct grant g = asked(GRANT_START_FIRST_USE, 20000, 0), timed = asked(GRANT_START_TIME, 20000, T0 + H), open = active(20000);
    struct clock_reading now = at(T0 + 2000), start = at(T0 + H), odd = now, end = at(T0 + 10 * H);

    (void) state;
    g = approve_at(&g, T0 + 1000).next;
    timed = approve_at(&timed, T0 + 1000).next;
    assert_true(grant_next_touch(&g, &now, 0) == T0 + 1000 + 8 * H);
    assert_true(grant_next_touch(&timed, &now, 0) == T0 + H);
    assert_true(grant_next_touch(&timed, &start, 0) == T0 + H + 20000);
    assert_true(grant_next_touch(&open, &now, 0) == open.window_end);
    assert_true(grant_next_touch(&open, &now, 5000) == T0 + 1000 + 5000);
    assert_true(grant_next_touch(&open, &end, 0) == end.real); /* at once, not in the past */
    odd.boot_id[0] = 2;
    assert_true(grant_next_touch(&open, &odd, 0) == open.window_end);
    assert_false(grant_touch(&open, &odd, 1).changed); /* idle is a matter of the same boot */
    open = grant_suspend(&open, &now, &by_approver).next;
    assert_true(grant_next_touch(&open, &now, 5000) == open.window_end); /* and not of one that is stopped */
    assert_false(grant_touch(&open, &now, 1).changed);
    open = grant_revoke(&open, &now, &by_approver).next;
    assert_true(grant_next_touch(&open, &now, 0) == INT64_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_moves),          cmocka_unit_test(test_words),
        cmocka_unit_test(test_approval_opens), cmocka_unit_test(test_policy_max_cuts_the_window),
        cmocka_unit_test(test_ends_to_the_ms), cmocka_unit_test(test_votes_reach_the_machine),
        cmocka_unit_test(test_lapse),          cmocka_unit_test(test_first_use),
        cmocka_unit_test(test_start_time),     cmocka_unit_test(test_guards_at_the_start),
        cmocka_unit_test(test_issue_facts),    cmocka_unit_test(test_suspend_resume),
        cmocka_unit_test(test_endings),        cmocka_unit_test(test_idle),
        cmocka_unit_test(test_reboot),         cmocka_unit_test(test_clock_guard),
        cmocka_unit_test(test_no_such_value),
        cmocka_unit_test(test_versions),
        cmocka_unit_test(test_what_does_not_decide),
        cmocka_unit_test(test_next_touch),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
