#pragma once
/* Hexadecimal, lower case. */
#include "base/buf.h"

void hex_add(struct buf *b, struct span s);

/* dst gets in.n/2 bytes. False: odd length, another character, or more than cap bytes. Either case is taken. */
bool hex_parse(struct span in, uint8_t *dst, size_t cap, size_t *ret_n);
