#pragma once
/*
 * One role as a child process: start, its control link, its end, starting again after a while.
 *
 * The child is this binary, `keyhole role NAME`, with the control channel on descriptor 3 and nothing else open. It dies
 * with the supervisor (PR_SET_PDEATHSIG).
 */
#include <sys/types.h>

#include "link/link.h"
#include "loop/timer.h"
#include "loop/watch.h"

struct role_proc;

struct role_ops {
    void (*on_started)(void *ctx, struct role_proc *r); /* the control link is there: send configuration and peers */
    void (*on_ready)(void *ctx, struct role_proc *r);
    void (*on_gone)(void *ctx, struct role_proc *r);    /* it died; unless stopping it starts again by itself */
};

struct role_proc {
    enum role_id id;
    const char *name; /* "gate" */
    struct loop *loop;
    const struct role_ops *ops;
    void *ctx;
    pid_t pid; /* 0: not running */
    bool ready, stopping, ever_ready;
    struct link *control;
    struct loop_child *child;
    struct loop_timer again;
    time_ms started_at, delay;
    char why[200]; /* of READY ok = 0 */
};

void role_proc_init(struct role_proc *r, enum role_id id, struct loop *l, const struct role_ops *ops, void *ctx);

NODISCARD enum err role_proc_start(struct role_proc *r, struct err_info *reterr);

/* Sends SHUTDOWN; on_gone follows. Nothing when it does not run. */
void role_proc_stop(struct role_proc *r, uint32_t grace_ms);
void role_proc_kill(struct role_proc *r);
void role_proc_deinit(struct role_proc *r);
