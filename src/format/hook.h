#pragma once
/*
 * Signed notices of ticket systems (docs/formats/hook.md): is this delivery authentic and fresh, and what does it say of
 * which ticket?
 *
 * Formats: Standard Webhooks (HMAC-SHA-256, "v1"), GitHub (X-Hub-Signature-256), GitLab (a signing token, which is Standard
 * Webhooks again, or the older X-Gitlab-Token). Signatures are over the body's bytes as they came. Only after hook_check said
 * HOOK_OK may anything of the body be believed.
 * Pure: the time is an argument. Comparisons of secrets take a time that does not depend on where they differ.
 */
#include "base/arena.h"
#include "base/times.h"
#include "base/tree.h"

#define HOOK_BODY_MAX       (1u << 20)
#define HOOK_TOLERANCE_MS   (5 * 60 * 1000) /* of webhook-timestamp, both ways; exactly this much still counts */
#define HOOK_ID_MAX         128             /* characters of a delivery id */
#define HOOK_SECRETS_MAX    4               /* lines: two while one is replaced by another */
#define HOOK_SECRET_MIN     16              /* bytes */
#define HOOK_SECRET_MAX     256
#define HOOK_TICKETS_MAX    3
#define HOOK_TICKET_MAX     200             /* bytes of a ticket's name */

enum hook_format { HOOK_STANDARD, HOOK_GITHUB, HOOK_GITLAB, HOOK_FORMAT_N_ };

/* "standard", "github", "gitlab". */
const char *hook_format_name(enum hook_format f);
bool hook_format_parse(struct span s, enum hook_format *ret);

/*
 * The secrets of one hook: one a line, blank lines skipped. Standard: base64 of at least 16 bytes, "whsec_" before it or not.
 * ERR_INVAL: none, too many, too short or too long, not base64; reterr names the line, never the secret.
 */
NODISCARD enum err hook_secrets_check(enum hook_format f, struct span secrets, struct err_info *reterr);

/* The headers that any format looks at, lower-case; the gate passes these and no others. Ends with NULL. */
extern const char *const hook_header_names[];

struct hook_header {
    struct span name, value;
};

struct hook_delivery {
    const struct hook_header *headers;
    size_t n_headers;
    struct span raw; /* the body as it came */
};

enum hook_verdict {
    HOOK_OK,
    HOOK_MISSING, /* a header that the format needs is not there, is there twice, or has a wrong form */
    HOOK_OLD,     /* its timestamp is more than five minutes from now */
    HOOK_FORGED,  /* no secret makes this signature */
    HOOK_NOMEM,
    HOOK_VERDICT_N_
};

/* "missing", "old", "forged": for logs. */
const char *hook_verdict_name(enum hook_verdict v);

/*
 * What makes a delivery one and the same: each of these may act once. GitHub and GitLab's token sign no time and no id, so
 * that the body itself is the second one.
 */
struct hook_once {
    char id[2][HOOK_ID_MAX + 8];
    size_t n;
};

enum hook_verdict hook_check(enum hook_format f, struct span secrets, const struct hook_delivery *d, time_ms now,
                             struct hook_once *ret);

enum hook_said { HOOK_SAID_NOTHING, HOOK_SAID_OPEN, HOOK_SAID_CLOSED };

struct hook_notice {
    enum hook_said said;
    const char *ignored; /* of NOTHING: "event", "state", "no-ticket" */
    struct span tickets[HOOK_TICKETS_MAX]; /* every spelling of the one ticket, in the arena: "shop/web#7", "#7", its address */
    size_t n_tickets;
    time_ms at; /* when the ticket system says that it became so; 0: it does not say */
};

/* body: the delivery's JSON as the one strict reader read it. */
void hook_read(enum hook_format f, const struct hook_delivery *d, struct tree body, struct arena *arena,
               struct hook_notice *ret);

/* How a ticket is compared: without blanks around, ASCII letters small. *ret in the arena; empty: no memory, or too long. */
struct span hook_ticket_key(struct span ticket, struct arena *arena);
