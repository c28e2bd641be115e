#pragma once
/* Random bytes of the kernel. Threads: any. Cannot fail: without getrandom(2) the process ends, for nothing here may
 * go on with bytes that are not random. */
#include <stddef.h>

void random_fill(void *p, size_t n);
