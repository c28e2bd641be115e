#include "access/role.h"

#define V ROLE_BIT(ROLE_VIEWER)
#define A ROLE_BIT(ROLE_APPROVER)
#define U ROLE_BIT(ROLE_AUDITOR)
#define P ROLE_BIT(ROLE_PROJECT_ADMIN)
#define B ROLE_BIT(ROLE_BREAKGLASS)
#define S ROLE_BIT(ROLE_ADMIN)

static const char *const role_names[ROLE_N_] = {
    [ROLE_VIEWER] = "viewer",         [ROLE_APPROVER] = "approver",
    [ROLE_AUDITOR] = "auditor",       [ROLE_PROJECT_ADMIN] = "project-admin",
    [ROLE_BREAKGLASS] = "breakglass", [ROLE_ADMIN] = "admin",
};

/*
 * Who decides on a recording, audits it or keeps its project must see that it exists, so every role held for a project
 * lists; 'admin' alone does not (it manages people and rules, not recordings).
 */
static const struct {
    const char *name;
    role_mask roles;
} permissions[PERM_N_] = {
    [PERM_LIST] = { "list", V | A | U | P | B },
    [PERM_SEE_SUBJECT] = { "see-subject", A | U | P },
    [PERM_LINK] = { "link", P }, /* rules and "more of the same link" go by links: who asks or votes sets none */
    [PERM_ASK] = { "ask", V },
    [PERM_VOTE] = { "vote", A },
    [PERM_REVOKE] = { "revoke", A | P | S },
    [PERM_SUSPEND] = { "suspend", A | P | S },
    [PERM_RESUME] = { "resume", A | S },
    [PERM_SEE_VIEWINGS] = { "see-viewings", A | S },
    [PERM_STOP_VIEWING] = { "stop-viewing", A | S },
    [PERM_READ_AUDIT] = { "read-audit", U },
    [PERM_READ_OPENINGS] = { "read-openings", U },
    [PERM_READ_REPORTS] = { "read-reports", U },
    [PERM_MANAGE_MEMBERS] = { "manage-members", P | S },
    [PERM_MANAGE_INGEST_TOKENS] = { "manage-ingest-tokens", P | S },
    [PERM_IMPORT] = { "import", P },
    [PERM_MANAGE_MASKING] = { "manage-masking", P },
    [PERM_MANAGE_RETENTION] = { "manage-retention", P },
    [PERM_FREEZE] = { "freeze", P | S },
    [PERM_BREAKGLASS] = { "breakglass", B },
    [PERM_REVIEW] = { "review", A | U | P | S },
    [PERM_MANAGE_USERS] = { "manage-users", S },
    [PERM_MANAGE_GROUPS] = { "manage-groups", S },
    [PERM_MANAGE_ROLES] = { "manage-roles", S },
    [PERM_MANAGE_PROJECTS] = { "manage-projects", S },
    [PERM_MANAGE_TOKENS] = { "manage-tokens", S },
    [PERM_MANAGE_POLICY] = { "manage-policy", S },
    [PERM_MANAGE_CONFIG] = { "manage-config", S },
};

const char *role_name(enum role role)
{
    return role < ROLE_N_ ? role_names[role] : "?";
}

bool role_parse(struct span s, enum role *ret)
{
    for (unsigned i = 0; i < ROLE_N_; i++) {
        if (span_eq_str(s, role_names[i])) {
            *ret = (enum role) i;
            return true;
        }
    }
    return false;
}

const char *permission_name(enum permission p)
{
    return p < PERM_N_ ? permissions[p].name : "?";
}

bool role_may(role_mask roles, enum permission p)
{
    return p < PERM_N_ && (roles & permissions[p].roles) != 0;
}

static bool reaches(const struct role_held *h, struct span project)
{
    bool everywhere = span_eq_str(h->project, ROLE_ANY_PROJECT);

    if (h->role == ROLE_ADMIN)
        return everywhere;
    if (span_eq_str(project, ROLE_SYSTEM))
        return span_eq_str(h->project, ROLE_SYSTEM);
    return everywhere || (project.n > 0 && span_eq(h->project, project));
}

role_mask role_in(const struct role_held *held, size_t n, struct span project, time_ms before)
{
    role_mask mask = 0;

    for (size_t i = 0; i < n; i++) {
        if (held[i].role < ROLE_N_ && reaches(&held[i], project) && (before == 0 || held[i].since < before))
            mask |= ROLE_BIT(held[i].role);
    }
    return mask;
}

bool role_may_anywhere(const struct role_held *held, size_t n, enum permission p)
{
    for (size_t i = 0; i < n; i++) {
        if (role_may(role_in(&held[i], 1, held[i].project, 0), p))
            return true;
    }
    return false;
}
