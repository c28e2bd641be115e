#pragma once
/*
 * Proposing, stopping and enacting policies (STANDARDS 2.6): with a second administrator the other one
 * enacts; a sole administrator's proposal is marked, and works at once in the first 24 h after init or while nobody else
 * may vote, otherwise after 24 h. All who may vote are told at once, and each can stop it until then.
 */
#include "access/policy.h"
#include "keeper/job.h"

#define POLICIES_INIT    "init.ms" /* setting: when this installation was made */

struct policies_new {
    struct span source, tree, comment;
    struct span print, hash; /* canonical text and its b64u SHA-256 */
};

/* Compiles a tree: print and hash are filled; *ret_policy lies in c->mem. ERR_INVAL …: reterr says what is wrong. */
NODISCARD enum err policies_compile(struct job *c, struct policies_new *n, const struct policy **ret_policy,
                                    struct err_info *reterr);

/* Stores it as proposed, or puts it in force at once where the guard allows. */
NODISCARD enum err policies_propose(struct job *c, const struct policies_new *n, struct meta_policy *ret,
                                    struct err_info *reterr);

NODISCARD enum err policies_enact(struct job *c, struct span hash, struct span by, const char *outcome,
                                  struct err_info *reterr);

/* 'row' is in state "proposed" and becomes "stopped". */
NODISCARD enum err policies_stop(struct job *c, struct meta_policy *row, struct span comment, struct err_info *reterr);

/*
 * Rules that ask for votes which today's people cannot give, in some project that the rule is about. One call of 'fn' for
 * each (rule, project); at most 'max'. 'policy' need not be in force.
 */
struct policies_lack {
    const struct policy_rule *rule;
    const struct meta_project *project;
    struct vote_plan plan;
};
NODISCARD enum err policies_lacking(struct job *c, const struct policy *policy, size_t max,
                                    void (*fn)(struct job *c, const struct policies_lack *lack), struct err_info *reterr);

/* Somebody is back who may stop what waits: each proposal that time alone would enact waits its whole time again. */
NODISCARD enum err policies_begin_anew(struct job *c, struct err_info *reterr);

/* Proposals whose time has come. */
NODISCARD enum err policies_enact_due(struct job *c, struct err_info *reterr);
