#include "keeper/unseal.h"

#include <fcntl.h>
#include <stdio.h>

#include "base/log.h"
#include "keeper/ticks.h"
#include "keeper/trail.h"
#include "os/file.h"

#define SEALED_MAX      10000
#define GENERATIONS_MAX 1000

/* ---- at start ---- */

static enum err compare_one(struct core *core, struct span log, struct err_info *reterr)
{
    CLEANUP(buf_deinit) struct buf note = BUF_INIT(NOTE_MAX);
    struct err_info err = { 0 };
    enum err e = tiles_checkpoint(core->cfg.dir, log, &note, &err);

    if (e == ERR_OK)
        e = audit_compare(core->audit, log, buf_span(&note), &err);
    if (e == ERR_OK || e == ERR_NOTFOUND)
        return ERR_OK;
    if (e == ERR_INVAL || e == ERR_LIMIT || e == ERR_CORRUPT) { /* not signed: proves nothing, and is made again */
        log_err(LOG_WARN, "audit.checkpoint-file", &err);
        return ERR_OK;
    }
    if (reterr != NULL)
        *reterr = err;
    return e;
}

enum err unseal_compare(struct core *core, struct err_info *reterr)
{
    CLEANUP(arena_deinit) struct arena mem = { 0 };
    struct meta_log_list logs;
    struct span pk = SPAN_EMPTY;
    enum err e;

    arena_init(&mem, 256U << 20);
    e = meta_setting_get(meta_view(core->m), TILES_LOG_KEY, &mem, NULL, &pk, reterr);
    if (e == ERR_NOTFOUND || (e == ERR_OK && pk.n != NOTE_ED25519_PK))
        return ERR_OK; /* no vault has ever been here, so nothing was signed */
    TRY(e);
    audit_set_key(core->audit, pk.p);
    TRY(meta_logs(meta_view(core->m), &mem, &logs, reterr));
    for (size_t i = 0; i < logs.n; i++)
        TRY(compare_one(core, logs.rows[i].log, reterr));
    return ERR_OK;
}

/* ---- while sealed ---- */

bool unseal_may_miss(enum leaf_type type)
{
    return type == LEAF_LOGIN_OK || type == LEAF_LOGIN_FAILED || type == LEAF_LOGIN_ENDED ||
           type == LEAF_CLIENT_KEY_REGISTERED || type == LEAF_API_READ || type == LEAF_AUDIT_READ;
}

static bool is_admin(const struct who *w)
{
    return !w->disabled && (role_in(w->roles, w->n_roles, SPAN(ROLE_SYSTEM), 0) & ROLE_BIT(ROLE_ADMIN)) != 0;
}

size_t unseal_count_admins(const struct people *people)
{
    size_t n = 0;

    for (size_t i = 0; i < people->n; i++) {
        const struct who *w = &people->all[i];
        bool again = false;

        if (!is_admin(w))
            continue;
        for (size_t k = 0; k < i && !again; k++)
            again = is_admin(&people->all[k]) && span_eq(who_person(w), who_person(&people->all[k]));
        n += !again;
    }
    return n;
}

/* ---- going on ---- */

/* Another life of this server may have had later generations than the table knows: their names are taken. */
static uint32_t free_generation(const struct core *core, struct span base)
{
    CLEANUP(os_closep) int top = -1;
    char path[600];
    uint32_t n = 2;

    (void) snprintf(path, sizeof(path), "%s/audit", core->cfg.dir);
    if (os_dir_open(path, false, &top, NULL) != ERR_OK)
        return n;
    for (; n < GENERATIONS_MAX; n++) {
        CLEANUP(os_closep) int fd = -1;
        char name[LOG_ID_CAP + 12];

        (void) snprintf(name, sizeof(name), SPAN_FMT "~%u", SPAN_ARG(base), n);
        if (os_file_open(top, name, O_RDONLY | O_DIRECTORY, &fd, NULL) != ERR_OK)
            break;
    }
    return n;
}

static enum err begin_at_vault(struct job *c, struct span log, struct err_info *reterr)
{
    struct meta_log row;
    struct ipc_log_begin msg;

    TRY(meta_log_get(c->v, log, c->mem, &row, reterr));
    msg = (struct ipc_log_begin){ .log = row.log, .origin = row.origin };
    if (out_add(c->outs, OUT_VAULT_CALL, IPC_T_LOG_BEGIN, &msg) == NULL)
        return ERR_RAISE(reterr, ERR_NOMEM, "LOG_BEGIN");
    return ERR_OK;
}

static enum err go_on(struct job *c, const struct unseal *u, struct span old, struct span *ret, struct err_info *reterr)
{
    struct leaf first = trail_leaf(c, LEAF_LOG_CONTINUED, SPAN_EMPTY);
    struct leaf l = trail_leaf(c, LEAF_AUDIT_UNSEALED, SPAN_EMPTY);
    struct span base, name;

    (void) log_id_generation(old, &base);
    TRY(audit_continue(c->core->audit, old, free_generation(c->core, base), &first, u->other.n == 0, &name, reterr));
    *ret = arena_span(c->mem, name);
    l.log = base;
    l.obj = u->other;
    if (u->other.n == 0)
        l.outcome = SPAN("console");
    if (c->core->unrecorded > 0)
        (void) leaf_add_number(&l, "unrecorded", (int64_t) c->core->unrecorded);
    trail_mark(c, &l);
    if (c->me != NULL)
        trail_fact(c, &l, "reason", u->reason, who_person(c->me));
    TRY(trail_write(c, &l, NULL, reterr));
    log_event(LOG_WARN, "audit.unsealed", LOG_SPAN("log", old), LOG_SPAN("as", name));
    return begin_at_vault(c, name, reterr);
}

static enum err tell_sealed(struct job *c, struct span old, struct span fault, struct err_info *reterr)
{
    struct leaf l = trail_leaf(c, LEAF_AUDIT_SEALED, SPAN_EMPTY);

    l.actor = SPAN("system");
    l.obj = old;
    l.outcome = fault;
    return trail_write(c, &l, NULL, reterr);
}

static void unsealed(struct core *core, void *arg)
{
    (void) arg;
    core->unrecorded = 0;
    atomic_store(&core->audit_sealed, audit_sealed(core->audit, SPAN_EMPTY) != NULL);
    atomic_store(&core->tiles_due, true);
}

/* 'system' first: the others' records go into it. */
static size_t sealed_logs(struct job *c, const struct unseal *u, struct span *ret, size_t max)
{
    size_t n = 0;

    for (int turn = 0; turn < 2; turn++) {
        const char *name;

        for (size_t at = 0; n < max && (name = audit_next_sealed(c->core->audit, &at)) != NULL;) {
            bool is_system = span_starts(span_str(name), LOG_ID_SYSTEM);

            if (is_system == (turn == 0) && (u->log.n == 0 || span_eq_str(u->log, name)))
                ret[n++] = job_span(c, name);
        }
    }
    return n;
}

enum err unseal_run(struct job *c, const struct unseal *u, struct span **ret, size_t *ret_n, struct err_info *reterr)
{
    struct span *old = arena_alloc(c->mem, SEALED_MAX * sizeof(*old));
    struct span *fresh = arena_alloc(c->mem, SEALED_MAX * sizeof(*fresh));
    struct span *faults = arena_alloc(c->mem, SEALED_MAX * sizeof(*faults));
    size_t n;

    if (old == NULL || fresh == NULL || faults == NULL)
        return ERR_RAISE(reterr, ERR_NOMEM, "unseal");
    n = sealed_logs(c, u, old, SEALED_MAX);
    if (n == 0)
        return ERR_RAISE(reterr, ERR_STATE, "no such log is sealed");
    for (size_t i = 0; i < n; i++) {
        faults[i] = span_str(audit_fault_word(audit_fault_of(c->core->audit, old[i])));
        TRY(go_on(c, u, old[i], &fresh[i], reterr));
    }
    for (size_t i = 0; i < n; i++)
        TRY(tell_sealed(c, old[i], faults[i], reterr));
    if (u->other.n > 0 && !c->core->begun && audit_sealed(c->core->audit, SPAN_EMPTY) == NULL)
        TRY(ticks_start(c, reterr));
    job_after(c, unsealed, NULL);
    *ret = fresh;
    *ret_n = n;
    return ERR_OK;
}
