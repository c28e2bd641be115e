#include "keeper/ticks.h"

#include <stdlib.h>

#include "base/log.h"
#include "keeper/clock_trust.h"
#include "keeper/guard.h"
#include "keeper/hooks.h"
#include "keeper/ingest.h"
#include "keeper/ingest_tokens.h"
#include "keeper/integrator.h"
#include "keeper/life.h"
#include "keeper/ongoing.h"
#include "keeper/notice.h"
#include "keeper/policies.h"
#include "keeper/records.h"
#include "keeper/replay.h"
#include "keeper/reserve.h"
#include "keeper/scrub.h"
#include "keeper/session.h"
#include "keeper/trail.h"
#include "keeper/viewings.h"
#include "meta/hooks.h"

#define LOW_WATER_PERCENT 5
#define INGEST_PERCENT    10 /* recording gives way before new windows do */
#define PURGE_MAX         1000

static enum err write_plain(struct job *c, enum leaf_type type, struct err_info *reterr)
{
    struct leaf l = trail_leaf(c, type, SPAN_EMPTY);

    return trail_write(c, &l, NULL, reterr);
}

/* ---- start and stop ---- */

static enum err config_record(struct job *c, struct err_info *reterr)
{
    struct span hash = job_b64(c, SPAN_OF(c->core->cfg.config_sha256));
    struct leaf l = trail_leaf(c, LEAF_CONFIG_CHANGED, SPAN_EMPTY);
    bool changed;

    TRY(meta_config_seen(c->m, hash, c->now.real, &changed, reterr));
    if (!changed)
        return ERR_OK;
    l.digest = hash;
    return trail_write(c, &l, NULL, reterr);
}

/* SIGHUP: lengths of time that only the writer reads change at once; addresses and directories need a restart. */
static void take_lengths(struct core *core, void *arg)
{
    const struct ipc_keeper_config *in = arg;

    core->cfg.key_life_s = in->key_life_s;
    core->cfg.bearer_life_s = in->bearer_life_s;
    core->cfg.edge_skew_s = in->edge_skew_s;
    core->cfg.lapse_ms = in->lapse_ms;
    core->cfg.idle_session_ms = in->idle_session_ms;
    core->cfg.session_ms = in->session_ms;
    core->cfg.cli_session_ms = in->cli_session_ms;
    core->cfg.require_sync = in->require_sync != 0;
    core->cfg.vanish_ms = in->vanish_ms;
    core->cfg.new_key_wait_ms = in->new_key_wait_ms;
}

static void take_hooks(struct core *core, void *arg)
{
    const struct ipc_keeper_config *in = arg;
    struct core_hook *all = calloc(in->hooks.n + 1, sizeof(*all));
    struct arena mem;
    struct hooks *hooks;

    arena_init(&mem, 1U << 20);
    for (uint32_t i = 0; all != NULL && i < in->hooks.n; i++) {
        const struct ipc_row_hook *row = &in->hooks.rows[i];

        all[i] = (struct core_hook){ arena_str(&mem, row->name), arena_str(&mem, row->project),
                                     arena_str(&mem, row->format), arena_str(&mem, row->secret) };
    }
    hooks = all == NULL ? NULL : hooks_new(all, in->hooks.n);
    if (hooks != NULL) { /* without memory the old ones stay */
        hooks_free(core->hooks);
        core->hooks = hooks;
    }
    arena_deinit(&mem);
    free(all);
}

static enum err new_config(struct job *c, const struct ipc_keeper_config *in, struct err_info *reterr)
{
    if (in->config_sha256.n == sizeof(c->core->cfg.config_sha256))
        memcpy(c->core->cfg.config_sha256, in->config_sha256.p, in->config_sha256.n);
    job_after(c, take_lengths, (void *) (uintptr_t) in);
    job_after(c, take_hooks, (void *) (uintptr_t) in);
    return config_record(c, reterr);
}

static void begun(struct core *core, void *arg)
{
    (void) arg;
    core->begun = true;
}

enum err ticks_start(struct job *c, struct err_info *reterr)
{
    job_after(c, begun, NULL);
    TRY(write_plain(c, LEAF_SERVICE_STARTED, reterr));
    TRY(config_record(c, reterr));
    TRY(ingest_forget(c, 0, reterr));
    TRY(viewings_remember(c, reterr));
    return ERR_OK;
}

static enum err stop(struct job *c, struct err_info *reterr)
{
    TRY(session_write_touches(c, reterr));
    TRY(records_write(c, true, reterr));
    return write_plain(c, LEAF_SERVICE_STOPPED, reterr);
}

/* ---- each second ---- */

/* Low water closes everything but endings (STANDARDS 3.6); it opens again by itself when there is room. */
static void check_space(struct core *core)
{
    uint64_t room = 0, total = 0;
    bool low;

    if (!core->env.space(core->env.ctx, &room, &total) || total == 0)
        return;
    reserve_keep(core, room);
    atomic_store(&core->ingest_space, room < total / 100 * INGEST_PERCENT);
    low = room < total / 100 * LOW_WATER_PERCENT;
    if (low != atomic_exchange(&core->audit_space, low))
        log_event(low ? LOG_ERROR : LOG_INFO, "audit.space", LOG_INT("low", low), LOG_INT("free", room));
}

static void clock_told(struct core *core, void *arg)
{
    core->clock_said_bad = arg != NULL;
}

static enum err check_clock(struct job *c, struct err_info *reterr)
{
    bool bad = !c->now.trusted;

    if (bad == c->core->clock_said_bad)
        return ERR_OK;
    job_after(c, clock_told, bad ? c : NULL);
    log_event(bad ? LOG_ERROR : LOG_INFO, bad ? "clock.untrusted" : "clock.trusted");
    return write_plain(c, bad ? LEAF_CLOCK_UNTRUSTED : LEAF_CLOCK_TRUSTED, reterr);
}

static void rebased(struct core *core, void *arg)
{
    (void) arg;
    core->rebased = true;
}

static enum err second(struct job *c, struct err_info *reterr)
{
    check_space(c->core);
    TRY(scrub_take(c, reterr));
    TRY(check_clock(c, reterr));
    if (!c->core->rebased && c->now.trusted) {
        TRY(life_rebase_all(c, reterr));
        job_after(c, rebased, NULL);
    }
    TRY(session_write_touches(c, reterr));
    TRY(policies_enact_due(c, reterr));
    TRY(guard_due(c, reterr));
    TRY(life_sweep(c, reterr));
    TRY(viewings_sweep(c, reterr));
    TRY(ingest_tokens_sweep(c, reterr));
    TRY(ongoing_sweep(c, reterr));
    replay_sweep(c->core, c->now.real);
    if (atomic_load(&c->core->gate_there))
        TRY(ingest_tell_gone(c, reterr));
    return records_write(c, false, reterr);
}

/* Nothing but what keeps the state. */
static enum err sealed_second(struct job *c, struct err_info *reterr)
{
    check_space(c->core);
    TRY(scrub_take(c, reterr));
    return audit_seal_store(c->core->audit, reterr);
}

static enum err minute(struct job *c, struct err_info *reterr)
{
    size_t n_noted;
    int n_purged;

    TRY(clock_trust_minute(c, reterr));
    TRY(records_write(c, true, reterr));
    TRY(session_sweep(c, reterr));
    TRY(meta_idempotency_purge(c->m, c->now.real, PURGE_MAX, &n_purged, reterr));
    TRY(meta_hook_purge(c->m, c->now.real - HOOKS_KEEP_MS, PURGE_MAX, &n_purged, reterr));
    return audit_note_checkpoints(c->core->audit, c->now.real, &n_noted, reterr);
}

/* ---- channels ---- */

static enum err gate_open(struct job *c, struct err_info *reterr)
{
    if (c->cmd->index != 0)
        return ERR_OK;
    atomic_store(&c->core->gate_there, true);
    ongoing_gate_opened(c);
    TRY(life_resync(c, c->cmd->chan, true, reterr));
    return ingest_tell_gone(c, reterr);
}

static void chan_closed(struct core *core, void *arg)
{
    const struct cmd *cmd = arg;

    viewings_chan_closed(core, cmd->chan);
    notice_chan_closed(core, cmd->chan);
}

static enum err gate_closed(struct job *c, struct err_info *reterr)
{
    if (c->cmd->index == 0)
        atomic_store(&c->core->gate_there, false);
    ongoing_gate_closed(c);
    job_after(c, chan_closed, c->cmd);
    return ingest_forget(c, c->cmd->chan, reterr);
}

static enum err vault_open(struct job *c, struct err_info *reterr)
{
    atomic_store(&c->core->vault_there, true);
    c->core->compare_all = true; /* true whatever becomes of this transaction */
    TRY(life_resync(c, c->cmd->chan, false, reterr));
    return integrator_begin_logs(c, reterr);
}

enum err ticks_run(struct job *c, struct err_info *reterr)
{
    /* A sealed log takes no record, so nothing that leaves one can happen (STANDARDS 3.5): read-only. */
    bool sealed = audit_sealed(c->core->audit, SPAN_EMPTY) != NULL;

    if (sealed != atomic_exchange(&c->core->audit_sealed, sealed) && sealed)
        log_event(LOG_ERROR, "alarm.audit-sealed", LOG_STR("text", audit_sealed(c->core->audit, SPAN_EMPTY)));
    switch (c->cmd->kind) {
    case CMD_START: return sealed ? ERR_OK : ticks_start(c, reterr);
    case CMD_STOP: return sealed ? ERR_OK : stop(c, reterr);
    case CMD_SECOND: return sealed ? sealed_second(c, reterr) : second(c, reterr);
    case CMD_CONFIG: return sealed ? ERR_OK : new_config(c, c->cmd->msg, reterr);
    case CMD_MINUTE: return sealed ? ERR_OK : minute(c, reterr);
    case CMD_INTEGRATE: return integrator_run(c, reterr);
    case CMD_SIGNED_ROOT: return integrator_signed(c, c->cmd->msg, reterr);
    case CMD_GATE_OPEN: return gate_open(c, reterr);
    case CMD_GATE_CLOSED: return gate_closed(c, reterr);
    case CMD_VAULT_OPEN: return vault_open(c, reterr);
    case CMD_VAULT_CLOSED: atomic_store(&c->core->vault_there, false); return ERR_OK;
    case CMD_MESSAGE: break; /* not of ours */
    }
    return ERR_OK;
}
