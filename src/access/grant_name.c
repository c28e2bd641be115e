/* Words for grant.h: states, causes, audit types, problem codes. */
#include "access/grant.h"

static const char *const states[GRANT_STATE_N_] = {
    [GRANT_PENDING] = "PENDING", [GRANT_SCHEDULED] = "SCHEDULED",
    [GRANT_ACTIVE] = "ACTIVE",   [GRANT_SUSPENDED] = "SUSPENDED",
    [GRANT_DENIED] = "DENIED",   [GRANT_CANCELLED] = "CANCELLED",
    [GRANT_LAPSED] = "LAPSED",   [GRANT_EXPIRED] = "EXPIRED",
    [GRANT_REVOKED] = "REVOKED", [GRANT_RELINQUISHED] = "RELINQUISHED",
};

static const char *const starts[GRANT_START_N_] = {
    [GRANT_START_APPROVAL] = "approval",
    [GRANT_START_FIRST_USE] = "first-use",
    [GRANT_START_TIME] = "time",
};

static const char *const causes[GRANT_CAUSE_N_] = {
    [GRANT_CAUSE_NONE] = "",
    [GRANT_CAUSE_WINDOW] = "window",
    [GRANT_CAUSE_IDLE] = "idle",
    [GRANT_CAUSE_TICKET_CLOSED] = "ticket-closed",
    [GRANT_CAUSE_DENIED] = "denied",
    [GRANT_CAUSE_CANCELLED] = "cancelled",
    [GRANT_CAUSE_LAPSED] = "lapsed",
    [GRANT_CAUSE_SUSPENDED] = "suspended",
    [GRANT_CAUSE_REVOKED] = "revoked",
    [GRANT_CAUSE_GIVEN_BACK] = "given-back",
    [GRANT_CAUSE_DISABLED] = "person-disabled",
    [GRANT_CAUSE_GUARDS] = "guards",
    [GRANT_CAUSE_POLICY] = "policy",
    [GRANT_CAUSE_GONE] = "recording-gone",
    [GRANT_CAUSE_PROJECT] = "project-locked",
    [GRANT_CAUSE_FROZEN] = "frozen",
    [GRANT_CAUSE_BEFOREHAND] = "granted-beforehand",
    [GRANT_CAUSE_BREAK_GLASS] = "break-glass",
};

static const char *const reviews[GRANT_REVIEW_N_] = {
    [GRANT_REVIEW_NONE] = "none",
    [GRANT_REVIEW_DUE] = "due",
    [GRANT_REVIEW_DONE] = "done",
    [GRANT_REVIEW_OVERDUE] = "overdue",
};

static const char *const types[GRANT_EV_N_] = {
    [GRANT_EV_CREATE] = "request.created",   [GRANT_EV_VOTE] = "request.voted",
    [GRANT_EV_SCHEDULE] = "grant.scheduled", [GRANT_EV_ACTIVATE] = "grant.activated",
    [GRANT_EV_DENY] = "request.denied",      [GRANT_EV_CANCEL] = "request.cancelled",
    [GRANT_EV_LAPSE] = "request.lapsed",     [GRANT_EV_SUSPEND] = "grant.suspended",
    [GRANT_EV_RESUME] = "grant.resumed",     [GRANT_EV_EXPIRE] = "grant.expired",
    [GRANT_EV_REVOKE] = "grant.revoked",     [GRANT_EV_RELINQUISH] = "grant.relinquished",
    [GRANT_EV_NARROW] = "grant.narrowed",
    [GRANT_EV_WIDEN] = "grant.widened",      [GRANT_EV_BREAK] = "breakglass.used",
    [GRANT_EV_REVIEW_DONE] = "review.done",  [GRANT_EV_REVIEW_FAILED] = "review.failed",
    [GRANT_EV_REVIEW_OVERDUE] = "alarm.raised",
};

static const struct {
    const char *code;
    int status;
} verdicts[GRANT_VERDICT_N_] = {
    [GRANT_OK] = { "ok", 200 },
    [GRANT_REFUSED_VOTE] = { "not-eligible", 403 },
    [GRANT_CONFLICT] = { "grant-state-conflict", 409 },
    [GRANT_STALE_VERSION] = { "stale", 412 },
    [GRANT_NOT_ALLOWED] = { "forbidden", 403 },
    [GRANT_OWN] = { "forbidden", 403 },
    [GRANT_CLOCK] = { "clock-untrusted", 503 },
    [GRANT_FROZEN] = { "restricted", 423 },
    [GRANT_POLICY] = { "policy-denied", 403 },
    [GRANT_NOT_STARTED] = { "grant-state-conflict", 409 },
    [GRANT_START_FIRST] = { "grant-state-conflict", 409 },
    [GRANT_IS_SUSPENDED] = { "grant-suspended", 403 },
    [GRANT_IS_OVER] = { "grant-ended", 403 },
    [GRANT_AUDIT] = { "audit-unavailable", 503 },
    [GRANT_REAUTH] = { "reauth-needed", 401 },
    [GRANT_BREAK_LIMIT] = { "break-glass-limit", 403 },
};

static const char *const limits[GRANT_LIMIT_N_] = {
    [GRANT_LIMIT_NONE] = "",
    [GRANT_LIMIT_INCIDENT] = "incident",
    [GRANT_LIMIT_REVIEWS] = "reviews",
    [GRANT_LIMIT_FAILED] = "review-failed",
};

static int find(const char *const *words, int n, struct span s)
{
    for (int i = 0; i < n; i++) {
        if (span_eq_nocase(s, words[i]))
            return i;
    }
    return -1;
}

const char *grant_state_name(enum grant_state s)
{
    return s < GRANT_STATE_N_ ? states[s] : "?";
}

bool grant_state_parse(struct span s, enum grant_state *ret)
{
    int i = find(states, GRANT_STATE_N_, s);

    if (i >= 0)
        *ret = (enum grant_state) i;
    return i >= 0;
}

const char *grant_start_name(enum grant_start s)
{
    return s < GRANT_START_N_ ? starts[s] : "?";
}

bool grant_start_parse(struct span s, enum grant_start *ret)
{
    int i = find(starts, GRANT_START_N_, s);

    if (i >= 0)
        *ret = (enum grant_start) i;
    return i >= 0;
}

const char *grant_cause_name(enum grant_cause c)
{
    return c < GRANT_CAUSE_N_ ? causes[c] : "?";
}

bool grant_cause_parse(struct span s, enum grant_cause *ret)
{
    int i = find(causes, GRANT_CAUSE_N_, s);

    if (i >= 0)
        *ret = (enum grant_cause) i;
    return i >= 0;
}

const char *grant_review_name(enum grant_review r)
{
    return r < GRANT_REVIEW_N_ ? reviews[r] : "?";
}

bool grant_review_parse(struct span s, enum grant_review *ret)
{
    int i = find(reviews, GRANT_REVIEW_N_, s);

    if (i >= 0)
        *ret = (enum grant_review) i;
    return i >= 0;
}

const char *grant_limit_name(enum grant_limit l)
{
    return l < GRANT_LIMIT_N_ ? limits[l] : "?";
}

const char *grant_event_type(enum grant_event e)
{
    return e < GRANT_EV_N_ ? types[e] : "?";
}

const char *grant_code(const struct grant_step *step)
{
    if (step->verdict == GRANT_REFUSED_VOTE)
        return vote_code(step->vote);
    return step->verdict < GRANT_VERDICT_N_ ? verdicts[step->verdict].code : "?";
}

int grant_status(const struct grant_step *step)
{
    if (step->verdict == GRANT_REFUSED_VOTE)
        return vote_status(step->vote);
    return step->verdict < GRANT_VERDICT_N_ ? verdicts[step->verdict].status : 500;
}
