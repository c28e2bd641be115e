#include "keeper/integrator.h"

#include <stdlib.h>

#include "base/log.h"
#include "format/merkle.h"
#include "keeper/trail.h"

/*
 * The vault signs only what continues what it signed last. When a keeper died between the signature and the stored
 * note, the vault has signed more than the table knows: it then tells its size, and the proof starts there.
 */
struct vault_size {
    struct list node;
    char log[LOG_ID_CAP];
    uint64_t size;
};

void integrator_forget(struct core *core)
{
    for (struct list *n; (n = list_pop(&core->vault_sizes)) != NULL;)
        free(LIST_ENTRY(n, struct vault_size, node));
}

static struct vault_size *find(struct core *core, struct span log)
{
    LIST_FOREACH(n, &core->vault_sizes)
    {
        struct vault_size *s = LIST_ENTRY(n, struct vault_size, node);

        if (span_eq_str(log, s->log))
            return s;
    }
    return NULL;
}

static void note_size(struct core *core, struct span log, uint64_t size)
{
    struct vault_size *s = find(core, log);

    if (s == NULL) {
        s = calloc(1, sizeof(*s));
        if (s == NULL || !span_to_str(log, s->log, sizeof(s->log))) {
            free(s);
            return;
        }
        list_append(&core->vault_sizes, &s->node);
    }
    s->size = size;
}

static void asked(struct core *core, void *arg)
{
    (void) arg;
    core->signing_roots++;
}

static struct ipc_row_hash *hash_rows(struct arena *mem, const struct merkle_hash *h, size_t n)
{
    struct ipc_row_hash *rows = arena_alloc(mem, (n + 1) * sizeof(*rows));

    for (size_t i = 0; rows != NULL && i < n; i++)
        rows[i].hash = SPAN_OF(h[i].b);
    return rows;
}

/* The tree that was signed, from the left, and the leaves since: at most IPC_CHECKPOINT_LEAVES_MAX, the rest next time. */
static enum err ask(struct job *c, const struct audit_due *d, struct err_info *reterr)
{
    CLEANUP(arena_deinit) struct arena mem = { 0 }; /* of one log: the command's own would not do for many */
    const struct vault_size *known = find(c->core, d->log);
    struct ipc_sign_checkpoint msg = { .log = d->log, .origin = d->origin, .old_size = d->old_size };
    struct merkle_hash *leaves, parts[MERKLE_LEVELS], root;
    struct merkle_frontier old;
    size_t n, n_parts = 0;

    if (known != NULL && known->size > msg.old_size && known->size <= d->size)
        msg.old_size = known->size;
    n = d->size - msg.old_size < IPC_CHECKPOINT_LEAVES_MAX ? (size_t) (d->size - msg.old_size)
                                                           : IPC_CHECKPOINT_LEAVES_MAX;
    arena_init(&mem, 4U << 20);
    leaves = arena_alloc(&mem, (n + 1) * sizeof(*leaves));
    if (leaves == NULL)
        return ERR_RAISE(reterr, ERR_NOMEM, "checkpoint");
    TRY(audit_since(c->core->audit, d->log, msg.old_size, n, &old, leaves, &root, reterr));
    for (unsigned level = MERKLE_LEVELS; level-- > 0;) {
        if (old.size >> level & 1)
            parts[n_parts++] = old.node[level];
    }
    msg.size = msg.old_size + n;
    msg.root = SPAN_OF(root.b);
    msg.frontier.rows = hash_rows(&mem, parts, n_parts);
    msg.frontier.n = (uint32_t) n_parts;
    msg.leaves.rows = hash_rows(&mem, leaves, n);
    msg.leaves.n = (uint32_t) n;
    if (msg.frontier.rows == NULL || msg.leaves.rows == NULL ||
        out_add(c->outs, OUT_SIGN_ROOT, IPC_T_SIGN_CHECKPOINT, &msg) == NULL)
        return ERR_RAISE(reterr, ERR_NOMEM, "checkpoint");
    job_after(c, asked, NULL);
    return ERR_OK;
}

static void compared(struct core *core, void *arg)
{
    (void) arg;
    core->compare_all = false;
}

enum err integrator_run(struct job *c, struct err_info *reterr)
{
    struct audit_due d;

    if (c->core->signing_roots > 0 || !atomic_load(&c->core->vault_there))
        return ERR_OK;
    for (size_t at = 0; c->core->compare_all ? audit_each(c->core->audit, &at, &d) : audit_due(c->core->audit, &at, &d);)
        TRY(ask(c, &d, reterr));
    job_after(c, compared, NULL);
    return ERR_OK;
}

/* ---- the note ---- */

static void tiles_due(struct core *core, void *arg)
{
    (void) arg;
    atomic_store(&core->tiles_due, true);
}

enum err integrator_signed(struct job *c, const struct ipc_checkpoint *in, struct err_info *reterr)
{
    enum err e;

    if (c->core->signing_roots > 0)
        c->core->signing_roots--;
    if (in == NULL)
        return ERR_OK;
    if (span_eq_str(in->code, "old-size")) {
        note_size(c->core, in->log, in->size);
        return ERR_OK;
    }
    if (in->code.n > 0) {
        /* The vault has signed another log than this one: nothing may be opened under it (STANDARDS 3.5). */
        if (span_eq_str(in->code, "audit-sealed"))
            audit_seal(c->core->audit, in->log, AUDIT_REFUSED, "the vault has signed something else", in->size);
        log_event(LOG_ERROR, "alarm.checkpoint-refused", LOG_SPAN("log", in->log), LOG_SPAN("code", in->code));
        return ERR_OK;
    }
    e = audit_checkpoint_store(c->core->audit, in->log, in->note, c->now.real, reterr);
    if (e == ERR_INVAL) {
        log_err(LOG_ERROR, "alarm.checkpoint-bad", reterr);
        return ERR_OK;
    }
    TRY(e);
    job_after(c, tiles_due, NULL);
    return ERR_OK;
}

enum err integrator_begin_logs(struct job *c, struct err_info *reterr)
{
    struct meta_log_list logs;

    TRY(meta_logs(c->v, c->mem, &logs, reterr));
    for (size_t i = 0; i < logs.n; i++) {
        const struct ipc_log_begin msg = { .log = logs.rows[i].log, .origin = logs.rows[i].origin };

        if (out_add(c->outs, OUT_VAULT_CALL, IPC_T_LOG_BEGIN, &msg) == NULL)
            return ERR_RAISE(reterr, ERR_NOMEM, "LOG_BEGIN");
    }
    return ERR_OK;
}

enum err integrator_remember_key(struct job *c, struct err_info *reterr)
{
    struct span pk = SPAN_EMPTY;
    enum err e = meta_setting_get(c->v, TILES_LOG_KEY, c->mem, NULL, &pk, reterr);

    if (e != ERR_OK && e != ERR_NOTFOUND)
        return e;
    if (span_eq(pk, SPAN_OF(c->core->log_pk)))
        return ERR_OK;
    return meta_setting_put(c->m, TILES_LOG_KEY, 0, SPAN_OF(c->core->log_pk), reterr);
}
