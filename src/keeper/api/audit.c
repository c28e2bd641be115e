/* Reading the audit log: records, logs, checkpoints, tiles, proofs, public keys. Reading is itself a record, counted by reader, log and minute. */
#include "audit/audit.h"
#include "audit/tiles.h"
#include "audit/tree.h"
#include "codec/base64.h"
#include "format/receipt.h"
#include "keeper/accounts.h"
#include "keeper/api/api.h"
#include "keeper/pages.h"
#include "keeper/view.h"

#define LIMIT     100
#define LIMIT_MAX 1000
#define TYPES_MAX 16
#define NAMES_MAX 2000

static bool may_read(struct job *c, struct span base)
{
    if (span_eq_str(base, LOG_ID_SYSTEM))
        return job_is_admin(c) || job_may(c, SPAN(ROLE_SYSTEM), PERM_READ_AUDIT) ||
               job_may(c, SPAN(ROLE_ANY_PROJECT), PERM_READ_AUDIT);
    return job_may(c, base, PERM_READ_AUDIT);
}

/* Whoever names no log by its id means the one that is written now. */
static enum err newest_generation(struct job *c, struct span base, struct span *ret, struct err_info *reterr)
{
    struct meta_log_list logs;
    struct span b;

    TRY(meta_logs(c->v, c->mem, &logs, reterr));
    for (size_t i = 0; i < logs.n; i++) {
        (void) log_id_generation(logs.rows[i].log, &b);
        if (span_eq(b, base))
            *ret = logs.rows[i].log;
    }
    return ERR_OK;
}

/*
 * A log's full name ("system", "p_…", "p_…~2"), or a project's name, or nothing: system; both of these by the newest
 * generation. *ret_ok false: answered.
 */
static enum err find_log(struct job *c, struct span want, struct span *ret, bool *ret_ok, struct err_info *reterr)
{
    bool exact = log_id_check(want);
    struct span base = want.n == 0 ? SPAN(LOG_ID_SYSTEM) : want;
    struct meta_project p;
    struct meta_log row;
    enum err e;

    *ret_ok = false;
    if (exact)
        (void) log_id_generation(want, &base);
    if (!span_eq_str(base, LOG_ID_SYSTEM)) {
        e = accounts_project(c, base, &p, reterr);
        if (e == ERR_NOTFOUND || (e == ERR_OK && job_roles(c, p.id) == 0))
            return job_not_found(c);
        TRY(e);
        base = c->log = p.id;
    }
    if (!may_read(c, base))
        return job_forbidden(c);
    *ret = exact ? want : base;
    if (!exact)
        TRY(newest_generation(c, base, ret, reterr));
    e = meta_log_get(c->v, *ret, c->mem, &row, reterr);
    if (e == ERR_NOTFOUND)
        return job_not_found(c);
    *ret_ok = e == ERR_OK;
    return e;
}

static void count_reading(struct job *c, struct span log)
{
    struct count n = { .route = c->route->id, .refusal = true, .code = "ok" };

    (void) span_to_str(c->me->id, n.actor, sizeof(n.actor));
    (void) span_to_str(log, n.log, sizeof(n.log));
    counts_add(c->core->counts, &n);
}

/* ---- audit_events ---- */

static void read_types(struct job *c, struct meta_audit_filter *f)
{
    struct span *types = arena_alloc(c->mem, TYPES_MAX * sizeof(*types));
    struct span rest, word;

    if (types == NULL || !tree_get_str(c->query, "type", &rest) || rest.n == 0)
        return;
    for (bool more = true; more;) {
        more = span_cut(rest, ',', &word, &rest);
        word = span_trim(word);
        if (word.n > 0 && word.p[word.n - 1] == '*')
            word.n--; /* "replay.*": all that begin with "replay." */
        if (word.n == 0 || f->n_types == TYPES_MAX) {
            body_bad(&c->body, "?", "type", FIELD_PATTERN);
            return;
        }
        types[f->n_types++] = word;
    }
    f->types = types;
}

static void read_filter(struct job *c, const struct pages *p, struct meta_audit_filter *f)
{
    static const char *const orders[] = { "asc", "desc" };

    f->ascending = body_word(&c->body, "?", c->query, "order", BODY_OPTIONAL, orders, 2) == 0;
    f->from = f->ascending ? 0 : -1;
    (void) body_query_int(&c->body, c->query, "from", 0, INT64_MAX, &f->from);
    if (p->page.after.seq != 0)
        f->from = p->page.after.key;
    f->limit = p->page.limit;
    read_types(c, f);
    (void) tree_get_str(c->query, "actor", &f->actor);
    (void) tree_get_str(c->query, "recording", &f->rid);
    (void) tree_get_str(c->query, "request", &f->q);
    (void) tree_get_str(c->query, "grant", &f->gid);
}

/* Ids in a leaf are quoted words of a known form: no JSON is read for this. */
static size_t find_ids(struct span leaf, enum id_kind kind, struct span *ids, size_t n, size_t max)
{
    for (size_t i = 0; i + ID_LEN + 1 < leaf.n && n < max; i++) {
        struct span id = span_of(leaf.p + i + 1, ID_LEN);
        bool known = false;

        if (leaf.p[i] != '"' || leaf.p[i + 1] != (uint8_t) kind || leaf.p[i + 1 + ID_LEN] != '"' || !id_check(id, kind))
            continue;
        for (size_t k = 0; k < n && !known; k++)
            known = span_eq(ids[k], id);
        if (!known)
            ids[n++] = id;
    }
    return n;
}

static enum err write_names(struct job *c, const struct meta_audit_item *items, size_t n_items, struct err_info *reterr)
{
    const struct people *people = job_people(c, reterr);
    struct span *ids = arena_alloc(c->mem, NAMES_MAX * sizeof(*ids));
    size_t n = 0, n_people;

    if (people == NULL || ids == NULL)
        return ERR_NOMEM;
    for (size_t i = 0; i < n_items; i++)
        n = find_ids(items[i].leaf, ID_USER, ids, n, NAMES_MAX / 2);
    n_people = n;
    for (size_t i = 0; i < n_items; i++)
        n = find_ids(items[i].leaf, ID_RECORDING, ids, n, NAMES_MAX);
    jsonw_kobj(&c->w, "names");
    for (size_t i = 0; i < n_people; i++) {
        const struct who *w = people_by_id(people, ids[i]);

        if (w == NULL)
            continue;
        jsonw_key_span(&c->w, ids[i]);
        jsonw_str(&c->w, w->name);
    }
    for (size_t i = n_people; i < n; i++) {
        struct meta_recording r;
        enum err e = meta_recording_get(c->v, ids[i], c->mem, &r, reterr);

        if (e != ERR_OK && e != ERR_NOTFOUND)
            return e;
        if (e == ERR_NOTFOUND || r.title.n == 0 || !job_may(c, r.project, PERM_LIST))
            continue;
        jsonw_key_span(&c->w, ids[i]);
        jsonw_str(&c->w, r.title);
    }
    jsonw_obj_end(&c->w);
    return ERR_OK;
}

static enum err write_events(struct job *c, struct pages *p, const struct meta_audit_filter *f, struct err_info *reterr)
{
    struct meta_pos next = { 0 };
    struct meta_audit_item *items;
    int64_t more, size;
    size_t n;

    TRY(meta_audit_list(c->v, f, c->mem, &items, &n, &more, reterr));
    TRY(meta_audit_count(c->v, f->log, &size, reterr));
    if (more >= 0)
        next = (struct meta_pos){ .key = more, .seq = 1 };
    (void) pages_items(c);
    for (size_t i = 0; i < n; i++) {
        jsonw_obj(&c->w);
        jsonw_kstr(&c->w, "log", f->log);
        jsonw_kint(&c->w, "index", items[i].idx);
        jsonw_kstr(&c->w, "raw", items[i].leaf);
        jsonw_obj_end(&c->w);
    }
    pages_end(c, p, next);
    jsonw_kstr(&c->w, "log", f->log);
    jsonw_kint(&c->w, "size", size);
    TRY(write_names(c, items, n, reterr));
    jsonw_obj_end(&c->w);
    return ERR_OK;
}

enum err api_audit_events(struct job *c, struct err_info *reterr)
{
    static const char *const known[] = { "log", "from", "order", "type", "actor", "recording", "request", "grant" };
    struct meta_audit_filter f = { 0 };
    struct span want = SPAN_EMPTY;
    struct pages p;
    bool ok;
    enum err e;

    pages_begin(c, &p, LIMIT, LIMIT_MAX, known, sizeof(known) / sizeof(known[0]));
    read_filter(c, &p, &f);
    (void) tree_get_str(c->query, "log", &want);
    e = c->body.errors.n > 0 ? ERR_OK : find_log(c, want, &f.log, &ok, reterr);
    if (c->body.errors.n > 0 || e != ERR_OK || !ok) {
        pages_drop(&p);
        return c->body.errors.n > 0 ? job_invalid(c) : e;
    }
    count_reading(c, f.log);
    e = write_events(c, &p, &f, reterr);
    if (e != ERR_OK)
        pages_drop(&p);
    return e;
}

/* ---- audit_logs ---- */

static enum err write_checkpoint(struct job *c, struct span log, struct err_info *reterr)
{
    struct meta_checkpoint row;
    struct buf root = BUF_INIT(64);
    enum err e = meta_checkpoint_newest(c->v, log, c->mem, &row, reterr);

    if (e == ERR_NOTFOUND)
        return ERR_OK;
    TRY(e);
    base64_add(&root, row.root);
    jsonw_kobj(&c->w, "checkpoint");
    jsonw_kint(&c->w, "size", row.size);
    jsonw_kstr(&c->w, "root", buf_span(&root));
    jsonw_obj_end(&c->w);
    buf_deinit(&root);
    return ERR_OK;
}

static enum err write_state(struct job *c, const struct meta_log *row, struct err_info *reterr)
{
    char name[AUDIT_FAULT_CAP];
    struct span word = SPAN_EMPTY;
    enum err e;

    audit_fault_setting(row->log, name);
    e = meta_setting_get(c->v, name, c->mem, NULL, &word, reterr);
    if (e != ERR_OK && e != ERR_NOTFOUND)
        return e;
    jsonw_kstr(&c->w, "state", e == ERR_OK && span_eq_str(row->state, "open") ? SPAN("sealed") : row->state);
    if (e == ERR_OK)
        jsonw_kstr(&c->w, "why", word);
    return ERR_OK;
}

enum err api_audit_log_write(struct job *c, const struct meta_log *row, struct err_info *reterr)
{
    struct span base;
    uint32_t generation = log_id_generation(row->log, &base);
    struct meta_project p;
    int64_t size;
    enum err e;

    TRY(meta_audit_count(c->v, row->log, &size, reterr));
    jsonw_obj(&c->w);
    jsonw_kstr(&c->w, "log", row->log);
    jsonw_kint(&c->w, "generation", generation);
    if (!span_eq_str(base, LOG_ID_SYSTEM)) {
        e = meta_project_get(c->v, base, c->mem, &p, reterr);
        if (e != ERR_OK && e != ERR_NOTFOUND)
            return e;
        if (e == ERR_OK)
            jsonw_kstr(&c->w, "project", p.name);
    }
    jsonw_kstr(&c->w, "origin", row->origin);
    jsonw_kint(&c->w, "size", size);
    TRY(write_state(c, row, reterr));
    TRY(write_checkpoint(c, row->log, reterr));
    jsonw_ktime(&c->w, "made_at", row->created_ms);
    jsonw_obj_end(&c->w);
    return ERR_OK;
}

enum err api_audit_logs(struct job *c, struct err_info *reterr)
{
    struct meta_log_list logs;
    struct span base;

    TRY(meta_logs(c->v, c->mem, &logs, reterr));
    jsonw_obj(job_json(c, 200));
    jsonw_karr(&c->w, "items");
    for (size_t i = 0; i < logs.n; i++) {
        (void) log_id_generation(logs.rows[i].log, &base);
        if (may_read(c, base))
            TRY(api_audit_log_write(c, &logs.rows[i], reterr));
    }
    jsonw_arr_end(&c->w);
    jsonw_obj_end(&c->w);
    return ERR_OK;
}

/* ---- checkpoint, tiles, proofs, key ---- */

#define CACHE_CHECKPOINT "private, max-age=2"
#define CACHE_TILE       "private, max-age=31536000, immutable"
#define TEXT             "text/plain; charset=utf-8"

static enum err newest(struct job *c, struct span log, struct meta_checkpoint *ret, bool *ret_ok, struct err_info *reterr)
{
    enum err e = meta_checkpoint_newest(c->v, log, c->mem, ret, reterr);

    *ret_ok = e == ERR_OK;
    return e == ERR_NOTFOUND ? job_not_found(c) : e;
}

/* The answer's body is what follows, as it is. */
static struct buf *raw(struct job *c, const char *type, const char *cache)
{
    (void) job_json(c, 200);
    c->answer->content_type = type;
    c->answer->cache = cache;
    return &c->answer->body;
}

static enum err checkpoint_of(struct job *c, struct span want, struct err_info *reterr)
{
    struct meta_checkpoint row;
    struct span log;
    bool ok;

    TRY(find_log(c, want, &log, &ok, reterr));
    if (ok)
        TRY(newest(c, log, &row, &ok, reterr));
    if (!ok)
        return ERR_OK;
    count_reading(c, log);
    buf_add_span(raw(c, TEXT, CACHE_CHECKPOINT), row.note);
    return ERR_OK;
}

enum err api_audit_checkpoint(struct job *c, struct err_info *reterr)
{
    return checkpoint_of(c, c->in->id1, reterr);
}

enum err api_audit_system_checkpoint(struct job *c, struct err_info *reterr)
{
    return checkpoint_of(c, SPAN(LOG_ID_SYSTEM), reterr);
}

/* From the table, on demand: the same bytes as the files, and always as new as the newest checkpoint. */
static enum err tile_of(struct job *c, struct span want, struct span path, struct err_info *reterr)
{
    struct meta_checkpoint row;
    struct tile tile;
    struct span log;
    bool ok;

    TRY(find_log(c, want, &log, &ok, reterr));
    if (ok && !tile_parse(path, &tile))
        return job_not_found(c);
    if (ok)
        TRY(newest(c, log, &row, &ok, reterr));
    if (!ok)
        return ERR_OK;
    if (!tile_is_in(&tile, (uint64_t) row.size))
        return job_not_found(c);
    count_reading(c, log);
    return audit_tile_read(c->v, log, &tile, raw(c, "application/octet-stream", CACHE_TILE), reterr);
}

enum err api_audit_tile(struct job *c, struct err_info *reterr)
{
    return tile_of(c, c->in->id1, c->in->id2, reterr);
}

enum err api_audit_system_tile(struct job *c, struct err_info *reterr)
{
    return tile_of(c, SPAN(LOG_ID_SYSTEM), c->in->id1, reterr);
}

struct one_leaf {
    struct arena *mem;
    int64_t idx;
    struct span leaf;
};

static bool take_leaf(void *ctx, const struct meta_audit *row)
{
    struct one_leaf *x = ctx;

    if (row->idx == x->idx)
        x->leaf = arena_span(x->mem, row->leaf);
    return false;
}

enum err api_audit_proof(struct job *c, struct err_info *reterr)
{
    struct one_leaf x = { .mem = c->mem, .idx = -1 };
    struct tree_reader tree = { .view = c->v };
    struct receipt r = { .index = 0 };
    struct meta_checkpoint row;
    bool ok;

    if (!body_query_int(&c->body, c->query, "index", 0, INT64_MAX, &x.idx))
        body_bad(&c->body, "?", "index", FIELD_MISSING);
    if (c->body.errors.n > 0)
        return job_invalid(c);
    TRY(find_log(c, c->in->id1, &tree.log, &ok, reterr));
    if (ok)
        TRY(newest(c, tree.log, &row, &ok, reterr));
    if (!ok)
        return ERR_OK;
    if (x.idx >= row.size)
        return job_not_found(c);
    TRY(meta_audit_leaves(c->v, tree.log, x.idx, take_leaf, &x, reterr));
    if (x.leaf.n == 0)
        return ERR_RAISE(reterr, ERR_CORRUPT, "audit log: record %lld is missing", (long long) x.idx);
    r = (struct receipt){ .leaf = x.leaf, .index = (uint64_t) x.idx, .note = row.note };
    TRY(merkle_prove_inclusion(r.index, (uint64_t) row.size, tree_read, &tree, &r.path, reterr));
    count_reading(c, tree.log);
    return receipt_write(&r, raw(c, TEXT, NULL), reterr);
}

enum err api_audit_vkey(struct job *c, struct err_info *reterr)
{
    struct note_vkey key;
    struct meta_log row;
    struct span log;
    bool ok;

    TRY(find_log(c, c->in->id1, &log, &ok, reterr));
    if (!ok)
        return ERR_OK;
    if (!c->core->have_log_pk)
        return job_refuse(c, 503, "starting", "The vault is not there yet.");
    TRY(meta_log_get(c->v, log, c->mem, &row, reterr));
    TRY(note_vkey_init(&key, row.origin, c->core->log_pk, reterr));
    note_vkey_text(&key, raw(c, TEXT, NULL));
    buf_add_c(&c->answer->body, '\n');
    return ERR_OK;
}
