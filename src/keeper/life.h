#pragma once
/*
 * Requests and grants between rows and the pure record of access/grant.h: load, judge there, save here; and everything
 * that a move brings with it in the same transaction: records of the audit log, ended viewings and keys, what is pushed
 * and told afterwards.
 *
 * One request has at most one grant. A struct life is one of them, loaded in the call's transaction.
 */
#include "access/request.h"
#include "keeper/job.h"

struct life {
    struct meta_request q;
    struct meta_grant g;   /* id empty: not approved */
    struct grant st;       /* both, as access/grant.h sees them */
    const struct span *rids;
    size_t n_rids;
    action_mask actions;
};

/* ERR_NOTFOUND. */
NODISCARD enum err life_of_request(struct job *c, struct span qid, struct life *ret, struct err_info *reterr);
NODISCARD enum err life_of_grant(struct job *c, struct span gid, struct life *ret, struct err_info *reterr);

/* Lets time do what is due (STANDARDS 2.2: every touch evaluates the end) before anything else is judged. */
NODISCARD enum err life_touch(struct job *c, struct life *l, struct err_info *reterr);

/* Who did it and what they said, for the row and the record; all may be empty. */
struct life_by {
    struct span actor;   /* account; empty: the system */
    struct span comment;
    bool is_unsigned;    /* an act that would be signed (STANDARDS 2.4) */
};

/* Writes a step that is GRANT_OK and changed, with everything that belongs to it. */
NODISCARD enum err life_apply(struct job *c, struct life *l, const struct grant_step *step, const struct life_by *by,
                              struct err_info *reterr);

/* The answer for a step that was refused. */
NODISCARD enum err life_refuse(struct job *c, const struct life *l, const struct grant_step *step);

/* T6: all guards as of now. */
NODISCARD enum err life_guards(struct job *c, const struct life *l, struct grant_guards *ret, struct err_info *reterr);

/* Opens a SCHEDULED window, or revokes or lapses it when a guard does not hold. */
NODISCARD enum err life_start(struct job *c, struct life *l, bool first_use, struct grant_step *ret,
                              struct err_info *reterr);

/* The vote rule and case of a request, for votes, plans and T6. */
struct life_ballot {
    struct vote_rule rule;
    struct vote_case c;
    struct vote *votes;
    struct meta_vote *rows;
    size_t n_votes;
};
NODISCARD enum err life_ballot(struct job *c, const struct life *l, struct life_ballot *ret, struct err_info *reterr);

/* Inside life*.c: the record into its rows; the row to gate and vault. */
void life_to_rows(struct job *c, struct life *l);
NODISCARD enum err life_push(struct job *c, const struct life *l, int end_code, struct err_info *reterr);

/* The gate's row of a grant. */
NODISCARD enum err life_row(struct job *c, const struct life *l, uint16_t end_code, struct ipc_row_grant *ret,
                            struct err_info *reterr);

/* Everything this person asked for or holds ends: requests CANCELLED, grants REVOKED (STANDARDS 2.2). */
NODISCARD enum err life_end_person(struct job *c, struct span account, struct err_info *reterr);

/* After a change of the policy: live grants are judged again; denied ones are revoked (on_change = revoke). */
NODISCARD enum err life_policy_changed(struct job *c, struct err_info *reterr);

/* Every key has to be fetched anew: gen + 1 of all live grants, pushed. *ret_n: how many. */
NODISCARD enum err life_bump_all(struct job *c, size_t *ret_n, struct err_info *reterr);

/* The timers: lapses, starts, ends. */
NODISCARD enum err life_sweep(struct job *c, struct err_info *reterr);

/* At start and after a boot: deadlines on this boot. */
NODISCARD enum err life_rebase_all(struct job *c, struct err_info *reterr);

/* Every live grant, to a gate every ingest token, and last every denied key to a channel that has just opened. */
NODISCARD enum err life_resync(struct job *c, uint32_t chan, bool gate, struct err_info *reterr);

/* May the caller see this request or grant? */
bool life_visible(const struct job *c, struct span project, struct span owner);
