#pragma once
/*
 * Requests and grants between rows and the pure record of access/grant.h: load, judge there, save here; and everything
 * that a move brings with it in the same transaction: records of the audit log, ended viewings and keys, what is pushed
 * and told afterwards.
 *
 * An approved request has one grant for each of its viewers. A struct life is the request together with one of them, the
 * requester's unless another one was asked for, loaded in the call's transaction. The requester's grant and the request
 * share their state and version; a viewer's grant has its own.
 */
#include "access/request.h"
#include "keeper/job.h"
#include "keeper/terms.h"

struct life {
    struct meta_request q;
    struct meta_grant g;   /* id empty: not approved */
    struct grant st;       /* both, as access/grant.h sees them */
    bool beside;           /* a viewer's grant: the request's row is not its */
    const struct span *rids; /* the grant's, which may have been widened or narrowed; before approval: asked for */
    size_t n_rids;
    const struct span *asked; /* of the request: what the digest covers */
    size_t n_asked;
    const struct span *viewers; /* without the requester; sorted */
    size_t n_viewers;
    action_mask actions;
};

/* Whose it is: the grant's holder, before approval the requester. */
struct span life_holder(const struct life *l);

/* ERR_NOTFOUND. */
NODISCARD enum err life_of_request(struct job *c, struct span qid, struct life *ret, struct err_info *reterr);
NODISCARD enum err life_of_grant(struct job *c, struct span gid, struct life *ret, struct err_info *reterr);
/* The same from a row that was just read, without the lists: recordings, viewers and actions are empty. */
NODISCARD enum err life_head(struct job *c, const struct meta_grant *g, struct life *ret, struct err_info *reterr);

/* Lets time do what is due (STANDARDS 2.2: every touch evaluates the end) before anything else is judged. */
NODISCARD enum err life_touch(struct job *c, struct life *l, struct err_info *reterr);

/* Who did it and what they said, for the row and the record; all may be empty. */
struct life_by {
    struct span actor;   /* account; empty: the system */
    struct span comment;
    struct span rid;       /* the recording that it is about, if one; for the record */
    bool is_unsigned;    /* an act that would be signed (STANDARDS 2.4) */
};

/* Writes a step that is GRANT_OK and changed, with everything that belongs to it. */
NODISCARD enum err life_apply(struct job *c, struct life *l, const struct grant_step *step, const struct life_by *by,
                              struct err_info *reterr);

/* The record of an event alone; life_apply writes it for its step. */
NODISCARD enum err life_record(struct job *c, const struct life *l, enum grant_event event, const struct life_by *by,
                               struct err_info *reterr);

/* The answer for a step that was refused. */
NODISCARD enum err life_refuse(struct job *c, const struct life *l, const struct grant_step *step);

/* T2, T6: all guards as of now, for the holder; for one of the viewers of a pending request. */
NODISCARD enum err life_guards(struct job *c, const struct life *l, struct grant_guards *ret, struct err_info *reterr);

NODISCARD enum err life_guards_of(struct job *c, const struct life *l, struct span account, struct grant_guards *ret,
                                  struct err_info *reterr);

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
/* With its terms, for who has read them. */
NODISCARD enum err life_row_of(struct job *c, const struct life *l, const struct terms *t, uint16_t end_code,
                               struct ipc_row_grant *ret, struct err_info *reterr);

/* Everything this person asked for or holds ends: requests CANCELLED, grants REVOKED (STANDARDS 2.2). */
NODISCARD enum err life_end_person(struct job *c, struct span account, struct err_info *reterr);

/* After a change of the policy: live grants are judged again; denied ones are revoked (on_change = revoke). */
NODISCARD enum err life_policy_changed(struct job *c, struct err_info *reterr);

/* Every key has to be fetched anew: gen + 1 of all live grants, pushed. *ret_n: how many. */
NODISCARD enum err life_bump_all(struct job *c, size_t *ret_n, struct err_info *reterr);

/*
 * A ticket was closed: what waits for a decision or a start and names it is cancelled, what is open ends in 5 min
 * (cause ticket-closed), counted down in each grant's 'ends_early'. Opens nothing, ever.
 */
struct life_closed {
    int64_t n_cancelled, n_ending;
};
NODISCARD enum err life_ticket_closed(struct job *c, struct span project, struct span ticket, struct life_closed *ret,
                                      struct err_info *reterr);

/* A recording is gone: it leaves the scope of every live grant (gen + 1); who has nothing left is revoked. */
NODISCARD enum err life_recording_gone(struct job *c, struct span rid, struct err_info *reterr);

/* The timers: lapses, starts, ends, reviews. */
NODISCARD enum err life_sweep(struct job *c, struct err_info *reterr);

/* At start and after a boot: deadlines on this boot. */
NODISCARD enum err life_rebase_all(struct job *c, struct err_info *reterr);

/* Every live grant, to a gate every ingest token, and last every denied key to a channel that has just opened. */
NODISCARD enum err life_resync(struct job *c, uint32_t chan, bool gate, struct err_info *reterr);

/* May the caller see this request or grant? */
bool life_visible(const struct job *c, struct span project, struct span owner);
/* … the same, and who watches beside sees it, too. */
bool life_sees(const struct job *c, const struct life *l);

/* ms of windows that the caps on their sums leave this human for these recordings; INT64_MAX: there are none. */
NODISCARD enum err life_caps_left(struct job *c, struct span account, const struct span *rids, size_t n_rids,
                                  int64_t *ret, struct err_info *reterr);

/* ---- linked requests (life_link.c) ---- */

/* What a linked request does with the grant in its 'extends'. */
enum life_link { LINK_NONE, LINK_EXTEND, LINK_MORE_TIME, LINK_JOIN, LINK_WIDEN, LINK_BREAK_GLASS, LINK_N_ };
const char *life_link_name(enum life_link k); /* "extend"; "" for none */
enum life_link life_link_of(const struct meta_request *q);

/* link_gone and carry_ms of the guards. */
NODISCARD enum err life_link_guards(struct job *c, const struct life *l, struct grant_guards *ret,
                                    struct err_info *reterr);

/* Several of them, in the call's memory. */
struct lives {
    struct life *all;
    size_t n;
};

/* The grant and whatever prolongs it or is prolonged by it, of the same holder: one access to the person who has it. */
NODISCARD enum err life_family(struct job *c, const struct life *l, struct lives *ret, struct err_info *reterr);

/* What was decided beforehand for this grant, how much of it is used, and where more time begins. */
struct life_beforehand {
    struct life root;     /* whose request has 'more' and 'more_time' */
    struct life newest;   /* of this holder's, the one whose window ends last; is it open? look */
    int64_t more_used;    /* recordings added to it and to what prolongs it */
    int64_t times_used;
};
NODISCARD enum err life_beforehand(struct job *c, const struct life *l, struct life_beforehand *ret,
                                   struct err_info *reterr);
