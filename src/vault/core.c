#include "vault/core.h"

#include <stdio.h>
#include <stdlib.h>

#include "crypto/ed25519.h"
#include "format/leaf_form.h"
#include "format/wrap.h"

#define SWEEP_MS     30000
#define IAT_SLACK_MS 5000

struct vault_signed {
    char jti[JTI_CAP], gid[ID_CAP], rid[ID_CAP], pid[ID_CAP], sub[ID_CAP], vid[ID_CAP];
    char log[LOG_ID_CAP]; /* of its key.issued leaf */
    uint32_t gen;
    unsigned scope;
    time_ms exp;
};

/* ---- opening ---- */

static const struct keystore_entry *newest_epoch(const struct vault_core *c)
{
    const struct keystore_entry *best = NULL;

    for (size_t i = 0; i < keystore_count(c->store.keys); i++) {
        const struct keystore_entry *e = keystore_at(c->store.keys, i);

        if (e->kind == KEYSTORE_EPOCH && (best == NULL || e->number > best->number))
            best = e;
    }
    return best;
}

static enum err make_epoch(struct vault_core *c, uint64_t number, time_ms now, struct err_info *reterr)
{
    struct keystore_entry e = { .kind = KEYSTORE_EPOCH, .state = KEYSTORE_CURRENT, .number = number, .made = now };
    enum err err;

    (void) snprintf(e.id, sizeof(e.id), "%llu", (unsigned long long) number);
    e.pub_len = BOX_PUB_LEN;
    TRY(box_generate(&e.secret, e.pub, reterr));
    err = keystore_put(c->store.keys, &e, reterr);
    e.secret = secret_free(e.secret);
    return err;
}

static enum err make_log_key(struct vault_core *c, time_ms now, struct err_info *reterr)
{
    struct keystore_entry e = { .kind = KEYSTORE_LOG, .id = VAULT_LOG_KEY, .state = KEYSTORE_CURRENT, .made = now };
    enum err err;

    e.pub_len = ED25519_PUB_LEN;
    TRY(ed25519_generate(&e.secret, e.pub, reterr));
    err = keystore_put(c->store.keys, &e, reterr);
    e.secret = secret_free(e.secret);
    return err;
}

static enum err make_missing(struct vault_core *c, time_ms now, struct err_info *reterr)
{
    bool changed = false;

    if (newest_epoch(c) == NULL) {
        TRY(make_epoch(c, 1, now, reterr));
        changed = true;
    }
    if (keystore_find(c->store.keys, KEYSTORE_LOG, VAULT_LOG_KEY) == NULL) {
        TRY(make_log_key(c, now, reterr));
        changed = true;
    }
    return changed ? vault_store_save(&c->store, reterr) : ERR_OK;
}

enum err vault_core_open(const struct vault_core_config *config, const uint8_t secret[16], time_ms now,
                         struct vault_core *ret, struct err_info *reterr)
{
    struct vault_core *c = ret;
    enum err e;

    memset(c, 0, sizeof(*c));
    c->store.dir = -1;
    live_init(&c->live, secret);
    map_init(&c->ledger, secret, VAULT_LEDGER_MAX);
    waiting_init(&c->waiting, secret);
    c->key_life_s = config->key_life_s;
    c->bearer_life_s = config->bearer_life_s;
    if (!span_to_str(config->issuer, c->issuer, sizeof(c->issuer)) ||
        !span_to_str(config->audience, c->audience, sizeof(c->audience)))
        e = ERR_RAISE(reterr, ERR_LIMIT, "public_url is longer than %d bytes", KEY_STRING_MAX);
    else
        e = vault_store_open(config->dir, &c->store, reterr);
    if (e == ERR_OK)
        e = make_missing(c, now, reterr);
    if (e == ERR_OK && !config->setup)
        e = signing_init(&c->signing, &c->store, config->rotate, now, reterr);
    if (e != ERR_OK)
        vault_core_close(c);
    return e;
}

void vault_core_close(struct vault_core *c)
{
    MAP_FOREACH(struct vault_signed, s, &c->ledger)
        free(s);
    map_deinit(&c->ledger);
    waiting_deinit(&c->waiting);
    live_deinit(&c->live);
    signing_deinit(&c->signing);
    vault_store_close(&c->store);
}

/* ---- what the keeper tells ---- */

void vault_core_grants(struct vault_core *c, const struct ipc_grants *m)
{
    if (m->full)
        live_clear(&c->live);
    for (uint32_t i = 0; i < m->rows.n; i++) {
        struct live_grant g;

        if (live_from_row(&m->rows.rows[i], &g))
            (void) live_put(&c->live, &g, NULL); /* a full table leaves the grant unknown: it opens nothing */
    }
}

void vault_core_deny(struct vault_core *c, const struct ipc_deny *m)
{
    for (uint32_t i = 0; i < m->rows.n; i++) {
        const struct ipc_row_deny *row = &m->rows.rows[i];

        free(map_del(&c->ledger, row->jti)); /* what the ledger does not know is not released: denied for good */
        (void) live_deny(&c->live, row->jti, row->exp_ms, row->end_code); /* nor signed; a full table changes nothing above */
    }
}

/* ---- keys ---- */

const char *vault_sign_word(enum vault_sign v)
{
    switch (v) {
    case VAULT_SIGNED: return "signed";
    case VAULT_NOT_LIVE: return "not-live";
    case VAULT_BAD_TIMES: return "bad-times";
    case VAULT_BAD_CLAIMS: return "bad-claims";
    case VAULT_TOO_FAST: return "too-fast";
    case VAULT_NOT_SHOWN: return "not-shown";
    case VAULT_FAILED: return "failed";
    }
    return "failed";
}

static bool within_rate(struct vault_core *c, time_ms wall)
{
    if (c->rate_second != wall / 1000) {
        c->rate_second = wall / 1000;
        c->rate_used = 0;
    }
    return c->rate_used++ < VAULT_SIGN_RATE;
}

static bool times_hold(const struct vault_core *c, const struct ipc_sign_key *m, time_ms wall)
{
    int64_t cap = m->cnf_jkt.n == 0 ? c->bearer_life_s : c->key_life_s;

    return m->exp_s > m->iat_s && m->exp_s - m->iat_s <= cap && m->exp_s <= m->wend_s &&
           m->iat_s * 1000 >= c->last_iat - IAT_SLACK_MS && m->iat_s * 1000 <= wall + IAT_SLACK_MS &&
           m->iat_s * 1000 >= wall - 2 * IAT_SLACK_MS;
}

static bool grant_matches(const struct vault_core *c, const struct ipc_sign_key *m, time_ms wall, int64_t boot)
{
    const struct live_grant *g = NULL;

    return live_check(&c->live, m->jti, m->gid, m->gen, wall, boot, &g) == LIVE_OK &&
           span_eq_str(m->pid, g->pid) && span_eq_str(m->sub, g->sub) && m->wend_s * 1000 <= g->wend;
}

static bool fill_claims(const struct vault_core *c, const struct ipc_sign_key *m, const struct signing_key *by,
                        struct key_claims *ret)
{
    struct key_claims k = { .iat = m->iat_s, .nbf = m->iat_s, .exp = m->exp_s, .wend = m->wend_s, .gen = m->gen };

    memcpy(k.iss, c->issuer, sizeof(k.iss));
    memcpy(k.aud, c->audience, sizeof(k.aud));
    if (!span_to_str(m->sub, k.sub, sizeof(k.sub)) || !span_to_str(m->client_id, k.client_id, sizeof(k.client_id)) ||
        !span_to_str(m->jti, k.jti, sizeof(k.jti)) || !span_to_str(m->pid, k.pid, sizeof(k.pid)) ||
        !span_to_str(m->env, k.env, sizeof(k.env)) || !span_to_str(m->gid, k.gid, sizeof(k.gid)) ||
        !span_to_str(m->rid, k.rid, sizeof(k.rid)) || !span_to_str(m->cnf_jkt, k.cnf_jkt, sizeof(k.cnf_jkt)) ||
        !jti_check(m->jti) || !key_scope_parse(m->scope, &k.scope))
        return false;
    key_ctx(by->k_ctx, m->prefix, k.ctx);
    *ret = k;
    return true;
}

/* ---- the leaves that say so (STANDARDS 1.9) ---- */

enum vault_alarm vault_core_alarm(const struct vault_core *c, int64_t boot)
{
    if (c->lied_to)
        return VAULT_ALARM_FALSE;
    return waiting_is_late(&c->waiting, boot) ? VAULT_ALARM_LATE : VAULT_ALARM_NONE;
}

/* From now on the leaf has to show in its log. False: it does not, or cannot be waited for. */
static bool leaf_waits(struct vault_core *c, const struct leaf *l, int64_t boot)
{
    struct buf b = BUF_INIT(2 * LEAF_MAX);
    enum waiting_verdict v = WAITING_FALSE;
    struct merkle_hash hash;

    if (leaf_write(l, &b, NULL) == ERR_OK) {
        hash = merkle_leaf(buf_span(&b));
        v = waiting_add(&c->waiting, l->log, l->i, &hash, vault_core_last_signed(c, l->log), boot);
        c->lied_to = c->lied_to || v == WAITING_FALSE;
    }
    buf_deinit(&b);
    return v == WAITING_ADDED || v == WAITING_SHOWN;
}

/* It has to stand in its project's log: elsewhere nobody would look for it. */
static bool issue_waits(struct vault_core *c, const struct ipc_sign_key *m, int64_t boot)
{
    struct leaf l;
    struct span base = SPAN_EMPTY;

    if (log_id_check(m->log))
        (void) log_id_generation(m->log, &base);
    if (!span_eq(base, m->pid))
        return false;
    leaf_form_key(m, &l);
    return leaf_waits(c, &l, boot);
}

static bool release_waits(struct vault_core *c, const struct ipc_open *m, int64_t boot)
{
    const struct vault_signed *s = map_get(&c->ledger, m->jti);
    struct leaf l;

    leaf_form_released(m, span_str(s->log), span_str(s->sub), span_str(s->vid), &l);
    return leaf_waits(c, &l, boot);
}

/* ---- signing ---- */

/* False: there is one of that jti already, or no memory. */
static bool ledger_add(struct vault_core *c, const struct key_claims *k, const struct ipc_sign_key *m)
{
    struct vault_signed *s = malloc(sizeof(*s));

    if (s == NULL)
        return false;
    memcpy(s->jti, k->jti, sizeof(s->jti));
    memcpy(s->gid, k->gid, sizeof(s->gid));
    memcpy(s->rid, k->rid, sizeof(s->rid));
    memcpy(s->pid, k->pid, sizeof(s->pid));
    memcpy(s->sub, k->sub, sizeof(s->sub));
    (void) span_to_str(m->vid, s->vid, sizeof(s->vid)); /* the leaf was written with both: they fit */
    (void) span_to_str(m->log, s->log, sizeof(s->log));
    s->gen = k->gen;
    s->scope = k->scope;
    s->exp = k->exp * 1000;
    if (map_get(&c->ledger, span_str(s->jti)) != NULL || !map_put(&c->ledger, span_str(s->jti), s, NULL)) {
        free(s);
        return false;
    }
    return true;
}

enum vault_sign vault_core_sign(struct vault_core *c, const struct ipc_sign_key *m, time_ms wall, int64_t boot,
                                struct buf *out, const char **ret_kid)
{
    const struct signing_key *by = signing_current(&c->signing);
    struct key_claims k;
    size_t before = out->n;

    if (!grant_matches(c, m, wall, boot))
        return VAULT_NOT_LIVE;
    if (!times_hold(c, m, wall))
        return VAULT_BAD_TIMES;
    if (by == NULL)
        return VAULT_FAILED;
    if (!fill_claims(c, m, by, &k))
        return VAULT_BAD_CLAIMS;
    if (!within_rate(c, wall))
        return VAULT_TOO_FAST;
    if (map_get(&c->ledger, m->jti) != NULL)
        return VAULT_FAILED; /* one identity, one key */
    if (vault_core_alarm(c, boot) != VAULT_ALARM_NONE || !issue_waits(c, m, boot))
        return VAULT_NOT_SHOWN;
    if (key_sign(&k, by->kid, by->signer, out, NULL) != ERR_OK)
        return VAULT_BAD_CLAIMS;
    if (!ledger_add(c, &k, m)) {
        secret_wipe(out->p + before, out->n - before);
        out->n = before;
        return VAULT_FAILED;
    }
    if (m->iat_s * 1000 > c->last_iat)
        c->last_iat = m->iat_s * 1000;
    *ret_kid = by->kid;
    return VAULT_SIGNED;
}

static enum key_verdict may_release(const struct vault_core *c, const struct ipc_open *m, time_ms wall, int64_t boot)
{
    const struct vault_signed *s = map_get(&c->ledger, m->jti);

    if (s == NULL || !span_eq_str(m->gid, s->gid) || m->gen != s->gen)
        return KEY_REVOKED;
    if (!span_eq_str(m->rid, s->rid) || !span_eq_str(m->pid, s->pid))
        return KEY_RECORDING_MISMATCH;
    if (wall >= s->exp)
        return KEY_EXPIRED;
    if (m->track > 1 || (m->track == 1 && (s->scope & KEY_SCOPE_UNMASK) == 0))
        return KEY_SCOPE; /* what masks took out */
    switch (live_check(&c->live, m->jti, m->gid, m->gen, wall, boot, NULL)) {
    case LIVE_OK: return KEY_OK;
    case LIVE_OLD_GEN:
    case LIVE_DENIED: return KEY_REVOKED;
    case LIVE_SUSPENDED: return KEY_GRANT_SUSPENDED;
    case LIVE_UNKNOWN:
    case LIVE_ENDED: break;
    }
    return KEY_GRANT_ENDED;
}

enum key_verdict vault_core_open_rk(struct vault_core *c, const struct ipc_open *m, time_ms wall, int64_t boot,
                                    struct secret **ret_rk, bool *ret_alarm)
{
    enum key_verdict v = may_release(c, m, wall, boot);
    const struct wrap_name name = { m->track == 0 ? WRAP_RK : WRAP_REVEAL, m->rid, m->pid, m->epoch };
    char id[KEYSTORE_ID_MAX + 1];
    const struct keystore_entry *epoch;
    enum err e;

    *ret_alarm = false;
    if (v != KEY_OK)
        return v;
    if (vault_core_alarm(c, boot) != VAULT_ALARM_NONE || !release_waits(c, m, boot))
        return KEY_AUDIT_UNAVAILABLE;
    (void) snprintf(id, sizeof(id), "%u", m->epoch);
    epoch = keystore_find(c->store.keys, KEYSTORE_EPOCH, id);
    if (epoch == NULL)
        return KEY_GRANT_ENDED; /* the epoch was ended: what it sealed is gone for good */
    e = wrap_open(m->wrap, &name, epoch->secret, epoch->pub, ret_rk, NULL);
    *ret_alarm = e == ERR_DENIED || e == ERR_CORRUPT;
    if (e == ERR_NOMEM)
        return KEY_AUTHORITY_STALE;
    return e == ERR_OK ? KEY_OK : KEY_FORGED;
}

/* ---- housekeeping ---- */

uint64_t vault_core_last_signed(const struct vault_core *c, struct span log)
{
    char id[KEYSTORE_ID_MAX + 1];
    const struct keystore_entry *last;

    if (!span_to_str(log, id, sizeof(id)))
        return 0;
    last = keystore_find(c->store.keys, KEYSTORE_LAST_SIGNED, id);
    return last == NULL ? 0 : last->number;
}

static void sweep(struct vault_core *c, time_ms now)
{
    struct vault_signed *over[1024];
    size_t n;

    do {
        n = 0;
        MAP_FOREACH(struct vault_signed, s, &c->ledger)
        {
            if (n < sizeof(over) / sizeof(over[0]) && s->exp <= now)
                over[n++] = s;
        }
        for (size_t i = 0; i < n; i++) {
            (void) map_del(&c->ledger, span_str(over[i]->jti));
            free(over[i]);
        }
    } while (n == sizeof(over) / sizeof(over[0]));
    live_sweep(&c->live, now);
}

enum err vault_core_turn(struct vault_core *c, time_ms now, int64_t boot, bool *ret_changed, struct err_info *reterr)
{
    waiting_sweep(&c->waiting, boot);
    if (now - c->swept >= SWEEP_MS || now < c->swept) {
        c->swept = now;
        sweep(c, now);
    }
    return signing_turn(&c->signing, now, ret_changed, reterr);
}

enum err vault_core_roll(struct vault_core *c, time_ms now, bool emergency, struct err_info *reterr)
{
    if (emergency) {
        MAP_FOREACH(struct vault_signed, s, &c->ledger)
            s->exp = 0; /* the next sweep takes them */
    }
    return signing_roll(&c->signing, now, emergency, reterr);
}

void vault_core_keys(const struct vault_core *c, bool with_ctx, struct ipc_row_signing_key *rows, struct ipc_keys *ret)
{
    static const uint8_t wire_state[] = { [SIGNING_NEXT] = 0, [SIGNING_CURRENT] = 1, [SIGNING_OLD] = 2 };
    const struct keystore_entry *epoch = newest_epoch(c);
    const struct keystore_entry *log = keystore_find(c->store.keys, KEYSTORE_LOG, VAULT_LOG_KEY);

    memset(ret, 0, sizeof(*ret));
    for (size_t i = 0; i < c->signing.n; i++) {
        const struct signing_key *k = &c->signing.keys[i];

        rows[i] = (struct ipc_row_signing_key){
            .kid = span_str(k->kid),
            .x = span_of(k->pub, 32),
            .y = span_of(k->pub + 32, 32),
            .state = wire_state[k->state],
            .retire_ms = k->until,
            .k_ctx = with_ctx ? secret_span(k->k_ctx) : SPAN_EMPTY,
        };
    }
    ret->signing.rows = rows;
    ret->signing.n = (uint32_t) c->signing.n;
    if (epoch != NULL) {
        ret->epoch = (uint32_t) epoch->number;
        ret->epoch_pk = span_of(epoch->pub, BOX_PUB_LEN);
    }
    if (log != NULL)
        ret->log_pk = span_of(log->pub, ED25519_PUB_LEN);
}
