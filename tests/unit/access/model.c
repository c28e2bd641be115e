/*
 * The whole request and grant machine against its promises, not against its code: every command by every person in
 * every order, to a depth, and long random runs with clock steps and reboots. What must hold is computed here,
 * separately.
 */
#include "access/grant.h"

#include "base/map.h"
#include "test.h"

#include <stdio.h>
#include <stdlib.h>

#define P1       "p_AAAAAAAAAAAAAAAA"
#define T0       1793000000000LL
#define TICK     1000LL
#define DURATION (8 * TICK)
#define MAX_MS   (6 * TICK) /* the policy allows less than is asked for */

enum { ANNA, BEN, CARA, PEOPLE }; /* anna asks; ben and cara approve; in some worlds cara is the recorded person */

struct world {
    struct grant g;
    struct clock_reading now;
    uint8_t lost[PEOPLE];  /* lost the approver role */
    uint8_t voted[PEOPLE]; /* 0, 1 approve, 2 deny */
    uint8_t disabled;      /* anna's account */
    uint8_t need, cara_is_subject, start;
    uint8_t frozen;   /* the project */
    uint8_t carried;  /* it prolongs a window that has so many ticks to go */
    uint8_t broke;    /* uses of break-glass that worked */
    int64_t open_ms; /* how long it has been open in true time */
    int64_t slack;   /* … which may be a tick more once a slew of some ms came before a reboot: that much a clock may err */
};

static struct role_held approver[] = { { SPAN(P1), ROLE_APPROVER, 10 } };
static struct span from[] = { SPAN("role:approver") };
static struct span cust[] = { SPAN("cust") };
static const char *const ids[PEOPLE] = { "u_anna", "u_ben", "u_cara" };

static struct who person(const struct world *w, int i)
{
    struct who who = { .id = span_str(ids[i]), .since = 1, .roles = approver, .n_roles = w->lost[i] ? 0 : 1 };

    if (i == CARA && w->cara_is_subject) {
        who.subjects = cust;
        who.n_subjects = 1;
    }
    return who;
}

/* Who may decide, said once more in the test's own words. */
static bool may_vote(const struct world *w, int i)
{
    return i != ANNA && !w->lost[i] && !(i == CARA && w->cara_is_subject);
}

static int yes_of_eligible(const struct world *w)
{
    int n = 0;

    for (int i = 0; i < PEOPLE; i++)
        n += w->voted[i] == 1 && may_vote(w, i);
    return n;
}

enum command {
    APPROVE, /* + person */
    DENY = APPROVE + PEOPLE,
    CANCEL = DENY + PEOPLE,
    REVOKE = CANCEL + PEOPLE,
    RELINQUISH = REVOKE + PEOPLE,
    SUSPEND = RELINQUISH + PEOPLE,
    RESUME = SUSPEND + PEOPLE,
    KEY = RESUME + PEOPLE,
    TOUCH,
    BUMP,
    SHORTEN, /* the ticket is closed: two ticks to go */
    WIDEN,
    BREAK,
    FREEZE,
    LIFT,
    REVIEW,
    REVIEW_TOUCH = REVIEW + PEOPLE,
    LOSE_BEN,
    DISABLE_ANNA,
    PASS_1,
    PASS_3,
    PASS_LONG,
    STEP_BACK,
    STEP_ON,
    REBOOT,
    COMMANDS
};

static bool ended(enum grant_state s)
{
    return s == GRANT_DENIED || s == GRANT_CANCELLED || s == GRANT_LAPSED || s == GRANT_EXPIRED || s == GRANT_REVOKED ||
           s == GRANT_RELINQUISHED;
}

static void world_init(struct world *w, int need, int subject, enum grant_start start)
{
    struct grant_terms t = {
        .start = start, .duration_ms = DURATION, .start_by_ms = 3 * TICK, .start_at = T0 + 2 * TICK
    };

    memset(w, 0, sizeof(*w));
    w->now = (struct clock_reading){ .real = T0, .boot = 50000, .boot_id = { 1 }, .trusted = true };
    w->need = (uint8_t) need;
    w->cara_is_subject = (uint8_t) subject;
    w->start = (uint8_t) start;
    w->g = grant_create(&t, &w->now);
}

static struct grant_guards guards(const struct world *w)
{
    return (struct grant_guards){ .requester_active = !w->disabled,
                                  .votes_stand = yes_of_eligible(w) >= w->need,
                                  .policy_allows = true,
                                  .policy_max_ms = MAX_MS,
                                  .frozen = w->frozen,
                                  .carry_ms = w->carried * TICK };
}

static struct grant_step vote(struct world *w, int i, bool approve)
{
    struct who whos[PEOPLE], voter = person(w, i);
    struct vote votes[PEOPLE];
    struct vote_rule rule = { .need = w->need, .deny = 1, .from = from, .n_from = 1 };
    struct vote_case c = { .requester = { SPAN("u_anna"), SPAN("") },
                           .subjects = cust,
                           .n_subjects = 1,
                           .project = SPAN(P1),
                           .digest = SPAN("D"),
                           .created_at = T0 };
    struct grant_ballot b = {
        .rule = &rule, .c = &c, .voter = &voter, .auth = { .at = w->now.real }, .digest = SPAN("D"), .votes = votes
    };
    struct grant_guards f = guards(w);

    for (int j = 0; j < PEOPLE; j++) {
        whos[j] = person(w, j);
        if (w->voted[j] != 0)
            votes[b.n_votes++] = (struct vote){ whos[j].id, &whos[j], w->voted[j] == 1 };
    }
    return approve ? grant_approve(&w->g, &w->now, &b, &f) : grant_deny(&w->g, &w->now, &b);
}

static struct grant_actor actor(const struct world *w, int i)
{
    return (struct grant_actor){ .roles = i == ANNA || w->lost[i] ? ROLE_BIT(ROLE_VIEWER) : ROLE_BIT(ROLE_APPROVER),
                                 .requester = i == ANNA };
}

/* True time passes, tick by tick, and how long access is open is counted by what a gate would see. */
static void pass(struct world *w, int ticks)
{
    while (ticks-- > 0) {
        w->open_ms += grant_is_open(&w->g, &w->now) ? TICK : 0;
        w->now.real += TICK;
        w->now.boot += TICK;
    }
}

static struct grant_step key(struct world *w)
{
    struct grant_issue_facts f = {
        .holder = true, .requester_active = !w->disabled, .policy_allows = true, .audit_healthy = true,
        .frozen = w->frozen
    };
    struct grant_step s = grant_issue(&w->g, &w->now, &f);
    struct grant_guards guard = guards(w);

    if (s.verdict == GRANT_START_FIRST)
        return grant_activate(&w->g, &w->now, true, &guard);
    if (s.verdict == GRANT_OK)
        assert_true(grant_is_open(&w->g, &w->now));
    return s;
}

static struct grant_step break_glass(struct world *w)
{
    const struct grant_break_facts f = { .holder = !w->disabled, .fresh = true, .audit_healthy = true,
                                         .frozen = w->frozen, .unreviewed = w->broke, .unreviewed_max = 1,
                                         .max_ms = MAX_MS };

    return grant_break(&w->g, &w->now, &f);
}

/* The brake is pulled, or let go: for the one grant there is. */
static struct grant_step brake(struct world *w, bool pull)
{
    const struct grant_actor freeze = { .system = true, .cause = GRANT_CAUSE_FROZEN }, lift = { .system = true };
    struct grant_step none = { .verdict = GRANT_CONFLICT, .next = w->g };

    w->frozen = pull;
    if (pull)
        return grant_suspend(&w->g, &w->now, &freeze);
    return w->g.cause == GRANT_CAUSE_FROZEN ? grant_resume(&w->g, &w->now, &lift, false) : none;
}

/* Runs one command; *ret_stepped says whether it was one of the machine's. */
static struct grant_step run(struct world *w, int c, bool *ret_stepped)
{
    struct grant_step none = { .verdict = GRANT_OK, .next = w->g };
    struct grant_actor a;

    *ret_stepped = true;
    if (c < DENY)
        return vote(w, c - APPROVE, true);
    if (c < CANCEL)
        return vote(w, c - DENY, false);
    if (c < KEY)
        a = actor(w, (c - CANCEL) % PEOPLE);
    if (c < REVOKE)
        return grant_cancel(&w->g, &w->now, &a);
    if (c < RELINQUISH)
        return grant_revoke(&w->g, &w->now, &a);
    if (c < SUSPEND)
        return grant_relinquish(&w->g, &w->now, &a);
    if (c < RESUME)
        return grant_suspend(&w->g, &w->now, &a);
    if (c < KEY)
        return grant_resume(&w->g, &w->now, &a, w->frozen);
    if (c >= REVIEW && c < REVIEW_TOUCH) {
        a = actor(w, c - REVIEW);
        return grant_review(&w->g, &w->now, &a, false);
    }
    switch (c) {
    case KEY: return key(w);
    case TOUCH: return grant_touch(&w->g, &w->now, 0);
    case BUMP: return grant_bump(&w->g, &w->now);
    case SHORTEN: return grant_shorten(&w->g, &w->now, GRANT_CAUSE_TICKET_CLOSED, 2 * TICK);
    case WIDEN: a = actor(w, ANNA); return grant_widen(&w->g, &w->now, &a, 0, 1);
    case BREAK: return break_glass(w);
    case FREEZE: return brake(w, true);
    case LIFT: return brake(w, false);
    case REVIEW_TOUCH: return grant_review_touch(&w->g, &w->now);
    }
    *ret_stepped = false;
    switch (c) {
    case LOSE_BEN: w->lost[BEN] = 1; break;
    case DISABLE_ANNA: w->disabled = 1; break;
    case PASS_1: pass(w, 1); break;
    case PASS_3: pass(w, 3); break;
    case PASS_LONG: pass(w, 5 * 3600); break;
    case STEP_BACK: w->now.real -= 3600 * TICK; break;
    case STEP_ON: w->now.real += 3600 * TICK; break;
    case REBOOT: w->now.boot_id[0]++; break;
    }
    return none;
}

/* Everything that STANDARDS 2.2 and PEERS 1, 13-20 promise about one step from 'was' to w->g. */
static void check(const struct world *was, const struct world *w, const struct grant_step *s, int c)
{
    const struct grant *a = &was->g, *b = &w->g;
    enum grant_state to;
    bool moved = a->state != b->state;

    bool review = s->event == GRANT_EV_REVIEW_DONE || s->event == GRANT_EV_REVIEW_OVERDUE;

    if (ended(a->state) && !(s->changed && review) && memcmp(a, b, sizeof(*a)) != 0)
        fail_msg("command %d left %s", c, grant_state_name(a->state));
    if (!s->changed && s->verdict != GRANT_OK && memcmp(a, b, sizeof(*a)) != 0)
        fail_msg("command %d was refused and changed the record", c);
    if (moved && (!grant_move_find(a->state, s->event, &to) || to != b->state))
        fail_msg("command %d moved %s to %s", c, grant_state_name(a->state), grant_state_name(b->state));
    if (moved && b->state == GRANT_ACTIVE && a->state != GRANT_SUSPENDED) {
        if (w->frozen)
            fail_msg("command %d opened while it is frozen", c);
        if ((s->event == GRANT_EV_BREAK) != (c == BREAK))
            fail_msg("command %d opened by %s", c, grant_event_type(s->event));
        if (c == BREAK && (b->review != GRANT_REVIEW_DUE || w->broke > 1))
            fail_msg("break-glass without a review, or once too often");
        if (c != BREAK && yes_of_eligible(w) < w->need)
            fail_msg("command %d opened with %d of %d votes", c, yes_of_eligible(w), w->need);
        if (w->disabled)
            fail_msg("command %d opened for a disabled person", c);
        if (b->window_end - b->window_start > MAX_MS || b->window_end > w->now.real + MAX_MS ||
            b->deadline > w->now.boot + MAX_MS)
            fail_msg("command %d opened a window that is too long", c);
    }
    if (moved && b->state == GRANT_ACTIVE && w->frozen)
        fail_msg("command %d: ACTIVE while it is frozen", c);
    /* An end never moves but to be nearer, on both clocks. */
    if (a->window_end != 0 && a->window_start != 0 && (b->window_end > a->window_end || a->window_start != b->window_start))
        fail_msg("command %d lengthened the window", c);
    if (a->window_end != b->window_end && a->window_end != 0 && c != SHORTEN)
        fail_msg("command %d moved the window", c);
    if (b->gen < a->gen || b->version < a->version || (s->changed && b->version != a->version + 1))
        fail_msg("command %d: gen %u to %u, version %u to %u", c, a->gen, b->gen, a->version, b->version);
    if (moved && (a->state == GRANT_ACTIVE || a->state == GRANT_SUSPENDED) && b->gen != a->gen + 1)
        fail_msg("command %d: keys outlive the move to %s", c, grant_state_name(b->state));
    if (moved && a->state == GRANT_ACTIVE && s->end_code == 0)
        fail_msg("command %d: streams are not told of %s", c, grant_state_name(b->state));
    if (w->open_ms > MAX_MS + w->slack)
        fail_msg("command %d: open for %lld ms", c, (long long) w->open_ms);
}

static void step(struct world *w, int c)
{
    struct world was = *w;
    bool stepped;
    struct grant_step s = run(w, c, &stepped);

    if (stepped && s.verdict == GRANT_OK) {
        if (c == BREAK)
            w->broke++;
        if (c < CANCEL)
            w->voted[(c - APPROVE) % PEOPLE] = c < DENY ? 1 : 2;
        w->g = s.next;
    }
    check(&was, w, &s, c);
}

/* --- every order, to a depth ---------------------------------------------------------------------------------------
 */

#define SEEN_SLOTS (1U << 20)

struct explorer {
    struct {
        uint64_t hash;
        int depth;
    } * seen;
    size_t states, steps;
};

static uint64_t hash_world(const struct world *w)
{
    static const uint8_t secret[16] = { 7 };

    return siphash24(secret, span_of(w, sizeof(*w)));
}

/* True when this world was already explored at least as deep. */
static bool known(struct explorer *e, uint64_t hash, int depth)
{
    size_t i = hash & (SEEN_SLOTS - 1);

    while (e->seen[i].hash != 0 && e->seen[i].hash != hash)
        i = (i + 1) & (SEEN_SLOTS - 1);
    if (e->seen[i].hash == hash && e->seen[i].depth >= depth)
        return true;
    if (e->seen[i].hash == 0) {
        e->states++;
        assert_true(e->states < SEEN_SLOTS * 3 / 4);
    }
    e->seen[i].hash = hash;
    e->seen[i].depth = depth;
    return false;
}

static void explore(struct explorer *e, const struct world *w, int depth)
{
    if (depth == 0 || known(e, hash_world(w), depth))
        return;
    for (int c = 0; c < COMMANDS; c++) {
        struct world next = *w;

        step(&next, c);
        e->steps++;
        explore(e, &next, depth - 1);
    }
}

static void test_every_order(void **state)
{
    (void) state;
    for (int need = 1; need <= 2; need++) {
        for (int subject = 0; subject <= 1; subject++) {
            for (unsigned start = 0; start < GRANT_START_N_; start++) {
                struct explorer e = { .seen = calloc(SEEN_SLOTS, sizeof(*e.seen)) };
                struct world w;

                assert_non_null(e.seen);
                world_init(&w, need, subject, (enum grant_start) start);
                w.carried = (uint8_t) (need == 2 ? 3 : 0);
                explore(&e, &w, 5);
                print_message("need %d subject %d start %-9s: %zu states, %zu steps\n", need, subject,
                              grant_start_name((enum grant_start) start), e.states, e.steps);
                free(e.seen);
            }
        }
    }
}

/* One eligible person cannot meet a need of two, whatever is tried: the search itself must never open. */
static void test_nobody_opens_alone(void **state)
{
    struct world w;

    (void) state;
    world_init(&w, 2, 1, GRANT_START_APPROVAL);
    step(&w, APPROVE + BEN);
    step(&w, APPROVE + BEN);
    step(&w, APPROVE + CARA);
    step(&w, APPROVE + ANNA);
    assert_int_equal(w.g.state, GRANT_PENDING);
    world_init(&w, 2, 0, GRANT_START_APPROVAL);
    step(&w, APPROVE + BEN);
    step(&w, APPROVE + CARA);
    assert_int_equal(w.g.state, GRANT_ACTIVE);
}

/* --- long random runs ----------------------------------------------------------------------------------------------
 */

static uint64_t rng;

static uint64_t rnd(uint64_t n)
{
    rng ^= rng << 13;
    rng ^= rng >> 7;
    rng ^= rng << 17;
    return rng % n;
}

/* The wall clock is judged as the keeper does: each second a reading, the mark kept with each. */
static void observe(struct world *w, struct clock_guard *guard)
{
    w->now.trusted = clock_guard_see(guard, w->now.real, w->now.boot, rnd(4) != 0);
    if (w->now.trusted)
        clock_guard_mark(guard, w->now.real);
}

static void random_clock(struct world *w, struct clock_guard *guard)
{
    struct grant_step s;

    switch (rnd(5)) {
    case 0: w->now.real += (int64_t) rnd(7200) * TICK; break;
    case 1: w->now.real -= (int64_t) rnd(7200) * TICK; break;
    case 2: w->now.real -= (int64_t) rnd(2); w->slack = TICK; break;
    case 3: /* restart on the same boot: only the guard begins anew */ clock_guard_init(guard, guard->mark); break;
    default: /* reboot, the machine was off for a while, its wall clock may come back wrong */
        w->now.boot_id[0]++;
        w->now.boot = (int64_t) rnd(20) * TICK;
        w->now.real += (int64_t) rnd(4) * TICK;
        w->now.real -= rnd(3) == 0 ? (int64_t) rnd(100) * TICK : 0;
        clock_guard_init(guard, guard->mark);
        break;
    }
    observe(w, guard);
    s = grant_rebase(&w->g, &w->now);
    if (s.verdict == GRANT_OK)
        w->g = s.next;
}

static void random_run(size_t *steps, size_t *opened)
{
    struct clock_guard guard;
    struct world w;
    bool was_open = false;

    world_init(&w, 1 + (int) rnd(2), (int) rnd(2), (enum grant_start) rnd(GRANT_START_N_));
    w.carried = (uint8_t) rnd(5);
    clock_guard_init(&guard, T0);
    observe(&w, &guard);
    for (int i = 0; i < 60; i++, (*steps)++) {
        uint64_t what = rnd(10);

        if (what == 0) {
            random_clock(&w, &guard);
        } else if (what < 4) {
            for (uint64_t ticks = 1 + rnd(3); ticks > 0; ticks--) {
                pass(&w, 1);
                observe(&w, &guard);
            }
        } else if (what < 6) { /* what opens it is tried more often than what ends it */
            step(&w, rnd(3) == 0 ? KEY : APPROVE + (int) rnd(PEOPLE));
        } else {
            step(&w, (int) rnd(LOSE_BEN + (rnd(20) == 0 ? 2 : 0)));
        }
        if (w.open_ms > MAX_MS + w.slack)
            fail_msg("open for %lld ms: %s start %d, window %lld to %lld, deadline %lld, real %lld boot %lld, end cause %s, carried %d",
                     (long long) w.open_ms, grant_state_name(w.g.state), w.start, (long long) (w.g.window_start - T0),
                     (long long) (w.g.window_end - T0), (long long) w.g.deadline, (long long) (w.now.real - T0),
                     (long long) w.now.boot, grant_cause_name(w.g.end_cause), w.carried);
        was_open = was_open || grant_is_open(&w.g, &w.now);
    }
    *opened += was_open;
}

static void test_random_runs(void **state)
{
    size_t steps = 0, opened = 0, runs = 10000;
    const char *seed = getenv("KEYHOLE_SEED");

    (void) state;
    for (size_t i = 0; i < runs; i++) {
        rng = (seed != NULL ? strtoull(seed, NULL, 10) : 20261103) + i * 0x9e3779b97f4a7c15U;
        rng = rng == 0 ? 1 : rng;
        random_run(&steps, &opened);
    }
    print_message("%zu steps, %zu of %zu runs opened\n", steps, opened, runs);
    assert_true(steps >= 100000);
    assert_true(opened > runs / 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_order),
        cmocka_unit_test(test_nobody_opens_alone),
        cmocka_unit_test(test_random_runs),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
