#pragma once
/*
 * Memory that runs out, for tests that link dep_nomem: malloc, calloc, realloc, reallocarray and strdup of our own code (not of
 * libraries) can be made to fail at the n-th call.
 *
 *   for (unsigned n = 0; nomem_try(n, work, ctx); n++)
 *       ;
 *
 * runs work(ctx) with the n-th allocation failing, and with all after it, until a run needed no more than n. work returns
 * true when it succeeded; a run in which an allocation failed may succeed too (what is optional), never crash, and leak nothing
 * (the address sanitizer looks).
 */
#include <stdbool.h>

typedef bool nomem_work(void *ctx);

/* False: the run had memory enough and succeeded; a run that had memory enough and did not succeed fails the test. */
bool nomem_try(unsigned n, nomem_work *work, void *ctx);

/* As nomem_try, but only the n-th fails and there is memory again after it. *ret_ok: work succeeded all the same. */
bool nomem_try_one(unsigned n, nomem_work *work, void *ctx, bool *ret_ok);

/* By hand: from the n-th allocation on everything fails, until nomem_off(). Returns how many were asked for in between. */
void nomem_after(unsigned n);
unsigned nomem_off(void);

/*
 * For wraps of a test's own around other things that may fail (-Wl,--wrap=…): counts as one more allocation. True: this one
 * has to fail.
 */
bool nomem_fails(void);
