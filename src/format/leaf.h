#pragma once
/*
 * Audit leaf: the one JSON object that an audit record is, byte for byte what is hashed (STANDARDS 3.2, 3.8;
 * docs/formats/audit.md). Written once by leaf_write, never re-serialised; readers treat it as JSON.
 *
 * In clear: version, index, time, type, random ids, outcome, hashes, numbers, fixed words. Everything else is a fact:
 * its salted digest stands in "_sd", its disclosure goes sealed into audit_opening.
 * Pure: no clock, no random bytes.
 */
#include "base/times.h"
#include "format/id.h"

#define LEAF_MAX            4096 /* bytes */
#define LEAF_NUMBERS_MAX    40
#define LEAF_FACTS_MAX      24
#define LEAF_WORD_MAX       40   /* outcome, number names, fact names */
#define LEAF_FACT_VALUE_MAX 65536
#define LEAF_SALT_LEN       32
#define LEAF_DIGEST_LEN     43   /* b64u of 32 bytes */
#define LEAF_NOTE_MAX       2000
/* salt, name and value as JSON, every value byte escaped in the longest way */
#define LEAF_DISCLOSURE_MAX (6 * LEAF_FACT_VALUE_MAX + 256)

/* X(NAME, word): the complete list. Words are final; a new type is appended to its group. */
#define LEAF_TYPES(X)                                                                                                  \
    X(RECORDING_CREATED, "recording.created")                                                                          \
    X(RECORDING_RECOVERED, "recording.recovered")                                                                      \
    X(RECORDING_SEALED, "recording.sealed")                                                                            \
    X(RECORDING_IMPORTED, "recording.imported")                                                                        \
    X(RECORDING_LINKED, "recording.linked")                                                                            \
    X(RECORDING_RESTRICTED, "recording.restricted")                                                                    \
    X(RECORDING_ERASED, "recording.erased")                                                                            \
    X(HOLD_SET, "hold.set")                                                                                            \
    X(HOLD_LIFTED, "hold.lifted")                                                                                      \
    X(REQUEST_CREATED, "request.created")                                                                              \
    X(REQUEST_VOTED, "request.voted")                                                                                  \
    X(REQUEST_DENIED, "request.denied")                                                                                \
    X(REQUEST_CANCELLED, "request.cancelled")                                                                          \
    X(REQUEST_LAPSED, "request.lapsed")                                                                                \
    X(GRANT_SCHEDULED, "grant.scheduled")                                                                              \
    X(GRANT_ACTIVATED, "grant.activated")                                                                              \
    X(GRANT_SUSPENDED, "grant.suspended")                                                                              \
    X(GRANT_RESUMED, "grant.resumed")                                                                                  \
    X(GRANT_EXPIRED, "grant.expired")                                                                                  \
    X(GRANT_REVOKED, "grant.revoked")                                                                                  \
    X(GRANT_RELINQUISHED, "grant.relinquished")                                                                        \
    X(GRANT_NARROWED, "grant.narrowed")                                                                                \
    X(GRANT_WIDENED, "grant.widened")                                                                                  \
    X(VIEWING_BEGUN, "viewing.begun")                                                                                  \
    X(VIEWING_STOPPED, "viewing.stopped")                                                                              \
    X(REVIEW_DONE, "review.done")                                                                                      \
    X(REVIEW_FAILED, "review.failed")                                                                                  \
    X(BREAKGLASS_USED, "breakglass.used")                                                                              \
    X(FREEZE_SET, "freeze.set")                                                                                        \
    X(FREEZE_LIFTED, "freeze.lifted")                                                                                  \
    X(KEY_ISSUED, "key.issued")                                                                                        \
    X(KEY_RENEWED, "key.renewed")                                                                                      \
    X(KEY_REVOKED, "key.revoked")                                                                                      \
    X(REPLAY_LEASED, "replay.leased")                                                                                  \
    X(REPLAY_SETTLED, "replay.settled")                                                                                \
    X(REPLAY_REFUSED, "replay.refused")                                                                                \
    X(GATEWAY_ALLOWED, "gateway.allowed")                                                                              \
    X(EXPORT_DONE, "export.done")                                                                                      \
    X(VAULT_RELEASED, "vault.released")                                                                                \
    X(LOGIN_OK, "login.ok")                                                                                            \
    X(LOGIN_FAILED, "login.failed")                                                                                    \
    X(LOGIN_ENDED, "login.ended")                                                                                      \
    X(CLIENT_KEY_REGISTERED, "client-key.registered")                                                                  \
    X(USER_CREATED, "user.created")                                                                                    \
    X(USER_CHANGED, "user.changed")                                                                                    \
    X(USER_DISABLED, "user.disabled")                                                                                  \
    X(USER_ENABLED, "user.enabled")                                                                                    \
    X(GROUP_CREATED, "group.created")                                                                                  \
    X(GROUP_CHANGED, "group.changed")                                                                                  \
    X(GROUP_REMOVED, "group.removed")                                                                                  \
    X(GROUP_JOINED, "group.joined")                                                                                    \
    X(GROUP_LEFT, "group.left")                                                                                        \
    X(ROLE_GIVEN, "role.given")                                                                                        \
    X(ROLE_TAKEN, "role.taken")                                                                                        \
    X(PROJECT_CREATED, "project.created")                                                                              \
    X(PROJECT_CHANGED, "project.changed")                                                                              \
    X(PROJECT_LOCKED, "project.locked")                                                                                \
    X(TOKEN_CREATED, "token.created")                                                                                  \
    X(TOKEN_REVOKED, "token.revoked")                                                                                  \
    X(PERSON_CHANGED, "person.changed")                                                                                \
    X(POLICY_PROPOSED, "policy.proposed")                                                                              \
    X(POLICY_APPROVED, "policy.approved")                                                                              \
    X(POLICY_STOPPED, "policy.stopped")                                                                                \
    X(CHANGE_PROPOSED, "change.proposed")                                                                              \
    X(CHANGE_APPROVED, "change.approved")                                                                              \
    X(CHANGE_STOPPED, "change.stopped")                                                                                \
    X(CONFIG_CHANGED, "config.changed")                                                                                \
    X(API_READ, "api.read")                                                                                            \
    X(SIGNING_KEY_CREATED, "signing-key.created")                                                                      \
    X(SIGNING_KEY_ACTIVATED, "signing-key.activated")                                                                  \
    X(SIGNING_KEY_RETIRED, "signing-key.retired")                                                                      \
    X(EPOCH_BEGUN, "epoch.begun")                                                                                      \
    X(EPOCH_ENDED, "epoch.ended")                                                                                      \
    X(MASTER_KEY_ROTATED, "master-key.rotated")                                                                        \
    X(KEYSTORE_EXPORTED, "keystore.exported")                                                                          \
    X(AUDIT_READ, "audit.read")                                                                                        \
    X(AUDIT_OPENED, "audit.opened")                                                                                    \
    X(AUDIT_PRUNED, "audit.pruned")                                                                                    \
    X(AUDIT_SEALED, "audit.sealed")                                                                                    \
    X(AUDIT_UNSEALED, "audit.unsealed")                                                                                \
    X(LOG_CONTINUED, "log.continued")                                                                                  \
    X(CHECKPOINT, "checkpoint")                                                                                        \
    X(CLOCK_UNTRUSTED, "clock.untrusted")                                                                              \
    X(CLOCK_TRUSTED, "clock.trusted")                                                                                  \
    X(SERVICE_STARTED, "service.started")                                                                              \
    X(SERVICE_STOPPED, "service.stopped")                                                                              \
    X(ALARM_RAISED, "alarm.raised")                                                                                    \
    X(ALARM_CLEARED, "alarm.cleared")                                                                                  \
    X(PRIVACY_ERASED, "privacy.erased")

enum leaf_type {
#define LEAF_ENUM(name, word) LEAF_##name,
    LEAF_TYPES(LEAF_ENUM)
#undef LEAF_ENUM
        LEAF_N_TYPES
};

/* "replay.leased". Never NULL. */
const char *leaf_type_word(enum leaf_type type);
bool leaf_type_find(struct span word, enum leaf_type *ret);

struct leaf_number {
    const char *name; /* [a-z0-9_], at most LEAF_WORD_MAX; borrowed */
    int64_t value;
};

/*
 * A fact: what may not stand in clear. 'field' [a-z0-9_]; 'value' UTF-8; both borrowed. Salt: 32 random bytes.
 * 'person' (h_…) is whom the fact is about: under this person's public key the disclosure is sealed. The writer of
 * leaves does not use it.
 */
struct leaf_fact {
    const char *field;
    struct span value;
    struct span person;
    uint8_t salt[LEAF_SALT_LEN];
};

/*
 * All members, in the order of the format. An empty span is absent; so is 'gen' when 0. Spans are borrowed for the
 * duration of the call that takes the leaf.
 */
struct leaf {
    struct span log;
    uint64_t i;       /* index */
    time_ms t;
    enum leaf_type type;
    struct span actor; /* u_…, t_… for a recorder or gateway, or the fixed word "system" */
    struct span q;
    struct span gid;
    uint32_t gen;
    struct span vid;
    struct span rid;
    struct span jti;
    struct span obj;     /* what was acted on, where no member above names it: u_ n_ p_ t_ h_ id, kid, log */
    struct span outcome; /* "ok", or the code of the refusal, or the cause: [a-z0-9-] */
    struct span policy;  /* b64u SHA-256 */
    struct span digest;  /* b64u SHA-256: request digest, root, thumbprint, by type */
    struct span act;     /* b64u SHA-256 of the signed act */
    struct span note;    /* log.continued only: the newest signed checkpoint of the log that goes on here */
    struct leaf_number n[LEAF_NUMBERS_MAX];
    size_t n_numbers;
    struct leaf_fact facts[LEAF_FACTS_MAX];
    size_t n_facts;
};

/* Appends "name": value to n. False: no room, and then the leaf cannot be written (n_numbers is past the limit). */
bool leaf_add_number(struct leaf *l, const char *name, int64_t value);

/* Appends a fact. An empty value is left out (true). salt: LEAF_SALT_LEN random bytes, copied. */
bool leaf_add_fact(struct leaf *l, const char *field, struct span value, struct span person,
                   const uint8_t salt[LEAF_SALT_LEN]);

/*
 * Appends the leaf's bytes to *b. ERR_INVAL: a member breaks its form (a name, an address or a text in a place for ids
 * is refused here). ERR_LIMIT: longer than LEAF_MAX. On error *b is as before.
 */
NODISCARD enum err leaf_write(const struct leaf *l, struct buf *b, struct err_info *reterr);

/*
 * Appends the disclosure of fact k, JSON [salt, "<field>@<log>/<index>", value], and writes its digest as it stands in
 * _sd: b64u(SHA-256(ASCII(b64u(JSON)))). ret_digest may be NULL.
 */
NODISCARD enum err leaf_disclose(const struct leaf *l, size_t k, struct buf *b, char ret_digest[LEAF_DIGEST_LEN + 1],
                                 struct err_info *reterr);

/* The digest of a disclosure's JSON bytes: what somebody who was given an opening compares with _sd. */
NODISCARD enum err leaf_disclosure_digest(struct span json, char ret_digest[LEAF_DIGEST_LEN + 1],
                                          struct err_info *reterr);

/* A JSON string with quotes: controls, DEL, C1 and bidirectional controls are escaped; invalid UTF-8 sets b->failed. */
void leaf_json_str(struct buf *b, struct span s);
