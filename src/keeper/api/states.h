#pragma once
/* What requests_list and grants_list have in common: whose, in which states, about which recording. */
#include "keeper/inbox.h"
#include "keeper/pages.h"

#define STATES_MAX 10

struct states {
    struct meta_access_filter filter;
    struct span words[STATES_MAX];
};

/*
 * Reads 'state' (words separated by commas, any case; 'alias' stands for the n_alias words), 'box' and 'recording'.
 * Mistakes are noted in c->body.errors. box mine: the caller's own; inbox: of the projects the caller decides in; otherwise both.
 */
NODISCARD enum err states_read(struct job *c, struct states *s, const char *alias, const struct span *alias_words,
                               size_t n_alias, struct err_info *reterr);
