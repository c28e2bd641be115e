#include "keeper/transact.h"

void transact_set_epoch(struct core *core, uint32_t epoch, const uint8_t pk[32])
{
    core->epoch = epoch;
    memcpy(core->epoch_pk, pk, sizeof(core->epoch_pk));
}

enum err transact(struct core *core, transact_fn *fn, void *arg, struct err_info *reterr)
{
    struct cmd *cmd = cmd_new(CMD_START, 0, 0, IPC_T_NONE_, NULL);
    struct job c = { .core = core, .seat = &core->seats[0], .m = core->m, .v = core->seats[0].v, .cmd = cmd };
    struct list outs;
    bool synced;
    enum err e;

    if (cmd == NULL)
        return ERR_RAISE(reterr, ERR_NOMEM, "transaction");
    list_init(&outs);
    c.mem = &cmd->mem;
    c.outs = &outs;
    c.answer = &cmd->answer;
    core->env.clocks(core->env.ctx, &c.now, &synced);
    c.now.trusted = true;
    e = meta_begin(core->m, reterr);
    if (e == ERR_OK)
        e = fn(&c, arg, reterr);
    if (e == ERR_OK)
        e = meta_commit(core->m, reterr);
    if (e == ERR_OK) {
        audit_committed(core->audit);
        for (struct after *a = c.after; a != NULL; a = a->next)
            a->fn(core, a->arg);
        core->env.deliver(core->env.ctx, &outs);
    } else {
        outs_free(&outs);
        (void) meta_rollback(core->m, NULL); /* the first error is the one to tell */
        audit_rolled_back(core->audit);
    }
    cmd_free(cmd);
    return e;
}
