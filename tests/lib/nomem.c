#include "nomem.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "test.h"

void *__real_malloc(size_t n);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t n);
void *__real_reallocarray(void *p, size_t n, size_t size);

void *__wrap_malloc(size_t n);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t n);
void *__wrap_reallocarray(void *p, size_t n, size_t size);
char *__wrap_strdup(const char *s);

static bool on, failed, once;
static unsigned left, asked;

bool nomem_fails(void)
{
    if (!on)
        return false;
    asked++;
    if (once && failed)
        return false;
    if (left > 0) {
        left--;
        return false;
    }
    failed = true;
    return true;
}

void *__wrap_malloc(size_t n)
{
    return nomem_fails() ? NULL : __real_malloc(n);
}

void *__wrap_calloc(size_t n, size_t size)
{
    return nomem_fails() ? NULL : __real_calloc(n, size);
}

void *__wrap_realloc(void *p, size_t n)
{
    return nomem_fails() ? NULL : __real_realloc(p, n);
}

void *__wrap_reallocarray(void *p, size_t n, size_t size)
{
    return nomem_fails() ? NULL : __real_reallocarray(p, n, size);
}

char *__wrap_strdup(const char *s)
{
    size_t n = strlen(s) + 1;
    char *copy = __wrap_malloc(n);

    return copy != NULL ? memcpy(copy, s, n) : NULL;
}

void nomem_after(unsigned n)
{
    left = n;
    asked = 0;
    failed = once = false;
    on = true;
}

unsigned nomem_off(void)
{
    on = false;
    return asked;
}

static bool run(unsigned n, bool only, nomem_work *work, void *ctx, bool *ret_ok)
{
    nomem_after(n);
    once = only;
    *ret_ok = work(ctx);
    (void) nomem_off();
    if (!failed && !*ret_ok)
        fail_msg("it failed with all the memory it asked for");
    return failed;
}

bool nomem_try(unsigned n, nomem_work *work, void *ctx)
{
    bool ok;

    return run(n, false, work, ctx, &ok);
}

bool nomem_try_one(unsigned n, nomem_work *work, void *ctx, bool *ret_ok)
{
    return run(n, true, work, ctx, ret_ok);
}
