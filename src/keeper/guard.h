#pragma once
/*
 * The guard (STANDARDS 2.6): who may change the rules is guarded as the rules are. It covers what a policy rests on: groups and roles that
 * the policy in force names and their members, person and subject ids, credentials of such people; and always the roles that decide or
 * open by themselves: admin, approver, breakglass; and masking rules that become looser.
 *
 * A guarded change waits for a second administrator. While there is one, it is marked sole-admin and works at once in the first 24 h
 * after init, or as long as nobody else may vote; otherwise after 24 h, in which whoever may vote was told and can stop it.
 *
 * So that one person cannot make himself alone: an account that was disabled counts as somebody who may vote for GUARD_MEMORY_MS, and
 * a change takes force by itself only while another person who could have stopped it is there; enabling one begins the 24 h anew.
 */
#include "keeper/job.h"
#include "meta/acts.h"

#define GUARD_WAIT_MS   (24LL * 3600 * 1000)
#define GUARD_MEMORY_MS (30LL * 24 * 3600 * 1000)

/* What a change touches: the words of GuardedChange.touches. */
enum guard_touch {
    GUARD_MEMBERS = 1,
    GUARD_ROLES = 2,
    GUARD_PERSON = 4,
    GUARD_SUBJECTS = 8,
    GUARD_CREDENTIALS = 16,
    GUARD_PROJECT = 32,
    GUARD_MASKING = 64, /* less is taken out of what is recorded, or more of it kept */
};

/* How things stand for a change that 'by' wants (NULL: init). */
struct guard_state {
    bool sole;    /* there is no second administrator */
    bool at_once; /* sole, and in the first 24 h, or nobody else may vote */
    bool watched; /* another person who may vote is there */
};
NODISCARD enum err guard_look(struct job *c, const struct who *by, struct guard_state *ret, struct err_info *reterr);

/*
 * The 24 h that a sole administrator's change or policy waits, on both clocks as windows are (STANDARDS 1.5): a wall clock that was put
 * forward does not make them pass. After a boot the wall clock alone tells.
 */
struct guard_day {
    time_ms effective_ms;
    struct span boot_id; /* of the call's memory */
    int64_t deadline_ms; /* boot clock, on that boot */
};
NODISCARD enum err guard_day_begin(struct job *c, struct guard_day *ret, struct err_info *reterr);
bool guard_day_over(const struct job *c, const struct guard_day *day);

/* May stop what waits: an administrator, or whoever may vote. */
NODISCARD enum err guard_may_stop(struct job *c, bool *ret, struct err_info *reterr);

/* Giving or taking this role; joining or leaving this group; 0: not guarded. */
NODISCARD enum err guard_role(struct job *c, struct span role, unsigned *io_touches, struct err_info *reterr);
NODISCARD enum err guard_team(struct job *c, struct span team, unsigned *io_touches, struct err_info *reterr);
NODISCARD enum err guard_new_team(struct job *c, struct span name, unsigned *io_touches, struct err_info *reterr);
/* Making somebody whom a rule names already. */
NODISCARD enum err guard_new_user(struct job *c, struct span name, unsigned *io_touches, struct err_info *reterr);
/* The policy rests on who this is: a guarded role, a guarded group, or named. */
NODISCARD enum err guard_rests_on(struct job *c, const struct who *w, bool *ret, struct err_info *reterr);
/* A project's name that a rule goes by. */
NODISCARD enum err guard_project_name(struct job *c, struct span name, unsigned *io_touches, struct err_info *reterr);

/*
 * After all guards of the handler, before it writes. *ret_held: the change waits, 202 has been answered, write nothing. Else go on;
 * records made with trail_mark then say sole_admin where it applies. obj: id of what is changed, or empty.
 * 'token': token_create only, the id of the token that waits with it; or empty.
 */
NODISCARD enum err guard_hold(struct job *c, unsigned touches, struct span obj, struct span token, bool *ret_held,
                              struct err_info *reterr);

/* Does what waited: *row is its new state (done, failed). by: the administrator, or NULL: its time has come. */
NODISCARD enum err guard_do(struct job *c, struct meta_change *row, const struct who *by, struct span comment,
                            struct err_info *reterr);
NODISCARD enum err guard_stop(struct job *c, struct meta_change *row, struct span comment, struct err_info *reterr);

/* Changes whose time has come. */
NODISCARD enum err guard_due(struct job *c, struct err_info *reterr);

/* Somebody who may vote is back: whoever was away gets the 24 h, too. */
NODISCARD enum err guard_begin_anew(struct job *c, struct err_info *reterr);

/* One GuardedChange as a JSON object; 'secret' of a waiting token, or empty. */
NODISCARD enum err guard_view(struct job *c, const struct meta_change *row, struct span secret, struct err_info *reterr);
