#pragma once
/*
 * Requests and grants: one state machine from asking to the end of the window (STANDARDS 2.2, 1.5).
 *
 *   PENDING -> SCHEDULED | ACTIVE | DENIED | CANCELLED | LAPSED      SCHEDULED -> ACTIVE | REVOKED | CANCELLED | LAPSED
 *   ACTIVE -> SUSPENDED | EXPIRED | REVOKED | RELINQUISHED           SUSPENDED -> ACTIVE | EXPIRED | REVOKED
 *   DENIED CANCELLED LAPSED EXPIRED REVOKED RELINQUISHED absorb.
 *
 * A request and its grant share this record: until approval it is the request, afterwards it has a grant id, too.
 *
 * Each command is one pure function from (record, clocks, facts) to a step: a verdict and the record as it would be.
 * The caller writes row and audit record in one transaction and only after COMMIT does *g = step.next. A refused step
 * leaves next equal to the record. Nothing here reads a clock, allocates, or keeps a pointer.
 *
 * The end is pull and push: commands refuse a window that is over whether or not a timer fired, and the caller calls
 * grant_touch before each command (and from its timer) to write the ending itself down.
 */
#include "access/clock.h"
#include "access/role.h"
#include "access/vote.h"

#define GRANT_LAPSE_MS        (4LL * 3600 * 1000) /* an undecided request */
#define GRANT_IDLE_MS         (30LL * 60 * 1000)  /* no key asked for */
#define GRANT_START_BY_MAX_MS (8LL * 3600 * 1000)
#define GRANT_BREAK_MAX_MS    (60LL * 60 * 1000)  /* break-glass (STANDARDS 2.5) */
#define GRANT_REVIEW_MS       (24LL * 3600 * 1000)
#define GRANT_TICKET_MS       (5LL * 60 * 1000)   /* from a closed ticket to the end */

enum grant_state {
    GRANT_PENDING,   /* waits for votes; timer: lapse_at */
    GRANT_SCHEDULED, /* approved; waits for its start time, or for the first key until start_by */
    GRANT_ACTIVE,    /* the window is open; timers: window_end and deadline, idle */
    GRANT_SUSPENDED, /* stopped for now; the window keeps running */
    GRANT_DENIED,    /* the rest has ended and never changes again */
    GRANT_CANCELLED,
    GRANT_LAPSED,
    GRANT_EXPIRED,
    GRANT_REVOKED,
    GRANT_RELINQUISHED,
    GRANT_STATE_N_
};

enum grant_event {
    GRANT_EV_CREATE, /* no move: the record's first version */
    GRANT_EV_VOTE,   /* no move: a vote that does not decide */
    GRANT_EV_SCHEDULE,
    GRANT_EV_ACTIVATE,
    GRANT_EV_DENY,
    GRANT_EV_CANCEL,
    GRANT_EV_LAPSE,
    GRANT_EV_SUSPEND,
    GRANT_EV_RESUME,
    GRANT_EV_EXPIRE,
    GRANT_EV_REVOKE,
    GRANT_EV_RELINQUISH,
    GRANT_EV_NARROW, /* no move: the scope or the window shrank, or keys must be fetched anew */
    GRANT_EV_WIDEN,  /* no move: a recording was added that was decided on beforehand */
    GRANT_EV_BREAK,  /* opened by break-glass */
    GRANT_EV_REVIEW_DONE, /* no move: T15 */
    GRANT_EV_REVIEW_FAILED,
    GRANT_EV_REVIEW_OVERDUE,
    GRANT_EV_N_
};

enum grant_start {
    GRANT_START_APPROVAL,  /* the window opens when the request is approved */
    GRANT_START_FIRST_USE, /* … when the first key is asked for, before start_by */
    GRANT_START_TIME,      /* … at start_at */
    GRANT_START_N_
};

/* Why it is in the state it is in. */
enum grant_cause {
    GRANT_CAUSE_NONE,
    GRANT_CAUSE_WINDOW, /* the window is over */
    GRANT_CAUSE_IDLE,   /* no key asked for 30 min */
    GRANT_CAUSE_TICKET_CLOSED,
    GRANT_CAUSE_DENIED,
    GRANT_CAUSE_CANCELLED,
    GRANT_CAUSE_LAPSED, /* not decided, or not started, in time */
    GRANT_CAUSE_SUSPENDED,
    GRANT_CAUSE_REVOKED,
    GRANT_CAUSE_GIVEN_BACK,
    GRANT_CAUSE_DISABLED, /* the requester's account is */
    GRANT_CAUSE_GUARDS,   /* at the start the votes no longer stood */
    GRANT_CAUSE_POLICY,   /* the policy no longer allows it */
    GRANT_CAUSE_GONE,     /* its recordings were erased */
    GRANT_CAUSE_PROJECT,  /* the project was locked */
    GRANT_CAUSE_FROZEN,   /* suspended by a freeze */
    GRANT_CAUSE_BEFOREHAND, /* opened with time that voters granted beforehand */
    GRANT_CAUSE_BREAK_GLASS, /* opened by break-glass */
    GRANT_CAUSE_N_
};

enum grant_review { GRANT_REVIEW_NONE, GRANT_REVIEW_DUE, GRANT_REVIEW_DONE, GRANT_REVIEW_OVERDUE, GRANT_REVIEW_N_ };

struct grant {
    enum grant_state state;
    enum grant_start start;
    enum grant_cause cause;
    enum grant_review review;
    enum grant_cause end_cause; /* why the window ends before what was granted; NONE: it does not */
    uint32_t gen;        /* goes into keys; 0 until approved, then grows at every change of what keys may do */
    uint32_t version;    /* the ETag; grows at every change */
    int64_t duration_ms; /* asked and approved; at least 1 s */
    int64_t start_by_ms; /* FIRST_USE: how long after approval it may still start */
    time_ms start_at;    /* START_TIME: the time asked for */
    time_ms created_at;
    time_ms lapse_at;     /* PENDING: undecided until then */
    time_ms approved_at;  /* 0 until then */
    time_ms start_by;     /* SCHEDULED, FIRST_USE: last moment */
    time_ms window_start; /* 0 until ACTIVE */
    time_ms window_end;   /* wall clock: access needs real < window_end … */
    int64_t deadline;     /* … and boot < deadline, on the boot named here */
    uint8_t boot_id[CLOCK_BOOT_ID];
    int64_t last_key; /* boot clock when a key was last asked for */
    time_ms ended_at;   /* 0 until ended */
    time_ms review_due; /* DUE: overdue from then on */
};

enum grant_verdict {
    GRANT_OK,            /* do it: next is the new record */
    GRANT_REFUSED_VOTE,  /* see step.vote */
    GRANT_CONFLICT,      /* not in this state, or over: 409 grant-state-conflict */
    GRANT_STALE_VERSION, /* If-Match names another version: 412 stale */
    GRANT_NOT_ALLOWED,   /* this person may not do this: 403 forbidden */
    GRANT_OWN,           /* may, but not to their own: 403 forbidden */
    GRANT_CLOCK,         /* no activation and no key with an untrusted clock: 503 clock-untrusted */
    GRANT_FROZEN,        /* nothing becomes ACTIVE now: 423 restricted */
    GRANT_POLICY,        /* today's policy does not allow it: 403 policy-denied */
    GRANT_NOT_STARTED,   /* its start time has not come: 409 grant-state-conflict, opens_at = start_at */
    GRANT_START_FIRST,   /* internal: run grant_start, then ask again */
    GRANT_IS_SUSPENDED,  /* 403 grant-suspended */
    GRANT_IS_OVER,       /* 403 grant-ended */
    GRANT_AUDIT,         /* 503 audit-unavailable */
    GRANT_REAUTH,        /* needs a fresh sign-in: 401 reauth-needed */
    GRANT_BREAK_LIMIT,   /* break-glass is used up, see step.limit: 403 break-glass-limit */
    GRANT_VERDICT_N_
};

enum grant_limit {
    GRANT_LIMIT_NONE,
    GRANT_LIMIT_INCIDENT, /* used for this incident before: more hours need a vote */
    GRANT_LIMIT_REVIEWS,  /* too many uses without a finished review */
    GRANT_LIMIT_FAILED,   /* a review failed, and the role was not given anew since */
    GRANT_LIMIT_N_
};

/* What else belongs into the transaction, or follows its commit. */
struct grant_step {
    enum grant_verdict verdict;
    enum vote_verdict vote; /* with GRANT_REFUSED_VOTE */
    enum grant_limit limit; /* with GRANT_BREAK_LIMIT */
    enum grant_event event; /* what happened, for the audit type */
    bool changed;           /* next differs: write it */
    bool push;              /* gate and vault must hear of it */
    int end_code;           /* streams end with this (4410, 4411, 4423); 0: they go on */
    struct grant next;
};

/* "PENDING": the words of API, commands and database; reading takes any case. */
const char *grant_state_name(enum grant_state s);
bool grant_state_parse(struct span s, enum grant_state *ret);
const char *grant_start_name(enum grant_start s); /* "approval", "first-use", "time" */
bool grant_start_parse(struct span s, enum grant_start *ret);
const char *grant_cause_name(enum grant_cause c); /* "idle"; "" for none */
bool grant_cause_parse(struct span s, enum grant_cause *ret);
const char *grant_review_name(enum grant_review r);
bool grant_review_parse(struct span s, enum grant_review *ret);
const char *grant_limit_name(enum grant_limit l); /* "incident": the problem's cause */

/* The audit record's type for an event: "grant.revoked", "request.voted". */
const char *grant_event_type(enum grant_event e);

/* Problem code and HTTP status of a refused step (looks into step.vote where needed). */
const char *grant_code(const struct grant_step *step);
int grant_status(const struct grant_step *step);

/* The table of moves. False: no such move. */
bool grant_move_find(enum grant_state from, enum grant_event on, enum grant_state *ret_to);

bool grant_ended(enum grant_state s);

/* Access: ACTIVE, on this boot, both clocks before the end. */
bool grant_is_open(const struct grant *g, const struct clock_reading *now);

/* ms until the window closes on the clock that closes first; 0 when it is not open or suspended. */
int64_t grant_left_ms(const struct grant *g, const struct clock_reading *now);

/* When the caller's timer must call grant_touch next (wall clock; the window's end is cut to the boot deadline).
 * INT64_MAX: never. */
time_ms grant_next_touch(const struct grant *g, const struct clock_reading *now, int64_t idle_ms);

struct grant_terms {
    enum grant_start start;
    int64_t duration_ms;
    int64_t start_by_ms; /* FIRST_USE */
    time_ms start_at;    /* START_TIME */
};

/* T1. The guards (may ask, purpose valid, …) are request_parse's and policy_check's. */
struct grant grant_create(const struct grant_terms *t, const struct clock_reading *now);

/* What has to hold again whenever a window opens (T6). */
struct grant_guards {
    bool requester_active; /* the account exists, is not disabled, still may ask */
    bool votes_stand;      /* vote_count over today's people still says approved; true for an automatic approval */
    bool policy_allows;    /* policy_check with today's policy is not a denial */
    bool frozen;           /* freeze of the project or of all */
    int64_t policy_max_ms; /* longest window that today's rule and the caps on sums of windows leave; 0: none */
    bool link_gone;        /* it prolongs, joins or widens a grant that is not open any more */
    int64_t carry_ms;      /* it prolongs one whose window has so long to go: added to its own, up to policy_max_ms */
};

/* One vote, and everything it is judged by. */
struct grant_ballot {
    const struct vote_rule *rule;
    const struct vote_case *c;
    const struct who *voter;
    struct vote_auth auth;
    struct span digest;       /* that the voter named */
    const struct vote *votes; /* given before */
    size_t n_votes;
    uint32_t if_match; /* 0: not sent */
};

#define GRANT_VOTES_MAX 256

/* T2. GRANT_OK with event VOTE: counted, not yet decided. votes_stand of the guards is not read: the votes are counted.
 */
struct grant_step grant_approve(const struct grant *g, const struct clock_reading *now, const struct grant_ballot *b,
                                const struct grant_guards *f);
/* T3. */
struct grant_step grant_deny(const struct grant *g, const struct clock_reading *now, const struct grant_ballot *b);
/* T4; also T13 with time that was granted beforehand, for which 'cause' is BEFOREHAND, else NONE. */
struct grant_step grant_auto(const struct grant *g, const struct clock_reading *now, const struct grant_guards *f,
                             enum grant_cause cause);

/* What break-glass is judged by (STANDARDS 2.5). */
struct grant_break_facts {
    bool holder;         /* has the role in that project, and an active account */
    bool review_failed;  /* … held since before a review of theirs failed */
    bool fresh;          /* signed in now; an API token never is */
    bool denied;         /* a rule with effect = deny speaks against it */
    bool frozen;
    bool audit_healthy;
    bool incident_used;  /* by this human, within the days that count */
    unsigned unreviewed; /* uses by this human in these days, the review not finished */
    unsigned unreviewed_max;
    int64_t max_ms;      /* the policy's; capped by GRANT_BREAK_MAX_MS */
};

/* T14: opens at once what is PENDING, without a vote; its review is due in 24 h. Never without audit. */
struct grant_step grant_break(const struct grant *g, const struct clock_reading *now,
                              const struct grant_break_facts *f);

/* Who gives a command. 'roles' are those in the grant's project (role_in). */
struct grant_actor {
    role_mask roles;
    bool requester;         /* the human who asked, holds it, or watches beside; under whichever account */
    bool approver;          /* T15: approved what came of it */
    bool system;            /* the server itself: timers, disabled accounts, hooks */
    enum grant_cause cause; /* system: why */
    uint32_t if_match;      /* 0: not sent */
};

/* T5. */
struct grant_step grant_cancel(const struct grant *g, const struct clock_reading *now, const struct grant_actor *a);
/*
 * T6: by the timer at start_at (first_use false) or by the requester's first ask for a key. OK with event ACTIVATE, or
 * with event REVOKE when the requester, the votes or the policy no longer stand. An untrusted clock and a freeze pass
 * by themselves, so they refuse and leave the approval as it is.
 */
struct grant_step grant_activate(const struct grant *g, const struct clock_reading *now, bool first_use,
                                 const struct grant_guards *f);

struct grant_issue_facts {
    bool holder; /* the requester of this grant, on this sign-in */
    bool requester_active;
    bool policy_allows;
    bool frozen;
    bool audit_healthy;
};

/* T7. OK: a key may be signed; next remembers that one was asked for. START_FIRST: grant_activate, then this again. */
struct grant_step grant_issue(const struct grant *g, const struct clock_reading *now,
                              const struct grant_issue_facts *f);

/* T8, T9, T11, T12. */
struct grant_step grant_suspend(const struct grant *g, const struct clock_reading *now, const struct grant_actor *a);
struct grant_step grant_resume(const struct grant *g, const struct clock_reading *now, const struct grant_actor *a,
                               bool frozen);
struct grant_step grant_revoke(const struct grant *g, const struct clock_reading *now, const struct grant_actor *a);
struct grant_step grant_relinquish(const struct grant *g, const struct clock_reading *now, const struct grant_actor *a);

/*
 * T10 and the lapses of T5/T6: what time alone has done. changed = false: nothing is due. 'idle_ms' 0 turns that cause
 * off. GRANT_START_FIRST: a start time has come, run grant_activate.
 */
struct grant_step grant_touch(const struct grant *g, const struct clock_reading *now, int64_t idle_ms);

/* T10 early. */
struct grant_step grant_expire_early(const struct grant *g, const struct clock_reading *now, enum grant_cause cause);

/*
 * The window ends in 'in_ms' at the latest, on both clocks; grant_touch then ends it with this cause. Keys live on: the
 * live-grant table has the nearer end. CONFLICT: not live, or it ends before that anyway.
 */
struct grant_step grant_shorten(const struct grant *g, const struct clock_reading *now, enum grant_cause cause,
                                int64_t in_ms);

/* A recording is added under what was decided beforehand: 'used' of 'max' are. Only in an open window. */
struct grant_step grant_widen(const struct grant *g, const struct clock_reading *now, const struct grant_actor *a,
                              unsigned used, unsigned max);

/* T15: by somebody who may review, not who watched nor who approved; only what has ended and is due. */
struct grant_step grant_review(const struct grant *g, const struct clock_reading *now, const struct grant_actor *a,
                               bool failed);
/* The review's time is up: OVERDUE. changed = false: not yet. */
struct grant_step grant_review_touch(const struct grant *g, const struct clock_reading *now);

/* The scope shrank (a recording erased), or keys must be fetched anew: gen + 1 in ACTIVE and SUSPENDED. */
struct grant_step grant_bump(const struct grant *g, const struct clock_reading *now);

/*
 * After a reboot: a deadline on this boot for a live window, never longer than what was left by the wall clock nor than
 * the window as a whole. Same boot: unchanged. Untrusted clock: GRANT_CLOCK, and the grant stays closed.
 */
struct grant_step grant_rebase(const struct grant *g, const struct clock_reading *now);
