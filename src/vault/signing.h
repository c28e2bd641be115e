#pragma once
/*
 * The signing keys of provisioning keys and their rotation (STANDARDS 1.9). Pure but for the key store it is given.
 *
 * A key is made and published 'lead' before it signs, signs for 'rotate', and is published for a while after that, until
 * the last key it signed is surely over. All rest in the key store, so a restart breaks no gateway; a retired private key is
 * erased at once.
 */
#include "base/times.h"
#include "crypto/es256.h"
#include "format/ipc.h"
#include "format/key.h"
#include "vault/store.h"

#define SIGNING_LEAD_MS   (30LL * 60 * 1000)
#define SIGNING_LINGER_MS ((KEY_LIFE_MAX_S + 60 + 300) * 1000LL)

enum signing_state { SIGNING_NEXT, SIGNING_CURRENT, SIGNING_OLD };

struct signing_key {
    char kid[KEY_KID_LEN + 1];
    enum signing_state state;
    uint8_t pub[ES256_PUB_LEN];
    struct es256_signer *signer; /* NULL when OLD */
    struct secret *k_ctx;
    time_ms from, until;         /* wall times: signs between; OLD: published until 'until' + linger */
};

/* What happened to a key, in order: for the audit log. */
struct signing_event {
    const char *type; /* signing-key.created, .activated, .retired */
    char kid[KEY_KID_LEN + 1];
    char thumbprint[KEY_JKT_LEN + 1];
};

#define SIGNING_EVENTS_MAX 8

struct signing {
    struct vault_store *store;
    time_ms rotate;
    struct signing_key keys[KEY_RING_CAP];
    size_t n;
    struct signing_event events[SIGNING_EVENTS_MAX]; /* the caller takes them and sets n_events = 0 */
    size_t n_events;
};

/* Loads current and next from the store; makes what is missing. */
NODISCARD enum err signing_init(struct signing *s, struct vault_store *store, time_ms rotate, time_ms now,
                                struct err_info *reterr);
void signing_deinit(struct signing *s);

/* Does what is due at 'now'. *ret_changed: the published set is another one. ERR_IO: the store cannot be written. */
NODISCARD enum err signing_turn(struct signing *s, time_ms now, bool *ret_changed, struct err_info *reterr);

/*
 * The next key takes over now; when none is published yet, a new one. emergency: every other key is forgotten, also those that
 * only check. ERR_LIMIT: too many are published already. After any other error turns go on with what there is.
 */
NODISCARD enum err signing_roll(struct signing *s, time_ms now, bool emergency, struct err_info *reterr);

/* The one that signs now. NULL only after a failed turn. */
const struct signing_key *signing_current(const struct signing *s);
