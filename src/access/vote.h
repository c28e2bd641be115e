#pragma once
/*
 * Votes: who may decide on a request, and when enough have (STANDARDS 2.2 T2/T3, 2.4).
 *
 * The requester, the viewers and the recorded person never vote, administrators included; votes are distinct humans; a
 * vote counts in every group of its voter, but as one of N; quorum is "at least", never "exactly". Everything is
 * borrowed for the call; nothing allocates.
 */
#include "access/who.h"

#define VOTE_FRESH_MS   (15 * 60 * 1000) /* sign-in or reauth at most this old */
#define VOTE_GROUPS_MAX 8
#define VOTE_NEED_MAX   16
#define VOTE_SETTLED_MAX_MS (30LL * 24 * 3600 * 1000)

struct vote_group {
    struct span name;
    unsigned min;
};

/* What a rule asks for: ask { need deny from group{min} exclude }. */
struct vote_rule {
    unsigned need;           /* approvals of distinct humans, 1..VOTE_NEED_MAX */
    unsigned deny;           /* denials that end the request, >= 1 */
    const struct span *from; /* who_is specs; members of the named groups may vote, too */
    size_t n_from;
    const struct vote_group *groups;
    size_t n_groups;
    const struct span *exclude; /* who_is specs */
    size_t n_exclude;
    int64_t settled_ms; /* accounts changed later than so long before the request do not vote; 0: any may */
};

/* An account with its human. */
struct vote_party {
    struct span id;
    struct span person; /* empty = id */
};

/* What is voted on. */
struct vote_case {
    struct vote_party requester;
    const struct vote_party *viewers; /* others who will watch, too */
    size_t n_viewers;
    const struct span *subjects; /* recorded persons of all its recordings; empty ones are skipped */
    size_t n_subjects;
    struct span project;
    struct span digest;
    time_ms created_at;
};

/* How the voter is signed in. */
struct vote_auth {
    time_ms at;      /* when they last proved who they are (login or reauth) */
    bool token;      /* an API token: never fresh */
    bool tokens_may; /* auth.token_votes */
};

/* A vote given before, with its voter as the account stands now. */
struct vote {
    struct span person;      /* the human, as recorded with the vote */
    const struct who *voter; /* NULL: the account is gone; the vote is void */
    bool approve;
};

enum vote_verdict {
    VOTE_OK,
    VOTE_DIGEST,  /* names another request text than this one */
    VOTE_OWN,     /* the requester, or another account of that human */
    VOTE_VIEWER,  /* would watch under it */
    VOTE_SUBJECT, /* is the recorded person */
    VOTE_DISABLED,
    VOTE_NOT_ELIGIBLE, /* the rule does not name them */
    VOTE_EXCLUDED,     /* the rule's exclude does */
    VOTE_TOO_NEW,      /* account, role or group membership is younger than the request */
    VOTE_TWICE,        /* this human has voted */
    VOTE_REAUTH,       /* the sign-in is older than 15 minutes */
    VOTE_TOKEN,        /* an API token does not vote */
    VOTE_N_
};

/* The API's problem code ("not-eligible"), its cause ("requester") and HTTP status. */
const char *vote_code(enum vote_verdict v);
const char *vote_cause(enum vote_verdict v);
int vote_status(enum vote_verdict v);

/* Whether this person could vote at all, were they signed in freshly: the eligible set is those for whom it is VOTE_OK.
 */
enum vote_verdict vote_eligible(const struct vote_rule *rule, const struct vote_case *c, const struct who *who);

/* The whole check of one vote: digest, eligibility, once per human, fresh sign-in. */
enum vote_verdict vote_check(const struct vote_rule *rule, const struct vote_case *c, const struct who *who,
                             const struct vote_auth *auth, struct span digest, const struct vote *votes, size_t n_votes,
                             time_ms now);

struct vote_tally {
    unsigned approvals, denials; /* distinct humans that are eligible now */
    unsigned groups[VOTE_GROUPS_MAX];
    bool approved; /* quorum and every group's minimum */
    bool denied;
};

/* Counts the votes of those who may vote now: a vote whose voter lost the right, or the account, is void. */
struct vote_tally vote_count(const struct vote_rule *rule, const struct vote_case *c, const struct vote *votes,
                             size_t n_votes);

struct vote_plan {
    unsigned need;                    /* approvals of distinct humans */
    unsigned eligible;                /* distinct humans who could give one today */
    unsigned groups[VOTE_GROUPS_MAX]; /* the same, in each named group */
    bool possible;
    int lacking; /* index of the group that is short; -1: the total is, or nothing lacks */
};

/* Can today's people meet the rule? 'people' are all accounts that might vote; who may not is sorted out here. */
struct vote_plan vote_plan(const struct vote_rule *rule, const struct vote_case *c, const struct who *people,
                           size_t n_people);
