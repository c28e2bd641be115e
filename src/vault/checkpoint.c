#include "vault/checkpoint.h"

#include <stdio.h>
#include <stdlib.h>

#include "crypto/ed25519.h"

/* ---- may it be signed? ---- */

/* A log has one name: two origins for one log, or one for two, would let two histories be signed. */
static bool origin_is_of(const struct vault_core *c, struct span origin, struct span log)
{
    struct span host = span_str(c->issuer);
    struct buf b = BUF_INIT(1024);
    bool same;

    host = span_sub(host, span_starts(host, "https://") ? 8 : span_starts(host, "http://") ? 7 : 0, host.n);
    note_origin(&b, host, log);
    same = !b.failed && span_eq(buf_span(&b), origin);
    buf_deinit(&b);
    return same;
}

/* A later generation was begun: this one is never signed again. */
static bool has_ended(const struct vault_core *c, struct span log)
{
    char next[KEYSTORE_ID_MAX + 1];
    struct span base;
    unsigned generation = log_id_generation(log, &base);

    (void) snprintf(next, sizeof(next), "%.*s~%u", SPAN_ARG(base), generation + 1);
    return keystore_find(c->store.keys, KEYSTORE_LAST_SIGNED, next) != NULL;
}

static bool hashes_are_whole(const struct ipc_row_hash *rows, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        if (rows[i].hash.n != MERKLE_HASH_LEN)
            return false;
    }
    return true;
}

static bool is_well_formed(const struct ipc_sign_checkpoint *m)
{
    return log_id_check(m->log) && m->origin.n <= NOTE_NAME_MAX && m->root.n == MERKLE_HASH_LEN && m->size > 0 &&
           m->size >> MERKLE_LEVELS == 0 && m->old_size <= m->size && m->leaves.n <= IPC_CHECKPOINT_LEAVES_MAX &&
           m->size - m->old_size == m->leaves.n &&
           m->frontier.n == (unsigned) __builtin_popcountll(m->old_size) &&
           hashes_are_whole(m->frontier.rows, m->frontier.n) && hashes_are_whole(m->leaves.rows, m->leaves.n);
}

/* From the left: the largest subtree first. */
static void read_frontier(const struct ipc_sign_checkpoint *m, struct merkle_frontier *ret)
{
    uint32_t at = 0;

    merkle_frontier_init(ret);
    ret->size = m->old_size;
    for (unsigned level = MERKLE_LEVELS; level-- > 0;) {
        if (m->old_size >> level & 1)
            memcpy(ret->node[level].b, m->frontier.rows[at++].hash.p, MERKLE_HASH_LEN);
    }
}

/* The tree that was signed last, and the leaves since: is 'root' their root? */
static bool continues(const struct keystore_entry *last, const struct ipc_sign_checkpoint *m)
{
    struct merkle_frontier f;
    struct merkle_hash leaf, root;

    if (m->old_size != (last == NULL ? 0 : last->number))
        return false;
    read_frontier(m, &f);
    root = merkle_root(&f);
    if (last != NULL && memcmp(root.b, last->pub, MERKLE_HASH_LEN) != 0)
        return false;
    for (uint32_t i = 0; i < m->leaves.n; i++) {
        memcpy(leaf.b, m->leaves.rows[i].hash.p, MERKLE_HASH_LEN);
        if (merkle_append(&f, &leaf, NULL, NULL, NULL) != ERR_OK)
            return false;
    }
    root = merkle_root(&f);
    return memcmp(root.b, m->root.p, MERKLE_HASH_LEN) == 0;
}

static enum checkpoint_verdict judge(struct vault_core *c, const struct ipc_sign_checkpoint *m,
                                     const struct keystore_entry *last, struct err_info *reterr)
{
    if (!is_well_formed(m)) {
        (void) ERR_RAISE(reterr, ERR_INVAL, "a checkpoint that names no log, no root, or too few leaves");
        return CHECKPOINT_BAD;
    }
    if (!origin_is_of(c, m->origin, m->log)) {
        (void) ERR_RAISE(reterr, ERR_INVAL, "a checkpoint of log " SPAN_FMT " under another name", SPAN_ARG(m->log));
        return CHECKPOINT_SEALED;
    }
    if (has_ended(c, m->log)) {
        (void) ERR_RAISE(reterr, ERR_INVAL, "log " SPAN_FMT " has ended: there is a later generation", SPAN_ARG(m->log));
        return CHECKPOINT_SEALED;
    }
    /* A keeper that died before it stored our last note: it knows less than was signed, and says nothing false. */
    if (last != NULL && m->old_size < last->number && m->size >= last->number)
        return CHECKPOINT_OLD;
    if (!continues(last, m)) {
        (void) ERR_RAISE(reterr, ERR_CORRUPT, "log " SPAN_FMT " of size %llu does not continue the %llu leaves signed last",
                         SPAN_ARG(m->log), (unsigned long long) m->size,
                         (unsigned long long) (last == NULL ? 0 : last->number));
        return CHECKPOINT_SEALED;
    }
    if (!waiting_agrees(&c->waiting, m->log, m->old_size, m->leaves.rows, m->leaves.n)) {
        (void) ERR_RAISE(reterr, ERR_CORRUPT, "log " SPAN_FMT " has another record in the place of a key's or a release's",
                         SPAN_ARG(m->log));
        return CHECKPOINT_HIDES;
    }
    return CHECKPOINT_GOOD;
}

/* ---- staging ---- */

struct checkpoint *checkpoint_free(struct checkpoint *p)
{
    if (p == NULL)
        return NULL;
    list_remove(&p->node);
    p->run = waiting_run_free(p->run);
    free(p);
    return NULL;
}

static struct checkpoint *checkpoint_new(const struct ipc_sign_checkpoint *m, const struct keystore_entry *last)
{
    struct checkpoint *p = calloc(1, sizeof(*p));

    if (p == NULL)
        return NULL;
    (void) span_to_str(m->log, p->log, sizeof(p->log)); /* is_well_formed: they fit */
    (void) span_to_str(m->origin, p->origin, sizeof(p->origin));
    p->size = m->size;
    memcpy(p->root.b, m->root.p, MERKLE_HASH_LEN);
    p->run = waiting_run_new(m->old_size, m->leaves.rows, m->leaves.n);
    p->changes = last == NULL || last->number != m->size;
    p->had = last != NULL;
    if (last != NULL)
        p->before = *last;
    return p->run != NULL ? p : checkpoint_free(p);
}

static enum err put_signed(struct vault_core *c, const struct checkpoint *p, struct err_info *reterr)
{
    struct keystore_entry e = { .kind = KEYSTORE_LAST_SIGNED, .number = p->size, .pub_len = MERKLE_HASH_LEN };

    memcpy(e.id, p->log, sizeof(p->log));
    memcpy(e.pub, p->root.b, MERKLE_HASH_LEN);
    return keystore_put(c->store.keys, &e, reterr);
}

static void take_back(struct vault_core *c, struct checkpoint *p)
{
    if (!p->changes)
        return;
    if (!p->had)
        (void) keystore_remove(c->store.keys, KEYSTORE_LAST_SIGNED, p->log);
    else if (keystore_put(c->store.keys, &p->before, NULL) != ERR_OK)
        abort(); /* replacing needs no memory; whatever this is, it must not sign */
    p->changes = false;
}

enum checkpoint_verdict checkpoint_stage(struct vault_core *c, const struct ipc_sign_checkpoint *m, struct checkpoint **ret,
                                         struct err_info *reterr)
{
    char log[KEYSTORE_ID_MAX + 1];
    const struct keystore_entry *last = span_to_str(m->log, log, sizeof(log))
                                            ? keystore_find(c->store.keys, KEYSTORE_LAST_SIGNED, log)
                                            : NULL;
    enum checkpoint_verdict v = judge(c, m, last, reterr);
    struct checkpoint *p;

    c->lied_to = c->lied_to || v == CHECKPOINT_HIDES;
    if (v != CHECKPOINT_GOOD)
        return v;
    p = checkpoint_new(m, last);
    if (p == NULL || (p->changes && put_signed(c, p, reterr) != ERR_OK)) {
        if (p == NULL)
            (void) ERR_RAISE(reterr, ERR_NOMEM, "checkpoint");
        (void) checkpoint_free(p);
        return CHECKPOINT_BAD;
    }
    *ret = p;
    return CHECKPOINT_GOOD;
}

/* ---- saving, signing ---- */

enum err checkpoint_save(struct vault_core *c, struct list *staged, int64_t boot, struct err_info *reterr)
{
    bool changes = false;
    enum err e = ERR_OK;

    LIST_FOREACH(it, staged)
        changes = changes || LIST_ENTRY(it, struct checkpoint, node)->changes;
    if (changes)
        e = vault_store_save(&c->store, reterr);
    if (e != ERR_OK) {
        for (struct list *it = staged->prev; it != staged; it = it->prev) /* the newest of a log first */
            take_back(c, LIST_ENTRY(it, struct checkpoint, node));
        return e;
    }
    LIST_FOREACH(it, staged)
    {
        struct checkpoint *p = LIST_ENTRY(it, struct checkpoint, node);

        if (!waiting_take(&c->waiting, span_str(p->log), TAKE(p->run), boot))
            c->lied_to = true;
    }
    return ERR_OK;
}

enum err checkpoint_note(const struct vault_core *c, const struct checkpoint *p, struct buf *out, struct err_info *reterr)
{
    const struct keystore_entry *key = keystore_find(c->store.keys, KEYSTORE_LOG, VAULT_LOG_KEY);
    const struct note_checkpoint cp = { .origin = span_str(p->origin), .size = p->size, .root = p->root };
    struct buf text = BUF_INIT(4096);
    uint8_t sig[ED25519_SIG_LEN];
    struct note_vkey vkey;

    if (key == NULL)
        return ERR_RAISE(reterr, ERR_STATE, "there is no key that signs checkpoints");
    TRY(note_vkey_init(&vkey, cp.origin, key->pub, reterr));
    note_checkpoint_text(&cp, &text);
    if (!text.failed) {
        ed25519_sign(key->secret, buf_span(&text), sig);
        note_write(out, buf_span(&text), &vkey, sig);
    }
    buf_deinit(&text);
    return buf_check(out, reterr);
}
