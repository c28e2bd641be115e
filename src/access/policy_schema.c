/* The options of a policy text. Bounds of single values are policy_load's, which names the rule. */
#include "access/policy.h"

static const char *const actions[] = { "play", "live", "unmask", "export", NULL };
static const char *const starts[] = { "approval", "first-use", "time", NULL };
static const char *const sames[] = { "session", "subject", "link", NULL };
static const char *const bindings[] = { "dpop", "bearer", NULL };
static const char *const effects[] = { "ask", "auto", "deny", NULL };
static const char *const kinds[] = { "rrweb", "terminal", NULL };
static const char *const selves[] = { "self", NULL };
static const char *const whens[] = { "sole-person", NULL };
static const char *const tickets[] = { "required", "optional", NULL };
static const char *const ticket_states[] = { "none", "unknown", "open", "closed", NULL };
static const char *const new_users[] = { "viewer", "none", NULL };
static const char *const changes[] = { "revoke", "keep", NULL };
static const char *const expects[] = { "deny", "ask", "auto", "split", NULL };

static const struct confuse_opt purpose_opts[] = {
    { .name = "ticket", .type = CONFUSE_ENUM, .words = tickets },
    { .name = "reason_min", .type = CONFUSE_INT },
    { 0 },
};

static const struct confuse_opt more_opts[] = {
    { .name = "same", .type = CONFUSE_ENUMS, .words = sames },
    { .name = "max", .type = CONFUSE_INT },
    { 0 },
};

static const struct confuse_opt more_time_opts[] = {
    { .name = "times", .type = CONFUSE_INT },
    { .name = "each", .type = CONFUSE_DURATION },
    { 0 },
};

static const struct confuse_opt quota_opts[] = {
    { .name = "key_streams", .type = CONFUSE_INT },
    { .name = "grant_streams", .type = CONFUSE_INT },
    { .name = "person_streams", .type = CONFUSE_INT },
    { .name = "key_bytes", .type = CONFUSE_BYTES },
    { .name = "key_rate", .type = CONFUSE_BYTES },
    { .name = "key_requests", .type = CONFUSE_INT },
    { 0 },
};

static const struct confuse_opt group_opts[] = {
    { .name = "min", .type = CONFUSE_INT },
    { 0 },
};

static const struct confuse_opt ask_opts[] = {
    { .name = "need", .type = CONFUSE_INT },
    { .name = "deny", .type = CONFUSE_INT },
    { .name = "from", .type = CONFUSE_STRS },
    { .name = "group", .type = CONFUSE_SECTION, .flags = CONFUSE_TITLE | CONFUSE_MULTI, .opts = group_opts },
    { .name = "exclude", .type = CONFUSE_STRS },
    { .name = "settled", .type = CONFUSE_DURATION },
    { 0 },
};

static const struct confuse_opt rule_opts[] = {
    { .name = "who", .type = CONFUSE_STRS },
    { .name = "project", .type = CONFUSE_STRS },
    { .name = "env", .type = CONFUSE_STRS },
    { .name = "class", .type = CONFUSE_STRS },
    { .name = "kind", .type = CONFUSE_ENUMS, .words = kinds },
    { .name = "tag", .type = CONFUSE_STRS },
    { .name = "link", .type = CONFUSE_STRS },
    { .name = "subject", .type = CONFUSE_ENUM, .words = selves },
    { .name = "actions", .type = CONFUSE_ENUMS, .words = actions },
    { .name = "purposes", .type = CONFUSE_STRS },
    { .name = "hours", .type = CONFUSE_STRS },
    { .name = "network", .type = CONFUSE_STRS },
    { .name = "when", .type = CONFUSE_ENUM, .words = whens },
    { .name = "ticket", .type = CONFUSE_ENUMS, .words = ticket_states },
    { .name = "auth_age", .type = CONFUSE_DURATION },
    { .name = "effect", .type = CONFUSE_ENUM, .words = effects },
    { .name = "max", .type = CONFUSE_DURATION },
    { .name = "default", .type = CONFUSE_DURATION },
    { .name = "start", .type = CONFUSE_ENUMS, .words = starts },
    { .name = "start_by", .type = CONFUSE_DURATION },
    { .name = "viewers", .type = CONFUSE_INT },
    { .name = "more", .type = CONFUSE_SECTION, .opts = more_opts },
    { .name = "more_time", .type = CONFUSE_SECTION, .opts = more_time_opts },
    { .name = "quota", .type = CONFUSE_SECTION, .opts = quota_opts },
    { .name = "binding", .type = CONFUSE_ENUMS, .words = bindings },
    { .name = "watermark", .type = CONFUSE_BOOL },
    { .name = "max_speed", .type = CONFUSE_STR },
    { .name = "ask", .type = CONFUSE_SECTION, .opts = ask_opts },
    { 0 },
};

static const struct confuse_opt caps_opts[] = {
    { .name = "recording", .type = CONFUSE_DURATION },
    { .name = "day", .type = CONFUSE_DURATION },
    { 0 },
};

static const struct confuse_opt breakglass_opts[] = {
    { .name = "max", .type = CONFUSE_DURATION },
    { .name = "incidents", .type = CONFUSE_INT },
    { .name = "days", .type = CONFUSE_INT },
    { 0 },
};

static const struct confuse_opt test_opts[] = {
    { .name = "as", .type = CONFUSE_STRS },
    { .name = "wants", .type = CONFUSE_ENUMS, .words = actions },
    { .name = "project", .type = CONFUSE_STR },
    { .name = "env", .type = CONFUSE_STR },
    { .name = "class", .type = CONFUSE_STR },
    { .name = "kind", .type = CONFUSE_ENUM, .words = kinds },
    { .name = "tag", .type = CONFUSE_STRS },
    { .name = "link", .type = CONFUSE_STRS },
    { .name = "subject", .type = CONFUSE_ENUM, .words = selves },
    { .name = "purpose", .type = CONFUSE_STR },
    { .name = "ticket", .type = CONFUSE_STR },
    { .name = "auth_age", .type = CONFUSE_DURATION },
    { .name = "for", .type = CONFUSE_DURATION },
    { .name = "at", .type = CONFUSE_STR },
    { .name = "from", .type = CONFUSE_STR },
    { .name = "when", .type = CONFUSE_ENUM, .words = whens },
    { .name = "rule", .type = CONFUSE_STR },
    { .name = "expect", .type = CONFUSE_ENUM, .words = expects },
    { 0 },
};

const struct confuse_opt policy_schema[] = {
    { .name = "purpose", .type = CONFUSE_SECTION, .flags = CONFUSE_TITLE | CONFUSE_MULTI, .opts = purpose_opts },
    { .name = "rule", .type = CONFUSE_SECTION, .flags = CONFUSE_TITLE | CONFUSE_MULTI, .opts = rule_opts },
    { .name = "caps", .type = CONFUSE_SECTION, .opts = caps_opts },
    { .name = "breakglass", .type = CONFUSE_SECTION, .opts = breakglass_opts },
    { .name = "on_change", .type = CONFUSE_ENUM, .words = changes },
    { .name = "new_user", .type = CONFUSE_ENUM, .words = new_users },
    { .name = "test", .type = CONFUSE_SECTION, .flags = CONFUSE_TITLE | CONFUSE_MULTI, .opts = test_opts },
    { 0 },
};
