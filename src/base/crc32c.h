#pragma once
/*
 * CRC-32C (Castagnoli, RFC 3720 B.4). Finds torn and rotten bytes; proves nothing about who wrote them.
 * Threads: any.
 */
#include "base/span.h"

/* crc: 0 to begin, the last result to go on with the bytes that follow. */
uint32_t crc32c(uint32_t crc, struct span bytes);
/* The same without the processor's instruction, for processors that have none (and tests). */
uint32_t crc32c_table(uint32_t crc, struct span bytes);
