#pragma once
/*
 * What a provisioning key says, out of an open grant (STANDARDS 1.3, 1.8): scope, life, when to renew; and which older
 * key a new one retires. Whether one may be issued at all is grant_issue's (T7); signing is the vault's.
 *
 * Times in keys are whole seconds, rounded so that a key never outlives its window on either clock.
 */
#include "access/action.h"
#include "access/grant.h"
#include "format/key.h"

#define ISSUE_KEYS_LIVE 2 /* per (grant, recording, client key) */

struct issue_settings {
    int64_t key_life_s;    /* 30..300 */
    int64_t bearer_life_s; /* at most 60 */
    int64_t edge_skew_s;   /* the worst clock of a gateway that checks keys itself */
};

struct issue_ask {
    action_mask scope;   /* asked for; 0: play and live as granted, else export */
    action_mask granted; /* the grant's actions */
    bool recording_in_grant;
    bool bearer;         /* the client has no key of its own */
    bool bearer_allowed; /* the deciding rule's binding */
    bool break_glass;    /* the key says so: scope 'bg' */
};

struct issue {
    unsigned scope;         /* enum key_scope bits */
    int64_t iat, exp, wend; /* nbf = iat */
    uint32_t gen;
    int64_t expires_in;  /* seconds */
    int64_t renew_after; /* seconds; 0: a renewal would not lengthen anything */
};

/*
 * KEY_OK: *ret is filled. KEY_RECORDING_MISMATCH, KEY_SCOPE (not granted, or words that do not go together),
 * KEY_BINDING (bearer where the rule wants a bound key), KEY_GRANT_ENDED (not open, or less than a second is left).
 */
enum key_verdict issue_key(const struct grant *g, const struct clock_reading *now, const struct issue_ask *ask,
                           const struct issue_settings *settings, struct issue *ret);

/* Seconds before exp at which a stream says key.expiring: min(30 s, life / 4), in ms. */
int64_t issue_expiring_lead_ms(int64_t iat_s, int64_t exp_s);

struct issue_live {
    int64_t iat, exp; /* seconds */
    uint64_t seq;     /* order of issue */
    bool denied;
};

/* Marks in retire[] which of the keys issued before have to be denied when one more is issued. Returns how many. */
size_t issue_retire(const struct issue_live *keys, size_t n, time_ms now, bool *retire);
