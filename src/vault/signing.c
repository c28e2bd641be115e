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

/* A key id of the store that is longer than any of ours has no context secret: its name is cut, and nothing is found under it. */
static void ctx_name(const char *kid, char out[KEYSTORE_ID_MAX + 1])
{
    (void) snprintf(out, KEYSTORE_ID_MAX + 1, "ctx:%.*s", KEYSTORE_ID_MAX - 4, kid);
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

/* Out of memory; the store keeps it. */
static void forget(struct signing *s, size_t i)
{
    s->keys[i].signer = es256_signer_free(s->keys[i].signer);
    s->keys[i].k_ctx = secret_free(s->keys[i].k_ctx);
    s->keys[i] = s->keys[--s->n];
}

/* Nothing of it stays in the store either (the caller saves). */
static void erase(struct signing *s, const char *kid)
{
    char ctx[KEYSTORE_ID_MAX + 1];

    ctx_name(kid, ctx);
    (void) keystore_remove(s->store->keys, KEYSTORE_SIGNING, kid);
    (void) keystore_remove(s->store->keys, KEYSTORE_RETIRED, kid);
    (void) keystore_remove(s->store->keys, KEYSTORE_SECRET, ctx);
}

static void key_drop(struct signing *s, size_t i)
{
    erase(s, s->keys[i].kid);
    forget(s, i);
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

/* The private key leaves memory and store; what it signed is still checked for a while, also after a restart. */
static enum err retire(struct signing *s, struct signing_key *k, time_ms now, struct err_info *reterr)
{
    struct keystore_entry e = { .kind = KEYSTORE_RETIRED, .state = KEYSTORE_OLD, .from = k->from };

    (void) keystore_remove(s->store->keys, KEYSTORE_SIGNING, k->kid);
    k->signer = es256_signer_free(k->signer);
    k->state = SIGNING_OLD;
    k->until = k->until < now ? k->until : now;
    note_event(s, "signing-key.retired", k);
    e.until = k->until;
    memcpy(e.id, k->kid, sizeof(k->kid));
    memcpy(e.pub, k->pub, sizeof(k->pub));
    e.pub_len = sizeof(k->pub);
    return keystore_put(s->store->keys, &e, reterr);
}

/* One key of the store. ERR_NOTFOUND: nothing is left of it to use. */
static enum err load_one(const struct signing *s, const struct keystore_entry *e, time_ms now, struct signing_key *ret,
                         struct err_info *reterr)
{
    struct signing_key k = { .state = e->kind == KEYSTORE_RETIRED ? SIGNING_OLD : SIGNING_NEXT, .from = e->from,
                             .until = e->until };
    const struct keystore_entry *ctx;
    char name[KEYSTORE_ID_MAX + 1];

    memcpy(k.kid, e->id, sizeof(k.kid));
    k.kid[sizeof(k.kid) - 1] = '\0';
    memcpy(k.pub, e->pub, sizeof(k.pub));
    ctx_name(k.kid, name);
    ctx = keystore_find(s->store->keys, KEYSTORE_SECRET, name);
    if (ctx == NULL || e->until + SIGNING_LINGER_MS <= now)
        return ERR_NOTFOUND;
    if (k.state != SIGNING_OLD)
        TRY(es256_signer_new(e->secret, k.pub, &k.signer, reterr));
    k.k_ctx = secret_of(secret_span(ctx->secret));
    *ret = k;
    return ERR_OK;
}

static enum err load(struct signing *s, time_ms now, bool *ret_changed, struct err_info *reterr)
{
    for (size_t i = 0; i < keystore_count(s->store->keys); i++) {
        const struct keystore_entry *e = keystore_at(s->store->keys, i);
        enum err err;

        if ((e->kind != KEYSTORE_SIGNING && e->kind != KEYSTORE_RETIRED) || s->n == KEY_RING_CAP)
            continue;
        err = load_one(s, e, now, &s->keys[s->n], reterr);
        if (err == ERR_OK) {
            s->n++;
        } else if (err == ERR_NOTFOUND) {
            char kid[KEYSTORE_ID_MAX + 1];

            memcpy(kid, e->id, sizeof(kid));
            erase(s, kid);
            *ret_changed = true;
            i = SIZE_MAX; /* the table moved: from the start, without those that are loaded */
            while (s->n > 0)
                forget(s, s->n - 1);
        } else {
            return err;
        }
    }
    /* Its time ended while nobody was there. */
    for (size_t i = 0; i < s->n; i++) {
        if (s->keys[i].state != SIGNING_OLD && s->keys[i].until <= now) {
            TRY(retire(s, &s->keys[i], now, reterr));
            *ret_changed = true;
        }
    }
    return ERR_OK;
}

/* Of the keys whose time has come the newest becomes current; one that is current already and is not it retires. */
static enum err activate(struct signing *s, time_ms now, bool *ret_changed, struct err_info *reterr)
{
    struct signing_key *best = NULL, *current = find_state(s, SIGNING_CURRENT);

    for (size_t i = 0; i < s->n; i++) {
        struct signing_key *k = &s->keys[i];

        if (k->state != SIGNING_OLD && k->from <= now && (best == NULL || k->from > best->from))
            best = k;
    }
    if (best == NULL || best == current)
        return ERR_OK;
    *ret_changed = true;
    best->state = SIGNING_CURRENT;
    note_event(s, "signing-key.activated", best);
    return current != NULL ? retire(s, current, now, reterr) : ERR_OK;
}

enum err signing_turn(struct signing *s, time_ms now, bool *ret_changed, struct err_info *reterr)
{
    const struct signing_key *current;
    bool changed = false, saved = false;

    TRY(activate(s, now, &changed, reterr));
    for (size_t i = 0; i < s->n; i++) {
        if (s->keys[i].state == SIGNING_OLD && s->keys[i].until + SIGNING_LINGER_MS <= now) {
            key_drop(s, i--);
            changed = true;
        }
    }
    if (find_state(s, SIGNING_CURRENT) == NULL) {
        TRY(make(s, now, reterr));
        TRY(activate(s, now, &changed, reterr));
        changed = saved = true;
    }
    current = signing_current(s);
    if (find_state(s, SIGNING_NEXT) == NULL && now >= current->until - SIGNING_LEAD_MS && s->n < KEY_RING_CAP) {
        TRY(make(s, current->until, reterr));
        changed = saved = true;
    }
    *ret_changed = changed;
    /* a retired private key leaves the file */
    return changed && !saved ? vault_store_save(s->store, reterr) : ERR_OK;
}

/* The next key's time begins now; in the store too. */
static enum err bring_forward(struct signing *s, struct signing_key *k, time_ms now, struct err_info *reterr)
{
    const struct signing_key *current = signing_current(s);
    const struct keystore_entry *old = keystore_find(s->store->keys, KEYSTORE_SIGNING, k->kid);
    struct keystore_entry e;
    enum err err;

    if (old == NULL)
        return ERR_RAISE(reterr, ERR_STATE, "the next signing key is not in the store");
    e = *old;
    k->from = current != NULL && current->from >= now ? current->from + 1 : now;
    k->until = k->from + s->rotate;
    e.from = k->from;
    e.until = k->until;
    e.secret = secret_of(secret_span(old->secret));
    if (e.secret == NULL)
        return ERR_RAISE(reterr, ERR_NOMEM, "no slot for a key");
    err = keystore_put(s->store->keys, &e, reterr);
    e.secret = secret_free(e.secret);
    return err;
}

static void drop_all(struct signing *s)
{
    while (s->n > 0) {
        if (s->keys[s->n - 1].state != SIGNING_OLD)
            note_event(s, "signing-key.retired", &s->keys[s->n - 1]);
        key_drop(s, s->n - 1);
    }
}

enum err signing_roll(struct signing *s, time_ms now, bool emergency, struct err_info *reterr)
{
    struct signing_key *next;
    bool changed;

    if (emergency) {
        drop_all(s); /* whatever fails from here on: none of them signs or checks any more */
        return signing_turn(s, now, &changed, reterr);
    }
    if (s->n >= KEY_RING_CAP - 1)
        return ERR_RAISE(reterr, ERR_LIMIT, "%d signing keys are published at once", KEY_RING_CAP);
    next = find_state(s, SIGNING_NEXT);
    if (next == NULL) {
        TRY(make(s, now, reterr));
        next = find_state(s, SIGNING_NEXT);
    }
    TRY(bring_forward(s, next, now, reterr));
    TRY(activate(s, next->from, &changed, reterr));
    TRY(vault_store_save(s->store, reterr));
    return signing_turn(s, now, &changed, reterr);
}

enum err signing_init(struct signing *s, struct vault_store *store, time_ms rotate, time_ms now,
                      struct err_info *reterr)
{
    bool changed = false, turned;

    memset(s, 0, sizeof(*s));
    s->store = store;
    s->rotate = rotate;
    TRY(load(s, now, &changed, reterr));
    if (changed)
        TRY(vault_store_save(store, reterr));
    return signing_turn(s, now, &turned, reterr);
}

void signing_deinit(struct signing *s)
{
    while (s->n > 0)
        forget(s, s->n - 1);
}
