#pragma once
/*
 * Checkpoints of the audit logs: what the vault signs of a log continues what it signed last, and shows every leaf that it
 * waits for (STANDARDS 1.9, 3.5).
 *
 * Several that come in one turn share one write of the key store: stage each, save all, then sign each. What is not on disk
 * was not signed: a save that fails takes them all back.
 *
 * Life: checkpoint_stage* -> checkpoint_save -> checkpoint_note* -> checkpoint_free*. Between stage and save the core's
 *       last_signed is ahead of the disk: nothing may be signed by it but through these.
 */
#include "format/note.h"
#include "vault/core.h"

enum checkpoint_verdict {
    CHECKPOINT_GOOD,
    CHECKPOINT_OLD,    /* begins before what was signed last: the keeper asks again from there */
    CHECKPOINT_SEALED, /* does not continue it, names the log otherwise, or is of a generation that has ended: alarm */
    CHECKPOINT_HIDES,  /* another leaf stands where one is waited for: alarm, nothing is signed or released any more */
    CHECKPOINT_BAD,    /* no checkpoint request, or no memory */
};

struct checkpoint {
    struct list node;
    uint64_t call; /* the caller's */
    char log[LOG_ID_CAP];
    char origin[NOTE_NAME_MAX + 1];
    uint64_t size;
    struct merkle_hash root;
    struct waiting_run *run;
    bool changes;          /* last_signed moves */
    bool had;              /* 'before' is what it was */
    struct keystore_entry before;
};

/* CHECKPOINT_GOOD: *ret is the caller's, and the core's last_signed is of it. Else *reterr says why. */
enum checkpoint_verdict checkpoint_stage(struct vault_core *c, const struct ipc_sign_checkpoint *m, struct checkpoint **ret,
                                         struct err_info *reterr);

/*
 * Makes all of the list durable, in one write when any changes something. On an error all are taken back. Afterwards the
 * leaves they show are struck off. boot: CLOCK_BOOTTIME.
 */
NODISCARD enum err checkpoint_save(struct vault_core *c, struct list *staged, int64_t boot, struct err_info *reterr);

/* Appends the signed note of one that was saved. */
NODISCARD enum err checkpoint_note(const struct vault_core *c, const struct checkpoint *p, struct buf *out,
                                   struct err_info *reterr);

struct checkpoint *checkpoint_free(struct checkpoint *p);
