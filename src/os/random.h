#pragma once
/* Random bytes from the kernel (getrandom). */
#include <stddef.h>
#include <stdint.h>

/* Fills p; aborts the process when the kernel cannot (nothing safe could follow). */
void random_bytes(void *p, size_t n);
