#pragma once
/*
 * Sealed logs, from finding them at start to letting them go on (STANDARDS 3.5; docs/formats/audit.md, "Generations").
 *
 * While any log is sealed the server is read-only: no request, key, lease, grant; what people need to look and to unseal
 * (signing in, reading) works, and leaves its records in the journal instead of a log that takes none.
 */
#include "keeper/job.h"

/* At start: what lies in DIR/audit against the table, with the key that the vault had last. */
NODISCARD enum err unseal_compare(struct core *core, struct err_info *reterr);

/* May a record of this type go without, while its log is sealed? It is written to the journal then. */
bool unseal_may_miss(enum leaf_type type);

/* Administrators who can sign in and are different people. */
size_t unseal_count_admins(const struct people *people);

struct unseal {
    struct span log;    /* empty: all that are sealed */
    struct span reason; /* of the one who asked second */
    struct span other;  /* account of the one who asked first; empty: root at the console */
};

/*
 * Inside a transaction: each sealed log goes on as its next generation, with audit.sealed and audit.unsealed. *ret: the new
 * logs' names, in c->mem. ERR_STATE: nothing (of that name) is sealed.
 */
NODISCARD enum err unseal_run(struct job *c, const struct unseal *u, struct span **ret, size_t *ret_n,
                              struct err_info *reterr);
