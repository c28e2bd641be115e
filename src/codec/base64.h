#pragma once
/*
 * Base64 (RFC 4648), strictly: 'base64url' is the URL alphabet without padding (ids, keys, digests), 'base64' the standard
 * one with padding (signed notes, checkpoints, PEM). Decoders take nothing else: no white space, no other alphabet, no
 * missing or extra padding, and unused last bits must be zero, so that one value has one spelling.
 * Not constant time: never for long-lived secrets.
 */
#include "base/buf.h"

void base64_add(struct buf *b, struct span s);
void base64url_add(struct buf *b, struct span s);

/* Characters that n bytes make in base64url. */
static inline size_t base64url_len(size_t n)
{
    return n / 3 * 4 + (n % 3 == 0 ? 0 : n % 3 + 1);
}

/* Writes at most cap bytes; false (dst may be touched) when the form is wrong or cap is too small. */
NODISCARD bool base64_parse(struct span in, uint8_t *dst, size_t cap, size_t *ret_n);
NODISCARD bool base64url_parse(struct span in, uint8_t *dst, size_t cap, size_t *ret_n);

/* Exactly n bytes of base64url. */
NODISCARD bool base64url_parse_exact(struct span in, uint8_t *dst, size_t n);

/* Writes base64url_len(n) characters and a NUL; cap counts the NUL. False (and "") when it does not fit. No heap. */
bool base64url_str(const void *p, size_t n, char *out, size_t cap);
