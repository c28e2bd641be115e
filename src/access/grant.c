#include "access/grant.h"

static const struct {
    enum grant_state from;
    enum grant_event on;
    enum grant_state to;
} moves[] = {
    { GRANT_PENDING, GRANT_EV_SCHEDULE, GRANT_SCHEDULED },
    { GRANT_PENDING, GRANT_EV_ACTIVATE, GRANT_ACTIVE },
    { GRANT_PENDING, GRANT_EV_BREAK, GRANT_ACTIVE },
    { GRANT_PENDING, GRANT_EV_DENY, GRANT_DENIED },
    { GRANT_PENDING, GRANT_EV_CANCEL, GRANT_CANCELLED },
    { GRANT_PENDING, GRANT_EV_LAPSE, GRANT_LAPSED },
    { GRANT_SCHEDULED, GRANT_EV_ACTIVATE, GRANT_ACTIVE },
    { GRANT_SCHEDULED, GRANT_EV_REVOKE, GRANT_REVOKED },
    { GRANT_SCHEDULED, GRANT_EV_CANCEL, GRANT_CANCELLED },
    { GRANT_SCHEDULED, GRANT_EV_LAPSE, GRANT_LAPSED },
    { GRANT_ACTIVE, GRANT_EV_SUSPEND, GRANT_SUSPENDED },
    { GRANT_ACTIVE, GRANT_EV_EXPIRE, GRANT_EXPIRED },
    { GRANT_ACTIVE, GRANT_EV_REVOKE, GRANT_REVOKED },
    { GRANT_ACTIVE, GRANT_EV_RELINQUISH, GRANT_RELINQUISHED },
    { GRANT_SUSPENDED, GRANT_EV_RESUME, GRANT_ACTIVE },
    { GRANT_SUSPENDED, GRANT_EV_EXPIRE, GRANT_EXPIRED },
    { GRANT_SUSPENDED, GRANT_EV_REVOKE, GRANT_REVOKED },
};

bool grant_move_find(enum grant_state from, enum grant_event on, enum grant_state *ret_to)
{
    for (size_t i = 0; i < sizeof(moves) / sizeof(moves[0]); i++) {
        if (moves[i].from == from && moves[i].on == on) {
            *ret_to = moves[i].to;
            return true;
        }
    }
    return false;
}

bool grant_ended(enum grant_state s)
{
    switch (s) {
    case GRANT_PENDING:
    case GRANT_SCHEDULED:
    case GRANT_ACTIVE:
    case GRANT_SUSPENDED: return false;
    case GRANT_DENIED:
    case GRANT_CANCELLED:
    case GRANT_LAPSED:
    case GRANT_EXPIRED:
    case GRANT_REVOKED:
    case GRANT_RELINQUISHED:
    case GRANT_STATE_N_: return true;
    }
    return true;
}

static int64_t min64(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static bool live(const struct grant *g)
{
    return g->state == GRANT_ACTIVE || g->state == GRANT_SUSPENDED;
}

/* The window is over on one of its clocks. On a foreign boot only the wall clock can say so; grant_is_open is stricter.
 */
static bool window_over(const struct grant *g, const struct clock_reading *now)
{
    return now->real >= g->window_end || (clock_same_boot(now, g->boot_id) && now->boot >= g->deadline);
}

static bool inside(const struct grant *g, const struct clock_reading *now)
{
    return clock_same_boot(now, g->boot_id) && !window_over(g, now);
}

bool grant_is_open(const struct grant *g, const struct clock_reading *now)
{
    return g->state == GRANT_ACTIVE && inside(g, now);
}

int64_t grant_left_ms(const struct grant *g, const struct clock_reading *now)
{
    if (!live(g) || !inside(g, now))
        return 0;
    return min64(g->window_end - now->real, g->deadline - now->boot);
}

/* Time alone has ended it; grant_touch writes that down, and no command does anything else with it. */
static bool over(const struct grant *g, const struct clock_reading *now)
{
    switch (g->state) {
    case GRANT_PENDING: return now->real >= g->lapse_at;
    case GRANT_SCHEDULED:
        return now->real >= (g->start == GRANT_START_TIME ? g->start_at + g->duration_ms : g->start_by);
    case GRANT_ACTIVE:
    case GRANT_SUSPENDED: return window_over(g, now);
    case GRANT_DENIED:
    case GRANT_CANCELLED:
    case GRANT_LAPSED:
    case GRANT_EXPIRED:
    case GRANT_REVOKED:
    case GRANT_RELINQUISHED:
    case GRANT_STATE_N_: return true;
    }
    return true;
}

/* --- steps -------------------------------------------------------------------------------------------------------- */

static struct grant_step refuse(const struct grant *g, enum grant_verdict v)
{
    return (struct grant_step){ .verdict = v, .next = *g };
}

/* What streams are told when a grant that was open goes into this state; 0: they go on. */
static const int end_codes[GRANT_STATE_N_] = {
    [GRANT_SUSPENDED] = 4423, [GRANT_REVOKED] = 4411, [GRANT_EXPIRED] = 4410, [GRANT_RELINQUISHED] = 4410
};

/* The only place where a state changes. */
static struct grant_step move(const struct grant *g, const struct clock_reading *now, enum grant_event on,
                              enum grant_cause cause)
{
    struct grant_step s = { .verdict = GRANT_OK, .event = on, .changed = true, .next = *g };

    if (!grant_move_find(g->state, on, &s.next.state))
        return refuse(g, GRANT_CONFLICT);
    s.next.version++;
    s.next.cause = cause;
    s.push = live(g) || live(&s.next);
    if (s.push)
        s.next.gen++;
    if (live(g))
        s.end_code = end_codes[s.next.state];
    if (grant_ended(s.next.state))
        s.next.ended_at = now->real;
    return s;
}

/* A change within the state. */
static struct grant_step change(const struct grant *g, enum grant_event on)
{
    struct grant_step s = { .verdict = GRANT_OK, .event = on, .changed = true, .next = *g };

    s.next.version++;
    return s;
}

static bool version_matches(const struct grant *g, uint32_t if_match)
{
    return if_match == 0 || if_match == g->version;
}

struct grant grant_create(const struct grant_terms *t, const struct clock_reading *now)
{
    struct grant g = {
        .state = GRANT_PENDING,
        .start = t->start,
        .version = 1,
        .duration_ms = t->duration_ms,
        .start_by_ms = min64(t->start_by_ms, GRANT_START_BY_MAX_MS),
        .start_at = t->start_at,
        .created_at = now->real,
        .lapse_at = now->real + GRANT_LAPSE_MS,
        .review = GRANT_REVIEW_NONE,
    };

    /* Once the asked-for window has passed there is nothing left to approve. */
    if (g.start == GRANT_START_TIME)
        g.lapse_at = min64(g.lapse_at, g.start_at + g.duration_ms);
    return g;
}

/* --- opening ------------------------------------------------------------------------------------------------------ */

/* Opens the window: both ends are absolute from here on. */
static struct grant_step open_window(const struct grant *g, const struct clock_reading *now, int64_t length,
                                     enum grant_event on, enum grant_cause cause)
{
    struct grant_step s = move(g, now, on, cause);
    time_ms start = g->start == GRANT_START_TIME ? g->start_at : now->real, end = start + length;

    if (s.verdict != GRANT_OK || end <= now->real)
        return refuse(g, GRANT_CONFLICT);
    s.next.window_start = start;
    s.next.window_end = end;
    s.next.deadline = now->boot + (end - now->real);
    memcpy(s.next.boot_id, now->boot_id, CLOCK_BOOT_ID);
    s.next.last_key = now->boot;
    return s;
}

/* A window that prolongs another one lasts its own time after that one's end, which is absolute: together they are
 * never longer than what was approved for both. No window is ever longer than the policy's longest, whatever it prolongs. */
static int64_t length_of(const struct grant *g, const struct grant_guards *f)
{
    return min64(g->duration_ms + (f->carry_ms > 0 ? f->carry_ms : 0), f->policy_max_ms);
}

/* From PENDING, once enough people (or a rule) said yes. What fails here refuses the vote: nothing is half approved. */
static struct grant_step approved(const struct grant *g, const struct clock_reading *now, const struct grant_guards *f,
                                  enum grant_cause cause)
{
    struct grant ready = *g;
    struct grant_step s;

    if (!f->requester_active || f->link_gone)
        return refuse(g, GRANT_CONFLICT);
    if (!f->policy_allows || f->policy_max_ms <= 0)
        return refuse(g, GRANT_POLICY);
    if (!now->trusted)
        return refuse(g, GRANT_CLOCK);
    if (f->frozen)
        return refuse(g, GRANT_FROZEN);
    ready.approved_at = now->real;
    if (g->start == GRANT_START_APPROVAL || (g->start == GRANT_START_TIME && now->real >= g->start_at)) {
        s = open_window(&ready, now, length_of(&ready, f), GRANT_EV_ACTIVATE, cause);
    } else {
        ready.start_by = now->real + g->start_by_ms;
        s = move(&ready, now, GRANT_EV_SCHEDULE, GRANT_CAUSE_NONE);
    }
    if (s.verdict != GRANT_OK)
        s.next = *g;
    return s;
}

/* What approve and deny check alike. */
static struct grant_step check_ballot(const struct grant *g, const struct clock_reading *now,
                                      const struct grant_ballot *b)
{
    struct grant_step s = refuse(g, GRANT_OK);

    if (g->state != GRANT_PENDING || over(g, now) || b->n_votes >= GRANT_VOTES_MAX)
        return refuse(g, GRANT_CONFLICT);
    if (!version_matches(g, b->if_match))
        return refuse(g, GRANT_STALE_VERSION);
    s.vote = vote_check(b->rule, b->c, b->voter, &b->auth, b->digest, b->votes, b->n_votes, now->real);
    if (s.vote != VOTE_OK)
        s.verdict = GRANT_REFUSED_VOTE;
    return s;
}

static struct vote_tally count_with(const struct grant_ballot *b, bool approve)
{
    struct vote votes[GRANT_VOTES_MAX];

    for (size_t i = 0; i < b->n_votes; i++)
        votes[i] = b->votes[i];
    votes[b->n_votes] = (struct vote){ who_person(b->voter), b->voter, approve };
    return vote_count(b->rule, b->c, votes, b->n_votes + 1);
}

struct grant_step grant_approve(const struct grant *g, const struct clock_reading *now, const struct grant_ballot *b,
                                const struct grant_guards *f)
{
    struct grant_step s = check_ballot(g, now, b);

    if (s.verdict != GRANT_OK)
        return s;
    if (!count_with(b, true).approved)
        return change(g, GRANT_EV_VOTE);
    return approved(g, now, f, GRANT_CAUSE_NONE);
}

struct grant_step grant_deny(const struct grant *g, const struct clock_reading *now, const struct grant_ballot *b)
{
    struct grant_step s = check_ballot(g, now, b);

    if (s.verdict != GRANT_OK)
        return s;
    if (!count_with(b, false).denied)
        return change(g, GRANT_EV_VOTE);
    return move(g, now, GRANT_EV_DENY, GRANT_CAUSE_DENIED);
}

struct grant_step grant_auto(const struct grant *g, const struct clock_reading *now, const struct grant_guards *f,
                             enum grant_cause cause)
{
    return g->state != GRANT_PENDING || over(g, now) ? refuse(g, GRANT_CONFLICT) : approved(g, now, f, cause);
}

static struct grant_step break_limit(const struct grant *g, enum grant_limit limit)
{
    struct grant_step s = refuse(g, GRANT_BREAK_LIMIT);

    s.limit = limit;
    return s;
}

struct grant_step grant_break(const struct grant *g, const struct clock_reading *now, const struct grant_break_facts *f)
{
    int64_t length = min64(g->duration_ms, min64(f->max_ms, GRANT_BREAK_MAX_MS));
    struct grant ready = *g;

    if (g->state != GRANT_PENDING || g->start != GRANT_START_APPROVAL || over(g, now))
        return refuse(g, GRANT_CONFLICT);
    if (!f->holder)
        return refuse(g, GRANT_NOT_ALLOWED);
    if (f->review_failed)
        return break_limit(g, GRANT_LIMIT_FAILED);
    if (!f->fresh)
        return refuse(g, GRANT_REAUTH);
    if (f->denied || length <= 0)
        return refuse(g, GRANT_POLICY);
    if (f->incident_used)
        return break_limit(g, GRANT_LIMIT_INCIDENT);
    if (f->unreviewed >= f->unreviewed_max)
        return break_limit(g, GRANT_LIMIT_REVIEWS);
    if (!f->audit_healthy)
        return refuse(g, GRANT_AUDIT);
    if (!now->trusted)
        return refuse(g, GRANT_CLOCK);
    if (f->frozen)
        return refuse(g, GRANT_FROZEN);
    ready.approved_at = now->real;
    ready.review = GRANT_REVIEW_DUE;
    ready.review_due = now->real + GRANT_REVIEW_MS;
    /* It opens: the state is PENDING, the window begins now and has a length. */
    return open_window(&ready, now, length, GRANT_EV_BREAK, GRANT_CAUSE_BREAK_GLASS);
}

struct grant_step grant_activate(const struct grant *g, const struct clock_reading *now, bool first_use,
                                 const struct grant_guards *f)
{
    if (g->state != GRANT_SCHEDULED || over(g, now))
        return refuse(g, GRANT_CONFLICT);
    if (g->start == GRANT_START_FIRST_USE && !first_use)
        return refuse(g, GRANT_CONFLICT);
    if (g->start == GRANT_START_TIME && now->real < g->start_at)
        return refuse(g, GRANT_NOT_STARTED);
    if (!f->requester_active)
        return move(g, now, GRANT_EV_REVOKE, GRANT_CAUSE_DISABLED);
    if (!f->votes_stand)
        return move(g, now, GRANT_EV_REVOKE, GRANT_CAUSE_GUARDS);
    if (!f->policy_allows || f->policy_max_ms <= 0)
        return move(g, now, GRANT_EV_REVOKE, GRANT_CAUSE_POLICY);
    /* A clock can be set right and a freeze lifted: these refuse and leave the approval as it is. */
    if (!now->trusted)
        return refuse(g, GRANT_CLOCK);
    if (f->frozen)
        return refuse(g, GRANT_FROZEN);
    return open_window(g, now, min64(g->duration_ms, f->policy_max_ms), GRANT_EV_ACTIVATE, GRANT_CAUSE_NONE);
}

/* --- while it is open --------------------------------------------------------------------------------------------- */

struct grant_step grant_issue(const struct grant *g, const struct clock_reading *now, const struct grant_issue_facts *f)
{
    struct grant_step s;

    if (!f->holder)
        return refuse(g, GRANT_NOT_ALLOWED);
    switch (g->state) {
    case GRANT_PENDING: return refuse(g, GRANT_CONFLICT);
    case GRANT_SCHEDULED:
        if (over(g, now))
            return refuse(g, GRANT_IS_OVER);
        return refuse(g,
                      g->start == GRANT_START_TIME && now->real < g->start_at ? GRANT_NOT_STARTED : GRANT_START_FIRST);
    case GRANT_SUSPENDED: return refuse(g, over(g, now) ? GRANT_IS_OVER : GRANT_IS_SUSPENDED);
    case GRANT_ACTIVE: break;
    case GRANT_DENIED:
    case GRANT_CANCELLED:
    case GRANT_LAPSED:
    case GRANT_EXPIRED:
    case GRANT_REVOKED:
    case GRANT_RELINQUISHED:
    case GRANT_STATE_N_: return refuse(g, GRANT_IS_OVER);
    }
    if (g->state != GRANT_ACTIVE || window_over(g, now))
        return refuse(g, GRANT_IS_OVER);
    /* Inside by the wall clock alone: after a reboot, before grant_rebase. */
    if (!now->trusted || !inside(g, now))
        return refuse(g, GRANT_CLOCK);
    if (!f->requester_active || !f->policy_allows)
        return refuse(g, GRANT_NOT_ALLOWED);
    if (f->frozen)
        return refuse(g, GRANT_FROZEN);
    if (!f->audit_healthy)
        return refuse(g, GRANT_AUDIT);
    s = refuse(g, GRANT_OK);
    s.next.last_key = now->boot; /* bookkeeping of the idle rule; no new version, so that an ETag outlives renewals */
    return s;
}

struct grant_step grant_suspend(const struct grant *g, const struct clock_reading *now, const struct grant_actor *a)
{
    if (!a->system && !role_may(a->roles, PERM_SUSPEND))
        return refuse(g, GRANT_NOT_ALLOWED);
    if (!version_matches(g, a->if_match))
        return refuse(g, GRANT_STALE_VERSION);
    if (over(g, now))
        return refuse(g, GRANT_CONFLICT);
    return move(g, now, GRANT_EV_SUSPEND, a->system ? a->cause : GRANT_CAUSE_SUSPENDED);
}

struct grant_step grant_resume(const struct grant *g, const struct clock_reading *now, const struct grant_actor *a,
                               bool frozen)
{
    struct grant_step s;

    if (!a->system && !role_may(a->roles, PERM_RESUME))
        return refuse(g, GRANT_NOT_ALLOWED);
    if (a->requester)
        return refuse(g, GRANT_OWN);
    if (!version_matches(g, a->if_match))
        return refuse(g, GRANT_STALE_VERSION);
    if (!live(g) || !inside(g, now))
        return refuse(g, GRANT_CONFLICT);
    if (!now->trusted)
        return refuse(g, GRANT_CLOCK);
    if (frozen)
        return refuse(g, GRANT_FROZEN);
    s = move(g, now, GRANT_EV_RESUME, GRANT_CAUSE_NONE);
    if (s.verdict == GRANT_OK)
        s.next.last_key = now->boot; /* nobody could ask for a key meanwhile */
    return s;
}

/* --- endings ------------------------------------------------------------------------------------------------------ */

struct grant_step grant_cancel(const struct grant *g, const struct clock_reading *now, const struct grant_actor *a)
{
    if (!a->system && !a->requester)
        return refuse(g, GRANT_NOT_ALLOWED);
    if (!version_matches(g, a->if_match))
        return refuse(g, GRANT_STALE_VERSION);
    if (over(g, now))
        return refuse(g, GRANT_CONFLICT);
    return move(g, now, GRANT_EV_CANCEL, a->system ? a->cause : GRANT_CAUSE_CANCELLED);
}

struct grant_step grant_revoke(const struct grant *g, const struct clock_reading *now, const struct grant_actor *a)
{
    if (!a->system && !role_may(a->roles, PERM_REVOKE))
        return refuse(g, GRANT_NOT_ALLOWED);
    if (!version_matches(g, a->if_match))
        return refuse(g, GRANT_STALE_VERSION);
    if (over(g, now))
        return refuse(g, GRANT_CONFLICT);
    return move(g, now, GRANT_EV_REVOKE, a->system ? a->cause : GRANT_CAUSE_REVOKED);
}

struct grant_step grant_relinquish(const struct grant *g, const struct clock_reading *now, const struct grant_actor *a)
{
    if (!a->requester)
        return refuse(g, GRANT_NOT_ALLOWED);
    if (!version_matches(g, a->if_match))
        return refuse(g, GRANT_STALE_VERSION);
    if (over(g, now))
        return refuse(g, GRANT_CONFLICT);
    return move(g, now, GRANT_EV_RELINQUISH, GRANT_CAUSE_GIVEN_BACK);
}

struct grant_step grant_expire_early(const struct grant *g, const struct clock_reading *now, enum grant_cause cause)
{
    return over(g, now) ? refuse(g, GRANT_CONFLICT) : move(g, now, GRANT_EV_EXPIRE, cause);
}

struct grant_step grant_shorten(const struct grant *g, const struct clock_reading *now, enum grant_cause cause,
                                int64_t in_ms)
{
    struct grant_step s;

    if (!live(g) || over(g, now) || g->window_end - now->real <= in_ms)
        return refuse(g, GRANT_CONFLICT);
    s = change(g, GRANT_EV_NARROW);
    s.next.end_cause = cause;
    s.next.window_end = now->real + in_ms;
    /* On another boot than the deadline's grant_rebase makes a new one from the nearer end. */
    if (clock_same_boot(now, g->boot_id))
        s.next.deadline = min64(g->deadline, now->boot + in_ms);
    s.push = true;
    return s;
}

struct grant_step grant_widen(const struct grant *g, const struct clock_reading *now, const struct grant_actor *a,
                              unsigned used, unsigned max)
{
    struct grant_step s;

    if (!a->requester)
        return refuse(g, GRANT_NOT_ALLOWED);
    if (g->state == GRANT_SUSPENDED)
        return refuse(g, GRANT_IS_SUSPENDED);
    if (!grant_is_open(g, now) || used >= max)
        return refuse(g, GRANT_CONFLICT);
    s = change(g, GRANT_EV_WIDEN);
    return s;
}

struct grant_step grant_review(const struct grant *g, const struct clock_reading *now, const struct grant_actor *a,
                               bool failed)
{
    struct grant_step s;

    (void) now;
    if (!role_may(a->roles, PERM_REVIEW))
        return refuse(g, GRANT_NOT_ALLOWED);
    if (a->requester || a->approver)
        return refuse(g, GRANT_OWN);
    if (!version_matches(g, a->if_match))
        return refuse(g, GRANT_STALE_VERSION);
    if (!grant_ended(g->state) || (g->review != GRANT_REVIEW_DUE && g->review != GRANT_REVIEW_OVERDUE))
        return refuse(g, GRANT_CONFLICT);
    s = change(g, failed ? GRANT_EV_REVIEW_FAILED : GRANT_EV_REVIEW_DONE);
    s.next.review = GRANT_REVIEW_DONE;
    return s;
}

struct grant_step grant_review_touch(const struct grant *g, const struct clock_reading *now)
{
    struct grant_step s;

    if (g->review != GRANT_REVIEW_DUE || now->real < g->review_due)
        return refuse(g, GRANT_OK);
    s = change(g, GRANT_EV_REVIEW_OVERDUE);
    s.next.review = GRANT_REVIEW_OVERDUE;
    return s;
}

static bool idle_over(const struct grant *g, const struct clock_reading *now, int64_t idle_ms)
{
    return idle_ms > 0 && g->state == GRANT_ACTIVE && clock_same_boot(now, g->boot_id) &&
           now->boot - g->last_key >= idle_ms;
}

struct grant_step grant_touch(const struct grant *g, const struct clock_reading *now, int64_t idle_ms)
{
    if (grant_ended(g->state))
        return refuse(g, GRANT_OK);
    if (over(g, now))
        return live(g) ? move(g, now, GRANT_EV_EXPIRE, g->end_cause != GRANT_CAUSE_NONE ? g->end_cause : GRANT_CAUSE_WINDOW)
                       : move(g, now, GRANT_EV_LAPSE, GRANT_CAUSE_LAPSED);
    if (idle_over(g, now, idle_ms))
        return move(g, now, GRANT_EV_EXPIRE, GRANT_CAUSE_IDLE);
    if (g->state == GRANT_SCHEDULED && g->start == GRANT_START_TIME && now->real >= g->start_at)
        return refuse(g, GRANT_START_FIRST);
    return refuse(g, GRANT_OK);
}

time_ms grant_next_touch(const struct grant *g, const struct clock_reading *now, int64_t idle_ms)
{
    int64_t left;

    switch (g->state) {
    case GRANT_PENDING: return g->lapse_at;
    case GRANT_SCHEDULED:
        if (g->start == GRANT_START_FIRST_USE)
            return g->start_by;
        return now->real < g->start_at ? g->start_at : g->start_at + g->duration_ms;
    case GRANT_ACTIVE:
    case GRANT_SUSPENDED:
        if (!clock_same_boot(now, g->boot_id))
            return g->window_end;
        left = min64(g->window_end - now->real, g->deadline - now->boot);
        if (idle_ms > 0 && g->state == GRANT_ACTIVE)
            left = min64(left, g->last_key + idle_ms - now->boot);
        return now->real + (left > 0 ? left : 0);
    case GRANT_DENIED:
    case GRANT_CANCELLED:
    case GRANT_LAPSED:
    case GRANT_EXPIRED:
    case GRANT_REVOKED:
    case GRANT_RELINQUISHED:
    case GRANT_STATE_N_: break;
    }
    return INT64_MAX;
}

struct grant_step grant_bump(const struct grant *g, const struct clock_reading *now)
{
    struct grant_step s;

    if (!live(g) || over(g, now))
        return refuse(g, GRANT_CONFLICT);
    s = change(g, GRANT_EV_NARROW);
    s.next.gen++;
    s.push = true;
    return s;
}

struct grant_step grant_rebase(const struct grant *g, const struct clock_reading *now)
{
    struct grant_step s = refuse(g, GRANT_OK);

    if (!live(g) || clock_same_boot(now, g->boot_id))
        return s;
    if (!now->trusted)
        return refuse(g, GRANT_CLOCK);
    s.changed = true;
    s.push = true;
    s.next.version++;
    s.next.deadline = now->boot + min64(g->window_end - now->real, g->window_end - g->window_start);
    s.next.last_key = now->boot;
    memcpy(s.next.boot_id, now->boot_id, CLOCK_BOOT_ID);
    return s;
}
