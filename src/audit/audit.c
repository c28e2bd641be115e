#include "audit/audit.h"

#include <stdio.h>
#include <stdlib.h>

#include "audit/tree.h"
#include "base/list.h"
#include "base/map.h"
#include "codec/base64.h"
#include "crypto/box.h"
#include "crypto/random.h"
#include "meta/people.h"

#define LOGS_MAX        1000000
#define STATE_OPEN      "open"
#define STATE_CONTINUED "continued"

struct log {
    struct list dirty; /* linked while a transaction has appended */
    char name[LOG_ID_CAP];
    size_t base_len;       /* of the name without its generation: the key of the map */
    char *origin;
    struct merkle_frontier now, next; /* committed; as the open transaction leaves it */
    time_ms now_t, next_t; /* of the last leaf */
    uint64_t signed_now, signed_next; /* size of the newest stored checkpoint */
    struct merkle_hash signed_root;
    uint64_t noted_now, noted_next;   /* size of the last one that became a leaf of system */
    bool made;             /* by the open transaction */
    bool closed;           /* a later generation goes on: never sealed, never signed, takes nothing */
    bool closing;          /* … by the open transaction */
    enum audit_fault fault;
    bool stored, storing;  /* a setting says that it is sealed; by the open transaction */
    uint64_t vault;        /* size that the vault signed last, as it said when it refused */
    struct buf known;      /* a signed checkpoint from elsewhere, of more records than the table's newest */
    uint64_t known_size;
    struct merkle_hash known_root;
    char why[200];
};

struct audit {
    struct meta *m;
    char *host;
    struct map logs;   /* base name -> newest generation, owned */
    struct log **all;  /* in the order in which they were made */
    size_t n_all;
    struct list dirty;
    bool continuing; /* the open transaction lets a sealed log go on: others may still be sealed */
    bool have_pk;
    uint8_t pk[NOTE_ED25519_PK];
};

/* ---- logs in memory ---- */

static struct log *log_free(struct log *g)
{
    if (g == NULL)
        return NULL;
    list_remove(&g->dirty);
    free(g->origin);
    buf_deinit(&g->known);
    free(g);
    return NULL;
}

static struct span log_name(const struct log *g)
{
    return span_str(g->name);
}

static struct log *find(const struct audit *a, struct span log)
{
    struct span base;

    (void) log_id_generation(log, &base);
    return map_get(&a->logs, base);
}

static bool sealed(const struct log *g)
{
    return g->fault != AUDIT_SOUND && !g->closed && !g->closing;
}

static void touch(struct audit *a, struct log *g)
{
    if (!list_linked(&g->dirty))
        list_append(&a->dirty, &g->dirty);
}

/* A log in memory; not yet in the map. */
static enum err log_new(struct audit *a, struct span name, struct log **ret, struct err_info *reterr)
{
    CLEANUP(buf_deinit) struct buf origin = BUF_INIT(512);
    struct log *g = calloc(1, sizeof(*g));
    struct span base;

    audit_origin(a, name, &origin);
    if (g == NULL || origin.failed || (g->origin = strdup(buf_cstr(&origin))) == NULL) {
        (void) log_free(g);
        return ERR_RAISE(reterr, ERR_NOMEM, "audit log: no memory for another log");
    }
    (void) span_to_str(name, g->name, sizeof(g->name)); /* log_id_check: it fits */
    (void) log_id_generation(name, &base);
    g->base_len = base.n;
    buf_init(&g->known, NOTE_MAX);
    *ret = g;
    return ERR_OK;
}

/* Takes g over. A newer generation takes the older one's place. */
static enum err log_keep(struct audit *a, struct log *g, struct err_info *reterr)
{
    void *old = NULL;
    struct log **all = realloc(a->all, (a->n_all + 1) * sizeof(*all));

    if (all != NULL)
        a->all = all;
    if (all == NULL || !map_put(&a->logs, span_of(g->name, g->base_len), g, &old)) {
        (void) log_free(g);
        return ERR_RAISE(reterr, ERR_NOMEM, "audit log: no memory for another log");
    }
    a->all[a->n_all++] = g;
    return ERR_OK;
}

/* The generation before it, if there is one, is the newest again. */
static void log_drop_last(struct audit *a)
{
    struct log *g = a->all[--a->n_all], *older = NULL;
    struct span base = span_of(g->name, g->base_len);

    for (size_t i = 0; i < a->n_all; i++) {
        if (span_eq(base, span_of(a->all[i]->name, a->all[i]->base_len)))
            older = a->all[i];
    }
    (void) map_del(&a->logs, base);
    if (older != NULL && !map_put(&a->logs, span_of(older->name, older->base_len), older, NULL))
        abort(); /* there was an entry just now: this needs no memory */
    (void) log_free(g);
}

/* ---- sealing ---- */

static const char *const fault_words[] = { [AUDIT_SOUND] = "sound",     [AUDIT_SHORTER] = "shorter",
                                           [AUDIT_CHANGED] = "changed", [AUDIT_REFUSED] = "refused",
                                           [AUDIT_SCRUB] = "scrub",     [AUDIT_DAMAGED] = "damaged" };

const char *audit_fault_word(enum audit_fault f)
{
    return fault_words[f];
}

bool audit_fault_find(struct span word, enum audit_fault *ret)
{
    for (size_t i = 0; i < sizeof(fault_words) / sizeof(fault_words[0]); i++) {
        if (span_eq_str(word, fault_words[i])) {
            *ret = (enum audit_fault) i;
            return true;
        }
    }
    return false;
}

static void seal(struct log *g, enum audit_fault fault, const char *why)
{
    if (g->fault != AUDIT_SOUND || g->closed)
        return;
    g->fault = fault;
    (void) snprintf(g->why, sizeof(g->why), "%s: %s", g->name, why);
}

void audit_seal(struct audit *a, struct span log, enum audit_fault fault, const char *why, uint64_t vault)
{
    struct log *g = find(a, log);

    if (g == NULL || !span_eq_str(log, g->name))
        return;
    seal(g, fault, why);
    g->vault = vault > g->vault ? vault : g->vault;
}

enum audit_fault audit_fault_of(const struct audit *a, struct span log)
{
    for (size_t i = 0; i < a->n_all; i++) {
        if (span_eq_str(log, a->all[i]->name))
            return a->all[i]->fault;
    }
    return AUDIT_SOUND;
}

void audit_fault_setting(struct span log, char out[AUDIT_FAULT_CAP])
{
    (void) snprintf(out, AUDIT_FAULT_CAP, "audit.fault." SPAN_FMT, SPAN_ARG(log));
}

enum err audit_seal_store(struct audit *a, struct err_info *reterr)
{
    for (size_t i = 0; i < a->n_all; i++) {
        struct log *g = a->all[i];
        char name[AUDIT_FAULT_CAP];

        if (!sealed(g) || g->stored)
            continue;
        audit_fault_setting(log_name(g), name);
        TRY(meta_setting_put(a->m, name, (int64_t) g->vault, span_str(fault_words[g->fault]), reterr));
        g->storing = true;
        touch(a, g);
    }
    return ERR_OK;
}

const char *audit_next_sealed(const struct audit *a, size_t *at)
{
    while (*at < a->n_all) {
        const struct log *g = a->all[(*at)++];

        if (sealed(g))
            return g->name;
    }
    return NULL;
}

/* ---- opening ---- */

struct rebuild {
    struct log *g;
    uint64_t stop; /* look at the root when this size is reached */
    struct merkle_hash at_stop;
    struct err_info *reterr;
    enum err e;
};

static bool rebuild_row(void *ctx, const struct meta_audit *row)
{
    struct rebuild *r = ctx;
    struct merkle_frontier *f = &r->g->now;
    struct merkle_hash h;

    if ((uint64_t) row->idx != f->size || row->hash.n != MERKLE_HASH_LEN) {
        char why[96];

        (void) snprintf(why, sizeof(why), "record %llu is missing or has no proper hash", (unsigned long long) f->size);
        seal(r->g, AUDIT_DAMAGED, why);
        return false;
    }
    memcpy(h.b, row->hash.p, MERKLE_HASH_LEN);
    r->g->now_t = row->time > r->g->now_t ? row->time : r->g->now_t;
    r->e = merkle_append(f, &h, NULL, NULL, r->reterr);
    if (f->size == r->stop)
        r->at_stop = merkle_root(f);
    return r->e == ERR_OK;
}

static bool last_time(void *ctx, const struct meta_audit *row)
{
    *(time_ms *) ctx = row->time;
    return false;
}

/* The tree of a long log: its frontier are perfect subtrees, whose roots few rows give. */
static enum err read_frontier(struct audit *a, struct log *g, uint64_t size, struct rebuild *r, struct err_info *reterr)
{
    struct tree_reader t = { meta_view(a->m), log_name(g) };

    for (unsigned level = 0; level < MERKLE_LEVELS; level++) {
        if (size >> level & 1)
            TRY(tree_read(&t, level, (size >> level) - 1, &g->now.node[level], reterr));
    }
    g->now.size = size;
    if (r->stop > 0 && r->stop <= size)
        TRY(merkle_root_at(r->stop, tree_read, &t, &r->at_stop, reterr));
    return meta_audit_hashes(meta_view(a->m), log_name(g), (int64_t) size - 1, last_time, &g->now_t, reterr);
}

static enum err newest_checkpoint(struct audit *a, struct log *g, struct err_info *reterr)
{
    CLEANUP(arena_deinit) struct arena mem = { 0 };
    struct meta_checkpoint c;
    enum err e;

    arena_init(&mem, 1u << 20);
    e = meta_checkpoint_newest(meta_view(a->m), log_name(g), &mem, &c, reterr);
    if (e == ERR_NOTFOUND)
        return ERR_OK;
    TRY(e);
    if (c.root.n != MERKLE_HASH_LEN || c.size <= 0) {
        seal(g, AUDIT_DAMAGED, "its newest checkpoint is damaged");
        return ERR_OK;
    }
    g->signed_now = (uint64_t) c.size;
    memcpy(g->signed_root.b, c.root.p, MERKLE_HASH_LEN);
    return ERR_OK;
}

static void noted_setting(const struct log *g, char out[64])
{
    (void) snprintf(out, 64, "audit.noted.%s", g->name);
}

/* What was found in an earlier life of this process. */
static enum err read_fault(struct audit *a, struct log *g, struct err_info *reterr)
{
    CLEANUP(arena_deinit) struct arena mem = { 0 };
    enum audit_fault fault;
    struct span word;
    char name[64];
    int64_t vault;
    enum err e;

    arena_init(&mem, 4096);
    audit_fault_setting(log_name(g), name);
    e = meta_setting_get(meta_view(a->m), name, &mem, &vault, &word, reterr);
    if (e == ERR_NOTFOUND)
        return ERR_OK;
    TRY(e);
    g->stored = true;
    g->vault = (uint64_t) vault;
    if (!audit_fault_find(word, &fault) || fault == AUDIT_SOUND)
        fault = AUDIT_DAMAGED; /* a word of another program: something was found */
    seal(g, fault, "it was found not to hold together");
    return ERR_OK;
}

/* A generation that is over: its length and its last time. */
static enum err read_closed(struct audit *a, struct log *g, struct err_info *reterr)
{
    int64_t n;

    g->closed = true;
    TRY(meta_audit_count(meta_view(a->m), log_name(g), &n, reterr));
    g->now.size = g->next.size = (uint64_t) n;
    TRY(meta_audit_hashes(meta_view(a->m), log_name(g), n - 1, last_time, &g->now_t, reterr));
    g->next_t = g->now_t;
    return ERR_OK;
}

static enum err log_read(struct audit *a, struct log *g, struct err_info *reterr)
{
    struct rebuild r = { .g = g, .reterr = reterr };
    char name[64];
    int64_t n, noted = 0;
    enum err e;

    TRY(newest_checkpoint(a, g, reterr));
    TRY(meta_audit_count(meta_view(a->m), log_name(g), &n, reterr));
    r.stop = g->signed_now;
    if (n <= AUDIT_REBUILD_MAX) {
        TRY(meta_audit_hashes(meta_view(a->m), log_name(g), 0, rebuild_row, &r, reterr));
        TRY(r.e);
    } else {
        e = read_frontier(a, g, (uint64_t) n, &r, reterr);
        if (e == ERR_NOTFOUND || e == ERR_CORRUPT)
            seal(g, AUDIT_DAMAGED, "its tree cannot be read");
        else
            TRY(e);
    }
    if (g->signed_now > g->now.size)
        seal(g, AUDIT_SHORTER, "it is shorter than its newest checkpoint");
    else if (g->signed_now > 0 && !merkle_eq(&r.at_stop, &g->signed_root))
        seal(g, AUDIT_CHANGED, "its records are not those of its newest checkpoint");
    TRY(read_fault(a, g, reterr));
    noted_setting(g, name);
    e = meta_setting_get(meta_view(a->m), name, NULL, &noted, NULL, reterr);
    if (e != ERR_OK && e != ERR_NOTFOUND)
        return e;
    g->noted_now = g->noted_next = (uint64_t) noted;
    g->next = g->now;
    g->next_t = g->now_t;
    g->signed_next = g->signed_now;
    return ERR_OK;
}

enum err audit_open(struct meta *m, struct span host, struct audit **ret_audit, struct err_info *reterr)
{
    CLEANUP(audit_closep) struct audit *a = calloc(1, sizeof(*a));
    CLEANUP(arena_deinit) struct arena mem = { 0 };
    struct meta_log_list logs;
    uint8_t secret[16];

    arena_init(&mem, 1u << 30);
    if (a == NULL)
        return ERR_RAISE(reterr, ERR_NOMEM, "audit log: open");
    a->m = m;
    list_init(&a->dirty);
    random_fill(secret, sizeof(secret));
    map_init(&a->logs, secret, LOGS_MAX);
    a->host = span_dup(host);
    if (a->host == NULL)
        return ERR_RAISE(reterr, ERR_NOMEM, "audit log: open");
    TRY(meta_logs(meta_view(m), &mem, &logs, reterr));
    for (size_t i = 0; i < logs.n; i++) {
        struct log *g;

        if (!log_id_check(logs.rows[i].log))
            return ERR_RAISE(reterr, ERR_CORRUPT, "audit log: a log with an improper name");
        TRY(log_new(a, logs.rows[i].log, &g, reterr));
        TRY(log_keep(a, g, reterr));
        TRY(span_eq_str(logs.rows[i].state, STATE_CONTINUED) ? read_closed(a, g, reterr) : log_read(a, g, reterr));
    }
    *ret_audit = TAKE(a);
    return ERR_OK;
}

struct audit *audit_close(struct audit *a)
{
    if (a == NULL)
        return NULL;
    for (size_t i = 0; i < a->n_all; i++)
        (void) log_free(a->all[i]);
    free(a->all);
    map_deinit(&a->logs);
    free(a->host);
    free(a);
    return NULL;
}

void audit_closep(struct audit **a)
{
    *a = audit_close(*a);
}

void audit_set_key(struct audit *a, const uint8_t pk[NOTE_ED25519_PK])
{
    memcpy(a->pk, pk, NOTE_ED25519_PK);
    a->have_pk = true;
}

const char *audit_sealed(const struct audit *a, struct span log)
{
    for (size_t i = 0; i < a->n_all; i++) {
        if (sealed(a->all[i]) && (log.n == 0 || find(a, log) == a->all[i]))
            return a->all[i]->why;
    }
    return NULL;
}

time_ms audit_high_water(const struct audit *a)
{
    time_ms t = 0;

    for (size_t i = 0; i < a->n_all; i++)
        t = a->all[i]->now_t > t ? a->all[i]->now_t : t;
    return t;
}

void audit_origin(const struct audit *a, struct span log, struct buf *b)
{
    note_origin(b, span_str(a->host), log);
}

/* ---- appending ---- */

/* One log that does not hold together, and nothing is recorded in any: read-only (STANDARDS 3.5). */
static enum err all_sound(const struct audit *a, struct err_info *reterr)
{
    const char *why = a->continuing ? NULL : audit_sealed(a, SPAN_EMPTY);

    return why == NULL ? ERR_OK : ERR_RAISE(reterr, ERR_STATE, "audit log is sealed: %s", why);
}

static enum err writable(const struct audit *a, struct span log, struct log **ret, struct err_info *reterr)
{
    struct log *g = find(a, log);

    if (g == NULL)
        return ERR_RAISE(reterr, ERR_NOTFOUND, "audit log: no log " SPAN_FMT, SPAN_ARG(log));
    *ret = g;
    return all_sound(a, reterr);
}

static enum err seal_fact(struct audit *a, const struct leaf *l, size_t k, struct err_info *reterr)
{
    CLEANUP(arena_deinit) struct arena mem = { 0 };
    CLEANUP(buf_deinit) struct buf json = BUF_INIT(LEAF_DISCLOSURE_MAX);
    CLEANUP(buf_deinit) struct buf box = BUF_INIT(LEAF_DISCLOSURE_MAX + BOX_OVERHEAD);
    struct meta_person p;
    struct meta_opening row = { .log = l->log, .idx = (int64_t) l->i, .field = span_str(l->facts[k].field),
                                .person = l->facts[k].person };

    if (row.person.n == 0)
        return ERR_OK;
    arena_init(&mem, 65536);
    TRY(meta_person_get(meta_view(a->m), row.person, &mem, &p, reterr));
    if (p.erased_ms != 0 || p.pk.n != BOX_PUB_LEN)
        return ERR_OK; /* nobody could open it */
    TRY(leaf_disclose(l, k, &json, NULL, reterr));
    if (buf_reserve(&box, json.n + BOX_OVERHEAD) == NULL)
        return ERR_RAISE(reterr, ERR_NOMEM, "audit log: no memory to seal a fact");
    TRY(box_seal(p.pk.p, buf_span(&json), box.p, reterr));
    box.n = json.n + BOX_OVERHEAD;
    row.sealed = buf_span(&box);
    return meta_opening_add(a->m, &row, reterr);
}

struct node_writer {
    struct audit *a;
    struct log *g;
    enum err e;
    struct err_info *reterr;
};

static void write_node(void *ctx, unsigned level, uint64_t index, const struct merkle_hash *hash)
{
    struct node_writer *w = ctx;

    if (level == 0 || level % TREE_STEP != 0 || w->e != ERR_OK)
        return;
    w->e = meta_node_add(w->a->m, log_name(w->g), level, index, SPAN_OF(hash->b), w->reterr);
}

static enum err append(struct audit *a, struct log *g, struct leaf *l, struct err_info *reterr)
{
    CLEANUP(buf_deinit) struct buf bytes = BUF_INIT(2 * LEAF_MAX);
    struct node_writer w = { a, g, ERR_OK, reterr };
    struct meta_audit row;
    struct merkle_hash h;

    l->log = log_name(g);
    l->i = g->next.size;
    l->t = l->t > g->next_t ? l->t : g->next_t;
    TRY(leaf_write(l, &bytes, reterr));
    h = merkle_leaf(buf_span(&bytes));
    row = (struct meta_audit){ .log = l->log, .idx = (int64_t) l->i, .type = span_str(leaf_type_word(l->type)),
                               .time = l->t, .hash = SPAN_OF(h.b), .actor = l->actor, .q = l->q, .gid = l->gid,
                               .rid = l->rid, .leaf = buf_span(&bytes) };
    TRY(meta_audit_append(a->m, &row, reterr));
    for (size_t k = 0; k < l->n_facts; k++)
        TRY(seal_fact(a, l, k, reterr));
    touch(a, g);
    TRY(merkle_append(&g->next, &h, write_node, &w, reterr));
    g->next_t = l->t;
    return w.e;
}

enum err audit_append(struct audit *a, struct leaf *l, struct err_info *reterr)
{
    struct log *g;

    TRY(writable(a, l->log, &g, reterr));
    return append(a, g, l, reterr);
}

enum err audit_create_log(struct audit *a, struct leaf *first, struct err_info *reterr)
{
    struct meta_log row = { .log = first->log, .state = SPAN(STATE_OPEN), .created_ms = first->t };
    struct log *g;

    if (!log_id_check(first->log))
        return ERR_RAISE(reterr, ERR_INVAL, "audit log: '" SPAN_FMT "' names no log", SPAN_ARG(first->log));
    if (find(a, first->log) != NULL)
        return ERR_RAISE(reterr, ERR_EXISTS, "audit log: there is a log " SPAN_FMT, SPAN_ARG(first->log));
    TRY(all_sound(a, reterr));
    TRY(log_new(a, first->log, &g, reterr));
    g->made = true;
    row.origin = span_str(g->origin);
    TRY(log_keep(a, g, reterr));
    touch(a, g); /* from here on a rollback takes it away again */
    TRY(meta_log_add(a->m, &row, reterr));
    return append(a, g, first, reterr);
}

void audit_committed(struct audit *a)
{
    a->continuing = false;
    LIST_FOREACH(it, &a->dirty)
    {
        struct log *g = LIST_ENTRY(it, struct log, dirty);

        g->now = g->next;
        g->now_t = g->next_t;
        g->signed_now = g->signed_next;
        g->noted_now = g->noted_next;
        g->made = false;
        g->closed |= g->closing;
        g->stored |= g->storing;
        g->storing = false;
        list_remove(it);
    }
}

void audit_rolled_back(struct audit *a)
{
    a->continuing = false;
    while (a->n_all > 0 && a->all[a->n_all - 1]->made)
        log_drop_last(a);
    LIST_FOREACH(it, &a->dirty)
    {
        struct log *g = LIST_ENTRY(it, struct log, dirty);

        g->next = g->now;
        g->next_t = g->now_t;
        g->signed_next = g->signed_now;
        g->noted_next = g->noted_now;
        g->closing = g->storing = false;
        list_remove(it);
    }
}

/* ---- the tree ---- */

enum err audit_size(const struct audit *a, struct span log, uint64_t *ret_size, struct err_info *reterr)
{
    struct log *g = find(a, log);

    if (g == NULL)
        return ERR_RAISE(reterr, ERR_NOTFOUND, "audit log: no log " SPAN_FMT, SPAN_ARG(log));
    *ret_size = g->now.size;
    return ERR_OK;
}

static bool next_signed(const struct audit *a, size_t *at, bool grown, struct audit_due *ret)
{
    while (*at < a->n_all) {
        const struct log *g = a->all[(*at)++];

        if (sealed(g) || g->closed || g->now.size == 0 || (grown && g->now.size <= g->signed_now))
            continue;
        *ret = (struct audit_due){ log_name(g), span_str(g->origin), g->now.size, g->signed_now, merkle_root(&g->now) };
        return true;
    }
    return false;
}

bool audit_due(const struct audit *a, size_t *at, struct audit_due *ret)
{
    return next_signed(a, at, true, ret);
}

bool audit_each(const struct audit *a, size_t *at, struct audit_due *ret)
{
    return next_signed(a, at, false, ret);
}

static enum err committed(const struct audit *a, struct span log, uint64_t size, struct tree_reader *ret,
                          struct err_info *reterr)
{
    struct log *g = find(a, log);

    if (g == NULL)
        return ERR_RAISE(reterr, ERR_NOTFOUND, "audit log: no log " SPAN_FMT, SPAN_ARG(log));
    if (size > g->now.size)
        return ERR_RAISE(reterr, ERR_INVAL, "audit log: %llu records, not %llu", (unsigned long long) g->now.size,
                         (unsigned long long) size);
    *ret = (struct tree_reader){ meta_view(a->m), log_name(g) };
    return ERR_OK;
}

enum err audit_since(struct audit *a, struct span log, uint64_t old, size_t n, struct merkle_frontier *ret_old,
                     struct merkle_hash *ret_leaves, struct merkle_hash *ret_root, struct err_info *reterr)
{
    struct merkle_frontier f;
    struct tree_reader t;

    TRY(committed(a, log, old + n, &t, reterr));
    merkle_frontier_init(&f);
    for (unsigned level = 0; level < MERKLE_LEVELS; level++) {
        if (old >> level & 1)
            TRY(tree_read(&t, level, (old >> level) - 1, &f.node[level], reterr));
    }
    f.size = old;
    *ret_old = f;
    if (n > 0)
        TRY(meta_hashes_get(t.view, log_name(find(a, log)), old, n, (uint8_t(*)[META_HASH_LEN]) ret_leaves, reterr));
    for (size_t i = 0; i < n; i++)
        TRY(merkle_append(&f, &ret_leaves[i], NULL, NULL, reterr));
    *ret_root = merkle_root(&f);
    return ERR_OK;
}

enum err audit_consistency(struct audit *a, struct span log, uint64_t old, uint64_t size, struct merkle_proof *ret,
                           struct err_info *reterr)
{
    struct tree_reader t;

    TRY(committed(a, log, size, &t, reterr));
    return merkle_prove_consistency(old, size, tree_read, &t, ret, reterr);
}

enum err audit_inclusion(struct audit *a, struct span log, uint64_t index, uint64_t size, struct merkle_proof *ret,
                         struct err_info *reterr)
{
    struct tree_reader t;

    TRY(committed(a, log, size, &t, reterr));
    return merkle_prove_inclusion(index, size, tree_read, &t, ret, reterr);
}

/* ---- checkpoints ---- */

static enum err note_check(const struct audit *a, const struct log *g, struct span note, struct note_checkpoint *ret,
                           struct err_info *reterr)
{
    struct span text, sigs;
    struct note_vkey k;

    TRY(note_split(note, &text, &sigs, reterr));
    TRY(note_checkpoint_parse(text, ret, NULL, reterr));
    if (!span_eq_str(ret->origin, g->origin))
        return ERR_RAISE(reterr, ERR_INVAL, "checkpoint of %s: another origin", g->name);
    if (!a->have_pk)
        return ERR_OK;
    TRY(note_vkey_init(&k, ret->origin, a->pk, reterr));
    if (note_open(note, &k, &text) != NOTE_GOOD)
        return ERR_RAISE(reterr, ERR_INVAL, "checkpoint of %s: not signed by this server's key", g->name);
    return ERR_OK;
}

enum err audit_checkpoint_store(struct audit *a, struct span log, struct span note, time_ms now,
                                struct err_info *reterr)
{
    struct note_checkpoint c;
    struct merkle_hash root;
    struct meta_checkpoint row;
    struct tree_reader t;
    struct log *g;

    g = find(a, log);
    if (g == NULL)
        return ERR_RAISE(reterr, ERR_NOTFOUND, "audit log: no log " SPAN_FMT, SPAN_ARG(log));
    if (sealed(g))
        return ERR_RAISE(reterr, ERR_STATE, "audit log is sealed: %s", g->why);
    TRY(note_check(a, g, note, &c, reterr));
    TRY(committed(a, log, c.size, &t, reterr));
    if (c.size <= g->signed_next)
        return ERR_OK;
    if (c.size == g->now.size)
        root = merkle_root(&g->now);
    else
        TRY(merkle_root_at(c.size, tree_read, &t, &root, reterr));
    if (!merkle_eq(&root, &c.root))
        return ERR_RAISE(reterr, ERR_INVAL, "checkpoint of %s: not the root of its first %llu records", g->name,
                         (unsigned long long) c.size);
    row = (struct meta_checkpoint){ .log = log_name(g), .size = (int64_t) c.size, .root = SPAN_OF(root.b),
                                    .note = note, .at_ms = now };
    TRY(meta_checkpoint_add(a->m, &row, reterr));
    touch(a, g);
    g->signed_next = c.size;
    g->signed_root = root;
    return ERR_OK;
}

enum err audit_compare(struct audit *a, struct span log, struct span note, struct err_info *reterr)
{
    struct log *g = find(a, log);
    struct note_checkpoint c;
    struct merkle_hash root;
    struct tree_reader t;
    enum err e;

    if (g == NULL || !span_eq_str(log, g->name) || g->closed)
        return ERR_OK;
    if (!a->have_pk)
        return ERR_RAISE(reterr, ERR_INVAL, "checkpoint of %s: the key is not known", g->name);
    TRY(note_check(a, g, note, &c, reterr));
    if (c.size > g->signed_now && note.n <= LEAF_NOTE_MAX) { /* more would not go into a leaf */
        buf_reset(&g->known);
        buf_add_span(&g->known, note);
        g->known_size = g->known.failed ? 0 : c.size;
        g->known_root = c.root;
    }
    if (c.size > g->now.size) {
        seal(g, AUDIT_SHORTER, "it is shorter than a checkpoint that was signed");
        return ERR_OK;
    }
    t = (struct tree_reader){ meta_view(a->m), log_name(g) };
    e = merkle_root_at(c.size, tree_read, &t, &root, reterr);
    if (e == ERR_CORRUPT || e == ERR_NOTFOUND)
        seal(g, AUDIT_DAMAGED, "its tree cannot be read");
    else
        TRY(e);
    if (e == ERR_OK && !merkle_eq(&root, &c.root))
        seal(g, AUDIT_CHANGED, "its records are not those of a checkpoint that was signed");
    return ERR_OK;
}

/* ---- generations ---- */

/*
 * What the new generation says of the old one; the note from elsewhere counts when it covers more, and a stored one that is none
 * says nothing: the log may be sealed for just that.
 */
static enum err continued_leaf(struct audit *a, const struct log *old, const struct leaf *first, bool console,
                               struct arena *mem, char digest[LEAF_DIGEST_LEN + 1], struct leaf *ret, struct err_info *reterr)
{
    struct leaf l = { .t = first->t, .type = LEAF_LOG_CONTINUED, .actor = first->actor, .act = first->act,
                      .obj = log_name(old), .outcome = span_str(fault_words[old->fault]) };
    struct note_checkpoint c, stored;
    struct meta_checkpoint row;
    enum err e = meta_checkpoint_newest(meta_view(a->m), log_name(old), mem, &row, reterr);

    if (e == ERR_OK)
        e = row.note.n > LEAF_NOTE_MAX ? ERR_INVAL : note_check(a, old, row.note, &stored, reterr);
    if (e != ERR_OK && e != ERR_NOTFOUND && e != ERR_INVAL)
        return e;
    if (e != ERR_OK)
        stored = (struct note_checkpoint){ .size = 0 };
    c = stored;
    l.note = stored.size > 0 ? row.note : SPAN_EMPTY;
    if (old->known_size > stored.size) {
        c = (struct note_checkpoint){ .size = old->known_size, .root = old->known_root };
        l.note = buf_span(&old->known);
    }
    (void) base64url_str(c.root.b, sizeof(c.root.b), digest, LEAF_DIGEST_LEN + 1); /* it has just the room */
    l.digest = c.size > 0 ? span_str(digest) : SPAN_EMPTY;
    (void) leaf_add_number(&l, "size", (int64_t) c.size); /* five at most: there is room */
    (void) leaf_add_number(&l, "rows", (int64_t) old->now.size);
    (void) leaf_add_number(&l, "signed", (int64_t) stored.size);
    if (old->vault > 0)
        (void) leaf_add_number(&l, "vault", (int64_t) old->vault);
    if (console)
        (void) leaf_add_number(&l, "console", 1);
    *ret = l;
    return ERR_OK;
}

static enum err close_row(struct audit *a, const struct log *g, struct arena *mem, struct err_info *reterr)
{
    struct meta_log row;

    TRY(meta_log_get(meta_view(a->m), log_name(g), mem, &row, reterr));
    row.state = SPAN(STATE_CONTINUED);
    return meta_log_put(a->m, &row, reterr);
}

enum err audit_continue(struct audit *a, struct span log, uint32_t generation, const struct leaf *first, bool console,
                        struct span *ret_name, struct err_info *reterr)
{
    CLEANUP(arena_deinit) struct arena mem = { 0 };
    struct log *old = find(a, log), *g;
    struct meta_log row = { .state = SPAN(STATE_OPEN), .created_ms = first->t };
    char name[LOG_ID_CAP], digest[LEAF_DIGEST_LEN + 1];
    struct span base;
    struct leaf l;
    uint32_t n;

    arena_init(&mem, 1u << 20);
    if (old == NULL || !sealed(old) || !span_eq_str(log, old->name))
        return ERR_RAISE(reterr, ERR_STATE, "audit log " SPAN_FMT " is not sealed", SPAN_ARG(log));
    n = log_id_generation(log, &base) + 1;
    (void) snprintf(name, sizeof(name), SPAN_FMT "~%u", SPAN_ARG(base), n > generation ? n : generation); /* 18 + 1 + 10: it fits */
    if (!log_id_check(span_str(name)))
        return ERR_RAISE(reterr, ERR_LIMIT, "audit log " SPAN_FMT " has too many generations", SPAN_ARG(base));
    TRY(continued_leaf(a, old, first, console, &mem, digest, &l, reterr));
    TRY(close_row(a, old, &mem, reterr));
    touch(a, old);
    a->continuing = old->closing = true;
    TRY(log_new(a, span_str(name), &g, reterr));
    g->made = true;
    row.log = log_name(g);
    row.origin = span_str(g->origin);
    TRY(log_keep(a, g, reterr));
    touch(a, g);
    TRY(meta_log_add(a->m, &row, reterr));
    *ret_name = row.log;
    return append(a, g, &l, reterr);
}

/* ---- the minute ---- */

static enum err note_one(struct audit *a, struct log *g, time_ms now, struct err_info *reterr)
{
    struct leaf l = { .log = SPAN(LOG_ID_SYSTEM), .t = now, .type = LEAF_CHECKPOINT, .actor = SPAN("system"),
                      .obj = log_name(g), .outcome = SPAN("ok") };
    char name[64], digest[LEAF_DIGEST_LEN + 1];

    (void) base64url_str(g->signed_root.b, sizeof(g->signed_root.b), digest, sizeof(digest)); /* it has just the room */
    l.digest = span_str(digest);
    (void) leaf_add_number(&l, "size", (int64_t) g->signed_now); /* the first one: there is room */
    TRY(audit_append(a, &l, reterr));
    noted_setting(g, name);
    TRY(meta_setting_put(a->m, name, (int64_t) g->signed_now, SPAN_EMPTY, reterr));
    touch(a, g);
    g->noted_next = g->signed_now;
    return ERR_OK;
}

enum err audit_note_checkpoints(struct audit *a, time_ms now, size_t *ret_n, struct err_info *reterr)
{
    size_t n = 0;

    for (size_t i = 0; i < a->n_all; i++) {
        struct log *g = a->all[i];

        if (sealed(g) || g->closed || g->signed_now == g->noted_next || g->signed_now != g->signed_next ||
            span_starts(log_name(g), LOG_ID_SYSTEM))
            continue;
        TRY(note_one(a, g, now, reterr));
        n++;
    }
    *ret_n = n;
    return ERR_OK;
}
