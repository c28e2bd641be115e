#pragma once
/*
 * Who somebody is when a request, a vote or a rule asks: one account as it stands now, flattened by the caller.
 *
 * Everything is borrowed and lives as long as the call. Accounts of one human share 'person'; 'subjects' are the ids
 * under which that human is recorded, over all of the human's accounts, so that a second account hides nothing.
 */
#include "access/role.h"

struct who_group {
    struct span name;
    time_ms since; /* when the account became a member */
};

struct who {
    struct span id;     /* u_… */
    struct span name;   /* "anna": what a policy calls user:anna */
    struct span person; /* id of the human; empty = the account's own id */
    time_ms since;      /* when the account was made */
    time_ms changed;    /* newest change of its groups, roles, person, subjects or credentials by somebody; 0: never */
    bool disabled;
    const struct role_held *roles; /* held directly and through groups */
    size_t n_roles;
    const struct who_group *groups;
    size_t n_groups;
    const struct span *subjects;
    size_t n_subjects;
};

/* The human's id: 'person', or the account's own. */
struct span who_person(const struct who *w);

bool who_same_person(const struct who *a, const struct who *b);

/*
 * "user:NAME" (or the account's id), "group:NAME", "role:NAME" (held in 'project', by id). With 'before' not 0,
 * memberships that began at or after that time do not count. Anything else matches nobody.
 */
bool who_is(const struct who *w, struct span spec, struct span project, time_ms before);
bool who_is_any(const struct who *w, const struct span *specs, size_t n, struct span project, time_ms before);

/* Member of the group of that name, since earlier than 'before' (0: any time). */
bool who_in_group(const struct who *w, struct span group, time_ms before);

/* A recording of this human: the subject is one of theirs. Strict: it may grant (rules with subject = self). */
bool who_is_subject(const struct who *w, struct span subject);

/* May be a recording of this human: also by account id, person id or account name. Generous: it only ever bars. */
bool who_may_be_subject(const struct who *w, struct span subject);

/* True for a spec that who_is understands: the prefixes above, a non-empty name, a known role. */
bool who_spec_valid(struct span spec);
