#pragma once
/* Reading people, groups and roles out of a body. */
#include "keeper/accounts.h"
#include "keeper/api/api.h"
#include "keeper/guard.h"

/* Names of groups become ids; unknown ones are noted. */
NODISCARD enum err people_read_groups(struct job *c, struct tree args, const char *name, struct span **ret, size_t *ret_n,
                                      bool *ret_there, struct err_info *reterr);
/* [{project?, role}]; names of projects become ids. */
NODISCARD enum err people_read_roles(struct job *c, struct tree args, const char *name, struct accounts_role **ret,
                                     size_t *ret_n, bool *ret_there, struct err_info *reterr);
/* Strings of at most 200 characters. */
void people_read_texts(struct job *c, struct tree args, const char *name, size_t max, struct span **ret, size_t *ret_n,
                       bool *ret_there);
/* Accounts by id or name become ids. */
NODISCARD enum err people_read_accounts(struct job *c, struct tree args, const char *name, struct span **ret,
                                        size_t *ret_n, bool *ret_there, struct err_info *reterr);

/* What the guard says of making the roles given to 'who' (empty: somebody new) be exactly these. */
NODISCARD enum err people_roles_touch(struct job *c, struct span who, const struct accounts_role *roles, size_t n,
                                      unsigned *io_touches, struct err_info *reterr);

/* Makes the roles given to 'who' be exactly these. */
NODISCARD enum err people_set_roles(struct job *c, struct span who, const struct accounts_role *roles, size_t n,
                                    struct err_info *reterr);

/* True while some other active account is an administrator, too. */
bool people_other_admin(const struct people *people, struct span but);
