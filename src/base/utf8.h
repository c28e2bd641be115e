#pragma once
/* UTF-8, strictly (RFC 3629: no surrogates, no overlong forms, at most U+10FFFF). */
#include "base/buf.h"

bool utf8_valid(struct span s);

/* Decodes one code point at r; sets r->failed on a bad or cut sequence. */
uint32_t utf8_read(struct rd *r);

void utf8_add(struct buf *b, uint32_t code_point);

/* Code points; 0 when not valid. */
size_t utf8_count(struct span s);

/* True for C0, DEL, C1, and the bidirectional controls U+200E/F, U+202A-E, U+2066-9, U+061C: never shown raw. */
bool utf8_is_control(uint32_t code_point);

/* True for East Asian wide and full-width characters (they count double in 'reason', STANDARDS 2.1). */
bool utf8_is_wide(uint32_t code_point);
