#pragma once
/* Inside api/: the grant of a path, as the caller may see it. */
#include "keeper/api/api.h"
#include "keeper/life.h"

/* Brought up to date. *ret_ok false: 404 has been answered. */
NODISCARD enum err grant_find(struct job *c, struct life *ret, bool *ret_ok, struct err_info *reterr);

/* 200 with the grant. */
NODISCARD enum err grant_answer(struct job *c, const struct life *l, struct err_info *reterr);
