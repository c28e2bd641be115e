#pragma once
/*
 * The policy: one text, kept in the database, that decides who may ask for what and who has to approve (STANDARDS 2.6,
 * docs/formats/policy.md).
 *
 * Life:     policy_load(tree of the text) -> policy_check*; everything is owned by the arena given to policy_load, and
 *           borrows nothing from the tree.
 * Print:    policy_print writes the one canonical form. It loads again to the same print. That print is the policy: it
 * is shown, hashed (SHA-256) and approved. Decision: default deny; a matching rule with effect = deny overrides; else
 * the first matching rule decides, and its other options are the terms. Nothing loops: a check costs at most
 * POLICY_STEPS_MAX steps. Purity:   no clock, no files (time zones come through struct zone_source at load), no
 * allocation outside the arena. Limits:   64 KiB of text, 200 rules, 64 purposes, 200 tests, 64 words in a list, words
 * of 200 bytes.
 */
#include "access/action.h"
#include "access/field.h"
#include "access/grant.h"
#include "access/request.h"
#include "access/vote.h"
#include "access/zone.h"
#include "base/arena.h"
#include "base/tree.h"
#include "codec/confuse.h"

#define POLICY_TEXT_MAX     (64 * 1024)
#define POLICY_ARENA_MAX    (4 * 1024 * 1024)
#define POLICY_RULES_MAX    200
#define POLICY_PURPOSES_MAX 64
#define POLICY_TESTS_MAX    200
#define POLICY_LIST_MAX     64
#define POLICY_WORD_MAX     200
#define POLICY_NAME_MAX     64
#define POLICY_HOURS_MAX    8
#define POLICY_STEPS_MAX    10000
#define POLICY_REASON_MIN   20
#define POLICY_MAX_MS       (7LL * 24 * 3600 * 1000) /* longest window a rule may name */
#define POLICY_PRINT_MAX    (1024 * 1024)
#define POLICY_HASH_LEN     32
#define POLICY_HASH_TEXT    43

struct policy_words {
    const struct span *p;
    size_t n;
};

struct policy_purpose {
    struct span code;
    unsigned reason_min; /* characters */
    bool ticket;         /* required */
};

enum policy_effect { POLICY_EFFECT_ASK, POLICY_EFFECT_AUTO, POLICY_EFFECT_DENY };

/* "Mon-Fri 07:00-20:00 Europe/Berlin". from > to: over midnight, counted to the day on which it begins. */
struct policy_hours {
    uint8_t days;      /* bit 0 = Monday */
    uint16_t from, to; /* minutes of the day; to up to 1440 */
    struct span zone_name;
    const struct zone *zone;
};

struct policy_net {
    uint8_t addr[16]; /* IPv4 mapped into IPv6 */
    uint8_t bits;     /* of 128 */
    struct span text;
};

/*
 * What hooks have said of the ticket that a request names (docs/policy.md). A notice of a ticket system can end or refuse;
 * it never opens: a rule that grants by itself may not ask for an open ticket.
 */
enum policy_ticket {
    POLICY_TICKET_NONE,    /* the request names none */
    POLICY_TICKET_UNKNOWN, /* no hook has spoken of it */
    POLICY_TICKET_OPEN,
    POLICY_TICKET_CLOSED,
    POLICY_TICKET_N_
};

/* What a window under a rule may be like. */
struct policy_terms {
    int64_t max_ms, default_ms;
    uint8_t starts; /* bits 1 << enum grant_start */
    int64_t start_by_ms;
    unsigned viewers;  /* people in one request, the requester included */
    uint8_t more_same; /* bits of POLICY_SAME_…; 0: none */
    unsigned more_max;
    unsigned more_times; /* time granted beforehand: 0 none */
    int64_t more_each_ms;
    bool watermark;
    uint8_t binding; /* bits of POLICY_BINDING_… */
    unsigned max_speed_x100;
    uint32_t key_streams, grant_streams, person_streams, key_requests;
    uint64_t key_bytes, key_rate;
    struct vote_rule ask; /* need = 0 with effect = auto */
};

#define POLICY_SAME_SESSION   1
#define POLICY_SAME_SUBJECT   2
#define POLICY_SAME_LINK      4
#define POLICY_BINDING_DPOP   1
#define POLICY_BINDING_BEARER 2

struct policy_rule {
    struct span name;
    enum policy_effect effect;
    /* Conditions: all must hold; an empty one holds for everything. */
    struct policy_words who, project, env, klass, kind, tag, link, purposes;
    action_mask actions; /* 0: any (only with effect = deny) */
    bool subject_self;   /* the recorded person is the asker */
    bool sole_person;    /* nobody else could vote */
    uint8_t tickets;     /* bits 1 << enum policy_ticket; 0: any */
    int64_t auth_age_ms; /* signed in at most this long ago; 0: any */
    struct policy_hours hours[POLICY_HOURS_MAX];
    size_t n_hours;
    const struct policy_net *nets;
    size_t n_nets;
    struct policy_terms terms;
};

enum policy_on_change { POLICY_CHANGE_REVOKE, POLICY_CHANGE_KEEP };

enum policy_expect { POLICY_EXPECT_DENY, POLICY_EXPECT_ASK, POLICY_EXPECT_AUTO, POLICY_EXPECT_SPLIT };

struct policy_test {
    struct span name;
    struct policy_words as;
    action_mask wants;
    struct span project, env, klass, kind, purpose, rule;
    struct policy_words tag, link;
    bool subject_self, sole_person;
    enum policy_ticket ticket; /* 'ticket = yes' is UNKNOWN */
    int64_t auth_age_ms;    /* how long ago the asker signed in; 0: just now */
    int64_t for_ms;         /* 0: not said */
    time_ms at;             /* 0: not said, then rules with hours match as on a Thursday at 00:00 UTC */
    struct policy_net from; /* bits 0: not said */
    enum policy_expect expect;
};

struct policy {
    const struct policy_purpose *purposes;
    size_t n_purposes;
    const struct policy_rule *rules;
    size_t n_rules;
    const struct policy_test *tests;
    size_t n_tests;
    int64_t cap_recording_ms, cap_day_ms; /* sums of windows of one person; 0: no cap */
    int64_t bg_max_ms;                    /* break-glass */
    unsigned bg_incidents, bg_days;
    enum policy_on_change on_change;
    bool new_user_none; /* a new user holds no role; else viewer of every project */
};

/* What a policy text may set: the table for confuse_load (include is refused: give no 'read'). */
extern const struct confuse_opt policy_schema[];

/*
 * Reads the tree of a policy text (shape: docs/formats/policy.md). Every refusal names the section: 'rule "x": …'.
 * ERR_INVAL: not a good policy, among them a rule that no set of people could meet. ERR_LIMIT: too much of something.
 * ERR_NOTFOUND: a time zone that this system does not have. ERR_NOMEM: the arena is full.
 */
NODISCARD enum err policy_load(struct tree tree, const struct zone_source *zones, struct arena *arena,
                               const struct policy **ret, struct err_info *reterr);

/* Appends the canonical text. */
void policy_print(const struct policy *p, struct buf *out);

/* SHA-256 of the print. ERR_LIMIT, ERR_NOMEM. */
NODISCARD enum err policy_hash(const struct policy *p, uint8_t out[POLICY_HASH_LEN], struct err_info *reterr);

/* --- deciding ------------------------------------------------------------------------------------------------------
 */

/* Who asks, from where, when, for what purpose. */
struct policy_facts {
    time_ms now;
    const struct who *who;
    struct span purpose;
    bool sole_person;    /* nobody but the asker could vote in that project */
    const uint8_t *addr; /* of the client, addr_len 4 or 16; 0: unknown, then no rule with 'network' matches (a denying
                            one does) */
    size_t addr_len;
    time_ms auth_at; /* 0: by a token */
    enum policy_ticket ticket;
    bool standing; /* nobody is calling (an approval, a timer, another policy): what a rule that allows says of the client's
                      address and sign-in holds, what one that denies says of them does not */
};

struct policy_pair {
    struct span key, value;
};

/* One recording as rules see it. */
struct policy_item {
    struct span project, project_name; /* id, name: rules may say either */
    struct span env, klass, kind, subject;
    const struct policy_pair *tags;
    size_t n_tags;
    const struct policy_pair *links; /* type, id */
    size_t n_links;
};

enum policy_verdict {
    POLICY_ASK,      /* answer.rule decides, and others approve */
    POLICY_AUTO,     /* answer.rule decides, and approves */
    POLICY_DENIED,   /* answer.rule says no */
    POLICY_NO_RULE,  /* nothing says yes */
    POLICY_SPLIT,    /* not all decided by one rule: 422 split-request */
    POLICY_TOO_MUCH, /* more than POLICY_STEPS_MAX steps: ask for fewer at once (split-request, too) */
    POLICY_VERDICT_N_
};

#define POLICY_SPLIT_MAX 8

struct policy_answer {
    enum policy_verdict verdict;
    const struct policy_rule *rule;      /* ASK, AUTO, DENIED */
    size_t item;                         /* DENIED, NO_RULE: the first recording it is about … */
    enum action action;                  /* … and for what */
    struct span split[POLICY_SPLIT_MAX]; /* SPLIT: names of the rules */
    size_t n_split;
    bool split_place; /* SPLIT: the recordings are of several projects or environments */
};

/* "ask", "auto", "deny", "split": the words of API and tests. */
const char *policy_verdict_name(enum policy_verdict v);

/* NULL: no such purpose in this policy. */
const struct policy_purpose *policy_find_purpose(const struct policy *p, struct span code);

/* Decides each (recording, action); unless one rule decides them all, SPLIT. No items or no actions: NO_RULE. */
struct policy_answer policy_check(const struct policy *p, const struct policy_facts *f, const struct policy_item *items,
                                  size_t n_items, action_mask actions);

/*
 * Holds a request against the purpose and the terms of the rule that decides it (NULL: only the purpose). Adds field
 * errors, each with its limit: unknown purpose, short reason, missing ticket, too long a window, a start not allowed, too
 * much decided beforehand.
 * 'check': members that are left out are no errors.
 */
void policy_check_terms(const struct policy *p, const struct policy_rule *rule, const struct request *req, bool check,
                        struct field_errors *errs);

/* Fills in what the request left out: start_by_s, and duration_s in a check. */
void policy_fill(const struct policy_rule *rule, struct request *req);

/* Sums of windows a person has had, the asked one not included. True: within the caps. *ret_left_ms: what is left. */
bool policy_caps(const struct policy *p, int64_t recording_ms, int64_t day_ms, int64_t asked_ms, int64_t *ret_left_ms);

/* A change of a request that would need less. */
struct policy_less {
    action_mask actions;                  /* ask for these instead */
    struct span purpose;                  /* and this purpose */
    size_t n_items;                       /* for the first n_items of items[] … */
    size_t items[REQUEST_RECORDINGS_MAX]; /* … these recordings (indexes) */
    enum policy_verdict verdict;          /* ASK or AUTO */
    unsigned need;
    const struct policy_rule *rule;
};

/* At most 'cap' of them, best first; returns how many. Tries each action alone, each left out, other purposes, and the
 * recordings that one rule decides. */
size_t policy_less(const struct policy *p, const struct policy_facts *f, const struct policy_item *items,
                   size_t n_items, action_mask actions, struct policy_less *ret, size_t cap);

/* One sentence for people: "Needs 2 approvals, at least 1 of group security." */
void policy_say_need(const struct policy_rule *rule, struct buf *out);

/* An enabled account that some rule lets vote by group or by name, whatever its roles. */
bool policy_names_voter(const struct policy *p, const struct who *who);

/* Could this account ever vote under a rule of this policy, in any project? Also who holds a role that votes. */
bool policy_may_vote(const struct policy *p, const struct who *who);

/* A ticket that is closed is a reason to look only under a rule that names 'ticket = closed'. */
bool policy_ticket_allows(const struct policy_rule *rule, enum policy_ticket ticket);

struct policy_test_result {
    struct span name;
    enum policy_verdict got;
    const struct policy_rule *rule; /* that decided, or NULL */
    const char *cause;              /* of a refusal: "denied", "no-rule", "too-long", "ticket-closed"; else NULL */
    bool ok;
};

/* "ask": the word of a case's expectation. */
const char *policy_expect_name(enum policy_expect e);

/* Runs the policy's own test cases; ret has room for p->n_tests. Returns how many failed. */
size_t policy_run_tests(const struct policy *p, struct policy_test_result *ret);
