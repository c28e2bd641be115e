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

static bool on, failed;
static unsigned left, asked;

bool nomem_fails(void)
{
    if (!on)
        return false;
    asked++;
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
    failed = false;
    on = true;
}

unsigned nomem_off(void)
{
    on = false;
    return asked;
}

bool nomem_try(unsigned n, nomem_work *work, void *ctx)
{
    bool ok;

    nomem_after(n);
    ok = work(ctx);
    (void) nomem_off();
    if (!failed && !ok)
        fail_msg("it failed with all the memory it asked for");
    return failed;
}
