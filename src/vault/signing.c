#include "vault/signing.h"

#include <stdio.h>

static void note_event(struct signing *s, const char *type, const struct signing_key *k)
{
    struct signing_event *e = &s->events[s->n_events];

    if (s->n_events == SIGNING_EVENTS_MAX)
        return; /* at most three a turn, and the caller empties it each turn */
    e->type = type;
    memcpy(e->kid, k->kid, sizeof(e->kid));
    key_jkt(k->pub, e->thumbprint);
    s->n_events++;
}

static void ctx_name(const char *kid, char out[KEYSTORE_ID_MAX + 1])
{
    (void) snprintf(out, KEYSTORE_ID_MAX + 1, "ctx:%s", kid);
}

static struct signing_key *find_state(struct signing *s, enum signing_state state)
{
    for (size_t i = 0; i < s->n; i++) {
        if (s->keys[i].state == state)
            return &s->keys[i];
    }
    return NULL;
}

const struct signing_key *signing_current(const struct signing *s)
{
    for (size_t i = 0; i < s->n; i++) {
        if (s->keys[i].state == SIGNING_CURRENT)
            return &s->keys[i];
    }
    return NULL;
}

static void key_drop(struct signing *s, size_t i)
{
    s->keys[i].signer = es256_signer_free(s->keys[i].signer);
    s->keys[i].k_ctx = secret_free(s->keys[i].k_ctx);
    s->keys[i] = s->keys[--s->n];
}

/* Writes both entries of a key into the store (in memory; the caller saves). */
static enum err put_entries(struct signing *s, const struct signing_key *k, struct secret **private_key,
                            struct err_info *reterr)
{
    struct keystore_entry e = { .kind = KEYSTORE_SIGNING, .state = KEYSTORE_NEXT, .from = k->from, .until = k->until };
    struct keystore_entry ctx = { .kind = KEYSTORE_SECRET };

    memcpy(e.id, k->kid, sizeof(k->kid));
    memcpy(e.pub, k->pub, sizeof(k->pub));
    e.pub_len = sizeof(k->pub);
    e.secret = *private_key;
    TRY(keystore_put(s->store->keys, &e, reterr));
    *private_key = NULL;
    ctx_name(k->kid, ctx.id);
    ctx.secret = secret_of(secret_span(k->k_ctx));
    if (ctx.secret == NULL)
        return ERR_RAISE(reterr, ERR_NOMEM, "no slot for a key");
    TRY(keystore_put(s->store->keys, &ctx, reterr));
    return ERR_OK;
}

/* A new NEXT key that signs from 'from'. */
static enum err make(struct signing *s, time_ms from, struct err_info *reterr)
{
    CLEANUP(secret_freep) struct secret *private_key = NULL;
    struct signing_key k = { .state = SIGNING_NEXT, .from = from, .until = from + s->rotate };
    enum err e;

    if (s->n == KEY_RING_CAP)
        return ERR_RAISE(reterr, ERR_LIMIT, "%d signing keys are published at once", KEY_RING_CAP);
    TRY(es256_generate(&private_key, k.pub, reterr));
    key_kid(k.pub, k.kid);
    TRY(es256_signer_new(private_key, k.pub, &k.signer, reterr));
    k.k_ctx = secret_random(32);
    e = k.k_ctx == NULL ? ERR_RAISE(reterr, ERR_NOMEM, "no slot for a key") : put_entries(s, &k, &private_key, reterr);
    if (e == ERR_OK)
        e = vault_store_save(s->store, reterr);
    if (e != ERR_OK) {
        k.signer = es256_signer_free(k.signer);
        k.k_ctx = secret_free(k.k_ctx);
        return e;
    }
    s->keys[s->n++] = k;
    note_event(s, "signing-key.created", &k);
    return ERR_OK;
}

static void retire(struct signing *s, struct signing_key *k)
{
    char ctx[KEYSTORE_ID_MAX + 1];

    ctx_name(k->kid, ctx);
    (void) keystore_remove(s->store->keys, KEYSTORE_SIGNING, k->kid);
    (void) keystore_remove(s->store->keys, KEYSTORE_SECRET, ctx);
    k->signer = es256_signer_free(k->signer);
    k->state = SIGNING_OLD;
    note_event(s, "signing-key.retired", k);
}

static enum err load(struct signing *s, time_ms now, struct err_info *reterr)
{
    for (size_t i = 0; i < keystore_count(s->store->keys); i++) {
        const struct keystore_entry *e = keystore_at(s->store->keys, i);
        const struct keystore_entry *ctx;
        struct signing_key k = { .state = SIGNING_NEXT };
        char name[KEYSTORE_ID_MAX + 1];

        if (e->kind != KEYSTORE_SIGNING || e->until <= now || s->n == KEY_RING_CAP)
            continue;
        memcpy(k.kid, e->id, sizeof(k.kid));
        k.kid[sizeof(k.kid) - 1] = '\0';
        memcpy(k.pub, e->pub, sizeof(k.pub));
        k.from = e->from;
        k.until = e->until;
        ctx_name(k.kid, name);
        ctx = keystore_find(s->store->keys, KEYSTORE_SECRET, name);
        if (ctx == NULL)
            continue;
        TRY(es256_signer_new(e->secret, k.pub, &k.signer, reterr));
        k.k_ctx = secret_of(secret_span(ctx->secret));
        s->keys[s->n++] = k;
    }
    return ERR_OK;
}

/* Of the keys whose time has come the newest becomes current; one that is current already and is not it retires. */
static bool activate(struct signing *s, time_ms now)
{
    struct signing_key *best = NULL, *current = find_state(s, SIGNING_CURRENT);

    for (size_t i = 0; i < s->n; i++) {
        struct signing_key *k = &s->keys[i];

        if (k->state != SIGNING_OLD && k->from <= now && (best == NULL || k->from > best->from))
            best = k;
    }
    if (best == NULL || best == current)
        return false;
    if (current != NULL)
        retire(s, current);
    best->state = SIGNING_CURRENT;
    note_event(s, "signing-key.activated", best);
    return true;
}

enum err signing_turn(struct signing *s, time_ms now, bool *ret_changed, struct err_info *reterr)
{
    bool retired = activate(s, now);
    const struct signing_key *current;

    *ret_changed = retired;
    for (size_t i = 0; i < s->n; i++) {
        if (s->keys[i].state == SIGNING_OLD && s->keys[i].until + SIGNING_LINGER_MS <= now) {
            key_drop(s, i--);
            *ret_changed = true;
        }
    }
    if (find_state(s, SIGNING_CURRENT) == NULL) {
        TRY(make(s, now, reterr));
        (void) activate(s, now);
        *ret_changed = true;
    }
    current = signing_current(s);
    if (find_state(s, SIGNING_NEXT) == NULL && now >= current->until - SIGNING_LEAD_MS) {
        TRY(make(s, current->until, reterr));
        *ret_changed = true;
    } else if (retired) {
        TRY(vault_store_save(s->store, reterr)); /* the retired private key leaves the file */
    }
    return ERR_OK;
}

enum err signing_init(struct signing *s, struct vault_store *store, time_ms rotate, time_ms now,
                      struct err_info *reterr)
{
    bool changed;

    memset(s, 0, sizeof(*s));
    s->store = store;
    s->rotate = rotate;
    TRY(load(s, now, reterr));
    return signing_turn(s, now, &changed, reterr);
}

void signing_deinit(struct signing *s)
{
    while (s->n > 0)
        key_drop(s, 0);
}
