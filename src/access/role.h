#pragma once
/*
 * Roles and what each may do (STANDARDS 2.6; the table in role.c is that table).
 *
 * A role is held for one project (its id), for every project ("*"), or for the log and settings of the installation
 * ("system"). "*" does not reach "system": whoever audits every project is not by that an auditor of the system log.
 * 'admin' counts only when held for "*". No role opens a recording.
 */
#include "base/span.h"
#include "base/times.h"

enum role { ROLE_VIEWER, ROLE_APPROVER, ROLE_AUDITOR, ROLE_PROJECT_ADMIN, ROLE_BREAKGLASS, ROLE_ADMIN, ROLE_N_ };

#define ROLE_ANY_PROJECT "*"
#define ROLE_SYSTEM      "system"

/* One bit per role: 1 << ROLE_… */
typedef uint8_t role_mask;

#define ROLE_BIT(role) ((role_mask) (1U << (role)))

enum permission {
    PERM_LIST,         /* see that recordings exist, their ungated metadata; requests and grants of the project */
    PERM_SEE_SUBJECT,  /* the recorded person in clear (a viewer sees a pseudonym) */
    PERM_LINK,         /* add links to a recording */
    PERM_ASK,          /* file a request */
    PERM_VOTE,         /* where a rule names one, too */
    PERM_REVOKE,       /* end a grant */
    PERM_SUSPEND,      /* stop a grant for now */
    PERM_RESUME,       /* … and let it go on; never one's own */
    PERM_SEE_VIEWINGS, /* who watches what right now */
    PERM_STOP_VIEWING,
    PERM_READ_AUDIT,
    PERM_READ_OPENINGS, /* names behind the log's digests */
    PERM_READ_REPORTS,
    PERM_MANAGE_MEMBERS, /* roles in one project */
    PERM_MANAGE_INGEST_TOKENS,
    PERM_IMPORT,
    PERM_MANAGE_MASKING,
    PERM_MANAGE_RETENTION, /* retention, holds, erasure */
    PERM_FREEZE,
    PERM_BREAKGLASS,
    PERM_REVIEW, /* of a use of break-glass; never one's own, nor what one approved */
    PERM_MANAGE_USERS,
    PERM_MANAGE_GROUPS,
    PERM_MANAGE_ROLES, /* roles for "*" and "system" */
    PERM_MANAGE_PROJECTS,
    PERM_MANAGE_TOKENS, /* API tokens of others, gateway tokens */
    PERM_MANAGE_POLICY,
    PERM_MANAGE_CONFIG,
    PERM_N_
};

struct role_held {
    struct span project; /* id, "*" or "system"; borrowed */
    enum role role;
    time_ms since; /* when it became so, by whatever way: directly or by a group */
};

/* "project-admin"; the word of policies, API and commands. */
const char *role_name(enum role role);
bool role_parse(struct span s, enum role *ret);

/* "manage-ingest-tokens". */
const char *permission_name(enum permission p);

/* True when any of the roles carries the permission. */
bool role_may(role_mask roles, enum permission p);

/*
 * The roles that count in 'project' (an id or "system") among those held. With 'before' not 0 only those held since
 * earlier than that: who got a role after a request was filed does not vote on it.
 */
role_mask role_in(const struct role_held *held, size_t n, struct span project, time_ms before);

/* True when one of the permissions that any project-less page needs is held anywhere: for menus, never for access. */
bool role_may_anywhere(const struct role_held *held, size_t n, enum permission p);
