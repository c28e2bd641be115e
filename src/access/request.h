#pragma once
/*
 * The body of a request for access, and the digest that votes are bound to (docs/formats/request.md).
 *
 * request_parse checks everything that can be said without the policy and without looking anything up; what depends on
 * the deciding rule (longest window, shortest reason, ticket) is policy_check's. Nothing here repeats input in an
 * error.
 */
#include "access/action.h"
#include "access/field.h"
#include "access/grant.h"
#include "base/arena.h"
#include "base/tree.h"
#include "format/id.h"

#define REQUEST_RECORDINGS_MAX 100
#define REQUEST_REASON_MAX     2000 /* characters */
#define REQUEST_PURPOSE_MAX    64
#define REQUEST_TICKET_MAX     200
#define REQUEST_START_AHEAD_MS (30LL * 24 * 3600 * 1000)
#define REQUEST_START_PAST_MS  60000 /* a start time may lie this far back: clocks, slow typing */
#define REQUEST_START_BY_MAX_S 28800
#define REQUEST_SALT_LEN       16
#define REQUEST_VIEWERS_MAX    8 /* people, the requester included */
#define REQUEST_MORE_MAX       10
#define REQUEST_TIMES_MAX      8
#define REQUEST_INCIDENT_MAX   200
#define REQUEST_URGENT_MIN     20 /* of request_reason_len: why it cannot wait */
#define REQUEST_DIGEST_LEN     43 /* base64url of SHA-256 */

/* What a recording that is added later shares with one that was asked for; the bits of POLICY_SAME_…. */
enum request_same {
    REQUEST_SAME_NONE = 0,
    REQUEST_SAME_SESSION = 1,
    REQUEST_SAME_SUBJECT = 2,
    REQUEST_SAME_LINK = 4,
};

struct request {
    const struct span *recordings; /* sorted by bytes, each once; in the arena */
    size_t n_recordings;
    action_mask actions;
    struct span purpose, reason, ticket; /* empty when left out; borrow from the body */
    int64_t duration_s;                  /* 0: left out (only in a check) */
    enum grant_start start;              /* left out is approval */
    time_ms start_at;                    /* GRANT_START_TIME */
    int64_t start_by_s;                  /* GRANT_START_FIRST_USE; 0: left out, the rule's applies */
    const struct span *viewers;          /* others who will watch, as written: ids or names; … */
    size_t n_viewers;                    /* … request_set_viewers makes it ids, sorted, each once */
    enum request_same more_same;         /* recordings that may be added, at most more_max; none: both 0 */
    unsigned more_max;
    unsigned more_times; /* time granted beforehand: so many parts of so many seconds; none: both 0 */
    int64_t more_each_s;
    struct span extends; /* g_…, or empty */
    bool break_glass;
    struct span incident, urgent; /* break-glass: id, and why it cannot wait */
};

enum request_verdict {
    REQUEST_OK,
    REQUEST_INVALID, /* see the field errors: 422 invalid */
    REQUEST_PARTS_UNSUPPORTED,
    REQUEST_VERDICT_N_
};

/* The problem code ("parts-unsupported"); the status of all of them is 422. */
const char *request_code(enum request_verdict v);

enum request_purpose { REQUEST_TO_CREATE, REQUEST_TO_CHECK };

/*
 * Reads a body (checked tree). REQUEST_TO_CHECK: everything but 'recordings' may be missing, actions are then play.
 * 'requester' is the caller's id, which is left out of the viewers. *ret is written for REQUEST_OK only; its
 * texts borrow from the body, its lists from the arena. No memory shows as REQUEST_INVALID without field errors.
 */
enum request_verdict request_parse(struct tree body, enum request_purpose purpose, struct span requester, time_ms now,
                                   struct arena *arena, struct request *ret, struct field_errors *ret_errors);

/*
 * The people behind the names in 'viewers', as the caller found them: ids[i] for viewers[i]. Sorts; whoever comes twice,
 * or is the requester, is noted as an error. 'ids' becomes the request's list.
 */
void request_set_viewers(struct request *req, struct span requester, struct span *ids, struct field_errors *errs);

/* "session"; "" for none. */
const char *request_same_name(enum request_same s);
bool request_same_parse(struct span s, enum request_same *ret);

/*
 * How long a reason is: characters after trimming, wide ones counted twice; a run of white space or invisible
 * characters inside counts as one, so that padding does not help. 0 for text that is not UTF-8.
 */
size_t request_reason_len(struct span reason);

/* What the digest is made of, beside the request. */
struct request_facts {
    struct span id;      /* q_… */
    const uint8_t *salt; /* REQUEST_SALT_LEN random bytes */
    struct span requester, project, env;
    struct span policy;            /* base64url SHA-256 of the policy's print */
    const struct request *request; /* start_by_s and duration_s filled in, viewers as ids */
};

/* The digest object as a tree, its members in no particular order. */
void request_digest_tree(const struct request_facts *f, struct buf *tree);

/* Its canonical JSON (RFC 8785), appended. */
NODISCARD enum err request_digest_json(const struct request_facts *f, struct buf *out, struct err_info *reterr);

/* base64url(SHA-256("keyhole/request/v1\n" || canonical JSON)). */
NODISCARD enum err request_digest(const struct request_facts *f, char out[REQUEST_DIGEST_LEN + 1],
                                  struct err_info *reterr);

/* The same over canonical JSON that is already there. */
void request_digest_of_json(struct span json, char out[REQUEST_DIGEST_LEN + 1]);
