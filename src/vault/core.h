#pragma once
/*
 * What the vault decides, without processes: sign this key? release this recording key? (checkpoint.h: this checkpoint?)
 * Times are arguments. The driver (vault.c) owns channels and timers.
 *
 * It knows which keys it signed from a ledger in memory: after a restart it has none, and old keys open nothing
 * (STANDARDS 4.5); nor does it know then which leaves it waited for (waiting.h). 'Stale' is the driver's word: nothing was heard of the keeper for 3 s.
 */
#include "access/live.h"
#include "vault/signing.h"
#include "vault/waiting.h"

#define VAULT_LEDGER_MAX    1000000 /* keys that are not over */
#define VAULT_SIGN_RATE     5000    /* signatures a second */
#define VAULT_LOG_KEY       "audit" /* id of the key that signs checkpoints */

struct vault_core {
    struct vault_store store;
    struct signing signing;
    struct live live;
    struct map ledger; /* of struct vault_signed, owned */
    struct waiting waiting;
    bool lied_to;
    char issuer[KEY_STRING_MAX + 1], audience[KEY_STRING_MAX + 1];
    int64_t key_life_s, bearer_life_s;
    time_ms last_iat;      /* time is monotone here */
    time_ms rate_second;
    unsigned rate_used;
    time_ms swept;
};

struct vault_core_config {
    const char *dir;
    struct span issuer, audience;
    int64_t key_life_s, bearer_life_s;
    time_ms rotate;
    bool setup; /* no signing keys yet: they are born when a server runs */
};

/* Opens the key store; makes what a new installation lacks (epoch, log key, signing keys). */
NODISCARD enum err vault_core_open(const struct vault_core_config *config, const uint8_t secret[16], time_ms now,
                                   struct vault_core *ret, struct err_info *reterr);
void vault_core_close(struct vault_core *c);

void vault_core_grants(struct vault_core *c, const struct ipc_grants *m);
void vault_core_deny(struct vault_core *c, const struct ipc_deny *m);

/* Why a key is not signed: words for the log. */
enum vault_sign {
    VAULT_SIGNED,
    VAULT_NOT_LIVE,   /* the grant is not ACTIVE here, or of another generation, holder, project or end */
    VAULT_BAD_TIMES,  /* exp past the window, a life over the cap, a time before the last one */
    VAULT_BAD_CLAIMS,
    VAULT_TOO_FAST,
    VAULT_NOT_SHOWN,  /* its leaf, or another one, is not in the log that was shown: vault_core_alarm */
    VAULT_FAILED,     /* memory, OpenSSL */
};
const char *vault_sign_word(enum vault_sign v);

/* Appends the key to *out. The jti goes into the ledger. */
enum vault_sign vault_core_sign(struct vault_core *c, const struct ipc_sign_key *m, time_ms wall, int64_t boot,
                                struct buf *out, const char **ret_kid);

/* STANDARDS 4.5. KEY_OK: *ret_rk is the caller's. ret_alarm: a wrap that names another place (somebody moved it). */
enum key_verdict vault_core_open_rk(struct vault_core *c, const struct ipc_open *m, time_ms wall, int64_t boot,
                                    struct secret **ret_rk, bool *ret_alarm);

/* Size of the newest checkpoint signed for a log; 0: none. */
uint64_t vault_core_last_signed(const struct vault_core *c, struct span log);

/*
 * Is the log that the keeper shows the one that it told of? Anything but NONE: nothing is signed, nothing released
 * (STANDARDS 1.9). Checkpoints go on: they are how LATE ends.
 */
enum vault_alarm {
    VAULT_ALARM_NONE,
    VAULT_ALARM_LATE,  /* no checkpoint has shown a leaf for 5 s */
    VAULT_ALARM_FALSE, /* a checkpoint has another leaf in its place: until the vault is started again */
};
enum vault_alarm vault_core_alarm(const struct vault_core *c, int64_t boot);

/* Rotation and tidying. *ret_changed: KEYS must be sent again. */
NODISCARD enum err vault_core_turn(struct vault_core *c, time_ms now, int64_t boot, bool *ret_changed, struct err_info *reterr);

/* ROTATE (signing_roll). After an emergency no key that was signed before opens anything. */
NODISCARD enum err vault_core_roll(struct vault_core *c, time_ms now, bool emergency, struct err_info *reterr);

/* Fills a KEYS message; rows is of KEY_RING_CAP, all borrowed from c until it changes. with_ctx: for the gate. */
void vault_core_keys(const struct vault_core *c, bool with_ctx, struct ipc_row_signing_key *rows, struct ipc_keys *ret);
